/* SPDX-License-Identifier: Apache-2.0 */
/* lm.c: language models: files, tokens, chats. */
#include "api/api.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "llm/chat.h"
#include "llm/schema.h"
#include "llm/tok_gguf.h"
#include "llm/tools.h"

static hn_err read_opts(hn_ctx *cx, const hone_lm_opts *from, hn_lm_opts *out)
{
    static const hn_qtype kinds[] = { [HONE_KV_F16] = HN_QT_F16, [HONE_KV_F32] = HN_QT_F32, [HONE_KV_Q8_0] = HN_QT_Q8_0,
                                      [HONE_KV_Q4_0] = HN_QT_Q4_0 };
    hone_lm_opts o = { 0 };
    if (from)
        memcpy(&o, from, from->size < sizeof o ? from->size : sizeof o);
    if ((size_t)o.kv >= sizeof kinds / sizeof *kinds)
        return hn_fail(cx, HN_EARG, "kv: expected a hone_kv, found %d", (int)o.kv);
    *out = (hn_lm_opts){ .context = o.context, .kv = kinds[o.kv] };
    return HN_OK;
}

static hone_status open_lm(hone_ctx *ctx, const char *path, const void *data, size_t size, const hone_lm_opts *opts,
                           hone_lm **out, hone_error *err)
{
    hn_ctx cx = { .env = &ctx->env };
    hn_lm_opts o;
    hn_err e = read_opts(&cx, opts, &o);
    hone_lm *lm = e ? NULL : hn_calloc(&cx, 1, sizeof *lm);
    if (!e && !lm)
        e = hn_nomem(&cx, "a language model");
    if (!e)
        e = path ? hn_lm_open(&cx, path, &o, &lm->m) : hn_lm_open_memory(&cx, data, size, &o, &lm->m);
    if (e) {
        hn_free(&cx, lm);
        return hn_api_fail(err, e, &cx);
    }
    lm->ctx = ctx;
    pthread_mutex_init(&lm->lock, NULL);
    *out = lm;
    return HONE_OK;
}

hone_status hone_lm_open(hone_ctx *ctx, const char *path, const hone_lm_opts *opts, hone_lm **out, hone_error *err)
{
    return open_lm(ctx, path, NULL, 0, opts, out, err);
}

hone_status hone_lm_open_memory(hone_ctx *ctx, const void *data, size_t size, const hone_lm_opts *opts, hone_lm **out,
                                hone_error *err)
{
    return open_lm(ctx, NULL, data, size, opts, out, err);
}

void hone_lm_close(hone_lm *lm)
{
    if (!lm)
        return;
    hn_ctx cx = { .env = &lm->ctx->env };
    hn_vocab_free(lm->vocab);
    pthread_mutex_destroy(&lm->lock);
    hn_lm_close(&lm->m);
    hn_free(&cx, lm);
}

void hone_lm_describe(const hone_lm *lm, hone_lm_info *out)
{
    const hn_lm_shape *s = &lm->m.shape;
    hn_ctx cx = { .env = &lm->ctx->env };
    hn_text template = { "", 0 };
    size_t row = hn_q_bytes(lm->m.o.kv, (size_t)s->kv_heads * s->head_size);
    bool chat = lm->m.tok && hn_gguf_chat_template(&cx, lm->m.file, &template) == HN_OK && template.len > 0;
    *out = (hone_lm_info){ .vocab = s->vocab, .context = lm->m.o.context, .layers = s->layers, .width = s->width,
                           .kv_bytes = row == SIZE_MAX ? 0 : 2 * row * s->layers,
                           .bos = lm->m.tok ? hn_tok_bos(lm->m.tok) : -1, .eos = lm->m.tok ? hn_tok_eos(lm->m.tok) : -1,
                           .text = lm->m.tok != NULL, .chat = chat };
}

static hn_err want_tokenizer(hn_ctx *cx, const hone_lm *lm)
{
    return lm->m.tok ? HN_OK : hn_fail(cx, HN_EUNSUP, "unsupported: text with a model that has no tokenizer");
}

/* Into the caller's buffer, whose need is told in any case. */
static hn_err hand_over(hn_ctx *cx, const void *from, size_t count, size_t item, const char *what, void *to,
                        size_t cap, size_t *need)
{
    *need = count;
    if (count > cap)
        return hn_fail(cx, HN_ELIMIT, "%zu %s do not fit the buffer of %zu", count, what, cap);
    if (count)
        memcpy(to, from, count * item);
    return HN_OK;
}

hone_status hone_lm_tokenize(const hone_lm *lm, const char *text, size_t len, unsigned flags, int32_t *ids, size_t cap,
                             size_t *count, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    hn_tok_opts o = { .add_special = flags & HONE_TOKENS_SPECIAL, .parse_special = flags & HONE_TOKENS_PARSE };
    hn_arena *a = NULL;
    hn_ids found;
    hn_err e = want_tokenizer(&cx, lm);
    if (!e)
        e = hn_arena_new(&cx, 0, &a);
    if (!e)
        e = hn_tok_encode(&cx, lm->m.tok, (hn_text){ text, len }, &o, a, &found);
    if (!e)
        e = hand_over(&cx, found.id, found.count, sizeof *ids, "ids", ids, cap, count);
    hn_arena_free(a);
    return hn_api_fail(err, e, &cx);
}

