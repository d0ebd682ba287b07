/* SPDX-License-Identifier: Apache-2.0 */
/* hone inspect: what is in a model file, and what running it takes. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/buf.h"
#include "cli/dims.h"
#include "cli/inspect_tensors.h"
#include "cli/needs.h"
#include "cli/package.h"
#include "cli/table.h"
#include "runtime/plan.h"

typedef struct view {
    hn_cli *c;
    hn_source src;
    hn_plan *plan;              /* measured, not packed; NULL when the model cannot run */
    char why[HN_MSG_MAX];       /* then: why not */
} view;

/* "f32 Nx3x224x224", symbols by name */
static void describe(const hn_graph *g, const hn_value *v, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "%s ", hn_dtype_name(v->t.dtype));
    const hn_shape *s = &v->t.shape;
    if (s->rank <= 0)
        snprintf(out + at, size - at, s->rank == 0 ? "scalar" : "of any rank");
    for (int i = 0; i < s->rank && at + 1 < size; i++) {
        int n = hn_is_symbol(s->dim[i])
                    ? snprintf(out + at, size - at, "%s%s", i ? "x" : "", hn_graph_symbol_name(g, s->dim[i]))
                    : snprintf(out + at, size - at, "%s%lld", i ? "x" : "", (long long)s->dim[i]);
        at += (size_t)n;
    }
}

/* ---- Facts, once, as JSON ------------------------------------------------------------------------ */

static json_t *ports(const hn_graph *g, hn_value *const *value, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        char text[512];
        json_t *dims = json_array();
        const hn_shape *s = &value[i]->t.shape;
        for (int d = 0; d < s->rank; d++)
            json_array_append_new(dims, hn_is_symbol(s->dim[d]) ? json_string(hn_graph_symbol_name(g, s->dim[d]))
                                                                : json_integer(s->dim[d]));
        describe(g, value[i], text, sizeof text);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "name", value[i]->name, "dtype",
                                              hn_dtype_name(value[i]->t.dtype), "dims", dims, "text", text));
    }
    return list;
}

static json_t *operators(const hn_graph *g)
{
    json_t *count = json_object();
    for (size_t i = 0; i < g->node_count; i++) {
        const char *name = g->node[i]->op->name;
        json_object_set_new(count, name, json_integer(json_integer_value(json_object_get(count, name)) + 1));
    }
    return count;
}

static json_t *unsupported(const hn_source *s)
{
    json_t *list = json_array();
    for (const hn_unsup *u = s->unsup; u; u = u->next)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "node", u->node, "operator", u->op, "domain",
                                              u->domain, "why", u->why));
    return list;
}

static json_t *steps(const hn_plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->step_count; i++) {
        const hn_step *s = &p->step[i];
        char shape[HN_SHAPE_TEXT];
        const hn_slot *out = s->out_count && s->out[0] >= 0 ? &p->slot[s->out[0]] : NULL;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "step", s->node ? s->node->name : "reorder",
            "operator", s->node ? s->node->op->name : "-", "kernel", s->impl->name, "output",
            out ? hn_shape_text(&out->t.shape, shape) : "-", "layout", s->layout == HN_PLAIN ? "plain" : "channels-last",
            "multiply_adds", (json_int_t)s->macs));
    }
    return list;
}

static size_t parameters(const hn_graph *g)
{
    size_t n = 0;
    for (size_t i = 0; i < g->value_count; i++)
        if (hn_is_const(g->value[i]))
            n += hn_count(&g->value[i]->t);
    return n;
}

static json_t *facts(const view *v, bool with_steps)
{
    const hn_graph *g = v->src.graph;
    json_t *meta = json_object();
    for (size_t i = 0; i < g->meta_count; i++)
        json_object_set_new(meta, g->meta[i].key, json_string(g->meta[i].text));
    json_t *j = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "format", v->src.format->name, "graph", g->name,
                          "meta", meta, "inputs", ports(g, g->in, g->in_count), "outputs", ports(g, g->out, g->out_count),
                          "operators", operators(g), "nodes", (json_int_t)g->node_count, "parameters",
                          (json_int_t)parameters(g), "unsupported", unsupported(&v->src));
    if (!j)
        return NULL;
    json_object_set_new(j, "mapped_bytes", json_integer((json_int_t)v->src.mapped_bytes));
    json_object_set_new(j, "runs", json_boolean(v->plan != NULL));
    if (!v->plan) {
        json_object_set_new(j, "why_not", json_string(v->why));
        return j;
    }
    const hn_plan_stats *s = &v->plan->stats;
    json_object_set_new(j, "multiply_adds", json_integer((json_int_t)s->macs));
    json_object_set_new(j, "memory", json_pack("{s:I, s:I, s:I, s:b}", "arena_bytes", (json_int_t)s->arena_bytes,
                                               "packed_bytes", (json_int_t)s->packed_bytes, "folded_bytes",
                                               (json_int_t)s->const_bytes, "exact", s->exact));
    json_object_set_new(j, "step_count", json_integer((json_int_t)v->plan->step_count));
    if (with_steps)
        json_object_set_new(j, "steps", steps(v->plan));
    return j;
}

