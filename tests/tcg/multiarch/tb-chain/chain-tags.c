/*
 * Tests of AArch64's tagged addresses: accesses, jumps, and fault reports
 *
 * TBs may leave tags in addresses until a process uses its first tag.  So each
 * case runs in three new processes: without a tag, with the first tag of that
 * process, and in one that has used tags before.  Results must be the same,
 * except for the tag itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

#ifndef PR_SET_TAGGED_ADDR_CTRL
#define PR_SET_TAGGED_ADDR_CTRL 55
#define PR_TAGGED_ADDR_ENABLE   1
#endif
#ifndef HWCAP_SVE
#define HWCAP_SVE   (1 << 22)
#endif
#ifndef HWCAP2_MTE
#define HWCAP2_MTE  (1 << 18)
#endif
#ifndef HWCAP2_MOPS
#define HWCAP2_MOPS (1ul << 43)
#endif

#define AREA    512

/* The results of a case, shared with its process */
typedef struct {
    uint64_t value;
    int sig, code;
    uint64_t addr, pc, handled_pc;
    char area[AREA];
} Seen;

static Seen *seen;
static char *memory;        /* accessed; begins with code that returns 21 */
static sigjmp_buf env;

/*
 * Each accesses memory near x0 + 16 or branches to x0.  x1 to x7 and v0 to v3
 * are free; x1 is the result.
 */
typedef uint64_t AccessFn(char *p);

