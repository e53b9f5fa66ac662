/*
 * Native bypass: the TCG helpers, where guest addresses become host pointers
 *
 * Each helper is one function of the C library, made by the host's on guest
 * memory.  What holds for all of them:
 *
 * - A fault unwinds to the guest's PC of the call, and the call may then be
 *   made again from its beginning: nothing is written before all pages have
 *   been tried, but of long strings (see NATIVE_MEASURED).
 * - Host functions that scan without a length stop at the guard page that
 *   native_bypass_init() puts behind a limited guest address space; those
 *   that take a length get one that ends in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include <wchar.h>
#include "cpu.h"
#include "exec/cpu_ldst.h"
#include "exec/exec-all.h"
#include "exec/helper-proto-common.h"
#include "exec/tswap.h"
#include "host/cpuinfo.h"
#include "tcg/debug-assert.h"
#include "tcg/native-bypass.h"
#include "user/cpu_loop.h"
#include "user/guest-host.h"
#include "user/native-bypass.h"
#include "user/page-protection.h"

#define HELPER_H "common-user/native/helper.h"
#include "exec/helper-proto.h.inc"
#undef HELPER_H

/*
 * What a call does through an operand: from its first byte up, and if there
 * are two, at the same pace, as a loop over bytes would.
 */
typedef enum NativeAccess {
    NATIVE_NONE,
    NATIVE_READ,
    NATIVE_WRITE,
    /* The host function may read what such a loop would not come to. */
    NATIVE_READ_AHEAD,
    /* The operand is the last byte, and is read from there down. */
    NATIVE_READ_DOWN,
} NativeAccess;

typedef struct NativeOperand {
    target_ulong addr;          /* as the guest gave it, with its tag */
    NativeAccess access;
    void *host;
} NativeOperand;

/* The call under way */
static __thread struct {
    NativeOperand op[2];        /* only the first one may be written */
    bool careful;               /* one that reads ahead has faulted */
} native_call;

/*
 * From now on, the call accesses @a, and @b unless that is NULL.  The host's
 * pointers follow from the addresses: short calls are to store little.
 */
static inline void native_operands(const NativeOperand *a,
                                   const NativeOperand *b)
{
    signal_barrier();
    native_call.op[0].addr = a->addr;
    native_call.op[0].access = a->access;
    if (b) {
        native_call.op[1].addr = b->addr;
        native_call.op[1].access = b->access;
    } else {
        native_call.op[1].access = NATIVE_NONE;
    }
    signal_barrier();
}

static inline void native_begin(const NativeOperand *a, const NativeOperand *b,
                                uintptr_t ra)
{
    /* What remained of another call would be taken for this one's. */
    tcg_debug_assert(native_call.op[0].access == NATIVE_NONE);
    native_operands(a, b);
    set_helper_retaddr(ra);
}

static inline target_ulong native_end(target_ulong result)
{
    clear_helper_retaddr();
    native_call.op[0].access = NATIVE_NONE;
    return result;
}

static inline MMUAccessType native_access_type(NativeAccess access)
{
    return access == NATIVE_WRITE ? MMU_DATA_STORE : MMU_DATA_LOAD;
}

/* Does not return for an @addr that no guest can map. */
static inline NativeOperand native_operand(CPUArchState *env, target_ulong addr,
                                           NativeAccess access, uintptr_t ra)
{
    target_ulong untagged = native_untagged(addr);

    if (unlikely(untagged > GUEST_ADDR_MAX)) {
        native_end(0);
        cpu_loop_exit_sigsegv(env_cpu(env), untagged,
                              native_access_type(access), true, ra);
    }
    return (NativeOperand) { addr, access, g2h_untagged(untagged) };
}

/* What follows @bytes of @op */
static inline NativeOperand native_behind(const NativeOperand *op, size_t bytes,
                                          NativeAccess access)
{
    target_ulong addr = op->addr + bytes;

    return (NativeOperand) {
        addr, access, g2h_untagged(native_untagged(addr))
    };
}

