/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/hash.h"
#include "fleet/oms.h"

static hn_ctx cx;

static void ok(hn_err e)
{
    if (e)
        fail_msg("%s", cx.msg);
}

/* ---- The format's own vectors ----------------------------------------------------------------------- */

static hn_err parse_vector(const char *name, hn_oms *out)
{
    char path[128];
    hn_file f;
    snprintf(path, sizeof path, "oms/test-vectors/v1.0/%s.bundle.json", name);
    const char *full = hn_test_data(path);
    if (!full)
        return HN_ENO;
    HN_TRY(hn_file_open(&cx, full, &f));
    hn_err e = hn_oms_parse(&cx, name, (const char *)f.data, f.len, out);
    hn_file_close(&f);
    return e;
}

TEST(the_envelope_is_as_published)
{
    hn_buf b = { 0 };
    ok(hn_oms_envelope(&cx, "http://example.com/HelloWorld", "hello world", 11, &b));
    CHECK_TEXT(b.data, "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    hn_buf_free(&b);
}

static void check_envelope(const hn_oms *b, const char *begins)
{
    hn_buf text = { 0 };
    uint8_t hash[32];
    char hex[65];
    ok(hn_oms_envelope(&cx, "application/vnd.in-toto+json", b->payload.data, b->payload.len, &text));
    ok(hn_sha256(&cx, text.data, text.len, hash));
    hn_hex(hash, 32, hex);
    CHECK(strncmp(hex, begins, strlen(begins)) == 0);
    hn_buf_free(&text);
}

static const char *root_of(const hn_oms *b)
{
    const json_t *subject = json_array_get(json_object_get(b->statement, "subject"), 0);
    return json_string_value(json_object_get(json_object_get(subject, "digest"), "sha256"));
}

TEST(valid_vectors_are_accepted)
{
    hn_oms b;
    if (!hn_test_data("oms"))
        return;
    ok(parse_vector("valid/key", &b));
    CHECK_INT(b.method, HN_OMS_KEY);
    CHECK_TEXT(root_of(&b), "92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4");
    hn_oms_free(&b);
    ok(parse_vector("valid/certificate", &b));
    CHECK_INT(b.method, HN_OMS_CERTIFICATE);
    check_envelope(&b, "01a3aca8b9b68ee6c39b8325c95ec11f2336698a5544b727d4f2aa13900623bd");
    hn_oms_free(&b);
    ok(parse_vector("valid/sigstore", &b));
    CHECK_INT(b.method, HN_OMS_KEYLESS);
    check_envelope(&b, "c443ea78");
    hn_oms_free(&b);
}

/* The certificate that vouches for the leaf comes in the bundle; taken as trusted, it must verify it. */
TEST(the_certificate_vector_verifies)
{
    hn_oms b;
    hn_buf pem = { 0 };
    if (!hn_test_data("oms"))
        return;
    ok(parse_vector("valid/certificate", &b));
    const json_t *list = json_object_get(json_object_get(b.material, "x509CertificateChain"), "certificates");
    hn_buf_printf(&pem, "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n",
                  json_string_value(json_object_get(json_array_get(list, 1), "rawBytes")));
    hn_oms_trust trust = { .roots_pem = pem.data };
    ok(hn_oms_check_signature(&cx, &b, &trust));
    CHECK(hn_oms_check_signature(&cx, &b, &(hn_oms_trust){ 0 }) == HN_EARG);
    b.signature.data[b.signature.len - 1] ^= 1;
    CHECK(hn_oms_check_signature(&cx, &b, &trust) == HN_EREFUSED);
    b.signature.data[b.signature.len - 1] ^= 1;
    b.payload.data[b.payload.len / 2] ^= 1;
    CHECK(hn_oms_check_signature(&cx, &b, &trust) == HN_EREFUSED);
    hn_oms_free(&b);
    hn_buf_free(&pem);
}

/* The mail address the certificate of a keyless bundle names. */
static void signer_of(const hn_oms *b, char *out, size_t cap)
{
    const char *text = json_string_value(json_object_get(json_object_get(b->material, "certificate"), "rawBytes"));
    hn_buf der = { 0 };
    ok(hn_unbase64(&cx, text, strlen(text), &der));
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *leaf = d2i_X509(NULL, &at, (long)der.len);
    STACK_OF(OPENSSL_STRING) *mail = X509_get1_email(leaf);
    snprintf(out, cap, "%s", sk_OPENSSL_STRING_value(mail, 0));
    X509_email_free(mail);
    X509_free(leaf);
    hn_buf_free(&der);
}

/* tests/data/keyless-root.json holds the two public facts that vouch for it: the certificate authority's chain
 * and the log's key, as Sigstore's public good instance publishes them. */
TEST(the_keyless_vector_verifies)
{
    static const char issuer[] = "https://sigstore.verify.ibm.com/oauth2";
    char who[128];
    hn_oms b;
    hn_file f;
    if (!hn_test_data("oms"))
        return;
    ok(parse_vector("valid/sigstore", &b));
    ok(hn_file_open(&cx, "tests/data/keyless-root.json", &f));
    signer_of(&b, who, sizeof who);
    char *root = test_calloc(1, f.len + 1);
    memcpy(root, f.data, f.len);
    hn_file_close(&f);
    hn_oms_trust t = { .sigstore = root, .identity = who, .issuer = issuer };
    ok(hn_oms_check_signature(&cx, &b, &t));
    CHECK(hn_oms_check_signature(&cx, &b, &(hn_oms_trust){ .sigstore = root, .identity = "somebody@example.org",
                                                           .issuer = issuer }) ==
          HN_EREFUSED);
    CHECK(hn_oms_check_signature(&cx, &b, &(hn_oms_trust){ .sigstore = root, .identity = who,
                                                           .issuer = "https://example.org" }) ==
          HN_EREFUSED);
    CHECK(hn_oms_check_signature(&cx, &b, &(hn_oms_trust){ .sigstore = root }) == HN_EARG);

    /* The log's promise, its proof, its checkpoint: each counts. */
    static const char *const paths[][2] = { { "inclusionPromise", "signedEntryTimestamp" },
                                            { "inclusionProof", "rootHash" },
                                            { NULL, "integratedTime" }, { NULL, "logIndex" },
                                            { NULL, "canonicalizedBody" } };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        hn_oms bad;
        ok(parse_vector("valid/sigstore", &bad));
        json_t *entry = json_array_get(json_object_get(bad.material, "tlogEntries"), 0);
        json_t *holder = paths[i][0] ? json_object_get(entry, paths[i][0]) : entry;
        char *text = strdup(json_string_value(json_object_get(holder, paths[i][1])));
        size_t at = strlen(text) / 2;
        text[at] = text[at] == '1' ? '2' : '1';
        json_object_set_new(holder, paths[i][1], json_string(text));
        CHECK(hn_oms_check_signature(&cx, &bad, &t) != HN_OK);
        free(text);
        hn_oms_free(&bad);
    }
    test_free(root);
    hn_oms_free(&b);
}

