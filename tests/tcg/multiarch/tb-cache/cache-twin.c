/*
 * Tests of blocks kept in a file: a program that is linked with another VALUE
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>

int main(void)
{
    printf("%d\n", VALUE);
    return 0;
}
