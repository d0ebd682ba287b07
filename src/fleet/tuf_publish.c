/* SPDX-License-Identifier: Apache-2.0 */
/* From staged to served.  First it is decided what devices would find, and checked as they would check it;
 * only then is anything written, in an order in which every prefix is a whole repository. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet/tuf_repo_impl.h"

#define DAY 86400

typedef struct choice { json_t *doc; bool fresh; } choice;       /* fresh: staged, and signed by enough keys */

typedef struct publishing {
    const char *dir;
    int64_t now;
    const hn_tuf_lives *lives;
    hn_key *const *keys; size_t key_count;
    repo_state had;
    choice root, targets, snapshot, timestamp;
    json_t *teams;               /* {name: doc} as they will be */
    json_t *fresh_teams;         /* names */
    json_t *written, *waiting;
} publishing;

/* Would a device take this file from these signers? */
static hn_err judge(hn_ctx *cx, const char *what, const json_t *doc, hn_tuf_type type, hn_tuf_signers by)
{
    hn_buf text = { .cx = cx };
    hn_tuf_meta m = { 0 };
    hn_err e = hn_tuf_write_text(cx, doc, &text);
    if (!e)
        e = hn_tuf_meta_parse(cx, what, text.data, text.len, type, &m);
    if (!e)
        e = hn_tuf_meta_check(cx, what, &m, by);
    hn_tuf_meta_free(&m);
    hn_buf_free(&text);
    return e;
}

static hn_tuf_signers signers(const json_t *root, hn_tuf_type of)
{
    return (hn_tuf_signers){ hn_doc_get(root, "keys"), json_object_get(hn_doc_get(root, "roles"),
            hn_tuf_type_name(of)) };
}

static hn_err judge_root(hn_ctx *cx, const json_t *doc, const json_t *had)
{
    HN_TRY(judge(cx, "root", doc, HN_TUF_ROOT, signers(doc, HN_TUF_ROOT)));
    if (!had)
        return HN_OK;
    if (hn_doc_int(doc, "version") != hn_doc_int(had, "version") + 1)
        return hn_fail(cx, HN_EREFUSED, "root: version %lld is staged, %lld is published: stage it again",
                       (long long)hn_doc_int(doc, "version"), (long long)hn_doc_int(had, "version"));
    return judge(cx, "root, by the keys of the root before", doc, HN_TUF_ROOT, signers(had, HN_TUF_ROOT));
}

static void wait_for(publishing *p, const char *role, const char *why)
{
    json_array_append_new(p->waiting, json_pack("{s:s, s:s}", "role", role, "why", why));
}

static hn_err choose_root(hn_ctx *cx, publishing *p)
{
    hn_ctx said = { .env = cx->env };
    json_t *staged;
    HN_TRY(hn_repo_staged(cx, p->dir, "root", &staged));
    if (staged && judge_root(&said, staged, p->had.root) == HN_OK) {
        p->root = (choice){ staged, true };
        return HN_OK;
    }
    if (staged)
        wait_for(p, "root", said.msg);
    json_decref(staged);
    if (!p->had.root)
        return hn_fail(cx, HN_ENO, "nothing to publish without a root: %s",
                       said.msg[0] ? said.msg : "make one with `hone release init`");
    p->root = (choice){ json_incref(p->had.root), false };
    return HN_OK;
}

/* The staged file if these signers signed it, else the published one, which must be theirs then. */
static hn_err choose(hn_ctx *cx, publishing *p, const char *role, hn_tuf_signers by, choice *out)
{
    hn_ctx said = { .env = cx->env };
    json_t *doc;
    HN_TRY(hn_repo_staged(cx, p->dir, role, &doc));
    if (doc && judge(&said, role, doc, HN_TUF_TARGETS, by) == HN_OK) {
        *out = (choice){ doc, true };
        return HN_OK;
    }
    if (doc)
        wait_for(p, role, said.msg);
    json_decref(doc);
    HN_TRY(hn_repo_published(cx, p->dir, &p->had, role, &doc));
    if (!doc)
        return hn_fail(cx, HN_ENO, "%s: nothing is published yet, and what is staged cannot be: %s", role,
                       said.msg[0] ? said.msg : "nothing is");
    *out = (choice){ doc, false };
    if (judge(&said, role, doc, HN_TUF_TARGETS, by))
        return hn_fail(cx, HN_ENO,
                       "%s: devices would refuse what is published: %s; `hone release extend` it and sign it anew",
                       role, said.msg);
    return HN_OK;
}

