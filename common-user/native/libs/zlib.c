/*
 * Native bypass: zlib's inflate(), and its checksums
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "accel/tcg/cpu-ldst.h"
#include "exec/cpu-common.h"
#include "exec/mmap-lock.h"
#include "tcg/native-bypass.h"
#include "user/native-translate.h"
#include "user/page-protection.h"
#include "stream.h"
#include <zlib.h>

/* z_stream of the guest: zlib.h */
typedef struct GuestZlib {
    abi_ulong next_in;
    abi_uint avail_in;
    abi_ulong total_in, next_out;
    abi_uint avail_out;
    abi_ulong total_out, msg, state, zalloc, zfree, opaque;
    abi_int data_type;
    abi_ulong adler, reserved;
} GuestZlib;

/* Flush mode that stands for inflateSync() */
#define ZLIB_SYNC   (-1)

typedef struct ZlibStream {
    NativeStream common;
    int wbits;
    bool is_outer;              /* inflateInit_() calls inflateInit2_(). */
    bool has_allocator;         /* the guest's own: may count or fail */
    bool begun;
    z_stream host;
    unsigned allocs;            /* by the host: the second is the window */
    uint8_t *dictionary;        /* a buffer, not freed by a fault */
    int ret;                    /* of the host's last call */
    /*
     * Whether the guest's own state would have a window.  It has none if one
     * guest call made all output, which the host makes in several calls.
     */
    bool has_window;
    bool guest_window;          /* the guest's state has allocated one */
    bool is_unchecked;          /* set by inflateSync() */
    bool keeps_adler;           /* is_unchecked, or inflateValidate() */
} ZlibStream;

static NativeStreams streams;

/* The guest's version: 213 for 1.2.13. All hooked files have it. */
static int version = -1;

/* The guest library's own zalloc, from a struct that came without one */
static target_ulong zlib_alloc;

/* Where a guest library is, or was, mapped */
typedef struct ZlibImage {
    vaddr code, last, first, end;
} ZlibImage;

static GArray *images;

static void zlib_mapped(vaddr code, vaddr last, vaddr first, vaddr end)
{
    const ZlibImage image = { code, last, first, end };

    if (!images) {
        images = g_array_new(false, false, sizeof(ZlibImage));
    }
    for (unsigned i = images->len; i-- > 0;) {
        const ZlibImage *old = &g_array_index(images, ZlibImage, i);

        if (old->first < end && first < old->end) {
            g_array_remove_index(images, i);
        }
    }
    g_array_append_val(images, image);
}

/* The library whose code is at @addr, or zeroes */
static ZlibImage image_of(vaddr addr)
{
    ZlibImage image = { 0 };

    mmap_lock();
    for (unsigned i = 0; i < images->len; i++) {
        const ZlibImage *at = &g_array_index(images, ZlibImage, i);

        if (addr >= at->code && addr <= at->last) {
            image = *at;
        }
    }
    mmap_unlock();
    return image;
}

/* The guest's own string that is the same as @msg, or 0 */
static target_ulong guest_msg(NativeTry *call, const char *msg)
{
    ZlibImage image;
    uint64_t data[4];           /* large enough for any target */
    vaddr first, end;

    if (!cpu_unwind_state_data(env_cpu(call->env), call->ra, data)) {
        return 0;
    }
    image = image_of(data[0]);
    for (first = image.first & TARGET_PAGE_MASK; first < image.end;
         first = end + TARGET_PAGE_SIZE) {
        const char *host, *found;

        /* Only read-only pages */
        end = first;
        while (end < image.end && !(page_get_flags(end) & PAGE_WRITE_ORG) &&
               native_accessible(end, TARGET_PAGE_SIZE, PAGE_READ)) {
            end += TARGET_PAGE_SIZE;
        }
        host = end > first ? native_begin_read(call, first, end - first) : NULL;
        if (host) {
            found = memmem(host, end - first, msg, strlen(msg) + 1);
            native_end_read();
            if (found) {
                return first + (found - host);
            }
        }
    }
    return 0;
}

static void *host_alloc(void *opaque, unsigned n, unsigned size)
{
    ZlibStream *s = opaque;

    s->allocs++;
    return g_try_malloc_n(n, size);
}

static void host_free(void *opaque, void *p)
{
    g_free(p);
}

