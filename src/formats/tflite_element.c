/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_element.c: element by element.
 *
 * On quantised tensors the arithmetic has integer operators; anything on one operand of 8 bits is a
 * table; the rest goes through real numbers. */
#include <math.h>
#include <string.h>

#include "formats/tflite.h"

static bool named(const hn_tfl_op *o, const char *name) { return strcmp(o->name, name) == 0; }

/* ---- Two operands ------------------------------------------------------------------------------ */

static hn_err quantised_arithmetic(hn_tfl_op *o, const char *op, int64_t act)
{
    const hn_tfl_tensor *a = hn_tfl_in(o, 0), *b = hn_tfl_in(o, 1), *y = hn_tfl_out(o, 0);
    hn_tfl_attrs t = { .count = 0 };
    hn_value *va, *vb, *vy;
    HN_TRY(hn_tfl_input(o, 0, &va));
    HN_TRY(hn_tfl_input(o, 1, &vb));
    hn_tfl_attr_float(&t, "a_scale", hn_tfl_scale(a));
    hn_tfl_attr_int(&t, "a_zero", hn_tfl_zero(a));
    hn_tfl_attr_float(&t, "b_scale", hn_tfl_scale(b));
    hn_tfl_attr_int(&t, "b_zero", hn_tfl_zero(b));
    hn_tfl_attr_float(&t, "y_scale", hn_tfl_scale(y));
    HN_TRY(hn_tfl_attr_range(o, &t, y, act));
    HN_TRY(HN_TFL_HONE(o, op, &t, &vy, va, vb));
    return hn_tfl_result(o, 0, vy);
}

static hn_err real_pair(hn_tfl_op *o, hn_value **a, hn_value **b)
{
    HN_TRY(hn_tfl_real(o, 0, a));
    return hn_tfl_real(o, 1, b);
}

hn_err hn_tfl_arithmetic(hn_tfl_op *o)
{
    static const struct { const char *name, *onnx, *quantised; } ops[] = {
        { "ADD", "Add", "QAdd" }, { "SUB", "Sub", "QSub" }, { "MUL", "Mul", "QMul" }, { "DIV", "Div", NULL },
    };
    const hn_tfl_tensor *a = hn_tfl_in(o, 0), *y = hn_tfl_out(o, 0);
    int64_t act = hn_fb_int(&o->options, 0, 1, 0);
    hn_value *x, *z, *v;
    size_t i = 0;
    while (!named(o, ops[i].name))
        i++;
    if (a && y && hn_tfl_is_quantised(a) && hn_tfl_is_quantised(y) && hn_tfl_in(o, 1) && ops[i].quantised)
        return quantised_arithmetic(o, ops[i].quantised, act);
    HN_TRY(real_pair(o, &x, &z));
    HN_TRY(HN_TFL_NODE(o, ops[i].onnx, NULL, &v, x, z));
    HN_TRY(hn_tfl_activate(o, v, act, &v));
    HN_TRY(hn_tfl_from_real(o, v, y, &v));
    return hn_tfl_result(o, 0, v);
}

hn_err hn_tfl_binary(hn_tfl_op *o)
{
    static const struct { const char *name, *onnx; } ops[] = {
        { "MAXIMUM", "Max" }, { "MINIMUM", "Min" }, { "LESS", "Less" }, { "GREATER", "Greater" },
        { "GREATER_EQUAL", "GreaterOrEqual" }, { "LESS_EQUAL", "LessOrEqual" }, { "EQUAL", "Equal" },
        { "NOT_EQUAL", "Equal" }, { "POW", "Pow" }, { "LOGICAL_OR", "Or" }, { "LOGICAL_AND", "And" },
    };
    const hn_tfl_tensor *a = hn_tfl_in(o, 0), *b = hn_tfl_in(o, 1), *y = hn_tfl_out(o, 0);
    hn_value *x, *z, *v;
    size_t i = 0;
    while (!named(o, ops[i].name))
        i++;
    if (!a || !b || !y)
        return hn_tfl_bad(o, "expected two inputs and an output");
    /* The same numbers on all sides compare like what they stand for. */
    bool plain = hn_tfl_same_quant(a, b) && (!hn_tfl_is_quantised(y) || hn_tfl_same_quant(a, y));
    if (plain) {
        HN_TRY(hn_tfl_input(o, 0, &x));
        HN_TRY(hn_tfl_input(o, 1, &z));
    } else {
        HN_TRY(real_pair(o, &x, &z));
    }
    HN_TRY(HN_TFL_NODE(o, ops[i].onnx, NULL, &v, x, z));
    if (named(o, "NOT_EQUAL"))
        HN_TRY(HN_TFL_NODE(o, "Not", NULL, &v, v));
    if (!plain)
        HN_TRY(hn_tfl_from_real(o, v, y, &v));
    return hn_tfl_result(o, 0, v);
}

