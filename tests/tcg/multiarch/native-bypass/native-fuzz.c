/*
 * Native bypass: every function against the guest libc's own, at random
 *
 * A trial is one call, made from the types of the table's row.  The guest's
 * libc and the native function each make it, in memory of their own with the
 * same contents, and must leave the same result and memory.  Calls are only
 * those that C or POSIX defines, and that do not fault.  First of all, the
 * functions must be libnative.so's: all else would pass without them.
 *
 * C defines only the sign of a comparison's result, but some programs expect
 * the C library's value: the difference of bytes on one guest, 1 or -1 on
 * another.
 *
 * A trial depends on the seed, the function's name and its own number only.
 *
 *   -s SEED  -n TRIALS (of each function)  -f NAME (more than once)
 *   -t TRIAL (that one only)  -p (show progress)
 *   -a (with "auto", also what the C library composes of native functions)
 *   -o (only signs of comparisons, for C libraries that the manual does not name)
 *
 * With -DNATIVE_LINKED, for C libraries of which there is one copy, it prints
 * a hash of each function's results, which must not depend on who runs it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <link.h>

#include "native-table.h"
#include "native-test.h"

#define MIN(a, b)       ((a) < (b) ? (a) : (b))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))

#ifdef NATIVE_LINKED
# define LINKED         true
#else
# define LINKED         false
#endif

/* The two implementations */
enum { LIBC, NATIVE_LIB };

static NativeFunction row;      /* under test */
static NativeFn *function[2];
static size_t align;            /* of the pointers: a power of 2 */
static bool moved;              /* the pointers may overlap */
static bool pair;               /* both are only read */

/* Their memory, by operand */
static size_t arena_size;
static uint8_t *arena[2][2];
static char *box[2];            /* what a strp points to */

/* The libc's own functions, independent of those under test */
static NativeFn *libc_memcpy, *libc_memcmp, *libc_free;

/* A trial's call */
static struct {
    unsigned long number;
    size_t at[2];               /* offset in the arena */
    size_t extent[2];           /* characters that may be accessed */
    size_t end[2];              /* where the NUL goes, if within these */
    size_t n[2], room;
    uintptr_t chr;
    size_t delta;               /* misaligns wide operands of the native set */
    bool no_string;             /* strsep() at the end */
    bool amid;                  /* short operands in the middle of a page */
    unsigned windows;           /* areas to fill and compare */
    size_t lo[2], hi[2];
    int made_by;
    uintptr_t arg[4], result[2];
} call;

static unsigned long long seed = 1;
static bool signs;              /* compare these only */
static bool all;                /* also the C library's own code */
static uint32_t done;           /* hash of native results */

/* Random numbers: xoroshiro64*, which is fast on 32-bit guests, too */
static uint32_t random_state[2];

static uint32_t random32(void)
{
    uint32_t s0 = random_state[0], s1 = random_state[1] ^ s0;

    random_state[0] = (s0 << 26 | s0 >> 6) ^ s1 ^ s1 << 9;
    random_state[1] = s1 << 13 | s1 >> 19;
    return s0 * 0x9e3779bb;
}

/* Less than @n */
static uint32_t below(uint32_t n)
{
    return (uint64_t)random32() * n >> 32;
}

static void random_start(const char *name, uint64_t trial)
{
    uint64_t z = seed;

    while (*name) {
        z = (z ^ (uint8_t)*name++) * 0x9e3779b97f4a7c15;
    }
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 + trial;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    random_state[0] = z;
    random_state[1] = z >> 32 | 1;
}

/*
 * Random characters x become mask & x ^ base.  For wide ones, base is extended
 * by its sign, and mask is shifted to any byte.
 */
static const struct {
    int8_t mask, base;
} alphabets[] = {
    { 0x00, 'a' }, { 0x01, 'a' }, { 0x03, 'a' }, { -0x80, 'a' },
    { -1, 0 }, { 0x7f, -0x80 }, { -2, 1 }, { 0x01, 0 }, { -0x7f, 0x7e },
    { -0x7f, 0 }, { 0x01, -2 }, { 0x0f, 'a' }, { 0x1f, 'a' },
    { -0x80, 0x7f }, { -0x80, 0 }, { 0x02, 'a' },
};

