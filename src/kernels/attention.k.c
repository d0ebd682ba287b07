/* SPDX-License-Identifier: Apache-2.0 */
/* Attention over one page of keys and values, for the heads of one token that share them.
 *
 * Keys come with the same element of all rows side by side, so a lane sums one row's score and no lanes
 * are added up.  Half precision is read as it lies, or, where many tokens look at the page, made floats once.
 * Everything is added in an order that the position alone decides: on every instruction set, for one token or many. */
#include "kernels/isa.h"
#include "kernels/simd/vmath.h"
#include "tensor/convert.h"

enum { ROWS = HN_ATTEND_ROWS, VECS = ROWS / VF_N, HEADS = VF_N >= 16 ? 4 : 2 };

/* ---- Tiles ----------------------------------------------------------------------------------------- */

/* VF_N elements of a row from element i on, zeros past its end. */
VEC vf elements(const void *row, size_t i, size_t size, int half)
{
    float some[VF_N] = { 0 };
    if (i + VF_N <= size)
        return half ? vf_load_half((const uint16_t *)row + i) : vf_load((const float *)row + i);
    for (size_t j = i; j < size; j++)
        some[j - i] = half ? hn_f16_to_f32(((const uint16_t *)row)[j]) : ((const float *)row)[j];
    return vf_load(some);
}

/* out[i * 32 + r] = rows[r][i]; zero for r >= n. */
void K(key_tile)(float *out, const float *rows, size_t n, size_t size)
{
    for (size_t i = 0; i < size; i += VF_N)
        for (size_t r = 0; r < ROWS; r += VF_N) {
            float some[VF_N];
            vi t[VF_N];
            for (size_t j = 0; j < VF_N; j++) {
                vf_store(some, r + j < n ? elements(rows + (r + j) * size, i, size, 0) : vf_set(0));
                t[j] = vi_load((const uint32_t *)(const void *)some);
            }
            vi_transpose(t);
            for (size_t j = 0; j < VF_N && i + j < size; j++)
                vi_store((uint32_t *)(void *)(out + (i + j) * ROWS + r), t[j]);
        }
}

/* A row of blocks of 32; as the types' definitions decode them, bit for bit. */
VEC void decode_row(float *out, const uint8_t *row, size_t size, int nibbles)
{
    for (size_t b = 0; b < size; b += 32, row += nibbles ? 18 : 34) {
        uint16_t half;
        memcpy(&half, row, sizeof half);
        vf d = vf_set(hn_f16_to_f32(half));
        for (size_t i = 0; i < (nibbles ? 16 : 32); i += VF_N) {
            vi c = nibbles ? vi_load_u8(row + 2 + i) : vi_load_i8((const int8_t *)row + 2 + i), eight = vi_set(8);
            if (nibbles) {
                vi low = vi_and(c, vi_set(15)), high = vi_sar(c, vi_set(4));
                vf_store(out + b + i, vf_mul(vi_float(vi_sub(low, eight)), d));
                vf_store(out + b + i + 16, vf_mul(vi_float(vi_sub(high, eight)), d));
            } else {
                vf_store(out + b + i, vf_mul(vi_float(c), d));
            }
        }
    }
}

/* out[r * size + i] = rows[r][i], half precision or 8-bit or 4-bit blocks to floats. */
void K(float_tile)(float *out, hn_qtype type, const void *rows, size_t row_size, size_t n, size_t size)
{
    for (size_t r = 0; r < n; r++, out += size) {
        const char *row = (const char *)rows + r * row_size;
        if (type == HN_QT_Q8_0)
            decode_row(out, (const uint8_t *)row, size, 0);
        else if (type == HN_QT_Q4_0)
            decode_row(out, (const uint8_t *)row, size, 1);
        else
            for (size_t i = 0; i < size; i += VF_N)
                vf_put(out + i, elements(row, i, size, 1), size - i);
    }
}

/* Round half to even; the same bits on every machine, but for the payload of NaN. */
void K(to_half)(uint16_t *out, const float *in, size_t n)
{
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store_half(out + i, vf_load(in + i));
    for (; i < n; i++)
        out[i] = hn_f32_to_f16(in[i]);
}

/* ---- A page ---------------------------------------------------------------------------------------- */

VEC vf key(const hn_attend_page *a, size_t at, int half)
{
    return half ? vf_load_half((const uint16_t *)a->keys + at) : vf_load((const float *)a->keys + at);
}

