/* SPDX-License-Identifier: Apache-2.0 */
/* package_record.c: runs the model that is packaged, and writes down what it did. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/process.h"
#include "fleet/oci.h"
#include "fleet/package_impl.h"
#include "graph/op.h"

enum { MADE_UP = 3, RUNS_MAX = 200, INPUTS_MAX = 16 };
#define MEASURE_NS ((uint64_t)1000000000)       /* as long as it repeats runs to measure */
#define RANGE_TOLERANCE 1e-3                    /* of the outputs' range: other processors round otherwise */

static json_t *ports(const hn_graph *g, hn_value *const *value, size_t count)
{
    json_t *list = json_array();
    (void)g;
    for (size_t i = 0; i < count; i++) {
        json_t *shape = json_array();
        const hn_shape *s = &value[i]->t.shape;
        for (int d = 0; d < s->rank; d++)
            json_array_append_new(shape, json_integer(hn_is_symbol(s->dim[d]) ? -1 : s->dim[d]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", value[i]->name, "dtype",
                                              hn_dtype_name(value[i]->t.dtype), "shape", shape));
    }
    return list;
}

static json_t *op_set(const hn_graph *g)
{
    json_t *seen = json_object(), *list = json_array(), *unused;
    const char *name;
    for (size_t i = 0; i < g->node_count; i++)
        json_object_set_new(seen, g->node[i]->op->name, json_true());
    json_object_foreach(seen, name, unused)
        json_array_append_new(list, json_string(name));
    json_decref(seen);
    return list;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Repeats a run for about a second and tells the middle and the slow end. */
static hn_err measure(hn_ctx *cx, hn_probe *p, const hn_tensors *in, hn_package_report *r)
{
    double ms[RUNS_MAX];
    size_t n = 0;
    hn_tensors out;
    for (uint64_t begin = hn_now_ns(); n < RUNS_MAX && (n < 5 || hn_now_ns() - begin < MEASURE_NS); n++) {
        uint64_t t = hn_now_ns();
        HN_TRY(hn_probe_run(cx, p, in, &out));
        ms[n] = hn_ms(hn_now_ns() - t);
    }
    qsort(ms, n, sizeof *ms, by_size);
    r->p50_ms = ms[n / 2];
    r->p95_ms = ms[hn_min(n - 1, n * 95 / 100)];
    return HN_OK;
}

static hn_err add_part(hn_ctx *cx, hn_arena *a, hn_part *part, size_t *count, const char *path, hn_buf *b)
{
    const char *data = hn_arena_text(a, b->data ? b->data : "", b->len);
    if (!path || !data)
        return hn_nomem(cx, "a recording");
    return hn_part_add(cx, part, count, (hn_part){ .path = path, .role = "golden", .data = data, .size = b->len });
}

static double tolerance(const hn_package_opts *o, const hn_tensors *out)
{
    double atol = 0;
    if (o->atol >= 0)
        return o->atol;
    for (size_t i = 0; i < out->count; i++) {
        hn_spread s = hn_tensor_spread(&out->t[i]);
        bool real = !hn_is_list(out->t[i].dtype) && hn_is_float(out->t[i].dtype);
        bool byte = !hn_is_list(out->t[i].dtype) && hn_is_integer(out->t[i].dtype) &&
            hn_dtype_bits(out->t[i].dtype) == 8;
        atol = fmax(atol, real ? RANGE_TOLERANCE * (s.most - s.least) + 1e-6 : byte ? 2 : 0);
    }
    return atol;
}

static void add_spread(json_t *list, const char *name, const hn_tensor *t)
{
    hn_spread s = hn_tensor_spread(t);
    json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:f}", "name", name, "mean", s.mean, "deviation",
                                          s.deviation, "min", s.least, "max", s.most));
}

typedef struct recorder {
    hn_ctx *cx;
    const hn_package_opts *o;
    hn_arena *a;
    hn_part *part;
    size_t *count;
    hn_probe *p;
    json_t *vectors, *spread;
} recorder;

static hn_err record_one(recorder *r, size_t i, const hn_tensors *in)
{
    hn_buf inputs = { .cx = r->cx }, outputs = { .cx = r->cx };
    hn_tensors out;
    HN_TRY(hn_probe_run(r->cx, r->p, in, &out));
    hn_err e = hn_tensors_write(r->cx, in, &inputs);
    if (!e)
        e = hn_tensors_write(r->cx, &out, &outputs);
    const char *in_name = hn_arena_printf(r->a, "golden/%zu.in", i),
        *out_name = hn_arena_printf(r->a, "golden/%zu.out", i);
    if (!e)
        e = add_part(r->cx, r->a, r->part, r->count, in_name, &inputs);
    if (!e)
        e = add_part(r->cx, r->a, r->part, r->count, out_name, &outputs);
    if (!e) {
        json_array_append_new(r->vectors, json_pack("{s:s, s:s, s:f, s:f}", "input", in_name, "output", out_name,
                                                    "atol", tolerance(r->o, &out), "rtol", r->o->rtol));
        const hn_graph *g = hn_probe_graph(r->p);
        bool lm = hn_probe_is_lm(r->p);
        for (size_t k = 0; i == 0 && k < in->count; k++)
            add_spread(r->spread, lm ? "ids" : g->in[k]->name, &in->t[k]);
        for (size_t k = 0; i == 0 && k < out.count; k++)
            add_spread(r->spread, lm ? "logits" : g->out[k]->name, &out.t[k]);
    }
    hn_buf_free(&inputs);
    hn_buf_free(&outputs);
    return e;
}

