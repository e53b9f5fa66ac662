/*
 * TBs kept in a file: the option and the guest's system calls
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/magic.h>
#include <sys/vfs.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/option.h"
#include "qemu/units.h"
#include "qemu.h"
#include "user-internals.h"
#include "user-mmap.h"
#include "exec/mmap-lock.h"
#include "accel/tcg/cpu-ops.h"
#include "hw/core/cpu.h"
#include "user/tb-cache.h"
#include "tb-cache.h"

/*
 * An emulator whose name ends in SUFFIX keeps TBs below SHM.  binfmt_misc
 * passes only the name under which the emulator was registered.
 */
#define SUFFIX  "-cached"
#define SHM     "/dev/shm"

#define DEFAULT_SIZE    (256 * MiB)

bool tb_cache_started;

static bool cache_parsed;
static char *cache_dir;
static uint64_t cache_size = DEFAULT_SIZE;
static bool cache_check;
static char *cache_options;

static QemuOptsList tb_cache_opts = {
    .name = "tb-cache",
    .implied_opt_name = "dir",
    .head = QTAILQ_HEAD_INITIALIZER(tb_cache_opts.head),
    .desc = {
        { .name = "dir", .type = QEMU_OPT_STRING },
        { .name = "size", .type = QEMU_OPT_SIZE },
        { .name = "check", .type = QEMU_OPT_BOOL },
        { }
    },
};

void tb_cache_option(const char *arg)
{
    Error *err = NULL;
    QemuOpts *opts = qemu_opts_parse(&tb_cache_opts, arg, true, &err);

    if (!opts) {
        error_reportf_err(err, "-tb-cache: %s: ", arg);
        exit(EXIT_FAILURE);
    }
    cache_parsed = true;
    g_free(cache_dir);
    cache_dir = g_strdup(qemu_opt_get(opts, "dir"));
    cache_size = qemu_opt_get_size(opts, "size", DEFAULT_SIZE);
    cache_check = qemu_opt_get_bool(opts, "check", false);
    qemu_opts_del(opts);
    if (cache_dir && (!cache_dir[0] || !strcmp(cache_dir, "off"))) {
        g_clear_pointer(&cache_dir, g_free);
    }
}

void tb_cache_depends(const char *option)
{
    char *all = g_strdup_printf("%s %s", cache_options ?: "", option);

    g_free(cache_options);
    cache_options = all;
}

/* A directory that no reboot and no disk image preserves; or NULL. */
static char *shm_dir(void)
{
    struct statfs fs;
    struct stat shm, root;

    if (statfs(SHM, &fs) || fs.f_type != TMPFS_MAGIC ||
        stat(SHM, &shm) || stat("/", &root) || shm.st_dev == root.st_dev) {
        return NULL;
    }
    return g_strdup_printf(SHM "/qemu-user-%u", geteuid());
}

void tb_cache_start(const char *cpu_model)
{
    g_autofree char *config = NULL;
    uint64_t seed;

    if (!cache_parsed && g_str_has_suffix(g_get_prgname(), SUFFIX)) {
        cache_dir = shm_dir();
    }

    /*
     * Translators of other targets may depend on more than the lookup of a
     * TB compares.  A log must have the output of each translation.
     */
    if (!cache_dir || !thread_cpu->cc->tcg_ops->keep_tbs ||
        (qemu_loglevel & ~(LOG_STRACE | LOG_TRACE | LOG_PER_THREAD))) {
        return;
    }
    config = g_strdup_printf("%s cpu %s va %lx options%s", TARGET_NAME,
                             cpu_model, reserved_va, cache_options ?: "");
    seed = tb_cache_open(cache_dir, cache_size, cache_check, config);
    if (seed) {
        tb_cache_started = true;
        mmap_repeat_init(seed);
    }
}

void tb_cache_loaded(const struct image_info *info)
{
    struct stat st;

    if (tb_cache_started && !stat(exec_path, &st)) {
        tb_cache_program(st.st_ino ^ (uint64_t)st.st_dev << 32,
                         info->start_code, info->end_code);
    }
}

void tb_cache_exec(void)
{
    /* Other threads may go on meanwhile, and see the descriptors. */
    if (tb_cache_started && !CPU_NEXT(first_cpu)) {
        mmap_lock();
        tb_cache_save(false);
        mmap_unlock();
    }
}

void tb_cache_exit(void)
{
    /* A thread may hold the lock for long: do not wait. */
    if (tb_cache_started && mmap_trylock()) {
        tb_cache_save(CPU_NEXT(first_cpu) != NULL);
        mmap_unlock();
    }
}

void tb_cache_syscall(int num, abi_long ret)
{
    if (is_error(ret)) {
        return;
    }
    switch (num) {
#ifdef TARGET_NR_setuid
    case TARGET_NR_setuid:
#endif
#ifdef TARGET_NR_setuid32
    case TARGET_NR_setuid32:
#endif
#ifdef TARGET_NR_setgid
    case TARGET_NR_setgid:
#endif
#ifdef TARGET_NR_setgid32
    case TARGET_NR_setgid32:
#endif
#ifdef TARGET_NR_setreuid
    case TARGET_NR_setreuid:
#endif
#ifdef TARGET_NR_setreuid32
    case TARGET_NR_setreuid32:
#endif
#ifdef TARGET_NR_setregid
    case TARGET_NR_setregid:
#endif
#ifdef TARGET_NR_setregid32
    case TARGET_NR_setregid32:
#endif
#ifdef TARGET_NR_setresuid
    case TARGET_NR_setresuid:
#endif
#ifdef TARGET_NR_setresuid32
    case TARGET_NR_setresuid32:
#endif
#ifdef TARGET_NR_setresgid
    case TARGET_NR_setresgid:
#endif
#ifdef TARGET_NR_setresgid32
    case TARGET_NR_setresgid32:
#endif
#ifdef TARGET_NR_chroot
    case TARGET_NR_chroot:
#endif
#ifdef TARGET_NR_pivot_root
    case TARGET_NR_pivot_root:
#endif
#ifdef TARGET_NR_setns
    case TARGET_NR_setns:
#endif
#ifdef TARGET_NR_unshare
    case TARGET_NR_unshare:
#endif
        mmap_lock();
        tb_cache_close();
        mmap_unlock();
        break;
    }
}
