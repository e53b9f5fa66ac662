/*
 * Native bypass: a call of each function of the table, for the fault tests
 *
 * The arguments are made from the types in the table's rows, so that a test
 * knows which bytes of each operand a plain loop would access: all from the
 * start to the end, where the terminator is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_CALLS_H
#define NATIVE_CALLS_H

#include "native-table.h"
#include "native-test.h"

typedef NativeFunction Function;

#define FUNCTIONS   (sizeof(native_rows) / sizeof(native_rows[0]) - 1)

static Function functions[FUNCTIONS];
static size_t function_count;

#define FOR_EACH_FUNCTION(f) \
    for (const Function *f = functions; f < functions + function_count; f++)

/* Whether the access was a write; -1 if the guest is not told */
#if defined(__x86_64__) || defined(__i386__)
# define CONTEXT_WRITE(mc)      (((mc)->gregs[REG_ERR] & 2) != 0)
#else
# define CONTEXT_WRITE(mc)      (-1)
#endif

typedef struct Operand {
    char *start;
    NativeType type;
    /* In characters, from the start: */
    size_t size;
    size_t written;         /* first one written; size if none */
    size_t nul;             /* SIZE_MAX if there is none */
} Operand;

typedef struct Call Call;
struct Call {
    const Function *f;
    uintptr_t arg[4];
    Operand op[2];
    char *cell;             /* for an argument of the type strp */

    /* The outcome: */
    uintptr_t result;       /* comparable: an int's sign */
    bool returned;
    int faults;
    siginfo_t info;         /* of the last fault, as the rest */
    uintptr_t pc, seen_arg[4];
    int write;              /* -1: not known */

    /* The expected outcome, if set_up() has found it */
    bool good;
    uintptr_t good_result;
    char *good_cell;

    bool fix;               /* the handler fixes the page and returns */
    void (*in_handler)(Call *c);
    sigjmp_buf env;
};

/* A call that faults so often is wrong. */
#define MAX_FAULTS  50

/*
 * The operands are in arenas of a few pages, with an inaccessible page at
 * either end.  Arenas map a file, so that an unmapped page can come back with
 * its contents.  QEMU copies long strings in one pass if they are more than
 * 1 MiB apart.
 */
#define ARENAS      4
#define MAX_PAGES   12
#define ARENA_SPACE (2 << 20)

static size_t pages = 6;            /* in use in each arena */
static char *arena[ARENAS];
static char *image[ARENAS];         /* the arenas before a call */
static char *expected[ARENAS];      /* and, as expected, after it */
static int arena_fd, empty_fd;

/* The current trial, for messages */
static struct {
    const char *test;
    long shape, page, kind;
} now;
static Call *current;

static inline void describe(const Call *c)
{
    printf("%s: %s, operands %p %p, n 0x%lx, shape %ld, page %ld, kind %ld: ",
           now.test, c->f->name, c->op[0].start, c->op[1].start,
           (long)c->op[0].size, now.shape, now.page, now.kind);
}

/* CHECK() for a call */
#define EXPECT(c, cond, ...) \
    do { \
        if (!(cond)) { \
            describe(c); \
        } \
        CHECK(cond, __VA_ARGS__); \
    } while (0)

static inline void init_functions(void)
{
    FOR_EACH_ROW(row) {
        if (!native_skips(row)) {
            functions[function_count] = native_learn(row);
            if (!functions[function_count++].call) {
                die(row->name);
            }
        }
    }
}

/* Whether it continues while operands are equal, or characters in the set */
static inline bool is_alike(const Function *f)
{
    return f->result == TYPE_int || !strcmp(f->name, "strspn");
}

/* Whether the function stops reading at some character */
static inline bool looks_for_end(const Function *f)
{
    return f->ends || f->result == TYPE_int ||
           (native_has(f->row, TYPE_chr) && native_has(f->row, TYPE_mem));
}

/* Whether the function can stop before n characters */
static inline bool stops(const Function *f)
{
    return f->sizes && looks_for_end(f) && !f->pads && !f->down;
}

