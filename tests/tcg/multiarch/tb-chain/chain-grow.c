/*
 * Tests of links between translation blocks: more of them than a cache has room
 *
 * Each thread finds blocks in a cache of its own, which is small at first.
 * Functions are called by more and more addresses, in random order, while
 * another thread does so, too, and some functions are written anew: whatever is
 * called returns what was last written there.  Many threads with little to do
 * need little memory.  With a number as argument, that is the seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define FUNCTIONS   40000
#define ROOM        32          /* for each */
#define THREADS     100

static uint64_t seed = 1;
static char *code;
static unsigned made;           /* functions that there are */
static bool stop;

/* What function i returns, at first and when it has been written anew */
#define RESULT(i, again)    ((i) % 10000 + ((again) ? 10000 : 0))

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

/* The emulator's memory, in KiB: its own /proc/self is the guest's. */
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

static void *call_few(void *unused)
{
    for (int i = 0; i < 100; i++) {
        call(entry(code + i * ROOM), NULL, NULL);
    }
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

static void many_threads(void)
{
    pthread_t thread[THREADS];
    long before, each;

    pthread_barrier_init(&barrier, NULL, THREADS + 1);
    before = memory();
    for (int i = 0; i < THREADS; i++) {
        thread[i] = start_thread(call_few, NULL);
    }
    pthread_barrier_wait(&barrier);
    each = (memory() - before) / THREADS;
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
    }
    printf("%ld KiB for each thread\n", each);
    CHECK(before > 0 && each < 128, "%ld KiB for each thread", each);
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
