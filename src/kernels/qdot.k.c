/* SPDX-License-Identifier: Apache-2.0 */
/* Products with block-quantised weights; qdot.h says what is computed.
 *
 * A type is two short functions: `head` reads what a block's elements share, `part` unpacks 32 of them
 * to bytes with their scales.  One loop serves them all; it is inlined with both, so the calls are gone.
 * Weights are unpacked once for up to four columns.
 *
 * Against scalar: the integer products are equal, float sums differ by their order, a few units in the
 * last place of the largest partial sum. */
#define HN_NARROW
#include "kernels/isa.h"
#include "tensor/convert.h"

#if defined HN_ISA_avx512
#include "kernels/simd/bytes_avx512.h"
#elif defined HN_ISA_avx2
#include "kernels/simd/bytes_avx2.h"
#elif defined HN_ISA_neon
#include "kernels/simd/bytes_neon.h"
#else
#include "kernels/simd/bytes_scalar.h"
#endif

/* Columns that share one unpacking.  Several rows at a time gain nothing: measured 2 and 4. */
enum { COLS = 4 };

/* ---- Activations to 8 bits ------------------------------------------------------------------- */

/* Half precision where that is normal, as stored 8-bit blocks have it: products are then those of
 * other engines.  Outside of it a float, so that no activation is lost. */
VEC float stored_scale(float d)
{
    return d >= 0x1p-14f && d <= 65504 ? hn_f16_to_f32(hn_f32_to_f16(d)) : d;
}

/* 32 activations by a common factor. */
VEC void pack_block(hn_q8 *out, const float *in, float id, float scale)
{
    vf factor = vf_set(id);
    for (int i = 0; i < HN_Q8_BLOCK; i += VF_N) {
        uint8_t lanes[VF_N];
        vf q = vf_round(vf_mul(vf_load(in + i), factor));
        vi_store_8(lanes, vf_int(vf_clip(q, vf_set(-127), vf_set(127))));
        memcpy(out->q + i, lanes, VF_N);
    }
    int low = 0, high = 0;
    for (int i = 0; i < HN_Q8_BLOCK / 2; i++) {
        low += out->q[i];
        high += out->q[i + HN_Q8_BLOCK / 2];
    }
    out->scale = scale;
    out->sum = scale * (float)(low + high);
    out->sum_low = scale * (float)low;
}

/* q = round_half_even(x * (127 / max |x|)) over groups of 32 or 256; a NaN or an infinity makes the
 * group's scale NaN, and with it every sum it enters. */
void K(q8_pack)(hn_q8 *out, const float *in, size_t n, size_t group)
{
    for (; n >= group; n -= group, in += group) {
        vf most = vf_set(0), poison = most;
        for (size_t i = 0; i < group; i += VF_N) {
            most = vf_max(vf_abs(vf_load(in + i)), most);
            poison = vf_fma(vf_load(in + i), vf_set(0), poison);
        }
        float size = vf_top(most), id = size > 0 ? 127 / size : 0;
        if (id > 3e38f)                            /* scales below 4e-37 are zero */
            id = 0;
        float scale = (group == HN_Q8_BLOCK ? stored_scale(size / 127) : id > 0 ? 1 / id : 0) + vf_sum(poison);
        for (size_t i = 0; i < group; i += HN_Q8_BLOCK)
            pack_block(out++, in + i, id, scale);
    }
}

/* ---- Types ------------------------------------------------------------------------------------- */

/* What a block's elements share: one scale, and for the K types the scales of its runs. */
typedef struct head {
    float d, min;
    float s[16], m[16];
} head;

/* out = d * (codes - offset), for all runs at once.  codes come from words or vectors written whole:
 * single bytes would have to reach the cache before a vector could load them. */
VEC void spread(float *out, const uint8_t *codes, int offset, float d, int runs)
{
    for (int i = 0; i < runs; i += VF_N)
        vf_store(out + i, vf_mul(vf_set(d), vi_float(vi_sub(vi_load_u8(codes + i), vi_set(offset)))));
}

/* 32 elements: x = low q + low_min for the first sixteen, high and high_min for the rest.  A type
 * without halves fills the low ones only. */
typedef struct part {
    vb q;
    float low, high, low_min, high_min;
} part;

/* How a type's parts are to be read; constant where it is used, so that the tests vanish. */
enum { CENTRED = 0, RAISED = 1, UNSIGNED = 2, HALVES = 4 };

