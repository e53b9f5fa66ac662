/*
 * TBs kept in a file: the option and the guest's system calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LINUX_USER_TB_CACHE_H
#define LINUX_USER_TB_CACHE_H

/* Whether a file is used, or was until tb_cache_close(). */
extern bool tb_cache_started;

/**
 * tb_cache_option: what -tb-cache or QEMU_TB_CACHE says
 * @arg: DIR[,size=SIZE][,check=on|off], or "off"
 *
 * Exits with one line if it is wrong.
 */
void tb_cache_option(const char *arg);

/**
 * tb_cache_depends: an option that changes the code of TBs is in effect
 *
 * To be called before tb_cache_start(), in the same order by all processes.
 */
void tb_cache_depends(const char *option);

/**
 * tb_cache_start:
 * @cpu_model: with its properties, as given or chosen
 *
 * Open the file, before the program is loaded, when the CPU exists.
 */
void tb_cache_start(const char *cpu_model);

/* The program is loaded. */
void tb_cache_loaded(const struct image_info *info);

/* Save what is new, before execve() or when this process ends. */
void tb_cache_exec(void);
void tb_cache_exit(void);

/* The guest's system call @num has returned @ret. */
void tb_cache_syscall(int num, abi_long ret);

#endif