static bool host_begin(ZlibStream *s)
{
    if (!s->begun) {
        s->host.zalloc = host_alloc;
        s->host.zfree = host_free;
        s->host.opaque = s;
        s->begun = inflateInit2(&s->host, s->wbits) == Z_OK;
    }
    return s->begun;
}

static bool zlib_stream_code(NativeStream *common, NativeSlice *slice,
                             int action)
{
    ZlibStream *s = container_of(common, ZlibStream, common);
    bool stopped = false;

    s->host.next_in = (uint8_t *)slice->in;
    s->host.avail_in = slice->in_len;
    s->host.next_out = slice->out;
    s->host.avail_out = slice->out_len;
    if (!host_begin(s)) {
        s->ret = Z_MEM_ERROR;
    } else if (action == ZLIB_SYNC) {
        s->ret = inflateSync(&s->host);
    } else {
        bool last = slice->all_in && slice->all_out;

        s->ret = inflate(&s->host, action == Z_FINISH && !last ? Z_NO_FLUSH
                                                                : action);
        if (s->ret == Z_BUF_ERROR) {
            s->ret = Z_OK;
        }
        /* At a block's end, or behind its header */
        stopped = (action == Z_BLOCK && s->host.data_type & 128) ||
                  (action == Z_TREES && s->host.data_type & (128 | 256));
    }
    slice->used = slice->in_len - s->host.avail_in;
    slice->made = slice->out_len - s->host.avail_out;
    if (action == ZLIB_SYNC) {
        return s->ret == Z_DATA_ERROR ||
               (s->ret == Z_BUF_ERROR && !slice->all_in);
    }
    return s->ret == Z_OK && !stopped;
}

static void zlib_stream_store(NativeTry *call, NativeStream *common,
                              const NativeIO *io)
{
    ZlibStream *s = container_of(common, ZlibStream, common);
    target_ulong strm = native_untagged(call->arg[0]);
    target_ulong msg = s->host.msg ? guest_msg(call, s->host.msg) : 0;
    GuestZlib g;

    common->total_in = io->total_in;
    common->total_out = io->total_out;
    native_read(call, strm, &g, sizeof(g));
    NATIVE_PUT_IO(&g, io);
    if (s->ret != Z_STREAM_ERROR) {
        NATIVE_PUT(&g, data_type, s->host.data_type);
    }
    NATIVE_PUT(&g, adler, s->host.adler);
    if (msg) {
        NATIVE_PUT(&g, msg, msg);
    }
    native_write(call, strm, &g, sizeof(g));
}

static void zlib_stream_free(NativeStream *common)
{
    ZlibStream *s = container_of(common, ZlibStream, common);

    if (s->begun) {
        inflateEnd(&s->host);
    }
    g_free(s->dictionary);
    g_free(s);
}

static const NativeCoder coder = {
    .code = zlib_stream_code,
    .store = zlib_stream_store,
    .free = zlib_stream_free,
};

static ZlibStream *zlib_stream(NativeStream *s)
{
    return s ? container_of(s, ZlibStream, common) : NULL;
}

/* Whether the guest has 1.2.9 or later, which rejects a moved struct */
static bool checks_struct(void)
{
    return version >= 209;
}

/* The stream of the first argument, its struct in @g; or NULL */
static ZlibStream *find(NativeTry *call, GuestZlib *g)
{
    target_ulong strm = native_untagged(call->arg[0]);
    ZlibStream *s;

    if (!streams.begun || !native_read_struct(call, strm, g, sizeof(*g))) {
        return NULL;
    }
    s = zlib_stream(native_stream_find(&streams, call, strm,
                                       NATIVE_GET(g, state),
                                       &NATIVE_GET_IO(g)));
    if (s && !s->common.strm && checks_struct()) {
        s->common.strm = strm;
    }
    if (s && !s->has_allocator && !zlib_alloc &&
        image_of(NATIVE_GET(g, zalloc)).end) {
        zlib_alloc = NATIVE_GET(g, zalloc);
    }
    return s;
}

/* The checks of zlib's inflateStateCheck(), for a state that is valid */
static bool is_valid(NativeTry *call, const ZlibStream *s, const GuestZlib *g)
{
    target_ulong strm = native_untagged(call->arg[0]);

    return (!s->common.strm || s->common.strm == strm) && g->zalloc && g->zfree;
}

