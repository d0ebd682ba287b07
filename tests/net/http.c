/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/process.h"
#include "net/http.h"
#include "net/server.h"
#include "net/url.h"
#include "tests/support/system/peer.h"

static hn_ctx cx;

static hn_http *client(const hn_http_opts *o)
{
    hn_http *h;
    CHECK(hn_http_new(&cx, o, &h) == HN_OK);
    return h;
}

/* What a GET of base/path gives with a cap of `most`. */
static hn_err get(hn_http *h, const char *base, const char *path, uint64_t most, hn_buf *out)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", base, path);
    *out = (hn_buf){ .cx = &cx };
    return hn_http_get(&cx, h, url, most, out);
}

static hn_err get_and_drop(hn_http *h, const char *base, const char *path, uint64_t most)
{
    hn_buf b;
    hn_err e = get(h, base, path, most, &b);
    hn_buf_free(&b);
    return e;
}

/* ---- A server that means well ----------------------------------------------------------------------- */

static hn_err echo(void *user, hn_ctx *c, hn_exchange *x)
{
    size_t len;
    (void)user;
    if (strcmp(hn_exchange_path(x), "/moved") == 0) {
        HN_TRY(hn_exchange_set(c, x, "Location", "/here"));
        return hn_exchange_reply(c, x, 302, NULL, "", 0);
    }
    if (strcmp(hn_exchange_path(x), "/round") == 0) {
        HN_TRY(hn_exchange_set(c, x, "Location", "/round"));
        return hn_exchange_reply(c, x, 302, NULL, "", 0);
    }
    if (strcmp(hn_exchange_path(x), "/busy") == 0) {
        HN_TRY(hn_exchange_set(c, x, "Retry-After", "7"));
        return hn_exchange_reply(c, x, 503, NULL, "", 0);
    }
    if (strcmp(hn_exchange_path(x), "/gone") == 0)
        return hn_exchange_reply(c, x, 404, NULL, "", 0);
    if (strcmp(hn_exchange_path(x), "/here") == 0)
        return hn_exchange_reply(c, x, 200, "text/plain", "here", 4);
    if (strcmp(hn_exchange_path(x), "/fails") == 0)
        return hn_fail(c, HN_EIO, "on purpose");
    const void *body = hn_exchange_body(x, &len);
    HN_TRY(hn_exchange_set(c, x, "X-Method", hn_exchange_method(x)));
    HN_TRY(hn_exchange_set(c, x, "X-Seen", hn_exchange_header(x, "X-Sent") ? hn_exchange_header(x, "X-Sent") : ""));
    return hn_exchange_reply(c, x, 201, NULL, body, len);
}

static hn_server *serve(hn_handler handler, void *user)
{
    hn_server_opts o = { .handler = handler, .user = user, .body_max = 1 << 16 };
    hn_server *s;
    CHECK(hn_server_start(&cx, &o, &s) == HN_OK);
    return s;
}

static hn_err keep(void *user, hn_ctx *c, const void *data, size_t len)
{
    (void)c;
    hn_buf_add(user, data, len);
    return HN_OK;
}

TEST(a_body_goes_there_and_back)
{
    hn_server *s = serve(echo, NULL);
    hn_http *h = client(NULL);
    char url[128];
    hn_buf got = { .cx = &cx };
    const char *headers[] = { "X-Sent: yes", NULL };
    snprintf(url, sizeof url, "%s/echo", hn_server_url(s));
    hn_http_request rq = { .method = "PUT", .url = url, .headers = headers, .body = "models", .body_len = 6,
                           .bytes_max = 100, .sink = { .write = keep, .user = &got } };
    hn_http_reply r;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK_INT(r.status, 201);
    CHECK(r.length == 6 && got.len == 6 && memcmp(got.data, "models", 6) == 0);
    CHECK_TEXT(hn_http_header(h, "x-method"), "PUT");
    CHECK_TEXT(hn_http_header(h, "X-Seen"), "yes");
    CHECK(!hn_http_header(h, "X-Nothing"));
    rq.method = "POST";
    rq.body_len = 0;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK_TEXT(hn_http_header(h, "x-method"), "POST");
    rq.method = "HEAD";
    rq.body = NULL;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK_TEXT(hn_http_header(h, "x-method"), "HEAD");
    hn_buf_free(&got);
    hn_http_free(h);
    hn_server_stop(s);
}

