/* SPDX-License-Identifier: Apache-2.0 */
/* text.c: a report for people, in 80 columns: the verdict, the table, what was assumed, what to do. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "plan/report_impl.h"

#define WIDTH 80

typedef struct page { hn_buf *b; const json_t *r; bool all; } page;

static double num(const json_t *j, const char *key) { return json_number_value(json_object_get(j, key)); }
static double at(const json_t *band, size_t i) { return json_number_value(json_array_get(band, i)); }

/* Words, broken at spaces; every line after the first begins under the first. */
static void wrap(hn_buf *b, const char *lead, const char *text)
{
    size_t indent = strlen(lead), column = indent;
    hn_buf_text(b, lead);
    for (const char *w = text; *w;) {
        size_t n = strcspn(w, " ");
        if (column + n + (column > indent) > WIDTH && column > indent) {
            hn_buf_printf(b, "\n%*s", (int)indent, "");
            column = indent;
        }
        if (column > indent) {
            hn_buf_text(b, " ");
            column++;
        }
        hn_buf_add(b, w, n);
        column += n;
        w += n + strspn(w + n, " ");
    }
    hn_buf_text(b, "\n");
}

static void title(page *p, const char *text) { hn_buf_printf(p->b, "\n%s\n", text); }

/* Three digits, whatever the size: "16.7", "0.94", "1240". */
static const char *short_number(double x, char out[24])
{
    int digits = x >= 99.95 || x == 0 ? 0 : x >= 9.995 ? 1 : x >= 0.095 ? 2 : x >= 0.0095 ? 3 : 4;
    snprintf(out, 24, "%.*f", digits, x);
    return out;
}

/* "9.8 - 15.7", "-" when not known */
static const char *range(const json_t *band, char out[64])
{
    char low[24], high[24];
    if (!json_is_array(band))
        return "-";
    snprintf(out, 64, "%s - %s", short_number(at(band, 0), low), short_number(at(band, 2), high));
    return out;
}

/* "2.30 - 4.56 s"; below two seconds in milliseconds */
static const char *wait(const json_t *ms, char out[64])
{
    char low[24], high[24];
    double times = at(ms, 2) >= 2000 ? 1e-3 : 1;
    snprintf(out, 64, "%s - %s %s", short_number(at(ms, 0) * times, low), short_number(at(ms, 2) * times, high),
             times < 1 ? "s" : "ms");
    return out;
}

static const char *figure(const json_t *v, char out[24])
{
    return json_is_number(v) ? short_number(json_number_value(v), out) : "-";
}

/* Percent of the memory there is; above ten times that the figure says nothing more. */
static const char *percent(const json_t *row, char out[24])
{
    double x = 100 * num(row, "share");
    snprintf(out, 24, "%.0f", x);
    return x < 999.5 ? out : ">999";
}

/* ---- Fit and choice -------------------------------------------------------------------------------- */

static void fit_table(page *p, const json_t *rows)
{
    const json_t *row;
    char speed[64], joules[24], bound[24], head[100], of[24];
    size_t i;
    bool small = num(json_array_get(rows, 0), "usable_gb") < 0.1;
    bool lm = json_object_get(json_array_get(rows, 0), "bound_tokens_per_second") != NULL;
    snprintf(head, sizeof head, "precision  need %s  of it  verdict      %s", small ? "MB" : "GB",
             lm ? "tokens/s       bound  J/answer  loss" : "ms a run          J/run");
    title(p, head);
    json_array_foreach(rows, i, row) {
        const json_t *loss = json_object_get(row, "perplexity_rise_percent");
        hn_buf_printf(p->b, "%-9s %8.2f %4s %%  %-11s  %-14s", hn_entry_text(row, "precision"),
                      num(row, "need_gb") * (small ? 1e3 : 1), percent(row, of),
                      hn_entry_text(row, "verdict"),
                      range(json_object_get(row, lm ? "tokens_per_second" : "image_ms"), speed));
        if (lm)
            hn_buf_printf(p->b, " %5s", figure(json_object_get(row, "bound_tokens_per_second"), bound));
        hn_buf_printf(p->b, "  %8s", figure(json_object_get(row, "joules"), joules));
        if (json_is_number(loss))
            hn_buf_printf(p->b, "  %+.1f %%", json_number_value(loss));
        hn_buf_text(p->b, "\n");
    }
}

