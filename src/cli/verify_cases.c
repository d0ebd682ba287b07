/* SPDX-License-Identifier: Apache-2.0 */
/* verify_cases.c: recorded runs of whole models.
 *
 * An index maps a case's name to the model, the step, inputs and outputs with their types,
 * dimensions and raw little-endian files.  "chained": {"1": 1} says that input 1 of a step is
 * output 1 of the step before: there we feed what we computed ourselves, so that errors that add
 * up over steps show. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "cli/table.h"
#include "cli/verify.h"

typedef struct walk {
    hn_cli *c;
    const char *dir, *models;
    const hn_runner_opts *o;
    hn_runner r;
    char open[256];                  /* the model r holds, "" for none */
    hn_arena *memory;                /* one case's data */
    hn_arena *state[2];              /* chained outputs: of the last step, and of this one */
    hn_tensor *last; size_t last_count;
    json_t *rows;
    size_t passed, failed, unsupported;
} walk;

static hn_err read_tensor(walk *w, const json_t *spec, hn_tensor *out)
{
    hn_ctx *cx = &w->c->cx;
    const char *type = json_string_value(json_object_get(spec, "dtype"));
    const char *file = json_string_value(json_object_get(spec, "file"));
    const json_t *dims = json_object_get(spec, "dims");
    char path[4096];
    hn_file f;

    if (!type || !file || !json_is_array(dims) || json_array_size(dims) > HN_RANK_MAX ||
        !hn_path_stays_inside(file, strlen(file)))
        return hn_fail(cx, HN_EFORMAT, "a tensor needs dtype, dims and file");
    *out = (hn_tensor){ .dtype = hn_dtype_from_name(type), .shape.rank = (int)json_array_size(dims) };
    for (int i = 0; i < out->shape.rank; i++)
        out->shape.dim[i] = json_integer_value(json_array_get(dims, (size_t)i));
    if (out->dtype == HN_NONE || !hn_shape_known(&out->shape))
        return hn_fail(cx, HN_EFORMAT, "%s: unknown type '%s' or bad dimensions", file, type);
    snprintf(path, sizeof path, "%s%s", w->dir, file);
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = HN_OK;
    if (f.len != hn_bytes(out))
        e = hn_fail(cx, HN_EFORMAT, "%s: expected %zu bytes, found %zu", path, hn_bytes(out), f.len);
    out->data = hn_arena_get(w->memory, f.len + 1, 64);
    if (!e && !out->data)
        e = hn_nomem(cx, "test data");
    if (!e && f.len)
        memcpy(out->data, f.data, f.len);
    hn_file_close(&f);
    return e;
}

static hn_err read_set(walk *w, const json_t *item, hn_testset *set)
{
    const json_t *in = json_object_get(item, "inputs"), *out = json_object_get(item, "outputs");
    set->in_count = json_array_size(in);
    set->want_count = json_array_size(out);
    set->in = HN_NEW(w->memory, hn_tensor, set->in_count);
    set->want = HN_NEW(w->memory, hn_tensor, set->want_count);
    if (!set->in || !set->want)
        return hn_nomem(&w->c->cx, "test data");
    for (size_t i = 0; i < set->in_count; i++)
        HN_TRY(read_tensor(w, json_array_get(in, i), &set->in[i]));
    for (size_t i = 0; i < set->want_count; i++)
        HN_TRY(read_tensor(w, json_array_get(out, i), &set->want[i]));
    return HN_OK;
}

static hn_err open_model(walk *w, const char *model)
{
    char path[4096];
    if (strcmp(w->open, model) == 0)
        return HN_OK;
    hn_runner_close(&w->r);
    w->open[0] = 0;
    w->last_count = 0;
    snprintf(path, sizeof path, "%s/%s", w->models, model);
    HN_TRY(hn_runner_open(&w->c->cx, path, w->o, &w->r));
    snprintf(w->open, sizeof w->open, "%s", model);
    return HN_OK;
}

/* A recording may hold a tensor's numbers without its dimensions: then the model says them. */
static void give_shape(const walk *w, hn_testset *set)
{
    const hn_graph *g = w->r.src.graph;
    for (size_t i = 0; i < set->in_count && i < g->in_count; i++) {
        const hn_shape *s = &g->in[i]->t.shape;
        if (set->in[i].shape.rank == 1 && hn_shape_known(s) && hn_shape_count(s) == hn_count(&set->in[i]))
            set->in[i].shape = *s;
    }
}

/* Puts our own outputs of the step before in place of recorded ones. */
static void chain(const walk *w, const json_t *chained, hn_testset *set)
{
    const char *key;
    json_t *from;
    json_object_foreach((json_t *)(uintptr_t)chained, key, from) {
        size_t in = (size_t)strtoul(key, NULL, 10), out = (size_t)json_integer_value(from);
        if (in < set->in_count && out < w->last_count && hn_shape_equal(&set->in[in].shape, &w->last[out].shape) &&
            set->in[in].dtype == w->last[out].dtype)
            set->in[in].data = w->last[out].data;
    }
}

