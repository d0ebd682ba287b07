/* SPDX-License-Identifier: Apache-2.0 */
#include "compress/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const hn_mix_info infos[HN_MIX_COUNT] = {
#define MIX(id, name, number, type) [HN_MIX_##id] = { name, number, HN_QT_##type },
#include "compress/mix.def"
#undef MIX
};

const hn_mix_info *hn_mix_get(hn_mix m) { return &infos[m]; }

hn_mix hn_mix_from_name(const char *name)
{
    static const struct { const char *name; hn_mix mix; } also[] = {
        { "Q3_K", HN_MIX_Q3_K_M }, { "Q4_K", HN_MIX_Q4_K_M }, { "Q5_K", HN_MIX_Q5_K_M }, { "MXFP4", HN_MIX_MXFP4 },
    };
    for (int m = HN_MIX_NONE + 1; m < HN_MIX_COUNT; m++)
        if (strcasecmp(infos[m].name, name) == 0)
            return (hn_mix)m;
    for (size_t i = 0; i < sizeof also / sizeof *also; i++)
        if (strcasecmp(also[i].name, name) == 0)
            return also[i].mix;
    return HN_MIX_NONE;
}

/* ---- What a tensor is ------------------------------------------------------------------------------- */

typedef enum part { OTHER, OUTPUT, EMBEDDING, QKV, KV_B, V, K, Q, ATTN_OUT, UP, GATE, DOWN } part;

static part part_of(const char *name)
{
    static const struct { const char *piece; part is; } pieces[] = {      /* the first that occurs */
        { "attn_qkv.weight", QKV }, { "attn_kv_b.weight", KV_B }, { "attn_v.weight", V }, { "attn_k.weight", K },
        { "attn_q.weight", Q }, { "attn_output.weight", ATTN_OUT }, { "ffn_up", UP }, { "ffn_gate", GATE },
            { "ffn_down", DOWN },
    };
    if (strcmp(name, "output.weight") == 0)
        return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0)
        return EMBEDDING;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        if (strstr(name, pieces[i].piece))
            return pieces[i].is;
    return OTHER;
}

static bool is_values(part p) { return p == V || p == QKV || p == KV_B; }

/* Vectors, norms, routers, positions and small mixing matrices stay as they are. */
static bool may_change(const hn_gguf_tensor *t)
{
    static const char *const keep[] = {
        "_norm.weight", "ffn_gate_inp.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
            "shortconv.conv.weight",
        "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight", "time_mix_v0.weight",
        "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight",
        "time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight",
        "time_mix_lerp_fused.weight", "attn_rel_b.weight", ".position_embd",
    };
    size_t len = strlen(t->name), real = 0;
    for (int d = 0; d < t->shape.rank; d++)
        real = real || t->shape.dim[d] > 1 ? real + 1 : 0;                 /* leading dimensions of 1 do not count */
    if (real < 2 || len < 6 || strcmp(t->name + len - 6, "weight") != 0 ||
        strcmp(t->name, "position_embd.weight") == 0 ||
        strcmp(t->name, "token_types.weight") == 0)
        return false;
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++)
        if (strstr(t->name, keep[i]))
            return false;
    return true;
}

static int layer_of(const char *name)
{
    int l;
    return sscanf(name, "blk.%d.", &l) == 1 ? l : -1;
}

/* ---- The choices --------------------------------------------------------------------------------------- */

typedef struct chooser {
    hn_mix_opts o;
    bool falcon, tied, wide;         /* wide: the 70B class, whose values are shared by many heads */
    int layers, heads_per_value, experts;
    int values, value_at;            /* value tensors in all, and met so far */
    int up_at, gate_at, down_at;
} chooser;

