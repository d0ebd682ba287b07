/* SPDX-License-Identifier: Apache-2.0 */
/* winograd.c: 3 x 3 convolutions with unit strides by F(4x4, 3x3) on channels-last f32.
 *
 * A piece of work takes some tiles through three phases: pixels to 36 rows of channels, 36 matrix products
 * with as many packed weights, and back to pixels.  What lies in between stays in L2 where it can.  Four
 * times the weights have to be read, so the choice weighs arithmetic against bytes, by figures that hold
 * roughly on any machine; it never depends on the number of threads. */
#include <string.h>

#include "base/num.h"
#include "runtime/cpu/conv.h"

enum { TILE = 4, IN = 6, POSITIONS = 36 };
enum { CHANNELS_MIN = 16, TILES_MIN = 12 };      /* fewer leave the products' tiles half empty */
enum { PIECE_FLOATS = 128 * 1024 };              /* of both phases' rows: half a megabyte */
enum { WEIGHTS_NEAR = 256 * 1024 };              /* floats of weights that stay in L2 from piece to piece */
enum { TILES_FAR = 96 };                         /* tiles that share one reading of weights that do not */

typedef struct winograd {
    hn_conv_shape s;
    size_t tiles_h, tiles_w;         /* of an image */
    size_t group;                    /* tiles per piece of work */
    size_t packed_each;              /* floats of one position's packed weights */
    const float *weight, *bias;
    int add;                         /* the input that is added to the result, 0: none */
    hn_act act;
} winograd;

/* In nanoseconds of a core that does 60 multiply-adds, reads 12 bytes of weights or moves 8 floats in one. */
static bool is_cheaper(const hn_conv_shape *s, size_t tiles)
{
    double pairs = (double)s->in_c * (double)s->out_c, pixels = (double)(s->out_h * s->out_w * s->batch);
    double direct = pixels * 9 * pairs / 60;
    double products = (double)tiles * POSITIONS * pairs / 55;
    double moves = (double)tiles * POSITIONS * (double)(s->in_c + s->out_c) / 8;
    double weights = pairs * POSITIONS > WEIGHTS_NEAR ? pairs * POSITIONS * 4 / 12 : 0;
    return products + moves + weights < 0.9 * direct;
}

static size_t tiles_of(const hn_conv_shape *s)
{
    return hn_ceil_div(s->out_h, TILE) * hn_ceil_div(s->out_w, TILE) * s->batch;
}

static bool accepts(const hn_prep *p)
{
    hn_conv_shape s;
    if (!hn_op_is(p->node, "Conv") || !hn_conv_geometry(p, &s) || s.groups != 1 || s.kh != 3 || s.kw != 3 ||
        s.stride_h != 1 || s.stride_w != 1 || s.dil_h != 1 || s.dil_w != 1 || s.in_c < CHANNELS_MIN || s.out_c < CHANNELS_MIN)
        return false;
    return tiles_of(&s) >= TILES_MIN;
}

static bool pays(const hn_prep *p)
{
    hn_conv_shape s;
    return hn_conv_geometry(p, &s) && is_cheaper(&s, tiles_of(&s));
}

/* G w G', in double: 3 x 3 to 6 x 6. */
static void transform_weight(const float *w, double out[POSITIONS])
{
    static const double g[IN][3] = {
        { 0.25, 0, 0 }, { -1 / 6.0, -1 / 6.0, -1 / 6.0 }, { -1 / 6.0, 1 / 6.0, -1 / 6.0 },
        { 1 / 24.0, 1 / 12.0, 1 / 6.0 }, { 1 / 24.0, -1 / 12.0, 1 / 6.0 }, { 0, 0, 1 },
    };
    double half[IN][3];
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < 3; j++)
            half[i][j] = g[i][0] * (double)w[j] + g[i][1] * (double)w[3 + j] + g[i][2] * (double)w[6 + j];
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < IN; j++)
            out[i * IN + j] = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
}

static hn_err pack_weights(hn_prep *p, winograd *c)
{
    size_t pairs = c->s.in_c * c->s.out_c;
    c->packed_each = p->k->pack_b_f32_size(c->s.in_c, c->s.out_c);
    bool made;
    float *packed = hn_prep_weights(p, 1, hn_mul(c->packed_each, POSITIONS * sizeof *packed), &made);
    c->weight = packed;
    if (made)
        return HN_OK;
    float *u = hn_alloc(p->cx, hn_mul(pairs, POSITIONS * sizeof *u));
    if (!packed || !u) {
        hn_free(p->cx, u);
        return hn_nomem(p->cx, "packed weights");
    }
    const float *w = p->in[1]->data;
    for (size_t i = 0; i < pairs; i++) {                     /* [out_c, in_c] */
        double t[POSITIONS];
        transform_weight(w + i * 9, t);
        for (size_t x = 0; x < POSITIONS; x++)
            u[x * pairs + i] = (float)t[x];
    }
    for (size_t x = 0; x < POSITIONS; x++)
        p->k->pack_b_f32(packed + x * c->packed_each, u + x * pairs, c->s.in_c, c->s.in_c, c->s.out_c, 1);
    hn_free(p->cx, u);
    return HN_OK;
}

