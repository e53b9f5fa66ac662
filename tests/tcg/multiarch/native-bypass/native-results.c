/*
 * Test --native-bypass: the numbers that comparisons give
 *
 * C defines their sign only, but programs exist that expect what the C library
 * gives: the difference of bytes on one guest, 1 or -1 on another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))

static const char *const strings[] = {
    "", "a", "b", "A", "apple", "apples", "applf", "banana", "\xff", "\x80zz",
    "a string of 24 characters", "a string of 24 characters, and more",
    "a string of 24 characters, anD more", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "zzzzzzzzzzzzzzzy",
};

static int failures;

static void *libc_function(const char *name)
{
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *fn = libc ? dlsym(libc, name) : NULL;

    if (!fn || fn == dlsym(RTLD_DEFAULT, name)) {
        printf("%s: nothing to compare with\n", name);
        exit(EXIT_FAILURE);
    }
    return fn;
}

static void check(const char *name, bool fixed, int native, int libc,
                  const char *a, const char *b, size_t n)
{
    if (fixed ? native != libc : (native > 0) - (native < 0) !=
                                 (libc > 0) - (libc < 0)) {
        printf("%s(\"%s\", \"%s\", %zu) gives %d and not %d\n", name, a, b, n,
               native, libc);
        failures++;
    }
}

static void compare(const char *a, const char *b)
{
    int (*libc_strcmp)(const char *, const char *) = libc_function("strcmp");
    int (*libc_strncmp)(const char *, const char *, size_t) =
        libc_function("strncmp");
    int (*libc_memcmp)(const void *, const void *, size_t) =
        libc_function("memcmp");
    int (*libc_bcmp)(const void *, const void *, size_t) =
        libc_function("bcmp");
    int (*libc_wcscmp)(const wchar_t *, const wchar_t *) =
        libc_function("wcscmp");
    int (*libc_wcsncmp)(const wchar_t *, const wchar_t *, size_t) =
        libc_function("wcsncmp");
    int (*libc_wmemcmp)(const wchar_t *, const wchar_t *, size_t) =
        libc_function("wmemcmp");
    /* Far from the end of a page, which changes results on some */
    static __attribute__((aligned(4096))) struct {
        char space[1024], a[64], b[64], more[2048];
    } c;
    static __attribute__((aligned(4096))) struct {
        char space[1024];
        wchar_t a[64], b[64];
        char more[2048];
    } w;
    bool rule_strcmp = true, rule_strncmp = true, rule_wcs = true;

    memset(&c, 0, sizeof(c));
    memset(&w, 0, sizeof(w));
    strcpy(c.a, a);
    strcpy(c.b, b);
    for (size_t i = 0; i < sizeof(c.a); i++) {
        w.a[i] = (unsigned char)c.a[i];
        w.b[i] = (unsigned char)c.b[i];
    }

    /* The manual names these. */
#if defined(__aarch64__)
    rule_strcmp = rule_strncmp = false;
#elif defined(__arm__)
    rule_strcmp = false;
#elif defined(__x86_64__)
    rule_wcs = false;
#endif
    check("strcmp", rule_strcmp, strcmp(c.a, c.b), libc_strcmp(c.a, c.b),
          a, b, 0);
    check("wcscmp", rule_wcs, wcscmp(w.a, w.b), libc_wcscmp(w.a, w.b),
          a, b, 0);
    for (size_t n = 0; n < sizeof(c.a); n++) {
        bool rule_memcmp = true;

#ifdef __MIPSEB__
        rule_memcmp = n < 16;
#endif
        check("strncmp", rule_strncmp, strncmp(c.a, c.b, n),
              libc_strncmp(c.a, c.b, n), a, b, n);
        check("memcmp", rule_memcmp, memcmp(c.a, c.b, n),
              libc_memcmp(c.a, c.b, n), a, b, n);
        check("bcmp", rule_memcmp, bcmp(c.a, c.b, n), libc_bcmp(c.a, c.b, n),
              a, b, n);
        check("wcsncmp", rule_wcs, wcsncmp(w.a, w.b, n),
              libc_wcsncmp(w.a, w.b, n), a, b, n);
        check("wmemcmp", true, wmemcmp(w.a, w.b, n), libc_wmemcmp(w.a, w.b, n),
              a, b, n);
    }
}

/* A program that should not be: it works where there is no other number. */
static void search(void)
{
#ifdef __i386__
    static const char *const keys[] = {
        "ape", "bee", "cat", "dog", "eel", "fox", "gnu", "hen"
    };

    for (int i = 0; i < ARRAY_SIZE(keys); i++) {
        int low = 0, high = ARRAY_SIZE(keys), mid = -1;

        while (low < high && mid != i) {
            mid = (low + high) / 2;
            switch (strcmp(keys[i], keys[mid])) {
            case -1:
                high = mid;
                break;
            case 1:
                low = mid + 1;
                break;
            default:
                low = high;
            }
        }
        if (mid != i) {
            printf("\"%s\" is not found\n", keys[i]);
            failures++;
        }
    }
#endif
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(strings); k++) {
            compare(strings[i], strings[k]);
        }
    }
    search();
    return failures != 0;
}
