/* SPDX-License-Identifier: Apache-2.0 */
/* What an attacker with the network, a mirror or some keys may try on metadata: one test each, named
 * as the attacks are numbered in doc/release.md. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/system/peer.h"
#include "tests/support/system/repository.h"

static repository r;

static void ready(int64_t versions)
{
    repo_open(&r);
    for (int64_t v = 1; v <= versions; v++)
        repo_publish(&r, v);
    repo_trust_root(&r);
    if (repo_refresh(&r))
        fail_msg("%s", r.cx.msg);
}

/* Signs `version` of targets again with what a test changed, and all above it. */
static void publish_targets(json_t *body, int64_t version)
{
    char path[64];
    snprintf(path, sizeof path, "%lld.targets.json", (long long)version);
    repo_put(&r, path, body, r.targets, NULL);
    snprintf(path, sizeof path, "%lld.snapshot.json", (long long)version);
    repo_put(&r, path, repo_snapshot(&r, version), r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, version, version), r.timestamp, NULL);
}

static void publish_team(json_t *body, int64_t version)
{
    char path[64];
    snprintf(path, sizeof path, "%lld.team.json", (long long)version);
    repo_put(&r, path, body, r.team, NULL);
    publish_targets(repo_targets(&r, version), version);
}

TEST(a_good_repository_is_accepted)
{
    ready(1);
    CHECK(repo_refresh_at(&r, REPO_NOW, "model") == HN_OK);
    CHECK(repo_refresh_at(&r, REPO_NOW, "team/model") == HN_OK);
    CHECK(repo_refresh_at(&r, REPO_NOW, "other") == HN_ENO);
    repo_publish(&r, 2);
    CHECK(repo_refresh(&r) == HN_OK);
    CHECK_INT(repo_trusted(&r, "targets.json"), 2);
    repo_close(&r);
}

TEST(A1_an_arbitrary_file_is_not_installed)
{
    ready(1);
    json_t *body = repo_targets(&r, 2);
    json_object_set_new(json_object_get(body, "targets"), "evil",
                        json_pack("{s:i, s:{s:s}}", "length", 4, "hashes", "sha256", "00"));
    repo_put(&r, "2.targets.json", body, r.stranger, NULL);
    repo_put(&r, "2.snapshot.json", repo_snapshot(&r, 2), r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 2, 2), r.timestamp, NULL);
    CHECK(repo_refresh_at(&r, REPO_NOW, "evil") == HN_EREFUSED);
    CHECK_INT(repo_trusted(&r, "targets.json"), 1);
    repo_close(&r);
}

/* ---- A peer instead of the repository --------------------------------------------------------------- */

typedef struct flood { int pause_ms; } flood;

static void pour(void *user, int fd, size_t n, const char *request)
{
    const flood *f = user;
    static const char spaces[4096] = { ' ' };
    (void)n;
    (void)request;
    hn_peer_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    while (hn_peer_say(fd, spaces, f->pause_ms ? 1 : sizeof spaces))
        hn_peer_wait_ms(f->pause_ms);
}

static hn_err refresh_from(const char *url)
{
    hn_http_opts slow = { .deadline_ms = 3000, .rate_min = 1024, .rate_window_s = 1 };
    hn_tuf_mirrors m = { NULL, &url, 1 };
    hn_tuf *t;
    CHECK(hn_http_new(&r.cx, &slow, &m.http) == HN_OK);
    hn_tuf_opts o = { .dir = r.dir, .now = REPO_NOW, .source = hn_tuf_http_source(&m) };
    CHECK(hn_tuf_open(&r.cx, &o, &t) == HN_OK);
    hn_err e = hn_tuf_refresh(&r.cx, t);
    hn_tuf_close(t);
    hn_http_free(m.http);
    return e;
}

TEST(A2_endless_data_ends_at_the_cap)
{
    flood f = { 0 };
    ready(1);
    hn_peer *p = hn_peer_start(pour, &f);
    CHECK(refresh_from(hn_peer_url(p)) == HN_ELIMIT);
    hn_peer_stop(p);
    CHECK(repo_refresh(&r) == HN_OK);          /* and the device is none the worse */
    repo_close(&r);
}

