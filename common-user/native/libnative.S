/*
 * libnative.so: a guest library whose functions are one special instruction
 *
 * libnative.c calls the functions of NATIVE() rows by hidden names, which
 * nothing can interpose.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "stub.inc.S"

        .macro native_local name
        .globl  native_\name
        .hidden native_\name
        .type   native_\name, %function
        .set    native_\name, \name
        .endm

#define NATIVE(name, ...)               native_stub name; native_local name
#define NATIVE_ALIAS(name, function)    native_stub name, function
#define NATIVE_GUEST(...)
#define NATIVE_CHECKED(...)

        .text
#ifdef __arm__
        /* The unwinder looks up PC - 2, also at the first stub. */
        native_unwind_start
        nop
        native_unwind_end
#endif
#include "user/native-functions.h.inc"

#ifdef __arm__
        /* The unwinder has these itself. The tables need only their names. */
        .globl  __aeabi_unwind_cpp_pr0, __aeabi_unwind_cpp_pr1
        .hidden __aeabi_unwind_cpp_pr0, __aeabi_unwind_cpp_pr1
        .set    __aeabi_unwind_cpp_pr0, 0
        .set    __aeabi_unwind_cpp_pr1, 0
#endif

        /* By this, QEMU knows the library. */
        .section .note.qemu, "a", %note
        .p2align 2
        .long   2f - 1f, 0, 0
1:      .asciz  NATIVE_NOTE
2:      .p2align 2

        .section .note.GNU-stack, "", %progbits
