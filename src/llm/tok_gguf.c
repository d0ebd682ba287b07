/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.ggml.* to hn_tok_spec.
 *
 * What files leave unsaid is filled in as the models' own tokenizers do it: defaults by kind and
 * pre-tokenizer, end tokens by their text, white space around special tokens by model name. */
#include "llm/tok_gguf.h"

#include <ctype.h>
#include <string.h>

#include "base/num.h"
#include "llm/tok_pre.h"

#define KEY "tokenizer.ggml."

static const struct model { const char *name; enum hn_tok_kind kind; const char *pre; } models[] = {
    { "llama", HN_TOK_SPM, NULL },
    { "gpt2", HN_TOK_BPE, NULL },
    { "gemma4", HN_TOK_BPE, "gemma4" },
    { "bert", HN_TOK_WORDPIECE, NULL },
    { "t5", HN_TOK_UNIGRAM, NULL },
};

/* Texts of tokens that end an answer, whatever eos is. */
static const char *const ends[] = {
    "<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<end_of_turn>", "<|endoftext|>",
    "<|end_of_text|>", "<EOT>", "_<EOT>", "[EOT]", "<|END_OF_TURN_TOKEN|>", "<end_of_utterance>", "<turn|>",
    ("<\xEF\xBD\x9C" "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>"),   /* in two, or the escape would take the e */
};
/* gpt-oss writes these between the parts of an answer: they must be seen. */
static const char *const shown[] = { "<|channel|>", "<|message|>", "<|start|>", "<|constrain|>" };

#define COUNT(list) (sizeof (list) / sizeof *(list))

static bool is(hn_text t, const char *s) { return t.len == strlen(s) && memcmp(t.ptr, s, t.len) == 0; }

static bool among(hn_text t, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is(t, list[i]))
            return true;
    return false;
}

static bool contains(hn_text t, const char *s)
{
    size_t n = strlen(s), same = 0;
    for (size_t i = 0; i + n <= t.len && same < n; i++)
        for (same = 0; same < n && tolower((unsigned char)t.ptr[i + same]) == s[same];)
            same++;
    return t.len >= n && same == n;
}

static hn_err get_text(hn_ctx *cx, const hn_gguf *g, const char *key, hn_arena *a, char **out)
{
    static const hn_text none = { "", 0 };
    hn_text t;
    HN_TRY(hn_gguf_text(cx, g, key, &none, &t));
    *out = hn_arena_text(a, t.ptr, t.len);
    return *out ? HN_OK : hn_nomem(cx, "a tokenizer's description");
}

static hn_err get_id(hn_ctx *cx, const hn_gguf *g, const char *key, size_t count, int32_t *id)
{
    int64_t none = *id, found;
    HN_TRY(hn_gguf_i64(cx, g, key, &none, &found));
    /* Files exist that name ids past their vocabulary; nothing can be meant by them. */
    *id = found >= 0 && (uint64_t)found < count ? (int32_t)found : HN_TOK_NONE;
    return HN_OK;
}

static hn_err get_flag(hn_ctx *cx, const hn_gguf *g, const char *key, bool *flag)
{
    bool otherwise = *flag;
    return hn_gguf_bool(cx, g, key, &otherwise, flag);
}

static hn_err get_tokens(hn_ctx *cx, const hn_gguf *g, hn_arena *a, hn_tok_token **out, size_t *count)
{
    const hn_text *text;
    const float *score = NULL;
    const int64_t *type = NULL;
    size_t scores = 0, types = 0;
    HN_TRY(hn_gguf_texts(cx, g, KEY "tokens", true, a, &text, count));
    HN_TRY(hn_gguf_f32s(cx, g, KEY "scores", false, a, &score, &scores));
    HN_TRY(hn_gguf_i64s(cx, g, KEY "token_type", false, a, &type, &types));
    if ((scores && scores < *count) || (types && types < *count))
        return hn_fail(cx, HN_EFORMAT, "gguf: %zu tokens, but %zu scores and %zu token types", *count, scores, types);
    hn_tok_token *t = HN_NEW(a, hn_tok_token, *count + 1);
    if (!t)
        return hn_nomem(cx, "a vocabulary");
    for (size_t i = 0; i < *count; i++) {
        t[i] = (hn_tok_token){ text[i], scores ? score[i] : 0, HN_TOK_NORMAL, 0 };
        if (types)
            t[i].type = type[i] >= HN_TOK_NORMAL && type[i] <= HN_TOK_BYTE ? (uint8_t)type[i] : HN_TOK_UNUSED;
        if (among(text[i], shown, COUNT(shown)))
            t[i].type = HN_TOK_USER;
    }
    *out = t;
    return HN_OK;
}

/* Files do not carry what a special token does to white space beside it. */
static hn_err strip_by_model(hn_ctx *cx, const hn_gguf *g, hn_tok_token *t, size_t count)
{
    static const char *const keeps[] = { "<unk>", "<s>", "<|endoftext|>" };
    static const hn_text none = { "", 0 };
    hn_text name, pre;
    HN_TRY(hn_gguf_text(cx, g, "general.name", &none, &name));
    HN_TRY(hn_gguf_text(cx, g, KEY "pre", &none, &pre));
    bool phi3 = contains(name, "phi-3") || contains(name, "phi3");
    bool jina = contains(pre, "jina-v2");
    for (size_t i = 0; i < count; i++) {
        bool special = t[i].type >= HN_TOK_UNKNOWN && t[i].type <= HN_TOK_USER;
        if (phi3 && special && !among(t[i].text, keeps, COUNT(keeps)))
            t[i].strip |= HN_TOK_RSTRIP;
        if (jina && is(t[i].text, "<mask>"))
            t[i].strip |= HN_TOK_LSTRIP;
    }
    return HN_OK;
}

