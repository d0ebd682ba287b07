/* SPDX-License-Identifier: Apache-2.0 */
/* Policy: when a device may spend network, power and time on an update. */
#ifndef HN_FLEET_POLICY_H
#define HN_FLEET_POLICY_H

#include "fleet/fs.h"
#include "fleet/reason.h"

typedef struct hn_policy {              /* zero everywhere: any time, any amount */
    uint64_t bytes_per_day;             /* fetched; 0: no limit */
    bool metered, on_metered;           /* the link costs money; updates are allowed on such a link */
    int hour_from, hour_to;             /* local hours [from, to), may wrap over midnight; equal: always */
    int battery_min;                    /* per cent, unless it is charging; 0: any */
    int celsius_max;                    /* of the warmest zone; 0: any */
    double load_max;                    /* running processes per processor over a minute; 0: any */
    const char *sys, *proc;             /* NULL: /sys and /proc */
} hn_policy;

/* HN_ENO with the reason when it says to wait.  `state`: the store, where what today has used is kept. */
hn_err hn_policy_check(hn_ctx *cx, const hn_policy *p, const char *state, hn_reason *why);

/* Counts fetched bytes against the day's; hn_policy_left tells how many are left (UINT64_MAX: no limit). */
hn_err hn_policy_spend(hn_ctx *cx, const char *state, uint64_t bytes);
uint64_t hn_policy_left(const hn_policy *p, const char *state);

/* "22-6", "0-24"; false when it is neither. */
bool hn_policy_hours(const char *text, int *from, int *to);

#endif
