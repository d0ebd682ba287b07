/* SPDX-License-Identifier: Apache-2.0 */
/* The K types: 256 elements in runs of 16 or 32, each run with a small integer scale.
 *
 *     Q2_K  runs of 16, x = d sc q - dmin mn     Q4_K, Q5_K  runs of 32, x = d sc q - dmin mn
 *     Q3_K  runs of 16, x = d sc (q - 4)         Q6_K        runs of 16, x = d sc (q - 32)
 *     Q8_K  one scale, a float: the form activations take in some engines
 *
 * Encoding finds a scale per run, codes the scales as integers of one scale of scales, and then codes
 * the elements anew with the scales as stored. */
#include <assert.h>

#include "tensor/q_impl.h"
#include "tensor/q_search.h"

enum { N = 256 };

/* ---- How codes and scales are packed ----------------------------------------------------- */

/* Two bits of element e: bytes in halves of 32, four fields to a byte, 32 elements apart. */
static inline int at2(int e) { return e / 128 * 32 + e % 32; }
static inline int shift2(int e) { return e / 32 % 4 * 2; }

/* Four bits of element e: pairs of runs of 32 share 32 bytes. */
static inline int at4(int e) { return e / 64 * 32 + e % 32; }
static inline int shift4(int e) { return e / 32 % 2 * 4; }

/* Q6_K's low four bits: halves of 64 bytes, 64 elements apart. */
static inline int at6(int e) { return e / 128 * 64 + e % 64; }
static inline int shift6(int e) { return e / 64 % 2 * 4; }

/* Q4_K, Q5_K: eight scales and eight minima of six bits in twelve bytes.  The first four of each lie
 * whole in bytes 0-3 and 4-7; the rest have four bits in 8-11 and two at the top of the others. */
static void get_scales(const uint8_t p[12], int sc[8], int mn[8])
{
    for (int j = 0; j < 4; j++) {
        sc[j] = p[j] & 63;
        mn[j] = p[j + 4] & 63;
        sc[j + 4] = (p[j + 8] & 15) | p[j] >> 6 << 4;
        mn[j + 4] = p[j + 8] >> 4 | p[j + 4] >> 6 << 4;
    }
}

static void put_scales(const int sc[8], const int mn[8], uint8_t p[12])
{
    for (int j = 0; j < 4; j++) {
        p[j] = (uint8_t)(sc[j] | sc[j + 4] >> 4 << 6);
        p[j + 4] = (uint8_t)(mn[j] | mn[j + 4] >> 4 << 6);
        p[j + 8] = (uint8_t)((sc[j + 4] & 15) | (mn[j + 4] & 15) << 4);
    }
}

/* Q3_K: sixteen scales of six bits, low four bits in bytes 0-7, high two in 8-11; stored plus 32. */
static int get_scale3(const uint8_t p[12], int b)
{
    int low = b < 8 ? p[b] & 15 : p[b - 8] >> 4;
    return (low | (p[8 + b % 4] >> 2 * (b / 4) & 3) << 4) - 32;
}

static void put_scale3(uint8_t p[12], int b, int scale)
{
    int s = scale + 32;
    p[b % 8] |= (uint8_t)((s & 15) << (b < 8 ? 0 : 4));
    p[8 + b % 4] |= (uint8_t)(s >> 4 << 2 * (b / 4));
}

/* ---- Decode ------------------------------------------------------------------------------ */

void hn_q_decode_q2_k(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 84, x += N) {
        const uint8_t *codes = b + 16;
        float d = hn_q_half(b + 80), dmin = hn_q_half(b + 82);
        for (int e = 0; e < N; e++) {
            float scale = d * (float)(b[e / 16] & 15), low = dmin * (float)(b[e / 16] >> 4);
            x[e] = scale * (float)(codes[at2(e)] >> shift2(e) & 3) - low;
        }
    }
}

void hn_q_decode_q3_k(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 110, x += N) {
        const uint8_t *codes = b + 32, *scales = b + 96;
        float d = hn_q_half(b + 108);
        for (int e = 0; e < N; e++) {
            int q = (codes[at2(e)] >> shift2(e) & 3) - (b[e % 32] >> e / 32 & 1 ? 0 : 4);
            x[e] = d * (float)get_scale3(scales, e / 16) * (float)q;
        }
    }
}

