/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_shape.c: moving, cutting and joining: what does not look at the numbers. */
#include <string.h>

#include "base/num.h"
#include "formats/tflite.h"

/* Operand i as 64-bit integers, which ONNX wants shapes and indices to be. */
static hn_err wide(hn_tfl_op *o, size_t i, hn_value **out)
{
    hn_value *v;
    HN_TRY(hn_tfl_input(o, i, &v));
    *out = v;
    if (v->t.dtype == HN_I64)
        return HN_OK;
    if (!hn_is_const(v) || !hn_is_integer(v->t.dtype))
        return hn_tfl_cast(o, v, HN_I64, out);
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, v->name, HN_I64, &v->t.shape, out));
    hn_get_i64(&v->t, 0, hn_count(&v->t), (*out)->t.data);
    return HN_OK;
}

/* One node on operand 0 and further operands widened; the result is the operator's. */
static hn_err simple(hn_tfl_op *o, const char *op, const hn_tfl_attrs *a, hn_value *x, hn_value *y, hn_value *z)
{
    hn_value *v;
    HN_TRY(HN_TFL_NODE(o, op, a, &v, x, y, z));
    return hn_tfl_result(o, 0, v);
}

/* ---- Another shape ----------------------------------------------------------------------------- */

hn_err hn_tfl_reshape_op(hn_tfl_op *o)
{
    hn_value *x, *shape;
    hn_tfl_attrs a = { .count = 0 };
    HN_TRY(hn_tfl_input(o, 0, &x));
    if (hn_tfl_in(o, 1)) {
        HN_TRY(wide(o, 1, &shape));
    } else {
        int64_t dim[HN_RANK_MAX];
        hn_fb_vector v = hn_fb_list(&o->options, 0, 4);
        if (v.count > HN_RANK_MAX)
            return hn_tfl_unsup(o, "more than %d dimensions", HN_RANK_MAX);
        for (size_t i = 0; i < v.count; i++)
            dim[i] = hn_fb_list_int(&v, i, 4);
        HN_TRY(hn_tfl_const_ints(o, dim, v.count, &shape));
    }
    hn_tfl_attr_int(&a, "allowzero", 1);
    return simple(o, "Reshape", &a, x, shape, NULL);
}

hn_err hn_tfl_squeeze(hn_tfl_op *o)
{
    hn_fb_vector dims = hn_fb_list(&o->options, 0, 4);
    int64_t axis[HN_RANK_MAX];
    hn_value *x, *axes = NULL;
    HN_TRY(hn_tfl_input(o, 0, &x));
    if (dims.count > HN_RANK_MAX)
        return hn_tfl_bad(o, "%zu axes", dims.count);
    for (size_t i = 0; i < dims.count; i++)
        axis[i] = hn_fb_list_int(&dims, i, 4);
    if (dims.count)
        HN_TRY(hn_tfl_const_ints(o, axis, dims.count, &axes));
    return simple(o, "Squeeze", NULL, x, axes, NULL);
}

hn_err hn_tfl_expand_dims(hn_tfl_op *o)
{
    int64_t axis;
    int count;
    hn_value *x, *axes;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, &axis, 1, &count));
    HN_TRY(hn_tfl_const_ints(o, &axis, (size_t)count, &axes));
    return simple(o, "Unsqueeze", NULL, x, axes, NULL);
}

