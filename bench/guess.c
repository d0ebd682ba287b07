/* SPDX-License-Identifier: Apache-2.0 */
/* What guessing ahead is worth when a given share of the guesses is right.
 *
 *     build/x86_64/bench/guess MODEL.gguf [percent right] [tokens] [rounds]
 *
 * The answer is found by plain greedy decoding first; then whoever guesses knows it, and says each token right in
 * that share of all cases.  Plain and guessing rounds take turns, so a busy neighbour meets both; the figure is the
 * median of their ratios. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pool.h"
#include "llm/talk.h"

enum { PROMPT = 16, TOKENS_MAX = 512, ROUNDS_MAX = 32 };

typedef struct known { int32_t id[TOKENS_MAX]; size_t count, keep; unsigned percent; uint32_t seed; } known;

static bool note(void *user, const char *text, size_t len, const hn_sampled *token)
{
    known *k = user;
    (void)text;
    (void)len;
    if (token && k->count < k->keep)
        k->id[k->count++] = token->id;
    return true;
}

static hn_err guess(hn_ctx *cx, void *user, hn_ids text, int32_t last, size_t most, int32_t *out, size_t *count)
{
    known *k = user;
    size_t next = text.count + 1 - PROMPT;
    (void)cx;
    (void)last;
    for (*count = 0; *count < most && next < k->count; next++) {
        k->seed = k->seed * 1664525u + 1013904223u;
        out[(*count)++] = (k->seed >> 8) % 100 < k->percent ? k->id[next] : 5;
    }
    return HN_OK;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void die(const hn_ctx *cx)
{
    fprintf(stderr, "%s\n", cx->msg);
    exit(1);
}

int main(int argc, char **argv)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    hn_pool *pool;
    hn_talk *plain, *ahead;
    known k = { .keep = TOKENS_MAX, .percent = argc > 2 ? (unsigned)atoi(argv[2]) : 70, .seed = 1 }, none = { 0 };
    size_t tokens = argc > 3 ? strtoul(argv[3], NULL, 10) : 64, rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 3;
    int32_t prompt[PROMPT];
    double ratio[ROUNDS_MAX];
    if (argc < 2 || tokens > TOKENS_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: guess MODEL.gguf [PERCENT] [TOKENS, at most %d] [ROUNDS, at most %d]\n", TOKENS_MAX, ROUNDS_MAX);
        return 2;
    }
    hn_talk_opts o = { .tokens_max = tokens, .ignore_end = true };
    if (hn_pool_new(&cx, 0, &pool) || hn_lm_open(&cx, argv[1], &(hn_lm_opts){ .context = PROMPT + tokens + 16 }, &m) ||
        hn_talk_new(&cx, &m, pool, &o, &plain))
        die(&cx);
    o.draft = (hn_draft){ guess, &k };
    if (hn_talk_new(&cx, &m, pool, &o, &ahead))
        die(&cx);
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = 100 + i * 37;
    for (size_t r = 0; r < rounds; r++) {
        hn_talk_stats a, b;
        if (hn_talk_answer(&cx, plain, (hn_ids){ prompt, PROMPT }, note, r ? &none : &k, &a))
            die(&cx);
        k.keep = k.count;
        if (hn_talk_answer(&cx, ahead, (hn_ids){ prompt, PROMPT }, note, &none, &b))
            die(&cx);
        ratio[r] = a.answer_ms / b.answer_ms;
        printf("plain %.1f tokens/s, guessing ahead %.1f tokens/s: %.2f times; %zu of %zu guesses right\n", (double)tokens / a.answer_ms * 1e3,
               (double)tokens / b.answer_ms * 1e3, ratio[r], b.guessed_right, b.guessed);
    }
    qsort(ratio, rounds, sizeof *ratio, by_size);
    printf("median %.2f times\n", ratio[rounds / 2]);
    hn_talk_free(plain);
    hn_talk_free(ahead);
    hn_lm_close(&m);
    hn_pool_free(pool);
    return 0;
}
