/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"

#define FILE_MAX 4096            /* bytes of the file; a whole one has under 700 */
#define SEAL ",\"crc32\":\""     /* begins what stands behind the checked bytes */

static const char *const arm_names[] = { "none", "ab", "shadow" };

uint32_t hn_crc32(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t c = ~(uint32_t)0;
    for (size_t i = 0; i < len; i++) {
        c ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            c = c >> 1 ^ (0xEDB88320u & (0u - (c & 1)));
    }
    return ~c;
}

bool hn_slots_is_bad(const hn_slots *s, uint64_t build)
{
    for (unsigned i = 0; i < s->bad_count; i++)
        if (s->bad[i] == build)
            return true;
    return false;
}

void hn_slots_add_bad(hn_slots *s, uint64_t build)
{
    if (hn_slots_is_bad(s, build))
        return;
    if (s->bad_count == HN_SLOTS_BAD_MAX)
        memmove(s->bad, s->bad + 1, --s->bad_count * sizeof *s->bad);
    s->bad[s->bad_count++] = build;
}

bool hn_slots_keeps(const hn_slots *s, uint64_t build)
{
    return build && (build == s->current || build == s->previous || build == s->trial ||
                     (s->arm_mode != HN_ARM_NONE && build == s->arm));
}

/* ---- Reading ------------------------------------------------------------------------------------- */

static bool get(const json_t *j, const char *key, uint64_t max, uint64_t *out)
{
    const json_t *v = json_object_get(j, key);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
        return false;
    *out = (uint64_t)n;
    return true;
}

static bool get_arm(const json_t *j, hn_slots *s)
{
    const json_t *ab = json_object_get(j, "ab");
    const char *mode = json_string_value(json_object_get(ab, "mode"));
    uint64_t share;
    if (!mode)
        return json_is_object(ab) && json_object_size(ab) == 0;
    for (int i = HN_ARM_AB; i <= HN_ARM_SHADOW; i++)
        if (strcmp(mode, arm_names[i]) == 0)
            s->arm_mode = (hn_arm_mode)i;
    if (s->arm_mode == HN_ARM_NONE || !get(ab, "build", HN_BUILD_MAX, &s->arm) || !get(ab, "share", 1000000, &share))
        return false;
    s->arm_share = (unsigned)share;
    return true;
}

static bool from_json(const json_t *j, hn_slots *s)
{
    const json_t *bad = json_object_get(j, "bad");
    uint64_t tries;
    if (!get(j, "seq", HN_BUILD_MAX, &s->seq) || !get(j, "current", HN_BUILD_MAX, &s->current) ||
        !get(j, "previous", HN_BUILD_MAX, &s->previous) || !get(j, "trial", HN_BUILD_MAX, &s->trial) ||
        !get(j, "tries_left", HN_TRIES_MAX, &tries) || !get(j, "floor", HN_BUILD_MAX, &s->floor) ||
        !json_is_array(bad) || json_array_size(bad) > HN_SLOTS_BAD_MAX || !get_arm(j, s))
        return false;
    s->tries_left = (unsigned)tries;
    for (size_t i = 0; i < json_array_size(bad); i++) {
        json_int_t n = json_integer_value(json_array_get(bad, i));
        if (n <= 0 || (uint64_t)n > HN_BUILD_MAX)
            return false;
        s->bad[s->bad_count++] = (uint64_t)n;
    }
    return true;
}

/* The bytes before the seal are what the sum covers; the seal closes the object. */
static bool parse(const char *text, size_t len, hn_slots *out)
{
    const size_t seal = sizeof SEAL - 1, tail = seal + 8 + 3;        /* 8 digits, quote, brace, newline */
    char sum[9];
    if (len <= tail || len > FILE_MAX || memcmp(text + len - tail, SEAL, seal) != 0 ||
        memcmp(text + len - 3, "\"}\n", 3) != 0)
        return false;
    snprintf(sum, sizeof sum, "%08x", (unsigned)hn_crc32(text, len - tail));
    if (memcmp(text + len - tail + seal, sum, 8) != 0)
        return false;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    hn_slots s = { 0 };
    bool ok = j && from_json(j, &s);
    json_decref(j);
    if (ok)
        *out = s;
    return ok;
}

/* HN_ENO: no such file; HN_EFORMAT: there, but not whole. */
static hn_err read_one(hn_ctx *cx, const char *dir, const char *name, hn_slots *out)
{
    hn_path path;
    hn_file f;
    HN_TRY(hn_path_make(cx, &path, "%s/%s", dir, name));
    if (access(path.text, F_OK) != 0)
        return errno == ENOENT || errno == ENOTDIR ? HN_ENO : hn_fs_fail(cx, path.text, "read");
    HN_TRY(hn_file_open(cx, path.text, &f));
    bool ok = parse((const char *)f.data, f.len, out);
    hn_file_close(&f);
    return ok ? HN_OK : hn_fail(cx, HN_EFORMAT, "%s: damaged: its sum does not match", path.text);
}

