/* SPDX-License-Identifier: Apache-2.0 */
/* hone release: the publisher's side of a repository, from the key ceremony to the daily re-signing. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/keys.h"
#include "cli/system.h"
#include "cli/table.h"

#define DAY 86400
enum { CHANGES_MAX = 64, TEAM_PATHS_MAX = 64 };

typedef struct job {
    hn_cli *c;
    hn_ctx *cx;
    const hn_args *a;
    const hn_system *sys;
    int64_t now;
    hn_key *opened[CHANGES_MAX];           /* freed at the end */
    size_t opened_count;
    hn_tuf_change change[CHANGES_MAX];
    char id[CHANGES_MAX + 1][HN_SHA256_HEX];
    size_t change_count;
} job;

static int64_t expires(const job *j, int64_t days) { return j->now + hn_arg_int(j->a, "days", days) * DAY; }

static hn_err open_key(job *j, const char *where, hn_key **out)
{
    hn_ask ask = hn_cli_ask(j->c);
    if (j->opened_count == CHANGES_MAX)
        return hn_fail(j->cx, HN_ELIMIT, "more than %d keys at once", CHANGES_MAX);
    HN_TRY(j->sys->key_open(j->cx, where, &ask, &j->opened[j->opened_count]));
    *out = j->opened[j->opened_count++];
    return HN_OK;
}

static hn_err id_of(job *j, const hn_key *key, char out[HN_SHA256_HEX])
{
    json_t *form;
    HN_TRY(j->sys->tuf_key_write(j->cx, key, &form));
    hn_err e = j->sys->tuf_key_id(j->cx, form, out);
    json_decref(form);
    return e;
}

/* ---- Keys and the root ------------------------------------------------------------------------------ */

static hn_err make_key(job *j)
{
    const char *path = j->a->operand[1];
    char passphrase[HN_PASSPHRASE_MAX] = "", id[HN_SHA256_HEX] = "";
    bool unlocked = hn_arg_flag(j->a, "unlocked");
    hn_key_kind kind = HN_KEY_ED25519;
    hn_key *key;
    j->sys->key_kind_find(hn_arg_text(j->a, "type", "ed25519"), &kind);
    if (!unlocked)
        HN_TRY(hn_cli_new_passphrase(j->c, path, passphrase));
    HN_TRY(j->sys->key_generate(j->cx, kind, &key));
    hn_err e = j->sys->key_save(j->cx, key, path, unlocked ? NULL : passphrase);
    if (!e && kind != HN_KEY_X25519 && kind != HN_KEY_P521)
        e = id_of(j, key, id);
    j->sys->key_free(key);
    memset(passphrase, 0, sizeof passphrase);
    if (e)
        return e;
    if (j->c->json)
        return hn_json_print(j->cx, json_pack("{s:s, s:s}", "key", path, "id", id));
    printf("%s  private, stays here\n%s.pub  public\n", path, path);
    if (id[0])
        printf("id %s\n", id);
    return HN_OK;
}

static hn_err push_change(job *j, hn_tuf_change change)
{
    if (j->change_count == CHANGES_MAX)
        return hn_fail(j->cx, HN_ELIMIT, "more than %d changes at once", CHANGES_MAX);
    j->change[j->change_count++] = change;
    return HN_OK;
}

/* "online" means both roles a machine signs. */
static hn_err push_for(job *j, const char *role, size_t len, hn_tuf_change change)
{
    static const struct { const char *name; hn_tuf_type type; } roles[] = {
        { "root", HN_TUF_ROOT }, { "targets", HN_TUF_TARGETS }, { "snapshot", HN_TUF_SNAPSHOT },
            { "timestamp", HN_TUF_TIMESTAMP },
        { "online", HN_TUF_SNAPSHOT }, { "online", HN_TUF_TIMESTAMP },
    };
    size_t before = j->change_count;
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strlen(roles[i].name) == len && memcmp(roles[i].name, role, len) == 0) {
            change.role = roles[i].type;
            HN_TRY(push_change(j, change));
        }
    if (j->change_count == before)
        return hn_fail(j->cx, HN_EARG, "'%.*s': expected root, targets, snapshot, timestamp or online", (int)len, role);
    return HN_OK;
}

