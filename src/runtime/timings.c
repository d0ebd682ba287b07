/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/timings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/checksum.h"
#include "base/file.h"
#include "formats/planfile.h"

#define TITLE "hone timings 1 "
enum { FIELDS = 6, LINES_MAX = 1 << 20 };

hn_err hn_timings_new(hn_ctx *cx, hn_timings **out)
{
    hn_timings *t = hn_calloc(cx, 1, sizeof *t);
    if (!t)
        return hn_nomem(cx, "timings");
    hn_err e = hn_arena_new(cx, 0, &t->memory);
    if (e)
        hn_free(cx, t);
    else
        *out = t;
    return e;
}

void hn_timings_free(hn_ctx *cx, hn_timings *t)
{
    if (!t)
        return;
    hn_free(cx, t->t);
    hn_arena_free(t->memory);
    hn_free(cx, t);
}

const hn_timing *hn_timings_find(const hn_timings *t, const char *key)
{
    uint64_t sum = hn_checksum(key, strlen(key));
    for (size_t i = 0; i < t->count; i++)
        if (t->t[i].sum == sum && strcmp(t->t[i].key, key) == 0)
            return &t->t[i];
    return NULL;
}

hn_err hn_timings_add(hn_ctx *cx, hn_timings *t, const hn_timing *one)
{
    hn_timing copy = *one;
    copy.key = hn_arena_text(t->memory, one->key, strlen(one->key));
    copy.choice.impl = hn_arena_text(t->memory, one->choice.impl, strlen(one->choice.impl));
    copy.sum = hn_checksum(one->key, strlen(one->key));
    if (!copy.key || !copy.choice.impl || !hn_grow(cx, &t->t, t->count, &t->cap, sizeof *t->t))
        return hn_nomem(cx, "timings");
    t->t[t->count++] = copy;
    t->added++;
    return HN_OK;
}

/* ---- The file: a title that names the engine, then IMPL VARIANT ALONE US USUAL_US KEY, tabs between ----- */

/* Cuts a line into its fields, in place. */
static bool split(char *line, char *field[FIELDS])
{
    for (int i = 0; i < FIELDS; i++) {
        field[i] = line;
        char *tab = i + 1 < FIELDS ? strchr(line, '\t') : line + strlen(line);
        if (!tab || tab == line)
            return false;
        line = *tab ? tab + 1 : tab;
        *tab = '\0';
    }
    return !strchr(field[FIELDS - 1], '\t');
}

static bool real(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return *end == '\0' && *out >= 0 && *out < 1e12;
}

static bool parse(char *line, hn_timing *t)
{
    char *f[FIELDS], *end;
    if (!split(line, f) || !real(f[3], &t->us) || !real(f[4], &t->usual_us) || (strcmp(f[2], "0") && strcmp(f[2], "1")))
        return false;
    unsigned long variant = strtoul(f[1], &end, 10);
    t->choice = (hn_choice){ f[0], (uint32_t)variant, f[2][0] == '1' };
    t->key = f[5];
    return *end == '\0' && variant <= 1000;
}

static hn_err read_lines(hn_ctx *cx, char *text, const char *name, hn_timings *t)
{
    size_t bad = 0, lines = 0;
    for (char *next = text; next && *next && lines < LINES_MAX; lines++) {
        char *line = next;
        hn_timing one;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (!next || !parse(line, &one))         /* a line without its end was cut */
            bad++;
        else if (!hn_timings_find(t, one.key))
            HN_TRY(hn_timings_add(cx, t, &one));
    }
    if (bad)
        hn_log(cx, HN_LOG_WARN, "%s: %zu damaged line%s ignored", name, bad, bad == 1 ? "" : "s");
    return HN_OK;
}

hn_err hn_timings_parse(hn_ctx *cx, const char *name, const void *data, size_t len, hn_timings *t)
{
    char title[128];
    size_t n = (size_t)snprintf(title, sizeof title, TITLE "%s\n", hn_engine_id());
    if (len < n || memcmp(data, title, n) != 0) {
        hn_log(cx, HN_LOG_WARN, "%s: not timings of this engine (%s): ignored", name, hn_engine_id());
        return HN_OK;
    }
    char *text = hn_alloc(cx, len - n + 1);
    if (!text)
        return hn_nomem(cx, "timings");
    memcpy(text, (const char *)data + n, len - n);
    text[len - n] = '\0';
    hn_err e = read_lines(cx, text, name, t);
    hn_free(cx, text);
    t->added = 0;
    return e;
}

hn_err hn_timings_read(hn_ctx *cx, const char *path, hn_timings *t)
{
    hn_ctx quiet = { .env = cx ? cx->env : NULL };
    hn_file f;
    if (access(path, F_OK) != 0)
        return HN_OK;
    if (hn_file_open(&quiet, path, &f)) {
        hn_log(cx, HN_LOG_WARN, "%s; timings are measured anew", quiet.msg);
        return HN_OK;
    }
    hn_err e = hn_timings_parse(cx, path, f.data, f.len, t);
    hn_file_close(&f);
    return e;
}

hn_err hn_timings_write(hn_ctx *cx, const char *path, hn_timings *t)
{
    hn_buf b = { .cx = cx };
    hn_buf_printf(&b, TITLE "%s\n", hn_engine_id());
    for (size_t i = 0; i < t->count; i++) {
        const hn_timing *one = &t->t[i];
        hn_buf_printf(&b, "%s\t%u\t%d\t%.3f\t%.3f\t%s\n", one->choice.impl, (unsigned)one->choice.variant, one->choice.alone,
                      one->us, one->usual_us, one->key);
    }
    hn_err e = hn_buf_ok(&b, "timings");
    if (!e)
        e = hn_file_write(cx, path, b.data, b.len);
    if (!e)
        t->added = 0;
    hn_buf_free(&b);
    return e;
}
