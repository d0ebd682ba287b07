/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/oms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/hash.h"
#include "fleet/json.h"
#include "fleet/oms_impl.h"

#define BUNDLE_TYPE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define STATEMENT_TYPE "https://in-toto.io/Statement/v1"
#define PREDICATE_TYPE "https://model_signing/signature/v1.0"

hn_err hn_oms_envelope(hn_ctx *cx, const char *type, const void *body, size_t len, hn_buf *out)
{
    out->cx = cx;
    hn_buf_printf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
    hn_buf_add(out, body, len);
    return hn_buf_ok(out, "what is signed");
}

/* ---- The form of a bundle --------------------------------------------------------------------------- */

/* Members that are not in `names`: in a signed format, each could be read by somebody else. */
static hn_err only(hn_ctx *cx, const char *what, const json_t *object, const char *names)
{
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)object, name, member) {
        bool known = false;
        for (const char *at = names; *at && !known; at += strspn(at, " ")) {
            size_t len = strcspn(at, " ");
            known = len == strlen(name) && memcmp(at, name, len) == 0;
            at += len;
        }
        if (!known)
            return hn_fail(cx, HN_EFORMAT, "%s: unexpected member '%.40s'", what, name);
    }
    return HN_OK;
}

static hn_err find_method(hn_ctx *cx, const char *what, hn_oms *b)
{
    static const char *const names[] = { "publicKey", "x509CertificateChain", "certificate" };
    int found = 0;
    const json_t *list;
    for (int i = 0; i < 3; i++)
        if (json_object_get(b->material, names[i])) {
            b->method = (hn_oms_method)i;
            found++;
        }
    if (found != 1)
        return hn_fail(cx, HN_EFORMAT, "%s: expected one of publicKey, x509CertificateChain or certificate, found %d",
                       what, found);
    const json_t *one = json_object_get(b->material, names[b->method]);
    if (b->method == HN_OMS_KEY && !json_is_string(json_object_get(one, "hint")) &&
        !json_is_string(json_object_get(one, "rawBytes")))
        return hn_fail(cx, HN_EFORMAT, "%s: a public key without hint", what);
    if (b->method == HN_OMS_CERTIFICATE) {
        HN_TRY(hn_json_array(cx, what, one, "certificates", &list));
        if (json_array_size(list) == 0)
            return hn_fail(cx, HN_EFORMAT, "%s: a chain of no certificates", what);
    }
    if (b->method == HN_OMS_KEYLESS) {
        HN_TRY(hn_json_array(cx, what, b->material, "tlogEntries", &list));
        if (json_array_size(list) == 0)
            return hn_fail(cx, HN_EFORMAT, "%s: a keyless signature without an entry of a log", what);
    }
    return HN_OK;
}

static hn_err read_envelope(hn_ctx *cx, const char *what, hn_oms *b)
{
    const json_t *envelope, *list;
    const char *text;
    HN_TRY(hn_json_object(cx, what, b->doc, "dsseEnvelope", &envelope));
    HN_TRY(only(cx, what, envelope, "payload payloadType signatures"));
    HN_TRY(hn_json_text(cx, what, envelope, "payloadType", &text));
    if (strcmp(text, OMS_PAYLOAD_TYPE) != 0)
        return hn_fail(cx, HN_EFORMAT, "%s: expected a payload of type " OMS_PAYLOAD_TYPE ", found '%.80s'", what,
                       text);
    HN_TRY(hn_json_text(cx, what, envelope, "payload", &text));
    HN_TRY(hn_unbase64(cx, text, strlen(text), &b->payload));
    HN_TRY(hn_json_array(cx, what, envelope, "signatures", &list));
    if (json_array_size(list) != 1)
        return hn_fail(cx, HN_EFORMAT, "%s: expected one signature, found %zu", what, json_array_size(list));
    const json_t *one = json_array_get(list, 0), *id = json_object_get(one, "keyid");
    HN_TRY(only(cx, what, one, "sig keyid"));
    if (id && !json_is_string(id) && !json_is_null(id))
        return hn_fail(cx, HN_EFORMAT, "%s: expected a text or null as 'keyid'", what);
    HN_TRY(hn_json_text(cx, what, one, "sig", &text));
    HN_TRY(hn_unbase64(cx, text, strlen(text), &b->signature));
    if (b->signature.len == 0 || b->payload.len == 0)
        return hn_fail(cx, HN_EFORMAT, "%s: the signature or what it signs is empty", what);
    return HN_OK;
}