static hn_err push_keys(job *j, const char *option)
{
    for (size_t i = 0; i < hn_arg_count(j->a, option); i++) {
        hn_key *key;
        HN_TRY(open_key(j, hn_arg_at(j->a, option, i), &key));
        HN_TRY(push_for(j, option, strlen(option), (hn_tuf_change){ .add = key }));
    }
    return HN_OK;
}

static hn_err init(job *j)
{
    const char *dir = j->a->operand[1];
    if (!hn_arg_count(j->a, "root") || !hn_arg_count(j->a, "targets") || !hn_arg_count(j->a, "online"))
        return hn_fail(j->cx, HN_EARG, "--root, --targets and --online are needed, each with a public key");
    HN_TRY(push_keys(j, "root"));
    HN_TRY(push_keys(j, "targets"));
    HN_TRY(push_keys(j, "online"));
    hn_tuf_change two = { .role = HN_TUF_ROOT, .threshold = (uint32_t)hn_arg_int(j->a, "threshold", 2) };
    HN_TRY(push_change(j, two));
    HN_TRY(j->sys->tuf_repo_change_root(j->cx, dir, j->change, j->change_count, expires(j, 365)));
    HN_TRY(j->sys->tuf_repo_extend(j->cx, dir, "targets", expires(j, 120)));
    if (!j->c->quiet)
        fprintf(stderr, "staged %s/staged/root.json and targets.json; carry them to their keys: hone release sign "
                "FILE --key KEY\n", dir);
    return HN_OK;
}

/* An id, or the public key it is the id of. */
static hn_err id_to_drop(job *j, const char *text, const char **out)
{
    hn_key *key;
    *out = text;
    if (access(text, F_OK) != 0)
        return HN_OK;
    HN_TRY(open_key(j, text, &key));
    HN_TRY(id_of(j, key, j->id[j->change_count]));
    *out = j->id[j->change_count];
    return HN_OK;
}

static hn_err push_assignments(job *j, const char *option)
{
    for (size_t i = 0; i < hn_arg_count(j->a, option); i++) {
        const char *text = hn_arg_at(j->a, option, i), *equals = strchr(text, '=');
        hn_tuf_change change = { 0 };
        hn_key *key;
        if (!equals || !equals[1])
            return hn_fail(j->cx, HN_EARG, "--%s %s: expected ROLE=%s", option, text,
                           strcmp(option, "add") == 0 ? "PUBLIC_KEY" : strcmp(option, "drop") == 0 ? "KEY_ID" :
                               "NUMBER");
        if (strcmp(option, "add") == 0) {
            HN_TRY(open_key(j, equals + 1, &key));
            change.add = key;
        } else if (strcmp(option, "drop") == 0) {
            HN_TRY(id_to_drop(j, equals + 1, &change.remove));
        } else {
            unsigned need;
            char rest;
            if (sscanf(equals + 1, "%5u%c", &need, &rest) != 1 || need == 0)
                return hn_fail(j->cx, HN_EARG, "--need %s: expected a number of signatures", text);
            change.threshold = need;
        }
        HN_TRY(push_for(j, text, (size_t)(equals - text), change));
    }
    return HN_OK;
}

static hn_err change_root(job *j)
{
    HN_TRY(push_assignments(j, "add"));
    HN_TRY(push_assignments(j, "drop"));
    HN_TRY(push_assignments(j, "need"));
    bool root = false, online = false;
    for (size_t i = 0; i < j->change_count; i++) {
        root = root || j->change[i].role == HN_TUF_ROOT;
        online = online || j->change[i].role == HN_TUF_TIMESTAMP;
    }
    if (root && !online && !j->c->quiet)     /* devices kept from the new root then notice: the old key signs no more */
        fputs("root keys change: change the online key too (--drop online=OLD.pub --add online=NEW.pub), or a device "
              "that is kept from this root notices only when the old one expires\n", stderr);
    return j->sys->tuf_repo_change_root(j->cx, j->a->operand[1], j->change, j->change_count, expires(j, 365));
}

