/*
 * TBs kept in a file: interface for the translator
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef ACCEL_TCG_TB_CACHE_INTERNAL_H
#define ACCEL_TCG_TB_CACHE_INTERNAL_H

#include "exec/translation-block.h"

typedef struct TBCacheRecord TBCacheRecord;

#if defined(CONFIG_USER_ONLY) && defined(CONFIG_LINUX)
/* Whether a file is in use; else do not call any function of this file. */
extern bool tb_cache_on;
#else
#define tb_cache_on false
#endif

/**
 * tb_cache_find: find the record of a TB
 * @pc: of the TB, like @cs_base, @flags and @cflags
 * @host_pc: host address of the guest's code
 *
 * Called with mmap_lock held, before each translation.  May raise the
 * guest's signal if its code cannot be read.
 *
 * Returns NULL if no record matches the guest's current code.
 */
const TBCacheRecord *tb_cache_find(vaddr pc, uint64_t cs_base, uint32_t flags,
                                   uint32_t cflags, const void *host_pc);

/**
 * tb_cache_take: fill in a TB from a record
 * @tb: has the fields set that tb_cache_find() looked up
 * @buf: where to write code and search data
 *
 * Returns their size in bytes; 0 if the TB must be translated.
 */
int tb_cache_take(const TBCacheRecord *rec, TranslationBlock *tb, void *buf);

/**
 * tb_cache_made: a TB has been translated
 * @rec: its record from tb_cache_find(), or NULL
 * @buf: its code and search data, not yet executed
 * @size: of both, in bytes
 */
void tb_cache_made(const TBCacheRecord *rec, const TranslationBlock *tb,
                   const void *buf, size_t size, const void *host_pc);

/**
 * tb_cache_read: the translator has read guest code
 * @offset: from the start of the TB
 * @bytes: the bytes read; another thread may change the code meanwhile
 */
void tb_cache_read(vaddr offset, const void *bytes, size_t size);

/**
 * tb_cache_state: the code being generated contains the number of a state
 */
void tb_cache_state(uint64_t cs_base, uint32_t flags, uint32_t number);

/**
 * tb_cache_number: preferred number of a state, equal in all processes
 */
uint32_t tb_cache_number(uint64_t cs_base, uint32_t flags, uint32_t cflags);

/**
 * tb_cache_flushed: all TBs have been flushed
 */
void tb_cache_flushed(void);

/**
 * tb_cache_mapped: the guest's mapping of these addresses changes
 */
void tb_cache_mapped(vaddr start, vaddr last);

#endif
