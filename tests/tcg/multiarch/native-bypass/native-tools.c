/*
 * Native bypass: a program for tools.sh with deterministic output
 *
 * Without arguments, it prints a checksum of what each existing function of
 * the table gives.  "native-tools FUNCTION CALLS" makes CALLS calls of a
 * function, or of "return", which only returns.  "native-tools fixed" makes
 * one call of wcpncpy() that faults at first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-table.h"
#include "native-test.h"

#if defined(__mips__)
# define RETURN(name)   ".set noreorder;" name " jr $31; nop; .set reorder;"
#elif defined(__arm__)
# define RETURN(name)   ".arm;" name " bx lr;"
#elif defined(__s390x__)
# define RETURN(name)   name " br %r14;"
#elif defined(__powerpc__)
# define RETURN(name)   name " blr;"
#else
# define RETURN(name)   name " ret;"
#endif

NativeFn just_return;
asm(".pushsection .text; .balign 16;"
    ".globl just_return; .type just_return, %function;"
    RETURN("just_return:") " .popsection");

/* FNV-1a, by words */
static void add(uint64_t *sum, const void *data, size_t size)
{
    uint64_t word;

    for (size_t i = 0; i < size; i += sizeof(word)) {
        size_t left = size - i < sizeof(word) ? size - i : sizeof(word);

        word = 0;
        memcpy(&word, (const char *)data + i, left);
        *sum = (*sum ^ word) * 0x100000001b3;
    }
}

/* Of results and memory, in calls with sufficient room */
static uint64_t checksum(const NativeRow *row, NativeFn *fn)
{
    const NativeRow *types = native_types(row);
    uint64_t sum = 0xcbf29ce484222325;

    for (int i = 0; i < 8; i++) {
        NativeCase c = {
            .len = { i * 3, 20 - i }, .n = i * 4, .room = SIZE_MAX,
            .chr = "acfX"[i % 4],
        };
        uintptr_t result, begin;
        NativeArea area;

        /* rawmemchr() must find it. */
        if (types->nargs == 2 && types->args[1] == TYPE_chr) {
            c.chr = i % 2 ? 'A' + i % 26 : 0;
        }
        native_prepare(&area, types, &c);
        result = native_call(types, fn, area.args);

        /* Addresses differ from run to run. */
        begin = (uintptr_t)&area;
        if (types->result == TYPE_dup) {
            add(&sum, (char *)result, strlen((char *)result));
            free((char *)result);
        } else {
            int64_t number = result - begin < sizeof(area) ? result - begin
                           : types->result == TYPE_int ? (int)result : result;

            add(&sum, &number, sizeof(number));
        }
        area.stringp = area.stringp ? area.stringp - begin : 0;
        add(&sum, &area, offsetof(NativeArea, args));
    }
    return sum;
}

static bool fix(siginfo_t *info, mcontext_t *mc)
{
    return mprotect(info->si_addr, page, PROT_RW) == 0;
}

static bool fixed(void)
{
    wchar_t *bad = map_pages(NULL, page, PROT_NONE);

    fix_signal = fix;
    catch_signals();
    return wcpncpy(bad, L"abc", 4) == bad + 3;
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        return !fixed();
    }
    if (argc == 3) {
        NativeFn *fn = strcmp(argv[1], "return") ? native_function(argv[1])
                                                 : just_return;

        for (int i = atoi(argv[2]); i > 0; i--) {
            fn((uintptr_t)"string", (uintptr_t)"string", 0, 0);
        }
        return EXIT_SUCCESS;
    }
    FOR_EACH_ROW(row) {
        NativeFn *fn = (NativeFn *)dlsym(RTLD_DEFAULT, row->name);

        if (fn) {
            printf("%s %016llx\n", row->name,
                   (unsigned long long)checksum(row, fn));
        }
    }
    return EXIT_SUCCESS;
}
