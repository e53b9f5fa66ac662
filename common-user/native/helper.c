/*
 * Native bypass: the TCG helpers, where guest addresses become host pointers
 *
 * Each helper is one function of the C library, made by the host's on guest
 * memory.  What holds for all of them:
 *
 * - A fault unwinds to the guest's PC of the call, and the call may then be
 *   made again from its beginning: a helper changes nothing that this would
 *   see.  Copies and fills can be repeated, unless they overlap.
 * - Host functions that scan without a length stop at the guard page that
 *   native_bypass_init() puts behind a limited guest address space; those
 *   that take a length get one that ends in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cpu_ldst.h"
#include "exec/exec-all.h"
#include "exec/helper-proto-common.h"
#include "user/cpu_loop.h"
#include "user/guest-host.h"
#include "user/native-bypass.h"
#include "user/page-protection.h"

#define HELPER_H "common-user/native/helper.h"
#include "exec/helper-proto.h.inc"
#undef HELPER_H

#ifdef TARGET_AARCH64
#include "tcg/native-bypass.h"
#else
static inline target_ulong native_untagged(target_ulong addr)
{
    return addr;
}

static inline bool native_tags_checked(CPUArchState *env)
{
    return false;
}

static inline void native_check_tags(CPUArchState *env, target_ulong addr,
                                     size_t len, MMUAccessType access_type,
                                     uintptr_t ra)
{
    g_assert_not_reached();
}
#endif

/* What a call does through its first and its second argument. */
enum {
    ARG0_READ = 1 << 0,
    ARG0_WRITE = 1 << 1,
    ARG1_READ = 1 << 2,
};

/* The call under way, for native_bypass_fault(). */
static __thread struct {
    uintptr_t ra;               /* 0: none */
    unsigned access;
    target_ulong arg[2];        /* guest addresses, untagged */
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
    native_operands(access, arg0, arg1);
    native_call.ra = ra;
    set_helper_retaddr(ra);
    return (NativeCall) { .env = env, .ra = ra };
}

static inline void native_end(void)
{
    clear_helper_retaddr();
    native_call.ra = 0;
}

/* A host pointer for @addr; does not return for one that no guest can map. */
static inline void *native_ptr(NativeCall c, target_ulong addr,
                               MMUAccessType access_type)
{
    addr = native_untagged(addr);
    if (unlikely(addr > GUEST_ADDR_MAX)) {
        native_end();
        cpu_loop_exit_sigsegv(env_cpu(c.env), addr, access_type, true, c.ra);
    }
    return g2h_untagged(addr);
}

/*
 * Cut @n at the guard page, of which one byte stays in: a host function that
 * gets so far faults there.  Where no guard page is needed, keep @host + @n
 * from wrapping inside of the host function.
 */
static inline size_t native_len(const void *host, target_ulong n)
{
    size_t max = SSIZE_MAX;

    if (reserved_va) {
        max = guest_base + reserved_va + 2 - (uintptr_t)host;
    }
    return MIN(n, max);
}

/* To be called before anything is written: may raise the guest's signal. */
static inline void native_check(NativeCall c, target_ulong addr, size_t len,
                                MMUAccessType access_type)
{
    if (unlikely(native_tags_checked(c.env))) {
        native_check_tags(c.env, addr, len, access_type, c.ra);
    }
}

/* Fault now, if at all: touch a byte of each page of the @n > 0 at @p. */
static void native_touch(void *p, size_t n, bool write)
{
    /* volatile, since to access them is all that this does */
    volatile uint8_t *byte = p, *last = byte + n - 1;

    while (byte <= last) {
        uint8_t value = *byte;

        if (write) {
            *byte = value;
        }
        byte = (void *)(((uintptr_t)byte | ~TARGET_PAGE_MASK) + 1);
    }
}

/*
 * Copy as if through a buffer.  If source and destination overlap, a fault
 * in the middle would leave a source that cannot be copied again.
 */
static inline void native_move(void *dst, void *src, size_t n)
{
    uintptr_t ahead = (uintptr_t)dst - (uintptr_t)src;

    if (unlikely((ahead < n || -ahead < n) && ahead)) {
        native_touch(src, n, false);
        native_touch(dst, n, true);
    }
    memmove(dst, src, n);
}

target_ulong HELPER(native_memmove)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    NativeCall c;
    void *d, *s;
    size_t len;

    if (n == 0) {
        return dst;
    }
    c = native_begin(env, GETPC(), ARG0_WRITE | ARG1_READ, dst, src);
    d = native_ptr(c, dst, MMU_DATA_STORE);
    s = native_ptr(c, src, MMU_DATA_LOAD);
    len = native_len(d, native_len(s, n));
    native_check(c, src, len, MMU_DATA_LOAD);
    native_check(c, dst, len, MMU_DATA_STORE);
    native_move(d, s, len);
    native_end();
    return dst;
}

