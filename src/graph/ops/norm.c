/* SPDX-License-Identifier: Apache-2.0 */
/* norm.c: values made comparable: shifted by a mean, divided by a spread. */
#include <math.h>

#include "graph/load.h"

typedef struct stats { double mean, var; } stats;

/* Two passes: the plain formula E[x^2] - E[x]^2 loses everything when the mean is large. */
static stats measure(const double *v, size_t n)
{
    stats s = { 0, 0 };
    for (size_t i = 0; i < n; i++)
        s.mean += v[i];
    s.mean = n ? s.mean / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        s.var += (v[i] - s.mean) * (v[i] - s.mean);
    s.var = n ? s.var / (double)n : 0;
    return s;
}

/* Inputs from..to are 1-d with one entry per channel. */
static hn_err want_channels(const hn_call *c, int from, int to)
{
    const hn_shape *x = &c->in[0]->shape;
    if (x->rank >= 0 && x->rank < 2)
        return hn_bad(c, "input has %d dimensions, expected 2 or more: batch, channels, space", x->rank);
    for (int i = from; i <= to; i++) {
        HN_TRY(hn_want_rank(c, i, 1));
        if (x->rank > 1 && c->in[i]->shape.rank == 1 && hn_dims_differ(c->in[i]->shape.dim[0], x->dim[1]))
            return hn_bad(c, "input %d has %lld entries for %lld channels", i,
                          (long long)c->in[i]->shape.dim[0], (long long)x->dim[1]);
    }
    return HN_OK;
}

/* ---- BatchNormalization ---------------------------------------------------------------- */

enum { X, SCALE, BIAS, MEAN, VAR };

static hn_err infer_batch(hn_call *c)
{
    for (int i = X; i <= VAR; i++)
        HN_TRY(hn_want_float(c, i));
    HN_TRY(hn_want_same(c, SCALE, BIAS));
    HN_TRY(hn_want_same(c, MEAN, VAR));
    HN_TRY(want_channels(c, SCALE, VAR));
    if (!hn_attr_int(c->node, "training_mode", 0) && (hn_has_out(c, 1) || hn_has_out(c, 2)))
        return hn_bad(c, "running statistics come out only with training_mode 1");
    hn_shape s = { .rank = 1, .dim = { hn_fresh_dim(c) } };
    if (c->in[X]->shape.rank > 1)
        s.dim[0] = c->in[X]->shape.dim[1];
    hn_out(c, 1, c->in[MEAN]->dtype, &s);
    hn_out(c, 2, c->in[VAR]->dtype, &s);
    return hn_infer_same(c);
}

/* The statistics of each channel over the whole batch; running ones move towards them. */
static void learn(hn_call *c, const double *x, hn_split s, double *mean, double *var)
{
    double keep = hn_attr_float(c->node, "momentum", 0.9f), n = (double)(s.outer * s.inner);
    for (size_t ch = 0; ch < s.n; ch++) {
        double sum = 0, spread = 0, old_mean = mean[ch], old_var = var[ch];
        for (size_t o = 0; o < s.outer; o++)
            for (size_t i = 0; i < s.inner; i++)
                sum += x[(o * s.n + ch) * s.inner + i];
        mean[ch] = n > 0 ? sum / n : 0;
        for (size_t o = 0; o < s.outer; o++)
            for (size_t i = 0; i < s.inner; i++) {
                double d = x[(o * s.n + ch) * s.inner + i] - mean[ch];
                spread += d * d;
            }
        var[ch] = n > 0 ? spread / n : 0;
        double running_mean = old_mean * keep + mean[ch] * (1 - keep);
        double running_var = old_var * keep + var[ch] * (1 - keep);
        if (hn_has_out(c, 1))
            hn_put_f64(c->out[1], ch, 1, &running_mean);
        if (hn_has_out(c, 2))
            hn_put_f64(c->out[2], ch, 1, &running_var);
    }
}

