/* SPDX-License-Identifier: Apache-2.0 */
/* hone package: a model with what a device needs to trust and use it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/dims.h"
#include "cli/input.h"
#include "cli/media.h"
#include "cli/package.h"
#include "cli/system.h"
#include "cli/table.h"
#include "formats/format.h"

enum { MANY = 64 };

/* ---- Looking at one ------------------------------------------------------------------------------------- */

bool hn_cli_is_package(hn_cli *c, const char *path)
{
    struct stat st;
    const hn_system *sys;
    size_t len = strlen(path);
    bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    if (!folder && !(len > 4 && strcmp(path + len - 4, ".tar") == 0))
        return false;
    return hn_system_open(&c->cx, &sys) == HN_OK && sys->package_probe(path);
}

static json_t *files_of(const hn_system *sys, const hn_package *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->m.file_count; i++) {
        const hn_mfile *f = &p->m.file[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "path", f->path, "role", f->role, "bytes",
                                              (json_int_t)f->length, "sha256", sys->digest_hex(&f->sha256).text));
    }
    return list;
}

static json_t *deltas_of(const hn_package *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->m.delta_count; i++) {
        const hn_mdelta *d = &p->m.delta[i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:s}", "from_build", (json_int_t)d->from_build, "bytes",
                                              (json_int_t)d->length, "ram_bytes", (json_int_t)d->ram_bytes, "path",
                                              d->path));
    }
    return list;
}

static hn_err show(hn_cli *c, const hn_system *sys, const hn_package *p)
{
    static const char *const file_columns[] = { "path", "role", "bytes", NULL };
    static const char *const delta_columns[] = { "from_build", "bytes", "ram_bytes", "path", NULL };
    json_t *files = files_of(sys, p), *deltas = deltas_of(p);
    hn_err e = HN_OK;
    if (c->json) {
        json_t *whole = json_loadb((const char *)p->manifest_bytes, p->manifest_len, 0, NULL);
        e = hn_json_print(&c->cx, json_pack("{s:s, s:s, s:I, s:s, s:o, s:o, s:o}", "name", p->m.name, "version",
                                            p->m.version, "build", (json_int_t)p->m.build, "digest",
                                            sys->digest_hex(&p->oci.digest).text, "files", files, "deltas", deltas,
                                            "manifest", whole));
        return e;
    }
    printf("%-12s %s %s, build %llu\n", "package", p->m.name, p->m.version, (unsigned long long)p->m.build);
    printf("%-12s sha256:%s\n", "digest", sys->digest_hex(&p->oci.digest).text);
    printf("%-12s %s\n", "framework", p->m.framework);
    printf("%-12s %llu bytes of memory, Hone %s\n", "needs", (unsigned long long)p->m.needs.ram_bytes,
           p->m.needs.runtime ? p->m.needs.runtime : "of any version");
    printf("%-12s %zu recorded runs, repeated %u times on trial\n\n", "health", p->m.health.vector_count,
           p->m.health.trial_runs);
    e = hn_table_print(&c->cx, files, file_columns, HN_TABLE_TEXT);
    if (!e && json_array_size(deltas)) {
        putchar('\n');
        e = hn_table_print(&c->cx, deltas, delta_columns, HN_TABLE_TEXT);
    }
    json_decref(files);
    json_decref(deltas);
    return e;
}

hn_err hn_cli_package_inspect(hn_cli *c, const char *path)
{
    const hn_system *sys;
    hn_package p;
    HN_TRY(hn_system_open(&c->cx, &sys));
    HN_TRY(sys->package_open(&c->cx, path, &p));
    hn_err e = show(c, sys, &p);
    sys->package_close(&p);
    return e;
}

hn_err hn_cli_package_verify(hn_cli *c, const char *path)
{
    const hn_system *sys;
    hn_package p;
    hn_reason why = HN_WHY_NONE;
    HN_TRY(hn_system_open(&c->cx, &sys));
    HN_TRY(sys->package_open(&c->cx, path, &p));
    hn_err e = sys->package_verify(&c->cx, &p, &why);
    if (!e && c->json)
        e = hn_json_print(&c->cx, json_pack("{s:s, s:I, s:b}", "name", p.m.name, "build", (json_int_t)p.m.build,
                                            "whole", true));
    else if (!e)
        printf("%s build %llu is whole: %zu files, %zu deltas\n", p.m.name, (unsigned long long)p.m.build,
               p.m.file_count, p.m.delta_count);
    sys->package_close(&p);
    return e;
}

/* ---- Making one ----------------------------------------------------------------------------------------- */

typedef struct job {
    hn_cli *c;
    const hn_args *a;
    hn_package_opts o;
    hn_package_file file[MANY];
    const char *text[3][MANY];          /* metrics, processors, earlier packages */
    uint64_t downgrade[MANY];
    char out[512];
    hn_arena *memory;
    hn_source src;
    hn_tensors given;
    hn_shown shown;
} job;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static hn_err add_file(job *j, const char *role, const char *from)
{
    if (j->o.file_count == MANY)
        return hn_fail(&j->c->cx, HN_ELIMIT, "more than %d files", MANY);
    j->file[j->o.file_count++] = (hn_package_file){ base_name(from), role, from };
    return HN_OK;
}

