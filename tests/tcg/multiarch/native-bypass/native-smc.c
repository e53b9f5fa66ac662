/*
 * Native bypass: self-modifying code
 *
 * A native call that writes over code which has been translated has the new
 * code executed: for every function that writes, in a page of its own, in the
 * page of the caller, over several pages, and over stubs, the one that is
 * being executed included.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "native-operands.h"
#include "user/native-marker.h"

/*
 * The code, for a number from 1 to 127: no byte of it is NUL, so that it can
 * be copied as a string, of bytes and of wchar_t.  With what is at PATCH_AT
 * zeroed, it is another function, to which a string can be appended there.
 */
#if defined(__i386__) || defined(__x86_64__)
/* mov $number * 0x01010101, %eax; ret; nop... */
# define PATCH_AT           1
# define RESULT(number)     ((number) * 0x01010101L)
# define ZEROED             0
# define CODE(number) \
    ((CodeUnit []) { number, number, number, number, 0xc3, 0x90, 0x90, 0x90 })
# define NAME_OFFSET        NATIVE_X86_NAME_OFFSET
typedef uint8_t CodeUnit;
#elif defined(__aarch64__)
/* mov w0, #number << 3 | 1; ret.  The word 0 is undefined. */
# define PATCH_AT           0
# define RESULT(number)     ((number) << 3 | 1)
# define ZEROED             (-SIGILL)
# define CODE(number) \
    ((CodeUnit []) { 0x52800020 | (number) << 8, 0xd65f03c0 })
# define NAME_OFFSET        NATIVE_ARM_NAME_OFFSET
typedef uint32_t CodeUnit;
#elif defined(__arm__)
/* add r0, r0, #number << 8; bx lr.  The word 0 does nothing. */
# define PATCH_AT           0
# define RESULT(number)     ((number) << 8)
# define ZEROED             0
# define CODE(number) \
    ((CodeUnit []) { 0xe2800c00 | (number), 0xe12fff1e })
# define NAME_OFFSET        NATIVE_ARM_NAME_OFFSET
typedef uint32_t CodeUnit;
#else
/* addiu $4, $4, number * 0x0101; jr.hb $31; addiu $2, $4, 0x0202 */
# define PATCH_AT           0
# define RESULT(number)     ((number) * 0x0101 + 0x0202)
# define ZEROED             0x0202
# define CODE(number) \
    ((CodeUnit []) { 0x24840000 | (number) * 0x0101, 0x03e00408, 0x24820202 })
# define NAME_OFFSET        NATIVE_MIPS_NAME_OFFSET
typedef uint32_t CodeUnit;
#endif

#define CODE_MAX    16
#define PAGES       4

typedef struct Code {
    size_t size;
    /* With a NUL of either kind behind it */
    char bytes[CODE_MAX + sizeof(wchar_t)] __attribute__((aligned(8)));
} Code;

static size_t page;
static char *area;          /* some pages for code */
static sigjmp_buf env;
static int failures;

static void handler(int sig)
{
    siglongjmp(env, sig);
}

static Code make_code(int number)
{
    const char *bytes = (const char *)CODE(number);
    Code code = { .size = sizeof(CODE(number)) };

    for (size_t i = 0; i < code.size; i++) {
        code.bytes[i] = bytes[i];
    }
    return code;
}

/*
 * What real programs do; but those for x86 do nothing, and nothing must be
 * needed there.
 */
static void flush(char *p, size_t size)
{
#if !defined(__i386__) && !defined(__x86_64__)
    __builtin___clear_cache(p, p + size);
#endif
}

/* The result of the code at @p, or minus the signal that it raised */
static long run(char *p)
{
    long (*function)(long) = (long (*)(long))p;
    int sig = sigsetjmp(env, 1);

    return sig ? -sig : (int)function(0);
}

static void check(const char *name, const char *what, long got, long want)
{
    if (got != want) {
        printf("%s: %s: 0x%lx, not 0x%lx\n", name, what, got, want);
        failures++;
    }
}

static bool writes(const NativeCall *c, NativeType arg)
{
    return c->operands && (c->type[0] == arg || c->type[1] == arg);
}

/* Install code at @p byte by byte, so that nothing native has a part in it. */
static void install(char *p, const Code *code)
{
    if (PATCH_AT) {
        p[0] = 0xb8;
    }
    for (size_t i = 0; i < sizeof(code->bytes); i++) {
        /* volatile, or a compiler makes it a call */
        ((volatile char *)p)[PATCH_AT + i] = code->bytes[i];
    }
    flush(p, sizeof(*code));
}

