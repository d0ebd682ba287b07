/* SPDX-License-Identifier: Apache-2.0 */
/* LiteRT as a peer, with XNNPACK as its library brings it: the C interface of 2.x, whose functions are exported one by
 * one under names that begin with LiteRt.  The status 0 is success; what failed it writes to its own log. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/peer.h"

/* Element type, then rank, dimensions and strides, eight of each: 72 bytes, handed on as they came. */
typedef struct tensor_type { int32_t element; uint32_t layout[17]; } tensor_type;

/* X(name in the library, result, name here, (arguments)) */
#define FUNCTIONS(X)                                                                                            \
    X("CreateEnvironment",            int,  create_env,      (int options, const void *option, void **env))     \
    X("CreateModelFromFile",          int,  create_model,    (void *env, const char *path, void **model))       \
    X("CreateOptions",                int,  create_options,  (void **options))                                  \
    X("SetOptionsHardwareAccelerators", int, set_hardware,   (void *options, int set))                          \
    X("CreateOpaqueOptions",          int,  create_opaque,   (const char *id, void *data, void (*drop)(void *), void **opaque)) \
    X("AddOpaqueOptions",             int,  add_opaque,      (void *options, void *opaque))                     \
    X("CreateCompiledModel",          int,  compile,         (void *env, void *model, void *options, void **compiled)) \
    X("GetModelSignature",            int,  signature,       (void *model, size_t i, void **signature))         \
    X("GetNumSignatureInputs",        int,  input_count,     (void *signature, size_t *count))                  \
    X("GetNumSignatureOutputs",       int,  output_count,    (void *signature, size_t *count))                  \
    X("GetSignatureInputTensorByIndex", int, input_tensor,   (void *signature, size_t i, void **tensor))        \
    X("GetSignatureOutputTensorByIndex", int, output_tensor, (void *signature, size_t i, void **tensor))        \
    X("GetTensorName",                int,  tensor_name,     (void *tensor, const char **name))                 \
    X("GetRankedTensorType",          int,  ranked_type,     (void *tensor, tensor_type *type))                 \
    X("GetCompiledModelInputBufferRequirements", int, input_needs, (void *compiled, size_t signature, size_t i, void **needs)) \
    X("GetCompiledModelOutputBufferRequirements", int, output_needs, (void *compiled, size_t signature, size_t i, void **needs)) \
    X("CreateManagedTensorBufferFromRequirements", int, create_buffer, (void *env, const tensor_type *type, void *needs, void **buffer)) \
    X("GetTensorBufferPackedSize",    int,  buffer_size,     (void *buffer, size_t *size))                      \
    X("LockTensorBuffer",             int,  lock,            (void *buffer, void **data, int mode))             \
    X("UnlockTensorBuffer",           int,  unlock,          (void *buffer))                                    \
    X("RunCompiledModel",             int,  run,             (void *compiled, size_t signature, size_t ins, void **in, \
                                                              size_t outs, void **out))                         \
    X("DestroyTensorBuffer",          void, drop_buffer,     (void *buffer))                                    \
    X("DestroyCompiledModel",         void, drop_compiled,   (void *compiled))                                  \
    X("DestroyOptions",               void, drop_options,    (void *options))                                   \
    X("DestroyModel",                 void, drop_model,      (void *model))                                     \
    X("DestroyEnvironment",           void, drop_env,        (void *env))

enum { ON_CPU = 1, READ = 0, WRITE = 1, TYPE_FLOAT = 1 };

/* One side of the model: buffers in the order of its signature, and where the graph's i-th is among them. */
typedef struct side { size_t count; void **buffer; size_t *at; } side;

typedef struct litert {
#define X(symbol, result, name, args) result (*name) args;
    FUNCTIONS(X)
#undef X
    void *lib, *env, *model, *options, *compiled;
    side in, out;
    int32_t *out_type;                  /* by place in the signature */
} litert;

static hn_err checked(hn_ctx *cx, const char *what, int status)
{
    return status ? hn_fail(cx, HN_EUNSUP, "LiteRT, %s: status %d (its own log on stderr says more)", what, status) : HN_OK;
}

static hn_err bind(hn_ctx *cx, litert *l, const char *path)
{
    HN_TRY(hn_peer_load(cx, path, &l->lib));
#define X(symbol, result, name, args) HN_TRY(hn_peer_symbol(cx, l->lib, path, "LiteRt" symbol, (void **)&l->name));
    FUNCTIONS(X)
#undef X
    return HN_OK;
}

/* Its CPU options are text, released by the function given with them. */
static hn_err set_threads(hn_ctx *cx, litert *l, unsigned threads)
{
    char *text = malloc(64);
    void *opaque;
    if (!text)
        return hn_nomem(cx, "a peer");
    snprintf(text, 64, "num_threads = %u\n", threads);
    hn_err e = checked(cx, "threads", l->create_opaque("xnnpack", text, free, &opaque));
    if (e)
        free(text);
    return e ? e : checked(cx, "threads", l->add_opaque(l->options, opaque));
}

/* By name; a model whose signature has names of its own keeps the order. */
static size_t place_of(hn_value *const *value, size_t count, const char *name, size_t otherwise)
{
    for (size_t i = 0; i < count; i++)
        if (name && strcmp(value[i]->name, name) == 0)
            return i;
    return otherwise;
}

