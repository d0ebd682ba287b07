/* SPDX-License-Identifier: Apache-2.0 */
/* order.c: what depends on the order along one axis: ArgMax, TopK, running sums. */
#include "graph/heap.h"
#include "graph/load.h"

/* ---- ArgMax, ArgMin -------------------------------------------------------------------- */

static hn_err infer_arg(hn_call *c)
{
    const hn_shape *x = &c->in[0]->shape;
    hn_shape out = { .rank = -1 };
    bool keep = hn_attr_int(c->node, "keepdims", 1);
    int axis;
    HN_TRY(hn_want_number(c, 0));
    if (x->rank >= 0) {
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), x->rank, &axis));
        if (x->dim[axis] == 0)
            return hn_bad(c, "axis %d is empty: nothing to choose from", axis);
        out.rank = 0;
        for (int i = 0; i < x->rank; i++)
            if (i != axis || keep)
                out.dim[out.rank++] = i == axis ? 1 : x->dim[i];
    }
    hn_out(c, 0, HN_I64, &out);
    return HN_OK;
}

static hn_err run_arg(hn_call *c, bool max)
{
    bool last = hn_attr_int(c->node, "select_last_index", 0);
    int64_t *key;
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", 0), c->in[0]->shape.rank, &axis));
    HN_TRY(hn_load_order(c, c->in[0], &key));
    hn_split s = hn_split_at(&c->in[0]->shape, axis);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            const int64_t *v = key + o * s.n * s.inner + i;
            size_t best = 0;
            for (size_t j = 1; j < s.n; j++) {
                int64_t now = v[j * s.inner], top = v[best * s.inner];
                if (max ? now > top : now < top)
                    best = j;
                else if (last && now == top)
                    best = j;
            }
            hn_put_i64(c->out[0], o * s.inner + i, 1, &(int64_t){ (int64_t)best });
        }
    return HN_OK;
}

static hn_err run_argmax(hn_call *c) { return run_arg(c, true); }
static hn_err run_argmin(hn_call *c) { return run_arg(c, false); }

/* ---- TopK ------------------------------------------------------------------------------ */

static hn_err infer_topk(hn_call *c)
{
    hn_shape out = c->in[0]->shape;
    int64_t k[1];
    int axis, n = hn_known(c, 1, k, 1);
    HN_TRY(hn_want_number(c, 0));
    HN_TRY(hn_want_type(c, 1, HN_I64));
    if (c->in[1]->data && n != 1)
        return hn_bad(c, "k has %zu elements, expected 1", hn_count(c->in[1]));
    if (out.rank >= 0) {
        HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), out.rank, &axis));
        int64_t size = out.dim[axis];
        if (n != 1 || hn_is_symbol(k[0]))
            k[0] = n == 1 ? k[0] : hn_fresh_dim(c);
        else if (k[0] < 0 || (!hn_is_symbol(size) && k[0] > size))
            return hn_bad(c, "k is %lld, axis %d has %lld elements", (long long)k[0], axis, (long long)size);
        out.dim[axis] = k[0];
    }
    hn_out(c, 0, c->in[0]->dtype, &out);
    hn_out(c, 1, HN_I64, &out);
    return HN_OK;
}

/* The k entries that come first, in order, of `n` keys `step` apart. */
static void select_top(const int64_t *key, size_t n, size_t step, bool largest, size_t k, hn_entry *heap)
{
    for (size_t i = 0; i < n && k; i++) {
        hn_entry e = { largest ? key[i * step] : ~key[i * step], i };      /* ~ turns the order round */
        if (i < k) {
            heap[i] = e;
            for (size_t j = k / 2; i == k - 1 && j-- > 0;)
                hn_heap_sift(heap, k, j, true);
        } else if (hn_entry_first(e, heap[0])) {      /* better than the worst kept so far */
            heap[0] = e;
            hn_heap_sift(heap, k, 0, true);
        }
    }
    for (size_t left = k; left > 1; left--)
        hn_heap_pop(heap, left, true);
}

static void copy_element(const hn_tensor *x, size_t from, hn_tensor *y, size_t to)
{
    if (hn_is_float(x->dtype)) {
        double v;
        hn_get_f64(x, from, 1, &v);
        hn_put_f64(y, to, 1, &v);
    } else {
        int64_t v;
        hn_get_i64(x, from, 1, &v);
        hn_put_i64(y, to, 1, &v);
    }
}

