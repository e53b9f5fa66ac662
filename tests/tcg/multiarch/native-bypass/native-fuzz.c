/*
 * Native bypass: every function against the guest libc's own, at random
 *
 * Walks the table.  A trial is one call, made from the types of the row's
 * arguments; the guest's libc and the native function make it, each in memory
 * of its own that has the same contents, and have to leave the same result
 * and the same memory.  Only calls that C or POSIX defines, and that do not
 * fault.  That the functions are libnative.so's is checked first: all else
 * would pass without them.
 *
 * A trial depends on the seed, the function's name and its own number only.
 * One that differs is made smaller while it still does, and printed.
 *
 *   -s SEED  -n TRIALS (of each function)  -f NAME (more than once)
 *   -t TRIAL (that one only)  -l (list the functions)  -p (show progress)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)       ((a) < (b) ? (a) : (b))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))

typedef unsigned long Word;

/* What follows from the types of a row of the table; see learn(). */
typedef struct Row {
    const char *name;
    NativeType result;
    const NativeType *type;
    NativeFn *function[2];
    uintptr_t width;            /* of a character: 1 or 4 */
    uintptr_t align;            /* of the pointers: a power of 2 */
    NativeType op[2];           /* the pointers among the arguments */
    unsigned ops;
    unsigned sizes;
    bool chr;
    bool room;
    bool moved;                 /* the pointers may overlap */
    bool pair;                  /* both are only read */
    bool stops;                 /* memory ends at chr, like a string at NUL */
    bool ends;                  /* that, or strings */
    bool truncates;             /* n is the size of the destination */
    bool fills;                 /* n characters are written in any case */
} Row;

static Row rows[ARRAY_SIZE(native_rows) - 1];

/* Rows whose types do not tell all, and why */
static const struct {
    const char *name;
    bool stops;
} exceptions[] = {
    { "memrchr", false },       /* goes from the end */
    { "wmemchr", false },       /* C lets it read all of n */
    { "rawmemchr", true },      /* knows no other end than chr */
};

/* The two that make each call, and their memory */
enum { LIBC, NATIVE_LIB };
static const char *const set_name[2] = { "the guest's libc", "native" };

static size_t page;
static size_t arena_size;
static uint8_t *arena[2][2];    /* by set and operand */
static char *box[2];            /* what a strp points to */

/*
 * All that a trial is made of.  Any values make a call that is defined, and
 * smaller ones a simpler call.
 */
enum {
    LEN0, LEN1,                 /* characters of each operand, without NUL */
    USED,                       /* of the string that is appended to */
    N, ROOM,
    PLACE0, PLACE1,             /* see place() */
    SHIFT0, SHIFT1,             /* in bytes */
    BEHIND, DISTANCE,           /* between operands that overlap */
    DELTA,                      /* misaligns wide operands of the native set */
    ALPHABET0, ALPHABET1, START0, START1,
    RELATION, FROM, CHANGED, CHANGE,
    CHR_KIND, CHR, CHR_HIGH,
    NO_STRING,                  /* strsep() at the end */
    FIELDS
};

typedef struct Trial {
    uintptr_t field[FIELDS];
} Trial;

/* The call that a trial stands for */
typedef struct Call {
    uintptr_t at[2];            /* offset in the arena */
    uintptr_t extent[2];        /* characters that may be accessed */
    uintptr_t end[2];           /* where the NUL goes, if within these */
    uintptr_t n[2];
    uintptr_t room;
    uintptr_t chr;
    uintptr_t delta;
    uintptr_t windows;          /* what is filled and compared */
    uintptr_t lo[2], hi[2];
} Call;

static unsigned long long seed = 1;
static char why[200];

static __attribute__((format(printf, 1, 2))) bool differ(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return true;
}

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

static void random_start(uint32_t function, uint64_t trial)
{
    uint64_t z = seed * 0x9e3779b97f4a7c15 + function;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 + trial;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    random_state[0] = z;
    random_state[1] = z >> 32 | 1;
}

/* Contents come from here, and become the characters mask & x ^ base. */
#define POOL    4096
static Word pool[POOL];

typedef struct Alphabet {
    uint32_t mask;
    uint32_t base;
} Alphabet;

