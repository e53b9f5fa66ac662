/*
 * Native bypass: what a translator needs to turn a stub into a native call
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

/* Most arguments that a function of native-functions.h.inc takes. */
#define NATIVE_MAX_ARGS     4

/* A row of native-functions.h.inc, or of another library */
struct NativeFunction {
    const char *name;
    TCGHelperInfo *info;
    unsigned nargs;
    /* In place of info: */
    NativeTryFn *try;
    int kind;                   /* for a handler of several functions */
    unsigned least;             /* third argument that is worth to try */
    bool is_stream;             /* of those that are excluded together */
    bool is_excluded;
    uint64_t calls;             /* made by the handler */
    const NativeLibrary *lib;
};

/**
 * NativeABI: what a target tells of its calling convention
 * @arg: emit the load of argument @n (0...) as a value of target_ulong; may
 *       fault as any load of the guest's
 * @result: emit the store of the function's result
 *
 * Both are called once for each argument or result, arguments first.
 */
typedef struct NativeABI {
    TCGv (*arg)(DisasContextBase *db, unsigned n);
    void (*result)(DisasContextBase *db, TCGv value);
} NativeABI;

/**
 * native_bypass_needs_block:
 * @db: the translation
 * @name: guest address of the stub's name
 *
 * A fault of reading the name is one of the block's first instruction.
 *
 * Returns: true if the block must end before this stub, to which it then goes.
 */
static inline bool native_bypass_needs_block(DisasContextBase *db, vaddr name)
{
    return db->num_insns > 1 &&
           !translator_is_same_page(db, name + NATIVE_NAME_MAX);
}

/**
 * native_bypass_lookup:
 * @db: the translation
 * @name: guest address of the stub's name
 * @end: where to put the guest address behind what was read
 *
 * Read the name with the translator's own loads, so that an unmapped page
 * is the guest's SIGSEGV, at most NATIVE_NAME_MAX + 1 bytes.
 *
 * The caller must have the block end at @end, whatever is returned: a later
 * write to the name then invalidates the block.
 *
 * Returns: the function, or NULL if there is none of that name; that is
 * logged as a guest error, and for the guest an illegal instruction.
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
 * native_bypass_hook:
 * @db: the translation
 * @pc: guest address of the instruction to translate; odd for Thumb code
 *
 * To be called for each instruction, once it has been read. May emit what
 * comes before the instruction.
 *
 * Returns: the function whose native call, and return, is to be emitted in
 * place of the instruction; or NULL.
 */
#ifdef CONFIG_NATIVE_BYPASS
extern unsigned native_hook_count;

const NativeFunction *native_bypass_hooked(DisasContextBase *db, vaddr pc);

static inline const NativeFunction *native_bypass_hook(DisasContextBase *db,
                                                       vaddr pc)
{
    return native_hook_count && native_bypass_enabled
           ? native_bypass_hooked(db, pc) : NULL;
}
#else
static inline const NativeFunction *native_bypass_hook(DisasContextBase *db,
                                                       vaddr pc)
{
    return NULL;
}
#endif

/**
 * native_bypass_gen_call:
 * @db: the translation
 * @fn: the function
 * @abi: where its arguments are and its result goes
 *
 * Emit the call, for any place in a block: nothing here knows of stubs.
 *
 * Returns: NULL; or, if the call is only tried, a label.  The caller then emits
 * the return and the end of the block, restores what it knew before the call,
 * sets the label and translates the guest's own code.
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
