/*
 * Native bypass: LoongArch specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_LOONGARCH_TCG_NATIVE_BYPASS_H
#define TARGET_LOONGARCH_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    true

#define NATIVE_SP(env)      ((env)->gpr[3])
#define NATIVE_RA(env)      ((env)->gpr[1])
#define NATIVE_RESULT(env)  ((env)->gpr[4])
#include "user/native-return.h"

#endif /* TARGET_LOONGARCH_TCG_NATIVE_BYPASS_H */
