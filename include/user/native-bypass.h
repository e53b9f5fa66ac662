/*
 * Native bypass: library calls of the guest made by the host's C library
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_BYPASS_H
#define USER_NATIVE_BYPASS_H

#include "user/abitypes.h"

#ifdef CONFIG_NATIVE_BYPASS
/**
 * native_bypass_enabled:
 *
 * True from start-up on if --native-bypass is in effect.  While it is false,
 * a marker is the instruction that the architecture makes of it.
 */
extern bool native_bypass_enabled;

/**
 * native_bypass_fault:
 * @host_addr: the host address at which the host faulted
 * @is_write: whether it was to write
 * @guest_addr: where to put the guest address to report
 *
 * To be called by the host's SIGSEGV handler.  A host function may touch the
 * end of its operands before their beginning, and bytes below them in the
 * same page.  Find the first byte that a loop over bytes would have faulted
 * at, which is the one to report.
 *
 * Returns: false if the fault is none of a native call, or if the guest's
 * page table has no reason for it; @guest_addr is then not changed.
 */
bool native_bypass_fault(uintptr_t host_addr, bool is_write,
                         abi_ulong *guest_addr);

/**
 * native_bypass_exit:
 *
 * Log the number of calls that the process made, with "-d native_bypass".
 */
void native_bypass_exit(void);

/**
 * native_bypass_reset:
 *
 * Count from 0 again, in the child of a fork().
 */
void native_bypass_reset(void);
#else
static inline bool native_bypass_fault(uintptr_t host_addr, bool is_write,
                                       abi_ulong *guest_addr)
{
    return false;
}

static inline void native_bypass_exit(void)
{
}
#endif /* CONFIG_NATIVE_BYPASS */

#endif /* USER_NATIVE_BYPASS_H */
