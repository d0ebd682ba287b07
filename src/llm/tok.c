/* SPDX-License-Identifier: Apache-2.0 */
/* tok.c: loading a vocabulary, cutting marked tokens out of the text, and handing the rest to its kind.
 *
 *     "Hi<|eot|>there"  ->  "Hi" | <|eot|> | "there"        marked tokens, longest first
 *                            |                |
 *                       spm, bpe, ...    spm, bpe, ...      one fragment at a time
 */
#include "llm/tok.h"

#include <math.h>
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/tok_impl.h"

#define TOKENS_MAX ((size_t)1 << 24)    /* a hundred times the largest vocabulary known; keeps sizes far from wrapping */
#define TEXT_MAX ((size_t)1 << 30)      /* positions are 32 bits, and marking spaces can triple a text */

hn_tok_spec hn_tok_spec_of(enum hn_tok_kind kind, const char *pre)
{
    unsigned flags = 0;
    if (kind == HN_TOK_BPE && pre)
        hn_pre_find(pre, &flags);
    return (hn_tok_spec){
        .kind = kind, .pre = pre,
        .bos = HN_TOK_NONE, .eos = HN_TOK_NONE, .unk = HN_TOK_NONE, .sep = HN_TOK_NONE, .cls = HN_TOK_NONE,
        .add_bos = kind == HN_TOK_SPM || kind == HN_TOK_WORDPIECE || (flags & HN_PRE_BOS),
        .add_eos = kind == HN_TOK_UNIGRAM || kind == HN_TOK_WORDPIECE,
        .space_prefix = kind == HN_TOK_SPM || kind == HN_TOK_UNIGRAM,
    };
}

/* ---- Maps ---------------------------------------------------------------------------------- */

int32_t hn_tok_lookup(const hn_tok *t, const hn_text_map *m, const char *s, size_t n, uint32_t hash)
{
    for (uint32_t at = hash & m->mask;; at = (at + 1) & m->mask) {
        const hn_text_slot *slot = &m->slot[at];
        if (slot->piece == HN_TOK_NONE)
            return HN_TOK_NONE;
        if (slot->hash == hash) {
            const hn_piece *p = &t->piece[slot->piece];
            if (p->len == n && memcmp(p->text, s, n) == 0)
                return slot->piece;
        }
    }
}

static void put(hn_text_map *m, hn_text_slot s)
{
    uint32_t at = s.hash & m->mask;
    while (m->slot[at].piece != HN_TOK_NONE)
        at = (at + 1) & m->mask;
    m->slot[at] = s;
}

static hn_err resize(hn_ctx *cx, hn_text_map *m, size_t size)
{
    hn_text_map old = *m;
    hn_text_slot *slot = hn_alloc(cx, size * sizeof *slot);
    if (!slot)
        return hn_nomem(cx, "a vocabulary");
    memset(slot, 0xFF, size * sizeof *slot);                        /* piece HN_TOK_NONE */
    *m = (hn_text_map){ slot, (uint32_t)size - 1, old.count };
    for (size_t i = 0; old.slot && i <= old.mask; i++)
        if (old.slot[i].piece != HN_TOK_NONE)
            put(m, old.slot[i]);
    hn_free(cx, old.slot);
    return HN_OK;
}

hn_err hn_tok_map_add(hn_ctx *cx, hn_tok *t, hn_text_map *m, int32_t piece)
{
    const hn_piece *p = &t->piece[piece];
    uint32_t hash = hn_hash_text(p->text, p->len);
    if (hn_tok_lookup(t, m, p->text, p->len, hash) != HN_TOK_NONE)
        return HN_OK;
    if (m->count * 2 >= m->mask)
        HN_TRY(resize(cx, m, ((size_t)m->mask + 1) * 2));
    put(m, (hn_text_slot){ hash, piece });
    m->count++;
    return HN_OK;
}

/* ---- Loading ------------------------------------------------------------------------------- */

