/* SPDX-License-Identifier: Apache-2.0 */
/* hone tuf: the client of The Update Framework by itself, as its conformance suite drives one. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/system.h"
#include "cli/table.h"

enum { MIRRORS_MAX = 16 };

typedef struct job {
    hn_cli *c;
    const hn_system *sys;
    hn_http *http;
    hn_tuf *tuf;
    hn_buf url[2][MIRRORS_MAX];            /* of metadata, of targets */
    const char *base[2][MIRRORS_MAX];
    size_t count[2];
    hn_tuf_mirrors mirrors;
    hn_progress bar;
    hn_ctx judged;                         /* init: what the client says of the root it was given */
} job;

static hn_err places(job *j, int which, const char *option)
{
    hn_args *a = &j->c->args;
    j->count[which] = hn_arg_count(a, option);
    if (j->count[which] == 0 || j->count[which] > MIRRORS_MAX)
        return hn_fail(&j->c->cx, HN_EARG, "--%s is needed, at most %d times", option, MIRRORS_MAX);
    for (size_t i = 0; i < j->count[which]; i++) {
        HN_TRY(j->sys->url_from_place(&j->c->cx, hn_arg_at(a, option, i), &j->url[which][i]));
        j->base[which][i] = j->url[which][i].data;
    }
    return HN_OK;
}

static hn_err refresh(job *j)
{
    hn_tuf_opts o = { .dir = hn_arg_text(&j->c->args, "metadata-dir", NULL) };
    const char *now = hn_arg_text(&j->c->args, "now", NULL);
    if (now)
        HN_TRY(j->sys->tuf_time_read(&j->c->cx, now, &o.now));
    HN_TRY(places(j, 0, "metadata-url"));
    HN_TRY(j->sys->http_new(&j->c->cx, NULL, &j->http));
    j->mirrors = (hn_tuf_mirrors){ j->http, j->base[0], j->count[0] };
    o.source = j->sys->tuf_http_source(&j->mirrors);
    HN_TRY(j->sys->tuf_open(&j->c->cx, &o, &j->tuf));
    return j->sys->tuf_refresh(&j->c->cx, j->tuf);
}

static hn_err report(job *j)
{
    static const char *const roles[] = { "root", "timestamp", "snapshot", "targets" };
    static const char *const columns[] = { "role", "version", "expires", NULL };
    json_t *rows = json_array();
    for (size_t i = 0; i < 4; i++) {
        int64_t version, expires;
        char at[32];
        if (!j->sys->tuf_trusted(j->tuf, roles[i], &version, &expires))
            continue;
        j->sys->tuf_time_write(expires, at);
        json_array_append_new(rows, json_pack("{s:s, s:I, s:s}", "role", roles[i], "version", (json_int_t)version,
                                              "expires", at));
    }
    if (j->c->json)
        return hn_json_print(&j->c->cx, rows);
    hn_err e = j->c->quiet ? HN_OK : hn_table_print(&j->c->cx, rows, columns, HN_TABLE_TEXT);
    json_decref(rows);
    return e;
}

static void step(void *user, uint64_t done, uint64_t total)
{
    job *j = user;
    j->bar.total = total;
    hn_progress_step(&j->bar, done);
}

/* A target's whole path becomes one file name, so that none of them can leave the folder. */
static hn_err download_one(job *j, const char *name, const char *dir)
{
    hn_buf path = { .cx = &j->c->cx };
    hn_tuf_target target;
    HN_TRY(j->sys->tuf_find(&j->c->cx, j->tuf, name, &target));
    hn_buf_printf(&path, "%s/", dir);
    j->sys->url_escape(&path, name, strlen(name), "");
    hn_err e = hn_buf_ok(&path, "a path");
    hn_progress_start(&j->bar, name, target.length, j->c->quiet);
    if (!e)
        e = j->sys->tuf_download(&j->c->cx, j->tuf, &target, j->http, j->base[1], j->count[1], path.data, step, j);
    hn_progress_end(&j->bar);
    if (!e)
        puts(path.data);
    hn_buf_free(&path);
    return e;
}

