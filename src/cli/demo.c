/* SPDX-License-Identifier: Apache-2.0 */
/* hone demo: the main job, shown on a model and pictures that the program carries. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/num.h"
#include "cli/demo.h"
#include "cli/labels.h"
#include "cli/media.h"
#include "cli/table.h"
#include "cost/machine.h"
#include "formats/npy.h"

#define MODEL "models/demo/pictograms.onnx"
#define PICTURES "models/demo/pictures/"
#define GOLDENS "models/demo/goldens/"
#define SIDE 64                       /* of the model's input */
#define RUNS_PER_PICTURE 40
#define GOLDEN_TOLERANCE 1e-5         /* softmax outputs: sums in another order move the last digits */

typedef struct demo {
    hn_cli *c;
    hone_ctx *ctx;
    hone_model *model;
    hone_session *session;
    hn_arena *memory;
    hn_labels labels;
    float *pixels;                    /* [1, 3, SIDE, SIDE] */
    hn_demo_findings f;
} demo;

/* A failure of the public interface, in the command's words. */
static hn_err check(demo *d, hone_status s, const hone_error *err)
{
    return s ? hn_fail(&d->c->cx, (hn_err)s, "%s", err->message) : HN_OK;
}

static hn_err load_json(demo *d, const char *path, json_t **out)
{
    hn_embedded file;
    json_error_t why;
    if (!hn_embedded_find(path, &file))
        return hn_fail(&d->c->cx, HN_EIO, "%s is not in this build", path);
    *out = json_loadb((const char *)file.data, file.len, JSON_REJECT_DUPLICATES, &why);
    return *out ? HN_OK : hn_fail(&d->c->cx, HN_EFORMAT, "%s:%d: %s", path, why.line, why.text);
}

static hn_err start(demo *d)
{
    hone_error err;
    hn_embedded model;
    hone_ctx_opts co = { .size = sizeof co, .threads = d->c->threads ? d->c->threads : 1 };
    if (!hn_embedded_find(MODEL, &model))
        return hn_fail(&d->c->cx, HN_EIO, MODEL " is not in this build");
    HN_TRY(hn_arena_new(&d->c->cx, 0, &d->memory));
    HN_TRY(check(d, hone_ctx_new(&co, &d->ctx, &err), &err));
    HN_TRY(check(d, hone_model_open_memory(d->ctx, model.data, model.len, NULL, &d->model, &err), &err));
    HN_TRY(check(d, hone_session_new(d->model, NULL, &d->session, &err), &err));
    d->pixels = HN_NEW(d->memory, float, 3 * SIDE * SIDE);
    if (!d->pixels)
        return hn_nomem(&d->c->cx, "a picture");
    HN_TRY(check(d, hone_session_set_input(d->session, 0, d->pixels, 3 * SIDE * SIDE * sizeof(float), &err), &err));
    d->f.threads = co.threads;
    return hn_labels_read(&d->c->cx, NULL, d->model->source.graph, d->memory, &d->labels);
}

static hn_err run_once(demo *d, const float **out)
{
    hone_error err;
    const void *data;
    HN_TRY(check(d, hone_session_run(d->session, &err), &err));
    hone_session_output(d->session, 0, &data, NULL);
    *out = data;
    return HN_OK;
}

/* ---- Pictures ------------------------------------------------------------------------------------ */

static hn_err prepare(demo *d, const hn_embedded *file)
{
    const hn_media *media;
    hn_image image;
    hn_prepare how = { .w = SIDE, .h = SIDE, .order = HN_ORDER_RGB, .layout = HN_PIXELS_NCHW, .antialias = true,
                       .scale = 1.0 / 255 };
    hn_tensor t = { HN_F32, { 4, { 1, 3, SIDE, SIDE } }, d->pixels };
    HN_TRY(hn_media_open(&d->c->cx, &media));
    HN_TRY(media->open_memory(&d->c->cx, file->data, file->len, 0, &image));
    hn_err e = media->prepare(&d->c->cx, &image, &how, &t, NULL);
    media->free(&d->c->cx, &image);
    return e;
}

static hn_err recognise(demo *d, hn_demo_shown *s)
{
    const float *out = NULL;
    double score[256];
    size_t top[HN_DEMO_TOP];
    if (d->labels.count < HN_DEMO_TOP || d->labels.count > 256)
        return hn_fail(&d->c->cx, HN_EFORMAT, "the demo model carries %zu labels", d->labels.count);
    HN_TRY(prepare(d, &s->picture));
    for (int i = 0; i < RUNS_PER_PICTURE; i++) {
        uint64_t begin = hn_now_ns();
        HN_TRY(run_once(d, &out));
        d->f.us[d->f.runs++] = (double)(hn_now_ns() - begin) * 1e-3;
    }
    for (size_t i = 0; i < d->labels.count; i++)
        score[i] = (double)out[i];
    hn_top(score, d->labels.count, HN_DEMO_TOP, top);
    for (int i = 0; i < HN_DEMO_TOP; i++) {
        s->label[i] = d->labels.name[top[i]];
        s->score[i] = score[top[i]];
    }
    d->f.right += strcmp(s->label[0], s->truth) == 0;
    return HN_OK;
}

