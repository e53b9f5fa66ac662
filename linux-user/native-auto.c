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
    unsigned segments;
    struct elf_phdr segment[MOST_SEGMENTS];
    const struct elf_phdr *dynamic;
    bool has_interp;
    bool has_needed;
    bool is_pie;
    char soname[LONGEST_SONAME + 1];    /* or "" */
} ElfFile;

typedef struct Found {
    const NativeFunction *fn;           /* NULL: another function's resolver */
    uint64_t value;
    bool resolver;
    bool checked;                       /* __<fn>_chk */
} Found;

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

static bool read_segments(ElfFile *elf, const struct elfhdr *ehdr)
{
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

/* How many of the @len mapped bytes at @offset are in a code segment */
static abi_ulong code_length(const ElfFile *elf, uint64_t offset,
                             abi_ulong len)
{
    for (unsigned i = 0; i < elf->segments; i++) {
        const struct elf_phdr *p = &elf->segment[i];

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) &&
            p->p_offset < offset + len && offset < p->p_offset + p->p_filesz) {
            return MIN(len, p->p_offset + p->p_filesz - offset);
        }
    }
    return 0;
}

/*
 * glibc may call an ifunc implementation directly, bypassing symbol and
 * resolver.  A fortified function that only compares n with the room ends in a
 * jump to that implementation.  Returns the implementation's offset in the file
 * if the code at @at is such a function, or -1.
 */
