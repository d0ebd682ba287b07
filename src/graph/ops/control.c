/* SPDX-License-Identifier: Apache-2.0 */
/* control.c: operators that run graphs of their own: If, Loop, Scan.
 *
 * What comes out is told by running, so all three make their outputs.  Inference goes through the
 * bodies as far as it can: the branches of an If are merged, and what a loop carries from step to step
 * is loosened until one more step changes nothing. */
#include <string.h>

#include "base/num.h"
#include "graph/eval.h"
#include "graph/load.h"
#include "graph/stack.h"

/* Steps of a loop that says of itself when to end; bad input must not run for ever. */
#define STEPS_MAX ((int64_t)1 << 24)

static hn_err find_body(const hn_call *c, const char *name, const hn_attr **out)
{
    *out = hn_attr_find(c->node, name);
    return *out && (*out)->kind == HN_ATTR_GRAPH ? HN_OK : hn_bad(c, "has no graph '%s'", name);
}

static hn_err want_count(const hn_call *c, const char *what, size_t found, size_t expected)
{
    return found == expected ? HN_OK : hn_bad(c, "the body has %zu %s, expected %zu", found, what, expected);
}

/* Copies what the body made to where outputs live. */
static hn_err keep(hn_call *c, int i, const hn_tensor *t)
{
    return hn_has_out(c, i) ? hn_tensor_copy(c->cx, t, c->text, c->out[i]) : HN_OK;
}

/* ---- If -------------------------------------------------------------------------------------- */

enum { THEN, ELSE };

static hn_shape merged(hn_call *c, const hn_shape *a, const hn_shape *b)
{
    hn_shape s = *a;
    if (a->rank != b->rank)
        return (hn_shape){ .rank = -1 };
    for (int i = 0; i < s.rank; i++)
        if (a->dim[i] != b->dim[i])
            s.dim[i] = hn_fresh_dim(c);
    return s;
}

static hn_err check_branch(const hn_call *c, const hn_graph *g)
{
    if (g->out_count < (size_t)c->out_count)        /* outputs nobody wants are not listed */
        return hn_bad(c, "a branch has %zu outputs, expected %d", g->out_count, c->out_count);
    return want_count(c, "inputs", g->in_count, 0);
}

/* A branch that cannot be inferred may be one that is never taken: the other one tells the types. */
static hn_err infer_if(hn_call *c)
{
    static const char *const name[] = { "then_branch", "else_branch" };
    const hn_attr *branch[2];
    hn_err e[2] = { HN_OK, HN_OK };
    int64_t taken;
    bool known = hn_known(c, 0, &taken, 1) == 1 && !hn_is_symbol(taken);

    HN_TRY(hn_want_type(c, 0, HN_BOOL));
    for (int b = THEN; b <= ELSE; b++) {
        HN_TRY(find_body(c, name[b], &branch[b]));
        HN_TRY(check_branch(c, branch[b]->graph));
        if (!known || (taken != 0) == (b == THEN))
            e[b] = hn_infer_body(c, branch[b]->graph);
        else
            e[b] = HN_EFORMAT;               /* never taken: not asked */
        if (e[b] && e[b] != HN_EFORMAT)
            return e[b];
    }
    if (e[THEN] && e[ELSE])
        return known && taken == 0 ? e[ELSE] : e[THEN];
    for (int i = 0; i < c->out_count; i++) {
        const hn_tensor *a = &branch[THEN]->graph->out[i]->t, *b = &branch[ELSE]->graph->out[i]->t;
        if (e[THEN] || e[ELSE]) {
            hn_out(c, i, e[THEN] ? b->dtype : a->dtype, known ? e[THEN] ? &b->shape : &a->shape
                                                              : &(hn_shape){ .rank = -1 });
            continue;
        }
        if (a->dtype != b->dtype)
            return hn_bad(c, "output %d is %s in one branch and %s in the other", i, hn_dtype_name(a->dtype),
                          hn_dtype_name(b->dtype));
        hn_shape s = merged(c, &a->shape, &b->shape);
        hn_out(c, i, a->dtype, &s);
    }
    return HN_OK;
}