/* ---- Targets ---------------------------------------------------------------------------------------- */

static hn_err need_operands(job *j, size_t count, const char *form)
{
    return j->a->operand_count >= count ? HN_OK : hn_fail(j->cx, HN_EARG, "expected: hone release %s", form);
}

static hn_err add(job *j)
{
    HN_TRY(need_operands(j, 3, "add REPO PATH=FILE..."));
    for (size_t i = 2; i < j->a->operand_count; i++) {
        const char *text = j->a->operand[i], *equals = strchr(text, '=');
        hn_buf path = { .cx = j->cx };
        if (!equals)
            return hn_fail(j->cx, HN_EARG, "'%s': expected PATH=FILE", text);
        hn_buf_add(&path, text, (size_t)(equals - text));
        hn_err e = equals == text ? hn_fail(j->cx, HN_EARG, "'%s': expected PATH=FILE", text) :
            hn_buf_ok(&path, "a path");
        if (!e)
            e = j->sys->tuf_repo_set_target(j->cx, j->a->operand[1], hn_arg_text(j->a, "role", "targets"), path.data,
                                            equals + 1, NULL, expires(j, 120));
        hn_buf_free(&path);
        if (e)
            return e;
    }
    return HN_OK;
}

/* A package's files, its manifest and the channel that points at it. */
static hn_err add_package(job *j)
{
    hn_package p;
    HN_TRY(need_operands(j, 3, "package REPO PACKAGE"));
    HN_TRY(j->sys->package_open(j->cx, j->a->operand[2], &p));
    hn_err e = j->sys->release_package(j->cx, &p, j->a->operand[1], hn_arg_text(j->a, "channel", "stable"),
                                       hn_arg_text(j->a, "role", "targets"), expires(j, 120));
    if (!e && !j->c->quiet)
        fprintf(stderr, "staged %s build %llu; next: hone release sign %s/staged/%s.json --key KEY\n", p.m.name,
                (unsigned long long)p.m.build, j->a->operand[1], hn_arg_text(j->a, "role", "targets"));
    j->sys->package_close(&p);
    return e;
}

static hn_err remove_targets(job *j)
{
    HN_TRY(need_operands(j, 3, "remove REPO PATH..."));
    for (size_t i = 2; i < j->a->operand_count; i++)
        HN_TRY(j->sys->tuf_repo_set_target(j->cx, j->a->operand[1], hn_arg_text(j->a, "role", "targets"),
                                           j->a->operand[i], NULL, NULL, expires(j, 120)));
    return HN_OK;
}

static hn_err delegate(job *j)
{
    const char *paths[TEAM_PATHS_MAX];
    hn_key *key;
    hn_tuf_team team = { .paths = paths, .path_count = hn_arg_count(j->a, "path"),
                         .threshold = (uint32_t)hn_arg_int(j->a, "threshold", 1) };
    HN_TRY(need_operands(j, 3, "delegate REPO TEAM --key PUBLIC_KEY --path PATTERN"));
    team.name = j->a->operand[2];
    if (team.path_count > TEAM_PATHS_MAX)
        return hn_fail(j->cx, HN_ELIMIT, "more than %d paths for one team", TEAM_PATHS_MAX);
    for (size_t i = 0; i < team.path_count; i++)
        paths[i] = hn_arg_at(j->a, "path", i);
    for (size_t i = 0; i < hn_arg_count(j->a, "key"); i++)
        HN_TRY(open_key(j, hn_arg_at(j->a, "key", i), &key));
    team.keys = j->opened;
    team.key_count = j->opened_count;
    return j->sys->tuf_repo_delegate(j->cx, j->a->operand[1], &team, expires(j, 120));
}

static hn_err extend(job *j)
{
    const char *role = j->a->operand_count > 2 ? j->a->operand[2] : "targets";
    return j->sys->tuf_repo_extend(j->cx, j->a->operand[1], role, expires(j, strcmp(role, "root") == 0 ? 365 : 120));
}

/* ---- Signing and publishing ------------------------------------------------------------------------- */

