/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_contrib.c: Microsoft's contrib operators into ONNX's own.  What becomes what is listed in
 * onnx_contrib.def.
 *
 * A rewrite makes all of its nodes; where a form of the operator says more than ONNX can, it is refused
 * by name. */
#include "formats/onnx_contrib.h"

#include <stdlib.h>

#include "base/num.h"

static hn_err same(contrib *k)
{
    hn_onnx_node n = *k->n;
    n.op = k->inner;
    n.domain = "";
    return hn_onnx_emit(k->r, k->g, &n);
}

/* ---- Quantised ------------------------------------------------------------------------------------ */

static hn_err numbers_of(contrib *k, hn_value *x, hn_value *scale, hn_value *zero, hn_value **y)
{
    return make_n(k, "DequantizeLinear", (hn_value *[]){ x, scale, zero }, zero ? 3 : 2, NULL, 0, y, 1);
}

/* Without a zero point the result has the type of x, the first operand. */
static hn_err integers_of(contrib *k, hn_value *v, hn_value *scale, hn_value *zero, const hn_value *x)
{
    if (!zero && x->t.dtype == HN_NONE)
        return refuse(k, "no zero point for the output");
    hn_attr type = an_int("output_dtype", hn_dtype_to_onnx(x->t.dtype));
    return make_n(k, "QuantizeLinear", (hn_value *[]){ v, scale, zero }, zero ? 3 : 2, &type, !zero, out(k, 0), 1);
}

static hn_err q_binary(contrib *k)                 /* a, scale, zero, b, scale, zero, scale, zero */
{
    hn_value *a = NULL, *b = NULL, *y = NULL;
    HN_TRY(want(k, 0, 1));
    HN_TRY(want(k, 3, 4));
    HN_TRY(want(k, 6, 6));
    HN_TRY(numbers_of(k, in(k, 0), in(k, 1), in(k, 2), &a));
    HN_TRY(numbers_of(k, in(k, 3), in(k, 4), in(k, 5), &b));
    HN_TRY(two(k, k->inner, a, b, &y));
    return integers_of(k, y, in(k, 6), in(k, 7), in(k, 0));
}

static hn_err q_unary(contrib *k)                  /* x, scale, zero, scale, zero */
{
    static const char *const names[] = { "alpha", "auto_pad", "axes", "axis", "ceil_mode", "count_include_pad", "keepdims",
                                         "kernel_shape", "pads", "strides", NULL };
    hn_value *x = NULL, *y = NULL, *operand[2] = { NULL, NULL };
    hn_attr a[ATTRS_MAX];
    const hn_attr *axes = attr(k, "axes");
    HN_TRY(want(k, 0, 1));
    HN_TRY(want(k, 3, 3));
    if (int_of(k, "channels_last", 0))
        return refuse(k, "channels_last");
    int count = pass_on(k, names, a);
    HN_TRY(numbers_of(k, in(k, 0), in(k, 1), in(k, 2), &x));
    operand[0] = x;
    if (axes && axes->kind == HN_ATTR_INTS) {      /* ReduceMean has them as an input today */
        HN_TRY(ints(k, axes->list.i, axes->list.count, &operand[1]));
        for (int i = 0; i < count; i++)
            if (strcmp(a[i].name, "axes") == 0)
                a[i] = a[--count];
    }
    HN_TRY(make_n(k, k->inner, operand, operand[1] ? 2 : 1, a, count, &y, 1));
    return integers_of(k, y, in(k, 3), in(k, 4), in(k, 0));
}

static hn_err q_concat(contrib *k)                 /* scale, zero, then x, scale, zero each */
{
    size_t count = k->n->in_count > 2 ? ((size_t)k->n->in_count - 2) / 3 : 0;
    hn_value **x = HN_NEW(k->r->scratch, hn_value *, count), *y = NULL;
    hn_attr axis = an_int("axis", int_of(k, "axis", 0));
    if (!x)
        return hn_nomem(k->r->cx, "operands");
    HN_TRY(want(k, 0, 2));
    for (size_t i = 0; i < count; i++) {
        int at = 2 + 3 * (int)i;
        HN_TRY(want(k, at, at + 1));
        HN_TRY(numbers_of(k, in(k, at), in(k, at + 1), in(k, at + 2), &x[i]));
    }
    HN_TRY(make_n(k, "Concat", x, (int)count, &axis, 1, &y, 1));
    return integers_of(k, y, in(k, 0), in(k, 1), in(k, 2));
}

