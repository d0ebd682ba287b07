/* SPDX-License-Identifier: Apache-2.0 */
/* What the report's files share. */
#ifndef HN_PLAN_REPORT_IMPL_H
#define HN_PLAN_REPORT_IMPL_H

#include "plan/money.h"
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

/* The "money" part; *cheapest for the factors, left alone when fewer than two ways are known. */
void hn_draft_money(hn_draft *d, hn_way *cheapest);
void hn_draft_commands(hn_draft *d);
void hn_draft_disagreements(hn_draft *d, const json_t *entry);

/* An amount times what a dollar buys: "16.70", "0.0000254", "1.2e-09", "not known". */
const char *hn_amount_text(const json_t *usd, double times, char out[24]);
/* What money is shown in: its code, and what a dollar buys of it. */
const char *hn_money_unit(const json_t *money, double *times);

#endif