hn_err hn_tfl_transpose_op(hn_tfl_op *o)
{
    int64_t perm[HN_RANK_MAX];
    int count;
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, perm, HN_RANK_MAX, &count));
    HN_TRY(hn_tfl_transpose(o, x, count, perm, &x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_shape(hn_tfl_op *o)
{
    const hn_tfl_tensor *to = hn_tfl_out(o, 0);
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(HN_TFL_NODE(o, "Shape", NULL, &x, x));
    if (to && to->type == HN_I32)
        HN_TRY(hn_tfl_cast(o, x, HN_I32, &x));
    return hn_tfl_result(o, 0, x);
}

/* ---- Joining ----------------------------------------------------------------------------------- */

static hn_err concat(hn_tfl_op *o, hn_value *const *in, size_t count, int64_t axis, hn_value **out)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_tfl_attr_int(&a, "axis", axis);
    return hn_tfl_node(o, NULL, "Concat", in, (int)count, &a, out);
}

hn_err hn_tfl_concatenation(hn_tfl_op *o)
{
    const hn_tfl_tensor *to = hn_tfl_out(o, 0);
    hn_value **in = HN_NEW(o->r->scratch, hn_value *, o->in.count), *y;
    if (!in || !to)
        return !in ? hn_nomem(o->r->cx, "operands") : hn_tfl_bad(o, "it has no output");
    for (size_t i = 0; i < o->in.count; i++) {
        HN_TRY(hn_tfl_input(o, i, &in[i]));
        if (hn_tfl_is_quantised(to))
            HN_TRY(hn_tfl_requantise(o, in[i], hn_tfl_in(o, i), to, &in[i]));
    }
    HN_TRY(concat(o, in, o->in.count, hn_fb_int(&o->options, 0, 4, 0), &y));
    if (!hn_tfl_is_quantised(to))
        HN_TRY(hn_tfl_activate(o, y, hn_fb_int(&o->options, 1, 1, 0), &y));
    return hn_tfl_result(o, 0, y);
}

hn_err hn_tfl_pack(hn_tfl_op *o)
{
    int64_t axis = hn_fb_int(&o->options, 1, 4, 0);
    hn_value **in = HN_NEW(o->r->scratch, hn_value *, o->in.count), *axes, *y;
    if (!in)
        return hn_nomem(o->r->cx, "operands");
    HN_TRY(hn_tfl_const_ints(o, &axis, 1, &axes));
    for (size_t i = 0; i < o->in.count; i++) {
        HN_TRY(hn_tfl_input(o, i, &in[i]));
        HN_TRY(HN_TFL_NODE(o, "Unsqueeze", NULL, &in[i], in[i], axes));
    }
    HN_TRY(concat(o, in, o->in.count, axis, &y));
    return hn_tfl_result(o, 0, y);
}

hn_err hn_tfl_tile(hn_tfl_op *o)
{
    hn_value *x, *times;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(wide(o, 1, &times));
    return simple(o, "Tile", NULL, x, times, NULL);
}

hn_err hn_tfl_broadcast_to(hn_tfl_op *o)
{
    hn_value *x, *shape;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(wide(o, 1, &shape));
    return simple(o, "Expand", NULL, x, shape, NULL);
}

hn_err hn_tfl_fill(hn_tfl_op *o)
{
    hn_value *x, *shape;
    HN_TRY(wide(o, 0, &shape));
    HN_TRY(hn_tfl_input(o, 1, &x));
    return simple(o, "Expand", NULL, x, shape, NULL);
}

hn_err hn_tfl_range(hn_tfl_op *o)
{
    hn_value *from, *to, *step;
    HN_TRY(hn_tfl_input(o, 0, &from));
    HN_TRY(hn_tfl_input(o, 1, &to));
    HN_TRY(hn_tfl_input(o, 2, &step));
    return simple(o, "Range", NULL, from, to, step);
}

/* ---- Margins ----------------------------------------------------------------------------------- */

/* [dimension, 2] as ONNX has it: all begins, then all ends. */
static hn_err read_pads(hn_tfl_op *o, hn_value **out)
{
    int64_t pair[2 * HN_RANK_MAX], pads[2 * HN_RANK_MAX];
    int count;
    HN_TRY(hn_tfl_ints(o, 1, pair, 2 * HN_RANK_MAX, &count));
    for (int i = 0; i < count; i++)
        pads[i % 2 * (count / 2) + i / 2] = pair[i];
    return hn_tfl_const_ints(o, pads, (size_t)count / 2 * 2, out);
}

hn_err hn_tfl_pad(hn_tfl_op *o)
{
    const hn_tfl_tensor *t = hn_tfl_in(o, 0);
    hn_value *x, *pads, *fill;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(read_pads(o, &pads));
    HN_TRY(hn_tfl_optional(o, 2, &fill));
    if (!fill && hn_tfl_is_quantised(t))
        HN_TRY(hn_tfl_const_scalar(o, t->type, (double)hn_tfl_zero(t), &fill));
    return simple(o, "Pad", NULL, x, pads, fill);
}

hn_err hn_tfl_mirror_pad(hn_tfl_op *o)
{
    hn_value *x, *pads;
    hn_tfl_attrs a = { .count = 0 };
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(read_pads(o, &pads));
    if (hn_fb_int(&o->options, 0, 1, 0) != 0)
        return hn_tfl_unsup(o, "mirroring that repeats the edge");
    hn_tfl_attr_text(&a, "mode", "reflect");
    return simple(o, "Pad", &a, x, pads, NULL);
}

/* ---- Picking ----------------------------------------------------------------------------------- */

hn_err hn_tfl_gather(hn_tfl_op *o)
{
    hn_value *x, *at;
    hn_tfl_attrs a = { .count = 0 };
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_input(o, 1, &at));
    if (hn_fb_int(&o->options, 1, 4, 0) != 0)
        return hn_tfl_unsup(o, "batch_dims %lld", (long long)hn_fb_int(&o->options, 1, 4, 0));
    hn_tfl_attr_int(&a, "axis", hn_fb_int(&o->options, 0, 4, 0));
    return simple(o, "Gather", &a, x, at, NULL);
}