static hn_err run_batch(hn_call *c)
{
    double *v[VAR + 1], eps = hn_attr_float(c->node, "epsilon", 1e-5f);
    for (int i = X; i <= VAR; i++)
        HN_TRY(hn_load_f64(c, c->in[i], &v[i]));
    hn_split s = hn_split_at(&c->in[X]->shape, 1);
    double *x = v[X];
    if (hn_attr_int(c->node, "training_mode", 0))
        learn(c, x, s, v[MEAN], v[VAR]);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t ch = 0; ch < s.n; ch++) {
            double by = v[SCALE][ch] / sqrt(v[VAR][ch] + eps);
            for (size_t i = 0; i < s.inner; i++, x++)
                *x = (*x - v[MEAN][ch]) * by + v[BIAS][ch];
        }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), v[X]);
    return HN_OK;
}

/* ---- InstanceNormalization, GroupNormalization ------------------------------------------- */

static int64_t groups_of(const hn_call *c, int64_t channels)
{
    return hn_attr_find(c->node, "num_groups") ? hn_attr_int(c->node, "num_groups", 1) : channels;
}

static hn_err infer_instance(hn_call *c)
{
    for (int i = 1; i <= 2; i++) {
        HN_TRY(hn_want_float(c, i));
        HN_TRY(hn_want_same(c, 0, i));
    }
    HN_TRY(want_channels(c, 1, 2));
    return hn_infer_same(c);
}

static hn_err infer_group(hn_call *c)
{
    if (!hn_attr_find(c->node, "num_groups"))
        return hn_bad(c, "attribute 'num_groups' is missing");
    int64_t groups = hn_attr_int(c->node, "num_groups", 1);
    if (groups < 1)
        return hn_bad(c, "num_groups is %lld, expected 1 or more", (long long)groups);
    const hn_shape *x = &c->in[0]->shape;
    if (x->rank > 1 && !hn_is_symbol(x->dim[1]) && x->dim[1] % groups)
        return hn_bad(c, "%lld channels cannot be split into %lld groups", (long long)x->dim[1],
                      (long long)groups);
    return infer_instance(c);
}

/* Each group of channels of each image has its own statistics; an instance is a group of one. */
static hn_err run_groups(hn_call *c)
{
    double *x, *scale, *bias, eps = hn_attr_float(c->node, "epsilon", 1e-5f);
    const hn_shape *s = &c->in[0]->shape;
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(hn_load_f64(c, c->in[1], &scale));
    HN_TRY(hn_load_f64(c, c->in[2], &bias));
    size_t images = (size_t)s->dim[0], channels = (size_t)s->dim[1], plane = hn_shape_product(s, 2, s->rank);
    size_t groups = (size_t)groups_of(c, s->dim[1]), per = groups ? channels / groups : 0, n = per * plane;

    for (size_t g = 0; g < images * groups; g++) {
        double *v = x + g * n;
        stats st = measure(v, n);
        for (size_t i = 0; i < n; i++) {
            size_t ch = g % groups * per + i / plane;
            v[i] = (v[i] - st.mean) / sqrt(st.var + eps) * scale[ch] + bias[ch];
        }
    }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), x);
    return HN_OK;
}

/* ---- LayerNormalization, RMSNormalization -------------------------------------------------- */

