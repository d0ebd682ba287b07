/* SPDX-License-Identifier: Apache-2.0 */
/* Block types whose codes are looked up.
 *
 *     IQ4_NL  32 elements, x = d level[q]: sixteen levels, denser near zero
 *     IQ4_XS  the same in 256 with a six-bit scale per 32
 *     IQ3, IQ2, IQ1  one code names four or eight neighbouring magnitudes at once, from a table of
 *             points of a lattice; signs are stored beside them */
#include "tensor/q_impl.h"
#include "tensor/q_search.h"

const int8_t hn_q_iq4_levels[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
};

/* ---- IQ4 --------------------------------------------------------------------------------- */

static void decode_levels(const uint8_t *codes, float d, float *x)
{
    for (int j = 0; j < 16; j++) {
        x[j] = d * (float)hn_q_iq4_levels[codes[j] & 15];
        x[j + 16] = d * (float)hn_q_iq4_levels[codes[j] >> 4];
    }
}

static void encode_levels(const float *x, float id, uint8_t *codes)
{
    for (int j = 0; j < 16; j++)
        codes[j] = (uint8_t)(hn_q_nearest_level(hn_q_iq4_levels, id * x[j]) |
                             hn_q_nearest_level(hn_q_iq4_levels, id * x[j + 16]) << 4);
}

/* importance: of the 32 columns, or NULL; mean: twice the mean square of the block. */
static float search_levels(const float *x, const float *importance, float mean)
{
    float w[32];
    if (importance)
        hn_q_weigh(x, importance, mean, 32, w);
    else
        for (int i = 0; i < 32; i++)
            w[i] = x[i] * x[i];
    return hn_q_search_table(x, w, 32, hn_q_iq4_levels);
}

void hn_q_decode_iq4_nl(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 18, x += 32)
        decode_levels(b + 2, hn_q_half(b), x);
}

static void encode_iq4_nl(const float *x, const float *importance, uint8_t *b)
{
    float d = search_levels(x, importance, 2 * hn_q_mean_square(x, 32));
    hn_q_put_half(b, d);
    encode_levels(x, hn_q_inverse(d), b + 2);
}

void hn_q_encode_iq4_nl(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 18, x += 32)
        encode_iq4_nl(x, NULL, b);
}

void hn_q_weigh_iq4_nl(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 18, x += 32, importance += 32)
        encode_iq4_nl(x, importance, b);
}

/* Scale of run j: four bits in bytes 4-7, two more in the number at byte 2; stored plus 32. */
void hn_q_decode_iq4_xs(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 136, x += 256) {
        float d = hn_q_half(b);
        unsigned high = hn_q_get16(b + 2);
        for (int j = 0; j < 8; j++) {
            int scale = (b[4 + j / 2] >> 4 * (j % 2) & 15) | (int)(high >> 2 * j & 3) << 4;
            decode_levels(b + 8 + 16 * j, d * (float)(scale - 32), x + 32 * j);
        }
    }
}

static void encode_iq4_xs(const float *x, const float *importance, uint8_t *b)
{
    float s[8], far = 0, mean = 2 * hn_q_mean_square(x, 256);
    for (int j = 0; j < 8; j++) {
        s[j] = search_levels(x + 32 * j, importance ? importance + 32 * j : NULL, mean);
        if (fabsf(s[j]) > fabsf(far))
            far = s[j];
    }
    memset(b, 0, 136);
    float d = -far / 32, id = hn_q_inverse(d);
    unsigned high = 0;
    hn_q_put_half(b, d);
    for (int j = 0; j < 8; j++) {
        int scale = hn_q_even(id * s[j], -32, 31);
        encode_levels(x + 32 * j, hn_q_inverse(d * (float)scale), b + 8 + 16 * j);
        b[4 + j / 2] |= (uint8_t)(((scale + 32) & 15) << 4 * (j % 2));
        high |= (unsigned)(scale + 32) >> 4 << 2 * j;
    }
    hn_q_put16(b + 2, high);
}

void hn_q_encode_iq4_xs(const float *x, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 136, x += 256)
        encode_iq4_xs(x, NULL, b);
}

void hn_q_weigh_iq4_xs(const float *x, const float *importance, uint8_t *b, size_t blocks)
{
    for (; blocks--; b += 136, x += 256, importance += 256)
        encode_iq4_xs(x, importance, b);
}

/* ---- Lattice types ------------------------------------------------------------------------- */

#include "tensor/q_iq_points.inc"

static const float levels1[4] = { -1, 0, 1, 0 };
static const float levels2[4] = { 8, 25, 43, 0 };
static const float levels3_xxs[8] = { 4, 12, 20, 28, 36, 44, 52, 62 };
static const float levels3_s[8] = { 1, 3, 5, 7, 9, 11, 13, 15 };

const uint16_t *hn_q_points(hn_qtype t, size_t *count)
{
#define POINTS(id, list) case HN_QT_##id: *count = sizeof list / sizeof *list; return list;
    switch (t) {
    POINTS(IQ1_S, iq1_points)
    POINTS(IQ1_M, iq1_points)
    POINTS(IQ2_XXS, iq2_xxs_points)
    POINTS(IQ2_XS, iq2_xs_points)
    POINTS(IQ2_S, iq2_s_points)
    POINTS(IQ3_XXS, iq3_xxs_points)
    POINTS(IQ3_S, iq3_s_points)
    default: return NULL;
    }
#undef POINTS
}

