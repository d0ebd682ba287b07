/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c: products of matrices, in floating point and on quantised integers. */
#include <math.h>
#include <string.h>

#include "graph/load.h"

/* numpy.matmul: a 1-d operand is a row on the left, a column on the right, and its added
 * dimension leaves the result again. */
typedef struct dims {
    hn_shape a, b;         /* with at least two dimensions */
    hn_shape batch;        /* broadcast leading dimensions */
    int64_t m, n, k;
} dims;

static hn_err find_dims(hn_call *c, int a_at, int b_at, dims *d, hn_shape *out)
{
    d->a = c->in[a_at]->shape;
    d->b = c->in[b_at]->shape;
    bool row = d->a.rank == 1, column = d->b.rank == 1;
    if (d->a.rank == 0 || d->b.rank == 0)
        return hn_bad(c, "a scalar cannot be multiplied as a matrix");
    if (row)
        d->a = (hn_shape){ .rank = 2, .dim = { 1, d->a.dim[0] } };
    if (column)
        d->b = (hn_shape){ .rank = 2, .dim = { d->b.dim[0], 1 } };

    d->m = d->a.dim[d->a.rank - 2];
    d->k = d->a.dim[d->a.rank - 1];
    d->n = d->b.dim[d->b.rank - 1];
    int64_t kb = d->b.dim[d->b.rank - 2];
    if (d->k != kb && !hn_is_symbol(d->k) && !hn_is_symbol(kb)) {
        char at[HN_SHAPE_TEXT], bt[HN_SHAPE_TEXT];
        return hn_bad(c, "inner dimensions differ: %s times %s", hn_shape_text(&c->in[a_at]->shape, at),
                      hn_shape_text(&c->in[b_at]->shape, bt));
    }
    hn_shape la = d->a, lb = d->b;
    la.rank -= 2;
    lb.rank -= 2;
    HN_TRY(hn_broadcast(c, &la, &lb, &d->batch));
    *out = d->batch;
    if (!row)
        out->dim[out->rank++] = d->m;
    if (!column)
        out->dim[out->rank++] = d->n;
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    dims d;
    hn_shape out = { .rank = -1 };
    if (c->in[0]->dtype != c->in[1]->dtype)
        return hn_bad(c, "operands differ in type: %s and %s", hn_dtype_name(c->in[0]->dtype),
                      hn_dtype_name(c->in[1]->dtype));
    if (c->in[0]->shape.rank >= 0 && c->in[1]->shape.rank >= 0)
        HN_TRY(find_dims(c, 0, 1, &d, &out));
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

/* Where the matrices of one batch lie, counted in matrices. */
typedef struct batch_walk { size_t a[HN_RANK_MAX], b[HN_RANK_MAX]; } batch_walk;

static batch_walk start_walk(const dims *d)
{
    batch_walk w;
    hn_shape la = d->a, lb = d->b;
    la.rank -= 2;
    lb.rank -= 2;
    hn_broadcast_strides(&la, d->batch.rank, w.a);
    hn_broadcast_strides(&lb, d->batch.rank, w.b);
    return w;
}

static void find_matrices(const dims *d, const batch_walk *w, size_t batch, size_t *a, size_t *b)
{
    *a = *b = 0;
    for (int i = d->batch.rank - 1; i >= 0; i--) {
        size_t at = batch % (size_t)d->batch.dim[i];
        batch /= (size_t)d->batch.dim[i];
        *a += at * w->a[i];
        *b += at * w->b[i];
    }
}

/* y [n] = one row of a [k] times b [k, n]. */
static void row_f64(const double *a, const double *b, size_t k, size_t n, double *y)
{
    memset(y, 0, n * sizeof *y);
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < n; j++)
            y[j] += a[p] * b[p * n + j];
}

static void row_i64(const int64_t *a, const int64_t *b, size_t k, size_t n, int64_t *y)
{
    memset(y, 0, n * sizeof *y);
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < n; j++)
            y[j] = (int64_t)((uint64_t)y[j] + (uint64_t)a[p] * (uint64_t)b[p * n + j]);
}

