/* SPDX-License-Identifier: Apache-2.0 */
/* Language models through hone.h: tokens, chats, answers, steps, errors, threads. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/api.h"

#define MODEL "models/storyteller/storyteller.gguf"

typedef struct teller {
    hone_ctx *ctx;
    hone_lm *lm;
    hone_error err;
} teller;

static teller open_teller(unsigned threads, size_t context)
{
    teller t = { .ctx = test_ctx(threads) };
    hone_lm_opts o = { .size = sizeof o, .context = context };
    DONE(hone_lm_open(t.ctx, MODEL, &o, &t.lm, &t.err), t.err);
    return t;
}

static void close_teller(teller *t)
{
    hone_lm_close(t->lm);
    hone_ctx_free(t->ctx);
}

static hone_stream *stream_of(teller *t, const hone_sampling *how)
{
    hone_stream *s = NULL;
    DONE(hone_stream_new(t->lm, how, &s, &t->err), t->err);
    return s;
}

static size_t ids_of(teller *t, const char *text, unsigned flags, int32_t *ids, size_t cap)
{
    size_t count = 0;
    DONE(hone_lm_tokenize(t->lm, text, strlen(text), flags, ids, cap, &count, &t->err), t->err);
    return count;
}

typedef struct said { char text[8192]; size_t len, tokens, most; float worst; } said;

static bool keep(void *user, const char *text, size_t len, const hone_token *token)
{
    said *s = user;
    CHECK(s->len + len < sizeof s->text);
    memcpy(s->text + s->len, text, len);
    s->len += len;
    s->text[s->len] = 0;
    if (token) {
        s->tokens++;
        s->worst = token->logprob < s->worst ? token->logprob : s->worst;
    }
    return !s->most || s->tokens < s->most;
}

static hone_answer answer(teller *t, hone_stream *s, const char *prompt, const hone_answer_opts *o, said *out)
{
    int32_t ids[512];
    hone_answer a = { 0 };
    size_t n = ids_of(t, prompt, HONE_TOKENS_SPECIAL, ids, 512);
    DONE(hone_stream_answer(s, ids, n, o, keep, out, &a, &t->err), t->err);
    return a;
}

/* ---- Tokens and chats -------------------------------------------------------------------------- */

TEST(a_model_says_what_it_is)
{
    teller t = open_teller(1, 0);
    hone_lm_info i;
    hone_lm_describe(t.lm, &i);
    CHECK(i.vocab > 1000 && i.context >= 256 && i.layers > 0 && i.width > 0 && i.kv_bytes > 0);
    CHECK(i.text && i.chat && i.bos >= 0 && i.eos >= 0);
    CHECK(hone_lm_is_end(t.lm, i.eos) && !hone_lm_is_end(t.lm, i.bos) && !hone_lm_is_end(t.lm, -1));
    close_teller(&t);
}

TEST(text_becomes_ids_and_text_again)
{
    teller t = open_teller(1, 0);
    const char *text = "The fox said: \"Gr\xC3\xBC\xC3\x9F Gott \xF0\x9F\xA6\x8A!\"\n";
    int32_t ids[128];
    char back[128];
    size_t count = ids_of(&t, text, 0, ids, 128), len = 0, need = 0;
    DONE(hone_lm_detokenize(t.lm, ids, count, 0, back, sizeof back, &len, &t.err), t.err);
    CHECK(len == strlen(text) && memcmp(back, text, len) == 0);

    CHECK_INT(hone_lm_tokenize(t.lm, text, strlen(text), 0, NULL, 0, &need, &t.err), HONE_ERROR_LIMIT);
    CHECK_INT(need, count);
    CHECK_INT(hone_lm_detokenize(t.lm, ids, count, 0, back, 3, &need, &t.err), HONE_ERROR_LIMIT);
    CHECK_INT(need, len);
    CHECK(strstr(t.err.message, "do not fit the buffer of 3") != NULL);
    CHECK_INT(hone_lm_tokenize(t.lm, "", 0, 0, NULL, 0, &need, NULL), HONE_OK);
    CHECK_INT(need, 0);
    CHECK_INT(ids_of(&t, "a", HONE_TOKENS_SPECIAL, ids, 128), ids_of(&t, "a", 0, ids, 128) + 1);
    ids[0] = 1 << 30;
    CHECK_INT(hone_lm_detokenize(t.lm, ids, 1, 0, back, sizeof back, &len, &t.err), HONE_ERROR_ARG);
    close_teller(&t);
}

