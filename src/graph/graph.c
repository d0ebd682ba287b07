/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/graph.h"

#include <string.h>

#include "base/num.h"
#include "graph/op.h"

hn_err hn_graph_new(hn_ctx *cx, hn_graph **out)
{
    hn_arena *arena;
    HN_TRY(hn_arena_new(cx, 0, &arena));
    hn_graph *g = HN_NEW(arena, hn_graph, 1);
    if (!g) {
        hn_arena_free(arena);
        return hn_nomem(cx, "a graph");
    }
    g->arena = arena;
    g->name = "";
    *out = g;
    return HN_OK;
}

void hn_graph_free(hn_graph *g)
{
    if (g)
        hn_arena_free(g->arena);
}

hn_err hn_graph_new_body(hn_ctx *cx, hn_graph *parent, hn_graph **out)
{
    hn_graph *g = HN_NEW(parent->arena, hn_graph, 1);
    if (!g)
        return hn_nomem(cx, "a graph body");
    g->arena = parent->arena;
    g->name = "";
    g->parent = parent;
    *out = g;
    return HN_OK;
}

/* Lists double inside the arena; the old copies die with the graph. */
static bool grow(hn_graph *g, void *array_ptr, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t want = *cap ? *cap * 2 : 16;
    void *old, *grown = hn_arena_get_n(g->arena, want, size, sizeof(void *));
    if (!grown)
        return false;
    memcpy(&old, array_ptr, sizeof old);
    if (count)
        memcpy(grown, old, count * size);
    memcpy(array_ptr, &grown, sizeof grown);
    *cap = want;
    return true;
}

hn_err hn_graph_add_value(hn_ctx *cx, hn_graph *g, const char *name, hn_value **out)
{
    hn_value *v = HN_NEW(g->arena, hn_value, 1);
    if (!v || !grow(g, &g->value, g->value_count, &g->value_cap, sizeof *g->value))
        return hn_nomem(cx, "a value");
    v->name = name ? hn_arena_text(g->arena, name, strlen(name)) : "";
    if (!v->name)
        return hn_nomem(cx, "a value");
    v->t.shape.rank = -1;
    v->known_count = -1;
    v->index = (uint32_t)g->value_count;
    g->value[g->value_count++] = v;
    *out = v;
    return HN_OK;
}

hn_err hn_graph_add_input(hn_ctx *cx, hn_graph *g, hn_value *v)
{
    if (!grow(g, &g->in, g->in_count, &g->in_cap, sizeof *g->in))
        return hn_nomem(cx, "a graph input");
    v->is_input = true;
    g->in[g->in_count++] = v;
    return HN_OK;
}

hn_err hn_graph_add_output(hn_ctx *cx, hn_graph *g, hn_value *v)
{
    if (!grow(g, &g->out, g->out_count, &g->out_cap, sizeof *g->out))
        return hn_nomem(cx, "a graph output");
    g->out[g->out_count++] = v;
    return HN_OK;
}

hn_err hn_graph_add_const(hn_ctx *cx, hn_graph *g, const char *name, const hn_tensor *t, hn_value **out)
{
    hn_value *v;
    HN_TRY(hn_graph_add_value(cx, g, name, &v));
    v->t = *t;
    *out = v;
    return HN_OK;
}

hn_err hn_graph_new_const(hn_ctx *cx, hn_graph *g, const char *name, hn_dtype type,
                          const hn_shape *shape, hn_value **out)
{
    hn_tensor t = { type, *shape, NULL };
    size_t bytes = hn_bytes(&t);
    if (cx && cx->env && cx->env->tensor_bytes_max && bytes > cx->env->tensor_bytes_max)
        return hn_fail(cx, HN_ELIMIT, "constant '%s': %zu bytes, over the limit of %zu for one tensor",
                       name ? name : "", bytes, cx->env->tensor_bytes_max);
    t.data = hn_arena_get(g->arena, hn_max(bytes, 1), 64);
    if (!t.data)
        return hn_nomem(cx, "a constant");
    return hn_graph_add_const(cx, g, name, &t, out);
}

