/* SPDX-License-Identifier: Apache-2.0 */
/* catalog_check.c: a user's catalogue file against the built-in one.
 *
 * Which keys exist is not written down a second time: the built-in file uses them all, so a key that no
 * entry of it has is a typing error.  Figures that decide a plan have a range that no real part leaves. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/words.h"
#include "plan/catalog_impl.h"

static const struct figure { const char *key; double min, max; const char *unit; } figures[] = {
    { "ram_gb", 1e-5, 20000, "GB" },       { "usable_ram_gb", 1e-5, 20000, "GB" },
    { "mem_bandwidth_gb_s", 0.01, 100000, "GB/s" },  { "power_w", 1e-4, 20000, "W" },
    { "tops", 1e-3, 100000, "TOPS" },      { "price_usd", 0.01, 1e7, "USD" },
    { "gflops_fp32", 1e-3, 1e7, "GFLOP/s" }, { "gmacs", 1e-6, 1e7, "G multiply-adds" },
    { "file_gb", 1e-5, 20000, "GB" },
};

/* What every entry may have, whether the built-in file happens to use it or not. */
static const char *const always[] = { "id",          "name",    "source",
                                      "aliases",     "note",    "disagreements",
                                      "price_usd",   "power_w", "usable_ram_gb",
                                      "gflops_fp32", "date",    "generated",
                                      NULL };

static bool is_always(const char *key)
{
    for (const char *const *k = always; *k; k++)
        if (strcmp(*k, key) == 0)
            return true;
    return false;
}

/* Is `key` one that some entry of `list` (or the object itself) has?  *near: the nearest that is. */
static bool known_key(const json_t *list, const char *key, const char **near)
{
    size_t i, count = json_is_array(list) ? json_array_size(list) : 1, best = (strlen(key) + 2) / 3 + 1;
    *near = NULL;
    for (i = 0; i < count; i++) {
        json_t *e = json_is_array(list) ? json_array_get(list, i) : (json_t *)list, *v;
        const char *k;
        json_object_foreach(e, k, v) {
            if (strcmp(k, key) == 0)
                return true;
            size_t d = hn_edit_distance(key, strlen(key), k, strlen(k));
            if (d < best) {
                best = d;
                *near = k;
            }
        }
    }
    for (const char *const *k = always; *k; k++) {
        size_t d = hn_edit_distance(key, strlen(key), *k, strlen(*k));
        if (d < best) {
            best = d;
            *near = *k;
        }
    }
    return is_always(key);
}

typedef struct file { hn_ctx *cx; const char *path, *text; size_t len; } file;

static hn_err unknown(const file *f, const char *place, const char *key, const char *near)
{
    char hint[96] = "";
    if (near)
        snprintf(hint, sizeof hint, "; did you mean '%s'?", near);
    return hn_fail(f->cx, HN_EFORMAT, "%s:%zu: no key '%s'%s", f->path, hn_json_line(f->text, f->len, place),
                   key, hint);
}

/* One number, or a range of two; what stands there is found wrong by its kind or by its size. */
static hn_err sane(const file *f, const char *place, const char *key, const json_t *v)
{
    const struct figure *g = figures;
    while (g < figures + sizeof figures / sizeof *figures && strcmp(g->key, key) != 0)
        g++;
    if (g == figures + sizeof figures / sizeof *figures)
        return HN_OK;
    if (json_is_object(v) && !json_object_get(v, "value")) {         /* by precision */
        const char *name;
        json_t *inner;
        json_object_foreach((json_t *)v, name, inner) {
            char deeper[320];
            snprintf(deeper, sizeof deeper, "%s/%s", place, name);
            HN_TRY(sane(f, deeper, key, inner));
        }
        return HN_OK;
    }
    const json_t *x = json_is_object(v) ? json_object_get(v, "value") : v;
    size_t n = json_is_array(x) ? json_array_size(x) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(x) ? json_array_get(x, i) : x;
        if (json_is_object(one)) {
            HN_TRY(sane(f, place, key, json_object_get(one, "value")));
            continue;
        }
        if (json_is_string(one) && strcmp(key, "tops") == 0)
            continue;                            /* "100+", as listed: shown, and not counted with */
        if (!json_is_number(one))
            return hn_fail(f->cx, HN_EFORMAT, "%s:%zu: %s: expected a number of %s, found %s", f->path,
                           hn_json_line(f->text, f->len, place), key, g->unit,
                           json_is_string(one) ? "text" : "something else");
        double d = json_number_value(one);
        if (d < g->min || d > g->max)
            return hn_fail(f->cx, HN_EFORMAT, "%s:%zu: %s: %g %s is absurd: expected %g to %g", f->path,
                           hn_json_line(f->text, f->len, place), key, d, g->unit, g->min, g->max);
    }
    return HN_OK;
}

static hn_err check_entry(const file *f, const json_t *built, const char *list, size_t index, json_t *entry)
{
    char place[256];
    const char *key, *near;
    json_t *v;
    if (!hn_entry_text(entry, "id")[0]) {
        snprintf(place, sizeof place, "%s/%zu", list, index);
        return hn_fail(
            f->cx, HN_EFORMAT,
            "%s:%zu: entry %zu of '%s' has no \"id\"; give the id of an entry to change, or a new one",
            f->path, hn_json_line(f->text, f->len, place), index + 1, list);
    }
    json_object_foreach(entry, key, v) {
        snprintf(place, sizeof place, "%s/%zu/%s", list, index, key);
        if (!known_key(built, key, &near))
            return unknown(f, place, key, near);
        HN_TRY(sane(f, place, key, v));
    }
    return HN_OK;
}

