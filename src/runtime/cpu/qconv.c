/* SPDX-License-Identifier: Apache-2.0 */
/* qconv.c: QConv on channels-last bytes, QLinear on rows of bytes; bit for bit what the operators say.
 *
 * qconv.gemm.8bit       any dense or grouped convolution of one or two spatial dimensions: rows of the window's
 *                       bytes times packed weights.  A 1x1 window over unsigned bytes reads its rows in place.
 * qlinear.gemm.8bit     the same with nothing to gather
 * qconv.depthwise.8bit  one filter per channel, through the kernel for floats: they hold the sums exactly
 *
 * The product takes unsigned activations x' and signed weights w'.  Where a model has the other sign, its top
 * bit is turned, which moves the zero point by 128.  What zero points add to a sum is known per column, but for
 * w's, which needs each row's own sum:
 *
 *     sum (x' - xz)(w' - wz) = sum x' w'  - xz sum w'  - wz (sum x' - k xz) */
#include <string.h>

#include "base/num.h"
#include "graph/convolve.h"
#include "graph/integer.h"
#include "runtime/impl.h"

enum { X, W, FACTOR, BIAS };
enum { TILE_BYTES = 128 * 1024, TILE_ROWS_MIN = 12, TILE_ROWS_MAX = 384 };
enum { DEPTH_MAX = 1 << 15 };        /* 2^15 products of bytes fit 32 bits */
enum { TAPS_MAX = 258 };             /* 258 products of 9 bits each fit the 24 of a float */
enum { BLOCK_FLOATS = 48 * 1024 };   /* of a depthwise block's input */

typedef struct qconv {
    size_t batch, in_h, in_w, in_c, out_h, out_w, out_c, groups;
    size_t kh, kw, stride_h, stride_w, dil_h, dil_w;
    int64_t pad_top, pad_left;
    size_t k, n, lda, tile;          /* of one group's product; tile: pixels per piece of work */
    bool in_place, flip;             /* rows of A are the input's; its top bits are turned */
    int x_zero;                      /* as the model has it: what padding is filled with */
    bool x_signed;
    int32_t row_factor, row_offset;  /* of a row's sum; factor 0: none */
    size_t packed_each, columns;     /* bytes of one group's weights, entries of one group's bias and factors */
    const int8_t *weight;
    const float *weight_f32;         /* depthwise: [kh kw, channels] */
    size_t block;                    /* depthwise: rows of output per piece */
    hn_requant q;
} qconv;

/* ---- What a model says ---------------------------------------------------------------------------- */

/* Operands that both ways need: bytes, constants, a rule the kernels know, zero points in range. */
static bool operands(const hn_prep *p, hn_integers *q)
{
    const hn_tensor *x = p->in[X], *w = p->in[W];
    hn_call call = hn_prep_call(p);
    int low = x->dtype == HN_I8 ? -128 : 0, w_low = w->dtype == HN_I8 ? -128 : 0;
    if ((x->dtype != HN_I8 && x->dtype != HN_U8) || (w->dtype != HN_I8 && w->dtype != HN_U8) || !w->data ||
        !p->in[FACTOR]->data || p->node->act.kind != HN_ACT_NONE || hn_integers_read(&call, p->out[0]->dtype, q))
        return false;
    if (p->in_count > BIAS && p->in[BIAS] && !p->in[BIAS]->data)
        return false;
    return q->rounding != HN_ROUND_SINGLE && q->x_zero >= low && q->x_zero <= low + 255 && q->w_zero >= w_low &&
           q->w_zero <= w_low + 255 && hn_count(p->out[0]) > 0 && hn_count(w) > 0;
}

static bool read_conv(const hn_prep *p, qconv *c, hn_integers *q)
{
    hn_convolution g;
    hn_call call = hn_prep_call(p);
    if (!operands(p, q) || hn_convolution_find(&call, X, W, &g) || (g.w.rank != 1 && g.w.rank != 2))
        return false;
    int s = g.w.rank - 1;                /* index of the width among the spatial dimensions */
    *c = (qconv){
        .batch = (size_t)g.n, .in_c = (size_t)g.c, .out_c = (size_t)g.m, .groups = (size_t)g.group,
        .in_h = s ? (size_t)g.w.in[0] : 1, .in_w = (size_t)g.w.in[s],
        .out_h = s ? (size_t)g.w.out[0] : 1, .out_w = (size_t)g.w.out[s],
        .kh = s ? (size_t)g.w.kernel[0] : 1, .kw = (size_t)g.w.kernel[s],
        .stride_h = s ? (size_t)g.w.stride[0] : 1, .stride_w = (size_t)g.w.stride[s],
        .dil_h = s ? (size_t)g.w.dilation[0] : 1, .dil_w = (size_t)g.w.dilation[s],
        .pad_top = s ? g.w.pad_begin[0] : 0, .pad_left = g.w.pad_begin[s],
        .x_zero = q->x_zero, .x_signed = p->in[X]->dtype == HN_I8,
    };
    c->k = c->in_c / c->groups * c->kh * c->kw;
    c->n = c->out_c / c->groups;
    return c->pad_top >= 0 && c->pad_left >= 0 && c->k <= DEPTH_MAX;
}

