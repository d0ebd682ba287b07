/* SPDX-License-Identifier: Apache-2.0 */
/* move.c: operators that only move f32 elements, by a rule known when the plan is made.
 *
 * transpose.f32   copies of rows where the last axis stays, otherwise transposes of matrices
 * move.f32        Slice, Pad, Gather and their like: where each element comes from is asked once of the
 *                 operator's own code, run over positions in place of data, and kept as a list of runs */
#include <string.h>

#include "base/num.h"
#include "runtime/impl.h"

#define MOVE_MAX (32 * 1024)         /* elements: the list is at most a quarter megabyte */
#define WALK_PIECE (16 * 1024)       /* elements a piece of work moves */

/* ---- Transpose ------------------------------------------------------------------------------- */

/* Merged dimensions of the output with their steps in the input; the last two are `rows` and `cols` of a
 * matrix whose columns lie together in the output and, unless it is a copy, its rows in the input. */
typedef struct walk {
    int rank;                        /* of the dimensions outside the matrix */
    size_t dim[HN_RANK_MAX], from[HN_RANK_MAX], to[HN_RANK_MAX];
    size_t rows, cols, ld_from, ld_to;
    size_t outer, group;             /* matrices, and how many a piece takes */
    bool copy;
} walk;

static bool accepts_transpose(const hn_prep *p)
{
    return hn_op_is(p->node, "Transpose") && hn_prep_f32(p) && hn_count(p->out[0]) > 0 && p->in[0]->shape.rank > 0 &&
           p->node->act.kind == HN_ACT_NONE;
}

/* Output dimensions in order, neighbours that are neighbours in the input too as one. */
static int merged(const hn_prep *p, size_t dim[], size_t from[])
{
    const hn_shape *x = &p->in[0]->shape;
    const int64_t *perm;
    size_t listed = hn_attr_ints(p->node, "perm", &perm), step[HN_RANK_MAX], size = 1;
    int n = 0;
    for (int i = x->rank - 1; i >= 0; i--) {
        step[i] = size;
        size *= (size_t)x->dim[i];
    }
    for (int i = 0; i < x->rank; i++) {
        int axis = listed ? (int)perm[i] : x->rank - 1 - i;
        size_t d = (size_t)x->dim[axis];
        if (d == 1)
            continue;
        if (n > 0 && from[n - 1] == step[axis] * d) {
            dim[n - 1] *= d;
            from[n - 1] = step[axis];
            continue;
        }
        dim[n] = d;
        from[n++] = step[axis];
    }
    if (n == 0) {
        dim[n] = 1;
        from[n++] = 1;
    }
    return n;
}

static hn_err prepare_transpose(hn_prep *p)
{
    walk *w = HN_NEW(p->arena, walk, 1);
    size_t dim[HN_RANK_MAX], from[HN_RANK_MAX], to[HN_RANK_MAX], size = 1;
    if (!w)
        return hn_nomem(p->cx, "a step");
    int n = merged(p, dim, from), last = n - 1, other = n - 2;
    for (int i = n - 1; i >= 0; i--) {
        to[i] = size;
        size *= dim[i];
    }
    w->copy = from[last] == 1;
    for (int i = 0; i < last && !w->copy; i++)      /* the other side of the matrix: together in the input */
        other = from[i] == 1 ? i : other;
    w->cols = dim[last];
    w->rows = other >= 0 ? dim[other] : 1;
    w->ld_to = other >= 0 ? to[other] : w->cols;
    w->ld_from = w->copy ? (other >= 0 ? from[other] : w->cols) : from[last];
    w->outer = hn_count(p->out[0]) / (w->rows * w->cols);
    w->group = hn_max(WALK_PIECE / (w->rows * w->cols), 1);
    for (int i = 0; i < last; i++)
        if (i != other) {
            w->dim[w->rank] = dim[i];
            w->from[w->rank] = from[i];
            w->to[w->rank++] = to[i];
        }
    p->state = w;
    return HN_OK;
}

static void some_matrices(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const walk *w = r->state;
    (void)worker;
    for (size_t i = piece * w->group; i < hn_min((piece + 1) * w->group, w->outer); i++) {
        const float *x = r->in[0]->data;
        float *y = r->out[0]->data;
        size_t rest = i;
        for (int d = w->rank - 1; d >= 0; d--) {
            x += rest % w->dim[d] * w->from[d];
            y += rest % w->dim[d] * w->to[d];
            rest /= w->dim[d];
        }
        if (!w->copy) {
            r->k->transpose_32((uint32_t *)(void *)y, w->ld_to, (const uint32_t *)(const void *)x, w->ld_from, w->cols, w->rows);
            continue;
        }
        for (size_t j = 0; j < w->rows; j++)
            memcpy(y + j * w->ld_to, x + j * w->ld_from, w->cols * sizeof *y);
    }
}

