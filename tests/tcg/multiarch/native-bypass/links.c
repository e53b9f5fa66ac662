/*
 * Native bypass: a program that defines functions named as the C library's
 *
 * links.sh links it from these objects in many ways.
 *
 *   -DMAIN: calls the others
 *   -DOWN: global functions
 *   -DLOCAL: functions that are local to that object
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

/* Some C libraries do not have it. */
typedef size_t CopyFn(char *dst, const char *src, size_t n);
CopyFn strlcpy;

typedef long LocalFn(long n);
LocalFn call_local;

#ifdef MAIN
int main(void)
{
    char area[8] = "unmoved";

    printf("%zu %s %s %ld %zu\n", strlcpy(area, "moved", 3), area,
           (char *)memmem("haystack", 8, "st", 2), call_local(4),
           strlen(area));
    return 0;
}
#elif defined(OWN)
size_t strlcpy(char *dst, const char *src, size_t n)
{
    dst[0] = src[n];
    return 1000 + n;
}

void *memmem(const void *all, size_t n, const void *part, size_t len)
{
    return (char *)all + n - len;
}
#elif defined(LOCAL)
/* Fixed symbols, as a compiler may rename static functions */
static long local_index(long n, long unused) asm("index");
static long local_memchr(long n, long unused, long size) asm("memchr");

static __attribute__((noinline, used)) long local_index(long n, long unused)
{
    return n * 3 + unused;
}

static __attribute__((noinline, used)) long local_memchr(long n, long unused,
                                                         long size)
{
    return n + size + unused;
}

static const struct {
    long (*index)(long n, long unused);
    long (*memchr)(long n, long unused, long size);
} volatile local = { local_index, local_memchr };   /* not to be inlined */

long call_local(long n)
{
    return local.memchr(local.index(n, 0), 0, 100);
}
#endif
