/*
 * Test --native-bypass: /etc/ld.so.preload, of which the loader alone gets
 * another version
 *
 * Each system call that takes a path is made twice, with the file's name and
 * with another name of the real file, and has to give the same.  In the
 * environment, NATIVE_REAL is a second link to the file of the sysroot; without
 * it, the sysroot has none.  QEMU looks some calls' paths up in the sysroot
 * (-L), and those of others on the host alone.
 *
 * As "native-preload fds" and "native-preload rewrite", this is a child.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* The kernel's structures, for the raw system calls. */
#define stat kernel_stat
#define stat64 kernel_stat64
#include <asm/stat.h>
#undef stat
#undef stat64

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PRELOAD     "/etc/ld.so.preload"
#define TMP         "native-preload.tmp"

/* The host's, as no sysroot has this path; and where nothing ever is */
#define HOST        "/proc/self/root" PRELOAD
#define NOWHERE     "/nonexistent"

/* As in linux/openat2.h, which older toolchains do not have. */
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

/* What a call writes, with each of the two names. */
static char data[2][8192];

/* Check that @call gives with @path as "name" what it gives with @other. */
#define SAME(other, call)                                               \
    do {                                                                \
        const char *names_[2] = { path, other };                        \
        long ret_[2];                                                   \
        int err_[2];                                                    \
                                                                        \
        for (int i_ = 0; i_ < 2; i_++) {                                \
            const char *name = names_[i_];                              \
            void *buf = data[i_];                                       \
                                                                        \
            memset(buf, 0, sizeof(data[i_]));                           \
            errno = 0;                                                  \
            ret_[i_] = (call);                                          \
            err_[i_] = ret_[i_] == -1 ? errno : 0;                      \
        }                                                               \
        CHECK(ret_[0] == ret_[1] && err_[0] == err_[1],                 \
              "%s: %ld, errno %d; %s: %ld, errno %d", path, ret_[0],    \
              err_[0], names_[1], ret_[1], err_[1]);                    \
        CHECK(!memcmp(data[0], data[1], sizeof(data[0])),               \
              "%s and %s differ", path, names_[1]);                     \
    } while (0)

/*
 * Names of what PRELOAD is: in the sysroot or else on the host, in the sysroot
 * alone, and on the host alone
 */
static const char *real, *rooted, *host;
static char sysroot_file[PATH_MAX];

/* The file that @fd is, and its content. */
static long contents(int fd, char *buf)
{
    uint64_t id[3] = { };
    struct stat st;
    ssize_t len;

    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &st) == 0) {
        id[0] = st.st_dev;
        id[1] = st.st_ino;
        id[2] = st.st_size;
    }
    memcpy(buf, id, sizeof(id));
    len = read(fd, buf + sizeof(id), sizeof(data[0]) - sizeof(id));
    close(fd);
    return len < 0 ? 0 : len;
}

static long openat2_(int dirfd, const char *name)
{
#ifdef SYS_openat2
    struct how how = { .flags = O_RDONLY };

    return syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
#else
    return -1;
#endif
}

/*
 * All calls that take a path: @in_sysroot names the real file for those whose
 * path is looked up there, @on_host for the others.
 */
