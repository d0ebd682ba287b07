/* SPDX-License-Identifier: Apache-2.0 */
/* package_make.c: a model and what belongs to it, made into a package. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet/delta.h"
#include "fleet/oci.h"
#include "fleet/package_impl.h"
#include "hone.h"

typedef struct making {
    hn_ctx *cx;
    const hn_package_opts *o;
    hn_arena *a;
    hn_part *part; size_t count;      /* part[0] is the model */
    json_t *manifest;                 /* the Hone manifest */
    hn_package_report *report;
} making;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static hn_err add_file(making *m, hn_part p) { return hn_part_add(m->cx, m->part, &m->count, p); }

/* ---- The card: what a person reads ---------------------------------------------------------------------------- */

static hn_err add_card(making *m)
{
    const hn_package_opts *o = m->o;
    const hn_package_report *r = m->report;
    hn_buf b = { .cx = m->cx };
    hn_buf_printf(&b, "# %s %s\n\n", o->title ? o->title : o->name, o->version);
    if (o->description)
        hn_buf_printf(&b, "%s\n\n", o->description);
    hn_buf_printf(&b, "| | |\n|---|---|\n| model | %s, %s |\n| build | %llu |\n| licence | %s |\n| parameters | %llu "
                      "|\n",
                  base_name(o->model), json_string_value(json_object_get(m->manifest, "framework")),
                      (unsigned long long)o->build,
                  o->licence ? o->licence : "not stated", (unsigned long long)r->parameters);
    hn_buf_printf(&b, "| file | %llu bytes |\n", (unsigned long long)m->part[0].size);
    hn_buf_printf(&b, "\n## Measured while packaging\n\nOne thread, %s, Hone %s.\n\n| | |\n|---|---|\n| load | %.2f "
                      "ms |\n"
                  "| latency p50 | %.3f ms |\n| latency p95 | %.3f ms |\n| private memory | %llu bytes |\n",
                  hn_device_here(".").cpu, HONE_VERSION, r->load_ms, r->p50_ms, r->p95_ms,
                      (unsigned long long)r->ram_bytes);
    for (size_t i = 0; i < o->metric_count; i++)
        hn_buf_printf(&b, "%s| %s |\n", i ? "" : "\n## Stated by the publisher\n\n| metric |\n|---|\n", o->metric[i]);
    hn_buf_printf(&b, "\n%zu recorded runs are in the package (`golden/`, %s); a device repeats them before it uses "
                      "the model.\n",
                  r->vectors, o->input_count ? "inputs given by the publisher" : "made-up inputs");
    hn_err e = hn_buf_ok(&b, "the card");
    const char *text = e ? NULL : hn_arena_text(m->a, b.data, b.len);
    if (!e)
        e = text ? add_file(m, (hn_part){ .path = "card.md", .role = "card", .data = text, .size = b.len })
                 : hn_nomem(m->cx, "the card");
    hn_buf_free(&b);
    return e;
}

/* ---- The manifest ------------------------------------------------------------------------------------------------ */

/* NAME=VALUE[,sha256:HEX[,N]] */
static hn_err add_metric(making *m, json_t *metrics, const char *text)
{
    char name[64], digest[72] = "";
    double value;
    long long n = 0;
    int got = sscanf(text, "%63[A-Za-z0-9_.@-]=%lf,%71[a-z0-9:],%lld", name, &value, digest, &n);
    if (got < 2)
        return hn_fail(m->cx, HN_EARG, "--metric: expected NAME=VALUE[,sha256:HEX[,N]], found '%.100s'", text);
    json_t *j = json_pack("{s:f}", "value", value);
    if (got > 2)
        json_object_set_new(j, "dataset", json_string(digest));
    if (got > 3)
        json_object_set_new(j, "n", json_integer(n));
    json_object_set_new(metrics, name, j);
    return HN_OK;
}

static int by_path(const void *a, const void *b) { return strcmp(((const hn_part *)a)->path,
                                                                 ((const hn_part *)b)->path); }

