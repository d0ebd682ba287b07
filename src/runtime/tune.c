/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "formats/planfile.h"
#include "runtime/session.h"

enum { CANDIDATES_MAX = 24, ROUNDS_MIN = 5, ROUNDS_MAX = 200 };
#define BUDGET_NS ((uint64_t)15 * 1000 * 1000)      /* for one race, all its ways together */
#define CLEAR 0.96                                  /* of the usual time: less is a winner */

typedef struct candidate {
    hn_choice choice;
    hn_plan *plan;
    hn_session *session;
    uint64_t best, ran;              /* ns: the shortest, and the run that is on */
} candidate;

/* ---- The key: whatever decides how long a node takes --------------------------------------------- */

static void put_tensor(hn_buf *b, const hn_tensor *t)
{
    char shape[HN_SHAPE_TEXT];
    hn_buf_printf(b, " %s%s:%s", t->data ? "*" : "", hn_dtype_name(t->dtype), hn_shape_text(&t->shape, shape));
}

static void put_attrs(hn_buf *b, const hn_node *n)
{
    for (int i = 0; i < n->attr_count; i++) {
        const hn_attr *a = &n->attr[i];
        if (a->kind == HN_ATTR_INT)
            hn_buf_printf(b, " %s=%lld", a->name, (long long)a->i);
        if (a->kind == HN_ATTR_FLOAT)
            hn_buf_printf(b, " %s=%g", a->name, (double)a->f);
        if (a->kind == HN_ATTR_TEXT)
            hn_buf_printf(b, " %s=%.*s", a->name, (int)a->text.len, a->text.ptr);
        if (a->kind == HN_ATTR_INTS)
            hn_buf_printf(b, " %s=", a->name);
        for (size_t k = 0; a->kind == HN_ATTR_INTS && k < a->list.count; k++)
            hn_buf_printf(b, "%s%lld", k ? "," : "", (long long)a->list.i[k]);
    }
}

static hn_err make_key(const hn_tuner *t, const hn_prep *p, hn_buf *b)
{
    hn_buf_printf(b, "%s %s %s threads=%u %s", hn_machine_name(), p->k->isa, t->cpu, p->threads, p->node->op->name);
    put_attrs(b, p->node);
    hn_buf_printf(b, " act=%s", hn_act_name(p->node->act.kind));
    for (int i = 0; i < p->in_count; i++)
        if (p->in[i])
            put_tensor(b, p->in[i]);
    hn_buf_text(b, " ->");
    for (int i = 0; i < p->out_count; i++)
        if (p->out[i])
            put_tensor(b, p->out[i]);
    for (size_t i = 0; i < b->len; i++)
        if ((unsigned char)b->data[i] < ' ')         /* names come from files */
            b->data[i] = ' ';
    return hn_buf_ok(b, "timings");
}

/* ---- What is timed: a graph of the one node ------------------------------------------------------- */

static hn_err copy_operand(hn_ctx *cx, hn_graph *g, const hn_tensor *t, hn_value **out)
{
    if (t->data)
        return hn_graph_add_const(cx, g, NULL, t, out);
    HN_TRY(hn_graph_add_value(cx, g, NULL, out));
    (*out)->t = *t;
    return hn_graph_add_input(cx, g, *out);
}

static hn_err one_node(const hn_prep *p, hn_graph *g)
{
    const hn_node *n = p->node;
    hn_value **v = HN_NEW(g->arena, hn_value *, (size_t)(n->in_count + n->out_count));
    hn_value **out = v + n->in_count;
    hn_node *made;
    if (!v)
        return hn_nomem(p->cx, "a node to time");
    for (int i = 0; i < n->in_count; i++) {
        int twin = 0;
        while (n->in[twin] != n->in[i])
            twin++;
        if (n->in[i] && twin < i)
            v[i] = v[twin];
        else if (n->in[i])
            HN_TRY(copy_operand(p->cx, g, p->in[i], &v[i]));
    }
    for (int i = 0; i < n->out_count; i++)
        if (n->out[i])
            HN_TRY(hn_graph_add_value(p->cx, g, NULL, &out[i]));
    HN_TRY(hn_graph_add_node(p->cx, g, n->op, n->name, v, n->in_count, out, n->out_count, n->attr, n->attr_count, &made));
    made->act = n->act;
    for (int i = 0; i < n->out_count; i++)
        if (n->out[i])
            HN_TRY(hn_graph_add_output(p->cx, g, out[i]));
    return HN_OK;
}

