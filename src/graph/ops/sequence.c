/* SPDX-License-Identifier: Apache-2.0 */
/* sequence.c: lists of tensors, and values that may be missing.
 *
 * What a container holds is never changed once made: containers may share items.  Tensors on their way
 * in are copied, since the runtime reuses their memory. */
#include <string.h>

#include "base/num.h"
#include "graph/eval.h"
#include "graph/load.h"
#include "graph/stack.h"

static const hn_shape scalar = { .rank = 0 }, unknown = { .rank = -1 };

static hn_err want_sequence(const hn_call *c, int i)
{
    hn_dtype t = c->in[i]->dtype;
    if ((t & HN_SEQ) && !(t & HN_OPT))
        return HN_OK;
    return hn_bad(c, "input %d is %s, expected a sequence", i, hn_dtype_name(t));
}

static hn_err want_tensor(const hn_call *c, int i)
{
    if (!hn_has_in(c, i) || !hn_is_list(c->in[i]->dtype))
        return HN_OK;
    return hn_bad(c, "input %d is %s, expected a tensor", i, hn_dtype_name(c->in[i]->dtype));
}

static hn_err want_position(const hn_call *c, int i)
{
    if (!hn_has_in(c, i) || c->in[i]->dtype == HN_I32)
        return HN_OK;
    return hn_want_type(c, i, HN_I64);
}

static const hn_list *list_in(const hn_call *c, int i) { return c->in[i]->data; }

/* A container of `count` items, for the caller to fill. */
static hn_err new_list(hn_call *c, int i, hn_dtype type, size_t count, hn_tensor **item)
{
    hn_list *list = HN_NEW(c->text, hn_list, 1);
    *item = HN_NEW(c->text, hn_tensor, count);
    if (!list || !*item)
        return hn_nomem(c->cx, "a sequence");
    *list = (hn_list){ *item, count };
    if (hn_has_out(c, i))
        *c->out[i] = (hn_tensor){ .dtype = type, .data = list };
    return HN_OK;
}

/* The place that input i names in a sequence of `count`: `last` when it is left out. */
static hn_err position(hn_call *c, int i, size_t count, size_t last, size_t *out)
{
    int64_t at = hn_scalar_i64(c, i, (int64_t)last), n = (int64_t)count;
    if (at < -n || at > (int64_t)last)
        return hn_bad(c, "position %lld in a sequence of %zu", (long long)at, count);
    *out = (size_t)(at < 0 ? at + n : at);
    return HN_OK;
}

/* ---- Making and changing ------------------------------------------------------------------------ */

static hn_err infer_construct(hn_call *c)
{
    for (int i = 0; i < c->in_count; i++) {
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
        HN_TRY(want_tensor(c, i));
        HN_TRY(hn_want_same(c, 0, i));
    }
    hn_out(c, 0, hn_seq_of(c->in[0]->dtype), &scalar);
    return HN_OK;
}

static hn_err make_construct(hn_call *c)
{
    hn_tensor *item;
    HN_TRY(infer_construct(c));
    HN_TRY(new_list(c, 0, hn_seq_of(c->in[0]->dtype), (size_t)c->in_count, &item));
    for (int i = 0; i < c->in_count; i++)
        HN_TRY(hn_tensor_copy(c->cx, c->in[i], c->text, &item[i]));
    return HN_OK;
}

static hn_err infer_empty(hn_call *c)
{
    hn_dtype t = hn_dtype_from_onnx(hn_attr_int(c->node, "dtype", 1));
    if (t == HN_NONE)
        return hn_unsupported(c, "element type %lld", (long long)hn_attr_int(c->node, "dtype", 1));
    hn_out(c, 0, hn_seq_of(t), &scalar);
    return HN_OK;
}

static hn_err make_empty(hn_call *c)
{
    hn_tensor *item;
    HN_TRY(infer_empty(c));
    return new_list(c, 0, c->out[0]->dtype, 0, &item);
}

static hn_err infer_insert(hn_call *c)
{
    HN_TRY(want_sequence(c, 0));
    HN_TRY(want_tensor(c, 1));
    HN_TRY(want_position(c, 2));
    hn_dtype held = hn_list_of(c->in[0]->dtype);
    if (held != HN_NONE && held != c->in[1]->dtype)
        return hn_bad(c, "puts %s into %s", hn_dtype_name(c->in[1]->dtype), hn_dtype_name(c->in[0]->dtype));
    hn_out(c, 0, hn_seq_of(c->in[1]->dtype), &scalar);
    return HN_OK;
}

