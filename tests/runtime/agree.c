/* SPDX-License-Identifier: Apache-2.0 */
/* Whole models: the optimised plan against eval on the graph as it is in the file. */
#include "tests/support/test.h"

#include <stdio.h>

#include "tests/support/agree.h"

/* Sums run in another order and through folded weights: about depth * sqrt(k) * 2^-24 of the range. */
#define FLOAT_TOLERANCE 2e-5

static void agrees(const char *name, double tolerance)
{
    char path[256];
    snprintf(path, sizeof path, "models/%s", name);
    const char *file = hn_test_data(path);
    for (const hn_kernels *const *k = hn_kernel_tables; file && *k; k++) {
        if (!hn_kernels_runs(*k))
            continue;
        hn_ctx cx = { 0 };
        double worst = 0;
        hn_err e = hn_test_agree(&cx, file, *k, &worst);
        if (e || worst > tolerance)
            print_message("%s on %s: %s, worst %g\n", name, (*k)->isa, cx.msg, worst);
        CHECK_INT(e, HN_OK);
        CHECK(worst <= tolerance);
    }
}

TEST(dense_layers_agree_with_eval) { agrees("ad_toycar_ae_fp32.onnx", FLOAT_TOLERANCE); }
TEST(a_residual_network_agrees_with_eval) { agrees("ic_resnet8_fp32.onnx", FLOAT_TOLERANCE); }
TEST(a_separable_network_agrees_with_eval) { agrees("kws_dscnn_fp32.onnx", FLOAT_TOLERANCE); }
TEST(a_quantised_network_agrees_with_eval_to_a_step) { agrees("kws_dscnn_int8.qdq.onnx", 1); }
TEST(a_detector_with_shape_arithmetic_agrees_with_eval) { agrees("ultraface_rfb_320.onnx", FLOAT_TOLERANCE); }
TEST(a_detector_for_microcontrollers_agrees_with_eval_bit_for_bit) { agrees("person_detect_int8.tflite", 0); }
TEST(features_from_sound_agree_with_eval_bit_for_bit) { agrees("audio_preprocessor_int8.tflite", 0); }
