/* SPDX-License-Identifier: Apache-2.0 */
/* planfile.c: a plan file back to graphs and what was found out about them, weights where they lie. */
#include "formats/planfile.h"

#include <stdio.h>
#include <string.h>

#include "base/checksum.h"
#include "base/num.h"
#include "graph/op.h"
#include "kernels/pick.h"

enum { DEPTH_MAX = 16, GRAPHS_MAX = 65, PORTS_MAX = 1 << 16, LIST_MAX = 1 << 22, OPS_MAX = 1024 };

typedef struct reader {
    hn_ctx *cx;
    const uint8_t *data;                 /* the file */
    const uint8_t *at, *end;             /* of the tree */
    bool damaged;
    hn_graph *g;                         /* whose arena holds all that lives as long as the source */
    const hn_op *op[OPS_MAX]; size_t ops;            /* as they were named */
    size_t absent_most;                  /* bytes of the largest constant that is left out */
    hn_source *src;
} reader;

/* ---- Numbers ----------------------------------------------------------------------------------- */

static inline const void *take(reader *r, size_t bytes)
{
    const uint8_t *p = r->at;
    if (r->damaged || bytes > (size_t)(r->end - r->at)) {
        r->damaged = true;
        return NULL;
    }
    r->at += bytes;
    return p;
}

static inline uint64_t get(reader *r, size_t bytes)
{
    uint64_t v = 0;
    const void *p = take(r, bytes);
    if (p)
        memcpy(&v, p, bytes);
    return v;
}

static float get_real(reader *r)
{
    float f = 0;
    const void *p = take(r, sizeof f);
    if (p)
        memcpy(&f, p, sizeof f);
    return f;
}

/* Ends with a zero, so it is a string too. */
static hn_text get_text(reader *r)
{
    size_t len = (size_t)get(r, 4);
    const char *p = take(r, hn_add(len, 1));
    if (!p || p[len] != '\0') {
        r->damaged = true;
        return (hn_text){ "", 0 };
    }
    return (hn_text){ p, len };
}

/* Each of the things counted takes at least `least` bytes of what is left. */
static size_t get_count(reader *r, size_t least, size_t most)
{
    size_t n = (size_t)get(r, 4);
    r->damaged = r->damaged || n > most || n > (size_t)(r->end - r->at) / least;
    return r->damaged ? 0 : n;
}

static hn_err check(reader *r, const char *what)
{
    return r->damaged ? hn_fail(r->cx, HN_EFORMAT, "damaged: %s does not hold together", what) : HN_OK;
}

static hn_err get_shape(reader *r, const hn_graph *g, hn_shape *out)
{
    hn_shape s = { .rank = (int8_t)get(r, 1) };
    r->damaged = r->damaged || s.rank < -1 || s.rank > HN_RANK_MAX;
    for (int i = 0; i < s.rank && !r->damaged; i++) {
        s.dim[i] = (int64_t)get(r, 8);
        bool symbol = hn_is_symbol(s.dim[i]) && (uint64_t)(s.dim[i] - HN_SYMBOL) < g->symbol_count;
        r->damaged = r->damaged || (s.dim[i] < 0 && !symbol);
    }
    *out = s;
    return check(r, "a shape");
}

/* Bytes elsewhere in the file, as long as they were when it was written. */
static const void *get_blob(reader *r, size_t bytes)
{
    uint64_t at = get(r, 8), len = get(r, 8), sum = get(r, 8);
    size_t end = (size_t)(r->end - r->data);
    if (r->damaged || at % HN_PLANFILE_ALIGN || at > end || len > end - at || (bytes != SIZE_MAX && len != bytes) ||
        hn_checksum(r->data + at, (size_t)len) != sum) {
        r->damaged = true;
        return NULL;
    }
    r->src->mapped_bytes += (size_t)len;
    return r->data + at;
}

/* ---- Tensors ----------------------------------------------------------------------------------- */

