/*
 * Native bypass: a fuzzer of what the translators take for a stub
 *
 * Markers with random names, names cut off by the end of a page, instructions
 * that are nearly a marker, and stubs called with wild arguments.  Each ends
 * with the result or the signal that can be told beforehand, at the PC of the
 * marker, and none is the end of QEMU.
 *
 * Run without the option (argument "off"): the marker is what the
 * architecture makes of it, whatever follows.
 *
 * -s SEED, -n TRIALS; -f FIRST makes a failed trial the first one, since each
 * depends on nothing but its number and the seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "user/native-marker.h"
#include "native-marker-stub.h"

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define MAX(a, b)       ((a) > (b) ? (a) : (b))

#if defined(__i386__) || defined(__x86_64__)
#define MARKER_SIZE 3
#define ALIGN       1
static const uint8_t nop[] = { 0x90 };
#else
#define MARKER_SIZE 4
#define ALIGN       4
# if defined(__aarch64__)
static const uint32_t nop[] = { 0xd503201f };
# elif defined(__arm__)
static const uint32_t nop[] = { 0xe1a00000 };
# else
static const uint32_t nop[] = { 0 };
# endif
#endif

#if defined(__x86_64__)
#define UCONTEXT_PC(uc) ((uc)->uc_mcontext.gregs[REG_RIP])
#elif defined(__i386__)
#define UCONTEXT_PC(uc) ((uc)->uc_mcontext.gregs[REG_EIP])
#elif defined(__arm__)
#define UCONTEXT_PC(uc) ((uc)->uc_mcontext.arm_pc)
#else
#define UCONTEXT_PC(uc) ((uc)->uc_mcontext.pc)
#endif

/* What a trial may end with, as a set: a return, or signals */
#define RETURNS         1u
#define SIGNAL(sig)     (1u << (sig))

typedef struct Function {
    const char *name;
    unsigned count;
    const char *types;          /* as in the table: "out, mem, size" */
} Function;

/* The names that QEMU knows */
static const Function functions[] = {
#define NATIVE(name, result, count, ...)    { #name, count, #__VA_ARGS__ },
#define NATIVE_ALIAS(...)
#define NATIVE_GUEST(...)
#define NATIVE_CHECKED(...)
#include "user/native-functions.h.inc"
};

#undef NATIVE
#undef NATIVE_ALIAS
#undef NATIVE_GUEST
#undef NATIVE_CHECKED

/* Names that libnative.so exports, and QEMU does not know */
static const Function foreign[] = {
#define NATIVE(...)
#define NATIVE_ALIAS(name, ...)             { #name },
#define NATIVE_GUEST(name, ...)             { #name },
#define NATIVE_CHECKED(name, ...)           { "__" #name "_chk" },
#include "user/native-functions.h.inc"
};

/* Whether argument @i of @f has the type @type. */
static bool is_type(const Function *f, unsigned i, const char *type)
{
    const char *at = f->types;

    while (i--) {
        at = strchr(at, ',') + 2;
    }
    return !strncmp(at, type, strlen(type)) && strchr(",", at[strlen(type)]);
}

/*
 * Places for code: a page, and behind it what the rest of a stub is in, or is
 * cut off by.  Not the end of a file: to fetch any instruction from behind it
 * ends QEMU, with the option or without.
 */
typedef struct Place {
    const char *name;
    uint8_t *page;
    int cut;            /* the signal of a fetch behind the page; 0: no cut */
} Place;

enum { WHOLE, NONE, UNMAPPED, NO_EXEC, TOP, PLACES };

static Place places[PLACES] = {
    [WHOLE] = { "two pages" },
    [NONE] = { "before PROT_NONE", .cut = SIGSEGV },
    [UNMAPPED] = { "before a hole", .cut = SIGSEGV },
    [NO_EXEC] = { "before data", .cut = SIGSEGV },
    [TOP] = { "at the top of the address space", .cut = SIGSEGV },
};