TEST(a_server_refuses_a_body_past_its_limit)
{
    hn_server *s = serve(echo, NULL);
    hn_http *h = client(NULL);
    char url[128], *big = test_calloc(1, 1 << 17);
    snprintf(url, sizeof url, "%s/echo", hn_server_url(s));
    hn_http_request rq = { .method = "PUT", .url = url, .body = big, .body_len = 1 << 17, .bytes_max = 1 << 20 };
    hn_http_reply r;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK_INT(r.status, 413);
    test_free(big);
    hn_http_free(h);
    hn_server_stop(s);
}

TEST(statuses_become_the_failures_that_fit)
{
    hn_server *s = serve(echo, NULL);
    hn_http *h = client(NULL);
    hn_http_opts stay = { .redirects_max = HN_HTTP_STAY };
    hn_buf b;
    CHECK(get(h, hn_server_url(s), "/moved", 10, &b) == HN_OK);
    CHECK(b.len == 4);
    hn_buf_free(&b);
    CHECK(get_and_drop(h, hn_server_url(s), "/round", 10) == HN_ENET);
    CHECK(get_and_drop(h, hn_server_url(s), "/gone", 10) == HN_ENO);
    CHECK(get_and_drop(h, hn_server_url(s), "/fails", 10) == HN_ENET);
    CHECK(get_and_drop(h, hn_server_url(s), "/here", 3) == HN_ELIMIT);
    char url[128];
    snprintf(url, sizeof url, "%s/busy", hn_server_url(s));
    hn_http_request rq = { .url = url };
    hn_http_reply r;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK(r.status == 503 && r.retry_after_s == 7);
    hn_http_free(h);
    h = client(&stay);
    CHECK(get_and_drop(h, hn_server_url(s), "/moved", 10) == HN_ENET);
    hn_http_free(h);
    hn_server_stop(s);
    h = client(NULL);
    CHECK(get_and_drop(h, "http://127.0.0.1:1", "/", 10) == HN_ENET);       /* nobody listens */
    CHECK(get_and_drop(h, "gopher://127.0.0.1", "/", 10) == HN_ENET);
    hn_http_free(h);
}

/* ---- A folder of files, over HTTP and without ------------------------------------------------------- */

typedef struct folder { char dir[64], place[80]; } folder;

static folder make_folder(void)
{
    folder f = { "/tmp/hone-net-XXXXXX/", "" };
    char path[128];
    f.dir[20] = 0;
    CHECK(mkdtemp(f.dir));
    strcat(f.dir, "/");
    snprintf(path, sizeof path, "%sa b.txt", f.dir);
    CHECK(hn_file_write(&cx, path, "0123456789", 10) == HN_OK);
    snprintf(path, sizeof path, "%sout", f.dir);
    CHECK(symlink("/etc/hostname", path) == 0);
    return f;
}

static void remove_folder(const folder *f)
{
    char path[128];
    snprintf(path, sizeof path, "%sa b.txt", f->dir);
    unlink(path);
    snprintf(path, sizeof path, "%sout", f->dir);
    unlink(path);
    rmdir(f->dir);
}

static void check_ranges(hn_http *h, const char *base)
{
    char url[256], etag[128];
    hn_buf got = { .cx = &cx };
    snprintf(url, sizeof url, "%s/a%%20b.txt", base);
    hn_http_request rq = { .url = url, .bytes_max = 10, .sink = { .write = keep, .user = &got } };
    hn_http_reply r;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK(r.status == 200 && r.length == 10 && r.offset == 0 && got.len == 10);
    snprintf(etag, sizeof etag, "%s", hn_http_header(h, "ETag"));

    got.len = 0;
    rq.offset = 6;
    rq.if_range = etag;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK(r.status == 206 && r.offset == 6 && got.len == 4 && memcmp(got.data, "6789", 4) == 0);

    got.len = 0;
    rq.if_range = "\"other\"";
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK(r.status == 200 && r.offset == 0 && got.len == 10);

    rq.offset = 10;
    rq.if_range = NULL;
    CHECK(hn_http_send(&cx, h, &rq, &r) == HN_OK);
    CHECK_INT(r.status, 416);
    hn_buf_free(&got);
    CHECK(get_and_drop(h, base, "/nothing", 10) == HN_ENO);
    CHECK(get_and_drop(h, base, "/", 10) == HN_ENO);
}