/* ---- For people ------------------------------------------------------------------------------------ */

static void print_ports(const char *kind, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        printf("%-12s %s: %s\n", i ? "" : kind, json_string_value(json_object_get(p, "name")),
               json_string_value(json_object_get(p, "text")));
    }
}

/* Labels and the like are long and belong to programs: one line, cut. */
static void print_meta(json_t *meta)
{
    const char *key;
    json_t *text;
    json_object_foreach(meta, key, text) {
        const char *s = json_string_value(text);
        int line = (int)strcspn(s, "\n");
        printf("%-12s %.*s%s\n", key, line > 60 ? 60 : line, s, (int)strlen(s) > (line > 60 ? 60 : line) ? " ..." : "");
    }
}

static void print_operators(json_t *count)
{
    const char *name;
    json_t *n;
    int column = printf("%-12s", "operators");
    json_object_foreach(count, name, n) {
        if (column > 70)
            column = printf("\n%-12s", "") - 1;
        column += printf(" %s %lld", name, (long long)json_integer_value(n));
    }
    putchar('\n');
}

static long long number(const json_t *j, const char *key) { return (long long)json_integer_value(json_object_get(j, key)); }

static void print_text(const view *v, const json_t *j)
{
    const json_t *memory = json_object_get(j, "memory"), *missing = json_object_get(j, "unsupported");
    printf("%-12s %s\n", "format", v->src.format->name);
    print_meta(json_object_get(j, "meta"));
    print_ports("inputs", json_object_get(j, "inputs"));
    print_ports("outputs", json_object_get(j, "outputs"));
    print_operators(json_object_get(j, "operators"));
    printf("%-12s %lld\n", "parameters", number(j, "parameters"));
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const json_t *u = json_array_get(missing, i);
        printf("%-12s %s %s: %s\n", i ? "" : "unsupported", json_string_value(json_object_get(u, "operator")),
               json_string_value(json_object_get(u, "node")), json_string_value(json_object_get(u, "why")));
    }
    if (!v->plan) {
        printf("%-12s no: %s\n", "runs", v->why);
        return;
    }
    printf("%-12s %lld\n", "multiply-adds", number(j, "multiply_adds"));
    printf("%-12s %lld bytes of activations and scratch, in one block%s\n", "arena", number(memory, "arena_bytes"),
           v->plan->stats.exact ? "" : ", and more for results whose size depends on data");
    printf("%-12s %lld bytes packed, %lld folded, %lld used in place in the file\n", "weights",
           number(memory, "packed_bytes"), number(memory, "folded_bytes"), number(j, "mapped_bytes"));
}

/* ---- A picture of the graph -------------------------------------------------------------------------- */

/* Inside a quoted Graphviz string. */
static void put_quoted(hn_buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            hn_buf_add(b, "\\", 1);
        hn_buf_add(b, *text == '\n' ? " " : text, 1);
    }
}

static hn_err write_dot(const view *v, const char *path)
{
    const hn_graph *g = v->plan ? v->plan->graph : v->src.graph;
    hn_buf b = { .cx = &v->c->cx };
    hn_buf_text(&b, "digraph model {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n");
    for (size_t i = 0; i < g->in_count; i++) {
        hn_buf_printf(&b, "  v%u [shape=ellipse, label=\"", g->in[i]->index);
        put_quoted(&b, g->in[i]->name);
        hn_buf_text(&b, "\"];\n");
    }
    for (size_t i = 0; i < g->node_count; i++) {
        const hn_node *n = g->node[i];
        hn_buf_printf(&b, "  n%zu [label=\"%s", i, n->op->name);
        if (n->act.kind != HN_ACT_NONE)
            hn_buf_printf(&b, " + %s", hn_act_name(n->act.kind));
        hn_buf_text(&b, "\", tooltip=\"");
        put_quoted(&b, n->name);
        hn_buf_text(&b, "\"];\n");
        for (int k = 0; k < n->out_count; k++)
            if (n->out[k])
                hn_buf_printf(&b, "  v%u [shape=point];\n  n%zu -> v%u [arrowhead=none];\n", n->out[k]->index, i, n->out[k]->index);
        for (int k = 0; k < n->in_count; k++)
            if (n->in[k] && !hn_is_const(n->in[k]))
                hn_buf_printf(&b, "  v%u -> n%zu;\n", n->in[k]->index, i);
    }
    hn_buf_text(&b, "}\n");
    hn_err e = hn_buf_ok(&b, "the picture of the graph");
    if (!e)
        e = hn_file_write(&v->c->cx, path, b.data, b.len);
    hn_buf_free(&b);
    return e;
}

