/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/stack.h"

#include <string.h>

#include "base/num.h"
#include "graph/load.h"
#include "graph/strided.h"

hn_err hn_list_add(hn_call *c, hn_list *list, size_t *cap, const hn_tensor *t)
{
    if (list->count == *cap) {
        size_t want = *cap ? *cap * 2 : 8;
        hn_tensor *grown = HN_NEW(c->scratch, hn_tensor, want);
        if (!grown)
            return hn_nomem(c->cx, "a list of tensors");
        if (list->count)
            memcpy(grown, list->item, list->count * sizeof *grown);
        list->item = grown;
        *cap = want;
    }
    HN_TRY(hn_tensor_copy(c->cx, t, c->scratch, &list->item[list->count]));
    list->count++;
    return HN_OK;
}

static hn_err make_in(hn_call *c, hn_arena *memory, hn_tensor *out)
{
    const hn_env *env = c->cx ? c->cx->env : NULL;
    size_t bytes = hn_bytes(out);
    if (env && env->tensor_bytes_max && bytes > env->tensor_bytes_max)
        return hn_fail(c->cx, HN_ELIMIT, "node '%s' (%s): an output needs %zu bytes, over the limit of %zu",
                       c->node->name, c->node->op->name, bytes, env->tensor_bytes_max);
    out->data = hn_arena_get(memory, hn_max(bytes, 1), 64);
    return out->data ? HN_OK : hn_nomem(c->cx, "an operator's output");
}

hn_err hn_make_tensor(hn_call *c, hn_tensor *out) { return make_in(c, c->text, out); }

/* Items behind each other along `axis` of out, `size` places each has there (0: its own dimension). */
static void lay(const hn_list *list, int axis, int64_t size, bool reversed, hn_tensor *out)
{
    hn_split all = hn_split_at(&out->shape, axis);
    size_t at = 0;
    for (size_t k = 0; k < list->count; k++) {
        const hn_tensor *t = &list->item[reversed ? list->count - 1 - k : k];
        size_t run = (size_t)(size ? size : t->shape.dim[axis]) * all.inner;
        for (size_t o = 0; o < all.outer && run; o++)
            hn_elems_copy(out, o * all.n * all.inner + at, t, o * run, run);
        at += run;
    }
}

hn_err hn_list_stack(hn_call *c, const hn_list *list, int64_t axis, bool reversed, hn_tensor *out)
{
    const hn_tensor *first = list->item;
    int rank = first->shape.rank + 1, at;
    if (rank > HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    HN_TRY(hn_axis(c, axis, rank, &at));
    *out = (hn_tensor){ .dtype = first->dtype, .shape = { .rank = rank } };
    for (int d = 0; d < rank; d++)
        out->shape.dim[d] = d == at ? (int64_t)list->count : first->shape.dim[d - (d > at)];
    for (size_t k = 1; k < list->count; k++)
        if (list->item[k].dtype != first->dtype || !hn_shape_equal(&list->item[k].shape, &first->shape)) {
            char a[HN_SHAPE_TEXT], b[HN_SHAPE_TEXT];
            return hn_bad(c, "tensor %zu is %s %s, the first is %s %s", k, hn_dtype_name(list->item[k].dtype),
                          hn_shape_text(&list->item[k].shape, a), hn_dtype_name(first->dtype),
                          hn_shape_text(&first->shape, b));
        }
    HN_TRY(hn_make_tensor(c, out));
    lay(list, at, 1, reversed, out);
    return HN_OK;
}

hn_err hn_list_concat(hn_call *c, const hn_list *list, int64_t axis, hn_tensor *out)
{
    const hn_tensor *first = list->item;
    int at;
    HN_TRY(hn_axis(c, axis, first->shape.rank, &at));
    *out = (hn_tensor){ .dtype = first->dtype, .shape = first->shape };
    for (size_t k = 1; k < list->count; k++) {
        const hn_tensor *t = &list->item[k];
        bool fits = t->dtype == first->dtype && t->shape.rank == first->shape.rank;
        for (int d = 0; d < first->shape.rank && fits; d++)
            fits = d == at || t->shape.dim[d] == first->shape.dim[d];
        if (!fits || __builtin_add_overflow(out->shape.dim[at], fits ? t->shape.dim[at] : 0, &out->shape.dim[at]))
            return hn_bad(c, "tensor %zu does not fit the first to be joined along axis %d", k, at);
    }
    HN_TRY(hn_make_tensor(c, out));
    lay(list, at, 0, false, out);
    return HN_OK;
}

hn_err hn_take(hn_call *c, const hn_tensor *t, int axis, size_t i, hn_arena *memory, hn_tensor *out)
{
    hn_split s = hn_split_at(&t->shape, axis);
    *out = (hn_tensor){ .dtype = t->dtype, .shape = { .rank = t->shape.rank - 1 } };
    for (int d = 0; d < out->shape.rank; d++)
        out->shape.dim[d] = t->shape.dim[d + (d >= axis)];
    HN_TRY(make_in(c, memory, out));
    for (size_t o = 0; o < s.outer && s.inner; o++)
        hn_elems_copy(out, o * s.inner, t, (o * s.n + i) * s.inner, s.inner);
    return HN_OK;
}

hn_err hn_cut(hn_call *c, const hn_tensor *t, int axis, size_t first, size_t size, hn_tensor *out)
{
    hn_split s = hn_split_at(&t->shape, axis);
    size_t run = size * s.inner;                /* part of t, so it does not overflow */
    *out = (hn_tensor){ .dtype = t->dtype, .shape = t->shape };
    out->shape.dim[axis] = (int64_t)size;
    HN_TRY(hn_make_tensor(c, out));
    for (size_t o = 0; o < s.outer && run; o++)
        hn_elems_copy(out, o * run, t, (o * s.n + first) * s.inner, run);
    return HN_OK;
}
