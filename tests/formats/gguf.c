/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/support/test.h"

/* ---- Writing small files --------------------------------------------------------------------- */

static void put(hn_buf *b, uint64_t v, size_t size) { hn_buf_add(b, &v, size); }   /* little-endian */

static void put_text(hn_buf *b, const char *text)
{
    put(b, strlen(text), 8);
    hn_buf_add(b, text, strlen(text));
}

static void put_head(hn_buf *b, uint32_t version, uint64_t tensors, uint64_t values)
{
    hn_buf_add(b, "GGUF", 4);
    put(b, version, 4);
    put(b, tensors, 8);
    put(b, values, 8);
}

static void put_value(hn_buf *b, const char *key, hn_gguf_kind kind, uint64_t bits, size_t size)
{
    put_text(b, key);
    put(b, kind, 4);
    put(b, bits, size);
}

static void put_tensor(hn_buf *b, const char *name, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset)
{
    put_text(b, name);
    put(b, 2, 4);
    put(b, cols, 8);
    put(b, rows, 8);
    put(b, type, 4);
    put(b, offset, 8);
}

static void put_data(hn_buf *b, size_t size)
{
    while (b->len % 32)
        put(b, 0, 1);
    while (size--)
        put(b, size & 0x3F, 1);
}

/* A file with a value of every kind and two tensors; `b` is the caller's to free. */
static void put_good(hn_buf *b)
{
    float f = 0.5f;
    double d = 0.25;
    uint32_t bits;
    uint64_t wide;
    memcpy(&bits, &f, 4);
    memcpy(&wide, &d, 8);

    put_head(b, 3, 2, 9);
    put_text(b, "general.architecture"), put(b, HN_GGUF_TEXT, 4), put_text(b, "llama");
    put_value(b, "a.u32", HN_GGUF_U32, 7, 4);
    put_value(b, "a.i8", HN_GGUF_I8, 0xFE, 1);
    put_value(b, "a.u64", HN_GGUF_U64, UINT64_MAX, 8);
    put_value(b, "a.f32", HN_GGUF_F32, bits, 4);
    put_value(b, "a.f64", HN_GGUF_F64, wide, 8);
    put_value(b, "a.bool", HN_GGUF_BOOL, 1, 1);
    put_text(b, "a.texts"), put(b, HN_GGUF_ARRAY, 4), put(b, HN_GGUF_TEXT, 4), put(b, 3, 8);
    put_text(b, "one"), put_text(b, ""), put_text(b, "three");
    put_text(b, "a.ints"), put(b, HN_GGUF_ARRAY, 4), put(b, HN_GGUF_I16, 4), put(b, 2, 8);
    put(b, 0xFFFF, 2), put(b, 300, 2);
    put_tensor(b, "w", 64, 2, 2, 0);          /* Q4_0: 72 bytes */
    put_tensor(b, "v", 4, 1, 0, 96);
    put_data(b, 96 + 16);
}

/* Opens bytes from a copy that ends exactly where they do, so that sanitizers see every step too far. */
static hn_err open_copy(hn_ctx *cx, const char *data, size_t len, hn_gguf **g, void **copy)
{
    *copy = malloc(len ? len : 1);
    memcpy(*copy, data, len);
    return hn_gguf_open_memory(cx, *copy, len, g);
}

/* Fails, with a message that holds `words`. */
static void refuses(hn_buf *b, hn_err code, const char *words)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    void *copy;
    hn_err e = open_copy(&cx, b->data, b->len, &g, &copy);
    if (e != code || !strstr(cx.msg, words))
        fail_msg("expected %s with '%s', got %s: %s", hn_err_name(code), words, hn_err_name(e), cx.msg);
    free(copy);
    hn_buf_free(b);
    *b = (hn_buf){ 0 };
}

/* ---- Reading ---------------------------------------------------------------------------------- */

