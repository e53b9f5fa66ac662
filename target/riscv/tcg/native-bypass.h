/*
 * Native bypass: RISC-V specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_RISCV_TCG_NATIVE_BYPASS_H
#define TARGET_RISCV_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    true

#define NATIVE_SP(env)      ((env)->gpr[xSP])
#define NATIVE_RA(env)      ((env)->gpr[xRA])
#define NATIVE_RESULT(env)  ((env)->gpr[xA0])
#include "user/native-return.h"

#endif /* TARGET_RISCV_TCG_NATIVE_BYPASS_H */
