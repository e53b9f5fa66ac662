/*
 * Native bypass: operands that end with the last byte of the address space
 *
 * That is at 4 GiB on 32-bit guests, at 2 GiB with MIPS o32; 64-bit guests
 * have the highest address that mmap() gives.  Every function gives there what
 * it gives elsewhere, with a size that reaches far behind, too.  And Arm's
 * page of kernel helpers, which nobody maps, can be read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "native-operands.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE     0x100000
#endif

/* Of the highest ones, and of those that each other operand has */
#define PAGES       4

static size_t page;
static char *top_end;
static char *other[3];
static sigjmp_buf env;
static siginfo_t fault;
static int failures;

static void handler(int sig, siginfo_t *info, void *context)
{
    fault = *info;
    siglongjmp(env, 1);
}

static void fail(const char *name, const char *what, size_t n, size_t stop)
{
    printf("%s: %s, n %zu, stop %zu\n", name, what, n, stop);
    failures++;
}

/* Map up to @end, or fail; its address may wrap around to 0. */
static bool map_below(uintptr_t end)
{
    char *want = (char *)(end - PAGES * page);
    char *got = mmap(want, PAGES * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (got == MAP_FAILED) {
        return false;
    }
    if (got != want) {
        munmap(got, PAGES * page);
        return false;
    }
    top_end = (char *)end;
    return true;
}

static void map_top(void)
{
#if UINTPTR_MAX == UINT32_MAX
# ifdef __mips__
    const uintptr_t end = 0x80000000;
# else
    const uintptr_t end = 0;
# endif

    if (map_below(end)) {
        return;
    }
#else
    /*
     * The size of the space is a power of two, but the host's kernel may keep
     * some pages at its end to itself.
     */
    for (int bits = 63; bits > 30; bits--) {
        for (int below = 0; below < 64; below++) {
            if (map_below(((uintptr_t)1 << bits) - below * page)) {
                return;
            }
        }
    }
#endif
    perror("mmap of the highest pages");
    exit(EXIT_FAILURE);
}

/* With both operands elsewhere, then with each of them at the top */
static void test_row(const NativeRow *row, size_t n, size_t stop, bool clipped)
{
    NativeCall there = native_call_of(row, n), here;
    /* volatile: kept by siglongjmp() */
    volatile uintptr_t expected = 0, result = 0;

    if (clipped && !native_call_takes_any_size(&there)) {
        return;
    }
    if (clipped) {
        there.size = there.room = SIZE_MAX;
    }
    for (unsigned k = 0; k < there.operands; k++) {
        here = there;
        for (unsigned i = 0; i < there.operands; i++) {
            there.at[i] = other[i] + PAGES * page - there.bytes[i];
            here.at[i] = i == k ? top_end - here.bytes[i]
                                : other[2] + PAGES * page - here.bytes[i];
        }
        if (sigsetjmp(env, 1)) {
            fail(row->name, "SIGSEGV", n, stop);
            printf("operand %u, si_addr %p\n", k, fault.si_addr);
            continue;
        }
        native_call_fill(&there, stop);
        expected = native_call_make(&there);
        native_call_fill(&here, stop);
        result = native_call_make(&here);
        if (!native_call_same(&there, expected, &here, result)) {
            fail(row->name, clipped ? "SIZE_MAX" : "differs", n, stop);
        }
    }
}

static void test_rows(void)
{
    const size_t sizes[] = { 1, 2, 15, 16, 100, 1500 };

    FOR_EACH_ROW(row) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t n = sizes[i];

            test_row(row, n, n, false);
            test_row(row, n, n / 2, false);
            test_row(row, n, n - 1, true);
            test_row(row, n, n / 2, true);
        }
    }
}

/* Behind the last byte is what a loop over bytes finds: a fault. */
static void test_behind(void)
{
    char *last = top_end - 100;

    for (size_t i = 0; i < 100; i++) {
        last[i] = 'a';
    }
    memset(&fault, 0, sizeof(fault));
    if (sigsetjmp(env, 1) == 0) {
        /* volatile, since nothing else keeps the call */
        volatile bool found = memchr(last, 'b', SIZE_MAX);

        printf("memchr behind the last byte: %d\n", found);
        failures++;
    }
#if UINTPTR_MAX == UINT32_MAX
    if (fault.si_addr != top_end) {
        printf("si_addr %p, not %p\n", fault.si_addr, top_end);
        failures++;
    }
#endif
}

static void test_commpage(void)
{
#ifdef __arm__
    const char *commpage = (const char *)0xffff0000;
    const size_t version = 0xffc;   /* __kuser_helper_version */
    char *copy = other[0], *loop = other[1];

    if (sigsetjmp(env, 1)) {
        fail("commpage", "SIGSEGV", page, 0);
        return;
    }
    for (size_t i = 0; i < page; i++) {
        loop[i] = commpage[i];
        /* Nor is this loop to become a call. */
        asm volatile("" : : : "memory");
    }
    if (!loop[version]) {
        fail("commpage", "no version", page, 0);
    }
    memcpy(copy, commpage, page);
    for (size_t i = 0; i < page; i++) {
        if (copy[i] != loop[i]) {
            fail("memcpy", "commpage", page, i);
            break;
        }
    }
    if (memcmp(commpage, loop, page)) {
        fail("memcmp", "commpage", page, 0);
    }
    if (memchr(commpage + version, loop[version], 4) != commpage + version) {
        fail("memchr", "commpage", version, 0);
    }
    for (size_t i = 0; i < page; i++) {
        size_t len = i;

        while (len < page && loop[len]) {
            len++;
        }
        if (strnlen(commpage + i, page - i) != len - i) {
            fail("strnlen", "commpage", i, len);
            break;
        }
    }

    /* It cannot be written. */
    memset(&fault, 0, sizeof(fault));
    if (sigsetjmp(env, 1) == 0) {
        memset((char *)commpage + 5, 0, 10);
    }
    if (fault.si_code != SEGV_ACCERR || fault.si_addr != commpage + 5) {
        printf("memset of the commpage: si_code %d, si_addr %p\n",
               fault.si_code, fault.si_addr);
        failures++;
    }
#endif
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    page = getauxval(AT_PAGESZ);
    sigaction(SIGSEGV, &sa, NULL);
    map_top();
    for (int i = 0; i < 3; i++) {
        other[i] = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (other[i] == MAP_FAILED) {
            perror("mmap");
            return EXIT_FAILURE;
        }
    }
    test_rows();
    test_behind();
    test_commpage();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
