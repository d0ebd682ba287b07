/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_window.c: what knows of channels: convolution, pooling, resizing, and shuffles of pixels.
 *
 * Pictures are N, H, W, C.  Weights are O, H, W, I (depthwise: 1, H, W, O) where HIR-1 wants O, I, H, W;
 * for a 1 x 1 kernel these are the same bytes and stay where they are. */
#include <string.h>

#include "base/num.h"
#include "formats/tflite.h"
#include "graph/strided.h"

enum { SAME, VALID };

/* Does this order of the axes of s leave the bytes where they are? */
static bool same_bytes(const hn_shape *s, const int64_t *perm)
{
    int64_t last = -1;
    for (int i = 0; i < 4; i++) {
        if (s->dim[perm[i]] == 1)
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

/* Constant weights in another order of their four axes. */
static hn_err permute(hn_tfl_op *o, const hn_tfl_tensor *t, const int64_t *perm, hn_value **out)
{
    hn_shape to = { .rank = 4 };
    ptrdiff_t in[HN_RANK_MAX], step[HN_RANK_MAX];
    hn_tensor w;
    bool in_place, same = same_bytes(&t->shape, perm);
    hn_arena *a = same ? o->r->g->arena : o->r->scratch;
    for (int i = 0; i < 4; i++)
        to.dim[i] = t->shape.dim[perm[i]];
    HN_TRY(hn_tfl_data(o->r, t, a, &w, &in_place));
    if (same) {
        o->r->src->mapped_bytes += in_place ? hn_bytes(&w) : 0;
        w.shape = to;
        return hn_graph_add_const(o->r->cx, o->r->g, NULL, &w, out);
    }
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, w.dtype, &to, out));
    hn_steps(&w.shape, in);
    hn_steps(&to, step);
    hn_box b = { .rank = 0 };
    for (int i = 0; i < 4; i++)
        hn_box_add(&b, to.dim[i], step[i], in[perm[i]]);
    hn_box_move(&b, &(*out)->t, &w);
    return HN_OK;
}

/* Operand i, weights of four axes, in another order of them; *was: their shape in the file. */
static hn_err weights(hn_tfl_op *o, size_t i, const int64_t *perm, hn_shape *was, hn_value **out)
{
    const hn_tfl_tensor *t = hn_tfl_in(o, i);
    const hn_tensor *made;
    if (t && !t->value && t->data.count && t->shape.rank == 4) {
        *was = t->shape;
        return permute(o, t, perm, out);
    }
    HN_TRY(hn_tfl_input(o, i, out));
    HN_TRY(hn_tfl_known(o, *out, &made));
    *was = made->shape;
    if (was->rank != 4 || !hn_shape_known(was))
        return hn_tfl_bad(o, "expected weights of 4 dimensions, found %d", was->rank);
    return hn_tfl_transpose(o, *out, 4, perm, out);
}

/* ---- Convolution ------------------------------------------------------------------------------ */

typedef struct conv {
    hn_value *x, *w, *bias;           /* x and w channels-first */
    const hn_tfl_tensor *xt, *wt, *yt;
    bool depthwise;                   /* no matrix product, and not rounded like one */
    int64_t act;
    hn_tfl_attrs attrs;
} conv;

static hn_err read_window(hn_tfl_op *o, const int64_t *stride, const int64_t *dilation, int64_t padding, hn_tfl_attrs *a)
{
    if (padding != SAME && padding != VALID)
        return hn_tfl_bad(o, "padding %lld, expected SAME or VALID", (long long)padding);
    hn_tfl_attr_text(a, "auto_pad", padding == SAME ? "SAME_UPPER" : "VALID");
    if (dilation)
        HN_TRY(hn_tfl_attr_ints(o, a, "dilations", dilation, 2));
    return hn_tfl_attr_ints(o, a, "strides", stride, 2);
}

/* Real factor of channel i: x's scale times w's over y's.  Where there is one scale for 8 unsigned bits,
 * TFLite multiplies the first two in float. */
