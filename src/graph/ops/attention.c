/* SPDX-License-Identifier: Apache-2.0 */
/* attention.c: Attention, ONNX's own.
 *
 *     q [B, Q, H D] or [B, H, Q, D]      k [B, S, G D] or [B, G, S, D]      v the same with E for D
 *     mask [.., Q, <= K]   past_key [B, G, P, D]   past_value [B, G, P, E]   nonpad_kv_seqlen [B]
 *     y like q with E for D   present_key [B, G, K, D]   present_value [B, G, K, E]   scores [B, H, Q, K]
 *
 * K = P + S.  Causal order is counted from the end of what came before: query i stands at position
 * P + i, or nonpad[b] - Q + i when the caller keeps the cache. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/heads.h"
#include "graph/load.h"

enum { Q, K, V, MASK, PAST_K, PAST_V, NONPAD };
enum { Y, PRESENT_K, PRESENT_V, SCORES };
enum { RAW, CAPPED, BIASED, PROBS };          /* qk_matmul_output_mode */

/* Dimensions as far as they are known; a fresh symbol where they are not. */
typedef struct sizes {
    int64_t batch, heads, kv_heads, queries, fresh, past, dim, v_dim;
    bool packed;                              /* heads lie inside the last dimension */
} sizes;

static hn_err divide(hn_call *c, int i, int64_t all, int64_t heads, int64_t *out)
{
    if (heads < 1)
        return hn_bad(c, "%s is %lld, expected the number of heads of a 3-d input",
                      i == Q ? "q_num_heads" : "kv_num_heads", (long long)heads);
    if (hn_is_symbol(all)) {
        *out = hn_fresh_dim(c);
        return HN_OK;
    }
    if (all % heads)
        return hn_bad(c, "input %d has rows of %lld, which %lld heads do not divide", i, (long long)all,
                      (long long)heads);
    *out = all / heads;
    return HN_OK;
}

static hn_err agree(hn_call *c, const char *what, int i, int64_t a, int64_t b)
{
    if (hn_dims_differ(a, b))
        return hn_bad(c, "%s of input %d is %lld, expected %lld", what, i, (long long)a, (long long)b);
    return HN_OK;
}

static hn_err read_packed(hn_call *c, sizes *s)
{
    const hn_shape *q = &c->in[Q]->shape, *k = &c->in[K]->shape, *v = &c->in[V]->shape;
    int64_t k_dim;
    s->packed = true;
    s->heads = hn_attr_int(c->node, "q_num_heads", 0);
    s->kv_heads = hn_attr_int(c->node, "kv_num_heads", 0);
    HN_TRY(divide(c, Q, q->dim[2], s->heads, &s->dim));
    HN_TRY(divide(c, K, k->dim[2], s->kv_heads, &k_dim));
    HN_TRY(divide(c, V, v->dim[2], s->kv_heads, &s->v_dim));
    s->queries = q->dim[1];
    s->fresh = k->dim[1];
    HN_TRY(agree(c, "the head size", K, k_dim, s->dim));
    return agree(c, "the length", V, v->dim[1], s->fresh);
}

static hn_err read_split(hn_call *c, sizes *s)
{
    const hn_shape *q = &c->in[Q]->shape, *k = &c->in[K]->shape, *v = &c->in[V]->shape;
    s->heads = q->dim[1];
    s->kv_heads = k->dim[1];
    s->queries = q->dim[2];
    s->fresh = k->dim[2];
    s->dim = q->dim[3];
    s->v_dim = v->dim[3];
    HN_TRY(agree(c, "the head size", K, k->dim[3], s->dim));
    HN_TRY(agree(c, "the number of heads", V, v->dim[1], s->kv_heads));
    return agree(c, "the length", V, v->dim[2], s->fresh);
}