TEST(a_chat_is_written_as_the_template_says)
{
    teller t = open_teller(1, 0);
    char text[512];
    size_t len = 0, again = 0;
    DONE(hone_lm_chat(t.lm, "[{\"role\": \"user\", \"content\": \"a fox\"}]", text, sizeof text, &len, &t.err), t.err);
    CHECK(len > 5 && memmem(text, len, "a fox", 5) != NULL);
    DONE(hone_lm_chat(t.lm, "{\"messages\": [{\"role\": \"user\", \"content\": \"a fox\"}], \"add_generation_prompt\": false}", text,
                      sizeof text, &again, &t.err), t.err);
    CHECK(again < len);

    static const struct { const char *json; hone_status status; const char *word; } bad[] = {
        { "hello", HONE_ERROR_FORMAT, "line 1" }, { "3", HONE_ERROR_FORMAT, "list of messages" },
        { "{}", HONE_ERROR_ARG, "messages" },
        { "[{\"role\": \"user\", \"role\": \"user\"}]", HONE_ERROR_FORMAT, "duplicate" },
        { "{\"messages\": 1}", HONE_ERROR_ARG, "messages" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(hone_lm_chat(t.lm, bad[i].json, text, sizeof text, &len, &t.err), bad[i].status);
        CHECK(strstr(t.err.message, bad[i].word) != NULL);
    }
    close_teller(&t);
}

TEST(an_answer_becomes_a_message)
{
    teller t = open_teller(1, 0);
    char json[256];
    size_t len = 0;
    const char *words = "So.<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</tool_call>";
    DONE(hone_lm_message(t.lm, words, strlen(words), NULL, json, sizeof json, &len, &t.err), t.err);
    json[len] = 0;
    CHECK(strstr(json, "\"content\":\"So.\"") && strstr(json, "\"name\":\"f\",\"arguments\":{\"x\":1}"));
    CHECK_INT(hone_lm_message(t.lm, words, strlen(words), "{}", json, sizeof json, &len, &t.err), HONE_ERROR_FORMAT);
    CHECK_INT(hone_lm_message(t.lm, "\xFF", 1, NULL, json, sizeof json, &len, &t.err), HONE_ERROR_FORMAT);
    close_teller(&t);
}

/* ---- Answers ----------------------------------------------------------------------------------- */

TEST(an_answer_and_its_steps_say_the_same)
{
    teller t = open_teller(2, 0);
    hone_sampling how = { .size = sizeof how, .seed = 7, .temperature = 0.8f, .top_k = 40, .penalty_window = 16,
                          .repeat = 1.1f };
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 60, .ignore_end = true };
    hone_stream *whole = stream_of(&t, &how), *steps = stream_of(&t, &how);
    said a = { 0 }, b = { 0 };
    int32_t ids[64];
    const float *logits = NULL;
    hone_answer told = answer(&t, whole, "Once upon a time", &o, &a);
    CHECK(told.answer_tokens == 60 && told.end == HONE_END_LENGTH && told.reused_tokens == 0);

    size_t n = ids_of(&t, "Once upon a time", HONE_TOKENS_SPECIAL, ids, 64);
    DONE(hone_stream_read(steps, ids, n, &logits, &t.err), t.err);
    CHECK(logits != NULL);
    for (size_t i = 0; i < 60; i++) {
        hone_token token;
        const char *text;
        size_t len;
        DONE(hone_stream_pick(steps, &token, &t.err), t.err);
        DONE(hone_stream_text(steps, token.id, &text, &len, &t.err), t.err);
        keep(&b, text, len, &token);
        DONE(hone_stream_read(steps, &token.id, 1, NULL, &t.err), t.err);
    }
    CHECK_TEXT(a.text, b.text);
    CHECK_INT(hone_stream_count(steps), n + 60);

    said again = { 0 };
    told = answer(&t, whole, "Once upon a time", &o, &again);      /* the seed begins anew with each answer */
    CHECK_TEXT(a.text, again.text);
    CHECK_INT(told.reused_tokens, n - 1);
    hone_stream_free(whole);
    hone_stream_free(steps);
    close_teller(&t);
}

