/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool before(const hn_fs *fs, hn_fs_call *call)
{
    int error = fs && fs->before ? fs->before(fs->user, call) : 0;
    if (error)
        errno = error;
    return error == 0;
}

static bool after(const hn_fs *fs, const hn_fs_call *call, bool ok)
{
    int error = ok ? 0 : errno;
    if (fs && fs->after)
        fs->after(fs->user, call, error);
    errno = error;
    return ok;
}

int hn_fs_create(const hn_fs *fs, const char *path, bool keep)
{
    hn_fs_call c = { .op = HN_FS_CREATE, .fd = -1, .path = path, .size = keep };
    if (!before(fs, &c))
        return -1;
    c.fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (keep ? O_APPEND : O_TRUNC), 0644);
    after(fs, &c, c.fd >= 0);
    return c.fd;
}

bool hn_fs_write(const hn_fs *fs, int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        hn_fs_call c = { .op = HN_FS_WRITE, .fd = fd, .data = at, .size = len };
        ssize_t n = before(fs, &c) ? write(fd, at, c.size) : -1;
        c.size = n > 0 ? (size_t)n : 0;
        if (!after(fs, &c, n >= 0)) {
            if (errno == EINTR)
                continue;
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool hn_fs_truncate(const hn_fs *fs, int fd, size_t len)
{
    hn_fs_call c = { .op = HN_FS_TRUNCATE, .fd = fd, .size = len };
    return before(fs, &c) && after(fs, &c, ftruncate(fd, (off_t)len) == 0);
}

bool hn_fs_sync(const hn_fs *fs, int fd)
{
    hn_fs_call c = { .op = HN_FS_SYNC, .fd = fd };
    bool ok;
    do
        ok = before(fs, &c) && after(fs, &c, fsync(fd) == 0);
    while (!ok && errno == EINTR);
    return ok;
}

bool hn_fs_rename(const hn_fs *fs, const char *from, const char *to)
{
    hn_fs_call c = { .op = HN_FS_RENAME, .fd = -1, .path = from, .to = to };
    return before(fs, &c) && after(fs, &c, rename(from, to) == 0);
}

bool hn_fs_link(const hn_fs *fs, const char *from, const char *to)
{
    hn_fs_call c = { .op = HN_FS_LINK, .fd = -1, .path = from, .to = to };
    return before(fs, &c) && after(fs, &c, link(from, to) == 0);
}

bool hn_fs_unlink(const hn_fs *fs, const char *path)
{
    hn_fs_call c = { .op = HN_FS_UNLINK, .fd = -1, .path = path };
    return before(fs, &c) && after(fs, &c, unlink(path) == 0);
}

bool hn_fs_mkdir(const hn_fs *fs, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    hn_fs_call c = { .op = HN_FS_MKDIR, .fd = -1, .path = path };
    return before(fs, &c) && after(fs, &c, mkdir(path, 0755) == 0);
}

bool hn_fs_rmdir(const hn_fs *fs, const char *path)
{
    hn_fs_call c = { .op = HN_FS_RMDIR, .fd = -1, .path = path };
    return before(fs, &c) && after(fs, &c, rmdir(path) == 0);
}

static bool sync_path(const hn_fs *fs, hn_fs_op op, const char *path, int flags)
{
    hn_fs_call c = { .op = op, .fd = -1, .path = path };
    bool ok;
    do {
        ok = before(fs, &c);
        if (ok) {
            int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
            ok = fd >= 0 && fsync(fd) == 0;
            int error = errno;
            if (fd >= 0)
                close(fd);
            errno = error;
            ok = after(fs, &c, ok);
        }
    } while (!ok && errno == EINTR);
    return ok;
}

bool hn_fs_sync_file(const hn_fs *fs, const char *path) { return sync_path(fs, HN_FS_SYNC, path, O_NOFOLLOW); }
bool hn_fs_sync_dir(const hn_fs *fs, const char *path) { return sync_path(fs, HN_FS_SYNC_DIR, path, O_DIRECTORY); }

/* ---- Several calls --------------------------------------------------------------------------- */

hn_err hn_fs_fail(hn_ctx *cx, const char *path, const char *what)
{
    int why = errno;
    hn_err e = why == ENOSPC || why == EDQUOT ? HN_ELIMIT : HN_EIO;
    return hn_fail(cx, e, "%.300s: cannot be %s: %s%s", path, what, strerror(why),
                   e == HN_ELIMIT ? "; make room and try again" : "");
}

hn_err hn_path_make(hn_ctx *cx, hn_path *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out->text, sizeof out->text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof out->text)
        return hn_fail(cx, HN_ELIMIT, "%.200s...: the path is too long", out->text);
    return HN_OK;
}

hn_err hn_fs_put(hn_ctx *cx, const hn_fs *fs, const char *path, const void *data, size_t len)
{
    int fd = hn_fs_create(fs, path, false);
    if (fd < 0)
        return hn_fs_fail(cx, path, "created");
    bool ok = hn_fs_write(fs, fd, data, len) && hn_fs_sync(fs, fd);
    int why = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        why = errno;
    }
    errno = why;
    if (ok)
        return HN_OK;
    hn_err e = hn_fs_fail(cx, path, "written");
    hn_fs_unlink(fs, path);
    return e;
}

hn_err hn_fs_mkdirs(hn_ctx *cx, const hn_fs *fs, const char *root, const char *path)
{
    hn_path full, parent;
    struct stat st;
    HN_TRY(hn_path_make(cx, &full, "%s/%s", root, path));
    for (char *at = full.text + strlen(root) + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        if (stat(full.text, &st) != 0) {
            if (!hn_fs_mkdir(fs, full.text))
                return hn_fs_fail(cx, full.text, "made");
            HN_TRY(hn_path_make(cx, &parent, "%.*s", (int)(strrchr(full.text, '/') - full.text), full.text));
            if (!hn_fs_sync_dir(fs, parent.text))
                return hn_fs_fail(cx, parent.text, "synced");
        }
        *at = '/';
    }
    return HN_OK;
}

/* Without recursion: always empties the first folder that holds no other. */
hn_err hn_fs_remove_tree(hn_ctx *cx, const hn_fs *fs, const char *path)
{
    hn_path at;
    HN_TRY(hn_path_make(cx, &at, "%s", path));
    for (;;) {
        struct stat st;
        struct dirent *entry;
        bool deeper = false;
        DIR *d = opendir(at.text);
        if (!d)
            return errno == ENOENT ? HN_OK : hn_fs_fail(cx, at.text, "emptied");
        hn_err e = HN_OK;
        while (!e && !deeper && (entry = readdir(d))) {
            hn_path inner;
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            e = hn_path_make(cx, &inner, "%s/%s", at.text, entry->d_name);
            if (e)
                break;
            if (lstat(inner.text, &st) == 0 && S_ISDIR(st.st_mode)) {
                at = inner;
                deeper = true;
            } else if (!hn_fs_unlink(fs, inner.text)) {
                e = hn_fs_fail(cx, inner.text, "removed");
            }
        }
        closedir(d);
        HN_TRY(e);
        if (deeper)
            continue;
        if (!hn_fs_rmdir(fs, at.text))
            return hn_fs_fail(cx, at.text, "removed");
        if (strcmp(at.text, path) == 0)
            return HN_OK;
        *strrchr(at.text, '/') = 0;
    }
}
