/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/tools.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"

#define CALLS_MAX 128
#define NAME_MAX_LEN 128

enum form_kind { HN_FORM_JSON, HN_FORM_TAG, HN_FORM_PYTHON, HN_FORM_DEEPSEEK, HN_FORM_HARMONY };
typedef struct form { const char *begin, *end; enum form_kind kind; } form;

static const form forms[] = {
#define FORM(id, begin, end, kind) { begin, end, kind },
#include "llm/tools.def"
#undef FORM
};

typedef struct parse {
    hn_ctx *cx;
    const json_t *tools;
    json_t *calls;
} parse;

/* ---- Text ----------------------------------------------------------------------------------------- */

static hn_text trim(hn_text t)
{
    while (t.len && isspace((unsigned char)*t.ptr))
        t = (hn_text){ t.ptr + 1, t.len - 1 };
    while (t.len && isspace((unsigned char)t.ptr[t.len - 1]))
        t.len--;
    return t;
}

static bool begins(hn_text t, const char *with)
{
    size_t n = strlen(with);
    return t.len >= n && memcmp(t.ptr, with, n) == 0;
}

static hn_text skip(hn_text t, size_t n)
{
    n = hn_min(n, t.len);
    return (hn_text){ t.ptr + n, t.len - n };
}

/* Bytes before `what`, or SIZE_MAX. */
static size_t find(hn_text t, const char *what)
{
    const char *p = memmem(t.ptr, t.len, what, strlen(what));
    return p ? (size_t)(p - t.ptr) : SIZE_MAX;
}

/* The JSON value a text begins with, and how many bytes it takes. */
static json_t *read_json(hn_text t, size_t *used)
{
    json_error_t why;
    json_t *v = t.len ? json_loadb(t.ptr, t.len, JSON_DISABLE_EOF_CHECK, &why) : NULL;
    *used = v ? hn_min((size_t)why.position, t.len) : 0;
    return v;
}

static size_t name_len(hn_text t)
{
    size_t n = 0;
    while (n < t.len && n < NAME_MAX_LEN && (isalnum((unsigned char)t.ptr[n]) || strchr("_-.", t.ptr[n])) && t.ptr[n])
        n++;
    return n;
}

/* ---- Calls ---------------------------------------------------------------------------------------- */

/* Takes `args` over.  False when it is no call or there is no memory for it. */
static bool add_call(parse *p, hn_text name, json_t *args)
{
    char id[32];
    snprintf(id, sizeof id, "call_%zu", json_array_size(p->calls));
    if (!args || !json_is_object(args) || name.len == 0 || json_array_size(p->calls) >= CALLS_MAX) {
        json_decref(args);
        return false;
    }
    json_t *call = json_pack("{s:s, s:s, s:{s:s%, s:o}}", "type", "function", "id", id, "function", "name", name.ptr,
                             name.len, "arguments", args);
    return call && json_array_append_new(p->calls, call) == 0;
}

static const json_t *first_of(const json_t *o, const char *const *keys)
{
    const json_t *v = NULL;
    for (; *keys && !v; keys++)
        v = json_object_get(o, *keys);
    return v;
}

/* {"name": ..., "arguments": {...}} under the names that families use; arguments may be a string of JSON. */
static bool add_object(parse *p, const json_t *o)
{
    static const char *const names[] = { "name", "tool_name", "function", "tool", NULL };
    static const char *const args[] = { "arguments", "parameters", "args", NULL };
    const json_t *inner = json_object_get(o, "function"), *from = json_is_object(inner) ? inner : o;
    const json_t *name = first_of(from, names), *given = first_of(from, args);
    json_t *parsed = json_is_string(given) ? json_loads(json_string_value(given), 0, NULL) : NULL;
    bool named = json_is_string(name) && json_object_size(from) <= 4;
    json_t *take = parsed ? parsed : given ? json_incref((json_t *)(uintptr_t)given) : json_object();
    if (!named) {
        json_decref(take);
        return false;
    }
    return add_call(p, (hn_text){ json_string_value(name), json_string_length(name) }, take);
}

static bool add_value(parse *p, const json_t *v)
{
    const json_t *one;
    size_t i, before = json_array_size(p->calls);
    bool ok = json_is_object(v) ? add_object(p, v) : json_is_array(v) && json_array_size(v) > 0;
    if (json_is_array(v))
        json_array_foreach(v, i, one)
            ok = ok && add_object(p, one);
    while (!ok && json_array_size(p->calls) > before)
        json_array_remove(p->calls, before);
    return ok;
}

/* ---- Parameters in tags ----------------------------------------------------------------------------- */

