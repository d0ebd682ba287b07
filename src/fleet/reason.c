/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/reason.h"

#include <stdio.h>

static const struct { const char *code, *text; } reasons[] = {
#define REASON(id, code, text) { code, text },
#include "fleet/reason.def"
#undef REASON
};

const char *hn_reason_code(hn_reason r) { return reasons[r].code; }
const char *hn_reason_text(hn_reason r) { return reasons[r].text; }

hn_err hn_refuse(hn_ctx *cx, hn_reason *why, hn_reason r, hn_err code, const char *format, ...)
{
    char line[HN_MSG_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (why)
        *why = r;
    return hn_fail(cx, code, "%s (%s)", line, reasons[r].code);
}

hn_err hn_because(hn_reason *why, hn_reason r, hn_err e)
{
    if (e && why && *why == HN_WHY_NONE)
        *why = r;
    return e;
}
