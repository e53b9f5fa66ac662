/*
 * Native bypass: s390x specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_S390X_TCG_NATIVE_BYPASS_H
#define TARGET_S390X_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    false

/* memcmp() computes it from the condition code, as a signed 2-bit number. */
#define NATIVE_MEMCMP_LESS          -2

/* glibc's vector functions, which "-cpu max" selects */
#define native_only_sign native_only_sign
static inline bool native_only_sign(size_t n, size_t at, bool string)
{
    return true;
}

#define NATIVE_SP(env)      ((env)->regs[15])
#define NATIVE_RA(env)      ((env)->regs[14])
#define NATIVE_RESULT(env)  ((env)->regs[2])
#include "user/native-return.h"

#endif /* TARGET_S390X_TCG_NATIVE_BYPASS_H */
