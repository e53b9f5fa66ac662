/*
 * Native bypass: stubs whose names change, and other self-modifying code
 *
 * A stub calls the function of its name; a stub with an unknown name, or one
 * whose end QEMU does not see, is an illegal instruction.
 *
 * If a native call overwrites translated code, the new code must run.  Tested
 * for every function that writes, in a page of its own, over several pages, in
 * the caller's page, over the stub that is being executed, and at the return
 * address.  The code consists of stubs: names overwrite names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include "native-test.h"

#define PAGES   4

#define NAMED   sizeof(native_stub)     /* offset of the name */

static char *area;                      /* some pages for code */

/* Expect the stub at @p to return @want, or to raise signal -@want. */
static void expect(const char *name, const char *what, char *p, long want)
{
    volatile long got = 0;      /* volatile, since a signal may come */
    int sig = CATCH(got = ((NativeFn *)p)((uintptr_t)"four", 2, 0, 0));

    got = sig ? -sig : got;
    CHECK(got == want, "%s: %s: %ld, not %ld", name, what, got, want);
#ifndef __mips__
    /* MIPS' linux-user does not set it. */
    CHECK(sig != SIGILL || caught.info.si_addr == p, "%p", caught.info.si_addr);
#endif
}

/* A stub at the end of a page, with and without a next page */
static void test_across(void)
{
    char *behind = area + page;

    for (size_t in = 0; in <= sizeof("strlen"); in++) {
        char *p = behind - (NAMED + in + 3) / 4 * 4;

        make_stub(p, "strlen");
        expect("strlen", "across pages", p, 4);
        if (p + NAMED + sizeof("strlen") <= behind) {
            continue;
        }
        for (int i = 0; i < 2; i++) {
            *behind ^= 1;
            flush_code(behind, 1);
            expect("strlen", "behind the page", p, i ? 4 : -SIGILL);
        }
        mprotect(behind, page, PROT_NONE);
        expect("strlen", "without an end", p, -SIGSEGV);
#ifndef __powerpc__
        /* QEMU's PowerPC gives no address for a fetch that faults. */
        CHECK(caught.info.si_addr == behind, "%p", caught.info.si_addr);
#endif
        mprotect(behind, page, PROT_RWX);
        expect("strlen", "mapped again", p, 4);
    }
}

/* Have @row overwrite the name of a stub at @p that has been executed. */
static void overwrite(const NativeRow *row, char *p)
{
    /* Strings of bytes, and of wchar_t */
    static char source[16] __attribute__((aligned(4))) = "xxxxxxxxxxxx";
    static const char name[] = "wmempcpy";
    NativeFunction f = native_learn(row);
    /* strlcat()'s n is of the whole string. */
    size_t n = f.limits_room ? 20 : 4;
    uintptr_t args[NATIVE_ROW_ARGS];
    char *at[2], *string;

    if (!native_has(f.row, TYPE_out) && !native_has(f.row, TYPE_cat)) {
        return;
    }
    for (unsigned k = 0; k < 2; k++) {
        at[k] = native_is_written(f.op[k]) ? p + NAMED : source;
    }
    make_stub(p, name);
    CHECK(CATCH(((NativeFn *)p)((uintptr_t)area, (uintptr_t)area, 0, 0)) == 0,
          "%s: old name", row->name);
    native_arguments(f.row, at, (size_t [2]) { n, n }, SIZE_MAX, 0, &string,
                     args);
    native_call(f.row, f.call, args);
    flush_code(p, 64);
    expect(row->name, "new name", p, -SIGILL);
}

/* One call overwrites stubs in several pages. */
static void test_pages(void)
{
    static const char *const names[] = { "memcpy", "memmove", "wmemcpy" };
    const size_t size = PAGES * page, step = 1000;
    char *image = map_pages(NULL, size, PROT_RW);

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t n = size / (names[i][0] == 'w' ? sizeof(wchar_t) : 1);

        for (size_t at = 8; at < size - 64; at += step) {
            make_stub(image + at, "strnlen");
            make_stub(area + at, "strlen");
            expect(names[i], "in pages", area + at, 4);
        }
        native_function(names[i])((uintptr_t)area, (uintptr_t)image, n, 0);
        flush_code(area, size);
        for (size_t at = 8; at < size - 64; at += step) {
            expect(names[i], "over pages", area + at, 2);
        }
    }
}

