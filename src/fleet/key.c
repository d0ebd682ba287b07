/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "fleet/key_impl.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384         /* a longer one only costs whoever verifies */

static const struct { const char *name; int type; const char *group; const EVP_MD *(*md)(void); } kinds[] = {
    [HN_KEY_ED25519] = { "ed25519", EVP_PKEY_ED25519, NULL, NULL },
    [HN_KEY_P256] = { "p256", EVP_PKEY_EC, "prime256v1", EVP_sha256 },
    [HN_KEY_P384] = { "p384", EVP_PKEY_EC, "secp384r1", EVP_sha384 },
    [HN_KEY_P521] = { "p521", EVP_PKEY_EC, "secp521r1", EVP_sha512 },
    [HN_KEY_RSA] = { "rsa", EVP_PKEY_RSA, NULL, EVP_sha256 },
    [HN_KEY_X25519] = { "x25519", EVP_PKEY_X25519, NULL, NULL },
};

const char *hn_key_kind_name(hn_key_kind k) { return kinds[k].name; }

bool hn_key_kind_find(const char *name, hn_key_kind *out)
{
    for (int i = 0; i < HN_KEY_KIND_COUNT; i++)
        if (strcmp(kinds[i].name, name) == 0) {
            *out = (hn_key_kind)i;
            return true;
        }
    return false;
}

hn_err hn_crypto_fail(hn_ctx *cx, hn_err code, const char *what)
{
    char why[160] = "";
    unsigned long last = ERR_peek_last_error();
    if (last)
        ERR_error_string_n(last, why, sizeof why);
    ERR_clear_error();
    return hn_fail(cx, code, "%s%s%s", what, why[0] ? ": " : "", why);
}

/* ---- What kind of key ------------------------------------------------------------------------------- */

static hn_err kind_of(hn_ctx *cx, EVP_PKEY *pkey, hn_key_kind *out)
{
    char group[64] = "";
    int type = EVP_PKEY_get_base_id(pkey), bits = EVP_PKEY_get_bits(pkey);
    size_t len;

    if (type == EVP_PKEY_EC)
        EVP_PKEY_get_group_name(pkey, group, sizeof group, &len);
    for (int i = 0; i < HN_KEY_KIND_COUNT; i++) {
        if (kinds[i].type != type || (kinds[i].group && strcmp(kinds[i].group, group) != 0))
            continue;
        if (type == EVP_PKEY_RSA && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX))
            return hn_fail(cx, HN_EREFUSED, "an RSA key of %d bits: expected %d to %d", bits, RSA_BITS_MIN,
                           RSA_BITS_MAX);
        *out = (hn_key_kind)i;
        return HN_OK;
    }
    return hn_fail(cx, HN_EUNSUP, "unsupported: key of kind %s", group[0] ? group : OBJ_nid2sn(type));
}

hn_err hn_key_wrap(hn_ctx *cx, EVP_PKEY *pkey, bool private_half, hn_key **out)
{
    hn_key_kind kind = HN_KEY_RSA;
    if (!pkey)
        return hn_crypto_fail(cx, HN_EFORMAT, "a key cannot be read");
    hn_err e = kind_of(cx, pkey, &kind);
    hn_key *k = e ? NULL : hn_calloc(cx, 1, sizeof *k);
    if (!k) {
        EVP_PKEY_free(pkey);
        return e ? e : hn_nomem(cx, "a key");
    }
    *k = (hn_key){ .cx = cx, .pkey = pkey, .kind = kind, .private_half = private_half };
    *out = k;
    return HN_OK;
}

void hn_key_free(hn_key *k)
{
    if (!k)
        return;
    hn_token_close(k->token);
    EVP_PKEY_free(k->pkey);
    hn_free(k->cx, k);
}

hn_err hn_key_generate(hn_ctx *cx, hn_key_kind k, hn_key **out)
{
    EVP_PKEY *pkey = kinds[k].group ? EVP_EC_gen(kinds[k].group) :
                     k == HN_KEY_RSA ? EVP_RSA_gen(3072) : EVP_PKEY_Q_keygen(NULL, NULL, OBJ_nid2sn(kinds[k].type));
    if (!pkey)
        return hn_crypto_fail(cx, HN_ENOMEM, "a key cannot be made");
    return hn_key_wrap(cx, pkey, true, out);
}

hn_err hn_key_from_seed(hn_ctx *cx, hn_key_kind k, const uint8_t seed[32], hn_key **out)
{
    return hn_key_wrap(cx, EVP_PKEY_new_raw_private_key(kinds[k].type, NULL, seed, 32), true, out);
}

hn_err hn_key_from_raw(hn_ctx *cx, hn_key_kind k, const uint8_t pub[32], hn_key **out)
{
    return hn_key_wrap(cx, EVP_PKEY_new_raw_public_key(kinds[k].type, NULL, pub, 32), false, out);
}

