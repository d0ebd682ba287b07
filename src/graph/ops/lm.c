/* SPDX-License-Identifier: Apache-2.0 */
/* lm.c: what language models need and ONNX cannot say, in the `hone` domain.
 *
 *     Embedding       rows of a block-quantised matrix by token id
 *     Linear          x times the transpose of a block-quantised [N, K] matrix
 *     Rope            rotary position embedding with ready frequencies
 *     PagedAttention  causal attention over the session's key-value cache
 *     Glu             act(gate) * up
 *     SoftCap         cap * tanh(x / cap)
 *
 * Block-quantised weights are u8 tensors of shape [rows, bytes of a row]; attribute `qtype` is their
 * type's number in GGUF files.  With `rows` they are panels (kernels/qpack.h), [panels, bytes of a panel]. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "graph/kv.h"
#include "graph/load.h"
#include "kernels/qdot.h"
#include "kernels/qpack.h"
#include "tensor/qtypes.h"

typedef struct weights {
    hn_qtype type;
    size_t rows, k;
    bool panels;
    size_t line;                 /* bytes of a row, or of a panel */
} weights;

static hn_err read_weights(const hn_call *c, weights *out)
{
    hn_qtype type = hn_qtype_from_number((uint32_t)hn_attr_int(c->node, "qtype", -1));
    int64_t width = hn_attr_int(c->node, "k", 0), rows = hn_attr_int(c->node, "rows", 0);
    const hn_tensor *w = c->in[1];
    if (type == HN_QT_NONE || width <= 0 || rows < 0)
        return hn_bad(c, "needs attributes 'qtype' and 'k'");
    if (rows && (!hn_panel_has(type) || width % hn_qtype_get(type)->block_count))
        return hn_bad(c, "rows of %lld elements of %s have no panels", (long long)width, hn_qtype_get(type)->name);
    size_t line = rows ? hn_panel_size(type, (size_t)width) : hn_q_bytes(type, (size_t)width);
    if (w->dtype != HN_U8 || w->shape.rank != 2 || line != (size_t)w->shape.dim[1] ||
        (rows && (size_t)w->shape.dim[0] != hn_ceil_div((size_t)rows, HN_PANEL_ROWS)))
        return hn_bad(c, "weights are not %s of %lld elements of %s", rows ? "panels" : "rows", (long long)width,
                      hn_qtype_get(type)->name);
    *out = (weights){ type, (size_t)(rows ? rows : w->shape.dim[0]), (size_t)width, rows > 0, line };
    return HN_OK;
}

/* ---- Embedding: (ids i32 [T], w) -> f32 [T, K], times `scale` ----------------------------------- */

static hn_err infer_embedding(hn_call *c)
{
    weights w;
    HN_TRY(read_weights(c, &w));
    HN_TRY(hn_want_type(c, 0, HN_I32));
    HN_TRY(hn_want_rank(c, 0, 1));
    hn_shape s = { 2, { c->in[0]->shape.rank == 1 ? c->in[0]->shape.dim[0] : hn_fresh_dim(c), (int64_t)w.k } };
    hn_out(c, 0, HN_F32, &s);
    return HN_OK;
}

static hn_err run_embedding(hn_call *c)
{
    weights w;
    HN_TRY(read_weights(c, &w));
    const int32_t *id = c->in[0]->data;
    const char *from = c->in[1]->data;
    float *out = c->out[0]->data, scale = (float)hn_attr_float(c->node, "scale", 1);
    for (size_t i = 0; i < hn_count(c->in[0]); i++, out += w.k) {
        if (id[i] < 0 || (size_t)id[i] >= w.rows)
            return hn_bad(c, "token %d is outside of the vocabulary of %zu", id[i], w.rows);
        size_t row = (size_t)id[i];
        if (w.panels)
            hn_panel_decode(w.type, from + row / HN_PANEL_ROWS * w.line, row % HN_PANEL_ROWS, w.k, 0, w.k, out);
        else
            hn_q_decode(w.type, from + row * w.line, out, w.k);
        for (size_t j = 0; j < w.k && scale != 1.0f; j++)
            out[j] *= scale;
    }
    return HN_OK;
}

/* ---- Linear: (x f32 [T, K], w, bias f32 [N]?) -> f32 [T, N] ---------------------------------------- */

