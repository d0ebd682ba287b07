/* SPDX-License-Identifier: Apache-2.0 */
/* random.c: numbers by chance: Dropout, Bernoulli, RandomUniform, RandomNormal, Multinomial.
 *
 * The generator is MT19937 seeded with one number, and a uniform number is made of 53 of its bits, as in
 * ONNX's reference implementation: a Dropout with a seed drops what the reference drops.  The standard
 * fixes nothing for the others, nor anything for a node without a seed. */
#include <math.h>

#include "base/clock.h"
#include "graph/strided.h"

enum { N = 624, M = 397 };

typedef struct rng {
    uint32_t state[N];
    int at;
} rng;

static void seed(rng *r, uint32_t v)
{
    for (uint32_t i = 0; i < N; i++) {
        r->state[i] = v;
        v = 1812433253u * (v ^ v >> 30) + i + 1;
    }
    r->at = N;
}

static uint32_t next(rng *r)
{
    if (r->at == N) {
        for (int i = 0; i < N; i++) {
            uint32_t y = (r->state[i] & 0x80000000u) | (r->state[(i + 1) % N] & 0x7FFFFFFFu);
            r->state[i] = r->state[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
        }
        r->at = 0;
    }
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9D2C5680u;
    y ^= y << 15 & 0xEFC60000u;
    return y ^ y >> 18;
}

/* In [0, 1). */
static double uniform(rng *r)
{
    uint32_t high = next(r) >> 5, low = next(r) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

/* The node's seed; a float for all but Dropout.  Without one every run differs. */
static void start(const hn_call *c, rng *r)
{
    const hn_attr *a = hn_attr_find(c->node, "seed");
    uint64_t now = hn_now_ns();
    if (a && a->kind == HN_ATTR_INT)
        now = (uint64_t)a->i;
    else if (a && a->kind == HN_ATTR_FLOAT)
        now = a->f >= 0 && a->f < 0x1p32f ? (uint64_t)a->f : 0;
    seed(r, (uint32_t)now);
}

/* ---- Dropout --------------------------------------------------------------------------- */

static hn_err infer_dropout(hn_call *c)
{
    if (!hn_is_float(c->in[0]->dtype))
        return hn_bad(c, "input is %s, expected a float type", hn_dtype_name(c->in[0]->dtype));
    if (hn_has_in(c, 1) && !hn_is_float(c->in[1]->dtype))
        return hn_bad(c, "the ratio is %s, expected a float type", hn_dtype_name(c->in[1]->dtype));
    if (hn_has_in(c, 2) && c->in[2]->dtype != HN_BOOL)
        return hn_bad(c, "training_mode is %s, expected bool", hn_dtype_name(c->in[2]->dtype));
    for (int i = 1; i < c->in_count; i++)
        if (c->in[i] && hn_shape_known(&c->in[i]->shape) && hn_count(c->in[i]) != 1)
            return hn_bad(c, "input %d has %zu elements, expected 1", i, hn_count(c->in[i]));
    hn_out(c, 0, c->in[0]->dtype, &c->in[0]->shape);
    hn_out(c, 1, HN_BOOL, &c->in[0]->shape);
    return HN_OK;
}

static hn_err run_dropout(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    size_t count = hn_count(x);
    bool training = hn_has_in(c, 2) && *(const uint8_t *)c->in[2]->data;
    double ratio = 0.5;
    rng r;

    if (hn_has_in(c, 1))
        hn_get_f64(c->in[1], 0, 1, &ratio);
    if (!(ratio >= 0 && ratio < 1))
        return hn_bad(c, "the ratio is %g, expected at least 0 and below 1", ratio);
    start(c, &r);
    for (size_t i = 0; i < count; i++) {
        bool keep = !training || ratio == 0 || uniform(&r) >= ratio;
        double v;
        hn_get_f64(x, i, 1, &v);
        v = training ? (keep ? v / (1 - ratio) : 0) : v;
        if (hn_has_out(c, 0))
            hn_put_f64(c->out[0], i, 1, &v);
        if (hn_has_out(c, 1))
            ((uint8_t *)c->out[1]->data)[i] = keep;
    }
    return HN_OK;
}

/* ---- One number per element ------------------------------------------------------------ */

/* Type from the attribute, otherwise `missing`. */
static hn_err find_type(hn_call *c, hn_dtype missing, hn_dtype *out)
{
    int64_t code = hn_attr_int(c->node, "dtype", hn_dtype_to_onnx(missing));
    int class = hn_dtype_class(hn_dtype_from_onnx(code));
    if (class == HN_CLASS_NONE || class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_bad(c, "dtype is %lld, expected a numeric type", (long long)code);
    *out = hn_dtype_from_onnx(code);
    return HN_OK;
}

static hn_err infer_like(hn_call *c)
{
    hn_dtype t;
    HN_TRY(find_type(c, c->in[0]->dtype, &t));
    hn_out(c, 0, t, &c->in[0]->shape);
    return HN_OK;
}

static hn_err infer_shaped(hn_call *c)
{
    const int64_t *dim;
    size_t rank = hn_attr_ints(c->node, "shape", &dim);
    hn_dtype t;

    HN_TRY(find_type(c, HN_F32, &t));
    if (!hn_attr_find(c->node, "shape"))
        return hn_bad(c, "attribute 'shape' is missing");
    if (rank > HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    for (size_t i = 0; i < rank; i++)
        if (dim[i] < 0)
            return hn_bad(c, "dimension %zu is %lld", i, (long long)dim[i]);
    hn_shape s = hn_shape_of((int)rank, dim);
    hn_out(c, 0, t, &s);
    return HN_OK;
}

static hn_err run_uniform(hn_call *c)
{
    double low = hn_attr_float(c->node, "low", 0), high = hn_attr_float(c->node, "high", 1);
    size_t count = hn_count(c->out[0]);
    rng r;
    start(c, &r);
    for (size_t i = 0; i < count; i++) {
        double v = low + (high - low) * uniform(&r);
        hn_put_f64(c->out[0], i, 1, &v);
    }
    return HN_OK;
}

/* Box and Muller: two uniform numbers make a normal one. */
static hn_err run_normal(hn_call *c)
{
    double mean = hn_attr_float(c->node, "mean", 0), scale = hn_attr_float(c->node, "scale", 1);
    size_t count = hn_count(c->out[0]);
    rng r;
    start(c, &r);
    for (size_t i = 0; i < count; i++) {
        double radius = sqrt(-2 * log(1 - uniform(&r)));      /* 1 - [0, 1) is never 0 */
        double v = mean + scale * radius * cos(6.28318530717958647692 * uniform(&r));
        hn_put_f64(c->out[0], i, 1, &v);
    }
    return HN_OK;
}

static hn_err run_bernoulli(hn_call *c)
{
    size_t count = hn_count(c->in[0]);
    rng r;
    start(c, &r);
    for (size_t i = 0; i < count; i++) {
        double p;
        hn_get_f64(c->in[0], i, 1, &p);
        int64_t v = uniform(&r) < p;
        hn_put_i64(c->out[0], i, 1, &v);
    }
    return HN_OK;
}

/* ---- Multinomial: classes drawn by their unnormalised log-probabilities ---------------- */

static hn_err infer_multinomial(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int64_t samples = hn_attr_int(c->node, "sample_size", 1);
    hn_shape s = { .rank = 2, .dim = { x->rank == 2 ? x->dim[0] : hn_fresh_dim(c), samples } };
    hn_dtype t;

    HN_TRY(find_type(c, HN_I32, &t));
    if (!hn_is_float(c->in[0]->dtype) || (x->rank >= 0 && x->rank != 2))
        return hn_bad(c, "expected a float input of rank 2");
    if (samples < 1)
        return hn_bad(c, "sample_size is %lld", (long long)samples);
    if (x->rank == 2 && x->dim[1] == 0)
        return hn_bad(c, "there are no classes to draw from");
    hn_out(c, 0, t, &s);
    return HN_OK;
}

static hn_err run_multinomial(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    size_t rows = (size_t)x->shape.dim[0], classes = (size_t)x->shape.dim[1];
    size_t samples = (size_t)c->out[0]->shape.dim[1];
    double *p = HN_SCRATCH(c, double, classes);
    rng r;

    if (!p)
        return hn_nomem(c->cx, "a draw");
    start(c, &r);
    for (size_t row = 0; row < rows; row++) {
        double most = -INFINITY, sum = 0;
        hn_get_f64(x, row * classes, classes, p);
        for (size_t i = 0; i < classes; i++)
            most = p[i] > most ? p[i] : most;
        for (size_t i = 0; i < classes; i++)
            sum += p[i] = exp(p[i] - most);
        for (size_t s = 0; s < samples; s++) {
            double left = uniform(&r) * sum;
            int64_t pick = 0;
            while (pick + 1 < (int64_t)classes && (left -= p[pick]) >= 0)
                pick++;
            hn_put_i64(c->out[0], row * samples + s, 1, &pick);
        }
    }
    return HN_OK;
}

#define TYPE { "dtype", HN_ATTR_INT, "type of the output" }
#define SEED { "seed", HN_ATTR_FLOAT, "none: every run differs" }
#define SIZES { "shape", HN_ATTR_INTS, "" }
#define BOUNDS { "low", HN_ATTR_FLOAT, "0" }, { "high", HN_ATTR_FLOAT, "1" }
#define MOMENTS { "mean", HN_ATTR_FLOAT, "0" }, { "scale", HN_ATTR_FLOAT, "1" }

static const hn_attr_spec dropout_attr[] = { { "seed", HN_ATTR_INT, "none: every run differs" }, { 0 } };
static const hn_attr_spec bernoulli_attr[] = { TYPE, SEED, { 0 } };
static const hn_attr_spec uniform_attr[] = { TYPE, SEED, SIZES, BOUNDS, { 0 } };
static const hn_attr_spec uniform_like_attr[] = { TYPE, SEED, BOUNDS, { 0 } };
static const hn_attr_spec normal_attr[] = { TYPE, SEED, SIZES, MOMENTS, { 0 } };
static const hn_attr_spec normal_like_attr[] = { TYPE, SEED, MOMENTS, { 0 } };
static const hn_attr_spec multinomial_attr[] = {
    TYPE, SEED, { "sample_size", HN_ATTR_INT, "1" }, { 0 }
};

#define RANDOM(id, onnx, ins_min, ins_max, outs_max, attrs, infer_fn, run_fn)                           \
    const hn_op hn_op_##id = { .name = onnx, .since = 22, .min_in = ins_min, .max_in = ins_max,         \
        .min_out = 1, .max_out = outs_max, .flags = HN_OP_RANDOM, .attr = attrs,                        \
        .infer = infer_fn, .run = run_fn };

RANDOM(dropout,             "Dropout",           1, 3, 2, dropout_attr,      infer_dropout,     run_dropout)
RANDOM(bernoulli,           "Bernoulli",         1, 1, 1, bernoulli_attr,    infer_like,        run_bernoulli)
RANDOM(random_uniform,      "RandomUniform",     0, 0, 1, uniform_attr,      infer_shaped,      run_uniform)
RANDOM(random_uniform_like, "RandomUniformLike", 1, 1, 1, uniform_like_attr, infer_like,        run_uniform)
RANDOM(random_normal,       "RandomNormal",      0, 0, 1, normal_attr,       infer_shaped,      run_normal)
RANDOM(random_normal_like,  "RandomNormalLike",  1, 1, 1, normal_like_attr,  infer_like,        run_normal)
RANDOM(multinomial,         "Multinomial",       1, 1, 1, multinomial_attr,  infer_multinomial, run_multinomial)
