/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for needs that nobody thought of: every field of needs.def at random. */
#include "plan/report.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/plan/world.h"

enum { SCENARIOS = 60 };             /* PLAN_SCENARIOS=N for a soak */

static const struct field { const char *option, *words; double least, most; } fields[] = {
#define TXT(field, option, arg, words, help) { option, words, 0, 0 },
#define NUM(field, option, arg, unit, least, most, help) { option, NULL, least, most },
#include "plan/needs.def"
#undef TXT
#undef NUM
};

static uint32_t next(uint32_t *seed) { return (*seed = *seed * 1664525u + 1013904223u) >> 8; }

/* A word of "a b c", or an entry of the catalogue; into `out`. */
static void some_word(const world *w, const struct field *f, uint32_t *seed, char out[64])
{
    hn_shelf shelf = strcmp(f->option, "device") == 0 ? HN_SHELF_DEVICES : HN_SHELF_MODELS;
    const json_t *list = hn_catalog_shelf(w->c, shelf);
    const char *word = f->words;
    size_t n = 1;
    if (!word) {
        snprintf(out, 64, "%s", strcmp(f->option, "currency") == 0    ? "EUR"
                                : strcmp(f->option, "precision") == 0 ? "Q4_K_M"
                                : hn_entry_text(json_array_get(list, next(seed) % json_array_size(list)), "id"));
        return;
    }
    for (const char *p = word; *p; p++)
        n += *p == ' ';
    for (size_t i = next(seed) % n; i > 0; i--)
        word = strchr(word, ' ') + 1;
    snprintf(out, 64, "%.*s", (int)strcspn(word, " "), word);
}

/* One of eight fields is asked for; numbers lie anywhere between their ends, evenly in their logarithm. */
static void some_needs(world *w, uint32_t *seed, hn_needs *n)
{
    char value[64];
    hn_needs_clear(n);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct field *f = &fields[i];
        bool what = strcmp(f->option, "task") == 0 || strcmp(f->option, "model") == 0;
        if (next(seed) % (what ? 2 : 8) != 0)
            continue;
        if (f->most > 0)
            snprintf(value, sizeof value, "%.15g",
                     fmin(fmax(f->least, fmax(f->least, 1e-4) * pow(f->most / fmax(f->least, 1e-4),
                                                                   next(seed) % 1000 / 1000.0)), f->most));
        else
            some_word(w, f, seed, value);
        CHECK(hn_needs_set(&w->cx, n, f->option, hn_arena_text(w->a, value, strlen(value))) == HN_OK);
    }
    if (!n->task && !n->model)
        n->task = "chat";
}

static void check_words(const hn_buf *b)
{
    CHECK(b->data != NULL);
    for (const char *p = b->data; (p = strstr(p, "nan")) != NULL; p++)       /* "Finance" is a word, "nan ms" is none */
        CHECK(isalpha((unsigned char)p[3]) || (p > b->data && isalpha((unsigned char)p[-1])));
    for (const char *p = b->data; (p = strstr(p, "inf")) != NULL; p++)
        CHECK(isalpha((unsigned char)p[3]) || (p > b->data && isalpha((unsigned char)p[-1])));
}

/* A command stays on its line, however long; nothing else passes the end. */
static void check_lines(const hn_buf *b)
{
    for (const char *line = b->data; *line;) {
        size_t n = strcspn(line, "\n");
        if (n > 80 && strncmp(line, "  hone ", 7) != 0) {
            printf("%.*s\n", (int)n, line);
            CHECK(n <= 80);
        }
        line += n + (line[n] == '\n');
    }
}

static bool yes(const char *name)
{
    (void)name;
    return true;
}

/* An error that explains itself, or a plan whose text and page hold no figure that is none. */
TEST(whatever_is_asked_is_answered_or_refused_in_words)
{
    const char *given = getenv("PLAN_SCENARIOS");
    size_t plans = 0, count = given ? strtoul(given, NULL, 10) : SCENARIOS;
    uint32_t seed = 1;
    world w;
    world_open(&w, NULL);
    for (size_t i = 0; i < count; i++) {
        hn_needs n;
        json_t *report;
        some_needs(&w, &seed, &n);
        hn_ask ask = { .needs = &n, .has_command = yes, .explain = i % 2 };
        hn_err e = hn_needs_check(&w.cx, &n);
        if (!e)
            e = hn_currency_check(&w.cx, &n);
        if (!e)
            e = hn_report_make(&w.cx, &w.w, &ask, w.a, &report);
        if (e) {
            CHECK((e == HN_EARG || e == HN_EUNSUP) && w.cx.msg[0]);
            continue;
        }
        hn_buf text = { .cx = &w.cx }, page = { .cx = &w.cx };
        hn_report_text(report, ask.explain, &text);
        hn_report_page(report, &page);
        check_words(&text);
        check_words(&page);
        check_lines(&text);
        hn_buf_free(&text);
        hn_buf_free(&page);
        json_decref(report);
        plans++;
    }
    CHECK(plans > count / 10);
    world_close(&w);
}
