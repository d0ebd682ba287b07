/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/registry.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet/json.h"
#include "fleet/oci.h"
#include "net/http.h"
#include "net/url.h"

enum { TEXT_MAX = 4096, TOKEN_MAX = 64 << 10 };

typedef struct registry {
    hn_ctx *cx;
    const hn_registry_opts *o;
    hn_http *http;
    char base[TEXT_MAX];           /* https://HOST/v2/REPOSITORY */
    char host[1100];               /* https://HOST */
    char tag[128], digest[80];     /* digest: "sha256:...", or "" */
    char *auth;                    /* "Authorization: ...", NULL for none */
} registry;

/* ---- References ------------------------------------------------------------------------------------------- */

static bool has_host(const char *text)
{
    size_t host = strcspn(text, "/");
    return text[host] == '/' && host > 0 && (memchr(text, ':', host) || memchr(text, '.', host) != NULL) &&
        text[0] != '.' &&
           access(text, F_OK) != 0;
}

bool hn_registry_is_reference(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0 || has_host(text);
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 || strncmp(host, "[::1]", 5) == 0;
}

static bool repository_ok(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len < 256 && text[0] != '/' && text[len - 1] != '/' && !strstr(text, "//") &&
        !strstr(text, "..") &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-/") == len;
}

static hn_err parse(registry *r, const char *reference, const char *tag)
{
    char text[1024];
    const char *scheme = strncmp(reference, "http://", 7) == 0 ? "http" : "https", *rest = strstr(reference, "://");
    rest = rest ? rest + 3 : reference;
    if (snprintf(text, sizeof text, "%s", rest) >= (int)sizeof text)
        return hn_fail(r->cx, HN_EARG, "%.100s...: the reference is too long", reference);
    if (rest == reference && is_loopback(text))
        scheme = "http";
    char *repository = strchr(text, '/');
    if (!repository)
        return hn_fail(r->cx, HN_EARG, "%s: expected HOST/REPOSITORY[:TAG]", reference);
    *repository++ = 0;
    char *at = strchr(repository, '@'), *colon;
    if (at)
        *at++ = 0;
    colon = strchr(repository, ':');
    if (colon)
        *colon++ = 0;
    hn_digest d;
    if (!repository_ok(repository) || (at && (strncmp(at, "sha256:", 7) != 0 || !hn_digest_from_hex(at + 7, &d))) ||
        (colon && (strlen(colon) > 127 || !*colon)))
        return hn_fail(r->cx, HN_EARG, "%s: expected HOST/REPOSITORY[:TAG][@sha256:HEX], in lower case", reference);
    snprintf(r->host, sizeof r->host, "%s://%s", scheme, text);
    snprintf(r->base, sizeof r->base, "%s/v2/%s", r->host, repository);
    snprintf(r->tag, sizeof r->tag, "%s", colon ? colon : tag);
    snprintf(r->digest, sizeof r->digest, "%s", at ? at : "");
    return HN_OK;
}

/* ---- Who is asking ------------------------------------------------------------------------------------------ */

static hn_err set_auth(registry *r, const char *kind, const char *value)
{
    size_t len = strlen(kind) + strlen(value) + 32;
    hn_free(r->cx, r->auth);
    r->auth = hn_alloc(r->cx, len);
    if (!r->auth)
        return hn_nomem(r->cx, "a header");
    snprintf(r->auth, len, "Authorization: %s %s", kind, value);
    return HN_OK;
}

static hn_err basic(registry *r)
{
    char plain[1024];
    hn_buf b = { .cx = r->cx };
    snprintf(plain, sizeof plain, "%s:%s", r->o->user, r->o->password ? r->o->password : "");
    hn_err e = hn_base64_add(&b, plain, strlen(plain));
    if (!e)
        e = set_auth(r, "Basic", b.data);
    hn_buf_free(&b);
    return e;
}

/* A parameter of a challenge: NAME="VALUE". */
static bool parameter(const char *header, const char *name, char *out, size_t size)
{
    char key[32];
    snprintf(key, sizeof key, "%s=\"", name);
    const char *from = strstr(header, key), *to = from ? strchr(from + strlen(key), '"') : NULL;
    if (!to || (size_t)(to - from) >= size)
        return false;
    snprintf(out, size, "%.*s", (int)(to - from - (ptrdiff_t)strlen(key)), from + strlen(key));
    return true;
}

