/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors in files of their own: what ONNX tests keep their inputs and outputs in. */
#ifndef HN_FORMATS_ONNX_DATA_H
#define HN_FORMATS_ONNX_DATA_H

#include "base/arena.h"
#include "tensor/tensor.h"

/* Reads a serialised TensorProto, SequenceProto or OptionalProto.  Nothing in the bytes says which of the
 * last two they are: `like` (HN_NONE when not known) is the type they are wanted for; a container without
 * one is a sequence.  out's data lies in `data` where it can and in `a` otherwise; so do the elements of
 * text tensors.  name (may be NULL): borrowed from `data`, not zero-terminated. */
hn_err hn_onnx_read_value(hn_ctx *cx, const void *data, size_t len, hn_dtype like, hn_arena *a, hn_tensor *out,
                          hn_text *name);

#endif
