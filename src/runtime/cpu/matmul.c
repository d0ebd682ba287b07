/* SPDX-License-Identifier: Apache-2.0 */
/* matmul.c: MatMul and Gemm on f32.
 *
 * The right operand is packed when the plan is made if it is constant, and before each product if it
 * is not (attention).  Rows of the left one are read where they lie. */
#include <string.h>

#include "base/num.h"
#include "runtime/impl.h"

typedef struct product {
    size_t m, n, k, batch;
    size_t rows;                     /* of a piece of work */
    bool b_transposed;
    const float *weight;             /* packed constant B, or NULL: packed at run time */
    size_t packed_bytes;             /* of one B */
    size_t a_step[HN_RANK_MAX], b_step[HN_RANK_MAX];   /* matrices to move per batch index, 0 to repeat */
    hn_shape lead;                   /* batch dimensions */
    float alpha, beta;
    const float *bias;               /* [n] or NULL */
    int add;                         /* the input that is added to the result, 0: none */
    hn_act act;
} product;

#define ROWS 48                      /* a multiple of every kernel's tile */

static hn_err pack_const(hn_prep *p, product *d)
{
    size_t floats = p->k->pack_b_f32_size(d->k, d->n);
    bool made;
    float *packed = hn_prep_weights(p, 1, hn_mul(floats, sizeof *packed), &made);
    d->weight = packed;
    if (made)
        return HN_OK;
    if (!packed)
        return hn_nomem(p->cx, "packed weights");
    p->k->pack_b_f32(packed, p->in[1]->data, d->b_transposed ? d->k : d->n, d->k, d->n, d->b_transposed);
    if (d->alpha != 1.0f)
        for (size_t i = 0; i < floats; i++)
            packed[i] *= d->alpha;
    return HN_OK;
}

static void split_rows(const hn_prep *p, product *d)
{
    size_t share = hn_prep_cut(p, hn_ceil_div(d->m, p->threads * 4));
    d->rows = p->threads > 1 ? hn_round_up(hn_max(share, 1), ROWS) : hn_max(d->m, 1);
}

/* ---- Gemm: alpha A' B' + beta C -------------------------------------------------------------- */

/* C as one row per column: [n], [1, n]; or a scalar is left to the plain code. */
static bool row_bias(const hn_tensor *c, size_t n)
{
    int r = c->shape.rank;
    return c->data && hn_count(c) == n && r >= 1 && c->shape.dim[r - 1] == (int64_t)n;
}

static bool accepts_gemm(const hn_prep *p)
{
    if (!hn_op_is(p->node, "Gemm") || !hn_prep_f32(p) || !p->in[1]->data ||
        hn_attr_int(p->node, "transA", 0) || hn_count(p->out[0]) == 0 || hn_count(p->in[0]) == 0)
        return false;
    return p->in_count < 3 || !p->in[2] || row_bias(p->in[2], (size_t)p->out[0]->shape.dim[1]);
}

static hn_err prepare_gemm(hn_prep *p)
{
    product *d = HN_NEW(p->arena, product, 1);
    if (!d)
        return hn_nomem(p->cx, "a matrix product");
    *d = (product){ .m = (size_t)p->out[0]->shape.dim[0], .n = (size_t)p->out[0]->shape.dim[1],
                    .k = (size_t)p->in[0]->shape.dim[1], .batch = 1, .act = p->node->act,
                    .b_transposed = hn_attr_int(p->node, "transB", 0) != 0,
                    .alpha = (float)hn_attr_float(p->node, "alpha", 1),
                    .beta = (float)hn_attr_float(p->node, "beta", 1) };
    split_rows(p, d);
    p->state = d;
    if (p->in_count > 2 && p->in[2]) {
        const float *c = p->in[2]->data;
        d->bias = c;
        if (d->beta != 1.0f) {
            float *scaled = HN_NEW(p->arena, float, d->n);
            if (!scaled)
                return hn_nomem(p->cx, "a bias");
            for (size_t i = 0; i < d->n; i++)
                scaled[i] = d->beta * c[i];
            d->bias = scaled;
        }
    }
    return pack_const(p, d);
}

/* ---- MatMul with batches ---------------------------------------------------------------------- */

static bool accepts_matmul(const hn_prep *p)
{
    return hn_op_is(p->node, "MatMul") && hn_prep_f32(p) && p->in[0]->shape.rank >= 2 &&
           p->in[1]->shape.rank >= 2 && hn_count(p->out[0]) > 0 && hn_count(p->in[0]) > 0;
}

