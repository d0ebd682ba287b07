/* SPDX-License-Identifier: Apache-2.0 */
/* What the grammar files share. */
#ifndef HN_LLM_GRAMMAR_IMPL_H
#define HN_LLM_GRAMMAR_IMPL_H

#include "llm/grammar.h"

/* A rule's alternatives are runs of elements in `code`, each closed by HN_G_END. */
typedef enum hn_g_kind { HN_G_END, HN_G_SET, HN_G_RULE } hn_g_kind;
typedef struct hn_g_elem { uint32_t kind : 2, index : 30; } hn_g_elem;     /* of a set, of a rule */
typedef struct hn_g_set { uint32_t bit[8]; } hn_g_set;                     /* of bytes */
typedef struct hn_g_rule { uint32_t first, count; } hn_g_rule;             /* in `alt` */

struct hn_grammar {
    hn_ctx cx;
    hn_g_elem *code; size_t code_count, code_cap;
    uint32_t *alt; size_t alt_count, alt_cap;             /* where in code each begins */
    hn_g_rule *rule; size_t rule_count, rule_cap;
    hn_g_set *set; size_t set_count, set_cap;
    uint32_t root;
    uint8_t class_of[256]; uint32_t classes;              /* bytes no set tells apart */
    uint8_t byte_of[256];                                 /* one byte of each class */
};

static inline bool hn_g_has(const hn_g_set *s, uint8_t byte) { return s->bit[byte / 32] >> byte % 32 & 1; }

/* A vocabulary's bytes in order: a node's subtree follows it, so a walk is a loop. */
typedef struct hn_v_node {
    uint32_t skip;               /* the node after the subtree */
    int32_t token;               /* the first that ends here, or -1; others by `same` */
    uint16_t depth;              /* 1 for first bytes */
    uint8_t byte;
} hn_v_node;

struct hn_vocab {
    hn_ctx cx;
    size_t tokens;
    hn_v_node *node; size_t count;
    int32_t *same;               /* the next token of the same bytes, or -1: [tokens] */
    uint32_t *end;               /* mask of end tokens */
    char *bytes; uint32_t *at;   /* of each token: bytes[at[i] .. at[i + 1]) */
    uint16_t depth_max;
};

/* Rules that call themselves before they have read a byte would never end: HN_EFORMAT. */
hn_err hn_g_check(hn_ctx *cx, hn_grammar *g);

#endif
