/*
 * Test --native-bypass: the virtual /etc/ld.so.preload
 *
 * Every system call by which a program can look at the file sees the same
 * one: the line of libnative.so, then what the real file holds; calls that
 * would change it reach the real one.  Run with NATIVE_REAL in the
 * environment, which is a second link to the real file (in a sysroot of the
 * test, so that it can be written to), or without.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* The kernel's structures, for the raw system calls. */
#define stat kernel_stat
#define stat64 kernel_stat64
#include <asm/stat.h>
#undef stat
#undef stat64

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PRELOAD     "/etc/ld.so.preload"

/* As in linux/openat2.h, which older toolchains do not have. */
#define RESOLVE_BENEATH 0x08

struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

static int failures;

#define CHECK(cond, ...)                                                \
    do {                                                                \
        if (!(cond)) {                                                  \
            failures++;                                                 \
            printf("%s:%d: %s: ", __FILE__, __LINE__, #cond);           \
            printf(__VA_ARGS__);                                        \
            printf(" (errno %d)\n", errno);                             \
        }                                                               \
    } while (0)

/* Check that @call fails with @err. */
#define CHECK_ERRNO(call, err, how)                                     \
    do {                                                                \
        errno = 0;                                                      \
        long ret_ = (call);                                             \
        CHECK(ret_ == -1 && errno == (err), "%s gives %ld", how, ret_); \
    } while (0)

#define CHECK_NO_XATTR(call, how)                                       \
    do {                                                                \
        errno = 0;                                                      \
        CHECK((call) == -1 && (errno == ENODATA || errno == ENOTSUP ||  \
                               errno == ENOSYS), "%s", how);            \
    } while (0)

/* What every look is to see. */
static uint64_t dev, ino;
static char content[64 * 1024];
static size_t size;

static size_t slurp(int fd, char *buf, size_t max)
{
    size_t len = 0;
    ssize_t n;

    while (len < max && (n = read(fd, buf + len, max - len)) > 0) {
        len += n;
    }
    return len;
}

/* Narrow fields of old structures hold what fits. */
#define CHECK_STAT(st, how)                                             \
    CHECK((st).st_dev == (__typeof__((st).st_dev))dev &&                \
          (st).st_ino == (__typeof__((st).st_ino))ino &&                \
          (st).st_size == size && S_ISREG((st).st_mode),                \
          "%s: dev %llx ino %llu size %llu mode %o", how,               \
          (unsigned long long)(st).st_dev,                              \
          (unsigned long long)(st).st_ino,                              \
          (unsigned long long)(st).st_size, (unsigned)(st).st_mode)

static void check_fd(int fd, const char *how)
{
    static char buf[sizeof(content)];
    struct stat st = { };

    CHECK(fd >= 0, "%s", how);
    if (fd < 0) {
        return;
    }
    CHECK(fstat(fd, &st) == 0, "%s", how);
    CHECK_STAT(st, how);
    CHECK(slurp(fd, buf, sizeof(buf)) == size && !memcmp(buf, content, size),
          "%s: other content", how);
    CHECK_ERRNO(write(fd, "x", 1), EBADF, how);
    close(fd);
}

/* All calls that take a path. */
static void look(const char *name)
{
    struct stat st;
    struct statfs fs;
    char buf[256];

    check_fd(open(name, O_RDONLY), name);
    CHECK(access(name, F_OK) == 0, "%s", name);
    CHECK(access(name, R_OK) == 0, "%s", name);
    CHECK_ERRNO(access(name, X_OK), EACCES, name);
    memset(&st, 0, sizeof(st));
    CHECK(stat(name, &st) == 0, "%s", name);
    CHECK_STAT(st, name);
    memset(&st, 0, sizeof(st));
    CHECK(lstat(name, &st) == 0, "%s", name);
    CHECK_STAT(st, name);
    CHECK_ERRNO(readlink(name, buf, sizeof(buf)), EINVAL, name);
    CHECK(statfs(name, &fs) == 0, "%s", name);

    /* QEMU may be built without these. */
    CHECK_NO_XATTR(getxattr(name, "user.none", buf, sizeof(buf)), name);
    CHECK_NO_XATTR(lgetxattr(name, "user.none", buf, sizeof(buf)), name);
    errno = 0;
    CHECK(listxattr(name, buf, sizeof(buf)) >= 0 || errno == ENOTSUP ||
          errno == ENOSYS, "%s", name);
    errno = 0;
    CHECK(llistxattr(name, buf, sizeof(buf)) >= 0 || errno == ENOTSUP ||
          errno == ENOSYS, "%s", name);

#ifdef SYS_open
    check_fd(syscall(SYS_open, name, O_RDONLY), "SYS_open");
#endif
#ifdef SYS_access
    CHECK(syscall(SYS_access, name, R_OK) == 0, "%s", name);
#endif
#ifdef SYS_stat
    {
        struct kernel_stat kst = { };

        CHECK(syscall(SYS_stat, name, &kst) == 0, "%s", name);
        CHECK_STAT(kst, "SYS_stat");
        memset(&kst, 0, sizeof(kst));
        CHECK(syscall(SYS_lstat, name, &kst) == 0, "%s", name);
        CHECK_STAT(kst, "SYS_lstat");
    }
#endif
#ifdef SYS_stat64
    {
        struct kernel_stat64 kst = { };

        CHECK(syscall(SYS_stat64, name, &kst) == 0, "%s", name);
        CHECK_STAT(kst, "SYS_stat64");
        memset(&kst, 0, sizeof(kst));
        CHECK(syscall(SYS_lstat64, name, &kst) == 0, "%s", name);
        CHECK_STAT(kst, "SYS_lstat64");
    }
#endif
#ifdef SYS_readlink
    CHECK_ERRNO(syscall(SYS_readlink, name, buf, sizeof(buf)), EINVAL, name);
#endif
    CHECK(syscall(SYS_statfs, name, buf) == 0, "%s", name);
#ifdef SYS_statfs64
    CHECK(syscall(SYS_statfs64, name, sizeof(struct statfs64), buf) == 0,
          "%s", name);
#endif
}

/* All calls that take a directory and a path. */
static void look_at(int dirfd, const char *name)
{
    struct stat st = { };
    char buf[256];

    check_fd(openat(dirfd, name, O_RDONLY), name);
    CHECK(faccessat(dirfd, name, R_OK, 0) == 0, "%s", name);
    CHECK(fstatat(dirfd, name, &st, 0) == 0, "%s", name);
    CHECK_STAT(st, name);
    memset(&st, 0, sizeof(st));
    CHECK(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s", name);
    CHECK_STAT(st, name);
    CHECK_ERRNO(readlinkat(dirfd, name, buf, sizeof(buf)), EINVAL, name);

    CHECK(syscall(SYS_faccessat, dirfd, name, F_OK) == 0, "%s", name);
#ifdef SYS_newfstatat
    {
        struct kernel_stat kst = { };

        CHECK(syscall(SYS_newfstatat, dirfd, name, &kst, 0) == 0, "%s", name);
        CHECK_STAT(kst, "SYS_newfstatat");
    }
#endif
#ifdef SYS_fstatat64
    {
        struct kernel_stat64 kst = { };

        CHECK(syscall(SYS_fstatat64, dirfd, name, &kst, 0) == 0, "%s", name);
        CHECK_STAT(kst, "SYS_fstatat64");
    }
#endif

    /* The host's kernel may be too old for these. */
#ifdef SYS_openat2
    {
        struct how how = { .flags = O_RDONLY };
        int fd = syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

        if (fd >= 0 || errno != ENOSYS) {
            check_fd(fd, "SYS_openat2");
            CHECK_ERRNO(syscall(SYS_openat2, dirfd, name, NULL, sizeof(how)),
                        EFAULT, "SYS_openat2");
            if (!strchr(name, '/')) {
                how.resolve = RESOLVE_BENEATH;
                check_fd(syscall(SYS_openat2, dirfd, name, &how, sizeof(how)),
                         "SYS_openat2, RESOLVE_BENEATH");
            }
        }
    }
#endif
#ifdef SYS_faccessat2
    errno = 0;
    CHECK(syscall(SYS_faccessat2, dirfd, name, R_OK, AT_EACCESS) == 0 ||
          errno == ENOSYS, "%s", name);
#endif
#ifdef STATX_BASIC_STATS
    {
        struct statx stx = { };

        CHECK(statx(dirfd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS,
                    &stx) == 0, "%s", name);
        CHECK(makedev(stx.stx_dev_major, stx.stx_dev_minor) == dev &&
              stx.stx_ino == ino && stx.stx_size == size,
              "%s: dev %x:%x ino %llu size %llu", name, stx.stx_dev_major,
              stx.stx_dev_minor, (unsigned long long)stx.stx_ino,
              (unsigned long long)stx.stx_size);
        CHECK_ERRNO(syscall(SYS_statx, dirfd, name, 0, STATX_BASIC_STATS,
                            NULL), EFAULT, name);
    }
#endif
}

/* Take what an open of the file gives as what every look is to see. */
static void take(void)
{
    const char *lib = getenv("NATIVE_LIB");
    const char *real = getenv("NATIVE_REAL");
    static char expected[sizeof(content)];
    size_t len = sprintf(expected, "%s\n", lib);
    struct stat st = { };
    int fd;

    if (real) {
        fd = open(real, O_RDONLY);
        CHECK(fd >= 0, "%s", real);
        len += slurp(fd, expected + len, sizeof(expected) - len);
        close(fd);
    }

    fd = open(PRELOAD, O_RDONLY);
    CHECK(fd >= 0, PRELOAD);
    size = slurp(fd, content, sizeof(content));
    CHECK(fstat(fd, &st) == 0, PRELOAD);
    dev = st.st_dev;
    ino = st.st_ino;
    close(fd);

    /* Lines of the machine's own file, if any, are unknown here. */
    CHECK(real ? size == len : size >= len, "%zu and not %zu", size, len);
    CHECK(!memcmp(content, expected, len), "%.*s and not %s", (int)size,
          content, expected);
}

static void look_everywhere(void)
{
    static const char *const names[] = {
        PRELOAD, "/etc//ld.so.preload", "/etc/./ld.so.preload",
        "/etc/../etc/ld.so.preload", "//etc/ld.so.preload",
    };
    char cwd[PATH_MAX];
    int etc;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        look(names[i]);
        look_at(AT_FDCWD, names[i]);
        look_at(-1, names[i]);
    }

    etc = open("/etc", O_RDONLY | O_DIRECTORY);
    CHECK(etc >= 0, "/etc");
    look_at(etc, "ld.so.preload");
    look_at(etc, "./ld.so.preload");
    look_at(etc, "../etc/ld.so.preload");
    close(etc);
    CHECK_ERRNO(openat(etc, "ld.so.preload", O_RDONLY), EBADF, "closed");

    CHECK(getcwd(cwd, sizeof(cwd)) && chdir("/etc") == 0, "/etc");
    look("ld.so.preload");
    look("./ld.so.preload");
    look_at(AT_FDCWD, "ld.so.preload");
    CHECK(chdir("/") == 0, "/");
    look("etc/ld.so.preload");
    CHECK(chdir(cwd) == 0, "%s", cwd);
}

/* Names that are like it and are not it. */
static void look_beside(void)
{
    CHECK_ERRNO(open("ld.so.preload", O_RDONLY), ENOENT, "here");
    CHECK_ERRNO(access("./ld.so.preload", R_OK), ENOENT, "here");
    CHECK_ERRNO(access(PRELOAD "d", R_OK), ENOENT, PRELOAD "d");
    CHECK_ERRNO(syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY), EFAULT, "NULL");
}