static hn_err run(hn_call *c)
{
    dims d;
    hn_shape out;
    HN_TRY(find_dims(c, 0, 1, &d, &out));
    size_t m = (size_t)d.m, n = (size_t)d.n, k = (size_t)d.k, batches = hn_shape_count(&d.batch);
    bool floats = hn_is_float(c->in[0]->dtype);
    batch_walk walk = start_walk(&d);

    /* One row of A and all of B in the widest type: sums are exact to the last rounding. */
    double *fa = HN_SCRATCH(c, double, k), *fb = HN_SCRATCH(c, double, k * n), *fs = HN_SCRATCH(c, double, n);
    if (!fa || !fb || !fs)
        return hn_nomem(c->cx, "a matrix product");
    int64_t *ia = (int64_t *)fa, *ib = (int64_t *)fb, *is = (int64_t *)fs;

    for (size_t batch = 0; batch < batches; batch++) {
        size_t oa, ob;
        find_matrices(&d, &walk, batch, &oa, &ob);
        if (floats)
            hn_get_f64(c->in[1], ob * k * n, k * n, fb);
        else
            hn_get_i64(c->in[1], ob * k * n, k * n, ib);
        for (size_t i = 0; i < m; i++) {
            size_t row = oa * m * k + i * k, at = (batch * m + i) * n;
            if (floats) {
                hn_get_f64(c->in[0], row, k, fa);
                row_f64(fa, fb, k, n, fs);
                hn_put_f64(c->out[0], at, n, fs);
            } else {
                hn_get_i64(c->in[0], row, k, ia);
                row_i64(ia, ib, k, n, is);
                hn_put_i64(c->out[0], at, n, is);
            }
        }
    }
    return HN_OK;
}

static double macs(const hn_call *c)
{
    const hn_shape *a = &c->in[0]->shape;
    return (double)hn_count(c->out[0]) * (double)a->dim[a->rank - 1];
}

/* ---- Gemm: alpha A B + beta C --------------------------------------------------------- */

typedef struct gemm { bool ta, tb; int64_t m, n, k; } gemm;

static hn_err find_gemm(hn_call *c, gemm *g)
{
    const hn_shape *a = &c->in[0]->shape, *b = &c->in[1]->shape;
    *g = (gemm){ .ta = hn_attr_int(c->node, "transA", 0), .tb = hn_attr_int(c->node, "transB", 0) };
    HN_TRY(hn_want_rank(c, 0, 2));
    HN_TRY(hn_want_rank(c, 1, 2));
    int64_t kb = b->rank < 0 ? hn_fresh_dim(c) : b->dim[g->tb];
    g->m = a->rank < 0 ? hn_fresh_dim(c) : a->dim[g->ta];
    g->k = a->rank < 0 ? kb : a->dim[!g->ta];
    g->n = b->rank < 0 ? hn_fresh_dim(c) : b->dim[!g->tb];
    if (hn_dims_differ(g->k, kb))
        return hn_bad(c, "inner dimensions differ: %lld and %lld", (long long)g->k, (long long)kb);
    return HN_OK;
}

static hn_err infer_gemm(hn_call *c)
{
    gemm g;
    HN_TRY(hn_want_number(c, 0));
    HN_TRY(hn_want_same(c, 0, 1));
    HN_TRY(hn_want_same(c, 0, 2));
    HN_TRY(find_gemm(c, &g));
    hn_shape out = { .rank = 2, .dim = { g.m, g.n } }, all;
    if (hn_has_in(c, 2) && c->in[2]->shape.rank >= 0) {
        HN_TRY(hn_broadcast(c, &out, &c->in[2]->shape, &all));
        if (hn_shape_known(&all) && hn_shape_known(&out) && !hn_shape_equal(&all, &out))
            return hn_bad(c, "input 2 is larger than the product it is added to");
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    return HN_OK;
}

static void transpose_f64(const double *t, size_t rows, size_t columns, double *out)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            out[j * rows + i] = t[i * columns + j];
}

