/* SPDX-License-Identifier: Apache-2.0 */
/* What keeping to a JSON schema costs per token, with a vocabulary of 128,256 pieces.
 *
 *     build/x86_64/bench/grammar VOCAB.gguf [ms of one token's decode]
 *
 * The pieces are the file's, and pairs of them until there are enough.  Logits are random but for what closes
 * strings and lists, so answers are of ordinary length.  Each token is sampled twice: freely, and under the
 * grammar; the difference is the cost.  The first answer finds out all it meets; later ones mostly look up. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "llm/grammar.h"
#include "llm/sample.h"
#include "llm/schema.h"
#include "llm/tok_gguf.h"

enum { VOCAB = 128256, ANSWERS = 40 };

static const char schema_text[] =
    "{\"type\": \"object\", \"required\": [\"name\", \"age\", \"items\"], \"properties\": {"
    "\"name\": {\"type\": \"string\", \"maxLength\": 60}, \"age\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 150},"
    "\"mail\": {\"type\": \"string\"}, \"kind\": {\"enum\": [\"private\", \"work\", \"other\"]},"
    "\"items\": {\"type\": \"array\", \"maxItems\": 8, \"items\": {\"type\": \"object\", \"required\": [\"id\", \"text\"], \"properties\": {"
    "\"id\": {\"type\": \"integer\"}, \"text\": {\"type\": \"string\"}, \"price\": {\"type\": \"number\"}}}}}}";

static void die(const hn_ctx *cx)
{
    fprintf(stderr, "%s\n", cx->msg);
    exit(1);
}

/* The bytes of a piece with their spaces marked, as SentencePiece has them. */
static hn_text piece(hn_ctx *cx, hn_arena *a, const hn_tok *t, int32_t one, int32_t two)
{
    hn_buf plain = { .cx = cx }, marked = { .cx = cx };
    hn_tok_bytes(t, one, &plain);
    if (two >= 0)
        hn_tok_bytes(t, two, &plain);
    for (size_t i = 0; i < plain.len; i++)
        hn_buf_add(&marked, plain.data[i] == ' ' ? "\xE2\x96\x81" : plain.data + i, plain.data[i] == ' ' ? 3 : 1);
    hn_text out = { hn_arena_text(a, marked.data ? marked.data : "", marked.len), marked.len };
    hn_buf_free(&plain);
    hn_buf_free(&marked);
    return out;
}

static hn_tok *big_tokenizer(hn_ctx *cx, const char *path)
{
    hn_gguf *file;
    hn_tok *from, *out;
    hn_arena *a;
    hn_tok_spec spec = hn_tok_spec_of(HN_TOK_SPM, NULL);
    if (hn_gguf_open(cx, path, &file) || hn_tok_from_gguf(cx, file, &from) || hn_arena_new(cx, 0, &a))
        die(cx);
    hn_tok_token *token = HN_NEW(a, hn_tok_token, VOCAB);
    size_t n = hn_tok_count(from), k = 0;
    token[k++] = (hn_tok_token){ { "</s>", 4 }, 0, HN_TOK_CONTROL, 0 };
    for (int b = 0; b < 256; b++)
        token[k++] = (hn_tok_token){ { hn_arena_printf(a, "<0x%02X>", b), 6 }, 0, HN_TOK_BYTE, 0 };
    for (size_t i = 0; k < VOCAB; i++) {
        hn_text t = piece(cx, a, from, (int32_t)(i % n), i < n ? -1 : (int32_t)((i * 7919) % n));
        if (t.len > 1)
            token[k++] = (hn_tok_token){ t, 0, HN_TOK_NORMAL, 0 };
    }
    spec.token = token;
    spec.count = k;
    spec.eos = 0;
    if (hn_tok_new(cx, &spec, &out))
        die(cx);
    hn_tok_free(from);
    hn_gguf_close(file);
    hn_arena_free(a);
    return out;
}

/* Of this thread alone: a busy neighbour costs nothing. */
static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t seed = 1;

