/* SPDX-License-Identifier: Apache-2.0 */
/* Report: the whole plan as one JSON value, from which text and page are made; so what a person reads and
 * what a script reads cannot differ.
 *
 *     verdict, sentence      first, and enough for most
 *     fit                    one device, one model: a row per precision, and what to change
 *     choices, rejected      otherwise: a row per device that can, a reason per device that cannot
 *     chain, money, where    when they were asked for
 *     assumed, notes         what was filled in, where sources disagree
 *     commands               that carry the plan out */
#ifndef HN_PLAN_REPORT_H
#define HN_PLAN_REPORT_H

#include "base/buf.h"
#include "plan/choice.h"

/* One measured decode, as `hone bench --save-calibration` writes it. */
typedef struct hn_calibration { double tokens_s, bytes, layers; const char *model; } hn_calibration;

typedef struct hn_ask {
    const hn_needs *needs;
    const hn_model *file;            /* read from needs.file; NULL */
    const hn_device *here;           /* this machine, measured; NULL */
    const hn_calibration *calibration;               /* NULL: none */
    bool (*has_command)(const char *name);           /* does the program have this verb? */
    bool explain;                    /* paths and sources too */
} hn_ask;

hn_err hn_calibration_read(hn_ctx *cx, const char *path, hn_arena *a, hn_calibration *out);

hn_err hn_report_make(hn_ctx *cx, const hn_world *w, const hn_ask *ask, hn_arena *a, json_t **out);
void hn_report_text(const json_t *report, bool all, hn_buf *b);      /* 80 columns */
void hn_report_page(const json_t *report, hn_buf *b);                /* one HTML file, nothing outside */

/* Where the value KEY of a device, model, ... comes from: `ID.KEY` or ID alone for all; new reference. */
hn_err hn_explain(hn_ctx *cx, const hn_world *w, const char *what, json_t **out);

#endif
