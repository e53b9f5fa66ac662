/*
 * Tests of TBs kept in a file: code that changes from run to run
 *
 * cache-code PART FILE N: PART checks the results of the code in FILE, which
 * depends on N.  The script changes N from run to run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "cache-file.h"

static const char *file;
static int n;

/* One Unit of each leaf differs. */
static void leaves(void)
{
    int fd = make_code(file, O_TRUNC, put_leaves, n);

    map_code(fd, RX, MAP_PRIVATE);
    check_leaves("leaves", n);
}

#if defined(__i386__) || defined(__x86_64__) || defined(__arm__) || \
    defined(__riscv)
#define HAS_BEHIND
/*
 * Page A is filled up to an instruction that crosses its end: the TB ends
 * before that instruction.  If N is even, a nop comes first.
 */
static void put_behind(char *a, int n)
{
    char *b = a + PAGE;
#if defined(__i386__) || defined(__x86_64__)
    char *p = b - 1;
#else
    char *p = b - 2;
#endif

    while (a < p) {
#ifdef __riscv
        a = PUT16(a, 0x0001);           /* c.nop */
#else
        a = put_nop(a);
#endif
    }
    put_leaf(n & 1 ? p : put_nop(p), n);
}

static void behind(void)
{
    int fd, value;

#ifdef __arm__
    thumb = true;
#endif
    fd = make_code(file, O_TRUNC, put_behind, n);
    map_code(fd, RX, MAP_PRIVATE);
    for (int back = 16; back < 24; back += 2) {
        value = call(entry(CODE + PAGE - back), NULL, NULL);
        CHECK(value == n, "behind, %d: %d, not %d", back, value, n);
    }
}
#endif

/* An instruction, or a branch and its delay slot, across the end of a page */
static void put_spanning(char *a, int n)
{
    char *b = a + PAGE;

    if (put_span(b)) {
        put_leaf(b, n);
    } else {
        size_t load = put_load(b, n) - b;
        char *p = b - 16;

        while (p < b - load) {
            p = put_nop(p);
        }
        put_load(p, n);
        put_return(b);
    }
}

static void span(void)
{
    int fd = make_code(file, O_TRUNC, put_spanning, n);
    char *at = put_span(map(PAGE, RWX) + PAGE), *a;
    int value;

    a = map_code(fd, RX, MAP_PRIVATE) + PAGE;
    a -= at ? PAGE - ((uintptr_t)at & (PAGE - 1)) : 16;
    value = call(a, NULL, NULL);
    CHECK(value == n, "span: %d, not %d", value, n);
    /* Replace the second page only. */
    if (at) {
        int other;

        unmap_code();
        other = make_code("other", O_TRUNC, put_spanning, n + 1);
        map_code(fd, RX, MAP_PRIVATE);
        MUST(mmap(CODE + PAGE, PAGE, RX, MAP_PRIVATE | MAP_FIXED, other, PAGE)
             == CODE + PAGE);
        value = call(a, NULL, NULL);
        CHECK(value == n + 1, "span: %d, not %d", value, n + 1);
    }
}

#ifdef __mips__
/* A branch at the end of page A; its delay slot is always the same. */
static void put_branch(char *a, int n)
{
    char *b = a + PAGE;

    PUT32(b - 4, 0x10000000 | (16 * (n & 7) + 32));
    PUT32(b, 0);
    for (int i = 0; i < 8; i++) {
        put_leaf(b + 4 * (16 * i + 32), i);
    }
    /* jal */
    PUT32(b + PAGE - 8, 0x03e04025,
          0x0c000000 | jump_target(b + 4 * (16 * (n & 7) + 32)));
    PUT32(b + PAGE, 0, 0x01000008, 0);
}

static void branch(void)
{
    int fd = make_code(file, O_TRUNC, put_branch, n), value;

    map_code(fd, RX, MAP_PRIVATE);
    value = call(CODE + PAGE - 4, NULL, NULL);
    CHECK(value == (n & 7), "branch: %d, not %d", value, n & 7);
    /* The slot's code without the branch: runs on to the first leaf */
    value = call(CODE + PAGE, NULL, NULL);
    CHECK(value == 0, "no branch: %d", value);
    value = call(CODE + 2 * PAGE - 8, NULL, NULL);
    CHECK(value == (n & 7), "call: %d, not %d", value, n & 7);
}
#endif

/* The page is writable for a moment. */
static void reloc(void)
{
    int fd = make_code(file, O_TRUNC, put_leaves, 50);

    map_code(fd, RX, MAP_PRIVATE);
    check_leaves("before", 50);
    MUST(mprotect(CODE, PAGE, PROT_READ | PROT_WRITE) == 0);
    put_leaves(CODE, n);
    MUST(mprotect(CODE, PAGE, RX) == 0);
    flush(CODE, PAGE);
    check_leaves("after", n);
}

