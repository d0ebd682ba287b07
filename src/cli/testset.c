/* SPDX-License-Identifier: Apache-2.0 */
/* testset.c: expected results from folders. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/table.h"
#include "cli/verify.h"
#include "formats/npy.h"
#include "formats/onnx_data.h"

#define FILES_MAX 4096

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* The file's bytes go to the arena first: readers leave data where it lies. */
hn_err hn_tensor_file_read(hn_ctx *cx, const char *path, hn_dtype like, hn_arena *a, hn_tensor *out)
{
    hn_file f;
    HN_TRY(hn_file_open(cx, path, &f));
    size_t len = f.len;
    void *data = hn_arena_get(a, len + 1, 64);
    if (data && len)
        memcpy(data, f.data, len);
    hn_file_close(&f);
    if (!data)
        return hn_nomem(cx, "test data");
    hn_err e = hn_npy_probe(data, len) ? hn_npy_read(cx, data, len, a, out)
                                       : hn_onnx_read_value(cx, data, len, like, a, out, NULL);
    if (e) {
        char why[HN_MSG_MAX];
        memcpy(why, cx->msg, sizeof why);
        return hn_fail(cx, e, "%.200s: %.300s", path, why);
    }
    return HN_OK;
}

/* dir/stem_N.pb or .npy for N = 0, 1, ... until one is missing; the model's values tell their types. */
static hn_err read_numbered(hn_ctx *cx, const char *dir, const char *stem, hn_value *const *value,
                            size_t values, hn_arena *a, hn_tensor **out, size_t *count)
{
    char path[4096];
    size_t n = 0;
    const char *ending = "pb";
    *out = NULL;
    *count = 0;
    for (; n < FILES_MAX; n++) {
        snprintf(path, sizeof path, "%s/%s_%zu.pb", dir, stem, n);
        if (exists(path))
            continue;
        snprintf(path, sizeof path, "%s/%s_%zu.npy", dir, stem, n);
        if (!exists(path))
            break;
        ending = "npy";
    }
    if (n == 0)
        return HN_OK;
    *out = HN_NEW(a, hn_tensor, n);
    if (!*out)
        return hn_nomem(cx, "test data");
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s_%zu.%s", dir, stem, i, ending);
        HN_TRY(hn_tensor_file_read(cx, path, i < values ? value[i]->t.dtype : HN_NONE, a, &(*out)[i]));
    }
    *count = n;
    return HN_OK;
}

static hn_err read_set(hn_ctx *cx, const hn_graph *g, const char *dir, hn_arena *a, hn_testset *out)
{
    out->name = hn_arena_text(a, dir, strlen(dir));
    HN_TRY(read_numbered(cx, dir, "input", g->in, g->in_count, a, &out->in, &out->in_count));
    return read_numbered(cx, dir, "output", g->out, g->out_count, a, &out->want, &out->want_count);
}

/* ---- Golden folders: index.json names inputs and outputs ------------------------------------ */

static hn_err read_named(hn_ctx *cx, const char *dir, const json_t *map, hn_value *const *value, size_t count,
                         const char *kind, hn_arena *a, hn_tensor **out)
{
    *out = HN_NEW(a, hn_tensor, count);
    if (!*out)
        return hn_nomem(cx, "test data");
    for (size_t i = 0; i < count; i++) {
        const char *file = json_string_value(json_object_get(map, value[i]->name));
        char path[4096];
        if (!file || !hn_path_stays_inside(file, strlen(file)))
            return hn_fail(cx, HN_EFORMAT, "%s/index.json: no file for %s '%s'", dir, kind, value[i]->name);
        snprintf(path, sizeof path, "%s/%s", dir, file);
        HN_TRY(hn_tensor_file_read(cx, path, value[i]->t.dtype, a, &(*out)[i]));
    }
    return HN_OK;
}

