/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include "tests/support/graph.h"

TEST(gemm_scales_transposes_and_broadcasts)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2, 1), 1, 2), F32(SHAPE(2, 2), 1, 2, 3, 4), F32(SHAPE(2), 10, 20) };
    hn_attr a[] = { AINT("transA", 1), AINT("transB", 1), AFLOAT("alpha", 2), AFLOAT("beta", 0.5f) };
    CHECK_INT(hn_test_op(&t, NULL, "Gemm", in, 3, a, 4, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 15 && y[1] == 32);
    hn_test_done(&t);
}

TEST(gemm_refuses_inner_dimensions_that_differ)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 2), 1, 2), F32(SHAPE(1, 2), 1, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Gemm", in, 2, NULL, 0, 1), HN_EFORMAT);
    CHECK(strstr(t.cx.msg, "inner dimensions") != NULL);
    hn_test_done(&t);
}

TEST(matmulinteger_takes_zero_points_per_column)
{
    hn_op_test t;
    hn_tensor in[] = { U8(SHAPE(1, 2), 3, 4), U8(SHAPE(2, 2), 1, 2, 3, 4), U8(SCALAR, 1), U8(SHAPE(2), 1, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "MatMulInteger", in, 4, NULL, 0, 1), HN_OK);
    const int32_t *y = t.out[0].data;
    CHECK(y[0] == 6 && y[1] == 6);
    hn_test_done(&t);
}

TEST(einsum_follows_letters_diagonals_and_dots)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(2, 2), 1, 2, 3, 4), F32(SHAPE(2, 2), 1, 0, 0, 1) };
    hn_attr product[] = { ATEXT("equation", "ij, jk -> ki") }, trace[] = { ATEXT("equation", "ii->") };
    CHECK_INT(hn_test_op(&t, NULL, "Einsum", in, 2, product, 1, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[1] == 3);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "Einsum", in, 1, trace, 1, 1), HN_OK);
    CHECK(((const float *)t.out[0].data)[0] == 5);
    hn_test_done(&t);
}

TEST(einsum_refuses_broken_equations)
{
    static const char *const bad[] = { "", "i", "ij,j", "ij-", "ij->k", "ij->ii", "i..j->ij", "i1->i", "ijk->i", "ij->i,", "......" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hn_op_test t;
        hn_tensor x = F32(SHAPE(2, 2), 1, 2, 3, 4);
        hn_attr a = { .name = "equation", .kind = HN_ATTR_TEXT, .text = { bad[i], strlen(bad[i]) } };
        CHECK_INT(hn_test_op(&t, NULL, "Einsum", &x, 1, &a, 1, 1), HN_EFORMAT);
        hn_test_done(&t);
    }
}
