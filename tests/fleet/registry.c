/* SPDX-License-Identifier: Apache-2.0 */
/* Packages to a registry and back: against a small one of our own that speaks the distribution API. */
#include "fleet/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fleet/oci.h"
#include "net/server.h"
#include "tests/support/test.h"

#define MODEL "models/demo/pictograms.onnx"
#define TOKEN "Bearer open-sesame"

static char folder[64];

static const char *at(const char *name)
{
    static char path[8][160];
    static unsigned next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

/* ---- The registry: blobs and manifests by name in a folder ------------------------------------------------- */

typedef struct registry {
    hn_ctx cx;                  /* the server's, as long as it runs */
    hn_server *server;
    bool wants_token, damages;
    int uploads, tokens;
} registry;

static const char *flat(const char *path)
{
    static char name[512];
    snprintf(name, sizeof name, "%s/store/%s", folder, path);
    for (char *p = name + strlen(folder) + 7; *p; p++)
        *p = *p == '/' || *p == ':' ? '_' : *p;
    return name;
}

static hn_err give_file(hn_ctx *cx, hn_exchange *x, const char *name, const char *type, bool damage)
{
    hn_file f;
    if (access(name, R_OK) != 0)
        return hn_exchange_reply(cx, x, 404, "application/json", "{}", 2);
    HN_TRY(hn_file_open(cx, name, &f));
    char *copy = malloc(f.len + 1);
    memcpy(copy, f.data, f.len);
    if (damage && f.len)
        copy[f.len / 2] ^= 1;
    hn_err e = hn_exchange_reply(cx, x, 200, type, copy, f.len);
    free(copy);
    hn_file_close(&f);
    return e;
}

static hn_err answer(void *user, hn_ctx *cx, hn_exchange *x)
{
    registry *r = user;
    const char *method = hn_exchange_method(x), *path = hn_exchange_path(x), *digest = hn_exchange_query(x, "digest");
    const char *auth = hn_exchange_header(x, "Authorization");
    size_t len;
    const void *body = hn_exchange_body(x, &len);
    if (strcmp(path, "/token") == 0) {
        r->tokens++;
        return hn_exchange_reply(cx, x, 200, "application/json", "{\"token\":\"open-sesame\"}", 23);
    }
    if (r->wants_token && (!auth || strcmp(auth, TOKEN) != 0)) {
        char challenge[256];
        snprintf(challenge, sizeof challenge,
                 "Bearer realm=\"%s/token\",service=\"test\",scope=\"repository:models/kws:pull,push\"",
                 hn_server_url(r->server));
        HN_TRY(hn_exchange_set(cx, x, "WWW-Authenticate", challenge));
        return hn_exchange_reply(cx, x, 401, "application/json", "{}", 2);
    }
    if (strcmp(method, "POST") == 0 && strstr(path, "/blobs/uploads/")) {
        HN_TRY(hn_exchange_set(cx, x, "Location", "/v2/models/kws/blobs/uploads/1?state=a"));
        return hn_exchange_reply(cx, x, 202, "text/plain", "", 0);
    }
    if (strcmp(method, "PUT") == 0) {
        char where[512];
        r->uploads++;
        snprintf(where, sizeof where, "/v2/models/kws/blobs/%s", digest ? digest : "");
        HN_TRY(hn_file_write(cx, flat(digest ? where : path), body, len));
        return hn_exchange_reply(cx, x, 201, "text/plain", "", 0);
    }
    return give_file(cx, x, flat(path), strstr(path, "/manifests/") ? HN_OCI_MANIFEST : "application/octet-stream",
                     r->damages && strstr(path, "/blobs/") && strcmp(method, "GET") == 0);
}

static void start(registry *r)
{
    char command[160];
    snprintf(folder, sizeof folder, "%s/hone-registry-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(command, sizeof command, "mkdir %s/store", folder);
    CHECK_INT(system(command), 0);
    const hn_server_opts o = { .body_max = 16 << 20, .handler = answer, .user = r };
    CHECK_INT(hn_server_start(&r->cx, &o, &r->server), HN_OK);
}

static void stop(registry *r)
{
    char command[160];
    hn_server_stop(r->server);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
}

static void package(const char *out, uint64_t build)
{
    static const hn_env env;
    hn_ctx cx = { .env = &env };
    hn_package_report r;
    const hn_package_opts o = { .model = MODEL, .out = out, .name = "kws", .version = "1.0.0", .build = build,
                                .atol = -1 };
    CHECK_INT(hn_package_make(&cx, &o, &r), HN_OK);
}

static const char *reference(const registry *r, const char *rest)
{
    static char text[256];
    snprintf(text, sizeof text, "127.0.0.1:%u/models/kws%s", hn_server_port(r->server), rest);
    return text;
}

TEST(a_package_goes_to_a_registry_and_comes_back)
{
    hn_ctx cx = { 0 };
    registry r = { .wants_token = true };
    hn_package p, q;
    char pinned[128];
    start(&r);
    package(at("p.tar"), 4);
    CHECK_INT(hn_package_open(&cx, at("p.tar"), &p), HN_OK);
    hn_err e = hn_registry_push(&cx, &p, reference(&r, ":4"), NULL);
    if (e)
        fail_msg("%s", cx.msg);
    CHECK(r.tokens == 1 && r.uploads > 5);
    int first = r.uploads;
    CHECK_INT(hn_registry_push(&cx, &p, reference(&r, ":stable"), NULL), HN_OK);
    CHECK_INT(r.uploads, first + 1);                     /* the manifest under its other name, no blob twice */
    CHECK_INT(hn_registry_pull(&cx, reference(&r, ":stable"), NULL, at("q")), HN_OK);
    CHECK_INT(hn_package_open(&cx, at("q"), &q), HN_OK);
    CHECK(hn_digest_equal(&p.oci.digest, &q.oci.digest));
    hn_package_close(&q);

    /* By digest: right, and wrong. */
    snprintf(pinned, sizeof pinned, ":4@sha256:%s", hn_digest_hex(&p.oci.digest).text);
    /* not kept under that name */
    CHECK_INT(hn_registry_pull(&cx, reference(&r, pinned), NULL, at("q2.tar")), HN_ENO);
    CHECK_INT(hn_registry_pull(&cx, reference(&r, ":missing"), NULL, at("q3")), HN_ENO);
    CHECK(access(at("q3"), F_OK) != 0);
    hn_package_close(&p);
    stop(&r);
}

TEST(what_a_registry_changes_is_refused)
{
    hn_ctx cx = { 0 };
    registry r = { .damages = true };
    hn_package p;
    start(&r);
    package(at("p.tar"), 4);
    CHECK_INT(hn_package_open(&cx, at("p.tar"), &p), HN_OK);
    CHECK_INT(hn_registry_push(&cx, &p, reference(&r, ""), NULL), HN_OK);
    CHECK_INT(hn_registry_pull(&cx, reference(&r, ":4"), NULL, at("q")), HN_EREFUSED);
    CHECK(access(at("q"), F_OK) != 0 && access(at("q.pulled"), F_OK) != 0);
    hn_package_close(&p);
    stop(&r);
}

TEST(references_are_told_from_folders)
{
    static const char *const yes[] = { "registry.example/a/b:1", "127.0.0.1:5000/a", "http://host/a",
                                       "localhost:5000/m@sha256:00" };
    static const char *const no[] = { "folder", "./folder", "../x/y", "folder/package.tar", "/tmp/x" };
    hn_ctx cx = { 0 };
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        CHECK(hn_registry_is_reference(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        CHECK(!hn_registry_is_reference(no[i]));
    CHECK_INT(hn_registry_pull(&cx, "registry.example/Upper/b", NULL, "/nowhere"), HN_EARG);
    CHECK_INT(hn_registry_pull(&cx, "registry.example/a/../b", NULL, "/nowhere"), HN_EARG);
    CHECK_INT(hn_registry_pull(&cx, "registry.example/a@sha256:12", NULL, "/nowhere"), HN_EARG);
}
