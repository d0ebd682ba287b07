/* SPDX-License-Identifier: Apache-2.0 */
/* tflite.c: the model around the operators: tensors, constants in place, inputs and outputs. */
#include "formats/tflite.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "TFLite data is little-endian and used in place");

enum { VERSION = 3, CUSTOM_CODE = 32, LIST_MAX = 1 << 20, OPERANDS_MAX = 1 << 16, INPUTS_MAX = 4096 };

/* Field numbers of the schema's tables. */
enum { MODEL_VERSION, MODEL_CODES, MODEL_GRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS };
enum { CODE_OLD, CODE_CUSTOM, CODE_VERSION, CODE_NEW };
enum { GRAPH_TENSORS, GRAPH_IN, GRAPH_OUT, GRAPH_OPERATORS, GRAPH_NAME };
enum { TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_NAME, TENSOR_QUANT, TENSOR_VARIABLE, TENSOR_SPARSE };
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_AXIS = 6 };
enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };
enum { OP_CODE, OP_IN, OP_OUT, OP_OPTIONS_KIND, OP_OPTIONS, OP_CUSTOM, OP_INNER = 8 };

static hn_err damaged(hn_tfl *r, const char *what)
{
    return hn_fail(r->cx, HN_EFORMAT, "damaged: %s leads outside of the file of %zu bytes", what, r->fb.len);
}

static hn_err check(hn_tfl *r, const char *what) { return r->fb.damaged ? damaged(r, what) : HN_OK; }

static hn_err check_count(hn_tfl *r, size_t count, const char *what)
{
    if (count > LIST_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "%zu %s, over the limit of %d", count, what, LIST_MAX);
    return HN_OK;
}

static int shown(hn_text t) { return t.len > 80 ? 80 : (int)t.len; }

static hn_dtype type_of(int64_t code)
{
    static const hn_dtype types[] = {
        HN_F32, HN_F16, HN_I32, HN_U8, HN_I64, HN_NONE, HN_BOOL, HN_I16, HN_C64, HN_I8, HN_F64, HN_C128,
        HN_U64, HN_NONE, HN_NONE, HN_U32, HN_U16, HN_I4, HN_BF16,
    };
    return code >= 0 && code < (int64_t)(sizeof types / sizeof *types) ? types[code] : HN_NONE;
}

/* ---- Tensors --------------------------------------------------------------------------------- */

static hn_err read_shape(hn_tfl *r, const hn_fb_table *t, hn_tfl_tensor *out)
{
    hn_fb_vector dims = hn_fb_list(t, TENSOR_SHAPE, 4);
    if (dims.count > HN_RANK_MAX)
        return hn_fail(r->cx, HN_EUNSUP, "tensor '%.*s' has more than %d dimensions", shown(out->name),
                       out->name.ptr, HN_RANK_MAX);
    out->shape.rank = (int)dims.count;
    for (size_t i = 0; i < dims.count; i++) {
        out->shape.dim[i] = hn_fb_list_int(&dims, i, 4);
        if (out->shape.dim[i] < 0)
            return hn_fail(r->cx, HN_EFORMAT, "tensor '%.*s': dimension %zu is %lld", shown(out->name),
                           out->name.ptr, i, (long long)out->shape.dim[i]);
    }
    return HN_OK;
}

/* A buffer's bytes: inside its table, or, in files over 2 GB, behind all tables. */
static hn_err read_buffer(hn_tfl *r, const hn_fb_vector *buffers, uint64_t index, hn_fb_vector *out)
{
    *out = (hn_fb_vector){ .b = &r->fb };
    if (index >= buffers->count)
        return index == 0 ? HN_OK : hn_fail(r->cx, HN_EFORMAT, "damaged: buffer %llu of %zu",
                                            (unsigned long long)index, buffers->count);
    hn_fb_table b = hn_fb_list_sub(buffers, (size_t)index);
    *out = hn_fb_list(&b, BUFFER_DATA, 1);
    uint64_t at = hn_fb_uint(&b, BUFFER_OFFSET, 8, 0), size = hn_fb_uint(&b, BUFFER_SIZE, 8, 0);
    if (out->count || at <= 1)                          /* 1: kept in memory, not in the file */
        return check(r, "a buffer");
    if (at > r->fb.len || size > r->fb.len - at)
        return damaged(r, "a buffer");
    *out = (hn_fb_vector){ &r->fb, (size_t)at, (size_t)size };
    return HN_OK;
}