/* One trial */
static const char *what;
static const Place *place;
static uint8_t image[128];
static size_t image_size;
static size_t marker;               /* its offset in the image */
static uintptr_t entry, expected_pc;
static unsigned long arg[4];
static unsigned expected;

static size_t page, stub_size;
static bool off;
static uint64_t seed = 1, random_state;

/* Data: each argument of a call has a part of it. */
#define PART    (4 * page)
static uint8_t *arena, *read_only;

static sigjmp_buf env;
/* volatile, since the handler reads it */
static volatile bool calling;
static uintptr_t signal_pc;

static uint64_t random64(void)
{
    /* splitmix64, which makes a good start of any seed */
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return (uint32_t)random64() % n;
}

static void handler(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if (!calling) {
        /* of the test itself */
        signal(sig, SIG_DFL);
        return;
    }
    signal_pc = UCONTEXT_PC(uc);
    siglongjmp(env, sig);
}

/* Call the code at @p: RETURNS, or the signal. */
static unsigned call(uintptr_t p)
{
    int sig = sigsetjmp(env, 0);

    if (sig) {
        calling = false;
        return SIGNAL(sig);
    }
    calling = true;
#ifdef __mips__
    {
        /* What is not taken for a stub is a harmless system call. */
        register long v0 asm("$2") = SYS_getpid;
        register long a0 asm("$4") = arg[0];
        register long a1 asm("$5") = arg[1];
        register long a2 asm("$6") = arg[2];
        register long a3 asm("$7") = arg[3];
        register long t9 asm("$25") = p;

        /* volatile, since it is to be called whatever comes of it */
        asm volatile("jalr %1\n\tnop"
                     : "+r" (v0), "+r" (t9), "+r" (a0), "+r" (a1), "+r" (a2),
                       "+r" (a3) : :
                     "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14",
                     "$15", "$24", "$31", "hi", "lo", "memory");
    }
#else
    ((long (*)(long, long, long, long))p)(arg[0], arg[1], arg[2], arg[3]);
#endif
    calling = false;
    return RETURNS;
}

static void append(const void *p, size_t size)
{
    memcpy(image + image_size, p, size);
    image_size += size;
}

static void append_byte(uint8_t byte)
{
    append(&byte, 1);
}

static void append_random(size_t size)
{
    while (size--) {
        append_byte(random64());
    }
}

static void append_stub(const char *name)
{
    append(stub_begin, stub_size);
    append(name, strlen(name) + 1);
}

static const Function *random_function(void)
{
    return &functions[below(ARRAY_SIZE(functions))];
}

/* The function that a name of @max bytes at @name is, or NULL */
static const Function *find_function(const uint8_t *name, size_t max)
{
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        size_t size = strlen(functions[i].name) + 1;

        if (size <= max && !memcmp(name, functions[i].name, size)) {
            return &functions[i];
        }
    }
    return NULL;
}

/* Arguments with which @f returns */
static void good_arguments(const Function *f)
{
    uint8_t chr = 1 + below(255);

    for (size_t i = 0; i < f->count; i++) {
        uint8_t *p = arena + i * PART + below(page);
        size_t chars = below(64);

        if (is_type(f, i, "chr")) {
            arg[i] = chr;
            continue;
        }
        if (is_type(f, i, "size")) {
            arg[i] = below(65);
            continue;
        }
        if (is_type(f, i, "out") && below(4) == 0) {
            /* A part of the code is as good, and has to be retranslated. */
            p = places[WHOLE].page + 3 * page / 2 + below(page / 8);
        } else {
            /*
             * A string in bytes and in wchar_t, and behind it what ends a
             * rawmemchr()
             */
            memset(p, 1 + below(255), 1024);
            memset(p + 4 * chars, 0, 4);
            p[1000] = chr;
        }
        arg[i] = (uintptr_t)p;
#ifdef __aarch64__
        if (below(2)) {
            arg[i] |= random64() << 56;
        }
#endif
    }
}

