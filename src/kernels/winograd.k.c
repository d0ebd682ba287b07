/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms of F(4x4, 3x3): Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks" (2016), over
 * the points 0, 1, -1, 2, -2 and infinity.  A tile of 4 x 4 output pixels comes from 6 x 6 input pixels; in
 * between, each of 36 positions is a matrix product over channels: a quarter of the multiplications.
 *
 * Channels are independent.  Differences of large numbers cost about a digit and a half: results are within
 * 2e-6 of the largest product sum, where the direct way is within 1e-7. */
#include "kernels/isa.h"

/* One column or row of six numbers to six. */
VEC void in_6(vf y[6], const vf x[6])
{
    vf two = vf_set(2), four = vf_set(4), five = vf_set(-5);
    vf odd = vf_fma(four, vf_neg(x[1]), x[3]), even = vf_fma(four, vf_neg(x[2]), x[4]);     /* x3 - 4 x1, x4 - 4 x2 */
    vf far = vf_mul(two, vf_sub(x[3], x[1])), near = vf_sub(x[4], x[2]);
    y[0] = vf_fma(four, x[0], vf_fma(five, x[2], x[4]));
    y[1] = vf_add(even, odd);
    y[2] = vf_sub(even, odd);
    y[3] = vf_add(near, far);
    y[4] = vf_sub(near, far);
    y[5] = vf_fma(four, x[1], vf_fma(five, x[3], x[5]));
}

/* Six to four. */
VEC void out_4(vf y[4], const vf x[6])
{
    vf a = vf_add(x[1], x[2]), b = vf_sub(x[1], x[2]), c = vf_add(x[3], x[4]), d = vf_sub(x[3], x[4]);
    y[0] = vf_add(x[0], vf_add(a, c));
    y[1] = vf_fma(vf_set(2), d, b);
    y[2] = vf_fma(vf_set(4), c, a);
    y[3] = vf_add(vf_fma(vf_set(8), d, b), x[5]);
}

/* 6 x 6 pixels of an image, `line` floats from line to line, to 36 rows of channels, `step` apart. */
void K(winograd_in_f32)(float *out, size_t step, const float *in, size_t line, size_t channels)
{
    for (size_t c = 0; c < channels; c += VF_N) {
        size_t n = channels - c;
        vf t[6][6];
        UNROLL
        for (size_t j = 0; j < 6; j++) {             /* down the columns */
            vf x[6], y[6];
            UNROLL
            for (size_t i = 0; i < 6; i++)
                x[i] = vf_get(in + i * line + j * channels + c, n);
            in_6(y, x);
            UNROLL
            for (size_t i = 0; i < 6; i++)
                t[i][j] = y[i];
        }
        UNROLL
        for (size_t i = 0; i < 6; i++) {
            vf y[6];
            in_6(y, t[i]);
            UNROLL
            for (size_t j = 0; j < 6; j++)
                vf_put(out + (i * 6 + j) * step + c, y[j], n);
        }
    }
}

/* 36 rows of channels, `step` apart, to the first rows x cols of 4 x 4 pixels, plus bias and add, activated.
 * Lines of out and add are `line` floats apart. */
void K(winograd_out_f32)(const hn_winograd_out *w)
{
    float least, most;
    int clip = act_bounds(w->act, &least, &most);
    vf lo = vf_set(least), hi = vf_set(most);
    size_t ch = w->channels;
    for (size_t c = 0; c < ch; c += VF_N) {
        size_t n = ch - c;
        vf t[4][6], bias = w->bias ? vf_get(w->bias + c, n) : vf_set(0);
        UNROLL
        for (size_t j = 0; j < 6; j++) {
            vf x[6], y[4];
            UNROLL
            for (size_t i = 0; i < 6; i++)
                x[i] = vf_get(w->in + (i * 6 + j) * w->step + c, n);
            out_4(y, x);
            UNROLL
            for (size_t i = 0; i < 4; i++)
                t[i][j] = y[i];
        }
        for (size_t i = 0; i < w->rows; i++) {
            vf y[4];
            out_4(y, t[i]);
            for (size_t j = 0; j < w->cols; j++) {
                size_t at = i * w->line + j * ch + c;
                vf sum = vf_add(y[j], bias);
                if (w->add)
                    sum = vf_add(sum, vf_get(w->add + at, n));
                vf_put(w->out + at, vf_clip(sum, lo, hi), n);
            }
        }
    }
    for (size_t i = 0; !clip && i < w->rows; i++)
        K(act_f32)(w->out + i * w->line, w->out + i * w->line, w->cols * ch, w->act);
}
