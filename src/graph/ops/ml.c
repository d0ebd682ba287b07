/* SPDX-License-Identifier: Apache-2.0 */
/* ml.c: ai.onnx.ml: preparing features and mapping labels. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/load.h"
#include "graph/strided.h"

#define DOMAIN "ai.onnx.ml"

static size_t floats(const hn_call *c, const char *name, const float **out)
{
    const hn_attr *a = hn_attr_find(c->node, name);
    bool ok = a && a->kind == HN_ATTR_FLOATS;
    *out = ok ? a->list.f : NULL;
    return ok ? a->list.count : 0;
}

static hn_err want_number(const hn_call *c, int i)
{
    int class = hn_dtype_class(c->in[i]->dtype);
    return class == HN_CLASS_S || class == HN_CLASS_C ? hn_unsupported(c, "features of %s", hn_dtype_name(c->in[i]->dtype))
                                                      : HN_OK;
}

static int64_t last_dim(const hn_shape *s) { return s->rank > 0 ? s->dim[s->rank - 1] : 1; }

/* ---- Binarizer, Scaler, Normalizer ---------------------------------------------------------------- */

static hn_err infer_same(hn_call *c)
{
    HN_TRY(want_number(c, 0));
    return hn_infer_same(c);
}

static hn_err infer_f32(hn_call *c)
{
    HN_TRY(want_number(c, 0));
    hn_out(c, 0, HN_F32, &c->in[0]->shape);
    return HN_OK;
}

static hn_err run_binarizer(hn_call *c)
{
    double *x, threshold = hn_attr_float(c->node, "threshold", 0);
    size_t count = hn_count(c->in[0]);
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t i = 0; i < count; i++)
        x[i] = x[i] > threshold;
    hn_put_f64(c->out[0], 0, count, x);
    return HN_OK;
}

/* (x - offset) scale, each one number or one per feature. */
static hn_err run_scaler(hn_call *c)
{
    const float *offset, *scale;
    size_t n = (size_t)last_dim(&c->in[0]->shape), count = hn_count(c->in[0]);
    size_t offsets = floats(c, "offset", &offset), scales = floats(c, "scale", &scale);
    double *x;
    if ((offsets > 1 && offsets != n) || (scales > 1 && scales != n))
        return hn_bad(c, "%zu offsets and %zu scales for %zu features", offsets, scales, n);
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t i = 0; i < count; i++) {
        double o = offsets ? (double)offset[offsets == 1 ? 0 : i % n] : 0;
        x[i] = (x[i] - o) * (scales ? (double)scale[scales == 1 ? 0 : i % n] : 1);
    }
    hn_put_f64(c->out[0], 0, count, x);
    return HN_OK;
}

static hn_err run_normalizer(hn_call *c)
{
    bool max = hn_attr_is(c->node, "norm", "MAX", "MAX"), l1 = hn_attr_is(c->node, "norm", "L1", "MAX");
    size_t n = (size_t)last_dim(&c->in[0]->shape), count = hn_count(c->in[0]);
    double *x;
    if (!max && !l1 && !hn_attr_is(c->node, "norm", "L2", "MAX"))
        return hn_bad(c, "norm is none of MAX, L1 and L2");
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t i = 0; i < count; i += n) {
        double norm = max ? -INFINITY : 0;
        for (size_t j = i; j < i + n; j++)
            norm = max ? fmax(norm, x[j]) : norm + (l1 ? fabs(x[j]) : x[j] * x[j]);
        norm = max || l1 ? norm : sqrt(norm);
        for (size_t j = i; j < i + n && norm != 0; j++)
            x[j] /= norm;
    }
    hn_put_f64(c->out[0], 0, count, x);
    return HN_OK;
}

/* ---- Imputer ---------------------------------------------------------------------------------------- */

static hn_err run_imputer(hn_call *c)
{
    const float *value;
    const int64_t *whole;
    size_t count = hn_count(c->in[0]), n = (size_t)last_dim(&c->in[0]->shape);
    size_t values = floats(c, "imputed_value_floats", &value), wholes = hn_attr_ints(c->node, "imputed_value_int64s", &whole);
    bool is_float = hn_is_float(c->in[0]->dtype);
    double *x, missing = is_float ? hn_attr_float(c->node, "replaced_value_float", 0)
                                  : (double)hn_attr_int(c->node, "replaced_value_int64", 0);
    size_t given = is_float ? values : wholes;
    if (given != 1 && given != n)
        return hn_bad(c, "%zu values for %zu features", given, n);
    HN_TRY(hn_load_f64(c, c->in[0], &x));
    for (size_t i = 0; i < count; i++)
        if (x[i] == missing || (isnan(x[i]) && isnan(missing)))
            x[i] = is_float ? (double)value[given == 1 ? 0 : i % n] : (double)whole[given == 1 ? 0 : i % n];
    hn_put_f64(c->out[0], 0, count, x);
    return HN_OK;
}