/* Whether the length of operand @k is free: the second of two lengths */
static inline bool is_needle(const Function *f, unsigned k)
{
    return k == 1 && f->sizes == 2;
}

/*
 * Prepare a call with @n characters in each operand, which tests the operand
 * @tested.  If @open, there is no terminator where n makes it unnecessary;
 * if @huge, n is SIZE_MAX.
 */
static inline void prepare(Call *c, const Function *f, char *const where[2],
                           size_t n, unsigned tested, bool open, bool huge)
{
    size_t n_arg[2], *of;

    memset(c, 0, sizeof(*c));
    c->f = f;
    open = open && f->bounded;
    for (unsigned k = 0; k < f->pointers; k++) {
        NativeType type = f->op[k];
        size_t size = is_needle(f, k) && tested != k ? 1 : n;
        Operand *o = &c->op[k];

        *o = (Operand) {
            .start = where[k], .type = type, .size = size,
            .written = type == TYPE_out ? 0 : size,
            .nul = open || type == TYPE_out ? SIZE_MAX :
                   f->down ? 0 : size - 1,
        };
        if (type == TYPE_cat) {
            o->nul = o->written = n / 2;
            o->size = o->written + n + open;
        }
    }
    of = &c->op[f->limits_room || is_needle(f, 1) ? 0 : f->pointers - 1].size;
    n_arg[0] = huge ? SIZE_MAX : *of;
    n_arg[1] = huge && tested == 1 ? SIZE_MAX : c->op[1].size;
    native_arguments(f->row, where, n_arg, huge ? SIZE_MAX : c->op[0].size, 0,
                     &c->cell, c->arg);
}

/* Fill an operand, as far as there is memory. */
static inline void fill_operand(const Call *c, unsigned k, const char *limit)
{
    const Operand *o = &c->op[k];
    size_t n = native_is_written(o->type) ? o->nul + 1 : o->size;
    int first = k && !is_alike(c->f) ? 128 : 1;
    char *p = o->start;

    for (size_t i = 0; i < n && limit - p >= c->f->width; i++) {
        native_put(p, c->f->width, i == o->nul ? 0 : first + i % 127);
        p += c->f->width;
    }
}

/* Fill the operands of @c, and the rest of the two arenas. */
static inline void fill(const Call *c, unsigned first)
{
    for (unsigned i = first; i < first + 2; i++) {
        memset(arena[i], 0xee, pages * page);
    }
    for (unsigned i = 0; i < 2 * c->f->pointers; i++) {
        char *in = arena[first + i % 2];

        if ((size_t)(c->op[i / 2].start - in) < pages * page) {
            fill_operand(c, i / 2, in + pages * page);
        }
    }
}

/* The operands of a call are in two arenas, from @first on. */
static inline void copy_arenas(char *const to[], char *const from[],
                               unsigned first)
{
    for (unsigned i = first; i < first + 2; i++) {
        memcpy(to[i], from[i], pages * page);
    }
}

static inline bool same_arenas(char *const a[], char *const b[],
                               unsigned first)
{
    for (unsigned i = first; i < first + 2; i++) {
        if (memcmp(a[i], b[i], pages * page)) {
            return false;
        }
    }
    return true;
}

/*
 * Whether a call that has faulted has left memory unchanged, except for a byte
 * of each page, and one at the end of the copy, all before the fault.
 */
static inline bool is_unwritten(const Call *c)
{
    const Operand *o = &c->op[c->op[1].type == TYPE_out];
    uintptr_t good = (char *)c->info.si_addr - o->start;
    size_t written = 0;

    if (same_arenas(arena, image, 0)) {
        return true;
    }
    for (size_t i = 0; i < 2 * pages * page; i++) {
        const char *p = &arena[i & 1][i / 2];

        if (*p != image[i & 1][i / 2]) {
            written++;
            if (o->type != TYPE_out || (uintptr_t)(p - o->start) >= good ||
                (c->good && *p != expected[i & 1][i / 2])) {
                return false;
            }
        }
    }
    return written <= pages + 1;
}