/* ONNX's Mod on integers has the divisor's sign, so what it leaves divides evenly, and downwards. */
hn_err hn_tfl_floor_div(hn_tfl_op *o)
{
    const hn_tensor *t;
    hn_value *x, *y, *v;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_input(o, 1, &y));
    HN_TRY(hn_tfl_known(o, x, &t));
    if (hn_is_float(t->dtype)) {
        HN_TRY(HN_TFL_NODE(o, "Div", NULL, &v, x, y));
        HN_TRY(HN_TFL_NODE(o, "Floor", NULL, &v, v));
    } else {
        HN_TRY(HN_TFL_NODE(o, "Mod", NULL, &v, x, y));
        HN_TRY(HN_TFL_NODE(o, "Sub", NULL, &v, x, v));
        HN_TRY(HN_TFL_NODE(o, "Div", NULL, &v, v, y));
    }
    return hn_tfl_result(o, 0, v);
}

hn_err hn_tfl_floor_mod(hn_tfl_op *o)
{
    const hn_tensor *t;
    hn_value *x, *y, *v;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_input(o, 1, &y));
    HN_TRY(hn_tfl_known(o, x, &t));
    if (hn_is_float(t->dtype)) {
        HN_TRY(HN_TFL_NODE(o, "Div", NULL, &v, x, y));
        HN_TRY(HN_TFL_NODE(o, "Floor", NULL, &v, v));
        HN_TRY(HN_TFL_NODE(o, "Mul", NULL, &v, v, y));
        HN_TRY(HN_TFL_NODE(o, "Sub", NULL, &v, x, v));
    } else {
        HN_TRY(HN_TFL_NODE(o, "Mod", NULL, &v, x, y));
    }
    return hn_tfl_result(o, 0, v);
}

hn_err hn_tfl_squared_difference(hn_tfl_op *o)
{
    hn_value *x, *y, *v;
    HN_TRY(real_pair(o, &x, &y));
    HN_TRY(HN_TFL_NODE(o, "Sub", NULL, &v, x, y));
    HN_TRY(HN_TFL_NODE(o, "Mul", NULL, &v, v, v));
    HN_TRY(hn_tfl_from_real(o, v, hn_tfl_out(o, 0), &v));
    return hn_tfl_result(o, 0, v);
}

/* ---- One operand ------------------------------------------------------------------------------- */

