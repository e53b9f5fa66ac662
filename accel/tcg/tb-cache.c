/*
 * TBs kept in a file, for later and concurrent processes
 *
 * One file holds the TBs of all programs that one user runs with one
 * configuration.  It has three parts:
 *
 *   header    4 KiB: the configuration, and the end of the records
 *   index     a hash table of 64-bit words: half of a hash, a record's offset
 *   records   one TB each; processes append records, and change none
 *
 * Processes map the file read-only at its full size, which is mostly a hole.
 * No process maps it writable, as a 64-bit guest can write to all memory that
 * QEMU can.  To add TBs, a process opens the file again, takes a lock, writes
 * records, header and index in that order, and closes the file, as the guest
 * must not see the descriptor.  If it dies midway, at most a gap remains.
 *
 * A record is valid if the same QEMU translated it from the same bytes at the
 * same guest address in the same state; QEMU does not look at the guest's
 * files.  Readers check each offset and length, and a checksum.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <link.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include "qemu/bswap.h"
#include "qemu/cacheflush.h"
#include "qemu/cacheinfo.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "exec/mmap-lock.h"
#include "exec/page-protection.h"
#include "exec/target_page.h"
#include "hw/core/cpu.h"
#include "tcg/tcg.h"
#include "tcg/tcg-movable.h"
#include "user/guest-base.h"
#include "user/page-protection.h"
#include "user/tb-cache.h"
#include "tb-cache-internal.h"
#include "tb-internal.h"
#include "trace.h"

#define CACHE_MAGIC     "QEMU-TB"
#define CACHE_VERSION   1
#define CACHE_ALIGN     16
#define HEADER_SIZE     (4 * KiB)
/* A TB takes some 600 bytes; a half-full hash table is fast. */
#define BYTES_PER_SLOT  256
#define MIN_SIZE        (4 * MiB)
/* Index offsets have 32 bits, in units of CACHE_ALIGN bytes. */
#define MAX_SIZE        (32 * GiB)
/* TBs of one guest page start probing in this many slots. */
#define PAGE_SLOTS      512
/* Entries probed for one TB, half of them at each of two places */
#define MAX_PROBES      64
/* Bytes of new TBs: limit in memory, and threshold for a write */
#define PENDING_MAX     (64 * MiB)
#define PENDING_SAVE    (256 * KiB)
/*
 * A process that has more than REPLACE_BYTES to add deletes the file if less
 * than REPLACE_BYTES is free and the file is older than REPLACE_AGE seconds.
 * The next process makes a new one.
 */
#define REPLACE_BYTES   (256 * KiB)
#define REPLACE_AGE     600
/* Longest instruction of any guest; it may cross the end of a page. */
#define INSN_MAX        16
#define MAX_STATES      4
/* A TB with more guest code is not kept. */
#define GUEST_MAX       (4 * KiB)

typedef struct CacheHeader {
    char magic[8];
    uint32_t version;
    uint32_t config_size;
    uint64_t file_size;
    uint64_t slots;
    uint64_t seed;
    int64_t created;
    /* File offset of the next record; read while others write it */
    uint64_t end;
    char config[];
} CacheHeader;

typedef struct CacheState {
    uint64_t cs_base;
    uint32_t flags;
    uint32_t number;
} CacheState;

/*
 * Followed by CacheStates, TCGPlaces (relocations), host code with search data,
 * and guest code.  All sizes are in bytes.
 */
struct TBCacheRecord {
    uint64_t sum;               /* of the rest of the record */
    uint64_t pc;
    uint64_t cs_base;
    uint64_t memory;            /* see memory_kind() */
    uint32_t size;              /* of the whole record */
    uint32_t flags;
    uint32_t cflags;
    uint32_t page_flags;
    uint32_t code_size;         /* as in TranslationBlock.tc */
    uint32_t total_size;        /* with the search data */
    uint16_t guest_size;        /* as in TranslationBlock */
    uint16_t guest_kept;        /* guest code that the TB depends on */
    uint16_t icount;
    uint16_t nb_places;
    uint16_t nb_states;
    uint16_t jmp_reset_offset[2];
    uint16_t jmp_insn_offset[2];
    uint16_t pad[3];
};
QEMU_BUILD_BUG_ON(sizeof(TBCacheRecord) % CACHE_ALIGN);

/* A page of the index to write, from slot @first to slot @last */
typedef struct IndexPage {
    unsigned first;
    unsigned last;
    uint64_t slot[PAGE_SLOTS];
} IndexPage;

bool tb_cache_on;
bool (*tb_cache_skip)(vaddr pc);