static hn_err q_where(contrib *k)                  /* condition, x, scale, zero, y, scale, zero, scale, zero */
{
    hn_value *a = NULL, *b = NULL, *y = NULL;
    HN_TRY(want(k, 0, 7));
    HN_TRY(numbers_of(k, in(k, 1), in(k, 2), in(k, 3), &a));
    HN_TRY(numbers_of(k, in(k, 4), in(k, 5), in(k, 6), &b));
    HN_TRY(make_n(k, "Where", (hn_value *[]){ in(k, 0), a, b }, 3, NULL, 0, &y, 1));
    return integers_of(k, y, in(k, 7), in(k, 8), in(k, 1));
}

/* a, scale, zero, b, scale, zero, c, scale, zero; c counts in steps of both scales multiplied. */
static hn_err q_gemm(contrib *k)
{
    static const char *const names[] = { "alpha", "transA", "transB", NULL };
    hn_value *a = NULL, *b = NULL, *c = NULL, *scale = NULL, *y = NULL;
    hn_attr gemm[ATTRS_MAX], column = an_int("axis", int_of(k, "transB", 0) ? 0 : 1), first = an_int("axis", 0);
    hn_value *weights[] = { in(k, 3), in(k, 4), in(k, 5) };
    HN_TRY(want(k, 0, 1));
    HN_TRY(want(k, 3, 4));
    HN_TRY(numbers_of(k, in(k, 0), in(k, 1), in(k, 2), &a));
    HN_TRY(make_n(k, "DequantizeLinear", weights, weights[2] ? 3 : 2, &column, 1, &b, 1));
    if (in(k, 6)) {
        HN_TRY(two(k, "Mul", in(k, 1), in(k, 4), &scale));
        HN_TRY(make_n(k, "DequantizeLinear", (hn_value *[]){ in(k, 6), scale }, 2, &first, 1, &c, 1));
    }
    int count = pass_on(k, names, gemm);
    hn_value *operand[] = { a, b, c };
    if (!in(k, 7))                                 /* no scale: numbers come out */
        return make_n(k, "Gemm", operand, c ? 3 : 2, gemm, count, out(k, 0), 1);
    HN_TRY(make_n(k, "Gemm", operand, c ? 3 : 2, gemm, count, &y, 1));
    return integers_of(k, y, in(k, 7), in(k, 8), in(k, 0));
}

/* y = (a - az)(b - bz) scale (+ bias) */
static hn_err scaled_matmul(contrib *k, hn_value *a, hn_value *az, hn_value *b, hn_value *bz, hn_value *sa, hn_value *sb,
                            hn_value *bias)
{
    hn_value *sum = NULL, *real = NULL, *scale = NULL, *y = NULL;
    hn_attr to = an_int("to", hn_dtype_to_onnx(HN_F32));
    HN_TRY(make_n(k, "MatMulInteger", (hn_value *[]){ a, b, az, bz }, bz ? 4 : az ? 3 : 2, NULL, 0, &sum, 1));
    HN_TRY(make_n(k, "Cast", &sum, 1, &to, 1, &real, 1));
    HN_TRY(two(k, "Mul", sa, sb, &scale));
    if (!bias)
        return two(k, "Mul", real, scale, out(k, 0));
    HN_TRY(two(k, "Mul", real, scale, &y));
    return two(k, "Add", y, bias, out(k, 0));
}

static hn_err dynamic_matmul(contrib *k)           /* a, b, b scale, b zero, bias */
{
    hn_value *q[3] = { NULL, NULL, NULL };
    HN_TRY(want(k, 0, 2));
    for (int i = 0; i < 3; i++)
        HN_TRY(hn_graph_add_value(k->r->cx, k->g, "", &q[i]));
    hn_value *a = in(k, 0);
    HN_TRY(make_n(k, "DynamicQuantizeLinear", &a, 1, NULL, 0, q, 3));
    return scaled_matmul(k, q[0], q[2], in(k, 1), in(k, 3), q[1], in(k, 2), in(k, 4));
}

