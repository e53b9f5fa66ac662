/*
 * Native bypass: the beginning of a stub, as data for native-marker.c
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* From the one to the other, in native-marker-stub.S */
extern const char stub_begin[], stub_end[];
