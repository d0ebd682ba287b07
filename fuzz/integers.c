/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a small graph of integers that stand for real numbers: what verifies and infers runs through
 * eval and through a plan, on the scalar and on this machine's best kernels, to the same bits. */
#include "fuzz/fuzz.h"

#include <stdio.h>

#include "tests/support/agree.h"
#include "tests/support/random.h"

static void compare(hn_ctx *cx, const hn_graph *g, const hn_kernels *k, bool no_optimize)
{
    hn_plan_opts o = { .kernels = k, .threads = 1, .no_optimize = no_optimize };
    hn_arena *a;
    double worst = 0;
    if (hn_arena_new(cx, 0, &a))
        return;
    hn_err e = hn_test_agree_graph(cx, g, &o, NULL, 1, a, &worst);
    bool spent = e == HN_ENOMEM || e == HN_ELIMIT;
    if (e ? !spent : worst != 0) {
        fprintf(stderr, "%s: %s, worst %g\n", k->isa, e ? cx->msg : "differs", worst);
        abort();
    }
    hn_arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_graph *g;
    if (hn_test_random_integers(&cx, data, len, &g) == HN_OK) {
        compare(&cx, g, hn_kernels_scalar(), true);
        compare(&cx, g, hn_kernels_pick(), false);
        hn_graph_free(g);
    }
    if (limit.used)
        abort();
    return 0;
}