static void put_char(uint8_t *p, size_t i, uint32_t c)
{
    native_put(p + i * row.width, row.width, c);
}

static uint32_t get_char(const uint8_t *p, size_t i)
{
    return row.width == 1 ? p[i] : ((const uint32_t *)p)[i];
}

/* A number of characters, mostly small */
static size_t choose_length(void)
{
    uint32_t kind = below(128);

    return kind < 56 ? below(9) :
           kind < 119 ? below(72) :
           kind < 127 ? below(1200 / row.width) :
           below(arena_size / 2 / row.width - 8);
}

static size_t choose_n(size_t len)
{
    uint32_t off;

    switch (below(8)) {
    case 0:
        return below(len + 8);
    case 1:
        return len + below(5000);
    case 2:
        return SIZE_MAX - below(3);
    case 3:
        return SIZE_MAX / 2 + 2 - below(4);
    case 4:
        return SIZE_MAX << below(sizeof(len) * 8);
    default:
        off = below(5);
        return len + off >= 2 ? len + off - 2 : 0;
    }
}

/* A place for @bytes below @limit: at the end, the start, or across pages */
static size_t choose_place(size_t bytes, size_t limit)
{
    /* a third of the places at an end touch it */
    size_t shift = below(3) ? below(64) : 0, at = 2 * page - shift;

    switch (below(4)) {
    case 0:
        at = limit - bytes - shift;
        break;
    case 1:
        at = shift;
        break;
    }
    return MIN(at, limit - bytes) & -align;
}

/* Choose lengths, numbers and places for a defined call. */
static void choose(void)
{
    const size_t max = arena_size / 2 / row.width - 8;
    const unsigned src = row.pointers - 1;
    const bool cat = row.op[0] == TYPE_cat;
    size_t len[2] = { choose_length(), 0 }, need, n, limit;

    switch (below(4)) {
    case 0:
        len[1] = choose_length();
        break;
    case 1:
        len[1] = below(4);
        break;
    default:
        len[1] = MIN(len[0] + below(2), max);
    }
    n = choose_n(cat && row.limits_room ? len[0] + len[1] : len[src]);
    n = row.pads ? MIN(n, max) : row.ends ? n : len[0];
#ifdef __powerpc__
    /* glibc's may miss the difference. */
    n = strcmp(row.name, "strncmp") ? n : MIN(n, SIZE_MAX / 2);
#endif
    call.n[0] = n;
    call.n[1] = row.sizes == 2 ? len[1] : n;
    /* Functions that may be the guest's own need aligned operands. */
    call.delta = row.width > 1 && !LINKED && below(16) == 0 ? 1 + below(3) : 0;
    call.delta = all && row.kind >= KIND_GUEST ? 0 : call.delta;
    call.no_string = below(32) == 0;
    call.amid = pair && row.result == TYPE_int && below(3) == 0 &&
                MAX(len[0], len[1]) < 64;

    for (unsigned i = 0; i < row.pointers; i++) {
        call.end[i] = len[i];
        call.extent[i] = !row.ends ? call.n[i] :
                         row.sizes && !row.limits_room ? MIN(len[i] + 1, n) :
                         len[i] + 1;
    }
    if (row.ends && row.op[0] == TYPE_out) {
        call.extent[0] = row.pads ? n : call.extent[src];
        if (row.limits_room) {
            call.extent[0] = MIN(call.extent[0], n);
        }
    }
    need = row.sizes ? n : call.extent[0];
    if (cat) {
        size_t used = len[0] + 1 + (row.sizes && !row.limits_room
                                    ? MIN(len[1], n) : len[1]);

        call.extent[0] = row.limits_room ? MIN(used, n) : used;
        need = row.limits_room ? n : used;
    }
    call.room = need + (below(2) ? 0 : below(256));
    if (call.room < need || below(4) == 0) {
        call.room = SIZE_MAX;
    }

    limit = arena_size - (call.delta ? 8 : 0);
    call.windows = row.pointers;
    for (unsigned i = 0; i < row.pointers; i++) {
        size_t bytes = call.extent[i] * row.width;
        size_t at = call.amid ? 2 * page + 1024 : choose_place(bytes, limit);

        if (moved && i == 1) {
            size_t by = (below(2) ? below(bytes + 1) : below(128)) & -align;

            at = below(2) ? call.at[0] - MIN(by, call.at[0])
                          : MIN(call.at[0] + by, limit - bytes);
        }
        call.at[i] = at;
        call.lo[i] = (at - MIN(at, 32)) & -sizeof(uint32_t);
        call.hi[i] = MIN((at + bytes + 32) & -sizeof(uint32_t), limit);
    }
    if (moved) {
        call.lo[0] = MIN(call.lo[0], call.lo[1]);
        call.hi[0] = MAX(call.hi[0], call.hi[1]);
        call.windows = 1;
    }
}