static hn_err add_factors(hn_tfl_op *o, const conv *c, hn_value **out)
{
    size_t count = c->wt->quant.scale.count;
    hn_shape s = { .rank = 1, .dim = { (int64_t)count } };
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F64, &s, out));
    for (size_t i = 0; i < count; i++) {
        float w = hn_fb_list_f32(&c->wt->quant.scale, i), x = hn_tfl_scale(c->xt);
        double product = c->xt->type == HN_U8 ? (double)(x * w) : (double)x * (double)w;
        double f = product / (double)hn_tfl_scale(c->yt);
        hn_put_f64(&(*out)->t, i, 1, &f);
    }
    return HN_OK;
}

static hn_err finish_quantised(hn_tfl_op *o, conv *c, hn_value **y)
{
    hn_value *factor;
    if (!hn_tfl_is_quantised(c->wt) || !hn_tfl_is_quantised(c->yt) || c->xt->type != c->yt->type)
        return hn_tfl_unsup(o, "integers of which not all say what they stand for");
    HN_TRY(add_factors(o, c, &factor));
    hn_tfl_attr_int(&c->attrs, "x_zero", hn_tfl_zero(c->xt));
    hn_tfl_attr_int(&c->attrs, "w_zero", hn_tfl_zero(c->wt));
    HN_TRY(hn_tfl_attr_range(o, &c->attrs, c->yt, c->act));
    hn_tfl_attr_text(&c->attrs, "rounding", c->depthwise ? "away" : "up");
    return HN_TFL_HONE(o, "QConv", &c->attrs, y, c->x, c->w, factor, c->bias);
}

/* Weights of 8 bits on floats: the floats are quantised while running. */
static hn_err finish_dynamic(hn_tfl_op *o, conv *c, hn_value **y)
{
    size_t count = c->wt->quant.scale.count;
    hn_shape s = { .rank = 1, .dim = { (int64_t)count } };
    hn_value *scale;
    if (c->wt->type != HN_I8 || count == 0)
        return hn_tfl_unsup(o, "weights of %s on floats", hn_dtype_name(c->wt->type));
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F32, &s, &scale));
    memcpy(scale->t.data, o->r->fb.data + c->wt->quant.scale.at, count * sizeof(float));
    hn_tfl_attr_int(&c->attrs, "asymmetric", count > 1);
    HN_TRY(HN_TFL_HONE(o, "DynamicQConv", &c->attrs, y, c->x, c->w, scale, c->bias));
    return hn_tfl_activate(o, *y, c->act, y);
}

static hn_err finish_conv(hn_tfl_op *o, conv *c)
{
    hn_value *y;
    c->xt = hn_tfl_in(o, 0);
    c->wt = hn_tfl_in(o, 1);
    c->yt = hn_tfl_out(o, 0);
    if (!c->yt)
        return hn_tfl_bad(o, "it has no output");
    if (hn_tfl_is_quantised(c->xt)) {
        HN_TRY(finish_quantised(o, c, &y));
    } else if (c->wt->type == HN_I8 || c->wt->type == HN_U8) {
        HN_TRY(finish_dynamic(o, c, &y));
    } else {
        HN_TRY(HN_TFL_NODE(o, "Conv", &c->attrs, &y, c->x, c->w, c->bias));
        HN_TRY(hn_tfl_activate(o, y, c->act, &y));
    }
    HN_TRY(hn_tfl_channels_last(o, y, &y));
    return hn_tfl_result(o, 0, y);
}

/* x channels-first, the weights in the given order; xs and ws: their shapes in the file. */
static hn_err conv_operands(hn_tfl_op *o, conv *c, const int64_t *perm, hn_shape *xs, hn_shape *ws)
{
    const hn_tensor *x;
    HN_TRY(hn_tfl_input(o, 0, &c->x));
    HN_TRY(hn_tfl_optional(o, 2, &c->bias));
    HN_TRY(hn_tfl_known(o, c->x, &x));
    *xs = x->shape;
    if (xs->rank != 4 || hn_is_symbol(xs->dim[3]))
        return hn_tfl_bad(o, "expected a picture of 4 dimensions, found %d", xs->rank);
    HN_TRY(weights(o, 1, perm, ws, &c->w));
    return hn_tfl_channels_first(o, c->x, &c->x);
}