static uint64_t find_tail(const ElfFile *elf, uint64_t at)
{
#ifdef TARGET_AARCH64
    /* cmp x3, x2; b.lo .+8; b <entry> */
    uint32_t insn[3];

    if (read_at(elf->fd, insn, at, sizeof(insn)) &&
        le32_to_cpu(insn[0]) == 0xeb02007f &&
        le32_to_cpu(insn[1]) == 0x54000043 &&
        extract32(le32_to_cpu(insn[2]), 26, 6) == 5) {
        return at + 8 + sextract32(le32_to_cpu(insn[2]), 0, 26) * 4;
    }
#endif
    return -1;
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

/* The function <fn> if @name is __<fn>_chk, which checks it; or NULL. */
static const NativeFunction *find_checked(const char *name)
{
    size_t len = strlen(name);
    g_autofree char *plain = NULL;

    /* Longer than "__" and "_chk", which share underscores in "__chk" */
    if (len <= 6 || !g_str_has_prefix(name, "__") ||
        !g_str_has_suffix(name, "_chk")) {
        return NULL;
    }
    plain = g_strndup(name + 2, len - 6);
    return native_bypass_find(plain);
}

/*
 * Add exported functions of the symbol table @symtab to @found: those of @lib,
 * or those of the C library and all its resolvers if @lib is NULL.  Returns
 * true if @symtab also defines all functions of @proof.
 */
static bool find_functions(const ElfFile *elf, const struct elf_shdr *symtab,
                           const struct elf_shdr *shdr, unsigned sections,
                           const NativeLibrary *lib,
                           const char *const *proof, GArray *found)
{
    unsigned link = tswap32(symtab->sh_link), proven = 0;
    g_autofree struct elf_sym *syms = NULL;
    g_autofree char *strings = NULL;
    uint64_t size;

    if (link >= sections) {
        return false;
    }
    syms = read_section(elf, symtab);
    strings = read_section(elf, &shdr[link]);
    if (!syms || !strings) {
        return false;
    }
    size = tswapal(shdr[link].sh_size);
    for (size_t n = tswapal(symtab->sh_size) / sizeof(*syms), i = 0;
         i < n; i++) {
        const struct elf_sym *sym = &syms[i];
        unsigned type = ELF_ST_TYPE(sym->st_info);
        unsigned bind = ELF_ST_BIND(sym->st_info);
        unsigned section = tswap16(sym->st_shndx);
        uint32_t name = tswap32(sym->st_name);
        Found f = {
            .value = tswapal(sym->st_value),
            .resolver = type == STT_GNU_IFUNC,
        };

        if ((type != STT_FUNC && type != STT_GNU_IFUNC) ||
            (bind != STB_GLOBAL && bind != STB_WEAK) ||
            section == SHN_UNDEF || section >= SHN_LORESERVE ||
            name >= size || !is_guest_isa(sym)) {
            continue;
        }
        f.fn = lib ? native_library_find(lib, strings + name)
                   : native_bypass_find(strings + name);
        if (!f.fn && !lib) {
            f.fn = find_checked(strings + name);
            f.checked = f.fn != NULL;
        }
        if (f.fn || (f.resolver && !lib)) {
            g_array_append_val(found, f);
        }
        proven += g_strv_contains(proof, strings + name);
    }
    return proven >= g_strv_length((GStrv)proof);
}

/* Whether @lib knows the code in the file. */
static bool is_accepted(int fd, uint64_t size, const NativeLibrary *lib)
{
    g_autofree char *data = NULL;

    if (!lib->accepts) {
        return true;
    }
    if (size > LARGEST_TABLE) {
        return false;
    }
    data = g_malloc(size + 1);
    data[size] = 0;
    return read_at(fd, data, 0, size) && lib->accepts(data, size);
}

/* Tell @lib where its code and its image are. */
static void tell_mapped(const ElfFile *elf, const NativeLibrary *lib,
                        abi_ulong start, abi_ulong len, uint64_t offset)
{
    uint64_t first = -1, end = 0, code = -1;

    for (unsigned i = 0; i < elf->segments; i++) {
        const struct elf_phdr *p = &elf->segment[i];

        if (p->p_type != PT_LOAD) {
            continue;
        }
        first = MIN(first, p->p_vaddr);
        end = MAX(end, p->p_vaddr + p->p_filesz);
        if ((p->p_flags & PF_X) && p->p_offset < offset + len &&
            offset < p->p_offset + p->p_filesz) {
            code = p->p_vaddr + (offset - p->p_offset);
        }
    }
    if (code != -1 && first <= code && code < end) {
        lib->mapped(start, start + len - 1, start - (code - first),
                    start + (end - code));
    }
}

/* Returns true if this hooks one more function. */
static bool hook(const ElfFile *elf, const Found *f, abi_ulong start,
                 abi_ulong len, uint64_t offset)
{
#if defined(TARGET_ARM) && !defined(TARGET_AARCH64)
    const unsigned thumb = f->value & 1;
#else
    const unsigned thumb = 0;
#endif
    uint64_t at = file_offset(elf, f->value - thumb);
    uint8_t code[NATIVE_CODE];
    abi_ulong pc;

    if (f->checked) {
        at = f->resolver ? -1 : find_tail(elf, at);
    }
    pc = start + (at - offset) + thumb;
    if (at < offset || at - offset >= len ||
        !read_at(elf->fd, code, at + thumb, sizeof(code))) {
        return false;
    }
    return (f->resolver
            ? native_bypass_hook_resolver(pc, f->fn, start, start + len - 1)
            : native_bypass_hook_call(pc, f->fn, start + len - 1, code))
           && f->fn && !native_bypass_is_excluded(f->fn);
}

void native_bypass_mapped(abi_ulong start, abi_ulong len, int prot, int flags,
                          int fd, off_t offset)
{
    g_autofree ElfFile *elf = NULL;
    g_autofree struct elf_shdr *shdr = NULL;
    g_autoptr(GArray) found = NULL;
    const NativeLibrary *lib;
    const char *const *proof;
    struct elfhdr ehdr;
    struct stat st;
    unsigned sections, i = 0, count = 0;

    /* No loader shares its mapping of code with writers of the file. */
    if (!native_bypass_auto ||
        (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) != MAP_PRIVATE ||
        (prot & (PROT_EXEC | PROT_WRITE)) != PROT_EXEC ||
        fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        !read_at(fd, &ehdr, 0, sizeof(ehdr)) ||
        !native_bypass_elf_fits(&ehdr) || tswap16(ehdr.e_type) != ET_DYN) {
        return;
    }
    elf = g_new0(ElfFile, 1);
    elf->fd = fd;
    if (!read_segments(elf, &ehdr)) {
        return;
    }
    read_dynamic(elf);
    lib = native_library_by_soname(elf->soname);
    proof = lib ? lib->proof : find_proof(elf);
    len = code_length(elf, offset, len);
    /* The soname of a program proves nothing. */
    if (elf->is_pie || !proof || !len) {
        return;
    }

    sections = tswap16(ehdr.e_shnum);
    if (sections > MOST_SECTIONS ||
        tswap16(ehdr.e_shentsize) != sizeof(*shdr)) {
        return;
    }
    shdr = g_new(struct elf_shdr, sections);
    if (!read_at(fd, shdr, tswapal(ehdr.e_shoff), sections * sizeof(*shdr))) {
        return;
    }
    while (i < sections && tswap32(shdr[i].sh_type) != SHT_DYNSYM) {
        i++;
    }
    if (i == sections) {
        return;
    }
    found = g_array_new(false, false, sizeof(Found));
    if (!find_functions(elf, &shdr[i], shdr, sections, lib, proof, found) ||
        (lib && !is_accepted(fd, st.st_size, lib))) {
        return;
    }
    if (lib && lib->mapped) {
        tell_mapped(elf, lib, start, len, offset);
    }
    /* A resolver may have other names, too: hook those of ours first. */
    for (int pass = 0; pass < 2; pass++) {
        for (i = 0; i < found->len; i++) {
            const Found *f = &g_array_index(found, Found, i);

            if (pass == 0 ? f->fn != NULL : f->resolver && !f->fn) {
                count += hook(elf, f, start, len, offset);
            }
        }
    }
    if (count && !lib) {
        native_bypass_musl = strcmp(elf->soname, "libc.so.6");
    }
    if (count && qemu_loglevel_mask(LOG_NATIVE_BYPASS)) {
        g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
        g_autofree char *file = g_file_read_link(link, NULL);

        qemu_log("native_bypass: %s: %u functions\n", file ?: link, count);
    }
}
