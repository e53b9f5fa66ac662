/*
 * Native bypass: --native-bypass auto
 *
 * A native call faults at the function's entry, before any instruction of it;
 * translated code faults later.  Some functions load with their first
 * instruction, so the test uses two that do not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unwind.h>
#include <wchar.h>

#include "native-test.h"

/* The code of "return n", on Arm also as Thumb code */
#if defined(__i386__) || defined(__x86_64__)
typedef uint8_t Code;
# define RETURN(n)      { 0xb8, n, 0, 0, 0, 0xc3 }
#elif defined(__aarch64__)
typedef uint32_t Code;
# define RETURN(n)      { 0xd2800000 | n << 5, 0xd65f03c0 }
#elif defined(__arm__)
typedef uint32_t Code;
# define RETURN(n)      { 0xe3a00000 | n, 0xe12fff1e }
static const uint16_t thumb_seven[] = { 0x2007, 0x4770 };
#elif defined(__mips__)
typedef uint32_t Code;
# define RETURN(n)      { 0x03e00008, 0x24020000 | n }
#elif defined(__riscv)
typedef uint32_t Code;
# define RETURN(n)      { 0x00000513 | n << 20, 0x00008067 }
#elif defined(__loongarch64)
typedef uint32_t Code;
# define RETURN(n)      { 0x02c00004 | n << 10, 0x4c000020 }
#elif defined(__s390x__)
typedef uint16_t Code;
# define RETURN(n)      { 0xa729, n, 0x07fe }
#elif defined(__powerpc64__)
typedef uint32_t Code;
# define RETURN(n)      { 0x38600000 | n, 0x4e800020 }
#endif
static const Code seven[] = RETURN(7), nine[] = RETURN(9);

/* Arm's and MIPS' glibc has no unwind tables, QEMU's i386 vdso wrong ones. */
#if defined(__x86_64__) || defined(__aarch64__)
# define CAN_UNWIND     true
#else
# define CAN_UNWIND     false
#endif

typedef void *MemccpyFn(void *dst, const void *src, int c, size_t n);

/* A function without resolver, for copies of the code that no loader sees */
#ifdef __s390x__
# define PLAIN  ((MemccpyFn *)wmempcpy)
#else
# define PLAIN  memccpy
#endif

static char *bad;               /* an address that faults */
static char *missing;           /* one that faults once */
static uintptr_t entry_seen, return_seen, args_seen[4];
static bool caller_seen;

static uintptr_t code_of(void *function)
{
#ifdef __arm__
    return (uintptr_t)function & -2;
#else
    return (uintptr_t)function;
#endif
}

/* For unwinding: a known caller of the tested function */
static void *__attribute__((noinline)) call(MemccpyFn *fn, void *dst,
                                            const void *src, int c, size_t n)
{
    void *result = fn(dst, src, c, n);

    asm volatile("" : : : "memory");
    return result;
}

static _Unwind_Reason_Code look_for_call(struct _Unwind_Context *context,
                                         void *arg)
{
    if (code_of((void *)_Unwind_GetRegionStart(context)) == code_of(call)) {
        caller_seen = true;
        return _URC_END_OF_STACK;
    }
    return _URC_NO_REASON;
}

static bool look(siginfo_t *info, mcontext_t *mc)
{
    entry_seen = CONTEXT_PC(mc);
    return_seen = CONTEXT_RETURN(mc) & -2;
    for (int i = 0; i < 4; i++) {
        args_seen[i] = CONTEXT_ARG(mc, i);
    }
    caller_seen = false;
    if (CAN_UNWIND) {
        _Unwind_Backtrace(look_for_call, NULL);
    }
    /* Make the missing page accessible. */
    return info->si_addr == missing && !mprotect(missing, page, PROT_RW);
}

/* Is a call of @fn native?  Then its context must be exact. */
static bool is_native(MemccpyFn *fn, const char *who)
{
    char area[8] = "";
    int sig = CATCH(call(fn, area, bad, 'x', 7));

    CHECK(sig == SIGSEGV && caught.info.si_addr == bad, "%s: signal %d at %p",
          who, sig, caught.info.si_addr);
    if (entry_seen != code_of(fn)) {
        return false;
    }
    CHECK(args_seen[0] == (uintptr_t)area && args_seen[1] == (uintptr_t)bad &&
          args_seen[2] == 'x' && args_seen[3] == 7,
          "%s: arguments 0x%lx, 0x%lx, 0x%lx, 0x%lx", who, (long)args_seen[0],
          (long)args_seen[1], (long)args_seen[2], (long)args_seen[3]);
    CHECK(return_seen - code_of(call) < 256, "%s: returns to 0x%lx", who,
          (long)return_seen);
    CHECK(!CAN_UNWIND || caller_seen || fn != memccpy,
          "%s: not unwound to its caller", who);
    return true;
}

