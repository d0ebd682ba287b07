/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/catalog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "plan/catalog_impl.h"

static const struct shelf { const char *file, *key, *one; } shelves[] = {
#define X(id, file, key, one) { file, key, one },
    HN_SHELVES(X)
#undef X
};

const char *hn_shelf_file(hn_shelf s) { return shelves[s].file; }
const char *hn_shelf_one(hn_shelf s) { return shelves[s].one; }

/* ---- Reading ------------------------------------------------------------------------------------ */

static json_t *entry_with_id(const json_t *list, const char *id)
{
    size_t i;
    json_t *e;
    json_array_foreach(list, i, e)
        if (strcmp(hn_entry_text(e, "id"), id) == 0)
            return e;
    return NULL;
}

/* Every figure the user wrote is the user's: it says so where the file does not name a source. */
static hn_err sign(hn_ctx *cx, json_t *entry, const char *path)
{
    if (!json_object_get(entry, "source") && json_object_set_new(entry, "source", json_string(path)))
        return hn_nomem(cx, "the catalogue");
    return HN_OK;
}

/* Entries of lists with ids key by key, everything else whole. */
static hn_err overlay(hn_ctx *cx, json_t *built, json_t *user, const char *path)
{
    const char *key;
    json_t *v, *e, *known;
    size_t i;
    json_object_foreach(user, key, v) {
        json_t *list = json_object_get(built, key);
        bool entries = json_is_array(list) && hn_entry_text(json_array_get(list, 0), "id")[0];
        if (!entries) {
            if (json_object_set(built, key, v))
                return hn_nomem(cx, "the catalogue");
            continue;
        }
        json_array_foreach(v, i, e) {
            known = entry_with_id(list, hn_entry_text(e, "id"));
            HN_TRY(sign(cx, e, path));
            if (known ? json_object_update(known, e) : json_array_append(list, e))
                return hn_nomem(cx, "the catalogue");
        }
    }
    return HN_OK;
}

static hn_err load(hn_ctx *cx, const char *path, const char *data, size_t len, json_t **out)
{
    json_error_t error;
    json_t *root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return hn_fail(cx, HN_EFORMAT, "%s:%d: not JSON: %s", path, error.line, error.text);
    if (!json_is_object(root)) {
        json_decref(root);
        return hn_fail(cx, HN_EFORMAT, "%s:1: expected an object { } with the keys of the built-in file", path);
    }
    *out = root;
    return HN_OK;
}

static hn_err load_user(hn_ctx *cx, const char *path, json_t *built)
{
    hn_file f;
    json_t *user = NULL;
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = load(cx, path, (const char *)f.data, f.len, &user);
    if (!e)
        e = hn_catalog_check(cx, path, (const char *)f.data, f.len, user, built);
    if (!e)
        e = overlay(cx, built, user, path);
    json_decref(user);
    hn_file_close(&f);
    return e;
}

static char *user_path(hn_catalog *c, const char *name)
{
    char *path = c->dir ? hn_arena_printf(c->a, "%s%s", c->dir, name) : NULL;
    return path && access(path, F_OK) == 0 ? path : NULL;
}

static bool is_json(const char *name)
{
    return strlen(name) > 5 && strcmp(name + strlen(name) - 5, ".json") == 0;
}

hn_err hn_catalog_open(hn_ctx *cx, const hn_catalog_file *built, size_t count, const char *dir,
                       hn_catalog **out)
{
    hn_catalog *c = hn_calloc(cx, 1, sizeof *c);
    if (!c)
        return hn_nomem(cx, "the catalogue");
    c->cx.env = cx->env;
    hn_err e = hn_arena_new(cx, 0, &c->a);
    hn_catalog_file *kept = e ? NULL : HN_NEW(c->a, hn_catalog_file, count);
    if (!e && !kept)
        e = hn_nomem(cx, "the catalogue");
    if (kept)
        memcpy(kept, built, count * sizeof *built);
    c->built = kept;
    c->built_count = kept ? count : 0;
    if (!e && dir) {
        c->dir = hn_arena_printf(c->a, "%s/", dir);
        if (!c->dir)
            e = hn_nomem(cx, "the catalogue");
        else if (access(dir, F_OK) != 0)
            e = hn_fail(cx, HN_EIO, "%s: no such folder; --catalog takes one with files such as devices.json",
                        dir);
    }
    size_t taken = 0;
    for (size_t i = 0; !e && i < count; i++) {
        char *path = user_path(c, built[i].name);
        taken += path != NULL;
        if (!is_json(built[i].name))
            continue;
        hn_loaded *l = &c->json[c->json_count];
        l->name = built[i].name;
        e = load(cx, built[i].name, built[i].data, built[i].len, &l->root);
        c->json_count += !e;
        if (!e && path)
            e = load_user(cx, path, l->root);
    }
    if (!e && dir && !taken)
        e = hn_fail(
            cx, HN_EIO,
            "%s: holds none of the catalogue's files; expected devices.json, models.json, quants.json, "
            "runtimes.json, clouds.json or a table such as llm_measured.csv",
            dir);
    if (e) {
        hn_catalog_close(c);
        return e;
    }
    *out = c;
    return HN_OK;
}

