/*
 * Native bypass: what ELF files of the guest's libraries define
 *
 * A file can hold anything.  A malformed table, or one beyond the limits,
 * counts as unreadable; a long soname is cut off, so that it matches no
 * library.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef LINUX_USER_NATIVE_ELF_H
#define LINUX_USER_NATIVE_ELF_H

#include "target_elf.h"
#include "elf.h"

#define STT_GNU_IFUNC           10

#define ELF_FILE_SEGMENTS       64
#define ELF_FILE_SONAME         64

typedef struct ElfFile {
    int fd;                             /* the caller's */
    uint64_t size;
    struct elfhdr ehdr;                 /* in the file's byte order */
    unsigned segments;
    struct elf_phdr segment[ELF_FILE_SEGMENTS]; /* in the host's byte order */
    const struct elf_phdr *dynamic;     /* or NULL */
    bool has_interp;
    bool has_needed;
    char soname[ELF_FILE_SONAME + 1];   /* or "" */
    size_t symbols;                     /* set by elf_file_read_symbols() */
    struct elf_sym *symbol;             /* in the file's byte order */
    char *names;                        /* of the symbols, followed by a NUL */
    uint64_t names_size;
} ElfFile;

/**
 * elf_file_new_library:
 * @fd: file descriptor, which stays open as long as the ElfFile exists
 *
 * Read the header, the segments and the dynamic section.
 *
 * Returns: the file if it is ET_DYN and for this target, or NULL.
 */
ElfFile *elf_file_new_library(int fd);

void elf_file_free(ElfFile *elf);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ElfFile, elf_file_free)

/**
 * elf_file_read:
 * @elf: the file
 * @buf: buffer of @size bytes
 * @offset: in the file
 * @size: number of bytes
 *
 * Returns: whether the file has all these bytes.
 */
bool elf_file_read(const ElfFile *elf, void *buf, uint64_t offset,
                   size_t size);

/**
 * elf_file_contents:
 * @elf: the file
 *
 * Returns: the whole file, followed by a NUL; NULL if it is larger than 4 MiB
 * or cannot be read.  The caller frees it.
 */
char *elf_file_contents(const ElfFile *elf);

/**
 * elf_file_offset:
 * @elf: the file
 * @vaddr: address as in the file
 *
 * Returns: the offset of @vaddr in the file, or -1 if no segment contains it.
 */
uint64_t elf_file_offset(const ElfFile *elf, uint64_t vaddr);

/**
 * elf_file_read_symbols:
 * @elf: the file
 *
 * Read the dynamic symbols and their names.
 *
 * Returns: false if there are none.
 */
bool elf_file_read_symbols(ElfFile *elf);

/**
 * elf_file_exported_function:
 * @elf: the file, after elf_file_read_symbols()
 * @sym: one of its symbols
 *
 * Returns: the name of @sym if it is a function that the library exports and
 * that is not MIPS16 or microMIPS code; or NULL.
 */
const char *elf_file_exported_function(const ElfFile *elf,
                                       const struct elf_sym *sym);

#endif /* LINUX_USER_NATIVE_ELF_H */