static size_t collect(job *j, const char *option, const char **text)
{
    size_t n = hn_arg_count(j->a, option);
    for (size_t i = 0; i < n && i < MANY; i++)
        text[i] = hn_arg_at(j->a, option, i);
    return n < MANY ? n : MANY;
}

static hn_err read_options(job *j)
{
    const hn_args *a = j->a;
    hn_package_opts *o = &j->o;
    o->model = a->operand[0];
    o->name = hn_arg_text(a, "name", NULL);
    o->build = (uint64_t)hn_arg_int(a, "build", 0);
    if (!o->name || !o->build)
        return hn_fail(&j->c->cx, HN_EARG, "--name and --build are needed: what devices call the model, and a number "
                                           "that only grows");
    if (!hn_name_ok(o->name))
        return hn_fail(&j->c->cx, HN_EARG, "--name: '%s': expected lower-case letters, digits, '.', '_', '-'", o->name);
    snprintf(j->out, sizeof j->out, "%s-%llu.tar", o->name, (unsigned long long)o->build);
    o->out = hn_arg_text(a, "output", j->out);
    o->version = hn_arg_text(a, "model-version", "1.0.0");
    o->title = hn_arg_text(a, "title", NULL);
    o->description = hn_arg_text(a, "description", NULL);
    o->authors = hn_arg_text(a, "author", NULL);
    o->vendor = hn_arg_text(a, "vendor", NULL);
    o->url = hn_arg_text(a, "url", NULL);
    o->licence = hn_arg_text(a, "licence", NULL);
    o->load_ms_max = hn_arg_real(a, "max-load-ms", 0);
    o->p95_ms_max = hn_arg_real(a, "max-p95-ms", 0);
    o->drift_max = hn_arg_real(a, "max-drift", 0);
    o->trial_runs = (unsigned)hn_arg_int(a, "trial-runs", 20);
    o->atol = hn_arg_real(a, "atol", -1);
    o->rtol = hn_arg_real(a, "rtol", 0);
    o->file = j->file;
    if (hn_arg_text(a, "labels", NULL))
        HN_TRY(add_file(j, "labels", hn_arg_text(a, "labels", NULL)));
    for (size_t i = 0; i < hn_arg_count(a, "licence-file"); i++)
        HN_TRY(add_file(j, "licence", hn_arg_at(a, "licence-file", i)));
    for (size_t i = 0; i < hn_arg_count(a, "file"); i++)
        HN_TRY(add_file(j, "data", hn_arg_at(a, "file", i)));
    o->metric = j->text[0], o->metric_count = collect(j, "metric", j->text[0]);
    o->cpu = j->text[1], o->cpu_count = collect(j, "cpu", j->text[1]);
    o->from = j->text[2], o->from_count = collect(j, "from", j->text[2]);
    o->downgrade = j->downgrade;
    for (size_t i = 0; i < hn_arg_count(a, "allow-downgrade-from") && i < MANY; i++)
        j->downgrade[o->downgrade_count++] = strtoull(hn_arg_at(a, "allow-downgrade-from", i), NULL, 10);
    return HN_OK;
}

/* Inputs the publisher gives, prepared as `hone run` would. */
static hn_err read_inputs(job *j)
{
    if (hn_arg_count(j->a, "input") == 0)
        return HN_OK;
    HN_TRY(hn_arena_new(&j->c->cx, 0, &j->memory));
    HN_TRY(hn_source_open(&j->c->cx, j->o.model, &j->src));
    const hn_graph *g = j->src.graph;
    j->given = (hn_tensors){ HN_NEW(j->memory, hn_tensor, g->in_count + 1), g->in_count };
    if (!j->given.t)
        return hn_nomem(&j->c->cx, "inputs");
    HN_TRY(hn_inputs_read(j->c, g, j->memory, j->given.t, &j->shown, NULL));
    j->o.input = &j->given;
    j->o.input_count = 1;
    return HN_OK;
}