static const Alphabet narrow[] = {
    { 0x00, 'a' }, { 0x01, 'a' }, { 0x03, 'a' }, { 0x80, 'a' },
    { 0xff, 0 }, { 0x7f, 0x80 }, { 0xfe, 1 }, { 0x01, 0 }, { 0x81, 0x7e },
    { 0x81, 0 }, { 0x01, 0xfe }, { 0x0f, 'a' }, { 0x1f, 'a' },
    { 0x80, 0x7f }, { 0x80, 0 }, { 0x02, 'a' },
};

/* Differences in either half, in top bits and in NULs but for one byte */
static const Alphabet wide[] = {
    { 0, 'a' }, { 1, 'a' }, { 3, 'a' }, { 0x80000000, 'a' },
    { 0xffffffff, 0 }, { 0x7fffffff, 0x80000000 }, { 0xfffffffe, 1 },
    { 1, 0 }, { 0x80000001, 0x7ffffffe }, { 0x80000001, 0 },
    { 1, 0xfffffffe }, { 0x01010101, 0x02020202 }, { 0x00000101, 0 },
    { 0x00ff0000, 0xff }, { 0xff000000, 1 }, { 0x80000000, 0 },
};

static const Alphabet *alphabet(const Row *row, uintptr_t index)
{
    return row->width == 1 ? &narrow[index % ARRAY_SIZE(narrow)]
                           : &wide[index % ARRAY_SIZE(wide)];
}

static uint32_t get_char(const Row *row, const uint8_t *p, uintptr_t i)
{
    return row->width == 1 ? p[i] : ((const uint32_t *)p)[i];
}

static void put_char(const Row *row, uint8_t *p, uintptr_t i, uint32_t c)
{
    if (row->width == 1) {
        p[i] = c;
    } else {
        ((uint32_t *)p)[i] = c;
    }
}

/* Characters: few most of the time */
static uint32_t choose_length(const Row *row)
{
    uint32_t kind = below(128);

    return kind < 56 ? below(9) :
           kind < 119 ? below(72) :
           kind < 127 ? below(1200 / row->width) :
           below(arena_size / 2 / row->width);
}

static uintptr_t choose_n(uintptr_t len)
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
        return (uintptr_t)-1 << below(sizeof(len) * 8);
    default:
        off = below(5);
        return len + off >= 2 ? len + off - 2 : 0;
    }
}

/* An initializer may call memset(), and this is not to rely on it. */
static void zero(uintptr_t *p, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof(*p); i++) {
        p[i] = 0;
    }
}

/* What is not set here remains 0. */
static void choose(const Row *row, Trial *t)
{
    uintptr_t *f = t->field;
    uint32_t r;

    zero(f, sizeof(*t));
    f[LEN0] = choose_length(row);
    if (row->width > 1 && below(16) == 0) {
        f[DELTA] = 1 + below(3);
    }
    for (unsigned i = 0; i < row->ops; i++) {
        r = random32();
        f[START0 + i] = r % POOL;
        f[ALPHABET0 + i] = r >> 12 & 0xff;
        f[PLACE0 + i] = r >> 20 & 3;
        /* a third of those at either end touches it */
        f[SHIFT0 + i] = r >> 30 ? r >> 22 & 0x3f : 0;
    }
    if (row->ops == 2) {
        r = random32();
        switch (r & 3) {
        case 0:
            f[LEN1] = choose_length(row);
            break;
        case 1:
            f[LEN1] = r >> 8 & 3;
            break;
        default:
            f[LEN1] = f[LEN0] + (r >> 8 & 1);
        }
        if (r & 0x10) {
            f[ALPHABET1] = f[ALPHABET0];
        }
        if (row->pair) {
            f[RELATION] = r >> 5 & 3;
            f[CHANGE] = (r & 0x10000 ? random32() : r >> 17) | 1 << (r >> 27);
            r = random32();
            f[FROM] = r & 1 ? below(f[LEN0] + 1) : 0;
            f[CHANGED] = r & 6 ? below(f[LEN1] + 1)
                               : f[LEN1] ? f[LEN1] - 1 : 0;
        }
        if (row->moved) {
            f[BEHIND] = r >> 9 & 1;
            f[DISTANCE] = r & 0x400 ? below(f[LEN0] * row->width + 1)
                                    : r >> 11 & 0x7f;
        }
        if (row->op[0] == TYPE_cat) {
            f[USED] = f[LEN0];
        }
    }
    if (row->sizes) {
        f[N] = choose_n(row->op[0] == TYPE_cat && row->truncates ?
                        f[USED] + f[LEN1] : f[LEN0 + row->ops - 1]);
    }
    if (row->room) {
        r = random32();
        f[ROOM] = r & 1 ? 0 : r & 2 ? SIZE_MAX : r >> 4 & 0xff;
    }
    if (row->chr) {
        r = random32();
        f[CHR_KIND] = r & 3;
        f[CHR] = r & 0x80 ? random32() : 0;
        f[CHR_HIGH] = r & 0x10 ? 0 : r & 0x20 ? 0x42 : r & 0x40 ? SIZE_MAX :
                      (uintptr_t)(0x0101010101010101 * (r >> 8));
    }
    if (row->op[0] == TYPE_strp) {
        f[NO_STRING] = below(32) == 0;
    }
}

