/*
 * Native bypass: what gdb.py debugs: each stub is called once
 *
 * And one whose name is on another page, and changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/auxv.h>
#include <sys/mman.h>

#include "native-table.h"
#include "native-marker-stub.h"

typedef struct Stub {
    const char *name;
    NativeFn *address;
} Stub;

static const NativeCase call_case = {
    .len = { 20, 10 }, .n = 15, .room = 15, .chr = 'c',
};

/* For gdb.py, which reads them by name */
Stub stubs[sizeof(native_rows) / sizeof(native_rows[0])];
int stub_count;
uintptr_t returned, as_strlen, as_strnlen;
char *page;
NativeArea area, after;

/* For its breakpoints */
void ready(void)
{
}

void prepared(void)
{
}

void called(void)
{
}

void crossing(void)
{
}

void crossed(void)
{
}

uintptr_t caller(NativeFn *fn, const uintptr_t *args)
{
    return fn(args[0], args[1], args[2], args[3]);
}

static void change_name(void)
{
    size_t size = getauxval(AT_PAGESZ), stub = stub_end - stub_begin;
    char *fn;

    page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fn = page + size - stub;
    memcpy(fn, stub_begin, stub);
    strcpy(page + size, "strlen");
    __builtin___clear_cache(fn, page + size + 8);
    crossing();
    as_strlen = ((NativeFn *)fn)((uintptr_t)"four", 2, 0, 0);
    strcpy(page + size, "strnlen");
    __builtin___clear_cache(fn, page + size + 8);
    as_strnlen = ((NativeFn *)fn)((uintptr_t)"four", 2, 0, 0);
    crossed();
}

static bool is_stub(const NativeRow *row)
{
    return row->kind == KIND_NATIVE || row->kind == KIND_ALIAS;
}

int main(void)
{
    int i = 0;

    for (const NativeRow *row = native_rows; row->name; row++) {
        if (is_stub(row)) {
            stubs[stub_count].name = row->name;
            stubs[stub_count].address = native_function(row->name);
            stub_count++;
        }
    }
    ready();
    for (const NativeRow *row = native_rows; row->name; row++) {
        if (is_stub(row)) {
            const NativeRow *types = native_types(row);
            uintptr_t args[NATIVE_ROW_ARGS];

            native_fill(&area, &call_case, native_char_size(types));
            native_args(types, &area, &call_case, args);
            prepared();
            returned = caller(stubs[i++].address, args);
            after = area;
            called();
        }
    }
    change_name();
    return EXIT_SUCCESS;
}