/* Choose the contents, the same for both. */
static void fill(void)
{
    const unsigned src = row.pointers - 1;
    unsigned index = below(ARRAY_SIZE(alphabets));

    for (unsigned i = 0; i < call.windows; i++) {
        uint32_t *w = (uint32_t *)(arena[LIBC][i] + call.lo[i]);
        uint32_t *end = (uint32_t *)(arena[LIBC][i] + call.hi[i]);
        uint32_t mask = alphabets[index].mask, base = alphabets[index].base;

        if (row.width == 1) {
            mask = (mask & 0xff) * 0x01010101;
            base = (base & 0xff) * 0x01010101;
        } else {
            mask <<= 8 * below(4);
        }
        while (w < end) {
            *w++ = (random32() & mask) ^ base;
        }
        if (below(2)) {
            index = below(ARRAY_SIZE(alphabets));
        }
    }
    if (pair && below(4)) {
        uint8_t *p = arena[LIBC][0] + call.at[0];
        uint8_t *q = arena[LIBC][1] + call.at[1];
        size_t from = below(2) ? below(call.extent[0] + 1) : 0;
        size_t common = MIN(call.extent[0] - from, call.extent[1]);

        for (size_t i = 0; i < common; i++) {
            put_char(q, i, get_char(p, from + i));
        }
        if (common && below(3) == 0) {
            size_t i = below(4) ? below(common) : common - 1;

            put_char(q, i, get_char(q, i) ^
                     (below(2) ? random32() : 1u << below(32)));
        }
    }
    if (native_has(row.row, TYPE_chr)) {
        const uint8_t *p = arena[LIBC][src] + call.at[src];
        uint32_t chr = below(2) ? random32() : 0, high = random32();

        if (below(4) && call.extent[src]) {
            chr = get_char(p, chr % call.extent[src]);
        }
        /* Bytes are passed as ints, in registers. */
        if (row.width == 1) {
            chr = (uint8_t)chr | (below(2) ? high << 8 : 0);
        }
#ifdef __powerpc__
        /* glibc's finds the end only if the whole int is 0. */
        if (!(uint8_t)chr && (!strcmp(row.name, "strchr") ||
                              !strcmp(row.name, "index"))) {
            chr = 0;
        }
#endif
        call.chr = (intptr_t)(int32_t)chr;
#if defined(__x86_64__) || defined(__aarch64__)
        call.chr ^= below(2) ? (uintptr_t)high << 32 : 0;
#endif
    }
    for (unsigned i = 0; row.ends && i < row.pointers; i++) {
        if (row.op[i] != TYPE_out && call.end[i] < call.extent[i]) {
            put_char(arena[LIBC][i] + call.at[i], call.end[i],
                     row.stops_at_chr ? call.chr : 0);
        }
    }
    for (unsigned i = 0; i < call.windows; i++) {
        uint8_t *from = arena[LIBC][i] + call.lo[i];
        uint8_t *to = arena[NATIVE_LIB][i] + call.lo[i] + call.delta;

        libc_memcpy((uintptr_t)to, (uintptr_t)from, call.hi[i] - call.lo[i], 0);
    }
}

static void make_call(int by)
{
    char *at[2];

    call.made_by = by;
    for (unsigned i = 0; i < row.pointers; i++) {
        at[i] = (char *)arena[by][moved ? 0 : i] + call.at[i] +
                (by == NATIVE_LIB ? call.delta : 0);
    }
    native_arguments(row.row, at, call.n, call.room, call.chr, &box[by],
                     call.arg);
    if (call.no_string) {
        box[by] = NULL;
    }
    call.result[by] = function[by](call.arg[0], call.arg[1], call.arg[2],
                                       call.arg[3]);
}