/* What the tool says of a parameter's type: "string" keeps a value as it is. */
static bool is_string_type(const parse *p, hn_text tool, hn_text key)
{
    const json_t *t;
    size_t i;
    char name[NAME_MAX_LEN + 1], param[NAME_MAX_LEN + 1];
    snprintf(name, sizeof name, "%.*s", (int)hn_min(tool.len, NAME_MAX_LEN), tool.ptr);
    snprintf(param, sizeof param, "%.*s", (int)hn_min(key.len, NAME_MAX_LEN), key.ptr);
    json_array_foreach(p->tools, i, t) {
        const json_t *f = json_object_get(t, "function"), *of = f ? f : t;
        const char *its = json_string_value(json_object_get(of, "name"));
        const json_t *props = json_object_get(json_object_get(of, "parameters"), "properties");
        const char *type = json_string_value(json_object_get(json_object_get(props, param), "type"));
        if (its && strcmp(its, name) == 0)
            return type && strcmp(type, "string") == 0;
    }
    return false;
}

static json_t *value_of(const parse *p, hn_text tool, hn_text key, hn_text text)
{
    json_t *v = is_string_type(p, tool, key) ? NULL : json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
    return v ? v : json_stringn(text.ptr, text.len);
}

/* One newline on each side of a value belongs to the tags. */
static hn_text without_newlines(hn_text t)
{
    if (t.len && *t.ptr == '\n')
        t = skip(t, 1);
    if (t.len && t.ptr[t.len - 1] == '\n')
        t.len--;
    return t;
}

/* <parameter=KEY>VALUE</parameter>, one after another. */
static json_t *read_parameters(const parse *p, hn_text tool, hn_text t)
{
    json_t *args = json_object();
    for (t = trim(t); args && t.len; t = trim(t)) {
        size_t close = find(t, ">"), end = find(t, "</parameter>");
        if (!begins(t, "<parameter=") || close == SIZE_MAX || end == SIZE_MAX || end < close) {
            json_decref(args);
            return NULL;
        }
        hn_text key = trim((hn_text){ t.ptr + 11, close - 11 });
        json_t *v = value_of(p, tool, key, without_newlines((hn_text){ t.ptr + close + 1, end - close - 1 }));
        if (json_object_setn_new_nocheck(args, key.ptr, key.len, v)) {
            json_decref(args);
            return NULL;
        }
        t = skip(t, end + 12);
    }
    return args;
}

/* NAME>{json} or NAME><parameter=...>..., behind "<function=". */
static bool read_tag(parse *p, hn_text t)
{
    size_t close = find(t, ">"), used;
    if (close == SIZE_MAX)
        return false;
    hn_text name = trim((hn_text){ t.ptr, close }), body = trim(skip(t, close + 1));
    size_t end = find(body, "</function>");
    if (end != SIZE_MAX)
        body.len = end;
    if (name.len == 0 || name_len(name) != name.len)
        return false;
    return add_call(p, name, body.len && *body.ptr == '{' ? read_json(body, &used) : read_parameters(p, name, body));
}

/* ---- Calls as Python writes them ---------------------------------------------------------------------- */

/* One Python literal as JSON: other quotes, other words.  Ends at a , or ) outside of brackets. */
static bool python_value(hn_text *t, hn_buf *out)
{
    static const struct { const char *python, *json; } words[] = { { "True", "true" }, { "False", "false" },
                                                                   { "None", "null" } };
    size_t depth = 0;
    for (; t->len && !(depth == 0 && (*t->ptr == ',' || *t->ptr == ')')); *t = skip(*t, 1)) {
        char c = *t->ptr;
        bool word = false;
        depth += c == '[' || c == '{';
        depth -= depth > 0 && (c == ']' || c == '}');
        for (size_t i = 0; i < 3 && !word; i++)
            if (begins(*t, words[i].python)) {
                hn_buf_text(out, words[i].json);
                *t = skip(*t, strlen(words[i].python) - 1);
                word = true;
            }
        if (word)
            continue;
        if (c != '"' && c != '\'') {
            hn_buf_add(out, &c, 1);
            continue;
        }
        hn_buf_text(out, "\"");
        for (*t = skip(*t, 1); t->len && *t->ptr != c; *t = skip(*t, 1)) {
            if (*t->ptr == '\\' && t->len > 1 && t->ptr[1] == '\'') {
                *t = skip(*t, 1);
                hn_buf_text(out, "'");
            } else if (*t->ptr == '\\' && t->len > 1) {
                hn_buf_add(out, t->ptr, 2);
                *t = skip(*t, 1);
            } else {
                hn_buf_add(out, *t->ptr == '"' ? "\\\"" : t->ptr, *t->ptr == '"' ? 2 : 1);
            }
        }
        if (!t->len)
            return false;
        hn_buf_text(out, "\"");
    }
    return t->len > 0 && depth == 0;
}

