/* SPDX-License-Identifier: Apache-2.0 */
/* Operators that move elements and never look inside: the type must not matter. */
#include "tests/support/test.h"

#include "graph/strided.h"
#include "tests/support/graph.h"

#define WORDS(shape, ...) T_(STR, shape, (hn_text[]){ __VA_ARGS__ })
#define W(text) { text, sizeof(text) - 1 }
#define NIBBLES(shape, ...) T_(U4, shape, (uint8_t[]){ __VA_ARGS__ })       /* two elements a byte, low first */

static bool ints_are(const hn_tensor *t, const int64_t *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t v;
        hn_get_i64(t, i, 1, &v);
        if (v != expected[i])
            return false;
    }
    return hn_count(t) == count;
}
#define INTS_ARE(t, ...) ints_are(t, (int64_t[]){ __VA_ARGS__ }, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

TEST(transpose_moves_packed_elements_one_by_one)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Transpose", &NIBBLES(SHAPE(2, 3), 0x21, 0x43, 0x65), 1, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 1, 4, 2, 5, 3, 6));
    hn_test_done(&t);
}

TEST(transpose_refuses_an_axis_named_twice)
{
    hn_op_test t;
    hn_attr perm[] = { AINTS("perm", 0, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Transpose", &F32(SHAPE(1, 1), 1), 1, perm, 1, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "twice") != NULL);
    hn_test_done(&t);
}

TEST(depth_to_space_and_back_is_the_identity)
{
    hn_op_test there, back;
    int64_t x[16];
    for (int i = 0; i < 16; i++)
        x[i] = i;
    for (int mode = 0; mode < 2; mode++) {
        hn_attr attr[] = { AINT("blocksize", 2), mode ? ATEXT("mode", "CRD") : ATEXT("mode", "DCR") };
        CHECK_INT(hn_test_op(&there, NULL, "DepthToSpace", &T_(I64, SHAPE(1, 8, 1, 2), x), 1, attr, 2, 1), HN_OK);
        CHECK_INT(there.out[0].shape.dim[3], 4);
        CHECK_INT(hn_test_op(&back, NULL, "SpaceToDepth", &there.out[0], 1, attr, 2, 1), HN_OK);
        CHECK(ints_are(&back.out[0], x, 16));
        hn_test_done(&there);
        hn_test_done(&back);
    }
}

TEST(depth_to_space_refuses_a_depth_that_does_not_divide)
{
    hn_op_test t;
    hn_attr block[] = { AINT("blocksize", 2) }, none[] = { AINT("blocksize", 0) };
    hn_tensor x = F32(SHAPE(1, 3, 1, 1), 1, 2, 3);
    CHECK_INT(hn_test_op(&t, NULL, "DepthToSpace", &x, 1, block, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "DepthToSpace", &x, 1, none, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(concat_joins_strings_along_the_inner_axis)
{
    hn_op_test t;
    hn_attr axis[] = { AINT("axis", -1) };
    hn_tensor in[] = { WORDS(SHAPE(2, 1), W("a"), W("b")), WORDS(SHAPE(2, 2), W("c"), W("d"), W("e"), W("f")) };
    CHECK_INT(hn_test_op(&t, NULL, "Concat", in, 2, axis, 1, 1), HN_OK);
    const hn_text *y = t.out[0].data;
    CHECK(*y[0].ptr == 'a' && *y[1].ptr == 'c' && *y[3].ptr == 'b' && *y[5].ptr == 'f');
    hn_test_done(&t);
}

TEST(concat_names_the_axis_that_differs)
{
    hn_op_test t;
    hn_attr axis[] = { AINT("axis", 0) };
    hn_tensor in[] = { F32(SHAPE(1, 2), 1, 2), F32(SHAPE(1, 1), 3) };
    CHECK_INT(hn_test_op(&t, NULL, "Concat", in, 2, axis, 1, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "axis 1") != NULL);
    hn_test_done(&t);
}

TEST(slice_walks_backwards_from_past_the_end_to_before_the_beginning)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(5), 0, 1, 2, 3, 4), I64(SHAPE(1), INT64_MAX), I64(SHAPE(1), INT64_MIN), { 0 },
                       I64(SHAPE(1), -2) };
    CHECK_INT(hn_test_op(&t, NULL, "Slice", in, 5, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 4, 2, 0));
    hn_test_done(&t);
}

TEST(slice_with_the_longest_step_takes_one_element)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(3), 7, 8, 9), I64(SHAPE(1), 1), I64(SHAPE(1), 3), I64(SHAPE(1), 0),
                       I64(SHAPE(1), INT64_MAX) };
    CHECK_INT(hn_test_op(&t, NULL, "Slice", in, 5, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 8));
    hn_test_done(&t);
}

