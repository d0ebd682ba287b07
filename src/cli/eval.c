/* SPDX-License-Identifier: Apache-2.0 */
/* hone eval: how well a language model predicts a text.
 *
 * Perplexity by two conventions over windows of the context's size, each read from an empty cache:
 *
 *     half   only the second half of each window counts, so every token counted has at least half a
 *            window before it; a last window that is not full is left out.  What llama.cpp prints.
 *     all    every token but the first of a window counts; a last, shorter window counts too.
 *
 * --save-base keeps the logits; --base compares with them: Kullback-Leibler divergence of this model
 * from the base, and how often both like the same token best. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/num.h"
#include "base/progress.h"
#include "cli/lm_opts.h"
#include "cli/table.h"

typedef struct mean { double sum, squares; size_t n; } mean;

static void add(mean *m, double v)
{
    m->sum += v;
    m->squares += v * v;
    m->n++;
}

static double average(const mean *m) { return m->n ? m->sum / (double)m->n : 0; }

static double standard_error(const mean *m)
{
    double a = average(m);
    return m->n > 1 ? sqrt(fmax(m->squares / (double)m->n - a * a, 0) / (double)(m->n - 1)) : 0;
}

typedef struct score {
    hn_lm_job *j;
    hn_stream *stream;
    size_t window;
    mean half, all, kl;
    size_t agree;                       /* tokens both models like best */
    FILE *save;                         /* logits of every position, f32 */
    const float *base; size_t base_left;
    double nats;                        /* over all counted tokens, for bits per byte */
} score;

static double log_sum_exp(const float *v, size_t n, size_t *best)
{
    double top = -INFINITY, sum = 0;
    *best = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)v[i] > top) {
            top = (double)v[i];
            *best = i;
        }
    for (size_t i = 0; i < n; i++)
        sum += exp((double)v[i] - top);
    return top + log(sum);
}

static void compare(score *s, const float *logits, double lse, size_t best)
{
    size_t vocab = s->j->m.shape.vocab, base_best;
    double base_lse = log_sum_exp(s->base, vocab, &base_best), kl = 0;
    for (size_t i = 0; i < vocab; i++) {
        double p = (double)s->base[i] - base_lse;
        kl += exp(p) * (p - ((double)logits[i] - lse));
    }
    add(&s->kl, fmax(kl, 0));
    s->agree += base_best == best;
    s->base += vocab;
    s->base_left -= vocab;
}

static hn_err position(score *s, const float *logits, int32_t next, bool second_half)
{
    size_t vocab = s->j->m.shape.vocab, best;
    double lse = log_sum_exp(logits, vocab, &best), loss = lse - (double)logits[next];
    add(&s->all, loss);
    if (second_half)
        add(&s->half, loss);
    if (s->save && fwrite(logits, sizeof *logits, vocab, s->save) != vocab)
        return hn_fail(&s->j->c->cx, HN_EIO, "the base cannot be written");
    if (s->base) {
        if (s->base_left < vocab)
            return hn_fail(&s->j->c->cx, HN_EFORMAT, "--base holds fewer positions: it was saved from another text or window");
        compare(s, logits, lse, best);
    }
    return HN_OK;
}

static hn_err read_window(score *s, const int32_t *ids, size_t count)
{
    size_t chunk = hn_stream_chunk(s->stream), vocab = s->j->m.shape.vocab;
    hn_stream_trim(s->stream, 0);
    for (size_t i = 0, n; i < count; i += n) {
        float *logits;
        n = hn_min(chunk, count - i);
        HN_TRY(hn_stream_read(&s->j->c->cx, s->stream, ids + i, n, true, &logits));
        for (size_t k = 0; k < n && i + k + 1 < count; k++)
            HN_TRY(position(s, logits + k * vocab, ids[i + k + 1], count == s->window && i + k + 1 >= s->window / 2));
    }
    return HN_OK;
}

static hn_err read_text(score *s, hn_ids ids)
{
    hn_progress bar;
    hn_err e = HN_OK;
    hn_progress_start(&bar, "reading", ids.count, s->j->c->quiet);
    for (size_t i = 0; i < ids.count && !e; i += s->window) {
        e = read_window(s, ids.id + i, hn_min(s->window, ids.count - i));
        hn_progress_step(&bar, i);
    }
    hn_progress_end(&bar);
    return e;
}

