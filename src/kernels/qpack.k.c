/* SPDX-License-Identifier: Apache-2.0 */
/* Activations to 8 bits, in the order that panels meet them; qpack.h says what each array holds. */
#include "kernels/isa.h"

#include <math.h>

/* Half precision where that is normal, as stored 8-bit blocks have it: products are then those of
 * other engines.  Outside of it a float, so that no activation is lost. */
VEC vf stored(vf d)
{
    uint16_t h[VF_N];
    vf_store_half(h, d);
    vf size = vf_abs(d), half = vf_load_half(h);
    return vf_sel(vf_lt(size, vf_set(0x1p-14f)), d, vf_sel(vf_lt(vf_set(65504), size), d, half));
}

/* Runs of 32 are looked at sixteen at a time: what is one number for each of them then is a vector. */
enum { RUNS = 16 };

typedef struct runs {
    float most[RUNS];            /* of |x|, in the run's group */
    float ill[RUNS];             /* 0, or NaN: the group has a NaN or an infinity */
    float factor[RUNS], step[RUNS], scale[RUNS];
    int32_t low[RUNS], all[RUNS];            /* sums of q: first half, both */
} runs;

/* The largest of each group; n: runs. */
VEC void measure(runs *r, const float *in, size_t n, size_t group)
{
    size_t each = group / HN_QX_BLOCK;
    vf poison = vf_set(0);
    for (size_t i = 0; i < n; i += each) {
        const float *x = in + i * HN_QX_BLOCK;
        vf most = vf_set(0);
        for (size_t j = 0; j < group; j += VF_N) {
            most = vf_max(vf_abs(vf_load(x + j)), most);
            poison = vf_fma(vf_load(x + j), vf_set(0), poison);
        }
        r->most[i] = vf_top(most);
        for (size_t j = 1; j < each; j++)
            r->most[i + j] = r->most[i];
    }
    memset(r->ill, 0, sizeof r->ill);
    if (!isnan(vf_sum(poison)))
        return;
    for (size_t i = 0; i < n; i++)                       /* which: rare, so one by one */
        for (size_t j = 0; j < group; j++)
            r->ill[i] += 0 * in[i / each * group + j];
}

/* Scales and factors of all runs from their largest. */
VEC void scale_runs(runs *r, size_t group)
{
    for (int i = 0; i < RUNS; i += VF_N) {
        vf zero = vf_set(0), most = vf_load(r->most + i), step = vf_div(most, vf_set(127));
        vf factor = vf_sel(vf_lt(zero, most), vf_div(vf_set(127), most), zero);
        factor = vf_sel(vf_lt(vf_set(3e38f), factor), zero, factor);          /* scales below 4e-37 are zero */
        vf scale = group == HN_QX_BLOCK ? stored(step) : vf_sel(vf_lt(zero, factor), vf_div(vf_set(1), factor), zero);
        vf_store(r->factor + i, factor);
        vf_store(r->step + i, step);
        vf_store(r->scale + i, vf_add(scale, vf_load(r->ill + i)));
    }
}

VEC void round_run(float by, const float *in, int8_t out[HN_QX_BLOCK])
{
    for (int e = 0; e < HN_QX_BLOCK; e += VF_N)
        vi_store_8((uint8_t *)out + e,
                   vf_int(vf_clip(vf_round(vf_mul(vf_load(in + e), vf_set(by))), vf_set(-127), vf_set(127))));
}

/* Four codes to a lane, and what is left of them one by one. */
VEC void add_codes(runs *r, int8_t q[RUNS][HN_QX_BLOCK])
{
    int32_t four[RUNS][HN_QX_BLOCK / 4];
    for (int i = 0; i < RUNS * HN_QX_BLOCK / 4; i += VF_N)
        vi_store((uint32_t *)four[0] + i, vi_dot_u8s8(vi_set(0), vi_set(0x01010101), vi_load_bytes(q[0] + 4 * i)));
    for (int i = 0; i < RUNS; i++) {
        r->low[i] = four[i][0] + four[i][1] + four[i][2] + four[i][3];
        r->all[i] = r->low[i] + four[i][4] + four[i][5] + four[i][6] + four[i][7];
    }
}

/* Groups of 32 carry their sums in half precision too, from the step before its own rounding. */
VEC void sum_runs(const runs *r, size_t group, const int32_t q[RUNS], float out[RUNS])
{
    for (int i = 0; i < RUNS; i += VF_N) {
        vf sum = vi_float(vi_load((const uint32_t *)q + i));
        if (group == HN_QX_BLOCK)
            sum = vf_add(stored(vf_mul(vf_load(r->step + i), sum)), vf_load(r->ill + i));
        vf_store(out + i, sum);
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

/* One column; group is a constant where this is inlined. */
VEC void column(const hn_qx *x, size_t at, const float *in, size_t group)
{
    for (size_t b = 0; b < x->blocks; b += RUNS) {
        size_t n = x->blocks - b < RUNS ? x->blocks - b : RUNS;
        const float *from = in + b * HN_QX_BLOCK;
        float low[RUNS], all[RUNS];
        int8_t q[RUNS][HN_QX_BLOCK] = { { 0 } };
        runs r = { 0 };
        measure(&r, from, n, group);
        scale_runs(&r, group);
        for (size_t i = 0; i < n; i++)
            round_run(r.factor[i], from + i * HN_QX_BLOCK, q[i]);
        add_codes(&r, q);
        sum_runs(&r, group, r.low, low);
        sum_runs(&r, group, r.all, all);
        for (size_t i = 0; i < n; i++, at += x->width) {
            memcpy(x->q + at * HN_QX_BLOCK, q[i], HN_QX_BLOCK);
            x->scale[at] = r.scale[i];
            x->sum[at] = all[i];
            x->sum_low[at] = low[i];
            x->count[at] = r.all[i];
            x->count_low[at] = r.low[i];
        }
    }
}

/* q = round_half_even(x * (127 / max |x|)) over groups of 32 or 256; a NaN or an infinity makes the group's scale NaN,
 * and with it every sum it enters.  `in` NULL: a column of zeros. */
void K(qx_pack)(const hn_qx *x, size_t col, const float *in, size_t group)
{
    size_t at = col / x->width * x->blocks * x->width + col % x->width;
    if (!in)
        empty(x, at);
    else if (group == HN_QX_BLOCK)
        column(x, at, in, HN_QX_BLOCK);
    else
        column(x, at, in, 8 * HN_QX_BLOCK);
}