/* @p relative to operand 0, so the same for both; NULL is INTPTR_MIN. */
static intptr_t offset(int set, const void *p)
{
    uint8_t *base = arena[set][0] + call.at[0] +
                    (set == NATIVE_LIB ? call.delta : 0);

    return p ? (uint8_t *)p - base : INTPTR_MIN;
}

/*
 * Whether the guest's libc has no rule for a comparison's result except its
 * sign; the manual names these functions.  Some lack a rule only near the end
 * of a page, or if not aligned.
 */
static bool only_sign(void)
{
#if defined(NATIVE_LINKED)
    return true;
#elif defined(__aarch64__)
    return !strncmp(row.name, "str", 3);
#elif defined(__i386__)
    return !strncmp(row.name, "str", 3) && !call.amid;
#elif defined(__arm__)
    return !strcmp(row.name, "strcmp");
#elif defined(__x86_64__)
    return !strncmp(row.name, "wcs", 3) ||
           (strncmp(row.name, "str", 3) && !call.amid);
#elif defined(__s390x__)
    /* The compiler's C library may have no vector versions. */
    return !strcmp(row.name, "strncmp") || !strcmp(row.name, "wcscmp");
#elif defined(__powerpc__)
    return !strcmp(row.name, "bcmp");
#elif defined(__MIPSEB__)
    return row.width == 1 && row.op[0] == TYPE_mem && call.n[0] >= 16;
#else
    return false;
#endif
}

static bool results_differ(void)
{
    intptr_t r[2];

    for (int by = 0; by < 2; by++) {
        int value = call.result[by];

        switch (row.result) {
        case TYPE_none:
            r[by] = 0;
            break;
        case TYPE_int:
            r[by] = signs || only_sign() ? (value > 0) - (value < 0) : value;
#if !defined(__x86_64__) && !defined(__aarch64__)
            /* The ABI has it sign-extended. */
            r[by] += call.result[by] - (intptr_t)value;
#endif
            break;
        case TYPE_ptr:
            r[by] = offset(by, (void *)call.result[by]);
            break;
        default:
            r[by] = call.result[by];
        }
    }
    if (row.result == TYPE_dup) {
        char *copy[2] = { (char *)r[LIBC], (char *)r[NATIVE_LIB] };
        bool same = copy[0] && copy[1] && !strcmp(copy[0], copy[1]);

        libc_free((uintptr_t)copy[LIBC], 0, 0, 0);
        free(copy[NATIVE_LIB]);
        r[LIBC] = true;
        r[NATIVE_LIB] = same;
    }
    done = (done ^ r[NATIVE_LIB]) * 0x9e3779b1;
    if (r[LIBC] != r[NATIVE_LIB] ||
        (row.op[0] == TYPE_strp &&
         offset(LIBC, box[LIBC]) != offset(NATIVE_LIB, box[NATIVE_LIB]))) {
        printf("%s: result %ld, and not %ld\n", row.name,
               (long)r[NATIVE_LIB], (long)r[LIBC]);
        return true;
    }
    return false;
}

static bool memory_differs(unsigned op, size_t lo, size_t hi, size_t delta)
{
    const uint8_t *p = arena[LIBC][op], *q = arena[NATIVE_LIB][op] + delta;

    for (size_t i = lo; LINKED && i < hi; i++) {
        done = (done ^ q[i]) * 0x9e3779b1;
    }
    if (!libc_memcmp((uintptr_t)(p + lo), (uintptr_t)(q + lo), hi - lo, 0)) {
        return false;
    }
    while (p[lo] == q[lo]) {
        lo++;
    }
    printf("%s: memory of operand %u, byte %ld: 0x%02x, and not 0x%02x\n",
           row.name, op, (long)(lo - call.at[op]), q[lo], p[lo]);
    return true;
}