static hn_err ask_token(registry *r, const char *challenge)
{
    char realm[512], service[256] = "", scope[512] = "";
    hn_buf url = { .cx = r->cx }, answer = { .cx = r->cx };
    json_t *j = NULL;
    if (!parameter(challenge, "realm", realm, sizeof realm) || strncmp(realm, "http", 4) != 0)
        return hn_fail(r->cx, HN_EREFUSED, "%s: asks for a kind of login that is not known: %.100s", r->host,
                       challenge);
    parameter(challenge, "service", service, sizeof service);
    parameter(challenge, "scope", scope, sizeof scope);
    hn_buf_printf(&url, "%s?service=", realm);
    hn_url_escape(&url, service, strlen(service), "");
    hn_buf_text(&url, "&scope=");
    hn_url_escape(&url, scope, strlen(scope), ":,/");
    hn_err e = r->o->user ? basic(r) : HN_OK;
    if (!e)
        e = hn_buf_ok(&url, "an address");
    if (!e)
        e = hn_http_get(r->cx, r->http, url.data, TOKEN_MAX, &answer);
    if (!e)
        e = hn_json_parse_real(r->cx, "the token", answer.data, answer.len, &j);
    const char *token = json_string_value(json_object_get(j, "token"));
    if (!token)
        token = json_string_value(json_object_get(j, "access_token"));
    if (!e)
        e = token ? set_auth(r, "Bearer", token) : hn_fail(r->cx, HN_EREFUSED, "%s gave no token", realm);
    json_decref(j);
    hn_buf_free(&url);
    hn_buf_free(&answer);
    return e;
}

/* One exchange with our name on it; a 401 is answered once. */
static hn_err exchange(registry *r, hn_http_request *rq, const char *extra, hn_http_reply *out)
{
    for (int turn = 0;; turn++) {
        const char *headers[3] = { NULL };
        int n = 0;
        if (r->auth)
            headers[n++] = r->auth;
        if (extra)
            headers[n++] = extra;
        rq->headers = headers;
        hn_err e = hn_http_send(r->cx, r->http, rq, out);
        rq->headers = NULL;
        HN_TRY(e);
        if (out->status != 401 || turn > 0)
            return HN_OK;
        const char *challenge = hn_http_header(r->http, "WWW-Authenticate");
        if (challenge && strncmp(challenge, "Bearer ", 7) == 0 && !r->o->token) {
            char copy[1024];
            snprintf(copy, sizeof copy, "%s", challenge);
            HN_TRY(ask_token(r, copy));
        } else if (r->o->user && !r->auth) {
            HN_TRY(basic(r));
        } else {
            return HN_OK;
        }
    }
}

static hn_err begin(registry *r, hn_ctx *cx, const char *reference, const char *tag, const hn_registry_opts *o)
{
    static const hn_registry_opts nobody = { 0 };
    *r = (registry){ .cx = cx, .o = o ? o : &nobody };
    HN_TRY(parse(r, reference, tag));
    if (r->o->token)
        HN_TRY(set_auth(r, "Bearer", r->o->token));
    const hn_http_opts http = { .ca_file = r->o->ca_file };
    return hn_http_new(cx, &http, &r->http);
}

static void end(registry *r)
{
    hn_http_free(r->http);
    hn_free(r->cx, r->auth);
}

/* ---- Pushing ------------------------------------------------------------------------------------------------- */

static hn_err there(registry *r, const char *digest, bool *out)
{
    char url[TEXT_MAX + 128];
    hn_http_reply reply;
    snprintf(url, sizeof url, "%s/blobs/%s", r->base, digest);
    hn_http_request rq = { .method = "HEAD", .url = url, .bytes_max = TEXT_MAX };
    HN_TRY(exchange(r, &rq, NULL, &reply));
    *out = reply.status == 200;
    return reply.status == 404 || *out ? HN_OK : hn_http_expect_ok(r->cx, url, &reply);
}

static hn_err upload_place(registry *r, const char *digest, hn_buf *out)
{
    char url[TEXT_MAX + 128];
    hn_http_reply reply;
    snprintf(url, sizeof url, "%s/blobs/uploads/", r->base);
    hn_http_request rq = { .method = "POST", .url = url, .body = "", .bytes_max = TEXT_MAX };
    HN_TRY(exchange(r, &rq, NULL, &reply));
    HN_TRY(hn_http_expect_ok(r->cx, url, &reply));
    const char *place = hn_http_header(r->http, "Location");
    if (!place)
        return hn_fail(r->cx, HN_ENET, "%s: the registry names no place to send to", url);
    hn_buf_printf(out, "%s%s%sdigest=%s", place[0] == '/' ? r->host : "", place, strchr(place, '?') ? "&" : "?",
                  digest);
    return hn_buf_ok(out, "an address");
}