TEST(an_answer_ends_where_it_should)
{
    teller t = open_teller(1, 64);
    hone_stream *s = stream_of(&t, NULL);
    const char *stop[] = { "zzzzz", " " };
    hone_answer_opts o = { .size = sizeof o, .stop = stop, .stop_count = 2, .ignore_end = true };
    said a = { 0 }, b = { 0 }, c = { .most = 3 }, d = { 0 };
    hone_answer told = answer(&t, s, "Once upon a", &o, &a);
    CHECK(told.end == HONE_END_STOP && !strchr(a.text, ' '));
    o = (hone_answer_opts){ .size = sizeof o, .ignore_end = true };
    told = answer(&t, s, "Once upon a time", &o, &b);
    CHECK(told.end == HONE_END_FULL && told.prompt_tokens + told.answer_tokens == 65 && hone_stream_room(s) == 0);
    told = answer(&t, s, "Once upon a time", &o, &c);
    CHECK(told.end == HONE_END_CALLER && c.tokens == 3);
    o.on_full = HONE_FULL_SHIFT;
    o.tokens_max = 150;
    told = answer(&t, s, "Once upon a time", &o, &d);
    CHECK(told.end == HONE_END_LENGTH && told.answer_tokens == 150 && hone_stream_count(s) <= 64);
    CHECK(memcmp(b.text, d.text, b.len) == 0);
    o.stop = (const char *[]){ "" };
    o.stop_count = 1;
    int32_t id = 1;
    CHECK_INT(hone_stream_answer(s, &id, 1, &o, keep, &d, NULL, &t.err), HONE_ERROR_ARG);
    hone_stream_free(s);
    close_teller(&t);
}

TEST(sampling_changes_and_tells_probabilities)
{
    teller t = open_teller(1, 0);
    hone_sampling how = { .size = sizeof how, .logprobs = true };
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 8, .ignore_end = true };
    hone_stream *s = stream_of(&t, &how);
    said a = { 0 }, b = { 0 };
    hone_bias bias[2] = { { 0, 0 } };
    int32_t ids[8];
    answer(&t, s, "Once upon a time", &o, &a);
    CHECK(a.tokens == 8 && a.worst < 0 && a.worst > -30);

    /* What was picked first is forbidden: something else comes. */
    size_t n = ids_of(&t, "Once upon a time", HONE_TOKENS_SPECIAL, ids, 8);
    hone_token first;
    hone_stream_trim(s, 0);
    DONE(hone_stream_read(s, ids, n, NULL, &t.err), t.err);
    DONE(hone_stream_pick(s, &first, &t.err), t.err);
    bias[0] = (hone_bias){ first.id, -__builtin_inff() };
    how.bias = bias;
    how.bias_count = 1;
    DONE(hone_stream_sampling(s, &how, &t.err), t.err);
    bias[0].id = 0;                                         /* it was copied */
    answer(&t, s, "Once upon a time", &o, &b);
    CHECK(strcmp(a.text, b.text) != 0);

    how.temperature = -1;
    CHECK_INT(hone_stream_sampling(s, &how, &t.err), HONE_ERROR_ARG);
    said c = { 0 };
    answer(&t, s, "Once upon a time", &o, &c);              /* as before the failure */
    CHECK_TEXT(b.text, c.text);
    hone_stream_free(s);
    close_teller(&t);
}