void hn_catalog_close(hn_catalog *c)
{
    if (!c)
        return;
    hn_ctx cx = c->cx;
    for (size_t i = 0; i < c->json_count; i++)
        json_decref(c->json[i].root);
    hn_arena_free(c->a);
    hn_free(&cx, c);
}

/* ---- Asking ------------------------------------------------------------------------------------- */

const json_t *hn_catalog_root(const hn_catalog *c, const char *file)
{
    for (size_t i = 0; i < c->json_count; i++)
        if (strcmp(c->json[i].name, file) == 0)
            return c->json[i].root;
    return NULL;
}

const json_t *hn_catalog_shelf(const hn_catalog *c, hn_shelf s)
{
    return json_object_get(hn_catalog_root(c, shelves[s].file), shelves[s].key);
}

const char *hn_catalog_date(const hn_catalog *c, const char *file)
{
    return hn_entry_text(hn_catalog_root(c, file), "generated");
}

hn_err hn_catalog_table(hn_ctx *cx, hn_catalog *c, const char *file, const hn_csv **out)
{
    for (size_t i = 0; i < c->table_count; i++)
        if (strcmp(c->table[i]->name, file) == 0) {
            *out = c->table[i];
            return HN_OK;
        }
    const char *data = NULL, *path = user_path(c, file);
    size_t len = 0;
    hn_file f = { 0 };
    for (size_t i = 0; i < c->built_count; i++)
        if (strcmp(c->built[i].name, file) == 0) {
            data = c->built[i].data;
            len = c->built[i].len;
        }
    if (path)
        HN_TRY(hn_file_open(cx, path, &f));
    hn_csv *t = HN_NEW(c->a, hn_csv, 1);
    if (!t || c->table_count == HN_CATALOG_FILES || (!data && !path)) {
        hn_file_close(&f);
        return hn_nomem(cx, file);
    }
    hn_err e = HN_OK;
    hn_csv built;
    if (data)
        e = hn_csv_read(cx, file, data, len, c->a, &built);
    if (!e && path)
        e = hn_csv_read(cx, path, (const char *)f.data, f.len, c->a, t);
    if (!e && path && data)
        e = hn_catalog_check_table(cx, path, t, &built);
    hn_file_close(&f);
    HN_TRY(e);
    if (!path)
        *t = built;
    t->name = file;
    c->table[c->table_count++] = t;
    *out = t;
    return HN_OK;
}

/* ---- Facts -------------------------------------------------------------------------------------- */

const char *hn_entry_text(const json_t *entry, const char *key)
{
    const char *t = json_string_value(json_object_get(entry, key));
    return t ? t : "";
}

const json_t *hn_value_of(const json_t *entry, const char *key)
{
    const json_t *v = json_object_get(entry, key), *inner = json_object_get(v, "value");
    return inner ? inner : v;
}

/* "3.8B", "4.2M", "350K": as parameter counts are printed; plain numbers too. */
static double number_of(const json_t *v)
{
    if (json_is_number(v))
        return json_number_value(v);
    const char *text = json_string_value(v);
    char *end;
    double x = text ? strtod(text, &end) : NAN;
    if (!text || end == text)
        return NAN;
    double unit = *end == 'B' ? 1e9 : *end == 'M' ? 1e6 : *end == 'K' ? 1e3 : *end ? NAN : 1;
    return *end && end[1] ? NAN : x * unit;
}

/* One value as a fact; unknown when it is no number. */
static hn_fact one_fact(const hn_catalog *c, const json_t *entry, const json_t *v)
{
    const json_t *x = json_is_object(v) ? json_object_get(v, "value") : v;
    const char *source = hn_entry_text(v, "source"), *date = hn_entry_text(v, "date");
    hn_fact f = { .low = number_of(x), .unit = hn_entry_text(v, "unit"), .note = hn_entry_text(v, "note"),
                  .source = source[0] ? source : hn_entry_text(entry, "source"),
                  .date = date[0] ? date : hn_catalog_date(c, "devices.json") };
    f.high = f.low;
    if (json_is_array(x) && json_array_size(x) == 2) {
        f.low = number_of(json_array_get(x, 0));
        f.high = number_of(json_array_get(x, 1));
    }
    f.known = isfinite(f.low) && isfinite(f.high);
    return f;
}

hn_fact hn_fact_where(const hn_catalog *c, const json_t *entry, const char *key, const char *field,
                      const char *is)
{
    const json_t *v = json_object_get(entry, key), *item;
    hn_fact best = { .unit = "", .source = "", .date = "", .note = "" };
    size_t i, n = 0;
    bool list = json_is_array(v) && (json_array_size(v) != 2 || json_is_object(json_array_get(v, 0)));
    for (i = 0; i < (list ? json_array_size(v) : v != NULL); i++) {
        item = list ? json_array_get(v, i) : v;
        if (field && strcmp(hn_entry_text(item, field), is) != 0)
            continue;
        hn_fact f = one_fact(c, entry, item);
        if (!f.known)
            continue;
        n++;
        if (!best.known || (best.low != best.high && f.low == f.high))
            best = f;
    }
    best.others = n ? n - 1 : 0;
    return best;
}

hn_fact hn_fact_of(const hn_catalog *c, const json_t *entry, const char *key)
{
    return hn_fact_where(c, entry, key, NULL, NULL);
}
