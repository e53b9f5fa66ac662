/*
 * Native bypass: calls by address
 *
 * Callers hold mmap_lock once guest code runs. Function addresses are as in
 * the guest's symbol tables: on Arm, those of Thumb code are odd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_HOOKS_H
#define USER_NATIVE_HOOKS_H

#include "qemu/units.h"
#include "exec/vaddr.h"

/*
 * Upper bound on function size: a write removes the hooks of functions that
 * begin up to this many bytes below the written address.
 */
#define NATIVE_LONGEST  (16 * KiB)

/* Number of bytes at a function's entry that are compared to detect patches */
#define NATIVE_CODE     32

typedef struct NativeFunction NativeFunction;

/**
 * native_bypass_find:
 * @name: as in the guest's symbol table
 *
 * Returns: the function of native-functions.h.inc that C libraries name @name,
 * or NULL if there is none.
 */
const NativeFunction *native_bypass_find(const char *name);

/**
 * native_bypass_exclude:
 * @name: as in the guest's symbol table; or "libc" or the name of a
 *        NativeLibrary, for all its functions
 *
 * Make native_bypass_find() return a function that is never called natively,
 * for all names of the function @name.  A function that shares its entry is
 * not called natively, either.  The stream functions of a library are excluded
 * together.
 *
 * Returns: false if there is no function or library of that name.
 */
bool native_bypass_exclude(const char *name);

/**
 * native_bypass_is_excluded:
 * @fn: result of native_bypass_find()
 */
bool native_bypass_is_excluded(const NativeFunction *fn);

/**
 * native_bypass_hook_call:
 * @pc: guest address of a function's entry
 * @fn: the function
 * @last: guest address of the last byte of its library's code
 * @code: the NATIVE_CODE bytes from @pc on
 *
 * Make a native call whenever the guest reaches @pc, until the code there may
 * change. A TB whose code differs from @code does not make the call: the code
 * was changed without a report. If @pc is already the entry of another
 * function, neither one is called natively.
 *
 * Returns: true if this is a new hook.
 */
bool native_bypass_hook_call(vaddr pc, const NativeFunction *fn, vaddr last,
                             const uint8_t *code);

/**
 * native_bypass_hook_resolver:
 * @pc: guest address of the resolver of a function (STT_GNU_IFUNC)
 * @fn: the function; NULL if QEMU does not know it
 * @first: guest address of its library's code
 * @last: the last byte of that code
 *
 * Hook each address that the resolver at @pc returns and that is in its
 * library's code.  The hooks end when any of that code may change.
 *
 * Returns: true if this is a new hook.
 */
bool native_bypass_hook_resolver(vaddr pc, const NativeFunction *fn,
                                 vaddr first, vaddr last);

#endif /* USER_NATIVE_HOOKS_H */
