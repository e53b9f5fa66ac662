/*
 * Native bypass: the special instructions
 *
 * A stub is, at its entry: the marker, the ABI's return, and the name of a
 * function of native-functions.h.inc, NUL-terminated, at NATIVE_NAME_OFFSET.
 * The translators take the three as one instruction; the return is there for
 * whoever reads the code.  Included by the stubs and by the translators.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_MARKER_H
#define USER_NATIVE_MARKER_H

/* Longest name, without its NUL: what a translator will read of a stub. */
#define NATIVE_NAME_MAX             31

/* Name of libnative.so's ELF note, which says what it is */
#define NATIVE_NOTE                 "QEMU native calls"

/*
 * i386, x86_64: UD0 %edi, %edi.  Intel's SDM reserves UD0 to raise #UD, and
 * has it take a modrm byte.
 */
#define NATIVE_X86_MODRM            0xff
#define NATIVE_X86_NAME_OFFSET      4

/*
 * A32, A64: HLT with an immediate that is not semihosting's 0xf000.  QEMU has
 * no external debug, so that any other HLT is undefined.
 */
#define NATIVE_ARM_HLT_IMM          0x6e62
#define NATIVE_ARM_NAME_OFFSET      8

/*
 * mips*: SYSCALL with a code field that compilers never emit: the kernel
 * ignores it, and they leave it 0.
 */
#define NATIVE_MIPS_SYSCALL_CODE    0x6e627
#define NATIVE_MIPS_NAME_OFFSET     12

/*
 * riscv64: of the SYSTEM instructions that the privileged architecture leaves
 * to custom use at user level, with no operand
 */
#define NATIVE_RISCV_INSN           0x8c000073
#define NATIVE_RISCV_NAME_OFFSET    8

/* s390x: of the opcodes 02, none of which is an instruction */
#define NATIVE_S390_INSN            0x026e
#define NATIVE_S390_NAME_OFFSET     4

/*
 * ppc64le: primary opcode 0, which is attn, KVM's breakpoints 0x00dddd00, and
 * illegal otherwise
 */
#define NATIVE_PPC_INSN             0x00006e62
#define NATIVE_PPC_NAME_OFFSET      8

/*
 * loongarch64: BREAK with a code that is none of the kernel's, for which it
 * raises SIGTRAP
 */
#define NATIVE_LOONGARCH_INSN       0x002a6e62
#define NATIVE_LOONGARCH_NAME_OFFSET 8

#endif /* USER_NATIVE_MARKER_H */