/* The ways in which a page is bad */
typedef enum { NO_ACCESS, READ_ONLY, UNMAPPED, BEYOND_END, BAD_KINDS } Bad;

static const struct {
    int sig, code;
} bad_signal[BAD_KINDS] = {
    [NO_ACCESS] = { SIGSEGV, ACCERR },
    [READ_ONLY] = { SIGSEGV, ACCERR },
    [UNMAPPED] = { SIGSEGV, SEGV_MAPERR },
    [BEYOND_END] = { SIGBUS, BUS_ADRERR },
};

/*
 * Whether guest code handles short operands itself: it writes until it faults,
 * and for SIGBUS, QEMU then reports a host address.
 */
static inline bool in_guest_code(const Function *f)
{
    return f->kind == KIND_GUEST && f->pointers == 2 &&
           f->type[f->count - 1] == TYPE_room;
}

static inline bool address_known(const Function *f, Bad bad)
{
    return bad != BEYOND_END || !in_guest_code(f);
}

static inline void spoil(char *p, Bad bad)
{
    if (bad == UNMAPPED) {
        munmap(p, page);
    } else if (bad == BEYOND_END) {
        mmap(p, page, PROT_RW, MAP_SHARED | MAP_FIXED, empty_fd, 0);
    } else {
        mprotect(p, page, bad == READ_ONLY ? PROT_READ : PROT_NONE);
    }
}

/* Fix the page of @addr; return false if it is in no arena. */
static inline bool fix(const void *addr)
{
    char *p = (char *)((uintptr_t)addr & -page);

    for (unsigned i = 0; i < ARENAS; i++) {
        size_t offset = p - arena[i];

        if (offset < pages * page) {
            return mmap(p, page, PROT_RW, MAP_SHARED | MAP_FIXED, arena_fd,
                        i * MAX_PAGES * page + offset) == p;
        }
    }
    return false;
}

/*
 * The first byte of operand @k that cannot be accessed if the page @p is
 * @bad; NULL if all can.
 */
static inline char *first_bad(const Call *c, unsigned k, char *p, Bad bad)
{
    const Operand *o = &c->op[k];
    char *end = o->start + o->size * c->f->width;
    char *from = o->start;

    if (bad == READ_ONLY) {
        from += o->written * c->f->width;
    }
    if (p >= end || p + page <= from || from == end) {
        return NULL;
    }
    if (c->f->down) {
        return (end < p + page ? end : p + page) - 1;
    }
    return from > p ? from : p;
}

/* Give the arenas @count pages. */
static inline void use_pages(size_t count)
{
    pages = count;
    for (unsigned i = 0; i < ARENAS; i++) {
        mprotect(arena[i], MAX_PAGES * page, PROT_NONE);
        for (size_t j = 0; j < count; j++) {
            fix(arena[i] + j * page);
        }
    }
}

static bool on_fault(siginfo_t *info, mcontext_t *mc)
{
    Call *c = current;

    if (!c) {
        return false;
    }
    c->faults++;
    c->info = *info;
    c->pc = caught.pc;
    c->write = CONTEXT_WRITE(mc);
    if (c->f->kind <= KIND_ALIAS) {
        for (unsigned i = 0; i < c->f->count; i++) {
            c->seen_arg[i] = CONTEXT_ARG(mc, i);
        }
    }
    if (c->in_handler) {
        c->in_handler(c);
    }
    if (c->fix && c->faults <= MAX_FAULTS && fix(info->si_addr)) {
        return true;
    }
    siglongjmp(c->env, 1);
}

static void __attribute__((noinline)) call_native(Call *c)
{
    c->result = native_call(c->f->row, c->f->call, c->arg);
    getpid();   /* delivers MTE's asynchronous faults */
}

