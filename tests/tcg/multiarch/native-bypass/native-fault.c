/*
 * Native bypass: bad pointers raise SIGSEGV and SIGBUS in the guest
 *
 * For each function and each of its operands, the handler sees the signal,
 * the code and the address that a loop over bytes would have raised.  Its
 * context is that of the call, and its stack unwinds to the caller.  Next to
 * nothing has been written by then.  The program continues after a
 * siglongjmp(); or the handler fixes the page and returns, and the call gives
 * its normal result.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-calls.h"
#include <unwind.h>

/*
 * The start of an operand, relative to the middle of its arena, and its length
 * in characters.  The bad byte is then its first, a middle or its last one, or
 * none, as the pages before and after it are tried, too.
 */
static const struct {
    long start;
    size_t n;
    bool open;
    bool apart;             /* the other operand is within one page */
} shapes[] = {
    { 0, 10 },              /* at the beginning of a page */
    { 1000, 10, true },
    { -20, 10, true },      /* only wide ones reach the next page */
    { -9, 11 },
    { -99, 100 },           /* the last byte, or more */
    { -396, 100, true },
    { -40, 10 },            /* ends with the page */
    { -100, 100, true },
    { -201, 51 },
    { -5000, 2500, true },
    { -6001, 10000 },       /* not aligned; cut to fit below */
    { -1000, 3000, false, true },
    { -40, 100 },           /* short ones are copied from both ends */
    { -9, 30, true },
    { -300, 350 },
    { -6001, 2500, true },
};

/*
 * Some vdsos of QEMU have bad unwind information for the signal frame: i386's
 * is 4 bytes off, LoongArch's has the thread pointer as stack pointer, and
 * PowerPC's is of no use either.  There, no handler's stack can be unwound.
 * glibc has no such information for arm and mips, and for aarch64's
 * rawmemchr() a wrong one.
 */
static bool can_unwind(const Function *f)
{
#if defined(__x86_64__)
    return true;
#elif defined(__aarch64__)
    return !getenv("NATIVE_AUTO") || strcmp(f->name, "rawmemchr");
#elif defined(__i386__) || defined(__powerpc__) || defined(__loongarch64)
    return false;
#else
    return !getenv("NATIVE_AUTO");
#endif
}

/* Whether the handler's stack unwinds to the native function's caller */
static bool unwound;

static _Unwind_Reason_Code look_for_caller(struct _Unwind_Context *context,
                                           void *arg)
{
    uintptr_t function = _Unwind_GetRegionStart(context);

    /* Ignore the Thumb bit. */
    if (((function ^ (uintptr_t)call_native) & -2) == 0) {
        unwound = true;
        return _URC_END_OF_STACK;
    }
    return _URC_NO_REASON;
}

static void unwind_in_handler(Call *c)
{
    _Unwind_Backtrace(look_for_caller, NULL);
}

/* Registers and PC must be those of the call. */
static void check_context(Call *c)
{
    uintptr_t entry = (uintptr_t)c->f->call & -2;    /* Thumb code is odd */

    if (c->f->kind == KIND_GUEST || c->f->kind == KIND_CHECKED) {
        EXPECT(c, native_is_ours((void *)c->pc), "0x%lx", (long)c->pc);
        return;
    }
    EXPECT(c, c->pc - entry < 16, "0x%lx", (long)c->pc);
    for (unsigned i = 0; i < c->f->count; i++) {
        EXPECT(c, c->seen_arg[i] == c->arg[i], "argument %u: 0x%lx", i,
               (long)c->seen_arg[i]);
    }
}

/* Whether bytes before the bad page may have been written */
static bool copies_long_string(const Call *c)
{
    size_t n = c->op[1].nul;

    for (unsigned i = 0; i < c->f->count; i++) {
        if (c->f->type[i] == TYPE_size && c->arg[i] < n) {
            n = c->arg[i];
        }
    }
    return c->f->writes && c->op[1].type == TYPE_str &&
           n >= 4096 / c->f->width;
}