typedef void head_fn(const uint8_t *b, head *h);
typedef part part_fn(const uint8_t *b, const head *h, int g);

VEC unsigned u16_at(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }

VEC void scale_at_0(const uint8_t *b, head *h) { h->d = half_at(b); }
VEC void scale_and_min(const uint8_t *b, head *h) { h->d = half_at(b); h->min = half_at(b + 2); }

VEC part q4_0(const uint8_t *b, const head *h, int g)
{
    (void)g;
    return (part){ .q = vb_sub(vb_nibbles(b + 2), vb_set(8)), .low = h->d };
}

VEC part q4_1(const uint8_t *b, const head *h, int g)
{
    (void)g;
    return (part){ .q = vb_nibbles(b + 4), .low = h->d, .low_min = h->min };
}

VEC part q5_0(const uint8_t *b, const head *h, int g)
{
    (void)g;
    vb q = vb_or(vb_nibbles(b + 6), vb_and(vb_bits(b + 2), vb_set(16)));
    return (part){ .q = vb_sub(q, vb_set(16)), .low = h->d };
}

VEC part q5_1(const uint8_t *b, const head *h, int g)
{
    (void)g;
    vb q = vb_or(vb_nibbles(b + 8), vb_and(vb_bits(b + 4), vb_set(16)));
    return (part){ .q = q, .low = h->d, .low_min = h->min };
}

VEC part q8_0(const uint8_t *b, const head *h, int g)
{
    (void)g;
    return (part){ .q = vb_load(b + 2), .low = h->d };
}