static hn_err read_goldens(hn_ctx *cx, const hn_graph *g, const char *dir, const json_t *root, hn_arena *a,
                           hn_testset **out, size_t *count)
{
    const json_t *cases = json_object_get(root, "cases");
    size_t n = json_array_size(cases);
    hn_testset *set = HN_NEW(a, hn_testset, n ? n : 1);
    if (n == 0)
        return hn_fail(cx, HN_EFORMAT, "%s/index.json: expected a list \"cases\"", dir);
    if (!set)
        return hn_nomem(cx, "test data");
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(cases, i);
        set[i].name = hn_arena_printf(a, "%s case %zu", dir, i);
        set[i].in_count = g->in_count;
        set[i].want_count = g->out_count;
        HN_TRY(read_named(cx, dir, json_object_get(item, "inputs"), g->in, g->in_count, "input", a, &set[i].in));
        HN_TRY(read_named(cx, dir, json_object_get(item, "outputs"), g->out, g->out_count, "output", a, &set[i].want));
    }
    *out = set;
    *count = n;
    return HN_OK;
}

hn_err hn_testsets_read(hn_ctx *cx, const hn_graph *g, const char *dir, hn_arena *a,
                        hn_testset **out, size_t *count)
{
    char path[4096];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/index.json", dir);
    if (exists(path)) {
        json_t *root;
        HN_TRY(hn_json_read(cx, path, &root));
        hn_err e = read_goldens(cx, g, dir, root, a, out, count);
        json_decref(root);
        return e;
    }
    for (; n < FILES_MAX; n++) {
        snprintf(path, sizeof path, "%s/test_data_set_%zu", dir, n);
        if (!exists(path))
            break;
    }
    hn_testset *set = HN_NEW(a, hn_testset, n + 1);
    if (!set)
        return hn_nomem(cx, "test data");
    if (n == 0) {
        HN_TRY(read_set(cx, g, dir, a, &set[0]));
        if (set[0].want_count == 0)
            return hn_fail(cx, HN_EIO, "%s: expected test_data_set_0/, output_0.pb, output_0.npy or index.json", dir);
        n = 1;
    } else {
        for (size_t i = 0; i < n; i++) {
            snprintf(path, sizeof path, "%s/test_data_set_%zu", dir, i);
            HN_TRY(read_set(cx, g, path, a, &set[i]));
        }
    }
    *out = set;
    *count = n;
    return HN_OK;
}

hn_err hn_testset_light(hn_ctx *cx, const hn_graph *g, const char *model, hn_arena *a, hn_testset *out)
{
    char path[4096];
    size_t stem = strlen(model) - strlen(".onnx");
    *out = (hn_testset){ .name = model, .in_count = g->in_count, .want_count = g->out_count };
    out->in = HN_NEW(a, hn_tensor, g->in_count);
    out->want = HN_NEW(a, hn_tensor, g->out_count);
    if (!out->in || !out->want)
        return hn_nomem(cx, "test data");
    for (size_t i = 0; i < g->in_count; i++) {
        hn_tensor *t = &out->in[i];
        *t = g->in[i]->t;
        for (int d = 0; d < t->shape.rank; d++)
            if (hn_is_symbol(t->shape.dim[d]))
                t->shape.dim[d] = 1;
        size_t n = hn_count(t);
        float *v = t->data = hn_arena_get(a, hn_bytes(t) + 1, 64);
        if (!v || t->dtype != HN_F32)
            return hn_fail(cx, HN_EUNSUP, "%s: an input is not f32", model);
        for (size_t k = 0; k < n; k++)
            v[k] = (float)((double)k / (double)n);
    }
    for (size_t i = 0; i < g->out_count; i++) {
        snprintf(path, sizeof path, "%.*s_output_%zu.pb", (int)stem, model, i);
        HN_TRY(hn_tensor_file_read(cx, path, g->out[i]->t.dtype, a, &out->want[i]));
    }
    return HN_OK;
}

hn_err hn_testset_run(hn_ctx *cx, hn_runner *r, const hn_testset *set, hn_tolerance tol,
                      hn_diff *diff, bool *agree)
{
    const hn_graph *g = r->src.graph;
    if (set->in_count != g->in_count || set->want_count > g->out_count)
        return hn_fail(cx, HN_EARG, "%s: %zu inputs and %zu outputs, the model has %zu and %zu", set->name,
                       set->in_count, set->want_count, g->in_count, g->out_count);
    HN_TRY(hn_runner_run(cx, r, set->in));
    *agree = true;
    for (size_t i = 0; i < set->want_count; i++) {
        hn_compare(&r->out[i], &set->want[i], tol, &diff[i]);
        *agree = *agree && diff[i].agree;
    }
    return HN_OK;
}