/* A model that cannot run can still be looked at: the reason becomes part of the report. */
static hn_err make_plan(view *v)
{
    hn_ctx *cx = &v->c->cx;
    hn_shape *shape = hn_calloc(cx, v->src.graph->in_count + 1, sizeof *shape);
    hn_err e = shape ? hn_dims_shapes(v->c, v->src.graph, shape) : hn_nomem(cx, "a plan");
    if (e == HN_OK) {
        unsigned threads = v->c->threads ? v->c->threads : hn_cpu_count();
        hn_plan_opts o = { .threads = threads, .in_shape = shape, .measure = true,
                           .built = v->src.built, .built_count = v->src.built_count };
        hn_err p = hn_source_runnable(cx, &v->src);
        if (!p)
            p = hn_plan_new(cx, v->src.graph, &o, &v->plan);
        memcpy(v->why, cx->msg, sizeof v->why);
        e = p == HN_ENOMEM ? p : HN_OK;
    }
    hn_free(cx, shape);
    return e;
}

static hn_err print_needs(hn_cli *c, const char *path)
{
    hn_source src;
    HN_TRY(hn_source_open(&c->cx, path, &src));
    hn_shape *shape = hn_calloc(&c->cx, src.graph->in_count + 1, sizeof *shape);
    hn_err e = shape ? hn_dims_shapes(c, src.graph, shape) : hn_nomem(&c->cx, "a plan");
    if (!e)
        e = hn_needs_print(c, &src, shape);
    hn_free(&c->cx, shape);
    hn_source_close(&c->cx, &src);
    return e;
}

static hn_err run(hn_cli *c)
{
    view v = { .c = c };
    const char *dot = hn_arg_text(&c->args, "dot", NULL);
    bool with_steps = hn_arg_flag(&c->args, "steps");
    json_t *j = NULL;

    if (hn_is_tensor_file(c->args.operand[0]))
        return hn_inspect_tensors(c, c->args.operand[0], hn_arg_flag(&c->args, "tensors"));
    if (hn_cli_is_package(c, c->args.operand[0]))
        return hn_cli_package_inspect(c, c->args.operand[0]);
    if (hn_arg_flag(&c->args, "needs"))
        return print_needs(c, c->args.operand[0]);
    hn_err e = hn_source_open(&c->cx, c->args.operand[0], &v.src);
    if (!e)
        e = make_plan(&v);
    if (!e && !(j = facts(&v, with_steps)))
        e = hn_nomem(&c->cx, "the report");
    if (!e && dot)
        e = write_dot(&v, dot);
    if (!e && c->json) {
        e = hn_json_print(&c->cx, json_incref(j));
    } else if (!e) {
        static const char *const columns[] = { "step", "operator", "kernel", "output", "layout", "multiply_adds", NULL };
        print_text(&v, j);
        if (with_steps && v.plan) {
            putchar('\n');
            e = hn_table_print(&c->cx, json_object_get(j, "steps"), columns, HN_TABLE_TEXT);
        }
    }
    json_decref(j);
    hn_plan_free(&c->cx, v.plan);
    hn_source_close(&c->cx, &v.src);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "the model or package to look at", NULL }, { 0 } };

static const hn_opt opts[] = {
    HN_DIM_OPT,
    { "steps", 0, HN_OPT_FLAG, NULL, "list the steps of the compiled plan", NULL, 0, 0 },
    { "needs", 0, HN_OPT_FLAG, NULL, "list what of Hone the model uses: what `make reduced` builds a library from", NULL, 0, 0 },
    { "tensors", 0, HN_OPT_FLAG, NULL, "of a .gguf or .safetensors file: list every tensor", NULL, 0, 0 },
    { "dot", 0, HN_OPT_FILE, "FILE", "write the optimised graph for Graphviz", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_inspect = {
    .name = "inspect",
    .summary = "show what is in a model and what running it takes",
    .example = "hone inspect model.onnx",
    .help = "Inputs, outputs, operators, parameters, multiply-adds; operators this build lacks, by node; and the\n"
            "exact bytes a session will need, before anything of it is allocated.\n\n"
            "Files of tensors alone (.gguf, .safetensors): what they say of themselves, types, sizes.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
