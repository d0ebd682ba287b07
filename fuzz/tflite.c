/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a TFLite model: read, verify, infer, and, when it is small, run on zeros. */
#include "fuzz/fuzz.h"

#include "formats/format.h"
#include "graph/eval.h"

enum { NODES_MAX = 64, BYTES_MAX = 1 << 16 };

static void run(hn_ctx *cx, const hn_graph *g)
{
    hn_arena *a;
    if (hn_arena_new(cx, 8 << 20, &a))
        return;
    hn_tensor *in = HN_NEW(a, hn_tensor, g->in_count), *out = HN_NEW(a, hn_tensor, g->out_count);
    bool small = in && out && g->node_count <= NODES_MAX;
    for (size_t i = 0; small && i < g->value_count; i++)
        small = hn_shape_known(&g->value[i]->t.shape) && hn_bytes(&g->value[i]->t) <= BYTES_MAX;
    for (size_t i = 0; small && i < g->in_count; i++) {
        in[i] = g->in[i]->t;
        in[i].data = hn_arena_get(a, hn_bytes(&in[i]) + 1, 64);
        small = in[i].data != NULL;
    }
    if (small)
        hn_eval(cx, g, in, a, out);
    hn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = 1 << 20 };
    hn_ctx cx = { .env = &env };
    hn_source s;
    if (len < 8 || data[4] != 'T')
        return -1;                       /* other formats have targets of their own */
    if (hn_source_open_memory(&cx, data, len, &s) == HN_OK) {
        if (hn_source_runnable(&cx, &s) == HN_OK)
            run(&cx, s.graph);
        hn_source_close(&cx, &s);
    } else if (!*cx.msg) {
        abort();
    }
    if (limit.used)
        abort();
    return 0;
}
