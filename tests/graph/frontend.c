/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

#define I16(shape, ...) ((hn_tensor){ HN_I16, shape, (int16_t[]){ __VA_ARGS__ } })
#define U32(shape, ...) ((hn_tensor){ HN_U32, shape, (uint32_t[]){ __VA_ARGS__ } })
#define U64(shape, ...) ((hn_tensor){ HN_U64, shape, (uint64_t[]){ __VA_ARGS__ } })
#define I32(shape, ...) ((hn_tensor){ HN_I32, shape, (int32_t[]){ __VA_ARGS__ } })

TEST(a_window_shifts_and_saturates)
{
    hn_op_test t;
    hn_tensor in[] = { I16(SHAPE(4), 100, -3, 32767, 5), I16(SHAPE(2), 2048, 8192) };
    hn_attr a = AINT("shift", 12);
    CHECK_INT(hn_test_op(&t, "hone", "SignalWindow", in, 2, &a, 1, 1), HN_OK);
    const int16_t *y = t.out[0].data;
    CHECK(y[0] == 50 && y[1] == -6 && y[2] == 16383 && y[3] == 10);
    hn_test_done(&t);
    in[1] = I16(SHAPE(3), 1, 2, 3);
    CHECK_INT(hn_test_op(&t, "hone", "SignalWindow", in, 2, &a, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(samples_are_scaled_as_far_as_they_fit)
{
    hn_op_test t;
    hn_tensor in[] = { I16(SHAPE(3), 100, -200, 3) };           /* 200 has 8 bits: 7 are spare */
    CHECK_INT(hn_test_op(&t, "hone", "SignalFftAutoScale", in, 1, NULL, 0, 2), HN_OK);
    const int16_t *y = t.out[0].data;
    CHECK(y[1] == -200 * 128 && *(int32_t *)t.out[1].data == 7);
    hn_test_done(&t);
}

/* Against the definition over n: 16 bits leave an error of a few steps. */
TEST(a_transform_of_integers_follows_the_definition_and_back)
{
    enum { N = 64 };
    static int16_t x[N];
    hn_op_test t, u;
    hn_attr a = AINT("fft_length", N);
    for (int i = 0; i < N; i++)
        x[i] = (int16_t)(9000 * cos(i * 0.7) + 4000 * sin(i * 2.1) + 500);
    hn_tensor in[] = { { HN_I16, SHAPE(N), x } };
    CHECK_INT(hn_test_op(&t, "hone", "SignalRfft", in, 1, &a, 1, 1), HN_OK);
    const int16_t *y = t.out[0].data;
    for (int k = 0; k <= N / 2; k++) {
        double re = 0, im = 0;
        for (int i = 0; i < N; i++) {
            re += x[i] * cos(2 * 3.14159265358979 * i * k / N) / N;
            im -= x[i] * sin(2 * 3.14159265358979 * i * k / N) / N;
        }
        CHECK_NEAR(y[2 * k], re, 6);
        CHECK_NEAR(y[2 * k + 1], im, 6);
    }
    hn_tensor back[] = { t.out[0] };
    CHECK_INT(hn_test_op(&u, "hone", "SignalIrfft", back, 1, &a, 1, 1), HN_OK);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(((int16_t *)u.out[0].data)[i], x[i] / (double)N, 6);
    hn_test_done(&u);
    hn_test_done(&t);
}

TEST(a_transform_of_a_length_that_is_no_power_of_two_is_refused)
{
    hn_op_test t;
    hn_tensor in[] = { I16(SHAPE(4), 1, 2, 3, 4) };
    hn_attr a = AINT("fft_length", 12);
    CHECK_INT(hn_test_op(&t, "hone", "SignalRfft", in, 1, &a, 1, 1), HN_EUNSUP);
    hn_test_done(&t);
}

TEST(energy_is_zero_outside_of_its_range)
{
    hn_op_test t;
    hn_tensor in[] = { I16(SHAPE(6), 3, 4, -32768, -32768, 1, 2) };
    hn_attr a[] = { AINT("start_index", 1), AINT("end_index", 3) };
    CHECK_INT(hn_test_op(&t, "hone", "SignalEnergy", in, 1, a, 2, 1), HN_OK);
    const uint32_t *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 0x80000000u && y[2] == 5);
    hn_test_done(&t);
}

/* Two channels; the scratch one before them has width 1: its counterweight goes to the first. */
TEST(filters_overlap)
{
    hn_op_test t;
    hn_tensor in[] = { U32(SHAPE(3), 10, 20, 30), I16(SHAPE(3), 1, 2, 3), I16(SHAPE(3), 5, 6, 7), I16(SHAPE(3), 0, 1, 2),
                       I16(SHAPE(3), 0, 1, 2), I16(SHAPE(3), 1, 1, 1) };
    hn_attr a = AINT("num_channels", 2);
    CHECK_INT(hn_test_op(&t, "hone", "SignalFilterBank", in, 6, &a, 1, 1), HN_OK);
    const uint64_t *y = t.out[0].data;
    CHECK(y[0] == 5 * 10 + 2 * 20 && y[1] == 6 * 20 + 3 * 30);
    hn_test_done(&t);
    in[3] = I16(SHAPE(3), 0, 1, 9);
    CHECK_INT(hn_test_op(&t, "hone", "SignalFilterBank", in, 6, &a, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(roots_are_the_nearest_within_half_the_bits)
{
    hn_op_test t;
    hn_tensor in[] = { U64(SHAPE(5), 0, 6, 7, 0xffffffffull, 1ull << 62), I32(SHAPE(1), 0) };
    CHECK_INT(hn_test_op(&t, "hone", "SignalFilterBankSquareRoot", in, 2, NULL, 0, 1), HN_OK);
    const uint32_t *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 2 && y[2] == 3 && y[3] == 0xffff && y[4] == 1u << 31);
    hn_test_done(&t);
}

/* Half of the signal above half of the noise so far; nothing falls below an eighth of the signal. */
TEST(what_rises_above_the_noise_remains)
{
    hn_op_test t;
    hn_tensor in[] = { U32(SHAPE(2), 100, 16), U32(SHAPE(2), 0, 1000) };
    hn_attr a[] = { AINT("smoothing", 8), AINT("one_minus_smoothing", 8), AINT("alternate_smoothing", 8),
                    AINT("alternate_one_minus_smoothing", 8), AINT("min_signal_remaining", 2),
                    AINT("spectral_subtraction_bits", 4), AINT("smoothing_bits", 1), AINT("clamping", 0) };
    CHECK_INT(hn_test_op(&t, "hone", "SignalFilterBankSpectralSubtraction", in, 2, a, 8, 2), HN_OK);
    const uint32_t *y = t.out[0].data, *noise = t.out[1].data;
    CHECK(noise[0] == 100 && y[0] == 50);
    CHECK(noise[1] == 516 && y[1] == 2);
    hn_test_done(&t);
    a[7] = AINT("clamping", 1);
    CHECK_INT(hn_test_op(&t, "hone", "SignalFilterBankSpectralSubtraction", in, 2, a, 8, 2), HN_OK);
    CHECK_INT(((uint32_t *)t.out[1].data)[1], 32);
    hn_test_done(&t);
}

TEST(gain_follows_the_noise_and_needs_a_table_long_enough)
{
    hn_op_test t;
    hn_tensor in[] = { U32(SHAPE(2), 1 << 12, 3 << 12), U32(SHAPE(2), 1, 1), I16(SHAPE(3), 9, 16, 9) };
    hn_attr a = AINT("snr_shift", 4);
    CHECK_INT(hn_test_op(&t, "hone", "SignalPCAN", in, 3, &a, 1, 1), HN_OK);
    const uint32_t *y = t.out[0].data;
    CHECK(y[0] == 16 && y[1] == 128);                           /* 1 / 4 and 3 - 1, of 64 */
    hn_test_done(&t);
    in[1] = U32(SHAPE(2), 1, 5000);
    CHECK_INT(hn_test_op(&t, "hone", "SignalPCAN", in, 3, &a, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(logarithms_are_within_a_step)
{
    hn_op_test t;
    hn_tensor in[] = { U32(SHAPE(5), 0, 1, 2, 1000, 4000000000u) };
    hn_attr a = AINT("output_scale", 1600);
    CHECK_INT(hn_test_op(&t, "hone", "SignalFilterBankLog", in, 1, &a, 1, 1), HN_OK);
    const int16_t *y = t.out[0].data;
    CHECK(y[0] == 0 && y[1] == 0 && y[2] == (int)(1600 * log(2) + 0.5));
    CHECK_NEAR(y[3], 1600 * log(1000), 1);
    CHECK_INT(y[4], 32767);                                     /* 35375 does not fit */
    hn_test_done(&t);
}