/* An address that is bad to write to, and surely none of anything's */
static uintptr_t bad_address(void)
{
    switch (below(5)) {
    case 0:
        return below(page);
    case 1:
        return (uintptr_t)read_only + below(page);
    case 2:
        /* in front of the arena, and behind it */
        return (uintptr_t)arena - 1 - below(page);
    case 3:
        return (uintptr_t)arena + 4 * PART + below(page);
    default:
        /* outside of any guest's space, or the last bytes of 4 GiB */
        return -1 - (random64() >> (sizeof(long) == 8 ? 1 + below(62) : 56));
    }
}

/* Any arguments, but nothing outside of the arena to write to */
static void wild_arguments(const Function *f)
{
    good_arguments(f);
    for (size_t i = 0; i < f->count; i++) {
        bool size = is_type(f, i, "size");
        bool pointer = !size && !is_type(f, i, "chr");
        bool writes = is_type(f, i, "out") || is_type(f, i, "cat");

        switch (below(4)) {
        case 0:
            break;
        case 1:
            arg[i] = pointer ? bad_address() : random64() >> below(64);
            break;
        case 2:
            arg[i] = pointer ? (uintptr_t)arena + below(4 * PART)
                             : -1 - (random64() >> below(64));
            break;
        default:
            if (!writes) {
                arg[i] = random64() >> below(64);
            }
        }
    }
}

/*
 * Instructions that are nearly a marker, before what would make them one.
 * The places that they get are whole.
 */
#if defined(__i386__) || defined(__x86_64__)
static void make_other(void)
{
    static const uint8_t prefixes[] = {
        0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65
    };

    what = "nearly the marker";
    expected = SIGNAL(SIGILL);
    switch (below(3)) {
    case 0:
        append_stub("strlen");
        image[marker + 2] ^= 1 + below(255);
        break;
    case 1:
        append_stub("strlen");
        image[marker + 1] = below(2) ? 0x0b : 0xb9;     /* UD2, UD1 */
        break;
    default:
        for (size_t i = 1 + below(11); i > 0; i--) {
            append_byte(prefixes[below(sizeof(prefixes))]);
        }
#ifdef __x86_64__
        if (below(2)) {
            append_byte(0x40 + below(16));              /* REX */
        }
#endif
        append_stub("strlen");
    }
}
#elif defined(__aarch64__)
static void make_other(void)
{
    uint32_t imm = below(0x10000);
    uint32_t insn = 0xd4400000;

    what = "nearly the marker";
    expected = SIGNAL(SIGILL);
    if (below(2) || imm == 0xf000) {
        imm = NATIVE_ARM_HLT_IMM;
        insn |= 1 + below(31);
    }
    append_stub("strlen");
    insn |= imm << 5;
    memcpy(image + marker, &insn, sizeof(insn));
    if (imm == NATIVE_ARM_HLT_IMM && !(insn & 31)) {
        what = "the marker";
        expected = off ? SIGNAL(SIGILL) : RETURNS;
    }
}
#elif defined(__arm__)
static void make_other(void)
{
    /* Bit n: condition n is fulfilled after CMP r0, r0. */
    static const unsigned fulfilled = 0x66a5;
    static const uint32_t cmp = 0xe1500000;
    uint32_t insn, imm = below(0x10000), cond = below(16);

    memcpy(&insn, stub_begin, sizeof(insn));
    what = "nearly the marker";
    expected = SIGNAL(SIGILL);
    switch (below(4)) {
    case 0:
        imm = imm == 0xf000 || imm == NATIVE_ARM_HLT_IMM ? 0 : imm;
        append_stub("strlen");
        insn = (insn & 0xfff000f0) | (imm & 0xfff0) << 4 | (imm & 0xf);
        memcpy(image + marker, &insn, sizeof(insn));
        break;
    case 1:
        what = "conditional marker";
        cond = cond == 0xe ? 0xf : cond;
        append(&cmp, sizeof(cmp));
        marker += sizeof(cmp);
        append_stub("strlen");
        insn = (insn & 0x0fffffff) | cond << 28;
        memcpy(image + marker, &insn, sizeof(insn));
        if (cond != 0xf && !(fulfilled & 1 << cond)) {
            expected = RETURNS;
        }
        break;
    case 2:
        /* A branch back by 0x318 bytes, to where there is BX lr */
        what = "the marker as Thumb";
        append_stub("strlen");
        expected = RETURNS;
        entry = 1;
        break;
    default:
        /* Thumb has an immediate of 6 bits; 0x3c is semihosting's. */
        what = "Thumb HLT";
        append_stub("strlen");
        insn = (0xba80 | below(0x3c)) * 0x10001;
        memcpy(image + marker, &insn, sizeof(insn));
        entry = 1;
    }
}
#else
static void make_other(void)
{
    static const uint32_t jr_ra = 0x03e00008;
    uint32_t insn, code = below(1 << 20);

    what = "nearly the marker";
    expected = RETURNS;
    switch (below(4)) {
    case 0:
        code = NATIVE_MIPS_SYSCALL_CODE ^ 1 << below(20);
        /* fall through */
    case 1:
        code = code == NATIVE_MIPS_SYSCALL_CODE ? 0 : code;
        append_stub("strlem");
        insn = code << 6 | 0x0c;
        memcpy(image + marker, &insn, sizeof(insn));
        break;
    case 2:
        what = "the marker in a delay slot";
        append(&jr_ra, sizeof(jr_ra));
        marker += sizeof(jr_ra);
        append(stub_begin, MARKER_SIZE);
        append(nop, sizeof(nop));
        append_stub("strlem");
        break;
    default:
        what = "BREAK with the marker's code";
        append_stub("strlen");
        insn = NATIVE_MIPS_SYSCALL_CODE << 6 | 0x0d;
        memcpy(image + marker, &insn, sizeof(insn));
        expected = SIGNAL(SIGTRAP);
    }
}
#endif

