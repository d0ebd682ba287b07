/* SPDX-License-Identifier: Apache-2.0 */
/* package.c: reading packages. */
#include "fleet/package.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet/json.h"
#include "fleet/oci.h"

bool hn_package_probe(const char *path)
{
    char inner[4096];
    struct stat st;
    uint8_t head[512];
    if (stat(path, &st) != 0)
        return false;
    if (S_ISDIR(st.st_mode))
        return snprintf(inner, sizeof inner, "%s/oci-layout", path) < (int)sizeof inner && access(inner, R_OK) == 0;
    FILE *f = fopen(path, "re");
    bool is = f && fread(head, 1, sizeof head, f) == sizeof head && hn_tar_probe(head, sizeof head);
    if (f)
        fclose(f);
    return is;
}

/* A file of the layout, by its name in it. */
static hn_err get(hn_ctx *cx, const hn_package *p, const char *name, hn_file *out)
{
    if (!p->archive.data) {
        char dir[4096];
        if (snprintf(dir, sizeof dir, "%s/", p->place) >= (int)sizeof dir)
            return hn_fail(cx, HN_EARG, "%.200s...: the path is too long", p->place);
        return hn_file_open_inside(cx, dir, name, strlen(name), out);
    }
    const hn_tar_file *f = hn_tar_find(&p->tar, name);
    if (!f)
        return hn_fail(cx, HN_EFORMAT, "%s: no '%s' in the archive", p->place, name);
    *out = (hn_file){ f->data, f->size };
    return HN_OK;
}

void hn_package_done(const hn_package *p, hn_file *f)
{
    if (!p->archive.data)
        hn_file_close(f);
    *f = (hn_file){ 0 };
}

hn_err hn_package_blob(hn_ctx *cx, const hn_package *p, const hn_layer *l, hn_file *out)
{
    char name[96];
    hn_file f;
    snprintf(name, sizeof name, "blobs/sha256/%s", hn_digest_hex(&l->digest).text);
    HN_TRY(get(cx, p, name, &f));
    if (f.len != l->size) {
        size_t found = f.len;
        hn_package_done(p, &f);
        return hn_fail(cx, HN_EREFUSED, "%s: %s: expected %llu bytes, found %zu", p->place, name,
                       (unsigned long long)l->size, found);
    }
    *out = f;
    return HN_OK;
}

/* ---- Descriptors ------------------------------------------------------------------------------------------ */

static const char *keep(hn_package *p, const char *text) { return text ? hn_arena_text(p->a, text,
        strlen(text)) : NULL; }

static hn_err read_descriptor(hn_ctx *cx, hn_package *p, const json_t *j, hn_layer *out)
{
    const char *digest = json_string_value(json_object_get(j, "digest"));
    const json_t *size = json_object_get(j, "size"), *notes = json_object_get(j, "annotations");
    const char *path = json_string_value(json_object_get(notes, HN_OCI_FILEPATH));
    *out = (hn_layer){ .media_type = keep(p, json_string_value(json_object_get(j, "mediaType"))) };
    if (!path)
        path = json_string_value(json_object_get(notes, HN_OCI_FILEPATH_DRAFT));
    if (!out->media_type || !digest || strncmp(digest, "sha256:", 7) != 0 ||
        !hn_digest_from_hex(digest + 7, &out->digest) ||
        !json_is_integer(size) || json_integer_value(size) < 0 ||
            (uint64_t)json_integer_value(size) > HN_FILE_BYTES_MAX)
        return hn_fail(cx, HN_EFORMAT, "%s: a descriptor needs mediaType, a sha256 digest and a size", p->place);
    if (path && !hn_package_path_ok(path))
        return hn_fail(cx, HN_EREFUSED, "%s: a layer's path leads elsewhere", p->place);
    out->size = (uint64_t)json_integer_value(size);
    out->path = keep(p, path);
    return HN_OK;
}

static hn_err check_bytes(hn_ctx *cx, const hn_package *p, const hn_layer *l, const hn_file *f)
{
    hn_digest d;
    HN_TRY(hn_digest_of(cx, f->data, f->len, &d));
    if (!hn_digest_equal(&d, &l->digest))
        return hn_fail(cx, HN_EREFUSED, "%s: blob %s has other bytes than its name says", p->place,
                       hn_digest_hex(&l->digest).text);
    return HN_OK;
}

