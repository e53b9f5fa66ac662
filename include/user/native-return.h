/*
 * Native bypass: return address and result, from the ABI's registers
 *
 * A target's tcg/native-bypass.h includes this file. Before that it defines
 * NATIVE_SP(env), the stack pointer, NATIVE_RESULT(env), a function's result,
 * and NATIVE_RA(env), the return address. Without NATIVE_RA, it defines
 * native_return_to() itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_RETURN_H
#define USER_NATIVE_RETURN_H

#ifdef NATIVE_RA
/**
 * native_return_to:
 * @env: the CPU, at a function's entry
 * @sp: set to the stack pointer after the function's return
 * @ra: unwinding address
 *
 * Returns the guest address that the function returns to.
 */
static inline target_ulong native_return_to(CPUArchState *env,
                                            target_ulong *sp, uintptr_t ra)
{
    *sp = NATIVE_SP(env);
    return NATIVE_RA(env);
}
#endif

/**
 * native_returned:
 * @env: the CPU, after a function's return
 * @sp: set to the stack pointer
 *
 * Returns the function's result.
 */
static inline target_ulong native_returned(CPUArchState *env, target_ulong *sp)
{
    *sp = NATIVE_SP(env);
    return NATIVE_RESULT(env);
}

#endif /* USER_NATIVE_RETURN_H */