static hn_err get_data(reader *r, hn_tensor *t)
{
    size_t count = hn_count(t), bytes = hn_bytes(t);
    if (!hn_shape_known(&t->shape) || t->dtype == HN_NONE || hn_is_list(t->dtype) || bytes == SIZE_MAX)
        r->damaged = true;
    HN_TRY(check(r, "a constant"));
    if (hn_dtype_class(t->dtype) != HN_CLASS_S) {
        t->data = (void *)(uintptr_t)get_blob(r, bytes);
        return check(r, "a constant's checksum");
    }
    r->damaged = count > (size_t)(r->end - r->at) / 5;
    hn_text *text = r->damaged ? NULL : HN_NEW(r->g->arena, hn_text, count + 1);
    if (!text)
        return r->damaged ? check(r, "a list of texts") : hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < count; i++)
        text[i] = get_text(r);
    t->data = text;
    return check(r, "a list of texts");
}

static hn_dtype get_type(reader *r)
{
    unsigned t = (unsigned)get(r, 1);
    r->damaged = r->damaged || (t & (HN_SEQ - 1)) >= HN_DTYPE_COUNT;
    return r->damaged ? HN_NONE : (hn_dtype)t;
}

static hn_err get_tensor(reader *r, const hn_graph *g, hn_tensor *t)
{
    *t = (hn_tensor){ .dtype = get_type(r) };
    HN_TRY(get_shape(r, g, &t->shape));
    return get_data(r, t);
}

/* ---- Graphs ------------------------------------------------------------------------------------ */

/* A constant in a pack only: whoever looks at it all the same sees zeros. */
static hn_err get_absent(reader *r, hn_graph *g, hn_value *v)
{
    size_t bytes = hn_bytes(&v->t);
    if (g->parent || !hn_shape_known(&v->t.shape) || v->t.dtype == HN_NONE || hn_is_list(v->t.dtype) ||
        hn_dtype_class(v->t.dtype) == HN_CLASS_S || bytes == SIZE_MAX)
        r->damaged = true;
    HN_TRY(check(r, "a constant that is left out"));
    size_t most = r->cx && r->cx->env ? r->cx->env->tensor_bytes_max : 0;
    if (most && bytes > most)
        return hn_fail(r->cx, HN_ELIMIT, "constant '%.80s': %zu bytes, over the limit of %zu for one tensor", v->name,
                       bytes, most);
    r->absent_most = hn_max(r->absent_most, hn_max(bytes, 1));
    v->absent = g->hollow = true;
    return HN_OK;
}

static hn_err get_value(reader *r, hn_graph *g)
{
    hn_value *v;
    hn_text name = get_text(r);
    size_t outer = (size_t)get(r, 4), kind = (size_t)get(r, 1);
    HN_TRY(hn_graph_add_value(r->cx, g, NULL, &v));
    v->name = name.ptr;
    v->t.dtype = get_type(r);
    HN_TRY(get_shape(r, g, &v->t.shape));
    if (outer) {
        const hn_graph *p = g->parent;
        r->damaged = !p || outer > p->value_count || kind != HN_PLANFILE_MADE;
        HN_TRY(check(r, "a body"));
        v->outer = p->value[outer - 1];
        /* Nodes come in order, so what the body sees is there already. */
        const hn_value *from = v->outer;
        r->damaged = !from->maker && !from->is_input && !from->outer && !hn_is_const(from) && !from->absent;
        return check(r, "a body");
    }
    if (kind == HN_PLANFILE_CONST)
        return get_data(r, &v->t);
    if (kind == HN_PLANFILE_ABSENT)
        return get_absent(r, g, v);
    r->damaged = r->damaged || kind != HN_PLANFILE_MADE;
    return check(r, "a value");
}

/* Numbers of values, 0: none. */
static hn_err get_ports(reader *r, const hn_graph *g, bool all, hn_value ***out, size_t *count)
{
    *count = get_count(r, 4, PORTS_MAX);
    hn_value **v = HN_NEW(g->arena, hn_value *, *count + 1);
    if (!v)
        return hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < *count; i++) {
        size_t n = (size_t)get(r, 4);
        r->damaged = r->damaged || n > g->value_count || (all && n == 0);
        v[i] = r->damaged || n == 0 ? NULL : g->value[n - 1];
    }
    *out = v;
    return check(r, "a list of values");
}

