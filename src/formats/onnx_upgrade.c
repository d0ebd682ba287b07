/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_upgrade.c: older opsets into HIR-1.  What changes where is listed in onnx_upgrade.def.
 *
 * A rewrite edits the node in hand; it may put helper nodes before it, or make the node itself and
 * what follows it.  Some need a rank or a type: shapes are then inferred as far as the graph goes,
 * which models of current opsets never pay for. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "formats/onnx.h"

typedef struct upgrade {
    hn_onnx *r;
    hn_graph *g;
    hn_onnx_node *n;
    bool *done;                  /* set when the rewrite made the node itself */
    const char *text;            /* the row's arguments */
    int at;
} upgrade;

#define MAX_INT_LIST 64

/* ---- Reading and editing the node ------------------------------------------------------- */

static hn_attr *attr(const upgrade *u, const char *name)
{
    for (int i = 0; i < u->n->attr_count; i++)
        if (strcmp(u->n->attr[i].name, name) == 0)
            return &u->n->attr[i];
    return NULL;
}

/* Takes the attribute out of the node; false when it is not there. */
static bool take(const upgrade *u, const char *name, hn_attr *out)
{
    hn_attr *a = attr(u, name);
    if (!a)
        return false;
    *out = *a;
    size_t behind = (size_t)(u->n->attr + u->n->attr_count - (a + 1));
    memmove(a, a + 1, behind * sizeof *a);
    u->n->attr_count--;
    return true;
}

static int64_t take_int(const upgrade *u, const char *name, int64_t missing)
{
    hn_attr a;
    return take(u, name, &a) && a.kind == HN_ATTR_INT ? a.i : missing;
}

static void put(const upgrade *u, hn_attr a)
{
    hn_attr *old = attr(u, a.name);
    if (old)
        *old = a;
    else if (u->n->attr_count < u->n->attr_cap)
        u->n->attr[u->n->attr_count++] = a;
}

static hn_attr attr_int(const char *name, int64_t v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_INT, .i = v };
}

static hn_attr attr_text(const char *name, const char *v)
{
    return (hn_attr){ .name = name, .kind = HN_ATTR_TEXT, .text = { v, strlen(v) } };
}

static hn_err bad(const upgrade *u, hn_err code, const char *why)
{
    return hn_fail(u->r->cx, code, "opset %lld form of %.60s: %s", (long long)u->n->opset, u->n->op, why);
}

static bool has_in(const upgrade *u, int i) { return i < u->n->in_count && u->n->in[i]; }

/* Gives the node input i.  A place that the file already filled is the file's mistake. */
static hn_err set_in(const upgrade *u, int i, hn_value *v)
{
    hn_onnx_node *n = u->n;
    if (i >= n->in_cap || has_in(u, i))
        return bad(u, HN_EFORMAT, "has both an attribute and an input for the same thing");
    while (n->in_count <= i)
        n->in[n->in_count++] = NULL;
    n->in[i] = v;
    return HN_OK;
}

/* ---- What is known of a value ------------------------------------------------------------ */

/* Tries to learn v's type and shape by inferring the graph made so far.  What stands in the way is
 * reported later, by the inference proper; here it only means "not known". */
static hn_err learn(const upgrade *u, const hn_value *v)
{
    if ((v->t.shape.rank >= 0 && v->t.dtype != HN_NONE) || u->g->parent)
        return HN_OK;
    hn_err e = hn_graph_infer_from(u->r->cx, u->g, &u->r->inferred);
    return e == HN_ENOMEM ? e : HN_OK;
}

static hn_err rank_of(const upgrade *u, const hn_value *v, int *out)
{
    HN_TRY(learn(u, v));
    *out = v->t.shape.rank;
    return HN_OK;
}

/* ---- Making values and nodes ------------------------------------------------------------- */

static hn_err ints(const upgrade *u, const int64_t *v, size_t count, hn_value **out)
{
    return hn_graph_new_const_i64(u->r->cx, u->g, "", v, count, out);
}

