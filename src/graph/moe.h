/* SPDX-License-Identifier: Apache-2.0 */
/* Mixtures of experts: which of them read a token, and with what weight.
 *
 * Shared by the plain operator and the fast one, so that both choose alike. */
#ifndef HN_GRAPH_MOE_H
#define HN_GRAPH_MOE_H

#include "graph/op.h"
#include "tensor/qtypes.h"

/* Operands of the MoE node. */
enum { HN_MOE_X, HN_MOE_LOGITS, HN_MOE_GATE, HN_MOE_UP, HN_MOE_DOWN, HN_MOE_GATE_BIAS, HN_MOE_UP_BIAS,
       HN_MOE_DOWN_BIAS };

enum { HN_MOE_USED_MAX = 64 };

typedef struct hn_moe {
    size_t experts, used;          /* used: of each token */
    size_t width, ffn;             /* of x, and inside an expert */
    hn_qtype gate, up, down;
    bool renormalise;              /* the chosen experts' weights add up to 1 */
    hn_act_kind act;
    float clamp;                   /* 0: act(gate) * up; otherwise see hn_moe_glu */
} hn_moe;

/* Reads attributes and checks them against the operands; node and operands as in infer or run. */
hn_err hn_moe_read(const hn_call *c, hn_moe *out);

/* The `used` experts of one token, best first, and their weights: softmax over all logits, or over the
 * chosen ones, which is the same as renormalising. */
void hn_moe_route(const hn_moe *m, const float *logits, int32_t *chosen, float *weight);

/* What stands between the two matrices.  With `clamp` c: g = min(gate, c), u = up held in [-c, c], then
 * g sigmoid(1.702 g) (u + 1), as gpt-oss has it. */
float hn_moe_glu(const hn_moe *m, float gate, float up);

#endif
