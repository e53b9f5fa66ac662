/*
 * AArch64 specific SHA acceleration.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef AARCH64_HOST_CRYPTO_SHA_ROUND_H
#define AARCH64_HOST_CRYPTO_SHA_ROUND_H

#include "host/cpuinfo.h"

#if HOST_BIG_ENDIAN
# define HAVE_SHA_ACCEL  false      /* SHAState is little-endian. */
#elif defined(__ARM_FEATURE_SHA2)
# define HAVE_SHA_ACCEL  true
#else
# define HAVE_SHA_ACCEL  likely(cpuinfo & CPUINFO_SHA)
#endif

#define SHA_3REG(NAME, INSN)                                            \
    static inline void                                                  \
    NAME##_accel(SHAState *d, const SHAState *n, const SHAState *m)     \
    {                                                                   \
        asm(".arch_extension sha2\n\t" INSN                             \
            : "+w"(d->v) : "w"(n->v), "w"(m->v));                       \
    }

SHA_3REG(sha1c, "sha1c %q0, %s1, %2.4s")
SHA_3REG(sha1p, "sha1p %q0, %s1, %2.4s")
SHA_3REG(sha1m, "sha1m %q0, %s1, %2.4s")
SHA_3REG(sha256h, "sha256h %q0, %q1, %2.4s")
SHA_3REG(sha256h2, "sha256h2 %q0, %q1, %2.4s")
SHA_3REG(sha256su1, "sha256su1 %0.4s, %1.4s, %2.4s")

#undef SHA_3REG

static inline void sha256su0_accel(SHAState *d, const SHAState *m)
{
    asm(".arch_extension sha2\n\tsha256su0 %0.4s, %1.4s"
        : "+w"(d->v) : "w"(m->v));
}

#endif /* AARCH64_HOST_CRYPTO_SHA_ROUND_H */