#if defined(__i386__) || defined(__x86_64__)
/*
 * The stub with its stack anywhere.  Where it returns to, there is an illegal
 * instruction, since the stack of the caller is lost.
 */
static void make_stack(void)
{
    static const uint8_t ud2[] = { 0x0f, 0x0b };
    const Function *f = random_function();
    bool bad = below(2);
    uintptr_t *frame = (uintptr_t *)(arena + 4 * PART - 64) - below(8);
    uintptr_t sp = bad ? bad_address() : (uintptr_t)frame;

    what = "a stack anywhere";
    if (bad && (sp - (uintptr_t)read_only < page || sp + page < page)) {
        /* That can be read. */
        sp = 0;
    }
    good_arguments(f);
#ifdef __x86_64__
    append_byte(0x48);
#endif
    append_byte(0xbc);                  /* MOV sp, imm */
    append(&sp, sizeof(sp));
    marker = image_size;
    append_stub(f->name);
    memcpy(places[WHOLE].page + 2 * page - sizeof(ud2), ud2, sizeof(ud2));
    frame[0] = (uintptr_t)places[WHOLE].page + 2 * page - sizeof(ud2);
    for (size_t i = 0; i < f->count; i++) {
        frame[1 + i] = arg[i];
    }
    if (off) {
        expected = SIGNAL(SIGILL);
    } else if (bad) {
        expected = SIGNAL(SIGSEGV);
    } else {
        expected = SIGNAL(SIGILL);
        expected_pc = frame[0];
    }
}
#else
static void make_stack(void)
{
    make_other();
}
#endif

