/* SPDX-License-Identifier: Apache-2.0 */
#include "cost/fit.h"

#include <math.h>

#define SLACK 1.02               /* allocators round up */

double hn_cache_bytes(const hn_lm_dims *d, const hn_lm_load *l)
{
    double token = 2 * d->kv_heads * d->head_size * l->kv_element;      /* of one layer: key and value */
    double sliding = d->window > 0 ? d->layers * d->sliding_share : 0;
    double kept = d->window > 0 ? fmin(l->context, d->window) : 0;
    return token * ((d->layers - sliding) * l->context + sliding * kept) * l->parallel;
}

void hn_need_sum(hn_need *n)
{
    n->total = (n->weights + n->cache + n->activations + n->logits + n->runtime) * SLACK;
}

hn_need hn_lm_need(const hn_lm_dims *d, const hn_lm_load *l, double weights, double runtime)
{
    hn_need n = {
        .weights = weights, .cache = hn_cache_bytes(d, l), .runtime = runtime,
        .activations = 4 * l->batch * fmax(d->ffn, 2 * d->width) * 2, .logits = l->parallel * d->vocab * 4,
    };
    hn_need_sum(&n);
    return n;
}

hn_verdict hn_fit_verdict(double need, double available)
{
    double share = need / available;
    return share <= 0.60 ? HN_COMFORTABLE : share <= 0.85 ? HN_FITS : share <= 0.98 ? HN_TIGHT : HN_TOO_BIG;
}

const char *hn_verdict_name(hn_verdict v)
{
    static const char *const name[] = { "comfortable", "fits", "tight", "no" };
    return name[v];
}
