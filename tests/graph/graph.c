/* SPDX-License-Identifier: Apache-2.0 */
/* The graph itself: what the verifier refuses, symbols, copies, uses; and eval on it. */
#include "graph/graph.h"

#include "graph/eval.h"
#include "graph/pass.h"
#include "tests/support/graph.h"
#include "tests/support/test.h"

typedef struct world {
    hn_ctx cx;
    hn_graph *g;
    hn_value *x, *a, *y;
    hn_node *relu, *add;
} world;

/* y = Relu(x) + x */
static void start(world *w)
{
    *w = (world){ 0 };
    CHECK_INT(hn_graph_new(&w->cx, &w->g), HN_OK);
    CHECK_INT(hn_graph_add_value(&w->cx, w->g, "x", &w->x), HN_OK);
    w->x->t.dtype = HN_F32;
    w->x->t.shape = SHAPE(2);
    CHECK_INT(hn_graph_add_input(&w->cx, w->g, w->x), HN_OK);
    CHECK_INT(hn_graph_add_value(&w->cx, w->g, "a", &w->a), HN_OK);
    CHECK_INT(hn_graph_add_value(&w->cx, w->g, "y", &w->y), HN_OK);
    CHECK_INT(hn_graph_add_node(&w->cx, w->g, hn_op_find(NULL, "Relu"), "r", &w->x, 1, &w->a, 1, NULL, 0, &w->relu), HN_OK);
    hn_value *in[] = { w->a, w->x };
    CHECK_INT(hn_graph_add_node(&w->cx, w->g, hn_op_find(NULL, "Add"), NULL, in, 2, &w->y, 1, NULL, 0, &w->add), HN_OK);
    CHECK_INT(hn_graph_add_output(&w->cx, w->g, w->y), HN_OK);
    CHECK_INT(hn_graph_verify(&w->cx, w->g), HN_OK);
}

static void refused(world *w, const char *words)
{
    CHECK_INT(hn_graph_verify(&w->cx, w->g), HN_EFORMAT);
    if (!strstr(w->cx.msg, words))
        print_message("expected '%s' in '%s'\n", words, w->cx.msg);
    CHECK(strstr(w->cx.msg, words) != NULL);
    hn_graph_free(w->g);
}

TEST(nodes_are_in_order)
{
    world w;
    start(&w);
    w.g->node[0] = w.add;
    w.g->node[1] = w.relu;
    refused(&w, "node 'Add_1' (Add): input 'a' is used before it is made");
}

TEST(a_value_is_made_once)
{
    world w;
    start(&w);
    w.add->out[0] = w.a;
    refused(&w, "output 'a' is made twice");
    start(&w);
    w.relu->out[0] = w.x;                          /* an input is made already */
    refused(&w, "output 'x' is made twice");
}

TEST(an_output_is_made)
{
    world w;
    start(&w);
    w.g->node_count = 1;
    refused(&w, "graph output 'y' is made by no node");
}

TEST(operands_are_counted)
{
    world w;
    start(&w);
    w.add->in_count = 1;
    refused(&w, "node 'Add_1' (Add): takes 2 to 2 inputs, has 1");
    start(&w);
    w.add->in[1] = NULL;
    refused(&w, "input 1 is required but left out");
    start(&w);
    w.relu->out_count = 0;
    refused(&w, "gives 1 to 1 outputs, has 0");
}

TEST(attributes_have_the_right_kind)
{
    world w;
    hn_value *z;
    hn_attr alpha = AINT("alpha", 1);              /* a float it should be */
    start(&w);
    CHECK_INT(hn_graph_add_value(&w.cx, w.g, "z", &z), HN_OK);
    CHECK_INT(hn_graph_add_node(&w.cx, w.g, hn_op_find(NULL, "LeakyRelu"), "l", &w.y, 1, &z, 1, &alpha, 1, NULL), HN_OK);
    refused(&w, "node 'l' (LeakyRelu): attribute 'alpha' has the wrong kind");
}

TEST(uses_are_counted_and_replaced)
{
    world w;
    start(&w);
    CHECK_INT(hn_graph_uses(w.g, w.x), 2);
    CHECK_INT(hn_graph_uses(w.g, w.y), 1);         /* as an output */
    hn_graph_replace(w.g, w.a, w.x);
    CHECK(w.add->in[0] == w.x);
    CHECK_INT(hn_graph_uses(w.g, w.x), 3);
    CHECK_INT(hn_graph_uses(w.g, w.a), 0);
    hn_graph_free(w.g);
    hn_graph_free(NULL);
}

TEST(a_symbol_of_one_name_is_one_symbol)
{
    world w;
    hn_graph *body;
    start(&w);
    int64_t n = hn_graph_symbol(&w.cx, w.g, "N"), fresh = hn_graph_symbol(&w.cx, w.g, NULL);
    CHECK(hn_is_symbol(n) && hn_is_symbol(fresh) && n != fresh && !hn_is_symbol(-1) && !hn_is_symbol(0));
    CHECK(hn_graph_symbol(&w.cx, w.g, "N") == n);
    CHECK(hn_graph_symbol(&w.cx, w.g, NULL) != fresh);
    CHECK_TEXT(hn_graph_symbol_name(w.g, n), "N");
    CHECK_INT(hn_graph_new_body(&w.cx, w.g, &body), HN_OK);
    CHECK(hn_graph_symbol(&w.cx, body, "N") == n); /* bodies share the root's */
    CHECK_TEXT(hn_graph_symbol_name(body, n), "N");
    hn_graph_free(w.g);
}

