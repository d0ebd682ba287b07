/* SPDX-License-Identifier: Apache-2.0 */
/* What a repository serves of a package, and how a device finds it.
 *
 *     targets/models/NAME/CHANNEL.json          signed: which build the channel offers now
 *     targets/models/NAME/BUILD/manifest.json   signed: all hashes of the build
 *     targets/blobs/sha256/HEX                  the build's files and deltas, named by the manifest
 *
 * The first two are TUF targets; blobs need no entry of their own, since the manifest is signed and names
 * their length and hash. */
#ifndef HN_FLEET_RELEASE_H
#define HN_FLEET_RELEASE_H

#include "fleet/package.h"

enum { HN_CHANNEL_BYTES_MAX = 4096 };

/* What a channel file says. */
typedef struct hn_channel { uint64_t build; char name[HN_NAME_MAX + 1]; } hn_channel;

hn_err hn_channel_read(hn_ctx *cx, const void *data, size_t len, hn_channel *out);

/* Paths of the two targets, relative to targets/. */
hn_err hn_release_channel_path(hn_ctx *cx, const char *name, const char *channel, hn_path *out);
hn_err hn_release_manifest_path(hn_ctx *cx, const char *name, uint64_t build, hn_path *out);

/* Puts a verified package's files into a repository's folder (tuf_repo.h): blobs first; then stages the manifest and
 * the channel's file as targets of `role`, to be signed and published. */
hn_err hn_release_package(hn_ctx *cx, const hn_package *p, const char *repo, const char *channel, const char *role,
                          int64_t expires);

#endif
