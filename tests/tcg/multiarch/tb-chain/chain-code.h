/*
 * Tests of TB chaining: guest code made at run time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CHAIN_CODE_H
#define CHAIN_CODE_H

#include <errno.h>
#include <pthread.h>
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

/* AArch64's, which older C library headers lack */
#ifndef PROT_BTI
#define PROT_BTI    0x10
#endif
#ifndef HWCAP2_BTI
#define HWCAP2_BTI  (1 << 17)
#endif

#define PAGE    ((size_t)getauxval(AT_PAGESZ))
#define RWX     (PROT_READ | PROT_WRITE | PROT_EXEC)

/* QEMU's PowerPC has one code for both. */
#ifdef __powerpc__
# define ACCERR SEGV_MAPERR
#else
# define ACCERR SEGV_ACCERR
#endif

static int failures;

#define CHECK(cond, ...) \
    do { \
        if (!(cond)) { \
            printf("%s:%d: ", __FILE__, __LINE__); \
            printf(__VA_ARGS__); \
            printf("\n"); \
            if (++failures == 20) { \
                exit(EXIT_FAILURE); \
            } \
        } \
    } while (0)

/* Exit if this fails. */
#define MUST(cond) \
    do { \
        if (!(cond)) { \
            printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #cond, \
                   strerror(errno)); \
            exit(EXIT_FAILURE); \
        } \
    } while (0)

/* The unit of stores to code; @thumb is for Arm only. */
#if defined(__i386__) || defined(__x86_64__)
typedef uint8_t Unit;
#else
typedef uint16_t Unit;
#endif
static bool thumb;

/* Do not write unchanged units: other threads may be executing them. */
static inline char *put_code(char *p, const void *code, size_t size)
{
    const Unit *from = code;
    volatile Unit *to = (volatile Unit *)p; /* no memcpy() of bytes */

    for (size_t i = 0; i < size / sizeof(Unit); i++) {
        if (to[i] != from[i]) {
            to[i] = from[i];
        }
    }
    return p + size;
}

#define PUT(type, p, ...) \
    put_code(p, (const type[]) { __VA_ARGS__ }, \
             sizeof((const type[]) { __VA_ARGS__ }))
#define PUT8(p, ...)    PUT(uint8_t, p, __VA_ARGS__)
#define PUT16(p, ...)   PUT(uint16_t, p, __VA_ARGS__)
#define PUT32(p, ...)   PUT(uint32_t, p, __VA_ARGS__)

/* Programs for x86 do not flush, so neither do the tests. */
static inline void flush(void *p, size_t size)
{
#if !defined(__i386__) && !defined(__x86_64__)
    __builtin___clear_cache(p, (char *)p + size);
#endif
}

/*
 * For each guest; all return the end of the code that they put at @p:
 *
 *   put_load       result = n, of 15 bits; if below 128, only one Unit varies
 *   put_return, put_nop
 *   put_jump       to an address within 1 MiB
 *   put_call       call such an address, and return its result
 *   put_cond       jump, by a conditional branch that is taken
 *   put_jump_arg   jump to argument 0 or 1
 *   put_call_arg   call argument 0, and return its result
 *   put_ret_arg    jump to argument 0 by an instruction that usually returns
 *   put_caller     call argument 0, a C function, then return n
 *   put_span       an instruction at the end of a page, with put_load() on
 *                  the next page as its rest or its delay slot: returns its
 *                  address, or NULL if the guest has no such instruction
 */
#if defined(__i386__) || defined(__x86_64__)
static inline char *put_load(char *p, int n)
{
    return PUT32(PUT8(p, 0xb8), n);
}

static inline char *put_return(char *p)
{
    return PUT8(p, 0xc3);
}

static inline char *put_nop(char *p)
{
    return PUT8(p, 0x90);
}

static inline char *put_jump(char *p, char *to)
{
    return PUT32(PUT8(p, 0xe9), to - (p + 5));
}

static inline char *put_call(char *p, char *to)
{
    return put_return(PUT32(PUT8(p, 0xe8), to - (p + 5)));
}

static inline char *put_cond(char *p, char *to)
{
    return PUT32(PUT8(p, 0x31, 0xc0, 0x0f, 0x84), to - (p + 8));
}

