/* SPDX-License-Identifier: Apache-2.0 */
/* tflite_node.c: what translations are made of: operands looked at, nodes made, numbers requantised. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formats/tflite.h"
#include "kernels/fixed.h"

/* ---- Words ----------------------------------------------------------------------------------- */

static hn_err fail_at(hn_tfl_op *o, hn_err code, const char *format, va_list args)
{
    char text[HN_MSG_MAX];
    vsnprintf(text, sizeof text, format, args);
    return code == HN_EUNSUP ? hn_fail(o->r->cx, code, "%.300s", text)
                             : hn_fail(o->r->cx, code, "operator %zu (%.80s): %.300s", o->index, o->name, text);
}

hn_err hn_tfl_unsup(hn_tfl_op *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    hn_err e = fail_at(o, HN_EUNSUP, format, args);
    va_end(args);
    return e;
}

hn_err hn_tfl_bad(hn_tfl_op *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    hn_err e = fail_at(o, HN_EFORMAT, format, args);
    va_end(args);
    return e;
}

/* ---- Looking at operands --------------------------------------------------------------------- */

hn_err hn_tfl_known(hn_tfl_op *o, const hn_value *v, const hn_tensor **out)
{
    HN_TRY(hn_graph_infer_from(o->r->cx, o->r->g, &o->r->inferred));
    *out = &v->t;
    return HN_OK;
}

hn_err hn_tfl_rank(hn_tfl_op *o, const hn_value *v, int *out)
{
    const hn_tensor *t;
    HN_TRY(hn_tfl_known(o, v, &t));
    *out = t->shape.rank;
    return *out >= 0 ? HN_OK : hn_tfl_unsup(o, "an operand whose number of dimensions depends on data");
}

hn_err hn_tfl_ints(hn_tfl_op *o, size_t i, int64_t *out, int cap, int *count)
{
    hn_value *v;
    HN_TRY(hn_tfl_input(o, i, &v));
    if (!hn_is_const(v))
        return hn_tfl_unsup(o, "input %zu computed while running", i);
    if (!hn_is_integer(v->t.dtype) || hn_count(&v->t) > (size_t)cap)
        return hn_tfl_bad(o, "input %zu: expected up to %d integers", i, cap);
    *count = (int)hn_count(&v->t);
    hn_get_i64(&v->t, 0, (size_t)*count, out);
    return HN_OK;
}

bool hn_tfl_is_quantised(const hn_tfl_tensor *t)
{
    bool small = t->type == HN_I8 || t->type == HN_U8 || t->type == HN_I16;
    return small && t->quant.scale.count > 0;
}

float hn_tfl_scale(const hn_tfl_tensor *t) { return t->quant.scale.count ? hn_fb_list_f32(&t->quant.scale, 0) : 1; }

int64_t hn_tfl_zero(const hn_tfl_tensor *t)
{
    /* Outside of the type's range it is nonsense: kept inside of 32 bits, it is harmless nonsense. */
    return t->quant.zero.count ? (int32_t)hn_fb_list_int(&t->quant.zero, 0, 8) : 0;
}

bool hn_tfl_same_quant(const hn_tfl_tensor *a, const hn_tfl_tensor *b)
{
    return a->type == b->type && hn_tfl_scale(a) == hn_tfl_scale(b) && hn_tfl_zero(a) == hn_tfl_zero(b);
}

/* ---- Attributes ------------------------------------------------------------------------------ */

static hn_attr *next(hn_tfl_attrs *a, const char *name, hn_attr_kind kind)
{
    hn_attr *at = &a->attr[a->count++];
    *at = (hn_attr){ .name = name, .kind = kind };
    return at;
}

void hn_tfl_attr_int(hn_tfl_attrs *a, const char *name, int64_t v) { next(a, name, HN_ATTR_INT)->i = v; }
void hn_tfl_attr_float(hn_tfl_attrs *a, const char *name, float v) { next(a, name, HN_ATTR_FLOAT)->f = v; }

void hn_tfl_attr_text(hn_tfl_attrs *a, const char *name, const char *v)
{
    next(a, name, HN_ATTR_TEXT)->text = (hn_text){ v, strlen(v) };
}

hn_err hn_tfl_attr_ints(hn_tfl_op *o, hn_tfl_attrs *a, const char *name, const int64_t *v, size_t count)
{
    int64_t *copy = HN_NEW(o->r->g->arena, int64_t, count);
    if (!copy)
        return hn_nomem(o->r->cx, "an attribute");
    if (count)
        memcpy(copy, v, count * sizeof *v);
    hn_attr *at = next(a, name, HN_ATTR_INTS);
    at->list.i = copy;
    at->list.count = count;
    return HN_OK;
}

