/*
 * For libFuzzer: a file of any contents is mapped under --native-bypass auto
 *
 * This file has stubs of the QEMU functions that the ELF parser calls.  They check
 * that no hook is outside of the mapping.  Built and run by dev/fuzz-elf.
 *
 *   -DMUTATE: without libFuzzer, TRIALS FILE... changes the files at random,
 *             the same way in each run
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
#include "target_elf.h"
#include "elf.h"

#define START   0x10000

bool native_bypass_auto = true;
bool native_bypass_musl;
typeof(qemu_loglevel) qemu_loglevel;
uintptr_t guest_base;
static size_t mapped;

bool native_bypass_elf_fits(const void *header)
{
    const struct elfhdr *ehdr = header;

    return ehdr->e_ident[EI_CLASS] == ELF_CLASS;
}

const NativeFunction *native_bypass_find(const char *name)
{
    static const char function;

    /* As in the table, no name looks like that of a fortified function. */
    return g_str_has_prefix(name, "mem") || g_str_has_prefix(name, "str")
        ? (const NativeFunction *)&function : NULL;
}

static bool is_inside(vaddr pc)
{
    g_assert(pc >= START && pc - START < mapped + 2);
    return true;
}

bool native_bypass_is_excluded(const NativeFunction *fn)
{
    return false;
}

static bool accepts(const char *file, size_t size)
{
    return file[size] == 0 && !memmem(file, size, "ng", 2);
}

/* One other library; its functions are called like the C library's */
const NativeLibrary *native_library_by_soname(const char *soname)
{
    static const char *const proof[] = { "strlen", NULL };
    static const NativeLibrary library = { .proof = proof, .accepts = accepts };

    return !strcmp(soname, "libz.so.1") ? &library : NULL;
}

const NativeFunction *native_library_find(const NativeLibrary *lib,
                                          const char *name)
{
    return native_bypass_find(name);
}

bool native_bypass_hook_call(vaddr pc, const NativeFunction *fn, vaddr last,
                             const uint8_t *code)
{
    return is_inside(pc);
}

bool native_bypass_hook_resolver(vaddr pc, const NativeFunction *fn,
                                 vaddr first, vaddr last)
{
    return is_inside(pc);
}

void qemu_log(const char *fmt, ...)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte is the file offset where the mapping begins. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    off_t offset;

    if (fd < 0) {
        fd = memfd_create("elf", 0);
    }
    if (size < 1 || ftruncate(fd, 0) < 0 ||
        pwrite(fd, data + 1, size - 1, 0) != size - 1) {
        return 0;
    }
    offset = data[0] % 4 ? 0 : data[0] * 0x1000;
    mapped = 1 << (data[0] % 24);
    native_bypass_mapped(START, mapped, PROT_READ | PROT_EXEC, MAP_PRIVATE,
                         fd, offset);
    return 0;
}

#ifdef MUTATE
/* The parser reads mostly the beginning and the end of a file. */
static void mutate(GRand *rand, char *data, size_t size)
{
    static const int values[] = { 0, 1, 4, 0x7f, 0x80, 0xfe, 0xff };

    for (int n = g_rand_int_range(rand, 1, 6); n--;) {
        size_t near = g_rand_int_range(rand, 0, MIN(size, 4096));
        size_t at = g_rand_boolean(rand) ? near % 512 % size :
                    g_rand_boolean(rand) ? size - 1 - near :
                    g_rand_int_range(rand, 0, size);

        data[at] = g_rand_boolean(rand) ? g_rand_int(rand) :
                   values[g_rand_int_range(rand, 0, ARRAY_SIZE(values))];
    }
}

int main(int argc, char **argv)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    int trials = atoi(argv[1]);

    for (int i = 2; i < argc; i++) {
        g_autofree char *file = NULL;
        gsize size;

        if (!g_file_get_contents(argv[i], &file, &size, NULL) || size == 0) {
            return 1;
        }
        for (int n = 0; n < trials; n++) {
            g_autofree char *copy = g_memdup2(file, size);
            size_t length = n % 8 ? size : g_rand_int_range(rand, 1, size + 1);

            mutate(rand, copy, length);
            LLVMFuzzerTestOneInput((uint8_t *)copy, length);
        }
    }
    printf("Done %d runs\n", trials * (argc - 2));
    return 0;
}
#endif