static hn_err make_if(hn_call *c)
{
    const hn_attr *branch;
    hn_body body;
    HN_TRY(hn_want_type(c, 0, HN_BOOL));
    if (hn_count(c->in[0]) != 1)
        return hn_bad(c, "the condition has %zu elements, expected 1", hn_count(c->in[0]));
    HN_TRY(find_body(c, hn_scalar_i64(c, 0, 0) ? "then_branch" : "else_branch", &branch));
    HN_TRY(check_branch(c, branch->graph));
    hn_tensor *made = HN_NEW(c->scratch, hn_tensor, branch->graph->out_count);
    if (!made)
        return hn_nomem(c->cx, "a branch");
    HN_TRY(hn_body_open(c, branch, &body));
    hn_err e = hn_body_run(&body, NULL, made);
    for (int i = 0; i < c->out_count && !e; i++)
        e = keep(c, i, &made[i]);
    hn_body_close(&body);
    return e;
}

/* ---- What loops carry -------------------------------------------------------------------------- */

/* Makes `in` wide enough for what comes out of a step; false when it was.  Once loosened, symbols of a
 * shape are this value's own, and stand for any size. */
static bool loosen(hn_call *c, hn_shape *in, const hn_shape *out, bool *own)
{
    bool fits = in->rank < 0 || in->rank == out->rank;
    for (int i = 0; i < in->rank && fits; i++)
        fits = in->dim[i] == out->dim[i] || (*own && hn_is_symbol(in->dim[i]));
    if (fits)
        return false;
    if (in->rank != out->rank)
        *in = (hn_shape){ .rank = -1 };
    for (int i = 0; i < in->rank; i++)
        if (in->dim[i] != out->dim[i] || hn_is_symbol(in->dim[i]))
            in->dim[i] = hn_fresh_dim(c);
    *own = true;
    return true;
}

/* How deep bodies lie in each other while a loop is still told shape by shape: every level infers what
 * is inside it a few times over. */
enum { TOLD_DEPTH = 3, ROUNDS = 3 };

static int depth_of(const hn_graph *g)
{
    int depth = 0;
    for (; g->parent; g = g->parent)
        depth++;
    return depth;
}

/* Infers the body again until the `count` values carried from its output `from` to its input `to` have
 * shapes that hold for every step. */
static hn_err infer_carried(hn_call *c, hn_graph *body, size_t from, size_t to, size_t count)
{
    bool *own = hn_calloc(c->cx, count + 1, sizeof *own), again = true;
    hn_err e = own ? HN_OK : hn_nomem(c->cx, "a loop");
    for (int round = depth_of(body) > TOLD_DEPTH ? ROUNDS : 0; again && !e; round++) {
        again = false;
        for (size_t i = 0; i < count && round == ROUNDS; i++)      /* nothing is told: nothing can differ */
            body->in[to + i]->t.shape.rank = -1;
        e = hn_infer_body(c, body);
        for (size_t i = 0; i < count && !e; i++) {
            hn_tensor *in = &body->in[to + i]->t;
            const hn_tensor *out = &body->out[from + i]->t;
            if (in->dtype != out->dtype)
                e = hn_bad(c, "carries %s into a step and %s out of it", hn_dtype_name(in->dtype),
                           hn_dtype_name(out->dtype));
            else if (loosen(c, &in->shape, &out->shape, &own[i]))
                again = true;
        }
    }
    hn_free(c->cx, own);
    return e;
}

static void set_input(hn_graph *body, size_t i, hn_dtype type, const hn_shape *shape)
{
    hn_value *v = body->in[i];
    v->t = (hn_tensor){ .dtype = type, .shape = *shape };
    v->known_count = -1;
}

static hn_shape with_axis(const hn_shape *s, int axis, int64_t dim)
{
    hn_shape w = { .rank = s->rank < 0 || s->rank == HN_RANK_MAX ? -1 : s->rank + 1 };
    if (axis < 0)
        axis += w.rank;
    for (int d = 0; d < w.rank; d++)
        w.dim[d] = d == axis ? dim : s->dim[d - (d > axis)];
    return w;
}

/* Where the outputs of `steps` steps gather. */
typedef struct gathered { hn_list list; size_t cap; } gathered;

