/* SPDX-License-Identifier: Apache-2.0 */
/* Grammars: which tokens may come next.
 *
 *     text of a grammar -> hn_grammar    rules over bytes, read-only, for any thread
 *     tokenizer         -> hn_vocab      the vocabulary as a tree of bytes, likewise
 *     both              -> hn_match      where one answer is in the grammar, and what it has found out
 *
 * The text is GBNF, as llama.cpp's grammar files are written:
 *
 *     root ::= "yes" | "no" ws reason      literals, names, alternatives
 *     ws   ::= [ \t\n]*                    classes [a-z], [^"], any character .; repeats * + ? {2} {2,} {2,5}
 *     reason ::= ("(" [a-z]+ ")")?         groups; # begins a comment
 *
 * Characters become bytes when the grammar is read, so a token that ends inside a character is nothing special.
 * A position is a set of stacks (the grammar may be ambiguous); equal sets are one state, a state's step by a
 * byte is found once, and so is its mask over the vocabulary.  What has been found is dropped when it fills its room. */
#ifndef HN_LLM_GRAMMAR_H
#define HN_LLM_GRAMMAR_H

#include "llm/tok.h"

typedef struct hn_grammar hn_grammar;

/* HN_EFORMAT names the line and what was expected there. */
hn_err hn_grammar_new(hn_ctx *cx, hn_text text, hn_grammar **out);
void hn_grammar_free(hn_grammar *g);              /* NULL is fine */

typedef struct hn_vocab hn_vocab;

hn_err hn_vocab_new(hn_ctx *cx, const hn_tok *tok, hn_vocab **out);
void hn_vocab_free(hn_vocab *v);                  /* NULL is fine */

typedef struct hn_match hn_match;

/* Both are borrowed. */
hn_err hn_match_new(hn_ctx *cx, const hn_grammar *g, const hn_vocab *v, hn_match **out);
void hn_match_free(hn_match *m);                  /* NULL is fine */
void hn_match_reset(hn_match *m);                 /* back to the beginning; what was found stays */

/* One bit per token: bit id % 32 of word id / 32.  Until the next call.  End tokens are allowed where the
 * grammar may end.  HN_EUNSUP when the vocabulary cannot say what must come. */
hn_err hn_match_allowed(hn_ctx *cx, hn_match *m, const uint32_t **mask);

/* Goes on by a token.  HN_EARG, with nothing changed, when it is not allowed here. */
hn_err hn_match_accept(hn_ctx *cx, hn_match *m, int32_t id);
bool hn_match_done(const hn_match *m);            /* nothing may follow */

#endif
