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
    hn_match *match;                     /* where the answer is in its grammar; NULL: there is none */
    hn_detok detok;
    hn_talk_opts o;
    float *logits;                       /* of the last token read; NULL before */
    int32_t guess[HN_GUESS_MAX];         /* read behind the last token, and not yet known to be right */
    size_t guess_count, right;           /* how many; how many of them turned out right */
    size_t guess_next;                   /* how many to guess next: more where guesses are right */
    hn_buf text;                         /* what the detokeniser gives, then what may be shown */
    hn_buf shown;
};

hn_err hn_talk_set(hn_ctx *cx, hn_talk *t, const hn_talk_opts *o)
{
    hn_sampler *sampler;
    hn_stop *stop = NULL;
    hn_match *match = NULL;
    HN_TRY(hn_sampler_new(cx, &o->sample, t->m->shape.vocab, &sampler));
    hn_err e = hn_stop_new(cx, o->stop, o->stop_count, &stop);
    if (!e && o->grammar)
        e = hn_match_new(cx, o->grammar, o->vocab, &match);
    size_t held = hn_stream_count(t->stream);
    if (!e && o->draft.guess && t->m->shape.state)
        e = hn_fail(cx, HN_EUNSUP, "unsupported: guessing ahead with a model that remembers as a state");
    if (!e)
        e = hn_stream_adapt(cx, t->stream, o->lora, o->lora_count);
    if (e) {
        hn_sampler_free(sampler);
        hn_stop_free(stop);
        hn_match_free(match);
        return e;
    }
    hn_sampler_free(t->sampler);
    hn_stop_free(t->stop);
    hn_match_free(t->match);
    t->match = match;
    t->sampler = sampler;
    t->stop = stop;
    t->o = *o;
    t->o.guess_max = hn_min(o->guess_max ? o->guess_max : 4, HN_GUESS_MAX);
    t->guess_next = t->o.guess_max;
    t->o.stop = NULL;                    /* copied: the caller's lists may go */
    t->o.sample.bias = NULL;
    t->o.sample.dry_break = NULL;
    t->o.lora = NULL;
    if (hn_stream_count(t->stream) != held)
        t->logits = NULL;
    return HN_OK;
}

hn_err hn_talk_new(hn_ctx *cx, const hn_lm *m, hn_pool *pool, const hn_talk_opts *o, hn_talk **out)
{
    hn_talk *t = hn_calloc(cx, 1, sizeof *t);
    if (!t)
        return hn_nomem(cx, "a conversation");
    t->cx.env = cx->env;
    t->m = m;
    t->text.cx = t->shown.cx = &t->cx;
    t->detok = (hn_detok){ .tok = m->tok, .begun = true };      /* what it says follows something: spaces count */
    hn_err e = hn_stream_new(cx, m, pool, &t->stream);
    if (!e)
        e = hn_talk_set(cx, t, o);
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
    hn_match_free(t->match);
    hn_buf_free(&t->text);
    hn_buf_free(&t->shown);
    hn_free(&cx, t);
}

hn_stream *hn_talk_stream(hn_talk *t) { return t->stream; }

/* Tokens that are part of the text: without guesses not known to be right. */
static size_t sure(const hn_talk *t) { return hn_stream_count(t->stream) - (t->guess_count - t->right); }

static void drop_guesses(hn_talk *t)
{
    hn_stream_trim(t->stream, sure(t));
    t->guess_count = t->right = 0;
}

static hn_err read(hn_ctx *cx, hn_talk *t, const int32_t *ids, size_t count)
{
    t->guess_count = t->right = 0;
    hn_err e = hn_stream_read(cx, t->stream, ids, count, false, &t->logits);
    if (e)
        t->logits = NULL;                /* what it pointed to may be gone */
    return e;
}

/* The token that was picked, and guesses behind it, all in one pass. */
static hn_err read_guessing(hn_ctx *cx, hn_talk *t, int32_t id, size_t room, hn_talk_stats *s)
{
    int32_t ids[HN_GUESS_MAX + 1] = { id };
    size_t n = 0, most = hn_min(t->guess_next, room);
    if (most > 0)
        HN_TRY(t->o.draft.guess(cx, t->o.draft.user, hn_stream_ids(t->stream), id, most, ids + 1, &n));
    if (n == 0)
        return read(cx, t, &id, 1);
    hn_err e = hn_stream_read(cx, t->stream, ids, n + 1, true, &t->logits);
    if (e) {
        t->logits = NULL;
        return e;
    }
    memcpy(t->guess, ids + 1, n * sizeof *ids);
    t->guess_count = n;
    t->right = 0;
    s->guessed += n;
    return HN_OK;
}

/* On to the logits behind a token: already there where it was guessed, or by reading it.  room: tokens that may
 * be read behind it. */
