/* SPDX-License-Identifier: Apache-2.0 */
/* Operators: one descriptor each, listed in graph/ops.def.
 *
 * `infer` says what comes out, from what is known of what goes in; `run` computes it plainly.
 * Both see one hn_call.  graph/eval.c runs any graph with nothing else, and that is the oracle
 * for every faster way. */
#ifndef HN_GRAPH_OP_H
#define HN_GRAPH_OP_H

#include "graph/graph.h"

typedef struct hn_call {
    hn_ctx *cx;
    const hn_node *node;          /* attributes and name */
    int in_count, out_count;

    /* infer: type is always known; rank may be -1; dims below 0 are symbols; data is NULL unless
     *        the value is constant.   run: everything is known.   NULL: input left out. */
    const hn_tensor *const *in;

    /* infer: sets dtype and shape (rank -1 when it cannot tell).  run: fills data; an operator
     * whose output size depends on data may only lower dims that infer gave as an upper bound,
     * see hn_op.shrinks.   NULL: output not wanted. */
    hn_tensor *const *out;

    hn_arena *scratch;            /* run: memory until the call returns; NULL during infer */
    hn_arena *text;               /* run: memory that lives as long as the outputs, for the bytes of
                                   * strings the operator makes; NULL during infer */
    const hn_tensor *const *outer;    /* run: what the node's bodies use of the graph around them, in
                                       * the order of hn_node_outers(); see hn_body in eval.h */
    struct hn_kv *kv;             /* run: the session's key-value cache, or NULL */
    hn_graph *graph;              /* infer: where fresh symbols come from; NULL when all is known */

    /* infer only: integers known ahead of the data, see hn_value.known.  Use hn_known(). */
    const int *in_known_count;
    const int64_t *const *in_known;
    int *out_known_count;         /* per output; infer may set through hn_set_known() */
    const int64_t **out_known;
} hn_call;

typedef struct hn_attr_spec {
    const char *name;
    hn_attr_kind kind;
    const char *note;             /* default or meaning, for the reference page; "" for none */
} hn_attr_spec;

enum hn_op_flags {
    HN_OP_RANDOM  = 1,            /* never folded: another run gives another answer */
    HN_OP_SHRINKS = 2,            /* output size depends on input data: infer gives an upper bound */
    HN_OP_VIEW    = 4,            /* output 0 is input 0's bytes under another shape */
    HN_OP_STATE   = 16,           /* reads or writes the session's state: never folded, never reordered */
    HN_OP_BROADCAST = 8,          /* element-wise with numpy broadcasting, all operands alike */
    HN_OP_LISTS   = 32,           /* takes sequences and optionals too */
};

struct hn_op {
    const char *name;
    const char *domain;           /* NULL for ONNX's own */
    int since;                    /* newest opset of the definition followed, for the reference page */
    int min_in, max_in;           /* max -1: any number */
    int min_out, max_out;
    unsigned flags;
    const hn_attr_spec *attr;     /* ends with a NULL name; NULL for none */
    hn_err (*infer)(hn_call *c);
    hn_err (*run)(hn_call *c);
    hn_err (*make)(hn_call *c);   /* in place of run where only running tells what comes out: sets the
                                   * outputs' type, shape and data, which lives in c->text */
    double (*macs)(const hn_call *c);    /* multiply-adds of one run; NULL for none worth counting */
};

extern const hn_op *const hn_ops[];          /* ends with NULL */
const hn_op *hn_op_find(const char *domain, const char *name);   /* NULL when there is none */

/* Common ways to infer. */
hn_err hn_infer_same(hn_call *c);            /* out 0 has the type and shape of in 0 */
hn_err hn_infer_broadcast(hn_call *c);       /* out 0: type of in 0, broadcast shape of all inputs */

/* out = a and b broadcast together; fails naming the node when they do not fit. */
hn_err hn_broadcast(hn_call *c, const hn_shape *a, const hn_shape *b, hn_shape *out);

/* infer of a node with bodies: types and shapes through the body, whose inputs' are set already. */
hn_err hn_infer_body(hn_call *c, hn_graph *body);

/* Sets out[i] to `type` and `shape`; out[i] may be NULL. */
void hn_out(hn_call *c, int i, hn_dtype type, const hn_shape *shape);
int64_t hn_fresh_dim(hn_call *c);            /* a new unknown dimension */
static inline bool hn_has_in(const hn_call *c, int i) { return i < c->in_count && c->in[i]; }
static inline bool hn_has_out(const hn_call *c, int i) { return i < c->out_count && c->out[i]; }

/* The integers in input i if they are known (from data or from shape arithmetic): count, or -1.
 * Entries may be symbols, which stand for numbers of 0 or more: test with hn_is_symbol before
 * arithmetic.  HN_KNOWN_MAX is as long a list as operators follow. */
enum { HN_KNOWN_MAX = 64 };
int hn_known(const hn_call *c, int i, int64_t *out, int cap);
void hn_set_known(hn_call *c, int i, const int64_t *v, int count);

/* axis as given (may be negative) to 0..rank-1; fails naming the node when outside.
 * For ops that may also address one past the end pass rank + 1. */
hn_err hn_axis(hn_call *c, int64_t axis, int rank, int *out);

/* Fails "node 'x' (Conv): ..." with HN_EFORMAT, or with HN_EUNSUP for hn_unsupported. */
hn_err hn_bad(const hn_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
hn_err hn_unsupported(const hn_call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Scratch for run: NULL when out of memory. */
#define HN_SCRATCH(call, type, count) HN_NEW((call)->scratch, type, count)

#endif
