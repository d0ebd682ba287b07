/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c: from graph to steps.
 *
 *   1. a private copy of the graph, input shapes made concrete, passes run
 *   2. node by node: the first implementation that accepts, operands in the layout it wants
 *   3. lifetimes, results that may overwrite their input, offsets in one block
 *
 * Views (Reshape and its kin) and transposes between the two layouts cost no step: their output
 * shares the input's memory. */
#include "runtime/plan.h"

#include <string.h>

#include "base/num.h"
#include "graph/pass.h"
#include "kernels/pick.h"
#include "runtime/packs.h"

typedef struct builder {
    hn_ctx *cx;
    hn_plan *p;
    const hn_plan_opts *o;
    int (*at)[2];                 /* per value: its slot in each layout, -1: none yet */
    int *step_of;                 /* per value: the step that makes it, -1: none */
    uint32_t *uses;               /* per value */
    size_t step_cap, slot_cap;
} builder;

static bool grow(hn_arena *a, void *array_ptr, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t want = *cap ? *cap * 2 : 64;
    void *old, *grown = hn_arena_get_n(a, want, size, 16);
    if (!grown)
        return false;
    memcpy(&old, array_ptr, sizeof old);
    if (count)
        memcpy(grown, old, count * size);
    memcpy(array_ptr, &grown, sizeof grown);
    *cap = want;
    return true;
}

/* ---- Slots ------------------------------------------------------------------------------- */

static hn_err add_slot(builder *b, const hn_value *v, hn_layout layout, hn_slot_kind kind, int *out)
{
    hn_plan *p = b->p;
    if (!grow(p->arena, &p->slot, p->slot_count, &b->slot_cap, sizeof *p->slot))
        return hn_nomem(b->cx, "a plan");
    p->slot[p->slot_count] = (hn_slot){ .value = v, .layout = layout, .kind = kind, .t = v->t,
                                        .alias = -1, .input = -1 };
    *out = (int)p->slot_count++;
    b->at[v->index][layout] = *out;
    return HN_OK;
}

static int root_of(const hn_plan *p, int slot)
{
    while (p->slot[slot].alias >= 0)
        slot = p->slot[slot].alias;
    return slot;
}

/* Another name for the same bytes. */
static hn_err add_alias(builder *b, const hn_value *v, hn_layout layout, int of, int *out)
{
    HN_TRY(add_slot(b, v, layout, b->p->slot[of].kind, out));
    hn_slot *s = &b->p->slot[*out];
    s->alias = of;
    s->t.data = b->p->slot[of].t.data;
    return HN_OK;
}

/* Are both layouts the same bytes for this shape, seen with `rank` dimensions? */
static bool same_bytes(const hn_shape *s, int rank)
{
    if (s->rank < 3 && rank < 3)
        return true;
    int64_t channels = 1;
    size_t area = 1;
    for (int i = 0; i < s->rank; i++) {
        int at = i + rank - s->rank;
        if (at == 1)
            channels = s->dim[i];
        else if (at > 1)
            area *= (size_t)s->dim[i];
    }
    return channels == 1 || area == 1;
}

static hn_err add_step(builder *b, hn_step step, hn_step **out)
{
    hn_plan *p = b->p;
    int *ports = HN_NEW(p->arena, int, (size_t)(step.in_count + step.out_count));
    if (!ports || !grow(p->arena, &p->step, p->step_count, &b->step_cap, sizeof *p->step))
        return hn_nomem(b->cx, "a plan");
    step.in = ports;
    step.out = ports + step.in_count;
    p->step[p->step_count] = step;
    *out = &p->step[p->step_count++];
    return HN_OK;
}

static hn_err reorder_const(builder *b, const hn_value *v, hn_layout layout, int from, int *out)
{
    hn_tensor x = b->p->slot[from].t, y = x;
    HN_TRY(add_slot(b, v, layout, HN_SLOT_CONST, out));
    y.data = hn_packs_get(b->cx, b->p->packs, hn_bytes(&x));
    b->p->slot[*out].t.data = y.data;
    if (b->o->measure)
        return HN_OK;
    if (!y.data)
        return hn_nomem(b->cx, "a constant");
    const hn_tensor *in = &x;
    hn_tensor *to = &y;
    hn_run r = { .cx = b->cx, .k = b->p->k, .in = &in, .out = &to, .layout = layout };
    return hn_impl_reorder.run(&r);
}

