/* SPDX-License-Identifier: Apache-2.0 */
/* Importance matrices: for each weight tensor, how much its columns matter: the mean square of what they are
 * multiplied with.
 *
 * Two forms of file: GGUF with "NAME.in_sum2" and "NAME.counts", and the older one of plain records.  Both are
 * checked when opened; every number handed out is finite and not negative. */
#ifndef HN_COMPRESS_IMATRIX_H
#define HN_COMPRESS_IMATRIX_H

#include "base/arena.h"
#include "tensor/tensor.h"

typedef struct hn_importance {
    const char *name;            /* of the weight tensor */
    const float *value;          /* [count]: the columns of one matrix, or of each expert's in turn */
    size_t count;
} hn_importance;

typedef struct hn_imatrix {
    hn_arena *arena;
    hn_importance *entry; size_t count, cap;
    uint32_t chunks;             /* of text it was measured on; 0: not told */
    hn_text dataset;             /* "" when not told */
} hn_imatrix;

hn_err hn_imatrix_open(hn_ctx *cx, const char *path, hn_imatrix *out);
/* data: aligned to 8 bytes. */
hn_err hn_imatrix_read(hn_ctx *cx, const void *data, size_t len, hn_imatrix *out);
void hn_imatrix_close(hn_ctx *cx, hn_imatrix *m);                        /* safe on a zeroed one */

const hn_importance *hn_imatrix_find(const hn_imatrix *m, const char *name);    /* or NULL */

#endif
