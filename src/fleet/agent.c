/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/agent_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "fleet/tuf.h"
#include "fleet/tuf_meta.h"
#include "net/url.h"

#define PAUSE_MAX_MS ((uint64_t)3600000)

const char *hn_agent_state_name(hn_agent_state s)
{
    static const char *const names[HN_AGENT_STATES] = { "idle", "refused", "deferred", "staged", "committed",
                                                        "rolled_back" };
    return names[s];
}

/* ---- One round ------------------------------------------------------------------------------------------------ */

static hn_err make_addresses(hn_round *d)
{
    const hn_agent_opts *o = d->o;
    d->target = HN_NEW(d->a, char *, o->base_count + 1);
    d->metadata = HN_NEW(d->a, char *, o->base_count + 1);
    if (!d->target || !d->metadata)
        return hn_nomem(d->cx, "addresses");
    for (size_t i = 0; i < o->base_count; i++) {
        hn_buf b = { .cx = d->cx };
        hn_err e = hn_url_from_place(d->cx, o->base[i], &b);
        const char *slash = b.len && b.data[b.len - 1] == '/' ? "" : "/";
        d->target[i] = e ? NULL : hn_arena_printf(d->a, "%s%stargets/", b.data, slash);
        d->metadata[i] = e ? NULL : hn_arena_printf(d->a, "%s%smetadata/", b.data, slash);
        hn_buf_free(&b);
        HN_TRY(e);
        if (!d->target[i] || !d->metadata[i])
            return hn_nomem(d->cx, "addresses");
    }
    const hn_http_opts http = { .rate_max = o->rate_max, .ca_file = o->ca_file };
    return hn_http_new(d->cx, &http, &d->http);
}

static hn_err install(hn_round *d)
{
    hn_device here = d->o->device.runtime ? d->o->device : hn_device_here(d->s.root.text);
    HN_TRY(hn_store_offer(d->cx, &d->s, &d->m, &d->r->why));
    HN_TRY(hn_manifest_fits(d->cx, &d->m, &here, &d->r->why));
    HN_TRY(hn_round_fetch(d));
    HN_TRY(hn_store_stage(d->cx, &d->s, &d->m, d->manifest, d->manifest_len, &d->r->why));
    HN_TRY(hn_round_test(d));
    if (d->o->stage_only) {
        d->r->state = HN_AGENT_STAGED;
        return HN_OK;
    }
    return hn_round_trial(d);
}

static hn_err round_steps(hn_round *d)
{
    hn_slots slots;
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_DAMAGED, hn_store_slots(d->cx, &d->s, d->o->name, &slots)));
    d->r->before = slots.current;
    if (slots.trial)
        return hn_round_resume(d, &slots);
    HN_TRY(hn_policy_check(d->cx, &d->o->policy, d->s.root.text, &d->r->why));
    HN_TRY(make_addresses(d));
    HN_TRY(hn_round_look(d));
    return install(d);
}

/* What a failure means for the round: refusals and waits are outcomes. */
static hn_err settle(hn_round *d, hn_err e)
{
    hn_slots slots;
    hn_agent_report *r = d->r;
    if (e && r->why == HN_WHY_NONE)
        return e;
    if (e && r->state != HN_AGENT_ROLLED_BACK) {
        bool waits = r->why >= HN_WHY_POLICY_METERED && r->why <= HN_WHY_POLICY_IDLE;
        r->state = r->why == HN_WHY_UP_TO_DATE ? HN_AGENT_IDLE : waits ||
            r->why == HN_WHY_NETWORK ? HN_AGENT_DEFERRED : HN_AGENT_REFUSED;
        snprintf(r->words, sizeof r->words, "%s", r->why == HN_WHY_UP_TO_DATE ? "" : d->cx->msg);
    }
    if (hn_store_slots(d->cx, &d->s, d->o->name, &slots) == HN_OK)
        r->after = slots.current;
    return HN_OK;
}