/* ---- Packing ---------------------------------------------------------------------------------------- */

/* Bias, factors and range as the kernels take them: `groups` runs of c->columns entries.  correction: what
 * each column's sum is short of, [groups n]. */
static hn_err pack_requant(hn_prep *p, qconv *c, const hn_integers *q, const int64_t *correction)
{
    size_t all = hn_round_up(hn_mul(c->groups, c->columns), HN_REQUANT_COLS), ints = hn_round_up(hn_mul(all, sizeof(int32_t)), 64);
    char *room = hn_prep_pack(p, hn_add(hn_mul(4, ints), hn_mul(all, sizeof(double))));
    c->q = (hn_requant){ .rule = q->rounding, .zero = q->y_zero, .low = q->low, .high = q->high };
    if (hn_prep_measuring(p))
        return HN_OK;
    if (!room)
        return hn_nomem(p->cx, "packed factors");
    int32_t *part[4] = { (void *)room, (void *)(room + ints), (void *)(room + 2 * ints), (void *)(room + 3 * ints) };
    double *real = (void *)(room + 4 * ints);
    const double *factor = p->in[FACTOR]->data;
    const hn_tensor *bias = p->in_count > BIAS ? p->in[BIAS] : NULL;
    for (size_t i = 0; i < c->groups * c->n; i++) {
        size_t at = i / c->n * c->columns + i % c->n;
        hn_factor f = hn_factor_of(factor[hn_count(p->in[FACTOR]) == 1 ? 0 : i]);
        int64_t b = 0;
        if (bias)
            hn_get_i64(bias, i, 1, &b);
        part[0][at] = (int32_t)(uint32_t)((uint64_t)b + (uint64_t)(correction ? correction[i] : 0));
        part[1][at] = f.fraction;
        part[2][at] = f.shift > 0 ? f.shift : 0;
        part[3][at] = f.shift < 0 ? -f.shift : 0;
        real[at] = f.real;
    }
    c->q.bias = part[0];
    c->q.fraction = part[1];
    c->q.left = part[2];
    c->q.right = part[3];
    c->q.real = real;
    return HN_OK;
}

/* [M, C, area] of one group to [M][area][C], signed, in the order in which rows are gathered. */
static void reorder_weights(int8_t *out, const uint8_t *w, const qconv *c, bool is_signed)
{
    size_t in_c = c->in_c / c->groups, area = c->kh * c->kw;
    for (size_t o = 0; o < c->n; o++)
        for (size_t i = 0; i < in_c; i++)
            for (size_t a = 0; a < area; a++)
                out[(o * area + a) * in_c + i] = (int8_t)(w[(o * in_c + i) * area + a] ^ (is_signed ? 0 : 0x80));
}

static hn_err pack_gemm(hn_prep *p, qconv *c, const hn_integers *q)
{
    bool w_signed = p->in[W]->dtype == HN_I8;
    int32_t xz = q->x_zero + (c->x_signed ? 128 : 0), wz = q->w_zero - (w_signed ? 0 : 128);
    c->row_factor = -wz;
    c->row_offset = (int32_t)(uint32_t)((uint64_t)c->k * (uint64_t)xz * (uint64_t)(int64_t)wz);
    c->columns = hn_round_up(c->n, HN_REQUANT_COLS);
    c->packed_each = hn_round_up(p->k->pack_q8_size(c->k, c->n), 64);
    bool made;
    int8_t *packed = hn_prep_weights(p, W, hn_mul(c->packed_each, c->groups), &made);
    int64_t *correction = hn_prep_weights(p, W, hn_mul(c->groups, c->n * sizeof *correction), &made);
    c->weight = packed;
    if (made)
        return pack_requant(p, c, q, correction);
    int8_t *rows = hn_alloc(p->cx, c->k * c->n);
    hn_err e = packed && rows && correction ? HN_OK : hn_nomem(p->cx, "packed weights");
    for (size_t g = 0; g < c->groups && !e; g++) {
        reorder_weights(rows, (const uint8_t *)p->in[W]->data + g * c->k * c->n, c, w_signed);
        p->k->pack_q8(packed + g * c->packed_each, rows, c->k, c->n);
        for (size_t o = 0; o < c->n; o++) {
            int64_t sum = 0;
            for (size_t i = 0; i < c->k; i++)
                sum += rows[o * c->k + i];
            correction[g * c->n + o] = -(int64_t)xz * sum;
        }
    }
    if (!e)
        e = pack_requant(p, c, q, correction);
    hn_free(p->cx, rows);
    return e;
}