/* A scalar of the type of `like`, f32 when that is not known. */
static hn_err number_like(const upgrade *u, const hn_value *like, double v, hn_value **out)
{
    hn_shape scalar = { 0 };
    HN_TRY(learn(u, like));
    hn_dtype t = like->t.dtype;
    if (t == HN_NONE || hn_dtype_class(t) == HN_CLASS_S || hn_dtype_class(t) == HN_CLASS_C)
        t = HN_F32;
    HN_TRY(hn_graph_new_const(u->r->cx, u->g, "", t, &scalar, out));
    hn_put_f64(&(*out)->t, 0, 1, &v);
    return HN_OK;
}

/* Makes a node op(a, b) with one attribute (name NULL: none); *out NULL: a new value. */
static hn_err make(const upgrade *u, const char *op, hn_value *a, hn_value *b, hn_attr attribute, hn_value **out)
{
    hn_value *in[] = { a, b };
    hn_onnx_node n = { .name = "", .op = op, .domain = "", .in = in, .in_count = b ? 2 : 1, .out = out,
                       .out_count = 1, .attr_count = attribute.name != NULL };
    if (n.attr_count) {
        n.attr = HN_NEW(u->r->arena, hn_attr, 1);
        if (!n.attr)
            return hn_nomem(u->r->cx, "an attribute");
        *n.attr = attribute;
    }
    if (!*out)
        HN_TRY(hn_graph_add_value(u->r->cx, u->g, "", out));
    return hn_onnx_emit(u->r, u->g, &n);
}

static const hn_attr none;

/* ---- Rewrites: attributes ---------------------------------------------------------------- */

static hn_err drop_attr(const upgrade *u)
{
    hn_attr a;
    take(u, u->text, &a);
    return HN_OK;
}

/* text: "old new" */
static hn_err rename_attr(const upgrade *u)
{
    const char *to = strchr(u->text, ' ') + 1;
    hn_text from = { u->text, (size_t)(to - u->text) - 1 };
    for (int i = 0; i < u->n->attr_count; i++)
        if (hn_text_is(from, u->n->attr[i].name))
            u->n->attr[i].name = to;
    return HN_OK;
}

static hn_err rename_op(const upgrade *u)
{
    u->n->op = u->text;
    return HN_OK;
}

static hn_err default_int(const upgrade *u)
{
    if (!attr(u, u->text))
        put(u, attr_int(u->text, u->at));
    return HN_OK;
}

/* text: "name value" */
static hn_err default_text(const upgrade *u)
{
    const char *value = strchr(u->text, ' ') + 1;
    char *name = hn_arena_text(u->r->arena, u->text, (size_t)(value - u->text) - 1);
    if (!name)
        return hn_nomem(u->r->cx, "an attribute");
    if (!attr(u, name))
        put(u, attr_text(name, value));
    return HN_OK;
}

static hn_err float_to_int(const upgrade *u)
{
    hn_attr *a = attr(u, u->text);
    if (a && a->kind == HN_ATTR_FLOAT)
        *a = attr_int(a->name, a->f >= 1 && a->f <= 1000 ? (int64_t)a->f : 2);
    return HN_OK;
}

static hn_err ints_to_input(const upgrade *u)
{
    hn_attr a;
    hn_value *v;
    if (!take(u, u->text, &a))
        return HN_OK;
    if (a.kind != HN_ATTR_INTS)
        return bad(u, HN_EFORMAT, "expected a list of integers");
    HN_TRY(ints(u, a.list.i, a.list.count, &v));
    return set_in(u, u->at, v);
}

static hn_err int_to_input(const upgrade *u)
{
    hn_attr a;
    hn_value *v;
    if (!take(u, u->text, &a))
        return HN_OK;
    HN_TRY(ints(u, &a.i, 1, &v));
    return set_in(u, u->at, v);
}

static hn_err float_to_input(const upgrade *u)
{
    hn_attr a;
    hn_value *v;
    if (!take(u, u->text, &a) || !has_in(u, 0))
        return HN_OK;
    if (a.kind != HN_ATTR_FLOAT)
        return bad(u, HN_EFORMAT, "expected a number");
    HN_TRY(number_like(u, u->n->in[0], (double)a.f, &v));
    return set_in(u, u->at, v);
}

