/* SPDX-License-Identifier: Apache-2.0 */
/* qpool.c: bytes, many to one: pools and resizing on channels-last pictures, the largest of a row.
 *
 * Plain loops over channels, which compilers turn into vectors; bit for bit what the operators say. */
#include <string.h>

#include "base/num.h"
#include "graph/integer.h"
#include "graph/window.h"
#include "runtime/impl.h"

static bool hone_op(const hn_node *n, const char *name) { return n->op->domain && strcmp(n->op->name, name) == 0; }

static bool is_byte(const hn_tensor *t) { return t->dtype == HN_I8 || t->dtype == HN_U8; }

/* ---- QAveragePool, MaxPool ---------------------------------------------------------------------------- */

typedef struct qpool {
    size_t batch, in_h, in_w, out_h, out_w, c;
    int64_t kh, kw, stride_h, stride_w, dil_h, dil_w, top, left;
    bool mean, is_signed;
    int32_t low, high;
} qpool;

/* Does every window along axis i look at something?  The first and the last are the furthest out. */
static bool inside(const hn_window *w, int i)
{
    for (int64_t at = 0; at < w->out[i]; at += w->out[i] > 1 ? w->out[i] - 1 : 1) {
        bool found = false;
        for (int64_t k = 0; k < w->kernel[i] && !found; k++) {
            int64_t p = at * w->stride[i] + k * w->dilation[i] - w->pad_begin[i];
            found = p >= 0 && p < w->in[i];
        }
        if (!found)
            return false;
    }
    return true;
}

static bool read_pool(const hn_prep *p, qpool *q)
{
    bool mean = hone_op(p->node, "QAveragePool");
    const hn_shape *x = &p->in[0]->shape, *y = &p->out[0]->shape;
    hn_call call = hn_prep_call(p);
    hn_integers range = { .low = -128, .high = 255 };
    hn_window w;
    if ((!mean && !hn_op_is(p->node, "MaxPool")) || !is_byte(p->in[0]) || p->out_count > 1 ||
        (x->rank != 3 && x->rank != 4) || p->node->act.kind != HN_ACT_NONE || hn_count(p->out[0]) == 0 ||
        hn_window_read(&call, x, NULL, &w) || hn_window_out(&call, !mean && hn_attr_int(p->node, "ceil_mode", 0), &w) ||
        (mean && hn_integers_read(&call, p->in[0]->dtype, &range)))
        return false;
    for (int i = 0; i < w.rank; i++)
        if (!inside(&w, i))
            return false;
    int s = w.rank - 1;
    *q = (qpool){ .batch = (size_t)x->dim[0], .c = (size_t)x->dim[1], .in_h = s ? (size_t)w.in[0] : 1, .in_w = (size_t)w.in[s],
                  .out_h = s ? (size_t)y->dim[2] : 1, .out_w = (size_t)y->dim[2 + s], .kh = s ? w.kernel[0] : 1,
                  .kw = w.kernel[s], .stride_h = s ? w.stride[0] : 1, .stride_w = w.stride[s], .dil_h = s ? w.dilation[0] : 1,
                  .dil_w = w.dilation[s], .top = s ? w.pad_begin[0] : 0, .left = w.pad_begin[s], .mean = mean,
                  .is_signed = p->in[0]->dtype == HN_I8, .low = range.low, .high = range.high };
    return w.kernel[s] * (s ? w.kernel[0] : 1) <= 1 << 20;
}

static bool accepts_pool(const hn_prep *p)
{
    qpool q;
    return read_pool(p, &q);
}

static hn_err prepare_pool(hn_prep *p)
{
    qpool *q = HN_NEW(p->arena, qpool, 1);
    if (!q)
        return hn_nomem(p->cx, "a pool");
    read_pool(p, q);
    p->scratch_bytes = hn_mul(q->c, sizeof(int32_t));
    p->state = q;
    return HN_OK;
}

