/* SPDX-License-Identifier: Apache-2.0 */
/* A model's fast ways against its plain one. */
#ifndef HN_TEST_AGREE_H
#define HN_TEST_AGREE_H

#include "formats/format.h"
#include "runtime/plan.h"

/* Runs the graph once through eval as the file says, and once through an optimised plan with these
 * kernels, on the same pseudo-random inputs (open dimensions: 1).  *worst is the largest difference
 * over all outputs, relative to the output's range; integers count steps instead. */
hn_err hn_test_agree(hn_ctx *cx, const char *path, const hn_kernels *k, double *worst);

#endif
