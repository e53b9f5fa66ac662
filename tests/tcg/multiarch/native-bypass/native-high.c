/*
 * Native bypass: addresses and lengths that are negative as signed ones
 *
 * A 32-bit guest has both: what is not zero-extended faults, or is cut.  With
 * 64 bits this is merely large.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <wchar.h>

#include "native-test.h"

#define TRUE(cond)  CHECK(cond, "high %p", high)

/* Calls with operands at a low address and at a high one */
static void test_addresses(char *low, char *high)
{
    wchar_t *wide = (wchar_t *)(high + 400);

    strcpy(high, "high");
    TRUE(strlen(high) == 4);
    TRUE(strnlen(high, SIZE_MAX) == 4);
    TRUE(strcmp(high, "high") == 0);
    TRUE(strncmp("high", high, SIZE_MAX) == 0);
    TRUE(strchr(high, 'g') == high + 2);
    TRUE(strrchr(high, 'h') == high + 3);
    TRUE(memrchr(high, 'g', 5) == high + 2);
    TRUE(strchrnul(high, 'x') == high + 4);
    TRUE(strstr(high, "gh") == high + 2);
    TRUE(strpbrk(high, "xg") == high + 2);
    TRUE(memmem(high, 5, high + 3, 2) == high + 3);
    TRUE(memcpy(low, high, 5) == low && !strcmp(low, "high"));
    TRUE(memmove(high + 2000, low, 5) == high + 2000 &&
         !memcmp(high + 2000, "high", 5));
    TRUE(stpcpy(high + 2100, low) == high + 2104);
    TRUE(memset(high + 1, 'o', 3) == high + 1);
    TRUE(strcat(high, low) == high && !strcmp(high, "hooohigh"));
    TRUE(wmemset(wide, 0x90000000, 7) == wide && wcslen(wide) == 7);
    TRUE(wcschr(wide, 0) == wide + 7);
}

int main(void)
{
#if defined(__mips__) && UINTPTR_MAX == UINT32_MAX
    /* The address space of o32 ends at 2 GiB. */
    const size_t n = (size_t)512 << 20;
#else
    const size_t n = (size_t)2048 << 20;
#endif
    /* Where there is so much in one piece, most likely */
    char *p = mmap((void *)0x50000000, n + 2 * page, PROT_RW,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *high = p + n + page;

    if (p == MAP_FAILED) {
        die("mmap");
    }
    /* All bytes but this one are zero. */
    high[1] = 1;
    TRUE(memchr(p, 1, n + 2 * page) == high + 1);
    TRUE(memchr(p, 1, high + 1 - p) == NULL);
    TRUE(memrchr(p, 1, n + 2 * page) == high + 1);
    TRUE(wmemchr((wchar_t *)p, 1, (n + 2 * page) / sizeof(wchar_t)) == NULL);
    test_addresses(p, high + 100);
    return failures != 0;
}