static void type_range(hn_dtype t, int64_t *low, int64_t *high)
{
    int64_t values = (int64_t)1 << hn_dtype_bits(t);
    *low = hn_dtype_class(t) == HN_CLASS_U ? 0 : -values / 2;
    *high = *low + values - 1;
}

/* The values that results of t may have after a fused activation. */
static hn_err find_range(hn_tfl_op *o, const hn_tfl_tensor *t, int64_t act, int64_t *low, int64_t *high)
{
    static const float lows[] = { 0, 0, -1, 0 }, highs[] = { 0, INFINITY, 1, 6 };
    type_range(t->type, low, high);
    if (act == HN_TFL_ACT_NONE)
        return HN_OK;
    if (act < 0 || act > HN_TFL_ACT_RELU6)
        return hn_tfl_unsup(o, "fused activation %lld on integers", (long long)act);
    double scale = (double)hn_tfl_scale(t), zero = (double)hn_tfl_zero(t);
    double from = round((double)lows[act] / scale) + zero, to = round((double)highs[act] / scale) + zero;
    if (!(scale > 0) || !(from <= (double)*high) || !(to >= (double)*low))
        return hn_tfl_bad(o, "no result of scale %g and zero point %g lies in its activation's range", scale, zero);
    *low = from > (double)*low ? (int64_t)from : *low;
    *high = to < (double)*high ? (int64_t)to : *high;
    return HN_OK;
}

hn_err hn_tfl_attr_range(hn_tfl_op *o, hn_tfl_attrs *a, const hn_tfl_tensor *t, int64_t act)
{
    int64_t low, high;
    HN_TRY(find_range(o, t, act, &low, &high));
    hn_tfl_attr_int(a, "y_zero", hn_tfl_zero(t));
    hn_tfl_attr_int(a, "low", low);
    hn_tfl_attr_int(a, "high", high);
    return HN_OK;
}

hn_err hn_tfl_clip(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *t, int64_t act, hn_value **out)
{
    int64_t low, high;
    hn_value *from, *to;
    HN_TRY(find_range(o, t, act, &low, &high));
    *out = x;
    if (act == HN_TFL_ACT_NONE)
        return HN_OK;
    HN_TRY(hn_tfl_const_scalar(o, t->type, (double)low, &from));
    HN_TRY(hn_tfl_const_scalar(o, t->type, (double)high, &to));
    return HN_TFL_NODE(o, "Clip", NULL, out, x, from, to);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

hn_err hn_tfl_node_n(hn_tfl_op *o, const char *domain, const char *op, hn_value *const *in, int in_count,
                     const hn_tfl_attrs *attrs, hn_value **out, int out_count)
{
    hn_tfl *r = o->r;
    const hn_op *found = hn_op_find(domain, op);
    int count = attrs ? attrs->count : 0;
    hn_attr *attr = HN_NEW(r->g->arena, hn_attr, (size_t)count);
    hn_node *made;
    if (!found)
        return hn_tfl_unsup(o, "it needs the operator %s", op);
    if (!attr)
        return hn_nomem(r->cx, "a node");
    if (count)
        memcpy(attr, attrs->attr, (size_t)count * sizeof *attr);
    while (in_count > 0 && !in[in_count - 1])
        in_count--;
    for (int i = 0; i < out_count; i++)
        HN_TRY(hn_graph_add_value(r->cx, r->g, NULL, &out[i]));
    HN_TRY(hn_graph_add_node(r->cx, r->g, found, NULL, in, in_count, out, out_count, attr, count, &made));
    return hn_node_verify(r->cx, made);
}

hn_err hn_tfl_node(hn_tfl_op *o, const char *domain, const char *op, hn_value *const *in, int in_count,
                   const hn_tfl_attrs *attrs, hn_value **out)
{
    return hn_tfl_node_n(o, domain, op, in, in_count, attrs, out, 1);
}

hn_err hn_tfl_const_ints(hn_tfl_op *o, const int64_t *v, size_t count, hn_value **out)
{
    return hn_graph_new_const_i64(o->r->cx, o->r->g, NULL, v, count, out);
}

hn_err hn_tfl_const_scalar(hn_tfl_op *o, hn_dtype type, double v, hn_value **out)
{
    hn_shape none = { 0 };
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, type, &none, out));
    hn_put_f64(&(*out)->t, 0, 1, &v);
    return HN_OK;
}

