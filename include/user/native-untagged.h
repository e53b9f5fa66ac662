/*
 * Native bypass: for targets whose addresses have no tags
 *
 * Each target's tcg/native-bypass.h includes this file, or defines the same
 * functions itself.  The target's header also defines:
 *
 * target_wchar_t
 *     The ABI's wchar_t: comparisons need its signedness.
 * native_wcscmp_gives_char
 *     Whether the guest's wcscmp(), if the second string ends first, returns
 *     the other string's character instead of 1.
 * native_only_sign(n, at, string)
 *     For n bytes, or two strings, that first differ in byte "at": whether
 *     the guest's comparison returns -1 or 1 instead of their difference.
 *     A macro, defined only if it ever returns -1 or 1.
 *
 * NATIVE_SP(env), NATIVE_RA(env), NATIVE_RESULT(env)
 *     See native-return.h, which the header also includes.
 *
 * NATIVE_MEMCMP_LESS
 *     The guest's memcmp() result in place of -1, if it is another one.
 *
 * native_second_entry(code)
 *     Offset from a function's first entry to its second one, which is for
 *     calls from the same library; or 0.  @code: the NATIVE_CODE bytes at the
 *     first entry.  A macro, defined only if functions may have two entries.
 *
 * NATIVE_REG_ARGS
 *     Number of arguments in registers that have no place on the stack, for a
 *     target of 32 bits that passes further arguments on the stack.
 *
 * Comparisons return the results of glibc 2.36 and 2.41.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_UNTAGGED_H
#define USER_NATIVE_UNTAGGED_H

static inline target_ulong native_untagged(target_ulong addr)
{
    return addr;
}

static inline bool native_tags_checked(CPUArchState *env)
{
    return false;
}

static inline void native_check_tags(CPUArchState *env, target_ulong addr,
                                     size_t len, MMUAccessType access_type,
                                     uintptr_t ra)
{
    g_assert_not_reached();
}

#endif /* USER_NATIVE_UNTAGGED_H */