TEST(A3_a_slow_server_does_not_hold_the_device)
{
    flood f = { 50 };
    ready(1);
    hn_peer *p = hn_peer_start(pour, &f);
    CHECK(refresh_from(hn_peer_url(p)) == HN_ENET);
    hn_peer_stop(p);
    CHECK(repo_refresh(&r) == HN_OK);
    repo_close(&r);
}

/* ---- Old files, and files of different times -------------------------------------------------------- */

TEST(A4_an_older_timestamp_is_refused)
{
    ready(2);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 1, 1), r.timestamp, NULL);
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    CHECK_INT(repo_trusted(&r, "timestamp.json"), 2);
    repo_close(&r);
}

TEST(A4_an_older_snapshot_under_a_newer_timestamp_is_refused)
{
    ready(2);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 3, 1), r.timestamp, NULL);
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    CHECK_INT(repo_trusted(&r, "snapshot.json"), 2);
    repo_close(&r);
}

TEST(A4_an_older_role_under_a_newer_snapshot_is_refused)
{
    ready(2);
    json_t *body = repo_snapshot(&r, 3), *meta = json_object_get(body, "meta");
    json_object_set_new(json_object_get(meta, "team.json"), "version", json_integer(1));
    repo_put(&r, "3.snapshot.json", body, r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 3, 3), r.timestamp, NULL);
    CHECK(repo_refresh(&r) == HN_EREFUSED);

    body = repo_snapshot(&r, 4);               /* nor may it disappear */
    json_object_del(json_object_get(body, "meta"), "team.json");
    repo_put(&r, "4.snapshot.json", body, r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 4, 4), r.timestamp, NULL);
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    CHECK_INT(repo_trusted(&r, "snapshot.json"), 2);
    repo_close(&r);
}

TEST(A6_a_frozen_repository_is_noticed_when_it_expires)
{
    ready(1);
    CHECK(repo_refresh_at(&r, REPO_LATER - 1, NULL) == HN_OK);
    CHECK(repo_refresh_at(&r, REPO_LATER, NULL) == HN_EREFUSED);
    CHECK(strstr(r.cx.msg, "expired") != NULL);
    repo_close(&r);
}

TEST(A6_each_role_alone_can_expire)
{
    static const char *const files[] = { "2.snapshot.json", "2.targets.json", "timestamp.json" };
    for (size_t i = 0; i < 3; i++) {
        ready(1);
        repo_publish(&r, 2);
        json_t *doc = json_loads(repo_get(&r, files[i])->data, 0, NULL),
            *body = json_incref(json_object_get(doc, "signed"));
        json_object_set_new(body, "expires", json_string("2030-01-01T00:00:00Z"));
        repo_put(&r, files[i], body, r.targets, r.snapshot, r.timestamp, NULL);
        json_decref(doc);
        if (i == 1)
            repo_put(&r, "2.snapshot.json", repo_snapshot(&r, 2), r.snapshot, NULL);
        if (i < 2)
            repo_put(&r, "timestamp.json", repo_timestamp(&r, 2, 2), r.timestamp, NULL);
        CHECK(repo_refresh(&r) == HN_EREFUSED);
        CHECK(strstr(r.cx.msg, "expired") != NULL);
        repo_close(&r);
    }
}

TEST(A7_after_a_fast_forward_new_keys_recover)
{
    ready(1);
    repo_put(&r, "2147483648.snapshot.json", repo_snapshot(&r, 2147483648), r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 2147483648, 2147483648), r.timestamp, NULL);
    CHECK(repo_refresh(&r) == HN_OK);
    CHECK(repo_trusted(&r, "timestamp.json") == 2147483648);

    repo_publish(&r, 2);
    CHECK(repo_refresh(&r) == HN_EREFUSED);    /* the thief's version stands in the way */
    hn_key *old = r.timestamp, *fresh = r.stranger;
    json_t *root;
    r.timestamp = fresh;
    root = repo_root(&r, 2);
    repo_put(&r, "2.root.json", root, r.root[0], r.root[1], NULL);
    repo_publish(&r, 2);
    CHECK(repo_refresh(&r) == HN_OK);
    CHECK_INT(repo_trusted(&r, "timestamp.json"), 2);
    CHECK_INT(repo_trusted(&r, "snapshot.json"), 2);
    r.timestamp = old;
    repo_close(&r);
}

