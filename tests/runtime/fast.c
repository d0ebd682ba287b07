/* SPDX-License-Identifier: Apache-2.0 */
/* The fast ways one by one, over shapes that reach their corners, against eval; and that it was they
 * which ran. */
#include <stdlib.h>
#include <string.h>

#include "formats/format.h"
#include "tests/support/agree.h"
#include "tests/support/graph.h"
#include "tests/support/pb.h"
#include "tests/support/test.h"

static uint32_t seed;

static int64_t any(int64_t from, int64_t to)
{
    seed = seed * 1664525u + 1013904223u;
    return from + (int64_t)(seed >> 8) % (to - from + 1);
}

static void noise(test_model *m, const char *name, hn_shape shape, float size)
{
    size_t n = hn_shape_count(&shape);
    float *v = malloc(n * sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i] = (float)any(-1000, 1000) * 1e-3f * size;
    test_const(m, name, (hn_tensor){ HN_F32, shape, v });
    free(v);
}

/* Steps of the plan that run through `kernel`. */
static size_t count_steps(hn_ctx *cx, const hn_graph *g, const char *kernel)
{
    hn_shape shape[4];
    hn_plan *p;
    size_t n = 0;
    for (size_t i = 0; i < g->in_count; i++)
        shape[i] = g->in[i]->t.shape;
    CHECK_INT(hn_plan_new(cx, g, &(hn_plan_opts){ .threads = 1, .in_shape = shape, .measure = true }, &p), HN_OK);
    for (size_t i = 0; i < p->step_count; i++)
        n += strcmp(p->step[i].impl->name, kernel) == 0;
    hn_plan_free(cx, p);
    return n;
}

/* On each instruction set with one thread, on the best with three. */
static void agrees(test_model *m, const char *kernel, double tolerance)
{
    hn_ctx cx = { 0 };
    hn_source src;
    hn_pool *pool;
    hn_arena *a;
    m->opset = 20;
    hn_buf b = test_model_bytes(m);
    hn_err e = hn_source_open_memory(&cx, b.data, b.len, &src);
    if (e)
        print_message("%s\n", cx.msg);
    CHECK_INT(e, HN_OK);
    CHECK_INT(hn_pool_new(&cx, 3, &pool), HN_OK);
    CHECK_INT(hn_arena_new(&cx, 0, &a), HN_OK);
    if (count_steps(&cx, src.graph, kernel) != 1)
        print_message("expected one step of %s\n", kernel);
    CHECK_INT(count_steps(&cx, src.graph, kernel), 1);
    for (const hn_kernels *const *k = hn_kernel_tables; *k; k++)
        for (unsigned threads = 1; threads <= 3 && hn_kernels_runs(*k); threads += 2) {
            double worst = 0;
            e = hn_test_agree_graph(&cx, src.graph, &(hn_plan_opts){ .kernels = *k, .threads = threads },
                                    threads > 1 ? pool : NULL, 1, a, &worst);
            if (e || worst > tolerance)
                print_message("%s on %s, %u threads: %s, worst %g\n", kernel, (*k)->isa, threads, cx.msg, worst);
            CHECK(!e && worst <= tolerance);
        }
    hn_arena_free(a);
    hn_pool_free(pool);
    hn_source_close(&cx, &src);
    hn_buf_free(&b);
}

/* ---- Convolutions ---------------------------------------------------------------------------------- */

typedef struct shape { int64_t batch, in, out, h, w, kh, kw, sh, sw, dh, dw, top, left, bottom, right, group; } shape;

/* Convolution, residual sum, Relu. */
static void check_conv(const shape *s, const char *kernel, double tolerance)
{
    test_model m = { 0 };
    hn_buf attrs = { 0 };
    test_input(&m, "x", HN_F32, SHAPE(s->batch, s->in, s->h, s->w));
    test_input(&m, "r", HN_F32, SHAPE(1, 1, 1, 1));
    noise(&m, "w", SHAPE(s->out, s->in / s->group, s->kh, s->kw), 1);
    noise(&m, "b", SHAPE(s->out), 1);
    test_attr_ints(&attrs, "pads", (int64_t[]){ s->top, s->left, s->bottom, s->right }, 4);
    test_attr_ints(&attrs, "strides", (int64_t[]){ s->sh, s->sw }, 2);
    test_attr_ints(&attrs, "dilations", (int64_t[]){ s->dh, s->dw }, 2);
    test_attr_int(&attrs, "group", s->group);
    test_node(&m, "Conv", "x w b", "c", &attrs);
    if (s->group == 1 && s->sh == 1 && s->sw == 1 && s->in == s->out && s->top + s->bottom == (s->kh - 1) * s->dh &&
        s->left + s->right == (s->kw - 1) * s->dw)
        test_node(&m, "Add", "x c", "sum", NULL);
    else
        test_node(&m, "Add", "c r", "sum", NULL);
    test_node(&m, "Relu", "sum", "y", NULL);
    test_output(&m, "y");
    agrees(&m, kernel, tolerance);
}

