/* SPDX-License-Identifier: Apache-2.0 */
/* If, Loop and Scan on graphs made by hand: through eval as they are, and through a plan. */
#include "tests/support/test.h"

#include "graph/pass.h"
#include "runtime/session.h"
#include "tests/support/graph.h"

typedef struct bench {
    hn_ctx cx;
    hn_graph *g;
    hn_arena *a;
} bench;

static hn_graph *begin(bench *b)
{
    *b = (bench){ 0 };
    CHECK_INT(hn_graph_new(&b->cx, &b->g), HN_OK);
    CHECK_INT(hn_arena_new(&b->cx, 0, &b->a), HN_OK);
    return b->g;
}

static void end(bench *b)
{
    hn_arena_free(b->a);
    hn_graph_free(b->g);
}

static hn_value *input(bench *b, hn_graph *g, hn_dtype type, hn_shape shape)
{
    hn_value *v;
    CHECK_INT(hn_graph_add_value(&b->cx, g, "x", &v), HN_OK);
    v->t = (hn_tensor){ type, shape, NULL };
    CHECK_INT(hn_graph_add_input(&b->cx, g, v), HN_OK);
    return v;
}

static hn_value *constant(bench *b, hn_graph *g, float x)
{
    hn_value *v;
    hn_shape one = SHAPE(1);
    CHECK_INT(hn_graph_new_const(&b->cx, g, "", HN_F32, &one, &v), HN_OK);
    *(float *)v->t.data = x;
    return v;
}

/* In a body: a value of the graph around it. */
static hn_value *outer(bench *b, hn_graph *body, hn_value *of)
{
    hn_value *v;
    CHECK_INT(hn_graph_add_value(&b->cx, body, "", &v), HN_OK);
    v->outer = of;
    return v;
}

static hn_value *node(bench *b, hn_graph *g, const char *op, hn_value *const *in, int ins, const hn_attr *attr, int attrs)
{
    hn_value *y;
    CHECK_INT(hn_graph_add_value(&b->cx, g, op, &y), HN_OK);
    CHECK_INT(hn_graph_add_node(&b->cx, g, hn_op_find(NULL, op), NULL, in, ins, &y, 1, attr, attrs, NULL), HN_OK);
    return y;
}

static hn_value *two(bench *b, hn_graph *g, const char *op, hn_value *x, hn_value *y)
{
    return node(b, g, op, (hn_value *[]){ x, y }, 2, NULL, 0);
}

static hn_graph *body(bench *b, hn_graph *parent)
{
    hn_graph *g;
    CHECK_INT(hn_graph_new_body(&b->cx, parent, &g), HN_OK);
    return g;
}

static void give(bench *b, hn_graph *g, hn_value *v) { CHECK_INT(hn_graph_add_output(&b->cx, g, v), HN_OK); }

/* The first number of output 0, which eval and a plan must agree on. */
static float result(bench *b, const hn_tensor *in, size_t *count)
{
    hn_tensor out[4];
    hn_shape shape[4];
    hn_plan *p;
    hn_session *s;
    CHECK_INT(hn_graph_infer(&b->cx, b->g), HN_OK);
    CHECK_INT(hn_graph_verify(&b->cx, b->g), HN_OK);
    CHECK_INT(hn_eval(&b->cx, b->g, in, b->a, out), HN_OK);
    for (size_t i = 0; i < b->g->in_count; i++)
        shape[i] = in[i].shape;
    hn_plan_opts o = { .threads = 1, .in_shape = shape };
    CHECK_INT(hn_plan_new(&b->cx, b->g, &o, &p), HN_OK);
    CHECK_INT(hn_session_new(&b->cx, p, NULL, &s), HN_OK);
    for (size_t i = 0; i < b->g->in_count; i++)
        hn_session_bind_input(s, i, in[i].data);
    CHECK_INT(hn_session_run(&b->cx, s), HN_OK);
    const hn_tensor *y = hn_session_output(s, 0);
    CHECK(hn_shape_equal(&y->shape, &out[0].shape));
    CHECK(memcmp(y->data, out[0].data, hn_bytes(y)) == 0);
    hn_session_free(s);
    hn_plan_free(&b->cx, p);
    *count = hn_count(&out[0]);
    return *(float *)out[0].data;
}

/* then: x + 1, else: x * y, where y is made by the graph around them. */
static hn_value *make_if(bench *b, hn_value *cond, hn_value *x)
{
    hn_graph *yes = body(b, b->g), *no = body(b, b->g);
    hn_value *y = two(b, b->g, "Add", x, x);
    give(b, yes, two(b, yes, "Add", outer(b, yes, x), constant(b, yes, 1)));
    give(b, no, two(b, no, "Mul", outer(b, no, x), outer(b, no, y)));
    hn_attr *a = HN_NEW(b->g->arena, hn_attr, 2);
    a[0] = (hn_attr){ .name = "then_branch", .kind = HN_ATTR_GRAPH, .graph = yes };
    a[1] = (hn_attr){ .name = "else_branch", .kind = HN_ATTR_GRAPH, .graph = no };
    return node(b, b->g, "If", &cond, 1, a, 2);
}

