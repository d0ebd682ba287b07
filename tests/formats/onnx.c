/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "formats/format.h"
#include "graph/eval.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"

/* A model opened from bytes built by hand. */
typedef struct opened { hn_ctx cx; hn_buf bytes; hn_source s; hn_err e; } opened;

static opened *open_model(opened *o, test_model *m)
{
    *o = (opened){ .bytes = test_model_bytes(m) };
    o->e = hn_source_open_memory(&o->cx, o->bytes.data, o->bytes.len, &o->s);
    return o;
}

static void done(opened *o)
{
    if (!o->e)
        hn_source_close(&o->cx, &o->s);
    hn_buf_free(&o->bytes);
}

static bool says(const opened *o, hn_err e, const char *words)
{
    if (o->e != e || !strstr(o->cx.msg, words))
        print_message("%s: %s\n", hn_err_name(o->e), o->cx.msg);
    return o->e == e && strstr(o->cx.msg, words);
}

TEST(a_small_model_is_read_and_runs)
{
    test_model m = { .opset = 13 };
    opened o;
    test_input(&m, "x", HN_F32, SHAPE(-1, 2));
    test_const(&m, "w", F32(SHAPE(2), 10, 20));
    test_node(&m, "Add", "x w", "t", NULL);
    test_node(&m, "Relu", "t", "y", NULL);
    test_output(&m, "y");
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    hn_graph *g = o.s.graph;
    CHECK(g->in_count == 1 && g->out_count == 1 && g->node_count == 2);
    CHECK_TEXT(g->node[0]->name, "Add_0");
    CHECK_TEXT(hn_graph_symbol_name(g, g->in[0]->t.shape.dim[0]), "N");
    CHECK(g->out[0]->t.shape.rank == 2 && g->out[0]->t.shape.dim[0] == g->in[0]->t.shape.dim[0]);

    hn_arena *a;
    hn_tensor y, x = F32(SHAPE(1, 2), -11, 1);
    CHECK_INT(hn_arena_new(&o.cx, 0, &a), HN_OK);
    CHECK_INT(hn_eval(&o.cx, g, &x, a, &y), HN_OK);
    CHECK(((float *)y.data)[0] == 0 && ((float *)y.data)[1] == 21);
    hn_arena_free(a);
    done(&o);
}

TEST(an_initialiser_listed_as_input_is_a_constant)
{
    test_model m = { .opset = 7, .ir = 3 };
    opened o;
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_input(&m, "w", HN_F32, SHAPE(2));
    test_const(&m, "w", F32(SHAPE(2), 1, 2));
    test_node(&m, "Add", "x w", "y", NULL);
    test_output(&m, "y");
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    CHECK_INT(o.s.graph->in_count, 1);
    CHECK(hn_is_const(o.s.graph->node[0]->in[1]));
    done(&o);
}

TEST(nodes_out_of_order_are_sorted)
{
    test_model m = { .opset = 13 };
    opened o;
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_node(&m, "Relu", "b", "y", NULL);
    test_node(&m, "Neg", "a", "b", NULL);
    test_node(&m, "Abs", "x", "a", NULL);
    test_output(&m, "y");
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    CHECK_TEXT(o.s.graph->node[0]->op->name, "Abs");
    CHECK_TEXT(o.s.graph->node[2]->op->name, "Relu");
    done(&o);
}

TEST(a_cycle_is_refused_by_name)
{
    test_model m = { .opset = 13 };
    opened o;
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_node(&m, "Add", "x b", "a", NULL);
    test_node(&m, "Neg", "a", "b", NULL);
    test_output(&m, "b");
    CHECK(says(open_model(&o, &m), HN_EFORMAT, "cycle"));
    CHECK(strstr(o.cx.msg, "Add") != NULL);
    done(&o);
}