/* No step ran: nothing of the shape inference told, as far as it did. */
static hn_err make_empty(hn_call *c, const hn_tensor *t, int64_t axis, hn_tensor *out)
{
    hn_shape item = t->shape;
    for (int i = 0; i < item.rank; i++)
        if (item.dim[i] < 0)
            item.dim[i] = 0;
    if (item.rank < 0)
        item.rank = 0;
    *out = (hn_tensor){ .dtype = t->dtype == HN_NONE ? HN_F32 : t->dtype, .shape = with_axis(&item, (int)axis, 0) };
    return out->shape.rank < 0 ? hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX) : hn_make_tensor(c, out);
}

/* The values carried in now become those of the next step: copied, since the next run overwrites them.
 * The copies take turns in two arenas. */
typedef struct carrier { hn_arena *arena[2]; int turn; } carrier;

static hn_err carrier_open(hn_call *c, carrier *k)
{
    *k = (carrier){ 0 };
    HN_TRY(hn_arena_new(c->cx, 0, &k->arena[0]));
    hn_err e = hn_arena_new(c->cx, 0, &k->arena[1]);
    if (e)
        hn_arena_free(k->arena[0]);
    return e;
}

static void carrier_close(carrier *k)
{
    hn_arena_free(k->arena[0]);
    hn_arena_free(k->arena[1]);
}

static hn_err carry(hn_call *c, carrier *k, const hn_tensor *made, size_t count, hn_tensor *state)
{
    hn_arena *to = k->arena[k->turn ^= 1];
    hn_arena_reset(to);
    for (size_t i = 0; i < count; i++)
        HN_TRY(hn_tensor_copy(c->cx, &made[i], to, &state[i]));
    return HN_OK;
}

/* ---- Loop -------------------------------------------------------------------------------------
 *
 *     inputs: most steps (or none), condition (or none), carried...
 *     body: step, condition, carried...  ->  condition, carried..., gathered...  */

static hn_err read_loop(hn_call *c, const hn_attr **body, size_t *carried)
{
    HN_TRY(find_body(c, "body", body));
    *carried = c->in_count > 2 ? (size_t)c->in_count - 2 : 0;
    HN_TRY(want_count(c, "inputs", (*body)->graph->in_count, *carried + 2));
    if ((*body)->graph->out_count < *carried + 1 || (size_t)c->out_count > (*body)->graph->out_count - 1)
        return hn_bad(c, "the body has %zu outputs for %zu carried values and %d outputs", (*body)->graph->out_count,
                      *carried, c->out_count);
    for (size_t i = 0; i < *carried; i++)
        if (!c->in[i + 2])
            return hn_bad(c, "carried value %zu is left out", i);
    HN_TRY(hn_want_type(c, 0, HN_I64));
    return hn_want_type(c, 1, HN_BOOL);
}

static hn_err infer_loop(hn_call *c)
{
    const hn_attr *body;
    hn_shape scalar = { .rank = 0 };
    size_t carried;
    HN_TRY(read_loop(c, &body, &carried));
    hn_graph *g = body->graph;
    set_input(g, 0, HN_I64, &scalar);
    set_input(g, 1, HN_BOOL, &scalar);
    for (size_t i = 0; i < carried; i++)
        set_input(g, i + 2, c->in[i + 2]->dtype, &c->in[i + 2]->shape);
    HN_TRY(infer_carried(c, g, 1, 2, carried));
    for (int i = 0; i < c->out_count; i++) {
        const hn_tensor *t = (size_t)i < carried ? &g->in[i + 2]->t : &g->out[i + 1]->t;
        hn_shape s = (size_t)i < carried ? t->shape : with_axis(&t->shape, 0, hn_fresh_dim(c));
        hn_out(c, i, t->dtype, &s);
    }
    return HN_OK;
}