static void check_unwritten(Call *c)
{
    bool same = true;

    if (in_guest_code(c->f)) {
        /* It may have written anything. */
    } else if (!copies_long_string(c)) {
        same = is_unwritten(c);
    } else if (c->good) {
        for (size_t i = 0; i < 2 * pages * page; i++) {
            char byte = arena[i & 1][i / 2];

            same &= byte == image[i & 1][i / 2] ||
                    byte == expected[i & 1][i / 2];
        }
    }
    EXPECT(c, same, "something was written before the signal");
    copy_arenas(arena, image, 0);
}

/* Make a call that must raise the signal of @bad at address @addr. */
static void expect_signal(Call *c, Bad bad, const void *addr, size_t align)
{
    run(c);
    EXPECT(c, !c->returned && c->faults == 1, "%d faults, due at %p", c->faults,
           addr);
    if (c->returned) {
        return;
    }
    EXPECT(c, c->info.si_signo == bad_signal[bad].sig &&
           c->info.si_code == bad_signal[bad].code, "signal %d, code %d",
           c->info.si_signo, c->info.si_code);
    EXPECT(c, !address_known(c->f, bad) ||
           ((uintptr_t)c->info.si_addr & -align) ==
           ((uintptr_t)(bad == BEYOND_END ? addr : told_addr(addr)) & -align),
           "%p, not %p", c->info.si_addr, addr);
    check_context(c);
}

/* Whether the right access, read or write, is reported */
static bool access_is_right(const Call *c, unsigned tested, Bad bad)
{
    NativeType type = c->op[tested].type;

    return c->write < 0 || bad == BEYOND_END || type == TYPE_cat ||
           type == TYPE_strp ||
           c->write == (type == TYPE_out || bad == READ_ONLY);
}

/* @n, or the number of characters that fit between @start and @limit */
static size_t fitting(const Function *f, size_t n, const char *start,
                      const char *limit)
{
    /* A string is appended to one of half its length, plus NUL. */
    size_t most = (limit - start) / f->width * 2 / 3 - 2;

    return n < most ? n : most;
}

/* Make each page bad in turn, in each way. */
static void test_pages(const Function *f, unsigned tested)
{
    static Call c;

    now.test = "one bad page";
    for (now.shape = 0; now.shape < ARRAY_SIZE(shapes); now.shape++) {
        long start = shapes[now.shape].start;
        bool apart = shapes[now.shape].apart;
        size_t n = fitting(f, shapes[now.shape].n,
                           arena[0] + 3 * page + (apart ? 64 : start),
                           arena[0] + pages * page);
        char *where[2];

        /* Put the operands at different page offsets. */
        where[tested] = arena[tested] + 3 * page + start;
        where[!tested] = arena[!tested] + 3 * page + (apart ? 64 : start - 4);
        if (!set_up(&c, f, where, n, tested, shapes[now.shape].open, false)) {
            continue;
        }
        c.in_handler = can_unwind(f) && now.shape == 0 ? unwind_in_handler
                                                       : NULL;

        for (now.page = 1; now.page < pages - 1; now.page++) {
            char *p = arena[tested] + now.page * page;

            for (now.kind = 0; now.kind < BAD_KINDS; now.kind++) {
                char *addr = first_bad(&c, tested, p, now.kind);

                if (!addr) {
                    /* Enough to show that there is no access */
                    if (now.kind == NO_ACCESS || now.kind == READ_ONLY) {
                        fix_one(&c, p, now.kind, 0);
                    }
                    continue;
                }
                /* Memory that is only read may be read-only. */
                if (!first_bad(&c, tested, p - page, READ_ONLY)) {
                    spoil(p - page, READ_ONLY);
                }
                spoil(p, now.kind);
                unwound = false;
                expect_signal(&c, now.kind, addr, 1);
                fix(p - page);
                fix(p);
                check_unwritten(&c);
                EXPECT(&c, access_is_right(&c, tested, now.kind),
                       "reported as a %s", c.write ? "write" : "read");
                EXPECT(&c, !c.in_handler || unwound, "stack");
                fix_one(&c, p, now.kind, 1);
            }
        }
    }
}

