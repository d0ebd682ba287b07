/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/q_lattice.h"

#include <math.h>
#include <string.h>

#include "tensor/q_impl.h"
#include "tensor/q_search.h"

enum { N = 256, NEAR = 16, GROUPS_MAX = 64, RUNS_MAX = 16 };
#define TINY 1e-15f

/* How a type spends its bits.  A run of `run` elements has a scale d (base + step code); a point names `dims`
 * of them.  Magnitudes are levels[0..count - 1] and signs are apart, unless `shifts`: then levels are -1, 0, 1 and
 * move an eighth up or down together. */
typedef struct spec {
    hn_qtype type;
    int dims, count, run, codes;
    float levels[8], base, step;
    bool even;                       /* eight signs in seven bits: an even number of them is minus */
    bool shifts;
    int shift_run;                   /* elements that move together */
} spec;

static const spec specs[] = {
    { HN_QT_IQ2_XXS, 8, 3, 32, 16, { 8, 25, 43 }, 0.125f, 0.25f, true, false, 0 },
    { HN_QT_IQ2_XS, 8, 3, 16, 16, { 8, 25, 43 }, 0.125f, 0.25f, true, false, 0 },
    { HN_QT_IQ2_S, 8, 3, 16, 16, { 8, 25, 43 }, 0.125f, 0.25f, false, false, 0 },
    { HN_QT_IQ3_XXS, 4, 8, 32, 16, { 4, 12, 20, 28, 36, 44, 52, 62 }, 0.25f, 0.5f, true, false, 0 },
    { HN_QT_IQ3_S, 4, 8, 32, 16, { 1, 3, 5, 7, 9, 11, 13, 15 }, 1, 2, false, false, 0 },
    { HN_QT_IQ1_S, 8, 3, 32, 8, { -1, 0, 1 }, 1, 2, false, true, 32 },
    { HN_QT_IQ1_M, 8, 3, 16, 8, { -1, 0, 1 }, 1, 2, false, true, 8 },
};

struct hn_q_lattice {
    const spec *s;
    const uint16_t *point; size_t points;
    size_t combinations;             /* count^dims */
    uint16_t *near;                  /* [combinations, NEAR]: points, nearest first */
    bool *exists;                    /* [combinations]: the first one is the combination itself */
    float (*value)[8];               /* [points, dims] */
};

bool hn_q_is_lattice(hn_qtype t)
{
    size_t n;
    return hn_q_points(t, &n) != NULL;
}

static int level_index(const spec *s, unsigned point, int i)
{
    return (int)(s->dims == 8 ? point >> 2 * i & 3 : point >> 4 * i & 7);
}

/* The points nearest to one combination of levels, by insertion. */
static void find_near(hn_q_lattice *l, size_t code)
{
    const spec *s = l->s;
    float at[8], far[NEAR];
    uint16_t *near = l->near + code * NEAR;
    for (size_t i = 0, rest = code; i < (size_t)s->dims; i++, rest /= (size_t)s->count)
        at[i] = s->levels[rest % (size_t)s->count];
    int kept = 0;
    for (size_t p = 0; p < l->points; p++) {
        float d = 0;
        for (int i = 0; i < s->dims; i++)
            d += (l->value[p][i] - at[i]) * (l->value[p][i] - at[i]);
        if (kept == NEAR && d >= far[NEAR - 1])
            continue;
        int k = kept < NEAR ? kept++ : NEAR - 1;
        for (; k > 0 && far[k - 1] > d; k--) {
            far[k] = far[k - 1];
            near[k] = near[k - 1];
        }
        far[k] = d;
        near[k] = (uint16_t)p;
    }
    l->exists[code] = far[0] == 0;
}

hn_err hn_q_lattice_new(hn_ctx *cx, hn_qtype t, hn_q_lattice **out)
{
    hn_q_lattice *l = hn_calloc(cx, 1, sizeof *l);
    if (!l)
        return hn_nomem(cx, "a lattice");
    l->s = specs;
    while (l->s->type != t)
        l->s++;
    l->point = hn_q_points(t, &l->points);
    l->combinations = 1;
    for (int i = 0; i < l->s->dims; i++)
        l->combinations *= (size_t)l->s->count;
    l->near = hn_calloc(cx, l->combinations * NEAR, sizeof *l->near);
    l->exists = hn_calloc(cx, l->combinations, sizeof *l->exists);
    l->value = hn_calloc(cx, l->points, sizeof *l->value);
    if (!l->near || !l->exists || !l->value) {
        hn_q_lattice_free(cx, l);
        return hn_nomem(cx, "a lattice");
    }
    for (size_t p = 0; p < l->points; p++)
        for (int i = 0; i < l->s->dims; i++)
            l->value[p][i] = l->s->levels[level_index(l->s, l->point[p], i)];
    for (size_t c = 0; c < l->combinations; c++)
        find_near(l, c);
    *out = l;
    return HN_OK;
}

