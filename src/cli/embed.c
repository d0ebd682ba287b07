/* SPDX-License-Identifier: Apache-2.0 */
/* hone embed: texts to vectors, or in order of how well they answer a query. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lm_opts.h"
#include "cli/table.h"
#include "llm/embed.h"

typedef struct job {
    hn_lm_job j;
    hn_embedder *e;
    hn_text *text; size_t count;
    float *vector;                   /* [count, width] */
    double *score; size_t *order;    /* [count], with --query */
} job;

static hn_text text_of(const char *s) { return (hn_text){ s, strlen(s) }; }

/* Operands, or the lines of standard input or of a file. */
static hn_err read_texts(job *k)
{
    hn_ctx *cx = &k->j.c->cx;
    const hn_args *a = &k->j.c->args;
    hn_text all;
    if (a->operand_count > 1) {
        k->count = a->operand_count - 1;
        k->text = HN_NEW(k->j.memory, hn_text, k->count);
        for (size_t i = 0; k->text && i < k->count; i++)
            k->text[i] = text_of(a->operand[i + 1]);
        return k->text ? HN_OK : hn_nomem(cx, "texts");
    }
    HN_TRY(hn_lm_job_prompt(&k->j, &all));
    size_t lines = 1, from = 0;
    for (size_t i = 0; i < all.len; i++)
        lines += all.ptr[i] == '\n';
    k->text = HN_NEW(k->j.memory, hn_text, lines);
    if (!k->text)
        return hn_nomem(cx, "texts");
    for (size_t i = 0; i <= all.len; i++)
        if (i == all.len || all.ptr[i] == '\n') {
            if (i > from)
                k->text[k->count++] = (hn_text){ all.ptr + from, i - from };
            from = i + 1;
        }
    return k->count ? HN_OK : hn_fail(cx, HN_EARG, "no text: give texts after the model, or lines on standard input");
}

static hn_err one(job *k, hn_text first, const hn_text *second, float *out)
{
    hn_ids ids;
    HN_TRY(hn_embed_tokens(&k->j.c->cx, &k->j.m, first, second, k->j.memory, &ids));
    return hn_embed(&k->j.c->cx, k->e, ids, out);
}

static hn_err rank(job *k, const char *query)
{
    size_t width = hn_embedder_width(k->e);
    float *q = HN_NEW(k->j.memory, float, width);
    k->score = HN_NEW(k->j.memory, double, k->count);
    k->order = HN_NEW(k->j.memory, size_t, k->count);
    if (!q || !k->score || !k->order)
        return hn_nomem(&k->j.c->cx, "scores");
    if (!hn_embedder_scores(k->e)) {
        HN_TRY(one(k, text_of(query), NULL, q));
        hn_embed_normalise(q, width);
    }
    for (size_t i = 0; i < k->count; i++) {
        float *v = k->vector + i * width;
        HN_TRY(hn_embedder_scores(k->e) ? one(k, text_of(query), &k->text[i], v) : one(k, k->text[i], NULL, v));
        if (hn_embedder_scores(k->e)) {
            k->score[i] = (double)v[0];
        } else {
            hn_embed_normalise(v, width);
            for (size_t n = 0; n < width; n++)
                k->score[i] += (double)v[n] * (double)q[n];
        }
        size_t at = i;                                     /* kept sorted, earlier texts first among equals */
        for (; at > 0 && k->score[k->order[at - 1]] < k->score[i]; at--)
            k->order[at] = k->order[at - 1];
        k->order[at] = i;
    }
    return HN_OK;
}

static hn_err embed(job *k, bool raw)
{
    size_t width = hn_embedder_width(k->e);
    for (size_t i = 0; i < k->count; i++) {
        HN_TRY(one(k, k->text[i], NULL, k->vector + i * width));
        if (!raw)
            hn_embed_normalise(k->vector + i * width, width);
    }
    return HN_OK;
}

