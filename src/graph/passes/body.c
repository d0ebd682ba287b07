/* SPDX-License-Identifier: Apache-2.0 */
/* body: the passes again, inside what If, Loop and Scan run. */
#include "graph/pass.h"

/* Inference may have given up on a branch that is never taken. */
static bool is_told(const hn_graph *g)
{
    for (size_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < g->node[i]->out_count; j++)
            if (g->node[i]->out[j] && g->node[i]->out[j]->t.dtype == HN_NONE)
                return false;
    return true;
}

/* Bodies lie at most as deep as the importer lets them, and each pass goes one deeper. */
static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++)
        for (int j = 0; j < g->node[i]->attr_count; j++) {
            const hn_attr *a = &g->node[i]->attr[j];
            if (a->kind != HN_ATTR_GRAPH || !is_told(a->graph))
                continue;
            for (const hn_pass *const *p = hn_passes; *p; p++)
                HN_TRY((*p)->run(cx, a->graph, changes));
        }
    return HN_OK;
}

const hn_pass hn_pass_body = { "body", "simplify what If, Loop and Scan run", run };
