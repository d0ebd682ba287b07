/* SPDX-License-Identifier: Apache-2.0 */
/* report_money.c: from needs, offer and price tables to the inputs of money.h, and from there to the report.
 *
 * A price that is missing makes its way unknown and is named with the option that gives it; the few
 * placeholders (electricity, device life) come from the catalogue and are listed as assumed. */
#include <math.h>
#include <string.h>

#include "plan/money.h"
#include "plan/report_impl.h"

#define MONTH_DAYS (365.0 / 12)

static bool is(const char *value, const char *word) { return value && strcmp(value, word) == 0; }
static double given_or(double x, double otherwise) { return hn_given_number(x) ? x : otherwise; }

static double query_seconds(const hn_offer *o)
{
    return (o->model->lm ? o->answer_ms.mid : o->image_ms.mid) * 1e-3;
}

typedef struct bill {
    hn_money m;
    json_t *missing;                 /* ["edge: its price: --price USD", ...] */
    const char *vm_name, *vm_from;
    double vm_rate;                  /* tokens a second of one stream */
} bill;

static void missing(bill *b, const char *text) { json_array_append_new(b->missing, json_string(text)); }

static double placeholder(hn_draft *d, const char *key, const char *what, const char *unit, const char *change)
{
    double x = json_number_value(json_object_get(
        json_object_get(hn_catalog_root(d->w->c, "clouds.json"), "defaults_for_breakeven"), key));
    hn_assume(d, what, x, unit, change);
    return x;
}

static void edge_side(hn_draft *d, bill *b)
{
    const hn_offer *o = d->best;
    const hn_needs *n = d->n;
    hn_money *m = &b->m;
    double seconds = query_seconds(o);
    m->device_usd = given_or(n->price, o->device->price.known ? o->device->price.low : 0);
    m->load_w = o->watts;
    m->idle_w = o->idle_watts;
    m->edge_s = seconds;
    m->edge_known = m->device_usd > 0 && m->load_w > 0 && (o->idle_watts > 0 || hn_given_number(n->idle_w)) &&
                    seconds > 0;
    if (!(m->device_usd > 0))
        missing(b, "edge: the price of the device: --price USD");
    if (!(m->load_w > 0))
        missing(b, "edge: power at work: --load W");
    if (!(o->idle_watts > 0) && !hn_given_number(n->idle_w))
        missing(b, "edge: power while it waits: --idle W");
    if (!(seconds > 0))
        missing(b, "edge: how long a query takes: measure it with `hone bench`");
    m->life_years = hn_given_number(n->life)
                        ? n->life
                        : placeholder(d, "device_lifetime_years", "device life", "years", "--life");
    m->usd_kwh = hn_given_number(n->kwh)
                     ? n->kwh
                     : placeholder(d, "electricity_usd_per_kwh", "electricity", "USD/kWh", "--kwh");
    m->support_usd = given_or(n->support, 0);
    if (hn_given_number(n->update_gb) || hn_given_number(n->updates)) {
        if (!hn_given_number(n->update_gb) || !hn_given_number(n->updates) || !hn_given_number(n->usd_gb)) {
            missing(b, "updates need all of --update SIZE, --updates N and --usd-per-gb USD");
            m->edge_known = 0;
        } else {
            m->update_usd = n->update_gb * n->updates * n->usd_gb;
        }
    }
}

static void api_side(hn_draft *d, bill *b)
{
    const hn_needs *n = d->n;
    hn_load l = hn_load_of(n, d->best->model);
    if (d->best->model->lm) {
        b->m.api_known = hn_given_number(n->api_in) && hn_given_number(n->api_out);
        b->m.api_query_usd = b->m.api_known ? (l.prompt * n->api_in + l.answer * n->api_out) * 1e-6 : 0;
        if (!b->m.api_known)
            missing(b, "api: prices of a million tokens: --api-in USD --api-out USD");
    } else {
        b->m.api_known = hn_given_number(n->api_image);
        b->m.api_query_usd = b->m.api_known ? n->api_image * 1e-3 : 0;
        if (!b->m.api_known)
            missing(b, "api: price of a thousand images: --api-image USD");
    }
}

/* ---- A cloud GPU that holds the model, at the lowest price of the table ----------------------------- */

static const json_t *gpu_entry(const hn_catalog *c, const char *gpu)
{
    const json_t *shelf = hn_catalog_shelf(c, HN_SHELF_DEVICES), *e;
    size_t i;
    json_array_foreach(shelf, i, e)
        if (hn_entry_has_alias(e, gpu))
            return e;
    return NULL;
}

/* Seconds of machine per query, times the answers it works on at once: reading prompts is bound by arithmetic and
 * gains nothing from company; making tokens is bound by memory, and one read serves all. */
static double vm_seconds(const hn_offer *o, double streams)
{
    double first = o->first_ms.mid * 1e-3, all = query_seconds(o);
    return o->model->lm ? first * streams + (all - first) : all;
}

