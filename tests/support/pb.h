/* SPDX-License-Identifier: Apache-2.0 */
/* A small protobuf writer, and ONNX models by hand: what tests of readers need.
 *
 *     test_model m = { .opset = 13 };
 *     test_input(&m, "x", HN_F32, SHAPE(2, 3));
 *     test_node(&m, "Relu", "x", "y", NULL);
 *     test_output(&m, "y");
 *     hn_buf bytes = test_model_bytes(&m);
 */
#ifndef HN_TEST_PB_H
#define HN_TEST_PB_H

#include "base/buf.h"
#include "tensor/tensor.h"

void pb_varint(hn_buf *b, unsigned number, uint64_t v);
void pb_fixed32(hn_buf *b, unsigned number, float v);
void pb_bytes(hn_buf *b, unsigned number, const void *data, size_t len);
void pb_text(hn_buf *b, unsigned number, const char *text);
void pb_message(hn_buf *b, unsigned number, hn_buf *inner);          /* frees inner */

typedef struct test_model {
    hn_buf graph, rest;          /* GraphProto; ModelProto's other fields */
    int64_t ir, opset;           /* ir 0: 8; opset 0: not written */
} test_model;

/* TensorProto with raw data; data NULL: none. */
hn_buf test_tensor(const char *name, const hn_tensor *t);
void test_input(test_model *m, const char *name, hn_dtype type, hn_shape shape);     /* dims below 0: "N" */
void test_output(test_model *m, const char *name);
void test_const(test_model *m, const char *name, hn_tensor t);

/* in, out: names with spaces between, "-" for one left out.  attrs: AttributeProtos made with
 * test_attr_*; freed.  Returns NodeProto's bytes through test_node_bytes, or adds it. */
hn_buf test_node_bytes(const char *op, const char *in, const char *out, hn_buf *attrs);
void test_node(test_model *m, const char *op, const char *in, const char *out, hn_buf *attrs);
void test_attr_int(hn_buf *attrs, const char *name, int64_t v);
void test_attr_float(hn_buf *attrs, const char *name, float v);
void test_attr_text(hn_buf *attrs, const char *name, const char *v);
void test_attr_ints(hn_buf *attrs, const char *name, const int64_t *v, size_t count);
void test_attr_message(hn_buf *attrs, const char *name, unsigned field, unsigned type, hn_buf *inner);

hn_buf test_model_bytes(test_model *m);      /* ends the model; free with hn_buf_free */

#endif
