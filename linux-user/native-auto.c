/*
 * Native bypass: the functions of the guest's libraries, by their symbols
 *
 * Parse each file that the guest maps for execution.  A file can hold
 * anything: a malformed file counts as an unknown library, and the size of all
 * reads is limited.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/units.h"
#include "qemu.h"
#include "user/native-bypass.h"
#include "user/native-hooks.h"
#include "user/native-library.h"
#include "native-bypass.h"

#include "target_elf.h"
#include "elf.h"

#define STT_GNU_IFUNC   10
#define DF_1_PIE        0x08000000

#define MOST_SEGMENTS   64
#define MOST_SECTIONS   1024
#define MOST_DYNAMIC    256
#define LONGEST_SONAME  64
#define LARGEST_TABLE   (4 * MiB)

typedef struct ElfFile {
    int fd;
    uint64_t size;
    struct elfhdr ehdr;                 /* in the file's byte order */
    unsigned segments;
    struct elf_phdr segment[MOST_SEGMENTS];
    const struct elf_phdr *dynamic;
    bool has_interp;
    bool has_needed;
    bool is_pie;
    char soname[LONGEST_SONAME + 1];    /* or "" */
    size_t symbols;                     /* set by read_symbols() */
    struct elf_sym *symbol;             /* in the file's byte order */
    char *names;                        /* of symbols, and a NUL behind them */
    uint64_t names_size;
} ElfFile;

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

static void free_elf_file(ElfFile *elf)
{
    g_free(elf->symbol);
    g_free(elf->names);
    g_free(elf);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ElfFile, free_elf_file)

static bool read_at(int fd, void *buf, uint64_t offset, size_t size)
{
    return offset <= INT64_MAX && pread(fd, buf, size, offset) == size;
}

/* The file offset of address @vaddr, or -1. */
static uint64_t file_offset(const ElfFile *elf, uint64_t vaddr)
{
    for (unsigned i = 0; i < elf->segments; i++) {
        const struct elf_phdr *p = &elf->segment[i];

        if (p->p_type == PT_LOAD && vaddr >= p->p_vaddr &&
            vaddr - p->p_vaddr < p->p_filesz) {
            return p->p_offset + (vaddr - p->p_vaddr);
        }
    }
    return -1;
}

static bool read_segments(ElfFile *elf)
{
    const struct elfhdr *ehdr = &elf->ehdr;

    elf->segments = tswap16(ehdr->e_phnum);
    if (elf->segments > MOST_SEGMENTS ||
        tswap16(ehdr->e_phentsize) != sizeof(struct elf_phdr) ||
        !read_at(elf->fd, elf->segment, tswapal(ehdr->e_phoff),
                 elf->segments * sizeof(struct elf_phdr))) {
        return false;
    }
    for (unsigned i = 0; i < elf->segments; i++) {
        struct elf_phdr *p = &elf->segment[i];

        p->p_type = tswap32(p->p_type);
        p->p_offset = tswapal(p->p_offset);
        p->p_vaddr = tswapal(p->p_vaddr);
        p->p_filesz = tswapal(p->p_filesz);
        p->p_flags = tswap32(p->p_flags);
        if (p->p_type == PT_DYNAMIC) {
            elf->dynamic = p;
        } else if (p->p_type == PT_INTERP) {
            elf->has_interp = true;
        }
    }
    return true;
}

static void read_dynamic(ElfFile *elf)
{
    struct { abi_ulong tag, value; } entry[MOST_DYNAMIC];
    abi_ulong soname = 0, strtab = 0;
    uint64_t offset;
    size_t n;

    if (!elf->dynamic) {
        return;
    }
    n = MIN(elf->dynamic->p_filesz / sizeof(entry[0]), MOST_DYNAMIC);
    if (!read_at(elf->fd, entry, elf->dynamic->p_offset,
                 n * sizeof(entry[0]))) {
        return;
    }
    for (size_t i = 0; i < n && entry[i].tag != DT_NULL; i++) {
        switch (tswapal(entry[i].tag)) {
        case DT_NEEDED:
            elf->has_needed = true;
            break;
        case DT_SONAME:
            soname = tswapal(entry[i].value);
            break;
        case DT_STRTAB:
            strtab = tswapal(entry[i].value);
            break;
        case DT_FLAGS_1:
            elf->is_pie = tswapal(entry[i].value) & DF_1_PIE;
            break;
        }
    }
    offset = file_offset(elf, strtab);
    if (soname && offset != -1) {
        /* The name may be cut off: then it matches no library. */
        if (pread(elf->fd, elf->soname, LONGEST_SONAME, offset + soname) < 0) {
            elf->soname[0] = 0;
        }
    }
}

/* Read the file if it is a shared library for this target; or return NULL. */
static ElfFile *read_library(int fd)
{
    g_autoptr(ElfFile) elf = g_new0(ElfFile, 1);
    struct stat st;

    elf->fd = fd;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        !read_at(fd, &elf->ehdr, 0, sizeof(elf->ehdr)) ||
        !native_bypass_elf_fits(&elf->ehdr) ||
        tswap16(elf->ehdr.e_type) != ET_DYN || !read_segments(elf)) {
        return NULL;
    }
    elf->size = st.st_size;
    read_dynamic(elf);
    /* The soname of a program proves nothing. */
    return elf->is_pie ? NULL : g_steal_pointer(&elf);
}

