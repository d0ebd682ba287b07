/* SPDX-License-Identifier: Apache-2.0 */
/* Fit: what a model needs in memory against what a machine has to give.  All in bytes. */
#ifndef HN_COST_FIT_H
#define HN_COST_FIT_H

#include <stddef.h>

/* Shape of a language model, as its file or the catalogue gives it. */
typedef struct hn_lm_dims {
    double layers, width, ffn, kv_heads, head_size, vocab;
    double window;               /* layers that slide keep no more than this; 0: none slide */
    double sliding_share;        /* of the layers; 0 to 1 */
} hn_lm_dims;

typedef struct hn_lm_load {
    double context;              /* tokens per sequence */
    double parallel;             /* sequences at once */
    double batch;                /* prompt tokens read at once */
    double kv_element;           /* bytes: f32 4, f16 2, q8_0 34/32, q4_0 18/32 */
} hn_lm_load;

typedef struct hn_need {
    double weights, cache, activations, logits, runtime;
    double total;                /* with 2 % for what allocators lose */
} hn_need;

double hn_cache_bytes(const hn_lm_dims *d, const hn_lm_load *l);       /* of all sequences */
hn_need hn_lm_need(const hn_lm_dims *d, const hn_lm_load *l, double weights, double runtime);
void hn_need_sum(hn_need *n);

/* On need / available: to 0.60 comfortable, to 0.85 fits, to 0.98 tight, above that no. */
typedef enum hn_verdict { HN_COMFORTABLE, HN_FITS, HN_TIGHT, HN_TOO_BIG } hn_verdict;
hn_verdict hn_fit_verdict(double need, double available);
const char *hn_verdict_name(hn_verdict v);

#endif
