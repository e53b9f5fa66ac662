/*
 * Tests of TB chaining: the target's page changes
 *
 * Code in page A continues in page B, often enough for the TBs to be chained
 * and to be in every cache.  Then page B is unmapped, loses PROT_EXEC, is
 * written or replaced, and the same code in page A runs again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>

#define WARM    300
#define ALIGN   0x40000     /* for shmat() */
#define AREA    (3 * ALIGN)

enum { OLD = 11, NEW, NEWER };

static int file;            /* a page with NEW code */

static bool unmap(char *b)
{
    return munmap(b, PAGE) == 0;
}

static bool only_read(char *b)
{
    return mprotect(b, PAGE, PROT_READ) == 0;
}

static bool only_write(char *b)
{
    return mprotect(b, PAGE, PROT_READ | PROT_WRITE) == 0;
}

static bool no_access(char *b)
{
    return mprotect(b, PAGE, PROT_NONE) == 0;
}

static bool write_code(char *b)
{
    put_b(b, NEW);
    return true;
}

static bool gain_write(char *b)
{
    return mprotect(b, PAGE, RWX) == 0 && write_code(b);
}

static bool write_then_exec(char *b)
{
    return only_write(b) && write_code(b) &&
        mprotect(b, PAGE, PROT_READ | PROT_EXEC) == 0;
}

static bool read_into(char *b)
{
    bool good = pread(file, b, PAGE, 0) == PAGE;

    flush(b, PAGE);
    return good;
}

static bool over(char *b, int prot, int flags, int fd)
{
    return mmap(b, PAGE, prot, MAP_FIXED | flags, fd, 0) == b;
}

static bool file_shared(char *b)
{
    return over(b, PROT_READ | PROT_EXEC, MAP_SHARED, file);
}

static bool file_private(char *b)
{
    return over(b, PROT_READ | PROT_EXEC, MAP_PRIVATE, file);
}

static bool file_data(char *b)
{
    return over(b, PROT_READ, MAP_PRIVATE, file);
}

static bool anonymous_code(char *b)
{
    return over(b, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1) && write_code(b);
}

