/*
 * Native bypass: decoders of liblzma
 *
 * Streams with a memory limit are left to the guest: a decoder's memory use
 * depends on the library's version and on the size of pointers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/native-bypass.h"
#include "user/native-translate.h"
#include "user/page-protection.h"
#include "stream.h"
#include <lzma.h>

/* lzma_stream of the guest: lzma/base.h */
typedef struct GuestLzma {
    abi_ulong next_in, avail_in;
    abi_ullong total_in;
    abi_ulong next_out, avail_out;
    abi_ullong total_out;
    abi_ulong allocator, internal;
    abi_ulong reserved_ptr[4];
    abi_ullong seek_pos, reserved_int2;
    abi_ulong reserved_int[2];
    abi_uint reserved_enum[2];
} GuestLzma;

/* lzma_mt of the guest: lzma/container.h */
typedef struct GuestLzmaMt {
    abi_uint flags, threads;
    abi_ullong block_size;
    abi_uint timeout, preset;
    abi_ulong filters;
    abi_uint check, reserved_enum[3], reserved_int[4];
    abi_ullong memlimit_threading, memlimit_stop;
} GuestLzmaMt;

enum {
    LZMA_STREAM,
    LZMA_STREAM_MT,
    LZMA_ALONE,
    LZMA_AUTO,
};

/* The sequence of calls, as in liblzma's lzma_code() */
typedef enum LzmaSequence {
    LZMA_SEQUENCE_RUN,
    LZMA_SEQUENCE_FINISH,
    LZMA_SEQUENCE_END,
    LZMA_SEQUENCE_ERROR,
} LzmaSequence;

typedef struct LzmaStream {
    NativeStream common;
    int kind;
    uint32_t flags;
    bool begun, finishing;      /* the host's decoder */
    lzma_stream host;
    lzma_ret ret;               /* of the host's last call */
    LzmaSequence sequence;
    uint64_t avail_in;          /* after the last call */
    bool stalled;               /* the last call made no progress */
} LzmaStream;

static NativeStreams streams;

/* The guest's version: 401 for 5.4.1. All hooked files have it. */
static int version = -1;

static bool host_begin(LzmaStream *s)
{
    lzma_ret ret;

    if (s->begun) {
        return true;
    }
    s->host = (lzma_stream)LZMA_STREAM_INIT;
    switch (s->kind) {
    case LZMA_ALONE:
        ret = lzma_alone_decoder(&s->host, UINT64_MAX);
        break;
    case LZMA_AUTO:
        ret = lzma_auto_decoder(&s->host, UINT64_MAX, s->flags);
        break;
    default:
        /* Threads would not survive a fork(). */
        ret = lzma_stream_decoder(&s->host, UINT64_MAX, s->flags);
        break;
    }
    s->begun = ret == LZMA_OK;
    return s->begun;
}

static bool lzma_stream_code(NativeStream *common, NativeSlice *slice,
                             int action)
{
    LzmaStream *s = container_of(common, LzmaStream, common);

    s->ret = host_begin(s) ? LZMA_OK : LZMA_PROG_ERROR;
    s->host.next_in = slice->in;
    s->host.avail_in = slice->in_len;
    s->host.next_out = slice->out;
    s->host.avail_out = slice->out_len;
    if (s->ret == LZMA_OK && !s->finishing) {
        s->ret = lzma_code(&s->host, LZMA_RUN);
    }
    if ((s->ret == LZMA_OK || s->ret == LZMA_BUF_ERROR) &&
        action == LZMA_FINISH && slice->all_in && s->host.avail_in == 0) {
        /* The action matters only after the last byte of input. */
        s->finishing = true;
        s->ret = lzma_code(&s->host, LZMA_FINISH);
    }
    slice->used = slice->in_len - s->host.avail_in;
    slice->made = slice->out_len - s->host.avail_out;
    return s->ret == LZMA_OK || s->ret == LZMA_BUF_ERROR;
}

