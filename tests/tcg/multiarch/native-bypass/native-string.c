/*
 * Native bypass: every function against a plain loop
 *
 * That the functions are libnative.so's is checked first: all else would
 * pass without them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_SIZE    8300
#define SLACK       64

static int failures;

static const size_t sizes[] = {
    0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128,
    129, 255, 256, 257, 1000, 4095, 4096, 4097, 8192, MAX_SIZE,
};
static const size_t shifts[] = { 0, 1, 2, 3, 5, 7, 8, 15, 31 };

/* Where the function under test works, and where the plain loop does. */
static unsigned char area[2][2 * (MAX_SIZE + 2 * SLACK)];
static size_t area_size;

#define FOR_EACH(var, array) \
    for (size_t i_##var = 0, var; \
         i_##var < sizeof(array) / sizeof(array[0]) && \
         (var = array[i_##var], true); \
         i_##var++)

static void fail(const char *name, size_t n, size_t a, size_t b)
{
    printf("%s: n=%zu shifts %zu and %zu: differs from the plain loop\n",
           name, n, a, b);
    if (++failures == 20) {
        exit(EXIT_FAILURE);
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/* Bytes of all values, without a NUL, and the same in both areas. */
static void fill(size_t n)
{
    static uint32_t state = 1;

    area_size = 2 * (n + 2 * SLACK);
    for (size_t i = 0; i < area_size; i++) {
        state = state * 1664525 + 1013904223;
        area[0][i] = area[1][i] = state >> 24 ?: 0x80;
    }
}

static void check_same(const char *name, size_t n, size_t a, size_t b)
{
    for (size_t i = 0; i < area_size; i++) {
        if (area[0][i] != area[1][i]) {
            fail(name, n, a, b);
            return;
        }
    }
}

static void loop_copy(unsigned char *d, const unsigned char *s, size_t n)
{
    if (d <= s) {
        for (size_t i = 0; i < n; i++) {
            d[i] = s[i];
        }
    } else {
        while (n--) {
            d[n] = s[n];
        }
    }
}

static size_t loop_len(const unsigned char *s, size_t n)
{
    size_t i = 0;

    while (i < n && s[i]) {
        i++;
    }
    return i;
}

static int loop_cmp(const unsigned char *a, const unsigned char *b, size_t n,
                    bool string)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i]) {
            return a[i] < b[i] ? -1 : 1;
        }
        if (string && !a[i]) {
            break;
        }
    }
    return 0;
}

static void *loop_chr(const unsigned char *s, int c, size_t n, bool string)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == (unsigned char)c) {
            return (void *)(s + i);
        }
        if (string && !s[i]) {
            break;
        }
    }
    return NULL;
}

#define CHECK(name, cond) \
    do { \
        if (!(cond)) { \
            fail(name, n, a, b); \
        } \
    } while (0)

/* The functions that write, with a string or block of n bytes at each shift */
static void test_writers(size_t n, size_t a, size_t b)
{
    const size_t middle = n + 2 * SLACK;
    char *d = (char *)area[0] + SLACK + a, *s = d + middle + b - a;
    unsigned char *ld = area[1] + SLACK + a, *ls = ld + middle + b - a;
    size_t old = n < 10 ? n : 10;

    fill(n);
    CHECK("memcpy", memcpy(d, s, n) == d);
    loop_copy(ld, ls, n);
    check_same("memcpy", n, a, b);

    fill(n);
    CHECK("memset", memset(d, 0x100 | n, n) == d);
    for (size_t i = 0; i < n; i++) {
        ld[i] = n;
    }
    check_same("memset", n, a, b);

    /* Overlapping, in either direction */
    fill(n);
    CHECK("memmove", memmove(d, d + b, n) == d);
    loop_copy(ld, ld + b, n);
    CHECK("memmove", memmove(d + a, d, n) == d + a);
    loop_copy(ld + a, ld, n);
    check_same("memmove", n, a, b);

    fill(n);
    s[n] = ls[n] = 0;
    CHECK("strcpy", strcpy(d, s) == d);
    loop_copy(ld, ls, n + 1);
    check_same("strcpy", n, a, b);

    for (int more = -5; more <= 5; more += 5) {
        size_t len = n + more <= n + 5 ? n + more : n;
        size_t used = len < n ? len : n;

        fill(n);
        s[n] = ls[n] = 0;
        CHECK("strncpy", strncpy(d, s, len) == d);
        loop_copy(ld, ls, used);
        for (size_t i = used; i < len; i++) {
            ld[i] = 0;
        }
        check_same("strncpy", n, a, b);
    }

    fill(n);
    d[old] = ld[old] = 0;
    s[n - old] = ls[n - old] = 0;
    CHECK("strcat", strcat(d, s) == d);
    loop_copy(ld + old, ls, n - old + 1);
    check_same("strcat", n, a, b);
}