static hn_err advance(hn_ctx *cx, hn_talk *t, int32_t id, size_t room, hn_talk_stats *s)
{
    if (t->right < t->guess_count && t->guess[t->right] == id) {
        t->right++;
        s->guessed_right++;
        t->logits += t->m->shape.vocab;
        return HN_OK;
    }
    if (t->guess_count)
        t->guess_next = t->right == t->guess_count ? hn_min(t->guess_next + 1, t->o.guess_max) : hn_max(t->right, 1);
    drop_guesses(t);
    return t->o.draft.guess ? read_guessing(cx, t, id, room, s) : read(cx, t, &id, 1);
}

/* Makes room by forgetting: the first token stays (models lean on it), then the older half of the rest
 * goes.  Positions change, so what is kept is read again. */
static hn_err shift(hn_ctx *cx, hn_talk *t)
{
    drop_guesses(t);
    hn_ids held = hn_stream_ids(t->stream);
    size_t rest = held.count - 1, kept = rest / 2;
    int32_t *again = hn_alloc(cx, (kept + 1) * sizeof *again);
    if (!again)
        return hn_nomem(cx, "a conversation");
    memcpy(again, held.id + held.count - kept, kept * sizeof *again);
    int32_t begin = held.id[0];
    size_t left = hn_stream_trim(t->stream, 1);
    hn_err e = left == 0 ? read(cx, t, &begin, 1) : HN_OK;
    if (!e && kept)
        e = read(cx, t, again, kept);
    hn_free(cx, again);
    return e;
}

/* The tokens both begin with; at least one of the prompt is left to read, or there would be no logits. */
static size_t common(const hn_talk *t, hn_ids prompt)
{
    hn_ids held = hn_stream_ids(t->stream);
    size_t n = 0;
    while (n < held.count && n + 1 < prompt.count && held.id[n] == prompt.id[n])
        n++;
    return n;
}

static hn_err want_tokenizer(hn_ctx *cx, const hn_talk *t)
{
    return t->m->tok ? HN_OK : hn_fail(cx, HN_EUNSUP, "unsupported: a model without a tokenizer cannot make text");
}

static void clear(hn_buf *b)
{
    b->len = 0;
    b->failed = false;
}

static hn_text as_text(const hn_buf *b) { return (hn_text){ b->data ? b->data : "", b->len }; }

/* The next token; where a grammar rules, one that it allows. */
static hn_err pick(hn_ctx *cx, hn_talk *t, hn_sampled *out)
{
    const uint32_t *mask = NULL;
    if (t->match)
        HN_TRY(hn_match_allowed(cx, t->match, &mask));
    hn_sampler_allow(t->sampler, mask, mask ? hn_tok_count(t->m->tok) / 32 + 1 : 0);
    HN_TRY(hn_sampler_pick(cx, t->sampler, t->logits, out));
    return t->match ? hn_match_accept(cx, t->match, out->id) : HN_OK;
}

/* Passes on what is certain; false when the answer ends here. */
static bool pass_on(hn_talk *t, hn_said *said, void *user, const hn_sampled *token, bool stopped)
{
    bool go = said(user, t->shown.data ? t->shown.data : "", t->shown.len, token);
    clear(&t->shown);
    return go && !stopped;
}

static hn_err take_tokens(hn_ctx *cx, hn_talk *t, hn_said *said, void *user, uint64_t begin, hn_talk_stats *s)
{
    while (s->end == HN_END_NONE) {
        hn_sampled token;
        int which = -1;
        HN_TRY(pick(cx, t, &token));
        hn_sampler_accept(t->sampler, token.id);
        if (s->answer_tokens++ == 0)
            s->first_ms = hn_ms(hn_now_ns() - begin);
        bool may_end = t->match || !t->o.ignore_end;
        if (may_end && hn_tok_is_end(t->m->tok, token.id)) {
            s->end = HN_END_TOKEN;
            break;
        }
        hn_text text;
        HN_TRY(hn_talk_text(cx, t, token.id, &text));
        HN_TRY(hn_stop_add(cx, t->stop, text, &t->shown, &which));
        bool stopped = which >= 0;
        if (t->shown.failed)
            return hn_nomem(cx, "text");
        if (!pass_on(t, said, user, &token, stopped))
            s->end = stopped ? HN_END_STOP : HN_END_CALLER;
        else if (t->match && hn_match_done(t->match))
            s->end = HN_END_TOKEN;               /* nothing else could follow */
        else if (t->o.tokens_max && s->answer_tokens >= t->o.tokens_max)
            s->end = HN_END_LENGTH;
        if (s->end != HN_END_NONE)
            break;
        size_t room = t->m->o.context - sure(t);
        if (room == 0) {
            if (t->o.on_full == HN_FULL_STOP || sure(t) < 4) {
                s->end = HN_END_FULL;
                break;
            }
            HN_TRY(shift(cx, t));
            room = hn_stream_room(t->stream);
        }
        if (t->o.tokens_max)                     /* what lies behind the last token is not asked for */
            room = hn_min(room, t->o.tokens_max - s->answer_tokens);
        HN_TRY(advance(cx, t, token.id, room - 1, s));
    }
    drop_guesses(t);
    clear(&t->text);
    hn_detok_end(&t->detok, &t->text);
    if (s->end != HN_END_STOP) {                 /* what was held back in case it became a stop string */
        int which;
        HN_TRY(hn_stop_add(cx, t->stop, as_text(&t->text), &t->shown, &which));
        hn_stop_end(t->stop, &t->shown);
        if (t->shown.failed || t->text.failed)
            return hn_nomem(cx, "text");
        if (t->shown.len)
            said(user, t->shown.data, t->shown.len, NULL);
        clear(&t->shown);
    }
    return HN_OK;
}

