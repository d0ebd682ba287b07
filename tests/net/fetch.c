/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "net/fetch.h"
#include "tests/support/system/peer.h"

#define SIZE 300000
#define CUT 70000                  /* bytes the peer sends of a connection before it hangs up */

static hn_ctx cx;
static char whole[SIZE];

typedef struct line {              /* a line that breaks, and what went over it */
    const char *etag;
    size_t sent, cut;
    int changes;                   /* the file is another one from the second connection on */
    int no_ranges;
} line;

static void play(void *user, int fd, size_t n, const char *request)
{
    line *l = user;
    char head[256];
    const char *range = strstr(request, "Range: bytes="), *if_range = strstr(request, "If-Range: ");
    size_t from = range ? strtoul(range + 13, NULL, 10) : 0;
    char etag[32];
    snprintf(etag, sizeof etag, "\"%s%zu\"", l->etag, l->changes ? (n ? 1 : 0) : (size_t)0);
    if (l->no_ranges || (if_range && strncmp(if_range + 10, etag, strlen(etag)) != 0))
        from = 0;
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nETag: %s\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%d/%d\r\n\r\n",
             from ? "206 Partial Content" : "200 OK", etag, SIZE - from, from, SIZE - 1, SIZE);
    hn_peer_text(fd, head);
    size_t len = SIZE - from < l->cut ? SIZE - from : l->cut;
    l->sent += len;
    hn_peer_say(fd, whole + from, len);
}

static hn_err same(void *user, hn_ctx *c, const char *part)
{
    hn_file f;
    (void)user;
    HN_TRY(hn_file_open(c, part, &f));
    bool equal = f.len == SIZE && memcmp(f.data, whole, SIZE) == 0;
    hn_file_close(&f);
    return equal ? HN_OK : hn_fail(c, HN_EREFUSED, "other bytes");
}

typedef struct place { char dir[32], path[64], part[80], note[80]; } place;

static place make_place(void)
{
    place p = { .dir = "/tmp/hone-fetch-XXXXXX" };
    for (size_t i = 0; i < SIZE; i++)
        whole[i] = (char)(i * 2654435761u >> 13);
    CHECK(mkdtemp(p.dir));
    snprintf(p.path, sizeof p.path, "%s/file", p.dir);
    snprintf(p.part, sizeof p.part, "%s.part", p.path);
    snprintf(p.note, sizeof p.note, "%s.part.json", p.path);
    return p;
}

static void remove_place(const place *p)
{
    unlink(p->path);
    unlink(p->part);
    unlink(p->note);
    CHECK(rmdir(p->dir) == 0);     /* nothing else was left there */
}

static hn_err fetch(const line *l, const char *base, const place *p, uint32_t tries, bool immutable)
{
    hn_http *h;
    char url[128];
    (void)l;
    snprintf(url, sizeof url, "%s/file", base);
    hn_fetch f = { .url = url, .path = p->path, .length = SIZE, .bytes_max = SIZE, .tries = tries, .wait_ms = 1,
                   .immutable = immutable, .check = same };
    CHECK(hn_http_new(&cx, NULL, &h) == HN_OK);
    hn_err e = hn_fetch_file(&cx, h, &f);
    hn_http_free(h);
    return e;
}

TEST(a_download_goes_on_where_the_line_broke)
{
    place p = make_place();
    line l = { .etag = "a", .cut = CUT };
    hn_peer *peer = hn_peer_start(play, &l);
    CHECK(fetch(&l, hn_peer_url(peer), &p, 10, false) == HN_OK);
    CHECK(same(NULL, &cx, p.path) == HN_OK);
    CHECK(l.sent <= SIZE + 65536);
    CHECK(access(p.part, F_OK) != 0 && access(p.note, F_OK) != 0);
    hn_peer_stop(peer);
    remove_place(&p);
}

TEST(a_download_goes_on_in_the_next_process)
{
    place p = make_place();
    line l = { .etag = "a", .cut = CUT };
    hn_peer *peer = hn_peer_start(play, &l);
    for (int i = 0; i < 4; i++)
        CHECK(fetch(&l, hn_peer_url(peer), &p, 1, false) == HN_ENET);
    CHECK(access(p.path, F_OK) != 0);
    CHECK(fetch(&l, hn_peer_url(peer), &p, 1, false) == HN_OK);
    CHECK(l.sent <= SIZE + 65536);
    hn_peer_stop(peer);
    remove_place(&p);
}

/* A line that ends at each of these places in turn, before the first byte and before the last. */
static const size_t ends[] = { 0, 1, 4095, 4096, 65535, 65537, 131072, 131072, 200001, SIZE - 1 };