/* Whom a root trusts, so that people see what they sign, and can compare ids. */
static void print_roles(const json_t *what)
{
    const char *name;
    json_t *role;
    json_object_foreach(json_object_get(what, "roles"), name, role) {
        const json_t *ids = json_object_get(role, "keyids");
        printf("  %-9s %lld of", name, (long long)json_integer_value(json_object_get(role, "threshold")));
        for (size_t i = 0; i < json_array_size(ids); i++)
            printf(" %.12s", json_string_value(json_array_get(ids, i)));
        putchar('\n');
    }
}

static hn_err sign(job *j)
{
    json_t *what = NULL;
    if (hn_arg_count(j->a, "key") == 0)
        return hn_fail(j->cx, HN_EARG, "which key?  --key FILE or --key pkcs11:...");
    for (size_t i = 0; i < hn_arg_count(j->a, "key"); i++) {
        hn_key *key;
        HN_TRY(open_key(j, hn_arg_at(j->a, "key", i), &key));
        json_decref(what);
        what = NULL;
        HN_TRY(j->sys->tuf_repo_sign(j->cx, j->a->operand[1], key, &what));
    }
    if (j->c->json)
        return hn_json_print(j->cx, what);
    printf("signed %s version %lld, expires %s: %lld signatures\n", json_string_value(json_object_get(what, "type")),
           (long long)json_integer_value(json_object_get(what, "version")),
               json_string_value(json_object_get(what, "expires")),
           (long long)json_integer_value(json_object_get(what, "signatures")));
    print_roles(what);
    json_decref(what);
    return HN_OK;
}

static hn_err publish(job *j)
{
    json_t *done;
    hn_cli_keys keys;
    size_t i;
    json_t *row;
    hn_err e = hn_cli_keys_open(j->c, j->sys, "key", &keys);
    if (!e)
        e = j->sys->tuf_repo_publish(j->cx, j->a->operand[1], keys.key, keys.count, NULL, j->now, &done);
    hn_cli_keys_free(j->c, j->sys, &keys);
    if (e)
        return e;
    if (j->c->json)
        return hn_json_print(j->cx, done);
    json_array_foreach(json_object_get(done, "written"), i, row)
        puts(json_string_value(row));
    json_array_foreach(json_object_get(done, "waiting"), i, row)
        fprintf(stderr, "still staged: %s: %s\n", json_string_value(json_object_get(row, "role")),
                json_string_value(json_object_get(row, "why")));
    if (!json_array_size(json_object_get(done, "written")) && !j->c->quiet)
        fputs("nothing to do: nothing is staged, and no signature is past half its life\n", stderr);
    json_decref(done);
    return HN_OK;
}

static hn_err status(job *j)
{
    static const char *const columns[] = { "role", "state", "version", "expires", "signatures", "needed", "note",
                                           NULL };
    json_t *rows;
    HN_TRY(j->sys->tuf_repo_status(j->cx, j->a->operand[1], j->now, &rows));
    if (j->c->json)
        return hn_json_print(j->cx, rows);
    hn_err e = hn_table_print(j->cx, rows, columns, HN_TABLE_TEXT);
    json_decref(rows);
    return e;
}

/* ---- The command ------------------------------------------------------------------------------------ */

static const struct { const char *name; hn_err (*run)(job *j); } actions[] = {
    { "key", make_key }, { "init", init }, { "sign", sign }, { "add", add }, { "package", add_package },
    { "remove", remove_targets }, { "delegate", delegate }, { "extend", extend }, { "root", change_root },
    { "publish", publish }, { "status", status },
};

static hn_err work(job *j)
{
    const char *now = hn_arg_text(j->a, "now", NULL);
    size_t i = 0;
    HN_TRY(hn_system_open(j->cx, &j->sys));
    j->now = (int64_t)time(NULL);
    if (now)
        HN_TRY(j->sys->tuf_time_read(j->cx, now, &j->now));
    while (strcmp(actions[i].name, j->a->operand[0]) != 0)         /* the parser let no other word through */
        i++;
    return actions[i].run(j);
}

