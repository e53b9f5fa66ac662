/*
 * libnative.so: the functions that are composed of others, in guest code
 *
 * They need of the guest's C library malloc() and, if there is one, the
 * __chk_fail() by which it ends a program whose buffer overflows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>
#include <stdint.h>

/* Arguments and results as the table names them; see there. */
typedef void *native_out, *native_cat, *native_ptr, *native_dup;
typedef const void *native_mem, *native_moved, *native_str;
typedef char **native_strp;
typedef size_t native_size, native_room;
typedef int native_chr, native_int;
typedef void native_none;

#define PROTOTYPE_1(name, result, a) \
    native_ ## result name(native_ ## a);
#define PROTOTYPE_2(name, result, a, b) \
    native_ ## result name(native_ ## a, native_ ## b);
#define PROTOTYPE_3(name, result, a, b, c) \
    native_ ## result name(native_ ## a, native_ ## b, native_ ## c);
#define PROTOTYPE_4(name, result, a, b, c, d) \
    native_ ## result name(native_ ## a, native_ ## b, native_ ## c, \
                           native_ ## d);
#define PROTOTYPE(name, result, count, ...) \
    PROTOTYPE_ ## count(name, result, __VA_ARGS__)

/* The stubs, by the names that libnative.S has for us; what we export */
#pragma GCC visibility push(hidden)
#define NATIVE(name, ...)           PROTOTYPE(native_ ## name, __VA_ARGS__)
#define NATIVE_ALIAS(...)
#define NATIVE_GUEST(...)
#define NATIVE_CHECKED(...)
#include "user/native-functions.h.inc"
#pragma GCC visibility pop

#undef NATIVE
#undef NATIVE_GUEST
#define NATIVE(...)
#define NATIVE_GUEST(name, ...)     PROTOTYPE(name, __VA_ARGS__)
#include "user/native-functions.h.inc"

void *malloc(size_t size);
void __chk_fail(void) __attribute__((weak, noreturn));

/* Not inline: its callers then have no use for the GOT. */
static __attribute__((noinline, cold, noreturn)) void fail(void)
{
    if (__chk_fail) {
        __chk_fail();
    }
    __builtin_trap();
}

static inline void check(size_t used, size_t room)
{
    if (used > room) {
        fail();
    }
}

void bcopy(const void *src, void *dst, size_t n)
{
    native_memmove(dst, src, n);
}

#define ZERO(name)                      \
    void name(void *dst, size_t n)      \
    {                                   \
        native_memset(dst, 0, n);       \
    }

ZERO(bzero)
ZERO(explicit_bzero)

void *strdup(const void *s)
{
    size_t size = native_strlen(s) + 1;
    void *copy = malloc(size);

    return copy ? native_memcpy(copy, s, size) : NULL;
}

void *strndup(const void *s, size_t n)
{
    size_t len = native_strnlen(s, n);
    char *copy = malloc(len + 1);

    if (!copy) {
        return NULL;
    }
    copy[len] = 0;
    return native_memcpy(copy, s, len);
}

void *strsep(char **stringp, const void *delim)
{
    char *token = *stringp, *end;

    if (!token) {
        return NULL;
    }
    end = native_strpbrk(token, delim);
    if (end) {
        *end++ = 0;
    }
    *stringp = end;
    return token;
}

/*
 * The fortified functions, which end the program before anything is written
 * where there is no room.  Those that take n; it may be the second or the
 * third argument's.
 */
#undef NATIVE_GUEST
#undef NATIVE_CHECKED
#define NATIVE_GUEST(...)
#define NATIVE_CHECKED(name, result, count, out, type, size, room)          \
    native_ ## result __ ## name ## _chk(native_ ## out dst,                \
                                         native_ ## type arg, size_t n,     \
                                         size_t len)                        \
    {                                                                       \
        check(n, len);                                                      \
        return native_ ## name(dst, arg, n);                                \
    }
#include "user/native-functions.h.inc"