hn_err hn_tfl_gather_nd(hn_tfl_op *o)
{
    hn_value *x, *at;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(wide(o, 1, &at));
    return simple(o, "GatherND", NULL, x, at, NULL);
}

/* ---- Cutting ----------------------------------------------------------------------------------- */

typedef struct cut { int64_t from[HN_RANK_MAX], to[HN_RANK_MAX], step[HN_RANK_MAX]; int count; } cut;

/* The first dimensions of x, from and to and step each. */
static hn_err add_slice(hn_tfl_op *o, hn_value *x, const cut *c, hn_value **out)
{
    int64_t axis[HN_RANK_MAX];
    hn_value *from, *to, *axes, *step;
    for (int i = 0; i < c->count; i++)
        axis[i] = i;
    HN_TRY(hn_tfl_const_ints(o, c->from, (size_t)c->count, &from));
    HN_TRY(hn_tfl_const_ints(o, c->to, (size_t)c->count, &to));
    HN_TRY(hn_tfl_const_ints(o, axis, (size_t)c->count, &axes));
    HN_TRY(hn_tfl_const_ints(o, c->step, (size_t)c->count, &step));
    return HN_TFL_NODE(o, "Slice", NULL, out, x, from, to, axes, step);
}

hn_err hn_tfl_slice(hn_tfl_op *o)
{
    int64_t size[HN_RANK_MAX];
    int count;
    cut c;
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, c.from, HN_RANK_MAX, &c.count));
    HN_TRY(hn_tfl_ints(o, 2, size, HN_RANK_MAX, &count));
    if (count != c.count)
        return hn_tfl_bad(o, "%d begins and %d sizes", c.count, count);
    for (int i = 0; i < count; i++) {
        if (c.from[i] < 0 || size[i] < -1 || c.from[i] > INT32_MAX || size[i] > INT32_MAX)
            return hn_tfl_bad(o, "begin %lld and size %lld", (long long)c.from[i], (long long)size[i]);
        c.to[i] = size[i] == -1 ? INT64_MAX : c.from[i] + size[i];
        c.step[i] = 1;
    }
    HN_TRY(add_slice(o, x, &c, &x));
    return hn_tfl_result(o, 0, x);
}

/* Bit i of a mask speaks of dimension i: begin or end left out; shrink: one element, its dimension goes. */
static void apply_masks(const hn_tfl_op *o, cut *c, int64_t *shrink, size_t *shrinks)
{
    int64_t begin = hn_fb_int(&o->options, 0, 4, 0), end = hn_fb_int(&o->options, 1, 4, 0);
    int64_t one = hn_fb_int(&o->options, 4, 4, 0);
    *shrinks = 0;
    for (int i = 0; i < c->count; i++) {
        bool back = c->step[i] < 0;
        if (begin >> i & 1)
            c->from[i] = back ? INT64_MAX : 0;
        if (end >> i & 1)
            c->to[i] = back ? -INT64_MAX : INT64_MAX;
        if (one >> i & 1) {
            c->to[i] = c->from[i] == -1 ? INT64_MAX : c->from[i] + 1;
            c->step[i] = 1;
            shrink[(*shrinks)++] = i;
        }
    }
}

