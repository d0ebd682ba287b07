/* SPDX-License-Identifier: Apache-2.0 */
/* Values of templates: made, compared, printed as Python prints them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/jinja_impl.h"

const char *hn_jkind_name(const hn_jval *v)
{
    static const char *const names[] = { "undefined", "none", "a boolean", "a number", "a number", "text", "a list",
                                         "a mapping", "a loop", "a function" };
    return names[v->kind];
}

bool hn_jis(hn_text t, const char *s) { return t.len == strlen(s) && memcmp(t.ptr, s, t.len) == 0; }

static bool is_number(const hn_jval *v) { return v->kind == J_INT || v->kind == J_FLOAT || v->kind == J_BOOL; }
static double number(const hn_jval *v) { return v->kind == J_FLOAT ? v->f : v->kind == J_INT ? (double)v->i : v->b; }
static int64_t integer(const hn_jval *v) { return v->kind == J_INT ? v->i : v->b; }

bool hn_jtruth(const hn_jval *v)
{
    switch (v->kind) {
    case J_BOOL:  return v->b;
    case J_INT:   return v->i != 0;
    case J_FLOAT: return v->f != 0;
    case J_TEXT:  return v->s.len > 0;
    case J_LIST:  return v->list->count > 0;
    case J_DICT:  return v->dict->count > 0 || v->dict->is_namespace;
    case J_LOOP:
    case J_FUNC:  return true;
    default:      return false;
    }
}

/* Values cannot contain themselves: nothing changes once made, but namespaces, which are leaves here. */
static bool equal(const hn_jval *a, const hn_jval *b, int depth)
{
    if (depth > HN_JDEPTH_MAX)
        return false;
    if (is_number(a) && is_number(b))
        return a->kind == J_FLOAT || b->kind == J_FLOAT ? number(a) == number(b) : integer(a) == integer(b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case J_TEXT:
        return a->s.len == b->s.len && memcmp(a->s.ptr, b->s.ptr, a->s.len) == 0;
    case J_LIST:
        if (a->list->count != b->list->count || a->tuple != b->tuple)
            return false;
        for (size_t i = 0; i < a->list->count; i++)
            if (!equal(&a->list->item[i], &b->list->item[i], depth + 1))
                return false;
        return true;
    case J_DICT:
        if (a->dict == b->dict)
            return true;
        if (a->dict->is_namespace || b->dict->is_namespace || a->dict->count != b->dict->count)
            return false;
        for (size_t i = 0; i < a->dict->count; i++) {
            const hn_jval *other = hn_jdict_get(b->dict, &a->dict->pair[i].key);
            if (!other || !equal(&a->dict->pair[i].value, other, depth + 1))
                return false;
        }
        return true;
    case J_LOOP: return a->loop == b->loop;
    case J_FUNC: return a->func == b->func;
    default:     return true;                            /* none and none, undefined and undefined */
    }
}

bool hn_jequal(const hn_jval *a, const hn_jval *b) { return equal(a, b, 0); }

static int order_texts(hn_text a, hn_text b)
{
    int c = memcmp(a.ptr, b.ptr, hn_min(a.len, b.len));
    return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

hn_err hn_jorder(hn_jrun *r, const hn_jval *a, const hn_jval *b, int *order)
{
    if (is_number(a) && is_number(b)) {
        if (a->kind == J_FLOAT || b->kind == J_FLOAT)
            *order = number(a) < number(b) ? -1 : number(a) > number(b);
        else
            *order = integer(a) < integer(b) ? -1 : integer(a) > integer(b);
        return HN_OK;
    }
    if (a->kind == J_TEXT && b->kind == J_TEXT) {
        *order = order_texts(a->s, b->s);
        return HN_OK;
    }
    if (a->kind != J_LIST || b->kind != J_LIST || r->depth >= HN_JDEPTH_MAX)
        return hn_jfail(r, HN_EARG, "%s and %s have no order", hn_jkind_name(a), hn_jkind_name(b));
    size_t n = hn_min(a->list->count, b->list->count);
    *order = a->list->count < b->list->count ? -1 : a->list->count > b->list->count;
    for (size_t i = 0; i < n; i++)
        if (!hn_jequal(&a->list->item[i], &b->list->item[i])) {
            r->depth++;
            HN_TRY(hn_jorder(r, &a->list->item[i], &b->list->item[i], order));
            r->depth--;
            break;
        }
    return HN_OK;
}

/* ---- Lists and mappings -------------------------------------------------------------------- */

hn_err hn_jlist_new(hn_jrun *r, size_t cap, hn_jval *out)
{
    hn_jlist *l = HN_NEW(r->a, hn_jlist, 1);
    if (!l)
        return hn_jnomem(r);
    if (cap && !(l->item = HN_NEW(r->a, hn_jval, cap)))
        return hn_jnomem(r);
    l->cap = cap;
    *out = (hn_jval){ .kind = J_LIST, .list = l };
    return HN_OK;
}

hn_err hn_jlist_add(hn_jrun *r, hn_jval list, hn_jval item)
{
    hn_jlist *l = list.list;
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        hn_jval *grown = HN_NEW(r->a, hn_jval, cap);
        if (!grown)
            return hn_jnomem(r);
        if (l->count)
            memcpy(grown, l->item, l->count * sizeof *grown);
        l->item = grown;
        l->cap = cap;
    }
    l->item[l->count++] = item;
    return hn_jsteps(r, 1);
}

