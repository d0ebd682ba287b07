/* SPDX-License-Identifier: Apache-2.0 */
/* transpose.c: the same elements with their axes in another order. */
#include "graph/strided.h"

/* The order of axes asked for; reversed when not given. */
static hn_err find_perm(hn_call *c, int rank, int perm[HN_RANK_MAX])
{
    const int64_t *given;
    size_t count = hn_attr_ints(c->node, "perm", &given);
    bool used[HN_RANK_MAX] = { false };

    for (int i = 0; i < rank; i++)
        perm[i] = rank - 1 - i;
    if (!hn_attr_find(c->node, "perm"))
        return HN_OK;
    if (count != (size_t)rank)
        return hn_bad(c, "perm lists %zu axes, the input has rank %d", count, rank);
    for (int i = 0; i < rank; i++) {
        HN_TRY(hn_axis(c, given[i], rank, &perm[i]));
        if (used[perm[i]])
            return hn_bad(c, "perm lists axis %d twice", perm[i]);
        used[perm[i]] = true;
    }
    return HN_OK;
}

static hn_err infer_transpose(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    int perm[HN_RANK_MAX];
    hn_shape s = { .rank = x->rank };
    if (x->rank >= 0)
        HN_TRY(find_perm(c, x->rank, perm));
    for (int i = 0; i < x->rank; i++)
        s.dim[i] = x->dim[perm[i]];
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

static hn_err run_transpose(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int perm[HN_RANK_MAX];
    ptrdiff_t from[HN_RANK_MAX], to[HN_RANK_MAX];
    hn_box b = { 0 };

    HN_TRY(find_perm(c, x->shape.rank, perm));
    hn_steps(&x->shape, from);
    hn_steps(&c->out[0]->shape, to);
    for (int i = 0; i < x->shape.rank; i++)
        hn_box_add(&b, c->out[0]->shape.dim[i], to[i], from[perm[i]]);
    hn_box_move(&b, c->out[0], x);
    return HN_OK;
}

/* ---- Depth and space ------------------------------------------------------------------- */

static hn_err block_size(hn_call *c, int64_t *block, bool *depth_first)
{
    *block = hn_attr_int(c->node, "blocksize", 0);
    *depth_first = hn_attr_is(c->node, "mode", "DCR", "DCR");
    if (*block < 1 || *block > INT32_MAX)
        return hn_bad(c, "blocksize is %lld, expected at least 1", (long long)*block);
    if (!*depth_first && !hn_attr_is(c->node, "mode", "CRD", "DCR"))
        return hn_bad(c, "mode is '%.*s', expected DCR or CRD", (int)hn_attr_text(c->node, "mode", "").len,
                      hn_attr_text(c->node, "mode", "").ptr);
    return HN_OK;
}

/* d * by, or d / by when it divides; a symbol gives another one. */
static hn_err scale_dim(hn_call *c, int64_t d, int64_t by, bool divide, int64_t *out)
{
    if (hn_is_symbol(d))
        *out = by == 1 ? d : hn_fresh_dim(c);
    else if (divide && d % by)
        return hn_bad(c, "a dimension of %lld cannot be divided by %lld", (long long)d, (long long)by);
    else if (!divide && __builtin_mul_overflow(d, by, out))
        return hn_bad(c, "a dimension of %lld times %lld is too large", (long long)d, (long long)by);
    else if (divide)
        *out = d / by;
    return HN_OK;
}

static hn_err infer_blocks(hn_call *c, bool to_space)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape s = { .rank = 4 };
    int64_t block;
    bool depth_first;

    HN_TRY(block_size(c, &block, &depth_first));
    if (x->rank >= 0 && x->rank != 4)
        return hn_bad(c, "input has rank %d, expected 4", x->rank);
    for (int i = 0; i < 4; i++) {
        int64_t d = x->rank == 4 ? x->dim[i] : hn_fresh_dim(c);
        int64_t by = i == 0 ? 1 : i == 1 ? block * block : block;
        HN_TRY(scale_dim(c, d, by, (i == 1) == to_space, &s.dim[i]));
    }
    hn_out(c, 0, c->in[0]->dtype, &s);
    return HN_OK;
}

static hn_err infer_d2s(hn_call *c) { return infer_blocks(c, true); }
static hn_err infer_s2d(hn_call *c) { return infer_blocks(c, false); }

/* One box over [n, c, h, row in block, w, column in block]; deep is the side with the many channels. */
static hn_err run_blocks(hn_call *c, bool to_space)
{
    const hn_shape *deep = to_space ? &c->in[0]->shape : &c->out[0]->shape;
    const hn_shape *wide = to_space ? &c->out[0]->shape : &c->in[0]->shape;
    ptrdiff_t ds[HN_RANK_MAX], ws[HN_RANK_MAX];
    int64_t block;
    bool depth_first;
    hn_box b = { 0 };

    HN_TRY(block_size(c, &block, &depth_first));
    hn_steps(deep, ds);
    hn_steps(wide, ws);
    ptrdiff_t n = (ptrdiff_t)block, channels = (ptrdiff_t)wide->dim[1];
    /* Steps along the deep side's channel axis, which is [row, column, c] or [c, row, column]. */
    ptrdiff_t step_c = ds[1] * (depth_first ? 1 : n * n);
    ptrdiff_t step_row = ds[1] * (depth_first ? n * channels : n), step_column = ds[1] * (depth_first ? channels : 1);
    const struct { int64_t dim; ptrdiff_t deep, wide; } axis[6] = {
        { deep->dim[0], ds[0], ws[0] },
        { channels, step_c, ws[1] },
        { deep->dim[2], ds[2], ws[2] * n },
        { n, step_row, ws[2] },
        { deep->dim[3], ds[3], ws[3] * n },
        { n, step_column, ws[3] },
    };
    if (hn_count(c->out[0]) == 0)
        return HN_OK;
    for (int i = 0; i < 6; i++)
        hn_box_add(&b, axis[i].dim, to_space ? axis[i].wide : axis[i].deep,
                   to_space ? axis[i].deep : axis[i].wide);
    hn_box_move(&b, c->out[0], c->in[0]);
    return HN_OK;
}

static hn_err run_d2s(hn_call *c) { return run_blocks(c, true); }
static hn_err run_s2d(hn_call *c) { return run_blocks(c, false); }

static const hn_attr_spec transpose_attr[] = { { "perm", HN_ATTR_INTS, "the axes reversed" }, { 0 } };
static const hn_attr_spec block_attr[] = {
    { "blocksize", HN_ATTR_INT, "" }, { "mode", HN_ATTR_TEXT, "DCR or CRD: order inside the depth" }, { 0 }
};

const hn_op hn_op_transpose = {
    .name = "Transpose", .since = 25, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = transpose_attr, .infer = infer_transpose, .run = run_transpose,
};

const hn_op hn_op_depth_to_space = {
    .name = "DepthToSpace", .since = 28, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = block_attr, .infer = infer_d2s, .run = run_d2s,
};

const hn_op hn_op_space_to_depth = {
    .name = "SpaceToDepth", .since = 28, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 1,
    .attr = block_attr, .infer = infer_s2d, .run = run_s2d,
};