TEST(wrong_models_say_what_is_wrong)
{
    opened o;
    test_model twice = { .opset = 13 };
    test_input(&twice, "x", HN_F32, SHAPE(2));
    test_node(&twice, "Neg", "x", "y", NULL);
    test_node(&twice, "Abs", "x", "y", NULL);
    test_output(&twice, "y");
    CHECK(says(open_model(&o, &twice), HN_EFORMAT, "'y' is made twice"));
    done(&o);

    test_model missing = { .opset = 13 };
    test_node(&missing, "Neg", "nowhere", "y", NULL);
    test_output(&missing, "y");
    CHECK(says(open_model(&o, &missing), HN_EFORMAT, "'nowhere'"));
    done(&o);

    test_model future = { .opset = HN_OPSET + 1 };
    CHECK(says(open_model(&o, &future), HN_EUNSUP, "export it with opset 28"));
    done(&o);

    test_model mute = { .opset = 0 };
    CHECK(says(open_model(&o, &mute), HN_EFORMAT, "opset"));
    done(&o);

    test_model huge = { .opset = 13 };
    test_const(&huge, "w", (hn_tensor){ HN_F32, SHAPE(INT64_MAX, INT64_MAX), NULL });
    CHECK(says(open_model(&o, &huge), HN_ELIMIT, "'w'"));
    done(&o);
}

TEST(bytes_of_another_kind_are_no_model)
{
    hn_ctx cx = { 0 };
    hn_source s;
    CHECK_INT(hn_source_open_memory(&cx, "hello, world", 12, &s), HN_EFORMAT);
    CHECK(strstr(cx.msg, "onnx") != NULL);
    CHECK_INT(hn_source_open(&cx, "/nowhere/model.onnx", &s), HN_EIO);
}

TEST(unknown_operators_stand_in_and_are_all_listed)
{
    test_model m = { .opset = 13 };
    opened o;
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_node(&m, "Relu", "x", "a", NULL);
    test_node(&m, "Frobnicate", "a", "b", NULL);
    test_node(&m, "Twiddle", "b", "y", NULL);
    test_output(&m, "y");
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    CHECK_INT(o.s.unsup_count, 2);
    CHECK_TEXT(o.s.unsup->op, "Frobnicate");
    CHECK_TEXT(o.s.unsup->next->node, "Twiddle_2");
    CHECK_INT(o.s.graph->node[0]->out[0]->t.dtype, HN_F32);
    CHECK_INT(hn_source_runnable(&o.cx, &o.s), HN_EUNSUP);
    CHECK(strstr(o.cx.msg, "Frobnicate") && strstr(o.cx.msg, "1 other node"));
    done(&o);
}

TEST(constant_nodes_of_every_form_are_constants)
{
    test_model m = { .opset = 13 };
    opened o;
    hn_buf a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };
    hn_buf t = test_tensor("", &F32(SHAPE(1), 5));
    test_attr_message(&a, "value", 5, 4, &t);
    test_attr_ints(&b, "value_ints", (const int64_t[]){ 7, 8 }, 2);
    test_attr_float(&c, "value_float", 2.5f);
    test_attr_text(&d, "value_string", "hi");
    test_node(&m, "Constant", "", "a", &a);
    test_node(&m, "Constant", "", "b", &b);
    test_node(&m, "Constant", "", "c", &c);
    test_node(&m, "Constant", "", "d", &d);
    for (const char *name = "abcd"; *name; name++)
        test_output(&m, (const char[]){ *name, 0 });
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    hn_value **out = o.s.graph->out;
    CHECK_INT(o.s.graph->node_count, 0);
    CHECK(*(float *)out[0]->t.data == 5);
    CHECK(out[1]->t.shape.dim[0] == 2 && ((int64_t *)out[1]->t.data)[1] == 8);
    CHECK(out[2]->t.shape.rank == 0 && *(float *)out[2]->t.data == 2.5f);
    CHECK(out[3]->t.dtype == HN_STR && ((hn_text *)out[3]->t.data)->len == 2);
    done(&o);
}

TEST(a_body_sees_the_graph_around_it)
{
    test_model m = { .opset = 13 }, body = { 0 };
    opened o;
    hn_buf attrs = { 0 };
    test_node(&body, "Add", "late w", "r", NULL);            /* late: made by a node after the If */
    test_output(&body, "r");
    test_attr_message(&attrs, "then_branch", 6, 5, &body.graph);
    test_input(&m, "x", HN_F32, SHAPE(2));
    test_input(&m, "c", HN_BOOL, SHAPE(1));
    test_const(&m, "w", F32(SHAPE(2), 1, 2));
    test_node(&m, "NotAnIf", "c", "y", &attrs);
    test_node(&m, "Neg", "x", "late", NULL);
    test_output(&m, "y");
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    hn_graph *g = o.s.graph;
    CHECK_TEXT(g->node[0]->op->name, "Neg");                 /* moved before its only user, inside the body */
    const hn_graph *inner = g->node[1]->attr[0].graph;
    CHECK(inner->parent == g && inner->node_count == 1);
    CHECK(inner->node[0]->in[0]->outer == g->node[0]->out[0]);
    CHECK(hn_is_const(inner->node[0]->in[1]));
    done(&o);
}

