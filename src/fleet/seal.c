/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet/seal.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "fleet/key_impl.h"

#define CHUNK 65536
#define TAG 16
#define HEADER 76

static const uint8_t opening[12] = { 'H', 'N', 'S', 'L', 1, 0, 0, 0, 0, 0, 1, 0 };     /* ends in CHUNK */

typedef struct stream {
    hn_ctx *cx;
    const char *from, *to;
    char temp[HN_PATH_MAX];
    FILE *in, *out;
    EVP_CIPHER_CTX *cipher;
    uint8_t key[32];
    uint64_t number;               /* of the chunk to come */
    uint8_t a[CHUNK + TAG], b[CHUNK + TAG];
} stream;

/* ---- Key -------------------------------------------------------------------------------------------- */

static hn_err derive(hn_ctx *cx, const uint8_t shared[32], const uint8_t header[HEADER], uint8_t out[32])
{
    char digest[] = "SHA256", info[] = "hone/seal/v1";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *job = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM how[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)shared, 32),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)header, HEADER),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info - 1),
        OSSL_PARAM_construct_end(),
    };
    bool ok = job && EVP_KDF_derive(job, out, 32, how) == 1;
    EVP_KDF_CTX_free(job);
    EVP_KDF_free(kdf);
    return ok ? HN_OK : hn_crypto_fail(cx, HN_ENOMEM, "a key cannot be derived");
}

/* `mine` is the file's own key when sealing, the device's when opening; `theirs` the other one. */
static hn_err agree(hn_ctx *cx, const hn_key *mine, const hn_key *theirs, const uint8_t header[HEADER], uint8_t out[32])
{
    uint8_t shared[32];
    HN_TRY(hn_key_agree(cx, mine, theirs, shared));
    hn_err e = derive(cx, shared, header, out);
    OPENSSL_cleanse(shared, sizeof shared);
    return e;
}

/* ---- One chunk -------------------------------------------------------------------------------------- */

static void nonce_of(const stream *s, bool last, uint8_t nonce[12])
{
    memset(nonce, 0, 12);
    for (int i = 0; i < 8; i++)
        nonce[i] = (uint8_t)(s->number >> 8 * i);
    nonce[8] = last;
}

/* s->a to s->b with its tag behind; `len` of the plaintext. */
static bool encrypt(stream *s, size_t len, bool last)
{
    uint8_t nonce[12];
    int n = 0, rest = 0;
    nonce_of(s, last, nonce);
    return EVP_EncryptInit_ex(s->cipher, EVP_chacha20_poly1305(), NULL, s->key, nonce) == 1 &&
           EVP_EncryptUpdate(s->cipher, s->b, &n, s->a, (int)len) == 1 &&
           EVP_EncryptFinal_ex(s->cipher, s->b + n, &rest) == 1 &&
           EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, TAG, s->b + len) == 1;
}

static bool decrypt(stream *s, size_t len, bool last)
{
    uint8_t nonce[12];
    int n = 0, rest = 0;
    nonce_of(s, last, nonce);
    return EVP_DecryptInit_ex(s->cipher, EVP_chacha20_poly1305(), NULL, s->key, nonce) == 1 &&
           EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_SET_TAG, TAG, s->a + len) == 1 &&
           EVP_DecryptUpdate(s->cipher, s->b, &n, s->a, (int)len) == 1 &&
           EVP_DecryptFinal_ex(s->cipher, s->b + n, &rest) == 1;
}

static hn_err write_out(stream *s, size_t len)
{
    if (fwrite(s->b, 1, len, s->out) != len)
        return hn_fail(s->cx, errno == ENOSPC ? HN_ELIMIT : HN_EIO, "%s: %s", s->to, strerror(errno));
    s->number++;
    return HN_OK;
}

/* The next chunk into s->a: *last when nothing comes behind it. */
static hn_err read_in(stream *s, size_t most, size_t *len, bool *last)
{
    *len = fread(s->a, 1, most, s->in);
    int next = *len == most ? getc(s->in) : EOF;
    if (ferror(s->in))
        return hn_fail(s->cx, HN_EIO, "%s: %s", s->from, strerror(errno));
    *last = next == EOF;
    if (!*last)
        ungetc(next, s->in);
    return HN_OK;
}

static hn_err seal_all(stream *s)
{
    size_t len;
    for (bool last = false; !last;) {
        HN_TRY(read_in(s, CHUNK, &len, &last));
        if (!encrypt(s, len, last))
            return hn_crypto_fail(s->cx, HN_ENOMEM, "encryption failed");
        HN_TRY(write_out(s, len + TAG));
    }
    return HN_OK;
}

