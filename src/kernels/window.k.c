/* SPDX-License-Identifier: Apache-2.0 */
/* Windows over channels-last images, one output row at a time: depthwise convolution and pools.
 *
 * A row of the output is cut in three: columns whose window hangs over the left edge, the interior,
 * and the right edge.  Edges go column by column and skip what is padding; the interior takes
 * several columns at once and asks nothing.  All parts, and all instruction sets, visit the taps of
 * an element in the same order, row by row.
 *
 * out overlaps no input.  No alignment beyond a float's. */
#include "kernels/isa.h"

enum { COLS = 4 };           /* output columns of an interior tile */

typedef struct span { size_t from, to; } span;

/* Taps of output column x that fall inside the row. */
static span taps_inside(const hn_window_f32 *w, size_t x)
{
    size_t at = x * w->stride, d = w->dilation;      /* tap t reads column at + t d - pad */
    size_t from = at < w->pad ? (w->pad - at + d - 1) / d : 0;
    size_t end = w->in_w + w->pad;
    size_t to = at >= end ? 0 : (end - at + d - 1) / d;
    to = to < w->kw ? to : w->kw;
    return (span){ from < to ? from : to, to };
}

/* Output columns with every tap inside. */
static span interior(const hn_window_f32 *w)
{
    size_t reach = (w->kw - 1) * w->dilation + 1;
    size_t from = (w->pad + w->stride - 1) / w->stride;
    size_t to = w->in_w + w->pad >= reach ? (w->in_w + w->pad - reach) / w->stride + 1 : 0;
    to = to < w->out_w ? to : w->out_w;
    return from < to ? (span){ from, to } : (span){ 0, 0 };
}

/* ---- Depthwise convolution ----------------------------------------------------------------- */

typedef struct bounds { float lo, hi; } bounds;

/* One output column, any window. */
static void dw_edge(const hn_window_f32 *w, size_t x, bounds b)
{
    span s = taps_inside(w, x);
    size_t ch = w->channels;
    for (size_t c = 0; c < ch; c += VF_N) {
        vf sum = w->bias ? vf_get(w->bias + c, ch - c) : vf_set(0);
        for (size_t r = 0; r < w->kh; r++) {
            if (!w->rows[r])
                continue;
            for (size_t t = s.from; t < s.to; t++) {
                const float *in = w->rows[r] + (x * w->stride + t * w->dilation - w->pad) * ch + c;
                sum = vf_fma(vf_get(in, ch - c), vf_get(w->weight + (r * w->kw + t) * ch + c, ch - c), sum);
            }
        }
        vf_put(w->out + x * ch + c, vf_clip(sum, vf_set(b.lo), vf_set(b.hi)), ch - c);
    }
}

/* COLS interior columns, any window: each weight is loaded once for all of them. */
static void dw_columns(const hn_window_f32 *w, size_t x, bounds b)
{
    size_t ch = w->channels, step = w->stride * ch;
    for (size_t c = 0; c < ch; c += VF_N) {
        size_t n = ch - c;
        vf sum[COLS];
        UNROLL
        for (int j = 0; j < COLS; j++)
            sum[j] = w->bias ? vf_get(w->bias + c, n) : vf_set(0);
        for (size_t r = 0; r < w->kh; r++) {
            if (!w->rows[r])
                continue;
            const float *in = w->rows[r] + (x * w->stride - w->pad) * ch + c;
            const float *weight = w->weight + r * w->kw * ch + c;
            for (size_t t = 0; t < w->kw; t++, in += w->dilation * ch, weight += ch) {
                vf tap = vf_get(weight, n);
                UNROLL
                for (int j = 0; j < COLS; j++)
                    sum[j] = vf_fma(vf_get(in + (size_t)j * step, n), tap, sum[j]);
            }
        }
        UNROLL
        for (int j = 0; j < COLS; j++)
            vf_put(w->out + (x + (size_t)j) * ch + c, vf_clip(sum[j], vf_set(b.lo), vf_set(b.hi)), n);
    }
}

/* A 3 x 3 window at one place, copied out of hn_window_f32: the compiler cannot know that storing
 * floats leaves that struct alone. */
typedef struct dw3_place {
    const float *row[3];         /* first tap inside the row, or NULL: padding */
    const float *weight, *bias;
    float *out;
    size_t ch;
    bounds clip;
} dw3_place;

