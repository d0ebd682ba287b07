/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that some architectures share and most do without: norms with a mean, experts, learned
 * positions, attention both ways, layers with a state. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "llm/build_impl.h"

#define TRY HN_BUILD_TRY

/* ---- Norms and small change --------------------------------------------------------------------- */

static hn_value *norm(hn_build *b, hn_value *x, hn_value *weight, hn_value *bias)
{
    hn_attr *attr = hn_build_attrs(b, 1);
    if (!attr || !weight)
        return NULL;
    attr[0] = hn_attr_real("epsilon", b->s.eps);
    return hn_build_node(b, NULL, "LayerNormalization", (hn_value *[]){ x, weight, bias }, bias ? 3 : 2, attr, 1);
}

hn_value *hn_lm_layernorm(hn_build *b, hn_value *x, const char *name, int layer)
{
    char full[192];
    snprintf(full, sizeof full, "%s.weight", name);
    hn_value *weight = hn_build_vector(b, full, layer, b->s.width);
    snprintf(full, sizeof full, "%s.bias", name);
    return norm(b, x, weight, hn_has(b, full, layer) ? hn_build_vector(b, full, layer, b->s.width) : NULL);
}

/* The norm itself knows one weight for all heads: it runs with ones, and the heads' own follow. */
hn_value *hn_lm_layernorm_heads(hn_build *b, hn_value *x, const char *name, int layer, uint32_t heads)
{
    char full[192];
    int64_t apart[] = { -1, heads, b->s.head_size }, together[] = { -1, (int64_t)heads * b->s.head_size };
    snprintf(full, sizeof full, "%s.weight", name);
    hn_value *weight = hn_build_vector(b, full, layer, (size_t)heads * b->s.head_size);
    hn_value *ones = hn_build_floats(b, "ones", &(hn_shape){ 1, { b->s.head_size } });
    for (uint32_t i = 0; ones && i < b->s.head_size; i++)
        ((float *)ones->t.data)[i] = 1;
    x = norm(b, hn_build_reshape(b, x, apart, 3), ones, NULL);
    return hn_lm_mul(b, hn_build_reshape(b, x, together, 2), weight);
}

hn_value *hn_lm_norm(hn_build *b, hn_value *x, const char *name, int layer)
{
    return b->mean_norm ? hn_lm_layernorm(b, x, name, layer) : hn_lm_rms(b, x, name, layer);
}

hn_value *hn_lm_mul(hn_build *b, hn_value *x, hn_value *y)
{
    return hn_build_node(b, NULL, "Mul", (hn_value *[]){ x, y }, 2, NULL, 0);
}

hn_value *hn_lm_scale(hn_build *b, hn_value *x, float by)
{
    if (by == 1)
        return x;
    hn_value *v = hn_build_floats(b, "scale", &(hn_shape){ 1, { 1 } });
    if (!v)
        return NULL;
    *(float *)v->t.data = by;
    return hn_lm_mul(b, x, v);
}

hn_value *hn_lm_act(hn_build *b, hn_value *x, hn_act_kind act)
{
    hn_attr *attr = hn_build_attrs(b, 1);
    if (!attr)
        return NULL;
    attr[0] = (hn_attr){ .name = "approximate", .kind = HN_ATTR_TEXT, .text = { "tanh", 4 } };
    switch (act) {
    case HN_ACT_SILU:    return hn_build_node(b, NULL, "Swish", &x, 1, NULL, 0);
    case HN_ACT_SIGMOID: return hn_build_node(b, NULL, "Sigmoid", &x, 1, NULL, 0);
    case HN_ACT_TANH:    return hn_build_node(b, NULL, "Tanh", &x, 1, NULL, 0);
    default:             return hn_build_node(b, NULL, "Gelu", &x, 1, attr, act == HN_ACT_GELU_TANH);
    }
}

hn_value *hn_lm_mlp(hn_build *b, hn_value *x, int layer, hn_act_kind act)
{
    hn_value *up = hn_lm_linear(b, x, "ffn_up", layer);
    up = hn_has(b, "ffn_gate.weight", layer) ? hn_lm_glu(b, hn_lm_linear(b, x, "ffn_gate", layer), up, act)
        : hn_lm_act(b, up, act);
    return hn_lm_linear(b, up, "ffn_down", layer);
}

hn_value *hn_lm_add_positions(hn_build *b, hn_value *x)
{
    const hn_gguf_tensor *t = hn_build_take(b, "position_embd.weight", -1);
    const hn_weights *w = t ? hn_build_weights(b, t, 0, 0, 1) : NULL;
    if (!w)
        return NULL;
    if (w->rows < b->tokens_max)
        TRY(hn_fail(b->cx, HN_ELIMIT, "the model has %zu positions, a context of %zu was asked for", w->rows, b->tokens_max));
    return hn_lm_add(b, x, hn_build_node(b, "hone", "Embedding", (hn_value *[]){ b->pos, w->w }, 2, w->attr, HN_WEIGHT_ATTRS));
}