/* KEY=VALUE, ... up to the closing parenthesis, which is taken too. */
static json_t *python_args(parse *p, hn_text *t)
{
    json_t *args = json_object();
    hn_buf text = { .cx = p->cx };
    bool ok = args != NULL;
    for (*t = trim(*t); ok && t->len && *t->ptr != ')'; *t = trim(*t)) {
        hn_text key = { t->ptr, name_len(*t) };
        *t = trim(skip(*t, key.len));
        ok = key.len > 0 && t->len && *t->ptr == '=';
        *t = skip(*t, 1);
        text.len = 0;
        ok = ok && python_value(t, &text) && !text.failed;
        json_t *v = ok && text.len ? json_loadb(text.data, text.len, JSON_DECODE_ANY, NULL) : NULL;
        ok = v && json_object_setn_new_nocheck(args, key.ptr, key.len, v) == 0;
        if (ok && t->len && *t->ptr == ',')
            *t = skip(*t, 1);
    }
    ok = ok && t->len && *t->ptr == ')';
    *t = skip(*t, 1);
    hn_buf_free(&text);
    if (!ok) {
        json_decref(args);
        return NULL;
    }
    return args;
}

/* [f(a=1), g()], with nothing behind it. */
static bool read_python(parse *p, hn_text t)
{
    size_t before = json_array_size(p->calls);
    bool ok = begins(t, "[");
    t = trim(skip(t, 1));
    while (ok && t.len && *t.ptr != ']') {
        hn_text name = { t.ptr, name_len(t) };
        t = skip(t, name.len);
        ok = begins(t, "(") && name.len > 0;
        t = skip(t, 1);
        ok = ok && add_call(p, name, python_args(p, &t));
        t = trim(t);
        if (ok && begins(t, ","))
            t = trim(skip(t, 1));
    }
    ok = ok && trim(t).len == 1 && json_array_size(p->calls) > before;
    while (!ok && json_array_size(p->calls) > before)
        json_array_remove(p->calls, before);
    return ok;
}

/* ---- The other ways ---------------------------------------------------------------------------------- */

/* One JSON value or several, or NAME[ARGS]{...}, or tags. */
static bool read_payload(parse *p, hn_text t)
{
    bool ok = false;
    for (t = trim(t); t.len; t = trim(t)) {
        size_t used = 0, n = name_len(t);
        hn_text rest = skip(t, n);
        if (begins(t, "<function="))
            return read_tag(p, skip(t, 10));
        if (n > 0 && (begins(rest, "[ARGS]") || begins(rest, "{"))) {
            hn_text body = skip(rest, begins(rest, "[ARGS]") ? 6 : 0);
            ok = add_call(p, (hn_text){ t.ptr, n }, read_json(trim(body), &used));
            t = skip(trim(body), used);
        } else {
            json_t *v = read_json(t, &used);
            ok = v && add_value(p, v);
            json_decref(v);
            t = skip(t, used);
        }
        if (!ok)
            return false;
    }
    return ok;
}

/* function<sep>NAME, a newline and a fenced block; or NAME<sep>{...}. */
static bool read_deepseek(parse *p, hn_text t)
{
    static const char sep[] = "<\xEF\xBD\x9Ctool\xE2\x96\x81sep\xEF\xBD\x9C>";
    size_t cut = find(t, sep), used;
    if (cut == SIZE_MAX)
        return false;
    hn_text name = trim((hn_text){ t.ptr, cut }), rest = trim(skip(t, cut + sizeof sep - 1));
    size_t fence = find(rest, "```json");
    if (fence != SIZE_MAX) {
        name = trim((hn_text){ rest.ptr, fence });
        rest = trim(skip(rest, fence + 7));
    }
    return add_call(p, name, read_json(rest, &used));
}

static bool read_harmony(parse *p, hn_text t)
{
    hn_text name = { t.ptr, name_len(t) };
    size_t cut = find(t, "<|message|>"), used;
    return cut != SIZE_MAX && add_call(p, name, read_json(trim(skip(t, cut + 11)), &used));
}

static bool read_form(parse *p, const form *f, hn_text t)
{
    switch (f->kind) {
    case HN_FORM_JSON: return read_payload(p, t);
    case HN_FORM_TAG: return read_tag(p, t);
    case HN_FORM_PYTHON: return read_python(p, trim(t));
    case HN_FORM_DEEPSEEK: return read_deepseek(p, t);
    default: return read_harmony(p, t);
    }
}