TEST(graphs_may_not_nest_for_ever)
{
    test_model m = { .opset = 13 };
    opened o;
    hn_buf graph = { 0 };
    for (int i = 0; i < 40; i++) {
        hn_buf attrs = { 0 }, outer = { 0 };
        test_attr_message(&attrs, "body", 6, 5, &graph);
        hn_buf node = test_node_bytes("Nest", "", "y", &attrs);
        pb_message(&outer, 1, &node);
        graph = outer;
    }
    m.graph = graph;
    CHECK(says(open_model(&o, &m), HN_ELIMIT, "deep"));
    done(&o);
}

/* domain "my", y = |x| + k with an attribute's value for k. */
static void add_function(test_model *m, bool recursive)
{
    hn_buf fn = { 0 }, attr = { 0 }, ref = { 0 }, import = { 0 };
    pb_text(&fn, 1, "AbsPlus");
    pb_text(&fn, 4, "in");
    pb_text(&fn, 5, "out");
    pb_text(&fn, 6, "k");
    pb_text(&ref, 1, "value_float");
    pb_text(&ref, 21, "k");
    pb_varint(&ref, 20, 1);
    pb_message(&attr, 5, &ref);
    hn_buf node = test_node_bytes(recursive ? "AbsPlus" : "Abs", "in", "a", NULL);
    if (recursive)
        pb_text(&node, 7, "my");
    pb_message(&fn, 7, &node);
    node = test_node_bytes("Constant", "", "kk", &attr);
    pb_message(&fn, 7, &node);
    node = test_node_bytes("Add", "a kk", "out", NULL);
    pb_message(&fn, 7, &node);
    pb_varint(&import, 2, 13);
    pb_message(&fn, 9, &import);
    pb_text(&fn, 10, "my");
    pb_message(&m->rest, 25, &fn);
}

static void call_function(test_model *m)
{
    hn_buf attrs = { 0 };
    test_input(m, "x", HN_F32, SHAPE(2));
    test_attr_float(&attrs, "k", 3);
    hn_buf node = test_node_bytes("AbsPlus", "x", "y", &attrs);
    pb_text(&node, 3, "call");
    pb_text(&node, 7, "my");
    pb_message(&m->graph, 1, &node);
    test_output(m, "y");
}

TEST(functions_are_written_out_with_their_attributes)
{
    test_model m = { .opset = 13 };
    opened o;
    call_function(&m);
    add_function(&m, false);
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    hn_graph *g = o.s.graph;
    CHECK_INT(g->node_count, 2);
    CHECK(*(float *)g->node[1]->in[1]->t.data == 3);
    CHECK_TEXT(g->out[0]->name, "y");
    done(&o);
}

TEST(functions_that_call_themselves_end)
{
    test_model m = { .opset = 13 };
    opened o;
    call_function(&m);
    add_function(&m, true);
    CHECK(says(open_model(&o, &m), HN_ELIMIT, "AbsPlus"));
    done(&o);
}

TEST(what_the_file_says_about_itself_is_kept)
{
    test_model m = { .opset = 13 };
    opened o;
    hn_buf entry = { 0 };
    pb_text(&entry, 1, "labels");
    pb_text(&entry, 2, "cat,dog");
    pb_text(&m.rest, 2, "trainer");
    pb_message(&m.rest, 14, &entry);
    CHECK_INT(open_model(&o, &m)->e, HN_OK);
    CHECK_TEXT(o.s.graph->meta[0].key, "labels");
    CHECK_TEXT(o.s.graph->meta[0].text, "cat,dog");
    CHECK_TEXT(o.s.graph->meta[1].text, "trainer");
    done(&o);
}

TEST(inputs_that_are_no_tensors_are_named)
{
    test_model m = { .opset = 13 };
    opened o;
    hn_buf type = { 0 }, info = { 0 };
    pb_text(&type, 5, "");
    pb_text(&info, 1, "words");
    pb_message(&info, 2, &type);
    pb_message(&m.graph, 11, &info);
    CHECK(says(open_model(&o, &m), HN_EUNSUP, "'words' is a map"));
    done(&o);
}
