/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/graph.h"

hn_err hn_test_op(hn_op_test *t, const char *domain, const char *name, const hn_tensor *in, int in_count,
                  const hn_attr *attr, int attr_count, int out_count)
{
    hn_value *ins[16], *outs[8];
    const hn_tensor *data[16];
    hn_node *n;
    const hn_op *op = hn_op_find(domain, name);

    *t = (hn_op_test){ 0 };
    if (!op)
        return hn_fail(&t->cx, HN_EUNSUP, "no operator %s", name);
    HN_TRY(hn_graph_new(&t->cx, &t->g));
    HN_TRY(hn_arena_new(&t->cx, 0, &t->memory));
    for (int i = 0; i < in_count; i++) {
        bool given = in[i].dtype != HN_NONE;             /* an all-zero tensor: left out */
        ins[i] = NULL;
        data[i] = given ? &in[i] : NULL;
        if (given)
            HN_TRY(hn_graph_add_value(&t->cx, t->g, "", &ins[i]));
    }
    for (int i = 0; i < out_count; i++)
        HN_TRY(hn_graph_add_value(&t->cx, t->g, "", &outs[i]));
    HN_TRY(hn_graph_add_node(&t->cx, t->g, op, "test", ins, in_count, outs, out_count, attr, attr_count, &n));
    return hn_eval_node(&t->cx, n, data, t->memory, t->memory, t->out);
}

void hn_test_done(hn_op_test *t)
{
    hn_arena_free(t->memory);
    hn_graph_free(t->g);
}
