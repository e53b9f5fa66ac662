/*
 * Native bypass: libbz2's decoders, call by call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stdio.h>
#include <bzlib.h>

typedef bz_stream Stream;
#include "stream-test.h"

static const char entry[] = "BZ2_bzDecompress";

static int kinds = 3;
static int manners = 3;

static const char *kind_name(int kind)
{
    static const char *const names[] = { "fast", "small", "talks" };

    return names[kind];
}

static int begin(Test *t)
{
    if (t->s.state && rnd(2)) {
        BZ2_bzDecompressEnd(&t->s);
    }
    return BZ2_bzDecompressInit(&t->s, t->kind == 2, t->kind == 1);
}

static int code(Test *t, bool finish)
{
    return BZ2_bzDecompress(&t->s);
}

static void end(Test *t)
{
    BZ2_bzDecompressEnd(&t->s);
}

static bool is_end(int ret)
{
    return ret == BZ_STREAM_END;
}

static bool is_error(int ret)
{
    return ret < 0;
}

static void set_io(Stream *s, const uint8_t *in, size_t in_len,
                   uint8_t *out, size_t out_len)
{
    s->next_in = (char *)in;
    s->avail_in = in_len;
    s->next_out = (char *)out;
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
    hash(t, t->s.total_in_lo32);
    hash(t, t->s.total_in_hi32);
    hash(t, t->s.total_out_lo32);
    hash(t, t->s.total_out_hi32);
    hash(t, t->s.avail_in);
    hash(t, t->s.avail_out);
}

static void poke(Test *t)
{
    bz_stream copy = t->s;

    /* A copy of the initialised struct is invalid. */
    hash(t, rnd(2) ? BZ2_bzDecompress(&copy) : BZ2_bzDecompressEnd(&copy));
}

static Buffer compress_as(int how, Buffer plain)
{
    unsigned len = plain.len + plain.len / 50 + 700;
    Buffer b = { malloc(len), 0 };

    assert(!BZ2_bzBuffToBuffCompress((char *)b.data, &len, (char *)plain.data,
                                     plain.len, how == 2 ? 9 : 1, 0, 0));
    b.len = len;
    return b;
}

typedef struct Counter {
    int allocs, frees, fails_at;
} Counter;

static void *count_alloc(void *opaque, int n, int size)
{
    Counter *c = opaque;

    return ++c->allocs == c->fails_at ? NULL : malloc((size_t)n * size);
}

static void count_free(void *opaque, void *p)
{
    Counter *c = opaque;

    c->frees++;
    free(p);
}

static void test_allocators(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in;
        Counter c = { 0 };
        Test t;

        seed_round(i);
        plain = make_plain(rnd(10000));
        in = compress_as(rnd(manners), plain);
        c.fails_at = rnd(2) ? rnd(5) : 0;
        new_test(&t, rnd(2));
        t.s.bzalloc = count_alloc;
        t.s.bzfree = count_free;
        t.s.opaque = &c;
        for (int k = 0; k < 2; k++) {
            hash(&t, begin(&t));
            decode(&t, in, rnd(7), rnd(7), false, 100000);
            hash(&t, c.allocs);
            hash(&t, c.frees);
        }
        end(&t);
        printf("%d allocs %d frees %d ", i, c.allocs, c.frees);
        report("allocators", &t);
        free(plain.data);
        free(in.data);
    }
}

/* libbz2's own callers of these functions */
static void test_files(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in;
        unsigned len;
        Test t;

        seed_round(i);
        plain = make_plain(rnd(20000));
        in = compress_as(rnd(manners), plain);
        if (rnd(2)) {
            spoil(&in);
        }
        new_test(&t, 0);
        len = rnd(2) ? plain.len : rnd(plain.len + 1);
        hash(&t, BZ2_bzBuffToBuffDecompress((char *)plain.data, &len,
                                            (char *)in.data, in.len, rnd(2),
                                            0));
        hash(&t, len);
        hash_bytes(&t, plain.data, len);
        report("files", &t);
        free(plain.data);
        free(in.data);
    }
}

static const Scenario *own_scenarios(void)
{
    static const Scenario own[] = {
        { "allocators", test_allocators },
        { "files", test_files },
        { NULL }
    };

    return own;
}
