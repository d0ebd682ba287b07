/* SPDX-License-Identifier: Apache-2.0 */
/* hone pull: fetch a file or a package over a line that may break. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/progress.h"
#include "cli/registry.h"
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

/* ---- Packages -------------------------------------------------------------------------------------- */

static hn_err copy_package(hn_cli *c, const hn_system *sys, const char *from, const char *to)
{
    hn_package p;
    hn_reason why = HN_WHY_NONE;
    HN_TRY(sys->package_open(&c->cx, from, &p));
    hn_err e = sys->package_verify(&c->cx, &p, &why);
    if (!e)
        e = sys->package_copy(&c->cx, &p, to);
    sys->package_close(&p);
    return e;
}

static hn_err pull_package(hn_cli *c, const char *from, const char *to)
{
    const hn_system *sys;
    hn_package p;
    HN_TRY(hn_system_open(&c->cx, &sys));
    const hn_registry_opts o = hn_cli_registry_opts(c);
    HN_TRY(sys->registry_is_reference(from) ? sys->registry_pull(&c->cx, from, &o, to) : copy_package(c, sys, from,
            to));
    HN_TRY(sys->package_open(&c->cx, to, &p));
    hn_err e = hn_cli_package_said(c, sys, &p);
    sys->package_close(&p);
    return e;
}

/* ---- The command ------------------------------------------------------------------------------------- */

static hn_err run(hn_cli *c)
{
    if (c->args.operand_count > 1)
        return pull_package(c, c->args.operand[0], c->args.operand[1]);
    job j = { .c = c, .sha256 = hn_arg_text(&c->args, "sha256", NULL) };
    hn_http_opts o = { .rate_max = (uint64_t)hn_arg_int(&c->args, "rate", 0),
                       .ca_file = hn_arg_text(&c->args, "ca", NULL) };
    hn_buf url = { .cx = &c->cx }, path = { .cx = &c->cx };
    hn_http *h = NULL;
    if (j.sha256 && (strlen(j.sha256) != 64 || strspn(j.sha256, "0123456789abcdefABCDEF") != 64))
        return hn_fail(&c->cx, HN_EARG, "--sha256: expected 64 hexadecimal digits");
    HN_TRY(hn_system_open(&c->cx, &j.sys));
    hn_err e = j.sys->url_from_place(&c->cx, c->args.operand[0], &url);
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

static const hn_operand operands[] = {
    { "URL", HN_OPT_TEXT, 0, "a file: https, http or file; a package: HOST/REPOSITORY[:TAG][@sha256:HEX], or where "
                             "it lies", NULL },
    { "PACKAGE", HN_OPT_FILE, HN_OPTIONAL, "where a package shall lie: a folder, or an archive that ends in .tar",
      NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "output", 'o', HN_OPT_FILE, "OUT", "where to put it: a file, or a folder (the URL's last part)", NULL, 0, 0 },
    { "sha256", 0, HN_OPT_TEXT, "HEX", "what it must hash to; anything else is not kept", NULL, 0, 0 },
    HN_REGISTRY_OPTS,
    { "rate", 0, HN_OPT_INT, "BYTES", "use at most so many bytes a second", NULL, 1024, 1e12 },
    { 0 }
};

const hn_command hn_command_pull = {
    .name = "pull",
    .summary = "fetch a file, or a package from a registry",
    .example = "hone pull https://models.example.org/kws.onnx --sha256 HEX",
    .help = "Goes on where the line broke, now or in a later call: what has come lies in OUT.part, and OUT appears "
            "only when it is "
            "whole and right. A server that sends without end, or hardly at all, is left.\n\n"
            "With PACKAGE, what is fetched is a package out of a registry, a folder or an archive, checked blob by "
            "blob: "
            "with a digest in its name the registry need not be trusted. Credentials as for `hone push`.",
    .exits = "1: nothing lies there, 6: nobody answered, or not to the end; 7: not what --sha256 says",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
