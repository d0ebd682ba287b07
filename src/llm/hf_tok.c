/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json or tokenizer.model to GGUF's tokenizer keys.
 *
 *     SentencePiece (tokenizer.model), or its BPE form (byte_fallback)   "llama": pieces and scores
 *     byte-level BPE                                                     "gpt2": tokens, merges, a pre-tokenizer
 *     WordPiece                                                          "bert"
 *
 * The BPE form has merges where the older one has scores: a piece's rank among them, less than nothing, is a score
 * that joins in the same order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/protobuf.h"
#include "llm/hf_impl.h"
#include "llm/tok.h"
#include "llm/tok_pre.h"

#define SPACE "\xE2\x96\x81"                    /* U+2581 */
enum { TOKENS_MAX = 1 << 24, DIGITS_AND_WORDS = 2 };

typedef struct vocab {
    hn_text *text; float *score; int32_t *type;     /* [count] */
    size_t count;                                   /* of the model's embedding */
    hn_text *merge; size_t merge_count;
    const char *kind, *pre;
    bool space_prefix, lower, scored;
} vocab;

/* ---- Tokens ------------------------------------------------------------------------------------------- */

static hn_err make_room(hn_hf *h, vocab *v)
{
    v->count = h->vocab;
    if (v->count > TOKENS_MAX)
        return hn_fail(h->cx, HN_ELIMIT, "config.json: a vocabulary of %zu, at most %d is read", v->count, TOKENS_MAX);
    v->text = HN_NEW(h->arena, hn_text, v->count);
    v->score = HN_NEW(h->arena, float, v->count);
    v->type = HN_NEW(h->arena, int32_t, v->count);
    return v->text && v->score && v->type ? HN_OK : hn_nomem(h->cx, "a vocabulary");
}

static hn_err set(hn_hf *h, vocab *v, int64_t id, hn_text text, int32_t type)
{
    if (id < 0 || (uint64_t)id >= v->count)
        return hn_fail(h->cx, HN_EFORMAT, "token '%.*s' has number %lld, the model has %zu tokens",
                       text.len < 60 ? (int)text.len : 60, text.ptr,
                       (long long)id, v->count);
    const char *kept = hn_arena_text(h->arena, text.ptr, text.len);
    if (!kept)
        return hn_nomem(h->cx, "a vocabulary");
    v->text[id] = (hn_text){ kept, text.len };
    v->type[id] = type;
    return HN_OK;
}

static hn_text text_of(const json_t *s) { return (hn_text){ json_string_value(s), json_string_length(s) }; }
static bool is(hn_text t, const char *s) { return t.len == strlen(s) && memcmp(t.ptr, s, t.len) == 0; }

/* Rows of the embedding without a token: a model may have more than its tokenizer. */
static hn_err fill_gaps(hn_hf *h, vocab *v)
{
    for (size_t i = 0; i < v->count; i++) {
        if (v->text[i].ptr)
            continue;
        const char *name = hn_arena_printf(h->arena, "[PAD%zu]", i);
        if (!name)
            return hn_nomem(h->cx, "a vocabulary");
        v->text[i] = (hn_text){ name, strlen(name) };
        v->type[i] = HN_TOK_UNUSED;
        v->score[i] = -1e9f;
    }
    return HN_OK;
}

static int32_t find_token(const vocab *v, hn_text t)
{
    for (size_t i = 0; i < v->count && t.ptr; i++)
        if (v->text[i].len == t.len && memcmp(v->text[i].ptr, t.ptr, t.len) == 0)
            return (int32_t)i;
    return -1;
}

/* "<0xAB>" */
static bool is_byte(hn_text t) { return t.len == 6 && memcmp(t.ptr, "<0x", 3) == 0 && t.ptr[5] == '>'; }

/* ---- tokenizer.json -------------------------------------------------------------------------------------- */

static hn_err read_vocab(hn_hf *h, vocab *v, const json_t *map)
{
    const char *key;
    json_t *id;
    if (!json_is_object(map))
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: tokenizer.json without a 'vocab' of names to numbers");
    json_object_foreach((json_t *)(uintptr_t)map, key, id) {
        hn_text t = { key, strlen(key) };
        HN_TRY(set(h, v, json_is_integer(id) ? json_integer_value(id) : -1, t,
                   is_byte(t) ? HN_TOK_BYTE : HN_TOK_NORMAL));
    }
    return HN_OK;
}