static bool anonymous_data(char *b)
{
    return over(b, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static bool unmap_and_map(char *b)
{
    return unmap(b) && anonymous_code(b);
}

static bool move_away(char *b)
{
    char *to = map(PAGE, PROT_NONE);
    bool moved = mremap(b, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;

    if (moved) {
        CHECK(call(entry(to), NULL, NULL) == OLD, "code was moved");
        munmap(to, PAGE);
    }
    return moved;
}

static bool move_over(char *b)
{
    char *from = map(PAGE, RWX);

    put_b(from, NEW);
    CHECK(call(entry(from), NULL, NULL) == NEW, "code to be moved");
    return mremap(from, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b) == b;
}

static bool attach(char *b)
{
    int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
    char *data = shmat(id, NULL, 0);
    bool attached;

    put_b(data, NEW);
    shmdt(data);
    attached = shmat(id, b, SHM_REMAP | SHM_EXEC | SHM_RDONLY) == b;
    shmctl(id, IPC_RMID, NULL);
    return attached;
}

static const struct Change {
    const char *name;
    bool (*make)(char *b);
    int code;               /* of the SIGSEGV; 0 if new code runs instead */
    enum {
        STEPS = 1,          /* no code may run in between */
        WRITABLE = 2,       /* page B is writable from the start */
    } flags;
} changes[] = {
    { "unmapped", unmap, SEGV_MAPERR },
    { "PROT_READ", only_read, ACCERR },
    { "PROT_NONE", no_access, ACCERR },
    { "PROT_READ|WRITE", only_write, ACCERR },
    { "writable and written", gain_write, 0 },
    { "written, then executable again", write_then_exec, 0, STEPS },
    { "written", write_code, 0, WRITABLE },
    { "read into", read_into, 0, STEPS | WRITABLE },
    { "shared file", file_shared, 0 },
    { "private file", file_private, 0 },
    { "file as data", file_data, ACCERR },
    { "anonymous code", anonymous_code, 0, STEPS },
    { "anonymous data", anonymous_data, ACCERR },
    { "unmapped and mapped again", unmap_and_map, 0, STEPS },
    { "moved away", move_away, SEGV_MAPERR },
    { "other page moved there", move_over, 0 },
    { "shared memory attached", attach, 0 },
};

#define CHANGES     (sizeof(changes) / sizeof(changes[0]))

/* One trial */
typedef struct Trial {
    const struct Change *change;
    Kind kind;
    char *area, *a, *b, *after_call;
    void *code, *arg;
    /* of the other thread */
    int rounds;
    Result result;
} Trial;

static Trial *now;
static bool change_in_hook;

static void make_change(void)
{
    MUST(now->change->make(now->b));
}

/* Called by page B; returns to page B */
static void hook(void)
{
    if (change_in_hook) {
        change_in_hook = false;
        make_change();
    }
}

static bool prepare(Trial *t, Kind kind, const struct Change *change,
                    bool writable)
{
    *t = (Trial) { .kind = kind, .change = change };
    t->area = map(AREA, RWX);
    t->b = (char *)((uintptr_t)(t->area + ALIGN) & -ALIGN);
    if (((uintptr_t)t->b & 0xfffffff) == 0) {
        t->b += ALIGN;      /* MIPS jumps do not leave 256 MiB. */
    }
    t->a = t->b - PAGE;
    t->after_call = put_b(t->b, OLD);
    t->code = put_link(t->a, kind, t->b);
    t->arg = kind == RETURN_TO_B ? (void *)hook : entry(t->b);
    MUST(mprotect(t->a, PAGE, PROT_READ | PROT_EXEC) == 0);
    if (!writable) {
        MUST(mprotect(t->b, PAGE, PROT_READ | PROT_EXEC) == 0);
    }
    now = t;
    return t->code;
}

static void finish(Trial *t)
{
    munmap(t->area, AREA);
}

static void warm_up(Trial *t)
{
    for (int i = 0; i < WARM; i++) {
        CHECK(call(t->code, t->arg, NULL) == OLD, "%s", kind_name[t->kind]);
    }
}

/* @sometime: page B's first instructions may run before the change. */
static bool is_expected(const Trial *t, Result r, bool sometime)
{
    char *addr = t->kind == RETURN_TO_B ? t->b + CALLER : t->b;

    if (t->change->code == 0) {
        return r.sig == 0 && r.value == NEW;
    }
    return r.sig == SIGSEGV && r.code == t->change->code &&
        (sometime ? r.addr >= t->b && r.addr < t->b + PAGE
                  : r.addr == told_addr(addr));
}

static void report(const Trial *t, Result r, const char *when)
{
    CHECK(false, "%s%s, page is %s, %s: value %d, signal %d, code %d, "
          "at %p with B at %p", thumb ? "thumb " : "", kind_name[t->kind],
          t->change->name, when, r.value, r.sig, r.code, r.addr, t->b);
}

static void by_this_thread(Kind kind, const struct Change *change,
                           bool writable)
{
    Trial t;
    Result r;

    if (!prepare(&t, kind, change, writable)) {
        return;
    }
    warm_up(&t);
    if (kind == RETURN_TO_B) {
        change_in_hook = true;
    } else {
        make_change();
    }
    for (int i = 0; i < 3; i++) {
        bool returning = kind == RETURN_TO_B && i == 0;

        r = run(t.code, t.arg, NULL);
        if (!is_expected(&t, r, returning) ||
            (returning && r.sig && r.addr != told_addr(t.after_call))) {
            report(&t, r, "at once");
        }
    }

    MUST(over(t.b, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1));
    put_b(t.b, NEWER);
    for (int i = 0; i < 3; i++) {
        r = run(t.code, t.arg, NULL);
        if (r.sig || r.value != NEWER) {
            report(&t, r, "after it came back");
        }
    }
    finish(&t);
}

static void *run_until_changed(void *opaque)
{
    Trial *t = opaque;

    do {
        t->result = run(t->code, t->arg, NULL);
        __atomic_add_fetch(&t->rounds, 1, __ATOMIC_SEQ_CST);
    } while (t->result.sig == 0 && t->result.value == OLD);
    return NULL;
}

static void by_another_thread(Kind kind, const struct Change *change,
                              bool writable)
{
    pthread_t thread;
    Trial t;

    if (!prepare(&t, kind, change, writable)) {
        return;
    }
    thread = start_thread(run_until_changed, &t);
    while (__atomic_load_n(&t.rounds, __ATOMIC_SEQ_CST) < WARM) {
        sched_yield();
    }
    make_change();
    pthread_join(thread, NULL);
    if (!is_expected(&t, t.result, true)) {
        report(&t, t.result, "by another thread");
    }
    finish(&t);
}

static void wait_for(int pipe)
{
    char c;

    MUST(read(pipe, &c, 1) == 0);
}

/* Parent or child changes its page; the other's page must not change. */
static void forked(Kind kind, const struct Change *change, bool by_child)
{
    int to_child[2], to_parent[2], status;
    bool changes;
    pid_t pid;
    Trial t;
    Result r;

    if (!prepare(&t, kind, change, true)) {
        return;
    }
    warm_up(&t);
    MUST(pipe(to_child) == 0 && pipe(to_parent) == 0);
    pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        failures = 0;
        /* Do not survive a parent that hangs and is killed. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    close(pid ? to_child[0] : to_child[1]);
    close(pid ? to_parent[1] : to_parent[0]);

    changes = by_child == (pid == 0);
    if (changes) {
        make_change();
        close(pid ? to_child[1] : to_parent[1]);
    } else {
        wait_for(pid ? to_parent[0] : to_child[0]);
    }
    for (int i = 0; i < 3; i++) {
        r = run(t.code, t.arg, NULL);
        if (!(changes ? is_expected(&t, r, false)
                      : r.sig == 0 && r.value == OLD)) {
            report(&t, r, pid ? "forked: parent" : "forked: child");
        }
    }
    if (pid == 0) {
        _exit(failures != 0);
    }
    if (!by_child) {
        close(to_parent[0]);
    } else {
        close(to_child[1]);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0, "child: status 0x%x", status);
    finish(&t);
}

static void try_kind(Kind kind, void (*try)(Kind, const struct Change *, bool))
{
    for (size_t i = 0; i < CHANGES; i++) {
        if (!(changes[i].flags & WRITABLE)) {
            try(kind, &changes[i], false);
        }
        try(kind, &changes[i], true);
    }
}

static void try_kinds(bool threads)
{
    for (Kind kind = 0; kind < KINDS; kind++) {
        if (!threads) {
            try_kind(kind, by_this_thread);
            for (size_t i = 0; i < CHANGES; i++) {
                if (changes[i].make == write_code ||
                    changes[i].make == unmap) {
                    forked(kind, &changes[i], true);
                    forked(kind, &changes[i], false);
                }
            }
            continue;
        }
        for (size_t i = 0; i < CHANGES; i++) {
            if (!(changes[i].flags & STEPS)) {
                by_another_thread(kind, &changes[i],
                                  changes[i].flags & WRITABLE || i % 2);
            }
        }
    }
}

int main(void)
{
    char *code;

    start();
    file = memfd_create("code", 0);
    MUST(file >= 0);
    for (int threads = 0; threads < 2; threads++) {
        for (int mode = 0; mode < 2; mode++) {
            thumb = mode;
#ifndef __arm__
            if (thumb) {
                break;
            }
#endif
            code = map(PAGE, RWX);
            put_b(code, NEW);
            MUST(pwrite(file, code, PAGE, 0) == PAGE);
            munmap(code, PAGE);
            try_kinds(threads);
        }
        thumb = false;
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
