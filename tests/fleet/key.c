/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet/hash.h"
#include "fleet/key.h"

static hn_ctx cx;

static void ok(hn_err e)
{
    if (e)
        fail_msg("%s", cx.msg);
}

TEST(sha2_gives_the_published_values)
{
    uint8_t out[HN_HASH_MAX];
    char hex[HN_HASH_HEX_MAX];
    ok(hn_sha256(&cx, "abc", 3, out));
    hn_hex(out, 32, hex);
    CHECK_TEXT(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ok(hn_hash(&cx, HN_SHA512, "abc", 3, out));
    hn_hex(out, 64, hex);
    CHECK(strncmp(hex, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2", 48) == 0);
    hn_hasher *h;
    ok(hn_hasher_new(&cx, HN_SHA256, &h));
    ok(hn_hasher_add(h, "a", 1));
    ok(hn_hasher_add(h, "bc", 2));
    ok(hn_hasher_end(h, out));
    hn_hex(out, 32, hex);
    CHECK(strncmp(hex, "ba7816bf", 8) == 0);
    hn_hasher_free(h);
}

TEST(base64_goes_both_ways_and_is_strict)
{
    static const char *const pair[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
                                           { "foobar", "Zm9vYmFy" } };
    static const char *const bad[] = { "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm9v\n", "Zg==Zg==", "Zm 9" };
    for (size_t i = 0; i < 5; i++) {
        hn_buf a = { .cx = &cx }, b = { .cx = &cx };
        ok(hn_base64_add(&a, pair[i][0], strlen(pair[i][0])));
        CHECK(a.len == strlen(pair[i][1]) && memcmp(a.data ? a.data : "", pair[i][1], a.len) == 0);
        ok(hn_unbase64(&cx, pair[i][1], strlen(pair[i][1]), &b));
        CHECK(b.len == strlen(pair[i][0]) && memcmp(b.data ? b.data : "", pair[i][0], b.len) == 0);
        hn_buf_free(&a);
        hn_buf_free(&b);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hn_buf b = { .cx = &cx };
        CHECK(hn_unbase64(&cx, bad[i], strlen(bad[i]), &b) == HN_EFORMAT);
        hn_buf_free(&b);
    }
}

TEST(an_ed25519_key_from_a_seed_signs_as_published)
{
    static const char message[] = "{\"_type\":\"timestamp\",\"expires\":\"2030-01-01T00:00:00Z\","
                                  "\"meta\":{\"snapshot.json\":{\"version\":1}},"
                                  "\"spec_version\":\"1.0.34\",\"version\":1}";
    uint8_t seed[32], pub[32];
    char hex[HN_HASH_HEX_MAX];
    hn_key *k;
    hn_buf sig = { .cx = &cx };
    ok(hn_sha256(&cx, "hone-tuf-test-1", 15, seed));
    ok(hn_key_from_seed(&cx, HN_KEY_ED25519, seed, &k));
    ok(hn_key_raw(&cx, k, pub));
    hn_hex(pub, 32, hex);
    CHECK_TEXT(hex, "579358ea5cbf30b01a7914a97a87670aa2cc2b9949f82b4809024279b298880c");
    ok(hn_key_sign(&cx, k, message, sizeof message - 1, &sig));
    CHECK(sig.len == 64);
    hn_hex(sig.data, 64, hex);
    CHECK_TEXT(hex, "44faabc0e3a830ebfaa798e4b49fde809dda2c64be884859eab2fe069b894f0d"
                    "de190e1e3b7d9a90a0456e6862655c4810035f321ed6c79013151c9165035104");
    ok(hn_key_verify(&cx, k, message, sizeof message - 1, sig.data, sig.len));
    hn_buf_free(&sig);
    hn_key_free(k);
}

TEST(every_kind_signs_and_refuses_what_was_changed)
{
    for (int kind = 0; kind < HN_KEY_X25519; kind++) {
        hn_key *k, *other, *pub;
        hn_buf sig = { .cx = &cx }, pem = { .cx = &cx };
        ok(hn_key_generate(&cx, (hn_key_kind)kind, &k));
        ok(hn_key_generate(&cx, kind == HN_KEY_RSA ? HN_KEY_P256 : (hn_key_kind)kind, &other));
        CHECK_INT(hn_key_kind_of(k), kind);
        ok(hn_key_sign(&cx, k, "models", 6, &sig));
        ok(hn_key_public_pem(&cx, k, &pem));
        ok(hn_key_from_pem(&cx, "pem", pem.data, pem.len, NULL, &pub));
        CHECK(hn_key_equal(pub, k) && !hn_key_equal(pub, other) && !hn_key_can_sign(pub));
        ok(hn_key_verify(&cx, pub, "models", 6, sig.data, sig.len));
        CHECK(hn_key_verify(&cx, pub, "model", 5, sig.data, sig.len) == HN_EREFUSED);
        CHECK(hn_key_verify(&cx, other, "models", 6, sig.data, sig.len) == HN_EREFUSED);
        CHECK(hn_key_verify(&cx, pub, "models", 6, sig.data, sig.len - 1) == HN_EREFUSED);
        CHECK(hn_key_verify(&cx, pub, "models", 6, "", 0) == HN_EREFUSED);
        sig.data[sig.len / 2] ^= 1;
        CHECK(hn_key_verify(&cx, pub, "models", 6, sig.data, sig.len) == HN_EREFUSED);
        CHECK(hn_key_sign(&cx, pub, "models", 6, &sig) == HN_EARG);
        hn_buf_free(&sig);
        hn_buf_free(&pem);
        hn_key_free(k);
        hn_key_free(other);
        hn_key_free(pub);
    }
}

static int answer(void *user, const char *what, char *out, int cap)
{
    (void)what;
    CHECK((int)strlen(user) <= cap);
    memcpy(out, user, strlen(user));
    return (int)strlen(user);
}

TEST(a_key_file_opens_with_its_passphrase_only)
{
    char dir[] = "/tmp/hone-key-XXXXXX", path[64], pub[80];
    struct stat st;
    hn_key *k, *again;
    hn_ask right = { answer, "open sesame" }, wrong = { answer, "sesame" };
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/root.key", dir);
    snprintf(pub, sizeof pub, "%s.pub", path);
    ok(hn_key_generate(&cx, HN_KEY_ED25519, &k));
    ok(hn_key_save(&cx, k, path, "open sesame"));
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(hn_key_save(&cx, k, path, NULL) == HN_EREFUSED);
    CHECK(hn_key_open(&cx, path, &wrong, &again) == HN_EREFUSED);
    CHECK(hn_key_open(&cx, path, NULL, &again) == HN_EARG);
    ok(hn_key_open(&cx, path, &right, &again));
    CHECK(hn_key_can_sign(again) && hn_key_equal(again, k));
    hn_key_free(again);
    ok(hn_key_open(&cx, pub, NULL, &again));
    CHECK(!hn_key_can_sign(again) && hn_key_equal(again, k));
    hn_key_free(again);
    hn_key_free(k);
    unlink(path);
    unlink(pub);
    rmdir(dir);
}

TEST(keys_that_are_too_weak_or_of_another_kind_are_refused)
{
    /* RSA of 1024 bits, and the curve secp256k1. */
    static const char rsa1024[] =
        "-----BEGIN PUBLIC KEY-----\n"
        "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDAEPUx9KQDTAJdYJ5Ryg8kiSD2\n"
        "-----END PUBLIC KEY-----\n";
    hn_key *k;
    CHECK(hn_key_from_pem(&cx, "pem", rsa1024, strlen(rsa1024), NULL, &k) != HN_OK);
    CHECK(hn_key_from_pem(&cx, "pem", "hello", 5, NULL, &k) == HN_EFORMAT);
    CHECK(hn_key_from_pem(&cx, "pem", "", 0, NULL, &k) == HN_EFORMAT);
}

TEST(two_x25519_keys_agree)
{
    hn_key *a, *b;
    uint8_t ab[32], ba[32], zero[32] = { 0 };
    ok(hn_key_generate(&cx, HN_KEY_X25519, &a));
    ok(hn_key_generate(&cx, HN_KEY_X25519, &b));
    ok(hn_key_agree(&cx, a, b, ab));
    ok(hn_key_agree(&cx, b, a, ba));
    assert_memory_equal(ab, ba, 32);
    hn_key_free(b);
    ok(hn_key_from_raw(&cx, HN_KEY_X25519, zero, &b));
    CHECK(hn_key_agree(&cx, a, b, ab) == HN_EREFUSED);        /* a point of small order gives a known secret */
    hn_key_free(a);
    hn_key_free(b);
}
