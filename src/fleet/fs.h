/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that change files, each through one place.
 *
 * What survives a power cut depends on the order of these calls alone, so tests watch them: a hook is told
 * of every call before it happens and may cut the process there, shorten a write or make the call fail, and
 * is told of the outcome.  Reading needs no hook.
 *
 * Writes that EINTR interrupts go on; every other failure is the caller's, with errno set. */
#ifndef HN_FLEET_FS_H
#define HN_FLEET_FS_H

#include <limits.h>

#include "base/ctx.h"

typedef enum hn_fs_op {
    HN_FS_CREATE, HN_FS_WRITE, HN_FS_TRUNCATE, HN_FS_SYNC, HN_FS_RENAME, HN_FS_LINK, HN_FS_UNLINK,
    HN_FS_MKDIR, HN_FS_RMDIR, HN_FS_SYNC_DIR,
} hn_fs_op;

typedef struct hn_fs_call {
    hn_fs_op op;
    int fd;                     /* WRITE, TRUNCATE, SYNC (-1: by path); after a CREATE: the new one */
    const char *path, *to;      /* what the call names; to: RENAME and LINK */
    const void *data;           /* WRITE */
    size_t size;                /* WRITE: may be made less before; TRUNCATE: the new length */
} hn_fs_call;

/* NULL in place of an hn_fs: no hook. */
typedef struct hn_fs {
    int (*before)(void *user, hn_fs_call *call);                  /* 0, or the errno to fail with */
    void (*after)(void *user, const hn_fs_call *call, int error); /* error 0: it was done; may be NULL */
    void *user;
} hn_fs;

int hn_fs_create(const hn_fs *fs, const char *path, bool keep);   /* for writing; keep: append to what is there */
bool hn_fs_write(const hn_fs *fs, int fd, const void *data, size_t len);
bool hn_fs_truncate(const hn_fs *fs, int fd, size_t len);
bool hn_fs_sync(const hn_fs *fs, int fd);
bool hn_fs_sync_file(const hn_fs *fs, const char *path);           /* of a file that others wrote */
bool hn_fs_rename(const hn_fs *fs, const char *from, const char *to);
bool hn_fs_link(const hn_fs *fs, const char *from, const char *to);
bool hn_fs_unlink(const hn_fs *fs, const char *path);
bool hn_fs_mkdir(const hn_fs *fs, const char *path);              /* true when it is there already */
bool hn_fs_rmdir(const hn_fs *fs, const char *path);
bool hn_fs_sync_dir(const hn_fs *fs, const char *path);

/* Several of these in the order that is safe. */
/* written, synced; the folder is not */
hn_err hn_fs_put(hn_ctx *cx, const hn_fs *fs, const char *path, const void *data, size_t len);
/* the folders of root/path, synced */
hn_err hn_fs_mkdirs(hn_ctx *cx, const hn_fs *fs, const char *root, const char *path);
hn_err hn_fs_remove_tree(hn_ctx *cx, const hn_fs *fs, const char *path);               /* nothing there is fine */

/* Fails with the errno of the call before, in words. */
hn_err hn_fs_fail(hn_ctx *cx, const char *path, const char *what) __attribute__((cold));

typedef struct hn_path { char text[PATH_MAX]; } hn_path;
hn_err hn_path_make(hn_ctx *cx, hn_path *out, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
