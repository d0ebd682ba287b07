/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers: text to ids and back.
 *
 * A tokenizer is loaded from a plain description (hn_tok_spec), so nothing here
 * knows a file format.  Four kinds cover what models ship:
 *
 *     SPM        SentencePiece BPE: joins neighbours by score, unknown characters become bytes
 *     BPE        byte-level BPE: a regular expression cuts words, merges join by rank
 *     WORDPIECE  BERT: normalised words, longest piece first
 *     UNIGRAM    SentencePiece unigram: the most probable cut of the text
 *
 * After loading nothing in a tokenizer changes: many threads may use one. */
#ifndef HN_LLM_TOK_H
#define HN_LLM_TOK_H

#include "base/arena.h"
#include "base/buf.h"
#include "tensor/tensor.h"

typedef struct hn_tok hn_tok;

enum hn_tok_kind { HN_TOK_SPM, HN_TOK_BPE, HN_TOK_WORDPIECE, HN_TOK_UNIGRAM };

/* Numbers as in SentencePiece and GGUF. */
enum hn_tok_type {
    HN_TOK_NORMAL = 1,
    HN_TOK_UNKNOWN,
    HN_TOK_CONTROL,          /* <s>, <|eot|>: never made from plain text, not shown */
    HN_TOK_USER,             /* always cut out of the text whole, shown */
    HN_TOK_UNUSED,
    HN_TOK_BYTE,             /* text is "<0xAB>" */
};

enum { HN_TOK_LSTRIP = 1, HN_TOK_RSTRIP = 2 };   /* swallows white space before, after it */

#define HN_TOK_NONE (-1)

typedef struct hn_tok_token {
    hn_text text;
    float score;             /* SPM, UNIGRAM: log probability; higher is better */
    uint8_t type;            /* enum hn_tok_type */
    uint8_t strip;
} hn_tok_token;

typedef struct hn_tok_spec {
    enum hn_tok_kind kind;
    const char *pre;                             /* BPE: name in tok_pre.def; NULL or "": "default" */
    const hn_tok_token *token; size_t count;     /* WORDPIECE: a word's first piece begins with U+2581 */
    const hn_text *merge; size_t merge_count;    /* BPE: "left right", best first */
    hn_text charsmap;                            /* UNIGRAM: SentencePiece's precompiled map, or empty */
    int32_t bos, eos, unk, sep, cls;             /* HN_TOK_NONE when absent */
    const int32_t *end; size_t end_count;        /* ids that end an answer, besides eos */
    bool add_bos, add_eos;
    bool space_prefix;                           /* SPM, UNIGRAM: text begins as if after a space */
    bool merge_spaces;                           /* UNIGRAM: runs of spaces become one, ends are cut */
    bool keep_case, keep_accents;                /* WORDPIECE: cased models */
} hn_tok_spec;

/* A spec with no special ids and the flags that models of this kind use unless they say otherwise. */
hn_tok_spec hn_tok_spec_of(enum hn_tok_kind kind, const char *pre);

/* Copies what it needs: the spec may go away.  HN_EUNSUP for an unknown pre-tokenizer. */
hn_err hn_tok_new(hn_ctx *cx, const hn_tok_spec *spec, hn_tok **out);
void hn_tok_free(hn_tok *t);                     /* NULL is fine */

typedef struct hn_tok_opts {
    bool add_special;        /* begin and end tokens, where the model wants them */
    bool parse_special;      /* control tokens written in the text become their ids: for chat templates */
    size_t tokens_max;       /* 0: no limit */
} hn_tok_opts;

typedef struct hn_ids { const int32_t *id; size_t count; } hn_ids;

/* Turn text into token ids.
 *
 * text    UTF-8, need not end in zero; bytes that are not valid UTF-8 become byte tokens where the
 *         kind has them, unknown otherwise
 * opt     NULL: no special tokens, no limit
 * ids     borrowed from `a`, valid until it is reset
 *
 * Fails with HN_ELIMIT past opt->tokens_max. */
hn_err hn_tok_encode(hn_ctx *cx, const hn_tok *t, hn_text text, const hn_tok_opts *opt, hn_arena *a,
                     hn_ids *ids);

/* The exact bytes the ids stand for; control tokens are left out unless `special`.
 * Ids outside the vocabulary are refused. */
hn_err hn_tok_decode(hn_ctx *cx, const hn_tok *t, hn_ids ids, bool special, hn_buf *out);

/* The bytes one token adds behind others: a space mark is a space.  Nothing for control tokens. */
void hn_tok_bytes(const hn_tok *t, int32_t id, hn_buf *out);

size_t hn_tok_count(const hn_tok *t);
enum hn_tok_kind hn_tok_kind(const hn_tok *t);
int32_t hn_tok_bos(const hn_tok *t);
int32_t hn_tok_eos(const hn_tok *t);
bool hn_tok_is_end(const hn_tok *t, int32_t id);        /* does it end an answer? */
enum hn_tok_type hn_tok_type(const hn_tok *t, int32_t id);
hn_text hn_tok_text(const hn_tok *t, int32_t id);       /* bytes as shown; "" when out of range */
int32_t hn_tok_find(const hn_tok *t, hn_text text);     /* a special or ordinary token by its text, or HN_TOK_NONE */

/* Streaming: ids in one by one, whole UTF-8 characters out.  What never becomes a character is
 * shown as U+FFFD.  Zero-initialise, set `tok`; `special` shows control tokens too. */
typedef struct hn_detok {
    const hn_tok *tok;
    bool special;
    bool begun;              /* something was written: a leading space now counts */
    uint8_t held_len;
    char held[4];            /* bytes of a character not yet whole */
} hn_detok;

void hn_detok_add(hn_detok *d, int32_t id, hn_buf *out);   /* out of range: adds nothing */
void hn_detok_end(hn_detok *d, hn_buf *out);               /* what is still held; ready for the next text */

#endif