static float noise(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(seed >> 40) * 0x1p-24f;
}

/* New noise in a few thousand places a token: all of it anew would take longer than what is measured. */
static void stir(const hn_tok *t, float *logits)
{
    static const char close[] = "\"}],:";
    for (size_t i = 0; i < 4096; i++)
        logits[(size_t)(noise() * VOCAB) % VOCAB] = 4 * noise();
    for (const char *c = close; *c; c++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned char)*c);
        logits[1 + (unsigned char)*c] = 4 * noise() + 1;
    }
    (void)t;
}

typedef struct times { double free_us, kept_us, worst_us; size_t tokens; } times;

static void one_answer(hn_ctx *cx, const hn_tok *t, hn_match *m, hn_sampler *s, float *logits, times *out)
{
    hn_match_reset(m);
    for (size_t i = 0; i < 400 && !hn_match_done(m); i++) {
        hn_sampled token;
        const uint32_t *mask;
        stir(t, logits);
        uint64_t a = cpu_ns();
        hn_sampler_allow(s, NULL, 0);
        if (hn_sampler_pick(cx, s, logits, &token))
            die(cx);
        uint64_t b = cpu_ns();
        if (hn_match_allowed(cx, m, &mask))
            die(cx);
        hn_sampler_allow(s, mask, VOCAB / 32 + 1);
        if (hn_sampler_pick(cx, s, logits, &token) || hn_match_accept(cx, m, token.id))
            die(cx);
        double kept = (double)(cpu_ns() - b) * 1e-3;
        out->free_us += (double)(b - a) * 1e-3;
        out->kept_us += kept;
        out->worst_us = fmax(out->worst_us, kept);
        out->tokens++;
    }
}

int main(int argc, char **argv)
{
    hn_ctx cx = { 0 };
    hn_buf text = { 0 };
    hn_grammar *g;
    hn_vocab *v;
    hn_match *m;
    hn_sampler *s;
    hn_sample_opts o = { .seed = 3, .temperature = 0.8f, .top_k = 40, .top_p = 0.95f };
    float *logits = calloc(VOCAB, sizeof *logits);
    double decode_ms = argc > 2 ? strtod(argv[2], NULL) : 28;
    json_t *schema = json_loads(schema_text, 0, NULL);
    if (argc < 2 || !logits || !schema) {
        fprintf(stderr, "usage: grammar VOCAB.gguf [MS]\n");
        return 2;
    }
    hn_tok *t = big_tokenizer(&cx, argv[1]);
    uint64_t a = cpu_ns();
    if (hn_vocab_new(&cx, t, &v))
        die(&cx);
    uint64_t b = cpu_ns();
    if (hn_schema_grammar(&cx, schema, &text) || hn_grammar_new(&cx, (hn_text){ text.data, text.len }, &g) ||
        hn_match_new(&cx, g, v, &m) || hn_sampler_new(&cx, &o, VOCAB, &s))
        die(&cx);
    printf("vocabulary of %d: tree %.1f ms; schema to grammar %.2f ms\n", VOCAB, hn_ms(b - a), hn_ms(cpu_ns() - b));
    for (size_t i = 0; i < VOCAB; i++)
        logits[i] = 4 * noise();
    times first = { 0 }, later = { 0 };
    one_answer(&cx, t, m, s, logits, &first);
    for (size_t i = 1; i < ANSWERS; i++)
        one_answer(&cx, t, m, s, logits, &later);
    const times *all[] = { &first, &later };
    for (size_t i = 0; i < 2; i++) {
        double n = (double)all[i]->tokens, cost = (all[i]->kept_us - all[i]->free_us) / n;
        printf("%s: %.0f tokens, %.0f us a token freely, %.0f us kept to it: %.0f us more, %.2f %% of %.1f ms; the slowest token %.0f us\n",
               i ? "later answers" : "first answer ", n, all[i]->free_us / n, all[i]->kept_us / n, cost, cost / decode_ms * 0.1, decode_ms,
               all[i]->worst_us);
    }
    return 0;
}
