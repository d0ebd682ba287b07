/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_recurrent.c: layers with state.
 *
 * A layer that is given whole sequences starts each of them afresh: its state is 0 before the first step,
 * as TFLite has it when an interpreter was just made or reset.  SVDF is given one step at a time: its state
 * becomes an input and an output of the model, which the caller hands on from run to run. */
#include <string.h>

#include "formats/tflite.h"

/* LSTM's operands. */
enum {
    LSTM_X, LSTM_W = 1, LSTM_R = 5, LSTM_PEEPHOLE = 9, LSTM_BIAS = 12, LSTM_PROJECTION = 16, LSTM_STATE = 18,
    LSTM_NORM = 20, LSTM_OPERANDS = 24
};

/* Gate g of ONNX (input, output, forget, cell) among TFLite's (input, forget, cell, output). */
static const int gate[4] = { 0, 3, 1, 2 };

/* Four gates' operands one under another, with a dimension of 1 in front: [1, 4 H, ...].  Those left out
 * are 0. */
static hn_err stack(hn_tfl_op *o, size_t first, const int *order, int count, hn_value **out)
{
    hn_value *part[4], *axes;
    hn_tfl_attrs a = { .count = 0 };
    for (int i = 0; i < count; i++)
        HN_TRY(hn_tfl_real(o, first + (size_t)order[i], &part[i]));
    hn_tfl_attr_int(&a, "axis", 0);
    HN_TRY(hn_tfl_node(o, NULL, "Concat", part, count, &a, out));
    HN_TRY(hn_tfl_const_ints(o, (const int64_t[]){ 0 }, 1, &axes));
    return HN_TFL_NODE(o, "Unsqueeze", NULL, out, *out, axes);
}

/* ONNX adds two biases per gate: TFLite's, and none. */
static hn_err add_bias(hn_tfl_op *o, int64_t hidden, hn_value **out)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_shape s = { .rank = 2, .dim = { 1, 4 * hidden } };
    hn_value *part[2];
    *out = NULL;
    if (!hn_tfl_in(o, LSTM_BIAS + 1))
        return HN_OK;
    HN_TRY(stack(o, LSTM_BIAS, gate, 4, &part[0]));
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F32, &s, &part[1]));
    hn_tfl_attr_int(&a, "axis", 1);
    return hn_tfl_node(o, NULL, "Concat", part, 2, &a, out);
}

static hn_err check_lstm(hn_tfl_op *o)
{
    static const struct { int from, to; const char *what; } missing[] = {
        { LSTM_PROJECTION, LSTM_PROJECTION + 2, "a projection" }, { LSTM_NORM, LSTM_OPERANDS, "layer normalisation" },
    };
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        for (int j = missing[i].from; j < missing[i].to; j++)
            if (hn_tfl_in(o, (size_t)j))
                return hn_tfl_unsup(o, "%s", missing[i].what);
    if (!hn_tfl_in(o, LSTM_W) || !hn_tfl_in(o, LSTM_R))
        return hn_tfl_unsup(o, "coupled input and forget gates");
    if (hn_fb_int(&o->options, 0, 1, 0) != HN_TFL_ACT_TANH)
        return hn_tfl_unsup(o, "activation %lld", (long long)hn_fb_int(&o->options, 0, 1, 0));
    return HN_OK;
}

static hn_err lstm_floats(hn_tfl_op *o, bool time_first)
{
    static const int peephole[3] = { 0, 2, 1 };          /* input, output, forget */
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x, *w, *r, *b, *p = NULL, *y;
    const hn_tensor *t;
    HN_TRY(hn_tfl_input(o, LSTM_X, &x));
    HN_TRY(stack(o, LSTM_W, gate, 4, &w));
    HN_TRY(stack(o, LSTM_R, gate, 4, &r));
    HN_TRY(hn_tfl_known(o, r, &t));
    if (t->shape.rank != 3)
        return hn_tfl_bad(o, "recurrent weights of %d dimensions", t->shape.rank - 1);
    int64_t hidden = t->shape.dim[2];
    HN_TRY(add_bias(o, hidden, &b));
    if (hn_tfl_in(o, LSTM_PEEPHOLE))
        HN_TRY(stack(o, LSTM_PEEPHOLE, peephole, 3, &p));
    if (!time_first)
        HN_TRY(hn_tfl_transpose(o, x, 3, (const int64_t[]){ 1, 0, 2 }, &x));
    float clip = hn_fb_f32(&o->options, 1, 0);
    hn_value *const in[] = { x, w, r, b, NULL, NULL, NULL, p };
    hn_tfl_attr_int(&a, "hidden_size", hidden);
    if (clip > 0)
        hn_tfl_attr_float(&a, "cell_clip", clip);
    HN_TRY(hn_tfl_node(o, clip > 0 ? "hone" : NULL, "LSTM", in, 8, &a, &y));
    HN_TRY(hn_tfl_const_ints(o, (const int64_t[]){ 1 }, 1, &b));
    HN_TRY(HN_TFL_NODE(o, "Squeeze", NULL, &y, y, b));   /* [steps, directions, batch, H] */
    if (!time_first)
        HN_TRY(hn_tfl_transpose(o, y, 3, (const int64_t[]){ 1, 0, 2 }, &y));
    return hn_tfl_result(o, 0, y);
}