TEST(invalid_vectors_are_refused)
{
    static const char *const names[] = {
        "invalid/empty", "invalid/missing-envelope", "invalid/missing-tlog-entries",
            "invalid/missing-verification-material",
        "invalid-payload/wrong-predicate",
    };
    hn_oms b;
    if (!hn_test_data("oms"))
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        CHECK(parse_vector(names[i], &b) == HN_EFORMAT);
}

/* ---- Our own ---------------------------------------------------------------------------------------- */

typedef struct model { char dir[32], bundle[48]; } model;

static void put(const model *m, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", m->dir, name);
    ok(hn_file_write(&cx, path, text, strlen(text)));
}

static void drop(const model *m, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", m->dir, name);
    CHECK(unlink(path) == 0);
}

static model make_model(void)
{
    model m = { .dir = "/tmp/hone-oms-XXXXXX" };
    char path[64];
    CHECK(mkdtemp(m.dir));
    snprintf(m.bundle, sizeof m.bundle, "%s/model.sig", m.dir);
    snprintf(path, sizeof path, "%s/d0", m.dir);
    CHECK(mkdir(path, 0755) == 0);
    put(&m, "a", "weights of some kind");
    put(&m, "d0.x", "sorts before what is in d0");
    put(&m, "d0/f", "more");
    put(&m, "empty", "");
    return m;
}

static void remove_model(const model *m)
{
    static const char *const names[] = { "a", "d0.x", "d0/f", "empty", "model.sig", "new" };
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", m->dir, names[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/d0", m->dir);
    rmdir(path);
    CHECK(rmdir(m->dir) == 0);
}

static void sign(const model *m, const hn_oms_signing *s)
{
    hn_buf text = { 0 };
    ok(hn_oms_sign(&cx, s, m->dir, m->bundle, &text));
    ok(hn_file_write(&cx, m->bundle, text.data, text.len));
    hn_buf_free(&text);
}

static hn_err check(const model *m, const hn_key *key)
{
    hn_file f;
    hn_oms b = { 0 };
    hn_oms_trust t = { .key = key };
    HN_TRY(hn_file_open(&cx, m->bundle, &f));
    hn_err e = hn_oms_parse(&cx, "model.sig", (const char *)f.data, f.len, &b);
    hn_file_close(&f);
    if (!e)
        e = hn_oms_check_signature(&cx, &b, &t);
    if (!e)
        e = hn_oms_check_files(&cx, &b, m->dir, m->bundle);
    hn_oms_free(&b);
    return e;
}

