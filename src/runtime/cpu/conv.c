/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c: Conv on channels-last f32.
 *
 * conv.gemm.f32       any dense or grouped convolution of one or two spatial dimensions, as a matrix
 *                     product: output pixels are rows, the window's elements k, output channels
 *                     columns.  A 1x1 window with unit stride reads its rows in place; others are
 *                     gathered a tile at a time into scratch that stays in L2.
 * conv.depthwise.f32  one filter per channel: a walk along rows. */
#include <string.h>

#include "base/num.h"
#include "graph/window.h"
#include "runtime/impl.h"

/* Rows of a tile: as many as keep the gathered rows in a third of a 512 KiB L2. */
#define TILE_FLOATS (40 * 1024)
#define TILE_ROWS_MIN 12
#define TILE_ROWS_MAX 384

typedef struct conv {
    size_t batch, in_h, in_w, in_c, out_h, out_w, out_c, groups;
    size_t kh, kw, stride_h, stride_w, dil_h, dil_w;
    int64_t pad_top, pad_left;
    size_t k, n;                     /* of one group's product */
    size_t tile;                     /* output pixels per piece of work */
    bool in_place;                   /* rows of A are pixels of the input */
    size_t packed_each;              /* floats of one group's packed weights */
    const float *weight, *bias;
    hn_act act;
} conv;

/* Fills the geometry; false for what this file does not do. */
static bool geometry(const hn_prep *p, conv *c)
{
    const hn_shape *x = &p->in[0]->shape, *w = &p->in[1]->shape, *y = &p->out[0]->shape;
    hn_window win;
    hn_call call = hn_prep_call(p);
    if ((x->rank != 3 && x->rank != 4) || !p->in[1]->data || !hn_prep_f32(p))
        return false;
    if (p->in_count > 2 && p->in[2] && !p->in[2]->data)
        return false;
    if (hn_window_read(&call, x, w, &win) || hn_window_out(&call, false, &win))
        return false;
    int s = x->rank - 3;             /* index of the width among the spatial dimensions */
    *c = (conv){
        .batch = (size_t)x->dim[0], .in_c = (size_t)x->dim[1],
        .in_h = s ? (size_t)x->dim[2] : 1, .in_w = (size_t)x->dim[2 + s],
        .out_h = s ? (size_t)y->dim[2] : 1, .out_w = (size_t)y->dim[2 + s], .out_c = (size_t)y->dim[1],
        .groups = (size_t)hn_attr_int(p->node, "group", 1),
        .kh = s ? (size_t)win.kernel[0] : 1, .kw = (size_t)win.kernel[s],
        .stride_h = s ? (size_t)win.stride[0] : 1, .stride_w = (size_t)win.stride[s],
        .dil_h = s ? (size_t)win.dilation[0] : 1, .dil_w = (size_t)win.dilation[s],
        .pad_top = s ? win.pad_begin[0] : 0, .pad_left = win.pad_begin[s], .act = p->node->act,
    };
    return hn_count(p->out[0]) > 0 && hn_count(p->in[1]) > 0 && c->pad_top >= 0 && c->pad_left >= 0;
}

/* ---- As a matrix product ------------------------------------------------------------------ */

static bool accepts_gemm(const hn_prep *p)
{
    conv c;
    return hn_op_is(p->node, "Conv") && geometry(p, &c);
}

/* OIHW of one group to [out_c][kh][kw][in_c], the order in which rows are gathered. */
static void reorder_weights(float *out, const float *w, const conv *c)
{
    size_t in_c = c->in_c / c->groups, area = c->kh * c->kw;
    for (size_t o = 0; o < c->n; o++)
        for (size_t i = 0; i < in_c; i++)
            for (size_t a = 0; a < area; a++)
                out[(o * area + a) * in_c + i] = w[(o * in_c + i) * area + a];
}

