/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

TEST(the_best_of_two_covering_boxes_stays)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 3, 4), 0, 0, 1, 1, 0, 0, 1, 1.1f, 5, 5, 6, 6), F32(SHAPE(1, 1, 3), .5f, .9f, .7f),
                       I64(SHAPE(1), 3), F32(SHAPE(1), .5f) };
    CHECK_INT(hn_test_op(&t, NULL, "NonMaxSuppression", in, 4, NULL, 0, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK_INT(t.out[0].shape.dim[0], 2);
    CHECK(y[2] == 1 && y[5] == 2);
    hn_test_done(&t);
}

TEST(no_limit_given_selects_nothing)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 1, 4), 0, 0, 1, 1), F32(SHAPE(1, 1, 1), 1) };
    CHECK_INT(hn_test_op(&t, NULL, "NonMaxSuppression", in, 2, NULL, 0, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[0], 0);
    hn_test_done(&t);
}

TEST(roialign_refuses_images_and_regions_that_are_not_there)
{
    hn_op_test t;
    hn_tensor image[] = { F32(SHAPE(1, 1, 1, 1), 1), F32(SHAPE(1, 4), 0, 0, 1, 1), I64(SHAPE(1), 1) };
    hn_tensor region[] = { F32(SHAPE(1, 1, 1, 1), 1), F32(SHAPE(1, 4), 0, 0, 1e30f, NAN), I64(SHAPE(1), 0) };
    CHECK_INT(hn_test_op(&t, NULL, "RoiAlign", image, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "RoiAlign", region, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(col2im_adds_where_blocks_overlap)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SHAPE(1, 2, 2), 1, 2, 3, 4), I64(SHAPE(1), 3), I64(SHAPE(1), 2) };
    CHECK_INT(hn_test_op(&t, NULL, "Col2Im", in, 3, NULL, 0, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 1 && y[1] == 5 && y[2] == 4);
    hn_test_done(&t);
}