static hn_err check_past(hn_call *c, sizes *s)
{
    if (hn_has_in(c, PAST_K) != hn_has_in(c, PAST_V))
        return hn_bad(c, "past_key and past_value go together");
    s->past = 0;
    if (!hn_has_in(c, PAST_K))
        return HN_OK;
    if (hn_has_in(c, NONPAD))
        return hn_bad(c, "nonpad_kv_seqlen is for a cache of the caller's, past_key for one of the model's");
    HN_TRY(hn_want_rank(c, PAST_K, 4));
    HN_TRY(hn_want_rank(c, PAST_V, 4));
    HN_TRY(hn_want_same(c, K, PAST_K));
    HN_TRY(hn_want_same(c, V, PAST_V));
    const hn_shape *k = &c->in[PAST_K]->shape, *v = &c->in[PAST_V]->shape;
    s->past = k->rank == 4 ? k->dim[2] : hn_fresh_dim(c);
    if (k->rank < 0 || v->rank < 0)
        return HN_OK;
    for (int i = PAST_K; i <= PAST_V; i++) {
        HN_TRY(agree(c, "the batch", i, c->in[i]->shape.dim[0], s->batch));
        HN_TRY(agree(c, "the number of heads", i, c->in[i]->shape.dim[1], s->kv_heads));
        HN_TRY(agree(c, "the length", i, c->in[i]->shape.dim[2], s->past));
        HN_TRY(agree(c, "the head size", i, c->in[i]->shape.dim[3], i == PAST_K ? s->dim : s->v_dim));
    }
    return HN_OK;
}

static hn_err read_sizes(hn_call *c, sizes *s)
{
    const hn_shape *q = &c->in[Q]->shape, *k = &c->in[K]->shape, *v = &c->in[V]->shape;
    *s = (sizes){ .batch = q->dim[0] };
    if (q->rank != k->rank || q->rank != v->rank || (q->rank != 3 && q->rank != 4))
        return hn_bad(c, "query, key and value have %d, %d and %d dimensions, expected 3 or 4 of each", q->rank,
                      k->rank, v->rank);
    HN_TRY(agree(c, "the batch", K, k->dim[0], s->batch));
    HN_TRY(agree(c, "the batch", V, v->dim[0], s->batch));
    HN_TRY(q->rank == 3 ? read_packed(c, s) : read_split(c, s));
    bool known = !hn_is_symbol(s->heads) && !hn_is_symbol(s->kv_heads);
    if (known && (s->kv_heads < 1 ? s->heads > 0 : s->heads % s->kv_heads != 0))
        return hn_bad(c, "%lld query heads over %lld key heads", (long long)s->heads, (long long)s->kv_heads);
    return check_past(c, s);
}

static int64_t sum(hn_call *c, int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return hn_is_symbol(a) || hn_is_symbol(b) ? hn_fresh_dim(c) : (int64_t)hn_add((size_t)a, (size_t)b);
}

static int64_t product(hn_call *c, int64_t a, int64_t b)
{
    int64_t p;
    if (hn_is_symbol(a) || hn_is_symbol(b) || __builtin_mul_overflow(a, b, &p))
        return hn_fresh_dim(c);
    return p;
}

/* The mask broadcasts to [B, H, Q, K], except that it may end before the last key. */
static hn_err check_mask(hn_call *c, const sizes *s, int64_t keys)
{
    if (!hn_has_in(c, MASK))
        return HN_OK;
    const hn_shape *m = &c->in[MASK]->shape;
    int64_t full[4] = { s->batch, s->heads, s->queries, keys };
    if (c->in[MASK]->dtype != HN_BOOL)
        HN_TRY(hn_want_float(c, MASK));
    if (m->rank > 4 || m->rank == 0)
        return hn_bad(c, "the mask has %d dimensions, expected 1 to 4", m->rank);
    for (int i = 0; i < m->rank; i++) {
        int64_t want = full[4 - m->rank + i];
        bool last = i == m->rank - 1, known = !hn_is_symbol(m->dim[i]) && !hn_is_symbol(want);
        if (known && (last ? m->dim[i] > want : m->dim[i] != want && m->dim[i] != 1))
            return hn_bad(c, "dimension %d of the mask is %lld, expected %lld", i, (long long)m->dim[i],
                          (long long)want);
    }
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    sizes s;
    for (int i = Q; i <= V; i++)
        HN_TRY(hn_want_float(c, i));
    HN_TRY(hn_want_type(c, NONPAD, HN_I64));
    HN_TRY(hn_want_rank(c, NONPAD, 1));
    if (c->in[Q]->shape.rank < 0 || c->in[K]->shape.rank < 0 || c->in[V]->shape.rank < 0) {
        for (int i = 0; i <= SCORES; i++)
            hn_out(c, i, c->in[i == PRESENT_K ? K : i == PRESENT_V ? V : Q]->dtype, &(hn_shape){ .rank = -1 });
        return HN_OK;
    }
    HN_TRY(read_sizes(c, &s));
    int64_t keys = sum(c, s.past, s.fresh), mode = hn_attr_int(c->node, "qk_matmul_output_mode", 0);
    HN_TRY(check_mask(c, &s, keys));
    if (hn_has_in(c, NONPAD) && c->in[NONPAD]->shape.rank == 1)
        HN_TRY(agree(c, "the batch", NONPAD, c->in[NONPAD]->shape.dim[0], s.batch));
    if (mode < RAW || mode > PROBS)
        return hn_bad(c, "qk_matmul_output_mode is %lld, expected 0 to 3", (long long)mode);
    hn_shape y = { .rank = 4, .dim = { s.batch, s.heads, s.queries, s.v_dim } };
    if (s.packed)
        y = (hn_shape){ .rank = 3, .dim = { s.batch, s.queries, product(c, s.heads, s.v_dim) } };
    hn_out(c, Y, c->in[Q]->dtype, &y);
    hn_out(c, PRESENT_K, c->in[K]->dtype, &(hn_shape){ .rank = 4, .dim = { s.batch, s.kv_heads, keys, s.dim } });
    hn_out(c, PRESENT_V, c->in[V]->dtype, &(hn_shape){ .rank = 4, .dim = { s.batch, s.kv_heads, keys, s.v_dim } });
    hn_out(c, SCORES, c->in[Q]->dtype, &(hn_shape){ .rank = 4, .dim = { s.batch, s.heads, s.queries, keys } });
    return HN_OK;
}

