/*
 * Native bypass: streams of libraries, call by call
 *
 * The output is the same whether the guest's or the host's library decodes:
 * lines for each scenario, with a hash of what each call returned and left in
 * the struct. Arguments: seed, rounds, and which scenario.
 *
 * Each library's program defines Stream and the functions declared here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Buffer {
    uint8_t *data;
    size_t len;
} Buffer;

/* The state of a stream's test */
typedef struct Test {
    Stream s;
    int kind;                   /* a decoder, and how it is set up */
    uint64_t hash;
    Buffer out;
    bool failed;                /* the last call, for good */
    bool quiet;                 /* hash nothing but output and the end */
} Test;

typedef struct Scenario {
    const char *name;
    void (*run)(int rounds);
} Scenario;

/* Scenarios of this library only; the last one has no name. */
static const Scenario *own_scenarios(void);

/* The function that decodes */
static const char entry[];

static int kinds;
static const char *kind_name(int kind);
/* Compress @plain in the manner @how of several. */
static int manners;
static Buffer compress_as(int how, Buffer plain);
/* Compressed so that the output of a failing call is undefined */
static bool is_filtered;
/* Return the result of initialising; @t->s is zeroed or was in use. */
static int begin(Test *t);
static int code(Test *t, bool finish);
static void end(Test *t);
static bool is_end(int ret);
static bool is_error(int ret);
static void set_io(Stream *s, const uint8_t *in, size_t in_len,
                   uint8_t *out, size_t out_len);
static size_t left_in(const Stream *s);
static size_t left_out(const Stream *s);
/* Hash the struct's fields and results of the library's functions. */
static void hash_fields(Test *t);
/* Make another call that is allowed at any time. */
static void poke(Test *t);

static size_t page_size;
static __thread uint64_t rng;
static uint64_t seed;

/* Seed the scenario's round @i, independent of other rounds. */
static void seed_round(uint64_t i)
{
    rng = (seed << 32 | i) * 0x9e3779b97f4a7c15ull;
}

static uint32_t rnd(uint32_t n)
{
    rng = rng * 6364136223846793005ull + 1442695040888963407ull;
    return n ? (uint32_t)(rng >> 33) % n : 0;
}

/* Whether to print each hashed value, to find a difference */
static bool trace;

static void hash(Test *t, uint64_t value)
{
    if (trace) {
        printf("%s %llx\n", kind_name(t->kind), (unsigned long long)value);
    }
    t->hash = (t->hash ^ value) * 0x100000001b3ull;
    t->hash ^= t->hash >> 29;
}

static void hash_bytes(Test *t, const void *p, size_t n)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        t->hash = (t->hash ^ b[i]) * 0x100000001b3ull;
    }
}

static Buffer make_plain(size_t len)
{
    Buffer b = { malloc(len + 1), len };
    size_t i = 0;

    while (i < len) {
        size_t n = 1 + rnd(40), from = i ? rnd(i) : 0;

        if (i && rnd(3)) {
            while (n-- && i < len) {
                b.data[i++] = b.data[from++];
            }
        } else {
            while (n-- && i < len) {
                b.data[i++] = rnd(4) ? 'a' + rnd(20) : rnd(256);
            }
        }
    }
    return b;
}

/* The length of a piece: often small, sometimes all */
static size_t piece(int style, size_t left)
{
    static const uint16_t most[] = { 1, 7, 100, 3000, 65535 };
    size_t n = style == 6 ? left
             : style == 5 ? rnd(most[rnd(5)] + 1)
             : 1 + rnd(most[style]);

    return n < left ? n : left;
}

