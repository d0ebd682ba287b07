/* SPDX-License-Identifier: Apache-2.0 */
/* stream.c: conversations: reading, picking, answering. */
#include "api/api.h"

#include <string.h>

#include "llm/talk.h"

struct hone_stream {
    hone_lm *lm;
    hn_talk *talk;
    hn_talk_opts o;            /* the sampling that stays from answer to answer */
    hn_bias *bias;             /* o.sample.bias */
    hn_lora_use *lora;         /* o.lora */
    hn_draft_model *small;     /* o.draft's */
};

/* ---- Options --------------------------------------------------------------------------------- */

static hone_sampling read_sampling(const hone_sampling *from)
{
    hone_sampling how = { 0 };
    if (from)
        memcpy(&how, from, from->size < sizeof how ? from->size : sizeof how);
    return how;
}

static hn_sample_opts sample_opts(const hone_sampling *h)
{
    return (hn_sample_opts){
        .seed = h->seed, .temperature = h->temperature, .top_k = h->top_k, .top_p = h->top_p, .min_p = h->min_p,
        .typical_p = h->typical_p, .penalty_window = h->penalty_window, .repeat = h->repeat, .frequency = h->frequency,
        .presence = h->presence, .dry_multiplier = h->dry, .mirostat = h->mirostat, .tau = h->tau, .eta = h->eta,
        .logprobs = h->logprobs,
    };
}

static hn_err copy_bias(hn_ctx *cx, const hone_sampling *h, hn_bias **out)
{
    hn_bias *b = hn_calloc(cx, h->bias_count + 1, sizeof *b);
    if (!b)
        return hn_nomem(cx, "biases");
    for (size_t i = 0; i < h->bias_count; i++)
        b[i] = (hn_bias){ h->bias[i].id, h->bias[i].add };
    *out = b;
    return HN_OK;
}

/* Makes `how` the stream's, or leaves all as it was. */
static hn_err set_sampling(hn_ctx *cx, hone_stream *s, const hone_sampling *from)
{
    hone_sampling how = read_sampling(from);
    hn_talk_opts o = { .sample = sample_opts(&how) };
    hn_bias *bias = NULL;
    if (how.grammar && how.grammar->lm != s->lm)
        return hn_fail(cx, HN_EARG, "a grammar of another model: its tokens are not this one's");
    HN_TRY(copy_bias(cx, &how, &bias));
    o.sample.bias = bias;
    o.sample.bias_count = how.bias_count;
    o.draft = s->o.draft;
    o.guess_max = s->o.guess_max;
    o.lora = s->o.lora;
    o.lora_count = s->o.lora_count;
    if (how.grammar) {
        o.grammar = how.grammar->g;
        o.vocab = how.grammar->lm->vocab;
    }
    hn_err e = s->talk ? hn_talk_set(cx, s->talk, &o) : hn_talk_new(cx, &s->lm->m, s->lm->ctx->env.pool, &o, &s->talk);
    if (e) {
        hn_free(cx, bias);
        return e;
    }
    hn_free(cx, s->bias);
    s->bias = bias;
    s->o = o;
    return HN_OK;
}

/* ---- Life ------------------------------------------------------------------------------------- */

hone_status hone_stream_new(hone_lm *lm, const hone_sampling *how, hone_stream **out, hone_error *err)
{
    hn_ctx cx = { .env = &lm->ctx->env };
    hone_stream *s = hn_calloc(&cx, 1, sizeof *s);
    if (!s)
        return hn_api_fail(err, hn_nomem(&cx, "a stream"), &cx);
    s->lm = lm;
    hn_err e = set_sampling(&cx, s, how);
    if (e) {
        hone_stream_free(s);
        return hn_api_fail(err, e, &cx);
    }
    *out = s;
    return HONE_OK;
}

void hone_stream_free(hone_stream *s)
{
    if (!s)
        return;
    hn_ctx cx = { .env = &s->lm->ctx->env };
    hn_talk_free(s->talk);
    hn_free(&cx, s->bias);
    hn_free(&cx, s->lora);
    hn_draft_model_free(s->small);
    hn_free(&cx, s);
}