/* Fills in a row of the price table; false when its GPU is not known or does not hold the model. */
static bool vm_of_row(hn_draft *d, const hn_csv *t, size_t i, const hn_needs *needs, bill *b)
{
    double usd = hn_csv_real(t, i, "usd_per_hour");
    const char *tier = hn_csv_text(t, i, "tier"), *source = hn_csv_text(t, i, "source");
    bool listed = hn_csv_real(t, i, "gpus") == 1 && usd > 0 && !is(tier, "marketplace") &&
                  !is(tier, "community") && strncmp(source, "survey", 6) != 0;
    const json_t *e = listed ? gpu_entry(d->w->c, hn_csv_text(t, i, "gpu")) : NULL;
    hn_device *dev = e ? HN_NEW(d->a, hn_device, 1) : NULL;
    hn_offer o;
    if (!dev)
        return false;
    hn_device_of(d->w->c, e, 0, dev);
    hn_offer_make(d->w, dev, d->best->model, &d->best->precision, needs, d->a, &o);
    if (o.verdict == HN_TOO_BIG || !(query_seconds(&o) > 0))
        return false;
    b->m.vm_usd_hour = given_or(d->n->vm_hour, usd);
    b->m.vm_s = vm_seconds(&o, b->m.vm_streams);
    b->vm_name = hn_arena_printf(d->a, "%s at %s", dev->name, hn_csv_text(t, i, "provider"));
    b->vm_from = hn_arena_printf(d->a, "%s, as of %s", source, hn_csv_text(t, i, "as_of"));
    b->vm_rate = o.rate.mid;
    return true;
}

static void vm_side(hn_draft *d, bill *b)
{
    const hn_csv *t;
    const hn_needs *n = d->n;
    double least = INFINITY;
    hn_needs cloud = *n;
    cloud.power_w = cloud.memory_gb = cloud.load_w = cloud.idle_w = NAN;      /* those are limits of the edge */
    if (hn_given_number(n->streams))
        cloud.parallel = n->streams;
    b->m.granularity_s = given_or(n->granularity, 0);
    b->m.cold_s = given_or(n->cold, 0);
    b->m.keep_s = given_or(n->keep, 0);
    b->m.bursts = given_or(n->bursts, 0) * MONTH_DAYS;
    b->m.vm_streams = given_or(n->streams, 1);
    if (hn_catalog_table(d->cx, d->w->c, "gpu_prices.csv", &t))
        return;
    bill best = *b;
    for (size_t i = 0; i < t->rows; i++) {
        bill one = *b;
        one.m.vm_known = vm_of_row(d, t, i, &cloud, &one);
        double month = hn_month_of(&one.m, HN_VM).total;
        if (month < least) {
            least = month;
            best = one;
        }
    }
    *b = best;
    if (!b->m.vm_known)
        missing(b, "cloud GPU: none of the price table holds the model at a known speed");
    if (hn_given_number(n->bursts) &&
        (!hn_given_number(n->granularity) || !hn_given_number(n->cold) || !hn_given_number(n->keep))) {
        missing(b, "cloud GPU in bursts needs --billed-per TIME, --cold-start TIME and --keep-alive TIME");
        b->m.vm_known = 0;
    }
    if (b->m.vm_known && !hn_given_number(n->streams))
        hn_assume(d, "cloud GPU works on", 1, "answer at once", "--streams");
}

static void shared_side(hn_draft *d, bill *b)
{
    const hn_needs *n = d->n;
    if (hn_given_number(n->up_mb)) {
        if (hn_given_number(n->uplink_gb))
            b->m.up_query_usd = n->up_mb * 1e-3 * n->uplink_gb;
        else
            missing(b, "uplink: --up says how much, --uplink USD would say at what price");
    }
    if (hn_given_number(n->storage_gb))
        b->m.storage_usd = n->storage_gb * placeholder(d, "storage_usd_per_gb_month", "cloud storage",
                                                       "USD/GB", "the catalogue");
    if (hn_given_number(n->egress_gb))
        b->m.egress_usd = n->egress_gb * (hn_given_number(n->egress_usd)
                                              ? n->egress_usd
                                              : placeholder(d, "egress_usd_per_gb", "cloud egress", "USD/GB",
                                                            "--egress-usd"));
    b->m.cloud_support_usd = given_or(n->cloud_support, 0);
}

/* ---- Telling ---------------------------------------------------------------------------------------- */

static json_t *or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *way_json(const hn_draft *d, const bill *b, hn_way w)
{
    hn_month x = hn_month_of(&b->m, w);
    hn_load l = hn_load_of(d->n, d->best->model);
    double per_million = d->best->model->lm ? x.total / b->m.queries / l.answer * 1e6
                                            : x.total / b->m.queries * 1e6;
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "way", hn_way_name(w), "fixed_usd", or_null(x.fixed),
                     "per_query_usd", or_null(x.per_query), "month_usd", or_null(x.total), "per_million_usd",
                     or_null(per_million));
}

