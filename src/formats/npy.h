/* SPDX-License-Identifier: Apache-2.0 */
/* NumPy's .npy: one tensor with its type and shape, versions 1 to 3. */
#ifndef HN_FORMATS_NPY_H
#define HN_FORMATS_NPY_H

#include "base/arena.h"
#include "base/buf.h"
#include "tensor/tensor.h"

bool hn_npy_probe(const void *data, size_t len);

/* out's data lies in `data` where it can (little-endian, rows first, aligned) and in `a` otherwise:
 * big-endian numbers are turned, columns-first arrays transposed, fixed-width texts cut out. */
hn_err hn_npy_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tensor *out);

/* Appends a version 1 file.  HN_EUNSUP for types NumPy does not have (bf16, f8, below 8 bits). */
hn_err hn_npy_write(hn_ctx *cx, const hn_tensor *t, hn_buf *out);

#endif
