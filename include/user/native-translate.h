/*
 * Native bypass: the interface for the targets' translators
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_TRANSLATE_H
#define USER_NATIVE_TRANSLATE_H

#include "exec/translator.h"
#include "tcg/tcg-op.h"
#include "user/native-library.h"
#include "user/native-marker.h"

#ifdef CONFIG_NATIVE_BYPASS
#include "user/native-bypass.h"
#else
#define native_bypass_enabled false
#endif

/* Maximum number of arguments in native-functions.h.inc */
#define NATIVE_MAX_ARGS     4

/* A row of native-functions.h.inc, or of another library */
struct NativeFunction {
    const char *name;
    TCGHelperInfo *info;
    unsigned nargs;
    /* Instead of info: */
    NativeTryFn *try;
    int kind;                   /* for a handler of several functions */
    unsigned least;             /* least third argument worth a try */
    bool is_stream;             /* stream functions are excluded together */
    bool is_excluded;
    uint64_t calls;             /* made by the handler */
    const NativeLibrary *lib;
};

/**
 * NativeABI: a target's calling convention
 * @arg: emit the load of argument @n (0...) as a value of target_ulong; may
 *       fault like any load of the guest
 * @result: emit the store of the function's result
 *
 * Both are called once for each argument or result, arguments first.
 */
typedef struct NativeABI {
    TCGv (*arg)(DisasContextBase *db, unsigned n);
    void (*result)(DisasContextBase *db, TCGv value);
} NativeABI;

/**
 * native_bypass_needs_tb:
 * @db: the translation
 * @name: guest address of the stub's name
 *
 * A fault while reading the name must be one of the TB's first instruction.
 *
 * Returns: true if the TB must end before this stub, with a jump to it.
 */
static inline bool native_bypass_needs_tb(DisasContextBase *db, vaddr name)
{
    return db->num_insns > 1 &&
           !translator_is_same_page(db, name + NATIVE_NAME_MAX);
}

/**
 * native_bypass_lookup:
 * @db: the translation
 * @name: guest address of the stub's name
 * @end: set to the guest address behind the last byte read
 *
 * Read at most NATIVE_NAME_MAX + 1 bytes with the translator's own loads, so
 * that an unmapped page raises the guest's SIGSEGV.
 *
 * The caller must end the TB at @end, whatever this returns: a later write to
 * the name then invalidates the TB.
 *
 * Returns: the function; or, if none has that name, NULL.  This then logs a
 * guest error, and the caller emits an illegal instruction.
 */
#ifdef CONFIG_NATIVE_BYPASS
const NativeFunction *native_bypass_lookup(DisasContextBase *db, vaddr name,
                                           vaddr *end);
#else
static inline const NativeFunction *
native_bypass_lookup(DisasContextBase *db, vaddr name, vaddr *end)
{
    return NULL;
}
#endif

/**
 * native_bypass_hooked:
 * @db: the translation
 * @pc: guest address of the instruction to translate; odd for Thumb code
 *
 * Call this before translating each instruction, whose code the TB must have.
 * May emit code that precedes the instruction.
 *
 * Returns: the function whose native call and return the caller must emit in
 * place of the instruction; or NULL.
 */
#ifdef CONFIG_NATIVE_BYPASS
extern unsigned native_hook_count;

const NativeFunction *native_bypass_find_hooked(DisasContextBase *db,
                                                vaddr pc);

static inline const NativeFunction *native_bypass_hooked(DisasContextBase *db,
                                                         vaddr pc)
{
    return native_hook_count && native_bypass_enabled
           ? native_bypass_find_hooked(db, pc) : NULL;
}
#else
static inline const NativeFunction *native_bypass_hooked(DisasContextBase *db,
                                                         vaddr pc)
{
    return NULL;
}
#endif

/**
 * native_bypass_gen_call:
 * @db: the translation
 * @fn: the function
 * @abi: the target's calling convention
 *
 * Emit the call, at any place in a TB: this is independent of stubs.
 *
 * Returns: NULL; or, if the call is only tried, a label.  The caller then
 * emits the return and the end of the TB, restores its state from before the
 * call, sets the label and translates the guest's own code.
 */
#ifdef CONFIG_NATIVE_BYPASS
TCGLabel *native_bypass_gen_call(DisasContextBase *db, const NativeFunction *fn,
                                 const NativeABI *abi);
#else
static inline TCGLabel *native_bypass_gen_call(DisasContextBase *db,
                                               const NativeFunction *fn,
                                               const NativeABI *abi)
{
    g_assert_not_reached();
}
#endif

#endif /* USER_NATIVE_TRANSLATE_H */
