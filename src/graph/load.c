/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/load.h"

#include <math.h>
#include <string.h>

hn_err hn_load_f64(hn_call *c, const hn_tensor *t, double **out)
{
    size_t count = hn_count(t);
    double *v = HN_SCRATCH(c, double, count);
    if (!v)
        return hn_nomem(c->cx, "an operand");
    hn_get_f64(t, 0, count, v);
    *out = v;
    return HN_OK;
}

hn_err hn_load_i64(hn_call *c, const hn_tensor *t, int64_t **out)
{
    size_t count = hn_count(t);
    int64_t *v = HN_SCRATCH(c, int64_t, count);
    if (!v)
        return hn_nomem(c->cx, "an operand");
    hn_get_i64(t, 0, count, v);
    *out = v;
    return HN_OK;
}

int64_t hn_order_f64(double v)
{
    union { double f; int64_t i; } u = { .f = v + 0.0 };      /* -0 becomes 0 */
    if (isnan(v))
        return INT64_MAX;
    return u.i < 0 ? u.i ^ INT64_MAX : u.i;                  /* more negative: smaller */
}

hn_err hn_load_order(hn_call *c, const hn_tensor *t, int64_t **out)
{
    size_t count = hn_count(t);
    if (!hn_is_float(t->dtype)) {
        HN_TRY(hn_load_i64(c, t, out));
        if (t->dtype == HN_U64)
            for (size_t i = 0; i < count; i++)
                (*out)[i] ^= INT64_MIN;
        return HN_OK;
    }
    double *v;
    HN_TRY(hn_load_f64(c, t, &v));
    int64_t *key = HN_SCRATCH(c, int64_t, count);
    if (!key)
        return hn_nomem(c->cx, "an operand");
    for (size_t i = 0; i < count; i++)
        key[i] = hn_order_f64(v[i]);
    *out = key;
    return HN_OK;
}

hn_err hn_want_float(const hn_call *c, int i)
{
    hn_dtype t = c->in[i]->dtype;
    if (t == HN_F32 || t == HN_F64 || t == HN_F16 || t == HN_BF16)
        return HN_OK;
    return hn_unsupported(c, "no such operation on %s", hn_dtype_name(t));
}

hn_err hn_want_number(const hn_call *c, int i)
{
    hn_dtype t = c->in[i]->dtype;
    int class = hn_dtype_class(t);
    bool integer = (class == HN_CLASS_I || class == HN_CLASS_U) && hn_dtype_bits(t) >= 8;
    if (integer && t != HN_BOOL)
        return HN_OK;
    return hn_want_float(c, i);
}

hn_err hn_want_type(const hn_call *c, int i, hn_dtype type)
{
    if (!hn_has_in(c, i) || c->in[i]->dtype == type)
        return HN_OK;
    return hn_bad(c, "input %d is %s, expected %s", i, hn_dtype_name(c->in[i]->dtype), hn_dtype_name(type));
}

hn_err hn_want_same(const hn_call *c, int i, int j)
{
    if (!hn_has_in(c, i) || !hn_has_in(c, j) || c->in[i]->dtype == c->in[j]->dtype)
        return HN_OK;
    return hn_bad(c, "inputs %d and %d differ in type: %s and %s", i, j,
                  hn_dtype_name(c->in[i]->dtype), hn_dtype_name(c->in[j]->dtype));
}

hn_err hn_want_rank(const hn_call *c, int i, int rank)
{
    if (!hn_has_in(c, i) || c->in[i]->shape.rank < 0 || c->in[i]->shape.rank == rank)
        return HN_OK;
    return hn_bad(c, "input %d has %d dimensions, expected %d", i, c->in[i]->shape.rank, rank);
}

int64_t hn_scalar_i64(const hn_call *c, int i, int64_t missing)
{
    if (hn_has_in(c, i) && hn_count(c->in[i]) > 0)
        hn_get_i64(c->in[i], 0, 1, &missing);
    return missing;
}

double hn_scalar_f64(const hn_call *c, int i, double missing)
{
    if (hn_has_in(c, i) && hn_count(c->in[i]) > 0)
        hn_get_f64(c->in[i], 0, 1, &missing);
    return missing;
}

hn_split hn_split_at(const hn_shape *s, int axis)
{
    return (hn_split){ hn_shape_product(s, 0, axis), (size_t)s->dim[axis],
                       hn_shape_product(s, axis + 1, s->rank) };
}