static hn_err read_tensor(hn_tfl *r, const hn_fb_table *t, const hn_fb_vector *buffers, hn_tfl_tensor *out)
{
    hn_fb_table q = hn_fb_sub(t, TENSOR_QUANT);
    out->name = hn_fb_text(t, TENSOR_NAME);
    out->type = type_of(hn_fb_int(t, TENSOR_TYPE, 1, 0));
    out->is_variable = hn_fb_int(t, TENSOR_VARIABLE, 1, 0) != 0;
    out->quant = (hn_tfl_quant){ hn_fb_list(&q, QUANT_SCALE, 4), hn_fb_list(&q, QUANT_ZERO, 8),
                                 (int)hn_fb_int(&q, QUANT_AXIS, 4, 0) };
    if (hn_fb_has(t, TENSOR_SPARSE))
        out->type = HN_NONE;                            /* asked for, it says so */
    HN_TRY(read_shape(r, t, out));
    HN_TRY(read_buffer(r, buffers, hn_fb_uint(t, TENSOR_BUFFER, 4, 0), &out->data));
    return check(r, "a tensor");
}

static hn_err read_tensors(hn_tfl *r, const hn_fb_table *graph, const hn_fb_vector *buffers)
{
    hn_fb_vector list = hn_fb_list(graph, GRAPH_TENSORS, 4);
    HN_TRY(check(r, "the list of tensors"));
    HN_TRY(check_count(r, list.count, "tensors"));
    r->tensor = HN_NEW(r->scratch, hn_tfl_tensor, list.count);
    if (!r->tensor)
        return hn_nomem(r->cx, "the tensors");
    for (size_t i = 0; i < list.count; i++) {
        hn_fb_table t = hn_fb_list_sub(&list, i);
        HN_TRY(read_tensor(r, &t, buffers, &r->tensor[i]));
        r->tensor_count++;
    }
    return HN_OK;
}

/* A name as a graph wants it: ending in zero, without one inside. */
static hn_err name_of(hn_tfl *r, hn_text t, const char **out)
{
    if (t.len && memchr(t.ptr, 0, t.len))
        return hn_fail(r->cx, HN_EFORMAT, "damaged: the name '%.80s' has a zero byte in it", t.ptr);
    *out = hn_arena_text(r->g->arena, t.ptr, t.len);
    return *out ? HN_OK : hn_nomem(r->cx, "a name");
}

hn_err hn_tfl_data(hn_tfl *r, const hn_tfl_tensor *t, hn_arena *a, hn_tensor *out, bool *in_place)
{
    *out = (hn_tensor){ t->type, t->shape, NULL };
    if (t->type == HN_NONE)
        return hn_fail(r->cx, HN_EUNSUP, "constant '%.*s' is sparse or of a type that is not supported",
                       shown(t->name), t->name.ptr);
    if (hn_bytes(out) != t->data.count)
        return hn_fail(r->cx, HN_EFORMAT, "constant '%.*s': expected %zu bytes, found %zu", shown(t->name),
                       t->name.ptr, hn_bytes(out), t->data.count);
    size_t align = hn_dtype_bits(t->type) / 8;
    const uint8_t *at = r->fb.data + t->data.at;
    *in_place = t->data.count && (align < 2 || (uintptr_t)at % align == 0);
    out->data = *in_place ? (void *)(uintptr_t)at : hn_arena_get(a, hn_max(t->data.count, 1), 64);
    if (!out->data)
        return hn_nomem(r->cx, "a constant");
    if (!*in_place && t->data.count)
        memcpy(out->data, at, t->data.count);
    return HN_OK;
}

static hn_err make_const(hn_tfl *r, hn_tfl_tensor *t)
{
    hn_tensor v;
    bool in_place;
    const char *name;
    HN_TRY(hn_tfl_data(r, t, r->g->arena, &v, &in_place));
    HN_TRY(name_of(r, t->name, &name));
    if (in_place)
        r->src->mapped_bytes += t->data.count;
    return hn_graph_add_const(r->cx, r->g, name, &v, &t->value);
}

/* ---- Operands -------------------------------------------------------------------------------- */

static hn_tfl_tensor *operand(const hn_tfl_op *o, const hn_fb_vector *list, size_t i)
{
    int64_t at = i < list->count ? hn_fb_list_int(list, i, 4) : -1;
    return at < 0 ? NULL : &o->r->tensor[at];           /* below tensor_count: checked with the operator */
}

