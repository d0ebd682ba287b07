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

/* These bytes of a mapping are done with: they leave this process, and come back from the file if touched. */
void hn_file_release(const void *data, size_t len);

/* Writes beside `path`, syncs, renames: readers see the old file or the new one. */
hn_err hn_file_write(hn_ctx *cx, const char *path, const void *data, size_t len);

/* The same piece by piece.  Zero-initialise; after hn_file_out_open exactly one of finish and drop ends it. */
typedef struct hn_file_out {
    int fd;
    const char *path;            /* borrowed */
    char temp[4096];             /* where it lies until it is whole */
    uint64_t len;
    bool open;
} hn_file_out;

hn_err hn_file_out_open(hn_ctx *cx, const char *path, hn_file_out *out);
hn_err hn_file_out_add(hn_ctx *cx, hn_file_out *f, const void *data, size_t len);
hn_err hn_file_out_finish(hn_ctx *cx, hn_file_out *f);    /* syncs and renames; on failure nothing is left behind */
void hn_file_out_drop(hn_file_out *f);                    /* safe when not open */

/* Is `path`, read from inside a file in folder `dir`, a plain relative path that stays in it?
 * Refuses absolute paths, "..", empty names and NUL tricks; does not touch the disk. */
bool hn_path_stays_inside(const char *path, size_t len);

/* Maps the file that a file in folder `dir` (with its slash, "" for the working folder) names by
 * `path`.  Refused with HN_EREFUSED when the path, or a symbolic link on it, leads outside. */
hn_err hn_file_open_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, hn_file *out);

/* Length of the folder part of `path` with its slash, 0 when it has none. */
size_t hn_path_dir_len(const char *path);

#endif
