/* SPDX-License-Identifier: Apache-2.0 */
/* Activations: functions of one number that kernels can apply to a result before storing it. */
#ifndef HN_KERNELS_ACT_H
#define HN_KERNELS_ACT_H

#include <stddef.h>

/* X(ID, name, formula in x, a, b) */
#define HN_ACTS(X)                                  \
    X(NONE,        "none")                          \
    X(CLIP,        "clip")          /* min(max(x, a), b); Relu is a = 0, b = inf */ \
    X(LEAKY,       "leaky_relu")    /* x < 0 ? a x : x */      \
    X(SIGMOID,     "sigmoid")       /* 1 / (1 + exp(-x)) */    \
    X(TANH,        "tanh")                          \
    X(SILU,        "silu")          /* x sigmoid(x) */         \
    X(HARDSIGMOID, "hard_sigmoid")  /* min(max(a x + b, 0), 1) */ \
    X(HARDSWISH,   "hard_swish")    /* x min(max(x / 6 + 0.5, 0), 1) */ \
    X(GELU,        "gelu")          /* 0.5 x (1 + erf(x / sqrt 2)) */ \
    X(GELU_TANH,   "gelu_tanh")     /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */

typedef enum hn_act_kind {
#define X(id, name) HN_ACT_##id,
    HN_ACTS(X)
#undef X
} hn_act_kind;

typedef struct hn_act {
    hn_act_kind kind;
    float a, b;
} hn_act;

const char *hn_act_name(hn_act_kind k);
double hn_act_apply(hn_act act, double x);       /* the plain definition, the oracle of the kernels */

#endif
