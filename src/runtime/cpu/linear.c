/* SPDX-License-Identifier: Apache-2.0 */
/* linear.c: products with block-quantised weights.
 *
 * Weights are panels of sixteen rows: the file's own, or packed in the memory their file's pages give back;
 * activations are rounded to 8 bits once.  Types without panels are multiplied row by row where they lie.  Each row
 * (token) is computed the same way whatever rows stand beside it. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "runtime/cpu/panels.h"
#include "tensor/convert.h"

typedef struct linear {
    hn_qtype type;
    size_t group;                    /* activations that share a scale; 1: they stay floats */
    bool integer;                    /* row by row: products of small integers; otherwise of rounded floats */
    size_t rows, n, k, blocks;       /* blocks of 32 in a row of activations */
    size_t piece;                    /* rows of weights, or panels, per piece of work */
    size_t row_size;
    const void *panels;              /* packed weights, or NULL */
    size_t panel_size, panel_count;
    size_t x_size, room;             /* scratch: activations for all, then for each worker */
    int bias, sum, out;              /* which of the step's operands and results; -1: none */
    struct linear *next;             /* another product with the same activations, in the same step */
} linear;

static bool is_linear(const hn_prep *p)
{
    const hn_op *op = p->node->op;
    return op->domain && strcmp(op->domain, "hone") == 0 && strcmp(op->name, "Linear") == 0;
}

static bool accepts(const hn_prep *p)
{
    return is_linear(p) && hn_count(p->out[0]) > 0 && p->in[1]->data && (p->in_count < 3 || !p->in[2] || p->in[2]->data);
}

/* ---- Packing ----------------------------------------------------------------------------------------- */

/* Panels in a piece of work.  Many tokens: few, so that they stay in cache while all tokens pass over them.  Few tokens: a
 * thread's pieces lie together, so they may be short, and threads end together. */
static size_t pieces_of(size_t rows, size_t panels, unsigned threads)
{
    return rows >= HN_QX_COLS ? hn_min(4, hn_ceil_div(panels, (size_t)threads * 4)) : hn_ceil_div(panels, (size_t)threads * 16);
}

static void set_scratch(hn_prep *p, linear *l)
{
    l->room = l->rows >= HN_QX_COLS ? hn_mul(l->piece, hn_round_up(hn_panel_room(l->k), 64)) : 0;
    p->scratch_bytes = hn_ceil_div(hn_add(l->x_size, hn_mul(l->room, p->threads)), p->threads);
}

static hn_err pack(hn_prep *p, linear *l, bool ready)
{
    l->panel_size = hn_panel_size(l->type, l->k);
    l->panel_count = hn_ceil_div(l->n, HN_PANEL_ROWS);
    l->panels = ready ? p->in[1]->data : hn_panels_of(p, p->in[1], l->type, l->n, l->k);
    if (!l->panels && !hn_prep_measuring(p))
        return hn_nomem(p->cx, "packed weights");
    l->x_size = hn_round_up(hn_qx_bytes(l->rows, l->k), 64);
    l->piece = pieces_of(l->rows, l->panel_count, p->threads);
    set_scratch(p, l);
    return HN_OK;
}

static hn_err prepare(hn_prep *p)
{
    linear *l = HN_NEW(p->arena, linear, 1);
    if (!l)
        return hn_nomem(p->cx, "a matrix product");
    l->type = hn_qtype_from_number((uint32_t)hn_attr_int(p->node, "qtype", 0));
    l->k = (size_t)hn_attr_int(p->node, "k", 0);
    l->group = hn_qdot_group(l->type);
    l->integer = l->group > 1 && hn_qdot_integer(l->type);
    l->rows = (size_t)p->in[0]->shape.dim[0];
    l->n = (size_t)p->out[0]->shape.dim[1];
    l->row_size = (size_t)p->in[1]->shape.dim[1];
    l->blocks = l->k / HN_Q8_BLOCK;
    l->bias = p->in_count > 2 && p->in[2] ? 2 : -1;
    l->sum = -1;
    p->state = l;
    if (hn_panel_has(l->type))
        return pack(p, l, hn_attr_int(p->node, "rows", 0) > 0);
    size_t share = hn_ceil_div(l->n, (size_t)p->threads * 6);
    l->piece = l->rows > 1 ? hn_min(32, hn_max(share, 4)) : hn_max(share, 16);
    bool rounds = l->group > 1 || l->type == HN_QT_F16;
    size_t row = l->integer ? hn_mul(l->blocks, sizeof(hn_q8)) : rounds ? hn_mul(l->k, sizeof(float)) : 0;
    l->x_size = hn_mul(l->rows, row);
    p->scratch_bytes = hn_ceil_div(l->x_size, p->threads);      /* shared: the sum of all threads' parts */
    return HN_OK;
}

/* ---- Activations --------------------------------------------------------------------------------------- */

/* As other engines multiply half-precision weights, where half precision can say it. */
static float half(float x)
{
    return !(fabsf(x) <= 65504) ? x : hn_f16_to_f32(hn_f32_to_f16(x));
}

static void round_row(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const linear *l = r->state;
    const float *x = (const float *)r->in[0]->data + piece * l->k;
    float *out = (float *)(void *)r->scratch + piece * l->k;
    (void)worker;
    if (l->integer) {
        r->k->q8_pack((hn_q8 *)(void *)r->scratch + piece * l->blocks, x, l->k, l->group);
        return;
    }
    for (size_t i = 0; i < l->k && l->group == 1; i++)
        out[i] = half(x[i]);
    for (size_t i = 0; i < l->k && l->group > 1; i += l->group) {          /* the same rounding, as floats again */
        hn_q8 q[HN_Q_BLOCK_MAX / HN_Q8_BLOCK];
        r->k->q8_pack(q, x + i, l->group, l->group);
        for (size_t j = 0; j < l->group; j++)
            out[i + j] = q[j / HN_Q8_BLOCK].scale * (float)q[j / HN_Q8_BLOCK].q[j % HN_Q8_BLOCK];
    }
}