static void check_every_change(uint64_t shard_size)
{
    model m = make_model();
    hn_key *key, *other;
    ok(hn_key_generate(&cx, HN_KEY_P256, &key));
    ok(hn_key_generate(&cx, HN_KEY_P256, &other));
    hn_oms_signing s = { .key = key, .shard_size = shard_size };
    sign(&m, &s);
    ok(check(&m, key));
    CHECK(check(&m, other) == HN_EREFUSED);

    put(&m, "a", "weights of same kind");
    CHECK(check(&m, key) == HN_EREFUSED);
    put(&m, "a", "weights of some kind and more");
    CHECK(check(&m, key) == HN_EREFUSED);
    put(&m, "a", "weights of some kind");
    put(&m, "new", "was not there");
    CHECK(check(&m, key) == HN_EREFUSED);
    drop(&m, "new");
    drop(&m, "d0/f");
    CHECK(check(&m, key) == HN_EREFUSED);
    put(&m, "d0/f", "more");
    ok(check(&m, key));

    char path[64];
    snprintf(path, sizeof path, "%s/new", m.dir);
    CHECK(symlink("a", path) == 0);
    CHECK(check(&m, key) == HN_EREFUSED);
    remove_model(&m);
    hn_key_free(key);
    hn_key_free(other);
}

TEST(every_change_to_a_signed_model_is_noticed) { check_every_change(0); }
TEST(every_change_to_a_model_signed_in_pieces_is_noticed) { check_every_change(7); }

TEST(what_is_left_out_may_change)
{
    static const char *const ignore[] = { "d0" };
    model m = make_model();
    hn_key *key;
    ok(hn_key_generate(&cx, HN_KEY_P384, &key));
    hn_oms_signing s = { .key = key, .ignore = ignore, .ignore_count = 1 };
    sign(&m, &s);
    put(&m, "d0/f", "other");
    ok(check(&m, key));
    put(&m, "d0.x", "other");
    CHECK(check(&m, key) == HN_EREFUSED);
    hn_key_free(key);
    remove_model(&m);
}

TEST(a_bundle_with_members_of_somebody_elses_is_refused)
{
    model m = make_model();
    hn_key *key;
    hn_buf text = { 0 };
    hn_oms b;
    ok(hn_key_generate(&cx, HN_KEY_P256, &key));
    hn_oms_signing s = { .key = key };
    ok(hn_oms_sign(&cx, &s, m.dir, NULL, &text));
    ok(hn_oms_parse(&cx, "bundle", text.data, text.len, &b));
    json_t *doc = json_deep_copy(b.doc);
    hn_oms_free(&b);
    json_object_set_new(json_object_get(doc, "dsseEnvelope"), "extra", json_true());
    char *changed = json_dumps(doc, 0);
    CHECK(hn_oms_parse(&cx, "bundle", changed, strlen(changed), &b) == HN_EFORMAT);
    free(changed);
    json_decref(doc);
    for (size_t n = 0; n < text.len; n++)                    /* cut anywhere */
        CHECK(hn_oms_parse(&cx, "bundle", text.data, n, &b) != HN_OK);
    hn_buf_free(&text);
    hn_key_free(key);
    remove_model(&m);
}

/* The reference tool, where a developer has it: pip install model-signing. */
TEST(the_reference_tool_accepts_ours)
{
    char command[512];
    if (system("model_signing --version >/dev/null 2>&1") != 0) {
        print_message("skipped: the reference tool model_signing is not on PATH\n");
        return;
    }
    for (int kind = HN_KEY_P256; kind <= HN_KEY_P521; kind++) {
        model m = make_model();
        hn_key *key;
        char pub[] = "/tmp/hone-oms-XXXXXX.pub";
        hn_buf pem = { 0 };
        CHECK(mkstemps(pub, 4) >= 0);
        ok(hn_key_generate(&cx, (hn_key_kind)kind, &key));
        ok(hn_key_public_pem(&cx, key, &pem));
        ok(hn_file_write(&cx, pub, pem.data, pem.len));
        sign(&m, &(hn_oms_signing){ .key = key });
        snprintf(command, sizeof command, "model_signing verify key %s --signature %s --public_key %s >/dev/null",
                 m.dir, m.bundle, pub);
        CHECK(system(command) == 0);
        put(&m, "a", "changed");
        snprintf(command, sizeof command,
                 "model_signing verify key %s --signature %s --public_key %s >/dev/null 2>&1", m.dir, m.bundle,
                 pub);
        CHECK(system(command) != 0);
        unlink(pub);
        hn_buf_free(&pem);
        hn_key_free(key);
        remove_model(&m);
    }
}
