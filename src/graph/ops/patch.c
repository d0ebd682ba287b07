/* SPDX-License-Identifier: Apache-2.0 */
/* patch.c: pieces of a picture: CenterCropPad cuts or frames one, Col2Im puts one together. */
#include <string.h>

#include "base/num.h"
#include "graph/load.h"
#include "graph/window.h"

/* ---- CenterCropPad ------------------------------------------------------------------------ */

static hn_err infer_crop(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    const int64_t *axes;
    int64_t want[HN_RANK_MAX];
    bool seen[HN_RANK_MAX] = { false };
    size_t given = hn_attr_ints(c->node, "axes", &axes);
    int n = hn_known(c, 1, want, HN_RANK_MAX);
    if (hn_dtype_bits(c->in[0]->dtype) < 8 || c->in[0]->dtype == HN_STR)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(c->in[0]->dtype));
    if (s.rank >= 0) {
        int count = given ? (int)hn_min(given, HN_RANK_MAX) : s.rank;
        if ((n >= 0 && n != count) || (n < 0 && c->in[1]->data) || given > (size_t)s.rank)
            return hn_bad(c, "the new shape does not have %d entries", count);
        for (int i = 0; i < count; i++) {
            int at = i;
            if (given)
                HN_TRY(hn_axis(c, axes[i], s.rank, &at));
            if (seen[at] || (n >= 0 && want[i] < 0 && !hn_is_symbol(want[i])))
                return hn_bad(c, "axis %d is listed twice or gets a negative size", at);
            seen[at] = true;
            s.dim[at] = n < 0 ? hn_fresh_dim(c) : want[i];
        }
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

/* The input coordinate of an output coordinate: the extra element, cut or added, is at the end. */
static int64_t centred(int64_t out, int64_t in_size, int64_t out_size)
{
    return out + (in_size > out_size ? (in_size - out_size) / 2 : -((out_size - in_size) / 2));
}

static hn_err run_crop(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    hn_tensor *y = c->out[0];
    size_t bytes = hn_dtype_bits(x->dtype) / 8;
    for (size_t i = 0; i < hn_count(y); i++) {
        size_t rest = i, from = 0, step = 1;
        bool inside = true;
        for (int d = y->shape.rank - 1; d >= 0; d--) {
            int64_t at = centred((int64_t)(rest % (size_t)y->shape.dim[d]), x->shape.dim[d], y->shape.dim[d]);
            rest /= (size_t)y->shape.dim[d];
            inside = inside && at >= 0 && at < x->shape.dim[d];
            from += inside ? (size_t)at * step : 0;
            step *= (size_t)x->shape.dim[d];
        }
        char *to = (char *)y->data + i * bytes;
        if (inside)
            memcpy(to, (const char *)x->data + from * bytes, bytes);
        else
            memset(to, 0, bytes);
    }
    return HN_OK;
}

/* ---- Col2Im --------------------------------------------------------------------------------
 *
 * x [N, C * taps, windows] -> y [N, C, image...]: windows laid over each other, overlaps added. */

/* The geometry is that of a window sliding over the image; false in *known while it is not known. */
static hn_err find_window(hn_call *c, hn_window *w, bool *known)
{
    int64_t image[HN_RANK_MAX], block[HN_RANK_MAX];
    const int64_t *v;
    int n = hn_known(c, 1, image, HN_RANK_MAX), m = hn_known(c, 2, block, HN_RANK_MAX);

    *known = false;
    if ((c->in[1]->data && (n < 1 || n > HN_SPATIAL_MAX)) || (n >= 0 && m >= 0 && n != m) || n == 0 || n > HN_SPATIAL_MAX)
        return hn_bad(c, "image_shape and block_shape do not have the same number of entries, 1 to %d", HN_SPATIAL_MAX);
    if (n < 0 || m < 0)
        return HN_OK;
    *w = (hn_window){ .rank = n };
    static const char *const names[] = { "dilations", "strides", "pads" };
    for (int k = 0; k < 3; k++) {
        size_t have = hn_attr_ints(c->node, names[k], &v), need = (size_t)n * (k == 2 ? 2 : 1);
        if (have && have != need)
            return hn_bad(c, "attribute '%s' has %zu entries, expected %zu", names[k], have, need);
        for (size_t i = 0; i < need; i++) {
            int64_t e = have ? v[i] : k != 2;
            int64_t *to = k == 0 ? w->dilation : k == 1 ? w->stride : i < (size_t)n ? w->pad_begin : w->pad_end;
            if (e < (k != 2) || e > INT32_MAX)
                return hn_bad(c, "attribute '%s' holds %lld", names[k], (long long)e);
            to[i % (size_t)n] = e;
        }
    }
    for (int i = 0; i < n; i++) {
        if (hn_is_symbol(image[i]) || hn_is_symbol(block[i]))
            return HN_OK;
        if (image[i] < 0 || image[i] > INT32_MAX || block[i] < 1 || block[i] > INT32_MAX)
            return hn_bad(c, "a block of %lld in an image of %lld", (long long)block[i], (long long)image[i]);
        w->in[i] = image[i];
        w->kernel[i] = block[i];
        int64_t room = image[i] + w->pad_begin[i] + w->pad_end[i] - (block[i] - 1) * w->dilation[i] - 1;
        if (room < 0)
            return hn_bad(c, "a block of %lld does not fit an image of %lld", (long long)block[i], (long long)image[i]);
        w->out[i] = room / w->stride[i] + 1;
    }
    *known = true;
    return HN_OK;
}

static hn_err infer_col2im(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape out = { .rank = -1 };
    hn_window w;
    bool known;
    HN_TRY(hn_want_number(c, 0));
    HN_TRY(hn_want_type(c, 1, HN_I64));
    HN_TRY(hn_want_type(c, 2, HN_I64));
    HN_TRY(hn_want_rank(c, 0, 3));
    HN_TRY(find_window(c, &w, &known));
    if (known && x->rank == 3) {
        hn_shape taps = hn_shape_of(w.rank, w.kernel), windows = hn_shape_of(w.rank, w.out);
        size_t t = hn_shape_count(&taps), n = hn_shape_count(&windows);
        if ((!hn_is_symbol(x->dim[1]) && (size_t)x->dim[1] % t) ||
            (!hn_is_symbol(x->dim[2]) && (size_t)x->dim[2] != n)) {
            char text[HN_SHAPE_TEXT];
            return hn_bad(c, "input %s does not hold blocks of %zu at %zu places", hn_shape_text(x, text), t, n);
        }
        out = (hn_shape){ .rank = w.rank + 2, .dim = { x->dim[0] } };
        out.dim[1] = hn_is_symbol(x->dim[1]) ? hn_fresh_dim(c) : x->dim[1] / (int64_t)t;
        for (int i = 0; i < w.rank; i++)
            out.dim[i + 2] = w.in[i];
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

static hn_err run_col2im(hn_call *c)
{
    hn_window w;
    bool known;
    double *x, *y = HN_SCRATCH(c, double, hn_count(c->out[0]));
    HN_TRY(find_window(c, &w, &known));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    if (!y)
        return hn_nomem(c->cx, "a picture");
    size_t image = hn_window_size(w.in, w.rank);
    size_t planes = hn_count(c->in[0]) ? hn_shape_product(&c->out[0]->shape, 0, 2) : 0;
    for (size_t p = 0; p < planes; p++) {
        int64_t tap[HN_SPATIAL_MAX] = { 0 };
        do {
            int64_t pos[HN_SPATIAL_MAX] = { 0 };
            do {
                int64_t at = 0;
                bool inside = true;
                for (int i = 0; i < w.rank; i++) {
                    int64_t k = pos[i] * w.stride[i] + tap[i] * w.dilation[i] - w.pad_begin[i];
                    inside = inside && k >= 0 && k < w.in[i];
                    at = at * w.in[i] + k;
                }
                if (inside)
                    y[p * image + (size_t)at] += *x;
                x++;
            } while (hn_step(w.rank, pos, NULL, w.out));
        } while (hn_step(w.rank, tap, NULL, w.kernel));
    }
    hn_put_f64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

static const hn_attr_spec crop_attr[] = { { "axes", HN_ATTR_INTS, "all" }, { 0 } };
static const hn_attr_spec col2im_attr[] = {
    { "dilations", HN_ATTR_INTS, "1s" }, { "pads", HN_ATTR_INTS, "0s" }, { "strides", HN_ATTR_INTS, "1s" }, { 0 }
};

const hn_op hn_op_centercroppad = {
    .name = "CenterCropPad", .since = 18, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .attr = crop_attr, .infer = infer_crop, .run = run_crop,
};

const hn_op hn_op_col2im = {
    .name = "Col2Im", .since = 18, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = col2im_attr, .infer = infer_col2im, .run = run_col2im,
};