/* Decode @in in pieces, up to @calls calls. Returns the last code. */
static int decode(Test *t, Buffer in, int in_style, int out_style,
                  bool finish, int calls)
{
    size_t at = 0;
    int ret = 0, idle = 0;
    bool finishing = false;
    uint8_t *out = malloc(70000);

    while (calls--) {
        size_t n = piece(in_style, in.len - at);
        size_t room = piece(out_style == 6 ? 4 : out_style, 65536);
        size_t made;
        bool last;

        if (t->quiet && finishing) {
            n = in.len - at;
        }
        last = at + n == in.len;
        finishing |= finish && last;

        memset(out, 0xa5, room + 16);
        set_io(&t->s, in.data + at, n, out, room);
        ret = code(t, finish && last);
        made = room - left_out(&t->s);
        at += n - left_in(&t->s);
        /* A filter may leave anything after its output. */
        hash_bytes(t, out, made);
        if (!t->quiet) {
            hash_bytes(t, out + room, 16);
            hash(t, ret);
            hash(t, at);
            hash(t, made);
            hash_fields(t);
            if (rnd(8) == 0) {
                poke(t);
            }
        }
        if (is_end(ret) || is_error(ret)) {
            break;
        }
        idle = made || n != left_in(&t->s) ? 0 : idle + 1;
        /* Threads may need time. */
        if (!t->quiet && idle > 3 + (n < in.len - at ? 20 : 0)) {
            break;
        }
    }
    hash(t, ret);
    free(out);
    return ret;
}

static void report(const char *what, const Test *t)
{
    printf("%s %s: %016llx\n", what, kind_name(t->kind),
           (unsigned long long)t->hash);
    fflush(stdout);
}

static void new_test(Test *t, int kind)
{
    memset(t, 0, sizeof(*t));
    t->kind = kind;
    t->hash = 0xcbf29ce484222325ull;
}

static void spoil(Buffer *b)
{
    unsigned n = 1 + rnd(3);

    switch (rnd(4)) {
    case 0:
        b->len = rnd(b->len + 1);
        break;
    case 1:
        while (n-- && b->len) {
            b->data[rnd(b->len)] ^= 1 << rnd(8);
        }
        break;
    case 2:
        b->data = realloc(b->data, b->len + 100);
        while (n--) {
            b->data[b->len++] = rnd(3) ? 0 : rnd(256);
        }
        break;
    case 3:
        if (b->len > 40) {
            b->data[rnd(40)] = rnd(256);
        }
        break;
    }
}

static Buffer copy_of(Buffer b)
{
    Buffer c = { malloc(b.len + 1), b.len };

    memcpy(c.data, b.data, b.len);
    return c;
}

/* Input in pieces, good or spoilt; structs reused, with and without end() */
static void test_cuts(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        seed_round(i);
        Buffer plain = make_plain(rnd(8) ? rnd(6000) : rnd(200000));
        int how = rnd(manners), streams = 1 + rnd(3);
        Buffer whole = compress_as(how, plain);
        Test t;

        new_test(&t, rnd(kinds));
        for (int k = 0; k < streams; k++) {
            Buffer in = copy_of(whole);
            bool small = in.len > 20000;

            hash(&t, begin(&t));
            if (rnd(2) && !t.quiet) {
                spoil(&in);
            }
            decode(&t, in, small ? 3 + rnd(4) : rnd(7),
                   small ? 3 + rnd(4) : rnd(7), t.quiet || rnd(2), 100000);
            if (!t.quiet) {
                poke(&t);
                set_io(&t.s, in.data, in.len, plain.data, plain.len);
                hash(&t, code(&t, rnd(2)));
                hash_fields(&t);
            }
            if (rnd(2)) {
                end(&t);
            }
            if (rnd(4) == 0) {
                end(&t);
                memset(&t.s, 0, sizeof(t.s));
            }
            free(in.data);
        }
        end(&t);
        printf("%d how %d ", i, how);
        report("cuts", &t);
        free(plain.data);
        free(whole.data);
    }
}