/* ---- The statement ---------------------------------------------------------------------------------- */

static hn_err expect_text(hn_ctx *cx, const char *what, const json_t *object, const char *name, const char *want)
{
    const char *text;
    HN_TRY(hn_json_text(cx, what, object, name, &text));
    if (strcmp(text, want) != 0)
        return hn_fail(cx, HN_EFORMAT, "%s: expected '%s' as %s, found '%.80s'", what, want, name, text);
    return HN_OK;
}

static hn_err check_serialization(hn_ctx *cx, const char *what, const json_t *s)
{
    const char *method, *hash;
    int64_t size;
    const json_t *ignore = json_object_get(s, "ignore_paths");
    HN_TRY(only(cx, what, s, "method hash_type shard_size allow_symlinks ignore_paths"));
    HN_TRY(hn_json_text(cx, what, s, "method", &method));
    HN_TRY(hn_json_text(cx, what, s, "hash_type", &hash));
    if (!json_is_boolean(json_object_get(s, "allow_symlinks")))
        return hn_fail(cx, HN_EFORMAT, "%s: expected true or false as 'allow_symlinks'", what);
    if (strcmp(hash, "sha256") != 0)
        return hn_fail(cx, HN_EUNSUP, "%s: unsupported: digests by %.20s; sha256 is", what, hash);
    if (strcmp(method, "shards") == 0)
        HN_TRY(hn_json_int(cx, what, s, "shard_size", 1, &size));
    else if (strcmp(method, "files") != 0 || json_object_get(s, "shard_size"))
        return hn_fail(cx, HN_EFORMAT, "%s: expected files, or shards with their size, as 'method'", what);
    if (ignore && !json_is_array(ignore))
        return hn_fail(cx, HN_EFORMAT, "%s: expected a list 'ignore_paths'", what);
    for (size_t i = 0; i < json_array_size(ignore); i++)
        if (!json_is_string(json_array_get(ignore, i)))
            return hn_fail(cx, HN_EFORMAT, "%s: expected texts in 'ignore_paths'", what);
    return HN_OK;
}

static hn_err check_resources(hn_ctx *cx, const char *what, const json_t *list)
{
    const char *before = NULL, *name;
    if (json_array_size(list) == 0)
        return hn_fail(cx, HN_EFORMAT, "%s: it lists no file", what);
    for (size_t i = 0; i < json_array_size(list); i++) {
        HN_TRY(hn_json_text(cx, what, json_array_get(list, i), "name", &name));
        if (before && strcmp(before, name) == 0)
            return hn_fail(cx, HN_EFORMAT, "%s: it lists '%.80s' twice", what, name);
        before = name;
    }
    return HN_OK;
}

