/*
 * Native bypass: the option and how the guest library gets loaded
 *
 * The guest's loader finds the library in /etc/ld.so.preload, which here is a
 * virtual file, so that neither the guest's environment nor anything that its
 * children see is changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/path.h"
#include "qemu.h"
#include "user-internals.h"
#include "signal-common.h"
#include "fd-trans.h"
#include "user/cpu_loop.h"
#include "user/guest-host.h"
#include "native-bypass.h"
#include <sys/resource.h>

#if TARGET_LONG_BITS == 64
#define ELF_CLASS   ELFCLASS64
#else
#define ELF_CLASS   ELFCLASS32
#endif
#include "elf.h"

#define OPTION      "--native-bypass"
#define VARIABLE    "QEMU_NATIVE_BYPASS"
#define PRELOAD     "/etc/ld.so.preload"

#if defined(TARGET_X86_64)
#define LIB_MACHINE EM_X86_64
#elif defined(TARGET_I386)
#define LIB_MACHINE EM_386
#elif defined(TARGET_AARCH64)
#define LIB_MACHINE EM_AARCH64
#elif defined(TARGET_ARM)
#define LIB_MACHINE EM_ARM
#elif defined(TARGET_MIPS)
#define LIB_MACHINE EM_MIPS
#endif

#define LIB_DATA    (TARGET_BIG_ENDIAN ? ELFDATA2MSB : ELFDATA2LSB)

/* As given; then, once checked, its absolute path. */
static const char *native_lib;

/* From the environment alone, LIB is an offer, made to whom it may concern. */
static bool is_offer;

void native_bypass_option(const char *arg)
{
    native_lib = arg;
    is_offer = arg == getenv(VARIABLE);
}

/* What an ELF header of @ident and @machine stands for, in the user's words. */
static char *describe(const uint8_t *ident, unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } machines[] = {
        { EM_386, "i386" }, { EM_X86_64, "x86_64" }, { EM_ARM, "Arm" },
        { EM_AARCH64, "AArch64" }, { EM_MIPS, "MIPS" }, { EM_PPC, "PowerPC" },
        { EM_PPC64, "PowerPC64" }, { EM_RISCV, "RISC-V" },
        { EM_S390, "S/390" }, { EM_SPARC, "SPARC" }, { EM_SPARCV9, "SPARC V9" },
        { EM_LOONGARCH, "LoongArch" }, { EM_68K, "m68k" }, { EM_SH, "SuperH" },
    };
    g_autofree char *unknown = g_strdup_printf("machine %u", machine);
    const char *name = unknown;

    for (size_t i = 0; i < ARRAY_SIZE(machines); i++) {
        if (machines[i].machine == machine) {
            name = machines[i].name;
        }
    }
    return g_strdup_printf("%s-bit %s-endian %s",
                           ident[EI_CLASS] == ELFCLASS64 ? "64" : "32",
                           ident[EI_DATA] == ELFDATA2MSB ? "big" : "little",
                           name);
}

/* What is wrong with the ABI that e_flags tells of, or NULL. */
static const char *foreign_abi(uint32_t flags)
{
#ifdef TARGET_ABI_MIPSO32
    if (flags & EF_MIPS_ABI2) {
        return "of the n32 ABI, and the o32 one is needed";
    }
#elif defined(TARGET_ARM) && !defined(TARGET_AARCH64)
    if (EF_ARM_EABI_VERSION(flags) < EF_ARM_EABI_VER4) {
        return "not of the EABI, which is needed";
    }
#endif
    return NULL;
}

