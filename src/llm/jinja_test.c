/* SPDX-License-Identifier: Apache-2.0 */
/* Tests (`x is odd`) and functions (`range(3)`) that templates may use. */
#include <string.h>

#include "base/num.h"
#include "llm/jinja_impl.h"

typedef const hn_jval in_t;
typedef const hn_jargs args_t;

/* ---- Tests --------------------------------------------------------------------------------- */

enum test_id { T_DEFINED, T_UNDEFINED, T_NONE, T_STRING, T_MAPPING, T_SEQUENCE, T_ITERABLE, T_NUMBER, T_INTEGER, T_FLOAT,
               T_BOOLEAN, T_TRUE, T_FALSE, T_CALLABLE, T_EQ, T_NE, T_LT, T_LE, T_GT, T_GE, T_IN, T_ODD, T_EVEN,
               T_DIVISIBLE, T_LOWER, T_UPPER, T_FILTER, T_TEST };

static const struct { const char *name; enum test_id id; } tests[] = {
    { "defined", T_DEFINED }, { "undefined", T_UNDEFINED }, { "none", T_NONE }, { "string", T_STRING },
    { "mapping", T_MAPPING }, { "sequence", T_SEQUENCE }, { "iterable", T_ITERABLE }, { "number", T_NUMBER },
    { "integer", T_INTEGER }, { "float", T_FLOAT }, { "boolean", T_BOOLEAN }, { "true", T_TRUE }, { "false", T_FALSE },
    { "callable", T_CALLABLE }, { "eq", T_EQ }, { "equalto", T_EQ }, { "==", T_EQ }, { "sameas", T_EQ }, { "ne", T_NE },
    { "!=", T_NE }, { "lt", T_LT }, { "lessthan", T_LT }, { "<", T_LT }, { "le", T_LE }, { "<=", T_LE }, { "gt", T_GT },
    { "greaterthan", T_GT }, { ">", T_GT }, { "ge", T_GE }, { ">=", T_GE }, { "in", T_IN }, { "odd", T_ODD },
    { "even", T_EVEN }, { "divisibleby", T_DIVISIBLE }, { "lower", T_LOWER }, { "upper", T_UPPER },
    { "filter", T_FILTER }, { "test", T_TEST },
};

static const enum test_id *find_test(hn_text name)
{
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (hn_jis(name, tests[i].name))
            return &tests[i].id;
    return NULL;
}

bool hn_jhas_test(hn_text name) { return find_test(name) != NULL; }

/* Tests that ask only what the value is. */
static bool by_kind(enum test_id id, in_t *v)
{
    switch (id) {
    case T_DEFINED:   return v->kind != J_UNDEFINED;
    case T_UNDEFINED: return v->kind == J_UNDEFINED;
    case T_NONE:      return v->kind == J_NONE;
    case T_STRING:    return v->kind == J_TEXT;
    case T_MAPPING:   return v->kind == J_DICT && !v->dict->is_namespace;
    case T_SEQUENCE:
    case T_ITERABLE:  return v->kind == J_LIST || v->kind == J_TEXT || v->kind == J_DICT || v->kind == J_UNDEFINED;
    case T_NUMBER:    return v->kind == J_INT || v->kind == J_FLOAT || v->kind == J_BOOL;
    case T_INTEGER:   return v->kind == J_INT;
    case T_FLOAT:     return v->kind == J_FLOAT;
    case T_BOOLEAN:   return v->kind == J_BOOL;
    case T_TRUE:      return v->kind == J_BOOL && v->b;
    case T_FALSE:     return v->kind == J_BOOL && !v->b;
    default:          return v->kind == J_FUNC;
    }
}

static hn_err test_case(hn_jrun *r, in_t *in, bool upper, bool *yes)
{
    hn_jval as, flipped;
    hn_text s;
    HN_TRY(hn_jas_text(r, in, &s));
    HN_TRY(hn_jtext_case(r, s, upper ? 'u' : 'l', &as));
    HN_TRY(hn_jtext_case(r, s, upper ? 'l' : 'u', &flipped));
    in_t text = hn_jtext(s.ptr, s.len);
    *yes = hn_jequal(&as, &text) && !hn_jequal(&as, &flipped);   /* some letter, and all of this case */
    return HN_OK;
}

hn_err hn_jtest(hn_jrun *r, hn_text name, const hn_jval *in, const hn_jargs *args, bool *yes)
{
    enum test_id id = *find_test(name);
    hn_jval other, rest;
    int order;
    if (id <= T_CALLABLE) {
        *yes = by_kind(id, in);
        return HN_OK;
    }
    if (id == T_LOWER || id == T_UPPER)
        return test_case(r, in, id == T_UPPER, yes);
    if (id == T_FILTER || id == T_TEST) {
        *yes = in->kind == J_TEXT && (id == T_FILTER ? hn_jhas_filter(in->s) : hn_jhas_test(in->s));
        return HN_OK;
    }
    if (id == T_ODD || id == T_EVEN)
        other = hn_jint(2);
    else if (!hn_jarg(args, 0, NULL, &other))
        return hn_jfail(r, HN_EARG, "test '%.*s': expected an argument", (int)hn_min(name.len, 40), name.ptr);
    switch (id) {
    case T_EQ:
    case T_NE:
        *yes = hn_jequal(in, &other) == (id == T_EQ);
        return HN_OK;
    case T_IN:
        return hn_jcontains(r, &other, in, yes);
    case T_ODD:
    case T_EVEN:
    case T_DIVISIBLE:
        HN_TRY(hn_jbinary(r, JX_MOD, in, &other, &rest));
        *yes = hn_jtruth(&rest) == (id == T_ODD);
        return HN_OK;
    default:
        HN_TRY(hn_jorder(r, in, &other, &order));
        *yes = id == T_LT ? order < 0 : id == T_LE ? order <= 0 : id == T_GT ? order > 0 : order >= 0;
        return HN_OK;
    }
}

