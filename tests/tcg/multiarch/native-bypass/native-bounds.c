/*
 * Test --native-bypass: MPX's bound registers, on i386 and x86_64
 *
 * A return without the BND prefix makes them allow all addresses, also that of
 * a native call.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <cpuid.h>

#include "native-test.h"

#define BNDREGS_BNDCSR  0x18        /* of XCR0 and of XSTATE_BV */
#define XSTATE_BV       512
#define BNDCFG_ENABLE   1

/* Intel SDM volume 1, 17.3 and 13.5.5 */
static bool enable_mpx(void)
{
    static __attribute__((aligned(64))) char area[4096];
    uint32_t a, bndcsr, c, d;

    if (!__get_cpuid_count(7, 0, &a, &bndcsr, &c, &d) || !(bndcsr & 1 << 14)) {
        return false;
    }
    __cpuid_count(0xd, 4, a, bndcsr, c, d);
    area[XSTATE_BV] = BNDREGS_BNDCSR;
    area[bndcsr] = BNDCFG_ENABLE;
    /* XRSTOR */
    asm volatile(".byte 0x0f, 0xae, 0x2f"
                 : : "D" (area), "a" (BNDREGS_BNDCSR), "d" (0) : "memory");
    return true;
}

typedef size_t StringFn(const char *);

/* Whether BND0, set before a BND call, allows all after it */
static bool embraces_all(StringFn *fn)
{
    uintptr_t bounds[2] = { 1, 1 };
    static const char string[] = "bound";

    /* BNDMK (%rax), %bnd0; BND CALL; BNDMOV %bnd0, (%rbx) */
#ifdef __x86_64__
    asm volatile("sub $128, %%rsp\n\t"
                 ".byte 0xf3, 0x0f, 0x1b, 0x00, 0xf2\n\tcall *%%rdx\n\t"
                 ".byte 0x66, 0x0f, 0x1b, 0x03\n\t"
                 "add $128, %%rsp"
                 : "+d" (fn) : "a" (string), "D" (string), "b" (bounds)
                 : "rcx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory");
#else
    asm volatile("push %%eax\n\t"
                 ".byte 0xf3, 0x0f, 0x1b, 0x00, 0xf2\n\tcall *%%edx\n\t"
                 ".byte 0x66, 0x0f, 0x1b, 0x03\n\t"
                 "pop %%ecx"
                 : "+d" (fn) : "a" (string), "b" (bounds)
                 : "ecx", "cc", "memory");
#endif
    /* The upper bound is in ones' complement. */
    return bounds[0] == 0 && bounds[1] == 0;
}

/* Returns with and without BND */
StringFn keeps, clears;
asm(".pushsection .text\n"
    "keeps: .byte 0xf2\n\tret\n"
    "clears: ret\n\t"
    ".popsection");

int main(void)
{
    if (!enable_mpx()) {
        die("no MPX");
    }
    CHECK(!embraces_all(keeps), "a return with the prefix");
    CHECK(embraces_all(clears), "one without");
    CHECK(embraces_all(strlen), "a native call");
    return failures != 0;
}
