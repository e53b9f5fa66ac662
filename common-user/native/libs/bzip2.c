/*
 * Native bypass: decoders of libbz2
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/native-bypass.h"
#include "user/native-translate.h"
#include "stream.h"
#include <bzlib.h>

/* bz_stream of the guest: bzlib.h */
typedef struct GuestBzip2 {
    abi_ulong next_in;
    abi_uint avail_in, total_in_lo32, total_in_hi32;
    abi_ulong next_out;
    abi_uint avail_out, total_out_lo32, total_out_hi32;
    abi_ulong state, bzalloc, bzfree, opaque;
} GuestBzip2;

typedef struct Bzip2Stream {
    NativeStream common;
    bool is_small;              /* as the guest has requested */
    bool begun;
    bz_stream host;
    int ret;                    /* of the host's last call */
} Bzip2Stream;

static NativeStreams streams;

static bool bzip2_stream_code(NativeStream *common, NativeSlice *slice,
                              int action)
{
    Bzip2Stream *s = container_of(common, Bzip2Stream, common);

    if (!s->begun) {
        s->begun = BZ2_bzDecompressInit(&s->host, 0, s->is_small) == BZ_OK;
    }
    s->host.next_in = (char *)slice->in;
    s->host.avail_in = slice->in_len;
    s->host.next_out = (char *)slice->out;
    s->host.avail_out = slice->out_len;
    s->ret = s->begun ? BZ2_bzDecompress(&s->host) : BZ_MEM_ERROR;
    slice->used = slice->in_len - s->host.avail_in;
    slice->made = slice->out_len - s->host.avail_out;
    return s->ret == BZ_OK;
}

static void bzip2_stream_store(NativeTry *call, NativeStream *s,
                               const NativeIO *io)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestBzip2 g;

    native_read(call, strm, &g, sizeof(g));
    NATIVE_PUT(&g, next_in, io->next_in);
    NATIVE_PUT(&g, avail_in, io->avail_in);
    NATIVE_PUT(&g, total_in_lo32, io->total_in);
    NATIVE_PUT(&g, total_in_hi32, io->total_in >> 32);
    NATIVE_PUT(&g, next_out, io->next_out);
    NATIVE_PUT(&g, avail_out, io->avail_out);
    NATIVE_PUT(&g, total_out_lo32, io->total_out);
    NATIVE_PUT(&g, total_out_hi32, io->total_out >> 32);
    native_write(call, strm, &g, sizeof(g));
}

static void bzip2_stream_free(NativeStream *common)
{
    Bzip2Stream *s = container_of(common, Bzip2Stream, common);

    if (s->begun) {
        BZ2_bzDecompressEnd(&s->host);
    }
    g_free(s);
}

static const NativeCoder coder = {
    .code = bzip2_stream_code,
    .store = bzip2_stream_store,
    .free = bzip2_stream_free,
};

/* BZ2_bzDecompressInit(strm, verbosity, small) */
static bool try_begin(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestBzip2 g;
    Bzip2Stream *s;

    if (!native_read_struct(call, strm, &g, sizeof(g))) {
        return false;
    }
    s = g_new0(Bzip2Stream, 1);
    s->common.coder = &coder;
    /* With verbosity, the decoder prints messages. */
    s->common.is_foreign = (int32_t)call->arg[1] != 0;
    s->common.is_synced = true;
    s->common.is_early = !g.bzalloc && !g.bzfree;
    s->is_small = (int32_t)call->arg[2];
    native_stream_begin(&streams, strm, &s->common);
    return false;
}

/* BZ2_bzDecompressEnd(strm); also leaves a stream to the guest */
static bool try_end(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestBzip2 g;

    if (native_read_struct(call, strm, &g, sizeof(g))) {
        native_stream_end(&streams, strm, NATIVE_GET(&g, state));
    }
    return false;
}

/* BZ2_bzDecompress(strm) */
static bool try_code(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    NativeStream *common;
    Bzip2Stream *s;
    GuestBzip2 g;
    NativeIO io;
    bool done;

    if (!streams.begun || !native_read_struct(call, strm, &g, sizeof(g))) {
        return false;
    }
    io = (NativeIO) {
        .next_in = NATIVE_GET(&g, next_in),
        .avail_in = NATIVE_GET(&g, avail_in),
        .total_in = (uint64_t)NATIVE_GET(&g, total_in_hi32) << 32 |
                    NATIVE_GET(&g, total_in_lo32),
        .next_out = NATIVE_GET(&g, next_out),
        .avail_out = NATIVE_GET(&g, avail_out),
        .total_out = (uint64_t)NATIVE_GET(&g, total_out_hi32) << 32 |
                     NATIVE_GET(&g, total_out_lo32),
    };
    common = native_stream_find(&streams, call, strm, NATIVE_GET(&g, state),
                                &io);
    if (!common) {
        return false;
    }
    s = container_of(common, Bzip2Stream, common);
    if (!common->strm) {
        common->strm = strm;
    }
    if (!s->begun && native_tags_checked(call->env)) {
        return try_end(call);
    }
    if (common->strm != strm) {
        call->result = (target_long)BZ_PARAM_ERROR;
        return !common->is_synced;
    }
    if (!common->is_synced || common->is_early) {
        native_touch(call, strm, sizeof(GuestBzip2));
    }
    done = native_stream_run(&streams, call, common, &io, 0);
    common->progress = false;
    call->result = (target_long)s->ret;
    return done;
}

static NativeFunction functions[] = {
    NATIVE_STREAM(BZ2_bzDecompressInit, 3, try_begin),
    NATIVE_STREAM(BZ2_bzDecompress, 1, try_code),
    NATIVE_STREAM(BZ2_bzDecompressEnd, 1, try_end),
};

static const char *const proof[] = {
    "BZ2_bzDecompress", "BZ2_bzDecompressEnd", "BZ2_bzDecompressInit", NULL
};

static NativeLibrary libbz2 = {
    .name = "libbz2",
    .soname = "libbz2.so.1.0",
    .proof = proof,
    .functions = functions,
    .count = ARRAY_SIZE(functions),
    .version = BZ2_bzlibVersion,
    .is_used = native_streams_used,
};

static void __attribute__((constructor)) register_libbz2(void)
{
    native_library_register(&libbz2);
}
