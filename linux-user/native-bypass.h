/*
 * Native bypass: the option, and how the guest library gets loaded
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
 * Remember LIB, or "auto" with its exclusions: the last option counts.
 * LIB and "auto" on one command line are an error.
 */
void native_bypass_option(const char *arg);

/**
 * native_bypass_print_version:
 *
 * Print the host libraries that native calls use, for "--version".
 */
void native_bypass_print_version(void);

/**
 * native_bypass_init:
 * @plugins: whether TCG plugins are requested, too
 *
 * Check LIB, unless it is "auto", before the program runs.  If LIB cannot be
 * used and came from the command line, QEMU exits with an error.  A LIB from
 * the environment is for children of other architectures, too: then QEMU only
 * logs the reason or warns.
 */
void native_bypass_init(bool plugins);

/**
 * native_bypass_start:
 *
 * Guard the end of the guest's address space, once the program is loaded.
 */
void native_bypass_start(void);

/**
 * native_bypass_lib:
 * @must_fit: set to whether LIB is from the command line; a LIB from the
 *            environment need not fit this program
 *
 * Returns: LIB's absolute path; NULL with "auto" and without the option.
 */
const char *native_bypass_lib(bool *must_fit);

/**
 * native_bypass_logs:
 *
 * Returns: whether -d was given: LOG_TRACE may be set without it.
 */
bool native_bypass_logs(void);

/**
 * native_bypass_preload:
 * @info: the program as loaded
 *
 * Make the guest's loader load LIB, or report why it does not.
 */
void native_bypass_preload(struct image_info *info);

/**
 * native_bypass_is_preload:
 * @name: path in guest memory, as a host pointer
 * @file: /etc/ld.so.preload
 *
 * Returns: whether @name is the string by which the guest's loader opens @file
 * to learn what to preload.  The loader does so once, before the program
 * begins.  All other opens get the real file.
 */
int native_bypass_is_preload(const char *name, const char *file);

/**
 * native_bypass_fill_preload:
 * @env: the CPU
 * @fd: file to write to
 *
 * Write the text for the loader: the lines of the real file and LIB's line.
 *
 * Returns: 0, or -1 and errno.
 */
int native_bypass_fill_preload(CPUArchState *env, int fd);

/**
 * native_bypass_close:
 * @fd: file descriptor that the guest is about to close
 *
 * Log the number of calls now if @fd is stderr and the log goes there: many
 * programs close stderr before they exit.
 */
void native_bypass_close(int fd);

/**
 * native_bypass_elf_fits:
 * @ehdr: struct elfhdr as in a file, of either byte order
 *
 * Returns: whether the ELF file is for this target and its ABI.
 */
bool native_bypass_elf_fits(const void *ehdr);

/**
 * native_bypass_mapped:
 * @start: guest address
 * @len: number of bytes mapped
 * @prot: PROT_*
 * @flags: MAP_*, the host's
 * @fd: the file, or -1
 * @offset: in that file
 *
 * With "--native-bypass auto", hook the known functions if this is the code of
 * a shared C library or of a NativeLibrary.  Called with mmap_lock held.
 */
void native_bypass_mapped(abi_ulong start, abi_ulong len, int prot, int flags,
                          int fd, off_t offset);
#else
static inline void native_bypass_print_version(void)
{
}

static inline void native_bypass_init(bool plugins)
{
}

static inline void native_bypass_start(void)
{
}

static inline void native_bypass_preload(struct image_info *info)
{
}

static inline int native_bypass_is_preload(const char *name, const char *file)
{
    return false;
}

static inline void native_bypass_close(int fd)
{
}

static inline void native_bypass_mapped(abi_ulong start, abi_ulong len,
                                        int prot, int flags, int fd,
                                        off_t offset)
{
}
#endif /* CONFIG_NATIVE_BYPASS */

#endif /* LINUX_USER_NATIVE_BYPASS_H */
