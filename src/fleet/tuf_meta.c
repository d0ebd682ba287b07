/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/tuf_meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet/json.h"

static const char *const type_names[HN_TUF_TYPES] = { "root", "timestamp", "snapshot", "targets" };

const char *hn_tuf_type_name(hn_tuf_type t) { return type_names[t]; }

/* ---- Time ------------------------------------------------------------------------------------------- */

hn_err hn_tuf_time_read(hn_ctx *cx, const char *text, int64_t *out)
{
    struct tm t = { 0 };
    char again[32];
    int n = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour, &t.tm_min,
               &t.tm_sec, &n) == 6 &&
        n == 20 && !text[n] && t.tm_year >= 1970) {
        t.tm_year -= 1900;
        t.tm_mon -= 1;
        *out = (int64_t)timegm(&t);
        hn_tuf_time_write(*out, again);          /* no 31st of June, no blanks for digits */
        if (strcmp(again, text) == 0)
            return HN_OK;
    }
    return hn_fail(cx, HN_EFORMAT, "'%.40s': expected a time like 2030-01-31T12:00:00Z", text);
}

void hn_tuf_time_write(int64_t t, char out[32])
{
    time_t at = (time_t)t;
    struct tm parts;
    if (!gmtime_r(&at, &parts) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &parts))
        snprintf(out, 32, "?");
}

/* ---- Keys ------------------------------------------------------------------------------------------- */

