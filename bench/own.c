/*
 * make bench: a library's functions, for calls.c to call through the PLT
 *
 * One that does nothing, and plain C of those that Debian 12's libc lacks:
 * programs have brought their own strlcpy() for decades.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

uintptr_t empty(uintptr_t a, uintptr_t b, uintptr_t c);

uintptr_t empty(uintptr_t a, uintptr_t b, uintptr_t c)
{
    return a;
}

#define OWN(CHAR, lcpy, lcat) \
size_t lcpy(CHAR *d, const CHAR *s, size_t n); \
size_t lcat(CHAR *d, const CHAR *s, size_t n); \
size_t __ ## lcpy ## _chk(CHAR *d, const CHAR *s, size_t n, size_t room); \
size_t __ ## lcat ## _chk(CHAR *d, const CHAR *s, size_t n, size_t room); \
 \
size_t lcpy(CHAR *d, const CHAR *s, size_t n) \
{ \
    size_t i = 0; \
 \
    for (; i + 1 < n && s[i]; i++) { \
        d[i] = s[i]; \
    } \
    if (n) { \
        d[i] = 0; \
    } \
    while (s[i]) { \
        i++; \
    } \
    return i; \
} \
 \
size_t lcat(CHAR *d, const CHAR *s, size_t n) \
{ \
    size_t used = 0; \
 \
    while (used < n && d[used]) { \
        used++; \
    } \
    return used + lcpy(d + used, s, n - used); \
} \
 \
size_t __ ## lcpy ## _chk(CHAR *d, const CHAR *s, size_t n, size_t room) \
{ \
    return n <= room ? lcpy(d, s, n) : 0; \
} \
 \
size_t __ ## lcat ## _chk(CHAR *d, const CHAR *s, size_t n, size_t room) \
{ \
    return n <= room ? lcat(d, s, n) : 0; \
}

OWN(char, strlcpy, strlcat)
OWN(wchar_t, wcslcpy, wcslcat)
