/* SPDX-License-Identifier: Apache-2.0 */
/* The first block types: 32 elements, one scale, sometimes a minimum.
 *
 *     Q4_0  d, codes          x = d (q - 8)         Q5_0  d, fifth bits, codes      x = d (q - 16)
 *     Q4_1  d, m, codes       x = d q + m           Q5_1  d, m, fifth bits, codes   x = d q + m
 *     Q8_0  d, 32 signed bytes                      x = d q
 *
 * Byte j of the codes holds element j in its low and element j + 16 in its high half; bit e of the
 * fifth bits, seen as one number, belongs to element e. */
#include "tensor/q_impl.h"
#include "tensor/q_search.h"

enum { N = 32, HALF = N / 2 };

static void unpack(const uint8_t *codes, uint32_t fifth, int out[N])
{
    for (int j = 0; j < HALF; j++) {
        out[j] = (codes[j] & 15) | (int)(fifth >> j & 1) << 4;
        out[j + HALF] = codes[j] >> 4 | (int)(fifth >> (j + HALF) & 1) << 4;
    }
}

/* Returns the fifth bits. */
static uint32_t pack(const int q[N], uint8_t *codes)
{
    uint32_t fifth = 0;
    for (int j = 0; j < HALF; j++)
        codes[j] = (uint8_t)((q[j] & 15) | (q[j + HALF] & 15) << 4);
    for (int e = 0; e < N; e++)
        fifth |= (uint32_t)(q[e] >> 4 & 1) << e;
    return fifth;
}

static void put32(uint8_t *p, uint32_t v)
{
    hn_q_put16(p, v & 0xFFFF);
    hn_q_put16(p + 2, v >> 16);
}

/* ---- Decode ------------------------------------------------------------------------------ */

static void centred(const uint8_t *codes, uint32_t fifth, float d, int middle, float *x)
{
    int q[N];
    unpack(codes, fifth, q);
    for (int e = 0; e < N; e++)
        x[e] = d * (float)(q[e] - middle);
}

static void raised(const uint8_t *codes, uint32_t fifth, float d, float m, float *x)
{
    int q[N];
    unpack(codes, fifth, q);
    for (int e = 0; e < N; e++)
        x[e] = d * (float)q[e] + m;
}

void hn_q_decode_q4_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 18, x += N)
        centred(b + 2, 0, hn_q_half(b), 8, x);
}

void hn_q_decode_q4_1(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 20, x += N)
        raised(b + 4, 0, hn_q_half(b), hn_q_half(b + 2), x);
}

void hn_q_decode_q5_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 22, x += N)
        centred(b + 6, hn_q_get32(b + 2), hn_q_half(b), 16, x);
}

void hn_q_decode_q5_1(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 24, x += N)
        raised(b + 8, hn_q_get32(b + 4), hn_q_half(b), hn_q_half(b + 2), x);
}

void hn_q_decode_q8_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 34, x += N) {
        float d = hn_q_half(b);
        for (int e = 0; e < N; e++)
            x[e] = d * (float)(int8_t)b[2 + e];
    }
}

/* ---- Encode ------------------------------------------------------------------------------ */

/* The element of largest magnitude becomes the lowest code: that end has one level more. */
static float code_centred(const float *x, int middle, int q[N])
{
    float far = 0, size = 0;
    for (int e = 0; e < N; e++)
        if (fabsf(x[e]) > size) {
            size = fabsf(x[e]);
            far = x[e];
        }
    float d = far / (float)-middle, id = hn_q_inverse(d);
    for (int e = 0; e < N; e++)
        q[e] = hn_q_floor(x[e] * id + ((float)middle + 0.5f), 2 * middle - 1);
    return d;
}

