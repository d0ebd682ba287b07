/* SPDX-License-Identifier: Apache-2.0 */
/* Which role speaks for a target, and getting the file it vouches for. */
#include <stdio.h>
#include <string.h>

#include "fleet/hash.h"
#include "fleet/tuf_impl.h"
#include "net/fetch.h"
#include "net/url.h"

/* ---- Patterns --------------------------------------------------------------------------------------- */

/* One part of a path against one part of a pattern: '*' any run, '?' any one byte.  Goes back to the last
 * star only, so time is at most the product of the lengths. */
static bool part_matches(const char *pattern, size_t pattern_len, const char *text, size_t text_len)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;
    while (i < text_len) {
        if (p < pattern_len && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == text[i]))) {
            p++;
            i++;
        } else if (p < pattern_len && pattern[p] == '*') {
            star = p++;
            mark = i;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern_len && pattern[p] == '*')
        p++;
    return p == pattern_len;
}

static bool path_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t pattern_len = strcspn(pattern, "/"), path_len = strcspn(path, "/");
        if (!part_matches(pattern, pattern_len, path, path_len))
            return false;
        pattern += pattern_len;
        path += path_len;
        if (!*pattern || !*path)
            return *pattern == *path;
        pattern++;
        path++;
    }
}

static bool speaks_for(const json_t *role, const char *path, const char *path_hash)
{
    const json_t *paths = json_object_get(role, "paths"), *prefixes = json_object_get(role, "path_hash_prefixes");
    for (size_t i = 0; i < json_array_size(paths); i++)
        if (path_matches(json_string_value(json_array_get(paths, i)), path))
            return true;
    for (size_t i = 0; i < json_array_size(prefixes); i++) {
        const char *prefix = json_string_value(json_array_get(prefixes, i));
        if (*prefix && strncmp(path_hash, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

/* ---- The search: depth first, in listed order, each role once --------------------------------------- */

typedef struct stop {              /* a role to visit, and who vouches for it */
    const char *name;
    hn_tuf_signers by;
} stop;

typedef struct search {
    hn_tuf *t;
    const char *path;
    char path_hash[HN_SHA256_HEX];
    stop *ahead; size_t ahead_count, ahead_cap;
    const char **visited; size_t visited_count, visited_cap;
} search;

static bool was_visited(const search *s, const char *name)
{
    for (size_t i = 0; i < s->visited_count; i++)
        if (strcmp(s->visited[i], name) == 0)
            return true;
    return false;
}

static hn_err push(hn_ctx *cx, search *s, stop next)
{
    if (!hn_grow(cx, &s->ahead, s->ahead_count, &s->ahead_cap, sizeof *s->ahead))
        return hn_nomem(cx, "a search");
    s->ahead[s->ahead_count++] = next;
    return HN_OK;
}

/* Puts the roles `m` delegates this path to on the stack, the first on top. */
static hn_err go_deeper(hn_ctx *cx, search *s, const hn_tuf_meta *m)
{
    const json_t *d = json_object_get(m->body, "delegations"), *roles = json_object_get(d, "roles");
    const json_t *keys = json_object_get(d, "keys");
    size_t count = 0, first;
    bool ends = false;

    while (count < json_array_size(roles) && !ends) {
        const json_t *role = json_array_get(roles, count++);
        ends = json_is_true(json_object_get(role, "terminating")) && speaks_for(role, s->path, s->path_hash);
    }
    if (ends)                      /* nobody who comes after that subtree is asked */
        s->ahead_count = 0;
    for (first = count; first-- > 0;) {
        const json_t *role = json_array_get(roles, first);
        if (speaks_for(role, s->path, s->path_hash))
            HN_TRY(push(cx, s, (stop){ json_string_value(json_object_get(role, "name")), { keys, role } }));
    }
    return HN_OK;
}

static hn_err walk(hn_ctx *cx, search *s, hn_tuf_target *out)
{
    HN_TRY(push(cx, s, (stop){ "targets", hn_tuf_root_signers(&s->t->root, HN_TUF_TARGETS) }));
    while (s->ahead_count && s->visited_count < s->t->o.roles_visited) {
        const hn_tuf_meta *m;
        stop at = s->ahead[--s->ahead_count];
        if (was_visited(s, at.name))
            continue;
        HN_TRY(hn_tuf_load_role(cx, s->t, at.name, at.by, &m));
        const json_t *targets = json_object_get(m->body, "targets"), *entry = json_object_get(targets, s->path);
        if (entry) {
            void *iter = json_object_iter_at((json_t *)(uintptr_t)targets, s->path);
            *out = (hn_tuf_target){ json_object_iter_key(iter),
                                    (uint64_t)json_integer_value(json_object_get(entry, "length")), entry };
            return HN_OK;
        }
        if (!hn_grow(cx, &s->visited, s->visited_count, &s->visited_cap, sizeof *s->visited))
            return hn_nomem(cx, "a search");
        s->visited[s->visited_count++] = at.name;
        HN_TRY(go_deeper(cx, s, m));
    }
    return hn_fail(cx, HN_ENO, "'%.200s': no role that may name it does", s->path);
}

hn_err hn_tuf_find(hn_ctx *cx, hn_tuf *t, const char *path, hn_tuf_target *out)
{
    search s = { .t = t, .path = path };
    uint8_t hash[HN_SHA256_SIZE];
    if (!t->fresh)
        return hn_fail(cx, HN_EARG, "refresh before searching: nothing is trusted yet");
    HN_TRY(hn_sha256(cx, path, strlen(path), hash));
    hn_hex(hash, sizeof hash, s.path_hash);
    hn_err e = walk(cx, &s, out);
    hn_free(cx, s.ahead);
    hn_free(cx, s.visited);
    return e;
}

/* ---- The file --------------------------------------------------------------------------------------- */

hn_err hn_tuf_check_file(hn_ctx *cx, const hn_tuf_target *target, const char *path)
{
    const char *name;
    json_t *want;
    hn_hash_kind kind;
    uint8_t hash[HN_HASH_MAX];
    char hex[HN_HASH_HEX_MAX];
    uint64_t len;
    json_object_foreach(json_object_get(target->entry, "hashes"), name, want) {
        if (!hn_hash_kind_find(name, &kind))
            return hn_fail(cx, HN_EUNSUP, "%s: unsupported: hash '%.40s'", target->path, name);
        HN_TRY(hn_hash_file(cx, kind, path, 0, UINT64_MAX, hash, &len));
        hn_hex(hash, hn_hash_size(kind), hex);
        if (len != target->length)
            return hn_fail(cx, HN_EREFUSED, "%s: expected %llu bytes, found %llu", target->path,
                           (unsigned long long)target->length, (unsigned long long)len);
        if (strcmp(hex, json_string_value(want)) != 0)
            return hn_fail(cx, HN_EREFUSED, "%s: its %s is %s, expected %.128s", target->path, name, hex,
                           json_string_value(want));
    }
    return HN_OK;
}

/* DIR/HASH.FILE where the repository keeps every version, DIR/FILE where it does not. */
static hn_err path_on_server(const hn_tuf *t, const hn_tuf_target *target, hn_buf *out)
{
    const char *name = strrchr(target->path, '/'), *hash = NULL;
    const json_t *hashes = json_object_get(target->entry, "hashes");
    void *first = json_object_iter((json_t *)(uintptr_t)hashes);
    name = name ? name + 1 : target->path;
    hn_url_escape(out, target->path, (size_t)(name - target->path), "/");
    if (json_is_true(json_object_get(t->root.body, "consistent_snapshot"))) {
        hash = json_string_value(json_object_iter_value(first));
        hn_url_escape(out, hash, strlen(hash), "");
        hn_buf_text(out, ".");
    }
    hn_url_escape(out, name, strlen(name), "");
    return hn_buf_ok(out, "an address");
}

typedef struct download {
    const hn_tuf_target *target;
    void (*progress)(void *user, uint64_t done, uint64_t total);
    void *user;
} download;

static hn_err check_part(void *user, hn_ctx *cx, const char *part)
{
    const download *d = user;
    return hn_tuf_check_file(cx, d->target, part);
}

static void tell(void *user, uint64_t done, uint64_t total)
{
    const download *d = user;
    if (d->progress)
        d->progress(d->user, done, total);
}

static hn_err fetch(hn_ctx *cx, const download *d, hn_http *h, const char *base, const char *tail, bool fixed,
                    const char *path)
{
    hn_buf url = { .cx = cx };
    hn_fetch f = { .path = path, .length = d->target->length, .bytes_max = d->target->length, .immutable = fixed,
                   .check = check_part, .progress = tell, .user = (void *)(uintptr_t)d };
    hn_err e = hn_url_join(cx, base, tail, &url);
    f.url = url.data;
    if (!e)
        e = hn_fetch_file(cx, h, &f);
    hn_buf_free(&url);
    return e;
}

hn_err hn_tuf_download(hn_ctx *cx, hn_tuf *t, const hn_tuf_target *target, hn_http *h, const char *const *bases,
                       size_t count,
                       const char *path, void (*progress)(void *user, uint64_t done, uint64_t total), void *user)
{
    download d = { target, progress, user };
    hn_ctx quiet = { .env = cx ? cx->env : NULL };
    hn_buf tail = { .cx = cx };
    bool fixed = json_is_true(json_object_get(t->root.body, "consistent_snapshot"));
    if (hn_tuf_check_file(&quiet, target, path) == HN_OK)
        return HN_OK;
    hn_err e = path_on_server(t, target, &tail);
    if (!e && count == 0)
        e = hn_fail(cx, HN_EARG, "%s: no place to fetch it from", target->path);
    for (size_t i = 0; i < count && !e; i++) {
        e = fetch(cx, &d, h, bases[i], tail.data, fixed, path);
        if (!e || e == HN_EIO || e == HN_ENOMEM)
            break;
        if (i + 1 < count)         /* any mirror may fail or lie: the next one is asked */
            e = HN_OK;
    }
    hn_buf_free(&tail);
    return e;
}
