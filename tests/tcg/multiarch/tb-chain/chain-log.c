/*
 * Tests of TB chaining: the program that chain-log.sh runs
 *
 * Page A is at an address that the script knows; every 64 bytes, it has code
 * that continues in page B.  Arguments: the number of rounds, and of threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define BASE    ((char *)0x20000000)

static void *code[KINDS];
static int rounds, sum;

static void *run_rounds(void *opaque)
{
    for (int i = 0; i < rounds; i++) {
        for (Kind kind = 0; kind < KINDS; kind++) {
            if (code[kind]) {
                int result = call(code[kind], BASE + PAGE, NULL);

                CHECK(result == 1, "%s: %d", kind_name[kind], result);
                __atomic_add_fetch(&sum, result, __ATOMIC_SEQ_CST);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    int threads = argc > 2 ? atoi(argv[2]) : 0;
    pthread_t thread[threads + 1];

    start();
    rounds = argc > 1 ? atoi(argv[1]) : 50;
    MUST(mmap(BASE, 2 * PAGE, RWX, MAP_PRIVATE | MAP_ANONYMOUS |
              MAP_FIXED_NOREPLACE, -1, 0) == BASE);
    put_b(BASE + PAGE, 1);
    code[RUNS_ON] = put_link(BASE, RUNS_ON, BASE + PAGE);
    for (Kind kind = 0; kind < RETURN_TO_B; kind++) {
        if (kind != RUNS_ON && kind != SPANS) {
            code[kind] = put_link(BASE + 64 * kind, kind, BASE + PAGE);
        }
    }
    for (int i = 1; i < threads; i++) {
        thread[i] = start_thread(run_rounds, NULL);
    }
    run_rounds(NULL);
    for (int i = 1; i < threads; i++) {
        pthread_join(thread[i], NULL);
    }
    printf("sum %d\n", sum);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
