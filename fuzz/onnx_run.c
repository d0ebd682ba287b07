/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ONNX model that is also run: through eval as the file says, then through an optimised
 * plan.  Seeds are small models of every operator; what is mutated is their attributes, shapes and types. */
#include "fuzz/fuzz.h"

#include "formats/format.h"
#include "graph/eval.h"
#include "runtime/session.h"

enum { ELEMENTS_MAX = 1 << 12, INPUTS_MAX = 16 };
#define TENSOR_MAX ((size_t)1 << 20)

static uint32_t seed;

static uint32_t next_number(void) { return seed = seed * 1664525u + 1013904223u; }

static void fill(hn_tensor *t)
{
    static const hn_text words[] = { { "", 0 }, { "ab", 2 }, { "monday", 6 }, { "a b,c", 5 } };
    for (size_t i = 0; i < hn_count(t); i++) {
        double v = (double)(next_number() >> 28) / 2 - 2;
        if (t->dtype == HN_STR)
            ((hn_text *)t->data)[i] = words[next_number() >> 30];
        else
            hn_put_f64(t, i, 1, &v);
    }
}

/* A value of this type: names of dimensions stand for 1 to 4. */
static bool make(hn_arena *a, const hn_tensor *like, hn_tensor *out)
{
    *out = (hn_tensor){ .dtype = like->dtype, .shape = like->shape };
    if (out->shape.rank < 0)
        out->shape = (hn_shape){ .rank = 2, .dim = { 2, 3 } };
    for (int i = 0; i < out->shape.rank; i++)
        if (out->shape.dim[i] < 0)
            out->shape.dim[i] = 1 + (int64_t)(next_number() >> 30);
    if (hn_count(out) > ELEMENTS_MAX)
        return false;
    out->data = hn_arena_get(a, hn_bytes(out) + 1, 64);
    if (!out->data)
        return false;
    if (!hn_is_list(out->dtype)) {
        fill(out);
        return true;
    }
    hn_list *list = out->data;
    hn_tensor item = { .dtype = hn_list_of(out->dtype), .shape = { .rank = hn_is_list(hn_list_of(out->dtype)) ? 0 : -1 } };
    list->count = next_number() >> 31;
    list->item = HN_NEW(a, hn_tensor, 1);
    return list->item && (!list->count || (item.dtype != HN_NONE && make(a, &item, list->item)));
}

static void run_plan(hn_ctx *cx, const hn_graph *g, const hn_tensor *in)
{
    hn_shape shape[INPUTS_MAX];
    hn_plan *p = NULL;
    hn_session *s = NULL;
    for (size_t i = 0; i < g->in_count; i++)
        shape[i] = in[i].shape;
    hn_plan_opts o = { .threads = 1, .in_shape = shape };
    if (hn_plan_new(cx, g, &o, &p) == HN_OK && hn_session_new(cx, p, NULL, &s) == HN_OK) {
        for (size_t i = 0; i < g->in_count; i++)
            hn_session_bind_input(s, i, in[i].data);
        hn_session_run(cx, s);
    }
    hn_session_free(s);
    hn_plan_free(cx, p);
}

static void run(hn_ctx *cx, const hn_graph *g)
{
    hn_tensor in[INPUTS_MAX];
    hn_arena *a;
    bool ok = g->in_count <= INPUTS_MAX;
    if (hn_arena_new(cx, 0, &a))
        return;
    hn_tensor *out = HN_NEW(a, hn_tensor, g->out_count + 1);
    for (size_t i = 0; i < g->in_count && ok; i++)
        ok = make(a, &g->in[i]->t, &in[i]);
    if (ok && out) {
        hn_eval(cx, g, in, a, out);
        run_plan(cx, g, in);
    }
    hn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = TENSOR_MAX };
    hn_ctx cx = { .env = &env };
    hn_source s;
    seed = (uint32_t)len;
    if (hn_source_open_memory(&cx, data, len, &s) == HN_OK) {
        if (s.graph && hn_source_runnable(&cx, &s) == HN_OK)
            run(&cx, s.graph);
        hn_source_close(&cx, &s);
    }
    if (limit.used)
        abort();                         /* everything is given back */
    return 0;
}
