/* SPDX-License-Identifier: Apache-2.0 */
/* Floats to 8-bit integers and back, by ONNX's rule, bit for bit the same everywhere.
 *
 * in and out may not overlap; no alignment.  |zero| <= 2^22, so that the bounds below are exact. */
#include "kernels/isa.h"

/* saturate(round_half_even(x / scale) + zero).  A true division: times the reciprocal would land on
 * the other side of a half now and then.  Saturating before rounding is the same and keeps the
 * conversion to integers in range. */
VEC vi quantize(vf x, vf scale, vf lo, vf hi, vi zero)
{
    vf q = vf_div(x, scale);
    q = vf_sel(vf_isnan(q), vf_set(0), q);
    return vi_add(vf_int(vf_round(vf_clip(q, lo, hi))), zero);
}

VEC void quantize_all(uint8_t *out, const float *in, size_t n, float scale, int zero, int least, int most)
{
    vf sv = vf_set(scale), lo = vf_set((float)(least - zero)), hi = vf_set((float)(most - zero));
    vi zv = vi_set(zero);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vi_store_8(out + i, quantize(vf_load(in + i), sv, lo, hi, zv));
    if (i < n) {
        uint8_t rest[VF_N];
        vi_store_8(rest, quantize(vf_load_n(in + i, n - i), sv, lo, hi, zv));
        memcpy(out + i, rest, n - i);
    }
}

void K(quantize_u8)(uint8_t *out, const float *in, size_t n, float scale, int zero)
{
    quantize_all(out, in, n, scale, zero, 0, 255);
}

void K(quantize_i8)(int8_t *out, const float *in, size_t n, float scale, int zero)
{
    quantize_all((uint8_t *)out, in, n, scale, zero, -128, 127);
}

/* The size is rounded to even first; where it then lies a half above, that was a half.  Numbers between it and the
 * largest below a half do not exist. */
VEC vf round_away(vf x)
{
    vf size = vf_abs(x), r = vf_round(size), rest = vf_sub(size, r);
    return vf_copysign(vf_add(r, vf_sel(vf_lt(vf_set(0x1.fffffep-2f), rest), vf_set(1), vf_set(0))), x);
}

void K(quantize_away)(uint8_t *out, const float *in, size_t n, float scale, int zero, int low, int high)
{
    vf sv = vf_set(scale), lo = vf_set((float)(low - zero)), hi = vf_set((float)(high - zero));
    vi zv = vi_set(zero);
    for (size_t i = 0; i < n; i += VF_N) {
        vf q = vf_div(vf_get(in + i, n - i), sv);
        q = vf_sel(vf_isnan(q), lo, q);
        uint8_t rest[VF_N], *to = n - i < VF_N ? rest : out + i;
        vi_store_8(to, vi_add(vf_int(round_away(vf_clip(q, lo, hi))), zv));
        if (to == rest)
            memcpy(out + i, rest, n - i);
    }
}

/* (q - zero) * scale: the difference is exact, the product rounds once. */
void K(dequantize_u8)(float *out, const uint8_t *in, size_t n, float scale, int zero)
{
    vf sv = vf_set(scale);
    vi zv = vi_set(zero);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(out + i, vf_mul(vi_float(vi_sub(vi_load_u8(in + i), zv)), sv));
    for (; i < n; i++)
        out[i] = (float)(in[i] - zero) * scale;
}

void K(dequantize_i8)(float *out, const int8_t *in, size_t n, float scale, int zero)
{
    vf sv = vf_set(scale);
    vi zv = vi_set(zero);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N)
        vf_store(out + i, vf_mul(vi_float(vi_sub(vi_load_i8(in + i), zv)), sv));
    for (; i < n; i++)
        out[i] = (float)(in[i] - zero) * scale;
}

int32_t K(dot_u8s8)(const uint8_t *a, const int8_t *b, size_t n)
{
    vi sum = vi_set(0);
    size_t i = 0;
    for (; i + 4 * VF_N <= n; i += 4 * VF_N)
        sum = vi_dot_u8s8(sum, vi_load_bytes(a + i), vi_load_bytes(b + i));
    int32_t all = vi_sum(sum);
    for (; i < n; i++)
        all += a[i] * b[i];
    return all;
}