TEST(slice_refuses_a_step_of_zero_and_an_axis_twice)
{
    hn_op_test t;
    hn_tensor still[] = { F32(SHAPE(1), 1), I64(SHAPE(1), 0), I64(SHAPE(1), 1), { 0 }, I64(SHAPE(1), 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Slice", still, 5, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    hn_tensor twice[] = { F32(SHAPE(1, 1), 1), I64(SHAPE(2), 0, 0), I64(SHAPE(2), 1, 1), I64(SHAPE(2), 1, -1) };
    CHECK_INT(hn_test_op(&t, NULL, "Slice", twice, 4, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(split_gives_the_last_part_what_is_left)
{
    hn_op_test t;
    hn_attr attr[] = { AINT("num_outputs", 3) };
    CHECK_INT(hn_test_op(&t, NULL, "Split", &I64(SHAPE(7), 0, 1, 2, 3, 4, 5, 6), 1, attr, 1, 3), HN_OK);
    CHECK(INTS_ARE(&t.out[1], 3, 4, 5));
    CHECK(INTS_ARE(&t.out[2], 6));
    hn_test_done(&t);
}

TEST(split_refuses_parts_that_do_not_add_up)
{
    hn_op_test t;
    hn_tensor over[] = { F32(SHAPE(2), 1, 2), I64(SHAPE(2), 1, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Split", over, 2, NULL, 0, 2), HN_EFORMAT);
    hn_test_done(&t);
    hn_tensor negative[] = { F32(SHAPE(2), 1, 2), I64(SHAPE(2), INT64_MIN, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Split", negative, 2, NULL, 0, 2), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(pad_mirrors_repeats_and_wraps_as_often_as_it_must)
{
    static const struct { hn_attr mode; int64_t y[9]; } cases[] = {
        { { .name = "mode", .kind = HN_ATTR_TEXT, .text = { "reflect", 7 } }, { 2, 3, 2, 1, 2, 3, 2, 1, 2 } },
        { { .name = "mode", .kind = HN_ATTR_TEXT, .text = { "edge", 4 } },    { 1, 1, 1, 1, 2, 3, 3, 3, 3 } },
        { { .name = "mode", .kind = HN_ATTR_TEXT, .text = { "wrap", 4 } },    { 1, 2, 3, 1, 2, 3, 1, 2, 3 } },
    };
    hn_tensor in[] = { I64(SHAPE(3), 1, 2, 3), I64(SHAPE(2), 3, 3) };
    for (int i = 0; i < 3; i++) {
        hn_op_test t;
        CHECK_INT(hn_test_op(&t, NULL, "Pad", in, 2, &cases[i].mode, 1, 1), HN_OK);
        CHECK(ints_are(&t.out[0], cases[i].y, 9));
        hn_test_done(&t);
    }
}

TEST(negative_pads_crop)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(4), 1, 2, 3, 4), I64(SHAPE(2), -1, 1), I64(SCALAR, 9) };
    CHECK_INT(hn_test_op(&t, NULL, "Pad", in, 3, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 2, 3, 4, 9));
    hn_test_done(&t);
    hn_tensor gone[] = { I64(SHAPE(2), 1, 2), I64(SHAPE(2), -5, 4) };
    CHECK_INT(hn_test_op(&t, NULL, "Pad", gone, 2, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 0));
    hn_test_done(&t);
    hn_tensor less[] = { I64(SHAPE(2), 1, 2), I64(SHAPE(2), INT64_MIN, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Pad", less, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(an_empty_axis_has_nothing_to_pad_with_but_a_constant)
{
    hn_op_test t;
    hn_attr edge[] = { ATEXT("mode", "edge") };
    hn_tensor in[] = { { HN_F32, SHAPE(0), (float[1]){ 0 } }, I64(SHAPE(2), 1, 1) };
    CHECK_INT(hn_test_op(&t, NULL, "Pad", in, 2, edge, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Pad", in, 2, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 0, 0));
    hn_test_done(&t);
}

TEST(tile_repeats_every_axis_of_the_highest_rank)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(1, 1, 1, 1, 1, 1, 1, 2), 1, 2), I64(SHAPE(8), 2, 1, 1, 1, 1, 1, 1, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Tile", in, 2, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 1, 2, 1, 2, 1, 2, 1, 2));
    hn_test_done(&t);
}

TEST(tile_refuses_what_is_negative_or_too_large)
{
    hn_op_test t;
    hn_tensor negative[] = { F32(SHAPE(2), 1, 2), I64(SHAPE(1), -1) };
    CHECK_INT(hn_test_op(&t, NULL, "Tile", negative, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    hn_tensor large[] = { F32(SHAPE(2), 1, 2), I64(SHAPE(1), INT64_MAX) };
    CHECK_INT(hn_test_op(&t, NULL, "Tile", large, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(expand_lets_a_larger_input_keep_its_size)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(2, 1), 1, 2), I64(SHAPE(3), 2, 1, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Expand", in, 2, NULL, 0, 1), HN_OK);
    CHECK(INTS_ARE(&t.out[0], 1, 1, 2, 2, 1, 1, 2, 2));
    hn_test_done(&t);
}
