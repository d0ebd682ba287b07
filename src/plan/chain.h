/* SPDX-License-Identifier: Apache-2.0 */
/* Chain: a latency budget is for everything from sensor to answer, not for the model alone. */
#ifndef HN_PLAN_CHAIN_H
#define HN_PLAN_CHAIN_H

#include "plan/offer.h"

typedef struct hn_preset {
    const char *name, *domain;       /* as use_cases.json calls it */
    double budget_ms;
    const char *source;
} hn_preset;

/* The budget of a preset, from the catalogue. */
bool hn_preset_find(const hn_catalog *c, const char *name, hn_preset *out);

/* The stages and whether they hold: {"budget_ms", "total_ms": [low, mid, high], "holds": "yes" | "maybe" | "no",
 * "stages": [{"stage", "ms": [3], "from"}], "cloud": {...}, "notes": []}. */
json_t *hn_chain_make(const hn_world *w, const hn_needs *n, const hn_offer *o);

#endif
