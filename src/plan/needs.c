/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/needs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/words.h"
#include "plan/catalog_impl.h"

typedef struct field {
    const char *option, *words, *unit;
    bool text;
    double least, most;
    size_t at;                       /* offset in hn_needs */
} field;

static const field fields[] = {
#define TXT(f, option, arg, words, help) { option, words, NULL, true, 0, 0, offsetof(hn_needs, f) },
#define NUM(f, option, arg, unit, least, most, help) \
    { option, NULL, unit, false, least, most, offsetof(hn_needs, f) },
#include "plan/needs.def"
#undef TXT
#undef NUM
};
enum { FIELDS = sizeof fields / sizeof *fields };

static const char **text_of(hn_needs *n, const field *f) { return (const char **)((char *)n + f->at); }
static double *number_of(hn_needs *n, const field *f) { return (double *)((char *)n + f->at); }

void hn_needs_clear(hn_needs *n)
{
    *n = (hn_needs){ .file = NULL };
    for (size_t i = 0; i < FIELDS; i++)
        if (!fields[i].text)
            *number_of(n, &fields[i]) = NAN;
}

/* ---- Units -------------------------------------------------------------------------------------- */

static const struct unit { const char *base, *name; double times; } units[] = {
    { "ms", "us", 1e-3 }, { "ms", "ms", 1 }, { "ms", "s", 1e3 }, { "ms", "min", 6e4 },
    { "s", "ms", 1e-3 },  { "s", "s", 1 },   { "s", "min", 60 }, { "s", "h", 3600 },
    { "W", "mW", 1e-3 },  { "W", "W", 1 },   { "W", "kW", 1e3 },
    { "GB", "kB", 1e-6 }, { "GB", "KB", 1e-6 }, { "GB", "MB", 1e-3 }, { "GB", "GB", 1 }, { "GB", "TB", 1e3 },
    { "GB", "KiB", 1.024e-6 }, { "GB", "MiB", 1.048576e-3 }, { "GB", "GiB", 1.073741824 },
    { "USD", "USD", 1 },
    { "", "k", 1e3 },     { "", "M", 1e6 },  { "", "%", 1 },     { "", "Wh", 1 }, { "", "MB", 1 },
};

static hn_err bad_number(hn_ctx *cx, const field *f, const char *value)
{
    return hn_fail(cx, HN_EARG, "--%s: expected a number%s%s, found '%s'", f->option,
                   f->unit[0] ? " of " : "", f->unit, value);
}

static hn_err set_number(hn_ctx *cx, const field *f, const char *value, double *out)
{
    char *end;
    double x = strtod(value, &end), times = 1;
    if (end == value || !isfinite(x))
        return bad_number(cx, f, value);
    end += strspn(end, " ");
    if (*end) {
        times = 0;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(units[i].base, f->unit) == 0 && strcmp(units[i].name, end) == 0)
                times = units[i].times;
        if (times == 0)
            return bad_number(cx, f, value);
    }
    x *= times;
    if (x < f->least || x > f->most)
        return hn_fail(cx, HN_EARG, "--%s: %s is absurd: expected %g to %g%s%s", f->option, value, f->least,
                       f->most, f->unit[0] ? " " : "", f->unit);
    *out = x;
    return HN_OK;
}

static hn_err set_word(hn_ctx *cx, const field *f, const char *value, const char **out)
{
    size_t len = strlen(value), best = (len + 2) / 3 + 1, near_len = 0;
    const char *near = NULL;
    for (const char *w = f->words; w && *w;) {
        size_t n = strcspn(w, " "), d = hn_edit_distance(value, len, w, n);
        if (d == 0) {
            *out = value;
            return HN_OK;
        }
        if (d < best) {
            best = d;
            near = w;
            near_len = n;
        }
        w += n + strspn(w + n, " ");
    }
    if (f->words)
        return hn_fail(cx, HN_EARG, "--%s: expected one of '%s', found '%s'%s%.*s%s", f->option, f->words,
                       value, near ? "; did you mean '" : "", (int)near_len, near ? near : "",
                       near ? "'?" : "");
    *out = value;
    return HN_OK;
}

static const field *field_named(const char *option)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(fields[i].option, option) == 0)
            return &fields[i];
    return NULL;
}

hn_err hn_needs_set(hn_ctx *cx, hn_needs *n, const char *option, const char *value)
{
    const field *f = field_named(option);
    if (!f)
        return hn_fail(cx, HN_EARG, "no need '%s'", option);
    return f->text ? set_word(cx, f, value, text_of(n, f)) : set_number(cx, f, value, number_of(n, f));
}

/* ---- Scenario files ------------------------------------------------------------------------------- */