hn_err hn_tfl_transpose(hn_tfl_op *o, hn_value *x, int rank, const int64_t *perm, hn_value **out)
{
    hn_tfl_attrs a = { .count = 0 };
    HN_TRY(hn_tfl_attr_ints(o, &a, "perm", perm, (size_t)rank));
    return HN_TFL_NODE(o, "Transpose", &a, out, x);
}

hn_err hn_tfl_reshape(hn_tfl_op *o, hn_value *x, const int64_t *dim, size_t rank, hn_value **out)
{
    hn_value *shape;
    HN_TRY(hn_tfl_const_ints(o, dim, rank, &shape));
    return HN_TFL_NODE(o, "Reshape", NULL, out, x, shape);
}

hn_err hn_tfl_cast(hn_tfl_op *o, hn_value *x, hn_dtype to, hn_value **out)
{
    hn_tfl_attrs a = { .count = 0 };
    hn_tfl_attr_int(&a, "to", hn_dtype_to_onnx(to));
    return HN_TFL_NODE(o, "Cast", &a, out, x);
}

hn_err hn_tfl_channels_first(hn_tfl_op *o, hn_value *x, hn_value **out)
{
    return hn_tfl_transpose(o, x, 4, (const int64_t[]){ 0, 3, 1, 2 }, out);
}

hn_err hn_tfl_channels_last(hn_tfl_op *o, hn_value *x, hn_value **out)
{
    return hn_tfl_transpose(o, x, 4, (const int64_t[]){ 0, 2, 3, 1 }, out);
}

hn_err hn_tfl_activate(hn_tfl_op *o, hn_value *x, int64_t act, hn_value **out)
{
    const hn_tensor *t;
    hn_value *low, *high;
    switch (act) {
    case HN_TFL_ACT_NONE: *out = x; return HN_OK;
    case HN_TFL_ACT_RELU: return HN_TFL_NODE(o, "Relu", NULL, out, x);
    case HN_TFL_ACT_TANH: return HN_TFL_NODE(o, "Tanh", NULL, out, x);
    case HN_TFL_ACT_RELU_N1_TO_1: case HN_TFL_ACT_RELU6:
        HN_TRY(hn_tfl_known(o, x, &t));
        HN_TRY(hn_tfl_const_scalar(o, t->dtype, act == HN_TFL_ACT_RELU6 ? 0 : -1, &low));
        HN_TRY(hn_tfl_const_scalar(o, t->dtype, act == HN_TFL_ACT_RELU6 ? 6 : 1, &high));
        return HN_TFL_NODE(o, "Clip", NULL, out, x, low, high);
    default: return hn_tfl_unsup(o, "fused activation %lld", (long long)act);
    }
}

/* ---- State ----------------------------------------------------------------------------------- */

hn_err hn_tfl_state(hn_tfl_op *o, hn_text name, hn_dtype type, const hn_shape *shape, hn_value **out)
{
    hn_value *v;
    HN_TRY(hn_graph_add_value(o->r->cx, o->r->g, NULL, &v));
    v->name = hn_arena_printf(o->r->g->arena, "%.*s", name.len > 200 ? 200 : (int)name.len, name.ptr);
    if (!v->name)
        return hn_nomem(o->r->cx, "a state");
    v->t = (hn_tensor){ type, *shape, NULL };
    HN_TRY(hn_graph_add_input(o->r->cx, o->r->g, v));
    *out = v;
    return HN_OK;
}

hn_err hn_tfl_next_state(hn_tfl_op *o, const hn_value *state, hn_value *next)
{
    if (*next->name)                                    /* a result too, which keeps its own name */
        HN_TRY(HN_TFL_NODE(o, "Identity", NULL, &next, next));
    next->name = hn_arena_printf(o->r->g->arena, "%s.next", state->name);
    if (!next->name)
        return hn_nomem(o->r->cx, "a state");
    o->r->next_state[o->r->state_count++] = next;
    return HN_OK;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

hn_err hn_tfl_lookup(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *from, const hn_tfl_tensor *to,
                     hn_tfl_real_fn *f, const void *arg, hn_value **out)
{
    hn_value *table;
    int64_t low, high, in_low, in_high;
    hn_shape all = { .rank = 1, .dim = { 256 } };
    if (hn_dtype_bits(from->type) != 8 || !hn_is_integer(from->type) || !hn_is_integer(to->type) ||
        hn_dtype_bits(to->type) > 16)
        return hn_tfl_unsup(o, "quantised %s to %s", hn_dtype_name(from->type), hn_dtype_name(to->type));
    type_range(from->type, &in_low, &in_high);
    type_range(to->type, &low, &high);
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, to->type, &all, &table));
    float inverse = 1 / hn_tfl_scale(to), scale = hn_tfl_scale(from);
    for (int64_t q = in_low; q <= in_high; q++) {
        float real = scale * (float)(q - hn_tfl_zero(from));
        double y = (double)roundf(f(real, arg) * inverse) + (double)hn_tfl_zero(to);
        y = y > (double)low ? fmin(y, (double)high) : (double)low;            /* NaN too */
        hn_put_f64(&table->t, (size_t)(uint8_t)q, 1, &y);
    }
    return HN_TFL_HONE(o, "Lookup", NULL, out, x, table);
}