static void check_flags(void)
{
    int fd, null = open("/dev/null", O_RDONLY);
    char *map;

    /* The descriptor is the lowest, as of every open. */
    close(null);
    fd = open(PRELOAD, O_RDONLY);
    CHECK(fd == null && fcntl(fd, F_GETFD) == 0, "fd %d and not %d", fd, null);

    for (int i = 0; i < 2; i++) {
        map = mmap(NULL, size, PROT_READ, i ? MAP_SHARED : MAP_PRIVATE, fd, 0);
        CHECK(map != MAP_FAILED && !memcmp(map, content, size), "mmap %d", i);
        munmap(map, size);
    }

    /* Each open has an offset of its own. */
    CHECK(lseek(fd, 1, SEEK_SET) == 1, "lseek");
    check_fd(open(PRELOAD, O_RDONLY), "second open");
    CHECK(lseek(fd, 0, SEEK_CUR) == 1, "lseek");
    close(fd);

    fd = open(PRELOAD, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "O_CLOEXEC");
    close(fd);
    fd = openat(AT_FDCWD, PRELOAD, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "O_CLOEXEC");
    close(fd);
    CHECK_ERRNO(open(PRELOAD, O_RDONLY | O_DIRECTORY), ENOTDIR, "O_DIRECTORY");
    fd = open(PRELOAD, O_PATH);
    CHECK(fd >= 0, "O_PATH");
    CHECK_ERRNO(lseek(fd, 0, SEEK_CUR), EBADF, "O_PATH");
    close(fd);
}