/* mmap_lock protects this; only tb_cache_fault() reads it without. */
static struct {
    char *dir;
    char *name;
    char *config;
    uid_t uid;
    dev_t dev;
    ino_t ino;
    bool check;
    const void *map;
    uint64_t size;
    uint64_t data;              /* offset of the first record */
    uint64_t slots;
    uint64_t program;           /* see tb_cache_program() */
    vaddr program_first;
    vaddr program_size;
    GByteArray *pending;        /* records not yet saved */
    GPtrArray *tbs;             /* the TB of each, or NULL */
    GHashTable *changed;        /* IndexPages, while appending; or NULL */
    CacheState state[MAX_STATES];
    unsigned nb_states;
    bool states_ok;
    uint8_t read[GUEST_MAX];    /* guest code as the translator has read it */
    size_t nb_read;
    uint64_t memory;
    unsigned long taken, made, added;
} cache;

/* volatile: set by the signal handler that maps zeros over the file */
static volatile sig_atomic_t cache_lost;

/*
 * QEMU's own image
 */

typedef struct Image {
    uintptr_t first;
    uintptr_t last;
    char build_id[2 * 64 + 1];
} Image;

static int find_image(struct dl_phdr_info *info, size_t size, void *opaque)
{
    Image *image = opaque;

    image->first = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type == PT_LOAD) {
            image->first = MIN(image->first, start);
            image->last = MAX(image->last, start + ph->p_memsz - 1);
        } else if (ph->p_type == PT_NOTE) {
            const char *p = (const char *)start, *end = p + ph->p_memsz;

            while (end - p >= sizeof(ElfW(Nhdr))) {
                const ElfW(Nhdr) *n = (const void *)p;
                size_t name = ROUND_UP(n->n_namesz, 4);
                const uint8_t *desc;

                p += sizeof(*n);
                if (name > end - p || n->n_descsz > end - p - name) {
                    break;
                }
                desc = (const uint8_t *)p + name;
                if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
                    !memcmp(p, "GNU", 4) && n->n_descsz >= 8 &&
                    n->n_descsz <= 64) {
                    for (int j = 0; j < n->n_descsz; j++) {
                        sprintf(image->build_id + 2 * j, "%02x", desc[j]);
                    }
                }
                p += MIN(name + ROUND_UP(n->n_descsz, 4), end - p);
            }
        }
    }
    /* The first object is the program itself. */
    return 1;
}

/*
 * Hashes
 */

#define MIX 0x9e3779b97f4a7c15ull

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * MIX;
    return h ^ h >> 32;
}

/*
 * Each step is a bijection of each lane, so no single word can change
 * unnoticed; four lanes keep the multiplier busy.
 */
static uint64_t sum64(const void *p, size_t size)
{
    uint64_t a = MIX, b = ~MIX, c = MIX << 1 | 1, d = ~MIX << 1 | 1;

    for (; size >= 32; size -= 32, p += 32) {
        a = (a ^ ldq_he_p(p)) * MIX;
        b = (b ^ ldq_he_p(p + 8)) * MIX;
        c = (c ^ ldq_he_p(p + 16)) * MIX;
        d = (d ^ ldq_he_p(p + 24)) * MIX;
        a ^= a >> 29;
        b ^= b >> 29;
        c ^= c >> 29;
        d ^= d >> 29;
    }
    for (; size >= 8; size -= 8, p += 8) {
        a = mix(a, ldq_he_p(p));
    }
    return mix(mix(mix(a, b), c), d);
}

static uint64_t record_sum(const TBCacheRecord *rec, size_t size)
{
    size_t skip = sizeof(rec->sum);

    return sum64((const void *)rec + skip, size - skip);
}

uint32_t tb_cache_number(uint64_t cs_base, uint32_t flags, uint32_t cflags)
{
    uint64_t h = mix(mix(MIX, cs_base), (uint64_t)flags << 32 | cflags);

    /* Small enough for the host's immediate operands, and not 0 */
    return (h & 0x3fffffff) | 0x40000000;
}

/*
 * A number that tells how generated code adds guest_base: 0 if it does not, a
 * displacement's value, or 1 if it adds a register.
 */
static uint64_t memory_kind(void)
{
    uint64_t base = guest_base == (int32_t)guest_base ? guest_base : 1;

    return mix(mix(MIX, base), tcg_ctx->reserved_regs);
}

/*
 * The first 8 bytes mostly tell programs at the same address apart.  They may
 * reach into the next TB, but not into the next page, which may be unmapped.
 */
static uint64_t first_bytes(vaddr pc, const void *host_pc)
{
    return -(pc | TARGET_PAGE_MASK) >= 8 ? ldq_he_p(host_pc) : 0;
}

/* Bytes of guest code at @pc that a TB of @size bytes depends on */
static size_t bytes_kept(vaddr pc, size_t size)
{
    size_t room = -(pc | TARGET_PAGE_MASK);

    if (size >= room) {
        return size;
    }
    /* The TB may end because the next instruction crosses the page. */
    if (room - size < INSN_MAX) {
        return room;
    }
    /* RISC-V's translator may read 2 bytes more; first_bytes() reads 8. */
    return MAX(size + 2, 8);
}