static float f_floor(float x, const void *arg)    { (void)arg; return floorf(x); }
static float f_logistic(float x, const void *arg) { (void)arg; return 1 / (1 + expf(-x)); }
static float f_relu(float x, const void *arg)     { (void)arg; return fmaxf(x, 0); }
static float f_relu1(float x, const void *arg)    { (void)arg; return fminf(fmaxf(x, -1), 1); }
static float f_relu6(float x, const void *arg)    { (void)arg; return fminf(fmaxf(x, 0), 6); }
static float f_tanh(float x, const void *arg)     { (void)arg; return tanhf(x); }
static float f_exp(float x, const void *arg)      { (void)arg; return expf(x); }
static float f_neg(float x, const void *arg)      { (void)arg; return -x; }
static float f_sin(float x, const void *arg)      { (void)arg; return sinf(x); }
static float f_cos(float x, const void *arg)      { (void)arg; return cosf(x); }
static float f_log(float x, const void *arg)      { (void)arg; return logf(x); }
static float f_sqrt(float x, const void *arg)     { (void)arg; return sqrtf(x); }
static float f_rsqrt(float x, const void *arg)    { (void)arg; return 1 / sqrtf(x); }
static float f_square(float x, const void *arg)   { (void)arg; return x * x; }
static float f_leaky(float x, const void *arg)    { return x < 0 ? x * *(const float *)arg : x; }
static float f_abs(float x, const void *arg)      { (void)arg; return fabsf(x); }
static float f_ceil(float x, const void *arg)     { (void)arg; return ceilf(x); }
static float f_elu(float x, const void *arg)      { (void)arg; return x < 0 ? expm1f(x) : x; }
static float f_round(float x, const void *arg)    { (void)arg; return rintf(x); }
static float f_hswish(float x, const void *arg)   { (void)arg; return x * fminf(fmaxf(x + 3, 0), 6) / 6; }

static float f_gelu(float x, const void *arg)
{
    if (*(const float *)arg != 0)                 /* by tanh */
        return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    return 0.5f * x * (1 + erff(x * 0.7071067812f));
}

typedef struct unary { const char *name, *onnx; hn_tfl_real_fn *f; } unary;
static const unary unaries[] = {
    { "FLOOR", "Floor", f_floor }, { "LOGISTIC", "Sigmoid", f_logistic }, { "RELU", "Relu", f_relu },
    { "RELU_N1_TO_1", NULL, f_relu1 }, { "RELU6", NULL, f_relu6 }, { "TANH", "Tanh", f_tanh }, { "EXP", "Exp", f_exp },
    { "NEG", "Neg", f_neg }, { "SIN", "Sin", f_sin }, { "COS", "Cos", f_cos }, { "LOG", "Log", f_log },
    { "SQRT", "Sqrt", f_sqrt }, { "RSQRT", "Sqrt", f_rsqrt }, { "LOGICAL_NOT", "Not", NULL }, { "SQUARE", NULL, f_square },
    { "LEAKY_RELU", "LeakyRelu", f_leaky }, { "ABS", "Abs", f_abs }, { "CEIL", "Ceil", f_ceil }, { "ELU", "Elu", f_elu },
    { "ROUND", "Round", f_round }, { "HARD_SWISH", "HardSwish", f_hswish }, { "GELU", "Gelu", f_gelu },
};

/* LEAKY_RELU's slope; GELU's choice of approximation. */
static float argument_of(const hn_tfl_op *o)
{
    return named(o, "GELU") ? hn_fb_int(&o->options, 0, 1, 0) != 0 : hn_fb_f32(&o->options, 0, 0);
}

static hn_err unary_floats(hn_tfl_op *o, const unary *u, hn_value *x, hn_value **y)
{
    hn_tfl_attrs a = { .count = 0 };
    if (named(o, "RELU6") || named(o, "RELU_N1_TO_1"))
        return hn_tfl_activate(o, x, named(o, "RELU6") ? HN_TFL_ACT_RELU6 : HN_TFL_ACT_RELU_N1_TO_1, y);
    if (named(o, "SQUARE"))
        return HN_TFL_NODE(o, "Mul", NULL, y, x, x);
    if (named(o, "LEAKY_RELU"))
        hn_tfl_attr_float(&a, "alpha", argument_of(o));
    if (named(o, "GELU"))
        hn_tfl_attr_text(&a, "approximate", argument_of(o) != 0 ? "tanh" : "none");
    HN_TRY(HN_TFL_NODE(o, u->onnx, &a, y, x));
    return named(o, "RSQRT") ? HN_TFL_NODE(o, "Reciprocal", NULL, y, *y) : HN_OK;
}