/* A fork in mid-stream: both continue. */
static void test_fork(int rounds)
{
    for (int i = 0; i < rounds; i++) {
        seed_round(i);
        Buffer plain = make_plain(1000 + rnd(100000));
        Buffer in = compress_as(rnd(manners), plain);
        size_t cut = rnd(in.len);
        Buffer first = { in.data, cut }, rest = { in.data + cut, in.len - cut };
        Test t;
        int status;
        pid_t pid;

        new_test(&t, rnd(kinds));
        hash(&t, begin(&t));
        decode(&t, first, 4, 4, false, 1000);
        /* Threads do not survive a fork. */
        if (left_in(&t.s) == 0 && !t.quiet) {
            fflush(stdout);
            pid = fork();
            if (pid == 0) {
                decode(&t, rest, 5, 4, true, 10000);
                report("child", &t);
                end(&t);
                _exit(0);
            }
            waitpid(pid, &status, 0);
            printf("status %x ", status);
            decode(&t, rest, 3, 3, true, 10000);
        }
        report("parent", &t);
        end(&t);
        free(plain.data);
        free(in.data);
    }
}

typedef struct Worker {
    pthread_t thread;
    uint64_t seed;
    Buffer in;
    Test t;
} Worker;

static void *work(void *opaque)
{
    Worker *w = opaque;

    rng = w->seed;
    hash(&w->t, begin(&w->t));
    w->t.quiet = true;
    decode(&w->t, w->in, 4, 4, true, 100000);
    end(&w->t);
    return NULL;
}

static void test_threads(int rounds)
{
    Worker w[6];

    for (int i = 0; i < rounds; i++) {
        seed_round(i);
        for (int k = 0; k < 6; k++) {
            Buffer plain = make_plain(rnd(50000));

            w[k].in = compress_as(rnd(manners), plain);
            new_test(&w[k].t, rnd(kinds));
            w[k].seed = rnd(0) + ((uint64_t)k << 40 | i);
            free(plain.data);
        }
        for (int k = 0; k < 6; k++) {
            assert(!pthread_create(&w[k].thread, NULL, work, &w[k]));
        }
        for (int k = 0; k < 6; k++) {
            pthread_join(w[k].thread, NULL);
            report("thread", &w[k].t);
            free(w[k].in.data);
        }
    }
}

static void *begin_another(void *opaque)
{
    Worker *w = opaque;

    rng = w->seed;
    end(&w->t);
    memset(&w->t.s, 0, sizeof(w->t.s));
    hash(&w->t, begin(&w->t));
    decode(&w->t, (Buffer) { w->in.data, w->in.len / 2 }, 4, 4, false, 1000);
    return NULL;
}

/* Another thread ends the stream and begins one at the same addresses. */
static void test_handover(int rounds)
{
    mallopt(M_ARENA_MAX, 1);
    for (int i = 0; i < rounds; i++) {
        Buffer plain;
        size_t left;
        Worker w;

        seed_round(i);
        plain = make_plain(1000 + rnd(50000));
        w.in = compress_as(rnd(manners), plain);
        w.seed = rnd(0);
        new_test(&w.t, rnd(kinds));
        hash(&w.t, begin(&w.t));
        decode(&w.t, (Buffer) { w.in.data, w.in.len / 3 }, 4, 4, false, 1000);
        assert(!pthread_create(&w.thread, NULL, begin_another, &w));
        pthread_join(w.thread, NULL);
        left = w.in.len - w.in.len / 2 + left_in(&w.t.s);
        decode(&w.t, (Buffer) { w.in.data + w.in.len - left, left }, 5, 4, true,
               10000);
        end(&w.t);
        report("handed over", &w.t);
        free(plain.data);
        free(w.in.data);
    }
}

