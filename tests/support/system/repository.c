/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/system/repository.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/test.h"

static void ok(const repository *r, hn_err e)
{
    if (e)
        fail_msg("%s", r->cx.msg);
}

/* Keys from names: the same in every run. */
static hn_key *key_named(repository *r, const char *name)
{
    uint8_t seed[32];
    hn_key *k;
    ok(r, hn_sha256(&r->cx, name, strlen(name), seed));
    ok(r, hn_key_from_seed(&r->cx, HN_KEY_ED25519, seed, &k));
    return k;
}

void repo_open(repository *r)
{
    *r = (repository){ .dir = "/tmp/hone-repo-XXXXXX" };
    CHECK(mkdtemp(r->dir));
    r->root[0] = key_named(r, "root 0");
    r->root[1] = key_named(r, "root 1");
    r->root[2] = key_named(r, "root 2");
    r->targets = key_named(r, "targets");
    r->snapshot = key_named(r, "snapshot");
    r->timestamp = key_named(r, "timestamp");
    r->team = key_named(r, "team");
    r->stranger = key_named(r, "stranger");
}

void repo_close(repository *r)
{
    struct dirent *entry;
    char path[400];
    hn_key *keys[] = { r->root[0], r->root[1], r->root[2], r->targets, r->snapshot, r->timestamp, r->team,
                       r->stranger };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        hn_key_free(keys[i]);
    for (size_t i = 0; i < r->file_count; i++)
        hn_buf_free(&r->file[i].data);
    DIR *d = opendir(r->dir);
    while (d && (entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", r->dir, entry->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    CHECK(rmdir(r->dir) == 0);
}

/* ---- Bodies ----------------------------------------------------------------------------------------- */

void repo_add_key(json_t *holder, json_t *role, const hn_key *key)
{
    hn_ctx cx = { 0 };
    json_t *form;
    char id[HN_SHA256_HEX];
    CHECK(hn_tuf_key_write(&cx, key, &form) == HN_OK && hn_tuf_key_id(&cx, form, id) == HN_OK);
    json_object_set_new(json_object_get(holder, "keys"), id, form);
    json_array_append_new(json_object_get(role, "keyids"), json_string(id));
}

json_t *repo_role(const json_t *root, const char *name)
{
    return json_object_get(json_object_get(root, "roles"), name);
}

static json_t *new_role(int threshold) { return json_pack("{s:[], s:i}", "keyids", "threshold", threshold); }

json_t *repo_root(repository *r, int64_t version)
{
    json_t *body = hn_tuf_body(HN_TUF_ROOT, version, REPO_LATER), *roles = json_object();
    json_object_set_new(body, "consistent_snapshot", json_true());
    json_object_set_new(body, "keys", json_object());
    json_object_set_new(body, "roles", roles);
    for (int i = 0; i < HN_TUF_TYPES; i++)
        json_object_set_new(roles, hn_tuf_type_name((hn_tuf_type)i), new_role(i == HN_TUF_ROOT ? 2 : 1));
    for (int i = 0; i < 3; i++)
        repo_add_key(body, repo_role(body, "root"), r->root[i]);
    repo_add_key(body, repo_role(body, "targets"), r->targets);
    repo_add_key(body, repo_role(body, "snapshot"), r->snapshot);
    repo_add_key(body, repo_role(body, "timestamp"), r->timestamp);
    return body;
}

static json_t *entry_of(const void *data, size_t len)
{
    hn_ctx cx = { 0 };
    uint8_t hash[32];
    char hex[HN_SHA256_HEX];
    CHECK(hn_sha256(&cx, data, len, hash) == HN_OK);
    hn_hex(hash, 32, hex);
    return json_pack("{s:I, s:{s:s}}", "length", (json_int_t)len, "hashes", "sha256", hex);
}

json_t *repo_targets(repository *r, int64_t version)
{
    json_t *body = hn_tuf_body(HN_TUF_TARGETS, version, REPO_LATER), *team = new_role(1);
    json_t *d = json_pack("{s:{}, s:[]}", "keys", "roles");
    json_object_set_new(body, "targets", json_pack("{s:o}", "model", entry_of("the model", 9)));
    json_object_set_new(body, "delegations", d);
    json_object_set_new(team, "name", json_string("team"));
    json_object_set_new(team, "terminating", json_false());
    json_object_set_new(team, "paths", json_pack("[s]", "team/*"));
    repo_add_key(d, team, r->team);
    json_array_append_new(json_object_get(d, "roles"), team);
    return body;
}

json_t *repo_team(repository *r, int64_t version)
{
    (void)r;
    json_t *body = hn_tuf_body(HN_TUF_TARGETS, version, REPO_LATER);
    json_object_set_new(body, "targets", json_pack("{s:o}", "team/model", entry_of("team's model", 12)));
    return body;
}

json_t *repo_snapshot(repository *r, int64_t version)
{
    json_t *body = hn_tuf_body(HN_TUF_SNAPSHOT, version, REPO_LATER), *meta = json_object();
    for (size_t i = 0; i < r->file_count; i++) {
        const char *dot = strchr(r->file[i].path, '.');
        json_int_t v = strtoll(r->file[i].path, NULL, 10), had;
        if (strcmp(dot, ".targets.json") != 0 && strcmp(dot, ".team.json") != 0)
            continue;
        had = json_integer_value(json_object_get(json_object_get(meta, dot + 1), "version"));
        if (v < had)
            continue;
        json_t *entry = entry_of(r->file[i].data.data, r->file[i].data.len);
        json_object_set_new(entry, "version", json_integer(v));
        json_object_set_new(meta, dot + 1, entry);
    }
    json_object_set_new(body, "meta", meta);
    return body;
}

json_t *repo_timestamp(repository *r, int64_t version, int64_t snapshot)
{
    char path[64];
    json_t *body = hn_tuf_body(HN_TUF_TIMESTAMP, version, REPO_LATER), *entry;
    snprintf(path, sizeof path, "%lld.snapshot.json", (long long)snapshot);
    const hn_buf *data = repo_get(r, path);
    entry = data ? entry_of(data->data, data->len) : json_object();
    json_object_set_new(entry, "version", json_integer(snapshot));
    json_object_set_new(body, "meta", json_pack("{s:o}", "snapshot.json", entry));
    return body;
}

/* ---- Files ------------------------------------------------------------------------------------------ */

static repo_file *slot(repository *r, const char *path)
{
    for (size_t i = 0; i < r->file_count; i++)
        if (strcmp(r->file[i].path, path) == 0)
            return &r->file[i];
    return NULL;
}

const hn_buf *repo_get(const repository *r, const char *path)
{
    repo_file *f = slot((repository *)(uintptr_t)r, path);
    return f ? &f->data : NULL;
}

void repo_put_bytes(repository *r, const char *path, const void *data, size_t len)
{
    repo_file *f = slot(r, path);
    if (!f) {
        CHECK(r->file_count < REPO_FILES);
        f = &r->file[r->file_count++];
        snprintf(f->path, sizeof f->path, "%s", path);
    }
    hn_buf fresh = { 0 };          /* data may lie in the old one */
    hn_buf_add(&fresh, data, len);
    hn_buf_free(&f->data);
    f->data = fresh;
}

void repo_remove(repository *r, const char *path)
{
    repo_file *f = slot(r, path);
    CHECK(f != NULL);
    hn_buf_free(&f->data);
    *f = r->file[--r->file_count];
}

void repo_put(repository *r, const char *path, json_t *body, ...)
{
    va_list keys;
    json_t *doc;
    hn_buf text = { 0 };
    ok(r, hn_tuf_draft(&r->cx, body, &doc));
    va_start(keys, body);
    for (hn_key *k; (k = va_arg(keys, hn_key *));)
        ok(r, hn_tuf_sign(&r->cx, doc, k));
    va_end(keys);
    ok(r, hn_tuf_write_text(&r->cx, doc, &text));
    repo_put_bytes(r, path, text.data, text.len);
    hn_buf_free(&text);
    json_decref(doc);
}

void repo_publish(repository *r, int64_t version)
{
    char path[64];
    if (version == 1)
        repo_put(r, "1.root.json", repo_root(r, 1), r->root[0], r->root[1], NULL);
    snprintf(path, sizeof path, "%lld.team.json", (long long)version);
    repo_put(r, path, repo_team(r, version), r->team, NULL);
    snprintf(path, sizeof path, "%lld.targets.json", (long long)version);
    repo_put(r, path, repo_targets(r, version), r->targets, NULL);
    snprintf(path, sizeof path, "%lld.snapshot.json", (long long)version);
    repo_put(r, path, repo_snapshot(r, version), r->snapshot, NULL);
    repo_put(r, "timestamp.json", repo_timestamp(r, version, version), r->timestamp, NULL);
}

/* ---- The device ------------------------------------------------------------------------------------- */

void repo_trust_root(repository *r)
{
    const hn_buf *root = repo_get(r, "1.root.json");
    ok(r, hn_tuf_init(&r->cx, r->dir, root->data, root->len));
}

static hn_err get(void *user, hn_ctx *cx, size_t mirror, const char *path, uint64_t bytes_max, hn_buf *out)
{
    repository *r = user;
    const hn_buf *f = repo_get(r, path);
    (void)mirror;
    if (r->asked_count < REPO_ASKED)
        snprintf(r->asked[r->asked_count++], sizeof r->asked[0], "%s", path);
    if (!f)
        return hn_fail(cx, HN_ENO, "%s: not there", path);
    if (f->len > bytes_max)
        return hn_fail(cx, HN_ELIMIT, "%s: too long", path);
    hn_buf_add(out, f->data, f->len);
    return hn_buf_ok(out, path);
}

hn_tuf_source repo_source(repository *r) { return (hn_tuf_source){ get, 1, r }; }

hn_err repo_refresh_at(repository *r, int64_t now, const char *find)
{
    hn_tuf *t;
    hn_tuf_target target;
    hn_tuf_opts o = { .dir = r->dir, .now = now, .source = repo_source(r) };
    r->asked_count = 0;
    r->cx.msg[0] = 0;
    HN_TRY(hn_tuf_open(&r->cx, &o, &t));
    hn_err e = hn_tuf_refresh(&r->cx, t);
    if (!e && find)
        e = hn_tuf_find(&r->cx, t, find, &target);
    hn_tuf_close(t);
    return e;
}

hn_err repo_refresh(repository *r) { return repo_refresh_at(r, REPO_NOW, NULL); }

int64_t repo_trusted(const repository *r, const char *file)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->dir, file);
    json_t *doc = json_load_file(path, 0, NULL);
    int64_t version = json_integer_value(json_object_get(json_object_get(doc, "signed"), "version"));
    json_decref(doc);
    return version;
}