static hn_err infer_linear(hn_call *c)
{
    weights w;
    HN_TRY(read_weights(c, &w));
    HN_TRY(hn_want_type(c, 0, HN_F32));
    HN_TRY(hn_want_rank(c, 0, 2));
    hn_shape s = { 2, { hn_fresh_dim(c), (int64_t)w.rows } };
    if (c->in[0]->shape.rank == 2) {
        s.dim[0] = c->in[0]->shape.dim[0];
        if (hn_dims_differ(c->in[0]->shape.dim[1], (int64_t)w.k))
            return hn_bad(c, "rows of %lld elements meet weights of %zu", (long long)c->in[0]->shape.dim[1], w.k);
    }
    if (hn_has_in(c, 2) && hn_shape_known(&c->in[2]->shape) && hn_count(c->in[2]) != (size_t)s.dim[1])
        return hn_bad(c, "a bias of %zu for %lld outputs", hn_count(c->in[2]), (long long)s.dim[1]);
    hn_out(c, 0, HN_F32, &s);
    return HN_OK;
}

/* Activations as they are, sums in double: what the 8-bit kernels are measured against. */
static hn_err run_linear(hn_call *c)
{
    weights w;
    HN_TRY(read_weights(c, &w));
    const float *x = c->in[0]->data, *bias = hn_has_in(c, 2) ? c->in[2]->data : NULL;
    char *room = w.panels ? hn_arena_get(c->scratch, hn_q_bytes(w.type, w.k), 64) : NULL;
    if (w.panels && !room)
        return hn_nomem(c->cx, "a row of weights");
    for (size_t i = 0; i < w.rows; i++) {
        const char *from = c->in[1]->data, *row = w.panels ? room : from + i * w.line;
        if (w.panels)
            hn_panel_row(w.type, from + i / HN_PANEL_ROWS * w.line, i % HN_PANEL_ROWS, w.k, room);
        for (size_t t = 0; t < (size_t)c->in[0]->shape.dim[0]; t++)
            ((float *)c->out[0]->data)[t * w.rows + i] =
                (float)(hn_qdot_exact(w.type, row, x + t * w.k, w.k) + (bias ? (double)bias[i] : 0));
    }
    return HN_OK;
}

static double macs_linear(const hn_call *c)
{
    return (double)hn_count(c->out[0]) * (double)hn_attr_int(c->node, "k", 0);
}

/* ---- Rope: (x f32 [T, heads * size], positions i32 [T], frequency f32 [turned / 2]) ----------------- */

/* Pairs (i, i + turned / 2), or neighbours (2i, 2i + 1) with interleaved = 1, turn by position times
 * frequency; cos and sin are multiplied by `magnitude`.  Su et al., RoFormer (2021), eq. 34. */
static hn_err run_rope(hn_call *c)
{
    size_t heads = (size_t)hn_attr_int(c->node, "heads", 1), turned = 2 * hn_count(c->in[2]);
    size_t width = (size_t)c->in[0]->shape.dim[1], size = heads ? width / heads : 0;
    bool neighbours = hn_attr_int(c->node, "interleaved", 0) != 0;
    double magnitude = hn_attr_float(c->node, "magnitude", 1);
    const int32_t *pos = c->in[1]->data;
    const float *freq = c->in[2]->data;
    if (heads == 0 || size * heads != width || turned > size)
        return hn_bad(c, "%zu turned dimensions in rows of %zu with %zu heads", turned, width, heads);
    if (c->out[0]->data != c->in[0]->data)
        memcpy(c->out[0]->data, c->in[0]->data, hn_bytes(c->in[0]));
    for (size_t t = 0; t < (size_t)c->in[0]->shape.dim[0]; t++)
        for (size_t i = 0; i < turned / 2; i++) {
            double angle = (double)((float)pos[t] * freq[i]);
            float co = (float)(cos(angle) * magnitude), si = (float)(sin(angle) * magnitude);
            float *row = (float *)c->out[0]->data + t * width;
            for (size_t h = 0; h < heads; h++, row += size) {
                float *a = row + (neighbours ? 2 * i : i), *b = neighbours ? a + 1 : a + turned / 2;
                float x = *a, y = *b;
                *a = x * co - y * si;
                *b = x * si + y * co;
            }
        }
    return HN_OK;
}

