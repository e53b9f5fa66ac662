/*
 * Native bypass: AArch64's tagged addresses
 *
 * Accesses ignore the top byte, results keep it; and where allocation tags
 * are checked, a call reports the same as a loop over bytes: the first byte
 * of the wrong tag, and nothing that the loop would not come to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "native-operands.h"

#ifndef PR_SET_TAGGED_ADDR_CTRL
#define PR_SET_TAGGED_ADDR_CTRL 55
#endif
#define TAGGED_ADDR_ENABLE      (1UL << 0)
#define MTE_TCF_SYNC            (1UL << 1)
#define MTE_TCF_ASYNC           (1UL << 2)
#define PROT_MTE                0x20

#ifndef SEGV_MTEAERR
#define SEGV_MTEAERR            8
#define SEGV_MTESERR            9
#endif

#define GRANULE     16
#define PAGE        4096
#define CHARS       100
/* The operands begin and end within a granule, and cross a page boundary. */
#define OFFSET      (PAGE - 2 * GRANULE + 4)

#define TAG(k)      (3 + (k))
#define WRONG_TAG   9

static char *area[2], *plain[2];
static sigjmp_buf env;
static siginfo_t fault;
static int failures;

static void handler(int sig, siginfo_t *info, void *context)
{
    fault = *info;
    siglongjmp(env, 1);
}

static char *with_tag(char *p, unsigned tag)
{
    return (char *)(((uintptr_t)p & (UINT64_MAX >> 8)) | (uintptr_t)tag << 56);
}

/* The allocation tag of the granule that @p is in */
static void set_tag(char *p, unsigned tag)
{
    char *granule = with_tag((char *)((uintptr_t)p & -GRANULE), tag);

    asm("stg %0, [%0]" : : "r" (granule) : "memory");
}

static void set_mode(unsigned long mode)
{
    if (prctl(PR_SET_TAGGED_ADDR_CTRL, TAGGED_ADDR_ENABLE | mode |
              (0xfffe << 3), 0, 0, 0)) {
        perror("prctl");
        exit(EXIT_FAILURE);
    }
}

/* The call's result, or in "fault" the signal that it raised */
static uintptr_t make(NativeCall *c)
{
    volatile uintptr_t result = 0;  /* volatile: kept by siglongjmp() */

    memset(&fault, 0, sizeof(fault));
    if (sigsetjmp(env, 1) == 0) {
        result = native_call_make(c);
        getpid();   /* where asynchronous ones are delivered */
    }
    return result;
}

/* The same while the granule at @p, of operand @k, has another tag */
static void make_mistagged(NativeCall *c, int mode, char *p, unsigned k)
{
    set_tag(p, WRONG_TAG);
    set_mode(mode);
    make(c);
    set_mode(0);
    set_tag(p, TAG(k));
}

static void check(const NativeCall *c, const char *what, int operand,
                  size_t offset, int code, const char *addr)
{
    if (fault.si_code != code || (code && fault.si_addr != addr)) {
        printf("%s: %s, operand %d offset %zu: si_code %d, not %d, "
               "si_addr %p, not %p\n", c->name, what, operand, offset,
               fault.si_code, code, fault.si_addr, addr);
        failures++;
    }
}

static void place(NativeCall *c, char *const *where, unsigned tag0,
                  unsigned tag1)
{
    const unsigned tags[2] = { tag0, tag1 };

    for (unsigned k = 0; k < c->operands; k++) {
        c->at[k] = with_tag(where[k] + OFFSET, tags[k]);
    }
}

/* Nothing is checked: tags of all kinds are as none. */
static void test_ignored(const NativeRow *row)
{
    NativeCall untagged = native_call_of(row, CHARS);
    NativeCall tagged = untagged;
    uintptr_t expected, result;

    for (size_t stop = CHARS / 2; stop <= CHARS; stop += CHARS / 2) {
        place(&untagged, plain, 0, 0);
        native_call_fill(&untagged, stop);
        expected = native_call_make(&untagged);
        for (unsigned tag = 1; tag < 256; tag += 0x3b) {
            place(&tagged, area, tag, tag ^ 0xff);
            native_call_fill(&tagged, stop);
            result = make(&tagged);
            check(&tagged, "tags ignored", -1, tag, 0, NULL);
            if (!native_call_same(&untagged, expected, &tagged, result)) {
                printf("%s: tag 0x%x: differs\n", row->name, tag);
                failures++;
            }
        }
    }
}

