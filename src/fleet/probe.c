/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/probe.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "formats/format.h"
#include "formats/npy.h"
#include "llm/lm.h"

enum { TENSORS_MAX = 256, PROMPT = 8 };

struct hn_probe {
    hn_ctx cx;                      /* its own, for what it owns */
    bool is_lm;
    hn_source src;
    hn_shape *in_shape;
    hn_plan *plan;
    hn_session *session;
    hn_lm lm;
    hn_stream *stream;
    hn_tensor *out;
};

static hn_err open_graph(hn_ctx *cx, hn_probe *p, const char *model)
{
    HN_TRY(hn_source_open(cx, model, &p->src));
    HN_TRY(hn_source_runnable(cx, &p->src));
    p->in_shape = hn_calloc(cx, p->src.graph->in_count + 1, sizeof *p->in_shape);
    p->out = hn_calloc(cx, p->src.graph->out_count + 1, sizeof *p->out);
    return p->in_shape && p->out ? HN_OK : hn_nomem(cx, "a model");
}

static hn_err open_lm(hn_ctx *cx, hn_probe *p, const char *model)
{
    const hn_lm_opts o = { .context = 64, .threads = 1 };
    HN_TRY(hn_lm_open(cx, model, &o, &p->lm));
    p->is_lm = true;
    p->out = hn_calloc(cx, 1, sizeof *p->out);
    return p->out ? hn_stream_new(cx, &p->lm, NULL, &p->stream) : hn_nomem(cx, "a model");
}

static hn_err is_gguf(hn_ctx *cx, const char *model, bool *out)
{
    hn_file f;
    HN_TRY(hn_file_open(cx, model, &f));
    *out = hn_gguf_probe(f.data, f.len);
    hn_file_close(&f);
    return HN_OK;
}

hn_err hn_probe_open(hn_ctx *cx, const char *model, hn_probe **out)
{
    bool gguf;
    HN_TRY(is_gguf(cx, model, &gguf));
    hn_probe *p = hn_calloc(cx, 1, sizeof *p);
    if (!p)
        return hn_nomem(cx, "a model");
    p->cx.env = cx->env;
    hn_err e = gguf ? open_lm(cx, p, model) : open_graph(cx, p, model);
    if (e)
        hn_probe_close(p);
    else
        *out = p;
    return e;
}

void hn_probe_close(hn_probe *p)
{
    if (!p)
        return;
    hn_ctx cx = p->cx;
    hn_session_free(p->session);
    hn_plan_free(&cx, p->plan);
    hn_stream_free(p->stream);
    hn_lm_close(&p->lm);
    hn_source_close(&cx, &p->src);
    hn_free(&cx, p->in_shape);
    hn_free(&cx, p->out);
    hn_free(&cx, p);
}

const char *hn_probe_format(const hn_probe *p) { return p->is_lm ? "gguf" : p->src.format->name; }
const hn_graph *hn_probe_graph(const hn_probe *p) { return p->is_lm ? p->lm.graph : p->src.graph; }
bool hn_probe_is_lm(const hn_probe *p) { return p->is_lm; }
const char *hn_probe_beside(const hn_probe *p, size_t i)
{
    return i < p->src.extra_count ? p->src.extra[i].name : NULL;
}

/* ---- Inputs ------------------------------------------------------------------------------------------- */

static double number(uint64_t *s)
{
    *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
    return (double)(*s >> 11) * 0x1p-53;
}

static hn_err make_input(hn_ctx *cx, const hn_value *v, uint64_t *seed, hn_arena *a, hn_tensor *out)
{
    *out = v->t;
    if (out->shape.rank < 0 || hn_is_list(out->dtype) || hn_dtype_class(out->dtype) == HN_CLASS_S)
        return hn_fail(cx, HN_EUNSUP, "input '%s': nothing can be made up for it; give one with --input", v->name);
    for (int d = 0; d < out->shape.rank; d++)
        if (hn_is_symbol(out->shape.dim[d]))
            out->shape.dim[d] = 1;
    size_t n = hn_count(out), bytes = hn_bytes(out);
    out->data = bytes == SIZE_MAX ? NULL : hn_arena_get(a, bytes + 1, 64);
    if (!out->data)
        return hn_nomem(cx, "an input");
    bool real = hn_is_float(out->dtype), wide = hn_dtype_bits(out->dtype) > 8;
    for (size_t i = 0; i < n; i++) {
        double u = number(seed), x = real ? u : floor(u * (out->dtype == HN_BOOL || wide ? 2 : 100));
        hn_put_f64(out, i, 1, &x);
    }
    return HN_OK;
}

