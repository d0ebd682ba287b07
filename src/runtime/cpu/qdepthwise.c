/* SPDX-License-Identifier: Apache-2.0 */
/* qdepthwise.c: QConv with one filter per channel, in integers.
 *
 * qconv.depthwise.8bit  rows of input are zipped, four at a time (dwconv_q8.k.c), with their padding; a piece of work
 *                       zips once for as many rows of output as find all they look at among the four
 *
 * The kernel steps over pixels where a pixel is whole vectors.  Elsewhere every stride-th pixel is zipped to an array
 * of its own, so that neighbours in the result look at neighbours.  Wide rows go in parts, so that what is zipped stays
 * in the first cache.
 *
 * Weights less their zero point may need nine bits: then each is the sum of two, and each column of taps two. */
#include <string.h>

#include "base/num.h"
#include "runtime/cpu/qconv.h"

enum { X, W };
enum { ZIPPED_BYTES = 24 * 1024 };      /* of a part of a row, if one pixel allows */
enum { ROUND = HN_REQUANT_COLS, LINE = 64 };

typedef struct depthwise {
    hn_qconv c;
    size_t share;                       /* rows of output that one zipping serves */
    size_t fours;                       /* times four rows of input */
    size_t part;                        /* columns of output at once */
    size_t arrays, plane;               /* of zipped pixels: 1 or stride_w, and bytes from one to the next */
    size_t line;                        /* bytes of a line of input */
    size_t taps; size_t *at;
    const int8_t *weight; size_t weight_each;      /* of one of the shared rows */
    uint8_t flip, pad;
    int calm;
} depthwise;

/* Sums of two numbers of eight bits reach from -256 to 254; without a zero point one is enough. */
static int highest(const hn_prep *p, const hn_integers *q) { return (p->in[W]->dtype == HN_I8 ? 127 : 255) - q->w_zero; }

static bool accepts(const hn_prep *p)
{
    hn_qconv c;
    hn_integers q;
    return hn_qconv_read(p, &c, &q) && c.groups == c.in_c && c.out_c == c.in_c && c.groups > 1 && highest(p, &q) <= 254;
}

/* ---- Packing ---------------------------------------------------------------------------------------- */

/* Weight of the channel at row i and column j of its window, split in `parts`; 0 past the window. */
static int8_t weight_at(const hn_prep *p, const hn_qconv *c, int32_t zero, size_t channel, int64_t i, size_t j,
                        size_t part, size_t parts)
{
    if (i < 0 || i >= (int64_t)c->kh)
        return 0;
    const uint8_t *all = p->in[W]->data, byte = all[(channel * c->kh + (size_t)i) * c->kw + j];
    int w = (p->in[W]->dtype == HN_I8 ? (int8_t)byte : byte) - zero, first = parts == 1 ? w : w >> 1;
    return (int8_t)(part ? w - first : first);
}

static int calm_four(const int8_t w[4])
{
    int a[4];
    for (int i = 0; i < 4; i++)
        a[i] = w[i] < 0 ? -w[i] : w[i];
    return a[0] + a[1] <= 128 && a[2] + a[3] <= 128;
}

/* [shared row, taps, channels and some of them again, 4]; returns whether all are calm. */
static int pack_weights(const hn_prep *p, const depthwise *d, int32_t zero, size_t parts, int8_t *out)
{
    const hn_qconv *c = &d->c;
    int calm = 1;
    for (size_t s = 0; s < d->share; s++)
        for (size_t t = 0; t < d->taps; t++)
            for (size_t i = 0; i < c->in_c + ROUND; i++, out += 4) {
                size_t four = t / parts / c->kw, column = t / parts % c->kw;
                for (size_t r = 0; r < 4; r++) {
                    int64_t row = (int64_t)(4 * four + r) - (int64_t)(s * c->stride_h);
                    out[r] = weight_at(p, c, zero, i % c->in_c, row, column, t % parts, parts);
                }
                calm &= calm_four(out);
            }
    return calm;
}

