/* SPDX-License-Identifier: Apache-2.0 */
/* Detections from the two tensors that single-shot detectors give. */
#ifndef HN_CLI_DETECT_H
#define HN_CLI_DETECT_H

#include "cli/input.h"
#include "cli/labels.h"

/* Finds among the outputs boxes [.., N, 4] (corners x0, y0, x1, y1, in 0..1 of the input) and scores
 * [.., N, C] (class 0 is background when C > 1); keeps those over --threshold that no better
 * one of the class overlaps by half; prints them in pixels of the picture and, with `draw`,
 * writes the picture with boxes on it. */
hn_err hn_detect(hn_cli *c, const hn_graph *g, const hn_tensor *out, const hn_tensor *in, const hn_shown *shown,
                 const hn_labels *labels, hn_arena *a, const char *draw);

#endif