static hn_err begin(hn_ctx *cx, const hn_agent_opts *o, hn_agent_report *r, hn_round *d)
{
    *r = (hn_agent_report){ 0 };
    *d = (hn_round){ .cx = cx, .o = o, .r = r, .s.lock = -1 };
    if (!hn_name_ok(o->name))
        return hn_fail(cx, HN_EARG, "'%.80s' is no model's name: expected lower-case letters, digits, '.', '_', '-'",
                       o->name);
    snprintf(r->name, sizeof r->name, "%s", o->name);
    HN_TRY(hn_arena_new(cx, 0, &d->a));
    return hn_store_open(cx, o->store, o->fs, &d->s, &r->why);
}

static void end(hn_round *d)
{
    hn_http_free(d->http);
    hn_arena_free(d->a);
    hn_store_close(&d->s);
}

hn_err hn_agent_once(hn_ctx *cx, const hn_agent_opts *o, hn_agent_report *out)
{
    hn_round d;
    hn_err e = begin(cx, o, out, &d);
    if (!e)
        e = settle(&d, round_steps(&d));
    else if (out->why != HN_WHY_NONE) {
        out->state = HN_AGENT_REFUSED;
        snprintf(out->words, sizeof out->words, "%s", cx->msg);
        e = HN_OK;
    }
    end(&d);
    return e;
}

/* ---- From a package -------------------------------------------------------------------------- */

static hn_err take_files(hn_round *d, const hn_package *p)
{
    HN_TRY(hn_store_room(d->cx, &d->s, hn_manifest_bytes(&p->m), &d->r->why));
    for (size_t i = 0; i < p->m.file_count; i++) {
        const hn_mfile *f = &p->m.file[i];
        hn_file bytes;
        HN_TRY(hn_because(&d->r->why, HN_WHY_LENGTH, hn_package_blob(d->cx, p, hn_package_layer(p, &f->sha256),
                                                                     &bytes)));
        hn_err e = hn_store_put(d->cx, &d->s, bytes.data, bytes.len, &f->sha256, &d->r->why);
        hn_package_done(p, &bytes);
        HN_TRY(e);
    }
    return HN_OK;
}

static hn_err install_package(hn_round *d, const hn_package *p)
{
    hn_slots slots;
    hn_device here = d->o->device.runtime ? d->o->device : hn_device_here(d->s.root.text);
    HN_TRY(hn_because(&d->r->why, HN_WHY_STORE_DAMAGED, hn_store_slots(d->cx, &d->s, d->o->name, &slots)));
    d->r->before = slots.current;
    if (slots.trial)
        return hn_round_resume(d, &slots);
    d->m = p->m;
    d->r->offered = p->m.build;
    if (strcmp(p->m.name, d->o->name) != 0)
        return hn_refuse(d->cx, &d->r->why, HN_WHY_WRONG_TARGET, HN_EREFUSED, "%s is a package of %s", p->place,
                         p->m.name);
    HN_TRY(hn_package_verify(d->cx, p, &d->r->why));
    HN_TRY(hn_store_offer(d->cx, &d->s, &d->m, &d->r->why));
    HN_TRY(hn_manifest_fits(d->cx, &d->m, &here, &d->r->why));
    HN_TRY(take_files(d, p));
    HN_TRY(hn_store_stage(d->cx, &d->s, &d->m, p->manifest_bytes, p->manifest_len, &d->r->why));
    HN_TRY(hn_round_test(d));
    return hn_round_trial(d);
}

hn_err hn_agent_install(hn_ctx *cx, const hn_agent_opts *o, const char *package, hn_agent_report *out)
{
    hn_package p;
    hn_round d;
    HN_TRY(hn_package_open(cx, package, &p));
    hn_agent_opts with = *o;
    with.name = o->name ? o->name : p.m.name;
    hn_err e = begin(cx, &with, out, &d);
    if (!e)
        e = settle(&d, install_package(&d, &p));
    end(&d);
    hn_package_close(&p);
    return e;
}

