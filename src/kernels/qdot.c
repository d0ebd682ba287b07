/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/qdot.h"

bool hn_qdot_integer(hn_qtype t)
{
    switch (t) {
#define INTEGER(id) case HN_QT_##id:
#include "kernels/qdot.def"
#undef INTEGER
        return true;
    default:
        return false;
    }
}

double hn_qdot_exact(hn_qtype t, const void *row, const float *x, size_t k)
{
    const hn_qtype_info *q = hn_qtype_get(t);
    const uint8_t *block = row;
    float w[HN_Q_BLOCK_MAX];
    double sum = 0;

    for (size_t i = 0; i < k; i += q->block_count, block += q->block_size) {
        hn_q_decode(t, block, w, q->block_count);
        for (size_t j = 0; j < q->block_count; j++)
            sum += (double)w[j] * x[i + j];
    }
    return sum;
}

size_t hn_qdot_group(hn_qtype t)
{
    size_t block = hn_qtype_get(t)->block_count;
    return block == 1 ? 1 : block == HN_Q_BLOCK_MAX ? HN_Q_BLOCK_MAX : HN_Q8_BLOCK;
}
