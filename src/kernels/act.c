/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/act.h"

#include <math.h>

const char *hn_act_name(hn_act_kind k)
{
    static const char *const names[] = {
#define X(id, name) name,
        HN_ACTS(X)
#undef X
    };
    return names[k];
}

static double clip(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }   /* NaN stays NaN */

double hn_act_apply(hn_act act, double x)
{
    double a = (double)act.a, b = (double)act.b;
    switch (act.kind) {
    case HN_ACT_NONE:        return x;
    case HN_ACT_CLIP:        return clip(x, a, b);
    case HN_ACT_LEAKY:       return x < 0 ? a * x : x;
    case HN_ACT_SIGMOID:     return 1 / (1 + exp(-x));
    case HN_ACT_TANH:        return tanh(x);
    case HN_ACT_SILU:        return x / (1 + exp(-x));
    case HN_ACT_HARDSIGMOID: return clip(a * x + b, 0, 1);
    case HN_ACT_HARDSWISH:   return x * clip(x / 6 + 0.5, 0, 1);
    case HN_ACT_GELU:        return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case HN_ACT_GELU_TANH:   return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    }
    return x;
}