static hn_err dft_axis(const upgrade *u)
{
    hn_shape scalar = { 0 };
    hn_value *v;
    int64_t axis = take_int(u, "axis", 1);
    HN_TRY(hn_graph_new_const(u->r->cx, u->g, "", HN_I64, &scalar, &v));
    hn_put_i64(&v->t, 0, 1, &axis);
    return set_in(u, u->at, v);
}

static hn_err selu_1(const upgrade *u)         /* the first edition rounded its constants */
{
    if (!attr(u, "alpha"))
        put(u, (hn_attr){ .name = "alpha", .kind = HN_ATTR_FLOAT, .f = 1.6732f });
    if (!attr(u, "gamma"))
        put(u, (hn_attr){ .name = "gamma", .kind = HN_ATTR_FLOAT, .f = 1.0507f });
    return HN_OK;
}

static hn_err cast_name(const upgrade *u)      /* `to` was a word */
{
    static const char *const word[] = {
        NULL, "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING", "BOOL", "FLOAT16", "DOUBLE",
        "UINT32", "UINT64", "COMPLEX64", "COMPLEX128"
    };
    hn_attr *a = attr(u, "to");
    if (!a || a->kind != HN_ATTR_TEXT)
        return HN_OK;
    for (size_t i = 1; i < sizeof word / sizeof word[0]; i++)
        if (hn_text_is(a->text, word[i])) {
            *a = attr_int(a->name, (int64_t)i);
            return HN_OK;
        }
    return bad(u, HN_EFORMAT, "unknown type to cast to");
}

static hn_err grid_mode(const upgrade *u)
{
    hn_attr *a = attr(u, "mode");
    if (a && a->kind == HN_ATTR_TEXT && hn_text_is(a->text, "bilinear"))
        *a = attr_text(a->name, "linear");
    else if (a && a->kind == HN_ATTR_TEXT && hn_text_is(a->text, "bicubic"))
        *a = attr_text(a->name, "cubic");
    return HN_OK;
}

static hn_err refuse(const upgrade *u) { return bad(u, HN_EUNSUP, u->text); }

/* ---- Rewrites: shapes -------------------------------------------------------------------- */

/* b's dimensions lay at `axis` of a; today they lie at the end, so ones are put behind them. */
static hn_err broadcast_axis(const upgrade *u)
{
    int64_t behind[HN_RANK_MAX];
    hn_attr axis;
    hn_value *axes, *b = NULL;
    int ra, rb;

    bool asked = take_int(u, "broadcast", 0) != 0;
    if (!take(u, "axis", &axis) || !asked || !has_in(u, 0) || !has_in(u, 1))
        return HN_OK;
    HN_TRY(rank_of(u, u->n->in[0], &ra));
    HN_TRY(rank_of(u, u->n->in[1], &rb));
    if (ra < 0 || rb < 0)
        return bad(u, HN_EUNSUP, "broadcasting along an axis of an input whose rank is not known");
    int64_t first = axis.i < 0 ? axis.i + ra : axis.i;
    if (first < 0 || first > ra - rb)
        return bad(u, HN_EFORMAT, "the axis to broadcast along is outside of the first input");
    int count = ra - rb - (int)first;
    if (count == 0)
        return HN_OK;
    for (int i = 0; i < count; i++)
        behind[i] = rb + i;
    HN_TRY(ints(u, behind, (size_t)count, &axes));
    HN_TRY(make(u, "Unsqueeze", u->n->in[1], axes, none, &b));
    u->n->in[1] = b;
    return HN_OK;
}

