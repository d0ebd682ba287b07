/* SPDX-License-Identifier: Apache-2.0 */
/* hone pull URL: a file over a line that may break. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/progress.h"
#include "cli/download.h"
#include "cli/system.h"
#include "cli/table.h"

#define BYTES_MAX ((uint64_t)1 << 44)      /* 16 TiB: no file this program could use is longer */

typedef struct job {
    hn_cli *c;
    const hn_system *sys;
    const char *sha256;                    /* NULL: whatever comes */
    hn_progress bar;
    uint64_t length;
    char found[HN_HASH_HEX_MAX];
} job;

static hn_err check(void *user, hn_ctx *cx, const char *part)
{
    job *j = user;
    uint8_t hash[HN_HASH_MAX];
    HN_TRY(j->sys->hash_file(cx, HN_SHA256, part, 0, UINT64_MAX, hash, &j->length));
    j->sys->hex(hash, HN_SHA256_SIZE, j->found);
    if (j->sha256 && strcasecmp(j->sha256, j->found) != 0)
        return hn_fail(cx, HN_EREFUSED, "what came has the SHA-256 %s, expected %s; nothing was kept", j->found,
                       j->sha256);
    return HN_OK;
}

static void step(void *user, uint64_t done, uint64_t total)
{
    job *j = user;
    j->bar.total = total;
    hn_progress_step(&j->bar, done);
}

/* OUT, or the URL's last part, in OUT if that is a folder. */
static hn_err where_to(job *j, const char *url, hn_buf *out)
{
    const char *given = hn_arg_text(&j->c->args, "output", NULL);
    struct stat st;
    bool folder = given && stat(given, &st) == 0 && S_ISDIR(st.st_mode);
    hn_buf name = { .cx = &j->c->cx };
    if (given)
        hn_buf_printf(out, folder ? "%s/" : "%s", given);
    hn_err e = given && !folder ? HN_OK : j->sys->url_file_name(&j->c->cx, url, &name);
    if (!e && name.data)
        hn_buf_text(out, name.data);
    hn_buf_free(&name);
    return e ? e : hn_buf_ok(out, "a path");
}

static hn_err pull(job *j, hn_http *h, const char *url, const char *path)
{
    hn_fetch f = { .url = url, .path = path, .length = HN_HTTP_NO_LENGTH, .bytes_max = BYTES_MAX, .tries = 3,
                   .check = check, .progress = step,
                   .user = j };
    hn_progress_start(&j->bar, "fetching", 0, j->c->quiet);
    hn_err e = j->sys->fetch_file(&j->c->cx, h, &f);
    hn_progress_end(&j->bar);
    if (e)
        return e;
    if (j->c->json)
        return hn_json_print(&j->c->cx, json_pack("{s:s, s:I, s:s}", "path", path, "bytes", (json_int_t)j->length,
                                                  "sha256", j->found));
    puts(path);
    return HN_OK;
}

hn_err hn_cli_download(hn_cli *c, const char *from)
{
    job j = { .c = c, .sha256 = hn_arg_text(&c->args, "sha256", NULL) };
    hn_http_opts o = { .rate_max = (uint64_t)hn_arg_int(&c->args, "rate", 0) };
    hn_buf url = { .cx = &c->cx }, path = { .cx = &c->cx };
    hn_http *h = NULL;
    if (j.sha256 && (strlen(j.sha256) != 64 || strspn(j.sha256, "0123456789abcdefABCDEF") != 64))
        return hn_fail(&c->cx, HN_EARG, "--sha256: expected 64 hexadecimal digits");
    HN_TRY(hn_system_open(&c->cx, &j.sys));
    hn_err e = j.sys->url_from_place(&c->cx, from, &url);
    if (!e)
        e = where_to(&j, url.data, &path);
    if (!e)
        e = j.sys->http_new(&c->cx, &o, &h);
    if (!e)
        e = pull(&j, h, url.data, path.data);
    j.sys->http_free(h);
    hn_buf_free(&url);
    hn_buf_free(&path);
    return e;
}