/* ---- Running --------------------------------------------------------------------------------- */

typedef struct bias {
    const double *mask;                       /* NULL: none */
    bool logical;
    size_t step[HN_RANK_MAX], mask_keys;
    const int64_t *nonpad;
    int64_t queries, past, left, right;
    bool causal;
} bias;

static double bias_at(const void *arg, size_t b, size_t h, size_t i, size_t j)
{
    const bias *m = arg;
    int64_t offset = m->nonpad ? m->nonpad[b] - m->queries : m->past;
    int64_t ahead = (int64_t)j - ((int64_t)i + offset);
    if ((m->causal && ahead > 0) || (m->left >= 0 && -ahead > m->left) || (m->right >= 0 && ahead > m->right) ||
        (m->nonpad && (int64_t)j >= m->nonpad[b]))
        return -INFINITY;
    if (!m->mask)
        return 0;
    if (j >= m->mask_keys)
        return -INFINITY;
    double v = m->mask[b * m->step[0] + h * m->step[1] + i * m->step[2] + j];
    return m->logical ? (v != 0 ? 0 : -INFINITY) : v;
}

static hn_err read_bias(hn_call *c, const sizes *s, bias *m)
{
    *m = (bias){ .queries = s->queries, .past = s->past, .causal = hn_attr_int(c->node, "is_causal", 0),
                 .left = hn_attr_int(c->node, "left_window_size", -1),
                 .right = hn_attr_int(c->node, "right_window_size", -1) };
    if (hn_has_in(c, NONPAD)) {
        int64_t *seen;
        HN_TRY(hn_load_i64(c, c->in[NONPAD], &seen));
        for (int64_t b = 0; b < s->batch; b++)
            if (seen[b] < 0 || seen[b] > s->fresh)
                return hn_bad(c, "nonpad_kv_seqlen is %lld for %lld keys", (long long)seen[b], (long long)s->fresh);
        m->nonpad = seen;
    }
    if (!hn_has_in(c, MASK))
        return HN_OK;
    const hn_shape *shape = &c->in[MASK]->shape;
    double *v;
    HN_TRY(hn_load_f64(c, c->in[MASK], &v));
    m->mask = v;
    m->logical = c->in[MASK]->dtype == HN_BOOL;
    m->mask_keys = (size_t)shape->dim[shape->rank - 1];
    hn_broadcast_strides(shape, 4, m->step);
    return HN_OK;
}

/* What came before, then what is new: [B, G, K, n]. */
static hn_err extend(hn_call *c, const sizes *s, int in, int past, int64_t n, double **out)
{
    double *fresh, *old = NULL;
    HN_TRY(hn_heads_load(c, c->in[in], s->packed ? (size_t)s->kv_heads : 0, &fresh));
    *out = fresh;
    if (s->past == 0)
        return HN_OK;
    HN_TRY(hn_load_f64(c, c->in[past], &old));
    size_t a = (size_t)(s->past * n), b = (size_t)(s->fresh * n), pairs = (size_t)(s->batch * s->kv_heads);
    double *to = *out = HN_SCRATCH(c, double, hn_mul(pairs, hn_add(a, b)));
    if (!to)
        return hn_nomem(c->cx, "past keys and values");
    for (size_t i = 0; i < pairs && a + b; i++, to += a + b) {
        memcpy(to, old + i * a, a * sizeof *to);
        memcpy(to + a, fresh + i * b, b * sizeof *to);
    }
    return HN_OK;
}

