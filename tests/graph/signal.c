/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

/* Every length against the sum as it is defined. */
TEST(transforms_of_any_length_are_what_they_say)
{
    for (int n = 1; n <= 33; n++) {
        hn_op_test t;
        float x[66];
        for (int i = 0; i < 2 * n; i++)
            x[i] = (float)((i * 7919 + 13) % 101) / 50 - 1;
        hn_tensor in[] = { { HN_F32, SHAPE(1, n, 2), x } };
        CHECK_INT(hn_test_op(&t, NULL, "DFT", in, 1, NULL, 0, 1), HN_OK);
        const float *y = t.out[0].data;
        for (int k = 0; k < n; k++) {
            double re = 0, im = 0;
            for (int i = 0; i < n; i++) {
                double angle = -2 * M_PI * k * i / n;
                re += (double)x[2 * i] * cos(angle) - (double)x[2 * i + 1] * sin(angle);
                im += (double)x[2 * i] * sin(angle) + (double)x[2 * i + 1] * cos(angle);
            }
            CHECK_NEAR(y[2 * k], (float)re, 1e-4);
            CHECK_NEAR(y[2 * k + 1], (float)im, 1e-4);
        }
        hn_op_test back;
        hn_attr inverse = AINT("inverse", 1);
        CHECK_INT(hn_test_op(&back, NULL, "DFT", t.out, 1, &inverse, 1, 1), HN_OK);
        for (int i = 0; i < 2 * n; i++)
            CHECK_NEAR(((float *)back.out[0].data)[i], x[i], 1e-5);
        hn_test_done(&back);
        hn_test_done(&t);
    }
}

TEST(half_a_spectrum_comes_back_whole)
{
    hn_op_test t, back;
    hn_tensor in[] = { F32(SHAPE(1, 5, 1), 1, 2, -3, 4, 5) };
    hn_attr half = AINT("onesided", 1), both[] = { AINT("onesided", 1), AINT("inverse", 1) };
    CHECK_INT(hn_test_op(&t, NULL, "DFT", in, 1, &half, 1, 1), HN_OK);
    CHECK_INT(t.out[0].shape.dim[1], 3);
    hn_tensor again[] = { t.out[0], I64(SCALAR, 5) };
    CHECK_INT(hn_test_op(&back, NULL, "DFT", again, 2, both, 2, 1), HN_OK);
    CHECK_INT(back.out[0].shape.dim[2], 1);
    for (int i = 0; i < 5; i++)
        CHECK_NEAR(((float *)back.out[0].data)[i], ((float *)in[0].data)[i], 1e-5);
    hn_test_done(&back);
    hn_test_done(&t);
}

TEST(signals_refuse_lengths_and_axes_that_are_none)
{
    hn_op_test t;
    hn_tensor zero[] = { F32(SHAPE(1, 2, 1), 1, 2), I64(SCALAR, 0) }, last[] = { zero[0], { 0 }, I64(SCALAR, 2) };
    hn_tensor step[] = { F32(SHAPE(1, 4), 1, 2, 3, 4), I64(SCALAR, 0), { 0 }, I64(SCALAR, 2) };
    hn_tensor size = I64(SCALAR, -1), bands[] = { I64(SCALAR, 4), I64(SCALAR, 8), I64(SCALAR, 100), F32(SCALAR, 0),
                                                  F32(SCALAR, 1e9f) };
    CHECK_INT(hn_test_op(&t, NULL, "DFT", zero, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "DFT", last, 3, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "STFT", step, 4, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "HannWindow", &size, 1, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, NULL, "MelWeightMatrix", bands, 5, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}
