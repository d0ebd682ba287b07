/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/graph.h"

static hn_tensor list_of(hn_tensor *item, size_t count, hn_list *list)
{
    *list = (hn_list){ item, count };
    return (hn_tensor){ .dtype = hn_seq_of(count ? item[0].dtype : HN_F32), .data = list };
}

TEST(a_sequence_takes_and_gives_at_both_ends)
{
    hn_op_test t;
    hn_list list;
    hn_tensor item[] = { F32(SHAPE(1), 1), F32(SHAPE(2), 2, 3) };
    hn_tensor in[] = { list_of(item, 2, &list), F32(SHAPE(1), 9), I64(SCALAR, -2) };
    CHECK_INT(hn_test_op(&t, NULL, "SequenceInsert", in, 3, NULL, 0, 1), HN_OK);
    const hn_list *y = t.out[0].data;
    CHECK_INT(y->count, 3);
    CHECK(*(float *)y->item[0].data == 9 && *(float *)y->item[1].data == 1);
    hn_test_done(&t);

    hn_tensor at[] = { in[0], I64(SCALAR, -1) };
    CHECK_INT(hn_test_op(&t, NULL, "SequenceAt", at, 2, NULL, 0, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 2);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "SequenceErase", at, 2, NULL, 0, 1), HN_OK);
    CHECK_INT(((const hn_list *)t.out[0].data)->count, 1);
    hn_test_done(&t);
}

TEST(places_outside_of_a_sequence_and_other_types_are_refused)
{
    hn_op_test t;
    hn_list list;
    hn_tensor item = F32(SHAPE(1), 1);
    hn_tensor past[] = { list_of(&item, 1, &list), I64(SCALAR, 1) }, other[] = { past[0], I64(SHAPE(1), 1) };
    hn_tensor tensor[] = { item, I64(SCALAR, 0) };
    CHECK_INT(hn_test_op(&t, NULL, "SequenceAt", past, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "SequenceInsert", other, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "SequenceAt", tensor, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Add", past, 2, NULL, 0, 1), HN_EFORMAT);       /* tensors only */
    hn_test_done(&t);
}

TEST(a_tensor_splits_and_joins)
{
    hn_op_test t;
    hn_list list;
    hn_tensor x[] = { F32(SHAPE(2, 3), 1, 2, 3, 4, 5, 6), I64(SCALAR, 2) };
    hn_attr axis = AINT("axis", 1), whole[] = { AINT("axis", 1), AINT("keepdims", 0) };
    CHECK_INT(hn_test_op(&t, NULL, "SplitToSequence", x, 2, &axis, 1, 1), HN_OK);
    const hn_list *y = t.out[0].data;
    CHECK_INT(y->count, 2);
    CHECK(y->item[1].shape.dim[1] == 1 && ((float *)y->item[1].data)[1] == 6);
    hn_op_test back;
    CHECK_INT(hn_test_op(&back, NULL, "ConcatFromSequence", t.out, 1, &axis, 1, 1), HN_OK);
    CHECK(memcmp(back.out[0].data, x[0].data, 24) == 0);
    hn_test_done(&back);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "SplitToSequence", x, 1, whole, 2, 1), HN_OK);
    CHECK_INT(((const hn_list *)t.out[0].data)->item[2].shape.rank, 1);
    hn_test_done(&t);
    hn_tensor bad[] = { x[0], I64(SHAPE(2), 2, 2) }, none = list_of(NULL, 0, &list);
    CHECK_INT(hn_test_op(&t, NULL, "SplitToSequence", bad, 2, &axis, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "ConcatFromSequence", &none, 1, &axis, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(an_optional_holds_one_or_none)
{
    hn_op_test t, u;
    hn_tensor x = F32(SHAPE(1), 5);
    hn_attr type = AINT("type", HN_F32);
    CHECK_INT(hn_test_op(&t, NULL, "Optional", &x, 1, NULL, 0, 1), HN_OK);
    CHECK_INT(hn_test_op(&u, NULL, "OptionalGetElement", t.out, 1, NULL, 0, 1), HN_OK);
    CHECK(*(float *)u.out[0].data == 5);
    hn_test_done(&u);
    CHECK_INT(hn_test_op(&u, NULL, "OptionalHasElement", t.out, 1, NULL, 0, 1), HN_OK);
    CHECK_INT(*(uint8_t *)u.out[0].data, 1);
    hn_test_done(&u);
    hn_test_done(&t);

    CHECK_INT(hn_test_op(&t, NULL, "Optional", NULL, 0, &type, 1, 1), HN_OK);
    CHECK_INT(hn_test_op(&u, NULL, "OptionalHasElement", t.out, 1, NULL, 0, 1), HN_OK);
    CHECK_INT(*(uint8_t *)u.out[0].data, 0);
    hn_test_done(&u);
    CHECK_INT(hn_test_op(&u, NULL, "OptionalGetElement", t.out, 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&u);
    hn_test_done(&t);
}
