/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a plan file.  Its checksums are set right first, or nothing behind them would be reached; what opens
 * is planned. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "formats/planfile.h"
#include "runtime/plan.h"

static void put(uint8_t *data, size_t at, uint64_t v) { memcpy(data + at, &v, sizeof v); }

/* Engine and processor as here, sums and sizes as they are; those of blobs stand in the tree and are left to the
 * reader's own check. */
static void make_whole(uint8_t *data, size_t len)
{
    uint64_t tree;
    memcpy(&tree, data + HN_PLANFILE_AT_TREE, sizeof tree);
    tree = tree < HN_PLANFILE_HEADER || tree > len ? HN_PLANFILE_HEADER : tree;
    memset(data, 0, HN_PLANFILE_AT_SOURCE);
    memcpy(data, HN_PLANFILE_MAGIC, 8);
    data[HN_PLANFILE_AT_VERSION] = HN_PLANFILE_VERSION;
    strcpy((char *)data + HN_PLANFILE_AT_ENGINE, hn_engine_id());
    strcpy((char *)data + HN_PLANFILE_AT_ISA, hn_kernels_pick()->isa);
    strcpy((char *)data + HN_PLANFILE_AT_MACHINE, hn_machine_name());
    data[HN_PLANFILE_AT_SOURCE_SUM - 1] = 0;
    put(data, HN_PLANFILE_AT_LEN, len);
    put(data, HN_PLANFILE_AT_TREE, tree);
    put(data, HN_PLANFILE_AT_TREE_SUM, hn_checksum(data + tree, len - tree));
    put(data, HN_PLANFILE_AT_SUM, hn_checksum(data, HN_PLANFILE_AT_SUM));
}

static void lay_out(hn_ctx *cx, const hn_source *s)
{
    hn_shape *shape = hn_calloc(cx, s->graph->in_count + 1, sizeof *shape);
    for (size_t i = 0; shape && i < s->built_count; i++) {
        hn_plan *plan = NULL;
        hn_plan_opts o = { .threads = 1, .in_shape = shape, .built = s->built, .built_count = s->built_count };
        for (size_t k = 0; k < s->graph->in_count; k++)
            shape[k] = s->built[i].graph->in[k]->t.shape;
        if (hn_plan_new(cx, s->graph, &o, &plan) == HN_OK)
            hn_plan_free(cx, plan);
        else if (!*cx->msg)
            abort();
    }
    hn_free(cx, shape);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    fuzz_limit limit = { 0 };
    hn_env env = { .alloc = fuzz_alloc, .alloc_user = &limit, .tensor_bytes_max = FUZZ_BYTES_MAX };
    hn_ctx cx = { .env = &env };
    hn_source s;
    uint8_t *data = malloc(len + 1);
    memcpy(data, bytes, len);
    if (len >= HN_PLANFILE_HEADER)
        make_whole(data, len);
    if (hn_source_open_memory(&cx, data, len, &s) == HN_OK) {
        lay_out(&cx, &s);
        hn_source_close(&cx, &s);
    } else if (!*cx.msg) {
        abort();                         /* every error has words */
    }
    free(data);
    if (limit.used)
        abort();                         /* and gives everything back */
    return 0;
}