/*
 * For functions that query only the host: enter and return the stream, or NULL
 * if it is not the host's alone.
 */
static ZlibStream *enter_running(NativeTry *call)
{
    GuestZlib g;
    ZlibStream *s = find(call, &g);

    if (!s || s->common.is_synced || !is_valid(call, s, &g)) {
        return NULL;
    }
    native_stream_enter(call, &s->common);
    return s;
}

static bool leave(NativeTry *call, ZlibStream *s, target_long result)
{
    native_stream_leave(&s->common);
    call->result = result;
    return true;
}

static ZlibStream *new_stream(void)
{
    ZlibStream *s = g_new0(ZlibStream, 1);

    s->common.coder = &coder;
    return s;
}

enum {
    ZLIB_INIT,
    ZLIB_INIT2,
    ZLIB_INIT_OTHER,
};

/*
 * With a smaller window, the maximum distance in a call with much output
 * depends on the length of that output.
 */
static bool is_whole_window(int wbits)
{
    return (abs(wbits) & 15) == 15;
}

/* Whether inflateReset2() accepts @wbits */
static bool is_window(int wbits)
{
    wbits = wbits < 0 ? -wbits : wbits < 48 ? wbits & 15 : wbits;
    return wbits == 0 || (wbits >= 8 && wbits <= 15);
}

/* Whether inflateInit_() or inflateInit2_() fails, and changes nothing */
static bool is_refused(NativeTry *call, unsigned version_arg)
{
    target_ulong at = native_untagged(call->arg[version_arg]);
    char major;

    if (!native_read_struct(call, at, &major, sizeof(major))) {
        return true;
    }
    return major != '1' ||
           (uint32_t)call->arg[version_arg + 1] != sizeof(GuestZlib);
}

/*
 * inflateInit_(strm, version, size), inflateInit2_(strm, wbits, ...),
 * and other functions, whose streams are left to the guest
 */
static bool try_init(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    int kind = call->fn->kind;
    int wbits = kind == ZLIB_INIT2 ? (int32_t)call->arg[1] : MAX_WBITS;
    GuestZlib g;
    ZlibStream *s;

    if (!native_read_struct(call, strm, &g, sizeof(g)) ||
        (kind != ZLIB_INIT_OTHER &&
         is_refused(call, kind == ZLIB_INIT2 ? 2 : 1))) {
        return false;
    }
    s = zlib_stream(native_stream_just_begun(&streams, strm));
    if (!s || !s->is_outer) {
        s = new_stream();
        native_stream_begin(&streams, strm, &s->common);
    }
    s->is_outer = kind == ZLIB_INIT;
    s->wbits = wbits;
    s->has_allocator = g.zalloc && NATIVE_GET(&g, zalloc) != zlib_alloc;
    s->common.is_foreign = kind == ZLIB_INIT_OTHER || !is_whole_window(wbits);
    s->common.is_synced = true;
    s->common.is_early = !s->has_allocator;
    return false;
}

/* inflateEnd(strm); also leaves a stream to the guest */
static bool try_end(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestZlib g;

    if (native_read_struct(call, strm, &g, sizeof(g))) {
        native_stream_end(&streams, strm, NATIVE_GET(&g, state));
    }
    return false;
}

enum {
    ZLIB_RESET,
    ZLIB_RESET2,
    ZLIB_RESET_KEEP,
};

/* Whether the totals are those of the guest's struct, if synced */
static bool is_in_step(const ZlibStream *s, const GuestZlib *g)
{
    return !s->common.is_synced ||
           (s->common.total_in == NATIVE_GET(g, total_in) &&
            s->common.total_out == NATIVE_GET(g, total_out));
}

