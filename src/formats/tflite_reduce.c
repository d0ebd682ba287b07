/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_reduce.c: along axes: sums and means, extremes, softmax. */
#include <string.h>

#include "formats/tflite.h"

static hn_err quantised_reduce(hn_tfl_op *o, const char *op, const int64_t *axis, int axes, int64_t keep)
{
    const hn_tfl_tensor *from = hn_tfl_in(o, 0), *to = hn_tfl_out(o, 0);
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_attr_ints(o, &a, "axes", axis, (size_t)axes));
    hn_tfl_attr_int(&a, "keepdims", keep);
    hn_tfl_attr_float(&a, "x_scale", hn_tfl_scale(from));
    hn_tfl_attr_int(&a, "x_zero", hn_tfl_zero(from));
    hn_tfl_attr_float(&a, "y_scale", hn_tfl_scale(to));
    HN_TRY(hn_tfl_attr_range(o, &a, to, HN_TFL_ACT_NONE));
    HN_TRY(HN_TFL_HONE(o, op, &a, &x, x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_reduce(hn_tfl_op *o)
{
    static const struct { const char *name, *onnx, *quantised; } ops[] = {
        { "MEAN", "ReduceMean", "QMean" }, { "SUM", "ReduceSum", "QSum" }, { "REDUCE_PROD", "ReduceProd", NULL },
        { "REDUCE_MAX", "ReduceMax", NULL }, { "REDUCE_MIN", "ReduceMin", NULL },
    };
    const hn_tfl_tensor *from = hn_tfl_in(o, 0), *to = hn_tfl_out(o, 0);
    int64_t axis[HN_RANK_MAX], keep = hn_fb_int(&o->options, 0, 1, 0) != 0;
    int axes;
    size_t i = 0;
    hn_value *x, *along;
    hn_tfl_attrs a = { .count = 0 };
    while (strcmp(o->name, ops[i].name) != 0)
        i++;
    HN_TRY(hn_tfl_ints(o, 1, axis, HN_RANK_MAX, &axes));
    bool quantised = from && to && hn_tfl_is_quantised(from) && hn_tfl_is_quantised(to);
    if (quantised && ops[i].quantised)
        return quantised_reduce(o, ops[i].quantised, axis, axes, keep);
    bool plain = quantised && hn_tfl_same_quant(from, to) && strcmp(o->name, "REDUCE_PROD") != 0;
    HN_TRY(plain ? hn_tfl_input(o, 0, &x) : hn_tfl_real(o, 0, &x));
    HN_TRY(hn_tfl_const_ints(o, axis, (size_t)axes, &along));
    hn_tfl_attr_int(&a, "keepdims", keep);
    HN_TRY(HN_TFL_NODE(o, ops[i].onnx, &a, &x, x, along));
    if (!plain)
        HN_TRY(hn_tfl_from_real(o, x, to, &x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_softmax(hn_tfl_op *o)
{
    const hn_tfl_tensor *from = hn_tfl_in(o, 0), *to = hn_tfl_out(o, 0);
    float beta = hn_fb_f32(&o->options, 0, 0);
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x, *factor;
    HN_TRY(hn_tfl_input(o, 0, &x));
    if (from && to && hn_tfl_is_quantised(from) && hn_tfl_is_quantised(to) && hn_dtype_bits(from->type) == 8) {
        hn_tfl_attr_int(&a, "to", hn_dtype_to_onnx(to->type));
        hn_tfl_attr_float(&a, "x_scale", hn_tfl_scale(from) * beta);
        hn_tfl_attr_float(&a, "y_scale", hn_tfl_scale(to));
        HN_TRY(hn_tfl_attr_range(o, &a, to, HN_TFL_ACT_NONE));
        HN_TRY(HN_TFL_HONE(o, "QSoftmax", &a, &x, x));
        return hn_tfl_result(o, 0, x);
    }
    HN_TRY(hn_tfl_real(o, 0, &x));
    if (beta != 1) {
        HN_TRY(hn_tfl_const_scalar(o, HN_F32, (double)beta, &factor));
        HN_TRY(HN_TFL_NODE(o, "Mul", NULL, &x, x, factor));
    }
    hn_tfl_attr_int(&a, "axis", -1);
    HN_TRY(HN_TFL_NODE(o, "Softmax", &a, &x, x));
    HN_TRY(hn_tfl_from_real(o, x, to, &x));
    return hn_tfl_result(o, 0, x);
}

static hn_err on_rows(hn_tfl_op *o, const char *op)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x;
    HN_TRY(hn_tfl_real(o, 0, &x));
    hn_tfl_attr_int(&a, "axis", -1);
    HN_TRY(HN_TFL_NODE(o, op, &a, &x, x));
    HN_TRY(hn_tfl_from_real(o, x, hn_tfl_out(o, 0), &x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_log_softmax(hn_tfl_op *o) { return on_rows(o, "LogSoftmax"); }
hn_err hn_tfl_l2_normalization(hn_tfl_op *o) { return on_rows(o, "LpNormalization"); }

hn_err hn_tfl_arg_extreme(hn_tfl_op *o)
{
    const hn_tfl_tensor *to = hn_tfl_out(o, 0);
    hn_tfl_attrs a = { .count = 0 };
    int64_t axis;
    int count;
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, &axis, 1, &count));
    if (count != 1 || !to)
        return hn_tfl_bad(o, "the axis or the output is missing");
    hn_tfl_attr_int(&a, "axis", axis);
    hn_tfl_attr_int(&a, "keepdims", 0);
    HN_TRY(HN_TFL_NODE(o, strcmp(o->name, "ARG_MAX") ? "ArgMin" : "ArgMax", &a, &x, x));
    if (to->type == HN_I32)
        HN_TRY(hn_tfl_cast(o, x, HN_I32, &x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_topk(hn_tfl_op *o)
{
    hn_value *x, *count, *out[2];
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_input(o, 1, &count));
    HN_TRY(hn_tfl_cast(o, count, HN_I64, &count));
    HN_TRY(hn_tfl_reshape(o, count, (const int64_t[]){ 1 }, 1, &count));
    HN_TRY(hn_tfl_node_n(o, NULL, "TopK", (hn_value *const[]){ x, count }, 2, NULL, out, 2));
    HN_TRY(hn_tfl_result(o, 0, out[0]));
    HN_TRY(hn_tfl_cast(o, out[1], HN_I32, &out[1]));
    return hn_tfl_result(o, 1, out[1]);
}

hn_err hn_tfl_cumsum(hn_tfl_op *o)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x, *axis;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_input(o, 1, &axis));
    hn_tfl_attr_int(&a, "exclusive", hn_fb_int(&o->options, 0, 1, 0) != 0);
    hn_tfl_attr_int(&a, "reverse", hn_fb_int(&o->options, 1, 1, 0) != 0);
    HN_TRY(HN_TFL_NODE(o, "CumSum", &a, &x, x, axis));
    return hn_tfl_result(o, 0, x);
}