/* A place for @bytes below @limit: at its end, beginning, or over a page's */
static uintptr_t place(const Row *row, uintptr_t kind, uintptr_t shift,
                       uintptr_t bytes, uintptr_t limit)
{
    uintptr_t at = kind == 0 ? limit - bytes - shift :
                   kind == 1 ? shift : 2 * page - shift;

    at = MIN(at, limit - bytes);
    return at & -row->align;
}

/* What is accessed, and makes the call a defined one */
static void settle(const Row *row, const Trial *t, Call *c)
{
    const uintptr_t *f = t->field;
    const uintptr_t max = arena_size / 2 / row->width - 8;
    const uintptr_t limit = arena_size - (row->width > 1 && f[DELTA] ? 8 : 0);
    const uintptr_t len[2] = { MIN(f[LEN0], max), MIN(f[LEN1], max) };
    const unsigned src = row->ops - 1;
    uintptr_t n = row->fills ? MIN(f[N], max) : row->ends ? f[N] : len[0];
    uintptr_t used = MIN(f[USED], max), end, need;

    c->n[0] = n;
    c->n[1] = row->sizes == 2 ? len[1] : n;
    c->delta = row->width > 1 ? f[DELTA] % 4 : 0;
    for (unsigned i = 0; i < row->ops; i++) {
        c->end[i] = len[i];
        c->extent[i] = !row->ends ? c->n[i] :
                       row->sizes && !row->truncates ? MIN(len[i] + 1, n) :
                       len[i] + 1;
    }
    need = row->sizes ? n : c->extent[0];
    if (row->ends && row->op[0] == TYPE_out) {
        c->extent[0] = row->fills ? n :
                       row->truncates ? MIN(c->extent[src], n) :
                       c->extent[src];
        need = row->sizes ? n : c->extent[0];
    } else if (row->op[0] == TYPE_cat) {
        c->end[0] = used;
        end = used + 1 + (row->sizes && !row->truncates ? MIN(len[1], n)
                                                        : len[1]);
        c->extent[0] = row->truncates ? MIN(end, n) : end;
        need = row->truncates ? n : end;
    }
    c->room = need + f[ROOM] < need ? SIZE_MAX : need + f[ROOM];

    for (unsigned i = 0; i < row->ops; i++) {
        uintptr_t bytes = c->extent[i] * row->width, distance;

        c->at[i] = place(row, f[PLACE0 + i], f[SHIFT0 + i], bytes, limit);
        if (row->moved && i == 1) {
            distance = f[DISTANCE] & -row->align;
            c->at[1] = f[BEHIND] ? c->at[0] - MIN(distance, c->at[0])
                                 : MIN(c->at[0] + distance, limit - bytes);
        }
        c->lo[i] = (c->at[i] - MIN(c->at[i], 32)) & -sizeof(Word);
        c->hi[i] = MIN((c->at[i] + bytes + 32) & -sizeof(Word), limit);
    }
    c->windows = row->ops;
    if (row->moved) {
        c->lo[0] = MIN(c->lo[0], c->lo[1]);
        c->hi[0] = MAX(c->hi[0], c->hi[1]);
        c->windows = 1;
    }
}

static uintptr_t make_chr(const Row *row, const Trial *t, const Call *c)
{
    const uintptr_t *f = t->field;
    unsigned src = row->ops - 1;
    const Alphabet *a = alphabet(row, f[ALPHABET0 + src]);
    uint32_t chr = f[CHR];

    if (f[CHR_KIND] == 1) {
        chr = (chr & a->mask) ^ a->base;
    } else if (f[CHR_KIND] > 1 && c->extent[src]) {
        chr = get_char(row, arena[LIBC][src] + c->at[src],
                       chr % c->extent[src]);
    }
    if (row->width == 1) {
        chr = (uint8_t)chr | f[CHR_HIGH] << 8;
    }
#if defined(__x86_64__) || defined(__aarch64__)
    /* The upper half of the register is not defined. */
    return chr | f[CHR_HIGH] << 8 >> 32 << 32;
#else
    return (intptr_t)(int32_t)chr;
#endif
}