static void reset(NativeTry *call, ZlibStream *s, int kind, int wbits)
{
    int ret = Z_OK;

    native_stream_enter(call, &s->common);
    if (s->begun) {
        ret = kind == ZLIB_RESET ? inflateReset(&s->host)
            : kind == ZLIB_RESET2 ? inflateReset2(&s->host, wbits)
            : inflateResetKeep(&s->host);
    }
    if (ret == Z_OK &&
        (s->common.is_synced || kind == ZLIB_RESET2 ||
         (kind == ZLIB_RESET && !s->is_unchecked))) {
        /* The guest's own reset makes its state equal to the host's. */
        s->guest_window |= s->has_window;
        s->common.is_early = !s->has_allocator || s->guest_window;
        s->common.is_synced = true;
        s->common.is_ready = false;
        s->wbits = kind == ZLIB_RESET2 ? wbits : s->wbits;
        s->is_unchecked = false;
    }
    if (ret == Z_OK && kind != ZLIB_RESET_KEEP) {
        s->has_window = false;
    }
    s->common.total_in = s->common.total_out = 0;
    s->common.progress = false;
    native_stream_leave(&s->common);
}

/* inflateReset(strm), inflateReset2(strm, wbits), inflateResetKeep(strm) */
static bool try_reset(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    int kind = call->fn->kind, wbits = call->arg[1];
    GuestZlib g;
    ZlibStream *s;

    if (!streams.begun || (kind == ZLIB_RESET2 && !is_window(wbits))) {
        /* A call that the guest's own code refuses changes nothing. */
        return false;
    }
    /* Called by the initialisation, too */
    s = zlib_stream(native_stream_just_begun(&streams, strm));
    if (!s || s->begun) {
        if (!native_read_struct(call, strm, &g, sizeof(g))) {
            return false;
        }
        s = zlib_stream(native_stream_known(&streams, strm,
                                            NATIVE_GET(&g, state)));
    }
    if (s && !s->common.state && !s->begun) {
        if (kind == ZLIB_RESET2) {
            s->wbits = wbits;
            s->common.is_foreign |= !is_whole_window(wbits);
        }
        return false;
    }
    if (!s || !is_valid(call, s, &g)) {
        return false;
    }
    if (!is_in_step(s, &g) ||
        (kind == ZLIB_RESET2 && !is_whole_window(wbits))) {
        return try_end(call);
    }
    reset(call, s, kind, wbits);
    return false;
}

/* inflateCopy(dest, source) */
static bool try_copy(NativeTry *call)
{
    target_ulong to = native_untagged(call->arg[0]);
    target_ulong from = native_untagged(call->arg[1]);
    GuestZlib g;
    ZlibStream *s, *copy;
    bool is_foreign;

    if (!streams.begun || !native_read_struct(call, to, &g, sizeof(g)) ||
        !native_read_struct(call, from, &g, sizeof(g))) {
        return false;
    }
    s = zlib_stream(native_stream_known(&streams, from, NATIVE_GET(&g, state)));
    is_foreign = !s || s->common.is_foreign || !is_in_step(s, &g);
    if (!is_foreign) {
        native_stream_enter(call, &s->common);
    }
    copy = new_stream();
    copy->common.is_foreign = is_foreign;
    if (!is_foreign) {
        if (s->begun) {
            copy->allocs = s->allocs;
            copy->begun = inflateCopy(&copy->host, &s->host) == Z_OK;
            s->allocs = copy->allocs;
            copy->host.opaque = copy;
            copy->common.is_foreign = !copy->begun;
        }
        copy->wbits = s->wbits;
        copy->has_allocator = s->has_allocator;
        copy->common.looks_back = s->common.looks_back;
        copy->is_unchecked = s->is_unchecked;
        copy->keeps_adler = s->keeps_adler;
        copy->has_window = s->has_window;
        copy->guest_window = s->guest_window;
        copy->common.is_synced = s->common.is_synced;
        copy->common.is_ready = s->common.is_ready;
        copy->common.is_early = s->common.is_early;
        native_stream_leave(&s->common);
    }
    copy->common.total_in = NATIVE_GET(&g, total_in);
    copy->common.total_out = NATIVE_GET(&g, total_out);
    native_stream_begin(&streams, to, &copy->common);
    return false;
}

