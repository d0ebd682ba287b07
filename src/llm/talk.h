/* SPDX-License-Identifier: Apache-2.0 */
/* Talking: a stream, a sampler and a stop matcher that together make text.
 *
 * One loop serves `generate`, `chat` and the public interface: read a prompt, then take tokens until
 * something ends the answer.  Text comes out in whole characters, and never past a stop string. */
#ifndef HN_LLM_TALK_H
#define HN_LLM_TALK_H

#include "llm/draft.h"
#include "llm/grammar.h"
#include "llm/lm.h"
#include "llm/sample.h"
#include "llm/stop.h"

typedef enum hn_full { HN_FULL_STOP, HN_FULL_SHIFT } hn_full;

typedef struct hn_talk_opts {
    hn_sample_opts sample;
    size_t tokens_max;               /* of the answer; 0: until it ends or the context is full */
    const hn_text *stop; size_t stop_count;
    hn_full on_full;                 /* SHIFT: forget the older half of what lies behind the first token */
    bool ignore_end;                 /* end tokens do not end the answer */
    bool special;                    /* control tokens are shown: what tool calls are read from */
    const hn_grammar *grammar;       /* the answer's; NULL: none.  Borrowed, with its vocabulary, until other options come */
    const hn_vocab *vocab;
    const hn_lora_use *lora; size_t lora_count;      /* adapters; other ones make the stream forget */
    hn_draft draft;                  /* who guesses ahead; changes how fast an answer comes, and nothing else */
    size_t guess_max;                /* tokens guessed at most; 0 reads as 4, more than HN_GUESS_MAX as that */
} hn_talk_opts;

typedef enum hn_end { HN_END_NONE, HN_END_TOKEN, HN_END_STOP, HN_END_LENGTH, HN_END_FULL, HN_END_CALLER } hn_end;

typedef struct hn_talk hn_talk;

/* Lists in the options are copied, grammar and vocabulary are not. */
hn_err hn_talk_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, const hn_talk_opts *o, hn_talk **out);
void hn_talk_free(hn_talk *t);                     /* NULL is fine */
/* Other options from now on, with a sampler as new; what was read stays.  On failure the old ones stay. */
hn_err hn_talk_set(hn_ctx *cx, hn_talk *t, const hn_talk_opts *o);

/* Called with each piece of text, whole characters, and the token that completed it; false ends the answer. */
typedef bool hn_said(void *user, const char *text, size_t len, const hn_sampled *token);

typedef struct hn_talk_stats {
    size_t prompt_tokens, reused_tokens, answer_tokens;
    size_t guessed, guessed_right;                 /* tokens */
    double prompt_ms, answer_ms, first_ms;         /* first_ms: from the call to the first token */
    hn_end end;
} hn_talk_stats;

/* Reads `prompt` (only what differs from what the stream already holds) and answers.  A prompt longer
 * than the context is HN_ELIMIT, saying by how much; nothing is ever cut silently. */
hn_err hn_talk_answer(hn_ctx *cx, hn_talk *t, hn_ids prompt, hn_said *said, void *user, hn_talk_stats *stats);

/* The same step by step, for callers with a loop of their own: read, pick, text, read what was picked ... */
hn_err hn_talk_read(hn_ctx *cx, hn_talk *t, const int32_t *ids, size_t count, float **logits);
/* One token more for each, in one pass: hn_stream_read_each. */
hn_err hn_talk_read_each(hn_ctx *cx, hn_talk *const *t, const int32_t *ids, size_t count);
hn_err hn_talk_pick(hn_ctx *cx, hn_talk *t, hn_sampled *out);       /* from what the last read gave */
/* The whole characters that a token completes; until the next call. */
hn_err hn_talk_text(hn_ctx *cx, hn_talk *t, int32_t id, hn_text *out);
size_t hn_talk_trim(hn_talk *t, size_t count);     /* as hn_stream_trim; half characters go too */

/* As hn_stream_share and hn_stream_load: what is said next goes on from there. */
hn_err hn_talk_share(hn_ctx *cx, hn_talk *t, hn_talk *from, size_t count);
hn_err hn_talk_load(hn_ctx *cx, hn_talk *t, const char *path);

hn_stream *hn_talk_stream(hn_talk *t);

#endif