/* The handler fixes a fault, and the call restarts. */
static void test_restart(void)
{
    char *p = map_pages(NULL, 2 * page, PROT_NONE), area[64];

    mprotect(p, page, PROT_RW);
    missing = p + page;
    for (size_t i = 0; i < 32; i++) {
        p[page - 32 + i] = 'a' + i % 20;
    }
    CHECK(call(memccpy, area, p + page - 32, 0, 64) == area + 33,
          "restarted call");
    CHECK(area[0] == 'a' && area[31] == 'a' + 11 && !area[32], "%.33s", area);
}

static char __attribute__((noinline)) call_and_load(const char *from)
{
    char area[8];

    call(memccpy, area, "x", 'x', 1);
    return *(const volatile char *)from;    /* volatile, for the fault */
}

/* A fault after a call is not one of the call. */
static void test_later(void)
{
    int sig;

    /* The second time, all is translated, and nothing comes in between. */
    call_and_load("");
    sig = CATCH(call_and_load(bad));
    CHECK(sig == SIGSEGV && entry_seen != code_of(memccpy), "signal %d at 0x%lx",
          sig, (long)entry_seen);
}

static void *thread(void *arg)
{
    CHECK(is_native(memccpy, "thread"), "translated");
    return NULL;
}

static void test_processes(void)
{
    pthread_t t;
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        bool native = is_native(memccpy, "child");

        _exit(native && !failures ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0, "status 0x%x",
          status);
    if (pthread_create(&t, NULL, thread, NULL) || pthread_join(t, NULL)) {
        die("pthread_create");
    }
}

/* A definition of the program's own, which the C library does not call */
static unsigned own_calls;

size_t wcsnlen(const wchar_t *s, size_t n)
{
    size_t i = 0;

    own_calls++;
    while (i < n && s[i]) {
        i++;
    }
    return i;
}

static void test_own(void)
{
    size_t (*volatile fn)(const wchar_t *, size_t) = wcsnlen; /* no builtin */
    unsigned before = own_calls;

    CHECK(fn(L"four", 9) == 4 && own_calls == before + 1, "%u calls",
          own_calls - before);
}

/* Calls that the C library makes itself, and calls of the program */
static void test_inside(void)
{
    char text[200], *copy;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    copy = strdup(text);
    CHECK(copy && strlen(copy) == sizeof(text) - 1 && !strcmp(copy, text),
          "strdup()");
    free(copy);
}

/* @mem: /proc/self/mem, or -1 for plain stores */
static void write_code(uintptr_t at, int mem)
{
    const char *code = (const char *)seven;
    size_t size = sizeof(seven);

#ifdef __arm__
    if (at & 1) {
        code = (const char *)thumb_seven;
        size = sizeof(thumb_seven);
        at--;
    }
#endif
    if (mem >= 0) {
        CHECK(pwrite(mem, code, size, at) == size, "/proc/self/mem");
        return;
    }
    /* volatile, or the compiler calls memcpy() */
    for (volatile char *p = (char *)at; size--;) {
        *p++ = *code++;
    }
    flush_code((char *)at, sizeof(seven));
}

/* Native calls overwrite code that has been executed, also on two pages. */
static void test_write(void)
{
    typedef void *CopyFn(void *dst, const void *src, size_t n);
    static CopyFn *const copies[] = { memcpy, memmove, mempcpy };
    char *area = map_pages(NULL, 2 * page, PROT_RWX);
    char *const places[] = { area + 64, area + page - 4 };

    for (size_t i = 0; i < 4 * ARRAY_SIZE(copies) * ARRAY_SIZE(places); i++) {
        char *p = places[i % 2];
        long want = i / 2 % 2 ? 9 : 7;

        copies[i / 8](p, want == 9 ? nine : seven, sizeof(seven));
        flush_code(p, sizeof(seven));
        CHECK(call((MemccpyFn *)p, bad, bad, 0, 1) == (void *)want,
              "not %ld", want);
    }
}

static void patch(uintptr_t function)
{
    void *start = (void *)(function & -page);

    CHECK(!mprotect(start, 2 * page, PROT_RWX), "mprotect()");
    write_code(function, -1);
    CHECK(!mprotect(start, 2 * page, PROT_READ | PROT_EXEC),
          "mprotect() again");
}

