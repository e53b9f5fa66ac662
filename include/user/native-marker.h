/*
 * Native bypass: the marker instructions
 *
 * A stub has the marker, the ABI's return, and at NATIVE_*_NAME_OFFSET the
 * NUL-terminated name of a function in native-functions.h.inc.  Translators
 * decode the three as one instruction.  Disassemblers need the return, and gdb
 * on some targets.  The stubs and the translators include this file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef USER_NATIVE_MARKER_H
#define USER_NATIVE_MARKER_H

/* Maximum length of a name, without its NUL, that translators read */
#define NATIVE_NAME_MAX             31

/* Name of the ELF note that identifies libnative.so */
#define NATIVE_NOTE                 "QEMU native calls"

/*
 * i386, x86_64: UD0 %edi, %edi.  Intel's SDM reserves UD0, with a modrm byte,
 * to raise #UD.
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
 * mips*: SYSCALL with a nonzero code field.  The kernel ignores the field, and
 * compilers leave it 0.
 */
#define NATIVE_MIPS_SYSCALL_CODE    0x6e627
#define NATIVE_MIPS_NAME_OFFSET     12

/*
 * riscv64: a SYSTEM instruction without operands, from those that the
 * privileged architecture designates for custom use at user level
 */
#define NATIVE_RISCV_INSN           0x8c000073
#define NATIVE_RISCV_NAME_OFFSET    8

/* s390x: opcode 02, which no instruction has */
#define NATIVE_S390_INSN            0x026e
#define NATIVE_S390_NAME_OFFSET     4

/*
 * ppc64le: primary opcode 0, which is illegal except for attn and KVM's
 * breakpoints 0x00dddd00
 */
#define NATIVE_PPC_INSN             0x00006e62
#define NATIVE_PPC_NAME_OFFSET      8

/*
 * loongarch64: BREAK with a code that the kernel does not define, so that it
 * raises SIGTRAP
 */
#define NATIVE_LOONGARCH_INSN       0x002a6e62
#define NATIVE_LOONGARCH_NAME_OFFSET 8

#endif /* USER_NATIVE_MARKER_H */
