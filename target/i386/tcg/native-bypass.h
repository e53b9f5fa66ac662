/*
 * Native bypass: x86 specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_TCG_NATIVE_BYPASS_H
#define TARGET_I386_TCG_NATIVE_BYPASS_H

#include "accel/tcg/cpu-ldst.h"
#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    false

#ifndef TARGET_X86_64
/* See native-untagged.h. */
#define native_only_sign native_only_sign
static inline bool native_only_sign(size_t n, size_t at, bool string)
{
    /* glibc's SSE4.2 functions ("-cpu max"), strings: the first 24 bytes */
    return string ? at < 24 : n > 1;
}
#endif

/* See native-return.h. */
static inline target_ulong native_return_to(CPUX86State *env, target_ulong *sp,
                                            uintptr_t ra)
{
    target_ulong esp = env->regs[R_ESP];

    *sp = esp + sizeof(target_ulong);
#ifdef TARGET_X86_64
    return cpu_ldq_data_ra(env, esp, ra);
#else
    return cpu_ldl_data_ra(env, esp, ra);
#endif
}

#define NATIVE_SP(env)      ((env)->regs[R_ESP])
#define NATIVE_RESULT(env)  ((env)->regs[R_EAX])
#include "user/native-return.h"

#endif /* TARGET_I386_TCG_NATIVE_BYPASS_H */
