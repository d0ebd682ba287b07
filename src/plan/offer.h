/* SPDX-License-Identifier: Apache-2.0 */
/* Offer: one device, one model, one precision, and what that gives: does it fit, how fast, how much power.
 *
 * Every figure is a band with its basis.  Measured rows of the catalogue come first, the roofline second;
 * what cannot be known is 0 and says why. */
#ifndef HN_PLAN_OFFER_H
#define HN_PLAN_OFFER_H

#include "plan/device.h"
#include "plan/model.h"
#include "plan/needs.h"

/* The tables an offer looks into. */
typedef struct hn_world {
    hn_catalog *c;
    const hn_csv *lm_rows, *vision_rows, *tiny_rows;
} hn_world;

hn_err hn_world_open(hn_ctx *cx, hn_catalog *c, hn_world *out);

/* What is assumed where needs leave it open; the plan prints those that it used. */
typedef struct hn_load { double context, parallel, prompt, answer, kv_element, fps; } hn_load;
hn_load hn_load_of(const hn_needs *n, const hn_model *m);

typedef struct hn_offer {
    const hn_device *device;
    const hn_model *model;
    hn_precision precision;
    hn_need need;
    hn_verdict verdict;
    double usable_gb;

    hn_band rate, prefill;           /* tokens a second */
    double bound;                    /* tokens a second, that nothing passes */
    hn_band first_ms, answer_ms;     /* wait for the first token; the whole answer */
    hn_band image_ms;                /* one image */
    const char *rate_from, *prefill_from, *image_from;   /* where they come from, or why they are missing */
    double sustained;                /* share of the speed kept when it runs for long */

    double watts, idle_watts;        /* 0: not known */
    double joules, joules_marginal;  /* per answer or image; 0: not known */
    double tiny_joules;              /* measured by MLPerf Tiny; 0: not */
    const char *power_from;
} hn_offer;

void hn_offer_make(const hn_world *w, const hn_device *d, const hn_model *m, const hn_precision *p,
                   const hn_needs *n, hn_arena *a, hn_offer *out);

/* What an image of this model costs at the device's peak; false: its work or the peak is not known. */
bool hn_offer_image_cost(const hn_device *d, const hn_model *m, const hn_precision *p, hn_image_cost *out);

double hn_kv_element(const char *type);          /* bytes; "f16" 2 */

#endif
