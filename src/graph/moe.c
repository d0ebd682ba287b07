/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/moe.h"

#include <math.h>

#include "base/num.h"

/* Experts' matrices lie one below the other: [experts * rows, bytes of a row]. */
static hn_err check_matrix(const hn_call *c, int i, hn_qtype type, size_t rows, size_t k)
{
    const hn_shape *s = &c->in[i]->shape;
    if (c->in[i]->dtype != HN_U8 || s->rank != 2 || (size_t)s->dim[0] != rows ||
        (size_t)s->dim[1] != hn_q_bytes(type, k))
        return hn_bad(c, "input %d is not %zu rows of %zu elements of %s", i, rows, k, hn_qtype_get(type)->name);
    return HN_OK;
}

static hn_err check_bias(const hn_call *c, int i, size_t count)
{
    if (hn_has_in(c, i) && (c->in[i]->dtype != HN_F32 || (hn_shape_known(&c->in[i]->shape) &&
                                                          hn_shape_count(&c->in[i]->shape) != count)))
        return hn_bad(c, "input %d is not a bias of %zu floats", i, count);
    return HN_OK;
}

hn_err hn_moe_read(const hn_call *c, hn_moe *m)
{
    const hn_node *n = c->node;
    int64_t experts = hn_attr_int(n, "experts", 0), used = hn_attr_int(n, "used", 0);
    int64_t width = hn_attr_int(n, "k", 0), ffn = hn_attr_int(n, "ffn", 0);
    *m = (hn_moe){ .gate = hn_qtype_from_number((uint32_t)hn_attr_int(n, "gate_qtype", -1)),
                   .up = hn_qtype_from_number((uint32_t)hn_attr_int(n, "up_qtype", -1)),
                   .down = hn_qtype_from_number((uint32_t)hn_attr_int(n, "down_qtype", -1)),
                   .renormalise = hn_attr_int(n, "renormalise", 1) != 0,
                       .act = (hn_act_kind)hn_attr_int(n, "act", HN_ACT_SILU),
                   .clamp = (float)hn_attr_float(n, "clamp", 0) };
    if (!m->gate || !m->up || !m->down || experts <= 0 || used <= 0 || width <= 0 || ffn <= 0)
        return hn_bad(c, "needs attributes 'experts', 'used', 'k', 'ffn' and the types of its matrices");
    if (used > experts || used > HN_MOE_USED_MAX)
        return hn_bad(c, "%lld experts of %lld for each token, expected at most %d", (long long)used,
                      (long long)experts,
                      HN_MOE_USED_MAX);
    m->experts = (size_t)experts;
    m->used = (size_t)used;
    m->width = (size_t)width;
    m->ffn = (size_t)ffn;
    HN_TRY(check_matrix(c, HN_MOE_GATE, m->gate, hn_mul(m->experts, m->ffn), m->width));
    HN_TRY(check_matrix(c, HN_MOE_UP, m->up, hn_mul(m->experts, m->ffn), m->width));
    HN_TRY(check_matrix(c, HN_MOE_DOWN, m->down, hn_mul(m->experts, m->width), m->ffn));
    HN_TRY(check_bias(c, HN_MOE_GATE_BIAS, hn_mul(m->experts, m->ffn)));
    HN_TRY(check_bias(c, HN_MOE_UP_BIAS, hn_mul(m->experts, m->ffn)));
    return check_bias(c, HN_MOE_DOWN_BIAS, hn_mul(m->experts, m->width));
}

void hn_moe_route(const hn_moe *m, const float *logits, int32_t *chosen, float *weight)
{
    double sum = 0, top;
    for (size_t j = 0; j < m->used; j++) {
        int32_t best = -1;
        for (size_t e = 0; e < m->experts; e++) {
            bool taken = false;
            for (size_t i = 0; i < j; i++)
                taken |= chosen[i] == (int32_t)e;
            if (!taken && (best < 0 || logits[e] > logits[best]))
                best = (int32_t)e;
        }
        chosen[j] = best;
    }
    top = (double)logits[chosen[0]];
    for (size_t e = 0; e < m->experts && !m->renormalise; e++)
        sum += exp((double)logits[e] - top);
    for (size_t j = 0; j < m->used && m->renormalise; j++)
        sum += exp((double)logits[chosen[j]] - top);
    for (size_t j = 0; j < m->used; j++)
        weight[j] = (float)(exp((double)logits[chosen[j]] - top) / sum);
}

float hn_moe_glu(const hn_moe *m, float gate, float up)
{
    if (m->clamp == 0)
        return (float)(hn_act_apply((hn_act){ m->act, 0, 0 }, (double)gate) * (double)up);
    double g = fmin((double)gate, (double)m->clamp), u = fmin(fmax((double)up, -(double)m->clamp), (double)m->clamp);
    return (float)(g / (1 + exp(-1.702 * g)) * (u + 1));
}