/* Scores of `heads` heads into weight[head][row]. */
VEC void scores(const hn_attend_page *a, size_t first, int heads, int half, float weight[HEADS][ROWS])
{
    vf s[HEADS][VECS];
    const float *q = a->q + first * a->size;
    UNROLL
    for (int h = 0; h < heads; h++)
        UNROLL
        for (int v = 0; v < VECS; v++)
            s[h][v] = vf_set(0);
    for (size_t i = 0; i < a->size; i++)
        UNROLL
        for (int h = 0; h < heads; h++)
            UNROLL
            for (int v = 0; v < VECS; v++)
                s[h][v] = vf_fma(vf_set(q[(size_t)h * a->size + i]), key(a, i * ROWS + (size_t)v * VF_N, half), s[h][v]);
    UNROLL
    for (int h = 0; h < heads; h++)
        UNROLL
        for (int v = 0; v < VECS; v++)
            vf_store(weight[h] + v * VF_N, vf_mul(s[h][v], vf_set(a->scale)));
}

/* Rows that are not seen. */
VEC void fill_around(const hn_attend_page *a, float w[ROWS], float with)
{
    for (size_t r = 0; r < a->from; r++)
        w[r] = with;
    for (size_t r = a->to; r < ROWS; r++)
        w[r] = with;
}

/* Scores to weights, with a running maximum: when it rises, what was summed so far shrinks by the same factor,
 * which is returned.  Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018). */
VEC float weigh(const hn_attend_page *a, size_t head, float w[ROWS])
{
    vf s[VECS];
    for (int v = 0; v < VECS && a->cap > 0; v++)
        vf_store(w + v * VF_N, vf_mul(vf_tanh(vf_div(vf_load(w + v * VF_N), vf_set(a->cap))), vf_set(a->cap)));
    fill_around(a, w, -__builtin_inff());
    vf high = vf_set(a->top[head]);
    for (int v = 0; v < VECS; v++)
        high = vf_max(vf_load(w + v * VF_N), high);
    float top = vf_top(high), before = a->top[head], shrink[VF_N];
    for (int v = 0; v < VECS; v++)
        vf_store(w + v * VF_N, vf_exp(vf_sub(vf_load(w + v * VF_N), vf_set(top))));
    fill_around(a, w, 0);
    for (int v = 0; v < VECS; v++)
        s[v] = vf_load(w + v * VF_N);
    for (int n = VECS / 2; n > 0; n /= 2)
        for (int v = 0; v < n; v++)
            s[v] = vf_add(s[v], s[v + n]);
    vf_store(shrink, vf_exp(vf_set(before - top)));
    a->top[head] = top;
    a->sum[head] = a->sum[head] * shrink[0] + vf_sum(s[0]);
    return shrink[0];
}

/* out = out * shrink + weighted rows of values: `left` elements from i on, at most two vectors, of each head. */
VEC void mix_some(const hn_attend_page *a, size_t first, int heads, int half, float weight[HEADS][ROWS], const float shrink[HEADS],
                  size_t i, size_t left)
{
    size_t more = left > VF_N ? left - VF_N : 0;
    vf s[HEADS][2];
    UNROLL
    for (int h = 0; h < heads; h++) {
        const float *out = a->out + (first + (size_t)h) * a->size + i;
        s[h][0] = vf_mul(vf_get(out, left), vf_set(shrink[h]));
        s[h][1] = more ? vf_mul(vf_get(out + VF_N, more), vf_set(shrink[h])) : vf_set(0);
    }
    for (size_t r = a->from; r < a->to; r++) {
        const char *row = (const char *)a->values + (r * a->ld_values + i) * (half ? sizeof(uint16_t) : sizeof(float));
        vf low = elements(row, 0, left, half), high = more ? elements(row, VF_N, left, half) : vf_set(0);
        UNROLL
        for (int h = 0; h < heads; h++) {
            s[h][0] = vf_fma(vf_set(weight[h][r]), low, s[h][0]);
            s[h][1] = vf_fma(vf_set(weight[h][r]), high, s[h][1]);
        }
    }
    UNROLL
    for (int h = 0; h < heads; h++) {
        float *out = a->out + (first + (size_t)h) * a->size + i;
        vf_put(out, s[h][0], left);
        if (more)
            vf_put(out + VF_N, s[h][1], more);
    }
}

VEC void mix(const hn_attend_page *a, size_t first, int heads, int half, float weight[HEADS][ROWS], const float shrink[HEADS])
{
    size_t i = 0;
    for (; i + 2 * VF_N <= a->size; i += 2 * VF_N)
        mix_some(a, first, heads, half, weight, shrink, i, 2 * VF_N);
    if (i < a->size)
        mix_some(a, first, heads, half, weight, shrink, i, a->size - i);
}