/* One tap of all channels. */
static void add_tap(const qpool *q, int32_t *sum, const uint8_t *x)
{
    const int8_t *s = (const int8_t *)x;
    for (size_t c = 0; c < q->c && q->mean && q->is_signed; c++)
        sum[c] += s[c];
    for (size_t c = 0; c < q->c && q->mean && !q->is_signed; c++)
        sum[c] += x[c];
    for (size_t c = 0; c < q->c && !q->mean && q->is_signed; c++)
        sum[c] = s[c] > sum[c] ? s[c] : sum[c];
    for (size_t c = 0; c < q->c && !q->mean && !q->is_signed; c++)
        sum[c] = x[c] > sum[c] ? x[c] : sum[c];
}

typedef struct job { const hn_run *r; const void *state; } job;

static void pool_row(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const qpool *q = j->state;
    size_t image = piece / q->out_h;
    int64_t y0 = (int64_t)(piece % q->out_h) * q->stride_h - q->top;
    int32_t *sum = (int32_t *)(void *)(j->r->scratch + worker * j->r->scratch_stride);
    const uint8_t *x = (const uint8_t *)j->r->in[0]->data + image * q->in_h * q->in_w * q->c;
    uint8_t *out = (uint8_t *)j->r->out[0]->data + piece * q->out_w * q->c;
    for (size_t i = 0; i < q->out_w; i++, out += q->c) {
        int64_t x0 = (int64_t)i * q->stride_w - q->left;
        int32_t n = 0;
        for (size_t c = 0; c < q->c; c++)
            sum[c] = q->mean ? 0 : INT32_MIN;
        for (int64_t a = 0; a < q->kh; a++)
            for (int64_t b = 0; b < q->kw; b++) {
                int64_t y = y0 + a * q->dil_h, at = x0 + b * q->dil_w;
                if (y < 0 || y >= (int64_t)q->in_h || at < 0 || at >= (int64_t)q->in_w)
                    continue;
                add_tap(q, sum, x + ((size_t)y * q->in_w + (size_t)at) * q->c);
                n++;
            }
        for (size_t c = 0; c < q->c; c++) {
            int32_t v = !q->mean ? sum[c] : (sum[c] > 0 ? sum[c] + n / 2 : sum[c] - n / 2) / n;
            out[c] = (uint8_t)(v < q->low ? q->low : v > q->high ? q->high : v);
        }
    }
}

static hn_err run_pool(const hn_run *r)
{
    const qpool *q = r->state;
    job j = { r, q };
    hn_parallel(r, q->batch * q->out_h, pool_row, &j);
    return HN_OK;
}

const hn_impl hn_impl_qpool = {
    .name = "qpool.8bit", .rule = HN_RULE_CL, .accepts = accepts_pool, .prepare = prepare_pool, .run = run_pool,
};

/* ---- QResize with weights of 10 bits: rows first, then along the row; whole numbers may be regrouped --- */

typedef struct resize {
    size_t batch, in_h, in_w, out_h, out_w, c;
    hn_place *row, *col;
    float *row_part, *col_part;      /* of the way from low to high; NULL: weights of 10 bits */
    bool is_signed;
} resize;

static bool accepts_resize(const hn_prep *p)
{
    return hone_op(p->node, "QResize") && is_byte(p->in[0]) && p->node->act.kind == HN_ACT_NONE && hn_count(p->out[0]) > 0;
}

