/*
 * Native bypass: declarations of the TCG helpers for STT_GNU_IFUNC functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

DEF_HELPER_FLAGS_2(native_resolver, TCG_CALL_NO_WG, void, env, i64)
DEF_HELPER_FLAGS_2(native_resolved, TCG_CALL_NO_WG, void, env, i64)
