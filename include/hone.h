/* SPDX-License-Identifier: Apache-2.0 */
/* hone.h: run trained models on small machines.
 *
 *     hone_ctx     allocator, log, limits, threads: one per program
 *     hone_model   a model file, understood; read-only, shared by threads
 *     hone_session one stream of inference: its memory is planned before it is made
 *     hone_lm      a language model, understood; read-only, shared by threads
 *     hone_stream  one conversation with it
 *
 * A first program:
 *
 *     hone_ctx *ctx;  hone_model *model;  hone_session *session;  hone_error err;
 *     if (hone_ctx_new(NULL, &ctx, &err) ||
 *         hone_model_open(ctx, "model.onnx", NULL, &model, &err) ||
 *         hone_session_new(model, NULL, &session, &err) ||
 *         hone_session_set_input(session, 0, pixels, sizeof pixels, &err) ||
 *         hone_session_run(session, &err))
 *         fprintf(stderr, "%s\n", err.message);
 *
 * Every call that can fail returns a status and, where `err` is not NULL, says why in words:
 * the error belongs to the call, so threads never see each other's.  Results leave through
 * pointers that are written only on success.  All text is UTF-8.
 *
 * Threads: a context and a model of either kind may be used from many threads; a session and a stream by
 * one at a time. */
#ifndef HONE_H
#define HONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_VERSION "0.1.0"
#if defined(__GNUC__)
#define HONE_API __attribute__((visibility("default")))
#else
#define HONE_API
#endif

typedef enum hone_status {
    HONE_OK = 0,
    HONE_NO,              /* the answer is no */
    HONE_ERROR_ARG,       /* the call was used wrongly */
    HONE_ERROR_FORMAT,    /* input is damaged or not understood */
    HONE_ERROR_UNSUP,     /* valid, but not supported here */
    HONE_ERROR_NOMEM,     /* out of memory */
    HONE_ERROR_LIMIT,     /* over a configured limit */
    HONE_ERROR_IO,        /* a file cannot be read or written */
    HONE_ERROR_NET,       /* the network or a peer failed */
    HONE_ERROR_REFUSED    /* refused on security grounds */
} hone_status;

typedef struct hone_error {
    hone_status status;
    char message[512];    /* names the thing, what was expected, what was found */
} hone_error;

HONE_API const char *hone_version(void);                 /* "0.1.0" */
HONE_API const char *hone_status_text(hone_status s);    /* one line, static */

/* ---- Context ------------------------------------------------------------------------- */

typedef struct hone_ctx hone_ctx;

typedef struct hone_ctx_opts {
    size_t size;          /* sizeof(hone_ctx_opts): lets the struct grow */

    /* Like realloc: bytes 0 frees, old NULL allocates.  NULL: the C library's.  Any thread. */
    void *(*alloc)(void *user, void *old, size_t bytes);
    void *alloc_user;

    /* One line, no newline; level 0 error .. 3 debug.  NULL: silence.  Any thread. */
    void (*log)(void *user, int level, const char *line);
    void *log_user;

    unsigned threads;          /* in all; 0: as many as this process may use */
    size_t tensor_bytes_max;   /* one tensor a model may ask for; 0: 4 GiB */
} hone_ctx_opts;

/* opts NULL: defaults.  Starts the worker threads. */
HONE_API hone_status hone_ctx_new(const hone_ctx_opts *opts, hone_ctx **out, hone_error *err);

/* After every model and session made from it is closed. */
HONE_API void hone_ctx_free(hone_ctx *ctx);

/* ---- Model --------------------------------------------------------------------------- */

typedef struct hone_model hone_model;

