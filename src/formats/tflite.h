/* SPDX-License-Identifier: Apache-2.0 */
/* Reading TFLite: what the files of this reader share.
 *
 *     tflite.c           the model: tensors, constants, operators in order
 *     tflite_node.c      what every operator's translation is made of
 *     tflite_ops.def     which function translates which operator
 *     tflite_window.c    convolution, pooling, resizing: what knows of channels
 *     tflite_linear.c    dense layers, matrix products
 *     tflite_element.c   element by element
 *     tflite_shape.c     moving, cutting, joining
 *     tflite_reduce.c    along axes
 *     tflite_recurrent.c with state
 *     tflite_custom.c    those known by name: detection, the audio front end
 *
 * An operator becomes HIR-1 nodes: ONNX's own for floats and plain integers, integer ones of the
 * "hone" domain where its tensors are quantised.  TFLite's pictures are channels-last and HIR-1's
 * operators channels-first, so what looks at channels stands between two Transposes; those are free,
 * because a plan keeps pictures channels-last and sees only a change of name. */
#ifndef HN_FORMATS_TFLITE_H
#define HN_FORMATS_TFLITE_H

#include "formats/flatbuffer.h"
#include "formats/format.h"
#include "formats/placeholder.h"
#include "graph/op.h"

/* Element i of a quantised tensor stands for (q - zero) * scale. */
typedef struct hn_tfl_quant {
    hn_fb_vector scale, zero;         /* counts 0: not quantised */
    int axis;                         /* when there is more than one scale */
} hn_tfl_quant;

typedef struct hn_tfl_tensor {
    hn_text name;
    hn_dtype type;                    /* HN_NONE: of a kind Hone has no values for */
    hn_shape shape;                   /* as the file says; inference tells the truth of what nodes make */
    hn_tfl_quant quant;
    hn_fb_vector data;                /* count 0: made while running */
    bool is_variable;
    hn_value *value;                  /* NULL until it is made */
} hn_tfl_tensor;

typedef struct hn_tfl_code {
    int builtin;
    hn_text custom;
} hn_tfl_code;

/* One reading of one file. */
typedef struct hn_tfl {
    hn_ctx *cx;
    hn_source *src;
    hn_graph *g;
    hn_fb fb;
    hn_arena *scratch;                /* dies with the reading */
    hn_tfl_tensor *tensor; size_t tensor_count;
    hn_tfl_code *code; size_t code_count;
    hn_placeholders placeholders;
    hn_value **next_state; size_t state_count;      /* outputs behind the model's own; room: one per operator */
    size_t inferred;                  /* nodes whose shapes are told */
} hn_tfl;

/* The operator being translated. */
typedef struct hn_tfl_op {
    hn_tfl *r;
    const char *name;                 /* "CONV_2D" */
    size_t index;                     /* position in the file */
    hn_fb_table options;              /* the operator's own table */
    hn_fb_vector custom;              /* a custom operator's bytes */
    hn_fb_vector in, out, inner;      /* tensors' numbers; inner: of intermediates */
} hn_tfl_op;

typedef hn_err hn_tfl_fn(hn_tfl_op *o);

/* ---- Operands ------------------------------------------------------------------------------ */

/* Tensor of operand i; NULL where it is left out. */
hn_tfl_tensor *hn_tfl_in(const hn_tfl_op *o, size_t i);
hn_tfl_tensor *hn_tfl_out(const hn_tfl_op *o, size_t i);
/* The value of operand i; fails when the operand is left out or not made yet. */
hn_err hn_tfl_input(hn_tfl_op *o, size_t i, hn_value **out);
/* The same, NULL when it is left out. */
hn_err hn_tfl_optional(hn_tfl_op *o, size_t i, hn_value **out);
/* A constant's bytes: used where they lie when the machine can load the type from there, else copied to a. */
hn_err hn_tfl_data(hn_tfl *r, const hn_tfl_tensor *t, hn_arena *a, hn_tensor *out, bool *in_place);
/* Says that v is what the operator's output i is. */
hn_err hn_tfl_result(hn_tfl_op *o, size_t i, hn_value *v);

/* Type and shape as far as inference knows them now. */
hn_err hn_tfl_known(hn_tfl_op *o, const hn_value *v, const hn_tensor **out);
/* The rank of v; fails when it is not known. */
hn_err hn_tfl_rank(hn_tfl_op *o, const hn_value *v, int *out);
/* Integers of a constant operand; fails when it is not constant or has more than cap. */
hn_err hn_tfl_ints(hn_tfl_op *o, size_t i, int64_t *out, int cap, int *count);

bool hn_tfl_is_quantised(const hn_tfl_tensor *t);       /* an integer that stands for a real number */
float hn_tfl_scale(const hn_tfl_tensor *t);             /* the only one, or the first */
int64_t hn_tfl_zero(const hn_tfl_tensor *t);
bool hn_tfl_same_quant(const hn_tfl_tensor *a, const hn_tfl_tensor *b);

