/* SPDX-License-Identifier: Apache-2.0 */
/* unary.c: one number in, one number out, the same shape. */
#include <math.h>

#include "graph/elementwise.h"

static double f_relu(double x) { return x < 0 ? 0 : x; }      /* NaN stays NaN */
static int64_t i_relu(int64_t x) { return x < 0 ? 0 : x; }
static double f_neg(double x) { return -x; }
static int64_t i_neg(int64_t x) { return (int64_t)-(uint64_t)x; }
static int64_t i_abs(int64_t x) { return x < 0 ? i_neg(x) : x; }
static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }

/* UNARY(id, ONNX name, opset, float function, integer function or NULL) */
#define UNARY(id, onnx, opset, f, i)                                                    \
    static hn_err run_##id(hn_call *c) { return hn_map(c, f, i); }                      \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 1, .max_in = 1,  \
        .min_out = 1, .max_out = 1, .infer = hn_infer_same, .run = run_##id };

UNARY(abs,     "Abs",     13, fabs,      i_abs)
UNARY(neg,     "Neg",     13, f_neg,     i_neg)
UNARY(relu,    "Relu",    14, f_relu,    i_relu)
UNARY(sqrt,    "Sqrt",    13, sqrt,      NULL)
UNARY(exp,     "Exp",     13, exp,       NULL)
UNARY(log,     "Log",     13, log,       NULL)
UNARY(sigmoid, "Sigmoid", 13, f_sigmoid, NULL)
UNARY(tanh,    "Tanh",    13, tanh,      NULL)
