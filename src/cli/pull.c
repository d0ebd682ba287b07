/* SPDX-License-Identifier: Apache-2.0 */
/* hone pull: a package out of a registry, a folder or an archive; or any file, by its URL. */
#include <stdio.h>
#include <string.h>

#include "cli/download.h"
#include "cli/registry.h"

static hn_err copy(hn_cli *c, const hn_system *sys, const char *from, const char *to)
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

/* A URL that ends in a tag or a digest is a registry's, one without TLS perhaps; any other is a file's. */
static bool names_package(const char *url)
{
    const char *last = strrchr(url, '/');
    return last > strstr(url, "://") + 2 && (strchr(last, ':') || strstr(last, "@sha256"));
}

static hn_err run(hn_cli *c)
{
    const hn_system *sys;
    const char *from = c->args.operand[0], *to = c->args.operand_count > 1 ? c->args.operand[1] : NULL;
    hn_package p;
    if (strstr(from, "://") && !names_package(from))
        return to ? hn_fail(&c->cx, HN_EARG, "'%s': one argument too many; -o %s says where a file goes", to, to) :
                    hn_cli_download(c, from);
    if (!to)
        return hn_fail(&c->cx, HN_EARG, "where to?  hone pull %s FOLDER, or an archive that ends in .tar", from);
    HN_TRY(hn_system_open(&c->cx, &sys));
    const hn_registry_opts o = hn_cli_registry_opts(c);
    if (sys->registry_is_reference(from))
        HN_TRY(sys->registry_pull(&c->cx, from, &o, to));
    else
        HN_TRY(copy(c, sys, from, to));
    HN_TRY(sys->package_open(&c->cx, to, &p));
    hn_err e = hn_cli_package_said(c, sys, &p);
    sys->package_close(&p);
    return e;
}

static const hn_operand operands[] = {
    { "FROM", HN_OPT_TEXT, 0, "HOST/REPOSITORY[:TAG][@sha256:HEX], a folder or an archive; or the URL of any file",
      NULL },
    { "TO", HN_OPT_FILE, HN_OPTIONAL, "a package's place: a folder, or an archive that ends in .tar", NULL },
    { 0 }
};
static const hn_opt opts[] = { HN_DOWNLOAD_OPTS, HN_REGISTRY_OPTS, { 0 } };

const hn_command hn_command_pull = {
    .name = "pull",
    .summary = "get a package from a registry, a folder or an archive, or any file by its URL",
    .example = "hone pull registry.example/models/kws:417 kws-417.tar",
    .help = "Every blob is checked against the hash its manifest gives, and the manifest against the digest if the "
            "reference\nhas one: then the registry need not be trusted. Credentials as for `hone push`.\n\n"
            "Any other URL (https://, http://, file://) is fetched as it is, over a line that may break: what has "
            "come lies\nin OUT.part, now or in a later call it goes on from there, and OUT appears only when it is "
            "whole and right. A\nserver that sends without end, or hardly at all, is left.",
    .exits = "1: nothing lies there; 6: nobody answered, or not to the end; 7: not what the hash says",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