/* The call's own, for what is rare: to pass it would cost the other calls. */
static inline NativeOperand native_current(unsigned k)
{
    return native_behind(&native_call.op[k], 0, native_call.op[k].access);
}

/* The guest address of what was found in @op, or NULL */
static inline target_ulong native_found(const NativeOperand *op,
                                        const void *found)
{
    return found ? op->addr + (found - op->host) : 0;
}

/*
 * Cut @n characters of @size bytes at the guard page, of which one stays in:
 * a host function that gets so far faults there.  Where no guard page is
 * needed, keep the end from wrapping inside of the host function.
 */
static inline size_t native_limit(const NativeOperand *op, target_ulong n,
                                  size_t size)
{
    uintptr_t last = reserved_va ? guest_base + reserved_va + 1 : UINTPTR_MAX;
    size_t max = (last - (uintptr_t)op->host) / size;

    return MIN(n, MIN(max, SSIZE_MAX / size - 1) + 1);
}

/* To be called before anything is written: may raise the guest's signal. */
static inline void native_check(CPUArchState *env, const NativeOperand *op,
                                size_t len)
{
    if (unlikely(native_tags_checked(env))) {
        NativeAccess access = native_call.op[0].access;

        /* It may leave by a longjmp. */
        native_call.op[0].access = NATIVE_NONE;
        native_check_tags(env, op->addr, len, native_access_type(op->access),
                          helper_retaddr);
        native_call.op[0].access = access;
    }
}

static inline size_t native_left_in_page(const void *p)
{
    return -((uintptr_t)p | TARGET_PAGE_MASK);
}

/*
 * Whether all of a call is to access these @n characters of @size bytes in one
 * page, which needs no limit, and faults before it has written anything.
 */
static inline bool native_is_short(CPUArchState *env, const NativeOperand *op,
                                   target_ulong n, size_t size)
{
    return likely(n <= native_left_in_page(op->host) / size &&
                  !native_tags_checked(env));
}

/*
 * Fault now, if at all: touch a byte of each page of the @n bytes at @p.  No
 * sanitizer is to judge that.
 */
__attribute__((no_sanitize("address"), no_sanitize("null")))
static void native_touch_host(void *p, size_t n, bool write)
{
    size_t left;

    for (; n; n -= left, p += left) {
        /* volatile, since to access it is all that this does */
        volatile uint8_t *byte = p;
        uint8_t value = *byte;

        if (write) {
            *byte = value;
        }
        left = MIN(n, native_left_in_page(p));
    }
}

static inline void native_touch(const NativeOperand *op, size_t n)
{
    native_touch_host(op->host, n, op->access == NATIVE_WRITE);
}

/*
 * Whether the string @s of characters of @size bytes is empty, without the
 * call that measures it.  Here, too, no sanitizer is to judge.
 */
__attribute__((no_sanitize("address"), no_sanitize("null"),
               no_sanitize("alignment")))
static bool native_is_empty(const void *s, size_t size)
{
    typedef uint32_t __attribute__((aligned(1), may_alias)) AnyWide;

    return size == 1 ? *(const char *)s == 0 : *(const AnyWide *)s == 0;
}

/*
 * Many pages are told faster from the page table.  It does not know where a
 * mapped file ends, though: what overlaps must not find that out too late.
 */
static bool native_pages_good(const NativeOperand *dst,
                              const NativeOperand *src,
                              size_t copy, size_t more)
{
    uintptr_t ahead = (uintptr_t)dst->host - (uintptr_t)src->host;

    return copy + more >= 8 * TARGET_PAGE_SIZE &&
           (copy == 0 || ((ahead >= copy && -ahead >= copy + more) &&
            page_check_range(native_untagged(src->addr), copy, PAGE_READ))) &&
           page_check_range(native_untagged(dst->addr), copy + more,
                            PAGE_WRITE);
}

