/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/window.h"

/* Sizes from a file stay below this, so that no product of two of them overflows. */
#define SIZE_LIMIT ((int64_t)1 << 31)

/* An INTS attribute with one entry per spatial dimension (pads: two), each in [low, SIZE_LIMIT). */
static hn_err read_list(hn_call *c, const char *name, int count, int64_t low, int64_t missing, int64_t *out)
{
    const int64_t *v;
    size_t n = hn_attr_ints(c->node, name, &v);
    if (n != 0 && n != (size_t)count)
        return hn_bad(c, "attribute '%s' has %zu entries, expected %d", name, n, count);
    for (int i = 0; i < count; i++) {
        out[i] = n ? v[i] : missing;
        if (out[i] < low || out[i] >= SIZE_LIMIT)
            return hn_bad(c, "attribute '%s' holds %lld, expected %lld or more", name, (long long)out[i],
                          (long long)low);
    }
    return HN_OK;
}

hn_err hn_window_read(hn_call *c, const hn_shape *x, const hn_shape *weight, hn_window *w)
{
    int64_t pads[2 * HN_SPATIAL_MAX];
    int rank = x->rank - 2;

    *w = (hn_window){ .rank = rank };
    if (rank < 1)
        return hn_bad(c, "input has %d dimensions, expected 3 or more: batch, channels, space", x->rank);
    HN_TRY(read_list(c, "strides", rank, 1, 1, w->stride));
    HN_TRY(read_list(c, "dilations", rank, 1, 1, w->dilation));
    HN_TRY(read_list(c, "pads", 2 * rank, 0, 0, pads));
    HN_TRY(read_list(c, "kernel_shape", rank, 1, 1, w->kernel));

    const int64_t *given;
    bool has_kernel = hn_attr_ints(c->node, "kernel_shape", &given) != 0;
    if (!has_kernel && !weight)
        return hn_bad(c, "attribute 'kernel_shape' is missing");
    for (int i = 0; i < rank; i++) {
        w->in[i] = x->dim[i + 2];
        w->pad_begin[i] = pads[i];
        w->pad_end[i] = pads[rank + i];
        if (w->in[i] >= SIZE_LIMIT)
            return hn_bad(c, "dimension %d is %lld, too large", i + 2, (long long)w->in[i]);
        if (!weight || weight->rank < 0)
            continue;
        int64_t k = weight->dim[i + 2];
        if (has_kernel && hn_is_symbol(k))
            continue;
        if (has_kernel && k != w->kernel[i])
            return hn_bad(c, "kernel_shape says %lld where the weights have %lld", (long long)w->kernel[i],
                          (long long)k);
        if (!hn_is_symbol(k) && (k < 1 || k >= SIZE_LIMIT))
            return hn_bad(c, "the kernel has size %lld", (long long)k);
        w->kernel[i] = k;
    }
    return HN_OK;
}

/* One dimension whose sizes are all known. */
static hn_err find_out(hn_call *c, bool ceil_mode, hn_window *w, int i)
{
    int64_t in = w->in[i], s = w->stride[i], reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    bool upper = hn_attr_is(c->node, "auto_pad", "SAME_UPPER", "NOTSET");

    if (upper || hn_attr_is(c->node, "auto_pad", "SAME_LOWER", "NOTSET")) {
        w->out[i] = (in + s - 1) / s;
        int64_t pad = (w->out[i] - 1) * s + reach - in;
        pad = pad < 0 ? 0 : pad;
        w->pad_begin[i] = upper ? pad / 2 : pad - pad / 2;
        w->pad_end[i] = pad - w->pad_begin[i];
        return HN_OK;
    }
    if (hn_attr_is(c->node, "auto_pad", "VALID", "NOTSET"))
        w->pad_begin[i] = w->pad_end[i] = 0;
    int64_t room = in + w->pad_begin[i] + w->pad_end[i] - reach;
    if (room < 0 && in > 0)
        return hn_bad(c, "a window of %lld does not fit into dimension %d of %lld with its padding",
                      (long long)reach, i + 2, (long long)in);
    w->out[i] = room < 0 ? 0 : (ceil_mode ? room + s - 1 : room) / s + 1;
    /* Rounding up may add a window that begins past the input, in padding alone: not one. */
    if (ceil_mode && w->out[i] > 0 && (w->out[i] - 1) * s >= in + w->pad_begin[i])
        w->out[i]--;
    return HN_OK;
}

hn_err hn_window_out(hn_call *c, bool ceil_mode, hn_window *w)
{
    bool same = hn_attr_is(c->node, "auto_pad", "SAME_UPPER", "NOTSET") ||
                hn_attr_is(c->node, "auto_pad", "SAME_LOWER", "NOTSET");
    bool valid = hn_attr_is(c->node, "auto_pad", "VALID", "NOTSET");
    if (!same && !valid && !hn_attr_is(c->node, "auto_pad", "NOTSET", "NOTSET"))
        return hn_bad(c, "auto_pad is '%.*s', expected NOTSET, SAME_UPPER, SAME_LOWER or VALID",
                      (int)hn_attr_text(c->node, "auto_pad", "").len,
                      hn_attr_text(c->node, "auto_pad", "").ptr);

    for (int i = 0; i < w->rank; i++) {
        int64_t pads = valid ? 0 : w->pad_begin[i] + w->pad_end[i];
        if (!hn_is_symbol(w->in[i]) && !hn_is_symbol(w->kernel[i]))
            HN_TRY(find_out(c, ceil_mode, w, i));
        else if (hn_is_symbol(w->in[i]) && w->stride[i] == 1 &&
                 (same || (!hn_is_symbol(w->kernel[i]) && pads == (w->kernel[i] - 1) * w->dilation[i])))
            w->out[i] = w->in[i];             /* the window keeps the size, whatever it is */
        else
            w->out[i] = hn_fresh_dim(c);
    }
    return HN_OK;
}