/* `cols` columns of `vecs` vectors of channels from c, n in the last, taps [from, to) of each row:
 * an input column is loaded once for all the outputs it reaches.  All but c and n are constants in
 * every caller. */
VEC void dw3_tile(const dw3_place *p, size_t c, int vecs, size_t n, int cols, int stride, int from, int to)
{
    size_t ch = p->ch;
    vf sum[COLS][2];
    UNROLL
    for (int v = 0; v < vecs; v++) {
        vf bias = p->bias ? vf_get(p->bias + c + v * VF_N, n) : vf_set(0);
        UNROLL
        for (int j = 0; j < cols; j++)
            sum[j][v] = bias;
    }
    UNROLL
    for (int r = 0; r < 3; r++) {
        if (!p->row[r])
            continue;
        const float *in = p->row[r] + c, *weight = p->weight + (size_t)r * 3 * ch + c;
        vf tap[3][2];
        UNROLL
        for (int t = from; t < to; t++)
            UNROLL
            for (int v = 0; v < vecs; v++)
                tap[t][v] = vf_get(weight + (size_t)t * ch + v * VF_N, n);
        UNROLL
        for (int i = from; i < (cols - 1) * stride + to; i++)
            UNROLL
            for (int v = 0; v < vecs; v++) {
                vf x = vf_get(in + (size_t)(i - from) * ch + v * VF_N, n);
                UNROLL
                for (int j = 0; j < cols; j++)
                    if (i >= j * stride + from && i < j * stride + to)
                        sum[j][v] = vf_fma(x, tap[i - j * stride][v], sum[j][v]);
            }
    }
    vf lo = vf_set(p->clip.lo), hi = vf_set(p->clip.hi);
    UNROLL
    for (int j = 0; j < cols; j++)
        UNROLL
        for (int v = 0; v < vecs; v++)
            vf_put(p->out + (size_t)j * ch + c + v * VF_N, vf_clip(sum[j][v], lo, hi), n);
}

/* `cols` columns from x, all channels.  Channels innermost, two vectors (with AVX2 a whole line of the
 * cache) at a time: every stream is read in order and no line twice, whatever the row's length.  Nine
 * weights kept in registers along the row would save loads, and lose it all when columns lie a power
 * of two apart and fight for the same few lines of the first cache: a third of the speed. */
VEC void dw3_columns(const hn_window_f32 *w, size_t x, int cols, int stride, int from, int to, bounds b)
{
    size_t c = 0, ch = w->channels;
    dw3_place p = { .weight = w->weight, .bias = w->bias, .out = w->out + x * ch, .ch = ch, .clip = b };
    for (int r = 0; r < 3; r++)
        p.row[r] = w->rows[r] ? w->rows[r] + (x * (size_t)stride + (size_t)from - w->pad) * ch : NULL;
    for (; c + 2 * VF_N <= ch; c += 2 * VF_N)
        dw3_tile(&p, c, 2, VF_N, cols, stride, from, to);
    for (; c + VF_N <= ch; c += VF_N)
        dw3_tile(&p, c, 1, VF_N, cols, stride, from, to);
    if (c < ch)
        dw3_tile(&p, c, 1, ch - c, cols, stride, from, to);
}

static void dw3_one(const hn_window_f32 *w, size_t x, bounds b)
{
    span s = taps_inside(w, x);
    int stride = (int)w->stride;
    if (s.from == 0 && s.to == 3)
        dw3_columns(w, x, 1, stride, 0, 3, b);
    else if (s.from == 1 && s.to == 3)
        dw3_columns(w, x, 1, stride, 1, 3, b);
    else if (s.from == 0 && s.to == 2)
        dw3_columns(w, x, 1, stride, 0, 2, b);
    else
        dw_edge(w, x, b);
}

VEC void dw3(const hn_window_f32 *w, span in, int stride, bounds b)
{
    size_t x = in.from;
    for (size_t e = 0; e < in.from; e++)
        dw3_one(w, e, b);
    for (; x + COLS <= in.to; x += COLS)
        dw3_columns(w, x, COLS, stride, 0, 3, b);
    if (in.to - x > 1 && in.to - in.from >= COLS) {         /* the last tile again, further right */
        dw3_columns(w, in.to - COLS, COLS, stride, 0, 3, b);
        x = in.to;
    }
    for (; x < w->out_w; x++)
        dw3_one(w, x, b);
}

