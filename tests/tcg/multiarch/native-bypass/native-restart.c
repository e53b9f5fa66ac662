/*
 * Native bypass: the handler of a bad pointer's signal mends it and returns
 *
 * As native-fault.c does it with one page; here, several pages, operands that
 * overlap, and calls in handlers, nested and on a stack of their own.  What a
 * call need not look at may be bad.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-calls.h"

/* All pages of both operands, which are mended one after the other */
static void test_all_pages(const Function *f)
{
    static Call c, clean;
    char *where[2] = { arena[0] + 1500, arena[1] + 3000 };

    now.test = "all pages mended";
    now.shape = now.page = 0;
    prepare(&c, f, where, 2 * page / f->width, 0, false, false);
    fill(&c, 0);
    if (!run_clean(&c, 0)) {
        return;
    }
    clean = c;
    c.mend = true;
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
        for (unsigned i = 0; i < 2 * pages; i++) {
            mend(arena[i / pages] + i % pages * page);
        }
        check_done(&c, &clean, faults);
        copy_arenas(arena, image, 0);
    }
}

/*
 * The operands overlap, nearly all of them or the ends, and are long enough
 * for QEMU to look at its page table first.
 */
static void test_overlap(const Function *f)
{
    static const long shifts[] = { 4, 500, 6000, -4, -500, -6000 };
    static Call c, clean;

    now.test = "overlapping operands mended";
    for (now.shape = 0; now.shape < 6; now.shape++) {
        long shift = shifts[now.shape];
        size_t n = (now.shape % 3 ? 9 * page : 2 * page) / f->width;
        char *where[2] = { arena[0] + 700 + (shift < 0 ? -shift : 0) };

        /* A string's end must not be written before it is read. */
        where[1] = where[0] + shift;
        if (shift < 0 && f->type[1] == TYPE_str) {
            continue;
        }
        prepare(&c, f, where, n, 0, false, false);
        fill(&c, 0);
        if (!run_clean(&c, 0)) {
            continue;
        }
        clean = c;
        for (now.page = 0; now.page < pages; now.page++) {
            char *p = arena[0] + now.page * page;

            for (now.kind = 0; now.kind < BAD_KINDS; now.kind++) {
                if (now.kind != UNMAPPED &&
                    (first_bad(&c, 0, p, now.kind) ||
                     first_bad(&c, 1, p, now.kind))) {
                    mend_one(&c, &clean, p, now.kind);
                }
            }
        }
    }
}

/*
 * Make the call, of which the operands end with their pages, with the next
 * ones bad and n large.
 */
static void call_stopping(const Function *f, int difference, unsigned bad_op)
{
    static Call c;
    const size_t n = now.page ? 1500 : 10;
    char *where[2];

    for (unsigned k = 0; k < 2; k++) {
        where[k] = arena[k] + 3 * page - n * f->width;
    }
    if (f->type[0] == TYPE_out || f->type[0] == TYPE_cat) {
        /* What is written comes to its end in the arena. */
        where[0] = arena[0];
    }
    prepare(&c, f, where, n, 0, false, true);
    fill(&c, 0);
    if (difference) {
        for (unsigned k = 0; k < 2; k++) {
            put_char(&c, where[k] + (n - 1) * f->width,
                     128 + (k ? -difference : difference));
        }
    }
    copy_arenas(image, arena, 0);
    for (unsigned k = 0; k < 2; k++) {
        if (bad_op & (1 << k)) {
            spoil(arena[k] + 3 * page, NO_ACCESS);
        }
    }
    for (int again = 0; again < 3; again++) {
        run(&c);
        if (c.faults || !c.returned) {
            FAIL(&c, "fault at %p behind the end", c.info.si_addr);
        } else if (f->result == TYPE_int && (int)c.result != difference) {
            FAIL(&c, "result %d, not %d", (int)c.result, difference);
        }
    }
    for (unsigned k = 0; k < 2; k++) {
        mend(arena[k] + 3 * page);
    }
    copy_arenas(arena, image, 0);
}

/* Blocks or strings that are the same, up to the bad page of either of them */
static void call_not_stopping(const Function *f)
{
    static Call c, clean;

    for (unsigned k = 0; k < 2; k++) {
        char *p = arena[k] + 3 * page;
        char *where[2] = { p - 6, p - 6 };

        where[!k] = arena[!k];
        prepare(&c, f, where, 10, 0, true, false);
        fill(&c, 0);
        if (run_clean(&c, 0)) {
            clean = c;
            mend_one(&c, &clean, p, NO_ACCESS);
            if (c.info.si_addr != p) {
                FAIL(&c, "si_addr %p, not %p", c.info.si_addr, p);
            }
        }
    }
}

