/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/money.h"

#include <math.h>
#include <string.h>

#define HOURS_MONTH 730.0

const char *hn_way_name(hn_way w)
{
    static const char *const name[] = { "edge", "api", "cloud-gpu", "none" };
    return name[w];
}

double hn_busy_hours(const hn_money *m) { return m->queries * m->edge_s / 3600 / m->devices; }

static hn_month edge_month(const hn_money *m)
{
    hn_month x = {
        .fixed = m->devices * (m->device_usd / (12 * m->life_years) +
                               m->idle_w * HOURS_MONTH / 1000 * m->usd_kwh + m->update_usd + m->support_usd),
        .per_query = (m->load_w - m->idle_w) * m->edge_s / 3600 / 1000 *
                     m->usd_kwh, /* what working adds to waiting */
    };
    x.total = x.fixed + x.per_query * m->queries;
    return x;
}

static hn_month api_month(const hn_money *m)
{
    hn_month x = { .fixed = m->storage_usd + m->egress_usd + m->cloud_support_usd,
                   .per_query = m->api_query_usd + m->up_query_usd };
    x.total = x.fixed + x.per_query * m->queries;
    return x;
}

double hn_vm_count(const hn_money *m)
{
    double hours = m->queries * m->vm_s / fmax(m->vm_streams, 1) / 3600;
    return fmax(1, ceil(hours / HOURS_MONTH - 1e-9));
}

/* Without bursts the machines never stop.  With them each burst is billed whole: cold start, work, keep-alive,
 * rounded up to the granularity. */
double hn_vm_hours(const hn_money *m)
{
    if (!(m->bursts > 0))
        return hn_vm_count(m) * HOURS_MONTH;
    double burst = m->queries * m->vm_s / fmax(m->vm_streams, 1) / m->bursts + m->cold_s + m->keep_s;
    double step = m->granularity_s > 0 ? m->granularity_s : 1;
    double hours = m->bursts * ceil(burst / step - 1e-9) * step / 3600;
    return hours;
}

static hn_month vm_month(const hn_money *m)
{
    double machines = m->storage_usd + m->egress_usd + m->cloud_support_usd;
    hn_month x = { .fixed = machines, .per_query = m->up_query_usd };
    if (m->bursts > 0)
        x.per_query += m->vm_usd_hour * m->vm_s / fmax(m->vm_streams, 1) / 3600;
    else
        x.fixed += hn_vm_count(m) * HOURS_MONTH * m->vm_usd_hour;
    x.total = machines + m->up_query_usd * m->queries + hn_vm_hours(m) * m->vm_usd_hour;
    return x;
}

hn_month hn_month_of(const hn_money *m, hn_way w)
{
    const int known[] = { m->edge_known && !(hn_busy_hours(m) > HOURS_MONTH), m->api_known, m->vm_known };
    if (!known[w])
        return (hn_month){ NAN, NAN, NAN };
    return w == HN_EDGE ? edge_month(m) : w == HN_API ? api_month(m) : vm_month(m);
}

hn_way hn_cheapest(const hn_money *m)
{
    hn_way best = HN_WAYS;
    double least = INFINITY;
    for (hn_way w = HN_EDGE; w < HN_WAYS; w++) {
        double total = hn_month_of(m, w).total;
        if (total < least) {
            least = total;
            best = w;
        }
    }
    return best;
}

double hn_break_even(const hn_money *m, hn_way other)
{
    hn_month edge = edge_month(m), o = hn_month_of(m, other);
    double fixed = edge.fixed - o.fixed, slope = o.per_query - edge.per_query;
    hn_money there = *m;
    there.queries = slope > 0 && fixed > 0 ? fixed / slope : 0;
    return m->edge_known && hn_busy_hours(&there) <= HOURS_MONTH ? there.queries : 0;
}

double hn_payback(const hn_money *m, hn_way other)
{
    double device = m->devices * m->device_usd,
           running = hn_month_of(m, HN_EDGE).total - device / (12 * m->life_years);
    double saved = hn_month_of(m, other).total - running;
    return saved > 0 ? device / saved : 0;
}

size_t hn_sensitivity(const hn_money *m, double share, hn_swing out[HN_SWINGS_MAX])
{
    static const struct { size_t at; const char *words; } input[] = {
#define X(field, words) { offsetof(hn_money, field), words },
        HN_MONEY_INPUTS(X)
#undef X
    };
    size_t n = 0;
    hn_way now = hn_cheapest(m);
    for (size_t i = 0; i < sizeof input / sizeof *input; i++)
        for (int up = 0; up < 2 && n < HN_SWINGS_MAX; up++) {
            hn_money moved = *m;
            double times = up ? 1 + share : 1 - share, *x = (double *)((char *)&moved + input[i].at);
            *x *= times;
            hn_way w = hn_cheapest(&moved);
            if (w != now)
                out[n++] = (hn_swing){ input[i].words, times, w };
        }
    return n;
}
