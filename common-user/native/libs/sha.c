/*
 * Native bypass: hashes of libcrypto
 *
 * OpenSSL's SHA1_Update() and the like, which EVP calls, too: their structs
 * are public.  The hash functions are QEMU's own, as a library would not
 * accept the state that they begin with.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "cpu.h"
#include "crypto/sha-round.h"
#include "tcg/native-bypass.h"
#include "user/native-translate.h"
#include "user/page-protection.h"
#include "stream.h"

/* Most bytes hashed without signals: takes some milliseconds */
#define MOST_HASHED     (4 * MiB)

#define SHA_BLOCK       64
#define SHA512_BLOCK    128

/*
 * SHA_CTX, SHA256_CTX and SHA512_CTX of the guest: openssl/sha.h.  Fields
 * after num are not used here.
 */
typedef struct GuestSha1 {
    abi_uint h[5], nl, nh;
    uint8_t data[SHA_BLOCK];
    abi_uint num;
} GuestSha1;

typedef struct GuestSha256 {
    abi_uint h[8], nl, nh;
    uint8_t data[SHA_BLOCK];
    abi_uint num;
} GuestSha256;

typedef struct GuestSha512 {
    abi_ullong h[8], nl, nh;
    uint8_t data[SHA512_BLOCK];
    abi_uint num;
} GuestSha512;

/* Host copy of any of these */
typedef struct ShaContext {
    uint64_t h[8], nl, nh;
    uint8_t data[SHA512_BLOCK];
    uint32_t num;
} ShaContext;

typedef struct ShaKind {
    size_t word, words, block;
    size_t nl, nh, data, num, size;     /* offsets in the guest's struct */
    void (*hash)(uint64_t *h, const uint8_t *data, size_t blocks);
} ShaKind;

/* FIPS 180-4, 4.2.3; the high halves of the first 64 are those of 4.2.2. */
static const uint64_t sha_k[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f,
    0xe9b5dba58189dbbc, 0x3956c25bf348b538, 0x59f111f1b605d019,
    0x923f82a4af194f9b, 0xab1c5ed5da6d8118, 0xd807aa98a3030242,
    0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235,
    0xc19bf174cf692694, 0xe49b69c19ef14ad2, 0xefbe4786384f25e3,
    0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65, 0x2de92c6f592b0275,
    0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f,
    0xbf597fc7beef0ee4, 0xc6e00bf33da88fc2, 0xd5a79147930aa725,
    0x06ca6351e003826f, 0x142929670a0e6e70, 0x27b70a8546d22ffc,
    0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6,
    0x92722c851482353b, 0xa2bfe8a14cf10364, 0xa81a664bbc423001,
    0xc24b8b70d0f89791, 0xc76c51a30654be30, 0xd192e819d6ef5218,
    0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99,
    0x34b0bcb5e19b48a8, 0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb,
    0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3, 0x748f82ee5defb2fc,
    0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915,
    0xc67178f2e372532b, 0xca273eceea26619c, 0xd186b8c721c0c207,
    0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178, 0x06f067aa72176fba,
    0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc,
    0x431d67c49c100d4c, 0x4cc5d4becb3e42b6, 0x597f299cfc657e2a,
    0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

/* FIPS 180-4, 6.1.2 */
static void sha1(uint64_t *h, const uint8_t *data, size_t blocks)
{
    static const uint32_t k[4] = {
        0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6
    };

    for (; blocks; blocks--, data += SHA_BLOCK) {
        uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

        for (unsigned t = 0; t < 80; t++) {
            uint32_t f = t < 20 ? (b & c) | (~b & d)
                       : t < 40 || t >= 60 ? b ^ c ^ d
                       : (b & c) | (b & d) | (c & d);

            w[t] = t < 16 ? ldl_be_p(data + 4 * t)
                 : rol32(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
            f += rol32(a, 5) + e + k[t / 20] + w[t];
            e = d;
            d = c;
            c = rol32(b, 30);
            b = a;
            a = f;
        }
        h[0] = (uint32_t)(h[0] + a);
        h[1] = (uint32_t)(h[1] + b);
        h[2] = (uint32_t)(h[2] + c);
        h[3] = (uint32_t)(h[3] + d);
        h[4] = (uint32_t)(h[4] + e);
    }
}

/* FIPS 180-4, 6.2.2 and 6.4.2 */
#define SHA2(NAME, WORD, LOAD, ROUNDS, SHIFT, ROR, A, B, C, D, E, F, G, H,  \
             I, J, K, L)                                                    \
    static void NAME(uint64_t *h, const uint8_t *data, size_t blocks)       \
    {                                                                       \
        for (; blocks; blocks--, data += 16 * sizeof(WORD)) {               \
            WORD w[ROUNDS], s[8], t1, t2;                                   \
                                                                            \
            for (unsigned i = 0; i < 8; i++) {                              \
                s[i] = h[i];                                                \
            }                                                               \
            for (unsigned t = 0; t < ROUNDS; t++) {                         \
                w[t] = t < 16 ? LOAD(data + sizeof(WORD) * t)               \
                    : w[t - 16] + w[t - 7] +                                \
                      (ROR(w[t - 15], G) ^ ROR(w[t - 15], H) ^              \
                       (w[t - 15] >> I)) +                                  \
                      (ROR(w[t - 2], J) ^ ROR(w[t - 2], K) ^                \
                       (w[t - 2] >> L));                                    \
                t1 = s[7] + (ROR(s[4], D) ^ ROR(s[4], E) ^ ROR(s[4], F)) +  \
                     ((s[4] & s[5]) ^ (~s[4] & s[6])) +                     \
                     (WORD)(sha_k[t] >> SHIFT) + w[t];                      \
                t2 = (ROR(s[0], A) ^ ROR(s[0], B) ^ ROR(s[0], C)) +         \
                     ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));       \
                memmove(s + 1, s, 7 * sizeof(WORD));                        \
                s[4] += t1;                                                 \
                s[0] = t1 + t2;                                             \
            }                                                               \
            for (unsigned i = 0; i < 8; i++) {                              \
                h[i] = (WORD)(h[i] + s[i]);                                 \
            }                                                               \
        }                                                                   \
    }