hn_err hn_catalog_check(hn_ctx *cx, const char *path, const char *text, size_t len, const json_t *user,
                        const json_t *built)
{
    file f = { cx, path, text, len };
    const char *key, *near;
    json_t *v, *e;
    size_t i;
    json_object_foreach((json_t *)user, key, v) {
        const json_t *list = json_object_get(built, key);
        if (!known_key(built, key, &near))
            return unknown(&f, key, key, near);
        if (!json_is_array(list) || !hn_entry_text(json_array_get(list, 0), "id")[0])
            continue;
        if (!json_is_array(v))
            return hn_fail(cx, HN_EFORMAT, "%s:%zu: '%s' must be a list [ ]", path,
                           hn_json_line(text, len, key), key);
        json_array_foreach(v, i, e)
            HN_TRY(check_entry(&f, list, key, i, e));
    }
    return HN_OK;
}

/* ---- Tables ------------------------------------------------------------------------------------- */

static bool has_column(const hn_csv *t, const char *name)
{
    for (size_t i = 0; i < t->columns; i++)
        if (strcmp(t->head[i], name) == 0)
            return true;
    return false;
}

/* Every cell that says something is a number. */
static bool is_numeric(const hn_csv *t, const char *column)
{
    size_t numbers = 0;
    for (size_t i = 0; i < t->rows; i++) {
        bool number = !isnan(hn_csv_real(t, i, column));
        if (!number && hn_csv_text(t, i, column)[0])
            return false;
        numbers += number;
    }
    return numbers > 0;
}

hn_err hn_catalog_check_table(hn_ctx *cx, const char *path, const hn_csv *user, const hn_csv *built)
{
    for (size_t i = 0; i < user->columns; i++) {
        const char *name = user->head[i], *near = NULL;
        size_t best = (strlen(name) + 2) / 3 + 1;
        for (size_t k = 0; k < built->columns; k++) {
            size_t d = hn_edit_distance(name, strlen(name), built->head[k], strlen(built->head[k]));
            if (d < best) {
                best = d;
                near = built->head[k];
            }
        }
        if (!has_column(built, name))
            return hn_fail(cx, HN_EFORMAT, "%s:1: no column '%s'%s%s%s", path, name, near ? "; did you mean '" : "",
                           near ? near : "", near ? "'?" : "");
        for (size_t r = 0; is_numeric(built, name) && r < user->rows; r++)
            if (hn_csv_text(user, r, name)[0] && !(hn_csv_real(user, r, name) >= 0))
                return hn_fail(cx, HN_EFORMAT, "%s:%zu: %s: expected a number from 0, found '%s'", path,
                               user->line[r], name, hn_csv_text(user, r, name));
    }
    for (size_t k = 0; k < built->columns; k++)
        if (!has_column(user, built->head[k]))
            return hn_fail(cx, HN_EFORMAT, "%s:1: column '%s' is missing; it may be empty", path, built->head[k]);
    return HN_OK;
}

/* ---- Sources ------------------------------------------------------------------------------------ */

/* Says of itself what something is, or remarks on other values: needs no source of its own. */
static bool is_remark(const char *key)
{
    static const char *const remark[] = { "id",      "name", "class",         "family",    "task",
                                          "type",    "note", "disagreements", "conflicts", "source",
                                          "aliases", "also", "hone_command",  NULL };
    for (const char *const *k = remark; *k; k++)
        if (strcmp(*k, key) == 0)
            return true;
    return false;
}

static bool sourced(const json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_null(v) || hn_entry_text(v, "source")[0])
        return true;
    if (json_is_array(v)) {
        json_array_foreach(v, i, item)
            if (!hn_entry_text(item, "source")[0])
                return false;
        return json_array_size(v) > 0;
    }
    json_object_foreach((json_t *)v, key, item)
        if (!is_remark(key) && !hn_entry_text(item, "source")[0])
            return false;
    return json_is_object(v);
}

size_t hn_catalog_unsourced(hn_ctx *cx, const hn_catalog *c, char **lines)
{
    hn_buf b = { .cx = cx };
    size_t missing = 0, i;
    for (hn_shelf s = 0; s < HN_SHELF_COUNT; s++) {
        json_t *entry, *v;
        const char *key;
        if (!hn_catalog_date(c, hn_shelf_file(s))[0] && ++missing)
            hn_buf_printf(&b, "%s: no date\n", hn_shelf_file(s));
        json_array_foreach(hn_catalog_shelf(c, s), i, entry)
            json_object_foreach(entry, key, v)
                if (!is_remark(key) && !hn_entry_text(entry, "source")[0] && !sourced(v) && ++missing)
                    hn_buf_printf(&b, "%s: %s: %s\n", hn_shelf_file(s), hn_entry_text(entry, "id"), key);
    }
    *lines = b.data;
    return missing;
}
