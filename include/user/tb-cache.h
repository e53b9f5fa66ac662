/*
 * Translated blocks kept in a file, for later processes and those beside
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_TB_CACHE_H
#define USER_TB_CACHE_H

#include "exec/vaddr.h"

/**
 * tb_cache_open:
 * @dir: a directory of the user's, to be made if it does not exist
 * @max_size: bytes that one file may take, at most
 * @check: translate each block that is found again, and abort QEMU if the
 *         code differs
 * @config: what the code depends on and this module cannot know: the target,
 *          the CPU and its properties, options that change code
 *
 * Open, or make, the file of blocks for processes of this configuration.  To
 * be called once, before the program is loaded, and not if a debugger, a
 * plugin or a log is to see each translation.
 *
 * A file holds code of the host's.  So it is used only if it and @dir belong
 * to the effective user and nobody else can write them, and not by a process
 * that has, or had, more rights than who started it.
 *
 * Returns the number that was drawn at random when the file was made; 0 if
 * there is no file to be used: everything is then as without this call.
 */
uint64_t tb_cache_open(const char *dir, uint64_t max_size, bool check,
                       const char *config);

/**
 * tb_cache_program:
 * @program: any number that tells the program from others, mostly
 * @first: guest address of its first byte of code
 * @last: guest address of its last byte
 */
void tb_cache_program(uint64_t program, vaddr first, vaddr last);

/**
 * tb_cache_save:
 * @threads: whether other threads of the guest run
 *
 * Append new blocks to the file; called with mmap_lock held.  With @threads,
 * this process must be about to end.
 */
void tb_cache_save(bool threads);

/**
 * tb_cache_forked:
 *
 * Called in the child: new blocks are the parent's to save.
 */
void tb_cache_forked(void);

/**
 * tb_cache_close:
 *
 * Use the file no longer, since the user or the root directory is another one
 * now.
 */
void tb_cache_close(void);

/**
 * tb_cache_fault:
 * @addr: host address that SIGBUS was for
 *
 * Called by the signal handler.  Returns true if the file was truncated, or
 * there was no memory for it: the access can then be made again.
 */
bool tb_cache_fault(const void *addr);

/**
 * tb_cache_skip:
 *
 * If not NULL, tells whether a block at @pc must not come from the file, as
 * its code depends on more than the bytes there.
 */
extern bool (*tb_cache_skip)(vaddr pc);

#endif