/* Not inline: it would have short calls save more registers. */
static __attribute__((noinline)) void
native_try(CPUArchState *env, size_t copy, size_t more)
{
    NativeOperand dst = native_current(0), src = native_current(1);

    if (copy) {
        native_check(env, &src, copy);
    }
    native_check(env, &dst, copy + more);
    if (native_pages_good(&dst, &src, copy, more)) {
        return;
    }
    if (copy) {
        native_touch(&src, copy);
        native_touch(&dst, copy);
    }
    if (more) {
        NativeOperand rest = native_behind(&dst, copy, NATIVE_WRITE);

        native_operands(&rest, NULL);
        native_touch(&rest, more);
    }
}

/*
 * Before @copy bytes are copied, and @more written behind them.  A host
 * function copies from either end: within one page it faults before it has
 * written anything, but of several each has to be tried first.
 */
static inline void native_prepare(CPUArchState *env, const NativeOperand *dst,
                                  const NativeOperand *src, size_t copy,
                                  size_t more)
{
    if (unlikely(copy + more > native_left_in_page(dst->host) ||
                 copy > native_left_in_page(src->host) ||
                 native_tags_checked(env))) {
        native_try(env, copy, more);
    }
}

/*
 * To measure a string before it is copied takes half of the time again.  What
 * is longer than these bytes is copied at once: what precedes a bad page may
 * then have been written, as a loop over bytes would have, and the call may
 * still be made again from its beginning.  But not if it moves a string
 * towards its beginning, which is undefined but works with such a loop: the
 * beginning may be lost then.
 */
#define NATIVE_MEASURED (4 * KiB)

static inline bool native_apart(const void *d, const void *s)
{
    return (uintptr_t)s - (uintptr_t)d >= 1 * MiB;
}

/*
 * Before a long call of a host function that may be SSE code: TCG's AVX code
 * leaves the upper halves of registers in use, with which some processors
 * execute that at two thirds of its speed.
 */
static inline void native_clean_registers(void)
{
#ifdef __x86_64__
    if (cpuinfo & CPUINFO_AVX1) {
        asm volatile("vzeroupper");
    }
#endif
}

/*
 * The wide functions of the host take aligned strings only, and its order of
 * characters may not be the guest's.
 */
static inline bool native_misaligned(const void *p)
{
    return (uintptr_t)p % sizeof(wchar_t);
}

/* Index of @wc, and if @string, of the NUL if that comes first; else @n */
static size_t native_wide_index(const wchar_t *s, wchar_t wc, bool string,
                                size_t n)
{
    size_t i;

    native_touch_host((void *)s, 1, false);
    for (i = 0; i < n; i++) {
        wchar_t at = ldl_he_p(s + i);

        if (at == wc || (string && at == 0)) {
            break;
        }
    }
    return i;
}

static inline size_t native_wcsnlen(const wchar_t *s, size_t n)
{
    return native_misaligned(s) ? native_wide_index(s, 0, true, n)
                                : wcsnlen(s, n);
}

static inline size_t native_wcslen(const wchar_t *s)
{
    return native_misaligned(s) ? native_wide_index(s, 0, true, SIZE_MAX)
                                : wcslen(s);
}

static inline wchar_t *native_wmemchr(wchar_t *s, wchar_t wc, size_t n)
{
    size_t i;

    if (!native_misaligned(s)) {
        return wmemchr(s, wc, n);
    }
    i = native_wide_index(s, wc, false, n);
    return i < n ? s + i : NULL;
}

static wchar_t *native_wide_chr(wchar_t *s, wchar_t wc, bool last)
{
    wchar_t *found = NULL;

    do {
        s += native_wide_index(s, wc, true, SIZE_MAX);
        if (ldl_he_p(s) == wc) {
            found = s;
        }
    } while ((last || !found) && ldl_he_p(s++));
    return found;
}

static inline wchar_t *native_wcschr(wchar_t *s, wchar_t wc)
{
    return native_misaligned(s) ? native_wide_chr(s, wc, false)
                                : wcschr(s, wc);
}

