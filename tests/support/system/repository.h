/* SPDX-License-Identifier: Apache-2.0 */
/* A TUF repository in memory whose every file a test can make as it likes: right, or wrong in one way. */
#ifndef HN_TEST_REPOSITORY_H
#define HN_TEST_REPOSITORY_H

#include <jansson.h>

#include "fleet/key.h"
#include "fleet/tuf.h"
#include "fleet/tuf_repo.h"

enum { REPO_FILES = 64, REPO_ASKED = 256 };

#define REPO_NOW 1900000000        /* 2030-03-17 */
#define REPO_LATER (REPO_NOW + 86400)

typedef struct repo_file { char path[96]; hn_buf data; } repo_file;

typedef struct repository {
    hn_ctx cx;
    hn_key *root[3], *targets, *snapshot, *timestamp, *team, *stranger;
    repo_file file[REPO_FILES];
    size_t file_count;
    char asked[REPO_ASKED][96];    /* paths, in order */
    size_t asked_count;
    char dir[32];                  /* of what the device trusts */
} repository;

void repo_open(repository *r);     /* keys, an empty folder for the device; fails the test when it cannot */
void repo_close(repository *r);

/* What a file says; tests change it before it is signed. */
json_t *repo_root(repository *r, int64_t version);                 /* 2 of the 3 root keys */
json_t *repo_targets(repository *r, int64_t version);              /* "model" by us, "team/..." by the team */
json_t *repo_team(repository *r, int64_t version);                 /* "team/model" */
json_t *repo_snapshot(repository *r, int64_t version);             /* of the targets files that are there */
json_t *repo_timestamp(repository *r, int64_t version, int64_t snapshot);

json_t *repo_role(const json_t *root, const char *name);          /* its {keyids, threshold} in a root */
void repo_add_key(json_t *holder, json_t *role, const hn_key *key);   /* to holder's "keys" and the role's ids */

/* Signs with the keys up to NULL and puts it there; takes over the body. */
void repo_put(repository *r, const char *path, json_t *body, ...);
void repo_put_bytes(repository *r, const char *path, const void *data, size_t len);
const hn_buf *repo_get(const repository *r, const char *path);     /* NULL when it is not there */
void repo_remove(repository *r, const char *path);

/* Root, targets, team, snapshot and timestamp of that version, all well. */
void repo_publish(repository *r, int64_t version);
void repo_trust_root(repository *r);                               /* 1.root.json becomes the device's */

hn_tuf_source repo_source(repository *r);
/* A refresh by a client that is new each time; when `find` is not NULL also a search for it. */
hn_err repo_refresh_at(repository *r, int64_t now, const char *find);
hn_err repo_refresh(repository *r);                                /* at REPO_NOW */
int64_t repo_trusted(const repository *r, const char *file);       /* the version stored; 0 for none */

#endif
