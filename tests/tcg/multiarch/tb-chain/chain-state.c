/*
 * Tests of TB chaining: the CPU state
 *
 * The same jumps reach the same address in different CPU states.  A TB that
 * was translated for another state would give another result.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define ROUNDS      300

static char *page_a, *page_b;   /* adjacent ones */

#define EXPECT(code, arg0, arg1, want) \
    do { \
        int got_ = call(code, (void *)(uintptr_t)(arg0), \
                        (void *)(uintptr_t)(arg1)), want_ = want; \
        CHECK(got_ == want_, "round %d: %d, not %d", round, got_, want_); \
    } while (0)

/*
 * Atomic operations of the only thread need no atomicity; once there are other
 * threads, they do.
 */
#define THREADS     4
#define ADDS        20000

static int total, ready;
static void *jump_to;

static __attribute__((noinline, aligned(4096))) int add(void *arg0, void *arg1)
{
    return __atomic_add_fetch(&total, 1, __ATOMIC_RELAXED);
}

static __attribute__((noinline, aligned(4096))) void add_by_call(int n)
{
    while (n--) {
        add(NULL, NULL);
    }
}

static __attribute__((noinline, aligned(4096))) void add_by_pointer(int n)
{
    Code *pointer = add;

    while (n--) {
        pointer(NULL, NULL);
    }
}

static __attribute__((noinline, aligned(4096))) void add_by_jump(int n)
{
    while (n--) {
        call(jump_to, add, NULL);
    }
}

static void add_all(int n)
{
    for (int i = 0; i < 10; i++) {
        add_by_call(n / 10);
        add_by_pointer(n / 10);
        add_by_jump(n / 10);
    }
}

static void *add_thread(void *opaque)
{
    __atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&ready, __ATOMIC_SEQ_CST) < THREADS) {
        sched_yield();
    }
    add_all(ADDS);
    return NULL;
}