/* The slot that holds v in this layout, made from the other one if need be. */
static hn_err slot_for(builder *b, const hn_value *v, hn_layout layout, int *out)
{
    int *at = b->at[v->index];
    if (at[layout] >= 0) {
        *out = at[layout];
        return HN_OK;
    }
    int from = at[!layout];
    if (from < 0) {             /* only constants come into being by being asked for */
        HN_TRY(add_slot(b, v, HN_PLAIN, HN_SLOT_CONST, &from));
        if (layout == HN_PLAIN) {
            *out = from;
            return HN_OK;
        }
    }
    if (same_bytes(&v->t.shape, v->t.shape.rank))
        return add_alias(b, v, layout, from, out);
    if (b->p->slot[from].kind == HN_SLOT_CONST)
        return reorder_const(b, v, layout, from, out);

    hn_step *s;
    HN_TRY(add_step(b, (hn_step){ .impl = &hn_impl_reorder, .in_count = 1, .out_count = 1,
                                  .layout = layout }, &s));
    HN_TRY(add_slot(b, v, layout, HN_SLOT_ARENA, out));
    s->in[0] = from;
    s->out[0] = *out;
    return HN_OK;
}

/* ---- Choosing ---------------------------------------------------------------------------- */

/* Follow the data: channels-last when an operand already lies so and the others can. */
static hn_layout follow(const builder *b, const hn_node *n)
{
    int rank = n->out[0]->t.shape.rank;
    bool cl = false;
    if (rank < 3)
        return HN_PLAIN;
    for (int i = 0; i < n->in_count; i++) {
        const hn_value *v = n->in[i];
        if (!v || hn_is_const(v) || v->t.shape.rank != rank)
            continue;
        cl = cl || (b->at[v->index][HN_CHANNELS_LAST] >= 0 && b->at[v->index][HN_PLAIN] < 0);
    }
    for (int i = 0; i < n->in_count && cl; i++) {
        const hn_value *v = n->in[i];
        if (v && v->t.shape.rank != rank && !same_bytes(&v->t.shape, rank))
            cl = false;
    }
    return cl ? HN_CHANNELS_LAST : HN_PLAIN;
}

static hn_layout layout_for(const builder *b, const hn_impl *impl, const hn_node *n)
{
    switch (impl->rule) {
    case HN_RULE_PLAIN:  return HN_PLAIN;
    case HN_RULE_CL:
    case HN_RULE_CL_IN:  return HN_CHANNELS_LAST;
    case HN_RULE_FOLLOW: return follow(b, n);
    }
    return HN_PLAIN;
}

/* The layout operand i is asked for under the node's layout. */
static hn_layout operand_layout(const hn_impl *impl, hn_layout layout, const hn_node *n, int i)
{
    const hn_value *v = n->in[i];
    if (layout == HN_PLAIN || (impl->rule != HN_RULE_FOLLOW && i > 0))
        return HN_PLAIN;
    if (impl->rule == HN_RULE_CL_IN)
        return HN_CHANNELS_LAST;
    /* Of lower rank than the result: `follow` made sure the bytes are the same either way. */
    return v->t.shape.rank == n->out[0]->t.shape.rank ? HN_CHANNELS_LAST : HN_PLAIN;
}

/* Can it run the node at all?  Sets the layout. */
static bool takes(const builder *b, const hn_impl *i, hn_prep *prep)
{
    if (!prep->node->out[0] && !i->spares_out)
        return false;
    prep->layout = layout_for(b, i, prep->node);
    return i->accepts(prep);
}

/* As somebody chose before: a plan file, or a measurement. */
static const hn_impl *choose_named(const builder *b, const hn_choice *c, hn_prep *prep)
{
    for (const hn_impl *const *i = hn_impls; *i; i++)
        if (strcmp((*i)->name, c->impl) == 0 && takes(b, *i, prep) && c->variant <= (*i)->variants) {
            prep->variant = c->variant;
            return *i;
        }
    return NULL;
}

