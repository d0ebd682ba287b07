/* SPDX-License-Identifier: Apache-2.0 */
/* Operators on values, as Python has them; whole numbers have 64 bits and say so when they leave them. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "llm/jinja_impl.h"

static bool is_int(const hn_jval *v) { return v->kind == J_INT || v->kind == J_BOOL; }
static int64_t as_int(const hn_jval *v) { return v->kind == J_INT ? v->i : v->b; }
static bool is_number(const hn_jval *v) { return is_int(v) || v->kind == J_FLOAT; }
static double as_float(const hn_jval *v) { return v->kind == J_FLOAT ? v->f : (double)as_int(v); }

static hn_err too_large(hn_jrun *r) { return hn_jfail(r, HN_ELIMIT, "a whole number leaves 64 bits"); }

static hn_err power_int(hn_jrun *r, int64_t base, int64_t power, hn_jval *out)
{
    int64_t v = 1;
    for (; power > 0; power--) {
        HN_TRY(hn_jsteps(r, 1));
        if (__builtin_mul_overflow(v, base, &v))
            return too_large(r);
        if (v == 0 || v == 1 || (v == -1 && power % 2 == 1))      /* 0, 1 and -1 stay what they are */
            break;
    }
    *out = hn_jint(v);
    return HN_OK;
}

static hn_err int_op(hn_jrun *r, enum hn_jop op, int64_t a, int64_t b, hn_jval *out)
{
    int64_t v = 0;
    bool over = false;
    if ((op == JX_DIV || op == JX_FLOOR || op == JX_MOD) && b == 0)
        return hn_jfail(r, HN_EARG, "division by zero");
    switch (op) {
    case JX_ADD: over = __builtin_add_overflow(a, b, &v); break;
    case JX_SUB: over = __builtin_sub_overflow(a, b, &v); break;
    case JX_MUL: over = __builtin_mul_overflow(a, b, &v); break;
    case JX_POW:
        if (b >= 0)
            return power_int(r, a, b, out);
        *out = hn_jfloat(pow((double)a, (double)b));
        return HN_OK;
    case JX_DIV:
        *out = hn_jfloat((double)a / (double)b);
        return HN_OK;
    default:                                             /* towards minus infinity, as Python has it */
        if (b == -1) {
            over = op == JX_FLOOR && __builtin_sub_overflow((int64_t)0, a, &v);
        } else {
            bool down = a % b != 0 && (a < 0) != (b < 0);
            v = op == JX_FLOOR ? a / b - down : a % b + (down ? b : 0);
        }
    }
    if (over)
        return too_large(r);
    *out = hn_jint(v);
    return HN_OK;
}

static hn_err float_op(hn_jrun *r, enum hn_jop op, double a, double b, hn_jval *out)
{
    double v;
    if ((op == JX_DIV || op == JX_FLOOR || op == JX_MOD) && b == 0)
        return hn_jfail(r, HN_EARG, "division by zero");
    switch (op) {
    case JX_ADD:   v = a + b; break;
    case JX_SUB:   v = a - b; break;
    case JX_MUL:   v = a * b; break;
    case JX_DIV:   v = a / b; break;
    case JX_FLOOR: v = floor(a / b); break;
    case JX_POW:   v = pow(a, b); break;
    default:
        v = fmod(a, b);
        v += v != 0 && (v < 0) != (b < 0) ? b : 0;
    }
    *out = hn_jfloat(v);
    return HN_OK;
}

static hn_err join_texts(hn_jrun *r, hn_text a, hn_text b, hn_jval *out)
{
    HN_TRY(hn_jsteps(r, (a.len + b.len) / 64));
    char *s = hn_arena_get(r->a, hn_add(hn_add(a.len, b.len), 1), 1);
    if (!s)
        return hn_jnomem(r);
    memcpy(s, a.ptr, a.len);
    memcpy(s + a.len, b.ptr, b.len);
    *out = hn_jtext(s, a.len + b.len);
    return HN_OK;
}

static hn_err concat(hn_jrun *r, const hn_jval *a, const hn_jval *b, hn_jval *out)
{
    hn_buf s = { .cx = r->cx };
    hn_err e = hn_jprint(r, a, &s);
    e = e ? e : hn_jprint(r, b, &s);
    e = e ? e : hn_jcopy(r, &s, out);
    hn_buf_free(&s);
    return e;
}

