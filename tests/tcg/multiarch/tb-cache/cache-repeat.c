/*
 * Print addresses for cache-repeat.sh to compare; and check that no mapping
 * replaces another one, however the guest maps, moves and unmaps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define _GNU_SOURCE
#include <assert.h>
#include <elf.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { SLOTS = 300, ROUNDS = 400, THREADS = 3 };

typedef struct {
    char *p;
    size_t len;
    char fill;
} Slot;

static size_t page;
static uint32_t sum;

static unsigned rnd(unsigned *s)
{
    *s = *s * 1103515245 + 12345;
    return *s >> 8;
}

static void check(const Slot *s)
{
    for (size_t i = 0; i < s->len; i += page) {
        assert(s->p[i] == s->fill && s->p[i + page - 1] == s->fill);
    }
}

static void fill(Slot *s)
{
    for (size_t i = 0; i < s->len; i += page) {
        assert(s->p[i] == 0 && s->p[i + page - 1] == 0);
        s->p[i] = s->p[i + page - 1] = s->fill;
    }
    sum = sum * 31 + (uintptr_t)s->p / page;
}

static void drop(Slot *s)
{
    if (s->p) {
        check(s);
        assert(munmap(s->p, s->len) == 0);
        s->p = NULL;
    }
}

/* Map, move and unmap at random, the same in each run. */
static void *churn(void *arg)
{
    unsigned seed = (uintptr_t)arg;
    Slot *slots = calloc(SLOTS, sizeof(*slots));

    for (int i = 0; i < ROUNDS; i++) {
        Slot *s = &slots[rnd(&seed) % SLOTS];
        int what = rnd(&seed) % 8;

        if (s->p && what == 0) {
            size_t len = page * (1 + rnd(&seed) % 9), old = s->len;
            char *p = mremap(s->p, old, len, MREMAP_MAYMOVE);

            assert(p != MAP_FAILED);
            s->p = p;
            s->len = len < old ? len : old;
            check(s);
            s->len = len;
            for (size_t j = old; j < len; j += page) {
                p[j] = p[j + page - 1] = s->fill;
            }
            continue;
        }
        if (s->p && what == 1 && s->len > page) {
            /* unmap the last page */
            s->len -= page;
            assert(munmap(s->p + s->len, page) == 0);
            continue;
        }
        if (s->p && what == 2) {
            /* unmap it, and map its first page again at once */
            char *p = s->p;

            drop(s);
            s->p = mmap(p, page, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                        MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            if (s->p == MAP_FAILED) {
                /* another thread was faster */
                s->p = NULL;
                continue;
            }
            s->len = page;
            fill(s);
            continue;
        }
        drop(s);
        s->len = page * (1 + rnd(&seed) % (what == 3 ? 300 : 9));
        s->fill = 1 + rnd(&seed) % 100;
        /* a hint that is in use, or none */
        s->p = mmap(what == 4 ? (char *)slots[0].p : NULL, s->len,
                    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
        assert(s->p != MAP_FAILED);
        fill(s);
    }
    for (int i = 0; i < SLOTS; i++) {
        drop(&slots[i]);
    }
    free(slots);
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    int status;
    char *p, *q;

    page = getauxval(AT_PAGESZ);
    printf("exe %p\n", main);
    printf("interpreter 0x%lx\n", getauxval(AT_BASE));
    printf("vdso 0x%lx\n", getauxval(AT_SYSINFO_EHDR));
#ifdef DYNAMIC
    printf("libc %p\n", &strtoul);
#endif

    p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
             -1, 0);
    assert(p != MAP_FAILED);
    printf("page %p\n", p);

    /* A freed range is used again. */
    q = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 1000; i++) {
        assert(munmap(q, 1 << 20) == 0);
        assert(mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0) == q);
    }
    munmap(q, 1 << 20);

    churn((void *)1);
    printf("all 0x%x\n", sum);

    if (fork() == 0) {
        churn((void *)2);
        _exit(0);
    }
    assert(wait(&status) > 0 && status == 0);

    for (int i = 0; i < THREADS; i++) {
        assert(!pthread_create(&t[i], NULL, churn, (void *)(uintptr_t)(i + 3)));
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
    }
    return 0;
}