hn_tfl_tensor *hn_tfl_in(const hn_tfl_op *o, size_t i) { return operand(o, &o->in, i); }
hn_tfl_tensor *hn_tfl_out(const hn_tfl_op *o, size_t i) { return operand(o, &o->out, i); }

hn_err hn_tfl_optional(hn_tfl_op *o, size_t i, hn_value **out)
{
    hn_tfl_tensor *t = hn_tfl_in(o, i);
    *out = NULL;
    if (!t)
        return HN_OK;
    if (!t->value && (t->data.count || hn_shape_count(&t->shape) == 0))
        HN_TRY(make_const(o->r, t));
    if (!t->value)
        return hn_tfl_bad(o, "input %zu, '%.*s', is made by nothing before it", i, shown(t->name), t->name.ptr);
    *out = t->value;
    return HN_OK;
}

hn_err hn_tfl_input(hn_tfl_op *o, size_t i, hn_value **out)
{
    HN_TRY(hn_tfl_optional(o, i, out));
    return *out ? HN_OK : hn_tfl_bad(o, "input %zu is required but left out", i);
}

hn_err hn_tfl_result(hn_tfl_op *o, size_t i, hn_value *v)
{
    hn_tfl_tensor *t = hn_tfl_out(o, i);
    if (!t)
        return HN_OK;
    if (t->value || t->data.count)
        return hn_tfl_bad(o, "output %zu, '%.*s', is made twice", i, shown(t->name), t->name.ptr);
    t->value = v;
    return v->maker && !*v->name ? name_of(o->r, t->name, &v->name) : HN_OK;
}

/* ---- Operators ------------------------------------------------------------------------------- */

typedef struct builtin { int code; const char *name; hn_tfl_fn *fn; } builtin;
typedef struct custom { const char *name; hn_tfl_fn *fn; } custom;

static const builtin builtins[] = {
#define OP(code, name, fn) { code, #name, hn_tfl_##fn },
#define CUSTOM(name, fn)
#include "formats/tflite_ops.def"
#undef OP
#undef CUSTOM
};

static const custom customs[] = {
#define OP(code, name, fn)
#define CUSTOM(name, fn) { #name, hn_tfl_##fn },
#include "formats/tflite_ops.def"
#undef OP
#undef CUSTOM
    { NULL, NULL }
};

static hn_err find_op(hn_tfl *r, const hn_tfl_code *code, const char **name, hn_tfl_fn **fn)
{
    *fn = NULL;
    if (code->builtin == CUSTOM_CODE) {
        HN_TRY(name_of(r, code->custom, name));
        for (const custom *c = customs; c->name; c++)
            if (strcmp(c->name, *name) == 0)
                *fn = c->fn;
        return HN_OK;
    }
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        if (builtins[i].code == code->builtin) {
            *name = builtins[i].name;
            *fn = builtins[i].fn;
            return HN_OK;
        }
    *name = hn_arena_printf(r->scratch, "number %d", code->builtin);
    return *name ? HN_OK : hn_nomem(r->cx, "an operator");
}

/* Its outputs are what the file says, so that the rest can be told. */
static hn_err stand_in(hn_tfl_op *o, const char *why)
{
    hn_tfl *r = o->r;
    hn_value **in = HN_NEW(r->scratch, hn_value *, o->in.count), **out = HN_NEW(r->scratch, hn_value *, o->out.count);
    if (!in || !out)
        return hn_nomem(r->cx, "a placeholder");
    for (size_t i = 0; i < o->in.count; i++)
        in[i] = hn_tfl_in(o, i) ? hn_tfl_in(o, i)->value : NULL;
    for (size_t i = 0; i < o->out.count; i++) {
        hn_tfl_tensor *t = hn_tfl_out(o, i);
        if (!t)
            continue;
        t->value = NULL;
        HN_TRY(hn_graph_add_value(r->cx, r->g, NULL, &out[i]));
        out[i]->t = (hn_tensor){ t->type, t->shape, NULL };
        HN_TRY(name_of(r, t->name, &out[i]->name));
        t->value = out[i];
    }
    HN_TRY(hn_placeholder_add(r->cx, &r->placeholders, r->g, &(hn_placeholder){
        .op = o->name, .domain = "tflite", .name = "", .why = why, .in = in, .in_count = (int)o->in.count,
        .out = out, .out_count = (int)o->out.count }));
    r->inferred = r->g->node_count;
    return HN_OK;
}

