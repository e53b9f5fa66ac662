/*
 * Native bypass: the host's string functions, for bytes and for wchar_t
 *
 * Lengths are in characters of @size bytes: a constant, 1 or the size of
 * wchar_t.  The host's wide functions take aligned strings only.  The host's
 * order of characters may differ from the guest's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_HOST_STRING_H
#define NATIVE_HOST_STRING_H

#include <wchar.h>
#include "exec/tswap.h"
#include "tcg/native-bypass.h"

#ifndef NATIVE_MEMCMP_LESS
#define NATIVE_MEMCMP_LESS  -1
#endif
#ifndef native_only_sign
#define native_only_sign(n, at, string) false
#endif

QEMU_BUILD_BUG_ON(sizeof(wchar_t) != sizeof(target_wchar_t));

static inline size_t host_left_in_page(const void *p)
{
    return -((uintptr_t)p | TARGET_PAGE_MASK);
}

/*
 * Fault now, if at all: read one byte in each page of the @n bytes at @p.
 * Sanitizers must not check these reads.
 */
__attribute__((no_sanitize("address"), no_sanitize("null")))
static void host_touch(const void *p, size_t n)
{
    size_t left;

    for (; n; n -= left, p += left) {
        /* volatile, as the access is the only effect */
        (void)*(volatile const uint8_t *)p;
        left = MIN(n, host_left_in_page(p));
    }
}

/*
 * The same with writes of a byte that the caller writes there anyway: the one
 * of @from, or @fill without @from.  If @fill is -1, no byte changes and no
 * write of another thread is lost, but this takes longer.
 */
__attribute__((no_sanitize("address"), no_sanitize("null")))
static void host_touch_written(void *p, size_t n, const void *from, int fill)
{
    size_t left;

    for (size_t i = 0; i < n; i += left) {
        volatile uint8_t *byte = p + i; /* volatile, as above */
        uint8_t zero = 0;

        if (fill < 0) {
            /* Hide the 0 from the compiler, which might omit the write. */
            asm("" : "+r" (zero));
            qatomic_or(byte, zero);
        } else {
            *byte = from ? *((const uint8_t *)from + i) : fill;
        }
        left = MIN(n - i, host_left_in_page(p + i));
    }
}

static inline bool host_misaligned(const void *p)
{
    return (uintptr_t)p % sizeof(wchar_t);
}

/*
 * Another thread may change the character.  So a decision depends on a single
 * read, and the compiler must not repeat it.
 */
static inline wchar_t host_char(const void *s, size_t size)
{
    wchar_t at = size == 1 ? ldub_p(s) : ldl_he_p(s);

    barrier();
    return at;
}

/* The guest's argument, an int or a wchar_t, in host_char()'s format */
static inline wchar_t host_arg(target_ulong chr, size_t size)
{
    return size == 1 ? (uint8_t)chr : tswap32(chr);
}

/* Index of @wc, or of an earlier NUL if @string; @n if there is neither */
static size_t host_wide_index(const wchar_t *s, wchar_t wc, bool string,
                              size_t n)
{
    size_t i;

    host_touch(s, 1);
    for (i = 0; i < n; i++) {
        wchar_t at = host_char(s + i, sizeof(wchar_t));

        if (at == wc || (string && at == 0)) {
            break;
        }
    }
    return i;
}