static uint64_t key_hash(vaddr pc, uint64_t cs_base, uint32_t flags,
                         uint32_t cflags, uint64_t bytes)
{
    uint64_t h = mix(mix(cache.memory, pc), cs_base);

    return mix(mix(h, (uint64_t)flags << 32 | cflags), bytes);
}

/*
 * The @i-th slot to probe for a TB.  TBs of one guest page are close
 * together, so that a short process touches few pages of the index.
 * Position-dependent programs are loaded at the same addresses, so the slot
 * of a program's own code depends on the program, too.  If the first half of
 * the probes finds no room, the second half starts at another slot.
 */
static uint64_t slot_at(vaddr pc, uint64_t hash, unsigned i)
{
    bool own = pc - cache.program_first <= cache.program_size;
    uint64_t group = mix(pc >> 12, own ? cache.program : 0);
    uint64_t slot = i < MAX_PROBES / 2
                    ? group * PAGE_SLOTS + hash % PAGE_SLOTS : hash >> 16;

    return (slot + i) & (cache.slots - 1);
}

/*
 * Reading
 */

static uint64_t index_get(uint64_t slot)
{
    const IndexPage *page = NULL;

    if (cache.changed) {
        page = g_hash_table_lookup(cache.changed,
                                   GUINT_TO_POINTER(slot / PAGE_SLOTS));
    }
    return page ? page->slot[slot % PAGE_SLOTS] :
           qatomic_read((uint64_t *)(cache.map + HEADER_SIZE) + slot);
}

static const CacheState *record_states(const TBCacheRecord *rec)
{
    return (const void *)(rec + 1);
}

static const TCGPlace *record_places(const TBCacheRecord *rec)
{
    return (const void *)(record_states(rec) + rec->nb_states);
}

static const void *record_code(const TBCacheRecord *rec)
{
    return record_places(rec) + rec->nb_places;
}

static const void *record_guest(const TBCacheRecord *rec)
{
    return record_code(rec) + rec->total_size;
}

static uint64_t record_hash(const TBCacheRecord *rec)
{
    return key_hash(rec->pc, rec->cs_base, rec->flags, rec->cflags,
                    first_bytes(rec->pc, record_guest(rec)));
}

static size_t record_size(const TBCacheRecord *rec)
{
    return ROUND_UP(sizeof(*rec) + rec->nb_states * sizeof(CacheState) +
                    rec->nb_places * sizeof(TCGPlace) + rec->total_size +
                    rec->guest_kept, CACHE_ALIGN);
}

/* The record at a file offset, or NULL if its fields are implausible. */
static const TBCacheRecord *record_at(uint64_t offset)
{
    const TBCacheRecord *rec = cache.map + offset;

    if (offset < cache.data || offset > cache.size - sizeof(*rec) ||
        rec->size > cache.size - offset || rec->nb_states > MAX_STATES ||
        rec->nb_places > TCG_MAX_PLACES || rec->total_size > 1 * MiB ||
        rec->code_size > rec->total_size || rec->size != record_size(rec) ||
        rec->guest_size == 0 || rec->guest_size > TARGET_PAGE_SIZE ||
        rec->icount == 0 || rec->icount > TCG_MAX_INSNS ||
        rec->guest_kept != bytes_kept(rec->pc, rec->guest_size)) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (rec->jmp_reset_offset[i] != TB_JMP_OFFSET_INVALID &&
            (rec->jmp_reset_offset[i] > rec->code_size ||
             rec->jmp_insn_offset[i] >= rec->code_size)) {
            return NULL;
        }
    }
    return rec;
}

/* The record of an index entry, or NULL if its hash differs */
static const TBCacheRecord *record_of(uint64_t entry, uint64_t hash)
{
    return entry >> 32 == hash >> 32
           ? record_at((uint32_t)entry * (uint64_t)CACHE_ALIGN) : NULL;
}

/* Whether TBs of this page can be kept.  If so, sets the flags that matter. */
static bool page_is_kept(vaddr pc, uint32_t *page_flags)
{
    int flags = page_get_flags(pc);

    /*
     * A JIT's code, or code that changes, is in anonymous or writable pages.
     * x86's vsyscall page is not readable.
     */
    if ((flags & (PAGE_EXEC | PAGE_READ)) != (PAGE_EXEC | PAGE_READ) ||
        (flags & (PAGE_WRITE | PAGE_WRITE_ORG | PAGE_ANON))) {
        return false;
    }
    *page_flags = flags & (PAGE_TARGET_1 | PAGE_TARGET_2);
    return true;
}

/* Whether TBs of both pages of @rec can be kept, and their flags are @rec's. */
static bool pages_are_as(const TBCacheRecord *rec)
{
    vaddr last = rec->pc + rec->guest_size - 1;
    uint32_t flags;

    if (!page_is_kept(rec->pc, &flags) || flags != rec->page_flags) {
        return false;
    }
    return !((rec->pc ^ last) & TARGET_PAGE_MASK) ||
           (page_is_kept(last, &flags) && flags == rec->page_flags);
}