static void look_by_path(const char *path, const char *in_sysroot,
                         const char *on_host)
{
    SAME(in_sysroot, contents(open(name, O_RDONLY), buf));
    SAME(in_sysroot, contents(open(name, O_WRONLY | O_APPEND), buf));
    SAME(in_sysroot, contents(open(name, O_RDWR), buf));
    SAME(in_sysroot, contents(open(name, O_PATH), buf));
#ifdef SYS_open
    SAME(in_sysroot, contents(syscall(SYS_open, name, O_RDONLY), buf));
#endif
#ifdef SYS_access
    SAME(in_sysroot, syscall(SYS_access, name, F_OK));
    SAME(in_sysroot, syscall(SYS_access, name, R_OK));
    SAME(in_sysroot, syscall(SYS_access, name, R_OK | W_OK));
    SAME(in_sysroot, syscall(SYS_access, name, X_OK));
#endif
#ifdef SYS_stat
    SAME(in_sysroot, syscall(SYS_stat, name, buf));
    SAME(in_sysroot, syscall(SYS_lstat, name, buf));
#endif
#ifdef SYS_stat64
    SAME(in_sysroot, syscall(SYS_stat64, name, buf));
    SAME(in_sysroot, syscall(SYS_lstat64, name, buf));
#endif
#ifdef SYS_readlink
    SAME(in_sysroot, syscall(SYS_readlink, name, buf, 256));
#endif
    /* Its numbers of free blocks are never twice the same. */
    SAME(in_sysroot, statfs(name, (struct statfs[1]) { }));

    SAME(on_host, getxattr(name, "user.none", buf, 256));
    SAME(on_host, lgetxattr(name, "user.none", buf, 256));
    SAME(on_host, listxattr(name, buf, 256));
    SAME(on_host, llistxattr(name, buf, 256));

    /* The machine's own file, if there is one, stays as it is. */
    if (!strcmp(host, NOWHERE) && access(HOST, F_OK) && errno == ENOENT) {
        SAME(on_host, chmod(name, 0644));
        SAME(on_host, rename(name, TMP));
        SAME(on_host, link(name, TMP));
        SAME(on_host, unlink(name));
        SAME(on_host, truncate(name, 0));
        SAME(on_host, setxattr(name, "user.none", "", 1, 0));
    }
}

/* All calls that take a directory and a path. */
static void look_at(int dirfd, const char *path, const char *in_sysroot,
                    const char *on_host)
{
    SAME(in_sysroot, contents(openat(dirfd, name, O_RDONLY), buf));
    SAME(in_sysroot, contents(openat(dirfd, name, O_RDWR), buf));
    SAME(in_sysroot, contents(openat2_(dirfd, name), buf));
    SAME(on_host, syscall(SYS_faccessat, dirfd, name, F_OK));
    SAME(on_host, syscall(SYS_faccessat, dirfd, name, R_OK));
#ifdef SYS_faccessat2
    SAME(on_host, syscall(SYS_faccessat2, dirfd, name, R_OK, AT_EACCESS));
#endif
#ifdef SYS_newfstatat
    SAME(in_sysroot, syscall(SYS_newfstatat, dirfd, name, buf, 0));
#endif
#ifdef SYS_fstatat64
    SAME(in_sysroot, syscall(SYS_fstatat64, dirfd, name, buf, 0));
#endif
#ifdef STATX_BASIC_STATS
    SAME(on_host, syscall(SYS_statx, dirfd, name, AT_SYMLINK_NOFOLLOW,
                          STATX_BASIC_STATS, buf));
#endif
    SAME(in_sysroot, syscall(SYS_readlinkat, dirfd, name, buf, 256));
}

static void look(const char *name)
{
    look_by_path(name, real, host);
    look_at(AT_FDCWD, name, real, host);
    look_at(-1, name, real, host);
}

/* The very strings by which the loader asks for the file */
static int look_by_pointer(struct dl_phdr_info *info, size_t size, void *found)
{
    if (info->dlpi_addr != getauxval(AT_BASE)) {
        return 0;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];
        char *at = (char *)info->dlpi_addr + phdr->p_vaddr;
        char *end = at + phdr->p_filesz;

        if (phdr->p_type != PT_LOAD || !(phdr->p_flags & PF_R)) {
            continue;
        }
        for (; (at = memmem(at, end - at, PRELOAD, sizeof(PRELOAD))); at++) {
            look(at);
            ++*(int *)found;
        }
    }
    return 1;
}