typedef enum hone_dtype {      /* the codes of onnx.TensorProto.DataType */
    HONE_F32 = 1, HONE_U8 = 2, HONE_I8 = 3, HONE_U16 = 4, HONE_I16 = 5, HONE_I32 = 6, HONE_I64 = 7,
    HONE_STR = 8, HONE_BOOL = 9, HONE_F16 = 10, HONE_F64 = 11, HONE_U32 = 12, HONE_U64 = 13,
    HONE_C64 = 14, HONE_C128 = 15, HONE_BF16 = 16, HONE_F8E4M3FN = 17, HONE_F8E4M3FNUZ = 18,
    HONE_F8E5M2 = 19, HONE_F8E5M2FNUZ = 20, HONE_U4 = 21, HONE_I4 = 22, HONE_F4E2M1 = 23,
    HONE_F8E8M0 = 24, HONE_U2 = 25, HONE_I2 = 26, HONE_F6E2M3 = 27, HONE_F6E3M2 = 28
} hone_dtype;

#define HONE_RANK_MAX 8

/* What a model says of one input or output. */
typedef struct hone_io {
    const char *name;                       /* valid until the model closes */
    hone_dtype dtype;
    int rank;                               /* -1: any */
    int64_t dim[HONE_RANK_MAX];             /* -1: not fixed by the model */
    const char *dim_name[HONE_RANK_MAX];    /* of a dimension that is not fixed; NULL otherwise */
} hone_io;

typedef struct hone_model_opts {
    size_t size;
    bool no_optimize;          /* leave the graph as it is in the file */
    size_t idle_plan_bytes;    /* plans for shapes no session has now are kept while they hold at most this much, the
                                * longest unused go first: shapes that come again cost nothing.  0: none is kept */
} hone_model_opts;

/* Reads and checks a model file, keeps it mapped until the model closes.  opts may be NULL. */
HONE_API hone_status hone_model_open(hone_ctx *ctx, const char *path, const hone_model_opts *opts,
                                     hone_model **out, hone_error *err);
/* The same from memory, which must stay until the model closes. */
HONE_API hone_status hone_model_open_memory(hone_ctx *ctx, const void *data, size_t size,
                                            const hone_model_opts *opts, hone_model **out,
                                            hone_error *err);
HONE_API void hone_model_close(hone_model *model);       /* NULL is fine */

HONE_API size_t hone_model_inputs(const hone_model *model);
HONE_API size_t hone_model_outputs(const hone_model *model);
HONE_API hone_status hone_model_input(const hone_model *model, size_t i, hone_io *out);
HONE_API hone_status hone_model_output(const hone_model *model, size_t i, hone_io *out);

/* Fixes input i for good, before the first session: a number that chooses a branch, like a sample rate.  Plans
 * leave out what it rules out, and sessions need not bind it.  The bytes are copied. */
HONE_API hone_status hone_model_fix_input(hone_model *model, size_t i, const void *data, size_t bytes,
                                          hone_error *err);

/* A text the file carries about itself ("labels", "author"), or NULL.  Valid until close. */
HONE_API const char *hone_model_meta(const hone_model *model, const char *key);

/* ---- A device's store ------------------------------------------------------------------ */

/* `hone agent` keeps models in a store and replaces them while applications run.  An application opens
 * "the current model NAME", watches for changes, and opens again when told: what it has open stays as it is.
 *
 *     hone_current current;
 *     hone_model_open_current(ctx, "/var/lib/hone", "kws", NULL, &model, &current, &err);
 *     hone_watch_new(ctx, "/var/lib/hone", "kws", &watch, &err);
 *     ... poll(hone_watch_fd(watch)); if (hone_watch_changed(watch)) open again, close the old one ... */

typedef struct hone_current {
    uint64_t build;            /* what was opened */
    bool trial;                /* it is on trial: report how it does */
} hone_current;

typedef struct hone_current_opts {
    size_t size;
    const hone_model_opts *model;
    bool trial;                /* take part in trials: a new build that is on trial is opened, and this start
                                * counted against it, durably, before the call returns.  For programs that live
                                * long and report. */
    bool second;               /* the second build of an A/B test or a shadow (hone store compare) */
} hone_current_opts;

/* HONE_NO when no such model is installed.  opts may be NULL; current may be NULL. */
HONE_API hone_status hone_model_open_current(hone_ctx *ctx, const char *store, const char *name,
                                             const hone_current_opts *opts, hone_model **out,
                                             hone_current *current, hone_error *err);

typedef struct hone_watch hone_watch;

