/* SPDX-License-Identifier: Apache-2.0 */
/* The publisher's side, judged by the device's. */
#include "tests/support/test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/tuf.h"
#include "fleet/tuf_repo.h"

#define DAY 86400
#define NOW 1900000000

static hn_ctx cx;

typedef struct shop {
    char dir[32], repo[48], trusted[48], model[48], metadata[64];
    hn_key *root[4], *targets, *online, *team;
    hn_http *http;
    int64_t now;
} shop;

static void ok(hn_err e)
{
    if (e)
        fail_msg("%s", cx.msg);
}

static void sign(const shop *s, const char *role, const hn_key *key)
{
    char path[96];
    json_t *what;
    snprintf(path, sizeof path, "%s/staged/%s.json", s->repo, role);
    ok(hn_tuf_repo_sign(&cx, path, key, &what));
    json_decref(what);
}

static hn_err publish(shop *s)
{
    hn_key *keys[] = { s->online };
    json_t *done;
    HN_TRY(hn_tuf_repo_publish(&cx, s->repo, keys, 1, NULL, s->now, &done));
    json_decref(done);
    return HN_OK;
}

static hn_err refresh(shop *s, const char *find)
{
    const char *base = s->metadata;
    hn_tuf_mirrors m = { s->http, &base, 1 };
    hn_tuf_opts o = { .dir = s->trusted, .now = s->now, .source = hn_tuf_http_source(&m) };
    hn_tuf_target target;
    hn_tuf *t;
    HN_TRY(hn_tuf_open(&cx, &o, &t));
    hn_err e = hn_tuf_refresh(&cx, t);
    if (!e && find)
        e = hn_tuf_find(&cx, t, find, &target);
    hn_tuf_close(t);
    return e;
}

static hn_err add_model(shop *s, const char *role, const char *path)
{
    return hn_tuf_repo_set_target(&cx, s->repo, role, path, s->model, NULL, s->now + 100 * DAY);
}

/* 2 of 3 root keys, one model, published; the device trusts root 1. */
static shop open_shop(void)
{
    shop s = { .dir = "/tmp/hone-shop-XXXXXX", .now = NOW };
    char path[96];
    hn_file f;
    CHECK(mkdtemp(s.dir));
    snprintf(s.repo, sizeof s.repo, "%s/repo", s.dir);
    snprintf(s.trusted, sizeof s.trusted, "%s/trusted", s.dir);
    snprintf(s.model, sizeof s.model, "%s/model.bin", s.dir);
    snprintf(s.metadata, sizeof s.metadata, "file://%s/metadata", s.repo);
    CHECK(mkdir(s.trusted, 0755) == 0);
    ok(hn_file_write(&cx, s.model, "a model", 7));
    ok(hn_http_new(&cx, NULL, &s.http));
    for (int i = 0; i < 4; i++)
        ok(hn_key_generate(&cx, HN_KEY_ED25519, &s.root[i]));
    ok(hn_key_generate(&cx, HN_KEY_P256, &s.targets));
    ok(hn_key_generate(&cx, HN_KEY_ED25519, &s.online));
    ok(hn_key_generate(&cx, HN_KEY_ED25519, &s.team));
    hn_tuf_change c[] = {
        { .role = HN_TUF_ROOT, .add = s.root[0] }, { .role = HN_TUF_ROOT, .add = s.root[1] },
            { .role = HN_TUF_ROOT, .add = s.root[2] },
        { .role = HN_TUF_ROOT, .threshold = 2 }, { .role = HN_TUF_TARGETS, .add = s.targets },
        { .role = HN_TUF_SNAPSHOT, .add = s.online }, { .role = HN_TUF_TIMESTAMP, .add = s.online },
    };
    ok(hn_tuf_repo_change_root(&cx, s.repo, c, sizeof c / sizeof c[0], NOW + 365 * DAY));
    ok(add_model(&s, "targets", "models/kws/1/model"));
    sign(&s, "targets", s.targets);
    sign(&s, "root", s.root[0]);
    CHECK(publish(&s) == HN_ENO);              /* one of two */
    sign(&s, "root", s.root[2]);
    ok(publish(&s));
    snprintf(path, sizeof path, "%s/metadata/1.root.json", s.repo);
    ok(hn_file_open(&cx, path, &f));
    ok(hn_tuf_init(&cx, s.trusted, f.data, f.len));
    hn_file_close(&f);
    ok(refresh(&s, "models/kws/1/model"));
    return s;
}

