/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher's folder: what is published, and changes staged for signing. */
#include "fleet/tuf_repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/json.h"
#include "fleet/tuf_repo_impl.h"
#include "net/fetch.h"
#include "net/url.h"

#define ROOTS_MAX 100000           /* versions looked for; a repository makes a few a year */

const hn_tuf_lives hn_tuf_lives_usual = { 365, 120, 14, 2 };

/* ---- Files ------------------------------------------------------------------------------------------ */

hn_err hn_repo_path(hn_ctx *cx, hn_buf *out, const char *dir, const char *folder, const char *name)
{
    *out = (hn_buf){ .cx = cx };
    hn_buf_printf(out, "%s/%s/%s", dir, folder, name);
    return hn_buf_ok(out, "a path");
}

/* NULL in *out when nothing lies there. */
static hn_err read_doc(hn_ctx *cx, const char *path, json_t **out)
{
    hn_file f;
    *out = NULL;
    if (access(path, F_OK) != 0)
        return HN_OK;
    HN_TRY(hn_file_open(cx, path, &f));
    hn_err e = hn_json_parse(cx, path, (const char *)f.data, f.len, out);
    hn_file_close(&f);
    return e;
}

static hn_err read_in(hn_ctx *cx, const char *dir, const char *folder, const char *name, json_t **out)
{
    hn_buf path;
    hn_err e = hn_repo_path(cx, &path, dir, folder, name);
    if (!e)
        e = read_doc(cx, path.data, out);
    hn_buf_free(&path);
    return e;
}

hn_err hn_repo_write(hn_ctx *cx, const char *path, const json_t *doc)
{
    hn_buf text = { .cx = cx };
    hn_err e = hn_tuf_write_text(cx, doc, &text);
    if (!e)
        e = hn_file_write(cx, path, text.data, text.len);
    hn_buf_free(&text);
    return e;
}

static hn_err make_folders(hn_ctx *cx, const char *path)
{
    char part[HN_PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return hn_fail(cx, HN_EARG, "%.200s...: path is too long", path);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i])
            continue;
        part[i] = 0;
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return hn_fail(cx, HN_EIO, "%s: %s", part, strerror(errno));
        part[i] = i < len ? '/' : 0;
    }
    return HN_OK;
}

const json_t *hn_doc_get(const json_t *doc, const char *name) { return json_object_get(json_object_get(doc, "signed"),
        name); }
int64_t hn_doc_int(const json_t *doc, const char *name) { return json_integer_value(hn_doc_get(doc, name)); }

int64_t hn_doc_expires(const json_t *doc)
{
    int64_t t = 0;
    hn_ctx quiet = { 0 };
    const char *text = json_string_value(hn_doc_get(doc, "expires"));
    return text && hn_tuf_time_read(&quiet, text, &t) == HN_OK ? t : 0;
}

/* ---- What is published ------------------------------------------------------------------------------ */

hn_err hn_repo_load(hn_ctx *cx, const char *dir, repo_state *out)
{
    char name[64];
    repo_state s = { 0 };
    hn_err e = HN_OK;
    for (int v = 1; !e && v < ROOTS_MAX; v++) {
        json_t *next;
        snprintf(name, sizeof name, "%d.root.json", v);
        e = read_in(cx, dir, "metadata", name, &next);
        if (!next)
            break;
        json_decref(s.root);
        s.root = next;
    }
    if (!e)
        e = read_in(cx, dir, "metadata", "timestamp.json", &s.timestamp);
    if (!e && s.timestamp) {
        const json_t *entry = json_object_get(hn_doc_get(s.timestamp, "meta"), "snapshot.json");
        snprintf(name, sizeof name, "%lld.snapshot.json", (long long)json_integer_value(json_object_get(entry,
                "version")));
        e = read_in(cx, dir, "metadata", name, &s.snapshot);
    }
    if (e)
        hn_repo_unload(&s);
    else
        *out = s;
    return e;
}

void hn_repo_unload(repo_state *s)
{
    json_decref(s->root);
    json_decref(s->timestamp);
    json_decref(s->snapshot);
    *s = (repo_state){ 0 };
}

hn_err hn_repo_staged(hn_ctx *cx, const char *dir, const char *role, json_t **out)
{
    char name[128];
    snprintf(name, sizeof name, "%s.json", role);
    return read_in(cx, dir, "staged", name, out);
}

