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

/* ---- Linear ------------------------------------------------------------------------------------------ */

typedef struct linear {
    hn_qtype type;
    size_t group;                    /* activations that share a scale; 1: they stay floats */
    bool integer;                    /* products of small integers; otherwise of rounded floats */
    size_t rows, n, k, blocks;       /* blocks of 32 in a row of activations */
    size_t piece;                    /* rows of weights per piece of work */
    size_t row_size;
} linear;

static bool accepts_linear(const hn_prep *p)
{
    return hone_op(p->node, "Linear") && hn_count(p->out[0]) > 0 && p->in[1]->data && (p->in_count < 3 || !p->in[2] || p->in[2]->data);
}

static hn_err prepare_linear(hn_prep *p)
{
    linear *l = HN_NEW(p->arena, linear, 1);
    if (!l)
        return hn_nomem(p->cx, "a matrix product");
    l->type = hn_qtype_from_number((uint32_t)hn_attr_int(p->node, "qtype", 0));
    l->k = (size_t)hn_attr_int(p->node, "k", 0);
    l->group = hn_qdot_group(l->type);
    l->integer = l->group > 1 && hn_qdot_integer(l->type);
    l->rows = (size_t)p->in[0]->shape.dim[0];
    l->n = (size_t)p->in[1]->shape.dim[0];
    l->row_size = (size_t)p->in[1]->shape.dim[1];
    l->blocks = l->k / HN_Q8_BLOCK;
    /* Many tokens: few rows of weights, so that they stay in cache while all tokens pass over them.  One
     * token: long streams, a few for each thread to even out. */
    size_t share = hn_ceil_div(l->n, (size_t)p->threads * 6);
    l->piece = l->rows > 1 ? hn_min(32, hn_max(share, 4)) : hn_max(share, 16);
    size_t row = l->integer ? hn_mul(l->blocks, sizeof(hn_q8)) : l->group > 1 ? hn_mul(l->k, sizeof(float)) : 0;
    p->scratch_bytes = hn_ceil_div(hn_mul(l->rows, row), p->threads);      /* shared: the sum of all threads' parts */
    p->state = l;
    return HN_OK;
}

static void pack_row(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const linear *l = r->state;
    const float *x = (const float *)r->in[0]->data + piece * l->k;
    (void)worker;
    if (l->integer) {
        r->k->q8_pack((hn_q8 *)(void *)r->scratch + piece * l->blocks, x, l->k, l->group);
        return;
    }
    float *out = (float *)(void *)r->scratch + piece * l->k;           /* the same rounding, as floats again */
    for (size_t i = 0; i < l->k; i += l->group) {
        hn_q8 q[HN_Q_BLOCK_MAX / HN_Q8_BLOCK];
        r->k->q8_pack(q, x + i, l->group, l->group);
        for (size_t j = 0; j < l->group; j++)
            out[i + j] = q[j / HN_Q8_BLOCK].scale * (float)q[j / HN_Q8_BLOCK].q[j % HN_Q8_BLOCK];
    }
}

static void some_rows(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const linear *l = r->state;
    size_t first = piece * l->piece, n = hn_min(l->piece, l->n - first);
    float *out = (float *)r->out[0]->data + first;
    const float *bias = r->node->in_count > 2 && r->in[2] ? (const float *)r->in[2]->data + first : NULL;
    (void)worker;
    hn_qdot d = { .type = l->type, .w = (const char *)r->in[1]->data + first * l->row_size, .row_size = l->row_size,
                  .rows = n, .cols = l->rows, .k = l->k, .x8 = (const hn_q8 *)(const void *)r->scratch, .ld_x8 = l->blocks,
                  .x = l->group > 1 ? (const float *)(const void *)r->scratch : r->in[0]->data, .ld_x = l->k, .out = out, .ld_out = l->n };
    r->k->qdot(&d);
    for (size_t t = 0; t < l->rows && bias; t++)
        r->k->add_f32(out + t * l->n, out + t * l->n, 1, bias, 1, n);
}

