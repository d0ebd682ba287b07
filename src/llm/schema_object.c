/* SPDX-License-Identifier: Apache-2.0 */
/* schema_object.c: objects, whose commas depend on what came before.
 *
 * Two rules per property: f<i> when nothing was written yet, g<i> when something was.  Each writes its
 * property, with a comma in front or not, and goes on; or, where the property is not required, only goes on. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "llm/schema_impl.h"

#define NAMES_MAX 4096
#define KEYS_MAX 100000          /* rules for keys that are not properties */

static hn_err nomem(const hn_schema *s) { return hn_nomem(s->cx, "a schema"); }

/* Can a key be written as it is?  One that needs escapes cannot meet a made-up one. */
static bool plain(uint32_t c) { return c >= 0x20 && c != '"' && c != '\\' && c != 0x7F; }

/* ---- Keys that are none of the properties ------------------------------------------------------ */

typedef struct part { size_t from, to, depth; } part;      /* names with the same first `depth` bytes */
typedef struct parts { part *p; size_t count, cap; } parts;

/* The names of one part by their next character: those that no name goes on with lead to any ending, the
 * others lead on. */
static hn_err put_part(hn_schema *s, const char **name, size_t first, part p, parts *todo, hn_buf *tail)
{
    bool ends = p.from < p.to && name[p.from][p.depth] == 0;
    hn_buf_text(s->out, ends ? "[^\\\"\\\\\\x00-\\x1f\\x7f" : "\"\\\"\" | [^\\\"\\\\\\x00-\\x1f\\x7f");
    tail->len = 0;
    for (size_t k = p.from + ends, next; k < p.to; k = next) {
        uint32_t c = 0, other = 0;
        size_t len = hn_utf8_get(name[k] + p.depth, strlen(name[k] + p.depth), &c);
        for (next = k + 1; next < p.to; next++)
            if (!hn_utf8_get(name[next] + p.depth, strlen(name[next] + p.depth), &other) || other != c)
                break;
        if (len == 0 || !plain(c))
            continue;
        if (todo->count == KEYS_MAX)
            return hn_fail(s->cx, HN_ELIMIT, "schema: property names too long to tell other keys from");
        if (!hn_grow(s->cx, &todo->p, todo->count, &todo->cap, sizeof *todo->p))
            return nomem(s);
        hn_schema_char(s->out, c);
        hn_buf_text(tail, " | \"");
        hn_schema_char(tail, c);
        hn_buf_printf(tail, "\" k%zu", first + todo->count);
        todo->p[todo->count++] = (part){ k, next, p.depth + len };
    }
    hn_buf_text(s->out, "] keyend");
    hn_buf_add(s->out, tail->data, tail->len);
    hn_buf_text(s->out, "\n");
    return tail->failed ? nomem(s) : HN_OK;
}

