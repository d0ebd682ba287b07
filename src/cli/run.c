/* SPDX-License-Identifier: Apache-2.0 */
/* hone run: a model on a file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/detect.h"
#include "cli/dims.h"
#include "cli/input.h"
#include "cli/labels.h"
#include "cli/media.h"
#include "cli/runner.h"
#include "cli/stream.h"
#include "cli/table.h"
#include "formats/npy.h"

typedef struct job {
    hn_cli *c;
    hn_runner r;
    hn_arena *memory;
    hn_tensor *in;
    hn_shown shown;
    hn_labels labels;
    double ms;
} job;

/* ---- What came out --------------------------------------------------------------------------------- */

/* One score per class: a vector, with leading ones. */
static bool is_scores(const hn_tensor *t)
{
    const hn_shape *s = &t->shape;
    int class = hn_dtype_class(t->dtype);
    if (s->rank < 1 || (class != HN_CLASS_F && hn_dtype_bits(t->dtype) != 8))
        return false;
    for (int i = 0; i + 1 < s->rank; i++)
        if (s->dim[i] != 1)
            return false;
    return s->dim[s->rank - 1] >= 2;
}

static hn_err top_rows(job *j, const char *name, const hn_tensor *t, json_t **out)
{
    size_t n = hn_count(t), k = (size_t)hn_arg_int(&j->c->args, "top", 5);
    double *score = HN_NEW(j->memory, double, n);
    size_t *index = HN_NEW(j->memory, size_t, n);
    if (!score || !index)
        return hn_nomem(&j->c->cx, "the report");
    if (j->labels.count && j->labels.count != n)
        return hn_fail(&j->c->cx, HN_EARG, "%s has %zu labels, output '%s' has %zu classes", j->labels.source,
                       j->labels.count, name, n);
    hn_get_f64(t, 0, n, score);
    if (k > n)
        k = n;
    hn_top(score, n, k, index);
    *out = json_array();
    for (size_t i = 0; i < k; i++) {
        json_t *row = json_pack("{s:I, s:f}", "class", (json_int_t)index[i], "score", score[index[i]]);
        if (j->labels.count)
            json_object_set_new(row, "label", json_string(j->labels.name[index[i]]));
        json_array_append_new(*out, row);
    }
    return HN_OK;
}

/* Smallest, largest, mean: enough to see whether a tensor is alive. */
static json_t *summary(const hn_tensor *t)
{
    double low = INFINITY, high = -INFINITY, sum = 0, v[256];
    size_t n = hn_count(t);
    char shape[HN_SHAPE_TEXT];
    json_t *first = json_array();
    for (size_t i = 0; i < n; i += 256) {
        size_t m = n - i < 256 ? n - i : 256;
        hn_get_f64(t, i, m, v);
        for (size_t k = 0; k < m; k++) {
            low = fmin(low, v[k]);
            high = fmax(high, v[k]);
            sum += v[k];
            if (i + k < 8)
                json_array_append_new(first, isfinite(v[k]) ? json_real(v[k]) : json_null());
        }
    }
    json_t *j = json_pack("{s:s, s:s, s:o}", "dtype", hn_dtype_name(t->dtype), "shape", hn_shape_text(&t->shape, shape),
                          "first", first);
    if (n && isfinite(low) && isfinite(high)) {
        json_object_set_new(j, "min", json_real(low));
        json_object_set_new(j, "max", json_real(high));
        json_object_set_new(j, "mean", json_real(sum / (double)n));
    }
    return j;
}

static hn_err save_outputs(job *j, const char *dir)
{
    const hn_graph *g = j->r.src.graph;
    for (size_t i = 0; i < g->out_count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/output_%zu.npy", dir, i);
        hn_buf b = { .cx = &j->c->cx };
        hn_err e = hn_npy_write(&j->c->cx, &j->r.out[i], &b);
        if (!e)
            e = hn_file_write(&j->c->cx, path, b.data, b.len);
        hn_buf_free(&b);
        HN_TRY(e);
    }
    return HN_OK;
}

static void print_top(const char *name, size_t outputs, json_t *rows)
{
    if (outputs > 1)
        printf("%s:\n", name);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i), *label = json_object_get(row, "label");
        printf("%9.4f  ", json_real_value(json_object_get(row, "score")));
        if (label)
            printf("%s\n", json_string_value(label));
        else
            printf("class %lld\n", (long long)json_integer_value(json_object_get(row, "class")));
    }
}

static void print_summary(const char *name, const json_t *s)
{
    const json_t *first = json_object_get(s, "first");
    printf("%s: %s %s", name, json_string_value(json_object_get(s, "dtype")), json_string_value(json_object_get(s, "shape")));
    if (json_object_get(s, "min"))
        printf(", min %g, max %g, mean %g", json_real_value(json_object_get(s, "min")),
               json_real_value(json_object_get(s, "max")), json_real_value(json_object_get(s, "mean")));
    printf("\n   ");
    for (size_t i = 0; i < json_array_size(first); i++)
        printf(" %g", json_real_value(json_array_get(first, i)));
    puts(json_array_size(first) == 8 ? " ..." : "");
}

