/*
 * Tests of TB chaining: code that changes all the time
 *
 * Each call returns the value that was written there last, even if the code
 * was overwritten, if it is mapped where other code was, or if addresses
 * collide in QEMU's caches.  The argument, a number, is the seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

/* One store is enough to change a number below this one. */
#define SMALL   128

static uint64_t seed = 1;

/*
 * Page A jumps to B or to C, or returns by itself; each is written in turn.
 */
static void rewrite_pages(Kind kind)
{
    char *a = map(3 * PAGE, RWX), *b = a + PAGE, *c = b + PAGE;
    int last = 0;

    put_b(b, 1);
    put_b(c, 2);
    for (int i = 0; i < 1500; i++) {
        int n = i % 30000, got, want = n;

        switch (i % 5) {
        case 0:
            put_link(a, kind, b);
            put_b(b, n);
            break;
        case 1:
            put_b(b, n);
            break;
        case 2:
            put_link(a, kind, c);
            want = call(entry(c), NULL, NULL);
            break;
        case 3:
            put_b(c, n);
            break;
        case 4:
            put_leaf(a, n);
            flush(a, 16);
            break;
        }
        for (int j = 0; j < 3; j++) {
            got = call(entry(a), entry(i % 5 < 2 ? b : c), NULL);
            CHECK(got == want, "%s: round %d returned %d, not %d; before it %d",
                  kind_name[kind], i, got, want, last);
        }
        last = want;
    }
    munmap(a, 3 * PAGE);
}

#if defined(__i386__) || defined(__x86_64__)
/*
 * Page A writes to page B, or to itself further on in the same TB: the new
 * code must run at once.
 */
static void write_own_code(bool same_page)
{
    static const uint8_t store[] = {
#ifdef __x86_64__
        0x40, 0x88, 0x37,           /* mov %sil, (%rdi) */
#else
        0x8b, 0x44, 0x24, 0x04,     /* mov 4(%esp), %eax */
        0x8b, 0x4c, 0x24, 0x08,     /* mov 8(%esp), %ecx */
        0x88, 0x08,                 /* mov %cl, (%eax) */
#endif
    };
    char *a = map(2 * PAGE, RWX), *b = a + PAGE, *p;

    p = put_code(a, store, sizeof(store));
    put_jump(p, b);
    if (same_page) {
        b = p;
    }
    put_leaf(b, 0);
    for (int i = 0; i < 1000; i++) {
        int n = i / 3 & 255;
        int got = call(a, b + 1, (void *)(uintptr_t)n);

        CHECK(got == n, "own code: %d, not %d", got, n);
    }
    munmap(a, 2 * PAGE);
}
#endif

/*
 * Two threads rewrite their own pages and run a page that a third rewrites.
 * The third announces each version before and after it writes it.
 */
#define VERSIONS    400

static char *shared;
static int announced, written, rounds[2];

