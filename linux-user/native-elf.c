/*
 * Native bypass: what ELF files of the guest's libraries define
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qemu.h"
#include "native-bypass.h"
#include "native-elf.h"

#define MOST_SECTIONS   1024
#define MOST_DYNAMIC    256
#define LARGEST_TABLE   (4 * MiB)

void elf_file_free(ElfFile *elf)
{
    g_free(elf->symbol);
    g_free(elf->names);
    g_free(elf);
}

bool elf_file_read(const ElfFile *elf, void *buf, uint64_t offset,
                   size_t size)
{
    return offset <= INT64_MAX && pread(elf->fd, buf, size, offset) == size;
}

/* Returns a copy of a part of the file and a NUL after it; or NULL. */
static void *read_table(const ElfFile *elf, uint64_t offset, uint64_t size)
{
    g_autofree char *data = NULL;

    if (size > LARGEST_TABLE) {
        return NULL;
    }
    data = g_malloc(size + 1);
    data[size] = 0;
    return elf_file_read(elf, data, offset, size) ? g_steal_pointer(&data)
                                                  : NULL;
}

char *elf_file_contents(const ElfFile *elf)
{
    return read_table(elf, 0, elf->size);
}

uint64_t elf_file_offset(const ElfFile *elf, uint64_t vaddr)
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
    if (elf->segments > ELF_FILE_SEGMENTS ||
        tswap16(ehdr->e_phentsize) != sizeof(struct elf_phdr) ||
        !elf_file_read(elf, elf->segment, tswapal(ehdr->e_phoff),
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
    if (!elf_file_read(elf, entry, elf->dynamic->p_offset,
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
        }
    }
    offset = elf_file_offset(elf, strtab);
    if (soname && offset != -1) {
        /* The name may be cut off: then it matches no library. */
        if (pread(elf->fd, elf->soname, ELF_FILE_SONAME, offset + soname) < 0) {
            elf->soname[0] = 0;
        }
    }
}

ElfFile *elf_file_new_library(int fd)
{
    g_autoptr(ElfFile) elf = g_new0(ElfFile, 1);
    struct stat st;

    elf->fd = fd;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        !elf_file_read(elf, &elf->ehdr, 0, sizeof(elf->ehdr)) ||
        !native_bypass_elf_fits(&elf->ehdr) ||
        tswap16(elf->ehdr.e_type) != ET_DYN || !read_segments(elf)) {
        return NULL;
    }
    elf->size = st.st_size;
    read_dynamic(elf);
    return g_steal_pointer(&elf);
}

static void *read_section(const ElfFile *elf, const struct elf_shdr *s)
{
    return tswap32(s->sh_type) == SHT_NOBITS ? NULL :
           read_table(elf, tswapal(s->sh_offset), tswapal(s->sh_size));
}

static bool is_guest_isa(const struct elf_sym *sym)
{
#ifdef TARGET_MIPS
    /* Not MIPS16 (STO_MIPS16), nor microMIPS (in the mask STO_MIPS_ISA) */
    return (sym->st_other & 0xf0) != 0xf0 && (sym->st_other & 0xc0) != 0x80;
#else
    return true;
#endif
}

bool elf_file_read_symbols(ElfFile *elf)
{
    unsigned sections = tswap16(elf->ehdr.e_shnum), names, i = 0;
    g_autofree struct elf_shdr *shdr = NULL;

    if (sections > MOST_SECTIONS ||
        tswap16(elf->ehdr.e_shentsize) != sizeof(*shdr)) {
        return false;
    }
    shdr = g_new(struct elf_shdr, sections);
    if (!elf_file_read(elf, shdr, tswapal(elf->ehdr.e_shoff),
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

const char *elf_file_exported_function(const ElfFile *elf,
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