/* Whether the function goes through both operands in step */
static bool at_one_pace(const Function *f)
{
    return f->pointers == 2 && f->kind != KIND_GUEST &&
           (f->result == TYPE_int || (f->result == TYPE_ptr && f->writes));
}

/* Page offsets of two operands, in bytes, some near the end of the page */
static const long orders[][2] = {
    { 1500, 3000 }, { -100, -96 }, { -96, -100 }, { -200, -200 },
};

/* Both operands have a bad page: the first that a loop reaches must fault. */
static void test_order(const Function *f, const long starts[2], unsigned swap)
{
    static Call c;
    const size_t n = 2 * page / f->width;
    char *where[2];

    for (unsigned k = 0; k < 2; k++) {
        where[k] = arena[k ^ swap] + (starts[k] & (page - 1));
    }
    now.test = "two bad pages";
    now.shape = starts[0];
    if (!set_up(&c, f, where, n, 0, false, false)) {
        return;
    }
    for (now.page = 0; now.page < 3; now.page++) {
        for (long other = 0; other < 3; other++) {
            char *p[2] = { arena[swap] + now.page * page,
                           arena[!swap] + other * page };
            char *addr[2];
            long when[2];

            for (unsigned k = 0; k < 2; k++) {
                Operand *o = &c.op[k];

                addr[k] = first_bad(&c, k, p[k], NO_ACCESS);
                when[k] = addr[k] - o->start;
                if (o->type == TYPE_cat) {
                    /* The whole string is read before it is appended to. */
                    when[k] -= o->written * f->width;
                    when[k] = when[k] <= 0 ? -1 : when[k];
                }
            }
            now.kind = other;
            if (!addr[0] || !addr[1] ||
                (when[0] == when[1] && f->result == TYPE_int)) {
                continue;
            }
            spoil(p[0], NO_ACCESS);
            spoil(p[1], NO_ACCESS);
            expect_signal(&c, NO_ACCESS,
                          when[0] < when[1] ? addr[0] : addr[1], 1);
            fix(p[0]);
            fix(p[1]);
            check_unwritten(&c);
        }
    }
}

/* Addresses that nothing can be mapped at, and NULL */
static void test_outside(const Function *f, unsigned tested)
{
    static const uintptr_t addresses[] = {
        0, 1, 100, UINTPTR_MAX,
#if UINTPTR_MAX > UINT32_MAX
        (uintptr_t)1 << 63 | 0x12345, (uintptr_t)1 << 55 | 0x12345,
        (uintptr_t)1 << 48 | 0x12345, (uintptr_t)0xffff << 48 | 0x12345,
        (uintptr_t)0xff << 56 | 0x123,
#elif defined(__mips__)
        0x80000000, 0x80012345, 0xfffff000,
#endif
    };
    static const size_t sizes[] = { 2, 10, 10000 };
    static Call c;

    now.test = "outside";
    now.page = 0;
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
            char *where[2] = { arena[0], arena[1] }, *addr;
            size_t n = fitting(f, sizes[j], arena[0], arena[0] + pages * page);
            siginfo_t like;
            bool vague;

            if (f->type[tested] == TYPE_strp && addresses[i] == 0) {
                /* strsep() has come to the end then. */
                continue;
            }
            now.shape = i;
            now.kind = j;
            where[tested] = (char *)addresses[i];
            prepare(&c, f, where, n, tested, false, false);
            fill(&c, 0);
            copy_arenas(image, arena, 0);

            addr = c.op[tested].start + (f->down ? n - 1 : 0);
            if (addr < c.op[tested].start) {
                /* The start of a loop is not defined. */
                continue;
            }
            like = access_byte(addr, c.op[tested].type == TYPE_out);
            /* The host may not report an impossible address exactly. */
            vague = like.si_signo && like.si_addr != told_addr(addr);
            run(&c);
            if (c.info.si_addr == told_addr(addr)) {
                vague = false;
            } else if (!vague && f->down) {
                /* An operand outside may be rejected as a whole. */
                addr = c.op[0].start;
            }
            expect_signal(&c, UNMAPPED, vague ? like.si_addr : addr,
                          vague ? page : 1);
            check_unwritten(&c);
        }
    }
}

