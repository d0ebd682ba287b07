/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling: from the logits of one position to the next token.
 *
 *     logits -> bias -> penalties, DRY -> top-n-sigma -> top-k -> typical -> top-p -> min-p -> XTC
 *            -> temperature -> draw
 *
 * Mirostat takes the place of everything from top-n-sigma to XTC.  Equal logits fall to the lower id,
 * and the generator is seeded, so the same logits and options give the same tokens on any machine
 * whose libm agrees.  After hn_sampler_new nothing is allocated. */
#ifndef HN_LLM_SAMPLE_H
#define HN_LLM_SAMPLE_H

#include "base/ctx.h"

typedef struct hn_sampler hn_sampler;      /* state of one stream: generator, history, mirostat */

typedef struct hn_bias { int32_t id; float add; } hn_bias;     /* -INFINITY forbids */

/* Zero in a field turns its step off, but for those that say otherwise. */
typedef struct hn_sample_opts {
    uint64_t seed;
    float temperature;         /* 0: greedy */
    float temperature_range;   /* dynamic: from temperature - range to + range, by entropy */
    float temperature_power;   /* 0 reads as 1 */

    uint32_t top_k;
    float top_p;               /* 0 and 1: off */
    float min_p;
    float typical_p;           /* 0 and 1: off */
    float top_n_sigma;
    float xtc_p, xtc_threshold;
    uint32_t keep_min;         /* tokens that top-p, min-p and typical leave at least; 0 reads as 1 */

    uint32_t penalty_window;   /* last tokens that penalties see */
    float repeat;              /* 0 and 1: off */
    float frequency, presence;

    float dry_multiplier;
    float dry_base;            /* 0 reads as 1.75 */
    uint32_t dry_allowed;      /* repeats up to one less than this are free; 0 reads as 2 */
    uint32_t dry_window;       /* 0 reads as the whole history kept (history_max) */
    const int32_t *dry_break; size_t dry_break_count;   /* tokens no repeat goes across */

    int mirostat;              /* 0, 1 or 2 */
    float tau, eta;            /* target surprise in bits and learning rate; 0 read as 5 and 0.1 */

    const hn_bias *bias; size_t bias_count;
    uint32_t history_max;      /* tokens remembered for penalties and DRY; 0: as many as they need, 4096 for DRY */
    bool logprobs;             /* report the chosen token's log-probability */
    uint32_t top_logprobs;     /* ... and those of this many of the most probable tokens */
} hn_sample_opts;

typedef struct hn_logprob { int32_t id; float logprob; } hn_logprob;

typedef struct hn_sampled {
    int32_t id;
    float logprob;             /* of the model's own distribution, before anything here changed it; NaN
                                  unless asked for */
    const hn_logprob *top; size_t top_count;    /* likewise, best first; until the next call */
} hn_sampled;

/* vocab: logits per position.  Lists in opts are copied. */
hn_err hn_sampler_new(hn_ctx *cx, const hn_sample_opts *opts, size_t vocab, hn_sampler **out);
void hn_sampler_free(hn_sampler *s);                   /* NULL is fine */

/* Tells the history of a token: prompt tokens, and each token picked. */
void hn_sampler_accept(hn_sampler *s, int32_t id);
void hn_sampler_reset(hn_sampler *s);                  /* as new: seed, history, mirostat */

/* Only tokens whose bit is set may be picked (bit id % 32 of word id / 32); tokens past `words` words may not.
 * Borrowed until changed; NULL: all may. */
void hn_sampler_allow(hn_sampler *s, const uint32_t *mask, size_t words);

/* Picks; does not accept.  NaN counts as -INFINITY.  HN_EFORMAT when nothing may be picked. */
hn_err hn_sampler_pick(hn_ctx *cx, hn_sampler *s, const float *logits, hn_sampled *out);

#endif
