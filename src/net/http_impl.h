/* SPDX-License-Identifier: Apache-2.0 */
/* What http.c and local.c share. */
#ifndef HN_NET_HTTP_IMPL_H
#define HN_NET_HTTP_IMPL_H

#include "net/http.h"

/* Checks an announced length and calls the sink's begin. */
hn_err hn_sink_begin(hn_ctx *cx, const hn_http_request *rq, const hn_http_reply *r);

/* Answers a file:// request from the disk; an ETag goes into `headers`. */
hn_err hn_http_local(hn_ctx *cx, const hn_http_request *rq, hn_buf *headers, hn_http_reply *out);

#endif
