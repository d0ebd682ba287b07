/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 64

typedef struct scan {
    hn_ctx *cx;
    const char *name;
    const char *at, *end;
    size_t line;
    hn_arena *a;
    char *text;                      /* room for every cell, zero-terminated */
} scan;

/* One cell; leaves `at` on the comma, the end of the line or the end of the file. */
static hn_err cell(scan *s, const char **out)
{
    char *to = s->text;
    size_t began = s->line;
    if (s->at < s->end && *s->at == '"') {
        for (s->at++;; s->at++) {
            if (s->at >= s->end)
                return hn_fail(s->cx, HN_EFORMAT, "%s:%zu: a quote that never ends", s->name, began);
            if (*s->at == '"' && (s->at + 1 >= s->end || s->at[1] != '"'))
                break;
            s->at += *s->at == '"';
            s->line += *s->at == '\n';
            *to++ = *s->at;
        }
        s->at++;
        if (s->at < s->end && !strchr(",\r\n", *s->at))
            return hn_fail(s->cx, HN_EFORMAT, "%s:%zu: expected a comma after the closing quote", s->name,
                           s->line);
    } else {
        while (s->at < s->end && !(*s->at == ',' || *s->at == '\n' || *s->at == '\r'))
            *to++ = *s->at++;
    }
    *to++ = 0;
    *out = s->text;
    s->text = to;
    return HN_OK;
}

static hn_err row(scan *s, const char **cells, size_t *count)
{
    for (*count = 0;; s->at++) {
        if (*count == COLUMNS_MAX)
            return hn_fail(s->cx, HN_EFORMAT, "%s:%zu: more than %d columns", s->name, s->line, COLUMNS_MAX);
        HN_TRY(cell(s, &cells[(*count)++]));
        if (s->at >= s->end || *s->at != ',')
            break;
    }
    if (s->at < s->end && *s->at == '\r')
        s->at++;
    if (s->at < s->end && *s->at != '\n')
        return hn_fail(s->cx, HN_EFORMAT, "%s:%zu: a carriage return inside a cell", s->name, s->line);
    s->at += s->at < s->end;
    s->line++;
    return HN_OK;
}

hn_err hn_csv_read(hn_ctx *cx, const char *name, const char *data, size_t len, hn_arena *a, hn_csv *out)
{
    const char *cells[COLUMNS_MAX];
    size_t most = 1, n;
    for (size_t i = 0; i < len; i++)
        most += data[i] == '\n';
    if (len == 0 || memchr(data, 0, len))
        return hn_fail(cx, HN_EFORMAT, "%s: expected a table as text, found %s", name,
                       len ? "zero bytes" : "nothing");
    scan s = { cx, name, data, data + len, 1, a, hn_arena_get(a, len + 2, 1) };
    hn_csv t = { .name = name };
    size_t *line = HN_NEW(a, size_t, most);
    if (!s.text || !line)
        return hn_nomem(cx, "a table");
    HN_TRY(row(&s, cells, &t.columns));
    t.head = HN_NEW(a, const char *, t.columns);
    t.cell = HN_NEW(a, const char *, most * t.columns);
    if (!t.head || !t.cell)
        return hn_nomem(cx, "a table");
    memcpy(t.head, cells, t.columns * sizeof *cells);
    while (s.at < s.end) {
        size_t began = s.line;
        HN_TRY(row(&s, cells, &n));
        if (n == 1 && !cells[0][0])
            continue;                            /* an empty line */
        if (n != t.columns)
            return hn_fail(cx, HN_EFORMAT, "%s:%zu: expected %zu cells as in the first row, found %zu", name,
                           began, t.columns, n);
        memcpy(t.cell + t.rows * t.columns, cells, n * sizeof *cells);
        line[t.rows++] = began;
    }
    t.line = line;
    *out = t;
    return HN_OK;
}

const char *hn_csv_text(const hn_csv *t, size_t r, const char *column)
{
    for (size_t i = 0; i < t->columns; i++)
        if (strcmp(t->head[i], column) == 0)
            return t->cell[r * t->columns + i];
    return "";
}

double hn_csv_real(const hn_csv *t, size_t r, const char *column)
{
    const char *text = hn_csv_text(t, r, column);
    char *end;
    double x = strtod(text, &end);
    return *text && !*end && isfinite(x) ? x : NAN;
}
