/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/manifest.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

typedef struct reader {
    hn_ctx *cx;
    hn_arena *a;
    hn_manifest *m;
} reader;

static hn_err bad(reader *r, const char *what) { return hn_fail(r->cx, HN_EFORMAT, "manifest: %s", what); }

static hn_err keep(reader *r, const char *text, const char **out)
{
    *out = hn_arena_text(r->a, text, strlen(text));
    return *out ? HN_OK : hn_nomem(r->cx, "a manifest");
}

static hn_err get_text(reader *r, const json_t *j, const char *key, const char *missing, const char **out)
{
    const json_t *v = json_object_get(j, key);
    if (!v && missing) {
        *out = missing;
        return HN_OK;
    }
    if (!json_is_string(v) || json_string_length(v) != strlen(json_string_value(v)))
        return hn_fail(r->cx, HN_EFORMAT, "manifest: \"%s\" must be a text", key);
    return keep(r, json_string_value(v), out);
}

static hn_err get_whole(reader *r, const json_t *j, const char *key, bool required, uint64_t min, uint64_t max,
                        uint64_t *out)
{
    const json_t *v = json_object_get(j, key);
    if (!v && !required)
        return HN_OK;
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || (uint64_t)n < min || (uint64_t)n > max)
        return hn_fail(r->cx, HN_EFORMAT, "manifest: \"%s\" must be a whole number from %llu to %llu", key,
                       (unsigned long long)min, (unsigned long long)max);
    *out = (uint64_t)n;
    return HN_OK;
}

static hn_err get_real(reader *r, const json_t *j, const char *key, double missing, double *out)
{
    const json_t *v = json_object_get(j, key);
    *out = v ? json_number_value(v) : missing;
    if (v && (!json_is_number(v) || !(*out >= 0)))
        return hn_fail(r->cx, HN_EFORMAT, "manifest: \"%s\" must be a number, not below 0", key);
    return HN_OK;
}

static hn_err get_digest(reader *r, const json_t *j, const char *key, hn_digest *out)
{
    if (hn_digest_from_hex(json_string_value(json_object_get(j, key)), out))
        return HN_OK;
    return hn_fail(r->cx, HN_EFORMAT, "manifest: \"%s\" must be 64 lower-case hexadecimal digits", key);
}

static hn_err get_list(reader *r, const json_t *j, const char *key, size_t max, const json_t **out, size_t *count)
{
    *out = json_object_get(j, key);
    *count = json_array_size(*out);
    if (*out && (!json_is_array(*out) || *count > max))
        return hn_fail(r->cx, HN_EFORMAT, "manifest: \"%s\" must be a list of at most %zu", key, max);
    return HN_OK;
}

static hn_err get_texts(reader *r, const json_t *j, const char *key, const char ***out, size_t *count)
{
    const json_t *list;
    HN_TRY(get_list(r, j, key, 256, &list, count));
    *out = HN_NEW(r->a, const char *, *count + 1);
    if (!*out)
        return hn_nomem(r->cx, "a manifest");
    for (size_t i = 0; i < *count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text)
            return hn_fail(r->cx, HN_EFORMAT, "manifest: \"%s\" must hold texts", key);
        HN_TRY(keep(r, text, &(*out)[i]));
    }
    return HN_OK;
}

bool hn_package_path_ok(const char *path)
{
    size_t len = strlen(path), part = 0;
    if (len == 0 || len > 1024 || hn_utf8_valid(path, len) != len)
        return false;
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c != '/' && c != 0) {
            if (c < 0x20 || c == 0x7F || c == '\\')
                return false;
            part++;
            continue;
        }
        const char *at = path + i - part;
        if (part == 0 || part > 255 || (part == 1 && at[0] == '.') || (part == 2 && at[0] == '.' && at[1] == '.'))
            return false;
        part = 0;
    }
    return true;
}

