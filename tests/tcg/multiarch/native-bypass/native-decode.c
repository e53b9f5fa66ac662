/*
 * Native bypass: what the translators take for a stub
 *
 * Random code: markers with known and unknown names, cut off by the end of a
 * page, and instructions that are nearly a marker.  Each must end with the
 * predicted return or signal, at the PC of the marker.
 *
 * Without the option (argument "off"), the marker is what the architecture
 * defines, whatever follows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/syscall.h>

#include "native-table.h"
#include "native-test.h"

#define TRIALS  10000

typedef __typeof__(native_stub[0]) Unit;

#define MARKER_SIZE (sizeof(Unit) == 1 ? 3 : sizeof(Unit))

#if defined(__i386__) || defined(__x86_64__)
static const Unit nop = 0x90;
#elif defined(__aarch64__)
static const Unit nop = 0xd503201f;
# define OTHER_BITS 0x1fffff           /* The immediate, and low bits */
#elif defined(__arm__)
static const Unit nop = 0xe1a00000;
#elif defined(__riscv)
static const Unit nop = 0x00000013;
# define OTHER_BITS 0xfff0ff80         /* All but the opcode and funct3 */
#elif defined(__loongarch64)
static const Unit nop = 0x03400000;
# define OTHER_BITS 0x7fff             /* The code */
#elif defined(__s390x__)
static const Unit nop = 0x0700;
#elif defined(__powerpc__)
static const Unit nop = 0x60000000;
# define OTHER_BITS 0x3ffffff          /* All but the opcode */
#else
static const Unit nop = 0x00000000;
#endif

/* The marker's signal without the option; none on MIPS */
#ifdef __loongarch64
# define UNMARKED   SIGTRAP
#else
# define UNMARKED   SIGILL
#endif

/*
 * Places for code: a page, and what follows it.  Not the end of a file: an
 * instruction fetch beyond it ends QEMU, with the option or without.
 */
enum { WHOLE, NONE, UNMAPPED, NO_EXEC, TOP, PLACES };

static char *places[PLACES];

/* A trial: code, the marker's offset in it, and how it ends */
static const char *what;
static char image[128];
static size_t image_size, marker;
static bool thumb;
static NativeArea area;             /* with the arguments */
static int expected;                /* a signal, or 0 for a return */
static uintptr_t expected_pc;
static bool makes_syscall;

static bool off;

static size_t below(size_t n)
{
    return random() % n;
}

static void append(const void *p, size_t size)
{
    memcpy(image + image_size, p, size);
    image_size += size;
}

static void append_byte(char byte)
{
    append(&byte, 1);
}

static void append_random(size_t size)
{
    while (size--) {
        append_byte(random());
    }
}

static void append_stub(const char *name)
{
    append(native_stub, sizeof(native_stub));
    append(name, strlen(name) + 1);
}

/* A function, or a name that libnative.so exports and QEMU does not know */
static const NativeRow *random_row(bool function)
{
    const NativeRow *row;

    do {
        row = &native_rows[below(ARRAY_SIZE(native_rows) - 1)];
    } while ((row->kind == KIND_NATIVE) != function);
    return row;
}

/* Arguments with which the function of @row returns */
static void make_arguments(const NativeRow *row)
{
    static const NativeCase values = { .len = { 9, 9 }, .n = 16, .chr = 'b' };

    native_prepare(&area, row, &values);
}

#if defined(__i386__) || defined(__x86_64__)
/*
 * A stub with its stack at the end of a page.  It returns to an illegal
 * instruction, since the stack of the caller is lost.
 */
static void make_stack(void)
{
    static char *stack;
    const NativeRow *row = random_row(true);
    char *target = places[WHOLE] + 2 * page - 2;
    size_t words = below(8), needed = 1;
    uintptr_t *sp;

    stack = stack ?: map_guarded(page, PROT_RW);
    sp = (uintptr_t *)(stack + page) - words;
#ifdef __x86_64__
    append_byte(0x48);
#else
    needed += row->nargs;
#endif
    append_byte(0xbc);                                  /* MOV sp, imm */
    append(&sp, sizeof(sp));
    marker = image_size;
    append_stub(row->name);
    make_arguments(row);
    memcpy(target, "\x0f\x0b", 2);                      /* UD2 */
    for (size_t i = 0; i < words; i++) {
        sp[i] = i ? area.args[(i - 1) % NATIVE_ROW_ARGS] : (uintptr_t)target;
    }
    what = "a stack at the end of a page";
    expected = off || words >= needed ? SIGILL : SIGSEGV;
    if (!off && words >= needed) {
        expected_pc = (uintptr_t)target;
    }
}

