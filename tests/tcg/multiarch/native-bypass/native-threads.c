/*
 * Native bypass: calls while other threads get in their way
 *
 * Workers make every call of the table on many MiB, which other threads
 * protect and unmap meanwhile.  Signals keep arriving, one at a time, and
 * each one has to; threads come and go, and so do children.  Then, a signal
 * that arrives in the middle of a fill of 1 GiB is delivered right after it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "native-operands.h"

#define WORKERS     2
#define ROUNDS      30
#define CALLS       (2 * sizeof(native_rows) / sizeof(native_rows[0]))
#define SIZE        (8 << 20)       /* of each operand */
#define OWN_SIZE    (64 * 1024)

/* Both operands; nobody can access as much behind, and some before them. */
static char *shared;
static size_t page;
static atomic_bool done;
static atomic_int ready, failures, faults, mends, maps, calls;

/*
 * Held while there is a hole, and while threads are made: their memory, the
 * guest's and QEMU's, must not come to lie in it.
 */
static pthread_mutex_t hole_lock = PTHREAD_MUTEX_INITIALIZER;

typedef struct Worker {
    pthread_t thread;
    atomic_int tid, signals;
    unsigned random;
} Worker;

static Worker workers[WORKERS];
static __thread Worker *self;
static __thread sigjmp_buf env;

static void fail(const char *what, long value)
{
    printf("%s: %ld\n", what, value);
    failures++;
}

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    char *addr = info->si_addr;

    if (addr < shared || addr >= shared + 4 * SIZE) {
        fail("si_addr outside of the operands, by", addr - shared);
    }
    /* Mend what can be mended every other time. */
    if (++faults % 2 && info->si_code == SEGV_ACCERR &&
        addr < shared + 2 * SIZE) {
        mends++;
        mprotect(shared, 2 * SIZE, PROT_READ | PROT_WRITE);
        return;
    }
    siglongjmp(env, 1);
}

static void on_signal(int sig)
{
    self->signals++;
    if (strlen("nested") != 6) {
        fail("strlen in a handler", 0);
    }
}

/* Any function, on what other threads take away */
static void call_any(const NativeRow *row, unsigned random)
{
    NativeCall c = native_call_of(row, SIZE / sizeof(wchar_t));

    if (c.row->result == TYPE_dup) {
        /* What malloc() gave would be lost. */
        return;
    }
    c.at[0] = shared + random % 0x1000 * sizeof(wchar_t);
    c.at[1] = shared + SIZE + random / 0x1000 % 0x1000 * sizeof(wchar_t);
    c.room = SIZE_MAX;
    native_call_args(&c);
    if (sigsetjmp(env, 1) == 0) {
        native_call_make(&c);
    }
    calls++;
}

static void *work(void *arg)
{
    char *own = malloc(2 * OWN_SIZE), *copy = own + OWN_SIZE;
    const NativeRow *row = native_rows;
    char letter;

    self = arg;
    self->tid = syscall(SYS_gettid);
    letter = 'a' + (self - workers);
    ready++;
    while (!done) {
        /* What nobody else touches has to be right, whatever happens. */
        memset(own, letter, OWN_SIZE);
        own[OWN_SIZE - 1] = 0;
        strcpy(copy, own);
        if (strlen(copy) != OWN_SIZE - 1 || strcmp(own, copy) ||
            memcmp(own, copy, OWN_SIZE) || memchr(copy, 'z', OWN_SIZE)) {
            fail("own memory", letter);
        }

        self->random = self->random * 1664525 + 1013904223;
        call_any(row, self->random >> 8);
        if (!(++row)->name) {
            row = native_rows;
        }
        if (sigsetjmp(env, 1) == 0) {
            memset(shared, 'a', 2 * SIZE);
        }
    }
    free(own);
    return NULL;
}

