/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_contrib_group.c: GroupQueryAttention, the attention of Microsoft's transformer exporter.
 *
 *     q [B, S, H D]   k and v [B, S, G D], or all three in q   past_key, past_value [B, G, P, D]
 *     seqlens_k [B], of each row all there is less one   total_sequence_length, of the longest row
 *     cos_cache, sin_cache [places, D / 2]   position_ids [B, S]
 *
 * ONNX's own Attention takes no rows of different lengths beside a past: so the cache is written and
 * the mask made here.  A past longer than the total is a buffer with room for what is to come. */
#include "formats/onnx_contrib.h"

enum { Q, KEY, VALUE, PAST_KEY, PAST_VALUE, SEQLENS, TOTAL, COS, SIN, POSITIONS };

/* What the lengths say: how many steps are new, and 0, 1, ... of them; whether they are the first; how long
 * the cache becomes, and by how much; where each row's steps begin, and where each step is, [B, S]. */
typedef struct places { hn_value *steps, *step, *prompt, *length, *more, *first, *at; } places;

static hn_err refuse_with(const contrib *k, const char *name)
{
    return hn_fail(k->r->cx, HN_EUNSUP, "unsupported: %s with %s", k->n->op, name);
}

static hn_err refuse_forms_of_group_query(const contrib *k)
{
    static const struct { const char *name; int64_t plain; } flags[] = {
        { "smooth_softmax", 0 }, { "sliding_window_cache", 0 }, { "qk_output", 0 }, { "causal", 1 },
    };
    static const char *const quants[] = { "k_quant_type", "v_quant_type" };
    static const char *const inputs[] = { "attention_bias", "head_sink", "k_scale", "v_scale", "q_norm_weight",
                                          "k_norm_weight", "query_seqlens" };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        int64_t v = int_of(k, flags[i].name, flags[i].plain);
        if (v != flags[i].plain && !(v == -1 && !flags[i].plain))    /* some exporters write -1 for unset */
            return refuse_with(k, flags[i].name);
    }
    for (size_t i = 0; i < sizeof quants / sizeof quants[0]; i++) {
        const hn_attr *a = attr(k, quants[i]);
        if (a && a->kind == HN_ATTR_TEXT && !hn_text_is(a->text, "NONE"))
            return refuse_with(k, quants[i]);
    }
    for (int i = 0; i < (int)(sizeof inputs / sizeof inputs[0]); i++)
        if (in(k, POSITIONS + 1 + i))
            return refuse_with(k, inputs[i]);
    if (wanted(k, 3))
        return refuse_with(k, "output_qk");
    return HN_OK;
}

/* x -> whole numbers of 64 bits in one row. */
static hn_err whole_row(contrib *k, hn_value *x, hn_value **y)
{
    hn_attr to = an_int("to", hn_dtype_to_onnx(HN_I64));
    hn_value *wide = NULL, *row;
    HN_TRY(make_n(k, "Cast", &x, 1, &to, 1, &wide, 1));
    HN_TRY(ints(k, (int64_t[]){ -1 }, 1, &row));
    return two(k, "Reshape", wide, row, y);
}

static hn_err size_of_dim(contrib *k, hn_value *x, int dim, hn_value **y)
{
    hn_attr a[] = { an_int("start", dim), an_int("end", dim + 1) };
    return make_n(k, "Shape", &x, 1, a, 2, y, 1);
}

/* 0, 1, ... as many as `count`, [1], says. */
static hn_err count_up(contrib *k, hn_value *count, hn_value **y)
{
    hn_shape scalar = { .rank = 0 };
    hn_value *limit = NULL, *zero, *one;
    HN_TRY(two(k, "Squeeze", count, NULL, &limit));
    HN_TRY(hn_graph_new_const(k->r->cx, k->g, "", HN_I64, &scalar, &zero));
    HN_TRY(hn_graph_new_const(k->r->cx, k->g, "", HN_I64, &scalar, &one));
    *(int64_t *)one->t.data = 1;
    return make_n(k, "Range", (hn_value *[]){ zero, limit, one }, 3, NULL, 0, y, 1);
}

