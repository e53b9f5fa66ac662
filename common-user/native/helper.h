/*
 * Native bypass: declarations of the TCG helpers
 *
 * NO_WG and not NO_RWG: a helper that faults needs the guest's registers in
 * env, where the signal frame is built from them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define NATIVE_1(NAME, R, A)                                            \
    DEF_HELPER_FLAGS_2(glue(native_, NAME), TCG_CALL_NO_WG, tl, env, tl)
#define NATIVE_2(NAME, R, A, B)                                         \
    DEF_HELPER_FLAGS_3(glue(native_, NAME), TCG_CALL_NO_WG, tl, env, tl, tl)
#define NATIVE_3(NAME, R, A, B, C)                                      \
    DEF_HELPER_FLAGS_4(glue(native_, NAME), TCG_CALL_NO_WG, tl, env, tl, tl, tl)

#include "user/native-functions.h.inc"

#undef NATIVE_1
#undef NATIVE_2
#undef NATIVE_3

DEF_HELPER_FLAGS_1(native_bypass_count, TCG_CALL_NO_RWG, void, ptr)
