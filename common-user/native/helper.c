/*
 * Native bypass: the TCG helpers, where guest addresses become host pointers
 *
 * Each helper implements one C library function by calling the host's function
 * on guest memory. All helpers follow three rules:
 *
 * - A fault unwinds to the guest's PC of the call, and the guest may repeat
 *   the call. So a helper checks all pages before it writes more than one byte
 *   in each. Long strings are an exception (see NATIVE_MEASURED).
 * - Another thread may change the source. So a second pass reuses the end that
 *   the first pass found, or does not depend on the first. The NUL of a copied
 *   string is written, not copied.
 * - A host function without a length stops at the guard page that
 *   native_bypass_start() puts behind a limited guest address space. A length
 *   is limited to end in that page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "cpu.h"
#include "accel/tcg/cpu-ldst.h"
#include "accel/tcg/getpc.h"
#include "accel/tcg/helper-retaddr.h"
#include "exec/helper-proto-common.h"
#include "exec/mmap-lock.h"
#include "tcg/debug-assert.h"
#include "tcg/native-bypass.h"
#include "user/cpu_loop.h"
#include "user/guest-host.h"
#include "user/native-bypass.h"
#include "user/page-protection.h"
#include "host-string.h"

#define HELPER_H "common-user/native/helper.h"
#include "exec/helper-proto.h.inc"
#undef HELPER_H

/*
 * A call accesses an operand from its first byte up, and two operands at the
 * same pace, like a loop over bytes.
 */
typedef enum NativeAccess {
    NATIVE_NONE,
    NATIVE_READ,
    NATIVE_WRITE,
    /* The host function may read bytes beyond the end of such a loop. */
    NATIVE_READ_AHEAD,
    /* The address is that of the last byte, and the call reads down from it. */
    NATIVE_READ_DOWN,
} NativeAccess;

typedef struct NativeOperand {
    target_ulong addr;          /* as the guest passed it, with its tag */
    void *host;
    NativeAccess access;
} NativeOperand;

/* Needle length from which a host's strstr() may take quadratic time */
#define NATIVE_LONG_NEEDLE  256

/* This thread's current call */
static __thread struct {
    NativeOperand op[2];        /* only the first one may be written */
    bool careful;               /* a NATIVE_READ_AHEAD call has faulted */
    /* A copy of a string, whose end no other thread moves */
    char set[NATIVE_LONG_NEEDLE];
} native_call;

/*
 * Record that the call now accesses @a, and @b unless NULL. The host pointers
 * are not stored: they follow from the addresses.
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
    /* Otherwise a fault would be attributed to the previous call. */
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

/* Raises the guest's SIGSEGV if no guest can map @addr. */
static inline NativeOperand native_operand(CPUArchState *env, target_ulong addr,
                                           NativeAccess access, uintptr_t ra)
{
    target_ulong untagged = native_untagged(addr);

    if (unlikely(untagged > guest_addr_max)) {
        native_end(0);
        cpu_loop_exit_sigsegv(env_cpu(env), untagged,
                              native_access_type(access), true, ra);
    }
    return (NativeOperand) { addr, g2h_untagged(untagged), access };
}

/* The operand that begins @bytes after @op */
static inline NativeOperand native_behind(const NativeOperand *op, size_t bytes,
                                          NativeAccess access)
{
    target_ulong addr = op->addr + bytes;

    return (NativeOperand) {
        addr, g2h_untagged(native_untagged(addr)), access
    };
}

/*
 * Operand @k of the current call, for slow paths: passing it as an argument
 * would slow down the fast paths.
 */
static inline NativeOperand native_current(unsigned k)
{
    return native_behind(&native_call.op[k], 0, native_call.op[k].access);
}

/* The guest address of host pointer @found in @op, or 0 */
static inline target_ulong native_found(const NativeOperand *op,
                                        const void *found)
{
    return found ? op->addr + (found - op->host) : 0;
}

/*
 * Limit @n characters of @size bytes to those before the guard page and one in
 * it: a host function that gets that far faults. Without a guard page, prevent
 * the end from wrapping around.
 */
static inline size_t native_limit(const NativeOperand *op, target_ulong n,
                                  size_t size)
{
    uintptr_t last = reserved_va ? guest_base + reserved_va + 1 : UINTPTR_MAX;
    size_t max = (last - (uintptr_t)op->host) / size;

    return MIN(n, MIN(max, SSIZE_MAX / size - 1) + 1);
}