/* Make the memory of both the same, in the window and a little around it. */
static void copy_window(const uint8_t *from, uint8_t *to, uintptr_t bytes)
{
    if ((uintptr_t)to % sizeof(Word)) {
        for (uintptr_t i = 0; i < bytes; i++) {
            to[i] = from[i];
        }
    } else {
        for (uintptr_t i = 0; i < bytes; i += sizeof(Word)) {
            *(Word *)(to + i) = *(const Word *)(from + i);
        }
    }
}

static void prepare(const Row *row, const Trial *t, Call *c)
{
    const uintptr_t *f = t->field;
    uint8_t *p[2];
    unsigned i;

    for (i = 0; i < c->windows; i++) {
        const Alphabet *a = alphabet(row, f[ALPHABET0 + i]);
        Word copies = row->width > 1 ? (Word)0x100000001 :
                      (Word)0x0101010101010101;
        Word mask = a->mask * copies, base = a->base * copies;
        Word *w = (Word *)(arena[LIBC][i] + c->lo[i]);
        Word *end = (Word *)(arena[LIBC][i] + c->hi[i]);

        for (uintptr_t k = f[START0 + i]; w < end; w++, k++) {
            *w = (pool[k % POOL] & mask) ^ base;
        }
        p[i] = arena[LIBC][i] + c->at[i];
    }
    if (row->pair && f[RELATION]) {
        uintptr_t from = MIN(f[FROM], c->extent[0]);
        uintptr_t n = MIN(c->extent[0] - from, c->extent[1]);

        for (i = 0; i < n; i++) {
            put_char(row, p[1], i, get_char(row, p[0], from + i));
        }
        if (f[RELATION] == 3 && f[CHANGED] < c->extent[1]) {
            put_char(row, p[1], f[CHANGED],
                     get_char(row, p[1], f[CHANGED]) ^ f[CHANGE]);
        }
    }
    if (row->chr) {
        c->chr = make_chr(row, t, c);
    }
    for (i = 0; row->ends && i < row->ops; i++) {
        if (row->op[i] != TYPE_out && c->end[i] < c->extent[i]) {
            put_char(row, p[i], c->end[i], row->stops ? c->chr : 0);
        }
    }
    for (i = 0; i < c->windows; i++) {
        copy_window(arena[LIBC][i] + c->lo[i],
                    arena[NATIVE_LIB][i] + c->lo[i] + c->delta,
                    c->hi[i] - c->lo[i]);
    }
}

static uintptr_t make_call(const Row *row, const Trial *t, const Call *c,
                           int set)
{
    uintptr_t arg[4] = { }, at;
    unsigned op = 0, size = 0;

    for (unsigned i = 0; i < 4; i++) {
        switch (row->type[i]) {
        case TYPE_unused:
            break;
        case TYPE_chr:
            arg[i] = c->chr;
            break;
        case TYPE_size:
            arg[i] = c->n[size++];
            break;
        case TYPE_room:
            arg[i] = c->room;
            break;
        default:
            at = c->at[op] + (set == NATIVE_LIB ? c->delta : 0);
            arg[i] = (uintptr_t)arena[set][row->moved ? 0 : op] + at;
            if (row->op[op] == TYPE_strp) {
                box[set] = t->field[NO_STRING] ? NULL : (char *)arg[i];
                arg[i] = (uintptr_t)&box[set];
            }
            op++;
        }
    }
    return row->function[set](arg[0], arg[1], arg[2], arg[3]);
}

/* Where @p is in its set's memory: the same number for both */
static intptr_t offset(const Call *c, int set, uintptr_t p)
{
    if (p == 0) {
        return -1;
    }
    return p - (uintptr_t)arena[set][0] - (set == NATIVE_LIB ? c->delta : 0);
}

