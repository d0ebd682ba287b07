/* SPDX-License-Identifier: Apache-2.0 */
/* What the tokenizer files share. */
#ifndef HN_LLM_TOK_IMPL_H
#define HN_LLM_TOK_IMPL_H

#include "llm/tok.h"
#include "llm/tok_pre.h"

#define SPACE_MARK "\xE2\x96\x81"       /* U+2581, SentencePiece's visible space */
#define SPACE_MARK_LEN 3

/* A string the vocabulary knows.  The first `count` are tokens; further ones exist only because a
 * merge names them, and leave as bytes. */
typedef struct hn_piece {
    const char *text;        /* as it appears in text: bytes, not GPT-2's stand-in letters */
    uint32_t len;
    float score;
    uint8_t type, strip;
} hn_piece;

/* Text to piece, open addressing.  The hash is FNV-1a because it can be carried from a prefix to
 * the next longer one, which longest-match and Viterbi do. */
typedef struct hn_text_slot { uint32_t hash; int32_t piece; } hn_text_slot;     /* piece HN_TOK_NONE: free */
typedef struct hn_text_map { hn_text_slot *slot; uint32_t mask, count; } hn_text_map;

#define HN_HASH_START 2166136261u
static inline uint32_t hn_hash_step(uint32_t h, char c) { return (h ^ (uint8_t)c) * 16777619u; }
static inline uint32_t hn_hash_text(const char *s, size_t n)
{
    uint32_t h = HN_HASH_START;
    for (size_t i = 0; i < n; i++)
        h = hn_hash_step(h, s[i]);
    return h;
}

/* Two neighbours that may become one. */
typedef struct hn_merge { uint32_t left, right, rank; int32_t piece; } hn_merge;  /* piece HN_TOK_NONE: free slot */

struct hn_tok {
    hn_ctx cx;               /* a copy, for freeing */
    hn_arena *memory;
    enum hn_tok_kind kind;
    hn_piece *piece; size_t piece_count, piece_cap;
    uint32_t count;          /* tokens: ids from 0 */
    size_t len_max;          /* bytes of the longest ordinary token */

    hn_text_map words;       /* what ordinary text may become */
    hn_text_map marked;      /* control, unknown and user tokens: cut out of the text first */
    uint16_t *mark_lens;     /* lengths of marked tokens, longest first, by first byte ... */
    uint32_t mark_from[257]; /* ... at mark_lens[mark_from[b] .. mark_from[b + 1]) */

    int32_t byte[256];       /* what a byte becomes on its own, or HN_TOK_NONE */
    hn_merge *merges; uint32_t merge_mask;
    hn_pre *pre;             /* BPE */
    bool byte_level;         /* BPE on bytes; else on characters, with spaces marked */
    bool whole_words;        /* a word that is a token is not cut, whatever the merges say */
    bool cut_at_spaces;      /* no token continues past the start of a run of space marks */

    hn_text charsmap;        /* UNIGRAM */
    double unk_score;

    int32_t bos, eos, unk, sep, cls;
    int32_t *end; size_t end_count;
    bool add_bos, add_eos, space_prefix, merge_spaces, keep_case, keep_accents;
};

/* A stretch of text while it is being joined. */
typedef struct hn_sym { uint32_t start, len, prev, next; int32_t piece; } hn_sym;
typedef struct hn_offer { uint64_t key; uint32_t size; int32_t piece; } hn_offer;

/* One call to hn_tok_encode: what grows with the text. */
typedef struct hn_tok_work {
    hn_ctx *cx;
    const hn_tok *t;
    int32_t *id; size_t id_count, id_cap, id_max;
    hn_sym *sym; size_t sym_count, sym_cap;
    hn_offer *heap; size_t heap_count, heap_cap;
    hn_buf text;             /* the fragment with its spaces marked, or normalised */
    hn_pre_match *match;
    bool after_mark;         /* the fragment begins the text or follows a marked token */
} hn_tok_work;

int32_t hn_tok_lookup(const hn_tok *t, const hn_text_map *m, const char *s, size_t n, uint32_t hash);
static inline int32_t hn_tok_word(const hn_tok *t, const char *s, size_t n)
{
    return hn_tok_lookup(t, &t->words, s, n, hn_hash_text(s, n));
}
hn_err hn_tok_emit(hn_tok_work *w, int32_t id);                     /* HN_TOK_NONE adds nothing */
hn_err hn_tok_emit_bytes(hn_tok_work *w, const char *s, size_t n);  /* byte tokens, else unknown */

/* Cuts text into characters, joins neighbours best offer first, emits what remains.
 * join: may l and r become one piece, and in which order (lower first, then leftmost)? */
typedef bool hn_join(const hn_tok *t, const char *text, const hn_sym *l, const hn_sym *r, uint32_t *order,
                     int32_t *piece);
hn_err hn_tok_merge(hn_tok_work *w, const char *text, size_t len, bool bytes, hn_join *join);

/* One fragment of ordinary text. */
hn_err hn_tok_spm(hn_tok_work *w, const char *s, size_t n);
hn_err hn_tok_bpe(hn_tok_work *w, const char *s, size_t n);
hn_err hn_tok_wordpiece(hn_tok_work *w, const char *s, size_t n);
hn_err hn_tok_unigram(hn_tok_work *w, const char *s, size_t n);

/* Loading.  The text of token `i` as bytes, from GPT-2's stand-in letters; false when a letter is not one. */
bool hn_tok_from_letters(hn_text letters, char *out, uint32_t *out_len);
hn_err hn_tok_bpe_load(hn_ctx *cx, hn_tok *t, const hn_tok_spec *spec);
hn_err hn_tok_unigram_load(hn_ctx *cx, hn_tok *t, const hn_tok_spec *spec);
hn_err hn_tok_map_add(hn_ctx *cx, hn_tok *t, hn_text_map *m, int32_t piece);    /* the first of equal texts stays */

#endif
