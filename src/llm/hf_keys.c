/* SPDX-License-Identifier: Apache-2.0 */
/* config.json to GGUF's keys. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "llm/hf_impl.h"

/* The first of the names that config.json has with a value. */
static const json_t *find(const hn_hf *h, const char *names)
{
    char name[64];
    for (const char *at = names; *at;) {
        size_t n = strcspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)n, at);
        const json_t *v = json_object_get(h->config, name);
        if (v && !json_is_null(v))
            return v;
        at += n + (at[n] == ' ');
    }
    return NULL;
}

hn_err hn_hf_u32(hn_hf *h, const char *names, const uint32_t *missing, uint32_t *out)
{
    const json_t *v = find(h, names);
    if (!v && missing) {
        *out = *missing;
        return HN_OK;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
        return hn_fail(h->cx, HN_EFORMAT, "config.json: expected a whole number '%s', found %s", names,
                       v ? "something else" : "none");
    *out = (uint32_t)json_integer_value(v);
    return HN_OK;
}

double hn_hf_real(const hn_hf *h, const char *names, double missing)
{
    const json_t *v = find(h, names);
    return json_is_number(v) ? json_number_value(v) : missing;
}

hn_err hn_hf_read_shape(hn_hf *h)
{
    uint32_t width, size;
    HN_TRY(hn_hf_u32(h, "hidden_size n_embd", NULL, &width));
    HN_TRY(hn_hf_u32(h, "num_attention_heads n_head", NULL, &h->heads));
    HN_TRY(hn_hf_u32(h, "num_key_value_heads", &h->heads, &h->kv_heads));
    HN_TRY(hn_hf_u32(h, "vocab_size", NULL, &h->vocab));
    if (h->heads == 0 || h->kv_heads == 0 || h->heads % h->kv_heads || h->vocab == 0)
        return hn_fail(h->cx, HN_EFORMAT, "config.json: %u heads, %u key heads and %u tokens make no model",
                       h->heads, h->kv_heads, h->vocab);
    size = width / h->heads;
    HN_TRY(hn_hf_u32(h, "head_dim", &size, &h->head_size));
    if (h->head_size == 0 || h->head_size % 2 || h->head_size > 4096)
        return hn_fail(h->cx, HN_EFORMAT, "config.json: heads of %u", h->head_size);
    return HN_OK;
}

/* ---- Rotation ------------------------------------------------------------------------------------------ */

/* How it is scaled: an object of its own, or, in newer files, together with the base. */
static const json_t *rope(const hn_hf *h)
{
    const json_t *v = find(h, "rope_scaling rope_parameters");
    return json_is_object(v) ? v : NULL;
}

static const char *rope_type(const hn_hf *h)
{
    const char *type = json_string_value(json_object_get(rope(h), "rope_type"));
    type = type ? type : json_string_value(json_object_get(rope(h), "type"));
    return type ? type : "default";
}

static double rope_real(const hn_hf *h, const char *name, double missing)
{
    const json_t *v = json_object_get(rope(h), name);
    return json_is_number(v) ? json_number_value(v) : missing;
}

static double rope_base(const hn_hf *h) { return rope_real(h, "rope_theta", hn_hf_real(h, "rope_theta", 10000)); }
static double rope_share(const hn_hf *h) { return rope_real(h, "partial_rotary_factor",
                                                            hn_hf_real(h, "partial_rotary_factor", 1)); }

static uint32_t turned(const hn_hf *h)
{
    double n = h->head_size * rope_share(h);
    return n >= 2 && n <= h->head_size ? (uint32_t)n / 2 * 2 : h->head_size;
}

/* Llama 3.1: slow dimensions turn slower by `factor`, fast ones as before, a ramp between. */
static hn_err llama3_factors(hn_hf *h, hn_hf_factors *out)
{
    double factor = rope_real(h, "factor", 8), low = rope_real(h, "low_freq_factor", 1),
        high = rope_real(h, "high_freq_factor", 4);
    double original = rope_real(h, "original_max_position_embeddings", 8192);
    uint32_t n = turned(h) / 2;
    float *f = HN_NEW(h->arena, float, n);
    if (!f)
        return hn_nomem(h->cx, "rotation factors");
    if (!(factor > 0) || !(high > low))
        return hn_fail(h->cx, HN_EFORMAT, "config.json: rope scaling by %g between %g and %g", factor, low, high);
    for (uint32_t i = 0; i < n; i++) {
        double turns = original * pow(rope_base(h), -(double)i / n) / (2 * 3.14159265358979323846);
        double smooth = fmin(fmax((turns - low) / (high - low), 0), 1);
        f[i] = (float)(1 / ((1 - smooth) / factor + smooth));
    }
    *out = (hn_hf_factors){ "rope_freqs.weight", f, n };
    return HN_OK;
}

static hn_err listed_factors(hn_hf *h, const char *key, const char *name, hn_hf_factors *out)
{
    const json_t *list = json_object_get(rope(h), key);
    uint32_t n = turned(h) / 2;
    float *f = HN_NEW(h->arena, float, n);
    if (!f)
        return hn_nomem(h->cx, "rotation factors");
    if (json_array_size(list) != n)
        return hn_fail(h->cx, HN_EFORMAT, "config.json: '%s' needs %u numbers, found %zu", key, n,
                       json_array_size(list));
    for (uint32_t i = 0; i < n; i++)
        f[i] = (float)json_number_value(json_array_get(list, i));
    *out = (hn_hf_factors){ name, f, n };
    return HN_OK;
}

hn_err hn_hf_rope_factors(hn_hf *h, hn_hf_factors out[2], size_t *count)
{
    const char *type = rope_type(h);
    *count = 0;
    if (strcmp(type, "llama3") == 0) {
        *count = 1;
        return llama3_factors(h, &out[0]);
    }
    if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0) {
        *count = 2;
        HN_TRY(listed_factors(h, "long_factor", "rope_factors_long.weight", &out[0]));
        return listed_factors(h, "short_factor", "rope_factors_short.weight", &out[1]);
    }
    return HN_OK;
}