static inline wchar_t *native_wcsrchr(wchar_t *s, wchar_t wc)
{
    return native_misaligned(s) ? native_wide_chr(s, wc, true)
                                : wcsrchr(s, wc);
}

static inline void native_wmemset(wchar_t *s, wchar_t wc, size_t n)
{
    if (!native_misaligned(s)) {
        wmemset(s, wc, n);
        return;
    }
    native_touch_host(s, 1, true);
    for (size_t i = 0; i < n; i++) {
        stl_he_p(s + i, wc);
    }
}

/*
 * Where the operands first differ, which do so: comparisons of the host have
 * told, with a number that need not be the guest's.  Within a page, more may be
 * read than they have.
 */
__attribute__((no_sanitize("address"), no_sanitize("alignment")))
static size_t native_difference(const void *p, const void *q)
{
    for (size_t i = 0;;) {
        size_t left = MIN(native_left_in_page(p + i),
                          native_left_in_page(q + i));

        for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
            uint64_t bits = ldq_he_p(p + i) ^ ldq_he_p(q + i);

            if (bits) {
                return i + (HOST_BIG_ENDIAN ? clz64(bits) : ctz64(bits)) / 8;
            }
            i += sizeof(uint64_t);
        }
        for (; left; left--, i++) {
            if (ldub_p(p + i) != ldub_p(q + i)) {
                return i;
            }
        }
    }
}

/* What the guest's C library gives for @n bytes, or strings, that differ */
static int native_byte_order(const void *p, const void *q, size_t n,
                             bool string)
{
    size_t at = native_difference(p, q);
    int diff = ldub_p(p + at) - ldub_p(q + at);

    return !native_only_sign(n, at, string) ? diff : diff < 0 ? -1 : 1;
}

QEMU_BUILD_BUG_ON(sizeof(wchar_t) != sizeof(target_wchar_t));

typedef enum NativeCompare {
    WMEMCMP,
    WCSNCMP,
    WCSCMP,
} NativeCompare;

static int native_wide_compare(const wchar_t *p, const wchar_t *q, size_t n,
                               NativeCompare how)
{
    target_wchar_t a, b;

    if (native_misaligned(p) || native_misaligned(q)) {
        native_touch_host((void *)p, 1, false);
        native_touch_host((void *)q, 1, false);
        while (n > 1 && ldl_he_p(p) == ldl_he_p(q) &&
               !(how != WMEMCMP && ldl_he_p(p) == 0)) {
            p++;
            q++;
            n--;
        }
    } else if (how == WMEMCMP ? wmemcmp(p, q, n) : wcsncmp(p, q, n)) {
        size_t at = native_difference(p, q) / sizeof(*p);

        p += at;
        q += at;
    } else {
        return 0;
    }

    a = tswap32(ldl_he_p(p));
    b = tswap32(ldl_he_p(q));
    if (how == WCSCMP && b == 0 && native_wcscmp_gives_char) {
        return a;
    }
    return a < b ? -1 : a > b;
}

static inline int native_wmemcmp(const wchar_t *p, const wchar_t *q, size_t n)
{
    return native_wide_compare(p, q, n, WMEMCMP);
}

static inline int native_wcsncmp(const wchar_t *p, const wchar_t *q, size_t n)
{
    return native_wide_compare(p, q, n, WCSNCMP);
}

static inline int native_wcscmp(const wchar_t *p, const wchar_t *q)
{
    return native_wide_compare(p, q, SSIZE_MAX / sizeof(*p), WCSCMP);
}

/* The functions that come for bytes and for wchar_t */
#define NATIVE_WIDE 0
#include "string.c.inc"
#undef NATIVE_WIDE
#define NATIVE_WIDE 1
#include "string.c.inc"
#undef NATIVE_WIDE

