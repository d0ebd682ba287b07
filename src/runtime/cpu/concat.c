/* SPDX-License-Identifier: Apache-2.0 */
/* concat.c: Concat of whole bytes in either layout: runs of memory, copied. */
#include <string.h>

#include "base/num.h"
#include "runtime/impl.h"

typedef struct concat {
    size_t outer;                    /* runs of each input */
    size_t out_run;                  /* bytes between runs of the output */
    size_t *run;                     /* bytes of a run, per input */
} concat;

static bool accepts(const hn_prep *p)
{
    return hn_op_is(p->node, "Concat") && hn_dtype_bits(p->out[0]->dtype) >= 8;
}

static hn_err prepare(hn_prep *p)
{
    concat *c = HN_NEW(p->arena, concat, 1);
    size_t *run = HN_NEW(p->arena, size_t, (size_t)p->in_count), size = hn_dtype_bits(p->out[0]->dtype) / 8;
    int rank = p->out[0]->shape.rank, axis = (int)hn_attr_int(p->node, "axis", 0);
    if (!c || !run)
        return hn_nomem(p->cx, "a step");
    if (axis < 0)
        axis += rank;
    if (p->layout == HN_CHANNELS_LAST && rank > 2 && axis > 0)      /* where the axis lies in memory */
        axis = axis == 1 ? rank - 1 : axis - 1;
    hn_shape y = hn_physical(&p->out[0]->shape, p->layout);
    c->outer = hn_shape_product(&y, 0, axis);
    c->out_run = hn_shape_product(&y, axis, rank) * size;
    c->run = run;
    for (int i = 0; i < p->in_count; i++) {
        hn_shape x = hn_physical(&p->in[i]->shape, p->layout);
        run[i] = hn_shape_product(&x, axis, rank) * size;
    }
    p->state = c;
    return HN_OK;
}

static hn_err run(const hn_run *r)
{
    const concat *c = r->state;
    char *to = r->out[0]->data;
    for (int i = 0; i < r->node->in_count; i++) {
        const char *from = r->in[i]->data;
        for (size_t o = 0; o < c->outer && c->run[i]; o++)
            memcpy(to + o * c->out_run, from + o * c->run[i], c->run[i]);
        to += c->run[i];
    }
    return HN_OK;
}

const hn_impl hn_impl_concat = {
    .name = "concat", .rule = HN_RULE_FOLLOW, .accepts = accepts, .prepare = prepare, .run = run,
};