/* There are guests that overlap; the host's memcpy() is no faster. */
target_ulong HELPER(native_memcpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src, target_ulong n)
    __attribute__((alias("helper_native_memmove")));

target_ulong HELPER(native_memset)(CPUArchState *env, target_ulong dst,
                                   target_ulong val, target_ulong n)
{
    NativeCall c;
    void *d;
    size_t len;

    if (n == 0) {
        return dst;
    }
    c = native_begin(env, GETPC(), ARG0_WRITE, dst, 0);
    d = native_ptr(c, dst, MMU_DATA_STORE);
    len = native_len(d, n);
    native_check(c, dst, len, MMU_DATA_STORE);
    memset(d, (uint8_t)val, len);
    native_end();
    return dst;
}

/* Up to where two operands are read: tag checks are too rare to be fast. */
static void native_check_compare(NativeCall c, target_ulong a, target_ulong b,
                                 const uint8_t *p, const uint8_t *q,
                                 size_t len, bool string)
{
    size_t i = 0;

    while (i + 1 < len && p[i] == q[i] && !(string && p[i] == 0)) {
        i++;
    }
    native_check(c, a, i + 1, MMU_DATA_LOAD);
    native_check(c, b, i + 1, MMU_DATA_LOAD);
}

static inline target_ulong native_compare(CPUArchState *env, target_ulong a,
                                          target_ulong b, target_ulong n,
                                          bool string, uintptr_t ra)
{
    NativeCall c;
    void *p, *q;
    size_t len;
    int ret;

    if (n == 0) {
        return 0;
    }
    c = native_begin(env, ra, ARG0_READ | ARG1_READ, a, b);
    p = native_ptr(c, a, MMU_DATA_LOAD);
    q = native_ptr(c, b, MMU_DATA_LOAD);
    len = native_len(p, native_len(q, n));
    if (unlikely(native_tags_checked(env))) {
        native_check_compare(c, a, b, p, q, len, string);
    }
    ret = string ? strncmp(p, q, len) : memcmp(p, q, len);
    native_end();
    return (target_long)ret;
}

target_ulong HELPER(native_memcmp)(CPUArchState *env, target_ulong a,
                                   target_ulong b, target_ulong n)
{
    return native_compare(env, a, b, n, false, GETPC());
}

target_ulong HELPER(native_strncmp)(CPUArchState *env, target_ulong a,
                                    target_ulong b, target_ulong n)
{
    return native_compare(env, a, b, n, true, GETPC());
}

target_ulong HELPER(native_memchr)(CPUArchState *env, target_ulong s,
                                   target_ulong val, target_ulong n)
{
    NativeCall c;
    void *p, *found;
    size_t len;

    if (n == 0) {
        return 0;
    }
    c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    p = native_ptr(c, s, MMU_DATA_LOAD);
    len = native_len(p, n);
    found = memchr(p, (uint8_t)val, len);
    native_check(c, s, found ? found - p + 1 : len, MMU_DATA_LOAD);
    native_end();
    return found ? s + (found - p) : 0;
}

target_ulong HELPER(native_strlen)(CPUArchState *env, target_ulong s)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    size_t ret = strlen(native_ptr(c, s, MMU_DATA_LOAD));

    native_check(c, s, ret + 1, MMU_DATA_LOAD);
    native_end();
    return ret;
}

target_ulong HELPER(native_strnlen)(CPUArchState *env, target_ulong s,
                                    target_ulong n)
{
    NativeCall c;
    void *p;
    size_t len, ret;

    if (n == 0) {
        return 0;
    }
    c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    p = native_ptr(c, s, MMU_DATA_LOAD);
    len = native_len(p, n);
    ret = strnlen(p, len);
    native_check(c, s, MIN(ret + 1, len), MMU_DATA_LOAD);
    native_end();
    return ret;
}

target_ulong HELPER(native_strcpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_WRITE | ARG1_READ,
                                dst, src);
    void *d = native_ptr(c, dst, MMU_DATA_STORE);
    void *s = native_ptr(c, src, MMU_DATA_LOAD);
    size_t len = native_len(d, strlen(s) + 1);

    native_check(c, src, len, MMU_DATA_LOAD);
    native_check(c, dst, len, MMU_DATA_STORE);
    native_move(d, s, len);
    native_end();
    return dst;
}

