/*
 * Native bypass: calls of which it is known what they read and write
 *
 * Of any row of the table, made from the types of its arguments alone: of
 * operands of a length that the test chooses, at places that it chooses, with
 * contents that have the function go through all of them, or up to one
 * character.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_OPERANDS_H
#define NATIVE_OPERANDS_H

#include "native-table.h"

#define FOR_EACH_ROW(row) \
    for (const NativeRow *row = native_rows; row->name; row++)

typedef struct NativeCall {
    const char *name;
    NativeFn *fn;               /* libnative.so's */
    const NativeRow *row;       /* that has the types */
    size_t width;               /* bytes in a character */
    size_t n;                   /* characters in a source */
    unsigned operands;
    NativeType type[2];         /* of each operand */
    size_t bytes[2];            /* that it has */
    char *at[2];                /* where it is: the test's choice */
    size_t size, room;          /* the arguments: the test may change them */
    char *string;               /* what an argument "strp" points to */
    uintptr_t arg[NATIVE_ROW_ARGS];
} NativeCall;

/* Of @n characters */
static inline NativeCall native_call_of(const NativeRow *row, size_t n)
{
    NativeCall c = { .name = row->name, .row = native_types(row), .n = n,
                     .fn = native_function(row->name),
                     .width = native_char_size(row) };

    if (!c.fn) {
        printf("%s: not replaced\n", c.name);
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < NATIVE_ROW_ARGS; i++) {
        NativeType arg = c.row->args[i];

        if (native_is_pointer(arg)) {
            /* What is appended to is a string of half the length */
            size_t len = arg == TYPE_cat ? n / 2 + n : n;

            if (c.operands == 0) {
                c.size = c.room = len;
            }
            c.type[c.operands] = arg;
            c.bytes[c.operands++] = len * c.width;
        }
    }
    return c;
}

/* Make the arguments, once it is settled where the operands are. */
static inline void native_call_args(NativeCall *c)
{
    const size_t n[2] = { c->size, c->size };

    native_arguments(c->row, c->at, n, c->room, 0, &c->string, c->arg);
}

static inline uintptr_t native_call_make(NativeCall *c)
{
    return c->fn(c->arg[0], c->arg[1], c->arg[2], c->arg[3]);
}

#endif /* NATIVE_OPERANDS_H */
