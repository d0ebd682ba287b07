/* SPDX-License-Identifier: Apache-2.0 */
/* The Update Framework, from the device's side: which files a repository offers, so that neither the
 * network nor a mirror nor one stolen key can make the device take another.
 *
 * Trusted metadata lies in a folder, byte for byte as it was signed.  A refresh fetches what is new, checks
 * it against what is trusted already, and stores it piece by piece: a refresh that fails, or is cut,
 * leaves a folder the next one can start from. */
#ifndef HN_FLEET_TUF_H
#define HN_FLEET_TUF_H

#include <jansson.h>

#include "base/buf.h"
#include "net/http.h"

typedef struct hn_tuf hn_tuf;

/* Where metadata comes from.  Any mirror may lie. */
typedef struct hn_tuf_source {
    /* Appends what lies at `path` (escaped as in a URL) on mirror i; HN_ENO when nothing does, HN_ELIMIT
     * when it is longer than bytes_max. */
    hn_err (*get)(void *user, hn_ctx *cx, size_t mirror, const char *path, uint64_t bytes_max, hn_buf *out);
    size_t mirror_count;
    void *user;
} hn_tuf_source;

typedef struct hn_tuf_opts {
    const char *dir;             /* of trusted metadata; must exist and hold a root.json */
    int64_t now;                 /* seconds since 1970; 0: the clock, read once */
    hn_tuf_source source;

    /* Limits; 0 for those given here. */
    uint64_t root_bytes, timestamp_bytes, snapshot_bytes, targets_bytes;    /* 512 000, 16 384, 2 000 000, 5 000 000 */
    uint32_t root_steps;         /* new roots taken in one refresh (256) */
    uint32_t roles_visited;      /* in one search for a target (32) */
} hn_tuf_opts;

/* Makes `root` the first trusted root: it came with the device, or by another way that is trusted.  Stored as
 * it is; hn_tuf_open judges it, every time. */
hn_err hn_tuf_init(hn_ctx *cx, const char *dir, const void *root, size_t len);

/* Strings of `o` are borrowed until hn_tuf_close. */
hn_err hn_tuf_open(hn_ctx *cx, const hn_tuf_opts *o, hn_tuf **out);
void hn_tuf_close(hn_tuf *t);    /* NULL is fine */

/* HN_EREFUSED: somebody is lying, or what is offered has expired; HN_ENET: nobody answered. */
hn_err hn_tuf_refresh(hn_ctx *cx, hn_tuf *t);

/* A file the repository vouches for; borrowed until the next refresh or close. */
typedef struct hn_tuf_target {
    const char *path;
    uint64_t length;
    const json_t *entry;         /* {length, hashes, custom?} */
} hn_tuf_target;

/* Needs a refresh before.  HN_ENO when no role that may speak for this path names it. */
hn_err hn_tuf_find(hn_ctx *cx, hn_tuf *t, const char *path, hn_tuf_target *out);

/* The file at `path` is the target: length and every hash. */
hn_err hn_tuf_check_file(hn_ctx *cx, const hn_tuf_target *target, const char *path);

/* Fetches a target from the first of the places that has it, unless `path` is it already.  May be cut and called
 * again: what has arrived is kept.  bases: URLs; progress may be NULL. */
hn_err hn_tuf_download(hn_ctx *cx, hn_tuf *t, const hn_tuf_target *target, hn_http *h, const char *const *bases,
                       size_t count,
                       const char *path, void (*progress)(void *user, uint64_t done, uint64_t total), void *user);

/* What is trusted now, for reports: version and expiry of "root", "timestamp", "snapshot", "targets"; false
 * when there is none. */
bool hn_tuf_trusted(const hn_tuf *t, const char *role, int64_t *version, int64_t *expires);

/* A source over HTTP or folders: bases are URLs, one a mirror, and borrowed with the client. */
typedef struct hn_tuf_mirrors { hn_http *http; const char *const *bases; size_t count; } hn_tuf_mirrors;
hn_tuf_source hn_tuf_http_source(const hn_tuf_mirrors *m);

#endif
