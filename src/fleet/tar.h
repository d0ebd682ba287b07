/* SPDX-License-Identifier: Apache-2.0 */
/* Uncompressed tar (ustar): regular files only, each once, within limits.
 *
 * Reading maps nothing and allocates little: it walks the headers of bytes at hand and points at the files
 * in them.  What a package does not hold is refused: links, devices, absolute or climbing paths, a name
 * twice, sizes behind the end.  Long names come as a ustar prefix or a pax "path" record. */
#ifndef HN_FLEET_TAR_H
#define HN_FLEET_TAR_H

#include "base/arena.h"
#include "base/buf.h"

enum { HN_TAR_FILES_MAX = 4096 };

typedef struct hn_tar_file { const char *path; const uint8_t *data; size_t size; } hn_tar_file;
typedef struct hn_tar { hn_tar_file *file; size_t count; } hn_tar;       /* sorted by path */

bool hn_tar_probe(const void *data, size_t len);
hn_err hn_tar_read(hn_ctx *cx, const void *data, size_t len, hn_arena *a, hn_tar *out);
const hn_tar_file *hn_tar_find(const hn_tar *t, const char *path);       /* or NULL */

/* A header for a file of `size` bytes, and the zeros behind it or at the archive's end, as appended bytes:
 * the same files give the same archive.  path: up to 255 bytes, with a slash to part it at if over 100. */
hn_err hn_tar_head(hn_ctx *cx, const char *path, uint64_t size, uint8_t out[512]);
static inline size_t hn_tar_pad(uint64_t size) { return (size_t)((512 - size % 512) % 512); }
enum { HN_TAR_END = 1024 };               /* zero bytes that close an archive */

#endif
