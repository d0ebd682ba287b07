/* SPDX-License-Identifier: Apache-2.0 */
/* Which operators are activations: known once, used by fusion and by the runtime. */
#ifndef HN_GRAPH_ACTIVATION_H
#define HN_GRAPH_ACTIVATION_H

#include "graph/graph.h"

/* Is n one function of input 0, with constant parameters, that kernels know?  Relu, Clip with
 * constant bounds, LeakyRelu, Sigmoid, Tanh, HardSigmoid, HardSwish, Gelu. */
bool hn_node_act(const hn_node *n, hn_act *out);

#endif
