/* SPDX-License-Identifier: Apache-2.0 */
/* qconv.c: QConv on channels-last bytes, QLinear on rows of bytes; bit for bit what the operators say.
 *
 * qconv.gemm.8bit       any dense or grouped convolution of one or two spatial dimensions: rows of the window's
 *                       bytes times packed weights.  A 1x1 window over unsigned bytes reads its rows in place; others
 *                       read them in a copy of some lines of input; gathering each row is for what is left.
 * qlinear.gemm.8bit     the same with nothing to gather
 *
 * The product takes unsigned activations x' and signed weights w'.  Where a model has the other sign, its top
 * bit is turned, which moves the zero point by 128.  What zero points add to a sum is known per column, but for
 * w's, which needs each row's own sum:
 *
 *     sum (x' - xz)(w' - wz) = sum x' w'  - xz sum w'  - wz (sum x' - k xz) */
#include <string.h>

#include "base/num.h"
#include "graph/convolve.h"
#include "runtime/cpu/qconv.h"

enum { X, W, FACTOR, BIAS };
enum { TILE_BYTES = 128 * 1024, TILE_ROWS_MIN = 12, TILE_ROWS_MAX = 384 };
enum { LINE_PIXELS = 256, LINE_MIN = 6 };      /* lines: pixels per piece of work, and in a line for it to pay */
enum { SLACK = 4 };                  /* bytes behind the last row of a copy that are read, times weights of 0 */
enum { DEPTH_MAX = 1 << 15 };        /* 2^15 products of bytes fit 32 bits */

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

