/*
 * Native bypass: the option and how the guest library gets loaded
 *
 * The guest's loader finds the library in /etc/ld.so.preload, which has one
 * more line only when the loader reads it.  Neither the guest's environment
 * nor its files are changed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/log.h"
#include "qemu/path.h"
#include "qemu.h"
#include "user-internals.h"
#include "user/guest-host.h"
#include "user/native-hooks.h"
#include "user/native-library.h"
#include "user/native-marker.h"
#include "user/tb-cache.h"
#include "native-bypass.h"
#include "tb-cache.h"
#include <sys/resource.h>

#include "target_elf.h"
#include "elf.h"

#define OPTION      "--native-bypass"
#define VARIABLE    "QEMU_NATIVE_BYPASS"
#define AUTO        "auto"
#define EXCLUDE     AUTO ",exclude="
#define OFF         "off"
#define SUFFIX      "-native"
#define PRELOAD     "/etc/ld.so.preload"

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

/* Report an error in VARIABLE */
static void complain(const char *why)
{
    if (logs()) {
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

/* The value of the guest's auxiliary vector for @wanted, or 0. */
static abi_ulong guest_auxv(struct image_info *info, abi_ulong wanted)
{
    abi_ulong type, value, addr = info->saved_auxv;

    do {
        if (get_user_ual(type, addr) ||
            get_user_ual(value, addr + sizeof(abi_ulong))) {
            return 0;
        }
        if (type == wanted) {
            return value;
        }
        addr += 2 * sizeof(abi_ulong);
    } while (type != AT_NULL);
    return 0;
}

static char *guest_strdup(abi_ulong addr)
{
    char *s = lock_user_string(addr);
    char *copy = g_strdup(s);

    unlock_user(s, addr, 0);
    return copy;
}

/* A copy of string @n of the guest's @array, argv or envp; NULL at its end. */
static char *guest_string(abi_ulong array, unsigned n)
{
    abi_ulong addr;

    if (get_user_ual(addr, array + n * sizeof(addr)) || !addr) {
        return NULL;
    }
    return guest_strdup(addr);
}

/* A copy of the value of @name in the guest's environment, or NULL. */
static char *guest_getenv(struct image_info *info, const char *name)
{
    size_t len = strlen(name);

    for (unsigned i = 0;; i++) {
        g_autofree char *var = guest_string(info->envp, i);

        if (!var) {
            return NULL;
        }
        if (!strncmp(var, name, len) && var[len] == '=') {
            return g_strdup(var + len + 1);
        }
    }
}

/*
 * The program headers of the ELF image that was loaded at @base, and the bias
 * of its addresses; or NULL.
 */
static struct elf_phdr *guest_phdrs(abi_ulong base, int *count,
                                    abi_ulong *bias)
{
    g_autofree struct elf_phdr *phdrs = NULL;
    struct elfhdr ehdr;

    if (copy_from_user(&ehdr, base, sizeof(ehdr)) ||
        memcmp(ehdr.e_ident, ELFMAG, SELFMAG)) {
        return NULL;
    }
    *count = tswap16(ehdr.e_phnum);
    *bias = 0;
    phdrs = g_new(struct elf_phdr, *count);
    if (copy_from_user(phdrs, base + tswapal(ehdr.e_phoff),
                       *count * sizeof(*phdrs))) {
        return NULL;
    }
    /* The first PT_LOAD is at @base, and they are in order. */
    for (int i = *count - 1; i >= 0; i--) {
        phdrs[i].p_type = tswap32(phdrs[i].p_type);
        phdrs[i].p_vaddr = tswapal(phdrs[i].p_vaddr);
        phdrs[i].p_filesz = tswapal(phdrs[i].p_filesz);
        if (phdrs[i].p_type == PT_LOAD) {
            *bias = base - (phdrs[i].p_vaddr & TARGET_PAGE_MASK);
        }
    }
    return g_steal_pointer(&phdrs);
}

/*
 * The address of the string PRELOAD in the loader at @base, or 0: glibc's
 * loader has that string, musl's does not.
 */
static abi_ulong find_preload_name(abi_ulong base)
{
    int count;
    abi_ulong bias;
    g_autofree struct elf_phdr *phdrs = guest_phdrs(base, &count, &bias);

    for (int i = 0; phdrs && i < count; i++) {
        abi_ulong addr = bias + phdrs[i].p_vaddr, size = phdrs[i].p_filesz;
        char *image, *found;

        if (phdrs[i].p_type != PT_LOAD || size == 0) {
            continue;
        }
        image = lock_user(VERIFY_READ, addr, size, true);
        if (image) {
            found = memmem(image, size, PRELOAD, sizeof(PRELOAD));
            unlock_user(image, addr, 0);
            if (found) {
                return addr + (found - image);
            }
        }
    }
    return 0;
}

/*
 * Copies of the strings of all entries with the tag @wanted in the dynamic
 * section of the image at @base.
 */
static GStrv guest_dynamic(abi_ulong base, abi_ulong wanted)
{
    int count;
    abi_ulong tag, value, bias, dynamic = 0, strtab = 0;
    g_autofree struct elf_phdr *phdrs = guest_phdrs(base, &count, &bias);
    GPtrArray *strings = g_ptr_array_new();

    for (int i = 0; phdrs && i < count; i++) {
        if (phdrs[i].p_type == PT_DYNAMIC) {
            dynamic = bias + phdrs[i].p_vaddr;
        }
    }
    /* Two passes, as DT_STRTAB may come last; bounded, as DT_NULL may lack. */
    for (int pass = 0; dynamic && pass < 2; pass++) {
        abi_ulong at = dynamic;

        for (int i = 0; i < 1024; i++, at += 2 * sizeof(tag)) {
            if (get_user_ual(tag, at) || tag == DT_NULL ||
                get_user_ual(value, at + sizeof(tag))) {
                break;
            }
            if (tag == DT_STRTAB) {
                strtab = bias + value;
            } else if (pass == 1 && tag == wanted) {
                char *string = guest_strdup(strtab + value);

                if (string) {
                    g_ptr_array_add(strings, string);
                }
            }
        }
    }
    g_ptr_array_add(strings, NULL);
    return (GStrv)g_ptr_array_free(strings, false);
}

/*
 * The name of a library that the program at @base needs and that interposes
 * the same functions to check their arguments; or NULL.  That library must
 * come first: AddressSanitizer's refuses to run otherwise.
 */
static char *find_checker(abi_ulong base)
{
    static const char *const checkers[] = {
        "libasan.", "libtsan.", "libhwasan.", "libclang_rt.", "libduma.",
        "libdmalloc",
    };
    g_auto(GStrv) needed = guest_dynamic(base, DT_NEEDED);

    for (char **name = needed; *name; name++) {
        g_autofree char *lib = g_path_get_basename(*name);

        for (size_t i = 0; i < ARRAY_SIZE(checkers); i++) {
            if (g_str_has_prefix(lib, checkers[i])) {
                return g_steal_pointer(&lib);
            }
        }
    }
    return NULL;
}

/*
 * Whether the loader only lists the libraries that a program needs.  LIB must
 * not be listed: tools copy the listed files.
 */
static bool lists_only(struct image_info *info, bool by_hand)
{
    g_autofree char *trace = guest_getenv(info, "LD_TRACE_LOADED_OBJECTS");

    for (int i = 1; by_hand; i++) {
        g_autofree char *arg = guest_string(info->argv, i);

        if (!arg || !g_str_has_prefix(arg, "--")) {
            break;
        }
        if (!strcmp(arg, "--list") || !strcmp(arg, "--verify")) {
            return true;
        }
        if (strcmp(arg, "--inhibit-cache")) {
            /* The other options take an argument. */
            i++;
        }
    }
    return trace;
}

/*
 * The text for the loader to read, NULL once it has read it; and the guest
 * address of the file name that it opens.
 */
static char *preload_text;
static abi_ulong preload_name;

/* @wrong: whether to warn, since the user cannot have meant it */
static void nothing_preloaded(struct image_info *info, bool wrong,
                              const char *why)
{
    g_autofree char *by_hand = guest_getenv(info, "LD_PRELOAD");
    g_autofree char *lib = g_path_get_basename(native_lib);

    if (by_hand && strstr(by_hand, lib)) {
        return;
    }
    if (wrong && !is_offer) {
        warn_report(OPTION ": %s: nothing is preloaded: %s", exec_path, why);
    } else if (logs()) {
        qemu_log("native_bypass: %s: nothing is preloaded: %s\n", exec_path,
                 why);
    }
}

/* Make the loader load LIB, or report why it does not. */
static void preload(struct image_info *info)
{
    g_autofree char *checker = NULL;
    g_autofree char *real = NULL;
    g_autofree char *text = NULL;
    abi_ulong loader = guest_auxv(info, AT_BASE);
    bool by_hand = !loader;
    struct rlimit limit;

    /* A program without a loader may be a loader itself. */
    if (by_hand) {
        g_auto(GStrv) soname = guest_dynamic(info->load_addr, DT_SONAME);

        if (!*soname) {
            nothing_preloaded(info, true, "a static program");
            return;
        }
        loader = info->load_addr;
    }
    preload_name = find_preload_name(loader);
    if (!preload_name) {
        nothing_preloaded(info, true, "its loader reads no " PRELOAD);
        return;
    }
    if (lists_only(info, by_hand)) {
        return;
    }
    checker = find_checker(info->load_addr);
    if (checker) {
        g_autofree char *why = g_strdup_printf("%s is to come first", checker);

        nothing_preloaded(info, false, why);
        return;
    }
    /*
     * Other libraries may interpose these functions, too, and come first.
     * Those that only make them faster, as on Raspbian, come after ours.
     */
    g_file_get_contents(path(PRELOAD), &real, NULL, NULL);
    text = real && (strstr(real, "libarmmem") || strstr(real, "libcofi"))
         ? g_strdup_printf("%s\n%s", native_lib, real)
         : g_strdup_printf("%s\n%s\n", real ?: "", native_lib);
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur < strlen(text)) {
        nothing_preloaded(info, false, "no file may be so large");
        return;
    }
    preload_text = g_steal_pointer(&text);
}

void native_bypass_start(struct image_info *info)
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
    if (!native_bypass_auto) {
        preload(info);
    }
}

int native_bypass_is_preload(const char *name, const char *file)
{
    return preload_text && h2g_valid(name) && h2g_nocheck(name) == preload_name;
}

int native_bypass_fill_preload(CPUArchState *env, int fd)
{
    g_autofree char *text = g_steal_pointer(&preload_text);
    size_t len = strlen(text);

    return write(fd, text, len) == len ? 0 : -1;
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