/* ---- Keys ------------------------------------------------------------------------------------------------- */

static const char *full(const hn_hf *h, const char *name, char out[160])
{
    snprintf(out, 160, "%s.%s", h->family->arch, name);
    return out;
}

static void put_u32(const hn_hf *h, hn_gguf_writer *w, const char *name, uint32_t v)
{
    char key[160];
    hn_gguf_put_u32(w, full(h, name, key), v);
}

static void put_f32(const hn_hf *h, hn_gguf_writer *w, const char *name, double v)
{
    char key[160];
    hn_gguf_put_f32(w, full(h, name, key), (float)v);
}

static void put_text(const hn_hf *h, hn_gguf_writer *w, const char *name, const char *v)
{
    char key[160];
    hn_gguf_put_text(w, full(h, name, key), (hn_text){ v, strlen(v) });
}

/* A number of config.json under our name, when it is there. */
static hn_err carry_u32(hn_hf *h, hn_gguf_writer *w, const char *names, const char *ours)
{
    uint32_t v;
    if (!find(h, names))
        return HN_OK;
    HN_TRY(hn_hf_u32(h, names, NULL, &v));
    put_u32(h, w, ours, v);
    return HN_OK;
}

static void carry_f32(const hn_hf *h, hn_gguf_writer *w, const char *names, const char *ours)
{
    if (json_is_number(find(h, names)))
        put_f32(h, w, ours, json_number_value(find(h, names)));
}

static hn_err put_rope(hn_hf *h, hn_gguf_writer *w)
{
    const char *type = rope_type(h);
    double factor = rope_real(h, "factor", 1), context = hn_hf_real(h, "max_position_embeddings", 2048);
    double original = rope_real(h, "original_max_position_embeddings",
                                hn_hf_real(h, "original_max_position_embeddings", context));
    put_f32(h, w, "rope.freq_base", rope_base(h));
    put_u32(h, w, "rope.dimension_count", turned(h));
    if (strcmp(type, "default") == 0 || strcmp(type, "llama3") == 0)       /* llama3: a tensor says it */
        return HN_OK;
    if (strcmp(type, "linear") == 0 || strcmp(type, "yarn") == 0) {
        put_text(h, w, "rope.scaling.type", type);
        put_f32(h, w, "rope.scaling.factor", factor);
        if (*type == 'y')
            put_u32(h, w, "rope.scaling.original_context_length", (uint32_t)original);
        return HN_OK;
    }
    if (strcmp(type, "longrope") != 0 && strcmp(type, "su") != 0)
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: rope scaling '%.60s' in config.json", type);
    double scale = context / original, plain = scale > 1 ? sqrt(1 + log(scale) / log(original)) : 1;
    put_u32(h, w, "rope.scaling.original_context_length", (uint32_t)original);
    put_f32(h, w, "rope.scaling.attn_factor", rope_real(h, "attention_factor", plain));
    return HN_OK;
}

