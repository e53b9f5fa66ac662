/*
 * Native bypass: a library that stands for one which checks calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>

int checked;

size_t strlen(const char *s)
{
    /* volatile, or it is made a call of itself */
    const volatile char *p = s;

    checked++;
    while (*p) {
        p++;
    }
    return p - s;
}