static void parts(page *p, const json_t *best)
{
    const json_t *m = json_object_get(best, "memory_gb");
    char text[200];
    double unit = num(best, "need_gb") < 0.1 ? 1e3 : 1;
    snprintf(text, sizeof text,
             "weights %.3f, cache %.3f, activations %.3f, logits %.3f, runtime %.3f %s, and 2 %% slack",
             num(m, "weights") * unit, num(m, "cache") * unit, num(m, "activations") * unit,
             num(m, "logits") * unit, num(m, "runtime") * unit, unit > 1 ? "MB" : "GB");
    wrap(p->b, "memory   ", text);
    bool fast = json_is_array(json_object_get(best, "tokens_per_second")) ||
                json_is_array(json_object_get(best, "image_ms"));
    snprintf(text, sizeof text, "%s: %.150s", fast ? hn_entry_text(best, "basis") : "not known",
             hn_entry_text(best, "speed_from"));
    wrap(p->b, "speed    ", text);
    if (num(best, "sustained_share") < 1) {
        const json_t *rate = json_object_get(
            best, json_object_get(best, "bound_tokens_per_second") ? "tokens_per_second" : "image_ms");
        bool lm = json_object_get(best, "bound_tokens_per_second") != NULL;
        snprintf(text, sizeof text, "%.3g %s when it runs for long and gets hot",
                 at(rate, 1) * (lm ? num(best, "sustained_share") : 1 / num(best, "sustained_share")),
                 lm ? "tokens/s" : "ms");
        wrap(p->b, "heat     ", text);
    }
    if (json_is_array(json_object_get(best, "first_token_ms"))) {
        char first[64], answer[64];
        snprintf(text, sizeof text, "first token %s, whole answer %s",
                 wait(json_object_get(best, "first_token_ms"), first),
                 wait(json_object_get(best, "answer_ms"), answer));
        wrap(p->b, "waiting  ", text);
    } else if (json_object_get(best, "first_token_ms")) {
        snprintf(text, sizeof text, "the first token is not known: %.120s",
                 hn_entry_text(best, "prefill_from"));
        wrap(p->b, "waiting  ", text);
    }
    if (json_is_number(json_object_get(best, "watts"))) {
        snprintf(text, sizeof text, "%.3g W (%.120s)", num(best, "watts"), hn_entry_text(best, "power_from"));
        wrap(p->b, "power    ", text);
    } else if (json_is_number(json_object_get(best, "joules"))) {
        wrap(p->b, "power    ", hn_entry_text(best, "power_from"));
    } else {
        wrap(p->b, "power    ", "not known; --load W --idle W if you know it");
    }
    if (hn_entry_text(best, "runtime")[0])
        wrap(p->b, "runtime  ", hn_entry_text(best, "runtime"));
}

static void choices(page *p, const json_t *rows)
{
    const json_t *row;
    size_t i;
    char speed[64], price[24], watts[24], of[24];
    bool lm = json_object_get(json_array_get(rows, 0), "bound_tokens_per_second") != NULL;
    title(p, lm ? "device                     model         type     of it  tokens/s        W   USD"
                : "device                     model         type     of it  ms a run        W   USD");
    json_array_foreach(rows, i, row) {
        const json_t *w = json_object_get(row, "watts");
        bool tiny = json_is_number(w) && json_number_value(w) < 0.01;
        hn_buf_printf(
            p->b, "%-26.26s %-13.13s %-7.7s %4s %%  %-11.11s %5s %5s\n", hn_entry_text(row, "device"),
            hn_entry_text(row, "model"), hn_entry_text(row, "precision"), percent(row, of),
            range(json_object_get(row, lm ? "tokens_per_second" : "image_ms"), speed),
            tiny ? "<0.01" : figure(w, watts), figure(json_object_get(row, "price_usd"), price));
    }
}

