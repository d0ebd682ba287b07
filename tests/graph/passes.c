/* SPDX-License-Identifier: Apache-2.0 */
/* Each pass alone on a graph made for it: what is left, and that it computes the same. */
#include "graph/pass.h"

#include <stdio.h>

#include "graph/eval.h"
#include "tests/support/agree.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"
#include "tests/support/test.h"

#define TOLERANCE 1e-5        /* folded weights are rounded once more */

static const hn_pass *pass(const char *name)
{
    for (const hn_pass *const *p = hn_passes; *p; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    return NULL;
}

/* "Conv:clip Add": the operators in order, with their fused activation. */
static void left(const hn_graph *g, char *out, size_t size)
{
    size_t at = 0;
    out[0] = 0;
    for (size_t i = 0; i < g->node_count && at < size; i++) {
        const hn_node *n = g->node[i];
        at += (size_t)snprintf(out + at, size - at, "%s%s%s%s", i ? " " : "", n->op->name,
                               n->act.kind ? ":" : "", n->act.kind ? hn_act_name(n->act.kind) : "");
    }
}

static void same_results(hn_ctx *cx, const hn_graph *before, const hn_graph *after)
{
    hn_arena *a;
    hn_tensor *in, x[4], y[4];
    CHECK_INT(hn_arena_new(cx, 0, &a), HN_OK);
    CHECK_INT(hn_test_inputs(before, a, 11, &in), HN_OK);
    CHECK_INT(hn_eval(cx, before, in, a, x), HN_OK);
    CHECK_INT(hn_eval(cx, after, in, a, y), HN_OK);
    for (size_t i = 0; i < before->out_count; i++) {
        CHECK(hn_test_difference(&y[i], &x[i], 0) <= TOLERANCE);
        CHECK_TEXT(after->out[i]->name, before->out[i]->name);
    }
    hn_arena_free(a);
}

/* One run of the pass, then dead; the original stays as it was. */
static void expect(test_model *m, const char *name, const char *what)
{
    hn_ctx cx = { 0 };
    hn_source src;
    hn_graph *g;
    size_t changes = 0;
    char before[512], after[512], again[512];
    m->opset = 20;
    hn_buf b = test_model_bytes(m);
    hn_err e = hn_source_open_memory(&cx, b.data, b.len, &src);
    if (e)
        print_message("%s\n", cx.msg);
    CHECK_INT(e, HN_OK);
    left(src.graph, before, sizeof before);
    CHECK_INT(hn_graph_clone(&cx, src.graph, &g), HN_OK);
    CHECK_INT(hn_graph_infer(&cx, g), HN_OK);
    CHECK_INT(pass(name)->run(&cx, g, &changes), HN_OK);
    size_t by_pass = changes;
    CHECK_INT(pass("dead")->run(&cx, g, &changes), HN_OK);
    CHECK_INT(hn_graph_verify(&cx, g), HN_OK);
    left(g, after, sizeof after);
    if (strcmp(after, what) != 0)
        print_message("%s: expected '%s', found '%s'\n", name, what, after);
    CHECK_TEXT(after, what);
    CHECK((by_pass > 0) == (strcmp(before, after) != 0));
    same_results(&cx, src.graph, g);
    left(src.graph, again, sizeof again);
    CHECK_TEXT(again, before);
    hn_graph_free(g);
    hn_source_close(&cx, &src);
    hn_buf_free(&b);
}

/* ---- fold ------------------------------------------------------------------------------------------ */

TEST(fold_computes_what_is_constant)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3));
    test_const(&m, "a", F32(SHAPE(3), 1, 2, 3));
    test_const(&m, "b", F32(SHAPE(1), 10));
    test_node(&m, "Add", "a b", "ab", NULL);
    test_node(&m, "Neg", "ab", "c", NULL);
    test_node(&m, "Mul", "x c", "y", NULL);
    test_output(&m, "y");
    expect(&m, "fold", "Mul");
}

TEST(fold_keeps_a_constant_output_s_name)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_const(&m, "a", F32(SHAPE(3), 1, 2, 3));
    test_node(&m, "Neg", "a", "minus", NULL);
    test_node(&m, "Relu", "x", "y", NULL);
    test_output(&m, "y");
    test_output(&m, "minus");
    expect(&m, "fold", "Relu");
}

