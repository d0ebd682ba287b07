/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX Runtime as a peer.  Its library exports one name, OrtGetApiBase; what follows is a table of
 * functions whose order is fixed for good, and the places of those we need are below. */
#include <dlfcn.h>
#include <stdint.h>

#include "cli/peer.h"

typedef void status;                            /* NULL is success */
typedef void function(void);
typedef struct api_base {
    function *const *(*api)(uint32_t version);
    const char *(*version)(void);
} api_base;

/* X(place, result, name, (arguments)): the first table, which every later one begins with. */
#define FUNCTIONS(X)                                                                                            \
    X(2,  const char *, error_message,   (const status *s))                                                     \
    X(3,  status *, create_env,          (int log_level, const char *id, void **env))                           \
    X(7,  status *, create_session,      (void *env, const char *path, void *options, void **session))          \
    X(9,  status *, run,                 (void *session, void *options, const char *const *in_names,            \
                                          const void *const *in, size_t ins, const char *const *out_names,      \
                                          size_t outs, void **out))                                             \
    X(10, status *, create_options,      (void **options))                                                      \
    X(23, status *, set_optimisation,    (void *options, int level))                                            \
    X(24, status *, set_threads,         (void *options, int threads))                                          \
    X(49, status *, tensor_over,         (void *memory, void *data, size_t bytes, const int64_t *dims, size_t rank, \
                                          int type, void **value))                                              \
    X(51, status *, tensor_data,         (void *value, void **data))                                            \
    X(60, status *, element_type,        (const void *info, int *type))                                         \
    X(64, status *, element_count,       (const void *info, size_t *count))                                     \
    X(65, status *, tensor_info,         (const void *value, void **info))                                      \
    X(69, status *, cpu_memory,          (int allocator, int kind, void **memory))                              \
    X(92, void, release_env,             (void *env))                                                           \
    X(93, void, release_status,          (status *s))                                                           \
    X(94, void, release_memory,          (void *memory))                                                        \
    X(95, void, release_session,         (void *session))                                                       \
    X(96, void, release_value,           (void *value))                                                         \
    X(99, void, release_info,            (void *info))                                                          \
    X(100, void, release_options,        (void *options))

enum { LOG_ERRORS = 3, OPTIMISE_ALL = 99, ARENA = 1, DEFAULT_KIND = 0, TYPE_FLOAT = 1 };

typedef struct ort {
#define X(place, result, name, args) result (*name) args;
    FUNCTIONS(X)
#undef X
    const api_base *base;
    void *lib, *env, *options, *session, *memory;
    size_t ins, outs;
    void **in, **out;
    const char **in_name, **out_name;
} ort;

static hn_err checked(hn_ctx *cx, ort *o, const char *what, status *s)
{
    if (!s)
        return HN_OK;
    hn_err e = hn_fail(cx, HN_EUNSUP, "ONNX Runtime, %s: %s", what, o->error_message(s));
    o->release_status(s);
    return e;
}

static hn_err bind(hn_ctx *cx, ort *o, const char *path)
{
    const api_base *(*get)(void);
    HN_TRY(hn_peer_load(cx, path, &o->lib));
    HN_TRY(hn_peer_symbol(cx, o->lib, path, "OrtGetApiBase", (void **)&get));
    o->base = get();
    function *const *table = o->base ? o->base->api(1) : NULL;
    if (!table)
        return hn_fail(cx, HN_EUNSUP, "%s: expected version 1 of ONNX Runtime's C interface, found none", path);
#define X(place, result, name, args) o->name = (result (*) args)table[place];
    FUNCTIONS(X)
#undef X
    return HN_OK;
}

static hn_err inputs(hn_ctx *cx, ort *o, const hn_peer_job *job)
{
    for (size_t i = 0; i < o->ins; i++) {
        const hn_tensor *t = &job->in[i];
        int64_t dims[HN_RANK_MAX];
        for (int d = 0; d < t->shape.rank; d++)
            dims[d] = t->shape.dim[d];
        o->in_name[i] = job->graph->in[i]->name;
        HN_TRY(checked(cx, o, "an input", o->tensor_over(o->memory, t->data, hn_bytes(t), dims, (size_t)t->shape.rank,
                                                         hn_dtype_to_onnx(t->dtype), &o->in[i])));
    }
    return HN_OK;
}

