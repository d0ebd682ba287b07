/* SPDX-License-Identifier: Apache-2.0 */
/* The element-wise half of recurrent cells: gates in, state out.
 *
 * Gates lie one after another, n units each.  h and c are read and written in place; no other overlap.
 * Each unit depends on its own gates alone.  Instruction sets differ by what vmath.h says of sigmoid and tanh. */
#include "kernels/isa.h"
#include "kernels/simd/vmath.h"

/* gates [4, n] in the order i o f c:  c = s(f) c + s(i) tanh(c'),  h = s(o) tanh(c), with c kept
 * within `most`, which may be infinite. */
void K(lstm_cell_f32)(float *h, float *c, const float *gates, size_t n, float most)
{
    vf hi = vf_set(most), lo = vf_set(-most);
    for (size_t i = 0; i < n; i += VF_N) {
        size_t left = n - i;
        vf in = vf_sigmoid(vf_get(gates + i, left)), out = vf_sigmoid(vf_get(gates + n + i, left));
        vf forget = vf_sigmoid(vf_get(gates + 2 * n + i, left)), fresh = vf_tanh(vf_get(gates + 3 * n + i, left));
        vf cell = vf_clip(vf_fma(forget, vf_get(c + i, left), vf_mul(in, fresh)), lo, hi);
        vf_put(c + i, cell, left);
        vf_put(h + i, vf_mul(out, vf_tanh(cell)), left);
    }
}

/* x [3, n] from the input, r [3, n] from the state, in the order z r h:
 * h = (1 - z) tanh(x_h + s(r) r_h) + z h, the form that scales the state's product. */
void K(gru_cell_f32)(float *h, const float *x, const float *r, size_t n)
{
    vf one = vf_set(1);
    for (size_t i = 0; i < n; i += VF_N) {
        size_t left = n - i;
        vf update = vf_sigmoid(vf_add(vf_get(x + i, left), vf_get(r + i, left)));
        vf reset = vf_sigmoid(vf_add(vf_get(x + n + i, left), vf_get(r + n + i, left)));
        vf fresh = vf_tanh(vf_fma(reset, vf_get(r + 2 * n + i, left), vf_get(x + 2 * n + i, left)));
        vf_put(h + i, vf_fma(update, vf_get(h + i, left), vf_mul(vf_sub(one, update), fresh)), left);
    }
}
