/* SPDX-License-Identifier: Apache-2.0 */
/* How each type's panels are read; included by qpanel.k.c alone.
 *
 * A type is two short functions: `head` reads what a block shares for VF_N rows from `at` on, `codes` unpacks
 * run g of 32 elements to eight vectors, four elements of each row in one.  Both are inlined. */
#ifndef HN_KERNELS_QPANEL_TYPES_H
#define HN_KERNELS_QPANEL_TYPES_H

#include "kernels/isa.h"

#if defined HN_ISA_amx || defined HN_ISA_avx512
#include "kernels/simd/lanes_avx512.h"
#elif defined HN_ISA_avx2
#include "kernels/simd/lanes_avx2.h"
#elif defined HN_ISA_neon
#include "kernels/simd/lanes_neon.h"
#else
#include "kernels/simd/lanes_scalar.h"
#endif

/* Constant where a type is used, so that the tests vanish. */
enum {
    SIGNED = 1,              /* codes are signed bytes; otherwise unsigned, `offset` too high */
    MINIMA = 2,              /* a block or its runs have a minimum */
    SMALL = 4,               /* small scales for each run, and one for the block */
    HALVES = 8,              /* runs of 16: two small scales (and minima) for each 32 */
};

typedef struct shared {
    vf d, min;
    vf s[16], m[16];         /* SMALL: of each run; minima are subtracted, others' added */
} shared;

typedef void head_fn(const uint8_t *h, int at, shared *out);
typedef void codes_fn(const uint8_t *c, int g, int at, vi out[8]);

typedef struct form {
    head_fn *head;
    codes_fn *codes;
    int parts;               /* runs of 32 in a block */
    int code_size, head_size;
    int offset, top;         /* of unsigned codes; top: the largest */
    int how;
} form;

VEC vi word(const uint8_t *c, int i, int at) { return vi_load((const uint32_t *)(const void *)(c + 64 * i + 4 * at)); }
VEC vf half_line(const uint8_t *h, int line, int at) { return vf_load_half((const uint16_t *)(const void *)(h + 32 * line + 2 * at)); }
VEC vi byte_line(const uint8_t *h, int line, int at) { return vi_load_u8(h + 16 * line + at); }

/* Bits n.. of each byte, as many as the mask has. */
VEC vi bits(vi a, int n, int mask) { return ln_and(n ? ln_shr(a, n) : a, ln_bytes(mask)); }

/* ---- Types of 32 ---------------------------------------------------------------------------- */

VEC void one_half(const uint8_t *h, int at, shared *out) { out->d = half_line(h, 0, at); }
VEC void two_halves(const uint8_t *h, int at, shared *out)
{
    out->d = half_line(h, 0, at);
    out->min = half_line(h, 1, at);
}

/* Low halves are the first sixteen elements, high halves the others. */
VEC void nibbles(const uint8_t *c, int g, int at, vi out[8])
{
    UNROLL
    for (int j = 0; j < 4; j++) {
        vi w = word(c, 4 * g + j, at);
        out[j] = bits(w, 0, 15);
        out[j + 4] = bits(w, 4, 15);
    }
}

VEC void nibbles_and_fifth(const uint8_t *c, int g, int at, vi out[8])
{
    vi fifth = word(c, 4, at);
    nibbles(c, g, at, out);
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = ln_or(out[j], ln_and(j < 4 ? ln_shl(fifth, 4 - j) : ln_shr(fifth, j - 4), ln_bytes(16)));
}

VEC void whole_bytes(const uint8_t *c, int g, int at, vi out[8])
{
    (void)g;
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = word(c, j, at);
}

static const int8_t iq4_levels[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };
static const int8_t e2m1_levels[16] = { 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12 };

VEC void levels(const uint8_t *c, int g, int at, const int8_t table[16], vi out[8])
{
    nibbles(c, g, at, out);
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = ln_lookup(table, out[j]);
}
VEC void iq4(const uint8_t *c, int g, int at, vi out[8]) { levels(c, g, at, iq4_levels, out); }
VEC void e2m1(const uint8_t *c, int g, int at, vi out[8]) { levels(c, g, at, e2m1_levels, out); }

/* Half the E8M0 scale, 2^(e - 128), in two factors: the smallest are below normal numbers. */
VEC void power(const uint8_t *h, int at, shared *out)
{
    vi e = byte_line(h, 0, at), half = vi_half(e);
    out->d = vf_mul(vf_pow2(vi_sub(half, vi_set(63))), vf_pow2(vi_sub(vi_sub(e, half), vi_set(65))));
}