static long from_a(const Call *c, int set, uintptr_t p)
{
    return p ? offset(c, set, p) - c->at[0] : 0;
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

/*
 * Whether the guest's libc has no rule for a comparison's result but for its
 * sign: it depends on alignments, or on the end of a page being near.
 */
static bool only_sign(const Row *row, const Call *c)
{
#if defined(__aarch64__) || defined(__i386__)
    return !strncmp(row->name, "str", 3);
#elif defined(__arm__)
    return !strcmp(row->name, "strcmp");
#elif defined(__x86_64__)
    return strncmp(row->name, "str", 3);
#elif defined(__MIPSEB__)
    return row->width == 1 && row->type[0] == TYPE_mem && c->n[0] >= 16;
#else
    return false;
#endif
}

static bool result_differs(const Row *row, const Call *c, const uintptr_t r[2])
{
    const char *dup[2] = { (char *)r[LIBC], (char *)r[NATIVE_LIB] };
    size_t i = 0;

    switch (row->result) {
    case TYPE_none:
        return false;
    case TYPE_int:
#if defined(__mips64)
        if ((intptr_t)r[NATIVE_LIB] != (int)r[NATIVE_LIB]) {
            return differ("an int that is not sign-extended: 0x%lx",
                          (unsigned long)r[NATIVE_LIB]);
        }
#endif
        return (only_sign(row, c)
                ? sign(r[LIBC]) != sign(r[NATIVE_LIB])
                : (int)r[LIBC] != (int)r[NATIVE_LIB]) &&
               differ("%s says %d, %s %d", set_name[LIBC], (int)r[LIBC],
                      set_name[NATIVE_LIB], (int)r[NATIVE_LIB]);
    case TYPE_size:
        return r[LIBC] != r[NATIVE_LIB] &&
               differ("%s says %zu, %s %zu", set_name[LIBC], (size_t)r[LIBC],
                      set_name[NATIVE_LIB], (size_t)r[NATIVE_LIB]);
    case TYPE_dup:
        while (dup[0] && dup[1] && dup[0][i] == dup[1][i] && dup[0][i]) {
            i++;
        }
        if (!dup[0] || !dup[1] || dup[0][i] != dup[1][i]) {
            return differ("the copies differ at [%zu]", i);
        }
        free((void *)dup[0]);
        free((void *)dup[1]);
        return false;
    default:
        return offset(c, LIBC, r[LIBC]) !=
               offset(c, NATIVE_LIB, r[NATIVE_LIB]) &&
               differ("%s says %s%+ld, %s %s%+ld",
                      set_name[LIBC], r[LIBC] ? "a" : "NULL",
                      from_a(c, LIBC, r[LIBC]),
                      set_name[NATIVE_LIB], r[NATIVE_LIB] ? "a" : "NULL",
                      from_a(c, NATIVE_LIB, r[NATIVE_LIB]));
    }
}

/* The first byte in which @p and @q differ, or @bytes */
static uintptr_t compare_window(const uint8_t *p, const uint8_t *q,
                                uintptr_t bytes)
{
    uintptr_t i = 0;

    if ((uintptr_t)q % sizeof(Word) == 0) {
        while (i < bytes && *(const Word *)(p + i) == *(const Word *)(q + i)) {
            i += sizeof(Word);
        }
    }
    while (i < bytes && p[i] == q[i]) {
        i++;
    }
    return i;
}

static bool memory_differs(const Row *row, const Call *c, unsigned which,
                           uintptr_t lo, uintptr_t hi, uintptr_t delta)
{
    const uint8_t *p = arena[LIBC][which], *q = arena[NATIVE_LIB][which];
    uintptr_t i = lo + compare_window(p + lo, q + lo + delta, hi - lo);

    return i < hi &&
           differ("memory at %c%+ld bytes: %s leaves 0x%02x, %s 0x%02x",
                  'a' + which, (long)(i - c->at[which]), set_name[LIBC], p[i],
                  set_name[NATIVE_LIB], q[i + delta]);
}

static sigjmp_buf fault_env;
/* volatile: it is read after siglongjmp() */
static volatile int at_work;
static siginfo_t fault;

static void handler(int sig, siginfo_t *info, void *context)
{
    fault = *info;
    siglongjmp(fault_env, 1);
}

/* The same in all memory, whatever was there. */
static void wipe(void)
{
    for (unsigned i = 0; i < 4; i++) {
        Word *w = (Word *)arena[i / 2][i % 2];

        for (size_t k = 0; k < arena_size / sizeof(Word); k++) {
            w[k] = (Word)0x7878787878787878;
        }
    }
}

/* What one trial may touch is compared; with @all, the rest of it, too. */
static bool differs(const Row *row, const Trial *t, bool all)
{
    uintptr_t r[2];
    bool bad;
    Call c;

    settle(row, t, &c);
    if (sigsetjmp(fault_env, 0)) {
        if (fault.si_signo == SIGABRT) {
            return differ("SIGABRT in %s", set_name[at_work]);
        }
        return differ("signal %d at a%+ld in %s", fault.si_signo,
                      from_a(&c, at_work, (uintptr_t)fault.si_addr),
                      set_name[at_work]);
    }
    if (all) {
        wipe();
    }
    prepare(row, t, &c);
    at_work = LIBC;
    r[LIBC] = make_call(row, t, &c, LIBC);
    at_work = NATIVE_LIB;
    r[NATIVE_LIB] = make_call(row, t, &c, NATIVE_LIB);

    bad = result_differs(row, &c, r);
    if (row->op[0] == TYPE_strp && !bad &&
        offset(&c, LIBC, (uintptr_t)box[LIBC]) !=
        offset(&c, NATIVE_LIB, (uintptr_t)box[NATIVE_LIB])) {
        bad = differ("the address of the string differs");
    }
    for (unsigned i = 0; i < c.windows && !bad; i++) {
        bad = memory_differs(row, &c, i, c.lo[i], c.hi[i], c.delta);
    }
    for (unsigned i = 0; i < c.windows && c.delta; i++) {
        copy_window(arena[LIBC][i] + c.lo[i], arena[NATIVE_LIB][i] + c.lo[i],
                    c.hi[i] + 8 - c.lo[i]);
    }
    for (unsigned i = 0; i < 2 && all && !bad; i++) {
        bad = memory_differs(row, &c, i, 0, arena_size, 0);
    }
    return bad;
}

/* Reduce one field after the other, as long as there is a difference. */
static void shrink(const Row *row, Trial *t)
{
    bool better;
    int left = 3000;

    do {
        better = false;
        for (int i = 0; i < FIELDS; i++) {
            uintptr_t v = t->field[i];
            const uintptr_t smaller[] = { 0, 1, v / 8, v / 2, v - v / 4,
                                          v - 1 };

            for (unsigned k = 0; k < ARRAY_SIZE(smaller); k++) {
                Trial s = *t;

                s.field[i] = smaller[k];
                if (smaller[k] < v && left-- > 0 && differs(row, &s, true)) {
                    *t = s;
                    better = true;
                    break;
                }
            }
        }
    } while (better && left > 0);
}

static void print_number(uintptr_t n)
{
    if (n < 1000000) {
        printf("%lu", (unsigned long)n);
    } else {
        printf("0x%lx", (unsigned long)n);
    }
}

static void print_call(const Row *row, const Trial *t)
{
    unsigned op = 0, size = 0;
    Call c;

    settle(row, t, &c);
    prepare(row, t, &c);
    printf("    %s(", row->name);
    for (unsigned i = 0; i < 4 && row->type[i]; i++) {
        printf("%s", i ? ", " : "");
        switch (row->type[i]) {
        case TYPE_chr:
            print_number(c.chr);
            break;
        case TYPE_size:
            print_number(c.n[size++]);
            break;
        case TYPE_room:
            print_number(c.room);
            break;
        default:
            printf("%s%c", row->type[i] == TYPE_strp ? "&" : "", 'a' + op++);
        }
    }
    printf(")\n");
    for (unsigned i = 0; i < row->ops; i++) {
        const uint8_t *p = arena[LIBC][row->moved ? 0 : i] + c.at[i];
        uintptr_t bytes = c.extent[i] * row->width;

        printf("    %c: %lu bytes, 0x%lx from the beginning of the mapping and "
               "0x%lx from its end%s\n       ", 'a' + i, (unsigned long)bytes,
               (unsigned long)c.at[i],
               (unsigned long)(arena_size - c.at[i] - bytes),
               c.delta ? ", misaligned for native" : "");
        for (uintptr_t k = 0; k < bytes && k < 128; k++) {
            printf(" %02x", p[k]);
        }
        printf("%s\n", bytes > 128 ? " ..." : "");
    }
}

static void report(const Row *row, Trial *t, unsigned long trial)
{
    printf("%s: %s\n", row->name, why);
    /* of a fortified function's messages, one is enough */
    close(STDERR_FILENO);
    if (differs(row, t, true)) {
        shrink(row, t);
        differs(row, t, true);
        printf("  smaller: %s\n", why);
    }
    print_call(row, t);
    printf("  again: native-fuzz -s %llu -f %s -t %lu\n",
           seed, row->name, trial);
    fflush(stdout);
}

static uint32_t hash(const char *name)
{
    uint32_t h = 2166136261;

    while (*name) {
        h = (h ^ (uint8_t)*name++) * 16777619;
    }
    return h;
}

/* Of each so many trials, all memory is compared. */
#define ALL_TRIALS  1024

/*
 * A difference that was only seen in all of the memory: of which trial?
 * Returns its number, or @end if it takes several.
 */
static unsigned long find_trial(const Row *row, unsigned long end)
{
    unsigned long trial = end - end % ALL_TRIALS;
    Trial t;

    for (; trial < end; trial++) {
        random_start(hash(row->name), trial);
        choose(row, &t);
        if (differs(row, &t, true)) {
            break;
        }
    }
    return trial;
}

static bool try_row(const Row *row, unsigned long first, unsigned long end)
{
    const uint32_t h = hash(row->name);
    unsigned long trial;
    Trial t;

    wipe();
    for (trial = first; trial < end; trial++) {
        random_start(h, trial);
        choose(row, &t);
        if (differs(row, &t, first + 1 == end)) {
            report(row, &t, trial);
            return false;
        }
        if (trial % ALL_TRIALS == ALL_TRIALS - 1 || trial + 1 == end) {
            Call c = { };

            if (memory_differs(row, &c, 0, 0, arena_size, 0) ||
                memory_differs(row, &c, 1, 0, arena_size, 0)) {
                trial = find_trial(row, trial);
                random_start(h, trial);
                choose(row, &t);
                report(row, &t, trial);
                return false;
            }
        }
    }
    return true;
}

/* For what a libc does not have */
#define PLAIN(char_t, lcpy, lcat) \
static size_t plain_ ## lcpy(char_t *d, const char_t *s, size_t n) \
{ \
    size_t i = 0; \
 \
    for (; s[i]; i++) { \
        if (i + 1 < n) { \
            d[i] = s[i]; \
        } \
    } \
    if (n) { \
        d[MIN(i, n - 1)] = 0; \
    } \
    return i; \
} \
 \
static size_t plain_ ## lcat(char_t *d, const char_t *s, size_t n) \
{ \
    size_t used = 0; \
 \
    while (used < n && d[used]) { \
        used++; \
    } \
    return used + plain_ ## lcpy(d + used, s, n - used); \
}

PLAIN(char, strlcpy, strlcat)
PLAIN(wchar_t, wcslcpy, wcslcat)

static const struct {
    const char *name;
    void *function;
} plain[] = {
    { "strlcpy", plain_strlcpy },
    { "strlcat", plain_strlcat },
    { "wcslcpy", plain_wcslcpy },
    { "wcslcat", plain_wcslcat },
    { "__strlcpy_chk", plain_strlcpy },
    { "__strlcat_chk", plain_strlcat },
    { "__wcslcpy_chk", plain_wcslcpy },
    { "__wcslcat_chk", plain_wcslcat },
};

static bool find_functions(Row *row)
{
    NativeFn *theirs = native_libc_function(row->name);
    NativeFn *ours = native_function(row->name);
    Dl_info info;

    if (!ours || !dladdr(ours, &info) || !info.dli_sname ||
        strcmp(info.dli_sname, row->name)) {
        printf("%s: not replaced\n", row->name);
        return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(plain) && !theirs; i++) {
        if (!strcmp(row->name, plain[i].name)) {
            theirs = (NativeFn *)plain[i].function;
        }
    }
    if (!theirs || !dladdr(theirs, &info) ||
        strstr(info.dli_fname, "/libnative.so")) {
        printf("%s: nothing to compare with\n", row->name);
        return false;
    }
    row->function[LIBC] = theirs;
    row->function[NATIVE_LIB] = ours;
    return true;
}

/* All that the types of the arguments tell */
static void learn(Row *row, const NativeRow *native)
{
    bool reads_chr;

    row->name = native->name;
    row->result = native_types(native)->result;
    row->type = native_types(native)->args;
    row->width = native_char_size(native);
    row->align = row->width;
    /* The Run-time ABI gives them no result; some want aligned pointers. */
    if (!strncmp(row->name, "__aeabi_", 8)) {
        char last = row->name[strlen(row->name) - 1];

        row->result = TYPE_none;
        row->align = last == '4' ? 4 : last == '8' ? 8 : 1;
    }
    for (unsigned i = 0; i < 4; i++) {
        switch (row->type[i]) {
        case TYPE_unused:
            break;
        case TYPE_chr:
            row->chr = true;
            break;
        case TYPE_size:
            row->sizes++;
            break;
        case TYPE_room:
            row->room = true;
            break;
        default:
            row->op[row->ops++] = row->type[i];
            row->ends |= row->type[i] == TYPE_str;
            row->moved |= row->type[i] == TYPE_moved;
        }
    }
    row->pair = row->ops == 2 && row->op[0] != TYPE_out &&
                row->op[0] != TYPE_cat && !row->moved;
    reads_chr = row->chr && row->op[row->ops - 1] == TYPE_mem;
    row->stops = reads_chr;
    for (unsigned i = 0; i < ARRAY_SIZE(exceptions); i++) {
        if (!strcmp(row->name, exceptions[i].name)) {
            row->stops = exceptions[i].stops;
        }
    }
    row->ends |= row->stops;
    row->truncates = row->result == TYPE_size && row->ops == 2 &&
                     (row->op[0] == TYPE_out || row->op[0] == TYPE_cat);
    row->fills = row->sizes && row->ends && !row->stops && !row->truncates &&
                 row->op[0] == TYPE_out;
}

static bool is_chosen(const Row *row, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (!strcmp(row->name, names[i])) {
            return true;
        }
    }
    return count == 0;
}