static hn_err check_statement(hn_ctx *cx, const char *what, const json_t *s)
{
    const json_t *subject, *predicate, *resources, *serialization, *digest;
    const char *name, *want;
    char root[65];
    HN_TRY(only(cx, what, s, "_type subject predicateType predicate"));
    HN_TRY(expect_text(cx, what, s, "_type", STATEMENT_TYPE));
    HN_TRY(expect_text(cx, what, s, "predicateType", PREDICATE_TYPE));
    HN_TRY(hn_json_array(cx, what, s, "subject", &subject));
    if (json_array_size(subject) != 1)
        return hn_fail(cx, HN_EFORMAT, "%s: expected one subject, found %zu", what, json_array_size(subject));
    HN_TRY(hn_json_text(cx, what, json_array_get(subject, 0), "name", &name));
    HN_TRY(hn_json_object(cx, what, json_array_get(subject, 0), "digest", &digest));
    HN_TRY(hn_json_text(cx, what, digest, "sha256", &want));
    HN_TRY(hn_json_object(cx, what, s, "predicate", &predicate));
    HN_TRY(hn_json_array(cx, what, predicate, "resources", &resources));
    HN_TRY(check_resources(cx, what, resources));
    HN_TRY(hn_json_object(cx, what, predicate, "serialization", &serialization));
    HN_TRY(check_serialization(cx, what, serialization));
    HN_TRY(hn_oms_root(cx, what, resources, root));
    if (strcmp(root, want) != 0)
        return hn_fail(cx, HN_EREFUSED, "%s: the files listed make %s, the subject says %.64s", what, root, want);
    return HN_OK;
}

static hn_err understand(hn_ctx *cx, const char *what, hn_oms *b)
{
    HN_TRY(only(cx, what, b->doc, "mediaType verificationMaterial dsseEnvelope"));
    HN_TRY(expect_text(cx, what, b->doc, "mediaType", BUNDLE_TYPE));
    HN_TRY(hn_json_object(cx, what, b->doc, "verificationMaterial", &b->material));
    HN_TRY(find_method(cx, what, b));
    HN_TRY(read_envelope(cx, what, b));
    HN_TRY(hn_json_parse(cx, what, b->payload.data, b->payload.len, &b->statement));
    return check_statement(cx, what, b->statement);
}

hn_err hn_oms_parse(hn_ctx *cx, const char *what, const char *text, size_t len, hn_oms *out)
{
    hn_oms b = { .payload = { .cx = cx }, .signature = { .cx = cx } };
    HN_TRY(hn_json_parse(cx, what, text, len, &b.doc));
    hn_err e = understand(cx, what, &b);
    if (e)
        hn_oms_free(&b);
    else
        *out = b;
    return e;
}

void hn_oms_free(hn_oms *b)
{
    json_decref(b->doc);
    json_decref(b->statement);
    hn_buf_free(&b->payload);
    hn_buf_free(&b->signature);
    *b = (hn_oms){ 0 };
}

/* ---- Checking --------------------------------------------------------------------------------------- */

static hn_err fingerprint(hn_ctx *cx, const hn_key *key, char hex[HN_SHA256_HEX])
{
    hn_buf pem = { .cx = cx };
    uint8_t hash[HN_SHA256_SIZE];
    hn_err e = hn_key_public_pem(cx, key, &pem);
    if (!e)
        e = hn_sha256(cx, pem.data, pem.len, hash);
    hn_buf_free(&pem);
    if (!e)
        hn_hex(hash, sizeof hash, hex);
    return e;
}

static hn_err verify_with(hn_ctx *cx, const hn_oms *b, const hn_key *key)
{
    hn_buf signed_text = { .cx = cx };
    hn_err e = hn_oms_envelope(cx, OMS_PAYLOAD_TYPE, b->payload.data, b->payload.len, &signed_text);
    if (!e)
        e = hn_key_verify(cx, key, signed_text.data, signed_text.len, b->signature.data, b->signature.len);
    hn_buf_free(&signed_text);
    return e;
}

static hn_err check_by_key(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t)
{
    char hex[HN_SHA256_HEX];
    const char *hint = json_string_value(json_object_get(json_object_get(b->material, "publicKey"), "hint"));
    if (!t->key)
        return hn_fail(cx, HN_EARG, "this model is signed with a key: say whose, with the public key");
    HN_TRY(fingerprint(cx, t->key, hex));
    if (hint && strcmp(hint, hex) != 0)
        return hn_fail(cx, HN_EREFUSED, "signed with key %.64s, expected %s", hint, hex);
    return verify_with(cx, b, t->key);
}