/* The slope was one number, or one per channel whatever follows the channels. */
static hn_err channel_slope(const upgrade *u)
{
    int64_t behind[HN_RANK_MAX];
    hn_value *axes, *slope = NULL;
    int rank, slope_rank;

    if (!has_in(u, 0) || !has_in(u, 1))
        return HN_OK;
    HN_TRY(rank_of(u, u->n->in[0], &rank));
    HN_TRY(rank_of(u, u->n->in[1], &slope_rank));
    if (slope_rank >= 0 && (slope_rank != 1 || u->n->in[1]->t.shape.dim[0] == 1))
        return HN_OK;
    if (rank < 0 || slope_rank < 0)
        return bad(u, HN_EUNSUP, "a slope per channel of an input whose rank is not known");
    if (rank <= 2)
        return HN_OK;
    for (int i = 0; i < rank - 2; i++)
        behind[i] = i + 1;
    HN_TRY(ints(u, behind, (size_t)(rank - 2), &axes));
    HN_TRY(make(u, "Unsqueeze", u->n->in[1], axes, none, &slope));
    u->n->in[1] = slope;
    return HN_OK;
}

/* How many there are when those left out at the end do not count. */
static int given(hn_value *const *v, int count)
{
    while (count > 0 && !v[count - 1])
        count--;
    return count;
}

/* Softmax over everything from `axis` on.  Where that is one axis it is today's; otherwise the
 * input is made a matrix and back. */
static hn_err as_matrix(const upgrade *u)
{
    hn_value *shape = NULL, *flat = NULL, *y = NULL;
    int rank;
    if (given(u->n->in, u->n->in_count) != 1 || given(u->n->out, u->n->out_count) != 1)
        return HN_OK;                        /* refused where nodes are checked */
    int64_t axis = take_int(u, "axis", 1);
    HN_TRY(rank_of(u, u->n->in[0], &rank));
    if (axis == -1 || (rank > 0 && axis == rank - 1)) {
        put(u, attr_int("axis", -1));
        return HN_OK;
    }
    HN_TRY(make(u, "Shape", u->n->in[0], NULL, none, &shape));
    HN_TRY(make(u, "Flatten", u->n->in[0], NULL, attr_int("axis", axis), &flat));
    HN_TRY(hn_graph_add_value(u->r->cx, u->g, "", &y));
    hn_onnx_node n = *u->n;
    n.in = &flat;
    n.out = &y;
    n.in_count = n.out_count = 1;
    put(u, attr_int("axis", 1));
    n.attr_count = u->n->attr_count;
    HN_TRY(hn_onnx_emit(u->r, u->g, &n));
    *u->done = true;
    return make(u, "Reshape", y, shape, none, &u->n->out[0]);
}

static hn_err split_evenly(const upgrade *u)
{
    if (!has_in(u, 1) && !attr(u, "num_outputs"))
        put(u, attr_int("num_outputs", u->n->out_count));
    return HN_OK;
}

/* Tile once repeated along one axis. */
static hn_err tile_1(const upgrade *u)
{
    int64_t tiles, axis, repeats[HN_RANK_MAX];
    int rank;
    if (u->n->in_count < 3 || !has_in(u, 0))
        return HN_OK;
    const hn_value *t = u->n->in[1], *a = u->n->in[2];
    HN_TRY(rank_of(u, u->n->in[0], &rank));
    if (rank < 0 || !hn_is_const(t) || !hn_is_const(a) || hn_count(&t->t) != 1 || hn_count(&a->t) != 1)
        return bad(u, HN_EUNSUP, "repeating along an axis that is not known");
    hn_get_i64(&t->t, 0, 1, &tiles);
    hn_get_i64(&a->t, 0, 1, &axis);
    if (axis < 0 || axis >= rank)
        return bad(u, HN_EFORMAT, "the axis is outside of the input");
    for (int i = 0; i < rank; i++)
        repeats[i] = i == axis ? tiles : 1;
    u->n->in_count = 2;
    return ints(u, repeats, (size_t)rank, &u->n->in[1]);
}

