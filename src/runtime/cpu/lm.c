/* SPDX-License-Identifier: Apache-2.0 */
/* lm.c: the operators of language models on quantised weights and a paged cache.
 *
 * Every row (token) is computed the same way whatever rows stand beside it, so reading a prompt at once
 * or token by token gives the same bits. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/kv.h"
#include "kernels/qdot.h"
#include "runtime/impl.h"

static bool hone_op(const hn_node *n, const char *name)
{
    return n->op->domain && strcmp(n->op->domain, "hone") == 0 && strcmp(n->op->name, name) == 0;
}

/* ---- PagedAttention ------------------------------------------------------------------------------------ */

/* Tokens that look at a page together, and how many of them make it worth while to turn its half precision to floats
 * once for all. */
#define TOKENS ((size_t)32)
#define TOKENS_FEW ((size_t)4)

_Static_assert((int)HN_KV_PAGE == (int)HN_ATTEND_ROWS, "a page of the cache is what the kernel takes");

typedef struct attention {
    size_t rows, heads, kv_heads, size, layer;
    size_t block, group;             /* tokens and heads of one piece of work */
    size_t queries;                  /* both, to a whole number of HN_ATTEND_MANY */
    size_t tile;                     /* floats of a page's keys or values */
    float scale, cap;
    size_t window;
} attention;

static bool accepts_attention(const hn_prep *p)
{
    return hone_op(p->node, "PagedAttention") && hn_count(p->out[0]) > 0;
}

/* One token: heads that share keys read them once, but are parted where some thread would have nothing to do. */
static size_t heads_together(const attention *a, size_t threads)
{
    size_t best = 1, least = SIZE_MAX;
    for (size_t n = 1; n <= a->heads / a->kv_heads; n++) {
        size_t time = hn_ceil_div(a->heads / n, threads) * (n + 1);       /* reading counts like one head's arithmetic */
        if (a->heads / a->kv_heads % n == 0 && time <= least) {
            best = n;
            least = time;
        }
    }
    return best;
}

static hn_err prepare_attention(hn_prep *p)
{
    attention *a = HN_NEW(p->arena, attention, 1);
    if (!a)
        return hn_nomem(p->cx, "attention");
    *a = (attention){ .rows = (size_t)p->in[0]->shape.dim[0], .heads = (size_t)hn_attr_int(p->node, "heads", 1),
                      .kv_heads = (size_t)hn_attr_int(p->node, "kv_heads", 1), .layer = (size_t)hn_attr_int(p->node, "layer", 0),
                      .scale = (float)hn_attr_float(p->node, "scale", 1), .cap = (float)hn_attr_float(p->node, "softcap", 0),
                      .window = (size_t)hn_attr_int(p->node, "window", 0) };
    a->size = (size_t)p->in[0]->shape.dim[1] / a->heads;
    size_t group = a->heads / a->kv_heads;
    a->block = hn_min(a->rows, TOKENS);
    a->group = a->rows == 1 ? heads_together(a, p->threads) : group;
    a->tile = HN_KV_PAGE * a->size;
    a->queries = hn_round_up(a->block * group, HN_ATTEND_MANY);
    p->scratch_bytes = hn_mul(3 * a->tile + 2 * a->queries * (1 + a->size), sizeof(float));
    p->state = a;
    return HN_OK;
}

typedef struct job {
    const hn_run *r;
    const attention *a;
    const int32_t *pos;
    size_t block;                    /* a->block, or one token where each has a cache of its own */
} job;

static hn_kv *cache_of(const hn_run *r, size_t t) { return r->each ? r->each[t] : r->kv; }

#define STRETCH ((size_t)64)

