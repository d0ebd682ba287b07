/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/tuf.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/tuf_impl.h"
#include "net/url.h"

/* ---- The folder of trusted files -------------------------------------------------------------------- */

/* A role's name becomes one part of a path, whatever stands in it. */
static hn_err file_of(hn_ctx *cx, const char *dir, const char *role, hn_buf *out)
{
    *out = (hn_buf){ .cx = cx };
    hn_buf_printf(out, "%s/", dir);
    hn_url_escape(out, role, strlen(role), "");
    hn_buf_text(out, ".json");
    return hn_buf_ok(out, "a path");
}

static hn_err store(hn_ctx *cx, hn_tuf *t, const char *role, const hn_buf *raw)
{
    hn_buf path;
    hn_err e = file_of(cx, t->o.dir, role, &path);
    if (!e)
        e = hn_file_write(cx, path.data, raw->data, raw->len);
    hn_buf_free(&path);
    return e;
}

/* The stored file into memory; any failure means there is none that could be used. */
static bool load(hn_tuf *t, const char *role, uint64_t most, hn_buf *raw)
{
    hn_ctx quiet = { .env = t->cx ? t->cx->env : NULL };
    hn_buf path;
    hn_file f = { 0 };
    bool ok = file_of(&quiet, t->o.dir, role, &path) == HN_OK && hn_file_open(&quiet, path.data, &f) == HN_OK &&
              f.len <= most;
    hn_buf_free(&path);
    *raw = (hn_buf){ .cx = t->cx };
    if (ok)
        hn_buf_add(raw, f.data, f.len);
    hn_file_close(&f);
    return ok && !raw->failed && raw->len > 0;
}

static void drop(hn_tuf *t, const char *role)
{
    hn_buf path;
    if (file_of(t->cx, t->o.dir, role, &path) == HN_OK)
        unlink(path.data);
    hn_buf_free(&path);
}

static hn_err check_own_root(hn_ctx *cx, const char *what, const void *data, size_t len, hn_tuf_meta *out)
{
    hn_tuf_meta m;
    HN_TRY(hn_tuf_meta_parse(cx, what, data, len, HN_TUF_ROOT, &m));
    hn_err e = hn_tuf_meta_check(cx, what, &m, hn_tuf_root_signers(&m, HN_TUF_ROOT));
    if (e)
        hn_tuf_meta_free(&m);
    else
        *out = m;
    return e;
}

hn_err hn_tuf_init(hn_ctx *cx, const char *dir, const void *root, size_t len)
{
    hn_buf path;
    hn_err e = file_of(cx, dir, "root", &path);
    if (!e)
        e = hn_file_write(cx, path.data, root, len);
    hn_buf_free(&path);
    return e;
}

/* ---- Life ------------------------------------------------------------------------------------------- */

static void forget_roles(hn_tuf *t)
{
    while (t->roles) {
        hn_tuf_role *r = t->roles;
        t->roles = r->next;
        hn_tuf_meta_free(&r->meta);
        hn_free(t->cx, r->name);
        hn_free(t->cx, r);
    }
}

static void set_limits(hn_tuf_opts *o)
{
    o->root_bytes = o->root_bytes ? o->root_bytes : 512000;
    o->timestamp_bytes = o->timestamp_bytes ? o->timestamp_bytes : 16384;
    o->snapshot_bytes = o->snapshot_bytes ? o->snapshot_bytes : 2000000;
    o->targets_bytes = o->targets_bytes ? o->targets_bytes : 5000000;
    o->root_steps = o->root_steps ? o->root_steps : 256;
    o->roles_visited = o->roles_visited ? o->roles_visited : 32;
}

static hn_err open_root(hn_ctx *cx, hn_tuf *t)
{
    hn_buf raw;
    if (!load(t, "root", t->o.root_bytes, &raw)) {
        hn_buf_free(&raw);
        return hn_fail(cx, HN_EIO,
                       "%s: no trusted root.json there; give it one with `hone tuf --metadata-dir %s init ROOT`",
                       t->o.dir, t->o.dir);
    }
    hn_err e = check_own_root(cx, "trusted root.json", raw.data, raw.len, &t->root);
    hn_buf_free(&raw);
    return e;
}

hn_err hn_tuf_open(hn_ctx *cx, const hn_tuf_opts *o, hn_tuf **out)
{
    hn_tuf *t = hn_calloc(cx, 1, sizeof *t);
    if (!t)
        return hn_nomem(cx, "a TUF client");
    t->cx = cx;
    t->o = *o;
    t->now = o->now ? o->now : (int64_t)time(NULL);
    set_limits(&t->o);
    hn_err e = open_root(cx, t);
    if (e) {
        hn_tuf_close(t);
        return e;
    }
    *out = t;
    return HN_OK;
}

