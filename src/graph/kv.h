/* SPDX-License-Identifier: Apache-2.0 */
/* The key-value cache: what attention has already read.
 *
 * Pages of HN_KV_PAGE tokens, each with keys and values of many layers.  Pages, not one long strip:
 * memory is taken as the text grows, up to what hn_kv_new was allowed, and can be given back.  A position's
 * numbers never move once written.
 *
 *     layers that look at everything     [p0][p1][p2][p3]
 *     layers with a sliding window        -   - [p2][p3]      pages no window reaches are given back
 *
 * Caches whose texts begin alike may share pages: each counts its users, and whoever writes into a shared one
 * copies it first.
 *
 * One cache belongs to one stream; kernels of different threads may read it while none writes.  Streams that share
 * pages may be on different threads. */
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
    const uint32_t *window;     /* [layers]: tokens a layer looks back on, itself included; 0: all.  NULL: all do */
} hn_kv_opts;

enum { HN_KV_ALL, HN_KV_WINDOW, HN_KV_GROUPS, HN_KV_HEAD = 64 /* bytes before a page's rows: its count of users */ };

typedef struct hn_kv_group {
    size_t layers, page_size;
    size_t keep;                /* tokens before the next that must stay; 0: all */
    char **page;                /* NULL where none is held */
    size_t first;               /* pages before it were given back */
} hn_kv_group;

typedef struct hn_kv {
    hn_ctx cx;                  /* allocator */
    hn_kv_opts o;               /* without window */
    size_t row_size;            /* bytes of one token's keys in one layer */
    hn_kv_group group[HN_KV_GROUPS];
    uint16_t *place;            /* [layers]: 2 * number in its group, + 1 when that is HN_KV_WINDOW */
    size_t pages;               /* there is room for this many pages' tokens */
    size_t count;               /* tokens in it */
    float *state;               /* [o.state] */
} hn_kv;

hn_err hn_kv_new(hn_ctx *cx, const hn_kv_opts *o, hn_kv **out);
void hn_kv_free(hn_kv *kv);                         /* NULL is fine */

/* Makes room for `more` tokens after those in it: HN_ELIMIT, saying by how much, past tokens_max. */
hn_err hn_kv_reserve(hn_ctx *cx, hn_kv *kv, size_t more);
hn_err hn_kv_fits(hn_ctx *cx, const hn_kv *kv, size_t more);     /* only the check */

/* Forgets tokens from `count` on and returns how many are left: 0 instead of `count` when what a window or
 * a state needs there is gone. */
size_t hn_kv_trim(hn_kv *kv, size_t count);

/* `to` becomes the first `count` tokens of `from`, by sharing pages: HN_EARG when they are not all there.
 * Both must be of the same kind.  On failure `to` is empty. */
hn_err hn_kv_share(hn_ctx *cx, hn_kv *to, const hn_kv *from, size_t count);

size_t hn_kv_bytes(const hn_kv *kv);                /* a shared page counts for its part */

/* Keys (values 0) or values (1) of `layer` in one page: HN_KV_PAGE rows of row_size bytes.  Keys of plain types are
 * turned, [width, HN_KV_PAGE]: neighbours are then tokens, which attention scores side by side. */
static inline bool hn_kv_turned(const hn_kv *kv, int values)
{
    return !values && (kv->o.type == HN_QT_F16 || kv->o.type == HN_QT_F32);
}
static inline char *hn_kv_page(const hn_kv *kv, size_t layer, int values, size_t page)
{
    size_t place = kv->place[layer];
    return kv->group[place & 1].page[page] + HN_KV_HEAD + ((place & ~(size_t)1) + (size_t)values) * HN_KV_PAGE * kv->row_size;
}

/* One token's row of `width` floats, in and out. */
void hn_kv_put(hn_kv *kv, size_t layer, int values, size_t token, const float *row);
void hn_kv_get(const hn_kv *kv, size_t layer, int values, size_t token, float *row);

/* The first n rows of a page, row by row, whichever way they lie: out to `rows`, or in from there. */
void hn_kv_save(const hn_kv *kv, size_t layer, int values, size_t page, size_t n, char *rows);
void hn_kv_load(hn_kv *kv, size_t layer, int values, size_t page, size_t n, const char *rows);

#endif