static hn_err get_graph(reader *r, hn_graph *g, int depth);

static hn_err get_list(reader *r, const hn_graph *g, hn_attr *a)
{
    size_t each = a->kind == HN_ATTR_INTS ? 8 : a->kind == HN_ATTR_FLOATS ? 4 : 5;
    size_t count = a->list.count = get_count(r, each, LIST_MAX);
    int64_t *i = a->kind == HN_ATTR_INTS ? HN_NEW(g->arena, int64_t, count + 1) : NULL;
    float *f = a->kind == HN_ATTR_FLOATS ? HN_NEW(g->arena, float, count + 1) : NULL;
    hn_text *t = a->kind == HN_ATTR_TEXTS ? HN_NEW(g->arena, hn_text, count + 1) : NULL;
    if (!i && !f && !t)
        return hn_nomem(r->cx, "a plan");
    for (size_t k = 0; k < count; k++) {
        if (i) i[k] = (int64_t)get(r, 8);
        if (f) f[k] = get_real(r);
        if (t) t[k] = get_text(r);
    }
    a->list.i = i;
    a->list.f = f;
    a->list.text = t;
    return check(r, "an attribute");
}

static hn_err get_attr(reader *r, hn_graph *g, int depth, hn_attr *a)
{
    a->name = get_text(r).ptr;
    a->kind = (hn_attr_kind)get(r, 1);
    switch (a->kind) {
    case HN_ATTR_INT:    a->i = (int64_t)get(r, 8); break;
    case HN_ATTR_FLOAT:  a->f = get_real(r); break;
    case HN_ATTR_TEXT:   a->text = get_text(r); break;
    case HN_ATTR_TENSOR: return get_tensor(r, g, &a->tensor);
    case HN_ATTR_GRAPH:
        r->damaged = r->damaged || depth >= DEPTH_MAX;
        HN_TRY(check(r, "a body"));
        HN_TRY(hn_graph_new_body(r->cx, g, &a->graph));
        return get_graph(r, a->graph, depth + 1);
    case HN_ATTR_INTS: case HN_ATTR_FLOATS: case HN_ATTR_TEXTS: return get_list(r, g, a);
    default: r->damaged = true;
    }
    return check(r, "an attribute");
}

/* A number, and where it is new the operator's name. */
static const hn_op *get_op(reader *r)
{
    size_t at = (size_t)get(r, 2);
    if (at == r->ops && at < OPS_MAX) {
        hn_text domain = get_text(r), name = get_text(r);
        r->op[at] = r->damaged ? NULL : hn_op_find(domain.ptr, name.ptr);
        r->ops += r->op[at] != NULL;
    }
    r->damaged = r->damaged || at >= r->ops;
    return r->damaged ? NULL : r->op[at];
}

static hn_err get_node(reader *r, hn_graph *g, int depth)
{
    hn_value **in, **out;
    size_t ins, outs;
    hn_node *n;
    hn_text name = get_text(r);
    const hn_op *op = get_op(r);
    HN_TRY(check(r, "a node"));
    HN_TRY(get_ports(r, g, false, &in, &ins));
    HN_TRY(get_ports(r, g, false, &out, &outs));
    hn_act act = { .kind = (hn_act_kind)get(r, 1) };
    act.a = get_real(r);
    act.b = get_real(r);
    size_t count = get_count(r, 6, PORTS_MAX);
    hn_attr *attr = HN_NEW(g->arena, hn_attr, count + 1);
    if (!attr)
        return hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < count; i++)
        HN_TRY(get_attr(r, g, depth, &attr[i]));
    r->damaged = r->damaged || act.kind > HN_ACT_GELU_TANH || outs == 0;
    HN_TRY(check(r, "a node"));
    HN_TRY(hn_graph_add_node(r->cx, g, op, name.ptr, in, (int)ins, out, (int)outs, attr, (int)count, &n));
    n->act = act;
    return HN_OK;
}