/* Why the file @fd cannot be LIB, or NULL. */
static char *check_elf(int fd)
{
    static const uint8_t wanted[EI_NIDENT] = {
        [EI_CLASS] = ELF_CLASS, [EI_DATA] = LIB_DATA,
    };
    struct elfhdr ehdr = {};
    struct stat st;
    uint8_t *ident = ehdr.e_ident;
    const char *abi;
    uint16_t type, machine;
    ssize_t size;

    if (fstat(fd, &st) < 0) {
        return g_strdup(strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return g_strdup("not a regular file");
    }
    size = pread(fd, &ehdr, sizeof(ehdr), 0);
    if (size < 0) {
        return g_strdup(strerror(errno));
    }
    if (memcmp(ident, ELFMAG, MIN(size, SELFMAG)) || size == 0) {
        return g_strdup("not an ELF file");
    }
    if (size < EI_NIDENT + 4) {
        return g_strdup("truncated ELF file");
    }

    /* e_type and e_machine stand in one place in all ELF headers. */
    type = ident[EI_DATA] == ELFDATA2MSB ? lduw_be_p(&ehdr.e_type)
                                         : lduw_le_p(&ehdr.e_type);
    machine = ident[EI_DATA] == ELFDATA2MSB ? lduw_be_p(&ehdr.e_machine)
                                            : lduw_le_p(&ehdr.e_machine);
    if (ident[EI_CLASS] != ELF_CLASS || ident[EI_DATA] != LIB_DATA ||
        machine != LIB_MACHINE) {
        g_autofree char *is = describe(ident, machine);
        g_autofree char *needed = describe(wanted, LIB_MACHINE);

        return g_strdup_printf("%s, and %s is needed", is, needed);
    }
    if (size < sizeof(ehdr)) {
        return g_strdup("truncated ELF file");
    }
    abi = foreign_abi(tswap32(ehdr.e_flags));
    if (abi) {
        return g_strdup(abi);
    }
    if (type != ET_DYN) {
        return g_strdup("not a shared library");
    }
    for (unsigned i = 0; i < tswap16(ehdr.e_phnum); i++) {
        struct elf_phdr phdr;
        off_t offset = tswapal(ehdr.e_phoff) + i * sizeof(phdr);

        if (pread(fd, &phdr, sizeof(phdr), offset) != sizeof(phdr) ||
            (tswap32(phdr.p_type) == PT_LOAD &&
             (uint64_t)tswapal(phdr.p_offset) + tswapal(phdr.p_filesz) >
             st.st_size)) {
            return g_strdup("truncated ELF file");
        }
    }
    return NULL;
}

/* Make native_lib absolute, or say why it cannot be used. */
static char *resolve_lib(void)
{
    g_autofree char *in_dir = g_build_filename(native_lib,
                                               TARGET_NAME "-linux-user",
                                               "libnative.so", NULL);
    bool is_dir = g_file_test(native_lib, G_FILE_TEST_IS_DIR);
    g_autofree char *why = NULL;
    char *real = realpath(is_dir ? in_dir : native_lib, NULL);
    int fd;

    if (!real) {
        return is_dir && errno == ENOENT
            ? g_strdup_printf("%s: no " TARGET_NAME "-linux-user/libnative.so "
                              "in this directory", native_lib)
            : g_strdup_printf("%s: %s", is_dir ? in_dir : native_lib,
                              strerror(errno));
    }
    /* A FIFO must not keep us waiting for its other end. */
    fd = open(real, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return g_strdup_printf("%s: %s", real, strerror(errno));
    }
    why = check_elf(fd);
    close(fd);
    if (why) {
        return g_strdup_printf("%s: %s", real, why);
    }
    if (strpbrk(real, " \t\r\n\v\f:#")) {
        return g_strdup_printf("%s: " PRELOAD " cannot hold a path with "
                               "white space, ':' or '#'", real);
    }
    native_lib = real;
    return NULL;
}

/* Whether -d was given: LOG_TRACE may be set without it. */
static bool logs(void)
{
    return qemu_loglevel_mask(~LOG_TRACE);
}

static void refuse_lib(const char *why)
{
    if (!is_offer) {
        error_report(OPTION ": %s", why);
        exit(EXIT_FAILURE);
    }
    native_bypass_enabled = false;
    if (logs()) {
        qemu_log("native_bypass: " VARIABLE ": %s\n", why);
    }
}

void native_bypass_init(bool plugins)
{
    g_autofree char *why = NULL;

    if (!native_lib || (is_offer && !*native_lib)) {
        return;
    }
    why = resolve_lib();
    if (why) {
        refuse_lib(why);
        return;
    }
    native_bypass_enabled = true;
    if (qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        pthread_atfork(NULL, NULL, native_bypass_reset);
    }
    if (plugins) {
        warn_report(OPTION ": plugins do not see what native calls execute "
                    "and access");
    }
}

/* The loader's address in the guest's auxiliary vector: 0 if there is none. */
static abi_ulong interpreter_base(struct image_info *info)
{
    abi_ulong type, value, addr = info->saved_auxv;

    do {
        if (get_user_ual(type, addr) ||
            get_user_ual(value, addr + sizeof(abi_ulong))) {
            return 0;
        }
        if (type == AT_BASE) {
            return value;
        }
        addr += 2 * sizeof(abi_ulong);
    } while (type != AT_NULL);
    return 0;
}

void native_bypass_start(struct image_info *info)
{
    g_autofree char *name = NULL;

    if (!native_bypass_enabled) {
        return;
    }

    /*
     * Unlike the guest's own accesses, those of a host function do not wrap
     * at the end of a limited guest address space: stop them there.
     */
    if (reserved_va) {
        void *end = g2h_untagged(0) + reserved_va + 1;
        void *guard = mmap(end, qemu_real_host_page_size(), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
                           MAP_FIXED_NOREPLACE, -1, 0);

        if (guard != end) {
            g_autofree char *why =
                g_strdup_printf("no guard page at %p, behind the guest's "
                                "address space: %s", end,
                                guard == MAP_FAILED ? strerror(errno)
                                : "the host's kernel is too old");

            refuse_lib(why);
            return;
        }
    }

    /* A loader started by hand has no loader, and preloads all the same. */
    name = g_path_get_basename(exec_path);
    if (!interpreter_base(info) &&
        !(g_str_has_prefix(name, "ld") && strstr(name, ".so"))) {
        if (!is_offer) {
            warn_report(OPTION ": %s: nothing is preloaded: a static program",
                        exec_path);
        } else if (logs()) {
            qemu_log("native_bypass: %s: a static program\n", exec_path);
        }
    }
}

/*
 * The virtual file is a memfd that keeps its inode as long as possible, at a
 * high number where the guest is unlikely to meet it.  The guest may close or
 * replace it all the same: it is ours only while it is this inode.
 *
 * It is the last number of the table that the kernel begins with: to have a
 * process with threads wait for a larger one takes 10 ms.
 */
#define PRELOAD_FD  63

static int preload_fd = -1;
static dev_t preload_dev;
static ino_t preload_ino;

static int preload_create(const char *content)
{
    int fd = memfd_create("ld.so.preload", MFD_CLOEXEC);

    if (fd >= 0 && (fchmod(fd, 0644) < 0 ||
                    pwrite(fd, content, strlen(content), 0) < 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* What the virtual file holds now, the real one being what it is now. */
static char *preload_content(void)
{
    g_autofree char *real = NULL;

    g_file_get_contents(path(PRELOAD), &real, NULL, NULL);
    return g_strdup_printf("%s\n%s", native_lib, real ?: "");
}

/* The virtual file, up to date: a descriptor of ours, or -1 and errno. */
static int preload_get(const char *content)
{
    size_t len = strlen(content);
    int fd = qatomic_read(&preload_fd);
    struct rlimit limit;
    struct stat st;
    int high;

    if (fd >= 0 && fstat(fd, &st) == 0 &&
        st.st_dev == preload_dev && st.st_ino == preload_ino) {
        g_autofree char *now = g_malloc(len);

        if ((st.st_size == len && pread(fd, now, len, 0) == len &&
             !memcmp(now, content, len)) ||
            (ftruncate(fd, 0) == 0 && pwrite(fd, content, len, 0) == len)) {
            return fd;
        }
    }

    fd = preload_create(content);
    if (fd < 0) {
        return -1;
    }
    high = getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -1
         : fcntl(fd, F_DUPFD_CLOEXEC, (int)MIN(limit.rlim_cur - 1, PRELOAD_FD));
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    if (fstat(fd, &st) == 0) {
        preload_dev = st.st_dev;
        preload_ino = st.st_ino;
        qatomic_set(&preload_fd, fd);
    }
    return fd;
}

/* A new open file description of the virtual file for the guest. */
static abi_long preload_open(int target_flags)
{
    g_autofree char *content = preload_content();
    g_autofree char *link = NULL;
    int flags = O_RDONLY;
    int fd = preload_get(content);

    if (fd < 0) {
        return get_errno(-1);
    }
    if (target_flags & TARGET_O_DIRECTORY) {
        return -TARGET_ENOTDIR;
    }
    flags |= target_flags & TARGET_O_CLOEXEC ? O_CLOEXEC : 0;
    flags |= target_flags & TARGET_O_PATH ? O_PATH : 0;

    link = g_strdup_printf("/proc/self/fd/%d", fd);
    fd = open(link, flags);
    if (fd < 0) {
        /* No /proc, in a chroot perhaps: a file of its own will do. */
        fd = preload_create(content);
        if (fd < 0) {
            return get_errno(-1);
        }
        fcntl(fd, F_SETFD, flags & O_CLOEXEC ? FD_CLOEXEC : 0);
    }
    fd_trans_unregister(fd);
    return fd;
}

static bool is_same_dir(const struct stat *st, const char *dir)
{
    struct stat other;

    return stat(dir, &other) == 0 &&
           st->st_dev == other.st_dev && st->st_ino == other.st_ino;
}

/*
 * Whether @name, relative to the host's @dirfd, is /etc/ld.so.preload.  The
 * guest's /etc is that of -L's directory, but chdir() goes to the host's.
 */
static bool is_preload(int dirfd, const char *name)
{
    const char *slash = strrchr(name, '/');
    g_autofree char *dir = NULL;
    struct stat st;

    if (strcmp(slash ? slash + 1 : name, "ld.so.preload")) {
        return false;
    }
    if (!strcmp(name, PRELOAD)) {
        return true;
    }
    dir = g_path_get_dirname(name);
    return fstatat(dirfd, path(dir), &st, 0) == 0 &&
           (is_same_dir(&st, path("/etc")) || is_same_dir(&st, "/etc"));
}

/* How the system calls that look at a path are made for the virtual file. */
typedef enum {
    LOOK_OPEN,
    LOOK_OPENAT2,
    LOOK_ACCESS,
    LOOK_READLINK,
    LOOK_FD,            /* as @on_fd, which takes a descriptor for the path */
    LOOK_STATX,
} Look;

static const struct {
    int num;
    bool at;            /* the path comes after a descriptor of a directory */
    Look look;
    int on_fd;
} look_syscalls[] = {
#ifdef TARGET_NR_open
    { TARGET_NR_open, false, LOOK_OPEN },
    { TARGET_NR_access, false, LOOK_ACCESS },
    { TARGET_NR_stat, false, LOOK_FD, TARGET_NR_fstat },
    { TARGET_NR_lstat, false, LOOK_FD, TARGET_NR_fstat },
    { TARGET_NR_readlink, false, LOOK_READLINK },
#endif
#ifdef TARGET_NR_stat64
    { TARGET_NR_stat64, false, LOOK_FD, TARGET_NR_fstat64 },
    { TARGET_NR_lstat64, false, LOOK_FD, TARGET_NR_fstat64 },
    { TARGET_NR_fstatat64, true, LOOK_FD, TARGET_NR_fstat64 },
    { TARGET_NR_statfs64, false, LOOK_FD, TARGET_NR_fstatfs64 },
#else
    { TARGET_NR_newfstatat, true, LOOK_FD, TARGET_NR_fstat },
#endif
    { TARGET_NR_openat, true, LOOK_OPEN },
    { TARGET_NR_openat2, true, LOOK_OPENAT2 },
    { TARGET_NR_faccessat, true, LOOK_ACCESS },
    { TARGET_NR_faccessat2, true, LOOK_ACCESS },
    { TARGET_NR_statx, true, LOOK_STATX },
    { TARGET_NR_readlinkat, true, LOOK_READLINK },
    { TARGET_NR_statfs, false, LOOK_FD, TARGET_NR_fstatfs },
    { TARGET_NR_getxattr, false, LOOK_FD, TARGET_NR_fgetxattr },
    { TARGET_NR_lgetxattr, false, LOOK_FD, TARGET_NR_fgetxattr },
    { TARGET_NR_listxattr, false, LOOK_FD, TARGET_NR_flistxattr },
    { TARGET_NR_llistxattr, false, LOOK_FD, TARGET_NR_flistxattr },
};

/* Whether the guest's open flags, or its struct open_how, only look. */
static bool opens_to_look(Look look, bool absolute, abi_ulong arg,
                          abi_ulong *flags)
{
    *flags = arg;
    if (look == LOOK_OPENAT2) {
        struct target_open_how_ver0 *how = lock_user(VERIFY_READ, arg,
                                                     sizeof(*how), 1);
        uint64_t resolve;

        if (!how) {
            return false;
        }
        *flags = tswap64(how->flags);
        resolve = tswap64(how->resolve);
        unlock_user(how, arg, 0);
        if (absolute && (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))) {
            return false;
        }
    }
    return (*flags & TARGET_O_ACCMODE) == TARGET_O_RDONLY &&
           !(*flags & (TARGET_O_CREAT | TARGET_O_TRUNC));
}

bool native_bypass_syscall(int *num, abi_long *arg1, abi_long *arg2,
                           abi_long *arg3, abi_long *ret)
{
    g_autofree char *content = NULL;
    abi_long name_addr, mode;
    abi_ulong flags;
    size_t i, len;
    char *name;
    bool absolute, ours;
    int fd;

    if (likely(!native_bypass_enabled)) {
        return false;
    }
    for (i = 0; i < ARRAY_SIZE(look_syscalls); i++) {
        if (look_syscalls[i].num == *num) {
            break;
        }
    }
    if (i == ARRAY_SIZE(look_syscalls)) {
        return false;
    }

    name_addr = look_syscalls[i].at ? *arg2 : *arg1;
    mode = look_syscalls[i].at ? *arg3 : *arg2;
    name = lock_user_string(name_addr);
    if (!name) {
        return false;
    }
    len = strlen(name);
    absolute = name[0] == '/';
    ours = is_preload(look_syscalls[i].at ? *arg1 : AT_FDCWD, name);
    unlock_user(name, name_addr, 0);
    if (!ours) {
        return false;
    }

    switch (look_syscalls[i].look) {
    case LOOK_OPEN:
    case LOOK_OPENAT2:
        if (!opens_to_look(look_syscalls[i].look, absolute, mode, &flags)) {
            return false;
        }
        *ret = preload_open(flags);
        return true;
    case LOOK_ACCESS:
        if (mode & ~(R_OK | X_OK)) {
            return false;
        }
        *ret = mode & X_OK ? -TARGET_EACCES : 0;
        return true;
    case LOOK_READLINK:
        *ret = -TARGET_EINVAL;
        return true;
    case LOOK_FD:
    case LOOK_STATX:
        content = preload_content();
        fd = preload_get(content);
        if (fd < 0) {
            return false;
        }
        *arg1 = fd;
        if (look_syscalls[i].look == LOOK_STATX) {
            /* The path's own end serves as the empty path. */
            *arg2 = name_addr + len;
            *arg3 |= AT_EMPTY_PATH;
        } else {
            *num = look_syscalls[i].on_fd;
            if (look_syscalls[i].at) {
                *arg2 = *arg3;
            }
        }
        return false;
    }
    g_assert_not_reached();
}

bool native_bypass_host_signal(CPUState *cpu, siginfo_t *info, void *mask,
                               uintptr_t pc, MMUAccessType *access_type)
{
    uintptr_t host_addr = (uintptr_t)info->si_addr;
    abi_ulong addr = h2g_nocheck(host_addr);
    NativeFault fault;

    fault = native_bypass_fault(info->si_signo, host_addr, access_type, &addr);
    if (fault == NATIVE_FAULT_NONE) {
        return false;
    }
    if (info->si_signo == SIGSEGV && fault == NATIVE_FAULT_GUEST) {
        info->si_addr = (void *)(uintptr_t)addr;
        return true;
    }

    sigprocmask(SIG_SETMASK, mask, NULL);
    if (fault == NATIVE_FAULT_RETRY) {
        cpu_restore_state(cpu, pc);
        cpu_loop_exit_noexc(cpu);
    }
    if (info->si_code == SI_KERNEL) {
        /* What x86 hosts make of a non-canonical address in %rsp or %rbp */
        cpu_loop_exit_sigsegv(cpu, addr, *access_type, true, pc);
    }
    force_sig_fault(TARGET_SIGBUS, TARGET_BUS_ADRERR, addr);
    cpu->exception_index = EXCP_INTERRUPT;
    cpu_loop_exit_restore(cpu, pc);
}
