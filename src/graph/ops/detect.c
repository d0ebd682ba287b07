/* SPDX-License-Identifier: Apache-2.0 */
/* detect.c: of boxes that cover each other, the best-scored one.
 *
 * NonMaxSuppression
 *
 *     boxes [N, B, 4]   scores [N, classes, B]   y [found, 3]: batch, class, box */
#include <math.h>

#include "base/num.h"
#include "graph/heap.h"
#include "graph/load.h"
#include "graph/strided.h"

enum { BOXES, SCORES, MOST, IOU, SCORE };

static hn_err infer(hn_call *c)
{
    const hn_shape *b = &c->in[BOXES]->shape, *s = &c->in[SCORES]->shape;
    int64_t most[1] = { 0 };
    int n = hn_has_in(c, MOST) ? hn_known(c, MOST, most, 1) : 0;
    HN_TRY(hn_want_type(c, BOXES, HN_F32));
    HN_TRY(hn_want_type(c, SCORES, HN_F32));
    HN_TRY(hn_want_type(c, MOST, HN_I64));
    HN_TRY(hn_want_type(c, IOU, HN_F32));
    HN_TRY(hn_want_type(c, SCORE, HN_F32));
    HN_TRY(hn_want_rank(c, BOXES, 3));
    HN_TRY(hn_want_rank(c, SCORES, 3));
    hn_shape out = { .rank = 2, .dim = { 0, 3 } };
    if (b->rank == 3 && s->rank == 3 &&
        (hn_dims_differ(b->dim[0], s->dim[0]) || hn_dims_differ(b->dim[1], s->dim[2]) || hn_dims_differ(b->dim[2], 4))) {
        char bt[HN_SHAPE_TEXT], st[HN_SHAPE_TEXT];
        return hn_bad(c, "boxes of %s do not fit scores of %s", hn_shape_text(b, bt), hn_shape_text(s, st));
    }
    /* The most there can be; run says how many there are. */
    if (n >= 0 && hn_shape_known(s) && s->rank == 3 && !hn_is_symbol(most[0])) {
        size_t per = most[0] < 0 ? 0 : (size_t)most[0];
        per = per < (size_t)s->dim[2] ? per : (size_t)s->dim[2];
        hn_shape all = { .rank = 3, .dim = { s->dim[0], s->dim[1], (int64_t)per } };
        uint64_t rows = hn_shape_count(&all);
        out.dim[0] = rows > INT64_MAX / 64 ? INT64_MAX / 64 : (int64_t)rows;
    } else {
        out.dim[0] = hn_fresh_dim(c);
    }
    hn_out(c, 0, HN_I64, &out);
    return HN_OK;
}

typedef struct box { double y0, x0, y1, x1; } box;

static box read_box(const double *v, bool centre)
{
    if (centre)              /* x, y, width, height */
        return (box){ v[1] - v[3] / 2, v[0] - v[2] / 2, v[1] + v[3] / 2, v[0] + v[2] / 2 };
    return (box){ fmin(v[0], v[2]), fmin(v[1], v[3]), fmax(v[0], v[2]), fmax(v[1], v[3]) };
}

/* Shared area over joint area. */
static double overlap(box a, box b)
{
    double h = fmin(a.y1, b.y1) - fmax(a.y0, b.y0), w = fmin(a.x1, b.x1) - fmax(a.x0, b.x0);
    if (!(h > 0 && w > 0))
        return 0;
    double joint = (a.y1 - a.y0) * (a.x1 - a.x0) + (b.y1 - b.y0) * (b.x1 - b.x0) - h * w;
    return joint > 0 ? h * w / joint : 0;
}

/* A heap of the boxes whose scores, `step` apart, are at least `least`, or above it. */
static size_t candidates(const double *scores, size_t step, size_t n, double least, bool above, hn_entry *heap)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        double v = scores[i * step];
        if (above ? v > least : v >= least)              /* NaN never */
            heap[left++] = (hn_entry){ hn_order_f64(v), i };
    }
    for (size_t i = left / 2; i-- > 0;)
        hn_heap_sift(heap, left, i, false);
    return left;
}

/* The best of the heap's boxes, best first, without those that one before them covers. */
static size_t suppress(hn_entry *heap, size_t left, const box *b, double iou, size_t most, size_t *kept)
{
    size_t keeps = 0;
    while (left > 0 && keeps < most) {
        size_t best = heap[0].index;
        bool covered = false;
        hn_heap_pop(heap, left--, false);
        for (size_t i = 0; i < keeps && !covered; i++)
            covered = overlap(b[kept[i]], b[best]) > iou;
        if (!covered)
            kept[keeps++] = best;
    }
    return keeps;
}

