/*
 * Native bypass: calls that barriers.sh looks for in a log of "-d op"
 *
 * The first and the last of them are made while there is a second thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *wait_for_end(void *arg)
{
    char c;

    /* At the end of the file the other thread is done. */
    return read(*(int *)arg, &c, 1) ? arg : NULL;
}

int main(void)
{
    char buffer[] = "four", copy[sizeof(buffer)];
    pthread_t thread;
    int fds[2];
    void *result;

    if (pipe(fds) || pthread_create(&thread, NULL, wait_for_end, &fds[0])) {
        perror("pipe or thread");
        return EXIT_FAILURE;
    }
    /* Of which this program makes no other call, nor does any library. */
    strncat(strcpy(copy, ""), buffer, 2);
    memmove(copy, buffer, sizeof(copy));
    if (strcspn(copy, "r") != 3) {
        printf("strcspn: wrong\n");
        return EXIT_FAILURE;
    }
    close(fds[1]);
    pthread_join(thread, &result);
    return result ? EXIT_FAILURE : EXIT_SUCCESS;
}
