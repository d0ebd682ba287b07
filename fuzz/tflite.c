/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a TFLite model: what opens is what every command may be given, so it verifies, and a plan for it is
 * measured. */
#include "fuzz/fuzz.h"

#include "formats/format.h"
#include "runtime/plan.h"

static void measure(hn_ctx *cx, const hn_graph *g)
{
    hn_shape *shape = hn_calloc(cx, g->in_count + 1, sizeof *shape);
    hn_plan_opts o = { .threads = 1, .in_shape = shape, .measure = true };
    hn_plan *p = NULL;
    bool known = shape != NULL;
    for (size_t i = 0; i < g->in_count && known; i++) {
        shape[i] = g->in[i]->t.shape;
        known = hn_shape_known(&shape[i]);
    }
    if (known && hn_plan_new(cx, g, &o, &p) == HN_OK)
        hn_plan_free(cx, p);
    hn_free(cx, shape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_source s;
    if (hn_source_open_memory(&cx, data, len, &s) == HN_OK) {
        if (hn_source_runnable(&cx, &s) == HN_OK) {
            if (hn_graph_verify(&cx, s.graph))
                abort();
            measure(&cx, s.graph);
        }
        hn_source_close(&cx, &s);
    } else if (!cx.msg[0]) {
        abort();
    }
    if (limit.used)
        abort();
    return 0;
}