static hn_err push_blob(registry *r, const hn_package *p, const hn_layer *l)
{
    char digest[80];
    bool has;
    hn_buf url = { .cx = r->cx };
    hn_http_reply reply;
    hn_file f;
    snprintf(digest, sizeof digest, "sha256:%s", hn_digest_hex(&l->digest).text);
    HN_TRY(there(r, digest, &has));
    if (has)
        return HN_OK;
    HN_TRY(hn_package_blob(r->cx, p, l, &f));
    hn_err e = upload_place(r, digest, &url);
    if (!e) {
        hn_http_request rq = { .method = "PUT", .url = url.data, .body = f.data ? (const void *)f.data : "",
                               .body_len = f.len,
                               .bytes_max = TEXT_MAX };
        e = exchange(r, &rq, "Content-Type: application/octet-stream", &reply);
        if (!e)
            e = hn_http_expect_ok(r->cx, url.data, &reply);
    }
    hn_buf_free(&url);
    hn_package_done(p, &f);
    return e;
}

static hn_err push_all(registry *r, const hn_package *p)
{
    char url[TEXT_MAX + 256];
    hn_http_reply reply;
    HN_TRY(push_blob(r, p, &p->config));
    for (size_t i = 0; i < p->layer_count; i++)
        HN_TRY(push_blob(r, p, &p->layer[i]));
    snprintf(url, sizeof url, "%s/manifests/%s", r->base, r->tag);
    hn_http_request rq = { .method = "PUT", .url = url, .body = p->oci_bytes, .body_len = (size_t)p->oci.size,
                           .bytes_max = TEXT_MAX };
    HN_TRY(exchange(r, &rq, "Content-Type: " HN_OCI_MANIFEST, &reply));
    return hn_http_expect_ok(r->cx, url, &reply);
}

hn_err hn_registry_push(hn_ctx *cx, const hn_package *p, const char *reference, const hn_registry_opts *o)
{
    registry r;
    char tag[32];
    hn_reason why = HN_WHY_NONE;
    snprintf(tag, sizeof tag, "%llu", (unsigned long long)p->m.build);
    HN_TRY(hn_package_verify(cx, p, &why));
    hn_err e = begin(&r, cx, reference, tag, o);
    if (!e)
        e = push_all(&r, p);
    end(&r);
    return e;
}

/* ---- Pulling -------------------------------------------------------------------------------------------------- */

static hn_err into_buf(void *user, hn_ctx *cx, const void *data, size_t len)
{
    hn_buf_add(user, data, len);
    return hn_buf_ok(user, "an answer") ? hn_nomem(cx, "an answer") : HN_OK;
}

static hn_err into_file(void *user, hn_ctx *cx, const void *data, size_t len)
{
    return fwrite(data, 1, len, user) == len ? HN_OK : hn_fail(cx, HN_ELIMIT,
                                                               "a blob cannot be written; make room and try again");
}

static hn_err pull_manifest(registry *r, hn_buf *out, hn_digest *digest)
{
    char url[TEXT_MAX + 256];
    hn_http_reply reply;
    snprintf(url, sizeof url, "%s/manifests/%s", r->base, r->digest[0] ? r->digest : r->tag);
    hn_http_request rq = { .url = url, .bytes_max = HN_OCI_JSON_MAX, .sink = { .write = into_buf, .user = out } };
    HN_TRY(exchange(r, &rq, "Accept: " HN_OCI_MANIFEST, &reply));
    HN_TRY(hn_http_expect_ok(r->cx, url, &reply));
    HN_TRY(hn_digest_of(r->cx, out->data, out->len, digest));
    if (r->digest[0] && strcmp(r->digest + 7, hn_digest_hex(digest).text) != 0)
        return hn_fail(r->cx, HN_EREFUSED, "%s: the registry sent a manifest with the hash %s", url,
                       hn_digest_hex(digest).text);
    return HN_OK;
}

