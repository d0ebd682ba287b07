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

void hn_file_close(hn_file *f)
{
    if (f->data)
        munmap((void *)(uintptr_t)f->data, f->len);
    *f = (hn_file){ 0 };
}

void hn_file_forget(const void *data, size_t len)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)data + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)data + len) / page * page;
    if (from < to)
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

hn_err hn_file_write(hn_ctx *cx, const char *path, const void *data, size_t len)
{
    char temp[4096];
    int n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temp)
        return hn_fail(cx, HN_EARG, "%s: path is too long", path);

    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return hn_fail(cx, HN_EIO, "%s: cannot be written: %s", path, strerror(errno));
    bool ok = write_all(fd, data, len) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    ok = ok && rename(temp, path) == 0;
    if (ok)
        return HN_OK;
    int why = errno;
    unlink(temp);
    return hn_fail(cx, HN_EIO, "%s: cannot be written: %s", path, strerror(why));
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

hn_err hn_file_open_inside(hn_ctx *cx, const char *dir, const char *path, size_t len, hn_file *out)
{
    char full[PATH_MAX], root[PATH_MAX], real[PATH_MAX];
    int shown = len > 200 ? 200 : (int)len;

    if (!hn_path_stays_inside(path, len))
        return hn_fail(cx, HN_EREFUSED, "'%.*s' does not stay inside the folder '%.200s'", shown, path, dir);
    int n = snprintf(full, sizeof full, "%s%.*s", dir, len > PATH_MAX ? PATH_MAX : (int)len, path);
    if (n < 0 || (size_t)n >= sizeof full)
        return hn_fail(cx, HN_EIO, "'%.*s': path is too long", shown, path);
    if (!realpath(*dir ? dir : ".", root) || !realpath(full, real))
        return hn_fail(cx, HN_EIO, "%.300s: %s", full, strerror(errno));

    /* Links are resolved, then compared, and the resolved name is what is opened. */
    size_t root_len = strlen(root);
    if (strncmp(real, root, root_len) != 0 || (real[root_len] != '/' && root[root_len - 1] != '/'))
        return hn_fail(cx, HN_EREFUSED, "'%.*s' leads outside the folder '%.200s' through a link", shown,
                       path, root);
    return hn_file_open(cx, real, out);
}

size_t hn_path_dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}
