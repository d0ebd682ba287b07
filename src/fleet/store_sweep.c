/* SPDX-License-Identifier: Apache-2.0 */
/* store_sweep.c: what no slot names any more goes; what is named is read and checked. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/store.h"

/* A folder's name as a build's number, 0 when it is none. */
static uint64_t build_of(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    uint64_t n = 0;
    if (digits == 0 || digits > 16 || name[digits] || name[0] == '0')
        return 0;
    for (size_t i = 0; i < digits; i++)
        n = n * 10 + (uint64_t)(name[i] - '0');
    return n <= HN_BUILD_MAX ? n : 0;
}

/* Away from its name first, in one step, so that what bears a build's number is always complete. */
static hn_err remove_build(hn_ctx *cx, const hn_store *s, const char *dir, uint64_t build)
{
    hn_path from, to;
    HN_TRY(hn_path_make(cx, &from, "%s/%llu", dir, (unsigned long long)build));
    HN_TRY(hn_path_make(cx, &to, "%s/.%llu.tmp", dir, (unsigned long long)build));
    HN_TRY(hn_fs_remove_tree(cx, s->fs, to.text));
    if (!hn_fs_rename(s->fs, from.text, to.text) || !hn_fs_sync_dir(s->fs, dir))
        return hn_fs_fail(cx, from.text, "removed");
    return hn_fs_remove_tree(cx, s->fs, to.text);
}

static hn_err collect_model(void *user, hn_ctx *cx, const char *name)
{
    const hn_store *s = user;
    hn_path dir, health;
    hn_slots slots;
    struct dirent *entry;
    int lock;
    hn_err e = HN_OK;

    HN_TRY(hn_store_dir(cx, s, name, &dir));
    HN_TRY(hn_slots_lock(cx, dir.text, &lock));
    DIR *d = opendir(dir.text);
    if (!d)
        e = hn_fs_fail(cx, dir.text, "read");
    if (!e)
        e = hn_store_slots(cx, s, name, &slots);
    while (!e && (entry = readdir(d))) {
        uint64_t build = build_of(entry->d_name);
        if (!build || hn_slots_keeps(&slots, build))
            continue;
        e = remove_build(cx, s, dir.text, build);
        if (!e)
            e = hn_path_make(cx, &health, "%s/health/%s.%llu", s->root.text, name, (unsigned long long)build);
        if (!e && access(health.text, F_OK) == 0 && !hn_fs_unlink(s->fs, health.text))
            e = hn_fs_fail(cx, health.text, "removed");
    }
    if (d)
        closedir(d);
    hn_slots_unlock(lock);
    return e;
}

hn_err hn_store_collect(hn_ctx *cx, const hn_store *s)
{
    hn_path dir, path;
    struct dirent *entry;
    struct stat st;
    hn_err e = HN_OK;

    HN_TRY(hn_store_each(cx, s, collect_model, (void *)(uintptr_t)s));
    HN_TRY(hn_path_make(cx, &dir, "%s/blobs/sha256", s->root.text));
    DIR *d = opendir(dir.text);
    if (!d)
        return hn_fs_fail(cx, dir.text, "read");
    while (!e && (entry = readdir(d))) {
        if (entry->d_name[0] == '.')
            continue;
        e = hn_path_make(cx, &path, "%s/%s", dir.text, entry->d_name);
        /* Builds hold their files by hard links: one link means none does. */
        if (!e && lstat(path.text, &st) == 0 && st.st_nlink == 1 && !hn_fs_unlink(s->fs, path.text))
            e = hn_fs_fail(cx, path.text, "removed");
    }
    closedir(d);
    return e;
}

/* ---- Checking -------------------------------------------------------------------------------------------- */

static hn_err check_file(hn_ctx *cx, const char *dir, const hn_mfile *f)
{
    hn_path path;
    hn_digest d;
    uint64_t length;
    HN_TRY(hn_path_make(cx, &path, "%s/%s", dir, f->path));
    HN_TRY(hn_digest_of_file(cx, path.text, &d, &length));
    if (length != f->length || !hn_digest_equal(&d, &f->sha256))
        return hn_fail(cx, HN_EFORMAT, "%s: not the bytes of the manifest; install the model anew", path.text);
    return HN_OK;
}

static hn_err check_build(hn_ctx *cx, const hn_store *s, const char *name, uint64_t build, size_t *files)
{
    hn_path dir, path;
    hn_arena *a = NULL;
    hn_manifest m;
    hn_file f = { 0 };
    HN_TRY(hn_store_build_dir(cx, s, name, build, &dir));
    HN_TRY(hn_path_make(cx, &path, "%s/manifest.json", dir.text));
    HN_TRY(hn_file_open(cx, path.text, &f));
    hn_err e = hn_arena_new(cx, 0, &a);
    if (!e)
        e = hn_manifest_read(cx, f.data, f.len, a, &m);
    if (!e && (strcmp(m.name, name) != 0 || m.build != build))
        e = hn_fail(cx, HN_EFORMAT, "%s: the manifest is of %s build %llu", dir.text, m.name,
                    (unsigned long long)m.build);
    for (size_t i = 0; !e && i < m.file_count; i++, (*files)++)
        e = check_file(cx, dir.text, &m.file[i]);
    hn_arena_free(a);
    hn_file_close(&f);
    return e;
}

typedef struct checking { const hn_store *s; size_t files; } checking;

static hn_err check_model(void *user, hn_ctx *cx, const char *name)
{
    checking *c = user;
    hn_slots slots;
    HN_TRY(hn_store_slots(cx, c->s, name, &slots));
    const uint64_t named[] = { slots.current, slots.previous, slots.trial,
                               slots.arm_mode == HN_ARM_NONE ? 0 : slots.arm };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i])
            HN_TRY(check_build(cx, c->s, name, named[i], &c->files));
    return HN_OK;
}

hn_err hn_store_check(hn_ctx *cx, const hn_store *s, size_t *files)
{
    checking c = { s, 0 };
    HN_TRY(hn_store_each(cx, s, check_model, &c));
    if (files)
        *files = c.files;
    return HN_OK;
}
