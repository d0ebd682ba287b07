/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/random.h"

#include <math.h>
#include <string.h>

#include "graph/op.h"

enum { NODES_MAX = 12, ELEMENTS_MAX = 20000, OPERANDS_MAX = 6, ATTRS_MAX = 12 };

typedef struct maker {
    hn_ctx *cx;
    hn_graph *g;
    const uint8_t *at, *end;
    uint32_t noise;
    hn_value *have[NODES_MAX + 1]; size_t count;
    size_t inferred;
    hn_attr attr[ATTRS_MAX]; int attr_count;       /* of the node being made */
    hn_value *in[OPERANDS_MAX]; int in_count;
    bool failed;                                   /* out of memory */
} maker;

/* ---- Drawing ------------------------------------------------------------------------------------------ */

static unsigned draw(maker *m, unsigned below) { return m->at < m->end ? *m->at++ % below : 0; }

/* Mostly low..high; now and then something else. */
static int64_t draw_int(maker *m, int low, int high)
{
    unsigned odd = draw(m, 32);
    if (odd == 31)
        return (int64_t)draw(m, 256) - 128;
    return low + (int)(draw(m, (unsigned)(high - low + 1)));
}

static hn_value *draw_value(maker *m)
{
    unsigned back = draw(m, 4);                    /* late ones, so that graphs are deep */
    return m->have[m->count - 1 - (back < m->count ? back : 0)];
}

static hn_value *weights(maker *m, int rank, const int64_t *dim, double size)
{
    hn_shape s = hn_shape_of(rank, dim);
    hn_value *v = NULL;
    bool known = hn_shape_known(&s);
    if (!known || hn_shape_count(&s) > ELEMENTS_MAX || hn_graph_new_const(m->cx, m->g, NULL, HN_F32, &s, &v)) {
        m->failed = m->failed || (known && hn_shape_count(&s) <= ELEMENTS_MAX);
        return NULL;
    }
    for (size_t i = 0; i < hn_count(&v->t); i++) {
        m->noise = m->noise * 1664525u + 1013904223u;
        ((float *)v->t.data)[i] = (float)(((double)(m->noise >> 8) * 0x1p-23 - 1) * size);
    }
    return v;
}

static hn_value *numbers(maker *m, const int64_t *v, size_t count)
{
    hn_value *c = NULL;
    m->failed = m->failed || hn_graph_new_const_i64(m->cx, m->g, NULL, v, count, &c);
    return c;
}

/* ---- One node ----------------------------------------------------------------------------------------- */

static void take(maker *m, hn_value *v) { m->in[m->in_count++] = v; }

static void attr_int(maker *m, const char *name, int64_t v)
{
    m->attr[m->attr_count++] = (hn_attr){ .name = name, .kind = HN_ATTR_INT, .i = v };
}

static void attr_float(maker *m, const char *name, float v)
{
    m->attr[m->attr_count++] = (hn_attr){ .name = name, .kind = HN_ATTR_FLOAT, .f = v };
}

static void attr_text(maker *m, const char *name, const char *v)
{
    m->attr[m->attr_count++] = (hn_attr){ .name = name, .kind = HN_ATTR_TEXT, .text = { v, strlen(v) } };
}

static void attr_ints(maker *m, const char *name, const int64_t *v, size_t count)
{
    int64_t *copy = HN_NEW(m->g->arena, int64_t, count);
    m->failed = m->failed || !copy;
    if (copy)
        memcpy(copy, v, count * sizeof *v);
    m->attr[m->attr_count++] = (hn_attr){ .name = name, .kind = HN_ATTR_INTS, .list = { .i = copy, .count = copy ? count : 0 } };
}

static size_t draw_list(maker *m, size_t count, int low, int high, int64_t out[8])
{
    for (size_t i = 0; i < count; i++)
        out[i] = draw_int(m, low, high);
    return count;
}

static int64_t dim_of(const hn_value *v, int i) { return i < v->t.shape.rank ? v->t.shape.dim[i] : 1; }
static size_t space(const hn_value *v) { return v->t.shape.rank > 2 ? (size_t)v->t.shape.rank - 2 : 2; }

static void window_attrs(maker *m, size_t n, bool dilated)
{
    int64_t v[16];
    if (draw(m, 2))
        attr_ints(m, "strides", v, draw_list(m, n, 1, 2, v));
    unsigned pads = draw(m, 4);
    if (pads == 1)
        attr_text(m, "auto_pad", draw(m, 2) ? "SAME_UPPER" : "SAME_LOWER");
    else if (pads)
        attr_ints(m, "pads", v, draw_list(m, 2 * n > 8 ? 8 : 2 * n, 0, 1, v));
    if (dilated && draw(m, 4) == 0)
        attr_ints(m, "dilations", v, draw_list(m, n, 1, 2, v));
}