hn_err hn_graph_new_const_i64(hn_ctx *cx, hn_graph *g, const char *name, const int64_t *v, size_t count,
                              hn_value **out)
{
    int64_t dim = (int64_t)count;
    hn_shape shape = hn_shape_of(1, &dim);
    HN_TRY(hn_graph_new_const(cx, g, name, HN_I64, &shape, out));
    if (count)
        memcpy((*out)->t.data, v, count * sizeof *v);
    return HN_OK;
}

hn_err hn_graph_add_node(hn_ctx *cx, hn_graph *g, const hn_op *op, const char *name,
                         hn_value *const *in, int in_count, hn_value *const *out, int out_count,
                         const hn_attr *attr, int attr_count, hn_node **made)
{
    hn_node *n = HN_NEW(g->arena, hn_node, 1);
    hn_value **ins = HN_NEW(g->arena, hn_value *, (size_t)in_count);
    hn_value **outs = HN_NEW(g->arena, hn_value *, (size_t)out_count);
    const char *label = name && *name ? hn_arena_text(g->arena, name, strlen(name))
                                      : hn_arena_printf(g->arena, "%s_%zu", op->name, g->node_count);

    if (!n || !ins || !outs || !label ||
        !grow(g, &g->node, g->node_count, &g->node_cap, sizeof *g->node))
        return hn_nomem(cx, "a node");
    for (int i = 0; i < in_count; i++)
        ins[i] = in[i];
    *n = (hn_node){ .name = label, .op = op, .in_count = in_count, .out_count = out_count,
                    .in = ins, .out = outs, .attr_count = attr_count, .attr = attr };
    for (int i = 0; i < out_count; i++) {
        outs[i] = out[i];
        if (out[i])
            out[i]->maker = n;
    }
    g->node[g->node_count++] = n;
    if (made)
        *made = n;
    return HN_OK;
}

hn_err hn_graph_add_meta(hn_ctx *cx, hn_graph *g, hn_text key, hn_text text)
{
    const char *k = hn_arena_text(g->arena, key.ptr, key.len);
    const char *t = hn_arena_text(g->arena, text.ptr, text.len);
    if (!k || !t || !grow(g, &g->meta, g->meta_count, &g->meta_cap, sizeof *g->meta))
        return hn_nomem(cx, "the model's description");
    g->meta[g->meta_count].key = k;
    g->meta[g->meta_count++].text = t;
    return HN_OK;
}

int64_t hn_graph_symbol(hn_ctx *cx, hn_graph *g, const char *name)
{
    while (g->parent)
        g = g->parent;
    for (size_t i = 0; name && i < g->symbol_count; i++)
        if (strcmp(g->symbol[i], name) == 0)
            return HN_SYMBOL + (int64_t)i;

    const char *label = name ? hn_arena_text(g->arena, name, strlen(name))
                             : hn_arena_printf(g->arena, "?%zu", g->symbol_count);
    if (!label || g->symbol_count >= HN_SYMBOLS_MAX ||
        !grow(g, &g->symbol, g->symbol_count, &g->symbol_cap, sizeof *g->symbol)) {
        hn_nomem(cx, "a dimension's name");
        return 0;
    }
    g->symbol[g->symbol_count] = label;
    return HN_SYMBOL + (int64_t)g->symbol_count++;
}

const char *hn_graph_symbol_name(const hn_graph *g, int64_t dim)
{
    while (g->parent)
        g = g->parent;
    return g->symbol[dim - HN_SYMBOL];
}

/* A value of an enclosing graph enters a body as a value with `outer` set, so replacing and
 * counting uses follow that link downwards. */
