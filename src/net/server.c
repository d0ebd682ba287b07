/* SPDX-License-Identifier: Apache-2.0 */
#include "net/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct hn_server {
    hn_ctx *cx;
    hn_server_opts o;
    struct MHD_Daemon *daemon;
    uint16_t port;
    char url[64];
};

enum { SET_MAX = 8 };

struct hn_exchange {
    hn_server *server;
    hn_ctx cx;                         /* its own: handlers run on the server's thread */
    struct MHD_Connection *connection;
    const char *method, *path;
    char *target;                      /* from the first callback, before the method is known */
    hn_buf body;
    bool too_large, headers_seen, replied;
    struct { const char *name; char *value; } set[SET_MAX];
    size_t set_count;
    enum MHD_Result result;
};

/* ---- The answer ------------------------------------------------------------------------------------- */

hn_err hn_exchange_set(hn_ctx *cx, hn_exchange *x, const char *name, const char *value)
{
    char *copy = x->set_count < SET_MAX ? strdup(value) : NULL;
    if (!copy)
        return hn_nomem(cx, "a header");
    x->set[x->set_count].name = name;
    x->set[x->set_count++].value = copy;
    return HN_OK;
}

/* Hands `r` over, with the headers set so far. */
static hn_err queue(hn_ctx *cx, hn_exchange *x, int status, struct MHD_Response *r)
{
    if (!r)
        return hn_nomem(cx, "an answer");
    for (size_t i = 0; i < x->set_count; i++)
        MHD_add_response_header(r, x->set[i].name, x->set[i].value);
    x->result = MHD_queue_response(x->connection, (unsigned)status, r);
    x->replied = true;
    MHD_destroy_response(r);
    return HN_OK;
}

hn_err hn_exchange_reply(hn_ctx *cx, hn_exchange *x, int status, const char *type, const void *data, size_t len)
{
    if (type)
        HN_TRY(hn_exchange_set(cx, x, MHD_HTTP_HEADER_CONTENT_TYPE, type));
    return queue(cx, x, status, MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY));
}

static hn_err not_there(hn_ctx *cx, hn_exchange *x)
{
    return hn_exchange_reply(cx, x, 404, "text/plain", "not there\n", 10);
}

/* ---- Files ------------------------------------------------------------------------------------------ */

typedef struct span { uint64_t from, len, size; bool part, none; } span;      /* none: outside the file */

/* "bytes=5-9", "bytes=5-", "bytes=-3"; anything else means the whole file, as RFC 9110 allows. */
static span span_of(const char *range, uint64_t size)
{
    span all = { 0, size, size, false, false };
    char *end;
    if (!range || strncmp(range, "bytes=", 6) != 0 || strchr(range, ','))
        return all;
    const char *at = range + 6;
    if (at[0] == '-') {
        uint64_t last = strtoull(at + 1, &end, 10);
        if (*end || end == at + 1 || at[1] == '-' || at[1] == '+')
            return all;
        last = last < size ? last : size;
        return (span){ size - last, last, size, true, last == 0 };
    }
    if (at[0] < '0' || at[0] > '9')
        return all;
    uint64_t from = strtoull(at, &end, 10), to = size ? size - 1 : 0;
    if (*end != '-')
        return all;
    if (end[1]) {
        at = end + 1;
        uint64_t asked = strtoull(at, &end, 10);
        if (*end || at[0] < '0' || at[0] > '9' || asked < from)
            return all;
        to = asked < to ? asked : to;
    }
    if (from >= size)
        return (span){ 0, 0, size, true, true };
    return (span){ from, to - from + 1, size, true, false };
}

