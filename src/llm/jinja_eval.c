/* SPDX-License-Identifier: Apache-2.0 */
/* Walking the tree: expressions to values, statements to output. */
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "llm/jinja_impl.h"

hn_err hn_jfail(hn_jrun *r, hn_err code, const char *format, ...)
{
    char what[HN_MSG_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return hn_fail(r->cx, code, "chat template, line %u: %s", (unsigned)r->line, what);
}

hn_err hn_jnomem(hn_jrun *r)
{
    if (!r->a || !hn_arena_over(r->a))
        return hn_nomem(r->cx, "a chat");
    return hn_jfail(r, HN_ELIMIT, "rendering needs more memory than allowed");
}

hn_err hn_jsteps(hn_jrun *r, size_t n)
{
    if (n > r->steps_left)
        return hn_jfail(r, HN_ELIMIT, "rendering takes more steps than allowed");
    r->steps_left -= n;
    return HN_OK;
}

/* ---- Names --------------------------------------------------------------------------------- */

static hn_jval *find(const hn_jrun *r, hn_text name)
{
    for (const hn_jscope *s = r->scope; s; s = s->up)
        for (size_t i = s->vars.count; i-- > 0;) {
            const hn_text key = s->vars.pair[i].key.s;
            if (key.len == name.len && memcmp(key.ptr, name.ptr, name.len) == 0)
                return &s->vars.pair[i].value;
        }
    return NULL;
}

static hn_err set_name(hn_jrun *r, hn_text name, hn_jval v)
{
    return hn_jdict_set(r, &r->scope->vars, hn_jtext(name.ptr, name.len), v);
}

static hn_err push(hn_jrun *r, hn_jscope *up)
{
    hn_jscope *s = HN_NEW(r->a, hn_jscope, 1);
    if (!s)
        return hn_jnomem(r);
    s->up = up;
    r->scope = s;
    return HN_OK;
}

/* ---- Attributes and items ------------------------------------------------------------------ */

static hn_jval loop_attr(const hn_jloop *l, hn_text name)
{
    size_t n = l->items->count, i = l->index;
    if (hn_jis(name, "index"))     return hn_jint((int64_t)i + 1);
    if (hn_jis(name, "index0"))    return hn_jint((int64_t)i);
    if (hn_jis(name, "revindex"))  return hn_jint((int64_t)(n - i));
    if (hn_jis(name, "revindex0")) return hn_jint((int64_t)(n - i) - 1);
    if (hn_jis(name, "first"))     return hn_jbool(i == 0);
    if (hn_jis(name, "last"))      return hn_jbool(i + 1 == n);
    if (hn_jis(name, "length"))    return hn_jint((int64_t)n);
    if (hn_jis(name, "depth"))     return hn_jint(1);   /* of recursion, which is not supported */
    if (hn_jis(name, "depth0"))    return hn_jint(0);
    if (hn_jis(name, "previtem") && i > 0)     return l->items->item[i - 1];
    if (hn_jis(name, "nextitem") && i + 1 < n) return l->items->item[i + 1];
    return hn_jundefined(name);
}

hn_err hn_jattr(hn_jrun *r, const hn_jval *of, const hn_jval *key, hn_jval *out)
{
    static const hn_text item = { "an item", 7 };
    const hn_jval copy = *of, *v = &copy;                /* `out` may be `of` */
    hn_jval missing = hn_jundefined(key->kind == J_TEXT ? key->s : item);
    *out = missing;
    if (v->kind == J_UNDEFINED)
        return hn_jfail(r, HN_EARG, "'%.*s' is undefined, so it has no '%.*s'", (int)hn_min(v->s.len, 60), v->s.ptr,
                        (int)hn_min(missing.s.len, 60), missing.s.ptr);
    HN_TRY(hn_jsteps(r, 1));
    if (v->kind == J_DICT) {
        const hn_jval *found = hn_jdict_get(v->dict, key);
        HN_TRY(hn_jsteps(r, v->dict->count / 8));
        if (found)
            *out = *found;
    } else if (v->kind == J_LOOP && key->kind == J_TEXT) {
        *out = loop_attr(v->loop, key->s);
    } else if ((v->kind == J_LIST || v->kind == J_TEXT) && key->kind == J_INT) {
        size_t n;
        HN_TRY(hn_jlength(r, v, &n));
        int64_t i = key->i < 0 ? key->i + (int64_t)n : key->i;
        if (i < 0 || (uint64_t)i >= n)
            return HN_OK;
        if (v->kind == J_LIST) {
            *out = v->list->item[i];
        } else {
            size_t at = hn_jchar_at(v->s, (size_t)i);
            hn_text rest = { v->s.ptr + at, v->s.len - at };
            *out = hn_jtext(rest.ptr, hn_jchar_at(rest, 1));
        }
    } else if (v->kind == J_FUNC && v->func->turn && v->func->turn->items.kind == J_LIST && key->kind == J_TEXT
               && hn_jis(key->s, "current")) {
        const hn_jlist *l = v->func->turn->items.list;
        *out = l->item[v->func->turn->at % l->count];
    }
    return HN_OK;
}

/* Python's rules: a bound may be negative or absent and is clamped; the step may be negative. */
static hn_err bound(hn_jrun *r, const hn_jnode *n, int64_t otherwise, int64_t low, int64_t high, int64_t count, int64_t *out)
{
    hn_jval v = { .kind = J_NONE };
    if (n)
        HN_TRY(hn_jeval(r, n, &v));
    if (v.kind == J_NONE) {
        *out = otherwise;
        return HN_OK;
    }
    if (v.kind != J_INT)
        return hn_jfail(r, HN_EARG, "a slice needs whole numbers, found %s", hn_jkind_name(&v));
    int64_t i = v.i < 0 ? v.i + count : v.i;
    *out = i < low ? low : i > high ? high : i;
    return HN_OK;
}

static hn_err slice(hn_jrun *r, const hn_jnode *n, const hn_jval *of, hn_jval *out)
{
    hn_jval step = hn_jint(1), from;
    int64_t begin, end;
    if (n->d)
        HN_TRY(hn_jeval(r, n->d, &step));
    if (step.kind == J_NONE)
        step = hn_jint(1);
    if (step.kind != J_INT || step.i == 0 || step.i == INT64_MIN || (of->kind != J_LIST && of->kind != J_TEXT))
        return hn_jfail(r, HN_EARG, "%s cannot be sliced so", hn_jkind_name(of));
    HN_TRY(hn_jitems(r, of, &from));
    int64_t count = (int64_t)from.list->count, back = step.i < 0;
    HN_TRY(bound(r, n->b, back ? count - 1 : 0, back ? -1 : 0, back ? count - 1 : count, count, &begin));
    HN_TRY(bound(r, n->c, back ? -1 : count, back ? -1 : 0, back ? count - 1 : count, count, &end));
    if (of->kind == J_TEXT && step.i == 1) {             /* the common case needs no copy */
        size_t a = hn_jchar_at(of->s, (size_t)begin), b = hn_jchar_at(of->s, (size_t)(end > begin ? end : begin));
        *out = hn_jtext(of->s.ptr + a, b - a);
        return HN_OK;
    }
    hn_jval list;
    hn_buf text = { .cx = r->cx };
    HN_TRY(hn_jlist_new(r, 0, &list));
    for (int64_t i = begin; back ? i > end : i < end;) {
        HN_TRY(hn_jlist_add(r, list, from.list->item[i]));
        if (__builtin_add_overflow(i, step.i, &i))
            break;
    }
    list.tuple = of->tuple;
    *out = list;
    if (of->kind != J_TEXT)
        return HN_OK;
    for (size_t i = 0; i < list.list->count; i++)
        hn_buf_add(&text, list.list->item[i].s.ptr, list.list->item[i].s.len);
    hn_err e = hn_jcopy(r, &text, out);
    hn_buf_free(&text);
    return e;
}

/* ---- Calls and comparisons ----------------------------------------------------------------- */

static hn_err comparison(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    hn_jval left, right;
    bool yes = true;
    HN_TRY(hn_jeval(r, n->a, &left));
    for (const hn_jnode *link = n->b; link && yes; link = link->next) {
        HN_TRY(hn_jeval(r, link->a, &right));
        HN_TRY(hn_jcompare(r, link->op, &left, &right, &yes));
        left = right;
    }
    *out = hn_jbool(yes);
    return HN_OK;
}

static hn_err arguments(hn_jrun *r, const hn_jnode *first, hn_jargs *out)
{
    size_t pos = 0, named = 0;
    for (const hn_jnode *n = first; n; n = n->next)
        *(n->name.ptr ? &named : &pos) += 1;
    *out = (hn_jargs){ .pos = HN_NEW(r->a, hn_jval, pos + 1), .named = HN_NEW(r->a, struct hn_jnamed, named + 1) };
    if (!out->pos || !out->named)
        return hn_jnomem(r);
    for (const hn_jnode *n = first; n; n = n->next) {
        hn_jval v;
        HN_TRY(hn_jeval(r, n->a, &v));
        if (n->name.ptr)
            out->named[out->named_count++] = (struct hn_jnamed){ n->name, v };
        else
            out->pos[out->count++] = v;
    }
    return HN_OK;
}

static hn_err run_body(hn_jrun *r, const hn_jnode *first);

/* Renders into a text of its own instead of the output. */
static hn_err capture(hn_jrun *r, const hn_jnode *body, hn_jval *out)
{
    hn_buf own = { .cx = r->cx }, *outer = r->out;
    r->out = &own;
    hn_err e = run_body(r, body);
    r->out = outer;
    e = e ? e : hn_jcopy(r, &own, out);
    hn_buf_free(&own);
    return e;
}

static bool is_parameter(const hn_jnode *macro, hn_text name)
{
    for (const hn_jnode *p = macro->a; p; p = p->next)
        if (p->name.len == name.len && memcmp(p->name.ptr, name.ptr, name.len) == 0)
            return true;
    return hn_jis(name, "caller");
}

static hn_err bind(hn_jrun *r, const hn_jnode *macro, const hn_jargs *args)
{
    size_t i = 0;
    for (const hn_jnode *p = macro->a; p; p = p->next, i++) {
        hn_jval v = hn_jundefined(p->name);
        bool given = i < args->count;
        if (given)
            v = args->pos[i];
        for (size_t k = 0; k < args->named_count && !given; k++) {
            const hn_text name = args->named[k].name;
            given = name.len == p->name.len && memcmp(name.ptr, p->name.ptr, name.len) == 0;
            if (given)
                v = args->named[k].value;
        }
        if (!given && p->b)
            HN_TRY(hn_jeval(r, p->b, &v));
        HN_TRY(set_name(r, p->name, v));
    }
    for (size_t k = 0; k < args->named_count; k++) {
        const hn_text name = args->named[k].name;
        if (!is_parameter(macro, name))
            return hn_jfail(r, HN_EARG, "macro '%.*s' has no parameter '%.*s'", (int)hn_min(macro->name.len, 60),
                            macro->name.ptr, (int)hn_min(name.len, 60), name.ptr);
        if (hn_jis(name, "caller"))
            HN_TRY(set_name(r, name, args->named[k].value));
    }
    if (args->count > i)
        return hn_jfail(r, HN_EARG, "macro '%.*s' takes %zu arguments, was given %zu", (int)hn_min(macro->name.len, 60),
                        macro->name.ptr, i, args->count);
    return HN_OK;
}

static hn_err run_macro(hn_jrun *r, const hn_jfunc *f, const hn_jargs *args, hn_jval *out)
{
    hn_jscope *outer = r->scope;
    HN_TRY(push(r, f->scope));
    hn_err e = bind(r, f->macro, args);
    e = e ? e : capture(r, f->macro->c, out);
    r->scope = outer;
    return e;
}

static hn_err make_macro(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    hn_jfunc *f = HN_NEW(r->a, hn_jfunc, 1);
    if (!f)
        return hn_jnomem(r);
    *f = (hn_jfunc){ .run = run_macro, .macro = n, .scope = r->scope };
    *out = (hn_jval){ .kind = J_FUNC, .func = f };
    return HN_OK;
}

hn_err hn_jcall(hn_jrun *r, const hn_jval *f, const hn_jargs *args, hn_jval *out)
{
    if (f->kind == J_UNDEFINED)
        return hn_jfail(r, HN_EARG, "'%.*s' is undefined, so it cannot be called", (int)hn_min(f->s.len, 60), f->s.ptr);
    if (f->kind != J_FUNC)
        return hn_jfail(r, HN_EARG, "%s cannot be called", hn_jkind_name(f));
    return f->func->run(r, f->func, args, out);
}

/* caller: what a {% call %} block adds, or NULL. */
static hn_err call(hn_jrun *r, const hn_jnode *n, const hn_jval *caller, hn_jval *out)
{
    hn_jval of, f;
    hn_jargs args;
    if (n->a->op == JX_ATTR) {
        HN_TRY(hn_jeval(r, n->a->a, &of));
        HN_TRY(arguments(r, n->b, &args));
        bool found;
        HN_TRY(hn_jmethod(r, &of, n->a->name, &args, &found, out));
        if (found)
            return HN_OK;
        hn_jval key = hn_jtext(n->a->name.ptr, n->a->name.len);
        HN_TRY(hn_jattr(r, &of, &key, &f));
    } else {
        HN_TRY(hn_jeval(r, n->a, &f));
        HN_TRY(arguments(r, n->b, &args));
    }
    if (caller)
        args.named[args.named_count++] = (struct hn_jnamed){ { "caller", 6 }, *caller };   /* arguments() left room */
    return hn_jcall(r, &f, &args, out);
}

/* ---- Expressions --------------------------------------------------------------------------- */

static hn_err filter(hn_jrun *r, const hn_jnode *n, const hn_jval *in, hn_jval *out)
{
    hn_jargs args;
    HN_TRY(arguments(r, n->b, &args));
    r->line = n->line;
    return hn_jfilter(r, n->name, in, &args, out);
}

static hn_err literal(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    hn_jval v, box;
    if (n->op == JX_LIST) {
        HN_TRY(hn_jlist_new(r, 0, &box));
        box.tuple = n->flag;
        for (const hn_jnode *i = n->a; i; i = i->next) {
            HN_TRY(hn_jeval(r, i, &v));
            HN_TRY(hn_jlist_add(r, box, v));
        }
    } else {
        HN_TRY(hn_jdict_new(r, &box));
        for (const hn_jnode *i = n->a; i; i = i->next->next) {
            hn_jval key;
            HN_TRY(hn_jeval(r, i, &key));
            HN_TRY(hn_jeval(r, i->next, &v));
            HN_TRY(hn_jdict_set(r, box.dict, key, v));
        }
    }
    *out = box;
    return HN_OK;
}

static hn_err sign(hn_jrun *r, bool neg, hn_jval v, hn_jval *out)
{
    hn_jval zero = hn_jint(0);
    if (v.kind != J_INT && v.kind != J_FLOAT && v.kind != J_BOOL)
        return hn_jfail(r, HN_EARG, "a sign before %s", hn_jkind_name(&v));
    if (v.kind != J_FLOAT)
        return hn_jbinary(r, neg ? JX_SUB : JX_ADD, &zero, &v, out);
    *out = hn_jfloat(neg ? -v.f : v.f);
    return HN_OK;
}

static hn_err name(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    const hn_jval *v = find(r, n->name);
    const hn_jfunc *f = v ? NULL : hn_jfunction(n->name);
    *out = v ? *v : f ? (hn_jval){ .kind = J_FUNC, .func = f } : hn_jundefined(n->name);
    return HN_OK;
}

static hn_err apply(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    hn_jval a = { .kind = J_NONE }, b;
    bool yes;
    if (n->op != JX_CALL && n->op != JX_COMPARE && n->op != JX_LIST && n->op != JX_DICT)
        HN_TRY(hn_jeval(r, n->a, &a));
    r->line = n->line;
    switch (n->op) {
    case JX_LIST:
    case JX_DICT:    return literal(r, n, out);
    case JX_COMPARE: return comparison(r, n, out);
    case JX_CALL:    return call(r, n, NULL, out);
    case JX_SLICE:   return slice(r, n, &a, out);
    case JX_FILTER:  return filter(r, n, &a, out);
    case JX_NEG:
    case JX_POS:     return sign(r, n->op == JX_NEG, a, out);
    case JX_ATTR:
        b = hn_jtext(n->name.ptr, n->name.len);
        return hn_jattr(r, &a, &b, out);
    case JX_ITEM:
        HN_TRY(hn_jeval(r, n->b, &b));
        return hn_jattr(r, &a, &b, out);
    case JX_TEST: {
        hn_jargs args;
        HN_TRY(arguments(r, n->b, &args));
        HN_TRY(hn_jtest(r, n->name, &a, &args, &yes));
        *out = hn_jbool(yes != n->flag);
        return HN_OK;
    }
    case JX_NOT:
        *out = hn_jbool(!hn_jtruth(&a));
        return HN_OK;
    case JX_AND:
    case JX_OR:
        *out = a;
        return hn_jtruth(&a) == (n->op == JX_AND) ? hn_jeval(r, n->b, out) : HN_OK;
    case JX_IF:
        if (hn_jtruth(&a))
            return hn_jeval(r, n->b, out);
        if (n->c)
            return hn_jeval(r, n->c, out);
        *out = hn_jundefined((hn_text){ "the value without an else", 25 });
        return HN_OK;
    default:
        HN_TRY(hn_jeval(r, n->b, &b));
        return hn_jbinary(r, n->op, &a, &b, out);
    }
}

hn_err hn_jeval(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    if (n->op == JX_VALUE) {
        *out = n->value;
        return HN_OK;
    }
    if (n->op == JX_NAME)
        return name(r, n, out);
    r->line = n->line;
    HN_TRY(hn_jsteps(r, 1));
    if (++r->depth > HN_JDEPTH_MAX)
        return hn_jfail(r, HN_ELIMIT, "nested deeper than %d", HN_JDEPTH_MAX);
    HN_TRY(apply(r, n, out));
    r->depth--;
    return HN_OK;
}

/* ---- Statements ---------------------------------------------------------------------------- */

static hn_err assign_one(hn_jrun *r, const hn_jnode *target, hn_jval v)
{
    hn_jval box;
    if (target->op == JX_NAME)
        return set_name(r, target->name, v);
    HN_TRY(hn_jeval(r, target->a, &box));
    if (box.kind != J_DICT || !box.dict->is_namespace)
        return hn_jfail(r, HN_EARG, "only a namespace's attributes can be set, '%.*s' is %s",
                        (int)hn_min(target->a->name.len, 60), target->a->name.ptr, hn_jkind_name(&box));
    return hn_jdict_set(r, box.dict, hn_jtext(target->name.ptr, target->name.len), v);
}

static hn_err assign(hn_jrun *r, const hn_jnode *targets, hn_jval v)
{
    hn_jval items;
    if (!targets->next)
        return assign_one(r, targets, v);
    size_t i = 0, n = 0;
    for (const hn_jnode *t = targets; t; t = t->next)
        n++;
    HN_TRY(hn_jitems(r, &v, &items));
    if (items.list->count != n)
        return hn_jfail(r, HN_EARG, "%zu values for %zu names", items.list->count, n);
    for (const hn_jnode *t = targets; t; t = t->next)
        HN_TRY(assign_one(r, t, items.list->item[i++]));
    return HN_OK;
}

/* The items that pass the loop's own "if"; loop.length and loop.last count only those. */
static hn_err sift(hn_jrun *r, const hn_jnode *n, hn_jval *items)
{
    hn_jscope *outer = r->scope;
    hn_jval kept, v;
    if (!n->a->b)
        return HN_OK;
    HN_TRY(hn_jlist_new(r, 0, &kept));
    for (size_t i = 0; i < items->list->count; i++) {
        HN_TRY(push(r, outer));
        HN_TRY(assign(r, n->a, items->list->item[i]));
        HN_TRY(hn_jeval(r, n->a->b, &v));
        if (hn_jtruth(&v))
            HN_TRY(hn_jlist_add(r, kept, items->list->item[i]));
    }
    r->scope = outer;
    *items = kept;
    return HN_OK;
}

static hn_err run_for(hn_jrun *r, const hn_jnode *n)
{
    hn_jscope *outer = r->scope;
    hn_jval items;
    HN_TRY(hn_jeval(r, n->b, &items));
    r->line = n->line;
    HN_TRY(hn_jitems(r, &items, &items));
    HN_TRY(sift(r, n, &items));
    hn_jloop *loop = HN_NEW(r->a, hn_jloop, 1);
    if (!loop)
        return hn_jnomem(r);
    *loop = (hn_jloop){ .items = items.list };
    size_t count = items.list->count;
    for (size_t i = 0; i < count && r->jump != J_BREAK; i++) {
        loop->index = i;
        HN_TRY(push(r, outer));
        HN_TRY(set_name(r, (hn_text){ "loop", 4 }, (hn_jval){ .kind = J_LOOP, .loop = loop }));
        HN_TRY(assign(r, n->a, items.list->item[i]));
        HN_TRY(run_body(r, n->c));
        if (r->jump == J_CONTINUE)
            r->jump = J_GO;
    }
    r->jump = J_GO;
    r->scope = outer;
    return count == 0 ? run_body(r, n->d) : HN_OK;
}

static hn_err run_if(hn_jrun *r, const hn_jnode *n)
{
    for (; n; n = n->c) {
        hn_jval v;
        if (n->op == JS_GROUP)
            return run_body(r, n->a);
        HN_TRY(hn_jeval(r, n->a, &v));
        if (hn_jtruth(&v))
            return run_body(r, n->b);
    }
    return HN_OK;
}

static hn_err apply_filters(hn_jrun *r, const hn_jnode *n, hn_jval *v)
{
    if (!n)
        return HN_OK;
    HN_TRY(apply_filters(r, n->a, v));                   /* as deep as the chain is long; the parser bounds it */
    return filter(r, n, v, v);
}

/* A body with names of its own, caught and filtered. */
static hn_err run_block(hn_jrun *r, const hn_jnode *n, hn_jval *out)
{
    hn_jscope *outer = r->scope;
    HN_TRY(push(r, outer));
    HN_TRY(capture(r, n->c, out));
    r->scope = outer;
    return apply_filters(r, n->d, out);
}

static hn_err run_with(hn_jrun *r, const hn_jnode *n)
{
    hn_jscope *outer = r->scope, *inner;
    HN_TRY(push(r, outer));
    inner = r->scope;
    for (const hn_jnode *t = n->a; t; t = t->next) {
        hn_jval v;
        r->scope = outer;                                /* values do not see each other's names */
        HN_TRY(hn_jeval(r, t->b, &v));
        r->scope = inner;
        HN_TRY(set_name(r, t->name, v));
    }
    HN_TRY(run_body(r, n->c));
    r->scope = outer;
    return HN_OK;
}

static hn_err emit(hn_jrun *r, const hn_jval *v)
{
    HN_TRY(hn_jprint(r, v, r->out));
    return r->out->len > r->output_max ? hn_jfail(r, HN_ELIMIT, "more than %zu bytes of output", r->output_max) : HN_OK;
}

static hn_err run(hn_jrun *r, const hn_jnode *n)
{
    hn_jval v;
    r->line = n->line;
    switch (n->op) {
    case JS_TEXT:     return emit(r, &n->value);
    case JS_IF:       return run_if(r, n);
    case JS_FOR:      return run_for(r, n);
    case JS_WITH:     return run_with(r, n);
    case JS_GROUP:    return run_body(r, n->a);
    case JS_BREAK:    r->jump = J_BREAK; return HN_OK;
    case JS_CONTINUE: r->jump = J_CONTINUE; return HN_OK;
    case JS_PRINT:
        HN_TRY(hn_jeval(r, n->a, &v));
        return emit(r, &v);
    case JS_SET:
        HN_TRY(hn_jeval(r, n->b, &v));
        return assign(r, n->a, v);
    case JS_SET_BLOCK:
        HN_TRY(run_block(r, n, &v));
        return assign(r, n->a, v);
    case JS_FILTER:
        HN_TRY(run_block(r, n, &v));
        return emit(r, &v);
    case JS_MACRO:
        HN_TRY(make_macro(r, n, &v));
        return set_name(r, n->name, v);
    default: {                                           /* JS_CALL */
        hn_jval caller;
        HN_TRY(make_macro(r, n, &caller));
        HN_TRY(call(r, n->b, &caller, &v));
        return emit(r, &v);
    }
    }
}

static hn_err run_body(hn_jrun *r, const hn_jnode *first)
{
    if (++r->depth > HN_JDEPTH_MAX)
        return hn_jfail(r, HN_ELIMIT, "nested deeper than %d", HN_JDEPTH_MAX);
    for (const hn_jnode *n = first; n && r->jump == J_GO; n = n->next) {
        HN_TRY(hn_jsteps(r, 1));
        HN_TRY(run(r, n));
    }
    r->depth--;
    return HN_OK;
}

/* ---- The whole ----------------------------------------------------------------------------- */

hn_err hn_jinja_new(hn_ctx *cx, hn_text source, hn_jinja **out)
{
    hn_jtoken *list = NULL;
    size_t count;
    hn_jinja *j = hn_calloc(cx, 1, sizeof *j);
    if (!j)
        return hn_nomem(cx, "a chat template");
    j->cx.env = cx ? cx->env : NULL;
    hn_err e = hn_arena_new(cx, 0, &j->memory);
    e = e ? e : hn_jinja_lex(cx, j->memory, source, &list, &count);
    e = e ? e : hn_jinja_parse(cx, j->memory, list, &j->body);
    if (e)
        hn_jinja_free(j);
    else
        *out = j;
    return e;
}

void hn_jinja_free(hn_jinja *j)
{
    if (!j)
        return;
    hn_ctx cx = j->cx;
    hn_arena_free(j->memory);
    hn_free(&cx, j);
}

static hn_err render(hn_jrun *r, const hn_jinja *j, const json_t *vars)
{
    hn_jval all;
    HN_TRY(push(r, NULL));
    if (vars && !json_is_object(vars))
        return hn_fail(r->cx, HN_EARG, "chat template: the variables are not an object");
    if (vars) {
        HN_TRY(hn_jfrom_json(r, vars, &all));
        r->scope->vars = *all.dict;
    }
    HN_TRY(push(r, r->scope));
    return run_body(r, j->body);
}

hn_err hn_jinja_render(hn_ctx *cx, const hn_jinja *j, const json_t *vars, const hn_jinja_opts *opts, hn_buf *out)
{
    static const hn_jinja_opts plain = { 0 };
    opts = opts ? opts : &plain;
    hn_buf text = { .cx = cx };
    hn_jrun r = { .cx = cx, .opts = opts, .out = &text, .line = 1,
                  .steps_left = opts->steps_max ? opts->steps_max : 10000000,
                  .output_max = opts->output_max ? opts->output_max : (size_t)16 << 20 };
    HN_TRY(hn_arena_new(cx, opts->memory_max ? opts->memory_max : (size_t)64 << 20, &r.a));
    hn_err e = render(&r, j, vars);
    if (!e) {
        hn_buf_add(out, text.data, text.len);
        e = hn_buf_ok(out, "a rendered template");
    }
    hn_buf_free(&text);
    hn_arena_free(r.a);
    return e;
}
