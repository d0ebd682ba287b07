/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cpu/panels.h"

#include "base/file.h"
#include "base/num.h"
#include "runtime/packs.h"

enum { PACK_PANELS = 16 };           /* in one piece of work */

typedef struct packing {
    const hn_prep *p;
    const char *w;
    hn_qtype type;
    size_t rows, k, row_size, panel_size;
    char *to;
} packing;

static void pack_some(void *arg, size_t piece, unsigned worker)
{
    const packing *p = arg;
    (void)worker;
    for (size_t i = piece * PACK_PANELS; i < hn_min((piece + 1) * PACK_PANELS, hn_ceil_div(p->rows, HN_PANEL_ROWS)); i++) {
        size_t row = i * HN_PANEL_ROWS;
        hn_panel_pack(p->type, p->w + row * p->row_size, p->row_size, hn_min(HN_PANEL_ROWS, p->rows - row), p->k,
                      p->to + i * p->panel_size);
    }
}

static void fill(void *arg, void *to)
{
    packing *p = arg;
    p->to = to;
    hn_pool_run(p->p->pool, p->p->threads, hn_ceil_div(hn_ceil_div(p->rows, HN_PANEL_ROWS), PACK_PANELS), pack_some, p);
    if (p->p->forget_sources && hn_shared_packs_serve(p->p->shared, p->w))
        hn_file_release(p->w, p->rows * p->row_size);
}

const void *hn_panels_of(hn_prep *p, const hn_tensor *w, hn_qtype type, size_t rows, size_t k)
{
    packing job = { .p = p, .w = w->data, .type = type, .rows = rows, .k = k, .row_size = hn_q_bytes(type, k),
                    .panel_size = hn_panel_size(type, k) };
    return hn_prep_pack_from(p, w->data, hn_panels_size(type, rows, k), fill, &job);
}