static hn_err integer_matmul(contrib *k)           /* a, b, a scale, b scale, a zero, b zero, bias */
{
    HN_TRY(want(k, 0, 3));
    return scaled_matmul(k, in(k, 0), in(k, 4), in(k, 1), in(k, 5), in(k, 2), in(k, 3), in(k, 6));
}

/* ---- MatMulNBits: weights of 2, 4 or 8 bits in blocks, [N, blocks, block bytes] ----------------------- */

typedef struct blocks { int64_t k, n, bits, size, count; } blocks;

static hn_err read_blocks(const contrib *c, blocks *b)
{
    *b = (blocks){ int_of(c, "K", 0), int_of(c, "N", 0), int_of(c, "bits", 4), int_of(c, "block_size", 0), 0 };
    if (b->bits != 2 && b->bits != 4 && b->bits != 8)
        return refuse(c, "weights of other than 2, 4 or 8 bits");
    if (b->k < 1 || b->n < 1 || b->k > INT32_MAX || b->n > INT32_MAX || b->size < 16 || b->size > INT32_MAX / 2 ||
        b->size % 8)
        return hn_fail(c->r->cx, HN_EFORMAT, "node '%.80s' (MatMulNBits): K, N or block_size is out of range", c->n->name);
    b->count = (b->k + b->size - 1) / b->size;
    return HN_OK;
}

static hn_dtype unsigned_of(int64_t bits) { return bits == 2 ? HN_U2 : bits == 4 ? HN_U4 : HN_U8; }

/* The same bytes as whole numbers of `bits` bits, [N, columns]. */
static hn_err as_small(const contrib *c, const hn_value *v, const blocks *b, int64_t columns, hn_value **y)
{
    hn_tensor t = { unsigned_of(b->bits), { .rank = 2, .dim = { b->n, columns } }, v->t.data };
    if (!hn_is_const(v) || v->t.dtype != HN_U8)
        return refuse(c, "weights that are not constant bytes");
    if (hn_bytes(&t) != hn_bytes(&v->t))
        return hn_fail(c->r->cx, HN_EFORMAT, "node '%.80s' (MatMulNBits): %zu bytes of weights, expected %zu", c->n->name,
                       hn_bytes(&v->t), hn_bytes(&t));
    return hn_graph_add_const(c->r->cx, c->g, "", &t, y);
}

/* One zero point per block: given packed by rows, each row ending in a whole byte, or the middle. */
static hn_err zero_points(const contrib *c, const hn_value *given, const blocks *b, hn_value **y)
{
    hn_shape shape = { .rank = 2, .dim = { b->n, b->count } };
    int64_t per_byte = 8 / b->bits, row = (b->count + per_byte - 1) / per_byte;
    if (given && (!hn_is_const(given) || given->t.dtype != HN_U8 || hn_count(&given->t) != hn_mul((size_t)b->n, (size_t)row)))
        return refuse(c, "zero points that are not constant bytes, packed by rows");
    HN_TRY(hn_graph_new_const(c->r->cx, c->g, "", unsigned_of(b->bits), &shape, y));
    const uint8_t *from = given ? given->t.data : NULL;
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t j = 0; j < b->count; j++) {
            int64_t v = (int64_t)1 << (b->bits - 1);
            if (from)
                v = from[i * row + j / per_byte] >> (j % per_byte * b->bits) & ((1 << b->bits) - 1);
            hn_put_i64(&(*y)->t, (size_t)(i * b->count + j), 1, &v);
        }
    return HN_OK;
}