static hn_err record_all(recorder *r, hn_package_report *report)
{
    hn_tensors made[MADE_UP];
    const hn_tensors *in = r->o->input;
    size_t n = r->o->input_count;
    if (n == 0) {
        for (n = 0; n < MADE_UP; n++)
            HN_TRY(hn_probe_inputs(r->cx, r->p, n + 1, r->a, &made[n]));
        in = made;
    }
    for (size_t i = 0; i < n && i < INPUTS_MAX; i++)
        HN_TRY(record_one(r, i, &in[i]));
    report->vectors = n < INPUTS_MAX ? n : INPUTS_MAX;
    return measure(r->cx, r->p, &in[0], report);
}

/* Files the model names go along by those names, so that the device finds them where it looks. */
static hn_err add_weights(recorder *r, uint64_t *bytes)
{
    const char *name;
    for (size_t i = 0; (name = hn_probe_beside(r->p, i)); i++) {
        while (name[0] == '.' && name[1] == '/')
            name += 2;
        const char *path = hn_arena_text(r->a, name, strlen(name));
        const char *from = hn_arena_printf(r->a, "%.*s%s", (int)hn_path_dir_len(r->o->model), r->o->model, name);
        if (!path || !from)
            return hn_nomem(r->cx, "a file of weights");
        HN_TRY(hn_part_add(r->cx, r->part, r->count, (hn_part){ .path = path, .role = "weights", .from = from }));
        *bytes += r->part[*r->count - 1].size;
    }
    return HN_OK;
}

static json_t *texts(const char *const *text, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(text[i]));
    return list;
}

static void fill_manifest(recorder *r, json_t *m, const hn_package_report *report, uint64_t model_bytes)
{
    static const char *const cpus[] = { "x86_64", "aarch64", "armv7l" };
    const hn_package_opts *o = r->o;
    const hn_graph *g = hn_probe_graph(r->p);
    uint64_t mib = 1 << 20, ram = (report->ram_bytes + model_bytes + mib - 1) / mib * mib;
    json_object_set_new(m, "framework", json_string(hn_probe_format(r->p)));
    json_object_set_new(m, "inputs", ports(g, g->in, g->in_count));
    json_object_set_new(m, "outputs", ports(g, g->out, g->out_count));
    json_t *needs = json_pack("{s:I, s:I, s:o, s:[], s:[s], s:s, s:o}", "min_ram_bytes", (json_int_t)ram,
                              "min_free_disk_bytes", (json_int_t)(2 * model_bytes), "cpu_any",
                              o->cpu_count ? texts(o->cpu, o->cpu_count) : texts(cpus, sizeof cpus / sizeof *cpus),
                              "cpu_features", "delegates_any", "cpu", "min_runtime", hn_device_here(".").runtime,
                              "op_set", op_set(g));
    json_object_set_new(m, "requires", needs);
    json_t *health = json_pack("{s:O, s:i, s:I, s:O}", "vectors", r->vectors, "trial_runs",
                               o->trial_runs ? (int)o->trial_runs : 20, "max_ram_bytes",
                               (json_int_t)(2 * ram + 32 * mib), "distribution", r->spread);
    if (o->load_ms_max > 0)
        json_object_set_new(health, "max_load_ms", json_real(o->load_ms_max));
    if (o->drift_max > 0)
        json_object_set_new(health, "max_drift", json_real(o->drift_max));
    if (o->p95_ms_max > 0)
        json_object_set_new(health, "max_p95_ms", json_real(o->p95_ms_max));
    json_object_set_new(m, "health", health);
}

hn_err hn_package_record(hn_ctx *cx, const hn_package_opts *o, hn_arena *a, hn_part *part, size_t *count,
                         json_t *manifest,
                         hn_package_report *report)
{
    recorder r = { .cx = cx, .o = o, .a = a, .part = part, .count = count, .vectors = json_array(),
                   .spread = json_array() };
    size_t before = hn_private_bytes();
    uint64_t t = hn_now_ns(), model_bytes = part[0].size;
    hn_err e = hn_probe_open(cx, o->model, &r.p);
    report->load_ms = hn_ms(hn_now_ns() - t);
    if (!e)
        e = add_weights(&r, &model_bytes);
    if (!e)
        e = record_all(&r, report);
    size_t after = hn_private_bytes();
    report->ram_bytes = after > before ? after - before : 0;
    if (!e) {
        const hn_graph *g = hn_probe_graph(r.p);
        for (size_t i = 0; i < g->value_count; i++)
            if (hn_is_const(g->value[i]) && !hn_is_list(g->value[i]->t.dtype))
                report->parameters += hn_count(&g->value[i]->t);
        fill_manifest(&r, manifest, report, model_bytes);
    }
    hn_probe_close(r.p);
    json_decref(r.vectors);
    json_decref(r.spread);
    return e;
}