static float code_raised(const float *x, int top, int q[N], float *m)
{
    float lo = x[0], hi = x[0];
    for (int e = 1; e < N; e++) {
        lo = x[e] < lo ? x[e] : lo;
        hi = x[e] > hi ? x[e] : hi;
    }
    float d = (hi - lo) / (float)top, id = hn_q_inverse(d);
    for (int e = 0; e < N; e++)
        q[e] = hn_q_floor((x[e] - lo) * id + 0.5f, top);
    *m = lo;
    return d;
}

void hn_q_encode_q4_0(const float *x, uint8_t *b, size_t blocks)
{
    int q[N];
    for (; blocks--; b += 18, x += N) {
        hn_q_put_half(b, code_centred(x, 8, q));
        pack(q, b + 2);
    }
}

void hn_q_encode_q4_1(const float *x, uint8_t *b, size_t blocks)
{
    int q[N];
    float m;
    for (; blocks--; b += 20, x += N) {
        hn_q_put_half(b, code_raised(x, 15, q, &m));
        hn_q_put_half(b + 2, m);
        pack(q, b + 4);
    }
}

void hn_q_encode_q5_0(const float *x, uint8_t *b, size_t blocks)
{
    int q[N];
    for (; blocks--; b += 22, x += N) {
        hn_q_put_half(b, code_centred(x, 16, q));
        put32(b + 2, pack(q, b + 6));
    }
}

void hn_q_encode_q5_1(const float *x, uint8_t *b, size_t blocks)
{
    int q[N];
    float m;
    for (; blocks--; b += 24, x += N) {
        hn_q_put_half(b, code_raised(x, 31, q, &m));
        hn_q_put_half(b + 2, m);
        put32(b + 4, pack(q, b + 8));
    }
}

void hn_q_encode_q8_0(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 34, x += N) {
        float size = 0;
        for (int e = 0; e < N; e++)
            size = fmaxf(size, fabsf(x[e]));
        float d = size / 127, id = hn_q_inverse(d);
        hn_q_put_half(b, d);
        for (int e = 0; e < N; e++) {
            float q = roundf(x[e] * id);           /* half away from zero, unlike the K types */
            b[2 + e] = (uint8_t)(int8_t)(q >= 127 ? 127 : q > -128 ? (int)q : -128);
        }
    }
}

/* ---- Encode, knowing what each column is worth --------------------------------------------- */

void hn_q_weigh_q4_0(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    float w[N], mean = hn_q_mean_square(x, blocks * N);
    int q[N];
    for (; blocks--; b += 18, x += N, importance += N) {
        hn_q_weigh(x, importance, mean, N, w);
        hn_q_put_half(b, hn_q_search_centred(x, w, N, 8, q));
        pack(q, b + 2);
    }
}

void hn_q_weigh_q5_0(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    float w[N], mean = hn_q_mean_square(x, blocks * N);
    int q[N];
    for (; blocks--; b += 22, x += N, importance += N) {
        hn_q_weigh(x, importance, mean, N, w);
        hn_q_put_half(b, hn_q_search_centred(x, w, N, 16, q));
        put32(b + 2, pack(q, b + 6));
    }
}

void hn_q_weigh_q4_1(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    float w[N], m, mean = hn_q_mean_square(x, blocks * N);
    int q[N];
    for (; blocks--; b += 20, x += N, importance += N) {
        hn_q_weigh(x, importance, mean, N, w);
        hn_q_put_half(b, hn_q_search_raised(x, w, N, hn_q_fine_grid(15), q, &m));
        hn_q_put_half(b + 2, -m);
        pack(q, b + 4);
    }
}

void hn_q_weigh_q5_1(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    float w[N], m, mean = hn_q_mean_square(x, blocks * N);
    int q[N];
    for (; blocks--; b += 24, x += N, importance += N) {
        hn_q_weigh(x, importance, mean, N, w);
        hn_q_put_half(b, hn_q_search_raised(x, w, N, hn_q_fine_grid(31), q, &m));
        hn_q_put_half(b + 2, -m);
        put32(b + 4, pack(q, b + 8));
    }
}
