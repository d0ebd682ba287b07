/* SPDX-License-Identifier: Apache-2.0 */
/* Activations to 8 bits, in the order that panels meet them; qpack.h says what each array holds. */
#include "kernels/isa.h"

#include <math.h>

/* Half precision where that is normal, as stored 8-bit blocks have it: products are then those of
 * other engines.  Outside of it a float, so that no activation is lost. */
VEC float stored(float d)
{
    uint16_t h[VF_N];
    float f[VF_N];
    vf_store_half(h, vf_set(d));
    vf_store(f, vf_load_half(h));
    return fabsf(d) >= 0x1p-14f && fabsf(d) <= 65504 ? f[0] : d;
}

/* 32 activations by a common factor. */
VEC void round_run(int8_t *out, const float *in, float id)
{
    for (int i = 0; i < HN_QX_BLOCK; i += VF_N) {
        uint8_t lanes[VF_N];
        vf q = vf_round(vf_mul(vf_load(in + i), vf_set(id)));
        vi_store_8(lanes, vf_int(vf_clip(q, vf_set(-127), vf_set(127))));
        memcpy(out + i, lanes, VF_N);
    }
}

static void empty(const hn_qx *x, size_t at)
{
    for (size_t b = 0; b < x->blocks; b++, at += x->width) {
        memset(x->q + at * HN_QX_BLOCK, 0, HN_QX_BLOCK);
        x->scale[at] = x->sum[at] = x->sum_low[at] = 0;
        x->count[at] = x->count_low[at] = 0;
    }
}

/* One column, q = round_half_even(x * (127 / max |x|)) over groups of 32 or 256; a NaN or an infinity makes the
 * group's scale NaN, and with it every sum it enters.  `in` NULL: a column of zeros. */
void K(qx_pack)(const hn_qx *x, size_t col, const float *in, size_t group)
{
    size_t at = col / x->width * x->blocks * x->width + col % x->width;
    if (!in) {
        empty(x, at);
        return;
    }
    for (size_t i = 0; i < x->blocks * HN_QX_BLOCK; i += group) {
        vf most = vf_set(0), poison = most;
        for (size_t j = 0; j < group; j += VF_N) {
            most = vf_max(vf_abs(vf_load(in + i + j)), most);
            poison = vf_fma(vf_load(in + i + j), vf_set(0), poison);
        }
        float size = vf_top(most), id = size > 0 ? 127 / size : 0, ill = vf_sum(poison);
        if (id > 3e38f)                            /* scales below 4e-37 are zero */
            id = 0;
        float step = size / 127, scale = (group == HN_QX_BLOCK ? stored(step) : id > 0 ? 1 / id : 0) + ill;
        for (size_t j = 0; j < group; j += HN_QX_BLOCK, at += x->width) {
            int8_t *q = x->q + at * HN_QX_BLOCK;
            int low = 0, high = 0;
            round_run(q, in + i + j, id);
            for (int e = 0; e < HN_QX_BLOCK / 2; e++) {
                low += q[e];
                high += q[e + HN_QX_BLOCK / 2];
            }
            x->scale[at] = scale;
            x->count[at] = low + high;
            x->count_low[at] = low;
            /* Groups of 32 carry their sums in half precision too, from the step before its own rounding. */
            x->sum[at] = group == HN_QX_BLOCK ? stored(step * (float)(low + high)) + ill : (float)(low + high);
            x->sum_low[at] = group == HN_QX_BLOCK ? stored(step * (float)low) + ill : (float)low;
        }
    }
}
