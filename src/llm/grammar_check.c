/* SPDX-License-Identifier: Apache-2.0 */
/* grammar_check.c: left recursion.
 *
 * A rule that can call itself before it has read a byte grows its stack for ever, unless the call is the last
 * thing in every rule on the way (then nothing is put on the stack).  So: a graph of which rule can begin with
 * which, and no cycle in it may hold a call that something follows. */
#include <string.h>

#include "llm/grammar_impl.h"

typedef struct edge { uint32_t from, to; bool last; } edge;

typedef struct check {
    hn_ctx *cx;
    const hn_grammar *g;
    uint8_t *empty;              /* [rules]: may it match nothing? */
    edge *e; size_t count, cap;
    uint32_t *first;             /* edges of rule r: first[r] .. first[r + 1], they are made in order */
    uint32_t *queue; uint32_t *seen, stamp;
} check;

static bool may_be_empty(const check *k, uint32_t rule)
{
    const hn_grammar *g = k->g;
    for (uint32_t a = 0; a < g->rule[rule].count; a++) {
        const hn_g_elem *e = g->code + g->alt[g->rule[rule].first + a];
        while (e->kind == HN_G_RULE && k->empty[e->index])
            e++;
        if (e->kind == HN_G_END)
            return true;
    }
    return false;
}

#define ROUNDS_MAX 200           /* of sweeps there and back; what people write needs a handful */

static hn_err too_deep(hn_ctx *cx)
{
    return hn_fail(cx, HN_ELIMIT, "grammar: rules that refer to rules in chains too long to check; write them in order");
}

/* There and back in turn, so that chains written in order or in reverse are done in one go. */
static hn_err find_empty(check *k)
{
    size_t rules = k->g->rule_count;
    bool changed = true;
    for (int round = 0; changed; round++) {
        changed = false;
        if (round == ROUNDS_MAX)
            return too_deep(k->cx);
        for (size_t i = 0; i < rules; i++) {
            size_t r = round % 2 ? rules - 1 - i : i;
            if (!k->empty[r] && may_be_empty(k, (uint32_t)r))
                k->empty[r] = 1, changed = true;
        }
    }
    return HN_OK;
}

static hn_err find_edges(check *k)
{
    const hn_grammar *g = k->g;
    for (uint32_t r = 0; r < g->rule_count; r++) {
        k->first[r] = (uint32_t)k->count;
        for (uint32_t a = 0; a < g->rule[r].count; a++) {
            const hn_g_elem *e = g->code + g->alt[g->rule[r].first + a];
            for (; e->kind == HN_G_RULE; e++) {
                if (!hn_grow(k->cx, &k->e, k->count, &k->cap, sizeof *k->e))
                    return hn_nomem(k->cx, "a grammar");
                k->e[k->count++] = (edge){ r, e->index, e[1].kind == HN_G_END };
                if (!k->empty[e->index])
                    break;
            }
        }
    }
    k->first[g->rule_count] = (uint32_t)k->count;
    return HN_OK;
}

static bool reaches(check *k, uint32_t from, uint32_t to)
{
    size_t head = 0, tail = 0;
    k->queue[tail++] = from;
    k->seen[from] = ++k->stamp;
    while (head < tail) {
        uint32_t r = k->queue[head++];
        if (r == to)
            return true;
        for (uint32_t i = k->first[r]; i < k->first[r + 1]; i++)
            if (k->seen[k->e[i].to] != k->stamp) {
                k->seen[k->e[i].to] = k->stamp;
                k->queue[tail++] = k->e[i].to;
            }
    }
    return false;
}

/* Rules that lead into no cycle: those that begin with no rule, then those that begin only with such.  What
 * is left is little, so looking from each of its calls costs little. */
static hn_err trim(const check *k, uint8_t *gone)
{
    size_t rules = k->g->rule_count;
    bool changed = true;
    for (int round = 0; changed; round++) {
        changed = false;
        if (round == ROUNDS_MAX)
            return too_deep(k->cx);
        for (size_t n = 0; n < rules; n++) {
            size_t r = round % 2 ? n : rules - 1 - n;
            uint32_t i = k->first[r];
            while (i < k->first[r + 1] && gone[k->e[i].to])
                i++;
            if (!gone[r] && i == k->first[r + 1])
                gone[r] = 1, changed = true;
        }
    }
    return HN_OK;
}

#define LOOKS_MAX 4096           /* calls on cycles; a grammar written by a person has a handful */

static hn_err look(check *k, const uint8_t *gone)
{
    size_t looks = 0;
    for (size_t i = 0; i < k->count; i++) {
        const edge *e = &k->e[i];
        if (e->last || gone[e->from] || gone[e->to])
            continue;
        if (++looks > LOOKS_MAX)
            return hn_fail(k->cx, HN_ELIMIT, "grammar: too many rules that may begin with themselves to check");
        if (reaches(k, e->to, e->from))
            return hn_fail(k->cx, HN_EFORMAT,
                           "grammar: left recursion: a rule calls itself before it has read anything; "
                           "write what repeats with * instead");
    }
    return HN_OK;
}

hn_err hn_g_check(hn_ctx *cx, hn_grammar *g)
{
    size_t n = g->rule_count + 1;
    check k = { .cx = cx, .g = g, .empty = hn_calloc(cx, n, 1), .first = hn_calloc(cx, n, sizeof *k.first),
                .queue = hn_calloc(cx, n, sizeof *k.queue), .seen = hn_calloc(cx, n, sizeof *k.seen) };
    uint8_t *gone = hn_calloc(cx, n, 1);
    hn_err e = HN_OK;
    if (!k.empty || !k.first || !k.queue || !k.seen || !gone)
        e = hn_nomem(cx, "a grammar");
    if (!e)
        e = find_empty(&k);
    if (!e)
        e = find_edges(&k);
    if (!e)
        e = trim(&k, gone);
    if (!e)
        e = look(&k, gone);
    hn_free(cx, k.empty);
    hn_free(cx, k.first);
    hn_free(cx, k.queue);
    hn_free(cx, k.seen);
    hn_free(cx, k.e);
    hn_free(cx, gone);
    return e;
}