TEST(fold_settles_shape_arithmetic)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3, 4));
    test_const(&m, "last", I64(SHAPE(1), -1));
    test_const(&m, "first", I64(SHAPE(1), 0));
    test_node(&m, "Shape", "x", "s", NULL);
    test_node(&m, "Gather", "s first", "n", NULL);
    hn_buf axis = { 0 };
    test_attr_int(&axis, "axis", 0);
    test_node(&m, "Concat", "n last", "t", &axis);
    test_node(&m, "Reshape", "x t", "y", NULL);
    test_output(&m, "y");
    expect(&m, "fold", "Reshape");
}

TEST(fold_leaves_chance_alone)
{
    test_model m = { 0 };
    hn_buf attrs = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_attr_ints(&attrs, "shape", (int64_t[]){ 2 }, 1);
    test_attr_float(&attrs, "seed", 1);
    test_node(&m, "RandomNormal", "", "r", &attrs);
    test_node(&m, "Add", "x r", "y", NULL);
    test_output(&m, "y");
    expect(&m, "fold", "RandomNormal Add");
}

/* ---- identity -------------------------------------------------------------------------------------- */

TEST(identity_removes_what_hands_through)
{
    test_model m = { 0 };
    hn_buf to = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3));
    test_const(&m, "same", I64(SHAPE(2), 2, 3));
    test_attr_int(&to, "to", 1);
    test_node(&m, "Relu", "x", "a", NULL);
    test_node(&m, "Identity", "a", "b", NULL);
    test_node(&m, "Reshape", "b same", "c", NULL);
    test_node(&m, "Cast", "c", "d", &to);
    test_node(&m, "Dropout", "d", "e", NULL);
    test_node(&m, "Neg", "e", "y", NULL);
    test_output(&m, "y");
    expect(&m, "identity", "Relu Neg");
}

TEST(identity_keeps_the_name_of_an_output)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3));
    test_node(&m, "Relu", "x", "a", NULL);
    test_node(&m, "Identity", "a", "y", NULL);
    test_node(&m, "Neg", "a", "z", NULL);
    test_output(&m, "y");
    test_output(&m, "z");
    expect(&m, "identity", "Relu Neg");
}

TEST(identity_stays_between_an_input_and_an_output)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3));
    test_node(&m, "Identity", "x", "y", NULL);
    test_output(&m, "y");
    expect(&m, "identity", "Identity");
}

TEST(identity_stays_between_two_outputs)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3));
    test_node(&m, "Relu", "x", "y", NULL);
    test_node(&m, "Identity", "y", "z", NULL);
    test_output(&m, "y");
    test_output(&m, "z");
    expect(&m, "identity", "Relu Identity");
}

/* ---- transpose ------------------------------------------------------------------------------------- */

static void transpose(test_model *m, const char *in, const char *out, const int64_t perm[3])
{
    hn_buf attrs = { 0 };
    if (perm)
        test_attr_ints(&attrs, "perm", perm, 3);
    test_node(m, "Transpose", in, out, perm ? &attrs : NULL);
}

TEST(transposes_that_undo_each_other_vanish)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3, 4));
    test_node(&m, "Relu", "x", "a", NULL);
    transpose(&m, "a", "b", (int64_t[]){ 1, 2, 0 });
    transpose(&m, "b", "c", (int64_t[]){ 2, 0, 1 });
    test_node(&m, "Neg", "c", "y", NULL);
    test_output(&m, "y");
    expect(&m, "transpose", "Relu Neg");
}

TEST(two_transposes_become_one)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3, 4));
    transpose(&m, "x", "b", (int64_t[]){ 1, 2, 0 });
    transpose(&m, "b", "c", NULL);
    test_node(&m, "Neg", "c", "y", NULL);
    test_output(&m, "y");
    expect(&m, "transpose", "Transpose Neg");
}