static hn_err run(hn_cli *c)
{
    job j = { .c = c, .cx = &c->cx, .a = &c->args };
    hn_err e = work(&j);
    for (size_t i = 0; i < j.opened_count; i++)
        j.sys->key_free(j.opened[i]);
    return e;
}

static const hn_operand operands[] = {
    { "ACTION", HN_OPT_CHOICE, 0, "what to do, see above",
      "key init sign add package remove delegate extend root publish status" },
    { "WHERE", HN_OPT_FILE, 0, "the repository's folder; key: the file to make; sign: the staged file", NULL },
    { "WHAT", HN_OPT_TEXT, HN_OPTIONAL | HN_MANY,
      "add: PATH=FILE; package: PACKAGE; remove: PATH; delegate, extend: ROLE", NULL },
    { 0 }
};

static const hn_opt opts[] = {
    { "key", 'k', HN_OPT_TEXT, "KEY", "a key: a file, or a pkcs11: URI; may be repeated", NULL, 0, 0 },
    HN_PASSPHRASE_OPT,
    { "type", 0, HN_OPT_CHOICE, "KIND", "key: which kind (ed25519)", "ed25519 p256 p384 p521 rsa x25519", 0, 0 },
    { "unlocked", 0, HN_OPT_FLAG, NULL, "key: without a passphrase, for a machine that signs alone", NULL, 0, 0 },
    { "root", 0, HN_OPT_FILE, "PUB", "init: a root key; repeat for each person", NULL, 0, 0 },
    { "targets", 0, HN_OPT_FILE, "PUB", "init: a key that signs which models there are", NULL, 0, 0 },
    { "online", 0, HN_OPT_FILE, "PUB", "init: the key of the machine that signs snapshot and timestamp", NULL, 0, 0 },
    { "threshold", 0, HN_OPT_INT, "N", "init: how many root keys must sign (2); delegate: how many of the team's (1)",
      NULL, 1, 64 },
    { "role", 0, HN_OPT_TEXT, "ROLE", "add, remove: targets, or a team (targets)", NULL, 0, 0 },
    { "channel", 0, HN_OPT_TEXT, "NAME", "package: which channel shall offer it (stable)", NULL, 0, 0 },
    { "path", 0, HN_OPT_TEXT, "PATTERN",
      "delegate: what the team may name, like models/team-a-*/*/*; may be repeated", NULL, 0, 0 },
    { "add", 0, HN_OPT_TEXT, "ROLE=PUB", "root: give ROLE this key", NULL, 0, 0 },
    { "drop", 0, HN_OPT_TEXT, "ROLE=KEY", "root: take this key from ROLE: its file, or the beginning of its id", NULL,
      0, 0 },
    { "need", 0, HN_OPT_TEXT, "ROLE=N", "root: N signatures must be there", NULL, 0, 0 },
    { "days", 0, HN_OPT_INT, "N", "how long what is staged shall live (root 365, targets 120)", NULL, 1, 3650 },
    { "now", 0, HN_OPT_TEXT, "TIME", "as if it were TIME, like 2030-01-31T12:00:00Z", NULL, 0, 0 },
    { 0 }
};

const hn_command hn_command_release = {
    .name = "release",
    .summary = "say with signatures which models devices may take",
    .example = "hone release add repo models/kws/417/manifest.json=manifest.json",
    .help = "A repository is a folder of plain files that any web server can serve (metadata/ and targets/).  "
            "Changes are staged, signed where their keys are, then published; doc/release.md walks through all of "
            "it.\n\n"
            "key makes a pair of keys. init stages a new repository. root stages a change of who may sign. add and "
            "remove stage what targets there are, package stages one of `hone package` and makes a channel offer it, "
            "delegate gives a team its own part, extend stages the same again with a later expiry.\n\n"
            "sign adds a signature to a staged file, on any machine: the file is all it needs. publish takes what "
            "enough keys have signed, signs snapshot and timestamp with the online key, checks that devices will "
            "accept the whole, and writes it; with nothing staged it re-signs what is past half its life, so run it "
            "from a timer. status shows who has to sign what.",
    .exits = "1: not enough signatures yet, or something expired",
    .operand = operands, .opt = opts, .reports = true, .run = run,
};