static void lzma_stream_store(NativeTry *call, NativeStream *s,
                              const NativeIO *io)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestLzma g;

    container_of(s, LzmaStream, common)->avail_in = io->avail_in;
    native_read(call, strm, &g, sizeof(g));
    NATIVE_PUT_IO(&g, io);
    native_write(call, strm, &g, sizeof(g));
}

static void lzma_stream_free(NativeStream *common)
{
    LzmaStream *s = container_of(common, LzmaStream, common);

    if (s->begun) {
        lzma_end(&s->host);
    }
    g_free(s);
}

static const NativeCoder coder = {
    .code = lzma_stream_code,
    .store = lzma_stream_store,
    .free = lzma_stream_free,
};

static int host_version(void)
{
    uint32_t is = lzma_version_number();

    return is / 10000 % 1000 * 100 + is / 10 % 1000;
}

/*
 * Whether the guest's library decodes exactly as the host's does.  Before 5.4,
 * a decoder that has filled the output may leave a byte of input that later
 * versions consume, and 5.2.5 refuses some .lzma files.  Since 5.8.4, there is
 * less output before some errors.
 */
static bool is_alike(void)
{
    return version >= 400 && (version >= 804) == (host_version() >= 804);
}

/*
 * Whether the host's library knows all filters: 5.6 has one for RISC-V.  Only
 * for LZMA_STREAM_MT: else the guest's own code sees those of the first block.
 */
static bool has_filters(void)
{
    return host_version() >= 600 || version < 600;
}

/* The stream of the first argument, its struct in @g; or NULL */
static LzmaStream *find(NativeTry *call, GuestLzma *g)
{
    target_ulong strm = native_untagged(call->arg[0]);
    NativeStream *s;

    if (!streams.begun || !native_read_struct(call, strm, g, sizeof(*g))) {
        return NULL;
    }
    s = native_stream_find(&streams, call, strm, NATIVE_GET(g, internal),
                           &NATIVE_GET_IO(g));
    return s ? container_of(s, LzmaStream, common) : NULL;
}

/* As find(), if only the host decodes the stream */
static LzmaStream *find_running(NativeTry *call, GuestLzma *g)
{
    LzmaStream *s = find(call, g);

    return s && !s->common.is_synced ? s : NULL;
}

static LzmaStream *new_stream(void)
{
    LzmaStream *s = g_new0(LzmaStream, 1);

    s->common.coder = &coder;
    return s;
}

/* lzma_{stream,auto,alone}_decoder(strm, memlimit, flags), ..._mt(strm, mt) */
static bool try_begin(NativeTry *call)
{
    int kind = call->fn->kind;
    uint64_t limit = 0;
    target_ulong mt = native_untagged(call->arg[1]);
    unsigned flags = 0, next;
    LzmaStream *s;

    if (kind != LZMA_STREAM_MT) {
        limit = native_arg64(call, 1, &next);
        flags = kind == LZMA_ALONE ? 0 : native_word(call, next);
    } else if (native_accessible(mt, sizeof(GuestLzmaMt), PAGE_READ)) {
        GuestLzmaMt options;

        native_read(call, mt, &options, sizeof(options));
        limit = NATIVE_GET(&options, memlimit_stop);
        flags = NATIVE_GET(&options, flags);
    }
    s = new_stream();
    s->common.is_foreign = limit != UINT64_MAX || !is_alike() ||
                           (kind == LZMA_STREAM_MT && !has_filters());
    s->kind = kind;
    s->flags = flags;
    /* The guest's threads would repeat the work of the host. */
    s->common.is_synced = kind != LZMA_STREAM_MT;
    native_stream_begin(&streams, native_untagged(call->arg[0]), &s->common);
    return false;
}

/* Encoders, and decoders that are left to the guest */
static bool try_begin_other(NativeTry *call)
{
    LzmaStream *s = new_stream();

    s->common.is_foreign = true;
    native_stream_begin(&streams, native_untagged(call->arg[0]), &s->common);
    return false;
}

