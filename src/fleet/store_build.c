/* SPDX-License-Identifier: Apache-2.0 */
/* store_build.c: builds staged, tried, committed, taken back. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/store.h"

hn_err hn_store_dir(hn_ctx *cx, const hn_store *s, const char *name, hn_path *out)
{
    if (!hn_name_ok(name))
        return hn_fail(cx, HN_EARG, "'%.80s' is no model's name: expected lower-case letters, digits, '.', '_', '-'",
                       name);
    return hn_path_make(cx, out, "%s/models/%s", s->root.text, name);
}

hn_err hn_store_build_dir(hn_ctx *cx, const hn_store *s, const char *name, uint64_t build, hn_path *out)
{
    hn_path dir;
    HN_TRY(hn_store_dir(cx, s, name, &dir));
    return hn_path_make(cx, out, "%s/%llu", dir.text, (unsigned long long)build);
}

hn_err hn_store_slots(hn_ctx *cx, const hn_store *s, const char *name, hn_slots *out)
{
    hn_path dir;
    hn_slots none = { 0 };
    HN_TRY(hn_store_dir(cx, s, name, &dir));
    hn_err e = hn_slots_read(cx, dir.text, out);
    if (e == HN_ENO)
        *out = none;
    return e == HN_ENO ? HN_OK : e;
}

static hn_err may_install(hn_ctx *cx, const hn_slots *s, const hn_manifest *m, hn_reason *why)
{
    bool leave = false;
    for (size_t i = 0; i < m->downgrade_count; i++)
        leave = leave || m->downgrade_from[i] == s->current;
    if (m->build == s->current)
        return hn_refuse(cx, why, HN_WHY_UP_TO_DATE, HN_ENO, "%s: build %llu is the current one", m->name,
                         (unsigned long long)m->build);
    if (hn_slots_is_bad(s, m->build))
        return hn_refuse(cx, why, HN_WHY_KNOWN_BAD, HN_EREFUSED, "%s: build %llu has failed on this device", m->name,
                         (unsigned long long)m->build);
    if (m->build < s->floor && !leave)
        return hn_refuse(cx, why, HN_WHY_DOWNGRADE, HN_EREFUSED,
                         "%s: build %llu is below %llu, the oldest this device takes",
                         m->name, (unsigned long long)m->build, (unsigned long long)s->floor);
    return HN_OK;
}

hn_err hn_store_offer(hn_ctx *cx, const hn_store *s, const hn_manifest *m, hn_reason *why)
{
    hn_slots slots;
    HN_TRY(hn_because(why, HN_WHY_STORE_DAMAGED, hn_store_slots(cx, s, m->name, &slots)));
    return may_install(cx, &slots, m, why);
}

/* ---- Staging ------------------------------------------------------------------------------------------- */

/* Is the build there already?  Then it must be the same one: numbers are not used twice. */
static hn_err staged_before(hn_ctx *cx, const char *dir, const void *bytes, size_t len, bool *out, hn_reason *why)
{
    hn_path path;
    hn_file f;
    struct stat st;
    *out = false;
    if (stat(dir, &st) != 0)
        return errno == ENOENT ? HN_OK : hn_fs_fail(cx, dir, "read");
    HN_TRY(hn_path_make(cx, &path, "%s/manifest.json", dir));
    HN_TRY(hn_file_open(cx, path.text, &f));
    bool same = f.len == len && memcmp(f.data, bytes, len) == 0;
    hn_file_close(&f);
    if (!same)
        return hn_refuse(cx, why, HN_WHY_WRONG_TARGET, HN_EREFUSED,
                         "%s: another build with this number is installed", dir);
    *out = true;
    return HN_OK;
}

static hn_err sync_file_folders(hn_ctx *cx, const hn_store *s, const char *root, const char *path)
{
    hn_path full;
    HN_TRY(hn_path_make(cx, &full, "%s/%s", root, path));
    for (char *slash; (slash = strrchr(full.text + strlen(root) + 1, '/'));) {
        *slash = 0;
        if (!hn_fs_sync_dir(s->fs, full.text))
            return hn_fs_fail(cx, full.text, "synced");
    }
    return HN_OK;
}

