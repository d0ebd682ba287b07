/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdlib.h>

#include "formats/flatbuffer.h"
#include "formats/flexbuffer.h"
#include "formats/format.h"
#include "graph/eval.h"
#include "tests/support/fb.h"
#include "tests/support/graph.h"

#define I32S(...) (const int32_t[]){ __VA_ARGS__ }, sizeof((const int32_t[]){ __VA_ARGS__ }) / sizeof(int32_t)
#define OPTIONS(...) (const int64_t[]){ __VA_ARGS__ }, \
    (unsigned)(sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
enum { TYPE_F32 = 0, TYPE_I32 = 2, TYPE_I8 = 9 };
enum { ADD = 0, CONV_2D = 3, DEPTHWISE_CONV_2D = 4, FULLY_CONNECTED = 9 };

/* The bytes end where the allocation ends, so that a sanitizer sees one step too far. */
static hn_err open_exact(const void *data, size_t len, hn_ctx *cx, void **exact, hn_source *s)
{
    *exact = malloc(len ? len : 1);
    memcpy(*exact, data, len);
    return hn_source_open_memory(cx, *exact, len, s);
}

static hn_err try_bytes(const void *data, size_t len)
{
    hn_ctx cx = { 0 };
    hn_source s;
    void *exact;
    hn_err e = open_exact(data, len, &cx, &exact, &s);
    if (e)
        CHECK(*cx.msg);
    else
        hn_source_close(&cx, &s);
    free(exact);
    return e;
}

/* Runs a model of one input and one output. */
static hn_err run_model(fb_model *m, hn_tensor x, hn_arena *a, hn_tensor *y)
{
    hn_ctx cx = { 0 };
    hn_source s;
    fb_model_end(m);
    HN_TRY(hn_source_open_memory(&cx, m->f.data, m->f.len, &s));
    hn_err e = hn_source_runnable(&cx, &s);
    if (!e)
        e = hn_eval(&cx, s.graph, &x, a, y);
    hn_source_close(&cx, &s);
    return e;
}

static hn_arena *arena(void)
{
    hn_arena *a;
    CHECK_INT(hn_arena_new(NULL, 0, &a), HN_OK);
    return a;
}

TEST(an_absent_field_gives_its_default_and_a_stray_offset_marks_the_buffer)
{
    fb f;
    fb_start(&f, "ABCD");
    size_t t = fb_table(&f, 3);
    fb_int(&f, t, 1, -7);
    fb_int(&f, t, 2, 1 << 30);
    hn_fb b = hn_fb_over(f.data, f.len);
    hn_fb_table root = hn_fb_root(&b);
    CHECK(hn_fb_has_id(f.data, f.len, "ABCD") && !hn_fb_has_id(f.data, 7, "ABCD"));
    CHECK_INT(hn_fb_int(&root, 0, 4, 42), 42);
    CHECK_INT(hn_fb_int(&root, 1, 1, 42), -7);
    CHECK_INT(hn_fb_int(&root, 9, 4, 42), 42);
    CHECK(!b.damaged);
    CHECK_INT(hn_fb_list(&root, 2, 4).count, 0);
    CHECK(b.damaged);
}

TEST(a_vector_longer_than_the_file_is_refused)
{
    fb f;
    fb_start(&f, "ABCD");
    size_t t = fb_table(&f, 1), v = fb_bytes(&f, "abcd", 4, 1);
    fb_ref(&f, t, 0, v);
    hn_fb b = hn_fb_over(f.data, f.len);
    hn_fb_table root = hn_fb_root(&b);
    CHECK_INT(hn_fb_text(&root, 0).len, 4);
    CHECK_INT(hn_fb_list(&root, 0, 1).count, 4);
    f.data[v] = 0xff;
    CHECK_INT(hn_fb_list(&root, 0, 1).count, 0);
    CHECK(b.damaged);
}

static void add_operator(fb_model *m, int code, const int32_t *in, size_t ins, int32_t out, const int64_t *option,
                         unsigned options)
{
    fb_model_operator(m, code, code, in, ins, &out, 1, options);
    for (unsigned i = 0; i < options; i++)
        fb_int(&m->f, m->options, i, option[i]);
}

TEST(a_fused_activation_follows_an_addition)
{
    fb_model m;
    hn_arena *a = arena();
    hn_tensor y;
    fb_model_start(&m, I32S(0), I32S(2));
    fb_model_tensor(&m, TYPE_F32, I32S(3), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(1), (const float[]){ 1 }, 4, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(3), NULL, 0, 0, 0);
    add_operator(&m, ADD, I32S(0, 1), 2, OPTIONS(3));          /* RELU6 */
    CHECK_INT(run_model(&m, F32(SHAPE(3), -5, 2, 9), a, &y), HN_OK);
    const float *v = y.data;
    CHECK(v[0] == 0 && v[1] == 3 && v[2] == 6);
    hn_arena_free(a);
}

/* 2 x 2 pixels of 2 channels, a 2 x 1 window over them, stride 1, no padding: weights O, H, W, I. */
TEST(convolution_weights_change_their_order)
{
    fb_model m;
    hn_arena *a = arena();
    hn_tensor y;
    fb_model_start(&m, I32S(0), I32S(3));
    fb_model_tensor(&m, TYPE_F32, I32S(1, 2, 2, 2), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(1, 2, 1, 2), (const float[]){ 1, 10, 100, 1000 }, 16, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(1), (const float[]){ 0.5f }, 4, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(1, 1, 2, 1), NULL, 0, 0, 0);
    add_operator(&m, CONV_2D, I32S(0, 1, 2), 3, OPTIONS(1, 1, 1, 0, 1, 1));
    CHECK_INT(run_model(&m, F32(SHAPE(1, 2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 8), a, &y), HN_OK);
    const float *v = y.data;
    CHECK(y.shape.rank == 4 && y.shape.dim[1] == 1 && y.shape.dim[2] == 2 && y.shape.dim[3] == 1);
    CHECK(v[0] == 1 + 20 + 500 + 6000 + 0.5f && v[1] == 3 + 40 + 700 + 8000 + 0.5f);
    hn_arena_free(a);
}

/* One channel makes two: results of channel c lie at c * multiplier. */
TEST(a_depthwise_multiplier_makes_neighbours)
{
    fb_model m;
    hn_arena *a = arena();
    hn_tensor y;
    fb_model_start(&m, I32S(0), I32S(3));
    fb_model_tensor(&m, TYPE_F32, I32S(1, 1, 1, 2), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(1, 1, 1, 4), (const float[]){ 1, 2, 3, 4 }, 16, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(4), (const float[]){ 0, 0, 0, 0 }, 16, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(1, 1, 1, 4), NULL, 0, 0, 0);
    add_operator(&m, DEPTHWISE_CONV_2D, I32S(0, 1, 2), 3, OPTIONS(0, 1, 1, 2, 0, 1, 1));
    CHECK_INT(run_model(&m, F32(SHAPE(1, 1, 1, 2), 10, 100), a, &y), HN_OK);
    const float *v = y.data;
    CHECK(v[0] == 10 && v[1] == 20 && v[2] == 300 && v[3] == 400);
    hn_arena_free(a);
}

/* (3 - 1) * 4 + (5 - 1) * (-2) + 7 = 7 with factor 0.5 * 0.5 / 0.5: 3.5, up to 4, plus 10. */
TEST(a_dense_layer_in_integers)
{
    fb_model m;
    hn_arena *a = arena();
    hn_tensor y, x = { HN_I8, SHAPE(1, 2), (int8_t[]){ 3, 5 } };
    fb_model_start(&m, I32S(0), I32S(3));
    fb_model_tensor(&m, TYPE_I8, I32S(1, 2), NULL, 0, 0.5f, 1);
    fb_model_tensor(&m, TYPE_I8, I32S(1, 2), (const int8_t[]){ 4, -2 }, 2, 0.5f, 0);
    fb_model_tensor(&m, TYPE_I32, I32S(1), (const int32_t[]){ 7 }, 4, 0.25f, 0);
    fb_model_tensor(&m, TYPE_I8, I32S(1, 1), NULL, 0, 0.5f, 10);
    add_operator(&m, FULLY_CONNECTED, I32S(0, 1, 2), 3, OPTIONS(0));
    CHECK_INT(run_model(&m, x, a, &y), HN_OK);
    CHECK_INT(*(const int8_t *)y.data, 14);
    hn_arena_free(a);
}

/* Numbers past 127 lie in the newer field, with the most a byte holds in the older one. */
TEST(an_operator_code_lies_in_either_field)
{
    fb_model m;
    hn_arena *a = arena();
    hn_tensor y;
    fb_model_start(&m, I32S(0), I32S(1));
    fb_model_tensor(&m, TYPE_F32, I32S(2), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(2), NULL, 0, 0, 0);
    fb_model_operator(&m, 127, 150, I32S(0), I32S(1), 0);                     /* GELU */
    CHECK_INT(run_model(&m, F32(SHAPE(2), 0, 100), a, &y), HN_OK);
    CHECK(((const float *)y.data)[0] == 0 && ((const float *)y.data)[1] == 100);
    hn_arena_free(a);
}

TEST(an_unknown_operator_is_named_and_the_rest_can_be_looked_at)
{
    fb_model m;
    hn_ctx cx = { 0 };
    hn_source s;
    fb_model_start(&m, I32S(0), I32S(1));
    fb_model_tensor(&m, TYPE_F32, I32S(2), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_F32, I32S(2), NULL, 0, 0, 0);
    fb_model_operator(&m, 127, 9999, I32S(0), I32S(1), 0);
    fb_model_end(&m);
    CHECK_INT(hn_source_open_memory(&cx, m.f.data, m.f.len, &s), HN_OK);
    CHECK_INT(s.unsup_count, 1);
    CHECK_TEXT(s.unsup->op, "number 9999");
    CHECK_INT(s.graph->out[0]->t.shape.dim[0], 2);
    CHECK_INT(hn_source_runnable(&cx, &s), HN_EUNSUP);
    hn_source_close(&cx, &s);
}

TEST(operands_that_are_not_there_are_refused)
{
    for (int32_t at = 7; at < 9; at++) {                                      /* never made; past the list */
        fb_model m;
        fb_model_start(&m, I32S(0), I32S(1));
        fb_model_tensor(&m, TYPE_F32, I32S(2), NULL, 0, 0, 0);
        fb_model_tensor(&m, TYPE_F32, I32S(2), NULL, 0, 0, 0);
        fb_model_operator(&m, ADD, ADD, (const int32_t[]){ 0, at }, 2, I32S(1), 0);
        fb_model_end(&m);
        CHECK_INT(try_bytes(m.f.data, m.f.len), HN_EFORMAT);
    }
}

/* ---- Damage ------------------------------------------------------------------------------------ */

static void damage(const char *model, size_t step)
{
    const char *path = hn_test_data(model);
    hn_file f;
    if (!path)
        return;
    CHECK_INT(hn_file_open(NULL, path, &f), HN_OK);
    CHECK_INT(try_bytes(f.data, f.len), HN_OK);
    uint8_t *copy = malloc(f.len);
    memcpy(copy, f.data, f.len);
    for (size_t i = 0; i < f.len; i += step) {
        try_bytes(f.data, i);
        for (int bit = 0; bit < 8; bit++) {
            copy[i] ^= (uint8_t)(1u << bit);
            try_bytes(copy, f.len);
            copy[i] ^= (uint8_t)(1u << bit);
        }
    }
    free(copy);
    hn_file_close(&f);
}

TEST(small_tflite_models_cut_or_flipped_anywhere_are_survived)
{
    size_t step = getenv("HONE_TEST_FULL") ? 1 : 7;
    damage("models/hello_world_int8.tflite", step);
    damage("models/mnist_lstm_int8.tflite", 5 * step);
    damage("models/kws_dscnn_int8.tflite", 37 * step);
    damage("models/audio_preprocessor_int8.tflite", 5 * step);
}

/* { "shift": 1 }: the name, the list of names, the values with their kinds, the root. */
static const uint8_t shift_options[] = { 's', 'h', 'i', 'f', 't', 0, 1, 7, 1, 1, 1, 1, 4, 2, 36, 1 };

TEST(a_map_of_numbers_is_read_and_no_damage_leads_outside)
{
    hn_flex m;
    double v = 0;
    size_t len = sizeof shift_options;
    CHECK(hn_flex_map(shift_options, len, &m) && hn_flex_number(&m, "shift", &v) && v == 1);
    CHECK(!hn_flex_number(&m, "shif", &v) && !hn_flex_number(&m, "shifts", &v));
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *some = malloc(cut ? cut : 1);
        memcpy(some, shift_options + len - cut, cut);
        if (hn_flex_map(some, cut, &m))
            hn_flex_number(&m, "shift", &v);
        free(some);
    }
    for (size_t bit = 0; bit < 8 * len; bit++) {
        uint8_t *some = malloc(len);
        memcpy(some, shift_options, len);
        some[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (hn_flex_map(some, len, &m))
            hn_flex_number(&m, "shift", &v);
        free(some);
    }
}

TEST(a_custom_operator_is_found_by_its_name)
{
    enum { TYPE_I16 = 7, CUSTOM = 32 };
    fb_model m;
    hn_arena *a = arena();
    hn_tensor y;
    fb_model_start(&m, I32S(0), I32S(2));
    fb_model_tensor(&m, TYPE_I16, I32S(2), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_I16, I32S(2), (const int16_t[]){ 3, -1 }, 4, 0, 0);
    fb_model_tensor(&m, TYPE_I16, I32S(2), NULL, 0, 0, 0);
    fb_model_operator(&m, CUSTOM, CUSTOM, I32S(0, 1), I32S(2), 0);
    fb_model_custom(&m, "SignalWindow", shift_options, sizeof shift_options);
    CHECK_INT(run_model(&m, T_(I16, SHAPE(2), (int16_t[]){ 10, 7 }), a, &y), HN_OK);
    const int16_t *v = y.data;
    CHECK(v[0] == 15 && v[1] == -4);
    hn_arena_free(a);
}

/* SignalDelay gives what came before: silence at first, which the state input says. */
TEST(a_custom_operator_with_memory_adds_an_input_and_an_output)
{
    static const uint8_t options[] = "delay_length\0\1\x0e\1\1\1\2\4\2\x24\1";
    enum { TYPE_I16 = 7, CUSTOM = 32 };
    fb_model m;
    hn_ctx cx = { 0 };
    hn_source s;
    hn_arena *a = arena();
    hn_tensor y[2];
    fb_model_start(&m, I32S(0), I32S(1));
    fb_model_tensor(&m, TYPE_I16, I32S(3), NULL, 0, 0, 0);
    fb_model_tensor(&m, TYPE_I16, I32S(3), NULL, 0, 0, 0);
    fb_model_operator(&m, CUSTOM, CUSTOM, I32S(0), I32S(1), 0);
    fb_model_custom(&m, "SignalDelay", options, sizeof options - 1);
    fb_model_end(&m);
    CHECK_INT(hn_source_open_memory(&cx, m.f.data, m.f.len, &s), HN_OK);
    CHECK_INT(s.graph->in_count, 2);
    CHECK_INT(s.graph->out_count, 2);
    hn_tensor x[] = { T_(I16, SHAPE(3), (int16_t[]){ 1, 2, 3 }), T_(I16, SHAPE(2), (int16_t[]){ 8, 9 }) };
    CHECK_INT(hn_eval(&cx, s.graph, x, a, y), HN_OK);
    const int16_t *now = y[0].data, *next = y[1].data;
    CHECK(now[0] == 8 && now[1] == 9 && now[2] == 1 && next[0] == 2 && next[1] == 3);
    hn_source_close(&cx, &s);
    hn_arena_free(a);
}
