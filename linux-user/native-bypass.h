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
 * Remember LIB, or "auto" and what it excludes: the last one given counts.
 * LIB and "auto" on one command line are an error.
 */
void native_bypass_option(const char *arg);

/**
 * native_bypass_print_version:
 *
 * Say which libraries of the host make native calls, for "--version".
 */
void native_bypass_print_version(void);

/**
 * native_bypass_init:
 * @plugins: whether TCG plugins were asked for, too
 *
 * Check LIB, unless it is "auto", before anything is run.  A LIB that cannot
 * be used ends QEMU with an error if it came from the command line; one from
 * the environment is for children of other architectures, too, so it is only
 * logged.
 */
void native_bypass_init(bool plugins);

/**
 * native_bypass_start:
 * @info: the program as loaded
 *
 * Guard the end of the guest's address space, and see to it that the loader
 * finds LIB; warn if there is none to do so.
 */
void native_bypass_start(struct image_info *info);

/**
 * native_bypass_is_preload:
 * @name: a path of the guest's, as host pointer to its memory
 * @file: /etc/ld.so.preload
 *
 * Returns: whether it is with this @name that the guest's loader asks for
 * @file to learn what to preload, which it does once, before the program
 * begins.  All others see the real file.
 */
int native_bypass_is_preload(const char *name, const char *file);

/**
 * native_bypass_fill_preload:
 * @env: the CPU
 * @fd: file to write to
 *
 * Write what the loader is to read: the lines of the real file and LIB's.
 *
 * Returns: 0, or -1 and errno.
 */
int native_bypass_fill_preload(CPUArchState *env, int fd);

/**
 * native_bypass_close:
 * @fd: file descriptor that the guest is about to close
 *
 * Log the number of calls now if it is the log's: many programs close stderr
 * before they exit.
 */
void native_bypass_close(int fd);

/**
 * native_bypass_elf_fits:
 * @ehdr: struct elfhdr as in a file, in the target's byte order or not
 *
 * Returns: whether it is that of an ELF file for this target and its ABI.
 */
bool native_bypass_elf_fits(const void *ehdr);

/**
 * native_bypass_mapped:
 * @start: guest address
 * @len: bytes from there that were mapped
 * @prot: PROT_*
 * @flags: MAP_*, the host's
 * @fd: the file, or -1
 * @offset: in that file
 *
 * With "--native-bypass auto", hook the functions of the C library if this is
 * the code of a shared one.  To be called with mmap_lock held.
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

static inline void native_bypass_start(struct image_info *info)
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