/* Queries a month against cost, on a grid in steps of ten to the quarter: for plots. */
static json_t *curves(const bill *b)
{
    json_t *list = json_array();
    for (int i = 0; i <= 32; i++) {
        hn_money m = b->m;
        m.queries = pow(10, 1 + i * 0.25);
        json_array_append_new(
            list, json_pack("[f, o, o, o]", m.queries, or_null(hn_month_of(&m, HN_EDGE).total),
                            or_null(hn_month_of(&m, HN_API).total), or_null(hn_month_of(&m, HN_VM).total)));
    }
    return list;
}

static json_t *swings(const bill *b)
{
    hn_swing s[HN_SWINGS_MAX];
    json_t *list = json_array();
    for (size_t i = 0, n = hn_sensitivity(&b->m, 0.2, s); i < n; i++)
        json_array_append_new(list, json_pack("{s:s, s:f, s:s}", "input", s[i].words, "times", s[i].times,
                                              "cheapest_becomes", hn_way_name(s[i].becomes)));
    return list;
}

void hn_draft_money(hn_draft *d, hn_way *cheapest)
{
    const hn_needs *n = d->n;
    if (!hn_given_number(n->queries_day)) {
        if (hn_given_number(n->budget_month) || hn_given_number(n->api_in) || hn_given_number(n->api_out) ||
            hn_given_number(n->api_image) || hn_given_number(n->vm_hour) || hn_given_number(n->bursts) ||
            hn_given_number(n->streams) || hn_given_number(n->updates) || hn_given_number(n->support))
            hn_remark(d, "prices were given, but not how much is asked: --queries N a day");
        return;
    }
    bill b = { .missing = json_array(), .vm_name = "", .vm_from = "" };
    b.m.queries = n->queries_day * MONTH_DAYS;
    b.m.devices = given_or(n->devices, 1);
    if (!hn_given_number(n->devices))
        hn_assume(d, "devices", 1, "", "--devices");
    edge_side(d, &b);
    api_side(d, &b);
    vm_side(d, &b);
    shared_side(d, &b);
    if (hn_busy_hours(&b.m) > 730)
        json_array_append_new(
            b.missing,
            json_sprintf("edge: too slow, each device would work %.0f hours of a month's 730: --devices %.0f",
                         hn_busy_hours(&b.m), ceil(b.m.devices * hn_busy_hours(&b.m) / 730)));
    json_t *ways = json_array(), *j;
    for (hn_way w = HN_EDGE; w < HN_WAYS; w++)
        json_array_append_new(ways, way_json(d, &b, w));
    double api = hn_break_even(&b.m, HN_API), vm = hn_break_even(&b.m, HN_VM), busy = hn_busy_hours(&b.m);
    j = json_pack("{s:f, s:s, s:o, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}",
                  "queries_month", b.m.queries, "cheapest", hn_way_name(hn_cheapest(&b.m)), "ways", ways,
                  "cloud_gpu", b.vm_name, "cloud_gpu_from", b.vm_from, "cloud_gpu_usd_hour", b.m.vm_usd_hour,
                  "cloud_gpu_hours", b.m.vm_known ? hn_vm_hours(&b.m) : 0.0, "break_even_api_queries",
                  isfinite(api) ? api : 0.0, "break_even_cloud_gpu_queries", isfinite(vm) ? vm : 0.0,
                  "payback_api_months", isfinite(hn_payback(&b.m, HN_API)) ? hn_payback(&b.m, HN_API) : 0.0,
                  "payback_cloud_gpu_months",
                  isfinite(hn_payback(&b.m, HN_VM)) ? hn_payback(&b.m, HN_VM) : 0.0, "edge_busy_hours", busy,
                  "life_months", 12 * b.m.life_years, "changes_the_answer", swings(&b), "missing", b.missing,
                  "curves", curves(&b));
    if (b.m.vm_known && !(b.m.bursts > 0) && b.vm_rate > 0) {
        double busy_share = b.m.queries * b.m.vm_s / 3600 / (hn_vm_hours(&b.m) * b.m.vm_streams);
        json_object_set_new(
            j, "cloud_gpu_usd_per_million_tokens",
            json_real(b.m.vm_usd_hour / (b.vm_rate * b.m.vm_streams * fmin(busy_share, 1) * 3600) * 1e6));
    }
    if (n->currency && !is(n->currency, "USD"))
        json_object_set_new(j, "currency",
                            json_pack("{s:s, s:f}", "code", n->currency, "per_usd", n->usd_rate));
    if (is(n->privacy, "local") || is(n->connectivity, "none") || is(n->regulation, "classified"))
        hn_remark(d, "the data may not leave: API and cloud GPU stand in the table for comparison alone");
    if (hn_given_number(n->budget_month) && hn_cheapest(&b.m) != HN_WAYS &&
        hn_month_of(&b.m, hn_cheapest(&b.m)).total > n->budget_month)
        hn_remark(d, hn_arena_printf(d->a,
                                     "over budget: the cheapest way costs %.0f USD a month, allowed are %.0f",
                                     hn_month_of(&b.m, hn_cheapest(&b.m)).total, n->budget_month));
    json_object_set_new(d->out, "money", j);
    if (b.m.edge_known && (b.m.api_known || b.m.vm_known))
        *cheapest = hn_cheapest(&b.m);
}
