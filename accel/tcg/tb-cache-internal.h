/*
 * Translated blocks kept in a file: what the translator calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef ACCEL_TCG_TB_CACHE_INTERNAL_H
#define ACCEL_TCG_TB_CACHE_INTERNAL_H

#include "exec/translation-block.h"

typedef struct TBCacheRecord TBCacheRecord;

#if defined(CONFIG_USER_ONLY) && defined(CONFIG_LINUX)
/* Whether there is a file; all functions here are called only if so. */
extern bool tb_cache_on;
#else
#define tb_cache_on false
#endif

/**
 * tb_cache_find: the record of a block
 * @pc: of the block, as @cs_base, @flags and @cflags
 * @host_pc: host address of the guest's code
 *
 * Called with mmap_lock held, before each translation.  May raise the
 * guest's signal if its code cannot be read.
 *
 * Returns NULL if there is none that is right for the code there is now.
 */
const TBCacheRecord *tb_cache_find(vaddr pc, uint64_t cs_base, uint32_t flags,
                                   uint32_t cflags, const void *host_pc);

/**
 * tb_cache_take: make a block of a record
 * @tb: with the fields set that the record was found by
 * @buf: where to write code and search data
 *
 * Returns their size in bytes; 0 if the block must be translated.
 */
int tb_cache_take(const TBCacheRecord *rec, TranslationBlock *tb, void *buf);

/**
 * tb_cache_made: a block has been translated
 * @rec: what tb_cache_find() returned for it
 * @buf: its code and search data, as not yet executed
 * @size: of both, in bytes
 */
void tb_cache_made(const TBCacheRecord *rec, const TranslationBlock *tb,
                   const void *buf, size_t size, const void *host_pc);

/**
 * tb_cache_read: the translator has read guest code
 * @offset: from the start of the block
 * @bytes: what it has read; another thread may change the code meanwhile
 */
void tb_cache_read(vaddr offset, const void *bytes, size_t size);

/**
 * tb_cache_state: the code that is being generated holds the number of a state
 */
void tb_cache_state(uint64_t cs_base, uint32_t flags, uint32_t number);

/**
 * tb_cache_number: what the number of a state is to be, in each process
 */
uint32_t tb_cache_number(uint64_t cs_base, uint32_t flags, uint32_t cflags);

/**
 * tb_cache_flushed: there are no blocks any more
 */
void tb_cache_flushed(void);

/**
 * tb_cache_mapped: the guest maps, or unmaps, these guest addresses
 */
void tb_cache_mapped(vaddr start, vaddr last);

#endif
