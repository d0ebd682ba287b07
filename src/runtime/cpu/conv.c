/* SPDX-License-Identifier: Apache-2.0 */
/* conv.c: Conv on channels-last f32.
 *
 * conv.gemm.f32       any dense or grouped convolution of one or two spatial dimensions, as a matrix
 *                     product: output pixels are rows, the window's elements k, output channels
 *                     columns.  The product reads windows where they lie in the image.  Only where
 *                     a window may hang over the edge, a strip of the image is first copied with its
 *                     border of zeros, into scratch that stays in L2.
 * conv.depthwise.f32  one filter per channel: a walk along rows. */
#include <string.h>

#include "base/num.h"
#include "graph/window.h"
#include "runtime/cpu/conv.h"

/* A strip with its border: as many lines as fill a third of a 512 KiB L2. */
#define STRIP_FLOATS (40 * 1024)
#define PIXELS_MIN 48                /* of a piece of work */

typedef struct conv {
    hn_conv_shape s;
    size_t k, n;                     /* of one group's product */
    size_t lines;                    /* output lines per piece of work */
    bool padded;                     /* windows are read from a strip with a border */
    size_t strip_w;                  /* pixels of a line of the strip */
    size_t run;                      /* elements of a window that lie together, */
    const size_t *run_at;            /* and where each such run begins */
    int add;                         /* the input that is added to the result, 0: none */
    size_t packed_each;              /* floats of one group's packed weights */
    const float *weight, *bias;
    hn_act act;
} conv;

bool hn_conv_geometry(const hn_prep *p, hn_conv_shape *c)
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
    *c = (hn_conv_shape){
        .batch = (size_t)x->dim[0], .in_c = (size_t)x->dim[1],
        .in_h = s ? (size_t)x->dim[2] : 1, .in_w = (size_t)x->dim[2 + s],
        .out_h = s ? (size_t)y->dim[2] : 1, .out_w = (size_t)y->dim[2 + s], .out_c = (size_t)y->dim[1],
        .groups = (size_t)hn_attr_int(p->node, "group", 1),
        .kh = s ? (size_t)win.kernel[0] : 1, .kw = (size_t)win.kernel[s],
        .stride_h = s ? (size_t)win.stride[0] : 1, .stride_w = (size_t)win.stride[s],
        .dil_h = s ? (size_t)win.dilation[0] : 1, .dil_w = (size_t)win.dilation[s],
        .pad_top = s ? win.pad_begin[0] : 0, .pad_left = win.pad_begin[s],
    };
    return hn_count(p->out[0]) > 0 && hn_count(p->in[1]) > 0 && c->pad_top >= 0 && c->pad_left >= 0;
}

/* ---- As a matrix product ------------------------------------------------------------------ */

static bool accepts_gemm(const hn_prep *p)
{
    conv c;
    return hn_op_is(p->node, "Conv") && hn_conv_geometry(p, &c.s);
}

/* OIHW of one group to [out_c][kh][kw][in_c], the order of a window in the image. */
static void reorder_weights(float *out, const float *w, const conv *c)
{
    size_t in_c = c->s.in_c / c->s.groups, area = c->s.kh * c->s.kw;
    for (size_t o = 0; o < c->n; o++)
        for (size_t i = 0; i < in_c; i++)
            for (size_t a = 0; a < area; a++)
                out[(o * area + a) * in_c + i] = w[(o * in_c + i) * area + a];
}

static hn_err pack_weights(hn_prep *p, conv *c)
{
    c->packed_each = p->k->pack_b_f32_size(c->k, c->n);
    bool made;
    float *packed = hn_prep_weights(p, 1, hn_mul(hn_mul(c->packed_each, c->s.groups), sizeof *packed), &made);
    c->weight = packed;
    if (made)
        return HN_OK;
    bool in_order = c->s.kh * c->s.kw == 1;
    float *rows = in_order ? NULL : hn_alloc(p->cx, c->k * c->n * sizeof *rows);
    if (!packed || (!rows && !in_order)) {
        hn_free(p->cx, rows);
        return hn_nomem(p->cx, "packed weights");
    }
    for (size_t g = 0; g < c->s.groups; g++) {
        const float *w = (const float *)p->in[1]->data + g * c->k * c->n;
        if (!in_order)
            reorder_weights(rows, w, c);
        p->k->pack_b_f32(packed + g * c->packed_each, in_order ? w : rows, c->k, c->k, c->n, 1);
    }
    hn_free(p->cx, rows);
    return HN_OK;
}

/* Lines of the input under `lines` lines of the output. */
static size_t lines_under(const conv *c, size_t lines) { return (lines - 1) * c->s.stride_h + (c->s.kh - 1) * c->s.dil_h + 1; }