hone_status hone_stream_sampling(hone_stream *s, const hone_sampling *how, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    return hn_api_fail(err, set_sampling(&cx, s, how), &cx);
}

static hn_err set_adapters(hn_ctx *cx, hone_stream *s, const hone_adapter_use *uses, size_t count)
{
    hn_talk_opts o = s->o;
    hn_lora_use *lora = hn_calloc(cx, count + 1, sizeof *lora);
    if (!lora)
        return hn_nomem(cx, "adapters");
    hn_err e = HN_OK;
    for (size_t i = 0; i < count && !e; i++) {
        lora[i] = (hn_lora_use){ &uses[i].adapter->l, uses[i].scale };
        if (uses[i].adapter->lm != s->lm)
            e = hn_fail(cx, HN_EARG, "an adapter of another model");
    }
    o.lora = lora;
    o.lora_count = count;
    if (!e)
        e = hn_talk_set(cx, s->talk, &o);
    if (e) {
        hn_free(cx, lora);
        return e;
    }
    hn_free(cx, s->lora);
    s->lora = lora;
    s->o = o;
    return HN_OK;
}

hone_status hone_stream_adapt(hone_stream *s, const hone_adapter_use *uses, size_t count, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    return hn_api_fail(err, set_adapters(&cx, s, uses, count), &cx);
}

static hn_err set_guess(hn_ctx *cx, hone_stream *s, hone_guess how, hone_lm *small, size_t most)
{
    hn_talk_opts o = s->o;
    hn_draft_model *d = NULL;
    if (most > HN_GUESS_MAX || how < HONE_GUESS_NONE || how > HONE_GUESS_MODEL ||
        (how == HONE_GUESS_MODEL) != (small != NULL))
        return hn_fail(cx, HN_EARG, "expected a hone_guess, a model with HONE_GUESS_MODEL only, and at most %d tokens", HN_GUESS_MAX);
    if (small)
        HN_TRY(hn_draft_model_new(cx, &s->lm->m, &small->m, s->lm->ctx->env.pool, &d));
    o.draft = small ? hn_draft_of_model(d) : how == HONE_GUESS_LOOKUP ? hn_draft_lookup() : (hn_draft){ NULL, NULL };
    o.guess_max = most;
    hn_err e = hn_talk_set(cx, s->talk, &o);
    if (e) {
        hn_draft_model_free(d);
        return e;
    }
    hn_draft_model_free(s->small);
    s->small = d;
    s->o = o;
    return HN_OK;
}

hone_status hone_stream_guess(hone_stream *s, hone_guess how, hone_lm *small, size_t most, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    return hn_api_fail(err, set_guess(&cx, s, how, small, most), &cx);
}

/* ---- Answers ---------------------------------------------------------------------------------- */

typedef struct listener { hone_said *said; void *user; } listener;

static bool tell(void *user, const char *text, size_t len, const hn_sampled *token)
{
    const listener *l = user;
    hone_token t = { token ? token->id : -1, token ? token->logprob : 0 };
    return l->said(l->user, text, len, token ? &t : NULL);
}

/* For this answer: the stream's sampling and the call's own options. */
static hn_err set_answer(hn_ctx *cx, hone_stream *s, const hone_answer_opts *from)
{
    hone_answer_opts a = { 0 };
    hn_talk_opts o = s->o;
    if (from)
        memcpy(&a, from, from->size < sizeof a ? from->size : sizeof a);
    hn_text *stop = hn_calloc(cx, a.stop_count + 1, sizeof *stop);
    if (!stop)
        return hn_nomem(cx, "an answer");
    for (size_t i = 0; i < a.stop_count; i++)
        stop[i] = (hn_text){ a.stop[i], strlen(a.stop[i]) };
    o.tokens_max = a.tokens_max;
    o.stop = stop;
    o.stop_count = a.stop_count;
    o.on_full = a.on_full == HONE_FULL_SHIFT ? HN_FULL_SHIFT : HN_FULL_STOP;
    o.ignore_end = a.ignore_end;
    o.special = a.special;
    hn_err e = hn_talk_set(cx, s->talk, &o);
    hn_free(cx, stop);
    return e;
}