HONE_API hone_status hone_watch_new(hone_ctx *ctx, const char *store, const char *name, hone_watch **out,
                                    hone_error *err);
HONE_API int hone_watch_fd(const hone_watch *watch);       /* to poll: readable when something changed */
/* Reads what there is to read, never waits; true when another build counts than at the last call, or a
 * trial began or ended. */
HONE_API bool hone_watch_changed(hone_watch *watch);
HONE_API void hone_watch_free(hone_watch *watch);          /* NULL is fine */

typedef enum hone_event { HONE_EVENT_GOOD, HONE_EVENT_ERROR, HONE_EVENT_NAN } hone_event;

/* Tells the agent how a run of `build` went and how long it took: on that it keeps a build or goes back. */
HONE_API hone_status hone_report(hone_ctx *ctx, const char *store, const char *name, uint64_t build,
                                 hone_event event, double milliseconds, hone_error *err);
/* Tells it the mean of an input or output over some runs: a build whose numbers lie further from the recorded ones
 * than its manifest allows (hone package --max-drift) is taken back. */
HONE_API hone_status hone_report_mean(hone_ctx *ctx, const char *store, const char *name, uint64_t build,
                                      const char *port, double mean, hone_error *err);

/* ---- Session ------------------------------------------------------------------------- */

typedef struct hone_session hone_session;

/* Fixes dimensions the model leaves open, by name ("N", "height"). */
typedef struct hone_dim { const char *name; int64_t value; } hone_dim;

/* What a session is for, where `threads` is 0.  LATENCY: each run takes all threads of the context, and runs of
 * different sessions take turns.  THROUGHPUT: each run stays on the thread that calls it, so that as many sessions
 * as there are processors give the most answers a second. */
typedef enum hone_hint { HONE_HINT_LATENCY, HONE_HINT_THROUGHPUT } hone_hint;

typedef struct hone_session_opts {
    size_t size;
    const hone_dim *dims;      /* open dimensions not listed: 1 */
    size_t dim_count;
    unsigned threads;          /* at most this many of the context's; 0: as the hint has it */
    hone_hint hint;
} hone_session_opts;

typedef struct hone_memory {
    size_t arena;              /* activations: one block, exact */
    size_t weights;            /* packed copies of weights, shared by a model's sessions */
    size_t mapped;             /* bytes of the file used in place */
    size_t total;              /* arena + weights + bookkeeping */
    bool exact;                /* false when some shapes are known only at run time */
} hone_memory;

/* What a session with these options will need, before anything of it is allocated. */
HONE_API hone_status hone_memory_need(hone_model *model, const hone_session_opts *opts,
                                      hone_memory *out, hone_error *err);

HONE_API hone_status hone_session_new(hone_model *model, const hone_session_opts *opts,
                                      hone_session **out, hone_error *err);
HONE_API void hone_session_free(hone_session *session);       /* NULL is fine */

/* Binds a caller-owned buffer: it must hold exactly the tensor's bytes, is read at each run and
 * must stay until the session is freed or the input bound anew. */
HONE_API hone_status hone_session_set_input(hone_session *session, size_t i, const void *data,
                                            size_t bytes, hone_error *err);
/* Changes input i's shape as well; the plan is made anew when it differs. */
HONE_API hone_status hone_session_set_input_shape(hone_session *session, size_t i, int rank,
                                                  const int64_t *dim, hone_error *err);
/* Optional: outputs go to this caller-owned buffer; otherwise they lie in the session. */
HONE_API hone_status hone_session_set_output(hone_session *session, size_t i, void *data,
                                             size_t bytes, hone_error *err);

/* After the first run with the same shapes: allocates nothing. */
HONE_API hone_status hone_session_run(hone_session *session, hone_error *err);

/* After a run, HONE_ERROR_ARG before: where output i lies and its shape, valid until the next run. */
HONE_API hone_status hone_session_output(const hone_session *session, size_t i, const void **data,
                                         hone_io *shape);