/* Check tags. May raise the guest's signal, so call it before any write. */
static inline void native_check(CPUArchState *env, const NativeOperand *op,
                                size_t len)
{
    if (unlikely(native_tags_checked(env))) {
        NativeAccess access = native_call.op[0].access;

        /* native_check_tags() may longjmp. */
        native_call.op[0].access = NATIVE_NONE;
        native_check_tags(env, op->addr, len, native_access_type(op->access),
                          helper_retaddr);
        native_call.op[0].access = access;
    }
}

/*
 * True if @n characters of @size bytes are in a page and tags are not checked.
 * Such a call needs no limit, and faults before it writes anything.
 */
static inline bool native_is_short(CPUArchState *env, const NativeOperand *op,
                                   target_ulong n, size_t size)
{
    return likely(n <= host_left_in_page(op->host) / size &&
                  !native_tags_checked(env));
}

/* For many pages, asking the page table is faster than touching them. */
static bool native_pages_good(const NativeOperand *dst,
                              const NativeOperand *src,
                              size_t copy, size_t more)
{
    return copy + more >= 8 * TARGET_PAGE_SIZE &&
           (copy == 0 ||
            page_check_range(native_untagged(src->addr), copy, PAGE_READ)) &&
           page_check_range(native_untagged(dst->addr), copy + more,
                            PAGE_WRITE);
}

/* Not inline: short calls would have to save more registers, too. */
static __attribute__((noinline)) void
native_try(CPUArchState *env, size_t copy, size_t more, int fill)
{
    NativeOperand dst = native_current(0), src = native_current(1);
    uintptr_t ahead = (uintptr_t)dst.host - (uintptr_t)src.host;
    bool apart = copy == 0 || (ahead >= copy && -ahead >= copy + more);

    if (copy) {
        native_check(env, &src, copy);
    }
    native_check(env, &dst, copy + more);
    /*
     * The page table does not know where a mapped file ends. A copy that
     * faults there may have overwritten bytes of an overlapping source.
     */
    if (apart && native_pages_good(&dst, &src, copy, more)) {
        return;
    }
    if (copy) {
        host_touch(src.host, copy);
        host_touch_written(dst.host, copy, src.host, apart ? fill : -1);
    }
    if (more) {
        NativeOperand rest = native_behind(&dst, copy, NATIVE_WRITE);

        native_operands(&rest, NULL);
        host_touch_written(rest.host, more, NULL, fill);
    }
}

/*
 * Call this before copying @copy bytes and writing @more bytes behind them.
 * @fill is the value of the latter, or -1 if no byte may change yet. A host
 * function may copy from either end. Within one page it faults before it
 * writes anything; with several pages, try each one first.
 */
static inline void native_prepare(CPUArchState *env, const NativeOperand *dst,
                                  const NativeOperand *src, size_t copy,
                                  size_t more, int fill)
{
    if (unlikely(copy + more > host_left_in_page(dst->host) ||
                 copy > host_left_in_page(src->host) ||
                 native_tags_checked(env))) {
        native_try(env, copy, more, fill);
    }
}

/*
 * Measuring a string before the copy takes half as long as the copy itself. So
 * longer strings than this are copied in one pass. A fault may then follow a
 * partial write, as in a loop over bytes, and the guest can repeat the call.
 * But if the destination is just below the source, the copy may have
 * overwritten the string's start, so the call cannot be repeated. C leaves this
 * undefined, but a loop over bytes handles it. The host's wide functions are
 * not faster in one pass.
 */
#define NATIVE_MEASURED (4 * KiB)

static inline bool native_one_pass(CPUArchState *env, const NativeOperand *dst,
                                   const NativeOperand *src, size_t size)
{
    return size == 1 && !native_tags_checked(env) &&
           (uintptr_t)src->host - (uintptr_t)dst->host >= 1 * MiB;
}

/*
 * Functions that exist for bytes and for wchar_t. @size is the size of a
 * character, a constant, as in host-string.h. Lengths are in characters.
 */

/* Not inline: short calls would have to save more registers, too. */
static __attribute__((noinline)) size_t
native_copy_long(CPUArchState *env, target_ulong n, size_t size)
{
    NativeOperand d = native_current(0), s = native_current(1);
    size_t len = native_limit(&d, native_limit(&s, n, size), size) * size;

    native_prepare(env, &d, &s, len, 0, 0);
    memmove(d.host, s.host, len);
    return len;
}