/* What the device learned since, step by step, must not fall back to the root it was made with. */
static hn_err first_root(hn_ctx *cx, const char *dir, const hn_file *given)
{
    hn_path path;
    hn_file f;
    hn_tuf_meta old = { 0 }, fresh = { 0 };
    HN_TRY(hn_path_make(cx, &path, "%s/root.json", dir));
    if (access(path.text, F_OK) != 0)
        return hn_tuf_init(cx, dir, given->data, given->len);
    HN_TRY(hn_file_open(cx, path.text, &f));
    hn_err e = hn_tuf_meta_parse(cx, path.text, f.data, f.len, HN_TUF_ROOT, &old);
    if (!e)
        e = hn_tuf_meta_parse(cx, "the root given", given->data, given->len, HN_TUF_ROOT, &fresh);
    bool same = f.len == given->len && memcmp(f.data, given->data, f.len) == 0;
    if (!e && !same && fresh.version >= old.version)
        e = hn_fail(cx, HN_EREFUSED, "%s: version %lld of another root is trusted; to begin anew, remove %s", path.text,
                    (long long)old.version, dir);
    hn_tuf_meta_free(&old);
    hn_tuf_meta_free(&fresh);
    hn_file_close(&f);
    return e;
}

hn_err hn_agent_init(hn_ctx *cx, const char *store, const char *root_file)
{
    hn_store s;
    hn_path dir;
    hn_file f;
    hn_reason why = HN_WHY_NONE;
    HN_TRY(hn_store_open(cx, store, NULL, &s, &why));
    hn_err e = hn_path_make(cx, &dir, "%s/tuf", store);
    if (!e)
        e = hn_file_open(cx, root_file, &f);
    if (!e) {
        e = first_root(cx, dir.text, &f);
        hn_file_close(&f);
    }
    hn_store_close(&s);
    return e;
}

/* ---- Round after round ----------------------------------------------------------------------- */

uint64_t hn_agent_pause_ms(unsigned poll_s, unsigned failures, double u)
{
    uint64_t base = (uint64_t)poll_s * 1000, most = base;
    if (failures == 0)
        return (uint64_t)((double)base * (0.8 + 0.4 * u));
    for (unsigned i = 0; i < failures && most < PAUSE_MAX_MS; i++)
        most *= 2;
    if (most > PAUSE_MAX_MS)
        most = base > PAUSE_MAX_MS ? base : PAUSE_MAX_MS;
    return (uint64_t)((double)most * u);       /* from nothing to all of it: devices that failed together part again */
}

static double chance(void)
{
    uint32_t r = 0;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        r = (uint32_t)time(NULL) * 2654435761u;
    return r / 4294967296.0;
}

static void pause_for(uint64_t ms, const volatile int *stop)
{
    const uint64_t step = 200;
    for (; ms > 0 && !*stop; ms -= ms < step ? ms : step)
        nanosleep(&(struct timespec){ .tv_nsec = (long)(ms < step ? ms : step) * 1000000 }, NULL);
}

hn_err hn_agent_run(hn_ctx *cx, const hn_agent_opts *o, unsigned poll_s, const volatile int *stop,
                    void (*each)(void *user, hn_err e, const hn_agent_report *r), void *user)
{
    unsigned failures = 0;
    while (!*stop) {
        hn_agent_report r;
        hn_err e = hn_agent_once(cx, o, &r);
        if (each)
            each(user, e, &r);
        bool failed = e || r.why == HN_WHY_NETWORK || r.why == HN_WHY_STORE_BUSY || r.why == HN_WHY_STORE_IO;
        failures = failed ? failures + 1 : 0;
        pause_for(hn_agent_pause_ms(poll_s, failures, chance()), stop);
    }
    return HN_OK;
}