static hn_err make_prompt(hn_ctx *cx, const hn_probe *p, uint64_t *seed, hn_arena *a, hn_tensors *out)
{
    hn_tensor *t = HN_NEW(a, hn_tensor, 1);
    int32_t *id = HN_NEW(a, int32_t, PROMPT);
    if (!t || !id)
        return hn_nomem(cx, "a prompt");
    for (int i = 0; i < PROMPT; i++)
        id[i] = (int32_t)(number(seed) * (double)p->lm.shape.vocab);
    *t = (hn_tensor){ HN_I32, hn_shape_of(1, (int64_t[]){ PROMPT }), id };
    *out = (hn_tensors){ t, 1 };
    return HN_OK;
}

hn_err hn_probe_inputs(hn_ctx *cx, const hn_probe *p, uint64_t seed, hn_arena *a, hn_tensors *out)
{
    uint64_t s = seed * 0x9E3779B97F4A7C15u + 1;
    if (p->is_lm)
        return make_prompt(cx, p, &s, a, out);
    const hn_graph *g = p->src.graph;
    hn_tensor *t = HN_NEW(a, hn_tensor, g->in_count + 1);
    if (!t)
        return hn_nomem(cx, "inputs");
    for (size_t i = 0; i < g->in_count; i++)
        HN_TRY(make_input(cx, g->in[i], &s, a, &t[i]));
    *out = (hn_tensors){ t, g->in_count };
    return HN_OK;
}

/* ---- Running -------------------------------------------------------------------------------------------- */

static hn_err check_inputs(hn_ctx *cx, const hn_graph *g, const hn_tensors *in)
{
    if (in->count != g->in_count)
        return hn_fail(cx, HN_EFORMAT, "the recording has %zu inputs, the model %zu", in->count, g->in_count);
    for (size_t i = 0; i < in->count; i++) {
        const hn_shape *want = &g->in[i]->t.shape, *s = &in->t[i].shape;
        bool fits = in->t[i].dtype == g->in[i]->t.dtype && (want->rank < 0 || want->rank == s->rank);
        for (int d = 0; d < want->rank && fits; d++)
            fits = hn_is_symbol(want->dim[d]) || want->dim[d] == s->dim[d];
        if (!fits)
            return hn_fail(cx, HN_EFORMAT, "input '%s' of the recording has another type or shape than the model's",
                           g->in[i]->name);
    }
    return HN_OK;
}

static hn_err prepare(hn_ctx *cx, hn_probe *p, const hn_tensors *in)
{
    const hn_graph *g = p->src.graph;
    bool same = p->session != NULL;
    for (size_t i = 0; i < in->count && same; i++)
        same = hn_shape_equal(&p->in_shape[i], &in->t[i].shape);
    if (same)
        return HN_OK;
    hn_session_free(p->session);
    hn_plan_free(cx, p->plan);
    p->session = NULL;
    p->plan = NULL;
    for (size_t i = 0; i < in->count; i++)
        p->in_shape[i] = in->t[i].shape;
    hn_plan_opts o = { .threads = 1, .in_shape = p->in_shape, .built = p->src.built, .built_count = p->src.built_count };
    HN_TRY(hn_plan_new(cx, g, &o, &p->plan));
    return hn_session_new(cx, p->plan, NULL, &p->session);
}

static hn_err run_lm(hn_ctx *cx, hn_probe *p, const hn_tensors *in, hn_tensors *out)
{
    float *logits;
    if (in->count != 1 || in->t[0].dtype != HN_I32 || in->t[0].shape.rank != 1 || hn_count(&in->t[0]) == 0)
        return hn_fail(cx, HN_EFORMAT, "the recording of a language model holds token ids, i32 [n]");
    const int32_t *id = in->t[0].data;
    size_t n = hn_count(&in->t[0]);
    for (size_t i = 0; i < n; i++)
        if (id[i] < 0 || (uint64_t)id[i] >= (uint64_t)p->lm.shape.vocab)
            return hn_fail(cx, HN_EFORMAT, "the recording holds token %d, the model has %llu", (int)id[i],
                           (unsigned long long)p->lm.shape.vocab);
    hn_stream_trim(p->stream, 0);
    HN_TRY(hn_stream_read(cx, p->stream, id, n, false, &logits));
    p->out[0] = (hn_tensor){ HN_F32, hn_shape_of(1, (int64_t[]){ (int64_t)p->lm.shape.vocab }), logits };
    *out = (hn_tensors){ p->out, 1 };
    return HN_OK;
}