static hn_err add_files_to_manifest(making *m)
{
    json_t *files = json_array();
    qsort(m->part, m->count, sizeof *m->part, by_path);
    for (size_t i = 0; i < m->count; i++) {
        const hn_part *p = &m->part[i];
        if (i && strcmp(m->part[i - 1].path, p->path) == 0) {
            json_decref(files);
            return hn_fail(m->cx, HN_EARG, "two files of the package would be called '%.200s'", p->path);
        }
        json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:s}", "path", p->path, "role", p->role, "length",
                                               (json_int_t)p->size, "sha256", hn_digest_hex(&p->digest).text));
        if (strcmp(p->role, "labels") == 0)
            json_object_set_new(m->manifest, "labels", json_string(p->path));
    }
    m->report->files = m->count;
    return json_object_set_new(m->manifest, "files", files) ? hn_nomem(m->cx, "a manifest") : HN_OK;
}

static hn_err add_given(making *m)
{
    const hn_package_opts *o = m->o;
    json_t *metrics = json_object(), *downgrade = json_array();
    json_object_set_new(m->manifest, "metrics", metrics);
    json_object_set_new(m->manifest, "allow_downgrade_from", downgrade);
    for (size_t i = 0; i < o->downgrade_count; i++)
        json_array_append_new(downgrade, json_integer((json_int_t)o->downgrade[i]));
    for (size_t i = 0; i < o->metric_count; i++)
        HN_TRY(add_metric(m, metrics, o->metric[i]));
    return HN_OK;
}

/* ---- Deltas ------------------------------------------------------------------------------------------------------ */

/* Which delta, for people: builds, the file unless it is the model, how it was made. */
static const char *delta_path(making *m, const hn_package *old, const hn_part *to, const char *method)
{
    bool model = strcmp(to->role, "model") == 0;
    return hn_arena_printf(m->a, "deltas/%llu-to-%llu%s%s.%s.hdlt", (unsigned long long)old->m.build,
                           (unsigned long long)m->o->build, model ? "" : ".", model ? "" : to->path, method);
}

static json_t *delta_entry(const hn_package *old, const hn_mfile *from, const hn_part *to, const hn_part *p,
                           const hn_delta_info *info)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:I}", "from_build", (json_int_t)old->m.build,
                     "from_sha256", hn_digest_hex(&from->sha256).text, "to_sha256", hn_digest_hex(&to->digest).text,
                     "method", "hone-delta-1", "path", p->path, "length", (json_int_t)p->size, "sha256",
                     hn_digest_hex(&p->digest).text, "window_bytes", (json_int_t)info->window_bytes, "ram_bytes",
                     (json_int_t)info->ram_bytes);
}

/* From one file of an earlier package to what it is now. */
static hn_err add_delta(making *m, const hn_package *old, const hn_mfile *from, const hn_part *to,
                        const hn_delta_opts *way, json_t *list)
{
    char old_file[4096];
    hn_file f = { 0 };
    hn_buf b = { 0 };
    hn_delta_sizes sizes;
    hn_delta_info info;
    if (m->count >= HN_PARTS_MAX)
        return hn_fail(m->cx, HN_ELIMIT, "a package holds at most %d files and deltas", HN_PARTS_MAX);
    /* A delta is made from files; the old one may lie in an archive. */
    HN_TRY(hn_package_blob(m->cx, old, hn_package_layer(old, &from->sha256), &f));
    snprintf(old_file, sizeof old_file, "%s.old", m->o->out);
    hn_err e = hn_file_write(m->cx, old_file, f.data, f.len);
    hn_package_done(old, &f);
    if (!e)
        e = hn_delta_make(m->cx, old_file, to->from, way, &b, &sizes);
    remove(old_file);
    if (!e)
        e = hn_delta_read(m->cx, b.data, b.len, &info);
    if (!e && b.len >= to->size) {                 /* the whole file is no larger */
        hn_buf_free(&b);
        return HN_OK;
    }
    hn_part *p = &m->part[m->count];
    *p = (hn_part){ .media_type = HN_OCI_DELTA, .size = b.len };
    if (!e) {
        p->path = delta_path(m, old, to, sizes.method);
        p->data = hn_arena_text(m->a, b.data, b.len);
        e = p->path && p->data ? hn_part_measure(m->cx, p) : hn_nomem(m->cx, "a delta");
    }
    hn_buf_free(&b);
    HN_TRY(e);
    m->count++;
    m->report->deltas++;
    if (!m->report->delta_bytes || p->size < m->report->delta_bytes)
        m->report->delta_bytes = p->size;
    json_array_append_new(list, delta_entry(old, from, to, p, &info));
    return HN_OK;
}

