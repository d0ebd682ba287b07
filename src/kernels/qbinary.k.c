/* SPDX-License-Identifier: Apache-2.0 */
/* Sums, differences and products of bytes that stand for real numbers, as QAdd, QSub and QMul define them,
 * bit for bit the same everywhere.
 *
 * out may be a or b.  No alignment. */
#include "kernels/rescale.h"

VEC vi some_bytes(const uint8_t *p, size_t step, size_t n, int is_signed)
{
    uint8_t few[VF_N] = { 0 };
    if (step == 0)
        return vi_set(is_signed ? (int8_t)*p : *p);
    if (n < VF_N) {
        memcpy(few, p, n);
        p = few;
    }
    return is_signed ? vi_load_i8((const int8_t *)p) : vi_load_u8(p);
}

/* x and z are less their zero points. */
VEC vi in_integers(vi x, vi z, const hn_qbinary *q, hn_qkind kind, hn_rounding rule)
{
    if (kind == HN_Q_MUL)           /* 9 bits each: floats hold their product */
        return vi_rescale_all(vf_int(vf_mul(vi_float(x), vi_float(z))), q->y, rule);
    vi left = vi_set(q->left);
    vi u = vi_rescale_all(vi_shl(x, left), q->a, rule), v = vi_rescale_all(vi_shl(z, left), q->b, rule);
    return vi_rescale_all(kind == HN_Q_ADD ? vi_add(u, v) : vi_sub(u, v), q->y, rule);
}

/* As DequantizeLinear, the operator and QuantizeLinear would; bounds before rounding keep the conversion in range. */
VEC vi in_floats(vi x, vi z, const hn_qbinary *q, hn_qkind kind)
{
    vf a = vf_mul(vi_float(x), vf_set(q->a_scale)), b = vf_mul(vi_float(z), vf_set(q->b_scale));
    vf r = kind == HN_Q_ADD ? vf_add(a, b) : kind == HN_Q_SUB ? vf_sub(a, b) : vf_mul(a, b);
    r = vf_div(r, vf_set(q->y_scale));
    r = vf_sel(vf_isnan(r), vf_set(0), r);
    return vf_int(vf_round(vf_clip(r, vf_set((float)(q->low - q->zero)), vf_set((float)(q->high - q->zero)))));
}

VEC void exact_by(uint8_t *out, const uint8_t *a, size_t sa, const uint8_t *b, size_t sb, size_t n, const hn_qbinary *q,
                  hn_qkind kind, hn_rounding rule)
{
    vi a_zero = vi_set(q->a_zero), b_zero = vi_set(q->b_zero);
    vi low = vi_set(q->low - q->zero), high = vi_set(q->high - q->zero);
    for (size_t i = 0; i < n; i += VF_N) {
        vi x = vi_sub(some_bytes(a + i * sa, sa, n - i, q->is_signed), a_zero);
        vi z = vi_sub(some_bytes(b + i * sb, sb, n - i, q->is_signed), b_zero);
        vi y = rule == HN_ROUND_EVEN ? in_floats(x, z, q, kind) : in_integers(x, z, q, kind, rule);
        vi_put_bytes(out + i, vi_add(vi_min(vi_max(y, low), high), vi_set(q->zero)), n - i);
    }
}

VEC void exact_of(uint8_t *out, const uint8_t *a, size_t sa, const uint8_t *b, size_t sb, size_t n, const hn_qbinary *q,
                  hn_qkind kind)
{
    if (q->rule == HN_ROUND_EVEN)
        exact_by(out, a, sa, b, sb, n, q, kind, HN_ROUND_EVEN);
    else if (q->rule == HN_ROUND_UP)
        exact_by(out, a, sa, b, sb, n, q, kind, HN_ROUND_UP);
    else
        exact_by(out, a, sa, b, sb, n, q, kind, HN_ROUND_AWAY);
}

