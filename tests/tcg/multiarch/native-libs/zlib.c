/*
 * Native bypass: zlib's inflate(), call by call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <zlib.h>

typedef z_stream Stream;
#include "stream-test.h"

static const char entry[] = "inflate";

static const struct {
    const char *name;
    int wbits, flush;
} how_to[] = {
    { "zlib", 15, Z_NO_FLUSH }, { "raw", -15, Z_NO_FLUSH },
    { "gzip", 31, Z_NO_FLUSH }, { "auto", 47, Z_NO_FLUSH },
    { "zlib-sync", 15, Z_SYNC_FLUSH }, { "raw-block", -15, Z_BLOCK },
    { "auto-trees", 47, Z_TREES }, { "zlib-9", 9, Z_NO_FLUSH },
    { "zlib-0", 0, Z_NO_FLUSH }, { "gzip-block", 31, Z_BLOCK },
    { "zlib-finish", 15, Z_FINISH }, { "raw-9", -9, Z_PARTIAL_FLUSH },
    { "bad", 7, Z_NO_FLUSH },
};
static int kinds = 13;
static int manners = 12;

static const char *kind_name(int kind)
{
    return how_to[kind].name;
}

static int begin(Test *t)
{
    int wbits = how_to[t->kind].wbits;

    if (t->s.state) {
        /* In use: begin again in any way. */
        switch (rnd(4)) {
        case 0:
            return inflateReset(&t->s);
        case 1:
            return inflateReset2(&t->s, wbits);
        case 2:
            return inflateResetKeep(&t->s);
        default:
            inflateEnd(&t->s);
            break;
        }
    }
    return wbits == 15 && rnd(2) ? inflateInit(&t->s)
                                 : inflateInit2(&t->s, wbits);
}

static int code(Test *t, bool finish)
{
    int ret = inflate(&t->s, finish ? Z_FINISH : how_to[t->kind].flush);

    t->failed = ret == Z_DATA_ERROR;
    return ret;
}

static void end(Test *t)
{
    inflateEnd(&t->s);
}

static bool is_end(int ret)
{
    return ret == Z_STREAM_END || ret == Z_NEED_DICT;
}

static bool is_error(int ret)
{
    return ret < 0 && ret != Z_BUF_ERROR;
}

static void set_io(Stream *s, const uint8_t *in, size_t in_len,
                   uint8_t *out, size_t out_len)
{
    s->next_in = (uint8_t *)in;
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
    hash(t, t->s.total_in);
    hash(t, t->s.total_out);
    hash(t, t->s.avail_in);
    hash(t, t->s.avail_out);
    hash(t, t->s.data_type);
    hash(t, t->s.adler);
    if (t->s.msg) {
        Dl_info lib = { 0 };

        hash_bytes(t, t->s.msg, strlen(t->s.msg));
        /* The string is the library's own. */
        dladdr(t->s.msg, &lib);
        hash(t, (uintptr_t)t->s.msg - (uintptr_t)lib.dli_fbase);
    }
    if (t->s.state) {
        /* After an error, it depends on how far ahead the decoder was. */
        hash(t, t->failed ? 0 : inflateMark(&t->s));
        hash(t, inflateSyncPoint(&t->s));
        hash(t, inflateCodesUsed(&t->s));
    }
}

static void poke(Test *t)
{
    uint8_t dict[32768];
    uInt len = 0;

    int what = rnd(13);
    z_stream copy;

    if (trace) {
        printf("poke %d\n", what);
    }
    switch (what) {
    case 0:
        hash(t, inflateSync(&t->s));
        hash_fields(t);
        break;
    case 1:
        hash(t, inflateGetDictionary(&t->s, dict, &len));
        hash(t, len);
        hash_bytes(t, dict, len);
        break;
    case 2:
        hash(t, inflatePrime(&t->s, rnd(3) * 4, rnd(16)));
        break;
    case 3:
        /*
         * Versions differ in its effect on raw streams, and on the length in
         * gzip streams.
         */
        if (how_to[t->kind].wbits > 0 && strcmp(zlibVersion(), "1.2.11")) {
            hash(t, inflateValidate(&t->s, rnd(2)));
        }
        break;
    case 4:
        hash(t, inflateUndermine(&t->s, rnd(2)));
        break;
    case 5:
        t->s.next_out = NULL;
        hash(t, inflate(&t->s, Z_NO_FLUSH));
        break;
    case 6:
        hash(t, inflateSetDictionary(&t->s, dict, 0));
        break;
    case 7:
        if (t->kind == 1) {
            memset(dict, 'x', sizeof(dict));
            hash(t, inflateSetDictionary(&t->s, dict, rnd(sizeof(dict))));
        }
        break;
    case 8:
        t->s.avail_in = 0;
        hash(t, inflate(&t->s, rnd(2) ? Z_FINISH : Z_NO_FLUSH));
        break;
    case 9:
        t->s.adler ^= rnd(256);
        break;
    case 10:
        /* A copy of the initialised struct is invalid. */
        copy = t->s;
        hash(t, inflate(&copy, Z_NO_FLUSH));
        hash(t, inflateReset(&copy));
        hash(t, inflateEnd(&copy));
        break;
    case 11:
        hash(t, inflateReset2(&t->s, rnd(2) ? 99 : -7));
        break;
    case 12:
        hash(t, inflateSetDictionary(&t->s, NULL, 0));
        break;
    }
}

