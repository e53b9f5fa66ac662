/*
 * Tests of TB chaining: comparisons, and branches that depend on them
 *
 * All guests: the compiler's code for comparisons with constants.  Arm: flags,
 * and operands whose high half must be ignored.  MIPS: a delay slot that
 * changes the operands that its branch has compared.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

static const int64_t values[] = {
    0, 1, 2, 127, 128, 255, 256, 4095, 4096, 65535,
    0x7fffffff, 0x80000000, 0x80000001, 0xff000000, 0xffffffff,
    0x100000000, 0x100000001, 0x10000000000, 0x7fffffff80000000,
    INT64_MAX, INT64_MIN, INT64_MIN + 1, -4096, -2, -1,
};

enum { VALUES = sizeof(values) / sizeof(values[0]) };

/* Unsigned less-than that compares single bits only */
static bool below(uint64_t a, uint64_t b)
{
    for (int i = 63; i >= 0; i--) {
        if ((a ^ b) >> i & 1) {
            return b >> i & 1;
        }
    }
    return false;
}

static uint64_t sign_of(int bits)
{
    return 1ULL << (bits - 1);
}

static uint64_t low(uint64_t v, int bits)
{
    return v & (sign_of(bits) | (sign_of(bits) - 1));
}

/* A bit for each of == != < <= > >=, and for the last four unsigned */
static int relations(uint64_t a, uint64_t b, int bits)
{
    uint64_t s = sign_of(bits);

    a = low(a, bits);
    b = low(b, bits);
    return (a == b) | (a != b) << 1 |
           below(a ^ s, b ^ s) << 2 | !below(b ^ s, a ^ s) << 3 |
           below(b ^ s, a ^ s) << 4 | !below(a ^ s, b ^ s) << 5 |
           below(a, b) << 6 | !below(b, a) << 7 |
           below(b, a) << 8 | !below(a, b) << 9;
}

#define BRANCH(n, cond) \
    do { \
        if (cond) { \
            asm volatile("" : "+r"(r)); \
            r |= 1 << (n); \
        } \
    } while (0)

#define COMPARE(type, utype, bits, v, c) \
    do { \
        utype a = (v); \
        int r = 0, want = relations(v, c, bits); \
        BRANCH(0, a == (utype)(c)); \
        BRANCH(1, a != (utype)(c)); \
        BRANCH(2, (type)a < (type)(c)); \
        BRANCH(3, (type)a <= (type)(c)); \
        BRANCH(4, (type)a > (type)(c)); \
        BRANCH(5, (type)a >= (type)(c)); \
        BRANCH(6, a < (utype)(c)); \
        BRANCH(7, a <= (utype)(c)); \
        BRANCH(8, a > (utype)(c)); \
        BRANCH(9, a >= (utype)(c)); \
        CHECK(r == want, #type " %llx and " #c ": %x, not %x", \
              (unsigned long long)a, r, want); \
    } while (0)

#define CONSTANT(v, c) \
    do { \
        COMPARE(int32_t, uint32_t, 32, v, c); \
        COMPARE(int64_t, uint64_t, 64, v, c); \
    } while (0)

static void constants(int64_t v)
{
    CONSTANT(v, 0);
    CONSTANT(v, 1);
    CONSTANT(v, 128);
    CONSTANT(v, 4095);
    CONSTANT(v, 4096);
    CONSTANT(v, 0x7fffffff);
    CONSTANT(v, 0x80000000);
    CONSTANT(v, 0xff000000);
    CONSTANT(v, -1);
}

#if defined(__aarch64__) || defined(__arm__)
/* N, Z, C and V of a - b */
static int flags(uint64_t a, uint64_t b, int bits)
{
    uint64_t d;

    a = low(a, bits);
    b = low(b, bits);
    d = low(a - b, bits);
    return !!(d & sign_of(bits)) << 3 | !d << 2 | !below(a, b) << 1 |
           !!((a ^ b) & (a ^ d) & sign_of(bits));
}
#endif

