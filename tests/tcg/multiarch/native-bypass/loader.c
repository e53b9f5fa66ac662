/*
 * A C library that is its own loader and has no soname, as musl's is unless
 * its distributor gave it one.  It does not get to run.
 *
 *   -DDLS2B -DDLS3: with the functions by which musl's is known
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

void *memcpy(void *dst, const void *src, size_t n)
{
    return NULL;
}

/* Of a local symbol, nobody says that it is the C library's. */
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
