/*
 * Native bypass: the handler of a bad pointer's signal fixes it and returns
 *
 * Like native-fault.c, but with several bad pages, operands that overlap, and
 * handlers that make calls that fault.  Memory that a call need not access may
 * be bad.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-calls.h"

/* All pages of both operands are bad, and are fixed one by one. */
static void test_all_pages(const Function *f)
{
    static Call c;
    char *where[2] = { arena[0] + 1500, arena[1] + 3000 };

    now.test = "all pages fixed";
    now.shape = now.page = 0;
    if (!set_up(&c, f, where, 2 * page / f->width, 0, false, false)) {
        return;
    }
    c.fix = true;
    for (now.kind = 0; now.kind < BAD_KINDS; now.kind++) {
        int faults = 0;

        if (!address_known(f, now.kind)) {
            continue;
        }
        for (unsigned i = 0; i < 2 * pages; i++) {
            char *p = arena[i / pages] + i % pages * page;

            faults += i / pages < f->pointers &&
                      first_bad(&c, i / pages, p, now.kind);
            spoil(p, now.kind);
        }
        run(&c);
        use_pages(pages);
        check_done(&c, &c, faults);
        copy_arenas(arena, image, 0);
    }
}

/*
 * The operands overlap, nearly completely or at the ends, and are long enough
 * for QEMU to look at its page table first.
 */
static void test_overlap(const Function *f)
{
    static const long shifts[] = { 4, 500, 6000, -4, -500, -6000 };
    static Call c;

    now.test = "overlapping operands fixed";
    for (now.shape = 0; now.shape < 6; now.shape++) {
        long shift = shifts[now.shape];
        size_t n = (now.shape % 3 ? 9 * page : 2 * page) / f->width;
        char *where[2] = { arena[0] + 700 + (shift < 0 ? -shift : 0) };

        /* A string's end must not be written before it is read. */
        where[1] = where[0] + shift;
        if (shift < 0 && f->type[1] == TYPE_str) {
            continue;
        }
        if (!set_up(&c, f, where, n, 0, false, false)) {
            continue;
        }
        for (now.page = 0; now.page < pages; now.page++) {
            char *p = arena[0] + now.page * page;

            for (now.kind = 0; now.kind < BAD_KINDS; now.kind++) {
                if (now.kind != UNMAPPED &&
                    (first_bad(&c, 0, p, now.kind) ||
                     first_bad(&c, 1, p, now.kind))) {
                    fix_one(&c, p, now.kind, 1);
                }
            }
        }
    }
}

/*
 * The operands end at the end of a page, and the next page is bad; n is large.
 * Comparisons end at the last characters, which differ, or at a NUL.
 */
static void test_stopping(const Function *f, size_t n, int difference,
                          unsigned bad_op)
{
    static Call c;
    char *where[2];

    now.test = "bad behind the end";
    now.shape = n;
    now.page = bad_op;
    now.kind = difference;
    for (unsigned k = 0; k < 2; k++) {
        where[k] = arena[k] + 3 * page - n * f->width;
    }
    if (f->writes) {
        /* The destination ends within its arena. */
        where[0] = arena[0];
    }
    prepare(&c, f, where, n, 0, false, true);
    fill(&c, 0);
    for (unsigned k = 0; k < 2; k++) {
        if (difference) {
            native_put(where[k] + (n - 1) * f->width, f->width,
                       128 + (k ? -difference : difference));
        }
        if (bad_op & (1 << k)) {
            spoil(arena[k] + 3 * page, NO_ACCESS);
        }
    }
    run(&c);
    EXPECT(&c, c.returned && !c.faults, "fault at %p", c.info.si_addr);
    EXPECT(&c, f->result != TYPE_int || (int)c.result == difference,
           "result %d", (int)c.result);
    use_pages(pages);
}

/* Memory or strings that are equal up to the bad page of either operand */
static void test_not_stopping(const Function *f)
{
    static Call c;

    now.test = "bad before the end";
    for (unsigned k = 0; k < 2; k++) {
        char *p = arena[k] + 3 * page;
        char *where[2] = { p - 6, p - 6 };

        where[!k] = arena[!k];
        if (set_up(&c, f, where, 10, 0, true, false)) {
            fix_one(&c, p, NO_ACCESS, 1);
            EXPECT(&c, c.info.si_addr == p, "%p", c.info.si_addr);
        }
    }
}

static void test_ends(const Function *f)
{
    for (size_t n = 10; n <= 1500; n += 1490) {
        for (unsigned bad_op = 1; bad_op < 4; bad_op++) {
            if (f->writes && bad_op != 2) {
                continue;
            }
            if (f->result != TYPE_int) {
                test_stopping(f, n, 0, bad_op);
                continue;
            }
            test_stopping(f, n, -1, bad_op);
            /* The next call must not use results of the last. */
            test_not_stopping(f);
            test_stopping(f, n, 1, bad_op);
            /* Equal memory is compared to the end of n. */
            if (f->type[0] != TYPE_mem) {
                test_stopping(f, n, 0, bad_op);
            }
        }
    }
}

static Call outer, inner;

static void nest(Call *c)
{
    char here;

    EXPECT(c, (size_t)(&here - signal_stack) < sizeof(signal_stack), "stack");
    if (c == &outer) {
        run(&inner);
        fix(arena[2] + 2 * page);
        EXPECT(&inner, inner.faults == 1 && inner.returned == inner.fix,
               "%d faults", inner.faults);
        EXPECT(&inner, !inner.fix || (inner.result == inner.good_result &&
                                       same_arenas(arena, expected, 2)),
               "result or memory");
    }
}

/* A fault handler makes a call that faults, in arenas of its own. */
static void test_nested(const Function *f)
{
    char *where[2] = { arena[0] + 2 * page - 30, arena[1] + 100 };
    char *where2[2] = { arena[2] + 2 * page - 50, arena[3] + 100 };

    now.test = "nested";
    now.page = now.kind = 0;
    if (!set_up(&inner, f, where2, 80, 0, false, false) ||
        !set_up(&outer, f, where, 80, 0, false, false)) {
        return;
    }
    outer.in_handler = inner.in_handler = nest;
    for (now.shape = 0; now.shape < 4; now.shape++) {
        outer.fix = !(now.shape & 1);
        inner.fix = !(now.shape & 2);
        copy_arenas(arena, image, 0);
        copy_arenas(arena, image, 2);
        spoil(arena[0] + 2 * page, NO_ACCESS);
        spoil(arena[2] + 2 * page, NO_ACCESS);
        run(&outer);
        fix(arena[0] + 2 * page);
        if (outer.fix) {
            check_done(&outer, &outer, 1);
        } else {
            EXPECT(&outer, !outer.returned && outer.faults == 1,
                   "%d faults", outer.faults);
            EXPECT(&outer, in_guest_code(f) || is_unwritten(&outer), "memory");
        }
    }
}

int main(void)
{
    init_calls();
    FOR_EACH_FUNCTION(f) {
        test_all_pages(f);
        if (stops(f)) {
            test_ends(f);
        }
    }
    use_pages(MAX_PAGES);
    FOR_EACH_FUNCTION(f) {
        if (f->pointers == 2 &&
            (f->type[0] == TYPE_out || f->type[1] == TYPE_out)) {
            test_overlap(f);
        }
    }
    use_pages(6);
    FOR_EACH_FUNCTION(f) {
        test_nested(f);
    }
    return failures != 0;
}