static void first_threads(void)
{
    pthread_t threads[THREADS];

    jump_to = put_link(page_a, POINTER_JUMP, NULL);
    add_all(ADDS);
    for (int i = 1; i < THREADS; i++) {
        threads[i] = start_thread(add_thread, NULL);
    }
    add_thread(NULL);
    for (int i = 1; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK(total == 3 * ADDS * (1 + THREADS), "%d additions, not %d", total,
          3 * ADDS * (1 + THREADS));
}

#if defined(__i386__) || defined(__x86_64__)
#include <ucontext.h>

#define TF          0x100
#define AC          0x40000
#define NOPS        5

static int traps;
static uintptr_t last_trap;

static void trapped(int sig, siginfo_t *info, void *opaque)
{
    ucontext_t *context = opaque;

#ifdef __x86_64__
    last_trap = context->uc_mcontext.gregs[REG_RIP];
#else
    last_trap = context->uc_mcontext.gregs[REG_EIP];
#endif
    traps++;
}

/* Page A sets the flags, page B clears TF and AC and returns the old flags. */
static void test_state(void)
{
    static const uint8_t set_flags[] = {
#ifdef __x86_64__
        0x57, 0x9d                          /* push %rdi; popf */
#else
        0xff, 0x74, 0x24, 0x04, 0x9d        /* push 4(%esp); popf */
#endif
    };
    struct sigaction sa = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
    char *a = page_a, *b = page_b, *p, *end = b;

    sigaction(SIGTRAP, &sa, NULL);
    for (int i = 0; i < NOPS; i++) {
        end = put_nop(end);
    }
    /* pushf; mov (%esp), %eax; and $~(TF | AC), (%esp); popf */
    end = PUT8(end, 0x9c, 0x8b, 0x04, 0x24, 0x81, 0x24, 0x24);
    end = PUT8(PUT32(end, ~(TF | AC)), 0x9d);
    put_return(end);
    p = put_code(a, set_flags, sizeof(set_flags));
    put_jump(p, b);
    p = put_code(a + 64, set_flags, sizeof(set_flags));
    put_jump_arg(p, 1);

    for (int round = 0; round < ROUNDS; round++) {
        char *code = a + 64 * (round & 1);
        int flags = round < 20 ? 0 : (round & 2 ? AC : 0) |
            (round % 16 > 13 ? TF : 0);
        int got;

        traps = 0;
        got = call(code, (void *)(uintptr_t)(flags | 2), b) & (TF | AC);
        CHECK(got == flags, "flags 0x%x, not 0x%x", got, flags);
        /* A trap after each instruction from the jump to the last popf */
        CHECK(traps == (flags & TF ? 1 + NOPS + 4 : 0), "%d traps", traps);
        CHECK(!traps || last_trap == (uintptr_t)end,
              "last trap at 0x%lx, not %p", (long)last_trap, end);
    }
}
#endif

#ifdef __aarch64__
#include <sys/prctl.h>

/* A TB is translated for one vector length. */
static void test_state(void)
{
    int lengths[3];

    for (int i = 0; i < 3; i++) {
        lengths[i] = prctl(PR_SVE_SET_VL, 16 << i) & PR_SVE_VL_LEN_MASK;
    }
    if (lengths[0] == lengths[2]) {
        printf("skipped: no SVE, or one vector length only\n");
        return;
    }
    put_return(PUT32(page_b, 0x0420e3e0));  /* cntb x0 */
    flush(page_b, 16);
    for (Kind kind = 0; kind < RETURN_TO_B; kind++) {
        void *code = put_link(page_a, kind, page_b);

        for (int round = 0; code && round < ROUNDS; round++) {
            int length = lengths[round / 10 % 3];

            MUST(prctl(PR_SVE_SET_VL, length) >= 0);
            EXPECT(code, page_b, NULL, length);
        }
    }
}
#endif

#ifdef __arm__
/* The code returns 2 as A32, 1 as Thumb. */
static void put_both_ways(char *p)
{
    PUT32(p, 0xe0032001);                   /* and r2, r3, r1 */
    PUT16(put_leaf(p + 4, 2), 0x4770);      /* Thumb: movs r0, #1; b .+10 */
    flush(p, 16);
}

static void thumb_and_arm(void)
{
    char *both = page_b, *jump[20];
    int count = 0;

    put_both_ways(both);
    for (int mode = 0; mode < 2; mode++) {
        thumb = mode;
        for (Kind kind = POINTER_JUMP; kind <= POINTER_RETURN; kind++) {
            char *p = page_a + 64 * count;

            put_link(p, kind, NULL);
            jump[count++] = entry(p);
        }
        /* ldr pc, [r1], with r1 an address on the stack */
        jump[count] = page_a + 64 * count;
        if (thumb) {
            PUT16(jump[count], 0xf8d1, 0xf000);
        } else {
            PUT32(jump[count], 0xe591f000);
        }
        jump[count] = entry(jump[count]);
        count++;
    }
    thumb = false;
    flush(page_a, PAGE);
    for (int round = 0; round < ROUNDS * count; round++) {
        int want = round < 100 ? 1 : 1 + (round / 3 & 1);
        char *to = both + (want == 1);

        EXPECT(jump[round % count], to, &to, want);
    }

    /* b and blx with the address in the instruction */
    count = 0;
    for (int mode = 0; mode < 2; mode++) {
        char *p = page_a + 64 * count;

        thumb = mode;
        put_jump(p, both);
        jump[count++] = entry(p);
        p = page_a + 64 * count;
        if (thumb) {                        /* from the aligned PC */
            PUT16(put_t32_branch(PUT16(p, 0x46f4), 0xe800, both + 2), 0x4760);
        } else {
            PUT32(put_a32_branch(PUT32(p, 0xe1a0c00e), 0xfa000000, both),
                  0xe12fff1c);
        }
        jump[count++] = entry(p);
    }
    thumb = false;
    flush(page_a, PAGE);
    for (int round = 0; round < ROUNDS * count; round++) {
        static const int want[] = { 2, 1, 1, 2 };

        EXPECT(jump[round % count], NULL, NULL, want[round % count]);
    }
}

/* The instruction that IT makes conditional is on the next page. */
static void it_over_pages(void)
{
    char *a = page_b - 4;

    thumb = true;
    PUT16(a, 0x2900, 0xbf08);               /* cmp r1, #0; it eq */
    PUT16(page_b, 0x2007, 0x4770);            /* movs r0, #7 or moveq; bx lr */
    flush(a, 16);
    put_link(page_a, DIRECT_JUMP, page_b);
    put_link(page_a + 64, POINTER_JUMP, page_b);
    for (int round = 0; round < ROUNDS; round++) {
        EXPECT(a + 1, 5, 0, 7);
        EXPECT(a + 1, 5, 1, 5);
        EXPECT(page_b + 1, 5, 1, 7);
        EXPECT(page_a + 1, 5, round, 7);
        EXPECT(page_a + 65, page_b + 1, round, 7);
    }
    thumb = false;
}

/* The length of vectors is in FPSCR. */
static int add_vectors(void *code, int length)
{
    float sum;
    unsigned fpscr;

    asm volatile("vmrs %1, fpscr\n\t"
                 "vmov.f32 s9, #5\n\t"
                 "vmov.f32 s16, #1\n\t"
                 "vmov.f32 s17, #1\n\t"
                 "vmov.f32 s24, #2\n\t"
                 "vmov.f32 s25, #2\n\t"
                 "vmsr fpscr, %3\n\t"
                 "blx %2\n\t"
                 "vmsr fpscr, %1\n\t"
                 "vmov %0, s9"
                 : "=r"(sum), "=&r"(fpscr)
                 : "r"(code), "r"((length - 1) << 16)
                 : "lr", "ip", "r0", "cc", "s8", "s9", "s16", "s17", "s24",
                   "s25");
    return sum;
}

static void vector_length(void)
{
    put_return(PUT32(page_b, 0xee384a0c));  /* vadd.f32 s8, s16, s24 */
    flush(page_b, 16);
    if (add_vectors(page_b, 2) != 3) {
        printf("skipped: no VFP vectors\n");
        return;
    }
    for (Kind kind = 0; kind < POINTER_JUMP; kind++) {
        void *code = put_link(page_a, kind, page_b);

        for (int round = 0; code && round < ROUNDS; round++) {
            int length = 1 + (round / 3 & 1), got = add_vectors(code, length);

            CHECK(got == (length == 1 ? 5 : 3), "%s: vectors of %d: %d",
                  kind_name[kind], length, got);
        }
    }
}

static void test_state(void)
{
    thumb_and_arm();
    it_over_pages();
    vector_length();
}
#endif

#ifdef __mips__
#if _MIPS_SIM == _ABIO32
static void put_mips16(char *p, int n)
{
    const uint16_t code[] = { 0x6a00 | n, 0xe820, 0x6500 };

    memcpy(p, code, sizeof(code));          /* li v0, n; jr ra; nop */
}

/* Separate functions, and code that returns 2, or 1 as MIPS16 */
static void mips16(void)
{
    const uint16_t first[] = {
        0x101d,                             /* MIPS16: b .+60 */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        0x0000                              /* beq $0, $29, ... */
#else
        0x2403                              /* addiu $3, $0, ... */
#endif
    };
    char *both = page_b, *other = page_b + 128;
    int round = 0;

    memcpy(both, first, sizeof(first));
    put_leaf(both + 4, 2);
    put_mips16(both + 60, 1);
    put_mips16(other, 3);
    flush(page_b, PAGE);
    for (Kind kind = POINTER_JUMP; kind <= POINTER_RETURN; kind++) {
        void *code = put_link(page_a, kind, NULL);

        for (round = 0; round < ROUNDS; round++) {
            EXPECT(code, both, NULL, 2);
            EXPECT(code, other + 1, NULL, 3);
            EXPECT(code, both + 1, NULL, 1);
        }
    }

    put_call(page_a, both);
    put_call(page_a + 64, both);
    PUT32(page_a + 68, 0x74000000 | jump_target(both)); /* jalx */
    flush(page_a, PAGE);
    for (round = 0; round < ROUNDS; round++) {
        EXPECT(page_a, NULL, NULL, 2);
        EXPECT(page_a + 64, NULL, NULL, 1);
    }
}
#else
static void mips16(void)
{
    printf("skipped: MIPS16 is for mips and mipsel\n");
}
#endif

/* Delay slots on the next page; branches go to 64 bytes after the slot. */
static void delay_slots(void)
{
    char *a = page_b - 8, *b = page_b, *c = a - 64, *page_c = page_b + PAGE;

    /* 3 if the slot is annulled, else 7; plus 1 if it branches */
    PUT32(put_load(a, 3), 0x50800000 | 16); /* beqzl a0, ... */
    put_leaf(b, 7);
    put_return(PUT32(b + 64, 0x24420001));  /* addiu v0, v0, 1 */
    /* The same with beqz, at the end of the next page */
    PUT32(put_load(page_c - 8, 3), 0x10800000 | 16);
    put_leaf(page_c, 7);
    put_return(PUT32(page_c + 64, 0x24420001));
    put_jump(c, b);
    flush(a - 64, 256);
    flush(page_c - 64, 256);
    for (int round = 0; round < ROUNDS; round++) {
        EXPECT(a, 0, NULL, 8);
        EXPECT(a, 1, NULL, 3);
        EXPECT(b, round & 1, NULL, 7);
        EXPECT(c, round & 1, NULL, 7);
        EXPECT(page_c - 8, 0, NULL, 8);
        EXPECT(page_c - 8, 1, NULL, 7);
        EXPECT(page_c, round & 1, NULL, 7);
    }
    put_leaf(b, 17);
    put_leaf(page_c, 27);
    flush(b, 16);
    flush(page_c, 16);
    for (int round = 0; round < 3; round++) {
        EXPECT(a, 0, NULL, 18);
        EXPECT(a, 1, NULL, 3);
        EXPECT(c, 1, NULL, 17);
        EXPECT(page_c - 8, 0, NULL, 28);
        EXPECT(page_c - 8, 1, NULL, 27);
    }
}

static void test_state(void)
{
    mips16();
    delay_slots();
}
#endif

#ifdef __riscv
/*
 * A TB is translated for vl being the most that vtype allows or not, and for
 * vstart being 0 or not.  Page A sets v8 to 0, sets these from @state, and
 * goes to page B, which sets all elements of v8 to 1 and returns the first 32
 * bits.
 */
static void test_state(void)
{
    static struct {
        uint64_t vl, vtype;
        char *bytes;        /* for vle8ff.v, which reduces vl at a fault */
    } state;
    static const struct {
        int vl, sew;        /* sew: 0 for 8 bits, 1 for 16, ... */
        int loads, want;
    } states[] = {
        { 1, 0, 16, 0x1 }, { 16, 0, 16, 0x01010101 }, { 16, 0, 3, 0x01010101 },
        { 3, 0, 2, 0x010101 }, { 8, 1, 16, 0x00010001 }, { 2, 0, 16, 0x0101 },
        { 16, 0, 1, 0x01010101 }, { 1, 1, 16, 0x1 }, { 2, 3, 16, 0x1 },
    };
    static const uint32_t ends[3][2] = {
        { 0x00000013, 0x00000013 },
        { 0x03038487, 0x00000013 },     /* vle8ff.v v9, (t2) */
        { 0x0080d073, 0x5e00b4d7 },     /* csrwi vstart, 1; vmv.v.i v9, 1 */
    };
    char *end = page_b + 2 * PAGE, *p;

    if (!(getauxval(AT_HWCAP) & 1 << ('v' - 'a'))) {
        printf("skipped: no V\n");
        return;
    }
    /* vcpop.m t0, v8, which requires vstart = 0; vmv.v.i v8, 1 */
    p = PUT32(page_b, 0x428822d7, 0x5e00b457);
    /* vsetivli zero, 2, e64, m1, ta, ma; vmv.x.s a0, v8 */
    put_return(PUT32(p, 0xcd817057, 0x42802557));
    flush(page_b, 32);
    MUST(mprotect(end, PAGE, PROT_NONE) == 0);

    for (int i = 0; i < 3 * RETURN_TO_B; i++) {
        Kind kind = i / 3;

        if (kind == RUNS_ON || kind == SPANS) {
            continue;
        }
        /* ld t0, 0(a1); ld t1, 8(a1); ld t2, 16(a1) */
        p = PUT32(page_a, 0x0005b283, 0x0085b303, 0x0105b383);
        /* vsetivli zero, 16, e8, m1, ta, ma; vmv.v.i v8, 0 */
        p = PUT32(p, 0xcc087057, 0x5e003457);
        /* vsetvl zero, t0, t1 */
        p = PUT32(p, 0x8062f057, ends[i % 3][0], ends[i % 3][1]);
        put_link(p, kind, page_b);
        flush(page_a, PAGE);
        for (int round = 0; round < ROUNDS; round++) {
            int n = round / 2 % (sizeof(states) / sizeof(states[0]));
            int want = states[n].want;

            state.vl = states[n].vl;
            state.vtype = 0xc0 | states[n].sew << 3;
            state.bytes = end - (round & 1 ? 16 : states[n].loads);
            if (i % 3 == 1 && !(round & 1) && states[n].loads < states[n].vl) {
                want &= (1ull << 8 * states[n].loads) - 1;
            }
            EXPECT(page_a, page_b, &state, want);
        }
    }
}
#endif

#ifdef __loongarch64
/*
 * The first use of a vector unit enables it, which changes the TB flags.
 * Page B uses it if argument 1 is not NULL.
 */
static void test_state(void)
{
    static const uint32_t uses[][2] = {
        { 0x73e10020, 0x72efe004 },     /* vldi.w vr0, 1; vpickve2gr.w a0 */
        { 0x77e10040, 0x76efdc04 },     /* xvldi.w xr0, 2; xvpickve2gr.w a0 */
    };
    int id = (uintptr_t)page_b;

    for (int i = 0; i < 2; i++) {
        if (!(getauxval(AT_HWCAP) & 1 << (4 + i))) {
            printf("skipped: no vectors of %d bytes\n", 16 << i);
            return;
        }
        /* beqz a1, .+12 */
        put_return(PUT32(page_b, 0x40000ca0, uses[i][0], uses[i][1]));
        flush(page_b, 16);
        for (Kind kind = 0; kind < RETURN_TO_B; kind++) {
            void *code = put_link(page_a, kind, page_b);

            for (int round = 0; code && round < 3 * ROUNDS; round++) {
                bool use = round >= ROUNDS && round != 2 * ROUNDS;

                EXPECT(code, page_b, use, use ? 1 + i : id);
            }
        }
    }
}
#endif

#ifdef __s390x__
#include <sys/time.h>

/* EX_T: the EXECUTEd instruction, of which %r3 gives a byte */
#define EX_T        128
#define EX_JUMP     (EX_T + 2 * 8)

static const struct {
    int byte;
    int times, plus;        /* result = argument 0 * times + plus */
} executed[] = {
    { 0x29, 0, 8 },         /* lghi %r2, 8 */
    { 0x2b, 1, 8 },         /* aghi %r2, 8 */
    { 0x2d, 8, 0 },         /* mghi %r2, 8 */
    { 0xf4, 0, 77 },        /* j .+16 */
    { 0x00, 1, 0 },         /* tmlh %r0, 8 */
};

static void execute(void)
{
    char *b = page_b, *t = b + EX_T, copied[4] = "";

    put_return(put_ril(b, 0xc630, t));              /* exrl %r3, ... */
    PUT16(t, 0xa700, 8);
    put_leaf(b + EX_JUMP, 77);
    flush(b, PAGE);
    for (Kind kind = 0; kind < RETURN_TO_B; kind++) {
        void *code = put_link(page_a, kind, b);

        if (kind == SPANS) {
            continue;
        }
        for (int round = 0; round < ROUNDS; round++) {
            int i = round / 2 % (sizeof(executed) / sizeof(executed[0]));
            unsigned arg = (uintptr_t)b;

            EXPECT(code, b, executed[i].byte,
                   arg * executed[i].times + executed[i].plus);
        }
    }

    /* lghi %r4, 2; exrl %r4, ... of mvc 0(1, %r2), 0(%r3) */
    put_leaf(put_ril(PUT16(b, 0xa749, 2), 0xc640, t), 7);
    PUT16(t, 0xd200, 0x2000, 0x3000);
    flush(b, PAGE);
    for (int round = 0; round < ROUNDS; round++) {
        char from[4] = { round, round >> 8, 'x', 'y' };

        EXPECT(b, copied, from, 7);
        CHECK(!memcmp(copied, from, 3) && !copied[3], "EXECUTE of MVC");
    }
}

static volatile int signals;    /* volatile, as a handler counts them */

static void count_signal(int sig)
{
    signals++;
}

/* No signal comes between EXECUTE and its target instruction. */
static void execute_with_signals(void)
{
    struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { };
    int round = 0;

    put_return(put_ril(page_b, 0xc630, page_b + EX_T));
    PUT16(page_b + EX_T, 0xa700, 8);
    flush(page_b, PAGE);
    on_signal(SIGPROF, count_signal);
    setitimer(ITIMER_PROF, &often, NULL);
    while (signals < 100) {
        EXPECT(page_b, round, 0x2b, round + 8);
        round++;
    }
    setitimer(ITIMER_PROF, &never, NULL);
}

/* The page ends before the lazy condition code is computed. */
static void condition_code(void)
{
    /* cgr %r2, %r3 */
    PUT16(page_b - 4, 0xb920, 0x0023);
    /* lghi %r2, 1; je .+8; lghi %r2, 2 */
    put_leaf(PUT16(put_load(page_b, 1), 0xa784, 4), 2);
    flush(page_b - 4, 32);
    for (int round = 0; round < ROUNDS; round++) {
        EXPECT(page_b - 4, 5, 5 + round % 3, round % 3 ? 2 : 1);
    }
}

/* The bit above BASR's 31-bit address tells the addressing mode. */
static void addressing(void)
{
    char *a = mmap((void *)0x3c000000, 2 * PAGE, RWX,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *b = a + PAGE;
    void *code[8];
    int n = 0;

    MUST(a < (char *)0x7fff0000);
    put_return(PUT16(b, 0x0d20, 0x010e));           /* basr %r2, 0; sam64 */
    /* With and without sam31: falling through, a direct, an indirect jump */
    code[n++] = a + PAGE - 2;
    put_code(a + PAGE - 4, (uint16_t []) { 0x0700, 0x010d }, 4);
    code[n++] = b;
    code[n++] = a;
    put_jump(PUT16(a, 0x010d), b);
    code[n++] = a + 64;
    put_jump(a + 64, b);
    code[n++] = a + 128;
    put_jump_arg(PUT16(a + 128, 0x010d), 0);
    code[n++] = a + 192;
    put_jump_arg(a + 192, 0);
    /* A conditional one */
    code[n++] = a + 256;
    put_cond(PUT16(a + 256, 0x010d), b);
    code[n++] = a + 320;
    put_cond(a + 320, b);
    flush(a, PAGE + 16);
    for (int round = 0; round < ROUNDS * n; round++) {
        int i = round / 3 % n;
        int want = (int)(uintptr_t)(b + 2) | (i & 1 ? 0 : 1u << 31);

        EXPECT(code[i], b, NULL, want);
    }
    munmap(a, 2 * PAGE);
}

static void test_state(void)
{
    execute();
    execute_with_signals();
    condition_code();
    addressing();
}
#endif

#ifdef __powerpc64__
#define BE32(n)     __builtin_bswap32(n)

/* At a trap, continue as big-endian code, or return as little-endian code. */
static void swap_order(int sig, siginfo_t *info, void *opaque)
{
    unsigned long *r = ((ucontext_t *)opaque)->uc_mcontext.gp_regs;

    r[PT_MSR] ^= 1;
    r[PT_NIP] = r[PT_MSR] & 1 ? r[PT_R11] : r[PT_NIP] + 4;
}

/* Code of both byte orders at the same address */
static void test_state(void)
{
    struct sigaction sa = {
        .sa_sigaction = swap_order, .sa_flags = SA_SIGINFO
    };
    char *big = page_a + 256;

    MUST(sigaction(SIGTRAP, &sa, NULL) == 0);
    /* b .+96; big-endian: ori r0, r0, 72; li r3, 2; trap */
    PUT32(page_b, 0x48000060, BE32(0x38600002), BE32(0x7fe00008));
    put_leaf(page_b + 96, 1);
    flush(page_b, PAGE);
    PUT32(big, 0x7d6802a6, 0x7fe00008);         /* mflr r11; trap */
    for (Kind kind = 0; kind < RETURN_TO_B; kind++) {
        void *code = put_link(page_a, kind, page_b);

        switch (kind) {
        case DIRECT_JUMP:
            PUT32(big + 8, BE32(0x48000000 | (page_b - big - 8)));
            break;
        case POINTER_JUMP:                      /* mtctr r3; bctr */
            PUT32(big + 8, BE32(0x7c6903a6), BE32(0x4e800420));
            break;
        case POINTER_RETURN:                    /* mtlr r3; blr */
            PUT32(big + 8, BE32(0x7c6803a6), BE32(0x4e800020));
            break;
        default:
            continue;
        }
        flush(big, 16);
        for (int round = 0; round < ROUNDS; round++) {
            EXPECT(code, page_b, NULL, 1);
            EXPECT(big, page_b, NULL, 2);
        }
    }
}
#endif

#ifdef __i386__
#include <asm/ldt.h>
#include <sys/syscall.h>

static unsigned make_segment(unsigned number, unsigned base, bool code32)
{
    struct user_desc desc = {
        .entry_number = number, .base_addr = base, .limit = 0xfffff,
        .limit_in_pages = 1, .seg_32bit = code32,
        .contents = MODIFY_LDT_CONTENTS_CODE,
    };

    MUST(syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)) == 0);
    return number << 3 | 7;
}

