/* SPDX-License-Identifier: Apache-2.0 */
/* Block types of four-bit floats (E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives).
 *
 *     MXFP4  one power of two for 32 elements; byte j holds elements j and j + 16
 *     NVFP4  four 8-bit float scales for 64; byte 8 s + j holds elements j and j + 8 of part s
 *
 * The level table is doubled, to be whole numbers; the scales are halved in return. */
#include "tensor/q_impl.h"

const int8_t hn_q_e2m1_levels[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

/* The first of the nearest levels: +0 for zero, and ties towards the smaller code. */
static unsigned nearest(float x, float d)
{
    unsigned best = 0;
    float error = INFINITY;
    for (unsigned q = 0; q < 16; q++) {
        float e = fabsf((float)hn_q_e2m1_levels[q] * d - x);
        if (e < error) {
            error = e;
            best = q;
        }
    }
    return best;
}

static float largest(const float *x, int n)
{
    float size = 0;
    for (int i = 0; i < n; i++)
        size = fmaxf(size, fabsf(x[i]));
    return size;
}

/* ---- MXFP4 ------------------------------------------------------------------------------- */

/* 2^(e - 128): half the E8M0 scale, below e = 2 a subnormal. */
static float half_e8m0(unsigned e) { return ldexpf(1.0f, (int)e - 128); }

void hn_q_decode_mxfp4(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 17, x += 32) {
        float d = half_e8m0(b[0]);
        for (int j = 0; j < 16; j++) {
            x[j] = (float)hn_q_e2m1_levels[b[1 + j] & 15] * d;
            x[j + 16] = (float)hn_q_e2m1_levels[b[1 + j] >> 4] * d;
        }
    }
}

void hn_q_encode_mxfp4(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 17, x += 32) {
        float size = largest(x, 32);
        /* The largest level, 6, has exponent 2. */
        b[0] = (uint8_t)(size > 0 ? hn_q_even(floorf(log2f(size)) + 125, 0, 254) : 0);
        float d = half_e8m0(b[0]);
        for (int j = 0; j < 16; j++)
            b[1 + j] = (uint8_t)(nearest(x[j], d) | nearest(x[j + 16], d) << 4);
    }
}

/* ---- NVFP4 ------------------------------------------------------------------------------- */

/* Scales are E4M3 without a sign; the code of NaN reads as zero. */
static float ue4m3(unsigned u)
{
    int exponent = u >> 3 & 15, mantissa = u & 7;
    if (u == 0 || u == 0x7F)
        return 0;
    return exponent == 0 ? ldexpf((float)mantissa, -9) : ldexpf(1 + (float)mantissa / 8, exponent - 7);
}

/* Nearest, halves upwards, at most 448. */
static unsigned to_ue4m3(float x)
{
    if (!(x > 0))
        return 0;
    if (x >= 448)
        return 0x7E;
    int e;
    float m = frexpf(x, &e) * 2;             /* x = m 2^(e - 1), m in [1, 2) */
    int exponent = e - 1 + 7;
    if (exponent <= 0)
        return (unsigned)hn_q_floor(x * 512 + 0.5f, 7);
    unsigned u = (unsigned)exponent << 3;
    u += (unsigned)hn_q_floor((m - 1) * 8 + 0.5f, 8);     /* 8 carries into the exponent */
    return u > 0x7E ? 0x7E : u;
}

void hn_q_decode_nvfp4(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 36, x += 64)
        for (int s = 0; s < 4; s++) {
            float d = ue4m3(b[s]) / 2;
            const uint8_t *codes = b + 4 + 8 * s;
            for (int j = 0; j < 8; j++) {
                x[16 * s + j] = (float)hn_q_e2m1_levels[codes[j] & 15] * d;
                x[16 * s + j + 8] = (float)hn_q_e2m1_levels[codes[j] >> 4] * d;
            }
        }
}

void hn_q_encode_nvfp4(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 36, x += 64)
        for (int s = 0; s < 4; s++) {
            const float *part = x + 16 * s;
            b[s] = (uint8_t)to_ue4m3(largest(part, 16) / 6);
            float d = ue4m3(b[s]) / 2;
            for (int j = 0; j < 8; j++)
                b[4 + 8 * s + j] = (uint8_t)(nearest(part[j], d) | nearest(part[j + 8], d) << 4);
        }
}
