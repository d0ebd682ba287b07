/* SPDX-License-Identifier: Apache-2.0 */
/* What key.c, key_file.c and token.c share. */
#ifndef HN_FLEET_KEY_IMPL_H
#define HN_FLEET_KEY_IMPL_H

#include <openssl/evp.h>

#include "fleet/key.h"

typedef struct hn_token hn_token;        /* a private key that stays in its device */

struct hn_key {
    hn_ctx *cx;
    EVP_PKEY *pkey;
    hn_token *token;                     /* NULL: what is private is in pkey, or nowhere */
    hn_key_kind kind;
    bool private_half;
};

/* Takes over pkey, on failure too.  Refuses kinds and sizes that are not in the list. */
hn_err hn_key_wrap(hn_ctx *cx, EVP_PKEY *pkey, bool private_half, hn_key **out);

/* Fails with what libcrypto says last. */
hn_err hn_crypto_fail(hn_ctx *cx, hn_err code, const char *what);

/* Finds the key a pkcs11: URI names; `spki` gets its public half as DER. */
hn_err hn_token_open(hn_ctx *cx, const char *uri, const hn_ask *ask, hn_buf *spki, hn_token **out);
hn_err hn_token_sign(hn_ctx *cx, hn_token *t, hn_key_kind kind, const void *data, size_t len, hn_buf *sig);
void hn_token_close(hn_token *t);

#endif