void hn_q_lattice_free(hn_ctx *cx, hn_q_lattice *l)
{
    if (!l)
        return;
    hn_free(cx, l->near);
    hn_free(cx, l->exists);
    hn_free(cx, l->value);
    hn_free(cx, l);
}

/* ---- One group: the point nearest to x / scale, by weight ------------------------------------------------ */

static size_t round_levels(const spec *s, const float *x, float inverse, float shift)
{
    size_t code = 0;
    for (int i = s->dims; i-- > 0;) {
        float v = x[i] * inverse - shift;
        int k = 0;
        while (k + 1 < s->count && v > (s->levels[k] + s->levels[k + 1]) / 2)
            k++;
        code = code * (size_t)s->count + (size_t)k;
    }
    return code;
}

/* Returns the point and, in *error, sum of w (x / scale - value)^2. */
static unsigned nearest(const hn_q_lattice *l, const float *x, const float *w, float inverse, float shift, float *error)
{
    const spec *s = l->s;
    size_t code = round_levels(s, x, inverse, shift);
    const uint16_t *near = l->near + code * NEAR;
    unsigned best = near[0];
    *error = INFINITY;
    for (int k = 0; k < (l->exists[code] ? 1 : NEAR); k++) {       /* one that exists is the best for any weights */
        float e = 0;
        for (int i = 0; i < s->dims; i++) {
            float d = x[i] * inverse - shift - l->value[near[k]][i];
            e += w[i] * d * d;
        }
        if (e < *error) {
            *error = e;
            best = near[k];
        }
    }
    return best;
}

/* ---- One run: its points and shifts for a scale ------------------------------------------------------------ */

typedef struct choice { uint16_t point[8]; bool down[4]; } choice;       /* of a run; down: per eight elements */

/* What is lost at this scale, in units of x; fills `c`. */
static float choose(const hn_q_lattice *l, const float *x, const float *w, float scale, choice *c)
{
    const spec *s = l->s;
    float inverse = 1 / scale, sum = 0;
    int groups = s->run / s->dims, step = s->shifts ? s->shift_run / s->dims : groups;
    for (int first = 0; first < groups; first += step) {
        float best = 0;
        for (int down = 0; down <= (s->shifts ? 1 : 0); down++) {
            float shift = s->shifts ? (down ? -0.125f : 0.125f) : 0, part = 0, e;
            uint16_t point[8];
            for (int g = 0; g < step; g++) {
                int at = (first + g) * s->dims;
                point[g] = (uint16_t)nearest(l, x + at, w + at, inverse, shift, &e);
                part += e;
            }
            if (down == 0 || part < best) {          /* something, even where no error is a number */
                best = part;
                memcpy(c->point + first, point, (size_t)step * sizeof *point);
                for (int g = 0; g < step && s->shifts; g++)
                    c->down[first + g] = down != 0;
            }
        }
        sum += best;
    }
    return sum * scale * scale;
}

/* sum w x v and sum w v v, v being what the choice stands for at scale 1. */
static void fit(const hn_q_lattice *l, const float *x, const float *w, const choice *c, float *xv, float *vv)
{
    const spec *s = l->s;
    for (int i = 0; i < s->run; i++) {
        float v = l->value[c->point[i / s->dims]][i % s->dims] + (s->shifts ? (c->down[i / 8] ? -0.125f : 0.125f) : 0);
        *xv += w[i] * x[i] * v;
        *vv += w[i] * v * v;
    }
}

/* The scale of a run that loses least among a few: from clipping a lot to clipping nothing. */
static float search(const hn_q_lattice *l, const float *x, const float *w)
{
    enum { TRIALS = 15 };
    const spec *s = l->s;
    float most = 0, best = 0, best_scale = 0, top = s->levels[s->count - 1];
    for (int i = 0; i < s->run; i++)
        most = fmaxf(most, fabsf(x[i]));
    if (!(most > TINY) || isinf(most))
        return 0;
    for (int k = 0; k < TRIALS; k++) {
        float share = (s->shifts ? 0.25f : s->count == 3 ? 0.45f : 0.65f) + 0.05f * (float)k, xv = 0, vv = 0;
        choice c;
        choose(l, x, w, most / top * share, &c);
        fit(l, x, w, &c, &xv, &vv);
        if (vv > 0 && xv > 0 && xv * xv > best * vv) {
            best = xv * xv / vv;
            best_scale = xv / vv;
        }
    }
    return best_scale;
}