static hn_err fill(hn_ctx *cx, const hn_store *s, const hn_manifest *m, const char *dir, const void *bytes, size_t len)
{
    hn_path path, blob;
    HN_TRY(hn_path_make(cx, &path, "%s/manifest.json", dir));
    HN_TRY(hn_fs_put(cx, s->fs, path.text, bytes, len));
    for (size_t i = 0; i < m->file_count; i++) {
        HN_TRY(hn_fs_mkdirs(cx, s->fs, dir, m->file[i].path));
        HN_TRY(hn_path_make(cx, &path, "%s/%s", dir, m->file[i].path));
        HN_TRY(hn_store_blob(cx, s, &m->file[i].sha256, &blob));
        if (!hn_fs_link(s->fs, blob.text, path.text))
            return hn_fs_fail(cx, path.text, "linked to its blob");
    }
    for (size_t i = 0; i < m->file_count; i++)
        HN_TRY(sync_file_folders(cx, s, dir, m->file[i].path));
    return hn_fs_sync_dir(s->fs, dir) ? HN_OK : hn_fs_fail(cx, dir, "synced");
}

hn_err hn_store_stage(hn_ctx *cx, const hn_store *s, const hn_manifest *m, const void *bytes, size_t len,
                      hn_reason *why)
{
    hn_path dir, temp, build;
    bool there;
    HN_TRY(hn_store_dir(cx, s, m->name, &dir));
    HN_TRY(hn_path_make(cx, &temp, "%s/.%llu.tmp", dir.text, (unsigned long long)m->build));
    HN_TRY(hn_store_build_dir(cx, s, m->name, m->build, &build));
    HN_TRY(hn_because(why, HN_WHY_STORE_IO, staged_before(cx, build.text, bytes, len, &there, why)));
    if (there)
        return HN_OK;
    hn_err e = hn_fs_remove_tree(cx, s->fs, temp.text);
    if (!e)
        e = hn_fs_mkdirs(cx, s->fs, s->root.text, temp.text + strlen(s->root.text) + 1);
    if (!e && !hn_fs_mkdir(s->fs, temp.text))
        e = hn_fs_fail(cx, temp.text, "made");
    if (!e)
        e = fill(cx, s, m, temp.text, bytes, len);
    if (!e && !(hn_fs_rename(s->fs, temp.text, build.text) && hn_fs_sync_dir(s->fs, dir.text)))
        e = hn_fs_fail(cx, build.text, "put in place");
    return hn_because(why, HN_WHY_STORE_IO, e);
}

/* ---- Slots ---------------------------------------------------------------------------------------------- */

typedef struct change {
    const hn_store *s;
    hn_path dir;
    int lock;
    hn_slots slots;
} change;

static hn_err begin(hn_ctx *cx, const hn_store *s, const char *name, change *c)
{
    c->s = s;
    HN_TRY(hn_store_dir(cx, s, name, &c->dir));
    HN_TRY(hn_slots_lock(cx, c->dir.text, &c->lock));
    hn_err e = hn_store_slots(cx, s, name, &c->slots);
    if (e)
        hn_slots_unlock(c->lock);
    return e;
}

static hn_err end(hn_ctx *cx, change *c, hn_err e)
{
    if (!e)
        e = hn_slots_write(cx, c->s->fs, c->dir.text, &c->slots);
    hn_slots_unlock(c->lock);
    return e;
}