static hn_err infer_layer(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape kept = *x, all;
    int64_t stash = hn_attr_int(c->node, "stash_type", 1);
    bool rms = c->node->op->max_in == 2;
    int axis;

    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_float(c, 1));
    if (!rms)
        HN_TRY(hn_want_same(c, 0, 1));
    HN_TRY(hn_want_same(c, 0, 2));
    hn_dtype stat = hn_dtype_from_onnx(stash);
    if (stat != HN_F32 && stat != HN_BF16 && stat != HN_F16 && stat != HN_F64)
        return hn_bad(c, "stash_type is %lld, expected a float type", (long long)stash);
    if (x->rank >= 0) {
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), x->rank, &axis));
        hn_shape tail = hn_shape_of(x->rank - axis, x->dim + axis);
        for (int i = 1; i < c->in_count; i++) {
            if (!hn_has_in(c, i) || c->in[i]->shape.rank < 0)
                continue;
            HN_TRY(hn_broadcast(c, &tail, &c->in[i]->shape, &all));
            if (all.rank != tail.rank || (hn_shape_known(&all) && hn_shape_known(&tail) && !hn_shape_equal(&all, &tail)))
                return hn_bad(c, "input %d is larger than what is normalised", i);
        }
        for (int i = axis; i < x->rank; i++)
            kept.dim[i] = 1;
    }
    hn_out(c, 0, rms ? c->in[1]->dtype : c->in[0]->dtype, x);
    hn_out(c, 1, stat, &kept);
    hn_out(c, 2, stat, &kept);
    return HN_OK;
}

/* Input i broadcast to the normalised dimensions, once for all rows. */
static hn_err load_expanded(hn_call *c, int i, const hn_shape *tail, double missing, double **out)
{
    size_t n = hn_shape_count(tail), stride[HN_RANK_MAX];
    double *v = NULL, *e = HN_SCRATCH(c, double, n);
    if (!e)
        return hn_nomem(c->cx, "a scale");
    if (hn_has_in(c, i)) {
        HN_TRY(hn_load_f64(c, c->in[i], &v));
        hn_broadcast_strides(&c->in[i]->shape, tail->rank, stride);
    }
    for (size_t j = 0; j < n; j++) {
        size_t at = 0, rest = j;
        for (int d = tail->rank - 1; v && d >= 0; d--) {
            at += rest % (size_t)tail->dim[d] * stride[d];
            rest /= (size_t)tail->dim[d];
        }
        e[j] = v ? v[at] : missing;
    }
    *out = e;
    return HN_OK;
}

static hn_err run_layer(hn_call *c)
{
    double *x, *scale, *bias, eps = hn_attr_float(c->node, "epsilon", 1e-5f);
    const hn_shape *s = &c->in[0]->shape;
    bool rms = c->node->op->max_in == 2;
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), s->rank, &axis));
    hn_shape tail = hn_shape_of(s->rank - axis, s->dim + axis);
    size_t rows = hn_shape_product(s, 0, axis), n = hn_shape_count(&tail);
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(load_expanded(c, 1, &tail, 1, &scale));
    HN_TRY(load_expanded(c, 2, &tail, 0, &bias));

    for (size_t r = 0; r < rows; r++) {
        double *v = x + r * n, squares = 0;
        for (size_t i = 0; rms && i < n; i++)
            squares += v[i] * v[i];
        stats st = rms ? (stats){ 0, n ? squares / (double)n : 0 } : measure(v, n);
        double by = 1 / sqrt(st.var + eps);
        for (size_t i = 0; i < n; i++)
            v[i] = (v[i] - st.mean) * by * scale[i] + bias[i];
        if (hn_has_out(c, 1))
            hn_put_f64(c->out[1], r, 1, &st.mean);
        if (hn_has_out(c, 2))
            hn_put_f64(c->out[2], r, 1, &by);
    }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), x);
    return HN_OK;
}

/* ---- LpNormalization, MeanVarianceNormalization, LRN --------------------------------------- */

static hn_err infer_lp(hn_call *c)
{
    int axis;
    int64_t p = hn_attr_int(c->node, "p", 2);
    HN_TRY(hn_want_float(c, 0));
    if (p != 1 && p != 2)
        return hn_bad(c, "p is %lld, expected 1 or 2", (long long)p);
    if (c->in[0]->shape.rank >= 0)
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), c->in[0]->shape.rank, &axis));
    return hn_infer_same(c);
}