static void in_child(void (*fn)(void), const char *name)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        failures = 0;
        fn();
        fflush(stdout);
        _exit(failures != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
          WEXITSTATUS(status) == 0, "%s: status %x", name, status);
}

/* The guest may close what it never opened, or put another file there. */
static void without_fds(void)
{
    char buf[8];
    int fd;

#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3, ~0U, 0) == 0) {
        take();
        look_everywhere();
    }
#endif
    for (fd = 3; fd < sysconf(_SC_OPEN_MAX) && fd < 65536; fd++) {
        close(fd);
    }
    take();
    look_everywhere();

    /* Nor do they make the kernel's table larger, which takes 10 ms. */
    for (fd = 64; fd < 2048; fd++) {
        CHECK(fcntl(fd, F_GETFD) < 0, "%d", fd);
    }

    /* QEMU's own descriptors are out of the way. */
    for (fd = 3; fd < 6; fd++) {
        CHECK(open("/dev/null", O_RDONLY) == fd, "%d", fd);
    }

    fd = open("native-preload.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
    unlink("native-preload.tmp");
    CHECK(write(fd, "mine", 4) == 4, "native-preload.tmp");
    for (int i = 40; i <= 1010; i++) {
        dup2(fd, i);
    }
    take();
    look_everywhere();
    check_flags();
    CHECK(pread(fd, buf, sizeof(buf), 0) == 4 && !memcmp(buf, "mine", 4),
          "the guest's own file is changed");
}

