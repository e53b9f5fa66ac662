/*
 * Native bypass: the beginning of a stub, as data for native-marker.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "stub.inc.S"

        .text
        .balign 16
        .globl  stub_begin
        .globl  stub_end
stub_begin:
        native_marker
stub_end:

        .section .note.GNU-stack, "", %progbits