/* Returns the number of bytes. */
static inline QEMU_ALWAYS_INLINE
target_ulong native_copy(CPUArchState *env, target_ulong dst, target_ulong src,
                         target_ulong n, size_t size, uintptr_t ra)
{
    NativeOperand d, s;

    if (n == 0) {
        return 0;
    }
    d = native_operand(env, dst, NATIVE_WRITE, ra);
    s = native_operand(env, src, NATIVE_READ, ra);
    native_begin(&d, &s, ra);
    if (native_is_short(env, &d, n, size) &&
        native_is_short(env, &s, n, size)) {
        memmove(d.host, s.host, n * size);
        return native_end(n * size);
    }
    return native_end(native_copy_long(env, n, size));
}

target_ulong HELPER(native_memmove)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    native_copy(env, dst, src, n, 1, GETPC());
    return dst;
}

target_ulong HELPER(native_wmemmove)(CPUArchState *env, target_ulong dst,
                                     target_ulong src, target_ulong n)
{
    native_copy(env, dst, src, n, sizeof(wchar_t), GETPC());
    return dst;
}

/* Some guests pass overlapping operands. The host's memmove() is as fast. */
target_ulong HELPER(native_memcpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src, target_ulong n)
{
    native_copy(env, dst, src, n, 1, GETPC());
    return dst;
}

target_ulong HELPER(native_wmemcpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    native_copy(env, dst, src, n, sizeof(wchar_t), GETPC());
    return dst;
}

target_ulong HELPER(native_mempcpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return dst + native_copy(env, dst, src, n, 1, GETPC());
}

target_ulong HELPER(native_wmempcpy)(CPUArchState *env, target_ulong dst,
                                     target_ulong src, target_ulong n)
{
    return dst + native_copy(env, dst, src, n, sizeof(wchar_t), GETPC());
}

