/* SPDX-License-Identifier: Apache-2.0 */
/* det.c: Det, the determinant of each square matrix in the last two dimensions. */
#include <math.h>

#include "graph/load.h"

static hn_err infer(hn_call *c)
{
    hn_shape s = c->in[0]->shape;
    HN_TRY(hn_want_float(c, 0));
    if (s.rank >= 0 && s.rank < 2)
        return hn_bad(c, "input 0 must hold matrices, it has %d dimensions", s.rank);
    if (s.rank >= 2 && hn_dims_differ(s.dim[s.rank - 1], s.dim[s.rank - 2]))
        return hn_bad(c, "matrices must be square, they are %lld by %lld",
                      (long long)s.dim[s.rank - 2], (long long)s.dim[s.rank - 1]);
    s.rank = s.rank < 0 ? -1 : s.rank - 2;
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

/* Elimination with the largest pivot of each column: without it a small pivot would drown the
 * rest in rounding.  Overwrites m [n, n]; the determinant of the empty matrix is 1. */
static double determinant(double *m, size_t n)
{
    double det = 1;
    for (size_t k = 0; k < n; k++) {
        size_t best = k;
        for (size_t i = k + 1; i < n; i++)
            best = fabs(m[i * n + k]) > fabs(m[best * n + k]) ? i : best;
        for (size_t j = 0; best != k && j < n; j++) {
            double t = m[k * n + j];
            m[k * n + j] = m[best * n + j];
            m[best * n + j] = t;
        }
        det *= best == k ? m[k * n + k] : -m[k * n + k];
        if (m[k * n + k] == 0)
            return 0;
        for (size_t i = k + 1; i < n; i++)
            for (size_t j = n; j-- > k;)      /* column k last: it is the factor */
                m[i * n + j] -= m[i * n + k] / m[k * n + k] * m[k * n + j];
    }
    return det;
}

static hn_err run(hn_call *c)
{
    const hn_shape *s = &c->in[0]->shape;
    size_t n = (size_t)s->dim[s->rank - 1];
    double *m;
    HN_TRY(hn_load_f64(c, c->in[0], &m));
    for (size_t i = 0; i < hn_count(c->out[0]); i++) {
        double det = determinant(m + i * n * n, n);
        hn_put_f64(c->out[0], i, 1, &det);
    }
    return HN_OK;
}

const hn_op hn_op_det = {
    .name = "Det", .since = 22, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .infer = infer, .run = run,
};
