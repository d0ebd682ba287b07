/* SPDX-License-Identifier: Apache-2.0 */
/* qrecurrent.c: an LSTM in integers: 8-bit operands, gates and cell state of 16 bits.
 *
 *     x [batch, steps, I]   w [4 H, I]   r [4 H, H]   bias [4 H]   factor [8]   y [batch, steps, H]
 *
 * Gates come as input, forget, cell, output.  A gate's sum, x w and h r each rescaled by its factor (four
 * for w, four for r), has 12 bits behind the point, its sigmoid or tanh 15, the cell state -cell_exponent. */
#include <math.h>

#include "graph/fixed16.h"
#include "graph/integer.h"
#include "graph/load.h"

enum { X, W, R, FACTOR, BIAS };
enum { IN, FORGET, FRESH, OUT, GATES };

typedef struct cell {
    hn_integers q;                   /* y_zero: of h too */
    size_t batch, steps, in, hidden;
    int exponent;                    /* of the cell state's scale, a power of two */
    int32_t clip;
    hn_factor factor[2 * GATES], y;
} cell;

static hn_err infer(hn_call *c)
{
    hn_integers q;
    double scale;
    const hn_shape *x = &c->in[X]->shape, *w = &c->in[W]->shape, *r = &c->in[R]->shape;
    int64_t exponent = hn_attr_int(c->node, "cell_exponent", -12);
    for (int i = X; i <= R; i++)
        HN_TRY(hn_want_type(c, i, HN_I8));
    HN_TRY(hn_want_type(c, FACTOR, HN_F64));
    HN_TRY(hn_want_type(c, BIAS, HN_I32));
    HN_TRY(hn_want_rank(c, X, 3));
    HN_TRY(hn_want_rank(c, W, 2));
    HN_TRY(hn_want_rank(c, R, 2));
    HN_TRY(hn_integers_read(c, HN_I8, &q));
    HN_TRY(hn_scale_read(c, "y_scale", &scale));
    if (exponent != -12)
        return hn_unsupported(c, "a cell state of scale 2^%lld", (long long)exponent);
    hn_shape y = *x;
    if (x->rank == 3 && r->rank == 2) {
        if (w->rank == 2 && (hn_dims_differ(w->dim[0], r->dim[0]) || hn_dims_differ(w->dim[1], x->dim[2])))
            return hn_bad(c, "input and weights do not fit each other");
        if (!hn_is_symbol(r->dim[0]) && (r->dim[0] % GATES || r->dim[0] / GATES != r->dim[1]))
            return hn_bad(c, "recurrent weights of %lld rows and %lld columns", (long long)r->dim[0], (long long)r->dim[1]);
        y.dim[2] = r->dim[1];
    }
    if (hn_shape_known(&c->in[FACTOR]->shape) && hn_count(c->in[FACTOR]) != 2 * GATES)
        return hn_bad(c, "%zu factors, expected %d", hn_count(c->in[FACTOR]), 2 * GATES);
    if (hn_has_in(c, BIAS) && hn_shape_known(&c->in[BIAS]->shape) && hn_shape_known(r) &&
        hn_count(c->in[BIAS]) != (size_t)r->dim[0])
        return hn_bad(c, "%zu biases, expected %lld", hn_count(c->in[BIAS]), (long long)r->dim[0]);
    hn_out(c, 0, HN_I8, &y);
    return HN_OK;
}

static hn_err read_cell(hn_call *c, cell *k)
{
    const hn_shape *x = &c->in[X]->shape;
    double scale, clip = hn_attr_float(c->node, "cell_clip", 0);
    hn_factor *f;
    size_t count;
    HN_TRY(hn_integers_read(c, HN_I8, &k->q));
    HN_TRY(hn_scale_read(c, "y_scale", &scale));
    HN_TRY(hn_factors_read(c, FACTOR, &f, &count));
    for (size_t i = 0; i < 2 * GATES; i++)
        k->factor[i] = f[i];
    k->batch = (size_t)x->dim[0];
    k->steps = (size_t)x->dim[1];
    k->in = (size_t)x->dim[2];
    k->hidden = (size_t)c->in[R]->shape.dim[1];
    k->exponent = (int)hn_attr_int(c->node, "cell_exponent", -12);
    k->y = hn_factor_of(ldexp(1, -15) / scale * ldexp(1, -15));
    k->clip = clip > 0 ? (int32_t)fmin(ldexp(clip, -k->exponent), INT16_MAX) : INT16_MAX;
    return HN_OK;
}