hn_err hn_key_from_der(hn_ctx *cx, const uint8_t *spki, size_t len, hn_key **out)
{
    const uint8_t *at = spki;
    if (len > 65536)
        return hn_fail(cx, HN_EFORMAT, "a public key of %zu bytes: expected less", len);
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)len);
    if (pkey && at != spki + len) {
        EVP_PKEY_free(pkey);
        return hn_fail(cx, HN_EFORMAT, "a public key with %zu bytes after its end", (size_t)(spki + len - at));
    }
    return hn_key_wrap(cx, pkey, false, out);
}

hn_key_kind hn_key_kind_of(const hn_key *k) { return k->kind; }
bool hn_key_can_sign(const hn_key *k) { return (k->private_half || k->token) && k->kind != HN_KEY_X25519; }
bool hn_key_equal(const hn_key *a, const hn_key *b) { return EVP_PKEY_eq(a->pkey, b->pkey) == 1; }

hn_err hn_key_raw(hn_ctx *cx, const hn_key *k, uint8_t pub[32])
{
    size_t len = 32;
    if (EVP_PKEY_get_raw_public_key(k->pkey, pub, &len) != 1 || len != 32)
        return hn_crypto_fail(cx, HN_EUNSUP, "a key of this kind has no raw form");
    return HN_OK;
}

/* ---- Signatures ------------------------------------------------------------------------------------- */

static bool set_pss(EVP_PKEY_CTX *p, int salt)
{
    return EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) > 0 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(p, salt) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(p, EVP_sha256()) > 0;
}

static const EVP_MD *md_of(const hn_key *k) { return kinds[k->kind].md ? kinds[k->kind].md() : NULL; }

static bool sign_with(EVP_MD_CTX *m, const hn_key *k, const void *data, size_t len, hn_buf *sig)
{
    EVP_PKEY_CTX *p;
    uint8_t out[RSA_BITS_MAX / 8];
    size_t out_len = sizeof out;
    if (EVP_DigestSignInit(m, &p, md_of(k), NULL, k->pkey) != 1 || (k->kind == HN_KEY_RSA && !set_pss(p, 32)) ||
        EVP_DigestSign(m, out, &out_len, data, len) != 1)
        return false;
    hn_buf_add(sig, out, out_len);
    return true;
}

hn_err hn_key_sign(hn_ctx *cx, const hn_key *k, const void *data, size_t len, hn_buf *sig)
{
    if (!hn_key_can_sign(k))
        return hn_fail(cx, HN_EARG, "this key cannot sign: expected a private key, found %s",
                       k->private_half ? "one for encryption" : "a public one");
    if (k->token)
        return hn_token_sign(cx, k->token, k->kind, data, len, sig);
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    bool ok = m && sign_with(m, k, len ? data : "", len, sig);
    EVP_MD_CTX_free(m);
    if (!ok)
        return hn_crypto_fail(cx, HN_ENOMEM, "signing failed");
    return hn_buf_ok(sig, "a signature");
}

hn_err hn_key_verify(hn_ctx *cx, const hn_key *k, const void *data, size_t len, const void *sig, size_t sig_len)
{
    EVP_PKEY_CTX *p;
    if (k->kind == HN_KEY_X25519)
        return hn_fail(cx, HN_EREFUSED, "an X25519 key signs nothing");
    EVP_MD_CTX *m = EVP_MD_CTX_new();
    if (!m)
        return hn_nomem(cx, "a signature");
    bool ok = EVP_DigestVerifyInit(m, &p, md_of(k), NULL, k->pkey) == 1 &&
              (k->kind != HN_KEY_RSA || set_pss(p, RSA_PSS_SALTLEN_AUTO)) &&
              EVP_DigestVerify(m, sig, sig_len, len ? data : "", len) == 1;
    EVP_MD_CTX_free(m);
    ERR_clear_error();
    return ok ? HN_OK : hn_fail(cx, HN_EREFUSED, "the signature does not fit the bytes and the key");
}

hn_err hn_key_agree(hn_ctx *cx, const hn_key *mine, const hn_key *theirs, uint8_t out[32])
{
    size_t len = 32;
    if (mine->kind != HN_KEY_X25519 || theirs->kind != HN_KEY_X25519 || !mine->private_half)
        return hn_fail(cx, HN_EARG, "expected two X25519 keys, the first a private one");
    EVP_PKEY_CTX *p = EVP_PKEY_CTX_new(mine->pkey, NULL);
    bool ok = p && EVP_PKEY_derive_init(p) == 1 && EVP_PKEY_derive_set_peer(p, theirs->pkey) == 1 &&
              EVP_PKEY_derive(p, out, &len) == 1 && len == 32;      /* refuses points of small order */
    EVP_PKEY_CTX_free(p);
    return ok ? HN_OK : hn_crypto_fail(cx, HN_EREFUSED, "the keys agree on nothing");
}