static hn_err tell(job *j, const hn_system *sys, const hn_package_report *r)
{
    if (j->c->json)
        return hn_json_print(&j->c->cx, json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:I}",
                                                  "package", j->o.out, "name", j->o.name, "build",
                                                  (json_int_t)j->o.build, "manifest_sha256",
                                                  sys->digest_hex(&r->manifest).text, "bytes", (json_int_t)r->bytes,
                                                  "files", (json_int_t)r->files, "recordings", (json_int_t)r->vectors,
                                                  "load_ms", r->load_ms, "p50_ms", r->p50_ms, "p95_ms", r->p95_ms,
                                                  "deltas", (json_int_t)r->deltas, "delta_bytes",
                                                  (json_int_t)r->delta_bytes));
    printf("%s: %s %s, build %llu: %zu files, %llu bytes\n", j->o.out, j->o.name, j->o.version,
           (unsigned long long)j->o.build, r->files,
           (unsigned long long)r->bytes);
    printf("recorded %zu runs: load %.2f ms, p50 %.3f ms, p95 %.3f ms on one thread here\n", r->vectors, r->load_ms,
           r->p50_ms, r->p95_ms);
    if (r->deltas)
        printf("deltas: %zu, the smallest %llu bytes\n", r->deltas, (unsigned long long)r->delta_bytes);
    return HN_OK;
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c, .a = &c->args };
    const hn_system *sys = NULL;
    hn_package_report r;
    hn_err e = read_options(&j);
    if (!e)
        e = read_inputs(&j);
    if (!e)
        e = hn_system_open(&c->cx, &sys);
    if (!e)
        e = sys->package_make(&c->cx, &j.o, &r);
    if (!e)
        e = tell(&j, sys, &r);
    const hn_media *media;
    if (j.shown.given && hn_media_open(&c->cx, &media) == HN_OK)
        media->free(&c->cx, &j.shown.image);
    hn_source_close(&c->cx, &j.src);
    hn_arena_free(j.memory);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "the model to package: ONNX, TFLite or GGUF",
                                         NULL }, { 0 } };

static const hn_opt opts[] = {
    { "name", 'n', HN_OPT_TEXT, "NAME", "what devices call it: a-z, 0-9, '.', '_', '-'", NULL, 0, 0 },
    { "build", 'b', HN_OPT_INT, "N", "a number that only grows; devices go by it", NULL, 1, 9007199254740991.0 },
    { "model-version", 0, HN_OPT_TEXT, "V", "semantic version for people (1.0.0)", NULL, 0, 0 },
    { "output", 'o', HN_OPT_FILE, "PLACE", "a folder, or an archive when it ends in .tar (NAME-N.tar)", NULL, 0, 0 },
    { "from", 0, HN_OPT_FILE, "PACKAGE", "make a delta from this earlier build; may be repeated", NULL, 0, 0 },
    { "labels", 0, HN_OPT_FILE, "FILE", "what the classes are called", NULL, 0, 0 },
    { "licence", 0, HN_OPT_TEXT, "ID", "SPDX licence of the model", NULL, 0, 0 },
    { "licence-file", 0, HN_OPT_FILE, "FILE", "its text; may be repeated", NULL, 0, 0 },
    { "file", 0, HN_OPT_FILE, "FILE", "another file that belongs to it; may be repeated", NULL, 0, 0 },
    { "metric", 0, HN_OPT_TEXT, "NAME=X[,sha256:HEX[,N]]",
      "a figure, the data it was measured on, how many; may be repeated", NULL, 0, 0 },
    { "cpu", 0, HN_OPT_TEXT, "CPU", "only for this processor; may be repeated (all Hone runs on)", NULL, 0, 0 },
    { "max-load-ms", 0, HN_OPT_REAL, "MS", "devices refuse it when it loads slower", NULL, 0, 1e9 },
    { "max-p95-ms", 0, HN_OPT_REAL, "MS", "devices refuse it when 5 % of its runs are slower", NULL, 0, 1e9 },
    { "max-drift", 0, HN_OPT_REAL, "X", "taken back when reported means move by X recorded deviations", NULL, 0, 1e9 },
    { "trial-runs", 0, HN_OPT_INT, "N", "runs a device makes before it is used (20)", NULL, 1, 10000 },
    { "atol", 0, HN_OPT_REAL, "X", "how far a device's results may be off (a thousandth of their range)", NULL, 0,
      1e9 },
    { "rtol", 0, HN_OPT_REAL, "X", "the same, times the recorded value (0)", NULL, 0, 1e9 },
    { "allow-downgrade-from", 0, HN_OPT_INT, "N", "devices with build N may go back to this one; may be repeated",
      NULL, 1, 9007199254740991.0 },
    { "title", 0, HN_OPT_TEXT, "TEXT", "for the card", NULL, 0, 0 },
    { "description", 0, HN_OPT_TEXT, "TEXT", "for the card", NULL, 0, 0 },
    { "author", 0, HN_OPT_TEXT, "WHO", "for the configuration", NULL, 0, 0 },
    { "vendor", 0, HN_OPT_TEXT, "WHO", "for the configuration", NULL, 0, 0 },
    { "url", 0, HN_OPT_TEXT, "URL", "where its documentation is", NULL, 0, 0 },
    HN_INPUT_OPTS,
    { 0 }
};

const hn_command hn_command_package = {
    .name = "package",
    .summary = "make a package of a model: what the fleet ships",
    .example = "hone package model.onnx --name kws --build 417 --labels labels.txt --licence Apache-2.0",
    .help = "Runs the model on the inputs given, or on made-up ones, and records the results: a device repeats them "
            "before\n"
            "it uses the model. Measures load time, latency and memory, writes a card about it, and puts all of it "
            "into an OCI\n"
            "image layout with CNCF ModelPack media types, which registries take (hone push). doc/package.md "
            "specifies it.\n\n"
            "Files of weights that an ONNX model names go along by the names it gives them.\n\n"
            "With --from, deltas from earlier builds are made and the smallest kept. Set SOURCE_DATE_EPOCH to get "
            "the same\n"
            "configuration again.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
