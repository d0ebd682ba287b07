/* SPDX-License-Identifier: Apache-2.0 */
/* grammar.c: positions in a grammar, found out as they are needed.
 *
 * A stack is a place in the rules and the stack to go on with when that rule ends; equal stacks are one
 * number, so a set of them is a short sorted list, and equal lists are one state.  Stack 0 is the empty
 * one: the grammar may end here.  State 0 is the one without stacks: nothing fits. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "llm/grammar_impl.h"

/* Past the first, what was found is forgotten when a token is done; past the second, the grammar is refused. */
#define STACKS_SOFT ((size_t)1 << 17)
#define STACKS_MAX ((size_t)1 << 20)
#define STATES_SOFT ((size_t)1 << 13)
#define STATES_MAX ((size_t)1 << 16)
#define MASK_BYTES_SOFT ((size_t)32 << 20)
#define WORK_MAX ((size_t)1 << 16)       /* stacks looked at for one step */

enum { DEAD = 0, UNKNOWN = -1, FAILED = -2 };

typedef struct stack { uint32_t pos, parent; } stack;
typedef struct state { uint32_t first, count; uint32_t *mask; bool may_end; } state;

/* Numbers by hash, open addressing: 1 + number, 0 is free. */
typedef struct table { uint32_t *slot; size_t size; } table;

struct hn_match {
    hn_ctx cx;
    const hn_grammar *g;
    const hn_vocab *v;
    stack *stack; size_t stacks, stack_cap; table by_stack;
    uint32_t *seen; size_t seen_cap; uint32_t stamp;       /* by stack: in this step already? */
    state *state; size_t states, state_cap; table by_state;
    uint32_t *list; size_t listed, list_cap;               /* stacks of states, one after another */
    int32_t *next; size_t next_cap;                        /* [states, classes] */
    uint32_t *work; size_t work_count, work_cap;
    uint32_t *found; size_t found_count, found_cap;        /* what a step leads to */
    int32_t *path;                                         /* [depth_max + 1] */
    size_t mask_bytes;
    int32_t start, now;
    bool ended;                                            /* an end token was taken */
    hn_err why;                                            /* of FAILED */
};

/* ---- Numbers for stacks and states ---------------------------------------------------------------- */

static uint32_t mix(uint32_t h, uint32_t v)
{
    h = (h ^ v) * 0x9E3779B1u;
    return h ^ h >> 15;
}

static uint32_t stack_hash(stack s) { return mix(mix(17, s.pos), s.parent); }

static uint32_t list_hash(const uint32_t *list, size_t count)
{
    uint32_t h = 31;
    for (size_t i = 0; i < count; i++)
        h = mix(h, list[i]);
    return h;
}

static void put(table *t, uint32_t hash, uint32_t number)
{
    size_t at = hash & (t->size - 1);
    while (t->slot[at])
        at = (at + 1) & (t->size - 1);
    t->slot[at] = number + 1;
}

static bool widen(hn_match *m, table *t)
{
    size_t size = t->size ? t->size * 2 : 1024;
    uint32_t *slot = hn_calloc(&m->cx, size, sizeof *slot);
    if (!slot)
        return false;
    hn_free(&m->cx, t->slot);
    *t = (table){ slot, size };
    return true;
}

static int32_t fail(hn_match *m, hn_err why)
{
    m->why = why;
    return FAILED;
}

