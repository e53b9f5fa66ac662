/*
 * libnative.so: the functions that are composed of others, in guest code
 *
 * They need of the guest's C library malloc() and, if there is one, the
 * __chk_fail() by which it ends a program whose buffer overflows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
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
    end = token + native_strcspn(token, delim);
    *stringp = *end ? end + 1 : NULL;
    *end = 0;
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
 * Those that take none, for bytes and for wchar_t.  A call within a call costs
 * as much as FEW characters do, so that strings of up to these are copied here,
 * by fours, as a block's end costs too; if at addresses that all guests load
 * from.  What is longer is copied again by a native function, which tells what
 * there should be room for and stays within what there is.
 */
#define FEW         48
#define MIN(a, b)   ((a) < (b) ? (a) : (b))

#define CHECKED_STRINGS(str, stp, char_t)                                     \
    /* The index of the NUL, or -1 if it is not among the first @few */       \
    static inline size_t str ## _few_len(const char_t *s, size_t few)         \
    {                                                                         \
        for (size_t i = 0; i + 4 <= MIN(few, FEW); i += 4) {                  \
            if (!s[i]) {                                                      \
                return i;                                                     \
            }                                                                 \
            if (!s[i + 1]) {                                                  \
                return i + 1;                                                 \
            }                                                                 \
            if (!s[i + 2]) {                                                  \
                return i + 2;                                                 \
            }                                                                 \
            if (!s[i + 3]) {                                                  \
                return i + 3;                                                 \
            }                                                                 \
        }                                                                     \
        return -1;                                                            \
    }                                                                         \
                                                                              \
    /* The same of a string that is copied */                                 \
    static inline size_t str ## _few(char_t *dst, const char_t *src,          \
                                     size_t few)                              \
    {                                                                         \
        for (size_t i = 0; i + 4 <= MIN(few, FEW); i += 4) {                  \
            dst[i] = src[i];                                                  \
            if (!dst[i]) {                                                    \
                return i;                                                     \
            }                                                                 \
            dst[i + 1] = src[i + 1];                                          \
            if (!dst[i + 1]) {                                                \
                return i + 1;                                                 \
            }                                                                 \
            dst[i + 2] = src[i + 2];                                          \
            if (!dst[i + 2]) {                                                \
                return i + 2;                                                 \
            }                                                                 \
            dst[i + 3] = src[i + 3];                                          \
            if (!dst[i + 3]) {                                                \
                return i + 3;                                                 \
            }                                                                 \
        }                                                                     \
        return -1;                                                            \
    }                                                                         \
                                                                              \
    /* At most n characters, and a NUL, whose address is returned if no ret */\
    static __attribute__((noinline)) void *                                   \
    str ## _copy(char_t *dst, const char_t *src, size_t n, size_t room,       \
                 void *ret)                                                   \
    {                                                                         \
        size_t len;                                                           \
                                                                              \
        if (n < room) {                                                       \
            if ((uintptr_t)dst % sizeof(char_t) == 0) {                       \
                *dst = 0;                                                     \
            }                                                                 \
            native_ ## str ## ncat(dst, src, n);                              \
            return ret;                                                       \
        }                                                                     \
        len = native_ ## str ## lcpy(dst, src, room);                         \
        check(len + 1, room);                                                 \
        return ret ? ret : dst + len;                                         \
    }                                                                         \
                                                                              \
    static __attribute__((noinline)) void *                                   \
    str ## _append(char_t *dst, const char_t *src, size_t n, size_t room)     \
    {                                                                         \
        size_t used = native_ ## str ## nlen(dst, room);                      \
                                                                              \
        check(used + 1, room);                                                \
        return str ## _copy(dst + used, src, n, room - used, dst);            \
    }                                                                         \
                                                                              \
    static inline bool str ## _aligned(const void *dst, const void *src)      \
    {                                                                         \
        return ((uintptr_t)dst | (uintptr_t)src) % sizeof(char_t) == 0;       \
    }                                                                         \
                                                                              \
    void *__ ## str ## cpy_chk(void *dst, const void *src, size_t room)       \
    {                                                                         \
        if (str ## _aligned(dst, src) && str ## _few(dst, src, room) != -1) { \
            return dst;                                                       \
        }                                                                     \
        return str ## _copy(dst, src, SIZE_MAX, room, dst);                   \
    }                                                                         \
                                                                              \
    void *__ ## stp ## cpy_chk(void *dst, const void *src, size_t room)       \
    {                                                                         \
        size_t len = str ## _aligned(dst, src) ? str ## _few(dst, src, room)  \
                                               : -1;                          \
                                                                              \
        if (len != -1) {                                                      \
            return (char_t *)dst + len;                                       \
        }                                                                     \
        return str ## _copy(dst, src, SIZE_MAX, room, NULL);                  \
    }                                                                         \
                                                                              \
    static inline void *str ## _cat(void *dst, const char_t *src, size_t n,   \
                                    size_t room)                              \
    {                                                                         \
        size_t used = str ## _aligned(dst, src) ? str ## _few_len(dst, room)  \
                                                : -1;                         \
        char_t *end = (char_t *)dst + used;                                   \
                                                                              \
        if (used == -1) {                                                     \
            return str ## _append(dst, src, n, room);                         \
        }                                                                     \
        if (str ## _few(end, src, MIN(n, room - used)) != -1) {               \
            return dst;                                                       \
        }                                                                     \
        return str ## _copy(end, src, n, room - used, dst);                   \
    }                                                                         \
                                                                              \
    void *__ ## str ## cat_chk(void *dst, const void *src, size_t room)       \
    {                                                                         \
        return str ## _cat(dst, src, SIZE_MAX, room);                         \
    }                                                                         \
                                                                              \
    void *__ ## str ## ncat_chk(void *dst, const void *src, size_t n,         \
                                size_t room)                                  \
    {                                                                         \
        return str ## _cat(dst, src, n, room);                                \
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