TEST(A8_files_of_different_times_are_not_combined)
{
    ready(1);
    repo_publish(&r, 2);
    const hn_buf *old = repo_get(&r, "1.targets.json");
    repo_put_bytes(&r, "2.targets.json", old->data, old->len);       /* well signed, of another moment */
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    repo_publish(&r, 3);
    old = repo_get(&r, "1.snapshot.json");
    repo_put_bytes(&r, "3.snapshot.json", old->data, old->len);
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    repo_close(&r);
}

TEST(A9_another_file_than_the_one_asked_for_is_refused)
{
    char path[64], url[64];
    hn_http *http;
    hn_tuf *t = NULL;
    hn_tuf_target target;
    ready(1);
    hn_tuf_opts o = { .dir = r.dir, .now = REPO_NOW, .source = repo_source(&r) };
    CHECK(hn_http_new(&r.cx, NULL, &http) == HN_OK && hn_tuf_open(&r.cx, &o, &t) == HN_OK &&
          hn_tuf_refresh(&r.cx, t) == HN_OK);
    CHECK(hn_tuf_find(&r.cx, t, "model", &target) == HN_OK);
    snprintf(path, sizeof path, "%s/model.bin", r.dir);
    CHECK(hn_file_write(&r.cx, path, "the m0del", 9) == HN_OK);
    CHECK(hn_tuf_check_file(&r.cx, &target, path) == HN_EREFUSED);
    CHECK(hn_file_write(&r.cx, path, "the model and more", 18) == HN_OK);
    CHECK(hn_tuf_check_file(&r.cx, &target, path) == HN_EREFUSED);

    /* Another build under the name on the server. */
    char server[128];
    const char *hash = json_string_value(json_object_get(json_object_get(target.entry, "hashes"), "sha256")),
        *base = url;
    snprintf(server, sizeof server, "%s/%s.model", r.dir, hash);
    snprintf(url, sizeof url, "file://%s", r.dir);
    CHECK(hn_file_write(&r.cx, server, "old model", 9) == HN_OK);
    CHECK(unlink(path) == 0);
    CHECK(hn_tuf_download(&r.cx, t, &target, http, &base, 1, path, NULL, NULL) == HN_EREFUSED);
    CHECK(access(path, F_OK) != 0);
    CHECK(hn_file_write(&r.cx, server, "the model", 9) == HN_OK);
    CHECK(hn_tuf_download(&r.cx, t, &target, http, &base, 1, path, NULL, NULL) == HN_OK);
    CHECK(hn_tuf_check_file(&r.cx, &target, path) == HN_OK);
    hn_tuf_close(t);
    hn_http_free(http);
    repo_close(&r);
}

TEST(A10_files_nobody_asked_for_are_not_fetched)
{
    ready(1);
    json_t *body = repo_snapshot(&r, 2);
    json_object_set_new(json_object_get(body, "meta"), "extra.json", json_pack("{s:i}", "version", 1));
    repo_put(&r, "2.snapshot.json", body, r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 2, 2), r.timestamp, NULL);
    CHECK(repo_refresh_at(&r, REPO_NOW, "model") == HN_OK);
    for (size_t i = 0; i < r.asked_count; i++)
        CHECK(!strstr(r.asked[i], "extra") && !strstr(r.asked[i], "team"));
    repo_close(&r);
}

/* ---- Keys ------------------------------------------------------------------------------------------- */

TEST(A11_one_stolen_root_key_is_not_enough)
{
    ready(1);
    repo_put(&r, "2.root.json", repo_root(&r, 2), r.root[0], NULL);
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    CHECK_INT(repo_trusted(&r, "root.json"), 1);
    repo_close(&r);
}