/* n = 0: bad pointers are not dereferenced. */
static void test_nothing(const Function *f)
{
    static Call c;
    char *where[2] = { (char *)UINTPTR_MAX, (char *)UINTPTR_MAX };

    now.test = "n = 0";
    now.shape = now.page = now.kind = 0;
    prepare(&c, f, where, 0, 0, true, false);
    for (unsigned k = 0; k < f->pointers; k++) {
        /* Valid: a string that is appended to, and strlcpy()'s source */
        if ((f->op[k] == TYPE_cat && !f->limits_room) ||
            (f->op[k] == TYPE_str && f->limits_room)) {
            where[k] = arena[k];
            native_put(arena[k], f->width, 0);
        }
    }
    native_arguments(f->row, where, (size_t [2]) { 0, 0 }, SIZE_MAX, 0,
                     &c.cell, c.arg);
    run(&c);
    EXPECT(&c, c.returned && !c.faults, "signal %d at %p", c.info.si_signo,
           c.info.si_addr);
}

/* The operand continues after its arena's end, where memory is @bad. */
static void test_end(const Function *f, unsigned tested, bool huge, Bad bad)
{
    static Call c;
    char *where[2] = { arena[0], arena[1] };
    char *behind = arena[tested] + pages * page;

    now.test = "to the end";
    now.shape = huge;
    now.page = tested;
    now.kind = bad;
    where[tested] = behind - 102;
    prepare(&c, f, where, 200, tested, true, huge);
    if (huge && f->pointers == 2 && c.op[!tested].type != TYPE_cat &&
        !is_needle(f, !tested)) {
        /* The other operand ends with its arena. */
        Operand *o = &c.op[!tested];

        o->size = pages * page / f->width;
        o->nul = o->size - 1;
    }
    fill(&c, 0);
    copy_arenas(image, arena, 0);
    expect_signal(&c, bad, behind, f->down ? page : 1);
    check_unwritten(&c);
}

/* At the end of a 32-bit guest's address space; o32's is the lower half. */
static void test_top(const Function *f, unsigned tested, bool huge)
{
#if UINTPTR_MAX == UINT32_MAX
# ifdef __mips__
    char *const behind = (char *)0x80000000;
# else
    char *const behind = NULL;
# endif
    const size_t size = pages * page;
    char *own = arena[tested];

    arena[tested] = map_pages(behind - size, size, PROT_RW);
    test_end(f, tested, huge, UNMAPPED);
    munmap(arena[tested], size);
    arena[tested] = own;
#endif
}

int main(void)
{
    init_calls();
    FOR_EACH_FUNCTION(f) {
        for (unsigned tested = 0; tested < f->pointers; tested++) {
            test_pages(f, tested);
            test_outside(f, tested);
            for (int huge = f->sizes > 0; huge >= 0; huge--) {
                if (!f->down) {
                    test_end(f, tested, huge, NO_ACCESS);
                }
                test_top(f, tested, huge);
            }
        }
        for (size_t i = 0; at_one_pace(f) && i < 2 * ARRAY_SIZE(orders); i++) {
            test_order(f, orders[i / 2], i % 2);
        }
        if (f->sizes) {
            test_nothing(f);
        }
    }
    return failures != 0;
}