TEST(reads_values_of_every_kind)
{
    hn_ctx cx = { 0 };
    hn_buf b = { 0 };
    hn_gguf *g;
    hn_arena *a;
    void *copy;
    uint32_t u, seven = 7;
    int64_t i;
    float f;
    bool yes;
    hn_text text;
    const hn_text *texts;
    const int64_t *ints;
    const float *floats;
    size_t count;

    put_good(&b);
    CHECK(hn_arena_new(&cx, 0, &a) == HN_OK);
    CHECK(open_copy(&cx, b.data, b.len, &g, &copy) == HN_OK);
    CHECK_INT(g->value_count, 9);
    CHECK(hn_gguf_u32(&cx, g, "a.u32", NULL, &u) == HN_OK && u == 7);
    CHECK(hn_gguf_u32(&cx, g, "missing", &seven, &u) == HN_OK && u == 7);
    CHECK(hn_gguf_u32(&cx, g, "missing", NULL, &u) == HN_EFORMAT && strstr(cx.msg, "missing"));
    CHECK(hn_gguf_u32(&cx, g, "a.i8", NULL, &u) == HN_EFORMAT);            /* -2 */
    CHECK(hn_gguf_i64(&cx, g, "a.i8", NULL, &i) == HN_OK && i == -2);
    CHECK(hn_gguf_i64(&cx, g, "a.u64", NULL, &i) == HN_EFORMAT);
    CHECK(hn_gguf_u32(&cx, g, "a.f32", NULL, &u) == HN_EFORMAT && strstr(cx.msg, "found f32"));
    CHECK(hn_gguf_f32(&cx, g, "a.f32", NULL, &f) == HN_OK && f == 0.5f);
    CHECK(hn_gguf_f32(&cx, g, "a.f64", NULL, &f) == HN_OK && f == 0.25f);
    CHECK(hn_gguf_bool(&cx, g, "a.bool", NULL, &yes) == HN_OK && yes);
    CHECK(hn_gguf_text(&cx, g, "general.architecture", NULL, &text) == HN_OK);
    CHECK(text.len == 5 && memcmp(text.ptr, "llama", 5) == 0);
    CHECK(hn_gguf_texts(&cx, g, "a.texts", true, a, &texts, &count) == HN_OK && count == 3);
    CHECK(texts[1].len == 0 && texts[2].len == 5 && memcmp(texts[2].ptr, "three", 5) == 0);
    CHECK(hn_gguf_i64s(&cx, g, "a.ints", true, a, &ints, &count) == HN_OK && count == 2);
    CHECK(ints[0] == -1 && ints[1] == 300);
    CHECK(hn_gguf_f32s(&cx, g, "a.ints", true, a, &floats, &count) == HN_EFORMAT);
    CHECK(hn_gguf_f32s(&cx, g, "missing", false, a, &floats, &count) == HN_OK && count == 0);

    const hn_gguf_tensor *w = hn_gguf_tensor_find(g, "w");
    CHECK(w && w->type == HN_QT_Q4_0 && w->size == 72);
    CHECK(w->shape.rank == 2 && w->shape.dim[0] == 2 && w->shape.dim[1] == 64);
    CHECK(hn_gguf_tensor_find(g, "nothing") == NULL);
    hn_gguf_close(g);
    hn_arena_free(a);
    free(copy);
    hn_buf_free(&b);
}

TEST(refuses_every_shorter_file)
{
    hn_buf b = { 0 };
    put_good(&b);
    for (size_t len = 0; len < b.len; len++) {
        hn_ctx cx = { 0 };
        hn_gguf *g;
        void *copy;
        CHECK(open_copy(&cx, b.data, len, &g, &copy) == HN_EFORMAT);
        CHECK(cx.msg[0] != 0 && !strchr(cx.msg, '\n'));
        free(copy);
    }
    hn_buf_free(&b);
}

TEST(survives_every_flipped_bit)
{
    hn_buf b = { 0 };
    put_good(&b);
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        hn_ctx cx = { 0 };
        hn_gguf *g;
        void *copy;
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        if (open_copy(&cx, b.data, b.len, &g, &copy) == HN_OK) {
            for (size_t i = 0; i < g->tensor_count; i++) {      /* all of it is really there */
                const hn_gguf_tensor *t = &g->tensors[i];
                float *x = malloc(hn_shape_count(&t->shape) * sizeof *x);
                hn_q_decode(t->type, t->data, x, hn_shape_count(&t->shape));
                free(x);
            }
            hn_gguf_close(g);
        } else {
            CHECK(cx.msg[0] != 0);
        }
        free(copy);
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    hn_buf_free(&b);
}

