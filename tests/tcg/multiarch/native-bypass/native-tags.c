/*
 * Native bypass: AArch64's tagged addresses
 *
 * Accesses ignore the top byte, results keep it; and where allocation tags
 * are checked, native calls check them, too.
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
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef PR_SET_TAGGED_ADDR_CTRL
#define PR_SET_TAGGED_ADDR_CTRL 55
#endif
#define TAGGED_ADDR_ENABLE      (1UL << 0)
#define MTE_TCF_SYNC            (1UL << 1)
#define MTE_TCF_ASYNC           (1UL << 2)
#define PROT_MTE                0x20

#ifndef SEGV_MTEAERR
#define SEGV_MTEAERR            8
#define SEGV_MTESERR            9
#endif

#define SIZE        4096

static sigjmp_buf env;
static siginfo_t fault;
static int failures;
volatile uintptr_t sink;    /* volatile, since nothing else keeps the calls */

static void handler(int sig, siginfo_t *info, void *context)
{
    fault = *info;
    siglongjmp(env, 1);
}

static char *with_tag(char *p, unsigned tag)
{
    return (char *)(((uintptr_t)p & (UINT64_MAX >> 8)) | (uintptr_t)tag << 56);
}

static void check(const char *what, bool good)
{
    if (!good) {
        printf("%s: wrong\n", what);
        failures++;
    }
}

static void test_ignored(char *p)
{
    char *t = with_tag(p, 0x5a), *u = with_tag(p + 2000, 0xa5);

    check("memset", memset(t, 'a', 1000) == t && p[999] == 'a');
    t[1000] = 0;
    check("memcpy", memcpy(u, t, 1001) == u && p[2999] == 'a');
    check("memmove", memmove(t + 5, t, 900) == t + 5);
    check("memcmp", memcmp(t, u, 1001) == 0);
    t[500] = 'b';
    check("memchr", memchr(t, 'b', 1000) == t + 500);
    check("strlen", strlen(t) == 1000);
    check("strnlen", strnlen(t, 2000) == 1000);
    check("strchr", strchr(t, 'b') == t + 500);
    check("strcmp", strcmp(t, u) > 0);
    check("strncmp", strncmp(t, u, 500) == 0);
    check("strcpy", strcpy(u, t) == u && p[2500] == 'b');
    check("strncpy", strncpy(u, t, 1500) == u);
    check("strcat", strcat(u, "end") == u && !strcmp(p + 3000, "end"));
}

/* Whether @call raises SIGSEGV with @code, if not 0 with address @addr. */
#define EXPECT(what, call, code, addr) \
    do { \
        memset(&fault, 0, sizeof(fault)); \
        if (sigsetjmp(env, 1) == 0) { \
            call; \
            getpid(); /* where asynchronous ones are delivered */ \
        } \
        if (fault.si_code != code || (code && fault.si_addr != addr)) { \
            printf("%s: si_code %d, si_addr %p\n", what, fault.si_code, \
                   fault.si_addr); \
            failures++; \
        } \
    } while (0)

static void test_checked(int mode, char *p)
{
    const int code = mode == MTE_TCF_SYNC ? SEGV_MTESERR : SEGV_MTEAERR;
    char *good = with_tag(p, 1), *bad = good + 1024;
    char other[SIZE];

    /* Tag 1, but for the 16 bytes at 1024, which keep tag 0 */
    for (int i = 0; i < SIZE; i += 16) {
        char *granule = with_tag(p + i, i != 1024);

        asm("stg %0, [%0]" : : "r" (granule) : "memory");
    }
    if (prctl(PR_SET_TAGGED_ADDR_CTRL, TAGGED_ADDR_ENABLE | mode |
              (0xfffe << 3), 0, 0, 0)) {
        perror("prctl");
        failures++;
        return;
    }

    for (int i = 0; i < SIZE; i++) {
        other[i] = 'a';
    }

/* QEMU reports the address with its tag. */
#define AT(n) (code == SEGV_MTESERR ? (void *)(n) : NULL)
    EXPECT("memset, matching", memset(good, 'a', 1024), 0, NULL);
    EXPECT("memset, too long", memset(good, 'a', 1025), code, AT(bad));
    EXPECT("memset, wrong tag", memset(p, 'a', 16), code, AT(p));
    EXPECT("memcpy, matching", memcpy(good, other, 1024), 0, NULL);
    EXPECT("memcpy to", memcpy(good, other, 2000), code, AT(bad));
    EXPECT("memcpy from", memcpy(other, good, 2000), code, AT(bad));
    EXPECT("memmove to", memmove(good + 100, other, 2000), code, AT(bad));
    EXPECT("memcmp", sink = memcmp(good, other, 1024), 0, NULL);
    EXPECT("memcmp", sink = memcmp(good, other, 1025), code, AT(bad));
    EXPECT("memcmp", sink = memcmp(other, good, 1025), code, AT(bad));
    EXPECT("memchr", sink = (uintptr_t)memchr(good, 'b', 1024), 0, NULL);
    EXPECT("memchr", sink = (uintptr_t)memchr(good, 'b', 1025), code, AT(bad));
    EXPECT("strnlen", sink = strnlen(good, 1025), code, AT(bad));
    EXPECT("strlen", sink = strlen(p), code, AT(p));
    EXPECT("strchr", sink = (uintptr_t)strchr(p, 'b'), code, AT(p));
    EXPECT("strcmp", sink = strcmp(other, p), code, AT(p));
    EXPECT("strncmp", sink = strncmp(p, other, 5), code, AT(p));

    strcpy(other, "text");
    EXPECT("strcpy, matching", strcpy(good + 1019, other), 0, NULL);
    EXPECT("strcpy to", strcpy(good + 1020, other), code, AT(bad));
    EXPECT("strncpy to", strncpy(good + 1020, other, 5), code, AT(bad));
    good[1010] = 0;
    EXPECT("strcat to", strcat(good + 1010, "eleven byte"), 0, NULL);
    good[1015] = 0;
    EXPECT("strcat to", strcat(good + 1010, "eleven byte"), code, AT(bad));

    prctl(PR_SET_TAGGED_ADDR_CTRL, TAGGED_ADDR_ENABLE, 0, 0, 0);
    EXPECT("unchecked", memset(p, 'a', SIZE), 0, NULL);
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_MTE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    sigaction(SIGSEGV, &sa, NULL);
    test_ignored(p);
    test_checked(MTE_TCF_SYNC, p);
    test_checked(MTE_TCF_ASYNC, p);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
