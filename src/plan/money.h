/* SPDX-License-Identifier: Apache-2.0 */
/* Money: what a month costs at the edge, through an API, and on a cloud GPU; where they meet; which input
 * decides.  All in US dollars; nothing in here knows where a number came from. */
#ifndef HN_PLAN_MONEY_H
#define HN_PLAN_MONEY_H

#include <stddef.h>

/* X(field, what it is called in words): every input, so that each can be moved. */
#define HN_MONEY_INPUTS(X)                                     \
    X(device_usd,     "device price")                          \
    X(life_years,     "device life")                           \
    X(idle_w,         "idle power")                            \
    X(load_w,         "power at work")                         \
    X(usd_kwh,        "electricity price")                     \
    X(edge_s,         "seconds per query at the edge")         \
    X(update_usd,     "updates a month, per device")           \
    X(support_usd,    "support a month, per device")           \
    X(devices,        "number of devices")                     \
    X(queries,        "queries a month")                       \
    X(api_query_usd,  "API price per query")                   \
    X(up_query_usd,   "uplink per query")                      \
    X(vm_usd_hour,    "cloud GPU hour")                        \
    X(vm_s,           "seconds per query on the cloud GPU")    \
    X(vm_streams,     "answers the cloud GPU works on at once") \
    X(granularity_s,  "billing granularity")                   \
    X(cold_s,         "cold start")                            \
    X(keep_s,         "keep-alive")                            \
    X(bursts,         "bursts a month")                        \
    X(storage_usd,    "cloud storage a month")                 \
    X(egress_usd,     "cloud egress a month")                  \
    X(cloud_support_usd, "cloud support a month")

/* 0 stands for none; for a way that cannot be priced, its *_known is false. */
typedef struct hn_money {
#define X(field, words) double field;
    HN_MONEY_INPUTS(X)
#undef X
    int edge_known, api_known, vm_known;
} hn_money;

typedef enum hn_way { HN_EDGE, HN_API, HN_VM, HN_WAYS } hn_way;
const char *hn_way_name(hn_way w);

typedef struct hn_month {
    double fixed;                    /* whatever happens */
    double per_query;
    double total; /* at money.queries; for the cloud GPU in whole machines and billing steps */
} hn_month;

/* A way that is not known costs NAN, and so does an edge whose devices have more to do than a month has hours. */
hn_month hn_month_of(const hn_money *m, hn_way w);
hn_way hn_cheapest(const hn_money *m);                       /* HN_WAYS when nothing is known */
double hn_vm_hours(const hn_money *m);                       /* billed, a month */
double hn_vm_count(const hn_money *m);                       /* machines that never stop */

/* Queries a month at which the edge costs what `other` costs; 0 when they never meet, or only beyond what the
 * devices can do. */
double hn_break_even(const hn_money *m, hn_way other);
/* Months until the device has paid for itself; 0 when it never does. */
double hn_payback(const hn_money *m, hn_way other);
/* Hours of work a month that one device would have to do; above 730 it is too slow. */
double hn_busy_hours(const hn_money *m);

typedef struct hn_swing { const char *words; double times; hn_way becomes; } hn_swing;
enum { HN_SWINGS_MAX = 64 };
/* Inputs that, moved by `share` either way, make another way the cheapest. */
size_t hn_sensitivity(const hn_money *m, double share, hn_swing out[HN_SWINGS_MAX]);

#endif
