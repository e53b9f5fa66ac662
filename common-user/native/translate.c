/*
 * Native bypass: from the name in a stub to the call of a helper
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "accel/tcg/cpu-ldst.h"
#include "accel/tcg/getpc.h"
#include "exec/helper-proto-common.h"
#include "exec/helper-gen-common.h"
#include "tcg-target-mo.h"
#include "user/guest-host.h"
#include "user/native-hooks.h"
#include "user/native-translate.h"

#define HELPER_H "common-user/native/helper.h"
#include "exec/helper-proto.h.inc"
#include "exec/helper-gen.h.inc"
#include "exec/helper-info.c.inc"
#undef HELPER_H

bool native_bypass_enabled;
bool native_bypass_auto;
bool native_bypass_musl;

#define NATIVE_GUEST(...)
#define NATIVE_CHECKED(...)

#define NATIVE(NAME, RESULT, COUNT, ...) \
    { .name = #NAME, .nargs = COUNT, .info = &helper_info_native_ ## NAME },
#define NATIVE_ALIAS(...)

static const NativeFunction native_functions[] = {
#include "user/native-functions.h.inc"
};

#undef NATIVE
#undef NATIVE_ALIAS
#define NATIVE(...)
#define NATIVE_ALIAS(NAME, FUNCTION)    { #NAME, #FUNCTION },

static const struct {
    const char *name, *function;
} native_aliases[] = {
#include "user/native-functions.h.inc"
    /* Both may share one entry, which must allow for overlaps. */
    { "memcpy", "memmove" },
};

/* Calls made, counted only with "-d native_bypass". */
static uint64_t native_counts[ARRAY_SIZE(native_functions)];

const NativeFunction *native_bypass_lookup(DisasContextBase *db, vaddr addr,
                                           vaddr *end)
{
    CPUArchState *env = cpu_env(tcg_ctx->cpu);
    g_autofree char *printable = NULL;
    char name[NATIVE_NAME_MAX + 2] = "";
    bool ended = false;

    /* The end of the address space may cut off the NUL. */
    *end = addr;
    for (size_t i = 0; i <= NATIVE_NAME_MAX && addr + i <= guest_addr_max &&
                       !ended; i++) {
        name[i] = translator_ldub(env, db, addr + i);
        ended = name[i] == 0;
        *end = addr + i + 1;
    }
    for (size_t i = 0; ended && i < ARRAY_SIZE(native_functions); i++) {
        if (!strcmp(name, native_functions[i].name)) {
            return &native_functions[i];
        }
    }

    printable = g_strescape(name, NULL);
    qemu_log_mask(LOG_GUEST_ERROR,
                  "native_bypass: no function \"%s\" at 0x%" VADDR_PRIx "\n",
                  printable, addr);
    return NULL;
}

/* native_bypass_exclude() replaces functions with this. */
static const NativeFunction excluded = { .name = "excluded" };

/* Maps names to functions */
static GHashTable *functions;

const NativeFunction *native_bypass_find(const char *name)
{
    if (!functions) {
        functions = g_hash_table_new(g_str_hash, g_str_equal);
        for (size_t i = 0; i < ARRAY_SIZE(native_functions); i++) {
            g_hash_table_insert(functions, (gpointer)native_functions[i].name,
                                (gpointer)&native_functions[i]);
        }
        for (size_t i = ARRAY_SIZE(native_aliases); i-- > 0;) {
            gpointer fn = g_hash_table_lookup(functions,
                                              native_aliases[i].function);

            g_hash_table_insert(functions, (gpointer)native_aliases[i].name,
                                fn);
        }
    }
    return g_hash_table_lookup(functions, name);
}

/* Libraries other than the C library */
static GSList *libraries;

void native_library_register(NativeLibrary *lib)
{
    for (unsigned i = 0; i < lib->count; i++) {
        lib->functions[i].lib = lib;
    }
    libraries = g_slist_append(libraries, lib);
}

const NativeLibrary *native_library_by_soname(const char *soname)
{
    for (GSList *l = libraries; l; l = l->next) {
        const NativeLibrary *lib = l->data;

        if (!strcmp(lib->soname, soname)) {
            return lib;
        }
    }
    return NULL;
}

static NativeFunction *function_of(const NativeLibrary *lib, const char *name)
{
    for (unsigned i = 0; i < lib->count; i++) {
        if (!strcmp(lib->functions[i].name, name)) {
            return &lib->functions[i];
        }
    }
    return NULL;
}

const NativeFunction *native_library_find(const NativeLibrary *lib,
                                          const char *name)
{
    const NativeFunction *fn = function_of(lib, name);

    return fn && !fn->is_excluded ? fn : NULL;
}

/* native_bypass_exclude() for @lib: @name is its name or a function's. */
static bool exclude_of(NativeLibrary *lib, const char *name)
{
    const NativeFunction *fn = function_of(lib, name);
    bool all = !strcmp(lib->name, name);

    for (unsigned i = 0; i < lib->count; i++) {
        NativeFunction *f = &lib->functions[i];

        /* The guest's own code lacks the state of the handlers' streams. */
        if (all || f == fn || (fn && fn->is_stream && f->is_stream)) {
            f->is_excluded = true;
        }
    }
    return all || fn;
}

bool native_bypass_exclude(const char *name)
{
    const NativeFunction *fn = native_bypass_find(name);
    bool libc = !strcmp(name, "libc"), found = fn || libc;
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, functions);
    while (found && g_hash_table_iter_next(&iter, NULL, &value)) {
        if (libc || value == fn) {
            g_hash_table_iter_replace(&iter, (gpointer)&excluded);
        }
    }
    for (GSList *l = libraries; l; l = l->next) {
        found |= exclude_of(l->data, name);
    }
    return found;
}

