/* SPDX-License-Identifier: Apache-2.0 */
/* tok_merge.c: joining neighbours, the best offer first.
 *
 * Every pair of neighbours that may join lies as an offer in a heap.  The best is taken; when its two
 * symbols are still what they were, they become one, which makes two new pairs.  An offer need not be
 * withdrawn when a neighbour changes: symbols only grow, so it is void exactly when the two no longer
 * have the length it was made for.  The work is n log n, whatever the text. */
#include "base/utf8.h"
#include "llm/tok_impl.h"

#define NOWHERE UINT32_MAX

static hn_err push(hn_tok_work *w, hn_offer o)
{
    if (!hn_grow(w->cx, &w->heap, w->heap_count, &w->heap_cap, sizeof *w->heap))
        return hn_nomem(w->cx, "joining a text");
    size_t at = w->heap_count++;
    for (size_t up; at > 0 && w->heap[up = (at - 1) / 2].key > o.key; at = up)
        w->heap[at] = w->heap[up];
    w->heap[at] = o;
    return HN_OK;
}

static hn_offer pop(hn_tok_work *w)
{
    hn_offer best = w->heap[0], last = w->heap[--w->heap_count];
    size_t at = 0, n = w->heap_count;
    for (size_t down; (down = 2 * at + 1) < n; at = down) {
        if (down + 1 < n && w->heap[down + 1].key < w->heap[down].key)
            down++;
        if (w->heap[down].key >= last.key)
            break;
        w->heap[at] = w->heap[down];
    }
    w->heap[at] = last;
    return best;
}

static hn_err offer(hn_tok_work *w, const char *text, uint32_t left, uint32_t right, hn_join *join)
{
    uint32_t order;
    int32_t piece;
    if (left == NOWHERE || right == NOWHERE)
        return HN_OK;
    const hn_sym *l = &w->sym[left], *r = &w->sym[right];
    if (!join(w->t, text, l, r, &order, &piece))
        return HN_OK;
    return push(w, (hn_offer){ (uint64_t)order << 32 | left, l->len + r->len, piece });
}

static hn_err characters(hn_tok_work *w, const char *text, size_t len, bool bytes)
{
    w->sym_count = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = bytes ? 1 : hn_utf8_get(text + i, len - i, NULL);
        n = n ? n : 1;                                  /* not UTF-8: a symbol of its own, later a byte token */
        if (!hn_grow(w->cx, &w->sym, w->sym_count, &w->sym_cap, sizeof *w->sym))
            return hn_nomem(w->cx, "joining a text");
        uint32_t at = (uint32_t)w->sym_count++;
        w->sym[at] = (hn_sym){ (uint32_t)i, (uint32_t)n, at - 1, at + 1,
                               bytes ? w->t->byte[(uint8_t)text[i]] : hn_tok_word(w->t, text + i, n) };
    }
    w->sym[w->sym_count - 1].next = NOWHERE;            /* the first one's prev wrapped to NOWHERE */
    return HN_OK;
}

static hn_err emit(hn_tok_work *w, const char *text)
{
    for (uint32_t i = 0; i != NOWHERE; i = w->sym[i].next) {
        const hn_sym *s = &w->sym[i];
        if (s->piece != HN_TOK_NONE && (uint32_t)s->piece < w->t->count)
            HN_TRY(hn_tok_emit(w, s->piece));
        else
            HN_TRY(hn_tok_emit_bytes(w, text + s->start, s->len));
    }
    return HN_OK;
}

hn_err hn_tok_merge(hn_tok_work *w, const char *text, size_t len, bool bytes, hn_join *join)
{
    if (len == 0)
        return HN_OK;
    HN_TRY(characters(w, text, len, bytes));
    w->heap_count = 0;
    for (uint32_t i = 1; i < w->sym_count; i++)
        HN_TRY(offer(w, text, i - 1, i, join));
    while (w->heap_count > 0) {
        hn_offer o = pop(w);
        uint32_t left = (uint32_t)o.key;
        hn_sym *l = &w->sym[left];
        if (l->len == 0 || l->next == NOWHERE || l->len + w->sym[l->next].len != o.size)
            continue;
        hn_sym *r = &w->sym[l->next];
        l->len += r->len;
        l->piece = o.piece;
        l->next = r->next;
        r->len = 0;
        if (l->next != NOWHERE)
            w->sym[l->next].prev = left;
        HN_TRY(offer(w, text, l->prev, left, join));
        HN_TRY(offer(w, text, left, l->next, join));
    }
    return emit(w, text);
}
