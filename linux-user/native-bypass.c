/*
 * Native bypass: the option
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu.h"
#include "user/guest-host.h"
#include "user/native-hooks.h"
#include "user/native-library.h"
#include "user/native-marker.h"
#include "user/tb-cache.h"
#include "native-bypass.h"
#include "tb-cache.h"

#include "target_elf.h"
#include "elf.h"

#define OPTION      "--native-bypass"
#define VARIABLE    "QEMU_NATIVE_BYPASS"
#define AUTO        "auto"
#define EXCLUDE     AUTO ",exclude="
#define OFF         "off"
#define SUFFIX      "-native"

/* Does e_flags fit the target's ABI?  QEMU's loader does not check that. */
#if defined(TARGET_ABI_MIPSO32)
#define elf_check_abi(x)    (!((x) & EF_MIPS_ABI2))
#elif defined(TARGET_ARM) && !defined(TARGET_AARCH64)
#define elf_check_abi(x)    (EF_ARM_EABI_VERSION(x) >= EF_ARM_EABI_VER4)
#elif !defined(elf_check_abi)
#define elf_check_abi(x)    true
#endif

#define LIB_DATA    (TARGET_BIG_ENDIAN ? ELFDATA2MSB : ELFDATA2LSB)

/* As given; then, once checked, its absolute path. */
static const char *native_lib;

/* LIB is not from the command line, and need not fit this program. */
static bool is_offer;

static bool is_lib(const char *arg)
{
    return strcmp(arg, AUTO) && strcmp(arg, OFF) &&
           !g_str_has_prefix(arg, AUTO ",");
}

/* parse_args() passes the variable's value first, if it is set. */
void native_bypass_option(const char *arg)
{
    static bool parsed;
    bool is_variable = !parsed && getenv(VARIABLE) &&
                       !qemu_getauxval(AT_SECURE);

    parsed = true;
    if (native_lib && !is_offer && is_lib(arg) != is_lib(native_lib)) {
        error_report(OPTION ": %s: not together with %s", arg, native_lib);
        exit(EXIT_FAILURE);
    }
    is_offer = is_variable;
    native_lib = arg;
}

const char *native_bypass_lib(bool *must_fit)
{
    *must_fit = !is_offer;
    return native_bypass_enabled && !native_bypass_auto ? native_lib : NULL;
}

bool native_bypass_logs(void)
{
    return qemu_loglevel_mask(~LOG_TRACE);
}

bool native_bypass_elf_fits(const void *header)
{
    const struct elfhdr *ehdr = header;
    const uint8_t *ident = ehdr->e_ident;

    return !memcmp(ident, ELFMAG, SELFMAG) && ident[EI_CLASS] == ELF_CLASS &&
           ident[EI_DATA] == LIB_DATA &&
           tswap16(ehdr->e_machine) == ELF_MACHINE &&
           elf_check_abi(tswap32(ehdr->e_flags));
}

/* Why the file @fd cannot be LIB, or NULL. */
static char *check_elf(int fd)
{
    struct elfhdr ehdr = {};
    struct stat st;
    const uint8_t *ident = ehdr.e_ident;
    bool has_note = false;
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
    if (size < sizeof(ehdr)) {
        return g_strdup("truncated ELF file");
    }
    if (!native_bypass_elf_fits(&ehdr)) {
        return g_strdup("not built for " TARGET_NAME);
    }
    if (tswap16(ehdr.e_type) != ET_DYN) {
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
        if (tswap32(phdr.p_type) == PT_NOTE) {
            char note[256];

            size = pread(fd, note, sizeof(note), tswapal(phdr.p_offset));
            has_note |= size > 0 && memmem(note, size, NATIVE_NOTE,
                                           sizeof(NATIVE_NOTE));
        }
    }
    return has_note ? NULL : g_strdup("not a libnative.so");
}