static void rejected(page *p, const json_t *rows)
{
    const json_t *row;
    size_t i, most = p->all ? SIZE_MAX : 8;
    char lead[40];
    title(p, "rejected");
    json_array_foreach(rows, i, row) {
        if (i == most) {
            hn_buf_printf(p->b, "%-27sand %zu more; --explain path shows them\n", "",
                          json_array_size(rows) - most);
            break;
        }
        snprintf(lead, sizeof lead, "%-26.26s ", hn_entry_text(row, "device"));
        wrap(p->b, lead, hn_entry_text(row, "why"));
    }
}

/* ---- Chain, where, money ---------------------------------------------------------------------------- */

static void chain(page *p, const json_t *c)
{
    const json_t *s;
    size_t i;
    char lead[64], text[64];
    hn_buf_printf(p->b, "\nlatency  %.3g ms for the whole chain (%s): %s\n", num(c, "budget_ms"),
                  hn_entry_text(c, "from"),
                  strcmp(hn_entry_text(c, "holds"), "yes") == 0  ? "it holds"
                  : strcmp(hn_entry_text(c, "holds"), "no") == 0 ? "it cannot hold"
                                                                 : "it may hold");
    json_array_foreach(json_object_get(c, "stages"), i, s) {
        snprintf(lead, sizeof lead, "  %-20.20s %13s ms  ", hn_entry_text(s, "stage"),
                 range(json_object_get(s, "ms"), text));
        wrap(p->b, lead, hn_entry_text(s, "from"));
    }
    hn_buf_printf(p->b, "  %-20s %13s ms\n", "together", range(json_object_get(c, "total_ms"), text));
    const json_t *cloud = json_object_get(c, "cloud"), *trip = json_object_get(cloud, "round_trip_ms");
    hn_buf_printf(p->b, "  %-20s %6.0f - %.0f ms  %s\n", "by way of a cloud", at(trip, 0), at(trip, 1),
                  strcmp(hn_entry_text(cloud, "holds"), "no") == 0 ? "over the budget by network alone"
                                                                   : "of network alone");
    json_array_foreach(json_object_get(c, "notes"), i, s)
        wrap(p->b, "  ", json_string_value(s));
}

static void where(page *p, const json_t *w)
{
    const json_t *f;
    size_t i;
    char lead[64];
    hn_buf_printf(p->b, "\nwhere    %s\n", hn_entry_text(w, "says"));
    wrap(p->b, "         ", hn_entry_text(w, "because"));
    json_array_foreach(json_object_get(w, "factors"), i, f) {
        snprintf(lead, sizeof lead, "  %-14s %-6s ", hn_entry_text(f, "factor"), hn_entry_text(f, "says"));
        wrap(p->b, lead, hn_entry_text(f, "because"));
    }
    if (!p->all)
        return;
    hn_buf_printf(p->b, "\n%-14s %-32s %s\n", "dimension", "edge", "cloud");
    json_array_foreach(json_object_get(w, "dimensions"), i, f)
        hn_buf_printf(p->b, "%-14s %-32s %s\n", hn_entry_text(f, "dimension"), hn_entry_text(f, "edge"),
                      hn_entry_text(f, "cloud"));
}

const char *hn_amount_text(const json_t *usd, double times, char out[24])
{
    double x = json_number_value(usd) * times;
    if (!json_is_number(usd))
        return "not known";
    if (x > 0 && x < 1e-6)
        snprintf(out, 24, "%.1e", x);
    else
        snprintf(out, 24, "%.*f", x > 0 && x < 0.01 ? 7 : 2, x);
    return out;
}

const char *hn_money_unit(const json_t *money, double *times)
{
    const json_t *currency = json_object_get(money, "currency");
    *times = currency ? num(currency, "per_usd") : 1;
    return currency ? hn_entry_text(currency, "code") : "USD";
}