void hn_tuf_close(hn_tuf *t)
{
    if (!t)
        return;
    forget_roles(t);
    hn_tuf_meta_free(&t->root);
    hn_tuf_meta_free(&t->timestamp);
    hn_tuf_meta_free(&t->snapshot);
    hn_free(t->cx, t);
}

/* ---- Getting one file ------------------------------------------------------------------------------- */

/* What a file must be to be taken: judged for each mirror's answer, since any of them may lie. */
typedef struct wish {
    const char *role;              /* its name, for messages and for the folder */
    char path[1600];               /* on the server */
    uint64_t bytes_max;
    hn_err (*judge)(hn_ctx *cx, hn_tuf *t, const struct wish *w, const hn_buf *raw, hn_tuf_meta *out);
    hn_tuf_type type;
    int64_t version;               /* for root: the one expected */
    hn_tuf_signers by;
    const json_t *entry;           /* what snapshot or timestamp says of it */
    bool absent;                   /* afterwards: some mirror said that it has none */
} wish;

static hn_err set_path(hn_ctx *cx, wish *w, int64_t version)
{
    hn_buf name = { .cx = cx };
    hn_url_escape(&name, w->role, strlen(w->role), "");
    hn_err e = hn_buf_ok(&name, "a path");
    int n = e ? 0 : version ? snprintf(w->path, sizeof w->path, "%lld.%s.json", (long long)version, name.data) :
                              snprintf(w->path, sizeof w->path, "%s.json", name.data);
    hn_buf_free(&name);
    if (!e && (n < 0 || (size_t)n >= sizeof w->path))
        e = hn_fail(cx, HN_EFORMAT, "a role with a name of %zu bytes", strlen(w->role));
    return e;
}

/* The first answer that stands the judge's questions, stored. */
static hn_err obtain(hn_ctx *cx, hn_tuf *t, wish *w, hn_tuf_meta *out)
{
    hn_err worst = HN_ENO;
    hn_ctx said = *cx;
    hn_fail(&said, HN_ENO, "%s: not there", w->path);
    for (size_t i = 0; i < t->o.source.mirror_count; i++) {
        hn_buf raw = { .cx = cx };
        hn_tuf_meta m = { 0 };
        hn_err e = t->o.source.get(t->o.source.user, cx, i, w->path, w->bytes_max, &raw);
        if (!e)
            e = w->judge(cx, t, w, &raw, &m);
        if (!e && m.doc)
            e = store(cx, t, w->role, &raw);
        hn_buf_free(&raw);
        if (!e) {
            *out = m;
            return HN_OK;
        }
        hn_tuf_meta_free(&m);
        if (e == HN_ENOMEM || e == HN_EIO)
            return e;
        if (e == HN_ENO) {
            w->absent = true;
        } else if (worst == HN_ENO || worst == HN_ENET) {        /* a lie is worth more words than silence */
            worst = e;
            said = *cx;
        }
    }
    return hn_fail(cx, worst, "%s", said.msg);
}

static hn_err check_expiry(hn_ctx *cx, const hn_tuf *t, const char *what, const hn_tuf_meta *m)
{
    char at[32], now[32];
    if (m->expires > t->now)
        return HN_OK;
    hn_tuf_time_write(m->expires, at);
    hn_tuf_time_write(t->now, now);
    return hn_fail(cx, HN_EREFUSED, "%s: version %lld expired at %s, now it is %s; the repository must sign anew", what,
                   (long long)m->version, at, now);
}

/* ---- Root ------------------------------------------------------------------------------------------- */

static hn_err judge_root(hn_ctx *cx, hn_tuf *t, const wish *w, const hn_buf *raw, hn_tuf_meta *out)
{
    HN_TRY(hn_tuf_meta_parse(cx, w->path, raw->data, raw->len, HN_TUF_ROOT, out));
    HN_TRY(hn_tuf_meta_check(cx, w->path, out, hn_tuf_root_signers(&t->root, HN_TUF_ROOT)));
    if (out->version != w->version)
        return hn_fail(cx, HN_EREFUSED, "%s: expected version %lld, found %lld", w->path, (long long)w->version,
                       (long long)out->version);
    return hn_tuf_meta_check(cx, w->path, out, hn_tuf_root_signers(out, HN_TUF_ROOT));
}

