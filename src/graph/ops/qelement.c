/* SPDX-License-Identifier: Apache-2.0 */
/* qelement.c: quantised numbers, element by element.
 *
 *     QAdd, QSub   a and b brought to a common scale with 20 bits to spare (15 for 16-bit ones)
 *     QMul         the exact product, rescaled
 *                  rounded to even, all three are what ONNX's operators make of floats: each step in float
 *     Lookup       any function of one 8-bit operand, as a table of its 256 results
 *     Quantize     floats to integers, halves away from zero (ONNX's QuantizeLinear: to even) */
#include <math.h>
#include <string.h>

#include "graph/elementwise.h"
#include "graph/integer.h"
#include "graph/load.h"
#include "graph/strided.h"

typedef hn_integer_pair binary;

static hn_err infer_with(hn_call *c, bool product)
{
    binary b;
    HN_TRY(hn_integer_pair_read(c, product, &b));
    return hn_infer_broadcast(c);
}

static int32_t sum_of(const binary *b, int32_t x, int32_t z, bool subtract)
{
    int32_t u = hn_rescale((int32_t)((uint32_t)(x - b->a_zero) << b->left), b->a, b->q.rounding);
    int32_t v = hn_rescale((int32_t)((uint32_t)(z - b->b_zero) << b->left), b->b, b->q.rounding);
    return hn_rescale((int32_t)((uint32_t)u + (subtract ? 0 - (uint32_t)v : (uint32_t)v)), b->y, b->q.rounding);
}

typedef enum kind { SUM, DIFFERENCE, PRODUCT } kind;

/* DequantizeLinear, Add (Sub, Mul), QuantizeLinear. */
static int64_t in_floats(const binary *b, int32_t u, int32_t v, kind k)
{
    float x = (float)(u - b->a_zero) * (float)b->a_scale, z = (float)(v - b->b_zero) * (float)b->b_scale;
    float r = (k == SUM ? x + z : k == DIFFERENCE ? x - z : x * z) / (float)b->y_scale;
    return isnan(r) ? 0 : (int64_t)fminf(fmaxf(rintf(r), -1e9f), 1e9f);
}

static int64_t one_of(const binary *b, int32_t u, int32_t v, kind k)
{
    if (b->q.rounding == HN_ROUND_EVEN)
        return in_floats(b, u, v, k);
    if (k == PRODUCT)
        return hn_rescale((int32_t)((int64_t)(u - b->a_zero) * (v - b->b_zero)), b->y, b->q.rounding);
    return sum_of(b, u, v, k == DIFFERENCE);
}

static hn_err run_with(hn_call *c, kind k)
{
    binary b;
    int64_t *x, *z, *y = HN_SCRATCH(c, int64_t, hn_count(c->out[0]));
    hn_walk w;
    HN_TRY(hn_integer_pair_read(c, k == PRODUCT, &b));
    HN_TRY(hn_load_i64(c, c->in[0], &x));
    HN_TRY(hn_load_i64(c, c->in[1], &z));
    if (!y)
        return hn_nomem(c->cx, "a result");
    hn_walk_start(&w, &c->out[0]->shape);
    hn_walk_operand(&w, 0, &c->in[0]->shape);
    hn_walk_operand(&w, 1, &c->in[1]->shape);
    for (; w.left; hn_walk_step(&w)) {
        int32_t u = (int32_t)x[w.pos[0]], v = (int32_t)z[w.pos[1]];
        y[w.index] = hn_clamp_i32(one_of(&b, u, v, k) + b.q.y_zero, b.q.low, b.q.high);
    }
    hn_put_i64(c->out[0], 0, hn_count(c->out[0]), y);
    return HN_OK;
}

static hn_err infer_sum(hn_call *c) { return infer_with(c, false); }
static hn_err infer_product(hn_call *c) { return infer_with(c, true); }
static hn_err run_add(hn_call *c) { return run_with(c, SUM); }
static hn_err run_sub(hn_call *c) { return run_with(c, DIFFERENCE); }
static hn_err run_mul(hn_call *c) { return run_with(c, PRODUCT); }

