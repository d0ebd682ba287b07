/* SPDX-License-Identifier: Apache-2.0 */
/* detect.c: NonMaxSuppression: of boxes that cover each other, the best-scored one.
 *
 *     boxes [N, B, 4]   scores [N, classes, B]   y [found, 3]: batch, class, box */
#include <math.h>

#include "graph/heap.h"
#include "graph/load.h"

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

static hn_err run(hn_call *c)
{
    const hn_shape *s = &c->in[SCORES]->shape;
    size_t batches = (size_t)s->dim[0], classes = (size_t)s->dim[1], n = (size_t)s->dim[2], found = 0;
    double *boxes, *scores, iou = hn_scalar_f64(c, IOU, 0), least = hn_scalar_f64(c, SCORE, -INFINITY);
    int64_t most = hn_scalar_i64(c, MOST, 0);      /* left out: no boxes, as ONNX has it */
    bool centre = hn_attr_int(c->node, "center_point_box", 0);
    hn_entry *heap = HN_SCRATCH(c, hn_entry, n);
    box *kept = HN_SCRATCH(c, box, n);
    HN_TRY(hn_load_f64(c, c->in[BOXES], &boxes));
    HN_TRY(hn_load_f64(c, c->in[SCORES], &scores));
    if (!heap || !kept)
        return hn_nomem(c->cx, "boxes");

    for (size_t r = 0; r < batches * classes && most > 0; r++) {
        size_t left = 0, keeps = 0;
        for (size_t i = 0; i < n; i++)
            if (scores[r * n + i] > least || (!hn_has_in(c, SCORE) && !isnan(scores[r * n + i])))
                heap[left++] = (hn_entry){ hn_order_f64(scores[r * n + i]), i };
        for (size_t i = left / 2; i-- > 0;)
            hn_heap_sift(heap, left, i, false);
        while (left > 0 && keeps < (size_t)most) {
            size_t best = heap[0].index;
            hn_heap_pop(heap, left--, false);
            box b = read_box(boxes + (r / classes * n + best) * 4, centre);
            bool covered = false;
            for (size_t i = 0; i < keeps && !covered; i++)
                covered = overlap(kept[i], b) > iou;
            if (covered)
                continue;
            kept[keeps++] = b;
            int64_t row[3] = { (int64_t)(r / classes), (int64_t)(r % classes), (int64_t)best };
            hn_put_i64(c->out[0], found++ * 3, 3, row);
        }
    }
    c->out[0]->shape.dim[0] = (int64_t)found;
    return HN_OK;
}

static const hn_attr_spec attr[] = { { "center_point_box", HN_ATTR_INT, "0: boxes are two corners, y first" }, { 0 } };

const hn_op hn_op_nonmaxsuppression = {
    .name = "NonMaxSuppression", .since = 11, .min_in = 2, .max_in = 5, .min_out = 1, .max_out = 1,
    .flags = HN_OP_SHRINKS, .attr = attr, .infer = infer, .run = run,
};