/* ---- One block ------------------------------------------------------------------------------------------------ */

typedef struct block {
    choice run[RUNS_MAX];
    uint8_t signs[32];               /* of eight elements each; 1 is minus */
    int code[RUNS_MAX];
    float d;
} block;

/* Magnitudes in place of x, signs apart.  Where only an even number of minus signs can be written, the element
 * that matters least takes the wrong one. */
static void take_signs(const spec *s, float *x, const float *w, uint8_t signs[32])
{
    for (int g = 0; g < 32; g++, x += 8, w += 8) {
        unsigned bits = 0;
        int least = 0;
        for (int i = 0; i < 8; i++) {
            bits |= (x[i] < 0 ? 1u : 0u) << i;
            x[i] = fabsf(x[i]);
            least = w[i] * x[i] * x[i] < w[least] * x[least] * x[least] ? i : least;
        }
        if (s->even && __builtin_parity(bits)) {
            bits ^= 1u << least;
            x[least] = -x[least];
        }
        signs[g] = (uint8_t)bits;
    }
}

static float scale_of(const spec *s, float d, int code) { return d * (s->base + s->step * (float)code); }

/* The code of a run's scale, and its points: the best of three beside each other. */
static void settle(const hn_q_lattice *l, const float *x, const float *w, float wanted, block *b, int r)
{
    const spec *s = l->s;
    int middle = hn_q_even((wanted / b->d - s->base) / s->step, 0, s->codes - 1);
    float best = INFINITY;
    for (int k = middle > 0 ? middle - 1 : 0; k <= middle + 1 && k < s->codes; k++) {
        choice c;
        float e = choose(l, x, w, scale_of(s, b->d, k), &c);
        if (e < best) {
            best = e;
            b->code[r] = k;
            b->run[r] = c;
        }
    }
}

static void encode(const hn_q_lattice *l, float *x, const float *w, block *b)
{
    const spec *s = l->s;
    int runs = N / s->run;
    float scale[RUNS_MAX], most = 0;
    memset(b, 0, sizeof *b);
    if (!s->shifts)
        take_signs(s, x, w, b->signs);
    for (int r = 0; r < runs; r++) {
        scale[r] = search(l, x + r * s->run, w + r * s->run);
        most = fmaxf(most, scale[r]);
    }
    b->d = hn_f16_to_f32(hn_f32_to_f16(most / (s->base + s->step * (float)(s->codes - 1))));
    /* Codes for this d, then the d that fits the codes best, then codes again. */
    for (int pass = 0; pass < 2 && b->d > 0 && !isinf(b->d); pass++) {
        float xv = 0, vv = 0;
        for (int r = 0; r < runs; r++) {
            float rx = 0, rv = 0, unit = s->base, *at = x + r * s->run;
            settle(l, at, w + r * s->run, scale[r], b, r);
            unit += s->step * (float)b->code[r];
            fit(l, at, w + r * s->run, &b->run[r], &rx, &rv);
            xv += unit * rx;
            vv += unit * unit * rv;
        }
        float better = vv > 0 && xv > 0 ? hn_f16_to_f32(hn_f32_to_f16(xv / vv)) : b->d;
        if (better > 0)
            b->d = better;
    }
}

/* ---- Bytes ---------------------------------------------------------------------------------------------------- */

static unsigned point_at(const block *b, const spec *s, int group)       /* group: of `dims` elements */
{
    int per = s->run / s->dims;
    return b->run[group / per].point[group % per];
}

static unsigned down_at(const block *b, const spec *s,
                        int eight) { return b->run[eight * 8 / s->run].down[eight * 8 % s->run / 8]; }

static void put32(uint8_t *p, uint32_t v)
{
    hn_q_put16(p, v & 0xFFFF);
    hn_q_put16(p + 2, v >> 16);
}