#if defined(__aarch64__)
#define CMP(v, c) \
    do { \
        uint64_t f, g, d; \
        asm volatile("cmp %2, %3\n\t" \
                     "mrs %0, nzcv\n\t" \
                     "cmp %w2, %3\n\t" \
                     "mrs %1, nzcv" \
                     : "=&r"(f), "=&r"(g) : "r"(v), "i"(c) : "cc"); \
        CHECK(f >> 28 == flags(v, c, 64) && g >> 28 == flags(v, c, 32), \
              "%llx and " #c ": %x, %x, not %x, %x", (long long)(v), \
              (int)(f >> 28), (int)(g >> 28), flags(v, c, 64), \
              flags(v, c, 32)); \
        asm("subs %0, %1, %2" : "=r"(d) : "r"(v), "i"(c) : "cc"); \
        CHECK(d == (uint64_t)(v) - (c), "subs " #c); \
        asm("subs %w0, %w1, %2" : "=r"(d) : "r"(v), "i"(c) : "cc"); \
        CHECK(d == (uint32_t)((v) - (c)), "subs " #c " of 32 bits"); \
    } while (0)

#define OPERATION(insn, a, b, want) \
    do { \
        uint64_t d; \
        asm(insn : "=r"(d) : "r"(a), "r"(b) : "cc"); \
        CHECK(d == (uint32_t)(want), "%s of %llx and %llx: %llx", insn, \
              (long long)(a), (long long)(b), (long long)d); \
    } while (0)

#define SKIPS(insn, v, want) \
    do { \
        int r = 1; \
        asm volatile(insn ", 1f\n\tmov %w0, 0\n1:" : "+r"(r) : "r"(v)); \
        CHECK(r == (want), "%s of %llx: %d", insn, (long long)(v), r); \
    } while (0)

#define TEST_BIT(v, n) \
    do { \
        SKIPS("tbnz %1, " #n, v, (int)((v) >> n & 1)); \
        SKIPS("tbz %1, " #n, v, (int)(~(v) >> n & 1)); \
    } while (0)

/* 32-bit operations, which must ignore the high halves */
static void halves(int64_t a, int64_t b)
{
    uint32_t x = a, y = b;
    uint64_t f;

    OPERATION("add %w0, %w1, %w2", a, b, x + y);
    OPERATION("sub %w0, %w1, %w2", a, b, x - y);
    OPERATION("adds %w0, %w1, %w2", a, b, x + y);
    OPERATION("subs %w0, %w1, %w2", a, b, x - y);
    OPERATION("add %w0, %w1, %w2, lsl 3", a, b, x + (y << 3));
    OPERATION("sub %w0, %w1, %w2, lsr 3", a, b, x - (y >> 3));
    OPERATION("subs %w0, %w1, %w2, asr 3", a, b, x - ((int32_t)y >> 3));
    OPERATION("and %w0, %w1, %w2", a, b, x & y);
    OPERATION("ands %w0, %w1, %w2", a, b, x & y);
    OPERATION("eor %w0, %w1, %w2", a, b, x ^ y);
    OPERATION("orn %w0, %w1, %w2", a, b, x | ~y);
    OPERATION("bics %w0, %w1, %w2", a, b, x & ~y);
    OPERATION("eor %w0, %w1, %w2, lsr 3", a, b, x ^ y >> 3);
    OPERATION("orr %w0, %w1, %w2, ror 8", a, b, x | (y >> 8 | y << 24));
    asm volatile("cmp %w1, %w2\n\tmrs %0, nzcv"
                 : "=r"(f) : "r"(a), "r"(b) : "cc");
    CHECK(f >> 28 == flags(a, b, 32), "cmp of 32 bits: %x", (int)(f >> 28));
    asm volatile("tst %w1, %w2\n\tmrs %0, nzcv"
                 : "=r"(f) : "r"(a), "r"(b) : "cc");
    CHECK(f >> 28 == ((x & y) >> 31 << 3 | !(x & y) << 2), "tst: %x",
          (int)(f >> 28));
}

static void guest(int64_t v)
{
    CMP(v, 0);
    CMP(v, 1);
    CMP(v, 128);
    CMP(v, 4095);
    CMP(v, 4096);
    CMP(v, 0xfff000);
    SKIPS("cbz %w1", v, !(int32_t)v);
    SKIPS("cbnz %w1", v, !!(int32_t)v);
    SKIPS("cbz %1", v, !v);
    SKIPS("cbnz %1", v, !!v);
    TEST_BIT(v, 0);
    TEST_BIT(v, 7);
    TEST_BIT(v, 8);
    TEST_BIT(v, 31);
    TEST_BIT(v, 32);
    TEST_BIT(v, 40);
    TEST_BIT(v, 63);
    for (int i = 0; i < VALUES; i++) {
        halves(v, values[i]);
    }
}

#elif defined(__arm__)
#define CMP(v, c) \
    do { \
        uint32_t f, d; \
        asm volatile("cmp %1, %2\n\tmrs %0, cpsr" \
                     : "=r"(f) : "r"(v), "i"(c) : "cc"); \
        CHECK(f >> 28 == flags(v, c, 32), "%x and " #c ": %x, not %x", \
              v, f >> 28, flags(v, c, 32)); \
        asm("subs %0, %1, %2" : "=r"(d) : "r"(v), "i"(c) : "cc"); \
        CHECK(d == v - (c), "subs " #c); \
    } while (0)

#define ALL_CMP(v) \
    do { \
        CMP(v, 0); \
        CMP(v, 1); \
        CMP(v, 128); \
        CMP(v, 255); \
        CMP(v, 0x3fc00000); \
        CMP(v, 0x80000000); \
        CMP(v, 0xff000000); \
    } while (0)

static __attribute__((target("arm"))) void arm_code(uint32_t v)
{
    ALL_CMP(v);
}

static __attribute__((target("thumb"))) void thumb_code(uint32_t v)
{
    ALL_CMP(v);
}

static void guest(int64_t v)
{
    arm_code(v);
    thumb_code(v);
}

#elif defined(__mips__)
static char *hidden, *code;

/* Restart at the branch whose delay slot has faulted. */
static void handler(int sig, siginfo_t *si, void *ctx)
{
    MUST(si->si_addr == hidden);
    MUST(mprotect(hidden, PAGE, PROT_READ) == 0);
}

/* Whether the branch is taken; its delay slot changes its operands. */
#define TAKEN(insn, slot) \
    ({ \
        long x = a, y = b, r; \
        asm volatile(".set push\n\t" \
                     ".set noreorder\n\t" \
                     insn ", 1f\n\t" \
                     slot "\n\t" \
                     "b 2f\n\t" \
                     "li %0, 0\n" \
                     "1:\tli %0, 1\n" \
                     "2:\n\t" \
                     ".set pop" \
                     : "=&r"(r), "+r"(x), "+r"(y) : "r"(hidden)); \
        r; \
    })

#define SLOT(insn, slot, want) \
    CHECK(TAKEN(insn, slot) == (want), "%s of %lx, %lx; %s", insn, a, b, slot)

#define ALL_SLOTS(insn, want) \
    do { \
        SLOT(insn, "nop", want); \
        SLOT(insn, "move %1, %2", want); \
        SLOT(insn, "not %1, %1", want); \
        SLOT(insn, "move %2, $0", want); \
        SLOT(insn, "lbu %1, 0($sp)", want); \
        MUST(mprotect(hidden, PAGE, PROT_NONE) == 0); \
        SLOT(insn, "lbu %1, 0(%3)", want); \
    } while (0)

/* The result of a made branch whose delay slot stores to its own page */
static long made(uint32_t insn, long a, long b)
{
    long (*f)(long, long, long, void *) = (void *)code;

    PUT32(code + 0, insn | 3);          /* to code + 16 */
    PUT32(code + 4, 0xace60000);        /* sw a2, 0(a3) */
    PUT32(code + 8, 0x03e00008, 0x24020000);    /* jr ra; li v0, 0 */
    PUT32(code + 16, 0x03e00008, 0x24020001);
    flush(code, 24);
    return f(a, b, 1, code + 32);
}

static void guest(int64_t v)
{
    long a = v, b = 1;

    for (int i = 0; i < VALUES; i++) {
        b = values[i];
        ALL_SLOTS("beq %1, %2", a == b);
        ALL_SLOTS("bne %1, %2", a != b);
        CHECK(made(0x10850000, a, b) == (a == b), "beq, made");
        CHECK(made(0x14850000, a, b) == (a != b), "bne, made");
    }
    ALL_SLOTS("beqz %1", a == 0);
    ALL_SLOTS("bnez %1", a != 0);
    ALL_SLOTS("bgez %1", a >= 0);
    ALL_SLOTS("bgtz %1", a > 0);
    ALL_SLOTS("blez %1", a <= 0);
    ALL_SLOTS("bltz %1", a < 0);
}

#else
static void guest(int64_t v)
{
}
#endif

int main(void)
{
#ifdef __mips__
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    hidden = map(PAGE, PROT_NONE);
    code = map(2 * PAGE, RWX);
    MUST(sigaction(SIGSEGV, &sa, NULL) == 0);
#endif
    for (int i = 0; i < VALUES; i++) {
        constants(values[i]);
        guest(values[i]);
    }
#ifdef __mips__
    /* The delay slot is in the next page. */
    code += PAGE - 4;
    for (int i = 0; i < VALUES; i++) {
        guest(values[i]);
    }
#endif
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
