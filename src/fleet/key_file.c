/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as files: PEM, locked with a passphrase or not. */
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/key_impl.h"

#define PEM_MAX 65536
#define SCRYPT_N 16384             /* with r 8: 16 MB for each guess at a passphrase; libcrypto reads at most 32 */

typedef struct lock { const hn_ask *ask; const char *what; bool asked, answered; } lock;

static int unlock(char *out, int cap, int writing, void *user)
{
    lock *l = user;
    (void)writing;
    l->asked = true;
    int n = l->ask ? l->ask->answer(l->ask->user, l->what, out, cap) : -1;
    l->answered = n >= 0;
    return n;
}

static EVP_PKEY *read_private(const char *text, int len, lock *l)
{
    BIO *b = BIO_new_mem_buf(text, len);
    EVP_PKEY *p = b ? PEM_read_bio_PrivateKey(b, NULL, unlock, l) : NULL;
    BIO_free(b);
    return p;
}

static EVP_PKEY *read_public(const char *text, int len)
{
    BIO *b = BIO_new_mem_buf(text, len);
    EVP_PKEY *p = b ? PEM_read_bio_PUBKEY(b, NULL, NULL, NULL) : NULL;
    BIO_free(b);
    return p;
}

static EVP_PKEY *read_certificate(const char *text, int len)
{
    BIO *b = BIO_new_mem_buf(text, len);
    X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
    EVP_PKEY *p = x ? X509_get_pubkey(x) : NULL;
    X509_free(x);
    BIO_free(b);
    return p;
}

hn_err hn_key_from_pem(hn_ctx *cx, const char *what, const char *text, size_t len, const hn_ask *ask, hn_key **out)
{
    lock l = { ask, what, false, false };
    if (len > PEM_MAX)
        return hn_fail(cx, HN_EFORMAT, "%s: expected a PEM key, found %zu bytes", what, len);
    if (memmem(text, len, "-----BEGIN PUBLIC KEY", 21)) {
        EVP_PKEY *p = read_public(text, (int)len);
        return p ? hn_key_wrap(cx, p, false, out) : hn_crypto_fail(cx, HN_EFORMAT, what);
    }
    if (memmem(text, len, "-----BEGIN CERTIFICATE", 22)) {
        EVP_PKEY *p = read_certificate(text, (int)len);
        return p ? hn_key_wrap(cx, p, false, out) : hn_crypto_fail(cx, HN_EFORMAT, what);
    }
    if (!memmem(text, len, "PRIVATE KEY", 11))
        return hn_fail(cx, HN_EFORMAT, "%s: expected a PEM key, found none", what);
    EVP_PKEY *p = read_private(text, (int)len, &l);
    if (!p && l.asked && !l.answered)
        return hn_fail(cx, HN_EARG, "%s: the key is locked and no passphrase was given", what);
    if (!p && l.asked)
        return hn_fail(cx, HN_EREFUSED, "%s: the passphrase does not open this key", what);
    return p ? hn_key_wrap(cx, p, true, out) : hn_crypto_fail(cx, HN_EFORMAT, what);
}

static hn_err open_token(hn_ctx *cx, const char *uri, const hn_ask *ask, hn_key **out)
{
    hn_buf spki = { .cx = cx };
    hn_token *t = NULL;
    hn_key *k;
    hn_err e = hn_token_open(cx, uri, ask, &spki, &t);
    if (!e)
        e = hn_key_from_der(cx, (const uint8_t *)spki.data, spki.len, &k);
    hn_buf_free(&spki);
    if (e) {
        hn_token_close(t);
        return e;
    }
    k->token = t;
    *out = k;
    return HN_OK;
}

hn_err hn_key_open(hn_ctx *cx, const char *where, const hn_ask *ask, hn_key **out)
{
    hn_file f;
    if (strncmp(where, "pkcs11:", 7) == 0)
        return open_token(cx, where, ask, out);
    HN_TRY(hn_file_open(cx, where, &f));
    hn_err e = hn_key_from_pem(cx, where, (const char *)f.data, f.len, ask, out);
    hn_file_close(&f);
    return e;
}

/* ---- Writing ---------------------------------------------------------------------------------------- */

static hn_err drain(hn_ctx *cx, BIO *b, bool ok, hn_buf *out)
{
    char *data;
    long len = ok ? BIO_get_mem_data(b, &data) : 0;
    if (len > 0)
        hn_buf_add(out, data, (size_t)len);
    BIO_free(b);
    return len > 0 ? hn_buf_ok(out, "a key") : hn_crypto_fail(cx, HN_ENOMEM, "a key cannot be written");
}

hn_err hn_key_public_pem(hn_ctx *cx, const hn_key *k, hn_buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    return drain(cx, b, b && PEM_write_bio_PUBKEY(b, k->pkey) == 1, out);
}

hn_err hn_key_public_der(hn_ctx *cx, const hn_key *k, hn_buf *out)
{
    BIO *b = BIO_new(BIO_s_mem());
    return drain(cx, b, b && i2d_PUBKEY_bio(b, k->pkey) == 1, out);
}

static bool write_locked(BIO *b, PKCS8_PRIV_KEY_INFO *plain, const char *passphrase)
{
    unsigned char salt[16];
    X509_ALGOR *how = RAND_bytes(salt, sizeof salt) == 1 ?
                      PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof salt, NULL, SCRYPT_N, 8, 1) : NULL;
    X509_SIG *sealed = how ? PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, how) : NULL;
    if (how && !sealed)
        X509_ALGOR_free(how);
    bool ok = sealed && PEM_write_bio_PKCS8(b, sealed) == 1;
    X509_SIG_free(sealed);
    return ok;
}

static bool write_private(BIO *b, const hn_key *k, const char *passphrase)
{
    PKCS8_PRIV_KEY_INFO *plain = EVP_PKEY2PKCS8(k->pkey);
    bool ok = plain && (passphrase ? write_locked(b, plain, passphrase) :
                        PEM_write_bio_PKCS8_PRIV_KEY_INFO(b, plain) == 1);
    PKCS8_PRIV_KEY_INFO_free(plain);
    return ok;
}

static hn_err save(hn_ctx *cx, const hn_key *k, const char *path, const char *pub, const char *passphrase, hn_buf *text)
{
    BIO *b = BIO_new(BIO_s_secmem());
    HN_TRY(drain(cx, b, b && write_private(b, k, passphrase), text));
    HN_TRY(hn_file_write_private(cx, path, text->data, text->len));
    OPENSSL_cleanse(text->data, text->len);
    text->len = 0;
    HN_TRY(hn_key_public_pem(cx, k, text));
    return hn_file_write(cx, pub, text->data, text->len);
}

hn_err hn_key_save(hn_ctx *cx, const hn_key *k, const char *path, const char *passphrase)
{
    char pub[HN_PATH_MAX];
    hn_buf text = { .cx = cx };
    int n = snprintf(pub, sizeof pub, "%s.pub", path);
    if (n < 0 || (size_t)n >= sizeof pub)
        return hn_fail(cx, HN_EARG, "%.200s...: path is too long", path);
    if (!k->private_half)
        return hn_fail(cx, HN_EARG, "%s: only a key with its private half can be saved", path);
    if (access(path, F_OK) == 0 || access(pub, F_OK) == 0)
        return hn_fail(cx, HN_EREFUSED, "%s is there already and will not be written over; choose another name", path);
    hn_err e = save(cx, k, path, pub, passphrase, &text);
    if (text.data)
        OPENSSL_cleanse(text.data, text.cap);
    hn_buf_free(&text);
    return e;
}
