/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/kernels.h"
#include "kernels/quick.h"

/* Factors that would shift a sum to the left let it run over, which floats do not. */
enum { FACTOR_MAX = 1 << 20 };

bool hn_requant_quick(hn_requant *q, size_t n, float *scale, float *start, float *nudge)
{
    const double one = HN_QUICK_ONE, first = ((double)q->zero + 0.5) * one + HN_QUICK_MARGIN;
    q->scale = q->start = q->nudge = NULL;
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