bool hn_qconv_read(const hn_prep *p, hn_qconv *c, hn_integers *q)
{
    hn_convolution g;
    hn_call call = hn_prep_call(p);
    if (strcmp(p->node->op->name, "QConv") != 0 || !p->node->op->domain || !operands(p, q) ||
        hn_convolution_find(&call, X, W, &g) || (g.w.rank != 1 && g.w.rank != 2))
        return false;
    int s = g.w.rank - 1;                /* index of the width among the spatial dimensions */
    *c = (hn_qconv){
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

hn_err hn_qconv_rules(hn_prep *p, hn_qconv *c, const hn_integers *q, size_t round, const int64_t *correction)
{
    size_t used = hn_mul(c->groups, c->columns), all = hn_round_up(hn_add(used, round), HN_REQUANT_COLS);
    size_t ints = hn_round_up(hn_mul(all, sizeof(int32_t)), 64);
    char *room = hn_prep_pack(p, hn_add(hn_mul(7, ints), hn_mul(all, sizeof(double))));
    c->q = (hn_requant){ .rule = q->rounding, .zero = q->y_zero, .low = q->low, .high = q->high };
    if (hn_prep_measuring(p))
        return HN_OK;
    if (!room)
        return hn_nomem(p->cx, "packed factors");
    int32_t *part[4] = { (void *)room, (void *)(room + ints), (void *)(room + 2 * ints), (void *)(room + 3 * ints) };
    float *quick[3] = { (void *)(room + 4 * ints), (void *)(room + 5 * ints), (void *)(room + 6 * ints) };
    double *real = (void *)(room + 7 * ints);
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
    for (size_t i = used; i < used + round; i++) {
        for (int k = 0; k < 4; k++)
            part[k][i] = part[k][i - used];
        real[i] = real[i - used];
    }
    c->q.bias = part[0];
    c->q.fraction = part[1];
    c->q.left = part[2];
    c->q.right = part[3];
    c->q.real = real;
    hn_requant_quick(&c->q, all, quick[0], quick[1], quick[2]);
    return HN_OK;
}

/* [M, C, area] of one group to rows of c->run bytes for each row of the window, signed, pixel by pixel. */
static void reorder_weights(int8_t *out, const uint8_t *w, const hn_qconv *c, bool is_signed)
{
    size_t in_c = c->in_c / c->groups, area = c->kh * c->kw;
    for (size_t o = 0; o < c->n; o++)
        for (size_t i = 0; i < in_c; i++)
            for (size_t a = 0; a < area; a++)
                out[(o * c->kh + a / c->kw) * c->run + a % c->kw * in_c + i] =
                    (int8_t)(w[(o * in_c + i) * area + a] ^ (is_signed ? 0 : 0x80));
}

static hn_err pack_gemm(hn_prep *p, hn_qconv *c, const hn_integers *q)
{
    bool w_signed = p->in[W]->dtype == HN_I8;
    int32_t xz = q->x_zero + (c->x_signed ? 128 : 0), wz = q->w_zero - (w_signed ? 0 : 128);
    c->row_factor = -wz;
    c->row_offset = (int32_t)(uint32_t)((uint64_t)c->k * (uint64_t)xz * (uint64_t)(int64_t)wz);
    c->columns = hn_round_up(c->n, HN_REQUANT_COLS);
    size_t depth = c->kh * c->run;
    c->packed_each = hn_round_up(p->k->pack_q8_size(depth, c->n), 64);
    bool made;
    int8_t *packed = hn_prep_weights(p, W, hn_mul(c->packed_each, c->groups), &made);
    int64_t *correction = hn_prep_weights(p, W, hn_mul(c->groups, c->n * sizeof *correction), &made);
    c->weight = packed;
    if (made)
        return hn_qconv_rules(p, c, q, 0, correction);
    int8_t *rows = hn_alloc(p->cx, depth * c->n);
    hn_err e = packed && rows && correction ? HN_OK : hn_nomem(p->cx, "packed weights");
    if (rows)
        memset(rows, 0, depth * c->n);
    for (size_t g = 0; g < c->groups && !e; g++) {
        reorder_weights(rows, (const uint8_t *)p->in[W]->data + g * c->k * c->n, c, w_signed);
        p->k->pack_q8(packed + g * c->packed_each, rows, depth, c->n);
        for (size_t o = 0; o < c->n; o++) {
            int64_t sum = 0;
            for (size_t i = 0; i < depth; i++)
                sum += rows[o * depth + i];
            correction[g * c->n + o] = -(int64_t)xz * sum;
        }
    }
    if (!e)
        e = hn_qconv_rules(p, c, q, 0, correction);
    hn_free(p->cx, rows);
    return e;
}

/* ---- As a matrix product ------------------------------------------------------------------------- */

static bool accepts_gemm(const hn_prep *p)
{
    hn_qconv c;
    hn_integers q;
    return hn_qconv_read(p, &c, &q);
}

/* Pixels, or lines, of a piece of work. */
static size_t tile_size(const hn_prep *p, const hn_qconv *c)
{
    size_t cuts = p->threads > 1 ? p->threads * 4 : 1, pixels = c->out_h * c->out_w;
    size_t share = hn_ceil_div(c->batch * pixels, cuts);
    if (c->rows == HN_QROWS_LINES)
        return hn_max(hn_min(hn_min(LINE_PIXELS, share) / c->out_w, c->out_h), 1);
    size_t tile = hn_min(hn_max(hn_min(TILE_BYTES / hn_max(c->lda, 1), share), TILE_ROWS_MIN), TILE_ROWS_MAX);
    return hn_min(hn_round_up(tile, TILE_ROWS_MIN), hn_max(pixels, 1));
}

/* Lines of input that `lines` lines of output look at. */
static size_t reach(const hn_qconv *c, size_t lines) { return (lines - 1) * c->stride_h + (c->kh - 1) * c->dil_h + 1; }

static hn_err finish_gemm(hn_prep *p, hn_qconv *c, const hn_integers *q)
{
    bool plain = c->kh == 1 && c->kw == 1 && c->stride_h == 1 && c->stride_w == 1 && c->pad_top == 0 &&
                 c->pad_left == 0 && c->out_h == c->in_h && c->out_w == c->in_w;
    c->flip = c->x_signed;
    c->rows = plain && !c->flip && c->k % 4 == 0                          ? HN_QROWS_IN_PLACE
            : plain && c->groups == 1                                     ? HN_QROWS_PIXELS
            : c->groups == 1 && c->dil_w == 1 && c->out_w >= LINE_MIN     ? HN_QROWS_LINES
                                                                          : HN_QROWS_GATHERED;
    c->run = c->k / c->kh;
    c->lda = c->rows == HN_QROWS_GATHERED ? hn_round_up(c->k, 4) : c->in_c;
    if (c->rows == HN_QROWS_LINES) {
        c->run = hn_round_up(c->run, 4);
        c->lda = c->in_c * c->stride_w;
        c->line = ((c->out_w - 1) * c->stride_w + c->kw) * c->in_c;
        c->run_at = HN_NEW(p->arena, size_t, c->kh);
        if (!c->run_at)
            return hn_nomem(p->cx, "a convolution");
        for (size_t i = 0; i < c->kh; i++)
            c->run_at[i] = i * c->dil_h * c->line;
    }
    c->tile = tile_size(p, c);
    size_t m = c->rows == HN_QROWS_LINES ? c->out_w : c->tile;
    size_t copy = c->rows == HN_QROWS_IN_PLACE ? 0
                : c->rows == HN_QROWS_LINES    ? hn_mul(reach(c, c->tile), c->line)
                                               : hn_mul(c->tile, c->lda);
    p->scratch_bytes = hn_add(hn_round_up(hn_mul(2 * sizeof(int32_t), m), 64), hn_add(copy, SLACK));
    p->state = c;
    return pack_gemm(p, c, q);
}

static hn_err prepare_gemm(hn_prep *p)
{
    hn_integers q;
    hn_qconv *c = HN_NEW(p->arena, hn_qconv, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    hn_qconv_read(p, c, &q);
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
static void gather(const hn_qconv *c, const uint8_t *image, size_t group, size_t pixel, uint8_t *row)
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
        for (size_t j = 0; j < c->kw; j++, to += in_c) {
            int64_t x = x0 + (int64_t)(j * c->dil_w);
            if (x < 0 || x >= (int64_t)c->in_w)
                memset(to, pad, in_c);
            else
                copy_bytes(to, line + (size_t)x * c->in_c, in_c, flip);
        }
    }
}

typedef struct job { const hn_run *r; const hn_qconv *c; size_t tiles; } job;

/* One piece of a job: where it reads, writes and keeps its copy of rows. */
typedef struct tile {
    const hn_qconv *c;
    const hn_kernels *k;
    size_t group;
    const uint8_t *image;
    uint8_t *rows;
    int32_t *sums, *more;            /* of as many rows as one product has */
    hn_requant q;
} tile;

/* Sums of rows, where weights have a zero point of their own.  A row in runs has bytes between them that do not
 * count. */
static void sum_rows(const tile *t, hn_gemm_q8 *g)
{
    const hn_qconv *c = t->c;
    size_t runs = g->run ? c->kh : 1, k = c->k / runs;
    if (!c->row_factor)
        return;
    for (size_t i = 0; i < runs; i++) {
        const uint8_t *a = g->a + (g->run ? g->run_at[i] : 0);
        t->k->row_sums_u8(i ? t->more : t->sums, a, g->lda, g->m, k, c->row_factor, i ? 0 : c->row_offset);
        for (size_t j = 0; i && j < g->m; j++)
            t->sums[j] = (int32_t)((uint32_t)t->sums[j] + (uint32_t)t->more[j]);
    }
    g->row = t->sums;
}

static void multiply(const tile *t, hn_gemm_q8 *g, uint8_t *out)
{
    const hn_qconv *c = t->c;
    g->n = c->n;
    g->k = c->kh * c->run;
    g->lda = c->lda;
    g->b = t->c->weight + t->group * c->packed_each;
    g->c = out + t->group * c->n;
    g->ldc = c->out_c;
    g->q = &t->q;
    sum_rows(t, g);
    t->k->gemm_q8(g);
}

static void some_pixels(const tile *t, size_t first, uint8_t *out)
{
    const hn_qconv *c = t->c;
    size_t pixels = c->out_h * c->out_w;
    hn_gemm_q8 g = { .m = hn_min(c->tile, pixels - first), .a = t->rows };
    if (c->rows == HN_QROWS_IN_PLACE)
        g.a = t->image + first * c->in_c + t->group * (c->in_c / c->groups);
    else if (c->rows == HN_QROWS_PIXELS)
        t->k->turn_8(t->rows, t->image + first * c->in_c, g.m * c->in_c, c->flip ? 0x80 : 0);
    for (size_t i = 0; i < g.m && c->rows == HN_QROWS_GATHERED; i++)
        gather(c, t->image, t->group, first + i, t->rows + i * c->lda);
    if (c->rows != HN_QROWS_IN_PLACE)
        memset(t->rows + g.m * c->lda, 0, SLACK);
    multiply(t, &g, out + first * c->out_c);
}

/* Line y of the image with its padding. */
static void copy_line(const tile *t, int64_t y, uint8_t *to)
{
    const hn_qconv *c = t->c;
    uint8_t flip = c->flip ? 0x80 : 0;
    int pad = (c->x_zero ^ flip) & 255;
    size_t left = hn_min((size_t)c->pad_left * c->in_c, c->line), inside = hn_min(c->in_w * c->in_c, c->line - left);
    if (y < 0 || y >= (int64_t)c->in_h) {
        memset(to, pad, c->line);
        return;
    }
    memset(to, pad, left);
    t->k->turn_8(to + left, t->image + (size_t)y * c->in_w * c->in_c, inside, flip);
    memset(to + left + inside, pad, c->line - left - inside);
}

static void some_lines(const tile *t, size_t first, uint8_t *out)
{
    const hn_qconv *c = t->c;
    size_t lines = hn_min(c->tile, c->out_h - first), need = reach(c, lines);
    for (size_t i = 0; i < need; i++)
        copy_line(t, (int64_t)(first * c->stride_h + i) - c->pad_top, t->rows + i * c->line);
    memset(t->rows + need * c->line, 0, SLACK);
    for (size_t i = 0; i < lines; i++) {
        hn_gemm_q8 g = { .m = c->out_w, .a = t->rows + i * c->stride_h * c->line, .run = c->run, .run_at = c->run_at };
        multiply(t, &g, out + (first + i) * c->out_w * c->out_c);
    }
}

static void gemm_tile(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const hn_qconv *c = j->c;
    size_t image = piece / j->tiles % c->batch, group = piece / j->tiles / c->batch, first = piece % j->tiles * c->tile;
    size_t m = c->rows == HN_QROWS_LINES ? c->out_w : c->tile, at = group * c->columns;
    char *scratch = j->r->scratch + worker * j->r->scratch_stride;
    uint8_t *out = (uint8_t *)j->r->out[0]->data + image * c->out_h * c->out_w * c->out_c;
    tile t = { .c = c, .k = j->r->k, .group = group, .sums = (int32_t *)(void *)scratch,
               .more = (int32_t *)(void *)scratch + m,
               .image = (const uint8_t *)j->r->in[X]->data + image * c->in_h * c->in_w * c->in_c,
               .rows = (uint8_t *)scratch + hn_round_up(2 * sizeof(int32_t) * m, 64), .q = c->q };
    t.q.bias += at;
    t.q.fraction += at;
    t.q.left += at;
    t.q.right += at;
    t.q.real += at;
    if (t.q.scale) {
        t.q.scale += at;
        t.q.start += at;
        t.q.nudge += at;
    }
    if (c->rows == HN_QROWS_LINES)
        some_lines(&t, first, out);
    else
        some_pixels(&t, first, out);
}

static hn_err run_gemm(const hn_run *r)
{
    const hn_qconv *c = r->state;
    job j = { r, c, hn_ceil_div(c->rows == HN_QROWS_LINES ? c->out_h : c->out_h * c->out_w, c->tile) };
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
    hn_qconv *c = HN_NEW(p->arena, hn_qconv, 1);
    if (!c)
        return hn_nomem(p->cx, "a product");
    operands(p, &q);
    size_t n = (size_t)p->in[W]->shape.dim[0], k = (size_t)p->in[W]->shape.dim[1], rows = hn_count(p->out[0]) / n;
    *c = (hn_qconv){ .batch = 1, .in_h = 1, .in_w = rows, .in_c = k, .out_h = 1, .out_w = rows, .out_c = n, .groups = 1,
                  .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .k = k, .n = n,
                  .x_zero = q.x_zero, .x_signed = p->in[X]->dtype == HN_I8 };
    return finish_gemm(p, c, &q);
}

const hn_impl hn_impl_qlinear_gemm = {
    .name = "qlinear.gemm.8bit", .rule = HN_RULE_PLAIN, .accepts = accepts_linear, .prepare = prepare_linear,
    .run = run_gemm,
};
