/* SPDX-License-Identifier: Apache-2.0 */
/* quant.c: floats to small numbers and back: y = saturate(round(x / scale) + zero).
 *
 * The scale says how finely: one number; one per index of `axis`; or, with block_size, one per
 * block of neighbours along `axis`.  Rounding is half to even. */
#include <math.h>

#include "base/num.h"
#include "graph/load.h"
#include "tensor/convert.h"

typedef struct blocks { size_t outer, n, inner, size, count; } blocks;    /* count per line, of size each */

static size_t scale_index(const blocks *b, size_t i)
{
    size_t o = i / b->inner / b->n, j = i / b->inner % b->n, in = i % b->inner;
    if (b->count == 0)
        return 0;                                   /* one scale for all */
    if (b->size == 0)
        return j;                                   /* one per index of the axis */
    return (o * b->count + j / b->size) * b->inner + in;
}

/* Checks the scale's shape against x; fills *b when both are known. */
static hn_err find_blocks(hn_call *c, blocks *b)
{
    const hn_shape *x = &c->in[0]->shape, *s = &c->in[1]->shape;
    int64_t size = hn_attr_int(c->node, "block_size", 0);
    char st[HN_SHAPE_TEXT], xt[HN_SHAPE_TEXT];
    int axis = 0;

    *b = (blocks){ .outer = 1, .n = 1, .inner = 1 };
    if (size < 0)
        return hn_bad(c, "block_size is %lld, expected 0 or more", (long long)size);
    if (!hn_shape_known(x) || !hn_shape_known(s))
        return HN_OK;
    if (hn_has_in(c, 2) && hn_shape_known(&c->in[2]->shape) && hn_count(c->in[2]) != hn_count(c->in[1]))
        return hn_bad(c, "%zu zero points for %zu scales", hn_count(c->in[2]), hn_count(c->in[1]));
    if (hn_count(c->in[1]) == 1 && s->rank <= 1 && size == 0)
        return HN_OK;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 1), x->rank, &axis));
    hn_split at = hn_split_at(x, axis);
    *b = (blocks){ at.outer, at.n, at.inner, (size_t)size, at.n };
    bool fits;
    if (size == 0) {
        fits = s->rank == 1 && s->dim[0] == x->dim[axis];
    } else {
        fits = s->rank == x->rank;
        for (int i = 0; i < s->rank && fits; i++)
            fits = i == axis || s->dim[i] == x->dim[i];
        /* The last block may be short. */
        fits = fits && s->dim[axis] == x->dim[axis] / size + (x->dim[axis] % size != 0);
        b->count = fits ? (size_t)s->dim[axis] : 0;
    }
    if (!fits)
        return hn_bad(c, "scales of shape %s do not fit an input of %s at axis %d", hn_shape_text(s, st),
                      hn_shape_text(x, xt), axis);
    return HN_OK;
}

static bool is_quantised(hn_dtype t)
{
    int class = hn_dtype_class(t);
    bool integer = (class == HN_CLASS_I || class == HN_CLASS_U) && t != HN_BOOL && hn_dtype_bits(t) <= 16;
    return integer || (class == HN_CLASS_F && hn_dtype_bits(t) <= 8 && t != HN_F8E8M0);
}

/* ---- QuantizeLinear ----------------------------------------------------------------------- */

static hn_err infer_quantize(hn_call *c)
{
    hn_dtype wanted = hn_dtype_from_onnx(hn_attr_int(c->node, "output_dtype", 0));
    hn_dtype type = hn_has_in(c, 2) ? c->in[2]->dtype : wanted != HN_NONE ? wanted : HN_U8;
    blocks b;
    if (c->in[0]->dtype != HN_I32)
        HN_TRY(hn_want_float(c, 0));
    if (c->in[1]->dtype != HN_F8E8M0 && c->in[1]->dtype != HN_I32)
        HN_TRY(hn_want_float(c, 1));
    if (hn_has_in(c, 2) && wanted != HN_NONE && wanted != type)
        return hn_bad(c, "output_dtype is %s, the zero point is %s", hn_dtype_name(wanted), hn_dtype_name(type));
    if (!is_quantised(type))
        return hn_unsupported(c, "quantising to %s", hn_dtype_name(type));
    HN_TRY(find_blocks(c, &b));
    hn_out(c, 0, type, &c->in[0]->shape);
    return HN_OK;
}