/* lzma_end(strm); also leaves a stream to the guest */
static bool try_end(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestLzma g;

    if (native_read_struct(call, strm, &g, sizeof(g))) {
        native_stream_end(&streams, strm, NATIVE_GET(&g, internal));
    }
    return false;
}

/* The checks of liblzma's lzma_code() before it decodes */
static lzma_ret check_call(LzmaStream *s, const GuestLzma *g, uint32_t action)
{
    if ((!g->next_in && g->avail_in) || (!g->next_out && g->avail_out) ||
        (action != LZMA_RUN && action != LZMA_FINISH)) {
        return LZMA_PROG_ERROR;
    }
    if (g->reserved_ptr[0] || g->reserved_ptr[1] || g->reserved_ptr[2] ||
        g->reserved_ptr[3] || g->reserved_int2 || g->reserved_int[0] ||
        g->reserved_int[1] || g->reserved_enum[0] || g->reserved_enum[1]) {
        return LZMA_OPTIONS_ERROR;
    }
    switch (s->sequence) {
    case LZMA_SEQUENCE_RUN:
        return LZMA_OK;
    case LZMA_SEQUENCE_FINISH:
        return action == LZMA_FINISH &&
               NATIVE_GET(g, avail_in) == s->avail_in
               ? LZMA_OK : LZMA_PROG_ERROR;
    case LZMA_SEQUENCE_END:
        return LZMA_STREAM_END;
    case LZMA_SEQUENCE_ERROR:
        break;
    }
    return LZMA_PROG_ERROR;
}

static lzma_ret ended(LzmaStream *s)
{
    bool progress = s->common.progress, stalled = s->stalled;

    s->common.progress = false;
    s->stalled = false;
    switch (s->ret) {
    case LZMA_OK:
    case LZMA_BUF_ERROR:
        s->stalled = !progress;
        return !progress && stalled ? LZMA_BUF_ERROR : LZMA_OK;
    case LZMA_STREAM_END:
        s->sequence = LZMA_SEQUENCE_END;
        break;
    case LZMA_NO_CHECK:
    case LZMA_UNSUPPORTED_CHECK:
    case LZMA_GET_CHECK:
    case LZMA_MEMLIMIT_ERROR:
        break;
    default:
        s->sequence = LZMA_SEQUENCE_ERROR;
        break;
    }
    return s->ret;
}

/* lzma_code(strm, action) */
static bool try_code(NativeTry *call)
{
    GuestLzma g;
    LzmaStream *s = find(call, &g);
    NativeIO io;
    uint32_t action = call->arg[1];
    lzma_ret ret;
    bool done;

    if (!s) {
        return false;
    }
    if (!s->begun &&
        (native_tags_checked(call->env) ||
         (s->kind == LZMA_STREAM_MT && g.allocator))) {
        return try_end(call);
    }
    if (!s->common.is_synced) {
        native_touch(call, native_untagged(call->arg[0]), sizeof(GuestLzma));
    }
    ret = check_call(s, &g, action);
    if (ret != LZMA_OK) {
        call->result = ret;
        return !s->common.is_synced;
    }
    io = NATIVE_GET_IO(&g);
    if (action == LZMA_FINISH) {
        s->sequence = LZMA_SEQUENCE_FINISH;
        s->avail_in = io.avail_in;
    }
    done = native_stream_run(&streams, call, &s->common, &io, action);
    s->avail_in = io.avail_in;
    call->result = ended(s);
    return done;
}

/* lzma_get_check(strm) */
static bool try_get_check(NativeTry *call)
{
    GuestLzma g;
    LzmaStream *s = find_running(call, &g);

    if (!s || !s->begun) {
        return false;
    }
    native_stream_enter(call, &s->common);
    call->result = lzma_get_check(&s->host);
    native_stream_leave(&s->common);
    return true;
}