hn_err hn_jdict_new(hn_jrun *r, hn_jval *out)
{
    hn_jdict *d = HN_NEW(r->a, hn_jdict, 1);
    if (!d)
        return hn_jnomem(r);
    *out = (hn_jval){ .kind = J_DICT, .dict = d };
    return HN_OK;
}

/* Mappings are small: fields of messages, parameters of tools. */
hn_jval *hn_jdict_get(const hn_jdict *d, const hn_jval *key)
{
    for (size_t i = 0; i < d->count; i++)
        if (hn_jequal(&d->pair[i].key, key))
            return &d->pair[i].value;
    return NULL;
}

hn_err hn_jdict_set(hn_jrun *r, hn_jdict *d, hn_jval key, hn_jval value)
{
    HN_TRY(hn_jsteps(r, d->count / 8 + 1));
    hn_jval *found = hn_jdict_get(d, &key);
    if (found) {
        *found = value;
        return HN_OK;
    }
    if (d->count == d->cap) {
        size_t cap = d->cap ? d->cap * 2 : 8;
        hn_jpair *grown = HN_NEW(r->a, hn_jpair, cap);
        if (!grown)
            return hn_jnomem(r);
        if (d->count)
            memcpy(grown, d->pair, d->count * sizeof *grown);
        d->pair = grown;
        d->cap = cap;
    }
    d->pair[d->count++] = (hn_jpair){ key, value };
    return HN_OK;
}

hn_err hn_jcopy(hn_jrun *r, const hn_buf *b, hn_jval *out)
{
    if (b->failed)
        return hn_jnomem(r);
    char *s = hn_arena_text(r->a, b->data, b->len);
    if (!s)
        return hn_jnomem(r);
    *out = hn_jtext(s, b->len);
    return HN_OK;
}

/* ---- From JSON ----------------------------------------------------------------------------- */

static hn_err from_object(hn_jrun *r, const json_t *j, hn_jval *out)
{
    const char *key;
    json_t *value;
    HN_TRY(hn_jdict_new(r, out));
    for (void *at = json_object_iter((json_t *)(uintptr_t)j); at; at = json_object_iter_next((json_t *)(uintptr_t)j, at)) {
        hn_jval v;
        key = json_object_iter_key(at);
        value = json_object_iter_value(at);
        HN_TRY(hn_jfrom_json(r, value, &v));
        size_t n = strlen(key);
        char *copy = hn_arena_text(r->a, key, n);
        if (!copy)
            return hn_jnomem(r);
        HN_TRY(hn_jdict_set(r, out->dict, hn_jtext(copy, n), v));
    }
    return HN_OK;
}

