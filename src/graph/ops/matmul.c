/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c: products of matrices, batched with broadcasting. */
#include <string.h>

#include "graph/op.h"

/* numpy.matmul: a 1-d operand is a row on the left, a column on the right, and its added
 * dimension leaves the result again. */
typedef struct dims {
    hn_shape a, b;         /* with at least two dimensions */
    hn_shape batch;        /* broadcast leading dimensions */
    int64_t m, n, k;
} dims;

static hn_err find_dims(hn_call *c, dims *d, hn_shape *out)
{
    d->a = c->in[0]->shape;
    d->b = c->in[1]->shape;
    bool row = d->a.rank == 1, column = d->b.rank == 1;
    if (d->a.rank == 0 || d->b.rank == 0)
        return hn_bad(c, "a scalar cannot be multiplied as a matrix");
    if (row)
        d->a = (hn_shape){ .rank = 2, .dim = { 1, d->a.dim[0] } };
    if (column)
        d->b = (hn_shape){ .rank = 2, .dim = { d->b.dim[0], 1 } };

    d->m = d->a.dim[d->a.rank - 2];
    d->k = d->a.dim[d->a.rank - 1];
    d->n = d->b.dim[d->b.rank - 1];
    int64_t kb = d->b.dim[d->b.rank - 2];
    if (d->k != kb && !hn_is_symbol(d->k) && !hn_is_symbol(kb)) {
        char at[HN_SHAPE_TEXT], bt[HN_SHAPE_TEXT];
        return hn_bad(c, "inner dimensions differ: %s times %s", hn_shape_text(&c->in[0]->shape, at),
                      hn_shape_text(&c->in[1]->shape, bt));
    }
    hn_shape la = d->a, lb = d->b;
    la.rank -= 2;
    lb.rank -= 2;
    HN_TRY(hn_broadcast(c, &la, &lb, &d->batch));
    *out = d->batch;
    if (!row)
        out->dim[out->rank++] = d->m;
    if (!column)
        out->dim[out->rank++] = d->n;
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    dims d;
    hn_shape out = { .rank = -1 };
    if (c->in[0]->dtype != c->in[1]->dtype)
        return hn_bad(c, "operands differ in type: %s and %s", hn_dtype_name(c->in[0]->dtype),
                      hn_dtype_name(c->in[1]->dtype));
    if (c->in[0]->shape.rank >= 0 && c->in[1]->shape.rank >= 0)
        HN_TRY(find_dims(c, &d, &out));
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    dims d;
    hn_shape out;
    HN_TRY(find_dims(c, &d, &out));
    size_t m = (size_t)d.m, n = (size_t)d.n, k = (size_t)d.k;
    size_t sa[HN_RANK_MAX], sb[HN_RANK_MAX], batches = hn_shape_count(&d.batch);
    hn_shape la = d.a, lb = d.b;
    bool floats = hn_is_float(c->in[0]->dtype);

    la.rank -= 2;
    lb.rank -= 2;
    hn_broadcast_strides(&la, d.batch.rank, sa);
    hn_broadcast_strides(&lb, d.batch.rank, sb);

    /* One row of A and all of B in the widest type: sums are exact to the last rounding. */
    double *fa = HN_SCRATCH(c, double, k), *fb = HN_SCRATCH(c, double, k * n), *fs = HN_SCRATCH(c, double, n);
    if (!fa || !fb || !fs)
        return hn_nomem(c->cx, "a matrix product");
    int64_t *ia = (int64_t *)fa, *ib = (int64_t *)fb, *is = (int64_t *)fs;

    for (size_t batch = 0; batch < batches; batch++) {
        size_t oa = 0, ob = 0, rest = batch;
        for (int i = d.batch.rank - 1; i >= 0; i--) {
            size_t at = rest % (size_t)d.batch.dim[i];
            rest /= (size_t)d.batch.dim[i];
            oa += at * sa[i];
            ob += at * sb[i];
        }
        if (floats)
            hn_get_f64(c->in[1], ob * k * n, k * n, fb);
        else
            hn_get_i64(c->in[1], ob * k * n, k * n, ib);
        for (size_t i = 0; i < m; i++) {
            size_t row = oa * m * k + i * k, at = (batch * m + i) * n;
            if (floats) {
                hn_get_f64(c->in[0], row, k, fa);
                memset(fs, 0, n * sizeof *fs);
                for (size_t p = 0; p < k; p++)
                    for (size_t j = 0; j < n; j++)
                        fs[j] += fa[p] * fb[p * n + j];
                hn_put_f64(c->out[0], at, n, fs);
            } else {
                hn_get_i64(c->in[0], row, k, ia);
                memset(is, 0, n * sizeof *is);
                for (size_t p = 0; p < k; p++)
                    for (size_t j = 0; j < n; j++)
                        is[j] = (int64_t)((uint64_t)is[j] + (uint64_t)ia[p] * (uint64_t)ib[p * n + j]);
                hn_put_i64(c->out[0], at, n, is);
            }
        }
    }
    return HN_OK;
}

static double macs(const hn_call *c)
{
    const hn_shape *a = &c->in[0]->shape;
    return (double)hn_count(c->out[0]) * (double)a->dim[a->rank - 1];
}

const hn_op hn_op_matmul = {
    .name = "MatMul", .since = 13, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer, .run = run, .macs = macs,
};
