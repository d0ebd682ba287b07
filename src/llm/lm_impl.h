/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a stream share. */
#ifndef HN_LLM_LM_IMPL_H
#define HN_LLM_LM_IMPL_H

#include "llm/lm.h"

/* Tokens read in one pass.  More would unpack weights less often; activations grow with it. */
#define HN_CHUNK 128

/* A plan for one number of rows in and of logits out.  Packed weights are the model's, so a plan is
 * cheap: steps, and activations for its rows. */
typedef struct hn_pass {
    size_t rows, wanted;
    hn_plan *plan;
    hn_session *session;
    uint64_t used;               /* when last: the oldest makes room */
} hn_pass;

/* Places for plans: one for single tokens, some for a few (guesses that are checked together), two for many. */
enum { HN_PASS_ONE, HN_PASS_MANY, HN_PASS_FEW = 3, HN_PASSES = 10, HN_FEW = 8 };

struct hn_stream {
    hn_ctx cx;
    const hn_lm *m;
    hn_pool *pool;
    hn_kv *kv;
    hn_graph *own;               /* the model's graph with adapters in it; NULL: the model's as it is */
    hn_lora_use *lora; size_t lora_count;
    hn_pass pass[HN_PASSES];
    uint64_t clock;
    int32_t *held;               /* every token read, in order: [context] */
    int32_t *ids, *positions;    /* [HN_CHUNK] */
    int64_t *rows;               /* [HN_CHUNK] */
    float *logits;               /* [vocab], of what was read beside other streams; NULL before that */
};

hn_err hn_stream_new_kv(hn_ctx *cx, const hn_stream *s, hn_kv **out);     /* an empty cache as this stream has one */

#endif