hn_err hn_jfrom_json(hn_jrun *r, const json_t *j, hn_jval *out)
{
    hn_err e = HN_OK;
    if (++r->depth > HN_JDEPTH_MAX)
        return hn_jfail(r, HN_ELIMIT, "the variables are nested deeper than %d", HN_JDEPTH_MAX);
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        e = from_object(r, j, out);
        break;
    case JSON_ARRAY:
        e = hn_jlist_new(r, json_array_size(j), out);
        for (size_t i = 0; !e && i < json_array_size(j); i++) {
            hn_jval v;
            e = hn_jfrom_json(r, json_array_get(j, i), &v);
            e = e ? e : hn_jlist_add(r, *out, v);
        }
        break;
    case JSON_STRING:                                    /* borrowed: the caller's JSON outlives the rendering */
        *out = hn_jtext(json_string_value(j), json_string_length(j));
        break;
    case JSON_INTEGER:
        *out = hn_jint(json_integer_value(j));
        break;
    case JSON_REAL:
        *out = hn_jfloat(json_real_value(j));
        break;
    case JSON_NULL:
        *out = (hn_jval){ .kind = J_NONE };
        break;
    default:
        *out = hn_jbool(json_is_true(j));
    }
    r->depth--;
    return e;
}

/* ---- Printing ------------------------------------------------------------------------------ */