/* Rounds to the type the division is specified in; double itself where that holds all. */
static double round_to(hn_dtype t, double v)
{
    if (t == HN_F32 || t == HN_F8E8M0)
        return (double)(float)v;
    return t == HN_F16 || t == HN_BF16 ? hn_small_to_f64(t, hn_f64_to_small(t, v, false)) : v;
}

static void int_range(hn_dtype t, double *low, double *high)
{
    unsigned bits = hn_dtype_bits(t);
    bool is_signed = hn_dtype_class(t) == HN_CLASS_I;
    *low = is_signed ? -ldexp(1, (int)bits - 1) : 0;
    *high = ldexp(1, (int)bits - is_signed) - 1;
}

static void put_small(hn_tensor *y, size_t i, double v, bool saturate)
{
    if (hn_dtype_bits(y->dtype) == 8 && !saturate)
        ((uint8_t *)y->data)[i] = (uint8_t)hn_f64_to_small(y->dtype, v, false);
    else
        hn_put_f64(y, i, 1, &v);
}

static hn_err run_quantize(hn_call *c)
{
    hn_tensor *y = c->out[0];
    double *x, *scale, *zero = NULL, low, high;
    bool saturate = hn_attr_int(c->node, "saturate", 1), integer = !hn_is_float(y->dtype);
    hn_dtype precision = hn_dtype_from_onnx(hn_attr_int(c->node, "precision", 0));
    blocks b;
    HN_TRY(find_blocks(c, &b));
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    HN_TRY(hn_load_f64(c, c->in[1], &scale));
    if (hn_has_in(c, 2))
        HN_TRY(hn_load_f64(c, c->in[2], &zero));
    if (precision == HN_NONE)
        precision = c->in[1]->dtype;
    int_range(y->dtype, &low, &high);

    for (size_t i = 0; i < hn_count(y); i++) {
        size_t at = scale_index(&b, i);
        double v = round_to(precision, round_to(precision, x[i]) / round_to(precision, scale[at]));
        double z = zero ? zero[at] : 0;
        if (!integer) {
            put_small(y, i, v + z, saturate);
            continue;
        }
        v = isnan(v) ? 0 : fmin(fmax(nearbyint(v) + z, low), high);
        hn_put_f64(y, i, 1, &v);
    }
    return HN_OK;
}

/* ---- DequantizeLinear ----------------------------------------------------------------------- */

static hn_err infer_dequantize(hn_call *c)
{
    hn_dtype t = c->in[0]->dtype, s = c->in[1]->dtype;
    hn_dtype wanted = hn_dtype_from_onnx(hn_attr_int(c->node, "output_dtype", 0));
    hn_dtype type = wanted != HN_NONE ? wanted : s == HN_F8E8M0 ? HN_F32 : s;
    blocks b;
    if (!is_quantised(t) && t != HN_I32)
        return hn_unsupported(c, "dequantising %s", hn_dtype_name(t));
    if (s != HN_F8E8M0)
        HN_TRY(hn_want_float(c, 1));
    if (!hn_is_float(type) || hn_dtype_bits(type) < 16)
        return hn_bad(c, "output_dtype is %s, expected a float type", hn_dtype_name(type));
    HN_TRY(hn_want_same(c, 0, 2));
    HN_TRY(find_blocks(c, &b));
    hn_out(c, 0, type, &c->in[0]->shape);
    return HN_OK;
}

