/* SPDX-License-Identifier: Apache-2.0 */
/* quant.c: QuantizeLinear and DequantizeLinear with one scale, 8 bits; in any layout. */
#include "base/num.h"
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
