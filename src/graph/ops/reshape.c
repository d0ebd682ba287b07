/* SPDX-License-Identifier: Apache-2.0 */
/* reshape.c: the same bytes under another shape. */
#include <string.h>

#include "graph/op.h"

static hn_err run(hn_call *c)
{
    /* The runtime lets a view share its input's memory; then there is nothing to do. */
    if (c->out[0]->data != c->in[0]->data && hn_bytes(c->in[0]))
        memcpy(c->out[0]->data, c->in[0]->data, hn_bytes(c->in[0]));
    return HN_OK;
}

static hn_err infer_identity(hn_call *c)
{
    int64_t v[HN_RANK_MAX];
    int n = hn_known(c, 0, v, HN_RANK_MAX);
    if (n >= 0)
        hn_set_known(c, 0, v, n);
    return hn_infer_same(c);
}

static hn_err infer_reshape(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int64_t want[HN_RANK_MAX];
    bool allow_zero = hn_attr_int(c->node, "allowzero", 0);
    hn_shape s = { .rank = -1 };
    int n = hn_known(c, 1, want, HN_RANK_MAX);

    if (c->in[1]->data && hn_count(c->in[1]) > HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    if (n < 0) {                              /* the new rank may still be told */
        const hn_shape *t = &c->in[1]->shape;
        if (t->rank == 1 && t->dim[0] >= 0 && t->dim[0] <= HN_RANK_MAX) {
            s.rank = (int)t->dim[0];
            for (int i = 0; i < s.rank; i++)
                s.dim[i] = hn_fresh_dim(c);
        }
        hn_out(c, 0, x->dtype, &s);
        return HN_OK;
    }

    int infer_at = -1;
    bool sure = true;                          /* every other dimension is a number */
    size_t rest = 1;
    s.rank = n;
    for (int i = 0; i < n; i++) {
        int64_t d = want[i];
        if (d == 0 && !allow_zero) {
            if (x->shape.rank >= 0 && i >= x->shape.rank)
                return hn_bad(c, "dimension %d is to be copied, but the input has rank %d", i, x->shape.rank);
            d = x->shape.rank >= 0 ? x->shape.dim[i] : hn_fresh_dim(c);
        }
        if (d == -1) {
            if (infer_at >= 0)
                return hn_bad(c, "two dimensions of the new shape are -1");
            infer_at = i;
            d = 1;
        } else if (d < 0 && !hn_is_symbol(d)) {
            return hn_bad(c, "dimension %d of the new shape is %lld", i, (long long)d);
        }
        s.dim[i] = d;
        if (hn_is_symbol(d))
            sure = false;
        else if (__builtin_mul_overflow(rest, (size_t)d, &rest))
            return hn_bad(c, "the new shape is too large");
    }
    bool in_known = hn_shape_known(&x->shape);
    if (infer_at >= 0) {
        if (!sure || !in_known)
            s.dim[infer_at] = hn_fresh_dim(c);
        else if (rest == 0 || hn_count(x) % rest)
            return hn_bad(c, "%zu elements cannot be divided by %zu", hn_count(x), rest);
        else
            s.dim[infer_at] = (int64_t)(hn_count(x) / rest);
    }
    if (hn_shape_known(&s) && in_known && hn_shape_count(&s) != hn_count(x)) {
        char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
        return hn_bad(c, "%s does not hold the elements of %s", hn_shape_text(&s, a),
                      hn_shape_text(&x->shape, b));
    }
    hn_out(c, 0, x->dtype, &s);

    int64_t v[HN_RANK_MAX];                    /* shape arithmetic passes through 0-d and 1-d */
    if (n <= 1 && (n = hn_known(c, 0, v, HN_RANK_MAX)) >= 0)
        hn_set_known(c, 0, v, n);
    return HN_OK;
}

static hn_err infer_flatten(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = 2 };
    int axis;
    if (x->rank < 0) {
        s.dim[0] = hn_fresh_dim(c);
        s.dim[1] = hn_fresh_dim(c);
        hn_out(c, 0, c->in[0]->dtype, &s);
        return HN_OK;
    }
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 1), x->rank + 1, &axis));
    if (hn_attr_int(c->node, "axis", 1) < 0)
        axis--;                                /* negative counts from the rank, not from one past */
    for (int half = 0; half < 2; half++) {
        int from = half ? axis : 0, to = half ? x->rank : axis;
        bool known = true;
        for (int i = from; i < to; i++)
            known = known && x->dim[i] >= 0;
        s.dim[half] = known ? (int64_t)hn_shape_product(x, from, to)
                            : to - from == 1 ? x->dim[from] : hn_fresh_dim(c);
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

/* Marks the axes listed in input 1; *count is -1 when they are not known yet. */
static hn_err marked_axes(hn_call *c, int rank, bool mark[HN_RANK_MAX], int *count)
{
    int64_t axis[HN_RANK_MAX];
    *count = hn_known(c, 1, axis, HN_RANK_MAX);
    for (int i = 0; i < *count; i++) {
        int at;
        HN_TRY(hn_axis(c, axis[i], rank, &at));
        if (mark[at])
            return hn_bad(c, "axis %d is listed twice", at);
        mark[at] = true;
    }
    return HN_OK;
}

static void pass_known(hn_call *c)
{
    int64_t v[HN_RANK_MAX];
    int n = hn_known(c, 0, v, HN_RANK_MAX);
    if (n >= 0)
        hn_set_known(c, 0, v, n);
}

static hn_err infer_squeeze(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    bool drop[HN_RANK_MAX] = { false };
    hn_shape s = { .rank = -1 };
    int n = 0;

    if (x->rank >= 0 && hn_has_in(c, 1))
        HN_TRY(marked_axes(c, x->rank, drop, &n));
    if (x->rank >= 0 && n >= 0) {
        s.rank = 0;
        for (int i = 0; i < x->rank; i++) {
            if (!hn_has_in(c, 1))
                drop[i] = x->dim[i] == 1;
            else if (drop[i] && x->dim[i] != 1 && !hn_is_symbol(x->dim[i]))
                return hn_bad(c, "axis %d has size %lld, expected 1", i, (long long)x->dim[i]);
            if (!drop[i])
                s.dim[s.rank++] = x->dim[i];
        }
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    pass_known(c);
    return HN_OK;
}

static hn_err infer_unsqueeze(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    bool added[HN_RANK_MAX] = { false };
    int64_t axis[HN_RANK_MAX];
    hn_shape s = { .rank = -1 };
    int n = hn_known(c, 1, axis, HN_RANK_MAX);

    if (x->rank >= 0 && n >= 0) {
        if (x->rank + n > HN_RANK_MAX)
            return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
        HN_TRY(marked_axes(c, x->rank + n, added, &n));
        s.rank = x->rank + n;
        for (int i = 0, from = 0; i < s.rank; i++)
            s.dim[i] = added[i] ? 1 : x->dim[from++];
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    pass_known(c);
    return HN_OK;
}

static const hn_attr_spec reshape_attr[] = { { "allowzero", HN_ATTR_INT, "0: a 0 copies the input's dimension" }, { 0 } };
static const hn_attr_spec flatten_attr[] = { { "axis", HN_ATTR_INT, "1" }, { 0 } };

#define VIEW(id, onnx, opset, ins_min, ins_max, more, infer_fn, attrs)                               \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins_min, .max_in = ins_max, \
        .min_out = 1, .max_out = 1, .flags = HN_OP_VIEW | more, .attr = attrs, .infer = infer_fn, .run = run };

VIEW(identity,  "Identity",  25, 1, 1, HN_OP_LISTS, infer_identity,  NULL)
VIEW(reshape,   "Reshape",   25, 2, 2, 0,           infer_reshape,   reshape_attr)
VIEW(flatten,   "Flatten",   25, 1, 1, 0,           infer_flatten,   flatten_attr)
VIEW(squeeze,   "Squeeze",   25, 1, 2, 0,           infer_squeeze,   NULL)
VIEW(unsqueeze, "Unsqueeze", 25, 2, 2, 0,           infer_unsqueeze, NULL)
