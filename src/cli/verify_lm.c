/* SPDX-License-Identifier: Apache-2.0 */
/* verify_lm.c: language models against recorded logits.
 *
 * NAME.json beside NAME.gguf holds "batches" (tokens fed at once into an empty cache; of the last
 * position: argmax, lse, sum, sumsq, top8, first64) and "greedy" (a prompt and what follows).  A record
 * with "float" also holds what unrounded activations give, which is then the one to meet. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "cli/table.h"
#include "cli/verify.h"
#include "kernels/qdot.h"
#include "llm/embed.h"

#define PROMPT_MAX 4096

typedef struct check {
    hn_cli *c;
    hn_lm m;
    hn_pool *pool;
    json_t *rows;
    size_t passed, failed, unsupported;
    double worst;                /* of the current model */
    char why[200];               /* first disagreement of the current model, "" for none */
} check;

static void complain(check *k, const char *what, double got, double want)
{
    if (!k->why[0])
        snprintf(k->why, sizeof k->why, "%s: got %.6g, expected %.6g", what, got, want);
}

/* What the record's maker advises: GELU went through a half-precision table there. */
static double tolerance(const hn_gguf *file)
{
    static const char *const gelu[] = { "gemma", "gemma2", "gemma3", "gpt2", "gptneox", "falcon", "starcoder2" };
    hn_ctx quiet = { 0 };
    hn_text arch = { "", 0 };
    if (hn_gguf_text(&quiet, file, "general.architecture", NULL, &arch) != HN_OK)
        return 1e-3;
    for (size_t i = 0; i < sizeof gelu / sizeof *gelu; i++)
        if (strlen(gelu[i]) == arch.len && memcmp(gelu[i], arch.ptr, arch.len) == 0)
            return 2e-2;
    return arch.len == 4 && memcmp(arch.ptr, "bert", 4) == 0 ? 5e-3 : 1e-3;
}

/* How far rounded activations may lead: the fast products round them to 8 bits for block types and to half
 * precision for F16, as the record's maker did, but sums fall otherwise.  0: nothing is rounded. */
static double rounding(const check *k)
{
    double far = 0;
    for (size_t i = 0; i < k->m.file->tensor_count && !k->m.o.eval; i++) {
        hn_qtype t = k->m.file->tensors[i].type;
        far = fmax(far, hn_qdot_group(t) > 1 ? 0.3 : t == HN_QT_F16 ? 3e-2 : 0);
    }
    return far;
}

static size_t read_ids(const json_t *list, int32_t *out)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && i < PROMPT_MAX; i++)
        out[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return n < PROMPT_MAX ? n : PROMPT_MAX;
}

static void meet(check *k, const char *what, double got, double want, double tol)
{
    double diff = fabs(got - want);
    if (!(diff <= tol))
        complain(k, what, got, want);
    if (diff > k->worst)
        k->worst = diff;
}

