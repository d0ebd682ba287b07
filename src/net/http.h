/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP, from the side that asks.
 *
 * What is on the other end is never trusted: each exchange has a cap on bytes, a slowest rate it may
 * go at and a deadline.  A body flows into a sink as it comes, so memory does not depend on its size.
 * file:// URLs are answered from the disk in the same terms, for sites without a network. */
#ifndef HN_NET_HTTP_H
#define HN_NET_HTTP_H

#include "base/buf.h"

typedef struct hn_http hn_http;          /* a client: keeps connections open; one thread at a time */

typedef struct hn_http_opts {            /* zero everywhere is a sensible client */
    const char *agent;                   /* what it calls itself (hone) */
    uint32_t connect_ms;                 /* to reach the peer (10 000) */
    uint32_t deadline_ms;                /* for one exchange in all (3 600 000) */
    uint32_t rate_min;                   /* bytes a second below which it is given up (1024) ... */
    uint32_t rate_window_s;              /* ... when it stays below that long (20) */
    uint64_t rate_max;                   /* bytes a second it keeps to; 0: no limit */
    uint32_t redirects_max;              /* followed (5); HN_HTTP_STAY for none; never from https to http */
    const char *ca_file;                 /* PEM: who may sign the peer's certificate; NULL: the system's */
    const char *cert_file, *key_file;    /* PEM: who we are; NULL: nobody */
} hn_http_opts;

#define HN_HTTP_STAY UINT32_MAX

typedef struct hn_http_reply {
    int status;                          /* 200, 206, 404, ... */
    uint64_t offset;                     /* where in the whole the body begins: not 0 only with 206 */
    uint64_t length;                     /* of the body to come; HN_HTTP_NO_LENGTH when not told */
    uint32_t retry_after_s;              /* the peer's wish; 0: none */
} hn_http_reply;

#define HN_HTTP_NO_LENGTH UINT64_MAX

/* Where a body goes: begin once, before the first byte and even if there is none; then write for
 * each piece.  Only bodies of 2xx answers arrive here. */
typedef struct hn_sink {
    hn_err (*begin)(void *user, hn_ctx *cx, const hn_http_reply *r);       /* may be NULL */
    hn_err (*write)(void *user, hn_ctx *cx, const void *data, size_t len);
    void *user;
} hn_sink;

typedef struct hn_http_request {
    const char *method;                  /* NULL: GET */
    const char *url;
    const char *const *headers;          /* "Name: value", ends with NULL; NULL for none */
    const void *body; size_t body_len;   /* what is sent with PUT, POST, PATCH ... */
    const char *body_file;               /* ... or the file that is */
    uint64_t offset;                     /* ask only for what follows */
    const char *if_range;                /* the ETag this must still have, or all is sent; NULL: none */
    uint64_t bytes_max;                  /* of the answer's body; one more is HN_ELIMIT */
    hn_sink sink;                        /* write NULL: the body is not wanted */
} hn_http_request;

hn_err hn_http_new(hn_ctx *cx, const hn_http_opts *o, hn_http **out);      /* o NULL: all as given above */
void hn_http_free(hn_http *h);                                            /* NULL is fine */

/* One exchange.  Any status is an answer and HN_OK; HN_ENET is for peers that give none, too slow, or
 * less than they promised; what the sink returns comes back as it is. */
hn_err hn_http_send(hn_ctx *cx, hn_http *h, const hn_http_request *rq, hn_http_reply *out);

/* A header of the last answer, NULL when it had none; valid until the next exchange. */
const char *hn_http_header(const hn_http *h, const char *name);

/* The whole body in memory.  Not there (403, 404, 410) is HN_ENO, any other status HN_ENET. */
hn_err hn_http_get(hn_ctx *cx, hn_http *h, const char *url, uint64_t bytes_max, hn_buf *out);

/* HN_OK for 2xx; otherwise the failure that fits, with the URL and the status in its words. */
hn_err hn_http_expect_ok(hn_ctx *cx, const char *url, const hn_http_reply *r);

#endif
