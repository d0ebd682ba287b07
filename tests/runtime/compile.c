/* SPDX-License-Identifier: Apache-2.0 */
/* Plan files: the same bits as the model they were made from, and nothing read that is not whole. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/checksum.h"
#include "graph/eval.h"
#include "runtime/compile.h"
#include "runtime/session.h"
#include "tests/support/agree.h"

#define DEMO "models/demo/pictograms.onnx"

typedef struct place { char dir[64], plan[96], model[96]; hn_ctx cx; } place;

static void begin(place *p)
{
    *p = (place){ .dir = "/tmp/hone-test-XXXXXX" };
    CHECK(mkdtemp(p->dir) != NULL);
    snprintf(p->plan, sizeof p->plan, "%s/m.plan", p->dir);
    snprintf(p->model, sizeof p->model, "%s/pictograms.onnx", p->dir);
}

static void end(place *p)
{
    unlink(p->plan);
    unlink(p->model);
    CHECK_INT(rmdir(p->dir), 0);
}

/* Open dimensions: `size`.  Those of a plan that keeps nothing but packs are closed. */
static hn_shape *shapes(const hn_graph *g, int64_t size)
{
    hn_shape *s = calloc(g->in_count + 1, sizeof *s);
    for (size_t i = 0; i < g->in_count; i++) {
        s[i] = g->in[i]->t.shape;
        for (int d = 0; d < s[i].rank; d++)
            s[i].dim[d] = hn_is_symbol(s[i].dim[d]) ? size : s[i].dim[d];
    }
    return s;
}

static hn_err compile(place *p, const char *model, int64_t size, bool keep, hn_compile_report *r)
{
    hn_source src;
    HN_TRY(hn_source_open(&p->cx, model, &src));
    hn_plan_opts profile = { .threads = 1, .in_shape = shapes(src.graph, size) };
    hn_compile_opts o = { .profile = &profile, .profile_count = 1, .keep = keep, .fixed = !keep };
    hn_err e = hn_compile(&p->cx, model, &src, &o, p->plan, r);
    free((void *)(uintptr_t)profile.in_shape);
    hn_source_close(&p->cx, &src);
    return e;
}

/* One run through a plan: outputs copied into `a`, figures out. */
static hn_err run(hn_ctx *cx, const char *path, int64_t size, hn_arena *a, hn_tensor **out, size_t *count,
                  hn_plan_stats *stats)
{
    hn_source src;
    hn_plan *plan = NULL;
    hn_session *s = NULL;
    hn_tensor *in;
    HN_TRY(hn_source_open(cx, path, &src));
    hn_shape *shape = shapes(src.graph, size);
    hn_plan_opts o = { .threads = 1, .in_shape = shape, .built = src.built, .built_count = src.built_count };
    hn_err e = hn_plan_new(cx, src.graph, &o, &plan);
    if (!e)
        e = hn_session_new(cx, plan, NULL, &s);
    if (!e)
        e = hn_test_inputs(plan->graph, a, 7, &in);
    for (size_t i = 0; i < src.graph->in_count && !e; i++)
        hn_session_bind_input(s, i, in[i].data);
    if (!e)
        e = hn_session_run(cx, s);
    *count = src.graph->out_count;
    *out = HN_NEW(a, hn_tensor, *count);
    for (size_t i = 0; i < *count && !e; i++)
        e = hn_tensor_copy(cx, hn_session_output(s, i), a, &(*out)[i]);
    if (!e)
        *stats = plan->stats;
    hn_session_free(s);
    hn_plan_free(cx, plan);
    hn_source_close(cx, &src);
    free(shape);
    return e;
}

static void same_bits(place *p, const char *model, int64_t size)
{
    hn_arena *a;
    hn_tensor *from_model, *from_plan;
    hn_plan_stats before, after;
    size_t count, again;
    CHECK_INT(hn_arena_new(&p->cx, 0, &a), HN_OK);
    CHECK_INT(run(&p->cx, model, size, a, &from_model, &count, &before), HN_OK);
    CHECK_INT(run(&p->cx, p->plan, size, a, &from_plan, &again, &after), HN_OK);
    CHECK_INT(again, count);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(from_plan[i].dtype, from_model[i].dtype);
        CHECK(hn_shape_equal(&from_plan[i].shape, &from_model[i].shape));
        CHECK(memcmp(from_plan[i].data, from_model[i].data, hn_bytes(&from_model[i])) == 0);
    }
    CHECK_INT(after.arena_bytes, before.arena_bytes);
    CHECK(after.packed_bytes <= before.packed_bytes);
    CHECK(after.mapped_bytes > 0 || before.packed_bytes == 0);
    hn_arena_free(a);
}

static void compiles(const char *name, int64_t size)
{
    char text[128];
    place p;
    hn_compile_report r;
    snprintf(text, sizeof text, "models/%s", name);
    const char *file = hn_test_data(text);
    if (!file)
        return;
    begin(&p);
    hn_err e = compile(&p, file, size, false, &r);
    if (e)
        print_message("%s: %s\n", name, p.cx.msg);
    CHECK_INT(e, HN_OK);
    same_bits(&p, file, size);
    end(&p);
}