/* ---- To real numbers and back ---------------------------------------------------------------- */

hn_err hn_tfl_real(hn_tfl_op *o, size_t i, hn_value **out)
{
    const hn_tfl_tensor *t = hn_tfl_in(o, i);
    hn_value *x, *scale, *zero;
    hn_tfl_attrs a = { .count = 0 };
    HN_TRY(hn_tfl_input(o, i, &x));
    *out = x;
    if (!hn_tfl_is_quantised(t))
        return HN_OK;
    size_t count = t->quant.scale.count;
    hn_shape s = { .rank = count > 1, .dim = { (int64_t)count } };
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, HN_F32, &s, &scale));
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, t->type, &s, &zero));
    for (size_t k = 0; k < count; k++) {
        int64_t z = k < t->quant.zero.count ? hn_fb_list_int(&t->quant.zero, k, 8) : 0;
        ((float *)scale->t.data)[k] = hn_fb_list_f32(&t->quant.scale, k);
        hn_put_i64(&zero->t, k, 1, &z);
    }
    if (count > 1)
        hn_tfl_attr_int(&a, "axis", t->quant.axis);
    return HN_TFL_NODE(o, "DequantizeLinear", &a, out, x, scale, zero);
}

hn_err hn_tfl_from_real(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *t, hn_value **out)
{
    hn_tfl_attrs a = { .count = 0 };
    *out = x;
    if (!t || !hn_tfl_is_quantised(t))
        return HN_OK;
    hn_tfl_attr_int(&a, "to", hn_dtype_to_onnx(t->type));
    hn_tfl_attr_float(&a, "y_scale", hn_tfl_scale(t));
    HN_TRY(hn_tfl_attr_range(o, &a, t, HN_TFL_ACT_NONE));
    return HN_TFL_HONE(o, "Quantize", &a, out, x);
}

/* Scale to scale by TFLite's own integer arithmetic, one entry after another. */
static hn_err requantise_table(hn_tfl_op *o, const hn_tfl_tensor *from, const hn_tfl_tensor *to, hn_value **out)
{
    hn_factor f = hn_factor_of((double)hn_tfl_scale(from) / (double)hn_tfl_scale(to));
    hn_shape all = { .rank = 1, .dim = { 256 } };
    int64_t low, high, in_low, in_high;
    type_range(from->type, &in_low, &in_high);
    type_range(to->type, &low, &high);
    HN_TRY(hn_graph_new_const(o->r->cx, o->r->g, NULL, to->type, &all, out));
    for (int64_t q = in_low; q <= in_high; q++) {
        int64_t y = hn_rescale((int32_t)(q - hn_tfl_zero(from)), f, HN_ROUND_AWAY) + hn_tfl_zero(to);
        y = y < low ? low : y > high ? high : y;
        hn_put_i64(&(*out)->t, (size_t)(uint8_t)q, 1, &y);
    }
    return HN_OK;
}

hn_err hn_tfl_requantise(hn_tfl_op *o, hn_value *x, const hn_tfl_tensor *from, const hn_tfl_tensor *to, hn_value **out)
{
    hn_value *table;
    *out = x;
    if (hn_tfl_same_quant(from, to))
        return HN_OK;
    if (hn_dtype_bits(from->type) != 8 || !hn_is_integer(to->type))
        return hn_tfl_unsup(o, "%s in the numbers of %s", hn_dtype_name(from->type), hn_dtype_name(to->type));
    HN_TRY(requantise_table(o, from, to, &table));
    return HN_TFL_HONE(o, "Lookup", NULL, out, x, table);
}
