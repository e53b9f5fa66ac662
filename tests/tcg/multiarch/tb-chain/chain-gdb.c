/*
 * Tests of TB chaining: the program that gdb-chain.py debugs
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"

#define WARM    300
#define PHASES  6

/* For the debugger: the link, page B's entry, and a later instruction */
static const char *name;
static char *link_code, *link_target, *link_middle;
static int total, per_phase = 5;

static void *link_arg;

static __attribute__((noinline)) void checkpoint(void)
{
    asm volatile("" : : : "memory");
}

static __attribute__((noinline)) void rounds(int n)
{
    for (int i = 0; i < n; i++) {
        total += call(link_code, link_arg, NULL);
    }
}

static void hook(void)
{
}

static void *thread(void *opaque)
{
    rounds(per_phase);
    return NULL;
}

int main(void)
{
    char *a = map(2 * PAGE, RWX), *b = a + PAGE, *after_call = put_b(b, 1);

    start();
    for (Kind kind = 0; kind < KINDS; kind++) {
        if (kind == SPANS) {
            continue;
        }
        name = kind_name[kind];
        link_arg = kind == RETURN_TO_B ? (void *)hook : entry(b);
        link_code = put_link(a, kind, b);
        link_target = kind == RETURN_TO_B ? after_call : b;
        link_middle = put_load(link_target, 1);
        rounds(WARM);
        for (int i = 0; i < PHASES; i++) {
            total = 0;
            checkpoint();
            rounds(per_phase);
            CHECK(total == per_phase, "%s: %d", name, total);
        }
    }
    /* The last link is also run by another thread. */
    for (int i = 0; i < 2; i++) {
        checkpoint();
        pthread_join(start_thread(thread, NULL), NULL);
    }
    name = NULL;
    checkpoint();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
