/*
 * Tests of TB chaining: signals end endless loops
 *
 * A loop consists of one TB, or of two TBs on two pages, that only jump to
 * each other.  A handler runs several times without effect, then leaves by
 * siglongjmp(), or changes the code so that the loop ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"
#include <sys/time.h>
#include <sys/wait.h>

#define LOOPS       6
#define LOOPERS     3
#define MANY        64

enum { LEFT = 1 << 20, PATCHED = 77 };

/* One thread's loop in pages A and B */
typedef struct Loop {
    char *a, *b;
    void *code, *arg[2];
    const char *name;
    bool patch;
    int handled, quiet;     /* handler's calls; those to ignore first */
    sigjmp_buf env;
} Loop;

static __thread Loop *running;

static void handler(int sig)
{
    Loop *loop = running;

    if (!loop || ++loop->handled <= loop->quiet) {
        return;
    }
    if (!loop->patch) {
        siglongjmp(loop->env, 1);
    }
    put_leaf(loop->b, PATCHED);
    flush(loop->b, 16);
}

/* How the loop goes from A to B, and from B to A */
static void make_loop(Loop *loop, int kind)
{
    char *a = loop->a = map(2 * PAGE, RWX), *b = loop->b = a + PAGE;

    loop->code = entry(a);
    loop->arg[0] = entry(b);
    loop->arg[1] = entry(a);
    switch (kind) {
    case 0:
        loop->name = "two jumps";
        put_jump(a, b);
        put_jump(b, a);
        break;
    case 1:
        loop->name = "two indirect jumps";
        put_jump_arg(a, 0);
        put_jump_arg(b, 1);
        break;
    case 2:
        loop->name = "running on, and a jump";
        loop->code = put_link(a, RUNS_ON, b);
        put_jump(b, a + PAGE - 16);
        break;
    case 3:
        loop->name = "conditional and indirect jump";
        put_cond(a, b);
        put_jump_arg(b, 1);
        break;
    case 4:
        loop->name = "jump and conditional jump";
        put_jump(a, b);
        put_cond(b, a);
        break;
    case 5:
        loop->name = "jump to itself";
        loop->code = entry(b);
        put_jump(b, b);
        break;
    }
    flush(a, PAGE + 16);
}

static int enter(Loop *loop)
{
    int result = LEFT;

    if (!sigsetjmp(loop->env, 1)) {
        /* From here on, the handler may use env. */
        __atomic_store_n(&running, loop, __ATOMIC_SEQ_CST);
        result = call(loop->code, loop->arg[0], loop->arg[1]);
    }
    running = NULL;
    return result;
}

static void check(Loop *loop, int result)
{
    CHECK(result == (loop->patch ? PATCHED : LEFT) &&
          loop->handled >= loop->quiet,
          "%s%s, %s: result %d after %d signals", thumb ? "thumb: " : "",
          loop->name, loop->patch ? "patched" : "left", result, loop->handled);
    munmap(loop->a, 2 * PAGE);
}

static void by_timer(int kind, bool patch)
{
    struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { };
    Loop loop = { .patch = patch, .quiet = 4 };
    int result;

    make_loop(&loop, kind);
    setitimer(ITIMER_PROF, &often, NULL);
    result = enter(&loop);
    setitimer(ITIMER_PROF, &never, NULL);
    check(&loop, result);
}

/* Some threads run loops; this one sends them signals. */
static Loop loops[MANY];
static int results[MANY];
static bool done[MANY];

static void *looper(void *opaque)
{
    Loop *loop = opaque;

    results[loop - loops] = enter(loop);
    __atomic_store_n(&done[loop - loops], true, __ATOMIC_SEQ_CST);
    return NULL;
}

/* fork() waits until the other threads leave their chained TBs. */
static void fork_one(void)
{
    int status;
    pid_t pid = fork();

    MUST(pid >= 0);
    if (pid == 0) {
        _exit(0);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    CHECK(status == 0, "status of a child 0x%x", status);
}

static void by_threads(int kind, bool patch, int n)
{
    pthread_t threads[MANY];
    int left = n;

    memset(done, 0, sizeof(done));
    for (int i = 0; i < n; i++) {
        loops[i] = (Loop) { .patch = patch, .quiet = 3 * (i % LOOPERS) };
        make_loop(&loops[i], (kind + i) % LOOPS);
        threads[i] = start_thread(looper, &loops[i]);
    }
    if (n == MANY) {
        fork_one();
    }
    while (left) {
        usleep(500);
        left = 0;
        for (int i = 0; i < n; i++) {
            if (!__atomic_load_n(&done[i], __ATOMIC_SEQ_CST)) {
                pthread_kill(threads[i], SIGUSR1);
                left++;
            }
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        check(&loops[i], results[i]);
    }
}

/* Only another thread's store ends the loop. */
static void by_store(int kind)
{
    pthread_t thread;

    memset(done, 0, sizeof(done));
    loops[0] = (Loop) { .patch = true };
    make_loop(&loops[0], kind);
    thread = start_thread(looper, &loops[0]);
    usleep(2000);
    CHECK(!__atomic_load_n(&done[0], __ATOMIC_SEQ_CST), "loop ended early");
    put_leaf(loops[0].b, PATCHED);
    flush(loops[0].b, 16);
    pthread_join(thread, NULL);
    check(&loops[0], results[0]);
}

/*
 * With an argument, no code is patched: signals may arrive between any two
 * instructions of it.
 */
int main(int argc, char **argv)
{
    int patches = argc == 1 ? 2 : 1;

    start();
    on_signal(SIGPROF, handler);
    on_signal(SIGUSR1, handler);
    for (int threads = 0; threads < 2; threads++) {
        for (int mode = 0; mode < 2; mode++) {
            thumb = mode;
#ifndef __arm__
            if (thumb) {
                break;
            }
#endif
            for (int kind = 0; kind < LOOPS; kind++) {
                for (int patch = 0; patch < patches; patch++) {
                    by_timer(kind, patch);
                    if (threads) {
                        by_threads(kind, patch, LOOPERS);
                    }
                }
                if (threads && patches == 2) {
                    by_store(kind);
                }
            }
            if (threads) {
                by_threads(0, false, MANY);
            }
        }
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