hn_err hn_talk_answer(hn_ctx *cx, hn_talk *t, hn_ids prompt, hn_said *said, void *user, hn_talk_stats *stats)
{
    hn_talk_stats s = { .prompt_tokens = prompt.count };
    uint64_t begin = hn_now_ns();

    HN_TRY(want_tokenizer(cx, t));
    if (prompt.count == 0)
        return hn_fail(cx, HN_EARG, "the prompt is empty");
    if (prompt.count > t->m->o.context)
        return hn_fail(cx, HN_ELIMIT, "the prompt has %zu tokens, the context holds %zu, %zu too many; give a larger --context "
                       "or a shorter prompt", prompt.count, t->m->o.context, prompt.count - t->m->o.context);
    s.reused_tokens = hn_stream_trim(t->stream, common(t, prompt));
    t->detok = (hn_detok){ .tok = t->m->tok, .special = t->o.special, .begun = true };
    if (t->match)
        hn_match_reset(t->match);
    hn_stop_end(t->stop, &t->shown);             /* whatever an earlier answer left behind */
    clear(&t->shown);
    hn_sampler_reset(t->sampler);
    for (size_t i = 0; i < prompt.count; i++)
        hn_sampler_accept(t->sampler, prompt.id[i]);
    HN_TRY(read(cx, t, prompt.id + s.reused_tokens, prompt.count - s.reused_tokens));
    uint64_t middle = hn_now_ns();
    s.prompt_ms = hn_ms(middle - begin);
    HN_TRY(take_tokens(cx, t, said, user, begin, &s));
    s.answer_ms = hn_ms(hn_now_ns() - middle);
    if (stats)
        *stats = s;
    return HN_OK;
}

/* ---- Step by step ---------------------------------------------------------------------------------- */

hn_err hn_talk_read(hn_ctx *cx, hn_talk *t, const int32_t *ids, size_t count, float **logits)
{
    HN_TRY(read(cx, t, ids, count));
    for (size_t i = 0; i < count; i++)
        hn_sampler_accept(t->sampler, ids[i]);
    *logits = t->logits;
    return HN_OK;
}

hn_err hn_talk_read_each(hn_ctx *cx, hn_talk *const *t, const int32_t *ids, size_t count)
{
    hn_stream **stream = hn_calloc(cx, count + 1, sizeof *stream);
    float **logits = hn_calloc(cx, count + 1, sizeof *logits);
    for (size_t i = 0; i < count && stream; i++)
        stream[i] = t[i]->stream;
    hn_err e = stream && logits ? hn_stream_read_each(cx, stream, ids, count, logits) : hn_nomem(cx, "streams");
    for (size_t i = 0; i < count; i++) {
        t[i]->guess_count = t[i]->right = 0;
        t[i]->logits = e ? NULL : logits[i];
        if (!e)
            hn_sampler_accept(t[i]->sampler, ids[i]);
    }
    hn_free(cx, stream);
    hn_free(cx, logits);
    return e;
}

hn_err hn_talk_pick(hn_ctx *cx, hn_talk *t, hn_sampled *out)
{
    if (!t->logits)
        return hn_fail(cx, HN_EARG, "nothing was read yet: there is nothing to pick from");
    return pick(cx, t, out);
}

hn_err hn_talk_text(hn_ctx *cx, hn_talk *t, int32_t id, hn_text *out)
{
    HN_TRY(want_tokenizer(cx, t));
    clear(&t->text);
    hn_detok_add(&t->detok, id, &t->text);
    if (t->text.failed)
        return hn_nomem(cx, "text");
    *out = as_text(&t->text);
    return HN_OK;
}

static void begin_text(hn_talk *t)
{
    t->guess_count = t->right = 0;
    t->detok = (hn_detok){ .tok = t->m->tok, .special = t->o.special, .begun = true };
    t->logits = NULL;
}

hn_err hn_talk_share(hn_ctx *cx, hn_talk *t, hn_talk *from, size_t count)
{
    begin_text(t);
    return hn_stream_share(cx, t->stream, from->stream, count);
}

hn_err hn_talk_load(hn_ctx *cx, hn_talk *t, const char *path)
{
    HN_TRY(hn_stream_load(cx, t->stream, path));
    begin_text(t);
    return HN_OK;
}

size_t hn_talk_trim(hn_talk *t, size_t count)
{
    if (count >= hn_stream_count(t->stream))
        return hn_stream_count(t->stream);
    begin_text(t);
    return hn_stream_trim(t->stream, count);
}