/*
 * The same address in segments of different bases, where code reads another
 * EIP, and in a 16-bit segment, where it decodes differently.
 */
static void segments(void)
{
    struct Far {
        uint32_t offset;
        uint16_t segment;
    } __attribute__((packed)) far[4];
    unsigned base = (uintptr_t)page_b - 0x1000, flat;
    char *eip = page_b, *both = page_b + 64;

    asm("mov %%cs, %0" : "=r"(flat));
    /* call .+5; pop %eax; lret */
    PUT8(eip, 0xe8, 0, 0, 0, 0, 0x58, 0xcb);
    /* mov $0x08eb0001, %eax; in 16 bits: mov $1, %ax; jmp .+10 */
    PUT8(both, 0xb8, 0x01, 0x00, 0xeb, 0x08);
    PUT8(put_load(both + 5, 2), 0xcb);      /* lret */
    PUT8(both + 13, 0x66, 0xcb);            /* in 16 bits: lretl */
    /* mov 4(%esp), %ecx; lcall *(%ecx); ret */
    PUT8(page_a, 0x8b, 0x4c, 0x24, 0x04, 0xff, 0x19, 0xc3);

    far[0] = (struct Far) { (uintptr_t)eip, flat };
    far[1] = (struct Far) { (uintptr_t)eip - base, make_segment(1, base, 1) };
    far[2] = (struct Far) { (uintptr_t)eip - 0x1000,
                            make_segment(2, 0x1000, 1) };
    far[3] = (struct Far) { (uintptr_t)both - base, make_segment(3, base, 0) };
    for (int round = 0; round < ROUNDS; round++) {
        struct Far far_flat = { (uintptr_t)both, flat };

        for (int i = 0; i < 3; i++) {
            EXPECT(page_a, &far[i], NULL, far[i].offset + 5);
        }
        EXPECT(page_a, &far_flat, NULL, 2);
        CHECK((call(page_a, &far[3], NULL) & 0xffff) == 1, "16 bits");
    }
}
#endif

int main(void)
{
    start();
    page_a = map(4 * PAGE, RWX);
    page_b = page_a + PAGE;
    first_threads();
    test_state();
#ifdef __i386__
    segments();
#endif
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