TEST(an_if_takes_the_branch_its_condition_says)
{
    bench b;
    size_t n;
    hn_graph *g = begin(&b);
    hn_value *cond = input(&b, g, HN_BOOL, SCALAR), *x = input(&b, g, HN_F32, SHAPE(1));
    give(&b, g, make_if(&b, cond, x));
    hn_tensor in[] = { { HN_BOOL, SCALAR, (uint8_t[]){ 1 } }, F32(SHAPE(1), 3) };
    CHECK(result(&b, in, &n) == 4);
    in[0].data = (uint8_t[]){ 0 };
    CHECK(result(&b, in, &n) == 18);
    end(&b);
}

TEST(an_if_whose_condition_is_known_is_gone)
{
    bench b;
    hn_value *cond;
    hn_shape one = SCALAR;
    hn_graph *g = begin(&b), *copy;
    CHECK_INT(hn_graph_new_const(&b.cx, g, "", HN_BOOL, &one, &cond), HN_OK);
    give(&b, g, make_if(&b, cond, input(&b, g, HN_F32, SHAPE(1))));
    CHECK_INT(hn_graph_clone(&b.cx, g, &copy), HN_OK);
    CHECK_INT(hn_graph_optimize(&b.cx, copy), HN_OK);
    for (size_t i = 0; i < copy->node_count; i++)
        CHECK(strcmp(copy->node[i]->op->name, "If") != 0);
    CHECK_INT(copy->node_count, 2);
    hn_graph_free(copy);
    end(&b);
}

TEST(a_branch_that_is_never_taken_need_not_fit)
{
    bench b;
    hn_value *cond, *x;
    hn_shape one = SCALAR;
    hn_graph *g = begin(&b), *yes = body(&b, g), *no = body(&b, g);
    CHECK_INT(hn_graph_new_const(&b.cx, g, "", HN_BOOL, &one, &cond), HN_OK);
    x = input(&b, g, HN_F32, SHAPE(2, 3));
    give(&b, yes, two(&b, yes, "MatMul", outer(&b, yes, x), outer(&b, yes, x)));
    give(&b, no, two(&b, no, "Add", outer(&b, no, x), outer(&b, no, x)));
    hn_attr a[] = { { .name = "then_branch", .kind = HN_ATTR_GRAPH, .graph = yes },
                    { .name = "else_branch", .kind = HN_ATTR_GRAPH, .graph = no } };
    give(&b, g, node(&b, g, "If", &cond, 1, a, 2));
    CHECK_INT(hn_graph_infer(&b.cx, g), HN_OK);
    CHECK(hn_shape_equal(&g->out[0]->t.shape, &x->t.shape));
    end(&b);
}

/* Loop: sum += x; gathers sum; ends after `steps` or when sum is not below the limit. */
static void make_loop(bench *b, hn_value *steps, hn_value *x, float limit)
{
    hn_graph *g = b->g, *in = body(b, g);
    input(b, in, HN_I64, SCALAR);
    input(b, in, HN_BOOL, SCALAR);
    hn_value *sum = input(b, in, HN_F32, SHAPE(1)), *next = two(b, in, "Add", sum, outer(b, in, x)), *axes, *out[2];
    CHECK_INT(hn_graph_new_const_i64(&b->cx, in, "", (int64_t[]){ 0 }, 1, &axes), HN_OK);
    give(b, in, two(b, in, "Squeeze", two(b, in, "Less", next, constant(b, in, limit)), axes));
    give(b, in, next);
    give(b, in, node(b, in, "Identity", &next, 1, NULL, 0));
    hn_attr *a = HN_NEW(g->arena, hn_attr, 1);
    *a = (hn_attr){ .name = "body", .kind = HN_ATTR_GRAPH, .graph = in };
    for (int i = 0; i < 2; i++)
        CHECK_INT(hn_graph_add_value(&b->cx, g, "y", &out[i]), HN_OK);
    CHECK_INT(hn_graph_add_node(&b->cx, g, hn_op_find(NULL, "Loop"), NULL, (hn_value *[]){ steps, NULL, constant(b, g, 0) },
                                3, out, 2, a, 1, NULL), HN_OK);
    give(b, g, out[0]);
    give(b, g, out[1]);
}

