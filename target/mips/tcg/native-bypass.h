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

#endif /* TARGET_MIPS_TCG_NATIVE_BYPASS_H */
