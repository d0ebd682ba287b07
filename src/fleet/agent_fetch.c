/* SPDX-License-Identifier: Apache-2.0 */
/* agent_fetch.c: finding out what is offered, and getting it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fleet/agent_impl.h"
#include "fleet/delta.h"
#include "fleet/tuf.h"
#include "net/fetch.h"
#include "net/url.h"

enum { MIRRORS_MAX = 16 };
#define DAY ((int64_t)86400)

/* ---- Time: the clock, but never before what this store has seen ------------------------------------------- */

static hn_err time_now(hn_round *d, int64_t *out)
{
    hn_path path;
    long long seen = 0;
    char text[32];
    int64_t now = d->o->now ? d->o->now : (int64_t)time(NULL);
    HN_TRY(hn_path_make(d->cx, &path, "%s/clock", d->s.root.text));
    FILE *f = fopen(path.text, "re");
    if (f && fscanf(f, "%lld", &seen) != 1)
        seen = 0;
    if (f)
        fclose(f);
    if (now < seen) {
        hn_log(d->cx, HN_LOG_WARN, "the clock is %lld seconds before what the store has seen; that time is taken",
               seen - (long long)now);
        now = seen;
    }
    *out = now;
    int n = snprintf(text, sizeof text, "%lld\n", (long long)now);
    if (now < seen + 3600)
        return HN_OK;                 /* once an hour is enough; every round would wear the flash */
    return hn_file_write(d->cx, path.text, text, (size_t)n);
}

/* ---- Metadata --------------------------------------------------------------------------------------------- */

static bool all_local(const hn_round *d)
{
    for (size_t i = 0; i < d->o->base_count; i++)
        if (!hn_url_is_file(d->metadata[i]))
            return false;
    return d->o->base_count > 0;
}

static hn_err refresh(hn_round *d, const char *dir, int64_t now, hn_tuf **out)
{
    const hn_tuf_mirrors mirrors = { d->http, (const char *const *)d->metadata, d->o->base_count };
    const hn_tuf_opts o = { .dir = dir, .now = now, .source = hn_tuf_http_source(&mirrors) };
    hn_tuf *t;
    HN_TRY(hn_tuf_open(d->cx, &o, &t));
    hn_err e = hn_tuf_refresh(d->cx, t);
    if (e)
        hn_tuf_close(t);
    else
        *out = t;
    return e;
}

static bool is_expired(const hn_round *d) { return strstr(d->cx->msg, "expired") != NULL; }

/* A site without a network carries metadata in by hand, and may be late: policy says by how much. */
static hn_err refresh_with_grace(hn_round *d, const char *dir, hn_tuf **out)
{
    int64_t now = 0;
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_IO, time_now(d, &now)));
    hn_err e = refresh(d, dir, now, out);
    if (e == HN_EREFUSED && is_expired(d) && d->o->grace_days && all_local(d)) {
        e = refresh(d, dir, now - d->o->grace_days * DAY, out);
        d->r->grace = e == HN_OK;
    }
    bool silence = e == HN_ENET || e == HN_ENO;
    return hn_because(&d->r->why, silence ? HN_WHY_NETWORK : is_expired(d) ? HN_WHY_EXPIRED : HN_WHY_METADATA, e);
}

/* A small signed file, into memory. */
static hn_err get_target(hn_round *d, hn_tuf *t, const char *path, uint64_t most, const char *temp, hn_file *out)
{
    hn_tuf_target target;
    hn_path at;
    hn_err e = hn_tuf_find(d->cx, t, path, &target);
    if (e)
        return hn_because(&d->r->why, e == HN_ENO ? HN_WHY_NOT_LISTED : e == HN_ENET ? HN_WHY_NETWORK
                          : HN_WHY_METADATA, e);
    if (target.length > most)
        return hn_refuse(d->cx, &d->r->why, HN_WHY_LENGTH, HN_EREFUSED, "%s: %llu bytes are more than it may have",
                         path,
                         (unsigned long long)target.length);
    HN_TRY(hn_path_make(d->cx, &at, "%s/tmp/%s", d->s.root.text, temp));
    unlink(at.text);
    e = hn_tuf_download(d->cx, t, &target, d->http, (const char *const *)d->target, d->o->base_count, at.text, NULL,
                        NULL);
    HN_TRY(hn_because(&d->r->why, e == HN_ENET || e == HN_ENO ? HN_WHY_NETWORK : HN_WHY_HASH, e));
    e = hn_file_open(d->cx, at.text, out);
    unlink(at.text);
    d->r->fetched += e ? 0 : out->len;
    return hn_because(&d->r->why, HN_WHY_STORE_IO, e);
}

