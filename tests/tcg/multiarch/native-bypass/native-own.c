/*
 * Native bypass: a program's own definitions of functions of the table
 *
 * The program and a library call these.  Those of libnative.so, which is
 * loaded, come after them.  The library is this file with LIBRARY defined.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* One of each kind of row, and one that older C libraries do not have */
#define OWN_NAMES(X) \
    X(strchrnul) \
    X(wcslen) \
    X(strlcpy) \
    X(index) \
    X(strsep) \
    X(__memcpy_chk)

/* No header of the C library may declare these names. */
typedef const char *OwnFn(void);

typedef struct OwnCall {
    const char *name;
    OwnFn *call;
} OwnCall;

#define OWN_CALL(name) \
    OwnFn name; \
    static const char *call_ ## name(void) \
    { \
        return name(); \
    }
OWN_NAMES(OWN_CALL)

/* Calls by the program, or by the library; the last one has no name. */
#define OWN_ENTRY(name)     { #name, call_ ## name },
static const OwnCall own_calls[] = {
    OWN_NAMES(OWN_ENTRY)
    {}
};

const OwnCall *own_library_calls(void);

#ifdef LIBRARY
const OwnCall *own_library_calls(void)
{
    return own_calls;
}
#else
/* The program's function that was called last */
static const char *called;

#define OWN_DEFINE(name) \
    const char *name(void) \
    { \
        called = #name; \
        return called; \
    }
OWN_NAMES(OWN_DEFINE)

static int failures;

static void check(const char *who, const char *name, OwnFn *call)
{
    called = NULL;
    if (!call || !call() || !called || __builtin_strcmp(called, name)) {
        printf("%s: %s calls another one\n", name, who);
        failures++;
    }
}

/* Is it libnative.so's or, with auto, the C library's (if it has one)? */
static bool is_native(void *address)
{
    bool by_address = getenv("NATIVE_AUTO");
    Dl_info info;

    if (!address) {
        return by_address;
    }
    return dladdr(address, &info) &&
           __builtin_strstr(info.dli_fname,
                            by_address ? "/libc.so" : "/libnative.so");
}

int main(void)
{
    const OwnCall *library_calls = own_library_calls();

    for (int i = 0; own_calls[i].name; i++) {
        const char *name = own_calls[i].name;

        check("the program", name, own_calls[i].call);
        check("the library", name, library_calls[i].call);
        check("who asks dlsym()", name, (OwnFn *)dlsym(RTLD_DEFAULT, name));
        if (!is_native(dlsym(RTLD_NEXT, name))) {
            printf("%s: the native one does not come next\n", name);
            failures++;
        }
    }
    if (!is_native(dlsym(RTLD_DEFAULT, "strlen"))) {
        printf("strlen: not replaced\n");
        failures++;
    }
    return failures != 0;
}
#endif