#define put_span put_span
static inline char *put_span(char *end)
{
    PUT8(end - 1, 0x2e);                /* a prefix */
    return end - 1;
}

#ifdef __x86_64__
static inline char *put_jump_arg(char *p, int i)
{
    return PUT8(p, 0xff, 0xe7 - i);
}

static inline char *put_call_arg(char *p)
{
    return PUT8(p, 0xff, 0xd7, 0xc3);
}

static inline char *put_ret_arg(char *p)
{
    return PUT8(p, 0x57, 0xc3);         /* push %rdi; ret */
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT8(p, 0x48, 0x83, 0xec, 0x08, 0xff, 0xd7);
    return PUT8(put_load(*after_call, n), 0x48, 0x83, 0xc4, 0x08, 0xc3);
}
#else
static inline char *put_jump_arg(char *p, int i)
{
    return PUT8(p, 0xff, 0x64, 0x24, 4 + 4 * i);
}

static inline char *put_call_arg(char *p)
{
    return PUT8(p, 0xff, 0x54, 0x24, 0x04, 0xc3);
}

static inline char *put_ret_arg(char *p)
{
    return PUT8(p, 0xff, 0x74, 0x24, 0x04, 0xc3);
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT8(p, 0x83, 0xec, 0x0c, 0xff, 0x54, 0x24, 0x10);
    return PUT8(put_load(*after_call, n), 0x83, 0xc4, 0x0c, 0xc3);
}
#endif
#elif defined(__aarch64__)
static inline char *put_load(char *p, int n)
{
    return PUT32(p, 0x52800000 | n << 5);
}

static inline char *put_return(char *p)
{
    return PUT32(p, 0xd65f03c0);
}

static inline char *put_nop(char *p)
{
    return PUT32(p, 0xd503201f);
}

static inline char *put_jump(char *p, char *to)
{
    return PUT32(p, 0x14000000 | ((to - p) >> 2 & 0x3ffffff));
}

/* mov x9, x30; bl; ret x9 */
static inline char *put_call(char *p, char *to)
{
    return PUT32(p, 0xaa1e03e9, 0x94000000 | ((to - p - 4) >> 2 & 0x3ffffff),
                 0xd65f0120);
}

/* cbz xzr */
static inline char *put_cond(char *p, char *to)
{
    return PUT32(p, 0xb400001f | ((to - p) >> 2 & 0x7ffff) << 5);
}

static inline char *put_jump_arg(char *p, int i)
{
    return PUT32(p, 0xd61f0000 | i << 5);
}

static inline char *put_call_arg(char *p)
{
    return PUT32(p, 0xaa1e03e9, 0xd63f0000, 0xd65f0120);
}

static inline char *put_ret_arg(char *p)
{
    return PUT32(p, 0xd65f0000);        /* ret x0 */
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT32(p, 0xa9bf7bfd, 0xd63f0000);
    return PUT32(put_load(*after_call, n), 0xa8c17bfd, 0xd65f03c0);
}
#elif defined(__arm__)
static inline char *put_load(char *p, int n)
{
    return thumb ? PUT16(p, 0xf240 | n >> 12 | (n >> 11 & 1) << 10,
                         (n >> 8 & 7) << 12 | (n & 255))
                 : PUT32(p, 0xe3000000 | (n & 0xf000) << 4 | (n & 0xfff));
}

static inline char *put_return(char *p)
{
    return thumb ? PUT16(p, 0x4770) : PUT32(p, 0xe12fff1e);
}

static inline char *put_nop(char *p)
{
    return thumb ? PUT16(p, 0xbf00) : PUT32(p, 0xe1a00000);
}

static inline char *put_a32_branch(char *p, uint32_t insn, char *to)
{
    return PUT32(p, insn | ((to - p - 8) >> 2 & 0xffffff));
}

static inline char *put_t32_branch(char *p, uint16_t second, char *to)
{
    int off = to - p - 4;

    return PUT16(p, 0xf000 | (off < 0) << 10 | (off >> 12 & 0x3ff),
                 second | (off >> 1 & 0x7ff));
}

static inline char *put_jump(char *p, char *to)
{
    return thumb ? put_t32_branch(p, 0xb800, to)
                 : put_a32_branch(p, 0xea000000, to);
}

