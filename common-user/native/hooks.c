/*
 * Native bypass: calls by address
 *
 * QEMU translates the entry of a known function in a guest library to a native
 * call. It searches the table of hooks at translation, not at each call.
 * mmap_lock protects the table.
 *
 * No symbol names the entry of an STT_GNU_IFUNC function: a resolver returns
 * it. So the hook at a resolver's entry adds a hook at the return address, and
 * that one hooks the result.
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
#include "exec/page-protection.h"
#include "exec/tb-flush.h"
#include "tcg/native-bypass.h"
#include "user/native-hooks.h"
#include "user/native-translate.h"
#include "user/page-protection.h"
#include "user/tb-cache.h"
#include "trace/trace-linux_user.h"

#define HELPER_H "common-user/native/helper.h"
#include "exec/helper-proto.h.inc"
#include "exec/helper-gen.h.inc"
#undef HELPER_H

#ifndef native_second_entry
#define native_second_entry(code)   0
#endif

typedef enum NativeHookKind {
    NATIVE_HOOK_CALL,
    NATIVE_HOOK_RESOLVER,
    NATIVE_HOOK_RESOLVED,       /* a resolver's return address */
} NativeHookKind;

typedef struct NativeHook {
    vaddr pc;                   /* with the Thumb bit */
    NativeHookKind kind;
    const NativeFunction *fn;   /* NULL if unknown or ambiguous */
    /* Code that must not change; for a resolver, all its library's code */
    vaddr first, last;
    uint8_t code[NATIVE_CODE];  /* at a function's entry */
    unsigned behind;            /* of a second entry: its distance, or 0 */
} NativeHook;

/* Sorted by pc */
static GArray *hooks;
unsigned native_hook_count;

/* Range that contains all hooked code */
static vaddr code_first = -1, code_last;

/* Range known to contain no hook (cache of the last miss) */
static vaddr gap_first, gap_last;

/* The resolver that this thread has entered */
static __thread struct {
    NativeHook hook;
    target_ulong return_pc, return_sp;
} entered_resolver;

static NativeHook *hook_at(unsigned i)
{
    return &g_array_index(hooks, NativeHook, i);
}