static void store(const job *j, int values, size_t t, const float *row)
{
    hn_kv *kv = cache_of(j->r, t);
    size_t at = (size_t)j->pos[t];
    if (kv->o.type != HN_QT_F16) {
        hn_kv_put(kv, j->a->layer, values, at, row);
        return;
    }
    uint16_t *to = (uint16_t *)(void *)hn_kv_page(kv, j->a->layer, values, at / HN_KV_PAGE), some[STRETCH];
    if (values) {
        j->r->k->to_half(to + at % HN_KV_PAGE * kv->o.width, row, kv->o.width);
        return;
    }
    for (size_t i = 0, n; i < kv->o.width; i += n) {
        n = hn_min(STRETCH, kv->o.width - i);
        j->r->k->to_half(some, row + i, n);
        for (size_t e = 0; e < n; e++)
            to[(i + e) * HN_KV_PAGE + at % HN_KV_PAGE] = some[e];
    }
}

static void store_token(void *arg, size_t t, unsigned worker)
{
    const job *j = arg;
    (void)worker;
    size_t width = j->a->kv_heads * j->a->size;
    store(j, 0, t, (const float *)j->r->in[1]->data + t * width);
    store(j, 1, t, (const float *)j->r->in[2]->data + t * width);
}

/* A page's first n rows for one head: as they lie, or made floats. */
typedef struct tiles { const void *keys, *values; size_t ld_values; int half; } tiles;

static tiles page_tiles(const job *j, const hn_kv *kv, size_t page, size_t n, size_t kv_head, float *room)
{
    const attention *a = j->a;
    hn_qtype type = kv->o.type;
    size_t at = hn_q_bytes(type, kv_head * a->size), row_size = kv->row_size, column = hn_q_bytes(type, HN_KV_PAGE);
    const char *keys = hn_kv_page(kv, a->layer, 0, page), *values = hn_kv_page(kv, a->layer, 1, page) + at;
    tiles made = { room, room + a->tile, a->size, 0 };
    if (hn_kv_turned(kv, 0)) {
        tiles t = { keys + kv_head * a->size * column, values, kv->o.width, type == HN_QT_F16 };
        if (!t.half || j->block < TOKENS_FEW)
            return t;
        j->r->k->float_tile(room, type, t.keys, column, a->size, HN_KV_PAGE);
        j->r->k->float_tile(room + a->tile, type, values, row_size, n, a->size);
        return made;
    }
    float *decoded = room + 2 * a->tile;
    j->r->k->float_tile(decoded, type, keys + at, row_size, n, a->size);
    j->r->k->float_tile(room + a->tile, type, values, row_size, n, a->size);
    j->r->k->key_tile(room, decoded, n, a->size);
    return made;
}

/* What lies in half precision is read at once, as fast as it comes: the next page is asked for while this one is
 * computed with. */
static void fetch(const job *j, const hn_kv *kv, size_t page, size_t kv_head)
{
    size_t unit = hn_q_bytes(kv->o.type, 1), at = kv_head * j->a->size * unit, row = j->a->size * unit;
    const char *keys = hn_kv_page(kv, j->a->layer, 0, page) + at * HN_KV_PAGE, *values = hn_kv_page(kv, j->a->layer, 1, page) + at;
    for (size_t i = 0; i < row * HN_KV_PAGE; i += 64)
        __builtin_prefetch(keys + i);
    for (size_t r = 0; r < HN_KV_PAGE; r++)
        for (size_t i = 0; i < row; i += 64)
            __builtin_prefetch(values + r * kv->row_size + i);
}

static size_t first_seen(const attention *a, size_t last) { return a->window && last >= a->window ? last - a->window + 1 : 0; }

/* Heads that share keys, for tokens [from, to).  A query is a head of a token; those of one token follow each other. */
typedef struct part {
    const job *j;
    size_t from, to, head, kv_head;
    float *top, *sum, *out;          /* [queries], [queries, size] */
    float *q;                        /* [queries / 16, size, 16], for pages that all see */
} part;

