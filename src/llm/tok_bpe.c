/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level BPE: words from the pre-tokenizer, joined by the merge list's rank.
 *
 * GPT-2 wrote its vocabulary in printable letters, one for each byte.  They are turned back into
 * bytes once, at load, so encoding works on the text as it is. */
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/tok_impl.h"

/* The byte a letter stands for: printable Latin-1 is itself, the other 68 bytes follow from U+0100
 * in order (OpenAI's encoder.py, bytes_to_unicode). */
static int byte_of_letter(uint32_t cp)
{
    if ((cp >= 0x21 && cp <= 0x7E) || (cp >= 0xA1 && cp <= 0xAC) || (cp >= 0xAE && cp <= 0xFF))
        return (int)cp;
    if (cp < 0x100 || cp > 0x143)
        return -1;
    cp -= 0x100;
    return cp < 33 ? (int)cp : cp < 67 ? (int)cp - 33 + 0x7F : 0xAD;
}

bool hn_tok_from_letters(hn_text letters, char *out, uint32_t *out_len)
{
    uint32_t n = 0, cp;
    for (int pass = 0; pass < 2; pass++, n = 0)          /* look before writing: `out` may be `letters` */
        for (size_t i = 0, len; i < letters.len; i += len) {
            len = hn_utf8_get(letters.ptr + i, letters.len - i, &cp);
            int byte = len ? byte_of_letter(cp) : -1;
            if (byte < 0)
                return false;
            if (pass == 1)
                out[n++] = (char)byte;
            if (pass == 1 && i + len == letters.len)
                *out_len = n;
        }
    return true;
}

/* ---- Merges -------------------------------------------------------------------------------- */

static uint32_t pair_hash(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * 0x9E3779B97F4A7C15u;      /* Fibonacci hashing */
    return (uint32_t)(h >> 32);
}

static bool join(const hn_tok *t, const char *text, const hn_sym *l, const hn_sym *r, uint32_t *order, int32_t *piece)
{
    (void)text;
    if (l->piece == HN_TOK_NONE || r->piece == HN_TOK_NONE)
        return false;
    uint32_t left = (uint32_t)l->piece, right = (uint32_t)r->piece;
    for (uint32_t at = pair_hash(left, right) & t->merge_mask;; at = (at + 1) & t->merge_mask) {
        const hn_merge *m = &t->merges[at];
        if (m->piece == HN_TOK_NONE)
            return false;
        if (m->left == left && m->right == right) {
            *order = m->rank;
            *piece = m->piece;
            return true;
        }
    }
}

static void add_merge(hn_tok *t, hn_merge m)
{
    uint32_t at = pair_hash(m.left, m.right) & t->merge_mask;
    for (; t->merges[at].piece != HN_TOK_NONE; at = (at + 1) & t->merge_mask)
        if (t->merges[at].left == m.left && t->merges[at].right == m.right)
            return;                                      /* the better rank came first */
    t->merges[at] = m;
}

/* The piece with this text, made when the vocabulary has none. */
static hn_err intern(hn_ctx *cx, hn_tok *t, const char *s, size_t n, int32_t *out)
{
    *out = hn_tok_word(t, s, n);
    if (*out != HN_TOK_NONE)
        return HN_OK;
    char *copy = hn_arena_text(t->memory, s, n);
    if (!copy || !hn_grow(cx, &t->piece, t->piece_count, &t->piece_cap, sizeof *t->piece))
        return hn_nomem(cx, "merges");
    *out = (int32_t)t->piece_count++;
    t->piece[*out] = (hn_piece){ .text = copy, .len = (uint32_t)n, .type = HN_TOK_NORMAL };
    return hn_tok_map_add(cx, t, &t->words, *out);
}