target_ulong HELPER(native_strncpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    NativeCall c;
    void *d, *s;
    size_t len, used;

    if (n == 0) {
        return dst;
    }
    c = native_begin(env, GETPC(), ARG0_WRITE | ARG1_READ, dst, src);
    d = native_ptr(c, dst, MMU_DATA_STORE);
    s = native_ptr(c, src, MMU_DATA_LOAD);
    len = native_len(d, n);
    used = strnlen(s, native_len(s, len));
    native_check(c, src, MIN(used + 1, len), MMU_DATA_LOAD);
    native_check(c, dst, len, MMU_DATA_STORE);
    native_move(d, s, used);
    memset(d + used, 0, len - used);
    native_end();
    return dst;
}

target_ulong HELPER(native_strcat)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_READ, dst, 0);
    uint8_t *d = native_ptr(c, dst, MMU_DATA_STORE);
    uint8_t *s = native_ptr(c, src, MMU_DATA_LOAD);
    size_t used = strlen((char *)d);
    size_t len;

    native_check(c, dst, used + 1, MMU_DATA_LOAD);
    dst += used;
    d += used;
    native_operands(ARG0_WRITE | ARG1_READ, dst, src);
    len = native_len(d, strlen((char *)s) + 1);
    native_check(c, src, len, MMU_DATA_LOAD);
    native_check(c, dst, len, MMU_DATA_STORE);

    /* The old terminator stands until all the rest is in place. */
    native_move(d + 1, s + 1, len - 1);
    *d = *s;
    native_end();
    return dst - used;
}

target_ulong HELPER(native_strcmp)(CPUArchState *env, target_ulong a,
                                   target_ulong b)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_READ | ARG1_READ, a, b);
    void *p = native_ptr(c, a, MMU_DATA_LOAD);
    void *q = native_ptr(c, b, MMU_DATA_LOAD);
    int ret;

    if (unlikely(native_tags_checked(env))) {
        native_check_compare(c, a, b, p, q, SIZE_MAX, true);
    }
    ret = strcmp(p, q);
    native_end();
    return (target_long)ret;
}

target_ulong HELPER(native_strchr)(CPUArchState *env, target_ulong s,
                                   target_ulong val)
{
    NativeCall c = native_begin(env, GETPC(), ARG0_READ, s, 0);
    char *p = native_ptr(c, s, MMU_DATA_LOAD);
    char *found = strchr(p, (uint8_t)val);

    if (unlikely(native_tags_checked(env))) {
        native_check(c, s, (found ? found - p : strlen(p)) + 1, MMU_DATA_LOAD);
    }
    native_end();
    return found ? s + (found - p) : 0;
}

void HELPER(native_bypass_count)(void *count)
{
    qatomic_inc((uint64_t *)count);
}

typedef struct NativeWalk {
    uint64_t addr;              /* no byte below this is bad */
    uint64_t last;
    unsigned long prot;         /* any of these will do */
} NativeWalk;

static int native_walk_region(void *opaque, target_ulong start,
                              target_ulong end, unsigned long prot)
{
    NativeWalk *w = opaque;
    target_ulong last = end - 1;

    if (last < w->addr) {
        return 0;
    }
    if (start > w->addr || !(prot & w->prot)) {
        return 1;
    }
    w->addr = (uint64_t)last + 1;
    return w->addr > w->last;
}

/* The offset of the first byte from @addr to @last without @prot, or -1. */
static uint64_t native_first_bad(uint64_t addr, uint64_t last,
                                 unsigned long prot)
{
    NativeWalk w = { .addr = addr, .last = last, .prot = prot };

    if (last < addr) {
        return -1;
    }
    walk_memory_regions(&w, native_walk_region);
    return w.addr > last ? -1 : w.addr - addr;
}

bool native_bypass_fault(uintptr_t host_addr, bool is_write,
                         abi_ulong *guest_addr)
{
    const unsigned access = native_call.access;
    const unsigned long write = PAGE_WRITE | PAGE_WRITE_ORG;
    const unsigned long prot[2] = {
        access & ARG0_READ ? PAGE_READ : access & ARG0_WRITE ? write : 0,
        access & ARG1_READ ? PAGE_READ : 0,
    };
    uint64_t fault = host_addr - guest_base;
    uint64_t bad = -1;

    if (native_call.ra == 0 || native_call.ra != helper_retaddr) {
        return false;
    }
    mmap_lock();
    /* If another thread has mended the page, there is nothing to find. */
    if (native_first_bad(fault, fault, is_write ? write : PAGE_READ) == 0) {
        fault |= ~TARGET_PAGE_MASK;
        /* The first once more: it may be bad before the second. */
        for (int i = 0; i < 3; i++) {
            target_ulong arg = native_call.arg[i % 2];
            uint64_t last = bad == -1 ? fault : arg + bad - 1;
            uint64_t b = prot[i % 2] && bad
                       ? native_first_bad(arg, last, prot[i % 2]) : -1;

            if (b < bad) {
                bad = b;
                *guest_addr = arg + b;
            }
        }
    }
    mmap_unlock();
    return bad != -1;
}
