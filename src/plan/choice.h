/* SPDX-License-Identifier: Apache-2.0 */
/* Choice: for every device the largest model that fits and is fast enough, optimised down only as far as
 * it must; then the devices in order of what they cost.  What was rejected says why. */
#ifndef HN_PLAN_CHOICE_H
#define HN_PLAN_CHOICE_H

#include "plan/offer.h"

/* What may be chosen from: devices and models that the needs name, or all that can do the task. */
typedef struct hn_field {
    hn_device *device; size_t device_count;
    hn_model *model; size_t model_count;         /* largest first */
} hn_field;

typedef struct hn_choice {
    hn_offer *offer; size_t offer_count;         /* best first */
    struct hn_reject { const hn_device *device; const hn_model *model; const char *precision, *why; } *reject;
    size_t reject_count;
} hn_choice;

/* Why this offer does not meet the needs; NULL when it does. */
const char *hn_offer_reject(const hn_offer *o, const hn_needs *n, hn_arena *a);

/* What only the middle of its band meets, so that a measurement has to decide; NULL when there is nothing. */
const char *hn_offer_doubt(const hn_offer *o, const hn_needs *n, hn_arena *a);

hn_err hn_choice_make(hn_ctx *cx, const hn_world *w, const hn_field *f, const hn_needs *n, hn_arena *a,
                      hn_choice *out);

/* Is the model for what the needs ask? */
bool hn_model_does(const hn_model *m, const hn_needs *n);

#endif
