/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c: Resize of pictures, nearest and linear, on channels-last f32.
 *
 * Where a result looks is the operator's own table, one per axis, made with the plan.  A row of the
 * result is a row of the input or a mix of two, then pixels of that row, or mixes of two. */
#include <string.h>

#include "base/num.h"
#include "graph/resample.h"
#include "runtime/impl.h"

typedef struct line { size_t at, next; float mix; } line;      /* at + (next - at) mix */

typedef struct resize {
    size_t batch, channels, in_h, in_w, out_h, out_w;
    line *y, *x;
} resize;

static bool accepts(const hn_prep *p)
{
    const hn_shape *x = &p->in[0]->shape, *y = &p->out[0]->shape;
    bool cubic = hn_attr_is(p->node, "mode", "cubic", "nearest");
    bool crop = hn_attr_is(p->node, "coordinate_transformation_mode", "tf_crop_and_resize", "half_pixel");
    return hn_op_is(p->node, "Resize") && x->rank == 4 && p->in[0]->dtype == HN_F32 && !cubic && !crop &&
           !hn_attr_int(p->node, "antialias", 0) && p->node->act.kind == HN_ACT_NONE &&
           x->dim[0] == y->dim[0] && x->dim[1] == y->dim[1] && hn_count(p->out[0]) > 0;
}

static hn_err find_lines(hn_prep *p, int axis, line **out)
{
    size_t n = (size_t)p->out[0]->shape.dim[axis];
    hn_call call = hn_prep_call(p);
    hn_taps t;
    HN_TRY(hn_resize_taps(&call, axis, &t));
    line *l = HN_NEW(p->arena, line, n);
    if (!l)
        return hn_nomem(p->cx, "a resize");
    for (size_t i = 0; i < n; i++) {
        const int64_t *at = t.at + i * t.taps;
        l[i] = (line){ (size_t)at[0], (size_t)at[t.taps - 1],
                       t.taps > 1 ? (float)t.weight[i * t.taps + 1] : 0 };
    }
    *out = l;
    return HN_OK;
}

static hn_err prepare(hn_prep *p)
{
    const hn_shape *x = &p->in[0]->shape, *y = &p->out[0]->shape;
    resize *s = HN_NEW(p->arena, resize, 1);
    if (!s)
        return hn_nomem(p->cx, "a resize");
    *s = (resize){ .batch = (size_t)x->dim[0], .channels = (size_t)x->dim[1], .in_h = (size_t)x->dim[2],
                   .in_w = (size_t)x->dim[3], .out_h = (size_t)y->dim[2], .out_w = (size_t)y->dim[3] };
    HN_TRY(find_lines(p, 2, &s->y));
    HN_TRY(find_lines(p, 3, &s->x));
    p->scratch_bytes = hn_mul(s->in_w * sizeof(float), s->channels);     /* a row mixed of two */
    p->state = s;
    return HN_OK;
}

static void row(void *arg, size_t piece, unsigned worker)
{
    const hn_run *r = arg;
    const resize *s = r->state;
    size_t image = piece / s->out_h, wide = s->in_w * s->channels;
    const float *in = (const float *)r->in[0]->data + image * s->in_h * wide;
    float *out = (float *)r->out[0]->data + piece * s->out_w * s->channels;
    float *mixed = (float *)(void *)(r->scratch + worker * r->scratch_stride);
    const line *y = &s->y[piece % s->out_h];

    if (y->mix != 0) {
        r->k->lerp_f32(mixed, in + y->at * wide, in + y->next * wide, y->mix, wide);
        in = mixed;
    } else {
        in += y->at * wide;
    }
    for (size_t i = 0; i < s->out_w; i++, out += s->channels) {
        const line *x = &s->x[i];
        if (x->mix != 0)
            r->k->lerp_f32(out, in + x->at * s->channels, in + x->next * s->channels, x->mix, s->channels);
        else
            memcpy(out, in + x->at * s->channels, s->channels * sizeof *out);
    }
}

static hn_err run(const hn_run *r)
{
    const resize *s = r->state;
    hn_parallel(r, s->batch * s->out_h, row, (void *)(uintptr_t)r);
    return HN_OK;
}

const hn_impl hn_impl_resize = {
    .name = "resize.f32", .rule = HN_RULE_CL, .accepts = accepts, .prepare = prepare, .run = run,
};
