/*
 * Native bypass: a library that calls what native-own.c defines
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "native-own.h"

const OwnCall *own_library_calls(void)
{
    return own_calls;
}