TEST(a_transpose_used_twice_still_serves_the_other)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3, 4));
    transpose(&m, "x", "b", (int64_t[]){ 1, 2, 0 });
    transpose(&m, "b", "c", (int64_t[]){ 2, 0, 1 });
    test_node(&m, "Neg", "c", "y", NULL);
    test_node(&m, "Neg", "b", "z", NULL);
    test_output(&m, "y");
    test_output(&m, "z");
    expect(&m, "transpose", "Transpose Neg Neg");
}

/* ---- convolutions ---------------------------------------------------------------------------------- */

/* x [2, 3, 5, 6] through a 3x3 convolution to 4 channels, "c"; w is signed noise. */
static void conv(test_model *m, bool biased)
{
    float w[4 * 3 * 9];
    uint32_t seed = 3;
    for (size_t i = 0; i < sizeof w / sizeof *w; i++) {
        seed = seed * 1664525u + 1013904223u;
        w[i] = (float)(seed >> 8) * 0x1p-23f - 1;
    }
    test_input(m, "x", HN_F32, SHAPE(2, 3, 5, 6));
    test_const(m, "w", (hn_tensor){ HN_F32, SHAPE(4, 3, 3, 3), w });
    test_const(m, "b", F32(SHAPE(4), 0.5f, -0.25f, 1, 0));
    test_node(m, "Conv", biased ? "x w b" : "x w", "c", NULL);
}

/* Corner (y, x) of x [1, 3, 6, 8] as `to`, in two slices or in one. */
static void corner(test_model *m, int64_t y, int64_t x, bool at_once, const char *to)
{
    char in[64], half[16], start[2][16];
    for (int i = 0; i < 2; i++) {
        snprintf(start[i], sizeof start[i], "at%d%s", i, to);
        test_const(m, start[i], at_once ? I64(SHAPE(2), y, x) : I64(SHAPE(1), i ? x : y));
    }
    snprintf(half, sizeof half, "h%s", to);
    snprintf(in, sizeof in, at_once ? "x %s ends both steps" : "x %s end rows two", start[0]);
    test_node(m, "Slice", in, at_once ? to : half, NULL);
    snprintf(in, sizeof in, "%s %s end columns two", half, start[1]);
    if (!at_once)
        test_node(m, "Slice", in, to, NULL);
}

/* order: which corner comes when. */
static void focus(test_model *m, const int order[4], bool at_once)
{
    float w[2 * 12 * 9];
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = (float)(i * 37 % 101) * 0.01f - 0.5f;
    test_input(m, "x", HN_F32, SHAPE(1, 3, 6, 8));
    test_const(m, "end", I64(SHAPE(1), INT64_MAX));
    test_const(m, "ends", I64(SHAPE(2), 6, 8));
    test_const(m, "rows", I64(SHAPE(1), 2));
    test_const(m, "columns", I64(SHAPE(1), -1));
    test_const(m, "both", I64(SHAPE(2), 2, 3));
    test_const(m, "two", I64(SHAPE(1), 2));
    test_const(m, "steps", I64(SHAPE(2), 2, 2));
    test_const(m, "w", (hn_tensor){ HN_F32, SHAPE(2, 12, 3, 3), w });
    for (int i = 0; i < 4; i++)
        corner(m, order[i] / 2, order[i] % 2, at_once, (const char *[]){ "p", "q", "r", "s" }[i]);
    hn_buf axis = { 0 }, pads = { 0 };
    test_attr_int(&axis, "axis", 1);
    test_attr_ints(&pads, "pads", (int64_t[]){ 1, 1, 1, 0 }, 4);
    test_node(m, "Concat", "p q r s", "f", &axis);
    test_node(m, "Conv", "f w", "y", &pads);
    test_output(m, "y");
}

TEST(a_convolution_of_every_second_pixel_reads_the_picture)
{
    static const int orders[2][4] = { { 0, 2, 1, 3 }, { 3, 0, 1, 2 } };
    for (int i = 0; i < 4; i++) {
        test_model m = { 0 };
        focus(&m, orders[i % 2], i / 2);
        expect(&m, "focus", "Conv");
    }
    test_model twice = { 0 };
    focus(&twice, (const int[]){ 0, 0, 1, 3 }, true);
    expect(&twice, "focus", "Slice Slice Slice Slice Concat Conv");
}

