/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/build_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/num.h"
#include "kernels/qpack.h"

#define ARCH(id) extern const hn_arch hn_arch_##id;
#include "llm/arch.def"
#undef ARCH

const hn_arch *const hn_archs[] = {
#define ARCH(id) &hn_arch_##id,
#include "llm/arch.def"
#undef ARCH
    NULL
};

#define TRY HN_BUILD_TRY

/* ---- Keys and tensors ------------------------------------------------------------------------------ */

static const char *key(const hn_build *b, const char *name, char out[192])
{
    snprintf(out, 192, "%s.%s", b->arch, name);
    return out;
}

uint32_t hn_key_u32(hn_build *b, const char *name, uint32_t missing)
{
    char full[192];
    uint32_t v = missing;
    if (!b->error)
        b->error = hn_gguf_u32(b->cx, b->file, key(b, name, full), &missing, &v);
    return v;
}

uint32_t hn_key_u32_at(hn_build *b, const char *name, int layer, uint32_t missing)
{
    char full[192];
    const hn_gguf_value *v = b->error ? NULL : hn_gguf_value_find(b->file, key(b, name, full));
    const int64_t *list = NULL;
    size_t count = 0;
    if (!v || v->kind != HN_GGUF_ARRAY)
        return hn_key_u32(b, name, missing);
    b->error = hn_gguf_i64s(b->cx, b->file, full, true, b->g->arena, &list, &count);
    if (!b->error && ((size_t)layer >= count || list[layer] < 0 || list[layer] > UINT32_MAX))
        b->error = hn_fail(b->cx, HN_EFORMAT, "%s: no number for layer %d among its %zu", full, layer, count);
    return b->error ? missing : (uint32_t)list[layer];
}

float hn_key_f32(hn_build *b, const char *name, float missing)
{
    char full[192];
    float v = missing;
    if (!b->error)
        b->error = hn_gguf_f32(b->cx, b->file, key(b, name, full), &missing, &v);
    return v;
}

bool hn_key_bool(hn_build *b, const char *name, bool missing)
{
    char full[192];
    bool v = missing;
    if (!b->error)
        b->error = hn_gguf_bool(b->cx, b->file, key(b, name, full), &missing, &v);
    return v;
}

static const char *tensor_name(const char *name, int layer, char out[192])
{
    if (layer >= 0)
        snprintf(out, 192, "blk.%d.%s", layer, name);
    else
        snprintf(out, 192, "%s", name);
    return out;
}

bool hn_has(hn_build *b, const char *name, int layer)
{
    char full[192];
    return hn_gguf_tensor_find(b->file, tensor_name(name, layer, full)) != NULL;
}

/* NULL, with the error set, when the file lacks it. */
const hn_gguf_tensor *hn_build_take(hn_build *b, const char *name, int layer)
{
    char full[192];
    const hn_gguf_tensor *t = hn_gguf_tensor_find(b->file, tensor_name(name, layer, full));
    if (b->error)
        return NULL;
    if (!t) {
        b->error = hn_fail(b->cx, HN_EFORMAT, "tensor '%s' is missing: the file is not a whole %s model", full,
                           b->arch);
        return NULL;
    }
    b->tensor_used[t - b->file->tensors] = true;
    return t;
}

void hn_lm_refuse(hn_build *b, const char *what)
{
    if (!b->error)
        b->error = hn_fail(b->cx, HN_EUNSUP, "unsupported: %s in %s models", what, b->arch);
}

void hn_lm_skip(hn_build *b, const char *name, int layer) { hn_build_take(b, name, layer); }