static const char *conv(maker *m)
{
    hn_value *x = draw_value(m);
    int64_t c = dim_of(x, 1), w[8], out = draw_int(m, 1, 18), groups = draw(m, 3) == 0 ? c : 1;
    size_t n = space(x);
    if (groups != 1 && draw(m, 4))
        out = c;
    w[0] = out;
    w[1] = groups > 0 ? c / groups : 1;
    for (size_t i = 0; i < n; i++)
        w[2 + i] = draw_int(m, 1, 3);
    take(m, x);
    take(m, weights(m, (int)n + 2, w, 0.5));
    if (draw(m, 2))
        take(m, weights(m, 1, &out, 1));
    if (groups != 1)
        attr_int(m, "group", groups);
    window_attrs(m, n, true);
    return "Conv";
}

static const char *pool(maker *m)
{
    int64_t k[8];
    hn_value *x = draw_value(m);
    size_t n = space(x);
    bool mean = draw(m, 2);
    take(m, x);
    attr_ints(m, "kernel_shape", k, draw_list(m, n, 1, 3, k));
    window_attrs(m, n, false);
    if (draw(m, 3) == 0)
        attr_int(m, "ceil_mode", 1);
    if (mean && draw(m, 2))
        attr_int(m, "count_include_pad", 1);
    return mean ? "AveragePool" : "MaxPool";
}

static const char *unary(maker *m)
{
    static const char *const names[] = { "Relu", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Neg", "Abs",
                                         "HardSigmoid", "Gelu", "Clip", "Identity" };
    const char *name = names[draw(m, sizeof names / sizeof *names)];
    take(m, draw_value(m));
    if (strcmp(name, "Clip") == 0) {
        take(m, weights(m, 0, NULL, 0.5));
        take(m, weights(m, 0, NULL, 2));
    }
    return name;
}

static const char *binary(maker *m)
{
    static const char *const names[] = { "Add", "Mul", "Sub", "Max", "Min" };
    hn_value *x = draw_value(m), *y = NULL;
    int64_t full[HN_RANK_MAX], c = dim_of(x, 1);
    int rank = x->t.shape.rank;
    switch (draw(m, 5)) {
    case 0: y = weights(m, 3, (int64_t[]){ c, 1, 1 }, 1); break;
    case 1: y = weights(m, 1, (int64_t[]){ 1 }, 1); break;
    case 2:                                        /* broadcast along some axes */
        for (int i = 0; i < rank; i++)
            full[i] = draw(m, 2) ? x->t.shape.dim[i] : 1;
        y = weights(m, rank, full, 1);
        break;
    default: y = draw_value(m);
    }
    bool swap = draw(m, 2);
    take(m, swap ? y : x);
    take(m, swap ? x : y);
    return names[draw(m, sizeof names / sizeof *names)];
}

static const char *concat(maker *m)
{
    int parts = 1 + (int)draw(m, 3);
    hn_value *x = draw_value(m);
    for (int i = 0; i < parts; i++)
        take(m, draw(m, 2) ? draw_value(m) : x);
    attr_int(m, "axis", draw_int(m, -1, 3));
    return "Concat";
}

static const char *transpose(maker *m)
{
    static const int64_t perms[][4] = { { 0, 2, 3, 1 }, { 0, 3, 1, 2 }, { 3, 2, 1, 0 }, { 0, 1, 3, 2 }, { 1, 0, 2, 3 } };
    take(m, draw_value(m));
    if (draw(m, 8))
        attr_ints(m, "perm", perms[draw(m, 5)], 4);
    return "Transpose";
}

static const char *reshape(maker *m)
{
    hn_value *x = draw_value(m);
    int64_t c = dim_of(x, 1), h = dim_of(x, 2), w = dim_of(x, 3);
    const int64_t shapes[][4] = { { 0, -1, 0, 0 }, { 0, c, h * w, 1 }, { 1, -1, 1, 1 }, { -1, h, w, c }, { 0, 0, w, h },
                                  { 0, 1, c * h, w }, { -1, c, 1, 1 } };
    take(m, x);
    take(m, numbers(m, shapes[draw(m, 7)], 4));
    return "Reshape";
}

