/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/json.h"

#include <stdlib.h>
#include <string.h>

/* Depth is counted before jansson sees the text: it reads a level deeper by calling itself. */
static bool too_deep(const char *text, size_t len)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > HN_JSON_DEPTH_MAX)
                return true;
        } else if ((text[i] == '}' || text[i] == ']') && depth) {
            depth--;
        }
    }
    return false;
}

hn_err hn_json_parse_real(hn_ctx *cx, const char *what, const char *text, size_t len, json_t **out)
{
    json_error_t why;
    if (too_deep(text, len))
        return hn_fail(cx, HN_EFORMAT, "%s: expected JSON of at most %d levels", what, HN_JSON_DEPTH_MAX);
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!value)
        return hn_fail(cx, HN_EFORMAT, "%s: expected JSON: line %d: %s", what, why.line, why.text);
    *out = value;
    return HN_OK;
}

/* ---- Walking: a stack of our own, as deep as the parser lets values be ------------------------------ */

typedef struct level {
    const json_t *value;
    const char **names; size_t at, count;    /* of an object, sorted; NULL for an array */
} level;

static int by_code_point(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);     /* UTF-8 sorts as its code points do */
}

static hn_err enter(hn_ctx *cx, level *l, const json_t *value)
{
    const char *name;
    json_t *member;
    size_t i = 0;

    *l = (level){ .value = value, .count = json_is_array(value) ? json_array_size(value) : json_object_size(value) };
    if (json_is_array(value) || l->count == 0)
        return HN_OK;
    l->names = hn_alloc(cx, l->count * sizeof *l->names);
    if (!l->names)
        return hn_nomem(cx, "canonical JSON");
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
        l->names[i++] = name;
    qsort(l->names, l->count, sizeof *l->names, by_code_point);
    return HN_OK;
}

static void add_string(hn_buf *out, const char *text, size_t len)
{
    hn_buf_add(out, "\"", 1);
    for (size_t from = 0; from < len;) {
        size_t n = strcspn(text + from, "\"\\");
        n = n < len - from ? n : len - from;
        hn_buf_add(out, text + from, n);
        from += n;
        if (from < len) {
            hn_buf_add(out, "\\", 1);
            hn_buf_add(out, text + from++, 1);
        }
    }
    hn_buf_add(out, "\"", 1);
}

static hn_err add_plain(hn_ctx *cx, hn_buf *out, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_STRING: add_string(out, json_string_value(v), json_string_length(v)); break;
    case JSON_INTEGER: hn_buf_printf(out, "%lld", (long long)json_integer_value(v)); break;
    case JSON_TRUE: hn_buf_text(out, "true"); break;
    case JSON_FALSE: hn_buf_text(out, "false"); break;
    case JSON_NULL: hn_buf_text(out, "null"); break;
    default: return hn_fail(cx, HN_EFORMAT, "a fraction has no canonical form: expected whole numbers");
    }
    return HN_OK;
}

/* The next value of the innermost level, with what stands before it written. */
static const json_t *next_of(hn_buf *out, level *l)
{
    size_t i = l->at++;
    if (i)
        hn_buf_add(out, ",", 1);
    if (!l->names)
        return json_array_get(l->value, i);
    add_string(out, l->names[i], strlen(l->names[i]));
    hn_buf_add(out, ":", 1);
    return json_object_get(l->value, l->names[i]);
}

static hn_err walk(hn_ctx *cx, hn_buf *out, const json_t *v, level *stack, size_t *depth)
{
    for (;;) {
        if (!json_is_array(v) && !json_is_object(v)) {
            HN_TRY(add_plain(cx, out, v));
        } else {
            if (*depth == HN_JSON_DEPTH_MAX)
                return hn_fail(cx, HN_EFORMAT, "expected JSON of at most %d levels", HN_JSON_DEPTH_MAX);
            HN_TRY(enter(cx, &stack[*depth], v));
            ++*depth;
            hn_buf_text(out, json_is_array(v) ? "[" : "{");
        }
        while (*depth && stack[*depth - 1].at == stack[*depth - 1].count) {
            hn_buf_text(out, json_is_array(stack[*depth - 1].value) ? "]" : "}");
            hn_free(cx, stack[--*depth].names);
        }
        if (*depth == 0)
            return hn_buf_ok(out, "canonical JSON");
        v = next_of(out, &stack[*depth - 1]);
    }
}

hn_err hn_json_canonical(hn_ctx *cx, const json_t *value, hn_buf *out)
{
    level stack[HN_JSON_DEPTH_MAX];
    size_t depth = 0;
    hn_err e = walk(cx, out, value, stack, &depth);
    while (depth)
        hn_free(cx, stack[--depth].names);
    return e;
}

hn_err hn_json_parse(hn_ctx *cx, const char *what, const char *text, size_t len, json_t **out)
{
    json_t *value;
    hn_buf canonical = { .cx = cx };
    HN_TRY(hn_json_parse_real(cx, what, text, len, &value));
    hn_err e = hn_json_canonical(cx, value, &canonical);       /* finds the fractions */
    hn_buf_free(&canonical);
    if (e) {
        json_decref(value);
        return e == HN_EFORMAT ? hn_fail(cx, e, "%s: expected JSON with whole numbers only", what) : e;
    }
    *out = value;
    return HN_OK;
}

/* ---- Members ---------------------------------------------------------------------------------------- */

hn_err hn_json_text(hn_ctx *cx, const char *what, const json_t *object, const char *name, const char **out)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (!text)
        return hn_fail(cx, HN_EFORMAT, "%s: expected a text '%s'", what, name);
    *out = text;
    return HN_OK;
}

hn_err hn_json_int(hn_ctx *cx, const char *what, const json_t *object, const char *name, int64_t min, int64_t *out)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_integer(v) || json_integer_value(v) < min)
        return hn_fail(cx, HN_EFORMAT, "%s: expected a whole number '%s' of at least %lld", what, name, (long long)min);
    *out = json_integer_value(v);
    return HN_OK;
}

hn_err hn_json_object(hn_ctx *cx, const char *what, const json_t *object, const char *name, const json_t **out)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_object(v))
        return hn_fail(cx, HN_EFORMAT, "%s: expected an object '%s'", what, name);
    *out = v;
    return HN_OK;
}

hn_err hn_json_array(hn_ctx *cx, const char *what, const json_t *object, const char *name, const json_t **out)
{
    const json_t *v = json_object_get(object, name);
    if (!json_is_array(v))
        return hn_fail(cx, HN_EFORMAT, "%s: expected a list '%s'", what, name);
    *out = v;
    return HN_OK;
}