/* Four operands one under another, in TFLite's own order. */
static hn_err pile(hn_tfl_op *o, size_t first, hn_value **out)
{
    hn_value *part[4];
    hn_tfl_attrs a = { .count = 0 };
    for (size_t i = 0; i < 4; i++)
        HN_TRY(hn_tfl_input(o, first + i, &part[i]));
    hn_tfl_attr_int(&a, "axis", 0);
    return hn_tfl_node(o, NULL, "Concat", part, 4, &a, out);
}

/* Gates' sums have 12 bits behind the point: the factors bring products of x, and of h, there. */
static hn_err lstm_factors(hn_tfl_op *o, hn_value **out)
{
    const hn_tfl_tensor *x = hn_tfl_in(o, LSTM_X), *h = hn_tfl_in(o, LSTM_STATE);
    hn_shape s = { .rank = 1, .dim = { 8 } };
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F64, &s, out));
    for (size_t i = 0; i < 8; i++) {
        const hn_tfl_tensor *w = hn_tfl_in(o, LSTM_W + i);
        if (!w || w->quant.scale.count != 1)
            return hn_tfl_unsup(o, "weights without one scale each");
        float product = hn_tfl_scale(i < 4 ? x : h) * hn_tfl_scale(w);
        ((double *)(*out)->t.data)[i] = (double)product * 4096;
    }
    return HN_OK;
}

static hn_err lstm_integers(hn_tfl_op *o, bool time_first)
{
    static const int64_t swap[] = { 1, 0, 2 };
    const hn_tfl_tensor *x = hn_tfl_in(o, LSTM_X), *h = hn_tfl_in(o, LSTM_STATE), *c = hn_tfl_in(o, LSTM_STATE + 1);
    hn_tfl_attrs a = { .count = 0 };
    hn_value *in[5] = { NULL }, *y;
    if (!h || !c || h->type != HN_I8 || c->type != HN_I16 || hn_tfl_scale(c) != 1.0f / 4096)
        return hn_tfl_unsup(o, "state other than of 8 bits, with a cell of 16 of which 12 behind the point");
    if (hn_tfl_in(o, LSTM_PEEPHOLE))
        return hn_tfl_unsup(o, "peepholes on integers");
    HN_TRY(hn_tfl_input(o, LSTM_X, &in[0]));
    HN_TRY(pile(o, LSTM_W, &in[1]));
    HN_TRY(pile(o, LSTM_R, &in[2]));
    HN_TRY(lstm_factors(o, &in[3]));
    if (hn_tfl_in(o, LSTM_BIAS))
        HN_TRY(pile(o, LSTM_BIAS, &in[4]));
    if (time_first)
        HN_TRY(hn_tfl_transpose(o, in[0], 3, swap, &in[0]));
    hn_tfl_attr_float(&a, "cell_clip", hn_fb_f32(&o->options, 1, 0));
    hn_tfl_attr_int(&a, "x_zero", hn_tfl_zero(x));
    hn_tfl_attr_float(&a, "y_scale", hn_tfl_scale(h));
    HN_TRY(hn_tfl_attr_range(o, &a, h, HN_TFL_ACT_NONE));
    HN_TRY(hn_tfl_node(o, "hone", "QLSTM", in, 5, &a, &y));
    if (time_first)
        HN_TRY(hn_tfl_transpose(o, y, 3, swap, &y));
    return hn_tfl_result(o, 0, y);
}

