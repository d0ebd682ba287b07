/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(HN_PATH_MAX >= PATH_MAX, "realpath writes that much");

hn_err hn_file_open(hn_ctx *cx, const char *path, hn_file *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return hn_fail(cx, HN_EIO, "%s: %s", path, strerror(errno));

    hn_err e = HN_OK;
    void *data = NULL;
    if (fstat(fd, &st) != 0)
        e = hn_fail(cx, HN_EIO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        e = hn_fail(cx, HN_EIO, "%s: expected a regular file, found %s", path,
                    S_ISDIR(st.st_mode) ? "a folder" : "something else");
    else if ((uintmax_t)st.st_size > SIZE_MAX / 2)
        e = hn_fail(cx, HN_ELIMIT, "%s: %jd bytes do not fit this machine's address space", path,
                    (intmax_t)st.st_size);
    else if (st.st_size > 0) {
        data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            e = hn_fail(cx, HN_EIO, "%s: cannot be mapped: %s", path, strerror(errno));
    }
    close(fd);
    if (!e)
        *out = (hn_file){ data, (size_t)st.st_size };
    return e;
}

hn_err hn_file_zeros(hn_ctx *cx, size_t len, hn_file *out)
{
    void *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return hn_nomem(cx, "a stretch of zeros");
    *out = (hn_file){ data, len };
    return HN_OK;
}

void hn_file_close(hn_file *f)
{
    if (f->data)
        munmap((void *)(uintptr_t)f->data, f->len);
    *f = (hn_file){ 0 };
}

void hn_file_release(const void *data, size_t len)
{
    long page = sysconf(_SC_PAGESIZE);
    uintptr_t size = page > 0 ? (uintptr_t)page : 4096, from = (uintptr_t)data / size * size, to = ((uintptr_t)data + len) / size * size;
    if (to > from)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool sync_folder_of(const char *path)
{
    char dir[HN_PATH_MAX] = ".";
    size_t len = hn_path_dir_len(path);
    if (len >= sizeof dir)
        return false;
    if (len)
        snprintf(dir, sizeof dir, "%.*s", (int)len, path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = fsync(fd) == 0 || errno == EINVAL;         /* some file systems cannot, and need not */
    close(fd);
    return ok;
}

hn_err hn_file_rename(hn_ctx *cx, const char *from, const char *to)
{
    if (rename(from, to) != 0 || !sync_folder_of(to))
        return hn_fail(cx, HN_EIO, "%s: cannot be written: %s", to, strerror(errno));
    return HN_OK;
}

hn_err hn_file_out_open(hn_ctx *cx, const char *path, hn_file_out *f)
{
    int n = snprintf(f->temp, sizeof f->temp, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof f->temp)
        return hn_fail(cx, HN_EARG, "%s: path is too long", path);
    f->fd = mkostemp(f->temp, O_CLOEXEC);                /* made for the owner only */
    if (f->fd < 0)
        return hn_fail(cx, HN_EIO, "%s: cannot be written: %s", path, strerror(errno));
    f->path = path;
    f->len = 0;
    f->open = true;
    return HN_OK;
}

void hn_file_out_drop(hn_file_out *f)
{
    if (!f->open)
        return;
    close(f->fd);
    unlink(f->temp);
    f->open = false;
}

hn_err hn_file_out_add(hn_ctx *cx, hn_file_out *f, const void *data, size_t len)
{
    if (!write_all(f->fd, data, len))
        return hn_fail(cx, HN_EIO, "%s: cannot be written: %s", f->path, strerror(errno));
    f->len += len;
    return HN_OK;
}

hn_err hn_file_out_finish(hn_ctx *cx, hn_file_out *f)
{
    bool ok = fchmod(f->fd, f->private ? 0600 : 0644) == 0 && fsync(f->fd) == 0;
    int why = errno;
    ok = close(f->fd) == 0 && ok;
    f->open = false;
    if (ok && hn_file_rename(cx, f->temp, f->path) == HN_OK)
        return HN_OK;
    unlink(f->temp);                                     /* gone already where only the folder would not sync */
    return ok ? HN_EIO : hn_fail(cx, HN_EIO, "%s: cannot be written: %s", f->path, strerror(why));
}

static hn_err write_whole(hn_ctx *cx, const char *path, bool private, const void *data, size_t len)
{
    hn_file_out f = { .private = private };
    HN_TRY(hn_file_out_open(cx, path, &f));
    hn_err e = hn_file_out_add(cx, &f, data, len);
    if (!e)
        return hn_file_out_finish(cx, &f);
    hn_file_out_drop(&f);
    return e;
}

hn_err hn_file_write(hn_ctx *cx, const char *path, const void *data, size_t len)
{
    return write_whole(cx, path, false, data, len);
}

hn_err hn_file_write_private(hn_ctx *cx, const char *path, const void *data, size_t len)
{
    return write_whole(cx, path, true, data, len);
}

bool hn_path_stays_inside(const char *path, size_t len)
{
    if (len == 0 || path[0] == '/' || memchr(path, 0, len) || memchr(path, '\\', len))
        return false;
    for (size_t i = 0; i < len;) {
        const char *slash = memchr(path + i, '/', len - i);
        size_t part = slash ? (size_t)(slash - path) - i : len - i;
        if (part == 2 && path[i] == '.' && path[i + 1] == '.')
            return false;
        i += part + 1;
    }
    return path[len - 1] != '/';
}

hn_err hn_path_resolve_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, char out[HN_PATH_MAX])
{
    char full[PATH_MAX], root[PATH_MAX];
    int shown = len > 200 ? 200 : (int)len;

    if (!hn_path_stays_inside(path, len))
        return hn_fail(cx, HN_EREFUSED, "'%.*s' does not stay inside the folder '%.200s'", shown, path, dir);
    int n = snprintf(full, sizeof full, "%s%.*s", dir, len > PATH_MAX ? PATH_MAX : (int)len, path);
    if (n < 0 || (size_t)n >= sizeof full)
        return hn_fail(cx, HN_EIO, "'%.*s': path is too long", shown, path);
    if (!realpath(*dir ? dir : ".", root) || !realpath(full, out))
        return hn_fail(cx, HN_EIO, "%.300s: %s", full, strerror(errno));

    /* Links are resolved, then compared, and the resolved name is what is opened. */
    size_t root_len = strlen(root);
    if (strncmp(out, root, root_len) != 0 || (out[root_len] != '/' && root[root_len - 1] != '/'))
        return hn_fail(cx, HN_EREFUSED, "'%.*s' leads outside the folder '%.200s' through a link", shown,
                       path, root);
    return HN_OK;
}

hn_err hn_file_open_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, hn_file *out)
{
    char real[HN_PATH_MAX];
    HN_TRY(hn_path_resolve_inside(cx, dir, path, len, real));
    return hn_file_open(cx, real, out);
}

const char *hn_path_extension(const char *path)
{
    const char *dot = strrchr(path + hn_path_dir_len(path), '.');
    return dot ? dot + 1 : "";
}

size_t hn_path_dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}
