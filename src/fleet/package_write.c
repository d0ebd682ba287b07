/* SPDX-License-Identifier: Apache-2.0 */
/* package_write.c: a package's files into a folder or an archive. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet/oci.h"
#include "fleet/package_impl.h"

hn_err hn_part_measure(hn_ctx *cx, hn_part *p)
{
    return p->from ? hn_digest_of_file(cx, p->from, &p->digest, &p->size)
                   : hn_digest_of(cx, p->data, (size_t)p->size, &p->digest);
}

static const char *media_type_of(const char *role)
{
    if (strcmp(role, "model") == 0 || strcmp(role, "weights") == 0)
        return HN_OCI_WEIGHT;
    if (strcmp(role, "golden") == 0)
        return HN_OCI_DATASET;
    return strcmp(role, "labels") == 0 || strcmp(role, "config") == 0 ? HN_OCI_WEIGHT_CONFIG : HN_OCI_DOC;
}

hn_err hn_part_add(hn_ctx *cx, hn_part *part, size_t *count, hn_part p)
{
    if (*count == HN_PARTS_MAX)
        return hn_fail(cx, HN_ELIMIT, "a package holds at most %d files", HN_PARTS_MAX);
    if (!hn_package_path_ok(p.path))
        return hn_fail(cx, HN_EARG, "'%.200s' cannot name a file in a package", p.path);
    p.media_type = media_type_of(p.role);
    HN_TRY(hn_part_measure(cx, &p));
    part[(*count)++] = p;
    return HN_OK;
}

json_t *hn_part_descriptor(const hn_part *p)
{
    char digest[80];
    snprintf(digest, sizeof digest, "sha256:%s", hn_digest_hex(&p->digest).text);
    json_t *j = json_pack("{s:s, s:s, s:I}", "mediaType", p->media_type, "digest", digest, "size", (json_int_t)p->size);
    if (j && p->path)
        json_object_set_new(j, "annotations", json_pack("{s:s}", HN_OCI_FILEPATH, p->path));
    return j;
}

typedef struct writer {
    hn_ctx *cx;
    bool is_tar;
    int fd;                       /* the archive */
    hn_path temp;                 /* what will be renamed to the package */
} writer;

static hn_err failed(writer *w) { return hn_fs_fail(w->cx, w->temp.text, "written"); }

static hn_err copy_file(writer *w, int to, const hn_part *p)
{
    enum { STEP = 64 << 10 };
    uint64_t done = 0;
    ssize_t n = 1;
    int from = open(p->from, O_RDONLY | O_CLOEXEC);
    char *buf = hn_alloc(w->cx, STEP);
    hn_err e = from < 0 ? hn_fs_fail(w->cx, p->from, "read") : buf ? HN_OK : hn_nomem(w->cx, "a package");
    while (!e && n > 0 && done < p->size) {
        n = read(from, buf, STEP);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        if (n > 0 && !hn_fs_write(NULL, to, buf, (size_t)n))
            e = failed(w);
        done += n > 0 ? (uint64_t)n : 0;
    }
    if (!e && done != p->size)
        e = hn_fail(w->cx, HN_EIO, "%s: changed while it was packaged; try again", p->from);
    hn_free(w->cx, buf);
    if (from >= 0)
        close(from);
    return e;
}

static hn_err put_bytes(writer *w, int to, const hn_part *p)
{
    if (p->from)
        return copy_file(w, to, p);
    return hn_fs_write(NULL, to, p->data, (size_t)p->size) ? HN_OK : failed(w);
}

static hn_err put_folder(writer *w, const char *name, const hn_part *p)
{
    hn_path path;
    HN_TRY(hn_fs_mkdirs(w->cx, NULL, w->temp.text, name));
    HN_TRY(hn_path_make(w->cx, &path, "%s/%s", w->temp.text, name));
    int fd = hn_fs_create(NULL, path.text, false);
    if (fd < 0)
        return hn_fs_fail(w->cx, path.text, "created");
    hn_err e = put_bytes(w, fd, p);
    bool ok = hn_fs_sync(NULL, fd);
    ok = close(fd) == 0 && ok;
    return e ? e : ok ? HN_OK : failed(w);
}

static hn_err put(writer *w, const char *name, const hn_part *p)
{
    static const char zeros[512];
    uint8_t head[512];
    if (!w->is_tar)
        return put_folder(w, name, p);
    HN_TRY(hn_tar_head(w->cx, name, p->size, head));
    if (!hn_fs_write(NULL, w->fd, head, sizeof head))
        return failed(w);
    HN_TRY(put_bytes(w, w->fd, p));
    return hn_fs_write(NULL, w->fd, zeros, hn_tar_pad(p->size)) ? HN_OK : failed(w);
}

static hn_err put_blob(writer *w, const hn_part *p)
{
    char name[96];
    snprintf(name, sizeof name, "blobs/sha256/%s", hn_digest_hex(&p->digest).text);
    return put(w, name, p);
}

static hn_err put_text(writer *w, const char *name, const char *text)
{
    const hn_part p = { .data = text, .size = strlen(text) };
    return put(w, name, &p);
}