static __attribute__((noinline)) void
native_fill_long(CPUArchState *env, target_ulong chr, target_ulong n,
                 size_t size)
{
    NativeOperand d = native_current(0);
    size_t len = native_limit(&d, n, size);

    native_prepare(env, &d, &d, 0, len * size, size == 1 ? (uint8_t)chr : -1);
    host_memset(d.host, chr, len, size);
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_fill(CPUArchState *env, target_ulong dst, target_ulong chr,
                         target_ulong n, size_t size, uintptr_t ra)
{
    NativeOperand d;

    if (n == 0) {
        return dst;
    }
    d = native_operand(env, dst, NATIVE_WRITE, ra);
    native_begin(&d, NULL, ra);
    if (native_is_short(env, &d, n, size)) {
        host_memset(d.host, chr, n, size);
    } else {
        native_fill_long(env, chr, n, size);
    }
    return native_end(dst);
}

target_ulong HELPER(native_memset)(CPUArchState *env, target_ulong dst,
                                   target_ulong chr, target_ulong n)
{
    return native_fill(env, dst, chr, n, 1, GETPC());
}

target_ulong HELPER(native_wmemset)(CPUArchState *env, target_ulong dst,
                                    target_ulong chr, target_ulong n)
{
    return native_fill(env, dst, chr, n, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_find(CPUArchState *env, target_ulong str, target_ulong chr,
                         target_ulong n, size_t size, uintptr_t ra)
{
    NativeOperand s;
    void *found;
    size_t len;

    if (n == 0) {
        return 0;
    }
    s = native_operand(env, str, NATIVE_READ, ra);
    native_begin(&s, NULL, ra);
    len = native_limit(&s, n, size);
    found = host_memchr(s.host, chr, len, size);
    native_check(env, &s, found ? found - s.host + size : len * size);
    return native_end(native_found(&s, found));
}

target_ulong HELPER(native_memchr)(CPUArchState *env, target_ulong str,
                                   target_ulong chr, target_ulong n)
{
    return native_find(env, str, chr, n, 1, GETPC());
}

target_ulong HELPER(native_wmemchr)(CPUArchState *env, target_ulong str,
                                    target_ulong chr, target_ulong n)
{
    return native_find(env, str, chr, n, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_length(CPUArchState *env, target_ulong str, size_t size,
                           uintptr_t ra)
{
    NativeOperand s = native_operand(env, str, NATIVE_READ, ra);
    size_t len;

    native_begin(&s, NULL, ra);
    len = host_strlen(s.host, size);
    native_check(env, &s, (len + 1) * size);
    return native_end(len);
}

target_ulong HELPER(native_strlen)(CPUArchState *env, target_ulong str)
{
    return native_length(env, str, 1, GETPC());
}

target_ulong HELPER(native_wcslen)(CPUArchState *env, target_ulong str)
{
    return native_length(env, str, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_length_up_to(CPUArchState *env, target_ulong str,
                                 target_ulong n, size_t size, uintptr_t ra)
{
    NativeOperand s;
    size_t len, ret;

    if (n == 0) {
        return 0;
    }
    s = native_operand(env, str, NATIVE_READ, ra);
    native_begin(&s, NULL, ra);
    len = native_limit(&s, n, size);
    ret = host_strnlen(s.host, len, size);
    native_check(env, &s, MIN(ret + 1, len) * size);
    return native_end(ret);
}

target_ulong HELPER(native_strnlen)(CPUArchState *env, target_ulong str,
                                    target_ulong n)
{
    return native_length_up_to(env, str, n, 1, GETPC());
}

target_ulong HELPER(native_wcsnlen)(CPUArchState *env, target_ulong str,
                                    target_ulong n)
{
    return native_length_up_to(env, str, n, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_find_in_string(CPUArchState *env, target_ulong str,
                                   target_ulong chr, bool last, size_t size,
                                   uintptr_t ra)
{
    NativeOperand s = native_operand(env, str, NATIVE_READ, ra);
    void *found, *end;

    native_begin(&s, NULL, ra);
    if (unlikely(native_tags_checked(env))) {
        found = host_look(s.host, host_arg(chr, size), last, size, &end);
        native_check(env, &s, end - s.host);
    } else {
        found = last ? host_strrchr(s.host, chr, size)
                     : host_strchr(s.host, chr, size);
    }
    return native_end(native_found(&s, found));
}

target_ulong HELPER(native_strchr)(CPUArchState *env, target_ulong str,
                                   target_ulong chr)
{
    return native_find_in_string(env, str, chr, false, 1, GETPC());
}

target_ulong HELPER(native_wcschr)(CPUArchState *env, target_ulong str,
                                   target_ulong chr)
{
    return native_find_in_string(env, str, chr, false,
                                 sizeof(wchar_t), GETPC());
}

target_ulong HELPER(native_strrchr)(CPUArchState *env, target_ulong str,
                                    target_ulong chr)
{
    return native_find_in_string(env, str, chr, true, 1, GETPC());
}

target_ulong HELPER(native_wcsrchr)(CPUArchState *env, target_ulong str,
                                    target_ulong chr)
{
    return native_find_in_string(env, str, chr, true, sizeof(wchar_t), GETPC());
}

/*
 * A measured string is copied without its NUL, which another thread may have
 * replaced. The helper always writes the NUL itself.
 */
static inline void native_terminate(void *at, size_t size)
{
    memset(at, 0, size);
}

/* Copy a string and its NUL. Returns the length without the NUL. */
static inline QEMU_ALWAYS_INLINE
size_t native_copy_string(CPUArchState *env, target_ulong dst,
                          target_ulong src, size_t size, uintptr_t ra)
{
    NativeOperand d = native_operand(env, dst, NATIVE_WRITE, ra);
    NativeOperand s = native_operand(env, src, NATIVE_READ, ra);
    size_t len;

    native_begin(&d, &s, ra);
    len = host_strnlen(s.host, NATIVE_MEASURED / size, size);
    if (unlikely(len == NATIVE_MEASURED / size)) {
        if (native_one_pass(env, &d, &s, size)) {
            len = stpcpy(d.host, s.host) - (char *)d.host;
            native_terminate(d.host + len, 1);
            return native_end(len);
        }
        len += host_strlen(s.host + len * size, size);
    }
    len = native_limit(&d, len + 1, size) - 1;
    native_prepare(env, &d, &s, (len + 1) * size, 0, 0);
    memmove(d.host, s.host, len * size);
    native_terminate(d.host + len * size, size);
    return native_end(len);
}

target_ulong HELPER(native_strcpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    native_copy_string(env, dst, src, 1, GETPC());
    return dst;
}

target_ulong HELPER(native_wcscpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    native_copy_string(env, dst, src, sizeof(wchar_t), GETPC());
    return dst;
}

target_ulong HELPER(native_stpcpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    return dst + native_copy_string(env, dst, src, 1, GETPC());
}

target_ulong HELPER(native_wcpcpy)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    return dst + native_copy_string(env, dst, src,
                                    sizeof(wchar_t), GETPC()) * sizeof(wchar_t);
}

/* Returns the length of the copied string, without its NUL. */
static inline QEMU_ALWAYS_INLINE
size_t native_copy_padded(CPUArchState *env, target_ulong dst,
                          target_ulong src, target_ulong n, size_t size,
                          uintptr_t ra)
{
    NativeOperand d, s;
    size_t len, used, copy;

    if (n == 0) {
        return 0;
    }
    d = native_operand(env, dst, NATIVE_WRITE, ra);
    s = native_operand(env, src, NATIVE_READ, ra);
    native_begin(&d, &s, ra);
    len = native_limit(&d, n, size);
    used = host_strnlen(s.host, MIN(len, NATIVE_MEASURED / size), size);
    if (unlikely(used == NATIVE_MEASURED / size && used < len)) {
        /* stpncpy() pads the copy to "len": the padding must not fault. */
        if (native_one_pass(env, &d, &s, size) &&
            page_check_range(native_untagged(dst), len, PAGE_WRITE)) {
            used = stpncpy(d.host, s.host, len) - (char *)d.host;
            native_terminate(d.host + used, used < len);
            return native_end(used);
        }
        used += host_strnlen(s.host + used * size,
                             native_limit(&s, len, size) - used, size);
    }
    copy = MIN(used + 1, len);
    native_prepare(env, &d, &s, copy * size, (len - copy) * size, 0);
    memmove(d.host, s.host, used * size);
    memset(d.host + used * size, 0, (len - used) * size);
    return native_end(used);
}

target_ulong HELPER(native_strncpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    native_copy_padded(env, dst, src, n, 1, GETPC());
    return dst;
}

target_ulong HELPER(native_wcsncpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    native_copy_padded(env, dst, src, n, sizeof(wchar_t), GETPC());
    return dst;
}

target_ulong HELPER(native_stpncpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return dst + native_copy_padded(env, dst, src, n, 1, GETPC());
}

target_ulong HELPER(native_wcpncpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return dst + native_copy_padded(env, dst, src, n,
                                    sizeof(wchar_t), GETPC()) * sizeof(wchar_t);
}

/*
 * Append @copy characters of @s and a NUL at @d. @nul: the source has a NUL
 * there. Write the first character last: until then the old NUL ends the
 * string, so that the guest can repeat the call.
 */
static inline QEMU_ALWAYS_INLINE
void native_append(CPUArchState *env, const NativeOperand *d,
                   const NativeOperand *s, size_t copy, bool nul, size_t size)
{
    wchar_t first = 0;

    copy = native_limit(d, copy, size);
    native_prepare(env, d, s, (copy + nul) * size, !nul * size, -1);
    if (copy) {
        memcpy(&first, s->host, size);
        memmove(d->host + size, s->host + size, (copy - 1) * size);
    }
    native_terminate(d->host + copy * size, size);
    memcpy(d->host, &first, size);
}

/* The same in one pass, for a string of more than one character */
static void native_append_long(char *d, const char *s)
{
    char first = *s;

    host_touch_written(d, 1, NULL, 0);
    native_terminate(stpcpy(d + 1, s + 1), 1);
    *d = first;
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_cat(CPUArchState *env, target_ulong dst, target_ulong src,
                        bool limited, target_ulong n, size_t size,
                        uintptr_t ra)
{
    NativeOperand d = native_operand(env, dst, NATIVE_WRITE, ra);
    NativeOperand old = native_behind(&d, 0, NATIVE_READ), s = old;
    size_t used, len, max;

    native_begin(&old, NULL, ra);
    used = host_strlen(old.host, size) * size;
    native_check(env, &old, used + size);
    d = native_behind(&d, used, NATIVE_WRITE);
    if (!limited || n) {
        s = native_operand(env, src, NATIVE_READ, ra);
    }
    native_operands(&d, &s);
    max = limited ? native_limit(&s, n, size) : SIZE_MAX;
    len = host_strnlen(s.host, MIN(max, NATIVE_MEASURED / size), size);
    if (unlikely(len == NATIVE_MEASURED / size && len < max)) {
        if (!limited && native_one_pass(env, &d, &s, size)) {
            native_append_long(d.host, s.host);
            return native_end(dst);
        }
        len += limited ? host_strnlen(s.host + len * size, max - len, size)
                       : host_strlen(s.host + len * size, size);
    }
    native_append(env, &d, &s, len, len < max, size);
    return native_end(dst);
}

target_ulong HELPER(native_strcat)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    return native_cat(env, dst, src, false, 0, 1, GETPC());
}

target_ulong HELPER(native_wcscat)(CPUArchState *env, target_ulong dst,
                                   target_ulong src)
{
    return native_cat(env, dst, src, false, 0, sizeof(wchar_t), GETPC());
}

target_ulong HELPER(native_strncat)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return native_cat(env, dst, src, true, n, 1, GETPC());
}

target_ulong HELPER(native_wcsncat)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return native_cat(env, dst, src, true, n, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_copy_cut(CPUArchState *env, target_ulong dst,
                             target_ulong src, target_ulong n, size_t size,
                             uintptr_t ra)
{
    NativeOperand d, s = native_operand(env, src, NATIVE_READ, ra);
    size_t len, copy;

    native_begin(&s, NULL, ra);
    len = host_strlen(s.host, size);
    native_check(env, &s, (len + 1) * size);
    if (n) {
        d = native_operand(env, dst, NATIVE_WRITE, ra);
        native_operands(&d, &s);
        copy = native_limit(&d, MIN(len, n - 1), size) * size;
        native_prepare(env, &d, &s, copy, size, 0);
        memmove(d.host, s.host, copy);
        memset(d.host + copy, 0, size);
    }
    return native_end(len);
}

target_ulong HELPER(native_strlcpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return native_copy_cut(env, dst, src, n, 1, GETPC());
}

target_ulong HELPER(native_wcslcpy)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return native_copy_cut(env, dst, src, n, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_cat_cut(CPUArchState *env, target_ulong dst,
                            target_ulong src, target_ulong n, size_t size,
                            uintptr_t ra)
{
    NativeOperand d, s;
    size_t used = 0, len;

    if (n) {
        d = native_operand(env, dst, NATIVE_READ, ra);
        native_begin(&d, NULL, ra);
        used = host_strnlen(d.host, native_limit(&d, n, size), size);
        native_check(env, &d, MIN(used + 1, n) * size);
        native_end(0);
    }
    s = native_operand(env, src, NATIVE_READ, ra);
    native_begin(&s, NULL, ra);
    len = host_strlen(s.host, size);
    native_check(env, &s, (len + 1) * size);
    if (used < n) {
        d = native_behind(&d, used * size, NATIVE_WRITE);
        native_operands(&d, &s);
        native_append(env, &d, &s, MIN(len, n - used - 1), false, size);
    }
    return native_end(used + len);
}

target_ulong HELPER(native_strlcat)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return native_cat_cut(env, dst, src, n, 1, GETPC());
}

target_ulong HELPER(native_wcslcat)(CPUArchState *env, target_ulong dst,
                                    target_ulong src, target_ulong n)
{
    return native_cat_cut(env, dst, src, n, sizeof(wchar_t), GETPC());
}

static inline QEMU_ALWAYS_INLINE
target_ulong native_compare(CPUArchState *env, target_ulong a, target_ulong b,
                            target_ulong n, HostCompare how, size_t size,
                            uintptr_t ra)
{
    bool careful = how == HOST_MEMCMP && native_call.careful;
    NativeAccess access = how == HOST_MEMCMP && !careful ? NATIVE_READ_AHEAD
                                                         : NATIVE_READ;
    NativeOperand p, q;
    size_t len = SSIZE_MAX / size, end;
    int ret = 0;

    if (n == 0) {
        return 0;
    }
    if (careful) {
        native_call.careful = false;
    }
    p = native_operand(env, a, access, ra);
    q = native_operand(env, b, access, ra);
    native_begin(&p, &q, ra);
    if (how != HOST_STRCMP) {
        len = native_limit(&p, native_limit(&q, n, size), size);
    }
    if (unlikely(careful || native_tags_checked(env)) ||
        host_differ(p.host, q.host, len, size, how)) {
        ret = host_compare(p.host, q.host, len, n, size, how, &end);
        native_check(env, &p, end);
        native_check(env, &q, end);
    }
    return native_end((target_long)ret);
}

target_ulong HELPER(native_memcmp)(CPUArchState *env, target_ulong a,
                                   target_ulong b, target_ulong n)
{
    return native_compare(env, a, b, n, HOST_MEMCMP, 1, GETPC());
}

target_ulong HELPER(native_wmemcmp)(CPUArchState *env, target_ulong a,
                                    target_ulong b, target_ulong n)
{
    return native_compare(env, a, b, n, HOST_MEMCMP, sizeof(wchar_t), GETPC());
}

target_ulong HELPER(native_strncmp)(CPUArchState *env, target_ulong a,
                                    target_ulong b, target_ulong n)
{
    return native_compare(env, a, b, n, HOST_STRNCMP, 1, GETPC());
}

target_ulong HELPER(native_wcsncmp)(CPUArchState *env, target_ulong a,
                                    target_ulong b, target_ulong n)
{
    return native_compare(env, a, b, n, HOST_STRNCMP, sizeof(wchar_t), GETPC());
}

target_ulong HELPER(native_strcmp)(CPUArchState *env, target_ulong a,
                                   target_ulong b)
{
    return native_compare(env, a, b, -1, HOST_STRCMP, 1, GETPC());
}

target_ulong HELPER(native_wcscmp)(CPUArchState *env, target_ulong a,
                                   target_ulong b)
{
    return native_compare(env, a, b, -1, HOST_STRCMP, sizeof(wchar_t), GETPC());
}

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
    native_prepare(env, &d, &s, len, 0, 0);
    memmove(d.host, s.host, len - !!found);
    if (found) {
        *(uint8_t *)(d.host + len - 1) = chr;
    }
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
    host_touch(part.host, 1);
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
    host_touch(n.host, needle_n);

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
 * Begin a call that reads all of the string @set before it reads @str, so that
 * only one of them can fault at a time. Copy a short @set.
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
    if (likely(c.set_len < NATIVE_LONG_NEEDLE)) {
        host_copy_short(native_call.set, c.set.host, c.set_len + 1);
        if (unlikely(native_call.set[c.set_len])) {
            native_call.set[c.set_len] = 0;
        }
    }
    c.s = native_operand(env, str, NATIVE_READ, ra);
    native_operands(&c.s, NULL);
    return c;
}

/* The same for a set of characters. Copy each character of a long set once. */
static inline NativeSearch native_begin_span(CPUArchState *env,
                                             target_ulong str,
                                             target_ulong set, uintptr_t ra)
{
    NativeSearch c = native_begin_search(env, str, set, ra);

    if (unlikely(c.set_len >= NATIVE_LONG_NEEDLE)) {
        bool seen[UINT8_MAX + 1] = { true };
        char *to = native_call.set;

        for (size_t i = 0; i < c.set_len; i++) {
            uint8_t at = host_char(c.set.host + i, 1);

            if (!seen[at]) {
                seen[at] = true;
                *to++ = at;
            }
        }
        *to = 0;
    }
    return c;
}

/*
 * memmem() takes linear time, but needs the string's length. Sets @end behind
 * the match, or else behind the NUL.
 */
static void *native_strstr_long(void *s, const char *needle, size_t n,
                                void **end)
{
    size_t room = 4 * n;

    for (;;) {
        size_t len = strnlen(s, room);
        void *found = memmem(s, len, needle, n);

        if (found || len < room) {
            *end = found ? found + n : s + len + 1;
            return found;
        }
        s += room - n + 1;
    }
}

target_ulong HELPER(native_strstr)(CPUArchState *env, target_ulong str,
                                   target_ulong needle)
{
    NativeSearch c = native_begin_search(env, str, needle, GETPC());
    void *found, *end;

    if (likely(c.set_len < NATIVE_LONG_NEEDLE && !native_tags_checked(env))) {
        found = strstr(c.s.host, native_call.set);
    } else {
        found = native_strstr_long(c.s.host, c.set.host, c.set_len, &end);
        native_check(env, &c.s, end - c.s.host);
    }
    return native_end(native_found(&c.s, found));
}

target_ulong HELPER(native_strspn)(CPUArchState *env, target_ulong str,
                                   target_ulong set)
{
    NativeSearch c = native_begin_span(env, str, set, GETPC());
    size_t ret = strspn(c.s.host, native_call.set);

    native_check(env, &c.s, c.set_len ? ret + 1 : 0);
    return native_end(ret);
}

target_ulong HELPER(native_strcspn)(CPUArchState *env, target_ulong str,
                                    target_ulong set)
{
    NativeSearch c = native_begin_span(env, str, set, GETPC());
    size_t ret = strcspn(c.s.host, native_call.set);

    native_check(env, &c.s, ret + 1);
    return native_end(ret);
}

/* A host's strpbrk(), like strchr(), may read the found character again. */
target_ulong HELPER(native_strpbrk)(CPUArchState *env, target_ulong str,
                                    target_ulong set)
{
    NativeSearch c = native_begin_span(env, str, set, GETPC());
    size_t ret;
    char at;

    do {
        ret = strcspn(c.s.host, native_call.set);
        at = host_char(c.s.host + ret, 1);
    } while (at && !strchr(native_call.set, at));
    native_check(env, &c.s, ret + 1);
    return native_end(at ? c.s.addr + ret : 0);
}

void HELPER(native_bypass_count)(void *count)
{
    qatomic_inc((uint64_t *)count);
}

/*
 * Offset in @op of the first byte that the page table forbids, or -1 if there
 * is none up to the address @last. Check only the operand's pages: a process
 * may have many mappings.
 */
static uint64_t native_first_bad(const NativeOperand *op, uint64_t last)
{
    /* Not PAGE_WRITE: page_check_range() would unprotect pages with TBs. */
    int prot = op->access == NATIVE_WRITE ? PAGE_WRITE_ORG : PAGE_READ;
    uint64_t start = native_untagged(op->addr);
    uint64_t good = start >> TARGET_PAGE_BITS;
    uint64_t bad = (MIN(last, guest_addr_max) >> TARGET_PAGE_BITS) + 1;

    if (op->access == NATIVE_NONE || last < start) {
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
    return bad > last ? -1 : MAX(bad, start) - start;
}

/* The same, up to the byte at @offset */
static uint64_t native_first_bad_within(const NativeOperand *op,
                                        uint64_t offset)
{
    uint64_t start = native_untagged(op->addr);

    return native_first_bad(op, start + MIN(offset, UINT64_MAX - start));
}

/*
 * Whether the page table allows the faulting access. If so, another thread has
 * made the page accessible, or QEMU had write-protected a page with TBs. On
 * some hosts host_signal_write() misses stores, so @access_type may say load.
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
        /* The written operand may end before the fault: see if it recurs. */
        unsure = fault;
    }
    return !write || !again;
}

/* Find the first byte that the page table forbids, for native_bypass_fault() */
static void native_first_fault(uint64_t fault, MMUAccessType *access_type,
                               abi_ulong *guest_addr)
{
    const NativeOperand *op = native_call.op;
    const uint64_t last = fault | ~TARGET_PAGE_MASK;
    /* The index of the operand that begins nearest below the fault */
    const int nearest = last - native_untagged(op[1].addr) <=
                        last - native_untagged(op[0].addr);
    const int other = !nearest;
    uint64_t bad[2];
    int k;

    /*
     * If no byte of the nearest operand up to the fault is forbidden, the
     * fault is in the other one. A call gets equally far in both operands: so
     * search the other one only up to the offset found in the first.
     */
    bad[nearest] = native_first_bad(&op[nearest], last);
    if (bad[nearest] != -1) {
        bad[other] = native_first_bad_within(&op[other], bad[nearest]);
    } else {
        bad[other] = native_first_bad(&op[other], last);
        if (bad[other] != -1) {
            bad[nearest] = native_first_bad_within(&op[nearest], bad[other]);
        }
    }
    /* At equal offsets report the source: it is read first. */
    k = bad[1] <= bad[0];
    if (bad[k] != -1) {
        *guest_addr = native_untagged(op[k].addr) + bad[k];
        *access_type = native_access_type(op[k].access);
    }
}

/*
 * Only the fault tells in which page a mapped file ends. Report the start of
 * that page, or of an operand that starts in it.
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
     * The page table lacks the guard page and non-canonical addresses. For
     * the latter an x86 host reports SI_KERNEL and no address.
     */
    bool in_table = fault <= guest_addr_max &&
                    (info->si_code == SEGV_MAPERR ||
                     info->si_code == SEGV_ACCERR);
    NativeFault ret = NATIVE_FAULT_GUEST;

    if (native_call.op[0].access == NATIVE_NONE || helper_retaddr == 0) {
        return NATIVE_FAULT_NONE;
    }
#ifdef CONFIG_DEBUG_TCG
    /* Test the case of a host that does not recognize stores. */
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
        /* The call has ended. */
        native_call.op[0].access = NATIVE_NONE;
    }
    return ret;
}
