/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/session.h"

#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "graph/eval.h"

struct hn_session {
    hn_ctx cx;                     /* allocator */
    const hn_plan *p;
    hn_pool *pool;
    char *block;                   /* activations, then scratch */
    hn_tensor *slot;               /* the plan's slots with data in place */
    const hn_tensor **in;          /* all steps' operands, one after another */
    hn_tensor **out;
    size_t *in_at, *out_at;        /* where a step's operands begin in these lists */
    void **bound;                  /* per graph output: the caller's buffer, or NULL */
    hn_tensor *result;             /* per graph output, as the caller sees it */
    hn_arena *own;                 /* the lists above */
    hn_arena *eval_scratch;        /* operators' own code; reset after each such step */
    hn_arena *dynamic;             /* values whose size is found while running; reset each run */
    hn_kv *kv;                     /* borrowed state, or NULL */
    hn_kv *const *each;            /* the same for each row, or NULL */
    hn_step_hook *hook;
    void *hook_user;
};

static int root_of(const hn_plan *p, int slot)
{
    while (p->slot[slot].alias >= 0)
        slot = p->slot[slot].alias;
    return slot;
}

/* Points every slot at its memory; caller-bound outputs take the place of their arena part. */
static void resolve(hn_session *s)
{
    const hn_plan *p = s->p;
    for (size_t i = 0; i < p->slot_count; i++) {
        const hn_slot *slot = &p->slot[i];
        if (slot->alias < 0 && slot->kind == HN_SLOT_ARENA)
            s->slot[i].data = s->block + slot->offset;
    }
    for (size_t i = 0; i < p->graph->out_count; i++) {
        int root = root_of(p, p->out_slot[i]);
        bool taken = false;
        for (size_t j = 0; j < i; j++)
            taken = taken || (s->bound[j] && root_of(p, p->out_slot[j]) == root);
        if (s->bound[i] && !taken && p->slot[root].kind == HN_SLOT_ARENA)
            s->slot[root].data = s->bound[i];
    }
    for (size_t i = 0; i < p->slot_count; i++)
        if (p->slot[i].alias >= 0)
            s->slot[i].data = s->slot[root_of(p, (int)i)].data;
}

static hn_err lay_out(hn_ctx *cx, hn_session *s)
{
    const hn_plan *p = s->p;
    size_t ins = 0, outs = 0;
    for (size_t i = 0; i < p->step_count; i++) {
        ins += (size_t)p->step[i].in_count;
        outs += (size_t)p->step[i].out_count;
    }
    s->slot = HN_NEW(s->own, hn_tensor, p->slot_count);
    s->in = HN_NEW(s->own, const hn_tensor *, ins);
    s->out = HN_NEW(s->own, hn_tensor *, outs);
    s->in_at = HN_NEW(s->own, size_t, p->step_count);
    s->out_at = HN_NEW(s->own, size_t, p->step_count);
    s->bound = HN_NEW(s->own, void *, p->graph->out_count);
    s->result = HN_NEW(s->own, hn_tensor, p->graph->out_count);
    s->block = hn_alloc_aligned(cx, hn_max(p->stats.arena_bytes, 64));
    if (!s->slot || !s->in || !s->out || !s->in_at || !s->out_at || !s->bound || !s->result || !s->block)
        return hn_nomem(cx, "a session");

    for (size_t i = 0; i < p->slot_count; i++)
        s->slot[i] = p->slot[i].t;
    ins = outs = 0;
    for (size_t i = 0; i < p->step_count; i++) {
        const hn_step *step = &p->step[i];
        s->in_at[i] = ins;
        s->out_at[i] = outs;
        for (int j = 0; j < step->in_count; j++)
            s->in[ins++] = step->in[j] >= 0 ? &s->slot[step->in[j]] : NULL;
        for (int j = 0; j < step->out_count; j++)
            s->out[outs++] = step->out[j] >= 0 ? &s->slot[step->out[j]] : NULL;
    }
    resolve(s);
    return HN_OK;
}

hn_err hn_session_new(hn_ctx *cx, const hn_plan *plan, hn_pool *pool, hn_session **out)
{
    hn_session *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "a session");
    s->cx.env = cx ? cx->env : NULL;
    s->p = plan;
    s->pool = plan->threads > 1 ? pool : NULL;
    hn_err e = hn_arena_new(cx, 0, &s->own);
    if (!e)
        e = hn_arena_new(cx, 0, &s->eval_scratch);
    if (!e)
        e = hn_arena_new(cx, 0, &s->dynamic);
    if (!e)
        e = lay_out(cx, s);
    if (e) {
        hn_session_free(s);
        return e;
    }
    *out = s;
    return HN_OK;
}

