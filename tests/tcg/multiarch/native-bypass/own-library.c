/*
 * Native bypass: a library that calls what native-own.c defines
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>
#include "native-own.h"

#define OWN_CALL(name) \
    static const char *call_ ## name(void) \
    { \
        return name(); \
    }
OWN_NAMES(OWN_CALL)

#define OWN_ENTRY(name)     { #name, call_ ## name },

const OwnCall *own_library_calls(void)
{
    static const OwnCall calls[] = {
        OWN_NAMES(OWN_ENTRY)
        {}
    };

    return calls;
}