/* The first row of a kind is how it is written; the others are read too. */
static const struct { hn_key_kind kind; const char *type, *scheme; } key_forms[] = {
    { HN_KEY_ED25519, "ed25519", "ed25519" },
    { HN_KEY_P256, "ecdsa", "ecdsa-sha2-nistp256" },
    { HN_KEY_P256, "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
    { HN_KEY_P384, "ecdsa", "ecdsa-sha2-nistp384" },
    { HN_KEY_P384, "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384" },
    { HN_KEY_RSA, "rsa", "rsassa-pss-sha256" },
};
enum { KEY_FORMS = sizeof key_forms / sizeof key_forms[0] };

hn_err hn_tuf_key_read(hn_ctx *cx, const json_t *key, hn_key **out)
{
    const char *type, *scheme, *pub;
    const json_t *value;
    size_t form = 0;
    uint8_t raw[32];
    hn_key *k;

    HN_TRY(hn_json_text(cx, "key", key, "keytype", &type));
    HN_TRY(hn_json_text(cx, "key", key, "scheme", &scheme));
    HN_TRY(hn_json_object(cx, "key", key, "keyval", &value));
    HN_TRY(hn_json_text(cx, "key", value, "public", &pub));
    while (form < KEY_FORMS && (strcmp(key_forms[form].type, type) != 0 || strcmp(key_forms[form].scheme, scheme) != 0))
        form++;
    if (form == KEY_FORMS)
        return hn_fail(cx, HN_EUNSUP, "unsupported: key of type %.40s with scheme %.40s", type, scheme);
    if (key_forms[form].kind == HN_KEY_ED25519) {
        if (strlen(pub) != 64 || !hn_unhex(pub, 64, raw))
            return hn_fail(cx, HN_EFORMAT, "an Ed25519 key: expected 64 hexadecimal digits");
        return hn_key_from_raw(cx, HN_KEY_ED25519, raw, out);
    }
    HN_TRY(hn_key_from_pem(cx, "key", pub, strlen(pub), NULL, &k));
    if (hn_key_kind_of(k) != key_forms[form].kind) {
        hn_key_free(k);
        return hn_fail(cx, HN_EREFUSED, "a key says %s and is of another kind", scheme);
    }
    *out = k;
    return HN_OK;
}

static hn_err public_text(hn_ctx *cx, const hn_key *key, hn_buf *out)
{
    uint8_t raw[32];
    char hex[65];
    if (hn_key_kind_of(key) != HN_KEY_ED25519)
        return hn_key_public_pem(cx, key, out);
    HN_TRY(hn_key_raw(cx, key, raw));
    hn_hex(raw, 32, hex);
    hn_buf_text(out, hex);
    return hn_buf_ok(out, "a key");
}

hn_err hn_tuf_key_write(hn_ctx *cx, const hn_key *key, json_t **out)
{
    hn_buf pub = { .cx = cx };
    size_t form = 0;
    while (form < KEY_FORMS && key_forms[form].kind != hn_key_kind_of(key))
        form++;
    if (form == KEY_FORMS)
        return hn_fail(cx, HN_EUNSUP, "unsupported: a %s key in a repository; use ed25519, p256 or rsa",
                       hn_key_kind_name(hn_key_kind_of(key)));
    hn_err e = public_text(cx, key, &pub);
    json_t *made = e ? NULL : json_pack("{s:s, s:s, s:{s:s}}", "keytype", key_forms[form].type, "scheme",
                                        key_forms[form].scheme, "keyval", "public", pub.data);
    hn_buf_free(&pub);
    if (!made)
        return e ? e : hn_nomem(cx, "a key");
    *out = made;
    return HN_OK;
}

hn_err hn_tuf_key_id(hn_ctx *cx, const json_t *key, char out[HN_SHA256_HEX])
{
    hn_buf b = { .cx = cx };
    uint8_t hash[HN_SHA256_SIZE];
    hn_err e = hn_json_canonical(cx, key, &b);
    if (!e)
        e = hn_sha256(cx, b.data, b.len, hash);
    hn_buf_free(&b);
    if (!e)
        hn_hex(hash, sizeof hash, out);
    return e;
}

/* ---- The form of a file ----------------------------------------------------------------------------- */

static hn_err check_keys(hn_ctx *cx, const char *what, const json_t *keys)
{
    const char *id;
    json_t *key;
    char real[HN_SHA256_HEX];
    json_object_foreach((json_t *)(uintptr_t)keys, id, key) {
        if (!json_is_object(key))
            return hn_fail(cx, HN_EFORMAT, "%s: key %.80s: expected an object", what, id);
        HN_TRY(hn_tuf_key_id(cx, key, real));
        if (strcmp(real, id) != 0)     /* else one key could count twice under two names */
            return hn_fail(cx, HN_EREFUSED, "%s: key %.80s: its id should be %s", what, id, real);
    }
    return HN_OK;
}

/* Text that stands twice in a list of texts, or any element that is no text. */
static hn_err check_unique(hn_ctx *cx, const char *what, const char *name, const json_t *list)
{
    hn_err e = HN_OK;
    json_t *seen = json_object();
    if (!seen)
        return hn_nomem(cx, what);
    for (size_t i = 0; i < json_array_size(list) && !e; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (!text || json_object_get(seen, text))
            e = hn_fail(cx, HN_EFORMAT, "%s: %s: expected texts, none twice", what, name);
        else if (json_object_set_new(seen, text, json_true()) != 0)
            e = hn_nomem(cx, what);
    }
    json_decref(seen);
    return e;
}

static hn_err check_role(hn_ctx *cx, const char *what, const json_t *role)
{
    const json_t *ids;
    int64_t threshold;
    HN_TRY(hn_json_array(cx, what, role, "keyids", &ids));
    HN_TRY(hn_json_int(cx, what, role, "threshold", 1, &threshold));
    return check_unique(cx, what, "keyids", ids);
}

static hn_err check_root(hn_ctx *cx, const char *what, const json_t *body)
{
    const json_t *keys, *roles, *role, *consistent = json_object_get(body, "consistent_snapshot");
    HN_TRY(hn_json_object(cx, what, body, "keys", &keys));
    HN_TRY(check_keys(cx, what, keys));
    HN_TRY(hn_json_object(cx, what, body, "roles", &roles));
    for (int i = 0; i < HN_TUF_TYPES; i++) {
        HN_TRY(hn_json_object(cx, what, roles, type_names[i], &role));
        HN_TRY(check_role(cx, what, role));
    }
    if (consistent && !json_is_boolean(consistent))
        return hn_fail(cx, HN_EFORMAT, "%s: expected true or false as 'consistent_snapshot'", what);
    return HN_OK;
}

static hn_err check_hashes(hn_ctx *cx, const char *what, const json_t *hashes)
{
    const char *name;
    json_t *hash;
    if (!json_is_object(hashes) || json_object_size(hashes) == 0)
        return hn_fail(cx, HN_EFORMAT, "%s: expected at least one hash", what);
    json_object_foreach((json_t *)(uintptr_t)hashes, name, hash)
        if (!json_is_string(hash))
            return hn_fail(cx, HN_EFORMAT, "%s: hash %.40s: expected a text", what, name);
    return HN_OK;
}

static hn_err check_entries(hn_ctx *cx, const char *what, const json_t *meta)
{
    const char *name;
    json_t *entry;
    int64_t n;
    json_object_foreach((json_t *)(uintptr_t)meta, name, entry) {
        size_t len = strlen(name);
        if (!json_is_object(entry) || len < 6 || strcmp(name + len - 5, ".json") != 0)
            return hn_fail(cx, HN_EFORMAT, "%s: expected NAME.json with an object, found '%.80s'", what, name);
        HN_TRY(hn_json_int(cx, what, entry, "version", 1, &n));
        if (json_object_get(entry, "length"))
            HN_TRY(hn_json_int(cx, what, entry, "length", 0, &n));
        if (json_object_get(entry, "hashes"))
            HN_TRY(check_hashes(cx, what, json_object_get(entry, "hashes")));
    }
    return HN_OK;
}

static hn_err check_timestamp(hn_ctx *cx, const char *what, const json_t *body)
{
    const json_t *meta;
    HN_TRY(hn_json_object(cx, what, body, "meta", &meta));
    if (json_object_size(meta) != 1 || !json_object_get(meta, "snapshot.json"))
        return hn_fail(cx, HN_EFORMAT, "%s: expected 'snapshot.json' and nothing else in 'meta'", what);
    return check_entries(cx, what, meta);
}

static hn_err check_snapshot(hn_ctx *cx, const char *what, const json_t *body)
{
    const json_t *meta;
    HN_TRY(hn_json_object(cx, what, body, "meta", &meta));
    if (!json_object_get(meta, "targets.json"))
        return hn_fail(cx, HN_EFORMAT, "%s: expected 'targets.json' in 'meta'", what);
    return check_entries(cx, what, meta);
}

static hn_err check_delegation(hn_ctx *cx, const char *what, const json_t *role)
{
    const char *name;
    const json_t *paths = json_object_get(role, "paths"), *prefixes = json_object_get(role, "path_hash_prefixes");
    const json_t *list = paths ? paths : prefixes;
    if (!json_is_object(role))
        return hn_fail(cx, HN_EFORMAT, "%s: expected objects in 'roles'", what);
    HN_TRY(hn_json_text(cx, what, role, "name", &name));
    for (int i = 0; i < HN_TUF_TYPES; i++)       /* its file would take the place of a trusted one */
        if (strcmp(name, type_names[i]) == 0 || !*name)
            return hn_fail(cx, HN_EFORMAT, "%s: a delegated role cannot be called '%s'", what, name);
    HN_TRY(check_role(cx, what, role));
    if (!json_is_boolean(json_object_get(role, "terminating")))
        return hn_fail(cx, HN_EFORMAT, "%s: role '%.80s': expected true or false as 'terminating'", what, name);
    if (!json_is_array(list) || (paths && prefixes))
        return hn_fail(cx, HN_EFORMAT, "%s: role '%.80s': expected a list 'paths' or one 'path_hash_prefixes'", what,
                       name);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return hn_fail(cx, HN_EFORMAT, "%s: role '%.80s': expected texts as patterns", what, name);
    return HN_OK;
}

static hn_err check_delegations(hn_ctx *cx, const char *what, const json_t *d)
{
    const json_t *keys, *roles;
    if (!json_is_object(d))
        return hn_fail(cx, HN_EFORMAT, "%s: expected an object 'delegations'", what);
    HN_TRY(hn_json_object(cx, what, d, "keys", &keys));
    HN_TRY(check_keys(cx, what, keys));
    HN_TRY(hn_json_array(cx, what, d, "roles", &roles));
    json_t *names = json_array();
    hn_err e = names ? HN_OK : hn_nomem(cx, what);
    for (size_t i = 0; i < json_array_size(roles) && !e; i++) {
        e = check_delegation(cx, what, json_array_get(roles, i));
        if (!e && json_array_append(names, json_object_get(json_array_get(roles, i), "name")) != 0)
            e = hn_nomem(cx, what);
    }
    if (!e)
        e = check_unique(cx, what, "names of roles", names);
    json_decref(names);
    return e;
}

static hn_err check_targets(hn_ctx *cx, const char *what, const json_t *body)
{
    const json_t *targets, *d = json_object_get(body, "delegations");
    const char *path;
    json_t *target;
    int64_t n;
    HN_TRY(hn_json_object(cx, what, body, "targets", &targets));
    json_object_foreach((json_t *)(uintptr_t)targets, path, target) {
        if (!json_is_object(target))
            return hn_fail(cx, HN_EFORMAT, "%s: target '%.80s': expected an object", what, path);
        HN_TRY(hn_json_int(cx, what, target, "length", 0, &n));
        HN_TRY(check_hashes(cx, what, json_object_get(target, "hashes")));
    }
    return d ? check_delegations(cx, what, d) : HN_OK;
}

static hn_err check_signatures(hn_ctx *cx, const char *what, const json_t *doc)
{
    const json_t *list;
    const char *text;
    HN_TRY(hn_json_array(cx, what, doc, "signatures", &list));
    json_t *ids = json_array();
    hn_err e = ids ? HN_OK : hn_nomem(cx, what);
    for (size_t i = 0; i < json_array_size(list) && !e; i++) {
        const json_t *s = json_array_get(list, i);
        e = hn_json_text(cx, what, s, "keyid", &text);
        if (!e)
            e = hn_json_text(cx, what, s, "sig", &text);
        if (!e && json_array_append(ids, json_object_get(s, "keyid")) != 0)
            e = hn_nomem(cx, what);
    }
    if (!e)
        e = check_unique(cx, what, "key ids of signatures", ids);
    json_decref(ids);
    return e;
}

static hn_err understand(hn_ctx *cx, const char *what, hn_tuf_type want, hn_tuf_meta *m)
{
    static hn_err (*const check[HN_TUF_TYPES])(hn_ctx *, const char *, const json_t *) = {
        check_root, check_timestamp, check_snapshot, check_targets,
    };
    const char *text;
    int major = 0, minor = 0;
    HN_TRY(check_signatures(cx, what, m->doc));
    HN_TRY(hn_json_object(cx, what, m->doc, "signed", &m->body));
    HN_TRY(hn_json_text(cx, what, m->body, "_type", &text));
    if (strcmp(text, type_names[want]) != 0)
        return hn_fail(cx, HN_EREFUSED, "%s: expected a file of type %s, found '%.40s'", what, type_names[want], text);
    HN_TRY(hn_json_text(cx, what, m->body, "spec_version", &text));
    if (sscanf(text, "%9d.%9d", &major, &minor) != 2 || major != 1)
        return hn_fail(cx, HN_EUNSUP, "%s: unsupported: version '%.20s' of the specification; 1.x is", what, text);
    HN_TRY(hn_json_int(cx, what, m->body, "version", 1, &m->version));
    HN_TRY(hn_json_text(cx, what, m->body, "expires", &text));
    HN_TRY(hn_tuf_time_read(cx, text, &m->expires));
    return check[want](cx, what, m->body);
}

hn_err hn_tuf_meta_parse(hn_ctx *cx, const char *what, const void *data, size_t len, hn_tuf_type want, hn_tuf_meta *out)
{
    hn_tuf_meta m = { .type = want };
    HN_TRY(hn_json_parse(cx, what, data, len, &m.doc));
    hn_err e = understand(cx, what, want, &m);
    if (e)
        hn_tuf_meta_free(&m);
    else
        *out = m;
    return e;
}

void hn_tuf_meta_free(hn_tuf_meta *m)
{
    json_decref(m->doc);
    *m = (hn_tuf_meta){ 0 };
}

/* ---- Who signed it ---------------------------------------------------------------------------------- */

hn_tuf_signers hn_tuf_root_signers(const hn_tuf_meta *root, hn_tuf_type of)
{
    return (hn_tuf_signers){ json_object_get(root->body, "keys"),
                             json_object_get(json_object_get(root->body, "roles"), type_names[of]) };
}

static const char *signature_of(const hn_tuf_meta *m, const char *keyid)
{
    const json_t *list = json_object_get(m->doc, "signatures");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *s = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(s, "keyid")), keyid) == 0)
            return json_string_value(json_object_get(s, "sig"));
    }
    return "";
}

