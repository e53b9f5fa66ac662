/*
 * Test that read-only shared mappings are read as atomically as other
 * processes write them, and written so once they become writable
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Few enough for plugins that count accesses */
enum { READS = 200000, CHANGES = 5000, ADDS = 50000 };

/* The most that two registers, or one, are loaded with at once */
typedef struct {
    unsigned long first, second;
} __attribute__((aligned(16))) Pair;

typedef struct {
    Pair pair;
    unsigned before, after;
    int adds;
    int stop;
} Shared;

static size_t size;

static Pair load_pair(const Pair *p)
{
    Pair r;

#if defined(__aarch64__)
    static unsigned n;

    /* SP may have any aligned address, too. */
    if (n++ & 1) {
        asm volatile("mov x9, sp\n\t"
                     "mov sp, %2\n\t"
                     "ldp %0, %1, [sp]\n\t"
                     "mov sp, x9"
                     : "=&r"(r.first), "=&r"(r.second)
                     : "r"(p) : "x9", "memory");
    } else {
        asm volatile("ldp %0, %1, [%2]" : "=r"(r.first), "=r"(r.second)
                     : "r"(p) : "memory");
    }
#elif defined(__loongarch64)
    asm volatile("vld $vr0, %2, 0\n\t"
                 "vpickve2gr.d %0, $vr0, 0\n\t"
                 "vpickve2gr.d %1, $vr0, 1" : "=r"(r.first), "=r"(r.second)
                 : "r"(p) : "$f0", "memory");
#elif defined(__powerpc64__)
    asm volatile("lq 10, 0(%2)\n\t"
                 "mr %0, 10\n\t"
                 "mr %1, 11" : "=r"(r.first), "=r"(r.second)
                 : "b"(p) : "r10", "r11", "memory");
#elif defined(__x86_64__)
    asm volatile("movdqa %1, %%xmm0; movdqu %%xmm0, %0" : "=m"(r)
                 : "m"(*p) : "xmm0", "memory");
#elif defined(__s390x__)
    unsigned __int128 both;

    asm volatile("lpq %0, 0(%1)" : "=d"(both) : "a"(p) : "memory");
    r.first = both >> 64;
    r.second = both;
#else
    r.first = __atomic_load_n(&p->first, __ATOMIC_RELAXED);
    r.second = r.first;
#endif
    return r;
}

static void store_pair(Pair *p, unsigned long n)
{
#if defined(__aarch64__)
    asm volatile("stp %1, %1, [%0]" : : "r"(p), "r"(n) : "memory");
#elif defined(__loongarch64)
    asm volatile("vreplgr2vr.d $vr0, %1\n\t"
                 "vst $vr0, %0, 0" : : "r"(p), "r"(n) : "$f0", "memory");
#elif defined(__powerpc64__)
    asm volatile("mr 10, %1\n\t"
                 "mr 11, %1\n\t"
                 "stq 10, 0(%0)" : : "b"(p), "r"(n) : "r10", "r11", "memory");
#elif defined(__x86_64__)
    Pair v = { n, n };

    asm volatile("movdqu %1, %%xmm0; movdqa %%xmm0, %0" : "=m"(*p)
                 : "m"(v) : "xmm0");
#elif defined(__s390x__)
    unsigned __int128 both = (unsigned __int128)n << 64 | n;

    asm volatile("stpq %0, 0(%1)" : : "d"(both), "a"(p) : "memory");
#else
    __atomic_store_n(&p->first, n, __ATOMIC_RELAXED);
#endif
}

/* Both halves of a word are the same. */
static unsigned long twice(unsigned n)
{
    unsigned long half = n & 0xffff;

    return half | half << (sizeof(long) * 4);
}

static void *map(int fd, int prot)
{
    void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

    assert(p != MAP_FAILED);
    return p;
}

static void writer(int fd)
{
    Shared *s = map(fd, PROT_READ | PROT_WRITE);

    alarm(60);
    for (unsigned n = 1; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED);
         n++) {
        store_pair(&s->pair, twice(n));
        __atomic_store_n(&s->before, n, __ATOMIC_RELEASE);
        __atomic_store_n(&s->after, n, __ATOMIC_RELEASE);
    }
    _exit(0);
}

static void wait_for(pid_t pid)
{
    int status;

    assert(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_read(int fd)
{
    Shared *s = map(fd, PROT_READ);
    unsigned changes = 0, old = 0;
    pid_t pid = fork();
    int one = 1;

    if (pid == 0) {
        writer(fd);
    }
    for (int i = 0; i < READS || changes < CHANGES; i++) {
        Pair pair = load_pair(&s->pair);
        unsigned after = __atomic_load_n(&s->after, __ATOMIC_ACQUIRE);
        unsigned before = __atomic_load_n(&s->before, __ATOMIC_ACQUIRE);

        assert(pair.first == pair.second);
        assert(pair.first == twice(pair.first));
        assert((int)(before - after) >= 0);
        changes += before != old;
        old = before;
    }
    assert(pwrite(fd, &one, sizeof(one), offsetof(Shared, stop))
           == sizeof(one));
    wait_for(pid);
    printf("%u changes seen\n", changes);
    munmap(s, size);
}

static void add(Shared *s)
{
    for (int i = 0; i < ADDS; i++) {
        __atomic_fetch_add(&s->adds, 1, __ATOMIC_RELAXED);
    }
}

/* Two processes add, each of which could only read at first. */
static void test_write(int fd, int way)
{
    Shared *s = map(fd, PROT_READ);
    int zero = 0;
    pid_t pid;

    assert(pwrite(fd, &zero, sizeof(zero), offsetof(Shared, adds))
           == sizeof(zero));
    if (way == 1) {
        void *to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);

        assert(to != MAP_FAILED);
        s = mremap(s, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        assert(s == to);
    }
    if (way == 2) {
        /* There was no access at all before. */
        assert(mprotect(s, size, PROT_NONE) == 0);
    }
    pid = fork();
    assert(mprotect(s, size, PROT_READ | PROT_WRITE) == 0);
    add(s);
    if (pid == 0) {
        _exit(0);
    }
    wait_for(pid);
    assert(s->adds == 2 * ADDS);
    munmap(s, size);
}

int main(void)
{
    char name[] = "/tmp/linux-shared-read.XXXXXX";
    int fd = mkstemp(name);

    size = getauxval(AT_PAGESZ);
    assert(fd >= 0 && unlink(name) == 0 && ftruncate(fd, size) == 0);
    alarm(60);
    for (int way = 0; way < 3; way++) {
        /* Each in a process that has no writable mapping yet. */
        pid_t pid = fork();

        if (pid == 0) {
            test_write(fd, way);
            exit(0);
        }
        wait_for(pid);
    }
    test_read(fd);
    return 0;
}
