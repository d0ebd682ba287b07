/* SPDX-License-Identifier: Apache-2.0 */
/* current.c: models out of a device's store, and word of their replacement. */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "api/api.h"
#include "fleet/store_read.h"

_Static_assert((int)HONE_EVENT_NAN == (int)HN_EVENT_NAN, "public and internal events run in step");

struct hone_watch {
    hone_ctx *ctx;
    hn_path dir;
    int fd;
    uint64_t current, trial;           /* as of the last answer */
};

hone_status hone_model_open_current(hone_ctx *ctx, const char *store, const char *name, const hone_current_opts *opts,
                                    hone_model **out, hone_current *current, hone_error *err)
{
    hn_ctx cx = { .env = &ctx->env };
    hone_current_opts o = { 0 };
    hn_picked p;
    if (opts)
        memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
    hn_err e = hn_store_pick(&cx, store, name, o.second ? HN_PICK_ARM : o.trial ? HN_PICK_TRIAL : HN_PICK_CURRENT, &p);
    if (e)
        return hn_api_fail(err, e, &cx);
    hone_status s = hone_model_open(ctx, p.model.text, o.model, out, err);
    if (s == HONE_OK && current)
        *current = (hone_current){ p.build, p.trial };
    return s;
}

static bool look(hone_watch *w)
{
    hn_ctx cx = { .env = &w->ctx->env };
    hn_slots s;
    if (hn_slots_read(&cx, w->dir.text, &s) != HN_OK || (s.current == w->current && s.trial == w->trial))
        return false;
    w->current = s.current;
    w->trial = s.trial;
    return true;
}

hone_status hone_watch_new(hone_ctx *ctx, const char *store, const char *name, hone_watch **out, hone_error *err)
{
    hn_ctx cx = { .env = &ctx->env };
    hone_watch *w = hn_calloc(&cx, 1, sizeof *w);
    hn_err e = w ? HN_OK : hn_nomem(&cx, "a watch");
    if (!e && !hn_name_ok(name))
        e = hn_fail(&cx, HN_EARG, "'%.80s' is no model's name: expected lower-case letters, digits, '.', '_', '-'",
                    name);
    if (!e)
        e = hn_path_make(&cx, &w->dir, "%s/models/%s", store, name);
    if (!e) {
        w->ctx = ctx;
        w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        /* slots.json is replaced by a rename, so nothing else needs watching. */
        if (w->fd < 0 || inotify_add_watch(w->fd, w->dir.text, IN_MOVED_TO | IN_ONLYDIR) < 0) {
            e = errno == ENOENT ? hn_fail(&cx, HN_ENO, "%s: no such model is installed", w->dir.text)
                                : hn_fs_fail(&cx, w->dir.text, "watched");
            if (w->fd >= 0)
                close(w->fd);
        }
    }
    if (e) {
        hn_free(&cx, w);
        return hn_api_fail(err, e, &cx);
    }
    look(w);
    *out = w;
    return HONE_OK;
}

int hone_watch_fd(const hone_watch *w) { return w->fd; }

bool hone_watch_changed(hone_watch *w)
{
    char events[4096];
    while (read(w->fd, events, sizeof events) > 0) {
    }
    return look(w);
}

void hone_watch_free(hone_watch *w)
{
    if (!w)
        return;
    hn_ctx cx = { .env = &w->ctx->env };
    close(w->fd);
    hn_free(&cx, w);
}

hone_status hone_report(hone_ctx *ctx, const char *store, const char *name, uint64_t build, hone_event event,
                        double milliseconds,
                        hone_error *err)
{
    hn_ctx cx = { .env = &ctx->env };
    return hn_api_fail(err, hn_store_report(&cx, store, name, build, (hn_event)event, milliseconds), &cx);
}

hone_status hone_report_mean(hone_ctx *ctx, const char *store, const char *name, uint64_t build, const char *port,
                             double mean, hone_error *err)
{
    hn_ctx cx = { .env = &ctx->env };
    return hn_api_fail(err, hn_store_report_mean(&cx, store, name, build, port, mean), &cx);
}