/* ---- PagedAttention: (q f32 [T, heads * size], k, v f32 [T, kv_heads * size], positions i32 [T], sinks f32 [heads]?) */

static hn_err infer_attention(hn_call *c)
{
    for (int i = 0; i < 3; i++)
        HN_TRY(hn_want_type(c, i, HN_F32));
    HN_TRY(hn_want_type(c, 3, HN_I32));
    return hn_infer_same(c);
}

typedef struct attention {
    const hn_kv *kv;
    size_t layer, heads, kv_heads, size;
    double scale, cap;
    int64_t window;             /* 0: none */
    const float *sink;
} attention;

static void read_row(const attention *a, int values, size_t token, size_t kv_head, float *out, float *whole)
{
    hn_kv_get(a->kv, a->layer, values, token, whole);
    memcpy(out, whole + kv_head * a->size, a->size * sizeof *out);
}

/* One head of one token over everything before it. */
static void attend(const attention *a, const float *q, size_t head, int64_t pos, float *row, float *whole, double *weight, float *out)
{
    size_t kv_head = head / (a->heads / a->kv_heads);
    size_t first = a->window && pos >= a->window ? (size_t)(pos - a->window + 1) : 0, last = (size_t)pos;
    double top = a->sink ? (double)a->sink[head] : -INFINITY, sum = 0;
    for (size_t t = first; t <= last; t++) {
        double s = 0;
        read_row(a, 0, t, kv_head, row, whole);
        for (size_t i = 0; i < a->size; i++)
            s += (double)q[i] * (double)row[i];
        s *= a->scale;
        if (a->cap > 0)
            s = a->cap * tanh(s / a->cap);
        weight[t - first] = s;
        top = fmax(top, s);
    }
    for (size_t t = first; t <= last; t++)
        sum += weight[t - first] = exp(weight[t - first] - top);
    if (a->sink)
        sum += exp((double)a->sink[head] - top);
    double *mix = weight + (last - first + 1);
    memset(mix, 0, a->size * sizeof *mix);
    for (size_t t = first; t <= last; t++) {
        read_row(a, 1, t, kv_head, row, whole);
        for (size_t i = 0; i < a->size; i++)
            mix[i] += weight[t - first] * (double)row[i];
    }
    for (size_t i = 0; i < a->size; i++)
        out[i] = (float)(mix[i] / sum);
}

static hn_err run_attention(hn_call *c)
{
    attention a = { .kv = c->kv, .layer = (size_t)hn_attr_int(c->node, "layer", 0),
                    .heads = (size_t)hn_attr_int(c->node, "heads", 1), .kv_heads = (size_t)hn_attr_int(c->node, "kv_heads", 1),
                    .scale = hn_attr_float(c->node, "scale", 1), .cap = hn_attr_float(c->node, "softcap", 0),
                    .window = hn_attr_int(c->node, "window", 0), .sink = hn_has_in(c, 4) ? c->in[4]->data : NULL };
    size_t rows = (size_t)c->in[0]->shape.dim[0], width = (size_t)c->in[0]->shape.dim[1], kv_width = (size_t)c->in[1]->shape.dim[1];
    const int32_t *pos = c->in[3]->data;
    if (!a.kv)
        return hn_bad(c, "attention needs a session's key-value cache");
    if (!a.heads || !a.kv_heads || a.heads % a.kv_heads || width % a.heads || kv_width != a.kv->o.width || a.layer >= a.kv->o.layers)
        return hn_bad(c, "heads do not fit rows of %zu and %zu", width, kv_width);
    a.size = width / a.heads;
    float *row = HN_SCRATCH(c, float, a.size), *whole = HN_SCRATCH(c, float, kv_width);
    double *weight = HN_SCRATCH(c, double, a.kv->pages * HN_KV_PAGE + a.size);
    if (!row || !whole || !weight)
        return hn_nomem(c->cx, "attention");
    for (size_t t = 0; t < rows; t++) {
        if (pos[t] < 0 || (size_t)pos[t] >= a.kv->pages * HN_KV_PAGE)
            return hn_bad(c, "position %d has no room in the cache", pos[t]);
        hn_kv_put((hn_kv *)(uintptr_t)a.kv, a.layer, 0, (size_t)pos[t], (const float *)c->in[1]->data + t * kv_width);
        hn_kv_put((hn_kv *)(uintptr_t)a.kv, a.layer, 1, (size_t)pos[t], (const float *)c->in[2]->data + t * kv_width);
    }
    for (size_t t = 0; t < rows; t++)
        for (size_t h = 0; h < a.heads; h++)
            attend(&a, (const float *)c->in[0]->data + t * width + h * a.size, h, pos[t], row, whole, weight,
                   (float *)c->out[0]->data + t * width + h * a.size);
    return HN_OK;
}

