/*
 * Native bypass: AArch64's tagged addresses
 *
 * Accesses ignore the top byte, results keep it.  Where allocation tags are
 * checked, a call reports the same as a loop over bytes: the first byte with a
 * wrong tag, and no byte that the loop would not reach.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <sys/prctl.h>

#include "native-calls.h"

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
/* The operands begin within a granule, cross a page, and end with a granule. */
#define OFFSET      (page - 2 * GRANULE + 12)
#define CHARS(f)    ((f)->width == 1 ? 100 : 101)

#define TAG(k)      (3 + (k))
#define WRONG_TAG   9

/* Memory with and without allocation tags, as much as an arena */
static char *area[2], *plain[2];

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
        die("prctl");
    }
}

/* Prepare a call that tests operand @k; the operands' addresses are tagged. */
static void prepare_tagged(Call *c, const Function *f, char *const where[2],
                           unsigned tag0, unsigned tag1, unsigned k)
{
    char *at[2];

    arena[0] = with_tag(where[0], tag0);
    arena[1] = with_tag(where[1], tag1);
    at[0] = arena[0] + OFFSET;
    at[1] = arena[1] + OFFSET;
    prepare(c, f, at, CHARS(f), k, true, false);
    fill(c, 0);
}

/* Operands that are read end at @stop. */
static void fill_to(Call *c, size_t stop)
{
    for (unsigned k = 0; k < c->f->pointers; k++) {
        if (!native_is_written(c->op[k].type)) {
            c->op[k].nul = stop;
        }
    }
    fill(c, 0);
    if (c->f->result == TYPE_int) {
        native_put(c->op[1].start + stop * c->f->width, c->f->width, 1);
    }
}

/* Check that it raised a signal with @code or, if 0, none. */
static void check(Call *c, const char *what, int code, const char *addr)
{
    now.test = what;
    EXPECT(c, c->returned ? !code : c->info.si_code == code &&
                                    c->info.si_addr == addr,
           "%d faults, si_code %d, not %d, si_addr %p, not %p", c->faults,
           c->info.si_code, code, c->info.si_addr, addr);
}

/* The report of a wrong tag at @addr; an asynchronous one has no address. */
static int mte_code(int mode)
{
    return mode == MTE_TCF_SYNC ? SEGV_MTESERR : SEGV_MTEAERR;
}

static const char *mte_addr(int mode, const char *addr)
{
    return mode == MTE_TCF_SYNC ? addr : NULL;
}

/*
 * Check that the call reports the first bad byte @addr or, if NULL, nothing,
 * while the granule at @p, in operand @k, has another tag.
 */
static void check_mistagged(Call *c, const char *what, int mode, char *p,
                            unsigned k, const char *addr)
{
    set_tag(p, WRONG_TAG);
    set_mode(mode);
    run(c);
    set_mode(0);
    set_tag(p, TAG(k));
    check(c, what, addr ? mte_code(mode) : 0, mte_addr(mode, addr));
}

/* Without checks, all tags are ignored. */
static void test_ignored(const Function *f)
{
    static Call there, c;

    now.test = "tags ignored";
    prepare_tagged(&there, f, plain, 0, 0, 0);
    if (!try_out(&there, 0)) {
        return;
    }
    for (unsigned tag = 1; tag < 256; tag += 0x3b) {
        now.kind = tag;
        prepare_tagged(&c, f, area, tag, tag ^ 0xff, 0);
        run(&c);
        check_done(&c, &there, 0);
    }
}

/* The reported address of a fault on the second page */
static void test_faults(const Function *f)
{
    static Call c;

    for (unsigned k = 0; k < f->pointers; k++) {
        siginfo_t like;
        char *addr;

        prepare_tagged(&c, f, plain, 0x5a, 0xa5, k);
        mprotect(plain[k] + page, page, PROT_NONE);
        like = access_byte(arena[k] + page, false);
        run(&c);
        mprotect(plain[k] + page, page, PROT_RW);

        addr = like.si_addr;
        if (f->down) {
            addr += c.op[0].start + CHARS(f) - 1 - (arena[0] + page);
        }
        check(&c, "page fault", like.si_code, addr);
    }
}

/* Check calls as single accesses are. */
static void test_checked(const Function *f, int mode)
{
    static Call there, c;
    /* The last character of a granule, in the middle of an operand */
    size_t end = 4 * GRANULE - OFFSET % GRANULE;
    size_t stop = end / f->width - 1;

    for (unsigned k = 0; k < f->pointers; k++) {
        char *start, *behind;

        prepare_tagged(&there, f, plain, 0, 0, k);
        now.test = "matching tags";
        if (!try_out(&there, 0)) {
            return;
        }
        prepare_tagged(&c, f, area, TAG(0), TAG(1), k);
        set_mode(mode);
        run(&c);
        check_done(&c, &there, 0);
        set_mode(0);

        start = c.op[k].start;
        behind = start + c.op[k].size * f->width;
        for (char *p = start - OFFSET % GRANULE - GRANULE; p < behind + GRANULE;
             p += GRANULE) {
            bool in = p + GRANULE > start && p < behind;

            now.page = p - start;
            fill(&c, 0);
            check_mistagged(&c, "all", mode, p, k,
                            !in ? NULL : p < start ? start : p);
        }

        if (looks_for_end(f) && !native_is_written(c.op[k].type)) {
            char *last = start + end - GRANULE;

            fill_to(&c, stop);
            check_mistagged(&c, "not reached", mode,
                            f->down ? last - GRANULE : last + GRANULE, k, NULL);
            fill_to(&c, stop);
            check_mistagged(&c, "the last", mode, last, k,
                            f->down ? start + stop : last);
        }
    }
}

static void set_areas(void)
{
    for (int k = 0; k < 2; k++) {
        area[k] = map_pages(NULL, pages * page, PROT_RW | PROT_MTE);
        plain[k] = map_pages(NULL, pages * page, PROT_RW);
        for (size_t i = 0; i < pages * page; i += GRANULE) {
            set_tag(area[k] + i, TAG(k));
        }
    }
}

/* Check what translated code reports: the reference for all other tests */
static void test_reference(int mode)
{
    char *bad = with_tag(area[0], TAG(0) ^ 1);
    siginfo_t info;

    set_mode(mode);
    info = access_byte(bad, false);
    set_mode(0);
    CHECK(info.si_code == mte_code(mode) && info.si_addr == mte_addr(mode, bad),
          "translated: si_code %d, si_addr %p", info.si_code, info.si_addr);
}

int main(void)
{
    init_calls();
    use_pages(2);
    set_areas();
    test_reference(MTE_TCF_SYNC);
    test_reference(MTE_TCF_ASYNC);
    FOR_EACH_FUNCTION(f) {
        test_ignored(f);
        test_faults(f);
        test_checked(f, MTE_TCF_SYNC);
        test_checked(f, MTE_TCF_ASYNC);
    }
    return failures != 0;
}
