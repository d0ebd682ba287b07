/* SPDX-License-Identifier: Apache-2.0 */
/* rotary.c: RotaryEmbedding: pairs of a head's numbers turned by an angle that grows with position.
 *
 *     x [B, H, S, D] or [B, S, H D]   cos, sin [B, S, r / 2], or [positions, r / 2] with ids [B, S]
 *
 * Of D numbers the first r turn.  Pairs are (i, i + r/2), or neighbours when interleaved. */
#include <string.h>

#include "base/num.h"
#include "graph/load.h"
#include "graph/strided.h"

enum { X, COS, SIN, IDS };

typedef struct layout { size_t batch, steps, heads, dim, turned, head_step, row_step; } layout;

/* Known shapes only. */
static hn_err read_layout(hn_call *c, layout *l)
{
    const hn_shape *x = &c->in[X]->shape;
    int64_t heads = hn_attr_int(c->node, "num_heads", 0), turned = hn_attr_int(c->node, "rotary_embedding_dim", 0);
    if (x->rank == 4) {
        *l = (layout){ (size_t)x->dim[0], (size_t)x->dim[2], (size_t)x->dim[1], (size_t)x->dim[3] };
        l->head_step = l->steps * l->dim;
        l->row_step = l->dim;
    } else {
        if (heads < 1 || x->dim[2] % heads)
            return hn_bad(c, "num_heads is %lld for rows of %lld", (long long)heads, (long long)x->dim[2]);
        *l = (layout){ (size_t)x->dim[0], (size_t)x->dim[1], (size_t)heads, (size_t)(x->dim[2] / heads) };
        l->head_step = l->dim;
        l->row_step = (size_t)x->dim[2];
    }
    if (turned < 0 || (size_t)turned > l->dim || (turned ? (size_t)turned : l->dim) % 2)
        return hn_bad(c, "rotary_embedding_dim is %lld, expected an even number up to %zu", (long long)turned, l->dim);
    l->turned = turned ? (size_t)turned : l->dim;
    return HN_OK;
}

static hn_err infer(hn_call *c)
{
    const hn_shape *x = &c->in[X]->shape;
    layout l;
    HN_TRY(hn_want_float(c, X));
    HN_TRY(hn_want_same(c, X, COS));
    HN_TRY(hn_want_same(c, X, SIN));
    HN_TRY(hn_want_type(c, IDS, HN_I64));
    HN_TRY(hn_want_rank(c, IDS, 2));
    HN_TRY(hn_want_rank(c, COS, hn_has_in(c, IDS) ? 2 : 3));
    HN_TRY(hn_want_rank(c, SIN, hn_has_in(c, IDS) ? 2 : 3));
    if (x->rank >= 0 && x->rank != 3 && x->rank != 4)
        return hn_bad(c, "input has %d dimensions, expected 3 or 4", x->rank);
    if (!hn_shape_known(x))
        return hn_infer_same(c);
    HN_TRY(read_layout(c, &l));
    for (int i = COS; i <= SIN; i++) {
        const hn_shape *s = &c->in[i]->shape;
        if (!hn_shape_known(s))
            continue;
        bool fits = (size_t)s->dim[s->rank - 1] == l.turned / 2 && hn_shape_equal(s, &c->in[COS]->shape);
        if (!hn_has_in(c, IDS))
            fits = fits && (size_t)s->dim[0] == l.batch && (size_t)s->dim[1] == l.steps;
        if (!fits)
            return hn_bad(c, "input %d does not fit %zu batches of %zu steps with %zu pairs", i, l.batch, l.steps,
                          l.turned / 2);
    }
    if (hn_has_in(c, IDS) && hn_shape_known(&c->in[IDS]->shape)) {
        const hn_shape *s = &c->in[IDS]->shape;
        if ((size_t)s->dim[0] != l.batch || (size_t)s->dim[1] != l.steps)
            return hn_bad(c, "position_ids do not fit %zu batches of %zu steps", l.batch, l.steps);
    }
    return hn_infer_same(c);
}

static void turn(double *x, const double *cos, const double *sin, size_t half, bool neighbours)
{
    for (size_t i = 0; i < half; i++) {
        double *a = x + (neighbours ? 2 * i : i), *b = neighbours ? a + 1 : a + half;
        double real = cos[i] * *a - sin[i] * *b;
        *b = sin[i] * *a + cos[i] * *b;
        *a = real;
    }
}

static hn_err run(hn_call *c)
{
    bool neighbours = hn_attr_int(c->node, "interleaved", 0);
    double *x, *cos, *sin;
    int64_t *ids = NULL;
    layout l;
    HN_TRY(read_layout(c, &l));
    HN_TRY(hn_load_f64(c, c->in[X], &x));
    HN_TRY(hn_load_f64(c, c->in[COS], &cos));
    HN_TRY(hn_load_f64(c, c->in[SIN], &sin));
    if (hn_has_in(c, IDS))
        HN_TRY(hn_load_i64(c, c->in[IDS], &ids));
    size_t half = l.turned / 2, count = hn_count(c->in[X]);
    for (size_t b = 0; b < l.batch && count; b++)
        for (size_t s = 0; s < l.steps; s++) {
            size_t at = b * l.steps + s;
            if (ids)
                HN_TRY(hn_index(c, ids[at], c->in[COS]->shape.dim[0], &at));
            for (size_t h = 0; h < l.heads; h++)
                turn(x + b * l.heads * l.steps * l.dim + h * l.head_step + s * l.row_step, cos + at * half,
                     sin + at * half, half, neighbours);
        }
    hn_put_f64(c->out[0], 0, count, x);
    return HN_OK;
}

static const hn_attr_spec attr[] = {
    { "interleaved", HN_ATTR_INT, "0: halves; 1: neighbours" }, { "num_heads", HN_ATTR_INT, "3-d input only" },
    { "rotary_embedding_dim", HN_ATTR_INT, "0: the whole head" }, { 0 }
};

const hn_op hn_op_rotary_embedding = {
    .name = "RotaryEmbedding", .since = 23, .min_in = 3, .max_in = 4, .min_out = 1, .max_out = 1, .attr = attr,
    .infer = infer, .run = run,
};
