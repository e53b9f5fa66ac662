/*
 * Native bypass: libcrypto's hashes, call by call
 *
 * The output is the same whether the guest's or the host's library hashes: a
 * line for each function, with a hash of the struct after each call.
 * Arguments: seed, rounds.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <assert.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sha.h"

static uint64_t rng;
static uint64_t result;

static uint32_t rnd(uint32_t n)
{
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng >> 33) % n;
}

static void hash(const void *p, size_t n)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        result = (result ^ b[i]) * 0x100000001b3ull;
    }
}

static sigjmp_buf jump;

static void on_fault(int sig)
{
    siglongjmp(jump, 1);
}

#define TEST(NAME, CTX, LENGTH)                                         \
    static void test_##NAME(const uint8_t *data, size_t size, int rounds) \
    {                                                                   \
        uint8_t md[64];                                                 \
        CTX c;                                                          \
                                                                        \
        result = 0;                                                     \
        for (int i = 0; i < rounds; i++) {                              \
            memset(&c, 0, sizeof(c));                                   \
            NAME##_Init(&c);                                            \
            if (rnd(4) == 0) {                                          \
                /* The count of bits is close to an overflow. */        \
                c.Nl = -(uint64_t)rnd(2000) * 8;                        \
            }                                                           \
            for (int k = rnd(20); k >= 0; k--) {                        \
                size_t at = rnd(200);                                   \
                size_t n = rnd(3) ? rnd(300) : rnd(size - 200);         \
                int ret = NAME##_Update(&c, data + at, n);              \
                                                                        \
                hash(&ret, sizeof(ret));                                \
                /* The unused part of the buffer is undefined. */       \
                memset((uint8_t *)c.data + c.num, 0,                    \
                       sizeof(c.data) - c.num);                         \
                hash(&c, sizeof(c));                                    \
            }                                                           \
            /* Run into an unreadable page. */                          \
            if (rnd(8) == 0 && sigsetjmp(jump, 1) == 0) {               \
                NAME##_Update(&c, data + size - rnd(100), 200);         \
                result++;                                               \
            }                                                           \
            NAME##_Init(&c);                                            \
            NAME##_Update(&c, data, rnd(5000));                         \
            NAME##_Final(md, &c);                                       \
            hash(md, LENGTH);                                           \
            NAME(data, rnd(5000), md);                                  \
            hash(md, LENGTH);                                           \
        }                                                               \
        printf(#NAME ": %016llx\n", (unsigned long long)result);        \
    }

TEST(SHA1, SHA_CTX, 20)
TEST(SHA224, SHA256_CTX, 28)
TEST(SHA256, SHA256_CTX, 32)
TEST(SHA384, SHA512_CTX, 48)
TEST(SHA512, SHA512_CTX, 64)

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 20;
    size_t size = 16 * 65536;
    uint8_t *data = mmap(NULL, size + 65536, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert(data != MAP_FAILED);
    rng = argc > 1 ? atoll(argv[1]) : 1;
    printf("seed %llu\n", (unsigned long long)rng);
    for (size_t i = 0; i < size; i++) {
        data[i] = rnd(256);
    }
    assert(mprotect(data + size, 65536, PROT_NONE) == 0);
    sigaction(SIGSEGV, &(struct sigaction) { .sa_handler = on_fault }, NULL);
    test_SHA1(data, size, rounds);
    test_SHA224(data, size, rounds);
    test_SHA256(data, size, rounds);
    test_SHA384(data, size, rounds);
    test_SHA512(data, size, rounds);
    return 0;
}
