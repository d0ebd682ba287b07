/* SPDX-License-Identifier: Apache-2.0 */
/* Private keys that never leave their token: PKCS#11, through GnuTLS. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include <string.h>

#include "base/file.h"
#include "fleet/key_impl.h"
#include "net/url.h"

struct hn_token {
    hn_ctx *cx;
    gnutls_privkey_t key;
    const hn_ask *ask;             /* during open and never later: the session stays logged in */
};

static hn_err fail(hn_ctx *cx, const char *uri, int code)
{
    hn_err e = code == GNUTLS_E_MEMORY_ERROR ? HN_ENOMEM :
               code == GNUTLS_E_PKCS11_PIN_ERROR || code == GNUTLS_E_PKCS11_PIN_LOCKED ? HN_EREFUSED : HN_EIO;
    return hn_fail(cx, e, "%.200s: %s", uri, gnutls_strerror(code));
}

static int give_pin(void *user, int attempt, const char *url, const char *label, unsigned flags, char *pin, size_t cap)
{
    hn_token *t = user;
    (void)url;
    (void)flags;
    int n = attempt == 0 && t->ask ? t->ask->answer(t->ask->user, label ? label : "token", pin, (int)cap - 1) : -1;
    if (n < 0)                     /* never a second guess: tokens lock themselves */
        return -1;
    pin[n] = 0;
    return 0;
}

/* `module-path=` names the library of a token that the system's own configuration does not. */
static hn_err load_module(hn_ctx *cx, const char *uri)
{
    char path[HN_PATH_MAX];
    const char *at = strstr(uri, "module-path=");
    if (!at)
        return HN_OK;
    at += strlen("module-path=");
    size_t len = strcspn(at, "&;");
    if (len >= sizeof path)
        return hn_fail(cx, HN_EARG, "%.100s...: module-path is too long", uri);
    memcpy(path, at, len);
    path[len] = 0;
    hn_url_unescape(path);
    int code = gnutls_pkcs11_add_provider(path, NULL);
    return code < 0 && code != GNUTLS_E_INT_RET_0 ? fail(cx, uri, code) : HN_OK;
}

static int read_public(gnutls_privkey_t key, const char *uri, gnutls_datum_t *der)
{
    gnutls_pubkey_t pub;
    int code = gnutls_pubkey_init(&pub);
    if (code < 0)
        return code;
    code = gnutls_pubkey_import_privkey(pub, key, 0, 0);
    if (code < 0)                  /* some tokens tell only through the public object beside it */
        code = gnutls_pubkey_import_url(pub, uri, 0);
    if (code >= 0)
        code = gnutls_pubkey_export2(pub, GNUTLS_X509_FMT_DER, der);
    gnutls_pubkey_deinit(pub);
    return code;
}

static hn_err find(hn_ctx *cx, hn_token *t, const char *uri, hn_buf *spki)
{
    gnutls_datum_t der;
    int code = gnutls_privkey_import_url(t->key, uri, 0);
    if (code >= 0)
        code = read_public(t->key, uri, &der);
    if (code < 0)
        return fail(cx, uri, code);
    hn_buf_add(spki, der.data, der.size);
    gnutls_free(der.data);
    return hn_buf_ok(spki, "a public key");
}

hn_err hn_token_open(hn_ctx *cx, const char *uri, const hn_ask *ask, hn_buf *spki, hn_token **out)
{
    HN_TRY(load_module(cx, uri));
    hn_token *t = hn_calloc(cx, 1, sizeof *t);
    if (!t)
        return hn_nomem(cx, "a token's key");
    *t = (hn_token){ .cx = cx, .ask = ask };
    int code = gnutls_privkey_init(&t->key);
    if (code < 0) {
        hn_free(cx, t);
        return fail(cx, uri, code);
    }
    gnutls_privkey_set_pin_function(t->key, give_pin, t);
    hn_err e = find(cx, t, uri, spki);
    if (e) {
        hn_token_close(t);
        return e;
    }
    *out = t;
    return HN_OK;
}

hn_err hn_token_sign(hn_ctx *cx, hn_token *t, hn_key_kind kind, const void *data, size_t len, hn_buf *sig)
{
    static const gnutls_sign_algorithm_t how[] = {
        [HN_KEY_ED25519] = GNUTLS_SIGN_EDDSA_ED25519, [HN_KEY_P256] = GNUTLS_SIGN_ECDSA_SHA256,
        [HN_KEY_P384] = GNUTLS_SIGN_ECDSA_SHA384, [HN_KEY_P521] = GNUTLS_SIGN_ECDSA_SHA512,
        [HN_KEY_RSA] = GNUTLS_SIGN_RSA_PSS_SHA256,
    };
    gnutls_datum_t in = { (unsigned char *)(uintptr_t)data, (unsigned)len }, made;
    if (len > UINT32_MAX)
        return hn_fail(cx, HN_ELIMIT, "a token signs at most 4 GB at once");
    int code = gnutls_privkey_sign_data2(t->key, how[kind], 0, &in, &made);
    if (code < 0)
        return fail(cx, "token", code);
    hn_buf_add(sig, made.data, made.size);
    gnutls_free(made.data);
    return hn_buf_ok(sig, "a signature");
}

void hn_token_close(hn_token *t)
{
    if (!t)
        return;
    gnutls_privkey_deinit(t->key);
    hn_free(t->cx, t);
}