static bool cflags_are_kept(uint32_t cflags)
{
    return !(cflags & ~(CF_PARALLEL | CF_ATOMIC_LD16 | CF_CLUSTER_MASK));
}

static bool is_tb(const TBCacheRecord *rec, vaddr pc, uint64_t cs_base,
                  uint32_t flags, uint32_t cflags)
{
    return rec->pc == pc && rec->cs_base == cs_base && rec->flags == flags &&
           rec->cflags == cflags && rec->memory == cache.memory;
}

const TBCacheRecord *tb_cache_find(vaddr pc, uint64_t cs_base, uint32_t flags,
                                   uint32_t cflags, const void *host_pc)
{
    uint32_t page_flags;
    uint64_t hash;

    cache.nb_states = 0;
    cache.states_ok = true;
    cache.nb_read = 0;
    if (!cache.memory) {
        cache.memory = memory_kind();
    }
    if (!cflags_are_kept(cflags) || !page_is_kept(pc, &page_flags) ||
        (tb_cache_skip && tb_cache_skip(pc))) {
        cache.states_ok = false;
        return NULL;
    }

    hash = key_hash(pc, cs_base, flags, cflags, first_bytes(pc, host_pc));
    for (unsigned i = 0; i < MAX_PROBES; i++) {
        uint64_t entry = index_get(slot_at(pc, hash, i));
        const TBCacheRecord *rec;

        if (!entry) {
            break;
        }
        rec = record_of(entry, hash);
        if (rec && is_tb(rec, pc, cs_base, flags, cflags) &&
            pages_are_as(rec) &&
            !memcmp(host_pc, record_guest(rec), rec->guest_kept)) {
            return rec;
        }
    }
    return NULL;
}

/* Whether tb_state() returns the numbers that the code contains. */
static bool states_are_as(const TBCacheRecord *rec)
{
    const CacheState *s = record_states(rec);

    for (unsigned i = 0; i < rec->nb_states; i++) {
        if (tb_state(s[i].cs_base, s[i].flags, rec->cflags) != s[i].number) {
            return false;
        }
    }
    return true;
}

/* Copy code and search data, and relocate the code. */
static bool place_code(const TBCacheRecord *rec, void *buf)
{
    const TCGPlace *p = record_places(rec);

    memcpy(buf, record_code(rec), rec->total_size);
    for (unsigned i = 0; i < rec->nb_places; i++) {
        if (!tcg_movable_fix(buf, rec->code_size, &p[i])) {
            return false;
        }
    }
    return true;
}

/* Whether the record is still as it was written. */
static bool is_intact(const TBCacheRecord *rec)
{
    return record_sum(rec, rec->size) == rec->sum && !cache_lost;
}

int tb_cache_take(const TBCacheRecord *rec, TranslationBlock *tb, void *buf)
{
    size_t size = rec->total_size;
    vaddr last;

    if (cache.check || size > tcg_ctx->code_gen_highwater - buf) {
        return 0;
    }
    tb->size = rec->guest_size;
    tb->icount = rec->icount;
    tb->tc.size = rec->code_size;
    for (int i = 0; i < 2; i++) {
        tb->jmp_reset_offset[i] = rec->jmp_reset_offset[i];
        tb->jmp_insn_offset[i] = rec->jmp_insn_offset[i];
    }
    /* is_intact() after the copy, as others may truncate or clear the file */
    if (!states_are_as(rec) || !place_code(rec, buf) || !is_intact(rec)) {
        return 0;
    }
    last = tb->pc + tb->size - 1;
    if ((tb->pc ^ last) & TARGET_PAGE_MASK) {
        tb_set_page_addr1(tb, last & TARGET_PAGE_MASK);
    }
    flush_idcache_range((uintptr_t)tb->tc.ptr, (uintptr_t)buf, tb->tc.size);
    cache.taken++;
    return size;
}

/*
 * TBs that were translated
 */

void tb_cache_state(uint64_t cs_base, uint32_t flags, uint32_t number)
{
    for (unsigned i = 0; i < cache.nb_states; i++) {
        if (cache.state[i].number == number) {
            return;
        }
    }
    if (cache.nb_states == MAX_STATES) {
        cache.states_ok = false;
        return;
    }
    cache.state[cache.nb_states++] = (CacheState) { cs_base, flags, number };
}

void tb_cache_read(vaddr offset, const void *bytes, size_t size)
{
    if (offset > cache.nb_read || offset > GUEST_MAX - size) {
        /* A gap, or more than GUEST_MAX bytes: do not keep the TB. */
        cache.nb_read = SIZE_MAX;
        return;
    }
    memcpy(cache.read + offset, bytes, size);
    cache.nb_read = MAX(cache.nb_read, offset + size);
}