static void dw3_stride1(const hn_window_f32 *w, span in, bounds b) { dw3(w, in, 1, b); }
static void dw3_stride2(const hn_window_f32 *w, span in, bounds b) { dw3(w, in, 2, b); }

static void dw_any(const hn_window_f32 *w, span in, bounds b)
{
    size_t x = in.from;
    for (size_t e = 0; e < in.from; e++)
        dw_edge(w, e, b);
    for (; x + COLS <= in.to; x += COLS)
        dw_columns(w, x, b);
    for (; x < w->out_w; x++)
        dw_edge(w, x, b);
}

/* out = act(bias + sum of input * weight), channel by channel; taps on padding are left out.
 * Scalar results differ where the machine has no fused multiply-add. */
void K(dwconv_f32)(const hn_window_f32 *w)
{
    bounds b;
    int clip = act_bounds(w->act, &b.lo, &b.hi);
    bool three = w->kh == 3 && w->kw == 3 && w->dilation == 1;

    if (three && w->stride == 1)
        dw3_stride1(w, interior(w), b);
    else if (three && w->stride == 2)
        dw3_stride2(w, interior(w), b);
    else
        dw_any(w, interior(w), b);
    if (!clip)
        K(act_f32)(w->out, w->out, w->out_w * w->channels, w->act);
}

/* ---- Pools ----------------------------------------------------------------------------------- */

/* Taps of one output column, `vecs` vectors of channels from c at a time, divided by `count` unless
 * that is 0.  Returns the first channel not done. */
VEC size_t pool(const hn_window_f32 *w, size_t x, span s, size_t c, int vecs, vf start, size_t count,
                vf (*f)(vf x, vf so_far))
{
    size_t ch = w->channels, step = (size_t)vecs * VF_N;
    for (; c + (size_t)(vecs - 1) * VF_N < ch && (vecs == 1 || c + step <= ch); c += step) {
        vf all[4];
        size_t n = vecs == 1 ? ch - c : VF_N;
        UNROLL
        for (int v = 0; v < vecs; v++)
            all[v] = start;
        for (size_t r = 0; r < w->kh; r++) {
            if (!w->rows[r] || s.from == s.to)
                continue;
            const float *in = w->rows[r] + (x * w->stride + s.from * w->dilation - w->pad) * ch + c;
            for (size_t t = s.from; t < s.to; t++, in += w->dilation * ch)
                UNROLL
                for (int v = 0; v < vecs; v++)
                    all[v] = f(vf_get(in + v * VF_N, n), all[v]);
        }
        UNROLL
        for (int v = 0; v < vecs; v++)
            vf_put(w->out + x * ch + c + (size_t)v * VF_N,
                   count ? vf_div(all[v], vf_set((float)count)) : all[v], n);
    }
    return c;
}

/* Largest tap, NaN if any is; padding never wins, and a window of nothing else gives -inf.  Every instruction set gives the same bits. */
void K(maxpool_f32)(const hn_window_f32 *w)
{
    vf low = vf_set(-__builtin_inff());
    for (size_t x = 0; x < w->out_w; x++) {
        span s = taps_inside(w, x);
        size_t c = pool(w, x, s, 0, 4, low, 0, vf_greatest);
        pool(w, x, s, c, 1, low, 0, vf_greatest);
    }
    if (w->act.kind != HN_ACT_NONE)
        K(act_f32)(w->out, w->out, w->out_w * w->channels, w->act);
}

/* Sum over the taps, divided by how many were inside, or by kh kw when padding counts; 0 for a
 * window of nothing but padding.  Every instruction set gives the same bits, but for what act_f32 says of w->act. */
void K(avgpool_f32)(const hn_window_f32 *w)
{
    size_t height = 0;
    for (size_t r = 0; r < w->kh; r++)
        height += w->rows[r] != NULL;
    for (size_t x = 0; x < w->out_w; x++) {
        span s = taps_inside(w, x);
        size_t count = w->count_pad ? w->kh * w->kw : height * (s.to - s.from);
        size_t c = pool(w, x, s, 0, 4, vf_set(0), count, vf_add);
        pool(w, x, s, c, 1, vf_set(0), count, vf_add);
    }
    if (w->act.kind != HN_ACT_NONE)
        K(act_f32)(w->out, w->out, w->out_w * w->channels, w->act);
}
