/*
 * Native bypass: calls by address
 *
 * QEMU translates the entry of a known function in a guest library into a
 * native call. It searches the table of hooks at translation, not at each call.
 * mmap_lock protects the table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/mmap-lock.h"
#include "exec/page-protection.h"
#include "exec/tb-flush.h"
#include "tcg/native-bypass.h"
#include "user/native-hooks.h"
#include "user/native-translate.h"
#include "user/page-protection.h"
#include "user/tb-cache.h"
#include "trace/trace-linux_user.h"
#include "hooks.h"

#ifndef native_second_entry
#define native_second_entry(code)   0
#endif

/* Sorted by pc */
static GArray *hooks;
unsigned native_hook_count;

/* Range that contains all hooked code */
static vaddr code_first = -1, code_last;

/* Range known to contain no hook (cache of the last miss) */
static vaddr gap_first, gap_last;

static NativeHook *hook_at(unsigned i)
{
    return &g_array_index(hooks, NativeHook, i);
}

/* The index of the first hook at @pc or above, or native_hook_count. */
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

NativeHook *native_hook_find(vaddr pc)
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

/* The caller must call hooks_changed() afterwards. */
static void remove_hook(unsigned i)
{
    /* Its TBs may be outside the changed range, and so still be valid. */
    tb_flush_page(hook_at(i)->pc);
    g_array_remove_index(hooks, i);
}

static bool is_stream_hook(const NativeHook *hook)
{
    return hook->fn && hook->fn->is_stream;
}

/* Keep all stream hooks of a library or none: QEMU must see each call. */
static void remove_stream_hooks(const NativeLibrary *lib)
{
    for (unsigned i = hooks->len; i-- > 0;) {
        if (is_stream_hook(hook_at(i)) && hook_at(i)->fn->lib == lib) {
            remove_hook(i);
        }
    }
}

/* Remove the hooks that depend on code in this range. */
static void remove_hooks_of(vaddr first, vaddr last)
{
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
            /* While the guest has streams, is_patched() finds changed code. */
            remove_stream_hooks(hook->fn->lib);
            i = hooks->len;
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
    return native_hook_find(pc) || native_hook_find(pc | 1);
}

static void watch_code(const NativeHook *hook)
{
    code_first = MIN(code_first, hook->first);
    code_last = MAX(code_last, hook->last);
}

bool native_hook_add(const NativeHook *new)
{
    NativeHook *old = native_hook_find(new->pc);

    g_assert(have_mmap_lock());
    if (old && old->fn && old->fn->lib &&
        memcmp(old->code, new->code, NATIVE_CODE)) {
        /* remove_hooks_of() kept @old, but its library is gone. */
        tb_flush_page(new->pc);
        *old = *new;
        watch_code(new);
        return true;
    }
    if (old && (old->gen != new->gen || old->fn == new->fn || !new->fn)) {
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
                             !new->gen);
    g_array_insert_val(hooks, hook_index(new->pc), *new);
    watch_code(new);
    hooks_changed();
    return true;
}

bool native_bypass_hook_call(vaddr pc, const NativeFunction *fn, vaddr last,
                             const uint8_t *code)
{
    NativeHook hook = {
        .pc = pc, .fn = fn,
        .first = pc & -2, .last = MIN(last, pc + NATIVE_LONGEST),
    };
    bool is_new;

    memcpy(hook.code, code, sizeof(hook.code));
    /* QEMU does not notice writes to a page that the guest may write. */
    if (page_get_flags(pc) & PAGE_WRITE_ORG) {
        return false;
    }
    is_new = native_hook_add(&hook);
    hook.behind = native_second_entry(code);
    if (hook.behind) {
        hook.pc += hook.behind;
        hook.first += hook.behind;
        memset(hook.code, 0, sizeof(hook.code));
        memcpy(hook.code, code + hook.behind, NATIVE_CODE - hook.behind);
        if (!(page_get_flags(hook.pc) & PAGE_WRITE_ORG)) {
            native_hook_add(&hook);
        }
    }
    return is_new;
}

size_t native_hook_code_size(vaddr pc, unsigned behind)
{
    return MIN(NATIVE_CODE - behind, -(pc | TARGET_PAGE_MASK));
}

/* Has the code changed without QEMU's knowledge? */
static bool is_patched(DisasContextBase *db, const NativeHook *hook)
{
    CPUArchState *env = cpu_env(tcg_ctx->cpu);

    for (size_t i = 0; i < native_hook_code_size(hook->pc, hook->behind); i++) {
        if (translator_ldub(env, db, hook->pc + i) != hook->code[i]) {
            return true;
        }
    }
    return false;
}

const NativeFunction *native_bypass_find_hooked(DisasContextBase *db,
                                                vaddr pc)
{
    NativeHook *hook = native_hook_find(pc);

    if (!hook) {
        return NULL;
    }
    translator_not_kept();
    if (hook->gen) {
        hook->gen(pc);
        return NULL;
    }
    /* A TB that contains the first entry, too, has emitted the call there. */
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
}