/* Sums of x' w with x' around xz: short of -xz sum w. */
static void correct(const hn_prep *p, const hn_qconv *c, const hn_integers *q, size_t parts, int64_t *correction)
{
    size_t taps = c->kh * c->kw * parts;
    int64_t xz = q->x_zero + (c->x_signed ? 128 : 0);
    for (size_t i = 0; i < c->in_c; i++) {
        correction[i] = 0;
        for (size_t t = 0; t < taps; t++)
            correction[i] -= xz * weight_at(p, c, q->w_zero, i, (int64_t)(t / parts / c->kw), t / parts % c->kw, t % parts, parts);
    }
}

/* Packed weights begin with a line that says whether they are calm. */
static hn_err pack(hn_prep *p, depthwise *d, const hn_integers *q, size_t parts)
{
    hn_qconv *c = &d->c;
    bool made;
    int8_t *packed = hn_prep_weights(p, W, hn_add(LINE, hn_mul(d->share, d->weight_each)), &made);
    int64_t *correction = hn_prep_weights(p, W, hn_mul(c->in_c, sizeof *correction), &made);
    if (!made && (!packed || !correction))
        return hn_nomem(p->cx, "packed weights");
    if (!made) {
        packed[0] = (int8_t)pack_weights(p, d, q->w_zero, parts, packed + LINE);
        correct(p, c, q, parts, correction);
    }
    if (packed) {
        d->calm = packed[0];
        d->weight = packed + LINE;
    }
    return hn_qconv_rules(p, c, q, ROUND, correction);
}

/* Columns of padded input that `part` columns of output look at. */
static size_t reach(const hn_qconv *c, size_t part) { return (part - 1) * c->stride_w + (c->kw - 1) * c->dil_w + 1; }

static size_t plane_bytes(const depthwise *d, size_t part)
{
    return hn_add(hn_mul(hn_mul(hn_ceil_div(reach(&d->c, part), d->arrays), d->c.in_c), 4), HN_ZIP_SLACK);
}

static size_t zipped_bytes(const depthwise *d, size_t part)
{
    return hn_mul(hn_mul(plane_bytes(d, part), d->fours), d->arrays);
}

static hn_err prepare(hn_prep *p)
{
    hn_integers q;
    depthwise *d = HN_NEW(p->arena, depthwise, 1);
    if (!d)
        return hn_nomem(p->cx, "a convolution");
    hn_qconv *c = &d->c;
    hn_qconv_read(p, c, &q);
    size_t parts = highest(p, &q) == 127 ? 1 : 2;
    c->columns = 1;                                  /* a group is a channel, and channels lie side by side */
    d->share = c->kh <= 4 && c->dil_h == 1 ? hn_min((4 - c->kh) / c->stride_h + 1, c->out_h) : 1;
    d->fours = hn_ceil_div(c->kh, 4);
    d->taps = d->fours * c->kw * parts;
    d->arrays = c->in_c % 16 ? c->stride_w : 1;
    d->at = HN_NEW(p->arena, size_t, d->taps);
    d->part = c->out_w;
    while (d->part > 1 && zipped_bytes(d, d->part) > ZIPPED_BYTES)
        d->part = (d->part + 1) / 2;
    d->plane = plane_bytes(d, d->part);
    d->line = c->in_w * c->in_c;
    d->flip = c->x_signed ? 0x80 : 0;
    d->pad = (uint8_t)c->x_zero;
    d->weight_each = hn_mul(hn_mul(d->taps, 4), c->in_c + ROUND);
    if (!d->at)
        return hn_nomem(p->cx, "a convolution");
    for (size_t t = 0; t < d->taps; t++) {
        size_t four = t / parts / c->kw, column = t / parts % c->kw * c->dil_w;
        d->at[t] = (four * d->arrays + column % d->arrays) * d->plane + 4 * (column / d->arrays * c->in_c);
    }
    p->scratch_bytes = hn_add(hn_round_up(d->line, 64), zipped_bytes(d, d->part));
    p->state = d;
    return pack(p, d, &q, parts);
}

/* ---- Running ---------------------------------------------------------------------------------------- */