/* ---- ArrayFeatureExtractor: columns by number --------------------------------------------------------- */

static hn_err infer_extract(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape, *at = &c->in[1]->shape;
    hn_shape y = *x;
    HN_TRY(hn_want_type(c, 1, HN_I64));
    if (x->rank == 0)
        return hn_bad(c, "input has no dimensions");
    if (x->rank == 1)
        y = (hn_shape){ .rank = 2, .dim = { 1 } };
    if (x->rank > 0)
        y.dim[y.rank - 1] = hn_shape_known(at) ? (int64_t)hn_shape_count(at) : hn_fresh_dim(c);
    hn_out(c, 0, c->in[0]->dtype, &y);
    return HN_OK;
}

static hn_err run_extract(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    size_t n = (size_t)last_dim(x), picks = hn_count(c->in[1]), rows = hn_shape_product(x, 0, x->rank - 1);
    int64_t *at;
    HN_TRY(hn_load_i64(c, c->in[1], &at));
    for (size_t j = 0; j < picks; j++) {
        if (at[j] < 0 || (size_t)at[j] >= n)
            return hn_bad(c, "column %lld of %zu", (long long)at[j], n);
        for (size_t r = 0; r < rows; r++)
            hn_elems_copy(c->out[0], r * picks + j, c->in[0], r * n + (size_t)at[j], 1);
    }
    return HN_OK;
}

/* ---- FeatureVectorizer: rows side by side ---------------------------------------------------------------- */

static hn_err infer_vectorizer(hn_call *c)
{
    const int64_t *width;
    size_t given = hn_attr_ints(c->node, "inputdimensions", &width);
    hn_shape y = { .rank = 2, .dim = { hn_fresh_dim(c), 0 } };
    if (given != (size_t)c->in_count)
        return hn_bad(c, "%zu widths for %d inputs", given, c->in_count);
    for (int i = 0; i < c->in_count; i++) {
        if (!c->in[i])
            return hn_bad(c, "input %d is left out", i);
        HN_TRY(want_number(c, i));
        const hn_shape *s = &c->in[i]->shape;
        if (width[i] < 0 || width[i] > INT32_MAX || s->rank > 2)
            return hn_bad(c, "input %d has %d dimensions and a width of %lld", i, s->rank, (long long)width[i]);
        y.dim[1] += width[i];
        if (s->rank == 2)
            y.dim[0] = s->dim[0];
        else if (s->rank >= 0 && i == 0)
            y.dim[0] = 1;
    }
    hn_out(c, 0, HN_F32, &y);
    return HN_OK;
}

static hn_err run_vectorizer(hn_call *c)
{
    const int64_t *width;
    size_t rows = (size_t)c->out[0]->shape.dim[0], n = (size_t)c->out[0]->shape.dim[1], at = 0;
    hn_attr_ints(c->node, "inputdimensions", &width);
    hn_elems_zero(c->out[0]);
    for (int i = 0; i < c->in_count; at += (size_t)width[i++]) {
        const hn_shape *s = &c->in[i]->shape;
        size_t have = (size_t)last_dim(s), take = hn_min(have, (size_t)width[i]);
        double *x;
        if (have && hn_count(c->in[i]) / have != rows)
            return hn_bad(c, "input %d has %zu rows, expected %zu", i, hn_count(c->in[i]) / have, rows);
        HN_TRY(hn_load_f64(c, c->in[i], &x));
        for (size_t r = 0; r < rows && take; r++)
            hn_put_f64(c->out[0], r * n + at, take, x + r * have);
    }
    return HN_OK;
}

/* ---- OneHotEncoder ------------------------------------------------------------------------------------- */

static size_t categories(const hn_call *c, const int64_t **number, const hn_text **text)
{
    const hn_attr *a = hn_attr_find(c->node, "cats_strings");
    size_t n = hn_attr_ints(c->node, "cats_int64s", number);
    *text = a && a->kind == HN_ATTR_TEXTS && a->list.count ? a->list.text : NULL;
    return *text ? a->list.count : n;
}

