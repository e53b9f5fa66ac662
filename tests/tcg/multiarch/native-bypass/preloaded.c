/*
 * Test --native-bypass: a library that the real /etc/ld.so.preload names
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

static int loaded;

static void __attribute__((constructor)) count(void)
{
    loaded++;
}

int native_preloaded(void)
{
    return loaded;
}
