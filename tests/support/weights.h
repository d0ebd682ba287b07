/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a small transformer and what training does to them: models to measure deltas on.
 *
 * The same seed gives the same file.  d = 256, feed-forward 1024, an embedding, a head, as many layers as
 * asked for; 12 layers and 8192 words are 11.7 million weights.  Written as GGUF. */
#ifndef HN_TEST_WEIGHTS_H
#define HN_TEST_WEIGHTS_H

#include "base/buf.h"

typedef enum test_form {
    TEST_F32, TEST_F16,
    TEST_Q8,               /* int8, a scale per row, chosen anew for changed weights */
    TEST_Q8FIX,            /* the same with the scales of the unchanged model */
    TEST_Q4,               /* blocks of 32 with an f16 scale (Q4_0) */
    TEST_FORMS
} test_form;

typedef enum test_change {
    TEST_BASE,             /* none */
    TEST_HEAD,             /* the head alone, by full noise */
    TEST_SPARSE,           /* 1 % of the weights */
    TEST_LORA,             /* a product of rank 8 added to half of the 256 x 256 matrices */
    TEST_LIGHT,            /* noise of 0.001 of each tensor's deviation on every weight: a short fine-tune */
    TEST_STRONG,           /* 0.01 */
    TEST_CHANGES
} test_change;

extern const char *const test_form_name[TEST_FORMS], *const test_change_name[TEST_CHANGES];

typedef struct test_size { int layers, words; } test_size;

/* False when out of memory. */
bool test_weights(test_size size, test_form form, test_change change, hn_buf *out);

#endif