/* Norm weights, biases, factors: one row of plain floats. */
hn_value *hn_build_vector(hn_build *b, const char *name, int layer, size_t count)
{
    const hn_gguf_tensor *t = hn_build_take(b, name, layer);
    hn_value *v = NULL;
    if (!t)
        return NULL;
    if (hn_shape_count(&t->shape) != count)
        TRY(hn_fail(b->cx, HN_EFORMAT, "tensor '%s': expected %zu elements, found %zu", t->name, count,
                    hn_shape_count(&t->shape)));
    if (t->type != HN_QT_F32 && t->type != HN_QT_F16 && t->type != HN_QT_BF16)
        TRY(hn_fail(b->cx, HN_EUNSUP, "unsupported: tensor '%s' of type %s", t->name, hn_qtype_get(t->type)->name));
    v = hn_build_floats(b, t->name, &(hn_shape){ 1, { (int64_t)count } });
    if (v)
        hn_q_decode(t->type, t->data, v->t.data, count);
    return v;
}

hn_value *hn_build_floats(hn_build *b, const char *name, const hn_shape *s)
{
    hn_value *v = NULL;
    TRY(hn_graph_new_const(b->cx, b->g, name, HN_F32, s, &v));
    return v;
}

/* ---- Nodes -------------------------------------------------------------------------------------------- */

hn_attr *hn_build_attrs(hn_build *b, size_t count)
{
    hn_attr *a = HN_NEW(b->g->arena, hn_attr, count ? count : 1);
    if (!a)
        b->error = hn_nomem(b->cx, "a model's graph");
    return a;
}

hn_value *hn_build_node(hn_build *b, const char *domain, const char *op, hn_value *const *in, int ins,
                        const hn_attr *attr, int count)
{
    hn_value *out = NULL;
    for (int i = 0; i < ins; i++)
        if (!in[i] && !b->error && !(i >= 2))
            b->error = hn_fail(b->cx, HN_EFORMAT, "%s: an operand is missing", op);
    TRY(hn_graph_add_value(b->cx, b->g, NULL, &out));
    TRY(hn_graph_add_node(b->cx, b->g, hn_op_find(domain, op), NULL, in, ins, &out, 1, attr, count, NULL));
    return out;
}

/* Whole panels stay where they are; rows that begin or end inside one are taken out of them. */
static hn_value *panels_of(hn_build *b, const hn_gguf_tensor *t, size_t from, size_t rows)
{
    size_t k = (size_t)t->shape.dim[1], all = (size_t)t->shape.dim[0], size = hn_panel_size(t->type, k), row = hn_q_bytes(t->type, k);
    char *panels = (char *)(uintptr_t)t->data;
    hn_value *w = NULL;
    if (from % HN_PANEL_ROWS == 0 && (rows % HN_PANEL_ROWS == 0 || from + rows == all)) {
        hn_tensor view = { HN_U8, { 2, { (int64_t)hn_ceil_div(rows, HN_PANEL_ROWS), (int64_t)size } },
                           panels + from / HN_PANEL_ROWS * size };
        TRY(hn_graph_add_const(b->cx, b->g, t->name, &view, &w));
        return w;
    }
    TRY(hn_graph_new_const(b->cx, b->g, t->name, HN_U8, &(hn_shape){ 2, { (int64_t)rows, (int64_t)row } }, &w));
    for (size_t i = 0; i < rows; i++)
        hn_panel_row(t->type, panels + (from + i) / HN_PANEL_ROWS * size, (from + i) % HN_PANEL_ROWS, k,
                     (char *)w->t.data + i * row);
    return w;
}

hn_value *hn_build_matrix(hn_build *b, const hn_gguf_tensor *t, size_t from, size_t rows)
{
    hn_value *w = NULL;
    if (t->shape.rank < 1 || t->shape.rank > 3)
        TRY(hn_fail(b->cx, HN_EFORMAT, "tensor '%s': expected a matrix", t->name));
    int last = t->shape.rank - 1;
    size_t row = hn_q_bytes(t->type, (size_t)t->shape.dim[last]), all = hn_shape_product(&t->shape, 0, last);
    if (rows == 0)
        rows = all;
    if (from > all || rows > all - from)
        TRY(hn_fail(b->cx, HN_EFORMAT, "tensor '%s': expected at least %zu rows, found %zu", t->name, from + rows,
                    all));
    if (t->panels)
        return panels_of(b, t, from, rows);
    hn_tensor view = { HN_U8, { 2, { (int64_t)rows, (int64_t)row } }, (char *)(uintptr_t)t->data + from * row };
    TRY(hn_graph_add_const(b->cx, b->g, t->name, &view, &w));
    return w;
}

