/*
 * Tests of TB chaining: a core dump
 *
 * Holding locks, it makes pages writable that QEMU has protected for their
 * TBs, and so invalidates these TBs; and it looks at all threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "chain-code.h"
#include <elf.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define SECONDS 100
#define ROUNDS  12

static void *call_for_ever(void *page)
{
    for (;;) {
        call(entry(page), NULL, NULL);
    }
    return NULL;
}

static void *leaf_once(void *page)
{
    call(entry(page), NULL, NULL);
    return NULL;
}

/* Threads that begin and end while memory is dumped */
static void *start_for_ever(void *page)
{
    for (;;) {
        pthread_join(start_thread(leaf_once, page), NULL);
    }
    return NULL;
}

static void dump(int threads, void *(*what)(void *))
{
    char *page = map(PAGE, RWX);

    put_leaf(page, 1);
    flush(page, PAGE);
    for (int i = 0; i < threads; i++) {
        start_thread(what, page);
    }
    call(entry(page), NULL, NULL);
    abort();
}

static bool is_core(const char *name)
{
    unsigned char ident[EI_NIDENT + 2] = { 0 };
    int fd = open(name, O_RDONLY);

    MUST(fd >= 0 && read(fd, ident, sizeof(ident)) == sizeof(ident));
    close(fd);
    return !memcmp(ident, ELFMAG, SELFMAG) &&
           ident[EI_NIDENT] + ident[EI_NIDENT + 1] == ET_CORE;
}

int main(void)
{
    struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
    char dir[] = "chain-core.XXXXXX";

    start();
    MUST(setrlimit(RLIMIT_CORE, &limit) == 0);
    MUST(mkdtemp(dir) && chdir(dir) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        int threads = round % 3;
        pid_t pid = fork(), done = 0;
        int status = 0;
        glob_t found;

        MUST(pid >= 0);
        if (pid == 0) {
            dump(threads, round < 3 ? call_for_ever : start_for_ever);
        }
        for (int i = 0; i < 100 * SECONDS && done == 0; i++) {
            usleep(10000);
            done = waitpid(pid, &status, WNOHANG);
        }
        if (done == 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        CHECK(done == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
              "round %d: status 0x%x%s", round, status,
              done ? "" : ", hangs");
        if (glob("*.core", 0, NULL, &found)) {
            found.gl_pathc = 0;
        }
        CHECK(found.gl_pathc == 1 && is_core(found.gl_pathv[0]),
              "round %d: %zu core files", round,
              (size_t)found.gl_pathc);
        for (size_t i = 0; i < found.gl_pathc; i++) {
            unlink(found.gl_pathv[i]);
        }
    }
    MUST(chdir("..") == 0 && rmdir(dir) == 0);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