static hn_err show_pictures(demo *d)
{
    json_t *index;
    HN_TRY(load_json(d, PICTURES "index.json", &index));
    json_t *list = json_object_get(index, "pictures");
    size_t n = json_array_size(list);
    d->f.shown = HN_NEW(d->memory, hn_demo_shown, n);
    d->f.us = HN_NEW(d->memory, double, n * RUNS_PER_PICTURE);
    hn_err e = d->f.shown && d->f.us ? HN_OK : hn_nomem(&d->c->cx, "pictures");
    for (size_t i = 0; i < n && !e; i++) {
        const char *file = NULL, *label = NULL;
        hn_demo_shown *s = &d->f.shown[d->f.count++];
        json_unpack(json_array_get(list, i), "{s:s, s:s}", "file", &file, "label", &label);
        char *path = file && label ? hn_arena_printf(d->memory, PICTURES "%s", file) : NULL;
        s->truth = label ? hn_arena_text(d->memory, label, strlen(label)) : NULL;
        if (!path || !s->truth || !hn_embedded_find(path, &s->picture))
            e = hn_fail(&d->c->cx, HN_EFORMAT, PICTURES "index.json: entry %zu names no picture", i);
        else
            e = recognise(d, s);
        if (!e && !d->c->json)
            printf("%4.0f %%  %-18s %s\n", s->score[0] * 100, s->label[0],
                   strcmp(s->label[0], s->truth) == 0 ? "" : s->truth);
    }
    json_decref(index);
    return e;
}

/* ---- Goldens -------------------------------------------------------------------------------------- */

static hn_err read_golden(demo *d, const char *file, hn_tensor *out)
{
    hn_embedded found;
    char *path = file ? hn_arena_printf(d->memory, GOLDENS "%s", file) : NULL;
    if (!path || !hn_embedded_find(path, &found))
        return hn_fail(&d->c->cx, HN_EFORMAT, GOLDENS "index.json names a file that is not there");
    return hn_npy_read(&d->c->cx, found.data, found.len, d->memory, out);
}

static hn_err verify_golden(demo *d, const json_t *item)
{
    const char *in = NULL, *want = NULL;
    hn_tensor x, y;
    const float *out;
    json_unpack((json_t *)(uintptr_t)item, "{s:{s:s}, s:{s:s}}", "inputs", "image", &in, "outputs", "probabilities", &want);
    HN_TRY(read_golden(d, in, &x));
    HN_TRY(read_golden(d, want, &y));
    if (x.dtype != HN_F32 || hn_count(&x) != 3 * SIDE * SIDE || y.dtype != HN_F32 || hn_count(&y) != d->labels.count)
        return hn_fail(&d->c->cx, HN_EFORMAT, GOLDENS "%s: not of the model's shape", in);
    memcpy(d->pixels, x.data, hn_bytes(&x));
    HN_TRY(run_once(d, &out));
    for (size_t i = 0; i < d->labels.count; i++)
        d->f.golden_diff = fmax(d->f.golden_diff, fabs((double)out[i] - (double)((const float *)y.data)[i]));
    d->f.goldens++;
    return HN_OK;
}

static hn_err verify_goldens(demo *d)
{
    json_t *index;
    HN_TRY(load_json(d, GOLDENS "index.json", &index));
    const json_t *cases = json_object_get(index, "cases");
    hn_err e = HN_OK;
    for (size_t i = 0; i < json_array_size(cases) && !e; i++)
        e = verify_golden(d, json_array_get(cases, i));
    json_decref(index);
    if (!e && !(d->f.golden_diff <= GOLDEN_TOLERANCE))
        e = hn_fail(&d->c->cx, HN_ENO, "outputs differ from the goldens by %g, more than %g", d->f.golden_diff,
                    GOLDEN_TOLERANCE);
    return e;
}

