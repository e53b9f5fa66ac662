/*
 * Native bypass: streams that the host's library decodes
 *
 * Host decoders read and write QEMU's buffers, never guest memory: another
 * thread may unmap guest memory at any time, and a fault must not leave a
 * decoder half way.  Input is read no farther than the guest's own code may
 * read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/thread.h"
#include "qemu/units.h"
#include "cpu.h"
#include "accel/tcg/cpu-ldst.h"
#include "accel/tcg/helper-retaddr.h"
#include "exec/cpu-common.h"
#include "tcg/native-bypass.h"
#include "user/cpu_loop.h"
#include "user/guest-host.h"
#include "user/native-translate.h"
#include "user/page-protection.h"
#include "stream.h"

/* Number of arguments in registers that have no place on the stack */
#ifndef NATIVE_REG_ARGS
#define NATIVE_REG_ARGS 0
#endif

/* How many streams of a library the host may decode */
#define MOST_STREAMS    256

/* Bytes that the host decodes at once: signals are delivered in between. */
#define SLICE           (64 * KiB)

/* Bytes before the input, for a stream that looks back */
#define BEFORE          8

/* Most bytes per call that both host and guest decode */
#define MOST_TWICE      (256 * KiB)

/* Most bytes read at once, without signals: takes some milliseconds */
#define MOST_READ       (16 * MiB)

/* Per-thread data */
typedef struct NativeThread {
    NativeStream *current;      /* the last one, or NULL */
    /* The key of @current, valid while generation is unchanged */
    const NativeStreams *all;
    uint64_t strm, state;
    unsigned generation;
    /* zlib's inflate() returns unused input of inflatePrime(), too. */
    uint8_t before[BEFORE], in[SLICE], out[SLICE];
} NativeThread;

/* For all tables and streams */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned running_count;

/* Changes with each change of a table */
static unsigned generation;

static void unref(NativeStream *s)
{
    if (s && qatomic_fetch_dec(&s->refs) == 1) {
        s->coder->free(s);
    }
}

/* Takes no lock: the process may fork meanwhile. */
static void free_thread(void *opaque)
{
    NativeThread *thread = opaque;

    unref(thread->current);
    g_free(thread);
}

static NativeThread *this_thread(void)
{
    static GPrivate key = G_PRIVATE_INIT(free_thread);
    NativeThread *thread = g_private_get(&key);

    if (!thread) {
        thread = g_new0(NativeThread, 1);
        g_private_set(&key, thread);
    }
    return thread;
}

/* With the lock held: remember @s for this thread's next call */
static void set_current(NativeStreams *all, uint64_t strm, uint64_t state,
                        NativeStream *s)
{
    NativeThread *thread = this_thread();

    if (s) {
        qatomic_inc(&s->refs);
    }
    unref(thread->current);
    thread->current = s;
    thread->all = all;
    thread->strm = strm;
    thread->state = state;
    thread->generation = generation;
}

bool native_streams_used(void)
{
    return qatomic_read(&running_count);
}

static void unref_value(gpointer s)
{
    unref(s);
}

static GHashTable *new_table(void)
{
    return g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL,
                                 unref_value);
}

/* @key is in @s, and must not change. */
static void insert(GHashTable *table, uint64_t *key, NativeStream *s)
{
    qatomic_inc(&s->refs);
    g_hash_table_replace(table, key, s);
    qatomic_set(&generation, generation + 1);
}

static void remove_begun(NativeStreams *all, uint64_t strm)
{
    if (g_hash_table_remove(all->begun, &strm)) {
        qatomic_set(&generation, generation + 1);
    }
}

static void remove_running(NativeStreams *all, uint64_t state)
{
    if (g_hash_table_remove(all->running, &state)) {
        qatomic_set(&running_count, running_count - 1);
        qatomic_set(&generation, generation + 1);
    }
}

static void drop(NativeStreams *all, NativeStream *s)
{
    if (g_hash_table_lookup(all->running, &s->state) == s) {
        remove_running(all, s->state);
    }
}

void native_stream_begin(NativeStreams *all, target_ulong strm, NativeStream *s)
{
    s->begun = strm;
    pthread_mutex_lock(&lock);
    if (!all->begun) {
        all->begun = new_table();
        all->running = new_table();
    }
    insert(all->begun, &s->begun, s);
    set_current(all, strm, 0, s);
    pthread_mutex_unlock(&lock);
}

