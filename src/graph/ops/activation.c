/* SPDX-License-Identifier: Apache-2.0 */
/* activation.c: activations with parameters, from attributes or from further inputs.
 *
 * Defaults are ONNX's, which are floats: 0.01f is not 0.01.  NaN stays NaN in all of them. */
#include <math.h>
#include <string.h>

#include "graph/elementwise.h"
#include "graph/load.h"

typedef struct params { double alpha, beta; } params;

static double leaky(double x, const void *p) { return x < 0 ? ((const params *)p)->alpha * x : x; }
static double elu(double x, const void *p) { return x < 0 ? ((const params *)p)->alpha * expm1(x) : x; }
static double threshold(double x, const void *p) { return x <= ((const params *)p)->alpha ? 0 : x; }
static double swish(double x, const void *p) { return x / (1 + exp(-((const params *)p)->alpha * x)); }

static double selu(double x, const void *arg)
{
    const params *p = arg;       /* beta is ONNX's gamma */
    return p->beta * (x <= 0 ? p->alpha * expm1(x) : x);
}

static double celu(double x, const void *arg)
{
    double alpha = ((const params *)arg)->alpha;
    return x <= 0 ? alpha * expm1(x / alpha) : x;
}

static double hard_sigmoid(double x, const void *arg)
{
    const params *p = arg;
    double v = p->alpha * x + p->beta;
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

static double shrink(double x, const void *arg)
{
    const params *p = arg;       /* alpha is ONNX's lambd, beta its bias */
    return x < -p->alpha ? x + p->beta : x > p->alpha ? x - p->beta : isnan(x) ? x : 0;
}

static const hn_attr_spec leaky_attr[] = { { "alpha", HN_ATTR_FLOAT, "0.01" }, { 0 } };
static const hn_attr_spec alpha_attr[] = { { "alpha", HN_ATTR_FLOAT, "1" }, { 0 } };
static const hn_attr_spec selu_attr[] = {
    { "alpha", HN_ATTR_FLOAT, "1.6732632" }, { "gamma", HN_ATTR_FLOAT, "1.050701" }, { 0 }
};
static const hn_attr_spec hard_attr[] = { { "alpha", HN_ATTR_FLOAT, "0.2" }, { "beta", HN_ATTR_FLOAT, "0.5" }, { 0 } };
static const hn_attr_spec shrink_attr[] = { { "lambd", HN_ATTR_FLOAT, "0.5" }, { "bias", HN_ATTR_FLOAT, "0" }, { 0 } };

static hn_err run_shrink(hn_call *c)
{
    params p = { hn_attr_float(c->node, "lambd", 0.5), hn_attr_float(c->node, "bias", 0) };
    return hn_map_with(c, shrink, &p);       /* integers too: ONNX allows them here alone */
}

static hn_err infer_floats(hn_call *c)
{
    if (!hn_is_float(c->in[0]->dtype))
        return hn_bad(c, "input is %s, expected a float type", hn_dtype_name(c->in[0]->dtype));
    return hn_infer_same(c);
}

#define ACT(id, onnx, opset, attrs, infer_fn, run_fn)                                          \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 1, .max_in = 1,         \
        .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

/* PARAM(id, ONNX name, opset, function, attributes, first and its default, second and its default) */
#define PARAM(id, onnx, opset, f, attrs, first, first_missing, second, second_missing)        \
    static hn_err run_##id(hn_call *c)                                                        \
    {                                                                                         \
        params p = { hn_attr_float(c->node, first, (double)first_missing),                    \
                     hn_attr_float(c->node, second, (double)second_missing) };                \
        return hn_map_with(c, f, &p);                                                         \
    }                                                                                         \
    ACT(id, onnx, opset, attrs, infer_floats, run_##id)

PARAM(leaky_relu,       "LeakyRelu",       16, leaky,        leaky_attr, "alpha", 0.01f, "", 0)
PARAM(elu,              "Elu",             22, elu,          alpha_attr, "alpha", 1, "", 0)
PARAM(selu,             "Selu",            22, selu,         selu_attr,  "alpha", 1.67326319217681884765625f,
                                                                         "gamma", 1.05070102214813232421875f)
PARAM(celu,             "Celu",            28, celu,         alpha_attr, "alpha", 1, "", 0)
PARAM(thresholded_relu, "ThresholdedRelu", 22, threshold,    alpha_attr, "alpha", 1, "", 0)
PARAM(hard_sigmoid,     "HardSigmoid",     22, hard_sigmoid, hard_attr,  "alpha", 0.2f, "beta", 0.5)
PARAM(swish,            "Swish",           24, swish,        alpha_attr, "alpha", 1, "", 0)
ACT(shrink, "Shrink", 9, shrink_attr, hn_infer_same, run_shrink)

/* ---- Gelu ------------------------------------------------------------------------------ */

static double gelu(double x) { return hn_act_apply((hn_act){ .kind = HN_ACT_GELU }, x); }
static double gelu_tanh(double x) { return hn_act_apply((hn_act){ .kind = HN_ACT_GELU_TANH }, x); }

static hn_err infer_gelu(hn_call *c)
{
    if (!hn_attr_is(c->node, "approximate", "none", "none") && !hn_attr_is(c->node, "approximate", "tanh", "none"))
        return hn_bad(c, "approximate is neither none nor tanh");
    return infer_floats(c);
}

static hn_err run_gelu(hn_call *c)
{
    return hn_map(c, hn_attr_is(c->node, "approximate", "tanh", "none") ? gelu_tanh : gelu, NULL);
}

static const hn_attr_spec gelu_attr[] = { { "approximate", HN_ATTR_TEXT, "none or tanh" }, { 0 } };
ACT(gelu, "Gelu", 20, gelu_attr, infer_gelu, run_gelu)

/* ---- PRelu: the slope is an input, broadcast to the shape of the first ----------------- */

static double f_prelu(double x, double slope) { return x < 0 ? slope * x : x; }
static int64_t i_prelu(int64_t x, int64_t slope) { return x < 0 ? (int64_t)((uint64_t)slope * (uint64_t)x) : x; }
static int64_t u_prelu(uint64_t x, uint64_t slope) { (void)slope; return (int64_t)x; }

static hn_err infer_prelu(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s;

    if (c->in[0]->dtype != c->in[1]->dtype)
        return hn_bad(c, "the slope is %s, the input %s", hn_dtype_name(c->in[1]->dtype),
                      hn_dtype_name(c->in[0]->dtype));
    HN_TRY(hn_broadcast(c, x, &c->in[1]->shape, &s));
    if (hn_shape_known(x) && hn_shape_known(&s) && !hn_shape_equal(x, &s))
        return hn_bad(c, "the slope is larger than the input");
    return hn_infer_same(c);
}

static hn_err run_prelu(hn_call *c) { return hn_zip(c, (hn_zip_fns){ f_prelu, i_prelu, u_prelu }); }

const hn_op hn_op_prelu = {
    .name = "PRelu", .since = 16, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer_prelu, .run = run_prelu,
};

/* ---- SwiGLU: one half of a layer gates the other --------------------------------------- */

static hn_err infer_swiglu(hn_call *c)
{
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_want_same(c, 0, 1));
    if (hn_shape_known(&c->in[0]->shape) && hn_shape_known(&c->in[1]->shape) &&
        !hn_shape_equal(&c->in[0]->shape, &c->in[1]->shape))
        return hn_bad(c, "the two inputs differ in shape");
    return hn_infer_same(c);
}

static hn_err run_swiglu(hn_call *c)
{
    double *a, *b, alpha = hn_attr_float(c->node, "alpha", 1);
    HN_TRY(hn_load_f64(c, c->in[0], &a));
    HN_TRY(hn_load_f64(c, c->in[1], &b));
    size_t count = hn_count(c->in[0]);
    for (size_t i = 0; i < count; i++)
        a[i] = a[i] / (1 + exp(-alpha * a[i])) * b[i];
    hn_put_f64(c->out[0], 0, count, a);
    return HN_OK;
}

const hn_op hn_op_swiglu = {
    .name = "SwiGLU", .since = 28, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1, .attr = alpha_attr,
    .infer = infer_swiglu, .run = run_swiglu,
};

/* ---- Clip: the bounds are inputs ------------------------------------------------------- */

static hn_err infer_clip(hn_call *c)
{
    int class = hn_dtype_class(c->in[0]->dtype);
    if (class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_bad(c, "input is %s, expected numbers", hn_dtype_name(c->in[0]->dtype));
    for (int i = 1; i < c->in_count; i++) {
        if (!c->in[i])
            continue;
        if (c->in[i]->dtype != c->in[0]->dtype)
            return hn_bad(c, "bound %d is %s, the input %s", i, hn_dtype_name(c->in[i]->dtype),
                          hn_dtype_name(c->in[0]->dtype));
        if (hn_shape_known(&c->in[i]->shape) && hn_count(c->in[i]) != 1)
            return hn_bad(c, "bound %d has %zu elements, expected 1", i, hn_count(c->in[i]));
    }
    return hn_infer_same(c);
}

/* Max with the lower bound, then min with the upper: where they cross, the upper one wins. */
static double f_lower(double x, double low) { return x < low ? low : x; }
static double f_upper(double x, double high) { return x > high ? high : x; }
static int64_t i_lower(int64_t x, int64_t low) { return x < low ? low : x; }
static int64_t i_upper(int64_t x, int64_t high) { return x > high ? high : x; }
static int64_t u_lower(uint64_t x, uint64_t low) { return (int64_t)(x < low ? low : x); }
static int64_t u_upper(uint64_t x, uint64_t high) { return (int64_t)(x > high ? high : x); }

static hn_err run_clip(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    for (int i = 1; i <= 2; i++) {
        hn_zip_fns fns = i == 1 ? (hn_zip_fns){ f_lower, i_lower, u_lower }
                                : (hn_zip_fns){ f_upper, i_upper, u_upper };
        if (!hn_has_in(c, i))
            continue;
        hn_tensor bound = *c->in[i];
        bound.shape.rank = 0;                   /* [1] would not fit a scalar input */
        HN_TRY(hn_zip_tensors(c, x, &bound, fns, c->out[0]));
        x = c->out[0];
    }
    if (x == c->in[0] && hn_bytes(x))
        memcpy(c->out[0]->data, x->data, hn_bytes(x));
    return HN_OK;
}

const hn_op hn_op_clip = {
    .name = "Clip", .since = 13, .min_in = 1, .max_in = 3, .min_out = 1, .max_out = 1,
    .infer = infer_clip, .run = run_clip,
};
