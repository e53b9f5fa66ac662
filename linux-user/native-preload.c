/*
 * Native bypass: how the guest library gets loaded
 *
 * QEMU adds a line to what the guest's loader reads from /etc/ld.so.preload.
 * It changes neither that file nor the guest's environment.
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
#include "native-bypass.h"
#include <sys/resource.h>

#include "target_elf.h"
#include "elf.h"

#define PRELOAD     "/etc/ld.so.preload"

/* From native_bypass_lib() */
static const char *lib;
static bool must_fit;

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
    /* PT_LOADs are in order, and the first one, assigned last, is at @base. */
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
    /* Two passes, as DT_STRTAB may come last; limited, for want of DT_NULL */
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
 * LIB's functions to check their arguments; or NULL.  That library must come
 * first: AddressSanitizer's library refuses to run otherwise.
 */
static char *find_checker(abi_ulong base)
{
    static const char *const checkers[] = {
        "libasan.", "libtsan.", "libhwasan.", "libclang_rt.", "libduma.",
        "libdmalloc",
    };
    g_auto(GStrv) needed = guest_dynamic(base, DT_NEEDED);

    for (char **name = needed; *name; name++) {
        g_autofree char *file = g_path_get_basename(*name);

        for (size_t i = 0; i < ARRAY_SIZE(checkers); i++) {
            if (g_str_has_prefix(file, checkers[i])) {
                return g_steal_pointer(&file);
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
            /* All other options before a program take an argument. */
            i++;
        }
    }
    return trace;
}

/* The text for the loader to read; NULL once it has read it */
static char *preload_text;

/* Guest address of the file's name in the loader */
static abi_ulong preload_name;

/* @wrong: the user cannot have meant it: warn if LIB must fit */
static void nothing_preloaded(struct image_info *info, bool wrong,
                              const char *why)
{
    g_autofree char *by_hand = guest_getenv(info, "LD_PRELOAD");
    g_autofree char *file = g_path_get_basename(lib);

    if (by_hand && strstr(by_hand, file)) {
        return;
    }
    if (wrong && must_fit) {
        warn_report("--native-bypass: %s: nothing is preloaded: %s",
                    exec_path, why);
    } else if (native_bypass_logs()) {
        qemu_log("native_bypass: %s: nothing is preloaded: %s\n", exec_path,
                 why);
    }
}

void native_bypass_preload(struct image_info *info)
{
    g_autofree char *checker = NULL;
    g_autofree char *real = NULL;
    g_autofree char *text = NULL;
    abi_ulong loader = guest_auxv(info, AT_BASE);
    bool by_hand = !loader;
    struct rlimit limit;

    lib = native_bypass_lib(&must_fit);
    if (!lib) {
        return;
    }
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
     * The file's libraries may interpose these functions, too: LIB comes after
     * them.  Those that only make them faster, as on Raspbian, come after LIB.
     */
    g_file_get_contents(path(PRELOAD), &real, NULL, NULL);
    text = real && (strstr(real, "libarmmem") || strstr(real, "libcofi"))
         ? g_strdup_printf("%s\n%s", lib, real)
         : g_strdup_printf("%s\n%s\n", real ?: "", lib);
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 &&
        limit.rlim_cur < strlen(text)) {
        nothing_preloaded(info, false, "no file may be so large");
        return;
    }
    preload_text = g_steal_pointer(&text);
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