TEST(an_answer_keeps_to_its_grammar)
{
    teller t = open_teller(1, 0);
    hone_grammar *yes = NULL, *json = NULL;
    hone_sampling how = { .size = sizeof how, .seed = 2, .temperature = 1 };
    hone_stream *s = stream_of(&t, NULL);
    said a = { 0 }, b = { 0 };
    DONE(hone_grammar_new(t.lm, "root ::= (\"yes\" | \"no\") \"!\"{2}", &yes, &t.err), t.err);
    DONE(hone_grammar_from_schema(t.lm, "{\"enum\": [\"fox\", 12]}", &json, &t.err), t.err);
    how.grammar = yes;
    DONE(hone_stream_sampling(s, &how, &t.err), t.err);
    hone_answer told = answer(&t, s, "Once upon a time", NULL, &a);
    CHECK(told.end == HONE_END_TOKEN && (strcmp(a.text, "yes!!") == 0 || strcmp(a.text, "no!!") == 0));
    how.grammar = json;
    DONE(hone_stream_sampling(s, &how, &t.err), t.err);
    answer(&t, s, "Once upon a time", NULL, &b);
    CHECK(strcmp(b.text, "\"fox\"") == 0 || strcmp(b.text, "12") == 0);

    hone_grammar *none = NULL;
    CHECK_INT(hone_grammar_new(t.lm, "root ::= a", &none, &t.err), HONE_ERROR_FORMAT);
    CHECK(strstr(t.err.message, "'a' is used but not defined") != NULL);
    CHECK_INT(hone_grammar_from_schema(t.lm, "{", &none, &t.err), HONE_ERROR_FORMAT);
    CHECK_INT(hone_grammar_from_schema(t.lm, "{\"not\": {}}", &none, &t.err), HONE_ERROR_UNSUP);
    CHECK(none == NULL);
    teller other = open_teller(1, 0);
    hone_stream *wrong = NULL;
    CHECK_INT(hone_stream_new(other.lm, &how, &wrong, &t.err), HONE_ERROR_ARG);
    close_teller(&other);
    hone_stream_free(s);
    hone_grammar_free(yes);
    hone_grammar_free(json);
    close_teller(&t);
}

TEST(a_stream_takes_adapters)
{
    teller t = open_teller(1, 0);
    hone_adapter *a = NULL;
    hone_stream *s = stream_of(&t, NULL), *other = stream_of(&t, NULL);
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 12, .ignore_end = true };
    said plain = { 0 }, changed = { 0 }, again = { 0 }, beside = { 0 };
    DONE(hone_adapter_open(t.lm, "fuzz/seeds/lora/pair", &a, &t.err), t.err);
    answer(&t, s, "Once upon a time", &o, &plain);
    DONE(hone_stream_adapt(s, &(hone_adapter_use){ a, 40 }, 1, &t.err), t.err);
    hone_answer told = answer(&t, s, "Once upon a time", &o, &changed);
    CHECK(strcmp(plain.text, changed.text) != 0 && told.reused_tokens == 0);
    told = answer(&t, s, "Once upon a time", &o, &again);
    CHECK(told.reused_tokens > 0);
    CHECK_TEXT(again.text, changed.text);
    answer(&t, other, "Once upon a time", &o, &beside);
    CHECK_TEXT(beside.text, plain.text);
    hone_adapter *none = NULL;
    CHECK_INT(hone_adapter_open(t.lm, MODEL, &none, &t.err), HONE_ERROR_FORMAT);
    hone_stream_free(s);
    hone_stream_free(other);
    hone_adapter_close(a);
    close_teller(&t);
}

TEST(what_was_read_is_shared_saved_and_loaded)
{
    teller t = open_teller(1, 0);
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 16, .ignore_end = true };
    hone_stream *a = stream_of(&t, NULL), *b = stream_of(&t, NULL), *c = stream_of(&t, NULL);
    said x = { 0 }, y = { 0 }, z = { 0 };
    char path[] = "/tmp/hone-api-XXXXXX";
    close(mkstemp(path));
    answer(&t, a, "Once upon a time there was a fox who", &o, &x);
    size_t held = hone_stream_count(a), alone = hone_stream_bytes(a);
    DONE(hone_stream_share(b, a, held, &t.err), t.err);
    CHECK(hone_stream_bytes(a) + hone_stream_bytes(b) == alone);
    hone_answer told = answer(&t, b, "Once upon a time there was a fox who", &o, &y);
    CHECK_TEXT(x.text, y.text);
    CHECK(told.reused_tokens + 1 == told.prompt_tokens);
    DONE(hone_stream_save(a, path, &t.err), t.err);
    DONE(hone_stream_load(c, path, &t.err), t.err);
    told = answer(&t, c, "Once upon a time there was a fox who", &o, &z);
    CHECK_TEXT(x.text, z.text);
    CHECK(told.reused_tokens + 1 == told.prompt_tokens);
    CHECK_INT(hone_stream_load(c, MODEL, &t.err), HONE_ERROR_FORMAT);
    CHECK_INT(hone_stream_share(b, a, 400, &t.err), HONE_ERROR_ARG);
    unlink(path);
    hone_stream_free(a);
    hone_stream_free(b);
    hone_stream_free(c);
    close_teller(&t);
}

