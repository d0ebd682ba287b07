/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

static const hn_tensor none;

/* Keys of 0 weigh all values alike, so y is the mean of those that may be seen. */
TEST(a_causal_query_sees_what_came_before_it)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 2, 1), 1, 1), F32(SHAPE(1, 1, 2, 1), 0, 0), F32(SHAPE(1, 1, 2, 1), 4, 8), none,
                       F32(SHAPE(1, 1, 1, 1), 0), F32(SHAPE(1, 1, 1, 1), 3) };
    hn_attr causal = AINT("is_causal", 1), window[] = { AINT("is_causal", 1), AINT("left_window_size", 0) };
    CHECK_INT(hn_test_op(&t, NULL, "Attention", in, 6, &causal, 1, 3), HN_OK);
    const float *y = t.out[0].data, *v = t.out[2].data;
    CHECK_NEAR(y[0], 3.5f, 1e-6);                        /* the past one and itself */
    CHECK_NEAR(y[1], 5, 1e-6);
    CHECK(v[0] == 3 && v[2] == 8);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Attention", in, 6, window, 2, 1), HN_OK);
    CHECK_NEAR(((float *)t.out[0].data)[0], 4, 1e-6);    /* only itself */
    hn_test_done(&t);
}

TEST(a_query_that_may_see_nothing_gives_zeros)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 1, 1), INFINITY), F32(SHAPE(1, 1, 1, 1), 1), F32(SHAPE(1, 1, 1, 1), NAN),
                       T_(BOOL, SHAPE(1, 1), (uint8_t[]){ 0 }) };
    CHECK_INT(hn_test_op(&t, NULL, "Attention", in, 4, NULL, 0, 1), HN_OK);
    CHECK(*(float *)t.out[0].data == 0);
    hn_test_done(&t);
}

TEST(heads_share_keys_in_groups)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 4), 1, 1, 1, 1), F32(SHAPE(1, 1, 2), 0, 0), F32(SHAPE(1, 1, 2), 5, 7) };
    hn_attr heads[] = { AINT("q_num_heads", 4), AINT("kv_num_heads", 2) }, odd[] = { AINT("q_num_heads", 4), AINT("kv_num_heads", 3) };
    CHECK_INT(hn_test_op(&t, NULL, "Attention", in, 3, heads, 2, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 5 && y[1] == 5 && y[2] == 7 && y[3] == 7);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Attention", in, 3, odd, 2, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Attention", in, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(attention_refuses_operands_that_do_not_fit)
{
    hn_op_test t;
    hn_tensor q = F32(SHAPE(1, 1, 1, 2), 1, 1), k = F32(SHAPE(1, 1, 1, 1), 1);
    hn_tensor sizes[] = { q, k, k }, mask[] = { k, k, k, F32(SHAPE(1, 2), 0, 0) };
    hn_tensor half[] = { k, k, k, none, k }, seen[] = { k, k, k, none, none, none, I64(SHAPE(1), 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Attention", sizes, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Attention", mask, 4, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Attention", half, 5, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Attention", seen, 7, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(rotation_turns_pairs_by_their_position)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 1, 4), 1, 2, 3, 4), F32(SHAPE(2, 1), 1, 0), F32(SHAPE(2, 1), 0, 1),
                       I64(SHAPE(1, 1), 1) };
    hn_attr part = AINT("rotary_embedding_dim", 2);
    CHECK_INT(hn_test_op(&t, NULL, "RotaryEmbedding", in, 4, &part, 1, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == -2 && y[1] == 1 && y[2] == 3 && y[3] == 4);
    hn_test_done(&t);
    in[3] = I64(SHAPE(1, 1), 2);
    CHECK_INT(hn_test_op(&t, NULL, "RotaryEmbedding", in, 4, &part, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(a_filter_goes_on_where_its_state_left_off)
{
    hn_op_test t, u;
    hn_tensor all[] = { F32(SHAPE(1, 1, 4), 1, 2, 3, 4), F32(SHAPE(1, 1, 3), 1, 10, 100) };
    hn_tensor first[] = { F32(SHAPE(1, 1, 2), 1, 2), all[1] };
    CHECK_INT(hn_test_op(&t, NULL, "CausalConvWithState", all, 2, NULL, 0, 2), HN_OK);
    CHECK_INT(hn_test_op(&u, NULL, "CausalConvWithState", first, 2, NULL, 0, 2), HN_OK);
    hn_tensor rest[] = { F32(SHAPE(1, 1, 2), 3, 4), all[1], none, u.out[1] };
    hn_op_test v;
    CHECK_INT(hn_test_op(&v, NULL, "CausalConvWithState", rest, 4, NULL, 0, 2), HN_OK);
    CHECK(memcmp((float *)t.out[0].data + 2, v.out[0].data, 8) == 0);
    CHECK(memcmp(t.out[1].data, v.out[1].data, 8) == 0);
    hn_test_done(&v);
    hn_test_done(&u);
    hn_test_done(&t);
}

TEST(a_loss_ignores_what_it_is_told_to_and_refuses_classes_that_are_none)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(3, 2), -1, -2, -3, -4, -5, -6), I64(SHAPE(3), 1, 0, 9) };
    hn_attr ignore = AINT("ignore_index", 9), word = ATEXT("reduction", "product");
    CHECK_INT(hn_test_op(&t, NULL, "NegativeLogLikelihoodLoss", in, 2, &ignore, 1, 1), HN_OK);
    CHECK_NEAR(*(float *)t.out[0].data, 2.5f, 1e-6);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "NegativeLogLikelihoodLoss", in, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "NegativeLogLikelihoodLoss", in, 2, &word, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}
