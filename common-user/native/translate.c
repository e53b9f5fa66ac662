/*
 * Native bypass: from the name in a stub to the call of a helper
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "accel/tcg/cpu-ldst.h"
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
    /* One entry may be both, and then has to allow for overlaps. */
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

/* What native_bypass_exclude() puts in the place of others */
static const NativeFunction excluded = { .name = "excluded" };

/* Of names to functions */
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

bool native_bypass_exclude(const char *name)
{
    const NativeFunction *fn = native_bypass_find(name);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, functions);
    while (fn && g_hash_table_iter_next(&iter, NULL, &value)) {
        if (value == fn) {
            g_hash_table_iter_replace(&iter, (gpointer)&excluded);
        }
    }
    return fn;
}

bool native_bypass_is_excluded(const NativeFunction *fn)
{
    return fn == &excluded;
}

/* Order the helper's accesses as the guest's own would have been. */
static void native_bypass_gen_mb(void)
{
    TCGBar mo = tcg_ctx->guest_mo & ~TCG_TARGET_DEFAULT_MO;

    if (mo) {
        tcg_gen_mb(mo | TCG_BAR_SC);
    }
}

void native_bypass_gen_call(DisasContextBase *db, const NativeFunction *fn,
                            const NativeABI *abi)
{
    TCGTemp *env = tcgv_ptr_temp(tcg_env);
    TCGTemp *arg[NATIVE_MAX_ARGS];
    TCGv value = tcg_temp_new();
    TCGTemp *ret = tcgv_tl_temp(value);
    TCGHelperInfo *info = fn->info;

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
    /* Count behind the call, as one that faults may be made again. */
    if (qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        uint64_t *count = &native_counts[fn - native_functions];

        gen_helper_native_bypass_count(tcg_constant_ptr(count));
    }
}

void native_bypass_reset(void)
{
    memset(native_counts, 0, sizeof(native_counts));
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
        uint64_t count = qatomic_read(&native_counts[i]);

        total += count;
        if (count) {
            qemu_log("native_bypass: %" PRIu64 " %s\n", count,
                     native_functions[i].name);
        }
    }
    qemu_log("native_bypass: %" PRIu64 " calls\n", total);
}
