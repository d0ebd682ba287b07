/* SPDX-License-Identifier: Apache-2.0 */
/* elementwise.c: arithmetic with broadcasting and functions of one number, on f32.
 *
 * Both follow the layout of their operands.  Dimensions that walk alike are merged, so a residual sum
 * is one long row and a per-channel factor is rows of channels. */
#include "runtime/cpu/elementwise.h"

#include "base/num.h"
#include "graph/activation.h"

#define PIECE ((size_t)16 * 1024)     /* elements per piece of work: about 10 us of streaming */

typedef void kernel2(float *, const float *, size_t, const float *, size_t, size_t);

/* ---- Two operands ------------------------------------------------------------------------ */

typedef struct walk {
    hn_pair_walk pair;
    size_t block;                     /* elements of a row per piece */
    size_t row_blocks;
    hn_act act;
    int op;                           /* index into kernels below */
} walk;

static const char *const binary_ops[] = { "Add", "Sub", "Mul", "Div", "Min", "Max" };
enum { BINARY_OPS = sizeof binary_ops / sizeof *binary_ops };

static kernel2 *binary_kernel(const hn_kernels *k, int op)
{
    kernel2 *const table[BINARY_OPS] = { k->add_f32, k->sub_f32, k->mul_f32, k->div_f32, k->min_f32, k->max_f32 };
    return table[op];
}

static int binary_op(const hn_node *n)
{
    for (int i = 0; i < BINARY_OPS; i++)
        if (hn_op_is(n, binary_ops[i]))
            return i;
    return -1;
}

static bool accepts_binary(const hn_prep *p)
{
    return binary_op(p->node) >= 0 && p->in_count == 2 && hn_prep_f32(p) && hn_count(p->out[0]) > 0;
}

/* Strides of an operand in the physical order of the output. */
static void operand_strides(const hn_shape *s, const hn_shape *y, hn_layout layout, size_t stride[HN_RANK_MAX])
{
    hn_shape wide = { .rank = y->rank };       /* leading ones make the ranks agree */
    for (int i = 0; i < y->rank; i++) {
        int from = i - (y->rank - s->rank);
        wide.dim[i] = from >= 0 ? s->dim[from] : 1;
    }
    wide = hn_physical(&wide, layout);
    hn_broadcast_strides(&wide, y->rank, stride);
}

/* Appends one dimension, merging it into the previous where both operands walk on. */
static void push(hn_pair_walk *w, size_t dim, size_t sa, size_t sb)
{
    int last = w->rank - 1;
    if (dim == 1)
        return;
    if (last >= 0 && w->sa[last] == sa * dim && w->sb[last] == sb * dim) {
        w->dim[last] *= dim;
        w->sa[last] = sa;
        w->sb[last] = sb;
        return;
    }
    w->dim[w->rank] = dim;
    w->sa[w->rank] = sa;
    w->sb[w->rank++] = sb;
}

void hn_pair_walk_find(const hn_prep *p, hn_pair_walk *w)
{
    size_t sa[HN_RANK_MAX], sb[HN_RANK_MAX];
    const hn_shape *y = &p->out[0]->shape;
    hn_shape phys = hn_physical(y, p->layout);
    operand_strides(&p->in[0]->shape, y, p->layout, sa);
    operand_strides(&p->in[1]->shape, y, p->layout, sb);
    *w = (hn_pair_walk){ 0 };
    for (int i = 0; i < phys.rank; i++)
        push(w, (size_t)phys.dim[i], sa[i], sb[i]);
    if (w->rank == 0)
        w->dim[w->rank++] = 1;
    w->row = w->dim[w->rank - 1];
    w->rows = hn_count(p->out[0]) / w->row;
}

static hn_err prepare_binary(hn_prep *p)
{
    walk *w = HN_NEW(p->arena, walk, 1);
    if (!w)
        return hn_nomem(p->cx, "a step");
    hn_pair_walk_find(p, &w->pair);
    w->block = w->pair.rows >= 64 ? w->pair.row : hn_min(w->pair.row, PIECE);
    w->row_blocks = hn_ceil_div(w->pair.row, w->block);
    w->act = p->node->act;
    w->op = binary_op(p->node);
    p->state = w;
    return HN_OK;
}

typedef struct job { const hn_run *r; const walk *w; size_t group; } job;

