/* SPDX-License-Identifier: Apache-2.0 */
/* loss.c: how far scores are from the right classes.
 *
 *     scores [N, C, d...]   labels [N, d...]   weights [C]  ->  loss [N, d...] or one number */
#include <math.h>

#include "base/num.h"
#include "graph/load.h"

enum { SCORES, LABELS, WEIGHTS };
enum { NONE, SUM, MEAN };

static hn_err reduction(const hn_call *c, int *out)
{
    static const char *const name[] = { "none", "sum", "mean" };
    for (int i = NONE; i <= MEAN; i++)
        if (hn_attr_is(c->node, "reduction", name[i], "mean")) {
            *out = i;
            return HN_OK;
        }
    return hn_bad(c, "reduction is none of none, sum and mean");
}

static hn_err infer(hn_call *c)
{
    const hn_shape *x = &c->in[SCORES]->shape, *l = &c->in[LABELS]->shape;
    hn_shape loss = *l, scalar = { .rank = 0 };
    int how = MEAN;

    HN_TRY(reduction(c, &how));
    HN_TRY(hn_want_float(c, SCORES));
    HN_TRY(hn_want_same(c, SCORES, WEIGHTS));
    HN_TRY(hn_want_rank(c, WEIGHTS, 1));
    if (c->in[LABELS]->dtype != HN_I32)
        HN_TRY(hn_want_type(c, LABELS, HN_I64));
    if (x->rank >= 0 && x->rank < 2)
        return hn_bad(c, "scores have %d dimensions, expected 2 or more: batch, classes, space", x->rank);
    if (x->rank >= 0 && l->rank >= 0) {
        bool fits = l->rank == x->rank - 1;
        for (int i = 0; i < l->rank && fits; i++)
            fits = !hn_dims_differ(l->dim[i], x->dim[i + (i > 0)]);
        if (!fits) {
            char xt[HN_SHAPE_TEXT], lt[HN_SHAPE_TEXT];
            return hn_bad(c, "labels of %s do not fit scores of %s", hn_shape_text(l, lt), hn_shape_text(x, xt));
        }
    }
    if (hn_has_in(c, WEIGHTS) && c->in[WEIGHTS]->shape.rank == 1 && x->rank > 1 &&
        hn_dims_differ(c->in[WEIGHTS]->shape.dim[0], x->dim[1]))
        return hn_bad(c, "%lld weights for %lld classes", (long long)c->in[WEIGHTS]->shape.dim[0], (long long)x->dim[1]);
    hn_out(c, 0, c->in[SCORES]->dtype, how == NONE ? &loss : &scalar);
    hn_out(c, 1, c->in[SCORES]->dtype, x);
    return HN_OK;
}

/* logp is [N, C, inner]. */
static hn_err lose(hn_call *c, const double *logp, hn_split s)
{
    const hn_attr *ignore = hn_attr_find(c->node, "ignore_index");
    size_t places = hn_mul(s.outer, s.inner);
    double *weight = NULL, total = 0, weights = 0;
    int64_t *label;
    int how = MEAN;

    HN_TRY(reduction(c, &how));
    HN_TRY(hn_load_i64(c, c->in[LABELS], &label));
    if (hn_has_in(c, WEIGHTS))
        HN_TRY(hn_load_f64(c, c->in[WEIGHTS], &weight));
    for (size_t i = 0; i < places; i++) {
        double loss = 0;
        if (!ignore || label[i] != ignore->i) {
            if (label[i] < 0 || (size_t)label[i] >= s.n)
                return hn_bad(c, "label %zu is %lld, expected a class below %zu", i, (long long)label[i], s.n);
            size_t class = (size_t)label[i];
            double w = weight ? weight[class] : 1;
            loss = -w * logp[(i / s.inner * s.n + class) * s.inner + i % s.inner];
            weights += w;
        }
        total += loss;
        if (how == NONE)
            hn_put_f64(c->out[0], i, 1, &loss);
    }
    if (how == MEAN)
        total /= weights;
    if (how != NONE)
        hn_put_f64(c->out[0], 0, 1, &total);
    return HN_OK;
}

static hn_err run_likelihood(hn_call *c)
{
    double *logp;
    HN_TRY(hn_load_f64(c, c->in[SCORES], &logp));
    return lose(c, logp, hn_split_at(&c->in[SCORES]->shape, 1));
}

static hn_err run_entropy(hn_call *c)
{
    hn_split s = hn_split_at(&c->in[SCORES]->shape, 1);
    double *v;
    HN_TRY(hn_load_f64(c, c->in[SCORES], &v));
    for (size_t i = 0; i < hn_mul(s.outer, s.inner) && s.n; i++) {
        double *x = v + i / s.inner * s.n * s.inner + i % s.inner, max = -INFINITY, sum = 0;
        for (size_t k = 0; k < s.n; k++)
            max = fmax(max, x[k * s.inner]);
        for (size_t k = 0; k < s.n; k++)
            sum += exp(x[k * s.inner] - max);
        for (size_t k = 0; k < s.n; k++)
            x[k * s.inner] -= max + log(sum);
    }
    if (hn_has_out(c, 1))
        hn_put_f64(c->out[1], 0, hn_count(c->out[1]), v);
    return hn_has_out(c, 0) ? lose(c, v, s) : HN_OK;
}

static const hn_attr_spec attr[] = {
    { "ignore_index", HN_ATTR_INT, "a label that costs nothing; none" },
    { "reduction", HN_ATTR_TEXT, "mean" }, { 0 }
};

const hn_op hn_op_negative_log_likelihood_loss = {
    .name = "NegativeLogLikelihoodLoss", .since = 22, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run_likelihood,
};

const hn_op hn_op_softmax_cross_entropy_loss = {
    .name = "SoftmaxCrossEntropyLoss", .since = 13, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 2,
    .attr = attr, .infer = infer, .run = run_entropy,
};
