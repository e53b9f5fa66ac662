/*
 * Test --native-bypass: /etc/ld.so.preload, of which only the loader gets
 * another version
 *
 * Each system call is made twice, with the file's name and with another name
 * of the real file, and must give the same.  In the environment, NATIVE_REAL
 * is a second link to the sysroot's file; without it, the sysroot has none.
 * QEMU looks up the paths of some calls in the sysroot (-L), and those of
 * others on the host only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "native-test.h"

#define PRELOAD     "/etc/ld.so.preload"

/* The host's file, as no sysroot has this path; and a path to nothing */
#define HOST        "/proc/self/root" PRELOAD
#define NOWHERE     "/nonexistent"

/*
 * Other names of PRELOAD: in the sysroot or else on the host, in the sysroot
 * only, and on the host only
 */
static const char *real, *rooted, *host;

/* The output of a call with each of the two names */
static char data[2][8192];

/* Check that @call gives the same with path and @other as "name". */
#define SAME(other, call) \
    do { \
        const char *names_[2] = { path, other }; \
        long ret_[2]; \
        \
        for (int i_ = 0; i_ < 2; i_++) { \
            const char *name = names_[i_]; \
            void *buf = data[i_]; \
            \
            memset(buf, 0, sizeof(data[i_])); \
            ret_[i_] = (call); \
            ret_[i_] = ret_[i_] == -1 ? -errno : ret_[i_]; \
        } \
        CHECK(ret_[0] == ret_[1] && !memcmp(data[0], data[1], \
                                            sizeof(data[0])), \
              #call ": %ld for %s and %ld for %s", ret_[0], path, ret_[1], \
              names_[1]); \
    } while (0)

/* Identity and content of the file @fd */
static long contents(int fd, char *buf)
{
    struct stat st;
    ssize_t len;
    int n;

    if (fd < 0 || fstat(fd, &st)) {
        return -1;
    }
    n = sprintf(buf, "%llx %llx %llx\n", (unsigned long long)st.st_dev,
                (unsigned long long)st.st_ino, (unsigned long long)st.st_size);
    len = read(fd, buf + n, sizeof(data[0]) - n);
    close(fd);
    return len < 0 ? 0 : len;
}

static int native_openat2(int dirfd, const char *path)
{
    /* struct open_how: flags, mode and resolve */
    return syscall(SYS_openat2, dirfd, path, (uint64_t [3]) { O_RDONLY }, 24);
}

/* QEMU 10.0.13 looks into the directory of -L, 10.2.2 does not. */
static bool openat2_takes_sysroot(void)
{
    int fd = native_openat2(AT_FDCWD, "/etc/real");

    return fd >= 0 && close(fd) == 0;
}

/* All kinds of calls that a loader may make, and some others */
static void look_at(int dirfd, const char *path, const char *in_sysroot,
                    const char *on_host)
{
    SAME(in_sysroot, contents(openat(dirfd, name, O_RDONLY), buf));
    SAME(in_sysroot, contents(openat(dirfd, name, O_RDWR), buf));
    SAME(in_sysroot, contents(openat(dirfd, name, O_PATH), buf));
    SAME(openat2_takes_sysroot() ? in_sysroot : on_host,
         contents(native_openat2(dirfd, name), buf));
    SAME(on_host, syscall(SYS_faccessat, dirfd, name, F_OK));
    SAME(on_host, syscall(SYS_faccessat, dirfd, name, R_OK));
    SAME(on_host, syscall(SYS_faccessat2, dirfd, name, R_OK, AT_EACCESS));
#ifdef SYS_newfstatat
    SAME(in_sysroot, syscall(SYS_newfstatat, dirfd, name, buf, 0));
#else
    SAME(in_sysroot, syscall(SYS_fstatat64, dirfd, name, buf, 0));
#endif
    SAME(on_host, syscall(SYS_statx, dirfd, name, 0, STATX_BASIC_STATS, buf));
    SAME(in_sysroot, syscall(SYS_readlinkat, dirfd, name, buf, 256));
}

