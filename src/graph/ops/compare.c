/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c: comparisons and logic, with numpy broadcasting. */
#include "graph/elementwise.h"
#include "graph/strided.h"

/* ---- Comparisons: bool out ------------------------------------------------------------- */

/* Shape arithmetic: *out is the answer for a and b as they stand, which is the true one for two numbers
 * and for a symbol beside itself; of other symbols it is not known. */
static bool settle(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    if (a != b && (hn_is_symbol(a) || hn_is_symbol(b)))
        *out = hn_fresh_dim(c);
    return true;
}

#define COMPARISON(id, sign)                                                        \
    static double f_##id(double a, double b) { return a sign b; }                   \
    static int64_t i_##id(int64_t a, int64_t b) { return a sign b; }                \
    static int64_t u_##id(uint64_t a, uint64_t b) { return a sign b; }              \
    static bool known_##id(hn_call *c, int64_t a, int64_t b, int64_t *out)          \
    {                                                                               \
        *out = a sign b;                                                            \
        return settle(c, a, b, out);                                            \
    }

COMPARISON(equal, ==)
COMPARISON(greater, >)
COMPARISON(greater_or_equal, >=)
COMPARISON(less, <)
COMPARISON(less_or_equal, <=)

static hn_err infer_compare(hn_call *c, hn_known_fn known)
{
    HN_TRY(hn_infer_broadcast(c));
    if (hn_has_out(c, 0))
        c->out[0]->dtype = HN_BOOL;
    hn_zip_known(c, known);
    return HN_OK;
}

/* What exporters ask of a dimension is whether it is -1; no size is. */
static bool known_size_equal(hn_call *c, int64_t a, int64_t b, int64_t *out)
{
    *out = 0;
    if ((hn_is_symbol(a) && !hn_is_symbol(b) && b < 0) || (hn_is_symbol(b) && !hn_is_symbol(a) && a < 0))
        return true;
    return known_equal(c, a, b, out);
}

static hn_err equal_bits(hn_call *c)
{
    uint8_t *y = c->out[0]->data;
    hn_walk w;
    hn_walk_start(&w, &c->out[0]->shape);
    for (int i = 0; i < 2; i++)
        hn_walk_operand(&w, i, &c->in[i]->shape);
    for (; w.left; hn_walk_step(&w))
        y[w.index] = hn_elem_equal(c->in[0], w.pos[0], c->in[1], w.pos[1]);
    return HN_OK;
}

static hn_err infer_equal(hn_call *c) { return infer_compare(c, known_size_equal); }
static hn_err run_equal(hn_call *c)
{
    return c->in[0]->dtype == HN_STR ? equal_bits(c) : hn_zip(c, (hn_zip_fns){ f_equal, i_equal, u_equal });
}

#define BINARY(id, onnx, opset)                                                                   \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 2, .max_in = 2,            \
        .min_out = 1, .max_out = 1, .flags = HN_OP_BROADCAST, .infer = infer_##id, .run = run_##id };

#define COMPARE(id, onnx, opset)                                                                  \
    static hn_err infer_##id(hn_call *c) { return infer_compare(c, known_##id); }                 \
    static hn_err run_##id(hn_call *c) { return hn_zip(c, (hn_zip_fns){ f_##id, i_##id, u_##id }); } \
    BINARY(id, onnx, opset)

BINARY(equal, "Equal", 19)
COMPARE(greater,          "Greater",        13)
COMPARE(greater_or_equal, "GreaterOrEqual", 16)
COMPARE(less,             "Less",           13)
COMPARE(less_or_equal,    "LessOrEqual",    16)

/* ---- Logic on bool, and the same bit by bit on integers -------------------------------- */

static int64_t i_and(int64_t a, int64_t b) { return a & b; }
static int64_t i_or(int64_t a, int64_t b) { return a | b; }
static int64_t i_xor(int64_t a, int64_t b) { return a ^ b; }

static hn_err infer_logic(hn_call *c)
{
    if (c->in[0]->dtype != HN_BOOL)
        return hn_bad(c, "input 0 is %s, expected bool", hn_dtype_name(c->in[0]->dtype));
    return hn_infer_broadcast(c);
}

#define LOGIC(id, onnx, opset, infer_fn, f)                                                       \
    static hn_err infer_##id(hn_call *c) { return infer_fn(c); }                                  \
    static hn_err run_##id(hn_call *c) { return hn_zip(c, (hn_zip_fns){ NULL, f, NULL }); }       \
    BINARY(id, onnx, opset)

LOGIC(and,         "And",        7,  infer_logic,        i_and)
LOGIC(or,          "Or",         7,  infer_logic,        i_or)
LOGIC(xor,         "Xor",        7,  infer_logic,        i_xor)
LOGIC(bitwise_and, "BitwiseAnd", 18, hn_infer_broadcast, i_and)
LOGIC(bitwise_or,  "BitwiseOr",  18, hn_infer_broadcast, i_or)
LOGIC(bitwise_xor, "BitwiseXor", 18, hn_infer_broadcast, i_xor)