void hn_graph_replace(hn_graph *g, const hn_value *old, hn_value *by)
{
    for (size_t i = 0; i < g->node_count; i++) {
        hn_node *n = g->node[i];
        for (int j = 0; j < n->in_count; j++)
            if (n->in[j] == old)
                n->in[j] = by;
        for (int j = 0; j < n->attr_count; j++)
            if (n->attr[j].kind == HN_ATTR_GRAPH) {
                hn_graph *body = n->attr[j].graph;
                for (size_t k = 0; k < body->value_count; k++)
                    if (body->value[k]->outer == old)
                        body->value[k]->outer = by;
            }
    }
    for (size_t i = 0; i < g->out_count; i++)
        if (g->out[i] == old)
            g->out[i] = by;
}

size_t hn_graph_uses(const hn_graph *g, const hn_value *v)
{
    size_t uses = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        for (int j = 0; j < n->in_count; j++)
            uses += n->in[j] == v;
        for (int j = 0; j < n->attr_count; j++)
            if (n->attr[j].kind == HN_ATTR_GRAPH) {
                const hn_graph *body = n->attr[j].graph;
                for (size_t k = 0; k < body->value_count; k++)
                    uses += body->value[k]->outer == v;
            }
    }
    for (size_t i = 0; i < g->out_count; i++)
        uses += g->out[i] == v;
    return uses;
}

void hn_graph_count_uses(const hn_graph *g, uint32_t *uses)
{
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        for (int j = 0; j < n->in_count; j++)
            if (n->in[j])
                uses[n->in[j]->index]++;
        for (int j = 0; j < n->attr_count; j++)
            for (size_t k = 0; n->attr[j].kind == HN_ATTR_GRAPH && k < n->attr[j].graph->value_count; k++)
                if (n->attr[j].graph->value[k]->outer)
                    uses[n->attr[j].graph->value[k]->outer->index]++;
    }
    for (size_t i = 0; i < g->out_count; i++)
        uses[g->out[i]->index]++;
}

int hn_node_outers(const hn_node *n, hn_value **out)
{
    int count = 0;
    for (int i = 0; i < n->attr_count; i++) {
        const hn_graph *body = n->attr[i].graph;
        for (size_t k = 0; n->attr[i].kind == HN_ATTR_GRAPH && k < body->value_count; k++) {
            if (!body->value[k]->outer)
                continue;
            if (out)
                out[count] = body->value[k]->outer;
            count++;
        }
    }
    return count;
}

const hn_attr *hn_attr_find(const hn_node *n, const char *name)
{
    for (int i = 0; i < n->attr_count; i++)
        if (strcmp(n->attr[i].name, name) == 0)
            return &n->attr[i];
    return NULL;
}

int64_t hn_attr_int(const hn_node *n, const char *name, int64_t missing)
{
    const hn_attr *a = hn_attr_find(n, name);
    return a && a->kind == HN_ATTR_INT ? a->i : missing;
}

double hn_attr_float(const hn_node *n, const char *name, double missing)
{
    const hn_attr *a = hn_attr_find(n, name);
    return a && a->kind == HN_ATTR_FLOAT ? (double)a->f : missing;
}

hn_text hn_attr_text(const hn_node *n, const char *name, const char *missing)
{
    const hn_attr *a = hn_attr_find(n, name);
    return a && a->kind == HN_ATTR_TEXT ? a->text : (hn_text){ missing, missing ? strlen(missing) : 0 };
}

bool hn_attr_is(const hn_node *n, const char *name, const char *text, const char *missing)
{
    hn_text t = hn_attr_text(n, name, missing);
    return t.len == strlen(text) && memcmp(t.ptr, text, t.len) == 0;
}

size_t hn_attr_ints(const hn_node *n, const char *name, const int64_t **out)
{
    const hn_attr *a = hn_attr_find(n, name);
    bool ok = a && a->kind == HN_ATTR_INTS;
    *out = ok ? a->list.i : NULL;
    return ok ? a->list.count : 0;
}
