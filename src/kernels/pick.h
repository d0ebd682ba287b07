/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HN_KERNELS_PICK_H
#define HN_KERNELS_PICK_H

#include "base/ctx.h"
#include "kernels/kernels.h"

/* hn_kernels_pick(), or an error that says what is wrong with HONE_ISA. */
hn_err hn_kernels_choose(hn_ctx *cx, const hn_kernels **out);

#endif
