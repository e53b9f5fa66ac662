/*
 * A C library that is its own loader and has no soname, as musl's is unless
 * its distributor gave it one, with a function before __libc_start_main();
 * and a program of that loader, which does not get to run.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <string.h>

#ifdef LIBRARY
void *memcpy(void *dst, const void *src, size_t n)
{
    return NULL;
}

int __libc_start_main(void)
{
    return 0;
}
#endif

void _start(void)
{
    __builtin_trap();
}
