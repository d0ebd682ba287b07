/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dims.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"

#define DIMS_MAX 32

static bool known_name(const hn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->in_count; i++)
        for (int d = 0; d < g->in[i]->t.shape.rank; d++)
            if (hn_is_symbol(g->in[i]->t.shape.dim[d]) &&
                strcmp(hn_graph_symbol_name(g, g->in[i]->t.shape.dim[d]), name) == 0)
                return true;
    return false;
}

hn_err hn_dims_shapes(hn_cli *c, const hn_graph *g, hn_shape *shape)
{
    hone_dim dim[DIMS_MAX];
    char name[DIMS_MAX][64];
    size_t n = hn_arg_count(&c->args, "dim");

    if (n > DIMS_MAX)
        return hn_fail(&c->cx, HN_EARG, "--dim: at most %d", DIMS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *text = hn_arg_at(&c->args, "dim", i), *eq = strchr(text, '=');
        char *end;
        long long v = eq ? strtoll(eq + 1, &end, 10) : -1;
        if (!eq || eq == text || (size_t)(eq - text) >= sizeof name[i] || end == eq + 1 || *end || v < 0)
            return hn_fail(&c->cx, HN_EARG, "--dim %s: expected NAME=N, such as batch=4", text);
        memcpy(name[i], text, (size_t)(eq - text));
        name[i][eq - text] = 0;
        if (!known_name(g, name[i]))
            return hn_fail(&c->cx, HN_EARG, "--dim %s: no input has an open dimension of that name", text);
        dim[i] = (hone_dim){ name[i], v };
    }
    return hn_api_shapes(&c->cx, g, dim, n, shape);
}
