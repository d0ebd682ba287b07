/* SPDX-License-Identifier: Apache-2.0 */
/* NAME=N: every element of an input, as options of several commands give it. */
#ifndef HN_CLI_FILL_H
#define HN_CLI_FILL_H

#include "cli/command.h"
#include "graph/graph.h"

/* All that the option `opt` was given: numbers, for inputs that exist. */
hn_err hn_fills_check(hn_cli *c, const char *opt, const hn_graph *g);

/* The number given for input `name`, into *v; false when none was. */
bool hn_fill_of(const hn_cli *c, const char *opt, const char *name, double *v);

#endif