static hn_err run_lp(hn_call *c)
{
    int axis;
    double *x;
    bool one = hn_attr_int(c->node, "p", 2) == 1;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), c->in[0]->shape.rank, &axis));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    hn_split s = hn_split_at(&c->in[0]->shape, axis);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            double *v = x + o * s.n * s.inner + i, norm = 0;
            for (size_t j = 0; j < s.n; j++)
                norm += one ? fabs(v[j * s.inner]) : v[j * s.inner] * v[j * s.inner];
            norm = one ? norm : sqrt(norm);
            for (size_t j = 0; j < s.n; j++)
                v[j * s.inner] = norm == 0 ? 0 : v[j * s.inner] / norm;
        }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), x);
    return HN_OK;
}

static hn_err mvn_axes(hn_call *c, bool mark[HN_RANK_MAX])
{
    static const int64_t usual[] = { 0, 2, 3 };
    const int64_t *axes;
    size_t n = hn_attr_ints(c->node, "axes", &axes);
    if (n == 0) {
        axes = usual;
        n = 3;
    }
    for (size_t i = 0; i < n; i++) {
        int at;
        HN_TRY(hn_axis(c, axes[i], c->in[0]->shape.rank, &at));
        mark[at] = true;
    }
    return HN_OK;
}

static hn_err infer_mvn(hn_call *c)
{
    bool mark[HN_RANK_MAX] = { false };
    HN_TRY(hn_want_float(c, 0));
    if (c->in[0]->shape.rank >= 0)
        HN_TRY(mvn_axes(c, mark));
    return hn_infer_same(c);
}

/* The group an element belongs to: its index along the axes that are kept. */
static size_t kept_index(const hn_shape *s, const bool *mark, size_t i)
{
    size_t at = 0, step = 1;
    for (int d = s->rank - 1; d >= 0; d--) {
        if (!mark[d]) {
            at += i % (size_t)s->dim[d] * step;
            step *= (size_t)s->dim[d];
        }
        i /= (size_t)s->dim[d];
    }
    return at;
}

static hn_err run_mvn(hn_call *c)
{
    bool mark[HN_RANK_MAX] = { false };
    const hn_shape *s = &c->in[0]->shape;
    size_t count = hn_count(c->in[0]), groups = 1;
    double *x;
    HN_TRY(mvn_axes(c, mark));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (int d = 0; d < s->rank && count; d++)
        groups *= mark[d] ? 1 : (size_t)s->dim[d];
    stats *st = HN_SCRATCH(c, stats, groups);
    if (!st)
        return hn_nomem(c->cx, "statistics");
    double n = (double)(count / groups);
    for (size_t i = 0; i < count; i++)
        st[kept_index(s, mark, i)].mean += x[i] / n;
    for (size_t i = 0; i < count; i++) {
        stats *g = &st[kept_index(s, mark, i)];
        g->var += (x[i] - g->mean) * (x[i] - g->mean) / n;
    }
    for (size_t i = 0; i < count; i++) {
        const stats *g = &st[kept_index(s, mark, i)];
        x[i] = (x[i] - g->mean) / (sqrt(g->var) + 1e-9);       /* the constant of ONNX's definition */
    }
    hn_put_f64(c->out[0], 0, count, x);
    return HN_OK;
}

static hn_err infer_lrn(hn_call *c)
{
    int64_t size = hn_attr_int(c->node, "size", 0);
    HN_TRY(hn_want_float(c, 0));
    if (size < 1)
        return hn_bad(c, "size is %lld, expected 1 or more", (long long)size);
    if (c->in[0]->shape.rank >= 0 && c->in[0]->shape.rank < 2)
        return hn_bad(c, "input has %d dimensions, expected 2 or more", c->in[0]->shape.rank);
    return hn_infer_same(c);
}

