/* SPDX-License-Identifier: Apache-2.0 */
/* --dim NAME=N: sizes for dimensions a model leaves open. */
#ifndef HN_CLI_DIMS_H
#define HN_CLI_DIMS_H

#include "cli/command.h"
#include "graph/graph.h"

#define HN_DIM_OPT { "dim", 'D', HN_OPT_TEXT, "NAME=N", "size of a dimension the model leaves open (default 1)", NULL, 0, 0 }

/* The same with ranges, of commands that compile ahead. */
#define HN_DIM_RANGE_OPT { "dim", 'D', HN_OPT_TEXT, "NAME=N", "size of a dimension the model leaves open (default 1), or MIN:OPT:MAX", NULL, 0, 0 }

typedef enum hn_dim_end { HN_DIM_MIN, HN_DIM_OPT_VALUE, HN_DIM_MAX } hn_dim_end;
enum { HN_DIMS_MAX = 32 };
typedef struct hn_dim { char name[64]; int64_t v[3]; } hn_dim;       /* by hn_dim_end */
typedef struct hn_dims { hn_dim dim[HN_DIMS_MAX]; size_t count; bool ranges; } hn_dims;

hn_err hn_dims_read(hn_cli *c, const hn_graph *g, hn_dims *out);
hn_err hn_dims_at(hn_cli *c, const hn_graph *g, const hn_dims *d, hn_dim_end end, hn_shape *shape);

/* Concrete shapes for every input of g from the command's --dim options; shape[in_count].  Names
 * the model does not have are refused. */
hn_err hn_dims_shapes(hn_cli *c, const hn_graph *g, hn_shape *shape);

#endif