TEST(refuses_hostile_headers)
{
    hn_buf b = { 0 };
    hn_buf_text(&b, "GGML and more of it, 24 bytes");
    refuses(&b, HN_EFORMAT, "not a GGUF file");
    put_head(&b, 0x03000000, 0, 0);
    refuses(&b, HN_EUNSUP, "big-endian");
    put_head(&b, 1, 0, 0);
    refuses(&b, HN_EUNSUP, "version 1");
    put_head(&b, 4, 0, 0);
    refuses(&b, HN_EUNSUP, "version 4");
    put_head(&b, 3, UINT64_MAX, 0);
    refuses(&b, HN_EFORMAT, "too many");
    put_head(&b, 3, 0, UINT64_MAX / 2);
    refuses(&b, HN_EFORMAT, "too many");
}

TEST(refuses_hostile_values)
{
    hn_buf b = { 0 };
    put_head(&b, 3, 0, 2);
    put_value(&b, "same", HN_GGUF_U32, 1, 4), put_value(&b, "same", HN_GGUF_U32, 2, 4);
    refuses(&b, HN_EFORMAT, "'same' appears twice");
    put_head(&b, 3, 0, 1);
    put_value(&b, "kind", 13, 1, 8);
    refuses(&b, HN_EFORMAT, "kind of value");
    put_head(&b, 3, 0, 1);
    put_value(&b, "yes", HN_GGUF_BOOL, 2, 1);
    refuses(&b, HN_EFORMAT, "bool");
    put_head(&b, 3, 0, 1);
    put_value(&b, "bomb", HN_GGUF_TEXT, UINT64_MAX, 8), put_data(&b, 64);
    refuses(&b, HN_EFORMAT, "'bomb'");
    put_head(&b, 3, 0, 1);
    put_text(&b, "list"), put(&b, HN_GGUF_ARRAY, 4), put(&b, HN_GGUF_U64, 4), put(&b, UINT64_MAX / 8 + 2, 8);
    refuses(&b, HN_EFORMAT, "elements");
    put_head(&b, 3, 0, 1);
    put_text(&b, "deep"), put(&b, HN_GGUF_ARRAY, 4), put(&b, HN_GGUF_ARRAY, 4), put(&b, 1, 8);
    refuses(&b, HN_EUNSUP, "array of arrays");
    put_head(&b, 3, 0, 1);
    put(&b, 0, 8), put(&b, HN_GGUF_U32, 4), put(&b, 1, 8);
    refuses(&b, HN_EFORMAT, "key");
    put_head(&b, 3, 0, 1);
    put(&b, 3, 8), hn_buf_add(&b, "a\0b", 3), put(&b, HN_GGUF_U32, 4), put(&b, 1, 4);
    refuses(&b, HN_EFORMAT, "zero byte");
    for (uint32_t align = 0; align < 40; align += 12) {
        put_head(&b, 3, 0, 1);
        put_value(&b, "general.alignment", HN_GGUF_U32, align, 4);
        refuses(&b, HN_EFORMAT, "general.alignment");
    }
}

static void one_tensor(hn_buf *b, uint64_t cols, uint64_t rows, uint32_t type, uint64_t offset)
{
    put_head(b, 3, 1, 0);
    put_tensor(b, "t", cols, rows, type, offset);
    put_data(b, 128);
}

TEST(refuses_hostile_tensors)
{
    hn_buf b = { 0 };
    one_tensor(&b, 33, 1, 2, 0);
    refuses(&b, HN_EFORMAT, "whole Q4_0 blocks of 32, found 33");
    one_tensor(&b, 32, 1, 36, 0);
    refuses(&b, HN_EUNSUP, "type 36");
    one_tensor(&b, 0, 1, 0, 0);
    refuses(&b, HN_EFORMAT, "dimension 0 is 0");
    one_tensor(&b, UINT64_MAX - 31, 1, 2, 0);
    refuses(&b, HN_EFORMAT, "dimension");
    one_tensor(&b, (uint64_t)1 << 40, (uint64_t)1 << 40, 0, 0);
    refuses(&b, HN_EFORMAT, "address");
    one_tensor(&b, 8, 1, 0, 16);
    refuses(&b, HN_EFORMAT, "multiple of 32, found 16");
    one_tensor(&b, 33, 1, 0, 0);
    refuses(&b, HN_EFORMAT, "cut short");
    one_tensor(&b, 8, 1, 0, UINT64_MAX - 31);
    refuses(&b, HN_EFORMAT, "cut short");

    put_head(&b, 3, 2, 0);
    put_tensor(&b, "x", 16, 1, 0, 0), put_tensor(&b, "y", 8, 1, 0, 32), put_data(&b, 64);
    refuses(&b, HN_EFORMAT, "'x' and 'y' overlap");
    put_head(&b, 3, 2, 0);
    put_tensor(&b, "x", 8, 1, 0, 0), put_tensor(&b, "x", 8, 1, 0, 32), put_data(&b, 64);
    refuses(&b, HN_EFORMAT, "'x' appears twice");
    put_head(&b, 3, 1, 0);
    put_text(&b, "t"), put(&b, 5, 4), put_data(&b, 128);
    refuses(&b, HN_EFORMAT, "at most 4 dimensions, found 5");
}

