/*
 * Tests of TBs kept in a file: processes, threads, descriptors, mappings
 *
 * cache-proc PART FILE N: output and exit status are the same whether TBs are
 * kept or not.  Each N has new code whose TBs are to be kept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include "cache-file.h"
#include <dirent.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *program, *file;
static int n, part;

/* Execute QEMU from the environment: binfmt_misc may not know it. */
static void execute(const char *name)
{
    const char *qemu = getenv("QEMU");

    execl(qemu, qemu, program, name, file, "0", NULL);
    printf("%s: %s\n", qemu, strerror(errno));
    _exit(EXIT_FAILURE);
}

/* The code differs for each part, N and i. */
static int first_value(int i)
{
    return ((part * 8 + n) * 4 + i) * 32;
}

/*
 * Map code whose TBs have not been kept, and leave no descriptor.  The code
 * stays mapped: TBs of unmapped code are not kept.
 */
static void map_fresh(int i)
{
    char name[4096];
    int fd;

    code = CODE_AT(i);
    snprintf(name, sizeof(name), "%s-%d", file, i);
    fd = make_code(name, O_TRUNC, put_leaves, first_value(i));
    map_code(fd, RX, MAP_PRIVATE);
    close(fd);
}

static void fresh(int i)
{
    map_fresh(i);
    check_leaves("fresh", first_value(i));
}

static void ends(pid_t pid, int expected)
{
    int status;

    MUST(pid > 0);
    MUST(waitpid(pid, &status, 0) == pid);
    CHECK(status == expected, "status is %x, not %x", status, expected);
}

static void part_fork(void)
{
    pid_t pid;

    fresh(0);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        fresh(1);
        exit(failures ? 1 : 5);
    }
    ends(pid, 5 << 8);
    fresh(2);
}

static void part_vfork(void)
{
    pid_t pid;

    fresh(0);
    pid = vfork();
    if (pid == 0) {
        execute("exec");
    }
    ends(pid, 0);
    fresh(1);
}

/* The executed program; the other parts start it. */
static void part_exec(void)
{
    printf("executed\n");
}

/* After a failed execve(), more TBs are kept than before it. */
static void part_failing(void)
{
    for (int i = 0; i < 3; i++) {
        fresh(i);
        MUST(execl("/nonexistent", "x", NULL) == -1 && errno == ENOENT);
        MUST(execl("/", "x", NULL) == -1 && errno == EACCES);
    }
    fresh(3);
    /* and then one that succeeds */
    execute("exec");
}

static volatile bool go;    /* seen by other threads */

static void *spin(void *arg)
{
    while (!go) {
        /* wait */
    }
    for (unsigned i = 0;; i++) {
        getppid();
    }
    return NULL;
}

static void *executes(void *arg)
{
    fresh(1);
    execute("exec");
    return NULL;
}

static void part_threadexec(void)
{
    fresh(0);
    go = true;
    start_thread(spin, NULL);
    pthread_join(start_thread(executes, NULL), NULL);
}

static void part_exitgroup(void)
{
    go = true;
    for (int i = 0; i < 3; i++) {
        start_thread(spin, NULL);
    }
    fresh(0);
    _exit(9);
}

static void *leave(void *arg)
{
    fresh(1);
    syscall(SYS_exit_group, 11);
    return NULL;
}

static void part_threadexit(void)
{
    start_thread(leave, NULL);
    pause();
}

static void *only_thread(void *arg)
{
    fresh(1);
    syscall(SYS_exit, 3);
    return NULL;
}

static void part_thread(void)
{
    start_thread(only_thread, NULL);
    fresh(0);
    usleep(20000);
    fresh(2);
    fflush(stdout);
}

static void part_kill(void)
{
    fresh(0);
    kill(getpid(), SIGTERM);
}

static void part_abort(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    fresh(0);
    abort();
}

static void part_segv(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    signal(SIGSEGV, SIG_DFL);
    fresh(0);
    *(volatile int *)8 = 1;     /* not left out */
}

/* List the open descriptors as a string. */
static void list_files(char *s, size_t size)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *d;

    *s = 0;
    MUST(dir);
    while ((d = readdir(dir))) {
        if (d->d_name[0] != '.' && atoi(d->d_name) != dirfd(dir)) {
            strncat(s, d->d_name, size - strlen(s) - 1);
            strncat(s, " ", size - strlen(s) - 1);
        }
    }
    closedir(dir);
}

static void part_files(void)
{
    char before[512], after[512];
    int first = dup(0), fd;

    close(first);
    list_files(before, sizeof(before));
    for (int i = 0; i < 4; i++) {
        fresh(i);
        fd = dup(0);
        CHECK(fd == first, "dup() is %d, was %d", fd, first);
        close(fd);
        MUST(execl("/nonexistent", "x", NULL) == -1);
        list_files(after, sizeof(after));
        CHECK(!strcmp(before, after), "descriptors: %s, were: %s", after,
              before);
    }
}

/* While the process ends, dup() in a thread gives the same number. */
static int first_free;

/* No branch: an untranslated target would wait for the process to end. */
static void *dupper(void *arg)
{
    static const char text[] = "dup() is another one\n";

    for (;;) {
        int fd = dup(0);

        /* to stdout, or nowhere */
        write((fd != first_free) * 2 - 1, text, sizeof(text) - 1);
        close(fd);
        go = true;
    }
    return NULL;
}