/* In order of preference; `choice`: what was settled before, and what is settled now. */
static hn_err choose(const builder *b, hn_prep *prep, hn_choice *choice, const hn_impl **out)
{
    *out = NULL;
    if (!choice->impl && b->o->choose && !b->o->eval_only)
        HN_TRY(b->o->choose(b->o->choose_user, prep, choice));
    if (choice->impl && !b->o->eval_only && strcmp(choice->impl, hn_impl_eval.name) != 0) {
        *out = choose_named(b, choice, prep);
        if (!*out && b->p->packs->built)
            return hn_fail(b->cx, HN_EFORMAT, "damaged: '%.40s' cannot run node '%s' (%s)", choice->impl,
                           prep->node->name, prep->node->op->name);
    }
    if (!*out)
        *choice = (hn_choice){ 0 };
    for (const hn_impl *const *i = hn_impls; *i && !*out && !b->o->eval_only; i++)
        if (takes(b, *i, prep) && (!(*i)->pays || (*i)->pays(prep)))
            *out = *i;
    if (!*out) {
        prep->layout = HN_PLAIN;
        *out = &hn_impl_eval;
    }
    choice->impl = (*out)->name;
    return HN_OK;
}

static bool shapes_known(const hn_node *n, const builder *b)
{
    if (n->op->make)
        return false;
    for (int i = 0; i < n->in_count; i++)
        if (n->in[i] && b->at[n->in[i]->index][HN_PLAIN] >= 0 &&
            b->p->slot[b->at[n->in[i]->index][HN_PLAIN]].kind == HN_SLOT_DYNAMIC)
            return false;
    for (int i = 0; i < n->out_count; i++)
        if (n->out[i] && !hn_shape_known(&n->out[i]->t.shape))
            return false;
    return true;
}

/* A transpose between NHWC and NCHW is only a change of name for the same bytes. */
static bool transpose_alias(const builder *b, const hn_node *n, hn_layout *from, hn_layout *to)
{
    const hn_shape *s = &n->in[0]->t.shape;
    const int64_t *perm;
    if (!hn_op_is(n, "Transpose") || s->rank < 3 || n->act.kind != HN_ACT_NONE ||
        hn_attr_ints(n, "perm", &perm) != (size_t)s->rank || perm[0] != 0)
        return false;
    bool to_nchw = perm[1] == s->rank - 1, to_nhwc = perm[s->rank - 1] == 1;
    for (int i = 2; i < s->rank && to_nchw; i++)
        to_nchw = perm[i] == i - 1;
    for (int i = 1; i + 1 < s->rank && to_nhwc; i++)
        to_nhwc = perm[i] == i + 1;
    *from = to_nchw ? HN_PLAIN : HN_CHANNELS_LAST;
    *to = to_nchw ? HN_CHANNELS_LAST : HN_PLAIN;
    return (to_nchw || to_nhwc) && b->at[n->in[0]->index][*from] >= 0;
}

/* ---- Sums taken on by the step before ------------------------------------------------------ */

/* The step that made v, if v has no other use and the step can add to it before storing. */
static hn_step *host_of(builder *b, const hn_value *v)
{
    int at = b->step_of[v->index];
    hn_step *s = at >= 0 ? &b->p->step[at] : NULL;
    if (!s || !s->impl->absorb || s->dynamic || s->node->act.kind != HN_ACT_NONE || s->node->out[0] != v ||
        b->at[v->index][!s->layout] >= 0 || b->uses[v->index] != 1)
        return NULL;
    return s;
}

/* The slot of v in this layout, if it is there before step `at` runs; -1 otherwise. */
static int slot_before(builder *b, const hn_value *v, hn_layout layout, int at)
{
    int slot = b->at[v->index][layout];
    if (slot < 0 && hn_is_const(v) && layout == HN_PLAIN && slot_for(b, v, layout, &slot))
        return -1;
    for (int i = at; i < (int)b->p->step_count && slot >= 0; i++)
        for (int j = 0; j < b->p->step[i].out_count; j++)
            if (b->p->step[i].out[j] >= 0 && root_of(b->p, b->p->step[i].out[j]) == root_of(b->p, slot))
                return -1;
    return slot;
}