static void remove_all(const char *dir)
{
    char path[512];
    struct dirent *entry;
    DIR *d = opendir(dir);
    while (d && (entry = readdir(d))) {
        int n = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (n > 0 && (size_t)n < sizeof path && entry->d_name[0] != '.' && unlink(path) != 0)
            remove_all(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

static void close_shop(shop *s)
{
    for (int i = 0; i < 4; i++)
        hn_key_free(s->root[i]);
    hn_key_free(s->targets);
    hn_key_free(s->online);
    hn_key_free(s->team);
    hn_http_free(s->http);
    remove_all(s->dir);
}

TEST(a_published_model_is_found_by_a_device)
{
    shop s = open_shop();
    ok(add_model(&s, "targets", "models/kws/2/model"));
    CHECK(refresh(&s, "models/kws/2/model") == HN_ENO);      /* staged is not published */
    ok(publish(&s));                                         /* nor is it without a signature */
    CHECK(refresh(&s, "models/kws/2/model") == HN_ENO);
    sign(&s, "targets", s.targets);
    ok(publish(&s));
    ok(refresh(&s, "models/kws/2/model"));
    ok(refresh(&s, "models/kws/1/model"));
    ok(hn_tuf_repo_set_target(&cx, s.repo, "targets", "models/kws/1/model", NULL, NULL, NOW + 100 * DAY));
    sign(&s, "targets", s.targets);
    ok(publish(&s));
    CHECK(refresh(&s, "models/kws/1/model") == HN_ENO);
    close_shop(&s);
}

TEST(what_a_stranger_signed_is_not_published)
{
    shop s = open_shop();
    ok(add_model(&s, "targets", "models/kws/2/model"));
    sign(&s, "targets", s.team);
    ok(publish(&s));
    CHECK(refresh(&s, "models/kws/2/model") == HN_ENO);
    hn_key *keys[] = { s.team };
    json_t *done;
    sign(&s, "targets", s.targets);
    CHECK(hn_tuf_repo_publish(&cx, s.repo, keys, 1, NULL, NOW, &done) == HN_EARG);    /* not the online key */
    CHECK(refresh(&s, "models/kws/2/model") == HN_ENO);
    close_shop(&s);
}

TEST(a_team_publishes_in_its_own_part_only)
{
    shop s = open_shop();
    const char *paths[] = { "models/team-a-*/*/*" };
    hn_tuf_team team = { "team-a", &s.team, 1, 1, paths, 1 };
    ok(hn_tuf_repo_delegate(&cx, s.repo, &team, NOW + 100 * DAY));
    ok(add_model(&s, "team-a", "models/team-a-ocr/1/model"));
    ok(add_model(&s, "team-a", "models/kws/9/model"));
    sign(&s, "targets", s.targets);
    CHECK(publish(&s) == HN_ENO);                            /* the team has not signed its first file */
    sign(&s, "team-a", s.team);
    ok(publish(&s));
    ok(refresh(&s, "models/team-a-ocr/1/model"));
    CHECK(refresh(&s, "models/kws/9/model") == HN_ENO);
    close_shop(&s);
}

TEST(signatures_are_renewed_at_half_their_life)
{
    shop s = open_shop();
    int64_t before;
    char path[96];
    snprintf(path, sizeof path, "%s/timestamp.json", s.trusted);
    for (int day = 0; day < 40; day++) {                     /* a timer that runs publish each day */
        s.now += DAY;
        ok(publish(&s));
        ok(refresh(&s, NULL));
    }
    json_t *doc = json_load_file(path, 0, NULL);
    before = json_integer_value(json_object_get(json_object_get(doc, "signed"), "version"));
    json_decref(doc);
    CHECK(before > 20 && before <= 42);
    s.now += 3 * DAY;
    CHECK(refresh(&s, NULL) == HN_EREFUSED);                 /* nobody ran it: devices notice */
    close_shop(&s);
}

TEST(keys_are_rotated_and_devices_follow)
{
    shop s = open_shop();
    hn_tuf_change c[] = { { .role = HN_TUF_ROOT, .add = s.root[3] }, { .role = HN_TUF_TARGETS, .add = s.team } };
    ok(hn_tuf_repo_change_root(&cx, s.repo, c, 2, NOW + 300 * DAY));
    sign(&s, "root", s.root[3]);
    sign(&s, "root", s.root[0]);
    ok(publish(&s));                                         /* new keys alone are not enough: still root 1 */
    char path[96];
    snprintf(path, sizeof path, "%s/metadata/2.root.json", s.repo);
    CHECK(access(path, F_OK) != 0);
    sign(&s, "root", s.root[1]);
    ok(publish(&s));
    CHECK(access(path, F_OK) == 0);
    ok(refresh(&s, "models/kws/1/model"));

    /* Taking the only key that signed targets away needs targets signed anew. */
    hn_tuf_change out[] = { { .role = HN_TUF_TARGETS, .remove = NULL } };
    char id[HN_SHA256_HEX];
    json_t *form;
    ok(hn_tuf_key_write(&cx, s.targets, &form));
    ok(hn_tuf_key_id(&cx, form, id));
    json_decref(form);
    out[0].remove = id;
    ok(hn_tuf_repo_change_root(&cx, s.repo, out, 1, NOW + 300 * DAY));
    sign(&s, "root", s.root[0]);
    sign(&s, "root", s.root[1]);
    CHECK(publish(&s) == HN_ENO);
    ok(refresh(&s, "models/kws/1/model"));                   /* and devices saw nothing of it */
    ok(hn_tuf_repo_extend(&cx, s.repo, "targets", NOW + 100 * DAY));
    sign(&s, "targets", s.team);
    ok(publish(&s));
    ok(refresh(&s, "models/kws/1/model"));
    close_shop(&s);
}

/* The last write fails, as a full disk or a cut would have it: devices see the old whole, and the same
 * command finishes. */
TEST(a_publication_that_was_cut_is_finished_by_the_next)
{
    shop s = open_shop();
    char next[96];
    ok(add_model(&s, "targets", "models/kws/2/model"));
    sign(&s, "targets", s.targets);
    snprintf(next, sizeof next, "%s/metadata/2.snapshot.json", s.repo);
    CHECK(mkdir(next, 0755) == 0);                           /* a name that cannot be written */
    CHECK(publish(&s) == HN_EIO);
    ok(refresh(&s, "models/kws/1/model"));
    CHECK(refresh(&s, "models/kws/2/model") == HN_ENO);
    CHECK(rmdir(next) == 0);
    ok(publish(&s));
    ok(refresh(&s, "models/kws/2/model"));
    close_shop(&s);
}

TEST(paths_and_names_that_lead_elsewhere_are_refused)
{
    static const char *const paths[] = { "../x", "/x", "a/../../x", "a//b", "a/", "" };
    shop s = open_shop();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        CHECK(add_model(&s, "targets", paths[i]) == HN_EREFUSED);
    CHECK(add_model(&s, "../targets", "a") == HN_EARG);
    CHECK(add_model(&s, "root", "a") == HN_EARG);
    CHECK(add_model(&s, "nobody", "a") == HN_EARG);
    hn_tuf_change c[] = { { .role = HN_TUF_ROOT, .threshold = 4 } };
    CHECK(hn_tuf_repo_change_root(&cx, s.repo, c, 1, NOW + DAY) == HN_EARG);
    close_shop(&s);
}
