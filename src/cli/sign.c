/* SPDX-License-Identifier: Apache-2.0 */
/* hone sign: sign a model's files, or check such a signature. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/keys.h"
#include "cli/system.h"
#include "cli/table.h"

enum { IGNORE_MAX = 256 };

typedef struct job {
    hn_cli *c;
    hn_ctx *cx;
    const hn_args *a;
    const hn_system *sys;
    const char *model;
    hn_buf bundle;                   /* its path */
    hn_key *key;
    hn_buf roots, sigstore;          /* files, as texts */
} job;

/* MODEL/model.sig in a folder, MODEL.sig beside a file, unless --signature says otherwise. */
static hn_err find_bundle(job *j)
{
    struct stat st;
    const char *given = hn_arg_text(j->a, "signature", NULL);
    j->bundle.cx = j->cx;
    if (given)
        hn_buf_text(&j->bundle, given);
    else
        hn_buf_printf(&j->bundle, stat(j->model, &st) == 0 && S_ISDIR(st.st_mode) ? "%s/model.sig" : "%s.sig",
                      j->model);
    return hn_buf_ok(&j->bundle, "a path");
}

static hn_err read_text(job *j, const char *option, hn_buf *out)
{
    const char *path = hn_arg_text(j->a, option, NULL);
    hn_file f;
    out->cx = j->cx;
    if (!path)
        return HN_OK;
    HN_TRY(hn_file_open(j->cx, path, &f));
    hn_buf_add(out, f.data, f.len);
    hn_file_close(&f);
    return hn_buf_ok(out, path);
}

static hn_err open_key(job *j)
{
    hn_ask ask = hn_cli_ask(j->c);
    const char *where = hn_arg_text(j->a, "key", NULL);
    return where ? j->sys->key_open(j->cx, where, &ask, &j->key) : HN_OK;
}

static hn_err make(job *j)
{
    const char *ignore[IGNORE_MAX];
    hn_buf text = { .cx = j->cx };
    hn_oms_signing s = { .key = j->key, .ignore = ignore, .ignore_count = hn_arg_count(j->a, "ignore"),
                         .shard_size = (uint64_t)hn_arg_int(j->a, "shard-size", 0) };
    if (!j->key)
        return hn_fail(j->cx, HN_EARG, "which key?  --key FILE or --key pkcs11:..., or --check to check a signature");
    if (s.ignore_count > IGNORE_MAX)
        return hn_fail(j->cx, HN_ELIMIT, "more than %d paths to leave out", IGNORE_MAX);
    for (size_t i = 0; i < s.ignore_count; i++)
        ignore[i] = hn_arg_at(j->a, "ignore", i);
    HN_TRY(read_text(j, "certificate", &j->roots));
    s.chain_pem = j->roots.data;
    hn_err e = j->sys->oms_sign(j->cx, &s, j->model, j->bundle.data, &text);
    if (!e)
        e = hn_file_write(j->cx, j->bundle.data, text.data, text.len);
    hn_buf_free(&text);
    if (e)
        return e;
    if (j->c->json)
        return hn_json_print(j->cx, json_pack("{s:s}", "signature", j->bundle.data));
    puts(j->bundle.data);
    return HN_OK;
}

static hn_err report(job *j, const hn_oms *b)
{
    static const char *const methods[] = { "key", "certificate", "keyless" };
    const json_t *subject = json_array_get(json_object_get(b->statement, "subject"), 0);
    const char *name = json_string_value(json_object_get(subject, "name"));
    const char *digest = json_string_value(json_object_get(json_object_get(subject, "digest"), "sha256"));
    size_t count = json_array_size(json_object_get(json_object_get(b->statement, "predicate"), "resources"));
    if (j->c->json)
        return hn_json_print(j->cx, json_pack("{s:s, s:s, s:s, s:I}", "name", name, "sha256", digest, "method",
                                              methods[b->method], "files", (json_int_t)count));
    printf("good: %s, %zu %s, signed by %s\n", name, count, count == 1 ? "file" : "files", methods[b->method]);
    return HN_OK;
}

