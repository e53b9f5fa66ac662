/*
 * libnative.so: report at load that --native-bypass is missing
 *
 * Without the option a stub is an illegal instruction, on LoongArch a
 * breakpoint, on MIPS a system call. When this constructor runs, other
 * libraries may not be initialized. So it makes system calls itself: a library
 * that interposes signal() may not be ready.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>
#include <asm/unistd.h>

size_t native_strlen(const char *s) __attribute__((visibility("hidden")));

/* The system call, and the registers of its number and arguments */
#if defined(__x86_64__)
# define SYSCALL    "syscall"
# define REGISTERS  "rax", "rdi", "rsi", "rdx", "r10"
# define CLOBBERED  "rcx", "r11", "memory"
#elif defined(__i386__)
# define SYSCALL    "int $0x80"
# define REGISTERS  "eax", "ebx", "ecx", "edx", "esi"
# define CLOBBERED  "memory"
#elif defined(__aarch64__)
# define SYSCALL    "svc #0"
# define REGISTERS  "x8", "x0", "x1", "x2", "x3"
# define CLOBBERED  "memory"
#elif defined(__loongarch64)
# define SYSCALL    "syscall 0"
# define REGISTERS  "a7", "a0", "a1", "a2", "a3"
# define CLOBBERED  "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", \
                    "memory"
#elif defined(__riscv)
# define SYSCALL    "ecall"
# define REGISTERS  "a7", "a0", "a1", "a2", "a3"
# define CLOBBERED  "memory"
#elif defined(__s390x__)
# define SYSCALL    "svc 0"
# define REGISTERS  "r1", "r2", "r3", "r4", "r5"
# define CLOBBERED  "cc", "memory"
#elif defined(__arm__)
# define SYSCALL    "svc #0"
# define REGISTERS  "r7", "r0", "r1", "r2", "r3"
# define CLOBBERED  "memory"
#elif defined(__powerpc64__)
# define SYSCALL    "sc"
# define REGISTERS  "r0", "r3", "r4", "r5", "r6"
# define CLOBBERED  "r7", "r8", "r9", "r10", "r11", "r12", "cr0", "ctr", \
                    "xer", "memory"
#elif defined(__mips__)
# define SYSCALL    "syscall"
# define REGISTERS  "$2", "$4", "$5", "$6", "$7"
# define CLOBBERED  "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", \
                    "$15", "$24", "$25", "hi", "lo", "memory"
#endif

#define SYSCALL_IN(nr, arg0, arg1, arg2, arg3)                          \
    static void syscall(long number, long a, long b, long c, long d)    \
    {                                                                   \
        register long n asm(nr) = number;                               \
        register long r0 asm(arg0) = a;                                 \
        register long r1 asm(arg1) = b;                                 \
        register long r2 asm(arg2) = c;                                 \
        register long r3 asm(arg3) = d;                                 \
                                                                        \
        /* volatile, as its effect is not in its operands */             \
        asm volatile(SYSCALL : "+r" (n), "+r" (r0), "+r" (r1),          \
                     "+r" (r2), "+r" (r3) : : CLOBBERED);               \
    }
#define SYSCALL_WITH(...)   SYSCALL_IN(__VA_ARGS__)
SYSCALL_WITH(REGISTERS)

static void explain(void)
{
    static const char why[] =
        "libnative.so: this library needs QEMU's option --native-bypass\n";

    syscall(__NR_write, 2, (long)why, sizeof(why) - 1, 0);
    syscall(__NR_exit_group, 127, 0, 0, 0);
}

static __attribute__((constructor)) void check_option(void)
{
#ifdef __mips__
    /* getpid(), or with the option strlen("") */
    register size_t v0 asm("$2") = __NR_getpid;
    register const char *a0 asm("$4") = "";
    register const void *stub asm("$5") = native_strlen;

    /* volatile: getpid() is not a function of the operands. */
    asm volatile("jalr %1\n\tnop" : "+r" (v0), "+r" (stub), "+r" (a0) : :
                 "$6", "$7", "$31", CLOBBERED);
    if (v0) {
        explain();
    }
#else
    /*
     * The kernel's struct sigaction. The handler does not return, but x86
     * requires a restorer.
     */
    struct {
        void (*handler)(void);
        unsigned long flags;
        void (*restorer)(void);
        unsigned int mask[2];
    } action = { explain, 0x04000000, explain }, old;
#ifdef __loongarch64
    const int sig = 5;  /* SIGTRAP */
#else
    const int sig = 4;  /* SIGILL */
#endif

    syscall(__NR_rt_sigaction, sig, (long)&action, (long)&old,
            sizeof(action.mask));
    native_strlen("");
    syscall(__NR_rt_sigaction, sig, (long)&old, 0, sizeof(action.mask));
#endif
}