/* strchr() and strrchr().  Sets @end behind the last character read. */
static void *host_look(void *s, wchar_t wc, bool last, size_t size, void **end)
{
    void *found = NULL;
    wchar_t at;

    host_touch(s, 1);
    do {
        at = host_char(s, size);
        if (at == wc) {
            found = s;
        }
        s += size;
    } while (at && (last || !found));
    *end = s;
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

static inline void *host_memchr(void *s, target_ulong chr, size_t n,
                                size_t size)
{
    wchar_t wc = host_arg(chr, size);
    size_t i;

    if (size == 1) {
        return memchr(s, wc, n);
    } else if (!host_misaligned(s)) {
        return wmemchr(s, wc, n);
    }
    i = host_wide_index(s, wc, false, n);
    return i < n ? (wchar_t *)s + i : NULL;
}

static inline void *host_strchr(void *s, target_ulong chr, size_t size)
{
    wchar_t wc = host_arg(chr, size), at;
    void *found;

    if (size == 1) {
        /* A host's strchr() may read the found character again. */
        do {
            found = strchrnul(s, wc);
            at = host_char(found, 1);
        } while (unlikely(at != wc && at != 0));
        return at == wc ? found : NULL;
    }
    return host_misaligned(s) ? host_look(s, wc, false, size, &found)
                              : wcschr(s, wc);
}

static inline void *host_strrchr(void *s, target_ulong chr, size_t size)
{
    wchar_t wc = host_arg(chr, size);
    void *end;

    if (size == 1) {
        return strrchr(s, wc);
    }
    return host_misaligned(s) ? host_look(s, wc, true, size, &end)
                              : wcsrchr(s, wc);
}

static inline void host_memset(void *s, target_ulong chr, size_t n,
                               size_t size)
{
    wchar_t wc = host_arg(chr, size), *p = s;

    if (size == 1) {
        memset(s, wc, n);
    } else if (!host_misaligned(s)) {
        wmemset(s, wc, n);
    } else {
        host_touch_written(s, 1, &wc, 0);
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

/*
 * Whether the operands may differ.  The host's result says no more: the guest's
 * may be another number, and the host's function may read the bytes twice.
 */
static inline bool host_differ(const void *p, const void *q, size_t n,
                               size_t size, HostCompare how)
{
    if (size == 1) {
        return how == HOST_MEMCMP ? memcmp(p, q, n)
             : how == HOST_STRNCMP ? strncmp(p, q, n) : strcmp(p, q);
    }
    return host_misaligned(p) || host_misaligned(q) ||
           (how == HOST_MEMCMP ? wmemcmp(p, q, n) : wcsncmp(p, q, n));
}

/* The guest C library's result if @p and @q end the comparison */
static inline int host_order(wchar_t p, wchar_t q, size_t at, target_ulong n,
                             size_t size, HostCompare how)
{
    target_wchar_t a = tswap32(p), b = tswap32(q);

    if (p == q) {
        return 0;
    }
    if (size == 1) {
        return !native_only_sign(n, at, how != HOST_MEMCMP) ? p - q
             : p > q ? 1
             : how == HOST_MEMCMP ? NATIVE_MEMCMP_LESS : -1;
    }
    if (how == HOST_STRCMP && b == 0 && native_wcscmp_gives_char &&
        !native_bypass_musl) {
        /* In glibc, negative if wchar_t is unsigned and this is large. */
        return a;
    }
    return a < b ? -1 : 1;
}

static inline wchar_t host_char_in(uint64_t word, unsigned at, size_t size)
{
    return host_char((uint8_t *)&word + at, size);
}

typedef uint64_t HostWords __attribute__((vector_size(16)));
typedef HostWords __attribute__((aligned(1), may_alias)) HostWordsAt;

/* One wide store, if possible: a wide load soon after need not wait for it. */
static inline void host_copy_short(void *to, const void *from, size_t n)
{
    if (n <= sizeof(HostWords) &&
        host_left_in_page(from) >= sizeof(HostWords)) {
        *(HostWordsAt *)to = *(const HostWordsAt *)from;
    } else {
        memcpy(to, from, n);
    }
}

/*
 * The guest C library's result for @n characters.  Compares at most @len
 * characters, and reads no page behind the first difference.  Sets @end to the
 * number of bytes up to there.  The result depends on one read of each byte.
 */
static inline QEMU_ALWAYS_INLINE
int host_compare(const void *p, const void *q, size_t len, target_ulong n,
                 size_t size, HostCompare how, size_t *end)
{
    const uint64_t low = size == 1 ? 0x7f7f7f7f7f7f7f7f : 0x7fffffff7fffffff;
    const bool string = how != HOST_MEMCMP;
    size_t part, left = 0;

    *end = len * size;
    for (size_t i = 0; i < *end; i += part, left -= part) {
        wchar_t x, y;
        size_t at = i;

        if (left < sizeof(HostWords)) {
            left = MIN(host_left_in_page(p + i), host_left_in_page(q + i));
            host_touch(p + i, 1);
            host_touch(q + i, 1);
        }
        if (likely(left >= sizeof(HostWords))) {
            HostWords a, b, ends;
            uint64_t bits;
            unsigned j;

            part = sizeof(HostWords);
            a = *(const HostWordsAt *)(p + i);
            b = *(const HostWordsAt *)(q + i);
            barrier();
            /* Set bits in differing characters, and in a string's NULs. */
            ends = a ^ b;
            if (string) {
                ends |= ~(((a & low) + low) | a | low);
            }
            if (likely(!(ends[0] | ends[1]))) {
                continue;
            }
            bits = ends[0] ?: ends[1];
            j = (HOST_BIG_ENDIAN ? clz64(bits) : ctz64(bits)) / 8;
            j -= j % size;
            at += (ends[0] ? 0 : sizeof(bits)) + j;
            x = host_char_in(ends[0] ? a[0] : a[1], j, size);
            y = host_char_in(ends[0] ? b[0] : b[1], j, size);
        } else {
            left = part = size;
            x = host_char(p + i, size);
            y = host_char(q + i, size);
        }
        if (at < *end && (x != y || (string && x == 0))) {
            *end = at + size;
            return host_order(x, y, at, n, size, how);
        }
    }
    return 0;
}

#endif /* NATIVE_HOST_STRING_H */
