/* SPDX-License-Identifier: Apache-2.0 */
/* moe.c: experts on quantised weights.
 *
 * Pairs (token, expert) are sorted by expert, so that an expert's weights are read once for all tokens
 * that chose it.  A pair's result does not depend on the others: any grouping gives the same bits.
 *
 * Weights are packed into panels where their type has them and an expert's rows fill whole ones; what meets them is
 * rounded into columns, a block of memory for each expert.  Other weights are multiplied row by row where they lie. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/moe.h"
#include "kernels/qdot.h"
#include "runtime/cpu/panels.h"

#define PIECE ((size_t)32)               /* rows of an expert's matrix per piece of work */

/* Activations ready for a product: columns for panels, or rows of `row` bytes. */
typedef struct side { size_t group, blocks, k, row; bool integer, columns; } side;

/* All experts' matrices of one kind; rows: of one expert. */
typedef struct matrix { int operand, bias; hn_qtype type; size_t rows; const void *panels; } matrix;

typedef struct moe {
    hn_moe m;
    matrix gate, up, down;
    side in, inner;
    size_t rows, pairs, room;        /* room: what many columns need for a piece, for each worker */
    size_t at_weight, at_expert, at_order, at_columns, at_packed, at_gate, at_up, at_inner, at_out, bytes;   /* in the scratch */
} moe;

static bool fits_panels(hn_qtype t, size_t rows) { return hn_panel_has(t) && rows % HN_PANEL_ROWS == 0; }

static side side_of(hn_qtype t, size_t k, bool columns)
{
    side s = { .group = hn_qdot_group(t), .k = k, .blocks = k / HN_Q8_BLOCK, .columns = columns };
    s.integer = s.group > 1 && hn_qdot_integer(t);
    s.row = s.integer ? hn_mul(s.blocks, sizeof(hn_q8)) : hn_mul(k, sizeof(float));
    return s;
}

static bool accepts(const hn_prep *p)
{
    if (strcmp(p->node->op->name, "MoE") != 0 || hn_count(p->out[0]) == 0)
        return false;
    hn_moe m;
    hn_call c = hn_prep_call(p);
    if (hn_moe_read(&c, &m) != HN_OK || !p->in[HN_MOE_GATE]->data || !p->in[HN_MOE_UP]->data ||
        !p->in[HN_MOE_DOWN]->data)
        return false;
    side g = side_of(m.gate, m.width, false), u = side_of(m.up, m.width, false);
    return g.group == u.group && g.integer == u.integer;
}

static size_t take(size_t *bytes, size_t count, size_t size)
{
    size_t at = *bytes;
    *bytes = hn_round_up(hn_add(at, hn_mul(count, size)), 64);
    return at;
}

/* Columns of at most so many pairs, however they are spread over experts: groups of sixteen are filled up. */
static size_t side_bytes(const moe *o, const side *s)
{
    size_t most = hn_min(o->m.experts, o->pairs), filled = o->rows > HN_QX_COLS ? hn_mul(most, HN_QX_COLS - 1) : 0;
    return s->columns ? hn_add(hn_qx_bytes(hn_add(o->pairs, filled), s->k), hn_mul(most, 128)) : hn_mul(o->pairs, s->row);
}

static hn_err pack_matrix(hn_prep *p, matrix *m, size_t experts, const side *s)
{
    if (s->columns)
        m->panels = hn_panels_of(p, p->in[m->operand], m->type, hn_mul(experts, m->rows), s->k);
    return m->panels || !s->columns || hn_prep_measuring(p) ? HN_OK : hn_nomem(p->cx, "packed weights");
}

