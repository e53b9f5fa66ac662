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
    unsigned operand = 0;

    for (int i = 0; i < NATIVE_ROW_ARGS; i++) {
        NativeType type = c->row->args[i];

        if (native_is_pointer(type)) {
            c->arg[i] = (uintptr_t)c->at[operand++];
        } else {
            c->arg[i] = type == TYPE_size ? c->size :
                        type == TYPE_room ? c->room : 0;
        }
        if (type == TYPE_strp) {
            c->string = c->at[0];
            c->arg[i] = (uintptr_t)&c->string;
        }
    }
}

/*
 * Fill the operands, too.  Reading ends with the last character, or at @stop
 * if that is less than n.
 */
static inline void native_call_fill(NativeCall *c, size_t stop)
{
    /* For these, a character that both operands have is the end. */
    bool ends_at_match = strstr("strcspn strpbrk strsep", c->row->name);

    for (unsigned k = 0; k < c->operands; k++) {
        NativeType type = c->type[k];
        bool string = type == TYPE_str || type == TYPE_strp;

        for (size_t i = 0; i < c->bytes[k] / c->width; i++) {
            wchar_t value = (k && ends_at_match ? 'A' : 'a') + i % 23;

            if (type == TYPE_out) {
                value = '-';
            } else if (type == TYPE_cat) {
                value = i == c->n / 2 ? 0 : '+';
            } else if (i == stop || (string && i == c->n - 1)) {
                value = k && !string && c->row->result == TYPE_int;
            }
            if (c->width == 1) {
                c->at[k][i] = value;
            } else {
                ((wchar_t *)c->at[k])[i] = value;
            }
        }
    }
    native_call_args(c);
}

static inline uintptr_t native_call_make(NativeCall *c)
{
    return c->fn(c->arg[0], c->arg[1], c->arg[2], c->arg[3]);
}

/* Whether both are NULL, or as far into the first operand as the other */
static inline bool native_same_address(const NativeCall *a, uintptr_t x,
                                       const NativeCall *b, uintptr_t y)
{
    return (!x && !y) || x - (uintptr_t)a->at[0] == y - (uintptr_t)b->at[0];
}

/* Whether two calls, made at different places, gave the same */
static inline bool native_call_same(const NativeCall *a, uintptr_t result_a,
                                    const NativeCall *b, uintptr_t result_b)
{
    int x = result_a, y = result_b;

    for (unsigned k = 0; k < a->operands; k++) {
        for (size_t i = 0; i < a->bytes[k]; i++) {
            if (a->at[k][i] != b->at[k][i]) {
                return false;
            }
        }
    }
    switch (a->row->result) {
    case TYPE_ptr:
        return native_same_address(a, result_a, b, result_b) &&
               native_same_address(a, (uintptr_t)a->string,
                                   b, (uintptr_t)b->string);
    case TYPE_dup:
        return result_a && result_b &&
               !strcmp((char *)result_a, (char *)result_b);
    case TYPE_int:
        return (x > 0) == (y > 0) && (x < 0) == (y < 0);
    default:
        return a->row->result == TYPE_none || result_a == result_b;
    }
}

#endif /* NATIVE_OPERANDS_H */