/* ---- Glu and SoftCap ------------------------------------------------------------------------------------ */

static hn_err run_glu(hn_call *c)
{
    hn_act act = { (hn_act_kind)hn_attr_int(c->node, "act", HN_ACT_SILU), 0, 0 };
    const float *gate = c->in[0]->data, *up = c->in[1]->data;
    float *out = c->out[0]->data;
    for (size_t i = 0; i < hn_count(c->out[0]); i++)
        out[i] = (float)(hn_act_apply(act, (double)gate[i]) * (double)up[i]);
    return HN_OK;
}

static hn_err infer_pair(hn_call *c)
{
    HN_TRY(hn_want_type(c, 0, HN_F32));
    HN_TRY(hn_want_same(c, 0, 1));
    return hn_infer_same(c);
}

static hn_err run_softcap(hn_call *c)
{
    double cap = hn_attr_float(c->node, "cap", 1);
    const float *x = c->in[0]->data;
    for (size_t i = 0; i < hn_count(c->out[0]); i++)
        ((float *)c->out[0]->data)[i] = (float)(cap * tanh((double)x[i] / cap));
    return HN_OK;
}

static hn_err infer_f32(hn_call *c)
{
    HN_TRY(hn_want_type(c, 0, HN_F32));
    return hn_infer_same(c);
}

static const hn_attr_spec weight_attr[] = {
    { "qtype", HN_ATTR_INT, "the weights' type, as GGUF numbers them" }, { "k", HN_ATTR_INT, "elements of a row" },
    { "rows", HN_ATTR_INT, "of weights in panels; 0: they lie row by row" },
    { "scale", HN_ATTR_FLOAT, "Embedding: factor, 1" }, { 0 }
};
static const hn_attr_spec rope_attr[] = {
    { "heads", HN_ATTR_INT, "" }, { "interleaved", HN_ATTR_INT, "0" }, { "magnitude", HN_ATTR_FLOAT, "1" }, { 0 }
};
static const hn_attr_spec attention_attr[] = {
    { "layer", HN_ATTR_INT, "" }, { "heads", HN_ATTR_INT, "" }, { "kv_heads", HN_ATTR_INT, "" },
    { "scale", HN_ATTR_FLOAT, "on scores" }, { "softcap", HN_ATTR_FLOAT, "0: none" }, { "window", HN_ATTR_INT, "0: none" }, { 0 }
};
static const hn_attr_spec glu_attr[] = { { "act", HN_ATTR_INT, "an activation's number" }, { 0 } };
static const hn_attr_spec cap_attr[] = { { "cap", HN_ATTR_FLOAT, "" }, { 0 } };

#define LM(id, title, ins_min, ins_max, infer_fn, run_fn, attrs, macs_fn, bits)                                         \
    const hn_op hn_op_##id = { .name = title, .domain = "hone", .since = 1, .min_in = ins_min, .max_in = ins_max, \
        .min_out = 1, .max_out = 1, .flags = bits, .attr = attrs, .infer = infer_fn, .run = run_fn, .macs = macs_fn };

LM(embedding,       "Embedding",      2, 2, infer_embedding, run_embedding, weight_attr,    NULL, 0)
LM(linear,          "Linear",         2, 3, infer_linear,    run_linear,    weight_attr,    macs_linear, 0)
LM(rope,            "Rope",           3, 3, infer_f32,       run_rope,      rope_attr,      NULL, 0)
LM(paged_attention, "PagedAttention", 4, 5, infer_attention, run_attention, attention_attr, NULL, HN_OP_STATE)
LM(glu,             "Glu",            2, 2, infer_pair,      run_glu,       glu_attr,       NULL, 0)
LM(softcap,         "SoftCap",        1, 1, infer_f32,       run_softcap,   cap_attr,       NULL, 0)
