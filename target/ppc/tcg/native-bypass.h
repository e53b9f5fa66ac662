/*
 * Native bypass: PowerPC specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_PPC_TCG_NATIVE_BYPASS_H
#define TARGET_PPC_TCG_NATIVE_BYPASS_H

#include "user/native-untagged.h"

typedef int32_t target_wchar_t;

#define native_wcscmp_gives_char    true

/* See native-untagged.h.  This is POWER8's and POWER9's memcmp(). */
#define native_only_sign native_only_sign
static inline bool native_only_sign(size_t n, size_t at, bool string)
{
    return !string && n > 3 && (n > 7 || at < n - 1);
}

#define NATIVE_SP(env)      ((env)->gpr[1])
#define NATIVE_RA(env)      ((env)->lr)
#define NATIVE_RESULT(env)  ((env)->gpr[3])
#include "user/native-return.h"

/*
 * 64-Bit ELF V2: calls from the same library skip the code that sets r2 from
 * r12: addis r2, r12, ...; addi r2, r2, ...
 */
#define native_second_entry native_second_entry
static inline unsigned native_second_entry(const uint8_t *code)
{
    return ldl_le_p(code) >> 16 == 0x3c4c &&
           ldl_le_p(code + 4) >> 16 == 0x3842 ? 8 : 0;
}

#endif /* TARGET_PPC_TCG_NATIVE_BYPASS_H */
