/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "formats/format.h"
#include "graph/eval.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

/* One node of an old opset on an input x[2,3,4] (and constants), and what became of it. */
typedef struct upgraded { hn_ctx cx; hn_buf bytes; hn_source s; const hn_node *last; } upgraded;

static void upgrade(upgraded *u, int64_t opset, const char *op, const char *in, const char *out, hn_buf *attrs)
{
    test_model m = { .opset = opset };
    *u = (upgraded){ 0 };
    test_input(&m, "x", HN_F32, SHAPE(2, 3, 4));
    test_const(&m, "c", F32(SHAPE(3), 10, 20, 30));
    test_const(&m, "scales", F32(SHAPE(3), 1, 1, 2));
    test_const(&m, "last", F32(SHAPE(4), 1, 2, 3, 4));
    test_const(&m, "at", I64(SHAPE(1, 1, 1), 0));
    test_const(&m, "one", F32(SHAPE(1, 1, 1), 1));
    test_const(&m, "none", ((hn_tensor){ HN_F32, SHAPE(0), "" }));
    test_node(&m, op, in, out, attrs);
    test_output(&m, "y");
    u->bytes = test_model_bytes(&m);
    hn_err e = hn_source_open_memory(&u->cx, u->bytes.data, u->bytes.len, &u->s);
    if (e)
        print_message("%s\n", u->cx.msg);
    CHECK_INT(e, HN_OK);
    u->last = u->s.graph->node[u->s.graph->node_count - 1];
}

static void done(upgraded *u)
{
    hn_source_close(&u->cx, &u->s);
    hn_buf_free(&u->bytes);
}

static const int64_t *const_i64(const hn_value *v) { return v->t.data; }

TEST(broadcasting_along_an_axis_gets_its_ones)
{
    upgraded u;
    hn_buf a = { 0 };
    test_attr_int(&a, "broadcast", 1);
    test_attr_int(&a, "axis", 1);
    upgrade(&u, 6, "Add", "x c", "y", &a);
    CHECK_INT(u.s.graph->node_count, 2);
    CHECK_TEXT(u.s.graph->node[0]->op->name, "Unsqueeze");

    float x[24] = { 0 };
    hn_tensor y, in = { HN_F32, SHAPE(2, 3, 4), x };
    hn_arena *memory;
    CHECK_INT(hn_arena_new(&u.cx, 0, &memory), HN_OK);
    CHECK_INT(hn_eval(&u.cx, u.s.graph, &in, memory, &y), HN_OK);
    for (int i = 0; i < 24; i++)
        CHECK(((float *)y.data)[i] == 10 * (i / 4 % 3 + 1));
    hn_arena_free(memory);
    done(&u);
}

TEST(attributes_become_inputs)
{
    upgraded u;
    hn_buf a = { 0 };
    test_attr_ints(&a, "axes", (const int64_t[]){ 1 }, 1);
    upgrade(&u, 12, "ReduceMean", "x", "y", &a);
    CHECK(u.last->in_count == 2 && const_i64(u.last->in[1])[0] == 1 && u.last->attr_count == 0);
    done(&u);

    test_attr_float(&a, "max", 6);
    upgrade(&u, 6, "Clip", "x", "y", &a);
    CHECK(u.last->in_count == 3 && !u.last->in[1] && *(float *)u.last->in[2]->t.data == 6);
    done(&u);

    test_attr_ints(&a, "starts", (const int64_t[]){ 1 }, 1);
    test_attr_ints(&a, "ends", (const int64_t[]){ 2 }, 1);
    upgrade(&u, 9, "Slice", "x", "y", &a);
    CHECK(u.last->in_count == 3 && const_i64(u.last->in[2])[0] == 2);
    done(&u);

    test_attr_ints(&a, "paddings", (const int64_t[]){ 0, 0, 1, 0, 0, 1 }, 6);
    upgrade(&u, 1, "Pad", "x", "y", &a);
    CHECK(u.last->in_count == 2 && const_i64(u.last->in[1])[2] == 1);
    done(&u);

    test_attr_int(&a, "k", 2);
    upgrade(&u, 9, "TopK", "x", "y i", &a);
    CHECK(u.last->in_count == 2 && const_i64(u.last->in[1])[0] == 2);
    done(&u);
}