/* A first prompt, as long as everything there is, begins at 0 in every row; later steps end each row. */
static hn_err find_places(contrib *k, places *p)
{
    hn_value *total = NULL, *last = NULL, *one, *zero, *end = NULL, *begin = NULL, *column = NULL, *past = NULL;
    *p = (places){ 0 };
    HN_TRY(ints(k, (int64_t[]){ 1 }, 1, &one));
    HN_TRY(ints(k, (int64_t[]){ 0 }, 1, &zero));
    HN_TRY(size_of_dim(k, in(k, Q), 1, &p->steps));
    HN_TRY(whole_row(k, in(k, TOTAL), &total));
    HN_TRY(whole_row(k, in(k, SEQLENS), &last));
    HN_TRY(two(k, "Add", last, one, &end));
    HN_TRY(two(k, "Sub", end, p->steps, &begin));
    HN_TRY(two(k, "Equal", total, p->steps, &p->prompt));
    HN_TRY(make_n(k, "Where", (hn_value *[]){ p->prompt, zero, begin }, 3, NULL, 0, &p->first, 1));
    HN_TRY(count_up(k, p->steps, &p->step));
    HN_TRY(two(k, "Unsqueeze", p->first, one, &column));
    HN_TRY(two(k, "Add", column, p->step, &p->at));
    if (!in(k, PAST_KEY)) {
        p->length = p->steps;
        return HN_OK;
    }
    HN_TRY(size_of_dim(k, in(k, PAST_KEY), 2, &past));
    HN_TRY(two(k, "Max", past, total, &p->length));
    return two(k, "Sub", p->length, past, &p->more);
}

/* x [B, S, heads D] -> [B, heads, S, D] */
static hn_err heads_of(contrib *k, hn_value *x, int64_t heads, hn_value **y)
{
    static const int64_t order[] = { 0, 2, 1, 3 };
    hn_attr perm = { .name = "perm", .kind = HN_ATTR_INTS, .list = { .i = order, .count = 4 } };
    hn_value *shape, *split = NULL;
    HN_TRY(ints(k, (int64_t[]){ 0, 0, heads, -1 }, 4, &shape));
    HN_TRY(two(k, "Reshape", x, shape, &split));
    return make_n(k, "Transpose", &split, 1, &perm, 1, y, 1);
}

/* Queries, keys and values apart, also when all lie in the first input, one behind another. */
static hn_err read_heads(contrib *k, int64_t heads, int64_t kv, hn_value **x)
{
    hn_value *all = NULL, *sizes;
    hn_attr axis = an_int("axis", 1);
    if (!in(k, KEY) != !in(k, VALUE))
        return refuse_with(k, in(k, KEY) ? "a key without a value" : "a value without a key");
    if (in(k, KEY)) {
        HN_TRY(heads_of(k, in(k, Q), heads, &x[0]));
        HN_TRY(heads_of(k, in(k, KEY), kv, &x[1]));
        return heads_of(k, in(k, VALUE), kv, &x[2]);
    }
    HN_TRY(heads_of(k, in(k, Q), heads + 2 * kv, &all));
    HN_TRY(ints(k, (int64_t[]){ heads, kv, kv }, 3, &sizes));
    for (int i = 0; i < 3; i++)
        HN_TRY(hn_graph_add_value(k->r->cx, k->g, "", &x[i]));
    return make_n(k, "Split", (hn_value *[]){ all, sizes }, 2, &axis, 1, x, 3);
}

/* Of positions that are given a first prompt counts on from the first alone. */
static hn_err find_positions(contrib *k, const places *p, hn_value **y)
{
    hn_value *row = NULL, *zero, *all, *first = NULL, *counted = NULL;
    *y = p->at;
    if (!in(k, POSITIONS))
        return HN_OK;
    *y = NULL;
    HN_TRY(ints(k, (int64_t[]){ -1 }, 1, &all));
    HN_TRY(ints(k, (int64_t[]){ 0 }, 1, &zero));
    HN_TRY(two(k, "Reshape", in(k, POSITIONS), all, &row));
    HN_TRY(two(k, "Gather", row, zero, &first));
    HN_TRY(two(k, "Add", first, p->step, &counted));
    return make_n(k, "Where", (hn_value *[]){ p->prompt, counted, in(k, POSITIONS) }, 3, NULL, 0, y, 1);
}

static hn_err rotate(contrib *k, const places *p, hn_value **x)
{
    hn_value *positions;
    int rank;
    if (!int_of(k, "do_rotary", 0))
        return HN_OK;
    HN_TRY(want(k, COS, SIN));
    HN_TRY(rank_of(k, in(k, COS), &rank));
    if (rank != 2 || hn_is_symbol(in(k, COS)->t.shape.dim[1]) || in(k, COS)->t.shape.dim[1] > INT32_MAX)
        return refuse_with(k, "cos_cache whose width is not known");
    hn_attr a[] = { an_int("interleaved", int_of(k, "rotary_interleaved", 0)),
                    an_int("rotary_embedding_dim", 2 * in(k, COS)->t.shape.dim[1]) };
    HN_TRY(find_positions(k, p, &positions));
    for (int i = 0; i < 2; i++) {
        hn_value *operand[] = { x[i], in(k, COS), in(k, SIN), positions };
        x[i] = NULL;
        HN_TRY(make_n(k, "RotaryEmbedding", operand, 4, a, 2, &x[i], 1));
    }
    return HN_OK;
}

