/*
 * Tests of TBs kept in a file: the CPU state
 *
 * cache-state FILE N: the output is the same in each run.  The code in FILE
 * does not depend on N; N is 1 if PROT_BTI is set at first, else 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "cache-file.h"
#include <fenv.h>
#include <ucontext.h>

static unsigned long context_pc(void *context)
{
    ucontext_t *uc = context;

#if defined(__i386__)
    return uc->uc_mcontext.gregs[REG_EIP];
#elif defined(__x86_64__)
    return uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__arm__)
    return uc->uc_mcontext.arm_pc;
#elif defined(__riscv)
    return uc->uc_mcontext.__gregs[REG_PC];
#elif defined(__loongarch64)
    return uc->uc_mcontext.__pc;
#elif defined(__s390x__)
    return uc->uc_mcontext.psw.addr;
#elif defined(__powerpc__)
    return uc->uc_mcontext.gp_regs[PT_NIP];
#else
    return uc->uc_mcontext.pc;
#endif
}

/*
 * Faults inside TBs: the handler prints where, and lets the program continue.
 */
typedef volatile int Memory;    /* keeps accesses in order */

static Memory count;
static char *forbidden;
static sigjmp_buf leave;

static void fault(int sig, siginfo_t *info, void *context)
{
    printf("signal %d, code %d, pc %lx, count %d", sig, info->si_code,
           context_pc(context), count);
    if (sig == SIGSEGV) {
        printf(", at %zd\n", (char *)info->si_addr - forbidden);
        MUST(mprotect(forbidden, PAGE, PROT_READ | PROT_WRITE) == 0);
    } else {
        printf("\n");
        siglongjmp(leave, 1);
    }
}

static __attribute__((noinline))
int walk(Memory *a, Memory *b, int x, int y)
{
    int s = x * 3;

    count++;
    s += *a++ ^ y;
    count++;
    s += *b++ - x;
    count++;
    *b = s;
    count++;
    return s + *a + x * y;
}

#if defined(__i386__) || defined(__x86_64__) || defined(__mips__)
#define HAS_DIVIDE
static __attribute__((noinline)) int divide(int a, Memory *b)
{
    count++;
    a = a / *b;
    count++;
    return a;
}
#endif

static __attribute__((noinline)) void trap(void)
{
    count++;
    __builtin_trap();
}

static void faults(void)
{
    static const int faulting[] = { SIGSEGV, SIGFPE, SIGILL, SIGTRAP };
    struct sigaction sa = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
    int words[4] = { 1, 2, 3, 4 };

    for (int i = 0; i < 4; i++) {
        sigaction(faulting[i], &sa, NULL);
    }
    forbidden = map(PAGE, PROT_READ | PROT_WRITE);
    for (int i = 0; i < 6; i++) {
        int *bad = (int *)(forbidden + 16 * i), value;

        count = 0;
        bad[0] = 5;
        MUST(mprotect(forbidden, PAGE, i & 1 ? PROT_READ : PROT_NONE) == 0);
        value = i < 3 ? walk(words, bad, 10, i) : walk(bad, words, i, 7);
        printf("walk: %d, count %d\n", value, count);
    }
#ifdef HAS_DIVIDE
    for (int i = 0; i < 3; i++) {
        words[0] = i;
        count = 0;
        if (!sigsetjmp(leave, 1)) {
            printf("divided: %d\n", divide(100, words));
        }
    }
#endif
    for (int i = 0; i < 2; i++) {
        count = 0;
        if (!sigsetjmp(leave, 1)) {
            trap();
        }
    }
    signal(SIGTRAP, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    start();
}

/*
 * Translate each TB twice: before there are threads, and afterwards.
 */
static int shared_count;

static __attribute__((noinline)) unsigned work(int n)
{
    unsigned h = 1;

    for (int i = 0; i < n; i++) {
        unsigned old = i & 3, expected = 2;

        __atomic_fetch_add(&shared_count, 1, __ATOMIC_SEQ_CST);
        __atomic_compare_exchange_n(&old, &expected, h, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        h = h * 31 + old + expected;
    }
    return h;
}

static void *worker(void *arg)
{
    for (int i = 0; i < 20; i++) {
        MUST(work(100) == *(unsigned *)arg);
    }
    return NULL;
}

static void threads(void)
{
    unsigned alone = work(100);
    pthread_t thread[3];

    for (int i = 0; i < 3; i++) {
        thread[i] = start_thread(worker, &alone);
    }
    for (int i = 0; i < 20; i++) {
        MUST(work(100) == alone);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
    }
    printf("%u, %d\n", alone, shared_count);
}

/*
 * Floating point: the x87's stack, rounding, flags
 */
static __attribute__((noinline))
long double series(long double x, int n)
{
    long double sum = 0;

    while (n-- > 0) {
        sum = sum * x + 1 / (x + n);
    }
    return sum;
}

static void floats(void)
{
    static const int modes[] = {
        FE_TONEAREST,
#ifdef FE_UPWARD
        FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO,
#endif
    };
    volatile double one = 1, three = 3;     /* not known to the compiler */
    volatile float big = 1e30f;             /* nor this */

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        fesetround(modes[i]);
        printf("%La %a %a\n", series(0.3L, 40), one / three, 1 / big / big);
    }
    fesetround(FE_TONEAREST);
}

/*
 * Code mapped from a file
 */
static void put_states(char *p, int n)
{
#ifdef __arm__
    /* First word: a conditional store in A32, returns in Thumb */
    PUT32(PUT32(p, 0x47704770, 0xe3a00005), 0xe12fff1e);
#elif defined(__aarch64__)
    put_leaf(p, 5);                         /* no landing pad */
    put_leaf(PUT32(p + 64, 0xd503245f), 6); /* bti c */
    put_ret_arg(PUT32(p + 128, 0xd503201f));
#endif
}

static void states(const char *file, int n)
{
    int fd = make_code(file, O_TRUNC, put_states, 0);

#ifdef __arm__
    map_code(fd, RX, MAP_PRIVATE);
    for (int i = 0; i < 3; i++) {
        CHECK(call(CODE, (void *)9, NULL) == 5, "not A32");
        CHECK(call(CODE + 1, (void *)9, NULL) == 9, "not Thumb");
    }
#elif defined(__aarch64__)
    static const int guarded[] = { 0, 1, 0, 1, 1, 0 };

    if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI)) {
        return;
    }
    map_code(fd, RX | (n ? PROT_BTI : 0), MAP_PRIVATE);
    for (int i = 0; i < 6; i++) {
        int guard = guarded[i] ^ n;
        Result r;

        if (i) {
            MUST(mprotect(CODE, PAGE, RX | (guard ? PROT_BTI : 0)) == 0);
        } else {
            guard = n;
        }
        r = run(CODE, NULL, NULL);
        CHECK(guard ? r.sig == SIGILL && r.addr == CODE
              : r.sig == 0 && r.value == 5,
              "PROT_BTI %d, no pad: %d, signal %d", guard, r.value, r.sig);
        r = run(CODE + 64, NULL, NULL);
        CHECK(r.sig == 0 && r.value == 6,
              "PROT_BTI %d, a pad: %d, signal %d", guard, r.value, r.sig);
    }
#else
    map_code(fd, RX, MAP_PRIVATE);
#endif
}

int main(int argc, char **argv)
{
    start();
    faults();
    threads();
    floats();
    faults();
    states(argv[1], atoi(argv[2]));
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
