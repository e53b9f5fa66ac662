/*
 * Native bypass: another thread changes what a call reads
 *
 * The thread changes characters, and adds and removes NULs, in operands that
 * end before an inaccessible page.  A call must raise no signal.  Its result
 * must be one that a loop over characters could give.  Its output must be
 * terminated and within bounds.  Two more tests: a call must not undo another
 * thread's writes beside the destination, and must not read the destination.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <time.h>

#include "native-table.h"
#include "native-test.h"

#define MAX_BYTES   (32 * 1024)
#define APART       (2 << 20)       /* helpers copy this in one pass */
#define CALLS       40              /* of each kind, at least */
#define MIN_MS      3               /* time for each kind of call */
#define MIN_MS_INT  40              /* comparisons seldom read twice */

static char *end[2];                /* of the operands */

/* Characters that change */
static struct {
    char *at;
    char value[2];
} spots[2];
static atomic_bool done;

static unsigned now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000u + ts.tv_nsec / 1000000;
}

static pthread_t start(void *(*function)(void *), void *arg)
{
    pthread_t thread;

    errno = pthread_create(&thread, NULL, function, arg);
    if (errno) {
        die("pthread_create");
    }
    return thread;
}

static void *change(void *arg)
{
    while (!done) {
        for (int i = 0; i < 4; i++) {
            /* volatile: another thread reads it */
            *(volatile char *)spots[i / 2].at = spots[i / 2].value[i % 2];
        }
    }
    return NULL;
}

static void set_spot(int i, char *op, size_t at, size_t width, char letter,
                     char other)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    spots[i].at = op + at * width + width - 1;
#else
    spots[i].at = op + at * width;
#endif
    spots[i].value[0] = other;
    spots[i].value[1] = letter;
}

/* @n characters; the last one is a NUL if @string. */
static void fill(char *p, size_t width, size_t n, int letter, bool string)
{
    for (size_t i = 0; i < n; i++) {
        native_put(p + i * width, width, string && i == n - 1 ? 0 : letter);
    }
}

/* Bytes of two letters never look like a wide NUL. */
static bool has_nul(const char *p, size_t width, size_t n)
{
    return memmem(p, n * width, (wchar_t []) { 0 }, width);
}

/* The calls under way, with @n characters in the operands */
static struct {
    const NativeFunction *f;
    size_t n, size[2];
    char *at[2];
    int sign;                   /* of an int result; 1 allows 0, too */
} now;

/* The first operand before a call */
static char image[MAX_BYTES];

static void check_call(const NativeFunction *f, uintptr_t result, bool copied)
{
    char *ptr = (char *)result;
    bool good = true;

    switch (f->result) {
    case TYPE_int:
        good = (int)result * now.sign > 0 || (now.sign > 0 && !result);
        break;
    case TYPE_size:
        good = result <= now.size[0];
        break;
    case TYPE_dup:
        good = has_nul(ptr, f->width, now.n);
        free(ptr);
        break;
    case TYPE_ptr:
        good = !ptr || (ptr >= now.at[0] && ptr <= end[0]);
        break;
    default:
        break;
    }
    CHECK(good, "%s, n %zu, sign %d: 0x%lx", f->name, now.n, now.sign,
          (long)result);
    CHECK(!copied || has_nul(now.at[0], f->width, now.size[0]),
          "%s, n %zu: no NUL", f->name, now.n);
}

static void call_often(void)
{
    const NativeFunction *f = now.f;
    const bool string = f->op[1] == TYPE_str;
    const unsigned begun = now_ms();
    const unsigned ms = f->result == TYPE_int && now.sign > 0 ? MIN_MS_INT
                                                              : MIN_MS;
    const int failed = failures;

    do {
        for (int i = 0; i < CALLS && failures == failed; i++) {
            const int chr = !strcmp(f->name, "rawmemchr") || i % 2 ? 0 : 'b';
            uintptr_t args[NATIVE_ROW_ARGS];
            char *cell;

            if (f->writes || f->type[0] == TYPE_strp) {
                memcpy(now.at[0], image, now.size[0] * f->width);
            }
            native_arguments(f->row, now.at, (size_t [2]) {
                f->limits_room ? now.size[0] : now.n, now.n / 3
            }, now.size[0], chr, &cell, args);
            check_call(f, native_call(f->row, f->call, args),
                       f->writes && (string || (f->stops_at_chr && !chr &&
                                                f->pointers == 2)));
        }
    } while (failures == failed && now_ms() - begun < ms);
}