static bool same_keys(const hn_tuf_meta *a, const hn_tuf_meta *b, hn_tuf_type of)
{
    hn_tuf_signers x = hn_tuf_root_signers(a, of), y = hn_tuf_root_signers(b, of);
    return json_equal(json_object_get(x.role, "keyids"), json_object_get(y.role, "keyids"));
}

static hn_err walk_roots(hn_ctx *cx, hn_tuf *t)
{
    for (uint32_t i = 0; i < t->o.root_steps; i++) {
        wish w = { .role = "root", .bytes_max = t->o.root_bytes, .judge = judge_root, .version = t->root.version + 1 };
        hn_tuf_meta next = { 0 };
        HN_TRY(set_path(cx, &w, w.version));
        hn_err e = obtain(cx, t, &w, &next);
        if (w.absent && e && e != HN_EIO && e != HN_ENOMEM)    /* if a mirror hides the next one, expiry tells */
            return HN_OK;
        if (e)
            return e;
        /* Whoever had the old online keys may have signed version 2^31: forget it with the keys.  At once,
         * or a refresh that is cut here would not know of the change any more. */
        if (!same_keys(&t->root, &next, HN_TUF_TIMESTAMP) || !same_keys(&t->root, &next, HN_TUF_SNAPSHOT)) {
            drop(t, "timestamp");
            drop(t, "snapshot");
        }
        hn_tuf_meta_free(&t->root);
        t->root = next;
    }
    return HN_OK;
}

/* ---- Timestamp -------------------------------------------------------------------------------------- */

static int64_t pinned(const hn_tuf_meta *m, const char *name)
{
    return json_integer_value(json_object_get(hn_tuf_meta_entry(m, name), "version"));
}

static hn_err judge_timestamp(hn_ctx *cx, hn_tuf *t, const wish *w, const hn_buf *raw, hn_tuf_meta *out)
{
    HN_TRY(hn_tuf_meta_parse(cx, w->path, raw->data, raw->len, HN_TUF_TIMESTAMP, out));
    HN_TRY(hn_tuf_meta_check(cx, w->path, out, w->by));
    if (!t->timestamp.doc)
        return check_expiry(cx, t, w->path, out);
    if (out->version < t->timestamp.version)
        return hn_fail(cx, HN_EREFUSED, "%s: version %lld, but %lld was seen already: an old file played back", w->path,
                       (long long)out->version, (long long)t->timestamp.version);
    if (out->version == t->timestamp.version) {          /* nothing new: what is stored stays */
        hn_tuf_meta_free(out);
        return HN_OK;
    }
    if (pinned(out, "snapshot") < pinned(&t->timestamp, "snapshot"))
        return hn_fail(cx, HN_EREFUSED, "%s: names snapshot %lld, but %lld was named already", w->path,
                       (long long)pinned(out, "snapshot"), (long long)pinned(&t->timestamp, "snapshot"));
    return check_expiry(cx, t, w->path, out);
}

/* A stored file that is still well signed; how old it is does not matter here. */
static bool recall(hn_tuf *t, const char *role, hn_tuf_type type, uint64_t most, hn_tuf_signers by, const json_t *entry,
                   hn_tuf_meta *out)
{
    hn_ctx quiet = { .env = t->cx ? t->cx->env : NULL };
    hn_buf raw;
    hn_tuf_meta m = { 0 };
    bool ok = load(t, role, most, &raw) &&
              (!entry || hn_tuf_check_bytes(&quiet, role, entry, raw.data, raw.len) == HN_OK) &&
              hn_tuf_meta_parse(&quiet, role, raw.data, raw.len, type, &m) == HN_OK &&
              hn_tuf_meta_check(&quiet, role, &m, by) == HN_OK;
    hn_buf_free(&raw);
    if (ok)
        *out = m;
    else
        hn_tuf_meta_free(&m);
    return ok;
}

static hn_err get_timestamp(hn_ctx *cx, hn_tuf *t)
{
    wish w = { .role = "timestamp", .bytes_max = t->o.timestamp_bytes, .judge = judge_timestamp,
               .by = hn_tuf_root_signers(&t->root, HN_TUF_TIMESTAMP) };
    hn_tuf_meta got = { 0 };
    recall(t, "timestamp", HN_TUF_TIMESTAMP, w.bytes_max, w.by, NULL, &t->timestamp);
    HN_TRY(set_path(cx, &w, 0));
    HN_TRY(obtain(cx, t, &w, &got));
    if (got.doc) {
        hn_tuf_meta_free(&t->timestamp);
        t->timestamp = got;
    }
    return check_expiry(cx, t, "timestamp.json", &t->timestamp);
}

