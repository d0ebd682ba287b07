/* SPDX-License-Identifier: Apache-2.0 */
/* Guesses: what may come next, cheaply, for the model to check several tokens in one pass.
 *
 * A guess decides nothing: each token is still picked from the model's own logits, which are the same bits
 * however many tokens are read together; where the pick is another token, the rest of the guess is dropped.  So
 * text and seeds give the same answer with guesses and without. */
#ifndef HN_LLM_DRAFT_H
#define HN_LLM_DRAFT_H

#include "llm/lm.h"

enum { HN_GUESS_MAX = 7 };       /* with the token before them they fill a pass of eight */

/* Up to `most` tokens to `out` that may follow `text` and then `last`; none is fine. */
typedef hn_err hn_guess(hn_ctx *cx, void *user, hn_ids text, int32_t last, size_t most, int32_t *out, size_t *count);

typedef struct hn_draft { hn_guess *guess; void *user; } hn_draft;

/* What followed the last time the text ended like this. */
hn_draft hn_draft_lookup(void);

/* What a smaller model of the same vocabulary would say: HN_EARG when the vocabularies differ. */
typedef struct hn_draft_model hn_draft_model;
hn_err hn_draft_model_new(hn_ctx *cx, const hn_lm *m, const hn_lm *small, hn_pool *pool, hn_draft_model **out);
void hn_draft_model_free(hn_draft_model *d);      /* NULL is fine */
hn_draft hn_draft_of_model(hn_draft_model *d);

#endif