static hn_err load_matrix(hn_call *c, int i, bool transposed, double **out)
{
    const hn_shape *s = &c->in[i]->shape;
    double *plain;
    HN_TRY(hn_load_f64(c, c->in[i], &plain));
    *out = plain;
    if (!transposed)
        return HN_OK;
    *out = HN_SCRATCH(c, double, hn_count(c->in[i]));
    if (!*out)
        return hn_nomem(c->cx, "a transposed matrix");
    transpose_f64(plain, (size_t)s->dim[0], (size_t)s->dim[1], *out);
    return HN_OK;
}

/* Integers without scaling wrap in 64 bits, as their type does; with it they go through double. */
static hn_err run_gemm_int(hn_call *c, const gemm *g)
{
    size_t m = (size_t)g->m, n = (size_t)g->n, k = (size_t)g->k, sc[HN_RANK_MAX] = { 0 };
    int64_t *a, *b, *extra = NULL, *row = HN_SCRATCH(c, int64_t, n);
    HN_TRY(hn_load_i64(c, c->in[0], &a));
    HN_TRY(hn_load_i64(c, c->in[1], &b));
    if (!row)
        return hn_nomem(c->cx, "a matrix product");
    if (hn_has_in(c, 2)) {
        HN_TRY(hn_load_i64(c, c->in[2], &extra));
        hn_broadcast_strides(&c->in[2]->shape, 2, sc);
    }
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            uint64_t sum = extra ? (uint64_t)extra[i * sc[0] + j * sc[1]] : 0;
            for (size_t p = 0; p < k; p++)
                sum += (uint64_t)a[g->ta ? p * m + i : i * k + p] * (uint64_t)b[g->tb ? j * k + p : p * n + j];
            row[j] = (int64_t)sum;
        }
        hn_put_i64(c->out[0], i * n, n, row);
    }
    return HN_OK;
}

static hn_err run_gemm(hn_call *c)
{
    gemm g;
    double *a, *b, *extra = NULL;
    double alpha = hn_attr_float(c->node, "alpha", 1), beta = hn_attr_float(c->node, "beta", 1);
    HN_TRY(find_gemm(c, &g));
    if (!hn_is_float(c->in[0]->dtype) && alpha == 1 && beta == 1)
        return run_gemm_int(c, &g);
    size_t m = (size_t)g.m, n = (size_t)g.n, k = (size_t)g.k, sc[HN_RANK_MAX] = { 0 };
    double *row = HN_SCRATCH(c, double, n);
    HN_TRY(load_matrix(c, 0, g.ta, &a));
    HN_TRY(load_matrix(c, 1, g.tb, &b));
    if (!row)
        return hn_nomem(c->cx, "a matrix product");
    if (hn_has_in(c, 2)) {
        HN_TRY(hn_load_f64(c, c->in[2], &extra));
        hn_broadcast_strides(&c->in[2]->shape, 2, sc);
    }
    for (size_t i = 0; i < m; i++) {
        row_f64(a + i * k, b, k, n, row);
        for (size_t j = 0; j < n; j++)
            row[j] = alpha * row[j] + (extra ? beta * extra[i * sc[0] + j * sc[1]] : 0);
        hn_put_f64(c->out[0], i * n, n, row);
    }
    return HN_OK;
}

static double macs_gemm(const hn_call *c)
{
    const hn_shape *a = &c->in[0]->shape;
    return (double)hn_count(c->out[0]) * (double)a->dim[!hn_attr_int(c->node, "transA", 0)];
}

/* ---- Quantised ------------------------------------------------------------------------ */

/* A scale or zero point: one number; one per row of the left or column of the right operand as a
 * 1-d tensor; or the operand's own shape with its inner dimension 1. */