static void look_everywhere(void)
{
    static const char *const names[] = {
        PRELOAD, "/etc//ld.so.preload", "/etc/./ld.so.preload",
        "/etc/../etc/ld.so.preload", "//etc/ld.so.preload",
    };
    char cwd[PATH_MAX];
    int etc, found = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        look(names[i]);
    }
    dl_iterate_phdr(look_by_pointer, &found);
    CHECK(found, "the loader has no such string");

    /* The sysroot has this directory. */
    etc = open("/etc", O_RDONLY | O_DIRECTORY);
    CHECK(etc >= 0, "/etc");
    look_at(etc, "ld.so.preload", rooted, rooted);
    look_at(etc, "../etc/ld.so.preload", rooted, rooted);
    close(etc);

    /* But the working directory is the host's. */
    CHECK(getcwd(cwd, sizeof(cwd)) && chdir("/etc") == 0, "/etc");
    look_by_path("ld.so.preload", host, host);
    look_at(AT_FDCWD, "./ld.so.preload", host, host);
    CHECK(chdir(cwd) == 0, "%s", cwd);
}

/* That these are comparisons with what they should be. */
static void check_real(void)
{
    struct stat st, real_st, root_st;
    int fd = open(PRELOAD, O_RDONLY);
    char buf[4096];
    ssize_t len;

    if (getenv("NATIVE_REAL")) {
        CHECK(fd >= 0 && fstat(fd, &st) == 0 && stat(real, &real_st) == 0 &&
              stat(sysroot_file, &root_st) == 0, PRELOAD);
        CHECK(st.st_dev == real_st.st_dev && st.st_ino == real_st.st_ino &&
              st.st_dev == root_st.st_dev && st.st_ino == root_st.st_ino &&
              st.st_nlink == 2, PRELOAD " is another file");
    } else if (!*getenv("NATIVE_HOST_PRELOAD")) {
        CHECK(fd == -1 && errno == ENOENT, PRELOAD);
        CHECK(access(PRELOAD, F_OK) == -1 && errno == ENOENT, PRELOAD);
    }
    len = read(fd, buf, sizeof(buf));
    CHECK(len <= 0 || !memmem(buf, len, "libnative.so", 12), PRELOAD);
    close(fd);
}

static void check_fork(void)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        failures = 0;
        check_real();
        look_everywhere();
        fflush(stdout);
        _exit(failures != 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
          WEXITSTATUS(status) == 0, "fork: status %x", status);
}

/* QEMU's own environment is what the guest's is to be. */
static void check_environ(void)
{
    static char buf[1024 * 1024];
    int fd = open("/proc/self/environ", O_RDONLY);
    char *passed = buf;
    size_t len = 0;
    ssize_t n;

    while (len < sizeof(buf) &&
           (n = read(fd, buf + len, sizeof(buf) - len)) > 0) {
        len += n;
    }
    close(fd);
    for (char **var = environ; *var; var++) {
        CHECK(passed < buf + len && !strcmp(*var, passed), "%s and not %s",
              *var, passed);
        passed += strlen(passed) + 1;
    }
    CHECK(passed == buf + len, "not passed: %s", passed);
    CHECK(!getenv("LD_PRELOAD"), "%s", getenv("LD_PRELOAD"));
}

/* Where libraries are in the order of loading */
struct order {
    int count, native, preloaded;
};

static int note(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char *slash = strrchr(info->dlpi_name, '/');
    struct order *order = arg;

    order->count++;
    if (slash && !strcmp(slash, "/libnative.so")) {
        order->native = order->count;
    } else if (slash && !strcmp(slash, "/libpreloaded.so")) {
        order->preloaded = order->count;
    }
    return 0;
}

/* What the loader has read: the real file's lines, and then ours. */
static void check_loaded(void)
{
    void *fn = dlsym(RTLD_DEFAULT, "strlen");
    int (*preloaded)(void) = dlsym(RTLD_DEFAULT, "native_preloaded");
    struct order order = { };
    Dl_info info = { };

    CHECK(dladdr(fn, &info) && !strcmp(info.dli_fname, getenv("NATIVE_LIB")),
          "strlen is of %s", info.dli_fname);
    dl_iterate_phdr(note, &order);
    CHECK(order.native, "libnative.so is not loaded");
    if (getenv("NATIVE_REAL")) {
        CHECK(preloaded && preloaded() == 1, "real lines are not loaded");
        CHECK(order.preloaded && order.preloaded < order.native,
              "loaded as number %d and %d", order.preloaded, order.native);
    } else {
        CHECK(!preloaded, "real lines are loaded from nowhere");
    }
}

