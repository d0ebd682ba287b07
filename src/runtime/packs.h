/* SPDX-License-Identifier: Apache-2.0 */
/* Packed weights: aligned blocks that live and die with a plan. */
#ifndef HN_RUNTIME_PACKS_H
#define HN_RUNTIME_PACKS_H

#include "base/ctx.h"

typedef struct hn_packs {
    void **block;
    size_t count, cap;
    size_t bytes;
    bool measure;            /* count, allocate nothing */
} hn_packs;

void *hn_packs_get(hn_ctx *cx, hn_packs *p, size_t bytes);     /* zeroed; NULL also while measuring */
void hn_packs_fini(hn_ctx *cx, hn_packs *p);

#endif
