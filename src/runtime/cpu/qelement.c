/* SPDX-License-Identifier: Apache-2.0 */
/* qelement.c: QAdd, QSub and QMul on bytes of one shape, or with one number; Lookup from bytes to bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "graph/integer.h"
#include "runtime/impl.h"

#define PIECE ((size_t)32 * 1024)

static bool hone_op(const hn_node *n, const char *name) { return n->op->domain && strcmp(n->op->name, name) == 0; }

static bool is_byte(const hn_tensor *t) { return t->dtype == HN_I8 || t->dtype == HN_U8; }

/* ---- Two operands --------------------------------------------------------------------------------- */

static bool read_pair(const hn_prep *p, hn_qbinary *q)
{
    hn_integer_pair pair;
    hn_call call = hn_prep_call(p);
    bool product = hone_op(p->node, "QMul");
    if (!product && !hone_op(p->node, "QAdd") && !hone_op(p->node, "QSub"))
        return false;
    if (!is_byte(p->in[0]) || p->node->act.kind != HN_ACT_NONE || hn_integer_pair_read(&call, product, &pair) ||
        pair.q.rounding == HN_ROUND_SINGLE)
        return false;
    /* The kernel multiplies in floats, and clips before it rounds. */
    if (labs((long)pair.a_zero) > 255 || labs((long)pair.b_zero) > 255 || labs((long)pair.q.y_zero) > 1 << 20)
        return false;
    *q = (hn_qbinary){ .kind = product ? HN_Q_MUL : hone_op(p->node, "QAdd") ? HN_Q_ADD : HN_Q_SUB, .rule = pair.q.rounding,
                       .is_signed = p->in[0]->dtype == HN_I8, .a_zero = pair.a_zero, .b_zero = pair.b_zero, .left = pair.left,
                       .a = pair.a, .b = pair.b, .y = pair.y, .a_scale = (float)pair.a_scale, .b_scale = (float)pair.b_scale,
                       .y_scale = (float)pair.y_scale, .zero = pair.q.y_zero, .low = pair.q.low, .high = pair.q.high };
    return true;
}

static bool accepts_pair(const hn_prep *p)
{
    hn_qbinary q;
    if (!read_pair(p, &q))                 /* first: other operators may have no second operand */
        return false;
    for (int i = 0; i < 2; i++)
        if (hn_count(p->in[i]) != 1 && !hn_shape_equal(&p->in[i]->shape, &p->out[0]->shape))
            return false;
    return hn_count(p->out[0]) > 0;
}

static hn_err prepare_pair(hn_prep *p)
{
    hn_qbinary *q = HN_NEW(p->arena, hn_qbinary, 1);
    if (!q)
        return hn_nomem(p->cx, "a step");
    read_pair(p, q);
    p->state = q;
    return HN_OK;
}

static void some_pairs(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    size_t all = hn_count(r->out[0]), at = piece * PIECE, n = hn_min(PIECE, all - at);
    size_t sa = hn_count(r->in[0]) == all, sb = hn_count(r->in[1]) == all;
    (void)worker;
    r->k->qbinary_8((uint8_t *)r->out[0]->data + at, (const uint8_t *)r->in[0]->data + at * sa, sa,
                    (const uint8_t *)r->in[1]->data + at * sb, sb, n, r->state);
}

static hn_err run_pair(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), PIECE), some_pairs, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_qbinary = {
    .name = "qbinary.8bit", .rule = HN_RULE_FOLLOW, .inplace = 3, .accepts = accepts_pair, .prepare = prepare_pair,
    .run = run_pair,
};

/* ---- A table ---------------------------------------------------------------------------------------- */

static bool accepts_lookup(const hn_prep *p)
{
    return hone_op(p->node, "Lookup") && is_byte(p->out[0]) && p->in[1]->data && p->node->act.kind == HN_ACT_NONE;
}

static void some_lookups(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    size_t at = piece * PIECE, n = hn_min(PIECE, hn_count(r->out[0]) - at);
    (void)worker;
    r->k->lookup_8((uint8_t *)r->out[0]->data + at, (const uint8_t *)r->in[0]->data + at, n, r->in[1]->data);
}

static hn_err run_lookup(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), PIECE), some_lookups, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_lookup = {
    .name = "lookup.8bit", .rule = HN_RULE_FOLLOW, .inplace = 1, .accepts = accepts_lookup, .run = run_lookup,
};