target_ulong HELPER(native_memccpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong chr,
                                    target_ulong n)
{
    NativeOperand d, s;
    void *found;
    size_t len;

    if (n == 0) {
        return 0;
    }
    d = native_operand(env, dst, NATIVE_WRITE, GETPC());
    s = native_operand(env, src, NATIVE_READ, GETPC());
    native_begin(&d, &s, GETPC());
    len = native_limit(&d, native_limit(&s, n, 1), 1);
    found = memchr(s.host, (uint8_t)chr, len);
    if (found) {
        len = found - s.host + 1;
    }
    native_prepare(env, &d, &s, len, 0);
    memmove(d.host, s.host, len);
    return native_end(found ? dst + len : 0);
}

target_ulong HELPER(native_memrchr)(CPUArchState *env, target_ulong str,
                                    target_ulong chr, target_ulong n)
{
    NativeOperand s, part;
    void *found;
    size_t len;

    if (n == 0) {
        return 0;
    }
    s = native_operand(env, str, NATIVE_READ, GETPC());
    len = native_limit(&s, n, 1);
    part = native_behind(&s, len - 1, NATIVE_READ_DOWN);
    native_begin(&part, NULL, GETPC());
    native_touch(&part, 1);
    found = memrchr(s.host, (uint8_t)chr, len);
    if (unlikely(native_tags_checked(env))) {
        size_t skipped = found ? found - s.host : 0;

        part = native_behind(&s, skipped, NATIVE_READ);
        native_check(env, &part, len - skipped);
    }
    return native_end(native_found(&s, found));
}

target_ulong HELPER(native_rawmemchr)(CPUArchState *env, target_ulong str,
                                      target_ulong chr)
{
    NativeOperand s = native_operand(env, str, NATIVE_READ, GETPC());
    void *found;

    native_begin(&s, NULL, GETPC());
    found = memchr(s.host, (uint8_t)chr, native_limit(&s, -1, 1));
    native_check(env, &s, found - s.host + 1);
    return native_end(native_found(&s, found));
}

target_ulong HELPER(native_memmem)(CPUArchState *env, target_ulong hay,
                                   target_ulong hay_n, target_ulong needle,
                                   target_ulong needle_n)
{
    NativeOperand h, n;
    void *found;
    size_t len;

    if (needle_n == 0 || needle_n > hay_n) {
        return needle_n ? 0 : hay;
    }
    n = native_operand(env, needle, NATIVE_READ, GETPC());
    native_begin(&n, NULL, GETPC());
    needle_n = native_limit(&n, needle_n, 1);
    native_check(env, &n, needle_n);
    native_touch(&n, needle_n);

    h = native_operand(env, hay, NATIVE_READ, GETPC());
    native_operands(&h, NULL);
    len = native_limit(&h, hay_n, 1);
    found = memmem(h.host, len, n.host, needle_n);
    native_check(env, &h, found ? found - h.host + needle_n : len);
    return native_end(native_found(&h, found));
}

target_ulong HELPER(native_strchrnul)(CPUArchState *env, target_ulong str,
                                      target_ulong chr)
{
    NativeOperand s = native_operand(env, str, NATIVE_READ, GETPC());
    void *found;

    native_begin(&s, NULL, GETPC());
    found = strchrnul(s.host, (uint8_t)chr);
    native_check(env, &s, found - s.host + 1);
    return native_end(native_found(&s, found));
}

typedef struct NativeSearch {
    NativeOperand s, set;
    size_t set_len;
} NativeSearch;

/*
 * Begin a call that reads all of the string @set before it looks at @str, so
 * that a fault is of one of them alone.
 */
static inline NativeSearch native_begin_search(CPUArchState *env,
                                               target_ulong str,
                                               target_ulong set, uintptr_t ra)
{
    NativeSearch c;

    c.set = native_operand(env, set, NATIVE_READ, ra);
    native_begin(&c.set, NULL, ra);
    c.set_len = strlen(c.set.host);
    native_check(env, &c.set, c.set_len + 1);
    /* The compiler may take the length for unused, and leave strlen() out. */
    native_touch(&c.set, c.set_len + 1);
    c.s = native_operand(env, str, NATIVE_READ, ra);
    native_operands(&c.s, NULL);
    return c;
}

