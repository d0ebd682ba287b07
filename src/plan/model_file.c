/* SPDX-License-Identifier: Apache-2.0 */
/* model_file.c: a model's exact figures from its file.
 *
 * Language models: tensors' own sizes, and the same plans for one token and for a chunk that a stream will
 * make, measured and not packed.  Graphs: the plan that a session will be made of, packed, since what packing
 * and folding leave behind is known only then, with a session on it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "base/pool.h"
#include "base/process.h"
#include "formats/format.h"
#include "llm/lm.h"
#include "plan/model.h"
#include "runtime/session.h"

/* Written by every run, much the same for every model: the first pages of a thread's stack; of a stream also the
 * lists of its three sessions, the tokens it holds, and what the C library keeps. */
#define STACK_BYTES 8192
#define STREAM_BYTES 100000

/* Bytes written since `before`; pages given back meanwhile do not make it negative. */
static size_t written_since(size_t before)
{
    size_t now = hn_written_bytes();
    return now > before ? now - before : 0;
}

static const char *base_name(const char *path) { return path + hn_path_dir_len(path); }

/* ---- Language models ------------------------------------------------------------------------------ */

/* The type that holds most of the bytes names the file. */
static void sum_tensors(const hn_gguf *g, hn_model *m)
{
    bool tied = !hn_gguf_tensor_find(g, "output.weight");
    double most = 0;
    for (size_t i = 0; i < g->tensor_count; i++) {
        const hn_gguf_tensor *t = &g->tensors[i];
        double of_type = 0;
        m->weights += (double)t->size;
        if (tied || strcmp(t->name, "token_embd.weight") != 0)
            m->token_bytes += (double)t->size;
        double elements = 1;
        for (int d = 0; d < t->shape.rank; d++)
            elements *= (double)t->shape.dim[d];
        m->params += elements;
        for (size_t k = 0; k < g->tensor_count; k++)
            of_type += g->tensors[k].type == t->type ? (double)g->tensors[k].size : 0;
        if (of_type > most) {
            most = of_type;
            m->precision = hn_qtype_get(t->type)->name;
        }
    }
}

/* Packed weights ask for large pages: where the system gives them, the last one is whole.  A system that does not say
 * (a container without /sys) gives them, as Linux does unless told otherwise. */
static double in_pages(double packed)
{
    enum { LARGE_PAGE = 2 << 20 };
    char mode[64] = "";
    FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
    if (f) {
        if (!fgets(mode, sizeof mode, f))
            mode[0] = 0;
        fclose(f);
    }
    return strstr(mode, "[never]") ? packed : ceil(packed / LARGE_PAGE) * LARGE_PAGE;
}

/* Adds a plan's block to m->arena and its lists to m->own; its packed weights, which all plans of a model share,
 * become m->held. */
static hn_err pass_bytes(hn_ctx *cx, const hn_lm *lm, unsigned threads, int64_t rows, hn_model *m)
{
    const hn_shape shape[3] = { { 1, { rows } }, { 1, { rows } }, { 1, { 1 } } };
    hn_plan_opts o = { .threads = threads, .in_shape = shape, .measure = true };
    hn_plan *p;
    HN_TRY(hn_plan_new(cx, lm->graph, &o, &p));
    m->arena += (double)p->stats.arena_bytes;
    m->own += (double)hn_arena_used(p->arena);
    m->held = fmax(m->held, (double)p->stats.packed_bytes);
    hn_plan_free(cx, p);
    return HN_OK;
}

static hn_err read_lm(hn_ctx *cx, const char *path, unsigned threads, size_t base, hn_model *m)
{
    size_t before = hn_written_bytes();
    hn_lm lm = { 0 };
    hn_lm_opts o = { .threads = threads };
    HN_TRY(hn_lm_open(cx, path, &o, &lm));
    const hn_lm_shape *s = &lm.shape;
    m->own = (double)(base + written_since(before) + STREAM_BYTES);
    m->lm = true;
    m->family = "llm";
    m->task = "text generation";
    m->dims = (hn_lm_dims){ .layers = s->layers, .width = s->width, .ffn = s->ffn, .kv_heads = s->kv_heads,
                            .head_size = s->head_size, .vocab = s->vocab };
    m->context_max = s->context;
    sum_tensors(lm.file, m);
    /* A stream keeps three plans: for one token, for whole chunks, and for what is left of a prompt. */
    const int64_t rows[3] = { 1, (int64_t)hn_stream_chunk(NULL), (int64_t)hn_stream_chunk(NULL) / 2 };
    hn_err e = HN_OK;
    for (size_t i = 0; !e && i < 3; i++)
        e = pass_bytes(cx, &lm, threads, rows[i], m);
    m->weights -= fmin(m->weights, m->held);     /* pages that were packed are given back to the file */
    m->rest = in_pages(m->held) - m->held;
    m->held += m->rest;
    hn_lm_close(&lm);
    return e;
}

/* ---- Graphs --------------------------------------------------------------------------------------- */

static hn_err fixed_shapes(hn_ctx *cx, const hn_graph *g, hn_arena *a, hn_shape **out, hn_model *m)
{
    hn_shape *shape = HN_NEW(a, hn_shape, g->in_count);
    if (!shape)
        return hn_nomem(cx, "shapes");
    for (size_t i = 0; i < g->in_count; i++) {
        shape[i] = g->in[i]->t.shape;
        if (shape[i].rank < 0)
            return hn_fail(cx, HN_EUNSUP, "unsupported: a plan for input '%s' of any rank", g->in[i]->name);
        for (int d = 0; d < shape[i].rank; d++)
            if (hn_is_symbol(shape[i].dim[d]))
                shape[i].dim[d] = 1;
        if (i == 0 && shape[i].rank == 4)        /* either order of channels: the two largest are the picture */
            m->pixels = (double)shape[i].dim[2] *
                        (double)(shape[i].dim[1] > shape[i].dim[3] ? shape[i].dim[1] : shape[i].dim[3]);
    }
    *out = shape;
    return HN_OK;
}