static hn_err prepare_resize(hn_prep *p)
{
    const hn_shape *x = &p->in[0]->shape, *y = &p->out[0]->shape;
    resize *s = HN_NEW(p->arena, resize, 1);
    hn_place *row = HN_NEW(p->arena, hn_place, (size_t)y->dim[2]), *col = HN_NEW(p->arena, hn_place, (size_t)y->dim[3]);
    if (!s || !row || !col)
        return hn_nomem(p->cx, "a resize");
    for (int64_t i = 0; i < y->dim[2]; i++)
        row[i] = hn_place_of(p->node, i, x->dim[2], y->dim[2]);
    for (int64_t i = 0; i < y->dim[3]; i++)
        col[i] = hn_place_of(p->node, i, x->dim[3], y->dim[3]);
    bool real = hn_attr_is(p->node, "weights", "float", "fixed");
    float *row_part = real ? HN_NEW(p->arena, float, (size_t)y->dim[2]) : NULL;
    float *col_part = real ? HN_NEW(p->arena, float, (size_t)y->dim[3]) : NULL;
    if (real && (!row_part || !col_part))
        return hn_nomem(p->cx, "a resize");
    for (int64_t i = 0; i < y->dim[2] && real; i++)
        row_part[i] = hn_part_of(p->node, i, x->dim[2], y->dim[2], &row[i]);
    for (int64_t i = 0; i < y->dim[3] && real; i++)
        col_part[i] = hn_part_of(p->node, i, x->dim[3], y->dim[3], &col[i]);
    *s = (resize){ (size_t)x->dim[0], (size_t)x->dim[2], (size_t)x->dim[3], (size_t)y->dim[2], (size_t)y->dim[3],
                   (size_t)x->dim[1], row, col, row_part, col_part, p->in[0]->dtype == HN_I8 };
    p->scratch_bytes = hn_mul(hn_mul(s->in_w, s->c), sizeof(int32_t));
    p->state = s;
    return HN_OK;
}

static void blend_rows(const resize *s, const uint8_t *top, const uint8_t *bottom, int32_t rest, int32_t *out)
{
    size_t n = s->in_w * s->c;
    const int8_t *t = (const int8_t *)top, *b = (const int8_t *)bottom;
    for (size_t i = 0; i < n && s->is_signed; i++)
        out[i] = t[i] * (HN_RESIZE_ONE - rest) + b[i] * rest;
    for (size_t i = 0; i < n && !s->is_signed; i++)
        out[i] = top[i] * (HN_RESIZE_ONE - rest) + bottom[i] * rest;
}

/* Channels of one pixel in floats, in the order of the operator's sums. */
static void blend_pixel(const resize *s, const uint8_t *const corner[4], const float weight[4], uint8_t *out)
{
    const int8_t *a = (const int8_t *)corner[0], *b = (const int8_t *)corner[1], *d = (const int8_t *)corner[2],
                 *e = (const int8_t *)corner[3];
    for (size_t c = 0; c < s->c && s->is_signed; c++) {
        float sum = (float)a[c] * weight[0] + (float)b[c] * weight[1] + (float)d[c] * weight[2] + (float)e[c] * weight[3];
        out[c] = (uint8_t)(int32_t)(sum + 0.5f);
    }
    for (size_t c = 0; c < s->c && !s->is_signed; c++) {
        float sum = (float)corner[0][c] * weight[0] + (float)corner[1][c] * weight[1] + (float)corner[2][c] * weight[2] +
                    (float)corner[3][c] * weight[3];
        out[c] = (uint8_t)(int32_t)(sum + 0.5f);
    }
}