static bool is_begun(const NativeStream *s)
{
    return s && !s->state;
}

static bool is_current(const NativeThread *thread, const NativeStreams *all,
                       uint64_t strm)
{
    return thread->all == all && thread->strm == strm &&
           thread->generation == qatomic_read(&generation);
}

NativeStream *native_stream_just_begun(NativeStreams *all, target_ulong strm)
{
    NativeThread *thread = this_thread();

    return is_begun(thread->current) && is_current(thread, all, strm)
           ? thread->current : NULL;
}

void native_stream_end(NativeStreams *all, target_ulong strm, uint64_t state)
{
    NativeStream *s;

    if (!all->begun) {
        return;
    }
    pthread_mutex_lock(&lock);
    remove_begun(all, strm);
    s = g_hash_table_lookup(all->running, &state);
    if (s && (!s->strm || s->strm == strm)) {
        remove_running(all, state);
    }
    set_current(NULL, 0, 0, NULL);
    pthread_mutex_unlock(&lock);
}

/*
 * With the lock held: the stream begun at @strm becomes the stream of
 * @state.
 */
static void adopt(NativeStreams *all, CPUState *cpu, uint64_t strm,
                  uint64_t state, const NativeIO *io)
{
    NativeStream *s = g_hash_table_lookup(all->begun, &strm);

    if (!s) {
        return;
    }
    if ((s->total_in != io->total_in || s->total_out != io->total_out) &&
        (s->is_synced || (!s->total_in && !s->total_out) ||
         g_hash_table_lookup(all->running, &state))) {
        /*
         * The initialisation failed and the old stream goes on, or another
         * stream's struct was moved there.  But the totals of a copy that
         * only the host decodes may have been set by the program.
         */
        remove_begun(all, strm);
        return;
    }
    remove_running(all, state);
    s->state = state;
    /* With breakpoints, run the guest's own code so that gdb sees it. */
    if (!s->is_foreign && g_hash_table_size(all->running) < MOST_STREAMS &&
        QTAILQ_EMPTY(&cpu->breakpoints)) {
        insert(all->running, &s->state, s);
        qatomic_set(&running_count, running_count + 1);
    }
    remove_begun(all, strm);
}

NativeStream *native_stream_known(NativeStreams *all, target_ulong strm,
                                  uint64_t state)
{
    NativeThread *thread = this_thread();
    NativeStream *s;
    uint64_t key = strm;

    if ((thread->state == state || is_begun(thread->current)) &&
        is_current(thread, all, strm)) {
        return thread->current;
    }
    pthread_mutex_lock(&lock);
    s = g_hash_table_lookup(all->begun, &key);
    if (!s) {
        s = g_hash_table_lookup(all->running, &state);
    }
    set_current(all, strm, state, s);
    pthread_mutex_unlock(&lock);
    return s;
}

NativeStream *native_stream_find(NativeStreams *all, NativeTry *call,
                                 target_ulong strm, uint64_t state,
                                 const NativeIO *io)
{
    NativeStream *s;

    if (!all->begun || !state) {
        return NULL;
    }
    s = native_stream_known(all, strm, state);
    if (is_begun(s)) {
        pthread_mutex_lock(&lock);
        adopt(all, env_cpu(call->env), strm, state, io);
        s = g_hash_table_lookup(all->running, &state);
        set_current(all, strm, state, s);
        pthread_mutex_unlock(&lock);
    }
    if (s && s->is_synced &&
        (s->total_in != io->total_in || s->total_out != io->total_out)) {
        /* The guest's own code has come to other totals. */
        pthread_mutex_lock(&lock);
        drop(all, s);
        pthread_mutex_unlock(&lock);
        return NULL;
    }
    if (s && s->is_ready) {
        s->is_synced = false;
    }
    return s;
}

void native_stream_enter(NativeTry *call, NativeStream *s)
{
    if (qatomic_xchg(&s->is_busy, true)) {
        cpu_loop_exit_restore(env_cpu(call->env), call->ra);
    }
}

void native_stream_leave(NativeStream *s)
{
    qatomic_store_release(&s->is_busy, false);
}

bool native_accessible(target_ulong addr, target_ulong len, int prot)
{
    return len == 0 || (addr + len - 1 >= addr &&
                        addr + len - 1 <= guest_addr_max &&
                        page_check_range(addr, len, prot));
}