static hn_err read_channel(hn_round *d, hn_tuf *t, hn_channel *out)
{
    hn_path path;
    hn_file f;
    HN_TRY(hn_release_channel_path(d->cx, d->o->name, d->o->channel ? d->o->channel : "stable", &path));
    HN_TRY(get_target(d, t, path.text, HN_CHANNEL_BYTES_MAX, "channel.json", &f));
    hn_err e = hn_because(&d->r->why, HN_WHY_MANIFEST, hn_channel_read(d->cx, f.data, f.len, out));
    hn_file_close(&f);
    HN_TRY(e);
    if (strcmp(out->name, d->o->name) != 0)
        return hn_refuse(d->cx, &d->r->why, HN_WHY_WRONG_TARGET, HN_EREFUSED, "the channel of %s speaks of %s",
                         d->o->name, out->name);
    return HN_OK;
}

static hn_err read_manifest(hn_round *d, hn_tuf *t, uint64_t build)
{
    hn_path path;
    hn_file f;
    HN_TRY(hn_release_manifest_path(d->cx, d->o->name, build, &path));
    HN_TRY(get_target(d, t, path.text, HN_MANIFEST_BYTES_MAX, "manifest.json", &f));
    d->manifest_len = f.len;
    d->manifest = (uint8_t *)hn_arena_text(d->a, (const char *)f.data, f.len);
    hn_file_close(&f);
    if (!d->manifest)
        return hn_nomem(d->cx, "a manifest");
    HN_TRY(hn_because(&d->r->why, HN_WHY_MANIFEST, hn_manifest_read(d->cx, d->manifest, d->manifest_len, d->a, &d->m)));
    if (strcmp(d->m.name, d->o->name) != 0 || d->m.build != build)
        return hn_refuse(d->cx, &d->r->why, HN_WHY_WRONG_TARGET, HN_EREFUSED,
                         "asked for %s build %llu, the manifest is of %s build %llu",
                         d->o->name, (unsigned long long)build, d->m.name, (unsigned long long)d->m.build);
    return HN_OK;
}

static hn_err look(hn_round *d, hn_tuf *t)
{
    hn_channel c;
    hn_slots slots;
    HN_TRY(read_channel(d, t, &c));
    d->r->offered = c.build;
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_DAMAGED, hn_store_slots(d->cx, &d->s, d->o->name, &slots)));
    if (c.build == slots.current)
        return hn_refuse(d->cx, &d->r->why, HN_WHY_UP_TO_DATE, HN_ENO, "%s: build %llu is the current one", d->o->name,
                         (unsigned long long)c.build);
    if (hn_slots_is_bad(&slots, c.build))
        return hn_refuse(d->cx, &d->r->why, HN_WHY_KNOWN_BAD, HN_EREFUSED,
                         "%s: build %llu has failed on this device", d->o->name,
                         (unsigned long long)c.build);
    return read_manifest(d, t, c.build);
}

hn_err hn_round_look(hn_round *d)
{
    hn_path dir;
    hn_tuf *t;
    if (d->o->base_count == 0)
        return hn_refuse(d->cx, &d->r->why, HN_WHY_NETWORK, HN_EARG, "no repository is given: --from URL or folder");
    HN_TRY(hn_path_make(d->cx, &dir, "%s/tuf", d->s.root.text));
    HN_TRY(refresh_with_grace(d, dir.text, &t));
    hn_err e = look(d, t);
    hn_tuf_close(t);
    return e;
}

/* ---- Files ------------------------------------------------------------------------------------------------ */

/* Too much came, or there was no place for it: the disk knows which. */
static hn_reason reason_of_fetch(const hn_round *d, hn_err e, uint64_t missing)
{
    hn_reason unused = HN_WHY_NONE;
    hn_ctx quiet = { .env = d->cx->env };
    if (e == HN_ELIMIT)
        return hn_store_room(&quiet, &d->s, missing, &unused) ? HN_WHY_NO_ROOM : HN_WHY_LENGTH;
    return e == HN_EREFUSED ? HN_WHY_LENGTH : e == HN_EIO ? HN_WHY_STORE_IO : HN_WHY_NETWORK;
}

