/* SPDX-License-Identifier: Apache-2.0 */
/* The TUF conformance suite, as it was recorded with the reference client: what the server had at each
 * step, what the client was asked, what it then trusted.  Our client meets the same server. */
#include "tests/support/test.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/hash.h"
#include "fleet/tuf.h"
#include "fleet/tuf_meta.h"
#include "net/server.h"
#include "net/url.h"

static hn_ctx cx;
static char root[300];             /* of the recording */

typedef struct site {
    const json_t *serve;           /* {path: object} of the step */
    json_t *asked;                 /* [[path, status]] so far */
} site;

static hn_err answer(void *user, hn_ctx *c, hn_exchange *x)
{
    site *s = user;
    char dir[600];
    const char *raw = hn_exchange_target(x), *path = raw;
    const char *object = json_string_value(json_object_get(s->serve, raw));
    if (!object) {                 /* names of targets are recorded as they are meant, not as they are sent */
        path = hn_exchange_path(x);
        object = json_string_value(json_object_get(s->serve, path));
    }
    json_array_append_new(s->asked, json_pack("[s, i]", path, object ? 200 : 404));
    if (!object)
        return hn_exchange_reply(c, x, 404, NULL, "", 0);
    snprintf(dir, sizeof dir, "%s/objects/", root);
    return hn_exchange_reply_file(c, x, dir, object);
}

typedef struct device {
    char dir[64], trusted[80], got[80];
    hn_http *http;
    hn_server *server;
    site site;
} device;

static hn_err download(device *d, hn_tuf *t, const char *base, const char *name)
{
    hn_tuf_target target;
    hn_buf path = { .cx = &cx };
    HN_TRY(hn_tuf_find(&cx, t, name, &target));
    hn_buf_printf(&path, "%s/", d->got);
    hn_url_escape(&path, name, strlen(name), "");
    hn_err e = hn_tuf_download(&cx, t, &target, d->http, &base, 1, path.data, NULL, NULL);
    hn_buf_free(&path);
    return e;
}

static hn_err play(device *d, const json_t *step)
{
    const char *op = json_string_value(json_object_get(step, "op"));
    char metadata[128], targets[128], path[700];
    hn_tuf *t;
    d->site.serve = json_object_get(step, "serve");
    json_array_clear(d->site.asked);
    if (strcmp(op, "init") == 0) {
        hn_file f;
        snprintf(path, sizeof path, "%s/objects/%s", root, json_string_value(json_object_get(step, "root")));
        HN_TRY(hn_file_open(&cx, path, &f));
        hn_err e = hn_tuf_init(&cx, d->trusted, f.data, f.len);
        hn_file_close(&f);
        return e;
    }
    snprintf(metadata, sizeof metadata, "%s/metadata/", hn_server_url(d->server));
    snprintf(targets, sizeof targets, "%s/targets/", hn_server_url(d->server));
    const char *base = metadata;
    hn_tuf_mirrors m = { d->http, &base, 1 };
    hn_tuf_opts o = { .dir = d->trusted, .source = hn_tuf_http_source(&m) };
    HN_TRY(hn_tuf_time_read(&cx, json_string_value(json_object_get(step, "time")), &o.now));
    HN_TRY(hn_tuf_open(&cx, &o, &t));
    hn_err e = hn_tuf_refresh(&cx, t);
    const json_t *names = json_object_get(step, "targets");
    for (size_t i = 0; !e && strcmp(op, "download") == 0 && i < json_array_size(names); i++)
        e = download(d, t, targets, json_string_value(json_array_get(names, i)));
    hn_tuf_close(t);
    return e;
}

/* ---- What is expected ------------------------------------------------------------------------------- */

static int differ(const char *name, size_t step, const char *what, const char *want, const char *found)
{
    print_message("%s, step %zu: %s: expected %s, found %s\n", name, step, what, want, found);
    return 1;
}

static int check_trusted(const device *d, const char *name, size_t i, const json_t *step)
{
    const char *file;
    json_t *want;
    int bad = 0;
    json_object_foreach(json_object_get(step, "trusted_after"), file, want) {
        char path[256], hex[HN_HASH_HEX_MAX] = "nothing";
        uint8_t hash[HN_HASH_MAX];
        snprintf(path, sizeof path, "%s/%s", d->trusted, file);
        if (hn_hash_file(&cx, HN_SHA256, path, 0, UINT64_MAX, hash, NULL) == HN_OK)
            hn_hex(hash, 32, hex);
        const char *sha = json_string_value(json_object_get(want, "sha256"));
        if (strcmp(sha, hex) != 0)
            bad += differ(name, i, file, sha, hex);
    }
    return bad;
}