hn_weights *hn_build_weights(hn_build *b, const hn_gguf_tensor *t, size_t from, size_t rows, float scale)
{
    hn_weights *m = HN_NEW(b->g->arena, hn_weights, 1);
    hn_attr *attr = hn_build_attrs(b, HN_WEIGHT_ATTRS);
    if (!m || !attr)
        TRY(hn_nomem(b->cx, "a model's graph"));
    hn_value *w = hn_build_matrix(b, t, from, rows);
    if (!w)
        return NULL;
    size_t all = hn_shape_product(&t->shape, 0, t->shape.rank - 1);
    *m = (hn_weights){ w, rows ? rows : all, attr };
    bool panels = (size_t)w->t.shape.dim[1] > hn_q_bytes(t->type, (size_t)t->shape.dim[t->shape.rank - 1]);
    attr[0] = hn_attr_whole("qtype", hn_qtype_get(t->type)->number);
    attr[1] = hn_attr_whole("k", t->shape.dim[t->shape.rank - 1]);
    attr[2] = hn_attr_whole("rows", panels ? (int64_t)m->rows : 0);
    attr[3] = hn_attr_real("scale", scale);
    return m;
}

hn_value *hn_lm_linear_part(hn_build *b, hn_value *x, const char *name, int layer, size_t from, size_t rows)
{
    char weight[160], bias_name[160];
    snprintf(weight, sizeof weight, "%s.weight", name);
    snprintf(bias_name, sizeof bias_name, "%s.bias", name);
    const hn_gguf_tensor *t = hn_build_take(b, weight, layer);
    const hn_weights *w = t ? hn_build_weights(b, t, from, rows, 1) : NULL;
    hn_value *bias = NULL;
    if (!w)
        return NULL;
    if (hn_has(b, bias_name, layer)) {
        hn_value *all = hn_build_vector(b, bias_name, layer, hn_shape_product(&t->shape, 0, t->shape.rank - 1));
        if (!all)
            return NULL;
        hn_tensor part = { HN_F32, { 1, { (int64_t)w->rows } }, (float *)all->t.data + from };
        TRY(hn_graph_add_const(b->cx, b->g, bias_name, &part, &bias));
    }
    hn_value *y = hn_build_node(b, "hone", "Linear", (hn_value *[]){ x, w->w, bias }, bias ? 3 : 2, w->attr, HN_WEIGHT_ATTRS);
    return hn_lora_add(b, y, x, t->name, from, rows);
}

hn_value *hn_lm_linear(hn_build *b, hn_value *x, const char *name, int layer)
{
    return hn_lm_linear_part(b, x, name, layer, 0, 0);
}

hn_value *hn_lm_embed(hn_build *b, float scale)
{
    const hn_gguf_tensor *t = hn_build_take(b, "token_embd.weight", -1);
    const hn_weights *w = t ? hn_build_weights(b, t, 0, 0, scale) : NULL;
    if (!w)
        return NULL;
    return hn_build_node(b, "hone", "Embedding", (hn_value *[]){ b->ids, w->w }, 2, w->attr, HN_WEIGHT_ATTRS);
}

static hn_value *rms(hn_build *b, hn_value *x, hn_value *weight)
{
    hn_attr *attr = hn_build_attrs(b, 1);
    if (!attr || !weight)
        return NULL;
    attr[0] = hn_attr_real("epsilon", b->s.eps);
    return hn_build_node(b, NULL, "RMSNormalization", (hn_value *[]){ x, weight }, 2, attr, 1);
}

hn_value *hn_lm_rms_row(hn_build *b, hn_value *x, const char *name, int layer, size_t width)
{
    char full[192];
    snprintf(full, sizeof full, "%s.weight", name);
    return rms(b, x, hn_build_vector(b, full, layer, width));
}

