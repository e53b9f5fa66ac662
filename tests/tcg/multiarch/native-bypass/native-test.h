/*
 * Native bypass: shared by the tests: failures, memory, signals, and stubs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_TEST_H
#define NATIVE_TEST_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "user/native-marker.h"

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define MAX_FAILURES    20

/* For the end of main(): "return failures != 0;" */
static int failures __attribute__((unused));

/* Unless @cond holds, print it and a message, and count a failure. */
#define CHECK(cond, ...) \
    do { \
        if (!(cond)) { \
            printf("%s:%d: not %s: ", __FILE__, __LINE__, #cond); \
            printf(__VA_ARGS__); \
            printf("\n"); \
            if (++failures == MAX_FAILURES) { \
                exit(EXIT_FAILURE); \
            } \
        } \
    } while (0)

/* Exit: the test cannot continue without @what. */
static inline void __attribute__((noreturn)) die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* The guest's page size */
static size_t page;

static void __attribute__((constructor)) init_page(void)
{
    page = getauxval(AT_PAGESZ);
}

#define PROT_RW     (PROT_READ | PROT_WRITE)
#define PROT_RWX    (PROT_RW | PROT_EXEC)

/* Map memory at @at, over any mapping, or anywhere if @at is NULL. */
static inline void *map_pages(void *at, size_t size, int prot)
{
    void *p = mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS |
                   MAP_NORESERVE | (at ? MAP_FIXED : 0), -1, 0);

    if (p == MAP_FAILED) {
        die("mmap");
    }
    return p;
}

/*
 * Map the same 2 MiB of memory repeatedly from @at to @at + @size: large, but
 * cheap.
 */
#define PIECE       (2 << 20)

static inline void map_pieces(char *at, size_t size)
{
    int fd = memfd_create("piece", 0);

    if (fd < 0 || ftruncate(fd, PIECE)) {
        die("memfd_create");
    }
    for (char *p = at; p < at + size; p += PIECE) {
        if (mmap(p, PIECE, PROT_RW, MAP_SHARED | MAP_FIXED, fd, 0) != p) {
            die("mmap");
        }
    }
    close(fd);
}

/* Map memory between two inaccessible pages. */
static inline void *map_guarded(size_t size, int prot)
{
    char *p = map_pages(NULL, size + 2 * page, PROT_NONE);

    return map_pages(p + page, size, prot);
}

/*
 * From a signal handler's context, at a function's entry: the PC, an argument,
 * and the return address.
 */
#if defined(__x86_64__)
# define CONTEXT_PC(mc)         ((mc)->gregs[REG_RIP])
# define CONTEXT_ARG(mc, n) \
    ((mc)->gregs[((int []) { REG_RDI, REG_RSI, REG_RDX, REG_RCX })[n]])
# define CONTEXT_RETURN(mc)     (*(uintptr_t *)(mc)->gregs[REG_RSP])
#elif defined(__i386__)
# define CONTEXT_PC(mc)         ((mc)->gregs[REG_EIP])
# define CONTEXT_ARG(mc, n)     (((uintptr_t *)(mc)->gregs[REG_ESP])[1 + (n)])
# define CONTEXT_RETURN(mc)     (*(uintptr_t *)(mc)->gregs[REG_ESP])
#elif defined(__aarch64__)
# define CONTEXT_PC(mc)         ((mc)->pc)
# define CONTEXT_ARG(mc, n)     ((mc)->regs[n])
# define CONTEXT_RETURN(mc)     ((mc)->regs[30])
#elif defined(__arm__)
# define CONTEXT_PC(mc)         ((mc)->arm_pc)
# define CONTEXT_ARG(mc, n)     ((&(mc)->arm_r0)[n])
# define CONTEXT_RETURN(mc)     ((mc)->arm_lr)
#elif defined(__mips__)
# define CONTEXT_PC(mc)         ((mc)->pc)
# define CONTEXT_ARG(mc, n)     ((mc)->gregs[4 + (n)])
# define CONTEXT_RETURN(mc)     ((mc)->gregs[31])
#elif defined(__riscv)
# define CONTEXT_PC(mc)         ((mc)->__gregs[REG_PC])
# define CONTEXT_ARG(mc, n)     ((mc)->__gregs[REG_A0 + (n)])
# define CONTEXT_RETURN(mc)     ((mc)->__gregs[REG_RA])
#elif defined(__loongarch64)
# define CONTEXT_PC(mc)         ((mc)->__pc)
# define CONTEXT_ARG(mc, n)     ((mc)->__gregs[4 + (n)])
# define CONTEXT_RETURN(mc)     ((mc)->__gregs[1])
#elif defined(__s390x__)
# define CONTEXT_PC(mc)         ((mc)->psw.addr)
# define CONTEXT_ARG(mc, n)     ((mc)->gregs[2 + (n)])
# define CONTEXT_RETURN(mc)     ((mc)->gregs[14])
#elif defined(__powerpc64__)
/* PT_NIP, PT_R3 and PT_LNK, which not all C libraries have */
# define CONTEXT_PC(mc)         ((mc)->gp_regs[32])
# define CONTEXT_ARG(mc, n)     ((mc)->gp_regs[3 + (n)])
# define CONTEXT_RETURN(mc)     ((mc)->gp_regs[36])
#endif

