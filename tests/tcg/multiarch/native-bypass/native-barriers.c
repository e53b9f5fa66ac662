/*
 * Native bypass: calls that barriers.sh looks for in a log of "-d op"
 *
 * There is a second thread from the first to the last of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <pthread.h>
#include "native-test.h"

static void *wait_for_end(void *arg)
{
    char c;

    /* End of file: the other thread is done. */
    return read(*(int *)arg, &c, 1) ? arg : NULL;
}

int main(void)
{
    char buffer[] = "four", copy[sizeof(buffer)];
    pthread_t thread;
    int fds[2];
    void *result;

    if (pipe(fds) || pthread_create(&thread, NULL, wait_for_end, &fds[0])) {
        die("pipe or thread");
    }
    /* Neither this program nor a library calls these elsewhere. */
    strncat(strcpy(copy, ""), buffer, 2);
    memmove(copy, buffer, sizeof(copy));
    CHECK(strcspn(copy, "r") == 3, "%s", copy);
    close(fds[1]);
    pthread_join(thread, &result);
    CHECK(!result, "the thread reads something");
    return failures != 0;
}
