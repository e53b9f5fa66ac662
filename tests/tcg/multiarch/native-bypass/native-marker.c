/*
 * Native bypass: stubs whose names change, and end on another page
 *
 * A stub calls the function of its name; a name that QEMU does not have, or
 * does not get to see the end of, is an illegal instruction.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include "native-test.h"

#define NAMED   sizeof(native_stub)     /* where the name is */

static char *code;                      /* two pages */

/* Expect of the stub at @p the result of @length, or the signal @sig. */
static void expect(const char *what, char *p, int length, int sig)
{
    volatile int got = 0;       /* volatile, since a signal may come */
    int got_sig;

    flush_code(code, 2 * page);
    got_sig = CATCH(got = ((NativeFn *)p)((uintptr_t)"four", 0, 0, 0));
    CHECK(got == length && got_sig == sig, "%s: %d, not %d; signal %d, not %d",
          what, got, length, got_sig, sig);
}

static void test_names(void)
{
    static const char *const names[] = {
        "strlem", "", "strle", "strlen2", "strlen ",
        "a name of more than 31 characters",
    };

    make_stub(code, "strlen");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        /* Self-modifying code: the marker stays, the name changes. */
        strcpy(code + NAMED, "strlen");
        expect("strlen", code, 4, 0);
        strcpy(code + NAMED, names[i]);
        expect(names[i], code, 0, SIGILL);
#ifndef __mips__
        /* which linux-user does not tell */
        CHECK(caught.info.si_addr == code, "%p", caught.info.si_addr);
#endif
    }
}

/* At the end of a page, with another behind, then with none */
static void test_across(void)
{
    for (size_t in = 0; in <= sizeof("strlen"); in++) {
        char *p = code + page - (NAMED + in + 3) / 4 * 4;

        make_stub(p, "strlen");
        expect("across pages", p, 4, 0);
        if (p + NAMED + sizeof("strlen") <= code + page) {
            continue;
        }
        code[page] ^= 1;
        expect("changed behind the page", p, 0, SIGILL);
        code[page] ^= 1;
        expect("changed back", p, 4, 0);
        mprotect(code + page, page, PROT_NONE);
        expect("name without an end", p, 0, SIGSEGV);
        CHECK(caught.info.si_addr == code + page, "%p", caught.info.si_addr);
        mprotect(code + page, page, PROT_RWX);
        expect("mapped again", p, 4, 0);
    }
}

int main(void)
{
    code = map_pages(NULL, 2 * page, PROT_RWX);
    catch_signals();
    test_names();
    test_across();
    return failures != 0;
}