static hn_err repeat(hn_jrun *r, const hn_jval *of, int64_t times, hn_jval *out)
{
    size_t n = times > 0 ? (size_t)times : 0;
    if (of->kind == J_LIST) {
        HN_TRY(hn_jlist_new(r, 0, out));
        for (size_t i = 0; of->list->count && i < n; i++)
            for (size_t k = 0; k < of->list->count; k++)
                HN_TRY(hn_jlist_add(r, *out, of->list->item[k]));
        out->tuple = of->tuple;
        return HN_OK;
    }
    size_t bytes = hn_mul(of->s.len, n);
    HN_TRY(hn_jsteps(r, bytes / 64));
    char *s = hn_arena_get(r->a, hn_add(bytes, 1), 1);
    if (!s)
        return hn_jnomem(r);
    for (size_t i = 0; of->s.len && i < n; i++)
        memcpy(s + i * of->s.len, of->s.ptr, of->s.len);
    *out = hn_jtext(s, bytes);
    return HN_OK;
}

static hn_err add_lists(hn_jrun *r, const hn_jval *a, const hn_jval *b, hn_jval *out)
{
    HN_TRY(hn_jlist_new(r, a->list->count + b->list->count, out));
    for (size_t i = 0; i < a->list->count; i++)
        HN_TRY(hn_jlist_add(r, *out, a->list->item[i]));
    for (size_t i = 0; i < b->list->count; i++)
        HN_TRY(hn_jlist_add(r, *out, b->list->item[i]));
    out->tuple = a->tuple;
    return HN_OK;
}

hn_err hn_jbinary(hn_jrun *r, enum hn_jop op, const hn_jval *a, const hn_jval *b, hn_jval *out)
{
    static const char *const signs[] = { [JX_ADD] = "+", [JX_SUB] = "-", [JX_MUL] = "*", [JX_DIV] = "/",
                                         [JX_FLOOR] = "//", [JX_MOD] = "%", [JX_POW] = "**" };
    if (op == JX_CONCAT)
        return concat(r, a, b, out);
    if (is_int(a) && is_int(b))
        return int_op(r, op, as_int(a), as_int(b), out);
    if (is_number(a) && is_number(b))
        return float_op(r, op, as_float(a), as_float(b), out);
    if (op == JX_ADD && a->kind == J_TEXT && b->kind == J_TEXT)
        return join_texts(r, a->s, b->s, out);
    if (op == JX_ADD && a->kind == J_LIST && b->kind == J_LIST && a->tuple == b->tuple)
        return add_lists(r, a, b, out);
    if (op == JX_MUL && (a->kind == J_TEXT || a->kind == J_LIST) && is_int(b))
        return repeat(r, a, as_int(b), out);
    if (op == JX_MUL && (b->kind == J_TEXT || b->kind == J_LIST) && is_int(a))
        return repeat(r, b, as_int(a), out);
    const hn_jval *odd = a->kind == J_UNDEFINED ? a : b;
    if (odd->kind == J_UNDEFINED)
        return hn_jfail(r, HN_EARG, "'%.*s' is undefined, so '%s' cannot use it", (int)hn_min(odd->s.len, 60), odd->s.ptr,
                        signs[op]);
    return hn_jfail(r, HN_EARG, "'%s' cannot be done with %s and %s", signs[op], hn_jkind_name(a), hn_jkind_name(b));
}

hn_err hn_jcontains(hn_jrun *r, const hn_jval *box, const hn_jval *v, bool *yes)
{
    *yes = false;
    if (box->kind == J_LIST) {
        for (size_t i = 0; i < box->list->count && !*yes; i++)
            *yes = hn_jequal(&box->list->item[i], v);
        return hn_jsteps(r, box->list->count / 8);
    }
    if (box->kind == J_DICT) {
        *yes = hn_jdict_get(box->dict, v) != NULL;
        return hn_jsteps(r, box->dict->count / 8);
    }
    if (box->kind == J_TEXT && v->kind == J_TEXT) {
        *yes = v->s.len == 0 || memmem(box->s.ptr, box->s.len, v->s.ptr, v->s.len);
        return hn_jsteps(r, box->s.len / 64);
    }
    return box->kind == J_UNDEFINED ? HN_OK
         : hn_jfail(r, HN_EARG, "%s cannot hold %s", hn_jkind_name(box), hn_jkind_name(v));
}

hn_err hn_jcompare(hn_jrun *r, enum hn_jop op, const hn_jval *a, const hn_jval *b, bool *yes)
{
    int order = 0;
    if (op == JX_EQ || op == JX_NE) {
        *yes = hn_jequal(a, b) == (op == JX_EQ);
        return HN_OK;
    }
    if (op == JX_IN || op == JX_NOT_IN) {
        HN_TRY(hn_jcontains(r, b, a, yes));
        *yes = *yes == (op == JX_IN);
        return HN_OK;
    }
    HN_TRY(hn_jorder(r, a, b, &order));
    *yes = op == JX_LT ? order < 0 : op == JX_LE ? order <= 0 : op == JX_GT ? order > 0 : order >= 0;
    return HN_OK;
}