/* ---- Language models -------------------------------------------------------------------
 *
 *     hone_lm *lm;  hone_stream *stream;  char text[4096];  int32_t ids[1024];  size_t len, count;
 *     if (hone_lm_open(ctx, "model.gguf", NULL, &lm, &err) ||
 *         hone_lm_chat(lm, "[{\"role\": \"user\", \"content\": \"Hello\"}]", text, sizeof text, &len, &err) ||
 *         hone_lm_tokenize(lm, text, len, HONE_TOKENS_PARSE, ids, 1024, &count, &err) ||
 *         hone_stream_new(lm, NULL, &stream, &err) ||
 *         hone_stream_answer(stream, ids, count, NULL, print, NULL, NULL, &err))
 *         fprintf(stderr, "%s\n", err.message);
 *
 * Text and ids go to the caller's buffers.  What they need is told in *count or *len even when they are
 * too small, which is HONE_ERROR_LIMIT; so a first call with no room asks for the size. */

typedef struct hone_lm hone_lm;

typedef enum hone_kv { HONE_KV_F16 = 0, HONE_KV_F32, HONE_KV_Q8_0, HONE_KV_Q4_0 } hone_kv;

typedef struct hone_lm_opts {
    size_t size;
    size_t context;            /* tokens a stream may hold; 0: the model's own, at most 4096 */
    hone_kv kv;                /* how keys and values are kept */
} hone_lm_opts;

/* A GGUF file, or the first part of a split one; kept mapped until the model closes.  opts may be NULL. */
HONE_API hone_status hone_lm_open(hone_ctx *ctx, const char *path, const hone_lm_opts *opts, hone_lm **out,
                                  hone_error *err);
/* The same from memory aligned to 8 bytes, which must stay until the model closes. */
HONE_API hone_status hone_lm_open_memory(hone_ctx *ctx, const void *data, size_t size, const hone_lm_opts *opts,
                                         hone_lm **out, hone_error *err);
/* After every stream on it is freed.  NULL is fine. */
HONE_API void hone_lm_close(hone_lm *lm);

typedef struct hone_lm_info {
    size_t vocab;              /* logits per position */
    size_t context;            /* tokens a stream may hold */
    size_t layers, width;
    size_t kv_bytes;           /* of keys and values, per token */
    int32_t bos, eos;          /* begin and end tokens; -1: none */
    bool text;                 /* has a tokenizer; without one there are only ids and logits */
    bool chat;                 /* has a chat template */
} hone_lm_info;

HONE_API void hone_lm_describe(const hone_lm *lm, hone_lm_info *out);

enum {
    HONE_TOKENS_SPECIAL = 1,   /* with begin and end tokens where the model wants them; shown when decoding */
    HONE_TOKENS_PARSE = 2      /* control tokens written in the text count as such: for chats */
};

HONE_API hone_status hone_lm_tokenize(const hone_lm *lm, const char *text, size_t len, unsigned flags,
                                      int32_t *ids, size_t cap, size_t *count, hone_error *err);
/* The exact bytes ids stand for, which may end inside a character; no zero at the end. */
HONE_API hone_status hone_lm_detokenize(const hone_lm *lm, const int32_t *ids, size_t count, unsigned flags,
                                        char *text, size_t cap, size_t *len, hone_error *err);
HONE_API bool hone_lm_is_end(const hone_lm *lm, int32_t id);      /* does this token end an answer? */

/* Messages as the model's chat template writes them.  json: [{"role": "user", "content": "..."}, ...], or an
 * object with "messages" and whatever else the template knows ("tools", ...).  No zero at the end. */
HONE_API hone_status hone_lm_chat(const hone_lm *lm, const char *json, char *text, size_t cap, size_t *len,
                                  hone_error *err);

/* An answer as a chat holds it: {"role", "content", and where there are any "reasoning_content" and "tool_calls" of
 * {"id", "type", "function": {"name", "arguments": {...}}}}.  text: said with hone_answer_opts.special.  tools: the
 * list that was offered, as JSON; NULL: not known.  No zero at the end. */
HONE_API hone_status hone_lm_message(const hone_lm *lm, const char *text, size_t text_len, const char *tools,
                                     char *json, size_t cap, size_t *len, hone_error *err);

