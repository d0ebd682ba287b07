/* SPDX-License-Identifier: Apache-2.0 */
/* moe.c: experts on quantised weights.
 *
 * Pairs (token, expert) are sorted by expert, so that an expert's weights are read once for all tokens
 * that chose it.  A pair's result does not depend on the others: any grouping gives the same bits. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/moe.h"
#include "kernels/qdot.h"
#include "runtime/impl.h"

#define PIECE ((size_t)32)               /* rows of an expert's matrix per piece of work */

typedef struct side { size_t group, blocks, k,
                      row; bool integer; } side;    /* activations ready for a product; row: bytes */

typedef struct moe {
    hn_moe m;
    side in, inner;
    size_t rows, pairs;
    size_t at_weight, at_expert, at_order, at_packed, at_gate, at_up, at_inner, at_out, bytes;   /* in the scratch */
} moe;

static side side_of(hn_qtype t, size_t k)
{
    side s = { .group = hn_qdot_group(t), .k = k, .blocks = k / HN_Q8_BLOCK };
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
    side g = side_of(m.gate, m.width), u = side_of(m.up, m.width);
    return g.group == u.group && g.integer == u.integer;
}

static size_t take(size_t *bytes, size_t count, size_t size)
{
    size_t at = *bytes;
    *bytes = hn_round_up(hn_add(at, hn_mul(count, size)), 64);
    return at;
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
    o->in = side_of(o->m.gate, o->m.width);
    o->inner = side_of(o->m.down, o->m.ffn);
    o->at_weight = take(&o->bytes, o->pairs, sizeof(float));
    o->at_expert = take(&o->bytes, o->pairs, sizeof(int32_t));
    o->at_order = take(&o->bytes, hn_add(o->pairs, o->m.experts + 1), sizeof(uint32_t));
    o->at_packed = take(&o->bytes, o->pairs, o->in.row);
    o->at_gate = take(&o->bytes, o->pairs, o->m.ffn * sizeof(float));
    o->at_up = take(&o->bytes, o->pairs, o->m.ffn * sizeof(float));
    o->at_inner = take(&o->bytes, o->pairs, o->inner.row);
    o->at_out = take(&o->bytes, o->pairs, o->m.width * sizeof(float));
    p->scratch_bytes = hn_ceil_div(o->bytes, p->threads);         /* shared: the sum of all threads' parts */
    p->state = o;
    return HN_OK;
}

/* What the pieces of one run see.  place[token * used + j]: where the pair stands among the sorted ones;
 * pairs of expert e stand from first[e] to first[e + 1]. */
typedef struct job {
    const hn_run *r;
    const moe *o;
    float *weight, *gate, *up, *out;
    int32_t *expert;
    uint32_t *first, *place;
    char *packed, *inner;
} job;

static void route(const job *j)
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
}

/* Activations as the matrices' type wants them: small integers, those as floats again, or untouched. */
static void pack(const hn_run *r, const side *s, const float *x, char *to)
{
    float *out = (float *)(void *)to;
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
    char *first = j->packed + j->place[t * o->m.used] * o->in.row;
    pack(j->r, &o->in, (const float *)j->r->in[HN_MOE_X]->data + t * o->m.width, first);
    for (size_t i = 1; i < o->m.used; i++)
        memcpy(j->packed + j->place[t * o->m.used + i] * o->in.row, first, o->in.row);
}

/* Rows [from, from + n) of one expert's matrix of `rows` rows times all its tokens. */
static void multiply(const job *j, int operand, int bias_operand, hn_qtype type, const side *s, const char *x,
                     size_t expert,
                     size_t rows, size_t from, float *out)
{
    const hn_tensor *w = j->r->in[operand];
    size_t n = hn_min(PIECE, rows - from), first = j->first[expert], cols = j->first[expert + 1] - first,
        size = (size_t)w->shape.dim[1];
    const char *at = x + first * s->row;
    hn_qdot d = { .type = type, .w = (const char *)w->data + (expert * rows + from) * size, .row_size = size,
                  .rows = n, .cols = cols,
                  .k = s->k, .x8 = (const hn_q8 *)(const void *)at, .ld_x8 = s->blocks,
                      .x = (const float *)(const void *)at,
                  .ld_x = s->k, .out = out + first * rows + from, .ld_out = rows };
    j->r->k->qdot(&d);
    if (j->r->node->in_count <= bias_operand || !j->r->in[bias_operand])
        return;
    const float *bias = (const float *)j->r->in[bias_operand]->data + expert * rows + from;
    for (size_t c = 0; c < cols; c++)
        j->r->k->add_f32(d.out + c * rows, d.out + c * rows, 1, bias, 1, n);
}

static void into(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    size_t per = hn_ceil_div(o->m.ffn, PIECE), e = piece / per, from = piece % per * PIECE;
    (void)worker;
    if (j->first[e] == j->first[e + 1])
        return;
    multiply(j, HN_MOE_GATE, HN_MOE_GATE_BIAS, o->m.gate, &o->in, j->packed, e, o->m.ffn, from, j->gate);
    multiply(j, HN_MOE_UP, HN_MOE_UP_BIAS, o->m.up, &o->in, j->packed, e, o->m.ffn, from, j->up);
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
    pack(j->r, &o->inner, g, j->inner + pair * o->inner.row);
}

static void out_of(void *arg, size_t piece, unsigned worker)
{
    const job *j = arg;
    const moe *o = j->o;
    size_t per = hn_ceil_div(o->m.width, PIECE), e = piece / per, from = piece % per * PIECE;
    (void)worker;
    if (j->first[e] < j->first[e + 1])
        multiply(j, HN_MOE_DOWN, HN_MOE_DOWN_BIAS, o->m.down, &o->inner, j->inner, e, o->m.width, from, j->out);
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
    route(&j);
    hn_parallel(r, o->rows, pack_token, &j);
    hn_parallel(r, o->m.experts * hn_ceil_div(o->m.ffn, PIECE), into, &j);
    hn_parallel(r, o->pairs, between, &j);
    hn_parallel(r, o->m.experts * hn_ceil_div(o->m.width, PIECE), out_of, &j);
    hn_parallel(r, o->rows, mix, &j);
    return HN_OK;
}

const hn_impl hn_impl_moe = { .name = "moe.q", .rule = HN_RULE_PLAIN, .accepts = accepts, .prepare = prepare,
                              .run = run };