static bool states_are_kept(uint32_t cflags)
{
    for (unsigned i = 0; i < cache.nb_states; i++) {
        const CacheState *s = &cache.state[i];

        if (s->number != tb_cache_number(s->cs_base, s->flags, cflags)) {
            return false;
        }
    }
    return cache.states_ok;
}

static G_NORETURN void differs(const TranslationBlock *tb, const char *what)
{
    error_report("-tb-cache: the TB at 0x%" VADDR_PRIx " differs from what "
                 "%s/%s has for it: %s", tb->pc, cache.dir, cache.name, what);
    abort();
}

/* Compare a TB just translated with its record in the file. */
static void check_tb(const TBCacheRecord *rec, const TranslationBlock *tb,
                     const void *buf, size_t size)
{
    g_autofree void *copy = g_malloc(size);

    if (rec->total_size != size || rec->code_size != tb->tc.size ||
        rec->guest_size != tb->size || rec->icount != tb->icount) {
        differs(tb, "sizes");
    }
    if (memcmp(rec->jmp_insn_offset, tb->jmp_insn_offset, 4) ||
        memcmp(rec->jmp_reset_offset, tb->jmp_reset_offset, 4)) {
        differs(tb, "jumps");
    }
    if (!tcg_ctx->movable->ok ||
        rec->nb_places != tcg_ctx->movable->nb_places ||
        memcmp(record_places(rec), tcg_ctx->movable->places,
               rec->nb_places * sizeof(TCGPlace))) {
        differs(tb, "places");
    }
    if (!states_are_as(rec) || rec->nb_states != cache.nb_states ||
        memcmp(record_states(rec), cache.state,
               rec->nb_states * sizeof(CacheState))) {
        differs(tb, "states");
    }
    memcpy(copy, buf, size);
    if (!place_code(rec, (void *)buf)) {
        differs(tb, "it cannot be placed");
    }
    if (memcmp(copy, buf, size)) {
        differs(tb, "code");
    }
    /* place_code() has rewritten the code at @buf. */
    flush_idcache_range((uintptr_t)tb->tc.ptr, (uintptr_t)buf, rec->code_size);
    cache.taken++;
}

void tb_cache_made(const TBCacheRecord *found, const TranslationBlock *tb,
                   const void *buf, size_t size, const void *host_pc)
{
    const TCGMovable *m = tcg_ctx->movable;
    TBCacheRecord rec = {
        .pc = tb->pc,
        .cs_base = tb->cs_base,
        .memory = cache.memory,
        .flags = tb->flags,
        .cflags = tb_cflags(tb),
        .code_size = tb->tc.size,
        .total_size = size,
        .guest_size = tb->size,
        .guest_kept = bytes_kept(tb->pc, tb->size),
        .icount = tb->icount,
        .nb_places = m->nb_places,
        .nb_states = cache.nb_states,
        .jmp_reset_offset = { tb->jmp_reset_offset[0],
                              tb->jmp_reset_offset[1] },
        .jmp_insn_offset = { tb->jmp_insn_offset[0], tb->jmp_insn_offset[1] },
    };
    GByteArray *out = cache.pending;
    guint at = out->len;
    TBCacheRecord *r;

    cache.made++;
    if (found) {
        if (cache.check && is_intact(found)) {
            check_tb(found, tb, buf, size);
        }
        return;
    }
    if (!m->ok || !cflags_are_kept(rec.cflags) || tb_page_addr0(tb) == -1 ||
        !states_are_kept(rec.cflags) ||
        cache.nb_read < rec.guest_size || cache.nb_read > rec.guest_kept ||
        !page_is_kept(tb->pc, &rec.page_flags) || !pages_are_as(&rec) ||
        at > PENDING_MAX) {
        return;
    }

    rec.size = record_size(&rec);
    g_byte_array_set_size(out, at + rec.size);
    r = (TBCacheRecord *)(out->data + at);
    memset(out->data + at + rec.size - CACHE_ALIGN, 0, CACHE_ALIGN);
    *r = rec;
    memcpy((void *)record_states(r), cache.state,
           rec.nb_states * sizeof(CacheState));
    memcpy((void *)record_places(r), m->places,
           rec.nb_places * sizeof(TCGPlace));
    memcpy((void *)record_code(r), buf, size);
    /*
     * Prefer the bytes that the translator read: memory may have changed
     * since, by a write to the file or to another mapping of it.
     */
    memcpy((void *)record_guest(r), host_pc, rec.guest_kept);
    memcpy((void *)record_guest(r), cache.read, cache.nb_read);
    r->sum = record_sum(r, rec.size);
    g_ptr_array_add(cache.tbs, (void *)tb);

    /* Do not save beside other threads: they could see the descriptor. */
    if (out->len > PENDING_SAVE && !CPU_NEXT(first_cpu)) {
        tb_cache_save(false);
    }
}

/*
 * Files
 */

