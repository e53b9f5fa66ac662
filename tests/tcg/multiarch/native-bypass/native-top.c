/*
 * Native bypass: high addresses, up to the last byte of the address space
 *
 * The last byte is at 4 GiB on 32-bit guests, at 2 GiB with MIPS o32; 64-bit
 * guests use the highest address that mmap() gives.  Every function gives the
 * same result there as elsewhere, also with a size that reaches far beyond,
 * and after some GiB that are searched, too: on a 32-bit guest, addresses and
 * lengths are negative then if signed; without zero-extension, they fault or
 * are cut.  Arm's page of kernel helpers, which no guest maps, can be read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-calls.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE     0x100000
#endif

static char *top;               /* as much as an arena, at the top or high */

/* Map up to @end, or fail; its address may wrap around to 0. */
static bool map_below(uintptr_t end)
{
    char *want = (char *)(end - pages * page);

    top = mmap(want, pages * page, PROT_RW,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (top != want && top != MAP_FAILED) {
        munmap(top, pages * page);
    }
    return top == want;
}

static void map_top(void)
{
#if UINTPTR_MAX == UINT32_MAX
# ifdef __mips__
    const uintptr_t end = 0x80000000;
# else
    const uintptr_t end = 0;
# endif

    if (map_below(end)) {
        return;
    }
#else
    /*
     * The size of the space is a power of two, but the host's kernel may keep
     * some pages at its end to itself.
     */
    for (int bits = 63; bits > 30; bits--) {
        for (int below = 0; below < 64; below++) {
            if (map_below(((uintptr_t)1 << bits) - below * page)) {
                return;
            }
        }
    }
#endif
    die("mmap of the highest pages");
}

static void prepare_at_end(Call *c, const Function *f, size_t n,
                           unsigned tested, bool open, bool huge)
{
    char *where[2] = { arena[0], arena[1] };

    prepare(c, f, where, n, tested, open, huge);
    for (unsigned k = 0; k < f->pointers; k++) {
        where[k] = arena[k] + pages * page - c->op[k].size * f->width;
    }
    prepare(c, f, where, n, tested, open, huge);
    fill(c, 0);
    if (huge && f->result == TYPE_int) {
        /* The last characters differ. */
        native_put(arena[1] + pages * page - f->width, f->width, 1);
    }
}

/* With both operands elsewhere, then with one of them at the top */
static void test_end(const Function *f, size_t n, unsigned tested, bool open,
                     bool huge)
{
    static Call there, c;
    char *own = arena[tested];

    now.test = huge ? "SIZE_MAX" : open ? "open" : "all";
    prepare_at_end(&there, f, n, tested, open, huge);
    if (!try_out(&there, 0)) {
        return;
    }
    arena[tested] = top;
    prepare_at_end(&c, f, n, tested, open, huge);
    run(&c);
    check_done(&c, &there, 0);
    arena[tested] = own;
}

/* A search beyond the last byte faults; native-fault checks si_addr. */
static void test_behind(void)
{
    char *last = memset(top + pages * page - 100, 'a', 100);
    /* volatile, since nothing else keeps the call */
    volatile bool found = false;

    CHECK(CATCH(found = memchr(last, 'b', SIZE_MAX)) == SIGSEGV,
          "memchr: found %d", found);
}

static void test_commpage(void)
{
#ifdef __arm__
    const char *commpage = (const char *)0xffff0000;
    const size_t version = 0xffc;   /* __kuser_helper_version */
    char *copy = arena[0], *loop = arena[1];

    for (size_t i = 0; i < page; i++) {
        loop[i] = commpage[i];
        /* This loop must not become a call. */
        asm volatile("" : : : "memory");
    }
    CHECK(loop[version], "no version");
    memcpy(copy, commpage, page);
    CHECK(!memcmp(copy, loop, page), "memcpy");
    CHECK(!memcmp(commpage, loop, page), "memcmp");
    CHECK(memchr(commpage + version, loop[version], 4) == commpage + version,
          "memchr");
    for (size_t i = 0; i < page; i++) {
        CHECK(strnlen(commpage + i, page - i) == strnlen(loop + i, page - i),
              "strnlen from %zu", i);
    }

    /* It cannot be written. */
    CHECK(CATCH(memset((char *)commpage + 5, 0, 10)) == SIGSEGV &&
          caught.info.si_code == ACCERR &&
          caught.info.si_addr == commpage + 5, "memset: si_code %d, si_addr %p",
          caught.info.si_code, caught.info.si_addr);
#endif
}

static void test_functions(void)
{
    static const size_t sizes[] = { 1, 2, 15, 16, 100, 1500 };

    FOR_EACH_FUNCTION(f) {
        for (size_t i = 0; i < f->pointers * ARRAY_SIZE(sizes); i++) {
            size_t n = sizes[i % ARRAY_SIZE(sizes)];
            unsigned tested = i / ARRAY_SIZE(sizes);

            test_end(f, n, tested, false, false);
            test_end(f, n, tested, true, false);
            if (stops(f)) {
                test_end(f, n, tested, false, true);
            }
        }
    }
}

static void test_long(void)
{
#if defined(__mips__) && UINTPTR_MAX == UINT32_MAX
    /* The address space of o32 ends at 2 GiB. */
    const size_t n = (size_t)512 << 20;
#else
    const size_t n = (size_t)2048 << 20;
#endif
    const size_t size = n + pages * page;
    /* Most likely, so much is free here in one piece. */
    char *p = mmap((void *)0x50000000, size, PROT_RW,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *last = p + n;

    if (p == MAP_FAILED) {
        die("mmap");
    }
    map_pieces(p, n);
    /* All bytes but this one are zero. */
    *last = 1;
    CHECK(memchr(p, 1, size) == last, "memchr to %p", last);
    CHECK(memchr(p, 1, n) == NULL, "memchr before %p", last);
    CHECK(memrchr(p, 1, size) == last, "memrchr to %p", last);
    CHECK(wmemchr((wchar_t *)p, 2, size / sizeof(wchar_t)) == NULL, "wmemchr");
    top = last;
    test_functions();
}

int main(void)
{
    init_calls();
    map_top();
    test_functions();
    test_behind();
    test_commpage();
    test_long();
    return failures != 0;
}
