/*
 * make bench: nanoseconds per call of each function of the table
 *
 * One source for the guests, whichever way they run, and for the host.  Reads
 * lines "function size align count" and answers each with the nanoseconds that
 * this many calls took; bench/calls.py has several of these processes take
 * turns.  Calls go through the PLT, as those of programs do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include <time.h>

#define MAX_SIZE    (1024 * 1024)
#define SLACK       4096
#define AREA        (MAX_SIZE + 4 * SLACK)
#define MIX         256

typedef struct Args {
    uintptr_t arg[NATIVE_ROW_ARGS];
    char *string;       /* of an argument that is the address of its address */
} Args;

/* At any address */
typedef wchar_t __attribute__((aligned(1), may_alias)) Wide;

typedef uintptr_t Loop(const Args *args, unsigned mask, unsigned long count);

static char *area[2], *cell;

typedef uintptr_t Fn1(uintptr_t);
typedef uintptr_t Fn2(uintptr_t, uintptr_t);
typedef uintptr_t Fn3(uintptr_t, uintptr_t, uintptr_t);

#define CALL(fn, count, a) \
    ((count) == 1 ? ((Fn1 *)(fn))(a[0]) : \
     (count) == 2 ? ((Fn2 *)(fn))(a[0], a[1]) : \
     (count) == 3 ? ((Fn3 *)(fn))(a[0], a[1], a[2]) : \
     (fn)(a[0], a[1], a[2], a[3]))

/* Everything but the call is decided at compile time. */
#define LOOP(name, fn, count, first, result) \
static uintptr_t loop_ ## name(const Args *args, unsigned mask, \
                               unsigned long calls) \
{ \
    uintptr_t sum = 0; \
 \
    for (unsigned long i = 0; i < calls; i++) { \
        const Args *a = &args[i & mask]; \
        uintptr_t r; \
 \
        if ((first) == TYPE_cat) { \
            *(Wide *)a->arg[0] = 0; \
        } else if ((first) == TYPE_strp) { \
            cell = a->string; \
        } \
        r = CALL(fn, count, a->arg); \
        if ((result) == TYPE_dup) { \
            free((void *)r); \
        } \
        sum += r; \
    } \
    return sum; \
}