static hn_err run_loop(hn_call *c, hn_body *body, carrier *k, size_t carried, hn_tensor *in, hn_tensor *made,
                       gathered *all)
{
    bool counted = hn_has_in(c, 0) && hn_count(c->in[0]) > 0;
    int64_t steps = hn_scalar_i64(c, 0, 0), *step = HN_SCRATCH(c, int64_t, 1);
    uint8_t *go = HN_SCRATCH(c, uint8_t, 1);
    if (!step || !go)
        return hn_nomem(c->cx, "a loop");
    *go = hn_scalar_i64(c, 1, 1) != 0;
    in[0] = (hn_tensor){ .dtype = HN_I64, .data = step };
    in[1] = (hn_tensor){ .dtype = HN_BOOL, .data = go };
    for (; *go && (!counted || *step < steps); ++*step) {
        if (*step == STEPS_MAX)
            return hn_fail(c->cx, HN_ELIMIT, "node '%s' (Loop): more than %lld steps", c->node->name,
                           (long long)STEPS_MAX);
        HN_TRY(hn_body_run(body, in, made));
        if (made[0].dtype != HN_BOOL || hn_count(&made[0]) != 1)
            return hn_bad(c, "the body's condition is not one truth value");
        uint8_t next = *(const uint8_t *)made[0].data != 0;
        for (size_t i = 1 + carried; i < body->g->out_count; i++)
            if (hn_has_out(c, (int)i - 1))
                HN_TRY(hn_list_add(c, &all[i].list, &all[i].cap, &made[i]));
        HN_TRY(carry(c, k, made + 1, carried, in + 2));
        *go = next;
    }
    return HN_OK;
}

static hn_err make_loop(hn_call *c)
{
    const hn_attr *attr;
    hn_body body;
    carrier k;
    size_t carried;
    HN_TRY(read_loop(c, &attr, &carried));
    size_t outs = attr->graph->out_count;
    hn_tensor *in = HN_NEW(c->scratch, hn_tensor, carried + 2), *made = HN_NEW(c->scratch, hn_tensor, outs);
    gathered *all = HN_NEW(c->scratch, gathered, outs);
    if (!in || !made || !all)
        return hn_nomem(c->cx, "a loop");
    for (size_t i = 0; i < carried; i++)
        in[i + 2] = *c->in[i + 2];
    HN_TRY(carrier_open(c, &k));
    hn_err e = hn_body_open(c, attr, &body);
    if (!e) {
        e = run_loop(c, &body, &k, carried, in, made, all);
        hn_body_close(&body);
    }
    for (size_t i = 0; i < outs - 1 && !e; i++)
        if (i < carried)
            e = keep(c, (int)i, &in[i + 2]);
        else if (hn_has_out(c, (int)i))
            e = all[i + 1].list.count ? hn_list_stack(c, &all[i + 1].list, 0, false, c->out[i])
                                      : make_empty(c, &attr->graph->out[i + 1]->t, 0, c->out[i]);
    carrier_close(&k);
    return e;
}

/* ---- Scan -------------------------------------------------------------------------------------
 *
 *     inputs: states..., scanned...     body: states..., parts...  ->  states..., parts...
 *
 * `batched` is the form of opset 8: axis 0 of everything is a batch, each entry is a scan of its own. */

typedef struct scan {
    const hn_attr *body;
    size_t states, scanned, gathered;
    bool batched;
} scan;

static int64_t entry(const hn_node *n, const char *name, size_t i)
{
    const int64_t *list;
    return i < hn_attr_ints(n, name, &list) ? list[i] : 0;
}

static hn_err read_scan(hn_call *c, scan *s)
{
    HN_TRY(find_body(c, "body", &s->body));
    const hn_graph *g = s->body->graph;
    int64_t scanned = hn_attr_int(c->node, "num_scan_inputs", 0);
    if (scanned < 1 || scanned > c->in_count)
        return hn_bad(c, "num_scan_inputs is %lld of %d inputs", (long long)scanned, c->in_count);
    s->scanned = (size_t)scanned;
    s->states = (size_t)c->in_count - s->scanned;
    s->batched = hn_attr_int(c->node, "batched", 0) != 0;
    HN_TRY(want_count(c, "inputs", g->in_count, (size_t)c->in_count));
    if (g->out_count < s->states || (size_t)c->out_count > g->out_count)
        return hn_bad(c, "the body has %zu outputs for %zu states and %d outputs", g->out_count, s->states,
                      c->out_count);
    s->gathered = g->out_count - s->states;
    for (int i = 0; i < c->in_count; i++)
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
    return HN_OK;
}

static hn_shape without(const hn_shape *s, int axis)
{
    hn_shape w = { .rank = s->rank - 1 };
    for (int d = 0; d < w.rank; d++)
        w.dim[d] = s->dim[d + (d >= axis)];
    return w;
}