/* MAJOR.MINOR.PATCH with what semantic versioning allows behind it; no leading zeros. */
static bool version_read(const char *text, unsigned long out[3], const char **rest)
{
    for (int i = 0; i < 3; i++) {
        size_t digits = strspn(text, "0123456789");
        if (digits == 0 || digits > 9 || (digits > 1 && text[0] == '0'))
            return false;
        out[i] = 0;
        for (size_t k = 0; k < digits; k++)
            out[i] = out[i] * 10 + (unsigned long)(text[k] - '0');
        text += digits;
        if (i < 2 && *text++ != '.')
            return false;
    }
    *rest = text;
    return *text == 0 || ((*text == '-' || *text == '+') && text[1] &&
           strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+") == strlen(text));
}

static hn_err read_files(reader *r, const json_t *j)
{
    hn_manifest *m = r->m;
    const json_t *list;
    HN_TRY(get_list(r, j, "files", HN_MANIFEST_FILES_MAX, &list, &m->file_count));
    if (m->file_count == 0)
        return bad(r, "\"files\" is empty or missing");
    m->file = HN_NEW(r->a, hn_mfile, m->file_count);
    if (!m->file)
        return hn_nomem(r->cx, "a manifest");
    for (size_t i = 0; i < m->file_count; i++) {
        const json_t *item = json_array_get(list, i);
        hn_mfile *f = &m->file[i];
        HN_TRY(get_text(r, item, "path", NULL, &f->path));
        HN_TRY(get_text(r, item, "role", NULL, &f->role));
        HN_TRY(get_whole(r, item, "length", true, 0, HN_FILE_BYTES_MAX, &f->length));
        HN_TRY(get_digest(r, item, "sha256", &f->sha256));
        if (!hn_package_path_ok(f->path))
            return hn_fail(r->cx, HN_EREFUSED, "manifest: file %zu has a path that packages may not use", i);
        if (i > 0 && strcmp(m->file[i - 1].path, f->path) >= 0)
            return hn_fail(r->cx, HN_EFORMAT, "manifest: \"files\" must be sorted by path, each once: '%.200s'",
                           f->path);
        if (strcasecmp(f->path, "manifest.json") == 0)
            return bad(r, "a file may not be called manifest.json");
    }
    /* Sorted, so only case can make two paths one.  The limit on files keeps this short. */
    for (size_t i = 0; i < m->file_count; i++)
        for (size_t k = i + 1; k < m->file_count; k++)
            if (strcasecmp(m->file[i].path, m->file[k].path) == 0)
                return hn_fail(r->cx, HN_EFORMAT, "manifest: '%.200s' and '%.200s' differ in case alone",
                               m->file[i].path, m->file[k].path);
    return hn_manifest_role(m, "model") ? HN_OK : bad(r, "no file has the role \"model\"");
}

static hn_err read_needs(reader *r, const json_t *j)
{
    hn_manifest *m = r->m;
    const json_t *q = json_object_get(j, "requires");
    const char *none = "";
    if (q && !json_is_object(q))
        return bad(r, "\"requires\" must be an object");
    HN_TRY(get_whole(r, q, "min_ram_bytes", false, 0, HN_FILE_BYTES_MAX, &m->needs.ram_bytes));
    HN_TRY(get_whole(r, q, "min_free_disk_bytes", false, 0, HN_FILE_BYTES_MAX, &m->needs.disk_bytes));
    HN_TRY(get_texts(r, q, "cpu_any", &m->needs.cpu, &m->needs.cpu_count));
    HN_TRY(get_texts(r, q, "cpu_features", &m->needs.feature, &m->needs.feature_count));
    HN_TRY(get_texts(r, q, "delegates_any", &m->needs.delegate, &m->needs.delegate_count));
    HN_TRY(get_text(r, q, "min_runtime", none, &m->needs.runtime));
    unsigned long v[3];
    const char *rest;
    if (m->needs.runtime == none)
        m->needs.runtime = NULL;
    else if (!version_read(m->needs.runtime, v, &rest))
        return bad(r, "\"min_runtime\" must be a version like 1.0.0");
    return HN_OK;
}

static hn_err read_vectors(reader *r, const json_t *h)
{
    hn_manifest *m = r->m;
    const json_t *list;
    HN_TRY(get_list(r, h, "vectors", 256, &list, &m->health.vector_count));
    m->health.vector = HN_NEW(r->a, hn_mvector, m->health.vector_count + 1);
    if (!m->health.vector)
        return hn_nomem(r->cx, "a manifest");
    for (size_t i = 0; i < m->health.vector_count; i++) {
        const json_t *item = json_array_get(list, i);
        hn_mvector *v = &m->health.vector[i];
        HN_TRY(get_text(r, item, "input", NULL, &v->input));
        HN_TRY(get_text(r, item, "output", NULL, &v->output));
        HN_TRY(get_real(r, item, "atol", 0, &v->atol));
        HN_TRY(get_real(r, item, "rtol", 0, &v->rtol));
        if (!hn_manifest_file(m, v->input) || !hn_manifest_file(m, v->output))
            return hn_fail(r->cx, HN_EFORMAT, "manifest: vector %zu names a file that is not in \"files\"", i);
    }
    return HN_OK;
}

static hn_err read_stats(reader *r, const json_t *h)
{
    hn_manifest *m = r->m;
    const json_t *list;
    HN_TRY(get_list(r, h, "distribution", 64, &list, &m->health.stat_count));
    m->health.stat = HN_NEW(r->a, hn_mstat, m->health.stat_count + 1);
    if (!m->health.stat)
        return hn_nomem(r->cx, "a manifest");
    for (size_t i = 0; i < m->health.stat_count; i++) {
        const json_t *item = json_array_get(list, i);
        HN_TRY(get_text(r, item, "name", NULL, &m->health.stat[i].name));
        m->health.stat[i].mean = json_number_value(json_object_get(item, "mean"));
        HN_TRY(get_real(r, item, "deviation", 0, &m->health.stat[i].deviation));
    }
    return HN_OK;
}

static hn_err read_health(reader *r, const json_t *j)
{
    hn_manifest *m = r->m;
    const json_t *h = json_object_get(j, "health");
    uint64_t runs = 1;
    if (h && !json_is_object(h))
        return bad(r, "\"health\" must be an object");
    HN_TRY(read_vectors(r, h));
    HN_TRY(get_real(r, h, "max_load_ms", 0, &m->health.load_ms_max));
    HN_TRY(get_real(r, h, "max_p95_ms", 0, &m->health.p95_ms_max));
    HN_TRY(get_whole(r, h, "max_ram_bytes", false, 0, HN_FILE_BYTES_MAX, &m->health.ram_bytes_max));
    HN_TRY(get_whole(r, h, "trial_runs", false, 1, 10000, &runs));
    HN_TRY(get_real(r, h, "max_error_share", 0.01, &m->health.errors_max));
    HN_TRY(get_real(r, h, "max_drift", 0, &m->health.drift_max));
    m->health.trial_runs = (unsigned)runs;
    return read_stats(r, h);
}

static hn_err read_deltas(reader *r, const json_t *j)
{
    hn_manifest *m = r->m;
    const json_t *list;
    HN_TRY(get_list(r, j, "deltas", 64, &list, &m->delta_count));
    m->delta = HN_NEW(r->a, hn_mdelta, m->delta_count + 1);
    if (!m->delta)
        return hn_nomem(r->cx, "a manifest");
    for (size_t i = 0; i < m->delta_count; i++) {
        const json_t *item = json_array_get(list, i);
        hn_mdelta *d = &m->delta[i];
        HN_TRY(get_whole(r, item, "from_build", true, 1, HN_BUILD_MAX, &d->from_build));
        HN_TRY(get_digest(r, item, "from_sha256", &d->from));
        HN_TRY(get_digest(r, item, "to_sha256", &d->to));
        HN_TRY(get_text(r, item, "method", NULL, &d->method));
        HN_TRY(get_text(r, item, "path", NULL, &d->path));
        HN_TRY(get_whole(r, item, "length", true, 1, HN_FILE_BYTES_MAX, &d->length));
        HN_TRY(get_digest(r, item, "sha256", &d->sha256));
        HN_TRY(get_whole(r, item, "window_bytes", true, 0, (uint64_t)1 << 31, &d->window_bytes));
        HN_TRY(get_whole(r, item, "ram_bytes", true, 0, (uint64_t)1 << 40, &d->ram_bytes));
        if (!hn_package_path_ok(d->path))
            return bad(r, "a delta's path is none that packages may use");
    }
    return HN_OK;
}

static hn_err read_downgrades(reader *r, const json_t *j)
{
    hn_manifest *m = r->m;
    const json_t *list;
    HN_TRY(get_list(r, j, "allow_downgrade_from", 64, &list, &m->downgrade_count));
    m->downgrade_from = HN_NEW(r->a, uint64_t, m->downgrade_count + 1);
    if (!m->downgrade_from)
        return hn_nomem(r->cx, "a manifest");
    for (size_t i = 0; i < m->downgrade_count; i++) {
        json_int_t n = json_integer_value(json_array_get(list, i));
        if (n <= 0 || (uint64_t)n > HN_BUILD_MAX)
            return bad(r, "\"allow_downgrade_from\" must hold builds");
        m->downgrade_from[i] = (uint64_t)n;
    }
    return HN_OK;
}

static hn_err read_all(reader *r, const json_t *j)
{
    hn_manifest *m = r->m;
    unsigned long v[3];
    const char *rest;
    uint64_t format = 0;
    HN_TRY(get_whole(r, j, "hone_manifest", true, 1, 1000, &format));
    if (format != 1)
        return hn_fail(r->cx, HN_EUNSUP, "manifest: version %llu; this build reads 1: update Hone",
                       (unsigned long long)format);
    HN_TRY(get_text(r, j, "name", NULL, &m->name));
    HN_TRY(get_text(r, j, "version", NULL, &m->version));
    HN_TRY(get_text(r, j, "framework", "", &m->framework));
    HN_TRY(get_whole(r, j, "build", true, 1, HN_BUILD_MAX, &m->build));
    if (!hn_name_ok(m->name))
        return bad(r, "\"name\" must be 1 to 63 of a-z, 0-9, '.', '_', '-' and begin with a letter or digit");
    if (!version_read(m->version, v, &rest))
        return bad(r, "\"version\" must be a semantic version like 2.3.1");
    HN_TRY(read_files(r, j));
    HN_TRY(read_needs(r, j));
    HN_TRY(read_health(r, j));
    HN_TRY(read_deltas(r, j));
    return read_downgrades(r, j);
}

hn_err hn_manifest_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_manifest *out)
{
    json_error_t why;
    hn_manifest m = { 0 };
    reader r = { cx, a, &m };
    if (len > HN_MANIFEST_BYTES_MAX)
        return hn_fail(cx, HN_ELIMIT, "manifest: %zu bytes, at most %zu are read", len, HN_MANIFEST_BYTES_MAX);
    json_t *j = json_loadb(data ? data : "", len, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(j)) {
        json_decref(j);
        return hn_fail(cx, HN_EFORMAT, "manifest: line %d: %s", why.line, j ? "expected an object" : why.text);
    }
    hn_err e = read_all(&r, j);
    json_decref(j);
    if (!e)
        *out = m;
    return e;
}

