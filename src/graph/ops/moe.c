/* SPDX-License-Identifier: Apache-2.0 */
/* moe.c: a feed-forward part cut into experts, of which a few read each token; `hone` domain.
 *
 *     MoE (x f32 [T, K], logits f32 [T, experts], gate, up, down: block-quantised, biases?) -> f32 [T, K] */
#include "graph/load.h"
#include "graph/moe.h"
#include "kernels/qdot.h"

static hn_err infer(hn_call *c)
{
    hn_moe m;
    HN_TRY(hn_want_type(c, HN_MOE_X, HN_F32));
    HN_TRY(hn_want_type(c, HN_MOE_LOGITS, HN_F32));
    HN_TRY(hn_want_rank(c, HN_MOE_X, 2));
    HN_TRY(hn_want_rank(c, HN_MOE_LOGITS, 2));
    HN_TRY(hn_moe_read(c, &m));
    const hn_shape *x = &c->in[HN_MOE_X]->shape, *l = &c->in[HN_MOE_LOGITS]->shape;
    if ((x->rank == 2 && hn_dims_differ(x->dim[1], (int64_t)m.width)) ||
        (l->rank == 2 && hn_dims_differ(l->dim[1], (int64_t)m.experts)))
        return hn_bad(c, "operands do not fit %zu experts of width %zu", m.experts, m.width);
    return hn_infer_same(c);
}

static double product(hn_qtype type, const hn_tensor *w, size_t row, const float *x, size_t k, const hn_tensor *bias)
{
    double y = hn_qdot_exact(type, (const char *)w->data + row * (size_t)w->shape.dim[1], x, k);
    return y + (bias ? (double)((const float *)bias->data)[row] : 0);
}

static const hn_tensor *bias_of(const hn_call *c, int i) { return hn_has_in(c, i) ? c->in[i] : NULL; }

static hn_err run(hn_call *c)
{
    hn_moe m;
    int32_t chosen[HN_MOE_USED_MAX];
    float weight[HN_MOE_USED_MAX];
    HN_TRY(hn_moe_read(c, &m));
    float *inner = HN_SCRATCH(c, float, m.ffn);
    double *sum = HN_SCRATCH(c, double, m.width);
    if (!inner || !sum)
        return hn_nomem(c->cx, "experts");
    for (size_t t = 0; t < (size_t)c->in[HN_MOE_X]->shape.dim[0]; t++) {
        const float *x = (const float *)c->in[HN_MOE_X]->data + t * m.width;
        float *out = (float *)c->out[0]->data + t * m.width;
        hn_moe_route(&m, (const float *)c->in[HN_MOE_LOGITS]->data + t * m.experts, chosen, weight);
        for (size_t i = 0; i < m.width; i++)
            sum[i] = 0;
        for (size_t j = 0; j < m.used; j++) {
            size_t first = (size_t)chosen[j] * m.ffn;
            for (size_t i = 0; i < m.ffn; i++)
                inner[i] = hn_moe_glu(&m, (float)product(m.gate, c->in[HN_MOE_GATE], first + i, x, m.width,
                                                         bias_of(c, HN_MOE_GATE_BIAS)),
                                      (float)product(m.up, c->in[HN_MOE_UP], first + i, x, m.width,
                                                     bias_of(c, HN_MOE_UP_BIAS)));
            first = (size_t)chosen[j] * m.width;
            for (size_t i = 0; i < m.width; i++)
                sum[i] += (double)weight[j] * product(m.down, c->in[HN_MOE_DOWN], first + i, inner, m.ffn,
                                                      bias_of(c, HN_MOE_DOWN_BIAS));
        }
        for (size_t i = 0; i < m.width; i++)
            out[i] = (float)sum[i];
    }
    return HN_OK;
}

static double macs(const hn_call *c)
{
    return 3.0 * (double)hn_count(c->out[0]) * (double)hn_attr_int(c->node, "ffn", 0) * (double)hn_attr_int(c->node,
                                                                                                            "used", 0);
}

static const hn_attr_spec attr[] = {
    { "experts", HN_ATTR_INT, "" }, { "used", HN_ATTR_INT, "of each token" }, { "k", HN_ATTR_INT, "width of x" },
    { "ffn", HN_ATTR_INT, "width inside an expert" }, { "gate_qtype", HN_ATTR_INT, "as GGUF numbers types" },
    { "up_qtype", HN_ATTR_INT, "" }, { "down_qtype", HN_ATTR_INT, "" },
    { "renormalise", HN_ATTR_INT, "1: weights of the chosen add up to 1" },
        { "act", HN_ATTR_INT, "an activation's number" },
    { "clamp", HN_ATTR_FLOAT, "0: none" }, { 0 }
};

const hn_op hn_op_moe = { .name = "MoE", .domain = "hone", .since = 1, .min_in = 5, .max_in = 8, .min_out = 1,
                          .max_out = 1,
                          .attr = attr, .infer = infer, .run = run, .macs = macs };