static hn_err make_insert(hn_call *c)
{
    const hn_list *from = list_in(c, 0);
    hn_tensor *item;
    size_t at = 0;
    HN_TRY(infer_insert(c));
    HN_TRY(position(c, 2, from->count, from->count, &at));
    HN_TRY(new_list(c, 0, hn_seq_of(c->in[1]->dtype), from->count + 1, &item));
    for (size_t i = 0; i < from->count; i++)
        item[i + (i >= at)] = from->item[i];
    return hn_tensor_copy(c->cx, c->in[1], c->text, &item[at]);
}

static hn_err infer_erase(hn_call *c)
{
    HN_TRY(want_sequence(c, 0));
    HN_TRY(want_position(c, 1));
    hn_out(c, 0, c->in[0]->dtype, &scalar);
    return HN_OK;
}

static hn_err make_erase(hn_call *c)
{
    const hn_list *from = list_in(c, 0);
    hn_tensor *item;
    size_t at = 0;
    HN_TRY(infer_erase(c));
    if (from->count == 0)
        return hn_bad(c, "the sequence is empty");
    HN_TRY(position(c, 1, from->count, from->count - 1, &at));
    HN_TRY(new_list(c, 0, c->in[0]->dtype, from->count - 1, &item));
    for (size_t i = 0; i + 1 < from->count; i++)
        item[i] = from->item[i + (i >= at)];
    return HN_OK;
}

/* ---- Looking inside ----------------------------------------------------------------------------- */

static hn_err infer_at(hn_call *c)
{
    HN_TRY(want_sequence(c, 0));
    HN_TRY(want_position(c, 1));
    hn_out(c, 0, hn_list_of(c->in[0]->dtype), &unknown);
    return HN_OK;
}

static hn_err make_at(hn_call *c)
{
    const hn_list *from = list_in(c, 0);
    size_t at = 0;
    HN_TRY(infer_at(c));
    if (from->count == 0)
        return hn_bad(c, "the sequence is empty");
    HN_TRY(position(c, 1, from->count, from->count - 1, &at));
    *c->out[0] = from->item[at];
    return HN_OK;
}

static hn_err infer_length(hn_call *c)
{
    HN_TRY(want_sequence(c, 0));
    hn_out(c, 0, HN_I64, &scalar);
    return HN_OK;
}

static hn_err run_length(hn_call *c)
{
    *(int64_t *)c->out[0]->data = (int64_t)list_in(c, 0)->count;
    return HN_OK;
}

/* ---- To tensors and back --------------------------------------------------------------------------- */

static hn_err infer_concat(hn_call *c)
{
    HN_TRY(want_sequence(c, 0));
    hn_out(c, 0, hn_list_of(c->in[0]->dtype), &unknown);
    return HN_OK;
}

static hn_err make_concat(hn_call *c)
{
    const hn_list *from = list_in(c, 0);
    int64_t axis = hn_attr_int(c->node, "axis", 0);
    HN_TRY(infer_concat(c));
    if (from->count == 0)
        return hn_bad(c, "the sequence is empty");
    return hn_attr_int(c->node, "new_axis", 0) ? hn_list_stack(c, from, axis, false, c->out[0])
                                               : hn_list_concat(c, from, axis, c->out[0]);
}

static hn_err infer_split(hn_call *c)
{
    int axis;
    HN_TRY(want_tensor(c, 0));
    HN_TRY(want_position(c, 1));
    if (c->in[0]->shape.rank >= 0)
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), c->in[0]->shape.rank, &axis));
    hn_out(c, 0, hn_seq_of(c->in[0]->dtype), &scalar);
    return HN_OK;
}

/* The sizes of the pieces along an axis of n: listed, or all `split` but the last, or 1 each. */
static hn_err piece_sizes(hn_call *c, int64_t n, int64_t **size, size_t *count)
{
    int64_t left = n, each = hn_scalar_i64(c, 1, 1);
    bool listed = hn_has_in(c, 1) && c->in[1]->shape.rank > 0;
    if (listed) {
        *count = hn_count(c->in[1]);
        HN_TRY(hn_load_i64(c, c->in[1], size));
        for (size_t i = 0; i < *count; i++) {
            if ((*size)[i] < 0 || (*size)[i] > left)
                return hn_bad(c, "piece %zu of %lld is %lld", i, (long long)n, (long long)(*size)[i]);
            left -= (*size)[i];
        }
        return left ? hn_bad(c, "the pieces leave %lld of %lld", (long long)left, (long long)n) : HN_OK;
    }
    if (each < 1)
        return hn_bad(c, "pieces of %lld", (long long)each);
    *count = (size_t)(n / each + (n % each != 0));
    *size = HN_SCRATCH(c, int64_t, *count);
    if (!*size)
        return hn_nomem(c->cx, "pieces");
    for (size_t i = 0; i < *count; i++, left -= each)
        (*size)[i] = left < each ? left : each;
    return HN_OK;
}