static hn_err matmul_bits(contrib *k)              /* a, b, scales, zero points, group index, bias */
{
    hn_value *small, *zero, *shape, *to, *scale = NULL, *real = NULL, *cut = NULL, *turned = NULL, *y = NULL;
    blocks b;
    HN_TRY(want(k, 0, 2));
    if (in(k, 4))
        return refuse(k, "a group index");
    HN_TRY(read_blocks(k, &b));
    HN_TRY(as_small(k, in(k, 1), &b, b.count * b.size, &small));
    HN_TRY(zero_points(k, in(k, 3), &b, &zero));
    HN_TRY(ints(k, (int64_t[]){ b.n, b.count }, 2, &shape));
    HN_TRY(two(k, "Reshape", in(k, 2), shape, &scale));
    hn_attr block[] = { an_int("axis", 1), an_int("block_size", b.size) };
    HN_TRY(make_n(k, "DequantizeLinear", (hn_value *[]){ small, scale, zero }, 3, block, 2, &real, 1));
    if (b.k < b.count * b.size) {
        hn_value *none, *axis;
        HN_TRY(ints(k, (int64_t[]){ 0 }, 1, &none));
        HN_TRY(ints(k, &b.k, 1, &to));
        HN_TRY(ints(k, (int64_t[]){ 1 }, 1, &axis));
        HN_TRY(make_n(k, "Slice", (hn_value *[]){ real, none, to, axis }, 4, NULL, 0, &cut, 1));
        real = cut;
    }
    static const int64_t swap[] = { 1, 0 };
    hn_attr perm = { .name = "perm", .kind = HN_ATTR_INTS, .list = { .i = swap, .count = 2 } };
    HN_TRY(make_n(k, "Transpose", &real, 1, &perm, 1, &turned, 1));
    if (!in(k, 5))
        return two(k, "MatMul", in(k, 0), turned, out(k, 0));
    HN_TRY(two(k, "MatMul", in(k, 0), turned, &y));
    return two(k, "Add", y, in(k, 5), out(k, 0));
}

/* ---- Fused --------------------------------------------------------------------------------------- */

/* y -> activation(y), as the node's attributes say; ONNX's defaults where they do not. */
static hn_err activate(contrib *k, hn_value *y)
{
    static const struct { const char *name, *attr[2]; } known[] = {
        { "Relu", { NULL } }, { "Tanh", { NULL } }, { "Sigmoid", { NULL } }, { "LeakyRelu", { "alpha" } },
        { "HardSigmoid", { "alpha", "beta" } },
    };
    const hn_attr *a = attr(k, "activation"), *params = attr(k, "activation_params");
    hn_attr own[2];
    hn_value *x[3] = { y, NULL, NULL };
    size_t given = params && params->kind == HN_ATTR_FLOATS ? params->list.count : 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int count = 0;
        if (!hn_text_is(a->text, known[i].name))
            continue;
        for (size_t j = 0; j < 2 && j < given && known[i].attr[j]; j++)
            own[count++] = a_float(known[i].attr[j], params->list.f[j]);
        return make_n(k, known[i].name, x, 1, own, count, out(k, 0), 1);
    }
    if (!hn_text_is(a->text, "Clip") || given != 2)
        return refuse(k, "an activation that is not known");
    HN_TRY(number(k, params->list.f[0], &x[1]));
    HN_TRY(number(k, params->list.f[1], &x[2]));
    return make_n(k, "Clip", x, 3, NULL, 0, out(k, 0), 1);
}

static bool has_activation(const contrib *k)
{
    const hn_attr *a = attr(k, "activation");
    return a && a->kind == HN_ATTR_TEXT && a->text.len;
}

static hn_err fused_conv(contrib *k)               /* x, w, bias, and what is added before the activation */
{
    static const char *const names[] = { "auto_pad", "dilations", "group", "kernel_shape", "pads", "strides", NULL };
    hn_value *x[] = { in(k, 0), in(k, 1), in(k, 2) }, *conv = NULL, *sum = NULL;
    hn_attr a[ATTRS_MAX];
    int count = pass_on(k, names, a), ins = in(k, 2) ? 3 : 2;
    HN_TRY(want(k, 0, 1));
    if (!in(k, 3) && !has_activation(k))
        return make_n(k, "Conv", x, ins, a, count, out(k, 0), 1);
    HN_TRY(make_n(k, "Conv", x, ins, a, count, &conv, 1));
    if (!in(k, 3))
        return activate(k, conv);
    if (!has_activation(k))
        return two(k, "Add", conv, in(k, 3), out(k, 0));
    HN_TRY(two(k, "Add", conv, in(k, 3), &sum));
    return activate(k, sum);
}

