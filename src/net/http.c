/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http_impl.h"
#include "net/url.h"

#define HEADERS_MAX 16384          /* bytes of headers in one answer: real ones have 1 or 2 KB */
#define REFUSAL_MAX 65536          /* bytes of a body that comes with an error, read so the connection can be kept */

struct hn_http {
    hn_ctx *cx;
    CURL *curl;
    hn_http_opts o;
    hn_buf headers;                /* "Name: value\n" of the last answer */
};

/* One exchange while it runs. */
typedef struct exchange {
    hn_ctx *cx;
    hn_http *h;
    const hn_http_request *rq;
    hn_http_reply reply;
    FILE *upload;
    size_t sent;
    uint64_t got;
    bool begun;
    hn_err e;                      /* why a callback stopped it */
} exchange;

static uint32_t or_else(uint32_t given, uint32_t missing) { return given ? given : missing; }

hn_err hn_http_new(hn_ctx *cx, const hn_http_opts *o, hn_http **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return hn_fail(cx, HN_ENET, "the HTTP library does not start");
    hn_http *h = hn_calloc(cx, 1, sizeof *h);
    CURL *curl = h ? curl_easy_init() : NULL;
    if (!curl) {
        hn_free(cx, h);
        curl_global_cleanup();
        return hn_nomem(cx, "an HTTP client");
    }
    h->cx = cx;
    h->curl = curl;
    h->headers.cx = cx;
    h->o = o ? *o : (hn_http_opts){ 0 };
    *out = h;
    return HN_OK;
}

void hn_http_free(hn_http *h)
{
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    hn_buf_free(&h->headers);
    hn_free(h->cx, h);
    curl_global_cleanup();
}

const char *hn_http_header(const hn_http *h, const char *name)
{
    size_t len = strlen(name);
    const char *found = NULL;      /* the last one counts */
    for (size_t at = 0; at < h->headers.len; at += strlen(h->headers.data + at) + 1) {
        const char *line = h->headers.data + at;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            found = line + len + 1 + strspn(line + len + 1, " \t");
    }
    return found;
}

/* ---- What arrives ---------------------------------------------------------------------------------- */

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;
    hn_buf *b = &x->h->headers;
    size_t len = size * count, kept = len;

    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)       /* a new answer: the one before was a redirect */
        b->len = 0;
    while (kept && strchr("\r\n\t ", data[kept - 1]))
        kept--;
    if (b->len + kept > HEADERS_MAX || memchr(data, 0, len)) {
        x->e = hn_fail(x->cx, HN_ENET, "%.200s: headers of more than %d bytes, or with a zero byte", x->rq->url,
                       HEADERS_MAX);
        return 0;
    }
    hn_buf_add(b, data, kept);
    hn_buf_add(b, "", 1);
    x->e = hn_buf_ok(b, "headers");
    return x->e ? 0 : len;
}

