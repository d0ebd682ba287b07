/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that stay in a token, with SoftHSM standing in for one. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/key.h"

static hn_ctx cx;

static int answer(void *user, const char *what, char *out, int cap)
{
    (void)what;
    CHECK((int)strlen(user) <= cap);
    memcpy(out, user, strlen(user));
    return (int)strlen(user);
}

static const char *library(void)
{
    static const char *const places[] = { "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
                                          "/usr/lib/pkcs11/libsofthsm2.so" };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

static void remove_all(const char *dir)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
}

/* A token with one key of that kind, made by the token's own tools; the public half stays outside. */
static hn_key *make_token(const char *dir, hn_key_kind kind, const char *label)
{
    char path[96], command[512];
    hn_key *key;
    snprintf(path, sizeof path, "%s/%s.pem", dir, label);
    CHECK(hn_key_generate(&cx, kind, &key) == HN_OK && hn_key_save(&cx, key, path, NULL) == HN_OK);
    snprintf(command, sizeof command,
             "softhsm2-util --import %s --token hone --label %s --id %02x --pin 1234 >/dev/null", path, label,
             (unsigned)kind + 1);
    CHECK(system(command) == 0);
    return key;
}

TEST(a_key_in_a_token_signs_with_the_right_pin_only)
{
    static const struct { hn_key_kind kind; const char *label; } kinds[] = {
        { HN_KEY_P256, "p256" }, { HN_KEY_P384, "p384" }, { HN_KEY_RSA, "rsa" },
    };
    char dir[] = "/tmp/hone-token-XXXXXX", path[64], text[96], uri[160];
    const char *module = library();
    hn_ask right = { answer, "1234" }, wrong = { answer, "9999" };
    if (!module || system("softhsm2-util --version >/dev/null 2>&1") != 0) {
        print_message("skipped: softhsm2 is not installed\n");
        return;
    }
    CHECK(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/tokens", dir);
    CHECK(mkdir(path, 0700) == 0);
    snprintf(text, sizeof text, "directories.tokendir = %s\n", path);
    snprintf(path, sizeof path, "%s/conf", dir);
    CHECK(hn_file_write(&cx, path, text, strlen(text)) == HN_OK && setenv("SOFTHSM2_CONF", path, 1) == 0);
    CHECK(system("softhsm2-util --init-token --free --label hone --so-pin 5678 --pin 1234 >/dev/null") == 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        hn_key *inside, *outside = make_token(dir, kinds[i].kind, kinds[i].label);
        hn_buf sig = { 0 };
        snprintf(uri, sizeof uri, "pkcs11:token=hone;object=%s?module-path=%s", kinds[i].label, module);
        if (hn_key_open(&cx, uri, &right, &inside))
            fail_msg("%s", cx.msg);
        CHECK(hn_key_can_sign(inside) && hn_key_equal(inside, outside));
        if (hn_key_sign(&cx, inside, "models", 6, &sig))
            fail_msg("%s", cx.msg);
        CHECK(hn_key_verify(&cx, outside, "models", 6, sig.data, sig.len) == HN_OK);
        CHECK(hn_key_verify(&cx, outside, "modelz", 6, sig.data, sig.len) == HN_EREFUSED);
        hn_buf_free(&sig);
        hn_key_free(inside);
        hn_key_free(outside);
    }
    hn_key *none;
    CHECK(hn_key_open(&cx, "pkcs11:token=hone;object=nothing", &right, &none) == HN_EIO);
    CHECK(hn_key_open(&cx, uri, &wrong, &none) == HN_EREFUSED);
    CHECK(hn_key_open(&cx, uri, NULL, &none) != HN_OK);
    remove_all(dir);
}