/* Add(v, u) where v's step takes u on: no step of its own.  *done tells. */
static hn_err absorb_sum(builder *b, const hn_node *n, bool *done)
{
    *done = false;
    if (!hn_op_is(n, "Add") || n->out[0]->t.dtype != HN_F32 || b->o->eval_only)
        return HN_OK;
    for (int i = 1; i >= 0 && !*done; i--) {
        const hn_value *v = n->in[i], *u = n->in[1 - i];
        hn_step *s = host_of(b, v);
        if (!s || v == u || u->t.dtype != HN_F32 || !hn_shape_equal(&v->t.shape, &n->out[0]->t.shape))
            continue;
        int slot = slot_before(b, u, s->layout, (int)(s - b->p->step));
        int *in = HN_NEW(b->p->arena, int, (size_t)s->in_count + 1);
        if (!in)
            return hn_nomem(b->cx, "a plan");
        if (slot < 0)
            continue;
        hn_absorb how = s->impl->absorb(s->state, &u->t, &v->t, s->in_count, n->act);
        if (how == HN_ABSORB_NO)
            continue;
        if (how == HN_ABSORB_OPERAND) {
            memcpy(in, s->in, (size_t)s->in_count * sizeof *in);
            in[s->in_count++] = slot;
            s->in = in;
        }
        b->p->slot[s->out[0]].value = n->out[0];
        b->at[n->out[0]->index][s->layout] = s->out[0];
        b->at[v->index][s->layout] = -1;
        *done = true;
    }
    return HN_OK;
}

/* What prepare said it reads only packed. */
static hn_err note_spared(builder *b, const hn_node *n, const hn_prep *prep)
{
    for (int i = 0; i < n->in_count && i < 32; i++)
        if (n->in[i] && prep->spared >> i & 1)
            b->p->spared[n->in[i]->index]++;
    if (b->p->packs->strange)
        return hn_fail(b->cx, HN_EFORMAT, "damaged: packed weights of node '%s' (%s) have another size", n->name,
                       n->op->name);
    return HN_OK;
}

/* ---- Nodes taken on by a step with the same input ------------------------------------------- */

enum { NEAR = 8 };                /* steps looked back on */

static bool rest_is_constant(const hn_plan *p, const hn_node *n, const int *in)
{
    for (int i = 1; i < n->in_count; i++)
        if (in[i] >= 0 && p->slot[in[i]].kind != HN_SLOT_CONST)
            return false;
    return n->in_count > 0 && n->out_count == 1 && in[0] >= 0;
}

/* Queries, keys and values, or a gate and what it lets through, are products of one input: one step makes them all. */
static hn_err join_step(builder *b, hn_prep *prep, const hn_impl *impl, const int *in, double macs, bool *done)
{
    hn_plan *p = b->p;
    const hn_node *n = prep->node;
    *done = false;
    if (!impl->join || !rest_is_constant(p, n, in))
        return HN_OK;
    for (size_t back = 1; back <= hn_min(NEAR, p->step_count); back++) {
        hn_step *s = &p->step[p->step_count - back];
        if (s->impl != impl || s->dynamic || s->layout != prep->layout || s->in[0] != in[0] ||
            !impl->join(s->state, prep, s->in_count, s->out_count))
            continue;
        size_t ins = (size_t)(s->in_count + n->in_count - 1), outs = (size_t)s->out_count + 1;
        int *ports = HN_NEW(p->arena, int, ins + outs);
        if (!ports)
            return hn_nomem(b->cx, "a plan");
        memcpy(ports, s->in, (size_t)s->in_count * sizeof *ports);
        memcpy(ports + s->in_count, in + 1, (size_t)(n->in_count - 1) * sizeof *ports);
        memcpy(ports + ins, s->out, (size_t)s->out_count * sizeof *ports);
        HN_TRY(add_slot(b, n->out[0], prep->layout, HN_SLOT_ARENA, &ports[ins + outs - 1]));
        s->in = ports;
        s->out = ports + ins;
        s->in_count = (int)ins;
        s->out_count = (int)outs;
        s->macs += macs;
        p->scratch_stride = hn_max(p->scratch_stride, hn_round_up(prep->scratch_bytes, 64));
        p->stats.macs += macs;
        *done = true;
        return HN_OK;
    }
    return HN_OK;
}