/* The output of this program as @mode, run by QEMU with @option. */
static void run(const char *self, const char *option, const char *mode,
                char *buf, size_t size)
{
    char command[1024];
    FILE *out;
    int status;

    snprintf(command, sizeof(command),
             "\"$QEMU\" -L \"$NATIVE_SYSROOT\" %s %s %s", option, self, mode);
    fflush(stdout);
    out = popen(command, "r");
    CHECK(out, "%s", command);
    if (out) {
        buf[fread(buf, 1, size - 1, out)] = 0;
        status = pclose(out);
        CHECK(status == 0, "%s: status %x", command, status);
    }
}

static int print_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char target[PATH_MAX];
    ssize_t len;

    while ((entry = readdir(dir))) {
        if (*entry->d_name != '.' && atoi(entry->d_name) != dirfd(dir)) {
            len = readlinkat(dirfd(dir), entry->d_name, target,
                             sizeof(target));
            /* The pipe to our parent is another one each time. */
            printf("%s %.*s\n", entry->d_name,
                   len > 5 && !memcmp(target, "pipe:", 5) ? 4 : (int)len,
                   target);
        }
    }
    return 0;
}

/* None but those that are there without the option */
static void check_fds(const char *self)
{
    static char without[65536], with[65536];

    run(self, "", "fds", without, sizeof(without));
    run(self, "--native-bypass \"$NATIVE_LIB\"", "fds", with, sizeof(with));
    CHECK(strstr(without, "1 pipe\n"), "%s", without);
    CHECK(!strcmp(without, with), "%s--- and not\n%s---", with, without);
}

/* As "sed -i" does: what is read goes to a new file, which takes the name. */
static int rewrite(void)
{
    char tmp[PATH_MAX], buf[4096];
    /* Not stat(), which may be statx(), which sees no sysroot. */
    int fd = open(PRELOAD, O_RDONLY);
    ssize_t len;

    if (fd < 0) {
        return 0;
    }
    len = read(fd, buf, sizeof(buf));
    close(fd);
    snprintf(tmp, sizeof(tmp), "%s.tmp", sysroot_file);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
    CHECK(len >= 0 && fd >= 0 && write(fd, buf, len) == len &&
          close(fd) == 0 && rename(tmp, sysroot_file) == 0, "%s", tmp);
    return failures != 0;
}

static void check_rewrite(const char *self)
{
    static char before[sizeof(data[0])], after[sizeof(data[0])];
    size_t id = 2 * sizeof(uint64_t);
    char out[4096];

    if (!strcmp(real, HOST)) {
        return;
    }
    contents(open(sysroot_file, O_RDONLY), before);
    for (int i = 0; i < 3; i++) {
        run(self, "--native-bypass \"$NATIVE_LIB\"", "rewrite", out,
            sizeof(out));
        CHECK(!*out, "%s", out);
    }
    contents(open(sysroot_file, O_RDONLY), after);
    /* size and content, but of another inode */
    CHECK(!memcmp(before + id, after + id, sizeof(before) - id),
          "now it is:\n%s---", after + sizeof(uint64_t) * 3);
    if (getenv("NATIVE_REAL")) {
        CHECK(memcmp(before, after, id), "it was not rewritten");
    } else {
        unlink(sysroot_file);
    }
}

int main(int argc, char **argv)
{
    snprintf(sysroot_file, sizeof(sysroot_file), "%s" PRELOAD,
             getenv("NATIVE_SYSROOT"));
    host = *getenv("NATIVE_HOST_PRELOAD") ? HOST : NOWHERE;
    real = getenv("NATIVE_REAL") ?: host;
    rooted = getenv("NATIVE_REAL") ?: NOWHERE;
    if (argc == 2) {
        return !strcmp(argv[1], "fds") ? print_fds() : rewrite();
    }

    check_loaded();
    check_environ();
    check_real();
    look_everywhere();
    check_fork();
    check_fds(argv[0]);
    check_environ();
    check_rewrite(argv[0]);
    return failures != 0;
}