static const int8_t iq4_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
static const int8_t e2m1_levels[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

VEC part iq4_nl(const uint8_t *b, const head *h, int g)
{
    (void)g;
    return (part){ .q = vb_lookup(iq4_levels, vb_nibbles(b + 2)), .low = h->d };
}

VEC void iq4_xs_head(const uint8_t *b, head *h)
{
    unsigned high = u16_at(b + 2);
    float d = half_at(b);
    for (int j = 0; j < 8; j++)
        h->s[j] = d * (float)((int)((b[4 + j / 2] >> 4 * (j % 2) & 15) | (high >> 2 * j & 3) << 4) - 32);
}
VEC part iq4_xs(const uint8_t *b, const head *h, int g)
{
    return (part){ .q = vb_lookup(iq4_levels, vb_nibbles(b + 8 + 16 * g)), .low = h->s[g] };
}

/* Half the E8M0 scale, from its bits: 2^(e - 128), the two smallest of which are subnormal. */
VEC void mxfp4_head(const uint8_t *b, head *h)
{
    uint32_t bits = b[0] < 2 ? (uint32_t)0x200000 << b[0] : (uint32_t)(b[0] - 1) << 23;
    memcpy(&h->d, &bits, 4);
}
VEC part mxfp4(const uint8_t *b, const head *h, int g)
{
    (void)g;
    return (part){ .q = vb_lookup(e2m1_levels, vb_nibbles(b + 1)), .low = h->d };
}

/* Half the unsigned E4M3 scale; the code of NaN reads as zero. */
VEC float half_ue4m3(unsigned u)
{
    uint32_t bits = ((u >> 3 & 15) + 119) << 23 | (u & 7) << 20;
    float f;
    memcpy(&f, &bits, 4);
    return u == 0x7F ? 0 : u >> 3 & 15 ? f : (float)(u & 7) * 0x1p-10f;
}
VEC void no_head(const uint8_t *b, head *h) { (void)b, (void)h; }
VEC part nvfp4(const uint8_t *b, const head *h, int g)
{
    (void)h;
    return (part){ .q = vb_lookup(e2m1_levels, vb_swap_middle(vb_nibbles(b + 4 + 16 * g))),
                   .low = half_ue4m3(b[2 * g]), .high = half_ue4m3(b[2 * g + 1]) };
}

VEC void tq2_0_head(const uint8_t *b, head *h) { h->d = half_at(b + 64); }
VEC part tq2_0(const uint8_t *b, const head *h, int g)
{
    vb q = vb_and(vb_shr(vb_load(b + 32 * (g / 4)), 2 * (g % 4)), vb_set(3));
    return (part){ .q = vb_sub(q, vb_set(1)), .low = h->d };
}

VEC part q1_0(const uint8_t *b, const head *h, int g)
{
    vb two = vb_and(vb_bits(b + 2 + 4 * g), vb_set(2));
    return (part){ .q = vb_sub(two, vb_set(1)), .low = h->d };
}

VEC part q2_0(const uint8_t *b, const head *h, int g)
{
    int8_t q[32];
    for (int i = 0; i < 32; i++)
        q[i] = (int8_t)((b[2 + 8 * g + i / 4] >> 2 * (i % 4) & 3) - 1);
    return (part){ .q = vb_load(q), .low = h->d };
}

VEC void q2_k_head(const uint8_t *b, head *h)
{
    uint8_t sc[32];
    vb both = vb_nibbles(b);
    memcpy(sc, &both, 32);
    spread(h->s, sc, 0, half_at(b + 80), 16);
    spread(h->m, sc + 16, 0, -half_at(b + 82), 16);
}
VEC part q2_k(const uint8_t *b, const head *h, int g)
{
    return (part){ .q = vb_and(vb_shr(vb_load(b + 16 + 32 * (g / 4)), 2 * (g % 4)), vb_set(3)),
                   .low = h->s[2 * g], .high = h->s[2 * g + 1],
                   .low_min = h->m[2 * g], .high_min = h->m[2 * g + 1] };
}

/* Sixteen scales of six bits, four at a time: low four bits in bytes 0-7, high two in 8-11. */
VEC void q3_k_head(const uint8_t *b, head *h)
{
    uint32_t w[3], out[4];
    uint8_t sc[16];
    memcpy(w, b + 96, 12);
    out[0] = (w[0] & 0x0F0F0F0F) | (w[2] & 0x03030303) << 4;
    out[1] = (w[1] & 0x0F0F0F0F) | (w[2] >> 2 & 0x03030303) << 4;
    out[2] = (w[0] >> 4 & 0x0F0F0F0F) | (w[2] >> 4 & 0x03030303) << 4;
    out[3] = (w[1] >> 4 & 0x0F0F0F0F) | (w[2] >> 6 & 0x03030303) << 4;
    memcpy(sc, out, 16);
    spread(h->s, sc, 32, half_at(b + 108), 16);
}
VEC part q3_k(const uint8_t *b, const head *h, int g)
{
    vb two = vb_and(vb_shr(vb_load(b + 32 + 32 * (g / 4)), 2 * (g % 4)), vb_set(3));
    vb third = vb_shl(vb_and(vb_shr(vb_load(b), g), vb_set(1)), 2);
    return (part){ .q = vb_sub(vb_or(two, third), vb_set(4)),
                   .low = h->s[2 * g], .high = h->s[2 * g + 1] };
}

/* Q4_K, Q5_K: eight scales and minima of six bits, four at a time. */
VEC void q4_k_head(const uint8_t *b, head *h)
{
    uint32_t w[3], out[4];
    uint8_t sc[16];
    memcpy(w, b + 4, 12);
    out[0] = w[0] & 0x3F3F3F3F;
    out[1] = (w[2] & 0x0F0F0F0F) | (w[0] >> 6 & 0x03030303) << 4;
    out[2] = w[1] & 0x3F3F3F3F;
    out[3] = (w[2] >> 4 & 0x0F0F0F0F) | (w[1] >> 6 & 0x03030303) << 4;
    memcpy(sc, out, 16);
    spread(h->s, sc, 0, half_at(b), 8);
    spread(h->m, sc + 8, 0, -half_at(b + 2), 8);
}
VEC part raised_k(vb q, const head *h, int g)
{
    return (part){ .q = q, .low = h->s[g], .low_min = h->m[g] };
}
VEC vb nibble_k(const uint8_t *codes, int g)
{
    return vb_and(vb_shr(vb_load(codes + 32 * (g / 2)), 4 * (g % 2)), vb_set(15));
}
VEC part q4_k(const uint8_t *b, const head *h, int g) { return raised_k(nibble_k(b + 16, g), h, g); }
VEC part q5_k(const uint8_t *b, const head *h, int g)
{
    vb fifth = vb_shl(vb_and(vb_shr(vb_load(b + 16), g), vb_set(1)), 4);
    return raised_k(vb_or(nibble_k(b + 48, g), fifth), h, g);
}

VEC void q6_k_head(const uint8_t *b, head *h)
{
    vf d = vf_set(half_at(b + 208));
    for (int i = 0; i < 16; i += VF_N)
        vf_store(h->s + i, vf_mul(d, vi_float(vi_load_i8((const int8_t *)b + 192 + i))));
}
VEC part q6_k(const uint8_t *b, const head *h, int g)
{
    vb four = vb_and(vb_shr(vb_load(b + 64 * (g / 4) + 32 * (g % 2)), 4 * (g / 2 % 2)), vb_set(15));
    vb two = vb_shl(vb_and(vb_shr(vb_load(b + 128 + 32 * (g / 4)), 2 * (g % 4)), vb_set(3)), 4);
    return (part){ .q = vb_sub(vb_or(four, two), vb_set(32)),
                   .low = h->s[2 * g], .high = h->s[2 * g + 1] };
}

/* ---- The loop ------------------------------------------------------------------------------------ */

/* One part with one column. */
VEC vf mac(vf sum, const part *p, const hn_q8 *x, int how)
{
    vb xq = vb_load(x->q);
    if (how & HALVES)
        return how & UNSIGNED ? vb_mac2_u(sum, p->q, xq, p->low * x->scale, p->high * x->scale)
                              : vb_mac2(sum, p->q, xq, p->low * x->scale, p->high * x->scale);
    return how & UNSIGNED ? vb_mac_u(sum, p->q, xq, p->low * x->scale)
                          : vb_mac(sum, p->q, xq, p->low * x->scale);
}

VEC float minimum(const part *p, const hn_q8 *x, int how)
{
    return how & HALVES ? p->low_min * x->sum_low + p->high_min * (x->sum - x->sum_low) : p->low_min * x->sum;
}

/* One row with `cols` neighbouring columns, at most COLS. */
VEC void row(const hn_qdot *d, size_t r, size_t c0, int cols, head_fn *read_head, part_fn *read_part, int parts,
             size_t size, int how)
{
    const uint8_t *b = (const uint8_t *)d->w + r * d->row_size;
    const hn_q8 *x[COLS];
    vf sum[COLS];
    float low[COLS];

#pragma GCC unroll 4
    for (int c = 0; c < cols; c++) {
        x[c] = d->x8 + (c0 + (size_t)c) * d->ld_x8;
        sum[c] = vf_set(0);
        low[c] = 0;
    }
    size_t step = (size_t)parts;
    for (size_t i = 0; i < d->k / HN_Q8_BLOCK; i += step, b += size) {
        head h;
        read_head(b, &h);
#pragma GCC unroll 8
        for (int g = 0; g < parts; g++) {
            part p = read_part(b, &h, g);
#pragma GCC unroll 4
            for (int c = 0; c < cols; c++) {
                sum[c] = mac(sum[c], &p, x[c] + i + g, how);
                if (how & RAISED)
                    low[c] += minimum(&p, x[c] + i + g, how);
            }
        }
    }
#pragma GCC unroll 4
    for (int c = 0; c < cols; c++)
        d->out[(c0 + (size_t)c) * d->ld_out + r] = vf_sum(sum[c]) + low[c];
}

VEC void integer(const hn_qdot *d, head_fn *read_head, part_fn *read_part, int parts, size_t size, int how)
{
    size_t c = 0;
    for (; c + COLS <= d->cols; c += COLS)
        for (size_t r = 0; r < d->rows; r++)
            row(d, r, c, COLS, read_head, read_part, parts, size, how);
    for (; c < d->cols; c++)
        for (size_t r = 0; r < d->rows; r++)
            row(d, r, c, 1, read_head, read_part, parts, size, how);
}

/* ---- Types without an integer form: decode a piece of the row, multiply floats ------------------- */

enum { PIECE = 256, FLOAT_COLS = 4, LANES = 32, VECS = LANES / VF_N };

/* A column's product so far: 32 running sums on every instruction set, so that all give the same bits, and what
 * lies behind the last 32 elements one by one. */
typedef struct float_sum { vf lane[VECS]; float rest; } float_sum;

VEC void dot_add(float_sum *s, const float *w, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int v = 0; v < VECS; v++)
            s->lane[v] = vf_fma(vf_load(w + i + v * VF_N), vf_load(x + i + v * VF_N), s->lane[v]);
    for (; i < n; i++)
        s->rest += w[i] * x[i];
}