hn_err hn_probe_run(hn_ctx *cx, hn_probe *p, const hn_tensors *in, hn_tensors *out)
{
    if (p->is_lm)
        return run_lm(cx, p, in, out);
    const hn_graph *g = p->src.graph;
    HN_TRY(check_inputs(cx, g, in));
    HN_TRY(prepare(cx, p, in));
    for (size_t i = 0; i < in->count; i++)
        hn_session_bind_input(p->session, i, in->t[i].data);
    HN_TRY(hn_session_run(cx, p->session));
    for (size_t i = 0; i < g->out_count; i++)
        p->out[i] = *hn_session_output(p->session, i);
    *out = (hn_tensors){ p->out, g->out_count };
    return HN_OK;
}

/* ---- Recordings ------------------------------------------------------------------------------------------ */

hn_err hn_tensors_write(hn_ctx *cx, const hn_tensors *t, hn_buf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        hn_buf npy = { .cx = cx };
        uint8_t length[8];
        hn_err e = hn_npy_write(cx, &t->t[i], &npy);
        for (int k = 0; k < 8; k++)
            length[k] = (uint8_t)((uint64_t)npy.len >> 8 * k);
        hn_buf_add(out, length, sizeof length);
        hn_buf_add(out, npy.data, npy.len);
        hn_buf_free(&npy);
        HN_TRY(e);
    }
    return hn_buf_ok(out, "a recording");
}

hn_err hn_tensors_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tensors *out)
{
    const uint8_t *p = data;
    hn_tensors t = { HN_NEW(a, hn_tensor, TENSORS_MAX), 0 };
    if (!t.t)
        return hn_nomem(cx, "a recording");
    for (size_t at = 0; at < len;) {
        uint64_t size = 0;
        for (int k = 7; k >= 0 && len - at >= 8; k--)
            size = size << 8 | p[at + (size_t)k];
        if (len - at < 8 || size > len - at - 8 || t.count == TENSORS_MAX)
            return hn_fail(cx, HN_EFORMAT, "a recording is damaged");
        HN_TRY(hn_npy_read(cx, p + at + 8, (size_t)size, a, &t.t[t.count]));
        t.count++;
        at += 8 + (size_t)size;
    }
    *out = t;
    return HN_OK;
}

static bool number_agrees(double got, double want, double atol, double rtol, bool *nan)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    if (isnan(got) || isinf(got)) {
        *nan = true;
        return false;
    }
    return fabs(got - want) <= atol + rtol * fabs(want);
}

static bool tensor_agrees(const hn_tensor *got, const hn_tensor *want, double atol, double rtol, bool *nan)
{
    enum { STEP = 256 };
    double a[STEP], b[STEP];
    if (got->dtype != want->dtype || !hn_shape_equal(&got->shape, &want->shape) || hn_is_list(got->dtype))
        return false;
    size_t n = hn_count(got);
    if (hn_dtype_class(got->dtype) == HN_CLASS_S) {
        const hn_text *x = got->data, *y = want->data;
        for (size_t i = 0; i < n; i++)
            if (x[i].len != y[i].len || memcmp(x[i].ptr, y[i].ptr, x[i].len) != 0)
                return false;
        return true;
    }
    if (hn_dtype_class(got->dtype) == HN_CLASS_C)
        return memcmp(got->data, want->data, hn_bytes(got)) == 0;
    bool same = true;
    for (size_t i = 0; i < n; i += STEP) {
        size_t m = hn_min(n - i, STEP);
        hn_get_f64(got, i, m, a);
        hn_get_f64(want, i, m, b);
        for (size_t k = 0; k < m; k++)
            same = number_agrees(a[k], b[k], atol, rtol, nan) && same;
    }
    return same;
}

bool hn_tensors_agree(const hn_tensors *got, const hn_tensors *want, double atol, double rtol, bool *nan)
{
    bool same = got->count == want->count;
    *nan = false;
    for (size_t i = 0; i < want->count && i < got->count; i++)
        same = tensor_agrees(&got->t[i], &want->t[i], atol, rtol, nan) && same;
    return same;
}

hn_spread hn_tensor_spread(const hn_tensor *t)
{
    hn_spread s = { 0 };
    double sum = 0, squares = 0;
    size_t n = 0;
    int class = hn_is_list(t->dtype) ? HN_CLASS_S : hn_dtype_class(t->dtype);
    if (class == HN_CLASS_S || class == HN_CLASS_C)
        return s;
    for (size_t i = 0; i < hn_count(t); i++) {
        double x;
        hn_get_f64(t, i, 1, &x);
        if (!isfinite(x))
            continue;
        s.least = n == 0 || x < s.least ? x : s.least;
        s.most = n == 0 || x > s.most ? x : s.most;
        sum += x;
        squares += x * x;
        n++;
    }
    if (n > 0) {
        s.mean = sum / (double)n;
        s.deviation = sqrt(fmax(0, squares / (double)n - s.mean * s.mean));
    }
    return s;
}