/* inflate(strm, flush) */
static bool try_inflate(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    int flush = call->arg[1];
    GuestZlib g;
    ZlibStream *s = find(call, &g);
    NativeIO io;
    bool done, progress;

    if (!s) {
        return false;
    }
    io = NATIVE_GET_IO(&g);
    if (!s->begun && native_tags_checked(call->env)) {
        return try_end(call);
    }
    if (!s->common.is_synced && s->wbits > 2 * MAX_WBITS && !s->keeps_adler &&
        io.total_in == 0 && io.total_out == 0 && s->common.total_in &&
        g.adler == 0) {
        /* gzread() with inflateReset() inlined by a compiler */
        reset(call, s, ZLIB_RESET, 0);
    }
    if (!is_valid(call, s, &g) || !g.next_out || (!g.next_in && g.avail_in)) {
        call->result = (target_long)Z_STREAM_ERROR;
        return !s->common.is_synced;
    }
    if (!s->common.is_synced || s->common.is_early) {
        native_touch(call, strm, sizeof(GuestZlib));
    }
    s->guest_window |= s->has_window;
    host_begin(s);
    s->host.adler = NATIVE_GET(&g, adler);
    s->host.msg = NULL;
    done = native_stream_run(&streams, call, &s->common, &io, flush);
    progress = s->common.progress;
    s->common.progress = false;
    /* zlib makes no window in a call that ends a stream with a checksum. */
    s->has_window |= s->allocs > 1 &&
                     io.total_out != NATIVE_GET(&g, total_out) &&
                     (s->ret == Z_OK ||
                      (s->ret == Z_STREAM_END && flush != Z_FINISH &&
                       s->wbits < 0));
    s->common.is_ready &= !s->has_allocator || s->has_window;
    if (s->ret == Z_OK && (!progress || flush == Z_FINISH)) {
        s->ret = Z_BUF_ERROR;
    }
    call->result = (target_long)s->ret;
    return done;
}

/* inflateSync(strm) */
static bool try_sync(NativeTry *call)
{
    target_ulong strm = native_untagged(call->arg[0]);
    GuestZlib g;
    ZlibStream *s = find(call, &g);
    NativeIO io;

    if (!s || !is_valid(call, s, &g)) {
        return false;
    }
    if (s->common.is_synced) {
        return try_end(call);
    }
    native_touch(call, strm, sizeof(GuestZlib));
    io = NATIVE_GET_IO(&g);
    io.avail_out = 0;
    s->host.adler = NATIVE_GET(&g, adler);
    s->host.msg = NULL;
    native_stream_run(&streams, call, &s->common, &io, ZLIB_SYNC);
    s->common.progress = false;
    native_write(call, strm + offsetof(GuestZlib, avail_out), &g.avail_out,
                 sizeof(g.avail_out));
    if (s->ret == Z_OK) {
        g.data_type = version >= 302 ? 0 : g.data_type;
        g.msg = 0;
        native_write(call, strm + offsetof(GuestZlib, msg), &g.msg,
                     sizeof(g.msg));
        s->has_window = false;
        /* Since 1.2.12, it ends checksums; inflateReset() keeps them off. */
        s->is_unchecked = version >= 212;
        s->keeps_adler |= s->is_unchecked;
        inflateValidate(&s->host, !s->is_unchecked);
    }
    native_write(call, strm + offsetof(GuestZlib, data_type), &g.data_type,
                 sizeof(g.data_type));
    call->result = (target_long)s->ret;
    return true;
}

/* Copy a dictionary to @s; may raise the guest's signal. */
static bool read_all(NativeTry *call, ZlibStream *s, target_ulong addr,
                     target_ulong len)
{
    uint8_t *data;

    addr = native_untagged(addr);
    if (!native_accessible(addr, len, PAGE_READ)) {
        for (target_ulong i = 0; i < len; i += TARGET_PAGE_SIZE) {
            cpu_ldub_data_ra(call->env, addr + i, call->ra);
        }
        cpu_ldub_data_ra(call->env, addr + len - 1, call->ra);
    }
    data = g_try_realloc(s->dictionary, len);
    if (data) {
        s->dictionary = data;
        native_read(call, addr, data, len);
    }
    return data;
}

