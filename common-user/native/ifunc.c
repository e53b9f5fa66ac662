/*
 * Native bypass: calls by address of STT_GNU_IFUNC functions
 *
 * No symbol names the entry of such a function: a resolver returns it. So the
 * hook at a resolver's entry adds a hook at the return address, and that one
 * hooks the result.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "accel/tcg/cpu-ldst.h"
#include "accel/tcg/getpc.h"
#include "exec/helper-proto-common.h"
#include "exec/helper-gen-common.h"
#include "exec/mmap-lock.h"
#include "tcg/native-bypass.h"
#include "tcg/tcg-op-common.h"
#include "hooks.h"

#define HELPER_H "common-user/native/ifunc-helper.h"
#include "exec/helper-proto.h.inc"
#include "exec/helper-gen.h.inc"
#include "exec/helper-info.c.inc"
#undef HELPER_H

/* The resolver that this thread has entered */
static __thread struct {
    NativeHook hook;
    target_ulong return_pc, return_sp;
} entered_resolver;

static void gen_resolver(vaddr pc)
{
    gen_helper_native_resolver(tcg_env, tcg_constant_i64(pc));
}

static void gen_resolved(vaddr pc)
{
    gen_helper_native_resolved(tcg_env, tcg_constant_i64(pc));
}

/*
 * The hook depends on all code of the library: the resolver may later return
 * a function that has changed.
 */
bool native_bypass_hook_resolver(vaddr pc, const NativeFunction *fn,
                                 vaddr first, vaddr last)
{
    NativeHook hook = {
        .pc = pc, .fn = fn, .gen = gen_resolver, .first = first, .last = last,
    };

    return native_hook_add(&hook);
}

/* At the entry of a resolver: hook its return address. */
void HELPER(native_resolver)(CPUArchState *env, uint64_t pc)
{
    target_ulong return_sp, return_pc;
    NativeHook *hook;

    entered_resolver.hook.fn = NULL;
    return_pc = native_return_to(env, &return_sp, GETPC());
    mmap_lock();
    hook = native_hook_find(pc);
    if (hook && hook->fn) {
        NativeHook return_hook = {
            .pc = return_pc, .gen = gen_resolved,
            .first = return_pc & -2, .last = return_pc,
        };

        entered_resolver.hook = *hook;
        entered_resolver.return_pc = return_pc;
        entered_resolver.return_sp = return_sp;
        native_hook_add(&return_hook);
    }
    mmap_unlock();
}

/* At the return address: hook the resolver's result, a function's entry. */
void HELPER(native_resolved)(CPUArchState *env, uint64_t pc)
{
    const NativeHook *resolver = &entered_resolver.hook;
    const NativeFunction *fn = resolver->fn;
    target_ulong sp, entry = native_returned(env, &sp);

    if (!fn || entered_resolver.return_pc != pc ||
        entered_resolver.return_sp != sp) {
        return;
    }
    entered_resolver.hook.fn = NULL;
    if (entry >= resolver->first && entry <= resolver->last) {
        uint8_t code[NATIVE_CODE] = {};

        for (size_t i = 0; i < native_hook_code_size(entry, 0); i++) {
            code[i] = cpu_ldub_data_ra(env, entry + i, GETPC());
        }
        mmap_lock();
        /* The library may be unmapped by now. */
        if (native_hook_find(resolver->pc)) {
            native_bypass_hook_call(entry, fn, resolver->last, code);
        }
        mmap_unlock();
    }
}
