/* SPDX-License-Identifier: Apache-2.0 */
/* state.c: layers that remember a fixed amount of what they read, in the `hone` domain.
 *
 *     ShortConv      (x f32 [T, C], w f32 [C, L], positions i32 [T], bias f32 [C]?)
 *                    each channel over its last L tokens
 *     SelectiveScan  (x f32 [T, C], dt f32 [T, C], b f32 [T, N], c f32 [T, N], a f32 [C, N], d f32 [C],
 *                    positions i32 [T])
 *
 * Both keep their memory in the session's state from attribute `at` on: first how many tokens it has seen,
 * then the numbers.  A run at position 0 begins anew; any other run must go on where the last one ended,
 * because such a memory cannot be taken back token by token. */
#include <math.h>
#include <string.h>

#include "graph/kv.h"
#include "graph/load.h"

/* The node's `count` numbers, cleared when the text begins here. */
static hn_err recall(hn_call *c, const hn_tensor *positions, size_t count, float **out)
{
    int64_t at = hn_attr_int(c->node, "at", 0);
    const int32_t *pos = positions->data;
    size_t rows = hn_count(positions);
    if (!c->kv || at < 0 || (size_t)at >= c->kv->o.state || count + 1 > c->kv->o.state - (size_t)at)
        return hn_bad(c, "needs %zu numbers of a session's state at %lld", count + 1, (long long)at);
    float *s = c->kv->state + at;
    if (rows && pos[0] == 0)
        memset(s, 0, (count + 1) * sizeof *s);
    if (rows && s[0] != (float)pos[0])
        return hn_unsupported(c,
                              "going back to position %d of %.0f, which this model remembers as one state; begin anew",
                              pos[0], (double)s[0]);
    s[0] += (float)rows;
    *out = s + 1;
    return HN_OK;
}

/* ---- ShortConv ----------------------------------------------------------------------------------- */

enum { X, W, POSITIONS, BIAS };

static hn_err infer_conv(hn_call *c)
{
    HN_TRY(hn_want_type(c, X, HN_F32));
    HN_TRY(hn_want_type(c, W, HN_F32));
    HN_TRY(hn_want_type(c, POSITIONS, HN_I32));
    HN_TRY(hn_want_rank(c, X, 2));
    HN_TRY(hn_want_rank(c, W, 2));
    if (c->in[X]->shape.rank == 2 && c->in[W]->shape.rank == 2 && hn_dims_differ(c->in[X]->shape.dim[1],
                                                                                 c->in[W]->shape.dim[0]))
        return hn_bad(c, "%lld channels meet weights for %lld", (long long)c->in[X]->shape.dim[1],
                      (long long)c->in[W]->shape.dim[0]);
    if (c->in[W]->shape.rank == 2 && c->in[W]->shape.dim[1] < 1)
        return hn_bad(c, "a window of no tokens");
    return hn_infer_same(c);
}

static hn_err run_conv(hn_call *c)
{
    size_t rows = (size_t)c->in[X]->shape.dim[0], n = (size_t)c->in[W]->shape.dim[0],
        taps = (size_t)c->in[W]->shape.dim[1];
    const float *x = c->in[X]->data, *w = c->in[W]->data, *bias = hn_has_in(c, BIAS) ? c->in[BIAS]->data : NULL;
    float *out = c->out[0]->data, *past;                 /* [taps - 1, n], oldest first */
    HN_TRY(recall(c, c->in[POSITIONS], (taps - 1) * n, &past));
    for (size_t t = 0; t < rows; t++, x += n, out += n) {
        for (size_t i = 0; i < n; i++) {
            double sum = (double)x[i] * (double)w[i * taps + taps - 1] + (bias ? (double)bias[i] : 0);
            for (size_t k = 0; k + 1 < taps; k++)
                sum += (double)past[k * n + i] * (double)w[i * taps + k];
            out[i] = (float)sum;
        }
        if (taps > 1) {
            memmove(past, past + n, (taps - 2) * n * sizeof *past);
            memcpy(past + (taps - 2) * n, x, n * sizeof *past);
        }
    }
    return HN_OK;
}

/* ---- SelectiveScan -------------------------------------------------------------------------------- */

/* h = exp(step a) h + step b x; y = c h + d x, with step = log(1 + exp(dt)).  Gu & Dao, Mamba (2023), alg. 2. */
enum { SX, DT, B, C, A, D, SPOSITIONS };

static hn_err infer_scan(hn_call *c)
{
    for (int i = SX; i <= D; i++)
        HN_TRY(hn_want_type(c, i, HN_F32));
    HN_TRY(hn_want_type(c, SPOSITIONS, HN_I32));
    HN_TRY(hn_want_same(c, SX, DT));
    HN_TRY(hn_want_same(c, B, C));
    HN_TRY(hn_want_rank(c, SX, 2));
    HN_TRY(hn_want_rank(c, A, 2));
    return hn_infer_same(c);
}

static hn_err run_scan(hn_call *c)
{
    size_t rows = (size_t)c->in[SX]->shape.dim[0], n = (size_t)c->in[A]->shape.dim[0],
        states = (size_t)c->in[A]->shape.dim[1];
    const float *x = c->in[SX]->data, *dt = c->in[DT]->data, *b = c->in[B]->data, *cc = c->in[C]->data;
    const float *a = c->in[A]->data, *d = c->in[D]->data;
    float *out = c->out[0]->data, *h;
    if (hn_count(c->in[SX]) != rows * n || hn_count(c->in[DT]) != rows * n || hn_count(c->in[B]) != rows * states ||
        hn_count(c->in[C]) != rows * states || hn_count(c->in[D]) != n || hn_count(c->in[SPOSITIONS]) != rows)
        return hn_bad(c, "operands do not fit %zu channels of %zu states", n, states);
    HN_TRY(recall(c, c->in[SPOSITIONS], n * states, &h));
    for (size_t t = 0; t < rows; t++, x += n, dt += n, out += n, b += states, cc += states)
        for (size_t i = 0; i < n; i++) {
            double raw = (double)dt[i], step = raw > 20 ? raw : log1p(exp(raw)), y = (double)d[i] * (double)x[i];
            for (size_t s = 0; s < states; s++) {
                float *m = &h[i * states + s];
                *m = (float)((double)*m * exp(step * (double)a[i * states + s]) + step * (double)b[s] * (double)x[i]);
                y += (double)*m * (double)cc[s];
            }
            out[i] = (float)y;
        }
    return HN_OK;
}

static const hn_attr_spec attr[] = { { "at", HN_ATTR_INT, "where in the session's state" }, { 0 } };

const hn_op hn_op_short_conv = { .name = "ShortConv", .domain = "hone", .since = 1, .min_in = 3, .max_in = 4,
                                 .min_out = 1,
                                 .max_out = 1, .flags = HN_OP_STATE, .attr = attr, .infer = infer_conv,
                                     .run = run_conv };
const hn_op hn_op_selective_scan = { .name = "SelectiveScan", .domain = "hone", .since = 1, .min_in = 7, .max_in = 7,
                                     .min_out = 1,
                                     .max_out = 1, .flags = HN_OP_STATE, .attr = attr, .infer = infer_scan,
                                         .run = run_scan };