hone_status hone_stream_answer(hone_stream *s, const int32_t *ids, size_t count, const hone_answer_opts *opts,
                               hone_said *said, void *user, hone_answer *out, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    listener l = { said, user };
    hn_talk_stats t;
    hn_err e = set_answer(&cx, s, opts);
    if (!e)
        e = hn_talk_answer(&cx, s->talk, (hn_ids){ ids, count }, tell, &l, &t);
    if (!e && out)
        *out = (hone_answer){ .prompt_tokens = t.prompt_tokens, .reused_tokens = t.reused_tokens,
                              .answer_tokens = t.answer_tokens, .guessed = t.guessed, .guessed_right = t.guessed_right,
                              .prompt_ms = t.prompt_ms, .first_ms = t.first_ms, .answer_ms = t.answer_ms,
                              .end = (hone_end)t.end };
    return hn_api_fail(err, e, &cx);
}

_Static_assert((int)HONE_END_CALLER == (int)HN_END_CALLER, "public and internal endings run in step");

/* ---- Steps ------------------------------------------------------------------------------------ */

hone_status hone_stream_read(hone_stream *s, const int32_t *ids, size_t count, const float **logits, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    float *found;
    hn_err e = hn_talk_read(&cx, s->talk, ids, count, &found);
    if (!e && logits)
        *logits = found;
    return hn_api_fail(err, e, &cx);
}

hone_status hone_stream_read_each(hone_stream *const *s, const int32_t *ids, size_t count, hone_error *err)
{
    hn_ctx cx = { 0 };
    if (count == 0)
        return hn_api_fail(err, hn_fail(&cx, HN_EARG, "expected at least one stream"), &cx);
    cx.env = &s[0]->lm->ctx->env;
    hn_talk **talk = hn_calloc(&cx, count, sizeof *talk);
    for (size_t i = 0; i < count && talk; i++)
        talk[i] = s[i]->talk;
    hn_err e = talk ? hn_talk_read_each(&cx, talk, ids, count) : hn_nomem(&cx, "streams");
    hn_free(&cx, talk);
    return hn_api_fail(err, e, &cx);
}

hone_status hone_stream_pick(hone_stream *s, hone_token *out, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    hn_sampled t;
    hn_err e = hn_talk_pick(&cx, s->talk, &t);
    if (!e)
        *out = (hone_token){ t.id, t.logprob };
    return hn_api_fail(err, e, &cx);
}

hone_status hone_stream_text(hone_stream *s, int32_t id, const char **text, size_t *len, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    hn_text t;
    hn_err e = hn_talk_text(&cx, s->talk, id, &t);
    if (!e) {
        *text = t.ptr;
        *len = t.len;
    }
    return hn_api_fail(err, e, &cx);
}

size_t hone_stream_count(const hone_stream *s) { return hn_stream_count(hn_talk_stream(s->talk)); }
size_t hone_stream_room(const hone_stream *s) { return hn_stream_room(hn_talk_stream(s->talk)); }
size_t hone_stream_bytes(const hone_stream *s) { return hn_stream_kv_bytes(hn_talk_stream(s->talk)); }
size_t hone_stream_trim(hone_stream *s, size_t count) { return hn_talk_trim(s->talk, count); }

/* ---- What was read, elsewhere ------------------------------------------------------------------ */

hone_status hone_stream_share(hone_stream *s, const hone_stream *from, size_t count, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    return hn_api_fail(err, hn_talk_share(&cx, s->talk, from->talk, count), &cx);
}

hone_status hone_stream_save(const hone_stream *s, const char *path, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    return hn_api_fail(err, hn_stream_save(&cx, hn_talk_stream(s->talk), path), &cx);
}

hone_status hone_stream_load(hone_stream *s, const char *path, hone_error *err)
{
    hn_ctx cx = { .env = &s->lm->ctx->env };
    return hn_api_fail(err, hn_talk_load(&cx, s->talk, path), &cx);
}