static hn_err fused_gemm(contrib *k)
{
    static const char *const names[] = { "alpha", "beta", "transA", "transB", NULL };
    hn_value *x[] = { in(k, 0), in(k, 1), in(k, 2) }, *y = NULL;
    hn_attr a[ATTRS_MAX];
    int count = pass_on(k, names, a), ins = in(k, 2) ? 3 : 2;
    HN_TRY(want(k, 0, 1));
    if (!has_activation(k))
        return make_n(k, "Gemm", x, ins, a, count, out(k, 0), 1);
    if (attr(k, "activation_alpha") || attr(k, "activation_beta"))
        return refuse(k, "an activation with parameters");
    HN_TRY(make_n(k, "Gemm", x, ins, a, count, &y, 1));
    return activate(k, y);
}

/* The last two dimensions of operand i swapped when the node asks for it. */
static hn_err turned(contrib *k, int i, const char *name, hn_value **y)
{
    *y = in(k, i);
    if (!int_of(k, name, 0))
        return HN_OK;
    int rank;
    HN_TRY(rank_of(k, *y, &rank));
    if (rank < 2)
        return refuse(k, "a transposed operand whose rank is not known");
    int64_t *perm = HN_NEW(k->r->arena, int64_t, (size_t)rank);
    if (!perm)
        return hn_nomem(k->r->cx, "an attribute");
    for (int d = 0; d < rank; d++)
        perm[d] = d < rank - 2 ? d : 2 * rank - 3 - d;
    hn_attr a = { .name = "perm", .kind = HN_ATTR_INTS, .list = { .i = perm, .count = (size_t)rank } };
    hn_value *x = *y;
    *y = NULL;
    return make_n(k, "Transpose", &x, 1, &a, 1, y, 1);
}

static hn_err fused_matmul(contrib *k)
{
    const hn_attr *alpha = attr(k, "alpha");
    hn_value *a, *b, *y = NULL, *by;
    HN_TRY(want(k, 0, 1));
    if (int_of(k, "transBatchA", 0) || int_of(k, "transBatchB", 0))
        return refuse(k, "batches moved inside");
    HN_TRY(turned(k, 0, "transA", &a));
    HN_TRY(turned(k, 1, "transB", &b));
    if (!alpha || alpha->kind != HN_ATTR_FLOAT || alpha->f == 1)
        return two(k, "MatMul", a, b, out(k, 0));
    HN_TRY(two(k, "MatMul", a, b, &y));
    HN_TRY(number(k, alpha->f, &by));
    return two(k, "Mul", y, by, out(k, 0));
}

static hn_err bias_gelu(contrib *k)                /* x, bias; FastGelu's bias may be left out */
{
    hn_attr how = a_text("approximate", k->inner);
    hn_value *x = in(k, 0), *sum = NULL;
    HN_TRY(want(k, 0, 0));
    if (in(k, 1)) {
        HN_TRY(two(k, "Add", x, in(k, 1), &sum));
        x = sum;
    }
    return make_n(k, "Gelu", &x, 1, &how, 1, out(k, 0), 1);
}

static hn_err quick_gelu(contrib *k)
{
    const hn_attr *given = attr(k, "alpha");
    hn_attr alpha = given ? *given : a_float("alpha", 1.702f);
    hn_value *x = in(k, 0);
    HN_TRY(want(k, 0, 0));
    return make_n(k, "Swish", &x, 1, &alpha, 1, out(k, 0), 1);
}

/* ---- Transformers ------------------------------------------------------------------------------------- */

/* out 0 = normalised x, over the last dimension. */
static hn_err normalise(contrib *k, hn_value *x, hn_value *gamma, hn_value *beta)
{
    const hn_attr *epsilon = attr(k, "epsilon");
    hn_attr a[] = { an_int("axis", -1), epsilon ? *epsilon : a_float("epsilon", 1e-12f) };
    return make_n(k, k->inner, (hn_value *[]){ x, gamma, beta }, beta ? 3 : 2, a, 2, out(k, 0), 1);
}