/* A few at a time: weights of a whole model come by here, and eight bytes for each of them would not stay near. */
static hn_err run_dequantize(hn_call *c)
{
    enum { FEW = 512 };
    double x[FEW], *scale, *zero = NULL;
    blocks b;
    HN_TRY(find_blocks(c, &b));
    HN_TRY(hn_load_f64(c, c->in[1], &scale));
    if (hn_has_in(c, 2))
        HN_TRY(hn_load_f64(c, c->in[2], &zero));
    size_t all = hn_count(c->in[0]), run = b.count == 0 ? hn_max(all, 1) : b.size == 0 ? b.inner : 1;   /* of one scale */
    for (size_t i = 0, n; i < all; i += n) {
        n = hn_min(FEW, all - i);
        hn_get_f64(c->in[0], i, n, x);
        for (size_t k = 0, many; k < n; k += many) {
            size_t at = scale_index(&b, i + k);
            double z = zero ? zero[at] : 0, s = scale[at];
            many = hn_min(n - k, run - (i + k) % run);
            for (size_t j = k; j < k + many; j++)
                x[j] = (x[j] - z) * s;
        }
        hn_put_f64(c->out[0], i, n, x);
    }
    return HN_OK;
}

/* ---- DynamicQuantizeLinear: the scale comes from the data ---------------------------------- */

static hn_err infer_dynamic(hn_call *c)
{
    hn_shape scalar = { .rank = 0 };
    HN_TRY(hn_want_type(c, 0, HN_F32));
    hn_out(c, 0, HN_U8, &c->in[0]->shape);
    hn_out(c, 1, HN_F32, &scalar);
    hn_out(c, 2, HN_U8, &scalar);
    return HN_OK;
}

/* In float, as the definition says: the scale is rounded before anything is divided by it. */
static hn_err run_dynamic(hn_call *c)
{
    const float *x = c->in[0]->data;
    size_t count = hn_count(c->in[0]);
    float low = 0, high = 0;                       /* zero itself must be representable */
    for (size_t i = 0; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float scale = (high - low) / 255;
    if (!(scale > 0) || isinf(scale))
        scale = 1;
    double zero = nearbyint(fmin(fmax((double)(-low / scale), 0), 255));
    for (size_t i = 0; i < count; i++) {
        double v = nearbyint((double)(x[i] / scale)) + zero;
        v = isnan(v) ? zero : fmin(fmax(v, 0), 255);
        hn_put_f64(c->out[0], i, 1, &v);
    }
    if (hn_has_out(c, 1))
        hn_put_f64(c->out[1], 0, 1, &(double){ (double)scale });
    if (hn_has_out(c, 2))
        hn_put_f64(c->out[2], 0, 1, &zero);
    return HN_OK;
}

static const hn_attr_spec quantize_attr[] = {
    { "axis", HN_ATTR_INT, "1" }, { "block_size", HN_ATTR_INT, "0: no blocks" },
    { "output_dtype", HN_ATTR_INT, "of the zero point, else u8" },
    { "precision", HN_ATTR_INT, "type of the division; of the scale" },
    { "saturate", HN_ATTR_INT, "1; float8 only" }, { 0 }
};
static const hn_attr_spec dequantize_attr[] = {
    { "axis", HN_ATTR_INT, "1" }, { "block_size", HN_ATTR_INT, "0: no blocks" },
    { "output_dtype", HN_ATTR_INT, "of the scale" }, { 0 }
};

const hn_op hn_op_quantizelinear = {
    .name = "QuantizeLinear", .since = 28, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = quantize_attr, .infer = infer_quantize, .run = run_quantize,
};

const hn_op hn_op_dequantizelinear = {
    .name = "DequantizeLinear", .since = 28, .min_in = 2, .max_in = 3, .min_out = 1, .max_out = 1,
    .attr = dequantize_attr, .infer = infer_dequantize, .run = run_dequantize,
};

const hn_op hn_op_dynamicquantizelinear = {
    .name = "DynamicQuantizeLinear", .since = 11, .min_in = 1, .max_in = 1, .min_out = 1, .max_out = 3,
    .infer = infer_dynamic, .run = run_dynamic,
};