static hn_err run_topk(hn_call *c)
{
    bool largest = hn_attr_int(c->node, "largest", 1);
    const hn_tensor *x = c->in[0];
    int64_t *key, wanted = hn_scalar_i64(c, 1, 0);
    int axis;
    HN_TRY(hn_axis(c, hn_attr_int(c->node, "axis", -1), x->shape.rank, &axis));
    HN_TRY(hn_load_order(c, x, &key));
    hn_split s = hn_split_at(&x->shape, axis);
    size_t k = (size_t)wanted;
    hn_entry *heap = HN_SCRATCH(c, hn_entry, k);
    if (!heap)
        return hn_nomem(c->cx, "the largest elements");
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            size_t base = o * s.n * s.inner + i;
            select_top(key + base, s.n, s.inner, largest, k, heap);
            for (size_t j = 0; j < k; j++) {
                size_t at = (o * k + j) * s.inner + i;
                if (hn_has_out(c, 0))
                    copy_element(x, base + heap[j].index * s.inner, c->out[0], at);
                if (hn_has_out(c, 1))
                    hn_put_i64(c->out[1], at, 1, &(int64_t){ (int64_t)heap[j].index });
            }
        }
    return HN_OK;
}

/* ---- CumSum, CumProd ---------------------------------------------------------------------- */

static hn_err infer_cum(hn_call *c)
{
    hn_dtype t = c->in[0]->dtype;
    int64_t axis[1];
    int at;
    if (t != HN_I32 && t != HN_I64 && t != HN_U32 && t != HN_U64)
        HN_TRY(hn_want_float(c, 0));
    if (hn_shape_known(&c->in[1]->shape) && hn_count(c->in[1]) != 1)
        return hn_bad(c, "axis has %zu elements, expected 1", hn_count(c->in[1]));
    if (c->in[0]->shape.rank >= 0 && hn_known(c, 1, axis, 1) == 1 && !hn_is_symbol(axis[0]))
        HN_TRY(hn_axis(c, axis[0], c->in[0]->shape.rank, &at));
    return hn_infer_same(c);
}

static double f_add(double a, double b) { return a + b; }
static double f_mul(double a, double b) { return a * b; }
static int64_t i_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t i_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

/* exclusive: an element gets what came before it, not counting itself. */
static hn_err run_cum(hn_call *c, double (*f)(double, double), int64_t (*fi)(int64_t, int64_t), int first)
{
    bool exclusive = hn_attr_int(c->node, "exclusive", 0), reverse = hn_attr_int(c->node, "reverse", 0);
    bool floats = hn_is_float(c->in[0]->dtype);
    double *v = NULL;
    int64_t *vi = NULL;
    int axis;
    HN_TRY(hn_axis(c, hn_scalar_i64(c, 1, 0), c->in[0]->shape.rank, &axis));
    HN_TRY(floats ? hn_load_f64(c, c->in[0], &v) : hn_load_i64(c, c->in[0], &vi));
    hn_split s = hn_split_at(&c->in[0]->shape, axis);
    for (size_t o = 0; o < s.outer; o++)
        for (size_t i = 0; i < s.inner; i++) {
            double sum = first;
            int64_t isum = first;
            for (size_t j = 0; j < s.n; j++) {
                size_t at = (o * s.n + (reverse ? s.n - 1 - j : j)) * s.inner + i;
                if (floats) {
                    double was = sum;
                    sum = f(sum, v[at]);
                    v[at] = exclusive ? was : sum;
                } else {
                    int64_t was = isum;
                    isum = fi(isum, vi[at]);
                    vi[at] = exclusive ? was : isum;
                }
            }
        }
    if (floats)
        hn_put_f64(c->out[0], 0, hn_count(c->out[0]), v);
    else
        hn_put_i64(c->out[0], 0, hn_count(c->out[0]), vi);
    return HN_OK;
}

static hn_err run_cumsum(hn_call *c) { return run_cum(c, f_add, i_add, 0); }
static hn_err run_cumprod(hn_call *c) { return run_cum(c, f_mul, i_mul, 1); }

static const hn_attr_spec arg_attr[] = {
    { "axis", HN_ATTR_INT, "0" }, { "keepdims", HN_ATTR_INT, "1" },
    { "select_last_index", HN_ATTR_INT, "0: the first of equals" }, { 0 }
};
static const hn_attr_spec topk_attr[] = {
    { "axis", HN_ATTR_INT, "-1" }, { "largest", HN_ATTR_INT, "1" },
    { "sorted", HN_ATTR_INT, "1; results are sorted either way" }, { 0 }
};
static const hn_attr_spec cum_attr[] = {
    { "exclusive", HN_ATTR_INT, "0" }, { "reverse", HN_ATTR_INT, "0" }, { 0 }
};

#define ORDER(id, onnx, opset, ins, outs, infer_fn, attrs)                                       \
    const hn_op hn_op_##id = { .name = onnx, .since = opset, .min_in = ins, .max_in = ins,       \
        .min_out = 1, .max_out = outs, .attr = attrs, .infer = infer_fn, .run = run_##id };

ORDER(argmax,  "ArgMax",  13, 1, 1, infer_arg,  arg_attr)
ORDER(argmin,  "ArgMin",  13, 1, 1, infer_arg,  arg_attr)
ORDER(topk,    "TopK",    24, 2, 2, infer_topk, topk_attr)
ORDER(cumsum,  "CumSum",  14, 2, 1, infer_cum,  cum_attr)
ORDER(cumprod, "CumProd", 26, 2, 1, infer_cum,  cum_attr)