static hn_err read_added(hn_hf *h, vocab *v, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i), *id = json_object_get(t, "id"),
            *text = json_object_get(t, "content");
        if (!json_is_string(text) || !json_is_integer(id))
            return hn_fail(h->cx, HN_EFORMAT, "tokenizer.json: added token %zu has no content or id", i);
        bool unknown = is(text_of(text), "<unk>"), special = json_is_true(json_object_get(t, "special"));
        HN_TRY(set(h, v, json_integer_value(id), text_of(text), unknown ? HN_TOK_UNKNOWN : special ? HN_TOK_CONTROL
                   : HN_TOK_USER));
    }
    return HN_OK;
}

/* "left right", or [left, right] in newer files. */
static hn_err read_merges(hn_hf *h, vocab *v, const json_t *list)
{
    v->merge_count = json_array_size(list);
    v->merge = HN_NEW(h->arena, hn_text, v->merge_count + 1);
    for (size_t i = 0; v->merge && i < v->merge_count; i++) {
        const json_t *m = json_array_get(list, i), *left = json_array_get(m, 0), *right = json_array_get(m, 1);
        const char *text = json_is_string(m) ? hn_arena_text(h->arena, json_string_value(m), json_string_length(m))
                         : json_is_string(left) && json_is_string(right)
                               ? hn_arena_printf(h->arena, "%s %s", json_string_value(left), json_string_value(right))
                                   : NULL;
        if (!text)
            return hn_fail(h->cx, HN_EFORMAT, "tokenizer.json: merge %zu is no pair", i);
        v->merge[i] = (hn_text){ text, strlen(text) };
    }
    return v->merge ? HN_OK : hn_nomem(h->cx, "merges");
}

typedef struct joined { hn_text text; float rank; } joined;

static int by_text(const void *a, const void *b)
{
    const hn_text *x = &((const joined *)a)->text, *y = &((const joined *)b)->text;
    int c = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
    return c ? c : x->len < y->len ? -1 : x->len > y->len;
}

/* A piece is as good as the first merge that makes it. */
static hn_err score_by_merges(hn_hf *h, vocab *v)
{
    joined *made = HN_NEW(h->arena, joined, v->merge_count + 1);
    if (!made)
        return hn_nomem(h->cx, "merges");
    for (size_t i = 0; i < v->merge_count; i++) {
        const char *space = v->merge[i].len > 1 ? memchr(v->merge[i].ptr + 1, ' ', v->merge[i].len - 1) : NULL;
        size_t left = space ? (size_t)(space - v->merge[i].ptr) : v->merge[i].len;
        char *text = hn_arena_text(h->arena, v->merge[i].ptr, v->merge[i].len);
        if (!text)
            return hn_nomem(h->cx, "merges");
        memmove(text + left, text + left + (space != NULL), v->merge[i].len - left - (space != NULL));
        made[i] = (joined){ { text, v->merge[i].len - (space != NULL) }, -(float)i };
    }
    qsort(made, v->merge_count, sizeof *made, by_text);
    for (size_t i = 0; i < v->count; i++) {
        const joined key = { .text = v->text[i] }, *m = v->merge_count &&
            v->text[i].ptr ? bsearch(&key, made, v->merge_count, sizeof key, by_text) : NULL;
        v->score[i] = m ? m->rank : -1e6f;
        for (; m && m > made && by_text(m - 1, &key) == 0; m--)
            v->score[i] = fmaxf(v->score[i], (m - 1)->rank);
        for (m = m ? m + 1 : NULL; m && m < made + v->merge_count && by_text(m, &key) == 0; m++)
            v->score[i] = fmaxf(v->score[i], m->rank);
    }
    v->merge_count = 0;
    v->scored = true;
    return HN_OK;
}

