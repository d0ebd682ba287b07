/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(rnn_backwards_reads_the_end_first)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2, 1, 1), 1, 2), F32(SHAPE(1, 1, 1), 1), F32(SHAPE(1, 1, 1), 0.5f) };
    hn_attr a[] = { ATEXT("direction", "reverse"),
                    { .name = "activations", .kind = HN_ATTR_TEXTS,
                      .list = { .text = (hn_text[]){ { "Relu", 4 } }, .count = 1 } } };
    CHECK_INT(hn_test_op(&t, NULL, "RNN", in, 3, a, 2, 2), HN_OK);
    const float *y = t.out[0].data, *last = t.out[1].data;
    CHECK(y[1] == 2 && y[0] == 2 && last[0] == 2);
    hn_test_done(&t);
}

TEST(short_sequences_end_in_zeros)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2, 1, 1), 1, 2), F32(SHAPE(1, 1, 1), 1), F32(SHAPE(1, 1, 1), 1), { 0 },
                       T_(I32, SHAPE(1), (int32_t[]){ 1 }) };
    CHECK_INT(hn_test_op(&t, NULL, "RNN", in, 5, NULL, 0, 2), HN_OK);
    const float *y = t.out[0].data, *last = t.out[1].data;
    CHECK_NEAR(y[0], tanhf(1), 1e-6);
    CHECK(y[1] == 0 && last[0] == y[0]);
    hn_test_done(&t);
}

TEST(lstm_refuses_weights_and_lengths_that_do_not_fit)
{
    hn_op_test t;
    hn_tensor weights[] = { F32(SHAPE(1, 1, 1), 1), F32(SHAPE(1, 3, 1), 1, 1, 1), F32(SHAPE(1, 4, 1), 1, 1, 1, 1) };
    hn_tensor lens[] = { F32(SHAPE(1, 1, 1), 1), F32(SHAPE(1, 4, 1), 1, 1, 1, 1), F32(SHAPE(1, 4, 1), 1, 1, 1, 1), { 0 },
                         T_(I32, SHAPE(1), (int32_t[]){ 2 }) };
    CHECK_INT(hn_test_op(&t, NULL, "LSTM", weights, 3, NULL, 0, 3), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "LSTM", lens, 5, NULL, 0, 3), HN_EFORMAT);
    hn_test_done(&t);
}
