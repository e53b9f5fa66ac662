/*
 * Tests of TB chaining: wild jumps
 *
 * The same jump goes to good code many times, then to an address without code.
 * Above all, no other address may ever run the good code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define WARM    100
#define GOOD    11
#define OTHER   40

static char *good;
static Kind kind;
static void *jump;          /* goes to its argument */

/*
 * Left out, because QEMU itself stops or reports a wrong address: misaligned
 * jumps on MIPS; Arm's kernel helpers and above; i386's last bytes of 4 GiB.
 */
#if defined(__arm__)
# define TOP    -0x20000
#elif defined(__i386__)
# define TOP    -4096
#else
# define TOP    -4
#endif

static void warm_up(void)
{
    for (int i = 0; i < WARM; i++) {
        CHECK(call(jump, entry(good), NULL) == GOOD, "%s", kind_name[kind]);
    }
}

static void expect(const char *name, uintptr_t to, int sig, int code)
{
    void *target = sig == SIGSEGV ? entry((char *)to) : (void *)to;
    char *addr = sig == SIGSEGV ? told_addr((char *)to) : (char *)to;
    Result r;

    warm_up();
    for (int i = 0; i < 2; i++) {
        r = run(jump, target, NULL);
        CHECK(r.sig == sig && r.code == code && r.addr == addr,
              "%s%s to %s 0x%lx, good is %p: value %d, signal %d, code %d, "
              "at %p", thumb ? "thumb: " : "", kind_name[kind], name,
              (long)to, good, r.value, r.sig, r.code, r.addr);
    }
    CHECK(call(jump, entry(good), NULL) == GOOD, "good after %s", name);
}

/* Jump to the good address with one bit changed. */
static bool other_bit(int bit)
{
    uintptr_t to = (uintptr_t)good ^ (uintptr_t)1 << bit;
    char *page = (char *)to, *p;

#ifdef __aarch64__
    if (bit >= 56) {
        /* A branch to a user address drops the tag. */
        warm_up();
        CHECK(call(jump, page, NULL) == GOOD, "tag, bit %d", bit);
        return true;
    }
#endif
    p = mmap(page, PAGE, RWX,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == page) {
        munmap(p, PAGE);
    } else if (errno == EEXIST) {
        return false;
    }
    expect("other bit", to, SIGSEGV, SEGV_MAPERR);
    if (p != page) {
        return true;
    }

    MUST(mmap(page, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
              0) == page);
    put_leaf(page, OTHER + bit);
    flush(page, 16);
    for (int i = 0; i < WARM; i++) {
        int got = call(jump, entry(i & 1 ? good : page), NULL);
        int want = i & 1 ? GOOD : OTHER + bit;

        CHECK(got == want, "%s, bit %d: %d, not %d", kind_name[kind], bit, got,
              want);
    }
    munmap(page, PAGE);
    expect("other bit again", to, SIGSEGV, SEGV_MAPERR);
    return true;
}

static void try_kind(void)
{
    char *a = map(4 * PAGE, RWX), *data;
    int bits = 0;

    good = a + PAGE;
    data = good + PAGE;
    munmap(data + PAGE, PAGE);
    put_leaf(good, GOOD);
    put_leaf(data, GOOD + 1);
    flush(good, 16);
    jump = put_link(a, kind, good);

    expect("unmapped", (uintptr_t)data + PAGE, SIGSEGV, SEGV_MAPERR);
    expect("NULL", 0, SIGSEGV, SEGV_MAPERR);
    expect("the top", TOP, SIGSEGV, SEGV_MAPERR);
    CHECK(call(jump, entry(data), NULL) == GOOD + 1, "data as code");
    MUST(mprotect(data, PAGE, PROT_READ | PROT_WRITE) == 0);
    expect("data", (uintptr_t)data, SIGSEGV, ACCERR);
    MUST(mprotect(data, PAGE, PROT_NONE) == 0);
    expect("PROT_NONE", (uintptr_t)data, SIGSEGV, ACCERR);
    munmap(data, PAGE);
    expect("unmapped data", (uintptr_t)data, SIGSEGV, SEGV_MAPERR);
#ifdef __aarch64__
    expect("misaligned", (uintptr_t)good + 1, SIGBUS, BUS_ADRALN);
    expect("misaligned", (uintptr_t)good + 3, SIGBUS, BUS_ADRALN);
#endif
#ifdef __s390x__
    expect("misaligned", (uintptr_t)good + 1, SIGILL, ILL_ILLOPN);
#endif
#if defined(__aarch64__) || defined(__arm__)
    expect("misaligned", (uintptr_t)good + 2, SIGBUS, BUS_ADRALN);
#endif
    for (int bit = 12; bit < 8 * sizeof(long); bit++) {
        bits += other_bit(bit);
    }
    CHECK(bits >= 10, "only %d other bits tried", bits);
    munmap(a, 2 * PAGE);
}

int main(void)
{
    start();
    for (kind = POINTER_JUMP; kind <= POINTER_RETURN; kind++) {
        try_kind();
#ifdef __arm__
        thumb = true;
        try_kind();
        thumb = false;
#endif
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