hn_value *hn_lm_rms(hn_build *b, hn_value *x, const char *name, int layer)
{
    return hn_lm_rms_row(b, x, name, layer, b->s.width);
}

hn_value *hn_build_reshape(hn_build *b, hn_value *x, const int64_t *dim, size_t rank)
{
    hn_value *shape = NULL;
    TRY(hn_graph_new_const_i64(b->cx, b->g, NULL, dim, rank, &shape));
    return hn_build_node(b, NULL, "Reshape", (hn_value *[]){ x, shape }, 2, NULL, 0);
}

hn_value *hn_lm_rms_heads(hn_build *b, hn_value *x, const char *name, int layer, uint32_t heads)
{
    char full[192];
    int64_t apart[] = { -1, heads, b->s.head_size }, together[] = { -1, (int64_t)heads * b->s.head_size };
    snprintf(full, sizeof full, "%s.weight", name);
    x = rms(b, hn_build_reshape(b, x, apart, 3), hn_build_vector(b, full, layer, b->s.head_size));
    return hn_build_reshape(b, x, together, 2);
}

hn_value *hn_lm_rope(hn_build *b, hn_value *x, uint32_t heads, hn_value *freq, float magnitude)
{
    hn_attr *attr = hn_build_attrs(b, 3);
    if (!attr)
        return NULL;
    attr[0] = hn_attr_whole("heads", heads);
    attr[1] = hn_attr_whole("interleaved", b->rope_neighbours);
    attr[2] = hn_attr_real("magnitude", magnitude);
    return hn_build_node(b, "hone", "Rope", (hn_value *[]){ x, b->pos, freq }, 3, attr, 3);
}

hn_value *hn_lm_add(hn_build *b, hn_value *x, hn_value *y)
{
    return hn_build_node(b, NULL, "Add", (hn_value *[]){ x, y }, 2, NULL, 0);
}

hn_value *hn_lm_glu(hn_build *b, hn_value *gate, hn_value *up, hn_act_kind act)
{
    hn_attr *attr = hn_build_attrs(b, 1);
    if (!attr)
        return NULL;
    attr[0] = hn_attr_whole("act", act);
    return hn_build_node(b, "hone", "Glu", (hn_value *[]){ gate, up }, 2, attr, 1);
}

hn_value *hn_lm_cap(hn_build *b, hn_value *x, float cap)
{
    hn_attr *attr = cap > 0 ? hn_build_attrs(b, 1) : NULL;
    if (!attr)
        return b->error ? NULL : x;
    attr[0] = hn_attr_real("cap", cap);
    return hn_build_node(b, "hone", "SoftCap", (hn_value *[]){ x }, 1, attr, 1);
}

hn_value *hn_lm_attend(hn_build *b, const hn_attend *a)
{
    if (b->s.encoder)
        return hn_lm_attend_all(b, a);
    hn_attr *attr = hn_build_attrs(b, 6);
    if (!attr)
        return NULL;
    attr[0] = hn_attr_whole("layer", a->layer);
    attr[1] = hn_attr_whole("heads", b->s.heads);
    attr[2] = hn_attr_whole("kv_heads", b->s.kv_heads);
    attr[3] = hn_attr_real("scale", a->scale);
    attr[4] = hn_attr_real("softcap", a->cap);
    attr[5] = hn_attr_whole("window", a->window);
    return hn_build_node(b, "hone", "PagedAttention", (hn_value *[]){ a->q, a->k, a->v, b->pos, a->sinks },
                         a->sinks ? 5 : 4, attr, 6);
}