/* Compare the memory that a trial may touch or, if @all, all memory. */
static bool differs(bool all)
{
    bool bad;

    make_call(LIBC);
    make_call(NATIVE_LIB);
    bad = results_differ();
    for (unsigned i = 0; i < call.windows && !bad; i++) {
        bad = memory_differs(i, call.lo[i], call.hi[i], call.delta);
        if (call.delta) {
            libc_memcpy((uintptr_t)(arena[NATIVE_LIB][i] + call.lo[i]),
                        (uintptr_t)(arena[LIBC][i] + call.lo[i]),
                        call.hi[i] + 8 - call.lo[i], 0);
        }
    }
    for (unsigned i = 0; i < 2 && all && !bad; i++) {
        bad = memory_differs(i, 0, arena_size, 0);
    }
    return bad;
}

/* One of so many trials compares all memory. */
#define ALL_TRIALS  1024

/* Whether one of the trials from @first to before @end differs */
static bool any_differs(unsigned long first, unsigned long end)
{
    for (call.number = first; call.number < end; call.number++) {
        random_start(row.name, call.number);
        choose();
        fill();
        if (differs(call.number % ALL_TRIALS == ALL_TRIALS - 1 ||
                    call.number + 1 == end)) {
            return true;
        }
    }
    return false;
}

static void try_row(unsigned long first, unsigned long end)
{
    bool bad = false;
    int sig;

    /* A row that differed has left different memory. */
    for (unsigned i = 0; i < 2; i++) {
        libc_memcpy((uintptr_t)arena[NATIVE_LIB][i], (uintptr_t)arena[LIBC][i],
                    arena_size, 0);
    }
    sig = CATCH(bad = any_differs(first, end));
    if (!sig && !bad) {
        return;
    }
    failures++;
    if (sig) {
        printf("%s: signal %d at %p in the %s function\n", row.name, sig,
               caught.info.si_addr, call.made_by == LIBC ? "libc's" : "native");
    }

    printf("    arguments 0x%lx, 0x%lx, 0x%lx, 0x%lx; %zu and %zu characters\n",
           (long)call.arg[0], (long)call.arg[1], (long)call.arg[2],
           (long)call.arg[3], call.extent[0], call.extent[1]);
    printf("    again: native-fuzz -s %llu -f %s -t %lu\n", seed, row.name,
           call.number);
    fflush(stdout);
}

/* For functions that a libc lacks */
static uintptr_t plain_lcpy(uintptr_t dst, uintptr_t src, uintptr_t n,
                            uintptr_t room)
{
    size_t len = 0;
    uint32_t c;

    while ((c = get_char((uint8_t *)src, len)) != 0) {
        if (len + 1 < n) {
            put_char((uint8_t *)dst, len, c);
        }
        len++;
    }
    if (n) {
        put_char((uint8_t *)dst, MIN(len, n - 1), 0);
    }
    return len;
}

static uintptr_t plain_lcat(uintptr_t dst, uintptr_t src, uintptr_t n,
                            uintptr_t room)
{
    size_t used = 0;

    while (used < n && get_char((uint8_t *)dst, used)) {
        used++;
    }
    return used + plain_lcpy(dst + used * row.width, src, n - used, room);
}

static void find_functions(void)
{
    NativeFn *theirs = native_libc_function(row.name);
    Dl_info info = { };

    CHECK(row.call && (getenv("NATIVE_AUTO") ||
          (dladdr(row.call, &info) && info.dli_sname &&
           !strcmp(info.dli_sname, row.name))), "%s: not replaced", row.name);
    if (!theirs) {
        theirs = strstr(row.name, "lcpy") ? plain_lcpy :
                 strstr(row.name, "lcat") ? plain_lcat : NULL;
    }
    CHECK(theirs, "%s: nothing to compare with", row.name);
    function[LIBC] = theirs;
    function[NATIVE_LIB] = row.call;
}

/* Have the other copy of the C library translated. */
static void translate_libc(void)
{
    const ElfW(Phdr) *p;
    const char *base;
    Dl_info info;

    FOR_EACH_ROW(row) {
        /* Once its resolver has been called, an entry is not hooked again. */
        native_libc_function(row->name);
    }
    if (!dladdr(libc_memcpy, &info)) {
        die("dladdr");
    }
    base = info.dli_fbase;
    p = (const void *)(base + ((const ElfW(Ehdr) *)base)->e_phoff);
    while (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) {
        p++;
    }
    base = (const char *)((uintptr_t)(base + p->p_vaddr) & -page);
    CHECK(!mprotect((void *)base, p->p_memsz, PROT_RWX), "mprotect()");
}