static size_t left_in_page(target_ulong addr)
{
    size_t size = MIN(TARGET_PAGE_SIZE, qemu_real_host_page_size());

    return size - addr % size;
}

/*
 * How many of @len bytes to decode at once.  The page table does not show
 * whether a file ends inside its mapping.  So unless all memory is anonymous,
 * take only the rest of the first page at a time.
 */
static size_t prefix(target_ulong addr, target_ulong len, int prot,
                     bool *is_file)
{
    size_t n = MIN(len, SLICE);

    addr = native_untagged(addr);
    if (native_accessible(addr, n, prot | PAGE_ANON)) {
        return n;
    }
    *is_file = true;
    n = MIN(n, left_in_page(addr));
    return native_accessible(addr, n, prot) ? n : 0;
}

void native_read(NativeTry *call, target_ulong addr, void *buf, size_t len)
{
    set_helper_retaddr(call->ra);
    memcpy(buf, g2h_untagged(native_untagged(addr)), len);
    clear_helper_retaddr();
}

bool native_read_struct(NativeTry *call, target_ulong addr, void *g,
                        size_t size)
{
    if (!addr || !native_accessible(addr, size, PAGE_READ)) {
        return false;
    }
    native_read(call, addr, g, size);
    return true;
}

void native_write(NativeTry *call, target_ulong addr, const void *buf,
                  size_t len)
{
    set_helper_retaddr(call->ra);
    memcpy(g2h_untagged(native_untagged(addr)), buf, len);
    clear_helper_retaddr();
}

const void *native_begin_read(NativeTry *call, target_ulong addr,
                              target_ulong len)
{
    addr = native_untagged(addr);
    if (len > MOST_READ || native_tags_checked(call->env) ||
        !native_accessible(addr, len, PAGE_READ)) {
        return NULL;
    }
    set_helper_retaddr(call->ra);
    return g2h_untagged(addr);
}

void native_end_read(void)
{
    clear_helper_retaddr();
}

void native_touch(NativeTry *call, target_ulong addr, size_t len)
{
    target_ulong last = addr + len - 1;

    if (!native_accessible(addr, len, PAGE_READ | PAGE_WRITE)) {
        cpu_stb_data_ra(call->env, addr,
                        cpu_ldub_data_ra(call->env, addr, call->ra), call->ra);
        cpu_stb_data_ra(call->env, last,
                        cpu_ldub_data_ra(call->env, last, call->ra), call->ra);
    }
}

/* Raise the guest's signal if @slice is empty due to inaccessible memory. */
static void fault(NativeTry *call, const NativeIO *io, const NativeSlice *slice)
{
    if (!slice->in_len && !slice->all_in) {
        cpu_ldub_data_ra(call->env, native_untagged(io->next_in), call->ra);
    } else if (!slice->out_len && !slice->all_out) {
        cpu_stb_data_ra(call->env, native_untagged(io->next_out), 0, call->ra);
    }
}

uint64_t native_get(NativeTry *call, target_ulong addr, size_t size)
{
    return size == 4 ? cpu_ldl_data_ra(call->env, addr, call->ra)
                     : cpu_ldq_data_ra(call->env, addr, call->ra);
}

void native_put(NativeTry *call, target_ulong addr, uint64_t value, size_t size)
{
    if (size == 4) {
        cpu_stl_data_ra(call->env, addr, value, call->ra);
    } else {
        cpu_stq_data_ra(call->env, addr, value, call->ra);
    }
}

bool native_has_version(int *version, const char *file, size_t size,
                        const char *before, char behind)
{
    size_t len = strlen(before);
    const char *found = file, *end = file + size;

    while ((found = memmem(found, end - found, before, len))) {
        /* Part of the version of a symbol or a compiler */
        bool is_part = found > file && (found[-1] == '_' || found[-1] == '.' ||
                                        g_ascii_isdigit(found[-1]));
        unsigned minor, patch = 0;
        const char *p;

        found += len;
        if (!is_part && !qemu_strtoui(found, &p, 10, &minor) &&
            (*p != '.' || !qemu_strtoui(p + 1, &p, 10, &patch)) &&
            *p == behind && minor < 100 && patch < 100) {
            if (*version < 0) {
                *version = 100 * minor + patch;
            }
            return *version == 100 * minor + patch;
        }
    }
    return false;
}