static hn_err add_deltas_of(making *m, const hn_package *old, const hn_mfile *from, const hn_part *to, json_t *list)
{
    static const hn_delta_opts smallest = { 0 }, small_memory = { .typed_only = true };
    size_t before = m->count;
    HN_TRY(add_delta(m, old, from, to, &smallest, list));
    /* The smallest may ask for more memory than small devices have: then they get one that does not. */
    const json_t *made = json_array_get(list, json_array_size(list) - 1);
    if (m->count > before && json_integer_value(json_object_get(made, "ram_bytes")) > 16 << 20)
        HN_TRY(add_delta(m, old, from, to, &small_memory, list));
    return HN_OK;
}

/* What the part was in an earlier package: the model then, or the file of weights of the same name. */
static const hn_mfile *counterpart(const hn_package *old, const hn_part *to)
{
    if (!to->role || !to->from)
        return NULL;
    if (strcmp(to->role, "model") == 0)
        return hn_manifest_role(&old->m, "model");
    for (size_t i = 0; i < old->m.file_count && strcmp(to->role, "weights") == 0; i++)
        if (strcmp(old->m.file[i].path, to->path) == 0)
            return hn_digest_equal(&old->m.file[i].sha256, &to->digest) ? NULL : &old->m.file[i];
    return NULL;
}

static hn_err add_deltas_from(making *m, const char *place, json_t *list)
{
    hn_package old;
    hn_reason why = HN_WHY_NONE;
    HN_TRY(hn_package_open(m->cx, place, &old));
    hn_err e = hn_package_verify(m->cx, &old, &why);
    if (!e && (strcmp(old.m.name, m->o->name) != 0 || old.m.build >= m->o->build))
        e = hn_fail(m->cx, HN_EARG, "--from %s: is %s build %llu; expected an earlier build of %s", place, old.m.name,
                    (unsigned long long)old.m.build, m->o->name);
    size_t files = m->report->files;
    for (size_t i = 0; i < files && !e; i++) {
        const hn_mfile *from = counterpart(&old, &m->part[i]);
        if (from)
            e = add_deltas_of(m, &old, from, &m->part[i], list);
    }
    hn_package_close(&old);
    return e;
}

static hn_err add_deltas(making *m)
{
    json_t *list = json_array();
    json_object_set_new(m->manifest, "deltas", list);
    for (size_t i = 0; i < m->o->from_count; i++)
        HN_TRY(add_deltas_from(m, m->o->from[i], list));
    return HN_OK;
}

/* ---- OCI ------------------------------------------------------------------------------------- */

static void say(json_t *j, const char *key, const char *text)
{
    if (text)
        json_object_set_new(j, key, json_string(text));
}

static json_t *descriptor_of_model(const hn_package_opts *o)
{
    char when[32];
    const char *epoch = getenv("SOURCE_DATE_EPOCH");          /* the same package again, byte for byte */
    time_t t = epoch ? (time_t)strtoll(epoch, NULL, 10) : time(NULL);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    json_t *d = json_pack("{s:s, s:s, s:s}", "createdAt", when, "name", o->name, "version", o->version);
    say(d, "title", o->title);
    say(d, "description", o->description);
    say(d, "vendor", o->vendor);
    say(d, "docURL", o->url);
    if (o->authors)
        json_object_set_new(d, "authors", json_pack("[s]", o->authors));
    if (o->licence)
        json_object_set_new(d, "licenses", json_pack("[s]", o->licence));
    return d;
}

static hn_err dump(making *m, json_t *j, size_t flags, const char *media_type, hn_part *out)
{
    char *text = j ? json_dumps(j, flags) : NULL;
    *out = (hn_part){ .media_type = media_type, .size = text ? strlen(text) : 0 };
    out->data = text ? hn_arena_text(m->a, text, (size_t)out->size) : NULL;
    free(text);
    return out->data ? hn_part_measure(m->cx, out) : hn_nomem(m->cx, "a manifest");
}

