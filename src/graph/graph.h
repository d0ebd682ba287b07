/* SPDX-License-Identifier: Apache-2.0 */
/* The graph: values and the nodes that make them (HIR-1).
 *
 * Operators are the ONNX operators at opset HN_OPSET plus a few in the "hone" domain;
 * importers translate into this vocabulary, so everything below speaks only it.
 *
 * SSA: a value is made once, by a node, or is an input, or is a constant.  Nodes are kept in
 * an order in which every value is made before it is used.  Everything lives in the graph's
 * arena and dies with it; a constant's bytes may instead lie in the mapped file the graph
 * was read from, which the owner of the graph keeps open.
 *
 * While it runs a graph is read-only: many threads may evaluate or compile one graph. */
#ifndef HN_GRAPH_GRAPH_H
#define HN_GRAPH_GRAPH_H

#include "base/arena.h"
#include "kernels/act.h"
#include "tensor/tensor.h"

#define HN_OPSET 28

/* Dimensions that are only names: numbers so low that no arithmetic on real ones meets them,
 * which lets shape arithmetic carry them beside ordinary integers, -1 included. */
#define HN_SYMBOL INT64_MIN
#define HN_SYMBOLS_MAX ((int64_t)1 << 31)
static inline bool hn_is_symbol(int64_t dim) { return dim < HN_SYMBOL + HN_SYMBOLS_MAX; }

typedef struct hn_node hn_node;
typedef struct hn_graph hn_graph;
typedef struct hn_op hn_op;

typedef struct hn_value {
    const char *name;           /* may be "" */
    hn_tensor t;                /* type and shape as far as known; data only for constants */
    hn_node *maker;             /* NULL for inputs and constants */
    uint32_t index;             /* position in graph->value */
    bool is_input;              /* fed from outside (of this graph or of its parent, for bodies) */
    bool absent;                /* a constant of a plan file that left it out: the plan holds it packed; reads as zeros */
    struct hn_value *outer;     /* in a body: the value of the enclosing graph it stands for */

    /* What is known of the numbers in a small integer tensor before it exists: shape arithmetic.
     * Entries may be symbolic dimensions.  known_count is -1 when nothing is known. */
    int known_count;
    const int64_t *known;
} hn_value;

typedef enum hn_attr_kind {
    HN_ATTR_INT, HN_ATTR_FLOAT, HN_ATTR_TEXT, HN_ATTR_TENSOR, HN_ATTR_GRAPH,
    HN_ATTR_INTS, HN_ATTR_FLOATS, HN_ATTR_TEXTS,
} hn_attr_kind;

typedef struct hn_attr {
    const char *name;
    hn_attr_kind kind;
    union {
        int64_t i;
        float f;
        hn_text text;
        hn_tensor tensor;
        hn_graph *graph;
        struct { const int64_t *i; const float *f; const hn_text *text; size_t count; } list;
    };
} hn_attr;

struct hn_node {
    const char *name;           /* never empty: importers make one up ("Conv_12") */
    const hn_op *op;
    int in_count, out_count;
    hn_value **in;              /* NULL where an optional input is left out */
    hn_value **out;             /* NULL where an optional output is not wanted */
    int attr_count;
    const hn_attr *attr;
    hn_act act;                 /* applied to output 0 after the operator; set by fusion */
};

struct hn_graph {
    hn_arena *arena;
    const char *name;
    hn_graph *parent;           /* for the body of a control-flow node */
    bool hollow;                /* some constants are absent: it runs only through the plans it came with */

    hn_value **value;  size_t value_count, value_cap;
    hn_node **node;    size_t node_count, node_cap;
    hn_value **in;     size_t in_count, in_cap;
    hn_value **out;    size_t out_count, out_cap;

    /* Names of unknown dimensions: symbol[i] is what the dimension HN_SYMBOL + i is called.
     * Bodies use the root's. */
    const char **symbol; size_t symbol_count, symbol_cap;

    struct { const char *key, *text; } *meta; size_t meta_count, meta_cap;  /* from the file */
};

hn_err hn_graph_new(hn_ctx *cx, hn_graph **out);
void hn_graph_free(hn_graph *g);            /* NULL is fine */

