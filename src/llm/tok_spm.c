/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece BPE: two neighbours may join when together they are a token; the higher its score,
 * the earlier.  What never becomes a token leaves as byte tokens. */
#include <string.h>

#include "llm/tok_impl.h"

/* Lower first, so the float's bits are put into an order that falls as the score rises. */
static uint32_t order_of(float score)
{
    uint32_t u;
    score += 0.0f;                                       /* -0 and 0 tie */
    memcpy(&u, &score, sizeof u);
    return u >> 31 ? u : ~(u | 0x80000000u);
}

static bool join(const hn_tok *t, const char *text, const hn_sym *l, const hn_sym *r, uint32_t *order, int32_t *piece)
{
    if (l->len + r->len > t->len_max)
        return false;
    *piece = hn_tok_word(t, text + l->start, l->len + r->len);
    if (*piece == HN_TOK_NONE)
        return false;
    *order = order_of(t->piece[*piece].score);
    return true;
}

static bool mark_at(const hn_buf *b, size_t i)
{
    return b->len - i >= SPACE_MARK_LEN && memcmp(b->data + i, SPACE_MARK, SPACE_MARK_LEN) == 0;
}

/* Where the word at `from` ends: at the next run of space marks. */
static size_t word_end(const hn_buf *b, size_t from)
{
    size_t i = from;
    while (i < b->len && mark_at(b, i))
        i += SPACE_MARK_LEN;
    for (;;) {
        const char *next = i < b->len ? memchr(b->data + i, SPACE_MARK[0], b->len - i) : NULL;
        if (!next)
            return b->len;
        i = (size_t)(next - b->data);
        if (mark_at(b, i))
            return i;
        i++;
    }
}

/* Appends s with U+2581 in place of spaces. */
static hn_err mark_spaces(hn_tok_work *w, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        const char *space = memchr(s + i, ' ', n - i);
        size_t end = space ? (size_t)(space - s) : n;
        hn_buf_add(&w->text, s + i, end - i);
        if (space)
            hn_buf_add(&w->text, SPACE_MARK, SPACE_MARK_LEN);
        i = end + (space != NULL);
    }
    return hn_buf_ok(&w->text, "a text with marked spaces");
}

hn_err hn_tok_spm(hn_tok_work *w, const char *s, size_t n)
{
    w->text.len = 0;
    if (w->t->space_prefix && w->after_mark)
        hn_buf_add(&w->text, SPACE_MARK, SPACE_MARK_LEN);
    HN_TRY(mark_spaces(w, s, n));
    for (size_t from = 0, end; from < w->text.len; from = end) {
        end = w->t->cut_at_spaces ? word_end(&w->text, from) : w->text.len;
        HN_TRY(hn_tok_merge(w, w->text.data + from, end - from, false, join));
    }
    return HN_OK;
}
