/*
 * The program of make demo: what text tools do, with the C library's string
 * functions, on a whole file.  It prints the longest paragraphs, each distinct
 * line once and each word with its count, and a checksum of all that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384
#define CHUNK   65536
#define COLUMN  24

struct word {
    struct word *next;
    size_t len;
    unsigned count;
    char text[];
};

static struct word *table[BUCKETS];
static size_t n_words;

/* What is printed, kept in one growing piece. */
static char *out;
static size_t out_len, out_size;

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "words: out of memory\n");
        exit(1);
    }
    return p;
}

static void put(const char *s)
{
    size_t len = strlen(s);

    if (out_len + len + 1 > out_size) {
        char *bigger;

        out_size = 2 * out_size + len + CHUNK;
        bigger = must(malloc(out_size));
        if (out) {
            memcpy(bigger, out, out_len);
            free(out);
        }
        out = bigger;
    }
    strcpy(out + out_len, s);
    out_len += len;
}

/* The whole file, ending in a zero byte. */
static char *read_file(const char *name, size_t *size)
{
    static char chunk[CHUNK];
    char *text = NULL;
    size_t len = 0, room = 0, got;
    FILE *f = fopen(name, "r");

    if (!f) {
        perror(name);
        exit(1);
    }
    while ((got = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        if (len + got + 1 > room) {
            room = 2 * room + got + 1;
            text = must(realloc(text, room));
        }
        memcpy(text + len, chunk, got);
        len += got;
    }
    fclose(f);
    if (!text) {
        fprintf(stderr, "words: %s: empty\n", name);
        exit(1);
    }
    text[len] = '\0';
    *size = len;
    return text;
}

static char **split_lines(char *text, size_t size, size_t *n)
{
    char *end = text + size, *eol;
    size_t room = 1024;
    char **lines = must(malloc(room * sizeof(*lines)));

    for (*n = 0; text < end; text = eol + 1) {
        eol = memchr(text, '\n', end - text);
        if (!eol) {
            eol = end;
        }
        *eol = '\0';
        if (*n == room) {
            room *= 2;
            lines = must(realloc(lines, room * sizeof(*lines)));
        }
        lines[(*n)++] = text;
    }
    return lines;
}

static void count_word(const char *s, size_t len)
{
    uint32_t hash = 2166136261u;
    struct word **p, *w;
    size_t i;

    for (i = 0; i < len; i++) {
        hash = (hash ^ (unsigned char)s[i]) * 16777619u;
    }
    for (p = &table[hash % BUCKETS]; (w = *p); p = &w->next) {
        if (w->len == len && memcmp(w->text, s, len) == 0) {
            w->count++;
            return;
        }
    }
    w = must(malloc(sizeof(*w) + len + 1));
    memset(w, 0, sizeof(*w));
    w->len = len;
    w->count = 1;
    memcpy(w->text, s, len);
    w->text[len] = '\0';
    *p = w;
    n_words++;
}

static void count_words(const char *line)
{
    const char *space;

    while ((space = strchr(line, ' '))) {
        if (space != line) {
            count_word(line, space - line);
        }
        line = space + 1;
    }
    if (*line) {
        count_word(line, strlen(line));
    }
}

/* Lines up to an empty one, joined; the ten longest stay, in order of length. */
static void find_paragraphs(char **lines, size_t n)
{
    static char best[10][CHUNK], par[CHUNK];
    size_t i, j, k;

    for (i = 0; i < n; i = j + 1) {
        par[0] = '\0';
        for (j = i; j < n && lines[j][0]; j++) {
            if (strlen(par) + strlen(lines[j]) + 2 < sizeof(par)) {
                strcat(par, lines[j]);
                strcat(par, " ");
            }
        }
        for (k = 10; k > 0 && strlen(par) > strlen(best[k - 1]); k--) {
            if (k < 10) {
                memmove(best[k], best[k - 1], sizeof(best[k]));
            }
        }
        if (k < 10) {
            strcpy(best[k], par);
        }
    }
    for (k = 0; k < 10; k++) {
        put(best[k]);
        put("\n");
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_count(const void *a, const void *b)
{
    const struct word *v = *(struct word *const *)a;
    const struct word *w = *(struct word *const *)b;

    return v->count != w->count ? (v->count < w->count ? 1 : -1) :
        strcmp(v->text, w->text);
}

int main(int argc, char **argv)
{
    struct word **words, *w;
    size_t size, n, i, k = 0;
    char **lines, *text;
    uint32_t sum = 2166136261u;

    if (argc != 2) {
        fprintf(stderr, "usage: words FILE\n");
        return 1;
    }
    text = read_file(argv[1], &size);
    lines = split_lines(text, size, &n);
    for (i = 0; i < n; i++) {
        count_words(lines[i]);
    }
    find_paragraphs(lines, n);

    qsort(lines, n, sizeof(*lines), by_text);
    for (i = 0; i < n; i++) {
        if (i == 0 || strcmp(lines[i], lines[i - 1]) != 0) {
            put(lines[i]);
            put("\n");
        }
    }

    words = must(malloc((n_words + 1) * sizeof(*words)));
    for (i = 0; i < BUCKETS; i++) {
        for (w = table[i]; w; w = w->next) {
            words[k++] = w;
        }
    }
    qsort(words, n_words, sizeof(*words), by_count);
    for (i = 0; i < n_words; i++) {
        char row[COLUMN + 16];

        memset(row, ' ', COLUMN);
        memcpy(row, words[i]->text,
               words[i]->len < COLUMN ? words[i]->len : COLUMN);
        snprintf(row + COLUMN, sizeof(row) - COLUMN, " %u\n", words[i]->count);
        put(row);
    }

    for (i = 0; i < out_len; i += 64) {
        sum = (sum ^ (unsigned char)out[i]) * 16777619u;
    }
    fwrite(out, 1, out_len, stdout);
    printf("%zu lines, %zu words, checksum %08x\n", n, n_words, (unsigned)sum);
    return 0;
}