static hn_err open_side(hn_ctx *cx, litert *l, void *signature, side *s, hn_value *const *value, size_t count, bool inputs)
{
    size_t has = 0;
    HN_TRY(checked(cx, "the model's signature", inputs ? l->input_count(signature, &has) : l->output_count(signature, &has)));
    if (has != count)
        return hn_fail(cx, HN_EUNSUP, "LiteRT sees %zu %s, Hone %zu", has, inputs ? "inputs" : "outputs", count);
    s->buffer = hn_calloc(cx, count + 1, sizeof *s->buffer);
    s->at = hn_calloc(cx, count + 1, sizeof *s->at);
    if (!s->buffer || !s->at)
        return hn_nomem(cx, "a peer");
    s->count = count;
    for (size_t i = 0; i < count; i++) {
        void *tensor, *needs;
        const char *name = NULL;
        tensor_type type = { 0 };
        HN_TRY(checked(cx, "a tensor", inputs ? l->input_tensor(signature, i, &tensor) : l->output_tensor(signature, i, &tensor)));
        HN_TRY(checked(cx, "a tensor's name", l->tensor_name(tensor, &name)));
        HN_TRY(checked(cx, "a tensor's type", l->ranked_type(tensor, &type)));
        HN_TRY(checked(cx, "a buffer", inputs ? l->input_needs(l->compiled, 0, i, &needs)
                                              : l->output_needs(l->compiled, 0, i, &needs)));
        HN_TRY(checked(cx, "a buffer", l->create_buffer(l->env, &type, needs, &s->buffer[i])));
        s->at[place_of(value, count, name, i)] = i;
        if (!inputs)
            l->out_type[i] = type.element;
    }
    return HN_OK;
}

static hn_err fill(hn_ctx *cx, litert *l, const hn_peer_job *job)
{
    for (size_t i = 0; i < l->in.count; i++) {
        const hn_tensor *t = &job->in[i];
        void *buffer = l->in.buffer[l->in.at[i]], *to;
        size_t size = 0;
        HN_TRY(checked(cx, "an input", l->buffer_size(buffer, &size)));
        if (size != hn_bytes(t))
            return hn_fail(cx, HN_EUNSUP, "LiteRT: input '%s' takes %zu bytes, given %zu: a shape the file does not have",
                           job->graph->in[i]->name, size, hn_bytes(t));
        HN_TRY(checked(cx, "an input", l->lock(buffer, &to, WRITE)));
        memcpy(to, t->data, size);
        HN_TRY(checked(cx, "an input", l->unlock(buffer)));
    }
    return HN_OK;
}

static hn_err litert_open(hn_ctx *cx, const hn_peer_job *job, void **out)
{
    litert *l = hn_calloc(cx, 1, sizeof *l);
    const hn_graph *g = job->graph;
    void *signature;
    *out = l;
    if (!l || !(l->out_type = hn_calloc(cx, g->out_count + 1, sizeof *l->out_type)))
        return hn_nomem(cx, "a peer");
    HN_TRY(bind(cx, l, job->lib));
    HN_TRY(checked(cx, "start", l->create_env(0, NULL, &l->env)));
    HN_TRY(checked(cx, "the model", l->create_model(l->env, job->model, &l->model)));
    HN_TRY(checked(cx, "options", l->create_options(&l->options)));
    HN_TRY(checked(cx, "options", l->set_hardware(l->options, ON_CPU)));
    HN_TRY(set_threads(cx, l, job->threads));
    HN_TRY(checked(cx, "compiling the model", l->compile(l->env, l->model, l->options, &l->compiled)));
    HN_TRY(checked(cx, "the model's signature", l->signature(l->model, 0, &signature)));
    HN_TRY(open_side(cx, l, signature, &l->in, g->in, g->in_count, true));
    HN_TRY(open_side(cx, l, signature, &l->out, g->out, g->out_count, false));
    return fill(cx, l, job);
}

static hn_err litert_run(hn_ctx *cx, void *peer)
{
    litert *l = peer;
    return checked(cx, "a run", l->run(l->compiled, 0, l->in.count, l->in.buffer, l->out.count, l->out.buffer));
}

/* The buffer is memory of this process, which stays where it is when it is unlocked. */
static hn_err litert_result(hn_ctx *cx, void *peer, size_t i, const float **values, size_t *count)
{
    litert *l = peer;
    size_t at = l->out.at[i], size = 0;
    void *data;
    HN_TRY(checked(cx, "a result", l->buffer_size(l->out.buffer[at], &size)));
    HN_TRY(checked(cx, "a result", l->lock(l->out.buffer[at], &data, READ)));
    HN_TRY(checked(cx, "a result", l->unlock(l->out.buffer[at])));
    *values = l->out_type[at] == TYPE_FLOAT ? data : NULL;
    *count = size / sizeof **values;
    return HN_OK;
}

/* No function tells it. */
static const char *litert_version(const void *peer)
{
    (void)peer;
    return "2.x";
}

static void close_side(hn_ctx *cx, litert *l, side *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->buffer[i])
            l->drop_buffer(s->buffer[i]);
    hn_free(cx, s->buffer);
    hn_free(cx, s->at);
}

static void litert_close(hn_ctx *cx, void *peer)
{
    litert *l = peer;
    if (!l)
        return;
    close_side(cx, l, &l->in);
    close_side(cx, l, &l->out);
    if (l->compiled)
        l->drop_compiled(l->compiled);
    if (l->options)
        l->drop_options(l->options);
    if (l->model)
        l->drop_model(l->model);
    if (l->env)
        l->drop_env(l->env);
    if (l->lib)
        dlclose(l->lib);
    hn_free(cx, l->out_type);
    hn_free(cx, l);
}

const hn_peer hn_peer_litert = {
    .name = "litert", .what = "LiteRT",
    .open = litert_open, .run = litert_run, .result = litert_result, .version = litert_version, .close = litert_close,
};