static hn_err download(job *j)
{
    hn_args *a = &j->c->args;
    const char *dir = hn_arg_text(a, "target-dir", ".");
    HN_TRY(places(j, 1, "target-base-url"));
    if (hn_arg_count(a, "target-name") == 0)
        return hn_fail(&j->c->cx, HN_EARG, "which target?  --target-name PATH");
    HN_TRY(refresh(j));
    for (size_t i = 0; i < hn_arg_count(a, "target-name"); i++)
        HN_TRY(download_one(j, hn_arg_at(a, "target-name", i), dir));
    return HN_OK;
}

static hn_err init(job *j)
{
    hn_args *a = &j->c->args;
    hn_file root;
    if (a->operand_count < 2)
        return hn_fail(&j->c->cx, HN_EARG, "which root?  hone tuf --metadata-dir DIR init ROOT");
    const char *dir = hn_arg_text(a, "metadata-dir", NULL);
    hn_tuf_opts o = { .dir = dir };
    HN_TRY(hn_file_open(&j->c->cx, a->operand[1], &root));
    hn_err e = j->sys->tuf_init(&j->c->cx, dir, root.data, root.len);
    hn_file_close(&root);
    if (!e && j->sys->tuf_open(&j->judged, &o, &j->tuf))
        hn_log(&j->c->cx, HN_LOG_WARN, "stored, but no refresh will accept it: %s", j->judged.msg);
    return e;
}

static hn_err work(job *j)
{
    const char *what = j->c->args.operand[0];
    if (!hn_arg_text(&j->c->args, "metadata-dir", NULL))
        return hn_fail(&j->c->cx, HN_EARG, "--metadata-dir DIR is needed: where trusted metadata lies");
    HN_TRY(hn_system_open(&j->c->cx, &j->sys));
    if (strcmp(what, "init") == 0)
        return init(j);
    if (strcmp(what, "download") == 0)
        return download(j);
    HN_TRY(refresh(j));
    return report(j);
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c, .judged = { .env = c->cx.env } };
    hn_err e = work(&j);
    if (j.sys) {
        j.sys->tuf_close(j.tuf);
        j.sys->http_free(j.http);
    }
    for (int which = 0; which < 2; which++)
        for (size_t i = 0; i < MIRRORS_MAX; i++)
            hn_buf_free(&j.url[which][i]);
    return e && e != HN_EARG ? HN_ENO : e;       /* the suite knows 0 and 1 */
}

static const hn_operand operands[] = {
    { "ACTION", HN_OPT_CHOICE, 0, "init, refresh or download", "init refresh download" },
    { "ROOT", HN_OPT_FILE, HN_OPTIONAL, "init: the first root.json, trusted because of how it came here", NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "metadata-dir", 0, HN_OPT_DIR, "DIR", "where trusted metadata lies", NULL, 0, 0 },
    { "metadata-url", 0, HN_OPT_TEXT, "URL", "where the repository's metadata is; may be given for each mirror", NULL,
      0, 0 },
    { "target-name", 0, HN_OPT_TEXT, "PATH", "download: the target; may be repeated", NULL, 0, 0 },
    { "target-base-url", 0, HN_OPT_TEXT, "URL", "download: where targets are; may be given for each mirror", NULL, 0,
      0 },
    { "target-dir", 0, HN_OPT_DIR, "DIR", "download: where to put them (.)", NULL, 0, 0 },
    { "now", 0, HN_OPT_TEXT, "TIME", "judge what has expired as at TIME, like 2030-01-31T12:00:00Z", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_tuf = {
    .name = "tuf",
    .summary = "refresh and download from a repository of The Update Framework",
    .example = "hone tuf --metadata-dir trusted --metadata-url https://models.example.org/metadata refresh",
    .help = "init makes ROOT the first trusted root and asks no network. refresh fetches what is new and checks it: "
            "roots "
            "signed by the old and the new keys, versions that never fall, nothing expired, enough signatures "
            "everywhere. "
            "download does that, then finds each target through the roles that may speak for it, fetches and checks "
            "it.\n\n"
            "A URL may also be a folder. Options and results are those the outside conformance suite expects; "
            "devices use "
            "`hone agent`, which does the same and more.",
    .exits = "1: refused, not there, or nobody answered",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
