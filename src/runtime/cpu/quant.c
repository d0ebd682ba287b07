/* SPDX-License-Identifier: Apache-2.0 */
/* quant.c: QuantizeLinear, DequantizeLinear with one scale, and Quantize; 8 bits, in any layout. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "graph/integer.h"
#include "runtime/impl.h"

#define PIECE ((size_t)16 * 1024)

typedef struct quant {
    float scale;
    int zero;
    bool to_float, is_signed;
} quant;

static bool eight_bits(hn_dtype t) { return t == HN_U8 || t == HN_I8; }

static bool accepts(const hn_prep *p)
{
    bool q = hn_op_is(p->node, "QuantizeLinear"), d = hn_op_is(p->node, "DequantizeLinear");
    if ((!q && !d) || !p->in[1]->data || hn_count(p->in[1]) != 1 || p->in[1]->dtype != HN_F32 ||
        p->node->act.kind != HN_ACT_NONE || hn_attr_int(p->node, "block_size", 0))
        return false;
    if (p->in_count > 2 && p->in[2] && !p->in[2]->data)
        return false;
    const hn_tensor *f = q ? p->in[0] : p->out[0], *i = q ? p->out[0] : p->in[0];
    return f->dtype == HN_F32 && eight_bits(i->dtype);
}

static hn_err prepare(hn_prep *p)
{
    quant *s = HN_NEW(p->arena, quant, 1);
    if (!s)
        return hn_nomem(p->cx, "a step");
    s->to_float = hn_op_is(p->node, "DequantizeLinear");
    s->is_signed = (s->to_float ? p->in[0] : p->out[0])->dtype == HN_I8;
    s->scale = *(const float *)p->in[1]->data;
    if (p->in_count > 2 && p->in[2]) {
        int64_t zero;
        hn_get_i64(p->in[2], 0, 1, &zero);
        s->zero = (int)zero;
    }
    p->state = s;
    return HN_OK;
}

static void some(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const quant *s = r->state;
    size_t at = piece * PIECE, n = hn_min(PIECE, hn_count(r->out[0]) - at);
    const void *x = r->in[0]->data;
    void *y = r->out[0]->data;
    (void)worker;
    if (s->to_float && s->is_signed)
        r->k->dequantize_i8((float *)y + at, (const int8_t *)x + at, n, s->scale, s->zero);
    else if (s->to_float)
        r->k->dequantize_u8((float *)y + at, (const uint8_t *)x + at, n, s->scale, s->zero);
    else if (s->is_signed)
        r->k->quantize_i8((int8_t *)y + at, (const float *)x + at, n, s->scale, s->zero);
    else
        r->k->quantize_u8((uint8_t *)y + at, (const float *)x + at, n, s->scale, s->zero);
}

static hn_err run(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), PIECE), some, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_quant = {
    .name = "quant.8bit", .rule = HN_RULE_FOLLOW, .accepts = accepts, .prepare = prepare, .run = run,
};

/* ---- Quantize: halves away from zero -------------------------------------------------------------------- */

typedef struct grid { hn_integers q; float scale; } grid;

static bool read_grid(const hn_prep *p, grid *g)
{
    hn_call call = hn_prep_call(p);
    double scale;
    if (!p->node->op->domain || strcmp(p->node->op->name, "Quantize") != 0 || p->in[0]->dtype != HN_F32 ||
        !eight_bits(p->out[0]->dtype) || p->node->act.kind != HN_ACT_NONE ||
        hn_integers_read(&call, p->out[0]->dtype, &g->q) || hn_scale_read(&call, "y_scale", &scale))
        return false;
    g->scale = (float)scale;
    return labs((long)g->q.y_zero) <= 1 << 22;       /* so that bounds are exact in floats */
}

static bool accepts_grid(const hn_prep *p)
{
    grid g;
    return read_grid(p, &g);
}

static hn_err prepare_grid(hn_prep *p)
{
    grid *g = HN_NEW(p->arena, grid, 1);
    if (!g)
        return hn_nomem(p->cx, "a step");
    read_grid(p, g);
    p->state = g;
    return HN_OK;
}

static void some_to_grid(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const grid *g = r->state;
    size_t at = piece * PIECE, n = hn_min(PIECE, hn_count(r->out[0]) - at);
    (void)worker;
    r->k->quantize_away((uint8_t *)r->out[0]->data + at, (const float *)r->in[0]->data + at, n, g->scale, g->q.y_zero,
                        g->q.low, g->q.high);
}

static hn_err run_grid(const hn_run *r)
{
    hn_parallel(r, hn_ceil_div(hn_count(r->out[0]), PIECE), some_to_grid, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_quantize = {
    .name = "quantize.8bit", .rule = HN_RULE_FOLLOW, .accepts = accepts_grid, .prepare = prepare_grid, .run = run_grid,
};