/* Rules for a key that is no name; *key: the first of them.  name: sorted. */
static hn_err put_other_key(hn_schema *s, const char **name, size_t count, size_t *key)
{
    parts todo = { 0 };
    hn_buf tail = { .cx = s->cx };
    size_t first = s->helpers;
    hn_err e = hn_grow(s->cx, &todo.p, 0, &todo.cap, sizeof *todo.p) ? HN_OK : nomem(s);
    if (!e)
        todo.p[todo.count++] = (part){ 0, count, 0 };
    for (size_t i = 0; i < todo.count && !e; i++) {
        hn_buf_printf(s->out, "k%zu ::= ", first + i);
        e = put_part(s, name, first, todo.p[i], &todo, &tail);
    }
    s->helpers = first + todo.count;
    *key = first;
    hn_free(s->cx, todo.p);
    hn_buf_free(&tail);
    return e;
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* ---- Properties --------------------------------------------------------------------------------- */

typedef struct object {
    const json_t *of;
    const json_t *more;          /* schema of other keys; NULL: there are none; json true: any */
    const char **name;           /* in the order they are written: [count] */
    size_t count;
    size_t own;                  /* the first are of "properties", the others only required */
} object;

static const json_t *schema_of(const object *o, size_t i)
{
    const json_t *v = json_object_get(json_object_get(o->of, "properties"), o->name[i]);
    return v || json_is_true(o->more) ? v : o->more;
}

static hn_err put_key(hn_schema *s, const char *name)
{
    json_t *v = json_string(name);
    char *text = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    json_decref(v);
    if (!text)
        return nomem(s);
    hn_buf_text(s->out, "\"");
    for (const char *c = text; *c;) {
        uint32_t code = 0;
        size_t n = hn_utf8_get(c, strlen(c), &code);
        hn_schema_char(s->out, code);
        c += n ? n : 1;
    }
    hn_buf_text(s->out, ":\" sp ");
    free(text);
    return HN_OK;
}

/* A made-up key and its value. */
static hn_err put_pair(hn_schema *s, const object *o, size_t key)
{
    hn_buf_printf(s->out, "\"\\\"\" k%zu \":\" sp ", key);
    return hn_schema_put_rule(s, json_is_true(o->more) ? NULL : o->more);
}

static hn_err put_properties(hn_schema *s, const object *o, size_t base, json_int_t least, json_int_t most)
{
    size_t key = 0;
    for (size_t i = 0; i < o->count; i++) {
        bool must = hn_schema_requires(o->of, o->name[i]);
        for (int behind = 0; behind < 2; behind++) {
            hn_buf_printf(s->out, "%c%zu ::= %s", "fg"[behind], base + i, behind ? "\",\" ws " : "");
            HN_TRY(put_key(s, o->name[i]));
            HN_TRY(hn_schema_put_rule(s, schema_of(o, i)));
            hn_buf_printf(s->out, " g%zu", base + i + 1);
            if (!must)
                hn_buf_printf(s->out, " | %c%zu", "fg"[behind], base + i + 1);
            hn_buf_text(s->out, "\n");
        }
    }
    if (!o->more) {
        hn_buf_printf(s->out, "f%zu ::= \"\"\ng%zu ::= \"\"", base + o->count, base + o->count);
        return HN_OK;
    }
    const char **sorted = hn_calloc(s->cx, o->count + 1, sizeof *sorted);
    if (!sorted)
        return nomem(s);
    if (o->count)
        memcpy(sorted, o->name, o->count * sizeof *sorted);
    qsort(sorted, o->count, sizeof *sorted, by_text);
    hn_err e = put_other_key(s, sorted, o->count, &key);
    hn_free(s->cx, sorted);
    HN_TRY(e);
    hn_buf_printf(s->out, "f%zu ::= ", base + o->count);
    if (most != 0) {
        hn_buf_text(s->out, "(");
        HN_TRY(put_pair(s, o, key));
        hn_buf_text(s->out, " (\",\" ws ");
        HN_TRY(put_pair(s, o, key));
        hn_buf_text(s->out, ")");
        hn_schema_put_times(s, 0, most < 0 ? -1 : most - 1);
        hn_buf_text(s->out, least > 0 ? ")" : ")?");
    } else {
        hn_buf_text(s->out, "\"\"");
    }
    hn_buf_printf(s->out, "\ng%zu ::= (\",\" ws ", base + o->count);
    HN_TRY(put_pair(s, o, key));
    hn_buf_text(s->out, ")*");
    return HN_OK;
}

static hn_err add_name(hn_schema *s, object *o, size_t *cap, const char *name)
{
    if (o->count == NAMES_MAX)
        return hn_fail(s->cx, HN_ELIMIT, "schema: more than %d properties in one object", NAMES_MAX);
    if (!hn_grow(s->cx, &o->name, o->count, cap, sizeof *o->name))
        return nomem(s);
    o->name[o->count++] = name;
    return HN_OK;
}

static hn_err collect(hn_schema *s, object *o)
{
    size_t cap = 0, i;
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(o->of, "properties"), name, v) {
        if (!json_is_false(v))
            HN_TRY(add_name(s, o, &cap, name));
        else if (o->more || hn_schema_requires(o->of, name))
            return hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: property '%.100s' that is false", name);
    }
    o->own = o->count;
    json_array_foreach(json_object_get(o->of, "required"), i, v) {
        bool known = false;
        if (!json_is_string(v))
            return hn_fail(s->cx, HN_EFORMAT, "schema: 'required' must be a list of names");
        for (size_t k = 0; k < o->count; k++)
            known = known || strcmp(o->name[k], json_string_value(v)) == 0;
        if (!known && !o->more && json_object_get(o->of, "additionalProperties"))
            return hn_fail(s->cx, HN_EFORMAT, "schema: '%.100s' is required but not allowed", json_string_value(v));
        if (!known)
            HN_TRY(add_name(s, o, &cap, json_string_value(v)));
    }
    return HN_OK;
}

hn_err hn_schema_object(hn_schema *s, const json_t *of)
{
    const json_t *more = json_object_get(of, "additionalProperties");
    bool listed = json_object_size(json_object_get(of, "properties")) > 0 || json_array_size(json_object_get(of, "required")) > 0;
    object o = { .of = of, .more = json_is_false(more) || (!more && listed) ? NULL : more ? more : json_true() };
    json_int_t least, most;
    HN_TRY(hn_schema_count(s, of, "minProperties", 0, &least));
    HN_TRY(hn_schema_count(s, of, "maxProperties", -1, &most));
    hn_err e = collect(s, &o);
    json_int_t must = (json_int_t)json_array_size(json_object_get(of, "required"));
    bool fits = most < 0 || (o.count == 0 && o.more) || (!o.more && most >= (json_int_t)o.count);
    if (!e && !(least <= must || (least == 1 && o.count == 0 && o.more)))
        e = hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: 'minProperties' above what is required");
    if (!e && !fits)
        e = hn_fail(s->cx, HN_EUNSUP, "unsupported: schema: 'maxProperties' below the properties listed");
    size_t base = s->helpers;
    s->helpers += o.count + 1;
    hn_buf_printf(s->out, "\"{\" ws f%zu ws \"}\"\n", base);
    if (!e)
        e = put_properties(s, &o, base, least, most);
    hn_free(s->cx, o.name);
    return e;
}