/* Floats around zero and any bytes; other integers may be places and stay 0. */
static hn_err fill_inputs(hn_ctx *cx, hn_graph *g, void **data)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < g->in_count; i++) {
        const hn_tensor *t = &g->in[i]->t;
        size_t bytes = hn_bytes(t);
        data[i] = hn_arena_get(g->arena, hn_max(bytes, 1), 64);
        if (!data[i])
            return hn_nomem(cx, "a node to time");
        for (size_t k = 0; t->dtype == HN_F32 && k < hn_count(t); k++) {
            seed = seed * 1664525u + 1013904223u;
            ((float *)data[i])[k] = (float)(seed >> 8) / (1 << 23) - 1;
        }
        for (size_t k = 0; (t->dtype == HN_U8 || t->dtype == HN_I8) && k < bytes; k++) {
            seed = seed * 1664525u + 1013904223u;
            ((uint8_t *)data[i])[k] = (uint8_t)(seed >> 24);
        }
    }
    return HN_OK;
}

/* ---- Candidates ----------------------------------------------------------------------------------- */

static hn_err as_told(void *user, const hn_prep *prep, hn_choice *choice)
{
    (void)prep;
    *choice = *(const hn_choice *)user;
    return HN_OK;
}

static hn_err lay_out(const hn_tuner *t, const hn_prep *p, const hn_graph *g, const hn_shape *shape, void *const *data,
                      candidate *c)
{
    hn_plan_opts o = { .kernels = p->k, .threads = p->threads, .in_shape = shape, .no_optimize = true,
                       .choose = c->choice.impl ? as_told : NULL, .choose_user = &c->choice };
    HN_TRY(hn_plan_new(p->cx, g, &o, &c->plan));
    HN_TRY(hn_session_new(p->cx, c->plan, t->pool, &c->session));
    for (size_t i = 0; i < g->in_count; i++)
        hn_session_bind_input(c->session, i, data[i]);
    return HN_OK;
}

/* The usual way first; then the same on one thread, cut otherwise, and the others that can do it at all. */
static size_t list_ways(const hn_prep *p, const hn_choice *usual, candidate *c)
{
    size_t n = 1;
    c[0].choice = *usual;
    bool heavy = p->node->op->macs != NULL;
    for (const hn_impl *const *i = hn_impls; *i && n + 2 < CANDIDATES_MAX; i++) {
        bool same = strcmp((*i)->name, usual->impl) == 0;
        hn_prep probe = *p;
        probe.layout = (*i)->rule == HN_RULE_CL || (*i)->rule == HN_RULE_CL_IN ? HN_CHANNELS_LAST : HN_PLAIN;
        if (!same && (!heavy || (*i)->rule == HN_RULE_FOLLOW || (!p->node->out[0] && !(*i)->spares_out) ||
                      !(*i)->accepts(&probe)))
            continue;
        for (uint32_t v = same ? 1 : 0; v <= (*i)->variants && n + 1 < CANDIDATES_MAX; v++)
            c[n++].choice = (hn_choice){ (*i)->name, v, false };
    }
    if (p->threads > 1)
        c[n++].choice = (hn_choice){ usual->impl, usual->variant, true };
    return n;
}

static void on_step(void *user, size_t step, uint64_t begin, uint64_t end)
{
    candidate *c = user;
    if (c->plan->step[step].node)                    /* not the reorders around it */
        c->ran += end - begin;
}

static hn_err race(hn_ctx *cx, candidate *c, size_t n)
{
    uint64_t spent = 0;
    for (size_t i = 0; i < n; i++) {
        hn_session_hook(c[i].session, on_step, &c[i]);
        c[i].best = UINT64_MAX;
        HN_TRY(hn_session_run(cx, c[i].session));    /* into the caches */
    }
    for (int round = 0; round < ROUNDS_MAX && (round < ROUNDS_MIN || spent < BUDGET_NS); round++)
        for (size_t i = 0; i < n; i++) {
            c[i].ran = 0;
            HN_TRY(hn_session_run(cx, c[i].session));
            c[i].best = c[i].ran < c[i].best ? c[i].ran : c[i].best;
            spent += c[i].ran;
        }
    return HN_OK;
}