/* What one token sees of a page. */
static void attend_token(const part *p, const tiles *tile, size_t page, size_t t)
{
    const attention *a = p->j->a;
    size_t last = (size_t)p->j->pos[t], first = first_seen(a, last), start = page * HN_KV_PAGE, query = (t - p->from) * a->group;
    hn_attend_page one = { .keys = tile->keys, .values = tile->values, .ld_values = tile->ld_values, .half = tile->half,
                           .size = a->size, .from = first > start ? first - start : 0,
                           .to = last < start ? 0 : hn_min(HN_KV_PAGE, last + 1 - start), .heads = a->group,
                           .q = (const float *)p->j->r->in[0]->data + (t * a->heads + p->head) * a->size,
                           .out = p->out + query * a->size, .top = p->top + query, .sum = p->sum + query,
                           .scale = a->scale, .cap = a->cap };
    if (one.from < one.to)
        p->j->r->k->attend_page(&one);
}

/* A page that every token sees whole. */
static void attend_all(const part *p, const tiles *tile)
{
    const attention *a = p->j->a;
    size_t queries = (p->to - p->from) * a->group;
    for (size_t i = 0; i < queries; i += HN_ATTEND_MANY) {
        hn_attend_page some = { .keys = tile->keys, .values = tile->values, .ld_values = tile->ld_values, .size = a->size,
                                .to = HN_KV_PAGE, .heads = hn_min(HN_ATTEND_MANY, queries - i), .q = p->q + i * a->size,
                                .out = p->out + i * a->size, .top = p->top + i, .sum = p->sum + i,
                                .scale = a->scale, .cap = a->cap };
        p->j->r->k->attend_many(&some);
    }
}

static bool all_see(const part *p, size_t page)
{
    bool all = true;
    for (size_t t = p->from; t < p->to && all; t++) {
        size_t last = (size_t)p->j->pos[t];
        all = last + 1 >= (page + 1) * HN_KV_PAGE && first_seen(p->j->a, last) <= page * HN_KV_PAGE;
    }
    return all;
}

static void turn_queries(const part *p)
{
    const attention *a = p->j->a;
    size_t queries = (p->to - p->from) * a->group;
    for (size_t i = 0; i < hn_round_up(queries, HN_ATTEND_MANY); i++) {
        size_t t = p->from + i / a->group, head = p->head + i % a->group;
        const float *from = (const float *)p->j->r->in[0]->data + (t * a->heads + head) * a->size;
        float *to = p->q + i / HN_ATTEND_MANY * HN_ATTEND_MANY * a->size + i % HN_ATTEND_MANY;
        for (size_t e = 0; e < a->size; e++)
            to[e * HN_ATTEND_MANY] = i < queries ? from[e] : 0;
    }
}

/* Before the first page; which pages there are. */
static void begin(const part *p, size_t *first, size_t *last)
{
    const job *j = p->j;
    const attention *a = j->a;
    const float *sink = j->r->node->in_count > 4 && j->r->in[4] ? j->r->in[4]->data : NULL;   /* a score without a value */
    *first = SIZE_MAX;
    *last = 0;
    for (size_t t = p->from; t < p->to; t++) {
        *first = hn_min(*first, first_seen(a, (size_t)j->pos[t]));
        *last = hn_max(*last, (size_t)j->pos[t]);
    }
    memset(p->out, 0, (p->to - p->from) * a->group * a->size * sizeof(float));
    for (size_t i = 0; i < a->queries; i++) {
        p->top[i] = sink ? sink[p->head + i % a->group] : -INFINITY;
        p->sum[i] = sink ? 1 : 0;
    }
}

