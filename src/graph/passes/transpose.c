/* SPDX-License-Identifier: Apache-2.0 */
/* transpose: two in a row become one, one that moves nothing becomes none. */
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

static bool is_transpose(const hn_node *n)
{
    return n && !n->op->domain && strcmp(n->op->name, "Transpose") == 0 && n->act.kind == HN_ACT_NONE;
}

/* Without the attribute the axes are reversed. */
static void permutation(const hn_node *n, int rank, int64_t perm[HN_RANK_MAX])
{
    const int64_t *p;
    bool given = hn_attr_ints(n, "perm", &p) == (size_t)rank;
    for (int i = 0; i < rank; i++)
        perm[i] = given ? p[i] : rank - 1 - i;
}

static hn_err set_permutation(hn_ctx *cx, hn_graph *g, hn_node *n, int rank, const int64_t *perm)
{
    hn_attr *attr = HN_NEW(g->arena, hn_attr, 1);
    int64_t *copy = HN_NEW(g->arena, int64_t, HN_RANK_MAX);
    if (!attr || !copy)
        return hn_nomem(cx, "a transpose");
    memcpy(copy, perm, (size_t)rank * sizeof *copy);
    *attr = (hn_attr){ .name = "perm", .kind = HN_ATTR_INTS, .list = { .i = copy, .count = (size_t)rank } };
    n->attr = attr;
    n->attr_count = 1;
    return HN_OK;
}

static bool moves_nothing(const hn_node *n, int rank)
{
    int64_t perm[HN_RANK_MAX];
    permutation(n, rank, perm);
    for (int i = 0; i < rank; i++)
        if (perm[i] != i)
            return false;
    return true;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        int rank = is_transpose(n) ? n->in[0]->t.shape.rank : -1;
        if (rank < 0)
            continue;
        const hn_node *before = n->in[0]->maker;
        if (is_transpose(before) && before->in[0]) {
            int64_t first[HN_RANK_MAX], second[HN_RANK_MAX], both[HN_RANK_MAX];
            permutation(before, rank, first);
            permutation(n, rank, second);
            for (int k = 0; k < rank; k++)
                both[k] = first[second[k]];
            HN_TRY(set_permutation(cx, g, n, rank, both));
            n->in[0] = before->in[0];
            ++*changes;
        }
        if (moves_nothing(n, rank) && hn_graph_uses(g, n->out[0]) > 0 &&
            hn_graph_bypass(g, n->out[0], n->in[0]))
            ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_transpose = { "transpose", "merge and cancel transposes", run };
