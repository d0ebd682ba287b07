/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-tokenizers: regular expressions that cut text into the words BPE may not join across.
 *
 * A rule is a short list of expressions.  The first cuts the text into its matches and what lies
 * between them, the next cuts each of those pieces again, and so on. */
#ifndef HN_LLM_TOK_PRE_H
#define HN_LLM_TOK_PRE_H

#include "base/ctx.h"

typedef struct hn_pre hn_pre;
typedef struct hn_pre_match hn_pre_match;     /* scratch of one thread */

enum {
    HN_PRE_WHOLE = 1,        /* a word that is in the vocabulary is one token */
    HN_PRE_BOS = 2,          /* models of this family begin with bos unless they say otherwise */
    HN_PRE_RAW = 4,          /* pieces are characters, with U+2581 for space, not bytes */
};

/* What a name stands for, or false when nobody knows it. */
bool hn_pre_find(const char *name, unsigned *flags);

/* The name whose rule is just these expressions in this order, or NULL.  For files that state them. */
const char *hn_pre_name_of(const char *const *expression, size_t count);
const char *hn_pre_gpt2(void);                 /* GPT-2's expression, which files leave unsaid */

hn_err hn_pre_new(hn_ctx *cx, const char *name, hn_pre **out);
void hn_pre_free(hn_pre *p);                   /* NULL is fine */

hn_err hn_pre_match_new(hn_ctx *cx, const hn_pre *p, hn_pre_match **out);
void hn_pre_match_free(hn_pre_match *m);

/* Calls word() for each piece in order; text is valid UTF-8.  Stops at the first failure. */
hn_err hn_pre_split(hn_ctx *cx, const hn_pre *p, hn_pre_match *m, const char *text, size_t len,
                    hn_err (*word)(void *arg, const char *s, size_t n), void *arg);

#endif