/* Whether @fd has @type, belongs to the user, and has no mode bit of @others */
static bool is_own(int fd, mode_t type, mode_t others, struct stat *st)
{
    return !fstat(fd, st) && (st->st_mode & S_IFMT) == type &&
           st->st_uid == cache.uid && !(st->st_mode & others);
}

static int open_dir(bool create)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(cache.dir, flags);
    struct stat st;

    if (fd < 0 && errno == ENOENT && create &&
        (!mkdir(cache.dir, 0700) || errno == EEXIST)) {
        fd = open(cache.dir, flags);
    }
    if (fd >= 0 && !is_own(fd, S_IFDIR, 022, &st)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int open_file(int dir, int flags, struct stat *st)
{
    int fd = openat(dir, cache.name,
                    flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                    0600);

    if (fd >= 0 && !is_own(fd, S_IFREG, 077, st)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool write_all(int fd, const void *buf, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, buf, size, offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        buf += n;
        size -= n;
        offset += n;
    }
    return true;
}

/* A write beyond RLIMIT_FSIZE raises SIGXFSZ; the guest must not get it. */
static bool may_have_size(uint64_t size)
{
    struct rlimit lim;

    return !getrlimit(RLIMIT_FSIZE, &lim) && lim.rlim_cur >= size;
}

static uint64_t free_bytes(int fd)
{
    struct statvfs st;

    return fstatvfs(fd, &st) ? 0 : (uint64_t)st.f_bavail * st.f_frsize;
}

static bool header_is_right(const CacheHeader *h, const struct stat *st)
{
    return !memcmp(h->magic, CACHE_MAGIC, sizeof(h->magic)) &&
           h->version == CACHE_VERSION && h->seed &&
           h->file_size == st->st_size && h->file_size >= MIN_SIZE &&
           h->file_size <= MAX_SIZE &&
           is_power_of_2(h->slots) &&
           h->slots <= h->file_size / (2 * sizeof(uint64_t)) &&
           h->config_size == strlen(cache.config) + 1 &&
           h->config_size <= HEADER_SIZE - sizeof(*h) &&
           !memcmp(h->config, cache.config, h->config_size);
}

/* Initialise an empty file, with the lock held. */
static bool make_file(int fd, CacheHeader *h, uint64_t max_size)
{
    size_t config_size = strlen(cache.config) + 1;
    uint64_t size = MIN(MAX(max_size, MIN_SIZE), MAX_SIZE);

    size = ROUND_DOWN(MIN(size, free_bytes(fd) / 2), MIN_SIZE);
    if (!size || config_size > HEADER_SIZE - sizeof(*h) ||
        !may_have_size(size) || ftruncate(fd, size)) {
        return false;
    }
    memcpy(h->magic, CACHE_MAGIC, sizeof(h->magic));
    h->version = CACHE_VERSION;
    h->config_size = config_size;
    h->file_size = size;
    h->slots = pow2floor(size / BYTES_PER_SLOT);
    h->created = time(NULL);
    h->end = HEADER_SIZE + h->slots * sizeof(uint64_t);
    memcpy(h->config, cache.config, config_size);
    if (getrandom(&h->seed, sizeof(h->seed), 0) != sizeof(h->seed)) {
        return false;
    }
    h->seed |= 1;
    return write_all(fd, h, HEADER_SIZE, 0);
}

static bool map_file(int fd, const struct stat *st)
{
    const CacheHeader *h;
    void *map;

    if (st->st_size < MIN_SIZE) {
        return false;
    }
    map = mmap(NULL, st->st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return false;
    }
    cache.map = map;
    cache.size = st->st_size;
    h = map;
    if (!header_is_right(h, st) || cache_lost) {
        cache.map = NULL;
        munmap(map, st->st_size);
        return false;
    }
    cache.slots = h->slots;
    cache.data = HEADER_SIZE + h->slots * sizeof(uint64_t);
    cache.dev = st->st_dev;
    cache.ino = st->st_ino;
    return true;
}

/* Map the existing file. */
static bool use_file(int dirfd)
{
    struct stat st;
    int fd = open_file(dirfd, O_RDONLY, &st);
    bool ok;

    if (fd < 0) {
        return false;
    }
    ok = map_file(fd, &st);
    close(fd);
    return ok;
}

/*
 * Create the file, unless another process has done so meanwhile.  The caller
 * opens it again to map it: a mapping of this descriptor would keep the lock
 * and could be made writable.
 */
static bool begin_file(int dirfd, uint64_t max_size)
{
    g_autofree CacheHeader *h = g_malloc0(HEADER_SIZE);
    struct stat st;
    int fd = open_file(dirfd, O_RDWR | O_CREAT, &st);
    bool ok = false;

    if (fd < 0) {
        return false;
    }
    if (!flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st)) {
        ok = st.st_size == 0 ? make_file(fd, h, max_size) :
             pread(fd, h, HEADER_SIZE, 0) == HEADER_SIZE &&
             header_is_right(h, &st);
        if (!ok) {
            /* Incomplete or damaged: do not repair it, as others map it. */
            unlinkat(dirfd, cache.name, 0);
        }
    }
    close(fd);
    return ok;
}

uint64_t tb_cache_open(const char *dir, uint64_t max_size, bool check,
                       const char *config)
{
    g_autofree char *sum = NULL;
    Image image = { };
    struct rlimit lim;
    bool ok = false;
    mode_t mask;
    int dirfd;

    cache.uid = geteuid();
    dl_iterate_phdr(find_image, &image);
    /*
     * 65534 is the kernel's number for all users that a namespace does not
     * know: it does not identify the owner of a file.  With a limit on the
     * address space, the file's mapping would take room from the program.
     */
    if (getauxval(AT_SECURE) || getuid() != cache.uid ||
        getgid() != getegid() || cache.uid == 65534 || !image.build_id[0] ||
        getrlimit(RLIMIT_AS, &lim) || lim.rlim_cur != RLIM_INFINITY ||
        !tcg_movable_init(image.first, image.last)) {
        return 0;
    }

    cache.dir = g_canonicalize_filename(dir, NULL);
    cache.check = check;
    cache.config = g_strdup_printf("%s\nbuild %s host %x near %d line %d "
                                   "page %d %d\n", config, image.build_id,
                                   tcg_ctx->movable->host,
                                   tcg_ctx->movable->is_near,
                                   qemu_icache_linesize, (int)TARGET_PAGE_SIZE,
                                   (int)qemu_real_host_page_size());
    sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, cache.config, -1);
    cache.name = g_strdup_printf("%.32s.tb", sum);

    /*
     * Create with modes 0700 and 0600, whatever the user's umask is.  Do not
     * repair the modes of existing files: another user may already have written
     * them.
     */
    mask = umask(077);
    dirfd = open_dir(true);
    if (dirfd >= 0) {
        ok = use_file(dirfd) ||
             (begin_file(dirfd, max_size) && use_file(dirfd));
        close(dirfd);
    }
    umask(mask);
    if (!ok) {
        tcg_movable_end();
        return 0;
    }
    cache.pending = g_byte_array_sized_new(PENDING_SAVE);
    cache.tbs = g_ptr_array_new();
    tb_cache_on = true;
    return ((const CacheHeader *)cache.map)->seed;
}

