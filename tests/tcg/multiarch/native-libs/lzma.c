/*
 * Native bypass: liblzma's decoders, call by call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <lzma.h>

typedef lzma_stream Stream;
#include "stream-test.h"

static const char entry[] = "lzma_code";

/* Not in versions before 5.4 */
#pragma weak lzma_stream_decoder_mt

static const char *const names[] = {
    "stream", "concatenated", "tell", "ignore", "auto", "auto-concatenated",
    "alone", "mt", "limited", "raw",
};
static int kinds = 10;
static int manners = 9;

static const char *kind_name(int kind)
{
    return names[kind];
}

static int begin(Test *t)
{
    lzma_mt mt = { .threads = 2, .memlimit_stop = UINT64_MAX,
                   .memlimit_threading = UINT64_MAX };
    lzma_options_lzma opt;
    lzma_filter raw[] = { { LZMA_FILTER_LZMA2, &opt },
                          { LZMA_VLI_UNKNOWN, NULL } };

    lzma_lzma_preset(&opt, 0);
    t->quiet = t->kind == 7;
    switch (t->kind) {
    case 0:
        return lzma_stream_decoder(&t->s, UINT64_MAX, 0);
    case 1:
        return lzma_stream_decoder(&t->s, UINT64_MAX, LZMA_CONCATENATED);
    case 2:
        return lzma_stream_decoder(&t->s, UINT64_MAX,
                                   LZMA_TELL_ANY_CHECK | LZMA_CONCATENATED);
    case 3:
        return lzma_stream_decoder(&t->s, UINT64_MAX, LZMA_IGNORE_CHECK);
    case 4:
        return lzma_auto_decoder(&t->s, UINT64_MAX, 0);
    case 5:
        return lzma_auto_decoder(&t->s, UINT64_MAX,
                                 LZMA_CONCATENATED | LZMA_TELL_NO_CHECK);
    case 6:
        return lzma_alone_decoder(&t->s, UINT64_MAX);
    case 7:
        return lzma_stream_decoder_mt ? lzma_stream_decoder_mt(&t->s, &mt)
                                      : LZMA_PROG_ERROR;
    case 8:
        return lzma_stream_decoder(&t->s, 400000, 0);
    default:
        return lzma_raw_decoder(&t->s, raw);
    }
}

static int code(Test *t, bool finish)
{
    return lzma_code(&t->s, finish ? LZMA_FINISH : LZMA_RUN);
}

static void end(Test *t)
{
    lzma_end(&t->s);
}

static bool is_end(int ret)
{
    return ret == LZMA_STREAM_END;
}

static bool is_error(int ret)
{
    return ret != LZMA_OK && ret != LZMA_STREAM_END && ret != LZMA_BUF_ERROR &&
           ret != LZMA_NO_CHECK && ret != LZMA_GET_CHECK &&
           ret != LZMA_UNSUPPORTED_CHECK;
}

static void set_io(Stream *s, const uint8_t *in, size_t in_len,
                   uint8_t *out, size_t out_len)
{
    s->next_in = in;
    s->avail_in = in_len;
    s->next_out = out;
    s->avail_out = out_len;
}

static size_t left_in(const Stream *s)
{
    return s->avail_in;
}

static size_t left_out(const Stream *s)
{
    return s->avail_out;
}

static void hash_fields(Test *t)
{
    uint64_t in = 0, out = 0;

    hash(t, t->s.total_in);
    hash(t, t->s.total_out);
    hash(t, t->s.avail_in);
    hash(t, t->s.avail_out);
    if (t->kind != 7) {
        /* Only after the header has been read */
        hash(t, t->s.internal && t->s.total_out ? lzma_get_check(&t->s) : 0);
        hash(t, lzma_memusage(&t->s));
        hash(t, lzma_memlimit_get(&t->s));
        if (t->s.internal) {
            lzma_get_progress(&t->s, &in, &out);
        }
        hash(t, in);
        hash(t, out);
    }
}

static void poke(Test *t)
{
    lzma_action bad = rnd(2) ? LZMA_SYNC_FLUSH : 77;

    switch (rnd(5)) {
    case 0:
        hash(t, lzma_memlimit_set(&t->s, UINT64_MAX));
        break;
    case 1:
        hash(t, lzma_code(&t->s, bad));
        break;
    case 2:
        if (t->kind == 8) {
            hash(t, lzma_memlimit_set(&t->s, 1 + rnd(100000000)));
        }
        break;
    case 3:
        t->s.reserved_int2 = 1;
        hash(t, lzma_code(&t->s, LZMA_RUN));
        t->s.reserved_int2 = 0;
        break;
    case 4:
        t->s.next_in = NULL;
        t->s.avail_in = 1;
        hash(t, lzma_code(&t->s, LZMA_RUN));
        t->s.avail_in = 0;
        break;
    }
}

