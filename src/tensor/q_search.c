/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/q_search.h"

#include <string.h>

#include "tensor/q_impl.h"

/* Below this a run counts as zero: its scale would not survive storage. */
#define TINY 1e-15f

static float error_of(const float *x, const float *w, int n, const int *q, float s, float lo, bool absolute)
{
    float sum = 0;
    for (int i = 0; i < n; i++) {
        float d = s * (float)q[i] + lo - x[i];
        d = absolute ? fabsf(d) : d * d;
        sum += w[i] * d;
    }
    return sum;
}

/* The least-squares line through (q, x): slope s and offset lo, which stays at or below zero. */
static bool fit_line(const float *x, const float *w, int n, const int *q, float sw, float sx, float *s, float *lo)
{
    float sl = 0, sll = 0, sxl = 0;
    for (int i = 0; i < n; i++) {
        float l = (float)q[i];
        sl += w[i] * l;
        sll += w[i] * l * l;
        sxl += w[i] * l * x[i];
    }
    float det = sw * sll - sl * sl;
    if (!(det > 0))
        return false;
    *s = (sw * sxl - sx * sl) / det;
    *lo = (sll * sx - sl * sxl) / det;
    if (*lo > 0) {
        *lo = 0;
        *s = sxl / sll;
    }
    return true;
}

float hn_q_search_raised(const float *x, const float *w, int n, hn_q_grid grid, int *q, float *m)
{
    float lo = x[0], hi = x[0], sw = w[0], sx = w[0] * x[0];
    for (int i = 1; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
        sw += w[i];
        sx += w[i] * x[i];
    }
    lo = lo > 0 ? 0 : lo;
    memset(q, 0, (size_t)n * sizeof *q);
    *m = -lo;
    if (hi == lo)
        return 0;

    float inverse = (float)grid.top / (hi - lo), s = 1 / inverse;
    for (int i = 0; i < n; i++)
        q[i] = hn_q_even(inverse * (x[i] - lo), 0, grid.top);
    float best = error_of(x, w, n, q, s, lo, grid.absolute);

    for (int k = 0; k <= grid.steps; k++) {
        int trial[HN_Q_RUN_MAX];
        float s2, lo2;
        /* `lo` is the best minimum so far: each gain narrows the next candidates. */
        inverse = (grid.first + grid.step * (float)k + (float)grid.top) / (hi - lo);
        for (int i = 0; i < n; i++)
            trial[i] = hn_q_even(inverse * (x[i] - lo), 0, grid.top);
        if (!fit_line(x, w, n, trial, sw, sx, &s2, &lo2))
            continue;
        float error = error_of(x, w, n, trial, s2, lo2, grid.absolute);
        if (error < best) {
            memcpy(q, trial, (size_t)n * sizeof *q);
            best = error;
            s = s2;
            lo = lo2;
        }
    }
    *m = -lo;
    return s;
}

/* The element of largest magnitude, its sign kept; 0 when all are tiny. */
static float farthest(const float *x, int n)
{
    float far = 0, size = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > size) {
            size = fabsf(x[i]);
            far = x[i];
        }
    return size < TINY ? 0 : far;
}

float hn_q_search_centred(const float *x, const float *w, int n, int top, int *q)
{
    float far = farthest(x, n), s = 0, best = 0;
    memset(q, 0, (size_t)n * sizeof *q);
    if (far == 0)
        return 0;

    for (int k = 0; k < 19; k++) {
        int step = k == 0 ? 0 : k <= 9 ? k - 10 : k - 9;      /* 0, then -9..-1, 1..9 */
        float inverse = -((float)top + 0.1f * (float)step) / far, sxl = 0, sll = 0;
        int trial[HN_Q_RUN_MAX];
        for (int i = 0; i < n; i++) {
            int l = hn_q_even(inverse * x[i], -top, top - 1);
            trial[i] = l + top;
            sxl += w[i] * x[i] * (float)l;
            sll += w[i] * (float)l * (float)l;
        }
        if (k > 0 && !(sll > 0 && sxl * sxl > best * sll))
            continue;
        memcpy(q, trial, (size_t)n * sizeof *q);
        s = sll != 0 ? sxl / sll : 0;
        best = s * sxl;
    }
    return s;
}

