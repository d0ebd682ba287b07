/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define NOTE_MAX 4096              /* bytes of PATH.part.json worth reading */
#define RETRY_AFTER_MAX_S 30       /* longer waits are the caller's to arrange */

typedef struct job {
    const hn_fetch *f;
    char part[PATH_MAX], note[PATH_MAX];
    char etag[256];                /* of what lies in part; "" when it had none */
    uint64_t have;                 /* bytes in part */
    uint64_t total;                /* of the file; HN_HTTP_NO_LENGTH until known */
    uint32_t retry_after_s;
    int fd;
    hn_http *h;
} job;

/* ---- What is known of the part ---------------------------------------------------------------------- */

static void read_note(job *j)
{
    hn_file file;
    hn_ctx quiet = { 0 };
    const char *url = NULL, *etag = NULL;
    if (hn_file_open(&quiet, j->note, &file))
        return;
    json_t *note = file.len <= NOTE_MAX ? json_loadb((const char *)file.data, file.len, 0, NULL) : NULL;
    hn_file_close(&file);
    bool ours = json_unpack(note, "{s:s, s:s}", "url", &url, "etag", &etag) == 0 && strlen(etag) < sizeof j->etag;
    if (ours && (strcmp(url, j->f->url) == 0 || j->f->immutable))
        snprintf(j->etag, sizeof j->etag, "%s", etag);
    json_decref(note);
}

static hn_err write_note(hn_ctx *cx, const job *j)
{
    json_t *note = json_pack("{s:s, s:s}", "url", j->f->url, "etag", j->etag);
    char *text = note ? json_dumps(note, JSON_COMPACT) : NULL;
    json_decref(note);
    if (!text)
        return hn_nomem(cx, "a note beside a download");
    hn_err e = hn_file_write(cx, j->note, text, strlen(text));
    free(text);
    return e;
}

static hn_err start_over(hn_ctx *cx, job *j)
{
    j->have = 0;
    if (ftruncate(j->fd, 0) != 0 || lseek(j->fd, 0, SEEK_SET) != 0)
        return hn_fail(cx, HN_EIO, "%s: %s", j->part, strerror(errno));
    return HN_OK;
}