/* "left right" in stand-in letters or marked text; the space that parts them is never the first byte. */
static hn_err load_merge(hn_ctx *cx, hn_tok *t, hn_text m, uint32_t rank, hn_buf *room)
{
    const char *space = m.len > 2 ? memchr(m.ptr + 1, ' ', m.len - 2) : NULL;
    if (!space)
        return hn_fail(cx, HN_EFORMAT, "tokenizer: merge %u should be two pieces with a space between, is '%.*s'",
                       (unsigned)rank, (int)hn_min(m.len, 40), m.ptr);
    uint32_t left_len = (uint32_t)(space - m.ptr), right_len = (uint32_t)(m.len - left_len - 1);
    room->len = 0;
    hn_buf_add(room, m.ptr, left_len);
    hn_buf_add(room, space + 1, right_len);
    HN_TRY(hn_buf_ok(room, "a merge"));
    char *left = room->data, *right = room->data + left_len;
    if (t->byte_level && (!hn_tok_from_letters((hn_text){ left, left_len }, left, &left_len)
                          || !hn_tok_from_letters((hn_text){ right, right_len }, right, &right_len)))
        return HN_OK;                                    /* can never match bytes */
    memmove(left + left_len, right, right_len);
    int32_t l, r, both;
    HN_TRY(intern(cx, t, left, left_len, &l));
    HN_TRY(intern(cx, t, left + left_len, right_len, &r));
    HN_TRY(intern(cx, t, left, (size_t)left_len + right_len, &both));
    add_merge(t, (hn_merge){ (uint32_t)l, (uint32_t)r, rank, both });
    return HN_OK;
}

hn_err hn_tok_bpe_load(hn_ctx *cx, hn_tok *t, const hn_tok_spec *spec)
{
    size_t size = 16;
    while (size < spec->merge_count * 2)
        size *= 2;
    t->merges = HN_NEW(t->memory, hn_merge, size);
    if (!t->merges)
        return hn_nomem(cx, "merges");
    t->merge_mask = (uint32_t)size - 1;
    for (size_t i = 0; i < size; i++)
        t->merges[i].piece = HN_TOK_NONE;
    hn_err e = HN_OK;
    hn_buf room = { .cx = cx };
    for (size_t i = 0; !e && i < spec->merge_count; i++)
        e = load_merge(cx, t, spec->merge[i], (uint32_t)i, &room);
    hn_buf_free(&room);
    return e;
}

/* ---- Encoding ------------------------------------------------------------------------------ */

static hn_err word(void *arg, const char *s, size_t n)
{
    hn_tok_work *w = arg;
    const hn_tok *t = w->t;
    /* Gemma 4 knows runs of line ends as tokens that no merge makes. */
    bool lines = !t->byte_level && s[0] == '\n';
    if (t->whole_words || lines) {
        int32_t id = hn_tok_word(t, s, n);
        if (id != HN_TOK_NONE && (uint32_t)id < t->count)
            return hn_tok_emit(w, id);
    }
    return hn_tok_merge(w, s, n, t->byte_level, join);
}

hn_err hn_tok_bpe(hn_tok_work *w, const char *s, size_t n)
{
    if (!w->t->byte_level) {
        w->text.len = 0;
        for (size_t i = 0; i < n; i++)
            if (s[i] == ' ')
                hn_buf_add(&w->text, SPACE_MARK, SPACE_MARK_LEN);
            else
                hn_buf_add(&w->text, s + i, 1);
        HN_TRY(hn_buf_ok(&w->text, "a text with marked spaces"));
        s = w->text.data;
        n = w->text.len;
    }
    /* Bytes that are no characters would confuse the expressions, so they pass beside them. */
    for (size_t i = 0; i < n;) {
        size_t valid = hn_utf8_valid(s + i, n - i);
        HN_TRY(hn_pre_split(w->cx, w->t->pre, w->match, s + i, valid, word, w));
        i += valid;
        if (i < n)
            HN_TRY(hn_tok_emit_bytes(w, s + i++, 1));
    }
    return HN_OK;
}