/* A body inside `parent`: its own lists, the parent's arena and symbols. */
hn_err hn_graph_new_body(hn_ctx *cx, hn_graph *parent, hn_graph **out);

/* name: copied; may be NULL.  The value's shape has unknown rank, its type is HN_NONE. */
hn_err hn_graph_add_value(hn_ctx *cx, hn_graph *g, const char *name, hn_value **out);
hn_err hn_graph_add_input(hn_ctx *cx, hn_graph *g, hn_value *v);
hn_err hn_graph_add_output(hn_ctx *cx, hn_graph *g, hn_value *v);

/* A constant whose data is borrowed: it must live as long as the graph. */
hn_err hn_graph_add_const(hn_ctx *cx, hn_graph *g, const char *name, const hn_tensor *t, hn_value **out);
/* The same with zeroed data allocated in the arena, for the caller to fill. */
hn_err hn_graph_new_const(hn_ctx *cx, hn_graph *g, const char *name, hn_dtype type,
                          const hn_shape *shape, hn_value **out);
hn_err hn_graph_new_const_i64(hn_ctx *cx, hn_graph *g, const char *name, const int64_t *v, size_t count,
                              hn_value **out);     /* a 1-d tensor */

/* Appends a node (arrays are copied; outputs' maker is set).  `attr` lives in the arena already. */
hn_err hn_graph_add_node(hn_ctx *cx, hn_graph *g, const hn_op *op, const char *name,
                         hn_value *const *in, int in_count, hn_value *const *out, int out_count,
                         const hn_attr *attr, int attr_count, hn_node **made);

/* A fresh unknown dimension, or the one called `name` when not NULL.  Returns the number that
 * stands for it, or 0 when out of memory. */
int64_t hn_graph_symbol(hn_ctx *cx, hn_graph *g, const char *name);
const char *hn_graph_symbol_name(const hn_graph *g, int64_t dim);

/* Notes what the file says about itself; both are copied. */
hn_err hn_graph_add_meta(hn_ctx *cx, hn_graph *g, hn_text key, hn_text text);

/* Every use of `old` in g (and in the bodies inside it) becomes `by`. */
void hn_graph_replace(hn_graph *g, const hn_value *old, hn_value *by);
size_t hn_graph_uses(const hn_graph *g, const hn_value *v);   /* graph outputs count, bodies too */
void hn_graph_count_uses(const hn_graph *g, uint32_t *uses);   /* the same of every value, by its index; added to what is there */

/* Checks what every pass must keep: order, SSA, operand counts, attributes, types. */
hn_err hn_graph_verify(hn_ctx *cx, const hn_graph *g);
hn_err hn_node_verify(hn_ctx *cx, const hn_node *n);    /* one node's operand counts and attributes */

/* Infers types and shapes of every value, in order.  Safe to call again after a pass or after
 * input shapes were made concrete. */
hn_err hn_graph_infer(hn_ctx *cx, hn_graph *g);
/* The same for the nodes from *next on, each verified already, while a graph is being built; *next ends behind the last
 * node that could be told. */
hn_err hn_graph_infer_from(hn_ctx *cx, hn_graph *g, size_t *next);

static inline bool hn_is_const(const hn_value *v) { return v && v->t.data != NULL; }

/* What the bodies of n use of the graph around them, in a fixed order, into `out` when it is not NULL;
 * returns how many.  An evaluation gives these to the node behind its inputs.  A value may come twice. */
int hn_node_outers(const hn_node *n, hn_value **out);

/* Attributes.  A missing attribute gives the default; a wrong kind was refused by the verifier. */
const hn_attr *hn_attr_find(const hn_node *n, const char *name);    /* NULL when missing */
int64_t hn_attr_int(const hn_node *n, const char *name, int64_t missing);
double hn_attr_float(const hn_node *n, const char *name, double missing);
hn_text hn_attr_text(const hn_node *n, const char *name, const char *missing);
bool hn_attr_is(const hn_node *n, const char *name, const char *text, const char *missing);
/* Points at the list and returns its length, 0 when missing. */
size_t hn_attr_ints(const hn_node *n, const char *name, const int64_t **out);

#endif
