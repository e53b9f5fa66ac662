/*
 * Test threads of a forked child: the parent's are not there any more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_barrier_t begun;

static void *wait_for_ever(void *unused)
{
    pthread_barrier_wait(&begun);
    for (;;) {
        pause();
    }
    return unused;
}

static void *do_nothing(void *unused)
{
    return unused;
}

static void run_thread(void)
{
    pthread_t thread;

    assert(pthread_create(&thread, NULL, do_nothing, NULL) == 0);
    assert(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    pthread_t others[3];

    assert(pthread_barrier_init(&begun, NULL, 2) == 0);
    for (int i = 0; i < 3; i++) {
        assert(pthread_create(&others[i], NULL, wait_for_ever, NULL) == 0);
        /* A plugin has seen the thread once that has begun. */
        pthread_barrier_wait(&begun);
        for (int j = 0; j < 5; j++) {
            int status;
            pid_t pid = fork();

            assert(pid >= 0);
            if (pid == 0) {
                run_thread();
                run_thread();
                _exit(0);
            }
            assert(waitpid(pid, &status, 0) == pid);
            assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
    return EXIT_SUCCESS;
}