TEST(a_loop_runs_its_steps_or_until_its_condition_fails)
{
    bench b;
    size_t n;
    hn_graph *g = begin(&b);
    hn_value *steps = input(&b, g, HN_I64, SCALAR);
    make_loop(&b, steps, input(&b, g, HN_F32, SHAPE(1)), 10);
    hn_tensor in[] = { { HN_I64, SCALAR, (int64_t[]){ 3 } }, F32(SHAPE(1), 2) };
    CHECK(result(&b, in, &n) == 6);
    in[0].data = (int64_t[]){ 100 };
    CHECK(result(&b, in, &n) == 10);
    in[0].data = (int64_t[]){ 0 };
    CHECK(result(&b, in, &n) == 0);
    end(&b);
}

TEST(a_loop_carries_what_grows)
{
    bench b;
    hn_tensor out[1];
    hn_shape none = SHAPE(0);
    hn_value *list, *start;
    hn_graph *g = begin(&b), *in = body(&b, g);
    hn_value *steps = input(&b, g, HN_I64, SCALAR);
    CHECK_INT(hn_graph_new_const(&b.cx, g, "", HN_F32, &none, &start), HN_OK);
    input(&b, in, HN_I64, SCALAR);
    hn_value *go = input(&b, in, HN_BOOL, SCALAR);
    list = input(&b, in, HN_F32, none);
    hn_attr concat = AINT("axis", 0);
    hn_value *longer = node(&b, in, "Concat", (hn_value *[]){ list, constant(&b, in, 7) }, 2, &concat, 1);
    give(&b, in, node(&b, in, "Identity", &go, 1, NULL, 0));
    give(&b, in, longer);
    hn_attr a = { .name = "body", .kind = HN_ATTR_GRAPH, .graph = in };
    give(&b, g, node(&b, g, "Loop", (hn_value *[]){ steps, NULL, start }, 3, &a, 1));
    CHECK_INT(hn_graph_infer(&b.cx, g), HN_OK);
    CHECK(hn_is_symbol(g->out[0]->t.shape.dim[0]));
    hn_tensor five = { HN_I64, SCALAR, (int64_t[]){ 5 } };
    CHECK_INT(hn_eval(&b.cx, g, &five, b.a, out), HN_OK);
    CHECK_INT(out[0].shape.dim[0], 5);
    end(&b);
}

TEST(a_scan_goes_along_an_axis_backwards)
{
    bench b;
    hn_value *out[2];
    size_t n;
    hn_graph *g = begin(&b), *in = body(&b, g);
    hn_value *start = input(&b, g, HN_F32, SHAPE(1)), *x = input(&b, g, HN_F32, SHAPE(1, 3));
    hn_value *sum = input(&b, in, HN_F32, SHAPE(1)), *part = input(&b, in, HN_F32, SHAPE(1));
    hn_value *next = two(&b, in, "Sub", part, sum);
    give(&b, in, next);
    give(&b, in, node(&b, in, "Identity", &next, 1, NULL, 0));
    hn_attr a[] = { { .name = "body", .kind = HN_ATTR_GRAPH, .graph = in }, AINT("num_scan_inputs", 1),
                    AINTS("scan_input_axes", -1), AINTS("scan_input_directions", 1), AINTS("scan_output_axes", 1) };
    for (int i = 0; i < 2; i++)
        CHECK_INT(hn_graph_add_value(&b.cx, g, "y", &out[i]), HN_OK);
    CHECK_INT(hn_graph_add_node(&b.cx, g, hn_op_find(NULL, "Scan"), NULL, (hn_value *[]){ start, x }, 2, out, 2, a, 5,
                                NULL), HN_OK);
    give(&b, g, out[1]);
    hn_tensor values[] = { F32(SHAPE(1), 0), F32(SHAPE(1, 3), 1, 10, 100) };
    CHECK(result(&b, values, &n) == 100);                /* 100, 10 - 100, 1 - (10 - 100) */
    CHECK_INT(n, 3);
    end(&b);
}

TEST(bodies_that_do_not_fit_their_node_are_refused)
{
    hn_op_test t;
    hn_tensor cond = { HN_BOOL, SCALAR, (uint8_t[]){ 1 } }, two_of_them = { HN_BOOL, SHAPE(2), (uint8_t[]){ 1, 0 } };
    hn_tensor steps[] = { I64(SCALAR, 1) };
    hn_graph empty = { .name = "" };
    hn_attr branch[] = { { .name = "then_branch", .kind = HN_ATTR_GRAPH, .graph = &empty },
                         { .name = "else_branch", .kind = HN_ATTR_GRAPH, .graph = &empty } };
    hn_attr loop = { .name = "body", .kind = HN_ATTR_GRAPH, .graph = &empty };
    CHECK_INT(hn_test_op(&t, NULL, "If", &cond, 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "If", &cond, 1, branch, 2, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "If", &two_of_them, 1, branch, 2, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Loop", steps, 1, &loop, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Scan", steps, 1, &loop, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}