/* Where the edge and another way meet, and when the device has paid for itself. */
static void against(page *p, const json_t *m, size_t way, const char *even_key, const char *back_key)
{
    const json_t *ways = json_object_get(m, "ways"),
                 *edge = json_object_get(json_array_get(ways, 0), "month_usd");
    const json_t *other = json_object_get(json_array_get(ways, way), "month_usd");
    const char *name = way == 1 ? "the API" : "the cloud GPU";
    double even = num(m, even_key), back = num(m, back_key);
    char text[300];
    if (!json_is_number(edge) || !json_is_number(other))
        return;
    int n = snprintf(text, sizeof text, "against %s: ", name);
    if (even > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, "break-even at %.0f queries a month", even);
    else
        n += snprintf(text + n, sizeof text - (size_t)n, "%s costs less at this number",
                      json_number_value(edge) <= json_number_value(other) ? "the edge" : name);
    if (back > 0 && back <= num(m, "life_months"))
        snprintf(text + n, sizeof text - (size_t)n, "; the device has paid for itself in %.1f months", back);
    else
        snprintf(text + n, sizeof text - (size_t)n, "; the device does not pay for itself in its life");
    wrap(p->b, "  ", text);
}

static void money(page *p, const json_t *m)
{
    static const char *const columns[] = { "fixed_usd", "per_query_usd", "month_usd", "per_million_usd" };
    const json_t *w;
    double times;
    const char *code = hn_money_unit(m, &times);
    size_t i;
    char text[400];
    hn_buf_printf(p->b, "\nmoney    %.0f queries a month; cheapest: %s\n", num(m, "queries_month"),
                  hn_entry_text(m, "cheapest"));
    hn_buf_printf(p->b, "  %-10s %14s %14s %14s %14s\n", code, "fixed/month", "per query", "month",
                  json_object_get(json_object_get(p->r, "best"), "bound_tokens_per_second") ? "per M tokens"
                                                                                            : "per M images");
    json_array_foreach(json_object_get(m, "ways"), i, w) {
        hn_buf_printf(p->b, "  %-10s", hn_entry_text(w, "way"));
        for (size_t k = 0; k < 4; k++)
            hn_buf_printf(p->b, " %14s", hn_amount_text(json_object_get(w, columns[k]), times, text));
        hn_buf_text(p->b, "\n");
    }
    if (hn_entry_text(m, "cloud_gpu")[0]) {
        snprintf(text, sizeof text, "%.100s, %.2f USD an hour, %.0f hours billed (%.200s)",
                 hn_entry_text(m, "cloud_gpu"), num(m, "cloud_gpu_usd_hour"), num(m, "cloud_gpu_hours"),
                 hn_entry_text(m, "cloud_gpu_from"));
        wrap(p->b, "  cloud-gpu  ", text);
    }
    against(p, m, 1, "break_even_api_queries", "payback_api_months");
    against(p, m, 2, "break_even_cloud_gpu_queries", "payback_cloud_gpu_months");
    json_array_foreach(json_object_get(m, "changes_the_answer"), i, w) {
        snprintf(text, sizeof text, "%s %+.0f %% makes %s the cheapest", hn_entry_text(w, "input"),
                 100 * (num(w, "times") - 1), hn_entry_text(w, "cheapest_becomes"));
        wrap(p->b, "  sensitive: ", text);
    }
    if (json_array_size(json_object_get(m, "changes_the_answer")) == 0 &&
        strcmp(hn_entry_text(m, "cheapest"), "none") != 0)
        hn_buf_text(p->b, "  no single input, moved by 20 %, changes which way is cheapest\n");
    json_array_foreach(json_object_get(m, "missing"), i, w)
        wrap(p->b, "  missing: ", json_string_value(w));
}

/* ---- Paths ------------------------------------------------------------------------------------------ */

static void path(page *p, const json_t *tree)
{
    const json_t *step, *then;
    size_t i;
    char text[400];
    int n = 0;
    if (!json_is_object(tree))
        return;
    hn_buf_printf(p->b, "\npath     %s (%s)\n", hn_entry_text(tree, "tree"), hn_entry_text(tree, "source"));
    json_array_foreach(json_object_get(tree, "path"), i, step) {
        snprintf(text, sizeof text, "%s %s: %s", hn_entry_text(step, "ask"), hn_entry_text(step, "answer"),
                 hn_entry_text(step, "because"));
        wrap(p->b, "  ", text);
    }
    n = snprintf(text, sizeof text, "->");
    json_array_foreach(json_object_get(tree, "then"), i, then)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s %s", i ? "," : "", json_string_value(then));
    if (json_is_array(json_object_get(tree, "ladder"))) {
        n += snprintf(text + n, sizeof text - (size_t)n, ": ");
        json_array_foreach(json_object_get(tree, "ladder"), i, then)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", i ? ", then " : "",
                          json_string_value(then));
    }
    if (hn_entry_text(tree, "why")[0])
        snprintf(text + n, sizeof text - (size_t)n, ", for %s", hn_entry_text(tree, "why"));
    wrap(p->b, "  ", text);
}