void hn_q_decode_q4_k(const uint8_t *b, float *x, size_t blocks)
{
    int sc[8], mn[8];
    for (; blocks--; b += 144, x += N) {
        const uint8_t *codes = b + 16;
        float d = hn_q_half(b), dmin = hn_q_half(b + 2);
        get_scales(b + 4, sc, mn);
        for (int e = 0; e < N; e++)
            x[e] = d * (float)sc[e / 32] * (float)(codes[at4(e)] >> shift4(e) & 15) -
                   dmin * (float)mn[e / 32];
    }
}

void hn_q_decode_q5_k(const uint8_t *b, float *x, size_t blocks)
{
    int sc[8], mn[8];
    for (; blocks--; b += 176, x += N) {
        const uint8_t *fifth = b + 16, *codes = b + 48;
        float d = hn_q_half(b), dmin = hn_q_half(b + 2);
        get_scales(b + 4, sc, mn);
        for (int e = 0; e < N; e++) {
            int q = (codes[at4(e)] >> shift4(e) & 15) | (fifth[e % 32] >> e / 32 & 1) << 4;
            x[e] = d * (float)sc[e / 32] * (float)q - dmin * (float)mn[e / 32];
        }
    }
}

void hn_q_decode_q6_k(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 210, x += N) {
        const uint8_t *high = b + 128, *scales = b + 192;
        float d = hn_q_half(b + 208);
        for (int e = 0; e < N; e++) {
            int q = (b[at6(e)] >> shift6(e) & 15) | (high[at2(e)] >> shift2(e) & 3) << 4;
            x[e] = d * (float)(int8_t)scales[e / 16] * (float)(q - 32);
        }
    }
}

void hn_q_decode_q8_k(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 292, x += N) {
        float d;
        memcpy(&d, b, sizeof d);
        for (int e = 0; e < N; e++)
            x[e] = d * (float)(int8_t)b[4 + e];
    }
}

/* ---- Encode: scales and minima --------------------------------------------------------------- */

/* Codes the scales of `runs` runs as integers 0..top of one scale, which it returns. */
static float code_up(const float *s, int runs, int top, int *code)
{
    float most = 0;
    for (int j = 0; j < runs; j++)
        most = s[j] > most ? s[j] : most;
    float inverse = most > 0 ? (float)top / most : 0;
    for (int j = 0; j < runs; j++)
        code[j] = hn_q_even(inverse * s[j], 0, top);
    return most / (float)top;
}

/* The same for scales of either sign: the farthest becomes -top. */
static float code_signed(const float *s, int runs, int top, int *code)
{
    float far = 0, size = 0;
    for (int j = 0; j < runs; j++)
        if (fabsf(s[j]) > size) {
            size = fabsf(s[j]);
            far = s[j];
        }
    memset(code, 0, (size_t)runs * sizeof *code);
    if (size < 1e-15f)
        return 0;
    float inverse = (float)-top / far;
    for (int j = 0; j < runs; j++)
        code[j] = hn_q_even(inverse * s[j], -top, top - 1);
    return 1 / inverse;
}

/* Weight of an element where nothing is known of the activations. */
static void weigh(const float *x, int n, float *w)
{
    float squares = 0;
    for (int i = 0; i < n; i++)
        squares += x[i] * x[i];
    float typical = sqrtf(squares / (float)n);
    for (int i = 0; i < n; i++)
        w[i] = typical + fabsf(x[i]);
}

static float sum_of(const float *w, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i];
    return sum;
}

/* Codes of a block once its scales are stored, into its two-bit planes. */
static void put_q2(const float *x, uint8_t *b, int q[N])
{
    float d = hn_q_half(b + 80), dmin = hn_q_half(b + 82);
    for (int e = 0; e < N; e++) {
        float scale = d * (float)(b[e / 16] & 15), low = dmin * (float)(b[e / 16] >> 4);
        if (scale != 0)
            q[e] = hn_q_even((x[e] + low) / scale, 0, 3);
        b[16 + at2(e)] |= (uint8_t)(q[e] << shift2(e));
    }
}

