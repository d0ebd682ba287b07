/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

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

/* Anchors of 2 x 2 around (1, 1), (1, 1), (5, 5) and (9, 9).  Box 1 lies 0.4 lower than box 0: they share
 * 1.6 x 2 of 4.8, two thirds.  Box 2 is twice as high: e^(2 ln 2 / 2) = 2.  Box 3 scores too little. */
static hn_err detect(hn_op_test *t, int classes, const hn_attr *more, int count)
{
    const float twice = 1.38629436f;
    hn_tensor in[] = {
        F32(SHAPE(1, 4, 4), 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, twice, 0, 0, 0, 0, 0),
        F32(SHAPE(1, 4, 3), .1f, .9f, .2f, .1f, .3f, .8f, .1f, .6f, .5f, .8f, .1f, .2f),
        F32(SHAPE(4, 4), 1, 1, 2, 2, 1, 1, 2, 2, 5, 5, 2, 2, 9, 9, 2, 2),
    };
    hn_attr a[12] = { AINT("num_classes", classes), AINT("max_detections", 3), AFLOAT("score_threshold", 0.25f),
                      AFLOAT("iou_threshold", 0.6f), AFLOAT("y_scale", 10), AFLOAT("x_scale", 10), AFLOAT("h_scale", 2),
                      AFLOAT("w_scale", 2) };
    if (count)
        memcpy(a + 8, more, (size_t)count * sizeof *a);
    return hn_test_op(t, "hone", "DetectionPostprocess", in, 3, a, 8 + count, 4);
}

static bool box_is(const float *b, float y0, float x0, float y1, float x1)
{
    return fabsf(b[0] - y0) < 1e-5f && fabsf(b[1] - x0) < 1e-5f && fabsf(b[2] - y1) < 1e-5f && fabsf(b[3] - x1) < 1e-5f;
}

TEST(a_detector_keeps_the_best_class_of_each_box)
{
    hn_op_test t;
    CHECK_INT(detect(&t, 2, (hn_attr[]){ AINT("max_classes", 1) }, 1), HN_OK);
    const float *box = t.out[0].data, *class = t.out[1].data, *score = t.out[2].data;
    CHECK(*(float *)t.out[3].data == 2);
    CHECK(box_is(box, 0, 0, 2, 2) && box_is(box + 4, 3, 4, 7, 6) && box_is(box + 8, 0, 0, 0, 0));
    CHECK(class[0] == 0 && class[1] == 0 && score[0] == .9f && score[1] == .6f && score[2] == 0);
    hn_test_done(&t);
}

TEST(a_detector_gives_several_classes_of_a_box)
{
    hn_op_test t;
    CHECK_INT(detect(&t, 2, (hn_attr[]){ AINT("max_classes", 2) }, 1), HN_OK);
    const float *class = t.out[1].data, *score = t.out[2].data;
    CHECK_INT(t.out[1].shape.dim[1], 6);
    CHECK(class[0] == 0 && class[1] == 1 && class[2] == 0 && class[3] == 1);
    CHECK(score[0] == .9f && score[1] == .2f && score[2] == .6f && score[3] == .5f);
    hn_test_done(&t);
}

/* Box 1 is not suppressed in class 1, where box 0 scores too little. */
TEST(a_detector_may_look_at_each_class_by_itself)
{
    hn_op_test t;
    CHECK_INT(detect(&t, 2, (hn_attr[]){ AINT("per_class", 1), AINT("detections_per_class", 2) }, 2), HN_OK);
    const float *box = t.out[0].data, *class = t.out[1].data, *score = t.out[2].data;
    CHECK(*(float *)t.out[3].data == 3);
    CHECK(score[0] == .9f && score[1] == .8f && score[2] == .6f && class[0] == 0 && class[1] == 1 && class[2] == 0);
    CHECK(box_is(box + 4, 0.4f, 0, 2.4f, 2));
    hn_test_done(&t);
}

TEST(a_detector_refuses_scores_of_other_classes)
{
    hn_op_test t;
    CHECK_INT(detect(&t, 4, NULL, 0), HN_EFORMAT);
    hn_test_done(&t);
}