/*
 * lzma_memlimit_set(strm, memlimit): the guest's own code answers.  It knows
 * the stream's memory use so far, except for lzma_stream_decoder_mt().
 */
static bool try_memlimit_set(NativeTry *call)
{
    unsigned next;
    uint64_t limit = native_arg64(call, 1, &next);
    GuestLzma g;
    LzmaStream *s = find(call, &g);

    if (s && s->common.is_synced && !s->begun) {
        return try_end(call);
    }
    if (s && s->begun) {
        native_stream_enter(call, &s->common);
        lzma_memlimit_set(&s->host, limit);
        native_stream_leave(&s->common);
    }
    return false;
}

/*
 * lzma_get_progress(strm, &in, &out): other decoders use the struct's totals.
 */
static bool try_get_progress(NativeTry *call)
{
    GuestLzma g;
    LzmaStream *s = find_running(call, &g);

    if (!s || s->kind != LZMA_STREAM_MT) {
        return false;
    }
    native_put(call, native_untagged(call->arg[1]), NATIVE_GET(&g, total_in),
               8);
    native_put(call, native_untagged(call->arg[2]), NATIVE_GET(&g, total_out),
               8);
    return true;
}

/* lzma_crc32(buf, size, crc), lzma_crc64(buf, size, crc) */
static bool try_crc(NativeTry *call)
{
    const void *buf = native_begin_read(call, call->arg[0], call->arg[1]);

    if (!buf) {
        return false;
    }
    /* MIPS n64 sign-extends 32-bit values, signed or not. */
    call->result = call->fn->kind == 32
        ? (int32_t)lzma_crc32(buf, call->arg[1], call->arg[2])
        : lzma_crc64(buf, call->arg[1], call->arg[2]);
    native_end_read();
    return true;
}

static NativeFunction functions[] = {
    NATIVE_STREAM(lzma_stream_decoder, 4, try_begin, .kind = LZMA_STREAM),
    NATIVE_STREAM(lzma_stream_decoder_mt, 2, try_begin, .kind = LZMA_STREAM_MT),
    NATIVE_STREAM(lzma_auto_decoder, 4, try_begin, .kind = LZMA_AUTO),
    NATIVE_STREAM(lzma_alone_decoder, 4, try_begin, .kind = LZMA_ALONE),
    NATIVE_STREAM(lzma_code, 2, try_code),
    NATIVE_STREAM(lzma_end, 1, try_end),
    NATIVE_STREAM(lzma_get_check, 1, try_get_check),
    NATIVE_STREAM(lzma_get_progress, 3, try_get_progress),
    NATIVE_STREAM(lzma_memlimit_set, 4, try_memlimit_set),
    NATIVE_STREAM(lzma_alone_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_block_decoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_block_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_easy_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_file_info_decoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_index_decoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_index_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_lzip_decoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_microlzma_decoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_microlzma_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_raw_decoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_raw_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_stream_encoder, 1, try_begin_other),
    NATIVE_STREAM(lzma_stream_encoder_mt, 1, try_begin_other),
    { .name = "lzma_crc32", .nargs = 3, .try = try_crc, .kind = 32 },
#if TARGET_ABI_BITS == 64
    /* Elsewhere the result is in two registers. */
    { .name = "lzma_crc64", .nargs = 3, .try = try_crc, .kind = 64 },
#endif
};

static const char *const proof[] = {
    "lzma_auto_decoder", "lzma_code", "lzma_end", "lzma_stream_decoder", NULL
};

static bool lzma_accepts(const char *file, size_t size)
{
    return native_has_version(&version, file, size, "5.", '\0');
}

static NativeLibrary liblzma = {
    .name = "liblzma",
    .soname = "liblzma.so.5",
    .proof = proof,
    .accepts = lzma_accepts,
    .functions = functions,
    .count = ARRAY_SIZE(functions),
    .version = lzma_version_string,
    .is_used = native_streams_used,
};

static void __attribute__((constructor)) register_liblzma(void)
{
    native_library_register(&liblzma);
}
