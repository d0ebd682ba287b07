/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers, scatters, and operators whose output size the data tells. */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(gather_counts_negative_indices_from_the_end_and_refuses_those_outside)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(3), 10, 20, 30), I64(SCALAR, -1) };
    CHECK_INT(hn_test_op(&t, NULL, "Gather", in, 2, NULL, 0, 1), HN_OK);
    CHECK(t.out[0].shape.rank == 0 && *(int64_t *)t.out[0].data == 30);
    hn_test_done(&t);
    hn_tensor out[] = { in[0], I64(SCALAR, 3) };
    CHECK_INT(hn_test_op(&t, NULL, "Gather", out, 2, NULL, 0, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "outside") != NULL);
    hn_test_done(&t);
}

TEST(gather_moves_packed_rows)
{
    hn_op_test t;
    hn_tensor in[] = { T_(U4, SHAPE(2, 3), (uint8_t[]){ 0x21, 0x43, 0x65 }), I64(SHAPE(2), 1, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Gather", in, 2, NULL, 0, 1), HN_OK);
    CHECK(memcmp(t.out[0].data, (uint8_t[]){ 0x54, 0x16, 0x32 }, 3) == 0);
    hn_test_done(&t);
}

TEST(gather_nd_follows_batches_and_refuses_too_many_coordinates)
{
    hn_op_test t;
    hn_attr batch[] = { AINT("batch_dims", 1) };
    hn_tensor in[] = { I64(SHAPE(2, 2, 2), 0, 1, 2, 3, 4, 5, 6, 7), I64(SHAPE(2, 1), 1, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "GatherND", in, 2, batch, 1, 1), HN_OK);
    CHECK(memcmp(t.out[0].data, (int64_t[]){ 2, 3, 4, 5 }, 32) == 0);
    hn_test_done(&t);
    hn_tensor deep[] = { I64(SHAPE(2), 0, 1), I64(SHAPE(1, 2), 0, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "GatherND", deep, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(reverse_sequence_leaves_what_lies_past_a_length)
{
    hn_op_test t;
    hn_attr batch_first[] = { AINT("batch_axis", 0), AINT("time_axis", 1) };
    hn_tensor in[] = { I64(SHAPE(2, 3), 1, 2, 3, 4, 5, 6), I64(SHAPE(2), 2, 3) };
    CHECK_INT(hn_test_op(&t, NULL, "ReverseSequence", in, 2, batch_first, 2, 1), HN_OK);
    CHECK(memcmp(t.out[0].data, (int64_t[]){ 2, 1, 3, 6, 5, 4 }, 48) == 0);
    hn_test_done(&t);
    hn_tensor over[] = { in[0], I64(SHAPE(2), 2, 4) };
    CHECK_INT(hn_test_op(&t, NULL, "ReverseSequence", over, 2, batch_first, 2, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(scatter_combines_updates_that_meet)
{
    hn_op_test t;
    hn_attr add[] = { ATEXT("reduction", "add") }, divide[] = { ATEXT("reduction", "div") };
    hn_tensor in[] = { F32(SHAPE(3), 1, 1, 1), I64(SHAPE(2), 1, -2), F32(SHAPE(2), 2, 3) };
    CHECK_INT(hn_test_op(&t, NULL, "ScatterElements", in, 3, add, 1, 1), HN_OK);
    CHECK(((float *)t.out[0].data)[1] == 6);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "ScatterElements", in, 3, divide, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(scatter_nd_replaces_strings_but_does_not_add_them)
{
    hn_op_test t;
    hn_attr add[] = { ATEXT("reduction", "add") };
    hn_tensor in[] = { T_(STR, SHAPE(2), (hn_text[]){ { "a", 1 }, { "b", 1 } }), I64(SHAPE(1, 1), 1),
                       T_(STR, SHAPE(1), (hn_text[]){ { "c", 1 } }) };
    CHECK_INT(hn_test_op(&t, NULL, "ScatterND", in, 3, NULL, 0, 1), HN_OK);
    CHECK(*((hn_text *)t.out[0].data)[1].ptr == 'c');
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "ScatterND", in, 3, add, 1, 1), HN_EUNSUP);
    hn_test_done(&t);
}

TEST(a_circular_cache_wraps_and_a_linear_one_refuses)
{
    hn_op_test t;
    hn_attr circular[] = { ATEXT("mode", "circular") };
    hn_tensor in[] = { I64(SHAPE(1, 3, 1), 0, 0, 0), I64(SHAPE(1, 2, 1), 1, 2), I64(SHAPE(1), 5) };
    CHECK_INT(hn_test_op(&t, NULL, "TensorScatter", in, 3, circular, 1, 1), HN_OK);
    CHECK(memcmp(t.out[0].data, (int64_t[]){ 2, 0, 1 }, 24) == 0);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "TensorScatter", in, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(compress_without_an_axis_flattens)
{
    hn_op_test t;
    hn_tensor in[] = { I64(SHAPE(2, 2), 1, 2, 3, 4), T_(BOOL, SHAPE(3), (uint8_t[]){ 0, 1, 1 }) };
    CHECK_INT(hn_test_op(&t, NULL, "Compress", in, 2, NULL, 0, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 2);
    CHECK(memcmp(t.out[0].data, (int64_t[]){ 2, 3 }, 16) == 0);
    hn_test_done(&t);
}

TEST(non_zero_counts_nan_and_lists_by_axis)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "NonZero", &F32(SHAPE(2, 2), 0, NAN, -0.0f, 3), 1, NULL, 0, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[1], 2);
    CHECK(memcmp(t.out[0].data, (int64_t[]){ 0, 1, 1, 1 }, 32) == 0);
    hn_test_done(&t);
}

TEST(unique_keeps_the_order_of_the_input_when_not_sorted)
{
    hn_op_test t;
    hn_attr unsorted[] = { AINT("sorted", 0) };
    hn_tensor x = T_(STR, SHAPE(5), (hn_text[]){ { "b", 1 }, { "a", 1 }, { "b", 1 }, { "", 0 }, { "a", 1 } });
    CHECK_INT(hn_test_op(&t, NULL, "Unique", &x, 1, unsorted, 1, 4), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 3);
    CHECK(*((hn_text *)t.out[0].data)[0].ptr == 'b' && ((hn_text *)t.out[0].data)[2].len == 0);
    CHECK(memcmp(t.out[1].data, (int64_t[]){ 0, 1, 3 }, 24) == 0);
    CHECK(memcmp(t.out[2].data, (int64_t[]){ 0, 1, 0, 2, 1 }, 40) == 0);
    CHECK(memcmp(t.out[3].data, (int64_t[]){ 2, 2, 1 }, 24) == 0);
    hn_test_done(&t);
}

TEST(unique_of_nothing_is_nothing)
{
    hn_op_test t;
    CHECK_INT(hn_test_op(&t, NULL, "Unique", &(hn_tensor){ HN_F32, SHAPE(0), (float[1]){ 0 } }, 1, NULL, 0, 4), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 0);
    hn_test_done(&t);
}
