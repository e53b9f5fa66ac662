/*
 * x86 specific SHA acceleration.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef X86_HOST_CRYPTO_SHA_ROUND_H
#define X86_HOST_CRYPTO_SHA_ROUND_H

#include "host/cpuinfo.h"
#include <immintrin.h>

#if defined(__SHA__) && defined(__SSSE3__)
# define HAVE_SHA_ACCEL  true
# define ATTR_SHA_ACCEL
#else
# define HAVE_SHA_ACCEL  likely(cpuinfo & CPUINFO_SHA)
# define ATTR_SHA_ACCEL  __attribute__((target("sha,ssse3")))
#endif

/*
 * SHA1RNDS4 has a, and the first word of the message, in the highest element.
 * It adds the constant itself, which the message has already.
 */
#define SHA1_ROUNDS(NAME, FUNCTION, CONSTANT)                           \
    static inline void ATTR_SHA_ACCEL                                   \
    NAME##_accel(SHAState *d, const SHAState *n, const SHAState *m)     \
    {                                                                   \
        __m128i e = _mm_cvtsi32_si128(n->w[0]);                         \
        __m128i w = _mm_sub_epi32((__m128i)m->v,                        \
                                  _mm_set1_epi32((int)CONSTANT));       \
        __m128i abcd = _mm_shuffle_epi32((__m128i)d->v, 0x1b);          \
                                                                        \
        w = _mm_shuffle_epi32(_mm_add_epi32(w, e), 0x1b);               \
        abcd = _mm_sha1rnds4_epu32(abcd, w, FUNCTION);                  \
        d->v = (SHAStateVec)_mm_shuffle_epi32(abcd, 0x1b);              \
    }

SHA1_ROUNDS(sha1c, 0, 0x5a827999)
SHA1_ROUNDS(sha1p, 1, 0x6ed9eba1)
SHA1_ROUNDS(sha1m, 2, 0x8f1bbcdc)

#undef SHA1_ROUNDS

/* Two elements of each, all in reverse order: SHA256RNDS2 has a highest. */
#define SHA256_LOW(a, b) \
    ((__m128i)_mm_shuffle_ps((__m128)(a), (__m128)(b), _MM_SHUFFLE(0, 1, 0, 1)))
#define SHA256_HIGH(a, b) \
    ((__m128i)_mm_shuffle_ps((__m128)(a), (__m128)(b), _MM_SHUFFLE(2, 3, 2, 3)))

/* Return f, e, b and a after two rounds in @two, after four in @four. */
static inline void ATTR_SHA_ACCEL
sha256_rounds(const SHAState *abcd, const SHAState *efgh, const SHAState *m,
              __m128i *two, __m128i *four)
{
    __m128i abef = SHA256_LOW(efgh->v, abcd->v);
    __m128i cdgh = SHA256_HIGH(efgh->v, abcd->v);
    __m128i w = (__m128i)m->v;

    *two = _mm_sha256rnds2_epu32(cdgh, abef, w);
    *four = _mm_sha256rnds2_epu32(abef, *two, _mm_shuffle_epi32(w, 0x0e));
}

static inline void ATTR_SHA_ACCEL
sha256h_accel(SHAState *d, const SHAState *n, const SHAState *m)
{
    __m128i two, four;

    sha256_rounds(d, n, m, &two, &four);
    d->v = (SHAStateVec)SHA256_HIGH(four, two);
}

static inline void ATTR_SHA_ACCEL
sha256h2_accel(SHAState *d, const SHAState *n, const SHAState *m)
{
    __m128i two, four;

    sha256_rounds(n, d, m, &two, &four);
    d->v = (SHAStateVec)SHA256_LOW(four, two);
}

#undef SHA256_LOW
#undef SHA256_HIGH

static inline void ATTR_SHA_ACCEL
sha256su0_accel(SHAState *d, const SHAState *m)
{
    d->v = (SHAStateVec)_mm_sha256msg1_epu32((__m128i)d->v, (__m128i)m->v);
}

static inline void ATTR_SHA_ACCEL
sha256su1_accel(SHAState *d, const SHAState *n, const SHAState *m)
{
    __m128i w = _mm_alignr_epi8((__m128i)m->v, (__m128i)n->v, 4);

    w = _mm_add_epi32((__m128i)d->v, w);
    d->v = (SHAStateVec)_mm_sha256msg2_epu32(w, (__m128i)m->v);
}

#endif /* X86_HOST_CRYPTO_SHA_ROUND_H */
