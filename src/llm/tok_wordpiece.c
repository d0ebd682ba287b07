/* SPDX-License-Identifier: Apache-2.0 */
/* BERT's WordPiece: text is cleaned and cut into words, each word is spelled by the longest pieces
 * from its left.  A word that cannot be spelled is one unknown token.
 *
 * A word's first piece begins with U+2581 in the vocabulary and later ones are bare, as GGUF keeps
 * them; BERT's own files have "##" on the later ones instead. */
#include <string.h>

#include <utf8proc.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/tok_impl.h"

#define WORD_MAX 100            /* characters; BERT gives up on longer words */

/* Blocks of ideographs, each of which is a word.  0x2B920 is no slip: the reference tokenizer has it
 * in place of 0x2B820, and models were trained with that. */
static bool is_ideograph(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF)
        || (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF)
        || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static bool is_space(uint32_t c, utf8proc_category_t k)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85
        || k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

static bool is_dropped(uint32_t c, utf8proc_category_t k)
{
    return c == 0 || c == 0xFFFD || k == UTF8PROC_CATEGORY_CN || (k >= UTF8PROC_CATEGORY_CC && k <= UTF8PROC_CATEGORY_CO);
}

static bool is_punctuation(uint32_t c, utf8proc_category_t k)
{
    return (k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO)
        || (c < 0x7F && k >= UTF8PROC_CATEGORY_SM && k <= UTF8PROC_CATEGORY_SO);
}

/* The word in w->text, which begins with a space mark: spell it, then clear it. */
static hn_err end_word(hn_tok_work *w)
{
    const hn_tok *t = w->t;
    hn_buf *b = &w->text;
    size_t n = b->len, mark = w->id_count;
    bool spelled = n > SPACE_MARK_LEN && hn_utf8_count(b->data, n) <= WORD_MAX + 1;
    b->len = 0;
    if (n <= SPACE_MARK_LEN)
        return HN_OK;
    for (size_t i = 0, end; spelled && i < n; i = end) {
        int32_t id = HN_TOK_NONE;
        for (end = hn_min(n, i + t->len_max); end > i && id == HN_TOK_NONE; end--)
            id = hn_tok_word(t, b->data + i, end - i);
        end++;                                           /* the loop stepped below the match */
        spelled = id != HN_TOK_NONE;
        if (spelled)
            HN_TRY(hn_tok_emit(w, id));
    }
    if (spelled)
        return HN_OK;
    w->id_count = mark;
    return hn_tok_emit(w, t->unk);
}

static hn_err add_char(hn_tok_work *w, uint32_t c)
{
    char bytes[4];
    if (w->text.len == 0)
        hn_buf_add(&w->text, SPACE_MARK, SPACE_MARK_LEN);
    hn_buf_add(&w->text, bytes, hn_utf8_put(c, bytes));
    return hn_buf_ok(&w->text, "a word");
}

static hn_err one_char(hn_tok_work *w, uint32_t c)
{
    utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    if (is_space(c, k))
        return end_word(w);
    if (is_dropped(c, k) || (!w->t->keep_accents && k == UTF8PROC_CATEGORY_MN))
        return HN_OK;
    bool alone = is_punctuation(c, k) || is_ideograph(c);
    if (!w->t->keep_case)
        c = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
    if (alone)
        HN_TRY(end_word(w));
    HN_TRY(add_char(w, c));
    return alone ? end_word(w) : HN_OK;
}

hn_err hn_tok_wordpiece(hn_tok_work *w, const char *s, size_t n)
{
    w->text.len = 0;
    for (size_t i = 0, len; i < n; i += len) {
        utf8proc_int32_t parts[32] = { 0xFFFD };         /* more than any character decomposes into */
        uint32_t c = 0xFFFD;
        utf8proc_ssize_t count = 1;
        len = hn_utf8_get(s + i, n - i, &c);
        len = len ? len : 1;
        parts[0] = (utf8proc_int32_t)c;
        if (!w->t->keep_accents && c >= 0x80) {
            int boundary = 0;
            count = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32, UTF8PROC_DECOMPOSE, &boundary);
            if (count < 0 || count > 32) {
                parts[0] = (utf8proc_int32_t)c;
                count = 1;
            }
        }
        for (utf8proc_ssize_t k = 0; k < count; k++)
            HN_TRY(one_char(w, (uint32_t)parts[k]));
    }
    return end_word(w);
}