static hn_err run(hn_call *c)
{
    const hn_shape *s = &c->in[SCORES]->shape;
    size_t batches = (size_t)s->dim[0], classes = (size_t)s->dim[1], n = (size_t)s->dim[2], found = 0;
    double *boxes, *scores, iou = hn_scalar_f64(c, IOU, 0), least = hn_scalar_f64(c, SCORE, -INFINITY);
    int64_t most = hn_scalar_i64(c, MOST, 0);      /* left out: no boxes, as ONNX has it */
    bool centre = hn_attr_int(c->node, "center_point_box", 0);
    hn_entry *heap = HN_SCRATCH(c, hn_entry, n);
    size_t *kept = HN_SCRATCH(c, size_t, n);
    box *b = HN_SCRATCH(c, box, n);
    HN_TRY(hn_load_f64(c, c->in[BOXES], &boxes));
    HN_TRY(hn_load_f64(c, c->in[SCORES], &scores));
    if (!heap || !kept || !b)
        return hn_nomem(c->cx, "boxes");

    for (size_t r = 0; r < batches * classes && most > 0; r++) {
        for (size_t i = 0; i < n && r % classes == 0; i++)
            b[i] = read_box(boxes + (r / classes * n + i) * 4, centre);
        size_t left = candidates(scores + r * n, 1, n, least, hn_has_in(c, SCORE), heap);
        size_t keeps = suppress(heap, left, b, iou, (size_t)most, kept);
        for (size_t i = 0; i < keeps; i++) {
            int64_t row[3] = { (int64_t)(r / classes), (int64_t)(r % classes), (int64_t)kept[i] };
            hn_put_i64(c->out[0], found++ * 3, 3, row);
        }
    }
    c->out[0]->shape.dim[0] = (int64_t)found;
    return HN_OK;
}

/* ---- DetectionPostprocess: the tail of TFLite's detectors, in the "hone" domain ----------------------
 *
 *     boxes [1, N, 4 or more]: offsets from anchors   scores [1, N, classes]   anchors [N, 4]: y, x, h, w
 *     boxes [1, M, 4]: y0, x0, y1, x1   classes [1, M]   scores [1, M]   how many [1]; the rest is 0
 *
 * When the scores have one class more than num_classes says, the first is the background.  Either each
 * class is suppressed by itself (per_class) and the best of all remain, or boxes are suppressed by their
 * best score and give their max_classes best classes. */

enum { ANCHORS = 2 };
enum { MOST_DETECTIONS = 1 << 20 };

typedef struct detector {
    size_t n, classes, columns, background;    /* columns: of scores, with the background */
    size_t most, each, per_class;              /* detections; classes of a box; boxes of a class, 0: any class */
    float scale[4];
    double score, iou;
} detector;

static hn_err read_count(hn_call *c, const char *name, int64_t missing, size_t *out)
{
    int64_t v = hn_attr_int(c->node, name, missing);
    if (v < 1 || v > MOST_DETECTIONS)
        return hn_bad(c, "%s is %lld, expected 1 to %d", name, (long long)v, MOST_DETECTIONS);
    *out = (size_t)v;
    return HN_OK;
}

static hn_err read_detector(hn_call *c, detector *d)
{
    static const char *const scales[] = { "y_scale", "x_scale", "h_scale", "w_scale" };
    *d = (detector){ .score = (double)(float)hn_attr_float(c->node, "score_threshold", 0),
                     .iou = (double)(float)hn_attr_float(c->node, "iou_threshold", 0.5) };
    HN_TRY(read_count(c, "max_detections", 1, &d->most));
    HN_TRY(read_count(c, "max_classes", 1, &d->each));
    HN_TRY(read_count(c, "num_classes", 1, &d->classes));
    if (hn_attr_int(c->node, "per_class", 0))
        HN_TRY(read_count(c, "detections_per_class", 100, &d->per_class));
    for (int i = 0; i < 4; i++) {
        d->scale[i] = (float)hn_attr_float(c->node, scales[i], 1);
        if (!(d->scale[i] > 0))
            return hn_bad(c, "%s is %g, expected a positive number", scales[i], (double)d->scale[i]);
    }
    return HN_OK;
}