static hn_err infer_scan(hn_call *c)
{
    scan s;
    int64_t steps = 0, batch = 0;
    HN_TRY(read_scan(c, &s));
    hn_graph *g = s.body->graph;
    for (int i = 0; i < c->in_count; i++) {
        hn_shape x = c->in[i]->shape;
        int axis;
        if (s.batched && x.rank >= 0) {
            if (x.rank < 1)
                return hn_bad(c, "input %d has no batch", i);
            batch = x.dim[0];
            x = without(&x, 0);
        }
        if ((size_t)i >= s.states && x.rank >= 0) {
            HN_TRY(hn_axis(c, entry(c->node, "scan_input_axes", (size_t)i - s.states), x.rank, &axis));
            if (steps && hn_dims_differ(steps, x.dim[axis]))
                return hn_bad(c, "input %d has %lld steps, expected %lld", i, (long long)x.dim[axis], (long long)steps);
            steps = x.dim[axis];
            x = without(&x, axis);
        }
        set_input(g, (size_t)i, c->in[i]->dtype, &x);
    }
    HN_TRY(infer_carried(c, g, 0, 0, s.states));
    for (int i = 0; i < c->out_count; i++) {
        const hn_tensor *t = (size_t)i < s.states ? &g->in[i]->t : &g->out[i]->t;
        hn_shape shape = t->shape;
        if ((size_t)i >= s.states)
            shape = with_axis(&shape, (int)entry(c->node, "scan_output_axes", (size_t)i - s.states),
                              steps ? steps : hn_fresh_dim(c));
        if (s.batched)
            shape = with_axis(&shape, 0, batch ? batch : hn_fresh_dim(c));
        hn_out(c, i, t->dtype, &shape);
    }
    return HN_OK;
}

static hn_err scan_steps(hn_call *c, const scan *s, hn_body *body, carrier *k, const hn_tensor *from, const int *axis,
                         hn_tensor *in, hn_tensor *made, gathered *all)
{
    size_t steps = (size_t)from[s->states].shape.dim[axis[0]];
    for (size_t t = 0; t < steps; t++) {
        for (size_t i = 0; i < s->scanned; i++) {
            const hn_tensor *x = &from[s->states + i];
            bool back = entry(c->node, "scan_input_directions", i) != 0;
            if ((size_t)x->shape.dim[axis[i]] != steps)
                return hn_bad(c, "input %zu has %lld steps, expected %zu", s->states + i,
                              (long long)x->shape.dim[axis[i]], steps);
            /* In the arena of the states now in use: both go when the states after these are made. */
            HN_TRY(hn_take(c, x, axis[i], back ? steps - 1 - t : t, k->arena[k->turn], &in[s->states + i]));
        }
        HN_TRY(hn_body_run(body, in, made));
        for (size_t i = 0; i < s->gathered; i++)
            HN_TRY(hn_list_add(c, &all[i].list, &all[i].cap, &made[s->states + i]));
        HN_TRY(carry(c, k, made, s->states, in));
    }
    return HN_OK;
}

/* One scan over `from`; out[] gets all that the body has outputs for. */
static hn_err one_scan(hn_call *c, const scan *s, hn_body *body, const hn_tensor *from, hn_tensor *out)
{
    size_t ins = s->states + s->scanned, outs = s->states + s->gathered;
    hn_tensor *in = HN_NEW(c->scratch, hn_tensor, ins), *made = HN_NEW(c->scratch, hn_tensor, outs);
    gathered *all = HN_NEW(c->scratch, gathered, s->gathered);
    int *axis = HN_NEW(c->scratch, int, s->scanned);
    carrier k;
    if (!in || !made || !all || !axis)
        return hn_nomem(c->cx, "a scan");
    for (size_t i = 0; i < s->scanned; i++)
        HN_TRY(hn_axis(c, entry(c->node, "scan_input_axes", i), from[s->states + i].shape.rank, &axis[i]));
    for (size_t i = 0; i < s->states; i++)
        in[i] = from[i];
    HN_TRY(carrier_open(c, &k));
    hn_err e = scan_steps(c, s, body, &k, from, axis, in, made, all);
    for (size_t i = 0; i < s->states && !e; i++)
        e = hn_tensor_copy(c->cx, &in[i], c->text, &out[i]);
    for (size_t i = 0; i < s->gathered && !e; i++) {
        int64_t at = entry(c->node, "scan_output_axes", i);
        bool back = entry(c->node, "scan_output_directions", i) != 0;
        hn_tensor *to = &out[s->states + i];
        e = all[i].list.count ? hn_list_stack(c, &all[i].list, at, back, to)
                              : make_empty(c, &s->body->graph->out[s->states + i]->t, at, to);
    }
    carrier_close(&k);
    return e;
}

