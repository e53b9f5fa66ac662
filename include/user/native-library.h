/*
 * Native bypass: functions of libraries other than the C library
 *
 * The entry of such a function tries a handler: it makes the call, or declines
 * and the guest's own code runs.  So a handler need only accept calls that it
 * can make exactly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_LIBRARY_H
#define USER_NATIVE_LIBRARY_H

#include "exec/target_long.h"
#include "exec/vaddr.h"

typedef struct NativeFunction NativeFunction;

/* Any ABI with arguments in registers passes at least these there. */
#define NATIVE_TRY_ARGS     4

/**
 * NativeTry: a call to try
 * @env: the CPU; its PC is the function's entry
 * @ra: unwinding address
 * @fn: the function
 * @arg: its first arguments, as the guest passed them; @fn->nargs are valid
 * @result: the function's result, set by a handler that makes the call
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
 * guest then repeats the call.
 *
 * Returns: true if it made the call; false to run the guest's own code.
 */
typedef bool NativeTryFn(NativeTry *call);

/**
 * NativeLibrary: a library and its functions
 * @name: its name for "exclude="
 * @soname: its DT_SONAME
 * @proof: functions that a library with that soname must define, too
 * @accepts: if not NULL, returns whether the handlers match the code in the
 *           guest's file.  @file has @size bytes and a NUL behind them.
 * @functions: the functions; not const, since each one counts its calls
 * @count: the number of @functions
 * @version: the host library's version
 * @mapped: if not NULL, called with mmap_lock held when the library's code has
 *          been mapped, with the guest addresses of the code's first and last
 *          byte, and of the start and end of the file's image
 * @is_used: returns true while handlers have streams that the guest's own code
 *           lacks.  The hooks of stream functions remain that long.  NULL if
 *           none of @functions is a stream function.
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
 * Call this from a constructor.
 */
void native_library_register(NativeLibrary *lib);

/**
 * native_library_by_soname:
 * @soname: as in the guest's file
 *
 * Returns: the library, or NULL if none is registered.
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