/* The number of a stack; UINT32_MAX, with m->why set, when there is no room. */
static uint32_t number_of(hn_match *m, stack s)
{
    uint32_t hash = stack_hash(s);
    for (size_t at = hash & (m->by_stack.size - 1); m->by_stack.slot[at]; at = (at + 1) & (m->by_stack.size - 1)) {
        uint32_t n = m->by_stack.slot[at] - 1;
        if (m->stack[n].pos == s.pos && m->stack[n].parent == s.parent)
            return n;
    }
    bool room = m->stacks < STACKS_MAX;
    if (!room || !hn_grow(&m->cx, &m->stack, m->stacks, &m->stack_cap, sizeof *m->stack) ||
        !hn_grow(&m->cx, &m->seen, m->stacks, &m->seen_cap, sizeof *m->seen)) {
        fail(m, room ? HN_ENOMEM : HN_ELIMIT);
        return UINT32_MAX;
    }
    m->stack[m->stacks] = s;
    m->seen[m->stacks] = 0;
    put(&m->by_stack, hash, (uint32_t)m->stacks++);
    if (m->stacks * 2 >= m->by_stack.size) {
        if (!widen(m, &m->by_stack)) {
            fail(m, HN_ENOMEM);
            return UINT32_MAX;
        }
        for (uint32_t i = 1; i < m->stacks; i++)
            put(&m->by_stack, stack_hash(m->stack[i]), i);
    }
    return (uint32_t)m->stacks - 1;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The state of the stacks found. */
static int32_t state_of(hn_match *m)
{
    if (m->found_count)
        qsort(m->found, m->found_count, sizeof *m->found, by_number);
    uint32_t hash = list_hash(m->found, m->found_count);
    for (size_t at = hash & (m->by_state.size - 1); m->by_state.slot[at]; at = (at + 1) & (m->by_state.size - 1)) {
        const state *s = &m->state[m->by_state.slot[at] - 1];
        if (s->count == m->found_count && (s->count == 0 || memcmp(m->list + s->first, m->found, s->count * sizeof *m->list) == 0))
            return (int32_t)(m->by_state.slot[at] - 1);
    }
    size_t classes = m->g->classes;
    if (m->states >= STATES_MAX)
        return fail(m, HN_ELIMIT);
    if (!hn_grow(&m->cx, &m->state, m->states, &m->state_cap, sizeof *m->state))
        return fail(m, HN_ENOMEM);
    while (m->next_cap < (m->states + 1) * classes)
        if (!hn_grow(&m->cx, &m->next, m->next_cap, &m->next_cap, sizeof *m->next))
            return fail(m, HN_ENOMEM);
    uint32_t first = (uint32_t)m->listed;
    for (size_t i = 0; i < m->found_count; i++) {
        if (!hn_grow(&m->cx, &m->list, m->listed, &m->list_cap, sizeof *m->list))
            return fail(m, HN_ENOMEM);
        m->list[m->listed++] = m->found[i];
    }
    for (size_t i = 0; i < classes; i++)
        m->next[m->states * classes + i] = UNKNOWN;
    m->state[m->states] = (state){ first, (uint32_t)m->found_count, NULL, m->found_count && m->found[0] == 0 };
    put(&m->by_state, hash, (uint32_t)m->states++);
    if (m->states * 2 >= m->by_state.size) {
        if (!widen(m, &m->by_state))
            return fail(m, HN_ENOMEM);
        for (uint32_t i = 0; i < m->states; i++)
            put(&m->by_state, list_hash(m->list + m->state[i].first, m->state[i].count), i);
    }
    return (int32_t)m->states - 1;
}

/* ---- Steps ---------------------------------------------------------------------------------------- */

static bool look_at(hn_match *m, uint32_t pos, uint32_t parent)
{
    uint32_t n = number_of(m, (stack){ pos, parent });
    if (n == UINT32_MAX)
        return false;
    if (m->seen[n] == m->stamp)
        return true;
    m->seen[n] = m->stamp;
    if (m->work_count >= WORK_MAX) {
        fail(m, HN_ELIMIT);
        return false;
    }
    if (!hn_grow(&m->cx, &m->work, m->work_count, &m->work_cap, sizeof *m->work)) {
        fail(m, HN_ENOMEM);
        return false;
    }
    m->work[m->work_count++] = n;
    return true;
}

static bool add_found(hn_match *m, uint32_t n)
{
    if (!hn_grow(&m->cx, &m->found, m->found_count, &m->found_cap, sizeof *m->found)) {
        fail(m, HN_ENOMEM);
        return false;
    }
    m->found[m->found_count++] = n;
    return true;
}

static bool enter(hn_match *m, uint32_t rule, uint32_t parent)
{
    const hn_g_rule *r = &m->g->rule[rule];
    for (uint32_t a = 0; a < r->count; a++)
        if (!look_at(m, m->g->alt[r->first + a], parent))
            return false;
    return true;
}

/* One stack to look at: kept when it waits for a byte, otherwise what it leads to is looked at. */
static bool unfold(hn_match *m, uint32_t n, bool *may_end)
{
    stack s = m->stack[n];
    hn_g_elem e = m->g->code[s.pos];
    if (e.kind == HN_G_SET)
        return add_found(m, n);
    if (e.kind == HN_G_END) {
        *may_end = *may_end || s.parent == 0;
        return s.parent == 0 || look_at(m, m->stack[s.parent].pos, m->stack[s.parent].parent);
    }
    /* Nothing follows the call: the caller's own end would do nothing but go to its parent. */
    uint32_t parent = s.parent;
    if (m->g->code[s.pos + 1].kind != HN_G_END)
        parent = number_of(m, (stack){ s.pos + 1, s.parent });
    return parent != UINT32_MAX && enter(m, e.index, parent);
}

static int32_t settle(hn_match *m)
{
    bool may_end = false;
    while (m->work_count > 0)
        if (!unfold(m, m->work[--m->work_count], &may_end))
            return FAILED;
    if (may_end && !add_found(m, 0))
        return FAILED;
    return state_of(m);
}

static void begin_step(hn_match *m)
{
    m->work_count = m->found_count = 0;
    if (++m->stamp == 0) {
        memset(m->seen, 0, m->stacks * sizeof *m->seen);
        m->stamp = 1;
    }
}

static int32_t step(hn_match *m, int32_t from, uint32_t class)
{
    const state s = m->state[from];
    uint8_t byte = m->g->byte_of[class];
    begin_step(m);
    for (uint32_t i = 0; i < s.count; i++) {
        uint32_t n = m->list[s.first + i];
        if (n == 0 || !hn_g_has(&m->g->set[m->g->code[m->stack[n].pos].index], byte))
            continue;
        if (!look_at(m, m->stack[n].pos + 1, m->stack[n].parent))
            return FAILED;
    }
    int32_t to = settle(m);
    if (to >= 0)
        m->next[(size_t)from * m->g->classes + class] = to;
    return to;
}

static inline int32_t go(hn_match *m, int32_t from, uint8_t byte)
{
    uint32_t class = m->g->class_of[byte];
    int32_t to = m->next[(size_t)from * m->g->classes + class];
    return to == UNKNOWN ? step(m, from, class) : to;
}

static hn_err explain(hn_ctx *cx, const hn_match *m)
{
    return m->why == HN_ENOMEM ? hn_nomem(cx, "a grammar")
                               : hn_fail(cx, HN_ELIMIT, "grammar: too many ways to read the same text; make it less ambiguous");
}

/* ---- Life ----------------------------------------------------------------------------------------- */

/* All tables empty but for the empty stack, the dead state and the first one. */
static hn_err begin(hn_ctx *cx, hn_match *m)
{
    m->stacks = m->states = m->listed = 0;
    m->mask_bytes = 0;
    m->by_stack.size = m->by_state.size = 0;
    m->why = HN_ENOMEM;
    hn_free(&m->cx, m->by_stack.slot);
    hn_free(&m->cx, m->by_state.slot);
    m->by_stack.slot = m->by_state.slot = NULL;
    if (!widen(m, &m->by_stack) || !widen(m, &m->by_state) ||
        !hn_grow(&m->cx, &m->stack, 0, &m->stack_cap, sizeof *m->stack) ||
        !hn_grow(&m->cx, &m->seen, 0, &m->seen_cap, sizeof *m->seen))
        return explain(cx, m);
    m->stack[0] = (stack){ UINT32_MAX, UINT32_MAX };       /* found by no search */
    m->seen[0] = 0;
    m->stacks = 1;
    begin_step(m);
    if (state_of(m) != DEAD)                                /* of nothing found */
        return explain(cx, m);
    begin_step(m);
    m->start = enter(m, m->g->root, 0) ? settle(m) : FAILED;
    return m->start < 0 ? explain(cx, m) : HN_OK;
}

static void drop_masks(hn_match *m)
{
    for (size_t i = 0; i < m->states; i++) {
        hn_free(&m->cx, m->state[i].mask);
        m->state[i].mask = NULL;
    }
}

hn_err hn_match_new(hn_ctx *cx, const hn_grammar *g, const hn_vocab *v, hn_match **out)
{
    hn_match *m = hn_calloc(cx, 1, sizeof *m);
    if (!m)
        return hn_nomem(cx, "a grammar");
    m->cx.env = cx->env;
    m->g = g;
    m->v = v;
    m->path = hn_calloc(cx, (size_t)v->depth_max + 1, sizeof *m->path);
    hn_err e = m->path ? begin(cx, m) : hn_nomem(cx, "a grammar");
    if (e) {
        hn_match_free(m);
        return e;
    }
    m->now = m->start;
    *out = m;
    return HN_OK;
}

void hn_match_free(hn_match *m)
{
    if (!m)
        return;
    hn_ctx cx = m->cx;
    drop_masks(m);
    hn_free(&cx, m->stack);
    hn_free(&cx, m->seen);
    hn_free(&cx, m->state);
    hn_free(&cx, m->list);
    hn_free(&cx, m->next);
    hn_free(&cx, m->work);
    hn_free(&cx, m->found);
    hn_free(&cx, m->path);
    hn_free(&cx, m->by_stack.slot);
    hn_free(&cx, m->by_state.slot);
    hn_free(&cx, m);
}

void hn_match_reset(hn_match *m)
{
    m->now = m->start;
    m->ended = false;
}

/* The stacks of the present state as places, bottom first, each behind its length; free it. */
static uint32_t *remember(hn_match *m, size_t *words)
{
    const state *s = &m->state[m->now];
    size_t n = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        n++;
        for (uint32_t at = m->list[s->first + i]; at != 0; at = m->stack[at].parent)
            n++;
    }
    uint32_t *kept = hn_calloc(&m->cx, n + 1, sizeof *kept), *to = kept;
    for (uint32_t i = 0; kept && i < s->count; i++) {
        uint32_t depth = 0;
        for (uint32_t at = m->list[s->first + i]; at != 0; at = m->stack[at].parent)
            depth++;
        *to = depth;
        for (uint32_t at = m->list[s->first + i], k = depth; at != 0; at = m->stack[at].parent)
            to[k--] = m->stack[at].pos;
        to += depth + 1;
    }
    *words = n;
    return kept;
}

