/* SPDX-License-Identifier: Apache-2.0 */
/* hone.h: run trained models on small machines.
 *
 *     hone_ctx     allocator, log, limits, threads: one per program
 *     hone_model   a model file, understood; read-only, shared by threads
 *     hone_session one stream of inference: its memory is planned before it is made
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
 * Threads: a context and a model may be used from many threads; a session by one at a time. */
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

/* A text the file carries about itself ("labels", "author"), or NULL.  Valid until close. */
HONE_API const char *hone_model_meta(const hone_model *model, const char *key);

/* ---- Session ------------------------------------------------------------------------- */

typedef struct hone_session hone_session;

/* Fixes dimensions the model leaves open, by name ("N", "height"). */
typedef struct hone_dim { const char *name; int64_t value; } hone_dim;

typedef struct hone_session_opts {
    size_t size;
    const hone_dim *dims;      /* open dimensions not listed: 1 */
    size_t dim_count;
    unsigned threads;          /* at most this many of the context's; 0: all */
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

#ifdef __cplusplus
}
#endif
#endif
