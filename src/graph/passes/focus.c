/* SPDX-License-Identifier: Apache-2.0 */
/* focus: every second pixel of every second row, four times, as channels for a convolution, becomes a convolution
 * of the picture:
 *
 *     conv(concat(x[0::2, 0::2], x[1::2, 0::2], ...))  =  conv'(x)
 *
 * with a window of twice the size that goes two pixels at a time: what was channel g C + c at row i and column j is now
 * channel c at row 2 i + dy and column 2 j + dx, where (dy, dx) is where part g of the concatenation begins.  The
 * order of the parts is free, the products are the same, and nothing is moved. */
#include <string.h>

#include "graph/op.h"
#include "graph/pass.h"

enum { PARTS = 4, SPATIAL = 2 };

static bool is(const hn_node *n, const char *name)
{
    return n && !n->op->domain && strcmp(n->op->name, name) == 0 && n->act.kind == HN_ACT_NONE;
}

/* Reads a slice that takes every second element of one or both spatial axes, all the way; begin[axis - 2] where. */
static bool every_second(const hn_node *n, int64_t begin[SPATIAL])
{
    if (!is(n, "Slice") || n->in_count != 5 || n->in[0]->t.shape.rank != 4)
        return false;
    for (int i = 1; i < 5; i++)
        if (!n->in[i] || !hn_is_const(n->in[i]) || hn_count(&n->in[i]->t) != hn_count(&n->in[1]->t))
            return false;
    for (size_t i = 0; i < hn_count(&n->in[1]->t); i++) {
        int64_t start, end, axis, step;
        hn_get_i64(&n->in[1]->t, i, 1, &start);
        hn_get_i64(&n->in[2]->t, i, 1, &end);
        hn_get_i64(&n->in[3]->t, i, 1, &axis);
        hn_get_i64(&n->in[4]->t, i, 1, &step);
        axis += axis < 0 ? 4 : 0;
        if (axis < 2 || step != 2 || start < 0 || start > 1 || begin[axis - 2] >= 0 ||
            end < n->in[0]->t.shape.dim[axis])
            return false;
        begin[axis - 2] = start;
    }
    return true;
}

typedef struct focus {
    hn_value *x;
    int64_t begin[PARTS][SPATIAL];
} focus;

/* The picture that all four parts of a concatenation are slices of, each of another corner. */
static bool read_parts(const hn_node *concat, focus *f)
{
    unsigned seen = 0;
    if (!is(concat, "Concat") || concat->in_count != PARTS || hn_attr_int(concat, "axis", 0) != 1)
        return false;
    for (int g = 0; g < PARTS; g++) {
        hn_value *v = concat->in[g];
        int64_t *begin = f->begin[g];
        begin[0] = begin[1] = -1;
        while (begin[0] < 0 || begin[1] < 0) {
            if (!every_second(v->maker, begin))
                return false;
            v = v->maker->in[0];
        }
        if (g > 0 && v != f->x)
            return false;
        f->x = v;
        seen |= 1u << (2 * begin[0] + begin[1]);
    }
    const int64_t *dim = f->x->t.shape.dim;
    return seen == 15 && dim[1] > 0 && dim[2] > 0 && dim[3] > 0 && dim[2] % 2 == 0 && dim[3] % 2 == 0;
}

static bool matches(const hn_graph *g, const hn_node *conv, focus *f)
{
    const int64_t *dilation;
    if (!conv || conv->op->domain || strcmp(conv->op->name, "Conv") != 0 || hn_attr_int(conv, "group", 1) != 1 ||
        !hn_attr_is(conv, "auto_pad", "NOTSET", "NOTSET") || !hn_is_const(conv->in[1]) ||
        conv->in[1]->t.dtype != HN_F32)
        return false;
    size_t dilations = hn_attr_ints(conv, "dilations", &dilation);
    for (size_t i = 0; i < dilations; i++)
        if (dilation[i] != 1)
            return false;
    return hn_graph_uses(g, conv->in[0]) == 1 && read_parts(conv->in[0]->maker, f) &&
           conv->in[1]->t.shape.dim[1] == PARTS * f->x->t.shape.dim[1];
}

static hn_err widen(hn_ctx *cx, hn_graph *g, const hn_node *conv, const focus *f, hn_value **out)
{
    const hn_shape *s = &conv->in[1]->t.shape;
    size_t o_count = (size_t)s->dim[0], all = (size_t)s->dim[1], c_count = all / PARTS;
    size_t kh = (size_t)s->dim[2], kw = (size_t)s->dim[3];
    hn_shape wide = { .rank = 4, .dim = { s->dim[0], s->dim[1] / PARTS, 2 * s->dim[2], 2 * s->dim[3] } };
    HN_TRY(hn_graph_new_const(cx, g, conv->in[1]->name, HN_F32, &wide, out));
    const float *w = conv->in[1]->t.data;
    float *to = (*out)->t.data;
    for (size_t i = 0; i < o_count * all * kh * kw; i++) {
        size_t x = i % kw, y = i / kw % kh, channel = i / kw / kh % all, o = i / kw / kh / all;
        const int64_t *begin = f->begin[channel / c_count];
        size_t row = 2 * y + (size_t)begin[0], column = 2 * x + (size_t)begin[1];
        to[((o * c_count + channel % c_count) * 2 * kh + row) * 2 * kw + column] = w[i];
    }
    return HN_OK;
}

/* The list named so, or `missing` count times, each number doubled. */
static hn_err doubled(hn_ctx *cx, hn_graph *g, const hn_node *n, const char *name, size_t count, int64_t missing,
                      hn_attr *out)
{
    const int64_t *old;
    size_t given = hn_attr_ints(n, name, &old);
    int64_t *list = HN_NEW(g->arena, int64_t, count);
    if (!list)
        return hn_nomem(cx, "a convolution");
    for (size_t i = 0; i < count; i++)
        list[i] = 2 * (given == count ? old[i] : missing);
    *out = (hn_attr){ .name = name, .kind = HN_ATTR_INTS, .list = { .i = list, .count = count } };
    return HN_OK;
}

static hn_err replace(hn_ctx *cx, hn_graph *g, hn_node *conv, const focus *f)
{
    hn_attr *attr = HN_NEW(g->arena, hn_attr, 2);
    hn_value *w, **in = HN_NEW(g->arena, hn_value *, (size_t)conv->in_count);
    if (!attr || !in)
        return hn_nomem(cx, "a convolution");
    HN_TRY(widen(cx, g, conv, f, &w));
    HN_TRY(doubled(cx, g, conv, "pads", 2 * SPATIAL, 0, &attr[0]));
    HN_TRY(doubled(cx, g, conv, "strides", SPATIAL, 1, &attr[1]));
    memcpy(in, conv->in, (size_t)conv->in_count * sizeof(hn_value *));
    in[0] = f->x;
    in[1] = w;
    conv->in = in;
    conv->attr = attr;
    conv->attr_count = 2;
    return HN_OK;
}

static hn_err run(hn_ctx *cx, hn_graph *g, size_t *changes)
{
    for (size_t i = 0; i < g->node_count; i++) {
        focus f;
        if (!matches(g, g->node[i], &f))
            continue;
        HN_TRY(replace(cx, g, g->node[i], &f));
        ++*changes;
    }
    return HN_OK;
}

const hn_pass hn_pass_focus = { "focus", "a convolution of every second pixel reads the picture itself", run };