hn_value *hn_lm_add_first(hn_build *b, hn_value *x, const char *tensor)
{
    const hn_gguf_tensor *t = hn_build_take(b, tensor, -1);
    if (!t)
        return NULL;
    if (t->shape.rank != 2 || t->shape.dim[0] < 1 || t->shape.dim[1] != b->s.width)
        TRY(hn_fail(b->cx, HN_EFORMAT, "tensor '%s': expected rows of %u", t->name, b->s.width));
    hn_value *v = hn_build_floats(b, tensor, &(hn_shape){ 1, { b->s.width } });
    if (v)
        hn_gguf_floats(t, 0, b->s.width, v->t.data);
    return hn_lm_add(b, x, v);
}

/* ---- Experts ------------------------------------------------------------------------------------- */

static hn_value *expert_matrix(hn_build *b, const char *name, int layer, uint32_t experts, hn_qtype *type,
                               size_t *rows, size_t *k)
{
    const hn_gguf_tensor *t = hn_build_take(b, name, layer);
    if (t && (t->shape.rank != 3 || t->shape.dim[0] != experts))
        TRY(hn_fail(b->cx, HN_EFORMAT, "tensor '%s': expected matrices of %u experts", t->name, experts));
    if (!t)
        return NULL;
    *type = t->type;
    *rows = (size_t)t->shape.dim[1];
    *k = (size_t)t->shape.dim[2];
    return hn_build_matrix(b, t, 0, 0);
}

static hn_value *shared_expert(hn_build *b, hn_value *x, int layer)
{
    hn_value *y = hn_lm_glu(b, hn_lm_linear(b, x, "ffn_gate_shexp", layer),
                            hn_lm_linear(b, x, "ffn_up_shexp", layer), HN_ACT_SILU);
    y = hn_lm_linear(b, y, "ffn_down_shexp", layer);
    if (hn_has(b, "ffn_gate_inp_shexp.weight", layer))
        y = hn_lm_mul(b, y, hn_lm_act(b, hn_lm_linear(b, x, "ffn_gate_inp_shexp", layer), HN_ACT_SIGMOID));
    return y;
}

hn_value *hn_lm_experts(hn_build *b, hn_value *x, int layer, const hn_experts *e)
{
    uint32_t count = hn_key_u32(b, "expert_count", 0);
    hn_qtype gate = HN_QT_NONE, up = HN_QT_NONE, down = HN_QT_NONE;
    size_t ffn = 0, rows = 0, k = 0, width = 0;
    hn_value *in[8] = { x, hn_lm_linear(b, x, "ffn_gate_inp", layer) };
    in[2] = expert_matrix(b, "ffn_gate_exps.weight", layer, count, &gate, &ffn, &width);
    in[3] = expert_matrix(b, "ffn_up_exps.weight", layer, count, &up, &rows, &k);
    in[4] = expert_matrix(b, "ffn_down_exps.weight", layer, count, &down, &rows, &k);
    bool biased = hn_has(b, "ffn_gate_exps.bias", layer);
    if (biased) {
        in[5] = hn_build_vector(b, "ffn_gate_exps.bias", layer, count * ffn);
        in[6] = hn_build_vector(b, "ffn_up_exps.bias", layer, count * ffn);
        in[7] = hn_build_vector(b, "ffn_down_exps.bias", layer, count * width);
    }
    hn_attr *attr = hn_build_attrs(b, 10);
    if (!attr || b->error)
        return NULL;
    attr[0] = hn_attr_whole("experts", count);
    attr[1] = hn_attr_whole("used", hn_key_u32(b, "expert_used_count", 0));
    attr[2] = hn_attr_whole("k", (int64_t)width);
    attr[3] = hn_attr_whole("ffn", (int64_t)ffn);
    attr[4] = hn_attr_whole("gate_qtype", hn_qtype_get(gate)->number);
    attr[5] = hn_attr_whole("up_qtype", hn_qtype_get(up)->number);
    attr[6] = hn_attr_whole("down_qtype", hn_qtype_get(down)->number);
    attr[7] = hn_attr_whole("renormalise", !e->keep_weights);
    attr[8] = hn_attr_whole("act", HN_ACT_SILU);
    attr[9] = hn_attr_real("clamp", e->clamp);
    hn_value *y = hn_build_node(b, "hone", "MoE", in, biased ? 8 : 5, attr, 10);
    return hn_has(b, "ffn_up_shexp.weight", layer) ? hn_lm_add(b, y, shared_expert(b, x, layer)) : y;
}

/* ---- Attention both ways ---------------------------------------------------------------------------- */

static hn_value *transpose(hn_build *b, hn_value *x, int64_t first, int64_t second, int64_t third)
{
    hn_attr *attr = hn_build_attrs(b, 1);
    int64_t *order = attr ? HN_NEW(b->g->arena, int64_t, 3) : NULL;
    if (attr && !order)
        TRY(hn_nomem(b->cx, "a model's graph"));
    if (!order)
        return NULL;
    memcpy(order, (int64_t[]){ first, second, third }, 3 * sizeof *order);
    attr[0] = (hn_attr){ .name = "perm", .kind = HN_ATTR_INTS, .list = { .i = order, .count = 3 } };
    return hn_build_node(b, NULL, "Transpose", &x, 1, attr, 1);
}

