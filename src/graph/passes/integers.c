/* SPDX-License-Identifier: Apache-2.0 */
/* integers: quantised models compute on integers.
 *
 * ONNX writes them in two ways, and both become the integer operators of the "hone" domain, rounded to even:
 *
 *     DequantizeLinear -> Conv, Gemm, MatMul, Add, Sub, Mul -> Relu, Clip -> QuantizeLinear
 *     QLinearConv, QLinearMatMul
 *
 * A sum of products is exact now where it was a sum of floats, so a result that lies on a half may move by a step;
 * sums and products of two keep their bits.  Nodes that only move elements pass integers through when both sides
 * agree on what they stand for.  Runs before `fold`, which would turn quantised weights into floats.
 *
 * Weights with a zero point of their own are left in floats unless the operator itself says integers.  They are the
 * mark of the networks first quantised this way, which have no defence against a moved step: in MobileNet v1 one of
 * 65,536 in the second layer is 2,000 of 8,192 twenty layers on, and 3 of 256 in the answer.  In integers it equals
 * other runtimes' integers bit for bit, but not the floats the file describes. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/activation.h"
#include "graph/op.h"
#include "graph/pass.h"

static bool is(const hn_node *n, const char *name) { return n && !n->op->domain && strcmp(n->op->name, name) == 0; }

static hn_value *in(const hn_node *n, int i) { return i < n->in_count ? n->in[i] : NULL; }

static bool is_byte(hn_dtype t) { return t == HN_I8 || t == HN_U8; }

/* ---- What integers stand for ---------------------------------------------------------------------- */

typedef struct grid { hn_value *q; hn_dtype type; double scale; int64_t zero; } grid;

/* One positive scale, and one zero point or none. */
static bool read_grid(const hn_value *scale, const hn_value *zero, grid *g)
{
    g->zero = 0;
    if (!hn_is_const(scale) || scale->t.dtype != HN_F32 || hn_count(&scale->t) != 1 ||
        (zero && (!hn_is_const(zero) || hn_count(&zero->t) != 1)))
        return false;
    g->scale = (double)*(const float *)scale->t.data;
    if (zero)
        hn_get_i64(&zero->t, 0, 1, &g->zero);
    return g->scale > 0 && isfinite(g->scale);
}

/* v = (q - zero) * scale, q of 8 bits. */
static bool dequantised(const hn_value *v, grid *g)
{
    const hn_node *n = v ? v->maker : NULL;
    if (!is(n, "DequantizeLinear") || n->act.kind != HN_ACT_NONE || hn_attr_int(n, "block_size", 0) ||
        v->t.dtype != HN_F32 || !is_byte(n->in[0]->t.dtype) || !read_grid(n->in[1], in(n, 2), g))
        return false;
    g->q = n->in[0];
    g->type = g->q->t.dtype;
    return true;
}

/* What n makes of floats: bytes by one scale. */
static bool quantises(const hn_node *n, grid *g)
{
    if (!is(n, "QuantizeLinear") || hn_attr_int(n, "block_size", 0) || hn_attr_find(n, "precision") ||
        n->in[0]->t.dtype != HN_F32 || !is_byte(n->out[0]->t.dtype) || !read_grid(n->in[1], in(n, 2), g))
        return false;
    g->type = n->out[0]->t.dtype;
    return true;
}

/* Constant weights: bytes with one zero point, scales [1 or M] along `axis`. */
typedef struct weights { const hn_tensor *q, *scale; int64_t zero; size_t scales; } weights;

static bool same_zero(const hn_value *zero, int64_t *out)
{
    size_t count = zero ? hn_count(&zero->t) : 0;
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t z;
        hn_get_i64(&zero->t, i, 1, &z);
        if (i && z != *out)
            return false;
        *out = z;
    }
    return true;
}