static void resize_row_real(const resize *s, const uint8_t *x, size_t i, uint8_t *out)
{
    const uint8_t *top = x + (size_t)s->row[i].low * s->in_w * s->c, *bottom = x + (size_t)s->row[i].high * s->in_w * s->c;
    float v = s->row_part[i];
    for (size_t j = 0; j < s->out_w; j++, out += s->c) {
        size_t low = (size_t)s->col[j].low * s->c, high = (size_t)s->col[j].high * s->c;
        float u = s->col_part[j];
        blend_pixel(s, (const uint8_t *const[]){ top + low, top + high, bottom + low, bottom + high },
                    (const float[]){ (1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u }, out);
    }
}

static void resize_row(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const resize *s = j->state;
    const hn_place *v = &s->row[piece % s->out_h];
    size_t line = s->in_w * s->c;
    const int32_t one = HN_RESIZE_ONE, half = one * one / 2;
    const uint8_t *x = (const uint8_t *)j->r->in[0]->data + piece / s->out_h * s->in_h * line;
    uint8_t *out = (uint8_t *)j->r->out[0]->data + piece * s->out_w * s->c;
    int32_t *row = (int32_t *)(void *)(j->r->scratch + worker * j->r->scratch_stride);
    if (s->row_part) {
        resize_row_real(s, x, piece % s->out_h, out);
        return;
    }
    blend_rows(s, x + (size_t)v->low * line, x + (size_t)v->high * line, (int32_t)v->rest, row);
    for (size_t i = 0; i < s->out_w; i++, out += s->c) {
        const int32_t *a = row + (size_t)s->col[i].low * s->c, *b = row + (size_t)s->col[i].high * s->c;
        int32_t rest = (int32_t)s->col[i].rest;
        for (size_t c = 0; c < s->c; c++) {
            int32_t sum = a[c] * (one - rest) + b[c] * rest;
            out[c] = (uint8_t)((sum + (sum > 0 ? half : -half)) / (one * one));
        }
    }
}

static hn_err run_resize(const hn_run *r)
{
    const resize *s = r->state;
    job j = { r, s };
    hn_parallel(r, s->batch * s->out_h, resize_row, &j);
    return HN_OK;
}

const hn_impl hn_impl_qresize = {
    .name = "qresize.8bit", .rule = HN_RULE_CL, .accepts = accepts_resize, .prepare = prepare_resize, .run = run_resize,
};

/* ---- ArgMax of bytes along the last axis ----------------------------------------------------------------- */

enum { ROWS = 256 };                 /* of a piece of work */

static bool accepts_argmax(const hn_prep *p)
{
    const hn_shape *x = &p->in[0]->shape;
    int64_t axis = hn_attr_int(p->node, "axis", 0);
    return hn_op_is(p->node, "ArgMax") && is_byte(p->in[0]) && x->rank > 0 && (axis == -1 || axis == x->rank - 1) &&
           !hn_attr_int(p->node, "select_last_index", 0) && hn_count(p->out[0]) > 0 && p->node->act.kind == HN_ACT_NONE;
}

/* Of at most 256: bytes with their places behind them, so that the largest is found without a branch. */
static int64_t first_largest(const uint8_t *v, size_t n, uint8_t flip)
{
    uint32_t best = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t at = (uint32_t)(v[i] ^ flip) << 8 | (uint32_t)(255 - i);      /* of equals, the first is larger */
        best = at > best ? at : best;
    }
    return (int64_t)(255 - (best & 255));
}

/* The first of the largest. */
static void argmax_rows(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const hn_tensor *x = r->in[0];
    size_t n = (size_t)x->shape.dim[x->shape.rank - 1], first = piece * ROWS, end = hn_min(first + ROWS, hn_count(r->out[0]));
    const uint8_t flip = x->dtype == HN_I8 ? 0x80 : 0;         /* signed bytes in the order of unsigned ones */
    (void)worker;
    for (size_t k = first; k < end; k++) {
        const uint8_t *v = (const uint8_t *)x->data + k * n;
        size_t best = 0;
        if (n <= 256) {
            ((int64_t *)r->out[0]->data)[k] = first_largest(v, n, flip);
            continue;
        }
        for (size_t i = 1; i < n; i++)
            best = (v[i] ^ flip) > (v[best] ^ flip) ? i : best;
        ((int64_t *)r->out[0]->data)[k] = (int64_t)best;
    }
}

static hn_err run_argmax(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), ROWS), argmax_rows, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_argmax_8bit = {
    .name = "argmax.8bit", .rule = HN_RULE_PLAIN, .accepts = accepts_argmax, .run = run_argmax,
};
