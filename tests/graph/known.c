/* SPDX-License-Identifier: Apache-2.0 */
/* Shape arithmetic as exporters write it: what is known of the numbers before there is any data. */
#include "tests/support/test.h"

#include "graph/op.h"

typedef struct builder { hn_ctx cx; hn_graph *g; hn_value *x; int64_t batch; } builder;

/* A graph with one input: f32 [batch, 3, 8]. */
static void start(builder *b)
{
    *b = (builder){ 0 };
    CHECK_INT(hn_graph_new(&b->cx, &b->g), HN_OK);
    CHECK_INT(hn_graph_add_value(&b->cx, b->g, "x", &b->x), HN_OK);
    b->batch = hn_graph_symbol(&b->cx, b->g, "batch");
    b->x->t.dtype = HN_F32;
    b->x->t.shape = hn_shape_of(3, (int64_t[]){ b->batch, 3, 8 });
    CHECK_INT(hn_graph_add_input(&b->cx, b->g, b->x), HN_OK);
}

static hn_value *op(builder *b, const char *name, hn_value **in, int in_count, const hn_attr *attr, int attr_count)
{
    hn_value *y;
    CHECK_INT(hn_graph_add_value(&b->cx, b->g, NULL, &y), HN_OK);
    CHECK_INT(hn_graph_add_node(&b->cx, b->g, hn_op_find(NULL, name), NULL, in, in_count, &y, 1, attr,
                                attr_count, NULL), HN_OK);
    return y;
}
#define OP1(b, name, ...) op(b, name, (hn_value *[]){ __VA_ARGS__ }, \
                             (int)(sizeof((hn_value *[]){ __VA_ARGS__ }) / sizeof(hn_value *)), NULL, 0)

static hn_value *ints(builder *b, int rank, size_t count, const int64_t *v)
{
    hn_value *c;
    CHECK_INT(hn_graph_new_const_i64(&b->cx, b->g, NULL, v, count, &c), HN_OK);
    c->t.shape.rank = rank;
    return c;
}
#define LIST(b, ...) ints(b, 1, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ })
#define NUMBER(b, v) ints(b, 0, 1, (int64_t[]){ v })

TEST(view_of_batch_times_a_number_keeps_what_can_be_kept)
{
    static const hn_attr axis[] = { { .name = "axis", .kind = HN_ATTR_INT, .i = 0 } };
    builder b;
    start(&b);
    /* x.view(x.shape[0], 3 * 8) */
    hn_value *shape = OP1(&b, "Shape", b.x);
    hn_value *first = OP1(&b, "Unsqueeze", OP1(&b, "Gather", shape, NUMBER(&b, 0)), LIST(&b, 0));
    hn_value *last = OP1(&b, "Mul", OP1(&b, "Slice", shape, LIST(&b, 1), LIST(&b, 2)),
                         OP1(&b, "Slice", shape, LIST(&b, -1), LIST(&b, INT64_MAX)));
    hn_value *want = op(&b, "Concat", (hn_value *[]){ first, last }, 2, axis, 1);
    hn_value *y = OP1(&b, "Reshape", b.x, want);
    CHECK_INT(hn_graph_infer(&b.cx, b.g), HN_OK);
    CHECK_INT(y->t.shape.rank, 2);
    CHECK(y->t.shape.dim[0] == b.batch && y->t.shape.dim[1] == 24);
    hn_graph_free(b.g);
}

TEST(expand_with_minus_one_finds_the_dimension_again)
{
    builder b;
    start(&b);
    /* what x.expand(-1, 3, 8) becomes: where(shape == -1, ones, shape), with shape holding a name */
    hn_value *shape = OP1(&b, "Shape", b.x);
    const hn_attr one[] = { { .name = "value", .kind = HN_ATTR_TENSOR,
                              .tensor = { HN_I64, { .rank = 1, .dim = { 1 } }, (int64_t[]){ 1 } } } };
    hn_value *rank = OP1(&b, "Shape", shape);
    hn_value *ones = op(&b, "ConstantOfShape", &rank, 1, one, 1);
    hn_value *minus = OP1(&b, "Mul", ones, NUMBER(&b, -1));
    hn_value *chosen = OP1(&b, "Where", OP1(&b, "Equal", shape, minus), ones, shape);
    hn_value *y = OP1(&b, "Expand", b.x, chosen);
    CHECK_INT(hn_graph_infer(&b.cx, b.g), HN_OK);
    CHECK_INT(y->t.shape.rank, 3);
    CHECK(y->t.shape.dim[0] == b.batch && y->t.shape.dim[1] == 3 && y->t.shape.dim[2] == 8);
    hn_graph_free(b.g);
}

TEST(a_range_up_to_a_dimension_has_that_size)
{
    builder b;
    start(&b);
    hn_value *n = OP1(&b, "Gather", OP1(&b, "Shape", b.x), NUMBER(&b, 0));
    hn_value *positions = OP1(&b, "Range", NUMBER(&b, 0), n, NUMBER(&b, 1));
    hn_value *later = OP1(&b, "Range", NUMBER(&b, 1), n, NUMBER(&b, 1));
    CHECK_INT(hn_graph_infer(&b.cx, b.g), HN_OK);
    CHECK(positions->t.shape.dim[0] == b.batch);
    CHECK(hn_is_symbol(later->t.shape.dim[0]) && later->t.shape.dim[0] != b.batch);
    hn_graph_free(b.g);
}

TEST(a_difference_of_unknown_sign_is_not_told)
{
    builder b;
    start(&b);
    hn_value *shape = OP1(&b, "Shape", b.x);
    hn_value *less = OP1(&b, "Sub", shape, NUMBER(&b, 1)), *none = OP1(&b, "Sub", shape, shape);
    CHECK_INT(hn_graph_infer(&b.cx, b.g), HN_OK);
    CHECK_INT(less->known_count, -1);
    CHECK_INT(none->known_count, 3);
    CHECK_INT(none->known[0], 0);
    hn_graph_free(b.g);
}

TEST(slicing_to_the_lowest_number_is_not_slicing_to_a_name)
{
    builder b;
    start(&b);
    hn_value *y = OP1(&b, "Slice", b.x, LIST(&b, INT64_MAX), LIST(&b, INT64_MIN), LIST(&b, 2), LIST(&b, -1));
    CHECK_INT(hn_graph_infer(&b.cx, b.g), HN_OK);
    CHECK(y->t.shape.dim[0] == b.batch && y->t.shape.dim[2] == 8);
    hn_graph_free(b.g);
}

TEST(what_depends_on_data_gets_a_name_of_its_own)
{
    builder b;
    start(&b);
    hn_value *y = OP1(&b, "NonZero", b.x);
    CHECK_INT(hn_graph_infer(&b.cx, b.g), HN_OK);
    CHECK(y->t.shape.dim[0] == 3 && hn_is_symbol(y->t.shape.dim[1]));
    hn_graph_free(b.g);
}
