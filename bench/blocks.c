/*
 * A plugin for classes.py: how often each TB is executed, and its instructions
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <qemu-plugin.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

typedef struct {
    uint64_t pc;
    size_t insns;
    struct qemu_plugin_scoreboard *count;
} Block;

static GHashTable *blocks;
static GMutex lock;

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    uint64_t pc = qemu_plugin_tb_vaddr(tb);
    Block *b;

    g_mutex_lock(&lock);
    b = g_hash_table_lookup(blocks, &pc);
    if (!b) {
        b = g_new(Block, 1);
        *b = (Block) { pc, qemu_plugin_tb_n_insns(tb),
                       qemu_plugin_scoreboard_new(sizeof(uint64_t)) };
        g_hash_table_insert(blocks, &b->pc, b);
    }
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(
        tb, QEMU_PLUGIN_INLINE_ADD_U64,
        qemu_plugin_scoreboard_u64(b->count), 1);
    g_mutex_unlock(&lock);
}

static void at_exit(qemu_plugin_id_t id, void *out)
{
    GHashTableIter i;
    Block *b;

    g_hash_table_iter_init(&i, blocks);
    while (g_hash_table_iter_next(&i, NULL, (gpointer *)&b)) {
        uint64_t n = qemu_plugin_u64_sum(qemu_plugin_scoreboard_u64(b->count));

        fprintf(out, "%" PRIx64 " %" PRIu64 " %zu\n", b->pc, n, b->insns);
    }
    fclose(out);
}

/* The argument is out=FILE.  Without, it only takes its place in memory. */
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
                                           const qemu_info_t *info,
                                           int argc, char **argv)
{
    FILE *out;

    if (argc == 0) {
        return 0;
    }
    if (argc != 1 || !g_str_has_prefix(argv[0], "out=")) {
        return -1;
    }
    out = fopen(argv[0] + 4, "w");
    if (!out) {
        return -1;
    }
    blocks = g_hash_table_new(g_int64_hash, g_int64_equal);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, at_exit, out);
    return 0;
}
