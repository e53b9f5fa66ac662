/*
 * Native bypass: calls while other threads take the memory away
 *
 * Workers copy, compare and scan; a mapping comes and goes under them, and
 * signals keep arriving.  A fault leaves the call by siglongjmp().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORKERS     3
#define ROUNDS      300
#define SIZE        (64 * 1024)

static char *shared;
static atomic_int ready, done, failures;
static atomic_int faults, signals;

static __thread sigjmp_buf env;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    char *addr = info->si_addr;

    if (addr < shared || addr >= shared + SIZE) {
        failures++;
    }
    faults++;
    siglongjmp(env, 1);
}

static void on_signal(int sig)
{
    signals++;
}

static void *worker(void *arg)
{
    char *own = malloc(2 * SIZE), *copy = own + SIZE;
    uintptr_t id = (uintptr_t)arg;

    ready++;
    while (!done) {
        /* What nobody else touches has to be right, whatever happens. */
        memset(own, 'a' + id, SIZE);
        own[SIZE - 1] = 0;
        strcpy(copy, own);
        if (strlen(copy) != SIZE - 1 || strcmp(own, copy) ||
            memcmp(own, copy, SIZE) || memchr(copy, 'z', SIZE)) {
            failures++;
        }
        if (sigsetjmp(env, 1) == 0) {
            memcpy(shared, own, SIZE);
            memmove(shared + id, shared, SIZE - id);
            memcpy(copy, shared, SIZE);
            memset(shared, 0, SIZE);
        }
    }
    free(own);
    return NULL;
}

int main(void)
{
    struct sigaction fault = { .sa_sigaction = on_fault,
                               .sa_flags = SA_SIGINFO };
    struct sigaction signal = { .sa_handler = on_signal,
                                .sa_flags = SA_RESTART };
    pthread_t threads[WORKERS];
    int sent = 0;

    shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &fault, NULL);
    sigaction(SIGUSR1, &signal, NULL);

    for (uintptr_t i = 0; i < WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, worker, (void *)i)) {
            perror("pthread_create");
            return EXIT_FAILURE;
        }
    }
    while (ready < WORKERS) {
        sched_yield();
    }
    for (int i = 0; i < ROUNDS || !faults; i++) {
        int before = signals;

        mprotect(shared, SIZE, i % 2 ? PROT_READ : PROT_NONE);
        sched_yield();
        munmap(shared + SIZE / 2, SIZE / 2);
        usleep(100);
        if (mmap(shared, SIZE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != shared) {
            perror("mmap");
            return EXIT_FAILURE;
        }
        pthread_kill(threads[i % WORKERS], SIGUSR1);
        sent++;
        while (signals == before) {
            /* "make" ends this if the signal was lost. */
            sched_yield();
        }
    }
    done = 1;
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (signals != sent) {
        printf("%d signals of %d\n", (int)signals, sent);
        failures++;
    }
    if (failures) {
        printf("%d failures, after %d faults\n", (int)failures, (int)faults);
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
