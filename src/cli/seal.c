/* SPDX-License-Identifier: Apache-2.0 */
/* hone seal: encrypt a file for one device, or open such a file. */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/keys.h"
#include "cli/system.h"

static hn_err open_file(hn_cli *c, const hn_system *sys, const hn_key *key, const char *from)
{
    const char *to = hn_arg_text(&c->args, "output", NULL);
    size_t len = strlen(from);
    hn_buf path = { .cx = &c->cx };
    if (!to && (len < 8 || strcmp(from + len - 7, ".sealed") != 0))
        return hn_fail(&c->cx, HN_EARG, "%s does not end in .sealed; say where to write with -o FILE", from);
    hn_buf_add(&path, to ? to : from, to ? strlen(to) : len - 7);
    hn_err e = hn_buf_ok(&path, "a path");
    if (!e)
        e = sys->unseal_file(&c->cx, key, from, path.data);
    if (!e)
        puts(path.data);
    hn_buf_free(&path);
    return e;
}

static hn_err seal_file(hn_cli *c, const hn_system *sys, const hn_key *key, const char *from)
{
    const char *to = hn_arg_text(&c->args, "output", NULL);
    hn_buf path = { .cx = &c->cx };
    hn_buf_text(&path, to ? to : from);
    if (!to)
        hn_buf_text(&path, ".sealed");
    hn_err e = hn_buf_ok(&path, "a path");
    if (!e)
        e = sys->seal_file(&c->cx, key, from, path.data);
    if (!e)
        puts(path.data);
    hn_buf_free(&path);
    return e;
}

static hn_err run(hn_cli *c)
{
    const hn_system *sys;
    const char *where = hn_arg_text(&c->args, "key", NULL);
    hn_ask ask = hn_cli_ask(c);
    hn_key *key;
    if (!where)
        return hn_fail(&c->cx, HN_EARG, "which device?  --key FILE: its public key, or to open its private one");
    HN_TRY(hn_system_open(&c->cx, &sys));
    HN_TRY(sys->key_open(&c->cx, where, &ask, &key));
    hn_err e = (hn_arg_flag(&c->args, "open") ? open_file : seal_file)(c, sys, key, c->args.operand[0]);
    sys->key_free(key);
    return e;
}

static const hn_operand operands[] = { { "FILE", HN_OPT_FILE, 0, "what to seal, or to open", NULL }, { 0 } };

static const hn_opt opts[] = {
    { "key", 'k', HN_OPT_TEXT, "KEY", "the device's x25519 key: public to seal, private to open", NULL, 0, 0 },
    HN_PASSPHRASE_OPT,
    { "open", 0, HN_OPT_FLAG, NULL, "open a sealed file", NULL, 0, 0 },
    { "output", 'o', HN_OPT_FILE, "OUT", "where to write (FILE.sealed; to open, FILE without .sealed)", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_seal = {
    .name = "seal",
    .summary = "encrypt a file for one device",
    .example = "hone seal kws.tar --key device.key.pub",
    .help = "For models that must not leak: only who has the device's private key can open the file, and a file "
            "that was cut or "
            "changed does not open at all. `hone release key device.key --type x25519` makes a device's keys. "
            "Sealing hides; it "
            "does not say who made the file: sign it first.",
    .exits = "7: sealed for another device, changed, or cut",
    .operand = operands, .opt = opts, .run = run,
};
