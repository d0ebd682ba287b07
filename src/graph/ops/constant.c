/* SPDX-License-Identifier: Apache-2.0 */
/* constant.c: tensors written in the graph itself. */
#include <string.h>

#include "graph/op.h"

/* The importer turns Constant nodes into constants; this keeps a graph that still has one right. */
static hn_err infer(hn_call *c)
{
    const hn_attr *a = hn_attr_find(c->node, "value");
    if (!a || a->kind != HN_ATTR_TENSOR)
        return hn_unsupported(c, "a Constant without a 'value' tensor");
    hn_out(c, 0, a->tensor.dtype, &a->tensor.shape);
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    const hn_tensor *t = &hn_attr_find(c->node, "value")->tensor;
    if (hn_bytes(t))
        memcpy(c->out[0]->data, t->data, hn_bytes(t));
    return HN_OK;
}

static const hn_attr_spec attr[] = { { "value", HN_ATTR_TENSOR, "" }, { 0 } };

const hn_op hn_op_constant = {
    .name = "Constant", .since = 25, .min_in = 0, .max_in = 0, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run,
};