static void append(Buffer *b, const void *data, size_t len)
{
    b->data = realloc(b->data, b->len + len + 1);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void encode(Buffer *b, lzma_stream *s, Buffer plain, int flushes)
{
    uint8_t out[4096];
    size_t at = 0;

    for (int i = 0; i <= flushes; i++) {
        size_t n = i == flushes ? plain.len - at : rnd(plain.len - at + 1);
        lzma_ret ret;

        s->next_in = plain.data + at;
        s->avail_in = n;
        at += n;
        do {
            s->next_out = out;
            s->avail_out = sizeof(out);
            ret = lzma_code(s, i == flushes ? LZMA_FINISH : LZMA_FULL_FLUSH);
            append(b, out, sizeof(out) - s->avail_out);
        } while (ret == LZMA_OK);
        assert(ret == LZMA_STREAM_END);
    }
    lzma_end(s);
}

static Buffer compress_as(int how, Buffer plain)
{
    static const lzma_check checks[] = {
        LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64, LZMA_CHECK_SHA256
    };
    lzma_stream s = LZMA_STREAM_INIT;
    lzma_options_lzma opt;
    lzma_options_delta delta = { .type = LZMA_DELTA_TYPE_BYTE, .dist = 4 };
    lzma_filter filters[] = { { LZMA_FILTER_DELTA, &delta },
                              { LZMA_FILTER_X86, NULL },
                              { LZMA_FILTER_LZMA2, &opt },
                              { LZMA_VLI_UNKNOWN, NULL } };
    lzma_mt mt = { .threads = 1, .block_size = 20000, .preset = 0,
                   .check = LZMA_CHECK_CRC32 };
    Buffer b = { NULL, 0 };
    static const uint8_t padding[8];

    lzma_lzma_preset(&opt, 0);
    is_filtered = how == 7;
    switch (how) {
    case 4:         /* blocks */
        assert(!lzma_easy_encoder(&s, 0, checks[rnd(4)]));
        encode(&b, &s, plain, 3);
        break;
    case 5:         /* streams, padding */
        for (int i = 0; i < 3; i++) {
            Buffer part = { plain.data + plain.len / 3 * i, plain.len / 3 };

            assert(!lzma_easy_encoder(&s, 0, checks[rnd(4)]));
            encode(&b, &s, part, 0);
            append(&b, padding, rnd(3) * 4);
        }
        break;
    case 6:         /* .lzma */
        assert(!lzma_alone_encoder(&s, &opt));
        encode(&b, &s, plain, 0);
        break;
    case 7:
        assert(!lzma_stream_encoder(&s, filters, checks[rnd(4)]));
        encode(&b, &s, plain, 0);
        break;
    case 8:         /* blocks with sizes in headers */
        assert(!lzma_stream_encoder_mt(&s, &mt));
        encode(&b, &s, plain, 0);
        break;
    default:
        assert(!lzma_easy_encoder(&s, 0, checks[how]));
        encode(&b, &s, plain, 0);
        break;
    }
    return b;
}

typedef struct Counter {
    int allocs, frees, fails_at;
} Counter;

static void *count_alloc(void *opaque, size_t n, size_t size)
{
    Counter *c = opaque;

    return ++c->allocs == c->fails_at ? NULL : malloc(n * size);
}

static void count_free(void *opaque, void *p)
{
    Counter *c = opaque;

    c->frees++;
    free(p);
}

/* Allocators that count, and that fail */
static void test_allocators(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        seed_round(i);
        Buffer plain = make_plain(rnd(10000));
        Buffer in = compress_as(rnd(4), plain);
        Counter c = { .fails_at = rnd(2) ? rnd(12) : 0 };
        lzma_allocator a = { count_alloc, count_free, &c };
        Test t;

        new_test(&t, rnd(7));
        t.s.allocator = &a;
        for (int k = 0; k < 2; k++) {
            hash(&t, begin(&t));
            decode(&t, in, rnd(6), 4, true, 100000);
            hash(&t, c.allocs);
            hash(&t, c.frees);
            if (rnd(2)) {
                lzma_end(&t.s);
            }
        }
        lzma_end(&t.s);
        printf("%d allocs %d frees %d ", i, c.allocs, c.frees);
        report("allocators", &t);
        free(plain.data);
        free(in.data);
    }
}

/* The struct is moved between calls. */
static void test_moved(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        seed_round(i);
        Buffer plain = make_plain(rnd(10000));
        Buffer in = compress_as(rnd(4), plain);
        Test t[3];

        if (rnd(2)) {
            /* Another stream was there, and was moved away. */
            new_test(&t[1], rnd(6));
            hash(&t[1], begin(&t[1]));
            t[2] = t[1];
        } else {
            new_test(&t[2], 9);
        }
        new_test(&t[0], rnd(6));
        hash(&t[0], begin(&t[0]));
        for (int k = 0; k < 2; k++) {
            Buffer part = { in.data + (k ? in.len / 2 : 0),
                            k ? in.len - in.len / 2 : in.len / 2 };

            decode(&t[k], part, 3, 4, false, 100000);
            if (k == 0) {
                t[1] = t[0];
                memset(&t[0].s, 0x55, sizeof(t[0].s));
            }
        }
        lzma_end(&t[1].s);
        decode(&t[2], in, 3, 4, false, 100000);
        lzma_end(&t[2].s);
        hash(&t[1], t[2].hash);
        report("moved", &t[1]);
        free(plain.data);
        free(in.data);
    }
}

/* The struct moves, and moves back to where it was initialised. */
static void test_move(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in, part;
        Test t[2];

        seed_round(i);
        plain = make_plain(1000 + rnd(60000));
        in = compress_as(rnd(manners), plain);
        new_test(&t[0], rnd(kinds));
        hash(&t[0], begin(&t[0]));
        t[1] = t[0];
        part = (Buffer) { in.data, in.len / 2 };
        decode(&t[1], part, 4, 4, false, 1000);
        t[0] = t[1];
        part.data += part.len - left_in(&t[0].s);
        part.len = in.data + in.len - part.data;
        decode(&t[0], part, 4, 4, true, 1000);
        end(&t[0]);
        report("moved", &t[0]);
        free(plain.data);
        free(in.data);
    }
}

static const Scenario *own_scenarios(void)
{
    static const Scenario own[] = {
        { "allocators", test_allocators },
        { "moved", test_moved },
        { "moved-back", test_move },
        { NULL }
    };

    return own;
}