static hn_err tell(job *k)
{
    size_t width = hn_embedder_width(k->e);
    json_t *list = json_array();
    for (size_t r = 0; r < k->count; r++) {
        size_t i = k->order ? k->order[r] : r;
        json_t *row = json_pack("{s:I, s:s%}", "index", (json_int_t)i, "text", k->text[i].ptr, k->text[i].len),
            *v = json_array();
        if (k->score)
            json_object_set_new(row, "score", json_real(k->score[i]));
        for (size_t n = 0; n < width && !k->score; n++)
            json_array_append_new(v, json_real((double)k->vector[i * width + n]));
        if (!k->score)
            json_object_set(row, "vector", v);
        json_decref(v);
        json_array_append_new(list, row);
        for (size_t n = 0; n < width && !k->score && !k->j.c->json; n++)
            printf("%s%.6g", n ? " " : "", (double)k->vector[i * width + n]);
        if (!k->j.c->json && k->score)
            printf("%8.4f  %.*s", k->score[i], (int)k->text[i].len, k->text[i].ptr);
        if (!k->j.c->json)
            putchar('\n');
    }
    hn_err e = k->j.c->json ? hn_json_print(&k->j.c->cx, json_pack("{s:I, s:O}", "width", (json_int_t)width,
                                                                   "results", list)) : HN_OK;
    json_decref(list);
    return e;
}

static hn_err work(job *k)
{
    hn_cli *c = k->j.c;
    const char *query = hn_arg_text(&c->args, "query", NULL);
    if (!k->j.m.tok)
        return hn_fail(&c->cx, HN_EUNSUP, "unsupported: a model without a tokenizer cannot read text");
    HN_TRY(hn_embedder_new(&c->cx, &k->j.m, k->j.pool, &k->e));
    if (hn_embedder_scores(k->e) && !query)
        return hn_fail(&c->cx, HN_EARG, "this model scores texts against a query: give one with --query TEXT");
    HN_TRY(read_texts(k));
    k->vector = HN_NEW(k->j.memory, float, k->count * hn_embedder_width(k->e));
    if (!k->vector)
        return hn_nomem(&c->cx, "vectors");
    HN_TRY(query ? rank(k, query) : embed(k, hn_arg_flag(&c->args, "raw")));
    return tell(k);
}

static hn_err run(hn_cli *c)
{
    job k = { 0 };
    hn_err e = hn_lm_job_open(c, c->args.operand[0], &k.j);
    if (!e)
        e = work(&k);
    hn_embedder_free(k.e);
    hn_lm_job_close(&k.j);
    return e;
}

static const hn_operand operands[] = {
    { "MODEL", HN_OPT_FILE, 0, "a .gguf file of an encoder (bert, nomic-bert)", NULL },
    { "TEXT", HN_OPT_TEXT, HN_OPTIONAL | HN_MANY, "what to read (default: the lines of standard input)", NULL }, { 0 }
};

static const hn_opt opts[] = {
    { "query", 'q', HN_OPT_TEXT, "TEXT", "print the texts by how near they are to this one, best first", NULL, 0, 0 },
    { "raw", 0, HN_OPT_FLAG, NULL, "leave vectors at the length the model gives them", NULL, 0, 0 },
    { "file", 'f', HN_OPT_FILE, "FILE", "read the texts from there, one a line", NULL, 0, 0 },
    { "prompt", 'p', HN_OPT_TEXT, "TEXT", "one text", NULL, 0, 0 },
    HN_LM_MODEL_OPTS, { 0 }
};

const hn_command hn_command_embed = {
    .name = "embed",
    .summary = "turn texts into vectors, or rank them for a query",
    .example = "hone embed model.gguf -q \"how to bake bread\" \"mix flour and water\" \"the tide is out\"",
    .help = "Prints one vector a line, of length 1.  With --query: the texts by cosine similarity, or by the\n"
            "model's own score if it was made to score pairs.  A text that does not fit the model is an error\n"
            "that says by how much, never a cut.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