/* A node with a body that uses x of the graph around it. */
static void add_body(world *w, hn_attr *attr, hn_graph **body)
{
    hn_value *outer, *inner;
    CHECK_INT(hn_graph_new_body(&w->cx, w->g, body), HN_OK);
    CHECK_INT(hn_graph_add_value(&w->cx, *body, "x", &outer), HN_OK);
    outer->outer = w->x;
    CHECK_INT(hn_graph_add_value(&w->cx, *body, "inner", &inner), HN_OK);
    CHECK_INT(hn_graph_add_node(&w->cx, *body, hn_op_find(NULL, "Neg"), "n", &outer, 1, &inner, 1, NULL, 0, NULL), HN_OK);
    CHECK_INT(hn_graph_add_output(&w->cx, *body, inner), HN_OK);
    *attr = (hn_attr){ .name = "body", .kind = HN_ATTR_GRAPH, .graph = *body };
    w->relu->attr = attr;                          /* any node may carry one; Relu ignores it */
    w->relu->attr_count = 1;
}

TEST(a_body_s_use_of_an_outer_value_counts)
{
    world w;
    hn_attr attr;
    hn_graph *body;
    size_t changes = 0;
    start(&w);
    add_body(&w, &attr, &body);
    CHECK_INT(hn_graph_uses(w.g, w.x), 3);
    hn_graph_replace(w.g, w.x, w.a);
    CHECK(body->value[0]->outer == w.a);
    CHECK_INT(hn_graph_verify(&w.cx, body), HN_OK);
    for (size_t i = 0; hn_passes[i]; i++)
        if (strcmp(hn_passes[i]->name, "dead") == 0)
            CHECK_INT(hn_passes[i]->run(&w.cx, w.g, &changes), HN_OK);
    CHECK_INT(changes, 0);
    hn_graph_free(w.g);
}

TEST(a_copy_is_its_own_bodies_included)
{
    world w;
    hn_attr attr;
    hn_graph *body, *copy;
    start(&w);
    add_body(&w, &attr, &body);
    CHECK_INT(hn_graph_clone(&w.cx, w.g, &copy), HN_OK);
    CHECK_INT(hn_graph_verify(&w.cx, copy), HN_OK);
    CHECK(copy->node_count == 2 && copy->value_count == w.g->value_count);
    const hn_graph *its = copy->node[0]->attr[0].graph;
    CHECK(its != body && its->parent == copy && its->value[0]->outer == copy->value[w.x->index]);
    hn_graph_replace(copy, copy->out[0], copy->in[0]);
    copy->node_count = 0;
    CHECK(w.g->out[0] == w.y && w.g->node_count == 2);
    CHECK_INT(hn_graph_verify(&w.cx, w.g), HN_OK);
    hn_graph_free(copy);
    hn_graph_free(w.g);
}

/* ---- Eval ---------------------------------------------------------------------------------------------- */

TEST(eval_runs_nodes_and_their_activations)
{
    world w;
    hn_arena *memory;
    hn_tensor out;
    start(&w);
    CHECK_INT(hn_arena_new(&w.cx, 0, &memory), HN_OK);
    hn_tensor in = F32(SHAPE(2), -1, 3);
    CHECK_INT(hn_eval(&w.cx, w.g, &in, memory, &out), HN_OK);
    CHECK(((float *)out.data)[0] == -1 && ((float *)out.data)[1] == 6);
    w.add->act = (hn_act){ HN_ACT_CLIP, 0, 5 };
    CHECK_INT(hn_eval(&w.cx, w.g, &in, memory, &out), HN_OK);
    CHECK(((float *)out.data)[0] == 0 && ((float *)out.data)[1] == 5);
    hn_arena_free(memory);
    hn_graph_free(w.g);
}

TEST(eval_takes_the_shapes_it_is_given)
{
    world w;
    hn_arena *memory;
    hn_tensor out;
    start(&w);
    w.x->t.shape.dim[0] = hn_graph_symbol(&w.cx, w.g, "N");
    CHECK_INT(hn_arena_new(&w.cx, 0, &memory), HN_OK);
    hn_tensor three = F32(SHAPE(3), 1, 2, 3), none = { HN_F32, SHAPE(0), &three };
    CHECK_INT(hn_eval(&w.cx, w.g, &three, memory, &out), HN_OK);
    CHECK(out.shape.dim[0] == 3 && ((float *)out.data)[2] == 6);
    CHECK_INT(hn_eval(&w.cx, w.g, &none, memory, &out), HN_OK);
    CHECK_INT(out.shape.dim[0], 0);
    hn_arena_free(memory);
    hn_graph_free(w.g);
}

TEST(eval_refuses_a_tensor_over_the_limit)
{
    world w;
    hn_arena *memory;
    hn_tensor out, in = F32(SHAPE(2), -1, 3);
    hn_env env = { .tensor_bytes_max = 4 };
    start(&w);
    w.cx.env = &env;
    CHECK_INT(hn_arena_new(&w.cx, 0, &memory), HN_OK);
    CHECK_INT(hn_eval(&w.cx, w.g, &in, memory, &out), HN_ELIMIT);
    CHECK(strstr(w.cx.msg, "node 'r' (Relu): output 0 needs 8 bytes") != NULL);
    hn_arena_free(memory);
    hn_graph_free(w.g);
}