void tb_cache_program(uint64_t program, vaddr first, vaddr last)
{
    cache.program = program;
    cache.program_first = first;
    cache.program_size = last - first;
}

static void forget_pending(void)
{
    g_byte_array_set_size(cache.pending, 0);
    g_ptr_array_set_size(cache.tbs, 0);
}

void tb_cache_flushed(void)
{
    for (guint i = 0; i < cache.tbs->len; i++) {
        g_ptr_array_index(cache.tbs, i) = NULL;
    }
}

void tb_cache_close(void)
{
    if (tb_cache_on) {
        tb_cache_on = false;
        munmap((void *)cache.map, cache.size);
        cache.map = NULL;
        forget_pending();
    }
}

bool tb_cache_fault(const void *addr)
{
    const void *map = cache.map;

    if (!map || addr < map || addr >= map + cache.size) {
        return false;
    }
    /* Zeros are neither an index entry nor a record. */
    cache_lost = true;
    return mmap((void *)map, cache.size, PROT_READ,
                MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                -1, 0) != MAP_FAILED;
}

void tb_cache_mapped(vaddr start, vaddr last)
{
    uintptr_t map = (uintptr_t)cache.map;

    if (map <= guest_base + (last | ~TARGET_PAGE_MASK) &&
        map + cache.size > guest_base + (start & TARGET_PAGE_MASK)) {
        /* This memory is the guest's now. */
        tb_cache_on = false;
        cache.map = NULL;
        forget_pending();
    }
}

void tb_cache_forked(void)
{
    if (tb_cache_on) {
        forget_pending();
        cache.taken = cache.made = cache.added = 0;
    }
}

/*
 * Writing
 */

/* The slot for @rec; or -1 if the file has the same record, or no free slot. */
static int64_t free_slot(const TBCacheRecord *rec, uint64_t hash)
{
    for (unsigned i = 0; i < MAX_PROBES; i++) {
        uint64_t slot = slot_at(rec->pc, hash, i);
        uint64_t entry = index_get(slot);
        const TBCacheRecord *old;

        if (!entry) {
            return slot;
        }
        old = record_of(entry, hash);
        if (old && is_tb(old, rec->pc, rec->cs_base, rec->flags,
                         rec->cflags) &&
            old->page_flags == rec->page_flags &&
            old->guest_size == rec->guest_size &&
            !memcmp(record_guest(old), record_guest(rec), rec->guest_kept)) {
            return -1;
        }
    }
    return -1;
}

