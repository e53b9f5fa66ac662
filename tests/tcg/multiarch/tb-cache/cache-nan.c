/*
 * TBs kept in a file: 2008's NaNs on MIPS (o32, no C library is built for them)
 *
 * Exit with the lowest byte of what a NaN is as an integer.  With an argument,
 * return from a signal handler before that.
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
}

__attribute__((used)) static void start(const int *argc)
{
    static const struct sigaction sa = { .sa_handler = handler };
    static volatile double nan = __builtin_nan("");
    int result;
    double d = nan;

    if (*argc > 1) {
        call(__NR_rt_sigaction, SIGUSR1, (long)&sa, 0, sizeof(sa.sa_mask));
        call(__NR_kill, call(__NR_getpid, 0, 0, 0, 0), SIGUSR1, 0, 0);
    }
    asm("cvt.w.d %1, %1\n\t"
        "mfc1    %0, %1" : "=r"(result), "+f"(d));
    call(__NR_exit, result & 255, 0, 0, 0);
}

asm(".globl  __start\n"
    ".ent    __start\n"
    "__start:\n\t"
    "move    $4, $29\n\t"
    "addiu   $29, $29, -32\n\t"
    "la      $25, start\n\t"
    "jr      $25\n\t"
    ".end    __start");