static void batchnorm(test_model *m, const char *in, const char *out)
{
    char names[64];
    test_const(m, "scale", F32(SHAPE(4), 1.5f, -0.5f, 2, 0));
    test_const(m, "shift", F32(SHAPE(4), 0.1f, 0.2f, -0.3f, 0.4f));
    test_const(m, "mean", F32(SHAPE(4), -1, 0.5f, 0, 2));
    test_const(m, "var", F32(SHAPE(4), 1, 0.25f, 4, 0));
    snprintf(names, sizeof names, "%s scale shift mean var", in);
    test_node(m, "BatchNormalization", names, out, NULL);
}

TEST(batchnorm_moves_into_weights)
{
    for (int biased = 0; biased < 2; biased++) {
        test_model m = { 0 };
        conv(&m, biased);
        batchnorm(&m, "c", "n");
        test_node(&m, "Neg", "n", "y", NULL);
        test_output(&m, "y");
        expect(&m, "batchnorm", "Conv Neg");
    }
}

TEST(batchnorm_keeps_the_name_of_an_output)
{
    test_model m = { 0 };
    conv(&m, true);
    batchnorm(&m, "c", "y");
    test_output(&m, "y");
    expect(&m, "batchnorm", "Conv");
}

TEST(batchnorm_stays_where_the_convolution_serves_others)
{
    test_model m = { 0 };
    conv(&m, true);
    batchnorm(&m, "c", "n");
    test_node(&m, "Add", "n c", "y", NULL);
    test_output(&m, "y");
    expect(&m, "batchnorm", "Conv BatchNormalization Add");

    test_model o = { 0 };
    conv(&o, true);
    batchnorm(&o, "c", "n");
    test_output(&o, "n");
    test_output(&o, "c");
    expect(&o, "batchnorm", "Conv BatchNormalization");
}

TEST(an_added_constant_per_channel_becomes_the_bias)
{
    static const char *const order[] = { "c k", "k c" };
    for (int i = 0; i < 4; i++) {
        test_model m = { 0 };
        conv(&m, i & 1);
        test_const(&m, "k", F32(SHAPE(1, 4, 1, 1), 3, -4, 5, -6));
        test_node(&m, "Add", order[i >> 1], "s", NULL);
        test_node(&m, "Neg", "s", "y", NULL);
        test_output(&m, "y");
        expect(&m, "bias", "Conv Neg");
    }
}

TEST(other_added_constants_stay)
{
    test_model m = { 0 };
    conv(&m, true);
    test_const(&m, "k", F32(SHAPE(4), 3, -4, 5, -6));              /* along the width, not the channels */
    test_node(&m, "Add", "c k", "y", NULL);
    test_output(&m, "y");
    expect(&m, "bias", "Conv Add");

    test_model scalar = { 0 };
    conv(&scalar, true);
    test_const(&scalar, "k", F32(SCALAR, 3));
    test_node(&scalar, "Add", "c k", "y", NULL);
    test_output(&scalar, "y");
    expect(&scalar, "bias", "Conv Add");

    test_model wide = { 0 };                                       /* broadcasts the convolution */
    conv(&wide, true);
    test_const(&wide, "k", F32(SHAPE(1, 1, 4, 1, 1), 3, -4, 5, -6));
    test_node(&wide, "Add", "c k", "y", NULL);
    test_output(&wide, "y");
    expect(&wide, "bias", "Conv Add");
}

/* ---- activation ------------------------------------------------------------------------------------ */

TEST(activations_are_applied_where_the_result_is_made)
{
    static const char *const acts[][2] = {
        { "Relu", "Conv:clip Neg" }, { "LeakyRelu", "Conv:leaky_relu Neg" }, { "Sigmoid", "Conv:sigmoid Neg" },
        { "Tanh", "Conv:tanh Neg" }, { "HardSigmoid", "Conv:hard_sigmoid Neg" },
        { "HardSwish", "Conv:hard_swish Neg" }, { "Gelu", "Conv:gelu Neg" },
    };
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        test_model m = { 0 };
        conv(&m, true);
        test_node(&m, acts[i][0], "c", "a", NULL);
        test_node(&m, "Neg", "a", "y", NULL);
        test_output(&m, "y");
        expect(&m, "activation", acts[i][1]);
    }
}

