/* SPDX-License-Identifier: Apache-2.0 */
/* page.c: the report as one HTML file: the same facts in the same order as the text, with plots. */
#include <string.h>

#include "plan/plot.h"
#include "plan/report_impl.h"

static const char style[] =
    ":root{color-scheme:light "
    "dark;--ink:#1c2430;--soft:#667085;--card:#fff;--page:#f4f6f9;--bar:#2f6fed;--two:#63a4ff;--three:#"
    "b9c6da;"
    "--line:#e2e7ee;--limit:#d1495b;--good:#1f9d61;--fair:#c78a00;--bad:#d1495b}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#98a4b5;--card:#1b222c;--page:#12171e;--"
    "bar:#6c9bff;--two:#3f78d8;--three:#4a5668;"
    "--line:#2a3442;--limit:#ff7b8a;--good:#4cc38a;--fair:#e2b341;--bad:#ff7b8a}}"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:1040px;margin:0 auto;padding:2.5rem 1.25rem 4rem}"
    "h1{font-size:1.7rem;line-height:1.25;margin:.6rem 0 .25rem}h2{font-size:1.15rem;margin:2.2rem 0 "
    ".6rem}p{margin:.25rem 0}.soft{color:var(--soft)}"
    ".pill{display:inline-block;border-radius:99px;padding:.15rem "
    ".9rem;font-weight:700;color:#fff;background:var(--good)}"
    ".pill.tight,.pill.maybe{background:var(--fair)}.pill.no{background:var(--bad)}"
    ".facts{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.4rem 0}"
    ".fact{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.7rem 1.05rem}"
    ".fact b{display:block;font-size:1.3rem}.fact span{color:var(--soft);font-size:.85rem}"
    "svg,table{width:100%;background:var(--card);border:1px solid "
    "var(--line);border-radius:12px}svg{height:auto;display:block;box-sizing:border-box;padding:.5rem;margin-"
    "bottom:.8rem}"
    "table{border-collapse:separate;border-spacing:0;font-size:.92rem}th,td{text-align:left;padding:.4rem "
    ".8rem;border-bottom:1px solid var(--line);vertical-align:top}"
    "tr:last-child "
    "td{border-bottom:0}th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:"
    "tabular-nums}"
    "code{display:block;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.45rem "
    ".8rem;margin:.5rem 0 .1rem;overflow-x:auto}"
    "li{margin:.2rem 0}ul{padding-left:1.2rem;color:var(--soft)}"
    "svg text{fill:var(--soft);font:13px system-ui,sans-serif}svg .name{text-anchor:end;fill:var(--ink)}svg "
    ".value{fill:var(--ink);font-weight:600}"
    "svg .mid{text-anchor:middle}svg .end{text-anchor:end}svg .grid{stroke:var(--line)}svg "
    ".limit{stroke:var(--limit);stroke-width:2}"
    "svg .middle{stroke:var(--ink);stroke-width:2}svg .weights{fill:var(--bar)}svg "
    ".cache{fill:var(--two)}svg .rest{fill:var(--three)}svg .over{opacity:.45}"
    "svg .band{fill:var(--bar);opacity:.5}svg .sure{opacity:1}svg polyline{fill:none;stroke-width:3}"
    "svg polyline.edge{stroke:var(--good)}svg polyline.api{stroke:var(--bar)}svg "
    "polyline.vm{stroke:var(--fair)}"
    "svg text.edge{fill:var(--good);font-weight:600}svg text.api{fill:var(--bar);font-weight:600}svg "
    "text.vm{fill:var(--fair);font-weight:600}svg .meet{fill:var(--limit)}"
    "svg .over-lines{fill:var(--ink);font-weight:600;paint-order:stroke;stroke:var(--card);stroke-width:5px}";

static double num(const json_t *j, const char *key) { return json_number_value(json_object_get(j, key)); }
static bool some(const json_t *list) { return json_array_size(list) > 0; }

static void heading(hn_buf *b, const char *text)
{
    hn_buf_text(b, "<h2>");
    hn_html_text(b, text);
    hn_buf_text(b, "</h2>\n");
}