static hn_err run_lrn(hn_call *c)
{
    double alpha = hn_attr_float(c->node, "alpha", 1e-4f), beta = hn_attr_float(c->node, "beta", 0.75f);
    double bias = hn_attr_float(c->node, "bias", 1), *x;
    int64_t size = hn_attr_int(c->node, "size", 1);
    hn_split s = hn_split_at(&c->in[0]->shape, 1);
    double *y = HN_SCRATCH(c, double, hn_count(c->in[0]));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    if (!y)
        return hn_nomem(c->cx, "a normalised tensor");
    int64_t before = (size - 1) / 2, after = size - 1 - before, last = (int64_t)s.n - 1;
    for (size_t o = 0; o < s.outer; o++)
        for (int64_t ch = 0; ch <= last; ch++) {
            int64_t from = ch < before ? 0 : ch - before, to = after > last - ch ? last : ch + after;
            for (size_t i = 0; i < s.inner; i++) {
                double sum = 0;
                for (int64_t j = from; j <= to; j++) {
                    double v = x[(o * s.n + (size_t)j) * s.inner + i];
                    sum += v * v;
                }
                size_t at = (o * s.n + (size_t)ch) * s.inner + i;
                y[at] = x[at] / pow(bias + alpha / (double)size * sum, beta);
            }
        }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

/* ---- Descriptors ------------------------------------------------------------------------ */

static const hn_attr_spec batch_attr[] = {
    { "epsilon", HN_ATTR_FLOAT, "1e-5" }, { "momentum", HN_ATTR_FLOAT, "0.9" },
    { "training_mode", HN_ATTR_INT, "0" }, { 0 }
};
static const hn_attr_spec instance_attr[] = { { "epsilon", HN_ATTR_FLOAT, "1e-5" }, { 0 } };
static const hn_attr_spec layer_attr[] = {
    { "axis", HN_ATTR_INT, "-1" }, { "epsilon", HN_ATTR_FLOAT, "1e-5" },
    { "stash_type", HN_ATTR_INT, "1: statistics in f32" }, { 0 }
};
static const hn_attr_spec group_attr[] = {
    { "epsilon", HN_ATTR_FLOAT, "1e-5" }, { "num_groups", HN_ATTR_INT, "required" },
    { "stash_type", HN_ATTR_INT, "1" }, { 0 }
};
static const hn_attr_spec lp_attr[] = { { "axis", HN_ATTR_INT, "-1" }, { "p", HN_ATTR_INT, "2" }, { 0 } };
static const hn_attr_spec mvn_attr[] = { { "axes", HN_ATTR_INTS, "0, 2, 3" }, { 0 } };
static const hn_attr_spec lrn_attr[] = {
    { "alpha", HN_ATTR_FLOAT, "1e-4" }, { "beta", HN_ATTR_FLOAT, "0.75" }, { "bias", HN_ATTR_FLOAT, "1" },
    { "size", HN_ATTR_INT, "required" }, { 0 }
};

#define NORM(id, onnx, opset, ins_min, ins_max, outs, infer_fn, run_fn, attrs)                        \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins_min, .max_in = ins_max,    \
        .min_out = 1, .max_out = outs, .attr = attrs, .infer = infer_fn, .run = run_fn };

NORM(batchnormalization,        "BatchNormalization",        15, 5, 5, 3, infer_batch,    run_batch,  batch_attr)
NORM(instancenormalization,     "InstanceNormalization",     22, 3, 3, 1, infer_instance, run_groups, instance_attr)
NORM(groupnormalization,        "GroupNormalization",        21, 3, 3, 1, infer_group,    run_groups, group_attr)
NORM(layernormalization,        "LayerNormalization",        17, 2, 3, 3, infer_layer,    run_layer,  layer_attr)
NORM(rmsnormalization,          "RMSNormalization",          23, 2, 2, 1, infer_layer,    run_layer,  layer_attr)
NORM(lpnormalization,           "LpNormalization",           22, 1, 1, 1, infer_lp,       run_lp,     lp_attr)
NORM(meanvariancenormalization, "MeanVarianceNormalization", 13, 1, 1, 1, infer_mvn,      run_mvn,    mvn_attr)
NORM(lrn,                       "LRN",                       13, 1, 1, 1, infer_lrn,      run_lrn,    lrn_attr)
