/* SPDX-License-Identifier: Apache-2.0 */
/* hone pull: a package out of a registry, a folder or an archive. */
#include <stdio.h>

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

static hn_err run(hn_cli *c)
{
    const hn_system *sys;
    const char *from = c->args.operand[0], *to = c->args.operand[1];
    hn_package p;
    HN_TRY(hn_system_open(&c->cx, &sys));
    const hn_registry_opts o = hn_cli_registry_opts(c);
    HN_TRY(sys->registry_is_reference(from) ? sys->registry_pull(&c->cx, from, &o, to) : copy(c, sys, from, to));
    HN_TRY(sys->package_open(&c->cx, to, &p));
    printf("%s build %llu  sha256:%s\n", p.m.name, (unsigned long long)p.m.build, sys->digest_hex(&p.oci.digest).text);
    sys->package_close(&p);
    return HN_OK;
}

static const hn_operand operands[] = {
    { "FROM", HN_OPT_TEXT, 0, "HOST/REPOSITORY[:TAG][@sha256:HEX], a folder or an archive", NULL },
    { "TO", HN_OPT_FILE, 0, "a folder, or an archive that ends in .tar", NULL },
    { 0 }
};
static const hn_opt opts[] = { HN_REGISTRY_OPTS, { 0 } };

const hn_command hn_command_pull = {
    .name = "pull",
    .summary = "get a package from a registry, a folder or an archive",
    .example = "hone pull registry.example/models/kws:417 kws-417.tar",
    .help = "Every blob is checked against the hash its manifest gives, and the manifest against the digest if the reference\n"
            "has one: then the registry need not be trusted. Credentials as for `hone push`.",
    .operand = operands, .opt = opts, .run = run,
};
