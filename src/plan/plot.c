/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 960, LEFT = 190, ROW = 34, BAR = 18, RIGHT = 110 };

static double num(const json_t *j, const char *key) { return json_number_value(json_object_get(j, key)); }
static double at(const json_t *list, size_t i) { return json_number_value(json_array_get(list, i)); }
static const char *text_of(const json_t *j, const char *key)
{
    const char *t = json_string_value(json_object_get(j, key));
    return t ? t : "";
}

void hn_html_text(hn_buf *b, const char *text)
{
    for (; *text; text++) {
        const char *as = *text == '&'   ? "&amp;"
                         : *text == '<' ? "&lt;"
                         : *text == '>' ? "&gt;"
                         : *text == '"' ? "&quot;"
                                        : NULL;
        if (as)
            hn_buf_text(b, as);
        else
            hn_buf_add(b, text, 1);
    }
}

static void open_plot(hn_buf *b, int height, const char *what)
{
    hn_buf_printf(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n", WIDTH, height, what);
}

static void put_text(hn_buf *b, double x, double y, const char *class, const char *text)
{
    hn_buf_printf(b, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
    hn_html_text(b, text);
    hn_buf_text(b, "</text>\n");
}

static void put_rect(hn_buf *b, double x, double y, double w, double h, const char *class)
{
    if (w > 0.2)
        hn_buf_printf(b,
                      "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"3\" class=\"%s\"/>\n",
                      x, y, w, h, class);
}

static void put_line(hn_buf *b, double x1, double y1, double x2, double y2, const char *class)
{
    hn_buf_printf(b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2,
                  class);
}

/* The next of 1, 2, 5, 10, 20, ... that gives at most six steps. */
static double tick_of(double most)
{
    double unit = pow(10, floor(log10(most))) / 10;
    static const double times[] = { 1, 2, 5, 10, 20, 50 };
    for (size_t i = 0; i < 6; i++)
        if (most / (unit * times[i]) <= 6)
            return unit * times[i];
    return most;
}

static void grid(hn_buf *b, double most, double height, const char *unit)
{
    double step = tick_of(most), scale = (WIDTH - LEFT - RIGHT) / most;
    char label[32];
    for (double x = 0; x <= most * 1.0001; x += step) {
        put_line(b, LEFT + x * scale, 6, LEFT + x * scale, height, "grid");
        snprintf(label, sizeof label, "%g%s%s", x, x > 0 ? " " : "", x > 0 ? unit : "");
        put_text(b, LEFT + x * scale, height + 18, "tick mid", label);
    }
}

/* ---- Memory ------------------------------------------------------------------------------------- */

void hn_plot_fit(hn_buf *b, const json_t *rows, const char *label)
{
    const json_t *row;
    size_t i, n = json_array_size(rows);
    double most = 0, height = 12 + (double)n * ROW;
    json_array_foreach(rows, i, row)
        most = fmax(most,
                    fmax(num(row, "need_gb"), fmin(num(row, "usable_gb"), 3 * num(row, "need_gb"))) * 1.05);
    if (!(most > 0))
        return;
    double scale = (WIDTH - LEFT - RIGHT) / most;
    open_plot(b, (int)height + 56, "memory needed and usable");
    grid(b, most, height, "GB");
    json_array_foreach(rows, i, row) {
        const json_t *m = json_object_get(row, "memory_gb");
        double y = 10 + (double)i * ROW, x = LEFT, weights = num(m, "weights") * scale,
               cache = num(m, "cache") * scale;
        double usable = num(row, "usable_gb") * scale, all = num(row, "need_gb") * scale;
        bool fits = strcmp(text_of(row, "verdict"), "no") != 0;
        put_text(b, LEFT - 10, y + 14, "name", text_of(row, label));
        put_rect(b, x, y, weights, BAR, fits ? "weights" : "weights over");
        put_rect(b, x + weights, y, cache, BAR, fits ? "cache" : "cache over");
        put_rect(b, x + weights + cache, y, all - weights - cache, BAR, fits ? "rest" : "rest over");
        if (usable < (WIDTH - LEFT - RIGHT))
            put_line(b, LEFT + usable, y - 6, LEFT + usable, y + BAR + 6, "limit");
        put_text(b, fmin(x + all + 8, WIDTH - RIGHT + 4), y + 14, "value", text_of(row, "verdict"));
    }
    static const char *const legend[][2] = { { "weights", "weights" },
                                             { "cache", "cache" },
                                             { "rest", "activations, runtime" } };
    for (i = 0; i < 3; i++) {
        put_rect(b, LEFT + (double)i * 130, height + 30, 12, 12, legend[i][0]);
        put_text(b, LEFT + (double)i * 130 + 18, height + 41, "tick", legend[i][1]);
    }
    put_line(b, LEFT + 430, height + 28, LEFT + 430, height + 44, "limit");
    put_text(b, LEFT + 438, height + 41, "tick", "usable memory");
    hn_buf_text(b, "</svg>\n");
}

/* ---- Speed --------------------------------------------------------------------------------------- */

void hn_plot_bands(hn_buf *b, const json_t *rows, const char *label, const char *key, const char *unit,
                   const char *bound)
{
    const json_t *row;
    size_t i, n = json_array_size(rows);
    double most = 0, height = 12 + (double)n * ROW;
    char value[64];
    json_array_foreach(rows, i, row)
        most = fmax(most, fmax(at(json_object_get(row, key), 2), bound ? num(row, bound) : 0) * 1.05);
    if (!(most > 0))
        return;
    double scale = (WIDTH - LEFT - RIGHT) / most;
    open_plot(b, (int)height + 56, "speed");
    grid(b, most, height, unit);
    json_array_foreach(rows, i, row) {
        const json_t *band = json_object_get(row, key);
        double y = 10 + (double)i * ROW;
        put_text(b, LEFT - 10, y + 14, "name", text_of(row, label));
        if (!json_is_array(band)) {
            put_text(b, LEFT + 8, y + 14, "tick", "not known");
            continue;
        }
        put_rect(b, LEFT + at(band, 0) * scale, y + 2, fmax((at(band, 2) - at(band, 0)) * scale, 3), BAR - 4,
                 strcmp(text_of(row, "basis"), "estimated") == 0 ? "band" : "band sure");
        put_line(b, LEFT + at(band, 1) * scale, y - 1, LEFT + at(band, 1) * scale, y + BAR + 1, "middle");
        snprintf(value, sizeof value, "%.3g", at(band, 1));
        if (bound && num(row, bound) > 0) {
            put_line(b, LEFT + num(row, bound) * scale, y - 4, LEFT + num(row, bound) * scale, y + BAR + 4,
                     "limit");
            snprintf(value, sizeof value, "%.3g of %.3g", at(band, 1), num(row, bound));
        }
        put_text(b, LEFT + fmax(at(band, 2), bound ? num(row, bound) : 0) * scale + 8, y + 14, "value", value);
    }
    put_rect(b, LEFT, height + 30, 24, 12, "band");
    put_text(b, LEFT + 30, height + 41, "tick", "estimated band, its middle marked");
    if (bound) {
        put_line(b, LEFT + 280, height + 28, LEFT + 280, height + 44, "limit");
        put_text(b, LEFT + 288, height + 41, "tick", "bound: bandwidth / bytes read");
    }
    hn_buf_text(b, "</svg>\n");
}

/* ---- Chain ---------------------------------------------------------------------------------------- */

void hn_plot_chain(hn_buf *b, const json_t *chain)
{
    const json_t *stages = json_object_get(chain, "stages"), *s;
    size_t i, n = json_array_size(stages);
    double budget = num(chain, "budget_ms"),
           most = fmax(at(json_object_get(chain, "total_ms"), 2), budget) * 1.05,
           height = 12 + (double)n * ROW, low = 0;
    double scale = (WIDTH - LEFT - RIGHT) / most;
    open_plot(b, (int)height + 30, "latency chain");
    grid(b, most, height, "ms");
    json_array_foreach(stages, i, s) {
        const json_t *ms = json_object_get(s, "ms");
        double y = 10 + (double)i * ROW;
        put_text(b, LEFT - 10, y + 14, "name", text_of(s, "stage"));
        if (!json_is_array(ms)) {
            put_text(b, LEFT + low * scale + 8, y + 14, "tick", "not known");
            continue;
        }
        put_rect(b, LEFT + low * scale, y, fmax(at(ms, 1) * scale, 2), BAR, "weights");
        put_rect(b, LEFT + (low + at(ms, 1)) * scale, y + 4, (at(ms, 2) - at(ms, 1)) * scale, BAR - 8, "band");
        low += at(ms, 1);
    }
    put_line(b, LEFT + budget * scale, 0, LEFT + budget * scale, height, "limit");
    hn_buf_text(b, "</svg>\n");
}

/* ---- Money ---------------------------------------------------------------------------------------- */

typedef struct axes { double x0, x1, y0, y1; } axes;      /* logarithms of the ends */

enum { TOP = 30, BOTTOM = 346 };

static double px(const axes *a, double x) { return 70 + (log10(x) - a->x0) / (a->x1 - a->x0) * (WIDTH - 210); }
static double py(const axes *a, double y)
{
    return BOTTOM - (log10(y) - a->y0) / (a->y1 - a->y0) * (BOTTOM - TOP);
}

static const char *thousands(double x, char out[24])
{
    const char *unit = x >= 1e9 ? "G" : x >= 1e6 ? "M" : x >= 1e3 ? "k" : "";
    snprintf(out, 24, "%.3g%s", x >= 1e9 ? x * 1e-9 : x >= 1e6 ? x * 1e-6 : x >= 1e3 ? x * 1e-3 : x, unit);
    return out;
}

static void put_axes(hn_buf *b, const axes *a)
{
    char label[24];
    for (int d = (int)a->x0; d <= (int)a->x1; d++) {
        put_line(b, px(a, pow(10, d)), TOP, px(a, pow(10, d)), BOTTOM, "grid");
        put_text(b, px(a, pow(10, d)), BOTTOM + 18, "tick mid", thousands(pow(10, d), label));
    }
    for (int d = (int)a->y0; d <= (int)a->y1; d++) {
        put_line(b, 70, py(a, pow(10, d)), WIDTH - 140, py(a, pow(10, d)), "grid");
        put_text(b, 62, py(a, pow(10, d)) + 4, "tick end", thousands(pow(10, d), label));
    }
    put_text(b, (WIDTH - 70) / 2.0, BOTTOM + 40, "tick mid", "queries a month");
    put_text(b, 8, 14, "tick", "USD a month");
}

static void put_curve(hn_buf *b, const axes *a, const json_t *points, size_t column, const char *class,
                      const char *name)
{
    const json_t *p;
    size_t i;
    double x = 0, y = 0;
    bool begun = false;
    json_array_foreach(points, i, p) {
        double usd = at(p, column);
        if (!json_is_number(json_array_get(p, column)) || usd <= 0 || log10(usd) < a->y0 || log10(usd) > a->y1)
            continue;
        x = px(a, at(p, 0));
        y = py(a, usd);
        if (!begun)
            hn_buf_printf(b, "<polyline class=\"%s\" points=\"", class);
        hn_buf_printf(b, "%.1f,%.1f ", x, y);
        begun = true;
    }
    if (!begun)
        return;
    hn_buf_text(b, "\"/>\n");
    put_text(b, x + 8, y + 4, class, name);
}

/* Words beside an upright line, on the side that has room. */
static void put_beside(hn_buf *b, double x, double y, const char *text)
{
    bool left = x > WIDTH / 2.0;
    put_text(b, x + (left ? -8 : 8), y, left ? "over-lines end" : "over-lines", text);
}

static void put_meeting(hn_buf *b, const axes *a, double queries, double usd, const char *what, int row)
{
    char label[24], text[96];
    if (!(queries > 0) || log10(queries) < a->x0 || log10(queries) > a->x1)
        return;
    hn_buf_printf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" class=\"meet\"/>\n", px(a, queries), py(a, usd));
    snprintf(text, sizeof text, "break-even with %s: %s", what, thousands(round(queries), label));
    put_beside(b, px(a, queries), TOP + 14 + row * 18, text);
}

static void put_upright(hn_buf *b, const axes *a, double queries, const char *class)
{
    if (queries > 0 && log10(queries) >= a->x0 && log10(queries) <= a->x1)
        put_line(b, px(a, queries), TOP, px(a, queries), BOTTOM, class);
}

void hn_plot_cost(hn_buf *b, const json_t *money)
{
    const json_t *points = json_object_get(money, "curves"), *p;
    axes a = { 1, 9, 0, 1 };
    size_t i;
    const json_t *edge = json_array_get(json_object_get(money, "ways"), 0);
    double most = 10, api = num(money, "break_even_api_queries"),
           vm = num(money, "break_even_cloud_gpu_queries"), now = num(money, "queries_month");
    json_array_foreach(points, i, p)
        for (size_t k = 1; k < 4; k++)
            most = fmax(most, at(p, k));
    a.y1 = fmin(ceil(log10(most)), 6);
    open_plot(b, BOTTOM + 52, "cost of a month against queries");
    put_axes(b, &a);
    put_curve(b, &a, points, 1, "edge", "edge");
    put_curve(b, &a, points, 2, "api", "api");
    put_curve(b, &a, points, 3, "vm", "cloud gpu");
    put_upright(b, &a, api, "limit");
    put_upright(b, &a, vm, "limit");
    put_upright(b, &a, now, "middle");
    put_meeting(b, &a, api, num(edge, "fixed_usd") + num(edge, "per_query_usd") * api, "the API", 0);
    put_meeting(b, &a, vm, num(edge, "fixed_usd") + num(edge, "per_query_usd") * vm, "the cloud GPU", 1);
    if (now > 10 && now < 1e9)
        put_beside(b, px(&a, now), BOTTOM - 8, "this plan");
    hn_buf_text(b, "</svg>\n");
}