TEST(convolutions_of_any_geometry)
{
    for (seed = 1; seed < 60; seed++) {
        uint32_t next = seed;
        shape s = { .batch = any(1, 2), .group = any(1, 3), .kh = any(1, 5), .kw = any(1, 4), .sh = any(1, 3), .sw = any(1, 2),
                    .dh = any(1, 2), .dw = any(1, 2), .top = any(0, 3), .left = any(0, 2), .bottom = any(0, 2), .right = any(0, 3) };
        s.in = s.group * any(1, 7);
        s.out = s.group * any(1, 6);
        if (s.group == s.in && s.in == s.out && s.in > 1)
            s.out += s.group;                                      /* depthwise has its own way */
        s.h = (s.kh - 1) * s.dh + any(1, 14);
        s.w = (s.kw - 1) * s.dw + any(1, 14);
        check_conv(&s, "conv.gemm.f32", 2e-5);
        seed = next;
    }
}

TEST(residual_sums_of_convolutions)
{
    check_conv(&(shape){ 2, 7, 7, 9, 11, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, "conv.gemm.f32", 2e-5);
    check_conv(&(shape){ 1, 33, 33, 6, 7, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1 }, "conv.gemm.f32", 2e-5);
}

TEST(three_by_three_by_winograd)
{
    static const int64_t sizes[][4] = { { 16, 16, 17, 14 }, { 20, 35, 13, 19 }, { 33, 33, 16, 16 }, { 64, 17, 15, 30 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int64_t pad = 0; pad < 3; pad++)
            check_conv(&(shape){ 1 + (int64_t)i % 2, sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3], 3, 3, 1, 1, 1, 1, pad, 1,
                                 1, pad, 1 }, "conv.winograd.f32", 2e-5);
}

/* ---- Recurrent cells -------------------------------------------------------------------------------- */

static void check_cell(const char *op, int64_t gates, const char *direction, bool batch_first, bool state, int64_t steps,
                       int64_t batch, int64_t hidden)
{
    test_model m = { 0 };
    hn_buf attrs = { 0 };
    int64_t dirs = strcmp(direction, "bidirectional") ? 1 : 2, input = 5;
    bool lstm = gates == 4;                 /* weights small, or rounding would grow from step to step */
    test_input(&m, "x", HN_F32, batch_first ? SHAPE(batch, steps, input) : SHAPE(steps, batch, input));
    noise(&m, "w", SHAPE(dirs, gates * hidden, input), 0.2f);
    noise(&m, "r", SHAPE(dirs, gates * hidden, hidden), 0.2f);
    noise(&m, "b", SHAPE(dirs, 2 * gates * hidden), 0.2f);
    if (state) {
        hn_shape s = batch_first ? SHAPE(batch, dirs, hidden) : SHAPE(dirs, batch, hidden);
        test_input(&m, "h", HN_F32, s);
        if (lstm)
            test_input(&m, "c", HN_F32, s);
    }
    test_attr_int(&attrs, "hidden_size", hidden);
    test_attr_int(&attrs, "layout", batch_first);
    test_attr_text(&attrs, "direction", direction);
    if (!lstm)
        test_attr_int(&attrs, "linear_before_reset", 1);
    test_node(&m, op, !state ? "x w r b" : lstm ? "x w r b - h c" : "x w r b - h", lstm ? "y yh yc" : "y yh", &attrs);
    test_output(&m, "y");
    test_output(&m, "yh");
    if (lstm)
        test_output(&m, "yc");
    agrees(&m, lstm ? "lstm.f32" : "gru.f32", 1e-5);
}

TEST(recurrent_cells_in_every_direction_and_layout)
{
    static const char *const directions[] = { "forward", "reverse", "bidirectional" };
    seed = 7;
    for (int i = 0; i < 24; i++) {
        check_cell("LSTM", 4, directions[i % 3], i / 3 % 2, i / 6 % 2, any(1, 6), any(1, 3), any(1, 40));
        check_cell("GRU", 3, directions[i % 3], i / 3 % 2, i / 6 % 2, any(1, 6), any(1, 3), any(1, 40));
    }
    check_cell("LSTM", 4, "bidirectional", true, true, 150, 3, 70);          /* more steps than one product takes */
    check_cell("GRU", 3, "reverse", false, true, 200, 3, 50);
}

/* ---- Moves -------------------------------------------------------------------------------------------- */

TEST(transposes_of_every_order)
{
    for (int p = 0; p < 24; p++) {
        test_model m = { 0 };
        hn_buf attrs = { 0 };
        int64_t perm[4], rest = p;
        bool taken[4] = { false };
        for (int i = 0; i < 4; i++) {
            int64_t at = rest % (4 - i), axis = 0;
            rest /= 4 - i;
            for (;; axis++)
                if (!taken[axis] && at-- == 0)
                    break;
            taken[axis] = true;
            perm[i] = axis;
        }
        if (perm[0] == 0 && ((perm[1] == 2 && perm[3] == 1) || perm[1] == 3 || (perm[1] == 1 && perm[2] == 2)))
            continue;                                              /* between the two layouts: no step */
        test_input(&m, "x", HN_F32, SHAPE(3, 5, 18, 7));
        test_attr_ints(&attrs, "perm", perm, 4);
        test_node(&m, "Transpose", "x", "y", &attrs);
        test_output(&m, "y");
        agrees(&m, "transpose.f32", 0);
    }
}

TEST(what_only_moves_elements)
{
    test_model slice = { 0 }, pad = { 0 }, reflect = { 0 }, gather = { 0 };
    test_input(&slice, "x", HN_F32, SHAPE(3, 10, 9));
    test_const(&slice, "from", I64(SHAPE(2), 8, 1));
    test_const(&slice, "to", I64(SHAPE(2), 0, 9));
    test_const(&slice, "axes", I64(SHAPE(2), 1, 2));
    test_const(&slice, "step", I64(SHAPE(2), -2, 3));
    test_node(&slice, "Slice", "x from to axes step", "y", NULL);
    test_output(&slice, "y");
    agrees(&slice, "move.f32", 0);

    test_input(&pad, "x", HN_F32, SHAPE(2, 4, 9));
    test_const(&pad, "pads", I64(SHAPE(6), 0, 1, 2, 1, 0, -3));
    test_const(&pad, "fill", F32(SCALAR, 2.5f));
    test_node(&pad, "Pad", "x pads fill", "y", NULL);
    test_output(&pad, "y");
    agrees(&pad, "move.f32", 0);

    hn_buf attrs = { 0 };
    test_input(&reflect, "x", HN_F32, SHAPE(2, 30));
    test_const(&reflect, "pads", I64(SHAPE(4), 0, 12, 0, 29));
    test_attr_text(&attrs, "mode", "reflect");
    test_node(&reflect, "Pad", "x pads", "y", &attrs);
    test_output(&reflect, "y");
    agrees(&reflect, "move.f32", 0);

    test_input(&gather, "x", HN_F32, SHAPE(6, 20));
    test_const(&gather, "rows", I64(SHAPE(2, 2), 5, 0, -1, 2));
    test_node(&gather, "Gather", "x rows", "y", NULL);
    test_output(&gather, "y");
    agrees(&gather, "move.f32", 0);
}

TEST(rows_to_numbers)
{
    for (int64_t axis = 1; axis < 4; axis += 2)
        for (int keep = 0; keep < 2; keep++) {
            test_model m = { 0 };
            hn_buf attrs = { 0 };
            test_input(&m, "x", HN_F32, SHAPE(2, 21, 5, 33));
            test_attr_int(&attrs, "axis", axis);
            test_attr_int(&attrs, "keepdims", keep);
            test_node(&m, "ArgMax", "x", "y", &attrs);
            test_output(&m, "y");
            agrees(&m, axis == 1 ? "argmax.channels.f32" : "argmax.f32", 0);
        }
    static const char *const ops[] = { "ReduceMean", "ReduceSum" };
    for (int i = 0; i < 2; i++) {
        test_model m = { 0 };
        test_input(&m, "x", HN_F32, SHAPE(3, 7, 45));
        test_const(&m, "axes", i ? I64(SHAPE(2), -1, 1) : I64(SHAPE(1), 2));
        test_node(&m, ops[i], "x axes", "y", NULL);
        test_output(&m, "y");
        agrees(&m, "reduce.f32", 1e-5);
    }
}

TEST(squares_and_products_with_a_bias)
{
    test_model square = { 0 }, product = { 0 };
    test_input(&square, "x", HN_F32, SHAPE(3, 70));
    test_const(&square, "two", F32(SCALAR, 2));
    test_node(&square, "Pow", "x two", "y", NULL);
    test_output(&square, "y");
    agrees(&square, "square.f32", 1e-6);

    test_input(&product, "x", HN_F32, SHAPE(1, 50, 30));
    test_input(&product, "more", HN_F32, SHAPE(1, 50, 20));
    noise(&product, "w", SHAPE(30, 20), 1);
    noise(&product, "b", SHAPE(20), 1);
    test_node(&product, "MatMul", "x w", "p", NULL);
    test_node(&product, "Add", "b p", "q", NULL);
    test_node(&product, "Add", "q more", "s", NULL);
    test_node(&product, "Relu", "s", "y", NULL);
    test_output(&product, "y");
    agrees(&product, "matmul.f32", 1e-5);
}
