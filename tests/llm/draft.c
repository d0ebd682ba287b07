/* SPDX-License-Identifier: Apache-2.0 */
/* Guessing ahead: whoever guesses, and however badly, the answer is the one that plain decoding gives. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "llm/talk.h"

#define MODEL "models/storyteller/storyteller.gguf"

enum { TOKENS = 48, IDS = 16 };

typedef struct teller { hn_ctx cx; hn_lm m; hn_grammar *g; hn_vocab *v; int32_t ids[IDS]; size_t count; } teller;

static void open_teller(teller *t, size_t context)
{
    static const char prompt[] = "The king said to the fox, and the fox said to the king";
    static const char grammar[] = "root ::= ([a-z]+ [ ,]+){200}";
    hn_lm_opts o = { .context = context };
    hn_tok_opts tok = { .add_special = true };
    hn_arena *a;
    hn_ids ids;
    *t = (teller){ 0 };
    CHECK_INT(hn_lm_open(&t->cx, MODEL, &o, &t->m), HN_OK);
    CHECK_INT(hn_arena_new(&t->cx, 0, &a), HN_OK);
    CHECK_INT(hn_tok_encode(&t->cx, t->m.tok, (hn_text){ prompt, sizeof prompt - 1 }, &tok, a, &ids), HN_OK);
    CHECK(ids.count <= IDS);
    memcpy(t->ids, ids.id, ids.count * sizeof *ids.id);
    t->count = ids.count;
    hn_arena_free(a);
    CHECK_INT(hn_grammar_new(&t->cx, (hn_text){ grammar, sizeof grammar - 1 }, &t->g), HN_OK);
    CHECK_INT(hn_vocab_new(&t->cx, t->m.tok, &t->v), HN_OK);
}

static void close_teller(teller *t)
{
    hn_grammar_free(t->g);
    hn_vocab_free(t->v);
    hn_lm_close(&t->m);
}

typedef struct said { int32_t id[512]; size_t count; } said;

static bool note(void *user, const char *text, size_t len, const hn_sampled *token)
{
    said *s = user;
    (void)text;
    (void)len;
    if (token && s->count < 512)
        s->id[s->count++] = token->id;
    return true;
}

static hn_talk_stats answer(teller *t, const hn_talk_opts *o, said *out)
{
    hn_talk *talk;
    hn_talk_stats stats;
    out->count = 0;
    CHECK_INT(hn_talk_new(&t->cx, &t->m, NULL, o, &talk), HN_OK);
    hn_err e = hn_talk_answer(&t->cx, talk, (hn_ids){ t->ids, t->count }, note, out, &stats);
    if (e)
        print_message("%s\n", t->cx.msg);
    CHECK_INT(e, HN_OK);
    if (stats.end == HN_END_LENGTH)              /* wrong guesses are gone, right ones behind the end too */
        CHECK(hn_stream_count(hn_talk_stream(talk)) <= t->m.o.context &&
              (o->on_full || hn_stream_count(hn_talk_stream(talk)) == t->count + stats.answer_tokens - 1));
    hn_talk_free(talk);
    return stats;
}

/* Someone who knows the answer and says it right in `percent` of all cases. */
typedef struct knower { const said *answer; size_t prompt; unsigned percent; uint32_t seed; } knower;

static hn_err guess_known(hn_ctx *cx, void *user, hn_ids text, int32_t last, size_t most, int32_t *out, size_t *count)
{
    knower *k = user;
    size_t next = text.count + 1 - k->prompt;
    (void)cx;
    (void)last;
    for (*count = 0; *count < most && next < k->answer->count; next++) {
        k->seed = k->seed * 1664525u + 1013904223u;
        out[(*count)++] = k->seed % 100 < k->percent ? k->answer->id[next] : 300 + (int32_t)(k->seed >> 20) % 100;
    }
    return HN_OK;
}

