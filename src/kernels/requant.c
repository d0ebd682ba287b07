/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/quick.h"

/* Factors that would shift a sum to the left let it run over, which floats do not; and a zero point far outside of a byte
 * would take the bits that decide. */
enum { FACTOR_MAX = 1 << 20, ZERO_MAX = 255 };

static bool near(int32_t zero) { return zero >= -ZERO_MAX && zero <= ZERO_MAX; }

bool hn_requant_quick(hn_requant *q, size_t n, float *scale, float *start, float *nudge)
{
    const double one = HN_QUICK_ONE, first = ((double)q->zero + 0.5) * one + HN_QUICK_MARGIN;
    q->scale = q->start = q->nudge = NULL;
    if (!near(q->zero))
        return false;
    for (size_t i = 0; i < n; i++) {
        double factor = q->real[i], half = 0;
        if (q->rule != HN_ROUND_EVEN) {
            factor = ldexp((double)q->fraction[i], q->left[i] - q->right[i] - 31);
            half = q->right[i] > 0 ? ldexp(one, -q->right[i] - 1) : 0;
            if (q->left[i] > 0)
                return false;
        }
        if (!(factor >= 0 && factor <= FACTOR_MAX))
            return false;
        scale[i] = (float)(factor * one);
        start[i] = (float)(first + (q->rule == HN_ROUND_UP ? half : 0));
        nudge[i] = q->rule == HN_ROUND_AWAY ? (float)half : 0;
    }
    q->scale = scale;
    q->start = start;
    q->nudge = nudge;
    return true;
}

static double size_of(hn_factor f) { return ldexp((double)f.fraction, f.shift - 31); }

/* Units are 2^-14 of a step of the result, as everywhere here; errors are sizes times 2^-24 or 2^-25, what a float
 * loses. */
void hn_qbinary_quick(hn_qbinary *q)
{
    const double one = HN_QUICK_ONE, first = ((double)q->zero + 0.5) * one + HN_PAIR_MARGIN, lost = ldexp(1, -24);
    const bool even = q->rule == HN_ROUND_EVEN, product = q->kind == HN_Q_MUL;
    double y = even ? one / (double)q->y_scale : size_of(q->y) * one, chain = y, start = first, a, b = 0, nudge = 0;
    q->quick = false;
    if (!near(q->zero))
        return;
    if (product) {
        a = even ? (double)q->a_scale * (double)q->b_scale * y : y;
        double half = even || q->y.shift >= 0 ? 0 : ldexp(one, q->y.shift - 1);
        start += q->rule == HN_ROUND_UP ? half : 0;
        nudge = q->rule == HN_ROUND_AWAY ? half : 0;
        if (!even && q->y.shift > 0)
            return;
        chain = 0;                      /* of results in range, rounded a few times: in the margin */
    } else {
        a = even ? (double)q->a_scale * y : size_of(q->a) * ldexp(y, q->left);
        b = even ? (double)q->b_scale * y : size_of(q->b) * ldexp(y, q->left);
        chain = even ? (a + b) * 255 * lost : 3 * y;         /* the operator's own: products; or u, v and the sum */
        b = q->kind == HN_Q_SUB ? -b : b;
        start -= a * q->a_zero + b * q->b_zero;
    }
    /* Factors, start, two sums; then products of results in range and the last rounding. */
    double size = fabs(b) * 255 + fabs(start);
    double off = chain + a * 255 * lost + size * lost + size * lost / 2 + 1.5;
    if (product)
        off = 2.5;
    if (!(a >= 0 && a < ldexp(1, 60) && fabs(b) < ldexp(1, 60)) || !(off < HN_PAIR_MARGIN))
        return;
    q->quick_a = (float)a;
    q->quick_b = (float)b;
    q->quick_start = (float)start;
    q->quick_nudge = (float)nudge;
    q->quick = true;
}