void hn_q_encode_q2_k(const float *x, uint8_t *b, size_t blocks)
{
    const hn_q_grid grid = { .top = 3, .first = -0.5f, .step = 0.1f, .steps = 15, .absolute = true };
    for (; blocks--; b += 84, x += N) {
        int q[N], sc[16], mn[16];
        float s[16], m[16], w[16];
        for (int j = 0; j < 16; j++) {
            for (int i = 0; i < 16; i++)
                w[i] = fabsf(x[16 * j + i]);
            s[j] = hn_q_search_raised(x + 16 * j, w, 16, grid, q + 16 * j, &m[j]);
        }
        memset(b, 0, 84);
        hn_q_put_half(b + 80, code_up(s, 16, 15, sc));
        hn_q_put_half(b + 82, code_up(m, 16, 15, mn));
        for (int j = 0; j < 16; j++)
            b[j] = (uint8_t)(sc[j] | mn[j] << 4);
        put_q2(x, b, q);
    }
}

static void put_q3(const float *x, uint8_t *b, int q[N])
{
    float d = hn_q_half(b + 108);
    for (int e = 0; e < N; e++) {
        float scale = d * (float)get_scale3(b + 96, e / 16);
        if (scale != 0)
            q[e] = hn_q_even(x[e] / scale, -4, 3) + 4;
        b[32 + at2(e)] |= (uint8_t)((q[e] & 3) << shift2(e));
        b[e % 32] |= (uint8_t)(q[e] >> 2 << e / 32);
    }
}

void hn_q_encode_q3_k(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 110, x += N) {
        int q[N], sc[16];
        float s[16];
        for (int j = 0; j < 16; j++)
            s[j] = hn_q_search_sweep(x + 16 * j, 16, 4, q + 16 * j);
        memset(b, 0, 110);
        float d = hn_q_put_half(b + 108, code_signed(s, 16, 32, sc));
        for (int j = 0; d != 0 && j < 16; j++)
            put_scale3(b + 96, j, sc[j]);
        put_q3(x, b, q);
    }
}

/* Q4_K and Q5_K differ in the number of codes only.  `importance` may be NULL. */
static void encode_raised(const float *x, const float *importance, hn_q_grid grid, uint8_t *head, int q[N])
{
    int sc[8], mn[8];
    float s[8], m[8], w[32], worth[8], mean = 2 * hn_q_mean_square(x, N);
    for (int j = 0; j < 8; j++) {
        if (importance)
            hn_q_weigh(x + 32 * j, importance + 32 * j, mean, 32, w);
        else
            weigh(x + 32 * j, 32, w);
        worth[j] = sum_of(w, 32);
        s[j] = hn_q_search_raised(x + 32 * j, w, 32, grid, q + 32 * j, &m[j]);
    }
    float d = hn_q_put_half(head, importance ? hn_q_search_positive(s, worth, 8, 63, sc) : code_up(s, 8, 63, sc));
    float dmin = hn_q_put_half(head + 2, importance ? hn_q_search_positive(m, worth, 8, 63, mn) : code_up(m, 8, 63,
                                                                                                          mn));
    put_scales(sc, mn, head + 4);
    for (int e = 0; e < N; e++) {
        float scale = d * (float)sc[e / 32], low = dmin * (float)mn[e / 32];
        if (scale != 0)
            q[e] = hn_q_even((x[e] + low) / scale, 0, grid.top);
    }
}

static void encode_q4(const float *x, const float *importance, hn_q_grid grid, uint8_t *b)
{
    int q[N];
    memset(b, 0, 144);
    encode_raised(x, importance, grid, b, q);
    for (int e = 0; e < N; e++)
        b[16 + at4(e)] |= (uint8_t)(q[e] << shift4(e));
}

static void encode_q5(const float *x, const float *importance, hn_q_grid grid, uint8_t *b)
{
    int q[N];
    memset(b, 0, 176);
    encode_raised(x, importance, grid, b, q);
    for (int e = 0; e < N; e++) {
        b[48 + at4(e)] |= (uint8_t)((q[e] & 15) << shift4(e));
        b[16 + e % 32] |= (uint8_t)(q[e] >> 4 << e / 32);
    }
}

