/* SPDX-License-Identifier: Apache-2.0 */
/* Weights in panels, as the kernels of qpack.h want them. */
#ifndef HN_RUNTIME_CPU_PANELS_H
#define HN_RUNTIME_CPU_PANELS_H

#include "runtime/impl.h"

/* Packs a matrix of `rows` rows of k elements, once for all plans of a model, on the pool's threads; a mapped file gets
 * its pages back.  NULL while measuring, and out of memory. */
const void *hn_panels_of(hn_prep *p, const hn_tensor *w, hn_qtype type, size_t rows, size_t k);

#endif