float hn_q_search_sweep(const float *x, int n, int top, int *q)
{
    float far = farthest(x, n), sxl = 0, sll = 0;
    memset(q, 0, (size_t)n * sizeof *q);
    if (far == 0)
        return 0;

    float inverse = (float)-top / far;
    for (int i = 0; i < n; i++) {
        q[i] = hn_q_even(inverse * x[i], -top, top - 1);
        float w = x[i] * x[i], l = (float)q[i];
        sxl += w * x[i] * l;
        sll += w * l * l;
    }
    bool changed = true;
    for (int sweep = 0; sweep < 5 && changed; sweep++) {
        changed = false;
        for (int i = 0; i < n; i++) {
            float w = x[i] * x[i], l = (float)q[i];
            float rest_xl = sxl - w * x[i] * l, rest_ll = sll - w * l * l;
            if (!(rest_xl > 0))
                continue;
            int better = hn_q_even(x[i] * rest_ll / rest_xl, -top, top - 1);
            if (better == q[i])
                continue;
            l = (float)better;
            rest_xl += w * x[i] * l;
            rest_ll += w * l * l;
            if (rest_ll > 0 && rest_xl * rest_xl * sll > sxl * sxl * rest_ll) {
                q[i] = better;
                sxl = rest_xl;
                sll = rest_ll;
                changed = true;
            }
        }
    }
    for (int i = 0; i < n; i++)
        q[i] += top;
    return sll > 0 ? sxl / sll : 0;
}

int hn_q_nearest_level(const signed char level[16], float x)
{
    if (!(x > level[0]))
        return 0;
    if (x >= level[15])
        return 15;
    int above = 1;
    while (x >= level[above])
        above++;
    return x - level[above - 1] < level[above] - x ? above - 1 : above;
}

float hn_q_search_table(const float *x, const float *w, int n, const signed char level[16])
{
    enum { REACH = 7 };
    float far = farthest(x, n), s = 0, best = 0;
    if (far == 0)
        return 0;

    for (int k = -REACH - 1; k <= REACH; k++) {
        /* The first trial is the plain scale, rounded as -far / level[0] and its inverse. */
        float inverse = k < -REACH ? 1 / (-far / level[0]) : (float)(k + level[0]) / far;
        float sxl = 0, sll = 0;
        for (int i = 0; i < n; i++) {
            float l = level[hn_q_nearest_level(level, inverse * x[i])];
            sxl += w[i] * l * x[i];
            sll += w[i] * l * l;
        }
        if (k < -REACH || (sll > 0 && sxl * sxl > best * sll)) {
            s = sxl / sll;
            best = s * sxl;
        }
    }
    return s;
}

/* Plain rounding by scale `inverse`: sum of w (x - q / inverse)^2. */
static float error_at(const float *x, const float *w, int n, int top, float inverse)
{
    float s = 1 / inverse, sum = 0;
    for (int i = 0; i < n; i++) {
        float d = x[i] - s * (float)hn_q_even(inverse * x[i], 0, top);
        sum += w[i] * d * d;
    }
    return sum;
}

float hn_q_search_positive(const float *x, const float *w, int n, int top, int *q)
{
    float most = 0, sxl = 0, sll = 0;
    for (int i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    memset(q, 0, (size_t)n * sizeof *q);
    if (most < TINY)
        return 0;

    float inverse = (float)top / most, best = error_at(x, w, n, top, inverse);
    for (int k = -4; k <= 4; k++) {
        float trial = (0.1f * (float)k + (float)top) / most, error = k ? error_at(x, w, n, top, trial) : best;
        if (error < best) {
            best = error;
            inverse = trial;
        }
    }
    for (int i = 0; i < n; i++) {
        q[i] = hn_q_even(inverse * x[i], 0, top);
        float l = (float)q[i];
        sxl += w[i] * x[i] * l;
        sll += w[i] * l * l;
    }
    bool changed = true;
    for (int sweep = 0; sweep < 5 && changed; sweep++) {
        changed = false;
        for (int i = 0; i < n; i++) {
            float l = (float)q[i], rest_xl = sxl - w[i] * x[i] * l, rest_ll = sll - w[i] * l * l;
            int better = rest_xl > 0 && rest_ll > 0 ? hn_q_even(x[i] * rest_ll / rest_xl, 0, top) : q[i];
            if (better == q[i])
                continue;
            l = (float)better;
            rest_xl += w[i] * x[i] * l;
            rest_ll += w[i] * l * l;
            if (rest_xl * rest_xl * sll > sxl * sxl * rest_ll) {
                q[i] = better;
                sxl = rest_xl;
                sll = rest_ll;
                changed = true;
            }
        }
    }
    return sll > 0 ? sxl / sll : 0;
}

float hn_q_mean_square(const float *x, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum / (float)n;
}

void hn_q_weigh(const float *x, const float *importance, float mean, int n, float *w)
{
    for (int i = 0; i < n; i++)
        w[i] = importance[i] * sqrtf(mean + x[i] * x[i]);
}