static hn_err reply_span(hn_ctx *cx, hn_exchange *x, int *fd, span s)
{
    char text[80];
    HN_TRY(hn_exchange_set(cx, x, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes"));
    if (s.part) {
        snprintf(text, sizeof text, s.none ? "bytes */%llu" : "bytes %llu-%llu/%llu",
                 (unsigned long long)(s.none ? s.size : s.from), (unsigned long long)(s.from + s.len - 1),
                 (unsigned long long)s.size);
        HN_TRY(hn_exchange_set(cx, x, MHD_HTTP_HEADER_CONTENT_RANGE, text));
    }
    if (s.none)
        return hn_exchange_reply(cx, x, 416, NULL, "", 0);
    struct MHD_Response *r = MHD_create_response_from_fd_at_offset64(s.len, *fd, s.from);
    if (r)
        *fd = -1;                      /* the response closes it */
    return queue(cx, x, s.part ? 206 : 200, r);
}

static hn_err reply_open(hn_ctx *cx, hn_exchange *x, int *fd)
{
    struct stat st;
    char etag[80];
    if (*fd < 0 || fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))
        return not_there(cx, x);
    snprintf(etag, sizeof etag, "\"%llx-%llx-%lx\"", (unsigned long long)st.st_size,
             (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
    HN_TRY(hn_exchange_set(cx, x, MHD_HTTP_HEADER_ETAG, etag));

    const char *known = hn_exchange_header(x, "If-None-Match"), *same = hn_exchange_header(x, "If-Range");
    if (known && (strcmp(known, etag) == 0 || strcmp(known, "*") == 0))
        return hn_exchange_reply(cx, x, 304, NULL, "", 0);
    bool whole = same && strcmp(same, etag) != 0;
    return reply_span(cx, x, fd, span_of(whole ? NULL : hn_exchange_header(x, "Range"), (uint64_t)st.st_size));
}

hn_err hn_exchange_reply_file(hn_ctx *cx, hn_exchange *x, const char *dir, const char *path)
{
    char real[HN_PATH_MAX];
    hn_ctx quiet = { 0 };
    if (strcmp(x->method, "GET") != 0 && strcmp(x->method, "HEAD") != 0)
        return hn_exchange_reply(cx, x, 405, "text/plain", "GET or HEAD\n", 12);
    if (hn_path_resolve_inside(&quiet, dir, path, strlen(path), real))
        return not_there(cx, x);
    int fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    hn_err e = reply_open(cx, x, &fd);
    if (fd >= 0)
        close(fd);
    return e;
}

hn_err hn_serve_folder(void *user, hn_ctx *cx, hn_exchange *x)
{
    return hn_exchange_reply_file(cx, x, user, hn_exchange_path(x) + 1);
}

/* ---- The request ------------------------------------------------------------------------------------ */

const char *hn_exchange_method(const hn_exchange *x) { return x->method; }
const char *hn_exchange_path(const hn_exchange *x) { return x->path; }
const char *hn_exchange_target(const hn_exchange *x) { return x->target; }

const char *hn_exchange_header(const hn_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const char *hn_exchange_query(const hn_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, name);
}

const void *hn_exchange_body(const hn_exchange *x, size_t *len)
{
    *len = x->body.len;
    return x->body.len ? x->body.data : "";
}

/* ---- libmicrohttpd's side --------------------------------------------------------------------------- */

static void *on_target(void *user, const char *target, struct MHD_Connection *connection)
{
    hn_server *s = user;
    hn_exchange *x = hn_calloc(s->cx, 1, sizeof *x);
    if (x) {
        x->server = s;
        x->cx.env = s->cx ? s->cx->env : NULL;
        x->connection = connection;
        x->target = strdup(target);
    }
    return x;
}

static void on_end(void *user, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    hn_server *s = user;
    hn_exchange *x = *state;
    (void)connection;
    (void)why;
    if (!x)
        return;
    for (size_t i = 0; i < x->set_count; i++)
        free(x->set[i].value);
    hn_buf_free(&x->body);
    free(x->target);
    hn_free(s->cx, x);
    *state = NULL;
}

static enum MHD_Result answer(hn_exchange *x)
{
    hn_server *s = x->server;
    hn_err e = x->too_large ? hn_exchange_reply(&x->cx, x, 413, "text/plain", "too large\n", 10) :
                              s->o.handler(s->o.user, &x->cx, x);
    if (e && !x->replied)
        hn_log(&x->cx, HN_LOG_WARN, "%s %s: %s", x->method, x->path, x->cx.msg);
    if (!x->replied)
        hn_exchange_reply(&x->cx, x, 500, "text/plain", "the server failed\n", 18);
    return x->replied ? x->result : MHD_NO;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *len, void **state)
{
    hn_exchange *x = *state;
    (void)user;
    (void)connection;
    (void)version;
    if (!x || !x->target)
        return MHD_NO;
    x->method = method;
    x->path = url[0] == '/' ? url : "/";
    if (!x->headers_seen) {            /* the first of the calls brings no body */
        x->headers_seen = true;
        x->body.cx = &x->cx;
        return MHD_YES;
    }
    if (*len) {
        if (*len > x->server->o.body_max - x->body.len)
            x->too_large = true;
        if (!x->too_large)
            hn_buf_add(&x->body, data, *len);
        *len = 0;
        return x->body.failed ? MHD_NO : MHD_YES;
    }
    return answer(x);
}

/* ---- Start and stop --------------------------------------------------------------------------------- */

static hn_err start(hn_ctx *cx, hn_server *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(s->o.port) };
    const char *address = s->o.address ? s->o.address : "127.0.0.1";
    if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
        return hn_fail(cx, HN_EARG, "'%s': expected an IPv4 address", address);
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_SOCK_ADDR, &at, MHD_OPTION_NOTIFY_COMPLETED, on_end, s,
                                 MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(s->o.idle_s ? s->o.idle_s : 30),
                                 MHD_OPTION_CONNECTION_LIMIT,
                                     (unsigned)(s->o.connections_max ? s->o.connections_max : 256),
                                 MHD_OPTION_END);
    const union MHD_DaemonInfo *info = s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info)
        return hn_fail(cx, HN_ENET, "%s port %u: the server does not start: %s", address, s->o.port, strerror(errno));
    s->port = info->port;
    snprintf(s->url, sizeof s->url, "http://%s:%u", address, s->port);
    return HN_OK;
}

hn_err hn_server_start(hn_ctx *cx, const hn_server_opts *o, hn_server **out)
{
    hn_server *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "a server");
    s->cx = cx;
    s->o = *o;
    if (!s->o.body_max)
        s->o.body_max = (size_t)1 << 20;
    hn_err e = start(cx, s);
    if (e) {
        hn_server_stop(s);
        return e;
    }
    *out = s;
    return HN_OK;
}

void hn_server_stop(hn_server *s)
{
    if (!s)
        return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    hn_free(s->cx, s);
}

uint16_t hn_server_port(const hn_server *s) { return s->port; }
const char *hn_server_url(const hn_server *s) { return s->url; }
