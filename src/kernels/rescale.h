/* SPDX-License-Identifier: Apache-2.0 */
/* hn_rescale() of fixed.h on vectors, for the kernels that end in bytes. */
#ifndef HN_KERNELS_RESCALE_H
#define HN_KERNELS_RESCALE_H

#include "kernels/isa.h"

/* By a fraction of 31 bits between two shifts, each lane its own; rule AWAY or UP. */
VEC vi vi_rescale(vi x, vi left, vi fraction, vi right, hn_rounding rule)
{
    vi zero = vi_set(0), one = vi_set(1);
    x = vi_high_mul(vi_shl(x, left), fraction);
    vi floor = vi_sar(x, right);
    if (rule == HN_ROUND_UP)        /* the last bit shifted out is the half; no bits, no half */
        return vi_add(floor, vi_and(vi_sar(x, vi_max(vi_sub(right, one), zero)), vi_and(one, vi_more(right, zero))));
    vi mask = vi_sub(vi_shl(one, right), one);
    vi half = vi_sub(vi_sar(mask, one), vi_more(zero, x));         /* (mask >> 1) + (x < 0) */
    return vi_sub(floor, vi_more(vi_and(x, mask), half));
}

/* The same factor for every lane. */
VEC vi vi_rescale_all(vi x, hn_factor f, hn_rounding rule)
{
    return vi_rescale(x, vi_set(f.shift > 0 ? f.shift : 0), vi_set(f.fraction), vi_set(f.shift < 0 ? -f.shift : 0), rule);
}

/* y between low and high as VF_N bytes, n of which there is room for. */
VEC void vi_put_bytes(uint8_t *out, vi y, size_t n)
{
    if (n >= VF_N) {
        vi_store_8(out, y);
    } else {
        uint8_t rest[VF_N];
        vi_store_8(rest, y);
        memcpy(out, rest, n);
    }
}

#endif