static void index_set(uint64_t slot, uint64_t entry)
{
    gpointer number = GUINT_TO_POINTER(slot / PAGE_SLOTS);
    IndexPage *page = g_hash_table_lookup(cache.changed, number);
    unsigned i = slot % PAGE_SLOTS;

    if (!page) {
        page = g_new(IndexPage, 1);
        page->first = page->last = i;
        memcpy(page->slot, cache.map + HEADER_SIZE +
               slot / PAGE_SLOTS * sizeof(page->slot), sizeof(page->slot));
        g_hash_table_insert(cache.changed, number, page);
    }
    page->first = MIN(page->first, i);
    page->last = MAX(page->last, i);
    page->slot[i] = entry;
}

/*
 * Slots between the new ones are written, too: with the lock held, no other
 * process changes them.
 */
static void write_index(int fd)
{
    GHashTableIter iter;
    gpointer number, value;

    g_hash_table_iter_init(&iter, cache.changed);
    while (g_hash_table_iter_next(&iter, &number, &value)) {
        const IndexPage *page = value;
        size_t size = sizeof(page->slot[0]);

        if (!write_all(fd, &page->slot[page->first],
                       (page->last + 1 - page->first) * size,
                       HEADER_SIZE + GPOINTER_TO_UINT(number) *
                       sizeof(page->slot) + page->first * size)) {
            return;
        }
    }
}

/*
 * Prepare cache.pending for a write at file offset @start, of at most @room
 * bytes.  Drop a record if its TB is invalid, if the file has that record, or
 * if there is no slot or room.  Enter the others into the index.
 *
 * Returns: the number of records left.
 */
static unsigned long drop_unwanted(uint64_t start, uint64_t room)
{
    GByteArray *out = cache.pending;
    unsigned long count = 0;
    guint to = 0;

    for (guint at = 0, i = 0; at < out->len; i++) {
        const TBCacheRecord *rec = (const void *)out->data + at;
        const TranslationBlock *tb = g_ptr_array_index(cache.tbs, i);
        guint size = rec->size;

        if (!tb || !(tb_cflags(tb) & CF_INVALID)) {
            uint64_t hash = record_hash(rec);
            int64_t slot = free_slot(rec, hash);

            if (slot >= 0 && size <= room - to) {
                index_set(slot, hash >> 32 << 32 | (start + to) / CACHE_ALIGN);
                memmove(out->data + to, rec, size);
                to += size;
                count++;
            }
        }
        at += size;
    }
    g_byte_array_set_size(out, to);
    return count;
}

static void append(int fd, int dir)
{
    const CacheHeader *h = cache.map;
    GByteArray *out = cache.pending;
    uint64_t start = qatomic_read(&h->end), end, room;
    unsigned long count;

    if (start % CACHE_ALIGN || start < cache.data || start > cache.size) {
        return;
    }
    room = cache.size - start;
    if (room < MIN(out->len, REPLACE_BYTES)) {
        if (out->len > REPLACE_BYTES &&
            time(NULL) - h->created > REPLACE_AGE) {
            unlinkat(dir, cache.name, 0);
        }
        return;
    }
    room = MIN(out->len, room);
    if (!may_have_size(start + room) || room > free_bytes(fd) / 2) {
        return;
    }
    cache.changed = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    count = drop_unwanted(start, room);
    end = start + out->len;
    if (count && !cache_lost && write_all(fd, out->data, out->len, start) &&
        write_all(fd, &end, sizeof(end), offsetof(CacheHeader, end))) {
        write_index(fd);
        cache.added += count;
    }
    g_clear_pointer(&cache.changed, g_hash_table_destroy);
}

static int save_pending(void *opaque)
{
    int dir = open_dir(false);
    struct stat st;

    if (dir >= 0) {
        int fd = open_file(dir, O_RDWR, &st);

        if (fd >= 0) {
            if (st.st_dev == cache.dev && st.st_ino == cache.ino &&
                st.st_size == cache.size && !flock(fd, LOCK_EX | LOCK_NB)) {
                append(fd, dir);
            }
            close(fd);
        }
        close(dir);
    }
    return 0;
}

/*
 * Save with a separate descriptor table: other threads cannot see or close the
 * descriptors, or reuse their numbers for other files.
 */
static void save_apart(void)
{
    size_t size = 256 * KiB;
    void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    sigset_t set, old;
    int pid;

    if (stack == MAP_FAILED) {
        return;
    }
    sigfillset(&set);
    sigdelset(&set, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &set, &old);
    pid = clone(save_pending, stack + size, CLONE_VM | CLONE_VFORK, NULL);
    if (pid > 0) {
        waitpid(pid, NULL, __WCLONE);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    munmap(stack, size);
}

void tb_cache_save(bool threads)
{
    tcg_debug_assert(have_mmap_lock());
    if (!tb_cache_on) {
        return;
    }
    if (cache.pending->len && !cache_lost && geteuid() == cache.uid) {
        if (threads) {
            save_apart();
        } else {
            save_pending(NULL);
        }
    }
    trace_tb_cache_save(cache.taken, cache.made, cache.added);
    forget_pending();
}
