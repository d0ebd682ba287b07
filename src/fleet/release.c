/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/release.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet/json.h"
#include "fleet/oci.h"
#include "fleet/tuf_repo.h"

hn_err hn_channel_read(hn_ctx *cx, const void *data, size_t len, hn_channel *out)
{
    json_t *j;
    hn_channel c;
    if (len > HN_CHANNEL_BYTES_MAX)
        return hn_fail(cx, HN_EFORMAT, "channel: %zu bytes, at most %d are read", len, HN_CHANNEL_BYTES_MAX);
    HN_TRY(hn_json_parse(cx, "channel", data, len, &j));
    const char *name = json_string_value(json_object_get(j, "name"));
    json_int_t build = json_integer_value(json_object_get(j, "build"));
    bool ok = json_integer_value(json_object_get(j, "hone_channel")) == 1 && name && hn_name_ok(name) && build > 0 &&
              (uint64_t)build <= HN_BUILD_MAX;
    if (ok) {
        snprintf(c.name, sizeof c.name, "%s", name);
        c.build = (uint64_t)build;
        *out = c;
    }
    json_decref(j);
    return ok ? HN_OK : hn_fail(cx, HN_EFORMAT, "channel: expected {\"hone_channel\":1,\"name\":NAME,\"build\":N}");
}

hn_err hn_release_channel_path(hn_ctx *cx, const char *name, const char *channel, hn_path *out)
{
    if (!hn_name_ok(name) || !hn_name_ok(channel))
        return hn_fail(cx, HN_EARG, "'%.80s' and '%.80s': expected names of a-z, 0-9, '.', '_', '-'", name, channel);
    return hn_path_make(cx, out, "models/%s/%s.json", name, channel);
}

hn_err hn_release_manifest_path(hn_ctx *cx, const char *name, uint64_t build, hn_path *out)
{
    return hn_path_make(cx, out, "models/%s/%llu/manifest.json", name, (unsigned long long)build);
}

/* Through a name of its own, so that a reader sees all of it or nothing. */
static hn_err put(hn_ctx *cx, const char *root, const char *name, const void *data, size_t len)
{
    hn_path path;
    HN_TRY(hn_fs_mkdirs(cx, NULL, root, name));
    HN_TRY(hn_path_make(cx, &path, "%s/%s", root, name));
    return hn_file_write(cx, path.text, data, len);
}

static hn_err put_blob(hn_ctx *cx, const hn_package *p, const hn_layer *l, const char *targets)
{
    hn_path path;
    hn_file f;
    HN_TRY(hn_path_make(cx, &path, "%s/blobs/sha256/%s", targets, hn_digest_hex(&l->digest).text));
    if (access(path.text, F_OK) == 0)
        return HN_OK;
    HN_TRY(hn_package_blob(cx, p, l, &f));
    hn_err e = put(cx, targets, path.text + strlen(targets) + 1, f.data, f.len);
    hn_package_done(p, &f);
    return e;
}

/* A target from memory: the repository copies files. */
static hn_err set_target(hn_ctx *cx, const char *repo, const char *role, const char *path, const void *data, size_t len,
                         int64_t expires)
{
    hn_path temp;
    HN_TRY(hn_path_make(cx, &temp, "%s/target.new", repo));
    HN_TRY(hn_file_write(cx, temp.text, data, len));
    hn_err e = hn_tuf_repo_set_target(cx, repo, role, path, temp.text, NULL, expires);
    unlink(temp.text);
    return e;
}

hn_err hn_release_package(hn_ctx *cx, const hn_package *p, const char *repo, const char *channel, const char *role,
                          int64_t expires)
{
    hn_path manifest, pointer, targets;
    char text[256];
    hn_reason why = HN_WHY_NONE;
    HN_TRY(hn_release_channel_path(cx, p->m.name, channel, &pointer));
    HN_TRY(hn_release_manifest_path(cx, p->m.name, p->m.build, &manifest));
    HN_TRY(hn_path_make(cx, &targets, "%s/targets", repo));
    HN_TRY(hn_package_verify(cx, p, &why));
    if (!hn_fs_mkdir(NULL, targets.text))
        return hn_fs_fail(cx, targets.text, "made");
    for (size_t i = 0; i < p->layer_count; i++)
        if (strcmp(p->layer[i].media_type, HN_OCI_HONE) != 0)
            HN_TRY(put_blob(cx, p, &p->layer[i], targets.text));
    HN_TRY(set_target(cx, repo, role, manifest.text, p->manifest_bytes, p->manifest_len, expires));
    int n = snprintf(text, sizeof text, "{\"hone_channel\":1,\"name\":\"%s\",\"build\":%llu}\n", p->m.name,
                     (unsigned long long)p->m.build);
    return set_target(cx, repo, role, pointer.text, text, (size_t)n, expires);
}
