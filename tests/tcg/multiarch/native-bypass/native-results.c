/*
 * Test --native-bypass: the numbers that comparisons give
 *
 * C defines their sign only, but programs exist that expect what the C library
 * gives: the difference of bytes on one guest, 1 or -1 on another.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include "native-test.h"

static const char *const strings[] = {
    "", "a", "b", "A", "apple", "apples", "applf", "banana", "\xff", "\x80zz",
    "a string of 24 characters", "a string of 24 characters, and more",
    "a string of 24 characters, anD more", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "zzzzzzzzzzzzzzzy",
};

static const char *const names[] = {
    "memcmp", "bcmp", "strcmp", "strncmp", "wmemcmp", "wcscmp", "wcsncmp",
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

static void compare(const char *name, const char *a, const char *b)
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
    const uintptr_t p = (uintptr_t)&area.op[0], q = (uintptr_t)&area.op[1];
    NativeFn *fn = native_function(name), *libc_fn = native_libc_function(name);

    memset(&area, 0, sizeof(area));
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; strings[k][i]; i++) {
            if (name[0] == 'w') {
                area.op[k].w[i] = (unsigned char)strings[k][i];
            } else {
                area.op[k].c[i] = strings[k][i];
            }
        }
    }
    /* Those that take no n ignore it. */
    for (size_t n = 0; n < 64; n++) {
        int native = fn(p, q, n, 0), libc = libc_fn(p, q, n, 0);

        CHECK(has_rule(name, n) ? native == libc
              : (native > 0) == (libc > 0) && (native < 0) == (libc < 0),
              "%s(\"%s\", \"%s\", %zu) gives %d and not %d", name, a, b, n,
              native, libc);
    }
}

int main(void)
{
    for (size_t f = 0; f < ARRAY_SIZE(names); f++) {
        for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
            for (size_t k = 0; k < ARRAY_SIZE(strings); k++) {
                compare(names[f], strings[i], strings[k]);
            }
        }
    }
    return failures != 0;
}
