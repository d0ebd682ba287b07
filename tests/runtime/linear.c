/* SPDX-License-Identifier: Apache-2.0 */
/* Products of one input in one step, and sums taken on by a product: fewer steps, the same bits. */
#include <stdlib.h>
#include <string.h>

#include "graph/op.h"
#include "runtime/session.h"
#include "tensor/qtypes.h"
#include "tests/support/graph.h"
#include "tests/support/test.h"

enum { K = 64, WIDE = 64, NARROW = 40, PRODUCTS = 3 };

static const struct { hn_qtype type; size_t rows; bool bias; } products[PRODUCTS] = {
    { HN_QT_Q4_0, WIDE, false }, { HN_QT_Q8_0, NARROW, true }, { HN_QT_Q5_0, WIDE, true },
};

static float noise(size_t i) { return (float)((i * 7919 + 13) % 201) * 0.01f - 1; }

static hn_value *matrix(hn_ctx *cx, hn_graph *g, hn_qtype type, size_t rows)
{
    size_t row = hn_q_bytes(type, K);
    hn_shape s = SHAPE((int64_t)rows, (int64_t)row);
    hn_value *w;
    float x[K];
    CHECK_INT(hn_graph_new_const(cx, g, "w", HN_U8, &s, &w), HN_OK);
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < K; i++)
            x[i] = noise(r * K + i + rows);
        hn_q_encode(type, x, (char *)w->t.data + r * row, K);
    }
    return w;
}

static hn_value *product(hn_ctx *cx, hn_graph *g, hn_value *x, size_t which)
{
    hn_value *in[3] = { x, matrix(cx, g, products[which].type, products[which].rows), NULL }, *out;
    hn_attr *attr = HN_NEW(g->arena, hn_attr, 2);
    attr[0] = AINT("qtype", hn_qtype_get(products[which].type)->number);
    attr[1] = AINT("k", K);
    if (products[which].bias) {
        hn_shape s = SHAPE((int64_t)products[which].rows);
        CHECK_INT(hn_graph_new_const(cx, g, "bias", HN_F32, &s, &in[2]), HN_OK);
        for (size_t i = 0; i < products[which].rows; i++)
            ((float *)in[2]->t.data)[i] = noise(i + 5);
    }
    CHECK_INT(hn_graph_add_value(cx, g, NULL, &out), HN_OK);
    CHECK_INT(hn_graph_add_node(cx, g, hn_op_find("hone", "Linear"), NULL, in, in[2] ? 3 : 2, &out, 1, attr, 2, NULL), HN_OK);
    return out;
}

/* The products of one input that `mask` names, and with `residual` the input added to each that is as wide. */
static hn_graph *graph_of(hn_ctx *cx, size_t rows, unsigned mask, bool residual)
{
    hn_graph *g;
    hn_value *x;
    CHECK_INT(hn_graph_new(cx, &g), HN_OK);
    CHECK_INT(hn_graph_add_value(cx, g, "x", &x), HN_OK);
    x->t = (hn_tensor){ HN_F32, SHAPE((int64_t)rows, K), NULL };
    CHECK_INT(hn_graph_add_input(cx, g, x), HN_OK);
    for (size_t i = 0; i < PRODUCTS; i++) {
        hn_value *y, *sum;
        if (!(mask >> i & 1))
            continue;
        y = product(cx, g, x, i);
        if (residual && products[i].rows == K) {
            CHECK_INT(hn_graph_add_value(cx, g, NULL, &sum), HN_OK);
            CHECK_INT(hn_graph_add_node(cx, g, hn_op_find(NULL, "Add"), NULL, (hn_value *[]){ x, y }, 2, &sum, 1, NULL, 0, NULL),
                      HN_OK);
            y = sum;
        }
        CHECK_INT(hn_graph_add_output(cx, g, y), HN_OK);
    }
    return g;
}

/* Outputs one after another into out; returns the plan's steps. */
static size_t run(hn_ctx *cx, const hn_graph *g, size_t rows, hn_pool *pool, float *out)
{
    hn_plan *p;
    hn_session *s;
    float *x = malloc(rows * K * sizeof *x);
    for (size_t i = 0; i < rows * K; i++)
        x[i] = noise(i * 3);
    hn_plan_opts o = { .threads = hn_pool_threads(pool), .in_shape = &g->in[0]->t.shape };
    CHECK_INT(hn_plan_new(cx, g, &o, &p), HN_OK);
    CHECK_INT(hn_session_new(cx, p, pool, &s), HN_OK);
    hn_session_bind_input(s, 0, x);
    CHECK_INT(hn_session_run(cx, s), HN_OK);
    for (size_t i = 0; i < g->out_count; i++) {
        const hn_tensor *t = hn_session_output(s, i);
        memcpy(out, t->data, hn_bytes(t));
        out += hn_count(t);
    }
    size_t steps = p->step_count;
    hn_session_free(s);
    hn_plan_free(cx, p);
    free(x);
    return steps;
}

/* Together as apart, on one thread and three, for one token, a few and many. */
TEST(products_of_one_input_are_one_step_with_the_bits_of_many)
{
    static const size_t rows[] = { 1, 5, 20 };
    hn_ctx cx = { 0 };
    hn_pool *pool;
    CHECK_INT(hn_pool_new(&cx, 3, &pool), HN_OK);
    for (size_t r = 0; r < 3; r++)
        for (int residual = 0; residual < 2; residual++) {
            size_t total = rows[r] * (2 * WIDE + NARROW);
            float *together = malloc(total * sizeof *together), *apart = malloc(total * sizeof *apart), *at = apart;
            hn_graph *all = graph_of(&cx, rows[r], 7, residual);
            for (size_t i = 0; i < PRODUCTS; i++) {
                hn_graph *one = graph_of(&cx, rows[r], 1u << i, residual);
                CHECK_INT(run(&cx, one, rows[r], NULL, at), 1);          /* a sum is no step of its own */
                at += rows[r] * products[i].rows;
                hn_graph_free(one);
            }
            for (int threads = 1; threads <= 3; threads += 2) {
                size_t steps = run(&cx, all, rows[r], threads > 1 ? pool : NULL, together);
                CHECK(residual ? steps <= 2 : steps == 1);
                CHECK(memcmp(together, apart, total * sizeof *apart) == 0);
            }
            hn_graph_free(all);
            free(together);
            free(apart);
        }
    hn_pool_free(pool);
}
