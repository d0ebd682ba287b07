/* SPDX-License-Identifier: Apache-2.0 */
/* --dim NAME=N: sizes for dimensions a model leaves open. */
#ifndef HN_CLI_DIMS_H
#define HN_CLI_DIMS_H

#include "cli/command.h"
#include "graph/graph.h"

#define HN_DIM_OPT { "dim", 'D', HN_OPT_TEXT, "NAME=N", "size of a dimension the model leaves open (default 1)", NULL, 0, 0 }

/* Concrete shapes for every input of g from the command's --dim options; shape[in_count].  Names
 * the model does not have are refused. */
hn_err hn_dims_shapes(hn_cli *c, const hn_graph *g, hn_shape *shape);

#endif
