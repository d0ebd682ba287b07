/* SPDX-License-Identifier: Apache-2.0 */
/* Products with panels of sixteen rows; qpack.h says what is computed and in which order.
 *
 * Few columns: codes are unpacked to registers and met by up to four columns at once.  Integer sums are
 * exact, so a column's bits depend neither on the columns beside it nor on the path.
 *
 * Against scalar: the same integers; float sums in the same order, so only fused adds can differ. */
#include "kernels/qpanel_types.h"

enum { COLS = 4 };

/* ---- A few columns ------------------------------------------------------------------------------- */

/* Codes that become unsigned only because the instruction wants it. */
#define RAISED(f) ((f)->how & SIGNED && !LN_SIGNED)
#define OFFSET(f) (RAISED(f) ? 128 : (f)->offset)

VEC void raise_codes(vi w[8])
{
    UNROLL
    for (int j = 0; j < 8; j++)
        w[j] = ln_xor(w[j], ln_bytes(128));
}

/* Sums of `n` vectors of codes with as many words of one column, without the offset's share. */
VEC vi dots(const form *f, const vi *w, const int8_t *q, int n, int32_t count)
{
    vi sum = vi_set(OFFSET(f) ? -OFFSET(f) * count : 0);
    if (f->how & SIGNED && LN_SIGNED) {
        UNROLL
        for (int j = 0; j < n; j++) {
            int32_t four;
            memcpy(&four, q + 4 * j, 4);
            sum = ln_dot_signed(sum, w[j], vi_set(four));
        }
        return sum;
    }
    lh some = lh_zero();
    UNROLL
    for (int j = 0; j < n; j++) {
        int32_t four;
        memcpy(&four, q + 4 * j, 4);
        some = ln_dot(some, w[j], vi_set(four));
        if ((j + 1) % LN_FIT(f->top) == 0 || j + 1 == n) {
            sum = ln_sum(sum, some);
            some = lh_zero();
        }
    }
    return sum;
}

/* What a column has summed so far. */
typedef struct sums { vf all, low, run, run_low; } sums;

/* One run of 32 with one column; at: the column's place in the arrays of x. */
VEC void run(const form *f, const shared *h, int g, const vi w[8], const hn_qx *x, size_t at, sums *s)
{
    const int8_t *q = x->q + at * HN_QX_BLOCK;
    if (f->how & HALVES) {
        vi a = dots(f, w, q, 4, x->count_low[at]), b = dots(f, w + 4, q + 16, 4, x->count[at] - x->count_low[at]);
        s->run = vf_fma(vi_float(a), h->s[2 * g], s->run);
        s->run = vf_fma(vi_float(b), h->s[2 * g + 1], s->run);
        if (f->how & MINIMA) {
            s->run_low = vf_fma(h->m[2 * g], vf_set(x->sum_low[at]), s->run_low);
            s->run_low = vf_fma(h->m[2 * g + 1], vf_set(x->sum[at] - x->sum_low[at]), s->run_low);
        }
        return;
    }
    vf i = vi_float(dots(f, w, q, 8, x->count[at]));
    if (f->how & SMALL) {
        s->run = vf_fma(i, h->s[g], s->run);
        if (f->how & MINIMA)
            s->run_low = vf_fma(h->m[g], vf_set(x->sum[at]), s->run_low);
    } else {
        s->all = vf_fma(i, vf_mul(h->d, vf_set(x->scale[at])), s->all);
        if (f->how & MINIMA)
            s->low = vf_fma(h->min, vf_set(x->sum[at]), s->low);
    }
}

/* A block of runs has been summed: its own scale. */
VEC void fold(const form *f, const shared *h, float scale, sums *s)
{
    s->all = vf_fma(s->run, vf_mul(h->d, vf_set(scale)), s->all);
    s->run = vf_set(0);
    if (f->how & MINIMA) {
        s->low = vf_fma(s->run_low, vf_mul(h->min, vf_set(scale)), s->low);
        s->run_low = vf_set(0);
    }
}

VEC vf total(const form *f, const sums *s)
{
    return !(f->how & MINIMA) ? s->all : f->how & SMALL ? vf_sub(s->all, s->low) : vf_add(s->all, s->low);
}

/* A panel is two short streams, codes and scales, and the processor begins to guess anew with each: it is told what
 * comes next, and past a panel's end that is the next one. */
enum { AHEAD = 4096 };
VEC void fetch(const uint8_t *p, int size)
{
    for (int i = 0; i < size; i += 64)
        __builtin_prefetch(p + AHEAD + i, 0, 2);
}

