/* SPDX-License-Identifier: Apache-2.0 */
/* hone verify: does a model give the results it should? */
#include <stdio.h>
#include <string.h>

#include "cli/package.h"
#include "cli/table.h"
#include "cli/verify.h"

static hn_err add_row(hn_cli *c, json_t *rows, const char *set, const char *output, const hn_diff *d)
{
    json_t *row = json_pack("{s:s, s:s, s:f, s:f, s:s}", "set", set, "output", output, "max_abs", d->max_abs,
                            "max_rel", d->max_rel, "verdict", d->agree ? "agree" : d->why);
    return json_array_append_new(rows, row) ? hn_nomem(&c->cx, "the report") : HN_OK;
}

static hn_err verify_folder(hn_cli *c, hn_runner *r, const char *dir, hn_tolerance tol, hn_arena *a,
                            json_t *rows, size_t *passed, size_t *failed)
{
    const hn_graph *g = r->src.graph;
    hn_diff *diff = HN_NEW(a, hn_diff, g->out_count);
    hn_testset *set;
    size_t count;

    if (!diff)
        return hn_nomem(&c->cx, "the report");
    HN_TRY(hn_testsets_read(&c->cx, g, dir, a, &set, &count));
    for (size_t i = 0; i < count; i++) {
        bool agree;
        HN_TRY(hn_testset_run(&c->cx, r, &set[i], tol, diff, &agree));
        for (size_t o = 0; o < set[i].want_count; o++)
            HN_TRY(add_row(c, rows, set[i].name, g->out[o]->name, &diff[o]));
        ++*(agree ? passed : failed);
    }
    return HN_OK;
}

static hn_err print(hn_cli *c, json_t *rows, size_t passed, size_t failed)
{
    static const char *const columns[] = { "set", "output", "max_abs", "max_rel", "verdict", NULL };
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:O, s:I, s:I}", "results", rows, "passed", (json_int_t)passed,
                                               "failed", (json_int_t)failed));
    HN_TRY(hn_table_print(&c->cx, rows, columns, HN_TABLE_TEXT));
    printf("%zu passed, %zu failed\n", passed, failed);
    return HN_OK;
}

hn_err hn_verdict(hn_cli *c, size_t failed)
{
    c->cx.msg[0] = 0;           /* of single tests, reported where it belongs */
    return failed ? HN_ENO : HN_OK;
}

static hn_err verify_model(hn_cli *c, const char *model, const hn_runner_opts *o, hn_tolerance tol)
{
    size_t passed = 0, failed = 0, folders = hn_arg_count(&c->args, "data");
    hn_runner r = { 0 };
    hn_arena *a = NULL;

    if (folders == 0)
        return hn_fail(&c->cx, HN_EARG, "give the expected results: --data DIR, more than once if need be");
    json_t *rows = json_array();
    hn_err e = hn_runner_open(&c->cx, model, o, &r);
    if (!e)
        e = hn_arena_new(&c->cx, 0, &a);
    for (size_t i = 0; i < folders && !e; i++)
        e = verify_folder(c, &r, hn_arg_at(&c->args, "data", i), tol, a, rows, &passed, &failed);
    if (!e)
        e = print(c, rows, passed, failed);
    json_decref(rows);
    hn_arena_free(a);
    hn_runner_close(&r);
    return e ? e : hn_verdict(c, failed);
}

static hn_err run(hn_cli *c)
{
    const hn_args *a = &c->args;
    hn_runner_opts o = { .eval = strcmp(hn_arg_text(a, "engine", "plan"), "eval") == 0,
                         .no_optimize = hn_arg_flag(a, "no-optimize"), .threads = c->threads };
    hn_tolerance tol = { HN_CMP_CLOSE, hn_arg_real(a, "rtol", 1e-3), hn_arg_real(a, "atol", 1e-5) };
    const char *suite = hn_arg_text(a, "suite", NULL), *cases = hn_arg_text(a, "cases", NULL);
    const char *lm = hn_arg_text(a, "lm", NULL);

    if ((suite != NULL) + (cases != NULL) + (lm != NULL) + (a->operand_count > 0) != 1)
        return hn_fail(&c->cx, HN_EARG, "give one of MODEL, --suite DIR, --cases FILE, --lm DIR");
    if (lm)
        return hn_verify_lm(c, lm, o.eval);
    if (suite)
        return hn_verify_suite(c, suite, &o, hn_arg_text(a, "report", NULL));
    if (!cases && hn_arg_count(a, "data") == 0 && hn_cli_is_package(c, a->operand[0]))
        return hn_cli_package_verify(c, a->operand[0]);
    if (!cases)
        return verify_model(c, a->operand[0], &o, tol);
    const char *models = hn_arg_text(a, "models", NULL);
    if (!models)
        return hn_fail(&c->cx, HN_EARG, "--cases also needs --models DIR, where the models lie");
    return hn_verify_cases(c, cases, models, &o);
}

static const hn_operand operands[] = {
    { "MODEL", HN_OPT_FILE, HN_OPTIONAL, "the model or package to check", NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "data", 'd', HN_OPT_DIR, "DIR", "expected results: an ONNX test folder, .npy files, or a golden folder", NULL, 0, 0 },
    { "suite", 0, HN_OPT_DIR, "DIR", "walk a tree of tests, each a folder with model.onnx", NULL, 0, 0 },
    { "report", 0, HN_OPT_FILE, "FILE", "with --suite: write operator support as Markdown", NULL, 0, 0 },
    { "cases", 0, HN_OPT_FILE, "FILE", "an index.json of recorded runs of real models", NULL, 0, 0 },
    { "models", 0, HN_OPT_DIR, "DIR", "with --cases: where the models lie", NULL, 0, 0 },
    { "lm", 0, HN_OPT_DIR, "DIR", "every NAME.gguf there against NAME.json", NULL, 0, 0 },
    { "engine", 0, HN_OPT_CHOICE, "NAME", "what computes: the compiled plan, or the plain evaluator", "plan eval", 0, 0 },
    { "no-optimize", 0, HN_OPT_FLAG, NULL, "leave the graph as it is in the file", NULL, 0, 0 },
    { "rtol", 0, HN_OPT_REAL, "X", "relative tolerance (default 1e-3)", NULL, 0, 1e9 },
    { "atol", 0, HN_OPT_REAL, "X", "absolute tolerance (default 1e-5)", NULL, 0, 1e9 },
    { 0 }
};

const hn_command hn_command_verify = {
    .name = "verify",
    .summary = "check a model against expected results",
    .example = "hone verify model.onnx --data test_data",
    .help = "Runs the model on recorded inputs and compares every output: largest absolute and relative\n"
            "difference, and whether |got - expected| <= atol + rtol |expected| throughout.\n\n"
            "--suite runs every test below a folder, each in a process of its own so that one crash\n"
            "costs one test, with ONNX's tolerances (1e-3 relative, 1e-7 absolute).\n\n"
            "--cases reads recorded runs of whole models; floats must lie within 1e-4 of the output's\n"
            "range, 8-bit outputs within one step for 99.9 % of the elements and two for the rest, class\n"
            "ids equal for 99.9 %.\n\n"
            "--lm reads recorded logits of language models: whole prompts at once and token by token must\n"
            "agree with each other bit for bit, and with the record.",
    .operand = operands, .opt = opts, .reports = true,
    .exits = "0 everything agrees, 1 something does not",
    .run = run,
};