static hn_err unknown_key(hn_ctx *cx, const char *path, size_t line, const char *key)
{
    size_t best = (strlen(key) + 2) / 3 + 1;
    const char *near = NULL;
    for (size_t i = 0; i < FIELDS; i++) {
        size_t d = hn_edit_distance(key, strlen(key), fields[i].option, strlen(fields[i].option));
        if (d < best) {
            best = d;
            near = fields[i].option;
        }
    }
    return hn_fail(cx, HN_EFORMAT, "%s:%zu: no key '%s'%s%s%s; `hone plan --help` lists what can be asked",
                   path, line, key, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static hn_err take(hn_ctx *cx, const char *path, size_t line, const char *key, const json_t *v, hn_arena *a,
                   hn_needs *n)
{
    char *text = json_is_string(v) ? hn_arena_text(a, json_string_value(v), json_string_length(v))
               : json_is_number(v) ? hn_arena_printf(a, "%.15g", json_number_value(v)) : NULL;
    if (!json_is_string(v) && !json_is_number(v))
        return hn_fail(cx, HN_EFORMAT, "%s:%zu: %s: expected a number or text", path, line, key);
    if (!text)
        return hn_nomem(cx, "a scenario");
    if (strcmp(key, "file") == 0) {
        n->file = text;
        return HN_OK;
    }
    if (!field_named(key))
        return unknown_key(cx, path, line, key);
    hn_ctx inner = *cx;
    hn_err e = hn_needs_set(&inner, n, key, text);
    return e ? hn_fail(cx, HN_EFORMAT, "%s:%zu: %.440s", path, line,
                       inner.msg + (strncmp(inner.msg, "--", 2) == 0 ? 2 : 0))
             : HN_OK;
}

hn_err hn_needs_parse(hn_ctx *cx, const char *path, const char *text, size_t len, hn_arena *a, hn_needs *n)
{
    json_error_t error;
    const char *key;
    json_t *v, *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    hn_err e = HN_OK;
    if (!json_is_object(root))
        e = hn_fail(cx, HN_EFORMAT, "%s:%d: expected an object of needs: %s", path, root ? 1 : error.line,
                    root ? "found another value" : error.text);
    json_object_foreach(root, key, v) {
        char *option = hn_arena_text(a, key, strlen(key));
        for (char *p = option; p && *p; p++)
            if (*p == '_')
                *p = '-';
        if (!e)
            e = option ? take(cx, path, hn_json_line(text, len, key), option, v, a, n)
                       : hn_nomem(cx, "a scenario");
    }
    json_decref(root);
    return e;
}

hn_err hn_needs_read(hn_ctx *cx, const char *path, hn_arena *a, hn_needs *n)
{
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = hn_needs_parse(cx, path, (const char *)f.data, f.len, a, n);
    hn_file_close(&f);
    return e;
}

/* ---- What cannot be together ------------------------------------------------------------------------ */

static bool is(const char *value, const char *word) { return value && strcmp(value, word) == 0; }

bool hn_needs_lm(const hn_needs *n)
{
    return is(n->task, "chat") || is(n->task, "assistant") || is(n->task, "summarise") ||
           is(n->task, "extract");
}

hn_err hn_needs_check(hn_ctx *cx, const hn_needs *n)
{
    bool away = is(n->where, "api") || is(n->where, "cloud");
    const char *clash = NULL;
    if (away && is(n->privacy, "local"))
        clash = "--privacy local keeps data on the site, --where sends it away";
    else if (n->data_at && !is(n->data_at, "elsewhere") && is(n->privacy, "local"))
        clash = "--privacy local keeps data on the site, --data-at says it is in a cloud";
    else if (away && is(n->connectivity, "none"))
        clash = "--connectivity none has no way to reach what --where asks for";
    else if (away && is(n->regulation, "classified"))
        clash = "--regulation classified means no network, --where needs one";
    else if (n->prompt + n->answer > n->context)
        clash = "--prompt-tokens and --answer-tokens together are more than --context";
    else if (n->memory_gb > n->ram_gb)
        clash = "--memory is more than --ram";
    else if (n->idle_w > n->load_w)
        clash = "--idle draws more than --load";
    else if (n->load_w > n->power_w)
        clash = "--load draws more than --power allows";
    else if (n->task && !hn_needs_lm(n) && !is(n->task, "speech") && hn_given_number(n->rate))
        clash = "--tokens-per-second asks for tokens, --task makes none";
    else if (n->price > n->budget)
        clash = "--price is above --budget";
    else if (hn_given_number(n->usd_rate) && (!n->currency || is(n->currency, "USD")))
        clash = "--usd-rate says what a dollar buys, --currency names nothing that it would buy";
    else if (hn_given_number(n->accuracy) && hn_needs_lm(n))
        clash = "--accuracy is of vision models, --task is for language";
    return clash ? hn_fail(cx, HN_EARG, "contradictory: %s; give up one of them", clash) : HN_OK;
}

hn_err hn_currency_check(hn_ctx *cx, const hn_needs *n)
{
    static const char codes[] = "USD EUR GBP JPY CNY KRW INR CHF CAD AUD NZD SEK NOK DKK PLN CZK HUF TRY BRL "
                                "MXN ZAR SGD HKD TWD THB IDR ILS AED";
    const char *near = codes;
    size_t best = 9;
    if (!n->currency)
        return HN_OK;
    for (const char *w = codes; *w; w += 3 + (w[3] == ' ')) {
        size_t d = hn_edit_distance(n->currency, strlen(n->currency), w, 3);
        if (d < best) {
            best = d;
            near = w;
        }
    }
    if (best > 0)
        return hn_fail(cx, HN_EARG, "no currency '%s'; did you mean %.3s?  Known: %s", n->currency, near,
                       codes);
    if (strcmp(n->currency, "USD") != 0 && !hn_given_number(n->usd_rate))
        return hn_fail(cx, HN_EARG,
                       "--currency %s needs --usd-rate N, what a dollar buys of it today: no rate is built "
                       "in, since rates age",
                       n->currency);
    return HN_OK;
}

json_t *hn_needs_json(const hn_needs *n)
{
    json_t *j = json_object();
    hn_needs copy = *n;
    for (size_t i = 0; i < FIELDS; i++) {
        const field *f = &fields[i];
        if (f->text && *text_of(&copy, f))
            json_object_set_new(j, f->option, json_string(*text_of(&copy, f)));
        else if (!f->text && hn_given_number(*number_of(&copy, f)))
            json_object_set_new(j, f->option, json_real(*number_of(&copy, f)));
    }
    if (n->file)
        json_object_set_new(j, "file", json_string(n->file));
    return j;
}