void hn_lm_qkv(hn_build *b, hn_value *x, int layer, hn_value **q, hn_value **k, hn_value **v)
{
    size_t wide = (size_t)b->s.heads * b->s.head_size, narrow = (size_t)b->s.kv_heads * b->s.head_size;
    bool fused = hn_has(b, "attn_qkv.weight", layer);
    *q = fused ? hn_lm_linear_part(b, x, "attn_qkv", layer, 0, wide) : hn_lm_linear(b, x, "attn_q", layer);
    *k = fused ? hn_lm_linear_part(b, x, "attn_qkv", layer, wide, narrow) : hn_lm_linear(b, x, "attn_k", layer);
    *v = fused ? hn_lm_linear_part(b, x, "attn_qkv", layer, wide + narrow, narrow)
               : hn_lm_linear(b, x, "attn_v", layer);
}

/* ---- Rotation -------------------------------------------------------------------------------------------- */

static hn_value *frequencies(hn_build *b, float base, uint32_t turned, float **out)
{
    hn_value *v = NULL;
    hn_shape s = { 1, { turned / 2 } };
    TRY(hn_graph_new_const(b->cx, b->g, "rope_frequencies", HN_F32, &s, &v));
    for (uint32_t i = 0; i < turned / 2; i++)
        ((float *)v->t.data)[i] = (float)pow((double)base, -2.0 * i / turned);
    *out = v->t.data;
    return v;
}

static uint32_t turned_count(hn_build *b)
{
    uint32_t n = hn_key_u32(b, "rope.dimension_count", b->s.head_size);
    if (!b->error && (n > b->s.head_size || n % 2 || n == 0))
        b->error = hn_fail(b->cx, HN_EFORMAT, "%s.rope.dimension_count is %u, heads have %u", b->arch, n,
                           b->s.head_size);
    return n;
}

hn_value *hn_lm_plain_frequencies(hn_build *b, float base)
{
    float *f;
    return frequencies(b, base, turned_count(b), &f);
}

/* Where YaRN's ramp begins or ends: the dimension that turns `turns` times over the original context.
 * Peng et al., YaRN (2023), §3.2. */
static double yarn_corner(uint32_t turned, double context, double turns, double base)
{
    return turned * log(context / (turns * 2 * 3.14159265358979323846)) / (2 * log(base));
}

static void yarn(hn_build *b, float *f, uint32_t turned, float base, float factor)
{
    double context = hn_key_u32(b, "rope.scaling.original_context_length", b->s.context);
    double low = floor(yarn_corner(turned, context, (double)hn_key_f32(b, "rope.scaling.yarn_beta_fast", 32),
                                   (double)base));
    double high = ceil(yarn_corner(turned, context, (double)hn_key_f32(b, "rope.scaling.yarn_beta_slow", 1),
                                   (double)base));
    low = fmax(low, 0);
    high = fmin(high, turned - 1);
    for (uint32_t i = 0; i < turned / 2; i++) {
        double ramp = 1 - fmin(fmax((i - low) / fmax(high - low, 0.001), 0), 1);
        double plain = (double)f[i];
        f[i] = (float)(plain / (double)factor * (1 - ramp) + plain * ramp);
    }
    b->rope_magnitude *= (float)(1 + 0.1 * log((double)factor));
}

void hn_lm_frequencies(hn_build *b, const char *factors)
{
    char name[192];
    uint32_t turned = turned_count(b);
    float base = hn_key_f32(b, "rope.freq_base", 10000), factor = hn_key_f32(b, "rope.scaling.factor", 1), *f = NULL;
    hn_text kind = { "linear", 6 }, missing = kind;
    b->rope_magnitude = hn_key_f32(b, "rope.scaling.attn_factor", 1);
    b->freq = frequencies(b, base, turned, &f);
    snprintf(name, sizeof name, "%s.rope.scaling.type", b->arch);
    if (!b->error)
        b->error = hn_gguf_text(b->cx, b->file, name, &missing, &kind);
    if (b->error)
        return;
    bool is_yarn = kind.len == 4 && memcmp(kind.ptr, "yarn", 4) == 0, none = kind.len == 4 &&
        memcmp(kind.ptr, "none", 4) == 0;
    bool known = is_yarn || none || (kind.len == 6 && memcmp(kind.ptr, "linear", 6) == 0) ||
                 (kind.len == 8 && memcmp(kind.ptr, "longrope", 8) == 0);
    if (!known || !(factor > 0)) {
        b->error = hn_fail(b->cx, HN_EUNSUP, "unsupported: rope scaling '%.*s' by %g", (int)kind.len, kind.ptr,
                           (double)factor);
        return;
    }
    if (is_yarn)
        yarn(b, f, turned, base, factor);
    else if (!none)
        for (uint32_t i = 0; i < turned / 2; i++)
            f[i] /= factor;
    if (factors || hn_has(b, "rope_freqs.weight", -1)) {
        hn_value *by = hn_build_vector(b, factors ? factors : "rope_freqs.weight", -1, turned / 2);
        for (uint32_t i = 0; by && i < turned / 2; i++)
            f[i] /= ((const float *)by->t.data)[i];
    }
}

