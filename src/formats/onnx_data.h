/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in files of their own: what ONNX tests keep their inputs and outputs in. */
#ifndef HN_FORMATS_ONNX_DATA_H
#define HN_FORMATS_ONNX_DATA_H

#include "base/arena.h"
#include "tensor/tensor.h"

/* Reads a serialised TensorProto.  out's data lies in `data` where it can and in `a` otherwise; so
 * do the elements of text tensors.  name (may be NULL): borrowed from `data`, not zero-terminated.
 *
 * HN_EUNSUP for a SequenceProto or an OptionalProto, which Hone has no values for. */
hn_err hn_onnx_read_tensor(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tensor *out, hn_text *name);

#endif