/* What an answer must look like; read-only, for any number of streams on its model. */
typedef struct hone_grammar hone_grammar;

/* text: GBNF, as llama.cpp's grammar files are written. */
HONE_API hone_status hone_grammar_new(hone_lm *lm, const char *text, hone_grammar **out, hone_error *err);
/* json: a JSON schema.  HONE_ERROR_UNSUP names a keyword that cannot be kept to. */
HONE_API hone_status hone_grammar_from_schema(hone_lm *lm, const char *json, hone_grammar **out, hone_error *err);
/* After the streams that use it have other sampling or are freed, before its model closes.  NULL is fine. */
HONE_API void hone_grammar_free(hone_grammar *grammar);

/* ---- Streams ------------------------------------------------------------------------- */

typedef struct hone_stream hone_stream;

typedef struct hone_bias { int32_t id; float add; } hone_bias;     /* -INFINITY forbids */

/* Zero in a field turns its step off.  The same seed, options and ids give the same tokens. */
typedef struct hone_sampling {
    size_t size;
    uint64_t seed;
    float temperature;         /* 0: always the most probable token */
    uint32_t top_k;
    float top_p, min_p, typical_p;
    uint32_t penalty_window;   /* last tokens that penalties see */
    float repeat, frequency, presence;
    float dry;                 /* strength of the penalty on repeated passages */
    int mirostat;              /* 0, 1 or 2, with target surprise tau (0: 5) and rate eta (0: 0.1) */
    float tau, eta;
    const hone_bias *bias;
    size_t bias_count;
    bool logprobs;             /* tell log-probabilities of tokens picked */
    const hone_grammar *grammar;    /* only what it allows is picked; begins anew with each answer.  Borrowed */
} hone_sampling;

typedef struct hone_token {
    int32_t id;
    float logprob;             /* of the model's own distribution; NaN unless asked for */
} hone_token;

/* how NULL: the most probable token, always.  It is copied. */
HONE_API hone_status hone_stream_new(hone_lm *lm, const hone_sampling *how, hone_stream **out, hone_error *err);
HONE_API void hone_stream_free(hone_stream *stream);              /* NULL is fine */
/* Another way to pick from now on, begun with its seed.  On failure the old one stays. */
HONE_API hone_status hone_stream_sampling(hone_stream *stream, const hone_sampling *how, hone_error *err);

/* ---- Adapters: LoRA files that change what a model says --------------------------------- */

typedef struct hone_adapter hone_adapter;         /* read-only, for any number of streams on its model */

HONE_API hone_status hone_adapter_open(hone_lm *lm, const char *path, hone_adapter **out, hone_error *err);
/* After the streams that use it have others or are freed, before its model closes.  NULL is fine. */
HONE_API void hone_adapter_close(hone_adapter *adapter);

typedef struct hone_adapter_use { const hone_adapter *adapter; float scale; } hone_adapter_use;

/* All of these at once from now on; count 0: none.  Other ones than before make the stream forget what it read.
 * On failure it keeps what it had. */
HONE_API hone_status hone_stream_adapt(hone_stream *stream, const hone_adapter_use *uses, size_t count,
                                       hone_error *err);

/* ---- Guessing ahead: several tokens checked in one pass -------------------------------- */

typedef enum hone_guess {
    HONE_GUESS_NONE = 0,
    HONE_GUESS_LOOKUP,         /* what followed the last time the text ended like this */
    HONE_GUESS_MODEL           /* what a smaller model of the same vocabulary would say */
} hone_guess;

/* Changes how fast answers come and nothing else: every token is still picked from this model's own logits.  small: for
 * HONE_GUESS_MODEL, and must stay until another way is set or the stream is freed; otherwise NULL.  most: tokens
 * guessed at once, 1 to 7; 0: 4.  On failure the old way stays. */
HONE_API hone_status hone_stream_guess(hone_stream *stream, hone_guess how, hone_lm *small, size_t most,
                                       hone_error *err);

/* ---- Answers --------------------------------------------------------------------------- */