static hn_err get_ends(hn_ctx *cx, const hn_gguf *g, hn_arena *a, hn_tok_spec *s)
{
    int32_t *end = HN_NEW(a, int32_t, COUNT(ends) + 2), id = HN_TOK_NONE;
    if (!end)
        return hn_nomem(cx, "end tokens");
    s->end = end;
    HN_TRY(get_id(cx, g, KEY "eot_token_id", s->count, &id));
    if (id != HN_TOK_NONE)
        end[s->end_count++] = id;
    id = HN_TOK_NONE;
    HN_TRY(get_id(cx, g, KEY "eom_token_id", s->count, &id));
    if (id != HN_TOK_NONE)
        end[s->end_count++] = id;

    /* In gpt-oss <|end|> only ends a part: <|return|> and <|call|> end the answer. */
    bool parts = false;
    for (size_t i = 0; i < s->count; i++)
        parts = parts || is(s->token[i].text, "<|return|>");
    for (size_t i = 0; i < s->count && s->end_count < COUNT(ends) + 2; i++) {
        const hn_tok_token *t = &s->token[i];
        if (t->text.len > 3 && among(t->text, ends, COUNT(ends)) && !(parts && is(t->text, "<|end|>")))
            end[s->end_count++] = (int32_t)i;
    }
    return HN_OK;
}

static hn_err get_spec(hn_ctx *cx, const hn_gguf *g, hn_arena *a, hn_tok_spec *s)
{
    char *model, *pre;
    HN_TRY(get_text(cx, g, KEY "model", a, &model));
    HN_TRY(get_text(cx, g, KEY "pre", a, &pre));
    const struct model *m = NULL;
    for (size_t i = 0; i < COUNT(models); i++)
        if (strcmp(models[i].name, model) == 0)
            m = &models[i];
    if (!m)
        return hn_fail(cx, *model ? HN_EUNSUP : HN_EFORMAT, *model ? "gguf: tokenizer model '%s' is not supported"
                       : "gguf: the file has no tokenizer (key tokenizer.ggml.model is missing)", model);
    *s = hn_tok_spec_of(m->kind, m->pre ? m->pre : pre);

    hn_tok_token *tokens = NULL;
    HN_TRY(get_tokens(cx, g, a, &tokens, &s->count));
    HN_TRY(strip_by_model(cx, g, tokens, s->count));
    s->token = tokens;
    if (m->kind == HN_TOK_BPE)
        HN_TRY(hn_gguf_texts(cx, g, KEY "merges", true, a, &s->merge, &s->merge_count));

    s->unk = m->kind == HN_TOK_SPM ? 0 : m->kind == HN_TOK_UNIGRAM ? 2 : m->kind == HN_TOK_WORDPIECE ? 100 : s->unk;
    HN_TRY(get_id(cx, g, KEY "bos_token_id", s->count, &s->bos));
    HN_TRY(get_id(cx, g, KEY "eos_token_id", s->count, &s->eos));
    HN_TRY(get_id(cx, g, KEY "unknown_token_id", s->count, &s->unk));
    HN_TRY(get_id(cx, g, KEY "seperator_token_id", s->count, &s->sep));     /* the format spells it so */
    HN_TRY(get_id(cx, g, KEY "cls_token_id", s->count, &s->cls));
    HN_TRY(get_flag(cx, g, KEY "add_bos_token", &s->add_bos));
    HN_TRY(get_flag(cx, g, m->kind == HN_TOK_WORDPIECE ? KEY "add_sep_token" : KEY "add_eos_token", &s->add_eos));
    HN_TRY(get_flag(cx, g, KEY "add_space_prefix", &s->space_prefix));
    HN_TRY(get_flag(cx, g, KEY "remove_extra_whitespaces", &s->merge_spaces));
    bool lower = !s->keep_case;
    HN_TRY(get_flag(cx, g, KEY "normalizer.lowercase", &lower));
    s->keep_case = s->keep_accents = !lower;

    const hn_gguf_value *map = hn_gguf_value_find(g, KEY "precompiled_charsmap");
    if (map && map->kind == HN_GGUF_ARRAY && (map->item == HN_GGUF_U8 || map->item == HN_GGUF_I8))
        s->charsmap = (hn_text){ (const char *)map->data, map->count };
    return get_ends(cx, g, a, s);
}

hn_err hn_tok_from_gguf(hn_ctx *cx, const hn_gguf *g, hn_tok **out)
{
    hn_tok_spec spec = { 0 };
    hn_arena *a;
    HN_TRY(hn_arena_new(cx, 0, &a));
    hn_err e = get_spec(cx, g, a, &spec);
    if (!e)
        e = hn_tok_new(cx, &spec, out);
    hn_arena_free(a);
    return e;
}

hn_err hn_gguf_chat_template(hn_ctx *cx, const hn_gguf *g, hn_text *out)
{
    static const hn_text none = { "", 0 };
    return hn_gguf_text(cx, g, "tokenizer.chat_template", &none, out);
}
