/*
 * Native bypass: what is s390x' own in the C library's functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_S390X_TCG_NATIVE_BYPASS_H
#define TARGET_S390X_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    false

/* It is made of the condition code, of two bits, as a signed number. */
#define NATIVE_MEMCMP_LESS          -2

/* glibc's functions for vectors, which "-cpu max" has */
static inline bool native_only_sign(size_t n, size_t at, bool string)
{
    return true;
}

/* See native-untagged.h. */
static inline target_ulong native_return_to(CPUS390XState *env,
                                            target_ulong *sp, uintptr_t ra)
{
    *sp = env->regs[15];
    return env->regs[14];
}

static inline target_ulong native_returned(CPUS390XState *env, target_ulong *sp)
{
    *sp = env->regs[15];
    return env->regs[2];
}

#endif /* TARGET_S390X_TCG_NATIVE_BYPASS_H */