hn_err hn_tfl_conv(hn_tfl_op *o)
{
    const hn_fb_table *t = &o->options;
    conv c = { .act = hn_fb_int(t, 3, 1, 0) };
    int64_t stride[] = { hn_fb_int(t, 2, 4, 0), hn_fb_int(t, 1, 4, 0) };
    int64_t dilation[] = { hn_fb_int(t, 5, 4, 1), hn_fb_int(t, 4, 4, 1) };
    hn_shape x, w;
    HN_TRY(conv_operands(o, &c, (const int64_t[]){ 0, 3, 1, 2 }, &x, &w));
    if (w.dim[3] < 1 || x.dim[3] % w.dim[3])
        return hn_tfl_bad(o, "%lld channels do not match weights for %lld", (long long)x.dim[3], (long long)w.dim[3]);
    hn_tfl_attr_int(&c.attrs, "group", x.dim[3] / w.dim[3]);
    HN_TRY(read_window(o, stride, dilation, hn_fb_int(t, 0, 1, 0), &c.attrs));
    return finish_conv(o, &c);
}

hn_err hn_tfl_depthwise(hn_tfl_op *o)
{
    const hn_fb_table *t = &o->options;
    conv c = { .act = hn_fb_int(t, 4, 1, 0), .depthwise = true };
    int64_t stride[] = { hn_fb_int(t, 2, 4, 0), hn_fb_int(t, 1, 4, 0) };
    int64_t dilation[] = { hn_fb_int(t, 6, 4, 1), hn_fb_int(t, 5, 4, 1) };
    hn_shape x, w;
    HN_TRY(conv_operands(o, &c, (const int64_t[]){ 3, 0, 1, 2 }, &x, &w));
    if (w.dim[0] != 1)
        return hn_tfl_bad(o, "depthwise weights begin with dimension %lld, expected 1", (long long)w.dim[0]);
    hn_tfl_attr_int(&c.attrs, "group", x.dim[3]);
    HN_TRY(read_window(o, stride, dilation, hn_fb_int(t, 0, 1, 0), &c.attrs));
    return finish_conv(o, &c);
}

/* The picture it makes is given, the padding follows from it. */
static hn_err transposed_pads(hn_tfl_op *o, const hn_shape *x, const hn_shape *w, const int64_t *stride, hn_tfl_attrs *a)
{
    int64_t size[4], pads[4], extra[2];
    int count;
    HN_TRY(hn_tfl_ints(o, 0, size, 4, &count));
    if (count != 4)
        return hn_tfl_bad(o, "the output's shape has %d numbers, expected 4", count);
    for (int i = 0; i < 2; i++) {
        if (hn_is_symbol(x->dim[i + 1]) || stride[i] < 1 || stride[i] > 1 << 20 || size[i + 1] < 0 || size[i + 1] > 1 << 30)
            return hn_tfl_bad(o, "stride %lld and size %lld", (long long)stride[i], (long long)size[i + 1]);
        int64_t over = stride[i] * (x->dim[i + 1] - 1) + w->dim[i + 1] - size[i + 1];
        pads[i] = over > 0 ? over / 2 : 0;
        pads[i + 2] = over > 0 ? over - over / 2 : 0;
        extra[i] = over < 0 ? -over : 0;
    }
    HN_TRY(hn_tfl_attr_ints(o, a, "pads", pads, 4));
    HN_TRY(hn_tfl_attr_ints(o, a, "output_padding", extra, 2));
    return hn_tfl_attr_ints(o, a, "strides", stride, 2);
}

hn_err hn_tfl_transpose_conv(hn_tfl_op *o)
{
    const hn_fb_table *t = &o->options;
    int64_t stride[] = { hn_fb_int(t, 2, 4, 0), hn_fb_int(t, 1, 4, 0) };
    hn_value *x, *w, *bias, *y;
    const hn_tensor *xt;
    hn_shape ws;
    hn_tfl_attrs a = { .count = 0 };
    HN_TRY(weights(o, 1, (const int64_t[]){ 3, 0, 1, 2 }, &ws, &w));
    HN_TRY(hn_tfl_input(o, 2, &x));
    HN_TRY(hn_tfl_optional(o, 3, &bias));
    HN_TRY(hn_tfl_known(o, x, &xt));
    if (!hn_is_float(xt->dtype))
        return hn_tfl_unsup(o, "on %s", hn_dtype_name(xt->dtype));
    if (xt->shape.rank != 4)
        return hn_tfl_bad(o, "expected a picture of 4 dimensions, found %d", xt->shape.rank);
    HN_TRY(transposed_pads(o, &xt->shape, &ws, stride, &a));
    HN_TRY(hn_tfl_channels_first(o, x, &x));
    HN_TRY(HN_TFL_NODE(o, "ConvTranspose", &a, &y, x, w, bias));
    HN_TRY(hn_tfl_activate(o, y, hn_fb_int(t, 3, 1, 0), &y));
    HN_TRY(hn_tfl_channels_last(o, y, &y));
    return hn_tfl_result(o, 0, y);
}

