/*
 * Guest addresses that repeat from run to run
 *
 * A process can use the TBs of another one only if the code has the same guest
 * address in both.  With reserved_va, QEMU chooses all addresses; these
 * functions choose those of ELF files.  Without it, the kernel chooses
 * addresses at random; these functions choose all of them instead, in a part of
 * the address space that the kernel does not use for QEMU.  An address is only
 * a hint: it never replaces a mapping.  If it is not free, QEMU or the kernel
 * chooses another.
 *
 * The address of an ELF file does not depend on earlier mappings, so that all
 * programs can share the TBs of a library.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/host-utils.h"
#include "qemu/interval-tree.h"
#include "qemu/queue.h"
#include "qemu/units.h"
#include "qemu.h"
#include "user/page-protection.h"
#include "user-internals.h"
#include "user-mmap.h"
#include "elf.h"

/* Linux gives mips64 programs fewer bits than the CPU has. */
#ifdef TARGET_MIPS64
#define GUEST_BITS  MIN(40, TARGET_VIRT_ADDR_SPACE_BITS)
#else
#define GUEST_BITS  MIN(63, TARGET_VIRT_ADDR_SPACE_BITS)
#endif

/* Alignment of many libraries, whatever the page size is */
#define SLOT        (64 * KiB)

/* How many addresses to try for a file. */
#define TRIES       16

bool mmap_repeat;

static uint64_t repeat_seed;
static uint64_t host_space;

/*
 * mmap_lock protects the layout and the holes.  Size 0, or any_end 0: there is
 * no such part.
 */
static bool layout_done;
static abi_ulong exec_start, exec_size;     /* the executable, then its brk */
static abi_ulong file_start, file_size;     /* other ELF files */
static abi_ulong any_start, any_end;        /* all else */

/* Start of the unallocated rest, which ends at any_end */
static abi_ulong any_next;

/*
 * Free ranges between any_start and any_next: in a tree by address, to merge
 * neighbours, and in lists by the logarithm of the size.  With the lists, the
 * cost of a mapping is independent of the number of holes.
 */
typedef struct Hole {
    IntervalTreeNode itree;
    QLIST_ENTRY(Hole) next;
} Hole;

static IntervalTreeRoot holes;
static QLIST_HEAD(, Hole) holes_by_size[64];
static uint64_t holes_sizes;                /* bitmap of non-empty lists */

/* How many holes of a list to try; some may be too small. */
#define HOLE_TRIES  4

/* The ELF file that this thread has read last, and may be about to map. */
static __thread struct {
    uint64_t dev, ino;
    bool valid;
} last_read;

/* Inodes for mappings of no file: with device 0, which no file has */
enum {
    INO_VDSO,
    INO_ANY,
};

/*
 * Random numbers for addresses that the kernel would otherwise randomize.  An
 * address must not reveal the seed, or another file's address, to a guest that
 * knows devices and inodes.  So use a cryptographic hash.  All processes with
 * the same seed have the same addresses, like a parent and its forked children.
 */
static void repeat_random(uint64_t dev, uint64_t ino, uint64_t rnd[4])
{
    uint64_t key[3] = { repeat_seed, dev, ino };
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize len = 4 * sizeof(*rnd);

    g_checksum_update(sum, (guchar *)key, sizeof(key));
    g_checksum_get_digest(sum, (guint8 *)rnd, &len);
    g_checksum_free(sum);
}

void mmap_repeat_init(uint64_t seed)
{
    /* The kernel puts the stack at the end of a process' address space. */
    host_space = pow2ceil((uintptr_t)__builtin_frame_address(0));
    repeat_seed = seed;
    mmap_repeat = true;
}