static void look(const char *path)
{
    look_at(AT_FDCWD, path, real, host);
#ifdef SYS_open
    SAME(real, contents(syscall(SYS_open, name, O_RDONLY), buf));
    SAME(real, contents(syscall(SYS_open, name, O_WRONLY | O_APPEND), buf));
    SAME(real, syscall(SYS_access, name, F_OK));
    SAME(real, syscall(SYS_access, name, R_OK));
    SAME(real, syscall(SYS_access, name, R_OK | W_OK));
    SAME(real, syscall(SYS_stat, name, buf));
#endif
#ifdef SYS_stat64
    SAME(real, syscall(SYS_stat64, name, buf));
#endif
}

/* Use the very strings with which the loader opens the file. */
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
    int etc, found = 0;

    look(PRELOAD);
    look("/etc/../etc//ld.so.preload");
    dl_iterate_phdr(look_by_pointer, &found);
    CHECK(found, "the loader has no such string");

    /* The sysroot has this directory. */
    etc = open("/etc", O_RDONLY | O_DIRECTORY);
    look_at(etc, "ld.so.preload", rooted, rooted);
    close(etc);
}

/* Check that real names the right file. */
static void check_real(void)
{
    struct stat st, real_st;
    int fd = open(PRELOAD, O_RDONLY);
    ssize_t len;

    if (getenv("NATIVE_REAL")) {
        CHECK(fstat(fd, &st) == 0 && stat(real, &real_st) == 0 &&
              st.st_dev == real_st.st_dev && st.st_ino == real_st.st_ino &&
              st.st_nlink == 2, "another file");
    } else if (!*getenv("NATIVE_HOST_PRELOAD")) {
        CHECK(fd == -1 && errno == ENOENT, "a file");
    }
    len = read(fd, data[0], sizeof(data[0]));
    CHECK(len <= 0 || !memmem(data[0], len, "libnative.so", 12), "our line");
    close(fd);
}

/* Positions of libraries in the order of loading, from 1 */
static int count, native, preloaded;

static int note(struct dl_phdr_info *info, size_t size, void *arg)
{
    count++;
    if (strstr(info->dlpi_name, "/libnative.so")) {
        native = count;
    } else if (strstr(info->dlpi_name, "/libpreloaded.so")) {
        preloaded = count;
    }
    return 0;
}

/* The loader has read the real file's lines, and then ours. */
static void check_loaded(void)
{
    void *fn = dlsym(RTLD_DEFAULT, "strlen");
    Dl_info info = { };

    CHECK(dladdr(fn, &info) && !strcmp(info.dli_fname, getenv("NATIVE_LIB")),
          "strlen is of %s", info.dli_fname);
    dl_iterate_phdr(note, NULL);
    CHECK(native && !preloaded == !getenv("NATIVE_REAL") && preloaded < native,
          "loaded as number %d, the real line as %d", native, preloaded);
}

/* Environment and open files show no trace of it. */
static void check_traces(void)
{
    DIR *dir = opendir("/proc/self/fd");
    char target[PATH_MAX];
    struct dirent *entry;
    ssize_t len;

    while ((entry = readdir(dir))) {
        len = readlinkat(dirfd(dir), entry->d_name, target,
                         sizeof(target) - 1);
        target[len < 0 ? 0 : len] = 0;
        /* qemu-open: QEMU's temporary files, one of which the loader read */
        CHECK(!strstr(target, "libnative.so") && !strstr(target, "qemu-open"),
              "open: %s", target);
    }
    closedir(dir);
    CHECK(!getenv("LD_PRELOAD"), "%s", getenv("LD_PRELOAD"));
}

int main(void)
{
    host = *getenv("NATIVE_HOST_PRELOAD") ? HOST : NOWHERE;
    real = getenv("NATIVE_REAL") ?: host;
    rooted = getenv("NATIVE_REAL") ?: NOWHERE;

    check_loaded();
    check_real();
    look_everywhere();
    check_traces();
    return failures != 0;
}