/* ---- Pools ------------------------------------------------------------------------------------- */

static hn_err pool(hn_tfl_op *o, bool average)
{
    const hn_fb_table *t = &o->options;
    const hn_tfl_tensor *xt = hn_tfl_in(o, 0), *yt = hn_tfl_out(o, 0);
    int64_t stride[] = { hn_fb_int(t, 2, 4, 0), hn_fb_int(t, 1, 4, 0) };
    int64_t size[] = { hn_fb_int(t, 4, 4, 0), hn_fb_int(t, 3, 4, 0) }, act = hn_fb_int(t, 5, 1, 0);
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(read_window(o, stride, NULL, hn_fb_int(t, 0, 1, 0), &a));
    HN_TRY(hn_tfl_attr_ints(o, &a, "kernel_shape", size, 2));
    HN_TRY(hn_tfl_channels_first(o, x, &x));
    bool integers = xt && yt && hn_tfl_is_quantised(xt) && hn_tfl_is_quantised(yt);
    if (integers && average) {
        HN_TRY(hn_tfl_attr_range(o, &a, yt, act));
        HN_TRY(HN_TFL_HONE(o, "QAveragePool", &a, &x, x));
    } else {
        HN_TRY(HN_TFL_NODE(o, average ? "AveragePool" : "MaxPool", &a, &x, x));
        HN_TRY(integers ? hn_tfl_clip(o, x, yt, act, &x) : hn_tfl_activate(o, x, act, &x));
    }
    HN_TRY(hn_tfl_channels_last(o, x, &x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_average_pool(hn_tfl_op *o) { return pool(o, true); }
hn_err hn_tfl_max_pool(hn_tfl_op *o) { return pool(o, false); }

/* ---- Resizing ---------------------------------------------------------------------------------- */

static hn_err resize(hn_tfl_op *o, bool linear, bool corners, bool half)
{
    const hn_tfl_tensor *xt = hn_tfl_in(o, 0);
    const char *where = corners ? "align_corners" : half ? "half_pixel" : "asymmetric";
    int64_t size[2];
    int count;
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x, *sizes;
    HN_TRY(hn_tfl_input(o, 0, &x));
    HN_TRY(hn_tfl_ints(o, 1, size, 2, &count));
    if (count != 2)
        return hn_tfl_bad(o, "the size has %d numbers, expected 2", count);
    HN_TRY(hn_tfl_channels_first(o, x, &x));
    if (linear && hn_is_integer(xt->type)) {
        hn_tfl_attr_text(&a, "coordinates", where);
        hn_tfl_attr_text(&a, "weights", xt->type == HN_U8 ? "float" : "fixed");
        HN_TRY(hn_tfl_attr_ints(o, &a, "size", size, 2));
        HN_TRY(HN_TFL_HONE(o, "QResize", &a, &x, x));
    } else {
        HN_TRY(hn_tfl_const_ints(o, size, 2, &sizes));
        HN_TRY(hn_tfl_attr_ints(o, &a, "axes", (const int64_t[]){ 2, 3 }, 2));
        hn_tfl_attr_text(&a, "mode", linear ? "linear" : "nearest");
        hn_tfl_attr_text(&a, "coordinate_transformation_mode", where);
        if (!linear)
            hn_tfl_attr_text(&a, "nearest_mode", corners || half ? "round_prefer_ceil" : "floor");
        HN_TRY(HN_TFL_NODE(o, "Resize", &a, &x, x, NULL, NULL, sizes));
    }
    HN_TRY(hn_tfl_channels_last(o, x, &x));
    return hn_tfl_result(o, 0, x);
}

hn_err hn_tfl_resize_bilinear(hn_tfl_op *o)
{
    return resize(o, true, hn_fb_int(&o->options, 2, 1, 0) != 0, hn_fb_int(&o->options, 3, 1, 0) != 0);
}

hn_err hn_tfl_resize_nearest(hn_tfl_op *o)
{
    return resize(o, false, hn_fb_int(&o->options, 0, 1, 0) != 0, hn_fb_int(&o->options, 1, 1, 0) != 0);
}

/* ---- Pixels elsewhere -------------------------------------------------------------------------- */

hn_err hn_tfl_depth_to_space(hn_tfl_op *o)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_value *x;
    HN_TRY(hn_tfl_input(o, 0, &x));
    hn_tfl_attr_int(&a, "blocksize", hn_fb_int(&o->options, 0, 4, 0));
    HN_TRY(hn_tfl_channels_first(o, x, &x));
    HN_TRY(HN_TFL_NODE(o, strcmp(o->name, "DEPTH_TO_SPACE") ? "SpaceToDepth" : "DepthToSpace", &a, &x, x));
    HN_TRY(hn_tfl_channels_last(o, x, &x));
    return hn_tfl_result(o, 0, x);
}

/* [N, spatial..., rest...] cut into blocks, whose positions become images; and back.  Both are a reshape,
 * a transpose and a reshape. */
typedef struct blocks {
    hn_value *x;
    hn_shape s;
    int64_t block[HN_RANK_MAX], margin[2 * HN_RANK_MAX];
    int count;                       /* of spatial dimensions cut */
} blocks;

static hn_err read_blocks(hn_tfl_op *o, blocks *b)
{
    const hn_tensor *t;
    int margins;
    HN_TRY(hn_tfl_input(o, 0, &b->x));
    HN_TRY(hn_tfl_known(o, b->x, &t));
    HN_TRY(hn_tfl_ints(o, 1, b->block, HN_RANK_MAX, &b->count));
    HN_TRY(hn_tfl_ints(o, 2, b->margin, 2 * HN_RANK_MAX, &margins));
    b->s = t->shape;
    if (!hn_shape_known(&b->s) || b->count < 1 || b->s.rank + b->count > HN_RANK_MAX || b->s.rank < b->count + 1 ||
        margins != 2 * b->count)
        return hn_tfl_bad(o, "%d blocks of %d dimensions", b->count, b->s.rank);
    for (int i = 0; i < b->count; i++)
        if (b->block[i] < 1 || b->block[i] > 1 << 16 || b->margin[2 * i] < 0 || b->margin[2 * i + 1] < 0 ||
            b->margin[2 * i] > 1 << 24 || b->margin[2 * i + 1] > 1 << 24)
            return hn_tfl_bad(o, "block %lld with margins %lld and %lld", (long long)b->block[i],
                              (long long)b->margin[2 * i], (long long)b->margin[2 * i + 1]);
    return HN_OK;
}

static hn_err pad_blocks(hn_tfl_op *o, blocks *b)
{
    int64_t pads[2 * HN_RANK_MAX] = { 0 };
    const hn_tfl_tensor *t = hn_tfl_in(o, 0);
    hn_value *given, *zero;
    for (int i = 0; i < b->count; i++) {
        pads[i + 1] = b->margin[2 * i];
        pads[b->s.rank + i + 1] = b->margin[2 * i + 1];
        b->s.dim[i + 1] += b->margin[2 * i] + b->margin[2 * i + 1];
        if (b->s.dim[i + 1] % b->block[i])
            return hn_tfl_bad(o, "%lld cannot be cut into blocks of %lld", (long long)b->s.dim[i + 1], (long long)b->block[i]);
    }
    HN_TRY(hn_tfl_const_ints(o, pads, 2 * (size_t)b->s.rank, &given));
    HN_TRY(hn_tfl_const_scalar(o, t->type, (double)hn_tfl_zero(t), &zero));
    return HN_TFL_NODE(o, "Pad", NULL, &b->x, b->x, given, zero);
}

hn_err hn_tfl_space_to_batch(hn_tfl_op *o)
{
    blocks b;
    int64_t cut[2 * HN_RANK_MAX], perm[2 * HN_RANK_MAX], to[HN_RANK_MAX];
    int n = 0, p = 0;
    HN_TRY(read_blocks(o, &b));
    HN_TRY(pad_blocks(o, &b));
    to[0] = cut[n++] = b.s.dim[0];
    for (int i = 0; i < b.count; i++) {
        cut[n++] = to[i + 1] = b.s.dim[i + 1] / b.block[i];
        cut[n++] = b.block[i];
        perm[p++] = 2 * i + 2;
        to[0] *= b.block[i];
    }
    perm[p++] = 0;
    for (int i = 0; i < b.count; i++)
        perm[p++] = 2 * i + 1;
    for (int i = b.count + 1; i < b.s.rank; i++) {
        perm[p++] = n;
        to[i] = cut[n++] = b.s.dim[i];
    }
    HN_TRY(hn_tfl_reshape(o, b.x, cut, (size_t)n, &b.x));
    HN_TRY(hn_tfl_transpose(o, b.x, n, perm, &b.x));
    HN_TRY(hn_tfl_reshape(o, b.x, to, (size_t)b.s.rank, &b.x));
    return hn_tfl_result(o, 0, b.x);
}

static hn_err crop_blocks(hn_tfl_op *o, blocks *b, const int64_t *size)
{
    int64_t from[HN_RANK_MAX], to[HN_RANK_MAX], axis[HN_RANK_MAX];
    hn_value *starts, *ends, *axes;
    for (int i = 0; i < b->count; i++) {
        axis[i] = i + 1;
        from[i] = b->margin[2 * i];
        to[i] = size[i + 1] - b->margin[2 * i + 1];
        if (to[i] < from[i])
            return hn_tfl_bad(o, "cropping %lld by %lld and %lld", (long long)size[i + 1],
                              (long long)b->margin[2 * i], (long long)b->margin[2 * i + 1]);
    }
    HN_TRY(hn_tfl_const_ints(o, from, (size_t)b->count, &starts));
    HN_TRY(hn_tfl_const_ints(o, to, (size_t)b->count, &ends));
    HN_TRY(hn_tfl_const_ints(o, axis, (size_t)b->count, &axes));
    return HN_TFL_NODE(o, "Slice", NULL, &b->x, b->x, starts, ends, axes);
}

hn_err hn_tfl_batch_to_space(hn_tfl_op *o)
{
    blocks b;
    int64_t cut[2 * HN_RANK_MAX], perm[2 * HN_RANK_MAX], to[HN_RANK_MAX], all = 1;
    int n = 0, p = 0;
    HN_TRY(read_blocks(o, &b));
    for (int i = 0; i < b.count; i++) {
        cut[n++] = b.block[i];
        all *= b.block[i];
        if (all > 1 << 24)
            return hn_tfl_bad(o, "blocks of more than %d pixels", 1 << 24);
    }
    if (b.s.dim[0] % all)
        return hn_tfl_bad(o, "%lld images are not whole blocks of %lld", (long long)b.s.dim[0], (long long)all);
    perm[p++] = n;
    to[0] = cut[n++] = b.s.dim[0] / all;
    for (int i = 0; i < b.count; i++) {
        perm[p++] = n;
        perm[p++] = i;
        cut[n++] = b.s.dim[i + 1];
        if (__builtin_mul_overflow(b.s.dim[i + 1], b.block[i], &to[i + 1]))
            to[i + 1] = INT64_MAX;
    }
    for (int i = b.count + 1; i < b.s.rank; i++) {
        perm[p++] = n;
        to[i] = cut[n++] = b.s.dim[i];
    }
    HN_TRY(hn_tfl_reshape(o, b.x, cut, (size_t)n, &b.x));
    HN_TRY(hn_tfl_transpose(o, b.x, n, perm, &b.x));
    HN_TRY(hn_tfl_reshape(o, b.x, to, (size_t)b.s.rank, &b.x));
    HN_TRY(crop_blocks(o, &b, to));
    return hn_tfl_result(o, 0, b.x);
}