static void append(Buffer *b, const void *data, size_t len)
{
    b->data = realloc(b->data, b->len + len + 1);
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static Buffer deflate_as(int wbits, int level, int strategy, Buffer plain,
                         int flushes, const uint8_t *dict, size_t dict_len)
{
    static const int flush[] = { Z_SYNC_FLUSH, Z_FULL_FLUSH, Z_BLOCK };
    Buffer b = { NULL, 0 };
    z_stream s = { 0 };
    uint8_t out[4096];
    size_t at = 0;
    gz_header head = { .text = 1, .time = 77, .os = 3,
                       .extra = (Bytef *)"extra!", .extra_len = 6,
                       .name = (Bytef *)"name", .comment = (Bytef *)"comment",
                       .hcrc = 1 };

    assert(!deflateInit2(&s, level, Z_DEFLATED, wbits, 8, strategy));
    if (dict) {
        deflateSetDictionary(&s, dict, dict_len);
    }
    if (wbits > 15 && rnd(2)) {
        deflateSetHeader(&s, &head);
    }
    for (int i = 0; i <= flushes; i++) {
        size_t n = i == flushes ? plain.len - at : rnd(plain.len - at + 1);

        s.next_in = plain.data + at;
        s.avail_in = n;
        at += n;
        do {
            s.next_out = out;
            s.avail_out = sizeof(out);
            deflate(&s, i == flushes ? Z_FINISH : flush[rnd(3)]);
            append(&b, out, sizeof(out) - s.avail_out);
        } while (s.avail_out == 0);
    }
    deflateEnd(&s);
    return b;
}

static Buffer compress_as(int how, Buffer plain)
{
    static const int wbits[] = { 15, -15, 31, 9, -9, 31 };
    static const int levels[] = { 6, 0, 1, 9 };

    return deflate_as(wbits[how % 6], levels[rnd(4)],
                      rnd(5) ? Z_DEFAULT_STRATEGY : Z_FIXED, plain,
                      how >= 6 ? rnd(4) : 0, NULL, 0);
}

typedef struct Counter {
    int allocs, frees, fails_at;
} Counter;

static void *count_alloc(void *opaque, uInt n, uInt size)
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
        plain = make_plain(rnd(30000));
        in = compress_as(rnd(manners), plain);
        c.fails_at = rnd(2) ? rnd(5) : 0;
        new_test(&t, rnd(kinds));
        t.s.zalloc = count_alloc;
        t.s.zfree = count_free;
        t.s.opaque = &c;
        for (int k = 0; k < 3; k++) {
            hash(&t, begin(&t));
            decode(&t, in, rnd(7), rnd(4) ? rnd(6) : 6, rnd(2), 100000);
            hash(&t, c.allocs);
            hash(&t, c.frees);
            if (rnd(2)) {
                end(&t);
            }
        }
        end(&t);
        printf("%d allocs %d frees %d ", i, c.allocs, c.frees);
        report("allocators", &t);
        free(plain.data);
        free(in.data);
    }
}

static void test_dictionary(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in, dict;
        bool raw;
        Test t;
        int ret;

        seed_round(i);
        raw = rnd(2);
        dict = make_plain(1 + rnd(40000));
        plain = make_plain(rnd(60000));
        memcpy(plain.data, dict.data,
               plain.len < dict.len ? plain.len : dict.len);
        in = deflate_as(raw ? -15 : 15, 6, 0, plain, rnd(2), dict.data,
                        dict.len);
        new_test(&t, raw ? 1 : rnd(2) ? 0 : 3);
        hash(&t, begin(&t));
        if (raw) {
            hash(&t, inflateSetDictionary(&t.s, dict.data, dict.len));
        }
        ret = decode(&t, in, raw ? 4 : 0, 5, false, 100000);
        if (ret == Z_NEED_DICT) {
            Buffer rest = { in.data + 6, in.len - 6 };

            if (rnd(3) == 0) {
                hash(&t, inflateSetDictionary(&t.s, dict.data, dict.len - 1));
            }
            hash(&t, inflateSetDictionary(&t.s, dict.data, dict.len));
            hash_fields(&t);
            decode(&t, rest, 5, 5, rnd(2), 100000);
        }
        end(&t);
        printf("%d ", i);
        report("dictionary", &t);
        free(plain.data);
        free(in.data);
        free(dict.data);
    }
}

