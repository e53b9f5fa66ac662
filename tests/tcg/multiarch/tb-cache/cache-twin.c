/*
 * Tests of TBs kept in a file: one of two programs that differ in VALUE only
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>

int main(void)
{
    printf("%d\n", VALUE);
    return 0;
}