const hn_mfile *hn_manifest_file(const hn_manifest *m, const char *path)
{
    size_t lo = 0, hi = m->file_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = strcmp(path, m->file[mid].path);
        if (order == 0)
            return &m->file[mid];
        *(order < 0 ? &hi : &lo) = order < 0 ? mid : mid + 1;
    }
    return NULL;
}

const hn_mfile *hn_manifest_role(const hn_manifest *m, const char *role)
{
    for (size_t i = 0; i < m->file_count; i++)
        if (strcmp(m->file[i].role, role) == 0)
            return &m->file[i];
    return NULL;
}

uint64_t hn_manifest_bytes(const hn_manifest *m)
{
    uint64_t sum = 0;                /* at most 2^10 files of 2^44 bytes: no overflow */
    for (size_t i = 0; i < m->file_count; i++)
        sum += m->file[i].length;
    return sum;
}

/* ---- Does it fit? --------------------------------------------------------------------------------- */

static bool word_in(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += len)
        if (len && at > words && at[-1] == ' ' && at[len] == ' ')
            return true;
    return false;
}

static bool version_below(const char *have, const char *want)
{
    unsigned long a[3] = { 0 }, b[3] = { 0 };
    const char *rest;
    if (!version_read(have, a, &rest) || !version_read(want, b, &rest))
        return true;
    for (int i = 0; i < 3; i++)
        if (a[i] != b[i])
            return a[i] < b[i];
    return false;
}