static bool quantised_weights(const hn_value *q, const hn_value *scale, const hn_value *zero, int64_t channels, weights *w)
{
    if (!hn_is_const(q) || !is_byte(q->t.dtype) || !hn_is_const(scale) || scale->t.dtype != HN_F32 ||
        (zero && !hn_is_const(zero)) || !same_zero(zero, &w->zero))
        return false;
    w->q = &q->t;
    w->scale = &scale->t;
    w->scales = hn_count(&scale->t);
    if (w->scales != 1 && w->scales != (size_t)channels)
        return false;
    for (size_t i = 0; i < w->scales; i++)
        if (!(((const float *)scale->t.data)[i] > 0) || !isfinite(((const float *)scale->t.data)[i]))
            return false;
    return true;
}

static bool dequantised_weights(const hn_value *v, int64_t channels, int axis, weights *w)
{
    const hn_node *n = v ? v->maker : NULL;
    if (!is(n, "DequantizeLinear") || hn_attr_int(n, "block_size", 0) || v->t.dtype != HN_F32 ||
        !quantised_weights(n->in[0], n->in[1], in(n, 2), channels, w))
        return false;
    int64_t at = hn_attr_int(n, "axis", 1);
    if (w->zero != 0)        /* see above */
        return false;
    return w->scales == 1 || at == axis || at == axis - n->in[0]->t.shape.rank;
}

static double weight_scale(const weights *w, size_t i) { return (double)((const float *)w->scale->data)[w->scales == 1 ? 0 : i]; }

/* ---- Bias and factors ------------------------------------------------------------------------------- */

/* A constant of floats, or one that is dequantised here and now: entry i as a real number. */
static bool constant_real(const hn_value *v, size_t i, double *out)
{
    const hn_node *n = v->maker;
    if (hn_is_const(v) && v->t.dtype == HN_F32) {
        *out = (double)((const float *)v->t.data)[i];
        return true;
    }
    if (!is(n, "DequantizeLinear") || hn_attr_int(n, "block_size", 0) || !hn_is_const(n->in[0]) || !hn_is_const(n->in[1]) ||
        n->in[1]->t.dtype != HN_F32 || (in(n, 2) && !hn_is_const(n->in[2])))
        return false;
    size_t scales = hn_count(&n->in[1]->t), zeros = in(n, 2) ? hn_count(&n->in[2]->t) : 0;
    int64_t q, zero = 0;
    hn_get_i64(&n->in[0]->t, i, 1, &q);
    if (zeros)
        hn_get_i64(&n->in[2]->t, zeros == 1 ? 0 : i, 1, &zero);
    *out = (double)(q - zero) * (double)((const float *)n->in[1]->t.data)[scales == 1 ? 0 : i];
    return true;
}

/* In steps of x's scale times w's, nearest.  HN_ENO: it is no constant, or has no such number. */
static hn_err make_bias(hn_ctx *cx, hn_graph *g, const hn_value *v, int64_t count, double x_scale, const weights *w,
                        hn_value **out)
{
    hn_shape s = { .rank = 1, .dim = { count } };
    double real;
    *out = NULL;
    if (!v)
        return HN_OK;
    if (hn_count(&v->t) != (size_t)count || !constant_real(v, 0, &real))
        return HN_ENO;
    HN_TRY(hn_graph_new_const(cx, g, NULL, HN_I32, &s, out));
    for (size_t i = 0; i < (size_t)count; i++) {
        constant_real(v, i, &real);
        double q = nearbyint(real / (x_scale * weight_scale(w, i)));
        if (!(fabs(q) < 2147483648.0))
            return HN_ENO;
        ((int32_t *)(*out)->t.data)[i] = (int32_t)q;
    }
    return HN_OK;
}

static hn_err make_factors(hn_ctx *cx, hn_graph *g, double x_scale, const weights *w, double y_scale, hn_value **out)
{
    hn_shape s = { .rank = 1, .dim = { (int64_t)w->scales } };
    HN_TRY(hn_graph_new_const(cx, g, NULL, HN_F64, &s, out));
    for (size_t i = 0; i < w->scales; i++)
        ((double *)(*out)->t.data)[i] = x_scale * weight_scale(w, i) / y_scale;
    return HN_OK;
}

/* ---- Making nodes ------------------------------------------------------------------------------------- */

/* Where a result's range is cut in real numbers, as activations on the way to the Quantize have it. */
typedef struct cut { double low, high; } cut;

