/*
 * Native bypass: names that native-own.c defines itself, and calls of them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_OWN_H
#define NATIVE_OWN_H

#include <stddef.h>

/* One of each kind of row, and one that older C libraries do not have */
#define OWN_NAMES(X) \
    X(strchrnul) \
    X(wcslen) \
    X(strlcpy) \
    X(index) \
    X(strsep) \
    X(__memcpy_chk)

/* No header of the C library is to tell what else the names could be. */
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

/* Calls by who includes this; the last one has no name. */
#define OWN_ENTRY(name)     { #name, call_ ## name },
static const OwnCall own_calls[] = {
    OWN_NAMES(OWN_ENTRY)
    {}
};

const OwnCall *own_library_calls(void);

#endif