static hn_err keep_outputs(walk *w)
{
    hn_arena *spare = w->state[0];
    w->state[0] = w->state[1];
    w->state[1] = spare;
    hn_arena_reset(spare);
    size_t n = w->r.src.graph->out_count;
    w->last = HN_NEW(spare, hn_tensor, n);
    if (!w->last)
        return hn_nomem(&w->c->cx, "a model's state");
    for (size_t i = 0; i < n; i++) {
        w->last[i] = w->r.out[i];
        w->last[i].data = hn_arena_get(spare, hn_bytes(&w->r.out[i]) + 1, 64);
        if (!w->last[i].data)
            return hn_nomem(&w->c->cx, "a model's state");
        if (hn_bytes(&w->r.out[i]))
            memcpy(w->last[i].data, w->r.out[i].data, hn_bytes(&w->r.out[i]));
    }
    w->last_count = n;
    return HN_OK;
}

static hn_err add_row(walk *w, const char *name, const char *output, double max_abs, double range, const char *verdict)
{
    json_t *row = json_pack("{s:s, s:s, s:f, s:f, s:s}", "case", name, "output", output, "max_abs", max_abs,
                            "range", range, "verdict", verdict);
    return json_array_append_new(w->rows, row) ? hn_nomem(&w->c->cx, "the report") : HN_OK;
}

static hn_err run_case(walk *w, const char *name, const json_t *item)
{
    static const hn_tolerance tol = { HN_CMP_RANGE, 0, 1e-4 };
    hn_ctx *cx = &w->c->cx;
    const char *model = json_string_value(json_object_get(item, "model"));
    hn_testset set = { .name = name };
    bool agree = false;

    if (!model)
        return hn_fail(cx, HN_EFORMAT, "case '%s' names no model", name);
    hn_arena_reset(w->memory);
    hn_err e = open_model(w, model);
    if (e == HN_EUNSUP || e == HN_EFORMAT) {
        w->unsupported++;
        return add_row(w, name, "-", 0, 0, cx->msg);
    }
    HN_TRY(e);
    HN_TRY(read_set(w, item, &set));
    give_shape(w, &set);
    if (json_integer_value(json_object_get(item, "step")) > 0)
        chain(w, json_object_get(item, "chained"), &set);
    hn_diff *diff = HN_NEW(w->memory, hn_diff, w->r.src.graph->out_count);
    if (!diff)
        return hn_nomem(cx, "the report");
    e = hn_testset_run(cx, &w->r, &set, tol, diff, &agree);
    if (e) {
        ++*(e == HN_EUNSUP ? &w->unsupported : &w->failed);
        return add_row(w, name, "-", 0, 0, cx->msg);
    }
    ++*(agree ? &w->passed : &w->failed);
    for (size_t i = 0; i < set.want_count; i++)
        HN_TRY(add_row(w, name, w->r.src.graph->out[i]->name, diff[i].max_abs, diff[i].range,
                       diff[i].agree ? "agree" : diff[i].why));
    return keep_outputs(w);
}

static hn_err walk_index(walk *w, const char *file, json_t *index)
{
    const char *name;
    json_t *item;
    hn_progress bar;
    size_t done = 0;
    hn_err e = HN_OK;

    if (json_object_size(index) == 0)
        return hn_fail(&w->c->cx, HN_EFORMAT, "%s: expected an object of cases", file);
    hn_progress_start(&bar, "verifying", json_object_size(index), w->c->quiet);
    json_object_foreach(index, name, item) {
        if (!e)
            e = run_case(w, name, item);
        hn_progress_step(&bar, ++done);
    }
    hn_progress_end(&bar);
    return e;
}

static hn_err print(walk *w)
{
    static const char *const columns[] = { "case", "output", "max_abs", "range", "verdict", NULL };
    if (w->c->json)
        return hn_json_print(&w->c->cx, json_pack("{s:O, s:I, s:I, s:I}", "results", w->rows, "passed",
                                                  (json_int_t)w->passed, "failed", (json_int_t)w->failed,
                                                  "unsupported", (json_int_t)w->unsupported));
    HN_TRY(hn_table_print(&w->c->cx, w->rows, columns, HN_TABLE_TEXT));
    printf("%zu passed, %zu failed, %zu unsupported\n", w->passed, w->failed, w->unsupported);
    return HN_OK;
}

hn_err hn_verify_cases(hn_cli *c, const char *file, const char *models, const hn_runner_opts *o)
{
    char dir[4096];
    json_t *index = NULL;
    walk w = { .c = c, .dir = dir, .models = models, .o = o, .rows = json_array() };

    snprintf(dir, sizeof dir, "%.*s", (int)hn_path_dir_len(file), file);
    hn_err e = hn_json_read(&c->cx, file, &index);
    if (!e)
        e = hn_arena_new(&c->cx, 0, &w.memory);
    for (int i = 0; i < 2 && !e; i++)
        e = hn_arena_new(&c->cx, 0, &w.state[i]);
    if (!e)
        e = walk_index(&w, file, index);
    if (!e)
        e = print(&w);
    hn_runner_close(&w.r);
    hn_arena_free(w.memory);
    hn_arena_free(w.state[0]);
    hn_arena_free(w.state[1]);
    json_decref(index);
    json_decref(w.rows);
    return e ? e : hn_verdict(c, w.failed);
}
