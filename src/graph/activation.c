/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/activation.h"

#include <math.h>
#include <string.h>

#include "graph/op.h"

/* An optional bound: missing means none; anything but a constant cannot be fused. */
static bool bound(const hn_node *n, int i, float missing, float *out)
{
    *out = missing;
    if (i >= n->in_count || !n->in[i])
        return true;
    if (!hn_is_const(n->in[i]) || n->in[i]->t.dtype != HN_F32 || hn_count(&n->in[i]->t) != 1)
        return false;
    *out = *(const float *)n->in[i]->t.data;
    return !isnan(*out);
}

bool hn_node_act(const hn_node *n, hn_act *act)
{
    const char *op = n->op->domain ? "" : n->op->name;
    *act = (hn_act){ .kind = HN_ACT_NONE };
    if (strcmp(op, "Relu") == 0)
        *act = (hn_act){ HN_ACT_CLIP, 0, INFINITY };
    else if (strcmp(op, "Clip") == 0 && bound(n, 1, -INFINITY, &act->a) && bound(n, 2, INFINITY, &act->b))
        act->kind = act->a <= act->b ? HN_ACT_CLIP : HN_ACT_NONE;
    else if (strcmp(op, "LeakyRelu") == 0)
        *act = (hn_act){ HN_ACT_LEAKY, (float)hn_attr_float(n, "alpha", 0.01), 0 };
    else if (strcmp(op, "Sigmoid") == 0)
        act->kind = HN_ACT_SIGMOID;
    else if (strcmp(op, "Tanh") == 0)
        act->kind = HN_ACT_TANH;
    else if (strcmp(op, "HardSwish") == 0)
        act->kind = HN_ACT_HARDSWISH;
    else if (strcmp(op, "HardSigmoid") == 0)
        *act = (hn_act){ HN_ACT_HARDSIGMOID, (float)hn_attr_float(n, "alpha", 0.2),
                         (float)hn_attr_float(n, "beta", 0.5) };
    else if (strcmp(op, "Gelu") == 0)
        act->kind = hn_attr_is(n, "approximate", "tanh", "none") ? HN_ACT_GELU_TANH : HN_ACT_GELU;
    return act->kind != HN_ACT_NONE;
}