/* Python's repr of a float: the fewest digits that read back, "1e-05" below 1e-4, "1e+16" from 1e16. */
static void print_float(double f, hn_buf *out)
{
    char s[64];
    if (isnan(f) || isinf(f)) {
        hn_buf_text(out, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 1;
    do
        snprintf(s, sizeof s, "%.*e", digits - 1, f);
    while (strtod(s, NULL) != f && ++digits <= 17);
    int power = atoi(strchr(s, 'e') + 1);
    if (power < -4 || power >= 16) {
        hn_buf_text(out, s);                             /* C and Python agree on the exponent's form */
        return;
    }
    snprintf(s, sizeof s, "%.*f", power >= digits - 1 ? 1 : digits - 1 - power, f);
    hn_buf_text(out, s);
}

/* Python's repr of text: single quotes unless it holds only those. */
static void print_quoted(hn_text s, hn_buf *out)
{
    char quote = memchr(s.ptr, '\'', s.len) && !memchr(s.ptr, '"', s.len) ? '"' : '\'';
    hn_buf_add(out, &quote, 1);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\n' || c == '\r' || c == '\t')
            hn_buf_text(out, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (c == quote || c == '\\')
            hn_buf_printf(out, "\\%c", c);
        else if ((uint8_t)c < 0x20 || c == 0x7F)
            hn_buf_printf(out, "\\x%02x", (unsigned)(uint8_t)c);
        else
            hn_buf_add(out, &c, 1);
    }
    hn_buf_add(out, &quote, 1);
}

static hn_err print(hn_jrun *r, const hn_jval *v, bool quoted, hn_buf *out);

static hn_err print_list(hn_jrun *r, const hn_jval *v, hn_buf *out)
{
    const hn_jlist *l = v->list;
    hn_buf_text(out, v->tuple ? "(" : "[");
    for (size_t i = 0; i < l->count; i++) {
        hn_buf_text(out, i ? ", " : "");
        HN_TRY(print(r, &l->item[i], true, out));
    }
    hn_buf_text(out, v->tuple ? l->count == 1 ? ",)" : ")" : "]");
    return HN_OK;
}

static hn_err print_dict(hn_jrun *r, const hn_jdict *d, hn_buf *out)
{
    hn_buf_text(out, d->is_namespace ? "<Namespace {" : "{");
    for (size_t i = 0; i < d->count; i++) {
        hn_buf_text(out, i ? ", " : "");
        HN_TRY(print(r, &d->pair[i].key, true, out));
        hn_buf_text(out, ": ");
        HN_TRY(print(r, &d->pair[i].value, true, out));
    }
    hn_buf_text(out, d->is_namespace ? "}>" : "}");
    return HN_OK;
}

static hn_err print(hn_jrun *r, const hn_jval *v, bool quoted, hn_buf *out)
{
    hn_err e = HN_OK;
    HN_TRY(hn_jsteps(r, 1));
    if (out->len > r->output_max)
        return hn_jfail(r, HN_ELIMIT, "more than %zu bytes of output", r->output_max);
    if (++r->depth > HN_JDEPTH_MAX)
        return hn_jfail(r, HN_ELIMIT, "a value is nested deeper than %d", HN_JDEPTH_MAX);
    switch (v->kind) {
    case J_UNDEFINED: hn_buf_text(out, quoted ? "Undefined" : ""); break;
    case J_NONE:      hn_buf_text(out, "None"); break;
    case J_BOOL:      hn_buf_text(out, v->b ? "True" : "False"); break;
    case J_INT:       hn_buf_printf(out, "%lld", (long long)v->i); break;
    case J_FLOAT:     print_float(v->f, out); break;
    case J_LIST:      e = print_list(r, v, out); break;
    case J_DICT:      e = print_dict(r, v->dict, out); break;
    case J_LOOP:      hn_buf_printf(out, "<LoopContext %zu/%zu>", v->loop->index + 1, v->loop->items->count); break;
    case J_FUNC:      hn_buf_printf(out, "<function %s>", v->func->name ? v->func->name : "macro"); break;
    default:
        if (quoted)
            print_quoted(v->s, out);
        else
            hn_buf_add(out, v->s.ptr, v->s.len);
    }
    r->depth--;
    return e;
}

hn_err hn_jprint(hn_jrun *r, const hn_jval *v, hn_buf *out)
{
    HN_TRY(print(r, v, false, out));
    return out->failed ? hn_jnomem(r) : HN_OK;
}

/* ---- JSON out, as Python's json.dumps writes it -------------------------------------------- */

static void dump_text(hn_text s, bool ascii, hn_buf *out)
{
    static const char from[] = "\"\\\n\r\t\b\f", to[] = "\"\\nrtbf";
    hn_buf_add(out, "\"", 1);
    for (size_t i = 0, len; i < s.len; i += len) {
        uint32_t c = (uint8_t)s.ptr[i];
        const char *known = c ? strchr(from, s.ptr[i]) : NULL;
        len = ascii && c >= 0x80 ? hn_max(hn_utf8_get(s.ptr + i, s.len - i, &c), 1) : 1;
        if (known)
            hn_buf_printf(out, "\\%c", to[known - from]);
        else if (c >= 0x10000)
            hn_buf_printf(out, "\\u%04x\\u%04x", 0xD7C0u + (unsigned)(c >> 10), 0xDC00u + (unsigned)(c & 0x3FF));
        else if (c < 0x20 || len > 1)
            hn_buf_printf(out, "\\u%04x", (unsigned)c);
        else
            hn_buf_add(out, s.ptr + i, 1);
    }
    hn_buf_add(out, "\"", 1);
}

static void new_line(const hn_json_style *s, int level, hn_buf *out)
{
    if (s->indent < 0)
        return;
    hn_buf_add(out, "\n", 1);
    for (int i = 0; i < level * s->indent && !out->failed; i++)
        hn_buf_add(out, " ", 1);
}

static hn_err dump(hn_jrun *r, const hn_jval *v, const hn_json_style *s, int level, hn_buf *out);

static hn_err dump_list(hn_jrun *r, const hn_jlist *l, const hn_json_style *s, int level, hn_buf *out)
{
    hn_buf_text(out, "[");
    for (size_t i = 0; i < l->count; i++) {
        if (i)
            hn_buf_add(out, s->item_sep.ptr, s->item_sep.len);
        new_line(s, level + 1, out);
        HN_TRY(dump(r, &l->item[i], s, level + 1, out));
    }
    if (l->count)
        new_line(s, level, out);
    hn_buf_text(out, "]");
    return HN_OK;
}

static int by_key(const void *a, const void *b)
{
    const hn_jpair *const *x = a, *const *y = b;
    return (*x)->key.kind == J_TEXT && (*y)->key.kind == J_TEXT ? order_texts((*x)->key.s, (*y)->key.s) : 0;
}

static hn_err dump_dict(hn_jrun *r, const hn_jdict *d, const hn_json_style *s, int level, hn_buf *out)
{
    const hn_jpair **order = HN_NEW(r->a, const hn_jpair *, d->count + 1);
    if (!order)
        return hn_jnomem(r);
    for (size_t i = 0; i < d->count; i++)
        order[i] = &d->pair[i];
    if (s->sort)
        qsort(order, d->count, sizeof *order, by_key);
    hn_buf_text(out, "{");
    for (size_t i = 0; i < d->count; i++) {
        const hn_jval *key = &order[i]->key;
        if (i)
            hn_buf_add(out, s->item_sep.ptr, s->item_sep.len);
        new_line(s, level + 1, out);
        if (key->kind == J_TEXT) {
            dump_text(key->s, s->ascii, out);
        } else {                                         /* JSON has only text keys: 1 becomes "1" */
            hn_buf_text(out, "\"");
            HN_TRY(dump(r, key, s, level + 1, out));
            hn_buf_text(out, "\"");
        }
        hn_buf_add(out, s->key_sep.ptr, s->key_sep.len);
        HN_TRY(dump(r, &order[i]->value, s, level + 1, out));
    }
    if (d->count)
        new_line(s, level, out);
    hn_buf_text(out, "}");
    return HN_OK;
}

static hn_err dump(hn_jrun *r, const hn_jval *v, const hn_json_style *s, int level, hn_buf *out)
{
    hn_err e = HN_OK;
    HN_TRY(hn_jsteps(r, 1));
    if (out->len > r->output_max)
        return hn_jfail(r, HN_ELIMIT, "more than %zu bytes of output", r->output_max);
    if (++r->depth > HN_JDEPTH_MAX)
        return hn_jfail(r, HN_ELIMIT, "a value is nested deeper than %d", HN_JDEPTH_MAX);
    switch (v->kind) {
    case J_NONE:  hn_buf_text(out, "null"); break;
    case J_BOOL:  hn_buf_text(out, v->b ? "true" : "false"); break;
    case J_INT:   hn_buf_printf(out, "%lld", (long long)v->i); break;
    case J_FLOAT:
        if (isfinite(v->f))
            print_float(v->f, out);
        else
            hn_buf_text(out, isnan(v->f) ? "NaN" : v->f < 0 ? "-Infinity" : "Infinity");
        break;
    case J_TEXT:  dump_text(v->s, s->ascii, out); break;
    case J_LIST:  e = dump_list(r, v->list, s, level, out); break;
    case J_DICT:
        if (!v->dict->is_namespace) {
            e = dump_dict(r, v->dict, s, level, out);
            break;
        }
        /* fall through */
    default:
        e = hn_jfail(r, HN_EARG, "tojson: %s cannot be written as JSON", hn_jkind_name(v));
    }
    r->depth--;
    return e;
}

hn_err hn_jdump(hn_jrun *r, const hn_jval *v, const hn_json_style *s, hn_buf *out)
{
    HN_TRY(dump(r, v, s, 0, out));
    return out->failed ? hn_jnomem(r) : HN_OK;
}

/* ---- Going over values --------------------------------------------------------------------- */

size_t hn_jchar_at(hn_text s, size_t index)
{
    size_t i = 0;
    while (i < s.len && index > 0) {
        i += hn_max(hn_utf8_get(s.ptr + i, s.len - i, NULL), 1);
        index--;
    }
    return i;
}

hn_err hn_jlength(hn_jrun *r, const hn_jval *v, size_t *n)
{
    switch (v->kind) {
    case J_LIST: *n = v->list->count; return HN_OK;
    case J_DICT: *n = v->dict->count; return HN_OK;
    case J_LOOP: *n = v->loop->items->count; return HN_OK;
    case J_UNDEFINED: *n = 0; return HN_OK;
    case J_TEXT:
        *n = 0;
        for (size_t i = 0; i < v->s.len; ++*n)
            i += hn_max(hn_utf8_get(v->s.ptr + i, v->s.len - i, NULL), 1);
        return hn_jsteps(r, v->s.len / 64);
    default:
        return hn_jfail(r, HN_EARG, "%s has no length", hn_jkind_name(v));
    }
}

hn_err hn_jitems(hn_jrun *r, const hn_jval *of, hn_jval *list)
{
    const hn_jval copy = *of, *v = &copy;                /* `list` may be `of` */
    if (v->kind == J_LIST) {
        *list = *v;
        return HN_OK;
    }
    HN_TRY(hn_jlist_new(r, 0, list));
    if (v->kind == J_DICT) {
        for (size_t i = 0; i < v->dict->count; i++)
            HN_TRY(hn_jlist_add(r, *list, v->dict->pair[i].key));
    } else if (v->kind == J_TEXT) {
        for (size_t i = 0, n; i < v->s.len; i += n) {
            n = hn_max(hn_utf8_get(v->s.ptr + i, v->s.len - i, NULL), 1);
            HN_TRY(hn_jlist_add(r, *list, hn_jtext(v->s.ptr + i, n)));
        }
    } else if (v->kind != J_UNDEFINED) {
        return hn_jfail(r, HN_EARG, "%s cannot be gone over", hn_jkind_name(v));
    }
    return HN_OK;
}