/* A window's elements lie together along a line, unless it skips pixels or takes some channels only. */
static hn_err find_runs(hn_prep *p, conv *c)
{
    size_t each = c->s.in_c / c->s.groups, line = (c->padded ? c->strip_w : c->s.in_w) * c->s.in_c;
    bool whole = c->s.groups == 1 && c->s.dil_w == 1;
    size_t across = whole ? 1 : c->s.kw, *at = HN_NEW(p->arena, size_t, c->s.kh * across);
    if (!at)
        return hn_nomem(p->cx, "a convolution");
    for (size_t i = 0; i < c->s.kh; i++)
        for (size_t j = 0; j < across; j++)
            at[i * across + j] = i * c->s.dil_h * line + j * c->s.dil_w * c->s.in_c;
    c->run = whole ? c->s.kw * each : each;
    c->run_at = at;
    return HN_OK;
}

static hn_err prepare_gemm(hn_prep *p)
{
    conv *c = HN_NEW(p->arena, conv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    hn_conv_geometry(p, &c->s);
    c->act = p->node->act;
    c->k = c->s.in_c / c->s.groups * c->s.kh * c->s.kw;
    c->n = c->s.out_c / c->s.groups;
    c->bias = p->in_count > 2 && p->in[2] ? p->in[2]->data : NULL;
    bool point = c->s.kh == 1 && c->s.kw == 1 && c->s.stride_h == 1 && c->s.stride_w == 1;
    c->strip_w = (c->s.out_w - 1) * c->s.stride_w + (c->s.kw - 1) * c->s.dil_w + 1;
    c->padded = c->s.pad_top > 0 || c->s.pad_left > 0 || c->strip_w > c->s.in_w || lines_under(c, c->s.out_h) > c->s.in_h;
    if (point && !c->padded && c->s.out_h == c->s.in_h && c->s.out_w == c->s.in_w) {       /* no lines: pixels are rows */
        c->s.in_h = c->s.out_h = c->s.out_h * c->s.out_w;
        c->s.in_w = c->s.out_w = 1;
    }

    /* Many enough that every thread gets several; a strip small enough for L2. */
    size_t share = hn_ceil_div(c->s.batch * c->s.out_h, p->threads > 1 ? p->threads * 4 : 1);
    size_t least = hn_ceil_div(PIXELS_MIN, c->s.out_w);
    c->lines = hn_min(hn_max(hn_prep_cut(p, share), least), c->s.out_h);
    if (c->padded) {
        size_t line = c->strip_w * c->s.in_c, window = lines_under(c, 1) * line;
        size_t fit = STRIP_FLOATS > window ? (STRIP_FLOATS - window) / (c->s.stride_h * line) : 0;
        c->lines = hn_min(c->lines, hn_max(hn_prep_cut(p, fit + 1), least));
        p->scratch_bytes = hn_mul(lines_under(c, c->lines) * sizeof(float), line);
    }
    p->state = c;
    HN_TRY(find_runs(p, c));
    return pack_weights(p, c);
}

/* `lines` lines of an image from line `first`, which may lie above it, with zeros all around. */
static void copy_strip(const conv *c, const float *image, int64_t first, size_t lines, float *to)
{
    size_t left = hn_min((size_t)c->s.pad_left, c->strip_w), wide = hn_min(c->strip_w - left, c->s.in_w);
    size_t right = c->strip_w - left - wide, ch = c->s.in_c;
    for (size_t i = 0; i < lines; i++, to += c->strip_w * ch) {
        int64_t y = first + (int64_t)i;
        if (y < 0 || y >= (int64_t)c->s.in_h) {
            memset(to, 0, c->strip_w * ch * sizeof *to);
            continue;
        }
        memset(to, 0, left * ch * sizeof *to);
        memcpy(to + left * ch, image + (size_t)y * c->s.in_w * ch, wide * ch * sizeof *to);
        memset(to + (left + wide) * ch, 0, right * ch * sizeof *to);
    }
}

typedef struct job { const hn_run *r; const conv *c; size_t pieces; } job;

static void some_lines(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const conv *c = j->c;
    size_t image = piece / j->pieces, first = piece % j->pieces * c->lines, lines = hn_min(c->lines, c->s.out_h - first);
    const float *a = (const float *)j->r->in[0]->data + image * c->s.in_h * c->s.in_w * c->s.in_c;
    size_t line = c->s.in_w * c->s.in_c;
    if (c->padded) {
        float *strip = (float *)(void *)(j->r->scratch + worker * j->r->scratch_stride);
        copy_strip(c, a, (int64_t)(first * c->s.stride_h) - c->s.pad_top, lines_under(c, lines), strip);
        a = strip;
        line = c->strip_w * c->s.in_c;
    } else {
        a += first * c->s.stride_h * line;
    }

    hn_gemm_f32 g = { .m = lines * c->s.out_w, .n = c->n, .k = c->k, .lda = c->s.stride_w * c->s.in_c, .line = c->s.out_w,
                      .line_step = c->s.stride_h * line, .run = c->run, .run_at = c->run_at, .ldc = c->s.out_c, .act = c->act };
    if (c->s.out_w == 1) {                 /* lines of one pixel: the lines are the rows */
        g.lda = g.line_step;
        g.line = 0;
    }
    for (size_t i = 0; i < c->s.groups; i++) {
        g.a = a + i * (c->s.in_c / c->s.groups);
        g.b = c->weight + i * c->packed_each;
        g.bias = c->bias ? c->bias + i * c->n : NULL;
        size_t at = (image * c->s.out_h + first) * c->s.out_w * c->s.out_c + i * c->n;
        g.c = (float *)j->r->out[0]->data + at;
        g.add = c->add ? (const float *)j->r->in[c->add]->data + at : NULL;
        g.ld_add = c->s.out_c;
        j->r->k->gemm_f32(&g);
    }
}

static hn_err run_gemm(const hn_run *r)
{
    const conv *c = r->state;
    job j = { r, c, hn_ceil_div(c->s.out_h, c->lines) };
    hn_parallel(r, j.pieces * c->s.batch, some_lines, &j);
    return HN_OK;
}

static hn_absorb absorb_gemm(void *state, const hn_tensor *summand, const hn_tensor *sum, int i, hn_act act)
{
    conv *c = state;
    if (c->add || !hn_shape_equal(&summand->shape, &sum->shape))
        return HN_ABSORB_NO;
    c->add = i;
    c->act = act;
    return HN_ABSORB_OPERAND;
}

const hn_impl hn_impl_conv_gemm = {
    .name = "conv.gemm.f32", .rule = HN_RULE_CL,
    .accepts = accepts_gemm, .prepare = prepare_gemm, .run = run_gemm, .absorb = absorb_gemm, .variants = HN_VARIANTS_CUT,
};

/* ---- One filter per channel --------------------------------------------------------------- */

static bool accepts_depthwise(const hn_prep *p)
{
    conv c;
    return hn_op_is(p->node, "Conv") && hn_conv_geometry(p, &c.s) && c.s.groups == c.s.in_c && c.s.out_c == c.s.in_c &&
           c.s.groups > 1;
}

static hn_err prepare_depthwise(hn_prep *p)
{
    conv *c = HN_NEW(p->arena, conv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    hn_conv_geometry(p, &c->s);
    c->act = p->node->act;
    c->bias = p->in_count > 2 && p->in[2] ? p->in[2]->data : NULL;
    size_t area = c->s.kh * c->s.kw;
    bool made;
    float *packed = hn_prep_weights(p, 1, hn_mul(area * sizeof *packed, c->s.in_c), &made);
    p->scratch_bytes = c->s.kh * sizeof(const float *);
    c->weight = packed;
    p->state = c;
    if (made)
        return HN_OK;
    if (!packed)
        return hn_nomem(p->cx, "packed weights");
    const float *w = p->in[1]->data;
    for (size_t ch = 0; ch < c->s.in_c; ch++)
        for (size_t a = 0; a < area; a++)
            packed[a * c->s.in_c + ch] = w[ch * area + a];
    return HN_OK;
}

static void depthwise_row(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const conv *c = j->c;
    size_t image = piece / c->s.out_h, y = piece % c->s.out_h;
    const float *x = (const float *)j->r->in[0]->data + image * c->s.in_h * c->s.in_w * c->s.in_c;
    const float **rows = (const float **)(void *)(j->r->scratch + worker * j->r->scratch_stride);

    for (size_t i = 0; i < c->s.kh; i++) {
        int64_t at = (int64_t)(y * c->s.stride_h + i * c->s.dil_h) - c->s.pad_top;
        rows[i] = at < 0 || at >= (int64_t)c->s.in_h ? NULL : x + (size_t)at * c->s.in_w * c->s.in_c;
    }
    hn_window_f32 w = { .rows = rows, .kh = c->s.kh, .kw = c->s.kw, .in_w = c->s.in_w, .out_w = c->s.out_w,
                        .channels = c->s.in_c, .stride = c->s.stride_w, .dilation = c->s.dil_w,
                        .pad = (size_t)c->s.pad_left, .weight = c->weight, .bias = c->bias, .act = c->act,
                        .out = (float *)j->r->out[0]->data + piece * c->s.out_w * c->s.out_c };
    j->r->k->dwconv_f32(&w);
}

static hn_err run_depthwise(const hn_run *r)
{
    const conv *c = r->state;
    job j = { r, c, 0 };
    hn_parallel(r, c->s.batch * c->s.out_h, depthwise_row, &j);
    return HN_OK;
}

const hn_impl hn_impl_conv_depthwise = {
    .name = "conv.depthwise.f32", .rule = HN_RULE_CL,
    .accepts = accepts_depthwise, .prepare = prepare_depthwise, .run = run_depthwise,
};