static void *run_shared(void *opaque)
{
    int thread = (intptr_t)opaque, version = 0;
    char *pages[2] = { shared + PAGE * (1 + 2 * thread) };
    void *code = NULL;

    pages[1] = pages[0] + PAGE;
    for (int i = 0; version < VERSIONS; i++) {
        Kind kind = i / 16 % 3 == 2 ? POINTER_JUMP : i / 16 % 3;
        char *page = pages[i / 16 % 2];
        int got, last;

        if (i % 16 == 0) {
            put_leaf(page, i & 0x7fff);
            flush(page, 16);
            got = call(entry(page), NULL, NULL);
            CHECK(got == (i & 0x7fff), "thread %d: own page: %d, not %d",
                  thread, got, i & 0x7fff);
            code = put_link(page, kind, shared);
        }
        version = __atomic_load_n(&written, __ATOMIC_SEQ_CST);
        got = call(code, entry(shared), NULL);
        last = __atomic_load_n(&announced, __ATOMIC_SEQ_CST);
        CHECK(last - version >= SMALL ||
              ((got - version) & (SMALL - 1)) <= last - version,
              "thread %d: %s: %d, written were %d to %d", thread,
              kind_name[kind], got, version % SMALL, last % SMALL);
        __atomic_add_fetch(&rounds[thread], 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void share_page(void)
{
    pthread_t threads[2];

    shared = map(5 * PAGE, RWX);
    put_leaf(shared, 0);
    for (intptr_t i = 0; i < 2; i++) {
        threads[i] = start_thread(run_shared, (void *)i);
    }
    for (int version = 1; version <= VERSIONS; version++) {
        int *round = &rounds[version / 4 % 2];
        int before = __atomic_load_n(round, __ATOMIC_SEQ_CST);

        __atomic_store_n(&announced, version, __ATOMIC_SEQ_CST);
        put_leaf(shared, version % SMALL);
        flush(shared, 16);
        __atomic_store_n(&written, version, __ATOMIC_SEQ_CST);
        /* Wait for a thread to run every fourth version only. */
        while (version % 4 == 0 && version < VERSIONS &&
               __atomic_load_n(round, __ATOMIC_SEQ_CST) == before) {
            sched_yield();
        }
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    munmap(shared, 5 * PAGE);
}

/*
 * Many threads map, call and unmap code, and get each other's addresses.
 */
#define THREADS     64

static void *map_and_drop(void *opaque)
{
    uint64_t random = seed + (intptr_t)opaque;

    for (int i = 0; i < 30; i++) {
        unsigned r = next_random(&random);
        int pages = 2 + (r & 3), n = r >> 4 & 0x7fff, got;
        bool write = r >> 2 & 1;
        Kind kind = r % 7 ? r % 3 : POINTER_CALL;
        char *a = map(pages * PAGE, write ? RWX : PROT_READ | PROT_WRITE);
        void *code;

        for (int page = 1; page < pages; page++) {
            put_b(a + page * PAGE, n ^ page);
        }
        code = put_link(a, kind, a + PAGE);
        if (!write) {
            MUST(mprotect(a, pages * PAGE, PROT_READ | PROT_EXEC) == 0);
        }
        for (int j = 0; j < 12; j++) {
            int page = 1 + j % (pages - 1);
            char *b = a + page * PAGE;

            got = call(entry(b), NULL, NULL);
            CHECK(got == (n ^ page), "map and drop: %d, not %d", got, n ^ page);
            got = call(code, entry(a + PAGE), NULL);
            CHECK(got == (n ^ 1), "map and drop: %s: %d, not %d",
                  kind_name[kind], got, n ^ 1);
            if (j == 6 && write) {
                n ^= 0x1234;
                for (int page = 1; page < pages; page++) {
                    put_b(a + page * PAGE, n ^ page);
                }
            }
        }
        munmap(a, pages * PAGE);
    }
    return NULL;
}

static void many_threads(void)
{
    pthread_t threads[THREADS];

    for (intptr_t i = 0; i < THREADS; i++) {
        threads[i] = start_thread(map_and_drop, (void *)i);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
}

/*
 * Functions at addresses that differ in a few bits only are called in random
 * order, and sometimes unmapped and made anew.
 */
#define FUNCTIONS   1024

static struct {
    char *code;
    int result;
} functions[FUNCTIONS];

static bool make_function(int i, char *code, int n)
{
    char *page = (char *)((uintptr_t)code & -PAGE);

    if (mmap(page, PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
             -1, 0) != page) {
        return false;
    }
    put_leaf(code, n);
    flush(code, 16);
    functions[i].code = code;
    functions[i].result = n;
    return true;
}

/* Addresses are @stride apart; with @fold, their hashes collide. */
static void collide(char *base, uint64_t stride, bool fold)
{
    uint64_t random = seed, offset;
    int count = 0, calls = 0, got;

    for (int i = 0; i < FUNCTIONS; i++) {
        offset = i * stride;
        if (fold) {
            offset ^= offset / PAGE % PAGE & -16;
        }
        if (offset > (sizeof(long) == 4 ? 0x60000000 : 1ull << 44)) {
            break;
        }
        count += make_function(count, base + offset,
                               next_random(&random) & 0x7fff);
    }
    CHECK(count >= 20, "stride 0x%llx: %d functions only",
          (unsigned long long)stride, count);

    while (calls < 12 * count) {
        int i = next_random(&random) % count;

        if (next_random(&random) % 16 == 0) {
            char *code = functions[i].code;

            munmap((void *)((uintptr_t)code & -PAGE), PAGE);
            MUST(make_function(i, code, next_random(&random) & 0x7fff));
        }
        /* The address was unmapped, and may be in any cache. */
        for (int j = next_random(&random) % 4; j >= 0; j--) {
            got = call(entry(functions[i].code), NULL, NULL);
            CHECK(got == functions[i].result,
                  "stride 0x%llx: function %d at %p returned %d, not %d",
                  (unsigned long long)stride, i, functions[i].code, got,
                  functions[i].result);
            calls++;
        }
    }
    for (int i = 0; i < count; i++) {
        munmap((void *)((uintptr_t)functions[i].code & -PAGE), PAGE);
    }
}

int main(int argc, char **argv)
{
    static const Kind kinds[] = {
        DIRECT_JUMP, DIRECT_CALL, CONDITIONAL, POINTER_JUMP, POINTER_CALL,
        POINTER_RETURN
    };
    static const uint64_t strides[] = {
        1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 24, 1 << 28,
        1ull << 32
    };
    char *base = (char *)(uintptr_t)
        (sizeof(long) == 4 ? 0x10000000 : 1ull << 45);

    start();
    if (argc > 1) {
        seed = atoll(argv[1]);
    }
    printf("seed %llu\n", (unsigned long long)seed);

    for (int threads = 0; threads < 2; threads++) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            rewrite_pages(kinds[i]);
#ifdef __arm__
            thumb = true;
            rewrite_pages(kinds[i]);
            thumb = false;
#endif
        }
#if defined(__i386__) || defined(__x86_64__)
        write_own_code(false);
        write_own_code(true);
#endif
        for (size_t i = 0; i < sizeof(strides) / sizeof(strides[0]); i++) {
            if (strides[i] > 1 << 24 && sizeof(long) == 4) {
                break;
            }
            collide(base, strides[i], false);
            collide(base, strides[i], true);
        }
        if (!threads) {
            share_page();
            many_threads();
        }
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