/* What the pre-tokenizer cuts by, as a list of expressions: two at most are understood. */
static size_t expressions(const json_t *pre, const char *out[DIGITS_AND_WORDS + 1])
{
    const char *type = json_string_value(json_object_get(pre, "type"));
    size_t n = 0;
    if (type && strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(pre, "pretokenizers");
        for (size_t i = 0; i < json_array_size(list) && n <= DIGITS_AND_WORDS; i++) {
            const char *inner[DIGITS_AND_WORDS + 1];
            const json_t *one = json_array_get(list, i);
            const char *kind = json_string_value(json_object_get(one, "type"));
            size_t k = kind && strcmp(kind, "Sequence") != 0 ? expressions(one, inner) : 0;
            for (size_t j = 0; j < k && n <= DIGITS_AND_WORDS; j++)
                out[n++] = inner[j];
        }
    } else if (type && strcmp(type, "Split") == 0) {
        const char *regex = json_string_value(json_object_get(json_object_get(pre, "pattern"), "Regex"));
        out[n++] = regex ? regex : "";
    } else if (type && strcmp(type, "Digits") == 0) {
        out[n++] = json_is_true(json_object_get(pre, "individual_digits")) ? "\\p{N}" : "\\p{N}+";
    } else if (type && strcmp(type, "ByteLevel") == 0 && !json_is_false(json_object_get(pre, "use_regex"))) {
        out[n++] = hn_pre_gpt2();
    }
    return n;
}

static hn_err find_pre(hn_hf *h, vocab *v, const json_t *root)
{
    const char *list[DIGITS_AND_WORDS + 1] = { "", "", "" };
    unsigned flags;
    size_t n = expressions(json_object_get(root, "pre_tokenizer"), list);
    v->pre = h->o->pre ? h->o->pre : hn_pre_name_of(list, n);
    if (!v->pre)
        return hn_fail(h->cx, HN_EUNSUP,
                       "unsupported: the pre-tokenizer of tokenizer.json ('%.200s'); name a known one with --pre",
                           list[0]);
    if (!hn_pre_find(v->pre, &flags))
        return hn_fail(h->cx, HN_EARG, "--pre: no pre-tokenizer is called '%s'", v->pre);
    return HN_OK;
}

/* Does the text begin as if after a space? */
static bool space_before(const json_t *root)
{
    const json_t *norm = json_object_get(root, "normalizer"), *pre = json_object_get(root, "pre_tokenizer");
    const json_t *list = json_object_get(norm, "normalizers");
    const char *scheme = json_string_value(json_object_get(pre, "prepend_scheme"));
    const char *type = json_string_value(json_object_get(norm, "type"));
    bool prepends = type && strcmp(type, "Prepend") == 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *t = json_string_value(json_object_get(json_array_get(list, i), "type"));
        prepends |= t && strcmp(t, "Prepend") == 0;
    }
    return prepends || (scheme && strcmp(scheme, "never") != 0) || json_is_true(json_object_get(pre,
                                                                                                "add_prefix_space"));
}

/* Files mark what goes on a word with ##; GGUF marks what begins one. */
static hn_err mark_beginnings(hn_hf *h, vocab *v)
{
    for (size_t i = 0; i < v->count; i++) {
        hn_text t = v->text[i];
        if (!t.ptr || v->type[i] != HN_TOK_NORMAL || (t.len > 2 && t.ptr[0] == '[' && t.ptr[t.len - 1] == ']'))
            continue;
        bool goes_on = t.len > 2 && t.ptr[0] == '#' && t.ptr[1] == '#';
        const char *text = goes_on ? t.ptr + 2 : hn_arena_printf(h->arena, SPACE "%.*s", (int)t.len, t.ptr);
        if (!text)
            return hn_nomem(h->cx, "a vocabulary");
        v->text[i] = (hn_text){ text, goes_on ? t.len - 2 : t.len + strlen(SPACE) };
    }
    return HN_OK;
}

static hn_err read_json(hn_hf *h, vocab *v, const json_t *root)
{
    const json_t *model = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    bool fallback = json_is_true(json_object_get(model, "byte_fallback")), pieces = type &&
        strcmp(type, "WordPiece") == 0;
    if (!type && json_object_get(model, "merges"))
        type = "BPE";                                    /* older files do not say */
    if (!type || (strcmp(type, "BPE") != 0 && !pieces))
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: tokenizer.json of type '%.40s'; known: BPE, WordPiece",
                       type ? type : "");
    HN_TRY(read_vocab(h, v, json_object_get(model, "vocab")));
    HN_TRY(read_added(h, v, json_object_get(root, "added_tokens")));
    if (pieces) {
        const json_t *norm = json_object_get(root, "normalizer");
        v->kind = "bert";
        v->lower = !json_is_false(json_object_get(norm, "lowercase"));
        return mark_beginnings(h, v);
    }
    HN_TRY(read_merges(h, v, json_object_get(model, "merges")));
    v->kind = fallback ? "llama" : "gpt2";
    v->space_prefix = fallback && space_before(root);
    return fallback ? score_by_merges(h, v) : find_pre(h, v, root);
}

