/*
 * Tests of TBs kept in a file: code in files of the guest
 *
 * Only TBs of code from files are kept.  chain-code.h makes the code for each
 * guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef CACHE_FILE_H
#define CACHE_FILE_H

#include "../tb-chain/chain-code.h"
#include <fcntl.h>

#define RX          (PROT_READ | PROT_EXEC)

/* Each run maps the code at the same address, which no guest uses. */
#define CODE_AT(i)  ((char *)0x3c000000 + (i) * CODE_SIZE)
#define CODE_SIZE   (4 * PAGE)

static __thread char *code;
#define CODE        (code ? code : CODE_AT(0))

/* The leaves that put_leaves() writes */
#define LEAF_SIZE   32
#define LEAVES      ((int)(PAGE / LEAF_SIZE))

static inline char *map_code(int fd, int prot, int flags)
{
    char *p = mmap(CODE, CODE_SIZE, prot, flags, fd, 0);

    MUST(p != MAP_FAILED);
    if (p != CODE) {
        printf("there is no room at %p\n", CODE);
        exit(EXIT_FAILURE);
    }
    return p;
}

static inline void unmap_code(void)
{
    MUST(munmap(CODE, CODE_SIZE) == 0);
}

/*
 * Leaf i returns n + i.  Every other leaf begins with 8 constant bytes, as the
 * hash of a kept TB includes its first 8 bytes.
 */
static inline void put_leaves(char *p, int n)
{
    for (int i = 0; i < LEAVES; i++) {
        char *leaf = p + i * LEAF_SIZE, *q = leaf;

        while (i & 1 && q < leaf + 8) {
            q = put_nop(q);
        }
        put_leaf(q, n + i);
    }
}

/*
 * Write the code that @put makes for its final address to a file opened with
 * @flags: O_TRUNC gives the file new pages, O_EXCL a new inode.
 */
static inline int make_code(const char *name, int flags,
                            void (*put)(char *p, int n), int n)
{
    int fd = open(name, flags | O_RDWR | O_CREAT, 0700);
    char *p;

    MUST(fd >= 0);
    p = map_code(-1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    put(p, n);
    MUST(pwrite(fd, p, CODE_SIZE, 0) == CODE_SIZE);
    unmap_code();
    return fd;
}

static inline void check_leaves(const char *what, int n)
{
    for (int i = 0; i < LEAVES; i++) {
        int value = call(entry(CODE + i * LEAF_SIZE), NULL, NULL);

        CHECK(value == n + i, "%s: leaf %d returns %d, not %d", what, i, value,
              n + i);
    }
}

#endif