/* x, skip, gamma, beta (not in the simplified form), bias; outputs 1 and 2 are for training, 3 is the sum. */
static hn_err skip_norm(contrib *k)
{
    bool simple = strcmp(k->inner, "RMSNormalization") == 0;
    hn_value *bias = in(k, simple ? 3 : 4), *sum = NULL, *kept = wanted(k, 3) ? *out(k, 3) : NULL;
    HN_TRY(want(k, 0, 2));
    if (wanted(k, 1) || wanted(k, 2))
        return refuse(k, "mean and deviation as outputs");
    if (!bias)
        sum = kept;
    HN_TRY(two(k, "Add", in(k, 0), in(k, 1), &sum));
    if (bias) {
        hn_value *all = kept;
        HN_TRY(two(k, "Add", sum, bias, &all));
        sum = all;
    }
    return normalise(k, sum, in(k, 2), simple ? NULL : in(k, 3));
}

/* ids, segments, word, position and segment tables, gamma, beta, mask, positions. */
static hn_err embed_norm(contrib *k)
{
    hn_value *word = NULL, *place = NULL, *sum = wanted(k, 2) && !in(k, 1) ? *out(k, 2) : NULL, *all = NULL;
    HN_TRY(want(k, 0, 0));
    HN_TRY(want(k, 2, 3));
    HN_TRY(want(k, 5, 6));
    if (wanted(k, 1) && in(k, 7)) {                /* how many places the mask keeps, per row */
        hn_value *axis;
        hn_attr drop = an_int("keepdims", 0);
        HN_TRY(ints(k, (int64_t[]){ 1 }, 1, &axis));
        HN_TRY(make_n(k, "ReduceSum", (hn_value *[]){ in(k, 7), axis }, 2, &drop, 1, out(k, 1), 1));
    } else if (wanted(k, 1)) {
        return refuse(k, "a mask index without a mask");
    }
    HN_TRY(two(k, "Gather", in(k, 2), in(k, 0), &word));
    if (in(k, 8)) {
        HN_TRY(two(k, "Gather", in(k, 3), in(k, 8), &place));
    } else {                                       /* positions 0, 1, ...: the table's first rows */
        hn_value *shape = NULL, *zero, *axis, *length = NULL, *first;
        hn_attr from = an_int("start", 1);
        HN_TRY(ints(k, (int64_t[]){ 0 }, 1, &zero));
        HN_TRY(ints(k, (int64_t[]){ 0 }, 1, &axis));
        first = in(k, 0);
        HN_TRY(make_n(k, "Shape", &first, 1, &from, 1, &shape, 1));
        length = shape;
        HN_TRY(make_n(k, "Slice", (hn_value *[]){ in(k, 3), zero, length, axis }, 4, NULL, 0, &place, 1));
    }
    HN_TRY(two(k, "Add", word, place, &sum));
    if (in(k, 1)) {
        hn_value *segment = NULL;
        HN_TRY(want(k, 4, 4));
        HN_TRY(two(k, "Gather", in(k, 4), in(k, 1), &segment));
        all = wanted(k, 2) ? *out(k, 2) : NULL;
        HN_TRY(two(k, "Add", sum, segment, &all));
        sum = all;
    }
    return normalise(k, sum, in(k, 5), in(k, 6));
}

static hn_err rotary(contrib *k)                   /* x, positions, cos, sin */
{
    static const char *const names[] = { "interleaved", "num_heads", "rotary_embedding_dim", NULL };
    hn_attr a[ATTRS_MAX];
    int rank;
    HN_TRY(want(k, 0, 3));
    HN_TRY(rank_of(k, in(k, 1), &rank));
    if (rank != 2)
        return refuse(k, "positions other than one per step of each row");
    const hn_attr *scale = attr(k, "scale");
    if (int_of(k, "is_packed_batching", 0) || (scale && scale->f != 1))
        return refuse(k, "packed batches or a scale");
    return make_n(k, "RotaryEmbedding", (hn_value *[]){ in(k, 0), in(k, 2), in(k, 3), in(k, 1) }, 4, a, pass_on(k, names, a),
                  out(k, 0), 1);
}