static hn_err tell(score *s, size_t tokens, size_t bytes)
{
    hn_cli *c = s->j->c;
    double half = exp(average(&s->half)), all = exp(average(&s->all));
    double bits = bytes ? s->all.sum / log(2) / (double)bytes : 0;
    if (c->json) {
        json_t *j = json_pack("{s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "perplexity", s->half.n ? half : all,
                              "perplexity_half", half, "perplexity_all", all, "standard_error",
                              (s->half.n ? half : all) * standard_error(s->half.n ? &s->half : &s->all), "bits_per_byte", bits,
                              "tokens", (json_int_t)tokens, "bytes", (json_int_t)bytes, "window", (json_int_t)s->window);
        if (s->base) {
            json_object_set_new(j, "kl_divergence", json_real(average(&s->kl)));
            json_object_set_new(j, "same_top_percent", json_real(100.0 * (double)s->agree / (double)s->kl.n));
        }
        return hn_json_print(&c->cx, j);
    }
    printf("tokens         %zu of %zu bytes, windows of %zu\n", tokens, bytes, s->window);
    if (s->half.n)
        printf("perplexity     %.4f +- %.4f  (second half of each window)\n", half, half * standard_error(&s->half));
    printf("perplexity     %.4f +- %.4f  (every token)\n", all, all * standard_error(&s->all));
    printf("bits per byte  %.4f\n", bits);
    if (s->base)
        printf("against base   divergence %.6f +- %.6f nats, same best token %.2f %%\n", average(&s->kl),
               standard_error(&s->kl), 100.0 * (double)s->agree / (double)s->kl.n);
    return HN_OK;
}

static hn_err work(score *s, hn_file *base)
{
    hn_lm_job *j = s->j;
    hn_ctx *cx = &j->c->cx;
    const char *path = hn_arg_text(&j->c->args, "text", NULL), *from = hn_arg_text(&j->c->args, "base", NULL);
    const char *to = hn_arg_text(&j->c->args, "save-base", NULL);
    hn_file f;
    hn_ids ids;
    hn_tok_opts o = { .add_special = true };

    if (!path)
        return hn_fail(cx, HN_EARG, "which text?  Give --text FILE");
    if (!j->m.tok)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a model without a tokenizer reads no text");
    s->window = j->m.o.context;
    HN_TRY(hn_file_open(cx, path, &f));
    size_t bytes = f.len;
    hn_err e = hn_tok_encode(cx, j->m.tok, (hn_text){ (const char *)f.data, f.len }, &o, j->memory, &ids);
    hn_file_close(&f);
    HN_TRY(e);
    if (ids.count < 2)
        return hn_fail(cx, HN_EARG, "%s: too short to predict anything", path);
    if (from) {
        HN_TRY(hn_file_open(cx, from, base));
        s->base = (const float *)(const void *)base->data;
        s->base_left = base->len / sizeof(float);
    }
    if (to && !(s->save = fopen(to, "wb")))
        return hn_fail(cx, HN_EIO, "%s: cannot be written", to);
    HN_TRY(hn_stream_new(cx, &j->m, j->pool, &s->stream));
    HN_TRY(read_text(s, ids));
    if (s->save) {
        FILE *done = s->save;
        s->save = NULL;
        if (fclose(done) != 0)
            return hn_fail(cx, HN_EIO, "%s: cannot be written", to);
    }
    return tell(s, ids.count, bytes);
}

static hn_err run(hn_cli *c)
{
    hn_lm_job j;
    hn_file base = { 0 };
    score s = { .j = &j };
    hn_err e = hn_lm_job_open(c, c->args.operand_count ? c->args.operand[0] : NULL, &j);
    if (!e)
        e = work(&s, &base);
    if (s.save)
        fclose(s.save);
    hn_stream_free(s.stream);
    hn_file_close(&base);
    hn_lm_job_close(&j);
    return e;
}

static const hn_operand operands[] = {
    { "MODEL", HN_OPT_FILE, HN_OPTIONAL, "a .gguf file (default: the one the program carries)", NULL }, { 0 }
};

static const hn_opt opts[] = {
    { "text", 0, HN_OPT_FILE, "FILE", "the text to predict", NULL, 0, 0 },
    { "save-base", 0, HN_OPT_FILE, "FILE", "keep every position's logits there", NULL, 0, 0 },
    { "base", 0, HN_OPT_FILE, "FILE", "compare with logits kept before", NULL, 0, 0 },
    HN_LM_MODEL_OPTS, { 0 }
};

const hn_command hn_command_eval = {
    .name = "eval",
    .summary = "measure how well a language model predicts a text",
    .example = "hone eval model.gguf --text book.txt --context 512",
    .help = "Perplexity over windows of the context's size, each from an empty cache: of the second half of every\n"
            "full window (as llama.cpp counts), and of every token.\n\n"
            "--save-base and --base compare two models on the same text: Kullback-Leibler divergence and how often\n"
            "both like the same token best.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
