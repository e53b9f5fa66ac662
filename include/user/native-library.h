/*
 * Native bypass: functions of other libraries than the C library
 *
 * The entry of such a function tries the call: a handler makes it, or declines
 * and the guest's own code follows.  So a handler need only know what it can do
 * exactly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_LIBRARY_H
#define USER_NATIVE_LIBRARY_H

#include "exec/target_long.h"
#include "exec/vaddr.h"

typedef struct NativeFunction NativeFunction;

/* Most arguments that are passed in registers everywhere */
#define NATIVE_TRY_ARGS     4

/**
 * NativeTry: a call to try
 * @env: the CPU, whose PC is the function's entry
 * @ra: unwinding address
 * @fn: the function
 * @arg: its first arguments, as the guest passed them; @fn->nargs are valid
 * @result: what the function returns, for a handler that makes the call
 */
typedef struct NativeTry {
    CPUArchState *env;
    uintptr_t ra;
    const NativeFunction *fn;
    target_ulong arg[NATIVE_TRY_ARGS];
    target_ulong result;
} NativeTry;

/**
 * NativeTryFn: a handler
 * @call: the call
 *
 * May raise the guest's signal, and may leave by cpu_loop_exit_restore(): the
 * guest then makes the call again.
 *
 * Returns: true if it has made the call; false if the guest is to.
 */
typedef bool NativeTryFn(NativeTry *call);

/**
 * NativeLibrary: a library and its functions
 * @name: the name that "exclude=" knows it by
 * @soname: its DT_SONAME
 * @proof: functions that a library of that soname has to define, too
 * @accepts: if not NULL, returns whether handlers know what the code in the
 *           guest's file does.  @file has @size bytes and a NUL behind them.
 * @functions: the functions; not const, since each one counts its calls
 * @count: the number of these
 * @version: the host library's version
 * @mapped: if not NULL, called whenever the library's code has been mapped, with
 *          the guest addresses of its first and last byte, and of where the file's
 *          image begins and ends; with mmap_lock held
 * @is_used: if not NULL, returns true while handlers have streams that the
 *           guest's own code lacks.  Hooks of functions that take one remain
 *           that long.
 */
typedef struct NativeLibrary {
    const char *name;
    const char *soname;
    const char *const *proof;
    bool (*accepts)(const char *file, size_t size);
    NativeFunction *functions;
    unsigned count;
    const char *(*version)(void);
    void (*mapped)(vaddr code, vaddr last, vaddr first, vaddr end);
    bool (*is_used)(void);
} NativeLibrary;

/**
 * native_library_register:
 * @lib: the library, which must remain valid
 *
 * To be called by a constructor.
 */
void native_library_register(NativeLibrary *lib);

/**
 * native_library_by_soname:
 * @soname: as in the guest's file
 *
 * Returns: the library, or NULL if it is none of ours.
 */
const NativeLibrary *native_library_by_soname(const char *soname);

/**
 * native_library_find:
 * @lib: the library
 * @name: as in the guest's symbol table
 *
 * Returns: the function, or NULL if there is none or it is excluded.
 */
const NativeFunction *native_library_find(const NativeLibrary *lib,
                                          const char *name);

/**
 * native_library_versions:
 *
 * Returns: a new string with the names and versions of the host's libraries,
 * or "none".
 */
char *native_library_versions(void);

#endif /* USER_NATIVE_LIBRARY_H */
