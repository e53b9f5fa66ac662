/*
 * No host specific SHA acceleration.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef GENERIC_HOST_CRYPTO_SHA_ROUND_H
#define GENERIC_HOST_CRYPTO_SHA_ROUND_H

#define HAVE_SHA_ACCEL  false

void sha1c_accel(SHAState *, const SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");
void sha1p_accel(SHAState *, const SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");
void sha1m_accel(SHAState *, const SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");
void sha256h_accel(SHAState *, const SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");
void sha256h2_accel(SHAState *, const SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");
void sha256su0_accel(SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");
void sha256su1_accel(SHAState *, const SHAState *, const SHAState *)
    QEMU_ERROR("unsupported accel");

#endif /* GENERIC_HOST_CRYPTO_SHA_ROUND_H */