/* The address of a fault of the page behind the first one */
static void test_faults(const NativeRow *row)
{
    NativeCall c = native_call_of(row, CHARS);

    place(&c, plain, 0x5a, 0xa5);
    for (unsigned k = 0; k < c.operands; k++) {
        /* volatile, since to access the byte is all that this is for */
        volatile char *bad = c.at[k] - OFFSET + PAGE;
        uintptr_t reported, mask = -PAGE;
        int code;

        native_call_fill(&c, CHARS);
        mprotect(plain[k] + PAGE, PAGE, PROT_NONE);
        memset(&fault, 0, sizeof(fault));
        if (sigsetjmp(env, 1) == 0) {
            *bad;
        }
        reported = (uintptr_t)fault.si_addr;
        code = fault.si_code;
        make(&c);
        mprotect(plain[k] + PAGE, PAGE, PROT_READ | PROT_WRITE);

        if (native_call_is_downward(&c)) {
            fault.si_addr = (void *)((uintptr_t)fault.si_addr & mask);
        }
        check(&c, "page fault", k, PAGE - OFFSET, code, (char *)reported);
    }
}

static void test_checked(const NativeRow *row, int mode)
{
    const int code = mode == MTE_TCF_SYNC ? SEGV_MTESERR : SEGV_MTEAERR;
    NativeCall untagged = native_call_of(row, CHARS);
    NativeCall c = untagged;
    uintptr_t expected, result;
    /* The last character of a granule, in the middle of an operand */
    size_t end = 4 * GRANULE - OFFSET % GRANULE;
    size_t stop = end / c.width - 1;

    place(&untagged, plain, 0, 0);
    native_call_fill(&untagged, CHARS);
    expected = native_call_make(&untagged);

    /* With the allocation tags that set_areas() gave, but for one granule */
    place(&c, area, TAG(0), TAG(1));
    native_call_fill(&c, CHARS);
    set_mode(mode);
    result = make(&c);
    set_mode(0);
    check(&c, "matching", -1, 0, 0, NULL);
    if (!native_call_same(&untagged, expected, &c, result)) {
        printf("%s: matching tags: differs\n", row->name);
        failures++;
    }

    for (unsigned k = 0; k < c.operands; k++) {
        char *first = c.at[k] - OFFSET % GRANULE;
        char *behind = c.at[k] + c.bytes[k];

        for (char *p = first - GRANULE; p < behind + GRANULE; p += GRANULE) {
            bool in = p + GRANULE > c.at[k] && p < behind;
            char *addr = p < c.at[k] ? c.at[k] : p;

            native_call_fill(&c, CHARS);
            make_mistagged(&c, mode, p, k);
            check(&c, "all", k, p - c.at[k], in ? code : 0,
                  mode == MTE_TCF_SYNC ? addr : NULL);
        }

        if (native_call_stops(&c) && c.type[k] != TYPE_out &&
            c.type[k] != TYPE_cat) {
            char *last = c.at[k] + end - GRANULE;
            char *next = native_call_is_downward(&c) ? last - GRANULE
                                                : last + GRANULE;

            native_call_fill(&c, stop);
            make_mistagged(&c, mode, next, k);
            check(&c, "not reached", k, next - c.at[k], 0, NULL);

            native_call_fill(&c, stop);
            make_mistagged(&c, mode, last, k);
            check(&c, "the last", k, last - c.at[k], code,
                  mode != MTE_TCF_SYNC ? NULL : native_call_is_downward(&c) ?
                  c.at[k] + stop : last);
        }
    }
}

/* What translated code reports, so that the rest proves that it is the same */
static void test_reference(int mode)
{
    const int code = mode == MTE_TCF_SYNC ? SEGV_MTESERR : SEGV_MTEAERR;
    /* volatile, since to access the byte is all that this is for */
    volatile char *bad = with_tag(area[0], TAG(0) ^ 1);

    memset(&fault, 0, sizeof(fault));
    set_mode(mode);
    if (sigsetjmp(env, 1) == 0) {
        *bad;
        getpid();
    }
    set_mode(0);
    if (fault.si_code != code ||
        fault.si_addr != (mode == MTE_TCF_SYNC ? bad : NULL)) {
        printf("translated: si_code %d, si_addr %p\n", fault.si_code,
               fault.si_addr);
        failures++;
    }
}

static void set_areas(void)
{
    for (int k = 0; k < 2; k++) {
        area[k] = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_MTE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        plain[k] = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area[k] == MAP_FAILED || plain[k] == MAP_FAILED) {
            perror("mmap");
            exit(EXIT_FAILURE);
        }
        for (size_t i = 0; i < 2 * PAGE; i += GRANULE) {
            set_tag(area[k] + i, TAG(k));
        }
    }
}

int main(void)
{
    struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    sigaction(SIGSEGV, &sa, NULL);
    set_mode(0);
    set_areas();
    test_reference(MTE_TCF_SYNC);
    test_reference(MTE_TCF_ASYNC);
    FOR_EACH_ROW(row) {
        test_ignored(row);
        test_faults(row);
        test_checked(row, MTE_TCF_SYNC);
        test_checked(row, MTE_TCF_ASYNC);
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