/* Instructions that are nearly a marker, before a stub's name */
static void make_other(void)
{
    static const uint8_t prefixes[] = {
        0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65
    };
    int kind = below(4);

    expected = SIGILL;
    if (kind == 3) {
        make_stack();
        return;
    }
    if (kind == 0) {
        for (size_t i = 1 + below(11); i > 0; i--) {
            append_byte(prefixes[below(sizeof(prefixes))]);
        }
#ifdef __x86_64__
        if (below(2)) {
            append_byte(0x40 + below(16));              /* REX */
        }
#endif
        /* After one prefix, the name is at the offset of a stub's name. */
        append(native_stub, MARKER_SIZE);
        append("strlen", sizeof("strlen"));
        return;
    }
    append_stub("strlen");
    if (kind == 1) {
        image[marker + 2] ^= 1 + below(255);
    } else if (kind == 2) {
        image[marker + 1] = below(2) ? 0x0b : 0xb9;     /* UD2, UD1 */
    }
}
#else
/* The marker with the bits of @mask changed to those of @insn */
static void append_like_marker(uint32_t insn, uint32_t mask)
{
    Unit unit = (insn & mask) | (native_stub[0] & ~mask);

    append_stub("strlen");
    memcpy(image + marker, &unit, sizeof(unit));
}

/* The marker with one bit of @mask changed */
static void append_near_marker(uint32_t mask)
{
    uint32_t bit;

    do {
        bit = 1u << below(32);
    } while (!(bit & mask));
    append_like_marker(native_stub[0] ^ bit, mask);
}
#endif

/* A marker with one of these bits changed is no marker. */
#ifdef OTHER_BITS
static void make_other(void)
{
    append_near_marker(OTHER_BITS);
    expected = UNMARKED;
}
#endif

#ifdef __s390x__
static void make_other(void)
{
    /* larl %r1, .+18; ex %r0, 0(%r1); and a name where a stub has it */
    static const uint16_t execute[] = {
        0xc010, 0, 9, 0x4400, 0x1000, 0x7374, 0x726c, 0x656e, 0
    };

    expected = SIGILL;
    if (below(2)) {
        append_near_marker(0x03ff);         /* Opcodes 00-03 are invalid. */
        return;
    }
    what = "EXECUTE of the marker";
    marker += 6;
    append(execute, sizeof(execute));
    append_stub("strlen");
}
#endif

#if defined(__arm__)
static void make_other(void)
{
    /* Bit n: condition n is fulfilled after CMP r0, r0. */
    static const unsigned fulfilled = 0x66a5;
    static const uint32_t cmp = 0xe1500000;
    uint32_t cond = below(14);

    expected = SIGILL;
    switch (below(3)) {
    case 0:
        append_near_marker(0xfff0f);        /* The immediate */
        break;
    case 1:
        what = "conditional marker";
        append(&cmp, sizeof(cmp));
        marker += sizeof(cmp);
        append_like_marker(cond << 28, 0xf << 28);
        expected = fulfilled & 1 << cond ? SIGILL : 0;
        break;
    default:
        /* Thumb has an immediate of 6 bits; 0x3c is semihosting's. */
        what = "Thumb HLT";
        thumb = true;
        /* Thumb's nops differ. */
        image_size = marker = 0;
        append_like_marker((0xba80 | below(0x3c)) * 0x10001, -1);
    }
}
#endif

#ifdef __mips__
static void make_other(void)
{
    static const uint32_t jr_ra = 0x03e00008, code_mask = 0xfffff << 6;

    expected = 0;
    makes_syscall = true;
    switch (below(4)) {
    case 0:
        append_near_marker(code_mask);
        break;
    case 1:
        append_like_marker(0, code_mask);
        break;
    case 2:
        what = "the marker in a delay slot";
        append(&jr_ra, sizeof(jr_ra));
        marker += sizeof(jr_ra);
        append(native_stub, MARKER_SIZE);
        append(&nop, sizeof(nop));
        append_stub("strlen");
        break;
    default:
        what = "BREAK with the marker's code";
        append_like_marker(0x0d, 0x3f);
        expected = SIGTRAP;
    }
}
#endif