/* QEMU's PowerPC has one code for both. */
#ifdef __powerpc__
# define ACCERR SEGV_MAPERR
#else
# define ACCERR SEGV_ACCERR
#endif

/* The si_addr of a SIGSEGV at @addr: on s390x only the page */
static inline void *told_addr(const void *addr)
{
#ifdef __s390x__
    addr = (const void *)((uintptr_t)addr & -page);
#endif
    return (void *)addr;
}

/* The last signal that was caught, in this thread */
static __thread struct {
    sigjmp_buf env;
    volatile bool catching;     /* volatile: the handler reads it */
    siginfo_t info;
    uintptr_t pc;
} caught;

/* If set: returns true to retry the instruction. */
static bool (*fix_signal)(siginfo_t *info, mcontext_t *mc);

static inline void catch_signal(int sig, siginfo_t *info, void *context)
{
    mcontext_t *mc = &((ucontext_t *)context)->uc_mcontext;

    caught.info = *info;
    caught.pc = CONTEXT_PC(mc);
#ifdef __s390x__
    if (sig == SIGILL) {
        /* The PSW points after the instruction. */
        uint8_t first = *(uint8_t *)info->si_addr;

        caught.pc -= first < 0x40 ? 2 : first < 0xc0 ? 4 : 6;
    }
#endif
    if (fix_signal && fix_signal(info, mc)) {
        return;
    }
    if (!caught.catching) {
        printf("signal %d of the test itself, pc 0x%lx, address %p\n", sig,
               (unsigned long)caught.pc, info->si_addr);
        fflush(stdout);
        _exit(EXIT_FAILURE);
    }
    caught.catching = false;
    siglongjmp(caught.env, sig);
}

/* The handlers' stack */
static char signal_stack[0x40000] __attribute__((unused));

/* Have CATCH() catch this thread's signals, even without a valid stack. */
static inline void catch_signals(void)
{
    static const int signals[] = {
        SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS, SIGABRT
    };
    stack_t ss = { .ss_sp = signal_stack, .ss_size = sizeof(signal_stack) };
    /* SA_NODEFER: fix_signal() may fault. */
    struct sigaction sa = { .sa_sigaction = catch_signal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };

    sigaltstack(&ss, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], &sa, NULL);
    }
}

/* Execute @statement; give 0, or the signal that ended it.  Does not nest. */
#define CATCH(statement) \
    ({ \
        int sig_ = sigsetjmp(caught.env, 1); \
        if (sig_ == 0) { \
            caught.catching = true; \
            statement; \
            caught.catching = false; \
        } \
        sig_; \
    })

/* A stub up to its name */
#if defined(__i386__) || defined(__x86_64__)
static const uint8_t native_stub[] = { 0x0f, 0xff, NATIVE_X86_MODRM, 0xc3 };
#elif defined(__aarch64__)
static const uint32_t native_stub[] = {
    0xd4400000 | NATIVE_ARM_HLT_IMM << 5, 0xd65f03c0
};
#elif defined(__arm__)
static const uint32_t native_stub[] = {
    0xe1000070 | (NATIVE_ARM_HLT_IMM & 0xfff0) << 4 |
    (NATIVE_ARM_HLT_IMM & 0xf), 0xe12fff1e
};
#elif defined(__mips__)
static const uint32_t native_stub[] = {
    NATIVE_MIPS_SYSCALL_CODE << 6 | 0x0c, 0x03e00008, 0
};
#elif defined(__riscv)
static const uint32_t native_stub[] = { NATIVE_RISCV_INSN, 0x00008067 };
#elif defined(__loongarch64)
static const uint32_t native_stub[] = { NATIVE_LOONGARCH_INSN, 0x4c000020 };
#elif defined(__s390x__)
static const uint16_t native_stub[] = { NATIVE_S390_INSN, 0x07fe };
#elif defined(__powerpc64__)
static const uint32_t native_stub[] = { NATIVE_PPC_INSN, 0x4e800020 };
#endif

/* Flush new code as real programs do; programs for x86 do not. */
static inline void flush_code(void *p, size_t size)
{
#if !defined(__i386__) && !defined(__x86_64__)
    __builtin___clear_cache(p, (char *)p + size);
#endif
}

/* Make a stub at @p with plain stores: no native call is involved. */
static inline void make_stub(char *p, const char *name)
{
    /* volatile, or the compiler turns the loops into calls */
    volatile char *at = p;

    for (size_t i = 0; i < sizeof(native_stub); i++) {
        *at++ = ((const char *)native_stub)[i];
    }
    /* With NULs up to the bound: wcscat() needs a wide one. */
    for (size_t i = 0; i <= NATIVE_NAME_MAX; i++) {
        *at++ = *name;
        name += *name != 0;
    }
    flush_code(p, (char *)at - p);
}

#endif /* NATIVE_TEST_H */
