/* SPDX-License-Identifier: Apache-2.0 */
/* Reasons: why an update was refused or undone, as a code that scripts and reports branch on. */
#ifndef HN_FLEET_REASON_H
#define HN_FLEET_REASON_H

#include "base/ctx.h"

typedef enum hn_reason {
#define REASON(id, code, text) HN_WHY_##id,
#include "fleet/reason.def"
#undef REASON
    HN_WHY_COUNT
} hn_reason;

const char *hn_reason_code(hn_reason r);     /* "downgrade" */
const char *hn_reason_text(hn_reason r);     /* half a sentence */

/* hn_fail that also notes the reason in *why (which may be NULL) and ends the sentence with its code. */
hn_err hn_refuse(hn_ctx *cx, hn_reason *why, hn_reason r, hn_err code, const char *format, ...)
    __attribute__((format(printf, 5, 6), cold));

/* Notes `r` for a failure that has its sentence already, unless a reason is noted. */
hn_err hn_because(hn_reason *why, hn_reason r, hn_err e);

#endif