static hn_err run(hn_call *c)
{
    sizes s;
    bias m;
    double *q, *k, *v, *y, *scores = NULL;
    HN_TRY(read_sizes(c, &s));
    HN_TRY(read_bias(c, &s, &m));
    HN_TRY(hn_heads_load(c, c->in[Q], s.packed ? (size_t)s.heads : 0, &q));
    HN_TRY(extend(c, &s, K, PAST_K, s.dim, &k));
    HN_TRY(extend(c, &s, V, PAST_V, s.v_dim, &v));
    if (hn_has_out(c, PRESENT_K))
        hn_heads_store(c->out[PRESENT_K], k, 0);
    if (hn_has_out(c, PRESENT_V))
        hn_heads_store(c->out[PRESENT_V], v, 0);

    hn_heads a = { .batch = (size_t)s.batch, .heads = (size_t)s.heads, .kv_heads = (size_t)s.kv_heads,
                   .queries = (size_t)s.queries, .keys = (size_t)(s.past + s.fresh), .dim = (size_t)s.dim,
                   .v_dim = (size_t)s.v_dim, .q = q, .k = k, .v = v, .bias = bias_at, .arg = &m,
                   .scale = hn_attr_float(c->node, "scale", 1 / sqrt((double)s.dim)),
                   .softcap = hn_attr_float(c->node, "softcap", 0),
                   .precision = hn_dtype_from_onnx(hn_attr_int(c->node, "softmax_precision", 0)) };
    size_t rows = hn_mul(hn_mul(a.batch, a.heads), a.queries);
    if (rows == 0 || (a.v_dim == 0 && a.keys == 0))
        return HN_OK;
    y = HN_SCRATCH(c, double, hn_mul(rows, a.v_dim));
    if (hn_has_out(c, SCORES))
        scores = HN_SCRATCH(c, double, hn_mul(rows, a.keys));
    if (!y || (hn_has_out(c, SCORES) && !scores))
        return hn_nomem(c->cx, "attention");
    int64_t mode = hn_attr_int(c->node, "qk_matmul_output_mode", 0);
    *(mode == RAW ? &a.raw : mode == CAPPED ? &a.capped : mode == BIASED ? &a.biased : &a.probs) = scores;
    HN_TRY(hn_heads_run(c, &a, y));
    if (hn_has_out(c, Y))
        hn_heads_store(c->out[Y], y, s.packed ? a.heads : 0);
    if (scores)
        hn_put_f64(c->out[SCORES], 0, hn_count(c->out[SCORES]), scores);
    return HN_OK;
}

static double macs(const hn_call *c)
{
    const hn_shape *q = &c->in[Q]->shape, *v = &c->in[V]->shape;
    double keys = (double)v->dim[v->rank - 2];
    if (hn_has_in(c, PAST_K))
        keys += (double)c->in[PAST_K]->shape.dim[2];
    return 2 * (double)hn_count(c->in[Q]) * keys * (q->rank == v->rank);
}

static const hn_attr_spec attr[] = {
    { "is_causal", HN_ATTR_INT, "0" }, { "kv_num_heads", HN_ATTR_INT, "3-d inputs only" },
    { "left_window_size", HN_ATTR_INT, "-1: none" }, { "q_num_heads", HN_ATTR_INT, "3-d inputs only" },
    { "qk_matmul_output_mode", HN_ATTR_INT, "0: raw; 1: capped; 2: with the mask; 3: probabilities" },
    { "right_window_size", HN_ATTR_INT, "-1: none" }, { "scale", HN_ATTR_FLOAT, "1 / sqrt(head size)" },
    { "softcap", HN_ATTR_FLOAT, "0: none" }, { "softmax_precision", HN_ATTR_INT, "no rounding" }, { 0 }
};

const hn_op hn_op_attention = {
    .name = "Attention", .since = 25, .min_in = 3, .max_in = 7, .min_out = 1, .max_out = 4, .attr = attr,
    .infer = infer, .run = run, .macs = macs,
};
