/* SPDX-License-Identifier: Apache-2.0 */
/* Integer graphs: plans give eval's bits; quantised ONNX is computed on integers. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "graph/pass.h"
#include "tests/support/agree.h"
#include "tests/support/graph.h"
#include "tests/support/random.h"

static void agrees(uint32_t seed, const hn_kernels *k, hn_pool *pool, size_t *tried)
{
    hn_ctx cx = { 0 };
    hn_graph *g;
    hn_arena *a;
    double worst = 0;
    uint8_t bytes[160];
    uint32_t noise = seed;
    for (size_t i = 0; i < sizeof bytes; i++) {
        noise = noise * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(noise >> 24);
    }
    if (hn_test_random_integers(&cx, bytes, sizeof bytes, &g))
        return;
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    hn_plan_opts o = { .kernels = k, .threads = pool ? 3 : 1, .no_optimize = seed % 2 };
    hn_err e = hn_test_agree_graph(&cx, g, &o, pool, 1, a, &worst);
    if (e || worst != 0)
        print_message("seed %u on %s: %s, worst %g\n", seed, k->isa, cx.msg, worst);
    CHECK_INT(e, HN_OK);
    CHECK(worst == 0);
    ++*tried;
    hn_arena_free(a);
    hn_graph_free(g);
}

TEST(random_integer_graphs_give_the_bits_of_eval)
{
    hn_pool *pool = NULL;
    size_t tried = 0, seeds = 0;
    CHECK_INT(hn_pool_new(NULL, 3, &pool), HN_OK);
    for (const hn_kernels *const *k = hn_kernel_tables; *k; k++)
        for (uint32_t seed = 0; seed < 150 && hn_kernels_runs(*k); seed++, seeds++)
            agrees(seed, *k, seed % 5 ? NULL : pool, &tried);
    CHECK(tried > seeds / 2);                        /* some bytes make no graph */
    hn_pool_free(pool);
}

/* ---- Lowering ------------------------------------------------------------------------------------------- */

typedef struct qdq { hn_ctx cx; hn_graph *g; hn_value *last; } qdq;

static hn_value *constant(qdq *b, hn_tensor t)
{
    hn_value *v = NULL;
    CHECK_INT(hn_graph_add_const(&b->cx, b->g, NULL, &t, &v), HN_OK);
    return v;
}

static hn_value *node(qdq *b, const char *op, hn_value **in, int ins)
{
    hn_value *y = NULL;
    hn_node *n;
    CHECK_INT(hn_graph_add_value(&b->cx, b->g, NULL, &y), HN_OK);
    CHECK_INT(hn_graph_add_node(&b->cx, b->g, hn_op_find(NULL, op), NULL, in, ins, &y, 1, NULL, 0, &n), HN_OK);
    return b->last = y;
}

#define NODE(b, op, ...) node(b, op, (hn_value *[]){ __VA_ARGS__ }, (int)(sizeof((hn_value *[]){ __VA_ARGS__ }) / sizeof(hn_value *)))

static float scales[] = { 0.02f, 0.01f, 0.05f, 0.0002f };
static int8_t zeros[] = { 0, -3, 5 };
static hn_tensor scale(int i) { return (hn_tensor){ HN_F32, SCALAR, &scales[i] }; }
static hn_tensor zero(int i) { return (hn_tensor){ HN_I8, SCALAR, &zeros[i] }; }

static hn_value *byte_input(qdq *b, const char *name, hn_shape shape)
{
    hn_value *x = NULL;
    CHECK_INT(hn_graph_add_value(&b->cx, b->g, name, &x), HN_OK);
    x->t.dtype = HN_I8;
    x->t.shape = shape;
    CHECK_INT(hn_graph_add_input(&b->cx, b->g, x), HN_OK);
    return x;
}

static qdq start(void)
{
    qdq b = { 0 };
    CHECK_INT(hn_graph_new(&b.cx, &b.g), HN_OK);
    return b;
}

