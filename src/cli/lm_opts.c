/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lm_opts.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/pool.h"
#include "cli/embedded.h"
#include "llm/chat.h"
#include "llm/schema.h"

#define DEFAULT_MODEL "models/storyteller/storyteller.gguf"

static hn_err open_model(hn_lm_job *j, const char *path, const hn_lm_opts *o)
{
    hn_embedded file;
    if (path)
        return hn_lm_open(&j->cx, path, o, &j->m);
    if (!hn_embedded_find(DEFAULT_MODEL, &file))
        return hn_fail(&j->cx, HN_EARG, "which model?  This build carries none: give a .gguf file");
    return hn_lm_open_memory(&j->cx, file.data, file.len, o, &j->m);
}

hn_err hn_lm_job_open(hn_cli *c, const char *path, hn_lm_job *j)
{
    const hn_args *a = &c->args;
    const char *kv = hn_arg_text(a, "kv", "f16");
    hn_lm_opts o = { .context = (size_t)hn_arg_int(a, "context", 0), .kv = hn_qtype_from_name(kv) };
    *j = (hn_lm_job){ .c = c, .env = c->env };
    j->cx.env = &j->env;
    hn_err e = hn_arena_new(&j->cx, 0, &j->memory);
    if (!e)
        e = hn_pool_new(&j->cx, c->threads, &j->pool);
    if (!e)
        e = open_model(j, path, &o);
    if (e && j->cx.msg[0])
        hn_fail(&c->cx, e, "%s%s%.480s", path ? path : "", path && !strstr(j->cx.msg, path) ? ": " : "",
                path && strstr(j->cx.msg, path) ? j->cx.msg + 0 : j->cx.msg);
    return e;
}

void hn_lm_job_close(hn_lm_job *j)
{
    for (size_t i = 0; i < j->lora_count; i++)
        hn_lora_close(&j->lora[i]);
    hn_draft_model_free(j->draft);
    hn_lm_close(&j->small);
    hn_grammar_free(j->grammar);
    hn_vocab_free(j->vocab);
    hn_lm_close(&j->m);
    hn_pool_free(j->pool);
    hn_arena_free(j->memory);
}

static hn_err read_bias(hn_lm_job *j, hn_sample_opts *o)
{
    const hn_args *a = &j->c->args;
    size_t n = hn_arg_count(a, "logit-bias");
    hn_bias *bias = HN_NEW(j->memory, hn_bias, n);
    if (!bias)
        return hn_nomem(&j->c->cx, "options");
    for (size_t i = 0; i < n; i++) {
        const char *text = hn_arg_at(a, "logit-bias", i);
        char *end;
        long id = strtol(text, &end, 10);
        double add = *end == '=' ? strtod(end + 1, &end) : NAN;
        if (*end || isnan(add) || id < 0 || id >= (long)j->m.shape.vocab)
            return hn_fail(&j->c->cx, HN_EARG, "--logit-bias %s: expected ID=X with an id below %u", text,
                           j->m.shape.vocab);
        bias[i] = (hn_bias){ (int32_t)id, (float)add };
    }
    o->bias = bias;
    o->bias_count = n;
    return HN_OK;
}

/* The text of the grammar that a schema stands for. */
static hn_err schema_text(hn_ctx *cx, const char *path, const hn_file *f, hn_buf *out)
{
    json_error_t why;
    json_t *schema = json_loadb((const char *)f->data, f->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!schema)
        return hn_fail(cx, HN_EFORMAT, "%s: line %d: %s", path, why.line, why.text);
    hn_err e = hn_schema_grammar(cx, schema, out);
    json_decref(schema);
    return e;
}