static void zip(const hn_run *r, const depthwise *d, uint8_t *to, const uint8_t *const rows[4], size_t column,
                size_t columns)
{
    const uint8_t *from[4];
    for (int i = 0; i < 4; i++)
        from[i] = rows[i] + column * d->c.in_c;
    r->k->zip_rows(to, from, columns * d->c.in_c, d->flip);
}

/* `count` columns of padded input from `first` on, of four rows, in turn to each array.  Ascending,
 * because the slack of what is zipped is where the next ones go. */
static void zip_part(const hn_run *r, const depthwise *d, uint8_t *to, const uint8_t *const rows[4], int64_t first,
                     size_t count)
{
    const hn_qconv *c = &d->c;
    size_t pixel = 4 * c->in_c, run;
    uint8_t pad = d->pad ^ d->flip;
    for (size_t i = 0; i < count; i += run) {
        int64_t x = first + (int64_t)i;
        bool inside = x >= 0 && x < (int64_t)c->in_w;
        uint8_t *at = to + i % d->arrays * d->plane + i / d->arrays * pixel;
        size_t left = x < 0 ? (size_t)-x : inside ? c->in_w - (size_t)x : count;
        run = d->arrays > 1 ? 1 : hn_min(left, count - i);
        if (inside)
            zip(r, d, at, rows, (size_t)x, run);
        else
            memset(at, pad, run * pixel);
    }
}

typedef struct job { const hn_run *r; const depthwise *d; size_t pieces; } job;

/* The rows that the fours look at; those outside of the image are `nothing`. */
static void find_rows(const depthwise *d, const uint8_t *image, int64_t top, size_t four, const uint8_t *nothing,
                      const uint8_t *rows[4])
{
    for (size_t i = 0; i < 4; i++) {
        int64_t y = top + (int64_t)((4 * four + i) * d->c.dil_h);
        rows[i] = y < 0 || y >= (int64_t)d->c.in_h ? nothing : image + (size_t)y * d->line;
    }
}

static void some_rows(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const depthwise *d = j->d;
    const hn_qconv *c = &d->c;
    size_t image = piece / j->pieces, first = piece % j->pieces * d->share, rows = hn_min(d->share, c->out_h - first);
    const uint8_t *x = (const uint8_t *)j->r->in[X]->data + image * c->in_h * d->line;
    uint8_t *out = (uint8_t *)j->r->out[0]->data + (image * c->out_h + first) * c->out_w * c->out_c;
    uint8_t *nothing = (uint8_t *)j->r->scratch + worker * j->r->scratch_stride;
    uint8_t *zipped = nothing + hn_round_up(d->line, 64);
    int64_t top = (int64_t)(first * c->stride_h) - c->pad_top;
    memset(nothing, d->pad, d->line);
    for (size_t from = 0; from < c->out_w; from += d->part) {
        size_t part = hn_min(d->part, c->out_w - from);
        for (size_t f = 0; f < d->fours; f++) {
            const uint8_t *four[4];
            find_rows(d, x, top, f, nothing, four);
            int64_t left = (int64_t)(from * c->stride_w) - c->pad_left;
            zip_part(j->r, d, zipped + f * d->arrays * d->plane, four, left, reach(c, part));
        }
        for (size_t s = 0; s < rows; s++) {
            hn_dwconv_q8 w = { .n = part * c->out_c, .channels = c->out_c, .zipped = zipped, .taps = d->taps, .at = d->at,
                               .skip = d->arrays > 1 ? 0 : c->stride_w - 1, .weight = d->weight + s * d->weight_each, .calm = d->calm,
                               .out = out + (s * c->out_w + from) * c->out_c, .q = &c->q };
            j->r->k->dwconv_q8(&w);
        }
    }
}

static hn_err run(const hn_run *r)
{
    const depthwise *d = r->state;
    job j = { r, d, hn_ceil_div(d->c.out_h, d->share) };
    hn_parallel(r, d->c.batch * j.pieces, some_rows, &j);
    return HN_OK;
}

const hn_impl hn_impl_qconv_depthwise = {
    .name = "qconv.depthwise.8bit", .rule = HN_RULE_CL, .accepts = accepts, .prepare = prepare, .run = run,
};
