/* SPDX-License-Identifier: Apache-2.0 */
/* The store: where a device keeps models, and changes them so that a power cut never leaves it without one.
 *
 *     STATE/blobs/sha256/HEX           files by their hash, never changed, shared by builds
 *     STATE/models/NAME/BUILD/         manifest.json and hard links to blobs: complete, or not there
 *     STATE/models/NAME/slots.json     which builds count: the only commit point (slots.h)
 *     STATE/tmp/                       downloads under way; safe to delete
 *     STATE/health/NAME.BUILD          what applications reported of a build
 *     STATE/lock                       held by the one agent that writes
 *
 * An installation is: offer (may it be?), room, take each file, stage the build, put it on trial, count its
 * starts, then commit or roll back, then collect.  Each step may be cut anywhere and done again. */
#ifndef HN_FLEET_STORE_H
#define HN_FLEET_STORE_H

#include "fleet/manifest.h"

typedef struct hn_store {
    const hn_fs *fs;             /* NULL: no hook */
    hn_path root;
    int lock;
} hn_store;

/* Makes what is missing of the layout, takes the lock, clears away what a cut left.  HN_ELIMIT with
 * HN_WHY_STORE_BUSY when another process holds it. */
hn_err hn_store_open(hn_ctx *cx, const char *root, const hn_fs *fs, hn_store *out, hn_reason *why);
void hn_store_close(hn_store *s);                    /* safe on a closed store */

hn_err hn_store_dir(hn_ctx *cx, const hn_store *s, const char *name, hn_path *out);        /* models/NAME */
hn_err hn_store_build_dir(hn_ctx *cx, const hn_store *s, const char *name, uint64_t build, hn_path *out);
/* All zero for a model that was never installed. */
hn_err hn_store_slots(hn_ctx *cx, const hn_store *s, const char *name, hn_slots *out);

/* May this build be installed?  Not when it is current, was bad here, or lies below the floor without
 * leave to go back from the current build. */
hn_err hn_store_offer(hn_ctx *cx, const hn_store *s, const hn_manifest *m, hn_reason *why);

/* Room for `bytes` more, temporary copies and a tenth on top counted. */
hn_err hn_store_room(hn_ctx *cx, const hn_store *s, uint64_t bytes, hn_reason *why);

/* ---- Files ----------------------------------------------------------------------------------------- */

bool hn_store_has(hn_ctx *cx, const hn_store *s, const hn_digest *d);
hn_err hn_store_blob(hn_ctx *cx, const hn_store *s, const hn_digest *d, hn_path *out);   /* where it lies, or would */
hn_err hn_store_temp(hn_ctx *cx, const hn_store *s, const hn_digest *d, hn_path *out);   /* where to fetch it to */

/* Takes over a file that lies in tmp/, if its length and hash are right; otherwise removes it. */
hn_err hn_store_take(hn_ctx *cx, const hn_store *s, const char *path, const hn_digest *d, uint64_t length,
                     hn_reason *why);
hn_err hn_store_put(hn_ctx *cx, const hn_store *s, const void *data, size_t len, const hn_digest *d,
                    hn_reason *why);

/* ---- Builds ---------------------------------------------------------------------------------------- */

/* Every file of the manifest must be there as a blob.  The build folder holds `bytes` as manifest.json. */
hn_err hn_store_stage(hn_ctx *cx, const hn_store *s, const hn_manifest *m, const void *bytes, size_t len,
                      hn_reason *why);

hn_err hn_store_trial(hn_ctx *cx, const hn_store *s, const hn_manifest *m, unsigned tries, hn_reason *why);
/* Before a start of the trial: one try less, durably.  *left: those after this one.  HN_ENO: none is left. */
hn_err hn_store_count(hn_ctx *cx, const hn_store *s, const char *name, unsigned *left);
/* The trial becomes current; the floor rises in a second step. */
hn_err hn_store_commit(hn_ctx *cx, const hn_store *s, const char *name);
/* Ends the trial, or without one goes back to the previous build; what it leaves is bad from now on.
 * HN_ENO when there is nothing to go back to. */
hn_err hn_store_rollback(hn_ctx *cx, const hn_store *s, const char *name, uint64_t *left_build);
/* A build that failed before its trial: it is not offered again. */
hn_err hn_store_condemn(hn_ctx *cx, const hn_store *s, const char *name, uint64_t build);
/* Keeps a second installed build beside the current one, or (HN_ARM_NONE) no longer. */
hn_err hn_store_arm(hn_ctx *cx, const hn_store *s, const char *name, hn_arm_mode mode, uint64_t build, unsigned share);

/* Removes builds no slot names, and blobs no build links. */
hn_err hn_store_collect(hn_ctx *cx, const hn_store *s);

/* Reads everything: slots whole, every named build complete, every file's hash.  HN_EFORMAT names the first
 * thing that is wrong. */
hn_err hn_store_check(hn_ctx *cx, const hn_store *s, size_t *files);

/* Calls each(user, name) for every model of the store. */
hn_err hn_store_each(hn_ctx *cx, const hn_store *s, hn_err (*each)(void *user, hn_ctx *cx, const char *name),
                     void *user);

#endif
