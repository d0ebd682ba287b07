/* SPDX-License-Identifier: Apache-2.0 */
/* file:// in the terms of HTTP: a stick or a shared folder is a server that needs no network. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http_impl.h"
#include "net/url.h"

static hn_err pass_on(hn_ctx *cx, const hn_http_request *rq, int fd)
{
    char piece[16384];
    uint64_t got = 0;
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return hn_fail(cx, HN_EIO, "%.300s: %s", rq->url, strerror(errno));
        if (n == 0)
            return HN_OK;
        if ((uint64_t)n > rq->bytes_max - got)       /* it grew since its length was asked */
            return hn_fail(cx, HN_ELIMIT, "%.200s: at most %llu bytes expected, more are coming", rq->url,
                           (unsigned long long)rq->bytes_max);
        got += (uint64_t)n;
        if (rq->sink.write)
            HN_TRY(rq->sink.write(rq->sink.user, cx, piece, (size_t)n));
    }
}

static hn_err answer(hn_ctx *cx, const hn_http_request *rq, int fd, hn_buf *headers, hn_http_reply *r)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return hn_fail(cx, HN_EIO, "%.300s: %s", rq->url, strerror(errno));
    if (!S_ISREG(st.st_mode)) {
        r->status = 404;
        return HN_OK;
    }
    size_t tag = headers->len + 6;
    hn_buf_printf(headers, "ETag: \"%llx-%llx-%lx\"", (unsigned long long)st.st_size,
                  (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
    hn_buf_add(headers, "", 1);
    HN_TRY(hn_buf_ok(headers, "headers"));

    uint64_t size = (uint64_t)st.st_size, from = rq->offset;
    if (rq->if_range && strcmp(rq->if_range, headers->data + tag) != 0)
        from = 0;
    if (from > 0 && from >= size) {
        r->status = 416;
        return HN_OK;
    }
    *r = (hn_http_reply){ .status = from ? 206 : 200, .offset = from, .length = size - from };
    if (rq->method && strcmp(rq->method, "HEAD") == 0)
        return HN_OK;
    HN_TRY(hn_sink_begin(cx, rq, r));
    if (lseek(fd, (off_t)from, SEEK_SET) < 0)
        return hn_fail(cx, HN_EIO, "%.300s: %s", rq->url, strerror(errno));
    return pass_on(cx, rq, fd);
}

hn_err hn_http_local(hn_ctx *cx, const hn_http_request *rq, hn_buf *headers, hn_http_reply *out)
{
    char path[PATH_MAX];
    size_t len = strlen(rq->url + 7);
    if (rq->method && strcmp(rq->method, "GET") != 0 && strcmp(rq->method, "HEAD") != 0)
        return hn_fail(cx, HN_EUNSUP, "%.300s: unsupported: %s to a file", rq->url, rq->method);
    if (len >= sizeof path)
        return hn_fail(cx, HN_EARG, "%.200s...: path is too long", rq->url);
    memcpy(path, rq->url + 7, len + 1);
    if (hn_url_unescape(path) != strlen(path))
        return hn_fail(cx, HN_EREFUSED, "%.300s: a zero byte in a path", rq->url);

    hn_http_reply r = { .status = 404, .length = HN_HTTP_NO_LENGTH };
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
        return hn_fail(cx, HN_EIO, "%.300s: %s", path, strerror(errno));
    hn_err e = HN_OK;
    if (fd >= 0) {
        e = answer(cx, rq, fd, headers, &r);
        close(fd);
    }
    if (!e)
        *out = r;
    return e;
}
