/* SPDX-License-Identifier: Apache-2.0 */
/* The key-value cache: what attention has already read.
 *
 * Pages of HN_KV_PAGE tokens, each with keys and values of every layer.  Pages, not one long strip:
 * memory is taken as the text grows, up to what hn_kv_new was allowed, and can be given back from
 * the end.  A position's numbers never move once written.
 *
 * One cache belongs to one stream; kernels of different threads may read it while none writes. */
#ifndef HN_GRAPH_KV_H
#define HN_GRAPH_KV_H

#include "base/ctx.h"
#include "tensor/qtypes.h"

enum { HN_KV_PAGE = 32 };

typedef struct hn_kv_opts {
    size_t layers;
    size_t width;               /* of one token's keys in one layer, and of its values: heads * head size */
    size_t head;                /* of one head; blocks of the type must not cross heads.  0: not checked */
    hn_qtype type;              /* HN_QT_F32, HN_QT_F16, HN_QT_Q8_0 or HN_QT_Q4_0 */
    size_t tokens_max;
    size_t state;               /* floats kept by layers that remember otherwise; see ops/state.c */
} hn_kv_opts;

typedef struct hn_kv {
    hn_ctx cx;                  /* allocator */
    hn_kv_opts o;
    size_t row_size;            /* bytes of one token's keys in one layer */
    size_t page_size;
    char **page; size_t pages;  /* taken so far */
    size_t count;               /* tokens in it */
    float *state;               /* [o.state] */
} hn_kv;

hn_err hn_kv_new(hn_ctx *cx, const hn_kv_opts *o, hn_kv **out);
void hn_kv_free(hn_kv *kv);                         /* NULL is fine */

/* Makes room for `more` tokens after those in it: HN_ELIMIT, saying by how much, past tokens_max. */
hn_err hn_kv_reserve(hn_ctx *cx, hn_kv *kv, size_t more);
void hn_kv_trim(hn_kv *kv, size_t count);           /* forgets all tokens from `count` on */
size_t hn_kv_bytes(const hn_kv *kv);

/* The rows of one page: keys (values 0) or values (1) of `layer`, HN_KV_PAGE rows of row_size bytes. */
static inline char *hn_kv_rows(const hn_kv *kv, size_t layer, int values, size_t page)
{
    return kv->page[page] + (2 * layer + (size_t)values) * HN_KV_PAGE * kv->row_size;
}

/* Stores one token's row of `width` floats. */
void hn_kv_put(hn_kv *kv, size_t layer, int values, size_t token, const float *row);

#endif