/* Operand 1 consists of @letter; wide operands are @shift bytes off. */
static void test_function(const NativeFunction *f, size_t n, int letter,
                          size_t shift)
{
    const unsigned last = f->pointers - 1;
    const bool cat = f->op[0] == TYPE_cat;
    pthread_t thread;
    int sig;

    now.f = f;
    now.n = n;
    now.sign = letter == 'a' ? 1 : -1;
    for (unsigned k = 0; k < 2; k++) {
        /* A source ends in NUL, so that memccpy() of NUL stops there. */
        bool string = k == 1 || f->op[k] == TYPE_str || f->op[k] == TYPE_strp;

        now.size[k] = k == 0 && cat ? n / 2 + n : n;
        now.at[k] = end[k] - shift - now.size[k] * f->width;
        fill(now.at[k], f->width, now.size[k], k ? letter : 'a', string);
    }
    if (cat) {
        native_put(now.at[0] + n / 2 * f->width, f->width, 0);
    }
    if (!strcmp(f->name, "rawmemchr")) {
        native_put(end[0] - 1, 1, 0);
    }
    memcpy(image, now.at[0], now.size[0] * f->width);

    /* Change the source; for memset() and the like, the destination. */
    set_spot(0, now.at[f->writes ? last : 0], n / 4, f->width,
             f->writes && last ? letter : 'a', 'b');
    set_spot(1, now.at[last], n / 2, f->width, last ? letter : 'a', 0);
    done = false;
    thread = start(change, NULL);
    sig = CATCH(call_often());
    CHECK(!sig, "%s, n %zu: signal %d at %p, operands %p %p", f->name, n, sig,
          caught.info.si_addr, now.at[0], now.at[1]);
    done = true;
    pthread_join(thread, NULL);
}

/* The bytes before and behind a destination; a thread increments them. */
static unsigned char *beside[2];

static void *count_up(void *arg)
{
    unsigned char seen = *beside[0];

    while (!done) {
        for (int i = 0; i < 2; i++) {
            /* volatile: another thread may write it, by mistake */
            volatile unsigned char *byte = beside[i];

            CHECK(*byte == seen, "%d beside, not %d", *byte, seen);
            *byte = seen + 1;
        }
        seen++;
    }
    return NULL;
}

/* The destination has several pages. */
static void test_beside(const NativeFunction *f)
{
    const size_t n = 3 * page / f->width - 10;
    const bool cat = f->op[0] == TYPE_cat;
    const unsigned begun = now_ms();
    char *at[2] = { end[0] - 4 * page + 4, end[1] - n * f->width };
    pthread_t thread;

    fill(at[1], f->width, n, 'a', true);
    beside[0] = (unsigned char *)at[0] - 1;
    beside[1] = (unsigned char *)at[0] + n * f->width;
    *beside[0] = *beside[1] = 0;
    done = false;
    thread = start(count_up, NULL);
    for (int i = 0; i < CALLS || now_ms() - begun < MIN_MS; i++) {
        uintptr_t args[NATIVE_ROW_ARGS];
        char *string;

        if (cat) {
            native_put(at[0], f->width, 0);
        }
        native_arguments(f->row, at, (size_t [2]) { n, n }, n, 0, &string,
                         args);
        native_call(f->row, f->call, args);
    }
    done = true;
    pthread_join(thread, NULL);
}

static long page_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

/*
 * A call that only writes new memory takes one page fault for each page, as
 * stores do.  A call that reads it first takes two.  QEMU's own tables cause
 * more faults during some calls.
 */
static void test_unread(const NativeFunction *f)
{
    const size_t size = 6 * page, n = size / f->width;
    char *at[2] = { NULL, end[1] - n * f->width };
    uintptr_t args[NATIVE_ROW_ARGS];
    long called = LONG_MAX, stored = LONG_MAX;
    char *string;

    fill(at[1], f->width, n, 'a', true);
    for (int i = 0; i < 2 * CALLS; i++) {
        long before;

        at[0] = map_pages(NULL, size, PROT_RW);
        native_arguments(f->row, at, (size_t [2]) { n, n }, n, 0, &string,
                         args);
        before = page_faults();
        if (i % 2) {
            native_call(f->row, f->call, args);
            called = MIN(called, page_faults() - before);
        } else {
            for (size_t j = 0; j < size; j += 1024) {
                /* volatile, for a store each time */
                *(volatile char *)(at[0] + j) = 'a';
            }
            stored = MIN(stored, page_faults() - before);
        }
        munmap(at[0], size);
    }
    CHECK(called < stored + stored / 2, "%s: %ld page faults, not %ld",
          f->name, called, stored);
}

int main(void)
{
    static const size_t bytes[] = { 16, 1000, 9000 };
    char *area = map_pages(NULL, 2 * APART, PROT_NONE);

    catch_signals();
    for (int k = 0; k < 2; k++) {
        char *p = map_pages(area + k * APART + page, MAX_BYTES + 4 * page,
                            PROT_RW);

        end[k] = p + MAX_BYTES + 4 * page;
    }
    FOR_EACH_ROW(row) {
        NativeFunction f;

        if (native_skips(row)) {
            continue;
        }
        f = native_learn(row);
        for (size_t i = 0; i < ARRAY_SIZE(bytes); i++) {
            size_t n = bytes[i] / f.width;

            test_function(&f, n, 'a', 0);
            if (f.pointers == 2 && !f.writes) {
                test_function(&f, n, 'c', 0);
            }
            if (f.width > 1) {
                test_function(&f, n, 'a', 1);
            }
        }
        if (f.writes) {
            test_beside(&f);
        }
        if (f.op[0] == TYPE_out) {
            test_unread(&f);
        }
    }
    return failures != 0;
}