hn_err hn_repo_published(hn_ctx *cx, const char *dir, const repo_state *s, const char *role, json_t **out)
{
    char name[128];
    if (strcmp(role, "root") == 0) {
        *out = json_incref(s->root);
        return HN_OK;
    }
    snprintf(name, sizeof name, "%s.json", role);
    const json_t *entry = json_object_get(hn_doc_get(s->snapshot, "meta"), name);
    *out = NULL;
    if (!entry)
        return HN_OK;
    snprintf(name, sizeof name, "%lld.%s.json", (long long)json_integer_value(json_object_get(entry, "version")), role);
    return read_in(cx, dir, "metadata", name, out);
}

hn_tuf_signers hn_doc_team(const json_t *targets, const char *team)
{
    const json_t *d = hn_doc_get(targets, "delegations"), *roles = json_object_get(d, "roles");
    hn_tuf_signers by = { json_object_get(d, "keys"), NULL };
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(roles, i), "name"));
        if (name && strcmp(name, team) == 0)
            by.role = json_array_get(roles, i);
    }
    return by;
}

/* ---- Staging ---------------------------------------------------------------------------------------- */

/* Team names are file names on every system and need no escaping in a URL. */
static hn_err check_role_name(hn_ctx *cx, const char *role)
{
    size_t len = strspn(role, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    bool taken = strcmp(role, "root") == 0 || strcmp(role, "snapshot") == 0 || strcmp(role, "timestamp") == 0;
    if (role[len] || len == 0 || len > 63 || role[0] == '-' || taken)
        return hn_fail(cx, HN_EARG,
                       "'%.80s': expected the name of a role: 'targets', or a team's in a-z, 0-9, - and _", role);
    return HN_OK;
}

/* The body to change: what is staged, else a copy of what is published with the next version; NULL for neither. */
static hn_err next_body(hn_ctx *cx, const char *dir, const char *role, int64_t expires, json_t **out)
{
    char at[32];
    repo_state s = { 0 };
    json_t *body = NULL;
    json_t *staged, *doc = NULL;
    HN_TRY(hn_repo_staged(cx, dir, role, &staged));
    hn_err e = hn_repo_load(cx, dir, &s);
    if (!e)
        e = hn_repo_published(cx, dir, &s, role, &doc);
    int64_t version = hn_doc_int(doc, "version");
    if (!e && (staged || doc))
        body = json_deep_copy(json_object_get(hn_doc_int(staged, "version") > version ? staged : doc, "signed"));
    if (body) {
        hn_tuf_time_write(expires, at);
        json_object_set_new(body, "expires", json_string(at));
        json_object_set_new(body, "version", json_integer(version + 1));
    }
    json_decref(staged);
    json_decref(doc);
    hn_repo_unload(&s);
    if (!e)
        *out = body;
    return e;
}

/* Checks the form of what will be signed, and stores it without signatures; takes over the body. */
static hn_err stage(hn_ctx *cx, const char *dir, const char *role, hn_tuf_type type, json_t *body)
{
    static const char *const folders[] = { "metadata", "targets", "staged" };
    char name[128];
    json_t *doc = NULL;
    hn_buf text = { .cx = cx }, path = { .cx = cx };
    hn_tuf_meta m = { 0 };
    hn_err e = hn_tuf_draft(cx, body, &doc);
    if (!e)
        e = hn_tuf_write_text(cx, doc, &text);
    if (!e)
        e = hn_tuf_meta_parse(cx, role, text.data, text.len, type, &m);
    hn_tuf_meta_free(&m);
    for (size_t i = 0; i < 3 && !e; i++) {
        e = hn_repo_path(cx, &path, dir, folders[i], "");
        if (!e)
            e = make_folders(cx, path.data);
        hn_buf_free(&path);
    }
    snprintf(name, sizeof name, "%s.json", role);
    if (!e)
        e = hn_repo_path(cx, &path, dir, "staged", name);
    if (!e)
        e = hn_file_write(cx, path.data, text.data, text.len);
    hn_buf_free(&path);
    hn_buf_free(&text);
    json_decref(doc);
    return e;
}

/* ---- Root ------------------------------------------------------------------------------------------- */

static json_t *first_root(int64_t expires)
{
    json_t *body = hn_tuf_body(HN_TUF_ROOT, 1, expires), *roles = json_object();
    json_object_set_new(body, "consistent_snapshot", json_true());
    json_object_set_new(body, "keys", json_object());
    json_object_set_new(body, "roles", roles);
    for (int i = 0; i < HN_TUF_TYPES; i++)
        json_object_set_new(roles, hn_tuf_type_name((hn_tuf_type)i),
                            json_pack("{s:[], s:i}", "keyids", "threshold", 1));
    return body;
}

static hn_err add_key(hn_ctx *cx, json_t *keys, json_t *role, const hn_key *key)
{
    json_t *form, *ids = json_object_get(role, "keyids");
    char id[HN_SHA256_HEX];
    HN_TRY(hn_tuf_key_write(cx, key, &form));
    hn_err e = hn_tuf_key_id(cx, form, id);
    for (size_t i = 0; i < json_array_size(ids) && !e; i++)
        if (strcmp(json_string_value(json_array_get(ids, i)), id) == 0)
            e = hn_fail(cx, HN_EARG, "key %.12s... has this role already", id);
    if (e) {
        json_decref(form);
        return e;
    }
    json_object_set_new(keys, id, form);
    json_array_append_new(ids, json_string(id));
    return HN_OK;
}

static hn_err remove_key(hn_ctx *cx, json_t *role, const char *role_name, const char *id)
{
    json_t *ids = json_object_get(role, "keyids");
    size_t found = SIZE_MAX, count = 0;
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (*id && strncmp(json_string_value(json_array_get(ids, i)), id, strlen(id)) == 0) {
            found = i;
            count++;
        }
    if (count != 1)
        return hn_fail(cx, HN_EARG, "%s: %s key with an id that begins with '%.64s'", role_name, count ?
                       "more than one" : "no", id);
    json_array_remove(ids, found);
    return HN_OK;
}

static hn_err change(hn_ctx *cx, json_t *body, const hn_tuf_change *c)
{
    const char *name = hn_tuf_type_name(c->role);
    json_t *role = json_object_get(json_object_get(body, "roles"), name);
    if (c->add)
        HN_TRY(add_key(cx, json_object_get(body, "keys"), role, c->add));
    if (c->remove)
        HN_TRY(remove_key(cx, role, name, c->remove));
    if (c->threshold)
        json_object_set_new(role, "threshold", json_integer(c->threshold));
    return HN_OK;
}

/* Keys of no role go; a role with fewer keys than its threshold could never be signed again. */
static hn_err tidy_root(hn_ctx *cx, json_t *body)
{
    json_t *keys = json_object_get(body, "keys"), *used = json_object();
    for (int i = 0; i < HN_TUF_TYPES; i++) {
        const char *name = hn_tuf_type_name((hn_tuf_type)i);
        const json_t *role = json_object_get(json_object_get(body, "roles"), name),
            *ids = json_object_get(role, "keyids");
        int64_t threshold = json_integer_value(json_object_get(role, "threshold"));
        for (size_t k = 0; k < json_array_size(ids); k++) {
            const char *id = json_string_value(json_array_get(ids, k));
            json_object_set(used, id, json_object_get(keys, id));
        }
        if ((int64_t)json_array_size(ids) < threshold) {
            json_decref(used);
            return hn_fail(cx, HN_EARG, "%s: %zu keys, but %lld must sign; add keys or set a lower threshold", name,
                           json_array_size(ids), (long long)threshold);
        }
    }
    json_object_set_new(body, "keys", used);
    return HN_OK;
}

hn_err hn_tuf_repo_change_root(hn_ctx *cx, const char *dir, const hn_tuf_change *changes, size_t count, int64_t expires)
{
    json_t *body = NULL;
    HN_TRY(next_body(cx, dir, "root", expires, &body));
    if (!body)
        body = first_root(expires);
    hn_err e = HN_OK;
    for (size_t i = 0; i < count && !e; i++)
        e = change(cx, body, &changes[i]);
    if (!e)
        e = tidy_root(cx, body);
    if (e) {
        json_decref(body);
        return e;
    }
    return stage(cx, dir, "root", HN_TUF_ROOT, body);
}

/* ---- Targets ---------------------------------------------------------------------------------------- */

static hn_err targets_body(hn_ctx *cx, const char *dir, const char *role, int64_t expires, json_t **out)
{
    HN_TRY(check_role_name(cx, role));
    HN_TRY(next_body(cx, dir, role, expires, out));
    if (*out)
        return HN_OK;
    if (strcmp(role, "targets") != 0)
        return hn_fail(cx, HN_EARG, "no team '%s'; make one with `hone release delegate`", role);
    *out = hn_tuf_body(HN_TUF_TARGETS, 1, expires);
    json_object_set_new(*out, "targets", json_object());
    return HN_OK;
}

static hn_err same_hash(void *user, hn_ctx *cx, const char *part)
{
    uint8_t hash[HN_HASH_MAX];
    char hex[HN_HASH_HEX_MAX];
    HN_TRY(hn_hash_file(cx, HN_SHA256, part, 0, UINT64_MAX, hash, NULL));
    hn_hex(hash, HN_SHA256_SIZE, hex);
    return strcmp(hex, user) == 0 ? HN_OK : hn_fail(cx, HN_EIO, "the file changed while it was copied");
}

/* Puts a copy of `file` at targets/DIR/HEX.NAME, synced. */
static hn_err put_blob(hn_ctx *cx, const char *dir, const char *path, const char *file, uint64_t len, char *hex)
{
    hn_buf to = { .cx = cx }, url = { .cx = cx };
    hn_http *h = NULL;
    size_t folder = hn_path_dir_len(path);
    hn_buf_printf(&to, "%s/targets/%.*s", dir, (int)folder, path);
    hn_err e = hn_buf_ok(&to, "a path");
    if (!e)
        e = make_folders(cx, to.data);
    hn_buf_printf(&to, "%s.%s", hex, path + folder);
    if (!e)
        e = hn_buf_ok(&to, "a path");
    if (!e)
        e = hn_url_from_place(cx, file, &url);
    if (!e)
        e = hn_http_new(cx, NULL, &h);
    hn_fetch f = { .url = url.data, .path = to.data, .length = len, .bytes_max = len, .check = same_hash, .user = hex };
    if (!e && access(to.data, F_OK) != 0)
        e = hn_fetch_file(cx, h, &f);
    hn_http_free(h);
    hn_buf_free(&to);
    hn_buf_free(&url);
    return e;
}

static hn_err set_target(hn_ctx *cx, const char *dir, json_t *body, const char *path, const char *file, json_t *custom)
{
    json_t *targets = json_object_get(body, "targets");
    uint8_t hash[HN_HASH_MAX];
    char hex[HN_HASH_HEX_MAX];
    uint64_t len;
    if (!file)
        return json_object_del(targets, path) == 0 ? HN_OK : hn_fail(cx, HN_EARG, "no target '%s' in this role", path);
    HN_TRY(hn_hash_file(cx, HN_SHA256, file, 0, UINT64_MAX, hash, &len));
    hn_hex(hash, HN_SHA256_SIZE, hex);
    HN_TRY(put_blob(cx, dir, path, file, len, hex));
    json_t *entry = json_pack("{s:I, s:{s:s}}", "length", (json_int_t)len, "hashes", "sha256", hex);
    if (custom)
        json_object_set(entry, "custom", custom);
    return json_object_set_new(targets, path, entry) == 0 ? HN_OK : hn_nomem(cx, "a target");
}

hn_err hn_tuf_repo_set_target(hn_ctx *cx, const char *dir, const char *role, const char *path, const char *file,
                              json_t *custom, int64_t expires)
{
    json_t *body;
    if (!hn_path_stays_inside(path, strlen(path)) || strstr(path, "//"))
        return hn_fail(cx, HN_EREFUSED, "'%.200s': expected a path like models/NAME/1/manifest.json", path);
    HN_TRY(targets_body(cx, dir, role, expires, &body));
    hn_err e = set_target(cx, dir, body, path, file, custom);
    if (e) {
        json_decref(body);
        return e;
    }
    return stage(cx, dir, role, HN_TUF_TARGETS, body);
}

hn_err hn_tuf_repo_extend(hn_ctx *cx, const char *dir, const char *role, int64_t expires)
{
    json_t *body;
    if (strcmp(role, "root") == 0)
        return hn_tuf_repo_change_root(cx, dir, NULL, 0, expires);
    HN_TRY(targets_body(cx, dir, role, expires, &body));
    return stage(cx, dir, role, HN_TUF_TARGETS, body);
}

/* ---- Teams ------------------------------------------------------------------------------------------ */

/* The delegation goes to the end of the list, or takes the place of the one of that name. */
static hn_err put_team(hn_ctx *cx, json_t *body, const hn_tuf_team *team)
{
    json_t *d = json_object_get(body, "delegations");
    if (!d)
        json_object_set_new(body, "delegations", d = json_pack("{s:{}, s:[]}", "keys", "roles"));
    json_t *roles = json_object_get(d, "roles"), *paths = json_array();
    for (size_t i = 0; i < team->path_count; i++)
        json_array_append_new(paths, json_string(team->paths[i]));
    json_t *role = json_pack("{s:s, s:[], s:i, s:b, s:o}", "name", team->name, "keyids", "threshold",
                             (int)team->threshold, "terminating", 1, "paths", paths);
    if (!role)
        return hn_nomem(cx, "a team");
    for (size_t i = json_array_size(roles); i-- > 0;)
        if (strcmp(json_string_value(json_object_get(json_array_get(roles, i), "name")), team->name) == 0)
            json_array_remove(roles, i);
    json_array_append_new(roles, role);
    for (size_t i = 0; i < team->key_count; i++)
        HN_TRY(add_key(cx, json_object_get(d, "keys"), role, team->keys[i]));
    return HN_OK;
}

hn_err hn_tuf_repo_delegate(hn_ctx *cx, const char *dir, const hn_tuf_team *team, int64_t expires)
{
    json_t *body, *first = NULL;
    HN_TRY(check_role_name(cx, team->name));
    if (strcmp(team->name, "targets") == 0 || team->key_count < team->threshold || team->threshold == 0 ||
        team->path_count == 0)
        return hn_fail(cx, HN_EARG, "team '%s': expected a name of its own, at least %u keys and one path", team->name,
                       team->threshold ? team->threshold : 1);
    HN_TRY(targets_body(cx, dir, "targets", expires, &body));
    hn_err e = put_team(cx, body, team);
    if (e) {
        json_decref(body);
        return e;
    }
    HN_TRY(stage(cx, dir, "targets", HN_TUF_TARGETS, body));
    HN_TRY(next_body(cx, dir, team->name, expires, &first));
    if (!first) {
        first = hn_tuf_body(HN_TUF_TARGETS, 1, expires);
        json_object_set_new(first, "targets", json_object());
    }
    return stage(cx, dir, team->name, HN_TUF_TARGETS, first);
}

/* ---- Signing, where the key is ---------------------------------------------------------------------- */

hn_err hn_tuf_repo_sign(hn_ctx *cx, const char *path, const hn_key *key, json_t **what)
{
    json_t *doc;
    HN_TRY(read_doc(cx, path, &doc));
    if (!doc)
        return hn_fail(cx, HN_EIO, "%s: no such file", path);
    hn_err e = json_is_object(json_object_get(doc, "signed")) && json_is_array(json_object_get(doc, "signatures")) ?
               HN_OK : hn_fail(cx, HN_EFORMAT, "%s: expected a staged file of a repository", path);
    if (!e)
        e = hn_tuf_sign(cx, doc, key);
    if (!e)
        e = hn_repo_write(cx, path, doc);
    json_int_t count = (json_int_t)json_array_size(json_object_get(doc, "signatures"));
    json_t *told = e ? NULL : json_pack("{s:O, s:O, s:O, s:I}", "type", hn_doc_get(doc, "_type"), "version",
                                        hn_doc_get(doc, "version"), "expires", hn_doc_get(doc, "expires"), "signatures", count);
    if (told && hn_doc_get(doc, "roles"))
        json_object_set(told, "roles", (json_t *)(uintptr_t)hn_doc_get(doc, "roles"));
    json_decref(doc);
    if (!e && !told)
        e = hn_fail(cx, HN_EFORMAT, "%s: expected a staged file of a repository", path);
    if (!e)
        *what = told;
    return e;
}
