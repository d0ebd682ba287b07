/* SPDX-License-Identifier: Apache-2.0 */
/* Files: mapped to read, replaced whole to write. */
#ifndef HN_BASE_FILE_H
#define HN_BASE_FILE_H

#include "base/ctx.h"

enum { HN_PATH_MAX = 4096 };

/* A read-only view of a whole file; pages come from the page cache when touched. */
typedef struct hn_file {
    const uint8_t *data;
    size_t len;
} hn_file;

hn_err hn_file_open(hn_ctx *cx, const char *path, hn_file *out);
hn_err hn_file_zeros(hn_ctx *cx, size_t len, hn_file *out);      /* as if of a file of zeros; costs no memory */
void hn_file_close(hn_file *f);      /* safe on a zeroed hn_file */

/* These bytes of a mapping are done with: they leave this process, and come back from the file if touched. */
void hn_file_release(const void *data, size_t len);

/* Writes beside `path`, syncs, renames, syncs the folder: readers see the old file or the new one, and
 * after the call a cut of power leaves the new one. */
hn_err hn_file_write(hn_ctx *cx, const char *path, const void *data, size_t len);
hn_err hn_file_write_private(hn_ctx *cx, const char *path, const void *data, size_t len);   /* for the owner only */

/* Gives a file, synced already, its name, and syncs the folder. */
hn_err hn_file_rename(hn_ctx *cx, const char *from, const char *to);

/* The same piece by piece.  Zero-initialise; after hn_file_out_open exactly one of finish and drop ends it. */
typedef struct hn_file_out {
    int fd;
    const char *path;            /* borrowed */
    char temp[HN_PATH_MAX];      /* where it lies until it is whole */
    uint64_t len;
    bool private;                /* set before opening: for the owner only */
    bool open;
} hn_file_out;

hn_err hn_file_out_open(hn_ctx *cx, const char *path, hn_file_out *out);
hn_err hn_file_out_add(hn_ctx *cx, hn_file_out *f, const void *data, size_t len);
hn_err hn_file_out_finish(hn_ctx *cx, hn_file_out *f);    /* syncs and renames; on failure nothing is left behind */
void hn_file_out_drop(hn_file_out *f);                    /* safe when not open */

/* Is `path`, read from inside a file in folder `dir`, a plain relative path that stays in it?
 * Refuses absolute paths, "..", empty names and NUL tricks; does not touch the disk. */
bool hn_path_stays_inside(const char *path, size_t len);

/* Turns what a file in folder `dir` names by `path` into a name without links; refused with HN_EREFUSED
 * when that leads outside.  `dir` ends in a slash, "" is the working folder. */
hn_err hn_path_resolve_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, char out[HN_PATH_MAX]);

/* Maps the file that a file in folder `dir` (with its slash, "" for the working folder) names by
 * `path`.  Refused with HN_EREFUSED when the path, or a symbolic link on it, leads outside. */
hn_err hn_file_open_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, hn_file *out);

/* What stands behind the last dot of its name, "" when there is none. */
const char *hn_path_extension(const char *path);

/* Length of the folder part of `path` with its slash, 0 when it has none. */
size_t hn_path_dir_len(const char *path);

#endif
