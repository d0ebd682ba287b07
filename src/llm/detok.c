/* SPDX-License-Identifier: Apache-2.0 */
/* Ids back to text: at once as exact bytes, or streaming as whole characters. */
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/tok_impl.h"

static bool shows_marks(const hn_tok *t) { return t->kind != HN_TOK_BPE || !t->byte_level; }

/* BERT's text has no space before these. */
static bool hugs_left(const hn_piece *p)
{
    return p->len == SPACE_MARK_LEN + 1 && strchr(".,!?", p->text[SPACE_MARK_LEN]) != NULL;
}

static void add_marked(const hn_tok *t, const hn_piece *p, bool *begun, hn_buf *out)
{
    const char *s = p->text, *end = s + p->len;
    /* The space the encoder puts before the first word was never in the text. */
    bool drop = (!*begun && (t->space_prefix || t->kind == HN_TOK_WORDPIECE))
             || (t->kind == HN_TOK_WORDPIECE && hugs_left(p));
    while (s < end) {
        if ((size_t)(end - s) >= SPACE_MARK_LEN && memcmp(s, SPACE_MARK, SPACE_MARK_LEN) == 0) {
            if (!drop)
                hn_buf_add(out, " ", 1);
            s += SPACE_MARK_LEN;
        } else {
            hn_buf_add(out, s++, 1);
        }
        drop = false;
    }
    *begun = *begun || p->len > 0;
}

static void add_piece(const hn_tok *t, int32_t id, bool special, bool *begun, hn_buf *out)
{
    const hn_piece *p = &t->piece[id];
    bool hidden = p->type == HN_TOK_CONTROL || p->type == HN_TOK_UNKNOWN;
    if (hidden && !special)
        return;
    if (shows_marks(t) && !hidden && p->type != HN_TOK_USER && p->type != HN_TOK_BYTE) {
        add_marked(t, p, begun, out);
    } else {
        hn_buf_add(out, p->text, p->len);
        *begun = *begun || !hidden;
    }
}

hn_err hn_tok_decode(hn_ctx *cx, const hn_tok *t, hn_ids ids, bool special, hn_buf *out)
{
    bool begun = false;
    for (size_t i = 0; i < ids.count; i++) {
        if (ids.id[i] < 0 || (uint32_t)ids.id[i] >= t->count)
            return hn_fail(cx, HN_EARG, "token %d: the vocabulary has ids 0 to %u", (int)ids.id[i],
                           (unsigned)t->count - 1);
        add_piece(t, ids.id[i], special, &begun, out);
    }
    return hn_buf_ok(out, "decoded text");
}

void hn_tok_bytes(const hn_tok *t, int32_t id, hn_buf *out)
{
    bool begun = true;
    if (id >= 0 && (uint32_t)id < t->count)
        add_piece(t, id, false, &begun, out);
}

/* ---- Streaming ----------------------------------------------------------------------------- */

/* Moves whole characters from the held bytes and s to `out`; holds what may still become one. */
static void add_bytes(hn_detok *d, const char *s, size_t n, hn_buf *out)
{
    for (size_t i = 0; i < n || d->held_len;) {
        char c[4];
        size_t have = d->held_len, take = hn_min(sizeof c - have, n - i);
        memcpy(c, d->held, have);
        if (take)
            memcpy(c + have, s + i, take);
        size_t len = hn_utf8_get(c, have + take, NULL);
        if (len == 0 && i + take == n && hn_utf8_partial(c, have + take)) {
            memcpy(d->held, c, have + take);
            d->held_len = (uint8_t)(have + take);
            return;
        }
        d->held_len = 0;
        if (len > 0) {
            hn_buf_add(out, c, len);
            i += len - have;
            continue;
        }
        /* Not a character: one sign for the longest stretch that looked like one, then go on after it. */
        hn_buf_text(out, HN_UTF8_REPLACEMENT);
        size_t bad = hn_max(have, 1);
        while (bad < have + take && hn_utf8_partial(c, bad + 1))
            bad++;
        i += bad - have;
    }
}

void hn_detok_add(hn_detok *d, int32_t id, hn_buf *out)
{
    if (id < 0 || (uint32_t)id >= d->tok->count)
        return;
    hn_buf bytes = { .cx = out->cx };
    add_piece(d->tok, id, d->special, &d->begun, &bytes);
    if (bytes.failed)
        out->failed = true;
    else
        add_bytes(d, bytes.data, bytes.len, out);
    hn_buf_free(&bytes);
}

void hn_detok_end(hn_detok *d, hn_buf *out)
{
    if (d->held_len)
        hn_buf_text(out, HN_UTF8_REPLACEMENT);
    d->held_len = 0;
    d->begun = false;
}