static hn_err make_config(making *m, hn_part *out)
{
    json_t *ids = json_array();
    char id[80], params[32];
    for (size_t i = 0; i < m->count; i++) {
        snprintf(id, sizeof id, "sha256:%s", hn_digest_hex(&m->part[i].digest).text);
        json_array_append_new(ids, json_string(id));
    }
    snprintf(params, sizeof params, "%llu", (unsigned long long)m->report->parameters);
    json_t *j = json_pack("{s:o, s:{s:s, s:s}, s:{s:s, s:o}}", "descriptor", descriptor_of_model(m->o), "config",
                          "format", json_string_value(json_object_get(m->manifest, "framework")), "paramSize", params,
                          "modelfs", "type", "layers", "diffIds", ids);
    hn_err e = dump(m, j, JSON_COMPACT, HN_OCI_CONFIG, out);
    json_decref(j);
    return e;
}

static hn_err write_package(making *m)
{
    const hn_package_opts *o = m->o;
    hn_part hone, config, oci;
    HN_TRY(dump(m, m->manifest, JSON_INDENT(1), HN_OCI_HONE, &hone));
    hn_manifest check;
    /* never write what nobody would read */
    HN_TRY(hn_manifest_read(m->cx, hone.data, (size_t)hone.size, m->a, &check));
    m->report->manifest = hone.digest;
    hone.path = "manifest.json";
    if (m->count + 2 > HN_PARTS_MAX)
        return hn_fail(m->cx, HN_ELIMIT, "a package holds at most %d files", HN_PARTS_MAX - 2);
    m->part[m->count++] = hone;
    HN_TRY(make_config(m, &config));
    json_t *layers = json_array();
    for (size_t i = 0; i < m->count; i++) {
        json_array_append_new(layers, hn_part_descriptor(&m->part[i]));
        m->report->bytes += m->part[i].size;
    }
    json_t *j = json_pack("{s:i, s:s, s:s, s:o, s:o}", "schemaVersion", 2, "mediaType", HN_OCI_MANIFEST,
                          "artifactType", HN_OCI_ARTIFACT, "config", hn_part_descriptor(&config), "layers", layers);
    hn_err e = dump(m, j, JSON_COMPACT, HN_OCI_MANIFEST, &oci);
    json_decref(j);
    HN_TRY(e);
    m->part[m->count++] = config;
    char title[128];
    snprintf(title, sizeof title, "%s-%llu", o->name, (unsigned long long)o->build);
    return hn_parts_write(m->cx, o->out, &oci, m->part, m->count, title);
}

static hn_err make(making *m)
{
    const hn_package_opts *o = m->o;
    HN_TRY(add_file(m, (hn_part){ .path = base_name(o->model), .role = "model", .from = o->model }));
    HN_TRY(hn_package_record(m->cx, o, m->a, m->part, &m->count, m->manifest, m->report));
    for (size_t i = 0; i < o->file_count; i++)
        HN_TRY(add_file(m, (hn_part){ .path = o->file[i].path, .role = o->file[i].role, .from = o->file[i].from }));
    HN_TRY(add_card(m));
    HN_TRY(add_given(m));
    HN_TRY(add_files_to_manifest(m));
    HN_TRY(add_deltas(m));
    return write_package(m);
}

hn_err hn_package_make(hn_ctx *cx, const hn_package_opts *o, hn_package_report *out)
{
    hn_package_report report = { 0 };
    making m = { .cx = cx, .o = o, .report = &report };
    m.manifest = json_pack("{s:i, s:s, s:s, s:I}", "hone_manifest", 1, "name", o->name, "version", o->version, "build",
                           (json_int_t)o->build);
    m.part = hn_calloc(cx, HN_PARTS_MAX + 4, sizeof *m.part);
    hn_err e = m.manifest && m.part ? hn_arena_new(cx, 0, &m.a) : hn_nomem(cx, "a package");
    if (!e)
        e = make(&m);
    hn_arena_free(m.a);
    hn_free(cx, m.part);
    json_decref(m.manifest);
    if (!e)
        *out = report;
    return e;
}