static hn_err get_names(reader *r, hn_graph *g)
{
    g->name = get_text(r).ptr;
    size_t symbols = get_count(r, 5, LIST_MAX);
    for (size_t i = 0; i < symbols && !r->damaged; i++) {
        int64_t d = hn_graph_symbol(r->cx, g, get_text(r).ptr);
        if (d == 0)
            return HN_ENOMEM;
        r->damaged = r->damaged || (!g->parent && d != HN_SYMBOL + (int64_t)i);
    }
    size_t meta = get_count(r, 10, LIST_MAX);
    for (size_t i = 0; i < meta && !r->damaged; i++) {
        hn_text key = get_text(r), text = get_text(r);
        HN_TRY(hn_graph_add_meta(r->cx, g, key, text));
    }
    return check(r, "names");
}

static hn_err get_graph(reader *r, hn_graph *g, int depth)
{
    hn_value **v;
    size_t count;
    HN_TRY(get_names(r, g));
    size_t values = get_count(r, 12, LIST_MAX);
    for (size_t i = 0; i < values; i++)
        HN_TRY(get_value(r, g));
    HN_TRY(get_ports(r, g, true, &v, &count));
    for (size_t i = 0; i < count; i++)
        HN_TRY(hn_graph_add_input(r->cx, g, v[i]));
    hn_value **out;
    size_t out_count;
    HN_TRY(get_ports(r, g, true, &out, &out_count));
    size_t nodes = get_count(r, 36, LIST_MAX);
    for (size_t i = 0; i < nodes; i++)
        HN_TRY(get_node(r, g, depth));
    for (size_t i = 0; i < out_count; i++)
        HN_TRY(hn_graph_add_output(r->cx, g, out[i]));
    return check(r, "a graph");
}

/* ---- What was found out about them -------------------------------------------------------------- */

static hn_err get_build(reader *r, hn_graph **graph, size_t graphs, const char *isa, hn_built *b)
{
    size_t at = (size_t)get(r, 4), nodes = get_count(r, 10, LIST_MAX);
    r->damaged = r->damaged || at >= graphs || nodes != graph[at]->node_count;
    HN_TRY(check(r, "a plan's list of nodes"));
    *b = (hn_built){ .graph = graph[at], .isa = isa };
    if (b->graph->in_count != graph[0]->in_count || b->graph->out_count != graph[0]->out_count)
        r->damaged = true;
    for (size_t i = 0; i < b->graph->in_count && !r->damaged; i++)
        r->damaged = b->graph->in[i]->t.dtype != graph[0]->in[i]->t.dtype || !hn_shape_known(&b->graph->in[i]->t.shape);
    HN_TRY(check(r, "a plan's list of inputs"));
    hn_choice *choice = HN_NEW(r->g->arena, hn_choice, nodes + 1);
    if (!choice)
        return hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < nodes; i++) {
        const char *impl = get_text(r).ptr;
        choice[i] = (hn_choice){ *impl ? impl : NULL, (uint32_t)get(r, 4), get(r, 1) != 0 };
    }
    b->pack_count = get_count(r, 24, LIST_MAX);
    hn_packed *pack = HN_NEW(r->g->arena, hn_packed, b->pack_count + 1);
    if (!pack)
        return hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < b->pack_count && !r->damaged; i++) {
        const uint8_t *bytes = r->at + 8;
        pack[i].data = get_blob(r, SIZE_MAX);
        uint64_t len = 0;
        if (pack[i].data)
            memcpy(&len, bytes, sizeof len);
        pack[i].bytes = (size_t)len;
    }
    b->choice = choice;
    b->pack = pack;
    return check(r, "packed weights' checksum");
}

static hn_err get_ranges(reader *r, hn_built *b, size_t builds)
{
    size_t count = get_count(r, 21, LIST_MAX);
    hn_range *range = HN_NEW(r->g->arena, hn_range, count + 1);
    if (!range)
        return hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < count; i++)
        range[i] = (hn_range){ get_text(r).ptr, (int64_t)get(r, 8), (int64_t)get(r, 8) };
    for (size_t i = 0; i < builds; i++) {
        b[i].range = range;
        b[i].range_count = count;
    }
    return check(r, "ranges of dimensions");
}