static hn_err unseal_all(stream *s)
{
    size_t len;
    for (bool last = false; !last;) {
        HN_TRY(read_in(s, CHUNK + TAG, &len, &last));
        if (len < TAG || !decrypt(s, len - TAG, last))
            return hn_fail(s->cx, HN_EREFUSED, "%s: chunk %llu was changed, or the file was cut", s->from,
                           (unsigned long long)s->number);
        HN_TRY(write_out(s, len - TAG));
    }
    return HN_OK;
}

/* ---- Files ------------------------------------------------------------------------------------------ */

static hn_err open_both(stream *s)
{
    int n = snprintf(s->temp, sizeof s->temp, "%s.XXXXXX", s->to);
    if (n < 0 || (size_t)n >= sizeof s->temp)
        return hn_fail(s->cx, HN_EARG, "%.200s...: path is too long", s->to);
    s->in = fopen(s->from, "rbe");
    if (!s->in) {
        s->temp[0] = 0;
        return hn_fail(s->cx, HN_EIO, "%s: %s", s->from, strerror(errno));
    }
    int fd = mkstemp(s->temp);         /* for its owner only: it may hold the secret */
    s->out = fd >= 0 ? fdopen(fd, "wb") : NULL;
    s->cipher = EVP_CIPHER_CTX_new();
    if (!s->out)
        return hn_fail(s->cx, HN_EIO, "%s: %s", s->to, strerror(errno));
    return s->cipher ? HN_OK : hn_nomem(s->cx, "a cipher");
}

static hn_err finish(stream *s)
{
    if (fflush(s->out) != 0 || fsync(fileno(s->out)) != 0)
        return hn_fail(s->cx, errno == ENOSPC ? HN_ELIMIT : HN_EIO, "%s: %s", s->to, strerror(errno));
    HN_TRY(hn_file_rename(s->cx, s->temp, s->to));
    s->temp[0] = 0;
    return HN_OK;
}

static hn_err seal_stream(stream *s, const hn_key *device)
{
    uint8_t header[HEADER];
    hn_key *own;
    memcpy(header, opening, sizeof opening);
    HN_TRY(hn_key_generate(s->cx, HN_KEY_X25519, &own));
    hn_err e = hn_key_raw(s->cx, own, header + 12);
    if (!e)
        e = hn_key_raw(s->cx, device, header + 44);
    if (!e)
        e = agree(s->cx, own, device, header, s->key);
    hn_key_free(own);
    if (!e && fwrite(header, 1, HEADER, s->out) != HEADER)
        e = hn_fail(s->cx, HN_EIO, "%s: %s", s->to, strerror(errno));
    return e ? e : seal_all(s);
}

static hn_err unseal_stream(stream *s, const hn_key *device)
{
    uint8_t header[HEADER], mine[32];
    hn_key *own;
    if (fread(header, 1, HEADER, s->in) != HEADER || memcmp(header, opening, sizeof opening) != 0)
        return hn_fail(s->cx, HN_EFORMAT, "%s: expected a sealed file, found something else", s->from);
    HN_TRY(hn_key_raw(s->cx, device, mine));
    if (memcmp(mine, header + 44, 32) != 0)
        return hn_fail(s->cx, HN_EREFUSED, "%s: sealed for another device", s->from);
    HN_TRY(hn_key_from_raw(s->cx, HN_KEY_X25519, header + 12, &own));
    hn_err e = agree(s->cx, device, own, header, s->key);
    hn_key_free(own);
    return e ? e : unseal_all(s);
}

static hn_err run(hn_ctx *cx, const hn_key *device, const char *from, const char *to,
                  hn_err (*work)(stream *s, const hn_key *device))
{
    if (hn_key_kind_of(device) != HN_KEY_X25519)
        return hn_fail(cx, HN_EARG,
                       "expected an x25519 key, found %s; make one with `hone release key FILE --type x25519`",
                       hn_key_kind_name(hn_key_kind_of(device)));
    stream *s = hn_calloc(cx, 1, sizeof *s);
    if (!s)
        return hn_nomem(cx, "a sealed file");
    s->cx = cx;
    s->from = from;
    s->to = to;
    hn_err e = open_both(s);
    if (!e)
        e = work(s, device);
    if (!e)
        e = finish(s);
    if (s->in)
        fclose(s->in);
    if (s->out)
        fclose(s->out);
    if (s->temp[0])
        unlink(s->temp);
    EVP_CIPHER_CTX_free(s->cipher);
    OPENSSL_cleanse(s, sizeof *s);
    hn_free(cx, s);
    return e;
}

hn_err hn_seal_file(hn_ctx *cx, const hn_key *device, const char *from,
                    const char *to) { return run(cx, device, from, to, seal_stream); }

hn_err hn_unseal_file(hn_ctx *cx, const hn_key *device, const char *from, const char *to)
{
    return run(cx, device, from, to, unseal_stream);
}