static hn_err infer_one_hot(hn_call *c)
{
    const int64_t *number;
    const hn_text *text;
    size_t n = categories(c, &number, &text);
    hn_shape y = c->in[0]->shape;
    if (text)
        HN_TRY(hn_want_type(c, 0, HN_STR));
    else
        HN_TRY(want_number(c, 0));
    if (n == 0)
        return hn_bad(c, "no categories");
    if (y.rank == HN_RANK_MAX)
        return hn_unsupported(c, "more than %d dimensions", HN_RANK_MAX);
    if (y.rank >= 0)
        y.dim[y.rank++] = (int64_t)n;
    hn_out(c, 0, HN_F32, &y);
    return HN_OK;
}

static bool same_text(hn_text a, hn_text b) { return a.len == b.len && (!a.len || memcmp(a.ptr, b.ptr, a.len) == 0); }

static hn_err run_one_hot(hn_call *c)
{
    const int64_t *number;
    const hn_text *text;
    size_t n = categories(c, &number, &text), count = hn_count(c->in[0]);
    bool known_only = !hn_attr_int(c->node, "zeros", 1);
    int64_t *x = NULL;
    float *y = c->out[0]->data;
    if (!text)
        HN_TRY(hn_load_i64(c, c->in[0], &x));
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < n; k++) {
            bool is = text ? same_text(text[k], ((const hn_text *)c->in[0]->data)[i]) : number[k] == x[i];
            y[i * n + k] = is && !found;
            found = found || is;
        }
        if (!found && known_only)
            return hn_bad(c, "element %zu is none of the categories", i);
    }
    return HN_OK;
}

/* ---- LabelEncoder: one list of labels to another ----------------------------------------------------------- */

/* Keys or values, as a tensor over whichever attribute holds them. */
static hn_err labels(hn_call *c, const char *prefix, hn_tensor *out)
{
    static const struct { const char *end; hn_attr_kind kind; } form[] = {
        { "tensor", HN_ATTR_TENSOR }, { "strings", HN_ATTR_TEXTS }, { "int64s", HN_ATTR_INTS }, { "floats", HN_ATTR_FLOATS },
    };
    size_t len = strlen(prefix);
    for (int i = 0; i < c->node->attr_count; i++) {
        const hn_attr *a = &c->node->attr[i];
        for (int f = 0; f < 4 && strncmp(a->name, prefix, len) == 0; f++) {
            if (strcmp(a->name + len, form[f].end) != 0 || a->kind != form[f].kind)
                continue;
            *out = a->kind == HN_ATTR_TENSOR ? a->tensor : (hn_tensor){
                a->kind == HN_ATTR_TEXTS ? HN_STR : a->kind == HN_ATTR_INTS ? HN_I64 : HN_F32,
                { .rank = 1, .dim = { (int64_t)a->list.count } },
                a->kind == HN_ATTR_TEXTS ? (void *)(uintptr_t)a->list.text
                    : a->kind == HN_ATTR_INTS ? (void *)(uintptr_t)a->list.i : (void *)(uintptr_t)a->list.f };
            return HN_OK;
        }
    }
    return hn_bad(c, "has no %sstrings, _int64s, _floats or _tensor", prefix);
}

static hn_err infer_label(hn_call *c)
{
    hn_tensor key, value;
    HN_TRY(labels(c, "keys_", &key));
    HN_TRY(labels(c, "values_", &value));
    HN_TRY(hn_want_type(c, 0, key.dtype));
    if (hn_count(&key) != hn_count(&value))
        return hn_bad(c, "%zu keys and %zu values", hn_count(&key), hn_count(&value));
    hn_out(c, 0, value.dtype, &c->in[0]->shape);
    return HN_OK;
}

static hn_err put_default(hn_call *c, size_t i)
{
    const hn_attr *a = hn_attr_find(c->node, "default_tensor");
    hn_tensor *y = c->out[0];
    if (a && a->kind == HN_ATTR_TENSOR && a->tensor.dtype == y->dtype && hn_count(&a->tensor) == 1)
        hn_elems_copy(y, i, &a->tensor, 0, 1);
    else if (y->dtype == HN_STR)
        ((hn_text *)y->data)[i] = hn_attr_text(c->node, "default_string", "_Unused");
    else if (hn_is_float(y->dtype))
        hn_put_f64(y, i, 1, &(double){ hn_attr_float(c->node, "default_float", 0) });
    else
        hn_put_i64(y, i, 1, &(int64_t){ hn_attr_int(c->node, "default_int64", -1) });
    return HN_OK;
}