/* The functions that read a block of n bytes, or a string of n - 1 */
static void test_readers(size_t n, size_t a, size_t b)
{
    char *p = (char *)area[0] + SLACK + a, *q = (char *)area[1] + SLACK + b;
    unsigned char *lp = (unsigned char *)p, *lq = (unsigned char *)q;

    for (int end = 0; end < 2; end++) {
        /* A difference at the end or none; then, a NUL early on. */
        static const int last[] = { 0, 1, 0x7f, 0x80, 0xff };

        fill(n);
        loop_copy(lq, lp, n);
        if (end && n > 3) {
            p[n - 3] = q[n - 3] = 0;
        }
        FOR_EACH(c, last) {
            if (n) {
                p[n - 1] = c;
            }
            CHECK("memcmp", sign(memcmp(p, q, n)) ==
                            loop_cmp(lp, lq, n, false));
            CHECK("strncmp", sign(strncmp(p, q, n)) ==
                             loop_cmp(lp, lq, n, true));
            CHECK("memchr", memchr(p, c | 0x4200, n) ==
                            loop_chr(lp, c, n, false));
            CHECK("memchr", memchr(p, 0x55, n) ==
                            loop_chr(lp, 0x55, n, false));
            CHECK("strnlen", strnlen(p, n) == loop_len(lp, n));
        }
        if (n) {
            p[n - 1] = 0;
            CHECK("strlen", strlen(p) == loop_len(lp, n));
            CHECK("strnlen", strnlen(p, SIZE_MAX) == loop_len(lp, n));
            CHECK("strcmp", sign(strcmp(p, q)) ==
                            loop_cmp(lp, lq, n, true));
            CHECK("strcmp", sign(strcmp(q, p)) ==
                            loop_cmp(lq, lp, n, true));
            CHECK("strncmp", sign(strncmp(p, q, SIZE_MAX)) ==
                             loop_cmp(lp, lq, n, true));
            CHECK("memchr", memchr(p, 0, SIZE_MAX) ==
                            loop_chr(lp, 0, n, false));
            q[n - 1] = 0;
            CHECK("strcmp", strcmp(p, q) == 0);
            FOR_EACH(c, last) {
                CHECK("strchr", strchr(p, c | 0x4200) ==
                                loop_chr(lp, c, n, true));
            }
            CHECK("strchr", strchr(p, lp[n / 2]) ==
                            loop_chr(lp, lp[n / 2], n, true));
        }
    }
}

/*
 * Addresses and lengths that are negative as signed ones.  A 32-bit guest has
 * the addresses; with 64 bits this is merely large.
 */
static void test_high(void)
{
#if defined(__mips__) && UINTPTR_MAX == UINT32_MAX
    /* The address space of o32 ends at 2 GiB. */
    const size_t n = (size_t)512 << 20;
#else
    const size_t n = (size_t)2048 << 20;
#endif
    const size_t a = 0, b = 0;
    const size_t page = 4096;
    void *where = (void *)(uintptr_t)0x50000000;
    char *p, *end;

    p = mmap(where, n + 2 * page, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap of 2 GiB");
        failures++;
        return;
    }

    /* The whole of it is zeroes, all of one page. */
    end = p + n + page;
    end[1] = 1;
    CHECK("memchr", memchr(p, 1, n + 2 * page) == end + 1);
    CHECK("memchr", memchr(p, 1, n + page) == NULL);

    /* Above the middle of the address space */
    strcpy(end + 100, "high");
    CHECK("strlen", strlen(end + 100) == 4);
    CHECK("strcmp", strcmp(end + 100, "high") == 0);
    CHECK("strchr", strchr(end + 100, 'g') == end + 102);
    CHECK("memcpy", memcpy(p, end + 100, 5) == p && !strcmp(p, "high"));
    CHECK("memmove", memmove(end + 2000, p, 5) == end + 2000 &&
                     !memcmp(end + 2000, "high", 5));
    CHECK("memset", memset(end + 101, 'o', 3) == end + 101);
    CHECK("strcat", strcat(end + 100, p) == end + 100 &&
                    !strcmp(end + 100, "hooohigh"));
    munmap(p, n + 2 * page);
}

static void check_replaced(const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);
    Dl_info info;

    if (!function || !dladdr(function, &info) ||
        !strstr(info.dli_fname, "libnative.so")) {
        printf("%s: not replaced\n", name);
        failures++;
    }
}

int main(void)
{
#define NATIVE_1(name, ...) check_replaced(#name);
#define NATIVE_2(name, ...) check_replaced(#name);
#define NATIVE_3(name, ...) check_replaced(#name);
#include "user/native-functions.h.inc"

    FOR_EACH(n, sizes) {
        FOR_EACH(a, shifts) {
            FOR_EACH(b, shifts) {
                if (n <= 33 || a == 0 || (n < 1000 && b == 1)) {
                    test_readers(n, a, b);
                    test_writers(n, a, b);
                }
            }
        }
    }
    test_high();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
