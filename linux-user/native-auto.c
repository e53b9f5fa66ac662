/*
 * Native bypass: the functions of the guest's libraries, by their symbols
 *
 * Look at each file that the guest maps for execution, and hook the functions
 * of the libraries that QEMU knows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu.h"
#include "user/native-bypass.h"
#include "user/native-hooks.h"
#include "user/native-library.h"
#include "native-bypass.h"
#include "native-elf.h"

/* The mapped part of a file's code */
typedef struct CodeMapping {
    abi_ulong start, len;
    uint64_t offset;                    /* of the part in the file */
    uint64_t vaddr;                     /* the file's address for @start */
} CodeMapping;

typedef struct FoundSymbol {
    const NativeFunction *fn;           /* NULL: another function's resolver */
    uint64_t value;
    bool is_resolver;
} FoundSymbol;

/*
 * Returns the functions that a C library with this soname must define, or NULL
 * if the file is no C library.  Known are glibc, Alpine's musl, and unmodified
 * musl, which has no soname because it is its own loader.
 */
static const char *const *find_proof(const ElfFile *elf)
{
    static const char *const libc[] = { "__libc_start_main", NULL };
    static const char *const loader[] = { "__dls2b", "__dls3", NULL };

    if (!strcmp(elf->soname, "libc.so.6") ||
        g_str_has_prefix(elf->soname, "libc.musl-")) {
        return libc;
    }
    return elf->soname[0] || elf->has_needed || elf->has_interp ? NULL : loader;
}

/* Limit @map to one code segment.  Returns false if it is in none. */
static bool limit_to_code(const ElfFile *elf, CodeMapping *map)
{
    for (unsigned i = 0; i < elf->segments; i++) {
        const struct elf_phdr *p = &elf->segment[i];
        uint64_t end = p->p_offset + p->p_filesz;

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) &&
            p->p_offset < map->offset + map->len && map->offset < end) {
            map->len = MIN(map->len, end - map->offset);
            map->vaddr = p->p_vaddr + (map->offset - p->p_offset);
            return true;
        }
    }
    return false;
}

/*
 * Returns an array of FoundSymbol: the functions of @lib.  If @lib is NULL:
 * those of the C library, and all resolvers.  Returns NULL if the file lacks a
 * function of @proof.
 */
static GArray *find_symbols(ElfFile *elf, const NativeLibrary *lib,
                            const char *const *proof)
{
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(FoundSymbol));
    unsigned proven = 0;

    if (!elf_file_read_symbols(elf)) {
        return NULL;
    }
    for (size_t i = 0; i < elf->symbols; i++) {
        const struct elf_sym *sym = &elf->symbol[i];
        const char *name = elf_file_exported_function(elf, sym);
        FoundSymbol f = {
            .value = tswapal(sym->st_value),
            .is_resolver = ELF_ST_TYPE(sym->st_info) == STT_GNU_IFUNC,
        };

        if (!name) {
            continue;
        }
        f.fn = lib ? native_library_find(lib, name) : native_bypass_find(name);
        if (f.fn || (f.is_resolver && !lib)) {
            g_array_append_val(found, f);
        }
        proven += g_strv_contains(proof, name);
    }
    return proven >= g_strv_length((GStrv)proof) ? g_steal_pointer(&found)
                                                 : NULL;
}

/* Whether the handlers of @lib match the code in the file. */
static bool is_accepted(const ElfFile *elf, const NativeLibrary *lib)
{
    g_autofree char *data = NULL;

    if (!lib->accepts) {
        return true;
    }
    data = elf_file_contents(elf);
    return data && lib->accepts(data, elf->size);
}

/* Tell @lib where its code and its image are. */
static void tell_mapped(const ElfFile *elf, const NativeLibrary *lib,
                        const CodeMapping *map)
{
    uint64_t first = -1, end = 0;

    for (unsigned i = 0; i < elf->segments; i++) {
        const struct elf_phdr *p = &elf->segment[i];

        if (p->p_type == PT_LOAD) {
            first = MIN(first, p->p_vaddr);
            end = MAX(end, p->p_vaddr + p->p_filesz);
        }
    }
    if (first <= map->vaddr && map->vaddr < end) {
        lib->mapped(map->start, map->start + map->len - 1,
                    map->start - (map->vaddr - first),
                    map->start + (end - map->vaddr));
    }
}

/* Returns true if this hooks one more function. */
static bool hook_symbol(const ElfFile *elf, const FoundSymbol *f,
                        const CodeMapping *map)
{
#if defined(TARGET_ARM) && !defined(TARGET_AARCH64)
    const unsigned thumb = f->value & 1;
#else
    const unsigned thumb = 0;
#endif
    uint64_t at = elf_file_offset(elf, f->value - thumb);
    abi_ulong last = map->start + map->len - 1, pc;
    uint8_t code[NATIVE_CODE];

    pc = map->start + (at - map->offset) + thumb;
    if (at < map->offset || at - map->offset >= map->len ||
        !elf_file_read(elf, code, at + thumb, sizeof(code))) {
        return false;
    }
    return (f->is_resolver
            ? native_bypass_hook_resolver(pc, f->fn, map->start, last)
            : native_bypass_hook_call(pc, f->fn, last, code))
           && f->fn && !native_bypass_is_excluded(f->fn);
}

/* Returns the number of functions hooked. */
static unsigned hook_symbols(const ElfFile *elf, const GArray *found,
                             const CodeMapping *map)
{
    unsigned count = 0;

    /* A resolver may have several symbols: hook known functions first. */
    for (unsigned i = 0; i < found->len; i++) {
        const FoundSymbol *f = &g_array_index(found, FoundSymbol, i);

        if (f->fn) {
            count += hook_symbol(elf, f, map);
        }
    }
    for (unsigned i = 0; i < found->len; i++) {
        const FoundSymbol *f = &g_array_index(found, FoundSymbol, i);

        if (!f->fn) {
            hook_symbol(elf, f, map);
        }
    }
    return count;
}

static void log_hooked(int fd, unsigned count)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *file = g_file_read_link(link, NULL);

    qemu_log("native_bypass: %s: %u functions\n", file ?: link, count);
}

void native_bypass_mapped(abi_ulong start, abi_ulong len, int prot, int flags,
                          int fd, off_t offset)
{
    CodeMapping map = { .start = start, .len = len, .offset = offset };
    g_autoptr(ElfFile) elf = NULL;
    g_autoptr(GArray) found = NULL;
    const NativeLibrary *lib;
    const char *const *proof;
    unsigned count;

    /* Loaders map code private and read-only: ignore all else. */
    if (!native_bypass_auto ||
        (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) != MAP_PRIVATE ||
        (prot & (PROT_EXEC | PROT_WRITE)) != PROT_EXEC) {
        return;
    }
    elf = elf_file_new_library(fd);
    if (!elf || !limit_to_code(elf, &map)) {
        return;
    }
    lib = native_library_by_soname(elf->soname);
    proof = lib ? lib->proof : find_proof(elf);
    found = proof ? find_symbols(elf, lib, proof) : NULL;
    if (!found || (lib && !is_accepted(elf, lib))) {
        return;
    }
    if (lib && lib->mapped) {
        tell_mapped(elf, lib, &map);
    }
    count = hook_symbols(elf, found, &map);
    if (count && !lib) {
        native_bypass_musl = strcmp(elf->soname, "libc.so.6");
    }
    if (count && qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        log_hooked(fd, count);
    }
}