/* Have @row write over what is at @p and has been executed. */
static void overwrite(const NativeRow *row, char *p)
{
    static int number;
    NativeCall c = native_call_of(row, 0);
    Code before, code;
    bool cat = writes(&c, TYPE_cat), fill = c.operands == 1;
    long expected;

    if (!writes(&c, TYPE_out) && !cat) {
        return;
    }
    number = number % 126 + 1;
    before = make_code(number + 1);
    code = make_code(number);
    expected = RESULT(number);

    install(p, &before);
    check(row->name, "old code", run(p), RESULT(number + 1));
    p += PATCH_AT;
    c.n = code.size / c.width;
    if (cat) {
        /* The end of an empty string */
        for (size_t i = 0; i < sizeof(wchar_t); i++) {
            p[i] = 0;
        }
        flush(p, sizeof(wchar_t));
        check(row->name, "zeroed code", run(p - PATCH_AT), ZEROED);
    } else if (fill) {
        c.n = sizeof(wchar_t) / c.width;
        expected = ZEROED;
    }

    for (unsigned k = 0; k < c.operands; k++) {
        bool out = c.type[k] == TYPE_out || c.type[k] == TYPE_cat;

        c.at[k] = out ? p : code.bytes;
    }
    /* strlcpy() and strlcat() count the NUL, too. */
    c.size = c.n + (c.row->result == TYPE_size);
    c.room = SIZE_MAX;
    native_call_args(&c);
    native_call_make(&c);
    flush(p, sizeof(code));
    check(row->name, "new code", run(p - PATCH_AT), expected);
}

static void test_rows(void)
{
    FOR_EACH_ROW(row) {
        /* In the middle of a page, and across two; once, and once more */
        overwrite(row, area + 64);
        overwrite(row, area + 2 * page - 4);
        overwrite(row, area + 64);
    }
}

/* One call writes over code in each of several pages. */
static void test_pages(void)
{
    static const char *const names[] = { "memcpy", "memmove", "wmemcpy" };
    static char image[PAGES * 4096] __attribute__((aligned(8)));
    const size_t step = 1000;
    Code code;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        int number = 2 * i + 1;
        size_t size = sizeof(image) / (names[i][0] == 'w' ? 4 : 1);
        size_t p;

        for (p = 8; p < sizeof(image) - 64; p += step) {
            code = make_code(number + 1);
            install(area + p, &code);
            code = make_code(number);
            install(image + p, &code);
            check(names[i], "in pages", run(area + p), RESULT(number + 1));
        }
        native_function(names[i])((uintptr_t)area, (uintptr_t)image, size, 0);
        flush(area, sizeof(image));
        for (p = 8; p < sizeof(image) - 64; p += step) {
            check(names[i], "over pages", run(area + p), RESULT(number));
        }
    }
}

/*
 * A caller in the page that it has written to.  no_reorder: the room comes
 * second, and so into the same page.
 */
#define WRITABLE_CODE \
    __attribute__((section("native_smc"), noinline, no_reorder, used))

WRITABLE_CODE __attribute__((aligned(4096)))
static void call_twice(NativeFn *copy, char *p, const Code *code,
                       long (*function)(long), long *results)
{
    results[0] = function(0);
    copy((uintptr_t)p, (uintptr_t)code->bytes, code->size, 0);
    flush(p, CODE_MAX);
    results[1] = function(0);
}

WRITABLE_CODE
static void room(void)
{
    asm volatile(".balign 16\n\t.skip 256");
}