static int check_downloads(const device *d, const char *name, size_t i, const json_t *want)
{
    char path[512], hex[HN_HASH_HEX_MAX];
    uint8_t hash[HN_HASH_MAX];
    json_t *found = json_object();
    struct dirent *entry;
    DIR *dir = opendir(d->got);
    int bad = 0;
    while ((entry = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", d->got, entry->d_name);
        if (entry->d_name[0] == '.' || hn_hash_file(&cx, HN_SHA256, path, 0, UINT64_MAX, hash, NULL))
            continue;
        hn_hex(hash, 32, hex);
        json_object_set_new(found, hex, json_true());
    }
    closedir(dir);
    for (size_t k = 0; k < json_array_size(want); k++)
        if (!json_object_get(found, json_string_value(json_array_get(want, k))))
            bad += differ(name, i, "download", json_string_value(json_array_get(want, k)), "nothing");
    if (json_object_size(found) != json_array_size(want))
        bad += differ(name, i, "downloads", "as recorded", "another number");
    json_decref(found);
    return bad;
}

/* Where a client may do one or another thing, the recording says what one did. */
static bool is_free(const char *name)
{
    return strcmp(name, "test_repository_substitutes_target_file.json") == 0 ||
        strcmp(name, "test_multiple_changes_to_target.json") == 0;
}

static int check_step(device *d, const char *name, size_t i, const json_t *step, bool defect_here,
                      size_t *same_requests)
{
    int want = (int)json_integer_value(json_object_get(step, "exit"));
    cx.msg[0] = 0;
    int found = play(d, step) != HN_OK, bad = 0;
    if (defect_here)               /* the reference reuses a role under a delegator whose keys did not sign it */
        return found ? 0 : differ(name, i, "exit", "1", "0");
    if (want != found)
        bad += differ(name, i, "exit", want ? "1" : "0", cx.msg);
    bad += check_trusted(d, name, i, step);
    if (!is_free(name))
        bad += check_downloads(d, name, i, json_object_get(step, "downloaded_after"));
    *same_requests += (size_t)json_equal(d->site.asked, json_object_get(step, "requests"));
    return bad;
}

/* ---- All of them ------------------------------------------------------------------------------------ */

static void remove_all(const char *dir)
{
    char path[512];
    struct dirent *entry;
    DIR *d = opendir(dir);
    while (d && (entry = readdir(d))) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(path) != 0)
            remove_all(path);
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

static int run_case(const char *name, hn_http *http, size_t *steps, size_t *same)
{
    char path[600];
    device d = { .dir = "/tmp/hone-tuf-XXXXXX", .http = http };
    hn_server_opts o = { .handler = answer, .user = &d.site };
    int bad = 0;
    snprintf(path, sizeof path, "%s/cases/%s", root, name);
    json_t *record = json_load_file(path, 0, NULL);
    CHECK(record && mkdtemp(d.dir));
    snprintf(d.trusted, sizeof d.trusted, "%s/trusted", d.dir);
    snprintf(d.got, sizeof d.got, "%s/got", d.dir);
    CHECK(mkdir(d.trusted, 0755) == 0 && mkdir(d.got, 0755) == 0);
    d.site.asked = json_array();
    CHECK(hn_server_start(&cx, &o, &d.server) == HN_OK);
    const json_t *list = json_object_get(record, "steps");
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++) {
        bool defect = json_is_false(json_object_get(record, "reference_client_passes")) && i + 1 == count;
        bad += check_step(&d, name, i, json_array_get(list, i), defect, same);
    }
    *steps += count;
    hn_server_stop(d.server);
    json_decref(d.site.asked);
    json_decref(record);
    remove_all(d.dir);
    return bad;
}

TEST(every_recorded_case_of_the_conformance_suite_ends_as_it_should)
{
    const char *data = hn_test_data("tuf/conformance");
    char cases[600];
    struct dirent *entry;
    hn_http *http;
    size_t count = 0, wrong = 0, steps = 0, same = 0;
    if (!data)
        return;
    snprintf(root, sizeof root, "%s", data);
    snprintf(cases, sizeof cases, "%s/cases", root);
    CHECK(hn_http_new(&cx, NULL, &http) == HN_OK);
    DIR *dir = opendir(cases);
    while (dir && (entry = readdir(dir)))
        if (strstr(entry->d_name, ".json")) {
            count++;
            wrong += run_case(entry->d_name, http, &steps, &same) > 0;
        }
    closedir(dir);
    hn_http_free(http);
    print_message("%zu cases, %zu wrong; %zu of %zu steps with the same requests\n", count, wrong, same, steps);
    CHECK(count >= 107 && wrong == 0);
}

TEST(a_real_repository_of_another_maker_is_understood)
{
    const char *data = hn_test_data("tuf/tuf-on-ci-0.11");
    char dir[] = "/tmp/hone-tuf-XXXXXX", path[600], metadata[640], targets[640];
    hn_http *http = NULL;
    hn_tuf *t;
    hn_tuf_target target;
    hn_file f;
    if (!data)
        return;
    snprintf(metadata, sizeof metadata, "file://%s/metadata", realpath(data, path));
    snprintf(targets, sizeof targets, "file://%s/targets", path);
    strcat(path, "/initial_root.json");
    CHECK(mkdtemp(dir) && hn_http_new(&cx, NULL, &http) == HN_OK && hn_file_open(&cx, path, &f) == HN_OK);
    CHECK(hn_tuf_init(&cx, dir, f.data, f.len) == HN_OK);
    hn_file_close(&f);
    const char *base = metadata, *target_base = targets;
    hn_tuf_mirrors m = { http, &base, 1 };
    hn_tuf_opts o = { .dir = dir, .source = hn_tuf_http_source(&m) };
    CHECK(hn_tuf_time_read(&cx, "2025-02-09T09:17:23Z", &o.now) == HN_OK);
    CHECK(hn_tuf_open(&cx, &o, &t) == HN_OK && hn_tuf_refresh(&cx, t) == HN_OK);
    CHECK(hn_tuf_find(&cx, t, "delegatedrole/artifact", &target) == HN_OK);
    snprintf(path, sizeof path, "%s/artifact", dir);
    CHECK(hn_tuf_download(&cx, t, &target, http, &target_base, 1, path, NULL, NULL) == HN_OK);
    CHECK(hn_tuf_check_file(&cx, &target, path) == HN_OK);
    CHECK(hn_tuf_find(&cx, t, "delegatedrole/other", &target) == HN_ENO);
    hn_tuf_close(t);
    hn_http_free(http);
    remove_all(dir);
}