/* Graph 0 is the source's own; the others belong to the source, too. */
static hn_err get_tree(reader *r, const char *isa)
{
    hn_source *s = r->src;
    size_t graphs = get_count(r, 30, GRAPHS_MAX);
    r->damaged = r->damaged || graphs == 0;
    HN_TRY(check(r, "the list of graphs"));
    s->also = hn_calloc(r->cx, graphs, sizeof *s->also);
    if (!s->also)
        return hn_nomem(r->cx, "a plan");
    hn_graph *all[GRAPHS_MAX];
    for (size_t i = 0; i < graphs; i++) {
        HN_TRY(hn_graph_new(r->cx, &all[i]));
        if (i == 0)
            s->graph = r->g = all[0];
        else
            s->also[s->also_count++] = all[i];
        HN_TRY(get_graph(r, all[i], 0));
    }
    size_t builds = get_count(r, 12, GRAPHS_MAX);
    hn_built *b = HN_NEW(r->g->arena, hn_built, builds + 1);
    if (!b)
        return hn_nomem(r->cx, "a plan");
    for (size_t i = 0; i < builds; i++)
        HN_TRY(get_build(r, all, graphs, isa, &b[i]));
    HN_TRY(get_ranges(r, b, builds));
    s->built = b;
    s->built_count = builds;
    return HN_OK;
}

/* Those left out share one piece of memory that costs nothing until somebody reads what nobody should. */
static hn_err fill_absent(reader *r)
{
    hn_source *s = r->src;
    if (r->absent_most == 0)
        return HN_OK;
    HN_TRY(hn_file_zeros(r->cx, r->absent_most, &s->zeros));
    for (size_t i = 0; i <= s->also_count; i++) {
        hn_graph *g = i ? s->also[i - 1] : s->graph;
        for (size_t k = 0; k < g->value_count; k++)
            if (g->value[k]->absent)
                g->value[k]->t.data = (void *)(uintptr_t)s->zeros.data;
    }
    return HN_OK;
}

/* ---- The header --------------------------------------------------------------------------------- */

static bool probe(const uint8_t *data, size_t len, const char *extension)
{
    (void)extension;
    return len >= 8 && memcmp(data, HN_PLANFILE_MAGIC, 8) == 0;
}

static uint64_t field(const uint8_t *data, size_t at, size_t bytes)
{
    uint64_t v = 0;
    memcpy(&v, data + at, bytes);
    return v;
}

static const char *text_at(const uint8_t *data, size_t at) { return (const char *)data + at; }

static hn_err check_header(hn_ctx *cx, const uint8_t *data, size_t len)
{
    static const size_t ends[] = { HN_PLANFILE_AT_ISA, HN_PLANFILE_AT_MACHINE, HN_PLANFILE_AT_SOURCE,
                                   HN_PLANFILE_AT_SOURCE_SUM };
    if (len < HN_PLANFILE_HEADER)
        return hn_fail(cx, HN_EFORMAT, "damaged: %zu bytes, less than a plan file's header; compile the model again", len);
    bool whole = field(data, HN_PLANFILE_AT_SUM, 8) == hn_checksum(data, HN_PLANFILE_AT_SUM);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        whole = whole && data[ends[i] - 1] == 0;
    uint64_t tree = field(data, HN_PLANFILE_AT_TREE, 8), bytes = field(data, HN_PLANFILE_AT_LEN, 8);
    if (!whole)
        return hn_fail(cx, HN_EFORMAT, "damaged: the header's checksum differs; compile the model again");
    if (bytes != len || tree < HN_PLANFILE_HEADER || tree > len)
        return hn_fail(cx, HN_EFORMAT, "damaged: %zu bytes, expected %llu; compile the model again", len,
                       (unsigned long long)bytes);
    return HN_OK;
}