/* ---- Lookup ---------------------------------------------------------------------------------- */

static hn_err infer_lookup(hn_call *c)
{
    const hn_tensor *x = c->in[0], *table = c->in[1];
    if (x->dtype != HN_I8 && x->dtype != HN_U8)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(x->dtype));
    if (hn_dtype_bits(table->dtype) % 8 || hn_dtype_class(table->dtype) == HN_CLASS_S)
        return hn_unsupported(c, "a table of %s", hn_dtype_name(table->dtype));
    if (hn_shape_known(&table->shape) && (table->shape.rank != 1 || hn_count(table) != 256))
        return hn_bad(c, "the table has %zu entries, expected 256", hn_count(table));
    hn_out(c, 0, table->dtype, &x->shape);
    return HN_OK;
}

/* The index is the operand's byte as an unsigned number. */
static hn_err run_lookup(hn_call *c)
{
    const uint8_t *x = c->in[0]->data;
    for (size_t i = 0; i < hn_count(c->in[0]); i++)
        hn_elems_copy(c->out[0], i, c->in[1], x[i], 1);
    return HN_OK;
}

/* ---- Quantize -------------------------------------------------------------------------------- */

static hn_err infer_quantize(hn_call *c)
{
    hn_integers q;
    double scale;
    hn_dtype type = hn_dtype_from_onnx(hn_attr_int(c->node, "to", hn_dtype_to_onnx(HN_I8)));
    HN_TRY(hn_want_float(c, 0));
    HN_TRY(hn_scale_read(c, "y_scale", &scale));
    HN_TRY(hn_integers_read(c, type, &q));
    hn_out(c, 0, type, &c->in[0]->shape);
    return HN_OK;
}

typedef struct grid { hn_integers q; float scale; } grid;

static double to_grid(double x, const void *arg)
{
    const grid *g = arg;
    double y = (double)roundf((float)x / g->scale) + g->q.y_zero;
    return y >= g->q.low ? fmin(y, g->q.high) : g->q.low;          /* NaN too */
}

static hn_err run_quantize(hn_call *c)
{
    grid g;
    double scale;
    HN_TRY(hn_integers_read(c, c->out[0]->dtype, &g.q));
    HN_TRY(hn_scale_read(c, "y_scale", &scale));
    g.scale = (float)scale;
    return hn_map_with(c, to_grid, &g);
}

static const hn_attr_spec binary_attr[] = {
    { "a_scale", HN_ATTR_FLOAT, "1" }, { "a_zero", HN_ATTR_INT, "0" }, { "b_scale", HN_ATTR_FLOAT, "1" },
    { "b_zero", HN_ATTR_INT, "0" }, HN_INTEGER_ATTRS, { "y_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};
static const hn_attr_spec quantize_attr[] = {
    HN_INTEGER_ATTRS, { "to", HN_ATTR_INT, "the type, i8" }, { "y_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};

#define BINARY(id, NAME, INFER, RUN)                                                                    \
    const hn_op hn_op_##id = { .name = NAME, .domain = "hone", .since = 1, .min_in = 2, .max_in = 2,    \
                               .min_out = 1, .max_out = 1, .attr = binary_attr, .infer = INFER, .run = RUN };
BINARY(qadd, "QAdd", infer_sum, run_add)
BINARY(qsub, "QSub", infer_sum, run_sub)
BINARY(qmul, "QMul", infer_product, run_mul)

const hn_op hn_op_lookup = {
    .name = "Lookup", .domain = "hone", .since = 1, .min_in = 2, .max_in = 2, .min_out = 1, .max_out = 1,
    .infer = infer_lookup, .run = run_lookup,
};

const hn_op hn_op_quantize = {
    .name = "Quantize", .domain = "hone", .since = 1, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = quantize_attr, .infer = infer_quantize, .run = run_quantize,
};