/* The key of a good signature; NULL when `keyid` did not sign, or not well: a bad signature beside good
 * ones is no failure, so its words go to a context of their own, which the key is bound to. */
static hn_key *signer(hn_ctx *quiet, const hn_tuf_meta *m, const json_t *keys, const char *keyid, const hn_buf *text)
{
    uint8_t sig[2048];
    hn_key *k;
    const char *hex = signature_of(m, keyid);
    const json_t *key = json_object_get(keys, keyid);
    size_t len = strlen(hex);
    if (!key || len == 0 || len > 2 * sizeof sig || !hn_unhex(hex, len, sig) || hn_tuf_key_read(quiet, key, &k))
        return NULL;
    if (hn_key_verify(quiet, k, text->data, text->len, sig, len / 2) == HN_OK)
        return k;
    hn_key_free(k);
    return NULL;
}

enum { SIGNERS_MAX = 64 };         /* more good signatures than that are not counted */

static size_t count_signers(hn_ctx *cx, const hn_tuf_meta *m, hn_tuf_signers by, const hn_buf *text, int64_t enough)
{
    hn_key *good[SIGNERS_MAX];
    hn_ctx quiet = { .env = cx ? cx->env : NULL };
    size_t count = 0;
    const json_t *ids = json_object_get(by.role, "keyids");
    for (size_t i = 0; i < json_array_size(ids) && count < SIGNERS_MAX && (int64_t)count < enough; i++) {
        hn_key *k = signer(&quiet, m, by.keys, json_string_value(json_array_get(ids, i)), text);
        bool again = false;
        for (size_t j = 0; k && j < count; j++)
            again = again || hn_key_equal(good[j], k);       /* another member, another id, the same key */
        if (k && !again)
            good[count++] = k;
        else
            hn_key_free(k);
    }
    for (size_t i = 0; i < count; i++)
        hn_key_free(good[i]);
    return count;
}