hn_value *hn_lm_attend_all(hn_build *b, const hn_attend *a)
{
    int64_t together[] = { -1, (int64_t)b->s.heads * b->s.head_size }, apart[] = { -1, b->s.heads, b->s.head_size };
    if (b->s.heads != b->s.kv_heads || a->cap > 0 || a->window || a->sinks)
        hn_lm_refuse(b, "grouped, capped or windowed attention both ways");
    hn_value *q = transpose(b, hn_build_reshape(b, hn_lm_scale(b, a->q, a->scale), apart, 3), 1, 0,
                            2);   /* [heads, T, size] */
    hn_value *k = transpose(b, hn_build_reshape(b, a->k, apart, 3), 1, 2,
                            0);                             /* [heads, size, T] */
    hn_value *v = transpose(b, hn_build_reshape(b, a->v, apart, 3), 1, 0, 2);
    hn_value *s = hn_build_node(b, NULL, "MatMul", (hn_value *[]){ q, k }, 2, NULL, 0);
    s = hn_build_node(b, NULL, "Softmax", &s, 1, NULL, 0);
    s = hn_build_node(b, NULL, "MatMul", (hn_value *[]){ s, v }, 2, NULL, 0);
    return hn_build_reshape(b, transpose(b, s, 1, 0, 2), together, 2);
}

hn_value *hn_lm_sinks(hn_build *b, const char *name, int layer) { return hn_build_vector(b, name, layer, b->s.heads); }

/* Kinds as GGUF numbers them; the caller of the graph names the rows: all, the first or the last. */
void hn_lm_pool(hn_build *b, hn_value *x)
{
    hn_attr *axis = hn_build_attrs(b, 1);
    if (!axis)
        return;
    axis[0] = hn_attr_whole("axis", 0);
    x = hn_build_node(b, NULL, "Gather", (hn_value *[]){ x, b->rows }, 2, axis, 1);
    b->s.out_width = b->s.width;
    if (hn_has(b, "cls.weight", -1))
        x = hn_lm_act(b, hn_lm_linear(b, x, "cls", -1), HN_ACT_TANH);
    if (hn_has(b, "cls.output.weight", -1)) {
        const hn_gguf_tensor *t = hn_build_take(b, "cls.output.weight", -1);
        x = hn_lm_linear(b, x, "cls.output", -1);
        b->s.out_width = t && t->shape.rank == 2 ? (uint32_t)t->shape.dim[0] : 1;
    }
    if (!b->error)
        b->error = hn_graph_add_output(b->cx, b->g, x);
}

/* ---- Layers with a state ----------------------------------------------------------------------------- */

/* Where the next `count` numbers of the state, and how many tokens it has seen, will lie. */
static hn_attr *place(hn_build *b, size_t count)
{
    hn_attr *attr = hn_build_attrs(b, 1);
    if (!attr)
        return NULL;
    attr[0] = hn_attr_whole("at", (int64_t)b->s.state);
    b->s.state += count + 1;
    return attr;
}

static hn_value *plane(hn_build *b, const char *name, int layer, uint32_t rows, uint32_t cols)
{
    hn_value *v = hn_build_vector(b, name, layer, (size_t)rows * cols);
    if (v)
        v->t.shape = (hn_shape){ 2, { rows, cols } };
    return v;
}

hn_value *hn_lm_short_conv(hn_build *b, hn_value *x, const char *name, int layer, uint32_t channels, uint32_t taps)
{
    char full[192];
    if (!b->error && (taps < 1 || taps > 64))
        b->error = hn_fail(b->cx, HN_EFORMAT, "a convolution over %u tokens, expected 1 to 64", taps);
    hn_attr *at = place(b, (size_t)channels * (taps - 1));
    snprintf(full, sizeof full, "%s.weight", name);
    hn_value *w = plane(b, full, layer, channels, taps), *bias = NULL;
    snprintf(full, sizeof full, "%s.bias", name);
    if (hn_has(b, full, layer))
        bias = hn_build_vector(b, full, layer, channels);
    return at ? hn_build_node(b, "hone", "ShortConv", (hn_value *[]){ x, w, b->pos, bias }, bias ? 4 : 3, at, 1) : NULL;
}

hn_value *hn_lm_selective_scan(hn_build *b, const hn_scan *s, int layer)
{
    hn_attr *at = place(b, (size_t)s->channels * s->states);
    hn_value *a = plane(b, "ssm_a", layer, s->channels, s->states), *d = hn_build_vector(b, "ssm_d", layer,
                                                                                         s->channels);
    return at ? hn_build_node(b, "hone", "SelectiveScan", (hn_value *[]){ s->x, s->dt, s->b, s->c, a, d, b->pos }, 7,
                              at, 1) : NULL;
}
