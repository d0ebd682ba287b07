/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/store_read.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define MANIFEST_MAX ((size_t)4 << 20)
#define LOOKS_MAX 8              /* each needs a whole installation to have happened since the last */

const char *const hn_event_names[HN_EVENT_COUNT] = { "good", "error", "nan" };

bool hn_name_ok(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > HN_NAME_MAX || name[0] == '.' || name[0] == '_' || name[0] == '-')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

hn_err hn_store_role(hn_ctx *cx, const char *build_dir, const char *role, hn_path *out)
{
    hn_path path;
    hn_file f;
    HN_TRY(hn_path_make(cx, &path, "%s/manifest.json", build_dir));
    HN_TRY(hn_file_open(cx, path.text, &f));
    json_t *j = f.len > MANIFEST_MAX ? NULL : json_loadb((const char *)f.data, f.len, JSON_REJECT_DUPLICATES, NULL);
    hn_file_close(&f);
    if (!j)
        return hn_fail(cx, HN_EFORMAT, "%s: expected a manifest in JSON", path.text);
    const json_t *files = json_object_get(j, "files");
    const char *found = NULL;
    for (size_t i = 0; i < json_array_size(files) && !found; i++) {
        const json_t *file = json_array_get(files, i);
        const char *r = json_string_value(json_object_get(file, "role"));
        if (r && strcmp(r, role) == 0)
            found = json_string_value(json_object_get(file, "path"));
    }
    hn_err e;
    if (!found)
        e = hn_fail(cx, HN_ENO, "%s: no file has the role '%s'", path.text, role);
    else if (!hn_path_stays_inside(found, strlen(found)))
        e = hn_fail(cx, HN_EREFUSED, "%s: '%.200s' leads outside the build", path.text, found);
    else
        e = hn_path_make(cx, out, "%s", found);
    json_decref(j);
    return e;
}

/* Before the trial is loaded it has one try less, whatever happens then. */
static hn_err count_start(hn_ctx *cx, const char *dir, hn_slots *s)
{
    int lock;
    HN_TRY(hn_slots_lock(cx, dir, &lock));
    hn_err e = hn_slots_read(cx, dir, s);
    if (!e && s->trial && s->tries_left) {
        s->tries_left--;
        e = hn_slots_write(cx, NULL, dir, s);
        s->tries_left++;              /* of this start: one is in hand */
    }
    hn_slots_unlock(lock);
    return e;
}

static uint64_t choose(const hn_slots *s, hn_pick pick)
{
    if (pick == HN_PICK_ARM)
        return s->arm_mode == HN_ARM_NONE ? 0 : s->arm;
    return pick == HN_PICK_TRIAL && s->trial && s->tries_left ? s->trial : s->current;
}

hn_err hn_store_pick(hn_ctx *cx, const char *store, const char *name, hn_pick pick, hn_picked *out)
{
    hn_path dir, build, role;
    hn_slots s;
    hn_err e = HN_OK;

    if (!hn_name_ok(name))
        return hn_fail(cx, HN_EARG, "'%.80s' is no model's name: expected lower-case letters, digits, '.', '_', '-'",
                       name);
    HN_TRY(hn_path_make(cx, &dir, "%s/models/%s", store, name));
    for (int look = 0; look < LOOKS_MAX; look++) {
        HN_TRY(hn_slots_read(cx, dir.text, &s));
        if (pick == HN_PICK_TRIAL && s.trial && s.tries_left && look == 0)
            HN_TRY(count_start(cx, dir.text, &s));
        uint64_t seq = s.seq, chosen = choose(&s, pick);
        if (!chosen)
            return hn_fail(cx, HN_ENO, "%s: no %s build of it is installed", name,
                           pick == HN_PICK_ARM ? "second" : "proven");
        HN_TRY(hn_path_make(cx, &build, "%s/%llu", dir.text, (unsigned long long)chosen));
        e = hn_store_role(cx, build.text, "model", &role);
        if (!e)
            e = hn_path_make(cx, &out->model, "%s/%s", build.text, role.text);
        if (!e && access(out->model.text, R_OK) == 0) {
            out->build = chosen;
            out->trial = chosen == s.trial;
            return HN_OK;
        }
        if (!e)
            e = hn_fail(cx, HN_EFORMAT, "%s: the build lacks its model file", out->model.text);
        char why[HN_MSG_MAX];
        memcpy(why, cx->msg, sizeof why);
        HN_TRY(hn_slots_read(cx, dir.text, &s));
        memcpy(cx->msg, why, sizeof why);
        if (s.seq == seq)
            return e;                 /* not replaced under our feet: it is really so */
    }
    return e;
}

static hn_err append(hn_ctx *cx, const char *store, const char *name, uint64_t build, const char *line, size_t len)
{
    struct stat st;
    hn_path path;
    HN_TRY(hn_path_make(cx, &path, "%s/health/%s.%llu", store, name, (unsigned long long)build));
    int fd = open(path.text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return hn_fs_fail(cx, path.text, "written");
    bool room = fstat(fd, &st) == 0 && st.st_size + (off_t)len <= HN_HEALTH_BYTES_MAX;
    bool ok = !room || write(fd, line, len) == (ssize_t)len;
    hn_err e = ok ? HN_OK : hn_fs_fail(cx, path.text, "written");
    close(fd);
    return e;
}

hn_err hn_store_report(hn_ctx *cx, const char *store, const char *name, uint64_t build, hn_event event, double ms)
{
    char line[64];
    if (!hn_name_ok(name) || event >= HN_EVENT_COUNT || !(ms >= 0))
        return hn_fail(cx, HN_EARG, "a report needs a model's name, an event and a time");
    int n = snprintf(line, sizeof line, "%s %.3f\n", hn_event_names[event], ms);
    return append(cx, store, name, build, line, (size_t)n);
}

hn_err hn_store_report_mean(hn_ctx *cx, const char *store, const char *name, uint64_t build, const char *port,
                            double mean)
{
    char line[HN_PORT_MAX + 64];
    if (!hn_name_ok(name) || mean != mean || strlen(port) == 0 || strlen(port) > HN_PORT_MAX || strchr(port, '\n'))
        return hn_fail(cx, HN_EARG, "a report needs a model's name, an input's or output's, and a number");
    int n = snprintf(line, sizeof line, "mean %.9g %s\n", mean, port);
    return append(cx, store, name, build, line, (size_t)n);
}