static void fact(hn_buf *b, const char *name, const char *format, double value)
{
    hn_buf_text(b, "<div class=\"fact\"><b>");
    hn_buf_printf(b, format, value);
    hn_buf_text(b, "</b><span>");
    hn_html_text(b, name);
    hn_buf_text(b, "</span></div>\n");
}

static void facts(hn_buf *b, const json_t *r)
{
    const json_t *best = json_object_get(r, "best"), *money = json_object_get(r, "money");
    const json_t *rate = json_object_get(best, "tokens_per_second"),
                 *image = json_object_get(best, "image_ms"), *first = json_object_get(best, "first_token_ms");
    if (!best)
        return;
    hn_buf_text(b, "<div class=\"facts\">\n");
    fact(b, "GB needed", "%.2f", num(best, "need_gb"));
    fact(b, "GB usable", "%.2f", num(best, "usable_gb"));
    if (json_is_array(rate))
        fact(b, "tokens a second, middle of the band", "%.1f", json_number_value(json_array_get(rate, 1)));
    if (json_is_array(first))
        fact(b, "s to the first token", "%.3g", json_number_value(json_array_get(first, 1)) * 1e-3);
    if (json_is_array(image))
        fact(b, "ms a run, middle of the band", "%.2f", json_number_value(json_array_get(image, 1)));
    if (json_is_number(json_object_get(best, "watts")))
        fact(b, "W at work", "%.3g", num(best, "watts"));
    if (json_is_number(json_object_get(best, "joules")))
        fact(b, json_is_array(image) ? "J a run" : "J an answer", "%.3g", num(best, "joules"));
    if (json_is_number(json_object_get(r, "battery_hours")))
        fact(b, "hours on the battery", "%.1f", num(r, "battery_hours"));
    if (num(money, "break_even_api_queries") > 0)
        fact(b, "queries a month: break-even with the API", "%.0f", num(money, "break_even_api_queries"));
    hn_buf_text(b, "</div>\n");
}

static void list_of(hn_buf *b, const char *title, const json_t *list)
{
    const json_t *v;
    size_t i;
    if (!some(list))
        return;
    heading(b, title);
    hn_buf_text(b, "<ul>\n");
    json_array_foreach(list, i, v) {
        hn_buf_text(b, "<li>");
        if (json_is_string(v)) {
            hn_html_text(b, json_string_value(v));
        } else {
            hn_html_text(b, hn_entry_text(v, "what"));
            hn_buf_printf(b, " %.6g ", num(v, "value"));
            hn_html_text(b, hn_entry_text(v, "unit"));
            hn_buf_text(b, " (");
            hn_html_text(b, hn_entry_text(v, "change"));
            hn_buf_text(b, ")");
        }
        hn_buf_text(b, "</li>\n");
    }
    hn_buf_text(b, "</ul>\n");
}

static void cell(hn_buf *b, const char *text)
{
    hn_buf_text(b, "<td>");
    hn_html_text(b, text);
    hn_buf_text(b, "</td>");
}

static void words(hn_buf *b, const json_t *rows, const char *const *columns)
{
    const json_t *row;
    size_t i;
    hn_buf_text(b, "<table><tr>");
    for (const char *const *c = columns; *c; c++)
        hn_buf_printf(b, "<th>%s</th>", *c);
    hn_buf_text(b, "</tr>\n");
    json_array_foreach(rows, i, row) {
        hn_buf_text(b, "<tr>");
        for (const char *const *c = columns; *c; c++)
            cell(b, hn_entry_text(row, *c));
        hn_buf_text(b, "</tr>\n");
    }
    hn_buf_text(b, "</table>\n");
}

static void money_table(hn_buf *b, const json_t *m)
{
    static const char *const keys[] = { "fixed_usd", "per_query_usd", "month_usd", "per_million_usd" };
    const json_t *w;
    double times;
    const char *code = hn_money_unit(m, &times);
    char text[24];
    size_t i;
    hn_buf_printf(b, "<table><tr><th>%s</th><th class=\"n\">fixed a month</th><th class=\"n\">per "
                  "query</th><th class=\"n\">month</th><th class=\"n\">per million</th></tr>\n", code);
    json_array_foreach(json_object_get(m, "ways"), i, w) {
        hn_buf_text(b, "<tr>");
        cell(b, hn_entry_text(w, "way"));
        for (size_t k = 0; k < 4; k++)
            hn_buf_printf(b, "<td class=\"n\">%s</td>", hn_amount_text(json_object_get(w, keys[k]), times, text));
        hn_buf_text(b, "</tr>\n");
    }
    hn_buf_text(b, "</table>\n");
}

