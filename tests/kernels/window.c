/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/kernels.h"

#include <math.h>

/* A window of some shape on guarded rows; row `absent` is padding. */
typedef struct shape { size_t kh, kw, in_w, channels, stride, dilation, pad; int absent; } shape;
typedef struct window { hn_window_f32 w; const float *rows[8]; } window;

static void make(window *o, const shape *s, bool weights)
{
    size_t reach = (s->kw - 1) * s->dilation + 1;
    o->w = (hn_window_f32){
        .kh = s->kh, .kw = s->kw, .in_w = s->in_w, .channels = s->channels, .stride = s->stride,
        .dilation = s->dilation, .pad = s->pad, .rows = o->rows,
        .out_w = (s->in_w + 2 * s->pad - reach) / s->stride + 1,
    };
    for (size_t r = 0; r < s->kh; r++)
        o->rows[r] = (int)r == s->absent ? NULL : hn_noise(s->in_w * s->channels, -1, 1);
    if (weights) {
        o->w.weight = hn_noise(s->kh * s->kw * s->channels, -1, 1);
        o->w.bias = hn_noise(s->channels, -1, 1);
    }
    o->w.out = hn_guarded(o->w.out_w * s->channels * sizeof(float));
}

enum { DEPTHWISE, MAXIMUM, AVERAGE };

/* The definition, one element, in double. */
static double plain_window(const hn_window_f32 *w, size_t x, size_t c, int kind)
{
    double sum = kind == MAXIMUM ? -INFINITY : w->bias ? (double)w->bias[c] : 0;
    size_t count = 0;
    for (size_t r = 0; r < w->kh; r++)
        for (size_t t = 0; t < w->kw; t++) {
            size_t at = x * w->stride + t * w->dilation;
            if (!w->rows[r] || at < w->pad || at >= w->in_w + w->pad)
                continue;
            double v = (double)w->rows[r][(at - w->pad) * w->channels + c];
            count++;
            if (kind == MAXIMUM)
                sum = v > sum ? v : sum;
            else
                sum += kind == DEPTHWISE ? v * (double)w->weight[(r * w->kw + t) * w->channels + c] : v;
        }
    if (kind == AVERAGE)
        sum = w->count_pad ? sum / (double)(w->kh * w->kw) : count ? sum / (double)count : 0;
    return hn_act_apply(w->act, sum);
}

/* `tolerance`: of sums of at most 49 products of numbers below 1, rounded twice each. */
static void each_shape(void (*run)(const hn_window_f32 *), int kind, double tolerance)
{
    static const size_t kernels[][2] = { { 3, 3 }, { 3, 3 }, { 1, 1 }, { 2, 2 }, { 3, 5 }, { 5, 5 }, { 1, 7 }, { 7, 1 } };
    static const hn_act acts[] = { { HN_ACT_NONE, 0, 0 }, { HN_ACT_CLIP, -0.25f, 0.5f }, { HN_ACT_SILU, 0, 0 } };
    for (size_t i = 0; i < 1200; i++) {
        const size_t *kernel = kernels[hn_random() % 8];
        shape s = { .kh = kernel[0], .kw = kernel[1], .channels = 1 + hn_random() % 37, .stride = 1 + hn_random() % 3,
                    .dilation = hn_random() % 4 ? 1 : 2, .absent = (int)(hn_random() % 6) - 2 };
        s.pad = hn_random() % (s.kw * s.dilation);
        s.in_w = (s.kw - 1) * s.dilation + 1 + hn_random() % 15;
        if (hn_random() % 8 == 0 && s.in_w > 2 * s.pad + 1)              /* narrower than the window */
            s.in_w -= 2 * s.pad;
        window o;
        make(&o, &s, kind == DEPTHWISE);
        o.w.act = acts[i % 3];
        o.w.count_pad = i % 2;
        run(&o.w);
        for (size_t x = 0; x < o.w.out_w; x++)
            for (size_t c = 0; c < s.channels; c++) {
                double got = (double)o.w.out[x * s.channels + c], want = plain_window(&o.w, x, c, kind);
                bool good = got == want || fabs(got - want) <= tolerance || (isnan(got) && isnan(want));
                if (!good)
                    print_message("%zux%zu s%zu d%zu pad %zu, width %zu, %zu channels: [%zu,%zu] is %g, not %g\n", s.kh, s.kw,
                                  s.stride, s.dilation, s.pad, s.in_w, s.channels, x, c, got, want);
                CHECK(good);
            }
    }
}

KERNEL_TEST(dwconv_f32) { each_shape(k->dwconv_f32, DEPTHWISE, 49 * 20 * 0x1p-24); }
KERNEL_TEST(maxpool_f32) { each_shape(k->maxpool_f32, MAXIMUM, 4e-7); }
KERNEL_TEST(avgpool_f32) { each_shape(k->avgpool_f32, AVERAGE, 49 * 4 * 0x1p-24); }

static void check_pool_bits(const hn_kernels *k, const hn_kernels *plain)
{
    shape s = { .kh = 3, .kw = 3, .in_w = 17, .channels = 45, .stride = 2, .dilation = 1, .pad = 1, .absent = -1 };
    window o;
    make(&o, &s, false);
    size_t size = o.w.out_w * s.channels * sizeof(float);
    float *other = hn_guarded(size), *mine = o.w.out;
    k->maxpool_f32(&o.w);
    o.w.out = other;
    plain->maxpool_f32(&o.w);
    CHECK(hn_same_bits(mine, other, size));
    plain->avgpool_f32(&o.w);
    o.w.out = mine;
    k->avgpool_f32(&o.w);
    CHECK(hn_same_bits(mine, other, size));
}
TEST(pools_have_the_same_bits_everywhere) { hn_test_each_isa(check_pool_bits); }

static void check_max_nan(const hn_kernels *k, const hn_kernels *plain)
{
    shape s = { .kh = 1, .kw = 2, .in_w = 4, .channels = 9, .stride = 2, .dilation = 1, .pad = 0, .absent = -1 };
    window o;
    (void)plain;
    make(&o, &s, false);
    float *row = (float *)o.rows[0];
    row[0] = NAN;                        /* the first of two */
    row[27] = NAN;                       /* the second of two */
    k->maxpool_f32(&o.w);
    CHECK(isnan(o.w.out[0]) && isnan(o.w.out[9]));
    CHECK(o.w.out[1] == fmaxf(row[1], row[10]));
}
TEST(maxpool_of_nan_is_nan) { hn_test_each_isa(check_max_nan); }