/* mov r12, lr; bl; bx r12 */
static inline char *put_call(char *p, char *to)
{
    return thumb
        ? PUT16(put_t32_branch(PUT16(p, 0x46f4), 0xf800, to), 0x4760)
        : PUT32(put_a32_branch(PUT32(p, 0xe1a0c00e), 0xeb000000, to),
                0xe12fff1c);
}

/* cmp r0, r0; beq */
static inline char *put_cond(char *p, char *to)
{
    int off = to - (p + 2) - 4;

    return thumb ? PUT16(p, 0x4280,
                         0xf000 | (off < 0) << 10 | (off >> 12 & 0x3f),
                         0x8000 | (off < 0) * 0x2800 | (off >> 1 & 0x7ff))
                 : put_a32_branch(PUT32(p, 0xe1500000), 0x0a000000, to);
}

static inline char *put_jump_arg(char *p, int i)
{
    return thumb ? PUT16(p, 0x4700 | i << 3) : PUT32(p, 0xe12fff10 | i);
}

static inline char *put_call_arg(char *p)
{
    return thumb ? PUT16(p, 0x46f4, 0x4780, 0x4760)
                 : PUT32(p, 0xe1a0c00e, 0xe12fff30, 0xe12fff1c);
}

/* push { r0 }; pop { pc } */
static inline char *put_ret_arg(char *p)
{
    return thumb ? PUT16(p, 0xb401, 0xbd00)
                 : PUT32(p, 0xe52d0004, 0xe49df004);
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = p = thumb ? PUT16(p, 0xb508, 0x4780)
                            : PUT32(p, 0xe92d4008, 0xe12fff30);
    p = put_load(p, n);
    return thumb ? PUT16(p, 0xbd08) : PUT32(p, 0xe8bd8008);
}
#elif defined(__mips__)
static inline char *put_load(char *p, int n)
{
    return PUT32(p, 0x34020000 | n);
}

static inline char *put_return(char *p)
{
    return PUT32(p, 0x03e00008, 0);
}

static inline char *put_nop(char *p)
{
    return PUT32(p, 0);
}

static inline uint32_t jump_target(char *to)
{
    return (uintptr_t)to >> 2 & 0x3ffffff;
}

static inline char *put_jump(char *p, char *to)
{
    return PUT32(p, 0x08000000 | jump_target(to), 0);
}

/* move $8, $31; jal; jr $8 */
static inline char *put_call(char *p, char *to)
{
    return PUT32(p, 0x03e04025, 0x0c000000 | jump_target(to), 0, 0x01000008, 0);
}

/* b */
static inline char *put_cond(char *p, char *to)
{
    return PUT32(p, 0x10000000 | ((to - p - 4) >> 2 & 0xffff), 0);
}

#define put_span put_span
static inline char *put_span(char *end)
{
    PUT32(end - 4, 0x03e00008);         /* jr $31 */
    return end - 4;
}

/* Through $25, for C functions */
static inline char *put_jump_arg(char *p, int i)
{
    return PUT32(p, 0x0080c825 | i << 21, 0x03200008, 0);
}

static inline char *put_call_arg(char *p)
{
    return PUT32(p, 0x03e04025, 0x0080c825, 0x0320f809, 0, 0x01000008, 0);
}

static inline char *put_ret_arg(char *p)
{
    return PUT32(p, 0x00800408, 0);     /* jr.hb $4 */
}

static inline char *put_caller(char *p, int n, char **after_call)
{
#if _MIPS_SIM == _ABIO32
    p = PUT32(p, 0x27bdffe0, 0xafbf001c);
#else
    p = PUT32(p, 0x67bdffe0, 0xffbf0018);
#endif
    *after_call = PUT32(p, 0x0080c825, 0x0320f809, 0);
    p = put_load(*after_call, n);
#if _MIPS_SIM == _ABIO32
    return PUT32(p, 0x8fbf001c, 0x03e00008, 0x27bd0020);
#else
    return PUT32(p, 0xdfbf0018, 0x03e00008, 0x67bd0020);
#endif
}
#elif defined(__riscv)
/* lui; addi */
static inline char *put_load(char *p, int n)
{
    return PUT32(p, 0x00000537 | ((n + 0x800) & ~0xfff),
                 0x00050513 | (uint32_t)n << 20);
}

static inline char *put_return(char *p)
{
    return PUT32(p, 0x00008067);
}