/* A true marker, and some name or other */
static void make_named(size_t kind)
{
    const Function *f = random_function();
    uint8_t *name;
    size_t n;

    good_arguments(f);
    append(stub_begin, MARKER_SIZE);
#ifdef __mips__
    if (off) {
        append(stub_begin + MARKER_SIZE, stub_size - MARKER_SIZE);
    }
#endif
    /* Whatever there is for the return, it is not what returns. */
    append_random(marker + stub_size - image_size);
    name = image + image_size;
    append(f->name, strlen(f->name) + 1);
    n = strlen(f->name);

    switch (kind) {
    case 0:
        what = "valid name";
        break;
    case 1:
        what = "valid name, wild arguments";
        wild_arguments(f);
        break;
    case 2:
        what = "random name";
        image_size = name - image;
        append_random(below(NATIVE_NAME_MAX + 10));
        break;
    case 3:
        what = "a byte of the name changed";
        name[below(n + 1)] ^= 1 << below(8);
        break;
    case 4:
        what = "a byte of the name removed";
        name += below(n);
        memmove(name, name + 1, strlen((char *)name));
        break;
    case 5:
        what = "a name that is not of a helper";
        image_size = name - image;
        f = NULL;
        n = below(ARRAY_SIZE(foreign));
        append(foreign[n].name, strlen(foreign[n].name) + 1);
        break;
    default:
        what = "about as long as a name may be";
        image_size -= below(2);
        while (image_size < name - image + NATIVE_NAME_MAX - 2 + below(4)) {
            append_byte('a' + below(26));
        }
        append_byte(0);
    }
    append_random(8);
    append_byte(0);
}

/* How what is in the image ends, of which @visible bytes are there */
static void expect_named(size_t visible, bool wild)
{
    const uint8_t *name = image + marker + stub_size;
    size_t left, n;

    expected = SIGNAL(place->cut);
    if (visible < marker + MARKER_SIZE) {
        return;
    }
    if (off) {
#ifdef __mips__
        if (visible < marker + stub_size) {
            expected_pc = 0;
        } else {
            expected = RETURNS;
        }
#else
        expected = SIGNAL(SIGILL);
#endif
        return;
    }

    left = visible < marker + stub_size ? 0 : visible - marker - stub_size;
    n = strnlen((const char *)name, left);
    if (n == left && n <= NATIVE_NAME_MAX) {
        if (place == &places[TOP]) {
            /* There is nothing to fetch the rest from. */
            expected = SIGNAL(SIGILL);
        }
        return;
    }
    if (!find_function(name, left)) {
        expected = SIGNAL(SIGILL);
    } else if (wild) {
        expected = RETURNS | SIGNAL(SIGSEGV);
    } else {
        expected = RETURNS;
    }
}

static bool run_trial(uint64_t trial)
{
    size_t kind, offset, visible, nops;
    bool named, wild;
    unsigned got;

    random_state = seed * 0x100000001b3 + trial;
    image_size = 0;
    entry = 0;
    expected_pc = -1;
    for (size_t i = 0; i < ARRAY_SIZE(arg); i++) {
        arg[i] = (uintptr_t)arena;
    }
    /* A marker in the middle of a block */
    for (nops = below(3); nops > 0 && below(2); nops--) {
        append(nop, sizeof(nop));
    }
    marker = image_size;

    place = &places[WHOLE];
    kind = below(10);
    named = kind < 7;
    wild = kind == 1;
    if (named) {
        do {
            place = &places[below(PLACES)];
        } while (!place->page);
        make_named(kind);
    } else if (kind == 7) {
        make_stack();
    } else {
        make_other();
    }
    if (entry) {
        /* Thumb has other nops. */
        memmove(image, image + marker, image_size - marker);
        image_size -= marker;
        marker = 0;
    }

    visible = image_size;
    if (named && below(2)) {
        visible = below(image_size - marker + 1) / ALIGN * ALIGN + marker;
        if (place == &places[TOP]) {
            /* QEMU asserts that no instruction is across this end. */
            visible = MAX(visible, marker + MARKER_SIZE);
        }
        offset = page - visible;
    } else {
        offset = below(page - 1024 - image_size) / ALIGN * ALIGN + 1024;
    }
    if (!place->cut) {
        visible = image_size;
    }
    memcpy(place->page + offset, image, visible);
    entry += (uintptr_t)place->page + offset;
#ifdef __arm__
    if (entry & 1) {
        static const uint16_t bx_lr = 0x4770;

        memcpy((void *)(entry - 1 - 0x318), &bx_lr, sizeof(bx_lr));
    }
#endif
    if (expected_pc == -1) {
        expected_pc = (uintptr_t)place->page + offset + marker;
    }
    __builtin___clear_cache((char *)place->page,
                            (char *)place->page + 2 * page);
    if (named) {
        expect_named(visible, wild);
    }

    signal_pc = 0;
    got = call(entry);
    if ((got & expected) &&
        (got == RETURNS || !expected_pc || signal_pc == expected_pc)) {
        return true;
    }
    printf("native-decode: seed %llu, trial %llu: %s, %s, %zu of %zu bytes: "
           "ended with 0x%x at 0x%lx, not 0x%x at 0x%lx\n",
           (unsigned long long)seed, (unsigned long long)trial, what,
           place->name, visible, image_size, got, (unsigned long)signal_pc,
           expected, (unsigned long)expected_pc);
    return false;
}

