/* SPDX-License-Identifier: Apache-2.0 */
/* qelement.c: QAdd, QSub and QMul on bytes, with broadcasting; Lookup from bytes to bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "graph/integer.h"
#include "runtime/cpu/elementwise.h"

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
    return read_pair(p, &q) && hn_count(p->out[0]) > 0;
}

typedef struct pair {
    hn_qbinary q;
    hn_pair_walk w;
    size_t block, group;             /* elements of a row, rows, per piece: one of them 1 or all there are */
    bool spread[2];                  /* an operand that repeats itself is written out first, where rows are short */
} pair;

/* Does the operand walk through all of the result? */
static bool whole(const hn_pair_walk *w, const size_t stride[HN_RANK_MAX])
{
    size_t next = 1;
    for (int i = w->rank - 1; i >= 0; next *= w->dim[i--])
        if (stride[i] != next)
            return false;
    return true;
}

static hn_err prepare_pair(hn_prep *p)
{
    pair *s = HN_NEW(p->arena, pair, 1);
    if (!s)
        return hn_nomem(p->cx, "a step");
    read_pair(p, &s->q);
    hn_qbinary_quick(&s->q);
    hn_pair_walk_find(p, &s->w);
    s->block = hn_min(s->w.row, PIECE);
    s->group = s->w.rank > 1 ? hn_max(PIECE / s->w.row, 1) : 1;
    s->spread[0] = s->group > 1 && !whole(&s->w, s->w.sa);
    s->spread[1] = s->group > 1 && !whole(&s->w, s->w.sb);
    p->scratch_bytes = (size_t)(s->spread[0] + s->spread[1]) * PIECE;
    p->state = s;
    return HN_OK;
}

/* Where an operand is at a row, counted on from row to row. */
typedef struct odometer { size_t at[HN_RANK_MAX], offset; } odometer;

static odometer odometer_at(const hn_pair_walk *w, const size_t *stride, size_t row)
{
    odometer o = { .offset = 0 };
    for (int i = w->rank - 2; i >= 0; row /= w->dim[i--]) {
        o.at[i] = row % w->dim[i];
        o.offset += o.at[i] * stride[i];
    }
    return o;
}

static void odometer_next(const hn_pair_walk *w, const size_t *stride, odometer *o)
{
    for (int i = w->rank - 2; i >= 0; i--) {
        o->offset += stride[i];
        if (++o->at[i] < w->dim[i])
            return;
        o->offset -= w->dim[i] * stride[i];
        o->at[i] = 0;
    }
}

/* `rows` rows of an operand as if it had the result's shape. */
static void spread(const hn_pair_walk *w, const size_t *stride, const uint8_t *x, size_t first, size_t rows,
                   uint8_t *out)
{
    size_t n = w->row, step = stride[w->rank - 1];
    odometer o = odometer_at(w, stride, first);
    for (size_t r = 0; r < rows; r++, out += n, odometer_next(w, stride, &o))
        for (size_t i = 0; i < n; i++)
            out[i] = x[o.offset + i * step];
}

static void some_pairs(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const pair *s = r->state;
    const hn_pair_walk *w = &s->w;
    const size_t *stride[2] = { w->sa, w->sb };
    size_t blocks = hn_ceil_div(w->row, s->block), at = piece % blocks * s->block, first = piece / blocks * s->group;
    size_t rows = hn_min(s->group, w->rows - first), n = rows * hn_min(s->block, w->row - at), step[2];
    uint8_t *scratch = (uint8_t *)r->scratch + worker * r->scratch_stride;
    const uint8_t *x[2];
    for (int i = 0; i < 2; i++) {
        step[i] = s->group > 1 ? 1 : stride[i][w->rank - 1];
        x[i] = (const uint8_t *)r->in[i]->data + odometer_at(w, stride[i], first).offset + at * step[i];
        if (s->spread[i]) {
            spread(w, stride[i], r->in[i]->data, first, rows, scratch);
            x[i] = scratch;
            scratch += PIECE;
        }
    }
    r->k->qbinary_8((uint8_t *)r->out[0]->data + first * w->row + at, x[0], step[0], x[1], step[1], n, &s->q);
}

static hn_err run_pair(const hn_run *r)
{
    const pair *s = r->state;
    size_t pieces = hn_ceil_div(s->w.row, s->block) * hn_ceil_div(s->w.rows, s->group);
    hn_parallel(r, pieces, some_pairs, (void *)(uintptr_t)r);
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
