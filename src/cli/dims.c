/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dims.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"

static bool known_name(const hn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->in_count; i++)
        for (int d = 0; d < g->in[i]->t.shape.rank; d++)
            if (hn_is_symbol(g->in[i]->t.shape.dim[d]) &&
                strcmp(hn_graph_symbol_name(g, g->in[i]->t.shape.dim[d]), name) == 0)
                return true;
    return false;
}

/* "N", or "MIN:OPT:MAX" in order; how many numbers there are, 0 for neither. */
static int parse(const char *text, int64_t v[3])
{
    for (int i = 0; i < 3; i++) {
        char *end;
        long long n = strtoll(text, &end, 10);
        if (end == text || n < 0 || (i > 0 && n < v[i - 1]))
            return 0;
        v[i] = n;
        if (*end == '\0')
            return i == 1 ? 0 : i + 1;
        if (*end != ':')
            return 0;
        text = end + 1;
    }
    return 0;
}

static hn_err read_dims(hn_cli *c, const hn_graph *g, bool ranges, hn_dims *out)
{

    size_t n = out->count = hn_arg_count(&c->args, "dim");
    out->ranges = false;
    if (n > HN_DIMS_MAX)
        return hn_fail(&c->cx, HN_EARG, "--dim: at most %d", HN_DIMS_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *text = hn_arg_at(&c->args, "dim", i), *eq = strchr(text, '=');
        hn_dim *d = &out->dim[i];
        int numbers = eq ? parse(eq + 1, d->v) : 0;
        if (!eq || eq == text || (size_t)(eq - text) >= sizeof d->name || numbers == 0 || (numbers > 1 && !ranges))
            return hn_fail(&c->cx, HN_EARG, ranges ? "--dim %s: expected NAME=N or NAME=MIN:OPT:MAX, such as batch=1:4:32"
                                                   : "--dim %s: expected NAME=N, such as batch=4", text);
        memcpy(d->name, text, (size_t)(eq - text));
        d->name[eq - text] = 0;
        if (!known_name(g, d->name))
            return hn_fail(&c->cx, HN_EARG, "--dim %s: no input has an open dimension of that name", text);
        for (int k = numbers; k < 3; k++)
            d->v[k] = d->v[0];
        out->ranges = out->ranges || numbers > 1;
    }
    return HN_OK;
}

hn_err hn_dims_read(hn_cli *c, const hn_graph *g, hn_dims *out) { return read_dims(c, g, true, out); }

hn_err hn_dims_at(hn_cli *c, const hn_graph *g, const hn_dims *d, hn_dim_end end, hn_shape *shape)
{
    hone_dim dim[HN_DIMS_MAX];
    for (size_t i = 0; i < d->count; i++)
        dim[i] = (hone_dim){ d->dim[i].name, d->dim[i].v[end] };
    return hn_api_shapes(&c->cx, g, dim, d->count, shape);
}

hn_err hn_dims_shapes(hn_cli *c, const hn_graph *g, hn_shape *shape)
{
    hn_dims d;
    HN_TRY(read_dims(c, g, false, &d));
    return hn_dims_at(c, g, &d, HN_DIM_OPT_VALUE, shape);
}