static hn_err ort_open(hn_ctx *cx, const hn_peer_job *job, void **out)
{
    ort *o = hn_calloc(cx, 1, sizeof *o);
    *out = o;
    if (!o)
        return hn_nomem(cx, "a peer");
    o->ins = job->graph->in_count;
    o->outs = job->graph->out_count;
    o->in = hn_calloc(cx, o->ins + 1, sizeof *o->in);
    o->out = hn_calloc(cx, o->outs + 1, sizeof *o->out);
    o->in_name = hn_calloc(cx, o->ins + 1, sizeof *o->in_name);
    o->out_name = hn_calloc(cx, o->outs + 1, sizeof *o->out_name);
    if (!o->in || !o->out || !o->in_name || !o->out_name)
        return hn_nomem(cx, "a peer");
    for (size_t i = 0; i < o->outs; i++)
        o->out_name[i] = job->graph->out[i]->name;

    HN_TRY(bind(cx, o, job->lib));
    HN_TRY(checked(cx, o, "start", o->create_env(LOG_ERRORS, "hone", &o->env)));
    HN_TRY(checked(cx, o, "options", o->create_options(&o->options)));
    HN_TRY(checked(cx, o, "threads", o->set_threads(o->options, (int)job->threads)));
    HN_TRY(checked(cx, o, "optimisation", o->set_optimisation(o->options, OPTIMISE_ALL)));
    HN_TRY(checked(cx, o, "memory", o->cpu_memory(ARENA, DEFAULT_KIND, &o->memory)));
    HN_TRY(checked(cx, o, "the model", o->create_session(o->env, job->model, o->options, &o->session)));
    return inputs(cx, o, job);
}

static void drop(ort *o)
{
    for (size_t i = 0; i < o->outs; i++) {
        if (o->out[i])
            o->release_value(o->out[i]);
        o->out[i] = NULL;
    }
}

static hn_err ort_run(hn_ctx *cx, void *peer)
{
    ort *o = peer;
    drop(o);
    return checked(cx, o, "a run", o->run(o->session, NULL, o->in_name, (const void *const *)o->in, o->ins,
                                          o->out_name, o->outs, o->out));
}

static hn_err ort_result(hn_ctx *cx, void *peer, size_t i, const float **values, size_t *count)
{
    ort *o = peer;
    void *info = NULL, *data = NULL;
    int type = 0;
    HN_TRY(checked(cx, o, "a result", o->tensor_info(o->out[i], &info)));
    hn_err e = checked(cx, o, "a result", o->element_type(info, &type));
    if (!e)
        e = checked(cx, o, "a result", o->element_count(info, count));
    o->release_info(info);
    if (!e)
        e = checked(cx, o, "a result", o->tensor_data(o->out[i], &data));
    *values = type == TYPE_FLOAT ? data : NULL;
    return e;
}

static const char *ort_version(const void *peer) { return ((const ort *)peer)->base->version(); }

static void ort_close(hn_ctx *cx, void *peer)
{
    ort *o = peer;
    if (!o)
        return;
    if (o->session) {
        drop(o);
        o->release_session(o->session);
    }
    for (size_t i = 0; o->in && i < o->ins; i++)
        if (o->in[i])
            o->release_value(o->in[i]);
    if (o->memory)
        o->release_memory(o->memory);
    if (o->options)
        o->release_options(o->options);
    if (o->env)
        o->release_env(o->env);
    if (o->lib)
        dlclose(o->lib);
    hn_free(cx, o->in);
    hn_free(cx, o->out);
    hn_free(cx, o->in_name);
    hn_free(cx, o->out_name);
    hn_free(cx, o);
}

const hn_peer hn_peer_ort = {
    .name = "ort", .what = "ONNX Runtime",
    .open = ort_open, .run = ort_run, .result = ort_result, .version = ort_version, .close = ort_close,
};