static hn_err check_quant(const hn_call *c, int i, int of, bool right)
{
    if (!hn_has_in(c, i) || !hn_shape_known(&c->in[i]->shape) || !hn_shape_known(&c->in[of]->shape))
        return HN_OK;
    const hn_shape *q = &c->in[i]->shape, *s = &c->in[of]->shape;
    if (hn_count(c->in[i]) == 1)
        return HN_OK;
    int own = s->rank - (right ? 1 : 2), inner = s->rank - (right ? 2 : 1);
    bool fits = q->rank == 1 && own >= 0 && q->dim[0] == s->dim[own];
    if (q->rank == s->rank && own >= 0 && inner >= 0) {
        fits = true;
        for (int d = 0; d < s->rank; d++)
            fits = fits && q->dim[d] == (d == inner ? 1 : s->dim[d]);
    }
    if (fits)
        return HN_OK;
    char qt[HN_SHAPE_TEXT], st[HN_SHAPE_TEXT];
    return hn_bad(c, "input %d of shape %s does not fit an operand of %s", i, hn_shape_text(q, qt),
                  hn_shape_text(s, st));
}

/* The entry of such a tensor that belongs to element `i` of an operand with `rows` x `columns` matrices. */
static size_t quant_at(const hn_tensor *q, bool right, size_t rows, size_t columns, size_t i)
{
    if (hn_count(q) == 1)
        return 0;
    size_t row = i / columns % rows, column = i % columns, matrix = i / columns / rows;
    if (q->shape.rank == 1)
        return right ? column : row;
    return right ? matrix * columns + column : matrix * rows + row;
}

/* Operand `at` minus its zero points; times its scales where given. */
static hn_err load_centred(hn_call *c, int at, int zero_at, int scale_at, bool right, double **out)
{
    const hn_tensor *t = c->in[at];
    size_t rows = t->shape.rank > 1 ? (size_t)t->shape.dim[t->shape.rank - 2] : 1;
    size_t columns = (size_t)t->shape.dim[t->shape.rank - 1];
    double *zero = NULL, *scale = NULL;
    if (t->shape.rank == 1 && right) {
        rows = columns;
        columns = 1;
    }
    HN_TRY(hn_load_f64(c, t, out));
    if (hn_has_in(c, zero_at))
        HN_TRY(hn_load_f64(c, c->in[zero_at], &zero));
    if (scale_at >= 0)
        HN_TRY(hn_load_f64(c, c->in[scale_at], &scale));
    for (size_t i = 0; i < hn_count(t); i++) {
        if (zero)
            (*out)[i] -= zero[quant_at(c->in[zero_at], right, rows, columns, i)];
        if (scale)
            (*out)[i] *= scale[quant_at(c->in[scale_at], right, rows, columns, i)];
    }
    return HN_OK;
}

static hn_err want_quantised(const hn_call *c, int i, bool small_floats)
{
    hn_dtype t = c->in[i]->dtype;
    if (t == HN_U8 || t == HN_I8 || (small_floats && hn_is_float(t) && hn_dtype_bits(t) == 8 && t != HN_F8E8M0))
        return HN_OK;
    return hn_unsupported(c, "no such operation on %s", hn_dtype_name(t));
}

static hn_err infer_quantised(hn_call *c, int a, int b, hn_dtype type)
{
    dims d;
    hn_shape out = { .rank = -1 };
    if (c->in[a]->shape.rank >= 0 && c->in[b]->shape.rank >= 0)
        HN_TRY(find_dims(c, a, b, &d, &out));
    hn_out(c, 0, type, &out);
    return HN_OK;
}

static hn_err infer_integer(hn_call *c)
{
    for (int i = 0; i < 2; i++) {
        HN_TRY(want_quantised(c, i, false));
        HN_TRY(hn_want_same(c, i, i + 2));
        HN_TRY(check_quant(c, i + 2, i, i));
    }
    return infer_quantised(c, 0, 1, HN_I32);
}

/* Sums of 8-bit products are exact in double far past any k that fits in memory. */
static hn_err multiply(hn_call *c, const dims *d, const double *a, const double *b,
                       double (*finish)(double sum, const void *arg), const void *arg)
{
    size_t m = (size_t)d->m, n = (size_t)d->n, k = (size_t)d->k;
    double *row = HN_SCRATCH(c, double, n);
    batch_walk walk = start_walk(d);
    if (!row)
        return hn_nomem(c->cx, "a matrix product");
    for (size_t batch = 0; batch < hn_shape_count(&d->batch); batch++) {
        size_t oa, ob;
        find_matrices(d, &walk, batch, &oa, &ob);
        for (size_t i = 0; i < m; i++) {
            row_f64(a + (oa * m + i) * k, b + ob * k * n, k, n, row);
            for (size_t j = 0; finish && j < n; j++)
                row[j] = finish(row[j], arg);
            hn_put_f64(c->out[0], (batch * m + i) * n, n, row);
        }
    }
    return HN_OK;
}