VEC void some_heads(const hn_attend_page *a, size_t first, int heads, int half)
{
    float weight[HEADS][ROWS], shrink[HEADS];
    scores(a, first, heads, half, weight);
    for (int h = 0; h < heads; h++)
        shrink[h] = weigh(a, first + (size_t)h, weight[h]);
    mix(a, first, heads, half, weight, shrink);
}

VEC void all_heads(const hn_attend_page *a, int half)
{
    for (size_t h = 0, left; h < a->heads;) {
        left = a->heads - h;
        if (HEADS >= 4 && left >= 4) {
            some_heads(a, h, HEADS, half);
            h += HEADS;
        } else if (HEADS >= 4 && left == 3) {
            some_heads(a, h, HEADS - 1, half);
            h += 3;
        } else if (left >= 2) {
            some_heads(a, h, 2, half);
            h += 2;
        } else {
            some_heads(a, h, 1, half);
            h++;
        }
    }
}

void K(attend_page)(const hn_attend_page *a)
{
    if (a->half)
        all_heads(a, 1);
    else
        all_heads(a, 0);
}

/* ---- Many heads: a lane for each ----------------------------------------------------------------------- */

enum { MANY = HN_ATTEND_MANY, TOGETHER = VF_N >= 16 ? 16 : 8 };     /* rows whose scores are in registers */

/* The same sums as above in the same order, so the same bits; but with heads side by side nothing is added across lanes,
 * and functions of one number a head cost a lane each. */
VEC void scores_of_many(const hn_attend_page *a, int lane, float weight[ROWS][MANY])
{
    for (size_t r0 = 0; r0 < ROWS; r0 += TOGETHER) {
        vf s[TOGETHER];
        const float *q = a->q + lane, *keys = (const float *)a->keys + r0;
        UNROLL
        for (int r = 0; r < TOGETHER; r++)
            s[r] = vf_set(0);
        for (size_t i = 0; i < a->size; i++, q += MANY, keys += ROWS) {
            vf x = vf_load(q);
            UNROLL
            for (int r = 0; r < TOGETHER; r++)
                s[r] = vf_fma(x, vf_set(keys[r]), s[r]);
        }
        UNROLL
        for (int r = 0; r < TOGETHER; r++)
            vf_store(weight[r0 + (size_t)r] + lane, vf_mul(s[r], vf_set(a->scale)));
    }
}

VEC void weigh_many(const hn_attend_page *a, int lane, float weight[ROWS][MANY], float shrink[MANY])
{
    vf before = vf_load(a->top + lane), top = before, s[ROWS];
    for (int r = 0; r < ROWS; r++) {
        s[r] = vf_load(weight[r] + lane);
        if (a->cap > 0)
            s[r] = vf_mul(vf_tanh(vf_div(s[r], vf_set(a->cap))), vf_set(a->cap));
        top = vf_max(s[r], top);
    }
    for (int r = 0; r < ROWS; r++) {
        s[r] = vf_exp(vf_sub(s[r], top));
        vf_store(weight[r] + lane, s[r]);
    }
    for (int n = ROWS / 2; n > 0; n /= 2)
        for (int r = 0; r < n; r++)
            s[r] = vf_add(s[r], s[r + n]);
    vf less = vf_exp(vf_sub(before, top));
    vf_store(shrink + lane, less);
    vf_store(a->top + lane, top);
    vf_store(a->sum + lane, vf_add(vf_mul(vf_load(a->sum + lane), less), s[0]));
}

/* weight[row][head] to [head][row]. */
VEC void turn_weights(float weight[ROWS][MANY], float out[MANY][ROWS])
{
    for (int r = 0; r < ROWS; r += VF_N)
        for (int h = 0; h < MANY; h += VF_N) {
            vi t[VF_N];
            UNROLL
            for (int j = 0; j < VF_N; j++)
                t[j] = vi_load((const uint32_t *)(const void *)(weight[r + j] + h));
            vi_transpose(t);
            UNROLL
            for (int j = 0; j < VF_N; j++)
                vi_store((uint32_t *)(void *)(out[h + j] + r), t[j]);
        }
}

void K(attend_many)(const hn_attend_page *a)
{
    float weight[ROWS][MANY], turned[MANY][ROWS], shrink[MANY];
    for (int lane = 0; lane < MANY; lane += VF_N) {
        scores_of_many(a, lane, weight);
        weigh_many(a, lane, weight, shrink);
    }
    turn_weights(weight, turned);
    size_t h = 0;
    for (; h + HEADS <= a->heads; h += HEADS)
        mix(a, h, HEADS, 0, turned + h, shrink + h);
    for (; h < a->heads; h++)
        mix(a, h, 1, 0, turned + h, shrink + h);
}