static hn_err infer_postprocess(hn_call *c)
{
    const hn_shape *b = &c->in[BOXES]->shape, *s = &c->in[SCORES]->shape, *a = &c->in[ANCHORS]->shape;
    detector d;
    for (int i = 0; i < 3; i++)
        HN_TRY(hn_want_type(c, i, HN_F32));
    HN_TRY(hn_want_rank(c, BOXES, 3));
    HN_TRY(hn_want_rank(c, SCORES, 3));
    HN_TRY(hn_want_rank(c, ANCHORS, 2));
    HN_TRY(read_detector(c, &d));
    if (hn_shape_known(b) && hn_shape_known(s) && hn_shape_known(a)) {
        int64_t extra = s->dim[2] - (int64_t)d.classes;
        if (b->dim[0] != 1 || s->dim[0] != 1 || b->dim[2] < 4 || a->dim[1] != 4 || b->dim[1] != a->dim[0] ||
            s->dim[1] != a->dim[0] || extra < 0 || extra > 1) {
            char bt[HN_SHAPE_TEXT], st[HN_SHAPE_TEXT], at[HN_SHAPE_TEXT];
            return hn_bad(c, "boxes of %s, scores of %s and anchors of %s for %zu classes", hn_shape_text(b, bt),
                          hn_shape_text(s, st), hn_shape_text(a, at), d.classes);
        }
    }
    int64_t m = (int64_t)d.most * (int64_t)d.each;
    hn_out(c, 0, HN_F32, &(hn_shape){ .rank = 3, .dim = { 1, m, 4 } });
    hn_out(c, 1, HN_F32, &(hn_shape){ .rank = 2, .dim = { 1, m } });
    hn_out(c, 2, HN_F32, &(hn_shape){ .rank = 2, .dim = { 1, m } });
    hn_out(c, 3, HN_F32, &(hn_shape){ .rank = 1, .dim = { 1 } });
    return HN_OK;
}

/* In float, as TFLite computes it. */
static box decode(const detector *d, const float *v, const float *anchor)
{
    float y = v[0] / d->scale[0] * anchor[2] + anchor[0], x = v[1] / d->scale[1] * anchor[3] + anchor[1];
    float h = 0.5f * expf(v[2] / d->scale[2]) * anchor[2], w = 0.5f * expf(v[3] / d->scale[3]) * anchor[3];
    return (box){ (double)(y - h), (double)(x - w), (double)(y + h), (double)(x + w) };
}

static void put_detection(const hn_call *c, size_t at, const box *b, size_t class, double score)
{
    if (hn_has_out(c, 0)) {
        float *to = (float *)c->out[0]->data + 4 * at;
        to[0] = (float)b->y0;
        to[1] = (float)b->x0;
        to[2] = (float)b->y1;
        to[3] = (float)b->x1;
    }
    if (hn_has_out(c, 1))
        ((float *)c->out[1]->data)[at] = (float)class;
    if (hn_has_out(c, 2))
        ((float *)c->out[2]->data)[at] = (float)score;
}

/* Columns of one row of scores, best first. */
static void best_columns(const double *row, const detector *d, hn_entry *heap, size_t each)
{
    for (size_t k = 0; k < d->classes; k++)
        heap[k] = (hn_entry){ hn_order_f64(row[d->background + k]), k };
    for (size_t k = d->classes / 2; k-- > 0;)
        hn_heap_sift(heap, d->classes, k, false);
    for (size_t k = 0; k < each; k++)
        hn_heap_pop(heap, d->classes - k, false);        /* the best ends up last */
}

static hn_err any_class(hn_call *c, const detector *d, const box *b, const double *scores, size_t *count)
{
    size_t each = d->each < d->classes ? d->each : d->classes;
    hn_entry *heap = HN_SCRATCH(c, hn_entry, d->n), *column = HN_SCRATCH(c, hn_entry, d->classes);
    double *top = HN_SCRATCH(c, double, d->n);
    size_t *kept = HN_SCRATCH(c, size_t, d->n);
    if (!heap || !column || !top || !kept)
        return hn_nomem(c->cx, "detections");
    for (size_t i = 0; i < d->n; i++) {
        const double *row = scores + i * d->columns + d->background;
        top[i] = row[0];
        for (size_t k = 1; k < d->classes; k++)
            top[i] = row[k] > top[i] ? row[k] : top[i];
    }
    *count = suppress(heap, candidates(top, 1, d->n, d->score, false, heap), b, d->iou, d->most, kept);
    for (size_t i = 0; i < *count; i++) {
        const double *row = scores + kept[i] * d->columns;
        best_columns(row, d, column, each);
        for (size_t k = 0; k < each; k++) {
            size_t class = column[d->classes - 1 - k].index;
            put_detection(c, i * d->each + k, &b[kept[i]], class, row[d->background + class]);
        }
    }
    return HN_OK;
}

