/*
 * Native bypass: streams that the host's library decodes
 *
 * At first, the guest and the host decode a stream, and the host's output is
 * dropped: allocations, refusals and errors before the first output byte come
 * from the guest's own code.  Then the host decodes alone.  From then on the
 * guest's state is stale: every call for the stream must reach its handler
 * (NativeTryFn).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef COMMON_USER_NATIVE_LIBS_STREAM_H
#define COMMON_USER_NATIVE_LIBS_STREAM_H

#include "user/abitypes.h"
#include "user/native-library.h"

typedef struct NativeStream NativeStream;

/* Input and output of one call of the host's library: host memory */
typedef struct NativeSlice {
    const uint8_t *in;
    uint8_t *out;
    size_t in_len, out_len;
    bool all_in, all_out;       /* all of the guest's input, or room */
    size_t used, made;          /* set by NativeCoder.code() */
} NativeSlice;

/* The same for a guest's call: guest addresses and remaining bytes */
typedef struct NativeIO {
    abi_ulong next_in, next_out;
    abi_ulong avail_in, avail_out;
    uint64_t total_in, total_out;
} NativeIO;

/**
 * NativeCoder: a library's functions for its streams
 * @code: decode @slice; returns false to end the guest's call after it.  Must
 *        not access guest memory.
 * @store: write @io to the guest's struct
 * @free: free the host's state, and @s
 */
typedef struct NativeCoder {
    bool (*code)(NativeStream *s, NativeSlice *slice, int action);
    void (*store)(NativeTry *call, NativeStream *s, const NativeIO *io);
    void (*free)(NativeStream *s);
} NativeCoder;

/**
 * NativeStream: the beginning of a library's own struct
 * @coder: its functions
 * @begun: guest address of its struct, as passed to native_stream_begin()
 * @state: guest address of the guest's state, which identifies the stream: the
 *         guest may move the struct that points to it. 0 until it is found.
 * @strm: guest address of its struct if the library rejects copies, or 0
 * @is_synced: the guest's state is the same as the host's, so that the guest's
 *             own code can make any call
 * @is_ready: the host alone makes the next call
 * @is_early: the host alone makes the first call with output, too
 * @is_foreign: the guest decodes this stream.  Its entry removes an older
 *              stream whose state was at the same address.
 * @total_in: as in the guest's struct, if the stream is synced
 * @total_out: the same for output
 * @looks_back: the library may go back to input before the slice
 * @progress: the guest's current call has used input or made output
 * @is_busy: a thread has called native_stream_enter()
 * @refs: number of tables and threads that refer to it
 */
struct NativeStream {
    const NativeCoder *coder;
    uint64_t begun;
    uint64_t state;
    target_ulong strm;
    bool is_synced, is_ready, is_early, is_foreign, looks_back;
    uint64_t total_in, total_out;
    bool progress;
    bool is_busy;
    unsigned refs;
};

/* A library's streams. Zero before its first use. */
typedef struct NativeStreams {
    GHashTable *begun;          /* by guest address of the struct */
    GHashTable *running;        /* by guest address of the state */
} NativeStreams;

/**
 * native_stream_begin:
 * @all: the library's streams
 * @strm: guest address of a struct whose stream is about to be initialised
 * @s: the stream for it, valid if the initialisation succeeds
 *
 * Remember @s until the guest uses or ends the struct.  If it never does, @s
 * stays in memory.
 */
void native_stream_begin(NativeStreams *all, target_ulong strm,
                         NativeStream *s);

/**
 * native_stream_just_begun:
 * @all: the library's streams
 * @strm: guest address of a struct
 *
 * A short cut for functions that a library's own initialisation calls.
 *
 * Returns: the stream of this thread's last native_stream_begin(), if it was
 * for @strm and no stream was added or removed since; or NULL.
 */
NativeStream *native_stream_just_begun(NativeStreams *all, target_ulong strm);

/**
 * native_stream_end:
 * @all: the library's streams
 * @strm: guest address of the struct
 * @state: guest address of its state
 *
 * Forget the stream; the guest's own code ends it.  But keep the stream of
 * @state if @strm is a copy of its struct that the library rejects.
 */
void native_stream_end(NativeStreams *all, target_ulong strm, uint64_t state);

/**
 * native_stream_find:
 * @all: the library's streams
 * @call: the guest's call
 * @strm: guest address of the struct
 * @state: guest address of its state
 * @io: input and output of the struct
 *
 * Returns: the stream, or NULL if it is the guest's. The stream remains valid
 * until this thread's next call, whatever other threads do.
 */
NativeStream *native_stream_find(NativeStreams *all, NativeTry *call,
                                 target_ulong strm, uint64_t state,
                                 const NativeIO *io);

/**
 * native_stream_known:
 * @all: the library's streams
 * @strm: guest address of the struct
 * @state: guest address of its state
 *
 * As native_stream_find(), but ignores the struct's contents.
 *
 * Returns: the stream begun at @strm, if native_stream_find() has not found it
 * since; or the stream of @state; or NULL.
 */
NativeStream *native_stream_known(NativeStreams *all, target_ulong strm,
                                  uint64_t state);

/**
 * native_stream_run:
 * @all: the library's streams
 * @call: the guest's call
 * @s: the stream
 * @io: input and output of the guest's struct; updated
 * @action: for NativeCoder.code()
 *
 * Decode until there is no more input or room for output, or code() returns
 * false.  If a signal is pending, stop early: the guest repeats the call after
 * its handler.
 *
 * Returns: false if the guest's own code must make the call.
 */