#define ACCESSES(_)                                                         \
    _(ldrb,     0, 0,           "ldrb w1, [x0, 16]")                        \
    _(strb,     0, 0,           "strb w2, [x0, 16]")                        \
    _(ldr,      0, 0,           "ldr x1, [x0, 16]")                         \
    _(ldr_reg,  0, 0,           "mov x3, 2; ldr x1, [x0, x3, lsl 3]")       \
    _(ldr_pre,  0, 0,           "ldr x1, [x0, 16]!; add x1, x1, x0")        \
    _(ldr_post, 0, 0,           "add x0, x0, 16; ldr x1, [x0], 8;"          \
                                "add x1, x1, x0")                           \
    _(ldr_odd,  0, 0,           "ldr x1, [x0, 17]")                         \
    _(str,      0, 0,           "str x2, [x0, 16]")                         \
    _(str_odd,  0, 0,           "str x2, [x0, 19]")                         \
    _(ldp,      0, 0,           "ldp x1, x3, [x0, 16]; add x1, x1, x3")     \
    _(ldp_odd,  0, 0,           "add x0, x0, 1; ldp x1, x3, [x0, 16];"      \
                                "add x1, x1, x3")                           \
    _(stp,      0, 0,           "stp x2, x2, [x0, 16]")                     \
    _(ldr_q,    0, 0,           "ldr q0, [x0, 16]; umov x1, v0.d[1]")       \
    _(str_q,    0, 0,           "dup v0.2d, x2; str q0, [x0, 16]")          \
    _(ldp_q,    0, 0,           "ldp q0, q1, [x0, 16]; umov x1, v1.d[0]")   \
    _(ld1,      0, 0,           "add x3, x0, 16;"                           \
                                "ld1 {v0.16b-v3.16b}, [x3]; umov x1, v3.d[1]") \
    _(st4,      0, 0,           "add x3, x0, 16; dup v0.2d, x2;"            \
                                "dup v1.2d, x0; lsl x4, x0, 8;"             \
                                "dup v1.2d, x4; mov v2.16b, v0.16b;"        \
                                "mov v3.16b, v1.16b;"                       \
                                "st4 {v0.4s-v3.4s}, [x3]")                  \
    _(prfm,     0, 0,           "prfm pldl1keep, [x0, 16]")                 \
    _(ldar,     0, 0,           "add x3, x0, 16; ldar x1, [x3]")            \
    _(stlr,     0, 0,           "add x3, x0, 16; stlr x2, [x3]")            \
    _(ldxr,     0, 0,           "add x3, x0, 16; ldxr x1, [x3];"            \
                                "stxr w4, x2, [x3]; add x1, x1, x4")        \
    /* The exclusive monitor ignores the tag. */                            \
    _(ldxr_tag, 0, 0,           "add x3, x0, 16; and x5, x3, 0xffffffffffffff;" \
                                "ldxr x1, [x5]; stxr w4, x2, [x3];"         \
                                "add x1, x1, x4")                           \
    _(stxr_tag, 0, 0,           "add x3, x0, 16; and x5, x3, 0xffffffffffffff;" \
                                "ldxr x1, [x3]; stxr w4, x2, [x5];"         \
                                "add x1, x1, x4")                           \
    _(ldxp,     0, 0,           "add x3, x0, 16; ldxp x1, x4, [x3];"        \
                                "stxp w5, x2, x1, [x3]; add x1, x1, x5")    \
    _(ldxp_odd, 0, 0,           "add x3, x0, 24; ldxp x1, x4, [x3]")        \
    _(ldadd,    0, 0,           ".arch_extension lse; add x3, x0, 16;"      \
                                "ldadd x2, x1, [x3]")                       \
    _(cas,      0, 0,           ".arch_extension lse; add x3, x0, 16;"      \
                                "ldr x1, [x3]; casal x1, x2, [x3]")         \
    _(casp,     0, 0,           ".arch_extension lse; add x3, x0, 16;"      \
                                "ldp x4, x5, [x3]; mov x6, x2; mov x7, 3;"  \
                                "casp x4, x5, x6, x7, [x3]; add x1, x4, x5") \
    _(casp_odd, 0, 0,           ".arch_extension lse; add x3, x0, 24;"      \
                                "mov x4, 0; mov x5, 0; mov x6, x2; mov x7, 3;" \
                                "casp x4, x5, x6, x7, [x3]")                \
    _(dc_zva,   0, 0,           "add x3, x0, 80; dc zva, x3")               \
    /* ld1b {z0.b}, p0/z, [x3]; st1b {z0.b}, p0, [x0] */                    \
    _(sve,      HWCAP_SVE, 0,   ".inst 0x2518e3e0; add x3, x0, 16;"         \
                                ".inst 0xa400a060; .inst 0xe400e000")       \
    /* cpyfp, cpyfm, cpyfe: [x3]!, [x4]!, x5! */                            \
    _(cpyf,     0, HWCAP2_MOPS, "add x3, x0, 16; add x4, x0, 100; mov x5, 40;" \
                                ".inst 0x190404a3; .inst 0x194404a3;"       \
                                ".inst 0x198404a3; sub x1, x3, x0")         \
    /* setp, setm, sete: [x3]!, x5!, x2 */                                  \
    _(set,      0, HWCAP2_MOPS, "add x3, x0, 16; mov x5, 40;"               \
                                ".inst 0x19c204a3; .inst 0x19c244a3;"       \
                                ".inst 0x19c284a3; sub x1, x3, x0")         \
    /* stg x0, [x3]; ldg x1, [x3] */                                        \
    _(stg,      0, HWCAP2_MTE,  "add x3, x0, 16; .inst 0xd9200860;"         \
                                "mov x1, 0; .inst 0xd9600061")              \
    /* stzg x0, [x3] */                                                     \
    _(stzg,     0, HWCAP2_MTE,  "add x3, x0, 16; .inst 0xd9600860")         \
    _(br,       0, 0,           "adr x30, 1f; br x0; 1: mov x1, x0")        \
    _(blr,      0, 0,           "blr x0; mov x1, x0")                       \
    _(ret,      0, 0,           "mov x3, x0; adr x30, 1f; ret x3;"          \
                                "1: mov x1, x0")

#define DEFINE(name, hwcap, hwcap2, text)                                   \
    static uint64_t access_##name(char *p)                                  \
    {                                                                       \
        register uint64_t x0 asm("x0") = (uintptr_t)p;                      \
        register uint64_t x1 asm("x1") = 0;                                 \
        register uint64_t x2 asm("x2") = 0x123456789abcdef0;                \
                                                                            \
        asm volatile(text                                                   \
                     : "+r"(x0), "+r"(x1) : "r"(x2)                         \
                     : "x3", "x4", "x5", "x6", "x7", "x30", "v0", "v1",     \
                       "v2", "v3", "cc", "memory");                         \
        return x1;                                                          \
    }
