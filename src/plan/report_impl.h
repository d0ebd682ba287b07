/* SPDX-License-Identifier: Apache-2.0 */
/* What the report's files share. */
#ifndef HN_PLAN_REPORT_IMPL_H
#define HN_PLAN_REPORT_IMPL_H

#include "plan/report.h"

typedef struct hn_draft {
    hn_ctx *cx;
    const hn_world *w;
    const hn_ask *ask;
    hn_needs *n;                     /* a copy: what is assumed is added */
    hn_arena *a;
    json_t *out, *assumed, *notes;
    const hn_offer *best;            /* what the plan recommends; NULL when nothing does */
    const hn_offer *shown;           /* then: what it was asked about */
} hn_draft;

json_t *hn_band_json(const hn_band *b);                      /* [low, mid, high], null when not known */
json_t *hn_offer_json(const hn_offer *o);
void hn_assume(hn_draft *d, const char *what, double value, const char *unit, const char *change);
void hn_remark(hn_draft *d, const char *text);               /* a note, once */

/* The "money" part; *break_even_day for the factors, NAN without. */
void hn_draft_money(hn_draft *d, double *break_even_day);
void hn_draft_commands(hn_draft *d);
void hn_draft_disagreements(hn_draft *d, const json_t *entry);

#endif