/* Why this program on this machine cannot use it, into `why`; false when it can. */
static bool foreign(const uint8_t *data, const char *isa, char *why, size_t size)
{
    const char *engine = text_at(data, HN_PLANFILE_AT_ENGINE), *machine = text_at(data, HN_PLANFILE_AT_MACHINE);
    unsigned version = (unsigned)field(data, HN_PLANFILE_AT_VERSION, 4);
    *why = '\0';
    if (version != HN_PLANFILE_VERSION)
        snprintf(why, size, "the plan's format is version %u, this program reads %d", version, HN_PLANFILE_VERSION);
    else if (strcmp(engine, hn_engine_id()) != 0)
        snprintf(why, size, "the plan was compiled by engine %s, this is %s", engine, hn_engine_id());
    else if (strcmp(machine, hn_machine_name()) != 0 || strcmp(text_at(data, HN_PLANFILE_AT_ISA), isa) != 0)
        snprintf(why, size, "the plan was compiled for %s %s, this is %s %s", machine, text_at(data, HN_PLANFILE_AT_ISA),
                 hn_machine_name(), isa);
    return *why;
}

/* The model it was made from, where it still lies beside the plan and is still the same. */
static hn_err read_source(hn_ctx *cx, const uint8_t *data, const char *dir, const char *why, hn_source *s)
{
    const char *name = text_at(data, HN_PLANFILE_AT_SOURCE);
    hn_file f = { 0 };
    hn_ctx quiet = { .env = cx ? cx->env : NULL };
    bool there = dir && *name && hn_file_open_inside(&quiet, dir, name, strlen(name), &f) == HN_OK;
    bool same = there && f.len == field(data, HN_PLANFILE_AT_SOURCE_LEN, 8) &&
                hn_checksum(f.data, f.len) == field(data, HN_PLANFILE_AT_SOURCE_SUM, 8);
    const hn_format *format = NULL;
    for (const hn_format *const *i = hn_formats; *i && same && !format; i++)
        if ((*i)->probe != probe && (*i)->probe(f.data, f.len, hn_path_extension(name)))
            format = *i;
    if (!format || !hn_grow(cx, &s->extra, s->extra_count, &s->extra_cap, sizeof *s->extra)) {
        hn_file_close(&f);
        return hn_fail(cx, HN_EUNSUP, "unsupported: %s, and the model it was made from (%.80s) %s; run `hone compile` here "
                       "with that model", why, *name ? name : "its name is too long", there && !format ? "has changed since"
                       : "is not beside it");
    }
    s->extra[s->extra_count++] = (hn_extra){ .file = f, .name = name };
    hn_log(cx, HN_LOG_WARN, "%s; %s beside it is used in its place: run `hone compile` here for a fast start", why, name);
    s->format = format;
    return format->read(cx, f.data, f.len, dir, s);
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, const char *dir, hn_source *s)
{
    const hn_kernels *k;
    char why[256];
    HN_TRY(check_header(cx, data, len));
    HN_TRY(hn_kernels_choose(cx, &k));
    if (foreign(data, k->isa, why, sizeof why))
        return read_source(cx, data, dir, why, s);
    size_t tree = (size_t)field(data, HN_PLANFILE_AT_TREE, 8);
    if (hn_checksum(data + tree, len - tree) != field(data, HN_PLANFILE_AT_TREE_SUM, 8))
        return hn_fail(cx, HN_EFORMAT, "damaged: the graph's checksum differs; compile the model again");
    if ((uintptr_t)data % HN_PLANFILE_ALIGN) {       /* not from a mapping: kernels want their weights aligned */
        s->moved = hn_alloc_aligned(cx, len);
        if (!s->moved)
            return hn_nomem(cx, "a plan");
        data = memcpy(s->moved, data, len);
    }
    reader r = { .cx = cx, .data = data, .at = data + tree, .end = data + len, .src = s };
    HN_TRY(get_tree(&r, k->isa));
    if (r.at != r.end)
        return hn_fail(cx, HN_EFORMAT, "damaged: %zu bytes behind the last plan", (size_t)(r.end - r.at));
    HN_TRY(fill_absent(&r));
    for (size_t i = 0; i < s->also_count; i++)
        HN_TRY(hn_graph_verify(cx, s->also[i]));
    return HN_OK;
}

const hn_format hn_format_planfile = { .name = "plan", .extensions = "plan", .probe = probe, .read = read };
