/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/heads.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/load.h"
#include "tensor/convert.h"

hn_err hn_heads_load(hn_call *c, const hn_tensor *t, size_t heads, double **out)
{
    HN_TRY(hn_load_f64(c, t, out));
    if (t->shape.rank == 4 || !heads)
        return HN_OK;
    size_t batch = (size_t)t->shape.dim[0], steps = (size_t)t->shape.dim[1], dim = (size_t)t->shape.dim[2] / heads;
    double *moved = HN_SCRATCH(c, double, hn_count(t)), *to = moved;
    if (!moved)
        return hn_nomem(c->cx, "heads");
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t s = 0; s < steps && dim; s++, to += dim)
                memcpy(to, *out + ((b * steps + s) * heads + h) * dim, dim * sizeof *to);
    *out = moved;
    return HN_OK;
}

void hn_heads_store(hn_tensor *t, const double *v, size_t heads)
{
    if (t->shape.rank == 4 || !heads) {
        hn_put_f64(t, 0, hn_count(t), v);
        return;
    }
    size_t batch = (size_t)t->shape.dim[0], steps = (size_t)t->shape.dim[1], dim = (size_t)t->shape.dim[2] / heads;
    for (size_t b = 0; b < batch; b++)
        for (size_t h = 0; h < heads; h++)
            for (size_t s = 0; s < steps; s++, v += dim)
                hn_put_f64(t, ((b * steps + s) * heads + h) * dim, dim, v);
}

static double rounded(hn_dtype t, double v)
{
    if (t == HN_F32)
        return (double)(float)v;
    return t == HN_F16 || t == HN_BF16 ? hn_small_to_f64(t, hn_f64_to_small(t, v, false)) : v;
}

static void keep(double *list, size_t at, size_t n, const double *row)
{
    if (list && n)
        memcpy(list + at * n, row, n * sizeof *row);
}

/* Whether a row may see anything is told by its bias, not by its scores: those may be NaN. */
static void softmax(double *row, size_t n, bool seen)
{
    double max = -INFINITY, sum = 0;
    if (!seen) {
        memset(row, 0, n * sizeof *row);
        return;
    }
    for (size_t j = 0; j < n; j++)
        max = row[j] > max ? row[j] : max;
    if (max == -INFINITY)
        max = 0;
    for (size_t j = 0; j < n; j++)
        sum += row[j] = exp(row[j] - max);
    for (size_t j = 0; j < n; j++)
        row[j] = sum == 0 ? 0 : row[j] / sum;
}

static void one_query(const hn_heads *a, size_t b, size_t h, size_t i, double *row, double *y)
{
    size_t g = h / (a->heads / a->kv_heads), at = (b * a->heads + h) * a->queries + i;
    const double *q = a->q + at * a->dim;
    const double *k = a->k + (b * a->kv_heads + g) * a->keys * a->dim;
    const double *v = a->v + (b * a->kv_heads + g) * a->keys * a->v_dim;
    bool seen = false;

    for (size_t j = 0; j < a->keys; j++) {
        double sum = 0;
        for (size_t d = 0; d < a->dim; d++)
            sum += q[d] * k[j * a->dim + d];
        row[j] = sum * a->scale;
    }
    keep(a->raw, at, a->keys, row);
    for (size_t j = 0; j < a->keys && a->softcap > 0; j++)
        row[j] = a->softcap * tanh(row[j] / a->softcap);
    keep(a->capped, at, a->keys, row);
    for (size_t j = 0; j < a->keys; j++) {
        double bias = a->bias ? a->bias(a->arg, b, h, i, j) : 0;
        seen = seen || bias != -INFINITY;
        row[j] += bias;
    }
    keep(a->biased, at, a->keys, row);
    for (size_t j = 0; j < a->keys; j++)
        row[j] = rounded(a->precision, row[j]);
    softmax(row, a->keys, seen);
    keep(a->probs, at, a->keys, row);
    for (size_t j = 0; j < a->keys; j++)
        for (size_t d = 0; d < a->v_dim && row[j] != 0; d++)
            y[at * a->v_dim + d] += row[j] * v[j * a->v_dim + d];
}

hn_err hn_heads_run(hn_call *c, const hn_heads *a, double *y)
{
    double *row = HN_SCRATCH(c, double, a->keys);
    if (!row)
        return hn_nomem(c->cx, "attention");
    for (size_t b = 0; b < a->batch; b++)
        for (size_t h = 0; h < a->heads; h++)
            for (size_t i = 0; i < a->queries; i++)
                one_query(a, b, h, i, row, y);
    return HN_OK;
}