static void some_rows(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const walk *w = j->w;
    const hn_pair_walk *pair = &w->pair;
    const hn_run *r = j->r;
    kernel2 *kernel = binary_kernel(r->k, w->op);
    size_t block = piece % w->row_blocks, first = piece / w->row_blocks * j->group;
    size_t at = block * w->block, n = hn_min(w->block, pair->row - at);
    size_t step_a = pair->sa[pair->rank - 1], step_b = pair->sb[pair->rank - 1];
    (void)worker;

    for (size_t row = first; row < pair->rows && row < first + j->group; row++) {
        size_t oa = at * step_a, ob = at * step_b, rest = row;
        for (int i = pair->rank - 2; i >= 0; i--) {
            oa += rest % pair->dim[i] * pair->sa[i];
            ob += rest % pair->dim[i] * pair->sb[i];
            rest /= pair->dim[i];
        }
        float *y = (float *)r->out[0]->data + row * pair->row + at;
        kernel(y, (const float *)r->in[0]->data + oa, step_a, (const float *)r->in[1]->data + ob, step_b, n);
        if (w->act.kind != HN_ACT_NONE)
            r->k->act_f32(y, y, n, w->act);
    }
}

static hn_err run_binary(const hn_run *r)
{
    const walk *w = r->state;
    job j = { r, w, hn_max(PIECE / w->pair.row, 1) };
    hn_parallel(r, w->row_blocks * hn_ceil_div(w->pair.rows, j.group), some_rows, &j);
    return HN_OK;
}

const hn_impl hn_impl_binary = {
    .name = "binary.f32", .rule = HN_RULE_FOLLOW, .inplace = 3,
    .accepts = accepts_binary, .prepare = prepare_binary, .run = run_binary,
};

/* ---- One operand ------------------------------------------------------------------------- */

typedef struct unary {
    hn_act act;                       /* what to apply */
    void (*kernel)(float *, const float *, size_t);     /* or this, then act */
} unary;

static bool find_unary(const hn_prep *p, unary *u)
{
    const hn_node *n = p->node;
    *u = (unary){ .act = { .kind = HN_ACT_NONE } };
    if (hn_op_is(n, "Exp"))
        u->kernel = p->k->exp_f32;
    else if (hn_op_is(n, "Erf"))
        u->kernel = p->k->erf_f32;
    else if (hn_op_is(n, "Sqrt"))
        u->kernel = p->k->sqrt_f32;
    else
        hn_node_act(n, &u->act);
    return (u->kernel || u->act.kind != HN_ACT_NONE) && n->act.kind == HN_ACT_NONE;
}

static bool accepts_unary(const hn_prep *p)
{
    unary u;
    return hn_prep_f32(p) && find_unary(p, &u);
}

static hn_err prepare_unary(hn_prep *p)
{
    unary *u = HN_NEW(p->arena, unary, 1);
    if (!u)
        return hn_nomem(p->cx, "a step");
    find_unary(p, u);
    p->state = u;
    return HN_OK;
}

static void some_elements(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const unary *u = r->state;
    size_t at = piece * PIECE, n = hn_min(PIECE, hn_count(r->out[0]) - at);
    float *y = (float *)r->out[0]->data + at;
    const float *x = (const float *)r->in[0]->data + at;
    (void)worker;
    if (u->kernel)
        u->kernel(y, x, n);
    else
        r->k->act_f32(y, x, n, u->act);
}

static hn_err run_unary(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), PIECE), some_elements, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_unary = {
    .name = "unary.f32", .rule = HN_RULE_FOLLOW, .inplace = 1,
    .accepts = accepts_unary, .prepare = prepare_unary, .run = run_unary,
};

/* ---- Powers ------------------------------------------------------------------------------- */

/* x^2: what exporters write for squares.  x^0.5 is not Sqrt: they differ at -0 and -inf. */
static bool accepts_power(const hn_prep *p)
{
    if (!hn_op_is(p->node, "Pow") || !hn_prep_f32(p) || !p->in[1]->data || hn_count(p->in[1]) != 1 ||
        hn_count(p->in[0]) != hn_count(p->out[0]) || p->node->act.kind != HN_ACT_NONE)
        return false;
    return *(const float *)p->in[1]->data == 2;
}

static void some_squares(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    size_t at = piece * PIECE, n = hn_min(PIECE, hn_count(r->out[0]) - at);
    const float *x = (const float *)r->in[0]->data + at;
    (void)worker;
    r->k->mul_f32((float *)r->out[0]->data + at, x, 1, x, 1, n);
}

static hn_err run_power(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), PIECE), some_squares, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_power = {
    .name = "square.f32", .rule = HN_RULE_FOLLOW, .inplace = 1, .accepts = accepts_power, .run = run_power,
};