static hn_err choose_teams(hn_ctx *cx, publishing *p)
{
    const json_t *roles = json_object_get(hn_doc_get(p->targets.doc, "delegations"), "roles");
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(roles, i), "name"));
        choice c = { 0 };
        hn_err e = choose(cx, p, name, hn_doc_team(p->targets.doc, name), &c);
        if (c.doc)
            json_object_set_new(p->teams, name, c.doc);
        if (e)
            return e;
        if (c.fresh)
            json_array_append_new(p->fresh_teams, json_string(name));
    }
    return HN_OK;
}

static hn_err check_alive(hn_ctx *cx, const publishing *p, const char *role, const json_t *doc)
{
    if (hn_doc_expires(doc) > p->now)
        return HN_OK;
    return hn_fail(cx, HN_ENO, "%s: expired at %s; `hone release extend` it and sign it anew", role,
                   json_string_value(hn_doc_get(doc, "expires")));
}

static hn_err check_all_alive(hn_ctx *cx, const publishing *p)
{
    const char *name;
    json_t *doc;
    HN_TRY(check_alive(cx, p, "root", p->root.doc));
    HN_TRY(check_alive(cx, p, "targets", p->targets.doc));
    json_object_foreach(p->teams, name, doc)
        HN_TRY(check_alive(cx, p, name, doc));
    return HN_OK;
}

/* ---- Snapshot and timestamp ------------------------------------------------------------------------- */

static hn_err set_entry(hn_ctx *cx, json_t *meta, const char *role, const json_t *doc)
{
    char file[128], hex[HN_SHA256_HEX];
    uint8_t hash[HN_SHA256_SIZE];
    hn_buf text = { .cx = cx };
    hn_err e = hn_tuf_write_text(cx, doc, &text);
    if (!e)
        e = hn_sha256(cx, text.data, text.len, hash);
    if (!e) {
        hn_hex(hash, sizeof hash, hex);
        snprintf(file, sizeof file, "%s.json", role);
        json_object_set_new(meta, file, json_pack("{s:O, s:I, s:{s:s}}", "version", hn_doc_get(doc, "version"),
                                                  "length", (json_int_t)text.len, "hashes", "sha256", hex));
    }
    hn_buf_free(&text);
    return e;
}

static bool may_sign(hn_ctx *cx, const hn_key *key, const json_t *role)
{
    char id[HN_SHA256_HEX] = "";
    json_t *form;
    const json_t *ids = json_object_get(role, "keyids");
    if (hn_tuf_key_write(cx, key, &form))
        return false;
    hn_err e = hn_tuf_key_id(cx, form, id);
    json_decref(form);
    for (size_t i = 0; i < json_array_size(ids) && !e; i++)
        if (strcmp(json_string_value(json_array_get(ids, i)), id) == 0)
            return true;
    return false;
}

/* Takes over the body; signs with those of the keys that may. */
static hn_err sign_online(hn_ctx *cx, publishing *p, hn_tuf_type type, json_t *body, choice *out)
{
    hn_ctx said = { .env = cx->env };
    json_t *doc = NULL;
    hn_tuf_signers by = signers(p->root.doc, type);
    hn_err e = hn_tuf_draft(cx, body, &doc);
    for (size_t i = 0; i < p->key_count && !e; i++)
        if (may_sign(&said, p->keys[i], by.role))
            e = hn_tuf_sign(cx, doc, p->keys[i]);
    if (!e && judge(&said, hn_tuf_type_name(type), doc, type, by))
        e = hn_fail(cx, HN_EARG, "%s; give the online keys with --key", said.msg);
    if (e) {
        json_decref(doc);
        return e;
    }
    *out = (choice){ doc, true };
    return HN_OK;
}

static bool past_half(const publishing *p, const json_t *doc, uint32_t days)
{
    return hn_doc_expires(doc) - p->now < (int64_t)days * DAY / 2;
}

static hn_err make_snapshot(hn_ctx *cx, publishing *p)
{
    hn_ctx quiet = { .env = cx->env };
    const json_t *had = p->had.snapshot;
    bool changed = p->targets.fresh || json_array_size(p->fresh_teams) > 0;
    if (had && !changed && !past_half(p, had, p->lives->snapshot_days) &&
        judge(&quiet, "snapshot", had, HN_TUF_SNAPSHOT, signers(p->root.doc, HN_TUF_SNAPSHOT)) == HN_OK) {
        p->snapshot = (choice){ json_incref(p->had.snapshot), false };
        return HN_OK;
    }
    json_t *body = hn_tuf_body(HN_TUF_SNAPSHOT, hn_doc_int(had, "version") + 1,
                               p->now + (int64_t)p->lives->snapshot_days * DAY);
    json_t *meta = had ? json_deep_copy(hn_doc_get(had, "meta")) :
        json_object();      /* what was listed stays listed */
    json_object_set_new(body, "meta", meta);
    hn_err e = p->targets.fresh ? set_entry(cx, meta, "targets", p->targets.doc) : HN_OK;
    for (size_t i = 0; i < json_array_size(p->fresh_teams) && !e; i++) {
        const char *name = json_string_value(json_array_get(p->fresh_teams, i));
        e = set_entry(cx, meta, name, json_object_get(p->teams, name));
    }
    if (e) {
        json_decref(body);
        return e;
    }
    return sign_online(cx, p, HN_TUF_SNAPSHOT, body, &p->snapshot);
}

