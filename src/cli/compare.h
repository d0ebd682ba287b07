/* SPDX-License-Identifier: Apache-2.0 */
/* Two tensors that should agree. */
#ifndef HN_CLI_COMPARE_H
#define HN_CLI_COMPARE_H

#include "tensor/tensor.h"

typedef enum hn_compare_rule {
    HN_CMP_CLOSE,      /* |a - b| <= atol + rtol |b|, element by element; integers exactly */
    HN_CMP_RANGE,      /* floats: within `atol` times the reference's range (max - min);
                           8- and 16-bit integers: 99.9 % within 1 step, all within 2;
                           wider integers (class ids): 99.9 % equal */
} hn_compare_rule;

typedef struct hn_tolerance { hn_compare_rule rule; double rtol, atol; } hn_tolerance;

typedef struct hn_diff {
    bool agree;
    double max_abs, max_rel;    /* over elements where both are finite */
    double range;               /* max - min of the reference */
    size_t count, off;          /* elements, and how many break the rule by themselves */
    size_t worst;               /* position of the largest difference */
    char why[160];              /* when they disagree: in words */
} hn_diff;

/* `got` against the reference `want`. */
void hn_compare(const hn_tensor *got, const hn_tensor *want, hn_tolerance tol, hn_diff *out);

#endif