/* inflateSetDictionary(strm, dictionary, len) */
static bool try_set_dictionary(NativeTry *call)
{
    uint32_t len = call->arg[2], skip;
    GuestZlib g;
    ZlibStream *s = find(call, &g);
    bool synced;
    int ret;

    if (!s || !is_valid(call, s, &g)) {
        return false;
    }
    synced = s->common.is_synced;
    if (synced && (s->has_allocator ||
                   !native_accessible(native_untagged(call->arg[1]), len,
                                      PAGE_READ))) {
        return try_end(call);
    }
    native_stream_enter(call, &s->common);
    if (s->wbits > 0 && host_begin(s) &&
        inflateSetDictionary(&s->host, (const uint8_t *)"", 0) ==
        Z_STREAM_ERROR) {
        /* Not accepted now: zlib does not read it. */
        leave(call, s, Z_STREAM_ERROR);
        return !synced;
    }
    native_stream_leave(&s->common);
    /* A raw stream's dictionary: only the end that fits the window */
    skip = s->wbits < 0 && len > 1 << MAX_WBITS ? len - (1 << MAX_WBITS) : 0;
    len -= skip;
    if (len && !read_all(call, s, call->arg[1] + skip, len)) {
        call->result = (target_long)Z_MEM_ERROR;
        return !synced;
    }
    native_stream_enter(call, &s->common);
    ret = host_begin(s)
        ? inflateSetDictionary(&s->host, s->dictionary ?: (uint8_t *)"", len)
        : Z_MEM_ERROR;
    s->has_window |= ret == Z_OK;
    leave(call, s, ret);
    return !synced;
}

/* inflateGetDictionary(strm, dictionary, &len) */
static bool try_get_dictionary(NativeTry *call)
{
    target_ulong to = native_untagged(call->arg[1]);
    target_ulong to_len = native_untagged(call->arg[2]);
    ZlibStream *s = enter_running(call);
    uInt len = 0;

    if (!s) {
        return false;
    }
    s->dictionary = g_realloc(s->dictionary, 1 << MAX_WBITS);
    if (s->has_window) {
        inflateGetDictionary(&s->host, s->dictionary, &len);
    }
    leave(call, s, Z_OK);
    if (to) {
        native_write(call, to, s->dictionary, len);
    }
    if (to_len) {
        native_put(call, to_len, len, sizeof(abi_uint));
    }
    return true;
}

enum {
    ZLIB_PRIME,
    ZLIB_VALIDATE,
};

/* inflatePrime(strm, bits, value), inflateValidate(strm, check) */
static bool try_set(NativeTry *call)
{
    bool is_validate = call->fn->kind == ZLIB_VALIDATE;
    GuestZlib g;
    ZlibStream *s = find(call, &g);

    if (!s || !is_valid(call, s, &g)) {
        return false;
    }
    if (is_validate && s->wbits < 0 && s->common.is_synced) {
        /* Before 1.2.12, it takes effect even without a checksum. */
        return try_end(call);
    }
    native_stream_enter(call, &s->common);
    s->common.looks_back |= !is_validate;
    s->keeps_adler |= is_validate;
    if (host_begin(s)) {
        s->ret = is_validate
            ? inflateValidate(&s->host, (int32_t)call->arg[1])
            : inflatePrime(&s->host, call->arg[1], call->arg[2]);
    }
    leave(call, s, s->ret);
    /* The guest's code sets inflateValidate(), too: a reset keeps it. */
    return !s->common.is_synced && !is_validate;
}

/* inflateGetHeader(strm, head): the guest's own code fills head. */
static bool try_get_header(NativeTry *call)
{
    GuestZlib g;
    ZlibStream *s = find(call, &g);

    /* Once there is output, it has no effect. */
    return s && s->common.is_synced ? try_end(call) : false;
}

enum {
    ZLIB_SYNC_POINT,
    ZLIB_MARK,
    ZLIB_CODES_USED,
};

/* inflateSyncPoint(strm), inflateMark(strm), inflateCodesUsed(strm) */
static bool try_query(NativeTry *call)
{
    ZlibStream *s = enter_running(call);
    target_long ret;

    if (!s) {
        return false;
    }
    ret = call->fn->kind == ZLIB_MARK ? inflateMark(&s->host)
        : call->fn->kind == ZLIB_SYNC_POINT ? inflateSyncPoint(&s->host)
        : inflateCodesUsed(&s->host);
    return leave(call, s, ret);
}

enum {
    ZLIB_CRC32,
    ZLIB_CRC32_Z,
    ZLIB_ADLER32,
    ZLIB_ADLER32_Z,
};