/* Scale and bias were per group; today they are per channel. */
static hn_err group_norm(const upgrade *u)
{
    const hn_attr *groups = attr(u, "num_groups");
    if (!groups || groups->kind != HN_ATTR_INT || groups->i < 1 || u->n->in_count != 3 || !has_in(u, 0))
        return bad(u, HN_EFORMAT, "expected num_groups and three inputs");
    HN_TRY(learn(u, u->n->in[0]));
    const hn_shape *x = &u->n->in[0]->t.shape;
    if (x->rank < 2 || x->dim[1] < 0)
        return bad(u, HN_EUNSUP, "an input whose channels are not known");
    if (x->dim[1] % groups->i)
        return bad(u, HN_EFORMAT, "the channels do not divide into the groups");

    hn_value *behind, *grid, *flat;
    HN_TRY(ints(u, (const int64_t[]){ 1 }, 1, &behind));
    HN_TRY(ints(u, (const int64_t[]){ groups->i, x->dim[1] / groups->i }, 2, &grid));
    HN_TRY(ints(u, (const int64_t[]){ -1 }, 1, &flat));
    for (int i = 1; i < 3; i++) {
        hn_value *column = NULL, *spread = NULL, *each = NULL;
        if (!has_in(u, i))
            return bad(u, HN_EFORMAT, "expected scale and bias");
        HN_TRY(make(u, "Unsqueeze", u->n->in[i], behind, none, &column));
        HN_TRY(make(u, "Expand", column, grid, none, &spread));
        HN_TRY(make(u, "Reshape", spread, flat, none, &each));
        u->n->in[i] = each;
    }
    return HN_OK;
}

/* Scan first went over a batch, with lengths as input 0 for entries that end early. */
static hn_err scan_8(const upgrade *u)
{
    hn_onnx_node *n = u->n;
    if (has_in(u, 0))
        return bad(u, HN_EUNSUP, "lengths of the entries of a batch");
    if (n->in_count > 0) {
        n->in_count--;
        memmove(n->in, n->in + 1, (size_t)n->in_count * sizeof *n->in);
    }
    hn_attr *directions = attr(u, "directions");
    if (directions)
        directions->name = "scan_input_directions";
    put(u, attr_int("batched", 1));
    return HN_OK;
}

/* ---- Rewrites: training or not ------------------------------------------------------------- */

static hn_err make_training(const upgrade *u, float ratio)
{
    hn_shape scalar = { 0 };
    hn_value *r, *train;
    HN_TRY(hn_graph_new_const(u->r->cx, u->g, "", HN_F32, &scalar, &r));
    HN_TRY(hn_graph_new_const(u->r->cx, u->g, "", HN_BOOL, &scalar, &train));
    *(float *)r->t.data = ratio;
    *(uint8_t *)train->t.data = 1;
    HN_TRY(set_in(u, 1, r));
    return set_in(u, 2, train);
}

/* Before opset 7 the node said whether it trains (and did, unless told not to); then it never did,
 * until opset 12 made that an input.  Before opset 10 the mask had the input's type. */
static hn_err dropout(const upgrade *u)
{
    hn_attr ratio;
    bool train = take_int(u, "is_test", u->n->opset >= 7) == 0 && u->n->opset < 7;
    float p = take(u, "ratio", &ratio) && ratio.kind == HN_ATTR_FLOAT ? ratio.f : 0.5f;

    if (train)
        HN_TRY(make_training(u, p));
    if (u->n->opset >= 10 || u->n->out_count < 2 || !u->n->out[1] || !has_in(u, 0))
        return HN_OK;
    hn_value *mask = u->n->out[1];
    HN_TRY(hn_graph_add_value(u->r->cx, u->g, "", &u->n->out[1]));
    HN_TRY(hn_onnx_emit(u->r, u->g, u->n));
    *u->done = true;
    return make(u, "CastLike", u->n->out[1], u->n->in[0], none, &mask);
}

/* The list of outputs said whether the node trains; before opset 7 is_test could say no.  The
 * saved statistics, outputs 3 and 4, are gone: whoever reads them is told they are not made. */
