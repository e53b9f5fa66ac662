/*
 * Native bypass: names that native-own.c defines itself, and who calls them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef NATIVE_OWN_H
#define NATIVE_OWN_H

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

#define OWN_DECLARE(name)   OwnFn name;
OWN_NAMES(OWN_DECLARE)

/* Of the library: calls of each name, then one without a name */
const OwnCall *own_library_calls(void);

#endif
