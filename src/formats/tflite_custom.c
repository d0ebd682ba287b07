/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_custom.c: operators that a file knows by name: detectors' tail, microcontrollers' audio front end.
 * Their options are a map of names to numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "formats/flexbuffer.h"
#include "formats/tflite.h"

/* ---- Options ----------------------------------------------------------------------------------- */

static hn_flex options(const hn_tfl_op *o)
{
    hn_flex m;
    if (o->custom.count && hn_flex_map(o->r->fb.data + o->custom.at, o->custom.count, &m))
        return m;
    return (hn_flex){ .count = 0 };
}

static hn_err option(hn_tfl_op *o, const char *name, double *out)
{
    hn_flex m = options(o);
    if (!hn_flex_number(&m, name, out))
        return hn_tfl_bad(o, "its options have no number '%s'", name);
    return HN_OK;
}

/* A whole number of 32 bits, which every option of these operators is that is not a float. */
static hn_err option_int(hn_tfl_op *o, const char *name, int64_t *out)
{
    double v;
    HN_TRY(option(o, name, &v));
    if (!(fabs(v) <= 2147483648.0) || v != trunc(v))
        return hn_tfl_bad(o, "option '%s' is %g, expected a whole number", name, v);
    *out = (int64_t)v;
    return HN_OK;
}

/* The option as the attribute of that name. */
static hn_err keep_int(hn_tfl_op *o, hn_tfl_attrs *a, const char *name, const char *as, int64_t missing)
{
    hn_flex m = options(o);
    double v;
    int64_t i = missing;
    if (hn_flex_number(&m, name, &v))
        HN_TRY(option_int(o, name, &i));
    hn_tfl_attr_int(a, as, i);
    return HN_OK;
}

static hn_err keep_float(hn_tfl_op *o, hn_tfl_attrs *a, const char *name, const char *as)
{
    double v;
    HN_TRY(option(o, name, &v));
    hn_tfl_attr_float(a, as, (float)v);
    return HN_OK;
}

/* ---- Detection --------------------------------------------------------------------------------- */

hn_err hn_tfl_detection_postprocess(hn_tfl_op *o)
{
    static const char *const floats[][2] = {
        { "nms_score_threshold", "score_threshold" }, { "nms_iou_threshold", "iou_threshold" },
        { "y_scale", "y_scale" }, { "x_scale", "x_scale" }, { "h_scale", "h_scale" }, { "w_scale", "w_scale" },
    };
    hn_tfl_attrs a = { .count = 0 };
    hn_value *in[3], *out[4];
    for (size_t i = 0; i < 3; i++)
        HN_TRY(hn_tfl_real(o, i, &in[i]));
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        HN_TRY(keep_float(o, &a, floats[i][0], floats[i][1]));
    HN_TRY(keep_int(o, &a, "max_detections", "max_detections", 1));
    HN_TRY(keep_int(o, &a, "max_classes_per_detection", "max_classes", 1));
    HN_TRY(keep_int(o, &a, "num_classes", "num_classes", 1));
    HN_TRY(keep_int(o, &a, "use_regular_nms", "per_class", 0));
    HN_TRY(keep_int(o, &a, "detections_per_class", "detections_per_class", 100));
    HN_TRY(hn_tfl_node_n(o, "hone", "DetectionPostprocess", in, 3, &a, out, 4));
    for (size_t i = 0; i < 4; i++)
        HN_TRY(hn_tfl_result(o, i, out[i]));
    return HN_OK;
}

/* ---- The audio front end ----------------------------------------------------------------------- */

/* The operator of the same name in the "hone" domain, which takes the same operands and options. */
hn_err hn_tfl_signal_plain(hn_tfl_op *o)
{
    const hn_op *op = hn_op_find("hone", o->name);
    hn_tfl_attrs a = { .count = 0 };
    hn_value *in[8], *out[2];
    if (!op || o->in.count > 8 || o->out.count > 2 || o->out.count < 1)
        return hn_tfl_bad(o, "%zu operands and %zu results", o->in.count, o->out.count);
    for (size_t i = 0; i < o->in.count; i++)
        HN_TRY(hn_tfl_input(o, i, &in[i]));
    for (const hn_attr_spec *s = op->attr; s && s->name; s++)
        HN_TRY(keep_int(o, &a, s->name, s->name, 0));
    HN_TRY(hn_tfl_node_n(o, "hone", o->name, in, (int)o->in.count, &a, out, (int)o->out.count));
    for (size_t i = 0; i < o->out.count; i++)
        HN_TRY(hn_tfl_result(o, i, out[i]));
    return HN_OK;
}

