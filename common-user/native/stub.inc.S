/*
 * Native bypass: the macro native_stub, for libnative.so and the tests
 *
 * A stub is the marker, the ABI's return and the function's name: see
 * include/user/native-marker.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "user/native-marker.h"

#ifdef __arm__
/* Exception Handling ABI for the Arm Architecture: nothing is saved */
        .macro native_unwind_start
        .fnstart
        .endm
        .macro native_unwind_end
        .fnend
        .endm
#else
        .macro native_unwind_start
        .cfi_startproc
        .endm
        .macro native_unwind_end
        .cfi_endproc
        .endm
#endif

#if defined(__x86_64__) || defined(__i386__)
# define NAME_OFFSET NATIVE_X86_NAME_OFFSET
        .macro native_marker
        .byte   0x0f, 0xff, NATIVE_X86_MODRM
        ret
        .endm
#elif defined(__aarch64__)
# define NAME_OFFSET NATIVE_ARM_NAME_OFFSET
        .macro native_marker
        hlt     #NATIVE_ARM_HLT_IMM
        ret
        .endm
#elif defined(__arm__)
# define NAME_OFFSET NATIVE_ARM_NAME_OFFSET
        /* Spelled out, as assemblers for older architectures have no HLT. */
        .arm
        .macro native_marker
        .inst   0xe1000070 | ((NATIVE_ARM_HLT_IMM & 0xfff0) << 4) \
                | (NATIVE_ARM_HLT_IMM & 0xf)
        bx      lr
        .endm
#elif defined(__mips__)
# define NAME_OFFSET NATIVE_MIPS_NAME_OFFSET
        .set    nomips16
        .set    noreorder
        .macro native_marker
        syscall NATIVE_MIPS_SYSCALL_CODE
        jr      $31
        nop
        .endm
#elif defined(__riscv)
# define NAME_OFFSET NATIVE_RISCV_NAME_OFFSET
        .option norvc
        .option norelax
        .macro native_marker
        .4byte  NATIVE_RISCV_INSN
        ret
        .endm
#elif defined(__loongarch64)
# define NAME_OFFSET NATIVE_LOONGARCH_NAME_OFFSET
        .macro native_marker
        .4byte  NATIVE_LOONGARCH_INSN
        ret
        .endm
#elif defined(__s390x__)
# define NAME_OFFSET NATIVE_S390_NAME_OFFSET
        .macro native_marker
        .2byte  NATIVE_S390_INSN
        br      %r14
        .endm
#elif defined(__powerpc64__)
# define NAME_OFFSET NATIVE_PPC_NAME_OFFSET
        .macro native_marker
        .4byte  NATIVE_PPC_INSN
        blr
        .endm
#else
# error "no marker for this architecture"
#endif

        /* @function: the name that the translators read, if not @name */
        .macro native_stub name, function
        .balign 16
        .globl  \name
        .type   \name, %function
\name:
        native_unwind_start
        native_marker
        native_unwind_end
        .if     . - \name - NAME_OFFSET
        .error  "the name does not stand where the translators look for it"
        .endif
        .ifb    \function
        .asciz  "\name"
        .else
        .asciz  "\function"
        .endif
        /* LoongArch's linker aligns only whole instructions. */
        .fill   -(. - \name) & 3
        .size   \name, . - \name
        .endm