/* ---- The whole ------------------------------------------------------------------------------------------- */

void hn_lm_finish(hn_build *b, hn_value *x, const char *norm, float cap)
{
    hn_attr *axis = hn_build_attrs(b, 1);
    if (!axis)
        return;
    axis[0] = hn_attr_whole("axis", 0);
    x = hn_build_node(b, NULL, "Gather", (hn_value *[]){ x, b->rows }, 2, axis, 1);
    x = hn_lm_norm(b, x, norm, -1);
    x = hn_lm_linear(b, x, hn_has(b, "output.weight", -1) ? "output" : "token_embd", -1);
    x = hn_lm_cap(b, hn_lm_scale(b, x, b->logit_scale), cap);
    if (!b->error)
        b->error = hn_graph_add_output(b->cx, b->g, x);
}

static hn_err add_input(hn_build *b, const char *name, hn_dtype type, const char *dim, hn_value **out)
{
    int64_t symbol = hn_graph_symbol(b->cx, b->g, dim);
    if (!symbol)
        return HN_ENOMEM;
    HN_TRY(hn_graph_add_value(b->cx, b->g, name, out));
    (*out)->t = (hn_tensor){ type, { 1, { symbol } }, NULL };
    return hn_graph_add_input(b->cx, b->g, *out);
}

/* One number, or one for each layer, of which the cache has to hold the largest. */
static uint32_t most_kv_heads(hn_build *b, uint32_t missing)
{
    uint32_t most = 0;
    for (uint32_t l = 0; l < b->s.layers && l < 4096; l++) {
        uint32_t n = hn_key_u32_at(b, "attention.head_count_kv", (int)l, missing);
        most = n > most ? n : most;
    }
    return most;
}

static hn_err read_shape(hn_build *b)
{
    hn_lm_shape *s = &b->s;
    const hn_gguf_tensor *embd = hn_gguf_tensor_find(b->file, "token_embd.weight");
    s->layers = hn_key_u32(b, "block_count", 0);
    s->width = hn_key_u32(b, "embedding_length", 0);
    s->ffn = hn_key_u32(b, "feed_forward_length", 0);
    s->heads = hn_key_u32(b, "attention.head_count", 0);
    s->kv_heads = most_kv_heads(b, s->heads);
    s->head_size = hn_key_u32(b, "attention.key_length", s->heads ? s->width / s->heads : 0);
    s->context = hn_key_u32(b, "context_length", 2048);
    s->eps = hn_key_f32(b, "attention.layer_norm_rms_epsilon", hn_key_f32(b, "attention.layer_norm_epsilon", 1e-5f));
    HN_TRY(b->error);
    bool attends = s->heads && s->kv_heads && s->head_size && s->heads % s->kv_heads == 0;
    if (!s->layers || s->layers > 4096 || !s->width || (!attends && s->heads))
        return hn_fail(b->cx, HN_EFORMAT, "%s: %u layers, width %u, %u heads, %u key heads make no model", b->arch,
                       s->layers,
                       s->width, s->heads, s->kv_heads);
    if (!embd || embd->shape.rank != 2 || embd->shape.dim[1] != s->width)
        return hn_fail(b->cx, HN_EFORMAT, "token_embd.weight is missing or not %u wide", s->width);
    s->vocab = (uint32_t)embd->shape.dim[0];
    return HN_OK;
}