hn_err hn_tfl_strided_slice(hn_tfl_op *o)
{
    cut c;
    int64_t shrink[HN_RANK_MAX];
    size_t shrinks;
    int ends, steps;
    hn_value *x, *axes;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, c.from, HN_RANK_MAX, &c.count));
    HN_TRY(hn_tfl_ints(o, 2, c.to, HN_RANK_MAX, &ends));
    HN_TRY(hn_tfl_ints(o, 3, c.step, HN_RANK_MAX, &steps));
    if (ends != c.count || steps != c.count)
        return hn_tfl_bad(o, "%d begins, %d ends and %d strides", c.count, ends, steps);
    if (hn_fb_int(&o->options, 2, 4, 0) || hn_fb_int(&o->options, 3, 4, 0))
        return hn_tfl_unsup(o, "an ellipsis or a new axis");
    apply_masks(o, &c, shrink, &shrinks);
    HN_TRY(add_slice(o, x, &c, &x));
    if (shrinks) {
        HN_TRY(hn_tfl_const_ints(o, shrink, shrinks, &axes));
        HN_TRY(HN_TFL_NODE(o, "Squeeze", NULL, &x, x, axes));
    }
    return hn_tfl_result(o, 0, x);
}

/* x in as many parts as the operator has outputs; sizes NULL: all alike. */
static hn_err cut_up(hn_tfl_op *o, hn_value *x, int64_t axis, hn_value *sizes, hn_value ***out)
{
    hn_tfl_attrs a = { .count = 0 };
    size_t n = o->out.count;
    *out = HN_NEW(o->r->scratch, hn_value *, n);
    if (!*out)
        return hn_nomem(o->r->cx, "results");
    hn_tfl_attr_int(&a, "axis", axis);
    if (!sizes)
        hn_tfl_attr_int(&a, "num_outputs", (int64_t)n);
    return hn_tfl_node_n(o, NULL, "Split", (hn_value *const[]){ x, sizes }, 2, &a, *out, (int)n);
}

static hn_err split(hn_tfl_op *o, size_t x_at, size_t axis_at, hn_value *sizes)
{
    int64_t axis;
    int count;
    hn_value *x, **part;
    HN_TRY(hn_tfl_input(o, x_at, &x));
    HN_TRY(hn_tfl_ints(o, axis_at, &axis, 1, &count));
    if (count != 1)
        return hn_tfl_bad(o, "the axis is missing");
    HN_TRY(cut_up(o, x, axis, sizes, &part));
    for (size_t i = 0; i < o->out.count; i++)
        HN_TRY(hn_tfl_result(o, i, part[i]));
    return HN_OK;
}

hn_err hn_tfl_split(hn_tfl_op *o) { return split(o, 1, 0, NULL); }

/* A size of -1 is what the others leave. */
hn_err hn_tfl_split_v(hn_tfl_op *o)
{
    enum { PARTS_MAX = 256 };
    int64_t size[PARTS_MAX], axis, rest = -1, sum = 0;
    int count, one;
    const hn_tensor *t;
    hn_value *x, *sizes;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, size, PARTS_MAX, &count));
    HN_TRY(hn_tfl_ints(o, 2, &axis, 1, &one));
    HN_TRY(hn_tfl_known(o, x, &t));
    for (int i = 0; i < count; i++) {
        if (size[i] == -1)
            rest = i;
        else
            sum += size[i];
    }
    if (axis < 0)
        axis += t->shape.rank;
    if (rest >= 0) {
        if (axis < 0 || axis >= t->shape.rank || hn_is_symbol(t->shape.dim[axis]))
            return hn_tfl_bad(o, "axis %lld has no size to leave a rest of", (long long)axis);
        size[rest] = t->shape.dim[axis] - sum;
    }
    HN_TRY(hn_tfl_const_ints(o, size, (size_t)count, &sizes));
    return split(o, 0, 2, sizes);
}

hn_err hn_tfl_unpack(hn_tfl_op *o)
{
    int64_t axis = hn_fb_int(&o->options, 1, 4, 0);
    hn_value *x, *axes, **part;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(cut_up(o, x, axis, NULL, &part));
    HN_TRY(hn_tfl_const_ints(o, &axis, 1, &axes));
    for (size_t i = 0; i < o->out.count; i++) {
        HN_TRY(HN_TFL_NODE(o, "Squeeze", NULL, &part[i], part[i], axes));
        HN_TRY(hn_tfl_result(o, i, part[i]));
    }
    return HN_OK;
}
