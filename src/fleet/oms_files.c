/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a list of names and digests. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/utf8.h"
#include "fleet/hash.h"
#include "fleet/oms_impl.h"

#define FILES_MAX 1000000

typedef struct found { char *path; uint64_t size; bool folder; } found;     /* path: below the model's folder */

typedef struct walk {
    hn_ctx *cx;
    const char *model;
    const oms_scope *scope;
    dev_t bundle_device; ino_t bundle_inode; bool has_bundle;
    found *list; size_t count, cap;
} walk;

static bool left_out(const walk *w, const char *path)
{
    static const char *const usual[] = { ".git", ".gitignore", ".gitattributes", ".github" };
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (strcmp(path, usual[i]) == 0)
            return true;
    for (size_t i = 0; i < json_array_size(w->scope->ignore); i++) {
        const char *skip = json_string_value(json_array_get(w->scope->ignore, i));
        if (skip && strcmp(path, skip) == 0)
            return true;
    }
    return false;
}

static hn_err take(walk *w, const char *path, const struct stat *st)
{
    if (w->has_bundle && st->st_dev == w->bundle_device && st->st_ino == w->bundle_inode)
        return HN_OK;
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
        return hn_fail(w->cx, HN_EREFUSED, "%s/%s: only files and folders can be signed, this is something else",
                       w->model, path);
    if (hn_utf8_valid(path, strlen(path)) != strlen(path))
        return hn_fail(w->cx, HN_EUNSUP, "%s: unsupported: a file name that is not UTF-8", w->model);
    if (w->count >= FILES_MAX || !hn_grow(w->cx, &w->list, w->count, &w->cap, sizeof *w->list))
        return hn_fail(w->cx, HN_ELIMIT, "%s: more than %d files", w->model, FILES_MAX);
    char *copy = hn_alloc(w->cx, strlen(path) + 1);
    if (!copy)
        return hn_nomem(w->cx, "names of files");
    memcpy(copy, path, strlen(path) + 1);
    w->list[w->count++] = (found){ copy, (uint64_t)st->st_size, S_ISDIR(st->st_mode) };
    return HN_OK;
}