static inline char *put_nop(char *p)
{
    return PUT32(p, 0x00000013);
}

static inline char *put_jal(char *p, int rd, char *to)
{
    uint32_t off = to - p;

    return PUT32(p, 0x6f | rd << 7 | (off & 0xff000) | (off >> 11 & 1) << 20 |
                    (off >> 1 & 0x3ff) << 21 | (off >> 20 & 1) << 31);
}

static inline char *put_jump(char *p, char *to)
{
    return put_jal(p, 0, to);
}

/* mv t1, ra; jal; jr t1 */
static inline char *put_call(char *p, char *to)
{
    return PUT32(put_jal(PUT32(p, 0x00008313), 1, to), 0x00030067);
}

/* beq zero, zero: to @to or, if that is too far, to a jump there */
static inline char *put_cond(char *p, char *to)
{
    uint32_t off = to - p;

    if ((int32_t)off < -4096 || (int32_t)off >= 4096) {
        off = 8;
    }
    p = PUT32(p, 0x63 | (off >> 11 & 1) << 7 | (off >> 1 & 15) << 8 |
                 (off >> 5 & 63) << 25 | (off >> 12 & 1) << 31);
    return put_jump(put_nop(p), to);
}

static inline char *put_jump_arg(char *p, int i)
{
    return PUT32(p, 0x00050067 | i << 15);
}

static inline char *put_call_arg(char *p)
{
    return PUT32(p, 0x00008313, 0x000500e7, 0x00030067);
}

/* mv t0, a0; jr t0: also a return */
static inline char *put_ret_arg(char *p)
{
    return PUT32(p, 0x00050293, 0x00028067);
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT32(p, 0xff010113, 0x00113423, 0x000500e7);
    return PUT32(put_load(*after_call, n), 0x00813083, 0x01010113, 0x00008067);
}
#elif defined(__loongarch64)
/* lu12i.w; ori */
static inline char *put_load(char *p, int n)
{
    return PUT32(p, 0x14000004 | (n >> 12 & 0xfffff) << 5,
                 0x03800084 | (n & 0xfff) << 10);
}

static inline char *put_return(char *p)
{
    return PUT32(p, 0x4c000020);
}

static inline char *put_nop(char *p)
{
    return PUT32(p, 0x03400000);
}

/* B or BL */
static inline char *put_b26(char *p, uint32_t opcode, char *to)
{
    uint32_t off = (to - p) >> 2;

    return PUT32(p, opcode | (off & 0xffff) << 10 | (off >> 16 & 0x3ff));
}

static inline char *put_jump(char *p, char *to)
{
    return put_b26(p, 0x50000000, to);
}

/* move t1, ra; bl; jr t1 */
static inline char *put_call(char *p, char *to)
{
    return PUT32(put_b26(PUT32(p, 0x0015002d), 0x54000000, to), 0x4c0001a0);
}

/* beq zero, zero: to @to or, if that is too far, to a jump there */
static inline char *put_cond(char *p, char *to)
{
    uint32_t off = (to - p) >> 2;

    if ((int32_t)off < -0x8000 || (int32_t)off >= 0x8000) {
        off = 2;
    }
    p = PUT32(p, 0x58000000 | (off & 0xffff) << 10);
    return put_jump(put_nop(p), to);
}

static inline char *put_jump_arg(char *p, int i)
{
    return PUT32(p, 0x4c000080 | i << 5);
}

static inline char *put_call_arg(char *p)
{
    return PUT32(p, 0x0015002d, 0x4c000081, 0x4c0001a0);
}

/* move t0, a0; jr t0 */
static inline char *put_ret_arg(char *p)
{
    return PUT32(p, 0x0015008c, 0x4c000180);
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT32(p, 0x02ffc063, 0x29c02061, 0x4c000081);
    return PUT32(put_load(*after_call, n), 0x28c02061, 0x02c04063, 0x4c000020);
}
#elif defined(__s390x__)
static inline char *put_load(char *p, int n)
{
    return PUT16(p, 0xa729, n);             /* lghi */
}

static inline char *put_return(char *p)
{
    return PUT16(p, 0x07fe);
}

static inline char *put_nop(char *p)
{
    return PUT16(p, 0x0700);
}

