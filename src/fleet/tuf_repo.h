/* SPDX-License-Identifier: Apache-2.0 */
/* The Update Framework, from the publisher's side: a folder that any static file server can serve.
 *
 *     REPO/metadata/   N.root.json, N.targets.json, N.TEAM.json, N.snapshot.json, timestamp.json
 *     REPO/targets/    DIR/HASH.FILE
 *     REPO/staged/     ROLE.json: what was changed and waits for signatures; not to be served
 *
 * Roots and targets are signed where their keys are, by carrying a staged file there and back; snapshot and
 * timestamp by a machine that is online.  hn_tuf_repo_publish checks that devices will accept the whole
 * before it writes anything, then writes so that a device, or a cut, at any moment finds a whole
 * repository: targets first, timestamp last, each file synced before the next. */
#ifndef HN_FLEET_TUF_REPO_H
#define HN_FLEET_TUF_REPO_H

#include <jansson.h>

#include "fleet/key.h"
#include "fleet/tuf_meta.h"

/* ---- Signed files ----------------------------------------------------------------------------------- */

/* {"signatures":[],"signed":body}; takes over a reference to body. */
hn_err hn_tuf_draft(hn_ctx *cx, json_t *body, json_t **out);
/* Adds a key's signature, or renews it. */
hn_err hn_tuf_sign(hn_ctx *cx, json_t *doc, const hn_key *key);
hn_err hn_tuf_write_text(hn_ctx *cx, const json_t *doc, hn_buf *out);      /* as it is stored */

/* "_type", "spec_version", "version", "expires" and nothing else yet. */
json_t *hn_tuf_body(hn_tuf_type type, int64_t version, int64_t expires);

/* ---- The folder ------------------------------------------------------------------------------------- */

typedef struct hn_tuf_lives { uint32_t root_days, targets_days, snapshot_days, timestamp_days; } hn_tuf_lives;
extern const hn_tuf_lives hn_tuf_lives_usual;      /* 365, 120, 14, 2 */

/* A change of who may sign: one key of one role added or removed, or a threshold set. */
typedef struct hn_tuf_change {
    hn_tuf_type role;
    const hn_key *add;           /* or NULL */
    const char *remove;          /* a key's id, or the beginning of it, or NULL */
    uint32_t threshold;          /* or 0 */
} hn_tuf_change;

/* Stages the next root: the first one if there is none yet.  `expires` is seconds since 1970. */
hn_err hn_tuf_repo_change_root(hn_ctx *cx, const char *dir, const hn_tuf_change *changes, size_t count,
                               int64_t expires);

/* Stages the next version of a role, "targets" or a team's, with a file added (and copied into targets/), or
 * path removed when file is NULL.  custom may be NULL; a reference is not taken. */
hn_err hn_tuf_repo_set_target(hn_ctx *cx, const char *dir, const char *role, const char *path, const char *file,
                              json_t *custom, int64_t expires);

/* Stages a delegation from targets, and the team's own first file. */
typedef struct hn_tuf_team {
    const char *name;
    hn_key *const *keys; size_t key_count;
    uint32_t threshold;
    const char *const *paths; size_t path_count;
} hn_tuf_team;
hn_err hn_tuf_repo_delegate(hn_ctx *cx, const char *dir, const hn_tuf_team *team, int64_t expires);

/* Stages the same content again, to live longer. */
hn_err hn_tuf_repo_extend(hn_ctx *cx, const char *dir, const char *role, int64_t expires);

/* Signs the staged file at `path`, anywhere; *what gets {type, version, expires, signatures} and a root's {roles}. */
hn_err hn_tuf_repo_sign(hn_ctx *cx, const char *path, const hn_key *key, json_t **what);

/* Publishes what is staged and signed by enough keys, then signs snapshot and timestamp with those of `keys`
 * that may.  With nothing staged it re-signs what is past half its life; *done: names of the files written. */
hn_err hn_tuf_repo_publish(hn_ctx *cx, const char *dir, hn_key *const *keys, size_t key_count,
                           const hn_tuf_lives *lives, int64_t now, json_t **done);

/* A row a role: {role, state: published|staged, version, expires, signatures, needed, note}. */
hn_err hn_tuf_repo_status(hn_ctx *cx, const char *dir, int64_t now, json_t **rows);

#endif
