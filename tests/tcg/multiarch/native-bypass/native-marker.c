/*
 * Native bypass: the special instructions
 *
 * Run with the option: a stub calls the function of its name; a name that
 * QEMU does not have, or does not get to see the end of, is an illegal
 * instruction.  Run without (argument "off"): the marker is what the
 * architecture makes of it.
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
#include <sys/syscall.h>
#include <unistd.h>

#include "native-marker-stub.h"

typedef long StringFunction(const char *);

static sigjmp_buf env;
static siginfo_t fault;
static char *code;
static size_t page, stub_size;
static int failures;

static void handler(int sig, siginfo_t *info, void *context)
{
    fault = *info;
    siglongjmp(env, 1);
}

/* Call the code at @p: its result, or minus the signal that it raised. */
static long call(void *p, const char *arg)
{
    StringFunction *function = (StringFunction *)p;

    __builtin___clear_cache(code, code + 2 * page);
    if (sigsetjmp(env, 1)) {
        return -fault.si_signo;
    }
    return function(arg);
}

static void check(const char *what, long got, long want)
{
    if (got != want) {
        printf("%s: %ld, not %ld\n", what, got, want);
        failures++;
    }
}

/* A stub of @name at @p. */
static void make_stub(char *p, const char *name)
{
    memcpy(p, stub_begin, stub_size);
    memcpy(p + stub_size, name, strlen(name) + 1);
}

static void test_on(void)
{
    char name[40];
    char *p = code;

    make_stub(p, "strlen");
    check("strlen", call(p, "four"), 4);

    /* Self-modifying code: the marker stays, the name changes. */
    strcpy(p + stub_size, "strlem");
    check("unknown function", call(p, "four"), -SIGILL);
#ifndef __mips__
    /* which linux-user does not tell */
    check("its address", (char *)fault.si_addr - p, 0);
#endif
    strcpy(p + stub_size, "strlen");
    check("strlen again", call(p, "four"), 4);

    make_stub(p, "");
    check("empty name", call(p, "four"), -SIGILL);
    make_stub(p, "strle");
    check("beginning of a name", call(p, "four"), -SIGILL);
    make_stub(p, "strlen2");
    check("more than a name", call(p, "four"), -SIGILL);
    memset(name, '\xff', sizeof(name));
    name[sizeof(name) - 1] = 0;
    make_stub(p, name);
    check("overlong name", call(p, "four"), -SIGILL);

    /* At the end of a page, with another behind, then with none. */
    for (size_t in = 0; in <= sizeof("strlen"); in++) {
        p = code + page - (stub_size + in + 3) / 4 * 4;
        make_stub(p, "strlen");
        check("across pages", call(p, "four"), 4);
        if (p + stub_size + sizeof("strlen") > code + page) {
            code[page] ^= 1;
            check("changed behind the page", call(p, "four"), -SIGILL);
            code[page] ^= 1;
            check("changed back", call(p, "four"), 4);
            mprotect(code + page, page, PROT_NONE);
            check("name without an end", call(p, "four"), -SIGSEGV);
            check("its address", (char *)fault.si_addr - code, page);
            mprotect(code + page, page, PROT_READ | PROT_WRITE | PROT_EXEC);
            check("mapped again", call(p, "four"), 4);
        }
    }
}

/* Instructions that are nearly the marker, and nothing special ever */
static void test_others(void)
{
#if defined(__i386__) || defined(__x86_64__)
    static const uint8_t others[][4] = {
        { 0x0f, 0xff, 0xc0, 0xc3 },         /* another modrm byte */
        { 0x0f, 0xff, 0xfe, 0xc3 },
        { 0x0f, 0xb9, 0xff, 0xc3 },         /* UD1 */
        { 0x66, 0x0f, 0xff, 0xff },         /* prefixes */
        { 0xf0, 0x0f, 0xff, 0xff },
        { 0xf3, 0x0f, 0xff, 0xff },
        { 0x2e, 0x0f, 0xff, 0xff },
    };
#elif defined(__aarch64__)
    static const uint32_t others[] = {
        0xd4400000,                         /* other immediates */
        0xd45fffe0,
    };
#elif defined(__arm__)
    static const uint32_t others[] = {
        0xe1000070,
        0xe10fff7f,
    };
#else
    static const uint32_t others[][1] = {
        { 0x0000000d },                     /* BREAK */
    };
#endif

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        make_stub(code + (sizeof(others[0]) > stub_size ? 4 : 0), "strlen");
        memcpy(code, &others[i], sizeof(others[0]));
#ifdef __mips__
        check("BREAK", call(code, "four"), -SIGTRAP);
#else
        check("not the marker", call(code, "four"), -SIGILL);
#endif
    }
}

#ifdef __mips__
/* The system call of @stub's SYSCALL, without arguments */
static long syscall_of(char *stub, long number)
{
    register long v0 asm("$2") = number;
    register char *t9 asm("$25") = stub;

    asm volatile("jalr %1\n\tnop"
                 : "+r" (v0), "+r" (t9) : :
                 "$3", "$7", "$8", "$9", "$10", "$11", "$12", "$13", "$14",
                 "$15", "$24", "$31", "hi", "lo", "memory");
    return v0;
}
#endif

static void test_off(void)
{
    make_stub(code, "strlen");
#ifdef __mips__
    check("SYSCALL", syscall_of(code, SYS_getpid), getpid());
#else
    check("marker", call(code, "four"), -SIGILL);
    check("its address", (char *)fault.si_addr - code, 0);
#endif
    make_stub(code, "strlem");
#ifdef __mips__
    check("SYSCALL", syscall_of(code, SYS_getpid), getpid());
#else
    check("marker", call(code, "four"), -SIGILL);
#endif
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    page = getauxval(AT_PAGESZ);
    stub_size = stub_end - stub_begin;
    code = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    sigaction(SIGILL, &sa, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGTRAP, &sa, NULL);

    if (argc > 1 && !strcmp(argv[1], "off")) {
        test_off();
    } else {
        test_on();
    }
    test_others();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
