/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/elementwise.h"

#include <string.h>

#include "base/num.h"

enum { CHUNK = 256 };    /* elements converted at a time: small enough for the stack and L1 */

hn_err hn_map(hn_call *c, double (*f)(double), int64_t (*fi)(int64_t))
{
    const hn_tensor *x = c->in[0];
    hn_tensor *y = c->out[0];
    bool is_float = hn_is_float(x->dtype);
    int class = hn_dtype_class(x->dtype);
    size_t count = hn_count(x);

    if (is_float ? !f : !fi || (class != HN_CLASS_I && class != HN_CLASS_U))
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(x->dtype));
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = hn_min(CHUNK, count - i);
        if (is_float) {
            double v[CHUNK];
            hn_get_f64(x, i, n, v);
            for (size_t j = 0; j < n; j++)
                v[j] = f(v[j]);
            hn_put_f64(y, i, n, v);
        } else {
            int64_t v[CHUNK];
            hn_get_i64(x, i, n, v);
            for (size_t j = 0; j < n; j++)
                v[j] = fi(v[j]);
            hn_put_i64(y, i, n, v);
        }
    }
    return HN_OK;
}

hn_err hn_map_with(hn_call *c, double (*f)(double, const void *), const void *arg)
{
    const hn_tensor *x = c->in[0];
    size_t count = hn_count(x);
    double v[CHUNK];
    int class = hn_dtype_class(x->dtype);

    if (class == HN_CLASS_S || class == HN_CLASS_C)
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(x->dtype));

    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = hn_min(CHUNK, count - i);
        hn_get_f64(x, i, n, v);
        for (size_t j = 0; j < n; j++)
            v[j] = f(v[j], arg);
        hn_put_f64(c->out[0], i, n, v);
    }
    return HN_OK;
}

/* Row by row along the last axis: within a row an operand either moves by one or stands still. */
static hn_err zip(const hn_call *c, const hn_tensor *a, const hn_tensor *b, hn_tensor *y, hn_zip_fns fns)
{
    int rank = y->shape.rank;
    size_t sa[HN_RANK_MAX], sb[HN_RANK_MAX], at[HN_RANK_MAX] = { 0 };
    size_t count = hn_count(y), row = rank ? (size_t)y->shape.dim[rank - 1] : 1;
    size_t oa = 0, ob = 0;
    bool is_float = hn_is_float(a->dtype);

    int class = hn_dtype_class(a->dtype);
    if (is_float ? !fns.f : !fns.i || (class != HN_CLASS_I && class != HN_CLASS_U))
        return hn_unsupported(c, "no such operation on %s", hn_dtype_name(a->dtype));
    int64_t (*u)(uint64_t, uint64_t) = a->dtype == HN_U64 ? fns.u : NULL;
    hn_broadcast_strides(&a->shape, rank, sa);
    hn_broadcast_strides(&b->shape, rank, sb);
    bool walk_a = rank && sa[rank - 1], walk_b = rank && sb[rank - 1];

    for (size_t done = 0; done < count; done += row) {
        for (size_t i = 0; i < row; i += CHUNK) {
            size_t n = hn_min(CHUNK, row - i);
            if (is_float) {
                double va[CHUNK], vb[CHUNK];
                hn_get_f64(a, walk_a ? oa + i : oa, walk_a ? n : 1, va);
                hn_get_f64(b, walk_b ? ob + i : ob, walk_b ? n : 1, vb);
                for (size_t j = n; j-- > 0;)
                    va[j] = fns.f(va[walk_a ? j : 0], vb[walk_b ? j : 0]);
                hn_put_f64(y, done + i, n, va);
            } else {
                int64_t va[CHUNK], vb[CHUNK];
                hn_get_i64(a, walk_a ? oa + i : oa, walk_a ? n : 1, va);
                hn_get_i64(b, walk_b ? ob + i : ob, walk_b ? n : 1, vb);
                for (size_t j = n; j-- > 0;) {
                    int64_t x = va[walk_a ? j : 0], z = vb[walk_b ? j : 0];
                    va[j] = u ? u((uint64_t)x, (uint64_t)z) : fns.i(x, z);
                }
                hn_put_i64(y, done + i, n, va);
            }
        }
        for (int d = rank - 2; d >= 0; d--) {       /* step to the next row */
            oa += sa[d];
            ob += sb[d];
            if (++at[d] < (size_t)y->shape.dim[d])
                break;
            oa -= sa[d] * at[d];
            ob -= sb[d] * at[d];
            at[d] = 0;
        }
    }
    return HN_OK;
}

hn_err hn_zip(hn_call *c, hn_zip_fns fns) { return zip(c, c->in[0], c->in[1], c->out[0], fns); }

hn_err hn_zip_tensors(hn_call *c, const hn_tensor *a, const hn_tensor *b, hn_zip_fns fns, hn_tensor *y)
{
    return zip(c, a, b, y, fns);
}

hn_err hn_zip_all(hn_call *c, hn_zip_fns fns, hn_tensor *y)
{
    hn_dtype partial = hn_is_float(y->dtype) ? HN_F64 : y->dtype;    /* rounded once, at the end */
    if (c->in_count == 1) {
        if (hn_bytes(y))
            memcpy(y->data, c->in[0]->data, hn_bytes(y));
        return HN_OK;
    }
    hn_tensor sum = *c->in[0];
    for (int i = 1; i < c->in_count; i++) {
        hn_tensor next = { .dtype = i == c->in_count - 1 ? y->dtype : partial };
        HN_TRY(hn_broadcast(c, &sum.shape, &c->in[i]->shape, &next.shape));
        /* The last step writes the output; earlier ones write scratch of their own shape. */
        next.data = i == c->in_count - 1 ? y->data
                                         : hn_arena_get(c->scratch, hn_max(hn_bytes(&next), 1), 64);
        if (!next.data)
            return hn_nomem(c->cx, "a partial result");
        HN_TRY(zip(c, &sum, c->in[i], &next, fns));
        sum = next;
    }
    return HN_OK;
}

static bool is_integer(const hn_tensor *t)
{
    int class = hn_dtype_class(t->dtype);
    return class == HN_CLASS_I || class == HN_CLASS_U;
}

void hn_zip_known(hn_call *c, hn_known_fn f)
{
    int64_t v[2][HN_KNOWN_MAX], out[HN_KNOWN_MAX];
    int n[2];
    for (int i = 0; i < 2; i++) {
        int rank = c->in[i]->shape.rank;
        n[i] = rank >= 0 && rank <= 1 && is_integer(c->in[i]) ? hn_known(c, i, v[i], HN_KNOWN_MAX) : -1;
    }
    if (n[0] < 0 || n[1] < 0 || (n[0] != 1 && n[1] != 1 && n[0] != n[1]))
        return;
    int most = n[0] == 1 ? n[1] : n[0];
    for (int j = 0; j < most; j++)
        if (!f(c, v[0][n[0] == 1 ? 0 : j], v[1][n[1] == 1 ? 0 : j], &out[j]))
            return;
    hn_set_known(c, 0, out, most);
}