/* "valid, but not supported here": the operator becomes a placeholder. */
hn_err hn_tfl_unsup(hn_tfl_op *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
hn_err hn_tfl_bad(hn_tfl_op *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- Nodes --------------------------------------------------------------------------------- */

/* Attributes gathered before a node is made. */
typedef struct hn_tfl_attrs { hn_attr attr[24]; int count; } hn_tfl_attrs;
void hn_tfl_attr_int(hn_tfl_attrs *a, const char *name, int64_t v);
void hn_tfl_attr_float(hn_tfl_attrs *a, const char *name, float v);
void hn_tfl_attr_text(hn_tfl_attrs *a, const char *name, const char *v);        /* v is static */
hn_err hn_tfl_attr_ints(hn_tfl_op *o, hn_tfl_attrs *a, const char *name, const int64_t *v, size_t count);

/* One node with one output.  domain NULL for ONNX's own; attrs NULL for none. */
hn_err hn_tfl_node(hn_tfl_op *o, const char *domain, const char *op, hn_value *const *in, int in_count,
                   const hn_tfl_attrs *attrs, hn_value **out);
/* With several outputs. */
hn_err hn_tfl_node_n(hn_tfl_op *o, const char *domain, const char *op, hn_value *const *in, int in_count,
                     const hn_tfl_attrs *attrs, hn_value **out, int out_count);
#define HN_TFL_NODE(o, op, attrs, out, ...) \
    hn_tfl_node(o, NULL, op, (hn_value *const[]){ __VA_ARGS__ }, \
                (int)(sizeof (hn_value *const[]){ __VA_ARGS__ } / sizeof(hn_value *)), attrs, out)
#define HN_TFL_HONE(o, op, attrs, out, ...) \
    hn_tfl_node(o, "hone", op, (hn_value *const[]){ __VA_ARGS__ }, \
                (int)(sizeof (hn_value *const[]){ __VA_ARGS__ } / sizeof(hn_value *)), attrs, out)

hn_err hn_tfl_const_ints(hn_tfl_op *o, const int64_t *v, size_t count, hn_value **out);     /* i64 [count] */
hn_err hn_tfl_const_scalar(hn_tfl_op *o, hn_dtype type, double v, hn_value **out);
hn_err hn_tfl_transpose(hn_tfl_op *o, hn_value *x, int rank, const int64_t *perm, hn_value **out);
hn_err hn_tfl_reshape(hn_tfl_op *o, hn_value *x, const int64_t *dim, size_t rank, hn_value **out);
hn_err hn_tfl_cast(hn_tfl_op *o, hn_value *x, hn_dtype to, hn_value **out);
hn_err hn_tfl_channels_first(hn_tfl_op *o, hn_value *x, hn_value **out);     /* N,H,W,C to N,C,H,W */
hn_err hn_tfl_channels_last(hn_tfl_op *o, hn_value *x, hn_value **out);

/* Memory from one run to the next: an input of the model, and what it becomes as an output behind the model's
 * own, called like the input with ".next" behind it. */
hn_err hn_tfl_state(hn_tfl_op *o, hn_text name, hn_dtype type, const hn_shape *shape, hn_value **out);
hn_err hn_tfl_next_state(hn_tfl_op *o, const hn_value *state, hn_value *next);

/* The activation fused into an operator, on floats and plain integers: nothing, Relu, Clip, Tanh. */
enum { HN_TFL_ACT_NONE, HN_TFL_ACT_RELU, HN_TFL_ACT_RELU_N1_TO_1, HN_TFL_ACT_RELU6, HN_TFL_ACT_TANH };
hn_err hn_tfl_activate(hn_tfl_op *o, hn_value *x, int64_t act, hn_value **out);
/* On quantised results it is a range: as attributes y_zero, low and high for output t, or as a Clip. */
hn_err hn_tfl_clip(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *t, int64_t act, hn_value **out);
hn_err hn_tfl_attr_range(hn_tfl_op *o, hn_tfl_attrs *a, const hn_tfl_tensor *t, int64_t act);

/* A table of what f makes of each of the 256 values of an 8-bit quantised operand: any operator on one
 * operand alone, exactly.  f: from real number to real number; rounded half away from zero. */
typedef float hn_tfl_real_fn(float x, const void *arg);
hn_err hn_tfl_lookup(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *from, const hn_tfl_tensor *to,
                     hn_tfl_real_fn *f, const void *arg, hn_value **out);
/* Quantised operand i as real numbers, others as they are; real numbers as what output t wants. */
hn_err hn_tfl_real(hn_tfl_op *o, size_t i, hn_value **out);
hn_err hn_tfl_from_real(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *t, hn_value **out);
/* x in the numbers of `to` instead of those of `from`. */
hn_err hn_tfl_requantise(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *from, const hn_tfl_tensor *to, hn_value **out);

#define OP(code, name, fn) hn_tfl_fn hn_tfl_##fn;
#define CUSTOM(name, fn) hn_tfl_fn hn_tfl_##fn;
#include "formats/tflite_ops.def"
#undef OP
#undef CUSTOM

#endif
