/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <math.h>

#include "tests/support/graph.h"

#define ML "ai.onnx.ml"
#define AFLOATS(key, ...) ((hn_attr){ .name = key, .kind = HN_ATTR_FLOATS, .list = { .f = (float[]){ __VA_ARGS__ }, \
                           .count = sizeof((float[]){ __VA_ARGS__ }) / sizeof(float) } })
#define ATEXTS(key, ...) ((hn_attr){ .name = key, .kind = HN_ATTR_TEXTS, .list = { .text = (hn_text[]){ __VA_ARGS__ }, \
                          .count = sizeof((hn_text[]){ __VA_ARGS__ }) / sizeof(hn_text) } })
#define W(text) { text, sizeof(text) - 1 }

/* x[0] <= 1 ? leaf 1 : leaf 2, where the leaves speak for target 0 with 5 and 7. */
TEST(a_tree_leads_to_its_leaf_and_never_in_a_circle)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(3, 1), 0.5f, 2, NAN);
    hn_attr a[] = { AINTS("nodes_truenodeids", 1, 0, 0), AINTS("nodes_falsenodeids", 2, 0, 0),
                    AINTS("nodes_treeids", 0, 0, 0), AINTS("nodes_nodeids", 0, 1, 2), AINTS("nodes_featureids", 0, 0, 0),
                    ATEXTS("nodes_modes", W("BRANCH_LEQ"), W("LEAF"), W("LEAF")), AFLOATS("nodes_values", 1, 0, 0),
                    AINTS("target_ids", 0, 0), AINTS("target_treeids", 0, 0),
                    AINTS("target_nodeids", 2, 1), AFLOATS("target_weights", 7, 5) };   /* not in the nodes' order */
    int n = sizeof a / sizeof a[0];
    CHECK_INT(hn_test_op(&t, ML, "TreeEnsembleRegressor", &x, 1, a, n, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK(y[0] == 5 && y[1] == 7 && y[2] == 7);
    hn_test_done(&t);

    a[0] = AINTS("nodes_truenodeids", 0, 0, 0);          /* the root leads to itself */
    CHECK_INT(hn_test_op(&t, ML, "TreeEnsembleRegressor", &x, 1, a, n, 1), HN_EFORMAT);
    hn_test_done(&t);
    a[0] = AINTS("nodes_truenodeids", 9, 0, 0);
    CHECK_INT(hn_test_op(&t, ML, "TreeEnsembleRegressor", &x, 1, a, n, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(labels_map_and_unknown_ones_have_a_default)
{
    hn_op_test t;
    hn_tensor x = { HN_STR, SHAPE(2), (hn_text[]){ W("b"), W("?") } };
    hn_attr a[] = { ATEXTS("keys_strings", W("a"), W("b")), AINTS("values_int64s", 10, 20) }, one = a[0];
    CHECK_INT(hn_test_op(&t, ML, "LabelEncoder", &x, 1, a, 2, 1), HN_OK);
    const int64_t *y = t.out[0].data;
    CHECK(y[0] == 20 && y[1] == -1);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, ML, "LabelEncoder", &x, 1, &one, 1, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(a_line_of_weights_decides_between_two_classes)
{
    hn_op_test t;
    hn_tensor x = F32(SHAPE(2, 1), 3, -3);
    hn_attr a[] = { AFLOATS("coefficients", 1), AFLOATS("intercepts", 0), AINTS("classlabels_ints", 4, 8),
                    ATEXT("post_transform", "LOGISTIC") };
    CHECK_INT(hn_test_op(&t, ML, "LinearClassifier", &x, 1, a, 4, 2), HN_OK);
    const int64_t *y = t.out[0].data;
    const float *p = t.out[1].data;
    CHECK(y[0] == 8 && y[1] == 4);
    CHECK_NEAR(p[1], 1 / (1 + expf(-3)), 1e-6);
    CHECK_NEAR(p[0] + p[1], 1, 1e-6);
    hn_test_done(&t);
}

TEST(features_are_scaled_filled_and_picked)
{
    hn_op_test t;
    hn_tensor x[] = { F32(SHAPE(1, 2), 4, NAN), I64(SHAPE(1), 1) }, outside[] = { x[0], I64(SHAPE(1), 2) };
    hn_attr scale[] = { AFLOATS("offset", 1), AFLOATS("scale", 2, 3) };
    hn_attr fill[] = { AFLOATS("imputed_value_floats", 9), AFLOAT("replaced_value_float", NAN) };
    CHECK_INT(hn_test_op(&t, ML, "Scaler", x, 1, scale, 2, 1), HN_OK);
    CHECK(((float *)t.out[0].data)[0] == 6);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, ML, "Imputer", x, 1, fill, 2, 1), HN_OK);
    CHECK(((float *)t.out[0].data)[1] == 9);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, ML, "ArrayFeatureExtractor", outside, 2, NULL, 0, 1), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(one_step_of_momentum_and_adam)
{
    hn_op_test t;
    hn_tensor in[] = { F32(SCALAR, 0.1f), I64(SCALAR, 0), F32(SHAPE(1), 1), F32(SHAPE(1), 2), F32(SHAPE(1), 0),
                       F32(SHAPE(1), 0) };
    hn_attr a[] = { AFLOAT("alpha", 0.5f), AFLOAT("beta", 0.5f), AFLOAT("norm_coefficient", 0), ATEXT("mode", "nesterov") };
    CHECK_INT(hn_test_op(&t, "ai.onnx.preview.training", "Momentum", in, 5, a, 4, 2), HN_OK);
    CHECK_NEAR(*(float *)t.out[0].data, 1 - 0.1f * (2 + 0.5f * 2), 1e-6);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, "ai.onnx.preview.training", "Adam", in, 6, NULL, 0, 3), HN_OK);
    CHECK_NEAR(*(float *)t.out[0].data, 1 - 0.1 * 0.2 / sqrt(0.004), 1e-5);
    hn_test_done(&t);
    CHECK_INT(hn_test_op(&t, "ai.onnx.preview.training", "Adam", in, 5, NULL, 0, 3), HN_EFORMAT);
    hn_test_done(&t);
}

TEST(n_grams_are_counted_with_words_left_out_between_them)
{
    hn_op_test t;
    hn_tensor x = I64(SHAPE(5), 1, 2, 1, 3, 2);
    hn_attr a[] = { AINT("min_gram_length", 2), AINT("max_gram_length", 2), AINT("max_skip_count", 1), ATEXT("mode", "TF"),
                    AINTS("ngram_counts", 0, 1), AINTS("ngram_indexes", 0, 2, 1), AINTS("pool_int64s", 1, 1, 2, 3, 2) };
    CHECK_INT(hn_test_op(&t, NULL, "TfIdfVectorizer", &x, 1, a, 7, 1), HN_OK);
    const float *y = t.out[0].data;
    CHECK_INT(t.out[0].shape.dim[0], 3);
    CHECK(y[0] == 0 && y[1] == 1 && y[2] == 2);          /* (3, 2) once; (1, 2) once, and once over a 3 */
    hn_test_done(&t);
    a[4] = AINTS("ngram_counts", 0, 2);                  /* three words left for pairs */
    CHECK_INT(hn_test_op(&t, NULL, "TfIdfVectorizer", &x, 1, a, 7, 1), HN_EFORMAT);
    hn_test_done(&t);
}