/* After a write to a function, calls run the new code. */
static void test_patch(void)
{
    uintptr_t at = (uintptr_t)memccpy & -page;
    void *again;

    CHECK(!mprotect((void *)at, 2 * page, PROT_RWX), "mprotect()");
    CHECK(!is_native(memccpy, "writable code"), "native");
    patch((uintptr_t)memccpy);
    CHECK(call(memccpy, bad, bad, 0, 1) == (void *)7, "not patched");

    /* Many C libraries have a resolver for it, which dlsym() runs again. */
    patch((uintptr_t)memchr);
    again = dlsym(RTLD_DEFAULT, "memchr");
    CHECK(again == memchr && call(again, bad, bad, 0, 1) == (void *)7,
          "not patched once it is looked up again");
}

static const ElfW(Phdr) *code_segment;
static ElfW(Addr) base;
static char path[4096];

static int find_code(struct dl_phdr_info *info, size_t size, void *data)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_LOAD && (p->p_flags & PF_X) &&
            code_of(memccpy) - info->dlpi_addr - p->p_vaddr < p->p_memsz) {
            code_segment = p;
            base = info->dlpi_addr;
            strcpy(path, info->dlpi_name);
            return 1;
        }
    }
    return 0;
}

/* It uses host addresses: true if they are the guest's addresses. */
static bool shows_memory(int mem)
{
    long probe = (long)&probe, seen = 0;

    return pread(mem, &seen, sizeof(seen), (uintptr_t)&probe) ==
           sizeof(seen) && seen == probe;
}

/* Another mapping of the code, and mappings that replace it */
static void test_mapping(void)
{
    size_t offset, size, at;
    MemccpyFn *fn;
    char *p;
    int fd, mem = open("/proc/self/mem", O_RDWR);

    dl_iterate_phdr(find_code, NULL);
    fd = open(path, O_RDONLY);
    if (fd < 0) {
        die(path);
    }
    offset = code_segment->p_offset & -page;
    size = code_segment->p_offset + code_segment->p_filesz - offset;
    at = (uintptr_t)PLAIN - base - code_segment->p_vaddr +
         code_segment->p_offset - offset;

    p = mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);
    fn = (MemccpyFn *)(p + at);
    CHECK(p != MAP_FAILED && is_native(fn, "second copy"), "translated");
    if (shows_memory(mem)) {
#ifdef __aarch64__
        /* The kernel writes, and then the guest flushes. */
        write_code((uintptr_t)fn, mem);
        flush_code((char *)fn, sizeof(seven));
        CHECK(call(fn, bad, bad, 0, 1) == (void *)7, "patched: native");
#endif
        munmap(p, size);

        /* No flush, but nothing has been translated yet. */
        p = mmap(p, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, offset);
        fn = (MemccpyFn *)(p + at);
        write_code((uintptr_t)fn, mem);
        CHECK(call(fn, bad, bad, 0, 1) == (void *)7, "patched before: native");
    } else {
        printf("/proc/self/mem has other addresses: not written to\n");
    }
    munmap(p, size);

    map_pages(p, size, PROT_RWX);
    write_code((uintptr_t)fn, -1);
    CHECK(call(fn, bad, bad, 0, 1) == (void *)7, "mapped over: native");
    munmap(p, size);
    close(fd);
    close(mem);
}

/* A function has one address, however it is looked up. */
static void test_addresses(void)
{
    static const struct {
        const char *name;
        void *address;
    } functions[] = {
        { "memcpy", memcpy }, { "memmove", memmove }, { "memset", memset },
        { "strlen", strlen }, { "strchr", strchr }, { "memccpy", memccpy },
    };

    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
        const char *name = functions[i].name;

        CHECK(dlsym(RTLD_DEFAULT, name) == functions[i].address &&
              dlsym(RTLD_NEXT, name) == functions[i].address &&
              dlsym(libc, name) == functions[i].address, "%s", name);
    }
    CHECK(dlsym(RTLD_DEFAULT, "wcsnlen") == wcsnlen &&
          dlsym(RTLD_NEXT, "wcsnlen") != wcsnlen, "wcsnlen");
}

/* Calls from the same library skip the first two instructions: they set r2. */
static void test_local(void)
{
#ifdef __powerpc64__
    CHECK(is_native((MemccpyFn *)((char *)memccpy + 8), "local entry"),
          "translated");
#endif
}

int main(void)
{
    bad = map_pages(NULL, page, PROT_NONE);
    fix_signal = look;
    catch_signals();
    CHECK(is_native(memccpy, "program"), "translated");
    test_restart();
    test_later();
    test_local();
    test_processes();
    test_own();
    test_inside();
    test_write();
    test_addresses();
    test_mapping();
    test_patch();
    return failures != 0;
}
