/*
 * Native bypass: the host's libraries execute library calls of the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_BYPASS_H
#define USER_NATIVE_BYPASS_H

#include "exec/mmu-access-type.h"
#include "user/abitypes.h"

typedef enum NativeFault {
    NATIVE_FAULT_NONE,          /* not in a native call */
    NATIVE_FAULT_GUEST,
    NATIVE_FAULT_RETRY,
    NATIVE_FAULT_ALLOWED,
} NativeFault;

#ifdef CONFIG_NATIVE_BYPASS
/**
 * native_bypass_enabled:
 *
 * True from start-up on if --native-bypass is in effect.  If false, a marker
 * is decoded as the architecture defines it.
 */
extern bool native_bypass_enabled;

/**
 * native_bypass_auto:
 *
 * Whether calls are found by address, without a special guest library.
 */
extern bool native_bypass_auto;

/**
 * native_bypass_musl:
 *
 * Whether the C library whose functions are hooked is musl.
 */
extern bool native_bypass_musl;

/**
 * native_bypass_fault:
 * @info: the host's SIGSEGV or SIGBUS, as its handler got it
 * @access_type: the host's access; set to the access to report
 * @guest_addr: set to the guest address to report, if it is not that of @info
 *
 * Called by the host signal handlers.  A host function may access the end of
 * an operand before its start, and bytes below it in the same page.  Find the
 * byte at which a loop over bytes would have faulted first, and report that.
 *
 * Returns: NATIVE_FAULT_NONE if no native call has faulted;
 * NATIVE_FAULT_GUEST if the guest gets the signal;
 * NATIVE_FAULT_RETRY if such a loop might not have faulted: the caller repeats
 * the guest's instruction, which then does not read ahead;
 * NATIVE_FAULT_ALLOWED if the caller repeats the host's instruction.
 */
NativeFault native_bypass_fault(const siginfo_t *info,
                                MMUAccessType *access_type,
                                abi_ulong *guest_addr);

/**
 * native_bypass_exit:
 *
 * With "-d native_bypass", log the number of calls of the process, once.
 */
void native_bypass_exit(void);

/**
 * native_bypass_reset:
 *
 * Set the counts to 0, in the child of a fork().
 */
void native_bypass_reset(void);
#else
static inline NativeFault native_bypass_fault(const siginfo_t *info,
                                              MMUAccessType *access_type,
                                              abi_ulong *guest_addr)
{
    return NATIVE_FAULT_NONE;
}

static inline void native_bypass_exit(void)
{
}

static inline void native_bypass_reset(void)
{
}
#endif /* CONFIG_NATIVE_BYPASS */

#endif /* USER_NATIVE_BYPASS_H */
