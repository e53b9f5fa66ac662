/*
 * Native bypass: what is MIPS' own in the C library's functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_MIPS_TCG_NATIVE_BYPASS_H
#define TARGET_MIPS_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    true

/* See native-untagged.h. */
static inline bool native_only_sign(size_t n, size_t at, bool string)
{
    return false;
}

/* See native-untagged.h. */
static inline target_ulong native_return_to(CPUMIPSState *env,
                                            target_ulong *sp, uintptr_t ra)
{
    *sp = env->active_tc.gpr[29];
    return env->active_tc.gpr[31];
}

static inline target_ulong native_returned(CPUMIPSState *env, target_ulong *sp)
{
    *sp = env->active_tc.gpr[29];
    return env->active_tc.gpr[2];
}

#endif /* TARGET_MIPS_TCG_NATIVE_BYPASS_H */