static hn_err batch_norm(const upgrade *u)
{
    int64_t is_test = take_int(u, "is_test", 0);
    int rank = -1;
    if (take_int(u, "spatial", 1) == 0) {
        if (has_in(u, 0))
            HN_TRY(rank_of(u, u->n->in[0], &rank));
        if (rank != 2)
            return bad(u, HN_EUNSUP, "statistics per position (spatial=0)");
    }
    bool train = u->n->out_count > 1 && !is_test;
    if (train)
        put(u, attr_int("training_mode", 1));
    u->n->out_count = train ? (int)hn_min((size_t)u->n->out_count, 3) : 1;
    return HN_OK;
}

/* ---- Rewrites: enlarging pictures ------------------------------------------------------------ */

static hn_err floats_input(const upgrade *u, const float *v, size_t count, int at)
{
    hn_shape shape = { .rank = 1, .dim = { (int64_t)count } };
    hn_value *out;
    HN_TRY(hn_graph_new_const(u->r->cx, u->g, "", HN_F32, &shape, &out));
    if (count)
        memcpy(out->t.data, v, count * sizeof *v);
    return set_in(u, at, out);
}

static hn_err upsample_1(const upgrade *u)
{
    hn_attr h, w;
    bool tall = take(u, "height_scale", &h), wide = take(u, "width_scale", &w);    /* both go, whichever is there */
    bool both = tall && wide;
    if (!both || h.kind != HN_ATTR_FLOAT || w.kind != HN_ATTR_FLOAT)
        return attr(u, "scales") ? HN_OK : bad(u, HN_EFORMAT, "expected height_scale and width_scale");
    return floats_input(u, (float[]){ 1, 1, h.f, w.f }, 4, 1);
}

static hn_err upsample_7(const upgrade *u)
{
    hn_attr scales;
    if (!take(u, "scales", &scales))
        return HN_OK;
    if (scales.kind != HN_ATTR_FLOATS)
        return bad(u, HN_EFORMAT, "expected a list of scales");
    return floats_input(u, scales.list.f, scales.list.count, 1);
}

/* Both sat their pixels at corners and took the one below. */
static void as_resize(const upgrade *u)
{
    hn_attr *mode = attr(u, "mode");
    if (mode && mode->kind == HN_ATTR_TEXT && hn_text_is(mode->text, "bilinear"))
        *mode = attr_text(mode->name, "linear");
    put(u, attr_text("coordinate_transformation_mode", "asymmetric"));
    put(u, attr_text("nearest_mode", "floor"));
}

static hn_err scales_last(const upgrade *u)
{
    if (!has_in(u, 1))
        return bad(u, HN_EFORMAT, "expected scales");
    hn_value *scales = u->n->in[1];
    u->n->in[1] = NULL;
    return set_in(u, 2, scales);
}

static hn_err upsample_9(const upgrade *u)
{
    as_resize(u);
    u->n->op = "Resize";
    return scales_last(u);
}

static hn_err resize_10(const upgrade *u)
{
    as_resize(u);
    return scales_last(u);
}

/* Optional inputs once could not be left out and were given as empty tensors. */
static hn_err resize_empty(const upgrade *u)
{
    for (int i = 1; i < u->n->in_count; i++)
        if (u->n->in[i] && hn_is_const(u->n->in[i]) && hn_count(&u->n->in[i]->t) == 0)
            u->n->in[i] = NULL;
    return HN_OK;
}

/* ---- The list -------------------------------------------------------------------------------- */

enum { ALWAYS = HN_OPSET + 1 };

static const struct row {
    const char *op;
    int before;
    hn_err (*rewrite)(const upgrade *u);
    const char *text;
    int at;
} rows[] = {
#define UPGRADE(op, before, rewrite, text, at) { op, before, rewrite, text, at },
#include "formats/onnx_upgrade.def"
#undef UPGRADE
};

hn_err hn_onnx_upgrade(hn_onnx *r, hn_graph *g, hn_onnx_node *n, bool *done)
{
    upgrade u = { .r = r, .g = g, .n = n, .done = done };
    const char *op = n->op;                  /* rows are picked by what the file says */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (n->opset >= row->before || (*row->op && strcmp(row->op, op) != 0))
            continue;
        u.text = row->text;
        u.at = row->at;
        HN_TRY(row->rewrite(&u));
    }
    return HN_OK;
}
