/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_linear.c: dense layers and matrix products. */
#include <string.h>

#include "formats/tflite.h"

typedef struct dense {
    hn_value *x, *w, *bias;           /* [rows, K], [N, K], [N] */
    const hn_tfl_tensor *xt, *wt, *yt;
    int64_t act;
} dense;

static hn_err add_scales(hn_tfl_op *o, const dense *d, hn_value **out)
{
    size_t count = d->wt->quant.scale.count;
    hn_shape s = { .rank = 1, .dim = { (int64_t)count } };
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F32, &s, out));
    if (count)
        memcpy((*out)->t.data, o->r->fb.data + d->wt->quant.scale.at, count * sizeof(float));
    return HN_OK;
}

/* x's scale times w's, in float where there is one for all, over y's. */
static hn_err add_factors(hn_tfl_op *o, const dense *d, hn_value **out)
{
    size_t count = d->wt->quant.scale.count;
    hn_shape s = { .rank = 1, .dim = { (int64_t)count } };
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F64, &s, out));
    for (size_t i = 0; i < count; i++) {
        float x = hn_tfl_scale(d->xt), w = hn_fb_list_f32(&d->wt->quant.scale, i);
        double product = count == 1 ? (double)(x * w) : (double)x * (double)w;
        ((double *)(*out)->t.data)[i] = product / (double)hn_tfl_scale(d->yt);
    }
    return HN_OK;
}

static hn_err dense_integers(hn_tfl_op *o, const dense *d, hn_value **y)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_value *factor;
    if (!hn_tfl_is_quantised(d->wt) || !hn_tfl_is_quantised(d->yt) || d->xt->type != d->yt->type)
        return hn_tfl_unsup(o, "integers of which not all say what they stand for");
    HN_TRY(add_factors(o, d, &factor));
    hn_tfl_attr_int(&a, "x_zero", hn_tfl_zero(d->xt));
    hn_tfl_attr_int(&a, "w_zero", hn_tfl_zero(d->wt));
    HN_TRY(hn_tfl_attr_range(o, &a, d->yt, d->act));
    hn_tfl_attr_text(&a, "rounding", "up");          /* matrix products round so */
    return HN_TFL_HONE(o, "QLinear", &a, y, d->x, d->w, factor, d->bias);
}

static hn_err dense_dynamic(hn_tfl_op *o, const dense *d, hn_value **y)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_value *scale;
    if (d->wt->type != HN_I8 || d->wt->quant.scale.count == 0)
        return hn_tfl_unsup(o, "weights of %s on floats", hn_dtype_name(d->wt->type));
    HN_TRY(add_scales(o, d, &scale));
    hn_tfl_attr_int(&a, "asymmetric", hn_fb_int(&o->options, 3, 1, 0) != 0);
    HN_TRY(HN_TFL_HONE(o, "DynamicQLinear", &a, y, d->x, d->w, scale, d->bias));
    return hn_tfl_activate(o, *y, d->act, y);
}

static hn_err dense_floats(hn_tfl_op *o, const dense *d, hn_value **y)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_tfl_attr_int(&a, "transB", 1);
    HN_TRY(HN_TFL_NODE(o, "Gemm", &a, y, d->x, d->w, d->bias));
    return hn_tfl_activate(o, *y, d->act, y);
}

/* y has x's leading dimensions when the model asks to keep them. */
static hn_err keep_dims(hn_tfl_op *o, const hn_shape *x, int64_t n, hn_value **y)
{
    int64_t dim[HN_RANK_MAX];
    for (int i = 0; i < x->rank; i++) {
        if (hn_is_symbol(x->dim[i]))
            return hn_tfl_unsup(o, "dimensions that are found while running");
        dim[i] = i == x->rank - 1 ? n : x->dim[i];
    }
    return hn_tfl_reshape(o, *y, dim, (size_t)x->rank, y);
}

hn_err hn_tfl_fully_connected(hn_tfl_op *o)
{
    const hn_fb_table *t = &o->options;
    dense d = { .act = hn_fb_int(t, 0, 1, 0), .xt = hn_tfl_in(o, 0), .wt = hn_tfl_in(o, 1), .yt = hn_tfl_out(o, 0) };
    const hn_tensor *x, *w;
    hn_value *y;
    HN_TRY(hn_tfl_input(o, 0, &d.x));
    HN_TRY(hn_tfl_input(o, 1, &d.w));
    HN_TRY(hn_tfl_optional(o, 2, &d.bias));
    HN_TRY(hn_tfl_known(o, d.x, &x));
    HN_TRY(hn_tfl_known(o, d.w, &w));
    hn_shape xs = x->shape;
    if (hn_fb_int(t, 1, 1, 0) != 0)
        return hn_tfl_unsup(o, "shuffled weights");
    if (!d.yt || w->shape.rank != 2 || xs.rank < 0)
        return hn_tfl_bad(o, "expected weights of 2 dimensions, found %d", w->shape.rank);
    int64_t n = w->shape.dim[0];
    if (xs.rank != 2 || xs.dim[1] != w->shape.dim[1])
        HN_TRY(hn_tfl_reshape(o, d.x, (const int64_t[]){ -1, w->shape.dim[1] }, 2, &d.x));
    HN_TRY(hn_tfl_is_quantised(d.xt) ? dense_integers(o, &d, &y)
           : d.wt->type == HN_I8 || d.wt->type == HN_U8 ? dense_dynamic(o, &d, &y) : dense_floats(o, &d, &y));
    if (hn_fb_int(t, 2, 1, 0) != 0 && xs.rank != 2)
        HN_TRY(keep_dims(o, &xs, n, &y));
    return hn_tfl_result(o, 0, y);
}

static hn_err swap_last(hn_tfl_op *o, hn_value **x)
{
    int64_t perm[HN_RANK_MAX];
    int rank;
    HN_TRY(hn_tfl_rank(o, *x, &rank));
    if (rank < 2)
        return hn_tfl_bad(o, "a matrix of %d dimensions", rank);
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return hn_tfl_transpose(o, *x, rank, perm, x);
}

hn_err hn_tfl_batch_matmul(hn_tfl_op *o)
{
    hn_value *a, *b, *y;
    HN_TRY(hn_tfl_real(o, 0, &a));
    HN_TRY(hn_tfl_real(o, 1, &b));
    if (hn_fb_int(&o->options, 0, 1, 0))
        HN_TRY(swap_last(o, &a));
    if (hn_fb_int(&o->options, 1, 1, 0))
        HN_TRY(swap_last(o, &b));
    HN_TRY(HN_TFL_NODE(o, "MatMul", NULL, &y, a, b));
    HN_TRY(hn_tfl_from_real(o, y, hn_tfl_out(o, 0), &y));
    return hn_tfl_result(o, 0, y);
}
