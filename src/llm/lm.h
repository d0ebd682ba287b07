/* SPDX-License-Identifier: Apache-2.0 */
/* Language models: a file, understood, and streams of text on it.
 *
 * A model is read-only and shared; a stream has a key-value cache, tokens already read, and plans for
 * the few row counts it meets.  A token's logits do not depend on how tokens were grouped into calls. */
#ifndef HN_LLM_LM_H
#define HN_LLM_LM_H

#include "llm/build.h"
#include "llm/tok.h"
#include "runtime/packs.h"
#include "runtime/session.h"

typedef struct hn_lm_opts {
    size_t context;              /* tokens; 0: the model's own, at most 4096 */
    hn_qtype kv;                 /* HN_QT_NONE reads as F16 */
    unsigned threads;            /* at most the pool's */
    const hn_kernels *kernels;   /* NULL: the best here */
    bool eval;                   /* operators' own plain code: the oracle */
    bool keep_all;               /* pages that sliding windows have left behind stay: for trimming at will */
} hn_lm_opts;

typedef struct hn_lm {
    hn_gguf *file;
    hn_tok *tok;                 /* NULL when the file has no tokenizer */
    hn_graph *graph;
    hn_lm_shape shape;
    hn_lm_opts o;                /* with defaults filled in */
    hn_shared_packs *packs;      /* weights as the kernels want them, made when the first stream reads */
    bool mapped;                 /* the file is mapped: its pages can be given back */
} hn_lm;

hn_err hn_lm_open(hn_ctx *cx, const char *path, const hn_lm_opts *o, hn_lm *out);
hn_err hn_lm_open_memory(hn_ctx *cx, const void *data, size_t len, const hn_lm_opts *o, hn_lm *out);
void hn_lm_close(hn_lm *m);      /* safe on a zeroed model */

typedef struct hn_stream hn_stream;

hn_err hn_stream_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, hn_stream **out);
void hn_stream_free(hn_stream *s);                /* NULL is fine */

/* Adapters from now on, borrowed until others come; none with count 0.  Other ones than before make the
 * stream forget what it read.  On failure all stays. */
hn_err hn_stream_adapt(hn_ctx *cx, hn_stream *s, const hn_lora_use *lora, size_t count);

/* Reads `count` tokens after those already read.  *logits: of the last one, [vocab], or of all of them,
 * [count, vocab], when `all`; until the next call.  HN_ELIMIT, with nothing read, when they do not fit.
 * `all` is for at most hn_stream_chunk() tokens a call. */
hn_err hn_stream_read(hn_ctx *cx, hn_stream *s, const int32_t *ids, size_t count, bool all, float **logits);
size_t hn_stream_chunk(const hn_stream *s);

/* Each of `count` streams, at most hn_stream_chunk(), reads one token more, ids[i] by s[i], in one pass over the
 * weights.  The streams are different ones on one model, with the same adapters; each has the bits it would have alone.
 * logits[i]: of s[i], [vocab], until it reads again.  When it fails, none has read. */
hn_err hn_stream_read_each(hn_ctx *cx, hn_stream *const *s, const int32_t *ids, size_t count, float **logits);
size_t hn_stream_count(const hn_stream *s);       /* tokens read */
hn_ids hn_stream_ids(const hn_stream *s);         /* which, until the next read */
size_t hn_stream_room(const hn_stream *s);        /* tokens that still fit */
/* Forgets tokens from `count` on and returns how many are left: none instead of `count` in a model with windows or
 * states that have moved on. */
size_t hn_stream_trim(hn_stream *s, size_t count);
size_t hn_stream_kv_bytes(const hn_stream *s);    /* what is shared counts for this stream's part */
size_t hn_stream_arena_bytes(const hn_stream *s);

/* `s` becomes the first `count` tokens of `from`, without reading them: their keys and values are shared until one of
 * the two would write there.  HN_EARG when they are not all there, or model or adapters are others. */
hn_err hn_stream_share(hn_ctx *cx, hn_stream *s, const hn_stream *from, size_t count);

/* What was read, to a file and back.  The file says which model, adapters and type of cache it is of, and is refused
 * elsewhere; what comes back is the same bits.  On failure the stream keeps what it had. */
hn_err hn_stream_save(hn_ctx *cx, const hn_stream *s, const char *path);
hn_err hn_stream_load(hn_ctx *cx, hn_stream *s, const char *path);
hn_err hn_stream_load_memory(hn_ctx *cx, hn_stream *s, const void *data, size_t len);

#endif