/* ---- tokenizer.model: SentencePiece's protobuf ---------------------------------------------------------- */

static hn_err read_piece(hn_hf *h, vocab *v, hn_pb msg, size_t id)
{
    hn_text text = { "", 0 };
    float score = 0;
    int32_t type = HN_TOK_NORMAL;
    hn_pb_field f;
    while (hn_pb_next(&msg, &f))
        switch (f.key) {
        case HN_PB(1, LEN):     text = hn_pb_text(&f);                     break;
        case HN_PB(2, FIXED32): score = hn_pb_float((uint32_t)f.num);     break;
        case HN_PB(3, VARINT):  type = f.num >= 1 && f.num <= HN_TOK_BYTE ? (int32_t)f.num : HN_TOK_UNUSED; break;
        }
    if (msg.damaged)
        return hn_fail(h->cx, HN_EFORMAT, "tokenizer.model: piece %zu is damaged", id);
    HN_TRY(set(h, v, (int64_t)id, text, type));
    v->score[id] = score;
    return HN_OK;
}

static hn_err read_pieces(hn_hf *h, vocab *v, const void *data, size_t len)
{
    enum { BPE = 2 };
    hn_pb msg = hn_pb_over(data, len);
    hn_pb_field f;
    size_t id = 0;
    uint64_t kind = 1;
    v->kind = "llama";
    v->space_prefix = v->scored = true;
    while (hn_pb_next(&msg, &f)) {
        hn_pb inside = hn_pb_inside(&f);
        hn_pb_field g;
        if (f.key == HN_PB(1, LEN))
            HN_TRY(read_piece(h, v, inside, id++));
        while (f.key == HN_PB(2, LEN) && hn_pb_next(&inside, &g))           /* how it was trained */
            kind = g.key == HN_PB(3, VARINT) ? g.num : kind;
        while (f.key == HN_PB(3, LEN) && hn_pb_next(&inside, &g))           /* how text is prepared */
            v->space_prefix = g.key == HN_PB(3, VARINT) ? g.num != 0 : v->space_prefix;
    }
    if (msg.damaged || id == 0)
        return hn_fail(h->cx, HN_EFORMAT, "tokenizer.model: damaged, or not SentencePiece's");
    if (kind != BPE)
        return hn_fail(h->cx, HN_EUNSUP, "unsupported: tokenizer.model of kind %llu; SentencePiece's BPE is 2",
                       (unsigned long long)kind);
    return HN_OK;
}

/* ---- Special tokens --------------------------------------------------------------------------------------- */

/* By the text in tokenizer_config.json, or by the number in config.json, of which there may be several. */
static int32_t special(const hn_hf *h, const vocab *v, const json_t *tok, const char *name)
{
    char key[40];
    const json_t *t = json_object_get(tok, name), *text = json_is_object(t) ? json_object_get(t, "content") : t;
    int32_t id = json_is_string(text) ? find_token(v, text_of(text)) : -1;
    if (id >= 0)
        return id;
    snprintf(key, sizeof key, "%s_id", name);
    const json_t *n = json_object_get(h->config, key);
    n = json_is_array(n) ? json_array_get(n, 0) : n;
    return json_is_integer(n) && json_integer_value(n) >= 0 && (uint64_t)json_integer_value(n) < v->count
        ? (int32_t)json_integer_value(n) : -1;
}

static void put_id(hn_gguf_writer *w, const char *key, int32_t id)
{
    if (id >= 0)
        hn_gguf_put_u32(w, key, (uint32_t)id);
}

static void put_flag(hn_gguf_writer *w, const char *key, const json_t *tok, const char *name)
{
    const json_t *v = json_object_get(tok, name);
    if (json_is_boolean(v))
        hn_gguf_put_bool(w, key, json_is_true(v));
}