/* Make native_lib absolute, or return why it cannot be used. */
static char *resolve_lib(void)
{
    g_autofree char *in_dir = g_build_filename(native_lib,
                                               TARGET_NAME "-linux-user",
                                               "libnative.so", NULL);
    bool is_dir = g_file_test(native_lib, G_FILE_TEST_IS_DIR);
    g_autofree char *why = NULL;
    char *real = realpath(is_dir ? in_dir : native_lib, NULL);
    int fd;

    if (!real && errno == ENOENT) {
        return is_dir
            ? g_strdup_printf("%s: no " TARGET_NAME "-linux-user/libnative.so "
                              "in this directory", native_lib)
            : g_strdup_printf("%s: %s; give auto|off|LIB",
                              *native_lib ? native_lib : "''",
                              strerror(ENOENT));
    }
    if (!real) {
        return g_strdup_printf("%s: %s", is_dir ? in_dir : native_lib,
                               strerror(errno));
    }
    /* Do not wait for the other end of a FIFO. */
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
        return g_strdup_printf("%s: /etc/ld.so.preload cannot hold a path with "
                               "white space, ':' or '#'", real);
    }
    native_lib = real;
    return NULL;
}

/* Report an error in VARIABLE */
static void complain(const char *why)
{
    if (native_bypass_logs()) {
        qemu_log("native_bypass: " VARIABLE ": %s\n", why);
    } else if (isatty(STDERR_FILENO) && getpgrp() == getpid()) {
        /* Only for the process started from the terminal, not its children */
        warn_report(VARIABLE ": %s", why);
    }
}

static void refuse_lib(const char *why)
{
    if (!is_offer) {
        error_report(OPTION ": %s", why);
        exit(EXIT_FAILURE);
    }
    native_bypass_enabled = false;
    native_bypass_auto = false;
    /* The file has TBs with native calls. */
    tb_cache_close();
    complain(why);
}

/* Exclude the functions that native_lib names, or return an error. */
static char *exclude(void)
{
    g_auto(GStrv) names = NULL;

    if (!strcmp(native_lib, AUTO)) {
        return NULL;
    }
    if (!g_str_has_prefix(native_lib, EXCLUDE) ||
        !native_lib[strlen(EXCLUDE)]) {
        return g_strdup_printf("%s: no such form; give " AUTO " or " EXCLUDE
                               "FUNCTION[:FUNCTION]...", native_lib);
    }
    names = g_strsplit(native_lib + strlen(EXCLUDE), ":", -1);
    for (char **name = names; *name; name++) {
        if (!native_bypass_exclude(*name)) {
            g_autofree char *why =
                g_strdup_printf("%s: there are no native calls of '%s'; "
                                "separate names with ':'", native_lib, *name);

            if (!is_offer) {
                return g_steal_pointer(&why);
            }
            /* Other targets may have that function. */
            complain(why);
        }
    }
    return NULL;
}

void native_bypass_print_version(void)
{
    g_autofree char *versions = native_library_versions();

    printf("Native libraries: %s\n", versions);
}

void native_bypass_init(bool plugins)
{
    g_autofree char *why = NULL;

    if (!native_lib && (g_str_has_suffix(g_get_prgname(), SUFFIX) ||
                        g_str_has_suffix(g_get_prgname(), SUFFIX "-cached"))) {
        is_offer = true;
        native_lib = AUTO;
    }
    if (!native_lib || !strcmp(native_lib, OFF) || (is_offer && !*native_lib)) {
        return;
    }
    native_bypass_auto = !is_lib(native_lib);
    why = native_bypass_auto ? exclude() : resolve_lib();
    if (why) {
        refuse_lib(why);
        return;
    }
    native_bypass_enabled = true;
    tb_cache_depends(native_bypass_auto ? native_lib : "native library");
    if (plugins) {
        warn_report(OPTION ": plugins do not see what native calls execute "
                    "and access");
    }
}

void native_bypass_start(void)
{
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
}

void native_bypass_close(int fd)
{
    FILE *log;

    if (fd == STDERR_FILENO && native_bypass_enabled &&
        qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        log = qemu_log_trylock();
        qemu_log_unlock(log);
        if (log == stderr) {
            native_bypass_exit();
        }
    }
}