void hn_q_encode_q4_k(const float *x, uint8_t *b, size_t blocks)
{
    const hn_q_grid grid = { .top = 15, .first = -1.0f, .step = 0.1f, .steps = 20 };
    for (; blocks--; b += 144, x += N)
        encode_q4(x, NULL, grid, b);
}

void hn_q_encode_q5_k(const float *x, uint8_t *b, size_t blocks)
{
    const hn_q_grid grid = { .top = 31, .first = -0.5f, .step = 0.1f, .steps = 15 };
    for (; blocks--; b += 176, x += N)
        encode_q5(x, NULL, grid, b);
}

static void encode_q6(const float *x, const float *importance, uint8_t *b)
{
    int q[N], sc[16];
    float s[16], w[16];
    for (int j = 0; j < 16; j++) {
        for (int i = 0; i < 16; i++)
            w[i] = importance ? importance[16 * j + i] : x[16 * j + i] * x[16 * j + i];
        s[j] = hn_q_search_centred(x + 16 * j, w, 16, 32, q + 16 * j);
    }
    memset(b, 0, 210);
    float d = code_signed(s, 16, 128, sc);
    if (d == 0)
        return;
    d = hn_q_put_half(b + 208, d);
    for (int j = 0; j < 16; j++)
        b[192 + j] = (uint8_t)(int8_t)sc[j];
    for (int e = 0; e < N; e++) {
        float scale = d * (float)sc[e / 16];
        if (scale != 0)
            q[e] = hn_q_even(x[e] / scale, -32, 31) + 32;
        b[at6(e)] |= (uint8_t)((q[e] & 15) << shift6(e));
        b[128 + at2(e)] |= (uint8_t)(q[e] >> 4 << shift2(e));
    }
}

void hn_q_encode_q6_k(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 210, x += N)
        encode_q6(x, NULL, b);
}

/* ---- Encode, knowing what each column is worth --------------------------------------------- */

void hn_q_weigh_q2_k(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 84, x += N, importance += N) {
        int q[N], sc[16], mn[16];
        float s[16], m[16], w[16], worth[16], mean = hn_q_mean_square(x, N);
        for (int j = 0; j < 16; j++) {
            hn_q_weigh(x + 16 * j, importance + 16 * j, mean, 16, w);
            worth[j] = sum_of(w, 16);
            s[j] = hn_q_search_raised(x + 16 * j, w, 16, hn_q_fine_grid(3), q + 16 * j, &m[j]);
        }
        memset(b, 0, 84);
        hn_q_put_half(b + 80, hn_q_search_positive(s, worth, 16, 15, sc));
        hn_q_put_half(b + 82, hn_q_search_positive(m, worth, 16, 15, mn));
        for (int j = 0; j < 16; j++)
            b[j] = (uint8_t)(sc[j] | mn[j] << 4);
        put_q2(x, b, q);
    }
}

void hn_q_weigh_q3_k(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 110, x += N, importance += N) {
        int q[N], sc[16];
        float s[16], w[16], worth[16], mean = 2 * hn_q_mean_square(x, N);
        for (int j = 0; j < 16; j++) {
            hn_q_weigh(x + 16 * j, importance + 16 * j, mean, 16, w);
            worth[j] = sum_of(w, 16);
            s[j] = hn_q_search_centred(x + 16 * j, w, 16, 4, q + 16 * j);
        }
        memset(b, 0, 110);
        hn_q_put_half(b + 108, hn_q_search_centred(s, worth, 16, 32, sc));
        for (int j = 0; j < 16; j++)
            put_scale3(b + 96, j, sc[j] - 32);
        put_q3(x, b, q);
    }
}

void hn_q_weigh_q4_k(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 144, x += N, importance += N)
        encode_q4(x, importance, hn_q_fine_grid(15), b);
}

void hn_q_weigh_q5_k(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 176, x += N, importance += N)
        encode_q5(x, importance, hn_q_fine_grid(31), b);
}

void hn_q_weigh_q6_k(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 210, x += N, importance += N)
        encode_q6(x, importance, b);
}
