/* SPDX-License-Identifier: Apache-2.0 */
/* impl.c: the list of implementations, and the two that every plan needs: the operator's own code
 * and the reorder between layouts. */
#include "runtime/impl.h"

#include <string.h>

#include "base/num.h"
#include "runtime/packs.h"

#define IMPL(id) extern const hn_impl hn_impl_##id;
#include "runtime/impls.def"
#undef IMPL

const hn_impl *const hn_impls[] = {
#define IMPL(id) &hn_impl_##id,
#include "runtime/impls.def"
#undef IMPL
    NULL
};

void *hn_prep_pack(hn_prep *p, size_t bytes) { return hn_packs_get(p->cx, p->packs, bytes); }
void *hn_prep_pack_from(hn_prep *p, const void *source, size_t bytes, void (*fill)(void *arg, void *to), void *arg)
{
    if (hn_shared_packs_serve(p->shared, source) && !hn_prep_measuring(p))
        return hn_shared_packs_get(p->shared, source, bytes, fill, arg);
    void *b = hn_prep_pack(p, bytes);
    if (b)
        fill(arg, b);
    return b;
}
void *hn_prep_weights(hn_prep *p, int from, size_t bytes, bool *made)
{
    if (from >= 0)
        p->spared |= 1u << from;
    return hn_packs_keep(p->cx, p->packs, bytes, made);
}
bool hn_prep_measuring(const hn_prep *p) { return p->packs->measure; }

size_t hn_prep_cut(const hn_prep *p, size_t n)
{
    return p->variant == 1 ? hn_ceil_div(n, 2) : p->variant == 2 ? hn_mul(n, 2) : n;
}

hn_call hn_prep_call(const hn_prep *p)
{
    return (hn_call){ .cx = p->cx, .node = p->node, .in_count = p->in_count, .out_count = p->out_count,
                      .in = p->in, .out = (hn_tensor *const *)(uintptr_t)p->out, .scratch = p->arena };
}

bool hn_prep_f32(const hn_prep *p)
{
    for (int i = 0; i < p->in_count; i++)
        if (p->in[i] && p->in[i]->dtype != HN_F32)
            return false;
    for (int i = 0; i < p->out_count; i++)
        if (p->out[i] && p->out[i]->dtype != HN_F32)
            return false;
    return true;
}

bool hn_op_is(const hn_node *n, const char *name)
{
    return !n->op->domain && strcmp(n->op->name, name) == 0;
}

hn_shape hn_physical(const hn_shape *s, hn_layout layout)
{
    hn_shape p = *s;
    if (layout == HN_CHANNELS_LAST && s->rank > 2) {
        for (int i = 1; i + 1 < s->rank; i++)
            p.dim[i] = s->dim[i + 1];
        p.dim[s->rank - 1] = s->dim[1];
    }
    return p;
}

static bool accept_all(const hn_prep *p)
{
    (void)p;
    return true;
}

static void apply_act(const hn_run *r)
{
    const hn_tensor *t = r->out[0];
    hn_act act = r->node->act;
    if (t->dtype == HN_F32)
        r->k->act_f32(t->data, t->data, hn_count(t), act);
}

/* One thread, plain code: right for everything, fast for nothing. */
static hn_err run_eval(const hn_run *r)
{
    hn_call c = { .cx = r->cx, .node = r->node, .in_count = r->node->in_count,
                  .out_count = r->node->out_count, .in = r->in, .out = r->out, .scratch = r->eval_scratch,
                  .text = r->text, .kv = r->kv };
    HN_TRY(r->node->op->run(&c));
    if (r->node->act.kind != HN_ACT_NONE)
        apply_act(r);
    return HN_OK;
}

const hn_impl hn_impl_eval = {
    .name = "eval", .rule = HN_RULE_PLAIN, .accepts = accept_all, .run = run_eval,
};

/* Inlined with a constant size: a copy of one element is then an instruction, not a call. */
static inline void transpose_bytes(char *to, const char *from, size_t rows, size_t cols, size_t size)
{
    for (size_t j = 0; j < cols; j++)
        for (size_t y = 0; y < rows; y++)
            memcpy(to + (j * rows + y) * size, from + (y * cols + j) * size, size);
}

/* The layout field says where the tensor goes to. */
static hn_err run_reorder(const hn_run *r)
{
    const hn_tensor *x = r->in[0];
    size_t n = (size_t)x->shape.dim[0], c = (size_t)x->shape.dim[1];
    size_t area = hn_shape_product(&x->shape, 2, x->shape.rank), size = hn_dtype_bits(x->dtype) / 8;
    bool to_last = r->layout == HN_CHANNELS_LAST;
    size_t rows = to_last ? c : area, cols = to_last ? area : c;

    for (size_t i = 0; i < n; i++) {
        const char *from = (const char *)x->data + i * c * area * size;
        char *to = (char *)r->out[0]->data + i * c * area * size;
        if (size == 4)
            r->k->transpose_32((uint32_t *)(void *)to, rows, (const uint32_t *)(const void *)from, cols, rows, cols);
        else if (size == 1)
            transpose_bytes(to, from, rows, cols, 1);
        else
            transpose_bytes(to, from, rows, cols, size);
    }
    return HN_OK;
}

const hn_impl hn_impl_reorder = { .name = "reorder", .accepts = accept_all, .run = run_reorder };
