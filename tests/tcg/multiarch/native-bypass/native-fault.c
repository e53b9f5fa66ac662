/*
 * Native bypass: bad pointers are the guest's SIGSEGV
 *
 * With the address and the code that a loop over bytes would see; and if the
 * handler mends the cause and returns, the call gives what it would have
 * given without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

typedef enum {
    MEMCPY, MEMMOVE, MEMSET, MEMCMP, MEMCHR, STRLEN, STRNLEN, STRCPY, STRNCPY,
    STRCAT, STRCMP, STRNCMP, STRCHR, FUNCTIONS
} Function;

static const struct {
    const char *name;
    bool writes;        /* to its first argument, which is not read then */
    bool two;           /* the second argument is a pointer, too */
} functions[FUNCTIONS] = {
    [MEMCPY] = { "memcpy", true, true },
    [MEMMOVE] = { "memmove", true, true },
    [MEMSET] = { "memset", true, false },
    [MEMCMP] = { "memcmp", false, true },
    [MEMCHR] = { "memchr", false, false },
    [STRLEN] = { "strlen", false, false },
    [STRNLEN] = { "strnlen", false, false },
    [STRCPY] = { "strcpy", true, true },
    [STRNCPY] = { "strncpy", true, true },
    [STRCAT] = { "strcat", false, true },
    [STRCMP] = { "strcmp", false, true },
    [STRNCMP] = { "strncmp", false, true },
    [STRCHR] = { "strchr", false, false },
};

static size_t page;
static int failures;

static sigjmp_buf env;
static volatile sig_atomic_t faults;
static siginfo_t fault;
/* What the handler makes accessible before it returns, instead of leaving. */
static char *mend;

static void handler(int sig, siginfo_t *info, void *context)
{
    faults++;
    fault = *info;
    if (!mend || faults > 10) {
        siglongjmp(env, 1);
    }
    mprotect(mend, page, PROT_READ | PROT_WRITE);
}

static void call(Function f, char *a, char *b, size_t n)
{
    /* volatile, since nothing else keeps the call */
    static volatile uintptr_t sink __attribute__((unused));

    switch (f) {
    case MEMCPY:
        memcpy(a, b, n);
        break;
    case MEMMOVE:
        memmove(a, b, n);
        break;
    case MEMSET:
        memset(a, 'x', n);
        break;
    case MEMCMP:
        sink = memcmp(a, b, n);
        break;
    case MEMCHR:
        sink = (uintptr_t)memchr(a, 'x', n);
        break;
    case STRLEN:
        sink = strlen(a);
        break;
    case STRNLEN:
        sink = strnlen(a, n);
        break;
    case STRCPY:
        strcpy(a, b);
        break;
    case STRNCPY:
        strncpy(a, b, n);
        break;
    case STRCAT:
        strcat(a, b);
        break;
    case STRCMP:
        sink = strcmp(a, b);
        break;
    case STRNCMP:
        sink = strncmp(a, b, n);
        break;
    case STRCHR:
        sink = (uintptr_t)strchr(a, 'x');
        break;
    default:
        abort();
    }
}

static void expect(Function f, char *a, char *b, size_t n,
                   const char *what, const void *addr, int code)
{
    faults = 0;
    mend = NULL;
    if (sigsetjmp(env, 1) == 0) {
        call(f, a, b, n);
    }
    if (faults != 1) {
        printf("%s: %s: no SIGSEGV\n", functions[f].name, what);
        failures++;
    } else if (fault.si_addr != addr || fault.si_code != code) {
        printf("%s: %s: si_addr %p, not %p; si_code %d, not %d\n",
               functions[f].name, what, fault.si_addr, addr, fault.si_code,
               code);
        failures++;
    }
}

/* @count pages of 'a', with an inaccessible one before and behind. */
static char *map_pages(size_t count)
{
    char *p = mmap(NULL, (count + 2) * page, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED ||
        mprotect(p + page, count * page, PROT_READ | PROT_WRITE)) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < count * page; i++) {
        p[page + i] = 'a';
    }
    return p + page;
}

static void test_addresses(Function f, bool second)
{
    static const size_t offsets[] = { 0, 5, 4000, 4095 };
    char *good = map_pages(9), *bad = map_pages(5), *at[2];
    char **p = &at[second], **other = &at[!second];
    bool writes = functions[f].writes && !second;

    /* strcat() appends: nothing here. */
    if (f == STRCAT && second) {
        good[0] = 0;
    }
    /* A string to copy from has to end, but not before what it is copied to. */
    if (f == STRCPY && !second) {
        good[9 * page - 1] = 0;
    }
    *other = good;

#define EXPECT(what, addr, code) expect(f, at[0], at[1], n, what, addr, code)

    *p = NULL;
    for (size_t n = 1; n <= 3 * page; n = n * 3 + 1) {
        EXPECT("NULL", NULL, SEGV_MAPERR);
    }
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        size_t n = 100;

        *p = bad - page + offsets[i];
        EXPECT("PROT_NONE", *p, SEGV_ACCERR);
        *p = bad + 5 * page - 1 - offsets[i];
        n = page + 100;
        EXPECT("up to PROT_NONE", bad + 5 * page, SEGV_ACCERR);

        /* A hole in the middle, which a vector function may see last */
        n = 5 * page - offsets[i];
        mprotect(bad + page, page, writes ? PROT_READ : PROT_NONE);
        *p = bad + offsets[i];
        EXPECT("over a hole", bad + page, SEGV_ACCERR);
        *p = bad + page + offsets[i];
        n = 100;
        EXPECT("in the hole", *p, SEGV_ACCERR);
        munmap(bad + page, page);
        EXPECT("unmapped", *p, SEGV_MAPERR);
        n = 3 * page;
        EXPECT("unmapped, and long", *p, SEGV_MAPERR);
        *p = bad + offsets[i];
        EXPECT("up to unmapped", bad + page, SEGV_MAPERR);
        mmap(bad + page, page, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        memset(bad + page, 'a', page);
    }
    if (f == MEMCHR || f == STRNLEN || f == MEMSET || f == MEMCPY ||
        f == MEMMOVE || f == MEMCMP || f == STRNCMP) {
        size_t n = SIZE_MAX;
        size_t left = second ? 9 * page : 5 * page;

        /* Longer than the address space from there on */
        *p = bad + 4000;
        *other = good;
        EXPECT("SIZE_MAX", left < 5 * page ? *other + left : bad + 5 * page,
               SEGV_ACCERR);
    }
    munmap(good - page, 11 * page);
    munmap(bad - page, 7 * page);
}