hn_err hn_store_trial(hn_ctx *cx, const hn_store *s, const hn_manifest *m, unsigned tries, hn_reason *why)
{
    change c;
    hn_path build;
    struct stat st;
    HN_TRY(hn_store_build_dir(cx, s, m->name, m->build, &build));
    if (stat(build.text, &st) != 0)
        return hn_fail(cx, HN_EARG, "%s: stage the build before its trial", build.text);
    if (tries == 0 || tries > HN_TRIES_MAX)
        return hn_fail(cx, HN_EARG, "a trial has 1 to %d tries", HN_TRIES_MAX);
    HN_TRY(hn_because(why, HN_WHY_STORE_IO, begin(cx, s, m->name, &c)));
    hn_err e = may_install(cx, &c.slots, m, why);
    if (!e && c.slots.trial == m->build) {           /* goes on after a cut: with the tries it has */
        hn_slots_unlock(c.lock);
        return HN_OK;
    }
    c.slots.trial = m->build;
    c.slots.tries_left = tries;
    return hn_because(why, HN_WHY_STORE_IO, end(cx, &c, e));
}

hn_err hn_store_count(hn_ctx *cx, const hn_store *s, const char *name, unsigned *left)
{
    change c;
    HN_TRY(begin(cx, s, name, &c));
    if (!c.slots.trial || !c.slots.tries_left)
        return end(cx, &c, hn_fail(cx, HN_ENO, "%s: no trial, or no try is left", name));
    c.slots.tries_left--;
    HN_TRY(end(cx, &c, HN_OK));
    *left = c.slots.tries_left;
    return HN_OK;
}

hn_err hn_store_commit(hn_ctx *cx, const hn_store *s, const char *name)
{
    change c;
    HN_TRY(begin(cx, s, name, &c));
    if (!c.slots.trial)
        return end(cx, &c, hn_fail(cx, HN_ENO, "%s: nothing is on trial", name));
    c.slots.previous = c.slots.current;
    c.slots.current = c.slots.trial;
    c.slots.trial = 0;
    c.slots.tries_left = 0;
    HN_TRY(end(cx, &c, HN_OK));

    /* Only now: had the floor risen before, a failed trial would lock out the build it goes back to. */
    HN_TRY(begin(cx, s, name, &c));
    if (c.slots.floor >= c.slots.current) {
        hn_slots_unlock(c.lock);
        return HN_OK;
    }
    c.slots.floor = c.slots.current;
    return end(cx, &c, HN_OK);
}

hn_err hn_store_rollback(hn_ctx *cx, const hn_store *s, const char *name, uint64_t *left_build)
{
    change c;
    HN_TRY(begin(cx, s, name, &c));
    uint64_t leaves = c.slots.trial ? c.slots.trial : c.slots.current;
    if (!c.slots.trial && !c.slots.previous)
        return end(cx, &c, hn_fail(cx, HN_ENO, "%s: there is no earlier build to go back to", name));
    if (!c.slots.trial) {
        c.slots.current = c.slots.previous;
        c.slots.previous = 0;
    }
    c.slots.trial = 0;
    c.slots.tries_left = 0;
    hn_slots_add_bad(&c.slots, leaves);
    HN_TRY(end(cx, &c, HN_OK));
    *left_build = leaves;
    return HN_OK;
}

hn_err hn_store_condemn(hn_ctx *cx, const hn_store *s, const char *name, uint64_t build)
{
    change c;
    HN_TRY(begin(cx, s, name, &c));
    hn_slots_add_bad(&c.slots, build);
    return end(cx, &c, HN_OK);
}

hn_err hn_store_arm(hn_ctx *cx, const hn_store *s, const char *name, hn_arm_mode mode, uint64_t build, unsigned share)
{
    change c;
    hn_path path;
    HN_TRY(hn_store_build_dir(cx, s, name, build, &path));
    if (mode != HN_ARM_NONE && access(path.text, F_OK) != 0)
        return hn_fail(cx, HN_ENO, "%s: build %llu is not installed", name, (unsigned long long)build);
    HN_TRY(begin(cx, s, name, &c));
    c.slots.arm_mode = mode;
    c.slots.arm = mode == HN_ARM_NONE ? 0 : build;
    c.slots.arm_share = mode == HN_ARM_AB ? share : 0;
    return end(cx, &c, HN_OK);
}