static hn_err prepare_matmul(hn_prep *p)
{
    product *d = HN_NEW(p->arena, product, 1);
    const hn_shape *a = &p->in[0]->shape, *b = &p->in[1]->shape, *y = &p->out[0]->shape;
    hn_shape la = *a, lb = *b;
    if (!d)
        return hn_nomem(p->cx, "a matrix product");
    *d = (product){ .m = (size_t)y->dim[y->rank - 2], .n = (size_t)y->dim[y->rank - 1],
                    .k = (size_t)a->dim[a->rank - 1], .alpha = 1, .act = p->node->act, .lead = *y };
    la.rank -= 2;
    lb.rank -= 2;
    d->lead.rank -= 2;
    d->batch = hn_shape_count(&d->lead);
    hn_broadcast_strides(&la, d->lead.rank, d->a_step);
    hn_broadcast_strides(&lb, d->lead.rank, d->b_step);
    if (lb.rank == 0 || hn_shape_count(&lb) == 1) {     /* one B: all of A's rows are one product */
        d->m *= d->batch;
        d->batch = 1;
        d->lead.rank = 0;
    }
    split_rows(p, d);
    p->state = d;
    if (p->in[1]->data && d->lead.rank == 0)
        return pack_const(p, d);
    d->packed_bytes = hn_round_up(p->k->pack_b_f32_size(d->k, d->n) * sizeof(float), 64);
    p->scratch_bytes = d->packed_bytes;
    return HN_OK;
}

/* ---- Both ----------------------------------------------------------------------------------- */

typedef struct job { const hn_run *r; const product *d; const float *b; } job;

static void multiply(const job *j, const float *a, const float *b, float *y, size_t first, size_t m)
{
    const product *d = j->d;
    hn_gemm_f32 g = { .m = m, .n = d->n, .k = d->k, .a = a + first * d->k, .lda = d->k, .b = b,
                      .c = y + first * d->n, .ldc = d->n, .bias = d->bias, .act = d->act };
    if (d->add) {
        g.add = (const float *)j->r->in[d->add]->data + (g.c - (const float *)j->r->out[0]->data);
        g.ld_add = d->n;
    }
    j->r->k->gemm_f32(&g);
}

static void some_rows(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    size_t first = piece * j->d->rows;
    (void)worker;
    multiply(j, j->r->in[0]->data, j->b, j->r->out[0]->data, first, hn_min(j->d->rows, j->d->m - first));
}

static void one_batch(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const product *d = j->d;
    size_t oa = 0, ob = 0, rest = piece;
    for (int i = d->lead.rank - 1; i >= 0; i--) {
        size_t at = rest % (size_t)d->lead.dim[i];
        rest /= (size_t)d->lead.dim[i];
        oa += at * d->a_step[i];
        ob += at * d->b_step[i];
    }
    float *packed = (float *)(void *)(j->r->scratch + worker * j->r->scratch_stride);
    const float *b = (const float *)j->r->in[1]->data + ob * d->k * d->n;
    j->r->k->pack_b_f32(packed, b, d->n, d->k, d->n, 0);
    multiply(j, (const float *)j->r->in[0]->data + oa * d->m * d->k, packed,
             (float *)j->r->out[0]->data + piece * d->m * d->n, 0, d->m);
}

static hn_err run(const hn_run *r)
{
    const product *d = r->state;
    job j = { r, d, d->weight };
    if (!d->weight && d->batch == 1) {
        float *packed = (float *)(void *)r->scratch;
        r->k->pack_b_f32(packed, r->in[1]->data, d->n, d->k, d->n, 0);
        j.b = packed;
    }
    if (j.b)
        hn_parallel(r, hn_ceil_div(d->m, d->rows), some_rows, &j);
    else
        hn_parallel(r, d->batch, one_batch, &j);
    return HN_OK;
}

/* A whole matrix as an operand, a constant row as the bias. */
static hn_absorb absorb(void *state, const hn_tensor *summand, const hn_tensor *sum, int i, hn_act act)
{
    product *d = state;
    int rank = summand->shape.rank;
    bool whole = hn_shape_equal(&summand->shape, &sum->shape);
    bool row = summand->data && rank > 0 && hn_count(summand) == d->n && (size_t)summand->shape.dim[rank - 1] == d->n;
    if (d->add || !(row ? !d->bias : whole))
        return HN_ABSORB_NO;
    d->act = act;
    if (row)
        d->bias = summand->data;
    else
        d->add = i;
    return row ? HN_ABSORB_KEPT : HN_ABSORB_OPERAND;
}

const hn_impl hn_impl_gemm = {
    .name = "gemm.f32", .rule = HN_RULE_PLAIN, .accepts = accepts_gemm, .prepare = prepare_gemm, .run = run,
    .absorb = absorb, .variants = HN_VARIANTS_CUT,
};

const hn_impl hn_impl_matmul = {
    .name = "matmul.f32", .rule = HN_RULE_PLAIN, .accepts = accepts_matmul, .prepare = prepare_matmul, .run = run,
    .absorb = absorb, .variants = HN_VARIANTS_CUT,
};