TEST(streams_that_read_together_say_what_each_says_alone)
{
    enum { STREAMS = 3, TOKENS = 12 };
    static const char *const prompts[STREAMS] = { "Once upon a time", "The king", "There was a fox who had" };
    teller t = open_teller(2, 0);
    hone_stream *together[STREAMS], *alone;
    hone_token picked[STREAMS], one;
    int32_t ids[64], next[STREAMS], heard[STREAMS][TOKENS];
    size_t count;
    for (size_t i = 0; i < STREAMS; i++) {
        together[i] = stream_of(&t, NULL);
        DONE(hone_lm_tokenize(t.lm, prompts[i], strlen(prompts[i]), HONE_TOKENS_SPECIAL, ids, 64, &count, &t.err), t.err);
        DONE(hone_stream_read(together[i], ids, count, NULL, &t.err), t.err);
        DONE(hone_stream_pick(together[i], &picked[i], &t.err), t.err);
    }
    for (size_t n = 0; n < TOKENS; n++) {
        for (size_t i = 0; i < STREAMS; i++)
            heard[i][n] = next[i] = picked[i].id;
        DONE(hone_stream_read_each(together, next, STREAMS, &t.err), t.err);
        for (size_t i = 0; i < STREAMS; i++)
            DONE(hone_stream_pick(together[i], &picked[i], &t.err), t.err);
    }
    for (size_t i = 0; i < STREAMS; i++) {
        alone = stream_of(&t, NULL);
        DONE(hone_lm_tokenize(t.lm, prompts[i], strlen(prompts[i]), HONE_TOKENS_SPECIAL, ids, 64, &count, &t.err), t.err);
        DONE(hone_stream_read(alone, ids, count, NULL, &t.err), t.err);
        for (size_t n = 0; n < TOKENS; n++) {
            DONE(hone_stream_pick(alone, &one, &t.err), t.err);
            CHECK_INT(one.id, heard[i][n]);
            DONE(hone_stream_read(alone, &one.id, 1, NULL, &t.err), t.err);
        }
        hone_stream_free(alone);
    }
    CHECK_INT(hone_stream_read_each(together, next, 0, &t.err), HONE_ERROR_ARG);
    together[1] = (hone_stream_free(together[1]), together[0]);
    CHECK_INT(hone_stream_read_each(together, next, 2, &t.err), HONE_ERROR_ARG);       /* one of them twice */
    hone_stream_free(together[0]);
    hone_stream_free(together[2]);
    close_teller(&t);
}

TEST(guessing_ahead_changes_no_answer)
{
    teller t = open_teller(1, 0), small = open_teller(1, 128);
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 40, .ignore_end = true };
    hone_stream *s = stream_of(&t, NULL);
    said plain = { 0 }, looked = { 0 }, drafted = { 0 };
    answer(&t, s, "The king and the fox and the king and", &o, &plain);
    DONE(hone_stream_guess(s, HONE_GUESS_LOOKUP, NULL, 0, &t.err), t.err);
    hone_answer told = answer(&t, s, "The king and the fox and the king and", &o, &looked);
    CHECK_TEXT(looked.text, plain.text);
    CHECK(told.guessed > 0);
    DONE(hone_stream_guess(s, HONE_GUESS_MODEL, small.lm, 3, &t.err), t.err);
    told = answer(&t, s, "The king and the fox and the king and", &o, &drafted);
    CHECK_TEXT(drafted.text, plain.text);
    CHECK(told.guessed_right > told.guessed / 2);
    CHECK_INT(hone_stream_guess(s, HONE_GUESS_MODEL, NULL, 3, &t.err), HONE_ERROR_ARG);
    CHECK_INT(hone_stream_guess(s, HONE_GUESS_LOOKUP, NULL, 8, &t.err), HONE_ERROR_ARG);
    hone_stream_free(s);
    close_teller(&t);
    close_teller(&small);
}

/* ---- Errors ------------------------------------------------------------------------------------ */