static hn_err add_node(builder *b, const hn_node *n, hn_choice *choice)
{
    hn_plan *p = b->p;
    size_t ins = (size_t)n->in_count, outs = (size_t)n->out_count, outers = (size_t)hn_node_outers(n, NULL);
    const hn_tensor **types = HN_NEW(p->arena, const hn_tensor *, ins + outs);
    hn_value **outer = HN_NEW(p->arena, hn_value *, outers);
    hn_prep prep = { .cx = b->cx, .node = n, .k = p->k, .threads = p->threads, .in_count = n->in_count,
                     .out_count = n->out_count, .in = types, .arena = p->arena, .packs = p->packs,
                     .shared = b->o->shared, .pool = b->o->pool, .forget_sources = b->o->forget_sources };
    bool dynamic = !shapes_known(n, b);
    hn_layout from, to;
    hn_step *s;
    int slot;

    int *in = HN_NEW(p->arena, int, ins + outers);       /* reorders come before the step itself */
    if (!types || !outer || !in)
        return hn_nomem(b->cx, "a plan");
    if (!dynamic && n->out[0] && (n->op->flags & HN_OP_VIEW) && n->act.kind == HN_ACT_NONE) {
        HN_TRY(slot_for(b, n->in[0], HN_PLAIN, &slot));
        return add_alias(b, n->out[0], HN_PLAIN, slot, &slot);
    }
    if (!dynamic && transpose_alias(b, n, &from, &to))
        return add_alias(b, n->out[0], to, b->at[n->in[0]->index][from], &slot);

    bool absorbed = false;
    if (!dynamic)
        HN_TRY(absorb_sum(b, n, &absorbed));
    if (absorbed)
        return HN_OK;

    for (size_t i = 0; i < ins; i++)
        types[i] = n->in[i] ? &n->in[i]->t : NULL;
    for (size_t i = 0; i < outs; i++)
        types[ins + i] = n->out[i] ? &n->out[i]->t : NULL;
    prep.out = types + ins;
    const hn_impl *impl = &hn_impl_eval;
    if (!dynamic)
        HN_TRY(choose(b, &prep, choice, &impl));

    for (size_t i = 0; i < ins; i++) {
        in[i] = -1;
        if (n->in[i])
            HN_TRY(slot_for(b, n->in[i], operand_layout(impl, prep.layout, n, (int)i), &in[i]));
    }
    hn_node_outers(n, outer);
    for (size_t i = 0; i < outers; i++)          /* what bodies use has to live until the step is done */
        HN_TRY(slot_for(b, outer[i], HN_PLAIN, &in[ins + i]));
    if (impl->rule == HN_RULE_CL_IN)
        prep.layout = HN_PLAIN;
    if (impl->prepare)
        HN_TRY(impl->prepare(&prep));
    HN_TRY(note_spared(b, n, &prep));
    hn_call macs = { .cx = b->cx, .node = n, .in_count = n->in_count, .out_count = n->out_count,
                     .in = prep.in, .out = (hn_tensor *const *)(uintptr_t)prep.out };
    double work = n->op->macs && !dynamic ? n->op->macs(&macs) : 0;
    bool joined;
    HN_TRY(join_step(b, &prep, impl, in, work, &joined));
    if (joined)
        return HN_OK;
    HN_TRY(add_step(b, (hn_step){ .impl = impl, .node = n, .in_count = n->in_count + (int)outers,
                                  .out_count = n->out_count, .layout = prep.layout,
                                  .state = prep.state, .dynamic = dynamic, .alone = choice->alone, .macs = work }, &s));
    for (size_t i = 0; i < ins + outers; i++)
        s->in[i] = in[i];
    for (size_t i = 0; i < outs; i++) {
        s->out[i] = -1;
        if (n->out[i])
            HN_TRY(add_slot(b, n->out[i], prep.layout, dynamic ? HN_SLOT_DYNAMIC : HN_SLOT_ARENA, &s->out[i]));
        if (n->out[i])
            b->step_of[n->out[i]->index] = (int)(s - p->step);
    }
    p->scratch_stride = hn_max(p->scratch_stride, hn_round_up(prep.scratch_bytes, 64));
    p->stats.macs += s->macs;
    if (dynamic)
        p->stats.exact = false;
    return HN_OK;
}

