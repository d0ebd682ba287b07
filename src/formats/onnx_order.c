/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_order.c: nodes into an order in which every value is made before it is used.
 *
 * ONNX asks for that order; not every writer keeps it.  A depth-first walk from each node in turn
 * leaves a file that kept it exactly as it was. */
#include <string.h>

#include "formats/onnx.h"

typedef struct place {
    hn_onnx_raw **needs;              /* nodes whose outputs this one reads, bodies included */
    size_t need_count, need_cap, next;
    enum { NEW, OPEN, DONE } state;
} place;

typedef struct sorter {
    hn_onnx *r;
    hn_onnx_raw *node;
    place *place;
    hn_names maker;                   /* value name -> the node that makes it */
} sorter;

/* Names that a body makes itself hide those of the graph around it. */
typedef struct hidden {
    hn_names names;
    const struct hidden *outer;
} hidden;

static hn_err need(sorter *s, size_t user, hn_text name, const hidden *hide)
{
    for (; hide; hide = hide->outer)
        if (hn_names_get(&hide->names, name))
            return HN_OK;
    hn_onnx_raw *maker = hn_names_get(&s->maker, name);
    place *p = &s->place[user];
    if (!maker)
        return HN_OK;
    if (p->need_count == p->need_cap) {
        size_t cap = p->need_cap ? p->need_cap * 2 : 4;
        hn_onnx_raw **grown = HN_NEW(s->r->scratch, hn_onnx_raw *, cap);
        if (!grown)
            return hn_nomem(s->r->cx, "the order of nodes");
        if (p->need_count)
            memcpy(grown, p->needs, p->need_count * sizeof *grown);
        p->needs = grown;
        p->need_cap = cap;
    }
    p->needs[p->need_count++] = maker;
    return HN_OK;
}

/* The name inside a ValueInfoProto (field 1), a TensorProto (8) or a SparseTensorProto (1 > 8). */
static hn_text name_in(hn_pb msg, uint32_t key)
{
    hn_pb_field f;
    hn_text name = { "", 0 };
    while (hn_pb_next(&msg, &f))
        if (f.key == key)
            name = hn_pb_text(&f);
    return name;
}

static bool hide_names(hidden *h, hn_pb graph)
{
    hn_pb_field f;
    bool ok = true;
    while (hn_pb_next(&graph, &f) && ok) {
        hn_pb inside = hn_pb_inside(&f);
        if (f.key == HN_PB(11, LEN))
            ok = hn_names_put(&h->names, name_in(inside, HN_PB(1, LEN)), h);
        else if (f.key == HN_PB(5, LEN))
            ok = hn_names_put(&h->names, name_in(inside, HN_PB(8, LEN)), h);
        else if (f.key == HN_PB(15, LEN)) {
            hn_text values = name_in(inside, HN_PB(1, LEN));
            ok = hn_names_put(&h->names, name_in(hn_pb_over(values.ptr, values.len), HN_PB(8, LEN)), h);
        } else if (f.key == HN_PB(1, LEN)) {
            hn_pb_field out;
            while (hn_pb_next(&inside, &out) && ok)
                if (out.key == HN_PB(2, LEN))
                    ok = hn_names_put(&h->names, hn_pb_text(&out), h);
        }
    }
    return ok;
}

static hn_err node_bodies(sorter *s, size_t user, hn_pb node, const hidden *outer, int depth);

static hn_err body_needs(sorter *s, size_t user, hn_pb graph, const hidden *outer, int depth)
{
    hidden hide = { .outer = outer };
    hn_pb_field f;
    if (depth > HN_ONNX_DEPTH_MAX)
        return hn_fail(s->r->cx, HN_ELIMIT, "graphs nested more than %d deep", HN_ONNX_DEPTH_MAX);
    hn_names_init(&hide.names, s->r->scratch);
    if (!hide_names(&hide, graph))
        return hn_nomem(s->r->cx, "the order of nodes");
    while (hn_pb_next(&graph, &f)) {
        hn_pb inside = hn_pb_inside(&f);
        if (f.key == HN_PB(12, LEN))
            HN_TRY(need(s, user, name_in(inside, HN_PB(1, LEN)), &hide));
        if (f.key != HN_PB(1, LEN))
            continue;
        hn_pb_field in;
        for (hn_pb at = inside; hn_pb_next(&at, &in);)
            if (in.key == HN_PB(1, LEN))
                HN_TRY(need(s, user, hn_pb_text(&in), &hide));
        HN_TRY(node_bodies(s, user, inside, &hide, depth));
    }
    return HN_OK;
}

/* Damage is left for the reading proper to report. */
static hn_err node_bodies(sorter *s, size_t user, hn_pb node, const hidden *outer, int depth)
{
    hn_pb_field f, a;
    while (hn_pb_next(&node, &f)) {
        if (f.key != HN_PB(5, LEN))
            continue;
        for (hn_pb attr = hn_pb_inside(&f); hn_pb_next(&attr, &a);)
            if (a.key == HN_PB(6, LEN))
                HN_TRY(body_needs(s, user, hn_pb_inside(&a), outer, depth + 1));
    }
    return HN_OK;
}

static hn_err note_outputs(sorter *s, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < s->node[i].out_count; j++)
            if (s->node[i].out[j].len && !hn_names_put(&s->maker, s->node[i].out[j], &s->node[i]))
                return hn_nomem(s->r->cx, "the order of nodes");
    return HN_OK;
}

/* Depth first, with a stack of our own: `at` walks down to what is needed and back. */
static hn_err walk(sorter *s, size_t from, size_t *stack, hn_onnx_raw **order, size_t *ordered)
{
    size_t depth = 0;
    stack[depth++] = from;
    while (depth > 0) {
        size_t at = stack[depth - 1];
        place *p = &s->place[at];
        p->state = OPEN;
        if (p->next == p->need_count) {
            p->state = DONE;
            order[(*ordered)++] = &s->node[at];
            depth--;
            continue;
        }
        size_t to = (size_t)(p->needs[p->next++] - s->node);
        if (s->place[to].state == OPEN) {
            const hn_onnx_raw *n = &s->node[to];
            return hn_fail(s->r->cx, HN_EFORMAT, "node %zu '%.*s' (%.*s) needs its own result: the graph has a cycle",
                           n->index, n->name.len > 80 ? 80 : (int)n->name.len, n->name.ptr,
                           n->op.len > 80 ? 80 : (int)n->op.len, n->op.ptr);
        }
        if (s->place[to].state == NEW)
            stack[depth++] = to;
    }
    return HN_OK;
}

hn_err hn_onnx_order(hn_onnx *r, hn_onnx_raw *node, size_t count, hn_onnx_raw **order)
{
    sorter s = { .r = r, .node = node, .place = HN_NEW(r->scratch, place, count) };
    size_t *stack = HN_NEW(r->scratch, size_t, count), ordered = 0;
    if (!s.place || !stack)
        return hn_nomem(r->cx, "the order of nodes");
    hn_names_init(&s.maker, r->scratch);
    HN_TRY(note_outputs(&s, count));
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < node[i].in_count; j++)
            HN_TRY(need(&s, i, node[i].in[j], NULL));
        HN_TRY(node_bodies(&s, i, node[i].msg, NULL, 0));
    }
    for (size_t i = 0; i < count; i++)
        if (s.place[i].state == NEW)
            HN_TRY(walk(&s, i, stack, order, &ordered));
    return HN_OK;
}