/* Many streams, most of them abandoned; others at the same addresses */
static void test_many(int rounds)
{
    Test *t = calloc(rounds * 40, sizeof(*t)), *first = t;
    Buffer plain, in;

    seed_round(0);
    plain = make_plain(3000);
    in = compress_as(0, plain);

    for (int i = 0; i < rounds * 40; i++, t++) {
        Buffer part = { in.data, in.len / 2 };

        new_test(t, 0);
        hash(t, begin(t));
        decode(t, part, 2 + rnd(3), 3, false, 1000);
        if (rnd(4) == 0) {
            Buffer rest = { in.data + part.len, in.len - part.len };

            decode(t, rest, 4, 4, true, 1000);
            end(t);
        }
        hash(first, t->hash);
        if (rnd(2)) {
            t--;
        }
    }
    report("many", first);
}

/* The library's code becomes writable, then executable, in mid-stream. */
static void test_toggle(int rounds)
{
    uintptr_t page = (uintptr_t)dlsym(RTLD_DEFAULT, entry) & -page_size;

    assert(page);
    for (int i = 0; i < rounds; i++) {
        Buffer plain, in, part, rest;
        Test t;

        seed_round(i);
        plain = make_plain(2000 + rnd(20000));
        in = compress_as(rnd(manners), plain);
        do {
            new_test(&t, rnd(kinds));
            hash(&t, begin(&t));
            if (t.quiet) {
                end(&t);
            }
        } while (t.quiet);
        part.data = in.data;
        part.len = rnd(in.len);
        decode(&t, part, 3, 3, false, 1000);
        for (int k = 0; k < 2; k++) {
            assert(!mprotect((void *)page, page_size, PROT_READ |
                             (k ? PROT_EXEC : PROT_WRITE)));
        }
        rest.data = in.data + part.len - left_in(&t.s);
        rest.len = in.len - (rest.data - in.data);
        decode(&t, rest, 3, 3, true, 1000);
        /* The same struct once more */
        hash(&t, begin(&t));
        decode(&t, in, 3, 3, true, 1000);
        end(&t);
        printf("%d ", i);
        report("toggle", &t);
        free(plain.data);
        free(in.data);
    }
}

/*
 * Pages of input, output or the struct that are inaccessible until a handler
 * fixes them, or that are beyond a file's end
 */
static uint8_t *bad_page;
/* volatile, as a handler writes these */
static volatile int bad_count;  /* volatile, as above */
static volatile int bad_signal; /* volatile, as above */
static sigjmp_buf bad_jump;
static bool bad_leaves;
static int bad_fd = -1;

static void on_bad(int sig, siginfo_t *si, void *uc)
{
    uint8_t *addr = si->si_addr;

    bad_signal = sig;
    bad_count++;
    if (bad_leaves || addr < bad_page || addr >= bad_page + page_size) {
        siglongjmp(bad_jump, 1);
    }
    if (sig == SIGBUS) {
        if (ftruncate(bad_fd, 4 * page_size) < 0) {
            _exit(9);
        }
    } else {
        mprotect(bad_page, page_size, PROT_READ | PROT_WRITE);
    }
}