target_ulong HELPER(native_strstr)(CPUArchState *env, target_ulong str,
                                   target_ulong needle)
{
    NativeSearch c = native_begin_search(env, str, needle, GETPC());
    void *found = strstr(c.s.host, c.set.host);

    if (unlikely(native_tags_checked(env)) && c.set_len) {
        native_check(env, &c.s, found ? found - c.s.host + c.set_len
                                      : strlen(c.s.host) + 1);
    }
    return native_end(native_found(&c.s, found));
}

target_ulong HELPER(native_strspn)(CPUArchState *env, target_ulong str,
                                   target_ulong set)
{
    NativeSearch c = native_begin_search(env, str, set, GETPC());
    size_t ret = strspn(c.s.host, c.set.host);

    native_check(env, &c.s, c.set_len ? ret + 1 : 0);
    return native_end(ret);
}

target_ulong HELPER(native_strcspn)(CPUArchState *env, target_ulong str,
                                    target_ulong set)
{
    NativeSearch c = native_begin_search(env, str, set, GETPC());
    size_t ret = strcspn(c.s.host, c.set.host);

    native_check(env, &c.s, ret + 1);
    return native_end(ret);
}

target_ulong HELPER(native_strpbrk)(CPUArchState *env, target_ulong str,
                                    target_ulong set)
{
    NativeSearch c = native_begin_search(env, str, set, GETPC());
    void *found = strpbrk(c.s.host, c.set.host);

    if (unlikely(native_tags_checked(env))) {
        native_check(env, &c.s, (found ? found - c.s.host
                                       : strlen(c.s.host)) + 1);
    }
    return native_end(native_found(&c.s, found));
}

void HELPER(native_bypass_count)(void *count)
{
    qatomic_inc((uint64_t *)count);
}

/*
 * The offset of the first byte from @addr to @last without @prot, or -1.  It is
 * looked for in the operand's pages: all of a process' mappings may be many.
 */
static uint64_t native_first_bad(uint64_t addr, uint64_t last, int prot)
{
    uint64_t good = addr >> TARGET_PAGE_BITS;
    uint64_t bad = (MIN(last, GUEST_ADDR_MAX) >> TARGET_PAGE_BITS) + 1;

    if (last < addr) {
        return -1;
    }
    while (good < bad) {
        uint64_t mid = good + (bad - good) / 2;

        if (page_check_range(good << TARGET_PAGE_BITS,
                             (mid - good + 1) << TARGET_PAGE_BITS, prot)) {
            good = mid + 1;
        } else {
            bad = mid;
        }
    }
    bad <<= TARGET_PAGE_BITS;
    return bad > last ? -1 : MAX(bad, addr) - addr;
}

/*
 * Whether the page table allows what has faulted.  Then another thread has
 * mended the page, or it was protected for its translated code: not all hosts'
 * host_signal_write() know of each store that it is one.
 */
static bool native_is_allowed(uint64_t fault, MMUAccessType access_type)
{
    static __thread uint64_t unsure = -1;
    const NativeOperand *dst = &native_call.op[0];
    bool write = dst->access == NATIVE_WRITE &&
                 native_untagged(dst->addr) <= (fault | ~TARGET_PAGE_MASK);
    bool again = fault == unsure;

    unsure = -1;
    if (write && page_check_range(fault, 1, PAGE_WRITE)) {
        return true;
    }
    if (access_type == MMU_DATA_STORE ||
        !page_check_range(fault, 1, PAGE_READ)) {
        return false;
    }
    if (write && !again) {
        /* The first operand may end before: see whether it faults again. */
        unsure = fault;
    }
    return !write || !again;
}

