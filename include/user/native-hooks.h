/*
 * Native bypass: calls by address
 *
 * All of these are to be called with mmap_lock held. Addresses of functions
 * are as in the guest's symbol tables: on Arm, those of Thumb code are odd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_HOOKS_H
#define USER_NATIVE_HOOKS_H

#include "qemu/units.h"
#include "exec/vaddr.h"

/*
 * Upper bound on function size: a write also invalidates hooks up to this far
 * below it.
 */
#define NATIVE_LONGEST  (16 * KiB)

/* Bytes at a function's entry that tell whether it has been patched */
#define NATIVE_CODE     32

typedef struct NativeFunction NativeFunction;

/**
 * native_bypass_find:
 * @name: as in the guest's symbol table
 *
 * Returns: the function of native-functions.h.inc that a C library means by
 * @name, or NULL if there is none.
 */
const NativeFunction *native_bypass_find(const char *name);

/**
 * native_bypass_exclude:
 * @name: as in the guest's symbol table, or "libc", or the name of a
 *        NativeLibrary: all functions of that
 *
 * Have native_bypass_find() return a function that is never called natively,
 * for all names of the function @name.  Where it has an entry in common with
 * another one, that is not, either.  The functions of a library that work on
 * the same streams go together.
 *
 * Returns: false if there is no function or library of that name.
 */
bool native_bypass_exclude(const char *name);

/**
 * native_bypass_is_excluded:
 * @fn: what native_bypass_find() returned
 */
bool native_bypass_is_excluded(const NativeFunction *fn);

/**
 * native_bypass_hook_call:
 * @pc: guest address of a function's entry
 * @fn: the function
 * @last: guest address of the last byte of its library's code
 * @code: the NATIVE_CODE bytes from @pc on
 *
 * Make whatever goes to @pc a native call, until its page may become another
 * one. It is none where a block is translated and has other bytes there, of
 * which nobody told. If @pc is the entry of another function already, it is a
 * native call of neither.
 *
 * Returns: true if this is a new hook.
 */
bool native_bypass_hook_call(vaddr pc, const NativeFunction *fn, vaddr last,
                             const uint8_t *code);

/**
 * native_bypass_hook_resolver:
 * @pc: guest address of the resolver of a function (STT_GNU_IFUNC)
 * @fn: the function; NULL if it is none of ours
 * @first: guest address of its library's code
 * @last: the last byte of that code
 *
 * Hook what the resolver at @pc returns, whenever it is called, if that is in
 * its library's code, until any of that may become other code.
 *
 * Returns: true if this is a new hook.
 */
bool native_bypass_hook_resolver(vaddr pc, const NativeFunction *fn,
                                 vaddr first, vaddr last);

#endif /* USER_NATIVE_HOOKS_H */