/* In its own file, or in tokenizer_config.json: one text, or several by name. */
static hn_err put_template(hn_hf *h, hn_gguf_writer *w, const json_t *tok)
{
    const json_t *t = json_object_get(tok, "chat_template");
    const char *path = hn_arena_printf(h->arena, "%schat_template.jinja", h->dir);
    hn_ctx quiet = { .env = h->cx->env };
    hn_file f;
    if (!path)
        return hn_nomem(h->cx, "a path");
    if (hn_file_open(&quiet, path, &f) == HN_OK) {
        hn_gguf_put_text(w, "tokenizer.chat_template", (hn_text){ (const char *)f.data, f.len });
        hn_file_close(&f);
        return HN_OK;
    }
    for (size_t i = 0; json_is_array(t) && i < json_array_size(t); i++) {
        const json_t *one = json_array_get(t, i), *name = json_object_get(one, "name");
        if (json_is_string(name) && strcmp(json_string_value(name), "default") == 0)
            t = json_object_get(one, "template");
    }
    if (json_is_string(t))
        hn_gguf_put_text(w, "tokenizer.chat_template", text_of(t));
    return HN_OK;
}

static hn_err put(hn_hf *h, hn_gguf_writer *w, vocab *v, const json_t *tok)
{
    HN_TRY(fill_gaps(h, v));
    hn_gguf_put_text(w, "tokenizer.ggml.model", (hn_text){ v->kind, strlen(v->kind) });
    if (v->pre)
        hn_gguf_put_text(w, "tokenizer.ggml.pre", (hn_text){ v->pre, strlen(v->pre) });
    hn_gguf_put_texts(w, "tokenizer.ggml.tokens", v->text, v->count);
    if (v->scored)
        hn_gguf_put_f32s(w, "tokenizer.ggml.scores", v->score, v->count);
    hn_gguf_put_i32s(w, "tokenizer.ggml.token_type", v->type, v->count);
    if (v->merge_count)
        hn_gguf_put_texts(w, "tokenizer.ggml.merges", v->merge, v->merge_count);
    put_id(w, "tokenizer.ggml.bos_token_id", special(h, v, tok, "bos_token"));
    put_id(w, "tokenizer.ggml.eos_token_id", special(h, v, tok, "eos_token"));
    put_id(w, "tokenizer.ggml.unknown_token_id", special(h, v, tok, "unk_token"));
    put_id(w, "tokenizer.ggml.padding_token_id", special(h, v, tok, "pad_token"));
    if (strcmp(v->kind, "bert") == 0) {
        put_id(w, "tokenizer.ggml.cls_token_id", special(h, v, tok, "cls_token"));
        put_id(w, "tokenizer.ggml.seperator_token_id", special(h, v, tok,
                                                               "sep_token"));     /* the format spells it so */
        put_id(w, "tokenizer.ggml.mask_token_id", special(h, v, tok, "mask_token"));
        hn_gguf_put_bool(w, "tokenizer.ggml.normalizer.lowercase", v->lower);
    }
    if (strcmp(v->kind, "llama") == 0)
        hn_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", v->space_prefix);
    put_flag(w, "tokenizer.ggml.add_bos_token", tok, "add_bos_token");
    put_flag(w, "tokenizer.ggml.add_eos_token", tok, "add_eos_token");
    return put_template(h, w, tok);
}

static hn_err read_model_file(hn_hf *h, vocab *v, bool *found)
{
    const char *path = hn_arena_printf(h->arena, "%stokenizer.model", h->dir);
    hn_ctx quiet = { .env = h->cx->env };
    hn_file f;
    if (!path)
        return hn_nomem(h->cx, "a path");
    *found = hn_file_open(&quiet, path, &f) == HN_OK;
    if (!*found)
        return HN_OK;
    hn_err e = read_pieces(h, v, f.data, f.len);
    hn_file_close(&f);
    return e;
}

/* The older file has the true scores; the newer one the tokens added since. */
static hn_err read_files(hn_hf *h, vocab *v, bool *found)
{
    json_t *root;
    HN_TRY(read_model_file(h, v, found));
    HN_TRY(hn_hf_json(h, "tokenizer.json", false, &root));
    hn_err e = !root ? HN_OK : *found ? read_added(h, v, json_object_get(root, "added_tokens")) : read_json(h, v, root);
    *found = *found || root;
    json_decref(root);
    return e;
}

hn_err hn_hf_put_tokenizer(hn_hf *h, hn_gguf_writer *w)
{
    vocab v = { 0 };
    bool found = false;
    json_t *tok = NULL;
    HN_TRY(make_room(h, &v));
    HN_TRY(read_files(h, &v, &found));
    if (!found)
        return HN_OK;                                    /* a model of ids: everything but text works */
    HN_TRY(hn_hf_json(h, "tokenizer_config.json", false, &tok));
    hn_err e = put(h, w, &v, tok);
    json_decref(tok);
    return e;
}