/* Make the call; return whether it has returned. */
static inline bool run(Call *c)
{
    Call *outer = current;

    current = c;
    c->faults = 0;
    c->returned = false;
    c->cell = c->op[0].start;
    if (sigsetjmp(c->env, 1) == 0) {
        call_native(c);
        c->returned = true;
    }
    current = outer;
    if (!c->returned) {
        c->result = 0;
    } else if (c->f->result == TYPE_dup && c->result) {
        void *copy = (void *)c->result;

        c->result = !strncmp(copy, c->op[0].start, c->op[0].size);
        free(copy);
    }
    return c->returned;
}

/*
 * Find out what a call does by making it without bad pages, and undo it:
 * "image" and "expected" are the arenas before and after it.
 */
static inline bool try_out(Call *c, unsigned first)
{
    copy_arenas(image, arena, first);
    c->good = run(c) && c->faults == 0;
    EXPECT(c, c->good, "a fault at %p", c->info.si_addr);
    c->good_result = c->result;
    c->good_cell = c->cell;
    copy_arenas(expected, arena, first);
    copy_arenas(arena, image, first);
    return c->good;
}

static inline bool set_up(Call *c, const Function *f, char *const where[2],
                          size_t n, unsigned tested, bool open, bool huge)
{
    unsigned first = where[0] - arena[2] < pages * page ? 2 : 0;

    prepare(c, f, where, n, tested, open, huge);
    fill(c, first);
    return try_out(c, first);
}

/* Both NULL, or at the same offset in operand 0; 0 may be the end at 4 GiB. */
static inline bool same_address(const Call *c, const char *p,
                                const Call *d, const char *q)
{
    return (!p && !q) || p - c->op[0].start == q - d->op[0].start;
}

/* The signal that a byte access raises in translated code */
static inline siginfo_t access_byte(char *p, bool write)
{
    /* volatile, since only the access matters */
    volatile char *byte = p;

    caught.info = (siginfo_t) { };
    if (write) {
        CATCH(*byte = 'x');
    } else {
        CATCH((void)*byte; getpid());   /* as call_native() */
    }
    return caught.info;
}

/*
 * Check that the call had @faults faults, and did what is expected.  @like has
 * found that out, maybe with other arenas.
 */
static inline void check_done(Call *c, const Call *like, int faults)
{
    bool same = c->f->result != TYPE_ptr ? c->result == like->good_result :
                same_address(c, (char *)c->result,
                             like, (char *)like->good_result);

    EXPECT(c, c->returned && c->faults == faults,
           "%d faults of %d, the last one at %p", c->faults, faults,
           c->info.si_addr);
    if (c->returned) {
        EXPECT(c, same && same_address(c, c->cell, like, like->good_cell),
               "0x%lx, 0x%lx", (long)c->result, (long)like->good_result);
        EXPECT(c, same_arenas(arena, expected, 0), "memory");
    }
}

/* Make a call that faults @faults times while page @p is bad; undo it. */
static inline void fix_one(Call *c, char *p, Bad bad, int faults)
{
    if (!address_known(c->f, bad)) {
        return;
    }
    c->fix = true;
    spoil(p, bad);
    run(c);
    c->fix = false;
    fix(p);
    check_done(c, c, faults);
    copy_arenas(arena, image, 0);
}

static inline void init_calls(void)
{
    init_functions();
    fix_signal = on_fault;
    catch_signals();

    arena_fd = memfd_create("arenas", 0);
    empty_fd = memfd_create("empty", 0);
    if (empty_fd < 0 || ftruncate(arena_fd, ARENAS * MAX_PAGES * page)) {
        die("memfd_create");
    }
    for (unsigned i = 0; i < ARENAS; i++) {
        image[i] = malloc(MAX_PAGES * page);
        expected[i] = malloc(MAX_PAGES * page);
        arena[i] = (char *)map_pages(NULL, ARENA_SPACE, PROT_NONE) + page;
    }
    use_pages(pages);

    /* All tests rely on same_arenas(). */
    for (unsigned i = 0; i < 2 * pages; i++) {
        char *p = arena[i / pages] + i % pages * page + i;

        copy_arenas(image, arena, 0);
        ++*p;
        if (same_arenas(image, arena, 0)) {
            die("memcmp: does not see a difference");
        }
    }
}

#endif /* NATIVE_CALLS_H */