/* ---- As a matrix product ------------------------------------------------------------------------- */

static bool accepts_gemm(const hn_prep *p)
{
    qconv c;
    hn_integers q;
    return strcmp(p->node->op->name, "QConv") == 0 && p->node->op->domain && read_conv(p, &c, &q);
}

/* Rows of A, a tile of them, behind the tile's row sums. */
static hn_err finish_gemm(hn_prep *p, qconv *c, const hn_integers *q)
{
    size_t pixels = c->out_h * c->out_w;
    bool plain = c->kh == 1 && c->kw == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_top == 0 &&
                 c->pad_left == 0 && c->out_h == c->in_h && c->out_w == c->in_w;
    c->flip = c->x_signed;
    c->in_place = plain && !c->flip && c->k % 4 == 0;
    c->lda = c->in_place ? c->in_c : hn_round_up(c->k, 4);
    size_t share = hn_ceil_div(c->batch * pixels, p->threads > 1 ? p->threads * 4 : 1);
    c->tile = hn_min(hn_max(hn_min(TILE_BYTES / hn_max(c->lda, 1), share), TILE_ROWS_MIN), TILE_ROWS_MAX);
    c->tile = hn_min(hn_round_up(c->tile, TILE_ROWS_MIN), hn_max(pixels, 1));
    p->scratch_bytes = hn_add(hn_round_up(c->tile * sizeof(int32_t), 64), c->in_place ? 0 : hn_mul(c->tile, c->lda));
    p->state = c;
    return pack_gemm(p, c, q);
}

