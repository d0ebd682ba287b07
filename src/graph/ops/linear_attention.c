/* SPDX-License-Identifier: Apache-2.0 */
/* linear_attention.c: sequence layers that carry a small state from step to step instead of a cache of
 * everything seen: LinearAttention and CausalConvWithState. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/load.h"

static hn_err fits(hn_call *c, int i, int rank, const int64_t *dim)
{
    const hn_shape *s = &c->in[i]->shape;
    HN_TRY(hn_want_rank(c, i, rank));
    for (int d = 0; d < s->rank; d++)
        if (hn_dims_differ(s->dim[d], dim[d]))
            return hn_bad(c, "dimension %d of input %d is %lld, expected %lld", d, i, (long long)s->dim[d],
                          (long long)dim[d]);
    return HN_OK;
}

/* ---- LinearAttention ---------------------------------------------------------------------------
 *
 *     q [B, T, H D]   k [B, T, G D]   v [B, T, G E]   state [B, G, D, E]   decay [B, T, G or G D]
 *     beta [B, T, G or 1]   ->   y [B, T, H E]   state [B, G, D, E]
 *
 * Each step: state *= exp(decay); v = beta (v - k state) when the rule corrects; state += k v;
 * y = scale q state. */

enum { Q, K, V, STATE, DECAY, BETA };

typedef struct shape {
    int64_t batch, steps, heads, kv_heads, dim, v_dim;
    bool gated, corrects;
} shape;