static void test_bad(int rounds)
{
    struct sigaction sa = { .sa_sigaction = on_bad, .sa_flags = SA_SIGINFO };
    char name[] = "/tmp/native-libs-XXXXXX";

    sigaction(SIGSEGV, &sa, NULL);
    sigaction(SIGBUS, &sa, NULL);
    bad_fd = mkstemp(name);
    unlink(name);
    for (int i = 0; i < rounds; i++) {
        seed_round(i);
        Buffer plain = make_plain(8 * 4096 + rnd(4096));
        Buffer in = compress_as(rnd(manners), plain);
        size_t in_room = (in.len / page_size + 3) * page_size;
        size_t out_room = 12 * page_size;
        bool in_struct = rnd(4) == 0;
        bool file = rnd(3) == 0 && !in_struct, write = rnd(2), later = rnd(2);
        size_t at, off = rnd(64);
        uint8_t *map_in, *map_out;
        Test *test = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int ret = 0, k;

        assert(ftruncate(bad_fd, 0) == 0);
        assert(ftruncate(bad_fd, 64 * page_size) == 0);
        map_in = mmap(NULL, in_room, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        map_out = mmap(NULL, out_room, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        /* The bad page: in the middle of either */
        at = 1 + rnd((write ? out_room : in_room) / page_size - 2);
        bad_page = (write ? map_out : map_in) + at * page_size;
        if (file) {
            /* It is the fourth page of the file. */
            assert(mmap(bad_page, page_size, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_FIXED, bad_fd, 3 * page_size)
                   == bad_page);
        }
        memcpy(map_in + off, in.data, in.len);
        bad_leaves = rnd(4) == 0;
        bad_count = bad_signal = 0;

        do {
            end(test);
            new_test(test, rnd(kinds));
            hash(test, begin(test));
            /* Any thread of these may reach the page. */
        } while (test->quiet);
        if (later) {
            /* Decode the first bytes before. */
            set_io(&test->s, map_in + off, in.len, map_out, 100);
            code(test, false);
            off += in.len - left_in(&test->s);
        }
        if (file) {
            assert(ftruncate(bad_fd, 3 * page_size) == 0);
        } else {
            mprotect(bad_page, page_size, rnd(2) ? PROT_NONE : write ? PROT_READ
                                                              : PROT_NONE);
        }
        if (sigsetjmp(bad_jump, 1) == 0) {
            size_t room = rnd(2) ? out_room - 200 : plain.len;

            set_io(&test->s, map_in + off, in.len - (later ? in.len - left_in(&test->s)
                                                       : 0),
                   map_out + 100, room - 100);
            if (in_struct) {
                mprotect(bad_page, page_size, PROT_READ | PROT_WRITE);
                bad_page = (uint8_t *)test;
                mprotect(bad_page, page_size, PROT_READ);
            }
            for (k = 0; k < 3; k++) {
                ret = code(test, true);
                hash(test, ret);
                if (is_end(ret) || is_error(ret)) {
                    break;
                }
            }
            hash_fields(test);
            mprotect(bad_page, page_size, PROT_READ | PROT_WRITE);
            if (file) {
                assert(ftruncate(bad_fd, 4 * page_size) == 0);
            }
            if (!is_filtered || !is_error(ret)) {
                hash_bytes(test, map_out, 100);
                hash_bytes(test, map_out + 100,
                           room - 100 - left_out(&test->s));
            }
        }
        mprotect(bad_page, page_size, PROT_READ | PROT_WRITE);
        end(test);
        printf("%d file %d write %d later %d leaves %d signals %d %d ",
               i, file, write, later, bad_leaves, bad_count, bad_signal);
        report("bad", test);
        munmap(test, page_size);
        munmap(map_in, in_room);
        munmap(map_out, out_room);
        free(plain.data);
        free(in.data);
    }
}

static const Scenario scenarios[] = {
    { "cuts", test_cuts },
    { "fork", test_fork },
    { "threads", test_threads },
    { "handover", test_handover },
    { "many", test_many },
    { "bad", test_bad },
    { "toggle", test_toggle },
    { NULL }
};

/*
 * Run each in its own process: abandoned streams leave the host no room for
 * others, and a library that was writable stays translated.
 */
static void run(const Scenario *s, int rounds, const char *wanted)
{
    for (; s->name; s++) {
        int status;

        if (wanted && strcmp(wanted, s->name)) {
            continue;
        }
        printf("%s, seed %llu\n", s->name, (unsigned long long)seed);
        fflush(stdout);
        if (fork() == 0) {
            s->run(rounds);
            exit(0);
        }
        assert(wait(&status) > 0);
        assert(status == 0);
    }
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : 20;

    seed = argc > 1 ? atoll(argv[1]) : 1;
    trace = getenv("TRACE");
    page_size = getauxval(AT_PAGESZ);

    run(scenarios, rounds, argc > 3 ? argv[3] : NULL);
    run(own_scenarios(), rounds, argc > 3 ? argv[3] : NULL);
    return 0;
}
