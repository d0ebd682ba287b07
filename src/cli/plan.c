/* SPDX-License-Identifier: Apache-2.0 */
/* hone plan: what fits where, how fast, at what cost, edge or cloud. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/pool.h"
#include "base/process.h"
#include "cli/catalog.h"
#include "cli/plan_here.h"
#include "cli/table.h"
#include "plan/accuracy.h"
#include "plan/report.h"

typedef struct planner {
    hn_cli *c;
    size_t base;                 /* bytes written before anything was read */
    hn_arena *a;
    hn_catalog *catalog;
    hn_world world;
    hn_needs needs;
    hn_model file;
    hn_device here;
    hn_calibration calibration;
    hn_ask ask;
} planner;

static bool has_command(const char *name) { return hn_command_find(name) != NULL; }

/* Options first, then the scenario's, which options override. */
static hn_err read_needs(planner *p)
{
    static const char *const names[] = {
#define TXT(field, option, arg, words, help) option,
#define NUM(field, option, arg, unit, least, most, help) option,
#include "plan/needs.def"
#undef TXT
#undef NUM
    };
    const hn_args *a = &p->c->args;
    hn_ctx *cx = &p->c->cx;
    const char *scenario = hn_arg_text(a, "file", NULL);
    hn_needs_clear(&p->needs);
    if (scenario)
        HN_TRY(hn_needs_read(cx, scenario, p->a, &p->needs));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = hn_arg_text(a, names[i], NULL);
        if (value)
            HN_TRY(hn_needs_set(cx, &p->needs, names[i], value));
    }
    if (a->operand_count)
        p->needs.file = a->operand[0];
    if (p->needs.file && p->needs.model)
        return hn_fail(cx, HN_EARG, "contradictory: the file %s and --model %s; give one of them",
                       p->needs.file, p->needs.model);
    if (!p->needs.file && !p->needs.model && !p->needs.task)
        return hn_fail(cx, HN_EARG,
                       "what is to run?  Give a model file, --model NAME or --task TASK; `hone plan --help` "
                       "has examples");
    return hn_needs_check(cx, &p->needs);
}

/* ---- Saying it -------------------------------------------------------------------------------------- */

static hn_err write_page(planner *p, const json_t *report, const char *path)
{
    hn_buf b = { .cx = &p->c->cx };
    hn_report_page(report, &b);
    hn_err e = hn_buf_ok(&b, "the page");
    if (!e)
        e = hn_file_write(&p->c->cx, path, b.data, b.len);
    hn_buf_free(&b);
    return e;
}

static hn_err print_text(planner *p, const json_t *report)
{
    hn_buf b = { .cx = &p->c->cx };
    hn_report_text(report, p->ask.explain, &b);
    hn_err e = hn_buf_ok(&b, "the plan");
    if (!e)
        fwrite(b.data, 1, b.len, stdout);
    hn_buf_free(&b);
    return e;
}

/* Needs and the model file come first, the catalogue later: what opening the file costs is measured in a
 * process that has done nothing yet, as the one that will run it. */
static hn_err gather(planner *p)
{
    hn_ctx *cx = &p->c->cx;
    HN_TRY(read_needs(p));
    p->ask.needs = &p->needs;
    p->ask.has_command = has_command;
    HN_TRY(hn_currency_check(cx, &p->needs));
    if (p->needs.file) {
        HN_TRY(hn_model_read(cx, p->needs.file, p->c->threads ? p->c->threads : hn_cpu_count(), p->base, p->a,
                             &p->file));
        p->ask.file = &p->file;
    }
    return HN_OK;
}

static hn_err make(planner *p)
{
    hn_ctx *cx = &p->c->cx;
    const char *html = hn_arg_text(&p->c->args, "html", NULL);
    const char *calibration = hn_arg_text(&p->c->args, "calibration", NULL);
    json_t *report;
    if (p->needs.device && strcmp(p->needs.device, "here") == 0) {
        HN_TRY(hn_plan_here(p->c, &p->needs, &p->here));
        p->ask.here = &p->here;
    }
    if (calibration) {
        HN_TRY(hn_calibration_read(cx, calibration, p->a, &p->calibration));
        p->ask.calibration = &p->calibration;
    }
    HN_TRY(hn_report_make(cx, &p->world, &p->ask, p->a, &report));
    bool no = strcmp(hn_entry_text(report, "verdict"), "no") == 0;
    hn_err e = html ? write_page(p, report, html) : HN_OK;
    if (!e)
        e = p->c->json ? hn_json_print(cx, json_incref(report)) : print_text(p, report);
    json_decref(report);
    cx->msg[0] = 0;
    return e ? e : no ? HN_ENO : HN_OK;
}