/* How many nodes of that name are left, and how far the plan is from eval of what the file says. */
static size_t lowered(qdq *b, const char *op, double *worst)
{
    hn_arena *a = NULL;
    hn_graph *copy = NULL;
    size_t found = 0;
    b->last->name = "y";
    CHECK_INT(hn_graph_add_output(&b->cx, b->g, b->last), HN_OK);
    CHECK_INT(hn_graph_infer(&b->cx, b->g), HN_OK);
    CHECK_INT(hn_arena_new(&b->cx, 0, &a), HN_OK);
    CHECK_INT(hn_test_agree_graph(&b->cx, b->g, &(hn_plan_opts){ .kernels = hn_kernels_pick(), .threads = 1 }, NULL, 1, a, worst), HN_OK);
    CHECK_INT(hn_graph_clone(&b->cx, b->g, &copy), HN_OK);
    CHECK_INT(hn_graph_optimize(&b->cx, copy), HN_OK);
    for (size_t i = 0; i < copy->node_count; i++)
        found += strcmp(copy->node[i]->op->name, op) == 0;
    hn_graph_free(copy);
    hn_arena_free(a);
    hn_graph_free(b->g);
    return found;
}

TEST(a_convolution_between_quantisers_is_one_of_integers)
{
    static int8_t w[4 * 3 * 3 * 3];
    static int32_t bias[4] = { 100, -2000, 7, 0 };
    qdq b = start();
    double worst = 9;
    for (size_t i = 0; i < sizeof w; i++)
        w[i] = (int8_t)(i * 37 % 255 - 127);
    hn_value *x = NODE(&b, "DequantizeLinear", byte_input(&b, "x", SHAPE(1, 3, 9, 9)), constant(&b, scale(0)), constant(&b, zero(1)));
    hn_value *k = NODE(&b, "DequantizeLinear", constant(&b, T_(I8, SHAPE(4, 3, 3, 3), w)), constant(&b, scale(1)), constant(&b, zero(0)));
    hn_value *c = NODE(&b, "DequantizeLinear", constant(&b, T_(I32, SHAPE(4), bias)), constant(&b, scale(3)));
    hn_value *y = NODE(&b, "Relu", NODE(&b, "Conv", x, k, c));
    NODE(&b, "QuantizeLinear", y, constant(&b, scale(2)), constant(&b, zero(2)));
    CHECK_INT(lowered(&b, "QConv", &worst), 1);
    CHECK(worst <= 1);
}

/* Sums of two keep their bits; what moves elements moves bytes. */
TEST(a_sum_between_quantisers_is_exact)
{
    qdq b = start();
    double worst = 9;
    hn_value *x = NODE(&b, "DequantizeLinear", byte_input(&b, "x", SHAPE(2, 50)), constant(&b, scale(0)), constant(&b, zero(1)));
    hn_value *z = NODE(&b, "DequantizeLinear", byte_input(&b, "z", SHAPE(2, 50)), constant(&b, scale(1)), constant(&b, zero(2)));
    hn_value *s = NODE(&b, "QuantizeLinear", NODE(&b, "Add", x, z), constant(&b, scale(0)), constant(&b, zero(2)));
    hn_value *f = NODE(&b, "DequantizeLinear", s, constant(&b, scale(0)), constant(&b, zero(2)));
    hn_value *t = NODE(&b, "Reshape", f, constant(&b, I64(SHAPE(1), 100)));
    NODE(&b, "QuantizeLinear", t, constant(&b, scale(0)), constant(&b, zero(2)));
    CHECK_INT(lowered(&b, "QAdd", &worst), 1);
    CHECK(worst == 0);
}

TEST(a_product_with_weights_that_have_a_zero_point_stays_in_floats)
{
    static int8_t w[10 * 4];
    qdq b = start();
    double worst = 9;
    hn_value *x = NODE(&b, "DequantizeLinear", byte_input(&b, "x", SHAPE(2, 10)), constant(&b, scale(0)), constant(&b, zero(1)));
    hn_value *k = NODE(&b, "DequantizeLinear", constant(&b, T_(I8, SHAPE(10, 4), w)), constant(&b, scale(1)), constant(&b, zero(2)));
    NODE(&b, "QuantizeLinear", NODE(&b, "MatMul", x, k), constant(&b, scale(2)), constant(&b, zero(0)));
    CHECK_INT(lowered(&b, "QLinear", &worst), 0);
    CHECK(worst <= 1);
}