static hn_err each_of_batch(hn_call *c, const scan *s, hn_body *body, hn_tensor *from, hn_tensor *out)
{
    size_t ins = s->states + s->scanned, outs = s->states + s->gathered, batch = 0;
    gathered *all = HN_NEW(c->scratch, gathered, outs);
    if (!all)
        return hn_nomem(c->cx, "a scan");
    for (size_t i = 0; i < ins; i++) {
        const hn_shape *x = &c->in[i]->shape;
        if (x->rank < 1 || (i && (size_t)x->dim[0] != batch))
            return hn_bad(c, "the inputs do not share a batch");
        batch = (size_t)x->dim[0];
    }
    if (batch == 0)
        return hn_unsupported(c, "an empty batch");
    for (size_t b = 0; b < batch; b++) {
        for (size_t i = 0; i < ins; i++)
            HN_TRY(hn_take(c, c->in[i], 0, b, c->scratch, &from[i]));
        HN_TRY(one_scan(c, s, body, from, out));
        for (size_t i = 0; i < outs; i++)
            HN_TRY(hn_list_add(c, &all[i].list, &all[i].cap, &out[i]));
    }
    for (size_t i = 0; i < outs; i++)
        HN_TRY(hn_list_stack(c, &all[i].list, 0, false, &out[i]));
    return HN_OK;
}

static hn_err make_scan(hn_call *c)
{
    scan s;
    hn_body body;
    HN_TRY(read_scan(c, &s));
    hn_tensor *from = HN_NEW(c->scratch, hn_tensor, (size_t)c->in_count);
    hn_tensor *out = HN_NEW(c->scratch, hn_tensor, s.states + s.gathered);
    if (!from || !out)
        return hn_nomem(c->cx, "a scan");
    for (int i = 0; i < c->in_count; i++)
        from[i] = *c->in[i];
    HN_TRY(hn_body_open(c, s.body, &body));
    hn_err e = s.batched ? each_of_batch(c, &s, &body, from, out) : one_scan(c, &s, &body, from, out);
    hn_body_close(&body);
    for (int i = 0; i < c->out_count && !e; i++)
        if (hn_has_out(c, i))
            *c->out[i] = out[i];
    return e;
}

/* ---- Descriptors -------------------------------------------------------------------------------- */

static const hn_attr_spec if_attr[] = {
    { "else_branch", HN_ATTR_GRAPH, "" }, { "then_branch", HN_ATTR_GRAPH, "" }, { 0 }
};
static const hn_attr_spec loop_attr[] = { { "body", HN_ATTR_GRAPH, "" }, { 0 } };
static const hn_attr_spec scan_attr[] = {
    { "batched", HN_ATTR_INT, "0; 1: the form of opset 8, where axis 0 is a batch" },
    { "body", HN_ATTR_GRAPH, "" }, { "num_scan_inputs", HN_ATTR_INT, "" },
    { "scan_input_axes", HN_ATTR_INTS, "0" }, { "scan_input_directions", HN_ATTR_INTS, "0: forward" },
    { "scan_output_axes", HN_ATTR_INTS, "0" }, { "scan_output_directions", HN_ATTR_INTS, "0: appending" }, { 0 }
};

const hn_op hn_op_if = {
    .name = "If", .since = 25, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = -1, .flags = HN_OP_LISTS,
    .attr = if_attr, .infer = infer_if, .make = make_if,
};

const hn_op hn_op_loop = {
    .name = "Loop", .since = 25, .min_in = 0, .max_in = -1, .min_out = 1, .max_out = -1, .flags = HN_OP_LISTS,
    .attr = loop_attr, .infer = infer_loop, .make = make_loop,
};

const hn_op hn_op_scan = {
    .name = "Scan", .since = 25, .min_in = 1, .max_in = -1, .min_out = 1, .max_out = -1, .attr = scan_attr,
    .infer = infer_scan, .make = make_scan,
};
