/*
 * Tests of TB chaining: more TBs than a jump cache has room for
 *
 * Each thread looks TBs up in its own jump cache, which is small at first.
 * Two threads call more and more functions in random order; some functions are
 * rewritten.  Each call must return the value that was written last.  Many
 * threads that do little need little memory.  The argument, a number, is the
 * seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define FUNCTIONS   40000
#define ROOM        32          /* bytes of each */
#define THREADS     50
#define SOME        100         /* functions that a thread calls */

static uint64_t seed = 1;
static char *code;
static unsigned made;           /* number of callable functions */
static bool stop;

/*
 * The result of function i, before and after it is rewritten: one bit differs,
 * so that no other thread sees half of a change.
 */
#define RESULT(i, again)    ((i) % 0x4000 + ((again) ? 0x4000 : 0))

static void *call_any(void *unused)
{
    uint64_t random = seed + 1;

    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        unsigned i = next_random(&random) %
                     __atomic_load_n(&made, __ATOMIC_ACQUIRE);
        int got = call(entry(code + i * ROOM), NULL, NULL);

        CHECK(got == RESULT(i, false) || got == RESULT(i, true),
              "function %u returned %d to the other thread", i, got);
    }
    return unused;
}

static void grow(void)
{
    uint64_t random = seed;
    static bool again[FUNCTIONS];
    pthread_t other;

    code = map(FUNCTIONS * ROOM, RWX);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        put_leaf(code + i * ROOM, RESULT(i, false));
    }
    flush(code, FUNCTIONS * ROOM);

    made = 100;
    other = start_thread(call_any, NULL);
    while (made < FUNCTIONS) {
        __atomic_store_n(&made, made * 3 > FUNCTIONS ? FUNCTIONS : made * 3,
                         __ATOMIC_RELEASE);
        for (unsigned n = 0; n < 2 * made; n++) {
            unsigned i = next_random(&random) % made;
            int got = call(entry(code + i * ROOM), NULL, NULL);

            CHECK(got == RESULT(i, again[i]),
                  "function %u of %u returned %d, not %d", i, made, got,
                  RESULT(i, again[i]));
            if (n % 512 == 0) {
                again[i] = !again[i];
                put_leaf(code + i * ROOM, RESULT(i, again[i]));
                flush(code + i * ROOM, ROOM);
            }
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    pthread_join(other, NULL);
}

/* QEMU's memory, in KiB: the guest's /proc/self is QEMU's own. */
static long memory(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;

    MUST(f);
    while (fgets(line, sizeof(line), f)) {
        sscanf(line, "VmRSS: %ld kB", &kib);
    }
    fclose(f);
    return kib;
}

static pthread_barrier_t barrier;

/* Call functions that are as far apart as possible. */
static void *call_some(void *count)
{
    for (uintptr_t i = 0; i < (uintptr_t)count; i++) {
        call(entry(code + i * (FUNCTIONS / SOME) * ROOM), NULL, NULL);
    }
    pthread_barrier_wait(&barrier);
    for (;;) {
        pause();
    }
    return NULL;
}

/* Return the memory that each thread takes, in KiB. */
static long start_threads(pthread_t *thread, uintptr_t count)
{
    long before = memory();

    MUST(before > 0);
    for (int i = 0; i < THREADS; i++) {
        thread[i] = start_thread(call_some, (void *)count);
    }
    pthread_barrier_wait(&barrier);
    return (memory() - before) / THREADS;
}

static void many_threads(void)
{
    pthread_t thread[3 * THREADS];
    long idle, some;

    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    /* The first threads reuse memory that grow() freed. */
    start_threads(thread, 0);
    idle = start_threads(thread + THREADS, 0);
    some = start_threads(thread + 2 * THREADS, SOME);
    printf("%ld KiB for a thread, %ld with %d functions\n", idle, some, SOME);
    CHECK(some - idle < 64, "%ld KiB more for %d functions", some - idle, SOME);
}

int main(int argc, char **argv)
{
    start();
    if (argc > 1) {
        seed = atoll(argv[1]);
    }
    printf("seed %llu\n", (unsigned long long)seed);
    grow();
    many_threads();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