hn_err hn_tfl_lstm(hn_tfl_op *o)
{
    const hn_tfl_tensor *x = hn_tfl_in(o, LSTM_X), *w = hn_tfl_in(o, LSTM_W + 1);
    bool time_first = hn_fb_int(&o->options, 3, 1, 0) != 0;
    HN_TRY(check_lstm(o));
    if (!x || !w)
        return hn_tfl_bad(o, "expected an input and weights");
    if (hn_is_float(x->type) && hn_is_float(w->type))
        return lstm_floats(o, time_first);
    if (x->type == HN_I8 && w->type == HN_I8)
        return lstm_integers(o, time_first);
    return hn_tfl_unsup(o, "on %s with weights of %s", hn_dtype_name(x->type), hn_dtype_name(w->type));
}

/* ---- SVDF --------------------------------------------------------------------------------------- */

enum { SVDF_X, SVDF_FEATURE, SVDF_TIME, SVDF_BIAS, SVDF_STATE };

/* A filter is a row of weights over features and one over time: its memory, the last products with the
 * features, moves on by one and is weighted and summed; `rank` filters make one result. */
hn_err hn_tfl_svdf(hn_tfl_op *o)
{
    hn_tfl_tensor *state = hn_tfl_in(o, SVDF_STATE), *time = hn_tfl_in(o, SVDF_TIME), *xt = hn_tfl_in(o, SVDF_X);
    int64_t rank = hn_fb_int(&o->options, 0, 4, 1);
    hn_tfl_attrs gemm = { .count = 0 }, join = { .count = 0 }, drop = { .count = 0 };
    hn_value *x, *feature, *weight, *bias, *memory, *old, *v, *axis, *one, *all;
    HN_TRY(hn_tfl_input(o, SVDF_X, &x));
    HN_TRY(hn_tfl_input(o, SVDF_FEATURE, &feature));
    HN_TRY(hn_tfl_input(o, SVDF_TIME, &weight));
    HN_TRY(hn_tfl_optional(o, SVDF_BIAS, &bias));
    if (!state || xt->type != HN_F32 || feature->t.dtype != HN_F32 || weight->t.dtype != HN_F32)
        return hn_tfl_unsup(o, "on other than floats");
    if (time->shape.rank != 2 || rank < 1 || time->shape.dim[0] % rank || state->shape.rank != 2)
        return hn_tfl_bad(o, "%lld filters of rank %lld", (long long)time->shape.dim[0], (long long)rank);
    int64_t filters = time->shape.dim[0], steps = time->shape.dim[1], batch = state->shape.dim[0];
    if (state->value || !state->is_variable)
        return hn_tfl_unsup(o, "a state that is shared or constant");
    HN_TRY(hn_tfl_state(o, state->name, state->type, &state->shape, &state->value));
    memory = state->value;
    HN_TRY(hn_tfl_reshape(o, memory, (const int64_t[]){ batch, filters, steps }, 3, &old));
    HN_TRY(hn_tfl_const_ints(o, (const int64_t[]){ 2 }, 1, &axis));
    HN_TRY(hn_tfl_const_ints(o, (const int64_t[]){ 1 }, 1, &one));
    HN_TRY(hn_tfl_const_ints(o, (const int64_t[]){ INT64_MAX }, 1, &all));
    HN_TRY(HN_TFL_NODE(o, "Slice", NULL, &old, old, one, all, axis));
    hn_tfl_attr_int(&gemm, "transB", 1);
    HN_TRY(HN_TFL_NODE(o, "Gemm", &gemm, &v, x, feature));
    HN_TRY(hn_tfl_reshape(o, v, (const int64_t[]){ batch, filters, 1 }, 3, &v));
    hn_tfl_attr_int(&join, "axis", 2);
    HN_TRY(HN_TFL_NODE(o, "Concat", &join, &v, old, v));
    HN_TRY(hn_tfl_reshape(o, v, (const int64_t[]){ batch, filters * steps }, 2, &memory));
    HN_TRY(HN_TFL_NODE(o, "Mul", NULL, &v, v, weight));
    hn_tfl_attr_int(&drop, "keepdims", 0);
    HN_TRY(HN_TFL_NODE(o, "ReduceSum", &drop, &v, v, axis));
    HN_TRY(hn_tfl_reshape(o, v, (const int64_t[]){ batch, filters / rank, rank }, 3, &v));
    HN_TRY(HN_TFL_NODE(o, "ReduceSum", &drop, &v, v, axis));
    if (bias)
        HN_TRY(HN_TFL_NODE(o, "Add", NULL, &v, v, bias));
    HN_TRY(hn_tfl_activate(o, v, hn_fb_int(&o->options, 1, 1, 0), &v));
    HN_TRY(hn_tfl_result(o, 0, v));
    return hn_tfl_next_state(o, state->value, memory);
}