typedef struct cutter { size_t furthest, again, requests; } cutter;

static void cut_there(void *user, int fd, size_t n, const char *request)
{
    cutter *c = user;
    char head[256];
    const char *range = strstr(request, "Range: bytes=");
    size_t from = range ? strtoul(range + 13, NULL, 10) : 0;
    size_t end = n < sizeof ends / sizeof *ends ? ends[n] : SIZE;
    c->requests++;
    c->again += c->furthest > from ? c->furthest - from : 0;
    snprintf(head, sizeof head,
             "HTTP/1.1 %s\r\nETag: \"e\"\r\nContent-Length: %zu\r\nContent-Range: bytes %zu-%d/%d\r\n\r\n",
             from ? "206 Partial Content" : "200 OK", SIZE - from, from, SIZE - 1, SIZE);
    hn_peer_text(fd, head);
    if (end > from)
        hn_peer_say(fd, whole + from, end - from);
    c->furthest = end > c->furthest ? end : c->furthest;
}

/* What had been sent before a cut is asked for again: 64 KiB at most, and it is none. */
TEST(bytes_that_came_before_a_cut_are_not_asked_for_again)
{
    for (int immutable = 0; immutable < 2; immutable++) {
        place p = make_place();
        cutter c = { 0 };
        hn_peer *peer = hn_peer_start(cut_there, &c);
        CHECK(fetch(NULL, hn_peer_url(peer), &p, 20, immutable) == HN_OK);
        CHECK(same(NULL, &cx, p.path) == HN_OK);
        hn_peer_stop(peer);
        print_message("%zu requests for %d bytes, %zu bytes asked for again\n", c.requests, SIZE, c.again);
        CHECK(c.requests == sizeof ends / sizeof *ends + 1 && c.again <= 65536);
        remove_place(&p);
    }
}

TEST(a_file_that_changed_is_fetched_from_its_beginning)
{
    place p = make_place();
    line l = { .etag = "a", .cut = CUT, .changes = 1 };
    hn_peer *peer = hn_peer_start(play, &l);
    CHECK(fetch(&l, hn_peer_url(peer), &p, 10, false) == HN_OK);
    CHECK(l.sent >= SIZE + CUT);
    hn_peer_stop(peer);
    remove_place(&p);
}

TEST(a_server_without_ranges_sends_everything_again)
{
    place p = make_place();
    line l = { .etag = "a", .cut = CUT, .no_ranges = 1 };
    hn_peer *peer = hn_peer_start(play, &l);
    CHECK(fetch(&l, hn_peer_url(peer), &p, 1, false) == HN_ENET);
    l.cut = SIZE;
    CHECK(fetch(&l, hn_peer_url(peer), &p, 1, false) == HN_OK);
    hn_peer_stop(peer);
    remove_place(&p);
}

TEST(wrong_bytes_are_refused_and_removed)
{
    place p = make_place();
    line l = { .etag = "a", .cut = SIZE };
    hn_peer *peer = hn_peer_start(play, &l);
    CHECK(hn_file_write(&cx, p.part, "no beginning of it", 18) == HN_OK);
    CHECK(fetch(&l, hn_peer_url(peer), &p, 1, true) == HN_EREFUSED);
    CHECK(access(p.path, F_OK) != 0 && access(p.part, F_OK) != 0);
    CHECK(fetch(&l, hn_peer_url(peer), &p, 1, true) == HN_OK);
    hn_peer_stop(peer);
    remove_place(&p);
}

static void garbage(void *user, int fd, size_t n, const char *request)
{
    (void)user;
    (void)n;
    (void)request;
    hn_peer_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
}

TEST(a_bad_mirror_is_passed_over)
{
    place p = make_place();
    line l = { .etag = "a", .cut = SIZE };
    hn_peer *good = hn_peer_start(play, &l), *bad = hn_peer_start(garbage, NULL);
    hn_http *h;
    const char *urls[] = { "http://127.0.0.1:1/file", hn_peer_url(bad), hn_peer_url(good) };
    hn_fetch f = { .path = p.path, .length = SIZE, .bytes_max = SIZE, .tries = 1, .immutable = true, .check = same };
    CHECK(hn_http_new(&cx, NULL, &h) == HN_OK);
    CHECK(hn_fetch_mirrored(&cx, h, &f, urls, 3) == HN_OK);
    CHECK(same(NULL, &cx, p.path) == HN_OK);
    hn_http_free(h);
    hn_peer_stop(good);
    hn_peer_stop(bad);
    remove_place(&p);
}
