/*
 * Native bypass: addresses and lengths that are negative as signed ones
 *
 * A 32-bit guest has both: what is not zero-extended faults, or is cut.  With
 * 64 bits this is merely large.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <wchar.h>

static int failures;

#define CHECK(cond) check(#cond, cond)

static void check(const char *what, bool holds)
{
    if (!holds) {
        printf("not true: %s\n", what);
        failures++;
    }
}

/* @n bytes of @p are zero, all of one page, but for one at @one. */
static void test_lengths(char *p, size_t n, char *one)
{
    CHECK(memchr(p, 1, n) == one);
    CHECK(memchr(p, 1, one - p) == NULL);
    CHECK(memrchr(p, 1, n) == one);
    CHECK(wmemchr((wchar_t *)p, 1, n / sizeof(wchar_t)) == NULL);
}

static void test_addresses(char *low, char *high)
{
    wchar_t *wide = (wchar_t *)(high + 400);

    strcpy(high, "high");
    CHECK(strlen(high) == 4);
    CHECK(strnlen(high, SIZE_MAX) == 4);
    CHECK(strcmp(high, "high") == 0);
    CHECK(strncmp("high", high, SIZE_MAX) == 0);
    CHECK(strchr(high, 'g') == high + 2);
    CHECK(strrchr(high, 'h') == high + 3);
    CHECK(memrchr(high, 'g', 5) == high + 2);
    CHECK(strchrnul(high, 'x') == high + 4);
    CHECK(strstr(high, "gh") == high + 2);
    CHECK(strpbrk(high, "xg") == high + 2);
    CHECK(memmem(high, 5, high + 3, 2) == high + 3);
    CHECK(memcpy(low, high, 5) == low && !strcmp(low, "high"));
    CHECK(memmove(high + 2000, low, 5) == high + 2000 &&
          !memcmp(high + 2000, "high", 5));
    CHECK(stpcpy(high + 2100, low) == high + 2104);
    CHECK(memset(high + 1, 'o', 3) == high + 1);
    CHECK(strcat(high, low) == high && !strcmp(high, "hooohigh"));
    CHECK(wmemset(wide, 0x90000000, 7) == wide && wcslen(wide) == 7);
    CHECK(wcschr(wide, 0) == wide + 7);
}

int main(void)
{
#if defined(__mips__) && UINTPTR_MAX == UINT32_MAX
    /* The address space of o32 ends at 2 GiB. */
    const size_t n = (size_t)512 << 20;
#else
    const size_t n = (size_t)2048 << 20;
#endif
    const size_t page = getauxval(AT_PAGESZ);
    char *p = mmap((void *)0x50000000, n + 2 * page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *end = p + n + page;

    if (p == MAP_FAILED) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    end[1] = 1;
    test_lengths(p, n + 2 * page, end + 1);
    test_addresses(p, end + 100);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