/* The end of a 32-bit guest's address space: that of o32 is the lower half. */
static void test_wrap(void)
{
#if UINTPTR_MAX == UINT32_MAX
#ifdef __mips__
    char *const behind = (char *)0x80000000;
#else
    char *const behind = NULL;
#endif
    char *good = map_pages(2);
    char *top = mmap(behind - page, page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    size_t n = 200;

    if (top == MAP_FAILED) {
        perror("mmap of the last page");
        failures++;
        return;
    }
    for (size_t i = 0; i < page; i++) {
        top[i] = 'a';
    }
    for (Function f = 0; f < FUNCTIONS; f++) {
        char *end = top + page - 100;

        if (f != STRCAT) {
            expect(f, end, good, n, "wrap", behind, SEGV_MAPERR);
            expect(f, end, good, SIZE_MAX, "wrap, SIZE_MAX", behind,
                   SEGV_MAPERR);
        }
        if (functions[f].two) {
            good[page] = f == STRCAT ? 0 : 'a';
            expect(f, good + page, end, n, "wrap", behind, SEGV_MAPERR);
        }
        for (size_t i = 0; i < 100; i++) {
            end[i] = good[i] = 'a';
        }
    }
    top[page - 1] = 0;
    if (strlen(top + page - 50) != 49 || strnlen(top + page - 50, 200) != 49 ||
        memchr(top + page - 50, 0, SIZE_MAX) != top + page - 1 ||
        strchr(top + page - 50, 0) != top + page - 1 ||
        strcmp(top + page - 1, "")) {
        printf("strings at the end of the address space: wrong result\n");
        failures++;
    }
    munmap(top, page);
#endif
}

/* Whether @f gives the same with @bad mended by the handler. */
static void test_mend(const char *what, Function f, char *area, char *a,
                      char *b, size_t n, char *bad, int prot)
{
    size_t size = 8 * page;
    char *before = malloc(size), *after = malloc(size);

    memcpy(before, area, size);
    call(f, a, b, n);
    memcpy(after, area, size);
    memcpy(area, before, size);

    faults = 0;
    mend = bad;
    mprotect(bad, page, prot);
    if (sigsetjmp(env, 1) == 0) {
        call(f, a, b, n);
    }
    mprotect(bad, page, PROT_READ | PROT_WRITE);
    if (faults != 1 || memcmp(area, after, size)) {
        printf("%s: %s: %d faults, %s result\n", functions[f].name, what,
               (int)faults, memcmp(area, after, size) ? "wrong" : "same");
        failures++;
    }
    free(before);
    free(after);
}

static void test_restart(void)
{
    static const int prots[] = { PROT_NONE, PROT_READ };
    char *p = map_pages(8);

    for (size_t i = 0; i < 8 * page; i++) {
        p[i] = 1 + i % 251;
    }
    for (int bad = 0; bad < 8; bad++) {
        char *hole = p + bad * page, *text = p + 4 * page;
        size_t n = 8 * page - 500;

        for (int i = 0; i < 2; i++) {
            test_mend("overlapping, down", MEMMOVE, p, p, p + 500, n, hole,
                      prots[i]);
            test_mend("overlapping, up", MEMMOVE, p, p + 500, p, n, hole,
                      prots[i]);
            test_mend("overlapping", MEMCPY, p, p, p + 500, n, hole,
                      prots[i]);
            test_mend("all", MEMSET, p, p, NULL, 8 * page, hole, prots[i]);
        }
        for (int i = 0; i < (bad < 4 ? 2 : 1); i++) {
            test_mend("disjoint", MEMCPY, p, p, text, 4 * page, hole,
                      prots[i]);
            if (bad != 4) {
                /* From page 5 on; what overlaps is copied in another way. */
                memset(p, 'a', 8 * page);
                p[page - 100] = p[8 * page - 120] = 0;
                test_mend("append", STRCAT, p, p + 50, text + page + 50, 0,
                          hole, prots[i]);
            }
            memset(p, 'a', 8 * page);
            p[8 * page - 120] = 0;
            test_mend("copy", STRCPY, p, p + 50, text, 0, hole, prots[i]);
            test_mend("copy", STRNCPY, p, p + 50, text, 4 * page - 60, hole,
                      prots[i]);
        }
    }

    /* Short ones, which a host may copy from either end */
    for (size_t n = 41; n < 400; n += 9) {
        char *text = p + 4 * page;

        memset(p, 'a', 8 * page);
        p[page - 40] = text[n] = 0;
        test_mend("append", STRCAT, p, p, text, 0, p + page, PROT_READ);
    }
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    page = getauxval(AT_PAGESZ);
    sigaction(SIGSEGV, &sa, NULL);

    for (Function f = 0; f < FUNCTIONS; f++) {
        test_addresses(f, false);
        if (functions[f].two) {
            test_addresses(f, true);
        }
    }
    test_wrap();
    test_restart();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