/* Heads of q, k and v [B, S, H D] to `Attention` of ONNX, with presents where they are wanted. */
static hn_err attend(contrib *k, hn_value *q, hn_value *key, hn_value *v, hn_value *mask, hn_value *past_k, hn_value *past_v)
{
    const hn_attr *scale = attr(k, "scale");
    int64_t heads = int_of(k, "num_heads", 0);
    hn_attr a[4] = { an_int("q_num_heads", heads), an_int("kv_num_heads", heads),
                     an_int("is_causal", int_of(k, "unidirectional", 0)) };
    int attrs = 3, outs = wanted(k, 2) ? 3 : wanted(k, 1) ? 2 : 1;
    hn_value *x[] = { q, key, v, mask, past_k, past_v }, *y[3] = { NULL, NULL, NULL };
    if (scale && scale->kind == HN_ATTR_FLOAT && scale->f != 0)
        a[attrs++] = *scale;
    for (int i = 0; i < outs; i++)
        y[i] = wanted(k, i) ? *out(k, i) : NULL;
    return make_n(k, "Attention", x, past_k ? 6 : mask ? 4 : 3, a, attrs, y, outs);
}

/* q, k, v, bias, key padding mask, attention bias, past key, past value */
static hn_err multi_head(contrib *k)
{
    HN_TRY(want(k, 0, 0));
    HN_TRY(refuse_outputs(k, 3));
    if (!in(k, 1) || !in(k, 2))
        return refuse(k, "queries, keys and values in one tensor");
    if (in(k, 3))
        return refuse(k, "a bias");
    if (in(k, 4))
        return refuse(k, "a key padding mask");
    return attend(k, in(k, 0), in(k, 1), in(k, 2), in(k, 5), in(k, 6), in(k, 7));
}

/* x, weights [in, 3 hidden], bias, mask index, past, attention bias */
static hn_err packed_attention(contrib *k)
{
    hn_value *all = NULL, *biased = NULL, *part[3], *mask = in(k, 5);
    hn_attr split[] = { an_int("axis", 2), an_int("num_outputs", 3) };
    HN_TRY(want(k, 0, 2));
    HN_TRY(refuse_outputs(k, 1));
    int rank = 2;
    if (in(k, 3))
        HN_TRY(rank_of(k, in(k, 3), &rank));
    if (rank != 2)
        return refuse(k, "a mask other than one number per place");
    if (in(k, 4) || attr(k, "qkv_hidden_sizes") || int_of(k, "do_rotary", 0))
        return refuse(k, "a past, heads of different sizes or rotation");
    if (in(k, 3)) {                                /* [B, K] of 0 and 1 -> truth, for every head and query */
        hn_value *truth = NULL, *axes, *wide = NULL;
        hn_attr to = an_int("to", hn_dtype_to_onnx(HN_BOOL));
        hn_value *given = in(k, 3);
        if (mask)
            return refuse(k, "both a mask and a bias of attention");
        HN_TRY(make_n(k, "Cast", &given, 1, &to, 1, &truth, 1));
        HN_TRY(ints(k, (int64_t[]){ 1, 2 }, 2, &axes));
        HN_TRY(two(k, "Unsqueeze", truth, axes, &wide));
        mask = wide;
    }
    for (int i = 0; i < 3; i++)
        HN_TRY(hn_graph_add_value(k->r->cx, k->g, "", &part[i]));
    HN_TRY(two(k, "MatMul", in(k, 0), in(k, 1), &all));
    HN_TRY(two(k, "Add", all, in(k, 2), &biased));
    HN_TRY(make_n(k, "Split", &biased, 1, split, 2, part, 3));
    return attend(k, part[0], part[1], part[2], mask, NULL, NULL);
}

/* ---- The list --------------------------------------------------------------------------------------- */

static const struct row { const char *op; hn_err (*rewrite)(contrib *k); const char *inner; } rows[] = {
#define CONTRIB(op, rewrite, inner) { op, rewrite, inner },
#include "formats/onnx_contrib.def"
#undef CONTRIB
};

hn_err hn_onnx_contrib(hn_onnx *r, hn_graph *g, hn_onnx_node *n, bool *done)
{
    contrib k = { .r = r, .g = g, .n = n };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(n->domain, "com.microsoft") == 0 && strcmp(rows[i].op, n->op) == 0) {
            k.inner = rows[i].inner;
            if (!wanted(&k, 0))
                return refuse(&k, "no first output");
            *done = true;
            return rows[i].rewrite(&k);
        }
    return HN_OK;
}
