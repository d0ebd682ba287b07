/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/chat.h"

#include "llm/jinja.h"
#include "llm/tok_gguf.h"

static json_t *token_text(const hn_lm *m, int32_t id)
{
    hn_text t = id == HN_TOK_NONE ? (hn_text){ "", 0 } : hn_tok_text(m->tok, id);
    return json_stringn(t.ptr, t.len);
}

/* False when out of memory. */
static bool fill(json_t *vars, const char *key, json_t *value)
{
    if (json_object_get(vars, key)) {
        json_decref(value);
        return true;
    }
    return json_object_set_new(vars, key, value) == 0;
}

hn_err hn_lm_chat(hn_ctx *cx, const hn_lm *m, json_t *vars, hn_buf *text)
{
    hn_text source;
    hn_jinja *template;
    if (!m->tok)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a model without a tokenizer cannot make text");
    if (!json_is_array(json_object_get(vars, "messages")))
        return hn_fail(cx, HN_EARG, "a chat needs \"messages\": [{\"role\": ..., \"content\": ...}, ...]");
    HN_TRY(hn_gguf_chat_template(cx, m->file, &source));
    if (source.len == 0)
        return hn_fail(cx, HN_EUNSUP, "unsupported: chat with a model that carries no chat template; let it go on with a text instead");
    if (!fill(vars, "add_generation_prompt", json_true()) || !fill(vars, "bos_token", token_text(m, hn_tok_bos(m->tok))) ||
        !fill(vars, "eos_token", token_text(m, hn_tok_eos(m->tok))))
        return hn_nomem(cx, "a chat");
    HN_TRY(hn_jinja_new(cx, source, &template));
    hn_err e = hn_jinja_render(cx, template, vars, NULL, text);
    hn_jinja_free(template);
    return e ? e : hn_buf_ok(text, "a chat");
}
