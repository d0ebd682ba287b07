/* SPDX-License-Identifier: Apache-2.0 */
/* Block types of very few levels: x = d (q - 1).
 *
 *     TQ1_0  -1 0 1, five to a byte in base 3      TQ2_0  -1 0 1, two bits each
 *     Q2_0   -1 0 1 2, two bits each               Q1_0   -1 1, one bit each */
#include "tensor/q_impl.h"

static float largest(const float *x, int n)
{
    float size = 0;
    for (int i = 0; i < n; i++)
        size = fmaxf(size, fabsf(x[i]));
    return size;
}

/* Half away from zero, as all encoders here. */
static unsigned level(float x, float id, float top)
{
    float q = roundf(x * id) + 1;
    return !(q > 0) ? 0 : q > top ? (unsigned)top : (unsigned)q;
}

/* ---- TQ1_0 ------------------------------------------------------------------------------- */

/* A byte holds its digits as a fraction of 256, rounded up: multiplying by 3 carries the next digit
 * out at the top.  The first digit is the most significant. */
static unsigned digit(unsigned byte, int n)
{
    static const uint8_t power[5] = { 1, 3, 9, 27, 81 };
    return (byte * power[n] & 0xFF) * 3 >> 8;
}

/* Three runs of a block: bytes, digits in each, and where the elements start.  Digit n of byte m is
 * element at + m + bytes * n. */
static const struct { int from, bytes, digits, at; } runs[3] = {
    { 0, 32, 5, 0 }, { 32, 16, 5, 160 }, { 48, 4, 4, 240 },
};

void hn_q_decode_tq1_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 54, x += 256) {
        float d = hn_q_half(b + 52);
        for (int r = 0; r < 3; r++)
            for (int n = 0; n < runs[r].digits; n++)
                for (int m = 0; m < runs[r].bytes; m++)
                    x[runs[r].at + runs[r].bytes * n + m] =
                        (float)((int)digit(b[runs[r].from + m], n) - 1) * d;
    }
}

void hn_q_encode_tq1_0(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 54, x += 256) {
        float d = largest(x, 256), id = hn_q_inverse(d);
        hn_q_put_half(b + 52, d);
        for (int r = 0; r < 3; r++)
            for (int m = 0; m < runs[r].bytes; m++) {
                unsigned v = 0;
                for (int n = 0; n < 5; n++)
                    v = v * 3 + (n < runs[r].digits ? level(x[runs[r].at + runs[r].bytes * n + m], id, 2) : 0);
                b[runs[r].from + m] = (uint8_t)((v * 256 + 242) / 243);
            }
    }
}

/* ---- Two bits and one ---------------------------------------------------------------------- */

void hn_q_decode_tq2_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 66, x += 256) {
        float d = hn_q_half(b + 64);
        for (int e = 0; e < 256; e++)
            x[e] = (float)((b[e / 128 * 32 + e % 32] >> 2 * (e / 32 % 4) & 3) - 1) * d;
    }
}

void hn_q_encode_tq2_0(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 66, x += 256) {
        float d = largest(x, 256), id = hn_q_inverse(d);
        memset(b, 0, 64);
        hn_q_put_half(b + 64, d);
        for (int e = 0; e < 256; e++)
            b[e / 128 * 32 + e % 32] |= (uint8_t)(level(x[e], id, 2) << 2 * (e / 32 % 4));
    }
}

void hn_q_decode_q2_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 18, x += 64) {
        float d = hn_q_half(b);
        for (int e = 0; e < 64; e++)
            x[e] = (float)((b[2 + e / 4] >> 2 * (e % 4) & 3) - 1) * d;
    }
}

void hn_q_encode_q2_0(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 18, x += 64) {
        float d = largest(x, 64), id = hn_q_inverse(d);
        memset(b, 0, 18);
        hn_q_put_half(b, d);
        for (int e = 0; e < 64; e++)
            b[2 + e / 4] |= (uint8_t)(level(x[e], id, 3) << 2 * (e % 4));
    }
}

void hn_q_decode_q1_0(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 18, x += 128) {
        float d = hn_q_half(b);
        for (int e = 0; e < 128; e++)
            x[e] = b[2 + e / 8] >> e % 8 & 1 ? d : -d;
    }
}

void hn_q_encode_q1_0(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 18, x += 128) {
        float sum = 0;
        memset(b, 0, 18);
        for (int e = 0; e < 128; e++) {
            sum += fabsf(x[e]);
            b[2 + e / 8] |= (uint8_t)((x[e] >= 0) << e % 8);
        }
        hn_q_put_half(b, sum / 128);
    }
}
