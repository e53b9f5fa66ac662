/*
 * Native bypass: the host's string functions, for bytes and for wchar_t
 *
 * Lengths are in characters of @size bytes, which is a constant: 1, or the
 * size of wchar_t.  The wide functions of the host take aligned strings only,
 * and its order of characters may not be the guest's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_HOST_STRING_H
#define NATIVE_HOST_STRING_H

#include <wchar.h>
#include "exec/tswap.h"
#include "tcg/native-bypass.h"

QEMU_BUILD_BUG_ON(sizeof(wchar_t) != sizeof(target_wchar_t));

static inline size_t host_left_in_page(const void *p)
{
    return -((uintptr_t)p | TARGET_PAGE_MASK);
}

/*
 * Fault now, if at all: touch a byte of each page of the @n bytes at @p.  No
 * sanitizer is to judge that.
 */
__attribute__((no_sanitize("address"), no_sanitize("null")))
static void host_touch(void *p, size_t n, bool write)
{
    size_t left;

    for (; n; n -= left, p += left) {
        /* volatile, since to access it is all that this does */
        volatile uint8_t *byte = p;
        uint8_t value = *byte;

        if (write) {
            *byte = value;
        }
        left = MIN(n, host_left_in_page(p));
    }
}

static inline bool host_misaligned(const void *p)
{
    return (uintptr_t)p % sizeof(wchar_t);
}

/* Index of @wc, and if @string, of the NUL if that comes first; else @n */
static size_t host_wide_index(const wchar_t *s, wchar_t wc, bool string,
                              size_t n)
{
    size_t i;

    host_touch((void *)s, 1, false);
    for (i = 0; i < n; i++) {
        wchar_t at = ldl_he_p(s + i);

        if (at == wc || (string && at == 0)) {
            break;
        }
    }
    return i;
}

static wchar_t *host_wide_chr(wchar_t *s, wchar_t wc, bool last)
{
    wchar_t *found = NULL;

    do {
        s += host_wide_index(s, wc, true, SIZE_MAX);
        if (ldl_he_p(s) == wc) {
            found = s;
        }
    } while ((last || !found) && ldl_he_p(s++));
    return found;
}

static inline size_t host_strlen(const void *s, size_t size)
{
    if (size == 1) {
        return strlen(s);
    }
    return host_misaligned(s) ? host_wide_index(s, 0, true, SIZE_MAX)
                              : wcslen(s);
}

static inline size_t host_strnlen(const void *s, size_t n, size_t size)
{
    if (size == 1) {
        return strnlen(s, n);
    }
    return host_misaligned(s) ? host_wide_index(s, 0, true, n)
                              : wcsnlen(s, n);
}

/* @chr is the guest's argument: an int, or a wchar_t. */
static inline void *host_memchr(void *s, target_ulong chr, size_t n,
                                size_t size)
{
    wchar_t wc = tswap32(chr);
    size_t i;

    if (size == 1) {
        return memchr(s, (uint8_t)chr, n);
    } else if (!host_misaligned(s)) {
        return wmemchr(s, wc, n);
    }
    i = host_wide_index(s, wc, false, n);
    return i < n ? (wchar_t *)s + i : NULL;
}

static inline void *host_strchr(void *s, target_ulong chr, size_t size)
{
    wchar_t wc = tswap32(chr);

    if (size == 1) {
        return strchr(s, (uint8_t)chr);
    }
    return host_misaligned(s) ? host_wide_chr(s, wc, false) : wcschr(s, wc);
}

static inline void *host_strrchr(void *s, target_ulong chr, size_t size)
{
    wchar_t wc = tswap32(chr);

    if (size == 1) {
        return strrchr(s, (uint8_t)chr);
    }
    return host_misaligned(s) ? host_wide_chr(s, wc, true) : wcsrchr(s, wc);
}

static inline void host_memset(void *s, target_ulong chr, size_t n,
                               size_t size)
{
    wchar_t wc = tswap32(chr), *p = s;

    if (size == 1) {
        memset(s, (uint8_t)chr, n);
    } else if (!host_misaligned(s)) {
        wmemset(s, wc, n);
    } else {
        host_touch(s, 1, true);
        for (size_t i = 0; i < n; i++) {
            stl_he_p(p + i, wc);
        }
    }
}

typedef enum HostCompare {
    HOST_MEMCMP,
    HOST_STRNCMP,
    HOST_STRCMP,
} HostCompare;

static bool host_wide_differ(const wchar_t *p, const wchar_t *q, size_t n,
                             bool string)
{
    host_touch((void *)p, 1, false);
    host_touch((void *)q, 1, false);
    while (n > 1 && ldl_he_p(p) == ldl_he_p(q) &&
           !(string && ldl_he_p(p) == 0)) {
        p++;
        q++;
        n--;
    }
    return ldl_he_p(p) != ldl_he_p(q);
}

static inline bool host_differ(const void *p, const void *q, size_t n,
                               size_t size, HostCompare how)
{
    if (size == 1) {
        return how == HOST_MEMCMP ? memcmp(p, q, n)
             : how == HOST_STRNCMP ? strncmp(p, q, n) : strcmp(p, q);
    }
    if (host_misaligned(p) || host_misaligned(q)) {
        return host_wide_differ(p, q, n, how != HOST_MEMCMP);
    }
    return how == HOST_MEMCMP ? wmemcmp(p, q, n) : wcsncmp(p, q, n);
}

/*
 * Where the operands first differ, which do so: comparisons of the host have
 * told, with a number that need not be the guest's.  Within a page, more may be
 * read than they have.
 */
__attribute__((no_sanitize("address"), no_sanitize("alignment")))
static size_t host_difference(const void *p, const void *q)
{
    for (size_t i = 0;;) {
        size_t left = MIN(host_left_in_page(p + i), host_left_in_page(q + i));

        for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
            uint64_t bits = ldq_he_p(p + i) ^ ldq_he_p(q + i);

            if (bits) {
                return i + (HOST_BIG_ENDIAN ? clz64(bits) : ctz64(bits)) / 8;
            }
            i += sizeof(uint64_t);
        }
        for (; left; left--, i++) {
            if (ldub_p(p + i) != ldub_p(q + i)) {
                return i;
            }
        }
    }
}

/* What the guest's C library gives for operands that differ */
static int host_order(const void *p, const void *q, size_t n, size_t size,
                      HostCompare how)
{
    size_t at = host_difference(p, q);

    if (size == 1) {
        int diff = ldub_p(p + at) - ldub_p(q + at);

        return !native_only_sign(n, at, how != HOST_MEMCMP) ? diff
             : diff < 0 ? -1 : 1;
    } else {
        target_wchar_t a, b;

        at -= at % size;
        a = tswap32(ldl_he_p(p + at));
        b = tswap32(ldl_he_p(q + at));
        if (how == HOST_STRCMP && b == 0 && native_wcscmp_gives_char) {
            return a;
        }
        return a < b ? -1 : 1;
    }
}

#endif /* NATIVE_HOST_STRING_H */
