/* SPDX-License-Identifier: Apache-2.0 */
/* chat.c: talk with a language model through hone.h.
 *
 *     chat MODEL.gguf [SEED]
 *
 * Each line of standard input is a turn.  The whole conversation goes through the model's chat template at
 * every turn; what the stream already holds of it is not read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hone.h"

typedef struct text { char *data; size_t len, cap; } text;

static void add(text *t, const char *data, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        t->cap = (t->len + len + 1) * 2;
        t->data = realloc(t->data, t->cap);
        if (!t->data)
            abort();
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = 0;
}

/* The text as a JSON string, without its quotes. */
static void add_json(text *t, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char code[8];
        unsigned char c = (unsigned char)data[i];
        int n = snprintf(code, sizeof code, c < 32 || c == '"' || c == '\\' ? "\\u%04x" : "%c", c);
        add(t, code, (size_t)n);
    }
}

static void add_message(text *t, const char *role, const char *data, size_t len)
{
    add(t, t->len > 1 ? ", " : "", t->len > 1 ? 2 : 0);
    add(t, "{\"role\": \"", 10);
    add(t, role, strlen(role));
    add(t, "\", \"content\": \"", 15);
    add_json(t, data, len);
    add(t, "\"}", 2);
}

static bool on_text(void *user, const char *data, size_t len, const hone_token *token)
{
    (void)token;
    add(user, data, len);
    fwrite(data, 1, len, stdout);
    return fflush(stdout) == 0;
}

/* The conversation so far, as ids: first how many, then which. */
static hone_status render(const hone_lm *lm, const char *json, int32_t **ids, size_t *count, hone_error *err)
{
    size_t len = 0;
    char *prompt = NULL;
    hone_status s = hone_lm_chat(lm, json, NULL, 0, &len, err);
    if (s == HONE_ERROR_LIMIT) {
        prompt = malloc(len);
        s = prompt ? hone_lm_chat(lm, json, prompt, len, &len, err) : HONE_ERROR_NOMEM;
    }
    if (s == HONE_OK)
        s = hone_lm_tokenize(lm, prompt, len, HONE_TOKENS_PARSE, NULL, 0, count, err);
    if (s == HONE_ERROR_LIMIT) {
        *ids = malloc(*count * sizeof **ids);
        s = *ids ? hone_lm_tokenize(lm, prompt, len, HONE_TOKENS_PARSE, *ids, *count, count, err) : HONE_ERROR_NOMEM;
    }
    free(prompt);
    return s;
}

static hone_status turn(const hone_lm *lm, hone_stream *stream, text *talk, const char *line, hone_error *err)
{
    text answer = { NULL, 0, 0 }, json = { NULL, 0, 0 };
    int32_t *ids = NULL;
    size_t count = 0;
    hone_answer_opts o = { .size = sizeof o, .tokens_max = 64 };
    hone_answer told;

    add_message(talk, "user", line, strlen(line));
    add(&json, talk->data, talk->len);
    add(&json, "]", 1);
    hone_status s = render(lm, json.data, &ids, &count, err);
    if (s == HONE_OK)
        s = hone_stream_answer(stream, ids, count, &o, on_text, &answer, &told, err);
    if (s == HONE_OK) {
        printf("\n[%zu tokens of the prompt, %zu of them known; %zu of the answer]\n", told.prompt_tokens, told.reused_tokens,
               told.answer_tokens);
        add_message(talk, "assistant", answer.data ? answer.data : "", answer.len);
    }
    free(ids);
    free(json.data);
    free(answer.data);
    return s;
}

static hone_status talk_on(hone_lm *lm, uint64_t seed, hone_error *err)
{
    hone_sampling how = { .size = sizeof how, .seed = seed, .temperature = 0.7f, .top_k = 40 };
    hone_stream *stream = NULL;
    text talk = { NULL, 0, 0 };
    char line[4096];
    hone_status s = hone_stream_new(lm, &how, &stream, err);
    add(&talk, "[", 1);
    while (s == HONE_OK && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        s = turn(lm, stream, &talk, line, err);
    }
    hone_stream_free(stream);
    free(talk.data);
    return s;
}

int main(int argc, char **argv)
{
    hone_ctx *ctx = NULL;
    hone_lm *lm = NULL;
    hone_error err = { HONE_OK, "" };

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: chat MODEL.gguf [SEED]\n");
        return 2;
    }
    hone_status s = hone_ctx_new(NULL, &ctx, &err);
    if (s == HONE_OK)
        s = hone_lm_open(ctx, argv[1], NULL, &lm, &err);
    if (s == HONE_OK)
        s = talk_on(lm, argc > 2 ? strtoull(argv[2], NULL, 10) : 1, &err);
    if (s != HONE_OK)
        fprintf(stderr, "chat: %s\n", err.message);
    hone_lm_close(lm);
    hone_ctx_free(ctx);
    return s == HONE_OK ? 0 : 1;
}
