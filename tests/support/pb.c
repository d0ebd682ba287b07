/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/pb.h"

#include <string.h>

static void raw_varint(hn_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        hn_buf_add(b, &(uint8_t){ (uint8_t)(v | 0x80) }, 1);
    hn_buf_add(b, &(uint8_t){ (uint8_t)v }, 1);
}

void pb_varint(hn_buf *b, unsigned number, uint64_t v)
{
    raw_varint(b, number << 3);
    raw_varint(b, v);
}

void pb_fixed32(hn_buf *b, unsigned number, float v)
{
    raw_varint(b, number << 3 | 5);
    hn_buf_add(b, &v, sizeof v);
}

void pb_bytes(hn_buf *b, unsigned number, const void *data, size_t len)
{
    raw_varint(b, number << 3 | 2);
    raw_varint(b, len);
    hn_buf_add(b, data, len);
}

void pb_text(hn_buf *b, unsigned number, const char *text) { pb_bytes(b, number, text, strlen(text)); }

void pb_message(hn_buf *b, unsigned number, hn_buf *inner)
{
    pb_bytes(b, number, inner->data, inner->len);
    hn_buf_free(inner);
}

hn_buf test_tensor(const char *name, const hn_tensor *t)
{
    hn_buf b = { 0 };
    for (int i = 0; i < t->shape.rank; i++)
        pb_varint(&b, 1, (uint64_t)t->shape.dim[i]);
    pb_varint(&b, 2, (uint64_t)hn_dtype_to_onnx(t->dtype));
    pb_text(&b, 8, name);
    if (t->data)
        pb_bytes(&b, 9, t->data, hn_bytes(t));
    return b;
}

void test_input(test_model *m, const char *name, hn_dtype type, hn_shape s)
{
    hn_buf shape = { 0 }, tensor = { 0 }, kind = { 0 }, info = { 0 };
    for (int i = 0; i < s.rank; i++) {
        hn_buf dim = { 0 };
        if (s.dim[i] < 0)
            pb_text(&dim, 2, "N");
        else
            pb_varint(&dim, 1, (uint64_t)s.dim[i]);
        pb_message(&shape, 1, &dim);
    }
    pb_varint(&tensor, 1, (uint64_t)hn_dtype_to_onnx(type));
    pb_message(&tensor, 2, &shape);
    pb_message(&kind, 1, &tensor);
    pb_text(&info, 1, name);
    pb_message(&info, 2, &kind);
    pb_message(&m->graph, 11, &info);
}

void test_output(test_model *m, const char *name)
{
    hn_buf info = { 0 };
    pb_text(&info, 1, name);
    pb_message(&m->graph, 12, &info);
}

void test_const(test_model *m, const char *name, hn_tensor t)
{
    hn_buf b = test_tensor(name, &t);
    pb_message(&m->graph, 5, &b);
}

static void add_names(hn_buf *b, unsigned number, const char *names)
{
    while (*names) {
        size_t len = strcspn(names, " ");
        bool out = len == 1 && *names == '-';
        pb_bytes(b, number, names, out ? 0 : len);
        names += len + (names[len] == ' ');
    }
}

hn_buf test_node_bytes(const char *op, const char *in, const char *out, hn_buf *attrs)
{
    hn_buf b = { 0 };
    add_names(&b, 1, in);
    add_names(&b, 2, out);
    pb_text(&b, 4, op);
    if (attrs) {
        hn_buf_add(&b, attrs->data, attrs->len);
        hn_buf_free(attrs);
    }
    return b;
}

void test_node(test_model *m, const char *op, const char *in, const char *out, hn_buf *attrs)
{
    hn_buf b = test_node_bytes(op, in, out, attrs);
    pb_message(&m->graph, 1, &b);
}

void test_attr_int(hn_buf *attrs, const char *name, int64_t v)
{
    hn_buf a = { 0 };
    pb_text(&a, 1, name);
    pb_varint(&a, 3, (uint64_t)v);
    pb_varint(&a, 20, 2);
    pb_message(attrs, 5, &a);
}

void test_attr_float(hn_buf *attrs, const char *name, float v)
{
    hn_buf a = { 0 };
    pb_text(&a, 1, name);
    pb_fixed32(&a, 2, v);
    pb_varint(&a, 20, 1);
    pb_message(attrs, 5, &a);
}

void test_attr_text(hn_buf *attrs, const char *name, const char *v)
{
    hn_buf a = { 0 };
    pb_text(&a, 1, name);
    pb_text(&a, 4, v);
    pb_varint(&a, 20, 3);
    pb_message(attrs, 5, &a);
}

void test_attr_ints(hn_buf *attrs, const char *name, const int64_t *v, size_t count)
{
    hn_buf a = { 0 };
    pb_text(&a, 1, name);
    for (size_t i = 0; i < count; i++)
        pb_varint(&a, 8, (uint64_t)v[i]);
    pb_varint(&a, 20, 7);
    pb_message(attrs, 5, &a);
}

void test_attr_message(hn_buf *attrs, const char *name, unsigned field, unsigned type, hn_buf *inner)
{
    hn_buf a = { 0 };
    pb_text(&a, 1, name);
    pb_message(&a, field, inner);
    pb_varint(&a, 20, type);
    pb_message(attrs, 5, &a);
}

hn_buf test_model_bytes(test_model *m)
{
    hn_buf b = { 0 }, opset = { 0 };
    pb_varint(&b, 1, (uint64_t)(m->ir ? m->ir : 8));
    pb_message(&b, 7, &m->graph);
    if (m->opset) {
        pb_varint(&opset, 2, (uint64_t)m->opset);
        pb_message(&b, 8, &opset);
    }
    hn_buf_add(&b, m->rest.data, m->rest.len);
    hn_buf_free(&m->rest);
    return b;
}