static hn_err make_split(hn_call *c)
{
    const hn_tensor *x = c->in[0];
    int64_t *size;
    size_t count = 0, at = 0;
    hn_tensor *item;
    int axis;
    HN_TRY(infer_split(c));
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->shape.rank, &axis));
    HN_TRY(piece_sizes(c, x->shape.dim[axis], &size, &count));
    HN_TRY(new_list(c, 0, hn_seq_of(x->dtype), count, &item));
    bool drop = !hn_has_in(c, 1) && !hn_attr_int(c->node, "keepdims", 1);
    for (size_t i = 0; i < count; i++) {
        HN_TRY(hn_cut(c, x, axis, at, (size_t)size[i], &item[i]));
        if (drop) {
            memmove(item[i].shape.dim + axis, item[i].shape.dim + axis + 1,
                    (size_t)(x->shape.rank - 1 - axis) * sizeof item[i].shape.dim[0]);
            item[i].shape.rank--;
        }
        at += (size_t)size[i];
    }
    return HN_OK;
}

/* ---- SequenceMap: a body over one or more sequences, element by element ------------------------------ */

static hn_err find_body(hn_call *c, const hn_attr **body)
{
    *body = hn_attr_find(c->node, "body");
    if (!*body || (*body)->kind != HN_ATTR_GRAPH)
        return hn_bad(c, "has no graph 'body'");
    const hn_graph *g = (*body)->graph;
    if (g->in_count != (size_t)c->in_count || g->out_count < (size_t)c->out_count)
        return hn_bad(c, "the body has %zu inputs and %zu outputs, expected %d and %d", g->in_count, g->out_count,
                      c->in_count, c->out_count);
    for (int i = 0; i < c->in_count; i++)
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
    return want_sequence(c, 0);
}

static hn_err infer_map(hn_call *c)
{
    const hn_attr *body;
    HN_TRY(find_body(c, &body));
    for (int i = 0; i < c->in_count; i++) {
        hn_value *v = body->graph->in[i];
        hn_dtype t = c->in[i]->dtype;
        v->t = (hn_tensor){ .dtype = hn_is_list(t) ? hn_list_of(t) : t,
                            .shape = hn_is_list(t) ? unknown : c->in[i]->shape };
    }
    HN_TRY(hn_infer_body(c, body->graph));
    for (int i = 0; i < c->out_count; i++) {
        if (hn_is_list(body->graph->out[i]->t.dtype))
            return hn_bad(c, "the body makes %s, expected a tensor", hn_dtype_name(body->graph->out[i]->t.dtype));
        hn_out(c, i, hn_seq_of(body->graph->out[i]->t.dtype), &scalar);
    }
    return HN_OK;
}

static hn_err map_one(hn_call *c, hn_body *body, size_t k, hn_tensor *in, hn_tensor *made, hn_tensor **item)
{
    for (int i = 0; i < c->in_count; i++)
        in[i] = hn_is_list(c->in[i]->dtype) ? list_in(c, i)->item[k] : *c->in[i];
    HN_TRY(hn_body_run(body, in, made));
    for (int i = 0; i < c->out_count; i++)
        HN_TRY(hn_tensor_copy(c->cx, &made[i], c->text, &item[i][k]));
    return HN_OK;
}

static hn_err make_map(hn_call *c)
{
    const hn_attr *attr;
    hn_body body;
    HN_TRY(find_body(c, &attr));
    size_t count = list_in(c, 0)->count;
    for (int i = 1; i < c->in_count; i++)
        if (hn_is_list(c->in[i]->dtype) && list_in(c, i)->count != count)
            return hn_bad(c, "sequences of %zu and %zu", count, list_in(c, i)->count);
    hn_tensor *in = HN_NEW(c->scratch, hn_tensor, (size_t)c->in_count);
    hn_tensor *made = HN_NEW(c->scratch, hn_tensor, attr->graph->out_count);
    hn_tensor **item = HN_NEW(c->scratch, hn_tensor *, (size_t)c->out_count);
    if (!in || !made || !item)
        return hn_nomem(c->cx, "a body");
    for (int i = 0; i < c->out_count; i++)
        HN_TRY(new_list(c, i, hn_seq_of(attr->graph->out[i]->t.dtype), count, &item[i]));
    HN_TRY(hn_body_open(c, attr, &body));
    hn_err e = HN_OK;
    for (size_t k = 0; k < count && !e; k++)
        e = map_one(c, &body, k, in, made, item);
    hn_body_close(&body);
    return e;
}

/* ---- Optionals ------------------------------------------------------------------------------------ */