/* Of floats: ONNX's transform, with pairs laid out along the last dimension. */
static hn_err transform_floats(hn_tfl_op *o, hn_value *x, int64_t length, bool inverse, hn_value **y)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_value *n, *axis;
    int rank;
    HN_TRY(hn_tfl_rank(o, x, &rank));
    const hn_shape s = x->t.shape;
    if (rank < 1 || rank >= HN_RANK_MAX || !hn_shape_known(&s))
        return hn_tfl_unsup(o, "samples of %d dimensions", rank);
    int64_t dim[HN_RANK_MAX], pairs = length / 2 + 1;
    memcpy(dim, s.dim, sizeof dim);
    dim[rank - 1] = inverse ? pairs : s.dim[rank - 1];
    dim[rank] = inverse ? 2 : 1;
    HN_TRY(hn_tfl_reshape(o, x, dim, (size_t)rank + 1, &x));
    HN_TRY(hn_tfl_const_scalar(o, HN_I64, (double)length, &n));
    HN_TRY(hn_tfl_const_scalar(o, HN_I64, rank - 1, &axis));
    hn_tfl_attr_int(&a, "onesided", 1);
    hn_tfl_attr_int(&a, "inverse", inverse);
    HN_TRY(HN_TFL_NODE(o, "DFT", &a, y, x, n, axis));
    dim[rank - 1] = inverse ? length : 2 * pairs;
    return hn_tfl_reshape(o, *y, dim, (size_t)rank, y);
}

hn_err hn_tfl_signal_rfft(hn_tfl_op *o)
{
    bool inverse = strcmp(o->name, "SignalIrfft") == 0;
    hn_tfl_attrs a = { .count = 0 };
    int64_t length;
    hn_value *x, *y;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(option_int(o, "fft_length", &length));
    if (length < 2)
        return hn_tfl_bad(o, "a transform of %lld places", (long long)length);
    hn_tfl_attr_int(&a, "fft_length", length);
    if (x->t.dtype == HN_F32)
        HN_TRY(transform_floats(o, x, length, inverse, &y));
    else if (x->t.dtype == HN_I16)
        HN_TRY(hn_tfl_node(o, "hone", o->name, &x, 1, &a, &y));
    else
        return hn_tfl_unsup(o, "on %s", hn_dtype_name(x->t.dtype));
    return hn_tfl_result(o, 0, y);
}

/* ---- With memory ------------------------------------------------------------------------------- */

/* Memory of the operator's own, which is no tensor of the file: named after its first result. */
static hn_err own_state(hn_tfl_op *o, hn_dtype type, const hn_shape *shape, hn_value **out)
{
    const hn_tfl_tensor *y = hn_tfl_out(o, 0);
    char name[128];
    int len = y ? snprintf(name, sizeof name, "%.*s.state", y->name.len > 100 ? 100 : (int)y->name.len, y->name.ptr)
                : snprintf(name, sizeof name, "state.%zu", o->index);
    if (memchr(name, 0, (size_t)len))
        return hn_tfl_bad(o, "its result's name has a zero byte in it");
    return hn_tfl_state(o, (hn_text){ name, (size_t)len }, type, shape, out);
}

hn_err hn_tfl_signal_subtraction(hn_tfl_op *o)
{
    static const char *const names[] = {
        "alternate_one_minus_smoothing", "alternate_smoothing", "clamping", "min_signal_remaining",
        "one_minus_smoothing", "smoothing", "smoothing_bits", "spectral_subtraction_bits",
    };
    hn_tfl_attrs a = { .count = 0 };
    hn_value *in[2], *out[2];
    const hn_tensor *x;
    HN_TRY(hn_tfl_input(o, 0, &in[0]));
    HN_TRY(hn_tfl_known(o, in[0], &x));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t v;
        HN_TRY(option_int(o, names[i], &v));
        hn_tfl_attr_int(&a, names[i], v);
    }
    HN_TRY(own_state(o, HN_U32, &x->shape, &in[1]));
    HN_TRY(hn_tfl_node_n(o, "hone", o->name, in, 2, &a, out, 2));
    HN_TRY(hn_tfl_result(o, 0, out[0]));
    HN_TRY(hn_tfl_result(o, 1, out[1]));
    return hn_tfl_next_state(o, in[1], out[1]);
}

static hn_err slice_last(hn_tfl_op *o, hn_value *x, int64_t from, int64_t to, hn_value **out)
{
    hn_value *a, *b, *axis;
    HN_TRY(hn_tfl_const_ints(o, &from, 1, &a));
    HN_TRY(hn_tfl_const_ints(o, &to, 1, &b));
    HN_TRY(hn_tfl_const_ints(o, (const int64_t[]){ -1 }, 1, &axis));
    return HN_TFL_NODE(o, "Slice", NULL, out, x, a, b, axis);
}

/* What is remembered, `size` samples, before what comes. */
static hn_err remembered(hn_tfl_op *o, hn_value *x, int64_t size, hn_value **state, hn_value **all)
{
    hn_tfl_attrs join = { .count = 0 };
    const hn_tensor *t;
    HN_TRY(hn_tfl_known(o, x, &t));
    hn_shape s = t->shape;
    if (s.rank < 1 || !hn_shape_known(&s) || size < 0)
        return hn_tfl_unsup(o, "memory of %lld over samples of %d dimensions", (long long)size, s.rank);
    s.dim[s.rank - 1] = size;
    HN_TRY(own_state(o, t->dtype, &s, state));
    hn_tfl_attr_int(&join, "axis", -1);
    return HN_TFL_NODE(o, "Concat", &join, all, *state, x);
}

