/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/talk.h"

#include <string.h>

#include "base/clock.h"
#include "base/num.h"

struct hn_talk {
    hn_ctx cx;
    const hn_lm *m;
    hn_stream *stream;
    hn_sampler *sampler;
    hn_stop *stop;
    hn_talk_opts o;
    int32_t *held; size_t held_count;    /* tokens the stream has read, in order */
    hn_buf text;                         /* what the detokeniser gives, then what may be shown */
    hn_buf shown;
};

hn_err hn_talk_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, const hn_talk_opts *o, hn_talk **out)
{
    if (!m->tok)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a model without a tokenizer cannot make text");
    hn_talk *t = hn_calloc(cx, 1, sizeof *t);
    if (!t)
        return hn_nomem(cx, "a conversation");
    t->cx.env = cx->env;
    t->m = m;
    t->o = *o;
    t->text.cx = t->shown.cx = &t->cx;
    t->held = hn_calloc(cx, m->o.context + 1, sizeof *t->held);
    hn_err e = t->held ? hn_stream_new(cx, m, pool, &t->stream) : hn_nomem(cx, "a conversation");
    if (!e)
        e = hn_sampler_new(cx, &o->sample, m->shape.vocab, &t->sampler);
    if (!e)
        e = hn_stop_new(cx, o->stop, o->stop_count, &t->stop);
    if (e) {
        hn_talk_free(t);
        return e;
    }
    *out = t;
    return HN_OK;
}

void hn_talk_free(hn_talk *t)
{
    if (!t)
        return;
    hn_ctx cx = t->cx;
    hn_stream_free(t->stream);
    hn_sampler_free(t->sampler);
    hn_stop_free(t->stop);
    hn_buf_free(&t->text);
    hn_buf_free(&t->shown);
    hn_free(&cx, t->held);
    hn_free(&cx, t);
}

hn_stream *hn_talk_stream(hn_talk *t) { return t->stream; }

static hn_err read(hn_ctx *cx, hn_talk *t, const int32_t *ids, size_t count, float **logits)
{
    HN_TRY(hn_stream_read(cx, t->stream, ids, count, false, logits));
    memcpy(t->held + t->held_count, ids, count * sizeof *ids);
    t->held_count += count;
    return HN_OK;
}

/* Makes room by forgetting: the first token stays (models lean on it), then the older half of the rest
 * goes.  Positions change, so what is kept is read again. */
static hn_err shift(hn_ctx *cx, hn_talk *t)
{
    size_t rest = t->held_count - 1, gone = rest - rest / 2, kept = rest / 2;
    float *logits;
    memmove(t->held + 1, t->held + 1 + gone, kept * sizeof *t->held);
    hn_stream_trim(t->stream, 1);
    t->held_count = 1 + kept;
    return kept ? hn_stream_read(cx, t->stream, t->held + 1, kept, false, &logits) : HN_OK;
}

/* The tokens both begin with; at least one of the prompt is left to read, or there would be no logits. */
static size_t common(const hn_talk *t, hn_ids prompt)
{
    size_t n = 0;
    while (n < t->held_count && n + 1 < prompt.count && t->held[n] == prompt.id[n])
        n++;
    if (t->m->shape.state && n < hn_stream_count(t->stream))
        n = 0;                                   /* a state cannot be taken back: it begins anew */
    return n;
}

static hn_text as_text(const hn_buf *b) { return (hn_text){ b->data ? b->data : "", b->len }; }

/* Passes on what is certain; false when the answer ends here. */
static bool pass_on(hn_talk *t, hn_said *said, void *user, const hn_sampled *token, bool stopped)
{
    bool go = said(user, t->shown.data ? t->shown.data : "", t->shown.len, token);
    t->shown.len = 0;
    return go && !stopped;
}

static hn_err take_tokens(hn_ctx *cx, hn_talk *t, float *logits, hn_said *said, void *user, uint64_t begin, hn_talk_stats *s)
{
    hn_detok detok = { .tok = t->m->tok };
    while (s->end == HN_END_NONE) {
        hn_sampled token;
        int which = -1;
        HN_TRY(hn_sampler_pick(cx, t->sampler, logits, &token));
        hn_sampler_accept(t->sampler, token.id);
        if (s->answer_tokens++ == 0)
            s->first_ms = hn_ms(hn_now_ns() - begin);
        if (!t->o.ignore_end && hn_tok_is_end(t->m->tok, token.id)) {
            s->end = HN_END_TOKEN;
            break;
        }
        t->text.len = 0;
        hn_detok_add(&detok, token.id, &t->text);
        HN_TRY(hn_buf_ok(&t->text, "text"));
        HN_TRY(hn_stop_add(cx, t->stop, as_text(&t->text), &t->shown, &which));
        bool stopped = which >= 0;
        HN_TRY(hn_buf_ok(&t->shown, "text"));
        if (!pass_on(t, said, user, &token, stopped))
            s->end = stopped ? HN_END_STOP : HN_END_CALLER;
        else if (t->o.tokens_max && s->answer_tokens >= t->o.tokens_max)
            s->end = HN_END_LENGTH;
        if (s->end != HN_END_NONE)
            break;
        if (hn_stream_room(t->stream) == 0) {
            if (t->o.on_full == HN_FULL_STOP || t->held_count < 4) {
                s->end = HN_END_FULL;
                break;
            }
            HN_TRY(shift(cx, t));
        }
        HN_TRY(read(cx, t, &token.id, 1, &logits));
    }
    t->text.len = 0;
    hn_detok_end(&detok, &t->text);
    if (s->end != HN_END_STOP) {                 /* what was held back in case it became a stop string */
        int which;
        HN_TRY(hn_stop_add(cx, t->stop, as_text(&t->text), &t->shown, &which));
        hn_stop_end(t->stop, &t->shown);
        if (t->shown.len)
            said(user, t->shown.data, t->shown.len, NULL);
        t->shown.len = 0;
    }
    return HN_OK;
}

hn_err hn_talk_answer(hn_ctx *cx, hn_talk *t, hn_ids prompt, hn_said *said, void *user, hn_talk_stats *stats)
{
    hn_talk_stats s = { .prompt_tokens = prompt.count };
    uint64_t begin = hn_now_ns();
    float *logits = NULL;

    if (prompt.count == 0)
        return hn_fail(cx, HN_EARG, "the prompt is empty");
    if (prompt.count > t->m->o.context)
        return hn_fail(cx, HN_ELIMIT, "the prompt has %zu tokens, the context holds %zu, %zu too many; give a larger --context "
                       "or a shorter prompt", prompt.count, t->m->o.context, prompt.count - t->m->o.context);
    s.reused_tokens = common(t, prompt);
    hn_stream_trim(t->stream, s.reused_tokens);
    t->held_count = s.reused_tokens;
    hn_stop_end(t->stop, &t->shown);             /* whatever an earlier answer left behind */
    t->shown.len = 0;
    hn_sampler_reset(t->sampler);
    for (size_t i = 0; i < prompt.count; i++)
        hn_sampler_accept(t->sampler, prompt.id[i]);
    HN_TRY(read(cx, t, prompt.id + s.reused_tokens, prompt.count - s.reused_tokens, &logits));
    uint64_t middle = hn_now_ns();
    s.prompt_ms = hn_ms(middle - begin);
    HN_TRY(take_tokens(cx, t, logits, said, user, begin, &s));
    s.answer_ms = hn_ms(hn_now_ns() - middle);
    if (stats)
        *stats = s;
    return HN_OK;
}