static void test_stopping(const Function *f)
{
    for (now.page = 0; now.page < 2; now.page++) {
        for (int difference = -1; difference <= 1; difference++) {
            /* Blocks that are the same are compared to the end of n. */
            bool endless = f->type[0] == TYPE_mem && f->result == TYPE_int &&
                           difference == 0;

            if (endless || (difference && f->result != TYPE_int)) {
                continue;
            }
            now.kind = difference;
            for (now.shape = 1; now.shape < 4; now.shape++) {
                if (!(now.shape & 1) ||
                    !(f->type[0] == TYPE_out || f->type[0] == TYPE_cat)) {
                    call_stopping(f, difference, now.shape);
                }
                /* What it has found out must not outlast the call. */
                if (f->result == TYPE_int) {
                    call_not_stopping(f);
                }
            }
        }
    }
}

static const Function *in_signal;

static void handle_usr1(int sig)
{
    test_stopping(in_signal);
}

/* Where the handlers are to run, and whether they do. */
static char *alt_stack;
#define ALT_STACK_SIZE  0x40000

/* How the inner call is made and left. */
static struct {
    bool by_raise, leaves, everything;
    Call *outer, *call;
    Call clean;
    char *bad;
} inner;

static void call_inner(void)
{
    Call *c = inner.call;

    run(c);
    mend(inner.bad);
    if (c->faults != 1 || c->returned == inner.leaves) {
        FAIL(c, "in a handler: %d faults", c->faults);
    } else if ((!(inner.leaves && in_guest_code(c->f)) &&
                !same_arenas(arena, inner.leaves ? image : expected, 2)) ||
               (!inner.leaves && c->result != inner.clean.result)) {
        FAIL(c, "in a handler: wrong result, or wrong in memory");
    }
}

static void handle_usr2(int sig)
{
    call_inner();
}

static void nest(Call *c)
{
    char here;

    if (alt_stack && (size_t)(&here - alt_stack) >= ALT_STACK_SIZE) {
        FAIL(c, "the handler is not on its own stack");
    }
    if (c != inner.outer) {
        if (inner.everything) {
            current = inner.outer;
            siglongjmp(inner.outer->env, 1);
        }
    } else if (inner.by_raise) {
        raise(SIGUSR2);
    } else {
        call_inner();
    }
}

/* A handler of a fault makes a call that faults, in arenas of its own. */
static void test_nested(const Function *f)
{
    static Call outer, call, clean;
    char *where[2] = { arena[0] + 2 * page - 30, arena[1] + 100 };
    char *where2[2] = { arena[2] + 2 * page - 50, arena[3] + 100 };
    char *bad = arena[0] + 2 * page;

    now.test = alt_stack ? "nested, on another stack" : "nested";
    now.page = now.kind = 0;
    prepare(&call, f, where2, 80, 0, false, false);
    fill(&call, 2);
    prepare(&outer, f, where, 80, 0, false, false);
    fill(&outer, 0);
    if (!run_clean(&call, 2) || !run_clean(&outer, 0)) {
        return;
    }
    inner.clean = call;
    clean = outer;

    inner.outer = &outer;
    inner.call = &call;
    inner.bad = arena[2] + 2 * page;
    outer.in_handler = call.in_handler = nest;
    for (now.shape = 0; now.shape < 16; now.shape++) {
        outer.mend = !(now.shape & 1);
        call.mend = !(now.shape & 2);
        inner.leaves = !call.mend;
        inner.by_raise = now.shape & 4;
        inner.everything = now.shape & 8;
        if (inner.everything && outer.mend) {
            continue;
        }
        copy_arenas(arena, image, 0);
        copy_arenas(arena, image, 2);
        spoil(bad, NO_ACCESS);
        spoil(inner.bad, NO_ACCESS);
        run(&outer);
        mend(bad);
        mend(inner.bad);
        if (outer.mend) {
            check_done(&outer, &clean, 1);
        } else if (outer.returned || outer.faults != 1 ||
                   (!in_guest_code(f) && !same_arenas(arena, image, 0))) {
            FAIL(&outer, "left by siglongjmp(): %d faults", outer.faults);
        }
    }
}

int main(void)
{
    struct sigaction usr1 = { .sa_handler = handle_usr1 };
    struct sigaction usr2 = { .sa_handler = handle_usr2 };

    init_calls(SA_ONSTACK | SA_NODEFER);
    sigaction(SIGUSR1, &usr1, NULL);
    sigaction(SIGUSR2, &usr2, NULL);
    FOR_EACH_FUNCTION(f) {
        test_all_pages(f);
        if (stops(f)) {
            now.test = "bad behind the end";
            test_stopping(f);
            in_signal = f;
            now.test = "bad behind the end, in a handler";
            raise(SIGUSR1);
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
    for (int on_stack = 0; on_stack < 2; on_stack++) {
        if (on_stack) {
            stack_t stack = { .ss_size = ALT_STACK_SIZE };

            stack.ss_sp = alt_stack = malloc(ALT_STACK_SIZE);
            sigaltstack(&stack, NULL);
        }
        FOR_EACH_FUNCTION(f) {
            test_nested(f);
        }
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