static hn_err prepare(hn_prep *p)
{
    hn_call c = hn_prep_call(p);
    moe *o = HN_NEW(p->arena, moe, 1);
    if (!o)
        return hn_nomem(p->cx, "experts");
    HN_TRY(hn_moe_read(&c, &o->m));
    o->rows = (size_t)p->in[HN_MOE_X]->shape.dim[0];
    o->pairs = hn_mul(o->rows, o->m.used);
    o->gate = (matrix){ HN_MOE_GATE, HN_MOE_GATE_BIAS, o->m.gate, o->m.ffn, NULL };
    o->up = (matrix){ HN_MOE_UP, HN_MOE_UP_BIAS, o->m.up, o->m.ffn, NULL };
    o->down = (matrix){ HN_MOE_DOWN, HN_MOE_DOWN_BIAS, o->m.down, o->m.width, NULL };
    o->in = side_of(o->m.gate, o->m.width, fits_panels(o->m.gate, o->m.ffn) && fits_panels(o->m.up, o->m.ffn));
    o->inner = side_of(o->m.down, o->m.ffn, fits_panels(o->m.down, o->m.width));
    HN_TRY(pack_matrix(p, &o->gate, o->m.experts, &o->in));
    HN_TRY(pack_matrix(p, &o->up, o->m.experts, &o->in));
    HN_TRY(pack_matrix(p, &o->down, o->m.experts, &o->inner));
    o->at_weight = take(&o->bytes, o->pairs, sizeof(float));
    o->at_expert = take(&o->bytes, o->pairs, sizeof(int32_t));
    o->at_order = take(&o->bytes, hn_add(hn_mul(o->pairs, 2), 2 * o->m.experts + 1), sizeof(uint32_t));
    o->at_columns = take(&o->bytes, 2 * o->m.experts, sizeof(size_t));
    o->at_packed = take(&o->bytes, 1, side_bytes(o, &o->in));
    o->at_gate = take(&o->bytes, o->pairs, o->m.ffn * sizeof(float));
    o->at_up = take(&o->bytes, o->pairs, o->m.ffn * sizeof(float));
    o->at_inner = take(&o->bytes, 1, side_bytes(o, &o->inner));
    o->at_out = take(&o->bytes, o->pairs, o->m.width * sizeof(float));
    o->room = o->rows >= HN_QX_COLS ? hn_mul(PIECE / HN_PANEL_ROWS, hn_round_up(hn_panel_room(hn_max(o->m.width, o->m.ffn)), 64)) : 0;
    p->scratch_bytes = hn_ceil_div(hn_add(o->bytes, hn_mul(o->room, p->threads)), p->threads);      /* shared: the sum of all threads' parts */
    p->state = o;
    return HN_OK;
}

/* What the pieces of one run see.  place[token * used + j]: where the pair stands among the sorted ones, of which the
 * i-th belongs to owner[i]; pairs of expert e stand from first[e] to first[e + 1].  active: experts that have any.
 * in_at, inner_at: where an expert's columns begin. */
typedef struct job {
    const hn_run *r;
    const moe *o;
    float *weight, *gate, *up, *out;
    int32_t *expert;
    uint32_t *first, *place, *owner, *active;
    size_t active_count, *in_at, *inner_at;
    char *packed, *inner;
} job;

static size_t pairs_of(const job *j, size_t expert) { return j->first[expert + 1] - j->first[expert]; }

/* An expert's columns in the memory of one side. */
static hn_qx columns(const job *j, const side *s, size_t expert)
{
    hn_qx x;
    char *at = s == &j->o->in ? j->packed + j->in_at[expert] : j->inner + j->inner_at[expert];
    hn_qx_place(&x, at, pairs_of(j, expert), s->k);
    return x;
}

/* Where each active expert's columns lie; the last group is filled up with zeros. */
static void lay_columns(const job *j, const side *s, size_t *at)
{
    size_t bytes = 0;
    for (size_t i = 0; i < j->active_count && s->columns; i++) {
        size_t e = j->active[i], cols = pairs_of(j, e);
        at[e] = bytes;
        bytes += hn_round_up(hn_qx_bytes(cols, s->k), 64);
        hn_qx x = columns(j, s, e);
        for (size_t c = cols; cols > HN_QX_COLS && c % HN_QX_COLS; c++)
            j->r->k->qx_pack(&x, c, NULL, s->group);
    }
}