static hn_err tell(job *j)
{
    const hn_graph *g = j->r.src.graph;
    json_t *all = json_object();
    hn_err e = HN_OK;
    for (size_t i = 0; i < g->out_count && !e; i++) {
        const hn_tensor *t = &j->r.out[i];
        const char *name = g->out[i]->name;
        json_t *item = summary(t), *rows = NULL;
        json_object_set_new(all, name, item);
        if (is_scores(t)) {
            e = top_rows(j, name, t, &rows);
            if (!e && !j->c->json)
                print_top(name, g->out_count, rows);
            json_object_set_new(item, "top", rows);
        } else if (!j->c->json) {
            print_summary(name, item);
        }
    }
    if (!e && j->c->json)
        return hn_json_print(&j->c->cx, json_pack("{s:f, s:o}", "ms", j->ms, "outputs", all));
    json_decref(all);
    return e;
}

/* ---- The command ------------------------------------------------------------------------------------- */

static hn_err work(job *j)
{
    hn_cli *c = j->c;
    hn_ctx *cx = &c->cx;
    hn_runner_opts o = { .threads = c->threads };
    const char *dir = hn_arg_text(&c->args, "out", NULL), *draw = hn_arg_text(&c->args, "draw", NULL);

    HN_TRY(hn_runner_open(cx, c->args.operand[0], &o, &j->r));
    const hn_graph *g = j->r.src.graph;
    HN_TRY(hn_arena_new(cx, 0, &j->memory));
    HN_TRY(hn_labels_read(cx, hn_arg_text(&c->args, "labels", NULL), g, j->memory, &j->labels));
    j->in = HN_NEW(j->memory, hn_tensor, g->in_count);
    if (!j->in)
        return hn_nomem(cx, "inputs");
    bool stateful = hn_arg_flag(&c->args, "stateful");
    hn_heard heard = { 0 };
    HN_TRY(hn_inputs_read(c, g, j->memory, j->in, &j->shown, stateful ? &heard : NULL));
    if (stateful)
        return hn_stream(c, &j->r, j->memory, j->in, &heard);
    HN_TRY(hn_runner_prepare(cx, &j->r, j->in));
    uint64_t begin = hn_now_ns();
    HN_TRY(hn_runner_run(cx, &j->r, j->in));
    j->ms = hn_ms(hn_now_ns() - begin);
    if (dir)
        HN_TRY(save_outputs(j, dir));
    if (hn_arg_flag(&c->args, "detect") || draw)
        return hn_detect(c, g, j->r.out, j->in, &j->shown, &j->labels, j->memory, draw);
    return tell(j);
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c };
    hn_err e = work(&j);
    const hn_media *media;
    if (j.shown.given && hn_media_open(&c->cx, &media) == HN_OK)
        media->free(&c->cx, &j.shown.image);
    hn_arena_free(j.memory);
    hn_runner_close(&j.r);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "the model to run", NULL }, { 0 } };

static const hn_opt opts[] = {
    HN_INPUT_OPTS,
    HN_STREAM_OPTS,
    { "labels", 'l', HN_OPT_FILE, "FILE", "class names, one per line (default: those in the model)", NULL, 0, 0 },
    { "top", 'k', HN_OPT_INT, "K", "classes to show (default 5)", NULL, 1, 100000 },
    { "out", 'o', HN_OPT_DIR, "DIR", "write the outputs there as output_N.npy", NULL, 0, 0 },
    { "detect", 0, HN_OPT_FLAG, NULL, "read the outputs as boxes and scores; show what was found", NULL, 0, 0 },
    { "threshold", 0, HN_OPT_REAL, "X", "with --detect: lowest score (default 0.5)", NULL, 0, 1 },
    { "draw", 0, HN_OPT_FILE, "FILE", "with --detect: write the picture with its boxes (PNG)", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_run = {
    .name = "run",
    .summary = "run a model on a picture or on tensors",
    .example = "hone run model.onnx -i cat.jpg --labels labels.txt",
    .help = "Pictures (JPEG, PNG, BMP) are resized to what the model takes and become numbers:\n"
            "(pixel * scale - mean) / std.  Tensors come as .npy, ONNX .pb or raw bytes.\n\n"
            "Outputs that look like one score per class are shown best first, others as a summary; --out\n"
            "writes them whole.  Labels, size and scale that a model carries in its own metadata are used.\n\n"
            "With --stateful a WAV file is fed piece by piece to a model that remembers: its state starts at 0\n"
            "and goes from step to step.  Each step shows its time and the first output; --out writes all steps\n"
            "one behind another, --wav what comes out as sound.  An input called sr or ...rate gets the file's.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
