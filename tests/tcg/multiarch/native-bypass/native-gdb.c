/*
 * Native bypass: the program that gdb.py debugs
 *
 * It calls each stub once, and one whose name changes on another page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include "native-test.h"

/* For gdb.py, which reads them by name */
const char *name;               /* NULL once all are called */
NativeFn *stub;
uintptr_t returned;
NativeArea area, after;
char *page_before;
uintptr_t as_strlen, as_strnlen;

/* For its breakpoints */
void prepared(void)
{
}

void called(void)
{
}

uintptr_t caller(const uintptr_t *args)
{
    return stub(args[0], args[1], args[2], args[3]);
}

static void call_all(void)
{
    static const NativeCase values = {
        .len = { 20, 10 }, .n = 15, .room = 15, .chr = 'c',
    };

    FOR_EACH_ROW(row) {
        const NativeRow *types = native_types(row);

        stub = native_function(row->name);
        if (stub && (row->kind == KIND_NATIVE || row->kind == KIND_ALIAS)) {
            name = row->name;
            native_prepare(&area, types, &values);
            prepared();
            returned = caller(area.args);
            after = area;
            called();
        }
    }
}

static void change_name(void)
{
    static const uintptr_t args[NATIVE_ROW_ARGS] = { (uintptr_t)"four", 2 };
    char *fn;

    page_before = map_pages(NULL, 2 * page, PROT_RWX);
    fn = page_before + page - sizeof(native_stub);
    stub = (NativeFn *)fn;
    name = NULL;
    make_stub(fn, "strlen");
    prepared();
    as_strlen = caller(args);
    make_stub(fn, "strnlen");
    as_strnlen = caller(args);
    called();
}

int main(void)
{
    call_all();
    change_name();
    return EXIT_SUCCESS;
}