/* ---- Figures, page, what next ------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static hn_err measure(demo *d)
{
    const hn_plan *p = d->session->shared->plan;
    hn_peak peak;
    HN_TRY(hn_peak_measure(&d->c->cx, p->k, d->ctx->env.pool, false, &peak));
    qsort(d->f.us, d->f.runs, sizeof *d->f.us, by_size);
    d->f.gflops = 2 * p->stats.macs / d->f.us[d->f.runs / 2] * 1e-3;
    d->f.peak_gflops = peak.gflops;
    d->f.arena_bytes = p->stats.arena_bytes;
    d->f.packed_bytes = p->stats.packed_bytes;
    d->f.isa = p->k->isa;
    return HN_OK;
}

static hn_err write_page(demo *d, const char *path)
{
    hn_buf b = { .cx = &d->c->cx };
    hn_demo_page(&b, &d->f);
    hn_err e = hn_buf_ok(&b, "the page");
    if (!e)
        e = hn_file_write(&d->c->cx, path, b.data, b.len);
    hn_buf_free(&b);
    return e;
}

static hn_err tell(demo *d, const char *page)
{
    const hn_demo_findings *f = &d->f;
    if (d->c->json)
        return hn_json_print(&d->c->cx, json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:s}", "shown", (json_int_t)f->count,
            "right", (json_int_t)f->right, "p50_us", f->us[f->runs / 2], "p90_us", f->us[f->runs * 9 / 10], "peak_percent",
            100 * f->gflops / f->peak_gflops, "golden_diff", f->golden_diff, "arena_bytes", (json_int_t)f->arena_bytes,
            "packed_bytes", (json_int_t)f->packed_bytes, "page", page));
    printf("\n%zu of %zu right; pictures the model never saw, rendered by our own script\n", f->right, f->count);
    printf("%zu goldens of a reference runtime agree, largest difference %.2g\n", f->goldens, f->golden_diff);
    printf("median %.0f us, 90th percentile %.0f us: %.1f GFLOP/s, %.0f %% of this machine's measured peak (%u thread%s, %s)\n",
           f->us[f->runs / 2], f->us[f->runs * 9 / 10], f->gflops, 100 * f->gflops / f->peak_gflops, f->threads,
           f->threads == 1 ? "" : "s", f->isa);
    printf("%.0f kB of activations in one block, %.0f kB of packed weights\n", (double)f->arena_bytes * 1e-3,
           (double)f->packed_bytes * 1e-3);
    printf("page: %s\n\nthree things to try next\n"
           "  hone demo --save pictograms              write the model and its pictures there\n"
           "  hone run pictograms/pictograms.onnx -i pictograms/04-house.png\n"
           "  hone bench pictograms/pictograms.onnx --threads 1 --profile\n", page);
    return HN_OK;
}

/* Model, labels and pictures as files, for the other commands to work on. */
static hn_err save(hn_cli *c, const char *dir)
{
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return hn_fail(&c->cx, HN_EIO, "%s: cannot be made: %s", dir, strerror(errno));
    for (size_t i = 0; i < hn_embedded_count(); i++) {
        hn_embedded f = hn_embedded_at(i);
        char path[4096];
        if (strncmp(f.path, "models/demo/", 12) != 0 || strncmp(f.path, GOLDENS, strlen(GOLDENS)) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, strrchr(f.path, '/') + 1);
        HN_TRY(hn_file_write(&c->cx, path, f.data, f.len));
    }
    printf("%s: the model, its labels and pictures\n", dir);
    return HN_OK;
}

static hn_err run(hn_cli *c)
{
    demo d = { .c = c };
    const char *page = hn_arg_text(&c->args, "html", "hone-demo.html"), *dir = hn_arg_text(&c->args, "save", NULL);
    if (dir)
        return save(c, dir);
    hn_err e = start(&d);
    if (!e)
        e = show_pictures(&d);
    if (!e)
        e = verify_goldens(&d);
    if (!e)
        e = measure(&d);
    if (!e)
        e = write_page(&d, page);
    if (!e)
        e = tell(&d, page);
    hone_session_free(d.session);
    hone_model_close(d.model);
    hone_ctx_free(d.ctx);
    hn_arena_free(d.memory);
    return e;
}

static const hn_opt opts[] = {
    { "html", 0, HN_OPT_FILE, "FILE", "where the page goes (default hone-demo.html)", NULL, 0, 0 },
    { "save", 0, HN_OPT_DIR, "DIR", "write the model and its pictures there and stop", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_demo = {
    .name = "demo",
    .summary = "see it work: the built-in model on the built-in pictures",
    .example = "hone demo",
    .help = "Recognises 24 pictures with a small classifier that the program carries, checks the results against\n"
            "recorded goldens, measures, and writes a page with pictures, answers and latencies.",
    .opt = opts, .reports = true,
    .exits = "0 done, 1 the goldens do not agree",
    .run = run,
};