/* A blob that is read whole: JSON. */
static hn_err get_text(hn_ctx *cx, hn_package *p, const hn_layer *l, const uint8_t **out)
{
    hn_file f;
    if (l->size > HN_OCI_JSON_MAX)
        return hn_fail(cx, HN_ELIMIT, "%s: a manifest of %llu bytes", p->place, (unsigned long long)l->size);
    HN_TRY(hn_package_blob(cx, p, l, &f));
    hn_err e = check_bytes(cx, p, l, &f);
    if (!e && !(*out = (const uint8_t *)hn_arena_text(p->a, (const char *)f.data, f.len)))
        e = hn_nomem(cx, "a package");
    hn_package_done(p, &f);
    return e;
}

static hn_err read_index(hn_ctx *cx, hn_package *p)
{
    hn_file f;
    json_t *j = NULL;
    HN_TRY(get(cx, p, "index.json", &f));
    hn_err e = f.len > HN_OCI_JSON_MAX ? hn_fail(cx, HN_ELIMIT, "%s: index.json is too long", p->place)
                                       : hn_json_parse_real(cx, "index.json", (const char *)f.data, f.len, &j);
    hn_package_done(p, &f);
    const json_t *list = json_object_get(j, "manifests");
    if (!e && json_array_size(list) != 1)
        e = hn_fail(cx, json_array_size(list) ? HN_EUNSUP : HN_EFORMAT,
                    "%s: index.json lists %zu manifests, a package has one",
                    p->place, json_array_size(list));
    if (!e)
        e = read_descriptor(cx, p, json_array_get(list, 0), &p->oci);
    json_decref(j);
    return e;
}

static hn_err read_layers(hn_ctx *cx, hn_package *p, const json_t *j)
{
    const json_t *list = json_object_get(j, "layers");
    p->layer_count = json_array_size(list);
    if (p->layer_count == 0 || p->layer_count > HN_TAR_FILES_MAX)
        return hn_fail(cx, HN_EFORMAT, "%s: its manifest lists %zu layers", p->place, p->layer_count);
    HN_TRY(read_descriptor(cx, p, json_object_get(j, "config"), &p->config));
    p->layer = HN_NEW(p->a, hn_layer, p->layer_count);
    if (!p->layer)
        return hn_nomem(cx, "a package");
    for (size_t i = 0; i < p->layer_count; i++)
        HN_TRY(read_descriptor(cx, p, json_array_get(list, i), &p->layer[i]));
    return HN_OK;
}

static hn_err read_manifests(hn_ctx *cx, hn_package *p)
{
    json_t *j = NULL;
    const hn_layer *hone = NULL;
    HN_TRY(read_index(cx, p));
    HN_TRY(get_text(cx, p, &p->oci, &p->oci_bytes));
    HN_TRY(hn_json_parse_real(cx, "the package's manifest", (const char *)p->oci_bytes, (size_t)p->oci.size, &j));
    hn_err e = read_layers(cx, p, j);
    json_decref(j);
    HN_TRY(e);
    for (size_t i = 0; i < p->layer_count; i++)
        if (strcmp(p->layer[i].media_type, HN_OCI_HONE) == 0)
            hone = &p->layer[i];
    if (!hone)
        return hn_fail(cx, HN_EUNSUP, "%s: a model package of another tool: it has no Hone manifest; package its "
                                      "model with `hone package`",
                       p->place);
    HN_TRY(get_text(cx, p, hone, &p->manifest_bytes));
    p->manifest_len = (size_t)hone->size;
    p->manifest_digest = hone->digest;
    return hn_manifest_read(cx, p->manifest_bytes, p->manifest_len, p->a, &p->m);
}

hn_err hn_package_open(hn_ctx *cx, const char *path, hn_package *out)
{
    hn_package p = { 0 };
    struct stat st;
    if (stat(path, &st) != 0)
        return hn_fail(cx, HN_EIO, "%s: %s", path, strerror(errno));
    HN_TRY(hn_arena_new(cx, 0, &p.a));
    p.place = keep(&p, path);
    hn_err e = p.place ? HN_OK : hn_nomem(cx, "a package");
    if (!e && !S_ISDIR(st.st_mode)) {
        e = hn_file_open(cx, path, &p.archive);
        if (!e && !hn_tar_probe(p.archive.data, p.archive.len))
            e = hn_fail(cx, HN_EFORMAT, "%s: expected a package: a folder or an uncompressed tar with an OCI layout",
                        path);
        if (!e)
            e = hn_tar_read(cx, p.archive.data, p.archive.len, p.a, &p.tar);
    }
    if (!e)
        e = read_manifests(cx, &p);
    if (e)
        hn_package_close(&p);
    else
        *out = p;
    return e;
}