typedef struct job { const hn_run *r; const linear *l; hn_qx x; } job;

static void pack_column(void *arg, size_t col, unsigned worker)
{
    const job *j = arg;
    const float *x = col < j->l->rows ? (const float *)j->r->in[0]->data + col * j->l->k : NULL;
    (void)worker;
    j->r->k->qx_pack(&j->x, col, x, j->l->group);
}

/* ---- Products ---------------------------------------------------------------------------------------- */

/* Rows [first, first + n) of the result are products: what is added to them, while they are near. */
static void finish(const hn_run *r, const linear *l, size_t first, size_t n)
{
    const float *bias = l->bias >= 0 ? (const float *)r->in[l->bias]->data + first : NULL;
    const float *sum = l->sum >= 0 ? (const float *)r->in[l->sum]->data + first : NULL;
    float *out = (float *)r->out[l->out]->data + first;
    for (size_t t = 0; t < l->rows && bias; t++)
        r->k->add_f32(out + t * l->n, out + t * l->n, 1, bias, 1, n);
    for (size_t t = 0; t < l->rows && sum; t++)
        r->k->add_f32(out + t * l->n, sum + t * l->n, 1, out + t * l->n, 1, n);
}

static void some_rows(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const linear *l = r->state;
    size_t first = piece * l->piece, n = hn_min(l->piece, l->n - first);
    (void)worker;
    hn_qdot d = { .type = l->type, .w = (const char *)r->in[1]->data + first * l->row_size, .row_size = l->row_size,
                  .rows = n, .cols = l->rows, .k = l->k, .x8 = (const hn_q8 *)(const void *)r->scratch, .ld_x8 = l->blocks,
                  .x = l->x_size ? (const float *)(const void *)r->scratch : r->in[0]->data, .ld_x = l->k,
                  .out = (float *)r->out[0]->data + first, .ld_out = l->n };
    r->k->qdot(&d);
    finish(r, l, first, n);
}

static void some_panels(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const linear *l = j->l;
    for (; piece >= hn_ceil_div(l->panel_count, l->piece); l = l->next)
        piece -= hn_ceil_div(l->panel_count, l->piece);
    size_t first = piece * l->piece, panels = hn_min(l->piece, l->panel_count - first), row = first * HN_PANEL_ROWS;
    hn_panels p = { .type = l->type, .w = (const char *)l->panels + first * l->panel_size, .panel_size = l->panel_size,
                    .panels = panels, .rows = hn_min(panels * HN_PANEL_ROWS, l->n - row), .k = l->k, .x = &j->x,
                    .out = (float *)j->r->out[l->out]->data + row, .ld_out = l->n, .room = j->r->scratch + l->x_size + worker * l->room };
    j->r->k->panels(&p);
    finish(j->r, l, row, p.rows);
}

static hn_err run(const hn_run *r)
{
    const linear *l = r->state;
    if (!l->panels) {
        if (l->x_size)
            hn_parallel_worth(r, l->rows * l->k, l->rows, round_row, (void *)(uintptr_t)r);
        hn_parallel(r, hn_ceil_div(l->n, l->piece), some_rows, (void *)(uintptr_t)r);
        return HN_OK;
    }
    job j = { .r = r, .l = l };
    hn_qx_place(&j.x, r->scratch, l->rows, l->k);
    size_t cols = l->rows <= HN_QX_COLS ? l->rows : hn_ceil_div(l->rows, HN_QX_COLS) * HN_QX_COLS;
    hn_parallel_worth(r, cols * l->k, cols, pack_column, &j);
    size_t pieces = 0;
    for (const linear *part = l; part; part = part->next)
        pieces += hn_ceil_div(part->panel_count, part->piece);
    hn_parallel(r, pieces, some_panels, &j);
    return HN_OK;
}

/* ---- More in one step ---------------------------------------------------------------------------------- */

/* A summand as large as the result, a residual: added to each piece as it is made. */
static hn_absorb absorb(void *state, const hn_tensor *summand, const hn_tensor *sum, int i, hn_act act)
{
    linear *l = state;
    if (l->sum >= 0 || act.kind != HN_ACT_NONE || !hn_shape_equal(&summand->shape, &sum->shape))
        return HN_ABSORB_NO;
    l->sum = i;
    return HN_ABSORB_OPERAND;
}

/* Both read the same rounded activations, so both have panels and scales for as many elements. */
static bool join(void *state, hn_prep *p, int in_at, int out_at)
{
    linear *first = state, *l = p->state, **end = &first->next;
    size_t panels = first->panel_count + l->panel_count;
    if (!first->panel_count || !l->panel_count || l->k != first->k || l->group != first->group || l->rows != first->rows)
        return false;
    for (; *end; end = &(*end)->next)
        panels += (*end)->panel_count;
    *end = l;
    l->bias = l->bias >= 0 ? in_at + 1 : -1;
    l->out = out_at;
    for (linear *part = first; part; part = part->next)
        part->piece = pieces_of(l->rows, panels, p->threads);
    set_scratch(p, first);
    for (linear *part = first; part; part = part->next)
        part->room = first->room;
    return true;
}

const hn_impl hn_impl_linear = { .name = "linear.q", .rule = HN_RULE_PLAIN, .accepts = accepts, .prepare = prepare, .run = run,
                                 .absorb = absorb, .join = join };