/*
 * The functions that this C library must define, or NULL if it is none: glibc,
 * musl as built by Alpine, or unmodified musl, which is its own loader.
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

/* The contents of a section, followed by a 0 byte, or NULL. */
static void *read_section(const ElfFile *elf, const struct elf_shdr *s)
{
    uint64_t size = tswapal(s->sh_size);
    g_autofree char *data = NULL;

    if (tswap32(s->sh_type) == SHT_NOBITS || size > LARGEST_TABLE) {
        return NULL;
    }
    data = g_malloc(size + 1);
    data[size] = 0;
    return read_at(elf->fd, data, tswapal(s->sh_offset), size)
        ? g_steal_pointer(&data) : NULL;
}

static bool is_guest_isa(const struct elf_sym *sym)
{
#ifdef TARGET_MIPS
    /* MIPS16 and microMIPS: STO_MIPS16, STO_MIPS_ISA */
    return (sym->st_other & 0xf0) != 0xf0 && (sym->st_other & 0xc0) != 0x80;
#else
    return true;
#endif
}

/* Read the symbols that the library exports. */
static bool read_symbols(ElfFile *elf)
{
    unsigned sections = tswap16(elf->ehdr.e_shnum), names, i = 0;
    g_autofree struct elf_shdr *shdr = NULL;

    if (sections > MOST_SECTIONS ||
        tswap16(elf->ehdr.e_shentsize) != sizeof(*shdr)) {
        return false;
    }
    shdr = g_new(struct elf_shdr, sections);
    if (!read_at(elf->fd, shdr, tswapal(elf->ehdr.e_shoff),
                 sections * sizeof(*shdr))) {
        return false;
    }
    while (i < sections && tswap32(shdr[i].sh_type) != SHT_DYNSYM) {
        i++;
    }
    if (i == sections) {
        return false;
    }
    names = tswap32(shdr[i].sh_link);
    if (names >= sections) {
        return false;
    }
    elf->symbol = read_section(elf, &shdr[i]);
    elf->symbols = tswapal(shdr[i].sh_size) / sizeof(*elf->symbol);
    elf->names = read_section(elf, &shdr[names]);
    elf->names_size = tswapal(shdr[names].sh_size);
    return elf->symbol && elf->names;
}

/* The name of @sym if that is a function that the library exports; or NULL. */
static const char *exported_function(const ElfFile *elf,
                                     const struct elf_sym *sym)
{
    unsigned type = ELF_ST_TYPE(sym->st_info);
    unsigned bind = ELF_ST_BIND(sym->st_info);
    unsigned section = tswap16(sym->st_shndx);
    uint32_t name = tswap32(sym->st_name);

    return (type == STT_FUNC || type == STT_GNU_IFUNC) &&
           (bind == STB_GLOBAL || bind == STB_WEAK) &&
           section != SHN_UNDEF && section < SHN_LORESERVE &&
           name < elf->names_size && is_guest_isa(sym)
           ? elf->names + name : NULL;
}

/*
 * The FoundSymbols: functions of @lib; or, if @lib is NULL, those of the C
 * library and all its resolvers.  NULL if the file lacks a function of @proof.
 */
static GArray *find_symbols(ElfFile *elf, const NativeLibrary *lib,
                            const char *const *proof)
{
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(FoundSymbol));
    unsigned proven = 0;

    if (!read_symbols(elf)) {
        return NULL;
    }
    for (size_t i = 0; i < elf->symbols; i++) {
        const struct elf_sym *sym = &elf->symbol[i];
        const char *name = exported_function(elf, sym);
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

/* Whether @lib knows the code in the file. */
static bool is_accepted(const ElfFile *elf, const NativeLibrary *lib)
{
    g_autofree char *data = NULL;

    if (!lib->accepts) {
        return true;
    }
    if (elf->size > LARGEST_TABLE) {
        return false;
    }
    data = g_malloc(elf->size + 1);
    data[elf->size] = 0;
    return read_at(elf->fd, data, 0, elf->size) &&
           lib->accepts(data, elf->size);
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
    uint64_t at = file_offset(elf, f->value - thumb);
    abi_ulong last = map->start + map->len - 1, pc;
    uint8_t code[NATIVE_CODE];

    pc = map->start + (at - map->offset) + thumb;
    if (at < map->offset || at - map->offset >= map->len ||
        !read_at(elf->fd, code, at + thumb, sizeof(code))) {
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

    /* A resolver may have other names, too: hook those of ours first. */
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

    /* No loader shares its mapping of code with writers of the file. */
    if (!native_bypass_auto ||
        (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) != MAP_PRIVATE ||
        (prot & (PROT_EXEC | PROT_WRITE)) != PROT_EXEC) {
        return;
    }
    elf = read_library(fd);
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
