/*
 * libnative.so: a guest library whose functions are one special instruction
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "stub.inc.S"

#define NATIVE_1(name, ...)     native_stub name
#define NATIVE_2(name, ...)     native_stub name
#define NATIVE_3(name, ...)     native_stub name

        .text
#include "user/native-functions.h.inc"

        .section .note.GNU-stack, "", %progbits