/* ---- Memory ------------------------------------------------------------------------------ */

static void touch(hn_plan *p, int slot, int step)
{
    if (slot < 0)
        return;
    hn_slot *root = &p->slot[root_of(p, slot)];
    if (root->first > step)
        root->first = step;
    if (root->last < step)
        root->last = step;
}

static void find_lifetimes(hn_plan *p)
{
    for (size_t i = 0; i < p->slot_count; i++) {
        p->slot[i].first = (int)p->step_count;
        p->slot[i].last = -1;
        p->slot[i].bytes = p->slot[i].kind == HN_SLOT_DYNAMIC ? 0 : hn_bytes(&p->slot[i].t);
    }
    for (size_t i = 0; i < p->step_count; i++) {
        const hn_step *s = &p->step[i];
        for (int j = 0; j < s->in_count; j++)
            touch(p, s->in[j], (int)i);
        for (int j = 0; j < s->out_count; j++)
            touch(p, s->out[j], (int)i);
    }
    for (size_t i = 0; i < p->graph->out_count; i++)
        touch(p, p->out_slot[i], (int)p->step_count);      /* read after the last step */
}

/* A result takes over the memory of an input that dies in the same step. */
static void share_inplace(hn_plan *p)
{
    for (size_t i = 0; i < p->step_count; i++) {
        const hn_step *s = &p->step[i];
        for (int j = 0; j < s->in_count && s->out_count == 1; j++) {
            if (j >= 32 || !(s->impl->inplace >> j & 1) || s->in[j] < 0 || s->dynamic)
                continue;
            int from = root_of(p, s->in[j]), to = root_of(p, s->out[0]);
            hn_slot *a = &p->slot[from], *b = &p->slot[to];
            bool twice = false;
            for (int k = 0; k < s->in_count; k++)
                twice = twice || (k != j && s->in[k] >= 0 && root_of(p, s->in[k]) == from);
            if (from == to || twice || a->kind != HN_SLOT_ARENA || b->kind != HN_SLOT_ARENA ||
                a->last != (int)i || b->first != (int)i || a->bytes != b->bytes)
                continue;
            a->last = b->last;
            b->alias = from;
            break;
        }
    }
}

/* No value past what the context allows one tensor, nor past what a machine can address. */
static hn_err check_sizes(hn_ctx *cx, const hn_plan *p)
{
    size_t most = cx && cx->env && cx->env->tensor_bytes_max ? cx->env->tensor_bytes_max : SIZE_MAX - 1;
    for (size_t i = 0; i < p->slot_count; i++) {
        const hn_slot *s = &p->slot[i];
        if (s->kind == HN_SLOT_ARENA && s->bytes > most)
            return hn_fail(cx, HN_ELIMIT, "value '%s' needs %zu bytes, over the limit of %zu for one tensor",
                           s->value->name, s->bytes, most);
    }
    return HN_OK;
}

static hn_err place(builder *b)
{
    hn_plan *p = b->p;
    hn_arena *scratch;
    find_lifetimes(p);
    share_inplace(p);
    HN_TRY(check_sizes(b->cx, p));
    HN_TRY(hn_arena_new(b->cx, 0, &scratch));
    p->activation_bytes = hn_plan_place(p->slot, p->slot_count, scratch);
    hn_arena_free(scratch);
    if (p->activation_bytes == SIZE_MAX)
        return hn_nomem(b->cx, "a memory plan");
    p->stats.arena_bytes = hn_add(p->activation_bytes, hn_mul(p->scratch_stride, p->threads));
    p->stats.packed_bytes = p->packs->bytes;
    p->stats.mapped_bytes = p->packs->mapped;
    return HN_OK;
}

