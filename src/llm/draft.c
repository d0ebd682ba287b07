/* SPDX-License-Identifier: Apache-2.0 */
#include "llm/draft.h"

#include <string.h>

#include "base/num.h"

/* ---- From the text itself ----------------------------------------------------------------------- */

#define GRAM_MAX 4               /* the longest ending looked for ... */
#define GRAM_MIN 2               /* ... and the shortest: one token says too little */

/* The text with the last token behind it. */
static int32_t at(hn_ids text, int32_t last, size_t i) { return i < text.count ? text.id[i] : last; }

static bool same(hn_ids text, int32_t last, size_t a, size_t b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (at(text, last, a + i) != at(text, last, b + i))
            return false;
    return true;
}

static hn_err guess_from_text(hn_ctx *cx, void *user, hn_ids text, int32_t last, size_t most, int32_t *out,
                              size_t *count)
{
    size_t n = text.count + 1;
    (void)cx;
    (void)user;
    *count = 0;
    for (size_t gram = hn_min(GRAM_MAX, n - 1); gram >= GRAM_MIN; gram--)
        for (size_t from = n - gram; from-- > 0;)                    /* the latest first */
            if (same(text, last, from, n - gram, gram)) {
                for (size_t i = from + gram; i < n && *count < most; i++)
                    out[(*count)++] = at(text, last, i);
                return HN_OK;
            }
    return HN_OK;
}

hn_draft hn_draft_lookup(void) { return (hn_draft){ guess_from_text, NULL }; }

/* ---- From a smaller model ----------------------------------------------------------------------- */

struct hn_draft_model {
    hn_ctx cx;
    const hn_lm *m;
    hn_stream *stream;
};

static bool same_vocabulary(const hn_tok *a, const hn_tok *b)
{
    if (hn_tok_count(a) != hn_tok_count(b))
        return false;
    for (size_t i = 0; i < hn_tok_count(a); i++) {
        hn_text x = hn_tok_text(a, (int32_t)i), y = hn_tok_text(b, (int32_t)i);
        if (x.len != y.len || memcmp(x.ptr, y.ptr, x.len) != 0)
            return false;
    }
    return true;
}

hn_err hn_draft_model_new(hn_ctx *cx, const hn_lm *m, const hn_lm *small, hn_pool *pool, hn_draft_model **out)
{
    if (!m->tok || !small->tok || !same_vocabulary(m->tok, small->tok))
        return hn_fail(cx, HN_EARG, "the model that guesses must have the same vocabulary");
    hn_draft_model *d = hn_calloc(cx, 1, sizeof *d);
    if (!d)
        return hn_nomem(cx, "a model that guesses");
    d->cx.env = cx->env;
    d->m = small;
    hn_err e = hn_stream_new(cx, small, pool, &d->stream);
    if (e) {
        hn_draft_model_free(d);
        return e;
    }
    *out = d;
    return HN_OK;
}

void hn_draft_model_free(hn_draft_model *d)
{
    if (!d)
        return;
    hn_ctx cx = d->cx;
    hn_stream_free(d->stream);
    hn_free(&cx, d);
}

static int32_t best_of(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

/* Reads what it does not hold yet of the text, then `last`. */
static hn_err catch_up(hn_ctx *cx, hn_draft_model *d, hn_ids text, int32_t last, float **logits)
{
    hn_ids held = hn_stream_ids(d->stream);
    size_t same_count = 0;
    while (same_count < held.count && same_count < text.count && held.id[same_count] == text.id[same_count])
        same_count++;
    same_count = hn_stream_trim(d->stream, same_count);
    if (same_count < text.count)
        HN_TRY(hn_stream_read(cx, d->stream, text.id + same_count, text.count - same_count, false, logits));
    return hn_stream_read(cx, d->stream, &last, 1, false, logits);
}

static hn_err guess_by_model(hn_ctx *cx, void *user, hn_ids text, int32_t last, size_t most, int32_t *out,
                             size_t *count)
{
    hn_draft_model *d = user;
    float *logits;
    *count = 0;
    if (most == 0 || text.count + 1 + most > d->m->o.context)         /* longer than it can look back: no guesses */
        return HN_OK;
    HN_TRY(catch_up(cx, d, text, last, &logits));
    for (;;) {
        out[*count] = best_of(logits, d->m->shape.vocab);
        if (++*count == most)
            return HN_OK;
        HN_TRY(hn_stream_read(cx, d->stream, &out[*count - 1], 1, false, &logits));
    }
}

hn_draft hn_draft_of_model(hn_draft_model *d) { return (hn_draft){ guess_by_model, d }; }
