/*
 * Test --native-bypass: the numbers that comparisons give
 *
 * C defines their sign only, but programs exist that expect what the C library
 * gives: the difference of bytes on one guest, 1 or -1 on another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))

static const char *const strings[] = {
    "", "a", "b", "A", "apple", "apples", "applf", "banana", "\xff", "\x80zz",
    "a string of 24 characters", "a string of 24 characters, and more",
    "a string of 24 characters, anD more", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "zzzzzzzzzzzzzzzy",
};

static int failures;

static struct Comparison {
    const char *name;
    bool limited;               /* it takes n */
    NativeFn *native, *libc;
} comparisons[] = {
    { "memcmp", true }, { "bcmp", true }, { "strcmp" }, { "strncmp", true },
    { "wmemcmp", true }, { "wcscmp" }, { "wcsncmp", true },
};

/* Whether the guest's libc has a rule; the manual names those without. */
static bool has_rule(const char *name, size_t n)
{
#if defined(__aarch64__)
    return strncmp(name, "str", 3) != 0;
#elif defined(__arm__)
    return strcmp(name, "strcmp") != 0;
#elif defined(__x86_64__)
    return strncmp(name, "wcs", 3) != 0;
#elif defined(__MIPSEB__)
    return n < 16 || (strcmp(name, "memcmp") != 0 && strcmp(name, "bcmp") != 0);
#else
    return true;
#endif
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void compare(const struct Comparison *f, const char *a, const char *b)
{
    /* Far from the end of a page, which changes results on some */
    static __attribute__((aligned(4096))) struct {
        char space[1024];
        union {
            char c[64];
            wchar_t w[64];
        } op[2];
        char more[2048];
    } area;
    const char *strings[2] = { a, b };

    memset(&area, 0, sizeof(area));
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; strings[k][i]; i++) {
            if (f->name[0] == 'w') {
                area.op[k].w[i] = (unsigned char)strings[k][i];
            } else {
                area.op[k].c[i] = strings[k][i];
            }
        }
    }
    for (size_t n = 0; n < (f->limited ? 64 : 1); n++) {
        uintptr_t p = (uintptr_t)&area.op[0], q = (uintptr_t)&area.op[1];
        int native = f->native(p, q, n, 0), libc = f->libc(p, q, n, 0);

        if (has_rule(f->name, n) ? native != libc
                                 : sign(native) != sign(libc)) {
            printf("%s(\"%s\", \"%s\", %zu) gives %d and not %d\n", f->name,
                   a, b, n, native, libc);
            failures++;
        }
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
    for (struct Comparison *f = comparisons;
         f < comparisons + ARRAY_SIZE(comparisons); f++) {
        f->native = native_function(f->name);
        f->libc = native_libc_function(f->name);
        if (!f->native || !f->libc) {
            printf("%s: nothing to compare with\n", f->name);
            return EXIT_FAILURE;
        }
        for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
            for (size_t k = 0; k < ARRAY_SIZE(strings); k++) {
                compare(f, strings[i], strings[k]);
            }
        }
    }
    search();
    return failures != 0;
}