/* The real file is what is written to, and its lines count at once. */
static void change(void)
{
    const char *real = getenv("NATIVE_REAL");
    struct stat st, real_st;
    int fd;

    if (!real) {
        if (!*getenv("NATIVE_HOST_PRELOAD")) {
            CHECK_ERRNO(access(PRELOAD, W_OK), ENOENT, "W_OK");
            CHECK_ERRNO(access(PRELOAD, R_OK | W_OK), ENOENT, "R_OK | W_OK");
            CHECK_ERRNO(faccessat(AT_FDCWD, PRELOAD, W_OK, 0), ENOENT, "W_OK");
            CHECK_ERRNO(open(PRELOAD, O_WRONLY), ENOENT, "O_WRONLY");
            CHECK_ERRNO(open(PRELOAD, O_RDWR), ENOENT, "O_RDWR");
        }
        return;
    }

    /* QEMU looks for faccessat()'s files on the host, not in the sysroot. */
#ifdef SYS_access
    CHECK(syscall(SYS_access, PRELOAD, W_OK) == 0, "W_OK");
#endif
    fd = open(PRELOAD, O_WRONLY | O_APPEND);
    CHECK(fd >= 0 && fstat(fd, &st) == 0 && stat(real, &real_st) == 0 &&
          st.st_dev == real_st.st_dev && st.st_ino == real_st.st_ino,
          "O_WRONLY does not open the real file");
    if (failures) {
        return;
    }
    CHECK(write(fd, "# one\n", 6) == 6, "write");
    close(fd);
    take();
    look_everywhere();

    fd = open(PRELOAD, O_RDWR | O_CREAT | O_APPEND, 0644);
    CHECK(fd >= 0 && write(fd, "# two\n", 6) == 6, "O_CREAT");
    close(fd);
    CHECK_ERRNO(open(PRELOAD, O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST,
                "O_EXCL");
    take();
    look_everywhere();

    fd = open(PRELOAD, O_RDONLY | O_TRUNC);
    CHECK(fd >= 0 && stat(real, &st) == 0 && st.st_size == 0, "O_TRUNC");
    close(fd);
    take();
    look_everywhere();
}

/* QEMU's own environment is what the guest's is to be. */
static void check_environ(void)
{
    static char buf[1024 * 1024];
    int fd = open("/proc/self/environ", O_RDONLY);
    size_t len = slurp(fd, buf, sizeof(buf));
    char *passed = buf;

    close(fd);
    for (char **var = environ; *var; var++) {
        CHECK(passed < buf + len && !strcmp(*var, passed), "%s and not %s",
              *var, passed);
        passed += strlen(passed) + 1;
    }
    CHECK(passed == buf + len, "not passed: %s", passed);
    CHECK(!getenv("LD_PRELOAD"), "%s", getenv("LD_PRELOAD"));
}

/* What the file is for. */
static void check_loaded(void)
{
    void *fn = dlsym(RTLD_DEFAULT, "strlen");
    int (*preloaded)(void) = dlsym(RTLD_DEFAULT, "native_preloaded");
    Dl_info info = { };

    CHECK(dladdr(fn, &info) && !strcmp(info.dli_fname, getenv("NATIVE_LIB")),
          "strlen is of %s", info.dli_fname);
    if (getenv("NATIVE_REAL")) {
        CHECK(preloaded && preloaded() == 1, "real lines are not loaded");
    } else {
        CHECK(!preloaded, "real lines are loaded from nowhere");
    }
}

int main(void)
{
    check_loaded();
    check_environ();
    take();
    look_everywhere();
    look_beside();
    check_flags();
    in_child(look_everywhere, "fork");
    in_child(without_fds, "without_fds");
    change();
    check_environ();
    return failures != 0;
}