static hn_err infer_optional(hn_call *c)
{
    hn_dtype t = hn_has_in(c, 0) ? c->in[0]->dtype : (hn_dtype)hn_attr_int(c->node, "type", HN_NONE);
    if (t & HN_OPT)
        return hn_bad(c, "input is %s already", hn_dtype_name(t));
    hn_out(c, 0, hn_opt_of(t), &scalar);
    return HN_OK;
}

static hn_err make_optional(hn_call *c)
{
    hn_tensor *item;
    HN_TRY(infer_optional(c));
    HN_TRY(new_list(c, 0, c->out[0]->dtype, hn_has_in(c, 0), &item));
    return hn_has_in(c, 0) ? hn_tensor_copy(c->cx, c->in[0], c->text, item) : HN_OK;
}

static hn_err infer_has(hn_call *c)
{
    hn_out(c, 0, HN_BOOL, &scalar);
    return HN_OK;
}

/* What is not an optional is there. */
static hn_err run_has(hn_call *c)
{
    bool has = hn_has_in(c, 0) && (!(c->in[0]->dtype & HN_OPT) || list_in(c, 0)->count > 0);
    *(uint8_t *)c->out[0]->data = has;
    return HN_OK;
}

static hn_err infer_get(hn_call *c)
{
    hn_dtype t = c->in[0]->dtype;
    if (!(t & HN_OPT))
        return hn_infer_same(c);
    hn_out(c, 0, hn_list_of(t), hn_is_list(hn_list_of(t)) ? &scalar : &unknown);
    return HN_OK;
}

static hn_err make_get(hn_call *c)
{
    if (!(c->in[0]->dtype & HN_OPT))
        return hn_tensor_copy(c->cx, c->in[0], c->text, c->out[0]);
    if (list_in(c, 0)->count == 0)
        return hn_bad(c, "the optional is empty");
    *c->out[0] = list_in(c, 0)->item[0];
    return HN_OK;
}

/* ---- Descriptors ------------------------------------------------------------------------------------ */

static const hn_attr_spec empty_attr[] = { { "dtype", HN_ATTR_INT, "1: f32" }, { 0 } };
static const hn_attr_spec concat_attr[] = {
    { "axis", HN_ATTR_INT, "" }, { "new_axis", HN_ATTR_INT, "0: along an axis they have" }, { 0 }
};
static const hn_attr_spec split_attr[] = {
    { "axis", HN_ATTR_INT, "0" }, { "keepdims", HN_ATTR_INT, "1; without sizes only" }, { 0 }
};
static const hn_attr_spec map_attr[] = { { "body", HN_ATTR_GRAPH, "" }, { 0 } };
static const hn_attr_spec optional_attr[] = { { "type", HN_ATTR_INT, "of an empty one, as the graph counts types" }, { 0 } };

#define LIST_OP(id, onnx, opset, ins_min, ins_max, outs_max, how, attrs, infer_fn)               \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins_min, .max_in = ins_max, \
        .min_out = 1, .max_out = outs_max, .flags = HN_OP_LISTS, .attr = attrs, .infer = infer_fn, how };

LIST_OP(sequence_construct,   "SequenceConstruct",   11, 1, -1, 1, .make = make_construct, NULL, infer_construct)
LIST_OP(sequence_empty,       "SequenceEmpty",       11, 0,  0, 1, .make = make_empty,  empty_attr,  infer_empty)
LIST_OP(sequence_insert,      "SequenceInsert",      11, 2,  3, 1, .make = make_insert, NULL,        infer_insert)
LIST_OP(sequence_erase,       "SequenceErase",       11, 1,  2, 1, .make = make_erase,  NULL,        infer_erase)
LIST_OP(sequence_at,          "SequenceAt",          11, 2,  2, 1, .make = make_at,     NULL,        infer_at)
LIST_OP(sequence_length,      "SequenceLength",      11, 1,  1, 1, .run  = run_length,  NULL,        infer_length)
LIST_OP(concat_from_sequence, "ConcatFromSequence",  11, 1,  1, 1, .make = make_concat, concat_attr, infer_concat)
LIST_OP(split_to_sequence,    "SplitToSequence",     24, 1,  2, 1, .make = make_split,  split_attr,  infer_split)
LIST_OP(sequence_map,         "SequenceMap",         17, 1, -1, -1, .make = make_map,   map_attr,    infer_map)
LIST_OP(optional,             "Optional",            15, 0,  1, 1, .make = make_optional, optional_attr, infer_optional)
LIST_OP(optional_has_element, "OptionalHasElement",  18, 0,  1, 1, .run  = run_has,     NULL,        infer_has)
LIST_OP(optional_get_element, "OptionalGetElement",  18, 1,  1, 1, .make = make_get,    NULL,        infer_get)