/* VF_N rows of a panel with n <= COLS columns of one group, the first at lane `lane`. */
VEC void few(const form *f, const hn_panels *p, const uint8_t *panel, int at, size_t col, int n)
{
    const hn_qx *x = p->x;
    size_t width = x->width, i = col / width * x->blocks * width + col % width, step = (size_t)f->parts * width;
    const uint8_t *c = panel, *h = panel + x->blocks / (size_t)f->parts * (size_t)f->code_size;
    sums s[COLS];
    vf zero = vf_set(0);

    UNROLL
    for (int t = 0; t < n; t++)
        s[t] = (sums){ zero, zero, zero, zero };
    for (size_t end = i + x->blocks * width; i < end; i += step, c += f->code_size, h += f->head_size) {
        shared head;
        if (at == 0) {
            fetch(c, f->code_size);
            fetch(h, f->head_size);
        }
        f->head(h, at, &head);
        int pair = f->parts > 1 ? 2 : 1;                  /* two runs share the loads of their codes */
        for (int g0 = 0; g0 < f->parts; g0 += pair) {
            UNROLL
            for (int g = g0; g < g0 + pair; g++) {
                vi w[8];
                f->codes(c, g, at, w);
                if (RAISED(f))
                    raise_codes(w);
                UNROLL
                for (int t = 0; t < n; t++)
                    run(f, &head, g, w, x, i + (size_t)g * width + (size_t)t, &s[t]);
            }
        }
        if (f->how & SMALL) {
            UNROLL
            for (int t = 0; t < n; t++)
                fold(f, &head, x->scale[i + (size_t)t], &s[t]);
        }
    }
    size_t r = (size_t)(panel - (const uint8_t *)p->w) / p->panel_size * HN_PANEL_ROWS + (size_t)at;
    UNROLL
    for (int t = 0; t < n; t++)
        if (r < p->rows)
            vf_put(p->out + (col + (size_t)t) * p->ld_out + r, total(f, &s[t]), p->rows - r);
}

/* Columns from..to of one group. */
VEC void columns(const form *f, const hn_panels *p, size_t from, size_t to)
{
    const uint8_t *panel = p->w;
    for (size_t i = 0; i < p->panels; i++, panel += p->panel_size)
        for (int at = 0; at < HN_PANEL_ROWS; at += VF_N) {
            size_t c = from;
            for (; c + COLS <= to; c += COLS)
                few(f, p, panel, at, c, COLS);
            for (; c + 2 <= to; c += 2)
                few(f, p, panel, at, c, 2);
            for (; c < to; c++)
                few(f, p, panel, at, c, 1);
        }
}

/* ---- The kernel ------------------------------------------------------------------------------------ */

/* Each type's loop is a function of its own, or the compiler would lose itself in one. */
#ifdef HN_ISA_amx
#include "kernels/qpanel_tiles.h"
void panels_avx512(const hn_panels *p);      /* fewer columns are no tiles */
VEC void product(const form *f, const hn_panels *p) { many(f, p); }
#else
VEC void product(const form *f, const hn_panels *p)
{
    for (size_t c = 0; c < p->x->cols; c += p->x->width)
        columns(f, p, c, c + p->x->width < p->x->cols ? c + p->x->width : p->x->cols);
}
#endif

/* type, head, codes, runs, bytes of codes and heads, offset, top, how */
#define TYPES(X)                                                                                        \
    X(Q4_0,   one_half,    nibbles,           1, 256,  32,  8,   15,  0)                                \
    X(Q4_1,   two_halves,  nibbles,           1, 256,  64,  0,   15,  MINIMA)                           \
    X(Q5_0,   one_half,    nibbles_and_fifth, 1, 320,  32,  16,  31,  0)                                \
    X(Q5_1,   two_halves,  nibbles_and_fifth, 1, 320,  64,  0,   31,  MINIMA)                           \
    X(Q8_0,   one_half,    whole_bytes,       1, 512,  32,  0,   127, SIGNED)                           \
    X(IQ4_NL, one_half,    iq4,               1, 256,  32,  0,   127, SIGNED)                           \
    X(MXFP4,  power,       e2m1,              1, 256,  16,  0,   127, SIGNED)                           \
    X(Q2_K,   q2_k_head,   pairs,             8, 1024, 320, 0,   3,   SMALL | HALVES | MINIMA)          \
    X(Q3_K,   q3_k_head,   q3_k,              8, 1536, 224, 4,   7,   SMALL | HALVES)                   \
    X(Q4_K,   q4_k_head,   q4_k,              8, 2048, 256, 0,   15,  SMALL | MINIMA)                   \
    X(Q5_K,   q4_k_head,   q5_k,              8, 2560, 256, 0,   31,  SMALL | MINIMA)                   \
    X(Q6_K,   q6_k_head,   q6_k,              8, 3072, 288, 32,  63,  SMALL | HALVES)                   \
    X(IQ4_XS, iq4_xs_head, iq4,               8, 2048, 128, 0,   127, SMALL | SIGNED)

#define PRODUCT(id, head, codes, parts, code_size, head_size, offset, top, how)                         \
    static __attribute__((noinline)) void product_##id(const hn_panels *p)                              \
    {                                                                                                   \
        product(&(const form){ head, codes, parts, code_size, head_size, offset, top, how }, p);        \
    }
TYPES(PRODUCT)

void K(panels)(const hn_panels *p)
{
#ifdef HN_ISA_amx
    if (p->x->cols < MANY) {
        panels_avx512(p);
        return;
    }
#endif
    switch (p->type) {
#define CASE(id, ...) case HN_QT_##id: product_##id(p); break;
    TYPES(CASE)
    default:
        break;
    }
}
