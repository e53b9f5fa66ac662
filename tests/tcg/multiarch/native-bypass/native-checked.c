/*
 * Test --native-bypass: programs whose calls of these functions are checked
 *
 * Linked with a library that stands for a checker of calls (this file with
 * LIBRARY defined), or with AddressSanitizer: then, "native-checked SIZE"
 * copies SIZE bytes to a buffer of 10.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef LIBRARY
int checked;

size_t strlen(const char *s)
{
    /* volatile, or the loop becomes a call */
    const volatile char *p = s;

    checked++;
    while (*p) {
        p++;
    }
    return p - s;
}
#else
int main(int argc, char **argv)
{
    size_t len = strlen(argv[0]);
    int *checked = dlsym(RTLD_DEFAULT, "checked");

    if (argc > 1) {
        char *p = malloc(10);

        memcpy(p, "0123456789 and more", atoi(argv[1]));
        printf("%c\n", p[0]);
        free(p);
    } else if (!checked || *checked == 0 || argv[0][len]) {
        printf("strlen is called without the checker\n");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
#endif
