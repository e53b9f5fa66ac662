/*
 * Test --native-bypass: programs that the guest executes
 *
 * A child is bypassed if its own QEMU is told so, and is undisturbed if not.
 * As "native-exec child STATUS", this is the child: it prints whether its
 * functions are those of libnative.so, and exits with STATUS.  As "native-exec
 * close FILE", it does that with STATUS 7, but closes stderr in an exit handler
 * and writes to FILE then, as file descriptor 2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS      "7"
#define CALLS       1000
#define LOG         "native-exec.child.log"

#define NATIVE      "native\n"
#define TRANSLATED  "translated\n"

static int failures;

static int child(int status)
{
    void *fn = dlsym(RTLD_DEFAULT, "strlen");
    const char *base;
    size_t total = 0;
    Dl_info info;

    if (!dladdr(fn, &info)) {
        printf("no dladdr\n");
        return 99;
    }
    for (int i = 0; i < CALLS; i++) {
        total += strlen(info.dli_fname + 1);
    }
    base = strrchr(info.dli_fname, '/');
    if (total != CALLS * strlen(info.dli_fname + 1) || !base) {
        printf("strlen is wrong\n");
        return 99;
    }
    printf(strcmp(base, "/libnative.so") ? TRANSLATED : NATIVE);
    return status;
}

static const char *file;

static void close_stderr(void)
{
    int fd;

    fclose(stderr);
    fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd != STDERR_FILENO || write(fd, "mine\n", 5) != 5) {
        _exit(97);
    }
    child(0);
}

typedef enum { FORK, VFORK, SPAWN } How;

static pid_t start(How how, char **argv, int out, int err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;

    switch (how) {
    case FORK:
    case VFORK:
        pid = how == FORK ? fork() : vfork();
        if (pid == 0) {
            dup2(out, STDOUT_FILENO);
            dup2(err, STDERR_FILENO);
            execve(argv[0], argv, environ);
            _exit(98);
        }
        break;
    case SPAWN:
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
        errno = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        break;
    }
    return pid;
}

/* Children print less than a pipe holds. */
static void slurp(int fd, char *buf, size_t size)
{
    ssize_t n;

    while (size > 1 && (n = read(fd, buf, size - 1)) > 0) {
        buf += n;
        size -= n;
    }
    *buf = 0;
    close(fd);
}

/* Execute @argv, which is to print @expected, nothing else, and exit so. */
static void check(const char *name, How how, char **argv,
                  const char *expected, int expected_status)
{
    int out_pipe[2], err_pipe[2], status = -1;
    char out[4096], err[4096];
    pid_t pid;

    fflush(stdout);
    if (pipe2(out_pipe, O_CLOEXEC) || pipe2(err_pipe, O_CLOEXEC)) {
        perror("pipe2");
        exit(1);
    }
    pid = start(how, argv, out_pipe[1], err_pipe[1]);
    close(out_pipe[1]);
    close(err_pipe[1]);
    slurp(out_pipe[0], out, sizeof(out));
    slurp(err_pipe[0], err, sizeof(err));

    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != expected_status || strcmp(out, expected) ||
        *err) {
        failures++;
        printf("%s, how %d: status 0x%x, stdout \"%s\", stderr \"%s\"\n",
               name, how, status, out, err);
    }
}

/* QEMU's count of native calls in LOG. */
static unsigned long count(void)
{
    FILE *log = fopen(LOG, "r");
    unsigned long calls = 0;
    char line[256];

    while (log && fgets(line, sizeof(line), log)) {
        sscanf(line, "native_bypass: %lu strlen", &calls);
    }
    if (log) {
        fclose(log);
    }
    return calls;
}

/* Execute ourselves, or another architecture's build, under @qemu. */
static void check_qemu(const char *name, char *qemu, char *sysroot,
                       char *self, const char *bypass, bool native)
{
    char *argv[] = {
        qemu, "-L", sysroot, "-d", "native_bypass", "-D", LOG,
        self, "child", STATUS, NULL,
    };

    if (bypass) {
        setenv("QEMU_NATIVE_BYPASS", bypass, 1);
    } else {
        unsetenv("QEMU_NATIVE_BYPASS");
    }
    for (How how = FORK; how <= SPAWN; how++) {
        unlink(LOG);
        check(name, how, argv, native ? NATIVE : TRANSLATED, atoi(STATUS));
        if (native ? count() < CALLS : count() != 0) {
            failures++;
            printf("%s, how %d: %lu calls\n", name, how, count());
        }
    }
    unsetenv("QEMU_NATIVE_BYPASS");
}

/* A program of the host sees no trace of it all. */
static void check_host(void)
{
    char *argv[] = {
        "/bin/sh", "-c",
        "test -z \"${LD_PRELOAD+set}${QEMU_NATIVE_BYPASS+set}\" || exit 1;"
        "if test -n \"$NATIVE_HOST_PRELOAD\";"
        "then ! /bin/cat /etc/ld.so.preload | grep libnative || exit 2;"
        "else test ! -e /etc/ld.so.preload || exit 3; fi;"
        /* where the pipe's own descriptors come and go */
        "! ls -l /proc/$$/fd 2> /dev/null | grep ld.so.preload || exit 4;"
        "echo fine", NULL,
    };

    unsetenv("LD_PRELOAD");
    for (How how = FORK; how <= SPAWN; how++) {
        check("host", how, argv, "fine\n", 0);
    }
}

int main(int argc, char **argv)
{
    char *qemu = getenv("QEMU");
    char *lib = getenv("NATIVE_LIB");
    char *dir = getenv("NATIVE_DIR");
    char *sysroot = getenv("NATIVE_SYSROOT");
    char *other = getenv("NATIVE_OTHER_QEMU");

    if (argc == 3 && !strcmp(argv[1], "child")) {
        return child(atoi(argv[2]));
    }
    if (argc == 3 && !strcmp(argv[1], "close")) {
        file = argv[2];
        atexit(close_stderr);
        return child(atoi(STATUS));
    }

    check_qemu("nothing said", qemu, sysroot, argv[0], NULL, false);
    check_qemu("directory", qemu, sysroot, argv[0], dir, true);
    check_qemu("library", qemu, sysroot, argv[0], lib, true);
    check_qemu("no library", qemu, sysroot, argv[0], "/nonexistent", false);
    check_host();
    if (other) {
        char *root = getenv("NATIVE_OTHER_SYSROOT");
        char *program = getenv("NATIVE_OTHER_PROGRAM");
        char *other_lib = getenv("NATIVE_OTHER_LIB");

        check_qemu("other architecture's library", qemu, sysroot, argv[0],
                   other_lib, false);
        check_qemu("other, nothing said", other, root, program, NULL, false);
        check_qemu("other, directory", other, root, program, dir, true);
        check_qemu("other, our library", other, root, program, lib, false);
    }
    return failures != 0;
}
