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
#include "accel/tcg/cpu-ldst.h"
#include "accel/tcg/getpc.h"
#include "accel/tcg/helper-retaddr.h"
#include "exec/helper-proto-common.h"
#include "exec/mmap-lock.h"
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
 * What a call does through its operands.  If through both, then at the same
 * pace, as a loop over bytes would.
 */
enum {
    ARG0_READ = 1 << 0,
    ARG0_WRITE = 1 << 1,
    ARG1_READ = 1 << 2,
    /* The first operand is read from its last byte, the argument, down. */
    ARG0_READ_DOWN = 1 << 3,
    /* The host function may read what such a loop would not come to. */
    CARELESS = 1 << 4,
};

/* The call under way, for native_bypass_fault(). */
static __thread struct {
    uintptr_t ra;               /* 0: none */
    unsigned access;
    target_ulong arg[2];        /* guest addresses, untagged */
    bool careful;               /* a CARELESS call has faulted */
} native_call;

typedef struct NativeCall {
    CPUArchState *env;
    uintptr_t ra;
} NativeCall;

static inline void native_operands(unsigned access, target_ulong arg0,
                                   target_ulong arg1)
{
    signal_barrier();
    native_call.access = access;
    native_call.arg[0] = native_untagged(arg0);
    native_call.arg[1] = native_untagged(arg1);
    signal_barrier();
}

static inline NativeCall native_begin(CPUArchState *env, uintptr_t ra,
                                      unsigned access,
                                      target_ulong arg0, target_ulong arg1)
{
    /* What remained of another call would be taken for this one's. */
    tcg_debug_assert(native_call.ra == 0);
    native_operands(access, arg0, arg1);
    native_call.ra = ra;
    set_helper_retaddr(ra);
    return (NativeCall) { .env = env, .ra = ra };
}

static inline target_ulong native_end(target_ulong result)
{
    clear_helper_retaddr();
    native_call.ra = 0;
    return result;
}

/* A host pointer for @addr; does not return for one that no guest can map. */
static inline void *native_ptr(NativeCall c, target_ulong addr,
                               MMUAccessType access_type)
{
    addr = native_untagged(addr);
    if (unlikely(addr > guest_addr_max)) {
        native_end(0);
        cpu_loop_exit_sigsegv(env_cpu(c.env), addr, access_type, true, c.ra);
    }
    return g2h_untagged(addr);
}

/* The guest address of what was found in @host, at @addr, or NULL. */
static inline target_ulong native_found(target_ulong addr, const void *host,
                                        const void *found)
{
    return found ? addr + (found - host) : 0;
}

/*
 * Cut @n characters of @size bytes at the guard page, of which one stays in:
 * a host function that gets so far faults there.  Where no guard page is
 * needed, keep the end from wrapping inside of the host function.
 */
static inline size_t native_limit(const void *host, target_ulong n,
                                  size_t size)
{
    uintptr_t last = reserved_va ? guest_base + reserved_va + 1 : UINTPTR_MAX;
    size_t max = (last - (uintptr_t)host) / size;

    return MIN(n, MIN(max, SSIZE_MAX / size - 1) + 1);
}