static hn_err understand(exchange *x)
{
    long status = 0;
    curl_off_t length = -1, retry = 0;
    hn_http_reply *r = &x->reply;

    curl_easy_getinfo(x->h->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(x->h->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(x->h->curl, CURLINFO_RETRY_AFTER, &retry);
    r->status = (int)status;
    r->length = length >= 0 ? (uint64_t)length : HN_HTTP_NO_LENGTH;
    r->retry_after_s = retry > 0 ? (uint32_t)(retry < UINT32_MAX ? retry : UINT32_MAX) : 0;
    if (status != 206)
        return HN_OK;

    /* What was not asked for, or another piece than that, must not land in the middle of a file. */
    const char *range = hn_http_header(x->h, "Content-Range");
    char *end = NULL;
    errno = 0;
    unsigned long long first = range && strncasecmp(range, "bytes ", 6) == 0 ? strtoull(range + 6, &end, 10) : 0;
    if (!end || *end != '-' || errno || first != x->rq->offset || x->rq->offset == 0)
        return hn_fail(x->cx, HN_ENET, "%.200s: asked for bytes from %llu on, got '%.60s'", x->rq->url,
                       (unsigned long long)x->rq->offset, range ? range : "no Content-Range");
    r->offset = first;
    return HN_OK;
}

hn_err hn_sink_begin(hn_ctx *cx, const hn_http_request *rq, const hn_http_reply *r)
{
    if (r->length != HN_HTTP_NO_LENGTH && r->length > rq->bytes_max && rq->sink.write)
        return hn_fail(cx, HN_ELIMIT, "%.200s: at most %llu bytes expected, %llu announced", rq->url,
                       (unsigned long long)rq->bytes_max, (unsigned long long)r->length);
    return rq->sink.begin ? rq->sink.begin(rq->sink.user, cx, r) : HN_OK;
}

static hn_err begin(exchange *x)
{
    if (x->begun)
        return HN_OK;
    x->begun = true;
    HN_TRY(understand(x));
    return x->reply.status / 100 == 2 ? hn_sink_begin(x->cx, x->rq, &x->reply) : HN_OK;
}

static hn_err take(exchange *x, const char *data, size_t len)
{
    HN_TRY(begin(x));
    bool wanted = x->reply.status / 100 == 2 && x->rq->sink.write;
    uint64_t most = wanted ? x->rq->bytes_max : REFUSAL_MAX;
    if (len > most - x->got)
        return hn_fail(x->cx, HN_ELIMIT, "%.200s: at most %llu bytes expected, more are coming", x->rq->url,
                       (unsigned long long)most);
    x->got += len;
    return wanted ? x->rq->sink.write(x->rq->sink.user, x->cx, data, len) : HN_OK;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;
    x->e = take(x, data, size * count);
    return x->e ? 0 : size * count;
}

/* ---- What is sent ---------------------------------------------------------------------------------- */

static size_t on_upload(char *data, size_t size, size_t count, void *user)
{
    exchange *x = user;
    size_t room = size * count;
    if (x->upload) {
        size_t n = fread(data, 1, room, x->upload);
        return n == 0 && ferror(x->upload) ? CURL_READFUNC_ABORT : n;
    }
    if (room > x->rq->body_len - x->sent)
        room = x->rq->body_len - x->sent;
    if (room)
        memcpy(data, (const char *)x->rq->body + x->sent, room);
    x->sent += room;
    return room;
}

/* A connection that was kept may turn out dead: the body is sent again from its beginning. */
static int on_rewind(void *user, curl_off_t offset, int origin)
{
    exchange *x = user;
    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_CANTSEEK;
    if (x->upload)
        return fseeko(x->upload, (off_t)offset, SEEK_SET) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
    if ((uint64_t)offset > x->rq->body_len)
        return CURL_SEEKFUNC_FAIL;
    x->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static hn_err set_upload(exchange *x, CURL *c)
{
    const hn_http_request *rq = x->rq;
    curl_off_t len = (curl_off_t)rq->body_len;
    if (rq->body_file) {
        x->upload = fopen(rq->body_file, "rbe");
        if (!x->upload || fseeko(x->upload, 0, SEEK_END) != 0 || (len = ftello(x->upload)) < 0)
            return hn_fail(x->cx, HN_EIO, "%s: %s", rq->body_file, strerror(errno));
        rewind(x->upload);
    }
    curl_easy_setopt(c, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c, CURLOPT_INFILESIZE_LARGE, len);
    curl_easy_setopt(c, CURLOPT_READFUNCTION, on_upload);
    curl_easy_setopt(c, CURLOPT_READDATA, x);
    curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(c, CURLOPT_SEEKDATA, x);
    return HN_OK;
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

static hn_err set_headers(exchange *x, CURL *c, struct curl_slist **list)
{
    char line[512];
    bool ok = add_header(list, "Expect:");        /* no waiting for 100-continue */
    for (const char *const *h = x->rq->headers; ok && h && *h; h++)
        ok = add_header(list, *h);
    if (ok && x->rq->offset) {
        snprintf(line, sizeof line, "Range: bytes=%llu-", (unsigned long long)x->rq->offset);
        ok = add_header(list, line);
    }
    if (ok && x->rq->if_range) {
        int n = snprintf(line, sizeof line, "If-Range: %s", x->rq->if_range);
        ok = n > 0 && (size_t)n < sizeof line && add_header(list, line);
    }
    if (!ok)
        return hn_nomem(x->cx, "headers");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, *list);
    return HN_OK;
}

static void set_limits(const exchange *x, CURL *c)
{
    const hn_http_opts *o = &x->h->o;
    long slow = (long)or_else(o->rate_min, 1024);
    if (o->rate_max && (uint64_t)slow > o->rate_max / 2)       /* our own brake is no fault of the peer */
        slow = (long)(o->rate_max / 2);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)or_else(o->connect_ms, 10000));
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)or_else(o->deadline_ms, 3600000));
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, slow);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)or_else(o->rate_window_s, 20));
    curl_easy_setopt(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)o->rate_max);
    curl_easy_setopt(c, CURLOPT_MAX_SEND_SPEED_LARGE, (curl_off_t)o->rate_max);
}