ACCESSES(DEFINE)

static const struct {
    const char *name;
    uint64_t hwcap, hwcap2;
    AccessFn *fn;
} accesses[] = {
#define ROW(name, hwcap, hwcap2, text) { #name, hwcap, hwcap2, access_##name },
    ACCESSES(ROW)
};
#define N_ACCESSES  (sizeof(accesses) / sizeof(accesses[0]))

static uint64_t tagged(void *p, int tag)
{
    return (uintptr_t)p | (uint64_t)tag << 56;
}

static void handler(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    seen->sig = sig;
    seen->code = info->si_code;
    seen->addr = (uintptr_t)info->si_addr;
    seen->pc = uc->uc_mcontext.pc;
    siglongjmp(env, 1);
}

static char load(uint64_t addr)
{
    return __atomic_load_n((char *)addr, __ATOMIC_RELAXED);
}

/* Call @fn in a new process, after the use of a tag if @used. */
static Seen in_process(bool used, void (*fn)(uint64_t, int), uint64_t arg,
                       int i)
{
    int status;
    pid_t pid;

    memset(seen, 0, sizeof(*seen));
    pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        alarm(20);
        if (used) {
            MUST(load(tagged(memory, 0x5a)) == memory[0]);
        }
        if (!sigsetjmp(env, 1)) {
            fn(arg, i);
        }
        memcpy(seen->area, memory, AREA);
        _exit(0);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0, "status 0x%x", status);
    return *seen;
}

static void do_access(uint64_t addr, int i)
{
    seen->value = accesses[i].fn((char *)addr);
}

static bool same(const Seen *a, const Seen *b)
{
    return a->value == b->value && a->sig == b->sig && a->code == b->code
           && a->addr == b->addr && a->pc == b->pc
           && !memcmp(a->area, b->area, AREA);
}

static void report(const char *name, const char *what, uint64_t addr,
                   const Seen *a, const Seen *b)
{
    CHECK(same(a, b), "%s, 0x%lx: %s: value 0x%lx and 0x%lx, signal %d and "
          "%d, code %d and %d, at 0x%lx and 0x%lx, pc 0x%lx and 0x%lx, "
          "memory is %s", name, (long)addr, what, (long)a->value,
          (long)b->value, a->sig, b->sig, a->code, b->code, (long)a->addr,
          (long)b->addr, (long)a->pc, (long)b->pc,
          memcmp(a->area, b->area, AREA) ? "not the same" : "the same");
}

/* Pre- and post-index leave the tag in the result: remove it. */
static void without_tag(Seen *s)
{
    s->value &= 0xffffffffffffff;
}

static void test_access(int i)
{
    static const int tags[] = { 1, 0x3c, 0x7f, 0x80, 0xff };
    static const uint64_t wild[] = {
        0, 8, 0x4141414141414141, 0x41c1414141414141, 0x007fffffffffff00,
        0x0080000000000000, 0x0100000000000000, 0x0100000000000010,
        0x00ffffffff600000, 0x00ffffffffffff00, 0xff7fffffffffff00,
        0xff80000000000000, 0xffff800000000000, 0xffff7fffffffff00,
        -1, -16, -4096, 0x12ffffffffffff00, 0x8000000000000000,
        0x0000ffffffffff00, 0x000100000000a000, 0x1200ffffffffff00,
    };
    uint64_t addr = (uintptr_t)memory;
    Seen plain = in_process(false, do_access, addr, i);

    without_tag(&plain);
    for (size_t t = 0; t < sizeof(tags) / sizeof(tags[0]); t++) {
        uint64_t with = tagged(memory, tags[t]);
        Seen first = in_process(false, do_access, with, i);
        Seen later = in_process(true, do_access, with, i);

        report(accesses[i].name, "first tag, later", with, &first, &later);
        /* stg stores the tag, and ldg reads it back. */
        if (strcmp(accesses[i].name, "stg")) {
            without_tag(&first);
            report(accesses[i].name, "no tag, first", with, &plain, &first);
        }
    }
    for (size_t w = 0; w < sizeof(wild) / sizeof(wild[0]); w++) {
        Seen first = in_process(false, do_access, wild[w], i);
        Seen later = in_process(true, do_access, wild[w], i);

        report(accesses[i].name, "wild, later", wild[w], &first, &later);
    }
}

