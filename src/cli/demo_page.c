/* SPDX-License-Identifier: Apache-2.0 */
/* demo_page.c: the page `hone demo` writes. */
#include <math.h>
#include <string.h>

#include "cli/demo.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#667085;--card:#fff;--page:#f4f6f9;--bar:#2f6fed;--line:#e2e7ee}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8edf4;--soft:#98a4b5;--card:#1b222c;--page:#12171e;--bar:#6c9bff;--line:#2a3442}}"
    "body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:1080px;margin:0 auto;padding:2.5rem 1.25rem}"
    "h1{font-size:1.9rem;margin:0 0 .25rem}p{margin:.25rem 0;color:var(--soft)}"
    ".facts{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.5rem 0}"
    ".fact{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:.75rem 1.1rem}"
    ".fact b{display:block;font-size:1.35rem}.fact span{color:var(--soft);font-size:.85rem}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:1rem;margin:1.5rem 0}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:14px;overflow:hidden}"
    ".card img{width:100%;aspect-ratio:1;display:block}.card div{padding:.7rem .9rem}"
    ".row{position:relative;margin:.2rem 0;padding:.05rem .45rem;font-size:.85rem;display:flex;justify-content:space-between}"
    ".row i{position:absolute;left:0;top:0;bottom:0;background:var(--bar);opacity:.22;border-radius:5px}"
    ".row.best{font-weight:600}.wrong{outline:3px solid #d9534f}"
    "h2{font-size:1.2rem;margin:2rem 0 .5rem}svg{width:100%;height:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}"
    "svg rect{fill:var(--bar)}svg text{fill:var(--soft);font:12px system-ui,sans-serif}";

static void base64(hn_buf *b, const unsigned char *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
        char four[4] = { digit[v >> 18], digit[v >> 12 & 63], i + 1 < n ? digit[v >> 6 & 63] : '=',
                         i + 2 < n ? digit[v & 63] : '=' };
        hn_buf_add(b, four, 4);
    }
}

static void put_card(hn_buf *b, const hn_demo_shown *s)
{
    bool right = strcmp(s->label[0], s->truth) == 0;
    hn_buf_printf(b, "<div class=\"card%s\"><img alt=\"%s\" src=\"data:image/png;base64,", right ? "" : " wrong", s->truth);
    base64(b, s->picture.data, s->picture.len);
    hn_buf_text(b, "\"><div>");
    for (int i = 0; i < HN_DEMO_TOP; i++)
        hn_buf_printf(b, "<div class=\"row%s\"><i style=\"width:%.1f%%\"></i><span>%s</span><span>%.1f %%</span></div>",
                      i ? "" : " best", fmax(s->score[i] * 100, 0.5), s->label[i], s->score[i] * 100);
    hn_buf_text(b, "</div></div>\n");
}

static void put_fact(hn_buf *b, const char *name, const char *format, double value)
{
    hn_buf_text(b, "<div class=\"fact\"><b>");
    hn_buf_printf(b, format, value);
    hn_buf_printf(b, "</b><span>%s</span></div>", name);
}

/* From the fastest run to the 99th percentile; what is slower goes into the last bar. */
static void put_histogram(hn_buf *b, const hn_demo_findings *f)
{
    enum { BARS = 48, WIDTH = 960, HEIGHT = 180 };
    size_t count[BARS] = { 0 }, most = 1;
    double low = f->us[0], high = fmax(f->us[(f->runs - 1) * 99 / 100], low + 1);
    for (size_t i = 0; i < f->runs; i++) {
        double at = (f->us[i] - low) / (high - low) * BARS;
        size_t k = at >= BARS ? BARS - 1 : (size_t)at;
        if (++count[k] > most)
            most = count[k];
    }
    hn_buf_printf(b, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"latency histogram\">", WIDTH, HEIGHT + 40);
    for (int i = 0; i < BARS; i++) {
        double h = (double)count[i] / (double)most * (HEIGHT - 10);
        hn_buf_printf(b, "<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%.1f\" rx=\"2\"/>", i * WIDTH / BARS + 2,
                      HEIGHT - h, WIDTH / BARS - 4, h);
    }
    hn_buf_printf(b, "<text x=\"4\" y=\"%d\">%.0f us</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f us and more</text></svg>\n",
                  HEIGHT + 24, low, WIDTH - 4, HEIGHT + 24, high);
}

void hn_demo_page(hn_buf *b, const hn_demo_findings *f)
{
    hn_buf_text(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                   "content=\"width=device-width,initial-scale=1\"><title>Hone demo</title><style>");
    hn_buf_text(b, style);
    hn_buf_text(b, "</style></head><body><main><h1>Pictograms, recognised here</h1>\n"
                   "<p>A classifier of 32 signs and symbols, carried inside the program, ran on this machine. It never saw "
                   "these pictures in training: a script renders both, from different seeds.</p>\n<div class=\"facts\">");
    put_fact(b, "pictures right", "%.0f", (double)f->right);
    put_fact(b, "pictures shown", "%.0f", (double)f->count);
    put_fact(b, "median latency", "%.0f us", f->us[f->runs / 2]);
    put_fact(b, "90th percentile", "%.0f us", f->us[f->runs * 9 / 10]);
    put_fact(b, "of this core's peak arithmetic", "%.0f %%", 100 * f->gflops / f->peak_gflops);
    put_fact(b, "of activations, one block", "%.0f kB", (double)f->arena_bytes * 1e-3);
    hn_buf_text(b, "</div>\n<div class=\"grid\">\n");
    for (size_t i = 0; i < f->count; i++)
        put_card(b, &f->shown[i]);
    hn_buf_printf(b, "</div>\n<h2>Latency of %zu runs, %u thread%s, %s</h2>\n", f->runs, f->threads,
                  f->threads == 1 ? "" : "s", f->isa);
    put_histogram(b, f);
    hn_buf_printf(b, "<p>Outputs agree with %zu recorded goldens of a reference runtime: largest difference %.2g.</p>\n"
                     "</main></body></html>\n", f->goldens, f->golden_diff);
}
