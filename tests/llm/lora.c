/* SPDX-License-Identifier: Apache-2.0 */
/* Adapters against the same change made to the weights themselves. */
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "formats/gguf_write.h"
#include "llm/lm.h"

#define MODEL "models/storyteller/storyteller.gguf"

enum { RANK = 4, TOKENS = 12 };

/* What the two adapters change: the first these, the second the last of them. */
static const char *const changed[] = { "blk.0.attn_q.weight", "blk.1.ffn_down.weight", "blk.2.attn_output.weight",
                                       "blk.3.attn_v.weight" };

static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) * 0x1p-24f - 0.5f;
}

typedef struct files { char folder[64], model[96], merged[96], one[96], two[96]; } files;

static void name_files(files *f)
{
    snprintf(f->folder, sizeof f->folder, "/tmp/hone-lora-XXXXXX");
    CHECK(mkdtemp(f->folder) != NULL);
    snprintf(f->model, sizeof f->model, "%s/model.gguf", f->folder);
    snprintf(f->merged, sizeof f->merged, "%s/merged.gguf", f->folder);
    snprintf(f->one, sizeof f->one, "%s/one.gguf", f->folder);
    snprintf(f->two, sizeof f->two, "%s/two.gguf", f->folder);
}

static void remove_files(const files *f)
{
    unlink(f->model);
    unlink(f->merged);
    unlink(f->one);
    unlink(f->two);
    rmdir(f->folder);
}

/* The values of A or B of a pair: the same wherever they are asked for. */
static float *half(const char *name, char which, size_t count)
{
    uint32_t seed = (uint32_t)(name[4] * 31 + name[6] * 7 + which);
    float *v = malloc(count * sizeof *v);
    for (size_t i = 0; i < count; i++)
        v[i] = noise(&seed) * (which == 'a' ? 0.5f : 0.2f);
    return v;
}

static bool is_changed(const char *name)
{
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++)
        if (strcmp(changed[i], name) == 0)
            return true;
    return false;
}

/* All weights as f32; with `scale`, those named changed by scale * B A. */
static void write_model(hn_ctx *cx, const hn_gguf *from, const char *path, float scale)
{
    hn_gguf_writer *w;
    CHECK_INT(hn_gguf_writer_new(cx, path, &w), HN_OK);
    for (size_t i = 0; i < from->value_count; i++)
        hn_gguf_put_value(w, &from->values[i]);
    for (size_t i = 0; i < from->tensor_count; i++)
        CHECK_INT(hn_gguf_put_tensor(cx, w, from->tensors[i].name, HN_QT_F32, &from->tensors[i].shape), HN_OK);
    for (size_t i = 0; i < from->tensor_count; i++) {
        const hn_gguf_tensor *t = &from->tensors[i];
        size_t count = hn_shape_count(&t->shape);
        float *v = malloc(count * sizeof *v);
        hn_q_decode(t->type, t->data, v, count);
        if (scale != 0 && is_changed(t->name)) {
            size_t n = (size_t)t->shape.dim[0], k = (size_t)t->shape.dim[1];
            float *a = half(t->name, 'a', RANK * k), *b = half(t->name, 'b', n * RANK);
            for (size_t y = 0; y < n; y++)
                for (size_t x = 0; x < k; x++)
                    for (size_t r = 0; r < RANK; r++)
                        v[y * k + x] += scale * b[y * RANK + r] * a[r * k + x];
            free(a);
            free(b);
        }
        CHECK_INT(hn_gguf_write(cx, w, v, count * sizeof *v), HN_OK);
        free(v);
    }
    CHECK_INT(hn_gguf_finish(cx, w), HN_OK);
    hn_gguf_writer_free(w);
}

static void write_adapter(hn_ctx *cx, const hn_gguf *model, const char *path, size_t first, size_t last, float alpha,
                          hn_qtype type)
{
    hn_gguf_writer *w;
    CHECK_INT(hn_gguf_writer_new(cx, path, &w), HN_OK);
    hn_gguf_put_text(w, "general.type", (hn_text){ "adapter", 7 });
    hn_gguf_put_text(w, "adapter.type", (hn_text){ "lora", 4 });
    hn_gguf_put_text(w, "general.architecture", (hn_text){ "llama", 5 });
    hn_gguf_put_f32(w, "adapter.lora.alpha", alpha);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = first; i < last; i++)
            for (char which = 'a'; which <= 'b'; which++) {
                char name[128];
                const hn_gguf_tensor *t = hn_gguf_tensor_find(model, changed[i]);
                hn_shape s = which == 'a' ? (hn_shape){ 2, { RANK, t->shape.dim[1] } }
                                          : (hn_shape){ 2, { t->shape.dim[0], RANK } };
                hn_qtype kind = (size_t)s.dim[1] < hn_qtype_get(type)->block_count ? HN_QT_F32 : type;
                snprintf(name, sizeof name, "%s.lora_%c", changed[i], which);
                if (pass == 0) {
                    CHECK_INT(hn_gguf_put_tensor(cx, w, name, kind, &s), HN_OK);
                    continue;
                }
                size_t count = hn_shape_count(&s);
                float *v = half(changed[i], which, count);
                void *packed = malloc(hn_q_bytes(kind, count));
                hn_q_encode(kind, v, packed, count);
                CHECK_INT(hn_gguf_write(cx, w, packed, hn_q_bytes(kind, count)), HN_OK);
                free(packed);
                free(v);
            }
    CHECK_INT(hn_gguf_finish(cx, w), HN_OK);
    hn_gguf_writer_free(w);
}