/* To be called before anything is written: may raise the guest's signal. */
static inline void native_check(NativeCall c, target_ulong addr, size_t len,
                                MMUAccessType access_type)
{
    if (unlikely(native_tags_checked(c.env))) {
        /* It may leave by a longjmp. */
        native_call.ra = 0;
        native_check_tags(c.env, addr, len, access_type, c.ra);
        native_call.ra = c.ra;
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
static inline bool native_is_short(NativeCall c, const void *p, target_ulong n,
                                   size_t size)
{
    return likely(n <= native_left_in_page(p) / size &&
                  !native_tags_checked(c.env));
}

/*
 * Fault now, if at all: touch a byte of each page of the @n bytes at @p.  No
 * sanitizer is to judge that.
 */
__attribute__((no_sanitize("address"), no_sanitize("null")))
static void native_touch(void *p, size_t n, bool write)
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
static bool native_pages_good(target_ulong dst, const void *d,
                              target_ulong src, const void *s,
                              size_t copy, size_t more)
{
    uintptr_t ahead = (uintptr_t)d - (uintptr_t)s;

    return copy + more >= 8 * TARGET_PAGE_SIZE &&
           (copy == 0 || (ahead >= copy && -ahead >= copy + more)) &&
           page_check_range(native_untagged(src), copy, PAGE_READ) &&
           page_check_range(native_untagged(dst), copy + more, PAGE_WRITE);
}

/*
 * Before @copy bytes are copied, and @more written behind them.  A host
 * function copies from either end: within one page it faults before it has
 * written anything, but of several each has to be tried first.
 */
static inline void native_prepare(NativeCall c, target_ulong dst, void *d,
                                  target_ulong src, void *s, size_t copy,
                                  size_t more)
{
    native_check(c, src, copy, MMU_DATA_LOAD);
    native_check(c, dst, copy + more, MMU_DATA_STORE);

    if ((copy + more > native_left_in_page(d) ||
         copy > native_left_in_page(s)) &&
        !native_pages_good(dst, d, src, s, copy, more)) {
        native_touch(s, copy, false);
        native_touch(d, copy, true);
        if (more) {
            native_operands(ARG0_WRITE, dst + copy, 0);
            native_touch(d + copy, more, true);
        }
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

    native_touch((void *)s, 1, false);
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
    native_touch(s, 1, true);
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
        native_touch((void *)p, 1, false);
        native_touch((void *)q, 1, false);
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
    NativeCall c;
    void *d, *s, *found;
    size_t len;

    if (n == 0) {
        return 0;
    }
    c = native_begin(env, GETPC(), ARG0_WRITE | ARG1_READ, dst, src);
    d = native_ptr(c, dst, MMU_DATA_STORE);
    s = native_ptr(c, src, MMU_DATA_LOAD);
    len = native_limit(d, native_limit(s, n, 1), 1);
    found = memchr(s, (uint8_t)chr, len);
    if (found) {
        len = found - s + 1;
    }
    native_prepare(c, dst, d, src, s, len, 0);
    memmove(d, s, len);
    return native_end(found ? dst + len : 0);
}

target_ulong HELPER(native_memrchr)(CPUArchState *env, target_ulong s,
                                    target_ulong chr, target_ulong n)
{
    NativeCall c;
    void *p, *found;
    size_t len;

    if (n == 0) {
        return 0;
    }
    c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    p = native_ptr(c, s, MMU_DATA_LOAD);
    len = native_limit(p, n, 1);
    native_operands(ARG0_READ_DOWN, s + len - 1, 0);
    native_touch(p + len - 1, 1, false);
    found = memrchr(p, (uint8_t)chr, len);
    if (unlikely(native_tags_checked(env))) {
        size_t skipped = found ? found - p : 0;

        native_check(c, s + skipped, len - skipped, MMU_DATA_LOAD);
    }
    return native_end(native_found(s, p, found));
}

target_ulong HELPER(native_rawmemchr)(CPUArchState *env, target_ulong s,
                                      target_ulong chr)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    void *p = native_ptr(c, s, MMU_DATA_LOAD);
    void *found = memchr(p, (uint8_t)chr, native_limit(p, -1, 1));

    native_check(c, s, found - p + 1, MMU_DATA_LOAD);
    return native_end(native_found(s, p, found));
}

target_ulong HELPER(native_memmem)(CPUArchState *env, target_ulong hay,
                                   target_ulong hay_n, target_ulong needle,
                                   target_ulong needle_n)
{
    NativeCall c;
    void *p, *q, *found;
    size_t len;

    if (needle_n == 0 || needle_n > hay_n) {
        return needle_n ? 0 : hay;
    }
    c = native_begin(env, GETPC(), ARG0_READ, needle, 0);
    q = native_ptr(c, needle, MMU_DATA_LOAD);
    needle_n = native_limit(q, needle_n, 1);
    native_check(c, needle, needle_n, MMU_DATA_LOAD);
    native_touch(q, needle_n, false);

    native_operands(ARG0_READ, hay, 0);
    p = native_ptr(c, hay, MMU_DATA_LOAD);
    len = native_limit(p, hay_n, 1);
    found = memmem(p, len, q, needle_n);
    native_check(c, hay, found ? found - p + needle_n : len, MMU_DATA_LOAD);
    return native_end(native_found(hay, p, found));
}

target_ulong HELPER(native_strchrnul)(CPUArchState *env, target_ulong s,
                                      target_ulong chr)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    char *p = native_ptr(c, s, MMU_DATA_LOAD);
    char *found = strchrnul(p, (uint8_t)chr);

    native_check(c, s, found - p + 1, MMU_DATA_LOAD);
    return native_end(native_found(s, p, found));
}

/*
 * Begin a call that reads all of the string @set before it looks at @s, so
 * that a fault is of one of them alone.
 */
static inline NativeCall native_begin_set(CPUArchState *env, uintptr_t ra,
                                          target_ulong s, target_ulong set,
                                          char **p, char **q, size_t *q_len)
{
    NativeCall c = native_begin(env, ra, ARG0_READ, set, 0);

    *q = native_ptr(c, set, MMU_DATA_LOAD);
    *q_len = strlen(*q);
    native_check(c, set, *q_len + 1, MMU_DATA_LOAD);
    /* The compiler may take the length for unused, and leave strlen() out. */
    native_touch(*q, *q_len + 1, false);
    native_operands(ARG0_READ, s, 0);
    *p = native_ptr(c, s, MMU_DATA_LOAD);
    return c;
}

target_ulong HELPER(native_strstr)(CPUArchState *env, target_ulong s,
                                   target_ulong needle)
{
    char *p, *q, *found;
    size_t len;
    NativeCall c = native_begin_set(env, GETPC(), s, needle, &p, &q, &len);

    found = strstr(p, q);
    if (unlikely(native_tags_checked(env)) && len) {
        native_check(c, s, found ? found - p + len : strlen(p) + 1,
                     MMU_DATA_LOAD);
    }
    return native_end(native_found(s, p, found));
}

target_ulong HELPER(native_strspn)(CPUArchState *env, target_ulong s,
                                   target_ulong set)
{
    char *p, *q;
    size_t len;
    NativeCall c = native_begin_set(env, GETPC(), s, set, &p, &q, &len);
    size_t ret = strspn(p, q);

    native_check(c, s, len ? ret + 1 : 0, MMU_DATA_LOAD);
    return native_end(ret);
}

/* Where the first of @set is in @s: as a length, or as a pointer or NULL */
target_ulong HELPER(native_strcspn)(CPUArchState *env, target_ulong s,
                                    target_ulong set)
{
    char *p, *q;
    size_t len;
    NativeCall c = native_begin_set(env, GETPC(), s, set, &p, &q, &len);
    size_t ret = strcspn(p, q);

    native_check(c, s, ret + 1, MMU_DATA_LOAD);
    return native_end(ret);
}

target_ulong HELPER(native_strpbrk)(CPUArchState *env, target_ulong s,
                                    target_ulong set)
{
    char *p, *q, *found;
    size_t len;
    NativeCall c = native_begin_set(env, GETPC(), s, set, &p, &q, &len);

    found = strpbrk(p, q);
    if (unlikely(native_tags_checked(env))) {
        native_check(c, s, (found ? found - p : strlen(p)) + 1, MMU_DATA_LOAD);
    }
    return native_end(native_found(s, p, found));
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
    uint64_t bad = (MIN(last, guest_addr_max) >> TARGET_PAGE_BITS) + 1;

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
    bool write = (native_call.access & ARG0_WRITE) &&
                 native_call.arg[0] <= (fault | ~TARGET_PAGE_MASK);
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

/*
 * A host function may touch the end of its operands before their beginning,
 * and bytes below them in the same page.  The page table tells what is bad.
 */
static void native_first_fault(uint64_t fault, MMUAccessType *access_type,
                               abi_ulong *guest_addr)
{
    const unsigned access = native_call.access;
    /* Not PAGE_WRITE: to ask for that takes the protection of code away. */
    const int prot[2] = {
        access & ARG0_READ ? PAGE_READ
                           : access & ARG0_WRITE ? PAGE_WRITE_ORG : 0,
        access & ARG1_READ ? PAGE_READ : 0,
    };
    uint64_t bad = -1;
    int k;

    fault |= ~TARGET_PAGE_MASK;

    /*
     * First the operand that begins less far below the fault: if that is the
     * other one's, the call has come farther, so that no more is looked at than
     * its operands.  It comes once more: it may be bad behind the fault, but
     * before the other.
     */
    k = fault - native_call.arg[1] <= fault - native_call.arg[0];
    for (int i = 0; i < 3; i++, k = !k) {
        target_ulong arg = native_call.arg[k];
        /* At the same offset, too: what is copied is read first. */
        uint64_t end = arg + bad + k;
        uint64_t last = bad == -1 ? fault
                      : end - 1 < arg ? UINT64_MAX : end - 1;
        uint64_t b = prot[k] && (bad || k)
                   ? native_first_bad(arg, last, prot[k]) : -1;

        if (b != -1) {
            bad = b;
            *guest_addr = arg + b;
            *access_type = prot[k] == PAGE_READ ? MMU_DATA_LOAD
                                                : MMU_DATA_STORE;
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
    for (int k = native_call.access & ARG1_READ ? 1 : 0; k >= 0; k--) {
        target_ulong arg = native_call.arg[k];

        if ((arg & TARGET_PAGE_MASK) == *guest_addr) {
            *guest_addr = arg;
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
    bool in_table = fault <= guest_addr_max &&
                    (info->si_code == SEGV_MAPERR ||
                     info->si_code == SEGV_ACCERR);
    NativeFault ret = NATIVE_FAULT_GUEST;

    if (native_call.ra == 0 || native_call.ra != helper_retaddr) {
        return NATIVE_FAULT_NONE;
    }
#ifdef CONFIG_DEBUG_TCG
    /* Test what it comes to on hosts that do not know of each store. */
    *access_type = MMU_DATA_LOAD;
#endif

    mmap_lock();
    if (native_call.access & CARELESS) {
        native_call.careful = true;
        ret = NATIVE_FAULT_RETRY;
    } else if (info->si_signo == SIGSEGV && in_table &&
               native_is_allowed(fault, *access_type)) {
        ret = NATIVE_FAULT_ALLOWED;
    } else if (native_call.access & ARG0_READ_DOWN) {
        *guest_addr = MIN(fault | ~TARGET_PAGE_MASK, native_call.arg[0]);
    } else if (info->si_signo == SIGSEGV) {
        native_first_fault(fault, access_type, guest_addr);
    } else {
        native_first_bus_error(fault, guest_addr);
    }
    mmap_unlock();

    if (ret != NATIVE_FAULT_ALLOWED) {
        /* The call is left.  Its return address may be that of another one. */
        native_call.ra = 0;
    }
    return ret;
}
