/* SPDX-License-Identifier: Apache-2.0 */
/* One operator on small tensors, through infer and run: what tests of operators need. */
#ifndef HN_TEST_GRAPH_H
#define HN_TEST_GRAPH_H

#include "graph/eval.h"

/* Operands of a test: tensors over literal arrays. */
#define T_(id, ...) ((hn_tensor){ HN_##id, __VA_ARGS__ })
#define F32(shape, ...) ((hn_tensor){ HN_F32, shape, (float[]){ __VA_ARGS__ } })
#define I64(shape, ...) ((hn_tensor){ HN_I64, shape, (int64_t[]){ __VA_ARGS__ } })
#define U8(shape, ...)  ((hn_tensor){ HN_U8, shape, (uint8_t[]){ __VA_ARGS__ } })
#define SHAPE(...) hn_shape_of((int)(sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ })
#define SCALAR ((hn_shape){ .rank = 0 })

#define AINT(key, v)    ((hn_attr){ .name = key, .kind = HN_ATTR_INT, .i = v })
#define AFLOAT(key, v)  ((hn_attr){ .name = key, .kind = HN_ATTR_FLOAT, .f = v })
#define ATEXT(key, v)   ((hn_attr){ .name = key, .kind = HN_ATTR_TEXT, .text = { v, sizeof(v) - 1 } })
#define AINTS(key, ...) ((hn_attr){ .name = key, .kind = HN_ATTR_INTS, .list = { .i = (int64_t[]){ __VA_ARGS__ }, \
                         .count = sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t) } })

/* Runs operator `name` on the inputs; outputs are valid until hn_test_done().  The context's
 * message says why when it fails. */
typedef struct hn_op_test {
    hn_ctx cx;
    hn_graph *g;
    hn_arena *memory;
    hn_tensor out[8];
} hn_op_test;

hn_err hn_test_op(hn_op_test *t, const char *domain, const char *name, const hn_tensor *in, int in_count,
                  const hn_attr *attr, int attr_count, int out_count);
void hn_test_done(hn_op_test *t);

#endif