hn_err hn_oms_check_signature(hn_ctx *cx, const hn_oms *b, const hn_oms_trust *t)
{
    hn_key *key;
    if (b->method == HN_OMS_KEY)
        return check_by_key(cx, b, t);
    if (b->method == HN_OMS_CERTIFICATE)
        HN_TRY(hn_oms_certificate_key(cx, b, t, &key));
    else
        HN_TRY(hn_oms_keyless_key(cx, b, t, &key));
    hn_err e = verify_with(cx, b, key);
    hn_key_free(key);
    return e;
}

/* The first place where two lists of files part, in words. */
static hn_err compare(hn_ctx *cx, const json_t *want, const json_t *found)
{
    size_t n = json_array_size(want), m = json_array_size(found);
    for (size_t i = 0; i < n || i < m; i++) {
        const json_t *a = json_array_get(want, i), *b = json_array_get(found, i);
        const char *wanted = json_string_value(json_object_get(a, "name")),
            *there = json_string_value(json_object_get(b, "name"));
        int order = !wanted ? 1 : !there ? -1 : strcmp(wanted, there);
        if (order < 0)
            return hn_fail(cx, HN_EREFUSED, "'%.200s' is signed and is not there", wanted);
        if (order > 0)
            return hn_fail(cx, HN_EREFUSED, "'%.200s' is there and was never signed", there);
        if (!json_equal(json_object_get(a, "digest"), json_object_get(b, "digest")))
            return hn_fail(cx, HN_EREFUSED, "'%.200s' is not what was signed", there);
    }
    return HN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(json_string_value(json_object_get(*(json_t *const *)a, "name")),
                  json_string_value(json_object_get(*(json_t *const *)b, "name")));
}

/* By name: a signer may have sorted paths where we sort names with their ranges. */
static hn_err sorted(hn_ctx *cx, const json_t *list, json_t **out)
{
    size_t n = json_array_size(list);
    json_t **item = hn_alloc(cx, n * sizeof *item), *made = json_array();
    if (!item || !made) {
        hn_free(cx, item);
        json_decref(made);
        return hn_nomem(cx, "a list of files");
    }
    for (size_t i = 0; i < n; i++)
        item[i] = json_array_get(list, i);
    qsort(item, n, sizeof *item, by_name);
    for (size_t i = 0; i < n; i++)
        json_array_append(made, item[i]);
    hn_free(cx, item);
    *out = made;
    return HN_OK;
}

hn_err hn_oms_check_files(hn_ctx *cx, const hn_oms *b, const char *model, const char *bundle)
{
    const json_t *predicate = json_object_get(b->statement, "predicate"),
        *s = json_object_get(predicate, "serialization");
    oms_scope scope = { json_object_get(s, "ignore_paths"), (uint64_t)json_integer_value(json_object_get(s,
            "shard_size")),
                        json_is_true(json_object_get(s, "allow_symlinks")) };
    json_t *found, *a = NULL, *c = NULL;
    HN_TRY(hn_oms_resources(cx, model, bundle, &scope, &found));
    hn_err e = sorted(cx, json_object_get(predicate, "resources"), &a);
    if (!e)
        e = sorted(cx, found, &c);
    if (!e)
        e = compare(cx, a, c);
    json_decref(found);
    json_decref(a);
    json_decref(c);
    return e;
}

/* ---- Signing ---------------------------------------------------------------------------------------- */