static void list_rows(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        printf("%s%c", native_rows[i].name,
               i + 1 < ARRAY_SIZE(rows) ? ' ' : '\n');
    }
}

/* Memory that begins and ends at inaccessible pages */
static uint8_t *map_arena(void)
{
    uint8_t *p = mmap(NULL, arena_size + 2 * page, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED ||
        mprotect(p + page, arena_size, PROT_READ | PROT_WRITE)) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return p + page;
}

static unsigned long long number(const char *digits)
{
    unsigned long long n;
    char rest;

    if (sscanf(digits, "%llu%c", &n, &rest) != 1) {
        printf("%s: not a number\n", digits);
        exit(2);
    }
    return n;
}

static void progress(unsigned done, unsigned chosen, time_t start)
{
    printf("%u of %u functions, %ld s\n", done, chosen,
           (long)(time(NULL) - start));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct sigaction sa = {
        .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER
    };
    const char *names[ARRAY_SIZE(rows)];
    unsigned long trials = 10000, only = -1;
    unsigned count = 0, done = 0, failed = 0, known = 0, i;
    bool show = false;
    time_t start = time(NULL), last = start;
    int opt;

    while ((opt = getopt(argc, argv, "s:n:f:t:lp")) != -1) {
        switch (opt) {
        case 's':
            seed = number(optarg);
            break;
        case 'n':
            trials = number(optarg);
            break;
        case 'f':
            if (count < ARRAY_SIZE(names)) {
                names[count++] = optarg;
            }
            break;
        case 't':
            only = number(optarg);
            break;
        case 'l':
            list_rows();
            return EXIT_SUCCESS;
        case 'p':
            show = true;
            break;
        default:
            return 2;
        }
    }

    page = getauxval(AT_PAGESZ);
    arena_size = 6 * page;
    random_start(0, 0);
    for (i = 0; i < POOL; i++) {
        pool[i] = (Word)((uint64_t)random32() << 32 | random32());
    }
    for (i = 0; i < 4; i++) {
        arena[i / 2][i % 2] = map_arena();
    }
    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        learn(&rows[i], &native_rows[i]);
        known += is_chosen(&rows[i], names, count);
    }
    if (known < count) {
        printf("unknown function; known are: ");
        list_rows();
        return 2;
    }
    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    sigaction(SIGABRT, &sa, NULL);

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        Row *row = &rows[i];

        if (!is_chosen(row, names, count)) {
            continue;
        }
        if (!find_functions(row) ||
            !(only != -1ul ? try_row(row, only, only + 1)
                           : try_row(row, 0, trials))) {
            failed++;
        }
        done++;
        if (show && time(NULL) - last >= 60) {
            last = time(NULL);
            progress(done, known, start);
        }
    }
    if (show) {
        progress(done, known, start);
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