/* inflateCopy() at any time; both continue, and either ends first. */
static void test_copy(int rounds)
{
    Test t[2];

    memset(t, 0, sizeof(t));
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in, part, rest;
        int calls;

        seed_round(i);
        plain = make_plain(rnd(80000));
        in = compress_as(rnd(manners), plain);
        calls = rnd(20);
        /* The copy's struct stays as the last round left it. */
        new_test(&t[0], rnd(kinds));
        t[1].kind = t[0].kind;
        t[1].hash = 1;
        hash(&t[0], begin(&t[0]));
        part = in;
        part.len = rnd(in.len + 1);
        if (calls) {
            decode(&t[0], part, 3, 3, false, 1000);
        }
        rest.data = in.data + (t[0].s.total_in < in.len ? t[0].s.total_in
                                                        : in.len);
        rest.len = in.data + in.len - rest.data;
        hash(&t[0], inflateCopy(&t[1].s, &t[0].s));
        hash_fields(&t[1]);
        for (int k = 0; k < 2; k++) {
            int which = rnd(2) ? k : !k;

            decode(&t[which], rest, 5, 5, rnd(2), 100000);
            if (rnd(2)) {
                end(&t[which]);
            }
        }
        end(&t[0]);
        if (rnd(2)) {
            end(&t[1]);
        }
        printf("%d ", i);
        report("copy", &t[0]);
        report("copied", &t[1]);
        free(plain.data);
        free(in.data);
    }
}

/* A new stream in a struct that holds a copy, which is lost */
static void test_again(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        z_stream other = { 0 };
        Buffer plain, in;
        Test t;

        seed_round(i);
        plain = make_plain(rnd(30000));
        in = compress_as(1, plain);
        new_test(&t, 1);
        assert(!inflateInit2(&other, -15));
        hash(&t, inflatePrime(&other, 8, rnd(256)));
        hash(&t, inflateCopy(&t.s, &other));
        hash(&t, inflateInit2(&t.s, -15));
        decode(&t, in, 6, 6, rnd(2), 10);
        end(&t);
        inflateEnd(&other);
        report("again", &t);
        free(plain.data);
        free(in.data);
    }
}

/* A copy in mid-stream is reset before it is used. */
static void test_copy_reset(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        z_stream from = { 0 };
        Buffer plain, in;
        Test t;

        seed_round(i);
        plain = make_plain(1000 + rnd(60000));
        in = compress_as(0, plain);
        new_test(&t, 0);
        assert(!inflateInit(&from));
        set_io(&from, in.data, rnd(in.len), plain.data, plain.len);
        hash(&t, inflate(&from, Z_NO_FLUSH));
        hash(&t, inflateCopy(&t.s, &from));
        switch (i % 3) {
        case 0:
            hash(&t, inflateReset(&t.s));
            break;
        case 1:
            hash(&t, inflateReset2(&t.s, 15));
            break;
        case 2:
            hash(&t, inflateResetKeep(&t.s));
            break;
        }
        decode(&t, in, 5, 5, rnd(2), 1000);
        end(&t);
        inflateEnd(&from);
        report("copy reset", &t);
        free(plain.data);
        free(in.data);
    }
}

/* inflateSync() of input in a file */
static void test_sync_file(int rounds)
{
    char name[] = "/tmp/native-libs-XXXXXX";
    int fd = mkstemp(name);

    unlink(name);
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in, file;
        Test t;

        seed_round(i);
        plain = make_plain(20000 + rnd(60000));
        in = compress_as(6, plain);
        assert(pwrite(fd, in.data, in.len, 0) == in.len);
        file.len = in.len;
        file.data = mmap(NULL, in.len, PROT_READ, MAP_PRIVATE, fd, 0);
        new_test(&t, 0);
        hash(&t, begin(&t));
        set_io(&t.s, file.data, 100, plain.data, plain.len);
        hash(&t, inflate(&t.s, Z_NO_FLUSH));
        t.s.avail_in = file.data + file.len - t.s.next_in;
        hash(&t, inflateSync(&t.s));
        hash(&t, inflate(&t.s, Z_NO_FLUSH));
        hash_fields(&t);
        end(&t);
        report("sync in a file", &t);
        munmap(file.data, file.len);
        free(plain.data);
        free(in.data);
    }
    close(fd);
}