static hn_err translate(hn_tfl_op *o, hn_tfl_fn *fn)
{
    hn_tfl *r = o->r;
    size_t before = r->g->node_count, inputs = r->g->in_count, states = r->state_count;
    hn_err e = fn(o);
    if (!e)
        e = hn_graph_infer_from(r->cx, r->g, &r->inferred);
    if (e != HN_EUNSUP)
        return e;
    r->g->node_count = r->inferred = before;            /* half a translation is none */
    r->g->in_count = inputs;
    r->state_count = states;
    return stand_in(o, r->cx && *r->cx->msg ? r->cx->msg : hn_err_text(e));
}

static hn_err check_operands(hn_tfl *r, const hn_fb_vector *list, size_t op)
{
    if (list->count > OPERANDS_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "operator %zu has more than %d operands", op, OPERANDS_MAX);
    for (size_t i = 0; i < list->count; i++)
        if (hn_fb_list_int(list, i, 4) >= (int64_t)r->tensor_count)
            return hn_fail(r->cx, HN_EFORMAT, "damaged: operator %zu names tensor %lld of %zu", op,
                           (long long)hn_fb_list_int(list, i, 4), r->tensor_count);
    return HN_OK;
}

static hn_err read_operator(hn_tfl *r, const hn_fb_table *t, size_t index)
{
    uint64_t code = hn_fb_uint(t, OP_CODE, 4, 0);
    hn_tfl_op o = { .r = r, .index = index, .options = hn_fb_sub(t, OP_OPTIONS), .custom = hn_fb_list(t, OP_CUSTOM, 1),
                    .in = hn_fb_list(t, OP_IN, 4), .out = hn_fb_list(t, OP_OUT, 4), .inner = hn_fb_list(t, OP_INNER, 4) };
    hn_tfl_fn *fn;
    HN_TRY(check(r, "an operator"));
    if (code >= r->code_count)
        return hn_fail(r->cx, HN_EFORMAT, "damaged: operator %zu has code %llu of %zu", index,
                       (unsigned long long)code, r->code_count);
    HN_TRY(check_operands(r, &o.in, index));
    HN_TRY(check_operands(r, &o.out, index));
    HN_TRY(check_operands(r, &o.inner, index));
    HN_TRY(find_op(r, &r->code[code], &o.name, &fn));
    HN_TRY(fn ? translate(&o, fn) : stand_in(&o, "no such operator"));
    return check(r, "an operator's options");
}

static hn_err read_operators(hn_tfl *r, const hn_fb_table *graph)
{
    hn_fb_vector list = hn_fb_list(graph, GRAPH_OPERATORS, 4);
    HN_TRY(check(r, "the list of operators"));
    HN_TRY(check_count(r, list.count, "operators"));
    r->next_state = HN_NEW(r->scratch, hn_value *, list.count);
    if (!r->next_state)
        return hn_nomem(r->cx, "the operators");
    for (size_t i = 0; i < list.count; i++) {
        hn_fb_table t = hn_fb_list_sub(&list, i);
        HN_TRY(read_operator(r, &t, i));
    }
    return HN_OK;
}

/* ---- The graph and the model ----------------------------------------------------------------- */

static hn_err read_inputs(hn_tfl *r, const hn_fb_vector *list)
{
    HN_TRY(check_operands(r, list, 0));
    if (list->count > INPUTS_MAX)
        return hn_fail(r->cx, HN_ELIMIT, "more than %d inputs", INPUTS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        int64_t at = hn_fb_list_int(list, i, 4);
        const char *name;
        if (at < 0 || r->tensor[at].value)
            return hn_fail(r->cx, HN_EFORMAT, "damaged: input %zu is no tensor, or one twice", i);
        hn_tfl_tensor *t = &r->tensor[at];
        if (t->type == HN_NONE)
            return hn_fail(r->cx, HN_EUNSUP, "input '%.*s' is of a type Hone has no values for", shown(t->name), t->name.ptr);
        HN_TRY(name_of(r, t->name, &name));
        HN_TRY(hn_graph_add_value(r->cx, r->g, name, &t->value));
        t->value->t = (hn_tensor){ t->type, t->shape, NULL };
        HN_TRY(hn_graph_add_input(r->cx, r->g, t->value));
    }
    return HN_OK;
}

