/*
 * Native bypass: the functions that are composed in guest code
 *
 * native-fuzz tests their results; this tests the rest.  An overflow ends the
 * program as the guest's C library does, and nothing is written.  strdup() and
 * strndup() use the program's own malloc().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "native-table.h"
#include "native-test.h"

#define LEN                 20
#define NOT_ENDED           99

/* The program's own malloc(), which records the requested size */
static size_t asked_size;
static unsigned asked;
static void *given;
static bool heap_fails;

void *malloc(size_t size)
{
    static void *(*libc_malloc)(size_t);

    if (!libc_malloc) {
        libc_malloc = dlsym(RTLD_NEXT, "malloc");
    }
    asked++;
    asked_size = size;
    given = heap_fails ? NULL : libc_malloc(size);
    if (!given) {
        errno = ENOMEM;
        return NULL;
    }
    return memset(given, 0xa5, size);
}

/* How a call ends the process */
typedef struct End {
    int status;
    bool spilled;               /* wrote where there is no room */
    char stderr[256];
} End;

static End end_of(NativeFn *fn, const NativeRow *row, const NativeCase *c)
{
    NativeArea before, *area = mmap(NULL, sizeof(*area), PROT_RW,
                                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t room = c->room * native_char_size(row);
    int fd = memfd_create("stderr", 0);
    End end = {};
    pid_t pid;

    if (area == MAP_FAILED || fd < 0) {
        die("end_of");
    }
    native_prepare(area, row, c);
    before = *area;
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct rlimit no_core = {};

        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fd, STDERR_FILENO);
        native_call(row, fn, area->args);
        _exit(NOT_ENDED);
    }
    if (pid < 0 || waitpid(pid, &end.status, 0) != pid ||
        pread(fd, end.stderr, sizeof(end.stderr) - 1, 0) < 0) {
        die("fork");
    }
    close(fd);
    if (c->room < NATIVE_AREA / native_char_size(row)) {
        memcpy(&before, area, room);
    }
    end.spilled = memcmp(&before, area, sizeof(before));
    munmap(area, sizeof(*area));
    return end;
}

/*
 * Check that the call ends the program as the guest's libc does.  Every libc
 * has __memcpy_chk(), the reference.
 */
static void check_ends(const NativeRow *row, const NativeCase *c)
{
    static const NativeCase overflow = { .n = LEN, .room = LEN - 1 };
    static End expected;
    End end = end_of(native_function(row->name), row, c);

    if (!expected.status) {
        expected = end_of(native_libc_function("__memcpy_chk"),
                          native_row("__memcpy_chk"), &overflow);
        CHECK(WIFSIGNALED(expected.status) &&
              WTERMSIG(expected.status) == SIGABRT &&
              strstr(expected.stderr, "*** buffer overflow detected ***"),
              "libc's ends with status 0x%x, \"%s\"", expected.status,
              expected.stderr);
    }
    CHECK(end.status == expected.status &&
          !strcmp(end.stderr, expected.stderr) && !end.spilled,
          "%s, n %zu, room %zu: %sstatus 0x%x, \"%s\" and not 0x%x, \"%s\"",
          row->name, c->n, c->room, end.spilled ? "written outside, " : "",
          end.status, end.stderr, expected.status, expected.stderr);
}

/* The room that a fortified function needs, which need not be n */
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
 * Lengths above SIZE_MAX / 2 are negative if signed: there is never room for
 * them.
 */
static void test_fortified(const NativeRow *row)
{
    static const size_t n[] = { LEN + 8, 1, LEN, SIZE_MAX / 2 + 2, SIZE_MAX };
    NativeCase c = { .len = { 5, LEN }, .chr = 'x' };

    for (int i = 0; i < (native_has(row, TYPE_size) ? ARRAY_SIZE(n) : 1); i++) {
        c.n = n[i];
        c.room = room_needed(row, &c) - 1;
        check_ends(row, &c);
    }
    c.room = 0;
    check_ends(row, &c);
    if (native_has(row, TYPE_cat)) {
        c.len[1] = 0;
        c.room = c.len[0];
        c.n = row->kind == KIND_CHECKED ? c.room + 1 : 0;
        check_ends(row, &c);
        /* No NUL within the room: the second operand is not read. */
        c.no_operand_1 = true;
        check_ends(row, &c);
    }
}

static void test_dup(const NativeRow *row)
{
    static const size_t lens[] = { 0, 1, 3, 15, 16, 100, 4000 };
    static const size_t more[] = { -1, 0, 1, SIZE_MAX / 2 };
    NativeFn *native = native_function(row->name);
    NativeFn *own = native_libc_function(row->name);
    char *end = (char *)map_guarded(page, PROT_RW) + page;

    for (int i = 0; i < ARRAY_SIZE(lens) * ARRAY_SIZE(more) * 2; i++) {
        size_t len = lens[i / 2 / ARRAY_SIZE(more)];
        size_t n = len + more[i / 2 % ARRAY_SIZE(more)];
        /* n may end the string, without a NUL, before a bad page. */
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

        copy = (char *)own((uintptr_t)s, n, 0, 0);
        CHECK(copy == given, "libc does not use this malloc()");
        free(copy);
        own_size = asked_size;
        before = asked;
        copy = (char *)native((uintptr_t)s, n, 0, 0);
        CHECK(asked == before + 1 && copy && copy == given &&
              asked_size == own_size && !memcmp(copy, s, own_size - 1) &&
              copy[own_size - 1] == 0,
              "%s, length %zu, n %zu: %p of %u calls of malloc(), the last %p "
              "for %zu; libc's for %zu", row->name, len, n, copy,
              asked - before, given, asked_size, own_size);
        free(copy);

        heap_fails = true;
        errno = 0;
        copy = (char *)native((uintptr_t)s, n, 0, 0);
        heap_fails = false;
        CHECK(!copy && errno == ENOMEM, "%s, no memory: %p, errno %d",
              row->name, copy, errno);
    }
}

int main(void)
{
    FOR_EACH_ROW(row) {
        if (native_has(row, TYPE_room)) {
            test_fortified(row);
        } else if (row->result == TYPE_dup) {
            test_dup(row);
        }
    }
    return failures != 0;
}