hn_err hn_tfl_signal_delay(hn_tfl_op *o)
{
    hn_value *x, *state, *all, *y, *next;
    int64_t size;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(option_int(o, "delay_length", &size));
    HN_TRY(remembered(o, x, size, &state, &all));
    int64_t n = x->t.shape.dim[x->t.shape.rank - 1];
    HN_TRY(slice_last(o, all, 0, n, &y));
    HN_TRY(slice_last(o, all, n, n + size, &next));
    HN_TRY(hn_tfl_result(o, 0, y));
    return hn_tfl_next_state(o, state, next);
}

/* One frame per run, each `step` samples after the one before.  Prefilled with silence a frame is always
 * there; without, the first ones are announced as not valid, which a graph without a clock cannot know. */
hn_err hn_tfl_signal_framer(hn_tfl_op *o)
{
    hn_value *x, *state, *all, *y, *next, *valid;
    int64_t size, step, prefill, dim[HN_RANK_MAX];
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(option_int(o, "frame_size", &size));
    HN_TRY(option_int(o, "frame_step", &step));
    HN_TRY(option_int(o, "prefill", &prefill));
    if (step < 1 || size < step)
        return hn_tfl_bad(o, "frames of %lld every %lld samples", (long long)size, (long long)step);
    HN_TRY(remembered(o, x, size - step, &state, &all));
    const hn_shape s = x->t.shape;
    if (!prefill || s.dim[s.rank - 1] != step || s.rank == HN_RANK_MAX)
        return hn_tfl_unsup(o, "other than one frame per run, prefilled");
    memcpy(dim, s.dim, sizeof dim);
    dim[s.rank - 1] = 1;
    dim[s.rank] = size;
    HN_TRY(hn_tfl_reshape(o, all, dim, (size_t)s.rank + 1, &y));
    HN_TRY(slice_last(o, all, step, size, &next));
    HN_TRY(hn_tfl_const_scalar(o, HN_BOOL, 1, &valid));
    HN_TRY(hn_tfl_result(o, 0, y));
    HN_TRY(hn_tfl_result(o, 1, valid));
    return hn_tfl_next_state(o, state, next);
}

/* Integers add with saturation. */
static hn_err add_saturated(hn_tfl_op *o, hn_value *a, hn_value *b, hn_value **y)
{
    hn_value *low, *high;
    hn_dtype type = a->t.dtype;
    if (type != HN_I16)
        return HN_TFL_NODE(o, "Add", NULL, y, a, b);
    HN_TRY(hn_tfl_cast(o, a, HN_I32, &a));
    HN_TRY(hn_tfl_cast(o, b, HN_I32, &b));
    HN_TRY(HN_TFL_NODE(o, "Add", NULL, y, a, b));
    HN_TRY(hn_tfl_const_scalar(o, HN_I32, INT16_MIN, &low));
    HN_TRY(hn_tfl_const_scalar(o, HN_I32, INT16_MAX, &high));
    HN_TRY(HN_TFL_NODE(o, "Clip", NULL, y, *y, low, high));
    return hn_tfl_cast(o, *y, type, y);
}

/* One frame per run on top of what the frames before left; its first `step` samples are done. */
hn_err hn_tfl_signal_overlap_add(hn_tfl_op *o)
{
    hn_value *x, *state, *sum, *y, *next, *zeros;
    hn_tfl_attrs join = { .count = 0 };
    int64_t step;
    const hn_tensor *t;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(option_int(o, "frame_step", &step));
    HN_TRY(hn_tfl_known(o, x, &t));
    hn_shape s = t->shape;
    if (s.rank < 2 || !hn_shape_known(&s) || s.dim[s.rank - 2] != 1 || (t->dtype != HN_I16 && t->dtype != HN_F32))
        return hn_tfl_unsup(o, "other than one frame of i16 or f32 per run");
    int64_t size = s.dim[s.rank - 1];
    if (step < 1 || step > size)
        return hn_tfl_bad(o, "frames of %lld every %lld samples", (long long)size, (long long)step);
    s.dim[s.rank - 2] = size;
    s.rank--;
    HN_TRY(hn_tfl_reshape(o, x, s.dim, (size_t)s.rank, &x));
    HN_TRY(hn_tfl_known(o, x, &t));
    HN_TRY(own_state(o, t->dtype, &s, &state));
    HN_TRY(add_saturated(o, state, x, &sum));
    HN_TRY(slice_last(o, sum, 0, step, &y));
    HN_TRY(slice_last(o, sum, step, size, &next));
    s.dim[s.rank - 1] = step;
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, t->dtype, &s, &zeros));
    hn_tfl_attr_int(&join, "axis", -1);
    HN_TRY(HN_TFL_NODE(o, "Concat", &join, &next, next, zeros));
    HN_TRY(hn_tfl_result(o, 0, y));
    return hn_tfl_next_state(o, state, next);
}
