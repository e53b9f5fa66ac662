/*
 * libnative.so: functions that are composed of stubs, in guest code
 *
 * They use the guest C library's malloc() and, if it exists, __chk_fail(),
 * which ends a program whose buffer overflows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>
#include <stdint.h>

/* Types of arguments and results in native-functions.h.inc */
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

/* The stubs, by the hidden names that libnative.S defines */
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

/* Not inline, so that its callers do not set up the GOT. */
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

/* Writes the NUL itself, as another thread may replace that of @s. */
static inline void *duplicate(const void *s, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy) {
        return NULL;
    }
    copy[len] = 0;
    return native_memcpy(copy, s, len);
}

void *strdup(const void *s)
{
    return duplicate(s, native_strlen(s));
}

void *strndup(const void *s, size_t n)
{
    return duplicate(s, native_strnlen(s, n));
}

void *strsep(char **stringp, const void *delim)
{
    char *token = *stringp, *end;

    if (!token) {
        return NULL;
    }
    /* The host's strsep() also uses strcspn(), and is slower. */
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
 * Fortified functions end the program before they write anything if there is
 * no room. These take n, as second or third argument.
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
 * Fortified functions that do not get the length. The native strlcpy() returns
 * it, and writes no more than @room. @size is that of a character.
 */
static inline __attribute__((always_inline)) size_t
checked_copy(void *dst, const void *src, size_t room, size_t size)
{
    size_t len = size == 1 ? native_strlcpy(dst, src, room)
                           : native_wcslcpy(dst, src, room);

    check(len + 1, room);
    return len * size;
}

static inline __attribute__((always_inline)) void
checked_append(void *dst, const void *src, size_t n, size_t room, size_t size)
{
    size_t used = size == 1 ? native_strnlen(dst, room)
                            : native_wcsnlen(dst, room);
    void *end = (char *)dst + used * size;

    check(used + 1, room);
    if (n >= room - used) {
        checked_copy(end, src, room - used, size);
    } else if (size == 1) {
        native_strncat(end, src, n);
    } else {
        native_wcsncat(end, src, n);
    }
}

void *__strcpy_chk(void *dst, const void *src, size_t room)
{
    checked_copy(dst, src, room, 1);
    return dst;
}

void *__wcscpy_chk(void *dst, const void *src, size_t room)
{
    checked_copy(dst, src, room, sizeof(wchar_t));
    return dst;
}

void *__stpcpy_chk(void *dst, const void *src, size_t room)
{
    return (char *)dst + checked_copy(dst, src, room, 1);
}

void *__wcpcpy_chk(void *dst, const void *src, size_t room)
{
    return (char *)dst + checked_copy(dst, src, room, sizeof(wchar_t));
}

void *__strcat_chk(void *dst, const void *src, size_t room)
{
    checked_append(dst, src, SIZE_MAX, room, 1);
    return dst;
}

void *__wcscat_chk(void *dst, const void *src, size_t room)
{
    checked_append(dst, src, SIZE_MAX, room, sizeof(wchar_t));
    return dst;
}

void *__strncat_chk(void *dst, const void *src, size_t n, size_t room)
{
    checked_append(dst, src, n, room, 1);
    return dst;
}

void *__wcsncat_chk(void *dst, const void *src, size_t n, size_t room)
{
    checked_append(dst, src, n, room, sizeof(wchar_t));
    return dst;
}

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