static const char *resize(maker *m)
{
    static const char *const coords[] = { "half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel" };
    hn_value *scale = weights(m, 1, (int64_t[]){ 4 }, 1);
    for (int i = 0; scale && i < 4; i++)
        ((float *)scale->t.data)[i] = i < 2 ? 1 : (float[]){ 2, 0.5f, 1, 1.5f }[draw(m, 4)];
    take(m, draw_value(m));
    take(m, NULL);
    take(m, scale);
    attr_text(m, "mode", draw(m, 2) ? "linear" : "nearest");
    attr_text(m, "coordinate_transformation_mode", coords[draw(m, 4)]);
    return "Resize";
}

static const char *matmul(maker *m)
{
    hn_value *x = draw_value(m);
    int rank = x->t.shape.rank;
    take(m, x);
    take(m, weights(m, 2, (int64_t[]){ rank > 0 ? x->t.shape.dim[rank - 1] : 1, draw_int(m, 1, 9) }, 0.5));
    return "MatMul";
}

static const char *norm(maker *m)
{
    hn_value *x = draw_value(m);
    int64_t c = dim_of(x, 1);
    if (draw(m, 2)) {
        take(m, x);
        attr_int(m, "axis", draw_int(m, -1, 3));
        return "Softmax";
    }
    take(m, x);
    for (int i = 0; i < 4; i++)
        take(m, weights(m, 1, &c, 0.5));
    float *var = m->in[4] ? m->in[4]->t.data : NULL;
    for (int64_t i = 0; var && i < c; i++)
        var[i] = var[i] * var[i] + 0.5f;
    attr_float(m, "epsilon", 1e-3f);
    return "BatchNormalization";
}

static const char *pad_or_slice(maker *m)
{
    int64_t v[8];
    hn_value *x = draw_value(m);
    take(m, x);
    if (draw(m, 2)) {
        take(m, numbers(m, v, draw_list(m, x->t.shape.rank > 4 ? 8 : 2 * (size_t)x->t.shape.rank, 0, 2, v)));
        return "Pad";
    }
    for (int i = 0; i < 3; i++)
        take(m, numbers(m, (int64_t[]){ i == 0 ? draw_int(m, 0, 2) : i == 1 ? draw_int(m, -3, 9) : draw_int(m, 0, 3) }, 1));
    return "Slice";
}

static const char *reduce(maker *m)
{
    take(m, draw_value(m));
    if (draw(m, 2))
        return "GlobalAveragePool";
    take(m, numbers(m, (int64_t[]){ 2, 3 }, 2));
    return draw(m, 2) ? "ReduceMean" : "ReduceMax";
}

/* ---- One node on bytes -------------------------------------------------------------------------------- */

static hn_value *filled(maker *m, hn_dtype type, int rank, const int64_t *dim, int64_t low, int64_t high)
{
    hn_shape s = hn_shape_of(rank, dim);
    hn_value *v = NULL;
    bool known = hn_shape_known(&s);
    if (!known || hn_shape_count(&s) > ELEMENTS_MAX || hn_graph_new_const(m->cx, m->g, NULL, type, &s, &v)) {
        m->failed = m->failed || (known && hn_shape_count(&s) <= ELEMENTS_MAX);
        return NULL;
    }
    for (size_t i = 0; i < hn_count(&v->t); i++) {
        m->noise = m->noise * 1664525u + 1013904223u;
        int64_t q = low + (int64_t)(m->noise >> 8) % (high - low + 1);
        hn_put_i64(&v->t, i, 1, &q);
    }
    return v;
}

/* Factors that bring sums of bytes back to bytes, now and then far off. */
static hn_value *factors(maker *m, int64_t channels)
{
    hn_value *f = filled(m, HN_F64, 1, (int64_t[]){ draw(m, 2) ? 1 : channels }, 1, 1000);
    double size = draw(m, 8) ? 1e-5 : 2e-2;
    for (size_t i = 0; f && i < hn_count(&f->t); i++)
        ((double *)f->t.data)[i] *= size;
    return f;
}

static int64_t byte_of(maker *m, hn_dtype t) { return (t == HN_I8 ? -128 : 0) + (int64_t)draw(m, 256); }

static void result_attrs(maker *m, hn_dtype t)
{
    static const char *const rules[] = { "away", "up", "even", "single" };
    attr_text(m, "rounding", rules[draw(m, 16) == 15 ? 3 : draw(m, 3)]);
    attr_int(m, "y_zero", byte_of(m, t));
    if (draw(m, 3) == 0)
        attr_int(m, "low", byte_of(m, t));
}