static hn_err explain(planner *p, const char *what)
{
    static const char *const columns[] = { "key", "value", "unit", "source", "date", NULL };
    json_t *rows;
    HN_TRY(hn_explain(&p->c->cx, &p->world, what, &rows));
    if (p->c->json)
        return hn_json_print(&p->c->cx, rows);
    hn_err e = hn_table_print(&p->c->cx, rows, columns, HN_TABLE_TEXT);
    json_decref(rows);
    return e;
}

static hn_err accuracy(planner *p)
{
    static const char *const columns[] = { "figure", "rows", "median %", "mean %", "90th %", "within 20 %", NULL };
    static const char *const claims[] = { "device", "claim", "tokens_s", "bound", "verdict", NULL };
    json_t *j;
    HN_TRY(hn_accuracy(&p->c->cx, &p->world, p->a, &j));
    if (p->c->json)
        return hn_json_print(&p->c->cx, j);
    hn_err e = hn_table_print(&p->c->cx, json_object_get(j, "errors"), columns, HN_TABLE_TEXT);
    putchar('\n');
    if (!e)
        e = hn_table_print(&p->c->cx, json_object_get(j, "claims"), claims, HN_TABLE_TEXT);
    json_decref(j);
    return e;
}

static hn_err run(hn_cli *c)
{
    planner p = { .c = c, .base = hn_written_bytes() };
    const char *what = hn_arg_text(&c->args, "explain", NULL);
    bool ask = hn_arg_flag(&c->args, "accuracy") || (what && strcmp(what, "path") != 0);
    hn_err e = hn_arena_new(&c->cx, 0, &p.a);
    if (!e && !ask)
        e = gather(&p);
    if (!e)
        e = hn_catalog_embedded(&c->cx, hn_arg_text(&c->args, "catalog", NULL), &p.catalog);
    if (!e)
        e = hn_world_open(&c->cx, p.catalog, &p.world);
    p.ask.explain = what && strcmp(what, "path") == 0;
    if (!e && hn_arg_flag(&c->args, "accuracy"))
        e = accuracy(&p);
    else if (!e && what && !p.ask.explain)
        e = explain(&p, what);
    else if (!e)
        e = make(&p);
    hn_catalog_close(p.catalog);
    hn_arena_free(p.a);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, HN_OPTIONAL,
                                         "a model file: exact figures in place of the catalogue's", NULL },
                                       { 0 } };

static const hn_opt opts[] = {
    { "file", 'f', HN_OPT_FILE, "FILE", "a scenario: a JSON object with these options as keys", NULL, 0, 0 },
    { "html", 0, HN_OPT_FILE, "FILE", "also write a page with plots", NULL, 0, 0 },
    { "explain", 0, HN_OPT_TEXT, "WHAT",
      "where a value comes from (ID or ID.KEY), or `path`: every step of this plan", NULL, 0, 0 },
    { "catalog", 0, HN_OPT_DIR, "DIR", "files that change or add to the built-in catalogue", NULL, 0, 0 },
    { "calibration", 0, HN_OPT_FILE, "FILE", "what `hone bench --save-calibration` wrote on the device", NULL,
      0, 0 },
    { "accuracy", 0, HN_OPT_FLAG, NULL, "how wrong the estimates are on the catalogue's measured rows", NULL,
      0, 0 },
#define TXT(field, option, arg, words, help) { option, 0, HN_OPT_TEXT, arg, help, NULL, 0, 0 },
#define NUM(field, option, arg, unit, least, most, help) { option, 0, HN_OPT_TEXT, arg, help, NULL, 0, 0 },
#include "plan/needs.def"
#undef TXT
#undef NUM
    { 0 }
};

const hn_command hn_command_plan = {
    .name = "plan",
    .summary = "what fits where, how fast, at what cost, edge or cloud",
    .example = "hone plan --model \"llama 3.1 8b\" --device \"orin nano\"",
    .help =
        "Puts a model, a device or a task against what is known: memory with its verdict, speed as a band "
        "with\n"
        "its basis, power, the whole chain of a latency budget, and the cost of a month at the edge, through "
        "an\n"
        "API and on a cloud GPU.  What the plan needs beyond what is given it assumes aloud, or asks for.\n\n"
        "hone plan --task vision --latency 30ms --power 15W\n\n"
        "hone plan model.gguf --device rpi5 --context 8192\n\n"
        "hone plan --task chat --device m4 --queries 3000 --api-in 0.2 --api-out 0.6 --price 600 --idle "
        "5W\n\n"
        "Estimated figures come from a roofline fitted on published measurements; `--accuracy` tells its "
        "errors.\n"
        "A measurement on the device (`hone bench MODEL --save-calibration FILE`) replaces them.",
    .operand = operands,
    .opt = opts,
    .exits = "1: it does not fit, or nothing meets the needs",
    .reports = true,
    .run = run,
};