TEST(dense_layers_give_the_same_bits) { compiles("dtln_1.onnx", 1); }
TEST(a_residual_network_gives_the_same_bits) { compiles("ic_resnet8_fp32.onnx", 1); }
TEST(a_separable_network_gives_the_same_bits) { compiles("kws_dscnn_fp32.onnx", 1); }
TEST(a_quantised_network_gives_the_same_bits) { compiles("kws_dscnn_int8.qdq.onnx", 1); }
TEST(a_network_for_microcontrollers_gives_the_same_bits) { compiles("person_detect_int8.tflite", 1); }
TEST(a_recurrent_network_gives_the_same_bits) { compiles("mnist_lstm_fp32.tflite", 1); }
TEST(an_integer_recurrent_network_gives_the_same_bits) { compiles("mnist_lstm_int8.tflite", 1); }
TEST(features_from_sound_give_the_same_bits) { compiles("audio_preprocessor_int8.tflite", 1); }
TEST(a_transformer_gives_the_same_bits) { compiles("kwt1_fp32.tflite", 1); }

TEST(weights_lie_in_the_file_once_when_shapes_are_fixed)
{
    place p;
    hn_compile_report r, kept;
    hn_source src;
    begin(&p);
    CHECK_INT(compile(&p, DEMO, 1, true, &kept), HN_OK);
    same_bits(&p, DEMO, 1);
    CHECK_INT(compile(&p, DEMO, 1, false, &r), HN_OK);
    same_bits(&p, DEMO, 1);
    CHECK(!r.kept && kept.kept);
    CHECK(r.file.bytes < kept.file.bytes * 2 / 3);
    CHECK_INT(hn_source_open(&p.cx, p.plan, &src), HN_OK);
    CHECK(src.graph->hollow);
    for (size_t i = 0; i < src.built[0].pack_count; i++) {
        const uint8_t *at = src.built[0].pack[i].data;
        CHECK(at >= src.file.data && at + src.built[0].pack[i].bytes <= src.file.data + src.file.len);
        CHECK((uintptr_t)at % 64 == 0);
    }
    hn_source_close(&p.cx, &src);
    end(&p);
}

TEST(what_needs_the_weights_themselves_is_refused_without_them)
{
    place p;
    hn_compile_report r;
    hn_source src;
    hn_plan *plan;
    hn_arena *a;
    hn_tensor *in, out[8];
    begin(&p);
    CHECK_INT(compile(&p, DEMO, 1, false, &r), HN_OK);
    CHECK_INT(hn_source_open(&p.cx, p.plan, &src), HN_OK);
    hn_shape *shape = shapes(src.graph, 1);
    hn_plan_opts plain = { .threads = 1, .in_shape = shape, .built = src.built, .built_count = src.built_count,
                           .no_optimize = true };
    CHECK_INT(hn_plan_new(&p.cx, src.graph, &plain, &plan), HN_EUNSUP);
    CHECK(strstr(p.cx.msg, "--keep"));
    hn_plan_opts scalar = { .kernels = hn_kernels_scalar(), .in_shape = shape, .built = src.built,
                            .built_count = src.built_count };
    if (hn_kernels_pick() != hn_kernels_scalar())
        CHECK_INT(hn_plan_new(&p.cx, src.graph, &scalar, &plan), HN_EUNSUP);
    CHECK_INT(hn_arena_new(&p.cx, 0, &a), HN_OK);
    CHECK_INT(hn_test_inputs(src.graph, a, 1, &in), HN_OK);
    CHECK_INT(hn_eval(&p.cx, src.graph, in, a, out), HN_EUNSUP);
    hn_arena_free(a);
    free(shape);
    hn_source_close(&p.cx, &src);
    end(&p);
}

TEST(shapes_that_were_not_compiled_are_planned_when_they_come)
{
    place p;
    hn_compile_report r;
    hn_plan_stats before, after;
    hn_tensor *from_model, *from_plan;
    hn_arena *a;
    size_t count;
    begin(&p);
    CHECK_INT(compile(&p, DEMO, 2, true, &r), HN_OK);
    CHECK(r.kept);
    same_bits(&p, DEMO, 2);
    CHECK_INT(hn_arena_new(&p.cx, 0, &a), HN_OK);
    CHECK_INT(run(&p.cx, DEMO, 3, a, &from_model, &count, &before), HN_OK);
    CHECK_INT(run(&p.cx, p.plan, 3, a, &from_plan, &count, &after), HN_OK);
    CHECK(hn_shape_equal(&from_plan[0].shape, &from_model[0].shape));
    CHECK(memcmp(from_plan[0].data, from_model[0].data, hn_bytes(&from_model[0])) == 0);
    CHECK(after.packed_bytes > 0 && after.mapped_bytes == 0);
    hn_arena_free(a);
    end(&p);
}

/* ---- Damage, and plans of others ------------------------------------------------------------ */