/* The offset is in halfwords. */
static inline char *put_ril(char *p, uint16_t insn, char *to)
{
    int32_t off = (to - p) / 2;

    return PUT16(p, insn, off >> 16, off);
}

static inline char *put_jump(char *p, char *to)
{
    return put_ril(p, 0xc0f4, to);
}

/* lgr %r1, %r14; brasl %r14, ...; br %r1 */
static inline char *put_call(char *p, char *to)
{
    return PUT16(put_ril(PUT16(p, 0xb904, 0x001e), 0xc0e5, to), 0x07f1);
}

/* cr %r2, %r2; jge */
static inline char *put_cond(char *p, char *to)
{
    return put_ril(PUT16(p, 0x1922), 0xc084, to);
}

/* lgfi %r2, 0x58d70000; agfi %r2, 0xa729nnnn: the sum is nnnn. */
#define put_span put_span
static inline char *put_span(char *end)
{
    PUT16(end - 8, 0xc021, 0x58d7, 0x0000, 0xc228);
    return end - 8;
}

static inline char *put_jump_arg(char *p, int i)
{
    return PUT16(p, 0x07f2 + i);
}

static inline char *put_call_arg(char *p)
{
    return PUT16(p, 0xb904, 0x001e, 0x0de2, 0x07f1);
}

/* put_jump_arg() has the usual return, br: here b 0(%r2) */
static inline char *put_ret_arg(char *p)
{
    return PUT16(p, 0x47f0, 0x2000);
}

/* stg %r14, 112(%r15); aghi %r15, -160; basr %r14, %r2; and back */
static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT16(p, 0xe3e0, 0xf070, 0x0024, 0xa7fb, -160, 0x0de2);
    return PUT16(put_load(*after_call, n), 0xa7fb, 160, 0xe3e0, 0xf070, 0x0004,
                 0x07fe);
}
#elif defined(__powerpc64__)
static inline char *put_load(char *p, int n)
{
    return PUT32(p, 0x38600000 | n);        /* li r3, n */
}

static inline char *put_return(char *p)
{
    return PUT32(p, 0x4e800020);
}

static inline char *put_nop(char *p)
{
    return PUT32(p, 0x60000000);
}

static inline char *put_jump(char *p, char *to)
{
    return PUT32(p, 0x48000000 | ((to - p) & 0x3fffffc));
}

/* mflr r11; bl; mtlr r11; blr */
static inline char *put_call(char *p, char *to)
{
    p = PUT32(p, 0x7d6802a6);
    return PUT32(p, 0x48000001 | ((to - p) & 0x3fffffc), 0x7d6803a6,
                 0x4e800020);
}

/* cmpd r1, r1; beq: to @to or, if that is too far, to a jump there */
static inline char *put_cond(char *p, char *to)
{
    long off = to - p - 4;

    if (off < -0x8000 || off >= 0x8000) {
        off = 8;
    }
    p = PUT32(p, 0x7c210800, 0x41820000 | (off & 0xfffc));
    return put_jump(put_nop(p), to);
}

/* Through r12, for C functions */
static inline char *put_jump_arg(char *p, int i)
{
    return PUT32(p, 0x7c6c1b78 + i * 0x200800, 0x7d8903a6, 0x4e800420);
}

static inline char *put_call_arg(char *p)
{
    return PUT32(p, 0x7d6802a6, 0x7c6903a6, 0x4e800421, 0x7d6803a6, 0x4e800020);
}

/* mflr r11; mtlr r3; blrl; mtlr r11; blr */
static inline char *put_ret_arg(char *p)
{
    return PUT32(p, 0x7d6802a6, 0x7c6803a6, 0x4e800021, 0x7d6803a6, 0x4e800020);
}

static inline char *put_caller(char *p, int n, char **after_call)
{
    *after_call = PUT32(p, 0x7c0802a6, 0xf8010010, 0xf821ffe1, 0x7c6c1b78,
                        0x7d8903a6, 0x4e800421);
    return PUT32(put_load(*after_call, n), 0x38210020, 0xe8010010, 0x7c0803a6,
                 0x4e800020);
}
#endif

#ifndef put_span
static inline char *put_span(char *end)
{
    return NULL;
}
#endif

static inline char *put_leaf(char *p, int n)
{
    return put_return(put_load(p, n));
}

