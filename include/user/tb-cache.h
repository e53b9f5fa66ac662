/*
 * TBs kept in a file, for later and concurrent processes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_TB_CACHE_H
#define USER_TB_CACHE_H

#include "exec/vaddr.h"

/**
 * tb_cache_open:
 * @dir: the user's directory, created if it does not exist
 * @max_size: maximum size of a new file in bytes; at least 4 MiB are used
 * @check: translate each TB found in the file nevertheless, and abort QEMU if
 *         the code differs
 * @config: other inputs of the translation, unknown to this module: the
 *          target, the CPU and its properties, options that change code
 *
 * Open or create the file of TBs for processes of this configuration.  Call
 * this once, before the program is loaded.  Do not call it if a debugger, a
 * plugin or a log must see each translation.
 *
 * The file holds host code.  So it is used only if it and @dir belong to the
 * effective user and nobody else can write them.  A process that has, or had,
 * more privileges than the user who started it does not use the file.
 *
 * Returns the random number chosen when the file was created.  Returns 0 if
 * no file can be used: everything is then as without this call.
 */
uint64_t tb_cache_open(const char *dir, uint64_t max_size, bool check,
                       const char *config);

/**
 * tb_cache_program:
 * @program: a number that mostly differs from other programs'
 * @first: guest address of its first byte of code
 * @last: guest address of its last byte
 */
void tb_cache_program(uint64_t program, vaddr first, vaddr last);

/**
 * tb_cache_save:
 * @threads: whether other threads of the guest run
 *
 * Append new TBs to the file; called with mmap_lock held.  With @threads,
 * this process must be about to end.
 */
void tb_cache_save(bool threads);

/**
 * tb_cache_forked:
 *
 * Called in the child: the parent saves the new TBs.
 */
void tb_cache_forked(void);

/**
 * tb_cache_close:
 *
 * Stop using the file, e.g. because the user or the root directory has
 * changed.
 */
void tb_cache_close(void);

/**
 * tb_cache_fault:
 * @addr: host address of the SIGBUS
 *
 * Called by the signal handler.  Returns true if the file was truncated, or
 * there was no memory for it: the access can then be retried.
 */
bool tb_cache_fault(const void *addr);

/**
 * tb_cache_skip:
 *
 * If not NULL, returns true if a TB at @pc must not come from the file, as
 * its code depends on more than the bytes there.
 */
extern bool (*tb_cache_skip)(vaddr pc);

#endif
