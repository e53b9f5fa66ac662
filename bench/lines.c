/*
 * make bench: numbers the lines of a file, with getline() and printf()
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>

int main(int argc, char **argv)
{
    FILE *f = fopen(argv[1], "r");
    char *line = NULL;
    size_t room = 0;

    for (int n = 1; getline(&line, &room, f) > 0; n++) {
        printf("%d: %s", n, line);
    }
    return 0;
}
