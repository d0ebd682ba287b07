/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP, from the side that answers: a thin face over libmicrohttpd.
 *
 * One thread of the library's own does the work, a handler runs on it and must not wait long.  Bodies
 * up to a limit arrive in memory; larger ones are answered with 413 before a handler sees them. */
#ifndef HN_NET_SERVER_H
#define HN_NET_SERVER_H

#include "base/buf.h"

typedef struct hn_server hn_server;
typedef struct hn_exchange hn_exchange;      /* one request, and the answer that is being made */

/* Answers through one of the hn_exchange_reply functions; a failure, or no answer, becomes a 500. */
typedef hn_err (*hn_handler)(void *user, hn_ctx *cx, hn_exchange *x);

typedef struct hn_server_opts {
    const char *address;                     /* NULL: 127.0.0.1 */
    uint16_t port;                           /* 0: any free one */
    size_t body_max;                         /* bytes of a request's body (1 MiB) */
    uint32_t idle_s;                         /* a connection without traffic is closed after (30) */
    uint32_t connections_max;                /* at once (256) */
    hn_handler handler;
    void *user;
} hn_server_opts;

hn_err hn_server_start(hn_ctx *cx, const hn_server_opts *o, hn_server **out);
void hn_server_stop(hn_server *s);           /* NULL is fine; handlers have returned when it does */
uint16_t hn_server_port(const hn_server *s);
const char *hn_server_url(const hn_server *s);       /* "http://127.0.0.1:4711", until it stops */

/* The request; borrowed until the handler returns. */
const char *hn_exchange_method(const hn_exchange *x);
const char *hn_exchange_path(const hn_exchange *x);          /* unescaped, begins with a slash */
const char *hn_exchange_target(const hn_exchange *x);        /* as it was sent, with its query */
const char *hn_exchange_header(const hn_exchange *x, const char *name);      /* NULL: not there */
const char *hn_exchange_query(const hn_exchange *x, const char *name);       /* NULL: not there */
const void *hn_exchange_body(const hn_exchange *x, size_t *len);

/* The answer.  Headers first; `data` is copied. */
hn_err hn_exchange_set(hn_ctx *cx, hn_exchange *x, const char *name, const char *value);
hn_err hn_exchange_reply(hn_ctx *cx, hn_exchange *x, int status, const char *type, const void *data, size_t len);

/* A file below `dir` (with its slash) by a relative path: ETag, Range, If-Range, If-None-Match; 404 for what
 * is not there or leads outside.  GET and HEAD only. */
hn_err hn_exchange_reply_file(hn_ctx *cx, hn_exchange *x, const char *dir, const char *path);

/* A handler for a folder of files: user is the folder's name, with its slash. */
hn_err hn_serve_folder(void *user, hn_ctx *cx, hn_exchange *x);

#endif