/* Of the type, cut: rounding keeps the order, so the ends are rounded alone. */
static void range_of(const grid *y, const cut *c, int64_t *low, int64_t *high)
{
    int64_t least = y->type == HN_I8 ? -128 : 0, most = least + 255;
    double a = nearbyint((double)((float)c->low / (float)y->scale)) + (double)y->zero;
    double b = nearbyint((double)((float)c->high / (float)y->scale)) + (double)y->zero;
    *low = a > (double)least ? (int64_t)fmin(a, (double)most) : least;
    *high = b < (double)most ? (int64_t)fmax(b, (double)least) : most;
}

static hn_attr an_int(const char *name, int64_t v) { return (hn_attr){ .name = name, .kind = HN_ATTR_INT, .i = v }; }
static hn_attr a_float(const char *name, double v) { return (hn_attr){ .name = name, .kind = HN_ATTR_FLOAT, .f = (float)v }; }

/* n becomes another operator in its place; `kept` attributes of `from` whose values stay, `more` new ones. */
static hn_err become(hn_ctx *cx, hn_graph *g, hn_node *n, const char *op, const hn_node *from, hn_value *const *x, int ins,
                     const hn_attr *more, int count)
{
    int kept = from ? from->attr_count : 0;
    hn_attr *attr = HN_NEW(g->arena, hn_attr, (size_t)(kept + count + 1));
    hn_value **to = HN_NEW(g->arena, hn_value *, (size_t)ins);
    if (!attr || !to)
        return hn_nomem(cx, "an integer operator");
    if (kept)
        memcpy(attr, from->attr, (size_t)kept * sizeof *attr);
    memcpy(attr + kept, more, (size_t)count * sizeof *attr);
    attr[kept + count] = (hn_attr){ .name = "rounding", .kind = HN_ATTR_TEXT, .text = { "even", 4 } };
    memcpy(to, x, (size_t)ins * sizeof *to);
    n->op = hn_op_find("hone", op);
    n->name = from ? from->name : n->name;
    n->attr = attr;
    n->attr_count = kept + count + 1;
    n->in = to;
    n->in_count = ins;
    return HN_OK;
}

/* A product of x and weights, which node n gives as y. */
static hn_err make_product(hn_ctx *cx, hn_graph *g, hn_node *n, const char *op, const hn_node *from, const grid *x,
                           const weights *w, hn_value *weight, const hn_value *bias, int64_t channels, const grid *y, const cut *c)
{
    hn_value *b, *factor;
    int64_t low, high;
    if (x->type != y->type)
        return HN_ENO;
    HN_TRY(make_bias(cx, g, bias, channels, x->scale, w, &b));
    HN_TRY(make_factors(cx, g, x->scale, w, y->scale, &factor));
    range_of(y, c, &low, &high);
    const hn_attr a[] = { an_int("x_zero", x->zero), an_int("w_zero", w->zero), an_int("y_zero", y->zero), an_int("low", low),
                          an_int("high", high) };
    return become(cx, g, n, op, from, (hn_value *[]){ x->q, weight, factor, b }, b ? 4 : 3, a, 5);
}

/* [K, N] as [N, K]. */
static hn_err transposed(hn_ctx *cx, hn_graph *g, const hn_tensor *t, hn_value **out)
{
    size_t k = (size_t)t->shape.dim[0], n = (size_t)t->shape.dim[1];
    hn_shape s = { .rank = 2, .dim = { t->shape.dim[1], t->shape.dim[0] } };
    HN_TRY(hn_graph_new_const(cx, g, NULL, t->dtype, &s, out));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++)
            ((uint8_t *)(*out)->t.data)[i * k + j] = ((const uint8_t *)t->data)[j * n + i];
    return HN_OK;
}

/* ---- Between Dequantize and Quantize --------------------------------------------------------------------- */