/* Called at first use: guest_base is not known earlier. */
static void layout(void)
{
    uint64_t space, start, end, rnd[4];

    if (layout_done) {
        return;
    }
    layout_done = true;

    if (reserved_va) {
        /*
         * Put files near the end of the space: other mappings grow up from
         * task_unmapped_base.  Leave 0x20000000 to 0x3fffffff to
         * AddressSanitizer.
         */
        file_size = MIN(256 * MiB, reserved_va / 16 + 1) & -SLOT;
        file_start = (reserved_va - file_size / 16 - file_size) & -SLOT;
        return;
    }

    space = MIN(host_space, 1ull << GUEST_BITS);
    space = pow2floor(MIN(space, guest_addr_max));
    if (space >= 1ull << 44) {
        /*
         * Sanitizers in the guest know where Linux maps files, and take much of
         * the space for themselves.  Stay just below the range in which the
         * kernel maps QEMU: the last 1/128 of the space, plus room for the
         * stack.  A larger vm.mmap_rnd_bits makes that range larger, but
         * overlaps are rare.
         */
        start = space / 2048 * 0x7e8;
        end = space / 2048 * 0x7ef;
    } else {
        /*
         * Linux maps files from 1/4 or 1/3 of the space if the stack is
         * unlimited, else from the end of the space.  It maps QEMU itself in
         * the same place, at 2/3 of the space, or near 0.
         */
        start = space / 8 * 3;
        end = space / 2;
    }
    if (end - start < 4 * GiB || guest_base > space / 2048) {
        return;
    }

    exec_start = start;
    exec_size = (end - start) / 8 & -SLOT;
    file_start = exec_start + exec_size;
    file_size = exec_size * 2;
    any_start = file_start + file_size;
    any_end = end;

    repeat_random(0, INO_ANY, rnd);
    any_start += rnd[0] % (exec_size / 2) & -SLOT;
    any_next = any_start;
}

static bool is_free(abi_ulong start, abi_ulong size)
{
    return guest_range_valid_untagged(start, size)
           && page_check_range_empty(start, start + size - 1);
}

static abi_ulong find_for_file(uint64_t dev, uint64_t ino, abi_ulong size)
{
    abi_ulong slot = MAX(SLOT, MAX(qemu_real_host_page_size(),
                                   TARGET_PAGE_SIZE));
    abi_ulong slots = file_size / slot;
    uint64_t rnd[4];

    if (size > file_size / 4) {
        return 0;
    }
    repeat_random(dev, ino, rnd);
    for (int i = 0; i < TRIES; i++) {
        abi_ulong n = (rnd[i % 4] >> (i / 4 * 8)) % slots;
        abi_ulong start = file_start + n * slot;

        if (size <= (slots - n) * slot && is_free(start, size)) {
            return start;
        }
    }
    return 0;
}

static bool is_library(const uint8_t *p)
{
    return !memcmp(p, ELFMAG, SELFMAG)
           && (p[EI_DATA] == ELFDATA2MSB ? lduw_be_p(p + EI_NIDENT)
               : lduw_le_p(p + EI_NIDENT)) == ET_DYN;
}

void mmap_repeat_has_read(int fd, const void *buf)
{
    struct stat st;

    if (is_library(buf) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        last_read.dev = st.st_dev;
        last_read.ino = st.st_ino;
        last_read.valid = true;
    }
}

static int size_class(abi_ulong start, abi_ulong last)
{
    return 63 - clz64(last - start + 1);
}

static void hole_add(abi_ulong start, abi_ulong last)
{
    int i = size_class(start, last);
    Hole *h = g_new0(Hole, 1);

    h->itree.start = start;
    h->itree.last = last;
    interval_tree_insert(&h->itree, &holes);
    QLIST_INSERT_HEAD(&holes_by_size[i], h, next);
    holes_sizes |= 1ull << i;
}

static void hole_remove(Hole *h)
{
    int i = size_class(h->itree.start, h->itree.last);

    interval_tree_remove(&h->itree, &holes);
    QLIST_REMOVE(h, next);
    g_free(h);
    if (QLIST_EMPTY(&holes_by_size[i])) {
        holes_sizes &= ~(1ull << i);
    }
}

void mmap_repeat_free(abi_ulong start, abi_ulong size)
{
    int host_page_size = qemu_real_host_page_size();
    abi_ulong end = MIN(ROUND_UP(start + size, host_page_size), any_next);
    IntervalTreeNode *n;

    start = MAX(start & -host_page_size, any_start);
    if (start >= end) {
        return;
    }
    while ((n = interval_tree_iter_first(&holes, start - 1, end))) {
        start = MIN(start, n->start);
        end = MAX(end, n->last + 1);
        hole_remove(container_of(n, Hole, itree));
    }
    if (end == any_next) {
        any_next = start;
    } else {
        hole_add(start, end - 1);
    }
}