/* Drops all that was found but for where we are. */
static hn_err forget(hn_ctx *cx, hn_match *m)
{
    size_t words;
    uint32_t *kept = remember(m, &words);
    if (!kept)
        return hn_nomem(cx, "a grammar");
    drop_masks(m);
    hn_err e = begin(cx, m);
    begin_step(m);
    for (size_t i = 0; i < words && !e;) {
        uint32_t depth = kept[i++], at = 0;
        for (uint32_t k = 0; k < depth && at != UINT32_MAX; k++)
            at = number_of(m, (stack){ kept[i++], at });
        if (at == UINT32_MAX || !add_found(m, at))
            e = explain(cx, m);
    }
    hn_free(&m->cx, kept);
    if (!e && (m->now = state_of(m)) < 0)
        e = explain(cx, m);
    if (e)
        m->start = FAILED;
    return e;
}

/* An attempt to forget that ran out of memory left nothing: then from the beginning. */
static hn_err keep_small(hn_ctx *cx, hn_match *m)
{
    if (m->start < 0) {
        HN_TRY(begin(cx, m));
        m->now = m->start;
        return HN_OK;
    }
    if (m->stacks < STACKS_SOFT && m->states < STATES_SOFT && m->mask_bytes < MASK_BYTES_SOFT)
        return HN_OK;
    return forget(cx, m);
}

