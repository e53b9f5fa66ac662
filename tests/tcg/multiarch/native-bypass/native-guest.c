/*
 * Native bypass: the functions that are composed in guest code, and aliases
 *
 * They give what those of the guest's C library give, memory included.  An
 * overflow ends the program as there, with nothing written.  What strdup() and
 * strndup() return comes from the program's own malloc().  The memcpy() of an
 * old symbol version takes operands that overlap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native-table.h"

#define ARRAY_SIZE(array)   (sizeof(array) / sizeof((array)[0]))
#define LEN                 20
#define NOT_ENDED           99

static int failures;

#define FAIL(row, format, ...) \
    do { \
        printf("%s: " format "\n", (row)->name, ##__VA_ARGS__); \
        failures++; \
    } while (0)

/* The program's own malloc(), which tells what it was asked for */
static char heap[4 << 20] __attribute__((aligned(16)));
static size_t heap_used, asked_size;
static unsigned asked;
static void *given;
static bool heap_fails;

#define HEAP_HEADER     16

void *malloc(size_t size)
{
    size_t needed = HEAP_HEADER + ((size + 15) & -16);

    asked++;
    asked_size = size;
    given = NULL;
    if (heap_fails || needed < size || needed > sizeof(heap) - heap_used) {
        errno = ENOMEM;
        return NULL;
    }
    given = heap + heap_used + HEAP_HEADER;
    ((size_t *)(heap + heap_used))[0] = size;
    heap_used += needed;
    return memset(given, 0xa5, size);
}

void free(void *p)
{
}

void *calloc(size_t n, size_t size)
{
    void *p = n && size > SIZE_MAX / n ? NULL : malloc(n * size);

    return p ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *old, size_t size)
{
    char *p = malloc(size);

    if (p && old) {
        size_t old_size = *(size_t *)((char *)old - HEAP_HEADER);

        memcpy(p, old, old_size < size ? old_size : size);
    }
    return p;
}

/* The fortified name without "__" and "_chk" */
static const char *plain_name(const NativeRow *row)
{
    static char name[64];
    const char *start = row->name + strspn(row->name, "_");

    snprintf(name, sizeof(name), "%.*s", (int)(strlen(start) - strlen("_chk")),
             start);
    return name;
}

/*
 * What is to be like @row's function: an older libc has no strlcpy(), and so
 * no __strlcpy_chk().  Enough room makes no difference to what that does.
 */
static NativeFn *reference(const NativeRow *row)
{
    NativeFn *fn = native_libc_function(row->name);

    return fn || !native_has(row, TYPE_room) ? fn
           : native_function(plain_name(row));
}

/* Make a call with either function: same results, same memory. */
static void compare(const NativeRow *row, const NativeRow *types,
                    const NativeCase *c)
{
    static NativeArea area[1], native;
    NativeFn *fn[2] = { native_function(row->name), reference(row) };
    uintptr_t args[NATIVE_ROW_ARGS], result[2];

    for (int i = 0; i < 2; i++) {
        if (!fn[i]) {
            FAIL(row, "no %s function", i ? "other" : "native");
            return;
        }
        native_fill(area, c, native_char_size(types));
        native_args(types, area, c, args);
        result[i] = native_call(types, fn[i], args);
        if (i == 0) {
            native = *area;
        }
    }
    if (result[0] != result[1] || memcmp(&native, area, sizeof(native))) {
        FAIL(row, "n %zu, room %zu, shift %ld: %s differs, 0x%zx and 0x%zx",
             c->n, c->room, c->shift,
             result[0] == result[1] ? "memory" : "result",
             (size_t)result[0], (size_t)result[1]);
    }
}

/* How a call ends the process */
typedef struct End {
    int status;
    bool spilled;               /* wrote where there is no room */
    char stderr[256];
} End;

static End end_of(NativeFn *fn, const NativeRow *row, const NativeCase *c)
{
    static NativeArea before;
    static NativeArea *area;
    uintptr_t args[NATIVE_ROW_ARGS];
    End end = {};
    size_t used = 0;
    ssize_t n;
    int fds[2];
    pid_t pid;

    if (!area) {
        area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    }
    if (area == MAP_FAILED || pipe(fds)) {
        perror("end_of");
        exit(EXIT_FAILURE);
    }
    native_fill(area, c, native_char_size(row));
    native_args(row, area, c, args);
    before = *area;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {};

        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        native_call(row, fn, args);
        _exit(NOT_ENDED);
    }
    close(fds[1]);
    while ((n = read(fds[0], end.stderr + used,
                     sizeof(end.stderr) - 1 - used)) > 0) {
        used += n;
    }
    close(fds[0]);
    if (pid < 0 || waitpid(pid, &end.status, 0) != pid) {
        perror("fork");
        exit(EXIT_FAILURE);
    }
    if (c->room < sizeof(area->op[0]) / native_char_size(row)) {
        memcpy(&before, area, c->room * native_char_size(row));
    }
    end.spilled = memcmp(&before, area, sizeof(before));
    return end;
}