char *native_library_versions(void)
{
    GString *text = g_string_new(NULL);

    for (GSList *l = libraries; l; l = l->next) {
        const NativeLibrary *lib = l->data;
        const char *version = lib->version();

        /* libbz2's version ends in a date. */
        g_string_append_printf(text, "%s%s %.*s", text->len ? ", " : "",
                               lib->name, (int)strcspn(version, ","), version);
    }
    return g_string_free(text->len ? text : g_string_append(text, "none"),
                         false);
}

bool native_bypass_is_excluded(const NativeFunction *fn)
{
    return fn == &excluded;
}

/* Order the helper's accesses like those of the guest's own code. */
static void native_bypass_gen_mb(void)
{
    TCGBar mo = tcg_ctx->guest_mo & ~TCG_TARGET_DEFAULT_MO;

    if (mo) {
        tcg_gen_mb(mo | TCG_BAR_SC);
    }
}

/* Result of the last call that this thread tried */
static __thread target_ulong tried;

uint32_t HELPER(native_try)(CPUArchState *env, void *fn, target_ulong arg0,
                            target_ulong arg1, target_ulong arg2,
                            target_ulong arg3)
{
    NativeFunction *function = fn;
    NativeTry call = {
        .env = env, .ra = GETPC(), .fn = fn, .arg = { arg0, arg1, arg2, arg3 },
    };
    bool done = function->try(&call);

    tried = call.result;
    if (done && qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        qatomic_inc(&function->calls);
    }
    return done;
}

target_ulong HELPER(native_tried)(void)
{
    return tried;
}

static TCGLabel *native_bypass_gen_try(DisasContextBase *db,
                                       const NativeFunction *fn,
                                       const NativeABI *abi)
{
    TCGv arg[NATIVE_TRY_ARGS], value = tcg_temp_new();
    TCGv_i32 done = tcg_temp_new_i32();
    TCGLabel *declined = gen_new_label();

    for (unsigned i = 0; i < NATIVE_TRY_ARGS; i++) {
        arg[i] = i < fn->nargs ? abi->arg(db, i) : tcg_constant_tl(0);
    }
    if (fn->least) {
        tcg_gen_brcondi_tl(TCG_COND_LTU, arg[2], fn->least, declined);
    }
    native_bypass_gen_mb();
    gen_helper_native_try(done, tcg_env, tcg_constant_ptr(fn), arg[0], arg[1],
                          arg[2], arg[3]);
    tcg_gen_brcondi_i32(TCG_COND_EQ, done, 0, declined);
    native_bypass_gen_mb();
    gen_helper_native_tried(value);
    abi->result(db, value);
    return declined;
}

TCGLabel *native_bypass_gen_call(DisasContextBase *db, const NativeFunction *fn,
                                 const NativeABI *abi)
{
    TCGTemp *env = tcgv_ptr_temp(tcg_env);
    TCGTemp *arg[NATIVE_MAX_ARGS];
    TCGv value = tcg_temp_new();
    TCGTemp *ret = tcgv_tl_temp(value);
    TCGHelperInfo *info = fn->info;

    if (fn->try) {
        return native_bypass_gen_try(db, fn, abi);
    }
    for (unsigned i = 0; i < fn->nargs; i++) {
        arg[i] = tcgv_tl_temp(abi->arg(db, i));
    }
    native_bypass_gen_mb();
    switch (fn->nargs) {
    case 1:
        tcg_gen_call2(info->func, info, ret, env, arg[0]);
        break;
    case 2:
        tcg_gen_call3(info->func, info, ret, env, arg[0], arg[1]);
        break;
    case 3:
        tcg_gen_call4(info->func, info, ret, env, arg[0], arg[1], arg[2]);
        break;
    case 4:
        tcg_gen_call5(info->func, info, ret, env, arg[0], arg[1], arg[2],
                      arg[3]);
        break;
    default:
        g_assert_not_reached();
    }
    native_bypass_gen_mb();
    abi->result(db, value);
    /* Count after the call, as the guest may repeat one that faults. */
    if (qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        uint64_t *count = &native_counts[fn - native_functions];

        gen_helper_native_bypass_count(tcg_constant_ptr(count));
    }
    return NULL;
}

void native_bypass_reset(void)
{
    memset(native_counts, 0, sizeof(native_counts));
    for (GSList *l = libraries; l; l = l->next) {
        const NativeLibrary *lib = l->data;

        for (unsigned i = 0; i < lib->count; i++) {
            lib->functions[i].calls = 0;
        }
    }
}

/* Returns @calls. */
static uint64_t log_calls(const char *name, uint64_t calls)
{
    if (calls) {
        qemu_log("native_bypass: %" PRIu64 " %s\n", calls, name);
    }
    return calls;
}

void native_bypass_exit(void)
{
    static bool logged;
    uint64_t total = 0;

    if (!native_bypass_enabled || !qemu_loglevel_mask(LOG_NATIVE_BYPASS) ||
        logged) {
        return;
    }
    logged = true;
    if (native_bypass_auto && !native_hook_count) {
        qemu_log("native_bypass: no shared C library that QEMU knows\n");
    }
    for (size_t i = 0; i < ARRAY_SIZE(native_functions); i++) {
        total += log_calls(native_functions[i].name,
                           qatomic_read(&native_counts[i]));
    }
    for (GSList *l = libraries; l; l = l->next) {
        const NativeLibrary *lib = l->data;

        for (unsigned i = 0; i < lib->count; i++) {
            total += log_calls(lib->functions[i].name,
                               qatomic_read(&lib->functions[i].calls));
        }
    }
    qemu_log("native_bypass: %" PRIu64 " calls\n", total);
}