TEST(softmax_over_the_last_axes_goes_through_a_matrix)
{
    upgraded u;
    hn_buf a = { 0 };
    upgrade(&u, 11, "Softmax", "x", "y", NULL);              /* axis 1 of three */
    CHECK_INT(u.s.graph->node_count, 4);
    CHECK_TEXT(u.last->op->name, "Reshape");
    CHECK_TEXT(u.last->out[0]->name, "y");
    done(&u);

    test_attr_int(&a, "axis", 2);
    upgrade(&u, 11, "Softmax", "x", "y", &a);
    CHECK(u.s.graph->node_count == 1 && hn_attr_int(u.last, "axis", 0) == -1);
    done(&u);

    upgrade(&u, 13, "Softmax", "x", "y", NULL);
    CHECK(u.s.graph->node_count == 1 && u.last->attr_count == 0);
    done(&u);
}

TEST(upsample_becomes_resize)
{
    upgraded u;
    hn_buf a = { 0 };
    test_attr_text(&a, "mode", "bilinear");
    upgrade(&u, 9, "Upsample", "x scales", "y", &a);
    CHECK_TEXT(u.last->op->name, "Resize");
    CHECK(u.last->in_count == 3 && !u.last->in[1] && ((float *)u.last->in[2]->t.data)[2] == 2);
    CHECK(hn_attr_is(u.last, "mode", "linear", ""));
    CHECK(hn_attr_is(u.last, "coordinate_transformation_mode", "asymmetric", ""));
    done(&u);

    upgrade(&u, 11, "Resize", "x none scales", "y", NULL);
    CHECK(!u.last->in[1] && u.last->in[2]);
    done(&u);
}

TEST(a_slope_per_channel_gets_its_ones)
{
    upgraded u;
    upgrade(&u, 6, "PRelu", "x c", "y", NULL);
    CHECK_TEXT(u.s.graph->node[0]->op->name, "Unsqueeze");
    done(&u);
    upgrade(&u, 9, "PRelu", "x last", "y", NULL);
    CHECK_INT(u.s.graph->node_count, 1);
    done(&u);
}

TEST(words_and_defaults_of_old_opsets_are_kept)
{
    upgraded u;
    hn_buf a = { 0 };
    test_attr_text(&a, "to", "DOUBLE");
    upgrade(&u, 5, "Cast", "x", "y", &a);
    CHECK_INT(hn_attr_int(u.last, "to", 0), 11);
    done(&u);

    upgrade(&u, 3, "Concat", "x x", "y", NULL);
    CHECK_INT(hn_attr_int(u.last, "axis", 0), 1);
    done(&u);

    upgrade(&u, 10, "Scatter", "x at one", "y", NULL);
    CHECK_TEXT(u.last->op->name, "ScatterElements");
    done(&u);

    upgrade(&u, 13, "Split", "x", "y z", NULL);
    CHECK_INT(hn_attr_int(u.last, "num_outputs", 0), 2);
    done(&u);
}

TEST(training_is_told_from_inference)
{
    upgraded u;
    hn_buf a = { 0 };
    test_attr_int(&a, "is_test", 1);
    test_attr_float(&a, "ratio", 0.25f);
    upgrade(&u, 6, "Dropout", "x", "y", &a);
    CHECK(u.last->in_count == 1 && u.last->attr_count == 0);
    done(&u);

    test_attr_float(&a, "ratio", 0.25f);
    upgrade(&u, 6, "Dropout", "x", "y", &a);
    CHECK(u.last->in_count == 3 && *(uint8_t *)u.last->in[2]->t.data == 1 && *(float *)u.last->in[1]->t.data == 0.25f);
    done(&u);

    test_attr_int(&a, "is_test", 1);
    test_attr_int(&a, "spatial", 1);
    upgrade(&u, 6, "BatchNormalization", "x c c c c", "y m v sm sv", &a);
    CHECK(u.last->out_count == 1 && u.last->attr_count == 0);
    done(&u);
}

TEST(forms_nothing_current_says_are_noted)
{
    upgraded u;
    upgrade(&u, 8, "Scan", "x x", "y", NULL);
    CHECK(u.s.unsup_count == 1 && strstr(u.s.unsup->why, "opset 8"));
    done(&u);
}