/* ---- Functions ----------------------------------------------------------------------------- */

static hn_err fn_range(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    int64_t from = 0, to = 0, step = 1;
    (void)f;
    for (size_t i = 0; i < a->count; i++)
        if (a->pos[i].kind != J_INT)
            return hn_jfail(r, HN_EARG, "range: expected whole numbers, found %s", hn_jkind_name(&a->pos[i]));
    if (a->count == 0 || a->count > 3)
        return hn_jfail(r, HN_EARG, "range: expected one to three numbers");
    to = a->pos[a->count > 1].i;
    from = a->count > 1 ? a->pos[0].i : 0;
    step = a->count > 2 ? a->pos[2].i : 1;
    if (step == 0)
        return hn_jfail(r, HN_EARG, "range: a step of zero never ends");
    HN_TRY(hn_jlist_new(r, 0, out));
    while (step > 0 ? from < to : from > to) {
        HN_TRY(hn_jlist_add(r, *out, hn_jint(from)));
        if (__builtin_add_overflow(from, step, &from))
            break;
    }
    return HN_OK;
}

static hn_err fn_dict(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    HN_TRY(hn_jdict_new(r, out));
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; a->pos[i].kind == J_DICT && k < a->pos[i].dict->count; k++)
            HN_TRY(hn_jdict_set(r, out->dict, a->pos[i].dict->pair[k].key, a->pos[i].dict->pair[k].value));
    for (size_t i = 0; i < a->named_count; i++)
        HN_TRY(hn_jdict_set(r, out->dict, hn_jtext(a->named[i].name.ptr, a->named[i].name.len), a->named[i].value));
    out->dict->is_namespace = strcmp(f->name, "namespace") == 0;
    return HN_OK;
}

static hn_err fn_raise(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    hn_text s = { "no reason given", 15 };
    (void)f;
    (void)out;
    if (a->count)
        HN_TRY(hn_jas_text(r, &a->pos[0], &s));
    return hn_jfail(r, HN_EARG, "the template refuses this conversation: %.*s", (int)hn_min(s.len, 300), s.ptr);
}

static hn_err fn_now(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    char format[128], text[512];
    hn_text s = { "", 0 };
    struct tm tm;
    (void)f;
    HN_TRY(hn_jarg_text(r, "strftime_now", a, 0, "format", &s));
    if (s.len >= sizeof format)
        return hn_jfail(r, HN_ELIMIT, "strftime_now: the format is longer than %zu bytes", sizeof format - 1);
    memcpy(format, s.ptr, s.len);
    format[s.len] = 0;
    if (r->opts->now) {
        tm = *r->opts->now;
    } else {
        time_t now = time(NULL);
        localtime_r(&now, &tm);
    }
    size_t n = strftime(text, sizeof text, format, &tm);
    char *copy = hn_arena_text(r->a, text, n);
    if (!copy)
        return hn_jnomem(r);
    *out = hn_jtext(copy, n);
    return HN_OK;
}

static hn_err run_joiner(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    (void)r;
    (void)a;
    *out = f->turn->at++ ? f->turn->items : hn_jtext("", 0);
    return HN_OK;
}

static hn_err run_cycler(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    (void)f;
    (void)a;
    (void)out;
    return hn_jfail(r, HN_EARG, "a cycler is not called: use its next(), current or reset()");
}

static hn_err turning(hn_jrun *r, hn_jval items, hn_err (*run)(hn_jrun *, const hn_jfunc *, args_t *, hn_jval *), hn_jval *out)
{
    hn_jfunc *f = HN_NEW(r->a, hn_jfunc, 1);
    struct hn_jturn *turn = HN_NEW(r->a, struct hn_jturn, 1);
    if (!f || !turn)
        return hn_jnomem(r);
    turn->items = items;
    *f = (hn_jfunc){ .run = run, .turn = turn };
    *out = (hn_jval){ .kind = J_FUNC, .func = f };
    return HN_OK;
}

static hn_err fn_joiner(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    hn_jval sep = hn_jtext(", ", 2);
    (void)f;
    hn_jarg(a, 0, "sep", &sep);
    if (sep.kind != J_TEXT)
        return hn_jfail(r, HN_EARG, "joiner: expected text");
    return turning(r, sep, run_joiner, out);
}

static hn_err fn_cycler(hn_jrun *r, const hn_jfunc *f, args_t *a, hn_jval *out)
{
    hn_jval items;
    (void)f;
    if (a->count == 0)
        return hn_jfail(r, HN_EARG, "cycler: expected at least one item");
    HN_TRY(hn_jlist_new(r, a->count, &items));
    for (size_t i = 0; i < a->count; i++)
        HN_TRY(hn_jlist_add(r, items, a->pos[i]));
    return turning(r, items, run_cycler, out);
}

static const hn_jfunc functions[] = {
    { .name = "range", .run = fn_range }, { .name = "dict", .run = fn_dict }, { .name = "namespace", .run = fn_dict },
    { .name = "raise_exception", .run = fn_raise }, { .name = "strftime_now", .run = fn_now },
    { .name = "joiner", .run = fn_joiner }, { .name = "cycler", .run = fn_cycler },
};

const hn_jfunc *hn_jfunction(hn_text name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (hn_jis(name, functions[i].name))
            return &functions[i];
    return NULL;
}
