/*
 * Native bypass: Arm specifics of C library functions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_ARM_TCG_NATIVE_BYPASS_H
#define TARGET_ARM_TCG_NATIVE_BYPASS_H

/* AAPCS32, 7.1.4; AAPCS64, 10.1.4 */
typedef uint32_t target_wchar_t;

#define native_wcscmp_gives_char    true

#ifdef TARGET_AARCH64
/* See native-untagged.h. */
#define native_only_sign native_only_sign
static inline bool native_only_sign(size_t n, size_t at, bool string)
{
    return !string && n != 1 && !(n == 3 && at == 2);
}
#endif

#define NATIVE_SP(env) \
    (is_a64(env) ? (env)->xregs[31] : (env)->regs[13])
#define NATIVE_RA(env) \
    (is_a64(env) ? (env)->xregs[30] : (env)->regs[14])
#define NATIVE_RESULT(env) \
    (is_a64(env) ? (env)->xregs[0] : (env)->regs[0])
#include "user/native-return.h"

#ifndef TARGET_AARCH64
#include "user/native-untagged.h"

/* AAPCS32, 6.4 */
#define NATIVE_REG_ARGS     4
#else
#include "internals.h"
#include "user/page-protection.h"

/* Data accesses ignore the top byte, whatever the tagged address ABI says. */
static inline target_ulong native_untagged(target_ulong addr)
{
    return useronly_clean_ptr(addr);
}

static inline bool native_tags_checked(CPUARMState *env)
{
    return EX_TBFLAG_A64(env->hflags, MTE_ACTIVE);
}

/**
 * native_check_tags:
 * @env: the CPU
 * @addr: guest address, with its tag
 * @len: bytes from there; may run into unmapped pages
 * @access_type: MMU_DATA_LOAD or MMU_DATA_STORE
 * @ra: unwinding address
 *
 * Check allocation tags as for @len byte accesses, up to the first mismatch or
 * unmapped page.  Does not return if a mismatch is reported synchronously.
 */
static inline void native_check_tags(CPUARMState *env, target_ulong addr,
                                     size_t len, MMUAccessType access_type,
                                     uintptr_t ra)
{
    uint32_t desc = 0;

    desc = FIELD_DP32(desc, MTEDESC, MIDX,
                      arm_to_core_mmu_idx(ARMMMUIdx_E10_0));
    desc = FIELD_DP32(desc, MTEDESC, TBI, 1);
    desc = FIELD_DP32(desc, MTEDESC, WRITE, access_type == MMU_DATA_STORE);

    if (!tbi_check(desc, extract64(addr, 55, 1))) {
        return;
    }
    while (len && page_get_flags(native_untagged(addr))) {
        size_t size = MIN(len, -(addr | TARGET_PAGE_MASK));
        size_t ok = mte_mops_probe(env, addr, size, desc);

        if (ok < size) {
            mte_check_fail(env, desc, addr + ok, ra);
            return;
        }
        addr += size;
        len -= size;
    }
}

#endif /* TARGET_AARCH64 */

#endif /* TARGET_ARM_TCG_NATIVE_BYPASS_H */