TEST(A11_a_new_root_needs_the_old_keys_and_its_own)
{
    hn_key *old[2];
    ready(1);
    memcpy(old, r.root, sizeof old);
    r.root[0] = r.stranger;
    r.root[1] = r.team;
    repo_put(&r, "2.root.json", repo_root(&r, 2), r.stranger, r.team, NULL);             /* the new ones alone */
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    repo_put(&r, "2.root.json", repo_root(&r, 2), old[0], old[1], NULL);                 /* the old ones alone */
    CHECK(repo_refresh(&r) == HN_EREFUSED);
    CHECK_INT(repo_trusted(&r, "root.json"), 1);
    repo_put(&r, "2.root.json", repo_root(&r, 2), old[0], old[1], r.stranger, r.team, NULL);
    CHECK(repo_refresh(&r) == HN_OK);
    CHECK_INT(repo_trusted(&r, "root.json"), 2);
    memcpy(r.root, old, sizeof old);
    repo_close(&r);
}

/* A root whose timestamp role wants 2 keys, `extra` being the second entry. */
static void check_faked_threshold(const char *id, json_t *key, bool sign_twice)
{
    ready(1);
    json_t *root = repo_root(&r, 2), *role = repo_role(root, "timestamp"), *ids = json_object_get(role, "keyids");
    json_object_set_new(role, "threshold", json_integer(2));
    if (!id)
        id = json_string_value(json_array_get(ids, 0));
    else
        json_object_set_new(json_object_get(root, "keys"), id, key);
    char copy[HN_SHA256_HEX];
    snprintf(copy, sizeof copy, "%s", id);
    json_array_append_new(ids, json_string(copy));
    repo_put(&r, "2.root.json", root, r.root[0], r.root[1], NULL);
    repo_publish(&r, 2);
    if (sign_twice) {
        json_t *doc = json_loads(repo_get(&r, "timestamp.json")->data, 0, NULL),
            *list = json_object_get(doc, "signatures");
        json_t *again = json_deep_copy(json_array_get(list, 0));
        json_object_set_new(again, "keyid", json_string(copy));
        json_array_append_new(list, again);
        char *text = json_dumps(doc, 0);
        repo_put_bytes(&r, "timestamp.json", text, strlen(text));
        free(text);
        json_decref(doc);
    }
    CHECK(repo_refresh(&r) != HN_OK);
    repo_close(&r);
}

TEST(A12_the_same_key_twice_in_a_role_is_refused) { check_faked_threshold(NULL, NULL, false); }

TEST(A12_a_signature_entry_repeated_is_refused)
{
    ready(1);
    repo_publish(&r, 2);
    json_t *doc = json_loads(repo_get(&r, "timestamp.json")->data, 0, NULL), *list = json_object_get(doc, "signatures");
    json_array_append(list, json_array_get(list, 0));
    char *text = json_dumps(doc, 0);
    repo_put_bytes(&r, "timestamp.json", text, strlen(text));
    CHECK(repo_refresh(&r) == HN_EFORMAT);
    free(text);
    json_decref(doc);
    repo_close(&r);
}

static json_t *form_of(const hn_key *k, const char *member)
{
    hn_ctx cx = { 0 };
    json_t *form;
    CHECK(hn_tuf_key_write(&cx, k, &form) == HN_OK);
    if (member)
        json_object_set_new(form, member, json_string("x"));
    return form;
}

TEST(A12_a_key_under_an_id_that_is_not_its_hash_is_refused)
{
    repo_open(&r);
    json_t *form = form_of(r.timestamp, NULL);
    repo_close(&r);
    check_faked_threshold("00000000000000000000000000000000000000000000000000000000000000aa", form, true);
}

TEST(A12_one_key_under_two_true_ids_counts_once)
{
    hn_ctx cx = { 0 };
    char id[HN_SHA256_HEX];
    repo_open(&r);
    json_t *form = form_of(r.timestamp, "note");         /* another member, so another id; the same key */
    repo_close(&r);
    CHECK(hn_tuf_key_id(&cx, form, id) == HN_OK);
    check_faked_threshold(id, form, true);
}

/* ---- Mirrors, delegations, names -------------------------------------------------------------------- */

typedef struct mirrored { int kind; } mirrored;          /* of the first mirror's lies */