static hn_err check(job *j)
{
    hn_file f;
    hn_oms b = { 0 };
    HN_TRY(read_text(j, "trust", &j->roots));
    HN_TRY(read_text(j, "trusted-root", &j->sigstore));
    hn_oms_trust t = { j->key, j->roots.data, j->sigstore.data, hn_arg_text(j->a, "identity", NULL),
                       hn_arg_text(j->a, "issuer", NULL) };
    HN_TRY(hn_file_open(j->cx, j->bundle.data, &f));
    hn_err e = j->sys->oms_parse(j->cx, j->bundle.data, (const char *)f.data, f.len, &b);
    hn_file_close(&f);
    if (!e)
        e = j->sys->oms_check_signature(j->cx, &b, &t);
    if (!e)
        e = j->sys->oms_check_files(j->cx, &b, j->model, j->bundle.data);
    if (!e)
        e = report(j, &b);
    j->sys->oms_free(&b);
    return e;
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c, .cx = &c->cx, .a = &c->args, .model = c->args.operand[0] };
    HN_TRY(hn_system_open(j.cx, &j.sys));
    hn_err e = find_bundle(&j);
    if (!e)
        e = open_key(&j);
    if (!e)
        e = hn_arg_flag(j.a, "check") ? check(&j) : make(&j);
    j.sys->key_free(j.key);
    hn_buf_free(&j.bundle);
    hn_buf_free(&j.roots);
    hn_buf_free(&j.sigstore);
    return e;
}

static const hn_operand operands[] = { { "MODEL", HN_OPT_FILE, 0, "a folder, or one file", NULL }, { 0 } };

static const hn_opt opts[] = {
    { "key", 'k', HN_OPT_TEXT, "KEY", "the private key, as a file or pkcs11: URI; to check, the public one", NULL, 0,
      0 },
    HN_PASSPHRASE_OPT,
    { "check", 0, HN_OPT_FLAG, NULL, "check a signature instead of making one", NULL, 0, 0 },
    { "signature", 's', HN_OPT_FILE, "FILE", "where it is (MODEL/model.sig, or MODEL.sig for one file)", NULL, 0, 0 },
    { "certificate", 0, HN_OPT_FILE, "PEM", "sign: the key's certificate and those above it, to sign by certificate",
      NULL, 0, 0 },
    { "ignore", 0, HN_OPT_TEXT, "PATH", "sign: leave out PATH and all below it; may be repeated", NULL, 0, 0 },
    { "shard-size", 0, HN_OPT_INT, "BYTES", "sign: pieces of this size instead of whole files", NULL, 1, 1e15 },
    { "trust", 0, HN_OPT_FILE, "PEM", "check: certificates of those who may vouch for the signer", NULL, 0, 0 },
    { "trusted-root", 0, HN_OPT_FILE, "JSON", "check, keyless: Sigstore's trusted_root.json", NULL, 0, 0 },
    { "identity", 0, HN_OPT_TEXT, "WHO", "check, keyless: the signer's mail address or URI", NULL, 0, 0 },
    { "issuer", 0, HN_OPT_TEXT, "URL", "check, keyless: who says so", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_sign = {
    .name = "sign",
    .summary = "sign a model's files, or check such a signature",
    .example = "hone sign models/kws --key release.key",
    .help = "Writes a detached signature in the form of OpenSSF Model Signing 1.0: it lists every file with its "
            "hash, so that "
            "nothing can be changed, added or taken away. Use a p256, p384 or p521 key where other tools must check "
            "it; "
            "`hone release key` makes one.\n\n"
            "--check verifies the signature against what you trust (--key, --trust or --trusted-root, as it was "
            "made), then every "
            "file. Without a trusted time, a chain of certificates is judged as of the day the signer's own began.",
    .exits = "7: not what was signed, or not signed by whom you trust",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