static void test_same_page(void)
{
    static const char *const names[] = { "memcpy", "memmove", "mempcpy" };
    char *start = (char *)((uintptr_t)call_twice & -page);
    char *p = (char *)(((uintptr_t)room & -16) + 32);
    NativeFn *stub = (NativeFn *)(p + 64);
    Code code = make_code(1);

    if (start != (char *)((uintptr_t)p & -page) ||
        mprotect(start, page, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        printf("no writable page for the caller\n");
        failures++;
        return;
    }
    install(p, &code);
    for (int i = 0; i < 12; i++) {
        const char *name = names[i % 3];
        const char *original = (const char *)native_function(name);
        NativeFn *function = (NativeFn *)original;
        int number = i + 2;
        long got[2];

        code = make_code(number);
        if (i >= 6) {
            /* And so is the stub. */
            for (size_t b = 0; b < NAME_OFFSET + strlen(name) + 1; b++) {
                ((char *)stub)[b] = original[b];
            }
            flush((char *)stub, 64);
            function = stub;
        }
        call_twice(function, p + PATCH_AT, &code, (long (*)(long))p, got);
        check(name, "before", got[0], RESULT(number - 1));
        check(name, i < 6 ? "page of the caller" : "and of the stub",
              got[1], RESULT(number));
    }
}

/* The instruction that the call returns to */
#if defined(__i386__) || defined(__x86_64__)
WRITABLE_CODE
static int patch_return(NativeFn *copy, const int *value)
{
    int result;

#ifdef __x86_64__
    asm volatile("sub $256, %%rsp\n\t"          /* the red zone */
                 "lea 1f + 1(%%rip), %%rdi\n\t"
                 "mov $4, %%edx\n\t"
                 "call *%%rax\n"
                 "1:\tmov $0, %%eax\n\t"
                 "add $256, %%rsp"
                 : "=a" (result), "+S" (value) : "a" (copy)
                 : "rcx", "rdx", "rdi", "r8", "r9", "r10", "r11", "cc",
                   "memory");
#else
    asm volatile("call 2f\n"
                 "2:\tpop %%ecx\n\t"
                 "lea 1f - 2b + 1(%%ecx), %%ecx\n\t"
                 "push $4\n\t"
                 "push %%edx\n\t"
                 "push %%ecx\n\t"
                 "call *%%eax\n"
                 "1:\tmov $0, %%eax\n\t"
                 "add $12, %%esp"
                 : "=a" (result), "+d" (value) : "a" (copy)
                 : "ecx", "cc", "memory");
#endif
    return result;
}

static void test_return(void)
{
    NativeFn *copy = native_function("memcpy");

    for (int i = 1; i < 20; i++) {
        int value = i * 0x01234567;

        check("memcpy", "where it returns to", patch_return(copy, &value),
              value);
    }
}
#else
static void test_return(void)
{
    /* Other guests have to make the new code known first. */
}
#endif

/* How a stub is put in place of another one */
typedef enum {
    WHOLE,          /* with memcpy */
    ITSELF,         /* with the memcpy that it is itself, before */
    NAME,           /* what differs of the name from "strlen", with strcpy */
    WAYS
} Way;

static const char *const way_names[WAYS] = {
    [WHOLE] = "stub", [ITSELF] = "over itself", [NAME] = "name of a stub",
};

/* Make a stub at @p that of @name, whose own is at @original. */
static void put_stub(char *p, const char *name, const char *original, Way way)
{
    const char *memcpy_stub = (const char *)native_function("memcpy");
    size_t size = NAME_OFFSET + strlen(name) + 1, same = 0;

    switch (way) {
    case WHOLE:
        memcpy(p, original, size);
        break;
    case ITSELF:
        memcpy(p, memcpy_stub, NAME_OFFSET + sizeof("memcpy"));
        flush(p, 64);
        ((NativeFn *)p)((uintptr_t)p, (uintptr_t)original, size, 0);
        break;
    default:
        while (name[same] && name[same] == "strlen"[same]) {
            same++;
        }
        strcpy(p + NAME_OFFSET + same, name + same);
    }
    flush(p, 64);
}

/* One stub becomes the next: every function that there is a stub of */
static void test_stubs(char *p)
{
    static char operands[4][256] __attribute__((aligned(8)));
    const size_t n = 40;

    FOR_EACH_ROW(row) {
        NativeCall direct = native_call_of(row, n), copied = direct;
        const char *original = (const char *)direct.fn;
        uintptr_t expected, result;

        if (row->kind != KIND_NATIVE) {
            continue;
        }
        for (unsigned k = 0; k < direct.operands; k++) {
            direct.at[k] = operands[k];
            copied.at[k] = operands[2 + k];
        }
        native_call_fill(&direct, n / 2);
        expected = native_call_make(&direct);
        copied.fn = (NativeFn *)p;
        for (Way way = 0; way < WAYS; way++) {
            put_stub(p, row->name, original, way);
            native_call_fill(&copied, n / 2);
            if (sigsetjmp(env, 1)) {
                printf("%s: %s: SIGILL\n", row->name, way_names[way]);
                exit(EXIT_FAILURE);
            }
            result = native_call_make(&copied);
            if (!native_call_same(&direct, expected, &copied, result)) {
                printf("%s: %s: differs\n", row->name, way_names[way]);
                failures++;
            }
            if (way != NAME) {
                /* What it was before, so that something changes */
                put_stub(p, "strlen", (char *)native_function("strlen"), WHOLE);
                check(row->name, "strlen in between",
                      ((NativeFn *)p)((uintptr_t)"four", 0, 0, 0), 4);
            }
        }
    }
}

int main(void)
{
    struct sigaction sa = { .sa_handler = handler };

    page = getauxval(AT_PAGESZ);
    sigaction(SIGILL, &sa, NULL);
    area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    test_rows();
    test_pages();
    test_same_page();
    test_return();
    test_stubs(area + 128);
    /* Marker and name in two pages; the name itself in two */
    test_stubs(area + page - NAME_OFFSET);
    test_stubs(area + page - NAME_OFFSET - 4);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