static void part_dup(void)
{
    map_fresh(0);
    first_free = dup(0);
    close(first_free);
    start_thread(dupper, NULL);
    while (!go) {
        /* wait */
    }
    check_leaves("dup", first_value(0));
    syscall(SYS_exit_group, 0);
}

/* The guest closes all but stdout, then reuses the numbers for its files. */
static void part_closed(void)
{
    char text[] = "mine";
    int fd;

    fresh(0);
    for (int i = 0; i < 64; i++) {
        if (i != 1) {
            close(i);
        }
    }
    syscall(SYS_close_range, 3, ~0u, 0);
    fresh(1);
    for (int i = 0; i < 20; i++) {
        fd = open("mine", O_RDWR | O_CREAT | O_TRUNC, 0600);
        MUST(fd >= 0);
    }
    fresh(2);
    MUST(execl("/nonexistent", "x", NULL) == -1);
    MUST(write(fd, text, sizeof(text)) == sizeof(text));
    MUST(lseek(fd, 0, SEEK_END) == sizeof(text));
    for (int i = 0; i < 20; i++) {
        close(i == 1 ? 0 : i);
    }
}

/* 0 to 19 are closed, and stay closed. */
static void part_standard(void)
{
    int out = dup(1), fd;

    MUST(fcntl(out, F_DUPFD, 30) == 30);
    for (int i = 0; i < 20; i++) {
        close(i);
    }
    fresh(0);
    MUST(execl("/nonexistent", "x", NULL) == -1);
    for (int i = 0; i < 20; i++) {
        fd = dup(30);
        if (fd != i) {
            dprintf(30, "dup() is %d, not %d\n", fd, i);
            _exit(1);
        }
    }
    dprintf(30, "fine\n");
    _exit(0);
}

/* /proc/self/maps does not show the file. */
static void part_maps(void)
{
    char line[4096];
    FILE *f;

    fresh(0);
    f = fopen("/proc/self/maps", "r");
    MUST(f);
    while (fgets(line, sizeof(line), f)) {
        CHECK(!strstr(line, ".tb"), "%s", line);
    }
    fclose(f);
}

static void part_chdir(void)
{
    map_fresh(0);
    MUST(chdir("/") == 0);
    check_leaves("elsewhere", first_value(0));
}

/*
 * The script passes the address of QEMU's mapping of the file: the guest
 * unmaps it (N is even) or maps over it, all of it or its second half.
 */
static void part_over(void)
{
    unsigned long long first, last;
    char *p, *q;
    size_t size;

    fresh(0);
    printf("ready\n");
    MUST(scanf("%llx-%llx", &first, &last) == 2);
    p = (char *)(uintptr_t)first;
    size = last - first;
    if ((uintptr_t)p != first) {
        printf("out of reach\n");
        return;
    }
    if (n & 2) {
        size /= 2;
        p += size;
    }
    if (n & 1) {
        q = mmap(p, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
                 -1, 0);
        if (q == MAP_FAILED && errno == ENOMEM) {
            printf("out of reach\n");
            return;
        }
        MUST(q == p);
        for (size_t i = 0; i < 32 * PAGE; i += PAGE) {
            p[i] = 0x55;
        }
    } else if (munmap(p, size)) {
        MUST(errno == EINVAL);
        printf("out of reach\n");
        return;
    }
    fresh(1);
    MUST(execl("/nonexistent", "x", NULL) == -1);
    fresh(2);
    if (n & 1) {
        for (size_t i = 0; i < 32 * PAGE; i++) {
            if (p[i] != (i % PAGE ? 0 : 0x55)) {
                printf("%zd: %x\n", i, p[i]);
                return;
            }
        }
    }
    printf("done\n");
}

static void part_fresh(void)
{
    fresh(0);
}

/* Runs until the script lets it end; the code is part_fresh()'s. */
static void part_wait(void)
{
    part--;
    printf("ready\n");
    for (int i = 0; getchar() != EOF; i++) {
        fresh(i);
        printf("done %d\n", i);
    }
}

static const struct {
    const char *name;
    void (*f)(void);
} parts[] = {
    { "fork", part_fork }, { "vfork", part_vfork }, { "exec", part_exec },
    { "failing", part_failing }, { "threadexec", part_threadexec },
    { "exitgroup", part_exitgroup }, { "threadexit", part_threadexit },
    { "thread", part_thread }, { "kill", part_kill }, { "abort", part_abort },
    { "segv", part_segv }, { "files", part_files }, { "dup", part_dup },
    { "closed", part_closed }, { "standard", part_standard },
    { "maps", part_maps }, { "chdir", part_chdir }, { "over", part_over },
    { "fresh", part_fresh }, { "wait", part_wait },
};

int main(int argc, char **argv)
{
    start();
    if (argc == 1) {
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) - 3; i++) {
            printf("%s\n", parts[i].name);
        }
        return EXIT_SUCCESS;
    }
    program = argv[0];
    file = argv[2];
    n = atoi(argv[3]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!strcmp(argv[1], parts[i].name)) {
            part = i;
            parts[i].f();
        }
    }
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
