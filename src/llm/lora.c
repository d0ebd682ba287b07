/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "llm/build_impl.h"

#define NAME_MAX_LEN 192

static bool is_adapter(hn_ctx *cx, const hn_gguf *g)
{
    hn_text none = { "", 0 }, type, kind;
    if (hn_gguf_text(cx, g, "general.type", &none, &type) || hn_gguf_text(cx, g, "adapter.type", &none, &kind))
        return false;
    return type.len == 7 && memcmp(type.ptr, "adapter", 7) == 0 && kind.len == 4 && memcmp(kind.ptr, "lora", 4) == 0;
}

static hn_err check_architecture(hn_ctx *cx, const hn_gguf *g, const hn_gguf *model)
{
    hn_text mine, its;
    HN_TRY(hn_gguf_text(cx, g, "general.architecture", NULL, &mine));
    HN_TRY(hn_gguf_text(cx, model, "general.architecture", NULL, &its));
    if (mine.len != its.len || memcmp(mine.ptr, its.ptr, its.len) != 0)
        return hn_fail(cx, HN_EFORMAT, "the adapter is for a %.*s model, this one is %.*s", (int)mine.len, mine.ptr,
                       (int)its.len, its.ptr);
    return HN_OK;
}

/* The other half of a pair, by the name of the first; *base: the matrix's name. */
static const hn_gguf_tensor *other_half(const hn_gguf *g, const char *name, char base[NAME_MAX_LEN])
{
    char other[NAME_MAX_LEN + 8];
    size_t n = strlen(name);
    bool a = n > 7 && strcmp(name + n - 7, ".lora_a") == 0, b = n > 7 && strcmp(name + n - 7, ".lora_b") == 0;
    if ((!a && !b) || n >= NAME_MAX_LEN)
        return NULL;
    snprintf(base, NAME_MAX_LEN, "%.*s", (int)(n - 7), name);
    snprintf(other, sizeof other, "%s.lora_%c", base, a ? 'b' : 'a');
    return hn_gguf_tensor_find(g, other);
}

static hn_err check_pair(hn_ctx *cx, const hn_gguf_tensor *a, const hn_gguf_tensor *b, const hn_gguf_tensor *w,
                         const char *base)
{
    if (!w)
        return hn_fail(cx, HN_EFORMAT, "the adapter changes '%s', which the model does not have", base);
    if (w->shape.rank != 2 || strcmp(base, "token_embd.weight") == 0)
        return hn_fail(cx, HN_EUNSUP, "unsupported: an adapter that changes '%s'", base);
    if (a->shape.rank != 2 || b->shape.rank != 2 || a->shape.dim[1] != w->shape.dim[1] ||
        b->shape.dim[0] != w->shape.dim[0] || a->shape.dim[0] != b->shape.dim[1] || a->shape.dim[0] < 1)
        return hn_fail(cx, HN_EFORMAT, "the adapter's pair for '%s' does not fit its %lld rows of %lld", base,
                       (long long)w->shape.dim[0], (long long)w->shape.dim[1]);
    return HN_OK;
}

static hn_err check(hn_ctx *cx, const hn_gguf *g, const hn_gguf *model)
{
    if (!is_adapter(cx, g))
        return hn_fail(cx, HN_EFORMAT, "expected an adapter (general.type 'adapter', adapter.type 'lora')");
    HN_TRY(check_architecture(cx, g, model));
    for (size_t i = 0; i < g->tensor_count; i++) {
        const hn_gguf_tensor *one = &g->tensors[i];
        char base[NAME_MAX_LEN];
        const hn_gguf_tensor *two = other_half(g, one->name, base);
        if (!two)
            return hn_fail(cx, HN_EFORMAT, "the adapter's tensor '%.150s' is no half of a pair NAME.lora_a, NAME.lora_b", one->name);
        bool a = one->name[strlen(one->name) - 1] == 'a';
        HN_TRY(check_pair(cx, a ? one : two, a ? two : one, hn_gguf_tensor_find(model, base), base));
    }
    return g->tensor_count ? HN_OK : hn_fail(cx, HN_EFORMAT, "the adapter changes nothing");
}

static hn_err open_with(hn_ctx *cx, const char *path, const void *data, size_t len, const hn_gguf *model, hn_lora *out)
{
    static const float none = 0;
    hn_lora l = { 0 };
    hn_err e = path ? hn_gguf_open(cx, path, &l.file) : hn_gguf_open_memory(cx, data, len, &l.file);
    if (!e)
        e = check(cx, l.file, model);
    if (!e)
        e = hn_gguf_f32(cx, l.file, "adapter.lora.alpha", &none, &l.alpha);
    if (!e && !isfinite(l.alpha))
        e = hn_fail(cx, HN_EFORMAT, "adapter.lora.alpha is no number");
    if (e) {
        hn_lora_close(&l);
        return e;
    }
    *out = l;
    return HN_OK;
}

hn_err hn_lora_open(hn_ctx *cx, const char *path, const hn_gguf *model, hn_lora *out)
{
    return open_with(cx, path, NULL, 0, model, out);
}

hn_err hn_lora_open_memory(hn_ctx *cx, const void *data, size_t len, const hn_gguf *model, hn_lora *out)
{
    return open_with(cx, NULL, data, len, model, out);
}

void hn_lora_close(hn_lora *l)
{
    hn_gguf_close(l->file);
    *l = (hn_lora){ 0 };
}

/* ---- In the graph --------------------------------------------------------------------------------- */

static hn_value *times(hn_build *b, hn_value *x, const hn_gguf_tensor *t, size_t from, size_t rows)
{
    const hn_weights *w = hn_build_weights(b, t, from, rows, 1);
    return w ? hn_build_node(b, "hone", "Linear", (hn_value *[]){ x, w->w }, 2, w->attr, HN_WEIGHT_ATTRS) : NULL;
}

hn_value *hn_lora_add(hn_build *b, hn_value *y, hn_value *x, const char *weight, size_t from, size_t rows)
{
    for (size_t i = 0; i < b->lora_count && y; i++) {
        const hn_lora *l = b->lora[i].lora;
        char name[NAME_MAX_LEN + 8];
        snprintf(name, sizeof name, "%.180s.lora_a", weight);
        const hn_gguf_tensor *a = hn_gguf_tensor_find(l->file, name);
        name[strlen(name) - 1] = 'b';
        const hn_gguf_tensor *c = a ? hn_gguf_tensor_find(l->file, name) : NULL;
        if (!a || !c)
            continue;
        hn_value *scale = hn_build_floats(b, "lora_scale", &(hn_shape){ 1, { 1 } });
        hn_value *more = times(b, times(b, x, a, 0, 0), c, from, rows);
        if (!scale || !more)
            return NULL;
        float alpha = l->alpha != 0 ? l->alpha / (float)a->shape.dim[0] : 1;
        *(float *)scale->t.data = b->lora[i].scale * alpha;
        more = hn_build_node(b, NULL, "Mul", (hn_value *[]){ more, scale }, 2, NULL, 0);
        y = hn_build_node(b, NULL, "Add", (hn_value *[]){ y, more }, 2, NULL, 0);
        b->lora_pairs += from == 0;              /* a fused matrix comes in parts, the first from 0 */
    }
    return y;
}
