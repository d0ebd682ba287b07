/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece unigram: of all ways to spell the text, the one whose scores sum highest (Viterbi).
 *
 * Text is normalised first by the model's precompiled map: a double array (Yata et al., "darts") of
 * sequences, each leading to its replacement. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "base/utf8.h"
#include "llm/tok_impl.h"

#define UNKNOWN_PENALTY 10.0    /* below the worst token; SentencePiece's own constant */

hn_err hn_tok_unigram_load(hn_ctx *cx, hn_tok *t, const hn_tok_spec *spec)
{
    double worst = INFINITY;
    for (uint32_t i = 0; i < t->count; i++)
        if (t->piece[i].type == HN_TOK_NORMAL && isfinite(t->piece[i].score))
            worst = fmin(worst, t->piece[i].score);
    t->unk_score = (isfinite(worst) ? worst : 0) - UNKNOWN_PENALTY;
    if (t->unk == HN_TOK_NONE)
        return hn_fail(cx, HN_EFORMAT, "tokenizer: a unigram vocabulary needs an unknown token, this one names none");
    if (spec->charsmap.len == 0)
        return HN_OK;
    uint32_t units = 0;
    if (spec->charsmap.len >= sizeof units)
        memcpy(&units, spec->charsmap.ptr, sizeof units);
    if (spec->charsmap.len < sizeof units || units % 4 || units > spec->charsmap.len - sizeof units
        || spec->charsmap.ptr[spec->charsmap.len - 1] != 0)
        return hn_fail(cx, HN_EFORMAT, "tokenizer: the precompiled character map is damaged (%zu bytes, array of %u)",
                       spec->charsmap.len, (unsigned)units);
    t->charsmap.ptr = hn_arena_text(t->memory, spec->charsmap.ptr, spec->charsmap.len);
    t->charsmap.len = spec->charsmap.len;
    return t->charsmap.ptr ? HN_OK : hn_nomem(cx, "a character map");
}

/* ---- Normalising --------------------------------------------------------------------------- */

static bool unit_at(const hn_tok *t, uint32_t index, uint32_t *unit)
{
    uint32_t bytes;
    memcpy(&bytes, t->charsmap.ptr, sizeof bytes);
    if (index >= bytes / 4)
        return false;
    memcpy(unit, t->charsmap.ptr + 4 + (size_t)index * 4, sizeof *unit);
    return true;
}

static uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

/* The longest sequence at s that has a replacement: its length, 0 for none.  A unit holds the byte
 * that leads to it (bits 0-7), whether a value hangs below (bit 8), and the way on (bits 9-31). */
static size_t replaced(const hn_tok *t, const char *s, size_t n, hn_text *with)
{
    uint32_t bytes, unit, at, value;
    size_t best = 0;
    if (!t->charsmap.ptr || !unit_at(t, 0, &unit))
        return 0;
    memcpy(&bytes, t->charsmap.ptr, sizeof bytes);
    at = offset_of(unit);
    for (size_t i = 0; i < n && s[i]; i++) {
        at ^= (uint8_t)s[i];
        if (!unit_at(t, at, &unit) || (unit & 0x800000FFu) != (uint8_t)s[i])
            break;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1) || !unit_at(t, at, &value))
            continue;
        size_t from = 4 + (size_t)bytes + (value & 0x7FFFFFFFu);
        if (from >= t->charsmap.len)
            continue;
        best = i + 1;
        with->ptr = t->charsmap.ptr + from;
        with->len = strlen(with->ptr);                   /* the map ends in zero, checked at load */
    }
    return best;
}

/* Appends one normalised stretch; keeps the state of spaces across calls. */
static void add_normal(hn_tok_work *w, hn_text s, bool *in_word)
{
    const hn_tok *t = w->t;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ' ') {
            *in_word = false;
            if (!t->merge_spaces)
                hn_buf_add(&w->text, SPACE_MARK, SPACE_MARK_LEN);
            continue;
        }
        if (!*in_word && (t->merge_spaces || (t->space_prefix && w->text.len == 0)))
            hn_buf_add(&w->text, SPACE_MARK, SPACE_MARK_LEN);
        *in_word = true;
        hn_buf_add(&w->text, s.ptr + i, 1);
    }
}

static hn_err normalise(hn_tok_work *w, const char *s, size_t n)
{
    bool in_word = false;
    w->text.len = 0;
    for (size_t i = 0; i < n;) {
        hn_text with;
        size_t len = replaced(w->t, s + i, n - i, &with);
        if (len == 0) {
            len = hn_utf8_get(s + i, n - i, NULL);
            with = len ? (hn_text){ s + i, len } : (hn_text){ HN_UTF8_REPLACEMENT, 3 };
            len = len ? len : 1;
        }
        add_normal(w, with, &in_word);
        i += len;
    }
    return hn_buf_ok(&w->text, "a normalised text");
}

/* ---- Viterbi ------------------------------------------------------------------------------- */

typedef struct state { double score; uint32_t from; int32_t piece; } state;    /* best way to reach a byte */

static void improve(state *s, double score, size_t from, int32_t piece)
{
    if (score > s->score)
        *s = (state){ score, (uint32_t)from, piece };
}

static void forward(const hn_tok *t, const char *s, size_t n, state *best)
{
    for (size_t i = 0; i < n;) {
        size_t len = hn_max(hn_utf8_get(s + i, n - i, NULL), 1);
        bool covered = false;
        uint32_t hash = HN_HASH_START;
        for (size_t end = i + 1; end <= n && end - i <= t->len_max; end++) {
            hash = hn_hash_step(hash, s[end - 1]);
            int32_t id = hn_tok_lookup(t, &t->words, s + i, end - i, hash);
            if (id == HN_TOK_NONE || t->piece[id].type == HN_TOK_CONTROL || t->piece[id].type == HN_TOK_UNKNOWN)
                continue;
            double gain = t->piece[id].type == HN_TOK_USER ? 0 : t->piece[id].score;
            improve(&best[end], best[i].score + gain, i, id);
            covered = covered || end - i == len;
        }
        if (!covered)
            improve(&best[i + len], best[i].score + t->unk_score, i, t->unk);
        i += len;
    }
}

hn_err hn_tok_unigram(hn_tok_work *w, const char *s, size_t n)
{
    HN_TRY(normalise(w, s, n));
    size_t len = w->text.len;
    if (len == 0)
        return HN_OK;
    state *best = hn_alloc(w->cx, (len + 1) * sizeof *best);
    if (!best)
        return hn_nomem(w->cx, "spelling a text");
    for (size_t i = 0; i <= len; i++)
        best[i] = (state){ .score = -INFINITY, .piece = w->t->unk };
    best[0].score = 0;
    forward(w->t, w->text.data, len, best);

    /* Back from the end, turning the links around; a run of unknowns is one token. */
    uint32_t at = (uint32_t)len, next = (uint32_t)len;
    while (at > 0) {
        uint32_t from = best[at].from;
        best[at].from = next;
        next = at;
        at = from;
    }
    hn_err e = HN_OK;
    bool unknown = false;
    for (at = next; !e; at = best[at].from) {
        bool now = best[at].piece == w->t->unk;
        if (!(now && unknown))
            e = hn_tok_emit(w, best[at].piece);
        unknown = now;
        if (at == len)
            break;
    }
    hn_free(w->cx, best);
    return e;
}