static void advice(page *p, const json_t *a)
{
    const json_t *s;
    size_t i;
    hn_buf_printf(p->b, "\nadvice   for %s (%s)\n", hn_entry_text(a, "audience"), hn_entry_text(a, "source"));
    json_array_foreach(json_object_get(a, "steps"), i, s)
        wrap(p->b, "  ", json_string_value(s));
}

static void closing(page *p)
{
    const json_t *list = json_object_get(p->r, "assumed"), *v;
    size_t i;
    char text[200];
    if (json_array_size(list))
        title(p, "assumed, because it was not given");
    json_array_foreach(list, i, v) {
        snprintf(text, sizeof text, "%s %.6g%s%s (%s)", hn_entry_text(v, "what"), num(v, "value"),
                 hn_entry_text(v, "unit")[0] ? " " : "", hn_entry_text(v, "unit"),
                 hn_entry_text(v, "change"));
        wrap(p->b, "  ", text);
    }
    list = json_object_get(p->r, "notes");
    if (json_array_size(list))
        title(p, "to know");
    size_t quoted = 0; /* disagreements of sources: two are a warning, ten are a wall */
    json_array_foreach(list, i, v)
        if (strncmp(json_string_value(v), "sources: ", 9) != 0 || ++quoted <= 2 || p->all)
            wrap(p->b, "  ", json_string_value(v));
    if (quoted > 2 && !p->all)
        hn_buf_printf(p->b, "  sources disagree on %zu more point%s: --explain path\n", quoted - 2,
                      quoted == 3 ? "" : "s");
    list = json_object_get(p->r, "commands");
    if (json_array_size(list))
        title(p, "next");
    json_array_foreach(list, i, v)
        hn_buf_printf(p->b, "  %s\n      %s\n", hn_entry_text(v, "run"), hn_entry_text(v, "to"));
}

void hn_report_text(const json_t *r, bool all, hn_buf *b)
{
    page p = { b, r, all };
    const json_t *best = json_object_get(r, "best"), *v, *needs = json_object_get(r, "needs");
    size_t i;
    char lead[16];
    if (hn_entry_text(needs, "name")[0])
        hn_buf_printf(b, "%s\n", hn_entry_text(needs, "name"));
    snprintf(lead, sizeof lead, "%s: ", hn_entry_text(r, "verdict"));
    wrap(b, lead, hn_entry_text(r, "sentence"));
    json_array_foreach(json_object_get(r, "change"), i, v)
        wrap(b, "  change  ", json_string_value(v));
    if (json_array_size(json_object_get(r, "fit")))
        fit_table(&p, json_object_get(r, "fit"));
    if (json_array_size(json_object_get(r, "choices")))
        choices(&p, json_object_get(r, "choices"));
    if (num(r, "choices_left_out") > 0)
        hn_buf_printf(b, "and %.0f more that cost more\n", num(r, "choices_left_out"));
    if (best) {
        hn_buf_text(b, "\n");
        parts(&p, best);
    }
    if (json_is_number(json_object_get(r, "battery_hours")))
        hn_buf_printf(b, "battery  %.1f hours of work\n", num(r, "battery_hours"));
    if (json_array_size(json_object_get(r, "rejected")))
        rejected(&p, json_object_get(r, "rejected"));
    if (json_object_get(r, "chain"))
        chain(&p, json_object_get(r, "chain"));
    if (json_object_get(r, "where"))
        where(&p, json_object_get(r, "where"));
    if (json_object_get(r, "money"))
        money(&p, json_object_get(r, "money"));
    if (all) {
        path(&p, json_object_get(best, "runtime_path"));
        path(&p, json_object_get(best, "quant_path"));
    }
    path(&p, json_object_get(r, "cloud_platform"));
    if (json_object_get(r, "advice"))
        advice(&p, json_object_get(r, "advice"));
    closing(&p);
}