static void test_header(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        uint8_t extra[8], name[8], comment[8];
        gz_header head = { .extra = extra, .extra_max = 4, .name = name,
                           .name_max = 8, .comment = comment, .comm_max = 3 };
        Buffer plain, in;
        Test t;

        memset(extra, 0, sizeof(extra));
        memset(name, 0, sizeof(name));
        memset(comment, 0, sizeof(comment));
        seed_round(i);
        plain = make_plain(rnd(30000));
        in = compress_as(2, plain);
        new_test(&t, rnd(2) ? 2 : 3);
        hash(&t, begin(&t));
        if (rnd(2)) {
            decode(&t, (Buffer) { in.data, rnd(20) }, 0, 3, false, 20);
        }
        hash(&t, inflateGetHeader(&t.s, &head));
        decode(&t, (Buffer) { in.data + t.s.total_in, in.len - t.s.total_in },
               rnd(6), 5, rnd(2), 100000);
        hash(&t, inflateGetHeader(&t.s, &head));
        hash(&t, head.done);
        hash(&t, head.time);
        hash(&t, head.extra_len);
        hash(&t, head.hcrc);
        hash_bytes(&t, extra, 8);
        hash_bytes(&t, name, 8);
        hash_bytes(&t, comment, 8);
        end(&t);
        printf("%d ", i);
        report("header", &t);
        free(plain.data);
        free(in.data);
    }
}

static void test_checks(int rounds)
{
    Buffer b;
    Test t;

    seed_round(0);
    b = make_plain(100000);
    new_test(&t, 0);
    for (int i = 0; i < rounds * 50; i++) {
        size_t at = rnd(1000), n = rnd(2) ? rnd(64) : rnd(b.len - 1000);
        uLong from = rnd(2) ? rnd(2) : rnd(0) ^ (uLong)rnd(0) << 8;

        hash(&t, crc32(from, b.data + at, n));
        hash(&t, crc32_z(from, b.data + at, n));
        hash(&t, adler32(from, b.data + at, n));
        hash(&t, adler32_z(from, b.data + at, n));
        hash(&t, crc32_combine(from, 5, n));
    }
    hash(&t, crc32(5, NULL, 7));
    hash(&t, adler32(5, NULL, 7));
    report("checks", &t);
}

static unsigned back_in(void *opaque, z_const unsigned char **p)
{
    Buffer *b = opaque;

    *p = b->data;
    return b->len;
}

static int back_out(void *opaque, unsigned char *p, unsigned n)
{
    hash_bytes(opaque, p, n);
    return 0;
}

static void test_back(int rounds)
{
    static uint8_t window[32768];

    for (int i = 0; i < rounds; i++) {
        Buffer plain, in;
        Test t;

        seed_round(i);
        plain = make_plain(rnd(90000));
        in = compress_as(1, plain);
        new_test(&t, 1);
        if (rnd(2)) {
            hash(&t, begin(&t));
            decode(&t, in, 4, 4, false, 5);
            end(&t);
        }
        hash(&t, inflateBackInit(&t.s, 15, window));
        t.s.next_in = NULL;
        hash(&t, inflateBack(&t.s, back_in, &in, back_out, &t));
        hash(&t, inflateBackEnd(&t.s));
        report("back", &t);
        free(plain.data);
        free(in.data);
    }
}

/* zlib's own callers of these functions */
static void test_files(int rounds)
{
    char name[] = "/tmp/native-libs-XXXXXX", buf[5000];
    int fd = mkstemp(name);

    close(fd);
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in;
        uLongf len;
        uLong in_len;
        gzFile f;
        Test t;
        int n;

        seed_round(i);
        plain = make_plain(rnd(90000));
        in = compress_as(rnd(4) ? 2 : 0, plain);
        new_test(&t, 0);
        fd = open(name, O_WRONLY | O_TRUNC);
        for (int k = rnd(3); k >= 0; k--) {
            assert(write(fd, in.data, in.len) == in.len);
        }
        close(fd);
        f = gzopen(name, "r");
        while ((n = gzread(f, buf, 1 + rnd(sizeof(buf)))) > 0) {
            hash_bytes(&t, buf, n);
            if (rnd(10) == 0) {
                hash(&t, gzseek(f, rnd(100), SEEK_CUR));
            }
            if (rnd(50) == 0) {
                hash(&t, gzseek(f, rnd(5000), SEEK_SET));
            }
        }
        hash(&t, n);
        gzclose(f);
        len = rnd(2) ? plain.len : rnd(plain.len + 1);
        in_len = in.len;
        hash(&t, uncompress2(plain.data, &len, in.data, &in_len));
        hash(&t, len);
        hash(&t, in_len);
        report("files", &t);
        free(plain.data);
        free(in.data);
    }
    unlink(name);
}

static const Scenario *own_scenarios(void)
{
    static const Scenario own[] = {
        { "allocators", test_allocators },
        { "dictionary", test_dictionary },
        { "copy", test_copy },
        { "again", test_again },
        { "copy-reset", test_copy_reset },
        { "sync-file", test_sync_file },
        { "header", test_header },
        { "checks", test_checks },
        { "back", test_back },
        { "files", test_files },
        { NULL }
    };

    return own;
}
