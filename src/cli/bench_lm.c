/* SPDX-License-Identifier: Apache-2.0 */
/* bench_lm.c: `hone bench` for language models: reading a prompt, writing an answer, and the machine's
 * read bandwidth of the same minute, without which a decode rate means little. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/process.h"
#include "cli/bench.h"
#include "cli/lm_opts.h"
#include "cli/table.h"
#include "cost/machine.h"
#include "kernels/pick.h"

#define ROUNDS_MAX 64
#define SEQUENCES_MAX 128

typedef struct rates { double v[ROUNDS_MAX]; size_t n; } rates;

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(rates *r)
{
    qsort(r->v, r->n, sizeof *r->v, by_size);
    return r->n ? r->v[r->n / 2] : 0;
}

typedef struct figures {
    rates prefill, decode, first;        /* tokens/s, tokens/s, ms */
    rates together;                      /* tokens/s of all sequences */
    double load_ms, gbytes;
    size_t prompt, answer, sequences, kv_bytes, arena_bytes, private_bytes, written_bytes, large_page_bytes;
    size_t weight_bytes, packed_bytes;
} figures;

/* Weights a token passes through: all but the embedding's other rows. */
static size_t read_per_token(const hn_lm *m)
{
    size_t n = 0;
    bool tied = !hn_gguf_tensor_find(m->file, "output.weight");
    for (size_t i = 0; i < m->file->tensor_count; i++)
        if (tied || strcmp(m->file->tensors[i].name, "token_embd.weight") != 0)
            n += m->file->tensors[i].size;
    return n;
}

static hn_err one_round(hn_lm_job *j, hn_stream *s, int32_t *ids, figures *f)
{
    hn_ctx *cx = &j->c->cx;
    float *logits;
    hn_stream_trim(s, 0);
    uint64_t begin = hn_now_ns();
    HN_TRY(hn_stream_read(cx, s, ids, f->prompt, false, &logits));
    uint64_t middle = hn_now_ns();
    for (size_t i = 0; i < f->answer; i++) {
        int32_t id = (int32_t)((i * 7919 + 13) % j->m.shape.vocab);
        HN_TRY(hn_stream_read(cx, s, &id, 1, false, &logits));
        if (i == 0)
            f->first.v[f->first.n++] = hn_ms(middle - begin);
    }
    f->prefill.v[f->prefill.n++] = (double)f->prompt / ((double)(middle - begin) * 1e-9);
    f->decode.v[f->decode.n++] = (double)f->answer / ((double)(hn_now_ns() - middle) * 1e-9);
    return HN_OK;
}

/* The same prompt, read once, and an answer of each sequence's own. */
static hn_err answer_together(hn_lm_job *j, hn_stream *const *s, figures *f)
{
    hn_ctx *cx = &j->c->cx;
    float *logits[SEQUENCES_MAX];
    int32_t ids[SEQUENCES_MAX];
    for (size_t i = 1; i < f->sequences; i++)
        HN_TRY(hn_stream_share(cx, s[i], s[0], f->prompt));
    uint64_t begin = 0;
    for (size_t t = 0; t <= f->answer; t++) {
        for (size_t i = 0; i < f->sequences; i++)
            ids[i] = (int32_t)((t * 7919 + i * 104729 + 13) % j->m.shape.vocab);
        HN_TRY(hn_stream_read_each(cx, s, ids, f->sequences, logits));
        if (t == 0)                      /* the first one plans, and parts what was shared */
            begin = hn_now_ns();
    }
    f->together.v[f->together.n++] = (double)(f->answer * f->sequences) / ((double)(hn_now_ns() - begin) * 1e-9);
    return HN_OK;
}

static hn_err measure_together(hn_lm_job *j, hn_stream *first, const int32_t *ids, figures *f, double seconds)
{
    hn_ctx *cx = &j->c->cx;
    hn_stream *s[SEQUENCES_MAX] = { first };
    float *logits;
    hn_err e = HN_OK;
    for (size_t i = 1; i < f->sequences && !e; i++)
        e = hn_stream_new(cx, &j->m, j->pool, &s[i]);
    uint64_t end = hn_now_ns() + (uint64_t)(seconds * 1e9);
    while (!e && f->together.n < ROUNDS_MAX && (f->together.n < 3 || hn_now_ns() < end)) {
        hn_stream_trim(first, 0);
        e = hn_stream_read(cx, first, ids, f->prompt, false, &logits);
        if (!e)
            e = answer_together(j, s, f);
    }
    for (size_t i = 1; i < f->sequences; i++)
        hn_stream_free(s[i]);
    return e;
}

static hn_err measure(hn_lm_job *j, figures *f, double seconds)
{
    hn_ctx *cx = &j->c->cx;
    hn_stream *s;
    hn_peak peak;
    const hn_kernels *k;
    HN_TRY(hn_kernels_choose(cx, &k));
    int32_t *ids = HN_NEW(j->memory, int32_t, f->prompt);
    if (!ids)
        return hn_nomem(cx, "a benchmark");
    for (size_t i = 0; i < f->prompt; i++)
        ids[i] = (int32_t)((i * 104729 + 7) % j->m.shape.vocab);
    HN_TRY(hn_stream_new(cx, &j->m, j->pool, &s));
    float *logits;
    uint64_t begin = hn_now_ns();
    hn_err e = hn_stream_read(cx, s, ids, 1, false, &logits);       /* weights are packed when they are first met */
    f->load_ms += hn_ms(hn_now_ns() - begin);
    figures warm = *f;
    warm.answer = 2;
    if (!e)
        e = one_round(j, s, ids, &warm);
    uint64_t end = hn_now_ns() + (uint64_t)(seconds * 1e9);
    while (!e && f->decode.n < ROUNDS_MAX && (f->decode.n < 3 || hn_now_ns() < end))
        e = one_round(j, s, ids, f);
    f->kv_bytes = hn_stream_kv_bytes(s);
    f->arena_bytes = hn_stream_arena_bytes(s);
    f->private_bytes = hn_private_bytes();
    f->written_bytes = hn_written_bytes();
    f->large_page_bytes = hn_large_page_bytes();
    f->packed_bytes = j->m.packs->bytes;
    if (!e && f->sequences)
        e = measure_together(j, s, ids, f, seconds);
    hn_stream_free(s);
    HN_TRY(e);
    HN_TRY(hn_peak_measure(cx, k, j->pool, true, &peak));
    f->gbytes = peak.gbytes;
    f->weight_bytes = read_per_token(&j->m);
    return HN_OK;
}