/* Page by page.  Pages begin at multiples of their size, so the order of sums depends on the position alone. */
static void attend(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const attention *a = j->a;
    size_t parts = a->heads / a->group, head = piece % parts * a->group, from = piece / parts * j->block, first, last;
    const hn_kv *kv = cache_of(j->r, from);
    float *room = (float *)(void *)(j->r->scratch + worker * j->r->scratch_stride), *top = room + 3 * a->tile;
    part p = { .j = j, .from = from, .to = hn_min(from + j->block, a->rows), .head = head,
               .kv_head = head / (a->heads / a->kv_heads), .top = top, .sum = top + a->queries, .out = top + 2 * a->queries };
    p.q = p.out + a->queries * a->size;
    bool many = (p.to - p.from) * a->group >= HN_ATTEND_MANY / 2;
    begin(&p, &first, &last);
    if (many)
        turn_queries(&p);
    for (size_t page = first / HN_KV_PAGE; page <= last / HN_KV_PAGE; page++) {
        tiles tile = page_tiles(j, kv, page, hn_min(HN_KV_PAGE, last + 1 - page * HN_KV_PAGE), p.kv_head, room);
        if (j->block < TOKENS_FEW && page < last / HN_KV_PAGE && hn_kv_turned(kv, 0))
            fetch(j, kv, page + 1, p.kv_head);
        if (many && !tile.half && all_see(&p, page))
            attend_all(&p, &tile);
        else
            for (size_t t = p.from; t < p.to; t++)
                attend_token(&p, &tile, page, t);
    }
    for (size_t i = 0; i < (p.to - p.from) * a->group; i++) {
        float *out = (float *)j->r->out[0]->data + ((p.from + i / a->group) * a->heads + head + i % a->group) * a->size;
        float share = 1 / p.sum[i];
        j->r->k->mul_f32(out, p.out + i * a->size, 1, &share, 0, a->size);
    }
}

static hn_err check_cache(const hn_run *r, const attention *a, const hn_kv *kv, int32_t pos)
{
    if (!kv)
        return hn_fail(r->cx, HN_EARG, "attention needs a session's key-value cache");
    bool block_heads = a->size % hn_qtype_get(kv->o.type)->block_count == 0;
    if (kv->o.width != a->kv_heads * a->size || a->layer >= kv->o.layers || (kv->o.type == HN_QT_Q8_0 && !block_heads))
        return hn_fail(r->cx, HN_EUNSUP, "unsupported: a %s cache for heads of %zu", hn_qtype_get(kv->o.type)->name, a->size);
    if (pos < 0 || (size_t)pos >= kv->pages * HN_KV_PAGE)
        return hn_fail(r->cx, HN_EARG, "position %d has no room in the cache", pos);
    return HN_OK;
}

static hn_err run_attention(const hn_run *r)
{
    const attention *a = r->state;
    job j = { r, a, r->in[3]->data, r->each ? 1 : a->block };
    for (size_t t = 0; t < a->rows; t++)
        HN_TRY(check_cache(r, a, cache_of(r, t), j.pos[t]));
    hn_parallel_worth(r, 2 * hn_count(r->in[1]), a->rows, store_token, &j);
    hn_parallel(r, a->heads / a->group * hn_ceil_div(a->rows, j.block), attend, &j);
    return HN_OK;
}

const hn_impl hn_impl_paged_attention = {
    .name = "attention.paged", .rule = HN_RULE_PLAIN,
    .accepts = accepts_attention, .prepare = prepare_attention, .run = run_attention,
};

/* ---- Rope ---------------------------------------------------------------------------------------------- */

static bool accepts_rope(const hn_prep *p)
{
    if (!hone_op(p->node, "Rope"))
        return false;
    size_t turned = 2 * hn_count(p->in[2]), heads = (size_t)hn_attr_int(p->node, "heads", 1);
    return p->in[2]->data && heads && (size_t)p->in[0]->shape.dim[1] % heads == 0 &&
           turned <= (size_t)p->in[0]->shape.dim[1] / heads && hn_count(p->out[0]) > 0;
}

static hn_err prepare_rope(hn_prep *p)
{
    p->scratch_bytes = 2 * hn_count(p->in[2]) * sizeof(float);
    return HN_OK;
}

