/*
 * TBs kept in a file: NaNs of IEEE 754-2008 on MIPS
 *
 * With an argument, first run a signal handler that changes FCR31's rounding
 * mode.  Then check that this mode is 0, and that cvt.w.d of a NaN gives 0.
 * No C library is built with -mnan=2008, so the program makes system calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <asm/unistd.h>
#include <asm/signal.h>

static long call(long number, long a, long b, long c, long d)
{
    register long v0 asm("$2") = number;
    register long a0 asm("$4") = a;
    register long a1 asm("$5") = b;
    register long a2 asm("$6") = c;
    register long a3 asm("$7") = d;

    asm volatile("syscall" : "+r"(v0), "+r"(a3) : "r"(a0), "r"(a1), "r"(a2)
                 : "memory", "$1", "$3", "$8", "$9", "$10", "$11", "$12",
                   "$13", "$14", "$15", "$24", "$25", "hi", "lo");
    return v0;
}

static void handler(int sig)
{
    int down = 3;

    asm volatile("ctc1 %0, $31" : : "r"(down));
}

static void __attribute__((used)) start(const int *argc)
{
    static const struct sigaction sa = { .sa_handler = handler };
    double d = __builtin_nan("");
    int result, fcr31;

    if (*argc > 1) {
        call(__NR_rt_sigaction, SIGUSR1, (long)&sa, 0, sizeof(sa.sa_mask));
        call(__NR_kill, call(__NR_getpid, 0, 0, 0, 0), SIGUSR1, 0, 0);
    }
    asm volatile("cfc1    %1, $31\n\t"
                 "cvt.w.d %2, %2\n\t"
                 "mfc1    %0, %2" : "=r"(result), "=r"(fcr31), "+f"(d));
    call(__NR_exit, result ? 1 : fcr31 & 3 ? 2 : 0, 0, 0, 0);
}

asm(".globl  __start\n"
    ".ent    __start\n"
    "__start:\n\t"
    "move    $4, $29\n\t"
    "addiu   $29, $29, -32\n\t"
    "la      $25, start\n\t"
    "jr      $25\n\t"
    ".end    __start");