static __attribute__((noinline)) void exact(uint8_t *out, const uint8_t *a, size_t sa, const uint8_t *b, size_t sb, size_t n,
                                            const hn_qbinary *q)
{
    if (q->kind == HN_Q_ADD)
        exact_of(out, a, sa, b, sb, n, q, HN_Q_ADD);
    else if (q->kind == HN_Q_SUB)
        exact_of(out, a, sa, b, sb, n, q, HN_Q_SUB);
    else
        exact_of(out, a, sa, b, sb, n, q, HN_Q_MUL);
}

enum { VECS = 4, BLOCK = VECS * VF_N };

VEC vf byte_floats(const uint8_t *p, int is_signed)
{
    return vi_float(is_signed ? vi_load_i8((const int8_t *)p) : vi_load_u8(p));
}

/* Whole blocks as far as they go, in floats; a block with a lane in doubt again in integers.  Nothing is stored before
 * that is known, because out may be a or b.  Returns how many were done. */
VEC size_t quick_by(uint8_t *out, const uint8_t *a, size_t sa, const uint8_t *b, size_t sb, size_t n, const hn_qbinary *q,
                    int product, int is_signed)
{
    const float unit = HN_QUICK_ONE;
    const vf by_a = vf_set(q->quick_a), by_b = vf_set(q->quick_b);
    const vf start = vf_set(q->quick_start), nudge = vf_set(q->quick_nudge);
    const vf low = vf_set(((float)q->low + 0.5f) * unit), high = vf_set(((float)q->high + 0.5f) * unit);
    const vf a_zero = vf_set((float)q->a_zero), b_zero = vf_set((float)q->b_zero);
    const vf one_a = vf_set((float)(is_signed ? (int8_t)*a : *a)), one_b = vf_set((float)(is_signed ? (int8_t)*b : *b));
    const vi mask = vi_set(HN_QUICK_ONE - 1), bits = vi_set(HN_QUICK_BITS);
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        vi y[VECS], least = mask;
        UNROLL
        for (int k = 0; k < VECS; k++) {
            vf x = sa ? byte_floats(a + i + k * VF_N, is_signed) : one_a;
            vf z = sb ? byte_floats(b + i + k * VF_N, is_signed) : one_b, t;
            if (product) {
                x = vf_mul(vf_sub(x, a_zero), vf_sub(z, b_zero));
                t = vf_add(vf_fma(x, by_a, start), vf_copysign(nudge, x));
            } else {
                t = vf_fma(x, by_a, vf_fma(z, by_b, start));
            }
            y[k] = vf_int(vf_clip(t, low, high));
            least = vi_min(least, vi_and(y[k], mask));
        }
        if (vi_any_below(least, HN_PAIR_DOUBT)) {
            exact(out + i, a + i * sa, sa, b + i * sb, sb, BLOCK, q);
            continue;
        }
        UNROLL
        for (int k = 0; k < VECS; k++)
            vi_store_8(out + i + k * VF_N, vi_sar(y[k], bits));
    }
    return i;
}

void K(qbinary_8)(uint8_t *out, const uint8_t *a, size_t sa, const uint8_t *b, size_t sb, size_t n, const hn_qbinary *q)
{
    size_t done = 0;
    if (n && q->quick && q->kind == HN_Q_MUL)
        done = q->is_signed ? quick_by(out, a, sa, b, sb, n, q, 1, 1) : quick_by(out, a, sa, b, sb, n, q, 1, 0);
    else if (n && q->quick)
        done = q->is_signed ? quick_by(out, a, sa, b, sb, n, q, 0, 1) : quick_by(out, a, sa, b, sb, n, q, 0, 0);
    exact(out + done, a + done * sa, sa, b + done * sb, sb, n - done, q);
}

void K(lookup_8)(uint8_t *out, const uint8_t *in, size_t n, const uint8_t table[256])
{
    for (size_t i = 0; i < n; i++)
        out[i] = table[in[i]];
}