/* The past with what is new in its place; as long as the past, or longer where that is too short. */
static hn_err into_cache(contrib *k, const places *p, int i, hn_value **x)
{
    hn_value *past = in(k, PAST_KEY + i), *y = wanted(k, 1 + i) ? *out(k, 1 + i) : NULL;
    hn_value *zero, *axis, *pads = NULL, *room = NULL;
    hn_attr first = an_int("axis", 0), length = an_int("axis", 2);
    if (!past) {
        if (y)
            HN_TRY(make_n(k, "Identity", x, 1, NULL, 0, &y, 1));
        return HN_OK;
    }
    HN_TRY(ints(k, (int64_t[]){ 0 }, 1, &zero));
    HN_TRY(ints(k, (int64_t[]){ 2 }, 1, &axis));
    HN_TRY(make_n(k, "Concat", (hn_value *[]){ zero, p->more }, 2, &first, 1, &pads, 1));
    HN_TRY(make_n(k, "Pad", (hn_value *[]){ past, pads, NULL, axis }, 4, NULL, 0, &room, 1));
    HN_TRY(make_n(k, "TensorScatter", (hn_value *[]){ room, *x, p->first }, 3, &length, 1, &y, 1));
    *x = y;
    return HN_OK;
}

/* [B, 1, S, L]: each step sees itself and what went before, so far as the window goes. */
static hn_err seen_by(contrib *k, const places *p, hn_value **mask)
{
    int64_t window = int_of(k, "local_window_size", -1);
    hn_value *place = NULL, *last, *one, *row = NULL, *seen = NULL;
    HN_TRY(ints(k, (int64_t[]){ 1, 3 }, 2, &last));
    HN_TRY(ints(k, &window, 1, &one));
    HN_TRY(count_up(k, p->length, &place));
    HN_TRY(two(k, "Unsqueeze", p->at, last, &row));
    if (window <= 0)
        return two(k, "LessOrEqual", place, row, mask);
    hn_value *from = NULL, *near = NULL;
    HN_TRY(two(k, "LessOrEqual", place, row, &seen));
    HN_TRY(two(k, "Sub", row, one, &from));
    HN_TRY(two(k, "Greater", place, from, &near));
    return two(k, "And", seen, near, mask);
}

hn_err hn_contrib_group_query(contrib *k)
{
    static const int64_t order[] = { 0, 2, 1, 3 };
    const hn_attr *scale = attr(k, "scale"), *softcap = attr(k, "softcap");
    int64_t heads = int_of(k, "num_heads", 0), kv = int_of(k, "kv_num_heads", 0);
    hn_value *x[4] = { NULL, NULL, NULL, NULL }, *y = NULL, *turned_back = NULL, *flat;
    hn_attr a[2], perm = { .name = "perm", .kind = HN_ATTR_INTS, .list = { .i = order, .count = 4 } };
    int attrs = 0;
    places p;
    HN_TRY(refuse_forms_of_group_query(k));
    HN_TRY(want(k, Q, Q));
    HN_TRY(want(k, SEQLENS, TOTAL));
    if (!in(k, PAST_KEY) != !in(k, PAST_VALUE))
        return refuse_with(k, "one of past_key and past_value");
    if (heads < 1 || kv < 1 || heads > INT32_MAX || kv > INT32_MAX || heads % kv)
        return hn_fail(k->r->cx, HN_EFORMAT, "node '%.80s' (%s): num_heads or kv_num_heads is out of range", k->n->name,
                       k->n->op);
    HN_TRY(find_places(k, &p));
    HN_TRY(read_heads(k, heads, kv, x));
    HN_TRY(rotate(k, &p, x));
    HN_TRY(into_cache(k, &p, 0, &x[1]));
    HN_TRY(into_cache(k, &p, 1, &x[2]));
    HN_TRY(seen_by(k, &p, &x[3]));
    if (scale && scale->kind == HN_ATTR_FLOAT && scale->f != 0)
        a[attrs++] = *scale;
    if (softcap && softcap->kind == HN_ATTR_FLOAT)
        a[attrs++] = *softcap;
    HN_TRY(make_n(k, "Attention", x, 4, a, attrs, &y, 1));
    HN_TRY(make_n(k, "Transpose", &y, 1, &perm, 1, &turned_back, 1));
    HN_TRY(ints(k, (int64_t[]){ 0, 0, -1 }, 3, &flat));
    return two(k, "Reshape", turned_back, flat, out(k, 0));
}