/* A memcpy() stub copies another stub over itself, and is copied back. */
static void test_itself(char *p)
{
    static char of_memcpy[64], of_strlen[64];

    make_stub(of_memcpy, "memcpy");
    make_stub(of_strlen, "strlen");
    make_stub(p, "memcpy");
    for (int i = 0; i < 3; i++) {
        ((NativeFn *)p)((uintptr_t)p, (uintptr_t)of_strlen, 64, 0);
        flush_code(p, 64);
        expect("memcpy", "over itself", p, 4);
        strcpy(p + NAMED + 3, "nlen");
        flush_code(p, 64);
        expect("strcpy", "over a part of the name", p, 2);
        strcpy(p + NAMED, "strlem");
        flush_code(p, 64);
        expect("strcpy", "no name", p, -SIGILL);
        memcpy(p, of_memcpy, 64);
        flush_code(p, 64);
    }
}

/*
 * A caller in the page that it overwrites.  no_reorder: the room follows the
 * caller, and so is in the same page.
 */
#define WRITABLE_CODE \
    __attribute__((section("native_smc"), noinline, no_reorder, used))

WRITABLE_CODE __attribute__((aligned(4096)))
static void call_twice(NativeFn *copy, NativeFn *stub, const char *name,
                       long got[2])
{
    got[0] = stub((uintptr_t)"four", 2, 0, 0);
    copy((uintptr_t)stub + NAMED, (uintptr_t)name, sizeof("strnlen"), 0);
    flush_code(stub, 64);
    got[1] = stub((uintptr_t)"four", 2, 0, 0);
}

WRITABLE_CODE
static void room(void)
{
    asm volatile(".balign 16\n\t.skip 256");
}

static void test_same_page(void)
{
    static const char *const copies[] = { "memcpy", "memmove", "mempcpy" };
    static const char *const names[] = { "strlen\0", "strnlen" };
    static const long results[] = { 4, 2 };
    char *start = (char *)((uintptr_t)call_twice & -page);
    char *p = (char *)(((uintptr_t)room & -16) + 32);

    if (start != (char *)((uintptr_t)p & -page) ||
        mprotect(start, page, PROT_RWX)) {
        die("a writable page for the caller");
    }
    make_stub(p, names[0]);
    for (int i = 0; i < 12; i++) {
        NativeFn *copy = native_function(copies[i % 3]);
        int new = (i + 1) % 2;
        long got[2];

        if (i >= 6) {
            /* The stub that writes is there, too. */
            make_stub(p + 64, copies[i % 3]);
            copy = (NativeFn *)(p + 64);
        }
        call_twice(copy, (NativeFn *)p, names[new], got);
        CHECK(got[0] == results[!new] && got[1] == results[new],
              "%s, round %d: %ld, %ld", copies[i % 3], i, got[0], got[1]);
    }
}

/*
 * The call returns to an instruction that it has written.  Guests other than
 * x86 must flush new code first.
 */
static void test_return(void)
{
#if defined(__i386__) || defined(__x86_64__)
# ifdef __x86_64__
    /* call *%rcx; mov $0, %eax; ret */
    static const uint8_t code[] = { 0xff, 0xd1, 0xb8, 0, 0, 0, 0, 0xc3 };
    const size_t imm = 3;
# else
    /* pop %ecx; call *12(%esp); mov $0, %eax; jmp *%ecx */
    static const uint8_t code[] = {
        0x59, 0xff, 0x54, 0x24, 0x0c, 0xb8, 0, 0, 0, 0, 0xff, 0xe1
    };
    const size_t imm = 6;
# endif

    memcpy(area, code, sizeof(code));
    for (int i = 1; i < 20; i++) {
        int value = i * 0x01234567;
        int got = ((NativeFn *)area)((uintptr_t)area + imm, (uintptr_t)&value,
                                     sizeof(value),
                                     (uintptr_t)native_function("memcpy"));

        CHECK(got == value, "returned to 0x%x, not 0x%x", got, value);
    }
#endif
}

int main(void)
{
    char *places[3];

    area = map_pages(NULL, PAGES * page, PROT_RWX);
    catch_signals();
    places[0] = area + 128;
    /* Marker and name on two pages; the name itself on two */
    places[1] = area + page - NAMED;
    places[2] = area + page - NAMED - 4;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        FOR_EACH_ROW(row) {
            overwrite(row, places[i]);
        }
        test_itself(places[i]);
    }
    test_across();
    test_pages();
    test_same_page();
    test_return();
    return failures != 0;
}