/* For `hone plan --calibration`: one measured rate and what it read, to be carried to other models. */
static hn_err save(hn_cli *c, const char *model, const hn_lm_job *j, figures *f, const char *path)
{
    double row = (double)f->kv_bytes / (double)(f->prompt + f->answer);
    double cache = row * ((double)f->prompt + (double)f->answer / 2);
    json_t *v = json_pack("{s:s, s:{s:s, s:f, s:f, s:I}, s:f}", "schema", "hone-calibration-1", "decode",
                          "model", model, "tokens_per_second", median(&f->decode),
                          "bytes_per_token", (double)f->weight_bytes + cache,
                          "layers", (json_int_t)j->m.shape.layers, "machine_read_gb_per_second", f->gbytes);
    char *text = v ? json_dumps(v, JSON_INDENT(2)) : NULL;
    hn_err e = text ? hn_file_write(&c->cx, path, text, strlen(text)) : hn_nomem(&c->cx, "a calibration");
    free(text);
    json_decref(v);
    return e;
}

static hn_err tell(hn_cli *c, figures *f)
{
    double prefill = median(&f->prefill), decode = median(&f->decode), first = median(&f->first);
    double together = median(&f->together);
    double stream = decode * (double)f->weight_bytes * 1e-9;
    if (c->json)
        return hn_json_print(&c->cx, json_pack(
            "{s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
            "prefill_tokens_per_second", prefill, "decode_tokens_per_second", decode,
            "sequences", (json_int_t)f->sequences, "sequences_tokens_per_second", together,
            "first_token_ms", first, "load_ms", f->load_ms,
            "machine_read_gb_per_second", f->gbytes, "decode_gb_per_second", stream,
            "prompt_tokens", (json_int_t)f->prompt, "answer_tokens", (json_int_t)f->answer,
            "kv_bytes", (json_int_t)f->kv_bytes, "arena_bytes", (json_int_t)f->arena_bytes,
            "private_bytes", (json_int_t)f->private_bytes, "written_bytes", (json_int_t)f->written_bytes,
            "large_page_bytes", (json_int_t)f->large_page_bytes,
            "packed_bytes", (json_int_t)f->packed_bytes, "rounds", (json_int_t)f->decode.n));
    printf("prefill      %.1f tokens/s over %zu tokens\n", prefill, f->prompt);
    printf("decode       %.1f tokens/s over %zu tokens: %.1f GB/s of weights, %.0f %% of the %.1f GB/s this machine "
           "reads now\n", decode, f->answer, stream, 100 * stream / f->gbytes, f->gbytes);
    if (f->sequences)
        printf("together     %.1f tokens/s in %zu sequences, %.2f times one\n", together, f->sequences, together / decode);
    printf("first token  %.1f ms after a prompt of %zu; load with one token %.1f ms\n", first, f->prompt, f->load_ms);
    printf("memory       private %.1f MB, of it packed weights %.1f MB, cache %.1f MB, activations %.1f MB\n",
           (double)f->private_bytes * 1e-6, (double)f->packed_bytes * 1e-6, (double)f->kv_bytes * 1e-6,
           (double)f->arena_bytes * 1e-6);
    return HN_OK;
}

hn_err hn_bench_lm(hn_cli *c, const char *path)
{
    hn_lm_job j;
    figures f = { .prompt = (size_t)hn_arg_int(&c->args, "prompt-tokens", 512),
                  .answer = (size_t)hn_arg_int(&c->args, "answer-tokens", 64),
                  .sequences = (size_t)hn_arg_int(&c->args, "sequences", 0) };
    uint64_t begin = hn_now_ns();
    hn_err e = hn_lm_job_open(c, path, &j);
    f.load_ms = hn_ms(hn_now_ns() - begin);
    if (!e && hn_arg_count(&c->args, "prompt-tokens") == 0 && f.answer < j.m.o.context)
        f.prompt = hn_min(f.prompt, hn_max(j.m.o.context - f.answer, 2) - (f.sequences > 0));
    if (!e && f.prompt + f.answer + (f.sequences > 0) > j.m.o.context)
        e = hn_fail(&c->cx, HN_EARG, "%zu + %zu tokens do not fit the context of %zu: give a larger --context, or "
                    "fewer --prompt-tokens", f.prompt, f.answer, j.m.o.context);
    if (!e)
        e = measure(&j, &f, hn_arg_real(&c->args, "seconds", 2));
    const char *calibration = hn_arg_text(&c->args, "save-calibration", NULL);
    if (!e && calibration)
        e = save(c, path, &j, &f, calibration);
    hn_lm_job_close(&j);
    return e ? e : tell(c, &f);
}
