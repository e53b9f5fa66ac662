/*
 * make bench: a plugin that counts instructions by the file they are in
 *
 * For machines without perf.  At the end, lines "<count> <path>" go to the log;
 * code that comes from no file is that of "[anonymous]".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static GHashTable *files;       /* path to struct qemu_plugin_scoreboard */
static GMutex lock;

/* What this process has mapped at @addr, which is one of the host's */
static char *file_at(uintptr_t addr)
{
    FILE *f = fopen("/proc/self/maps", "r");
    char line[4096 + 128];
    char *path = NULL;

    while (f && !path && fgets(line, sizeof(line), f)) {
        uintptr_t start, end;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 &&
            addr >= start && addr < end) {
            path = strchr(line, '/');
            path = g_strdup(path ? g_strchomp(path) : "[anonymous]");
        }
    }
    if (f) {
        fclose(f);
    }
    return path ? path : g_strdup("[anonymous]");
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, 0);
    char *path = file_at((uintptr_t)qemu_plugin_insn_haddr(insn));
    struct qemu_plugin_scoreboard *count;

    g_mutex_lock(&lock);
    count = g_hash_table_lookup(files, path);
    if (!count) {
        count = qemu_plugin_scoreboard_new(sizeof(uint64_t));
        g_hash_table_insert(files, g_strdup(path), count);
    }
    g_mutex_unlock(&lock);
    g_free(path);
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
        tb, QEMU_PLUGIN_INLINE_ADD_U64,
        qemu_plugin_scoreboard_u64(count), qemu_plugin_tb_n_insns(tb));
}

static void report(qemu_plugin_id_t id, void *unused)
{
    GHashTableIter iter;
    gpointer path, count;

    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &path, &count)) {
        g_autofree char *line = g_strdup_printf(
            "mappings: %" PRIu64 " %s\n",
            qemu_plugin_u64_sum(qemu_plugin_scoreboard_u64(count)),
            (char *)path);

        qemu_plugin_outs(line);
    }
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info,
                                           int argc, char **argv)
{
    files = g_hash_table_new(g_str_hash, g_str_equal);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, report, NULL);
    return 0;
}
