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
    /* The host's own strsep() is made of this, which is the faster one. */
    end = token + native_strcspn(token, delim);
    if (*end) {
        *end++ = 0;
    } else {
        end = NULL;
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
 * Those that take none, for bytes and for wchar_t.  A call within a call costs
 * as much as some 50 characters do, so that these are copied here, if at
 * addresses that all guests load from.  What is longer is copied again by a
 * native function, which tells what there should be room for and stays within
 * what there is.
 */
#define MIN(a, b)   ((a) < (b) ? (a) : (b))
#define FEW         48
/* glibc's own copy bytes by calls, too, and are as fast as that from here */
#define FEW_BYTES   8

#if defined(__i386__) || defined(__x86_64__)
/* which load from any address, and have that address if it faults */
typedef wchar_t native_wchar_t __attribute__((aligned(1)));
#else
typedef wchar_t native_wchar_t;
#endif

/* From page to page, a jump is a look-up.  Arm's assembler cannot do this. */
#ifdef __arm__
# define IN_ONE_PAGE
#else
# define IN_ONE_PAGE    __attribute__((aligned(512)))
#endif

#define CHECKED_STRINGS(str, stp, char_t)                                     \
    /*                                                                        \
     * Copy less than @few characters and a NUL: returns its address, or NULL.\
     * A branch costs, be it taken or not: have few of them.                  \
     */                                                                       \
    static inline __attribute__((always_inline)) char_t *                     \
    str ## _few(char_t *dst, const char_t *src, size_t few, const int by)     \
    {                                                                         \
        if (few >= by) {                                                      \
            do {                                                              \
                _Pragma("GCC unroll 8")                                       \
                for (int k = 0; k < by; k++) {                                \
                    dst[k] = src[k];                                          \
                    if (!dst[k]) {                                            \
                        return dst + k;                                       \
                    }                                                         \
                }                                                             \
                dst += by;                                                    \
                src += by;                                                    \
                few -= by;                                                    \
            } while (few >= by);                                              \
        }                                                                     \
        for (; few; few--, dst++, src++) {                                    \
            *dst = *src;                                                      \
            if (!*dst) {                                                      \
                return dst;                                                   \
            }                                                                 \
        }                                                                     \
        return NULL;                                                          \
    }                                                                         \
                                                                              \
    /* How many characters to copy here, if there is room for so many */      \
    static inline size_t str ## _limit(const void *dst, const void *src,      \
                                       size_t room, size_t few)               \
    {                                                                         \
        room = MIN(room, few);                                                \
        return ((uintptr_t)dst | (uintptr_t)src) % __alignof__(char_t) ? 0    \
                                                                     : room;  \
    }                                                                         \
                                                                              \
    /* Not inline: the functions that may call these need no frame then. */   \
    static __attribute__((noinline)) void *                                   \
    str ## _copy(char_t *dst, const char_t *src, size_t room, void *ret)      \
    {                                                                         \
        size_t len = native_ ## str ## lcpy(dst, src, room);                  \
                                                                              \
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
        if (n < room - used) {                                                \
            native_ ## str ## ncat(dst + used, src, n);                       \
            return dst;                                                       \
        }                                                                     \
        return str ## _copy(dst + used, src, room - used, dst);               \
    }                                                                         \
                                                                              \
    IN_ONE_PAGE                                                               \
    void *__ ## str ## cpy_chk(void *dst, const void *src, size_t room)       \
    {                                                                         \
        size_t few = str ## _limit(dst, src, room, sizeof(char_t) == 1        \
                                                   ? FEW_BYTES : FEW);        \
                                                                              \
        if (str ## _few(dst, src, few, 8)) {                                  \
            return dst;                                                       \
        }                                                                     \
        return str ## _copy(dst, src, room, dst);                             \
    }                                                                         \
                                                                              \
    IN_ONE_PAGE                                                               \
    void *__ ## stp ## cpy_chk(void *dst, const void *src, size_t room)       \
    {                                                                         \
        size_t few = str ## _limit(dst, src, room, sizeof(char_t) == 1        \
                                                   ? FEW_BYTES : FEW);        \
        char_t *end = str ## _few(dst, src, few, 8);                          \
                                                                              \
        return end ? end : str ## _copy(dst, src, room, NULL);                \
    }                                                                         \
                                                                              \
    static inline void *str ## _cat(void *dst, const char_t *src, size_t n,   \
                                    size_t room)                              \
    {                                                                         \
        char_t *end = dst, *last = end + str ## _limit(dst, src, room, FEW);  \
        size_t few;                                                           \
                                                                              \
        do {                                                                  \
            if (end == last) {                                                \
                return str ## _append(dst, src, n, room);                     \
            }                                                                 \
        } while (*end++);                                                     \
        end--;                                                                \
        few = MIN(n, last - end);                                             \
        /* With n, more of a block are more registers to save. */             \
        if (str ## _few(end, src, few, __builtin_constant_p(n) ? 8 : 2)) {    \
            return dst;                                                       \
        }                                                                     \
        if (few == n && n < last - end) {                                     \
            end[n] = 0;                                                       \
            return dst;                                                       \
        }                                                                     \
        *end = 0;                                                             \
        return str ## _append(dst, src, n, room);                             \
    }                                                                         \
                                                                              \
    IN_ONE_PAGE                                                               \
    void *__ ## str ## cat_chk(void *dst, const void *src, size_t room)       \
    {                                                                         \
        return str ## _cat(dst, src, SIZE_MAX, room);                         \
    }                                                                         \
                                                                              \
    IN_ONE_PAGE                                                               \
    void *__ ## str ## ncat_chk(void *dst, const void *src, size_t n,         \
                                size_t room)                                  \
    {                                                                         \
        return str ## _cat(dst, src, n, room);                                \
    }

CHECKED_STRINGS(str, stp, char)
CHECKED_STRINGS(wcs, wcp, native_wchar_t)

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