static hn_err run_integer(hn_call *c)
{
    dims d;
    hn_shape out;
    double *a, *b;
    HN_TRY(find_dims(c, 0, 1, &d, &out));
    HN_TRY(load_centred(c, 0, 2, -1, false, &a));
    HN_TRY(load_centred(c, 1, 3, -1, true, &b));
    return multiply(c, &d, a, b, NULL, NULL);
}

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };     /* QLinearMatMul */

static hn_err infer_qlinear(hn_call *c)
{
    for (int i = A; i <= B; i += B) {
        HN_TRY(want_quantised(c, i, true));
        HN_TRY(hn_want_same(c, i, i + A_ZERO));
        HN_TRY(hn_want_float(c, i + A_SCALE));
        HN_TRY(check_quant(c, i + A_SCALE, i, i == B));
        HN_TRY(check_quant(c, i + A_ZERO, i, i == B));
    }
    HN_TRY(want_quantised(c, Y_ZERO, true));
    for (int i = Y_SCALE; i <= Y_ZERO; i++)
        if (hn_shape_known(&c->in[i]->shape) && hn_count(c->in[i]) != 1)
            return hn_unsupported(c, "an output quantised row by row");
    return infer_quantised(c, A, B, c->in[Y_ZERO]->dtype);
}

typedef struct requant { double scale, zero, low, high; bool integer; } requant;

static double requantise(double sum, const void *arg)
{
    const requant *q = arg;
    double v = sum / q->scale;
    return q->integer ? fmin(fmax(nearbyint(v) + q->zero, q->low), q->high) : v + q->zero;
}

static hn_err run_qlinear(hn_call *c)
{
    dims d;
    hn_shape out;
    double *a, *b;
    hn_dtype t = c->out[0]->dtype;
    requant q = { hn_scalar_f64(c, Y_SCALE, 1), hn_scalar_f64(c, Y_ZERO, 0), t == HN_I8 ? -128 : 0,
                  t == HN_I8 ? 127 : 255, !hn_is_float(t) };
    HN_TRY(find_dims(c, A, B, &d, &out));
    /* Scales may differ by row and column, so they are applied to the operands, not to the sum. */
    HN_TRY(load_centred(c, A, A_ZERO, A_SCALE, false, &a));
    HN_TRY(load_centred(c, B, B_ZERO, B_SCALE, true, &b));
    return multiply(c, &d, a, b, requantise, &q);
}

static const hn_attr_spec gemm_attr[] = {
    { "alpha", HN_ATTR_FLOAT, "1" }, { "beta", HN_ATTR_FLOAT, "1" },
    { "transA", HN_ATTR_INT, "0" }, { "transB", HN_ATTR_INT, "0" }, { 0 }
};

const hn_op hn_op_gemm = {
    .name = "Gemm", .since = 13, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1, .attr = gemm_attr,
    .infer = infer_gemm, .run = run_gemm, .macs = macs_gemm,
};

const hn_op hn_op_matmulinteger = {
    .name = "MatMulInteger", .since = 10, .min_in = 2, .max_in = 4, .min_out = 1, .max_out = 1,
    .infer = infer_integer, .run = run_integer, .macs = macs,
};

const hn_op hn_op_qlinearmatmul = {
    .name = "QLinearMatMul", .since = 21, .min_in = 8, .max_in = 8, .min_out = 1, .max_out = 1,
    .infer = infer_qlinear, .run = run_qlinear, .macs = macs,
};

const hn_op hn_op_matmul = {
    .name = "MatMul", .since = 13, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer, .run = run, .macs = macs,
};
