/*
 * Native bypass: for targets whose addresses have no tags
 *
 * Each target has a header tcg/native-bypass.h that includes this, or has what
 * is here of its own, and besides:
 *
 * target_wchar_t
 *     The ABI's wchar_t, which comparisons need the sign of.
 * native_wcscmp_gives_char
 *     Whether the guest's wcscmp() gives, where the second string ends first,
 *     the character of the other one and not 1.
 * native_only_sign(n, at, string)
 *     Of n bytes, or of two strings, that first differ in byte "at": whether
 *     the guest's comparisons give -1 or 1, or else the difference of these.
 *     A macro, if they ever give -1 or 1.
 *
 * NATIVE_SP(env), NATIVE_RA(env), NATIVE_RESULT(env)
 *     See native-return.h, which it includes, too.
 *
 * NATIVE_MEMCMP_LESS
 *     What memcmp() gives in place of -1, if it does.
 *
 * native_second_entry(code)
 *     Functions' entry for calls from the same library: how many bytes behind
 *     the other one it is, of which @code are the first NATIVE_CODE bytes, or
 *     0 if there is one entry.  A macro, if there are such functions at all.
 *
 * NATIVE_REG_ARGS
 *     How many arguments are passed in registers and have no place on the
 *     stack, if any are, and a target of 32 bits passes others on the stack.
 *
 * What comparisons give is glibc 2.36's and 2.41's.
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