static uint8_t *map(void *at, size_t size, int prot, int flags)
{
    uint8_t *p = mmap(at, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags,
                      -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return p;
}

static void make_places(void)
{
    const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    uint8_t *p;

    for (size_t i = 0; i < TOP; i++) {
        /* with room between them, or one might be behind another */
        p = map(NULL, 4 * page, PROT_NONE, 0);
        places[i].page = map(p + page, 2 * page, all, MAP_FIXED);
    }
    mprotect(places[NONE].page + page, page, PROT_NONE);
    munmap(places[UNMAPPED].page + page, page);
    mprotect(places[NO_EXEC].page + page, page, PROT_READ | PROT_WRITE);
    /* Not on Arm, where a jump to there is one to the kernel's page. */
#if defined(__i386__) || (defined(__mips__) && _MIPS_SIM == _ABIO32)
# ifdef __mips__
    p = (uint8_t *)0x80000000;
# else
    p = NULL;
# endif
    places[TOP].page = map(p - page, page, all, MAP_FIXED);
#endif

    /* Much room behind: a search may skip as much as its needle is long. */
    arena = map(NULL, 8 * PART + 4 * page, PROT_NONE, 0);
    read_only = arena + page;
    arena += 3 * page;
    mprotect(arena, 4 * PART, PROT_READ | PROT_WRITE);
    mprotect(read_only, page, PROT_READ);
}

static uint64_t number(const char *text)
{
    unsigned long long value = 0;

    sscanf(text, "%llu", &value);
    return value;
}

int main(int argc, char **argv)
{
    static const int signals[] = {
        SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS
    };
    static char stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction sa = {
        .sa_sigaction = handler,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER
    };
    uint64_t first = 0, trials = 10000;
    int opt, failures = 0;

    while ((opt = getopt(argc, argv, "s:n:f:")) != -1) {
        switch (opt) {
        case 's':
            seed = number(optarg);
            break;
        case 'n':
            trials = number(optarg);
            break;
        case 'f':
            first = number(optarg);
            break;
        default:
            fprintf(stderr, "%s [-s SEED] [-n TRIALS] [-f FIRST] [off]\n",
                    argv[0]);
            return EXIT_FAILURE;
        }
    }
    off = optind < argc && !strcmp(argv[optind], "off");

    page = getauxval(AT_PAGESZ);
    stub_size = stub_end - stub_begin;
    make_places();
    sigaltstack(&ss, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        sigaction(signals[i], &sa, NULL);
    }

    for (uint64_t trial = first; trial < first + trials; trial++) {
        failures += !run_trial(trial);
        if (failures == 10) {
            break;
        }
    }
    for (size_t i = 0; i < page; i++) {
        if (read_only[i]) {
            printf("native-decode: seed %llu: a read-only page was written\n",
                   (unsigned long long)seed);
            failures++;
            break;
        }
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