/* Tensors nobody asked for mean that something of the model would be left out. */
static hn_err check_leftovers(hn_build *b)
{
    size_t left = 0, first = 0;
    for (size_t i = b->file->tensor_count; i-- > 0;)
        if (!b->tensor_used[i] && strcmp(b->file->tensors[i].name, "output.weight") != 0) {
            left++;
            first = i;
        }
    return left ? hn_fail(b->cx, HN_EUNSUP,
                          "unsupported: tensor '%s' and %zu others of this %s model are not understood",
                          b->file->tensors[first].name, left - 1, b->arch) : HN_OK;
}

static hn_err find_arch(hn_ctx *cx, const hn_gguf *file, const hn_arch **out)
{
    hn_text name;
    hn_buf known = { .cx = cx };
    HN_TRY(hn_gguf_text(cx, file, "general.architecture", NULL, &name));
    for (const hn_arch *const *a = hn_archs; *a; a++) {
        if (strlen((*a)->name) == name.len && memcmp((*a)->name, name.ptr, name.len) == 0) {
            *out = *a;
            hn_buf_free(&known);
            return HN_OK;
        }
        hn_buf_printf(&known, " %s", (*a)->name);
    }
    hn_err e = hn_fail(cx, HN_EUNSUP,
                       "unsupported: architecture '%.*s' (%zu keys, %zu tensors, the first '%s'); known:%s",
                       (int)name.len, name.ptr, file->value_count, file->tensor_count,
                       file->tensor_count ? file->tensors[0].name : "-", known.data ? known.data : "");
    hn_buf_free(&known);
    return e;
}

/* An adapter for a matrix that is used otherwise than by hn_lm_linear would be left out unseen. */
static hn_err check_adapters(hn_build *b)
{
    size_t pairs = 0;
    for (size_t i = 0; i < b->lora_count; i++)
        pairs += b->lora[i].lora->file->tensor_count / 2;
    return b->lora_pairs < pairs ? hn_fail(b->cx, HN_EUNSUP,
                                           "unsupported: an adapter for %zu of the matrices of %s models",
                                               pairs - b->lora_pairs,
                                           b->arch) : HN_OK;
}

hn_err hn_lm_build(hn_ctx *cx, const hn_gguf *file, size_t tokens_max, const hn_lora_use *lora, size_t lora_count,
                   hn_graph **graph,
                   hn_lm_shape *shape)
{
    const hn_arch *arch = NULL;
    HN_TRY(find_arch(cx, file, &arch));
    hn_build b = { .cx = cx, .file = file, .arch = arch->name, .rope_magnitude = 1, .logit_scale = 1,
                   .lora = lora, .lora_count = lora_count };
    HN_TRY(hn_graph_new(cx, &b.g));
    b.error = read_shape(&b);
    b.tokens_max = tokens_max ? tokens_max : b.s.context;
    b.tensor_used = hn_calloc(cx, file->tensor_count + 1, sizeof *b.tensor_used);
    if (!b.tensor_used && !b.error)
        b.error = hn_nomem(cx, "a model's graph");
    if (!b.error)
        b.error = add_input(&b, "ids", HN_I32, "T", &b.ids);
    if (!b.error)
        b.error = add_input(&b, "positions", HN_I32, "T", &b.pos);
    if (!b.error)
        b.error = add_input(&b, "rows", HN_I64, "R", &b.rows);
    if (!b.error)
        arch->build(&b);
    if (!b.error)
        b.error = check_leftovers(&b);
    if (!b.error)
        b.error = check_adapters(&b);
    if (!b.error)
        b.error = hn_graph_infer(cx, b.g);
    if (!b.error)
        b.error = hn_graph_verify(cx, b.g);
    hn_free(cx, b.tensor_used);
    if (b.error) {
        hn_graph_free(b.g);
        return b.error;
    }
    *graph = b.g;
    *shape = b.s;
    return HN_OK;
}