/* ---- Snapshot --------------------------------------------------------------------------------------- */

static hn_err check_no_older(hn_ctx *cx, const char *what, const hn_tuf_meta *old, const hn_tuf_meta *new)
{
    const char *name;
    json_t *entry;
    json_object_foreach(json_object_get(old->body, "meta"), name, entry) {
        const json_t *now = json_object_get(json_object_get(new->body, "meta"), name);
        json_int_t had = json_integer_value(json_object_get(entry, "version"));
        if (!now)
            return hn_fail(cx, HN_EREFUSED, "%s: %.80s is no longer listed", what, name);
        if (json_integer_value(json_object_get(now, "version")) < had)
            return hn_fail(cx, HN_EREFUSED, "%s: names %.80s version %lld, but %lld was named already", what, name,
                           (long long)json_integer_value(json_object_get(now, "version")), (long long)had);
    }
    return HN_OK;
}

static hn_err check_version(hn_ctx *cx, const char *what, const hn_tuf_meta *m, const json_t *entry)
{
    json_int_t want = json_integer_value(json_object_get(entry, "version"));
    if (m->version != want)
        return hn_fail(cx, HN_EREFUSED, "%s: expected version %lld, found %lld", what, (long long)want,
                       (long long)m->version);
    return HN_OK;
}

static hn_err judge_snapshot(hn_ctx *cx, hn_tuf *t, const wish *w, const hn_buf *raw, hn_tuf_meta *out)
{
    HN_TRY(hn_tuf_check_bytes(cx, w->path, w->entry, raw->data, raw->len));
    HN_TRY(hn_tuf_meta_parse(cx, w->path, raw->data, raw->len, HN_TUF_SNAPSHOT, out));
    HN_TRY(hn_tuf_meta_check(cx, w->path, out, w->by));
    HN_TRY(check_version(cx, w->path, out, w->entry));
    if (t->snapshot.doc)
        HN_TRY(check_no_older(cx, w->path, &t->snapshot, out));
    return check_expiry(cx, t, w->path, out);
}

/* At most what the entry says, or the limit where it does not. */
static uint64_t cap_of(const json_t *entry, uint64_t limit)
{
    const json_t *length = json_object_get(entry, "length");
    uint64_t told = (uint64_t)json_integer_value(length);
    return length && told < limit ? told : limit;
}

static bool consistent(const hn_tuf *t) { return json_is_true(json_object_get(t->root.body, "consistent_snapshot")); }

static hn_err get_snapshot(hn_ctx *cx, hn_tuf *t)
{
    const json_t *entry = hn_tuf_meta_entry(&t->timestamp, "snapshot");
    wish w = { .role = "snapshot", .bytes_max = cap_of(entry, t->o.snapshot_bytes), .judge = judge_snapshot,
               .entry = entry, .by = hn_tuf_root_signers(&t->root, HN_TUF_SNAPSHOT) };
    hn_tuf_meta got = { 0 };

    bool same = recall(t, "snapshot", HN_TUF_SNAPSHOT, t->o.snapshot_bytes, w.by, entry, &t->snapshot) &&
                t->snapshot.version == pinned(&t->timestamp, "snapshot");
    if (same)
        return check_expiry(cx, t, "snapshot.json", &t->snapshot);
    if (!t->snapshot.doc)          /* another one than is pinned now still tells what was seen */
        recall(t, "snapshot", HN_TUF_SNAPSHOT, t->o.snapshot_bytes, w.by, NULL, &t->snapshot);
    HN_TRY(set_path(cx, &w, consistent(t) ? pinned(&t->timestamp, "snapshot") : 0));
    HN_TRY(obtain(cx, t, &w, &got));
    hn_tuf_meta_free(&t->snapshot);
    t->snapshot = got;
    return HN_OK;
}

/* ---- Targets and delegated roles -------------------------------------------------------------------- */

static hn_err judge_targets(hn_ctx *cx, hn_tuf *t, const wish *w, const hn_buf *raw, hn_tuf_meta *out)
{
    HN_TRY(hn_tuf_check_bytes(cx, w->path, w->entry, raw->data, raw->len));
    HN_TRY(hn_tuf_meta_parse(cx, w->path, raw->data, raw->len, HN_TUF_TARGETS, out));
    HN_TRY(hn_tuf_meta_check(cx, w->path, out, w->by));
    HN_TRY(check_version(cx, w->path, out, w->entry));
    return check_expiry(cx, t, w->path, out);
}

