/* SPDX-License-Identifier: Apache-2.0 */
/* linear_ml.c: LinearRegressor and LinearClassifier: one row of weights per target. */
#include <math.h>

#include "base/num.h"
#include "graph/load.h"
#include "graph/post.h"

#define DOMAIN "ai.onnx.ml"

static size_t floats(const hn_call *c, const char *name, const float **out)
{
    const hn_attr *a = hn_attr_find(c->node, name);
    bool ok = a && a->kind == HN_ATTR_FLOATS;
    *out = ok ? a->list.f : NULL;
    return ok ? a->list.count : 0;
}

static hn_err check_input(hn_call *c, int64_t *rows)
{
    const hn_shape *s = &c->in[0]->shape;
    int class = hn_dtype_class(c->in[0]->dtype);
    if (class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_bad(c, "features of %s", hn_dtype_name(c->in[0]->dtype));
    if (s->rank > 2 || s->rank == 0)
        return hn_bad(c, "input has %d dimensions, expected 1 or 2", s->rank);
    *rows = s->rank == 2 ? s->dim[0] : s->rank == 1 ? 1 : hn_fresh_dim(c);
    return HN_OK;
}

/* y[target] = weights[target] . x + intercept[target] */
static hn_err score_row(hn_call *c, const double *x, size_t n, size_t targets, double *y)
{
    const float *w, *base;
    size_t weights = floats(c, "coefficients", &w), bases = floats(c, "intercepts", &base);
    if (weights != hn_mul(n, targets) || (bases && bases != targets))
        return hn_bad(c, "%zu coefficients and %zu intercepts for %zu features and %zu targets", weights, bases, n, targets);
    for (size_t t = 0; t < targets; t++) {
        y[t] = bases ? (double)base[t] : 0;
        for (size_t i = 0; i < n; i++)
            y[t] += (double)w[t * n + i] * x[i];
    }
    return HN_OK;
}

static hn_err infer_regressor(hn_call *c)
{
    hn_shape y = { .rank = 2 };
    hn_post post;
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(check_input(c, &y.dim[0]));
    y.dim[1] = hn_attr_int(c->node, "targets", 1);
    if (y.dim[1] < 1 || y.dim[1] > INT32_MAX)
        return hn_bad(c, "targets is %lld", (long long)y.dim[1]);
    hn_out(c, 0, HN_F32, &y);
    return HN_OK;
}

static hn_err run_regressor(hn_call *c)
{
    const hn_shape *s = &c->in[0]->shape;
    size_t n = (size_t)s->dim[s->rank - 1], rows = (size_t)c->out[0]->shape.dim[0];
    size_t targets = (size_t)c->out[0]->shape.dim[1];
    double *x, *y = HN_SCRATCH(c, double, targets);
    hn_post post;
    if (!y)
        return hn_nomem(c->cx, "scores");
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t r = 0; r < rows; r++) {
        HN_TRY(score_row(c, x + r * n, n, targets, y));
        hn_post_apply(post, y, targets);
        hn_put_f64(c->out[0], r * targets, targets, y);
    }
    return HN_OK;
}

/* As many rows of weights as there are classes, or one for a pair of them. */
static size_t targets_of(const hn_call *c, const hn_classes *k)
{
    const float *base;
    size_t bases = floats(c, "intercepts", &base);
    return bases ? bases : k->count;
}

static hn_err infer_classifier(hn_call *c)
{
    hn_classes k = hn_classes_read(c);
    size_t targets = targets_of(c, &k);
    hn_shape labels = { .rank = 1 }, scores = { .rank = 2 };
    hn_post post;
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(check_input(c, &labels.dim[0]));
    if (k.count < 2 || (targets != k.count && !(targets == 1 && k.count == 2)))
        return hn_bad(c, "%zu classes, %zu intercepts", k.count, targets);
    scores.dim[0] = labels.dim[0];
    scores.dim[1] = (int64_t)k.count;
    hn_out(c, 0, k.text ? HN_STR : HN_I64, &labels);
    hn_out(c, 1, HN_F32, &scores);
    return HN_OK;
}

static hn_err run_classifier(hn_call *c)
{
    hn_classes k = hn_classes_read(c);
    const hn_shape *s = &c->in[0]->shape;
    size_t n = (size_t)s->dim[s->rank - 1], rows = s->rank == 2 ? (size_t)s->dim[0] : 1, targets = targets_of(c, &k);
    double *x, *y = HN_SCRATCH(c, double, k.count);
    hn_post post;
    if (!y)
        return hn_nomem(c->cx, "scores");
    HN_TRY(hn_post_read(c, &post));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t r = 0; r < rows; r++) {
        size_t best = 0;
        HN_TRY(score_row(c, x + r * n, n, targets, y));
        if (targets == 1) {
            best = hn_post_pair(post, false, y[0], y);
        } else {
            for (size_t i = 1; i < targets; i++)
                best = y[i] > y[best] ? i : best;
            hn_post_apply(post, y, targets);
        }
        if (hn_has_out(c, 0))
            hn_classes_put(&k, c->out[0], r, best);
        if (hn_has_out(c, 1))
            hn_put_f64(c->out[1], r * k.count, k.count, y);
    }
    return HN_OK;
}

static const hn_attr_spec regressor_attr[] = {
    { "coefficients", HN_ATTR_FLOATS, "" }, { "intercepts", HN_ATTR_FLOATS, "0" },
    { "post_transform", HN_ATTR_TEXT, "NONE" }, { "targets", HN_ATTR_INT, "1" }, { 0 }
};
static const hn_attr_spec classifier_attr[] = {
    { "classlabels_ints", HN_ATTR_INTS, "" }, { "classlabels_strings", HN_ATTR_TEXTS, "" },
    { "coefficients", HN_ATTR_FLOATS, "" }, { "intercepts", HN_ATTR_FLOATS, "0" },
    { "multi_class", HN_ATTR_INT, "not used" }, { "post_transform", HN_ATTR_TEXT, "NONE" }, { 0 }
};

const hn_op hn_op_linear_regressor = {
    .name = "LinearRegressor", .domain = DOMAIN, .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = regressor_attr, .infer = infer_regressor, .run = run_regressor,
};

const hn_op hn_op_linear_classifier = {
    .name = "LinearClassifier", .domain = DOMAIN, .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 2,
    .attr = classifier_attr, .infer = infer_classifier, .run = run_classifier,
};