TEST(a_clip_with_constant_bounds_is_an_activation)
{
    test_model m = { 0 };
    conv(&m, true);
    test_const(&m, "six", F32(SCALAR, 6));
    test_const(&m, "zero", F32(SCALAR, 0));
    test_node(&m, "Clip", "c zero six", "y", NULL);
    test_output(&m, "y");
    expect(&m, "activation", "Conv:clip");
}

TEST(silu_counts_as_one_activation)
{
    static const char *const order[] = { "c s", "s c" };
    for (int i = 0; i < 2; i++) {
        test_model m = { 0 };
        conv(&m, true);
        test_node(&m, "Sigmoid", "c", "s", NULL);
        test_node(&m, "Mul", order[i], "a", NULL);
        test_node(&m, "Neg", "a", "y", NULL);
        test_output(&m, "y");
        expect(&m, "activation", "Conv:silu Neg");
    }
}

TEST(gelu_written_out_counts_as_one_activation)
{
    static const char *const last[][2] = { { "c one", "p half" }, { "one c", "half p" } };
    for (int i = 0; i < 4; i++) {
        test_model m = { 0 };
        conv(&m, true);
        test_const(&m, "root", F32(SCALAR, i % 2 ? 0.70710678f : 1.41421356f));
        test_const(&m, "unit", F32(SCALAR, 1));
        test_const(&m, "half", F32(SCALAR, 0.5f));
        test_node(&m, i % 2 ? "Mul" : "Div", "c root", "d", NULL);
        test_node(&m, "Erf", "d", "e", NULL);
        test_node(&m, "Add", "e unit", "one", NULL);
        test_node(&m, "Mul", last[i / 2][0], "p", NULL);
        test_node(&m, "Mul", last[i / 2][1], "a", NULL);
        test_node(&m, "Neg", "a", "y", NULL);
        test_output(&m, "y");
        expect(&m, "activation", "Conv:gelu Neg");
    }

    test_model other = { 0 };                                      /* another factor: not GELU */
    conv(&other, true);
    test_const(&other, "root", F32(SCALAR, 1.5f));
    test_const(&other, "unit", F32(SCALAR, 1));
    test_const(&other, "half", F32(SCALAR, 0.5f));
    test_node(&other, "Div", "c root", "d", NULL);
    test_node(&other, "Erf", "d", "e", NULL);
    test_node(&other, "Add", "e unit", "one", NULL);
    test_node(&other, "Mul", "c one", "p", NULL);
    test_node(&other, "Mul", "p half", "y", NULL);
    test_output(&other, "y");
    expect(&other, "activation", "Conv Div Erf Add Mul Mul");
}

/* ---- layernorm, sum ---------------------------------------------------------------------------------- */

static void norm(test_model *m, const char *square, float exponent)
{
    test_input(m, "x", HN_F32, SHAPE(2, 3, 4));
    test_const(m, "axis", I64(SHAPE(1), -1));
    test_const(m, "two", F32(SCALAR, exponent));
    test_const(m, "eps", F32(SCALAR, 1e-3f));
    test_const(m, "scale", F32(SHAPE(4), 1, 2, -3, 4));
    test_const(m, "shift", F32(SHAPE(1, 1, 4), 0.5f, 0, 1, -1));
    test_node(m, "ReduceMean", "x axis", "mean", NULL);
    test_node(m, "Sub", "x mean", "d", NULL);
    test_node(m, square, strcmp(square, "Pow") ? "d d" : "d two", "dd", NULL);
    test_node(m, "ReduceMean", "dd axis", "var", NULL);
    test_node(m, "Add", "var eps", "v", NULL);
    test_node(m, "Sqrt", "v", "dev", NULL);
    test_node(m, "Div", "d dev", "unit", NULL);
    test_node(m, "Mul", "scale unit", "s", NULL);
    test_node(m, "Add", "s shift", "y", NULL);
    test_output(m, "y");
}