/* What one family has and the others lack; what our builder takes for granted is checked. */
static hn_err put_special(hn_hf *h, hn_gguf_writer *w)
{
    carry_f32(h, w, "attn_logit_softcapping", "attn_logit_softcapping");
    carry_f32(h, w, "final_logit_softcapping", "final_logit_softcapping");
    carry_f32(h, w, "embedding_multiplier", "embedding_scale");
    carry_f32(h, w, "attention_multiplier", "attention.scale");
    carry_f32(h, w, "residual_multiplier", "residual_scale");
    carry_f32(h, w, "logits_scaling logit_scale", "logit_scale");
    HN_TRY(carry_u32(h, w, "num_local_experts num_experts", "expert_count"));
    HN_TRY(carry_u32(h, w, "num_experts_per_tok", "expert_used_count"));
    HN_TRY(carry_u32(h, w, "moe_intermediate_size", "expert_feed_forward_length"));
    HN_TRY(carry_u32(h, w, "shared_expert_intermediate_size", "expert_shared_feed_forward_length"));
    if (strncmp(h->family->type, "gemma", 5) != 0 || !(h->family->flags & HN_HF_SANDWICH))
        return HN_OK;
    double scalar = hn_hf_real(h, "query_pre_attn_scalar", h->head_size);
    if (scalar != (double)h->head_size && scalar != hn_hf_real(h, "hidden_size", 0) / h->heads)
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: query_pre_attn_scalar %g with heads of %u", scalar,
                       h->head_size);
    return carry_u32(h, w, "sliding_window", "attention.sliding_window");
}

/* sentence-transformers says how tokens become one vector, in a folder beside the weights. */
static hn_err put_pooling(hn_hf *h, hn_gguf_writer *w)
{
    enum { MEAN = 1, FIRST = 2, SCORE = 4 };
    char key[160];
    json_t *pooling;
    HN_TRY(hn_hf_json(h, "1_Pooling/config.json", false, &pooling));
    bool first = json_is_true(json_object_get(pooling, "pooling_mode_cls_token"));
    json_decref(pooling);
    put_u32(h, w, "pooling_type", h->scores ? SCORE : first ? FIRST : MEAN);
    hn_gguf_put_bool(w, full(h, "attention.causal", key), false);
    return HN_OK;
}

/* The folder's own name, for people. */
static void put_name(const hn_hf *h, hn_gguf_writer *w)
{
    size_t end = strlen(h->dir);
    while (end > 0 && h->dir[end - 1] == '/')
        end--;
    size_t from = end;
    while (from > 0 && h->dir[from - 1] != '/')
        from--;
    hn_gguf_put_text(w, "general.name", (hn_text){ h->dir + from, end - from });
}

hn_err hn_hf_put_keys(hn_hf *h, hn_gguf_writer *w)
{
    static const uint32_t by_gpt2 = 0;
    uint32_t width, ffn, layers;
    HN_TRY(hn_hf_u32(h, "hidden_size n_embd", NULL, &width));
    HN_TRY(hn_hf_u32(h, "num_hidden_layers n_layer", NULL, &layers));
    HN_TRY(hn_hf_u32(h, "intermediate_size n_inner", &by_gpt2, &ffn));
    hn_gguf_put_text(w, "general.architecture", (hn_text){ h->family->arch, strlen(h->family->arch) });
    hn_gguf_put_text(w, "general.type", (hn_text){ "model", 5 });
    put_name(h, w);
    put_u32(h, w, "block_count", layers);
    put_u32(h, w, "embedding_length", width);
    put_u32(h, w, "feed_forward_length", ffn ? ffn : 4 * width);
    put_u32(h, w, "attention.head_count", h->heads);
    put_u32(h, w, "attention.head_count_kv", h->kv_heads);
    put_u32(h, w, "vocab_size", h->vocab);
    if (h->head_size * h->heads != width) {
        put_u32(h, w, "attention.key_length", h->head_size);
        put_u32(h, w, "attention.value_length", h->head_size);
    }
    HN_TRY(carry_u32(h, w, "max_position_embeddings n_positions n_ctx", "context_length"));
    carry_f32(h, w, "rms_norm_eps", "attention.layer_norm_rms_epsilon");
    if (!find(h, "rms_norm_eps"))
        carry_f32(h, w, "layer_norm_eps layer_norm_epsilon norm_epsilon", "attention.layer_norm_epsilon");
    HN_TRY(put_special(h, w));
    if (h->family->flags & HN_HF_ENCODER)
        return put_pooling(h, w);
    return strcmp(h->family->type, "gpt2") == 0 ? HN_OK : put_rope(h, w);
}