static void do_write(uint64_t addr, int fd)
{
    seen->value = write(fd, (void *)addr, 4) == 4 ? 4 : errno;
}

static void do_enabled(uint64_t addr, int fd)
{
    MUST(prctl(PR_SET_TAGGED_ADDR_CTRL, PR_TAGGED_ADDR_ENABLE, 0, 0, 0) == 0);
    do_write(addr, fd);
    seen->value += load(addr);
    MUST(prctl(PR_SET_TAGGED_ADDR_CTRL, 0, 0, 0, 0) == 0);
    seen->value += load(addr) << 8;
}

/* sigreturn keeps a tag in pc, a branch does not. */
static void go_to(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    uc->uc_mcontext.regs[30] = uc->uc_mcontext.pc;
    uc->uc_mcontext.pc = seen->handled_pc;
}

static void do_sigreturn(uint64_t addr, int i)
{
    struct sigaction sa = { .sa_sigaction = go_to, .sa_flags = SA_SIGINFO };

    seen->handled_pc = addr;
    MUST(sigaction(SIGUSR1, &sa, NULL) == 0);
    raise(SIGUSR1);
    seen->value = 1;
}

static int spins;

static void timer(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    CHECK(uc->uc_mcontext.pc >> 56 == 0, "pc 0x%lx in a signal frame",
          (long)uc->uc_mcontext.pc);
    if (++spins == 20) {
        siglongjmp(env, 1);
    }
}

/* Signal frames in a loop of tagged branches have no tag in pc. */
static void do_spin(uint64_t addr, int i)
{
    struct sigaction sa = { .sa_sigaction = timer, .sa_flags = SA_SIGINFO };
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } };

    MUST(sigaction(SIGPROF, &sa, NULL) == 0);
    MUST(setitimer(ITIMER_PROF, &often, NULL) == 0);
    ((void (*)(uint64_t))addr)(addr);
}

static void *in_thread(void *arg)
{
    return (void *)(uintptr_t)load((uintptr_t)arg);
}

/* Each thread has its own first tag, before or after others. */
static void do_threads(uint64_t addr, int i)
{
    for (int n = 0; n < 8; n++) {
        pthread_t t = start_thread(in_thread, (void *)(n & 1 ? addr
                                                       : (uint64_t)memory));
        void *result;

        pthread_join(t, &result);
        seen->value += (uintptr_t)result;
    }
}

static void test_other(const char *name, void (*fn)(uint64_t, int),
                       uint64_t addr, int arg)
{
    Seen first = in_process(false, fn, addr, arg);
    Seen later = in_process(true, fn, addr, arg);

    report(name, "first tag, later", addr, &first, &later);
}

int main(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL };
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
    int fds[2];
    char *p;

    for (int i = 0; i < 3; i++) {
        MUST(sigaction(signals[i], &sa, NULL) == 0);
    }
    seen = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    MUST(seen != MAP_FAILED);
    memory = map(2 * PAGE, RWX);
    for (int i = 0; i < AREA; i++) {
        memory[i] = i * 7;
    }
    p = put_return(put_load(memory, 21));
    flush(memory, p - memory);

    for (size_t i = 0; i < N_ACCESSES; i++) {
        if ((getauxval(AT_HWCAP) & accesses[i].hwcap) == accesses[i].hwcap
            && (getauxval(AT_HWCAP2) & accesses[i].hwcap2)
               == accesses[i].hwcap2) {
            test_access(i);
        }
    }

    MUST(pipe(fds) == 0);
    test_other("write", do_write, tagged(memory, 0x12), fds[1]);
    test_other("write, enabled", do_enabled, tagged(memory, 0x12), fds[1]);
    test_other("sigreturn", do_sigreturn, tagged(memory, 0x12), 0);
    test_other("sigreturn", do_sigreturn, (uintptr_t)memory, 0);
    test_other("threads", do_threads, tagged(memory, 0x12), 0);

    p = map(PAGE, RWX);
    put_jump_arg(p, 0);
    flush(p, 16);
    test_other("spin", do_spin, tagged(p, 0x12), 0);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