static hn_err read_outputs(hn_tfl *r, const hn_fb_vector *list)
{
    HN_TRY(check_operands(r, list, 0));
    for (size_t i = 0; i < list->count; i++) {
        int64_t at = hn_fb_list_int(list, i, 4);
        hn_tfl_tensor *t = at < 0 ? NULL : &r->tensor[at];
        if (t && !t->value && t->data.count)
            HN_TRY(make_const(r, t));
        if (!t || !t->value)
            return hn_fail(r->cx, HN_EFORMAT, "output %zu is made by no operator", i);
        HN_TRY(hn_graph_add_output(r->cx, r->g, t->value));
    }
    for (size_t i = 0; i < r->state_count; i++)
        HN_TRY(hn_graph_add_output(r->cx, r->g, r->next_state[i]));
    return HN_OK;
}

static hn_err read_graph(hn_tfl *r, const hn_fb_table *model)
{
    hn_fb_vector graphs = hn_fb_list(model, MODEL_GRAPHS, 4), buffers = hn_fb_list(model, MODEL_BUFFERS, 4);
    HN_TRY(check(r, "the model"));
    if (graphs.count == 0)
        return hn_fail(r->cx, HN_EFORMAT, "expected a TFLite model, found no graph in it");
    hn_fb_table g = hn_fb_list_sub(&graphs, 0);         /* the others are bodies of control flow */
    hn_fb_vector in = hn_fb_list(&g, GRAPH_IN, 4), out = hn_fb_list(&g, GRAPH_OUT, 4);
    HN_TRY(check(r, "the graph"));
    HN_TRY(name_of(r, hn_fb_text(&g, GRAPH_NAME), &r->g->name));
    HN_TRY(read_tensors(r, &g, &buffers));
    HN_TRY(read_inputs(r, &in));
    HN_TRY(read_operators(r, &g));
    return read_outputs(r, &out);
}

/* An operator's number lies in a byte, or, once 127 was reached, in a field of its own. */
static hn_err read_codes(hn_tfl *r, const hn_fb_table *model)
{
    hn_fb_vector list = hn_fb_list(model, MODEL_CODES, 4);
    HN_TRY(check(r, "the list of operator codes"));
    HN_TRY(check_count(r, list.count, "operator codes"));
    r->code = HN_NEW(r->scratch, hn_tfl_code, list.count);
    if (!r->code)
        return hn_nomem(r->cx, "the operator codes");
    for (size_t i = 0; i < list.count; i++) {
        hn_fb_table t = hn_fb_list_sub(&list, i);
        int64_t old = hn_fb_int(&t, CODE_OLD, 1, 0), now = hn_fb_int(&t, CODE_NEW, 4, 0);
        r->code[i] = (hn_tfl_code){ (int)(now > old ? now : old), hn_fb_text(&t, CODE_CUSTOM) };
        HN_TRY(check(r, "an operator code"));
    }
    r->code_count = list.count;
    return HN_OK;
}

static hn_err read_model(hn_tfl *r)
{
    hn_fb_table model = hn_fb_root(&r->fb);
    int64_t version = hn_fb_int(&model, MODEL_VERSION, 4, 0);
    hn_text text = hn_fb_text(&model, MODEL_DESCRIPTION);
    HN_TRY(check(r, "the model"));
    if (version != VERSION)
        return hn_fail(r->cx, HN_EUNSUP, "the file is of schema version %lld, Hone reads version %d",
                       (long long)version, VERSION);
    if (text.len)
        HN_TRY(hn_graph_add_meta(r->cx, r->g, (hn_text){ "description", 11 }, text));
    HN_TRY(read_codes(r, &model));
    return read_graph(r, &model);
}

static bool probe(const uint8_t *data, size_t len, const char *extension)
{
    return hn_fb_has_id(data, len, "TFL3") || strcmp(extension, "tflite") == 0;
}

static hn_err read(hn_ctx *cx, const uint8_t *data, size_t len, const char *dir, hn_source *src)
{
    hn_tfl r = { .cx = cx, .src = src, .fb = hn_fb_over(data, len), .placeholders.src = src };
    (void)dir;                                          /* nothing of it lies in other files */
    HN_TRY(hn_graph_new(cx, &src->graph));
    HN_TRY(hn_arena_new(cx, 0, &r.scratch));
    r.g = src->graph;
    hn_err e = read_model(&r);
    hn_arena_free(r.scratch);
    return e;
}

const hn_format hn_format_tflite = { .name = "tflite", .extensions = "tflite", .probe = probe, .read = read };