static hn_err each_class(hn_call *c, const detector *d, const box *b, const double *scores, size_t *count)
{
    size_t per = d->per_class < d->n ? d->per_class : d->n, found = 0;
    hn_entry *heap = HN_SCRATCH(c, hn_entry, d->n), *all = HN_SCRATCH(c, hn_entry, hn_mul(per, d->classes));
    size_t *kept = HN_SCRATCH(c, size_t, d->n);
    if (!heap || !all || !kept)
        return hn_nomem(c->cx, "detections");
    for (size_t k = 0; k < d->classes; k++) {
        const double *column = scores + d->background + k;
        size_t keeps = suppress(heap, candidates(column, d->columns, d->n, d->score, false, heap), b, d->iou, per, kept);
        for (size_t i = 0; i < keeps; i++)
            all[found++] = (hn_entry){ hn_order_f64(column[kept[i] * d->columns]), k * d->n + kept[i] };
    }
    for (size_t i = found / 2; i-- > 0;)
        hn_heap_sift(all, found, i, false);
    *count = found < d->most ? found : d->most;
    for (size_t i = 0; i < *count; i++) {
        size_t class = all[0].index / d->n, at = all[0].index % d->n;
        hn_heap_pop(all, found - i, false);
        put_detection(c, i, &b[at], class, scores[at * d->columns + d->background + class]);
    }
    return HN_OK;
}

static hn_err run_postprocess(hn_call *c)
{
    detector d;
    double *scores;
    size_t count = 0, wide = (size_t)c->in[BOXES]->shape.dim[2];
    HN_TRY(read_detector(c, &d));
    d.n = (size_t)c->in[SCORES]->shape.dim[1];
    d.columns = (size_t)c->in[SCORES]->shape.dim[2];
    d.background = d.columns - d.classes;
    box *b = HN_SCRATCH(c, box, d.n);
    HN_TRY(hn_load_f64(c, c->in[SCORES], &scores));
    if (!b)
        return hn_nomem(c->cx, "boxes");
    for (size_t i = 0; i < d.n; i++)
        b[i] = decode(&d, (const float *)c->in[BOXES]->data + i * wide, (const float *)c->in[ANCHORS]->data + 4 * i);
    for (int i = 0; i < 4; i++)
        if (hn_has_out(c, i))
            hn_elems_zero(c->out[i]);
    HN_TRY(d.per_class ? each_class(c, &d, b, scores, &count) : any_class(c, &d, b, scores, &count));
    if (hn_has_out(c, 3))
        *(float *)c->out[3]->data = (float)count;
    return HN_OK;
}

static const hn_attr_spec postprocess_attr[] = {
    { "detections_per_class", HN_ATTR_INT, "100" }, { "h_scale", HN_ATTR_FLOAT, "1" },
    { "iou_threshold", HN_ATTR_FLOAT, "0.5" }, { "max_classes", HN_ATTR_INT, "1" },
    { "max_detections", HN_ATTR_INT, "1" }, { "num_classes", HN_ATTR_INT, "1" },
    { "per_class", HN_ATTR_INT, "0: a box is suppressed by its best score" }, { "score_threshold", HN_ATTR_FLOAT, "0" },
    { "w_scale", HN_ATTR_FLOAT, "1" }, { "x_scale", HN_ATTR_FLOAT, "1" }, { "y_scale", HN_ATTR_FLOAT, "1" }, { 0 }
};
static const hn_attr_spec attr[] = { { "center_point_box", HN_ATTR_INT, "0: boxes are two corners, y first" }, { 0 } };

const hn_op hn_op_nonmaxsuppression = {
    .name = "NonMaxSuppression", .since = 11, .min_in = 2, .max_in = 5, .min_out = 1, .max_out = 1,
    .flags = HN_OP_SHRINKS, .attr = attr, .infer = infer, .run = run,
};

const hn_op hn_op_detection_postprocess = {
    .name = "DetectionPostprocess", .domain = "hone", .since = 1, .min_in = 3, .max_in = 3, .min_out = 1, .max_out = 4,
    .attr = postprocess_attr, .infer = infer_postprocess, .run = run_postprocess,
};