static abi_ulong find_in_holes(abi_ulong size, abi_ulong align)
{
    uint64_t left = holes_sizes & -(1ull << size_class(0, size - 1));

    for (; left; left &= left - 1) {
        int tries = HOLE_TRIES;
        Hole *h, *h_next;

        QLIST_FOREACH_SAFE(h, &holes_by_size[ctz64(left)], next, h_next) {
            abi_ulong start = h->itree.start, last = h->itree.last;
            abi_ulong ret = ROUND_UP(start, align);

            if (ret <= last && size - 1 <= last - ret) {
                hole_remove(h);
                /* The guest may have mapped something there itself. */
                if (page_check_range_empty(ret, ret + size - 1)) {
                    if (start < ret) {
                        hole_add(start, ret - 1);
                    }
                    if (ret + size - 1 < last) {
                        hole_add(ret + size, last);
                    }
                    return ret;
                }
            }
            if (--tries == 0) {
                break;
            }
        }
    }
    return 0;
}

abi_ulong mmap_repeat_find(abi_ulong size, abi_ulong align)
{
    abi_ulong ret;

    layout();
    if (!any_end) {
        return 0;
    }
    size = ROUND_UP(size, qemu_real_host_page_size());
    ret = find_in_holes(size, align);
    if (ret) {
        return ret;
    }
    if (size > any_end - any_next) {
        return 0;
    }
    ret = page_find_range_empty(any_next, any_end - 1, size, align);
    if (ret == (abi_ulong)-1) {
        return 0;
    }
    if (ret > any_next && page_check_range_empty(any_next, ret - 1)) {
        hole_add(any_next, ret - 1);
    }
    any_next = ret + size;
    return ret;
}

abi_ulong mmap_repeat_hint(abi_ulong start, abi_ulong size, int prot,
                           int flags, int fd, off_t offset)
{
    int host_page_size = qemu_real_host_page_size();
    abi_ulong ret = 0;

    layout();

    if (start && (reserved_va || !guest_range_valid_untagged(start, size)
                  || page_check_range_empty(start, start + size - 1))) {
        return start;
    }

    if ((flags & MAP_TYPE) != MAP_PRIVATE) {
        /* Loaders use MAP_PRIVATE: this is no library. */
    } else if (flags & MAP_ANONYMOUS) {
        /* glibc reserves room to align a library before it maps the file. */
        if (prot == PROT_NONE && last_read.valid) {
            ret = find_for_file(last_read.dev, last_read.ino, size);
            last_read.valid = false;
        }
    } else if (offset == 0) {
        uint8_t head[EI_NIDENT + 2];
        struct stat st;

        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
            && pread(fd, head, sizeof(head), 0) == sizeof(head)
            && is_library(head)) {
            ret = find_for_file(st.st_dev, st.st_ino, size);
            last_read.valid = false;
        }
    }

    if (!ret) {
        ret = mmap_repeat_find(size + (offset & (host_page_size - 1)),
                               MAX(host_page_size, TARGET_PAGE_SIZE));
    }
    return ret ? ret : start;
}

abi_ulong mmap_repeat_image(abi_ulong start, abi_ulong size, abi_ulong align,
                            int fd, bool exec)
{
    uint64_t dev = 0, ino = INO_VDSO, rnd[4];
    struct stat st;
    abi_ulong ret;

    layout();

    if (fd >= 0 && fstat(fd, &st) == 0) {
        dev = st.st_dev;
        ino = st.st_ino;
    }
    if (!exec) {
        ret = start ? start : find_for_file(dev, ino, size);
    } else if (size > exec_size / 4) {
        ret = 0;
    } else {
        /* At least half of the room remains for the executable and brk. */
        align = MAX(align, SLOT);
        repeat_random(dev, ino, rnd);
        ret = exec_start + (rnd[0] % (exec_size / 2) & -align);
    }
    return ret ? ret : start;
}