/* ---- Masks ---------------------------------------------------------------------------------------- */

static hn_err fill(hn_ctx *cx, hn_match *m, uint32_t *mask, bool *any)
{
    const hn_vocab *v = m->v;
    m->path[0] = m->now;
    for (size_t i = 0; i < v->count;) {
        const hn_v_node *n = &v->node[i];
        int32_t to = go(m, m->path[n->depth - 1], n->byte);
        if (to == DEAD) {
            i = n->skip;
            continue;
        }
        if (to == FAILED)
            return explain(cx, m);
        m->path[n->depth] = to;
        for (int32_t t = n->token; t >= 0; t = v->same[t]) {
            mask[t / 32] |= (uint32_t)1 << t % 32;
            *any = true;
        }
        i++;
    }
    return HN_OK;
}

hn_err hn_match_allowed(hn_ctx *cx, hn_match *m, const uint32_t **out)
{
    HN_TRY(keep_small(cx, m));
    state *s = &m->state[m->now];
    size_t words = m->v->tokens / 32 + 1;
    if (m->ended)
        return hn_fail(cx, HN_EARG, "grammar: the text has ended");
    if (!s->mask) {
        uint32_t *mask = hn_calloc(&m->cx, words, sizeof *mask);
        bool any = s->may_end;
        if (!mask)
            return hn_nomem(cx, "a grammar's mask");
        hn_err e = fill(cx, m, mask, &any);
        s = &m->state[m->now];                             /* states may have moved */
        for (size_t i = 0; i < words && s->may_end; i++)
            mask[i] |= m->v->end[i];
        if (!e && !any)
            e = hn_fail(cx, HN_EUNSUP, "unsupported: the grammar wants a character that this vocabulary cannot say");
        if (e) {
            hn_free(&m->cx, mask);
            return e;
        }
        s->mask = mask;
        m->mask_bytes += words * sizeof *mask;
    }
    *out = s->mask;
    return HN_OK;
}

hn_err hn_match_accept(hn_ctx *cx, hn_match *m, int32_t id)
{
    const hn_vocab *v = m->v;
    HN_TRY(keep_small(cx, m));
    int32_t at = m->now;
    if (id < 0 || (size_t)id >= v->tokens || m->ended)
        return hn_fail(cx, HN_EARG, "grammar: token %d cannot follow", (int)id);
    if (v->end[id / 32] >> id % 32 & 1) {
        if (!m->state[at].may_end)
            return hn_fail(cx, HN_EARG, "grammar: the text cannot end here");
        m->ended = true;
        return HN_OK;
    }
    for (uint32_t i = v->at[id]; i < v->at[id + 1] && at > DEAD; i++)
        at = go(m, at, (uint8_t)v->bytes[i]);
    if (at == FAILED)
        return explain(cx, m);
    if (at == DEAD || v->at[id] == v->at[id + 1])
        return hn_fail(cx, HN_EARG, "grammar: token %d cannot follow", (int)id);
    m->now = at;
    return HN_OK;
}

bool hn_match_done(const hn_match *m)
{
    const state *s = &m->state[m->now > DEAD ? m->now : DEAD];
    return m->ended || (s->count == 1 && s->may_end);
}