/* A real marker, and a name of some kind */
static void make_named(int kind)
{
    const NativeRow *row = random_row(kind != 4);
    size_t len = strlen(row->name);
    char *name;

    append_stub(row->name);
    name = image + image_size - len - 1;
    if (!off) {
        /* The marker returns: what follows it is not executed. */
        for (char *p = image + marker + MARKER_SIZE; p < name; p++) {
            *p = random();
        }
    }

    make_arguments(row);
    switch (kind) {
    case 0:
        what = "valid name";
        break;
    case 1:
        what = "random name";
        image_size = name - image;
        append_random(below(NATIVE_NAME_MAX + 10));
        break;
    case 2:
        what = "a byte of the name changed";
        name[below(len + 1)] ^= 1 << below(8);
        break;
    case 3:
        what = "a byte of the name removed";
        name += below(len);
        memmove(name, name + 1, strlen(name));
        break;
    case 4:
        what = "a name that is not of a helper";
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

/* Predict how the image ends, of which @visible bytes are mapped. */
static void expect_named(size_t visible, int place)
{
    size_t stub = marker + sizeof(native_stub);
    const char *name = image + stub;
    size_t left = visible < stub ? 0 : visible - stub;
    bool ends = memchr(name, 0, left);
    const NativeRow *row = ends ? native_row(name) : NULL;

    expected = SIGSEGV;
    if (visible < marker + MARKER_SIZE) {
        return;
    }
    if (off) {
#ifdef __mips__
        if (visible < stub) {
            expected_pc = 0;
        } else {
            expected = 0;
            makes_syscall = true;
        }
#else
        expected = UNMARKED;
#endif
    } else if (row && row->kind == KIND_NATIVE) {
        expected = 0;
    } else if (ends || left > NATIVE_NAME_MAX || place == TOP) {
        /* At the top there is nothing to fetch the rest from. */
        expected = SIGILL;
    }
}

/* Not inlined, so that CATCH() finds no registers in use */
static __attribute__((noinline)) long call(uintptr_t p)
{
#ifdef __mips__
    /* If it is no stub, the marker is a harmless system call. */
    register long v0 asm("$2") = SYS_getpid;
    register long a0 asm("$4") = area.args[0];
    register long a1 asm("$5") = area.args[1];
    register long a2 asm("$6") = area.args[2];
    register long a3 asm("$7") = area.args[3];
    register long t9 asm("$25") = p;

    /* volatile, since the result may be unused */
    asm volatile("jalr %1\n\tnop"
                 : "+r" (v0), "+r" (t9), "+r" (a0), "+r" (a1), "+r" (a2),
                   "+r" (a3) : :
                 "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14",
                 "$15", "$24", "$31", "hi", "lo", "memory");
    return v0;
#else
    return ((NativeFn *)p)(area.args[0], area.args[1], area.args[2],
                           area.args[3]);
#endif
}

static void run_trial(int trial)
{
    size_t offset, visible;
    int kind, got, place = WHOLE;
    volatile long result = 0;       /* volatile, since a signal may come */
    char *code;

    srandom(trial);
    image_size = 0;
    expected_pc = -1;
    what = "nearly the marker";
    thumb = makes_syscall = false;
    kind = below(8);
    /* A marker in the middle of a TB */
    for (int nops = below(3); nops > 0; nops--) {
        append(&nop, sizeof(nop));
    }
    marker = image_size;
    if (kind < 6) {
        do {
            place = below(PLACES);
        } while (!places[place]);
        make_named(kind);
    } else {
        make_other();
    }

    visible = image_size;
    if (kind < 6 && below(2)) {
        /* Cut, or just across the pages */
        visible = below(image_size - marker + 1) / sizeof(nop) * sizeof(nop) +
                  marker;
        if (place == TOP && visible < marker + MARKER_SIZE) {
            /* QEMU asserts that no instruction crosses this end. */
            visible = marker + MARKER_SIZE;
        }
        offset = page - visible;
    } else {
        offset = below((page - image_size) / sizeof(nop)) * sizeof(nop);
    }
    if (place == WHOLE) {
        visible = image_size;
    }
    code = places[place] + offset;
    memcpy(code, image, visible);
    flush_code(code, visible);
    if (expected_pc == -1) {
        expected_pc = (uintptr_t)code + marker;
    }
    if (kind < 6) {
        expect_named(visible, place);
    }

    got = CATCH(result = call((uintptr_t)code + thumb));
    CHECK(got == expected &&
          (got ? !expected_pc || caught.pc == expected_pc
               : !makes_syscall || result == getpid()),
          "trial %d: %s, place %d, %zu of %zu bytes, result %ld: "
          "signal %d at 0x%lx, and not %d at 0x%lx", trial, what, place,
          visible, image_size, result, got, (unsigned long)caught.pc,
          expected, (unsigned long)expected_pc);
}

static void make_places(void)
{
    for (int i = 0; i < TOP; i++) {
        places[i] = map_guarded(2 * page, PROT_RWX);
    }
    mprotect(places[NONE] + page, page, PROT_NONE);
    munmap(places[UNMAPPED] + page, page);
    mprotect(places[NO_EXEC] + page, page, PROT_RW);
    /* Not on Arm, where a jump there goes to the kernel's page. */
#if defined(__i386__)
    places[TOP] = map_pages((char *)-page, page, PROT_RWX);
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
    places[TOP] = map_pages((char *)0x80000000 - page, page, PROT_RWX);
#endif
}

int main(int argc, char **argv)
{
    off = argc > 1 && !strcmp(argv[1], "off");
    make_places();
    catch_signals();
    for (int trial = 0; trial < TRIALS; trial++) {
        run_trial(trial);
    }
    return failures != 0;
}