#define FUNCTION(name, symbol, count, first, result) \
    extern NativeFn call_ ## name __asm__(symbol); \
    LOOP(name, call_ ## name, count, first, result)

#define FIRST(first, ...)   TYPE_ ## first

#define NATIVE(name, result, count, ...) \
    enum { count_ ## name = count }; \
    NATIVE_GUEST(name, result, count, __VA_ARGS__)
#define NATIVE_ALIAS(name, function) \
    FUNCTION(name, #name, count_ ## function, 0, 0)
#define NATIVE_GUEST(name, result, count, ...) \
    FUNCTION(name, #name, count, FIRST(__VA_ARGS__), TYPE_ ## result)
#define NATIVE_CHECKED(name, result, count, ...) \
    FUNCTION(__ ## name ## _chk, "__" #name "_chk", count, \
             FIRST(__VA_ARGS__), TYPE_ ## result)
#include "user/native-functions.h.inc"
#undef NATIVE
#undef NATIVE_ALIAS
#undef NATIVE_GUEST
#undef NATIVE_CHECKED

/* What a call is made of: the loop, a call, one through a pointer or the PLT */
static __attribute__((noinline)) uintptr_t
call_direct(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)
{
    __asm__ volatile("");
    return a;
}

static NativeFn *volatile call_pointer = call_direct;

extern NativeFn empty;

LOOP(direct, call_direct, 3, 0, 0)
LOOP(pointer, call_pointer, 3, 0, 0)
LOOP(empty, empty, 3, 0, 0)

static uintptr_t loop_loop(const Args *args, unsigned mask,
                           unsigned long calls)
{
    uintptr_t sum = 0;

    for (unsigned long i = 0; i < calls; i++) {
        const Args *a = &args[i & mask];

        __asm__ volatile("" : : "r"(a->arg[0]), "r"(a->arg[1]),
                                "r"(a->arg[2]));
        sum += a->arg[0];
    }
    return sum;
}

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uintptr_t loop_timer(const Args *args, unsigned mask,
                            unsigned long calls)
{
    uintptr_t sum = 0;

    for (unsigned long i = 0; i < calls; i++) {
        sum += now();
    }
    return sum;
}

static const struct {
    const char *name;
    Loop *loop;
} loops[] = {
#define ENTRY(name) { #name, loop_ ## name },
#define NATIVE(name, ...)           ENTRY(name)
#define NATIVE_ALIAS(name, ...)     ENTRY(name)
#define NATIVE_GUEST(name, ...)     ENTRY(name)
#define NATIVE_CHECKED(name, ...)   ENTRY(__ ## name ## _chk)
#include "user/native-functions.h.inc"
    ENTRY(timer)
    ENTRY(loop)
    ENTRY(direct)
    ENTRY(pointer)
    ENTRY(empty)
};

#define N_LOOPS (sizeof(loops) / sizeof(loops[0]))

/* As the table describes memcpy() */
static const NativeRow other_row = {
    "memcpy", KIND_NATIVE, NULL, TYPE_ptr, 3, { TYPE_out, TYPE_mem, TYPE_size }
};

static const NativeRow *find_row(const char *name)
{
    for (const NativeRow *r = native_rows; r->name; r++) {
        if (!strcmp(r->name, name)) {
            return native_types(r);
        }
    }
    return &other_row;
}

/* What operand 1 is, if it is not as long as operand 0 */
static const struct {
    const char *name;
    const char *text;
} second[] = {
    { "memmem",  "cdez" },
    { "strstr",  "cdez" },
    { "strspn",  "abcdefgh" },
    { "strcspn", "zyxw" },
    { "strpbrk", "zyxw" },
    { "strsep",  "," },
};

static uint32_t state;

static uint32_t random32(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

/* A string of @chars characters and a NUL */
static void fill(char *p, size_t chars, size_t width)
{
    state = chars;
    for (size_t i = 0; i <= chars; i++) {
        int c = i < chars ? 'a' + random32() % 8 : 0;

        if (width == 1) {
            p[i] = c;
        } else {
            ((Wide *)p)[i] = c;
        }
    }
}

/* One call of @row with @chars characters at @at; returns the bytes it takes. */
static size_t prepare(const NativeRow *row, char *const at[2], size_t chars,
                      Args *a)
{
    size_t width = native_char_size(row);
    bool writes = row->args[0] == TYPE_out || row->args[0] == TYPE_cat;
    bool string = native_has(row, TYPE_str);
    const char *text = NULL;
    int k = 0;

    for (size_t i = 0; i < sizeof(second) / sizeof(second[0]); i++) {
        if (!strcmp(row->name, second[i].name)) {
            text = second[i].text;
        }
    }
    for (int i = 0; i < row->nargs; i++) {
        switch (row->args[i]) {
        case TYPE_chr:
            /* one that is not there, unless the search would not end */
            a->arg[i] = strcmp(row->name, "rawmemchr") ? 'z' : 0;
            break;
        case TYPE_size:
            a->arg[i] = k == 2 && text ? strlen(text) : chars + string;
            break;
        case TYPE_room:
            a->arg[i] = MAX_SIZE + SLACK;
            break;
        default:
            a->arg[i] = (uintptr_t)at[k];
            if (row->args[i] == TYPE_strp) {
                a->string = at[k];
                a->arg[i] = (uintptr_t)&cell;
            }
            if (k && text) {
                strcpy(at[k], text);
            } else {
                fill(at[k], row->args[i] == TYPE_cat ? 0 : chars, width);
            }
            k++;
        }
    }
    return (chars + 1 + (writes && string)) * width + sizeof(wchar_t);
}

/*
 * Sizes as programs have them: the upper ends of ranges, and how many calls
 * of a thousand are in each.  In large fleets, 96 % of the calls of memcpy(),
 * 91 % of memset() and 99 % of memcmp() are for at most 128 bytes.
 */
static size_t realistic(const NativeRow *row)
{
    static const unsigned upto[] = { 0, 4, 8, 16, 32, 64, 128, 1023 };
    static const unsigned share[3][8] = {
        { 20, 170, 220, 230, 160, 100, 60, 40 },
        { 10, 130, 170, 220, 180, 120, 80, 90 },
        { 10, 260, 270, 230, 130, 60, 30, 10 },
    };
    bool writes = row->args[0] == TYPE_out || row->args[0] == TYPE_cat ||
                  row->args[1] == TYPE_out;
    bool reads = native_has(row, TYPE_mem) || native_has(row, TYPE_str) ||
                 native_has(row, TYPE_moved);
    const unsigned *s = share[!writes ? 2 : !reads ? 1 : 0];
    unsigned at = random32() % 1000, i = 0;

    while (at >= s[i]) {
        at -= s[i++];
    }
    return i ? upto[i - 1] + 1 + random32() % (upto[i] - upto[i - 1]) : 0;
}

static Args args[MIX];

/* Returns the mask of the number of a call, which gives its arguments. */
static unsigned prepare_all(const NativeRow *row, const char *name,
                            size_t size, const char *align)
{
    size_t width = native_char_size(row);
    size_t unit = !strncmp(name, "__aeabi_", 8) ? 8 : width;
    char *at[2] = { area[0], area[1] };
    uint32_t mix = 1;

    if (strcmp(align, "mix")) {
        if (!strcmp(align, "misaligned")) {
            at[0] += unit;
            at[1] += 3 * unit;
        }
        prepare(row, at, size / width, &args[0]);
        return 0;
    }
    for (unsigned i = 0; i < MIX; i++) {
        size_t bytes;

        state = mix;
        size = realistic(row);
        mix = state;
        bytes = prepare(row, at, size / width, &args[i]);
        bytes = (bytes + unit * (1 + random32() % 8)) / unit * unit;
        at[0] += bytes;
        at[1] += bytes < 64 ? 64 : bytes;
    }
    return MIX - 1;
}

/* Keeps the compiler from leaving calls out */
static volatile uintptr_t sink;

int main(int argc, char **argv)
{
    char name[64], align[16], last[128] = "", this[128];
    unsigned long size, count;
    unsigned mask = 0;

    /* one block for both, so that their distance is the same everywhere */
    area[0] = aligned_alloc(2 * MAX_SIZE, 4 * MAX_SIZE);
    if (!area[0]) {
        perror("calls");
        return 1;
    }
    memset(area[0], 'a', 2 * AREA);
    /* not at the same offset in a page, or loads would wait for stores */
    area[1] = area[0] + AREA - SLACK + 1536;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (scanf("%63s %lu %15s %lu", name, &size, align, &count) == 4) {
        Loop *loop = NULL;
        uint64_t start;

        for (size_t i = 0; i < N_LOOPS; i++) {
            if (!strcmp(loops[i].name, name)) {
                loop = loops[i].loop;
            }
        }
        /* proof that what is measured as native is native */
        if (!loop || size > MAX_SIZE ||
            (argc > 1 && find_row(name) != &other_row &&
             !native_function(name))) {
            puts("-1");
            continue;
        }
        snprintf(this, sizeof(this), "%s %lu %s", name, size, align);
        if (strcmp(this, last)) {
            mask = prepare_all(find_row(name), name, size, align);
            strcpy(last, this);
        }
        start = now();
        sink += loop(args, mask, count);
        printf("%llu\n", (unsigned long long)(now() - start));
    }
    return 0;
}
