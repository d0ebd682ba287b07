/* SPDX-License-Identifier: Apache-2.0 */
/* Files: mapped to read, replaced whole to write. */
#ifndef HN_BASE_FILE_H
#define HN_BASE_FILE_H

#include "base/ctx.h"

/* A read-only view of a whole file; pages come from the page cache when touched. */
typedef struct hn_file {
    const uint8_t *data;
    size_t len;
} hn_file;

hn_err hn_file_open(hn_ctx *cx, const char *path, hn_file *out);
void hn_file_close(hn_file *f);      /* safe on a zeroed hn_file */

/* Gives back the memory of whole pages of a mapped file that lie in [data, data + len); they come back from
 * the page cache if they are touched again. */
void hn_file_forget(const void *data, size_t len);

/* Writes beside `path`, syncs, renames: readers see the old file or the new one. */
hn_err hn_file_write(hn_ctx *cx, const char *path, const void *data, size_t len);

/* Is `path`, read from inside a file in folder `dir`, a plain relative path that stays in it?
 * Refuses absolute paths, "..", empty names and NUL tricks; does not touch the disk. */
bool hn_path_stays_inside(const char *path, size_t len);

/* Maps the file that a file in folder `dir` (with its slash, "" for the working folder) names by
 * `path`.  Refused with HN_EREFUSED when the path, or a symbolic link on it, leads outside. */
hn_err hn_file_open_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, hn_file *out);

/* Length of the folder part of `path` with its slash, 0 when it has none. */
size_t hn_path_dir_len(const char *path);

#endif
