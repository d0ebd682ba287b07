/* SPDX-License-Identifier: Apache-2.0 */
/* store.c: opening, recovering, files.  Builds and slots: store_build.c; what is swept and checked:
 * store_sweep.c. */
#include "fleet/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PARTS_MAX ((uint64_t)8 << 30)      /* unfinished downloads kept for going on with */

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* Calls remove_it for the entries of a folder; a folder that is not there has none. */
static hn_err sweep(hn_ctx *cx, const hn_store *s, const char *dir, bool (*goes)(const char *name))
{
    struct dirent *entry;
    DIR *d = opendir(dir);
    hn_err e = HN_OK;
    if (!d)
        return errno == ENOENT ? HN_OK : hn_fs_fail(cx, dir, "read");
    while (!e && (entry = readdir(d))) {
        hn_path path;
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 || !goes(entry->d_name))
            continue;
        e = hn_path_make(cx, &path, "%s/%s", dir, entry->d_name);
        if (!e && lstat(path.text, &st) == 0 && S_ISDIR(st.st_mode))
            e = hn_fs_remove_tree(cx, s->fs, path.text);
        else if (!e && !hn_fs_unlink(s->fs, path.text))
            e = hn_fs_fail(cx, path.text, "removed");
    }
    closedir(d);
    return e;
}

static bool is_no_part(const char *name) { return !ends_with(name, ".part") && !ends_with(name, ".part.json"); }
static bool is_any(const char *name) { return name != NULL; }
static bool is_unfinished(const char *name)
{
    return (name[0] == '.' && ends_with(name, ".tmp")) || strcmp(name, "slots.json.new") == 0 ||
           strcmp(name, "slots.json.prev.new") == 0;
}

static uint64_t bytes_in(const char *dir)
{
    struct dirent *entry;
    struct stat st;
    uint64_t sum = 0;
    DIR *d = opendir(dir);
    while (d && (entry = readdir(d)))
        if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    if (d)
        closedir(d);
    return sum;
}

static hn_err recover_model(void *user, hn_ctx *cx, const char *name)
{
    const hn_store *s = user;
    hn_path dir;
    int lock;
    HN_TRY(hn_store_dir(cx, s, name, &dir));
    HN_TRY(hn_slots_lock(cx, dir.text, &lock));
    hn_err e = sweep(cx, s, dir.text, is_unfinished);
    hn_slots_unlock(lock);
    return e;
}

static hn_err recover(hn_ctx *cx, hn_store *s)
{
    hn_path tmp;
    HN_TRY(hn_path_make(cx, &tmp, "%s/tmp", s->root.text));
    HN_TRY(sweep(cx, s, tmp.text, is_no_part));
    if (bytes_in(tmp.text) > PARTS_MAX)
        HN_TRY(sweep(cx, s, tmp.text, is_any));
    return hn_store_each(cx, s, recover_model, s);
}

static hn_err take_lock(hn_ctx *cx, hn_store *s, hn_reason *why)
{
    hn_path path;
    HN_TRY(hn_path_make(cx, &path, "%s/lock", s->root.text));
    s->lock = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (s->lock < 0)
        return hn_because(why, HN_WHY_STORE_IO, hn_fs_fail(cx, path.text, "opened"));
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return HN_OK;
    return hn_refuse(cx, why, HN_WHY_STORE_BUSY, HN_ELIMIT, "%s: another process works on this store; one at a time",
                     s->root.text);
}

static hn_err start(hn_ctx *cx, hn_store *s, hn_reason *why)
{
    static const char *const folders[] = { "blobs/sha256/", "models/", "tmp/", "health/", "tuf/" };
    if (!hn_fs_mkdir(s->fs, s->root.text))
        return hn_because(why, HN_WHY_STORE_IO, hn_fs_fail(cx, s->root.text, "made"));
    HN_TRY(take_lock(cx, s, why));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        HN_TRY(hn_because(why, HN_WHY_STORE_IO, hn_fs_mkdirs(cx, s->fs, s->root.text, folders[i])));
    return hn_because(why, HN_WHY_STORE_IO, recover(cx, s));
}

hn_err hn_store_open(hn_ctx *cx, const char *root, const hn_fs *fs, hn_store *out, hn_reason *why)
{
    hn_store s = { .fs = fs, .lock = -1 };
    HN_TRY(hn_path_make(cx, &s.root, "%s", root));
    hn_err e = start(cx, &s, why);
    if (e)
        hn_store_close(&s);
    else
        *out = s;
    return e;
}

void hn_store_close(hn_store *s)
{
    if (s->lock >= 0)
        close(s->lock);
    s->lock = -1;
}