static hn_err get_role(hn_ctx *cx, hn_tuf *t, const char *name, hn_tuf_signers by, hn_tuf_meta *out)
{
    const json_t *entry = hn_tuf_meta_entry(&t->snapshot, name);
    wish w = { .role = name, .bytes_max = cap_of(entry, t->o.targets_bytes), .judge = judge_targets, .entry = entry,
               .by = by };
    hn_ctx quiet = { .env = t->cx ? t->cx->env : NULL };

    if (!entry)
        return hn_fail(cx, HN_EREFUSED, "role '%.80s' is delegated to, but the snapshot does not list it", name);
    if (recall(t, name, HN_TUF_TARGETS, t->o.targets_bytes, by, entry, out)) {
        if (check_version(&quiet, name, out, entry) == HN_OK && check_expiry(&quiet, t, name, out) == HN_OK)
            return HN_OK;
        hn_tuf_meta_free(out);
    }
    HN_TRY(set_path(cx, &w, consistent(t) ? json_integer_value(json_object_get(entry, "version")) : 0));
    return obtain(cx, t, &w, out);
}

hn_err hn_tuf_load_role(hn_ctx *cx, hn_tuf *t, const char *name, hn_tuf_signers by, const hn_tuf_meta **out)
{
    hn_ctx quiet = { .env = t->cx ? t->cx->env : NULL };
    hn_tuf_meta m = { 0 };
    /* Who delegates decides: what one delegator's keys signed is nothing under another. */
    for (hn_tuf_role *r = t->roles; r; r = r->next)
        if (strcmp(r->name, name) == 0 && hn_tuf_meta_check(&quiet, name, &r->meta, by) == HN_OK) {
            *out = &r->meta;
            return HN_OK;
        }
    HN_TRY(get_role(cx, t, name, by, &m));
    hn_tuf_role *r = hn_calloc(cx, 1, sizeof *r);
    char *copy = r ? hn_alloc(cx, strlen(name) + 1) : NULL;
    if (!copy) {
        hn_free(cx, r);
        hn_tuf_meta_free(&m);
        return hn_nomem(cx, "a role");
    }
    memcpy(copy, name, strlen(name) + 1);
    *r = (hn_tuf_role){ t->roles, copy, m };
    t->roles = r;
    *out = &r->meta;
    return HN_OK;
}

hn_err hn_tuf_refresh(hn_ctx *cx, hn_tuf *t)
{
    const hn_tuf_meta *targets;
    t->fresh = false;
    forget_roles(t);
    hn_tuf_meta_free(&t->timestamp);
    hn_tuf_meta_free(&t->snapshot);
    HN_TRY(walk_roots(cx, t));
    HN_TRY(check_expiry(cx, t, "root.json", &t->root));
    HN_TRY(get_timestamp(cx, t));
    HN_TRY(get_snapshot(cx, t));
    HN_TRY(hn_tuf_load_role(cx, t, "targets", hn_tuf_root_signers(&t->root, HN_TUF_TARGETS), &targets));
    t->fresh = true;
    return HN_OK;
}

bool hn_tuf_trusted(const hn_tuf *t, const char *role, int64_t *version, int64_t *expires)
{
    const hn_tuf_meta *m = strcmp(role, "root") == 0 ? &t->root : strcmp(role, "timestamp") == 0 ? &t->timestamp :
                           strcmp(role, "snapshot") == 0 ? &t->snapshot : NULL;
    for (const hn_tuf_role *r = t->roles; r && !m; r = r->next)
        if (strcmp(r->name, role) == 0)
            m = &r->meta;
    if (!m || !m->doc)
        return false;
    *version = m->version;
    *expires = m->expires;
    return true;
}

/* ---- Mirrors over HTTP ------------------------------------------------------------------------------ */

static hn_err get_http(void *user, hn_ctx *cx, size_t mirror, const char *path, uint64_t bytes_max, hn_buf *out)
{
    const hn_tuf_mirrors *m = user;
    hn_buf url = { .cx = cx };
    hn_err e = hn_url_join(cx, m->bases[mirror], path, &url);
    if (!e)
        e = hn_http_get(cx, m->http, url.data, bytes_max, out);
    hn_buf_free(&url);
    return e;
}

hn_tuf_source hn_tuf_http_source(const hn_tuf_mirrors *m)
{
    return (hn_tuf_source){ get_http, m->count, (void *)(uintptr_t)m };
}
