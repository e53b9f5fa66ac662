/*
 * Native bypass: calls while other threads interfere
 *
 * Workers call every function of the table on many MiB, which another thread
 * protects and unmaps meanwhile.  Signals arrive one at a time, and none may
 * be lost; threads and children come and go.  Then, a signal that arrives in
 * the middle of a long fill must be delivered right after it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "native-table.h"
#include "native-test.h"

#define WORKERS     2
#define ROUNDS      30
#define CALLS       (2 * ARRAY_SIZE(native_rows))
#define SIZE        (2 << 20)       /* of each operand */
#define OWN_SIZE    (64 * 1024)

/* Both operands; as much after and some before them is inaccessible. */
static char *shared;
static atomic_bool done;
static atomic_int ready, faults, fixes, maps, calls;

/*
 * Held while there is a hole, and while threads are created: their memory, the
 * guest's and QEMU's, must not be mapped into it.
 */
static pthread_mutex_t hole_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct Worker {
    pthread_t thread;
    atomic_int signals;
    unsigned random;
} Worker;

static Worker workers[WORKERS];
static __thread Worker *self;

/* Fix every other fault, if it can be fixed. */
static bool fix(siginfo_t *info, mcontext_t *mc)
{
    char *addr = info->si_addr;

    CHECK(addr >= shared && addr < shared + 4 * SIZE,
          "a fault outside of the operands: %p", addr);
    if (++faults % 2 && info->si_code == ACCERR &&
        addr < shared + 2 * SIZE) {
        fixes++;
        mprotect(shared, 2 * SIZE, PROT_RW);
        return true;
    }
    return false;
}

static void on_signal(int sig)
{
    self->signals++;
    CHECK(strlen("nested") == 6, "in a handler");
}

/* Call a function on memory that another thread unmaps. */
static void call_any(const NativeRow *row, unsigned random)
{
    const NativeRow *types = native_types(row);
    const size_t n = SIZE / sizeof(wchar_t);
    char *const at[2] = {
        shared + random % 0x1000 * sizeof(wchar_t),
        shared + SIZE + random / 0x1000 % 0x1000 * sizeof(wchar_t)
    };
    NativeFn *fn = native_function(row->name);
    uintptr_t args[NATIVE_ROW_ARGS];
    char *string;

    /* malloc()'s memory would leak. */
    if (!fn || types->result == TYPE_dup) {
        return;
    }
    native_arguments(types, at, (size_t [2]) { n, n }, SIZE_MAX, 0, &string,
                     args);
    CATCH(native_call(types, fn, args));
    calls++;
}

static void *work(void *arg)
{
    char *own = malloc(2 * OWN_SIZE), *copy = own + OWN_SIZE;
    const NativeRow *row = native_rows;
    char letter;

    self = arg;
    letter = 'a' + (self - workers);
    ready++;
    while (!done) {
        /* Memory that no other thread touches must always be right. */
        memset(own, letter, OWN_SIZE);
        own[OWN_SIZE - 1] = 0;
        strcpy(copy, own);
        CHECK(strlen(copy) == OWN_SIZE - 1 && !strcmp(own, copy) &&
              !memcmp(own, copy, OWN_SIZE) && !memchr(copy, 'z', OWN_SIZE),
              "own memory");

        self->random = self->random * 1664525 + 1013904223;
        call_any(row, self->random >> 8);
        if (!(++row)->name) {
            row = native_rows;
        }
        CATCH(memset(shared, 'a', 2 * SIZE));
    }
    free(own);
    return NULL;
}

/* Change the mapping repeatedly. */
static void *map(void *arg)
{
    static const int prots[] = { PROT_NONE, PROT_READ };
    const size_t size = 4 * page;

    for (size_t i = 0; !done; i++) {
        char *part = shared + i * 37 % (2 * SIZE / page - 4) * page;

        mprotect(part, i % 3 ? size : 2 * SIZE - (part - shared),
                 prots[i / 2 % 2]);
        usleep(200);
        mprotect(shared, 2 * SIZE, PROT_RW);

        pthread_mutex_lock(&hole_lock);
        munmap(part, size);
        usleep(200);
        map_pages(part, size, PROT_RW);
        pthread_mutex_unlock(&hole_lock);
        maps++;
        usleep(200);
    }
    return NULL;
}

/* Send signals one at a time, each after delivery of the last one. */
static void *send(void *arg)
{
    for (int i = 0; !done; i++) {
        Worker *w = &workers[i % WORKERS];
        int before = w->signals;

        if (pthread_kill(w->thread, SIGUSR1)) {
            die("pthread_kill");
        }
        while (w->signals == before) {
            /* If it is lost, make's time limit ends this. */
            sched_yield();
        }
        CHECK(w->signals == before + 1, "%d for one", w->signals - before);
        usleep(100);
    }
    return NULL;
}

