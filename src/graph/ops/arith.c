/* SPDX-License-Identifier: Apache-2.0 */
/* arith.c: two numbers in, one out, with numpy broadcasting. */
#include <math.h>

#include "graph/elementwise.h"

static double f_add(double a, double b) { return a + b; }
static double f_sub(double a, double b) { return a - b; }
static double f_mul(double a, double b) { return a * b; }
static double f_div(double a, double b) { return a / b; }
static int64_t i_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t i_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t i_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* Division by zero has no value in ONNX; it must not be a trap either. */
static int64_t i_div(int64_t a, int64_t b)
{
    return b == 0 ? 0 : b == -1 ? (int64_t)-(uint64_t)a : a / b;
}
static int64_t u_div(uint64_t a, uint64_t b) { return b == 0 ? 0 : (int64_t)(a / b); }

#define ARITH(id, onnx, opset, ...)                                                     \
    static hn_err run_##id(hn_call *c) { return hn_zip(c, (hn_zip_fns){ __VA_ARGS__ }); } \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = 2, .max_in = 2,  \
        .min_out = 1, .max_out = 1, .flags = HN_OP_BROADCAST,                           \
        .infer = hn_infer_broadcast, .run = run_##id };

ARITH(add, "Add", 14, f_add, i_add)
ARITH(sub, "Sub", 14, f_sub, i_sub)
ARITH(mul, "Mul", 14, f_mul, i_mul)
ARITH(div, "Div", 14, f_div, i_div, u_div)