/* As the guest's libc ends a program */
static const End *libc_end(void)
{
    static const NativeCase overflow = { .n = LEN, .room = LEN - 1 };
    static End end;
    const NativeRow *row = native_rows;

    if (!end.status) {
        while (strcmp(row->name, "__memcpy_chk")) {
            row++;
        }
        end = end_of(native_libc_function(row->name), row, &overflow);
        if (!WIFSIGNALED(end.status) || WTERMSIG(end.status) != SIGABRT ||
            !strstr(end.stderr, "*** buffer overflow detected ***")) {
            FAIL(row, "libc's ends with status 0x%x, \"%s\"",
                 end.status, end.stderr);
        }
    }
    return &end;
}

static void check_ends(const NativeRow *row, const NativeCase *c)
{
    NativeFn *native = native_function(row->name);
    NativeFn *own = native_libc_function(row->name);
    const End *expected = libc_end();
    End end, own_end;

    if (!native) {
        FAIL(row, "not replaced");
        return;
    }
    if (own) {
        own_end = end_of(own, row, c);
        expected = &own_end;
    }
    end = end_of(native, row, c);
    if (end.status != expected->status ||
        strcmp(end.stderr, expected->stderr)) {
        FAIL(row, "n %zu, room %zu: status 0x%x, \"%s\" and not 0x%x, \"%s\"",
             c->n, c->room, end.status, end.stderr,
             expected->status, expected->stderr);
    }
    if (end.spilled) {
        FAIL(row, "n %zu, room %zu: written where there is none", c->n,
             c->room);
    }
}

/* What the fortified functions of guest code do not just compare n with */
static size_t room_needed(const NativeRow *row, const NativeCase *c)
{
    size_t copied = c->len[1];

    if (row->kind == KIND_CHECKED || !native_has(row, TYPE_str)) {
        return c->n;
    }
    if (native_has(row, TYPE_size) && c->n < copied) {
        copied = c->n;
    }
    return copied + 1 + (native_has(row, TYPE_cat) ? c->len[0] : 0);
}

/*
 * From SIZE_MAX / 2 on, lengths are negative as signed ones: those there is
 * never room for.
 */
static void test_fortified(const NativeRow *row)
{
    static const size_t n[] = { LEN + 8, 1, LEN, SIZE_MAX / 2 + 2, SIZE_MAX };
    NativeCase c = { .len = { 5, LEN }, .chr = 'x' };

    for (int i = 0; i < ARRAY_SIZE(n); i++) {
        size_t needed;

        c.n = n[i];
        needed = room_needed(row, &c);
        if (needed < NATIVE_AREA / sizeof(wchar_t)) {
            c.room = needed;
            compare(row, row, &c);
            c.room = needed + 1;
            compare(row, row, &c);
            c.room = SIZE_MAX;
            compare(row, row, &c);
        }
        c.room = needed - 1;
        check_ends(row, &c);
        if (!native_has(row, TYPE_size)) {
            break;
        }
    }

    c.room = 0;
    check_ends(row, &c);
    if (native_has(row, TYPE_cat)) {
        c.len[1] = 0;
        c.room = c.len[0];
        c.n = row->kind == KIND_CHECKED ? c.room + 1 : 0;
        check_ends(row, &c);
        /* No end within the room: it does not come to the second operand. */
        c.no_operand_1 = true;
        check_ends(row, &c);
        c.no_operand_1 = false;
    }
    c.n = 0;
    c.len[1] = 0;
    c.room = room_needed(row, &c);
    compare(row, row, &c);
}

static void test_plain(const NativeRow *row)
{
    const NativeRow *types = native_types(row);
    static const size_t n[] = { 0, 1, 4, 7, 8, LEN, LEN + 1, 60 };
    static const int chr[] = { 0, 'x', 'a', 0x4262, 0xff, -1 };
    NativeCase c = { .len = { LEN, LEN } };

    for (int i = 0; i < ARRAY_SIZE(n) * ARRAY_SIZE(chr); i++) {
        c.n = n[i / ARRAY_SIZE(chr)];
        c.chr = chr[i % ARRAY_SIZE(chr)];
        c.len[0] = i % 10;
        compare(row, types, &c);
        if (native_has(types, TYPE_moved)) {
            for (c.shift = -8; c.shift <= 8; c.shift++) {
                compare(row, types, &c);
            }
            c.shift = 0;
        }
    }
}

