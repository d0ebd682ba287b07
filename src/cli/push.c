/* SPDX-License-Identifier: Apache-2.0 */
/* hone push: a package into a registry, a folder or an archive. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/registry.h"
#include "cli/table.h"

hn_registry_opts hn_cli_registry_opts(const hn_cli *c)
{
    return (hn_registry_opts){ .user = getenv("HONE_REGISTRY_USER"), .password = getenv("HONE_REGISTRY_PASSWORD"),
                               .token = getenv("HONE_REGISTRY_TOKEN"), .ca_file = hn_arg_text(&c->args, "ca", NULL) };
}

hn_err hn_cli_package_said(hn_cli *c, const hn_system *sys, const hn_package *p)
{
    hn_digest_text digest = sys->digest_hex(&p->oci.digest);
    if (c->json)
        return hn_json_print(&c->cx, json_pack("{s:s, s:I, s:s}", "name", p->m.name, "build", (json_int_t)p->m.build,
                                               "digest", digest.text));
    printf("%s build %llu  sha256:%s\n", p->m.name, (unsigned long long)p->m.build, digest.text);
    return HN_OK;
}

static hn_err run(hn_cli *c)
{
    const hn_system *sys;
    const char *to = c->args.operand[1];
    hn_package p;
    HN_TRY(hn_system_open(&c->cx, &sys));
    HN_TRY(sys->package_open(&c->cx, c->args.operand[0], &p));
    const hn_registry_opts o = hn_cli_registry_opts(c);
    hn_reason why = HN_WHY_NONE;
    hn_err e = sys->package_verify(&c->cx, &p, &why);
    if (!e)
        e = sys->registry_is_reference(to) ? sys->registry_push(&c->cx, &p, to, &o) : sys->package_copy(&c->cx, &p, to);
    if (!e)
        e = hn_cli_package_said(c, sys, &p);
    sys->package_close(&p);
    return e;
}

static const hn_operand operands[] = {
    { "PACKAGE", HN_OPT_FILE, 0, "a folder or archive of `hone package`", NULL },
    { "TO", HN_OPT_TEXT, 0, "HOST/REPOSITORY[:TAG], a folder, or an archive that ends in .tar", NULL },
    { 0 }
};
static const hn_opt opts[] = { HN_REGISTRY_OPTS, { 0 } };

const hn_command hn_command_push = {
    .name = "push",
    .summary = "put a package into a registry, a folder or an archive",
    .example = "hone push kws-417.tar registry.example/models/kws:417",
    .help = "Any registry that keeps container images will do. What it has already is not sent again; without a tag "
            "the\n"
            "build's number is taken. $HONE_REGISTRY_USER and $HONE_REGISTRY_PASSWORD, or $HONE_REGISTRY_TOKEN, say "
            "who you are.\n"
            "A registry without TLS needs http:// before its name, unless it is on this machine.",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
