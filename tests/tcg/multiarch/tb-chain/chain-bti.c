/*
 * Tests of TB chaining: AArch64's PROT_BTI is set and cleared
 *
 * Every kind of branch goes many times to every kind of landing pad, and to
 * code without one; then PROT_BTI changes on the branch's or target's page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define RX          (PROT_READ | PROT_EXEC)
#define ROUNDS      150

#define NOTHING     0xd503201f
#define BTI_C       0xd503245f
#define PACIASP     0xd503233f
#define AUTIASP     0xd50323bf

/* Bit n: BTYPE n is compatible */
static const struct {
    const char *name;
    uint32_t insn;
    int btypes;
} pads[] = {
    { "no pad", NOTHING, 0x1 },
    { "bti c", BTI_C, 0x7 },
    { "bti j", 0xd503249f, 0xb },
    { "bti jc", 0xd50324df, 0xf },
    { "paciasp", PACIASP, 0x7 },
};

/* The branch, and the instructions before and after it */
static const struct {
    const char *name;
    uint32_t before, insn, after;
    int btype[2];           /* from a page without and with PROT_BTI */
} branches[] = {
    { "br x0", NOTHING, 0xd61f0000, NOTHING, { 1, 3 } },
    { "br x16", 0xaa0003f0, 0xd61f0200, NOTHING, { 1, 1 } },
    { "blr x0", 0xaa1e03e9, 0xd63f0000, 0xd65f0120, { 2, 2 } },
    { "ret x0", NOTHING, 0xd65f0000, NOTHING, { 0, 0 } },
};

#define PADS        (sizeof(pads) / sizeof(pads[0]))
#define BRANCHES    (sizeof(branches) / sizeof(branches[0]))

/* The pads lie on page B, the first one at its beginning. */
static char *a, *b;

static void put_pads(char *page)
{
    for (size_t i = 0; i < PADS; i++) {
        put_leaf(PUT32(page + 64 * i, pads[i].insn,
                       pads[i].insn == PACIASP ? AUTIASP : NOTHING), 10 + i);
    }
    flush(page, PAGE);
}

static void check(const char *when, bool guard_a, bool guard_b, int rounds)
{
    for (size_t i = 0; i < BRANCHES; i++) {
        for (size_t j = 0; j < PADS; j++) {
            char *to = b + 64 * j;
            int btype = branches[i].btype[guard_a];
            bool good = !guard_b || pads[j].btypes >> btype & 1;

            for (int round = 0; round < (good ? rounds : 2); round++) {
                Result r = run(a + 64 * i, to, NULL);

                CHECK(good ? r.sig == 0 && r.value == 10 + j
                           : r.sig == SIGILL && r.code == ILL_ILLOPN &&
                             r.addr == to,
                      "%s: %s to %s, PROT_BTI %d and %d: value %d, signal %d, "
                      "code %d, at %p", when, branches[i].name, pads[j].name,
                      guard_a, guard_b, r.value, r.sig, r.code, r.addr);
            }
        }
    }
    /* Direct branches and falling through never fault. */
    for (int round = 0; round < rounds; round++) {
        CHECK(call(a + 64 * BRANCHES, NULL, NULL) == 10, "%s: b", when);
        CHECK(call(a + PAGE - 16, NULL, NULL) == 10, "%s: running on", when);
    }
}

static void protect(bool guard_a, bool guard_b)
{
    MUST(mprotect(a, PAGE, RX | (guard_a ? PROT_BTI : 0)) == 0);
    MUST(mprotect(b, PAGE, RX | (guard_b ? PROT_BTI : 0)) == 0);
}

/* Try every transition; a Gray code would leave some out. */
static void try_states(void)
{
    for (int from = 0; from < 4; from++) {
        for (int to = 0; to < 4; to++) {
            protect(from & 1, from & 2);
            check("changed", from & 1, from & 2, ROUNDS);
            protect(to & 1, to & 2);
            check("changed", to & 1, to & 2, 3);
        }
    }
}