static hn_err prepare(hn_prep *p)
{
    winograd *c = HN_NEW(p->arena, winograd, 1);
    if (!c)
        return hn_nomem(p->cx, "a convolution");
    hn_conv_geometry(p, &c->s);
    c->act = p->node->act;
    c->bias = p->in_count > 2 && p->in[2] ? p->in[2]->data : NULL;
    c->tiles_h = hn_ceil_div(c->s.out_h, TILE);
    c->tiles_w = hn_ceil_div(c->s.out_w, TILE);
    size_t tiles = c->tiles_h * c->tiles_w, channels = c->s.in_c + c->s.out_c;
    size_t most = PIECE_FLOATS / (POSITIONS * channels);
    if (c->s.in_c * c->s.out_c * POSITIONS > WEIGHTS_NEAR)
        most = hn_max(most, TILES_FAR);
    size_t share = hn_ceil_div(tiles * c->s.batch, p->threads);
    c->group = hn_min(hn_min(hn_max(hn_prep_cut(p, hn_min(most, share)), TILES_MIN), tiles), TILES_FAR);
    c->group = hn_ceil_div(tiles, hn_ceil_div(tiles, c->group));      /* even pieces */
    p->scratch_bytes = hn_mul((c->group * channels + c->s.in_c) * sizeof(float), POSITIONS);
    p->state = c;
    return pack_weights(p, c);
}

/* The input under a tile, with zeros where it hangs over the edge. */
static const float *border(const winograd *c, const float *image, int64_t y0, int64_t x0, float *room)
{
    size_t ch = c->s.in_c;
    for (int i = 0; i < IN; i++)
        for (int j = 0; j < IN; j++) {
            int64_t y = y0 + i, x = x0 + j;
            float *to = room + (size_t)(i * IN + j) * ch;
            if (y < 0 || y >= (int64_t)c->s.in_h || x < 0 || x >= (int64_t)c->s.in_w)
                memset(to, 0, ch * sizeof *to);
            else
                memcpy(to, image + ((size_t)y * c->s.in_w + (size_t)x) * ch, ch * sizeof *to);
        }
    return room;
}

typedef struct job { const hn_run *r; const winograd *c; size_t pieces; } job;

/* Tiles [first, first + n) of an image to 36 matrices [n, in_c]. */
static void gather(const job *j, const float *image, size_t first, size_t n, float *v, float *room)
{
    const winograd *c = j->c;
    size_t ch = c->s.in_c;
    for (size_t i = 0; i < n; i++) {
        int64_t y = (int64_t)((first + i) / c->tiles_w * TILE) - c->s.pad_top;
        int64_t x = (int64_t)((first + i) % c->tiles_w * TILE) - c->s.pad_left;
        bool inside = y >= 0 && x >= 0 && y + IN <= (int64_t)c->s.in_h && x + IN <= (int64_t)c->s.in_w;
        const float *in = inside ? image + ((size_t)y * c->s.in_w + (size_t)x) * ch : border(c, image, y, x, room);
        j->r->k->winograd_in_f32(v + i * ch, n * ch, in, (inside ? c->s.in_w : IN) * ch, ch);
    }
}

static void scatter(const job *j, size_t image, size_t first, size_t n, const float *m)
{
    const winograd *c = j->c;
    size_t ch = c->s.out_c;
    for (size_t i = 0; i < n; i++) {
        size_t y = (first + i) / c->tiles_w * TILE, x = (first + i) % c->tiles_w * TILE;
        size_t at = ((image * c->s.out_h + y) * c->s.out_w + x) * ch;
        hn_winograd_out w = { .in = m + i * ch, .step = n * ch, .out = (float *)j->r->out[0]->data + at,
                              .line = c->s.out_w * ch, .rows = hn_min(TILE, c->s.out_h - y),
                              .cols = hn_min(TILE, c->s.out_w - x), .channels = ch, .bias = c->bias, .act = c->act,
                              .add = c->add ? (const float *)j->r->in[c->add]->data + at : NULL };
        j->r->k->winograd_out_f32(&w);
    }
}

static void some_tiles(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const winograd *c = j->c;
    size_t image = piece / j->pieces, first = piece % j->pieces * c->group;
    size_t n = hn_min(c->group, c->tiles_h * c->tiles_w - first);
    float *v = (float *)(void *)(j->r->scratch + worker * j->r->scratch_stride);
    float *m = v + POSITIONS * n * c->s.in_c, *room = m + POSITIONS * n * c->s.out_c;

    gather(j, (const float *)j->r->in[0]->data + image * c->s.in_h * c->s.in_w * c->s.in_c, first, n, v, room);
    for (size_t x = 0; x < POSITIONS; x++) {
        hn_gemm_f32 g = { .m = n, .n = c->s.out_c, .k = c->s.in_c, .a = v + x * n * c->s.in_c, .lda = c->s.in_c,
                          .b = c->weight + x * c->packed_each, .c = m + x * n * c->s.out_c, .ldc = c->s.out_c };
        j->r->k->gemm_f32(&g);
    }
    scatter(j, image, first, n, m);
}

static hn_err run(const hn_run *r)
{
    const winograd *c = r->state;
    job j = { r, c, hn_ceil_div(c->tiles_h * c->tiles_w, c->group) };
    hn_parallel(r, j.pieces * c->s.batch, some_tiles, &j);
    return HN_OK;
}

static hn_absorb absorb(void *state, const hn_tensor *summand, const hn_tensor *sum, int i, hn_act act)
{
    winograd *c = state;
    if (c->add || !hn_shape_equal(&summand->shape, &sum->shape))
        return HN_ABSORB_NO;
    c->add = i;
    c->act = act;
    return HN_ABSORB_OPERAND;
}

const hn_impl hn_impl_conv_winograd = {
    .name = "conv.winograd.f32", .rule = HN_RULE_CL,
    .accepts = accepts, .pays = pays, .prepare = prepare, .run = run, .absorb = absorb, .variants = HN_VARIANTS_CUT,
};