static void route(job *j)
{
    const moe *o = j->o;
    const float *logits = j->r->in[HN_MOE_LOGITS]->data;
    size_t experts = o->m.experts;
    memset(j->first, 0, (experts + 1) * sizeof *j->first);
    for (size_t t = 0; t < o->rows; t++)
        hn_moe_route(&o->m, logits + t * experts, j->expert + t * o->m.used, j->weight + t * o->m.used);
    for (size_t i = 0; i < o->pairs; i++)
        j->first[j->expert[i] + 1]++;
    for (size_t e = 0; e < experts; e++)
        j->first[e + 1] += j->first[e];
    for (size_t i = 0; i < o->pairs; i++)
        j->place[i] = j->first[j->expert[i]]++;
    memmove(j->first + 1, j->first, experts * sizeof *j->first);   /* each had moved on to where the next begins */
    j->first[0] = 0;
    for (size_t i = 0; i < o->pairs; i++)
        j->owner[j->place[i]] = (uint32_t)j->expert[i];
    for (size_t e = 0; e < experts; e++)
        if (pairs_of(j, e))
            j->active[j->active_count++] = (uint32_t)e;
    lay_columns(j, &o->in, j->in_at);
    lay_columns(j, &o->inner, j->inner_at);
}

/* The activations of one sorted pair as the matrices want them: a column, small integers, those as floats again, or
 * untouched. */
static void pack(const job *j, const side *s, const float *x, size_t pair)
{
    const hn_run *r = j->r;
    char *to = (s == &j->o->in ? j->packed : j->inner) + pair * s->row;
    float *out = (float *)(void *)to;
    if (s->columns) {
        hn_qx c = columns(j, s, j->owner[pair]);
        r->k->qx_pack(&c, pair - j->first[j->owner[pair]], x, s->group);
        return;
    }
    if (s->integer) {
        r->k->q8_pack((hn_q8 *)(void *)to, x, s->k, s->group);
        return;
    }
    if (s->group == 1) {
        memcpy(out, x, s->k * sizeof *x);
        return;
    }
    for (size_t i = 0; i < s->k; i += s->group) {
        hn_q8 q[HN_Q_BLOCK_MAX / HN_Q8_BLOCK];
        r->k->q8_pack(q, x + i, s->group, s->group);
        for (size_t n = 0; n < s->group; n++)
            out[i + n] = q[n / HN_Q8_BLOCK].scale * (float)q[n / HN_Q8_BLOCK].q[n % HN_Q8_BLOCK];
    }
}

static void pack_token(void *arg, size_t t, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    (void)worker;
    for (size_t i = 0; i < o->m.used; i++)
        pack(j, &o->in, (const float *)j->r->in[HN_MOE_X]->data + t * o->m.width, j->place[t * o->m.used + i]);
}

/* Rows [from, from + n) of one expert's matrix of `rows` rows times all its tokens. */
static void multiply(const job *j, const matrix *m, const side *s, size_t expert, size_t from, unsigned worker, float *out)
{
    size_t rows = m->rows, n = hn_min(PIECE, rows - from), first = j->first[expert], cols = pairs_of(j, expert);
    out += first * rows + from;
    if (s->columns) {
        hn_qx x = columns(j, s, expert);
        size_t size = hn_panel_size(m->type, s->k);
        hn_panels p = { .type = m->type, .w = (const char *)m->panels + (expert * rows + from) / HN_PANEL_ROWS * size,
                        .panel_size = size, .panels = n / HN_PANEL_ROWS, .rows = n, .k = s->k, .x = &x, .out = out, .ld_out = rows,
                        .room = j->r->scratch + j->o->bytes + worker * j->o->room };
        j->r->k->panels(&p);
    } else {
        const hn_tensor *w = j->r->in[m->operand];
        size_t size = (size_t)w->shape.dim[1];
        const char *x = (s == &j->o->in ? j->packed : j->inner) + first * s->row;
        hn_qdot d = { .type = m->type, .w = (const char *)w->data + (expert * rows + from) * size, .row_size = size,
                      .rows = n, .cols = cols, .k = s->k, .x8 = (const hn_q8 *)(const void *)x, .ld_x8 = s->blocks,
                      .x = (const float *)(const void *)x, .ld_x = s->k, .out = out, .ld_out = rows };
        j->r->k->qdot(&d);
    }
    if (j->r->node->in_count <= m->bias || !j->r->in[m->bias])
        return;
    const float *bias = (const float *)j->r->in[m->bias]->data + expert * rows + from;
    for (size_t c = 0; c < cols; c++)
        j->r->k->add_f32(out + c * rows, out + c * rows, 1, bias, 1, n);
}