static void turn(void *arg, size_t t, unsigned worker)
{
    const hn_run *r = arg;
    size_t heads = (size_t)hn_attr_int(r->node, "heads", 1), half = hn_count(r->in[2]), width = (size_t)r->in[0]->shape.dim[1];
    bool neighbours = hn_attr_int(r->node, "interleaved", 0) != 0;
    double magnitude = hn_attr_float(r->node, "magnitude", 1);
    const float *freq = r->in[2]->data, *x = (const float *)r->in[0]->data + t * width;
    float *y = (float *)r->out[0]->data + t * width, pos = (float)((const int32_t *)r->in[1]->data)[t];
    float *co = (float *)(void *)(r->scratch + worker * r->scratch_stride), *si = co + half;

    for (size_t i = 0; i < half; i++) {
        double angle = (double)(pos * freq[i]);
        co[i] = (float)(cos(angle) * magnitude);
        si[i] = (float)(sin(angle) * magnitude);
    }
    if (y != x)
        memcpy(y, x, width * sizeof *y);
    for (size_t h = 0; h < heads; h++, y += width / heads)
        for (size_t i = 0; i < half; i++) {
            float *a = y + (neighbours ? 2 * i : i), *b = neighbours ? a + 1 : a + half, u = *a, v = *b;
            *a = u * co[i] - v * si[i];
            *b = u * si[i] + v * co[i];
        }
}

static hn_err run_rope(const hn_run *r)
{
    hn_parallel_worth(r, hn_count(r->in[0]), (size_t)r->in[0]->shape.dim[0], turn, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_rope = {
    .name = "rope.f32", .rule = HN_RULE_PLAIN, .inplace = 1,
    .accepts = accepts_rope, .prepare = prepare_rope, .run = run_rope,
};

/* ---- RMSNormalization and Glu, row by row ------------------------------------------------------------------ */

static bool accepts_rms(const hn_prep *p)
{
    int64_t axis = hn_attr_int(p->node, "axis", -1);
    int rank = p->in[0]->shape.rank;
    return hn_op_is(p->node, "RMSNormalization") && hn_prep_f32(p) && (axis == -1 || axis == rank - 1) && rank > 0 &&
           hn_count(p->in[1]) == (size_t)p->in[0]->shape.dim[rank - 1] && hn_count(p->out[0]) > 0;
}

static void norm_row(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    size_t n = hn_count(r->in[1]);
    (void)worker;
    r->k->rmsnorm_f32((float *)r->out[0]->data + piece * n, (const float *)r->in[0]->data + piece * n, n,
                      (float)hn_attr_float(r->node, "epsilon", 1e-5), r->in[1]->data);
}

static hn_err run_rms(const hn_run *r)
{
    hn_parallel_worth(r, hn_count(r->out[0]), hn_count(r->out[0]) / hn_count(r->in[1]), norm_row, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_rmsnorm = { .name = "rmsnorm.f32", .rule = HN_RULE_PLAIN, .inplace = 1, .accepts = accepts_rms, .run = run_rms };

#define GLU_PIECE ((size_t)4096)

static bool accepts_glu(const hn_prep *p) { return hone_op(p->node, "Glu"); }

static void some_glu(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    size_t at = piece * GLU_PIECE, n = hn_min(GLU_PIECE, hn_count(r->out[0]) - at);
    float *y = (float *)r->out[0]->data + at;
    (void)worker;
    r->k->act_f32(y, (const float *)r->in[0]->data + at, n, (hn_act){ (hn_act_kind)hn_attr_int(r->node, "act", HN_ACT_SILU), 0, 0 });
    r->k->mul_f32(y, y, 1, (const float *)r->in[1]->data + at, 1, n);
}

static hn_err run_glu(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), GLU_PIECE), some_glu, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_glu = { .name = "glu.f32", .rule = HN_RULE_PLAIN, .inplace = 1, .accepts = accepts_glu, .run = run_glu };