#if defined(__x86_64__) && !defined(NATIVE_LINKED)
asm(".symver old_memcpy, memcpy@GLIBC_2.2.5");
__typeof(memcpy) old_memcpy;
#endif

/* Programs from before 2011 may call memcpy() on overlapping memory. */
static void try_old_memcpy(unsigned long first, unsigned long end)
{
#if defined(__x86_64__) && !defined(NATIVE_LINKED)
    CHECK(native_is_ours(old_memcpy), "memcpy@GLIBC_2.2.5: not replaced");
    function[NATIVE_LIB] = (NativeFn *)old_memcpy;
    try_row(first, end);
#endif
}

/* The search for a long needle may go through the string in parts. */
static void try_long_needles(void)
{
    char *string = (char *)arena[LIBC][0], *needle = (char *)arena[LIBC][1];

    for (size_t n = 255; n < 258; n++) {
        for (size_t i = 0; i < 3000; i++) {
            string[i] = i < 2500 ? 'a' : 0;
            needle[i] = i < n - 1 ? 'a' : i == n - 1 ? 'b' : 0;
        }
        for (size_t at = 0; at < 1200; at++) {
            uintptr_t found;

            string[at + n - 1] = 'b';
            found = function[NATIVE_LIB]((uintptr_t)string, (uintptr_t)needle,
                                         0, 0);
            CHECK(found == (uintptr_t)string + at, "strstr: %zu at %zu: %ld",
                  n, at, (long)(found - (uintptr_t)string));
            string[at + n - 1] = 'a';
        }
    }
}

static void learn(const NativeRow *native)
{
    row = native_learn(native);
    align = row.width;
    /* The Run-time ABI gives them no result; some need aligned pointers. */
    if (!strncmp(row.name, "__aeabi_", 8)) {
        char last = row.name[strlen(row.name) - 1];

        row.result = TYPE_none;
        align = last == '4' ? 4 : last == '8' ? 8 : 1;
    }
    moved = native_has(row.row, TYPE_moved);
    pair = row.pointers == 2 && !row.writes && !moved;
}

int main(int argc, char **argv)
{
    bool chosen[ARRAY_SIZE(native_rows)] = { }, show = false;
    unsigned long first = 0, end = 10000;
    unsigned count = 0;
    int opt, i;

    while ((opt = getopt(argc, argv, "s:n:f:t:pao")) != -1) {
        switch (opt) {
        case 's':
            seed = atoll(optarg);
            break;
        case 'n':
            end = atoll(optarg);
            break;
        case 'f':
            if (!native_row(optarg)) {
                printf("%s: not in the table\n", optarg);
                return 2;
            }
            chosen[native_row(optarg) - native_rows] = true;
            count++;
            break;
        case 't':
            first = atoll(optarg);
            end = first + 1;
            break;
        case 'p':
            show = true;
            break;
        case 'a':
            all = true;
            break;
        case 'o':
            signs = true;
            break;
        default:
            return 2;
        }
    }

    arena_size = 6 * page;
    libc_memcpy = native_libc_function("memcpy");
    libc_memcmp = native_libc_function("memcmp");
    libc_free = LINKED ? (NativeFn *)free : native_libc_function("free");
    for (i = 0; i < 4; i++) {
        arena[i / 2][i % 2] = map_guarded(arena_size, PROT_RW);
    }
    catch_signals();
    if (getenv("NATIVE_AUTO") && !LINKED) {
        translate_libc();
    }

    for (i = 0; native_rows[i].name; i++) {
        if ((count && !chosen[i]) ||
            (all ? !native_libc_function(native_rows[i].name)
                 : native_skips(&native_rows[i]))) {
            continue;
        }
        learn(&native_rows[i]);
        find_functions();
        try_row(first, end);
        if (!strcmp(row.name, "memmove")) {
            try_old_memcpy(first, end);
        } else if (!strcmp(row.name, "strstr")) {
            try_long_needles();
        }
        if (LINKED) {
            printf("%s %08x\n", row.name, done);
            done = 0;
        }
        if (show) {
            printf("%s done, %d failures\n", row.name, failures);
            fflush(stdout);
        }
    }
    return failures != 0;
}
