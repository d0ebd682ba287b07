/* SPDX-License-Identifier: Apache-2.0 */
/* What tuf_repo.c (staging) and tuf_publish.c share. */
#ifndef HN_FLEET_TUF_REPO_IMPL_H
#define HN_FLEET_TUF_REPO_IMPL_H

#include "fleet/tuf_repo.h"

/* What the folder offers now; NULL for what was never published. */
typedef struct repo_state { json_t *root, *timestamp, *snapshot; } repo_state;

hn_err hn_repo_load(hn_ctx *cx, const char *dir, repo_state *out);
void hn_repo_unload(repo_state *s);

/* Whole documents, the caller's; *out is NULL when there is none. */
hn_err hn_repo_staged(hn_ctx *cx, const char *dir, const char *role, json_t **out);
hn_err hn_repo_published(hn_ctx *cx, const char *dir, const repo_state *s, const char *role, json_t **out);

hn_err hn_repo_path(hn_ctx *cx, hn_buf *out, const char *dir, const char *folder, const char *name);
hn_err hn_repo_write(hn_ctx *cx, const char *path, const json_t *doc);

int64_t hn_doc_int(const json_t *doc, const char *name);          /* of its "signed"; 0 when missing */
const json_t *hn_doc_get(const json_t *doc, const char *name);
int64_t hn_doc_expires(const json_t *doc);                        /* 0 when it is none */

/* The delegation of a team in a targets document, and who may sign it. */
hn_tuf_signers hn_doc_team(const json_t *targets, const char *team);

#endif