hn_err hn_slots_read(hn_ctx *cx, const char *dir, hn_slots *out)
{
    hn_err e = read_one(cx, dir, "slots.json", out);
    if (e != HN_EFORMAT && e != HN_ENO)
        return e;
    hn_err p = read_one(cx, dir, "slots.json.prev", out);
    if (p && e == HN_ENO && p == HN_ENO)
        return hn_fail(cx, HN_ENO, "%s: no model is installed there", dir);
    if (p)
        return hn_fail(cx, HN_EFORMAT, "%s: slots.json and slots.json.prev are both damaged or gone; install the "
                                       "model anew", dir);
    if (out->trial && out->tries_left)
        out->tries_left--;
    if (out->floor < out->current)
        out->floor = out->current;
    hn_log(cx, HN_LOG_WARN, "%s: slots.json is damaged, slots.json.prev is taken", dir);
    return HN_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------- */

static hn_err print(hn_ctx *cx, const hn_slots *s, hn_buf *b)
{
    *b = (hn_buf){ .cx = cx };
    hn_buf_printf(b, "{\"seq\":%llu,\"current\":%llu,\"previous\":%llu,\"trial\":%llu,\"tries_left\":%u,"
                  "\"floor\":%llu,\"bad\":[",
                  (unsigned long long)s->seq, (unsigned long long)s->current, (unsigned long long)s->previous,
                  (unsigned long long)s->trial, s->tries_left, (unsigned long long)s->floor);
    for (unsigned i = 0; i < s->bad_count; i++)
        hn_buf_printf(b, "%s%llu", i ? "," : "", (unsigned long long)s->bad[i]);
    hn_buf_text(b, "],\"ab\":{");
    if (s->arm_mode != HN_ARM_NONE)
        hn_buf_printf(b, "\"mode\":\"%s\",\"build\":%llu,\"share\":%u", arm_names[s->arm_mode],
                      (unsigned long long)s->arm, s->arm_share);
    hn_buf_text(b, "}");
    if (!b->failed)
        hn_buf_printf(b, SEAL "%08x\"}\n", (unsigned)hn_crc32(b->data, b->len));
    return hn_buf_ok(b, "slots.json");
}

static hn_err replace(hn_ctx *cx, const hn_fs *fs, const char *dir, const hn_buf *b)
{
    hn_path now, fresh, prev, kept;
    HN_TRY(hn_path_make(cx, &now, "%s/slots.json", dir));
    HN_TRY(hn_path_make(cx, &fresh, "%s/slots.json.new", dir));
    HN_TRY(hn_path_make(cx, &prev, "%s/slots.json.prev", dir));
    HN_TRY(hn_path_make(cx, &kept, "%s/slots.json.prev.new", dir));
    HN_TRY(hn_fs_put(cx, fs, fresh.text, b->data, b->len));
    if (access(now.text, F_OK) == 0) {
        if (access(kept.text, F_OK) == 0 && !hn_fs_unlink(fs, kept.text))
            return hn_fs_fail(cx, kept.text, "removed");
        /* Only a whole file is worth keeping: a damaged one must not push out the .prev that saved us. */
        hn_slots old;
        if (read_one(cx, dir, "slots.json", &old) == HN_OK &&
            (!hn_fs_link(fs, now.text, kept.text) || !hn_fs_rename(fs, kept.text, prev.text)))
            return hn_fs_fail(cx, kept.text, "kept");
    }
    if (!hn_fs_rename(fs, fresh.text, now.text))
        return hn_fs_fail(cx, now.text, "replaced");
    return hn_fs_sync_dir(fs, dir) ? HN_OK : hn_fs_fail(cx, dir, "synced");
}

hn_err hn_slots_write(hn_ctx *cx, const hn_fs *fs, const char *dir, hn_slots *s)
{
    hn_slots next = *s;
    hn_buf b;
    next.seq++;
    hn_err e = print(cx, &next, &b);
    if (!e)
        e = replace(cx, fs, dir, &b);
    hn_buf_free(&b);
    if (!e)
        *s = next;
    return e;
}

hn_err hn_slots_lock(hn_ctx *cx, const char *dir, int *out)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
    if (fd < 0)
        return hn_fs_fail(cx, dir, "opened");
    do
        r = flock(fd, LOCK_EX);
    while (r != 0 && errno == EINTR);
    if (r != 0) {
        close(fd);
        return hn_fs_fail(cx, dir, "locked");
    }
    *out = fd;
    return HN_OK;
}

void hn_slots_unlock(int lock)
{
    if (lock >= 0)
        close(lock);          /* closing lets go of it */
}