/* The address to call the code at @p */
static inline void *entry(char *p)
{
    return p + thumb;
}

typedef int Code(void *, void *);

static inline int call(void *code, void *arg0, void *arg1)
{
    return ((Code *)code)(arg0, arg1);
}

/* How a call ended */
typedef struct Result {
    int value, sig, code;
    char *addr;
} Result;

static __thread sigjmp_buf *caught;
static __thread siginfo_t caught_info;

static inline void catch(int sig, siginfo_t *info, void *context)
{
    if (!caught) {
        printf("signal %d, code %d, at %p\n", sig, info->si_code,
               info->si_addr);
        exit(EXIT_FAILURE);
    }
    caught_info = *info;
#ifdef __powerpc__
    /* QEMU gives no address for fetch faults, and all faults here are. */
    caught_info.si_addr = (void *)((ucontext_t *)context)->uc_mcontext
                                  .gp_regs[PT_NIP];
#endif
    siglongjmp(*caught, 1);
}

static inline Result run(void *code, void *arg0, void *arg1)
{
    Result r = { 0 };
    sigjmp_buf env;

    caught = &env;
    if (sigsetjmp(env, 0)) {
        r = (Result) { .sig = caught_info.si_signo,
                       .code = caught_info.si_code,
                       .addr = caught_info.si_addr };
    } else {
        r.value = call(code, arg0, arg1);
    }
    caught = NULL;
    return r;
}

/* The si_addr of a SIGSEGV at @addr: on s390x only the page */
static inline char *told_addr(char *addr)
{
#ifdef __s390x__
    addr = (char *)((uintptr_t)addr & -PAGE);
#endif
    return addr;
}

static inline void on_signal(int sig, void (*handler)(int))
{
    struct sigaction sa = { .sa_handler = handler };

    sigaction(sig, &sa, NULL);
}

/* At the start of each program */
static inline void start(void)
{
    /* SA_NODEFER: siglongjmp() from the handler needs no system call. */
    struct sigaction sa = {
        .sa_sigaction = catch, .sa_flags = SA_SIGINFO | SA_NODEFER
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGILL, &sa, NULL);
}

static inline char *map(size_t size, int prot)
{
    char *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    MUST(p != MAP_FAILED);
    return p;
}

static inline pthread_t start_thread(void *(*f)(void *), void *arg)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, f, arg);
    MUST(errno == 0);
    return thread;
}

/* A reproducible sequence, of 31 bits */
static inline unsigned next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

/*
 * The links from page A to page B, which follows it
 */
typedef enum Kind {
    DIRECT_JUMP, DIRECT_CALL, CONDITIONAL, RUNS_ON,
    SPANS,          /* by an instruction or a delay slot */
    POINTER_JUMP, POINTER_CALL, POINTER_RETURN,
    RETURN_TO_B,    /* from a function that B calls */
    KINDS
} Kind;

static const char *const kind_name[KINDS] = {
    "jump", "call", "conditional jump", "running on", "spanning",
    "indirect jump", "indirect call", "jump by return", "return"
};

/* Page B holds a leaf and, at this offset, a caller. */
#define CALLER  128

static inline char *put_b(char *b, int n)
{
    char *after_call;

    put_leaf(b, n);
    put_caller(b + CALLER, n, &after_call);
    flush(b, 2 * CALLER);
    return after_call;
}

/* Put a link into page @a; return NULL if the guest has none. */
static inline void *put_link(char *a, Kind kind, char *b)
{
    char *p = a;

    switch (kind) {
    case DIRECT_JUMP:
        put_jump(p, b);
        break;
    case DIRECT_CALL:
        put_call(p, b);
        break;
    case CONDITIONAL:
        put_cond(p, b);
        break;
    case RUNS_ON:
        p = a + PAGE - 16;
        while (a < p + 16) {
            a = put_nop(a < p ? p : a);
        }
        break;
    case SPANS:
        p = put_span(a + PAGE);
        if (!p) {
            return NULL;
        }
        break;
    case POINTER_JUMP:
        put_jump_arg(p, 0);
        break;
    case POINTER_CALL:
        put_call_arg(p);
        break;
    case POINTER_RETURN:
        put_ret_arg(p);
        break;
    default:
        return entry(b + CALLER);
    }
    flush(p, 16);
    return entry(p);
}

#endif
