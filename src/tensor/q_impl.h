/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of block types share: their codecs' names and how fields are read and rounded. */
#ifndef HN_TENSOR_Q_IMPL_H
#define HN_TENSOR_Q_IMPL_H

#include <math.h>
#include <string.h>

#include "tensor/convert.h"
#include "tensor/qtypes.h"

/* One row of qtypes.def: both run over `blocks` whole blocks. */
#define QTYPE(id, name, number, elements, bytes, decode, encode)                     \
    void hn_q_decode_##decode(const uint8_t *src, float *dst, size_t blocks);        \
    void hn_q_encode_##encode(const float *src, uint8_t *dst, size_t blocks);
/* hn_q_encode_none repeats; C allows a declaration twice. */
#include "tensor/qtypes.def"
#undef QTYPE

/* Types whose codes can heed what columns are worth; the others encode as without. */
#define HN_Q_WEIGHED(X)                                                                             \
    X(Q4_0, q4_0) X(Q4_1, q4_1) X(Q5_0, q5_0) X(Q5_1, q5_1) X(Q2_K, q2_k) X(Q3_K, q3_k) X(Q4_K, q4_k) \
    X(Q5_K, q5_k) X(Q6_K, q6_k) X(IQ4_NL, iq4_nl) X(IQ4_XS, iq4_xs)
#define X(id, fn) void hn_q_weigh_##fn(const float *src, const float *importance, uint8_t *dst, size_t blocks);
HN_Q_WEIGHED(X)
#undef X

static inline unsigned hn_q_get16(const uint8_t *p) { return p[0] | (unsigned)p[1] << 8; }
static inline uint32_t hn_q_get32(const uint8_t *p)
{
    return hn_q_get16(p) | (uint32_t)hn_q_get16(p + 2) << 16;
}
static inline float hn_q_half(const uint8_t *p) { return hn_f16_to_f32((uint16_t)hn_q_get16(p)); }

static inline void hn_q_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* Stores a scale and returns it as stored: codes must be chosen for the scale the reader will see. */
static inline float hn_q_put_half(uint8_t *p, float f)
{
    uint16_t h = hn_f32_to_f16(f);
    hn_q_put16(p, h);
    return hn_f16_to_f32(h);
}

/* The two roundings of the encoders, clamped first so that no input, NaN included, is out of range. */
static inline int hn_q_even(float x, int lo, int hi)         /* half to even */
{
    return !(x > (float)lo) ? lo : x >= (float)hi ? hi : (int)lrintf(x);
}
static inline int hn_q_floor(float x, int hi)                /* towards zero, from 0 up */
{
    return !(x > 0) ? 0 : x >= (float)hi ? hi : (int)x;
}

static inline float hn_q_inverse(float d) { return d != 0 ? 1.0f / d : 0.0f; }

/* Index of the level nearest to x in an ascending table; the lower one on a tie is not promised. */
extern const int8_t hn_q_iq4_levels[16];

/* The points of a lattice type: two bits an element for types of eight, four for types of four; NULL for others. */
const uint16_t *hn_q_points(hn_qtype t, size_t *count);

/* The eight values of E2M1 doubled, then their negatives. */
extern const int8_t hn_q_e2m1_levels[16];

#endif