hone_status hone_lm_detokenize(const hone_lm *lm, const int32_t *ids, size_t count, unsigned flags, char *text,
                               size_t cap, size_t *len, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    hn_buf b = { .cx = &cx };
    hn_err e = want_tokenizer(&cx, lm);
    if (!e)
        e = hn_tok_decode(&cx, lm->m.tok, (hn_ids){ ids, count }, flags & HONE_TOKENS_SPECIAL, &b);
    if (!e)
        e = hand_over(&cx, b.data, b.len, 1, "bytes", text, cap, len);
    hn_buf_free(&b);
    return hn_api_fail(err, e, &cx);
}

bool hone_lm_is_end(const hone_lm *lm, int32_t id) { return lm->m.tok && hn_tok_is_end(lm->m.tok, id); }

static hn_err read_chat(hn_ctx *cx, const char *json, json_t **out)
{
    json_error_t why;
    json_t *v = json_loads(json, JSON_REJECT_DUPLICATES, &why);
    if (v && json_is_array(v)) {
        json_t *list = v;
        v = json_pack("{s:o}", "messages", list);
        if (!v)
            json_decref(list);
    }
    if (!v || !json_is_object(v)) {
        json_decref(v);
        return hn_fail(cx, HN_EFORMAT, "chat: expected JSON, a list of messages or an object with one; line %d: %s",
                       why.line, why.text);
    }
    *out = v;
    return HN_OK;
}

hone_status hone_lm_chat(const hone_lm *lm, const char *json, char *text, size_t cap, size_t *len, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    hn_buf b = { .cx = &cx };
    json_t *vars = NULL;
    hn_err e = read_chat(&cx, json, &vars);
    if (!e)
        e = hn_lm_chat(&cx, &lm->m, vars, &b);
    if (!e)
        e = hand_over(&cx, b.data, b.len, 1, "bytes", text, cap, len);
    json_decref(vars);
    hn_buf_free(&b);
    return hn_api_fail(err, e, &cx);
}

static hn_err write_message(hn_ctx *cx, hn_text said, const json_t *tools, char *json, size_t cap, size_t *len)
{
    json_t *m;
    HN_TRY(hn_tools_parse(cx, said, tools, &m));
    char *text = json_dumps(m, JSON_COMPACT);
    json_decref(m);
    hn_err e = text ? hand_over(cx, text, strlen(text), 1, "bytes", json, cap, len) : hn_nomem(cx, "a message");
    free(text);
    return e;
}

hone_status hone_lm_message(const hone_lm *lm, const char *text, size_t text_len, const char *tools, char *json,
                            size_t cap, size_t *len, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    json_error_t why;
    json_t *offered = tools ? json_loads(tools, 0, &why) : NULL;
    hn_err e = HN_OK;
    if (tools && !json_is_array(offered))
        e = hn_fail(&cx, HN_EFORMAT, "tools: expected a JSON list of tools");
    if (!e)
        e = write_message(&cx, (hn_text){ text, text_len }, offered, json, cap, len);
    json_decref(offered);
    return hn_api_fail(err, e, &cx);
}

/* ---- Grammars ----------------------------------------------------------------------------------- */

static hn_err want_vocab(hn_ctx *cx, hone_lm *lm)
{
    HN_TRY(want_tokenizer(cx, lm));
    pthread_mutex_lock(&lm->lock);
    hn_err e = lm->vocab ? HN_OK : hn_vocab_new(cx, lm->m.tok, &lm->vocab);
    pthread_mutex_unlock(&lm->lock);
    return e;
}

static hn_err make_grammar(hn_ctx *cx, hone_lm *lm, hn_text text, hone_grammar **out)
{
    HN_TRY(want_vocab(cx, lm));
    hone_grammar *g = hn_calloc(cx, 1, sizeof *g);
    hn_err e = g ? hn_grammar_new(cx, text, &g->g) : hn_nomem(cx, "a grammar");
    if (e) {
        hn_free(cx, g);
        return e;
    }
    g->lm = lm;
    *out = g;
    return HN_OK;
}

hone_status hone_grammar_new(hone_lm *lm, const char *text, hone_grammar **out, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    return hn_api_fail(err, make_grammar(&cx, lm, (hn_text){ text, strlen(text) }, out), &cx);
}

hone_status hone_grammar_from_schema(hone_lm *lm, const char *json, hone_grammar **out, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    json_error_t why;
    hn_buf text = { .cx = &cx };
    json_t *schema = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    hn_err e = schema ? hn_schema_grammar(&cx, schema, &text)
                      : hn_fail(&cx, HN_EFORMAT, "schema: line %d: %s", why.line, why.text);
    if (!e)
        e = make_grammar(&cx, lm, (hn_text){ text.data, text.len }, out);
    json_decref(schema);
    hn_buf_free(&text);
    return hn_api_fail(err, e, &cx);
}

void hone_grammar_free(hone_grammar *g)
{
    if (!g)
        return;
    hn_ctx cx = { .env = &g->lm->ctx->env };
    hn_grammar_free(g->g);
    hn_free(&cx, g);
}

/* ---- Adapters ----------------------------------------------------------------------------------- */

hone_status hone_adapter_open(hone_lm *lm, const char *path, hone_adapter **out, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    hone_adapter *a = hn_calloc(&cx, 1, sizeof *a);
    hn_err e = a ? hn_lora_open(&cx, path, lm->m.file, &a->l) : hn_nomem(&cx, "an adapter");
    if (e) {
        hn_free(&cx, a);
        return hn_api_fail(err, e, &cx);
    }
    a->lm = lm;
    *out = a;
    return HONE_OK;
}

void hone_adapter_close(hone_adapter *a)
{
    if (!a)
        return;
    hn_ctx cx = { .env = &a->lm->ctx->env };
    hn_lora_close(&a->l);
    hn_free(&cx, a);
}