TEST(wrong_calls_are_refused_with_words)
{
    teller t = open_teller(1, 32);
    hone_stream *s = stream_of(&t, NULL);
    int32_t ids[64] = { 1 };
    hone_token token;
    said out = { 0 };
    CHECK_INT(hone_stream_pick(s, &token, &t.err), HONE_ERROR_ARG);
    CHECK(strstr(t.err.message, "nothing was read yet") != NULL);
    CHECK_INT(hone_stream_read(s, ids, 0, NULL, &t.err), HONE_ERROR_ARG);
    CHECK_INT(hone_stream_answer(s, ids, 0, NULL, keep, &out, NULL, &t.err), HONE_ERROR_ARG);
    CHECK_INT(hone_stream_answer(s, ids, 40, NULL, keep, &out, NULL, &t.err), HONE_ERROR_LIMIT);
    CHECK(strstr(t.err.message, "8 too many") != NULL);
    CHECK_INT(hone_stream_read(s, ids, 33, NULL, &t.err), HONE_ERROR_LIMIT);
    CHECK(strstr(t.err.message, "1 too many") != NULL);
    ids[1] = 1 << 30;
    CHECK(hone_stream_read(s, ids, 2, NULL, &t.err) != HONE_OK && strstr(t.err.message, "vocabulary") != NULL);
    CHECK_INT(hone_stream_count(s), 0);
    DONE(hone_stream_read(s, ids, 1, NULL, &t.err), t.err);
    hone_stream_trim(s, 0);
    CHECK_INT(hone_stream_pick(s, &token, &t.err), HONE_ERROR_ARG);
    hone_stream_free(s);

    hone_lm *lm = NULL;
    hone_lm_opts o = { .size = sizeof o, .kv = (hone_kv)99 };
    CHECK_INT(hone_lm_open(t.ctx, MODEL, &o, &lm, &t.err), HONE_ERROR_ARG);
    CHECK_INT(hone_lm_open(t.ctx, "nowhere.gguf", NULL, &lm, &t.err), HONE_ERROR_IO);
    CHECK_INT(hone_lm_open(t.ctx, DEMO_MODEL, NULL, &lm, &t.err), HONE_ERROR_FORMAT);
    static const uint64_t stub = 0x346554747;      /* "GGUF", version 3 and nothing more */
    CHECK_INT(hone_lm_open_memory(t.ctx, &stub, sizeof stub, NULL, &lm, &t.err), HONE_ERROR_FORMAT);
    CHECK(lm == NULL);
    hone_lm_close(NULL);
    hone_stream_free(NULL);
    close_teller(&t);
}

TEST(a_caller_built_against_a_shorter_struct_is_served)
{
    teller t = open_teller(1, 0);
    hone_sampling how = { .size = offsetof(hone_sampling, top_k), .seed = 5, .temperature = 1, .top_k = 1 };
    hone_stream *s = stream_of(&t, &how);      /* top_k = 1 lies behind its end and does not count */
    hone_answer_opts o = { .size = offsetof(hone_answer_opts, stop), .tokens_max = 12, .stop_count = 99 };
    said a = { 0 }, greedy = { 0 };
    answer(&t, s, "Once upon a time", &o, &a);
    DONE(hone_stream_sampling(s, NULL, &t.err), t.err);
    answer(&t, s, "Once upon a time", &o, &greedy);
    CHECK(strcmp(a.text, greedy.text) != 0);
    hone_stream_free(s);
    close_teller(&t);
}

/* ---- Threads ----------------------------------------------------------------------------------- */

typedef struct worker { teller *t; said out; pthread_t id; } worker;

static void *work(void *arg)
{
    worker *w = arg;
    teller mine = *w->t;                       /* its own hone_error */
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 24, .ignore_end = true };
    hone_stream *s = stream_of(&mine, NULL);
    answer(&mine, s, "Once upon a time", &o, &w->out);
    hone_stream_free(s);
    return NULL;
}

TEST(streams_on_many_threads_share_a_model)
{
    teller t = open_teller(2, 0);
    worker w[3] = { { .t = &t }, { .t = &t }, { .t = &t } };
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&w[i].id, NULL, work, &w[i]), 0);
    for (size_t i = 0; i < 3; i++)
        CHECK_INT(pthread_join(w[i].id, NULL), 0);
    CHECK(w[0].out.len > 0);
    CHECK_TEXT(w[0].out.text, w[1].out.text);
    CHECK_TEXT(w[0].out.text, w[2].out.text);
    close_teller(&t);
}