static bool seen_before(const hn_part *part, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (hn_digest_equal(&part[k].digest, &part[i].digest))
            return true;
    return false;
}

static hn_err put_index(writer *w, const hn_part *manifest, const char *title)
{
    json_t *d = hn_part_descriptor(manifest);
    json_object_set_new(d, "artifactType", json_string(HN_OCI_ARTIFACT));
    json_object_set_new(d, "annotations", json_pack("{s:s}", "org.opencontainers.image.ref.name", title));
    json_t *index = json_pack("{s:i, s:s, s:[o]}", "schemaVersion", 2, "mediaType", HN_OCI_INDEX, "manifests", d);
    char *text = index ? json_dumps(index, JSON_COMPACT) : NULL;
    hn_err e = text ? put_text(w, "index.json", text) : hn_nomem(w->cx, "a package");
    free(text);
    json_decref(index);
    return e;
}

static hn_err put_all(writer *w, const hn_part *manifest, const hn_part *part, size_t count, const char *title)
{
    static const char zeros[HN_TAR_END];
    HN_TRY(put_text(w, "oci-layout", HN_OCI_LAYOUT));
    HN_TRY(put_index(w, manifest, title));
    HN_TRY(put_blob(w, manifest));
    for (size_t i = 0; i < count; i++)
        if (!seen_before(part, i))
            HN_TRY(put_blob(w, &part[i]));
    if (w->is_tar && !(hn_fs_write(NULL, w->fd, zeros, sizeof zeros) && hn_fs_sync(NULL, w->fd)))
        return failed(w);
    return HN_OK;
}

/* Never over something else: a folder that is no package may hold what somebody needs. */
static hn_err make_way(hn_ctx *cx, const char *out)
{
    struct stat st;
    if (lstat(out, &st) != 0)
        return HN_OK;
    if (!hn_package_probe(out))
        return hn_fail(cx, HN_EARG, "%s: is there and is no package; name another place with --output", out);
    return S_ISDIR(st.st_mode) ? hn_fs_remove_tree(cx, NULL, out) : HN_OK;
}

hn_err hn_parts_write(hn_ctx *cx, const char *out, const hn_part *manifest, const hn_part *part, size_t count,
                      const char *title)
{
    size_t len = strlen(out);
    writer w = { .cx = cx, .fd = -1, .is_tar = len > 4 && strcmp(out + len - 4, ".tar") == 0 };
    while (len > 1 && out[len - 1] == '/')
        len--;
    HN_TRY(hn_path_make(cx, &w.temp, "%.*s.tmp", (int)len, out));
    HN_TRY(hn_fs_remove_tree(cx, NULL, w.temp.text));
    hn_err e = HN_OK;
    if (w.is_tar && (w.fd = hn_fs_create(NULL, w.temp.text, false)) < 0)
        e = hn_fs_fail(cx, w.temp.text, "created");
    if (!w.is_tar && !hn_fs_mkdir(NULL, w.temp.text))
        e = hn_fs_fail(cx, w.temp.text, "made");
    if (!e)
        e = put_all(&w, manifest, part, count, title);
    if (w.fd >= 0 && close(w.fd) != 0 && !e)
        e = failed(&w);
    if (!e)
        e = make_way(cx, out);
    if (!e && !hn_fs_rename(NULL, w.temp.text, out))
        e = hn_fs_fail(cx, out, "put in place");
    if (e && w.is_tar)
        unlink(w.temp.text);
    else if (e) {
        char why[HN_MSG_MAX];
        memcpy(why, cx->msg, sizeof why);
        hn_fs_remove_tree(cx, NULL, w.temp.text);
        memcpy(cx->msg, why, sizeof why);
    }
    return e;
}

hn_err hn_package_copy(hn_ctx *cx, const hn_package *p, const char *to)
{
    size_t count = p->layer_count + 1, opened = 0;
    hn_part *part = hn_calloc(cx, count, sizeof *part);
    hn_file *f = hn_calloc(cx, count, sizeof *f);
    char title[128];
    hn_err e = part && f ? HN_OK : hn_nomem(cx, "a package");
    for (size_t i = 0; i < count && !e; i++) {
        const hn_layer *l = i ? &p->layer[i - 1] : &p->config;
        e = hn_package_blob(cx, p, l, &f[i]);
        if (!e) {
            part[i] = (hn_part){ .data = f[i].data, .size = f[i].len, .digest = l->digest };
            opened++;
        }
    }
    const hn_part manifest = { .media_type = HN_OCI_MANIFEST, .data = p->oci_bytes, .size = p->oci.size,
                               .digest = p->oci.digest };
    snprintf(title, sizeof title, "%s-%llu", p->m.name, (unsigned long long)p->m.build);
    if (!e)
        e = hn_parts_write(cx, to, &manifest, part, count, title);
    for (size_t i = 0; i < opened; i++)
        hn_package_done(p, &f[i]);
    hn_free(cx, part);
    hn_free(cx, f);
    return e;
}