void hn_package_close(hn_package *p)
{
    hn_file_close(&p->archive);
    hn_arena_free(p->a);
    *p = (hn_package){ 0 };
}

const hn_layer *hn_package_layer(const hn_package *p, const hn_digest *d)
{
    for (size_t i = 0; i < p->layer_count; i++)
        if (hn_digest_equal(&p->layer[i].digest, d))
            return &p->layer[i];
    return NULL;
}

/* ---- Verifying ---------------------------------------------------------------------------------------------- */

static hn_err verify_blob(hn_ctx *cx, const hn_package *p, const hn_layer *l, hn_reason *why)
{
    hn_file f;
    HN_TRY(hn_because(why, HN_WHY_LENGTH, hn_package_blob(cx, p, l, &f)));
    hn_err e = hn_because(why, HN_WHY_HASH, check_bytes(cx, p, l, &f));
    hn_package_done(p, &f);
    return e;
}

static hn_err verify_files(hn_ctx *cx, const hn_package *p, hn_reason *why)
{
    for (size_t i = 0; i < p->m.file_count; i++) {
        const hn_mfile *f = &p->m.file[i];
        const hn_layer *l = hn_package_layer(p, &f->sha256);
        if (!l || l->size != f->length)
            return hn_refuse(cx, why, HN_WHY_MANIFEST, HN_EREFUSED,
                             "%s: the manifest lists '%.200s', which no layer is", p->place, f->path);
    }
    for (size_t i = 0; i < p->m.delta_count; i++)
        if (!hn_package_layer(p, &p->m.delta[i].sha256))
            return hn_refuse(cx, why, HN_WHY_MANIFEST, HN_EREFUSED,
                             "%s: the manifest lists the delta '%.200s', which no layer is",
                             p->place, p->m.delta[i].path);
    return HN_OK;
}

static bool is_named(const hn_package *p, const char *hex)
{
    hn_digest d;
    return hn_digest_from_hex(hex, &d) && (hn_digest_equal(&d, &p->oci.digest) ||
                                           hn_digest_equal(&d, &p->config.digest) ||
                                           hn_package_layer(p, &d));
}

static hn_err unlisted(hn_ctx *cx, const hn_package *p, const char *name, hn_reason *why)
{
    return hn_refuse(cx, why, HN_WHY_MANIFEST, HN_EREFUSED, "%s: '%.200s' is in the package and in no manifest",
                     p->place, name);
}

static hn_err verify_nothing_else(hn_ctx *cx, const hn_package *p, hn_reason *why)
{
    static const char blobs[] = "blobs/sha256/";
    if (p->archive.data) {
        for (size_t i = 0; i < p->tar.count; i++) {
            const char *name = p->tar.file[i].path;
            if (strcmp(name, "oci-layout") != 0 && strcmp(name, "index.json") != 0 &&
                !(strncmp(name, blobs, sizeof blobs - 1) == 0 && is_named(p, name + sizeof blobs - 1)))
                return unlisted(cx, p, name, why);
        }
        return HN_OK;
    }
    char dir[4096];
    struct dirent *entry;
    hn_err e = HN_OK;
    snprintf(dir, sizeof dir, "%s/blobs/sha256", p->place);
    DIR *d = opendir(dir);
    if (!d)
        return hn_fail(cx, HN_EIO, "%s: %s", dir, strerror(errno));
    while (!e && (entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !is_named(p, entry->d_name))
            e = unlisted(cx, p, entry->d_name, why);
    closedir(d);
    return e;
}

hn_err hn_package_verify(hn_ctx *cx, const hn_package *p, hn_reason *why)
{
    HN_TRY(verify_blob(cx, p, &p->oci, why));
    HN_TRY(verify_blob(cx, p, &p->config, why));
    for (size_t i = 0; i < p->layer_count; i++)
        HN_TRY(verify_blob(cx, p, &p->layer[i], why));
    HN_TRY(verify_files(cx, p, why));
    return verify_nothing_else(cx, p, why);
}