static hn_dtype weight_type(maker *m) { return draw(m, 2) ? HN_I8 : HN_U8; }

static hn_value *byte_weights(maker *m, int rank, const int64_t *dim, hn_dtype type)
{
    int64_t low = type == HN_I8 ? -128 : 0, size = draw(m, 2) ? 255 : 100;      /* small ones are calm */
    return filled(m, type, rank, dim, low + (255 - size) / 2, low + (255 - size) / 2 + size);
}

static const char *qconv(maker *m)
{
    hn_value *x = draw_value(m);
    hn_dtype type = weight_type(m);
    int64_t c = dim_of(x, 1), w[8], out = draw_int(m, 1, 40), groups = draw(m, 3) == 0 ? c : 1;
    size_t n = space(x);
    if (groups != 1 && draw(m, 4))
        out = c;
    w[0] = out;
    w[1] = groups > 0 ? c / groups : 1;
    for (size_t i = 0; i < n; i++)
        w[2 + i] = draw_int(m, 1, 3);
    take(m, x);
    take(m, byte_weights(m, (int)n + 2, w, type));
    take(m, factors(m, out));
    if (draw(m, 2))
        take(m, filled(m, HN_I32, 1, &out, -5000, 5000));
    if (groups != 1)
        attr_int(m, "group", groups);
    window_attrs(m, n, true);
    result_attrs(m, x->t.dtype);
    attr_int(m, "x_zero", byte_of(m, x->t.dtype));
    if (draw(m, 2))
        attr_int(m, "w_zero", byte_of(m, type));
    return "QConv";
}

static const char *qlinear(maker *m)
{
    hn_value *x = draw_value(m);
    hn_dtype type = weight_type(m);
    int rank = x->t.shape.rank;
    int64_t n = draw_int(m, 1, 40);
    take(m, x);
    take(m, byte_weights(m, 2, (int64_t[]){ n, rank > 0 ? x->t.shape.dim[rank - 1] : 1 }, type));
    take(m, factors(m, n));
    result_attrs(m, x->t.dtype);
    attr_int(m, "x_zero", byte_of(m, x->t.dtype));
    attr_int(m, "w_zero", draw(m, 2) ? 0 : byte_of(m, type));
    return "QLinear";
}

static const char *qbinary(maker *m)
{
    static const char *const names[] = { "QAdd", "QSub", "QMul" };
    hn_value *x = draw_value(m);
    take(m, x);
    take(m, draw(m, 3) ? draw_value(m) : filled(m, x->t.dtype, 0, NULL, 1, 100));
    attr_float(m, "a_scale", 0.01f + 0.001f * (float)draw(m, 50));
    attr_float(m, "b_scale", 0.01f + 0.001f * (float)draw(m, 50));
    attr_float(m, "y_scale", 0.02f + 0.001f * (float)draw(m, 50));
    attr_int(m, "a_zero", byte_of(m, x->t.dtype));
    attr_int(m, "b_zero", byte_of(m, x->t.dtype));
    result_attrs(m, x->t.dtype);
    return names[draw(m, 3)];
}

static const char *qpool(maker *m)
{
    int64_t k[8];
    hn_value *x = draw_value(m);
    size_t n = space(x);
    bool mean = draw(m, 2);
    take(m, x);
    attr_ints(m, "kernel_shape", k, draw_list(m, n, 1, 4, k));
    window_attrs(m, n, !mean);
    if (mean && draw(m, 3) == 0)
        attr_int(m, "low", byte_of(m, x->t.dtype));
    if (!mean && draw(m, 3) == 0)
        attr_int(m, "ceil_mode", 1);
    return mean ? "QAveragePool" : "MaxPool";
}

static const char *qresize(maker *m)
{
    static const char *const coords[] = { "half_pixel", "asymmetric", "align_corners" };
    int64_t size[8];
    take(m, draw_value(m));
    attr_ints(m, "size", size, draw_list(m, 2, 1, 24, size));
    attr_text(m, "coordinates", coords[draw(m, 3)]);
    if (draw(m, 4) == 0)
        attr_text(m, "weights", "float");
    return "QResize";
}

static const char *argmax(maker *m)
{
    take(m, draw_value(m));
    attr_int(m, "axis", draw_int(m, -1, 3));
    if (draw(m, 2))
        attr_int(m, "keepdims", 0);
    return "ArgMax";
}