/* Four times seven signs and the scale of 32 elements. */
static uint32_t sign_word(const block *b, int r)
{
    uint32_t word = (uint32_t)b->code[r] << 28;
    for (int i = 0; i < 4; i++)
        word |= (uint32_t)(b->signs[4 * r + i] & 127) << 7 * i;
    return word;
}

static void put_iq2(const block *b, const spec *s, uint8_t *p)
{
    hn_q_put_half(p, b->d);
    for (int g = 0; g < 32; g++) {
        unsigned point = point_at(b, s, g);
        if (s->type == HN_QT_IQ2_XXS) {
            p[2 + g / 4 * 8 + g % 4] = (uint8_t)point;
            put32(p + 2 + g / 4 * 8 + 4, sign_word(b, g / 4));
        } else if (s->type == HN_QT_IQ2_XS) {
            hn_q_put16(p + 2 + 2 * g, point | (b->signs[g] & 127u) << 9);
            p[66 + g / 4] |= (uint8_t)(g % 2 ? 0 : b->code[g / 2] << g / 2 % 2 * 4);
        } else {
            p[2 + g] = (uint8_t)point;
            p[34 + g] = b->signs[g];
            p[66 + g / 4] |= (uint8_t)(point >> 8 << g % 4 * 2);
            p[74 + g / 4] |= (uint8_t)(g % 2 ? 0 : b->code[g / 2] << g / 2 % 2 * 4);
        }
    }
}

static void put_iq3(const block *b, const spec *s, uint8_t *p)
{
    hn_q_put_half(p, b->d);
    for (int g = 0; g < GROUPS_MAX; g++) {
        unsigned point = point_at(b, s, g);
        p[2 + g] = (uint8_t)point;
        if (s->type == HN_QT_IQ3_S)
            p[66 + g / 8] |= (uint8_t)(point >> 8 << g % 8);
    }
    for (int r = 0; r < 8 && s->type == HN_QT_IQ3_XXS; r++)
        put32(p + 66 + 4 * r, sign_word(b, r));
    if (s->type != HN_QT_IQ3_S)
        return;
    memcpy(p + 74, b->signs, 32);
    for (int r = 0; r < 8; r++)
        p[106 + r / 2] |= (uint8_t)(b->code[r] << r % 2 * 4);
}

static void put_iq1_s(const block *b, const spec *s, uint8_t *p)
{
    hn_q_put_half(p, b->d);
    for (int r = 0; r < 8; r++) {
        unsigned more = (unsigned)b->code[r] << 12 | down_at(b, s, 4 * r) << 15;
        for (int i = 0; i < 4; i++) {
            unsigned point = point_at(b, s, 4 * r + i);
            p[2 + 4 * r + i] = (uint8_t)point;
            more |= (point >> 8) << 3 * i;
        }
        hn_q_put16(p + 34 + 2 * r, more);
    }
}

static void put_iq1_m(const block *b, const spec *s, uint8_t *p)
{
    unsigned half = hn_f32_to_f16(b->d);
    for (int g = 0; g < 32; g++) {
        unsigned point = point_at(b, s, g);
        p[g] = (uint8_t)point;
        p[32 + g / 2] |= (uint8_t)((point >> 8 | down_at(b, s, g) << 3) << g % 2 * 4);
    }
    for (int i = 0; i < 4; i++) {
        unsigned scales = (half >> 4 * i & 15) << 12;
        for (int k = 0; k < 4; k++)
            scales |= (unsigned)b->code[4 * i + k] << 3 * k;
        hn_q_put16(p + 48 + 2 * i, scales);
    }
}

void hn_q_lattice_encode_row(const hn_q_lattice *l, const float *src, const float *importance, void *dst, size_t count)
{
    const spec *s = l->s;
    size_t size = hn_qtype_get(s->type)->block_size;
    uint8_t *p = dst;
    for (size_t at = 0; at < count; at += N, p += size) {
        float x[N], w[N];
        block b;
        memcpy(x, src + at, sizeof x);
        if (importance)
            hn_q_weigh(x, importance + at, 2 * hn_q_mean_square(x, N), N, w);
        else
            for (int i = 0; i < N; i++)
                w[i] = x[i] * x[i];
        memset(p, 0, size);
        encode(l, x, w, &b);
        if (s->type == HN_QT_IQ1_S)
            put_iq1_s(&b, s, p);
        else if (s->type == HN_QT_IQ1_M)
            put_iq1_m(&b, s, p);
        else if (s->dims == 8)
            put_iq2(&b, s, p);
        else
            put_iq3(&b, s, p);
    }
}