target_ulong native_word(NativeTry *call, unsigned n)
{
    target_ulong sp;

    if (n < NATIVE_TRY_ARGS && n < call->fn->nargs) {
        return call->arg[n];
    }
    native_return_to(call->env, &sp, call->ra);
    return native_get(call, sp + (n - NATIVE_REG_ARGS) * sizeof(target_ulong),
                      sizeof(target_ulong));
}

uint64_t native_arg64(NativeTry *call, unsigned n, unsigned *next)
{
    uint64_t first, second;

    if (sizeof(target_ulong) == 8) {
        *next = n + 1;
        return native_word(call, n);
    }
    /* ABIs that align 64-bit values in memory begin at an even register. */
    n = ABI_LLONG_ALIGNMENT == 8 ? ROUND_UP(n, 2) : n;
    *next = n + 2;
    first = native_word(call, n);
    second = native_word(call, n + 1);
    return TARGET_BIG_ENDIAN ? first << 32 | second : second << 32 | first;
}

static void advance(NativeIO *io, const NativeSlice *slice)
{
    io->next_in += slice->used;
    io->avail_in -= slice->used;
    io->total_in += slice->used;
    io->next_out += slice->made;
    io->avail_out -= slice->made;
    io->total_out += slice->made;
}

bool native_stream_run(NativeStreams *all, NativeTry *call, NativeStream *s,
                       NativeIO *io, int action)
{
    NativeThread *thread = this_thread();
    size_t twice = 0;
    bool more, go_on, asked = false;

    if (s->is_synced) {
        /* No totals match this until the end is reached. */
        s->total_in = -1;
    }
    do {
        NativeSlice slice = { .in = thread->in, .out = thread->out };
        bool in_file = false, out_file = false, asks;

        slice.out_len = prefix(io->next_out, io->avail_out, PAGE_WRITE,
                               &out_file);
        /* Little output needs little input: do not copy all of it each time. */
        slice.in_len = prefix(io->next_in,
                              MIN(io->avail_in, 512 + 16 * slice.out_len),
                              PAGE_READ, &in_file);
        /* Access a file only if needed: it may end before the buffer. */
        asks = !asked && (in_file || out_file);
        asked = true;
        if (asks) {
            slice.in_len = in_file ? 0 : slice.in_len;
            slice.out_len = out_file ? 0 : slice.out_len;
        }
        slice.all_in = slice.in_len == io->avail_in;
        slice.all_out = slice.out_len == io->avail_out;
        if (s->looks_back) {
            target_ulong before = native_untagged(io->next_in) - BEFORE;

            memset(thread->before, 0, BEFORE);
            if (native_accessible(before, BEFORE, PAGE_READ)) {
                native_read(call, before, thread->before, BEFORE);
            }
        }
        native_read(call, io->next_in, thread->in, slice.in_len);
        if (slice.out_len && out_file && (!s->is_synced || s->is_early)) {
            /* Fault behind a file's end now, before output can be lost. */
            cpu_stb_data_ra(call->env, native_untagged(io->next_out),
                            cpu_ldub_data_ra(call->env,
                                             native_untagged(io->next_out),
                                             call->ra), call->ra);
        }

        native_stream_enter(call, s);
        more = s->coder->code(s, &slice, action);
        if (slice.made && s->is_early) {
            s->is_synced = false;
        }
        native_stream_leave(s);

        if (slice.used || slice.made) {
            s->progress = true;
        } else if (more && !s->is_synced && !asks) {
            fault(call, io, &slice);
        }
        go_on = more && (slice.used || slice.made || asks) &&
                ((slice.used == slice.in_len && !slice.all_in) ||
                 (slice.made == slice.out_len && !slice.all_out));
        if (s->is_synced) {
            advance(io, &slice);
            twice += slice.used + slice.made;
        } else {
            native_write(call, io->next_out, thread->out, slice.made);
            advance(io, &slice);
            s->coder->store(call, s, io);
            if (go_on && cpu_loop_exit_requested(env_cpu(call->env))) {
                cpu_loop_exit_restore(env_cpu(call->env), call->ra);
            }
        }
    } while (go_on && twice <= MOST_TWICE);

    if (s->is_synced) {
        pthread_mutex_lock(&lock);
        s->total_in = io->total_in;
        s->total_out = io->total_out;
        s->is_ready = io->total_out > 0;
        if (twice > MOST_TWICE) {
            drop(all, s);
        }
        pthread_mutex_unlock(&lock);
        return false;
    }
    return true;
}