static const char *lookup(maker *m)
{
    hn_value *x = draw_value(m);
    take(m, x);
    take(m, filled(m, x->t.dtype, 1, (int64_t[]){ 256 }, x->t.dtype == HN_I8 ? -128 : 0, x->t.dtype == HN_I8 ? 127 : 255));
    return "Lookup";
}

/* Adds what was drawn if inference takes it. */
static void try_node(maker *m, const char *name)
{
    hn_value *y;
    hn_attr *attr = HN_NEW(m->g->arena, hn_attr, (size_t)m->attr_count);
    size_t before = m->g->node_count;
    const hn_op *op = hn_op_find(NULL, name);
    hn_node *n;
    for (int i = 0; i < m->in_count; i++)
        if (!m->in[i] && !(i == 1 && strcmp(name, "Resize") == 0))
            return;
    if (m->failed || !attr || hn_graph_add_value(m->cx, m->g, NULL, &y) ||
        hn_graph_add_node(m->cx, m->g, op ? op : hn_op_find("hone", name), NULL, m->in, m->in_count, &y, 1, attr, m->attr_count, &n)) {
        m->failed = true;
        return;
    }
    memcpy(attr, m->attr, (size_t)m->attr_count * sizeof *attr);
    hn_err e = hn_node_verify(m->cx, n);
    if (!e)
        e = hn_graph_infer_from(m->cx, m->g, &m->inferred);
    m->failed = e == HN_ENOMEM;
    if (e || !hn_shape_known(&y->t.shape) || hn_count(&y->t) > ELEMENTS_MAX) {
        m->g->node_count = m->inferred = before;
        y->maker = NULL;
        return;
    }
    m->have[m->count++] = y;
}

static const char *const outputs_name[] = { "y", "z" };

typedef const char *maker_fn(maker *);

static maker_fn *const on_floats[] = { conv, conv, conv, pool, unary, unary, binary, binary, binary, concat, transpose, reshape,
                                       resize, matmul, norm, pad_or_slice, reduce };
static maker_fn *const on_bytes[] = { qconv, qconv, qconv, qconv, qlinear, qlinear, qbinary, qbinary, qbinary, lookup, qpool, qpool,
                                      qresize, argmax, concat,
                                      transpose, reshape };

static hn_err make(maker *m, hn_dtype type, maker_fn *const *makers, unsigned count)
{
    hn_value *x;
    HN_TRY(hn_graph_add_value(m->cx, m->g, "x", &x));
    x->t.dtype = type;
    x->t.shape = hn_shape_of(4, (int64_t[]){ 1 + draw(m, 2), 1 + draw(m, 20), 1 + draw(m, 12), 1 + draw(m, 12) });
    HN_TRY(hn_graph_add_input(m->cx, m->g, x));
    m->have[m->count++] = x;
    for (int tries = 0; tries < 2 * NODES_MAX && m->count <= NODES_MAX && (m->at < m->end || tries == 0); tries++) {
        m->attr_count = m->in_count = 0;
        try_node(m, makers[draw(m, count)](m));
        if (m->failed)
            return hn_nomem(m->cx, "a random graph");
    }
    if (m->count == 1)
        return hn_fail(m->cx, HN_EARG, "no node fits");
    for (int i = 0; i < 2; i++) {
        hn_value *y = m->have[i ? 1 + draw(m, (unsigned)m->count - 1) : m->count - 1];
        if (i && y == m->g->out[0])
            continue;
        y->name = outputs_name[i];
        HN_TRY(hn_graph_add_output(m->cx, m->g, y));
    }
    return hn_graph_verify(m->cx, m->g);
}

static hn_err random_graph(hn_ctx *cx, const uint8_t *bytes, size_t len, bool floats, hn_graph **out)
{
    maker m = { .cx = cx, .at = bytes, .end = bytes + len, .noise = 12345 };
    HN_TRY(hn_graph_new(cx, &m.g));
    hn_err e = floats ? make(&m, HN_F32, on_floats, sizeof on_floats / sizeof *on_floats)
                      : make(&m, draw(&m, 2) ? HN_I8 : HN_U8, on_bytes, sizeof on_bytes / sizeof *on_bytes);
    if (e) {
        hn_graph_free(m.g);
        return e;
    }
    *out = m.g;
    return HN_OK;
}

hn_err hn_test_random_graph(hn_ctx *cx, const uint8_t *bytes, size_t len, hn_graph **out)
{
    return random_graph(cx, bytes, len, true, out);
}

hn_err hn_test_random_integers(hn_ctx *cx, const uint8_t *bytes, size_t len, hn_graph **out)
{
    return random_graph(cx, bytes, len, false, out);
}
