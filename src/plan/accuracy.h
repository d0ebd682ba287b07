/* SPDX-License-Identifier: Apache-2.0 */
/* Accuracy: how wrong the estimates are, on every measured row of the catalogue, and which published rates
 * no memory could feed. */
#ifndef HN_PLAN_ACCURACY_H
#define HN_PLAN_ACCURACY_H

#include "plan/offer.h"

/* {"errors": [{"figure", "rows", "median %", "mean %", "90th %", "within 20 %"}],
 *  "claims": [{"device", "claim", "tokens_s", "bound", "verdict"}]} */
hn_err hn_accuracy(hn_ctx *cx, const hn_world *w, hn_arena *a, json_t **out);

#endif