hn_err hn_tuf_meta_check(hn_ctx *cx, const char *what, const hn_tuf_meta *m, hn_tuf_signers by)
{
    hn_buf text = { .cx = cx };
    int64_t threshold = json_integer_value(json_object_get(by.role, "threshold"));
    hn_err e = hn_json_canonical(cx, m->body, &text);
    size_t count = e ? 0 : count_signers(cx, m, by, &text, threshold);
    hn_buf_free(&text);
    if (!e && (threshold < 1 || (int64_t)count < threshold))
        e = hn_fail(cx, HN_EREFUSED, "%s: signed by %zu of the keys it needs, expected %lld", what, count,
                    (long long)threshold);
    return e;
}

/* ---- Entries ---------------------------------------------------------------------------------------- */

const json_t *hn_tuf_meta_entry(const hn_tuf_meta *m, const char *name)
{
    char file[512];
    int n = snprintf(file, sizeof file, "%s.json", name);
    return n > 0 && (size_t)n < sizeof file ? json_object_get(json_object_get(m->body, "meta"), file) : NULL;
}

hn_err hn_tuf_check_bytes(hn_ctx *cx, const char *what, const json_t *entry, const void *data, size_t len)
{
    const json_t *length = json_object_get(entry, "length");
    const char *name;
    json_t *want;
    hn_hash_kind kind;
    uint8_t hash[HN_HASH_MAX];
    char hex[HN_HASH_HEX_MAX];

    if (length && json_integer_value(length) != (json_int_t)len)
        return hn_fail(cx, HN_EREFUSED, "%s: expected %lld bytes, found %zu", what,
                       (long long)json_integer_value(length), len);
    json_object_foreach(json_object_get(entry, "hashes"), name, want) {
        if (!hn_hash_kind_find(name, &kind))
            return hn_fail(cx, HN_EUNSUP, "%s: unsupported: hash '%.40s'", what, name);
        HN_TRY(hn_hash(cx, kind, data, len, hash));
        hn_hex(hash, hn_hash_size(kind), hex);
        if (strcmp(hex, json_string_value(want)) != 0)
            return hn_fail(cx, HN_EREFUSED, "%s: its %s is %s, expected %.128s", what, name, hex,
                           json_string_value(want));
    }
    return HN_OK;
}