/* Seven stored sign bits stand for eight: the points have an even number of minus signs. */
static unsigned even_signs(unsigned seven) { return seven | (unsigned)__builtin_parity(seven) << 7; }

static void put8(unsigned point, float d, unsigned signs, float *x)
{
    for (int i = 0; i < 8; i++) {
        float v = d * levels2[point >> 2 * i & 3];
        x[i] = signs >> i & 1 ? -v : v;
    }
}

static void put4(unsigned point, const float levels[8], float d, unsigned signs, float *x)
{
    for (int i = 0; i < 4; i++) {
        float v = d * levels[point >> 4 * i & 7];
        x[i] = signs >> i & 1 ? -v : v;
    }
}

/* For 32 elements: four point numbers, then one word with four times seven signs and the scale. */
void hn_q_decode_iq2_xxs(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 66) {
        float d = hn_q_half(b);
        for (const uint8_t *run = b + 2; run < b + 66; run += 8) {
            uint32_t word = hn_q_get32(run + 4);
            float scale = d * (0.5f + (float)(word >> 28)) * 0.25f;
            for (int l = 0; l < 4; l++, x += 8)
                put8(iq2_xxs_points[run[l]], scale, even_signs(word >> 7 * l & 127), x);
        }
    }
}

/* Each eight elements: nine bits of point number and seven of signs; a four-bit scale for sixteen. */
void hn_q_decode_iq2_xs(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 74) {
        float d = hn_q_half(b);
        for (int g = 0; g < 32; g++, x += 8) {
            unsigned code = hn_q_get16(b + 2 + 2 * g), s = b[66 + g / 4] >> g / 2 % 2 * 4 & 15;
            put8(iq2_xs_points[code & 511], d * (0.5f + (float)s) * 0.25f, even_signs(code >> 9), x);
        }
    }
}

/* Ten bits of point number: eight at byte 2, two at byte 66; all eight signs, at byte 34. */
void hn_q_decode_iq2_s(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 82) {
        float d = hn_q_half(b);
        for (int g = 0; g < 32; g++, x += 8) {
            unsigned point = b[2 + g] | (b[66 + g / 4] >> g % 4 * 2 & 3u) << 8;
            unsigned s = b[74 + g / 4] >> g / 2 % 2 * 4 & 15;
            put8(iq2_s_points[point], d * (0.5f + (float)s) * 0.25f, b[34 + g], x);
        }
    }
}

/* Points of four elements; signs and scale of 32 in one word, as in IQ2_XXS. */
void hn_q_decode_iq3_xxs(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 98) {
        float d = hn_q_half(b);
        for (int g = 0; g < 32; g++, x += 8) {
            uint32_t word = hn_q_get32(b + 66 + g / 4 * 4);
            unsigned signs = even_signs(word >> 7 * (g % 4) & 127);
            float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
            put4(iq3_xxs_points[b[2 + 2 * g]], levels3_xxs, scale, signs, x);
            put4(iq3_xxs_points[b[3 + 2 * g]], levels3_xxs, scale, signs >> 4, x + 4);
        }
    }
}

/* A ninth bit of point number at byte 66, signs at 74, a four-bit scale for 32 at 106. */
void hn_q_decode_iq3_s(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 110) {
        float d = hn_q_half(b);
        for (int g = 0; g < 64; g++, x += 4) {
            unsigned point = b[2 + g] | (b[66 + g / 8] >> g % 8 & 1u) << 8;
            unsigned s = b[106 + g / 16] >> g / 8 % 2 * 4 & 15;
            put4(iq3_s_points[point], levels3_s, d * (float)(1 + 2 * s), b[74 + g / 2] >> g % 2 * 4, x);
        }
    }
}

/* IQ1: x = d (level + shift), shift an eighth up or down for a whole group. */
static void put_shifted(unsigned point, float d, bool down, float *x)
{
    for (int i = 0; i < 8; i++)
        x[i] = d * (levels1[point >> 2 * i & 3] + (down ? -0.125f : 0.125f));
}

/* For 32 elements a number at byte 34: four times three bits of point number, scale, shift. */
void hn_q_decode_iq1_s(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 50) {
        float d = hn_q_half(b);
        for (int g = 0; g < 32; g++, x += 8) {
            unsigned more = hn_q_get16(b + 34 + g / 4 * 2);
            unsigned point = b[2 + g] | (more >> g % 4 * 3 & 7) << 8;
            put_shifted(iq1_points[point], d * (float)(2 * (more >> 12 & 7) + 1), more >> 15, x);
        }
    }
}

/* Four bits for eight elements at byte 32: three of point number, one of shift.  At byte 48, four
 * numbers of four three-bit scales, one for sixteen elements; their top fours make up d. */
void hn_q_decode_iq1_m(const uint8_t *b, float *x, size_t blocks)
{
    for (; blocks--; b += 56) {
        unsigned half = 0;
        for (int i = 0; i < 4; i++)
            half |= (hn_q_get16(b + 48 + 2 * i) >> 12) << 4 * i;
        float d = hn_f16_to_f32((uint16_t)half);
        for (int g = 0; g < 32; g++, x += 8) {
            unsigned more = b[32 + g / 2] >> g % 2 * 4;
            unsigned scale = hn_q_get16(b + 48 + g / 8 * 2) >> g / 2 % 4 * 3 & 7;
            put_shifted(iq1_points[b[g] | (more & 7) << 8], d * (float)(2 * scale + 1), more & 8, x);
        }
    }
}