/* The page is writable all the time, then not. */
static void smc(void)
{
    int fd = make_code(file, O_TRUNC, put_leaves, 50);

    map_code(fd, RWX, MAP_PRIVATE);
    check_leaves("before", 50);
    for (int i = 0; i < 5; i++) {
        put_leaves(CODE, n + i);
        flush(CODE, PAGE);
        check_leaves("changed", n + i);
    }
    MUST(mprotect(CODE, PAGE, RX) == 0);
    check_leaves("protected", n + 4);
    MUST(mprotect(CODE, PAGE, RWX) == 0);
    put_leaves(CODE, n + 1);
    flush(CODE, PAGE);
    check_leaves("again", n + 1);
}

/* None of this code is in a file: the script counts the TBs. */
static void jit(void)
{
    char *p = map(PAGE, RWX), *q = map_code(-1, RWX,
                                            MAP_PRIVATE | MAP_ANONYMOUS);

    for (int i = 0; i < 4; i++) {
        MUST(mprotect(q, PAGE, PROT_READ | PROT_WRITE) == 0);
        put_leaves(q, n + i);
        MUST(mprotect(q, PAGE, RX) == 0);
        flush(q, PAGE);
        check_leaves("protected", n + i);
    }
    MUST(mprotect(q, PAGE, RWX) == 0);
    put_leaves(q, n + 4);
    flush(q, PAGE);
    check_leaves("writable", n + 4);
    put_leaf(p, n);
    flush(p, LEAF_SIZE);
    MUST(call(entry(p), NULL, NULL) == n);
}

/* Like JITs that never make a page both writable and executable */
static void shared(void)
{
    int fd = make_code(file, O_TRUNC, put_leaves, 50);
    char *alias = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    MUST(alias != MAP_FAILED);
    for (int i = 0; i < 5; i++) {
        put_leaves(alias, n + i);
        map_code(fd, RX, i & 1 ? MAP_SHARED : MAP_PRIVATE);
        flush(CODE, PAGE);
        check_leaves("shared", n + i);
        unmap_code();
    }
}

/* The file is replaced, is overwritten, and another one is mapped over it. */
static void replace(void)
{
    int fd = make_code(file, O_TRUNC, put_leaves, n), other;

    map_code(fd, RX, MAP_PRIVATE);
    for (int i = 0; i < LEAVES; i += 2) {
        MUST(call(CODE + i * LEAF_SIZE, NULL, NULL) == n + i);
    }
    unmap_code();
    other = make_code("other", O_TRUNC, put_leaves, n + 1);
    map_code(fd, RX, MAP_PRIVATE);
    MUST(rename("other", file) == 0);
    check_leaves("replaced while mapped", n);
    unmap_code();
    map_code(other, RX, MAP_PRIVATE);
    check_leaves("another inode", n + 1);
    unmap_code();

    close(make_code(file, 0, put_leaves, n + 2));
    map_code(other, RX, MAP_PRIVATE);
    check_leaves("the same inode", n + 2);
    unmap_code();
    map_code(fd, RX, MAP_PRIVATE);
    check_leaves("the first inode", n);
    /* Over it, without munmap() */
    MUST(mmap(CODE, PAGE, RX, MAP_PRIVATE | MAP_FIXED, other, 0) == CODE);
    check_leaves("mapped over", n + 2);
}

/*
 * With N = 0, a thread changes leaves while they are translated: a kept TB
 * must be right for the old code or the new.  With any other N, the leaves
 * return N.
 */
static char *volatile racing;
static volatile unsigned races;     /* rounds of changes to a leaf */

static void *racer(void *arg)
{
    for (;;) {
        char *p = racing;

        if (!p) {
            return NULL;
        }
        put_load(p, 1);
        put_load(p, 2);
        races++;
    }
}

static void put_same(char *p, int n)
{
    for (int i = 0; i < LEAVES; i++) {
        put_leaf(p + i * LEAF_SIZE, n);
    }
}

static void race(void)
{
    int fd = make_code(file, O_TRUNC, put_same, n ? n : 1), value;
    char *alias = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pthread_t thread;

    racing = alias;
    if (n == 0) {
        thread = start_thread(racer, NULL);
    } else {
        thread = start_thread((void *(*)(void *))getpid, NULL);
    }
    map_code(fd, RX, MAP_PRIVATE);
    for (int i = 0; i < LEAVES; i++) {
        unsigned before = races;

        racing = alias + i * LEAF_SIZE;
        while (n == 0 && races - before < 10) {
            /* wait */
        }
        value = call(CODE + i * LEAF_SIZE, NULL, NULL);
        CHECK(n ? value == n : value == 1 || value == 2,
              "race: leaf %d returns %d, not %d", i, value, n);
    }
    racing = NULL;
    pthread_join(thread, NULL);
}

static const struct {
    const char *name;
    void (*f)(void);
} parts[] = {
    { "leaves", leaves }, { "span", span }, { "reloc", reloc }, { "smc", smc },
    { "jit", jit }, { "shared", shared }, { "replace", replace },
    { "race", race },
#ifdef HAS_BEHIND
    { "behind", behind },
#endif
#ifdef __mips__
    { "branch", branch },
#endif
};

int main(int argc, char **argv)
{
    start();
    if (argc == 1) {
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            printf("%s\n", parts[i].name);
        }
        return EXIT_SUCCESS;
    }
    file = argv[2];
    n = atoi(argv[3]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!strcmp(argv[1], parts[i].name)) {
            parts[i].f();
        }
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
