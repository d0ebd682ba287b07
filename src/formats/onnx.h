/* SPDX-License-Identifier: Apache-2.0 */
/* Reading ONNX: what the files of this reader share.
 *
 *     onnx.c          the model: versions, functions, description
 *     onnx_graph.c    a graph or body: inputs, constants, nodes, outputs
 *     onnx_order.c    nodes into an order in which everything is made before it is used
 *     onnx_node.c     one node: operands, attributes, functions written out, placeholders
 *     onnx_tensor.c   tensors, in place where they can be; external data
 *     onnx_upgrade.c  older opsets into HIR-1
 *     onnx_contrib.c  Microsoft's contrib operators into ONNX's
 *     onnx_contrib_group.c  and GroupQueryAttention
 *     onnx_data.c     tensors in files of their own
 *
 * Slices (hn_pb, hn_text) point into the file, which outlives the graph. */
#ifndef HN_FORMATS_ONNX_H
#define HN_FORMATS_ONNX_H

#include "formats/format.h"
#include "formats/names.h"
#include "formats/placeholder.h"
#include "formats/protobuf.h"
#include "graph/op.h"

enum {
    HN_ONNX_DEPTH_MAX = 16,           /* bodies inside bodies, functions inside functions */
    HN_ONNX_NODES_MAX = 1 << 20,      /* functions written out may multiply: this ends it */
    HN_ONNX_OPERANDS_MAX = 1 << 16,   /* inputs, outputs or attributes of one node */
    HN_ONNX_INPUTS_MAX = 4096,        /* graph inputs that are not constants */
    HN_ONNX_META_MAX = 4096,
    HN_ONNX_FILES_MAX = 16384,        /* external data, each a mapping */
};

/* One reading of one file. */
typedef struct hn_onnx {
    hn_ctx *cx;
    const char *dir;                  /* external data's folder, NULL when there is none */
    hn_source *src;                   /* NULL while reading a lone tensor */
    hn_arena *arena;                  /* what stays: the graph's */
    hn_arena *scratch;                /* what dies with the reading */
    const uint8_t *start;             /* of the file, for positions in messages */
    size_t mapped_bytes;

    hn_names function;                /* "domain\0name\0overload" -> hn_pb of its FunctionProto */
    hn_names file;                    /* location -> index into src->extra, plus 1, as a pointer */
    hn_placeholders placeholders;
    size_t node_count;                /* made so far, all graphs and functions */
    size_t inferred;                  /* nodes of the root graph whose shapes are told */
    hn_value absent;                  /* stands for a function's input that the caller left out */
} hn_onnx;

/* Versions of the operator sets that nodes of one model or function speak. */
typedef struct hn_onnx_opsets {
    struct { hn_text domain; int64_t version; } *set;
    size_t count;
    int64_t onnx;                     /* of the default domain, 0 when not imported */
} hn_onnx_opsets;

/* Where names mean something: a graph, a body (with `outer`), or a function being written out
 * (without `outer`: it sees only its inputs). */
typedef struct hn_onnx_scope {
    hn_graph *g;
    struct hn_onnx_scope *outer;
    const hn_onnx_opsets *opsets;
    hn_names value;                   /* name -> hn_value */
    int depth;
    const char *prefix;               /* of node names inside functions, "" elsewhere */
    const hn_attr *arg;               /* a function's attributes, by value or by default */
    int arg_count;
} hn_onnx_scope;

/* A node as the file has it, before its operands are looked up. */
typedef struct hn_onnx_raw {
    hn_pb msg;
    hn_text name, op, domain, overload;
    hn_text *in, *out;
    size_t in_count, out_count;
    size_t index;                     /* position in the file, for messages */
} hn_onnx_raw;

/* A node on its way into the graph; upgrades rewrite it. */
typedef struct hn_onnx_node {
    const char *name, *op, *domain;   /* name may be "" */
    hn_value **in, **out;             /* NULL: left out */
    int in_count, out_count, in_cap;  /* in_cap: room for inputs that upgrades add */
    hn_attr *attr;
    int attr_count, attr_cap;
    int64_t opset;                    /* of its domain */
    const char *odd_attr;             /* an attribute of a kind the graph has no place for, or NULL */
} hn_onnx_node;

enum { HN_ONNX_SPARE = 4 };           /* inputs and attributes an upgrade may add */

/* onnx.c */
hn_err hn_onnx_damaged(hn_onnx *r, const hn_pb *at, const char *what);
hn_err hn_onnx_opsets_read(hn_onnx *r, hn_pb msg, uint32_t key, hn_onnx_opsets *out);
int64_t hn_onnx_opset(const hn_onnx_opsets *s, hn_text domain);      /* 0: not imported */
bool hn_onnx_default_domain(hn_text domain);
/* The body of the local function that node n calls; *out is NULL when it is an ordinary operator. */
hn_err hn_onnx_function(hn_onnx *r, const hn_onnx_raw *n, const hn_pb **out);
/* A zero-terminated copy in the scratch arena, or in `arena`; refuses text with zeros in it. */
hn_err hn_onnx_text(hn_onnx *r, hn_arena *arena, hn_text t, const char **out);

/* onnx_graph.c */
hn_err hn_onnx_graph_read(hn_onnx *r, hn_pb msg, hn_onnx_scope *scope);
hn_err hn_onnx_nodes(hn_onnx *r, hn_pb msg, uint32_t node_key, hn_onnx_scope *scope);
void hn_onnx_scope_init(hn_onnx *r, hn_onnx_scope *s, hn_graph *g, hn_onnx_scope *outer);
/* The value called `name` as seen from `scope`, brought in from enclosing graphs when it is
 * theirs; *out is NULL when nobody has it. */
hn_err hn_onnx_find(hn_onnx *r, hn_onnx_scope *scope, hn_text name, hn_value **out);
hn_err hn_onnx_bind(hn_onnx *r, hn_onnx_scope *scope, hn_text name, hn_value *v);

/* A TypeProto: fills in type and shape as far as it tells them. */
hn_err hn_onnx_type(hn_onnx *r, hn_graph *g, hn_pb msg, hn_text name, hn_tensor *t);

/* onnx_order.c */
hn_err hn_onnx_order(hn_onnx *r, hn_onnx_raw *node, size_t count, hn_onnx_raw **order);

/* onnx_node.c */
hn_err hn_onnx_raw_read(hn_onnx *r, hn_pb msg, size_t index, hn_onnx_raw *out);
hn_err hn_onnx_node_add(hn_onnx *r, hn_onnx_scope *scope, const hn_onnx_raw *raw);
hn_err hn_onnx_emit(hn_onnx *r, hn_graph *g, const hn_onnx_node *n);

/* onnx_tensor.c: name may be NULL. */
hn_err hn_onnx_tensor(hn_onnx *r, hn_pb msg, hn_tensor *out, hn_text *name);
hn_err hn_onnx_sparse(hn_onnx *r, hn_pb msg, hn_tensor *out, hn_text *name);

/* onnx_upgrade.c: brings n up to HN_OPSET, making helper nodes in g; *done when it also made the
 * node itself.  HN_EUNSUP: cannot be translated, the message says why. */
hn_err hn_onnx_upgrade(hn_onnx *r, hn_graph *g, hn_onnx_node *n, bool *done);

/* onnx_contrib.c: the same for a node of domain "com.microsoft"; others are left alone. */
hn_err hn_onnx_contrib(hn_onnx *r, hn_graph *g, hn_onnx_node *n, bool *done);

#endif
