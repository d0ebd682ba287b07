/* SPDX-License-Identifier: Apache-2.0 */
/* Files over a line that breaks.
 *
 * What has arrived lies in PATH.part, what is known of it in PATH.part.json; after a cut, of the line
 * or of the power, the next call goes on where the file ends, if the server still has the same bytes.
 * PATH itself appears only when all of it is there and `check` agreed. */
#ifndef HN_NET_FETCH_H
#define HN_NET_FETCH_H

#include "net/http.h"

typedef struct hn_fetch {
    const char *url;
    const char *path;            /* where the file shall lie */
    uint64_t length;             /* it must have; HN_HTTP_NO_LENGTH: whatever the server sends ... */
    uint64_t bytes_max;          /* ... but no more than this */
    bool immutable;              /* the URL names these bytes for ever: go on without an ETag */
    uint32_t tries;              /* in all, before it fails (5); waits grow from wait_ms */
    uint32_t wait_ms;            /* before the second try (250); a Retry-After counts if longer, up to 30 s */

    /* Looks at the whole file, called `part`, before it gets its name.  A failure removes it.  May be NULL. */
    hn_err (*check)(void *user, hn_ctx *cx, const char *part);
    void (*progress)(void *user, uint64_t done, uint64_t total);         /* may be NULL; total 0: not known */
    void *user;
} hn_fetch;

hn_err hn_fetch_file(hn_ctx *cx, hn_http *h, const hn_fetch *f);

/* The same with several places that have the file: the next one is tried when one fails, and what
 * the first ones sent is kept if the file is immutable.  f->url is ignored. */
hn_err hn_fetch_mirrored(hn_ctx *cx, hn_http *h, const hn_fetch *f, const char *const *urls, size_t count);

#endif