static bool more_bits(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

/* The mixes around two bits and below share most of their choices. */
static bool is_tiny(hn_mix m)
{
    return m == HN_MIX_IQ2_XXS || m == HN_MIX_IQ2_XS || m == HN_MIX_IQ2_S || m == HN_MIX_IQ2_M || m == HN_MIX_IQ1_S ||
        m == HN_MIX_IQ1_M;
}

static bool is_iq2_large(hn_mix m) { return m == HN_MIX_IQ2_S || m == HN_MIX_IQ2_M; }

static hn_qtype output_type(const chooser *c, hn_qtype base, size_t row)
{
    if (c->o.mix == HN_MIX_MXFP4 || c->falcon || row % hn_qtype_get(base)->block_count)
        return HN_QT_Q8_0;
    if (c->o.mix == HN_MIX_IQ3_XXS || is_tiny(c->o.mix))
        return HN_QT_Q5_K;
    return base == HN_QT_Q8_0 ? base : HN_QT_Q6_K;
}

static hn_qtype embedding_type(const chooser *c, hn_qtype base)
{
    switch (c->o.mix) {
    case HN_MIX_IQ2_XXS: case HN_MIX_IQ2_XS: case HN_MIX_IQ1_S: case HN_MIX_IQ1_M: return HN_QT_Q2_K;
    case HN_MIX_IQ2_S: case HN_MIX_IQ2_M: case HN_MIX_IQ3_XXS:                     return HN_QT_IQ3_S;
    case HN_MIX_TQ1_0: case HN_MIX_TQ2_0: case HN_MIX_Q2_0:                        return HN_QT_Q4_K;
    default:                                                                       return base;
    }
}

static hn_qtype tiny_type(chooser *c, part p, hn_qtype base)
{
    hn_mix m = c->o.mix;
    if (is_values(p)) {
        c->value_at++;
        return c->heads_per_value >= 4 || c->experts >= 4 ? HN_QT_Q4_K : is_iq2_large(m) ? HN_QT_IQ3_S : HN_QT_Q2_K;
    }
    if (p == K && c->experts == 8)
        return HN_QT_Q4_K;
    if (p == DOWN && c->down_at++ < c->layers / 8)
        return is_iq2_large(m) ? HN_QT_IQ3_S : HN_QT_Q2_K;
    if (p != ATTN_OUT)
        return base;
    if (c->experts == 8)
        return HN_QT_Q5_K;
    return m == HN_MIX_IQ1_S || m == HN_MIX_IQ1_M ? HN_QT_IQ2_XXS : is_iq2_large(m) ? HN_QT_IQ3_S : base;
}

static hn_qtype by_values(const chooser *c, hn_qtype base)
{
    bool grouped = c->heads_per_value >= 4;
    switch (c->o.mix) {
    case HN_MIX_Q2_K:    return grouped ? HN_QT_Q4_K : HN_QT_Q3_K;
    case HN_MIX_Q2_K_S:  return grouped ? HN_QT_Q4_K : base;
    case HN_MIX_IQ3_XXS: return grouped ? HN_QT_Q4_K : c->o.importance ? HN_QT_IQ3_XXS : HN_QT_IQ3_S;
    case HN_MIX_IQ3_XS: case HN_MIX_IQ3_S: return grouped ? HN_QT_Q4_K : base;
    case HN_MIX_IQ3_M:   return HN_QT_Q4_K;
    case HN_MIX_Q3_K_M:  return c->value_at < 2 ? HN_QT_Q5_K : HN_QT_Q4_K;
    case HN_MIX_Q3_K_L:  return HN_QT_Q5_K;
    case HN_MIX_IQ4_NL: case HN_MIX_IQ4_XS: return grouped ? HN_QT_Q5_K : base;
    case HN_MIX_Q4_K_M: case HN_MIX_Q5_K_M: return more_bits(c->value_at, c->values) ? HN_QT_Q6_K : base;
    case HN_MIX_Q4_K_S:  return c->value_at < 4 ? HN_QT_Q5_K : base;
    default:             return base;
    }
}

static hn_qtype values_type(chooser *c, hn_qtype base)
{
    hn_qtype t = by_values(c, base);
    if (c->wide && (t == HN_QT_Q3_K || t == HN_QT_Q4_K))
        t = HN_QT_Q5_K;
    c->value_at++;
    return c->experts == 8 ? HN_QT_Q8_0 : t;
}

static hn_qtype falcon_down(const chooser *c, hn_qtype base, int l)
{
    bool more = more_bits(l, c->layers), first = l < c->layers / 16;
    switch (c->o.mix) {
    case HN_MIX_Q3_K_M: return first ? HN_QT_Q5_K : more ? HN_QT_Q4_K : HN_QT_Q3_K;
    case HN_MIX_Q3_K_L: return HN_QT_Q4_K;
    case HN_MIX_Q4_K_M: return first ? HN_QT_Q6_K : more ? HN_QT_Q5_K : HN_QT_Q4_K;
    default:            return base;
    }
}

static hn_qtype down_type(const chooser *c, hn_qtype base, int l)
{
    hn_mix m = c->o.mix;
    bool first = l < c->layers / 8, more = more_bits(l, c->layers);
    if (c->falcon && (m == HN_MIX_Q3_K_M || m == HN_MIX_Q3_K_L || m == HN_MIX_Q4_K_M || m == HN_MIX_Q4_K_S))
        return falcon_down(c, base, l);
    switch (m) {
    case HN_MIX_Q2_K:    return HN_QT_Q3_K;
    case HN_MIX_Q2_K_S:  return first ? HN_QT_Q4_K : base;
    case HN_MIX_IQ3_XXS: return c->o.importance ? base : first ? HN_QT_Q4_K : HN_QT_Q3_K;
    case HN_MIX_Q3_K_M:  return l < c->layers / 16 ? HN_QT_Q5_K : HN_QT_Q4_K;
    case HN_MIX_IQ3_M:   return first || (c->experts == 8 && more) ? HN_QT_Q4_K : base;
    case HN_MIX_Q3_K_L:  return HN_QT_Q5_K;
    case HN_MIX_Q4_K_M: case HN_MIX_Q5_K_M: return more ? HN_QT_Q6_K : base;
    case HN_MIX_IQ4_NL: case HN_MIX_IQ4_XS: return first && !c->o.importance ? HN_QT_Q5_K : base;
    case HN_MIX_Q4_K_S:  return first ? HN_QT_Q5_K : base;
    case HN_MIX_Q4_0:    return first && c->o.importance ? HN_QT_Q4_1 : base;
    case HN_MIX_Q5_0:    return first && c->o.importance ? HN_QT_Q5_1 : base;
    default:             return base;
    }
}

static hn_qtype attention_out_type(const chooser *c, hn_qtype base)
{
    hn_mix m = c->o.mix;
    if (c->falcon)
        return m == HN_MIX_Q3_K_L ? HN_QT_Q4_K : base;
    if (c->experts == 8) {
        bool small = m == HN_MIX_Q2_K || m == HN_MIX_IQ3_XS || m == HN_MIX_IQ3_XXS || m == HN_MIX_Q3_K_S ||
            m == HN_MIX_Q3_K_M ||
                     m == HN_MIX_IQ4_NL || m == HN_MIX_Q4_K_S || m == HN_MIX_Q4_K_M || m == HN_MIX_IQ3_S ||
                         m == HN_MIX_IQ3_M ||
                     m == HN_MIX_IQ4_XS;
        return small ? HN_QT_Q5_K : base;
    }
    switch (m) {
    case HN_MIX_Q2_K:                      return HN_QT_Q3_K;
    case HN_MIX_IQ3_XXS:                   return HN_QT_IQ3_S;
    case HN_MIX_Q3_K_M: case HN_MIX_IQ3_M: return HN_QT_Q4_K;
    case HN_MIX_Q3_K_L:                    return HN_QT_Q5_K;
    default:                               return base;
    }
}

/* ffn_gate and ffn_up. */
static hn_qtype gate_type(const chooser *c, hn_qtype base, int l)
{
    return c->o.mix == HN_MIX_IQ3_XS && l >= c->layers / 8 && l < 7 * c->layers / 8 ? HN_QT_IQ3_XXS : base;
}

static hn_qtype choose(chooser *c, const hn_gguf_tensor *t)
{
    hn_qtype base = infos[c->o.mix].base;
    hn_mix m = c->o.mix;
    part p = part_of(t->name);
    int l = layer_of(t->name);
    if (p == OUTPUT || (c->tied && p == EMBEDDING))
        return output_type(c, base, (size_t)t->shape.dim[t->shape.rank - 1]);
    if (m == HN_MIX_MXFP4)
        return t->shape.rank == 3 && t->shape.dim[0] > 1 ? HN_QT_MXFP4 : HN_QT_Q8_0;
    if (p == EMBEDDING)
        return embedding_type(c, base);
    if (is_tiny(m))
        return tiny_type(c, p, base);
    if (is_values(p))
        return values_type(c, base);
    switch (p) {
    case K:
        if (c->experts == 8)
            return HN_QT_Q8_0;
        /* fall through */
    case Q:        return m == HN_MIX_IQ3_XS ? HN_QT_IQ3_XXS : m == HN_MIX_IQ3_XXS ? HN_QT_IQ2_S : base;
    case DOWN:     return down_type(c, base, c->experts > 1 ? l : c->down_at++);
    case GATE:     return gate_type(c, base, c->experts > 1 ? l : c->gate_at++);
    case UP:       return gate_type(c, base, c->experts > 1 ? l : c->up_at++);
    case ATTN_OUT: return attention_out_type(c, base);
    default:       return base;
    }
}

/* A row that is no whole number of blocks takes a type of smaller blocks, at last F16. */
static hn_qtype fit(hn_qtype t, size_t row)
{
    if (row % hn_qtype_get(t)->block_count == 0)
        return t;
    switch (t) {
    case HN_QT_Q4_K: t = HN_QT_Q5_0; break;
    case HN_QT_Q5_K: t = HN_QT_Q5_1; break;
    case HN_QT_Q6_K: t = HN_QT_Q8_0; break;
    case HN_QT_Q2_0: case HN_QT_Q1_0: case HN_QT_NVFP4: case HN_QT_Q2_K: case HN_QT_Q3_K: case HN_QT_TQ1_0:
    case HN_QT_TQ2_0:
        t = HN_QT_Q4_0;
        break;
    default: t = HN_QT_IQ4_NL; break;
    }
    return row % hn_qtype_get(t)->block_count == 0 ? t : HN_QT_F16;
}

/* ---- The whole file ---------------------------------------------------------------------------------------- */

static hn_err read_key(hn_ctx *cx, const hn_gguf *g, hn_text arch, const char *name, uint32_t missing, int *out)
{
    char key[160];
    uint32_t v = missing;
    snprintf(key, sizeof key, "%.*s.%s", arch.len < 64 ? (int)arch.len : 64, arch.ptr, name);
    const hn_gguf_value *found = hn_gguf_value_find(g, key);
    if (found && found->kind != HN_GGUF_ARRAY)                  /* one number for each layer: as if not told */
        HN_TRY(hn_gguf_u32(cx, g, key, &missing, &v));
    *out = v > 100000 ? 100000 : (int)v;
    return HN_OK;
}

static hn_err read_model(hn_ctx *cx, const hn_gguf *g, chooser *c)
{
    static const hn_text none = { "", 0 };
    int heads, value_heads;
    hn_text arch;
    HN_TRY(hn_gguf_text(cx, g, "general.architecture", &none, &arch));
    HN_TRY(read_key(cx, g, arch, "block_count", 0, &c->layers));
    HN_TRY(read_key(cx, g, arch, "attention.head_count", 1, &heads));
    HN_TRY(read_key(cx, g, arch, "attention.head_count_kv", (uint32_t)heads, &value_heads));
    HN_TRY(read_key(cx, g, arch, "expert_count", 0, &c->experts));
    c->heads_per_value = value_heads > 0 ? heads / value_heads : 1;
    c->falcon = arch.len == 6 && memcmp(arch.ptr, "falcon", 6) == 0;
    c->wide = c->layers == 80 && heads != value_heads && arch.len == 5 && memcmp(arch.ptr, "llama", 5) == 0;
    c->tied = true;
    for (size_t i = 0; i < g->tensor_count; i++) {
        part p = part_of(g->tensors[i].name);
        c->values += is_values(p);
        c->tied = c->tied && p != OUTPUT;
    }
    return HN_OK;
}

static int by_layer(const void *a, const void *b)
{
    const hn_gguf_tensor *x = *(const hn_gguf_tensor *const *)a, *y = *(const hn_gguf_tensor *const *)b;
    int l = layer_of(x->name), m = layer_of(y->name);
    return l != m ? (l < m ? -1 : 1) : strcmp(x->name, y->name);
}

static hn_qtype decide(chooser *c, const hn_gguf_tensor *t)
{
    part p = part_of(t->name);
    hn_qtype type = infos[c->o.mix].base;
    if (!may_change(t))
        return t->type;
    if (p == EMBEDDING && c->o.embedding)
        return c->o.embedding;
    if (p == OUTPUT && c->o.output)
        return c->o.output;
    if (hn_qtype_get(type)->block_count == 1)
        return type;
    if (!c->o.pure)
        type = choose(c, t);
    return fit(type, (size_t)t->shape.dim[t->shape.rank - 1]);
}

hn_err hn_mix_choose(hn_ctx *cx, const hn_gguf *file, const hn_mix_opts *o, hn_qtype *types)
{
    chooser c = { .o = *o };
    HN_TRY(read_model(cx, file, &c));
    const hn_gguf_tensor **order = hn_calloc(cx, file->tensor_count + 1, sizeof *order);
    if (!order)
        return hn_nomem(cx, "a mix");
    for (size_t i = 0; i < file->tensor_count; i++)
        order[i] = &file->tensors[i];
    qsort(order, file->tensor_count, sizeof *order, by_layer);
    for (size_t i = 0; i < file->tensor_count; i++)
        types[order[i] - file->tensors] = decide(&c, order[i]);
    hn_free(cx, order);
    return HN_OK;
}

bool hn_mix_needs_importance(hn_mix m, const char *tensor, hn_qtype t)
{
    part p = part_of(tensor);
    if (p == EMBEDDING || p == OUTPUT)
        return false;
    return t == HN_QT_IQ3_XXS || t == HN_QT_IQ2_XXS || t == HN_QT_IQ2_XS || t == HN_QT_IQ2_S || t == HN_QT_IQ1_M ||
        t == HN_QT_IQ1_S ||
           (t == HN_QT_Q2_K && m == HN_MIX_Q2_K_S);
}