/* Logits of the last of some tokens; free() them. */
static float *logits_of(hn_ctx *cx, hn_stream *s, size_t vocab)
{
    int32_t ids[TOKENS];
    float *logits = NULL, *copy = malloc(vocab * sizeof *copy);
    for (int i = 0; i < TOKENS; i++)
        ids[i] = 300 + i * 97;
    hn_stream_trim(s, 0);
    hn_err e = hn_stream_read(cx, s, ids, TOKENS, false, &logits);
    if (e)
        print_message("%s\n", cx->msg);
    CHECK_INT(e, HN_OK);
    memcpy(copy, logits, vocab * sizeof *copy);
    return copy;
}

static double distance(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

static void with_merged(hn_ctx *cx, const files *f, hn_qtype type, double bound)
{
    hn_lm plain, merged;
    hn_lora one, two;
    hn_stream *a, *b;
    hn_lm_opts o = { .kv = HN_QT_F32 };
    hn_gguf *file;
    CHECK_INT(hn_gguf_open(cx, f->model, &file), HN_OK);
    write_adapter(cx, file, f->one, 0, 3, 2 * RANK, type);       /* alpha twice the rank: its scale counts double */
    write_adapter(cx, file, f->two, 3, 4, 0, type);
    hn_gguf_close(file);
    CHECK_INT(hn_lm_open(cx, f->model, &o, &plain), HN_OK);
    CHECK_INT(hn_lm_open(cx, f->merged, &o, &merged), HN_OK);
    CHECK_INT(hn_stream_new(cx, &plain, NULL, &a), HN_OK);
    CHECK_INT(hn_stream_new(cx, &merged, NULL, &b), HN_OK);
    size_t n = plain.shape.vocab;
    float *before = logits_of(cx, a, n), *want = logits_of(cx, b, n);
    CHECK(distance(before, want, n) > 0.5);

    CHECK_INT(hn_lora_open(cx, f->one, plain.file, &one), HN_OK);
    CHECK_INT(hn_lora_open(cx, f->two, plain.file, &two), HN_OK);
    CHECK_INT(hn_stream_adapt(cx, a, (hn_lora_use[]){ { &one, 0.25f }, { &two, 0.5f } }, 2), HN_OK);
    CHECK_INT(hn_stream_count(a), 0);
    float *got = logits_of(cx, a, n), *mine = logits_of(cx, b, n);
    print_message("%s adapter: %g from the merged model, of %g that it changes\n", hn_qtype_get(type)->name,
                  distance(got, want, n),
                  distance(before, want, n));
    CHECK(distance(got, want, n) < bound);
    CHECK(distance(mine, want, n) == 0);                          /* another stream is not touched */

    size_t held = hn_stream_count(a);
    CHECK_INT(hn_stream_adapt(cx, a, (hn_lora_use[]){ { &one, 0.25f }, { &two, 0.5f } }, 2), HN_OK);
    CHECK_INT(hn_stream_count(a), held);                          /* the same as before: nothing is forgotten */
    CHECK_INT(hn_stream_adapt(cx, a, NULL, 0), HN_OK);
    float *after = logits_of(cx, a, n);
    CHECK(distance(after, before, n) == 0);
    free(before), free(want), free(got), free(mine), free(after);
    hn_stream_free(a);
    hn_stream_free(b);
    hn_lora_close(&one);
    hn_lora_close(&two);
    hn_lm_close(&plain);
    hn_lm_close(&merged);
}

TEST(adapters_say_what_merged_weights_say)
{
    hn_ctx cx = { 0 };
    hn_gguf *from;
    files f;
    name_files(&f);
    CHECK_INT(hn_gguf_open(&cx, MODEL, &from), HN_OK);
    write_model(&cx, from, f.model, 0);
    write_model(&cx, from, f.merged, 0.5f);
    hn_gguf_close(from);
    with_merged(&cx, &f, HN_QT_F32, 2e-3);
    with_merged(&cx, &f, HN_QT_F16, 3e-2);
    remove_files(&f);
}

/* Packed weights are found by where they came from; an adapter's place may be the next one's. */
TEST(an_adapter_where_another_lay_is_not_taken_for_it)
{
    hn_ctx cx = { 0 };
    hn_lm m;
    hn_lora l;
    hn_stream *s;
    hn_file file;
    files f;
    hn_lm_opts o = { .kv = HN_QT_F32 };
    name_files(&f);
    CHECK_INT(hn_lm_open(&cx, MODEL, &o, &m), HN_OK);
    write_adapter(&cx, m.file, f.one, 0, 1, 2 * RANK, HN_QT_Q8_0);
    CHECK_INT(hn_stream_new(&cx, &m, NULL, &s), HN_OK);
    CHECK_INT(hn_file_open(&cx, f.one, &file), HN_OK);
    char *place = aligned_alloc(64, hn_round_up(file.len, 64)), *copy = malloc(file.len);
    memcpy(place, file.data, file.len);
    memcpy(copy, file.data, file.len);

    size_t n = m.shape.vocab;
    float *before = logits_of(&cx, s, n);
    CHECK_INT(hn_lora_open_memory(&cx, place, file.len, m.file, &l), HN_OK);
    CHECK_INT(hn_stream_adapt(&cx, s, &(hn_lora_use){ &l, 0.5f }, 1), HN_OK);
    float *first = logits_of(&cx, s, n);
    CHECK(distance(first, before, n) > 0.1);
    CHECK(memcmp(place, copy, file.len) == 0);                    /* packing gives back pages of the model's file alone */
    const hn_gguf_tensor *a = hn_gguf_tensor_find(l.file, "blk.0.attn_q.weight.lora_a");
    size_t at = (size_t)((const char *)a->data - place), size = a->size;
    CHECK_INT(hn_stream_adapt(&cx, s, NULL, 0), HN_OK);
    hn_lora_close(&l);

    memset(place + at, 0, size);                                  /* changes nothing any more */
    CHECK_INT(hn_lora_open_memory(&cx, place, file.len, m.file, &l), HN_OK);
    CHECK_INT(hn_stream_adapt(&cx, s, &(hn_lora_use){ &l, 0.5f }, 1), HN_OK);
    float *second = logits_of(&cx, s, n);
    CHECK(distance(second, before, n) == 0);
    free(before), free(first), free(second), free(place), free(copy);
    hn_file_close(&file);
    hn_stream_free(s);
    hn_lora_close(&l);
    hn_lm_close(&m);
    remove_files(&f);
}

TEST(an_adapter_that_does_not_fit_is_refused)
{
    hn_ctx cx = { 0 };
    hn_gguf *model;
    hn_lora l;
    files f;
    hn_gguf_writer *w;
    name_files(&f);
    CHECK_INT(hn_gguf_open(&cx, MODEL, &model), HN_OK);
    CHECK_INT(hn_lora_open(&cx, MODEL, model, &l), HN_EFORMAT);
    CHECK(strstr(cx.msg, "expected an adapter") != NULL);

    static const struct { const char *name; int64_t rows, k; hn_err error; const char *words; } cases[] = {
        { "blk.0.attn_q.weight.lora_a", RANK, 7, HN_EFORMAT, "no half of a pair" },
        { "blk.0.attn_q.weight", RANK, 7, HN_EFORMAT, "no half of a pair" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float v[RANK * 8] = { 0 };
        CHECK_INT(hn_gguf_writer_new(&cx, f.one, &w), HN_OK);
        hn_gguf_put_text(w, "general.type", (hn_text){ "adapter", 7 });
        hn_gguf_put_text(w, "adapter.type", (hn_text){ "lora", 4 });
        hn_gguf_put_text(w, "general.architecture", (hn_text){ "llama", 5 });
        CHECK_INT(hn_gguf_put_tensor(&cx, w, cases[i].name, HN_QT_F32, &(hn_shape){ 2, { cases[i].rows, cases[i].k } }), HN_OK);
        CHECK_INT(hn_gguf_write(&cx, w, v, (size_t)(cases[i].rows * cases[i].k) * sizeof *v), HN_OK);
        CHECK_INT(hn_gguf_finish(&cx, w), HN_OK);
        hn_gguf_writer_free(w);
        CHECK_INT(hn_lora_open(&cx, f.one, model, &l), cases[i].error);
        CHECK(strstr(cx.msg, cases[i].words) != NULL);
    }
    hn_gguf_close(model);
    remove_files(&f);
}