/* A blob by its hash, into tmp/; goes on where an earlier round was cut. */
static hn_err fetch_blob(hn_round *d, const hn_digest *sha256, uint64_t length, hn_path *at)
{
    char *url[MIRRORS_MAX];
    struct stat st;
    hn_path part;
    size_t n = d->o->base_count < MIRRORS_MAX ? d->o->base_count : MIRRORS_MAX;
    HN_TRY(hn_store_temp(d->cx, &d->s, sha256, at));
    for (size_t i = 0; i < n; i++) {
        url[i] = hn_arena_printf(d->a, "%sblobs/sha256/%s", d->target[i], hn_digest_hex(sha256).text);
        if (!url[i])
            return hn_nomem(d->cx, "an address");
    }
    HN_TRY(hn_path_make(d->cx, &part, "%s.part", at->text));
    uint64_t had = stat(part.text, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (length > had && length - had > hn_policy_left(&d->o->policy, d->s.root.text))
        return hn_refuse(d->cx, &d->r->why, HN_WHY_POLICY_BUDGET, HN_ENO, "%llu bytes are more than today has left",
                         (unsigned long long)(length - had));
    const hn_fetch f = { .path = at->text, .length = length, .bytes_max = length, .immutable = true, .tries = 3 };
    hn_err e = hn_fetch_mirrored(d->cx, d->http, &f, (const char *const *)url, n);
    uint64_t has = e ? (stat(part.text, &st) == 0 ? (uint64_t)st.st_size : had) : length;
    uint64_t came = has > had ? has - had : 0;
    d->r->fetched += came;
    hn_policy_spend(NULL, d->s.root.text, came);
    return hn_because(&d->r->why, reason_of_fetch(d, e, length - (has < length ? has : length)), e);
}

/* The smallest delta that starts from a file the store has and takes no more memory than allowed. */
static const hn_mdelta *pick_delta(const hn_round *d, const hn_mfile *f)
{
    const hn_mdelta *best = NULL;
    uint64_t ram = d->o->delta_ram_max ? d->o->delta_ram_max : (uint64_t)64 << 20;
    for (size_t i = 0; i < d->m.delta_count; i++) {
        const hn_mdelta *c = &d->m.delta[i];
        if (hn_digest_equal(&c->to, &f->sha256) && strcmp(c->method, "hone-delta-1") == 0 && c->ram_bytes <= ram &&
            c->length < f->length && hn_store_has(d->cx, &d->s, &c->from) && (!best || c->length < best->length))
            best = c;
    }
    return best;
}

static hn_err apply_delta(hn_round *d, const hn_mdelta *delta, const hn_mfile *f, const char *at)
{
    hn_path old, made;
    hn_digest sum;
    HN_TRY(hn_digest_of_file(d->cx, at, &sum, NULL));
    if (!hn_digest_equal(&sum, &delta->sha256))
        return hn_fail(d->cx, HN_EREFUSED, "%s: the delta has other bytes than signed", delta->path);
    HN_TRY(hn_store_blob(d->cx, &d->s, &delta->from, &old));
    HN_TRY(hn_store_temp(d->cx, &d->s, &f->sha256, &made));
    HN_TRY(hn_delta_apply_files(d->cx, at, old.text, made.text, delta->window_bytes));
    hn_reason why = HN_WHY_NONE;
    return hn_store_take(d->cx, &d->s, made.text, &f->sha256, f->length, &why);
}

/* A delta that does not work out costs its own bytes and is forgotten: the whole file follows. */
static bool got_by_delta(hn_round *d, const hn_mfile *f)
{
    hn_path at;
    const hn_mdelta *delta = pick_delta(d, f);
    if (!delta)
        return false;
    hn_reason before = d->r->why;
    hn_err e = fetch_blob(d, &delta->sha256, delta->length, &at);
    if (!e)
        e = apply_delta(d, delta, f, at.text);
    if (!e || e == HN_EREFUSED || e == HN_EFORMAT)
        unlink(at.text);
    if (e) {
        hn_log(d->cx, HN_LOG_WARN, "%s: %s; the whole file is fetched (%s)", delta->path, d->cx->msg,
               hn_reason_code(HN_WHY_DELTA));
        d->r->why = before;
        return false;
    }
    d->r->by_delta += f->length;
    return true;
}

static hn_err fetch_file(hn_round *d, const hn_mfile *f)
{
    hn_path at;
    if (hn_store_has(d->cx, &d->s, &f->sha256) || got_by_delta(d, f))
        return HN_OK;
    if (f->length == 0)
        return hn_store_put(d->cx, &d->s, "", 0, &f->sha256, &d->r->why);
    HN_TRY(fetch_blob(d, &f->sha256, f->length, &at));
    return hn_store_take(d->cx, &d->s, at.text, &f->sha256, f->length, &d->r->why);
}

hn_err hn_round_fetch(hn_round *d)
{
    uint64_t lacks = 0;
    for (size_t i = 0; i < d->m.file_count; i++)
        lacks += hn_store_has(d->cx, &d->s, &d->m.file[i].sha256) ? 0 : d->m.file[i].length;
    HN_TRY(hn_store_room(d->cx, &d->s, lacks, &d->r->why));
    for (size_t i = 0; i < d->m.file_count; i++)
        HN_TRY(fetch_file(d, &d->m.file[i]));
    return HN_OK;
}