static void compare(check *k, const float *logits, const json_t *want, double tol)
{
    size_t n = k->m.shape.vocab, best = 0;
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        if ((double)logits[i] > top) {
            top = (double)logits[i];
            best = i;
        }
    for (size_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    json_t *first = json_object_get(want, "first64"), *eight = json_object_get(want, "top8");
    for (size_t i = 0; i < json_array_size(first) && i < n; i++)
        meet(k, "a logit", (double)logits[i], json_number_value(json_array_get(first, i)), tol);
    for (size_t i = 0; i < json_array_size(eight); i++) {
        const json_t *pair = json_array_get(eight, i);
        size_t id = (size_t)json_integer_value(json_array_get(pair, 0));
        if (id < n)
            meet(k, "one of the top logits", (double)logits[id], json_number_value(json_array_get(pair, 1)), tol);
    }
    if (json_object_get(want, "lse"))
        meet(k, "log-sum-exp", top + log(sum), json_number_value(json_object_get(want, "lse")), tol);
    const json_t *argmax = json_object_get(want, "argmax");
    if (argmax && (size_t)json_integer_value(argmax) != best && json_number_value(json_object_get(want,
                                                                                                  "margin")) > 2 * tol)
        complain(k, "the best token", (double)best, (double)json_integer_value(argmax));
}

/* Once as a batch, once token by token: the same bits. */
static hn_err run_batch(check *k, const json_t *batch, const json_t *want, double tol)
{
    hn_ctx *cx = &k->c->cx;
    int32_t ids[PROMPT_MAX];
    size_t n = read_ids(json_object_get(batch, "tokens"), ids), vocab = k->m.shape.vocab;
    hn_stream *s;
    float *logits, *kept = hn_alloc(cx, vocab * sizeof *kept);
    if (!kept)
        return hn_nomem(cx, "logits");
    hn_err e = hn_stream_new(cx, &k->m, k->pool, &s);
    if (e) {
        hn_free(cx, kept);
        return e;
    }
    e = hn_stream_read(cx, s, ids, n, false, &logits);
    if (!e) {
        memcpy(kept, logits, vocab * sizeof *kept);
        compare(k, logits, want, tol);
        hn_stream_trim(s, 0);
    }
    for (size_t i = 0; i < n && !e; i++)
        e = hn_stream_read(cx, s, ids + i, 1, false, &logits);
    if (!e && memcmp(kept, logits, vocab * sizeof *kept) != 0)
        complain(k, "one token at a time gives other bits; first logit", (double)logits[0], (double)kept[0]);
    hn_stream_free(s);
    hn_free(cx, kept);
    return e;
}

static hn_err run_greedy(check *k, const json_t *prompt_of, const json_t *greedy)
{
    hn_ctx *cx = &k->c->cx;
    int32_t ids[PROMPT_MAX];
    size_t n = read_ids(json_object_get(prompt_of, "prompt"), ids);
    const json_t *want = json_is_array(greedy) ? greedy : json_object_get(greedy, "tokens");
    hn_stream *s;
    float *logits;
    HN_TRY(hn_stream_new(cx, &k->m, k->pool, &s));
    hn_err e = hn_stream_read(cx, s, ids, n, false, &logits);
    for (size_t i = 0; i < json_array_size(want) && !e; i++) {
        int32_t best = 0, expected = (int32_t)json_integer_value(json_array_get(want, i));
        for (uint32_t v = 1; v < k->m.shape.vocab; v++)
            if (logits[v] > logits[best])
                best = (int32_t)v;
        if (best != expected) {
            complain(k, "a greedy token", best, expected);
            break;
        }
        if (hn_stream_room(s) > 0)
            e = hn_stream_read(cx, s, &best, 1, false, &logits);
    }
    hn_stream_free(s);
    return e;
}

static hn_err run_embeddings(check *k, const json_t *list, double tol)
{
    hn_ctx *cx = &k->c->cx;
    int32_t ids[PROMPT_MAX];
    hn_embedder *e;
    HN_TRY(hn_embedder_new(cx, &k->m, k->pool, &e));
    size_t width = hn_embedder_width(e);
    float *got = hn_alloc(cx, width * sizeof *got);
    hn_err err = got ? HN_OK : hn_nomem(cx, "a vector");
    for (size_t i = 0; i < json_array_size(list) && !err; i++) {
        const json_t *one = json_array_get(list, i), *want = json_object_get(one, "values");
        hn_ids tokens = { ids, read_ids(json_object_get(one, "tokens"), ids) };
        err = hn_embed(cx, e, tokens, got);
        if (!err && json_array_size(want) != width)
            complain(k, "the vector's length", (double)width, (double)json_array_size(want));
        for (size_t n = 0; n < width && n < json_array_size(want) && !err; n++)
            meet(k, "a number of the vector", (double)got[n], json_number_value(json_array_get(want, n)), tol);
    }
    hn_embedder_free(e);
    hn_free(cx, got);
    return err;
}

static hn_err run_record(check *k, const json_t *record)
{
    const json_t *exact = rounding(k) > 0 ? NULL : json_object_get(record, "float"),
        *batches = json_object_get(record, "batches");
    const json_t *vectors = json_object_get(record, "embeddings");
    const json_t *exact_batches = json_object_get(exact, "batches"), *greedy = json_object_get(record, "greedy");
    double tol = fmax(rounding(k), tolerance(k->m.file));
    if (!batches && !vectors)
        return hn_fail(&k->c->cx, HN_EFORMAT, "the record has neither \"batches\" nor \"embeddings\"");
    if (vectors)
        return run_embeddings(k, vectors, tol);
    for (size_t i = 0; i < json_array_size(batches); i++) {
        const json_t *batch = json_array_get(batches, i);
        const json_t *want = exact_batches ? json_array_get(exact_batches, i) : batch;
        HN_TRY(run_batch(k, batch, want, tol));
    }
    if (!greedy)
        return HN_OK;
    const json_t *exact_greedy = json_object_get(exact, "greedy");
    return run_greedy(k, greedy, exact_greedy ? exact_greedy : greedy);
}

static hn_err verify_one(check *k, const char *dir, const char *name, bool eval)
{
    hn_ctx *cx = &k->c->cx;
    char model[4096], record[4096];
    json_error_t why;
    snprintf(model, sizeof model, "%s/%s.gguf", dir, name);
    snprintf(record, sizeof record, "%s/%s.json", dir, name);
    json_t *root = json_load_file(record, 0, &why);
    if (!root)
        return hn_fail(cx, HN_EFORMAT, "%s:%d: %s", record, why.line, why.text);
    hn_lm_opts o = { .context = (size_t)json_integer_value(json_object_get(root, "n_ctx")), .kv = HN_QT_F32,
                     .eval = eval };
    k->why[0] = 0;
    k->worst = 0;
    hn_err e = hn_lm_open(cx, model, &o, &k->m);
    if (!e)
        e = run_record(k, root);
    if (e == HN_EUNSUP)
        k->unsupported++;
    else
        ++*(e || k->why[0] ? &k->failed : &k->passed);
    hn_lm_close(&k->m);
    json_decref(root);
    json_t *row = json_pack("{s:s, s:f, s:s}", "model", name, "max_abs", k->worst, "verdict",
                            e ? cx->msg : k->why[0] ? k->why : "agree");
    return json_array_append_new(k->rows, row) ? hn_nomem(cx, "the report") : HN_OK;
}

static int is_record(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');
    return dot && strcmp(dot, ".gguf") == 0;
}

static hn_err tell(check *k)
{
    static const char *const columns[] = { "model", "max_abs", "verdict", NULL };
    if (k->c->json)
        return hn_json_print(&k->c->cx, json_pack("{s:O, s:I, s:I, s:I}", "results", k->rows, "passed",
                                                  (json_int_t)k->passed,
                                                  "failed", (json_int_t)k->failed, "unsupported",
                                                      (json_int_t)k->unsupported));
    HN_TRY(hn_table_print(&k->c->cx, k->rows, columns, HN_TABLE_TEXT));
    printf("%zu passed, %zu failed, %zu unsupported\n", k->passed, k->failed, k->unsupported);
    return HN_OK;
}

hn_err hn_verify_lm(hn_cli *c, const char *dir, bool eval)
{
    check k = { .c = c, .rows = json_array() };
    struct dirent **entry;
    hn_err e = hn_pool_new(&c->cx, c->threads, &k.pool);
    int n = e ? 0 : scandir(dir, &entry, is_record, alphasort);
    if (n < 0)
        e = hn_fail(&c->cx, HN_EIO, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)(strlen(entry[i]->d_name) - 5), entry[i]->d_name);
        if (!e)
            e = verify_one(&k, dir, name, eval);
        free(entry[i]);
    }
    if (n > 0)
        free(entry);
    if (!e && n == 0)
        e = hn_fail(&c->cx, HN_EIO, "%s: no .gguf files", dir);
    if (!e)
        e = tell(&k);
    hn_pool_free(k.pool);
    json_decref(k.rows);
    return e ? e : hn_verdict(c, k.failed);
}
