/*
 * Tests of TBs kept in a file: libraries that are replaced
 *
 * cache-load DIR FIRST SECOND: use the first library, which the second one
 * replaces while it is in use, then the second, then a new copy of the first.
 * Built with -DLIBRARY=N, this is libcache-N.so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifdef LIBRARY
int value(void)
{
    return LIBRARY;
}
#else
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static char path[4096];

static int fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, dlerror());
    exit(EXIT_FAILURE);
}

/* By rename(), as package managers do */
static void install(const char *dir, const char *n)
{
    static char buf[1 << 20];
    char from[100], to[4096];
    FILE *f;
    size_t size;

    snprintf(from, sizeof(from), "libcache-%s.so", n);
    snprintf(to, sizeof(to), "%s/new", dir);
    f = fopen(from, "r");
    if (!f) {
        fail(from);
    }
    size = fread(buf, 1, sizeof(buf), f);
    fclose(f);
    f = fopen(to, "w");
    if (!f || fwrite(buf, 1, size, f) != size || fclose(f) ||
        rename(to, path)) {
        fail(to);
    }
}

static void *load(int (**value)(void))
{
    void *lib = dlopen(path, RTLD_NOW);

    if (!lib) {
        fail(path);
    }
    *value = (int (*)(void))dlsym(lib, "value");
    if (!*value) {
        fail("value");
    }
    return lib;
}

int main(int argc, char **argv)
{
    int (*value)(void);
    void *lib;

    snprintf(path, sizeof(path), "%s/lib.so", argv[1]);
    install(argv[1], argv[2]);
    lib = load(&value);
    install(argv[1], argv[3]);
    printf("%d ", value());
    dlclose(lib);
    lib = load(&value);
    printf("%d ", value());
    dlclose(lib);
    install(argv[1], argv[2]);
    lib = load(&value);
    printf("%d\n", value());
    dlclose(lib);
    return EXIT_SUCCESS;
}
#endif