static void compare(teller *t, hn_talk_opts o, const char *what)
{
    said plain, got;
    hn_draft_model *small;
    hn_lm other;
    hn_lm_opts lo = { .context = 256, .kv = HN_QT_Q4_0 };            /* nearly the same model: mostly right */
    hn_talk_stats want = answer(t, &o, &plain), s;
    knower half = { &plain, t->count, 70, 1 }, never = { &plain, t->count, 0, 2 };
    CHECK_INT(hn_lm_open(&t->cx, MODEL, &lo, &other), HN_OK);
    CHECK_INT(hn_draft_model_new(&t->cx, &t->m, &other, NULL, &small), HN_OK);
    const hn_draft drafts[] = { hn_draft_lookup(), hn_draft_of_model(small), { guess_known, &half },
                                { guess_known, &never } };
    static const char *const names[] = { "lookup", "model", "70 % right", "never right" };
    for (size_t i = 0; i < 4; i++)
        for (size_t most = 1; most <= HN_GUESS_MAX; most += 6) {
            o.draft = drafts[i];
            o.guess_max = most;
            s = answer(t, &o, &got);
            bool equal = got.count == plain.count && s.end == want.end &&
                         memcmp(got.id, plain.id, plain.count * sizeof *plain.id) == 0;
            if (!equal || most == HN_GUESS_MAX)
                print_message("%s, %s: %zu of %zu guesses right\n", what, names[i], s.guessed_right, s.guessed);
            CHECK(equal);
            CHECK(s.guessed_right <= s.guessed && s.answer_tokens == want.answer_tokens);
        }
    hn_draft_model_free(small);
    hn_lm_close(&other);
}

TEST(guesses_change_no_token)
{
    teller t;
    open_teller(&t, 0);
    hn_talk_opts o = { .tokens_max = TOKENS, .ignore_end = true };
    compare(&t, o, "greedy");
    o.sample = (hn_sample_opts){ .seed = 5, .temperature = 0.8f, .top_k = 40, .top_p = 0.95f };
    compare(&t, o, "sampled");
    o.sample.penalty_window = 32;
    o.sample.repeat = 1.2f;
    o.sample.dry_multiplier = 0.5f;
    compare(&t, o, "with penalties");
    o.sample = (hn_sample_opts){ .seed = 6, .temperature = 1, .mirostat = 2 };
    compare(&t, o, "mirostat");
    o.sample = (hn_sample_opts){ .seed = 7, .temperature = 0.7f };
    o.grammar = t.g;
    o.vocab = t.v;
    compare(&t, o, "with a grammar");
    close_teller(&t);
}

TEST(guesses_stop_where_the_answer_stops)
{
    teller t;
    hn_text stop = { "the", 3 };
    hn_talk_opts o = { .tokens_max = TOKENS };
    open_teller(&t, 48);
    compare(&t, o, "ends itself");
    o.ignore_end = true;
    compare(&t, o, "a full context");
    o.on_full = HN_FULL_SHIFT;
    said plain, got;
    hn_talk_stats want = answer(&t, &o, &plain);
    o.draft = hn_draft_lookup();
    hn_talk_stats s = answer(&t, &o, &got);
    CHECK(want.end == s.end && plain.count == TOKENS && memcmp(plain.id, got.id, sizeof(int32_t) * TOKENS) == 0);
    o.stop = &stop;
    o.stop_count = 1;
    o.draft.guess = NULL;
    want = answer(&t, &o, &plain);
    o.draft = hn_draft_lookup();
    s = answer(&t, &o, &got);
    CHECK(want.end == s.end && plain.count == got.count);
    close_teller(&t);
}

TEST(only_a_model_of_the_same_vocabulary_guesses)
{
    teller t;
    hn_lm other;
    hn_draft_model *small = NULL;
    const char *found = hn_test_data("llm/stories260k/stories260K-Q4_0.gguf");
    if (!found)
        return;
    open_teller(&t, 0);
    CHECK_INT(hn_lm_open(&t.cx, found, &(hn_lm_opts){ .context = 64 }, &other), HN_OK);
    CHECK_INT(hn_draft_model_new(&t.cx, &t.m, &other, NULL, &small), HN_EARG);
    CHECK(strstr(t.cx.msg, "same vocabulary") != NULL);
    hn_lm_close(&other);
    close_teller(&t);
}
