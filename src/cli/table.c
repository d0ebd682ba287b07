/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "cli/term.h"

#define COLUMNS_MAX 16

static void value_text(hn_buf *b, const json_t *v)
{
    const json_t *item;
    size_t i;
    switch (v ? json_typeof(v) : JSON_NULL) {
    case JSON_STRING:
        hn_buf_add(b, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        hn_buf_printf(b, "%lld", (long long)json_integer_value(v));
        break;
    case JSON_REAL:
        hn_buf_printf(b, "%.6g", json_real_value(v));
        break;
    case JSON_TRUE: case JSON_FALSE:
        hn_buf_text(b, json_is_true(v) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        json_array_foreach(v, i, item) {
            if (i)
                hn_buf_text(b, ", ");
            value_text(b, item);         /* one level: rows are flat */
        }
        break;
    default:
        break;
    }
    if (b->len == 0)
        hn_buf_text(b, "-");
}

/* Columns a terminal needs: every byte that does not continue a UTF-8 character. */
static int columns_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

typedef struct table {
    size_t rows, columns;
    const char **cell;                       /* [rows, columns] */
    const char *head[COLUMNS_MAX];
    int width[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
} table;

static hn_err fill(hn_ctx *cx, hn_arena *a, const json_t *rows, table *t)
{
    hn_buf b = { .cx = cx };
    hn_err e = HN_OK;
    t->cell = HN_NEW(a, const char *, t->rows * t->columns);
    for (size_t i = 0; t->cell && i < t->rows; i++)
        for (size_t j = 0; j < t->columns; j++) {
            const json_t *v = json_object_get(json_array_get(rows, i), t->head[j]);
            b.len = 0;
            value_text(&b, v);
            const char *text = b.failed ? NULL : hn_arena_text(a, b.data, b.len);
            if (!text) {
                e = hn_nomem(cx, "a table");
                goto done;
            }
            t->cell[i * t->columns + j] = text;
            t->width[j] = columns_of(text) > t->width[j] ? columns_of(text) : t->width[j];
            t->right[j] = t->right[j] || json_is_number(v);
        }
    if (!t->cell)
        e = hn_nomem(cx, "a table");
done:
    hn_buf_free(&b);
    return e;
}

static void print_cell(const table *t, size_t j, const char *text)
{
    int gap = t->width[j] - columns_of(text);
    bool last = j + 1 == t->columns;
    if (t->right[j])
        printf("%*s%s", gap, "", text);
    else
        printf("%s%*s", text, last ? 0 : gap, "");
    fputs(last ? "\n" : "  ", stdout);
}

static void print_text(const table *t)
{
    fputs(hn_style(stdout, HN_STYLE_DIM), stdout);
    for (size_t j = 0; j < t->columns; j++)
        print_cell(t, j, t->head[j]);
    fputs(hn_style(stdout, HN_STYLE_PLAIN), stdout);
    for (size_t i = 0; i < t->rows; i++)
        for (size_t j = 0; j < t->columns; j++)
            print_cell(t, j, t->cell[i * t->columns + j]);
}

static void print_markdown(const table *t)
{
    for (size_t j = 0; j < t->columns; j++)
        printf("| %s %s", t->head[j], j + 1 == t->columns ? "|\n" : "");
    for (size_t j = 0; j < t->columns; j++)
        printf("| %s %s", t->right[j] ? "---:" : "---", j + 1 == t->columns ? "|\n" : "");
    for (size_t i = 0; i < t->rows; i++)
        for (size_t j = 0; j < t->columns; j++) {
            fputs("| ", stdout);
            for (const char *at = t->cell[i * t->columns + j]; *at; at++)
                printf(*at == '|' || *at == '*' || *at == '_' ? "\\%c" : "%c", *at);
            fputs(j + 1 == t->columns ? " |\n" : " ", stdout);
        }
}

hn_err hn_table_print(hn_ctx *cx, const json_t *rows, const char *const *columns, enum hn_table_form form)
{
    table t = { .rows = json_array_size(rows) };
    hn_arena *a;

    for (; columns[t.columns]; t.columns++) {
        t.head[t.columns] = columns[t.columns];
        t.width[t.columns] = columns_of(columns[t.columns]);
    }
    HN_TRY(hn_arena_new(cx, 0, &a));
    hn_err e = fill(cx, a, rows, &t);
    if (!e && form == HN_TABLE_MARKDOWN)
        print_markdown(&t);
    else if (!e)
        print_text(&t);
    hn_arena_free(a);
    return e;
}

hn_err hn_json_print(hn_ctx *cx, json_t *value)
{
    if (!value)
        return hn_nomem(cx, "JSON output");
    int failed = json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(value);
    if (failed && !ferror(stdout))
        return hn_nomem(cx, "JSON output");
    fputc('\n', stdout);
    return HN_OK;
}

hn_err hn_json_read(hn_ctx *cx, const char *path, json_t **out)
{
    json_error_t why;
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    json_t *value = json_loadb((const char *)f.data, f.len, JSON_REJECT_DUPLICATES, &why);
    hn_file_close(&f);
    if (!value)
        return hn_fail(cx, HN_EFORMAT, "%s:%d: expected JSON: %s", path, why.line, why.text);
    *out = value;
    return HN_OK;
}