static bool same_label(const hn_tensor *a, size_t i, const hn_tensor *b, size_t j)
{
    double x, y;
    if (hn_elem_equal(a, i, b, j))
        return true;
    if (!hn_is_float(a->dtype))
        return false;
    hn_get_f64(a, i, 1, &x);
    hn_get_f64(b, j, 1, &y);
    return x == y || (isnan(x) && isnan(y));            /* a key may be NaN, in any of its forms */
}

static hn_err run_label(hn_call *c)
{
    hn_tensor key, value;
    HN_TRY(labels(c, "keys_", &key));
    HN_TRY(labels(c, "values_", &value));
    size_t keys = hn_count(&key), count = hn_count(c->in[0]);
    for (size_t i = 0; i < count; i++) {
        size_t k = keys;                                /* of equal keys the last counts */
        while (k > 0 && !same_label(c->in[0], i, &key, k - 1))
            k--;
        if (k)
            hn_elems_copy(c->out[0], i, &value, k - 1, 1);
        else
            HN_TRY(put_default(c, i));
    }
    return HN_OK;
}

/* ---- Descriptors ------------------------------------------------------------------------------------------- */

static const hn_attr_spec binarizer_attr[] = { { "threshold", HN_ATTR_FLOAT, "0" }, { 0 } };
static const hn_attr_spec scaler_attr[] = { { "offset", HN_ATTR_FLOATS, "0" }, { "scale", HN_ATTR_FLOATS, "1" }, { 0 } };
static const hn_attr_spec normalizer_attr[] = { { "norm", HN_ATTR_TEXT, "MAX" }, { 0 } };
static const hn_attr_spec imputer_attr[] = {
    { "imputed_value_floats", HN_ATTR_FLOATS, "" }, { "imputed_value_int64s", HN_ATTR_INTS, "" },
    { "replaced_value_float", HN_ATTR_FLOAT, "0" }, { "replaced_value_int64", HN_ATTR_INT, "0" }, { 0 }
};
static const hn_attr_spec vectorizer_attr[] = { { "inputdimensions", HN_ATTR_INTS, "" }, { 0 } };
static const hn_attr_spec one_hot_attr[] = {
    { "cats_int64s", HN_ATTR_INTS, "" }, { "cats_strings", HN_ATTR_TEXTS, "" },
    { "zeros", HN_ATTR_INT, "1: unknown ones are all zero" }, { 0 }
};
static const hn_attr_spec label_attr[] = {
    { "default_float", HN_ATTR_FLOAT, "0" }, { "default_int64", HN_ATTR_INT, "-1" },
    { "default_string", HN_ATTR_TEXT, "_Unused" }, { "default_tensor", HN_ATTR_TENSOR, "" },
    { "keys_floats", HN_ATTR_FLOATS, "" }, { "keys_int64s", HN_ATTR_INTS, "" }, { "keys_strings", HN_ATTR_TEXTS, "" },
    { "keys_tensor", HN_ATTR_TENSOR, "" }, { "values_floats", HN_ATTR_FLOATS, "" },
    { "values_int64s", HN_ATTR_INTS, "" }, { "values_strings", HN_ATTR_TEXTS, "" }, { "values_tensor", HN_ATTR_TENSOR, "" }, { 0 }
};

#define ML(id, onnx, opset, ins_min, ins_max, attrs, infer_fn, run_fn)                              \
    const hn_op hn_op_##id = { .name = onnx, .domain = DOMAIN, .since = opset, .min_in = ins_min,   \
        .max_in = ins_max, .min_out = 1, .max_out = 1, .attr = attrs, .infer = infer_fn, .run = run_fn };

ML(binarizer,               "Binarizer",             1, 1,  1, binarizer_attr,  infer_same,       run_binarizer)
ML(scaler,                  "Scaler",                1, 1,  1, scaler_attr,     infer_f32,        run_scaler)
ML(normalizer,              "Normalizer",            1, 1,  1, normalizer_attr, infer_f32,        run_normalizer)
ML(imputer,                 "Imputer",               1, 1,  1, imputer_attr,    infer_same,       run_imputer)
ML(array_feature_extractor, "ArrayFeatureExtractor", 1, 2,  2, NULL,            infer_extract,    run_extract)
ML(feature_vectorizer,      "FeatureVectorizer",     1, 1, -1, vectorizer_attr, infer_vectorizer, run_vectorizer)
ML(one_hot_encoder,         "OneHotEncoder",         1, 1,  1, one_hot_attr,    infer_one_hot,    run_one_hot)
ML(label_encoder,           "LabelEncoder",          4, 1,  1, label_attr,      infer_label,      run_label)
