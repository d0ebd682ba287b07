/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders: a text becomes a vector, or a pair of texts a score.
 *
 * An embedder belongs to one thread; many may share a model.  It keeps the plan for the last length. */
#ifndef HN_LLM_EMBED_H
#define HN_LLM_EMBED_H

#include "llm/lm.h"

typedef struct hn_embedder hn_embedder;

/* HN_EUNSUP when the model is no encoder. */
hn_err hn_embedder_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, hn_embedder **out);
void hn_embedder_free(hn_embedder *e);                 /* NULL is fine */

size_t hn_embedder_width(const hn_embedder *e);        /* of the vector; 1 for most that give scores */
bool hn_embedder_scores(const hn_embedder *e);         /* made for pairs, gives a score */

/* ids with their special tokens -> out [width], pooled as the file says, not normalised.  HN_ELIMIT past the
 * model's context. */
hn_err hn_embed(hn_ctx *cx, hn_embedder *e, hn_ids ids, float *out);

/* Text to ids; with `second`, the pair as such models read it: first, separator, second, separator. */
hn_err hn_embed_tokens(hn_ctx *cx, const hn_lm *m, hn_text first, const hn_text *second, hn_arena *a, hn_ids *ids);

void hn_embed_normalise(float *v, size_t width);       /* to length 1; zeros stay */

#endif