TEST(a_normalisation_written_out_is_put_together)
{
    test_model pow = { 0 }, mul = { 0 }, cube = { 0 };
    norm(&pow, "Pow", 2);
    expect(&pow, "layernorm", "LayerNormalization");
    norm(&mul, "Mul", 2);
    expect(&mul, "layernorm", "LayerNormalization");
    norm(&cube, "Pow", 4);                                         /* not a variance */
    expect(&cube, "layernorm", "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add");
}

TEST(a_sum_of_two_is_an_addition)
{
    test_model m = { 0 };
    test_input(&m, "a", HN_F32, SHAPE(2, 3));
    test_input(&m, "b", HN_F32, SHAPE(3));
    test_node(&m, "Sum", "a b", "c", NULL);
    test_node(&m, "Sum", "a b c", "y", NULL);
    test_output(&m, "y");
    expect(&m, "sum", "Add Sum");
}

TEST(silu_as_an_output_keeps_its_name)
{
    test_model m = { 0 };
    conv(&m, true);
    test_node(&m, "Sigmoid", "c", "s", NULL);
    test_node(&m, "Mul", "c s", "y", NULL);
    test_output(&m, "y");
    expect(&m, "activation", "Conv:silu");
}

TEST(silu_s_parts_used_elsewhere_stay)
{
    test_model m = { 0 };
    conv(&m, true);
    test_node(&m, "Sigmoid", "c", "s", NULL);
    test_node(&m, "Mul", "c s", "a", NULL);
    test_node(&m, "Add", "a s", "y", NULL);                        /* the gate is wanted too */
    test_output(&m, "y");
    expect(&m, "activation", "Conv Sigmoid Mul Add");

    test_model o = { 0 };
    conv(&o, true);
    test_node(&o, "Sigmoid", "c", "s", NULL);
    test_node(&o, "Mul", "c s", "a", NULL);
    test_node(&o, "Add", "a c", "y", NULL);                        /* the convolution's own result too */
    test_output(&o, "y");
    expect(&o, "activation", "Conv Sigmoid Mul Add");
}

TEST(a_result_used_twice_keeps_its_activation_apart)
{
    test_model m = { 0 };
    conv(&m, true);
    test_node(&m, "Relu", "c", "a", NULL);
    test_node(&m, "Add", "a c", "y", NULL);
    test_output(&m, "y");
    expect(&m, "activation", "Conv Relu Add");

    test_model o = { 0 };
    conv(&o, true);
    test_node(&o, "Relu", "c", "y", NULL);
    test_output(&o, "y");
    test_output(&o, "c");
    expect(&o, "activation", "Conv Relu");
}

/* ---- dead, and all together -------------------------------------------------------------------------- */

TEST(dead_removes_what_no_output_needs)
{
    test_model m = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_node(&m, "Relu", "x", "a", NULL);
    test_node(&m, "Neg", "a", "b", NULL);
    test_node(&m, "Exp", "b", "unused", NULL);
    test_node(&m, "Abs", "a", "y", NULL);
    test_output(&m, "y");
    expect(&m, "dead", "Relu Abs");
}

TEST(all_passes_together_leave_one_convolution)
{
    hn_ctx cx = { 0 };
    hn_source src;
    hn_graph *g;
    char what[256];
    test_model m = { .opset = 20 };
    conv(&m, false);
    batchnorm(&m, "c", "n");
    test_const(&m, "k", F32(SHAPE(4, 1, 1), 3, -4, 5, -6));
    test_node(&m, "Identity", "n", "i", NULL);
    test_node(&m, "Add", "i k", "s", NULL);
    test_node(&m, "Relu", "s", "y", NULL);
    test_output(&m, "y");
    hn_buf b = test_model_bytes(&m);
    CHECK_INT(hn_source_open_memory(&cx, b.data, b.len, &src), HN_OK);
    CHECK_INT(hn_graph_clone(&cx, src.graph, &g), HN_OK);
    CHECK_INT(hn_graph_optimize(&cx, g), HN_OK);
    left(g, what, sizeof what);
    CHECK_TEXT(what, "Conv:clip");
    same_results(&cx, src.graph, g);
    hn_graph_free(g);
    hn_source_close(&cx, &src);
    hn_buf_free(&b);
}
