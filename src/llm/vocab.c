/* SPDX-License-Identifier: Apache-2.0 */
/* vocab.c: a vocabulary as a tree of bytes, made from its texts in sorted order. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "llm/grammar_impl.h"

#define TOKEN_BYTES_MAX 1024     /* longer ones (runs of spaces come near) are left out: never allowed */

static bool speaks(const hn_tok *tok, int32_t id)
{
    enum hn_tok_type t = hn_tok_type(tok, id);
    return (t == HN_TOK_NORMAL || t == HN_TOK_USER || t == HN_TOK_BYTE) && !hn_tok_is_end(tok, id);
}

/* A token's place among all in byte order. */
typedef struct entry { const char *text; uint32_t len; int32_t id; } entry;

static int by_bytes(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int c = memcmp(x->text, y->text, x->len < y->len ? x->len : y->len);
    return c ? c : x->len != y->len ? (x->len < y->len ? -1 : 1) : x->id < y->id ? -1 : 1;
}

static hn_err read_bytes(hn_ctx *cx, hn_vocab *v, const hn_tok *tok)
{
    hn_buf all = { .cx = &v->cx };
    for (size_t i = 0; i < v->tokens; i++) {
        size_t before = all.len;
        v->at[i] = (uint32_t)before;
        if (hn_tok_is_end(tok, (int32_t)i))
            v->end[i / 32] |= (uint32_t)1 << i % 32;
        if (speaks(tok, (int32_t)i))
            hn_tok_bytes(tok, (int32_t)i, &all);
        if (all.len - before > TOKEN_BYTES_MAX)
            all.len = before;
        if (all.failed || all.len > UINT32_MAX / 2) {
            hn_buf_free(&all);
            return hn_nomem(cx, "a vocabulary");
        }
    }
    v->at[v->tokens] = (uint32_t)all.len;
    v->bytes = all.data;                 /* NULL when no token says anything */
    return HN_OK;
}

static size_t shared(const entry *a, const entry *b)
{
    size_t n = 0, most = hn_min(a->len, b->len);
    while (n < most && a->text[n] == b->text[n])
        n++;
    return n;
}

/* open[d]: the node now open at depth d; it closes when a text differs before d. */
static void build(hn_vocab *v, const entry *e, size_t count, uint32_t *open)
{
    size_t depth = 0;
    for (size_t i = 0; i < count; i++) {
        size_t keep = i ? shared(&e[i - 1], &e[i]) : 0;
        while (depth > keep)
            v->node[open[depth--]].skip = (uint32_t)v->count;
        while (depth < e[i].len) {
            open[++depth] = (uint32_t)v->count;
            v->node[v->count++] = (hn_v_node){ .token = -1, .depth = (uint16_t)depth,
                                               .byte = (uint8_t)e[i].text[depth - 1] };
        }
        hn_v_node *n = &v->node[open[depth]];
        v->same[e[i].id] = n->token;
        n->token = e[i].id;
        v->depth_max = (uint16_t)hn_max(v->depth_max, depth);
    }
    while (depth > 0)
        v->node[open[depth--]].skip = (uint32_t)v->count;
}

static hn_err fill(hn_ctx *cx, hn_vocab *v)
{
    uint32_t open[TOKEN_BYTES_MAX + 1];
    size_t count = 0, nodes = 0;
    entry *e = hn_calloc(cx, v->tokens + 1, sizeof *e);
    if (!e)
        return hn_nomem(cx, "a vocabulary");
    for (size_t i = 0; i < v->tokens; i++)
        if (v->at[i + 1] > v->at[i])
            e[count++] = (entry){ v->bytes + v->at[i], v->at[i + 1] - v->at[i], (int32_t)i };
    qsort(e, count, sizeof *e, by_bytes);
    for (size_t i = 0; i < count; i++)
        nodes += e[i].len - (i ? shared(&e[i - 1], &e[i]) : 0);
    v->node = hn_calloc(cx, nodes + 1, sizeof *v->node);
    if (v->node)
        build(v, e, count, open);
    hn_free(cx, e);
    return v->node ? HN_OK : hn_nomem(cx, "a vocabulary");
}

hn_err hn_vocab_new(hn_ctx *cx, const hn_tok *tok, hn_vocab **out)
{
    hn_vocab *v = hn_calloc(cx, 1, sizeof *v);
    if (!v)
        return hn_nomem(cx, "a vocabulary");
    v->cx.env = cx->env;
    v->tokens = hn_tok_count(tok);
    v->same = hn_calloc(cx, v->tokens + 1, sizeof *v->same);
    v->at = hn_calloc(cx, v->tokens + 1, sizeof *v->at);
    v->end = hn_calloc(cx, v->tokens / 32 + 1, sizeof *v->end);
    hn_err e = v->same && v->at && v->end ? read_bytes(cx, v, tok) : hn_nomem(cx, "a vocabulary");
    if (!e)
        e = fill(cx, v);
    if (e)
        hn_vocab_free(v);
    else
        *out = v;
    return e;
}

void hn_vocab_free(hn_vocab *v)
{
    if (!v)
        return;
    hn_ctx cx = v->cx;
    hn_free(&cx, v->same);
    hn_free(&cx, v->at);
    hn_free(&cx, v->end);
    hn_free(&cx, v->node);
    hn_free(&cx, v->bytes);
    hn_free(&cx, v);
}