hn_err hn_tfl_unary(hn_tfl_op *o)
{
    const hn_tfl_tensor *from = hn_tfl_in(o, 0), *to = hn_tfl_out(o, 0);
    float argument = argument_of(o);
    hn_value *x, *y;
    const unary *u = unaries;
    while (!named(o, u->name))
        u++;
    if (u->f && from && to && hn_tfl_is_quantised(from) && hn_tfl_is_quantised(to) && hn_dtype_bits(from->type) == 8) {
        HN_TRY(hn_tfl_input(o, 0, &x));
        HN_TRY(hn_tfl_lookup(o, x, from, to, u->f, &argument, &y));
    } else {
        HN_TRY(hn_tfl_real(o, 0, &x));
        HN_TRY(unary_floats(o, u, x, &y));
        HN_TRY(hn_tfl_from_real(o, y, to, &y));
    }
    return hn_tfl_result(o, 0, y);
}

hn_err hn_tfl_prelu(hn_tfl_op *o)
{
    hn_value *x, *slope, *y;
    HN_TRY(real_pair(o, &x, &slope));
    HN_TRY(HN_TFL_NODE(o, "PRelu", NULL, &y, x, slope));
    HN_TRY(hn_tfl_from_real(o, y, hn_tfl_out(o, 0), &y));
    return hn_tfl_result(o, 0, y);
}

/* ---- Choosing, and other types ------------------------------------------------------------------ */

hn_err hn_tfl_select(hn_tfl_op *o)
{
    const hn_tfl_tensor *a = hn_tfl_in(o, 1), *b = hn_tfl_in(o, 2), *out = hn_tfl_out(o, 0);
    hn_value *when, *x, *y, *v;
    int rank, wide;
    HN_TRY(hn_tfl_input(o, 0, &when));
    HN_TRY(hn_tfl_input(o, 1, &x));
    HN_TRY(hn_tfl_input(o, 2, &y));
    HN_TRY(hn_tfl_rank(o, when, &rank));
    HN_TRY(hn_tfl_rank(o, x, &wide));
    if (named(o, "SELECT") && rank == 1 && wide > 1) {        /* chooses whole rows */
        int64_t dim[HN_RANK_MAX] = { -1 };
        for (int i = 1; i < wide; i++)
            dim[i] = 1;
        HN_TRY(hn_tfl_reshape(o, when, dim, (size_t)wide, &when));
    }
    if (out && hn_tfl_is_quantised(out)) {
        HN_TRY(hn_tfl_requantise(o, x, a, out, &x));
        HN_TRY(hn_tfl_requantise(o, y, b, out, &y));
    }
    HN_TRY(HN_TFL_NODE(o, "Where", NULL, &v, when, x, y));
    return hn_tfl_result(o, 0, v);
}

hn_err hn_tfl_dequantize(hn_tfl_op *o)
{
    const hn_tfl_tensor *t = hn_tfl_in(o, 0);
    hn_value *x;
    if (t && hn_is_float(t->type)) {                /* f16 weights: wider is all there is to it */
        HN_TRY(hn_tfl_input(o, 0, &x));
        HN_TRY(hn_tfl_cast(o, x, HN_F32, &x));
    } else {
        HN_TRY(hn_tfl_real(o, 0, &x));
    }
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_quantize(hn_tfl_op *o)
{
    const hn_tfl_tensor *from = hn_tfl_in(o, 0), *to = hn_tfl_out(o, 0);
    hn_value *x;
    if (!from || !to || !hn_tfl_is_quantised(to))
        return hn_tfl_unsup(o, "results that say not what they stand for");
    if (hn_tfl_is_quantised(from) && hn_dtype_bits(from->type) == 8) {
        HN_TRY(hn_tfl_input(o, 0, &x));
        HN_TRY(hn_tfl_requantise(o, x, from, to, &x));
    } else {
        HN_TRY(hn_tfl_real(o, 0, &x));
        HN_TRY(hn_tfl_from_real(o, x, to, &x));
    }
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_cast_op(hn_tfl_op *o)
{
    const hn_tfl_tensor *to = hn_tfl_out(o, 0);
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    if (!to || to->type == HN_NONE)
        return hn_tfl_unsup(o, "a type Hone has no values for");
    HN_TRY(hn_tfl_cast(o, x, to->type, &x));
    return hn_tfl_result(o, 0, x);
}