/* ---- Types of 256 --------------------------------------------------------------------------- */

/* Two bits of each element: bits 2g.. of the eight words of its half. */
VEC void pairs(const uint8_t *c, int g, int at, vi out[8])
{
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = bits(word(c, 8 * (g / 4) + j, at), 2 * (g % 4), 3);
}

VEC void q2_k_head(const uint8_t *h, int at, shared *out)
{
    for (int i = 0; i < 16; i++) {
        vi both = byte_line(h, i, at);
        out->s[i] = vi_float(ln_and(both, vi_set(15)));
        out->m[i] = vi_float(ln_shr(both, 4));
    }
    out->d = half_line(h, 8, at);
    out->min = half_line(h, 9, at);
}

/* Sixteen scales of six bits: low four in lines 0-7, high two in lines 8-11. */
VEC void q3_k_head(const uint8_t *h, int at, shared *out)
{
    for (int i = 0; i < 16; i++) {
        vi low = byte_line(h, i % 8, at), high = byte_line(h, 8 + i % 4, at);
        vi s = ln_or(ln_and(i < 8 ? low : ln_shr(low, 4), vi_set(15)), ln_shl(ln_and(ln_shr(high, 2 * (i / 4)), vi_set(3)), 4));
        out->s[i] = vi_float(vi_sub(s, vi_set(32)));
    }
    out->d = half_line(h, 6, at);
}
VEC void q3_k(const uint8_t *c, int g, int at, vi out[8])
{
    pairs(c, g, at, out);
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = ln_or(out[j], ln_shl(bits(word(c, 16 + j, at), g, 1), 2));
}

/* Eight scales and minima of six bits. */
VEC void q4_k_head(const uint8_t *h, int at, shared *out)
{
    for (int i = 0; i < 4; i++) {
        vi a = byte_line(h, i, at), b = byte_line(h, i + 4, at), c = byte_line(h, i + 8, at);
        out->s[i] = vi_float(ln_and(a, vi_set(63)));
        out->m[i] = vi_float(ln_and(b, vi_set(63)));
        out->s[i + 4] = vi_float(ln_or(ln_and(c, vi_set(15)), ln_shl(ln_shr(a, 6), 4)));
        out->m[i + 4] = vi_float(ln_or(ln_shr(c, 4), ln_shl(ln_shr(b, 6), 4)));
    }
    out->d = half_line(h, 6, at);
    out->min = half_line(h, 7, at);
}
VEC void q4_k(const uint8_t *c, int g, int at, vi out[8])
{
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = bits(word(c, 8 * (g / 2) + j, at), 4 * (g % 2), 15);
}
VEC void q5_k(const uint8_t *c, int g, int at, vi out[8])
{
    q4_k(c, g, at, out);
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = ln_or(out[j], ln_shl(bits(word(c, 32 + j, at), g, 1), 4));
}

VEC void q6_k_head(const uint8_t *h, int at, shared *out)
{
    for (int i = 0; i < 16; i++)
        out->s[i] = vi_float(vi_load_i8((const int8_t *)h + 16 * i + at));
    out->d = half_line(h, 8, at);
}
VEC void q6_k(const uint8_t *c, int g, int at, vi out[8])
{
    UNROLL
    for (int j = 0; j < 8; j++)
        out[j] = ln_or(bits(word(c, 16 * (g / 4) + 8 * (g % 2) + j, at), 4 * (g / 2 % 2), 15),
                       ln_shl(bits(word(c, 32 + 8 * (g / 4) + j, at), 2 * (g % 4), 3), 4));
}

VEC void iq4_xs_head(const uint8_t *h, int at, shared *out)
{
    for (int i = 0; i < 8; i++) {
        vi low = ln_and(ln_shr(byte_line(h, i / 2, at), 4 * (i % 2)), vi_set(15));
        /* The high bits are words of 16; as bytes: lane r has them at 64 + 2 r. */
        uint32_t high[VF_N];
        for (int r = 0; r < VF_N; r++)
            high[r] = (uint32_t)(h[64 + 2 * (at + r) + i / 4] >> 2 * (i % 4) & 3) << 4;
        out->s[i] = vi_float(vi_sub(ln_or(low, vi_load(high)), vi_set(32)));
    }
    out->d = half_line(h, 3, at);
}

#endif