static hn_err make_timestamp(hn_ctx *cx, publishing *p)
{
    hn_ctx quiet = { .env = cx->env };
    const json_t *had = p->had.timestamp;
    if (had && !p->snapshot.fresh && !past_half(p, had, p->lives->timestamp_days) &&
        judge(&quiet, "timestamp", had, HN_TUF_TIMESTAMP, signers(p->root.doc, HN_TUF_TIMESTAMP)) == HN_OK) {
        p->timestamp = (choice){ json_incref(p->had.timestamp), false };
        return HN_OK;
    }
    json_t *body = hn_tuf_body(HN_TUF_TIMESTAMP, hn_doc_int(had, "version") + 1,
                               p->now + (int64_t)p->lives->timestamp_days * DAY);
    json_object_set_new(body, "meta", json_object());
    hn_err e = set_entry(cx, json_object_get(body, "meta"), "snapshot", p->snapshot.doc);
    if (e) {
        json_decref(body);
        return e;
    }
    return sign_online(cx, p, HN_TUF_TIMESTAMP, body, &p->timestamp);
}

/* ---- Writing ---------------------------------------------------------------------------------------- */

static hn_err put(hn_ctx *cx, publishing *p, const char *role, const json_t *doc, bool versioned)
{
    char name[160];
    hn_buf path;
    if (versioned)
        snprintf(name, sizeof name, "%lld.%s.json", (long long)hn_doc_int(doc, "version"), role);
    else
        snprintf(name, sizeof name, "%s.json", role);
    hn_err e = hn_repo_path(cx, &path, p->dir, "metadata", name);
    if (!e)
        e = hn_repo_write(cx, path.data, doc);
    hn_buf_free(&path);
    if (!e)
        json_array_append_new(p->written, json_string(name));
    return e;
}

static void unstage(hn_ctx *cx, const publishing *p, const char *role)
{
    char name[128];
    hn_buf path;
    snprintf(name, sizeof name, "%s.json", role);
    if (hn_repo_path(cx, &path, p->dir, "staged", name) == HN_OK)
        unlink(path.data);
    hn_buf_free(&path);
}

/* A cut anywhere leaves what the last timestamp names untouched; staged files go last, so that the
 * same command then does the rest. */
static hn_err write_all(hn_ctx *cx, publishing *p)
{
    for (size_t i = 0; i < json_array_size(p->fresh_teams); i++) {
        const char *name = json_string_value(json_array_get(p->fresh_teams, i));
        HN_TRY(put(cx, p, name, json_object_get(p->teams, name), true));
    }
    if (p->targets.fresh)
        HN_TRY(put(cx, p, "targets", p->targets.doc, true));
    if (p->snapshot.fresh)
        HN_TRY(put(cx, p, "snapshot", p->snapshot.doc, true));
    if (p->root.fresh)
        HN_TRY(put(cx, p, "root", p->root.doc, true));
    if (p->timestamp.fresh)
        HN_TRY(put(cx, p, "timestamp", p->timestamp.doc, false));
    for (size_t i = 0; i < json_array_size(p->fresh_teams); i++)
        unstage(cx, p, json_string_value(json_array_get(p->fresh_teams, i)));
    if (p->targets.fresh)
        unstage(cx, p, "targets");
    if (p->root.fresh)
        unstage(cx, p, "root");
    return HN_OK;
}

static hn_err publish(hn_ctx *cx, publishing *p)
{
    HN_TRY(hn_repo_load(cx, p->dir, &p->had));
    HN_TRY(choose_root(cx, p));
    HN_TRY(choose(cx, p, "targets", signers(p->root.doc, HN_TUF_TARGETS), &p->targets));
    HN_TRY(choose_teams(cx, p));
    HN_TRY(check_all_alive(cx, p));
    HN_TRY(make_snapshot(cx, p));
    HN_TRY(make_timestamp(cx, p));
    return write_all(cx, p);
}

hn_err hn_tuf_repo_publish(hn_ctx *cx, const char *dir, hn_key *const *keys, size_t key_count,
                           const hn_tuf_lives *lives, int64_t now, json_t **done)
{
    publishing p = { .dir = dir, .now = now, .lives = lives ? lives : &hn_tuf_lives_usual, .keys = keys,
                     .key_count = key_count,
                     .teams = json_object(), .fresh_teams = json_array(), .written = json_array(),
                         .waiting = json_array() };
    hn_err e = publish(cx, &p);
    if (!e)
        *done = json_pack("{s:O, s:O}", "written", p.written, "waiting", p.waiting);
    json_t *all[] = { p.root.doc, p.targets.doc, p.snapshot.doc, p.timestamp.doc, p.teams, p.fresh_teams, p.written,
                      p.waiting };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        json_decref(all[i]);
    hn_repo_unload(&p.had);
    return e;
}