SHA2(sha256_generic, uint32_t, (uint32_t)ldl_be_p, 64, 32, ror32,
     2, 13, 22, 6, 11, 25, 7, 18, 3, 17, 19, 10)
SHA2(sha512, uint64_t, ldq_be_p, 80, 0, ror64,
     28, 34, 39, 14, 18, 41, 1, 8, 7, 19, 61, 6)

#ifndef ATTR_SHA_ACCEL
#define ATTR_SHA_ACCEL
#endif

static void ATTR_SHA_ACCEL sha256_accel(uint64_t *h, const uint8_t *data,
                                        size_t blocks)
{
    SHAState abcd, efgh;

    for (unsigned i = 0; i < 4; i++) {
        abcd.w[i] = h[i];
        efgh.w[i] = h[4 + i];
    }
    for (; blocks; blocks--, data += SHA_BLOCK) {
        const SHAState old_abcd = abcd, old_efgh = efgh;
        SHAState w[4];

        for (unsigned t = 0; t < 16; t++) {
            SHAState *now = &w[t % 4], k, old = abcd;

            for (unsigned i = 0; i < 4; i++) {
                if (t < 4) {
                    now->w[i] = ldl_be_p(data + 16 * t + 4 * i);
                }
                k.w[i] = sha_k[4 * t + i] >> 32;
            }
            if (t >= 4) {
                sha256su0_accel(now, &w[(t + 1) % 4]);
                sha256su1_accel(now, &w[(t + 2) % 4], &w[(t + 3) % 4]);
            }
            k.v += now->v;
            sha256h_accel(&abcd, &efgh, &k);
            sha256h2_accel(&efgh, &old, &k);
        }
        abcd.v += old_abcd.v;
        efgh.v += old_efgh.v;
    }
    for (unsigned i = 0; i < 4; i++) {
        h[i] = abcd.w[i];
        h[4 + i] = efgh.w[i];
    }
}

static void sha256(uint64_t *h, const uint8_t *data, size_t blocks)
{
    if (HAVE_SHA_ACCEL) {
        sha256_accel(h, data, blocks);
    } else {
        sha256_generic(h, data, blocks);
    }
}