TEST(a_folder_is_served_with_ranges)
{
    folder f = make_folder();
    hn_server *s = serve(hn_serve_folder, f.dir);
    hn_http *h = client(NULL);
    check_ranges(h, hn_server_url(s));
    CHECK(get_and_drop(h, hn_server_url(s), "/out", 100) == HN_ENO);         /* a link that leads outside */
    CHECK(get_and_drop(h, hn_server_url(s), "/%2e%2e/%2e%2e/etc/hostname", 100) == HN_ENO);
    CHECK(get_and_drop(h, hn_server_url(s), "//etc/hostname", 100) == HN_ENO);
    hn_http_free(h);
    hn_server_stop(s);
    remove_folder(&f);
}

TEST(a_plain_folder_answers_like_a_server)
{
    folder f = make_folder();
    hn_http *h = client(NULL);
    hn_buf url = { .cx = &cx };
    f.dir[strlen(f.dir) - 1] = 0;
    CHECK(hn_url_from_place(&cx, f.dir, &url) == HN_OK);
    check_ranges(h, url.data);
    CHECK(get_and_drop(h, url.data, "/a%20b.txt", 9) == HN_ELIMIT);
    hn_buf_free(&url);
    hn_http_free(h);
    strcat(f.dir, "/");
    remove_folder(&f);
}

/* ---- Peers that mean harm --------------------------------------------------------------------------- */

typedef struct ill { const char *head; const char *piece; int pieces, pause_ms; } ill;

static void play(void *user, int fd, size_t n, const char *request)
{
    const ill *w = user;
    (void)n;
    (void)request;
    hn_peer_text(fd, w->head);
    for (int i = 0; i != w->pieces && hn_peer_text(fd, w->piece); i++)
        hn_peer_wait_ms(w->pause_ms);
}

/* The failure a peer that plays `w` leads to, with a deadline of 3 s and 1 s of patience. */
static hn_err met(ill w, uint64_t most)
{
    hn_http_opts o = { .deadline_ms = 3000, .rate_min = 1024, .rate_window_s = 1 };
    hn_peer *p = hn_peer_start(play, &w);
    hn_http *h = client(&o);
    cx.msg[0] = 0;
    hn_err e = get_and_drop(h, hn_peer_url(p), "/x", most);
    CHECK(!e || cx.msg[0]);
    hn_http_free(h);
    hn_peer_stop(p);
    return e;
}

static const char piece_1k[] = "................................................................"
    "................................................................................................"
    "................................................................................................"
    "................................................................................................";

TEST(an_endless_body_ends_at_the_cap)
{
    size_t before = hn_private_bytes();
    ill w = { "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", piece_1k, -1, 0 };
    CHECK(met(w, 100000) == HN_ELIMIT);
    CHECK(hn_private_bytes() < before + ((size_t)8 << 20));
}

TEST(a_length_over_the_cap_is_refused_before_the_body)
{
    ill w = { "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n", ".", 1, 0 };
    CHECK(met(w, 100000) == HN_ELIMIT);
}

TEST(a_drip_of_bytes_is_given_up)
{
    ill w = { "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", ".", -1, 100 };
    CHECK(met(w, 100000) == HN_ENET);
}

TEST(silence_is_given_up)
{
    ill w = { "", "", -1, 50 };
    CHECK(met(w, 100000) == HN_ENET);
}

TEST(a_body_shorter_than_announced_is_a_failure)
{
    ill w = { "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", piece_1k, 1, 0 };
    CHECK(met(w, 100000) == HN_ENET);
}

TEST(a_chunk_that_does_not_end_is_a_failure)
{
    ill w = { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", piece_1k, 2, 0 };
    CHECK(met(w, 100000) == HN_ENET);
}

TEST(what_is_no_http_is_a_failure)
{
    CHECK(met((ill){ "SSH-2.0-OpenSSH\r\n", "", 0, 0 }, 1000) == HN_ENET);
    CHECK(met((ill){ "HTTP/1.1 999999 OK\r\n\r\n", "", 0, 0 }, 1000) == HN_ENET);
    CHECK(met((ill){ "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "", 0, 0 }, 1000) == HN_ENET);
}

TEST(headers_without_end_are_a_failure)
{
    ill w = { "HTTP/1.1 200 OK\r\n",
              "X-Filler: ......................................................................\r\n", -1, 0 };
    CHECK(met(w, 1000) == HN_ENET);
}

TEST(a_piece_that_was_not_asked_for_is_refused)
{
    ill w = { "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n", "56789", 1,
              0 };
    CHECK(met(w, 1000) == HN_ENET);
}