static hn_err get_mirrored(void *user, hn_ctx *cx, size_t mirror, const char *path, uint64_t bytes_max, hn_buf *out)
{
    const mirrored *m = user;
    hn_tuf_source honest = repo_source(&r);
    if (mirror == 0 && m->kind == 0)
        return hn_fail(cx, HN_ENET, "%s: no answer", path);
    if (mirror == 0 && m->kind == 1)
        return hn_fail(cx, HN_ENO, "%s: not there", path);
    HN_TRY(honest.get(honest.user, cx, 0, path, bytes_max, out));
    if (mirror == 0)
        out->data[out->len / 2] ^= 4;
    return HN_OK;
}

TEST(A13_a_mirror_that_drops_or_corrupts_is_passed_over)
{
    for (int kind = 0; kind < 3; kind++) {
        mirrored m = { kind };
        hn_tuf *t;
        ready(1);
        repo_publish(&r, 2);
        repo_put(&r, "2.root.json", repo_root(&r, 2), r.root[1], r.root[2], NULL);
        hn_tuf_opts o = { .dir = r.dir, .now = REPO_NOW, .source = { get_mirrored, 2, &m } };
        CHECK(hn_tuf_open(&r.cx, &o, &t) == HN_OK);
        if (hn_tuf_refresh(&r.cx, t))
            fail_msg("%s", r.cx.msg);
        hn_tuf_close(t);
        CHECK_INT(repo_trusted(&r, "root.json"), 2);
        CHECK_INT(repo_trusted(&r, "targets.json"), 2);
        repo_close(&r);
    }
}

TEST(A14_a_team_cannot_speak_for_paths_outside_its_own)
{
    ready(1);
    json_t *body = repo_team(&r, 2), *targets = json_object_get(body, "targets");
    json_object_set(targets, "theirs", json_object_get(targets, "team/model"));
    json_object_set(targets, "team/deeper/model", json_object_get(targets, "team/model"));
    json_object_set(targets, "TEAM/model", json_object_get(targets, "team/model"));
    publish_team(body, 2);
    CHECK(repo_refresh_at(&r, REPO_NOW, "team/model") == HN_OK);
    CHECK(repo_refresh_at(&r, REPO_NOW, "theirs") == HN_ENO);
    CHECK(repo_refresh_at(&r, REPO_NOW, "team/deeper/model") == HN_ENO);
    CHECK(repo_refresh_at(&r, REPO_NOW, "TEAM/model") == HN_ENO);
    repo_close(&r);
}

TEST(A15_a_role_cannot_name_its_way_out_of_the_folder)
{
    ready(1);
    json_t *body = repo_targets(&r, 2), *roles = json_object_get(json_object_get(body, "delegations"), "roles");
    json_object_set_new(json_array_get(roles, 0), "name", json_string("../team"));
    repo_put(&r, "2.targets.json", body, r.targets, NULL);
    repo_put(&r, "1...%2Fteam.json", repo_team(&r, 1), r.team, NULL);
    json_t *snapshot = repo_snapshot(&r, 2);
    json_object_set_new(json_object_get(snapshot, "meta"), "../team.json", json_pack("{s:i}", "version", 1));
    repo_put(&r, "2.snapshot.json", snapshot, r.snapshot, NULL);
    repo_put(&r, "timestamp.json", repo_timestamp(&r, 2, 2), r.timestamp, NULL);
    CHECK(repo_refresh_at(&r, REPO_NOW, "team/model") == HN_OK);
    char path[96];
    snprintf(path, sizeof path, "%s/..%%2Fteam.json", r.dir);
    CHECK(access(path, F_OK) == 0);
    CHECK(access("/tmp/team.json", F_OK) != 0);
    repo_close(&r);
}

TEST(A15_a_delegated_role_cannot_take_a_trusted_files_name)
{
    static const char *const names[] = { "root", "timestamp", "snapshot", "targets", "" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ready(1);
        json_t *body = repo_targets(&r, 2), *roles = json_object_get(json_object_get(body, "delegations"), "roles");
        json_object_set_new(json_array_get(roles, 0), "name", json_string(names[i]));
        publish_targets(body, 2);
        CHECK(repo_refresh(&r) == HN_EFORMAT);
        repo_close(&r);
    }
}