/* ---- The whole ---------------------------------------------------------------------------------------- */

static const form *next_form(hn_text t, size_t *at)
{
    const form *best = NULL;
    *at = SIZE_MAX;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t found = find(t, forms[i].begin);
        if (found < *at) {
            *at = found;
            best = &forms[i];
        }
    }
    return best;
}

/* Calls out, the rest to `content`. */
static void split(parse *p, hn_text t, hn_buf *content)
{
    size_t at;
    for (const form *f; (f = next_form(t, &at)) != NULL;) {
        hn_text body = skip(t, at + strlen(f->begin));
        size_t end = *f->end ? find(body, f->end) : SIZE_MAX;
        hn_text inside = { body.ptr, hn_min(end, body.len) };
        if (end == SIZE_MAX && !*f->end) {                 /* up to the next that begins the same way */
            size_t again = find(body, f->begin);
            inside.len = hn_min(again, body.len);
        }
        hn_text after = skip(body, end == SIZE_MAX ? inside.len : end + strlen(f->end));
        if (read_form(p, f, inside))
            hn_buf_add(content, t.ptr, at);
        else
            hn_buf_add(content, t.ptr, (size_t)(after.ptr - t.ptr));
        t = after;
    }
    hn_buf_add(content, t.ptr, t.len);
}

static hn_text without(hn_text t, const char *lead)
{
    hn_text in = trim(t);
    return begins(in, lead) ? skip(in, strlen(lead)) : t;
}

/* Channels: what was thought, and the answer. */
static hn_text take_analysis(hn_text t, hn_text *rest)
{
    hn_text body = without(trim(t), "<|channel|>analysis<|message|>");
    size_t end = find(body, "<|end|>");
    *rest = skip(body, end == SIZE_MAX ? body.len : end + 7);
    *rest = without(without(*rest, "<|start|>assistant"), "<|channel|>final<|message|>");
    return trim((hn_text){ body.ptr, hn_min(end, body.len) });
}

/* <think> ... </think> in front; the template may have written the first of them already. */
static hn_text take_reasoning(hn_text t, hn_text *rest)
{
    size_t end = find(t, "</think>");
    hn_text lead = trim(t), none = { "", 0 };
    if (begins(lead, "<|channel|>analysis<|message|>"))
        return take_analysis(t, rest);
    *rest = without(t, "<|channel|>final<|message|>");
    if (end == SIZE_MAX)
        return none;
    *rest = skip(t, end + 8);
    hn_text inside = { t.ptr, end };
    if (begins(lead, "<think>"))
        inside = (hn_text){ lead.ptr + 7, (size_t)(t.ptr + end - lead.ptr) - 7 };
    return trim(inside);
}

/* Nothing but the call, as Llama 3 and others write it. */
static bool bare(parse *p, hn_text t)
{
    size_t used;
    json_t *v = begins(t, "{") || begins(t, "[") ? read_json(t, &used) : NULL;
    bool ok = v && used == t.len && add_value(p, v);
    json_decref(v);
    return ok || (begins(t, "[") && read_python(p, t));
}

static json_t *message(parse *p, hn_text content, hn_text reasoning)
{
    json_t *m = json_pack("{s:s, s:s%}", "role", "assistant", "content", content.ptr, content.len);
    if (m && reasoning.len)
        json_object_set_new(m, "reasoning_content", json_stringn(reasoning.ptr, reasoning.len));
    if (m && json_array_size(p->calls))
        json_object_set(m, "tool_calls", p->calls);
    return m;
}

hn_err hn_tools_parse(hn_ctx *cx, hn_text said, const json_t *tools, json_t **out)
{
    parse p = { cx, tools, json_array() };
    hn_buf content = { .cx = cx };
    hn_text rest, reasoning = take_reasoning(said, &rest);
    if (hn_utf8_valid(said.ptr, said.len) != said.len) {
        json_decref(p.calls);
        return hn_fail(cx, HN_EFORMAT, "the answer is not valid UTF-8");
    }
    if (p.calls && !bare(&p, trim(rest)))
        split(&p, rest, &content);
    hn_text left = { content.data ? content.data : "", content.len };
    if (json_array_size(p.calls) || reasoning.len)
        left = trim(left);
    json_t *m = p.calls && !content.failed ? message(&p, left, reasoning) : NULL;
    hn_buf_free(&content);
    json_decref(p.calls);
    if (!m)
        return hn_nomem(cx, "an answer");
    *out = m;
    return HN_OK;
}
