/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tuning.h"

#include <stdio.h>
#include <string.h>

hn_err hn_tuning_begin(hn_cli *c, hn_pool *pool, hn_tuning *out)
{
    const char *file = hn_arg_text(&c->args, "timing-cache", NULL);
    *out = (hn_tuning){ .t = { .pool = pool, .measure = hn_arg_flag(&c->args, "tune") } };
    out->on = file || out->t.measure;
    if (!out->on)
        return HN_OK;
    if (file && strlen(file) >= sizeof out->path)
        return hn_fail(&c->cx, HN_EARG, "--timing-cache: the name is too long");
    if (file)
        memcpy(out->path, file, strlen(file) + 1);
    else if (!hn_timings_usual_path(out->path, sizeof out->path))
        *out->path = '\0';
    hn_cpu_name(out->t.cpu);
    HN_TRY(hn_timings_new(&c->cx, &out->t.timings));
    return *out->path ? hn_timings_read(&c->cx, out->path, out->t.timings) : HN_OK;
}

void hn_tuning_use(hn_tuning *t, hn_plan_opts *o)
{
    o->choose = t->on ? hn_tune_choose : NULL;
    o->choose_user = &t->t;
}

void hn_tuning_end(hn_cli *c, hn_tuning *t)
{
    hn_ctx cx = { .env = c->cx.env };
    if (t->t.timings && t->t.timings->added && *t->path && hn_timings_write(&cx, t->path, t->t.timings))
        hn_log(&cx, HN_LOG_WARN, "%s; timings are not remembered", cx.msg);
    hn_timings_free(&cx, t->t.timings);
    t->t.timings = NULL;
}
