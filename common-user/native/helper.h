/*
 * Native bypass: declarations of the TCG helpers
 *
 * NO_WG and not NO_RWG: if a helper faults, the signal frame is built from the
 * guest's registers in env.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define NATIVE_HELPER(N, NAME, ...) \
    glue(DEF_HELPER_FLAGS_, N)(NAME, TCG_CALL_NO_WG, tl, env, __VA_ARGS__)
#define NATIVE_HELPER_1(NAME)   NATIVE_HELPER(2, NAME, tl)
#define NATIVE_HELPER_2(NAME)   NATIVE_HELPER(3, NAME, tl, tl)
#define NATIVE_HELPER_3(NAME)   NATIVE_HELPER(4, NAME, tl, tl, tl)
#define NATIVE_HELPER_4(NAME)   NATIVE_HELPER(5, NAME, tl, tl, tl, tl)

#define NATIVE(NAME, RESULT, COUNT, ...) \
    glue(NATIVE_HELPER_, COUNT)(glue(native_, NAME))
#define NATIVE_ALIAS(...)
#define NATIVE_GUEST(...)
#define NATIVE_CHECKED(...)

#include "user/native-functions.h.inc"

#undef NATIVE
#undef NATIVE_ALIAS
#undef NATIVE_GUEST
#undef NATIVE_CHECKED
#undef NATIVE_HELPER_1
#undef NATIVE_HELPER_2
#undef NATIVE_HELPER_3
#undef NATIVE_HELPER_4
#undef NATIVE_HELPER

DEF_HELPER_FLAGS_6(native_try, TCG_CALL_NO_WG, i32, env, ptr, tl, tl, tl, tl)
DEF_HELPER_FLAGS_0(native_tried, TCG_CALL_NO_RWG_SE, tl)
DEF_HELPER_FLAGS_1(native_bypass_count, TCG_CALL_NO_RWG, void, ptr)