void hn_session_free(hn_session *s)
{
    if (!s)
        return;
    hn_ctx cx = s->cx;
    hn_free_aligned(&cx, s->block);
    hn_arena_free(s->own);
    hn_arena_free(s->eval_scratch);
    hn_arena_free(s->dynamic);
    hn_free(&cx, s);
}

void hn_session_bind_input(hn_session *s, size_t i, const void *data)
{
    int slot = s->p->in_slot[i];
    s->slot[slot].data = (void *)(uintptr_t)data;
    resolve(s);
}

void hn_session_bind_output(hn_session *s, size_t i, void *data)
{
    s->bound[i] = data;
    resolve(s);
}

void hn_session_bind_kv(hn_session *s, hn_kv *kv) { s->kv = kv; }
void hn_session_bind_each(hn_session *s, hn_kv *const *each) { s->each = each; }

void hn_session_hook(hn_session *s, hn_step_hook *hook, void *user)
{
    s->hook = hook;
    s->hook_user = user;
}

/* A step whose output sizes are found now: infer, allocate, compute. */
static hn_err run_dynamic(hn_ctx *cx, hn_session *s, const hn_step *step, const hn_tensor *const *in,
                          hn_tensor *const *out)
{
    hn_tensor *made = HN_NEW(s->dynamic, hn_tensor, (size_t)step->out_count);
    if (!made)
        return hn_nomem(cx, "a step");
    HN_TRY(hn_eval_node(cx, step->node, in, s->dynamic, s->eval_scratch, made));
    for (int i = 0; i < step->out_count; i++)
        if (out[i])
            *out[i] = made[i];
    return HN_OK;
}

static hn_err run_step(hn_ctx *cx, hn_session *s, size_t i)
{
    const hn_step *step = &s->p->step[i];
    const hn_tensor *const *in = s->in + s->in_at[i];
    hn_tensor *const *out = s->out + s->out_at[i];
    hn_err e;

    if (step->dynamic) {
        e = run_dynamic(cx, s, step, in, out);
    } else {
        hn_run r = { .cx = cx, .node = step->node, .k = s->p->k, .in = in, .out = out,
                     .layout = step->layout, .state = step->state, .pool = step->alone ? NULL : s->pool,
                     .threads = step->alone ? 1 : s->p->threads,
                     .scratch = s->block + s->p->activation_bytes,
                     .scratch_stride = s->p->scratch_stride, .eval_scratch = s->eval_scratch,
                     .text = s->dynamic, .kv = s->kv, .each = s->each };
        e = step->impl->run(&r);
    }
    if (step->impl == &hn_impl_eval)
        hn_arena_reset(s->eval_scratch);
    return e;
}

/* Outputs that could not be computed in place of the caller's buffer are copied there. */
static void deliver(hn_session *s)
{
    for (size_t i = 0; i < s->p->graph->out_count; i++) {
        int slot = s->p->out_slot[i];
        s->result[i] = s->slot[slot];
        if (!s->bound[i] || s->result[i].data == s->bound[i])
            continue;
        if (hn_bytes(&s->result[i]))
            memcpy(s->bound[i], s->result[i].data, hn_bytes(&s->result[i]));
        s->result[i].data = s->bound[i];
    }
}

hn_err hn_session_run(hn_ctx *cx, hn_session *s)
{
    hn_arena_reset(s->dynamic);
    for (size_t i = 0; i < s->p->step_count; i++) {
        uint64_t begin = s->hook ? hn_now_ns() : 0;
        HN_TRY(run_step(cx, s, i));
        if (s->hook)
            s->hook(s->hook_user, i, begin, hn_now_ns());
    }
    deliver(s);
    return HN_OK;
}

void hn_session_touch(hn_session *s)
{
    volatile char *block = s->block;
    for (size_t i = 0; i < s->p->stats.arena_bytes; i += 4096)
        block[i] = block[i];
}

const hn_tensor *hn_session_output(const hn_session *s, size_t i) { return &s->result[i]; }
const hn_plan *hn_session_plan(const hn_session *s) { return s->p; }

const hn_tensor *hn_session_step_output(const hn_session *s, size_t step, int o, hn_layout *layout)
{
    *layout = s->p->step[step].layout;
    return s->out[s->out_at[step] + (size_t)o];
}
