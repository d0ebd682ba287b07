/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/post.h"

#include <math.h>
#include <string.h>

hn_err hn_post_read(const hn_call *c, hn_post *out)
{
    static const char *const name[] = { "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT" };
    const hn_attr *a = hn_attr_find(c->node, "post_transform");
    *out = HN_POST_NONE;
    if (!a)
        return HN_OK;
    for (int i = 0; i <= HN_POST_PROBIT; i++)
        if (a->kind == HN_ATTR_INT ? a->i == i : hn_attr_is(c->node, "post_transform", name[i], "NONE")) {
            *out = (hn_post)i;
            return HN_OK;
        }
    return hn_bad(c, "post_transform is none of NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO and PROBIT");
}

static double logistic(double v) { return 1 / (1 + exp(-v)); }

/* The inverse of the normal distribution, after Winitzki's formula for the error function's inverse, as
 * the definition of ai.onnx.ml computes it. */
static double probit(double v)
{
    double x = 2 * v - 1, sign = x < 0 ? -1 : 1, log_of = log((1 - x) * (1 + x));
    double a = 2 / (M_PI * 0.147) + 0.5 * log_of, b = 1 / 0.147 * log_of;
    return sqrt(2) * sign * sqrt(sqrt(a * a - b) - a);
}

/* SOFTMAX_ZERO leaves zeros (classes nothing spoke for) as they are. */
static void softmax(double *v, size_t n, bool keep_zero)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, v[i]);
    for (size_t i = 0; i < n; i++) {
        if (!keep_zero || fabs(v[i]) > 1e-7)
            v[i] = exp(v[i] - max);
        else
            v[i] *= exp(-max);
        sum += v[i];
    }
    for (size_t i = 0; i < n && sum != 0; i++)
        v[i] /= sum;
}

void hn_post_apply(hn_post p, double *v, size_t n)
{
    if (p == HN_POST_SOFTMAX || p == HN_POST_SOFTMAX_ZERO)
        softmax(v, n, p == HN_POST_SOFTMAX_ZERO);
    for (size_t i = 0; i < n && (p == HN_POST_LOGISTIC || p == HN_POST_PROBIT); i++)
        v[i] = p == HN_POST_LOGISTIC ? logistic(v[i]) : probit(v[i]);
}

size_t hn_post_pair(hn_post p, bool probability, double score, double out[2])
{
    out[1] = score;
    out[0] = probability ? 1 - score : -score;
    if (p == HN_POST_LOGISTIC && !probability) {
        out[0] = logistic(-score);
        out[1] = logistic(score);
    } else if (p == HN_POST_PROBIT) {
        out[0] = out[1] = probit(score);
    }
    return score > (probability ? 0.5 : 0);
}

hn_classes hn_classes_read(const hn_call *c)
{
    const hn_attr *a = hn_attr_find(c->node, "classlabels_strings");
    hn_classes k = { 0 };
    if (a && a->kind == HN_ATTR_TEXTS && a->list.count)
        return (hn_classes){ .text = a->list.text, .count = a->list.count };
    k.count = hn_attr_ints(c->node, "classlabels_int64s", &k.number);
    if (!k.count)
        k.count = hn_attr_ints(c->node, "classlabels_ints", &k.number);
    return k;
}

void hn_classes_put(const hn_classes *k, hn_tensor *t, size_t i, size_t class)
{
    if (k->text)
        ((hn_text *)t->data)[i] = class < k->count ? k->text[class] : (hn_text){ "", 0 };
    else
        ((int64_t *)t->data)[i] = k->number && class < k->count ? k->number[class] : (int64_t)class;
}
