/*
 * Native bypass: MIPS specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_MIPS_TCG_NATIVE_BYPASS_H
#define TARGET_MIPS_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    true

#define NATIVE_SP(env)      ((env)->active_tc.gpr[29])
#define NATIVE_RA(env)      ((env)->active_tc.gpr[31])
#define NATIVE_RESULT(env)  ((env)->active_tc.gpr[2])
#include "user/native-return.h"

#endif /* TARGET_MIPS_TCG_NATIVE_BYPASS_H */