static hn_err pull_blob(registry *r, const char *dir, const json_t *descriptor)
{
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    json_int_t size = json_integer_value(json_object_get(descriptor, "size"));
    char url[TEXT_MAX + 128], path[TEXT_MAX + 128];
    hn_http_reply reply;
    hn_digest want, got;
    if (!digest || strncmp(digest, "sha256:", 7) != 0 || !hn_digest_from_hex(digest + 7, &want) || size < 0)
        return hn_fail(r->cx, HN_EFORMAT, "%s: the manifest names a blob without sha256 and size", r->base);
    snprintf(url, sizeof url, "%s/blobs/%s", r->base, digest);
    snprintf(path, sizeof path, "%s/blobs/sha256/%s", dir, digest + 7);
    FILE *f = fopen(path, "we");
    if (!f)
        return hn_fs_fail(r->cx, path, "written");
    hn_http_request rq = { .url = url, .bytes_max = (uint64_t)size, .sink = { .write = into_file, .user = f } };
    hn_err e = exchange(r, &rq, NULL, &reply);
    if (!e)
        e = hn_http_expect_ok(r->cx, url, &reply);
    if (fclose(f) != 0 && !e)
        e = hn_fs_fail(r->cx, path, "written");
    if (!e)
        e = hn_digest_of_file(r->cx, path, &got, NULL);
    if (!e && !hn_digest_equal(&got, &want))
        e = hn_fail(r->cx, HN_EREFUSED, "%s: the bytes have the hash %s", url, hn_digest_hex(&got).text);
    return e;
}

static hn_err pull_blobs(registry *r, const char *dir, const hn_buf *manifest)
{
    json_t *j;
    HN_TRY(hn_json_parse_real(r->cx, "the registry's manifest", manifest->data, manifest->len, &j));
    const json_t *layers = json_object_get(j, "layers");
    hn_err e = json_array_size(layers) > 0 && json_array_size(layers) <= HN_TAR_FILES_MAX
                   ? pull_blob(r, dir, json_object_get(j, "config"))
                   : hn_fail(r->cx, HN_EFORMAT, "%s: no model package lies there", r->base);
    for (size_t i = 0; !e && i < json_array_size(layers); i++)
        e = pull_blob(r, dir, json_array_get(layers, i));
    json_decref(j);
    return e;
}

static hn_err write_layout(registry *r, const char *dir, const hn_buf *manifest, const hn_digest *digest)
{
    char path[TEXT_MAX + 128], index[512];
    snprintf(path, sizeof path, "%s/blobs/sha256/%s", dir, hn_digest_hex(digest).text);
    HN_TRY(hn_file_write(r->cx, path, manifest->data, manifest->len));
    snprintf(path, sizeof path, "%s/oci-layout", dir);
    HN_TRY(hn_file_write(r->cx, path, HN_OCI_LAYOUT, strlen(HN_OCI_LAYOUT)));
    snprintf(path, sizeof path, "%s/index.json", dir);
    int n = snprintf(index, sizeof index,
                     "{\"schemaVersion\":2,\"mediaType\":\"" HN_OCI_INDEX "\",\"manifests\":[{\"mediaType\":\""
                     HN_OCI_MANIFEST "\",\"digest\":\"sha256:%s\",\"size\":%zu,\"artifactType\":\""
                     HN_OCI_ARTIFACT "\"}]}",
                     hn_digest_hex(digest).text, manifest->len);
    return hn_file_write(r->cx, path, index, (size_t)n);
}

static hn_err pull(registry *r, const char *dir, const char *to)
{
    hn_buf manifest = { .cx = r->cx };
    hn_digest digest;
    hn_package p;
    hn_reason why = HN_WHY_NONE;
    hn_err e = pull_manifest(r, &manifest, &digest);
    if (!e)
        e = hn_fs_mkdir(NULL, dir) ? hn_fs_mkdirs(r->cx, NULL, dir, "blobs/sha256/") : hn_fs_fail(r->cx, dir, "made");
    if (!e)
        e = pull_blobs(r, dir, &manifest);
    if (!e)
        e = write_layout(r, dir, &manifest, &digest);
    hn_buf_free(&manifest);
    if (!e)
        e = hn_package_open(r->cx, dir, &p);
    HN_TRY(e);
    e = hn_package_verify(r->cx, &p, &why);
    if (!e)
        e = hn_package_copy(r->cx, &p, to);
    hn_package_close(&p);
    return e;
}

hn_err hn_registry_pull(hn_ctx *cx, const char *reference, const hn_registry_opts *o, const char *to)
{
    registry r;
    hn_path dir;
    char why[HN_MSG_MAX];
    HN_TRY(hn_path_make(cx, &dir, "%s.pulled", to));
    HN_TRY(hn_fs_remove_tree(cx, NULL, dir.text));
    hn_err e = begin(&r, cx, reference, "latest", o);
    if (!e)
        e = pull(&r, dir.text, to);
    end(&r);
    memcpy(why, cx->msg, sizeof why);
    hn_fs_remove_tree(cx, NULL, dir.text);
    memcpy(cx->msg, why, sizeof why);
    return e;
}