static void set_peer(const exchange *x, CURL *c)
{
    const hn_http_opts *o = &x->h->o;
    curl_easy_setopt(c, CURLOPT_URL, x->rq->url);
    curl_easy_setopt(c, CURLOPT_USERAGENT, o->agent ? o->agent : "hone");
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, hn_url_is_secure(x->rq->url) ? "https" : "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, o->redirects_max != HN_HTTP_STAY ? 1L : 0L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)(o->redirects_max == HN_HTTP_STAY ? 0 : or_else(o->redirects_max, 5)));
    if (hn_url_is_loopback(x->rq->url))
        curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    if (o->ca_file)
        curl_easy_setopt(c, CURLOPT_CAINFO, o->ca_file);
    if (o->cert_file)
        curl_easy_setopt(c, CURLOPT_SSLCERT, o->cert_file);
    if (o->key_file)
        curl_easy_setopt(c, CURLOPT_SSLKEY, o->key_file);
}

static hn_err perform(exchange *x, CURL *c, struct curl_slist **headers)
{
    const hn_http_request *rq = x->rq;
    char why[CURL_ERROR_SIZE] = "";

    curl_easy_reset(c);            /* keeps connections; drops what the last request set */
    set_peer(x, c);
    set_limits(x, c);
    HN_TRY(set_headers(x, c, headers));
    if (rq->body || rq->body_file)
        HN_TRY(set_upload(x, c));
    if (rq->method && strcmp(rq->method, "HEAD") == 0)
        curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    else if (rq->method)
        curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);

    CURLcode code = curl_easy_perform(c);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, NULL);
    if (x->e)
        return x->e;
    if (code != CURLE_OK)
        return hn_fail(x->cx, HN_ENET, "%.200s: %s", rq->url, why[0] ? why : curl_easy_strerror(code));
    return begin(x);               /* a body of no bytes, too, is an answer */
}

hn_err hn_http_send(hn_ctx *cx, hn_http *h, const hn_http_request *rq, hn_http_reply *out)
{
    exchange x = { .cx = cx, .h = h, .rq = rq };
    struct curl_slist *headers = NULL;

    h->headers.len = 0;
    hn_err e = hn_url_is_file(rq->url) ? hn_http_local(cx, rq, &h->headers, &x.reply) : perform(&x, h->curl, &headers);
    curl_slist_free_all(headers);
    if (x.upload)
        fclose(x.upload);
    if (!e)
        *out = x.reply;
    return e;
}

/* ---- The common case ------------------------------------------------------------------------------- */

hn_err hn_http_expect_ok(hn_ctx *cx, const char *url, const hn_http_reply *r)
{
    if (r->status / 100 == 2)
        return HN_OK;
    if (r->status == 403 || r->status == 404 || r->status == 410)
        return hn_fail(cx, HN_ENO, "%.300s: not there (%d)", url, r->status);
    return hn_fail(cx, HN_ENET, "%.300s: the server answers %d", url, r->status);
}

static hn_err keep(void *user, hn_ctx *cx, const void *data, size_t len)
{
    (void)cx;
    hn_buf_add(user, data, len);
    return hn_buf_ok(user, "what the server sends");
}

hn_err hn_http_get(hn_ctx *cx, hn_http *h, const char *url, uint64_t bytes_max, hn_buf *out)
{
    hn_http_request rq = { .url = url, .bytes_max = bytes_max, .sink = { .write = keep, .user = out } };
    hn_http_reply r;
    HN_TRY(hn_http_send(cx, h, &rq, &r));
    return hn_http_expect_ok(cx, url, &r);
}