/* Replace the page by various mappings with the same code. */
static void replace_page(void)
{
    int file = memfd_create("code", 0);
    char *page = map(PAGE, RWX);

    put_pads(page);
    MUST(pwrite(file, page, PAGE, 0) == PAGE);
    for (int i = 0; i < 8; i++) {
        int guard = i & 1 ? PROT_BTI : 0;

        switch (i / 2) {
        case 0:
            MUST(mmap(b, PAGE, RX | guard, MAP_PRIVATE | MAP_FIXED, file, 0) ==
                 b);
            break;
        case 1:
            MUST(mmap(b, PAGE, RX | guard, MAP_SHARED | MAP_FIXED, file, 0) ==
                 b);
            break;
        case 2:
            MUST(mmap(b, PAGE, RWX | guard, MAP_PRIVATE | MAP_ANONYMOUS |
                      MAP_FIXED, -1, 0) == b);
            put_pads(b);
            break;
        case 3:
            MUST(mprotect(page, PAGE, RX | guard) == 0);
            MUST(mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b) ==
                 b);
            page = map(PAGE, RWX);
            put_pads(page);
            break;
        }
        check("replaced", false, guard, ROUNDS);
    }
    munmap(page, PAGE);
    close(file);
}

/* One thread runs a branch, one changes PROT_BTI: odd changes set it. */
#define CHANGES     300

static int announced, done, rounds;

static void *run_branch(void *opaque)
{
    int before, after, seen[2] = { 0, 0 };

    do {
        Result r;

        before = __atomic_load_n(&done, __ATOMIC_SEQ_CST);
        r = run(a, b, NULL);
        after = __atomic_load_n(&announced, __ATOMIC_SEQ_CST);
        CHECK(r.sig ? r.sig == SIGILL && r.addr == b : r.value == 10,
              "threads: value %d, signal %d", r.value, r.sig);
        if (before == after) {
            CHECK((r.sig != 0) == (before & 1),
                  "threads: change %d, signal %d", before, r.sig);
            seen[before & 1]++;
        }
        __atomic_add_fetch(&rounds, 1, __ATOMIC_SEQ_CST);
    } while (before < CHANGES);
    CHECK(seen[0] && seen[1], "threads: seen %d and %d", seen[0], seen[1]);
    return NULL;
}

static void change_by_thread(void)
{
    pthread_t thread = start_thread(run_branch, NULL);

    for (int i = 1; i <= CHANGES; i++) {
        int round;

        __atomic_store_n(&announced, i, __ATOMIC_SEQ_CST);
        MUST(mprotect(b, PAGE, RX | (i & 1 ? PROT_BTI : 0)) == 0);
        __atomic_store_n(&done, i, __ATOMIC_SEQ_CST);
        round = __atomic_load_n(&rounds, __ATOMIC_SEQ_CST);
        while (i % 8 < 2 && i < CHANGES &&
               __atomic_load_n(&rounds, __ATOMIC_SEQ_CST) < round + 2) {
            sched_yield();
        }
    }
    pthread_join(thread, NULL);
}

int main(void)
{
    start();
    if (!(getauxval(AT_HWCAP2) & HWCAP2_BTI)) {
        printf("skipped: no BTI\n");
        return EXIT_SUCCESS;
    }
    a = map(2 * PAGE, RWX);
    b = a + PAGE;
    for (size_t i = 0; i < BRANCHES; i++) {
        PUT32(a + 64 * i, BTI_C, branches[i].before, branches[i].insn,
              branches[i].after);
    }
    put_jump(PUT32(a + 64 * BRANCHES, BTI_C), b);
    PUT32(a + PAGE - 16, BTI_C, NOTHING, NOTHING, NOTHING);
    flush(a, PAGE);
    put_pads(b);

    try_states();
    protect(false, false);
    replace_page();
    protect(false, false);
    change_by_thread();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