/* Not PAGE_WRITE: to ask for that takes the protection of code away. */
static int native_prot(const NativeOperand *op)
{
    return op->access == NATIVE_WRITE ? PAGE_WRITE_ORG : PAGE_READ;
}

/*
 * A host function may touch the end of its operands before their beginning,
 * and bytes below them in the same page.  The page table tells what is bad.
 */
static void native_first_fault(uint64_t fault, MMUAccessType *access_type,
                               abi_ulong *guest_addr)
{
    uint64_t bad = -1;
    int k;

    fault |= ~TARGET_PAGE_MASK;

    /*
     * First the operand that begins less far below the fault: if that is the
     * other one's, the call has come farther, so that no more is looked at than
     * its operands.  It comes once more: it may be bad behind the fault, but
     * before the other.
     */
    k = fault - native_untagged(native_call.op[1].addr) <=
        fault - native_untagged(native_call.op[0].addr);
    for (int i = 0; i < 3; i++, k = !k) {
        const NativeOperand *op = &native_call.op[k];
        target_ulong start = native_untagged(op->addr);
        /* At the same offset, too: what is copied is read first. */
        uint64_t end = start + bad + k;
        uint64_t last = bad == -1 ? fault
                      : end - 1 < start ? UINT64_MAX : end - 1;
        uint64_t b = op->access != NATIVE_NONE && (bad || k)
                   ? native_first_bad(start, last, native_prot(op)) : -1;

        if (b != -1) {
            bad = b;
            *guest_addr = start + b;
            *access_type = native_access_type(op->access);
        }
    }
}

/*
 * Only the fault itself tells where a mapped file ends: the page is right, but
 * its bytes below the operand are none of it.
 */
static void native_first_bus_error(uint64_t fault, abi_ulong *guest_addr)
{
    *guest_addr = fault & TARGET_PAGE_MASK;
    for (int k = 1; k >= 0; k--) {
        const NativeOperand *op = &native_call.op[k];
        target_ulong start = native_untagged(op->addr);

        if (op->access != NATIVE_NONE &&
            (start & TARGET_PAGE_MASK) == *guest_addr) {
            *guest_addr = start;
            break;
        }
    }
}

NativeFault native_bypass_fault(const siginfo_t *info,
                                MMUAccessType *access_type,
                                abi_ulong *guest_addr)
{
    uint64_t fault = (uintptr_t)info->si_addr - guest_base;
    /*
     * The guard page is not, nor is a non-canonical address, for which an x86
     * host has no number, but SI_KERNEL.
     */
    bool in_table = fault <= GUEST_ADDR_MAX &&
                    (info->si_code == SEGV_MAPERR ||
                     info->si_code == SEGV_ACCERR);
    NativeFault ret = NATIVE_FAULT_GUEST;

    if (native_call.op[0].access == NATIVE_NONE || helper_retaddr == 0) {
        return NATIVE_FAULT_NONE;
    }
#ifdef CONFIG_DEBUG_TCG
    /* Test what it comes to on hosts that do not know of each store. */
    *access_type = MMU_DATA_LOAD;
#endif

    mmap_lock();
    if (native_call.op[0].access == NATIVE_READ_AHEAD) {
        native_call.careful = true;
        ret = NATIVE_FAULT_RETRY;
    } else if (info->si_signo == SIGSEGV && in_table &&
               native_is_allowed(fault, *access_type)) {
        ret = NATIVE_FAULT_ALLOWED;
    } else if (native_call.op[0].access == NATIVE_READ_DOWN) {
        *guest_addr = MIN(fault | ~TARGET_PAGE_MASK,
                          native_untagged(native_call.op[0].addr));
    } else if (info->si_signo == SIGSEGV) {
        native_first_fault(fault, access_type, guest_addr);
    } else {
        native_first_bus_error(fault, guest_addr);
    }
    mmap_unlock();

    if (ret != NATIVE_FAULT_ALLOWED) {
        /* The call is left. */
        native_call.op[0].access = NATIVE_NONE;
    }
    return ret;
}