static hn_err lower_conv(hn_ctx *cx, hn_graph *g, hn_node *n, const hn_node *conv, const grid *y, const cut *c)
{
    grid x;
    weights w;
    int64_t channels = conv->in[1]->t.shape.rank > 0 ? conv->in[1]->t.shape.dim[0] : 0;
    if (!dequantised(conv->in[0], &x) || !dequantised_weights(conv->in[1], channels, 0, &w))
        return HN_ENO;
    return make_product(cx, g, n, "QConv", conv, &x, &w, conv->in[1]->maker->in[0], in(conv, 2), channels, y, c);
}

static bool is_plain_gemm(const hn_node *n)
{
    return hn_attr_float(n, "alpha", 1) == 1 && hn_attr_float(n, "beta", 1) == 1 && !hn_attr_int(n, "transA", 0);
}

static hn_err lower_dense(hn_ctx *cx, hn_graph *g, hn_node *n, const hn_node *dense, const grid *y, const cut *c)
{
    grid x;
    weights w;
    const hn_shape *s = &dense->in[1]->t.shape;
    bool gemm = is(dense, "Gemm"), rows = gemm && hn_attr_int(dense, "transB", 0);
    if ((gemm && !is_plain_gemm(dense)) || s->rank != 2 || !dequantised(dense->in[0], &x))
        return HN_ENO;
    int64_t channels = s->dim[rows ? 0 : 1];
    if (!dequantised_weights(dense->in[1], channels, rows ? 0 : 1, &w))
        return HN_ENO;
    hn_value *weight = dense->in[1]->maker->in[0];
    if (!rows)
        HN_TRY(transposed(cx, g, w.q, &weight));
    return make_product(cx, g, n, "QLinear", NULL, &x, &w, weight, gemm ? in(dense, 2) : NULL, channels, y, c);
}

static hn_err lower_binary(hn_ctx *cx, hn_graph *g, hn_node *n, const hn_node *sum, const grid *y, const cut *c)
{
    grid a, b;
    int64_t low, high;
    const char *op = is(sum, "Add") ? "QAdd" : is(sum, "Sub") ? "QSub" : "QMul";
    if (!dequantised(sum->in[0], &a) || !dequantised(sum->in[1], &b) || a.type != b.type || a.type != y->type)
        return HN_ENO;
    range_of(y, c, &low, &high);
    const hn_attr attr[] = { a_float("a_scale", a.scale), an_int("a_zero", a.zero), a_float("b_scale", b.scale),
                             an_int("b_zero", b.zero), a_float("y_scale", y->scale), an_int("y_zero", y->zero),
                             an_int("low", low), an_int("high", high) };
    return become(cx, g, n, op, NULL, (hn_value *[]){ a.q, b.q }, 2, attr, 8);
}

/* Elements that only move need not become floats on the way. */
static hn_err lower_move(hn_ctx *cx, hn_graph *g, hn_node *n, const hn_node *move, const grid *y)
{
    grid x;
    hn_value **to = HN_NEW(g->arena, hn_value *, (size_t)move->in_count);
    if (!to)
        return hn_nomem(cx, "a node");
    if (!dequantised(move->in[0], &x) || x.type != y->type || x.scale != y->scale || x.zero != y->zero)
        return HN_ENO;
    memcpy(to, move->in, (size_t)move->in_count * sizeof *to);
    to[0] = x.q;
    n->op = move->op;
    n->in = to;
    n->in_count = move->in_count;
    n->attr = move->attr;
    n->attr_count = move->attr_count;
    return HN_OK;
}

/* The node whose result, cut by activations, n quantises.  Nothing else looks at what lies between. */
static const hn_node *source_of(const hn_graph *g, const hn_node *n, cut *c)
{
    const hn_value *v = n->in[0];
    *c = (cut){ -INFINITY, INFINITY };
    for (;;) {
        const hn_node *m = v->maker;
        hn_act act;
        if (!m || m->act.kind != HN_ACT_NONE || m->out_count != 1 || hn_graph_uses(g, v) != 1)
            return NULL;
        bool same = is(m, "Identity"), clips = !same && hn_node_act(m, &act) && act.kind == HN_ACT_CLIP;
        if (!same && !clips)
            return m;
        if (clips) {                       /* c was applied to what this one leaves */
            double low = fmin(fmax((double)act.a, c->low), c->high), high = fmin(fmax((double)act.b, c->low), c->high);
            *c = (cut){ low, high };
        }
        v = m->in[0];
    }
}

