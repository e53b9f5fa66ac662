/*
 * SHA-1 and SHA-256, some rounds at once, by the host's instructions
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CRYPTO_SHA_ROUND_H
#define CRYPTO_SHA_ROUND_H

/*
 * Four words of hash or message, the first one at the lowest address.  The
 * hosts that have these instructions are little-endian.
 */
typedef uint32_t SHAStateVec __attribute__((vector_size(16)));

typedef union {
    uint32_t w[4];
    SHAStateVec v;
} SHAState;

/*
 * If HAVE_SHA_ACCEL, the host header defines these, which do what the Arm
 * architecture says of the instruction of that name (DDI 0487, "shared
 * pseudocode functions", SHAhashing and SHA256hash); @d may be @n or @m:
 *
 * sha1c_accel, sha1p_accel, sha1m_accel(d, n, m)
 *     Four rounds of SHA-1: a to d in @d, e in the first word of @n, the
 *     message with the constant added in @m.
 * sha256h_accel(d, n, m), sha256h2_accel(d, n, m)
 *     Four rounds of SHA-256: a to d in @d and e to h in @n, or the other way
 *     round; what becomes of @d.
 * sha256su0_accel(d, m), sha256su1_accel(d, n, m)
 *     The two steps that extend the message.
 */
#include "host/crypto/sha-round.h"

#endif /* CRYPTO_SHA_ROUND_H */