/* crc32(crc, buf, len), adler32(), and ..._z() with a size_t */
static bool try_check(NativeTry *call)
{
    int kind = call->fn->kind;
    bool is_z = kind == ZLIB_CRC32_Z || kind == ZLIB_ADLER32_Z;
    target_ulong len = is_z ? call->arg[2] : (uint32_t)call->arg[2];
    const void *buf = call->arg[1] ? native_begin_read(call, call->arg[1], len)
                                   : NULL;

    if (!buf) {
        return false;
    }
    call->result = kind == ZLIB_CRC32 || kind == ZLIB_CRC32_Z
                   ? crc32_z(call->arg[0], buf, len)
                   : adler32_z(call->arg[0], buf, len);
    native_end_read();
    return true;
}

#define CHECK(NAME, KIND) \
    { .name = #NAME, .nargs = 3, .try = try_check, .kind = KIND, .least = 16 }

static NativeFunction functions[] = {
    NATIVE_STREAM(inflateInit_, 3, try_init, .kind = ZLIB_INIT),
    NATIVE_STREAM(inflateInit2_, 4, try_init, .kind = ZLIB_INIT2),
    NATIVE_STREAM(inflate, 2, try_inflate),
    NATIVE_STREAM(inflateEnd, 1, try_end),
    NATIVE_STREAM(inflateReset, 1, try_reset, .kind = ZLIB_RESET),
    NATIVE_STREAM(inflateReset2, 2, try_reset, .kind = ZLIB_RESET2),
    NATIVE_STREAM(inflateResetKeep, 1, try_reset, .kind = ZLIB_RESET_KEEP),
    NATIVE_STREAM(inflateCopy, 2, try_copy),
    NATIVE_STREAM(inflateSetDictionary, 3, try_set_dictionary),
    NATIVE_STREAM(inflateGetDictionary, 3, try_get_dictionary),
    NATIVE_STREAM(inflateSync, 1, try_sync),
    NATIVE_STREAM(inflateSyncPoint, 1, try_query, .kind = ZLIB_SYNC_POINT),
    NATIVE_STREAM(inflateMark, 1, try_query, .kind = ZLIB_MARK),
    NATIVE_STREAM(inflateCodesUsed, 1, try_query, .kind = ZLIB_CODES_USED),
    NATIVE_STREAM(inflatePrime, 3, try_set, .kind = ZLIB_PRIME),
    NATIVE_STREAM(inflateValidate, 2, try_set, .kind = ZLIB_VALIDATE),
    NATIVE_STREAM(inflateGetHeader, 2, try_get_header),
    NATIVE_STREAM(inflateBackInit_, 1, try_init, .kind = ZLIB_INIT_OTHER),
    NATIVE_STREAM(deflateInit_, 1, try_init, .kind = ZLIB_INIT_OTHER),
    NATIVE_STREAM(deflateInit2_, 1, try_init, .kind = ZLIB_INIT_OTHER),
    NATIVE_STREAM(deflateCopy, 1, try_init, .kind = ZLIB_INIT_OTHER),
    NATIVE_STREAM(inflateBackEnd, 1, try_end),
    NATIVE_STREAM(deflateEnd, 1, try_end),
    CHECK(crc32, ZLIB_CRC32),
    CHECK(crc32_z, ZLIB_CRC32_Z),
    CHECK(adler32, ZLIB_ADLER32),
    CHECK(adler32_z, ZLIB_ADLER32_Z),
};

static const char *const proof[] = {
    "inflate", "inflateEnd", "inflateInit2_", "inflateReset2", NULL
};

static bool zlib_accepts(const char *file, size_t size)
{
    /* Other implementations split their output differently. */
    return !memmem(file, size, "zlib-ng", 7) &&
           !memmem(file, size, "zlib-rs", 7) &&
           native_has_version(&version, file, size, " inflate 1.", ' ');
}

static NativeLibrary libz = {
    .name = "libz",
    .soname = "libz.so.1",
    .proof = proof,
    .accepts = zlib_accepts,
    .functions = functions,
    .count = ARRAY_SIZE(functions),
    .version = zlibVersion,
    .mapped = zlib_mapped,
    .is_used = native_streams_used,
};

static void __attribute__((constructor)) register_libz(void)
{
    /* zlib-ng splits its output differently. */
    if (!strstr(zlibVersion(), "ng")) {
        native_library_register(&libz);
    }
}