static hn_err lower_quantize(hn_ctx *cx, hn_graph *g, hn_node *n)
{
    static const char *const moves[] = { "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Slice" };
    grid y;
    cut c;
    if (!quantises(n, &y))
        return HN_ENO;
    const hn_node *m = source_of(g, n, &c);
    if (!m)
        return HN_ENO;
    if (is(m, "Conv"))
        return lower_conv(cx, g, n, m, &y, &c);
    if (is(m, "Gemm") || is(m, "MatMul"))
        return lower_dense(cx, g, n, m, &y, &c);
    if (is(m, "Add") || is(m, "Sub") || is(m, "Mul"))
        return lower_binary(cx, g, n, m, &y, &c);
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++)
        if (is(m, moves[i]) && isinf(c.low) && isinf(c.high))
            return lower_move(cx, g, n, m, &y);
    return HN_ENO;
}

/* ---- Operators that say it themselves ------------------------------------------------------------------ */

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

/* Its bias counts steps already. */
static hn_err lower_qlinearconv(hn_ctx *cx, hn_graph *g, hn_node *n)
{
    grid x = { .q = n->in[X], .type = n->in[X]->t.dtype }, y = { .type = n->out[0]->t.dtype };
    weights w;
    hn_value *factor;
    int64_t low, high;
    int64_t channels = n->in[W]->t.shape.rank > 0 ? n->in[W]->t.shape.dim[0] : 0;
    if (!read_grid(n->in[X_SCALE], n->in[X_ZERO], &x) || !read_grid(n->in[Y_SCALE], n->in[Y_ZERO], &y) || x.type != y.type ||
        !quantised_weights(n->in[W], n->in[W_SCALE], n->in[W_ZERO], channels, &w))
        return HN_ENO;
    HN_TRY(make_factors(cx, g, x.scale, &w, y.scale, &factor));
    range_of(&y, &(cut){ -INFINITY, INFINITY }, &low, &high);
    const hn_attr a[] = { an_int("x_zero", x.zero), an_int("w_zero", w.zero), an_int("y_zero", y.zero) };
    return become(cx, g, n, "QConv", n, (hn_value *[]){ x.q, n->in[W], factor, in(n, BIAS) }, in(n, BIAS) ? 4 : 3, a, 3);
}

static hn_err lower_qlinearmatmul(hn_ctx *cx, hn_graph *g, hn_node *n)
{
    grid x = { .q = n->in[X], .type = n->in[X]->t.dtype }, y = { .type = n->out[0]->t.dtype };
    weights w;
    hn_value *weight;
    const hn_shape *s = &n->in[W]->t.shape;
    if (s->rank != 2 || n->in[X]->t.shape.rank < 2 || !is_byte(x.type) || !is_byte(y.type) ||
        !read_grid(n->in[X_SCALE], n->in[X_ZERO], &x) || !read_grid(n->in[Y_SCALE], n->in[Y_ZERO], &y) || x.type != y.type ||
        !quantised_weights(n->in[W], n->in[W_SCALE], n->in[W_ZERO], s->dim[1], &w))
        return HN_ENO;
    HN_TRY(transposed(cx, g, w.q, &weight));
    return make_product(cx, g, n, "QLinear", NULL, &x, &w, weight, NULL, s->dim[1], &y, &(cut){ -INFINITY, INFINITY });
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        hn_err e = HN_ENO;
        if (n->act.kind != HN_ACT_NONE || !hn_graph_uses(g, n->out[0]))
            continue;
        if (is(n, "QuantizeLinear"))
            e = lower_quantize(cx, g, n);
        else if (is(n, "QLinearConv"))
            e = lower_qlinearconv(cx, g, n);
        else if (is(n, "QLinearMatMul"))
            e = lower_qlinearmatmul(cx, g, n);
        if (e && e != HN_ENO)
            return e;
        *changes += e == HN_OK;
    }
    return HN_OK;
}

const hn_pass hn_pass_integers = { "integers", "compute on integers what is quantised on both sides", run };