typedef enum hone_on_full { HONE_FULL_STOP = 0, HONE_FULL_SHIFT } hone_on_full;

typedef struct hone_answer_opts {
    size_t size;
    size_t tokens_max;         /* 0: until it ends or the context is full */
    const char *const *stop;   /* the answer ends where one of these texts would begin */
    size_t stop_count;
    hone_on_full on_full;      /* SHIFT: forget the older half and go on */
    bool ignore_end;           /* end tokens do not end the answer */
    bool special;              /* control tokens are shown: what hone_lm_message reads */
} hone_answer_opts;

typedef enum hone_end {
    HONE_END_NONE = 0, HONE_END_TOKEN, HONE_END_STOP, HONE_END_LENGTH, HONE_END_FULL, HONE_END_CALLER
} hone_end;

typedef struct hone_answer {
    size_t prompt_tokens, reused_tokens, answer_tokens;
    size_t guessed, guessed_right;              /* tokens; see hone_stream_guess */
    double prompt_ms, first_ms, answer_ms;      /* first_ms: from the call to the first token */
    hone_end end;
} hone_answer;

/* Called with each piece of text, whole characters, and the token that completed it (NULL for what was
 * held back in case it became a stop text).  False ends the answer. */
typedef bool hone_said(void *user, const char *text, size_t len, const hone_token *token);

/* Reads the prompt, of which the beginning that the stream already holds is not read again, and answers.
 * A prompt that does not fit the context is HONE_ERROR_LIMIT with the count; nothing is ever cut.
 * opts and out may be NULL. */
HONE_API hone_status hone_stream_answer(hone_stream *stream, const int32_t *ids, size_t count,
                                        const hone_answer_opts *opts, hone_said *said, void *user,
                                        hone_answer *out, hone_error *err);

/* The same step by step: read the prompt, pick, take the text, read what was picked, and so on. */

/* *logits: of the last token, [vocab], until the next read; may be NULL.  All ids are read or, when
 * it fails, none: HONE_ERROR_LIMIT says by how many they are too many. */
HONE_API hone_status hone_stream_read(hone_stream *stream, const int32_t *ids, size_t count, const float **logits,
                                      hone_error *err);
/* Each of `count` streams, at most 128, reads one token more, ids[i] by streams[i], in one pass over the weights: serving
 * many costs little more than serving one.  They are different streams on one model, with the same adapters, none in
 * use elsewhere; each goes on with the bits it would have alone.  When it fails, none has read. */
HONE_API hone_status hone_stream_read_each(hone_stream *const *streams, const int32_t *ids, size_t count,
                                           hone_error *err);
HONE_API hone_status hone_stream_pick(hone_stream *stream, hone_token *out, hone_error *err);
/* The whole characters this token completes: maybe none.  Until the next call on the stream. */
HONE_API hone_status hone_stream_text(hone_stream *stream, int32_t id, const char **text, size_t *len,
                                      hone_error *err);

HONE_API size_t hone_stream_count(const hone_stream *stream);     /* tokens it holds */
HONE_API size_t hone_stream_room(const hone_stream *stream);      /* tokens that still fit */
HONE_API size_t hone_stream_bytes(const hone_stream *stream);     /* of keys and values, now; of shared ones its part */
/* Forgets tokens from `count` on and returns how many are left: none instead of `count` in a model whose windows or
 * states have moved on. */
HONE_API size_t hone_stream_trim(hone_stream *stream, size_t count);

/* `stream` becomes the first `count` tokens of `from` without reading them.  Their keys and values are shared, and
 * cost their memory once, until one of the two would write there.  While it runs, neither is used elsewhere. */
HONE_API hone_status hone_stream_share(hone_stream *stream, const hone_stream *from, size_t count, hone_error *err);

/* What was read, to a file and back: the same bits.  A file of another model, other adapters or another type of cache,
 * or a damaged one, is refused, and the stream keeps what it had. */
HONE_API hone_status hone_stream_save(const hone_stream *stream, const char *path, hone_error *err);
HONE_API hone_status hone_stream_load(hone_stream *stream, const char *path, hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