static hn_err open_part(hn_ctx *cx, job *j)
{
    struct stat st;
    j->fd = open(j->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (j->fd < 0 || fstat(j->fd, &st) != 0)
        return hn_fail(cx, HN_EIO, "%s: %s", j->part, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return hn_fail(cx, HN_EIO, "%s: expected a regular file, found something else", j->part);
    j->have = (uint64_t)st.st_size;
    read_note(j);
    bool useless = (!j->etag[0] && !j->f->immutable) || j->have > j->f->bytes_max ||
                   (j->f->length != HN_HTTP_NO_LENGTH && j->have > j->f->length);
    if (useless)
        return start_over(cx, j);
    return lseek(j->fd, 0, SEEK_END) < 0 ? hn_fail(cx, HN_EIO, "%s: %s", j->part, strerror(errno)) : HN_OK;
}

/* ---- One try ---------------------------------------------------------------------------------------- */

static void tell(const job *j)
{
    if (j->f->progress)
        j->f->progress(j->f->user, j->have, j->total == HN_HTTP_NO_LENGTH ? 0 : j->total);
}

static hn_err on_begin(void *user, hn_ctx *cx, const hn_http_reply *r)
{
    job *j = user;
    if (r->offset != j->have)                 /* all of it comes, whatever was asked */
        HN_TRY(start_over(cx, j));
    j->total = r->length == HN_HTTP_NO_LENGTH ? r->length : r->offset + r->length;
    if (j->f->length != HN_HTTP_NO_LENGTH) {
        if (j->total != HN_HTTP_NO_LENGTH && j->total != j->f->length)
            return hn_fail(cx, HN_EREFUSED, "%.200s: expected %llu bytes, the server has %llu", j->f->url,
                           (unsigned long long)j->f->length, (unsigned long long)j->total);
        j->total = j->f->length;
    }
    const char *etag = hn_http_header(j->h, "ETag");
    bool strong = etag && etag[0] == '"' && strlen(etag) < sizeof j->etag;      /* W/"..." may be other bytes */
    snprintf(j->etag, sizeof j->etag, "%s", strong ? etag : "");
    tell(j);
    return write_note(cx, j);
}

static hn_err on_write(void *user, hn_ctx *cx, const void *data, size_t len)
{
    job *j = user;
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(j->fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return hn_fail(cx, errno == ENOSPC ? HN_ELIMIT : HN_EIO, "%s: %s", j->part, strerror(errno));
        at += n;
        len -= (size_t)n;
        j->have += (uint64_t)n;
    }
    tell(j);
    return HN_OK;
}

static hn_err one_try(hn_ctx *cx, job *j)
{
    const hn_fetch *f = j->f;
    uint64_t most = f->length != HN_HTTP_NO_LENGTH ? f->length : f->bytes_max;
    hn_http_request rq = {
        .url = f->url, .offset = j->have, .bytes_max = most,
        .if_range = j->have && j->etag[0] && !f->immutable ? j->etag : NULL,
        .sink = { on_begin, on_write, j },
    };
    hn_http_reply r = { 0 };

    j->retry_after_s = 0;
    if (j->have && j->have == f->length)      /* the cut came after the last byte */
        return HN_OK;
    HN_TRY(hn_http_send(cx, j->h, &rq, &r));
    j->retry_after_s = r.retry_after_s;
    if (r.status == 416) {                    /* nothing behind what we have: ask for all of it */
        HN_TRY(start_over(cx, j));
        rq.offset = 0;
        rq.if_range = NULL;
        HN_TRY(hn_http_send(cx, j->h, &rq, &r));
    }
    HN_TRY(hn_http_expect_ok(cx, f->url, &r));
    if (j->have > most || (f->length != HN_HTTP_NO_LENGTH && j->have != f->length))
        return hn_fail(cx, j->have > most ? HN_ELIMIT : HN_ENET, "%.200s: expected %llu bytes, got %llu", f->url,
                       (unsigned long long)most, (unsigned long long)j->have);
    return HN_OK;
}

static void wait_ms(uint64_t ms)
{
    struct timespec t = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        ;
}

/* Trying again helps against a line that broke, not against an answer. */
static hn_err until_whole(hn_ctx *cx, job *j)
{
    uint32_t tries = j->f->tries ? j->f->tries : 5;
    uint64_t wait = j->f->wait_ms ? j->f->wait_ms : 250;
    hn_err e = HN_OK;
    for (uint32_t i = 0; i < tries; i++) {
        uint64_t before = j->have;
        e = one_try(cx, j);
        if (e != HN_ENET || i + 1 == tries || j->retry_after_s > RETRY_AFTER_MAX_S)
            return e;
        uint64_t asked = (uint64_t)j->retry_after_s * 1000;
        wait_ms(asked > wait ? asked : wait);
        wait = j->have > before ? wait : wait * 2;
    }
    return e;
}

static hn_err put_in_place(hn_ctx *cx, job *j)
{
    if (fsync(j->fd) != 0)
        return hn_fail(cx, HN_EIO, "%s: %s", j->part, strerror(errno));
    hn_err e = j->f->check ? j->f->check(j->f->user, cx, j->part) : HN_OK;
    if (e) {
        unlink(j->part);                      /* wrong bytes are no beginning */
        unlink(j->note);
        return e;
    }
    HN_TRY(hn_file_rename(cx, j->part, j->f->path));
    unlink(j->note);
    return HN_OK;
}

hn_err hn_fetch_file(hn_ctx *cx, hn_http *h, const hn_fetch *f)
{
    job j = { .f = f, .fd = -1, .h = h, .total = HN_HTTP_NO_LENGTH };
    int n = snprintf(j.note, sizeof j.note, "%s.part.json", f->path);
    if (n < 0 || (size_t)n >= sizeof j.note)
        return hn_fail(cx, HN_EARG, "%.200s...: path is too long", f->path);
    snprintf(j.part, sizeof j.part, "%.*s", n - 5, j.note);

    hn_err e = open_part(cx, &j);
    if (!e)
        e = until_whole(cx, &j);
    if (!e)
        e = put_in_place(cx, &j);
    else if (e != HN_ENET && j.fd >= 0) {     /* over a limit, refused, not there: nothing to go on with */
        unlink(j.part);
        unlink(j.note);
    }
    if (j.fd >= 0)
        close(j.fd);
    return e;
}

hn_err hn_fetch_mirrored(hn_ctx *cx, hn_http *h, const hn_fetch *f, const char *const *urls, size_t count)
{
    hn_err e = hn_fail(cx, HN_EARG, "%s: no place to fetch it from", f->path);
    for (size_t i = 0; i < count; i++) {
        hn_fetch one = *f;
        one.url = urls[i];
        e = hn_fetch_file(cx, h, &one);
        if (!e || e == HN_EIO || e == HN_ENOMEM)
            return e;
    }
    return e;
}