static int32_t dot(const int64_t *w, const int64_t *x, size_t n, int32_t zero)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += w[i] * (x[i] - zero);
    return (int32_t)sum;
}

/* Unit i of gate g, before its function. */
static int16_t gate_sum(const cell *k, int g, size_t i, const int64_t *w, const int64_t *r, const int64_t *bias,
                        const int64_t *x, const int64_t *h)
{
    size_t row = (size_t)g * k->hidden + i;
    int32_t in = dot(w + row * k->in, x, k->in, k->q.x_zero) + (int32_t)(bias ? bias[row] : 0);
    int32_t back = dot(r + row * k->hidden, h, k->hidden, k->q.y_zero);
    int32_t sum = hn_clamp_i32(hn_rescale(in, k->factor[g], k->q.rounding), INT16_MIN, INT16_MAX);
    return (int16_t)hn_clamp_i32((int64_t)sum + hn_rescale(back, k->factor[GATES + g], k->q.rounding), INT16_MIN, INT16_MAX);
}

/* One step of one sequence: c in place, the new h into next. */
static void step(const cell *k, const int64_t *w, const int64_t *r, const int64_t *bias, const int64_t *x,
                 const int64_t *h, int16_t *c, int64_t *next)
{
    for (size_t i = 0; i < k->hidden; i++) {
        int32_t in = hn_sigmoid_16(gate_sum(k, IN, i, w, r, bias, x, h));
        int32_t forget = hn_sigmoid_16(gate_sum(k, FORGET, i, w, r, bias, x, h));
        int32_t fresh = hn_tanh_16(gate_sum(k, FRESH, i, w, r, bias, x, h));
        int32_t kept = (int16_t)hn_round_shift(forget * c[i], 15);
        int32_t added = (int16_t)hn_round_shift(in * fresh, 30 + k->exponent);
        c[i] = (int16_t)hn_clamp_i32(hn_clamp_i32(kept + added, INT16_MIN, INT16_MAX), -k->clip, k->clip);
        int32_t out = hn_sigmoid_16(gate_sum(k, OUT, i, w, r, bias, x, h));
        int64_t y = (int64_t)hn_rescale(out * hn_tanh_16(c[i]), k->y, k->q.rounding) + k->q.y_zero;
        next[i] = hn_clamp_i32(y, k->q.low, k->q.high);
    }
}

static hn_err run(hn_call *c)
{
    cell k;
    int64_t *x, *w, *r, *bias = NULL;
    HN_TRY(read_cell(c, &k));
    HN_TRY(hn_load_i64(c, c->in[X], &x));
    HN_TRY(hn_load_i64(c, c->in[W], &w));
    HN_TRY(hn_load_i64(c, c->in[R], &r));
    if (hn_has_in(c, BIAS))
        HN_TRY(hn_load_i64(c, c->in[BIAS], &bias));
    int64_t *y = HN_SCRATCH(c, int64_t, hn_count(c->out[0])), *zero = HN_SCRATCH(c, int64_t, k.hidden);
    int16_t *state = HN_SCRATCH(c, int16_t, k.hidden);
    if (!y || !zero || !state)
        return hn_nomem(c->cx, "a recurrent cell");
    for (size_t i = 0; i < k.hidden; i++)
        zero[i] = k.q.y_zero;                    /* what stands for 0 */
    for (size_t b = 0; b < k.batch; b++) {
        const int64_t *h = zero;
        for (size_t i = 0; i < k.hidden; i++)
            state[i] = 0;
        for (size_t t = b * k.steps; t < (b + 1) * k.steps; t++) {
            step(&k, w, r, bias, x + t * k.in, h, state, y + t * k.hidden);
            h = y + t * k.hidden;
        }
    }
    hn_put_i64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

static double macs(const hn_call *c)
{
    return (double)hn_shape_product(&c->in[X]->shape, 0, 2) * ((double)hn_count(c->in[W]) + (double)hn_count(c->in[R]));
}

static const hn_attr_spec attr[] = {
    { "cell_clip", HN_ATTR_FLOAT, "none" }, { "cell_exponent", HN_ATTR_INT, "-12" }, HN_INTEGER_ATTRS,
    { "x_zero", HN_ATTR_INT, "0" }, { "y_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};

const hn_op hn_op_qlstm = {
    .name = "QLSTM", .domain = "hone", .since = 1, .min_in = 4, .max_in = 5, .min_out = 1, .max_out = 1,
    .attr = attr, .infer = infer, .run = run, .macs = macs,
};