static hn_err run_linear(const hn_run *r)
{
    const linear *l = r->state;
    if (l->group > 1)
        hn_parallel(r, l->rows, pack_row, (void *)(uintptr_t)r);
    hn_parallel(r, hn_ceil_div(l->n, l->piece), some_rows, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_linear = {
    .name = "linear.q", .rule = HN_RULE_PLAIN, .accepts = accepts_linear, .prepare = prepare_linear, .run = run_linear,
};

/* ---- PagedAttention ------------------------------------------------------------------------------------ */

typedef struct attention {
    size_t rows, heads, kv_heads, size, layer;
    float scale, cap;
    size_t window;
} attention;

static bool accepts_attention(const hn_prep *p)
{
    return hone_op(p->node, "PagedAttention") && (p->in_count < 5 || !p->in[4]) && hn_count(p->out[0]) > 0;
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
    /* A page's scores, and its rows decoded when they are neither f32 nor f16. */
    p->scratch_bytes = (2 * HN_KV_PAGE + HN_KV_PAGE * a->size) * sizeof(float);
    p->state = a;
    return HN_OK;
}

typedef struct job { const hn_run *r; const attention *a; hn_kv *kv; const int32_t *pos; } job;

static void store(const job *j, int values, size_t t, const float *row)
{
    hn_kv *kv = j->kv;
    size_t at = (size_t)j->pos[t];
    char *to = hn_kv_rows(kv, j->a->layer, values, at / HN_KV_PAGE) + at % HN_KV_PAGE * kv->row_size;
    if (kv->o.type == HN_QT_F16)
        j->r->k->to_half((uint16_t *)(void *)to, row, kv->o.width);
    else
        hn_kv_put(kv, j->a->layer, values, at, row);
}

static void store_token(void *arg, size_t t, unsigned worker)
{
    const job *j = arg;
    (void)worker;
    store(j, 0, t, (const float *)j->r->in[1]->data + t * j->kv->o.width);
    store(j, 1, t, (const float *)j->r->in[2]->data + t * j->kv->o.width);
}

/* Rows [from, from + n) of a page for one head: in place, or decoded to floats. */
static const void *page_rows(const job *j, int values, size_t page, size_t from, size_t n, size_t kv_head, float *decoded, size_t *row_size)
{
    const hn_kv *kv = j->kv;
    const char *rows = hn_kv_rows(kv, j->a->layer, values, page) + from * kv->row_size;
    size_t size = j->a->size;
    *row_size = kv->row_size;
    if (kv->o.type == HN_QT_F32 || kv->o.type == HN_QT_F16)
        return rows + kv_head * size * (kv->o.type == HN_QT_F32 ? 4 : 2);
    *row_size = size * sizeof(float);
    for (size_t i = 0; i < n; i++)
        hn_q_decode(kv->o.type, rows + i * kv->row_size + hn_q_bytes(kv->o.type, kv_head * size), decoded + i * size, size);
    return decoded;
}

/* One head of one token, page by page, with a running maximum: when it rises, what was summed so far
 * shrinks by the same factor.  Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018).
 * Pages begin at multiples of their size, so the order of sums depends on the position alone. */
static void attend(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const attention *a = j->a;
    const hn_kernels *k = j->r->k;
    size_t t = piece / a->heads, head = piece % a->heads, kv_head = head / (a->heads / a->kv_heads);
    size_t last = (size_t)j->pos[t], first = a->window && last >= a->window ? last - a->window + 1 : 0, row_size;
    const float *q = (const float *)j->r->in[0]->data + piece * a->size;
    float *out = (float *)j->r->out[0]->data + piece * a->size, top = -INFINITY, sum = 0;
    float *score = (float *)(void *)(j->r->scratch + worker * j->r->scratch_stride), *decoded = score + 2 * HN_KV_PAGE;
    int half = j->kv->o.type == HN_QT_F16;

    memset(out, 0, a->size * sizeof *out);
    for (size_t page = first / HN_KV_PAGE; page <= last / HN_KV_PAGE; page++) {
        size_t from = page == first / HN_KV_PAGE ? first % HN_KV_PAGE : 0;
        size_t n = hn_min(HN_KV_PAGE, last + 1 - page * HN_KV_PAGE) - from;
        const void *rows = page_rows(j, 0, page, from, n, kv_head, decoded, &row_size);
        k->score_rows(score, q, rows, row_size, n, a->size, half);
        k->mul_f32(score, score, 1, &a->scale, 0, n);
        if (a->cap > 0) {
            k->div_f32(score, score, 1, &a->cap, 0, n);
            k->act_f32(score, score, n, (hn_act){ HN_ACT_TANH, 0, 0 });
            k->mul_f32(score, score, 1, &a->cap, 0, n);
        }
        float high = fmaxf(k->maximum_f32(score, n), top);
        if (high > top) {
            float shrink = expf(top - high);
            sum *= shrink;
            k->mul_f32(out, out, 1, &shrink, 0, a->size);
            top = high;
        }
        k->sub_f32(score, score, 1, &top, 0, n);
        k->exp_f32(score, score, n);
        sum += k->sum_f32(score, n);
        rows = page_rows(j, 1, page, from, n, kv_head, decoded, &row_size);
        k->mix_rows(out, score, rows, row_size, n, a->size, half);
    }
    float share = 1 / sum;
    k->mul_f32(out, out, 1, &share, 0, a->size);
}

static hn_err run_attention(const hn_run *r)
{
    const attention *a = r->state;
    job j = { r, a, r->kv, r->in[3]->data };
    bool block_heads = a->size % HN_Q8_BLOCK == 0;
    if (!j.kv)
        return hn_fail(r->cx, HN_EARG, "attention needs a session's key-value cache");
    if (j.kv->o.width != a->kv_heads * a->size || a->layer >= j.kv->o.layers || (j.kv->o.type == HN_QT_Q8_0 && !block_heads))
        return hn_fail(r->cx, HN_EUNSUP, "unsupported: a %s cache for heads of %zu", hn_qtype_get(j.kv->o.type)->name, a->size);
    for (size_t t = 0; t < a->rows; t++)
        if (j.pos[t] < 0 || (size_t)j.pos[t] >= j.kv->pages * HN_KV_PAGE)
            return hn_fail(r->cx, HN_EARG, "position %d has no room in the cache", j.pos[t]);
    hn_parallel(r, a->rows, store_token, &j);
    hn_parallel(r, a->rows * a->heads, attend, &j);
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
    hn_parallel(r, (size_t)r->in[0]->shape.dim[0], turn, (void *)(uintptr_t)r);
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
    hn_parallel(r, hn_count(r->out[0]) / hn_count(r->in[1]), norm_row, (void *)(uintptr_t)r);
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