static hn_err prepare_gemm(hn_prep *p)
{
    hn_integers q;
    qconv *c = HN_NEW(p->arena, qconv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    read_conv(p, c, &q);
    return finish_gemm(p, c, &q);
}

/* In words: rows of a window are short, and a call for each would cost more than the copy. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t n, uint64_t flip)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, from + i, 8);
        v ^= flip;
        memcpy(to + i, &v, 8);
    }
    for (; i < n; i++)
        to[i] = (uint8_t)(from[i] ^ flip);
}

/* Row `pixel` of A: the window's bytes around one output pixel, the zero point where it hangs over. */
static void gather(const qconv *c, const uint8_t *image, size_t group, size_t pixel, uint8_t *row)
{
    size_t in_c = c->in_c / c->groups;
    int64_t y0 = (int64_t)(pixel / c->out_w * c->stride_h) - c->pad_top;
    int64_t x0 = (int64_t)(pixel % c->out_w * c->stride_w) - c->pad_left;
    const uint8_t *from = image + group * in_c;
    const uint64_t flip = c->flip ? 0x8080808080808080u : 0;
    const int pad = (c->x_zero ^ (int)flip) & 255;
    for (size_t i = c->k; i < c->lda; i++)
        row[i] = 0;                                  /* weights are 0 there, but a sum of nothing known is nothing known */
    for (size_t i = 0; i < c->kh; i++) {
        int64_t y = y0 + (int64_t)(i * c->dil_h);
        uint8_t *to = row + i * c->kw * in_c;
        if (y < 0 || y >= (int64_t)c->in_h) {
            memset(to, pad, c->kw * in_c);
            continue;
        }
        const uint8_t *line = from + (size_t)y * c->in_w * c->in_c;
        bool inside = x0 >= 0 && x0 + (int64_t)((c->kw - 1) * c->dil_w) < (int64_t)c->in_w;
        if (inside && c->groups == 1 && c->dil_w == 1) {        /* the window's row is one run */
            copy_bytes(to, line + (size_t)x0 * in_c, c->kw * in_c, flip);
            continue;
        }
        for (size_t j = 0; j < c->kw; j++, to += in_c) {
            int64_t x = x0 + (int64_t)(j * c->dil_w);
            if (x < 0 || x >= (int64_t)c->in_w)
                memset(to, pad, in_c);
            else
                copy_bytes(to, line + (size_t)x * c->in_c, in_c, flip);
        }
    }
}

typedef struct job { const hn_run *r; const qconv *c; size_t tiles; } job;

static void gemm_tile(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const qconv *c = j->c;
    const hn_kernels *k = j->r->k;
    size_t tile = piece % j->tiles, image = piece / j->tiles % c->batch, group = piece / j->tiles / c->batch;
    size_t pixels = c->out_h * c->out_w, first = tile * c->tile, m = hn_min(c->tile, pixels - first);
    const uint8_t *x = (const uint8_t *)j->r->in[X]->data + image * c->in_h * c->in_w * c->in_c;
    char *scratch = j->r->scratch + worker * j->r->scratch_stride;
    int32_t *sums = (int32_t *)(void *)scratch;
    uint8_t *rows = (uint8_t *)scratch + hn_round_up(c->tile * sizeof *sums, 64);
    hn_requant q = c->q;
    size_t at = group * c->columns;
    q.bias += at;
    q.fraction += at;
    q.left += at;
    q.right += at;
    q.real += at;
    hn_gemm_q8 g = { .m = m, .n = c->n, .k = c->k, .a = rows, .lda = c->lda, .b = c->weight + group * c->packed_each,
                     .c = (uint8_t *)j->r->out[0]->data + (image * pixels + first) * c->out_c + group * c->n,
                     .ldc = c->out_c, .q = &q };
    if (c->in_place) {
        g.a = x + first * c->in_c + group * (c->in_c / c->groups);
    } else {
        for (size_t i = 0; i < m; i++)
            gather(c, x, group, first + i, rows + i * c->lda);
    }
    if (c->row_factor) {
        k->row_sums_u8(sums, g.a, c->lda, m, c->k, c->row_factor, c->row_offset);
        g.row = sums;
    }
    k->gemm_q8(&g);
}

static hn_err run_gemm(const hn_run *r)
{
    const qconv *c = r->state;
    job j = { r, c, hn_ceil_div(c->out_h * c->out_w, c->tile) };
    hn_parallel(r, j.tiles * c->batch * c->groups, gemm_tile, &j);
    return HN_OK;
}

const hn_impl hn_impl_qconv_gemm = {
    .name = "qconv.gemm.8bit", .rule = HN_RULE_CL, .accepts = accepts_gemm, .prepare = prepare_gemm, .run = run_gemm,
};

/* ---- QLinear: a 1x1 window over as many pixels as there are rows ------------------------------------ */

static bool accepts_linear(const hn_prep *p)
{
    hn_integers q;
    return strcmp(p->node->op->name, "QLinear") == 0 && p->node->op->domain && operands(p, &q) &&
           p->in[W]->shape.dim[1] <= DEPTH_MAX;
}

static hn_err prepare_linear(hn_prep *p)
{
    hn_integers q;
    qconv *c = HN_NEW(p->arena, qconv, 1);
    if (!c)
        return hn_nomem(p->cx, "a product");
    operands(p, &q);
    size_t n = (size_t)p->in[W]->shape.dim[0], k = (size_t)p->in[W]->shape.dim[1], rows = hn_count(p->out[0]) / n;
    *c = (qconv){ .batch = 1, .in_h = 1, .in_w = rows, .in_c = k, .out_h = 1, .out_w = rows, .out_c = n, .groups = 1,
                  .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .k = k, .n = n,
                  .x_zero = q.x_zero, .x_signed = p->in[X]->dtype == HN_I8 };
    return finish_gemm(p, c, &q);
}

const hn_impl hn_impl_qlinear_gemm = {
    .name = "qlinear.gemm.8bit", .rule = HN_RULE_PLAIN, .accepts = accepts_linear, .prepare = prepare_linear,
    .run = run_gemm,
};

/* ---- One filter per channel ------------------------------------------------------------------------ */

static bool accepts_depthwise(const hn_prep *p)
{
    qconv c;
    hn_integers q;
    return strcmp(p->node->op->name, "QConv") == 0 && p->node->op->domain && read_conv(p, &c, &q) &&
           c.groups == c.in_c && c.out_c == c.in_c && c.groups > 1 && c.kh * c.kw <= TAPS_MAX;
}

/* Rows of input that `rows` rows of output look at. */
static size_t reach(const qconv *c, size_t rows) { return (rows - 1) * c->stride_h + (c->kh - 1) * c->dil_h + 1; }

static hn_err prepare_depthwise(hn_prep *p)
{
    hn_integers q;
    qconv *c = HN_NEW(p->arena, qconv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    read_conv(p, c, &q);
    size_t area = c->kh * c->kw, line = c->in_w * c->in_c;
    c->block = 1;
    while (c->block < hn_min(c->out_h, 16) && reach(c, c->block + 1) * line <= BLOCK_FLOATS)
        c->block++;
    c->columns = 1;                                  /* a group is a channel, and channels lie side by side */
    p->scratch_bytes = hn_add(hn_round_up(c->kh * sizeof(float *), 64),
                              hn_mul(hn_add(hn_mul(reach(c, c->block), line), c->out_w * c->out_c), sizeof(float)));
    p->state = c;
    bool made;
    float *packed = hn_prep_weights(p, W, hn_mul(area * sizeof *packed, c->in_c), &made);
    c->weight_f32 = packed;
    if (made)
        return pack_requant(p, c, &q, NULL);
    if (!packed)
        return hn_nomem(p->cx, "packed weights");
    for (size_t i = 0; i < c->in_c * area; i++) {
        int64_t w;
        hn_get_i64(p->in[W], i, 1, &w);
        packed[i % area * c->in_c + i / area] = (float)(w - q.w_zero);
    }
    return pack_requant(p, c, &q, NULL);
}

/* Input rows [from, from + count) as floats around 0; those outside of the image are left alone. */
static void widen(const job *j, const uint8_t *image, int64_t from, size_t count, float *out)
{
    const qconv *c = j->c;
    size_t line = c->in_w * c->in_c;
    for (size_t i = 0; i < count; i++) {
        int64_t y = from + (int64_t)i;
        if (y < 0 || y >= (int64_t)c->in_h)
            continue;
        const uint8_t *in = image + (size_t)y * line;
        if (c->x_signed)
            j->r->k->dequantize_i8(out + i * line, (const int8_t *)in, line, 1, c->x_zero);
        else
            j->r->k->dequantize_u8(out + i * line, in, line, 1, c->x_zero);
    }
}

static void depthwise_block(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const qconv *c = j->c;
    size_t image = piece / j->tiles, first = piece % j->tiles * c->block, rows = hn_min(c->block, c->out_h - first);
    size_t line = c->in_w * c->in_c;
    const uint8_t *x = (const uint8_t *)j->r->in[X]->data + image * c->in_h * line;
    char *scratch = j->r->scratch + worker * j->r->scratch_stride;
    const float **tap = (const float **)(void *)scratch;
    float *wide = (float *)(void *)(scratch + hn_round_up(c->kh * sizeof *tap, 64)), *sums = wide + reach(c, c->block) * line;
    int64_t top = (int64_t)(first * c->stride_h) - c->pad_top;

    widen(j, x, top, reach(c, rows), wide);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < c->kh; i++) {
            size_t at = r * c->stride_h + i * c->dil_h;
            int64_t y = top + (int64_t)at;
            tap[i] = y < 0 || y >= (int64_t)c->in_h ? NULL : wide + at * line;
        }
        hn_window_f32 w = { .rows = tap, .kh = c->kh, .kw = c->kw, .in_w = c->in_w, .out_w = c->out_w,
                            .channels = c->in_c, .stride = c->stride_w, .dilation = c->dil_w, .pad = (size_t)c->pad_left,
                            .weight = c->weight_f32, .out = sums };
        j->r->k->dwconv_f32(&w);
        j->r->k->requant_f32((uint8_t *)j->r->out[0]->data + (image * c->out_h + first + r) * c->out_w * c->out_c, sums,
                             c->out_w, c->out_c, &c->q);
    }
}

static hn_err run_depthwise(const hn_run *r)
{
    const qconv *c = r->state;
    job j = { r, c, hn_ceil_div(c->out_h, c->block) };
    hn_parallel(r, c->batch * j.tiles, depthwise_block, &j);
    return HN_OK;
}

const hn_impl hn_impl_qconv_depthwise = {
    .name = "qconv.depthwise.8bit", .rule = HN_RULE_CL, .accepts = accepts_depthwise, .prepare = prepare_depthwise,
    .run = run_depthwise,
};