static uint8_t *load(const char *path, size_t *len)
{
    hn_ctx cx = { 0 };
    hn_file f;
    CHECK_INT(hn_file_open(&cx, path, &f), HN_OK);
    uint8_t *data = malloc(f.len);
    memcpy(data, f.data, f.len);
    *len = f.len;
    hn_file_close(&f);
    return data;
}

static hn_err reopen(place *p, const uint8_t *data, size_t len, hn_source *src)
{
    CHECK_INT(hn_file_write(&p->cx, p->plan, data, len), HN_OK);
    p->cx.msg[0] = '\0';
    return hn_source_open(&p->cx, p->plan, src);
}

TEST(a_flipped_bit_anywhere_is_noticed)
{
    place p;
    hn_compile_report r;
    hn_source src;
    size_t len;
    begin(&p);
    CHECK_INT(compile(&p, DEMO, 1, false, &r), HN_OK);
    uint8_t *data = load(p.plan, &len);
    for (size_t at = 0, noticed = 0; at < len; at += at < 256 ? 1 : len / 97) {
        data[at] ^= 0x10;
        hn_err e = hn_source_open_memory(&p.cx, data, len, &src);
        /* Between blobs lie zeros that nobody reads. */
        if (e == HN_OK)
            hn_source_close(&p.cx, &src);
        CHECK(e == HN_EFORMAT || (e == HN_OK && at >= 256));
        noticed += e != HN_OK;
        CHECK(at < len - 1 || noticed > 300);
        data[at] ^= 0x10;
    }
    for (size_t cut = 1; cut < len; cut += len / 53)
        CHECK_INT(hn_source_open_memory(&p.cx, data, len - cut, &src), HN_EFORMAT);
    free(data);
    end(&p);
}

/* Bytes need not lie as a mapping would have them. */
TEST(a_plan_in_memory_runs)
{
    place p;
    hn_compile_report r;
    hn_source src;
    hn_plan *plan;
    size_t len;
    begin(&p);
    CHECK_INT(compile(&p, DEMO, 1, false, &r), HN_OK);
    uint8_t *data = load(p.plan, &len), *odd = malloc(len + 1);
    memcpy(odd + 1, data, len);
    CHECK_INT(hn_source_open_memory(&p.cx, odd + 1, len, &src), HN_OK);
    hn_shape *shape = shapes(src.graph, 1);
    hn_plan_opts o = { .threads = 1, .in_shape = shape, .built = src.built, .built_count = src.built_count };
    CHECK_INT(hn_plan_new(&p.cx, src.graph, &o, &plan), HN_OK);
    hn_plan_free(&p.cx, plan);
    hn_source_close(&p.cx, &src);
    free(shape);
    free(odd);
    free(data);
    end(&p);
}

static void sign(uint8_t *data)
{
    uint64_t sum = hn_checksum(data, HN_PLANFILE_AT_SUM);
    memcpy(data + HN_PLANFILE_AT_SUM, &sum, sizeof sum);
}

TEST(a_plan_of_another_processor_gives_way_to_the_model_beside_it)
{
    static const struct { size_t at; const char *says; } other[] = {
        { HN_PLANFILE_AT_VERSION, "version" }, { HN_PLANFILE_AT_ENGINE, "engine" }, { HN_PLANFILE_AT_ISA, "compiled for" },
        { HN_PLANFILE_AT_MACHINE, "compiled for" },
    };
    place p;
    hn_compile_report r;
    hn_source src;
    size_t len, model_len;
    begin(&p);
    uint8_t *model = load(DEMO, &model_len);
    CHECK_INT(compile(&p, DEMO, 1, false, &r), HN_OK);
    uint8_t *data = load(p.plan, &len);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        data[other[i].at] ^= 1;
        sign(data);
        unlink(p.model);
        CHECK_INT(reopen(&p, data, len, &src), HN_EUNSUP);
        CHECK(strstr(p.cx.msg, other[i].says) && strstr(p.cx.msg, "not beside it") && strstr(p.cx.msg, "hone compile"));
        CHECK_INT(hn_file_write(&p.cx, p.model, model, model_len), HN_OK);
        CHECK_INT(reopen(&p, data, len, &src), HN_OK);
        CHECK_TEXT(src.format->name, "onnx");
        CHECK(src.built_count == 0 && !src.graph->hollow);
        hn_source_close(&p.cx, &src);
        CHECK_INT(hn_file_write(&p.cx, p.model, model, model_len - 1), HN_OK);
        CHECK_INT(reopen(&p, data, len, &src), HN_EUNSUP);
        CHECK(strstr(p.cx.msg, "has changed"));
        data[other[i].at] ^= 1;
    }
    free(model);
    free(data);
    end(&p);
}

TEST(a_plan_is_not_compiled_again)
{
    place p;
    hn_compile_report r;
    begin(&p);
    CHECK_INT(compile(&p, DEMO, 1, false, &r), HN_OK);
    CHECK_INT(compile(&p, p.plan, 1, false, &r), HN_EARG);
    end(&p);
}