static hn_err look_at(walk *w, const char *folder, const char *name)
{
    char path[HN_PATH_MAX], full[HN_PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    int m = snprintf(full, sizeof full, "%s/%s", w->model, path);
    if (n < 0 || (size_t)n >= sizeof path || m < 0 || (size_t)m >= sizeof full)
        return hn_fail(w->cx, HN_EIO, "%s/%.200s...: path is too long", w->model, folder);
    if (left_out(w, path))
        return HN_OK;
    if (lstat(full, &st) != 0)
        return hn_fail(w->cx, HN_EIO, "%s: %s", full, strerror(errno));
    if (S_ISLNK(st.st_mode)) {
        if (!w->scope->links)
            return hn_fail(w->cx, HN_EREFUSED, "%s: a symbolic link, which this signature does not allow", full);
        if (stat(full, &st) != 0)
            return hn_fail(w->cx, HN_EIO, "%s: %s", full, strerror(errno));
    }
    return take(w, path, &st);
}

/* One folder's entries go to the end of the list, where the caller will come to them. */
static hn_err open_folder(walk *w, const char *folder)
{
    char full[HN_PATH_MAX];
    struct dirent *entry;
    hn_err e = HN_OK;
    int n = snprintf(full, sizeof full, "%s/%s", w->model, folder);
    DIR *d = n > 0 && (size_t)n < sizeof full ? opendir(full) : NULL;
    if (!d)
        return hn_fail(w->cx, HN_EIO, "%s/%.200s: %s", w->model, folder, strerror(errno));
    while (!e && (entry = readdir(d)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            e = look_at(w, folder, entry->d_name);
    closedir(d);
    return e;
}

static int by_path(const void *a, const void *b) { return strcmp(((const found *)a)->path, ((const found *)b)->path); }

static hn_err collect(walk *w)
{
    struct stat st;
    if (stat(w->model, &st) != 0)
        return hn_fail(w->cx, HN_EIO, "%s: %s", w->model, strerror(errno));
    if (S_ISREG(st.st_mode))                 /* a model of one file is called "." */
        return take(w, ".", &st);
    HN_TRY(open_folder(w, ""));
    for (size_t i = 0; i < w->count; i++)
        if (w->list[i].folder)
            HN_TRY(open_folder(w, w->list[i].path));
    if (w->count)
        qsort(w->list, w->count, sizeof *w->list, by_path);
    return HN_OK;
}

/* ---- Digests ---------------------------------------------------------------------------------------- */

static hn_err add_piece(walk *w, json_t *out, const found *f, uint64_t from, uint64_t to, bool shard)
{
    char full[HN_PATH_MAX], name[HN_PATH_MAX + 48], hex[HN_HASH_HEX_MAX];
    uint8_t hash[HN_HASH_MAX];
    uint64_t got;
    bool single = strcmp(f->path, ".") == 0;
    snprintf(full, sizeof full, "%s%s%s", w->model, single ? "" : "/", single ? "" : f->path);
    HN_TRY(hn_hash_file(w->cx, HN_SHA256, full, from, shard ? to - from : UINT64_MAX, hash, &got));
    if (got != to - from)
        return hn_fail(w->cx, HN_EIO, "%s: changed while it was read", full);
    hn_hex(hash, HN_SHA256_SIZE, hex);
    if (shard)
        snprintf(name, sizeof name, "%s:%llu:%llu", f->path, (unsigned long long)from, (unsigned long long)to);
    else
        snprintf(name, sizeof name, "%s", f->path);
    json_t *one = json_pack("{s:s, s:s, s:s}", "name", name, "digest", hex, "algorithm", "sha256");
    return json_array_append_new(out, one) == 0 ? HN_OK : hn_nomem(w->cx, "a list of files");
}

static hn_err digest_all(walk *w, json_t *out)
{
    uint64_t shard = w->scope->shard_size;
    for (size_t i = 0; i < w->count; i++) {
        const found *f = &w->list[i];
        if (f->folder)
            continue;
        if (!shard)
            HN_TRY(add_piece(w, out, f, 0, f->size, false));
        for (uint64_t at = 0; shard && at < f->size;) {
            uint64_t end = f->size - at < shard ? f->size : at + shard;
            HN_TRY(add_piece(w, out, f, at, end, true));
            at = end;
        }
    }
    if (json_array_size(out) == 0)
        return hn_fail(w->cx, HN_EFORMAT, "%s: no file in it that could be signed", w->model);
    return HN_OK;
}

hn_err hn_oms_resources(hn_ctx *cx, const char *model, const char *bundle, const oms_scope *scope, json_t **out)
{
    struct stat st;
    walk w = { .cx = cx, .model = model, .scope = scope };
    if (bundle && stat(bundle, &st) == 0) {
        w.has_bundle = true;
        w.bundle_device = st.st_dev;
        w.bundle_inode = st.st_ino;
    }
    json_t *list = json_array();
    hn_err e = list ? collect(&w) : hn_nomem(cx, "a list of files");
    if (!e)
        e = digest_all(&w, list);
    for (size_t i = 0; i < w.count; i++)
        hn_free(cx, w.list[i].path);
    hn_free(cx, w.list);
    if (e)
        json_decref(list);
    else
        *out = list;
    return e;
}

static hn_err add_digests(hn_ctx *cx, const char *what, const json_t *resources, hn_hasher *h)
{
    uint8_t raw[HN_SHA256_SIZE];
    for (size_t i = 0; i < json_array_size(resources); i++) {
        const json_t *r = json_array_get(resources, i);
        const char *digest = json_string_value(json_object_get(r, "digest"));
        const char *algorithm = json_string_value(json_object_get(r, "algorithm"));
        if (!algorithm || strcmp(algorithm, "sha256") != 0)
            return hn_fail(cx, HN_EUNSUP, "%s: unsupported: digests by %.20s; sha256 is", what, algorithm ?
                           algorithm : "nothing");
        if (!digest || strlen(digest) != 64 || !hn_unhex(digest, 64, raw))
            return hn_fail(cx, HN_EFORMAT, "%s: file %zu: expected 64 hexadecimal digits as its digest", what, i);
        HN_TRY(hn_hasher_add(h, raw, sizeof raw));
    }
    return HN_OK;
}

hn_err hn_oms_root(hn_ctx *cx, const char *what, const json_t *resources, char hex[65])
{
    hn_hasher *h;
    uint8_t root[HN_HASH_MAX];
    HN_TRY(hn_hasher_new(cx, HN_SHA256, &h));
    hn_err e = add_digests(cx, what, resources, h);
    if (!e)
        e = hn_hasher_end(h, root);
    hn_hasher_free(h);
    if (!e)
        hn_hex(root, HN_SHA256_SIZE, hex);
    return e;
}
