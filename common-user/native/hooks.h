/*
 * Native bypass: the table of hooks
 *
 * Callers hold mmap_lock once guest code runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef COMMON_USER_NATIVE_HOOKS_H
#define COMMON_USER_NATIVE_HOOKS_H

#include "user/native-hooks.h"

typedef struct NativeHook {
    vaddr pc;                   /* with the Thumb bit */
    const NativeFunction *fn;   /* NULL if unknown or ambiguous */
    /* Emits code before the instruction at @pc; NULL: a native call of @fn */
    void (*gen)(vaddr pc);
    /* Code that must not change */
    vaddr first, last;
    uint8_t code[NATIVE_CODE];  /* at a function's entry */
    unsigned behind;            /* distance from the first entry, or 0 */
} NativeHook;

/**
 * native_hook_find:
 * @pc: guest address, with the Thumb bit
 *
 * Returns: the hook at @pc, or NULL.
 */
NativeHook *native_hook_find(vaddr pc);

/**
 * native_hook_add:
 * @new: the hook, which is copied
 *
 * If there is a hook of another function at this address, neither function is
 * called natively from now on.
 *
 * Returns: true if @new was added or has replaced a stale hook; false if there
 * was a hook at its address.
 */
bool native_hook_add(const NativeHook *new);

/**
 * native_hook_code_size:
 * @pc: guest address of a function's entry
 * @behind: distance from the function's first entry, less than NATIVE_CODE
 *
 * Returns: the number of bytes at @pc that are compared, all in its page.
 */
size_t native_hook_code_size(vaddr pc, unsigned behind);

#endif /* COMMON_USER_NATIVE_HOOKS_H */