/* The mapping comes and goes. */
static void *map(void *arg)
{
    static const int prots[] = { PROT_NONE, PROT_READ };
    const size_t size = 4 * page;

    for (size_t i = 0; !done; i++) {
        char *part = shared + i * 37 % (2 * SIZE / page - 4) * page;

        mprotect(part, i % 3 ? size : 2 * SIZE - (part - shared),
                 prots[i / 2 % 2]);
        usleep(200);
        mprotect(shared, 2 * SIZE, PROT_READ | PROT_WRITE);

        pthread_mutex_lock(&hole_lock);
        munmap(part, size);
        usleep(200);
        if (mmap(part, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != part) {
            die("mmap");
        }
        pthread_mutex_unlock(&hole_lock);
        maps++;
        usleep(200);
    }
    return NULL;
}

/* One signal at a time, and not the next before it has been delivered */
static void *send(void *arg)
{
    for (int i = 0; !done; i++) {
        Worker *w = &workers[i % WORKERS];
        int before = w->signals;

        if (syscall(SYS_tgkill, getpid(), w->tid, SIGUSR1)) {
            die("tgkill");
        }
        while (w->signals == before) {
            /* If it is lost, make's time limit ends this. */
            sched_yield();
        }
        if (w->signals != before + 1) {
            fail("signals for one", w->signals - before);
        }
        usleep(100);
    }
    return NULL;
}

static void *come_and_go(void *arg)
{
    char buffer[1000];

    memset(buffer, 'b', sizeof(buffer));
    if (memchr(buffer, 'a', sizeof(buffer))) {
        fail("a new thread's memory", 0);
    }
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
    pthread_t mapper, sender, other;

    char *around = mmap(NULL, 5 * SIZE, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    shared = around + SIZE;
    if (around == MAP_FAILED ||
        mprotect(shared, 2 * SIZE, PROT_READ | PROT_WRITE)) {
        die("mmap");
    }
    for (int i = 0; i < WORKERS; i++) {
        workers[i].random = i;
        start(&workers[i].thread, work, &workers[i]);
    }
    while (ready < WORKERS) {
        sched_yield();
    }
    start(&sender, send, NULL);
    start(&mapper, map, NULL);

    for (int i = 0; i < ROUNDS || calls < CALLS || !mends ||
                    faults == mends || maps < ROUNDS; i++) {
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
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            die("fork");
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 5) {
            fail("status of a child", status);
        }
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
 * A fill of 1 GiB, which is 2 MiB of real memory many times over, but for
 * two pages that tell how far it has come: the second, and one near the end.
 */
#define PIECE       (2 << 20)

static char *big;
static size_t big_size;
static volatile char *early, *late; /* volatile: written by other threads */
static atomic_char value;
static atomic_int delivered, to_send;
static atomic_bool during;

static void on_signal_in_fill(int sig)
{
    if (*early == value && *late != value) {
        fail("delivered in the middle of the fill, by signal", sig);
    }
    delivered++;
}

static char *map_own_page(char *p)
{
    if (mmap(p, page, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p) {
        die("mmap");
    }
    /* Not its first byte, which QEMU tries before the fill */
    return p + 100;
}

static void map_big(void)
{
    int fd = memfd_create("fill", 0);

    if (fd < 0 || ftruncate(fd, PIECE)) {
        die("memfd_create");
    }
    for (big_size = (size_t)1 << 30; ; big_size /= 2) {
        big = mmap(NULL, big_size, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (big != MAP_FAILED) {
            break;
        }
        /* A guest of 2 GiB may have a library in the middle. */
        if (big_size < (size_t)512 << 20) {
            die("mmap of 512 MiB");
        }
    }
    for (size_t i = 0; i < big_size; i += PIECE) {
        if (mmap(big + i, PIECE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, fd, 0) != big + i) {
            die("mmap");
        }
    }
    close(fd);
    early = map_own_page(big + page);
    late = map_own_page(big + big_size - PIECE);
}

/* Send a signal once the fill has begun; it is "during" if it still goes on. */
static void *send_in_fill(void *arg)
{
    while (to_send >= 0) {
        if (to_send > 0 && *early == value) {
            if (syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2)) {
                die("tgkill");
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
    const struct itimerspec every = { .it_value.tv_nsec = 1000000,
                                      .it_interval.tv_nsec = 1000000 };
    const struct itimerspec never = { };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
                              .sigev_signo = SIGUSR2 };
    int by_thread = 0, by_timer = 0, seen;
    pthread_t sender;
    timer_t timer;
    sigset_t set;
    uint64_t begun;

    map_big();
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    start(&sender, send_in_fill, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) {
        die("timer_create");
    }

    /* A busy machine may take many; i and -i are to differ as characters. */
    for (int i = 1; by_thread < 2 || by_timer < 2; i = i % 100 + 1) {
        delivered = 0;
        value = i;
        to_send = 1;
        memset(big, i, big_size);
        seen = delivered;
        while (to_send) {
            sched_yield();
        }
        if (during) {
            by_thread++;
            if (seen != 1) {
                fail("delivered right after the fill", seen);
            }
        }
        while (!delivered) {
            /* If it is lost, make's time limit ends this. */
            sched_yield();
        }
        if (delivered != 1) {
            fail("delivered in all", delivered);
        }

        delivered = 0;
        value = -i;
        begun = now_ms();
        timer_settime(timer, 0, &every, NULL);
        memset(big, -i, big_size);
        seen = delivered;
        if (now_ms() - begun > 5) {
            by_timer++;
            if (seen == 0) {
                fail("no timer's signal right after the fill", i);
            }
        }
        timer_settime(timer, 0, &never, NULL);
    }
    to_send = -1;
    pthread_join(sender, NULL);
    munmap(big, big_size);
}

int main(void)
{
    struct sigaction fault = { .sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO };
    struct sigaction signal = { .sa_handler = on_signal,
                                .sa_flags = SA_RESTART };
    struct sigaction in_fill = { .sa_handler = on_signal_in_fill,
                                 .sa_flags = SA_RESTART };

    page = getauxval(AT_PAGESZ);
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGUSR1, &signal, NULL);
    sigaction(SIGUSR2, &in_fill, NULL);
    test_disturbed();
    test_delivered_after();
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