/* ---- The whole --------------------------------------------------------------------------- */

static hn_err bind_shapes(hn_ctx *cx, hn_graph *g, const hn_shape *shape)
{
    for (size_t i = 0; i < g->in_count; i++) {
        if (!hn_shape_known(&shape[i]))
            return hn_fail(cx, HN_EARG, "input '%s' has a dimension that is not fixed", g->in[i]->name);
        g->in[i]->t.shape = shape[i];
    }
    return HN_OK;
}

/* Values are copied: the caller's may change. */
static hn_err bind_known(hn_ctx *cx, hn_graph *g, const hn_tensor *known)
{
    for (size_t i = 0; i < g->in_count && known; i++)
        if (known[i].data)
            HN_TRY(hn_tensor_copy(cx, &known[i], g->arena, &g->in[i]->t));
    return HN_OK;
}

/* A constant that a plan file left out must not be read by anyone. */
static hn_err check_absent(builder *b)
{
    const hn_graph *g = b->p->graph;
    for (size_t i = 0; i < g->value_count && g->hollow; i++)
        if (g->value[i]->absent && b->p->spared[i] != b->uses[i])
            return hn_fail(b->cx, HN_EFORMAT, "damaged: constant '%s' is left out, but not packed for all that use it",
                           g->value[i]->name);
    return HN_OK;
}

static hn_err build(builder *b)
{
    hn_plan *p = b->p;
    hn_graph *g = p->graph;
    int slot;

    b->at = (int (*)[2])(void *)HN_NEW(p->arena, int, 2 * g->value_count);
    b->step_of = HN_NEW(p->arena, int, g->value_count);
    b->uses = HN_NEW(p->arena, uint32_t, g->value_count);
    p->in_slot = HN_NEW(p->arena, int, g->in_count);
    p->out_slot = HN_NEW(p->arena, int, g->out_count);
    p->choice = HN_NEW(p->arena, hn_choice, g->node_count);
    p->spared = HN_NEW(p->arena, uint32_t, g->value_count);
    if (!b->at || !b->step_of || !b->uses || !p->in_slot || !p->out_slot || !p->choice || !p->spared)
        return hn_nomem(b->cx, "a plan");
    if (p->packs->built)
        memcpy(p->choice, p->packs->built->choice, g->node_count * sizeof *p->choice);
    hn_graph_count_uses(g, b->uses);
    for (size_t i = 0; i < g->value_count; i++)
        b->at[i][0] = b->at[i][1] = b->step_of[i] = -1;
    for (size_t i = 0; i < g->in_count; i++) {
        HN_TRY(add_slot(b, g->in[i], HN_PLAIN, HN_SLOT_INPUT, &p->in_slot[i]));
        p->slot[p->in_slot[i]].input = (int)i;
    }
    for (size_t i = 0; i < g->node_count; i++)
        HN_TRY(add_node(b, g->node[i], &p->choice[i]));
    for (size_t i = 0; i < g->out_count; i++) {
        HN_TRY(slot_for(b, g->out[i], HN_PLAIN, &slot));
        p->out_slot[i] = slot;
    }
    HN_TRY(check_absent(b));
    return place(b);
}

/* An input is fixed to the same number here and there, or on neither side. */
static bool same_known(const hn_tensor *made, const hn_tensor *wanted)
{
    return (wanted->data != NULL) == (made->data != NULL) &&
           (!made->data || memcmp(made->data, wanted->data, hn_bytes(made)) == 0);
}

/* The value an input is to have: the caller's, or what the model has settled. */
static const hn_tensor *asked(const hn_graph *model, const hn_plan_opts *o, size_t i)
{
    return o->in_known && o->in_known[i].data ? &o->in_known[i] : &model->in[i]->t;
}