static hn_err read_grammar(hn_lm_job *j)
{
    hn_ctx *cx = &j->c->cx;
    const char *grammar = hn_arg_text(&j->c->args, "grammar", NULL);
    const char *schema = hn_arg_text(&j->c->args, "json-schema", NULL);
    hn_buf text = { .cx = cx };
    hn_file f;
    if (!grammar && !schema)
        return HN_OK;
    if (grammar && schema)
        return hn_fail(cx, HN_EARG, "give --grammar or --json-schema, not both");
    if (!j->m.tok)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a grammar with a model that has no tokenizer");
    HN_TRY(hn_file_open(cx, grammar ? grammar : schema, &f));
    hn_err e = schema ? schema_text(cx, schema, &f, &text) : HN_OK;
    if (!e)
        e = hn_grammar_new(cx, schema ? (hn_text){ text.data, text.len } : (hn_text){ (const char *)f.data, f.len },
                           &j->grammar);
    if (!e)
        e = hn_vocab_new(cx, j->m.tok, &j->vocab);
    hn_buf_free(&text);
    hn_file_close(&f);
    return e;
}

/* FILE or FILE=SCALE; a file whose name has a = in it needs a scale behind it. */
static hn_err read_adapters(hn_lm_job *j)
{
    const hn_args *a = &j->c->args;
    size_t n = hn_arg_count(a, "lora");
    j->lora = HN_NEW(j->memory, hn_lora, n);
    j->lora_use = HN_NEW(j->memory, hn_lora_use, n);
    if (!j->lora || !j->lora_use)
        return hn_nomem(&j->c->cx, "adapters");
    for (size_t i = 0; i < n; i++, j->lora_count++) {
        const char *text = hn_arg_at(a, "lora", i), *eq = strrchr(text, '=');
        char *end = NULL, *path = hn_arena_text(j->memory, text, eq ? (size_t)(eq - text) : strlen(text));
        double scale = eq ? strtod(eq + 1, &end) : 1;
        if (eq && (end == eq + 1 || *end || !isfinite(scale)))
            return hn_fail(&j->c->cx, HN_EARG, "--lora %s: expected FILE or FILE=SCALE", text);
        if (!path)
            return hn_nomem(&j->c->cx, "adapters");
        HN_TRY(hn_lora_open(&j->c->cx, path, j->m.file, &j->lora[i]));
        j->lora_use[i] = (hn_lora_use){ &j->lora[i], (float)scale };
    }
    return HN_OK;
}

static hn_err read_draft(hn_lm_job *j, hn_draft *out)
{
    const char *path = hn_arg_text(&j->c->args, "draft", NULL);
    hn_lm_opts o = { .context = j->m.o.context };
    bool lookup = hn_arg_flag(&j->c->args, "lookup");
    *out = lookup ? hn_draft_lookup() : (hn_draft){ NULL, NULL };
    if (!path)
        return HN_OK;
    if (lookup)
        return hn_fail(&j->c->cx, HN_EARG, "give --lookup or --draft, not both");
    HN_TRY(hn_lm_open(&j->c->cx, path, &o, &j->small));
    HN_TRY(hn_draft_model_new(&j->c->cx, &j->m, &j->small, j->pool, &j->draft));
    *out = hn_draft_of_model(j->draft);
    return HN_OK;
}

