/*
 * For dev/check-clibs: the addresses of the table's functions in this C library
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "native-table.h"

int main(void)
{
    FOR_EACH_ROW(row) {
        void *at = dlsym(RTLD_DEFAULT, row->name);

        if (at) {
            printf("%s %#lx\n", row->name, (unsigned long)at);
        }
    }
    return 0;
}