hn_err hn_store_each(hn_ctx *cx, const hn_store *s, hn_err (*each)(void *user, hn_ctx *cx, const char *name),
                     void *user)
{
    hn_path models;
    struct dirent *entry;
    hn_err e = HN_OK;
    HN_TRY(hn_path_make(cx, &models, "%s/models", s->root.text));
    DIR *d = opendir(models.text);
    if (!d)
        return hn_fs_fail(cx, models.text, "read");
    while (!e && (entry = readdir(d)))
        if (hn_name_ok(entry->d_name))
            e = each(user, cx, entry->d_name);
    closedir(d);
    return e;
}

/* ---- Files ------------------------------------------------------------------------------------------- */

hn_err hn_store_blob(hn_ctx *cx, const hn_store *s, const hn_digest *d, hn_path *out)
{
    return hn_path_make(cx, out, "%s/blobs/sha256/%s", s->root.text, hn_digest_hex(d).text);
}

hn_err hn_store_temp(hn_ctx *cx, const hn_store *s, const hn_digest *d, hn_path *out)
{
    return hn_path_make(cx, out, "%s/tmp/%s", s->root.text, hn_digest_hex(d).text);
}

bool hn_store_has(hn_ctx *cx, const hn_store *s, const hn_digest *d)
{
    hn_path path;
    struct stat st;
    return hn_store_blob(cx, s, d, &path) == HN_OK && lstat(path.text, &st) == 0 && S_ISREG(st.st_mode);
}

hn_err hn_store_room(hn_ctx *cx, const hn_store *s, uint64_t bytes, hn_reason *why)
{
    struct statvfs disk;
    if (statvfs(s->root.text, &disk) != 0)
        return hn_because(why, HN_WHY_STORE_IO, hn_fs_fail(cx, s->root.text, "asked for its room"));
    uint64_t have = (uint64_t)disk.f_bavail * disk.f_frsize, want = bytes + bytes / 10;
    if (want <= have)
        return HN_OK;
    return hn_refuse(cx, why, HN_WHY_NO_ROOM, HN_ELIMIT, "%s: the update takes %llu bytes, the disk has %llu left",
                     s->root.text, (unsigned long long)want, (unsigned long long)have);
}

static hn_err check_file(hn_ctx *cx, const char *path, const hn_digest *want, uint64_t length, hn_reason *why)
{
    hn_digest got;
    struct stat st;
    if (lstat(path, &st) != 0)
        return hn_because(why, HN_WHY_STORE_IO, hn_fs_fail(cx, path, "read"));
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != length)
        return hn_refuse(cx, why, HN_WHY_LENGTH, HN_EREFUSED, "%s: signed as %llu bytes, has %llu",
                         hn_digest_hex(want).text, (unsigned long long)length, (unsigned long long)st.st_size);
    HN_TRY(hn_because(why, HN_WHY_STORE_IO, hn_digest_of_file(cx, path, &got, NULL)));
    if (!hn_digest_equal(&got, want))
        return hn_refuse(cx, why, HN_WHY_HASH, HN_EREFUSED, "%s: the bytes have the hash %s", hn_digest_hex(want).text,
                         hn_digest_hex(&got).text);
    return HN_OK;
}

hn_err hn_store_take(hn_ctx *cx, const hn_store *s, const char *path, const hn_digest *d, uint64_t length,
                     hn_reason *why)
{
    hn_path blob, dir;
    HN_TRY(hn_store_blob(cx, s, d, &blob));
    HN_TRY(hn_path_make(cx, &dir, "%s/blobs/sha256", s->root.text));
    hn_err e = check_file(cx, path, d, length, why);
    if (e == HN_EREFUSED)
        hn_fs_unlink(s->fs, path);
    HN_TRY(e);
    if (!hn_fs_sync_file(s->fs, path) || !hn_fs_rename(s->fs, path, blob.text) || !hn_fs_sync_dir(s->fs, dir.text))
        return hn_because(why, HN_WHY_STORE_IO, hn_fs_fail(cx, blob.text, "put into the store"));
    return HN_OK;
}

hn_err hn_store_put(hn_ctx *cx, const hn_store *s, const void *data, size_t len, const hn_digest *d, hn_reason *why)
{
    hn_path temp;
    if (hn_store_has(cx, s, d))
        return HN_OK;
    HN_TRY(hn_store_temp(cx, s, d, &temp));
    HN_TRY(hn_because(why, HN_WHY_STORE_IO, hn_fs_put(cx, s->fs, temp.text, data, len)));
    return hn_store_take(cx, s, temp.text, d, len, why);
}
