/*
 * Test --native-bypass: programs that the guest executes
 *
 * A child makes native calls if its own QEMU is told so, and is unchanged if
 * not.  "native-exec child STATUS" is the child: it prints whether its
 * functions are libnative.so's, and exits with STATUS.  "native-exec close
 * FILE" does the same with STATUS 7, but an exit handler closes stderr and
 * writes to FILE, as file descriptor 2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS      7
#define CALLS       10000
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

/* A shell executes @command, which must print @expected, exit with @status. */
static void check(const char *command, const char *expected, int status)
{
    FILE *pipe = popen(command, "r");
    char out[4096] = "";
    int got = -1;

    if (pipe) {
        out[fread(out, 1, sizeof(out) - 1, pipe)] = 0;
        got = pclose(pipe);
    }
    if (strcmp(out, expected) || !WIFEXITED(got) ||
        WEXITSTATUS(got) != status) {
        failures++;
        printf("%s: status 0x%x, output \"%s\"\n", command, got, out);
    }
}

/*
 * Execute ourselves, or another architecture's build, with @bypass in the
 * environment.  @vars: the prefix of the other variables' names
 */
static void check_qemu(const char *vars, const char *bypass, bool native)
{
    char command[1024];

    snprintf(command, sizeof(command),
             "rm -f " LOG "; \"$%sQEMU\" -L \"$%sSYSROOT\" "
             "-d native_bypass -D " LOG " \"$%sPROGRAM\" child 7 2>&1; s=$?;"
             "sed -n 's/^native_bypass: [0-9]\\{4,\\} strlen$/many/p' "
             LOG " 2> /dev/null; exit $s", vars, vars, vars);
    if (bypass) {
        setenv("QEMU_NATIVE_BYPASS", bypass, 1);
    }
    check(command, native ? NATIVE "many\n" : TRANSLATED, STATUS);
    unsetenv("QEMU_NATIVE_BYPASS");
}

int main(int argc, char **argv)
{
    const char *other_lib = getenv("NATIVE_OTHER_LIB");
    const char *lib = getenv("NATIVE_LIB");
    const char *dir = getenv("NATIVE_DIR");

    if (argc == 3 && !strcmp(argv[1], "child")) {
        return child(atoi(argv[2]));
    }
    if (argc == 3 && !strcmp(argv[1], "close")) {
        file = argv[2];
        atexit(close_stderr);
        return child(STATUS);
    }

    setenv("NATIVE_QEMU", getenv("QEMU"), 1);
    setenv("NATIVE_PROGRAM", argv[0], 1);
    check_qemu("NATIVE_", NULL, false);
    check_qemu("NATIVE_", dir, true);
    check_qemu("NATIVE_", lib, true);
    check_qemu("NATIVE_", "/nonexistent", false);
    if (other_lib) {
        check_qemu("NATIVE_", other_lib, false);
        check_qemu("NATIVE_OTHER_", NULL, false);
        check_qemu("NATIVE_OTHER_", dir, true);
        check_qemu("NATIVE_OTHER_", lib, false);
    }
    /* A program of the host sees no trace of this. */
    check("test -z \"${LD_PRELOAD+set}${QEMU_NATIVE_BYPASS+set}\" || exit 1;"
          "if test -n \"$NATIVE_HOST_PRELOAD\";"
          "then ! cat /etc/ld.so.preload | grep libnative || exit 2;"
          "else test ! -e /etc/ld.so.preload || exit 3; fi;"
          /* where the pipe's own descriptors come and go */
          "! ls -l /proc/$$/fd 2> /dev/null | grep ld.so.preload", "", 0);
    return failures != 0;
}
