/*
 * Compare the instructions for SHA-1 and SHA-256 with the pseudocode of the
 * Arm architecture, on random numbers
 *
 * The argument is the seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { ROUNDS = 1000000 };

typedef struct {
    uint32_t w[4];
} Vec;

static uint64_t state;

static uint32_t number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 16;
}

static Vec vector(void)
{
    Vec v;

    for (int i = 0; i < 4; i++) {
        v.w[i] = number();
    }
    return v;
}

static uint32_t rol(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (~x & z);
}

static uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (x & z) | (y & z);
}

static Vec sha1(Vec d, uint32_t e, Vec m,
                uint32_t (*f)(uint32_t, uint32_t, uint32_t))
{
    for (int i = 0; i < 4; i++) {
        uint32_t t = rol(d.w[0], 5) + f(d.w[1], d.w[2], d.w[3]) + e + m.w[i];

        e = d.w[3];
        d = (Vec){ { t, d.w[0], rol(d.w[1], 30), d.w[2] } };
    }
    return d;
}

static Vec sha256(Vec x, Vec y, Vec m, bool first)
{
    for (int i = 0; i < 4; i++) {
        uint32_t a = x.w[0], e = y.w[0];
        uint32_t t = y.w[3] + m.w[i] + choose(e, y.w[1], y.w[2]) +
                     (rol(e, 26) ^ rol(e, 21) ^ rol(e, 7));
        uint32_t n = t + majority(a, x.w[1], x.w[2]) +
                     (rol(a, 30) ^ rol(a, 19) ^ rol(a, 10));

        y = (Vec){ { x.w[3] + t, y.w[0], y.w[1], y.w[2] } };
        x = (Vec){ { n, x.w[0], x.w[1], x.w[2] } };
    }
    return first ? x : y;
}

static uint32_t sigma0(uint32_t x)
{
    return rol(x, 25) ^ rol(x, 14) ^ x >> 3;
}

static uint32_t sigma1(uint32_t x)
{
    return rol(x, 15) ^ rol(x, 13) ^ x >> 10;
}

static Vec sha256su0(Vec d, Vec n)
{
    for (int i = 0; i < 4; i++) {
        d.w[i] += sigma0(i < 3 ? d.w[i + 1] : n.w[0]);
    }
    return d;
}

static Vec sha256su1(Vec d, Vec n, Vec m)
{
    for (int i = 0; i < 4; i++) {
        d.w[i] += (i < 3 ? n.w[i + 1] : m.w[0]) +
                  sigma1(i < 2 ? m.w[i + 2] : d.w[i - 2]);
    }
    return d;
}

static Vec sha1su0(Vec d, Vec n, Vec m)
{
    for (int i = 0; i < 4; i++) {
        d.w[i] ^= (i < 2 ? d.w[i + 2] : n.w[i - 2]) ^ m.w[i];
    }
    return d;
}

static Vec sha1su1(Vec d, Vec n)
{
    for (int i = 0; i < 4; i++) {
        d.w[i] = rol(d.w[i] ^ (i < 3 ? n.w[i + 1] : d.w[0]), 1);
    }
    return d;
}

static void check(const char *what, int round, Vec want, uint32x4_t v)
{
    Vec got;

    vst1q_u32(got.w, v);
    if (memcmp(&got, &want, sizeof(got)) != 0) {
        printf("%s, round %d: %08x %08x %08x %08x, not %08x %08x %08x %08x\n",
               what, round, got.w[0], got.w[1], got.w[2], got.w[3],
               want.w[0], want.w[1], want.w[2], want.w[3]);
        exit(EXIT_FAILURE);
    }
}

#ifdef __aarch64__
/* An instruction that sets @size bytes of v0 clears the rest of z0. */
#define CHECK_TAIL(insn, size) \
    do { \
        uint8_t z[256]; \
        uint64_t vl; \
        asm volatile(".arch_extension sve\n\t" \
                     "ptrue p0.b\n\t" \
                     "mov z0.b, #-1\n\t" \
                     insn "\n\t" \
                     "st1b {z0.b}, p0, [%1]\n\t" \
                     "rdvl %0, #1" \
                     : "=r"(vl) : "r"(z) : "memory", "v0"); \
        for (int i = size; i < vl; i++) { \
            if (z[i]) { \
                printf("%s: byte %d is %d\n", insn, i, z[i]); \
                exit(EXIT_FAILURE); \
            } \
        } \
    } while (0)

static void check_tails(void)
{
    if (!(getauxval(AT_HWCAP) & HWCAP_SVE)) {
        printf("no SVE: tails were not checked\n");
        return;
    }
    CHECK_TAIL("sha1c q0, s1, v2.4s", 16);
    CHECK_TAIL("sha1su1 v0.4s, v1.4s", 16);
    CHECK_TAIL("sha256h q0, q1, v2.4s", 16);
    CHECK_TAIL("sha256su0 v0.4s, v1.4s", 16);
    CHECK_TAIL("pmul v0.16b, v1.16b, v2.16b", 16);
    CHECK_TAIL("pmul v0.8b, v1.8b, v2.8b", 8);
}
#else
static void check_tails(void)
{
}
#endif

int main(int argc, char **argv)
{
    unsigned long seed = argc > 1 ? atol(argv[1]) : 1;

    check_tails();
    printf("seed %lu\n", seed);
    state = seed * 0x9e3779b97f4a7c15 | 1;
    for (int i = 0; i < ROUNDS; i++) {
        Vec d = vector(), n = vector(), m = vector();
        uint32x4_t vd = vld1q_u32(d.w), vn = vld1q_u32(n.w);
        uint32x4_t vm = vld1q_u32(m.w);
        uint32_t e = n.w[0];

        check("sha1c", i, sha1(d, e, m, choose), vsha1cq_u32(vd, e, vm));
        check("sha1p", i, sha1(d, e, m, parity), vsha1pq_u32(vd, e, vm));
        check("sha1m", i, sha1(d, e, m, majority), vsha1mq_u32(vd, e, vm));
        check("sha1su0", i, sha1su0(d, n, m), vsha1su0q_u32(vd, vn, vm));
        check("sha1su1", i, sha1su1(d, n), vsha1su1q_u32(vd, vn));
        check("sha256h", i, sha256(d, n, m, true), vsha256hq_u32(vd, vn, vm));
        check("sha256h2", i, sha256(n, d, m, false),
              vsha256h2q_u32(vd, vn, vm));
        check("sha256su0", i, sha256su0(d, n), vsha256su0q_u32(vd, vn));
        check("sha256su1", i, sha256su1(d, n, m),
              vsha256su1q_u32(vd, vn, vm));
        /* The same register twice or three times */
        check("sha256h, one", i, sha256(d, d, d, true),
              vsha256hq_u32(vd, vd, vd));
        check("sha256su1, one", i, sha256su1(d, d, d),
              vsha256su1q_u32(vd, vd, vd));
    }
    return EXIT_SUCCESS;
}
