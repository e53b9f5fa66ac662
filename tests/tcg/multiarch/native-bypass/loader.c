/*
 * A C library that is its own loader and has no soname, like musl unless its
 * distributor gave it one.  It never runs.
 *
 *   -DDLS2B -DDLS3: with the functions by which QEMU knows musl
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

void *memcpy(void *dst, const void *src, size_t n)
{
    return NULL;
}

/* A local symbol is not a function of the C library. */
static __attribute__((used)) int local(void) asm("strlen");

static int local(void)
{
    return 0;
}

#ifdef DLS2B
void __dls2b(void)
{
}
#endif

#ifdef DLS3
void __dls3(void)
{
}
#endif

void _start(void)
{
    __builtin_trap();
}