/* ---- Split files -------------------------------------------------------------------------------- */

static void write_part(const char *path, unsigned no, unsigned count, const char *tensor)
{
    hn_ctx cx = { 0 };
    hn_buf b = { 0 };
    put_head(&b, 3, 1, 3);
    put_value(&b, "split.no", HN_GGUF_U16, no, 2);
    put_value(&b, "split.count", HN_GGUF_U16, count, 2);
    put_value(&b, "split.tensors.count", HN_GGUF_I32, 2, 4);
    put_tensor(&b, tensor, 8, 1, 0, 0), put_data(&b, 32);
    assert_int_equal(hn_file_write(&cx, path, b.data, b.len), HN_OK);
    hn_buf_free(&b);
}

TEST(reads_all_parts_of_a_split_file)
{
    char dir[] = "/tmp/hone-gguf-XXXXXX", one[64], two[64];
    hn_ctx cx = { 0 };
    hn_gguf *g;

    CHECK(mkdtemp(dir) != NULL);
    snprintf(one, sizeof one, "%s/m-00001-of-00002.gguf", dir);
    snprintf(two, sizeof two, "%s/m-00002-of-00002.gguf", dir);
    write_part(one, 0, 2, "first");
    CHECK(hn_gguf_open(&cx, one, &g) == HN_EIO && strstr(cx.msg, "00002-of-00002"));
    write_part(two, 1, 2, "second");
    CHECK(hn_gguf_open(&cx, one, &g) == HN_OK);
    CHECK(g->file_count == 2 && g->tensor_count == 2 && hn_gguf_tensor_find(g, "second"));
    hn_gguf_close(g);
    CHECK(hn_gguf_open(&cx, two, &g) == HN_EARG && strstr(cx.msg, "00001"));
    write_part(two, 1, 2, "first");
    CHECK(hn_gguf_open(&cx, one, &g) == HN_EFORMAT && strstr(cx.msg, "twice"));
    write_part(two, 0, 2, "second");
    CHECK(hn_gguf_open(&cx, one, &g) == HN_EFORMAT && strstr(cx.msg, "expected part 2 of 2"));
    unlink(one), unlink(two), rmdir(dir);
}

/* ---- Real files: one model in every type ------------------------------------------------------------ */

/* Relative error, root of the squares, that a type may have on normal weights; measured 0.5 % to
 * 77 %, so a layout read wrongly (about 140 %) cannot hide. */
static const struct { hn_qtype type; double least, most; } fit[] = {
    { HN_QT_F16, 0, 0 },           { HN_QT_Q8_0, 0.004, 0.006 },    { HN_QT_Q6_K, 0.01, 0.02 },
    { HN_QT_Q5_0, 0.03, 0.045 },   { HN_QT_Q5_1, 0.03, 0.04 },      { HN_QT_Q5_K, 0.03, 0.04 },
    { HN_QT_Q4_0, 0.07, 0.09 },    { HN_QT_Q4_1, 0.065, 0.08 },     { HN_QT_Q4_K, 0.065, 0.08 },
    { HN_QT_IQ4_NL, 0.07, 0.08 },  { HN_QT_IQ4_XS, 0.07, 0.08 },    { HN_QT_MXFP4, 0.1, 0.12 },
    { HN_QT_NVFP4, 0.09, 0.1 },    { HN_QT_Q3_K, 0.13, 0.16 },      { HN_QT_IQ3_S, 0.12, 0.17 },
    { HN_QT_IQ3_XXS, 0.18, 0.22 }, { HN_QT_Q2_K, 0.24, 0.3 },       { HN_QT_IQ2_XS, 0.28, 0.34 },
    { HN_QT_IQ2_XXS, 0.32, 0.38 }, { HN_QT_IQ1_S, 0.4, 0.54 },     { HN_QT_IQ1_M, 0.4, 0.6 },
    { HN_QT_Q1_0, 0.55, 0.62 },    { HN_QT_Q2_0, 0.4, 0.72 },       { HN_QT_TQ1_0, 0.65, 0.8 },
    { HN_QT_TQ2_0, 0.65, 0.8 },    { HN_QT_F32, 0, 0 },
};

