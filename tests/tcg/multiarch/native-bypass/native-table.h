/*
 * Native bypass: the table's rows, and calls made from their types alone
 *
 * For tests that treat all functions alike, whatever their names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_TABLE_H
#define NATIVE_TABLE_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef enum NativeKind {
    KIND_NATIVE,
    KIND_ALIAS,
    KIND_GUEST,
    KIND_CHECKED,
} NativeKind;

typedef enum NativeType {
    TYPE_unused,
    TYPE_out,
    TYPE_cat,
    TYPE_mem,
    TYPE_moved,
    TYPE_str,
    TYPE_strp,
    TYPE_chr,
    TYPE_size,
    TYPE_room,
    TYPE_ptr,
    TYPE_dup,
    TYPE_int,
    TYPE_none,
} NativeType;

#define NATIVE_ROW_ARGS 4

typedef struct NativeRow {
    const char *name;
    NativeKind kind;
    const char *function;       /* of KIND_ALIAS */
    NativeType result;
    int nargs;
    NativeType args[NATIVE_ROW_ARGS];
} NativeRow;

#define NATIVE_ROW_1(a)             { TYPE_ ## a }
#define NATIVE_ROW_2(a, b)          { TYPE_ ## a, TYPE_ ## b }
#define NATIVE_ROW_3(a, b, c)       { TYPE_ ## a, TYPE_ ## b, TYPE_ ## c }
#define NATIVE_ROW_4(a, b, c, d) \
    { TYPE_ ## a, TYPE_ ## b, TYPE_ ## c, TYPE_ ## d }
#define NATIVE_ROW(name, kind, result, count, ...) \
    { name, kind, NULL, TYPE_ ## result, count, \
      NATIVE_ROW_ ## count(__VA_ARGS__) },

#define NATIVE(name, ...) \
    NATIVE_ROW(#name, KIND_NATIVE, __VA_ARGS__)
#define NATIVE_ALIAS(name, function) \
    { #name, KIND_ALIAS, #function },
#define NATIVE_GUEST(name, ...) \
    NATIVE_ROW(#name, KIND_GUEST, __VA_ARGS__)
#define NATIVE_CHECKED(name, ...) \
    NATIVE_ROW("__" #name "_chk", KIND_CHECKED, __VA_ARGS__)

/* Ended by a row without a name */
static const NativeRow native_rows[] = {
#include "user/native-functions.h.inc"
    {}
};

#undef NATIVE
#undef NATIVE_ALIAS
#undef NATIVE_GUEST
#undef NATIVE_CHECKED

/* Arguments and results are passed like integers; extra ones do no harm. */
typedef uintptr_t NativeFn(uintptr_t, uintptr_t, uintptr_t, uintptr_t);

#define FOR_EACH_ROW(row) \
    for (const NativeRow *row = native_rows; row->name; row++)

/* The row of the function @name, or NULL */
static inline const NativeRow *native_row(const char *name)
{
    FOR_EACH_ROW(row) {
        if (!strcmp(row->name, name)) {
            return row;
        }
    }
    return NULL;
}

/* The row that has the types of @row, which may be an alias */
static inline const NativeRow *native_types(const NativeRow *row)
{
    return row->kind == KIND_ALIAS ? native_row(row->function) : row;
}

static inline bool native_is_pointer(NativeType type)
{
    return type >= TYPE_out && type <= TYPE_strp;
}

static inline bool native_is_written(NativeType type)
{
    return type == TYPE_out || type == TYPE_cat;
}

static inline bool native_has(const NativeRow *row, NativeType type)
{
    for (int i = 0; i < row->nargs; i++) {
        if (row->args[i] == type) {
            return true;
        }
    }
    return false;
}

/* A character's bytes */
static inline size_t native_char_size(const NativeRow *row)
{
    return row->name[strspn(row->name, "_")] == 'w' ? sizeof(wchar_t) : 1;
}

#ifdef NATIVE_LINKED
/* Without dlsym(): the functions that the program is linked with */
#define NATIVE(name, ...) \
    extern char native_at_ ## name[] asm(#name) __attribute__((weak));
#define NATIVE_ALIAS(name, function)    NATIVE(name)
#define NATIVE_GUEST(name, ...)         NATIVE(name)
#define NATIVE_CHECKED(name, ...)       NATIVE(__ ## name ## _chk)
#include "user/native-functions.h.inc"
#undef NATIVE
#define NATIVE(name, ...)               { native_at_ ## name },

static const struct {
    char *at;
} native_addresses[] = {
#include "user/native-functions.h.inc"
};

#undef NATIVE
#undef NATIVE_ALIAS
#undef NATIVE_GUEST
#undef NATIVE_CHECKED

static inline NativeFn *native_function(const char *name)
{
    return (NativeFn *)native_addresses[native_row(name) - native_rows].at;
}

static inline NativeFn *native_libc_function(const char *name)
{
    return native_function(name);
}
#else
/*
 * Whether @address is in libnative.so or, with "--native-bypass auto", when
 * NATIVE_AUTO is set, in the C library
 */
static inline bool native_is_ours(void *address)
{
    Dl_info info;

    return dladdr(address, &info) &&
           strstr(info.dli_fname,
                  getenv("NATIVE_AUTO") ? "/libc.so" : "/libnative.so");
}

/* The function that the program calls, if it is in that library */
static inline NativeFn *native_function(const char *name)
{
    NativeFn *fn = (NativeFn *)dlsym(RTLD_DEFAULT, name);

    return fn && native_is_ours(fn) ? fn : NULL;
}

/*
 * The function of the guest's own C library, or NULL.  With "auto", it is in a
 * second copy of the library, which is translated if a test makes it writable.
 */
static inline NativeFn *native_libc_function(const char *name)
{
    static void *libc;

    if (!libc) {
        libc = getenv("NATIVE_AUTO")
            ? dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW)
            : dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    }
    return libc ? (NativeFn *)dlsym(libc, name) : NULL;
}
#endif

/*
 * With "auto", skip functions that the C library lacks, and rows composed of
 * others, which are the C library's own code then.
 */
static inline bool native_skips(const NativeRow *row)
{
    return getenv("NATIVE_AUTO") &&
           (row->kind == KIND_GUEST || row->kind == KIND_CHECKED ||
            !native_libc_function(row->name));
}

/*
 * Make the arguments of a call of @row: pointers to the operands, their
 * lengths, and the others, in order.  A strp points to @string.
 */
static inline void native_arguments(const NativeRow *row, char *const at[2],
                                    const size_t n[2], size_t room,
                                    uintptr_t chr, char **string,
                                    uintptr_t args[NATIVE_ROW_ARGS])
{
    unsigned k = 0, sizes = 0;

    for (int i = 0; i < NATIVE_ROW_ARGS; i++) {
        NativeType type = row->args[i];

        args[i] = native_is_pointer(type) ? (uintptr_t)at[k++] :
                  type == TYPE_size ? n[sizes++] :
                  type == TYPE_room ? room :
                  type == TYPE_chr ? chr : 0;
        if (type == TYPE_strp) {
            *string = (char *)args[i];
            args[i] = (uintptr_t)string;
        }
    }
}

/* Properties of a function, from its types and a few names */
typedef struct NativeFunction {
    const char *name;
    NativeKind kind;
    NativeType result;
    const NativeRow *row;       /* with the types */
    const NativeType *type;
    unsigned count;
    NativeFn *call;
    size_t width;               /* of a character */
    unsigned pointers, sizes;   /* among the arguments */
    NativeType op[2];           /* of each pointer */
    bool writes;                /* to the first operand */
    bool limits_room;           /* n is the room for the result: strlcpy() */
    bool bounded;               /* n ends strings and searches */
    bool down;                  /* reads from the end */
    bool stops_at_chr;          /* as a string ends at NUL */
    bool ends;                  /* stops_at_chr, or strings */
    bool pads;                  /* always writes n characters */
} NativeFunction;

static inline NativeFunction native_learn(const NativeRow *native)
{
    const NativeRow *row = native_types(native);
    bool chr = native_has(row, TYPE_chr);
    NativeFunction f = {
        .name = native->name, .kind = native->kind, .result = row->result,
        .row = row, .type = row->args, .count = row->nargs,
        .call = native_function(native->name),
        .width = native_char_size(native),
        .down = !strcmp(native->name, "memrchr"),
    };

    for (unsigned i = 0; i < f.count; i++) {
        if (native_is_pointer(f.type[i])) {
            f.op[f.pointers++] = f.type[i];
        }
        f.sizes += f.type[i] == TYPE_size;
    }
    f.writes = native_is_written(f.op[0]);
    f.limits_room = f.result == TYPE_size && f.writes;
    f.bounded = f.sizes && !f.limits_room;
    /* wmemchr() may read all n. */
    f.stops_at_chr = !strcmp(f.name, "rawmemchr") ||
                     (chr && f.op[f.pointers - 1] == TYPE_mem && !f.down &&
                      strcmp(f.name, "wmemchr"));
    f.ends = f.stops_at_chr || native_has(row, TYPE_str);
    f.pads = f.bounded && f.ends && !f.stops_at_chr && f.op[0] == TYPE_out;
    return f;
}

/* Store the character @c, of @width bytes, at any address. */
static inline void native_put(void *p, size_t width, int c)
{
    struct {
        wchar_t at;
    } __attribute__((packed)) *wide = p;

    if (width == 1) {
        *(char *)p = c;
    } else {
        wide->at = c;
    }
}

/* Two operands, and the arguments of a call with them */
#define NATIVE_AREA     256

typedef struct NativeArea {
    char op[2][NATIVE_AREA] __attribute__((aligned(sizeof(wchar_t))));
    char *stringp;
    uintptr_t args[NATIVE_ROW_ARGS];
} NativeArea;

typedef struct NativeCase {
    size_t len[2];              /* of the operands' strings */
    size_t n, room;
    int chr;
    bool no_operand_1;          /* NULL instead */
} NativeCase;

/*
 * Prepare the call @c of @row.  Its operands hold repeating letters, a NUL and
 * other letters.
 */
static inline void native_prepare(NativeArea *area, const NativeRow *row,
                                  const NativeCase *c)
{
    size_t size = native_char_size(row);
    char *const at[2] = { area->op[0], c->no_operand_1 ? NULL : area->op[1] };

    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < NATIVE_AREA / size; i++) {
            native_put(&area->op[k][i * size], size,
                       i < c->len[k] ? 'a' + i % 7 :
                       i > c->len[k] ? 'A' + (i + k) % 26 : 0);
        }
    }
    area->stringp = NULL;
    native_arguments(row, at, (size_t [2]) { c->n, c->n }, c->room,
                     (intptr_t)c->chr, &area->stringp, area->args);
}

/* Make a call; return a result that tests can compare. */
static inline uintptr_t native_call(const NativeRow *row, NativeFn *fn,
                                    const uintptr_t args[NATIVE_ROW_ARGS])
{
    uintptr_t result = fn(args[0], args[1], args[2], args[3]);

    switch (row->result) {
    case TYPE_none:
        return 0;
    case TYPE_int:
        return ((int)result > 0) - ((int)result < 0);
    default:
        return result;
    }
}

#endif