#define SHA_KIND(STRUCT, HASH) {                                        \
        .word = sizeof(((STRUCT *)0)->h[0]),                            \
        .words = ARRAY_SIZE(((STRUCT *)0)->h),                          \
        .block = sizeof(((STRUCT *)0)->data),                           \
        .nl = offsetof(STRUCT, nl), .nh = offsetof(STRUCT, nh),         \
        .data = offsetof(STRUCT, data), .num = offsetof(STRUCT, num),   \
        .size = sizeof(STRUCT), .hash = HASH,                           \
    }

enum {
    SHA1,
    SHA256,
    SHA512,
};

static const ShaKind kinds[] = {
    [SHA1] = SHA_KIND(GuestSha1, sha1),
    [SHA256] = SHA_KIND(GuestSha256, sha256),
    [SHA512] = SHA_KIND(GuestSha512, sha512),
};

/* Add @len bytes as OpenSSL does, so that the whole struct is the same. */
static void update(const ShaKind *kind, ShaContext *c, const uint8_t *data,
                   uint64_t len)
{
    unsigned bits = kind->word * 8;
    size_t n = MIN(len, kind->block - c->num);
    uint64_t nl = extract64(c->nl + (len << 3), 0, bits);

    c->nh += (nl < c->nl) + (len >> (bits - 3));
    c->nl = nl;
    if (c->num) {
        memcpy(c->data + c->num, data, n);
        c->num += n;
        if (c->num < kind->block) {
            return;
        }
        kind->hash(c->h, c->data, 1);
        c->num = 0;
        if (kind->word == 4) {
            memset(c->data, 0, kind->block);
        }
        data += n;
        len -= n;
    }
    kind->hash(c->h, data, len / kind->block);
    n = len % kind->block;
    if (n) {
        memcpy(c->data, data + len - n, n);
        c->num = n;
    }
}

/* SHA1_Update(ctx, data, len), ... */
static bool try_update(NativeTry *call)
{
    const ShaKind *kind = &kinds[call->fn->kind];
    target_ulong ctx = native_untagged(call->arg[0]);
    target_ulong len = call->arg[2];
    ShaContext c;
    const void *data;

    if (len == 0 || len > MOST_HASHED || !ctx ||
        native_untagged(call->arg[1]) - ctx < kind->size ||
        ctx - native_untagged(call->arg[1]) < len ||
        !native_accessible(ctx, kind->size, PAGE_READ | PAGE_WRITE)) {
        return false;
    }
    for (unsigned i = 0; i < kind->words; i++) {
        c.h[i] = native_get(call, ctx + i * kind->word, kind->word);
    }
    c.nl = native_get(call, ctx + kind->nl, kind->word);
    c.nh = native_get(call, ctx + kind->nh, kind->word);
    c.num = native_get(call, ctx + kind->num, sizeof(abi_uint));
    native_read(call, ctx + kind->data, c.data, kind->block);
    if (c.num >= kind->block) {
        return false;
    }
    data = native_begin_read(call, call->arg[1], len);
    if (!data) {
        return false;
    }
    update(kind, &c, data, len);
    native_end_read();
    for (unsigned i = 0; i < kind->words; i++) {
        native_put(call, ctx + i * kind->word, c.h[i], kind->word);
    }
    native_put(call, ctx + kind->nl, c.nl, kind->word);
    native_put(call, ctx + kind->nh, c.nh, kind->word);
    native_put(call, ctx + kind->num, c.num, sizeof(abi_uint));
    native_write(call, ctx + kind->data, c.data, kind->block);
    call->result = 1;
    return true;
}

#define UPDATE(NAME, KIND) \
    { .name = #NAME, .nargs = 3, .try = try_update, .kind = KIND, .least = 64 }

static NativeFunction functions[] = {
    UPDATE(SHA1_Update, SHA1),
    UPDATE(SHA224_Update, SHA256),
    UPDATE(SHA256_Update, SHA256),
    UPDATE(SHA384_Update, SHA512),
    UPDATE(SHA512_Update, SHA512),
};

static const char *const proof[] = {
    "OPENSSL_cleanse", "SHA1_Final", "SHA256_Final", "SHA512_Final", NULL
};

static const char *version(void)
{
    return "(QEMU's own)";
}

static NativeLibrary libcrypto = {
    .name = "libcrypto",
    .soname = "libcrypto.so.3",
    .proof = proof,
    .functions = functions,
    .count = ARRAY_SIZE(functions),
    .version = version,
};

static void __attribute__((constructor)) register_libcrypto(void)
{
    native_library_register(&libcrypto);
}
