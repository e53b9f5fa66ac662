/*
 * make bench: how often a program calls each function, and with what sizes
 *
 * A library for --native-bypass that counts and goes on to libnative.so.  The
 * file $SIZES has a uint32_t of the guest's for each row of the table and each
 * range of sizes: 0, 1, 2, up to 4, up to 8...  It is shared by all processes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RANGES  24

enum {
#define NATIVE(name, ...)           ROW_ ## name,
#define NATIVE_ALIAS(name, ...)     ROW_ ## name,
#define NATIVE_GUEST(name, ...)     ROW_ ## name,
#define NATIVE_CHECKED(name, ...)   ROW___ ## name ## _chk,
#include "user/native-functions.h.inc"
#undef NATIVE
#undef NATIVE_ALIAS
#undef NATIVE_GUEST
#undef NATIVE_CHECKED
    ROWS
};

static uint32_t (*counts)[RANGES];
static NativeFn *next[ROWS];

static uint32_t character(const void *s, size_t i, size_t width)
{
    return width == 1 ? ((const uint8_t *)s)[i] : ((const uint32_t *)s)[i];
}

/* How far two operands of at most @n characters are the same, up to a NUL */
static size_t same(const void *s, const void *t, size_t n, size_t width,
                   bool string)
{
    size_t i = 0;

    while (i < n && !(string && !character(s, i, width)) &&
           character(s, i, width) == character(t, i, width)) {
        i++;
    }
    return i;
}

/* getenv() may be the program's, as bash's is, and call what is counted. */
static const char *file(void)
{
    for (char **e = environ; *e; e++) {
        if (same(*e, "SIZES=", 6, 1, true) == 6) {
            return *e + 6;
        }
    }
    abort();
}

/* Also called before it is our turn: other libraries have constructors, too. */
static __attribute__((constructor)) void init(void)
{
    void *lib = dlopen(LIBNATIVE, RTLD_NOW);
    int fd = open(file(), O_RDWR | O_CLOEXEC);

    for (int i = 0; lib && i < ROWS; i++) {
        next[i] = (NativeFn *)dlsym(lib, native_rows[i].name);
    }
    counts = mmap(NULL, ROWS * sizeof(*counts), PROT_READ | PROT_WRITE,
                  MAP_SHARED, fd, 0);
    if (!lib || counts == MAP_FAILED) {
        abort();
    }
    close(fd);
}

/* How many characters are read or written, if the result does not tell */
static size_t length(const NativeRow *row, const uintptr_t *arg, size_t width)
{
    const void *s = NULL;
    size_t n = SIZE_MAX;

    for (int i = row->nargs - 1; i >= 0; i--) {
        if (row->args[i] == TYPE_size) {
            n = arg[i];
        } else if (row->args[i] == TYPE_str) {
            s = (const void *)arg[i];
        }
    }
    if (row->result == TYPE_int) {
        return same((void *)arg[0], (void *)arg[1], n, width, s);
    }
    return s ? same(s, s, n, width, true) : n;
}

static uintptr_t counted(int k, const NativeRow *row, uintptr_t a, uintptr_t b,
                         uintptr_t c, uintptr_t d)
{
    const uintptr_t arg[] = { a, b, c, d };
    const bool reads = row->args[0] == TYPE_mem || row->args[0] == TYPE_str;
    const bool last = row == &native_rows[ROW_strrchr] ||
                      row == &native_rows[ROW_wcsrchr];
    const char *name = row->name;
    size_t width, size = 0, range;
    uintptr_t ret;

    if (!counts) {
        init();
    }
    while (*name == '_') {
        name++;
    }
    width = *name == 'w' ? sizeof(wchar_t) : 1;
    if (!reads && row->args[0] != TYPE_strp) {
        size = length(row, arg, width);
    }
    ret = next[k](a, b, c, d);
    if (reads && row->result == TYPE_size) {
        size = ret;
    } else if (reads && row->result == TYPE_ptr && ret && !last) {
        /* what is sought ends what is read */
        size = k == ROW_memrchr ? a + c - ret : (ret - a) / width;
    } else if (reads) {
        size = length(row, arg, width);
    } else if (row->args[0] == TYPE_strp && ret) {
        size = same((void *)ret, (void *)ret, SIZE_MAX, width, true);
    }
    size *= width;
    range = size ? 1 : 0;
    while (range && range < RANGES - 1 && (size_t)1 << (range - 1) < size) {
        range++;
    }
    __atomic_fetch_add(&counts[k][range], 1, __ATOMIC_RELAXED);
    return ret;
}

#define COUNTED(row, symbol, types) \
    NativeFn row ## _counted __asm__(symbol); \
    uintptr_t row ## _counted(uintptr_t a, uintptr_t b, uintptr_t c, \
                              uintptr_t d) \
    { \
        return counted(row, &native_rows[types], a, b, c, d); \
    }
#define NATIVE(name, ...)           COUNTED(ROW_ ## name, #name, ROW_ ## name)
#define NATIVE_ALIAS(name, function) \
    COUNTED(ROW_ ## name, #name, ROW_ ## function)
#define NATIVE_GUEST(name, ...)     COUNTED(ROW_ ## name, #name, ROW_ ## name)
#define NATIVE_CHECKED(name, ...) \
    COUNTED(ROW___ ## name ## _chk, "__" #name "_chk", ROW___ ## name ## _chk)
#include "user/native-functions.h.inc"