static void *come_and_go(void *arg)
{
    char buffer[1000];

    memset(buffer, 'b', sizeof(buffer));
    CHECK(!memchr(buffer, 'a', sizeof(buffer)), "a new thread's memory");
    return NULL;
}

static void start(pthread_t *thread, void *(*function)(void *), void *arg)
{
    errno = pthread_create(thread, NULL, function, arg);
    if (errno) {
        die("pthread_create");
    }
}

static void test_disturbed(void)
{
    char *around = map_pages(NULL, 5 * SIZE, PROT_NONE);
    pthread_t mapper, sender, other;

    shared = map_pages(around + SIZE, 2 * SIZE, PROT_RW);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].random = i;
        start(&workers[i].thread, work, &workers[i]);
    }
    while (ready < WORKERS) {
        sched_yield();
    }
    start(&sender, send, NULL);
    start(&mapper, map, NULL);

    for (int i = 0; i < ROUNDS || calls < CALLS || !fixes ||
                    faults == fixes || maps < ROUNDS; i++) {
        int status = 0;
        pid_t pid;

        pthread_mutex_lock(&hole_lock);
        start(&other, come_and_go, NULL);
        pid = fork();
        if (pid == 0) {
            _exit(strlen("child"));
        }
        pthread_join(other, NULL);
        pthread_mutex_unlock(&hole_lock);
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
              WEXITSTATUS(status) == 5, "child %d, status 0x%x", pid, status);
        usleep(1000);
    }
    done = true;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    pthread_join(mapper, NULL);
    pthread_join(sender, NULL);
    munmap(around, 5 * SIZE);
}

/*
 * The fill: 2 MiB of real memory mapped many times, except for two pages that
 * show its progress: the second, and one near the end.  It is no larger, since
 * a guest of 2 GiB may have a library in the middle.
 */
#define BIG         (512 << 20)

static volatile char *early, *late; /* volatile: written by other threads */
static atomic_char value;
static atomic_int delivered, to_send;
static atomic_bool during;

static void on_signal_in_fill(int sig)
{
    CHECK(*early != value || *late == value, "signal %d, in the middle", sig);
    delivered++;
}

static char *map_big(void)
{
    char *big = map_pages(NULL, BIG, PROT_NONE);

    map_pieces(big, BIG);
    /* Not their first bytes, which QEMU probes before the fill */
    early = (char *)map_pages(big + page, page, PROT_RW) + 100;
    late = (char *)map_pages(big + BIG - PIECE, page, PROT_RW) + 100;
    return big;
}

/* Send a signal once the fill has begun; "during": the fill still goes on. */
static void *send_in_fill(void *to)
{
    while (to_send >= 0) {
        if (to_send > 0 && *early == value) {
            if (pthread_kill((pthread_t)to, SIGUSR2)) {
                die("pthread_kill");
            }
            during = *late != value;
            to_send = 0;
        }
    }
    return NULL;
}

static uint64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void test_delivered_after(void)
{
    const struct itimerval every = { { 0, 1000 }, { 0, 1000 } }, never = { };
    int by_thread = 0, by_timer = 0, seen;
    char *big = map_big();
    pthread_t sender;
    sigset_t all, old;
    uint64_t begun;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    start(&sender, send_in_fill, (void *)pthread_self());
    pthread_sigmask(SIG_SETMASK, &old, NULL);

    /* A busy machine may need many rounds; characters i and -i must differ. */
    for (int i = 1; by_thread < 2 || by_timer < 2; i = i % 100 + 1) {
        delivered = 0;
        value = i;
        to_send = 1;
        memset(big, i, BIG);
        seen = delivered;
        while (to_send) {
            sched_yield();
        }
        if (during) {
            by_thread++;
            CHECK(seen == 1, "%d right after the fill", seen);
        }
        while (!delivered) {
            /* If it is lost, make's time limit ends this. */
            sched_yield();
        }
        CHECK(delivered == 1, "%d in all", delivered);

        delivered = 0;
        value = -i;
        begun = now_ms();
        setitimer(ITIMER_REAL, &every, NULL);
        memset(big, -i, BIG);
        seen = delivered;
        if (now_ms() - begun > 5) {
            by_timer++;
            CHECK(seen, "no timer's signal right after the fill");
        }
        setitimer(ITIMER_REAL, &never, NULL);
    }
    to_send = -1;
    pthread_join(sender, NULL);
}

int main(void)
{
    struct sigaction signal = { .sa_handler = on_signal,
                                .sa_flags = SA_RESTART };
    struct sigaction in_fill = { .sa_handler = on_signal_in_fill,
                                 .sa_flags = SA_RESTART };

    fix_signal = fix;
    catch_signals();
    sigaction(SIGUSR1, &signal, NULL);
    sigaction(SIGUSR2, &in_fill, NULL);
    sigaction(SIGALRM, &in_fill, NULL);
    test_disturbed();
    test_delivered_after();
    return failures != 0;
}