VEC float float_total(const float_sum *s)
{
    float sum[LANES];
    for (int v = 0; v < VECS; v++)
        vf_store(sum + v * VF_N, s->lane[v]);
    for (int j = 0; j < 8; j++)
        sum[j] = (sum[j] + sum[j + 16]) + (sum[j + 8] + sum[j + 24]);
    for (int half = 4; half > 0; half /= 2)
        for (int j = 0; j < half; j++)
            sum[j] += sum[j + half];
    return sum[0] + s->rest;
}

/* n elements from element `at` of a row, as floats: in place where they are floats already. */
static const float *piece(hn_qtype t, const uint8_t *w, size_t at, size_t n, float room[PIECE])
{
    const hn_qtype_info *q = hn_qtype_get(t);
    const uint8_t *src = w + at / q->block_count * q->block_size;
    size_t i = 0;
    if (t == HN_QT_F32)
        return (const float *)src;
    if (t == HN_QT_F16)
        for (; i + VF_N <= n; i += VF_N)
            vf_store(room + i, vf_load_half((const uint16_t *)(const void *)src + i));
    hn_q_decode(t, src + i * q->block_size, room + i, n - i);
    return room;
}

static void floats(const hn_qdot *d)
{
    float room[PIECE];
    for (size_t c0 = 0; c0 < d->cols; c0 += FLOAT_COLS)
        for (size_t r = 0; r < d->rows; r++) {
            const uint8_t *w = (const uint8_t *)d->w + r * d->row_size;
            size_t cols = d->cols - c0 < FLOAT_COLS ? d->cols - c0 : FLOAT_COLS;
            float_sum sum[FLOAT_COLS];
            for (size_t c = 0; c < cols; c++) {
                for (int v = 0; v < VECS; v++)
                    sum[c].lane[v] = vf_set(0);
                sum[c].rest = 0;
            }
            for (size_t at = 0; at < d->k; at += PIECE) {
                size_t n = d->k - at < PIECE ? d->k - at : PIECE;
                const float *x = d->x + c0 * d->ld_x + at, *p = piece(d->type, w, at, n, room);
                for (size_t c = 0; c < cols; c++)
                    dot_add(&sum[c], p, x + c * d->ld_x, n);
            }
            for (size_t c = 0; c < cols; c++)
                d->out[(c0 + c) * d->ld_out + r] = float_total(&sum[c]);
        }
}