hn_err hn_lm_job_talk_opts(hn_lm_job *j, hn_talk_opts *out)
{
    const hn_args *a = &j->c->args;
    size_t stops = hn_arg_count(a, "stop");
    hn_text *stop = HN_NEW(j->memory, hn_text, stops);
    struct timespec now;
    hn_draft draft;
    if (!stop)
        return hn_nomem(&j->c->cx, "options");
    for (size_t i = 0; i < stops; i++)
        stop[i] = (hn_text){ hn_arg_at(a, "stop", i), strlen(hn_arg_at(a, "stop", i)) };
    HN_TRY(read_grammar(j));
    HN_TRY(read_adapters(j));
    HN_TRY(read_draft(j, &draft));
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (hn_talk_opts){
        .sample = { .seed = (uint64_t)hn_arg_int(a, "seed", now.tv_sec ^ now.tv_nsec),
                    .temperature = (float)hn_arg_real(a, "temperature", 0.8),
                    .top_k = (uint32_t)hn_arg_int(a, "top-k", 40),
                    .top_p = (float)hn_arg_real(a, "top-p", 0.95), .min_p = (float)hn_arg_real(a, "min-p", 0.05),
                    .typical_p = (float)hn_arg_real(a, "typical", 1),
                    .repeat = (float)hn_arg_real(a, "repeat-penalty", 1),
                    .frequency = (float)hn_arg_real(a, "frequency-penalty", 0),
                    .presence = (float)hn_arg_real(a, "presence-penalty", 0),
                    .penalty_window = (uint32_t)hn_arg_int(a, "penalty-window", 64),
                    .dry_multiplier = (float)hn_arg_real(a, "dry", 0), .mirostat = (int)hn_arg_int(a, "mirostat", 0) },
        .tokens_max = (size_t)hn_arg_int(a, "tokens", 256), .stop = stop, .stop_count = stops,
        .on_full = strcmp(hn_arg_text(a, "on-full", "stop"), "shift") == 0 ? HN_FULL_SHIFT : HN_FULL_STOP,
        .ignore_end = hn_arg_flag(a, "ignore-end"), .grammar = j->grammar, .vocab = j->vocab,
        .lora = j->lora_use, .lora_count = j->lora_count,
        .draft = draft, .guess_max = (size_t)hn_arg_int(a, "guess", 4),
    };
    return read_bias(j, &out->sample);
}

hn_err hn_lm_job_recall(hn_lm_job *j, hn_talk *t)
{
    const char *path = hn_arg_text(&j->c->args, "cache", NULL);
    return path && access(path, F_OK) == 0 ? hn_talk_load(&j->c->cx, t, path) : HN_OK;
}

hn_err hn_lm_job_remember(hn_lm_job *j, hn_talk *t)
{
    const char *path = hn_arg_text(&j->c->args, "cache", NULL);
    return path ? hn_stream_save(&j->c->cx, hn_talk_stream(t), path) : HN_OK;
}

static hn_err read_stdin(hn_lm_job *j, hn_text *out)
{
    hn_buf b = { .cx = &j->c->cx };
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof part, stdin)) > 0)
        hn_buf_add(&b, part, n);
    hn_err e = hn_buf_ok(&b, "the prompt");
    char *copy = e ? NULL : hn_arena_text(j->memory, b.data ? b.data : "", b.len);
    *out = (hn_text){ copy, b.len };
    hn_buf_free(&b);
    return e ? e : copy ? HN_OK : hn_nomem(&j->c->cx, "the prompt");
}

hn_err hn_lm_job_prompt(hn_lm_job *j, hn_text *out)
{
    const char *text = hn_arg_text(&j->c->args, "prompt", NULL), *path = hn_arg_text(&j->c->args, "file", NULL);
    hn_file f;
    if (text && path)
        return hn_fail(&j->c->cx, HN_EARG, "give --prompt or --file, not both");
    if (text) {
        *out = (hn_text){ text, strlen(text) };
        return HN_OK;
    }
    if (!path)
        return read_stdin(j, out);
    HN_TRY(hn_file_open(&j->c->cx, path, &f));
    char *copy = hn_arena_text(j->memory, (const char *)f.data, f.len);
    *out = (hn_text){ copy, f.len };
    hn_file_close(&f);
    return copy ? HN_OK : hn_nomem(&j->c->cx, "the prompt");
}

hn_err hn_lm_job_render(hn_lm_job *j, void *messages_json, void *tools_json, hn_buf *text, hn_arena *a, hn_ids *out)
{
    hn_ctx *cx = &j->c->cx;
    json_t *vars = json_pack("{s:O, s:O*}", "messages", (json_t *)messages_json, "tools", (json_t *)tools_json);
    hn_err e = vars ? hn_lm_chat(cx, &j->m, vars, text) : hn_nomem(cx, "a chat");
    json_decref(vars);
    /* Templates write the begin token themselves where the model wants it. */
    hn_tok_opts opts = { .parse_special = true };
    return e ? e : hn_tok_encode(cx, j->m.tok, (hn_text){ text->data ? text->data : "", text->len }, &opts, a, out);
}