void __explicit_bzero_chk(void *dst, size_t n, size_t room)
{
    check(n, room);
    native_memset(dst, 0, n);
}

/*
 * Those that take none, for bytes and for wchar_t.  The copy that tells what
 * there should be room for stays within what there is.  Short strings, if at
 * addresses that all guests load from, are done before a call would be made.
 */
#define SHORT       9
#define MIN(a, b)   ((a) < (b) ? (a) : (b))

#define CHECKED_STRINGS(str, stp, char_t)                                   \
    /* Copy at most n characters, and a NUL; of which the address returns */\
    static inline char_t *str ## _copy(char_t *dst, const char_t *src,      \
                                       size_t n, size_t room)               \
    {                                                                       \
        size_t few = MIN(n, MIN(room, SHORT)), i, len;                      \
                                                                            \
        if (((uintptr_t)dst | (uintptr_t)src) % sizeof(char_t)) {           \
            few = 0;                                                        \
        }                                                                   \
        for (i = 0; i < few; i++) {                                         \
            dst[i] = src[i];                                                \
            if (!dst[i]) {                                                  \
                return dst + i;                                             \
            }                                                               \
        }                                                                   \
        check(i + 1, room);                                                 \
        if (n < room) {                                                     \
            if (i) {                                                        \
                dst[i] = 0;                                                 \
            }                                                               \
            native_ ## str ## ncat(dst + i, src + i, n - i);                \
            return NULL;                                                    \
        }                                                                   \
        len = native_ ## str ## lcpy(dst + i, src + i, room - i);           \
        check(len + 1, room - i);                                           \
        return dst + i + len;                                               \
    }                                                                       \
                                                                            \
    static inline char_t *str ## _end(char_t *dst, size_t room)             \
    {                                                                       \
        size_t few = MIN(room, SHORT), used = 0;                            \
                                                                            \
        if ((uintptr_t)dst % sizeof(char_t)) {                              \
            few = 0;                                                        \
        }                                                                   \
        while (used < few && dst[used]) {                                   \
            used++;                                                         \
        }                                                                   \
        if (used == few) {                                                  \
            used = native_ ## str ## nlen(dst, room);                       \
        }                                                                   \
        check(used + 1, room);                                              \
        return dst + used;                                                  \
    }                                                                       \
                                                                            \
    void *__ ## str ## cpy_chk(void *dst, const void *src, size_t room)     \
    {                                                                       \
        str ## _copy(dst, src, SIZE_MAX, room);                             \
        return dst;                                                         \
    }                                                                       \
                                                                            \
    void *__ ## stp ## cpy_chk(void *dst, const void *src, size_t room)     \
    {                                                                       \
        return str ## _copy(dst, src, SIZE_MAX, room);                      \
    }                                                                       \
                                                                            \
    void *__ ## str ## cat_chk(void *dst, const void *src, size_t room)     \
    {                                                                       \
        char_t *end = str ## _end(dst, room);                               \
                                                                            \
        str ## _copy(end, src, SIZE_MAX, room - (end - (char_t *)dst));     \
        return dst;                                                         \
    }                                                                       \
                                                                            \
    void *__ ## str ## ncat_chk(void *dst, const void *src, size_t n,       \
                                size_t room)                                \
    {                                                                       \
        char_t *end = str ## _end(dst, room);                               \
                                                                            \
        str ## _copy(end, src, n, room - (end - (char_t *)dst));            \
        return dst;                                                         \
    }

CHECKED_STRINGS(str, stp, char)
CHECKED_STRINGS(wcs, wcp, wchar_t)

#ifdef __arm__
#define AEABI(align)                                                        \
    void __aeabi_memset ## align(void *dst, size_t n, int chr)              \
    {                                                                       \
        native_memset(dst, chr, n);                                         \
    }                                                                       \
                                                                            \
    ZERO(__aeabi_memclr ## align)

AEABI()
AEABI(4)
AEABI(8)
#endif