/* The byte that "<0xAB>" stands for, or -1. */
static int byte_of(hn_text s)
{
    int value = 0;
    if (s.len != 6 || memcmp(s.ptr, "<0x", 3) != 0 || s.ptr[5] != '>')
        return -1;
    for (int i = 3; i < 5; i++) {
        char c = s.ptr[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_marked(const hn_piece *p)
{
    return p->len > 0 && (p->type == HN_TOK_CONTROL || p->type == HN_TOK_UNKNOWN || p->type == HN_TOK_USER);
}

static hn_err load_token(hn_ctx *cx, hn_tok *t, const hn_tok_spec *spec, size_t i)
{
    const hn_tok_token *from = &spec->token[i];
    hn_piece *p = &t->piece[i];
    if (from->text.len > UINT32_MAX / 4)
        return hn_fail(cx, HN_ELIMIT, "tokenizer: token %zu has %zu bytes", i, from->text.len);
    char *text = hn_arena_text(t->memory, from->text.ptr, from->text.len);
    if (!text)
        return hn_nomem(cx, "a vocabulary");
    *p = (hn_piece){ text, (uint32_t)from->text.len, isnan(from->score) ? -INFINITY : from->score,
                     from->type ? from->type : HN_TOK_NORMAL, from->strip };

    int byte = p->type == HN_TOK_BYTE || t->kind == HN_TOK_BPE ? byte_of(from->text) : -1;
    if (byte >= 0 && !t->byte_level) {
        p->type = HN_TOK_BYTE;
        text[0] = (char)byte;
        text[1] = 0;
        p->len = 1;
        t->byte[byte] = (int32_t)i;
    } else if (t->byte_level && !is_marked(p)) {
        hn_tok_from_letters(from->text, text, &p->len);
        if (p->len == 1 && t->byte[(uint8_t)text[0]] == HN_TOK_NONE)
            t->byte[(uint8_t)text[0]] = (int32_t)i;
    }
    return HN_OK;
}

/* Ordinary tokens first: when an unused or user token has the same text, it must not win. */
static hn_err load_maps(hn_ctx *cx, hn_tok *t)
{
    for (int ordinary = 1; ordinary >= 0; ordinary--)
        for (uint32_t i = 0; i < t->count; i++) {
            const hn_piece *p = &t->piece[i];
            if (p->len > 0 && p->type != HN_TOK_BYTE && (p->type == HN_TOK_NORMAL) == ordinary) {
                HN_TRY(hn_tok_map_add(cx, t, &t->words, (int32_t)i));
                t->len_max = hn_max(t->len_max, p->len);
            }
        }
    return HN_OK;
}

/* Marked tokens by their first byte, so that most of a text is passed over by one table look-up. */
static hn_err load_marked(hn_ctx *cx, hn_tok *t)
{
    size_t count = 0, used = 0;
    for (uint32_t i = 0; i < t->count; i++)
        count += is_marked(&t->piece[i]);
    t->mark_lens = HN_NEW(t->memory, uint16_t, count + 1);
    if (!t->mark_lens)
        return hn_nomem(cx, "a vocabulary");
    for (uint32_t i = 0; i < t->count; i++)
        if (is_marked(&t->piece[i]) && t->piece[i].len <= UINT16_MAX) {
            HN_TRY(hn_tok_map_add(cx, t, &t->marked, (int32_t)i));
            t->mark_from[(uint8_t)t->piece[i].text[0]]++;           /* a count, for now */
        }
    for (int b = 0; b <= 256; b++) {
        uint32_t n = b < 256 ? t->mark_from[b] : 0;
        t->mark_from[b] = (uint32_t)used;
        used += n;
    }
    for (uint32_t i = 0; i < t->count; i++) {
        const hn_piece *p = &t->piece[i];
        if (!is_marked(p) || p->len > UINT16_MAX)
            continue;
        uint8_t b = (uint8_t)p->text[0];
        uint16_t *lens = &t->mark_lens[t->mark_from[b]], len = (uint16_t)p->len;
        for (size_t k = 0, n = t->mark_from[b + 1] - t->mark_from[b]; k < n && lens[k] != len; k++)
            if (lens[k] < len) {                                    /* sorted, each length once, zeros last */
                uint16_t shorter = lens[k];
                lens[k] = len;
                len = shorter;
                if (len == 0)
                    break;
            }
    }
    return HN_OK;
}

/* Does every run of space marks begin its token?  Then long text may be joined word by word. */
static bool cuts_at_spaces(const hn_tok *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        const hn_piece *p = &t->piece[i];
        bool other = false;
        if (is_marked(p))
            continue;
        for (uint32_t k = 0; k < p->len; k++) {
            bool mark = p->len - k >= SPACE_MARK_LEN && memcmp(p->text + k, SPACE_MARK, SPACE_MARK_LEN) == 0;
            if (mark && other)
                return false;
            other = other || !mark;
            k += mark ? SPACE_MARK_LEN - 1 : 0;
        }
    }
    return true;
}

static hn_err check_id(hn_ctx *cx, const hn_tok_spec *s, const char *what, int32_t id)
{
    if (id < HN_TOK_NONE || (id >= 0 && (size_t)id >= s->count))
        return hn_fail(cx, HN_EFORMAT, "tokenizer: %s is token %d, but the vocabulary has %zu tokens", what, (int)id,
                       s->count);
    return HN_OK;
}

static hn_err check(hn_ctx *cx, const hn_tok_spec *s)
{
    if (s->count == 0)
        return hn_fail(cx, HN_EFORMAT, "tokenizer: the vocabulary is empty");
    if (s->count > TOKENS_MAX || s->merge_count > TOKENS_MAX)
        return hn_fail(cx, HN_ELIMIT, "tokenizer: %zu tokens and %zu merges, the limit is %zu of each", s->count,
                       s->merge_count, TOKENS_MAX);
    HN_TRY(check_id(cx, s, "bos", s->bos));
    HN_TRY(check_id(cx, s, "eos", s->eos));
    HN_TRY(check_id(cx, s, "unk", s->unk));
    HN_TRY(check_id(cx, s, "sep", s->sep));
    HN_TRY(check_id(cx, s, "cls", s->cls));
    for (size_t i = 0; i < s->end_count; i++)
        HN_TRY(check_id(cx, s, "an end token", s->end[i]));
    return HN_OK;
}

static hn_err load(hn_ctx *cx, hn_tok *t, const hn_tok_spec *s)
{
    unsigned pre_flags = 0;
    const char *pre = s->pre && *s->pre ? s->pre : "default";
    if (s->kind == HN_TOK_BPE) {
        HN_TRY(hn_pre_new(cx, pre, &t->pre));
        hn_pre_find(pre, &pre_flags);
        t->whole_words = pre_flags & HN_PRE_WHOLE;
        t->byte_level = !(pre_flags & HN_PRE_RAW);
    }
    memset(t->byte, 0xFF, sizeof t->byte);
    t->piece_cap = s->count;
    t->piece = hn_calloc(cx, s->count, sizeof *t->piece);
    t->end = HN_NEW(t->memory, int32_t, s->end_count + 1);
    if (!t->piece || !t->end)
        return hn_nomem(cx, "a vocabulary");
    t->piece_count = s->count;
    t->count = (uint32_t)s->count;
    HN_TRY(resize(cx, &t->words, 1024));
    HN_TRY(resize(cx, &t->marked, 16));
    for (size_t i = 0; i < s->count; i++)
        HN_TRY(load_token(cx, t, s, i));
    if (s->end_count)
        memcpy(t->end, s->end, s->end_count * sizeof *s->end);
    t->end_count = s->end_count;
    HN_TRY(load_maps(cx, t));
    HN_TRY(load_marked(cx, t));
    t->cut_at_spaces = cuts_at_spaces(t);
    if (s->kind == HN_TOK_BPE)
        return hn_tok_bpe_load(cx, t, s);
    return s->kind == HN_TOK_UNIGRAM ? hn_tok_unigram_load(cx, t, s) : HN_OK;
}

hn_err hn_tok_new(hn_ctx *cx, const hn_tok_spec *s, hn_tok **out)
{
    HN_TRY(check(cx, s));
    hn_tok *t = hn_calloc(cx, 1, sizeof *t);
    if (!t)
        return hn_nomem(cx, "a tokenizer");
    t->cx.env = cx ? cx->env : NULL;
    t->kind = s->kind;
    t->bos = s->bos, t->eos = s->eos, t->unk = s->unk, t->sep = s->sep, t->cls = s->cls;
    t->add_bos = s->add_bos, t->add_eos = s->add_eos;
    t->space_prefix = s->space_prefix, t->merge_spaces = s->merge_spaces;
    t->keep_case = s->keep_case, t->keep_accents = s->keep_accents;
    hn_err e = hn_arena_new(cx, 0, &t->memory);
    if (!e)
        e = load(cx, t, s);
    if (e)
        hn_tok_free(t);
    else
        *out = t;
    return e;
}

void hn_tok_free(hn_tok *t)
{
    if (!t)
        return;
    hn_ctx cx = t->cx;
    hn_pre_free(t->pre);
    hn_arena_free(t->memory);
    hn_free(&cx, t->words.slot);
    hn_free(&cx, t->marked.slot);
    hn_free(&cx, t->piece);
    hn_free(&cx, t);
}

/* ---- Encoding ------------------------------------------------------------------------------ */

hn_err hn_tok_emit(hn_tok_work *w, int32_t id)
{
    if (id == HN_TOK_NONE)
        return HN_OK;
    if (w->id_count == w->id_max)
        return hn_fail(w->cx, HN_ELIMIT, "tokenizer: the text has more than %zu tokens", w->id_max);
    if (!hn_grow(w->cx, &w->id, w->id_count, &w->id_cap, sizeof *w->id))
        return hn_nomem(w->cx, "token ids");
    w->id[w->id_count++] = id;
    return HN_OK;
}

hn_err hn_tok_emit_bytes(hn_tok_work *w, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t id = w->t->byte[(uint8_t)s[i]];
        HN_TRY(hn_tok_emit(w, id == HN_TOK_NONE ? w->t->unk : id));
    }
    return HN_OK;
}

static hn_err fragment(hn_tok_work *w, const char *s, size_t n)
{
    static hn_err (*const kinds[])(hn_tok_work *, const char *, size_t) = {
        [HN_TOK_SPM] = hn_tok_spm, [HN_TOK_BPE] = hn_tok_bpe,
        [HN_TOK_WORDPIECE] = hn_tok_wordpiece, [HN_TOK_UNIGRAM] = hn_tok_unigram,
    };
    if (n == 0)
        return HN_OK;
    HN_TRY(kinds[w->t->kind](w, s, n));
    w->after_mark = false;
    return HN_OK;
}

/* The longest marked token that begins at s, or HN_TOK_NONE.  Control tokens count only when `parse`. */
static int32_t marked_at(const hn_tok *t, const char *s, size_t n, bool parse)
{
    uint8_t b = (uint8_t)s[0];
    for (uint32_t i = t->mark_from[b]; i < t->mark_from[b + 1] && t->mark_lens[i]; i++) {
        size_t len = t->mark_lens[i];
        if (len > n)
            continue;
        int32_t id = hn_tok_lookup(t, &t->marked, s, len, hn_hash_text(s, len));
        if (id != HN_TOK_NONE && (parse || t->piece[id].type == HN_TOK_USER))
            return id;
    }
    return HN_TOK_NONE;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static hn_err encode(hn_tok_work *w, hn_text text, bool parse)
{
    const hn_tok *t = w->t;
    size_t done = 0, i = 0;
    while (i < text.len) {
        uint8_t b = (uint8_t)text.ptr[i];
        int32_t id = t->mark_from[b] == t->mark_from[b + 1] ? HN_TOK_NONE
                                                            : marked_at(t, text.ptr + i, text.len - i, parse);
        if (id == HN_TOK_NONE) {
            i++;
            continue;
        }
        const hn_piece *p = &t->piece[id];
        size_t end = i;
        while ((p->strip & HN_TOK_LSTRIP) && end > done && is_blank(text.ptr[end - 1]))
            end--;
        HN_TRY(fragment(w, text.ptr + done, end - done));
        HN_TRY(hn_tok_emit(w, id));
        w->after_mark = true;
        i += p->len;
        while ((p->strip & HN_TOK_RSTRIP) && i < text.len && is_blank(text.ptr[i]))
            i++;
        done = i;
    }
    return fragment(w, text.ptr + done, text.len - done);
}

static hn_err encode_whole(hn_tok_work *w, hn_text text, const hn_tok_opts *opt)
{
    const hn_tok *t = w->t;
    bool bert = t->kind == HN_TOK_WORDPIECE;
    if (t->pre)
        HN_TRY(hn_pre_match_new(w->cx, t->pre, &w->match));
    if (opt->add_special && t->add_bos)
        HN_TRY(hn_tok_emit(w, bert && t->cls != HN_TOK_NONE ? t->cls : t->bos));
    HN_TRY(encode(w, text, opt->parse_special));
    if (opt->add_special && t->add_eos)
        HN_TRY(hn_tok_emit(w, bert && t->sep != HN_TOK_NONE ? t->sep : t->eos));
    return HN_OK;
}

hn_err hn_tok_encode(hn_ctx *cx, const hn_tok *t, hn_text text, const hn_tok_opts *opt, hn_arena *a, hn_ids *ids)
{
    static const hn_tok_opts plain = { 0 };
    if (text.len > TEXT_MAX)
        return hn_fail(cx, HN_ELIMIT, "tokenizer: text has %zu bytes, the limit is %zu", text.len, TEXT_MAX);
    opt = opt ? opt : &plain;
    hn_tok_work w = { .cx = cx, .t = t, .id_max = opt->tokens_max ? opt->tokens_max : SIZE_MAX,
                      .text = { .cx = cx }, .after_mark = true };
    hn_err e = encode_whole(&w, text, opt);
    if (!e) {
        int32_t *out = HN_NEW(a, int32_t, w.id_count + 1);
        if (!out)
            e = hn_nomem(cx, "token ids");
        else if (w.id_count)
            memcpy(out, w.id, w.id_count * sizeof *out);
        if (out)
            *ids = (hn_ids){ out, w.id_count };
    }
    hn_free(cx, w.id);
    hn_free(cx, w.sym);
    hn_free(cx, w.heap);
    hn_buf_free(&w.text);
    hn_pre_match_free(w.match);
    return e;
}

/* ---- Questions ----------------------------------------------------------------------------- */

size_t hn_tok_count(const hn_tok *t) { return t->count; }
enum hn_tok_kind hn_tok_kind(const hn_tok *t) { return t->kind; }
int32_t hn_tok_bos(const hn_tok *t) { return t->bos; }
int32_t hn_tok_eos(const hn_tok *t) { return t->eos; }

static bool known(const hn_tok *t, int32_t id) { return id >= 0 && (uint32_t)id < t->count; }

bool hn_tok_is_end(const hn_tok *t, int32_t id)
{
    for (size_t i = 0; i < t->end_count; i++)
        if (t->end[i] == id)
            return true;
    return id != HN_TOK_NONE && id == t->eos;
}

enum hn_tok_type hn_tok_type(const hn_tok *t, int32_t id)
{
    return known(t, id) ? t->piece[id].type : HN_TOK_UNUSED;
}

hn_text hn_tok_text(const hn_tok *t, int32_t id)
{
    return known(t, id) ? (hn_text){ t->piece[id].text, t->piece[id].len } : (hn_text){ "", 0 };
}

int32_t hn_tok_find(const hn_tok *t, hn_text text)
{
    uint32_t hash = hn_hash_text(text.ptr, text.len);
    int32_t id = hn_tok_lookup(t, &t->marked, text.ptr, text.len, hash);
    if (id == HN_TOK_NONE)
        id = hn_tok_lookup(t, &t->words, text.ptr, text.len, hash);
    return known(t, id) ? id : HN_TOK_NONE;
}