static hn_err run_transpose(const hn_run *r)
{
    const walk *w = r->state;
    hn_parallel(r, hn_ceil_div(w->outer, w->group), some_matrices, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_transpose = {
    .name = "transpose.f32", .rule = HN_RULE_PLAIN,
    .accepts = accepts_transpose, .prepare = prepare_transpose, .run = run_transpose,
};

/* ---- Runs ------------------------------------------------------------------------------------- */

typedef struct run { int32_t from; uint32_t count; } run;      /* from -1: the fill */

typedef struct runs {
    run *run;
    size_t count;
    float fill;
} runs;

static bool accepts_move(const hn_prep *p)
{
    static const char *const ops[] = { "Slice", "Pad", "Gather", "Expand", "Tile", "DepthToSpace", "SpaceToDepth" };
    bool ours = false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        ours = ours || hn_op_is(p->node, ops[i]);
    if (!ours || p->in[0]->dtype != HN_F32 || p->out_count != 1 || p->node->act.kind != HN_ACT_NONE)
        return false;
    for (int i = 1; i < p->in_count; i++)
        if (p->in[i] && !p->in[i]->data)
            return false;
    return hn_count(p->out[0]) > 0 && hn_count(p->out[0]) <= MOVE_MAX && hn_count(p->in[0]) < INT32_MAX / 16;
}

/* The operator over 1, 2, 3...: 0 is what it fills with. */
static hn_err ask(hn_prep *p, int32_t *positions, int32_t *out)
{
    hn_tensor x = *p->in[0], y = *p->out[0], *to = &y;
    const hn_tensor **in = HN_NEW(p->arena, const hn_tensor *, (size_t)p->in_count);
    hn_arena *scratch;
    if (!in)
        return hn_nomem(p->cx, "a step");
    memcpy(in, p->in, (size_t)p->in_count * sizeof *in);
    x.dtype = y.dtype = HN_I32;
    x.data = positions;
    y.data = out;
    in[0] = &x;
    if (hn_op_is(p->node, "Pad") && p->in_count > 2)
        in[2] = NULL;
    for (size_t i = 0, all = hn_count(&x); i < all; i++)
        positions[i] = (int32_t)i + 1;
    HN_TRY(hn_arena_new(p->cx, 0, &scratch));
    hn_call c = { .cx = p->cx, .node = p->node, .in_count = p->in_count, .out_count = 1, .in = in, .out = &to,
                  .scratch = scratch };
    hn_err e = p->node->op->run(&c);
    hn_arena_free(scratch);
    return e;
}

static hn_err find_list(hn_prep *p, runs *s, int32_t *positions, int32_t *from)
{
    size_t n = hn_count(p->out[0]);
    HN_TRY(ask(p, positions, from));
    for (int pass = 0; pass < 2; pass++) {          /* count, then write */
        s->count = 0;
        for (size_t i = 0; i < n; i++) {
            bool goes_on = i > 0 && from[i] == (from[i - 1] ? from[i - 1] + 1 : 0) && (from[i] || !from[i - 1]);
            if (!goes_on) {
                if (pass)
                    s->run[s->count] = (run){ from[i] - 1, 0 };
                s->count++;
            }
            if (pass)
                s->run[s->count - 1].count++;
        }
        if (!pass)
            s->run = HN_NEW(p->arena, run, s->count);
        if (!s->run)
            return hn_nomem(p->cx, "a step");
    }
    return HN_OK;
}

static hn_err prepare_move(hn_prep *p)
{
    runs *s = HN_NEW(p->arena, runs, 1);
    if (!s)
        return hn_nomem(p->cx, "a step");
    p->state = s;
    if (hn_op_is(p->node, "Pad") && p->in_count > 2 && p->in[2])
        s->fill = *(const float *)p->in[2]->data;
    int32_t *positions = hn_alloc(p->cx, hn_count(p->in[0]) * sizeof *positions + 4);
    int32_t *from = hn_alloc(p->cx, hn_count(p->out[0]) * sizeof *from);
    hn_err e = positions && from ? find_list(p, s, positions, from) : hn_nomem(p->cx, "a step");
    hn_free(p->cx, positions);
    hn_free(p->cx, from);
    return e;
}

static hn_err run_move(const hn_run *r)
{
    const runs *s = r->state;
    const float *x = r->in[0]->data;
    float *y = r->out[0]->data;
    for (size_t i = 0; i < s->count; i++) {
        size_t n = s->run[i].count;
        const float *from = x + s->run[i].from;
        if (s->run[i].from < 0)
            for (size_t k = 0; k < n; k++)
                y[k] = s->fill;
        else if (n < 8)                              /* a call costs more */
            for (size_t k = 0; k < n; k++)
                y[k] = from[k];
        else
            memcpy(y, from, n * sizeof *y);
        y += n;
    }
    return HN_OK;
}

const hn_impl hn_impl_move = {
    .name = "move.f32", .rule = HN_RULE_PLAIN, .accepts = accepts_move, .prepare = prepare_move, .run = run_move,
};
