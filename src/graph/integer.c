/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/integer.h"

#include "graph/load.h"

static hn_err read_zero(hn_call *c, const char *name, int32_t *out)
{
    int64_t v = hn_attr_int(c->node, name, 0);
    if (v < -65536 || v > 65536)
        return hn_bad(c, "%s is %lld, expected a number of 16 bits", name, (long long)v);
    *out = (int32_t)v;
    return HN_OK;
}

static hn_err read_rounding(hn_call *c, hn_rounding *out)
{
    static const char *const names[] = { "away", "up", "single", "even" };      /* as hn_rounding has them */
    for (int i = 0; i < 4; i++)
        if (hn_attr_is(c->node, "rounding", names[i], "away")) {
            *out = (hn_rounding)i;
            return HN_OK;
        }
    hn_text t = hn_attr_text(c->node, "rounding", "");
    return hn_bad(c, "rounding is '%.*s', expected away, up, single or even", t.len > 40 ? 40 : (int)t.len, t.ptr);
}

hn_err hn_integers_read(hn_call *c, hn_dtype out, hn_integers *q)
{
    unsigned bits = hn_dtype_bits(out);
    int64_t low, high;
    *q = (hn_integers){ .rounding = HN_ROUND_AWAY };
    if (!hn_is_integer(out) || out == HN_BOOL || bits < 8 || bits > 32 || out == HN_U32)
        return hn_unsupported(c, "results of type %s", hn_dtype_name(out));
    low = hn_dtype_class(out) == HN_CLASS_U ? 0 : -((int64_t)1 << (bits - 1));
    high = low + ((int64_t)1 << bits) - 1;
    HN_TRY(read_zero(c, "x_zero", &q->x_zero));
    HN_TRY(read_zero(c, "w_zero", &q->w_zero));
    HN_TRY(read_zero(c, "y_zero", &q->y_zero));
    int64_t from = hn_attr_int(c->node, "low", low), to = hn_attr_int(c->node, "high", high);
    if (from < low || to > high || from > to)
        return hn_bad(c, "the range %lld to %lld does not fit %s", (long long)from, (long long)to, hn_dtype_name(out));
    q->low = (int32_t)from;
    q->high = (int32_t)to;
    return read_rounding(c, &q->rounding);
}

hn_err hn_scale_read(hn_call *c, const char *name, double *out)
{
    *out = hn_attr_float(c->node, name, 1);
    if (!(*out > 0) || isinf(*out))
        return hn_bad(c, "%s is %g, expected a positive number", name, *out);
    return HN_OK;
}

hn_err hn_factors_read(hn_call *c, int i, hn_factor **out, size_t *count)
{
    double *real;
    *count = hn_count(c->in[i]);
    hn_factor *f = HN_SCRATCH(c, hn_factor, *count);
    HN_TRY(hn_load_f64(c, c->in[i], &real));
    if (!f)
        return hn_nomem(c->cx, "factors");
    for (size_t k = 0; k < *count; k++)
        f[k] = hn_factor_of(real[k]);
    *out = f;
    return HN_OK;
}

hn_err hn_load_centred(hn_call *c, int i, int32_t zero, double **out)
{
    size_t count = hn_count(c->in[i]);
    HN_TRY(hn_load_f64(c, c->in[i], out));
    for (size_t k = 0; zero && k < count; k++)
        (*out)[k] -= zero;
    return HN_OK;
}

hn_err hn_integer_pair_read(hn_call *c, bool product, hn_integer_pair *b)
{
    hn_dtype type = c->in[0]->dtype;
    HN_TRY(hn_integers_read(c, type, &b->q));
    HN_TRY(hn_want_same(c, 0, 1));
    if (type != HN_I8 && type != HN_U8 && type != HN_I16)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(type));
    HN_TRY(hn_scale_read(c, "a_scale", &b->a_scale));
    HN_TRY(hn_scale_read(c, "b_scale", &b->b_scale));
    HN_TRY(hn_scale_read(c, "y_scale", &b->y_scale));
    int64_t a = hn_attr_int(c->node, "a_zero", 0), z = hn_attr_int(c->node, "b_zero", 0);
    if (a < -65536 || a > 65536 || z < -65536 || z > 65536)
        return hn_bad(c, "zero points %lld and %lld, expected numbers of 16 bits", (long long)a, (long long)z);
    b->a_zero = (int32_t)a;
    b->b_zero = (int32_t)z;
    if (product) {
        b->y = hn_factor_of((double)((float)b->a_scale * (float)b->b_scale / (float)b->y_scale));
        return HN_OK;
    }
    double twice = 2 * fmax(b->a_scale, b->b_scale);
    b->left = type == HN_I16 ? 15 : 20;
    b->a = hn_factor_of(b->a_scale / twice);
    b->b = hn_factor_of(b->b_scale / twice);
    b->y = hn_factor_of(twice / ((double)(1 << b->left) * b->y_scale));
    return HN_OK;
}
