/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to run a Conv on channels-last f32 have in common. */
#ifndef HN_RUNTIME_CPU_CONV_H
#define HN_RUNTIME_CPU_CONV_H

#include "runtime/impl.h"

typedef struct hn_conv_shape {
    size_t batch, in_h, in_w, in_c, out_h, out_w, out_c, groups;
    size_t kh, kw, stride_h, stride_w, dil_h, dil_w;
    int64_t pad_top, pad_left;
} hn_conv_shape;

/* One or two spatial dimensions, constant weights, no empty side; false for anything else. */
bool hn_conv_geometry(const hn_prep *p, hn_conv_shape *c);

#endif
