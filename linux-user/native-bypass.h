/*
 * Native bypass: the option and how the guest library gets loaded
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LINUX_USER_NATIVE_BYPASS_H
#define LINUX_USER_NATIVE_BYPASS_H

#include "user/native-bypass.h"

struct image_info;

#ifdef CONFIG_NATIVE_BYPASS
/**
 * native_bypass_option:
 * @arg: the option's argument, or the value of QEMU_NATIVE_BYPASS itself
 *
 * Remember LIB: the last one given counts.
 */
void native_bypass_option(const char *arg);

/**
 * native_bypass_init:
 * @plugins: whether TCG plugins were asked for, too
 *
 * Check LIB, before anything is run.  A LIB that cannot be used ends QEMU
 * with an error if it came from the command line; one from the environment
 * is for children of other architectures, too, so it is only logged.
 */
void native_bypass_init(bool plugins);

/**
 * native_bypass_start:
 * @info: the program as loaded
 *
 * Guard the end of the guest's address space, and warn of a program that has
 * no loader to preload anything.
 */
void native_bypass_start(struct image_info *info);

/**
 * native_bypass_syscall:
 * @num: number of a system call of the guest
 * @arg1: its first argument, and so on
 * @ret: where to put its result
 *
 * If the call looks at /etc/ld.so.preload, have it see the virtual file: the
 * line of LIB, then the real file's.  Calls that would change the file reach
 * the real one.
 *
 * Returns: true if the call was made.  If not, it is to be made as @num and
 * the arguments now say, which may be the same call on a file descriptor.
 */
bool native_bypass_syscall(int *num, abi_long *arg1, abi_long *arg2,
                           abi_long *arg3, abi_long *ret);

/**
 * native_bypass_host_signal:
 * @cpu: the CPU of this thread
 * @info: the host's SIGSEGV or SIGBUS, as its handler got it
 * @mask: the signal mask at the fault
 * @pc: unwinding address
 * @access_type: what the host was to do; changed to what is to be reported
 *
 * Does not return if the native call is to be made once more, nor from a
 * SIGBUS of one, which then is the guest's.
 *
 * Returns: true if a SIGSEGV is of a native call.  The si_addr of @info is
 * then the guest address to report.
 */
bool native_bypass_host_signal(CPUState *cpu, siginfo_t *info, void *mask,
                               uintptr_t pc, MMUAccessType *access_type);
#else
static inline void native_bypass_init(bool plugins)
{
}

static inline void native_bypass_start(struct image_info *info)
{
}

static inline bool native_bypass_syscall(int *num, abi_long *arg1,
                                         abi_long *arg2, abi_long *arg3,
                                         abi_long *ret)
{
    return false;
}

static inline bool native_bypass_host_signal(CPUState *cpu, siginfo_t *info,
                                             void *mask, uintptr_t pc,
                                             MMUAccessType *access_type)
{
    return false;
}
#endif /* CONFIG_NATIVE_BYPASS */

#endif /* LINUX_USER_NATIVE_BYPASS_H */