/* ---- Status ----------------------------------------------------------------------------------------- */

typedef struct survey {
    int64_t now;
    const json_t *root;          /* who may sign: the staged root if there is one */
    const json_t *old_root;
    json_t *rows;
} survey;

static void add_row(hn_ctx *cx, survey *s, const char *role, const json_t *doc, bool staged, hn_tuf_type type,
                    hn_tuf_signers by)
{
    hn_ctx said = { .env = cx->env };
    const char *note = "";
    int64_t left = hn_doc_expires(doc) - s->now;
    hn_err e = strcmp(role, "root") == 0 && staged ? judge_root(&said, doc, s->old_root) :
        judge(&said, role, doc, type, by);
    if (left <= 0)
        note = "expired: devices refuse it";
    else if (e)
        note = said.msg;
    else if (staged)
        note = "ready to publish";
    else if (left < 2 * DAY && type != HN_TUF_TIMESTAMP)
        note = "expires in less than two days";
    json_array_append_new(s->rows, json_pack("{s:s, s:s, s:O, s:O, s:I, s:I, s:s}", "role", role, "state",
        staged ? "staged" : "published", "version", hn_doc_get(doc, "version"), "expires", hn_doc_get(doc, "expires"),
        "signatures", (json_int_t)json_array_size(json_object_get(doc, "signatures")),
        "needed", (json_int_t)json_integer_value(json_object_get(by.role, "threshold")), "note", note));
}

static hn_err survey_role(hn_ctx *cx, survey *s, const char *dir, const repo_state *had, const char *role,
                          hn_tuf_signers by, json_t **newest)
{
    json_t *published, *staged;
    HN_TRY(hn_repo_published(cx, dir, had, role, &published));
    if (published)
        add_row(cx, s, role, published, false, strcmp(role, "root") == 0 ? HN_TUF_ROOT : HN_TUF_TARGETS, by);
    hn_err e = hn_repo_staged(cx, dir, role, &staged);
    if (!e && staged)
        add_row(cx, s, role, staged, true, strcmp(role, "root") == 0 ? HN_TUF_ROOT : HN_TUF_TARGETS, by);
    if (e || staged) {
        json_decref(published);
        published = e ? NULL : staged;
    }
    *newest = published;
    return e;
}

static hn_err survey_all(hn_ctx *cx, survey *s, const char *dir, const repo_state *had, json_t **root, json_t **targets)
{
    HN_TRY(hn_repo_staged(cx, dir, "root", root));
    if (!*root)
        *root = json_incref(had->root);
    if (!*root)
        return hn_fail(cx, HN_EIO, "%s: no repository there; make one with `hone release init`", dir);
    s->root = *root;
    s->old_root = had->root;
    json_t *newest;
    HN_TRY(survey_role(cx, s, dir, had, "root", signers(s->root, HN_TUF_ROOT), &newest));
    json_decref(newest);
    HN_TRY(survey_role(cx, s, dir, had, "targets", signers(s->root, HN_TUF_TARGETS), targets));
    const json_t *roles = json_object_get(hn_doc_get(*targets, "delegations"), "roles");
    for (size_t i = 0; i < json_array_size(roles); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(roles, i), "name"));
        HN_TRY(survey_role(cx, s, dir, had, name, hn_doc_team(*targets, name), &newest));
        json_decref(newest);
    }
    if (had->snapshot)
        add_row(cx, s, "snapshot", had->snapshot, false, HN_TUF_SNAPSHOT, signers(had->root, HN_TUF_SNAPSHOT));
    if (had->timestamp)
        add_row(cx, s, "timestamp", had->timestamp, false, HN_TUF_TIMESTAMP, signers(had->root, HN_TUF_TIMESTAMP));
    return HN_OK;
}

hn_err hn_tuf_repo_status(hn_ctx *cx, const char *dir, int64_t now, json_t **rows)
{
    repo_state had;
    survey s = { .now = now };
    json_t *root = NULL, *targets = NULL;
    HN_TRY(hn_repo_load(cx, dir, &had));
    s.rows = json_array();
    hn_err e = s.rows ? survey_all(cx, &s, dir, &had, &root, &targets) : hn_nomem(cx, "a report");
    json_decref(root);
    json_decref(targets);
    hn_repo_unload(&had);
    if (e)
        json_decref(s.rows);
    else
        *rows = s.rows;
    return e;
}