static void test_dup(const NativeRow *row)
{
    static const size_t lens[] = { 0, 1, 3, 15, 16, 100, 4000 };
    static const size_t more[] = { -1, 0, 1, SIZE_MAX / 2 };
    size_t page = getauxval(AT_PAGESZ);
    NativeFn *fn[2] = {
        native_function(row->name), native_libc_function(row->name)
    };
    char *end = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (end == MAP_FAILED || mprotect(end + page, page, PROT_NONE) ||
        !fn[0] || !fn[1]) {
        FAIL(row, "not to be tested");
        return;
    }
    end += page;
    for (int i = 0; i < ARRAY_SIZE(lens) * ARRAY_SIZE(more) * 2; i++) {
        size_t len = lens[i / 2 / ARRAY_SIZE(more)];
        size_t n = len + more[i / 2 % ARRAY_SIZE(more)];
        /* What is not read may lie in the next page, or be the NUL. */
        bool open = native_has(row, TYPE_size) && n == len && i % 2;
        char *s = end - len - !open, *copy;
        size_t own_size;
        unsigned before;

        for (size_t j = 0; j < len; j++) {
            s[j] = 0x80 + j % 0x7f;
        }
        if (!open) {
            s[len] = 0;
        }

        copy = (char *)fn[1]((uintptr_t)s, n, 0, 0);
        own_size = asked_size;
        if (copy != given) {
            FAIL(row, "libc does not use this malloc()");
        }
        before = asked;
        copy = (char *)fn[0]((uintptr_t)s, n, 0, 0);
        if (asked != before + 1 || !copy || copy != given ||
            asked_size != own_size || memcmp(copy, s, own_size - 1) ||
            copy[own_size - 1]) {
            FAIL(row, "length %zu, n %zu: %p of %u calls of malloc(), the last "
                 "%p for %zu; libc's for %zu", len, n, copy, asked - before,
                 given, asked_size, own_size);
        }

        heap_fails = true;
        errno = 0;
        copy = (char *)fn[0]((uintptr_t)s, n, 0, 0);
        if (copy || errno != ENOMEM) {
            FAIL(row, "no memory: %p, errno %d", copy, errno);
        }
        heap_fails = false;
    }
}

/* Until there are no more tokens, with either function on its own string */
static void test_tokens(const NativeRow *row)
{
    static const char *const strings[] = {
        "", "a", ",", ",,a;b,,c;", "plain", "\xff,\x80;\xff", ";,a",
    };
    static const char *const delimiters[] = {
        ",", ",;", "", "\xff", "a,;\x80",
    };
    NativeFn *fn[2] = {
        native_function(row->name), native_libc_function(row->name)
    };

    if (!fn[0] || !fn[1]) {
        FAIL(row, "not to be tested");
        return;
    }
    for (int i = 0; i < ARRAY_SIZE(strings) * ARRAY_SIZE(delimiters); i++) {
        const char *string = strings[i % ARRAY_SIZE(strings)];
        const char *delimiter = delimiters[i / ARRAY_SIZE(strings)];
        char buf[2][32] = {}, *next[2], *token[2];
        int calls = 0;

        for (int k = 0; k < 2; k++) {
            strcpy(buf[k], string);
            next[k] = buf[k];
        }
        do {
            for (int k = 0; k < 2; k++) {
                token[k] = (char *)fn[k]((uintptr_t)&next[k],
                                         (uintptr_t)delimiter, 0, 0);
            }
            calls++;
            if (!token[0] != !token[1] || !next[0] != !next[1] ||
                (token[1] && token[0] - buf[0] != token[1] - buf[1]) ||
                (next[1] && next[0] - buf[0] != next[1] - buf[1]) ||
                memcmp(buf[0], buf[1], sizeof(buf[0]))) {
                FAIL(row, "\"%s\" by \"%s\": call %d differs",
                     string, delimiter, calls);
                break;
            }
        } while (token[1] && calls < 32);
    }
}

#ifdef __x86_64__
asm(".symver old_memcpy, memcpy@GLIBC_2.2.5");
__typeof(memcpy) old_memcpy;

/* Programs of before 2011 may be wrong about memcpy(), and yet work. */
static void test_old_memcpy(void)
{
    static const NativeRow row = { "memcpy@GLIBC_2.2.5" };
    static unsigned char area[10000], expected[10000];
    static const size_t sizes[] = { 1, 5, 16, 33, 100, 257, 4096, 8192 };
    Dl_info info;

    if (!dladdr(old_memcpy, &info) ||
        !strstr(info.dli_fname, "/libnative.so")) {
        FAIL(&row, "not replaced");
    }
    for (int i = 0; i < ARRAY_SIZE(sizes) * 2; i++) {
        size_t n = sizes[i / 2];

        for (size_t shift = 1; shift <= 1024; shift *= 4) {
            size_t to = i % 2 ? shift : 0, from = i % 2 ? 0 : shift;

            for (size_t j = 0; j < sizeof(area); j++) {
                area[j] = expected[j] = j * 7 + j / 256;
            }
            for (size_t j = 0; j < n; j++) {
                expected[to + j] = area[from + j];
            }
            if (old_memcpy(area + to, area + from, n) != area + to ||
                memcmp(area, expected, sizeof(area))) {
                FAIL(&row, "%zu bytes from %zu to %zu", n, from, to);
            }
        }
    }
}
#else
static void test_old_memcpy(void)
{
}
#endif

int main(void)
{
    for (const NativeRow *row = native_rows; row->name; row++) {
        if (row->kind == KIND_NATIVE) {
            continue;
        }
        if (native_has(row, TYPE_room)) {
            test_fortified(row);
        } else if (row->result == TYPE_dup) {
            test_dup(row);
        } else if (native_has(row, TYPE_strp)) {
            test_tokens(row);
        } else {
            test_plain(row);
        }
    }
    test_old_memcpy();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