static bool has_bodies(const hn_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++)
        for (int k = 0; k < g->node[i]->attr_count; k++)
            if (g->node[i]->attr[k].kind == HN_ATTR_GRAPH)
                return true;
    return false;
}

/* Zeros for every input; a text or a list gets none, and then *all is false. */
static hn_err make_inputs(hn_ctx *cx, const hn_graph *g, const hn_shape *shape, hn_arena *a, hn_tensor **out, bool *all)
{
    hn_tensor *t = HN_NEW(a, hn_tensor, g->in_count + 1);
    *all = true;
    for (size_t i = 0; t && i < g->in_count; i++) {
        t[i] = (hn_tensor){ g->in[i]->t.dtype, shape[i], NULL };
        if (hn_dtype_class(t[i].dtype) == HN_CLASS_S || hn_is_list(t[i].dtype))
            *all = false;
        else if (!(t[i].data = hn_arena_get(a, hn_max(hn_bytes(&t[i]), 1), 64)))
            return hn_nomem(cx, "inputs");
    }
    *out = t;
    return t ? HN_OK : hn_nomem(cx, "inputs");
}

/* Makes a session and fills its block, which may lie where packing and folding left room: what was written before and
 * the block itself do not simply add up.
 *
 * What operators' plain code needs besides is known once it has run.  So a plan with such steps is run on zeros, but
 * not one with bodies, which may loop for as long as its file likes.  *open: plain steps that were not run. */
static hn_err fill_session(hn_ctx *cx, const hn_plan *p, const hn_graph *g, const hn_tensor *in, bool runs,
                           hn_session **out, size_t *open)
{
    hn_ctx quiet = { .env = cx->env };
    size_t plain = 0;
    for (size_t i = 0; i < p->step_count; i++)
        plain += strcmp(p->step[i].impl->name, "eval") == 0;
    HN_TRY(hn_session_new(cx, p, NULL, out));
    for (size_t i = 0; i < g->in_count; i++)
        hn_session_bind_input(*out, i, in[i].data);
    runs = runs && plain && !has_bodies(g) && hn_session_run(&quiet, *out) == HN_OK;
    *open = runs ? 0 : plain;
    hn_session_touch(*out);
    return HN_OK;
}

static void describe(const hn_graph *g, const hn_tensor *in, const hn_plan *p, hn_model *m)
{
    bool floats = false;
    size_t inputs = 0;
    for (size_t i = 0; i < g->in_count; i++)
        inputs += hn_bytes(&in[i]);
    for (size_t i = 0; i < g->value_count; i++)
        if (hn_is_const(g->value[i])) {
            const hn_tensor *t = &g->value[i]->t;
            m->params += (double)hn_count(t);
            floats |= t->dtype == HN_F32 && hn_count(t) > 64;
        }
    m->family = "graph";
    m->task = "";
    m->precision = floats ? "FP32" : "INT8";
    m->ops = p->stats.macs * 2;
    m->arena = (double)(p->stats.arena_bytes + inputs);
}

static hn_err read_graph(hn_ctx *cx, const char *path, unsigned threads, size_t base, hn_arena *a, hn_model *m)
{
    size_t before = hn_written_bytes();
    hn_source src = { 0 };
    hn_shape *shape = NULL;
    hn_tensor *in = NULL;
    hn_arena *inputs = NULL;
    hn_plan *p = NULL;
    hn_session *s = NULL;
    bool all = false;
    HN_TRY(hn_source_open(cx, path, &src));
    hn_err e = hn_source_runnable(cx, &src);
    if (!e)
        e = fixed_shapes(cx, src.graph, a, &shape, m);
    if (!e)
        e = hn_arena_new(cx, 0, &inputs);
    if (!e)
        e = make_inputs(cx, src.graph, shape, inputs, &in, &all);
    if (!e) {
        hn_plan_opts o = { .threads = threads, .in_shape = shape, .built = src.built, .built_count = src.built_count };
        e = hn_plan_new(cx, src.graph, &o, &p);
    }
    if (!e) {
        describe(src.graph, in, p, m);
        e = fill_session(cx, p, src.graph, in, all, &s, &m->plain_steps);
    }
    if (!e) {
        m->held = fmax(0, (double)written_since(before) - m->arena) + (threads - 1) * STACK_BYTES;
        m->own = (double)base;
    }
    hn_session_free(s);
    hn_plan_free(cx, p);
    hn_arena_free(inputs);
    hn_source_close(cx, &src);
    return e;
}

hn_err hn_model_read(hn_ctx *cx, const char *path, unsigned threads, size_t base, hn_arena *a, hn_model *out)
{
    hn_model m = { .id = base_name(path), .name = base_name(path), .precision = "" };
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    bool lm = hn_gguf_probe(f.data, f.len);
    if (!lm)
        m.weights = (double)f.len;               /* of a graph's file nearly every page is weights */
    hn_file_close(&f);
    HN_TRY(lm ? read_lm(cx, path, threads, base, &m) : read_graph(cx, path, threads, base, a, &m));
    *out = m;
    return HN_OK;
}