static hn_err time_ways(hn_tuner *t, const hn_prep *p, hn_graph *g, candidate *c, size_t *count)
{
    hn_shape *shape = HN_NEW(g->arena, hn_shape, g->in_count + 1);
    void **data = HN_NEW(g->arena, void *, g->in_count + 1);
    if (!shape || !data)
        return hn_nomem(p->cx, "a node to time");
    for (size_t i = 0; i < g->in_count; i++)
        shape[i] = g->in[i]->t.shape;
    HN_TRY(fill_inputs(p->cx, g, data));
    HN_TRY(lay_out(t, p, g, shape, data, &c[0]));    /* nobody chose: what it would have been */
    hn_choice usual = c[0].plan->choice[0];
    *count = usual.impl ? list_ways(p, &usual, c) : 1;
    if (*count < 2)
        return HN_OK;
    for (size_t i = 1; i < *count; i++)
        HN_TRY(lay_out(t, p, g, shape, data, &c[i]));
    return race(p->cx, c, *count);
}

static bool is_clear(const candidate *usual, const candidate *other)
{
    return (double)other->best < CLEAR * (double)usual->best;
}

static hn_err measure(hn_tuner *t, const hn_prep *p, const char *key, hn_timing *winner)
{
    candidate c[CANDIDATES_MAX] = { 0 };
    size_t count = 0, best = 0;
    hn_graph *g;
    HN_TRY(hn_graph_new(p->cx, &g));
    hn_err e = one_node(p, g);
    if (!e)
        e = time_ways(t, p, g, c, &count);
    *winner = (hn_timing){ .key = key };
    for (size_t i = 1; i < count && !e; i++)
        if (c[i].best < c[best].best)
            best = i;
    /* Of many the luckiest looks fast: once more, man against man. */
    if (best && is_clear(&c[0], &c[best])) {
        candidate duel[2] = { c[0], c[best] };
        e = race(p->cx, duel, 2);
        best = is_clear(&duel[0], &duel[1]) ? best : 0;
    } else {
        best = 0;
    }
    if (!e && count > 1) {
        winner->choice = c[best].choice;
        winner->us = (double)c[best].best * 1e-3;
        winner->usual_us = (double)c[0].best * 1e-3;
        t->changed += best != 0;
        t->measured++;
        e = hn_timings_add(p->cx, t->timings, winner);
    }
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        hn_session_free(c[i].session);
        hn_plan_free(p->cx, c[i].plan);
    }
    hn_graph_free(g);
    return e;
}

/* ---- The choice ------------------------------------------------------------------------------------- */

/* One node on its own is itself: no state, no chance, nothing around it. */
static bool stands_alone(const hn_prep *p)
{
    for (int i = 0; i < p->node->attr_count; i++)
        if (p->node->attr[i].kind == HN_ATTR_GRAPH)
            return false;
    for (int i = 0; i < p->in_count; i++)
        if (p->in[i] && (hn_is_list(p->in[i]->dtype) || hn_dtype_class(p->in[i]->dtype) == HN_CLASS_S))
            return false;
    return !(p->node->op->flags & (HN_OP_RANDOM | HN_OP_STATE)) && !p->node->op->make &&
           (p->node->op->macs || p->threads > 1);
}

hn_err hn_tune_choose(void *user, const hn_prep *p, hn_choice *choice)
{
    hn_tuner *t = user;
    hn_buf key = { .cx = p->cx };
    hn_timing now;
    if (!stands_alone(p))
        return HN_OK;
    hn_err e = make_key(t, p, &key);
    const hn_timing *known = e ? NULL : hn_timings_find(t->timings, key.data);
    if (known)
        t->known++;
    else if (!e && t->measure && !(e = measure(t, p, key.data, &now)))
        known = now.choice.impl ? &now : NULL;
    if (known)
        *choice = known->choice;
    hn_buf_free(&key);
    return e;
}

bool hn_timings_usual_path(char *out, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char dir[4096];
    bool given = cache && cache[0] == '/';
    if (!given && !(home && home[0] == '/'))
        return false;
    int n = given ? snprintf(dir, sizeof dir, "%s", cache) : snprintf(dir, sizeof dir, "%s/.cache", home);
    if (n < 0 || (size_t)n + 32 > sizeof dir || (size_t)n + 48 > size)
        return false;
    mkdir(dir, 0700);
    snprintf(out, size, "%s/hone", dir);
    mkdir(out, 0700);
    snprintf(out, size, "%s/hone/timings", dir);
    return true;
}