static hn_err pack_weights(hn_prep *p, conv *c)
{
    c->packed_each = p->k->pack_b_f32_size(c->k, c->n);
    float *packed = hn_prep_pack(p, hn_mul(hn_mul(c->packed_each, c->groups), sizeof *packed));
    if (hn_prep_measuring(p))
        return HN_OK;
    float *rows = hn_alloc(p->cx, c->k * c->n * sizeof *rows);
    if (!packed || !rows) {
        hn_free(p->cx, rows);
        return hn_nomem(p->cx, "packed weights");
    }
    for (size_t g = 0; g < c->groups; g++) {
        reorder_weights(rows, (const float *)p->in[1]->data + g * c->k * c->n, c);
        p->k->pack_b_f32(packed + g * c->packed_each, rows, c->k, c->k, c->n, 1);
    }
    hn_free(p->cx, rows);
    c->weight = packed;
    return HN_OK;
}

static hn_err prepare_gemm(hn_prep *p)
{
    conv *c = HN_NEW(p->arena, conv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    geometry(p, c);
    c->k = c->in_c / c->groups * c->kh * c->kw;
    c->n = c->out_c / c->groups;
    c->bias = p->in_count > 2 && p->in[2] ? p->in[2]->data : NULL;
    c->in_place = c->kh == 1 && c->kw == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_top == 0 &&
                  c->pad_left == 0 && c->out_h == c->in_h && c->out_w == c->in_w;

    /* Small enough for L2, many enough that every thread gets several. */
    size_t pixels = c->out_h * c->out_w, fit = TILE_FLOATS / hn_max(c->k, 1);
    size_t share = hn_ceil_div(c->batch * pixels, p->threads > 1 ? p->threads * 4 : 1);
    c->tile = hn_min(hn_max(hn_min(fit, share), TILE_ROWS_MIN), TILE_ROWS_MAX);
    c->tile = hn_min(hn_round_up(c->tile, 6), hn_max(pixels, 1));
    if (!c->in_place)
        p->scratch_bytes = hn_mul(c->tile * sizeof(float), c->k);
    p->state = c;
    return pack_weights(p, c);
}

/* Row `pixel` of A: the window's elements around one output pixel, zero where it hangs over. */
static void gather(const conv *c, const float *image, size_t group, size_t pixel, float *row)
{
    size_t in_c = c->in_c / c->groups;
    int64_t y0 = (int64_t)(pixel / c->out_w * c->stride_h) - c->pad_top;
    int64_t x0 = (int64_t)(pixel % c->out_w * c->stride_w) - c->pad_left;
    const float *from = image + group * in_c;

    for (size_t i = 0; i < c->kh; i++) {
        int64_t y = y0 + (int64_t)(i * c->dil_h);
        float *to = row + i * c->kw * in_c;
        if (y < 0 || y >= (int64_t)c->in_h) {
            memset(to, 0, c->kw * in_c * sizeof *to);
            continue;
        }
        const float *line = from + (size_t)y * c->in_w * c->in_c;
        bool inside = x0 >= 0 && x0 + (int64_t)((c->kw - 1) * c->dil_w) < (int64_t)c->in_w;
        if (inside && c->groups == 1 && c->dil_w == 1) {        /* the window's row is one run */
            memcpy(to, line + (size_t)x0 * in_c, c->kw * in_c * sizeof *to);
            continue;
        }
        for (size_t j = 0; j < c->kw; j++, to += in_c) {
            int64_t x = x0 + (int64_t)(j * c->dil_w);
            if (x < 0 || x >= (int64_t)c->in_w)
                memset(to, 0, in_c * sizeof *to);
            else
                memcpy(to, line + (size_t)x * c->in_c, in_c * sizeof *to);
        }
    }
}

typedef struct job { const hn_run *r; const conv *c; size_t tiles; } job;

static void gemm_tile(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const conv *c = j->c;
    size_t tile = piece % j->tiles, image = piece / j->tiles % c->batch, group = piece / j->tiles / c->batch;
    size_t pixels = c->out_h * c->out_w, first = tile * c->tile, m = hn_min(c->tile, pixels - first);
    const float *x = (const float *)j->r->in[0]->data + image * c->in_h * c->in_w * c->in_c;
    float *y = (float *)j->r->out[0]->data + (image * pixels + first) * c->out_c + group * c->n;
    float *rows = (float *)(void *)(j->r->scratch + worker * j->r->scratch_stride);

    hn_gemm_f32 g = { .m = m, .n = c->n, .k = c->k, .b = c->weight + group * c->packed_each, .c = y,
                      .ldc = c->out_c, .bias = c->bias ? c->bias + group * c->n : NULL, .act = c->act };
    if (c->in_place) {
        g.a = x + first * c->in_c + group * (c->in_c / c->groups);
        g.lda = c->in_c;
    } else {
        for (size_t i = 0; i < m; i++)
            gather(c, x, group, first + i, rows + i * c->k);
        g.a = rows;
        g.lda = c->k;
    }
    j->r->k->gemm_f32(&g);
}

static hn_err run_gemm(const hn_run *r)
{
    const conv *c = r->state;
    job j = { r, c, hn_ceil_div(c->out_h * c->out_w, c->tile) };
    hn_parallel(r, j.tiles * c->batch * c->groups, gemm_tile, &j);
    return HN_OK;
}

const hn_impl hn_impl_conv_gemm = {
    .name = "conv.gemm.f32", .rule = HN_RULE_CL,
    .accepts = accepts_gemm, .prepare = prepare_gemm, .run = run_gemm,
};

/* ---- One filter per channel --------------------------------------------------------------- */

static bool accepts_depthwise(const hn_prep *p)
{
    conv c;
    return hn_op_is(p->node, "Conv") && geometry(p, &c) && c.groups == c.in_c && c.out_c == c.in_c &&
           c.groups > 1;
}

static hn_err prepare_depthwise(hn_prep *p)
{
    conv *c = HN_NEW(p->arena, conv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    geometry(p, c);
    c->bias = p->in_count > 2 && p->in[2] ? p->in[2]->data : NULL;
    size_t area = c->kh * c->kw;
    float *packed = hn_prep_pack(p, hn_mul(area * sizeof *packed, c->in_c));
    p->scratch_bytes = c->kh * sizeof(const float *);
    p->state = c;
    if (hn_prep_measuring(p))
        return HN_OK;
    if (!packed)
        return hn_nomem(p->cx, "packed weights");
    const float *w = p->in[1]->data;
    for (size_t ch = 0; ch < c->in_c; ch++)
        for (size_t a = 0; a < area; a++)
            packed[a * c->in_c + ch] = w[ch * area + a];
    c->weight = packed;
    return HN_OK;
}

static void depthwise_row(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const conv *c = j->c;
    size_t image = piece / c->out_h, y = piece % c->out_h;
    const float *x = (const float *)j->r->in[0]->data + image * c->in_h * c->in_w * c->in_c;
    const float **rows = (const float **)(void *)(j->r->scratch + worker * j->r->scratch_stride);

    for (size_t i = 0; i < c->kh; i++) {
        int64_t at = (int64_t)(y * c->stride_h + i * c->dil_h) - c->pad_top;
        rows[i] = at < 0 || at >= (int64_t)c->in_h ? NULL : x + (size_t)at * c->in_w * c->in_c;
    }
    hn_window_f32 w = { .rows = rows, .kh = c->kh, .kw = c->kw, .in_w = c->in_w, .out_w = c->out_w,
                        .channels = c->in_c, .stride = c->stride_w, .dilation = c->dil_w,
                        .pad = (size_t)c->pad_left, .weight = c->weight, .bias = c->bias, .act = c->act,
                        .out = (float *)j->r->out[0]->data + piece * c->out_w * c->out_c };
    j->r->k->dwconv_f32(&w);
}

static hn_err run_depthwise(const hn_run *r)
{
    const conv *c = r->state;
    job j = { r, c, 0 };
    hn_parallel(r, c->batch * c->out_h, depthwise_row, &j);
    return HN_OK;
}

const hn_impl hn_impl_conv_depthwise = {
    .name = "conv.depthwise.f32", .rule = HN_RULE_CL,
    .accepts = accepts_depthwise, .prepare = prepare_depthwise, .run = run_depthwise,
};