static void commands(hn_buf *b, const json_t *list)
{
    const json_t *c;
    size_t i;
    if (!some(list))
        return;
    heading(b, "Next");
    json_array_foreach(list, i, c) {
        hn_buf_text(b, "<code>");
        hn_html_text(b, hn_entry_text(c, "run"));
        hn_buf_text(b, "</code><p class=\"soft\">");
        hn_html_text(b, hn_entry_text(c, "to"));
        hn_buf_text(b, "</p>\n");
    }
}

static void plots(hn_buf *b, const json_t *r)
{
    const json_t *fit = json_object_get(r, "fit"), *rows = some(fit) ? fit : json_object_get(r, "choices");
    const char *label = some(fit) ? "precision" : "device";
    if (!some(rows))
        return;
    bool lm = json_object_get(json_array_get(rows, 0), "bound_tokens_per_second") != NULL;
    heading(b, "Memory");
    hn_plot_fit(b, rows, label);
    heading(b, lm ? "Speed, tokens a second" : "Latency, ms a run");
    hn_plot_bands(b, rows, label, lm ? "tokens_per_second" : "image_ms", lm ? "tok/s" : "ms",
                  lm ? "bound_tokens_per_second" : NULL);
}

void hn_report_page(const json_t *r, hn_buf *b)
{
    static const char *const factor[] = { "factor", "says", "because", NULL }, *const dimension[] = {
        "dimension", "edge", "cloud", NULL
    };
    static const char *const reject[] = { "device_name", "why", NULL };
    const json_t *chain = json_object_get(r, "chain"), *where = json_object_get(r, "where"),
                 *money = json_object_get(r, "money");
    const char *verdict = hn_entry_text(r, "verdict"),
               *name = hn_entry_text(json_object_get(r, "needs"), "name");
    hn_buf_text(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                   "content=\"width=device-width,initial-scale=1\"><title>Hone plan</title><style>");
    hn_buf_text(b, style);
    hn_buf_printf(b, "</style></head><body><main>\n<span class=\"pill %s\">%s</span> <span class=\"soft\">",
                  verdict, verdict);
    hn_html_text(b, name);
    hn_buf_text(b, "</span>\n<h1>");
    hn_html_text(b, hn_entry_text(r, "sentence"));
    hn_buf_printf(b,
                  "</h1>\n<p class=\"soft\">Estimated from a catalogue of %s; every figure has a source: "
                  "hone plan --explain</p>\n",
                  hn_entry_text(r, "catalogue_date"));
    facts(b, r);
    list_of(b, "What to change", json_object_get(r, "change"));
    plots(b, r);
    if (chain) {
        heading(b, "The whole chain against its budget");
        hn_plot_chain(b, chain);
    }
    if (money) {
        heading(b, "A month: edge, API, cloud GPU");
        hn_plot_cost(b, money);
        money_table(b, money);
    }
    if (where) {
        heading(b, "Edge or cloud");
        hn_buf_text(b, "<p><b>");
        hn_html_text(b, hn_entry_text(where, "says"));
        hn_buf_text(b, "</b>: ");
        hn_html_text(b, hn_entry_text(where, "because"));
        hn_buf_text(b, "</p>\n");
        words(b, json_object_get(where, "factors"), factor);
        heading(b, "In ten dimensions");
        words(b, json_object_get(where, "dimensions"), dimension);
    }
    if (some(json_object_get(r, "rejected"))) {
        heading(b, "Rejected");
        words(b, json_object_get(r, "rejected"), reject);
    }
    list_of(b, "Assumed, because it was not given", json_object_get(r, "assumed"));
    list_of(b, "To know", json_object_get(r, "notes"));
    commands(b, json_object_get(r, "commands"));
    hn_buf_text(b, "</main></body></html>\n");
}
