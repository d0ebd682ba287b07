/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent.c: RNN, GRU and LSTM: cells stepped through time.
 *
 *     x [T, B, I]   w [D, G H, I]   r [D, G H, H]   b [D, 2 G H]   lens [B]   h0, c0 [D, B, H]   p [D, 3 H]
 *     y [T, D, B, H]   y_h, y_c [D, B, H]          (layout 1: the batch comes first everywhere)
 *
 * D directions, G gates (1, 3, 4), H hidden units.  Gate orders: LSTM i o f c, GRU z r h. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/load.h"

enum { X, W, R, B, LENS, H0, C0, P };       /* inputs; C0 and P are the LSTM's alone */
enum { FUNCTIONS = 3 };                     /* activations: f, g, h */

typedef struct function {
    double (*f)(double x, double a, double b);
    double a, b;
} function;

typedef struct cell {
    size_t gates, dirs, hidden, input, steps, batch;
    int functions;                          /* per direction */
    bool batch_first, backward_only, linear_before_reset, input_forget;
    double clip, cell_clip;                 /* infinity: none */
    function act[2][FUNCTIONS];
} cell;

/* ---- Activations ------------------------------------------------------------------------- */

static double f_sigmoid(double x, double a, double b) { (void)a, (void)b; return 1 / (1 + exp(-x)); }
static double f_tanh(double x, double a, double b) { (void)a, (void)b; return tanh(x); }
static double f_relu(double x, double a, double b) { (void)a, (void)b; return x < 0 ? 0 : x; }
static double f_affine(double x, double a, double b) { return a * x + b; }
static double f_leaky(double x, double a, double b) { (void)b; return x < 0 ? a * x : x; }
static double f_threshold(double x, double a, double b) { (void)b; return x >= a ? x : 0; }
static double f_scaled_tanh(double x, double a, double b) { return a * tanh(b * x); }
static double f_hard_sigmoid(double x, double a, double b) { return fmin(fmax(a * x + b, 0), 1); }
static double f_elu(double x, double a, double b) { (void)b; return x >= 0 ? x : a * (exp(x) - 1); }
static double f_softsign(double x, double a, double b) { (void)a, (void)b; return x / (1 + fabs(x)); }
static double f_softplus(double x, double a, double b) { (void)a, (void)b; return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static const struct { const char *name; function f; int takes; } functions[] = {
    { "sigmoid", { f_sigmoid, 0, 0 }, 0 },          { "tanh", { f_tanh, 0, 0 }, 0 },
    { "relu", { f_relu, 0, 0 }, 0 },                { "affine", { f_affine, 1, 0 }, 2 },
    { "leakyrelu", { f_leaky, 0.01, 0 }, 1 },       { "thresholdedrelu", { f_threshold, 1, 0 }, 1 },
    { "scaledtanh", { f_scaled_tanh, 1, 1 }, 2 },   { "hardsigmoid", { f_hard_sigmoid, 0.2, 0.5 }, 2 },
    { "elu", { f_elu, 1, 0 }, 1 },                  { "softsign", { f_softsign, 0, 0 }, 0 },
    { "softplus", { f_softplus, 0, 0 }, 0 },
};

static bool same_name(hn_text t, const char *name)      /* ONNX names them without regard to case */
{
    for (size_t i = 0; i < t.len; i++)
        if ((t.ptr[i] | 32) != name[i])
            return false;
    return name[t.len] == 0;
}

/* alpha and beta lists hold values only for the functions that take them, in order. */
static hn_err read_functions(hn_call *c, cell *k)
{
    static const char *const usual[][FUNCTIONS] = {
        [1] = { "tanh" }, [3] = { "sigmoid", "tanh" }, [4] = { "sigmoid", "tanh", "tanh" },
    };
    const hn_attr *names = hn_attr_find(c->node, "activations");
    const hn_attr *alpha = hn_attr_find(c->node, "activation_alpha"), *beta = hn_attr_find(c->node, "activation_beta");
    size_t at_a = 0, at_b = 0, count = (size_t)k->functions * k->dirs;
    if (names && names->list.count && names->list.count < count)
        return hn_bad(c, "%zu activations, expected %zu", names->list.count, count);
    for (size_t i = 0; i < count; i++) {
        const char *word = usual[k->gates][i % (size_t)k->functions];
        hn_text t = names && names->list.count ? names->list.text[i] : (hn_text){ word, strlen(word) };
        size_t f = 0, all = sizeof functions / sizeof functions[0];
        while (f < all && !same_name(t, functions[f].name))
            f++;
        if (f == all)
            return hn_unsupported(c, "activation '%.*s'", (int)hn_min(t.len, 40), t.ptr);
        function *out = &k->act[i / (size_t)k->functions][i % (size_t)k->functions];
        *out = functions[f].f;
        if (functions[f].takes > 0 && alpha && at_a < alpha->list.count)
            out->a = alpha->list.f[at_a++];
        if (functions[f].takes > 1 && beta && at_b < beta->list.count)
            out->b = beta->list.f[at_b++];
    }
    return HN_OK;
}

/* ---- Shapes --------------------------------------------------------------------------------- */

static hn_err want_shape(const hn_call *c, int i, int rank, const int64_t *dim)
{
    if (!hn_has_in(c, i) || c->in[i]->shape.rank < 0)
        return HN_OK;
    hn_shape want = hn_shape_of(rank, dim);
    const hn_shape *s = &c->in[i]->shape;
    bool fits = s->rank == rank;
    for (int d = 0; d < rank && fits; d++)
        fits = !hn_dims_differ(s->dim[d], dim[d]);
    if (fits)
        return HN_OK;
    char st[HN_SHAPE_TEXT], wt[HN_SHAPE_TEXT];
    return hn_bad(c, "input %d is %s, expected %s", i, hn_shape_text(s, st), hn_shape_text(&want, wt));
}

static hn_err infer(hn_call *c, int64_t gates)
{
    const hn_shape *x = &c->in[X]->shape, *r = &c->in[R]->shape;
    bool both = hn_attr_is(c->node, "direction", "bidirectional", "forward");
    int64_t dirs = both ? 2 : 1, hidden = hn_attr_int(c->node, "hidden_size", 0);
    bool batch_first = hn_attr_int(c->node, "layout", 0);

    HN_TRY(hn_want_float(c, X));
    for (int i = W; i <= P; i++)
        HN_TRY(i == LENS ? hn_want_type(c, LENS, HN_I32) : hn_want_same(c, X, i));
    if (!both && !hn_attr_is(c->node, "direction", "forward", "forward") &&
        !hn_attr_is(c->node, "direction", "reverse", "forward"))
        return hn_bad(c, "direction is '%.*s', expected forward, reverse or bidirectional",
                      (int)hn_attr_text(c->node, "direction", "").len, hn_attr_text(c->node, "direction", "").ptr);
    HN_TRY(hn_want_rank(c, X, 3));
    HN_TRY(hn_want_rank(c, R, 3));
    if (hidden == 0)
        hidden = r->rank == 3 ? r->dim[2] : hn_fresh_dim(c);
    if (!hn_is_symbol(hidden) && (hidden < 0 || hidden > INT32_MAX))
        return hn_bad(c, "hidden_size is %lld", (long long)hidden);
    int64_t steps = x->rank == 3 ? x->dim[batch_first] : hn_fresh_dim(c);
    int64_t batch = x->rank == 3 ? x->dim[!batch_first] : hn_fresh_dim(c);
    int64_t input = x->rank == 3 ? x->dim[2] : hn_fresh_dim(c);
    int64_t rows = hn_is_symbol(hidden) ? hn_fresh_dim(c) : gates * hidden;
    HN_TRY(want_shape(c, W, 3, (int64_t[]){ dirs, rows, input }));
    HN_TRY(want_shape(c, R, 3, (int64_t[]){ dirs, rows, hidden }));
    HN_TRY(want_shape(c, B, 2, (int64_t[]){ dirs, hn_is_symbol(rows) ? rows : 2 * rows }));
    HN_TRY(want_shape(c, LENS, 1, &batch));
    hn_shape state = { .rank = 3, .dim = { batch_first ? batch : dirs, batch_first ? dirs : batch, hidden } };
    HN_TRY(want_shape(c, H0, 3, state.dim));
    HN_TRY(want_shape(c, C0, 3, state.dim));
    HN_TRY(want_shape(c, P, 2, (int64_t[]){ dirs, hn_is_symbol(hidden) ? rows : 3 * hidden }));

    hn_shape y = { .rank = 4, .dim = { steps, dirs, batch, hidden } };
    if (batch_first)
        y = (hn_shape){ .rank = 4, .dim = { batch, steps, dirs, hidden } };
    hn_out(c, 0, c->in[X]->dtype, &y);
    hn_out(c, 1, c->in[X]->dtype, &state);
    hn_out(c, 2, c->in[X]->dtype, &state);
    return HN_OK;
}

/* ---- Cells ------------------------------------------------------------------------------------ */

typedef struct weights {
    const double *w, *r, *b, *p;     /* of one direction; b and p may be NULL */
} weights;

static double clip(double v, double most) { return fmin(fmax(v, -most), most); }

static double apply(const cell *k, const function *f, double v) { return f->f(clip(v, k->clip), f->a, f->b); }

/* out [rows] = m [rows, n] v, plus `bias` where given. */
static void product(const double *m, const double *v, const double *bias, size_t rows, size_t n, double *out)
{
    for (size_t i = 0; i < rows; i++, m += n) {
        double sum = bias ? bias[i] : 0;
        for (size_t j = 0; j < n; j++)
            sum += m[j] * v[j];
        out[i] = sum;
    }
}

/* From gx = W x + Wb and gr = R h + Rb, both [gates, hidden], to the next h (and c). */
static void step_rnn(const cell *k, const function *f, const double *gx, const double *gr, double *h)
{
    for (size_t i = 0; i < k->hidden; i++)
        h[i] = apply(k, &f[0], gx[i] + gr[i]);
}

static void step_lstm(const cell *k, const function *f, const weights *w, const double *gx, const double *gr,
                      double *h, double *c)
{
    size_t n = k->hidden;
    for (size_t i = 0; i < n; i++) {
        double pi = w->p ? w->p[i] : 0, po = w->p ? w->p[n + i] : 0, pf = w->p ? w->p[2 * n + i] : 0;
        double in = apply(k, &f[0], gx[i] + gr[i] + pi * c[i]);
        double forget = k->input_forget ? 1 - in : apply(k, &f[0], gx[2 * n + i] + gr[2 * n + i] + pf * c[i]);
        double fresh = apply(k, &f[1], gx[3 * n + i] + gr[3 * n + i]);
        c[i] = clip(forget * c[i] + in * fresh, k->cell_clip);
        double out = apply(k, &f[0], gx[n + i] + gr[n + i] + po * c[i]);
        h[i] = out * f[2].f(c[i], f[2].a, f[2].b);
    }
}

/* linear_before_reset: the reset gate scales R h + Rb as computed; otherwise it scales h first. */
static void step_gru(const cell *k, const function *f, const weights *w, const double *gx, const double *gr,
                     double *tmp, double *h)
{
    size_t n = k->hidden;
    double *reset = tmp, *scaled = tmp + n, *again = tmp + 2 * n;
    for (size_t i = 0; i < n; i++) {
        reset[i] = apply(k, &f[0], gx[n + i] + gr[n + i]);
        scaled[i] = reset[i] * h[i];
    }
    if (!k->linear_before_reset)
        product(w->r + 2 * n * n, scaled, w->b ? w->b + 5 * n : NULL, n, n, again);
    for (size_t i = 0; i < n; i++) {
        double update = apply(k, &f[0], gx[i] + gr[i]);
        double back = k->linear_before_reset ? reset[i] * gr[2 * n + i] : again[i];
        double fresh = apply(k, &f[1], gx[2 * n + i] + back);
        h[i] = (1 - update) * fresh + update * h[i];
    }
}

/* ---- Time --------------------------------------------------------------------------------------- */

static void read_cell(const hn_call *c, size_t gates, cell *k)
{
    const hn_shape *x = &c->in[X]->shape, *r = &c->in[R]->shape;
    bool first = hn_attr_int(c->node, "layout", 0);
    double most = hn_attr_float(c->node, "clip", 0);
    double cell_most = c->node->op->domain ? hn_attr_float(c->node, "cell_clip", 0) : 0;
    *k = (cell){ .gates = gates, .dirs = (size_t)r->dim[0], .hidden = (size_t)r->dim[2],
                 .input = (size_t)x->dim[2], .steps = (size_t)x->dim[first], .batch = (size_t)x->dim[!first],
                 .functions = gates == 1 ? 1 : gates == 3 ? 2 : 3, .batch_first = first,
                 .backward_only = hn_attr_is(c->node, "direction", "reverse", "forward"),
                 .linear_before_reset = hn_attr_int(c->node, "linear_before_reset", 0),
                 .input_forget = hn_attr_int(c->node, "input_forget", 0),
                 .clip = most > 0 ? most : INFINITY,
                 .cell_clip = cell_most > 0 ? cell_most : INFINITY };
}

static size_t state_at(const cell *k, size_t dir, size_t batch)
{
    return (k->batch_first ? batch * k->dirs + dir : dir * k->batch + batch) * k->hidden;
}

static size_t y_at(const cell *k, size_t step, size_t dir, size_t batch)
{
    return (k->batch_first ? (batch * k->steps + step) * k->dirs + dir
                           : (step * k->dirs + dir) * k->batch + batch) * k->hidden;
}

/* One sequence in one direction.  h and c come in as the first state and leave as the last. */
static void run_sequence(hn_call *call, const cell *k, const weights *w, size_t dir, size_t batch, size_t len,
                         const double *x, double *work, double *h, double *c)
{
    size_t rows = k->gates * k->hidden;
    double *gx = work, *gr = work + rows, *tmp = work + 2 * rows;
    bool backward = k->backward_only || dir == 1;
    const function *f = k->act[dir];

    for (size_t t = 0; t < len; t++) {
        size_t step = backward ? len - 1 - t : t;
        size_t at = k->batch_first ? batch * k->steps + step : step * k->batch + batch;
        product(w->w, x + at * k->input, w->b, rows, k->input, gx);
        product(w->r, h, w->b ? w->b + rows : NULL, rows, k->hidden, gr);
        if (k->gates == 1)
            step_rnn(k, f, gx, gr, h);
        else if (k->gates == 3)
            step_gru(k, f, w, gx, gr, tmp, h);
        else
            step_lstm(k, f, w, gx, gr, h, c);
        if (hn_has_out(call, 0))
            hn_put_f64(call->out[0], y_at(k, step, dir, batch), k->hidden, h);
    }
}

static hn_err run(hn_call *c, size_t gates)
{
    cell k;
    double *v[P + 1] = { NULL };
    int64_t *lens = NULL;
    read_cell(c, gates, &k);
    HN_TRY(read_functions(c, &k));
    for (int i = X; i <= P; i++)
        if (i != LENS && hn_has_in(c, i))
            HN_TRY(hn_load_f64(c, c->in[i], &v[i]));
    if (hn_has_in(c, LENS))
        HN_TRY(hn_load_i64(c, c->in[LENS], &lens));
    size_t rows = gates * k.hidden;
    double *work = HN_SCRATCH(c, double, 2 * rows + 3 * k.hidden);
    double *h = HN_SCRATCH(c, double, k.hidden), *cs = HN_SCRATCH(c, double, k.hidden);
    if (!work || !h || !cs)
        return hn_nomem(c->cx, "a recurrent cell");
    if (hn_has_out(c, 0) && hn_bytes(c->out[0]))           /* past a sequence's end: zeros */
        memset(c->out[0]->data, 0, hn_bytes(c->out[0]));

    for (size_t d = 0; d < k.dirs; d++) {
        weights w = { v[W] + d * rows * k.input, v[R] + d * rows * k.hidden,
                      v[B] ? v[B] + d * 2 * rows : NULL, v[P] ? v[P] + d * 3 * k.hidden : NULL };
        for (size_t b = 0; b < k.batch; b++) {
            int64_t len = lens ? lens[b] : (int64_t)k.steps;
            size_t at = state_at(&k, d, b);
            if (len < 0 || (size_t)len > k.steps)
                return hn_bad(c, "sequence %zu has %lld steps of %zu", b, (long long)len, k.steps);
            for (size_t i = 0; i < k.hidden; i++) {
                h[i] = v[H0] ? v[H0][at + i] : 0;
                cs[i] = v[C0] ? v[C0][at + i] : 0;
            }
            run_sequence(c, &k, &w, d, b, (size_t)len, v[X], work, h, cs);
            if (hn_has_out(c, 1))
                hn_put_f64(c->out[1], at, k.hidden, h);
            if (hn_has_out(c, 2))
                hn_put_f64(c->out[2], at, k.hidden, cs);
        }
    }
    return HN_OK;
}

static double macs(const hn_call *c)
{
    const hn_shape *x = &c->in[X]->shape;
    return (double)hn_shape_product(x, 0, 2) * ((double)hn_count(c->in[W]) + (double)hn_count(c->in[R]));
}

static hn_err infer_rnn(hn_call *c) { return infer(c, 1); }
static hn_err infer_gru(hn_call *c) { return infer(c, 3); }
static hn_err infer_lstm(hn_call *c) { return infer(c, 4); }
static hn_err run_rnn(hn_call *c) { return run(c, 1); }
static hn_err run_gru(hn_call *c) { return run(c, 3); }
static hn_err run_lstm(hn_call *c) { return run(c, 4); }

#define COMMON_ATTRS                                                                          \
    { "activation_alpha", HN_ATTR_FLOATS, "of each function that takes one" },                \
    { "activation_beta", HN_ATTR_FLOATS, "of each function that takes one" },                 \
    { "activations", HN_ATTR_TEXTS, "Tanh; Sigmoid Tanh; Sigmoid Tanh Tanh" },                \
    { "clip", HN_ATTR_FLOAT, "none" }, { "direction", HN_ATTR_TEXT, "forward" },               \
    { "hidden_size", HN_ATTR_INT, "from the weights" }, { "layout", HN_ATTR_INT, "0: time first" }

static const hn_attr_spec rnn_attr[] = { COMMON_ATTRS, { 0 } };
static const hn_attr_spec gru_attr[] = { COMMON_ATTRS, { "linear_before_reset", HN_ATTR_INT, "0" }, { 0 } };
static const hn_attr_spec lstm_attr[] = { COMMON_ATTRS, { "input_forget", HN_ATTR_INT, "0" }, { 0 } };

#define RECURRENT(id, onnx, ins, outs)                                                          \
    const hn_op hn_op_##id = { .name = onnx, .since = 22, .min_in = 3, .max_in = ins,           \
        .min_out = 0, .max_out = outs, .attr = id##_attr, .infer = infer_##id, .run = run_##id, \
        .macs = macs };

RECURRENT(rnn,  "RNN",  6, 2)
RECURRENT(gru,  "GRU",  6, 2)
RECURRENT(lstm, "LSTM", 8, 3)

/* LSTM whose cell state is kept between -cell_clip and cell_clip, as TFLite's are: ONNX's `clip` bounds what
 * the activations are given instead. */
static const hn_attr_spec clipped_attr[] = {
    { "cell_clip", HN_ATTR_FLOAT, "none" }, COMMON_ATTRS, { "input_forget", HN_ATTR_INT, "0" }, { 0 }
};

const hn_op hn_op_lstm_clipped = {
    .name = "LSTM", .domain = "hone", .since = 1, .min_in = 3, .max_in = 8, .min_out = 0, .max_out = 3,
    .attr = clipped_attr, .infer = infer_lstm, .run = run_lstm, .macs = macs,
};