bool native_stream_run(NativeStreams *all, NativeTry *call, NativeStream *s,
                       NativeIO *io, int action);

/**
 * native_stream_enter:
 * @call: the guest's call
 * @s: the stream
 *
 * Lock @s for this thread until native_stream_leave(). Do not access guest
 * memory in between. If another thread has @s, restart the guest's call.
 */
void native_stream_enter(NativeTry *call, NativeStream *s);
void native_stream_leave(NativeStream *s);

/* Whether the host decodes any stream, alone or beside the guest */
bool native_streams_used(void);

/**
 * native_accessible:
 * @addr: guest address, untagged
 * @len: bytes from there
 * @prot: PAGE_*
 */
bool native_accessible(target_ulong addr, target_ulong len, int prot);

/**
 * native_read:
 * @call: the guest's call
 * @addr: guest address
 * @buf: where to copy to
 * @len: bytes
 *
 * May raise the guest's signal.
 */
void native_read(NativeTry *call, target_ulong addr, void *buf, size_t len);
void native_write(NativeTry *call, target_ulong addr, const void *buf,
                  size_t len);

/**
 * native_read_struct:
 * @call: the guest's call
 * @addr: guest address of a struct
 * @g: where to copy it to
 * @size: its size
 *
 * Returns: false if the struct is not readable; the guest's own code must then
 * make the call.
 */
bool native_read_struct(NativeTry *call, target_ulong addr, void *g,
                        size_t size);

/**
 * native_begin_read:
 * @call: the guest's call
 * @addr: guest address
 * @len: bytes
 *
 * Let the host's library read guest memory until native_end_read().  The
 * library must not hold locks or memory meanwhile: if another thread unmaps the
 * memory, the call does not return.
 *
 * Returns: a host pointer; or NULL if the guest's own code must make the call:
 * the memory is inaccessible, tags are checked, or reading it would delay
 * signals.
 */
const void *native_begin_read(NativeTry *call, target_ulong addr,
                              target_ulong len);
void native_end_read(void);

/**
 * native_touch:
 * @call: the guest's call
 * @addr: guest address of a struct
 * @len: its size, at most a page
 *
 * Raise the guest's signal if the struct cannot be read and written.
 */
void native_touch(NativeTry *call, target_ulong addr, size_t len);

/**
 * native_get:
 * @call: the guest's call
 * @addr: guest address of a value in the guest's byte order
 * @size: 4 or 8 bytes
 */
uint64_t native_get(NativeTry *call, target_ulong addr, size_t size);
void native_put(NativeTry *call, target_ulong addr, uint64_t value,
                size_t size);

/* A field of G, the copy of a guest's struct that native_read() made */
#define NATIVE_GET(G, FIELD) \
    (sizeof((G)->FIELD) == 4 ? tswap32((G)->FIELD) : tswap64((G)->FIELD))
#define NATIVE_PUT(G, FIELD, VALUE) \
    ((G)->FIELD = sizeof((G)->FIELD) == 4 ? tswap32(VALUE) : tswap64(VALUE))

/* NativeIO of a struct whose fields have these names */
#define NATIVE_GET_IO(G)                                \
    ((NativeIO) {                                       \
        .next_in = NATIVE_GET(G, next_in),              \
        .avail_in = NATIVE_GET(G, avail_in),            \
        .total_in = NATIVE_GET(G, total_in),            \
        .next_out = NATIVE_GET(G, next_out),            \
        .avail_out = NATIVE_GET(G, avail_out),          \
        .total_out = NATIVE_GET(G, total_out),          \
    })
#define NATIVE_PUT_IO(G, IO)                            \
    do {                                                \
        NATIVE_PUT(G, next_in, (IO)->next_in);          \
        NATIVE_PUT(G, avail_in, (IO)->avail_in);        \
        NATIVE_PUT(G, total_in, (IO)->total_in);        \
        NATIVE_PUT(G, next_out, (IO)->next_out);        \
        NATIVE_PUT(G, avail_out, (IO)->avail_out);      \
        NATIVE_PUT(G, total_out, (IO)->total_out);      \
    } while (0)

/* A row of a library's table: a function that takes a stream */
#define NATIVE_STREAM(NAME, COUNT, TRY, ...)                            \
    { .name = #NAME, .nargs = COUNT, .try = TRY, .is_stream = true,     \
      ##__VA_ARGS__ }

/**
 * native_has_version:
 * @version: 100 times the minor number of the guest's library, plus its patch
 *           number, if any; if -1, it is set
 * @file: a library's file, with a NUL behind it
 * @size: its size
 * @before: the text before the minor number, including the major number
 * @behind: the character after the version
 *
 * Returns: false if the file has no version, or one that is not @version.
 */
bool native_has_version(int *version, const char *file, size_t size,
                        const char *before, char behind);

/**
 * native_arg64:
 * @call: the guest's call
 * @n: number of arguments before it, none of them of 64 bits
 * @next: set to the number of the word after it
 *
 * Returns: an argument of type uint64_t: two words on targets of 32 bits.
 */
uint64_t native_arg64(NativeTry *call, unsigned n, unsigned *next);

/* Word @n of the arguments, wherever it is passed */
target_ulong native_word(NativeTry *call, unsigned n);

#endif /* COMMON_USER_NATIVE_LIBS_STREAM_H */
