/*
 * Code that can be moved to another address or into another process
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TCG_MOVABLE_H
#define TCG_MOVABLE_H

/* A TB with more places than this cannot be moved. */
#define TCG_MAX_PLACES 512

/* The kind of content of a place that depends on addresses */
typedef enum TCGPlaceKind {
    TCG_PLACE_BRANCH,           /* the host's direct call or jump */
    TCG_PLACE_ADDR,             /* an address, in the constant pool */
} TCGPlaceKind;

/* The base that the address is relative to */
typedef enum TCGPlaceBase {
    TCG_PLACE_IMAGE,            /* QEMU's own image: see tcg_movable_init() */
    TCG_PLACE_EPILOGUE,         /* tcg_code_gen_epilogue */
} TCGPlaceBase;

typedef struct TCGPlace {
    uint16_t offset;            /* bytes from the start of the TB's code */
    uint8_t kind;
    uint8_t base;
    int32_t target;             /* bytes from the base */
} TCGPlace;

/**
 * TCGMovable: data about the TB just generated that is needed to move it
 * @ok: the code contains no addresses except those of @places and its own
 * @is_near: branches to QEMU's image are direct, anywhere in the code buffer
 * @image: host address of the first byte of QEMU's image
 * @image_last: host address of its last byte
 * @host: the features of the host's CPU that code depends on
 * @nb_places: number of entries of @places, ascending by offset except those
 *             of the constant pool
 *
 * tcg_func_start() sets @ok and clears @nb_places.
 */
typedef struct TCGMovable {
    bool ok;
    bool is_near;
    uintptr_t image;
    uintptr_t image_last;
    unsigned host;
    unsigned nb_places;
    TCGPlace places[TCG_MAX_PLACES];
} TCGMovable;

/**
 * tcg_movable_init: from now on, generate code that can be moved
 * @image: host address of the first byte of QEMU's image, which holds helpers
 * @image_last: host address of its last byte
 *
 * The form of the code changes: no address of QEMU or of guest memory is
 * expressed relative to the pc, except by branches.
 *
 * Returns false, and changes nothing, if the host's backend cannot do it.
 */
bool tcg_movable_init(uintptr_t image, uintptr_t image_last);

/**
 * tcg_movable_end: generate code that cannot be moved, as before
 */
void tcg_movable_end(void);

/**
 * tcg_movable_fix: relocate one place of a TB that was moved
 * @code: host address at which the TB's code can be written
 * @size: of the code, in bytes
 * @place: the place, as recorded when the TB was generated
 *
 * Returns false if the host cannot express the branch from here, or the place
 * is invalid.
 */
bool tcg_movable_fix(void *code, size_t size, const TCGPlace *place);

#endif
