/*
 * Native bypass: library calls of the guest made by the host's C library
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_BYPASS_H
#define USER_NATIVE_BYPASS_H

#include "exec/mmu-access-type.h"
#include "user/abitypes.h"

typedef enum NativeFault {
    NATIVE_FAULT_NONE,          /* of a native call */
    NATIVE_FAULT_GUEST,
    NATIVE_FAULT_RETRY,
    NATIVE_FAULT_ALLOWED,
} NativeFault;

#ifdef CONFIG_NATIVE_BYPASS
/**
 * native_bypass_enabled:
 *
 * True from start-up on if --native-bypass is in effect.  While it is false,
 * a marker is the instruction that the architecture makes of it.
 */
extern bool native_bypass_enabled;

/**
 * native_bypass_auto:
 *
 * Whether calls are those by address, and need no guest library.
 */
extern bool native_bypass_auto;

/**
 * native_bypass_musl:
 *
 * Whether the C library whose functions are known by address is musl.
 */
extern bool native_bypass_musl;

/**
 * native_bypass_fault:
 * @info: the host's SIGSEGV or SIGBUS, as its handler got it
 * @access_type: what the host was to do, and where to put what to report
 * @guest_addr: where to put the guest address to report, if there is a better
 *              one than that of @info
 *
 * To be called by the host's signal handlers.  A host function may touch the
 * end of its operands before their beginning, and bytes below them in the
 * same page.  Find the first byte that a loop over bytes would have faulted
 * at, which is the one to report.
 *
 * Returns: NATIVE_FAULT_NONE if no native call has faulted;
 * NATIVE_FAULT_GUEST if the guest is to have the signal;
 * NATIVE_FAULT_RETRY if such a loop may not have faulted at all: the guest's
 * instruction is then to be executed once more, which finds out;
 * NATIVE_FAULT_ALLOWED if the host's instruction will not fault again.
 */
NativeFault native_bypass_fault(const siginfo_t *info,
                                MMUAccessType *access_type,
                                abi_ulong *guest_addr);

/**
 * native_bypass_exit:
 *
 * Log the number of calls that the process made, with "-d native_bypass", once.
 */
void native_bypass_exit(void);

/**
 * native_bypass_reset:
 *
 * Count from 0 again, in the child of a fork().
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
