/* SPDX-License-Identifier: Apache-2.0 */
/* unary.c: one number in, one number out, the same shape. */
#include <math.h>

#include "graph/elementwise.h"

static double f_relu(double x) { return x < 0 ? 0 : x; }      /* NaN stays NaN */
static int64_t i_relu(int64_t x) { return x < 0 ? 0 : x; }
static double f_neg(double x) { return -x; }
static int64_t i_neg(int64_t x) { return (int64_t)-(uint64_t)x; }
static int64_t i_abs(int64_t x) { return x < 0 ? i_neg(x) : x; }
static int64_t i_same(int64_t x) { return x; }
static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double f_reciprocal(double x) { return 1 / x; }
static double f_sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }     /* keeps NaN and -0 */
static int64_t i_sign(int64_t x) { return (x > 0) - (x < 0); }
static int64_t u_sign(int64_t x) { return x != 0; }
static int64_t i_not(int64_t x) { return !x; }
static int64_t i_bitwise_not(int64_t x) { return ~x; }
static double f_is_nan(double x) { return isnan(x); }
static double f_softsign(double x) { return x / (1 + fabs(x)); }
static double f_hard_swish(double x) { return hn_act_apply((hn_act){ .kind = HN_ACT_HARDSWISH }, x); }

/* log(1 + exp(x)) without overflow */
static double f_softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double f_mish(double x) { return x * tanh(f_softplus(x)); }

/* UNARY(id, ONNX name, opset, float function, signed integer function, unsigned function);
 * NULL where ONNX has none */
#define UNARY(id, onnx, opset, f, i, u)                                                 \
    static hn_err run_##id(hn_call *c)                                                  \
    {                                                                                   \
        int64_t (*const signed_fn)(int64_t) = i, (*const unsigned_fn)(int64_t) = u;     \
        bool is_unsigned = hn_dtype_class(c->in[0]->dtype) == HN_CLASS_U;               \
        return hn_map(c, f, is_unsigned ? unsigned_fn : signed_fn);                     \
    }                                                                                   \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 1, .max_in = 1,  \
        .min_out = 1, .max_out = 1, .infer = hn_infer_same, .run = run_##id };

#define FLOATS(id, onnx, opset, f) UNARY(id, onnx, opset, f, NULL, NULL)

UNARY(abs,  "Abs",  13, fabs,   i_abs,  i_same)
UNARY(neg,  "Neg",  13, f_neg,  i_neg,  NULL)
UNARY(relu, "Relu", 14, f_relu, i_relu, i_same)
UNARY(sign, "Sign", 13, f_sign, i_sign, u_sign)
UNARY(bitwise_not, "BitwiseNot", 18, NULL, i_bitwise_not, i_bitwise_not)

FLOATS(sqrt,       "Sqrt",       13, sqrt)
FLOATS(exp,        "Exp",        13, exp)
FLOATS(log,        "Log",        13, log)
FLOATS(sigmoid,    "Sigmoid",    13, f_sigmoid)
FLOATS(tanh,       "Tanh",       13, tanh)
FLOATS(reciprocal, "Reciprocal", 13, f_reciprocal)
FLOATS(floor,      "Floor",      13, floor)
FLOATS(ceil,       "Ceil",       13, ceil)
FLOATS(round,      "Round",      22, rint)       /* half to even */
FLOATS(erf,        "Erf",        13, erf)
FLOATS(sin,        "Sin",        22, sin)
FLOATS(cos,        "Cos",        22, cos)
FLOATS(tan,        "Tan",        22, tan)
FLOATS(asin,       "Asin",       22, asin)
FLOATS(acos,       "Acos",       22, acos)
FLOATS(atan,       "Atan",       22, atan)
FLOATS(sinh,       "Sinh",       22, sinh)
FLOATS(cosh,       "Cosh",       22, cosh)
FLOATS(asinh,      "Asinh",      22, asinh)
FLOATS(acosh,      "Acosh",      22, acosh)
FLOATS(atanh,      "Atanh",      22, atanh)
FLOATS(softplus,   "Softplus",   22, f_softplus)
FLOATS(softsign,   "Softsign",   22, f_softsign)
FLOATS(hard_swish, "HardSwish",  22, f_hard_swish)
FLOATS(mish,       "Mish",       22, f_mish)

/* ---- With a truth value in or out ------------------------------------------------------ */

static hn_err infer_not(hn_call *c)
{
    if (c->in[0]->dtype != HN_BOOL)
        return hn_bad(c, "input is %s, expected bool", hn_dtype_name(c->in[0]->dtype));
    return hn_infer_same(c);
}

static hn_err run_not(hn_call *c) { return hn_map(c, NULL, i_not); }

static hn_err infer_is(hn_call *c)
{
    if (!hn_is_float(c->in[0]->dtype))
        return hn_bad(c, "input is %s, expected a float type", hn_dtype_name(c->in[0]->dtype));
    hn_out(c, 0, HN_BOOL, &c->in[0]->shape);
    return HN_OK;
}

static hn_err run_is_nan(hn_call *c) { return hn_map(c, f_is_nan, NULL); }

typedef struct signs { bool positive, negative; } signs;

static double f_is_inf(double x, const void *arg)
{
    const signs *s = arg;
    return isinf(x) && (x > 0 ? s->positive : s->negative);
}

static hn_err run_is_inf(hn_call *c)
{
    signs s = { hn_attr_int(c->node, "detect_positive", 1), hn_attr_int(c->node, "detect_negative", 1) };
    return hn_map_with(c, f_is_inf, &s);
}

static const hn_attr_spec inf_attr[] = {
    { "detect_positive", HN_ATTR_INT, "1" }, { "detect_negative", HN_ATTR_INT, "1" }, { 0 }
};

#define PREDICATE(id, onnx, opset, attrs, infer_fn, run_fn)                                \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 1, .max_in = 1,     \
        .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

PREDICATE(not,    "Not",   1,  NULL,     infer_not, run_not)
PREDICATE(is_nan, "IsNaN", 20, NULL,     infer_is,  run_is_nan)
PREDICATE(is_inf, "IsInf", 20, inf_attr, infer_is,  run_is_inf)