/* ---- The kernel ------------------------------------------------------------------------------------ */

/* Each type's loop is a function of its own, or the compiler would lose itself in one. */
#define LOOP(name, read_head, read_part, parts, size, how)                                   \
    static __attribute__((noinline)) void loop_##name(const hn_qdot *d)                      \
    {                                                                                        \
        integer(d, read_head, read_part, parts, size, how);                                  \
    }
LOOP(Q4_0,   scale_at_0,    q4_0,   1, 18,  CENTRED)
LOOP(Q4_1,   scale_and_min, q4_1,   1, 20,  UNSIGNED | RAISED)
LOOP(Q5_0,   scale_at_0,    q5_0,   1, 22,  CENTRED)
LOOP(Q5_1,   scale_and_min, q5_1,   1, 24,  UNSIGNED | RAISED)
LOOP(Q8_0,   scale_at_0,    q8_0,   1, 34,  CENTRED)
LOOP(Q2_K,   q2_k_head,     q2_k,   8, 84,  UNSIGNED | RAISED | HALVES)
LOOP(Q3_K,   q3_k_head,     q3_k,   8, 110, HALVES)
LOOP(Q4_K,   q4_k_head,     q4_k,   8, 144, UNSIGNED | RAISED)
LOOP(Q5_K,   q4_k_head,     q5_k,   8, 176, UNSIGNED | RAISED)
LOOP(Q6_K,   q6_k_head,     q6_k,   8, 210, HALVES)
LOOP(IQ4_NL, scale_at_0,    iq4_nl, 1, 18,  CENTRED)
LOOP(IQ4_XS, iq4_xs_head,   iq4_xs, 8, 136, CENTRED)
LOOP(MXFP4,  mxfp4_head,    mxfp4,  1, 17,  CENTRED)
LOOP(NVFP4,  no_head,       nvfp4,  2, 36,  HALVES)
LOOP(TQ2_0,  tq2_0_head,    tq2_0,  8, 66,  CENTRED)
LOOP(Q1_0,   scale_at_0,    q1_0,   4, 18,  CENTRED)
LOOP(Q2_0,   scale_at_0,    q2_0,   2, 18,  CENTRED)

void K(qdot)(const hn_qdot *d)
{
    switch (d->type) {
#define INTEGER(id) case HN_QT_##id: loop_##id(d); break;
#include "kernels/qdot.def"
#undef INTEGER
    default:
        floats(d);
    }
}