/* The first hook at @pc or above, or native_hook_count. */
static unsigned hook_index(vaddr pc)
{
    unsigned low = 0, high = native_hook_count;

    while (low < high) {
        unsigned mid = (low + high) / 2;

        if (hook_at(mid)->pc < pc) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void hooks_changed(void)
{
    native_hook_count = hooks->len;
    gap_first = 1;
    gap_last = 0;
}

static NativeHook *find_hook(vaddr pc)
{
    unsigned i;

    if (pc >= gap_first && pc <= gap_last) {
        return NULL;
    }
    i = hook_index(pc);
    if (i < native_hook_count && hook_at(i)->pc == pc) {
        return hook_at(i);
    }
    gap_first = i > 0 ? hook_at(i - 1)->pc + 1 : 0;
    gap_last = i < native_hook_count ? hook_at(i)->pc - 1 : -1;
    return NULL;
}

/* The caller calls hooks_changed(). */
static void remove_hook(unsigned i)
{
    /* Its TB may be outside the range that the caller has invalidated. */
    tb_flush_page(hook_at(i)->pc);
    g_array_remove_index(hooks, i);
}

static bool is_stream_hook(const NativeHook *hook)
{
    return hook->fn && hook->fn->is_stream;
}

/*
 * Remove the hooks that depend on code in this range. A resolver's hook depends
 * on all code of its library: the resolver may later return a function that has
 * changed.
 */
static void remove_hooks_of(vaddr first, vaddr last)
{
    const NativeLibrary *unused = NULL;

    if (last < code_first || first > code_last) {
        return;
    }
    for (unsigned i = hooks->len; i-- > 0;) {
        const NativeHook *hook = hook_at(i);

        if (first > hook->last || last < hook->first) {
            continue;
        }
        if (!is_stream_hook(hook)) {
            remove_hook(i);
        } else if (!hook->fn->lib->is_used()) {
            /* A used library keeps its hooks: is_patched() protects them. */
            unused = hook->fn->lib;
        }
    }
    /* Keep all stream hooks of a library or none: QEMU must see each call. */
    for (unsigned i = hooks->len; unused && i-- > 0;) {
        if (is_stream_hook(hook_at(i)) && hook_at(i)->fn->lib == unused) {
            remove_hook(i);
        }
    }
    hooks_changed();
}

static void code_may_change(Notifier *notifier, void *data)
{
    const PageCodeChange *change = data;

    remove_hooks_of(change->start, change->last);
}

static Notifier code_change_notifier = { .notify = code_may_change };

/* Is there a hook at @pc?  The addresses of Thumb hooks are odd. */
static bool is_hooked(vaddr pc)
{
    return find_hook(pc) || find_hook(pc | 1);
}

/* Returns true if @new was added or has replaced a stale hook. */
static bool add_hook(const NativeHook *new)
{
    NativeHook *old = find_hook(new->pc);

    g_assert(have_mmap_lock());
    if (old && old->fn && old->fn->lib &&
        memcmp(old->code, new->code, NATIVE_CODE)) {
        /* Left from a library that is gone, see remove_hooks_of() */
        tb_flush_page(new->pc);
        *old = *new;
        return true;
    }
    if (old && (old->kind != new->kind || old->fn == new->fn || !new->fn)) {
        return false;
    }
    /* TBs may have been translated without this hook. */
    tb_flush_page(new->pc);
    if (old) {
        /* Two functions share this entry: the call is ambiguous. */
        old->fn = NULL;
        return false;
    }
    if (!hooks) {
        hooks = g_array_new(false, false, sizeof(NativeHook));
        page_code_change_notifier_add(&code_change_notifier);
        tb_cache_skip = is_hooked;
    }
    trace_native_bypass_hook(new->pc, new->fn ? new->fn->name : "",
                             new->kind);
    g_array_insert_val(hooks, hook_index(new->pc), *new);
    code_first = MIN(code_first, new->first);
    code_last = MAX(code_last, new->last);
    hooks_changed();
    return true;
}

bool native_bypass_hook_call(vaddr pc, const NativeFunction *fn, vaddr last,
                             const uint8_t *code)
{
    NativeHook hook = {
        .pc = pc, .kind = NATIVE_HOOK_CALL, .fn = fn,
        .first = pc & -2, .last = MIN(last, pc + NATIVE_LONGEST),
    };
    bool is_new;

    memcpy(hook.code, code, sizeof(hook.code));
    /* Writes to pages that are writable already are not reported. */
    if (page_get_flags(pc) & PAGE_WRITE_ORG) {
        return false;
    }
    is_new = add_hook(&hook);
    hook.behind = native_second_entry(code);
    if (hook.behind) {
        hook.pc += hook.behind;
        hook.first += hook.behind;
        memset(hook.code, 0, sizeof(hook.code));
        memcpy(hook.code, code + hook.behind, NATIVE_CODE - hook.behind);
        if (!(page_get_flags(hook.pc) & PAGE_WRITE_ORG)) {
            add_hook(&hook);
        }
    }
    return is_new;
}

bool native_bypass_hook_resolver(vaddr pc, const NativeFunction *fn,
                                 vaddr first, vaddr last)
{
    NativeHook hook = {
        .pc = pc, .kind = NATIVE_HOOK_RESOLVER, .fn = fn,
        .first = first, .last = last,
    };

    return add_hook(&hook);
}

/* Number of known bytes at the entry, within its page */
static size_t code_size(vaddr pc, unsigned behind)
{
    return MIN(NATIVE_CODE - behind, -(pc | TARGET_PAGE_MASK));
}

/* Has the code changed without QEMU's knowledge? */
static bool is_patched(DisasContextBase *db, const NativeHook *hook)
{
    CPUArchState *env = cpu_env(tcg_ctx->cpu);

    for (size_t i = 0; i < code_size(hook->pc, hook->behind); i++) {
        if (translator_ldub(env, db, hook->pc + i) != hook->code[i]) {
            return true;
        }
    }
    return false;
}

const NativeFunction *native_bypass_find_hooked(DisasContextBase *db,
                                                vaddr pc)
{
    NativeHook *hook = find_hook(pc);

    if (!hook) {
        return NULL;
    }
    translator_not_kept();
    switch (hook->kind) {
    case NATIVE_HOOK_CALL:
        /* A TB that contains the first entry has made or declined it there. */
        if (!hook->fn || native_bypass_is_excluded(hook->fn) ||
            (hook->behind && pc - hook->behind >= db->pc_first) ||
            is_patched(db, hook)) {
            return NULL;
        }
        /*
         * If the page has a breakpoint, the guest's own function runs, so that
         * gdb sees it. A stream stays native: its state is in QEMU.
         */
        return tb_cflags(db->tb) & CF_BP_PAGE && !hook->fn->is_stream
            ? NULL : hook->fn;
    case NATIVE_HOOK_RESOLVER:
        gen_helper_native_resolver(tcg_env, tcg_constant_i64(pc));
        return NULL;
    case NATIVE_HOOK_RESOLVED:
        gen_helper_native_resolved(tcg_env, tcg_constant_i64(pc));
        return NULL;
    }
    g_assert_not_reached();
}

/* At the entry of a resolver: hook its return address. */
void HELPER(native_resolver)(CPUArchState *env, uint64_t pc)
{
    target_ulong return_sp, return_pc;
    NativeHook *hook;

    entered_resolver.hook.fn = NULL;
    return_pc = native_return_to(env, &return_sp, GETPC());
    mmap_lock();
    hook = find_hook(pc);
    if (hook && hook->fn) {
        NativeHook return_hook = {
            .pc = return_pc, .kind = NATIVE_HOOK_RESOLVED,
            .first = return_pc & -2, .last = return_pc,
        };

        entered_resolver.hook = *hook;
        entered_resolver.return_pc = return_pc;
        entered_resolver.return_sp = return_sp;
        add_hook(&return_hook);
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

        for (size_t i = 0; i < code_size(entry, 0); i++) {
            code[i] = cpu_ldub_data_ra(env, entry + i, GETPC());
        }
        mmap_lock();
        /* The library may be unmapped by now. */
        if (find_hook(resolver->pc)) {
            native_bypass_hook_call(entry, fn, resolver->last, code);
        }
        mmap_unlock();
    }
}