hn_err hn_manifest_fits(hn_ctx *cx, const hn_manifest *m, const hn_device *d, hn_reason *why)
{
    bool found = m->needs.cpu_count == 0;
    if (m->needs.runtime && version_below(d->runtime, m->needs.runtime))
        return hn_refuse(cx, why, HN_WHY_RUNTIME, HN_EUNSUP, "%s: needs Hone %s, this is %s", m->name, m->needs.runtime,
                         d->runtime);
    for (size_t i = 0; i < m->needs.cpu_count; i++)
        found = found || strcmp(m->needs.cpu[i], d->cpu) == 0;
    if (!found)
        return hn_refuse(cx, why, HN_WHY_CPU, HN_EUNSUP, "%s: made for %s%s, this is %s", m->name, m->needs.cpu[0],
                         m->needs.cpu_count > 1 ? " and others" : "", d->cpu);
    for (size_t i = 0; i < m->needs.feature_count; i++)
        if (!word_in(d->features, m->needs.feature[i]))
            return hn_refuse(cx, why, HN_WHY_CPU_FEATURE, HN_EUNSUP, "%s: needs a processor with %s", m->name,
                             m->needs.feature[i]);
    found = m->needs.delegate_count == 0;
    for (size_t i = 0; i < m->needs.delegate_count; i++)
        found = found || word_in(d->delegates, m->needs.delegate[i]);
    if (!found)
        return hn_refuse(cx, why, HN_WHY_DELEGATE, HN_EUNSUP, "%s: runs on %s only, which is not here", m->name,
                         m->needs.delegate[0]);
    if (m->needs.ram_bytes > d->ram_bytes)
        return hn_refuse(cx, why, HN_WHY_RAM, HN_ELIMIT, "%s: needs %llu bytes of memory, this device has %llu",
                         m->name,
                         (unsigned long long)m->needs.ram_bytes, (unsigned long long)d->ram_bytes);
    if (m->needs.disk_bytes > d->disk_free_bytes)
        return hn_refuse(cx, why, HN_WHY_DISK, HN_ELIMIT, "%s: asks for %llu bytes of free disk, there are %llu",
                         m->name,
                         (unsigned long long)m->needs.disk_bytes, (unsigned long long)d->disk_free_bytes);
    return HN_OK;
}