static hn_err head_size(hn_call *c, int i, int64_t heads, int64_t *out)
{
    int64_t all = c->in[i]->shape.dim[2];
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

static hn_err read_shape(hn_call *c, shape *s)
{
    const hn_node *n = c->node;
    int64_t k_dim;
    *s = (shape){ .batch = c->in[Q]->shape.dim[0], .steps = c->in[Q]->shape.dim[1],
                  .heads = hn_attr_int(n, "q_num_heads", 0), .kv_heads = hn_attr_int(n, "kv_num_heads", 0),
                  .gated = hn_attr_is(n, "update_rule", "gated", "gated_delta"),
                  .corrects = hn_attr_is(n, "update_rule", "delta", "gated_delta") };
    if (hn_attr_is(n, "update_rule", "gated_delta", "gated_delta"))
        s->gated = s->corrects = true;
    else if (!s->gated && !s->corrects && !hn_attr_is(n, "update_rule", "linear", ""))
        return hn_bad(c, "update_rule is none of linear, gated, delta and gated_delta");
    if (s->kv_heads < 1 || s->heads < 1 || s->heads % s->kv_heads)
        return hn_bad(c, "%lld query heads over %lld key heads", (long long)s->heads, (long long)s->kv_heads);
    if (s->gated != hn_has_in(c, DECAY) || s->corrects != hn_has_in(c, BETA))
        return hn_bad(c, "decay is for the gated rules, beta for the delta rules, and those need them");
    HN_TRY(head_size(c, Q, s->heads, &s->dim));
    HN_TRY(head_size(c, K, s->kv_heads, &k_dim));
    if (hn_dims_differ(k_dim, s->dim))
        return hn_bad(c, "keys have heads of %lld, queries of %lld", (long long)k_dim, (long long)s->dim);
    return head_size(c, V, s->kv_heads, &s->v_dim);
}

/* Decay and beta: [B, T, one of two numbers]. */
static hn_err check_rate(hn_call *c, int i, const shape *s, int64_t a, int64_t b)
{
    if (!hn_has_in(c, i))
        return HN_OK;
    HN_TRY(hn_want_float(c, i));
    HN_TRY(hn_want_rank(c, i, 3));
    const hn_shape *r = &c->in[i]->shape;
    int64_t last = r->rank == 3 ? r->dim[2] : a;
    if (hn_dims_differ(last, a) && hn_dims_differ(last, b))
        return hn_bad(c, "input %d has rows of %lld, expected %lld or %lld", i, (long long)last, (long long)a, (long long)b);
    return fits(c, i, 3, (int64_t[]){ s->batch, s->steps, last });
}

static hn_err infer_linear(hn_call *c)
{
    shape s;
    hn_dtype state = hn_has_in(c, STATE) ? c->in[STATE]->dtype : c->in[Q]->dtype;
    for (int i = Q; i <= V; i++) {
        HN_TRY(hn_want_float(c, i));
        HN_TRY(hn_want_rank(c, i, 3));
        if (c->in[i]->shape.rank < 0)
            return hn_unsupported(c, "inputs of unknown rank");
    }
    HN_TRY(read_shape(c, &s));
    for (int i = K; i <= V; i++)
        HN_TRY(fits(c, i, 3, (int64_t[]){ s.batch, s.steps, c->in[i]->shape.dim[2] }));
    int64_t st[] = { s.batch, s.kv_heads, s.dim, s.v_dim };
    if (hn_has_in(c, STATE)) {
        HN_TRY(hn_want_float(c, STATE));
        HN_TRY(fits(c, STATE, 4, st));
    }
    int64_t wide = hn_is_symbol(s.dim) ? s.dim : c->in[K]->shape.dim[2];
    HN_TRY(check_rate(c, DECAY, &s, s.kv_heads, wide));
    HN_TRY(check_rate(c, BETA, &s, s.kv_heads, 1));
    hn_shape y = { .rank = 3, .dim = { s.batch, s.steps, 0 } }, last = hn_shape_of(4, st);
    if (hn_is_symbol(s.v_dim) || __builtin_mul_overflow(s.heads, s.v_dim, &y.dim[2]))
        y.dim[2] = hn_fresh_dim(c);
    hn_out(c, 0, c->in[Q]->dtype, &y);
    hn_out(c, 1, state, &last);
    return HN_OK;
}

/* One key head's step; state [D, E], decay one number or one per row. */
static void update(const shape *s, double *state, const double *k, const double *v, const double *decay, bool wide,
                   double beta, double *fresh)
{
    size_t rows = (size_t)s->dim, n = (size_t)s->v_dim;
    for (size_t d = 0; d < rows && decay; d++) {
        double by = exp(decay[wide ? d : 0]);
        for (size_t m = 0; m < n; m++)
            state[d * n + m] *= by;
    }
    for (size_t m = 0; m < n; m++) {
        double known = 0;
        for (size_t d = 0; d < rows && s->corrects; d++)
            known += state[d * n + m] * k[d];
        fresh[m] = s->corrects ? beta * (v[m] - known) : v[m];
    }
    for (size_t d = 0; d < rows; d++)
        for (size_t m = 0; m < n; m++)
            state[d * n + m] += k[d] * fresh[m];
}

static hn_err run_linear(hn_call *c)
{
    double *v[BETA + 1] = { NULL }, *state;
    shape s;
    HN_TRY(read_shape(c, &s));
    for (int i = Q; i <= BETA; i++)
        if (hn_has_in(c, i))
            HN_TRY(hn_load_f64(c, c->in[i], &v[i]));
    size_t dim = (size_t)s.dim, n = (size_t)s.v_dim, group = (size_t)(s.heads / s.kv_heads);
    size_t state_count = hn_mul(hn_mul((size_t)s.batch, (size_t)s.kv_heads), hn_mul(dim, n));
    double *fresh = HN_SCRATCH(c, double, n), *row = HN_SCRATCH(c, double, n);
    state = v[STATE] ? v[STATE] : HN_SCRATCH(c, double, state_count);
    if (!fresh || !row || !state)
        return hn_nomem(c->cx, "linear attention");
    size_t decays = v[DECAY] ? (size_t)c->in[DECAY]->shape.dim[2] : 0, wide = decays != (size_t)s.kv_heads;
    size_t betas = v[BETA] ? (size_t)c->in[BETA]->shape.dim[2] : 0;
    double scale = hn_attr_float(c->node, "scale", 0);
    if (scale == 0)
        scale = 1 / sqrt((double)s.dim);

    size_t tokens = n && dim ? hn_mul((size_t)s.batch, (size_t)s.steps) : 0;
    for (size_t t = 0; t < tokens; t++)
        for (size_t g = 0; g < (size_t)s.kv_heads; g++) {
            double *st = state + (t / (size_t)s.steps * (size_t)s.kv_heads + g) * dim * n;
            size_t at = t * (size_t)s.kv_heads + g;
            update(&s, st, v[K] + at * dim, v[V] + at * n,
                   v[DECAY] ? v[DECAY] + t * decays + (wide ? g * dim : g) : NULL, wide,
                   v[BETA] ? v[BETA][t * betas + (betas == 1 ? 0 : g)] : 1, fresh);
            for (size_t h = g * group; h < (g + 1) * group; h++) {
                const double *q = v[Q] + (t * (size_t)s.heads + h) * dim;
                for (size_t m = 0; m < n; m++) {
                    row[m] = 0;
                    for (size_t d = 0; d < dim; d++)
                        row[m] += scale * q[d] * st[d * n + m];
                }
                if (hn_has_out(c, 0))
                    hn_put_f64(c->out[0], (t * (size_t)s.heads + h) * n, n, row);
            }
        }
    if (hn_has_out(c, 1))
        hn_put_f64(c->out[1], 0, hn_count(c->out[1]), state);
    return HN_OK;
}

/* ---- CausalConvWithState: a depthwise filter over what came before and what is new ---------------
 *
 *     x [B, C, L]   w [C, 1, k]   bias [C]   state [B, C, k - 1]   ->   y [B, C, L]   state */

enum { X, W, BIAS, CARRIED };

static hn_err infer_causal(hn_call *c)
{
    const hn_shape *x = &c->in[X]->shape, *w = &c->in[W]->shape;
    hn_shape state = { .rank = 3 };
    HN_TRY(hn_want_float(c, X));
    HN_TRY(hn_want_rank(c, X, 3));
    HN_TRY(hn_want_rank(c, W, 3));
    for (int i = W; i <= CARRIED; i++)
        HN_TRY(hn_want_same(c, X, i));
    if (!hn_attr_is(c->node, "activation", "none", "none") && !hn_attr_is(c->node, "activation", "silu", "none") &&
        !hn_attr_is(c->node, "activation", "swish", "none"))
        return hn_bad(c, "activation is none of none, silu and swish");
    int64_t channels = x->rank == 3 ? x->dim[1] : hn_fresh_dim(c), batch = x->rank == 3 ? x->dim[0] : hn_fresh_dim(c);
    int64_t taps = w->rank == 3 ? w->dim[2] : hn_fresh_dim(c);
    if (!hn_is_symbol(taps) && taps < 1)
        return hn_bad(c, "the filter has no taps");
    HN_TRY(fits(c, W, 3, (int64_t[]){ channels, 1, taps }));
    state.dim[0] = batch;
    state.dim[1] = channels;
    state.dim[2] = hn_is_symbol(taps) ? hn_fresh_dim(c) : taps - 1;
    if (hn_has_in(c, BIAS))
        HN_TRY(fits(c, BIAS, 1, &channels));
    if (hn_has_in(c, CARRIED))
        HN_TRY(fits(c, CARRIED, 3, state.dim));
    hn_out(c, 1, c->in[X]->dtype, &state);
    return hn_infer_same(c);
}

static hn_err run_causal(hn_call *c)
{
    const hn_shape *x = &c->in[X]->shape;
    size_t rows = hn_mul((size_t)x->dim[0], (size_t)x->dim[1]), channels = (size_t)x->dim[1];
    size_t steps = (size_t)x->dim[2], taps = (size_t)c->in[W]->shape.dim[2];
    bool swish = !hn_attr_is(c->node, "activation", "none", "none");
    double *v[CARRIED + 1] = { NULL }, *line = HN_SCRATCH(c, double, hn_add(steps, taps));
    double *y = HN_SCRATCH(c, double, steps);
    if (!line || !y)
        return hn_nomem(c->cx, "a filter");
    for (int i = X; i <= CARRIED; i++)
        if (hn_has_in(c, i))
            HN_TRY(hn_load_f64(c, c->in[i], &v[i]));
    for (size_t r = 0; r < rows && steps + taps > 1; r++) {
        const double *w = v[W] + r % channels * taps;
        memset(line, 0, (taps - 1) * sizeof *line);
        if (v[CARRIED] && taps > 1)
            memcpy(line, v[CARRIED] + r * (taps - 1), (taps - 1) * sizeof *line);
        if (steps)
            memcpy(line + taps - 1, v[X] + r * steps, steps * sizeof *line);
        for (size_t t = 0; t < steps; t++) {
            double sum = v[BIAS] ? v[BIAS][r % channels] : 0;
            for (size_t k = 0; k < taps; k++)
                sum += w[k] * line[t + k];
            y[t] = swish ? sum / (1 + exp(-sum)) : sum;
        }
        if (hn_has_out(c, 0))
            hn_put_f64(c->out[0], r * steps, steps, y);
        if (hn_has_out(c, 1))
            hn_put_f64(c->out[1], r * (taps - 1), taps - 1, line + steps);
    }
    return HN_OK;
}

static const hn_attr_spec linear_attr[] = {
    { "chunk_size", HN_ATTR_INT, "a hint" }, { "kv_num_heads", HN_ATTR_INT, "" }, { "q_num_heads", HN_ATTR_INT, "" },
    { "scale", HN_ATTR_FLOAT, "0: 1 / sqrt(head size)" }, { "update_rule", HN_ATTR_TEXT, "gated_delta" }, { 0 }
};
static const hn_attr_spec causal_attr[] = { { "activation", HN_ATTR_TEXT, "none" }, { 0 } };

const hn_op hn_op_linear_attention = {
    .name = "LinearAttention", .since = 27, .min_in = 3, .max_in = 6, .min_out = 1, .max_out = 2,
    .attr = linear_attr, .infer = infer_linear, .run = run_linear,
};

const hn_op hn_op_causal_conv_with_state = {
    .name = "CausalConvWithState", .since = 27, .min_in = 2, .max_in = 4, .min_out = 1, .max_out = 2,
    .attr = causal_attr, .infer = infer_causal, .run = run_causal,
};