static double error_between(const hn_gguf_tensor *t, const hn_gguf_tensor *ref)
{
    size_t n = hn_shape_count(&t->shape);
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    double wrong = 0, all = 0;
    hn_q_decode(t->type, t->data, x, n);
    hn_q_decode(ref->type, ref->data, y, n);
    for (size_t i = 0; i < n; i++) {
        wrong += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
        all += (double)y[i] * y[i];
    }
    free(x);
    free(y);
    return sqrt(wrong / all);
}

static bool check_types(hn_ctx *cx, const char *path, const hn_gguf *ref, bool seen[HN_QT_COUNT])
{
    hn_gguf *g;
    if (hn_gguf_open(cx, path, &g))
        fail_msg("%s", cx->msg);
    for (size_t i = 0; i < g->tensor_count; i++) {
        const hn_gguf_tensor *t = &g->tensors[i], *r = hn_gguf_tensor_find(ref, t->name);
        size_t k = 0;
        CHECK(r && hn_shape_equal(&t->shape, &r->shape));
        double error = error_between(t, r);
        while (k < sizeof fit / sizeof fit[0] && fit[k].type != t->type)
            k++;
        if (k == sizeof fit / sizeof fit[0] || error < fit[k].least || error > fit[k].most)
            fail_msg("%s: '%s' (%s) is off by %g", path, t->name, hn_qtype_get(t->type)->name, error);
        seen[t->type] = true;
    }
    hn_gguf_close(g);
    return true;
}

TEST(one_model_in_every_type_is_the_same_model)
{
    static const char *const names[] = {
        "IQ1_M", "IQ1_S", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ3_S", "IQ3_XXS", "IQ4_NL", "IQ4_XS", "MXFP4_MOE", "Q1_0",
        "Q2_0", "Q2_K", "Q3_K_S", "Q4_0", "Q4_1", "Q4_K_S", "Q5_0", "Q5_1", "Q5_K_S", "Q6_K", "Q8_0", "TQ1_0",
        "TQ2_0", "f16", "nvfp4",
    };
    hn_ctx cx = { 0 };
    hn_gguf *ref;
    bool seen[HN_QT_COUNT] = { false };
    const char *path = hn_test_data("llm/tiny-quants/tiny-f16.gguf");
    if (!path)
        return;
    CHECK(hn_gguf_open(&cx, path, &ref) == HN_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[64];
        snprintf(file, sizeof file, "llm/tiny-quants/tiny-%s.gguf", names[i]);
        path = hn_test_data(file);
        CHECK(path && check_types(&cx, path, ref, seen));
    }
    for (size_t i = 0; i < sizeof fit / sizeof fit[0]; i++)
        CHECK(seen[fit[i].type]);
    hn_gguf_close(ref);
}

TEST(reads_a_vocabulary_without_tensors)
{
    hn_ctx cx = { 0 };
    hn_gguf *g;
    hn_arena *a;
    const hn_text *tokens;
    size_t count;
    const char *path = hn_test_data("llm/vocab/ggml-vocab-phi-3.gguf");
    if (!path)
        return;
    CHECK(hn_gguf_open(&cx, path, &g) == HN_OK);
    CHECK(hn_arena_new(&cx, 0, &a) == HN_OK);
    CHECK(hn_gguf_texts(&cx, g, "tokenizer.ggml.tokens", true, a, &tokens, &count) == HN_OK);
    CHECK(count > 30000 && tokens[1].len == 3 && memcmp(tokens[1].ptr, "<s>", 3) == 0);
    hn_arena_free(a);
    hn_gguf_close(g);
}