static void into(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    size_t per = hn_ceil_div(o->m.ffn, PIECE), e = j->active[piece / per], from = piece % per * PIECE;
    multiply(j, &o->gate, &o->in, e, from, worker, j->gate);
    multiply(j, &o->up, &o->in, e, from, worker, j->up);
}

static void between(void *arg, size_t pair, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    float *g = j->gate + pair * o->m.ffn, *u = j->up + pair * o->m.ffn;
    (void)worker;
    if (o->m.clamp == 0) {
        j->r->k->act_f32(g, g, o->m.ffn, (hn_act){ o->m.act, 0, 0 });
        j->r->k->mul_f32(g, g, 1, u, 1, o->m.ffn);
    } else {
        for (size_t i = 0; i < o->m.ffn; i++)
            g[i] = hn_moe_glu(&o->m, g[i], u[i]);
    }
    pack(j, &o->inner, g, pair);
}

static void out_of(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    size_t per = hn_ceil_div(o->m.width, PIECE);
    multiply(j, &o->down, &o->inner, j->active[piece / per], piece % per * PIECE, worker, j->out);
}

/* In the order of choice, so that a token's sum does not depend on the sorting. */
static void mix(void *arg, size_t t, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    float *y = (float *)j->r->out[0]->data + t * o->m.width;
    (void)worker;
    memset(y, 0, o->m.width * sizeof *y);
    for (size_t i = 0; i < o->m.used; i++) {
        const float *x = j->out + j->place[t * o->m.used + i] * o->m.width, weight = j->weight[t * o->m.used + i];
        for (size_t n = 0; n < o->m.width; n++)
            y[n] += weight * x[n];
    }
}

static hn_err run(const hn_run *r)
{
    const moe *o = r->state;
    char *s = r->scratch;
    job j = { .r = r, .o = o, .weight = (float *)(void *)(s + o->at_weight),
              .expert = (int32_t *)(void *)(s + o->at_expert),
              .first = (uint32_t *)(void *)(s + o->at_order), .packed = s + o->at_packed,
                  .gate = (float *)(void *)(s + o->at_gate),
              .up = (float *)(void *)(s + o->at_up), .inner = s + o->at_inner,
                  .out = (float *)(void *)(s + o->at_out) };
    j.place = j.first + o->m.experts + 1;
    j.owner = j.place + o->pairs;
    j.active = j.owner + o->pairs;
    j.in_at = (size_t *)(void *)(s + o->at_columns);
    j.inner_at = j.in_at + o->m.experts;
    route(&j);
    hn_parallel_worth(r, o->pairs * o->m.width, o->rows, pack_token, &j);
    hn_parallel(r, j.active_count * hn_ceil_div(o->m.ffn, PIECE), into, &j);
    hn_parallel_worth(r, o->pairs * o->m.ffn, o->pairs, between, &j);
    hn_parallel(r, j.active_count * hn_ceil_div(o->m.width, PIECE), out_of, &j);
    hn_parallel_worth(r, o->pairs * o->m.width, o->rows, mix, &j);
    return HN_OK;
}

const hn_impl hn_impl_moe = { .name = "moe.q", .rule = HN_RULE_PLAIN, .accepts = accepts, .prepare = prepare,
                              .run = run };