/* Was a plan made ahead for just this? */
static const hn_built *made_ahead(const hn_graph *model, const hn_plan_opts *o, const hn_kernels *k)
{
    for (size_t i = 0; i < o->built_count && k && !o->no_optimize && !o->eval_only && !o->choose; i++) {
        const hn_graph *g = o->built[i].graph;
        bool fits = strcmp(o->built[i].isa, k->isa) == 0;
        for (size_t j = 0; j < g->in_count && fits; j++)
            fits = hn_shape_equal(&g->in[j]->t.shape, &o->in_shape[j]) && same_known(&g->in[j]->t, asked(model, o, j));
        if (fits)
            return &o->built[i];
    }
    return NULL;
}

static hn_err refuse_hollow(hn_ctx *cx, const hn_plan_opts *o, const hn_kernels *k)
{
    return hn_fail(cx, HN_EUNSUP, "this plan holds packed weights alone, for %s and the shapes it was compiled for: it "
                   "cannot be %s; use the model it was compiled from, or compile that with --keep",
                   o->built_count ? o->built[0].isa : "another processor",
                   o->no_optimize || o->eval_only ? "run unoptimised" : o->choose ? "tuned" : o->built_count && k &&
                   strcmp(o->built[0].isa, k->isa) ? "run with other kernels" : "made for other shapes or fixed inputs");
}

/* Whoever compiled the model may have said how far open dimensions go. */
static hn_err check_ranges(hn_ctx *cx, const hn_graph *g, const hn_plan_opts *o)
{
    for (size_t i = 0; i < g->in_count && o->built_count; i++)
        for (int d = 0; d < g->in[i]->t.shape.rank && d < o->in_shape[i].rank; d++) {
            int64_t dim = g->in[i]->t.shape.dim[d], is = o->in_shape[i].dim[d];
            for (size_t k = 0; hn_is_symbol(dim) && k < o->built->range_count; k++) {
                const hn_range *r = &o->built->range[k];
                if (strcmp(r->dim, hn_graph_symbol_name(g, dim)) == 0 && (is < r->min || is > r->max))
                    return hn_fail(cx, HN_EARG, "dimension '%s' of input '%s' is %lld, the plan was compiled for %lld to %lld",
                                   r->dim, g->in[i]->name, (long long)is, (long long)r->min, (long long)r->max);
            }
        }
    return HN_OK;
}

hn_err hn_plan_new(hn_ctx *cx, const hn_graph *g, const hn_plan_opts *o, hn_plan **out)
{
    hn_graph *copy;
    const hn_kernels *k = o->kernels;
    if (!k)
        HN_TRY(hn_kernels_choose(cx, &k));
    const hn_built *built = made_ahead(g, o, k);
    HN_TRY(check_ranges(cx, g, o));
    if (built)
        g = built->graph;
    else if (g->hollow)
        return refuse_hollow(cx, o, k);
    HN_TRY(hn_graph_clone(cx, g, &copy));
    hn_plan *p = HN_NEW(copy->arena, hn_plan, 1);        /* lives in the copy's arena with all its parts */
    hn_packs *packs = HN_NEW(copy->arena, hn_packs, 1);
    if (!p || !packs) {
        hn_graph_free(copy);
        return hn_nomem(cx, "a plan");
    }
    *p = (hn_plan){ .graph = copy, .arena = copy->arena, .packs = packs, .k = k,
                    .threads = o->threads ? o->threads : 1, .stats = { .exact = true } };
    packs->measure = o->measure;
    packs->built = built;

    builder b = { .cx = cx, .p = p, .o = o };
    hn_err e = bind_shapes(cx, copy, o->in_shape);
    if (!e)
        e = bind_known(cx, copy, o->in_known);
    if (!e)
        e = o->no_optimize || built ? hn_graph_infer(cx, copy) : hn_graph_optimize_watched(cx, copy, o->watch);
    if (!e)
        e = build(&b);
    if (e) {
        hn_plan_free(cx, p);
        return e;
    }
    for (size_t i = 0; i < copy->value_count; i++)
        if (hn_is_const(copy->value[i]) && (i >= g->value_count || !hn_is_const(g->value[i])))
            p->stats.const_bytes += hn_bytes(&copy->value[i]->t);
    *out = p;
    return HN_OK;
}

void hn_plan_free(hn_ctx *cx, hn_plan *p)
{
    if (!p)
        return;
    hn_packs_fini(cx, p->packs);
    hn_graph_free(p->graph);
}