/* "models/kws/" is called kws; "." by the folder's own name. */
static hn_err name_of(hn_ctx *cx, const char *model, hn_buf *out)
{
    char *real = realpath(model, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    out->cx = cx;
    hn_buf_text(out, slash && slash[1] ? slash + 1 : "model");
    free(real);
    return hn_buf_ok(out, "a name");
}

static hn_err make_statement(hn_ctx *cx, const hn_oms_signing *s, const char *model, const char *bundle, json_t **out)
{
    char root[65];
    json_t *resources, *ignore = json_array();
    for (size_t i = 0; i < s->ignore_count; i++)
        json_array_append_new(ignore, json_string(s->ignore[i]));
    oms_scope scope = { ignore, s->shard_size, false };
    hn_buf name = { .cx = cx };
    hn_err e = hn_oms_resources(cx, model, bundle, &scope, &resources);
    if (e) {
        json_decref(ignore);
        return e;
    }
    e = hn_oms_root(cx, model, resources, root);
    if (!e)
        e = name_of(cx, model, &name);
    json_t *how = json_pack("{s:s, s:s, s:b, s:O}", "method", s->shard_size ? "shards" : "files", "hash_type", "sha256",
                            "allow_symlinks", 0, "ignore_paths", ignore);
    if (s->shard_size && how)
        json_object_set_new(how, "shard_size", json_integer((json_int_t)s->shard_size));
    json_t *made = e ? NULL : json_pack("{s:s, s:[{s:s, s:{s:s}}], s:s, s:{s:O, s:O}}", "_type", STATEMENT_TYPE,
                                        "subject", "name",
                                        name.data, "digest", "sha256", root, "predicateType", PREDICATE_TYPE,
                                            "predicate", "resources", resources, "serialization", how);
    json_decref(how);
    json_decref(ignore);
    json_decref(resources);
    hn_buf_free(&name);
    if (!made)
        return e ? e : hn_nomem(cx, "a statement");
    *out = made;
    return HN_OK;
}

static hn_err make_material(hn_ctx *cx, const hn_oms_signing *s, json_t **out)
{
    char hex[HN_SHA256_HEX];
    if (s->chain_pem)
        return hn_oms_chain_material(cx, s->chain_pem, s->key, out);
    HN_TRY(fingerprint(cx, s->key, hex));
    *out = json_pack("{s:{s:s}, s:[]}", "publicKey", "hint", hex, "tlogEntries");
    return *out ? HN_OK : hn_nomem(cx, "a bundle");
}

static hn_err write_bundle(hn_ctx *cx, const hn_oms_signing *s, const char *payload, hn_buf *out)
{
    hn_buf text = { .cx = cx }, sig = { .cx = cx }, sig64 = { .cx = cx }, payload64 = { .cx = cx };
    json_t *material = NULL;
    char *dump = NULL;
    hn_err e = hn_oms_envelope(cx, OMS_PAYLOAD_TYPE, payload, strlen(payload), &text);
    if (!e)
        e = hn_key_sign(cx, s->key, text.data, text.len, &sig);
    if (!e)
        e = hn_base64_add(&sig64, sig.data, sig.len);
    if (!e)
        e = hn_base64_add(&payload64, payload, strlen(payload));
    if (!e)
        e = make_material(cx, s, &material);
    json_t *doc = e ? NULL : json_pack("{s:s, s:O, s:{s:s, s:s, s:[{s:s, s:s}]}}", "mediaType", BUNDLE_TYPE,
                                       "verificationMaterial",
                                       material, "dsseEnvelope", "payload", payload64.data, "payloadType",
                                           OMS_PAYLOAD_TYPE, "signatures", "sig", sig64.data, "keyid", "");
    if (doc)
        dump = json_dumps(doc, JSON_COMPACT);
    if (dump)
        hn_buf_text(out, dump);
    free(dump);
    json_decref(doc);
    json_decref(material);
    hn_buf_free(&text);
    hn_buf_free(&sig);
    hn_buf_free(&sig64);
    hn_buf_free(&payload64);
    return e ? e : dump ? hn_buf_ok(out, "a bundle") : hn_nomem(cx, "a bundle");
}

hn_err hn_oms_sign(hn_ctx *cx, const hn_oms_signing *s, const char *model, const char *bundle, hn_buf *out)
{
    json_t *statement;
    HN_TRY(make_statement(cx, s, model, bundle, &statement));
    char *payload = json_dumps(statement, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(statement);
    if (!payload)
        return hn_nomem(cx, "a statement");
    hn_err e = write_bundle(cx, s, payload, out);
    free(payload);
    return e;
}
