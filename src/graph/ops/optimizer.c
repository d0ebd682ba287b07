/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.c: ai.onnx.preview.training: one step of Adagrad, Adam or Momentum over a list of tensors.
 *
 *     rate, step count, x[n], gradient[n], state[n] (Adam: two)   ->   x[n], state[n] (two) */
#include <math.h>
#include <string.h>

#include "graph/load.h"

#define DOMAIN "ai.onnx.preview.training"

enum { RATE, STEP, FIRST };
enum { STATES_MAX = 2 };

typedef struct rule { double rate, step, norm, norm_post, a, b, epsilon, decay; bool nesterov; } rule;

static hn_err infer(hn_call *c, int states)
{
    int n = (c->in_count - FIRST) / (2 + states);
    if (n < 1 || c->in_count != FIRST + n * (2 + states) || c->out_count > n * (1 + states))
        return hn_bad(c, "%d inputs and %d outputs, expected 2 + %d and %d per tensor", c->in_count, c->out_count,
                      2 + states, 1 + states);
    for (int i = 0; i < c->in_count; i++) {
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
        if (i != STEP)
            HN_TRY(hn_want_float(c, i));
        const hn_shape *x = &c->in[i < FIRST ? i : FIRST + (i - FIRST) % n]->shape, *s = &c->in[i]->shape;
        if (i < FIRST ? hn_shape_known(s) && hn_count(c->in[i]) != 1
                      : hn_shape_known(s) && hn_shape_known(x) && !hn_shape_equal(s, x))
            return hn_bad(c, "input %d has the wrong shape", i);
    }
    HN_TRY(hn_want_type(c, STEP, HN_I64));
    for (int i = 0; i < c->out_count; i++) {
        const hn_tensor *like = c->in[FIRST + (i < n ? i : i + n)];       /* behind x come the gradients */
        hn_out(c, i, like->dtype, &like->shape);
    }
    return HN_OK;
}

typedef void step_fn(const rule *r, double *x, double g, double *s0, double *s1);

static void step_adagrad(const rule *r, double *x, double g, double *h, double *unused)
{
    (void)unused;
    g += r->norm * *x;
    *h += g * g;
    *x -= r->rate / (1 + r->step * r->decay) * g / (sqrt(*h) + r->epsilon);
}

static void step_adam(const rule *r, double *x, double g, double *v, double *h)
{
    double rate = r->rate;
    g += r->norm * *x;
    *v = r->a * *v + (1 - r->a) * g;
    *h = r->b * *h + (1 - r->b) * g * g;
    if (r->step > 0)
        rate *= sqrt(1 - pow(r->b, r->step)) / (1 - pow(r->a, r->step));
    *x = (1 - r->norm_post) * (*x - rate * *v / (sqrt(*h) + r->epsilon));
}

static void step_momentum(const rule *r, double *x, double g, double *v, double *unused)
{
    (void)unused;
    g += r->norm * *x;
    *v = r->a * *v + (r->step > 0 ? r->b : 1) * g;
    *x -= r->rate * (r->nesterov ? g + r->a * *v : *v);
}

static hn_err run(hn_call *c, int states, step_fn *step, double a, double b, double epsilon)
{
    const hn_node *node = c->node;
    rule r = { .rate = hn_scalar_f64(c, RATE, 0), .step = (double)hn_scalar_i64(c, STEP, 0),
               .norm = hn_attr_float(node, "norm_coefficient", 0),
               .norm_post = hn_attr_float(node, "norm_coefficient_post", 0), .a = hn_attr_float(node, "alpha", a),
               .b = hn_attr_float(node, "beta", b), .epsilon = hn_attr_float(node, "epsilon", epsilon),
               .decay = hn_attr_float(node, "decay_factor", 0),
               .nesterov = hn_attr_is(node, "mode", "nesterov", "standard") };
    int n = (c->in_count - FIRST) / (2 + states);
    for (int i = 0; i < n; i++) {
        double *x, *g, *s[STATES_MAX] = { NULL, NULL };
        size_t count = hn_count(c->in[FIRST + i]);
        HN_TRY(hn_load_f64(c, c->in[FIRST + i], &x));
        HN_TRY(hn_load_f64(c, c->in[FIRST + n + i], &g));
        for (int k = 0; k < states; k++)
            HN_TRY(hn_load_f64(c, c->in[FIRST + (2 + k) * n + i], &s[k]));
        for (size_t j = 0; j < count; j++)
            step(&r, &x[j], g[j], &s[0][j], s[1] ? &s[1][j] : NULL);
        if (hn_has_out(c, i))
            hn_put_f64(c->out[i], 0, count, x);
        for (int k = 0; k < states; k++)
            if (hn_has_out(c, (1 + k) * n + i))
                hn_put_f64(c->out[(1 + k) * n + i], 0, count, s[k]);
    }
    return HN_OK;
}

static hn_err infer_one(hn_call *c) { return infer(c, 1); }
static hn_err infer_two(hn_call *c) { return infer(c, 2); }
static hn_err run_adagrad(hn_call *c) { return run(c, 1, step_adagrad, 0, 0, 1e-6); }
static hn_err run_adam(hn_call *c) { return run(c, 2, step_adam, 0.9, 0.999, 0); }
static hn_err run_momentum(hn_call *c) { return run(c, 1, step_momentum, 0, 0, 0); }

static const hn_attr_spec adagrad_attr[] = {
    { "decay_factor", HN_ATTR_FLOAT, "0" }, { "epsilon", HN_ATTR_FLOAT, "1e-6" },
    { "norm_coefficient", HN_ATTR_FLOAT, "0" }, { 0 }
};
static const hn_attr_spec adam_attr[] = {
    { "alpha", HN_ATTR_FLOAT, "0.9" }, { "beta", HN_ATTR_FLOAT, "0.999" }, { "epsilon", HN_ATTR_FLOAT, "0" },
    { "norm_coefficient", HN_ATTR_FLOAT, "0" }, { "norm_coefficient_post", HN_ATTR_FLOAT, "0" }, { 0 }
};
static const hn_attr_spec momentum_attr[] = {
    { "alpha", HN_ATTR_FLOAT, "" }, { "beta", HN_ATTR_FLOAT, "" }, { "mode", HN_ATTR_TEXT, "standard or nesterov" },
    { "norm_coefficient", HN_ATTR_FLOAT, "" }, { 0 }
};

#define OPTIMIZER(id, onnx, attrs, infer_fn)                                                          \
    const hn_op hn_op_##id = { .name = onnx, .domain = DOMAIN, .since = 1, .min_in = 3, .max_in = -1, \
        .min_out = 1, .max_out = -1, .attr = attrs, .infer = infer_fn, .run = run_##id };

OPTIMIZER(adagrad,  "Adagrad",  adagrad_attr,  infer_one)
OPTIMIZER(adam,     "Adam",     adam_attr,     infer_two)
OPTIMIZER(momentum, "Momentum", momentum_attr, infer_one)
